//! Alarms are equal to those of the CDK, with the ids it gives them.

use super::compare::{folder, read};
use stepwright_constructs::prelude::*;
use stepwright_json::Json;

#[track_caller]
fn same_alarms(name: &str, stack: &Stack) {
    let Some(folder) = folder("cdk") else {
        println!("skipped: ../shared/goldens/cdk is not there");
        return;
    };
    let expected = read(&folder.join(name).join("template.json")).expect("a template");
    let template = stack.template().expect("the stack has no misuses");
    let resources = expected.get("Resources").and_then(Json::as_object).expect("resources");
    let mut count = 0;
    for (id, alarm) in resources.iter() {
        if alarm.get("Type").and_then(Json::as_str) == Some("AWS::CloudWatch::Alarm") {
            let actual = template.resource(id).unwrap_or_else(|| panic!("{name}: no {id}"));
            assert_eq!(sorted(actual), sorted(alarm), "{name}: {id}");
            count += 1;
        }
    }
    println!("{name}: {count} alarms");
    assert!(count > 0, "{name} has alarms");
}

/// The order of keys does not count, and 10 is 10.0.
fn sorted(json: &Json) -> String {
    if let Some(object) = json.as_object() {
        let mut members: Vec<String> =
            object.iter().map(|(key, value)| format!("{key}: {}", sorted(value))).collect();
        members.sort();
        return format!("{{{}}}", members.join(", "));
    }
    match (json.as_array(), json.as_f64()) {
        (Some(list), _) => format!("[{}]", list.iter().map(sorted).collect::<Vec<_>>().join(", ")),
        (None, Some(number)) => number.to_string(),
        (None, None) => json.to_string(),
    }
}

#[test]
fn of_the_account() {
    let metrics = [
        ("ThrottledAlarm", Metric::throttled_events()),
        ("AlarmmetricProvisionedBucketSize", Metric::provisioned_bucket_size()),
        ("AlarmmetricProvisionedRefillRate", Metric::provisioned_refill_rate()),
        ("AlarmmetricConsumedCapacity", Metric::consumed_capacity()),
    ];
    let stack = metrics
        .into_iter()
        .fold(Stack::new(), |stack, (id, metric)| stack.alarm(&Alarm::new(id, metric, 10.0, 2)));
    same_alarms("001-24-metrics-account-alarm", &stack);
}

#[test]
fn of_a_machine() {
    let machine = StateMachine::new("StateMachine", Pass::new("StartState"));
    let metrics = [
        ("StateMachineAlarm", machine.metric_failed()),
        ("AlarmmetricThrottled", machine.metric_throttled()),
        ("AlarmmetricAborted", machine.metric_aborted()),
        ("AlarmmetricSucceeded", machine.metric_succeeded()),
        ("AlarmmetricTimedOut", machine.metric_timed_out()),
        ("AlarmmetricStarted", machine.metric_started()),
        ("AlarmmetricTime", machine.metric_time()),
    ];
    let stack = metrics.into_iter().fold(Stack::new().machine(machine), |stack, (id, metric)| {
        stack.alarm(&Alarm::new(id, metric, 1.0, 1))
    });
    same_alarms("001-23-metrics-state-machine-alarm", &stack);
}
