use super::{Draft, check_definition, check_name, publish, read_tags};
use crate::api::{Api, Reply, store_failed};
use crate::door::new_arn;
use std::sync::Arc;
use stepwright_engine::{Machine, MachineStatus};
use stepwright_json::Object;
use stepwright_protocol::{ApiError, Request, timestamp};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let name = request.required("name");
    check_name(name)?;
    let is_express = request.text("type") == Some("EXPRESS");
    let description = request.text("versionDescription");
    if description.is_some() && !request.flag("publish") {
        return Err(ApiError::validation(
            "Version description can only be set when publish is true",
        ));
    }
    let tags = read_tags(request)?;
    let program = check_definition(api, request.required("definition"), is_express).await?;
    let draft = Draft::read(request, None, is_express)?;
    let options = api.engine.options();
    let arn = new_arn(&api.engine, api.scope.as_ref(), "stateMachine", name);
    let now = options.clock.now().0;

    let _changing = api.engine.changing().await;
    let (mut machine, revision) = match api.engine.catalogue().machine(&arn) {
        Some(machine) => {
            let first = api.revision(&machine.revision).await?;
            // Creating the same machine twice gives one machine.
            if machine.status == MachineStatus::Deleting || !draft.is(&first) {
                return Err(ApiError::new(
                    "StateMachineAlreadyExists",
                    format!("State Machine Already Exists: '{arn}'"),
                ));
            }
            ((*machine).clone(), None)
        }
        None => {
            let revision = Arc::new(draft.revision(api, program));
            let machine = Machine { tags, ..Machine::new(arn.clone(), &revision) };
            (machine, Some(revision))
        }
    };
    let mut reply = Object::new();
    reply.insert("stateMachineArn", arn.as_str().into());
    reply.insert("creationDate", timestamp(machine.created_at));
    let mut is_changed = revision.is_some();
    if request.flag("publish") {
        let (version, is_new) = publish(&mut machine, description, now);
        is_changed |= is_new;
        reply.insert("stateMachineVersionArn", format!("{arn}:{}", version.number).into());
    }
    if is_changed {
        api.engine.put_machine(machine, revision).await.map_err(store_failed)?;
    }
    Ok(reply.into())
}
