use crate::fields::link;
use crate::page::{self, Looks};
use crate::{LOGIN, OIDC, sealed};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use maud::{DOCTYPE, Markup, html};

/// The page that a browser gets whose user is not known.
#[derive(Clone, Copy, Debug)]
pub struct LoginPage<'a> {
    /// The path that was asked for.
    pub next: &'a str,
    /// Why the last attempt has failed.
    pub notice: Option<&'a str>,
    /// The name of the identity provider, if there is one.
    pub provider: Option<&'a str>,
}

/// What the page says if a key or its secret is wrong.
pub const WRONG_KEY: &str = "There is no such key, or the secret is another one.";

impl LoginPage<'_> {
    /// Writes the page.
    pub fn answer(&self, looks: Looks) -> Response {
        let main = html! {
            h1 { "Stepwright" }
            @if let Some(notice) = self.notice {
                p class="notice bad" role="alert" { (notice) }
            }
            @if let Some(provider) = self.provider {
                p { a class="button main" href=(link(OIDC, &[("next", self.next)])) data-provider { "Log in with " (provider) } }
                h2 { "Or with a key" }
            }
            form method="post" action=(LOGIN) class="stack" {
                label { "Access key id"
                    input name="key" autocomplete="username" required autofocus[self.provider.is_none()] spellcheck="false";
                }
                label { "Secret access key"
                    input name="secret" type="password" autocomplete="current-password" required;
                }
                input type="hidden" name="next" value=(self.next) data-next;
                button type="submit" class=[self.provider.is_none().then_some("main")] { "Log in" }
                p class="dim" {
                    "With a key of this server: " code { "[[credentials]]" } " in its "
                    code { "stepwright.toml" } ". What you see and may do are the key's rights."
                }
            }
        };
        sealed(page::html_answer(StatusCode::UNAUTHORIZED, &document(looks, "Log in", &main)))
    }
}

/// The page that leads from the identity provider to the page that was asked for. A redirection would not do:
/// browsers do not send our cookie along where another site has sent them.
pub fn arrived_page(looks: Looks, next: &str) -> Response {
    let main = html! {
        h1 { "Stepwright" }
        p { "You are logged in. " a href=(next) { "Go on" } }
    };
    let mut response = page::html_answer(StatusCode::OK, &document(looks, "Logged in", &main));
    if let Ok(value) = HeaderValue::from_str(&format!("0; url={next}")) {
        response.headers_mut().insert("refresh", value);
    }
    sealed(response)
}

fn document(looks: Looks, title: &str, main: &Markup) -> Markup {
    let looks = match looks {
        Looks::System => "system",
        Looks::Light => "light",
        Looks::Dark => "dark",
    };
    html! {
        (DOCTYPE)
        html lang="en" data-looks=(looks) {
            (page::head(title))
            body { main id="main" class="login" { (main) } }
        }
    }
}
