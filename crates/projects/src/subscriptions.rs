//! `@subscribe`: executions that start when others have ended.
//!
//! The store knows up to which moment the ends of a machine's executions have been delivered. What ended
//! after it is delivered by the next server; the execution that it starts has a name made from the one
//! that ended, so that whatever is delivered twice starts one execution.

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
pub(crate) struct Subscriptions(Mutex<Routes>);

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
pub(crate) struct Ended {
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

    /// The subscriptions to a kind of end.
    fn to(&self, machine: &str, is_success: bool) -> Vec<Subscription> {
        let routes = self.0.lock();
        let all = routes.by_project.values().flatten();
        all.filter(|one| one.source == machine && one.wants_success == is_success)
            .cloned()
            .collect()
    }
}

/// Follows the subscriptions of a project as it is now, and no longer those it had.
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

/// Delivers what has ended since a moment.
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
                    // Those who deliver live as long as this does.
                    projects.shared.ended.send(ended).ok();
                }
            }
        }
    }
}

/// Starts what is subscribed to the ends that come in.
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
                    // Nothing is left to be delivered but what has ended just now.
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
        // It was started before, and its input or its end may have been forgotten.
        Err(StartError::Exists { .. }) => {}
        Err(error) => failed(&error.to_string()),
    }
}

/// The input of what starts: the output of what has ended; where that failed, its input with the
/// `error` that a Catch would find.
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

/// The name of the execution that the end of another starts.
fn name_after(arn: &str, target: &str) -> String {
    let name: String = arn.rsplit(':').next().unwrap_or_default().chars().take(60).collect();
    format!("{name}-{}", &hex::encode(Sha256::digest(format!("{arn} {target}")))[..12])
}

/// A UUID that the same text always has.
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
