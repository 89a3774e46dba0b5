//! `/fork`: an execution that begins at a state of another one, with its data. AWS has no such
//! operation.

use crate::api::{Api, Reply, execution_missing, machine_missing, read_input, store_failed};
use crate::door::{Caller, Credentials, Right};
use crate::http::{Shared, answer, parse};
use crate::operations;
use axum::Extension;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use std::sync::Arc;
use stepwright_engine::{
    Engine, Facts, Fork, Forking, Machine, MachineStatus, Principal, Revision, StartRequest,
};
use stepwright_json::{Json, Object};
use stepwright_program::StateId;
use stepwright_protocol::{ApiError, Request as ApiRequest, operation, timestamp, validate};

/// `POST /fork` with `{"executionArn": …, "state": …}`, and with `eventId`, `input`, `variables`,
/// `definition` and `name` where they are not to be as they were.
pub(crate) async fn call(
    State(serving): Shared,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    // The door has read the body, within the limits, and checked the rights to what it asks for.
    let bytes = to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default();
    let reply = match parse(&bytes) {
        Ok(body) => {
            let reply = fork(&serving.api, caller.principal(), &body).await;
            let on = body.get("executionArn").and_then(Json::as_str).unwrap_or_default();
            let (who, is_done) = (caller.id(), reply.is_ok());
            let on = crate::console::short(on);
            tracing::info!(target: "audit", who, what = OPERATION, on, is_done, "by the API");
            reply
        }
        Err(error) => Err(error),
    };
    answer(&serving.api.engine().new_uuid(), reply)
}

/// The rights to fork an execution: to see its data, to start its machine, and to begin elsewhere than
/// the machine does. A changed definition is one that the machine could be updated with.
pub(crate) async fn rights(body: &Json, engine: &Engine, credentials: &Credentials) -> Vec<Right> {
    let text = |member: &str| body.get(member).and_then(Json::as_str).unwrap_or_default();
    let arn = text("executionArn");
    let facts = match engine.execution_row(arn).await {
        Ok(Some(row)) => engine.recorded_facts(row).await.ok(),
        _ => None,
    };
    let machine = facts.as_ref().map_or("*", |facts| facts.about.machine.as_str());
    let mut rights = vec![
        Right::new("states:DescribeExecution", arn),
        Right::new("states:GetExecutionHistory", arn),
        Right::new("states:StartExecution", machine),
        Right::new("stepwright:ForkExecution", machine),
    ];
    let revision = facts.as_ref().map(|facts| &facts.revision);
    if revision.is_none_or(|revision| changed(body, revision).is_some())
        && body.get("definition").is_some()
    {
        rights.push(Right::new("states:UpdateStateMachine", machine));
        // A new definition decides what the role is used for.
        if let Some(revision) = revision.filter(|revision| credentials.has_role(&revision.role_arn))
        {
            rights.push(Right::new("iam:PassRole", revision.role_arn.as_str()));
        }
    }
    rights
}

/// The definition that is asked for, if it is another one than the execution's.
fn changed<'b>(body: &'b Json, revision: &Revision) -> Option<&'b str> {
    let wanted = body.get("definition")?.as_str()?;
    let is_same = wanted == revision.definition
        || stepwright_json::parse(wanted)
            .is_ok_and(|value| Ok(value) == stepwright_json::parse(&revision.definition));
    (!is_same).then_some(wanted)
}

/// The members of a request.
const MEMBERS: [&str; 7] =
    ["executionArn", "state", "eventId", "input", "variables", "definition", "name"];

/// The event that is asked for.
fn event(body: &Json) -> Result<Option<u64>, ApiError> {
    let Some(event) = body.get("eventId") else { return Ok(None) };
    let number = event.as_i64().filter(|number| *number > 0 && event.is_number());
    match number {
        Some(number) => Ok(Some(number as u64)),
        None => Err(ApiError::validation("`eventId` must be the number of an event")),
    }
}

/// Its name among the operations.
pub(crate) const OPERATION: &str = "ForkExecution";

/// Starts the execution, where that must be done.
pub(crate) async fn fork(api: &Api, principal: Principal, body: &Json) -> Reply {
    api.operate(OPERATION, ApiRequest::new(body.clone()), principal, None).await
}

/// Starts the execution at this node.
pub(crate) async fn fork_here(api: &Api, principal: Principal, body: &Json) -> Reply {
    let text = |member: &str| body.get(member).and_then(Json::as_str);
    let engine = api.engine();
    let (arn, state) =
        (text("executionArn").unwrap_or_default(), text("state").unwrap_or_default());
    let row = engine.execution_row(arn).await.map_err(store_failed)?;
    let row = row.ok_or_else(|| execution_missing(arn))?;
    if row.about.map_run.is_some() {
        let why = "a child of a map run has no beginning of its own; fork the execution that the map run belongs to";
        return Err(ApiError::validation(why));
    }
    let source = engine.recorded_facts(row).await.map_err(store_failed)?;
    check_shape(&source, body)?;
    let event = event(body)?;
    let _starting = engine.starting().await;
    let machine = machine(engine, &source.about.machine).await?;
    // What a test case answers is not called for real in a fork either.
    if let Some(case) = &source.test_case {
        api.check_test_case(&machine.name, case, &machine.arn)?;
    }
    let revision = match changed(body, &source.revision) {
        Some(definition) => {
            let program = operations::check_definition(api, definition, false).await?;
            Arc::new(revised(engine, &source.revision, definition, program))
        }
        None => source.revision.clone(),
    };
    let first = first(&revision, state)?;
    let name = match text("name") {
        Some(name) => {
            operations::check_name(name)?;
            name.to_owned()
        }
        None => engine.new_uuid(),
    };
    let entered = engine.entered(source.id, state, event).await.map_err(store_failed)?;
    let (input_before, variables_before) =
        entered.map_or((None, None), |entered| (Some(entered.input), Some(entered.variables)));
    let input = match text("input") {
        Some(input) => read_input(Some(input))?,
        None => input_before.ok_or_else(|| {
            ApiError::validation(format!(
                "`{state}` was not entered, so that there is no input to go on with; give `input`"
            ))
        })?,
    };
    let variables = match text("variables") {
        Some(variables) => read_variables(variables)?,
        None => variables_before.unwrap_or_default(),
    };
    let _counted = operations::check_concurrency(api, &machine).await?;
    if revision.id != source.revision.id {
        engine.put_revision(&machine.arn, revision.clone()).await.map_err(store_failed)?;
    }
    let fork = Fork { from: arn.to_owned(), state: state.to_owned() };
    let start = StartRequest {
        input_text: text("input").filter(|text| *text != input.to_string()).map(Into::into),
        test_case: source.test_case.clone(),
        fork: Some(Forking { fork, first, variables }),
        principal,
        ..StartRequest::new(machine, revision, name, input)
    };
    let started = engine.start(start).await.map_err(operations::not_started)?;
    let mut reply = Object::new();
    reply.insert("executionArn", started.arn.into());
    reply.insert("startDate", timestamp(started.started_at));
    Ok(reply.into())
}

/// Holds names, inputs and definitions to what the operations that take them hold them to.
fn check_shape(source: &Facts, body: &Json) -> Result<(), ApiError> {
    // What is not understood must not begin something else.
    let mut members = body.as_object().into_iter().flat_map(|members| members.keys());
    if let Some(unknown) = members.find(|member| !MEMBERS.contains(&member.as_str())) {
        let unknown: String = unknown.chars().take(80).collect();
        return Err(ApiError::validation(format!(
            "a fork has no `{unknown}`; it has {}",
            MEMBERS.join(", ")
        )));
    }
    let of = |operation_name: &str, members: &[&'static str]| {
        let mut request = Object::new();
        request.insert("stateMachineArn", source.about.machine.as_str().into());
        for member in members {
            if let Some(value) = body.get(member) {
                request.insert(*member, value.clone());
            }
        }
        operation(operation_name).map_or(Ok(()), |known| validate(known, &request.into()))
    };
    of("StartExecution", &["name", "input"])?;
    of("UpdateStateMachine", &["definition"])?;
    for member in ["state", "variables"] {
        if body.get(member).is_some_and(|value| value.as_str().is_none()) {
            return Err(ApiError::validation(format!("`{member}` must be a text")));
        }
    }
    Ok(())
}

async fn machine(engine: &Engine, arn: &str) -> Result<Arc<Machine>, ApiError> {
    let mut machine = engine.catalogue().machine(arn);
    if machine.is_none() && engine.has_nodes() {
        // It may have been made at another node just now.
        engine.refresh().await.map_err(store_failed)?;
        machine = engine.catalogue().machine(arn);
    }
    let machine = machine.ok_or_else(|| machine_missing(arn))?;
    if machine.status == MachineStatus::Deleting {
        let why = format!("State Machine Deleting: '{arn}'");
        return Err(ApiError::new("StateMachineDeleting", why));
    }
    Ok(machine)
}

/// A revision with another definition and the same settings.
fn revised(
    engine: &Engine,
    before: &Revision,
    definition: &str,
    mut program: stepwright_program::Program,
) -> Revision {
    let options = engine.options();
    (program.limits, program.vintage) = (options.limits, options.vintage);
    Revision {
        id: engine.new_uuid(),
        definition: definition.to_owned(),
        created_at: engine.now().0,
        program: Arc::new(program),
        ..before.clone()
    }
}

/// The state that a fork begins at.
fn first(revision: &Revision, state: &str) -> Result<StateId, ApiError> {
    let program = &revision.program;
    let known = program.top_level().iter().position(|known| known.name == *state);
    known.map(|at| StateId(at as u32)).ok_or_else(|| {
        ApiError::validation(if program.state_named(state).is_some() {
            format!(
                "`{state}` is within a Map or Parallel state, where no execution can begin; fork at the \
                 state around it"
            )
        } else {
            format!("the definition has no state `{state}` at its top level")
        })
    })
}

fn read_variables(text: &str) -> Result<Object, ApiError> {
    let refused = |why: &str| ApiError::validation(format!("the variables are refused: {why}"));
    if text.len() > MOST_VARIABLES {
        return Err(refused("they are longer than 10 MiB"));
    }
    let value = stepwright_json::parse(text).map_err(|error| refused(&error.to_string()))?;
    let Json::Object(variables) = value else {
        return Err(refused("they must be a JSON object, a member for each variable"));
    };
    for name in variables.keys() {
        let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_')
            && name.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_')
            && name.chars().count() <= 80
            && name.as_str() != "states";
        if !is_name {
            let name: String = name.chars().take(100).collect();
            return Err(refused(&format!("`{name}` is no name of a variable")));
        }
    }
    Ok(variables)
}

/// What AWS lets all variables of an execution have together, in bytes.
const MOST_VARIABLES: usize = 10 << 20;
