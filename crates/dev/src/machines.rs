//! State machines, their aliases, and activities, through the operations of the API.

use stepwright_asl::NamedDefinition;
use stepwright_json::{Json, Object, json};
use stepwright_server::Api;

/// The role of a state machine whose file does not name one.
const ROLE: &str = "arn:aws:iam::123456789012:role/stepwright-dev";

/// Creates a machine, or updates the existing one. Returns what was done.
pub(crate) async fn put(
    api: &Api,
    name: &str,
    named: &NamedDefinition,
) -> Result<&'static str, String> {
    let mut settings = Object::new();
    settings.insert("definition", named.definition.root.to_json().to_string().into());
    if let Some(logging) = &named.logging {
        settings.insert("loggingConfiguration", logging.clone());
    }
    settings.insert("tracingConfiguration", json!({"enabled": (named.is_traced)}));
    let mut body = settings.clone();
    body.insert("name", name.into());
    body.insert("roleArn", ROLE.into());
    body.insert("type", if named.express { "EXPRESS" } else { "STANDARD" }.into());
    match api.call("CreateStateMachine", body.into()).await {
        Ok(_) => return Ok("created"),
        Err(error) if error.code != "StateMachineAlreadyExists" => return Err(error.message),
        Err(_) => {}
    }
    settings.insert("stateMachineArn", arn(api, name).into());
    let updated = api.call("UpdateStateMachine", Json::from(settings)).await;
    updated.map(|_| "updated").map_err(|error| error.message)
}

/// The ARN of a state machine.
pub(crate) fn arn(api: &Api, name: &str) -> String {
    let options = api.engine().options();
    format!("arn:aws:states:{}:{}:stateMachine:{name}", options.region, options.account)
}

/// Deletes a machine whose file is gone.
pub(crate) async fn delete(api: &Api, name: &str) -> Result<(), String> {
    let body = json!({"stateMachineArn": (arn(api, name))});
    api.call("DeleteStateMachine", body).await.map(drop).map_err(|error| error.message)
}

/// Creates an activity. One that is there is the same.
pub(crate) async fn put_activity(api: &Api, name: &str) -> Result<(), String> {
    let made = api.call("CreateActivity", json!({"name": name})).await;
    made.map(drop).map_err(|error| error.message)
}

/// Leads an alias to a version of the machine as it is now.
pub(crate) async fn put_alias(api: &Api, name: &str, machine: &str) -> Result<(), String> {
    let call =
        async |operation, body| api.call(operation, body).await.map_err(|error| error.message);
    let published = call("PublishStateMachineVersion", json!({"stateMachineArn": machine})).await?;
    let version = published.get("stateMachineVersionArn").cloned().unwrap_or_default();
    let routes = json!([{"stateMachineVersionArn": version, "weight": 100}]);
    let body = json!({"name": name, "routingConfiguration": (routes.clone())});
    let Err(why) = call("CreateStateMachineAlias", body).await else { return Ok(()) };
    let alias = format!("{machine}:{name}");
    let body = json!({"stateMachineAliasArn": (alias.as_str()), "routingConfiguration": routes});
    // If there is none to update, the reason why it could not be created is the better one.
    call("UpdateStateMachineAlias", body).await.map(drop).map_err(|_| why)
}
