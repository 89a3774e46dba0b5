//! `@process_events`: a class of the project attaches tags to the events of executions. The tagged
//! events go to standard output and to the collector of `[otlp]`, together with a span for each
//! execution that has ended.
//!
//! This is telemetry, so it happens behind the execution's back: events that a server has not sent
//! when it is killed are lost.

use crate::{Host, Projects};
use stepwright_engine::{ExecutionEvent, Facts, ObservedTurn};
use stepwright_functions::Invocation;
use stepwright_history::aws::log_records;
use stepwright_history::{Event, EventKind};
use stepwright_json::{Json, Object, json};
use tokio::sync::mpsc;

/// How deeply executions may be nested in one another.
const DEEPEST: usize = 32;

/// The number of characters of a tag that are printed.
const LONGEST_SHOWN: usize = 60;

/// Something that an execution did.
#[derive(Debug)]
pub(crate) struct Happened {
    machine: String,
    arn: String,
    started_at: i64,
    /// The event's record, as in `CloudWatch` Logs.
    record: Json,
    at: i64,
}

/// Whether an event is the start or the end of an execution.
pub(crate) fn is_start_or_end(event: &Event) -> bool {
    event.kind.ends_execution() || matches!(event.kind, EventKind::ExecutionStarted(_))
}

/// The events that processors are told about.
pub(crate) fn wanted(facts: &Facts, turn: &ObservedTurn<'_>) -> Vec<Happened> {
    let happened = turn.events.iter().filter(|event| is_start_or_end(event)).flat_map(|event| {
        let records = {
            let events = std::slice::from_ref(event);
            log_records(&facts.about.arn, events, turn.calls, turn.redrive_count, true)
        };
        records.into_iter().map(|record| Happened {
            machine: facts.about.machine.clone(),
            arn: facts.about.arn.clone(),
            started_at: facts.about.started_at,
            record,
            at: event.at.0,
        })
    });
    happened.collect()
}

/// Processes events one after another.
pub(crate) async fn process(projects: Projects, mut happened: mpsc::Receiver<Happened>) {
    let host = projects.host().await;
    while let Some(one) = happened.recv().await {
        if projects.is_over() {
            return;
        }
        let Some((_, machine)) = projects.of_machine(&one.machine) else { continue };
        process_one(&projects, &host, &one, machine).await;
    }
}

async fn process_one(projects: &Projects, host: &Host, one: &Happened, machine: &str) {
    let full_name = one.machine.rsplit(':').next().unwrap_or_default();
    let kind = one.record.get("type").and_then(Json::as_str).unwrap_or_default();
    let input = input_of(host, &one.arn).await;
    let lineage = lineage(host, &one.arn, input.as_ref()).await;
    let name = one.arn.rsplit(':').next().unwrap_or_default();
    let outermost = lineage.first().unwrap_or(&one.arn);
    // A trace in the input comes first, as on AWS.
    let given = |part: &str| {
        let value = input.as_ref()?.get("__trace")?.get(part)?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let name_of = |arn: &str| arn.rsplit(':').next().unwrap_or_default().to_owned();
    let trace = given("id");
    let id = trace.clone().unwrap_or_else(|| name_of(outermost));
    let source = given("source").unwrap_or_else(|| machine_of(outermost).to_owned());
    let payload = json!({
        "message": (message(&one.record)),
        "input_data": (input.clone().unwrap_or_default()),
        "meta": {
            "execution_name": (name),
            "state_machine_name": (full_name),
            "trace_id": (id),
            "trace_source": (source)
        }
    });
    let tags = match tags(projects, host, full_name, &payload).await {
        Ok(tags) => tags,
        Err(why) => {
            let line = format!("the event processor of {machine} gave no tags for {kind}: {why}");
            projects.shared.listener.complain(&line);
            return;
        }
    };
    projects.shared.listener.announce(&format!("event {kind} {full_name} {}", shown(&tags)));
    if let Some(collector) = &host.collector {
        let is_over = kind != "ExecutionStarted";
        collector.execution_event(&ExecutionEvent {
            name: kind,
            machine: full_name,
            arn: &one.arn,
            around: &lineage,
            trace: trace.as_deref(),
            at: one.at,
            since: is_over.then_some(one.started_at),
            is_good: matches!(kind, "ExecutionStarted" | "ExecutionSucceeded"),
            tags: &tags,
        });
    }
}

/// Asks the processor for the tags of an event.
async fn tags(
    projects: &Projects,
    host: &Host,
    machine: &str,
    payload: &Json,
) -> Result<Object, String> {
    let invocation = Invocation {
        function: format!("{machine}-events"),
        payload: payload.to_string().into(),
        ..Invocation::default()
    };
    let reply = host.functions.invoke(invocation).await.map_err(|error| error.to_string())?;
    let answer = stepwright_json::parse_bytes(&reply.payload).unwrap_or_default();
    if reply.function_error.is_some() {
        return Err(answer.to_string());
    }
    if let Some(problem) = answer.get("error").and_then(Json::as_str) {
        // The event keeps the tags that every event has.
        let line = format!("the event processor of {machine}: {problem}");
        projects.shared.listener.complain(&line);
    }
    Ok(answer.get("tags").and_then(Json::as_object).cloned().unwrap_or_default())
}

/// The tags for printing, with long values cut.
fn shown(tags: &Object) -> Json {
    let cut = |value: &Json| match value.as_str() {
        Some(text) if text.chars().count() > LONGEST_SHOWN => {
            let start: String = text.chars().take(LONGEST_SHOWN).collect();
            format!("{start}…").into()
        }
        _ => value.clone(),
    };
    tags.iter().map(|(key, value)| (key.clone(), cut(value))).collect::<Object>().into()
}

/// The message that a processor gets. Numbers that are text in the record become numbers.
fn message(record: &Json) -> Json {
    let numbers = ["id", "previous_event_id", "event_timestamp"];
    let members = record.as_object().into_iter().flat_map(Object::iter);
    let members = members.filter(|(key, _)| key.as_str() != "redrive_count").map(|(key, value)| {
        let number = value.as_str().and_then(|text| text.parse().ok()).map(Json::Int);
        let value = number.filter(|_| numbers.contains(&key.as_str()));
        (key.clone(), value.unwrap_or_else(|| record.get(key).cloned().unwrap_or_default()))
    });
    members.collect::<Object>().into()
}

async fn input_of(host: &Host, arn: &str) -> Option<Json> {
    let described = host.engine.describe(arn).await.ok()??;
    Some(described.input.clone())
}

/// The executions around an execution, the outermost first.
async fn lineage(host: &Host, arn: &str, input: Option<&Json>) -> Vec<String> {
    let mut around = Vec::new();
    let mut input = input.cloned();
    while let Some(parent) = input.as_ref().and_then(parent_of) {
        if around.len() == DEEPEST || parent == arn || around.contains(&parent) {
            break;
        }
        input = input_of(host, &parent).await;
        around.push(parent);
    }
    around.reverse();
    around
}

fn parent_of(input: &Json) -> Option<String> {
    Some(input.get("AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID")?.as_str()?.to_owned())
}

/// The machine's name in an execution's ARN.
fn machine_of(arn: &str) -> &str {
    arn.rsplit(':').nth(1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_numbers() {
        let record = json!({
            "id": "1", "type": "ExecutionStarted", "details": {"input": "{}"},
            "redrive_count": "0", "previous_event_id": "0", "event_timestamp": "1700000000000",
            "execution_arn": "arn"
        });
        let expected = json!({
            "id": 1, "type": "ExecutionStarted", "details": {"input": "{}"},
            "previous_event_id": 0, "event_timestamp": (Json::Int(1_700_000_000_000)),
            "execution_arn": "arn"
        });
        assert_eq!(message(&record), expected);
    }
}
