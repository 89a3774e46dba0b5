use super::{describe_revision, insert_text};
use crate::api::{Api, Reply};
use stepwright_engine::MachineStatus;
use stepwright_json::Object;
use stepwright_protocol::{Request, timestamp};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let arn = request.required("stateMachineArn");
    let target = api.target(arn)?;
    let machine = &target.machine;
    let revision = api.revision(target.revision()).await?;
    let mut reply = Object::new();
    reply.insert("stateMachineArn", arn.into());
    reply.insert("name", machine.name.as_str().into());
    let status = match machine.status {
        MachineStatus::Active => "ACTIVE",
        MachineStatus::Deleting => "DELETING",
    };
    reply.insert("status", status.into());
    reply.insert("type", if machine.is_express { "EXPRESS" } else { "STANDARD" }.into());
    let created_at = target.version.as_ref().map_or(machine.created_at, |v| v.created_at);
    reply.insert("creationDate", timestamp(created_at));
    let with_definition = request.text("includedData") != Some("METADATA_ONLY");
    describe_revision(&mut reply, &revision, with_definition);
    if revision.id != machine.first_revision {
        reply.insert("revisionId", revision.id.as_str().into());
    }
    let description = target.version.as_ref().and_then(|version| version.description.as_deref());
    insert_text(&mut reply, "description", description);
    Ok(reply.into())
}
