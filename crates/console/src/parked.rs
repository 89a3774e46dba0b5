//! The executions that are left alone, because a fault of the server's own keeps them from going on.

use crate::act::{self, What};
use crate::page::{self, Answer, Page, Refusal, block, when};
use crate::text::{Foreign, name, visible};
use crate::{Ask, Visit};
use maud::html;
use stepwright_engine::Parked;

/// Those of the visitor's account.
pub(crate) async fn owned(visit: &dyn Visit) -> Result<Vec<Parked>, Refusal> {
    let mut parked = visit.engine().parked().await?;
    parked.retain(|one| visit.owns(&one.arn));
    Ok(parked)
}

pub(crate) async fn page(visit: &dyn Visit, ask: &Ask) -> Answer {
    let parked = owned(visit).await?;
    let main = html! {
        h1 { "Parked executions" }
        p class="dim" { "A fault of the server's own keeps them from going on. A later release of Stepwright tries them again by itself." }
        @if parked.is_empty() { p class="none" { "There are none." } }
        @for one in &parked {
            section class="notice bad" {
                div class="heading" {
                    h2 { (crate::status::mark("PARKED")) a href=(page::to_execution(&one.arn)) { (Foreign(name(&one.arn))) } }
                    div class="acts" {
                        (act::form(visit, "RetryParked", &What { button: "Try again", says: "Takes up the execution where its history ends.", resource: "*", is_dangerous: false }, &act::hidden("executionArn", &one.arn)))
                        (act::form(visit, "AbortParked", &What { button: "Abort", says: "Ends the execution as ABORTED.", resource: "*", is_dangerous: true }, &act::hidden("executionArn", &one.arn)))
                    }
                }
                p class="dim" { "Since " (when(one.since)) " UTC, Stepwright " (visible(&one.release)) }
                (block(&one.reason))
            }
        }
    };
    let title = "Parked executions".to_owned();
    Page { title, belongs_to: "/", live: None, main, visit, looks: ask.looks }.answer()
}
