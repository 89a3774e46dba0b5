use super::publish;
use crate::api::{Api, Reply, machine_missing, store_failed};
use stepwright_engine::MachineStatus;
use stepwright_json::Object;
use stepwright_protocol::{ApiError, Arn, Request, timestamp};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let arn = request.required("stateMachineArn");
    Arn::parse_kind(arn, &["stateMachine"])?;
    let _changing = api.engine.changing().await;
    let machine = api.engine.catalogue().machine(arn).ok_or_else(|| machine_missing(arn))?;
    if machine.status == MachineStatus::Deleting {
        return Err(ApiError::new(
            "StateMachineDeleting",
            format!("State Machine Deleting: '{arn}'"),
        ));
    }
    let is_first = machine.revision == machine.first_revision;
    let current = if is_first { "INITIAL" } else { machine.revision.as_str() };
    if let Some(wanted) = request.text("revisionId")
        && wanted != current
    {
        return Err(ApiError::new(
            "ConflictException",
            format!(
                "Failed to publish the State Machine version for revision {wanted}. The current \
                 State Machine revision is {current}."
            ),
        ));
    }
    let mut machine = (*machine).clone();
    let now = api.engine.options().clock.now().0;
    let (version, is_new) = publish(&mut machine, request.text("description"), now);
    if is_new {
        api.engine.put_machine(machine, None).await.map_err(store_failed)?;
    }
    let mut reply = Object::new();
    reply.insert("creationDate", timestamp(version.created_at));
    reply.insert("stateMachineVersionArn", format!("{arn}:{}", version.number).into());
    Ok(reply.into())
}
