//! `@subscribe`: executions that start when others have ended.
//!
//! The store knows up to which moment the ends of a machine's executions have been delivered. What ended
//! after it is delivered by the next server; the execution that it starts has a name made from the one
//! that ended, so that whatever is delivered twice starts one execution.

use super::{Projects, Server};
use crate::local_project::LocalProject;
use crate::report;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use stepwright_engine::Facts;
use stepwright_history::{Event, EventKind, Failure};
use stepwright_json::{Json, Object, Str, json};
use stepwright_store::{Filter, Page, Status};
use tokio::sync::mpsc;

/// What the keys of documents about subscriptions begin with.
const KEY: &str = "fluxio/subscription/";

/// How long a turn may take from its moment to the store and to whoever is told of it.
const SLACK_MILLIS: i64 = 10_000;

/// How often it is noted how far deliveries have got.
const NOTE_EVERY: Duration = Duration::from_secs(2);

/// How many rows of the store are read at once.
const PAGE: usize = 500;

/// Which ends of which machines start which others.
#[derive(Default)]
pub(super) struct Subscriptions(Mutex<Routes>);

#[derive(Default)]
struct Routes {
    /// By project, so that a project's can be replaced.
    by_project: BTreeMap<String, Vec<Subscription>>,
    /// The subscriptions whose past has been caught up with.
    seen: BTreeSet<String>,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Subscription {
    /// The document about it.
    key: String,
    /// The machine that starts: its ARN.
    target: String,
    /// The machine whose executions end: its ARN.
    source: String,
    /// Whether they end well.
    wants_success: bool,
}

/// An execution that somebody has waited for the end of.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    arn: String,
    machine: String,
    outcome: Outcome,
}

/// How an execution has ended.
#[derive(Clone, Debug)]
enum Outcome {
    /// With this output.
    Succeeded(Json),
    Failed(Failure),
    /// Some time ago, well or not: how is still to be asked.
    Before {
        well: bool,
    },
}

impl Outcome {
    fn is_success(&self) -> bool {
        matches!(self, Self::Succeeded(_) | Self::Before { well: true })
    }
}

impl Subscriptions {
    /// What to deliver of an event, if anything.
    pub(super) fn wanted(&self, facts: &Facts, event: &Event) -> Option<Ended> {
        let outcome = match &event.kind {
            EventKind::ExecutionSucceeded { output } => Outcome::Succeeded(output.clone()),
            EventKind::ExecutionFailed { failure } | EventKind::ExecutionTimedOut { failure } => {
                Outcome::Failed(failure.clone())
            }
            _ => return None,
        };
        let machine = &facts.about.machine;
        let is_wanted = !self.to(machine, outcome.is_success()).is_empty();
        let (arn, machine) = (facts.about.arn.clone(), machine.clone());
        is_wanted.then_some(Ended { arn, machine, outcome })
    }

    /// The subscriptions to a kind of end.
    fn to(&self, machine: &str, is_success: bool) -> Vec<Subscription> {
        let routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = routes.by_project.values().flatten();
        all.filter(|one| one.source == machine && one.wants_success == is_success)
            .cloned()
            .collect()
    }
}

/// Follows the subscriptions of a project as it is now, and no longer those it had.
pub(super) async fn follow(projects: &Projects, name: &str, project: &LocalProject) {
    let server = projects.server().await;
    let prefix = format!("{KEY}{name}/");
    let subscriptions = of_project(projects, name, project, &prefix);
    let known: BTreeMap<String, Json> = server.documents(&prefix).await.into_iter().collect();
    let mut changes = Vec::new();
    for key in known.keys() {
        if !subscriptions.iter().any(|one| one.key == *key) {
            changes.push((key.clone(), None));
        }
    }
    for one in &subscriptions {
        if !known.contains_key(&one.key) {
            changes.push((one.key.clone(), Some(note(server.now()))));
        }
    }
    if !changes.is_empty() && !server.put(changes).await {
        return;
    }
    let unseen: Vec<Subscription> = {
        let routes = &projects.shared.subscriptions.0;
        let mut routes = routes.lock().unwrap_or_else(PoisonError::into_inner);
        routes.by_project.insert(name.to_owned(), subscriptions.clone());
        subscriptions.into_iter().filter(|one| routes.seen.insert(one.key.clone())).collect()
    };
    for one in unseen {
        let since = known.get(&one.key).and_then(|note| note.get("since")?.as_i64());
        if let Some(since) = since {
            catch_up(projects, &server, &one, since).await;
        }
    }
}

fn of_project(
    projects: &Projects,
    name: &str,
    project: &LocalProject,
    prefix: &str,
) -> Vec<Subscription> {
    let others = projects.all();
    let mut subscriptions = Vec::new();
    for (machine, compiled) in &project.project.machines {
        let full_name = format!("{name}-{machine}");
        for options in &compiled.decorators.subscribes {
            let text = |key: &str| options.get(key).and_then(Json::as_str);
            let Some(other) = text("project") else {
                let topic = text("topic_arn_import_value").unwrap_or_default();
                anstream::println!(
                    "{full_name} is subscribed to {topic}: nothing is sent to it here"
                );
                continue;
            };
            let (source, status) =
                (text("state_machine").unwrap_or("main"), text("status").unwrap_or("success"));
            let found = others.get(other).filter(|other| {
                other.project.machines.get(source).is_some_and(|machine| machine.is_first_class)
            });
            let Some(found) = found else {
                report::announce(&format!(
                    "{full_name} is subscribed to {other}-{source}, which is not served here"
                ));
                continue;
            };
            subscriptions.push(Subscription {
                key: format!("{prefix}{machine}/{other}/{source}/{status}"),
                target: project.machine_arn(machine),
                source: found.machine_arn(source),
                wants_success: status == "success",
            });
        }
    }
    subscriptions
}

fn note(since: i64) -> Json {
    json!({"since": (Json::Int(since))})
}

/// Delivers what has ended since a moment.
async fn catch_up(projects: &Projects, server: &Server, one: &Subscription, since: i64) {
    let statuses: &[Status] =
        if one.wants_success { &[Status::Succeeded] } else { &[Status::Failed, Status::TimedOut] };
    let store = server.api.engine().options().store.clone();
    for status in statuses {
        let mut after = None;
        loop {
            let filter = Filter {
                machine: Some(one.source.clone()),
                status: Some(*status),
                ..Filter::default()
            };
            let rows = match store.list(filter, Page { after, most: PAGE }).await {
                Ok(rows) => rows,
                Err(error) => {
                    tracing::error!(%error, "what has ended cannot be read");
                    return;
                }
            };
            let Some(last) = rows.last() else { break };
            after = Some((last.about.started_at, last.id));
            for row in rows {
                if row.stopped_at.is_some_and(|at| at >= since) {
                    let ended = Ended {
                        arn: row.about.arn,
                        machine: row.about.machine,
                        outcome: Outcome::Before { well: one.wants_success },
                    };
                    // Those who deliver live as long as this does.
                    projects.shared.ended.send(ended).ok();
                }
            }
        }
    }
}

/// Starts what is subscribed to the ends that come in.
pub(super) async fn deliver(projects: Projects, mut ended: mpsc::UnboundedReceiver<Ended>) {
    let server = projects.server().await;
    let mut delivered: BTreeSet<String> = BTreeSet::new();
    loop {
        let next = if delivered.is_empty() {
            ended.recv().await
        } else {
            match tokio::time::timeout(NOTE_EVERY, ended.recv()).await {
                Ok(next) => next,
                Err(_) => {
                    // Nothing is left to be delivered but what has ended just now.
                    let since = note(server.now() - SLACK_MILLIS);
                    let notes = std::mem::take(&mut delivered);
                    let notes = notes.into_iter().map(|key| (key, Some(since.clone()))).collect();
                    server.put(notes).await;
                    continue;
                }
            }
        };
        let Some(next) = next else { return };
        for one in projects.shared.subscriptions.to(&next.machine, next.outcome.is_success()) {
            start(&server, &one, &next).await;
            delivered.insert(one.key);
        }
    }
}

async fn start(server: &Server, one: &Subscription, ended: &Ended) {
    let failed = |what: &str| {
        let message = format!("the end of {} started nothing: {what}", ended.arn);
        report::failure(&report::Failure::new(message));
    };
    let input = match input(server, ended).await {
        Ok(input) => input,
        Err(why) => return failed(&why),
    };
    let name = name_after(&ended.arn, &one.target);
    let body = json!({
        "stateMachineArn": (one.target.as_str()),
        "name": (name),
        "input": (input.to_string())
    });
    match server.api.call("StartExecution", body).await {
        Ok(_) => {
            let target = one.target.rsplit(':').next().unwrap_or_default();
            report::announce(&format!("started {target} ({} has ended)", ended.arn));
        }
        // It was started before, and its input or its end may have been forgotten.
        Err(error) if error.code == "ExecutionAlreadyExists" => {}
        Err(error) => failed(&error.message),
    }
}

/// The input of what starts: the output of what has ended; where that failed, its input with the
/// `error` that a Catch would find.
async fn input(server: &Server, ended: &Ended) -> Result<Json, String> {
    if let Outcome::Succeeded(output) = &ended.outcome {
        return Ok(output.clone());
    }
    let body = json!({"executionArn": (ended.arn.as_str())});
    let described = server.api.call("DescribeExecution", body).await;
    let described = described.map_err(|error| error.message)?;
    let text = |key: &str| described.get(key).and_then(Json::as_str).unwrap_or_default();
    let value = |key: &str| stepwright_json::parse(text(key)).map_err(|error| error.to_string());
    match &ended.outcome {
        Outcome::Failed(failure) => Ok(input_with(value("input")?, failure)),
        Outcome::Before { well: false } => {
            Ok(input_with(value("input")?, &Failure::new(text("error"), text("cause"))))
        }
        Outcome::Succeeded(_) | Outcome::Before { well: true } => value("output"),
    }
}

fn input_with(input: Json, failure: &Failure) -> Json {
    let mut object = match input {
        Json::Object(object) => object,
        other => {
            let mut object = Object::new();
            object.insert("input", other);
            object
        }
    };
    let text = |part: &Option<Str>| Json::from(part.clone().unwrap_or_default());
    let mut error = Object::new();
    error.insert("Error", text(&failure.error));
    error.insert("Cause", text(&failure.cause));
    object.insert("error", error.into());
    object.into()
}

/// The name of the execution that the end of another starts.
fn name_after(arn: &str, target: &str) -> String {
    let name: String = arn.rsplit(':').next().unwrap_or_default().chars().take(60).collect();
    format!("{name}-{}", &hex(&format!("{arn} {target}"))[..12])
}

/// A UUID that the same text always has.
pub(super) fn uuid_of(text: &str) -> Str {
    let hex = hex(text);
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32]];
    parts.join("-").into()
}

fn hex(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("strings grow");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_where_a_catch_would_put_it() {
        let failure = Failure::new("Bad", "why");
        let expected = json!({"a": 1, "error": {"Error": "Bad", "Cause": "why"}});
        assert_eq!(input_with(json!({"a": 1}), &failure), expected);
        let expected = json!({"input": [1], "error": {"Error": "", "Cause": ""}});
        assert_eq!(input_with(json!([1]), &Failure::default()), expected);
    }

    #[test]
    fn one_end_makes_one_name() {
        let arn = "arn:aws:states:us-east-1:123456789012:execution:shop-main:order-7";
        let name = name_after(arn, "arn:aws:states:us-east-1:123456789012:stateMachine:mail-main");
        assert!(name.starts_with("order-7-") && name.len() == "order-7-".len() + 12, "{name}");
        assert_ne!(name, name_after(arn, "another"));
        let long = format!("{arn}{}", "x".repeat(80));
        assert!(name_after(&long, "another").len() <= 80);
        assert_eq!(uuid_of("a").len(), 36);
    }
}
