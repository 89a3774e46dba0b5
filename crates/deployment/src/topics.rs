//! The topics of an exported machine, which publish how its executions ended.

use crate::machine::{self, Ids};
use crate::plan::{Deployed, Plan};
use crate::template::{Template, policy, reference, substituted};
use stepwright_json::{Json, json};

/// The names of the topics, and the statuses that each publishes. Aborted executions are not
/// published, because whoever aborts one knows of it.
const TOPICS: [(&str, &str, &[&str]); 2] =
    [("Success", "success", &["SUCCEEDED"]), ("Failure", "failure", &["FAILED", "TIMED_OUT"])];

/// Adds the two topics, their rules, and the exported values with their ARNs.
pub(crate) fn add(template: &mut Template, plan: &Plan<'_>, machine: &Deployed<'_>, ids: &Ids) {
    for (id, name, statuses) in TOPICS {
        let topic = format!("{id}Topic");
        let topic_name = plan.names.of(&format!("{}-{name}", machine.name));
        let properties = json!({"TopicName": (substituted(&topic_name))});
        template.resource(&topic, "AWS::SNS::Topic", properties);
        // EventBridge publishes on its own behalf, and does not provide the rule as a condition
        // key.
        let publish = json!({
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": (reference(&topic))
        });
        let properties =
            json!({"Topics": [(reference(&topic))], "PolicyDocument": (policy(vec![publish]))});
        template.resource(&format!("{id}TopicPolicy"), "AWS::SNS::TopicPolicy", properties);
        let statuses: Vec<Json> = statuses.iter().copied().map(Json::from).collect();
        let pattern = json!({
            "source": ["aws.states"],
            "detail-type": ["Step Functions Execution Status Change"],
            "detail": {
                "stateMachineArn": [(machine::arn(ids))],
                "status": (Json::from(statuses))
            }
        });
        let properties = json!({
            "Description": (format!("Executions of {} that ended in {name}", machine.name)),
            "EventPattern": (pattern),
            "State": "ENABLED",
            "Targets": [{"Id": "topic", "Arn": (reference(&topic))}]
        });
        template.resource(&format!("{id}Rule"), "AWS::Events::Rule", properties);
        let exported = plan.names.export(machine.name, &format!("{name}-topic-arn"));
        template.export(&format!("{id}TopicArn"), reference(&topic), &exported);
    }
}
