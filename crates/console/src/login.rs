use crate::page::{self, Looks};
use crate::{LOGIN, sealed};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{DOCTYPE, html};

/// The page that a browser gets whose user is not known. `next` is the path that was asked for.
pub fn login_page(looks: Looks, next: &str, is_wrong: bool) -> Response {
    let looks = match looks {
        Looks::System => "system",
        Looks::Light => "light",
        Looks::Dark => "dark",
    };
    let markup = html! {
        (DOCTYPE)
        html lang="en" data-looks=(looks) {
            (page::head("Log in"))
            body {
                main id="main" class="login" {
                    h1 { "Stepwright" }
                    form method="post" action=(LOGIN) class="stack" {
                        @if is_wrong {
                            p class="notice bad" role="alert" { "There is no such key, or the secret is another one." }
                        }
                        label { "Access key id"
                            input name="key" autocomplete="username" required autofocus spellcheck="false";
                        }
                        label { "Secret access key"
                            input name="secret" type="password" autocomplete="current-password" required;
                        }
                        input type="hidden" name="next" value=(next) data-next;
                        button type="submit" class="main" { "Log in" }
                        p class="dim" {
                            "With a key of this server: " code { "[[credentials]]" } " in its "
                            code { "stepwright.toml" } ". What you see and may do are the key's rights."
                        }
                    }
                }
            }
        }
    };
    sealed(page::html_answer(StatusCode::UNAUTHORIZED, &markup))
}
