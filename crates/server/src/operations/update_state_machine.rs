use super::{Draft, check_definition, publish};
use crate::api::{Api, Reply, machine_missing, store_failed};
use std::sync::Arc;
use stepwright_engine::MachineStatus;
use stepwright_json::Object;
use stepwright_protocol::{ApiError, Arn, Request, timestamp};

/// At least one of these members must be given.
const CHANGES: [&str; 6] = [
    "definition",
    "roleArn",
    "loggingConfiguration",
    "tracingConfiguration",
    "encryptionConfiguration",
    "publish",
];

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let arn = request.required("stateMachineArn");
    Arn::parse_kind(arn, &["stateMachine"])?;
    if CHANGES.iter().all(|change| request.get(change).is_none()) {
        return Err(ApiError::new(
            "MissingRequiredParameter",
            "Either the definition, the role ARN, the LoggingConfiguration, or the \
             TracingConfiguration must be specified",
        ));
    }
    let description = request.text("versionDescription");
    if description.is_some() && !request.flag("publish") {
        return Err(ApiError::validation(
            "Version description can only be set when publish is true",
        ));
    }
    let _changing = api.engine.changing().await;
    // An ARN with a version or an alias does not name a machine that could be updated.
    let machine = api.engine.catalogue().machine(arn).ok_or_else(|| machine_missing(arn))?;
    if machine.status == MachineStatus::Deleting {
        return Err(ApiError::new(
            "StateMachineDeleting",
            format!("State Machine Deleting: '{arn}'"),
        ));
    }
    let before = api.revision(&machine.revision).await?;
    let draft = Draft::read(request, Some(&before), machine.is_express)?;
    let program = if draft.definition == before.definition {
        (*before.program).clone()
    } else {
        check_definition(api, &draft.definition, machine.is_express).await?
    };
    let now = api.engine.options().clock.now().0;
    let mut machine = (*machine).clone();
    let revision =
        if draft.is(&before) { None } else { Some(Arc::new(draft.revision(api, program))) };
    if let Some(revision) = &revision {
        machine.revision.clone_from(&revision.id);
    }
    machine.updated_at = now;
    let mut reply = Object::new();
    reply.insert("updateDate", timestamp(now));
    if machine.revision != machine.first_revision {
        reply.insert("revisionId", machine.revision.as_str().into());
    }
    if request.flag("publish") {
        let (version, _) = publish(&mut machine, description, now);
        reply.insert("stateMachineVersionArn", format!("{arn}:{}", version.number).into());
    }
    api.engine.put_machine(machine, revision).await.map_err(store_failed)?;
    Ok(reply.into())
}
