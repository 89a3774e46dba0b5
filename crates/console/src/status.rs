//! Statuses, by word, colour and shape.

use maud::{Markup, html};

/// A status as a person reads it.
pub(crate) fn word(status: &str) -> &str {
    match status {
        "RUNNING" => "Running",
        "SUCCEEDED" => "Succeeded",
        "FAILED" => "Failed",
        "TIMED_OUT" => "Timed out",
        "ABORTED" => "Aborted",
        "PENDING_REDRIVE" => "Waits to be redriven",
        "PARKED" => "Parked",
        "PENDING" => "Pending",
        other => other,
    }
}

/// The class of a status in the style sheet.
pub(crate) fn class(status: &str) -> &'static str {
    match status {
        "RUNNING" => "running",
        "SUCCEEDED" => "succeeded",
        "FAILED" => "failed",
        "TIMED_OUT" => "timed-out",
        "ABORTED" => "aborted",
        "PARKED" => "parked",
        _ => "pending",
    }
}

/// The mark and the word.
pub(crate) fn badge(status: &str) -> Markup {
    html! {
        span class={ "status " (class(status)) } data-status=(status) { (mark(status)) (word(status)) }
    }
}

/// The shape of a status, so that colour is not all that tells them apart.
pub(crate) fn mark(status: &str) -> Markup {
    html! {
        svg class={ "mark " (class(status)) } viewBox="0 0 12 12" aria-hidden="true" {
            @match status {
                "RUNNING" => {
                    circle class="ring" cx="6" cy="6" r="4.5" fill="none" stroke-width="2" {}
                },
                "SUCCEEDED" => { path d="M2 6.5 5 9.5 10.5 3" fill="none" stroke-width="2" {} },
                "FAILED" => { path d="M2.5 2.5 9.5 9.5M9.5 2.5 2.5 9.5" fill="none" stroke-width="2" {} },
                "TIMED_OUT" => {
                    circle cx="6" cy="6" r="5" fill="none" stroke-width="1.5" {}
                    path d="M6 3V6L8.2 7.4" fill="none" stroke-width="1.5" {}
                },
                "ABORTED" => { rect class="solid" x="2" y="2" width="8" height="8" rx="1" {} },
                "PARKED" => { path d="M6 1 11.5 11H.5Z" fill="none" stroke-width="1.5" {} path d="M6 4.5V7.5M6 8.8V9.6" fill="none" stroke-width="1.5" {} },
                _ => { circle cx="6" cy="6" r="4.5" fill="none" stroke-width="1.5" stroke-dasharray="2 2" {} },
            }
        }
    }
}
