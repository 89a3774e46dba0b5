use super::empty;
use crate::api::{Api, Reply, store_failed};
use stepwright_protocol::{ApiError, Arn, Qualifier, Request};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let text = request.required("stateMachineVersionArn");
    let (arn, qualifier) = Arn::parse_kind(text, &["stateMachine"])?.machine();
    let Qualifier::Version(number) = qualifier else {
        return Err(ApiError::validation(format!("'{text}' is not the ARN of a version")));
    };
    let _changing = api.engine.changing().await;
    // Deleting a version that does not exist is not an error.
    let Some(machine) = api.engine.catalogue().machine(&arn) else { return Ok(empty()) };
    let users: Vec<&str> = machine
        .aliases
        .values()
        .filter(|alias| alias.routes.iter().any(|route| route.version == number))
        .map(|alias| alias.name.as_str())
        .collect();
    if !users.is_empty() {
        return Err(ApiError::new(
            "ConflictException",
            format!(
                "Version to be deleted must not be referenced by an alias. Current list of aliases \
                 referencing this version: [{}]",
                users.join(", ")
            ),
        ));
    }
    let mut machine = (*machine).clone();
    machine.versions.retain(|version| version.number != number);
    api.engine.put_machine(machine, None).await.map_err(store_failed)?;
    Ok(empty())
}
