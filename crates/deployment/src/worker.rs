//! Workers: a queue, and an ECS service that scales with it.

use crate::names::id;
use crate::plan::Plan;
use crate::template::{Template, allow, attribute, local_arn, reference};
use crate::{container, queue};
use stepwright_fluxio::Task;
use stepwright_json::{Json, Object, json};

/// Adds everything that a worker task consists of.
pub(crate) fn add(template: &mut Template, plan: &Plan<'_>, name: &str, task: &Task) {
    let short = id(name);
    let queue = format!("WorkQueue{short}");
    queue::add(template, plan, name, task);
    let machines: Vec<Json> = plan
        .users(name)
        .map(|machine| {
            local_arn("states", &format!("stateMachine:{}", plan.names.of(machine.name)))
        })
        .collect();
    let messages = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"];
    let allowed = vec![
        allow(&messages, vec![attribute(&queue, "Arn")]),
        allow(&["states:SendTaskSuccess", "states:SendTaskFailure"], machines),
    ];
    let spec = task.attributes.get("spec").cloned().unwrap_or_default();
    let heartbeat = task.number("heartbeat_interval");
    let heartbeat = heartbeat.map_or_else(String::new, |seconds| seconds.to_string());
    let concurrency = task.number("concurrency").unwrap_or(1);
    let variables = vec![
        ("STEPWRIGHT_CONCURRENCY", concurrency.to_string().into()),
        ("STEPWRIGHT_HEARTBEAT", heartbeat.into()),
        ("STEPWRIGHT_QUEUE_URL", reference(&queue)),
        ("STEPWRIGHT_SPEC", spec),
    ];
    container::add(template, plan, name, task, variables, allowed);
    let (least, most) = task.scale();
    add_service(template, &short, (least == most).then_some(least));
    if most > least {
        add_scaling(template, &short, least, most, concurrency);
    }
}

/// Adds the ECS service. Without a count, the number of workers is left to scaling and is not
/// changed by an update.
fn add_service(template: &mut Template, short: &str, count: Option<i64>) {
    let network = json!({
        "AwsvpcConfiguration": {
            "AssignPublicIp": "DISABLED",
            "SecurityGroups": [
                {"Ref": "DatabaseSecurityGroup"},
                {"Ref": "PrivateLoadBalancerSecurityGroup"}
            ],
            "Subnets": [{"Ref": "Subnet0"}, {"Ref": "Subnet1"}, {"Ref": "Subnet2"}, {"Ref": "Subnet3"}]
        }
    });
    let mut properties = Object::new();
    properties.insert("Cluster", reference("ECSClusterArn"));
    properties.insert("LaunchType", "FARGATE".into());
    properties.insert("TaskDefinition", reference(&format!("ECSTaskDefinition{short}")));
    if let Some(count) = count {
        properties.insert("DesiredCount", Json::Int(count));
    }
    properties.insert(
        "DeploymentConfiguration",
        json!({"DeploymentCircuitBreaker": {"Enable": true, "Rollback": true}}),
    );
    properties.insert("NetworkConfiguration", network);
    template.resource(&format!("ECSService{short}"), "AWS::ECS::Service", properties.into());
}

/// Adds the scaling: the service grows while messages wait. It shrinks when there are no messages
/// left, neither waiting nor being handled, so that no worker is stopped during its work.
fn add_scaling(template: &mut Template, short: &str, least: i64, most: i64, concurrency: i64) {
    let target = format!("ScalableTarget{short}");
    let cluster = json!({"Fn::Select": [1, {"Fn::Split": ["/", {"Ref": "ECSClusterArn"}]}]});
    let service = attribute(&format!("ECSService{short}"), "Name");
    let properties = json!({
        "ServiceNamespace": "ecs",
        "ScalableDimension": "ecs:service:DesiredCount",
        "ResourceId": {"Fn::Join": ["/", ["service", (cluster), (service)]]},
        "MinCapacity": (Json::Int(least)),
        "MaxCapacity": (Json::Int(most))
    });
    template.resource(&target, "AWS::ApplicationAutoScaling::ScalableTarget", properties);
    // Adds one worker if one can take all waiting messages, two if five could, and otherwise as
    // many as are allowed.
    let growth = json!([
        {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": (Json::Int(concurrency)), "ScalingAdjustment": 1},
        {"MetricIntervalLowerBound": (Json::Int(concurrency)), "MetricIntervalUpperBound": (Json::Int(concurrency * 5)), "ScalingAdjustment": 2},
        {"MetricIntervalLowerBound": (Json::Int(concurrency * 5)), "ScalingAdjustment": (Json::Int(most))}
    ]);
    add_policy(template, &format!("ScaleOutPolicy{short}"), &target, "ChangeInCapacity", growth);
    let rest = json!([{"MetricIntervalUpperBound": 0, "ScalingAdjustment": (Json::Int(least))}]);
    add_policy(template, &format!("ScaleInPolicy{short}"), &target, "ExactCapacity", rest);
    let metric = |name: &str| {
        let queue = attribute(&format!("WorkQueue{short}"), "QueueName");
        json!({
            "Namespace": "AWS/SQS",
            "MetricName": name,
            "Dimensions": [{"Name": "QueueName", "Value": (queue)}]
        })
    };
    let of_queue = |id: &str, name: &str| {
        json!({
            "Id": id,
            "MetricStat": {"Metric": (metric(name)), "Period": 60, "Stat": "Maximum"},
            "ReturnData": false
        })
    };
    let waiting = "ApproximateNumberOfMessagesVisible";
    let out = json!([
        (of_queue("waiting", waiting)),
        {"Id": "backlog", "Expression": "FILL(waiting, 0)", "ReturnData": true}
    ]);
    add_alarm(template, short, "Out", "GreaterThanOrEqualToThreshold", 1, 1, out);
    let idle = json!([
        (of_queue("waiting", waiting)),
        (of_queue("handled", "ApproximateNumberOfMessagesNotVisible")),
        {"Id": "backlog", "Expression": "FILL(waiting, 0) + FILL(handled, 0)", "ReturnData": true}
    ]);
    add_alarm(template, short, "In", "LessThanOrEqualToThreshold", 0, 10, idle);
}

fn add_policy(template: &mut Template, id: &str, target: &str, kind: &str, steps: Json) {
    let properties = json!({
        "PolicyName": id,
        "PolicyType": "StepScaling",
        "ScalingTargetId": (reference(target)),
        "StepScalingPolicyConfiguration": {
            "AdjustmentType": kind,
            "Cooldown": 60,
            "MetricAggregationType": "Maximum",
            "StepAdjustments": (steps)
        }
    });
    template.resource(id, "AWS::ApplicationAutoScaling::ScalingPolicy", properties);
}

fn add_alarm(
    template: &mut Template,
    short: &str,
    direction: &str,
    comparison: &str,
    threshold: i64,
    minutes: i64,
    metrics: Json,
) {
    let properties = json!({
        "AlarmActions": [(reference(&format!("Scale{direction}Policy{short}")))],
        "ComparisonOperator": comparison,
        "EvaluationPeriods": (Json::Int(minutes)),
        "Metrics": (metrics),
        "Threshold": (Json::Int(threshold)),
        "TreatMissingData": "notBreaching"
    });
    let id = format!("Scale{direction}Alarm{short}");
    template.resource(&id, "AWS::CloudWatch::Alarm", properties);
}
