//! AWS SDK integrations: `aws-sdk:SERVICE:ACTION`.

use super::failure::Speaker;
use super::wire::{Answer, Fault, MOST_ANSWER, Target};
use super::{Place, authorize};
use crate::start_execution::derived_name;
use crate::{End, Task};
use stepwright_aws::codec::{self, Message};
use stepwright_aws::sdk::{self, Spelling};
use stepwright_aws::table::{self, Operation, Service};
use stepwright_engine::Denied;
use stepwright_history::{Failure, Stage};

/// A call that is ready to be made.
pub(crate) struct Prepared {
    pub(crate) service: &'static Service,
    pub(crate) operation: &'static Operation,
    pub(crate) message: Message,
}

/// Runs a task of the integration `service` and `action`, the latter with its pattern.
pub(crate) async fn run(task: Task, service: &str, action: &str) -> End {
    let waits = action.ends_with(".waitForTaskToken");
    let stage = if waits { Stage::Submit } else { Stage::Run };
    let action = action.trim_end_matches(".waitForTaskToken");
    let called = async {
        let (service, operation) = find(service, action)?;
        let parameters = &task.call.call.parameters;
        let message = sdk::message(service, operation, parameters, Spelling::Sdk)
            .map_err(|wrong| unfit(&task, &wrong.to_string()))?;
        let prepared = Prepared { service, operation, message };
        let answer = call(&task, prepared, Speaker::Sdk).await?;
        Ok(sdk::result(service, operation, &answer.message, Spelling::Sdk))
    };
    let answer = tokio::select! {
        answer = called => answer,
        () = task.report.cancelled() => return End::Elsewhere,
    };
    match answer {
        Err(failure) => End::Failed(failure, stage),
        Ok(result) if waits => {
            task.report.submitted(result);
            End::Elsewhere
        }
        Ok(result) => End::Succeeded(result),
    }
}

/// The operation of a service.
pub(crate) fn find(
    service: &str,
    action: &str,
) -> Result<(&'static Service, &'static Operation), Failure> {
    let unknown =
        |why: String| Failure::new("States.Runtime", format!("The task cannot run: {why}."));
    let service = table::service(service).map_err(|error| unknown(error.to_string()))?;
    let operation = service.action(action).map_err(|error| unknown(error.to_string()))?;
    if operation.is_refused {
        let why = format!("AWS SDK integrations do not have `{}:{action}`", service.name);
        return Err(unknown(why));
    }
    Ok((service, operation))
}

/// The failure of a task whose parameters do not fit the operation.
pub(crate) fn unfit(task: &Task, why: &str) -> Failure {
    let mut given = task.call.call.parameters.to_string();
    if let Some((end, _)) = given.char_indices().nth(MOST_SHOWN) {
        given.truncate(end);
        given.push('…');
    }
    let cause = format!("The Parameters '{given}' could not be used to start the Task: [{why}]");
    Failure::new("States.Runtime", cause)
}

/// How much of the parameters a cause shows, in characters.
const MOST_SHOWN: usize = 10_000;

/// Makes a call for a task, with the rights of its execution.
pub(crate) async fn call(
    task: &Task,
    mut prepared: Prepared,
    speaker: Speaker,
) -> Result<Answer, Failure> {
    let Prepared { service, operation, message } = &mut prepared;
    let (service, operation) = (*service, *operation);
    authorize(task, service, operation, &message.value)
        .map_err(|denied| speaker.denied(service, operation, &denied))?;
    if task.services.aws.is_local(&service.name) && !task.is_at_home() {
        let who = task.call.facts.principal.to_string();
        let action = format!("{}:{}", service.name, operation.name);
        let denied = Denied { who, action, resource: "*".to_owned() };
        return Err(speaker.denied(service, operation, &denied));
    }
    // A task that is handed out twice asks for one thing.
    let token = derived_name(&task.call.idempotency_key());
    codec::fill_token(service, operation, &mut message.value, &token);
    let aws = &task.services.aws;
    let Some(place) = aws.place(&service.name) else {
        return Err(nowhere(&service.name));
    };
    let target = Target { once: Some(&token), ..target(task, place, service, operation) };
    aws.call(target, message).await.map_err(|fault| match fault {
        Fault::Unfit(why) => unfit(task, &why),
        fault => speaker.failure(service, operation, fault),
    })
}

fn target<'t>(
    task: &'t Task,
    place: &'t Place,
    service: &'static Service,
    operation: &'static Operation,
) -> Target<'t> {
    let call = &task.call.call;
    let region = place.region.as_deref().unwrap_or(&call.region);
    let principal = Some(&task.call.facts.principal);
    let role = call.credentials.as_deref();
    Target { place, service, operation, region, role, principal, once: None, most: MOST_ANSWER }
}

fn nowhere(service: &str) -> Failure {
    let cause = format!(
        "Nothing says where `{service}` is called: write [services.{service}] in stepwright.toml, with an \
         endpoint or `aws = true`."
    );
    Failure::new("States.Runtime", cause)
}
