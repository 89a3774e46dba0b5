//! Handles messages that no worker could finish: their tasks fail. Otherwise an execution would
//! wait for the state's timeout. Keeping the message would be useless, because it cannot be sent
//! again.

use crate::function::Service;
use crate::names::id;
use crate::plan::{Deployed, Plan};
use crate::queue::MOST_RECEIVES;
use crate::template::{Template, allow, attribute, local_arn};
use std::collections::BTreeMap;
use stepwright_json::{Json, json};

/// The folder of the function that fails tasks.
pub(crate) const FOLDER: &str = "dead-letters";

/// If there are workers, adds the function that fails tasks and the connection that feeds it
/// messages.
pub(crate) fn add(template: &mut Template, plan: &Plan<'_>) {
    let workers: Vec<&str> = plan.on("ecs:worker").map(|(name, _)| name).collect();
    if workers.is_empty() {
        return;
    }
    let queue = |worker: &str| attribute(&format!("DeadLetterQueue{}", id(worker)), "Arn");
    let machines: BTreeMap<&str, &Deployed<'_>> = workers
        .iter()
        .flat_map(|worker| plan.users(worker))
        .map(|machine| (machine.name, machine))
        .collect();
    let machines = machines
        .keys()
        .map(|machine| local_arn("states", &format!("stateMachine:{}", plan.names.of(machine))));
    let take = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];
    let allowed = vec![
        allow(&take, workers.iter().map(|worker| queue(worker)).collect()),
        allow(&["states:SendTaskFailure"], machines.collect()),
    ];
    let service = Service {
        suffix: "",
        prefix: "DeadLetters",
        code: format!("./{FOLDER}"),
        handler: "stepwright_fluxio.aws.dead_letters.handler",
        variables: vec![("STEPWRIGHT_MOST_RECEIVES", MOST_RECEIVES.to_string().into())],
        allowed,
        dead_letters: None,
    };
    let function = service.id();
    service.add(template);
    for worker in workers {
        let properties = json!({
            "EventSourceArn": (queue(worker)),
            "FunctionName": (attribute(&function, "Arn")),
            "BatchSize": (Json::Int(10)),
            "FunctionResponseTypes": ["ReportBatchItemFailures"]
        });
        let mapping = format!("DeadLettersMapping{}", id(worker));
        template.resource(&mapping, "AWS::Lambda::EventSourceMapping", properties);
    }
}
