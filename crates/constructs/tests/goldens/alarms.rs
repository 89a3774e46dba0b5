//! Alarms are the same as those of the CDK, including their ids.

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

/// The JSON text with sorted keys, in which 10 and 10.0 are the same.
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

/// The nine metrics of a worker, each with an alarm.
macro_rules! work_alarms {
    ($stack:expr, $failed:literal, $of:expr $(, $unwrap:ident)?) => {
        [
            ($failed, $of.metric_failed()$(.$unwrap("it has metrics"))?),
            ("AlarmmetricRunTime", $of.metric_run_time()$(.$unwrap("it has metrics"))?),
            ("AlarmmetricScheduleTime", $of.metric_schedule_time()$(.$unwrap("it has metrics"))?),
            ("AlarmmetricTime", $of.metric_time()$(.$unwrap("it has metrics"))?),
            ("AlarmmetricScheduled", $of.metric_scheduled()$(.$unwrap("it has metrics"))?),
            ("AlarmmetricTimedOut", $of.metric_timed_out()$(.$unwrap("it has metrics"))?),
            ("AlarmmetricStarted", $of.metric_started()$(.$unwrap("it has metrics"))?),
            ("AlarmmetricSucceeded", $of.metric_succeeded()$(.$unwrap("it has metrics"))?),
            (
                "AlarmmetricHeartbeatTimedOut",
                $of.metric_heartbeat_timed_out()$(.$unwrap("it has metrics"))?,
            ),
        ]
        .into_iter()
        .fold($stack, |stack, (id, metric)| stack.alarm(&Alarm::new(id, metric, 1.0, 1)))
    };
}

#[test]
fn of_a_task() {
    let function = Function::new("MyLambda", Code::inline("exports.handler = async () => {}"));
    let task = LambdaInvoke::new("Task", function);
    let stack = work_alarms!(Stack::new(), "TaskAlarm", task, expect);
    let stack = stack.machine(StateMachine::new("StateMachine", task));
    same_alarms("001-22-metrics-task-alarm", &stack);
}

#[test]
fn of_an_activity() {
    let activity = Activity::new("Activity");
    let stack = work_alarms!(Stack::new(), "AlarmmetricFailed", activity);
    let task = StepFunctionsInvokeActivity::new("Do it", activity);
    let stack = stack.machine(StateMachine::new("StateMachine", task));
    same_alarms("001-22b-metrics-activity", &stack);
}
