//! What one can do from a page: an operation of the API for each, with its rights.

use crate::page::{self, Answer, Page, Refusal};
use crate::redacted::{self, INPUT_OF};
use crate::{ACT, Ask, Console, Fields, Visit};
use axum::http::StatusCode;
use maud::{Markup, html};
use stepwright_engine::ParkedError;
use stepwright_interpreter::token;
use stepwright_json::{Json, Object};

/// What a form asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// An operation of Step Functions.
    Operation {
        /// Its name.
        name: &'static str,
        /// The body of a request for it.
        body: Json,
    },
    /// To try a parked execution again, or to abort it.
    Parked {
        /// The execution.
        arn: String,
        /// Whether it is tried again.
        is_retry: bool,
    },
    /// To start an execution at a state of another one.
    Fork {
        /// What the server's own operation takes.
        body: Json,
    },
}

/// How a field of a form is written in a request.
#[derive(Clone, Copy)]
enum As {
    Text,
    Number,
    /// The result of a mock.
    Result,
    /// The error of a mock.
    Error,
    /// Its cause.
    Cause,
}

/// The operations that forms ask for, and their fields.
const OPERATIONS: [(&str, &[(&str, As)]); 9] = [
    (
        "StartExecution",
        &[
            ("stateMachineArn", As::Text),
            ("name", As::Text),
            ("input", As::Text),
            (INPUT_OF, As::Text),
        ],
    ),
    (
        "StartSyncExecution",
        &[
            ("stateMachineArn", As::Text),
            ("name", As::Text),
            ("input", As::Text),
            (INPUT_OF, As::Text),
        ],
    ),
    ("StopExecution", &[("executionArn", As::Text), ("error", As::Text), ("cause", As::Text)]),
    ("RedriveExecution", &[("executionArn", As::Text)]),
    ("SendTaskSuccess", &[("taskToken", As::Text), ("output", As::Text)]),
    ("SendTaskFailure", &[("taskToken", As::Text), ("error", As::Text), ("cause", As::Text)]),
    ("SendTaskHeartbeat", &[("taskToken", As::Text)]),
    (
        "UpdateMapRun",
        &[
            ("mapRunArn", As::Text),
            ("maxConcurrency", As::Number),
            ("toleratedFailureCount", As::Number),
        ],
    ),
    (
        "TestState",
        &[
            ("definition", As::Text),
            ("stateName", As::Text),
            ("input", As::Text),
            ("variables", As::Text),
            ("roleArn", As::Text),
            ("inspectionLevel", As::Text),
            (INPUT_OF, As::Text),
            ("mockResult", As::Result),
            ("mockError", As::Error),
            ("mockCause", As::Cause),
        ],
    ),
];

/// What a form asks for. The error is for a person.
pub fn asked(form: &Fields) -> Result<Asked, String> {
    let name = form.text("operation");
    if matches!(name, "RetryParked" | "AbortParked") {
        let arn = form.text("executionArn").to_owned();
        return Ok(Asked::Parked { arn, is_retry: name == "RetryParked" });
    }
    if name == "ForkExecution" {
        return Ok(Asked::Fork { body: crate::fork::asked(form)? });
    }
    let found = OPERATIONS.iter().find(|(known, _)| *known == name);
    let (name, fields) =
        found.ok_or_else(|| format!("pages do not ask for `{}`", crate::text::short(name, 80)))?;
    let (mut body, mut mock, mut error) = (Object::new(), Object::new(), Object::new());
    for (field, kind) in *fields {
        let Some(value) = form.get(field) else { continue };
        match kind {
            As::Text => drop(body.insert(*field, value.into())),
            As::Number => {
                let number = value
                    .trim()
                    .parse()
                    .map_err(|_| format!("`{field}` must be a whole number"))?;
                body.insert(*field, Json::Int(number));
            }
            As::Result => drop(mock.insert("result", value.into())),
            As::Error => drop(error.insert("error", value.into())),
            As::Cause => drop(error.insert("cause", value.into())),
        }
    }
    if !error.is_empty() {
        mock.insert("errorOutput", error.into());
    }
    if !mock.is_empty() {
        body.insert("mock", mock.into());
    }
    Ok(Asked::Operation { name, body: body.into() })
}

/// Does what was asked for, and shows what has come of it.
pub(crate) async fn act(console: &Console, visit: &dyn Visit, ask: &Ask) -> Answer {
    let Some(asked) = &ask.asked else {
        return Err(Refusal::unclear("nothing was asked for"));
    };
    let (name, body) = match asked {
        Asked::Parked { arn, is_retry } => {
            let engine = visit.engine();
            let done = if *is_retry {
                engine.retry_parked(arn).await
            } else {
                engine.abort_parked(arn).await
            };
            done.map_err(|error| match error {
                ParkedError::Store(error) => error.into(),
                error => Refusal::new(StatusCode::CONFLICT, "", error.to_string()),
            })?;
            return Ok(page::elsewhere(&page::to_execution(arn)));
        }
        Asked::Fork { body } => return crate::fork::fork(console, visit, body).await,
        Asked::Operation { name, body } => (*name, body),
    };
    let text = |member: &str| body.get(member).and_then(Json::as_str).unwrap_or_default();
    let reply = visit.call(name, redacted::put_back(console, visit, body).await?).await?;
    let of_reply = |member: &str| reply.get(member).and_then(Json::as_str).unwrap_or_default();
    let next = match name {
        "StartExecution" => page::to_execution(of_reply("executionArn")),
        "StopExecution" | "RedriveExecution" => page::to_execution(text("executionArn")),
        "SendTaskSuccess" | "SendTaskFailure" | "SendTaskHeartbeat" => {
            let execution = token::read(text("taskToken")).map(|(arn, _)| arn);
            page::to_execution(&execution.unwrap_or_default())
        }
        "UpdateMapRun" => crate::fields::link("/console/map-run", &[("arn", text("mapRunArn"))]),
        "TestState" => return crate::test::tried(console, visit, ask, body, &reply),
        _ => return ended(console, visit, ask, body, &reply),
    };
    Ok(page::elsewhere(&next))
}

/// The page with what an Express execution has answered.
fn ended(console: &Console, visit: &dyn Visit, ask: &Ask, body: &Json, reply: &Json) -> Answer {
    let text = |of: &Json, member: &str| {
        of.get(member).and_then(Json::as_str).unwrap_or_default().to_owned()
    };
    let machine = text(body, "stateMachineArn");
    let failure = ["error", "cause"].map(|member| text(reply, member));
    let main = html! {
        (page::trail(&[(crate::text::name(&machine), page::to_machine(&machine))], "Result"))
        h1 { "Result " (crate::status::badge(&text(reply, "status"))) }
        p class="dim" { "Express executions are not recorded: this is all that is kept of it." }
        @if !failure[0].is_empty() { h2 { (crate::text::Foreign(&failure[0])) } }
        @if !failure[1].is_empty() { (page::block(&failure[1])) }
        div class="pair" {
            div { h2 { "Input" } (page::tree(&console.redaction.text(&text(reply, "input")), "Input")) }
            @let output = text(reply, "output");
            @if !output.is_empty() { div { h2 { "Output" } (page::tree(&console.redaction.text(&output), "Output")) } }
        }
    };
    let title = "Result".to_owned();
    Page { title, belongs_to: "", live: None, main, visit, looks: ask.looks }.answer()
}

/// A form that asks for an operation, behind a button that says so. Nothing, if the visitor may not.
pub(crate) fn form(visit: &dyn Visit, operation: &str, what: &What<'_>, inputs: &Markup) -> Markup {
    let Some(token) = visit.token() else { return html! {} };
    if !visit.may(&action(operation), what.resource) {
        return html! {};
    }
    html! {
        details class="act" {
            summary class=[what.is_dangerous.then_some("danger")] { (what.button) }
            form method="post" action=(ACT) class="stack" {
                input type="hidden" name="token" value=(token);
                input type="hidden" name="operation" value=(operation);
                p { (what.says) }
                (inputs)
                button type="submit" class=(if what.is_dangerous { "danger" } else { "main" }) { (what.button.trim_end_matches('…')) }
            }
        }
    }
}

/// What a form is for.
pub(crate) struct What<'w> {
    /// The words on its button.
    pub(crate) button: &'w str,
    /// What it will do.
    pub(crate) says: &'w str,
    /// The resource that the right is needed on.
    pub(crate) resource: &'w str,
    pub(crate) is_dangerous: bool,
}

/// The right to an operation.
fn action(operation: &str) -> String {
    match operation {
        "RetryParked" | "AbortParked" => "stepwright:ManageParkedExecutions".to_owned(),
        other => format!("states:{other}"),
    }
}

/// A field that is not shown.
pub(crate) fn hidden(name: &str, value: &str) -> Markup {
    html! { input type="hidden" name=(name) value=(value); }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    fn of(text: &str) -> Result<Asked, String> {
        asked(&Fields::read(text.as_bytes()))
    }

    #[test]
    fn forms_are_requests_of_the_api() {
        let operation = |name, body| Ok(Asked::Operation { name, body });
        assert_eq!(
            of("operation=StopExecution&executionArn=a&error=E&cause=&token=t&other=x"),
            operation("StopExecution", json!({"executionArn": "a", "error": "E"}))
        );
        assert_eq!(
            of("operation=UpdateMapRun&mapRunArn=m&maxConcurrency=+7"),
            operation("UpdateMapRun", json!({"mapRunArn": "m", "maxConcurrency": 7}))
        );
        assert_eq!(
            of("operation=TestState&definition=d&mockError=E&mockCause=c"),
            operation(
                "TestState",
                json!({"definition": "d", "mock": {"errorOutput": {"error": "E", "cause": "c"}}})
            )
        );
        assert_eq!(
            of("operation=AbortParked&executionArn=a"),
            Ok(Asked::Parked { arn: "a".to_owned(), is_retry: false })
        );
    }

    #[test]
    fn other_operations_are_refused() {
        for text in
            ["", "operation=DeleteStateMachine", "operation=CreateStateMachine&definition=x"]
        {
            assert!(of(text).is_err(), "{text}");
        }
        let wrong = of("operation=UpdateMapRun&mapRunArn=m&maxConcurrency=many");
        assert_eq!(wrong, Err("`maxConcurrency` must be a whole number".to_owned()));
    }
}
