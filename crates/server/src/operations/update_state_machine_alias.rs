use super::create_state_machine_alias::{check_versions, read_routes};
use crate::api::{Api, Reply, store_failed};
use std::sync::Arc;
use stepwright_engine::Machine;
use stepwright_json::Object;
use stepwright_protocol::{ApiError, Arn, Qualifier, Request, timestamp};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let text = request.required("stateMachineAliasArn");
    if request.get("description").is_none() && request.get("routingConfiguration").is_none() {
        return Err(ApiError::validation(
            "Either the description or the routing configuration must be specified",
        )
        .because("MISSING_REQUIRED_PARAMETER"));
    }
    let _changing = api.engine.changing().await;
    let (machine, name) = find(api, text)?;
    let mut machine = (*machine).clone();
    let now = api.engine.options().clock.now().0;
    if request.get("routingConfiguration").is_some() {
        let (arn, routes) = read_routes(&request.list("routingConfiguration"))?;
        if arn != machine.arn {
            let error =
                ApiError::validation("Routing configuration must contain versions of the machine");
            return Err(error.because("INVALID_ROUTING_CONFIGURATION"));
        }
        check_versions(&machine, &routes)?;
        machine.aliases.entry(name.clone()).and_modify(|alias| alias.routes = routes);
    }
    machine.aliases.entry(name).and_modify(|alias| {
        if let Some(description) = request.text("description") {
            alias.description = Some(description.to_owned());
        }
        alias.updated_at = now;
    });
    api.engine.put_machine(machine, None).await.map_err(store_failed)?;
    let mut reply = Object::new();
    reply.insert("updateDate", timestamp(now));
    Ok(reply.into())
}

/// Finds the machine of an alias and the alias's name, or returns the error of a missing alias.
pub(super) fn find(api: &Api, text: &str) -> Result<(Arc<Machine>, String), ApiError> {
    let (arn, qualifier) = Arn::parse_kind(text, &["stateMachine"])?.machine();
    let missing = || {
        let what = "Request references a resource that does not exist.";
        ApiError::new("ResourceNotFound", what).about(text)
    };
    let Qualifier::Alias(name) = qualifier else { return Err(missing()) };
    let machine = api.engine.catalogue().machine(&arn).ok_or_else(missing)?;
    if !machine.aliases.contains_key(name) {
        return Err(missing());
    }
    Ok((machine, name.to_owned()))
}
