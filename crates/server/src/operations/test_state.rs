use crate::api::{Api, Reply};
use crate::door::Scope;
use std::sync::Arc;
use stepwright_engine::{Principal, Revision, Trace};
use stepwright_history::{Failure, Identity, TaskKind};
use stepwright_json::{Json, Object};
use stepwright_protocol::{ApiError, Request};
use stepwright_simulator::{
    FieldValidation, Mock, StateConfiguration, StateTest, StateTestError, Testing,
};

pub(super) async fn call(api: &Api, request: &Request, principal: Principal) -> Reply {
    let options = api.engine.options();
    let scope = api.scope.as_ref();
    let account = scope.map_or(&*options.account, Scope::account);
    let region = scope.and_then(Scope::region).unwrap_or(&options.region);
    let id = api.engine.new_uuid();
    let machine = format!("TestState-{}", &id[..8]);
    let role_arn = request.text("roleArn").unwrap_or_default();
    let identity = Identity {
        execution_arn: format!("arn:aws:states:{region}:{account}:express:{machine}:{id}").into(),
        name: id.as_str().into(),
        role_arn: role_arn.into(),
        state_machine_arn: format!("arn:aws:states:{region}:{account}:stateMachine:{machine}")
            .into(),
        state_machine_name: machine.as_str().into(),
        region: region.into(),
    };
    let object = |member: &str| match json(request, member)? {
        None => Ok(None),
        Some(Json::Object(members)) => Ok(Some(members)),
        Some(_) => Err(ApiError::validation(format!("'{member}' must be a JSON object"))),
    };
    let test = StateTest {
        definition: request.required("definition").to_owned(),
        state: request.text("stateName").map(str::to_owned),
        input: json(request, "input")?.unwrap_or_else(|| Object::new().into()),
        variables: object("variables")?.unwrap_or_default(),
        identity: Some(identity.clone()),
        context: object("context")?.map(Json::from),
        mock: mock(request)?,
        configuration: configuration(request),
    };
    let begun = api.engine.aside(|| test.begin(options.clock.now())).await;
    let mut testing = begun.map_err(refused)?;
    let level = request.text("inspectionLevel").unwrap_or("INFO");
    let trace = Arc::new(Trace::new(request.flag("revealSecrets")));
    if testing.call().is_some() {
        let trace = (level == "TRACE").then(|| trace.clone());
        run_task(api, request, &identity, principal, trace, &mut testing).await?;
    }
    let mut report = testing.finish();
    report.exchanged = trace.take();
    Ok(report.to_json(level != "INFO"))
}

/// Runs the task of the state that is tested.
async fn run_task(
    api: &Api,
    request: &Request,
    identity: &Identity,
    principal: Principal,
    trace: Option<Arc<Trace>>,
    testing: &mut Testing,
) -> Result<(), ApiError> {
    let Some(call) = testing.call() else { return Ok(()) };
    if request.text("roleArn").is_none() {
        return Err(ApiError::validation("RoleArn must be specified when testing a Task state"));
    }
    let needs_mock = call.kind == TaskKind::Activity
        || call.resource.contains(".sync")
        || call.resource.ends_with(".waitForTaskToken");
    if needs_mock {
        return Err(ApiError::new(
            "InvalidDefinition",
            format!(
                "TestState API does not support the resource '{}' when a mock is not specified.",
                call.resource
            ),
        ));
    }
    let revision = Revision {
        id: api.engine.new_uuid(),
        definition: request.required("definition").to_owned(),
        role_arn: identity.role_arn.to_string(),
        is_express: true,
        logging: None,
        is_traced: false,
        encryption: None,
        created_at: api.engine.options().clock.now().0,
        program: Arc::new(testing.program().clone()),
    };
    let (arn, call) = (identity.execution_arn.clone(), call.clone());
    let outcome = api.engine.call_once(Arc::new(revision), &arn, principal, call, trace).await;
    api.engine.aside(|| testing.answer(outcome)).await;
    Ok(())
}

/// Reads a member that is JSON as text.
fn json(request: &Request, member: &str) -> Result<Option<Json>, ApiError> {
    let Some(text) = request.text(member) else { return Ok(None) };
    stepwright_json::parse(text)
        .map(Some)
        .map_err(|error| ApiError::validation(format!("'{member}' is not valid JSON: {error}")))
}

fn mock(request: &Request) -> Result<Option<Mock>, ApiError> {
    let Some(mock) = request.get("mock") else { return Ok(None) };
    if request.flag("revealSecrets") {
        let what = "TestState does not support RevealSecrets when a mock is specified.";
        return Err(ApiError::validation(what));
    }
    let given = |name: &str| mock.get(name).filter(|value| !value.is_null());
    let outcome = match (given("result"), given("errorOutput")) {
        (Some(_), Some(_)) => {
            return Err(ApiError::validation(
                "A test mock should have only one of the following fields: [result, errorOutput].",
            ));
        }
        (Some(result), None) => {
            let text = result.as_str().unwrap_or_default();
            Ok(stepwright_json::parse(text)
                .map_err(|_| ApiError::validation("Mocked result must be valid JSON"))?)
        }
        (None, Some(error)) => {
            let text = |key: &str| error.get(key).and_then(Json::as_str).map(Into::into);
            Err(Failure { error: text("error"), cause: text("cause") })
        }
        (None, None) => return Ok(None),
    };
    let mode = mock.get("fieldValidationMode").and_then(Json::as_str);
    let validation = mode.and_then(FieldValidation::parse).unwrap_or_default();
    Ok(Some(Mock { outcome, validation }))
}

fn configuration(request: &Request) -> StateConfiguration {
    let get = |key: &str| request.get("stateConfiguration")?.get(key);
    let text = |key: &str| get(key).and_then(Json::as_str).map(str::to_owned);
    let count = |key: &str| get(key).and_then(Json::as_i64).map(i64::unsigned_abs);
    StateConfiguration {
        retrier_retry_count: count("retrierRetryCount").map(|n| n.try_into().unwrap_or(u32::MAX)),
        error_caused_by_state: text("errorCausedByState"),
        map_iteration_failure_count: count("mapIterationFailureCount"),
        map_item_reader_data: text("mapItemReaderData"),
    }
}

fn refused(error: StateTestError) -> ApiError {
    match error {
        StateTestError::Definition(message) => ApiError::new("InvalidDefinition", message),
        StateTestError::Request(message) => ApiError::validation(message),
    }
}
