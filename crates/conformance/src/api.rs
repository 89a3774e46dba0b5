//! Scripts of API calls that were recorded on AWS, and what it answered.

use crate::Verdict;
use crate::case::{self, Case};
use crate::served::serve;
use std::path::Path;
use std::sync::Arc;
use stepwright_engine::{Call, Report, Tasks};
use stepwright_history::{Failure, Stage};
use stepwright_json::{Json, Object};
use stepwright_protocol::ApiError;
use stepwright_server::Api;
use stepwright_simulator::{DEFAULT_START, MemoryObjects};
use stepwright_testkit::matcher::Matcher;

/// Runs every script. Each step is a case.
pub fn run_all(data: &Path) -> Result<Vec<Verdict>, String> {
    let mut verdicts = Vec::new();
    for case in case::load(data, "conformance/asl/cases")? {
        match case.text("kind") {
            "api" => verdicts.extend(script(&case)),
            "api_rows" => verdicts.extend(rows(&case)),
            "validation" => verdicts.extend(validation(&case.file, &case.json)),
            "validation_rows" => {
                for (at, row) in case.list("rows").iter().enumerate() {
                    verdicts.extend(validation(&format!("{}#{at}", case.file), row));
                }
            }
            "sync_express" => verdicts.push(sync_express(&case)),
            "async_express" => verdicts.push(async_express(&case)),
            _ => {}
        }
    }
    Ok(verdicts)
}

/// Nothing can be called.
struct Nobody;

impl Tasks for Nobody {
    fn run(&self, call: Call, report: Report) {
        let cause = format!("nothing answers {}", call.call.resource);
        report.failed(Failure::new("Stepwright.Nobody", cause), Stage::Run);
    }
}

fn with_server<T>(work: impl AsyncFnOnce(Api) -> T) -> T {
    serve(DEFAULT_START, Arc::new(Nobody), MemoryObjects::default(), None, work)
}

/// The operation that boto3 calls so: `create_state_machine`.
fn operation(snake: &str) -> String {
    let capital = |part: &str| {
        let mut chars = part.chars();
        chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str())
    };
    snake.split('_').filter_map(capital).collect()
}

fn script(case: &Case) -> Vec<Verdict> {
    with_server(async |api| {
        let mut replies = Object::new();
        let mut verdicts = Vec::new();
        // The same token stands for the same thing in the whole script.
        for step in case.list("steps") {
            let text = |key: &str| step.get(key).and_then(Json::as_str).unwrap_or_default();
            let mut verdict = Verdict::new("api", format!("{}#{}", case.file, text("step")));
            let params = fill(step.get("params").unwrap_or(&Json::Null), &replies);
            let name = operation(text("op"));
            let mut agreed = Ok(());
            // What AWS needs a while for, ours may need a while for, too.
            for _ in 0..20 {
                let answer = api.call(&name, params.clone()).await;
                agreed = judge(step.get("expect"), &answer);
                if let Ok(reply) = answer {
                    replies.insert(text("step"), reply);
                }
                if agreed.is_ok() || step.get("poll").is_none() {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            }
            verdict.measure("step", agreed);
            verdicts.push(verdict);
        }
        verdicts
    })
}

/// Whether an answer has all that is expected; it may have more.
pub(crate) fn judge(
    expected: Option<&Json>,
    answer: &Result<Json, ApiError>,
) -> Result<(), String> {
    judge_with(Matcher::of_subset(), expected, answer)
}

/// Whether an answer is what is expected, and nothing else.
pub(crate) fn judge_exactly(
    expected: Option<&Json>,
    answer: &Result<Json, ApiError>,
) -> Result<(), String> {
    judge_with(Matcher::default(), expected, answer)
}

fn judge_with(
    mut matcher: Matcher,
    expected: Option<&Json>,
    answer: &Result<Json, ApiError>,
) -> Result<(), String> {
    let error = expected.and_then(|expected| expected.get("error"));
    match (error, answer) {
        (None, Err(error)) => Err(format!("was refused: {error}")),
        (None, Ok(reply)) => {
            let Some(wanted) = expected.and_then(|expected| expected.get("response")) else {
                return Ok(());
            };
            matcher.compare(wanted, reply, "$")
        }
        (Some(error), Ok(reply)) => Err(format!("should be refused with {error}, got {reply}")),
        (Some(error), Err(refused)) => {
            let field = |key: &str| error.get(key).cloned().unwrap_or_default();
            let mut matcher = Matcher::default();
            matcher.compare(&field("code"), &refused.code.into(), "$.code")?;
            matcher.compare(&field("message"), &refused.message.as_str().into(), "$.message")
        }
    }
}

/// Puts in what earlier steps have answered: `${s1.stateMachineArn}`.
fn fill(value: &Json, replies: &Object) -> Json {
    match value {
        Json::String(text) => {
            let mut text = text.to_string();
            while let Some(start) = text.find("${s") {
                let Some(length) = text[start..].find('}') else { break };
                let path = &text[start + 2..start + length];
                let Some(found) = look_up(path, replies) else { break };
                text.replace_range(start..=start + length, &found);
            }
            text.into()
        }
        Json::Array(items) => {
            items.iter().map(|item| fill(item, replies)).collect::<Vec<_>>().into()
        }
        Json::Object(members) => members
            .iter()
            .map(|(key, value)| (key.clone(), fill(value, replies)))
            .collect::<Object>()
            .into(),
        other => other.clone(),
    }
}

fn look_up(path: &str, replies: &Object) -> Option<String> {
    let mut parts = path.split(['.', '[']).map(|part| part.trim_end_matches(']'));
    let mut at = replies.get(parts.next()?)?;
    for part in parts {
        at = match part.parse::<usize>() {
            Ok(index) => at.at(index)?,
            Err(_) => at.get(part)?,
        };
    }
    Some(at.as_str().map_or_else(|| at.to_string(), str::to_owned))
}

fn rows(case: &Case) -> Vec<Verdict> {
    let row = |(at, row): (usize, &Json)| {
        script(&Case { file: format!("{}#{at}", case.file), json: row.clone() })
    };
    case.list("rows").iter().enumerate().flat_map(row).collect()
}

/// The definition of a case as the API takes it.
fn definition(case: &Json) -> Json {
    match case.get("definition_text") {
        Some(text) => text.clone(),
        None => case.get("definition").map(Json::to_string).unwrap_or_default().into(),
    }
}

fn validation(name: &str, case: &Json) -> Option<Verdict> {
    let expected = case.get("expected")?;
    let op = case.get("op").and_then(Json::as_str).unwrap_or("create_state_machine");
    let mut params = case.get("request").and_then(Json::as_object).cloned().unwrap_or_default();
    params.insert("definition", definition(case));
    if op == "create_state_machine" {
        let express = case.get("type").and_then(Json::as_str) == Some("EXPRESS");
        params.get_or_insert_with("name", || "machine".into());
        params.get_or_insert_with("roleArn", || "arn:aws:iam::111111111111:role/role".into());
        params.get_or_insert_with("type", || if express { "EXPRESS" } else { "STANDARD" }.into());
    }
    let answer = with_server(async |api| api.call(&operation(op), params.into()).await);
    let mut verdict = Verdict::new("api", name);
    let accepted = expected.get("accepted").and_then(Json::as_bool).unwrap_or_default();
    let error = expected.get("error");
    let message = error.and_then(|error| error.get("message")).and_then(Json::as_str);
    // Where the recording holds an emulator's own exception there is no message of AWS's.
    let is_emulators = message.is_some_and(|message| message.starts_with("Error=ValueError"));
    verdict.measure(
        "step",
        match (error, &answer) {
            (Some(_), Err(_)) if is_emulators => Ok(()),
            (Some(_), answer) => judge(Some(expected), answer),
            (None, Ok(_)) if !accepted && expected.get("response").is_none() => {
                Err("was accepted".to_owned())
            }
            (None, answer) => judge(Some(expected), answer),
        },
    );
    Some(verdict)
}

async fn create_express(api: &Api, case: &Case) -> Result<Json, String> {
    let mut params = Object::new();
    params.insert("name", case.text("state_machine_name").into());
    params.insert("roleArn", case.text("role_arn").into());
    params.insert("type", "EXPRESS".into());
    params.insert("definition", definition(&case.json));
    let created = api.call("CreateStateMachine", params.into()).await;
    let created = created.map_err(|error| format!("was not created: {error}"))?;
    let mut params = Object::new();
    params.insert("stateMachineArn", created.get("stateMachineArn").cloned().unwrap_or_default());
    params.insert("input", case.get("input").to_string().into());
    Ok(params.into())
}

fn sync_express(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("api", case.file.clone());
    let tasks = Arc::new(crate::served::Answering::with_workers(case));
    let agreed = serve(DEFAULT_START, tasks, MemoryObjects::default(), None, async |api| {
        let params = create_express(&api, case).await?;
        let reply = api.call("StartSyncExecution", params).await;
        let reply = reply.map_err(|error| format!("was refused: {error}"))?;
        let expected = case.get("expected");
        let mut matcher = Matcher::of_subset();
        let mut response = expected.get("response").cloned().unwrap_or_default();
        // How long it took on AWS's machines is not ours to repeat.
        if let Json::Object(response) = &mut response {
            response.insert("billingDetails", "<*:billing>".into());
        }
        matcher.compare(&response, &reply, "$")
    });
    verdict.measure("step", agreed);
    verdict
}

fn async_express(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("api", case.file.clone());
    let tasks = Arc::new(crate::served::Answering::with_workers(case));
    let log = Arc::new(crate::served::Log::default());
    let watching = log.clone();
    let agreed =
        serve(DEFAULT_START, tasks, MemoryObjects::default(), Some(watching), async |api| {
            let params = create_express(&api, case).await?;
            let reply = api.call("StartExecution", params).await;
            reply.map_err(|error| format!("was refused: {error}"))?;
            let expected = case.get("expected").get("end_event").cloned().unwrap_or_default();
            for _ in 0..600 {
                if let Some(end) = log.end() {
                    let mut matcher = Matcher::of_subset();
                    return matcher.compare(&expected, &end, "$");
                }
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
            Err("it did not end".to_owned())
        });
    verdict.measure("step", agreed);
    verdict
}
