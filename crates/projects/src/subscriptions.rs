//! `@subscribe`: starts executions when others have ended.
//!
//! The store records up to which moment the ends of a machine's executions have been delivered.
//! Later ends are delivered after the next start of the server. The name of the execution that
//! starts is derived from the one that ended, so an end that is delivered twice starts one
//! execution.

use crate::project::LocalProject;
use crate::{Host, Projects};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use stepwright_engine::{Facts, StartError, StartRequest};
use stepwright_history::{Event, EventKind, Failure};
use stepwright_interpreter::Status as ExecutionStatus;
use stepwright_json::{Json, Object, Str, json};
use stepwright_store::{Filter, Page, Status};
use tokio::sync::mpsc;

/// The prefix of the keys of documents about subscriptions.
const KEY: &str = "fluxio/subscription/";

/// The longest time between the moment of a turn and its delivery to observers.
const SLACK_MILLIS: i64 = 10_000;

/// How often the progress of deliveries is recorded.
const NOTE_EVERY: Duration = Duration::from_secs(2);

/// The number of rows that are read at once.
const PAGE: usize = 500;

/// Which executions start when others end.
#[derive(Default)]
pub(crate) struct Subscriptions(Mutex<Routes>);

#[derive(Default)]
struct Routes {
    /// Grouped by project, so that those of one project can be replaced.
    by_project: BTreeMap<String, Vec<Subscription>>,
    /// The subscriptions for which earlier ends have been delivered.
    seen: BTreeSet<String>,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Subscription {
    /// The key of its document.
    key: String,
    /// The ARN of the machine that starts.
    target: String,
    /// The ARN of the machine whose executions end.
    source: String,
    /// Whether it concerns executions that succeed, or else those that fail.
    wants_success: bool,
}

/// The end of an execution, to be delivered to its subscriptions.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    arn: String,
    machine: String,
    outcome: Outcome,
}

/// How an execution ended.
#[derive(Clone, Debug)]
enum Outcome {
    /// It succeeded with this output.
    Succeeded(Json),
    Failed(Failure),
    /// It ended some time ago. Its result must be read from the store.
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
    /// The end to be delivered for an event, if it is one that somebody is subscribed to.
    pub(crate) fn wanted(&self, facts: &Facts, event: &Event) -> Option<Ended> {
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

    /// The subscriptions of a machine's ends of one kind.
    fn to(&self, machine: &str, is_success: bool) -> Vec<Subscription> {
        let routes = self.0.lock();
        let all = routes.by_project.values().flatten();
        all.filter(|one| one.source == machine && one.wants_success == is_success)
            .cloned()
            .collect()
    }
}

/// Activates the subscriptions of a project, in place of those it had before.
pub(crate) async fn follow(projects: &Projects, name: &str, project: &LocalProject) {
    let host = projects.host().await;
    let prefix = format!("{KEY}{name}/");
    let subscriptions = of_project(projects, project, &prefix);
    let known: BTreeMap<String, Json> = host.documents(&prefix).await.into_iter().collect();
    let mut changes = Vec::new();
    for key in known.keys() {
        if !subscriptions.iter().any(|one| one.key == *key) {
            changes.push((key.clone(), None));
        }
    }
    for one in &subscriptions {
        if !known.contains_key(&one.key) {
            changes.push((one.key.clone(), Some(note(host.now()))));
        }
    }
    if !changes.is_empty() && !host.put(changes).await {
        return;
    }
    let unseen: Vec<Subscription> = {
        let routes = &projects.shared.subscriptions.0;
        let mut routes = routes.lock();
        routes.by_project.insert(name.to_owned(), subscriptions.clone());
        subscriptions.into_iter().filter(|one| routes.seen.insert(one.key.clone())).collect()
    };
    for one in unseen {
        let since = known.get(&one.key).and_then(|note| note.get("since")?.as_i64());
        if let Some(since) = since {
            catch_up(projects, &host, &one, since).await;
        }
    }
}

fn of_project(projects: &Projects, project: &LocalProject, prefix: &str) -> Vec<Subscription> {
    let others = projects.all();
    let mut subscriptions = Vec::new();
    for (machine, compiled) in &project.project.machines {
        let full_name = project.full_name(machine);
        for options in &compiled.decorators.subscribes {
            let text = |key: &str| options.get(key).and_then(Json::as_str);
            let Some(other) = text("project") else {
                let topic = text("topic_arn_import_value").unwrap_or_default();
                projects.shared.listener.announce(&format!(
                    "{full_name} is subscribed to {topic}: nothing is sent to it here"
                ));
                continue;
            };
            let (source, status) =
                (text("state_machine").unwrap_or("main"), text("status").unwrap_or("success"));
            let found = others.get(other).filter(|other| {
                other.project.machines.get(source).is_some_and(|machine| machine.is_first_class)
            });
            let Some(found) = found else {
                projects.shared.listener.announce(&format!(
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

/// Delivers the ends since a given moment.
async fn catch_up(projects: &Projects, host: &Host, one: &Subscription, since: i64) {
    let statuses: &[Status] =
        if one.wants_success { &[Status::Succeeded] } else { &[Status::Failed, Status::TimedOut] };
    for status in statuses {
        let mut after = None;
        loop {
            let filter = Filter {
                machine: Some(one.source.clone()),
                status: Some(*status),
                ..Filter::default()
            };
            let rows = match host.engine.executions(filter, Page { after, most: PAGE }).await {
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
                    // The receiving task lives as long as this does.
                    projects.shared.ended.send(ended).ok();
                }
            }
        }
    }
}

/// Starts the executions that are subscribed to the ends that come in.
pub(crate) async fn deliver(projects: Projects, mut ended: mpsc::UnboundedReceiver<Ended>) {
    let host = projects.host().await;
    let mut delivered: BTreeSet<String> = BTreeSet::new();
    loop {
        let next = if delivered.is_empty() {
            ended.recv().await
        } else {
            match tokio::time::timeout(NOTE_EVERY, ended.recv()).await {
                Ok(next) => next,
                Err(_) => {
                    // Everything but the latest ends has been delivered.
                    let since = note(host.now() - SLACK_MILLIS);
                    let notes = std::mem::take(&mut delivered);
                    let notes = notes.into_iter().map(|key| (key, Some(since.clone()))).collect();
                    host.put(notes).await;
                    continue;
                }
            }
        };
        let Some(next) = next else { return };
        for one in projects.shared.subscriptions.to(&next.machine, next.outcome.is_success()) {
            start(&projects, &host, &one, &next).await;
            delivered.insert(one.key);
        }
    }
}

async fn start(projects: &Projects, host: &Host, one: &Subscription, ended: &Ended) {
    let listener = &projects.shared.listener;
    let failed = |what: &str| {
        listener.complain(&format!("the end of {} started nothing: {what}", ended.arn));
    };
    let input = match input(host, ended).await {
        Ok(input) => input,
        Err(why) => return failed(&why),
    };
    let _starting = host.engine.starting().await;
    let Some(machine) = host.engine.catalogue().machine(&one.target) else {
        return failed("the state machine is gone");
    };
    let revision = match host.engine.revision(&machine.revision).await {
        Ok(revision) => revision,
        Err(error) => return failed(&error.to_string()),
    };
    let name = name_after(&ended.arn, &one.target);
    match host.engine.start(StartRequest::new(machine, revision, name, input)).await {
        Ok(_) => {
            let target = one.target.rsplit(':').next().unwrap_or_default();
            listener.announce(&format!("started {target} ({} has ended)", ended.arn));
        }
        // It was started before. Its input, or the end it reacts to, may have been deleted since.
        Err(StartError::Exists { .. }) => {}
        Err(error) => failed(&error.to_string()),
    }
}

/// The input of the execution that starts: the output of the one that succeeded, or the input of
/// the one that failed with the `error` that a Catch would add.
async fn input(host: &Host, ended: &Ended) -> Result<Json, String> {
    if let Outcome::Succeeded(output) = &ended.outcome {
        return Ok(output.clone());
    }
    let described = host.engine.describe(&ended.arn).await.map_err(|error| error.to_string())?;
    let described = described.ok_or("it is gone")?;
    if let Outcome::Failed(failure) = &ended.outcome {
        return Ok(input_with(described.input.clone(), failure));
    }
    match &described.status {
        ExecutionStatus::Succeeded { output } => Ok(output.clone()),
        _ => {
            let failure = described.result().err().unwrap_or_default();
            Ok(input_with(described.input.clone(), &failure))
        }
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

/// The name of the execution that starts when another one ends.
fn name_after(arn: &str, target: &str) -> String {
    let name: String = arn.rsplit(':').next().unwrap_or_default().chars().take(60).collect();
    format!("{name}-{}", &hex::encode(Sha256::digest(format!("{arn} {target}")))[..12])
}

/// A UUID that depends on the text only.
pub(crate) fn uuid_of(text: &str) -> Str {
    let hash = Sha256::digest(text);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Uuid::from_bytes(bytes).to_string().into()
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
