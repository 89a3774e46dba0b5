use super::{empty, update_state_machine_alias};
use crate::api::{Api, Reply, store_failed};
use stepwright_protocol::Request;

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let _changing = api.engine.changing().await;
    let arn = request.required("stateMachineAliasArn");
    // Deleting an alias that does not exist is not an error.
    match update_state_machine_alias::find(api, arn) {
        Ok((machine, name)) => {
            let mut machine = (*machine).clone();
            machine.aliases.remove(&name);
            api.engine.put_machine(machine, None).await.map_err(store_failed)?;
        }
        Err(error) if error.code == "ResourceNotFound" => {}
        Err(error) => return Err(error),
    }
    Ok(empty())
}
