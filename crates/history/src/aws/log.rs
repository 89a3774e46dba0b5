//! Events as records of AWS's logs.

use super::Calls;
use crate::Event;
use stepwright_json::{Json, Object};

/// What an event says of data, and AWS leaves out when no data are wanted.
pub const DATA: [&str; 10] = [
    "input",
    "inputDetails",
    "output",
    "outputDetails",
    "parameters",
    "cause",
    "error",
    "assignedVariables",
    "assignedVariablesDetails",
    "evaluationFailedEventDetails",
];

/// The records of events in the form that AWS writes to `CloudWatch` Logs: numbers are text, and what
/// is said of an event stands under `details`. `calls` knows the tasks that were scheduled before,
/// and `redrive_count` is how often the execution was redriven.
pub fn log_records(
    arn: &str,
    events: &[Event],
    calls: &Calls,
    redrive_count: u32,
    with_data: bool,
) -> Vec<Json> {
    let shown = events.iter().filter_map(|event| calls.show(event));
    shown.map(|event| record(arn, &event, redrive_count, with_data)).collect()
}

fn record(arn: &str, event: &Json, redrives: u32, with_data: bool) -> Json {
    let text = |key: &str| event.get(key).map(Json::to_string).unwrap_or_default();
    let mut record = Object::new();
    record.insert("id", text("id").into());
    record.insert("type", event.get("type").cloned().unwrap_or_default());
    let members = event.as_object().into_iter().flat_map(Object::iter);
    let details = members
        .filter(|(key, _)| key.ends_with("EventDetails"))
        .find_map(|(_, value)| value.as_object());
    let is_kept = |key: &str| with_data || !DATA.contains(&key);
    let details: Object = details
        .into_iter()
        .flat_map(Object::iter)
        .filter(|(key, _)| is_kept(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    record.insert("details", details.into());
    record.insert("redrive_count", redrives.to_string().into());
    record.insert("previous_event_id", text("previousEventId").into());
    record.insert("event_timestamp", text("timestamp").into());
    record.insert("execution_arn", arn.into());
    record.into()
}
