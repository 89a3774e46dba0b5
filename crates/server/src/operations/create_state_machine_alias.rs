use crate::api::{Api, Reply, store_failed};
use stepwright_engine::{Alias, Machine, Route};
use stepwright_json::{Array, Json, Object};
use stepwright_protocol::{ApiError, Arn, Qualifier, Request, timestamp};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let name = request.required("name");
    let routes = request.list("routingConfiguration");
    let (arn, routes) = read_routes(&routes)?;
    let _changing = api.engine.changing().await;
    let machine = api.engine.catalogue().machine(&arn);
    let machine = machine.ok_or_else(|| missing_version(&arn, &routes))?;
    check_versions(&machine, &routes)?;
    let description = request.text("description").map(str::to_owned);
    let alias_arn = format!("{arn}:{name}");
    let now = api.engine.options().clock.now().0;
    let created_at = match machine.aliases.get(name) {
        Some(alias) if alias.routes == routes && alias.description == description => {
            alias.created_at
        }
        Some(_) => {
            return Err(ApiError::new(
                "ConflictException",
                "Failed to create alias because an alias with the same name and a different \
                 routing configuration already exists.",
            ));
        }
        None => {
            let alias = Alias {
                name: name.to_owned(),
                description,
                routes,
                created_at: now,
                updated_at: now,
            };
            let mut machine = (*machine).clone();
            machine.aliases.insert(name.to_owned(), alias);
            api.engine.put_machine(machine, None).await.map_err(store_failed)?;
            now
        }
    };
    let mut reply = Object::new();
    reply.insert("stateMachineAliasArn", alias_arn.into());
    reply.insert("creationDate", timestamp(created_at));
    Ok(reply.into())
}

/// Reads a routing configuration: the machine that it belongs to, and the routes.
pub(super) fn read_routes(items: &Array) -> Result<(String, Vec<Route>), ApiError> {
    let texts: Vec<&str> = items
        .iter()
        .map(|item| item.get("stateMachineVersionArn").and_then(Json::as_str).unwrap_or_default())
        .collect();
    let received = format!("Received: [{}]", texts.join(", "));
    let refused = |what: &str| {
        let error = ApiError::validation(format!("Routing configuration must {what}. {received}"));
        error.because("INVALID_ROUTING_CONFIGURATION")
    };
    let mut machines = Vec::new();
    let mut routes = Vec::new();
    for (item, text) in items.iter().zip(&texts) {
        let (machine, qualifier) = Arn::parse_kind(text, &["stateMachine"])?.machine();
        let Qualifier::Version(version) = qualifier else {
            return Err(refused("contain state machine version ARNs"));
        };
        let weight = item.get("weight").and_then(Json::as_i64).unwrap_or_default() as u32;
        machines.push(machine);
        routes.push(Route { version, weight });
    }
    if machines.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(refused("contain versions of one state machine"));
    }
    if routes.len() == 2 && routes[0].version == routes[1].version {
        return Err(refused("contain distinct state machine version ARNs"));
    }
    let weights: Vec<String> = routes.iter().map(|route| route.weight.to_string()).collect();
    if routes.iter().map(|route| route.weight).sum::<u32>() != 100 {
        let error = ApiError::validation(format!(
            "Sum of routing configuration weights must equal 100. Received: [{}]",
            weights.join(", ")
        ));
        return Err(error.because("INVALID_ROUTING_CONFIGURATION"));
    }
    let machine = machines.into_iter().next().unwrap_or_default();
    Ok((machine, routes))
}

/// Checks that a machine has the versions that an alias's routes name.
pub(super) fn check_versions(machine: &Machine, routes: &[Route]) -> Result<(), ApiError> {
    if routes.iter().all(|route| machine.version(route.version).is_some()) {
        Ok(())
    } else {
        Err(missing_version(&machine.arn, routes))
    }
}

fn missing_version(arn: &str, routes: &[Route]) -> ApiError {
    let error =
        ApiError::new("ResourceNotFound", "Request references a resource that does not exist.");
    let version = routes.first().map_or(0, |route| route.version);
    error.about(format!("{arn}:{version}"))
}
