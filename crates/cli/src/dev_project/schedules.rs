//! `@schedule`: executions that start again and again.
//!
//! A schedule that was due while no server ran is not made up for. A rate counts from the moment when
//! the schedule was first seen, which the server's store knows.

use super::{Projects, Server};
use crate::local_project::LocalProject;
use crate::report::{self, Failure};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use stepwright_fluxio::Schedule;
use stepwright_json::{Json, json};
use tokio::task::JoinHandle;

/// What the keys of documents about schedules begin with.
const KEY: &str = "fluxio/schedule/";

/// The longest sleep. The clock of a computer that slept itself is looked at again.
const LONGEST_SLEEP: Duration = Duration::from_secs(20);

/// What follows the schedules of each project.
#[derive(Default)]
pub(super) struct Schedules(Mutex<BTreeMap<String, Vec<JoinHandle<()>>>>);

/// Follows the schedules of a project as it is now, and no longer those it had.
pub(super) async fn follow(projects: &Projects, name: &str, project: &LocalProject) {
    let server = projects.server().await;
    let prefix = format!("{KEY}{name}/");
    let known: BTreeMap<String, Json> = server.documents(&prefix).await.into_iter().collect();
    let mut kept = BTreeMap::new();
    let mut followers = Vec::new();
    for (machine, compiled) in &project.project.machines {
        let Some(options) = &compiled.decorators.schedule else { continue };
        let text = options.get("expression").and_then(Json::as_str).unwrap_or_default();
        // The compiler has read it before.
        let Ok(schedule) = Schedule::parse(text) else { continue };
        let key = format!("{prefix}{machine}");
        let before = known
            .get(&key)
            .filter(|before| before.get("expression").and_then(Json::as_str) == Some(text));
        let since = before.and_then(|before| before.get("since")).and_then(Json::as_i64);
        let since = since.unwrap_or_else(|| server.now());
        kept.insert(key, json!({"expression": (text), "since": (Json::Int(since))}));
        let full_name = format!("{name}-{machine}");
        let next = schedule.after(server.now(), since);
        let next =
            next.map_or("which is never again".to_owned(), |at| format!("next at {}", shown(at)));
        report::announce(&format!("schedule {full_name}: {text}, {next}"));
        let job = Job {
            name: full_name,
            arn: project.machine_arn(machine),
            input: options.get("input_data").filter(|input| **input != Json::Null).cloned(),
            server: server.clone(),
        };
        followers.push(tokio::spawn(async move {
            let clock = job.server.clone();
            keep_time(&schedule, since, || clock.now(), |at| job.start(at)).await;
        }));
    }
    let gone = known.keys().filter(|key| !kept.contains_key(*key)).map(|key| (key.clone(), None));
    let changed = kept.iter().filter(|(key, value)| known.get(*key) != Some(*value));
    let changes: Vec<_> = changed
        .map(|(key, value)| (key.clone(), Some(value.clone())))
        .chain(gone.collect::<Vec<_>>())
        .collect();
    if !changes.is_empty() {
        server.put(changes).await;
    }
    let mut all = projects.shared.schedules.0.lock().unwrap_or_else(PoisonError::into_inner);
    for former in all.insert(name.to_owned(), followers).into_iter().flatten() {
        former.abort();
    }
}

/// Calls `fire` each time that the schedule is due, with the time it was due at, in milliseconds since
/// 1970. What was due several times while the computer slept is due once.
async fn keep_time<F: Future<Output = ()>>(
    schedule: &Schedule,
    since: i64,
    now: impl Fn() -> i64,
    fire: impl Fn(i64) -> F,
) {
    let mut last = now();
    while let Some(next) = schedule.after(last, since) {
        loop {
            let left = next - now();
            if left <= 0 {
                break;
            }
            tokio::time::sleep(LONGEST_SLEEP.min(Duration::from_millis(left as u64))).await;
        }
        fire(next).await;
        last = now().max(next);
    }
}

/// A moment as `2026-11-22T03:00:00Z`.
fn shown(at: i64) -> String {
    let seconds = Timestamp::from_second(at.div_euclid(1_000));
    seconds.map_or_else(|_| at.to_string(), |time| time.to_string())
}

/// What a schedule starts.
struct Job {
    name: String,
    arn: String,
    /// The input; None for the event that `EventBridge` sends.
    input: Option<Json>,
    server: Server,
}

impl Job {
    async fn start(&self, at: i64) {
        let time = shown(at);
        // Whatever fires twice for one time starts one execution.
        let name = format!("scheduled-{}", time.replace(':', "-"));
        let input = self.input.clone().unwrap_or_else(|| self.event(&time));
        let body = json!({
            "stateMachineArn": (self.arn.as_str()),
            "name": (name),
            "input": (input.to_string())
        });
        match self.server.api.call("StartExecution", body).await {
            Ok(_) => report::announce(&format!("started {} ({time})", self.name)),
            Err(error) => report::failure(&Failure::new(format!(
                "the schedule of {} started nothing: {}",
                self.name, error.message
            ))),
        }
    }

    /// The event of a scheduled rule.
    fn event(&self, time: &str) -> Json {
        let options = self.server.api.engine().options();
        let (region, account) = (options.region.as_str(), options.account.as_str());
        let rule = format!("arn:aws:events:{region}:{account}:rule/{}", self.name);
        json!({
            "version": "0",
            "id": (super::subscriptions::uuid_of(&format!("{}/{time}", self.arn))),
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use tokio::time::Instant;

    /// Runs a schedule for some (virtual) seconds from a moment on; the moments when it fired.
    fn fired(expression: &str, from: i64, seconds: u64) -> Vec<(i64, i64)> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let schedule = Schedule::parse(expression).unwrap();
            let begun = Instant::now();
            let now = || from + begun.elapsed().as_millis() as i64;
            let fired = RefCell::new(Vec::new());
            let fire = |at| {
                fired.borrow_mut().push((at, now()));
                std::future::ready(())
            };
            let keeping = keep_time(&schedule, from, now, fire);
            tokio::time::timeout(Duration::from_secs(seconds), keeping).await.ok();
            fired.into_inner()
        })
    }

    #[test]
    fn schedules_fire_when_they_are_due() {
        let minute = 60_000;
        assert_eq!(
            fired("rate(2 minutes)", 1_000, 300),
            [(1_000 + 2 * minute, 1_000 + 2 * minute), (1_000 + 4 * minute, 1_000 + 4 * minute)]
        );
        // 1970 began at midnight: a quarter past each hour, for three hours.
        let expected: Vec<i64> = [15, 75, 135].into_iter().map(|at| at * minute).collect();
        let times = fired("cron(15 * * * ? *)", 0, 3 * 3_600 - 1);
        assert_eq!(times.iter().map(|(due, _)| *due).collect::<Vec<_>>(), expected);
        assert!(times.iter().all(|(due, at)| (*due..due + 1_000).contains(at)), "{times:?}");
    }

    #[test]
    fn a_schedule_that_is_over_fires_no_more() {
        assert_eq!(fired("cron(1 0 1 1 ? 1970)", 0, 86_400), [(60_000, 60_000)]);
    }
}
