use super::{describe_revision, execution_arn, insert_text};
use crate::api::{Api, Reply, execution_missing, store_failed};
use stepwright_json::Object;
use stepwright_protocol::{Request, timestamp};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let arn = execution_arn(request)?;
    let execution = api.engine.describe(arn).await.map_err(store_failed)?;
    let execution = execution.ok_or_else(|| execution_missing(arn))?;
    let about = &execution.facts.about;
    let revision = &execution.facts.revision;
    let machine = api.engine.catalogue().machine(&about.machine);
    let mut reply = Object::new();
    reply.insert("stateMachineArn", about.machine.as_str().into());
    reply.insert("name", about.machine.rsplit(':').next().unwrap_or_default().into());
    reply.insert("updateDate", timestamp(revision.created_at));
    let with_definition = request.text("includedData") != Some("METADATA_ONLY");
    describe_revision(&mut reply, revision, with_definition);
    if machine.is_some_and(|machine| machine.first_revision != revision.id) {
        reply.insert("revisionId", revision.id.as_str().into());
    }
    if let Some(map_run) = &about.map_run {
        reply.insert("mapRunArn", map_run.as_str().into());
        let label = map_run.split_once('/').and_then(|(_, rest)| rest.split(':').next());
        insert_text(&mut reply, "label", label);
    }
    Ok(reply.into())
}
