use super::empty;
use crate::api::{Api, Reply, store_failed};
use std::time::Duration;
use stepwright_engine::{Engine, MachineStatus, Place};
use stepwright_protocol::{ApiError, Arn, Qualifier, Request};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let text = request.required("stateMachineArn");
    let (arn, qualifier) = Arn::parse_kind(text, &["stateMachine"])?.machine();
    if qualifier != Qualifier::None {
        return Err(ApiError::validation(
            "Deleting a state machine by the ARN of a version or alias is not supported",
        )
        .because("API_DOES_NOT_SUPPORT_LABELED_ARNS"));
    }
    let _changing = api.engine.changing().await;
    // Deleting a machine that does not exist is not an error.
    let Some(machine) = api.engine.catalogue().machine(&arn) else { return Ok(empty()) };
    if machine.status == MachineStatus::Active {
        let mut machine = (*machine).clone();
        machine.status = MachineStatus::Deleting;
        api.engine.put_machine(machine, None).await.map_err(store_failed)?;
    }
    // Whoever saw the machine before it was being deleted may still start an execution of it.
    api.engine.starts_settled().await;
    let engine = api.engine.clone();
    if engine.running(&arn).await.is_ok_and(|running| running == 0) {
        engine.remove_machine(&arn).await.map_err(store_failed)?;
    } else if !engine.has_nodes() {
        tokio::spawn(async move { remove_when_idle(engine, arn).await });
    }
    Ok(empty())
}

/// How often machines that are being deleted are looked for.
const LOOKED_EVERY: Duration = Duration::from_secs(5);

/// Removes deleted machines once their executions have ended, whenever this is the node that changes
/// machines.
pub(crate) async fn remove_where_machines_change(engine: Engine) {
    while !engine.is_closing() {
        let machines = engine.catalogue().machines().into_iter();
        for machine in machines.filter(|machine| machine.status == MachineStatus::Deleting) {
            let _changing = engine.changing().await;
            if engine.home() == Place::Here
                && engine.running(&machine.arn).await.is_ok_and(|running| running == 0)
                && let Err(error) = engine.remove_machine(&machine.arn).await
            {
                tracing::warn!(machine.arn, %error, "a deleted state machine could not be removed");
            }
        }
        tokio::time::sleep(LOOKED_EVERY).await;
    }
}

/// Removes a deleted machine once its executions have ended.
pub(crate) async fn remove_when_idle(engine: Engine, arn: String) {
    while !engine.is_closing() {
        if engine.running(&arn).await.is_ok_and(|running| running == 0) {
            if let Err(error) = engine.remove_machine(&arn).await {
                tracing::warn!(arn, %error, "a deleted state machine could not be removed");
            }
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
