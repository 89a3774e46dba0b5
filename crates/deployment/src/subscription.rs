//! Subscriptions, which start executions when those of other machines end.
//!
//! A message of a topic goes to a function, which starts the execution. This needs a function
//! because only a function can choose the execution's name, by which a second delivery is
//! recognised.

use crate::function::Service;
use crate::machine::{self, Ids};
use crate::names::{export_of, machine_of};
use crate::plan::{Deployed, Plan, Source};
use crate::queue;
use crate::role::executions_of;
use crate::template::{Template, allow, attribute, reference, substituted};
use stepwright_json::{Json, json};

/// The output of a machine's template that holds the ARN of the function that starts it.
pub(crate) const FUNCTION_OUTPUT: &str = "StarterFunctionArn";

/// Adds the function that starts a machine, and its subscriptions to topics of other stacks.
pub(crate) fn add(template: &mut Template, plan: &Plan<'_>, machine: &Deployed<'_>, ids: &Ids) {
    let sources = machine.sources();
    let mut allowed = vec![allow(&["states:StartExecution"], vec![machine::arn(ids)])];
    let dead = "StarterDeadLetters";
    queue::add_queue(template, dead, json!({"MessageRetentionPeriod": (queue::RETENTION)}));
    allowed.push(allow(&["sqs:SendMessage"], vec![attribute(dead, "Arn")]));
    let mut executions: Vec<Json> = Vec::new();
    for source in &sources {
        if let Source::Machine { project, machine, .. } = source {
            let one = executions_of(&machine_of(project, machine));
            if !executions.contains(&one) {
                executions.push(one);
            }
        }
    }
    if !executions.is_empty() {
        // The message does not contain a large input or output, so the function must be able to
        // read them.
        allowed.push(allow(&["states:DescribeExecution"], executions));
    }
    let service = Service {
        suffix: "",
        prefix: "Starter",
        code: "./starter".to_owned(),
        handler: "stepwright_fluxio.aws.starter.handler",
        variables: vec![("STEPWRIGHT_STATE_MACHINE", machine::arn(ids))],
        allowed,
        dead_letters: Some(dead.to_owned()),
    };
    let function = service.id();
    service.add(template);
    template.output(FUNCTION_OUTPUT, attribute(&function, "Arn"));
    let mut number = 0;
    for source in sources {
        let topic = match source {
            Source::Import(name) => json!({"Fn::ImportValue": (substituted(name))}),
            Source::Machine { project, .. } if project == plan.origin.name => continue,
            Source::Machine { project, machine, status } => {
                let name = export_of(project, machine, &format!("{status}-topic-arn"));
                json!({"Fn::ImportValue": (substituted(&name))})
            }
        };
        number += 1;
        connect(template, &number.to_string(), topic, attribute(&function, "Arn"));
    }
}

/// Adds the subscriptions between machines of this project to the root template. So the stacks of
/// the machines do not depend on each other, whichever way they subscribe.
pub(crate) fn add_among_machines(template: &mut Template, plan: &Plan<'_>) {
    for subscriber in &plan.machines {
        for source in subscriber.sources() {
            let Source::Machine { project, machine, status } = source else { continue };
            if project != plan.origin.name {
                continue;
            }
            let Some(source) = plan.machine(machine) else { continue };
            let output = match status {
                "failure" => "Outputs.FailureTopicArn",
                _ => "Outputs.SuccessTopicArn",
            };
            let id = format!("{}To{}{status}", subscriber.stack(), source.stack());
            let function = format!("Outputs.{FUNCTION_OUTPUT}");
            let topic = attribute(&source.stack(), output);
            connect(template, &id, topic, attribute(&subscriber.stack(), &function));
        }
    }
}

fn connect(template: &mut Template, id: &str, topic: Json, function: Json) {
    let permission = json!({
        "Action": "lambda:InvokeFunction",
        "FunctionName": (function.clone()),
        "Principal": "sns.amazonaws.com",
        "SourceArn": (topic.clone())
    });
    let permitted = format!("SubscriptionPermission{id}");
    template.resource(&permitted, "AWS::Lambda::Permission", permission);
    let subscription = json!({
        "Type": "AWS::SNS::Subscription",
        "DependsOn": (permitted),
        "Properties": {"Protocol": "lambda", "TopicArn": (topic), "Endpoint": (function)}
    });
    template.add(&format!("Subscription{id}"), subscription);
}

/// Adds the alarm for messages for which no execution was started.
pub(crate) fn add_alarm(template: &mut Template) {
    let metric = json!({
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateNumberOfMessagesVisible",
        "Dimensions": [{"Name": "QueueName", "Value": (attribute("StarterDeadLetters", "QueueName"))}],
        "Statistic": "Maximum",
        "Period": 300,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 0,
        "TreatMissingData": "notBreaching"
    });
    template.resource("StarterDeadLettersAlarm", "AWS::CloudWatch::Alarm", metric);
    template.output("StarterDeadLettersUrl", reference("StarterDeadLetters"));
}
