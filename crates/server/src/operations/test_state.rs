use super::start_sync_execution::insert_failure;
use crate::api::{Api, Reply};
use stepwright_history::Failure;
use stepwright_json::{Json, Object};
use stepwright_protocol::{ApiError, Request};
use stepwright_simulator::{StateOutcome, StateTest, StateTestError};

/// What is not served yet, and refused rather than left aside.
const NOT_SERVED: [&str; 3] = ["context", "stateConfiguration", "revealSecrets"];

pub(super) async fn call(_api: &Api, request: &Request) -> Reply {
    for member in NOT_SERVED {
        if request.get(member).is_some_and(|value| *value != Json::Bool(false)) {
            return Err(ApiError::validation(format!("'{member}' is not supported by this server")));
        }
    }
    if request.text("inspectionLevel").is_some_and(|level| level != "INFO") {
        let what = "this server supports the inspection level INFO only";
        return Err(ApiError::validation(what));
    }
    let json = |name: &str, text: &str| {
        stepwright_json::parse(text)
            .map_err(|error| ApiError::validation(format!("'{name}' is not JSON: {error}")))
    };
    let definition = stepwright_json::parse(request.required("definition")).map_err(|error| {
        let what = format!("Invalid State Machine Definition: '{error}'");
        ApiError::new("InvalidDefinition", what)
    })?;
    let variables = match request.text("variables") {
        Some(text) => json("variables", text)?.as_object().cloned().unwrap_or_default(),
        None => Object::new(),
    };
    let test = StateTest {
        definition,
        state: request.text("stateName").map(str::to_owned),
        input: match request.text("input") {
            Some(text) => json("input", text)?,
            None => Object::new().into(),
        },
        variables,
        identity: None,
        mock: mock(request)?,
    };
    let mut reply = Object::new();
    match test.run().map_err(refused)? {
        StateOutcome::Succeeded { output, next } => {
            reply.insert("status", "SUCCEEDED".into());
            reply.insert("output", output.to_string().into());
            super::insert_text(&mut reply, "nextState", next.as_deref());
        }
        StateOutcome::Caught { failure, output, next } => {
            reply.insert("status", "CAUGHT_ERROR".into());
            insert_failure(&mut reply, &failure);
            reply.insert("output", output.to_string().into());
            super::insert_text(&mut reply, "nextState", next.as_deref());
        }
        StateOutcome::Retriable { failure } => {
            reply.insert("status", "RETRIABLE".into());
            insert_failure(&mut reply, &failure);
        }
        StateOutcome::Failed { failure } => {
            reply.insert("status", "FAILED".into());
            insert_failure(&mut reply, &failure);
        }
    }
    Ok(reply.into())
}

fn mock(request: &Request) -> Result<Option<Result<Json, Failure>>, ApiError> {
    let Some(mock) = request.get("mock") else { return Ok(None) };
    let given = |name: &str| mock.get(name).filter(|value| !value.is_null());
    match (given("result"), given("errorOutput")) {
        (Some(_), Some(_)) => Err(ApiError::validation(
            "A test mock should have only one of the following fields: [result, errorOutput].",
        )),
        (Some(result), None) => {
            let text = result.as_str().unwrap_or_default();
            let value = stepwright_json::parse(text)
                .map_err(|_| ApiError::validation("Mocked result must be valid JSON"))?;
            Ok(Some(Ok(value)))
        }
        (None, Some(error)) => {
            let text = |key: &str| error.get(key).and_then(Json::as_str).map(Into::into);
            Ok(Some(Err(Failure { error: text("error"), cause: text("cause") })))
        }
        (None, None) => Ok(None),
    }
}

fn refused(error: StateTestError) -> ApiError {
    match error {
        StateTestError::NoSuchState => ApiError::validation("State not found in definition"),
        StateTestError::TakesNoMock { kind } => ApiError::validation(format!(
            "State type '{kind}' is not supported when a mock is specified"
        )),
        StateTestError::NeedsMock { what } => ApiError::validation(format!(
            "this server tests '{what}' with a mock only: give 'mock.result' or 'mock.errorOutput'"
        )),
        StateTestError::Invalid { message } => {
            let what = format!("Invalid State Machine Definition: '{message}'");
            ApiError::new("InvalidDefinition", what)
        }
    }
}
