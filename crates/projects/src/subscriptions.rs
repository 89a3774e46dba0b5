//! `@subscribe`: starts executions when others have ended.
//!
//! The store records up to which moment the ends of a machine's executions have been delivered.
//! Later ends are delivered after the next start of the server. The name of the execution that
//! starts is derived from the one that ended, so an end that is delivered twice starts one
//! execution.
//!
//! Of several nodes on one store, each delivers the ends of the executions that it drives, and whoever
//! takes over from another one delivers again what has ended there lately.

use crate::project::LocalProject;
use crate::{Host, Projects};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use stepwright_engine::{Facts, Place, StartError, StartRequest};
use stepwright_history::{Event, EventKind, Failure};
use stepwright_interpreter::Status as ExecutionStatus;
use stepwright_json::{Json, Object, Str, json};
use stepwright_store::{About, ExecutionId, ExecutionRow, Shards, Sorted, Status};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The prefix of the keys of documents about subscriptions.
const KEY: &str = "fluxio/subscription/";

/// The longest time between the moment of a turn and its delivery to observers.
const SLACK_MILLIS: i64 = 10_000;

/// The longest time between an end and its delivery at another node.
const SLACK_OF_NODES_MILLIS: i64 = 10 * 60_000;

/// How often the progress of deliveries is recorded.
const NOTE_EVERY: Duration = Duration::from_secs(30);

/// How long a delivery waits until the store answers again, between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// The number of rows that are read at once.
const PAGE: usize = 500;

/// Which executions start when others end.
#[derive(Default)]
pub(crate) struct Subscriptions {
    routes: Mutex<Routes>,
    /// How many times earlier ends are being looked up, and stand between later ones.
    catching_up: AtomicUsize,
}

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

/// What is sent to whoever delivers.
#[derive(Debug)]
pub(crate) enum Delivery {
    Ended(Ended),
    /// All that a look at earlier ends has found was sent before.
    CaughtUp,
}

/// The end of an execution, to be delivered to its subscriptions.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    arn: String,
    machine: String,
    /// When it ended, in milliseconds since 1970.
    at: i64,
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
        is_wanted.then_some(Ended { arn, machine, at: event.at.0, outcome })
    }

    /// The subscriptions of a machine's ends of one kind.
    fn to(&self, machine: &str, is_success: bool) -> Vec<Subscription> {
        let routes = self.routes.lock();
        let all = routes.by_project.values().flatten();
        all.filter(|one| one.source == machine && one.wants_success == is_success)
            .cloned()
            .collect()
    }

    /// The keys of all subscriptions.
    fn keys(&self) -> Vec<String> {
        let routes = self.routes.lock();
        routes.by_project.values().flatten().map(|one| one.key.clone()).collect()
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
        let routes = &projects.shared.subscriptions.routes;
        let mut routes = routes.lock();
        routes.by_project.insert(name.to_owned(), subscriptions.clone());
        subscriptions.into_iter().filter(|one| routes.seen.insert(one.key.clone())).collect()
    };
    let since = unseen.iter().filter_map(|one| since(known.get(&one.key)?)).min();
    if let Some(since) = since {
        catch_up(projects, &host, since, |id| host.engine.holds(id)).await;
    }
}

fn since(note: &Json) -> Option<i64> {
    note.get("since")?.as_i64()
}

/// Delivers what has ended lately in shards that another node had, as far as it may not have done so.
pub(crate) async fn taken_over(projects: &Projects, shards: &Shards) {
    let host = projects.host().await;
    let known: BTreeMap<String, Json> = host.documents(KEY).await.into_iter().collect();
    let keys = projects.shared.subscriptions.keys();
    if let Some(since) = keys.iter().filter_map(|key| since(known.get(key)?)).min() {
        catch_up(projects, &host, since, |id| shards.has(id.shard())).await;
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

/// Delivers the ends since a given moment, of some executions.
async fn catch_up(
    projects: &Projects,
    host: &Host,
    since: i64,
    is_wanted: impl Fn(ExecutionId) -> bool,
) {
    projects.shared.subscriptions.catching_up.fetch_add(1, Ordering::SeqCst);
    send_earlier(projects, host, since, is_wanted).await;
    // The receiving task lives as long as this does.
    projects.shared.ended.send(Delivery::CaughtUp).ok();
}

async fn send_earlier(
    projects: &Projects,
    host: &Host,
    since: i64,
    is_wanted: impl Fn(ExecutionId) -> bool,
) {
    let mut after = None;
    loop {
        let rows = match host.engine.sorted(Sorted::Ended { after }, PAGE).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::error!(%error, "what has ended cannot be read");
                return;
            }
        };
        let Some(last) = rows.last() else { return };
        let at = |row: &ExecutionRow| row.stopped_at.unwrap_or_default();
        let is_last_page = rows.len() < PAGE || at(last) < since;
        after = Some((at(last), last.id));
        for row in rows {
            let well = match row.status {
                Status::Succeeded => true,
                Status::Failed | Status::TimedOut => false,
                _ => continue,
            };
            if at(&row) >= since && row.about.map_run.is_none() && is_wanted(row.id) {
                let at = at(&row);
                let About { arn, machine, .. } = row.about;
                let outcome = Outcome::Before { well };
                let ended = Ended { arn, machine, at, outcome };
                projects.shared.ended.send(Delivery::Ended(ended)).ok();
            }
        }
        if is_last_page {
            return;
        }
    }
}

/// Starts the executions that are subscribed to the ends that come in.
pub(crate) async fn deliver(projects: Projects, mut ended: mpsc::UnboundedReceiver<Delivery>) {
    let host = projects.host().await;
    let mut last_at = 0;
    let mut next_note = Instant::now() + NOTE_EVERY;
    loop {
        if Instant::now() >= next_note {
            next_note = Instant::now() + NOTE_EVERY;
            // Everything but the latest ends has been delivered, unless earlier ones stand in between.
            let now = host.now();
            let until = if ended.is_empty() { now } else { last_at.min(now) };
            if projects.shared.subscriptions.catching_up.load(Ordering::SeqCst) == 0 {
                note_progress(&projects, &host, until).await;
            }
        }
        match tokio::time::timeout_at(next_note, ended.recv()).await {
            Ok(None) => return,
            Err(_) => {}
            Ok(Some(Delivery::CaughtUp)) => {
                projects.shared.subscriptions.catching_up.fetch_sub(1, Ordering::SeqCst);
            }
            Ok(Some(Delivery::Ended(next))) => {
                let subscribed =
                    projects.shared.subscriptions.to(&next.machine, next.outcome.is_success());
                for one in subscribed {
                    start(&projects, &host, &one, &next).await;
                }
                last_at = next.at;
            }
        }
    }
}

/// Records that the ends before a moment have been delivered. One node does so for each subscription.
async fn note_progress(projects: &Projects, host: &Host, until: i64) {
    let slack = if host.engine.has_nodes() { SLACK_OF_NODES_MILLIS } else { SLACK_MILLIS };
    let is_here = |key: &String| host.engine.place_of(Shards::of_name(key)) == Place::Here;
    let keys: Vec<String> =
        projects.shared.subscriptions.keys().into_iter().filter(is_here).collect();
    if keys.is_empty() {
        return;
    }
    let known: BTreeMap<String, Json> = host.documents(KEY).await.into_iter().collect();
    let is_later = |key: &String| since(known.get(key)?).map(|since| since < until - slack);
    let later = keys.into_iter().filter(|key| is_later(key) == Some(true));
    let changes: Vec<_> = later.map(|key| (key, Some(note(until - slack)))).collect();
    if !changes.is_empty() {
        host.put(changes).await;
    }
}

/// Why an end started nothing.
enum Unstarted {
    /// Another attempt may do better.
    Store(String),
    Never(String),
}

/// Starts an execution, as soon as the store answers.
async fn start(projects: &Projects, host: &Host, one: &Subscription, ended: &Ended) {
    let listener = &projects.shared.listener;
    loop {
        let why = match try_start(projects, host, one, ended).await {
            Ok(()) => return,
            Err(Unstarted::Never(why)) => why,
            // If the store answers otherwise, it is this execution that is at fault.
            Err(Unstarted::Store(why)) => {
                let is_broken = host.engine.options().store.documents(&one.key).await.is_err();
                if is_broken && !host.engine.is_closing() && !projects.is_over() {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                why
            }
        };
        return listener.complain(&format!("the end of {} started nothing: {why}", ended.arn));
    }
}

async fn try_start(
    projects: &Projects,
    host: &Host,
    one: &Subscription,
    ended: &Ended,
) -> Result<(), Unstarted> {
    let input = input(host, ended).await?;
    let _starting = host.engine.starting().await;
    let machine = host.engine.catalogue().machine(&one.target);
    let machine =
        machine.ok_or_else(|| Unstarted::Never("the state machine is gone".to_owned()))?;
    let revision = host.engine.revision(&machine.revision).await;
    let revision = revision.map_err(|error| Unstarted::Store(error.to_string()))?;
    let name = name_after(&ended.arn, &one.target);
    match host.engine.start(StartRequest::new(machine, revision, name, input)).await {
        Ok(_) => {
            let target = one.target.rsplit(':').next().unwrap_or_default();
            let line = format!("started {target} ({} has ended)", ended.arn);
            projects.shared.listener.announce(&line);
            Ok(())
        }
        // It was started before. Its input, or the end it reacts to, may have been deleted since.
        Err(StartError::Exists { .. }) => Ok(()),
        Err(error @ StartError::Store(_)) => Err(Unstarted::Store(error.to_string())),
        Err(error) => Err(Unstarted::Never(error.to_string())),
    }
}

/// The input of the execution that starts: the output of the one that succeeded, or the input of
/// the one that failed with the `error` that a Catch would add.
async fn input(host: &Host, ended: &Ended) -> Result<Json, Unstarted> {
    if let Outcome::Succeeded(output) = &ended.outcome {
        return Ok(output.clone());
    }
    let described = host.engine.describe(&ended.arn).await;
    let described = described.map_err(|error| Unstarted::Store(error.to_string()))?;
    let described = described.ok_or_else(|| Unstarted::Never("it is gone".to_owned()))?;
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
