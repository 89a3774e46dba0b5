//! `@schedule`: starts executions repeatedly.
//!
//! Starts that were due while no server was running are not made up for. A rate counts from the
//! moment when the schedule was first seen, which is recorded in the server's store. Of several nodes on
//! one store, each may see it first, so with them a rate counts from 1970.

use crate::project::LocalProject;
use crate::subscriptions::uuid_of;
use crate::{Projects, listener::Listener};
use jiff::Timestamp;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use stepwright_engine::{Engine, ScheduleError, Started};
use stepwright_fluxio::Schedule;
use stepwright_history::Moment;
use stepwright_json::{Json, json};

/// The prefix of the keys of documents about schedules.
const KEY: &str = "fluxio/schedule/";

/// The names of each project's schedules that are active in the engine.
#[derive(Default)]
pub(crate) struct Schedules(Mutex<BTreeMap<String, Vec<String>>>);

/// Activates the schedules of a project, in place of those it had before.
pub(crate) async fn follow(projects: &Projects, name: &str, project: &LocalProject) {
    let host = projects.host().await;
    let prefix = format!("{KEY}{name}/");
    let known: BTreeMap<String, Json> = host.documents(&prefix).await.into_iter().collect();
    let mut kept = BTreeMap::new();
    let mut followed = Vec::new();
    let former = projects.shared.schedules.0.lock().remove(name);
    for former in former.into_iter().flatten() {
        host.engine.unfollow(&former);
    }
    for (machine, compiled) in &project.project.machines {
        let Some(options) = &compiled.decorators.schedule else { continue };
        let text = options.get("expression").and_then(Json::as_str).unwrap_or_default();
        // The compiler has already accepted it.
        let Ok(schedule) = Schedule::parse(text) else { continue };
        let key = format!("{prefix}{machine}");
        let before = known
            .get(&key)
            .filter(|before| before.get("expression").and_then(Json::as_str) == Some(text));
        let since = before.and_then(|before| before.get("since")).and_then(Json::as_i64);
        let since = since.unwrap_or_else(|| host.now());
        kept.insert(key.clone(), json!({"expression": (text), "since": (Json::Int(since))}));
        let scheduled = Scheduled {
            name: project.full_name(machine),
            machine: project.machine_arn(machine),
            input: options.get("input_data").filter(|input| **input != Json::Null).cloned(),
            schedule,
            counts_from: if host.engine.has_nodes() { 0 } else { since },
            engine: host.engine.clone(),
            listener: projects.shared.listener.clone(),
        };
        let full_name = scheduled.name.clone();
        let next = host.engine.follow(&key, Arc::new(scheduled), Moment(since));
        let next =
            next.map_or("which is never again".to_owned(), |at| format!("next at {}", shown(at.0)));
        projects.shared.listener.announce(&format!("schedule {full_name}: {text}, {next}"));
        followed.push(key);
    }
    projects.shared.schedules.0.lock().insert(name.to_owned(), followed);
    let gone = known.keys().filter(|key| !kept.contains_key(*key)).map(|key| (key.clone(), None));
    let changed = kept.iter().filter(|(key, value)| known.get(*key) != Some(*value));
    let changes: Vec<_> = changed
        .map(|(key, value)| (key.clone(), Some(value.clone())))
        .chain(gone.collect::<Vec<_>>())
        .collect();
    if !changes.is_empty() {
        host.put(changes).await;
    }
}

/// A moment as `2026-11-22T03:00:00Z`.
fn shown(at: i64) -> String {
    let seconds = Timestamp::from_second(at.div_euclid(1_000));
    seconds.map_or_else(|_| at.to_string(), |time| time.to_string())
}

/// A schedule of a project's machine.
struct Scheduled {
    /// The name of the machine.
    name: String,
    /// The ARN of the machine.
    machine: String,
    /// The input; `None` for the event that `EventBridge` sends.
    input: Option<Json>,
    schedule: Schedule,
    /// From when a rate counts, in milliseconds since 1970.
    counts_from: i64,
    engine: Engine,
    listener: Arc<dyn Listener>,
}

impl stepwright_engine::Schedule for Scheduled {
    fn after(&self, moment: Moment) -> Option<Moment> {
        self.schedule.after(moment.0, self.counts_from).map(Moment)
    }

    fn machine(&self) -> &str {
        &self.machine
    }

    fn name(&self, due: Moment) -> String {
        format!("scheduled-{}", shown(due.0).replace(':', "-"))
    }

    fn input(&self, due: Moment) -> Json {
        self.input.clone().unwrap_or_else(|| self.event(&shown(due.0)))
    }

    fn fired(&self, due: Moment, result: &Result<Started, ScheduleError>) {
        match result {
            Ok(_) => self.listener.announce(&format!("started {} ({})", self.name, shown(due.0))),
            Err(error) => self
                .listener
                .complain(&format!("the schedule of {} started nothing: {error}", self.name)),
        }
    }
}

impl Scheduled {
    /// The event that `EventBridge` sends for a scheduled rule.
    fn event(&self, time: &str) -> Json {
        let options = self.engine.options();
        let (region, account) = (options.region.as_str(), options.account.as_str());
        let rule = format!("arn:aws:events:{region}:{account}:rule/{}", self.name);
        json!({
            "version": "0",
            "id": (uuid_of(&format!("{}/{time}", self.machine))),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": (account),
            "time": (time),
            "region": (region),
            "resources": [(rule)],
            "detail": {}
        })
    }
}
