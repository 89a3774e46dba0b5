//! Executions that were recorded on AWS, run by the engine through the API, in virtual time.

use crate::Verdict;
use crate::case::{self, Case};
use crate::executions::{Recorded, beginning, fixtures, score, vintage};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stepwright_engine::{
    Call, Clock, Engine, Facts, ObservedTurn, Observer, Options, Report, Silent, Tasks,
};
use stepwright_history::aws::log_records;
use stepwright_history::{Event, Failure, Moment};
use stepwright_integrations::MemoryBuckets;
use stepwright_json::{Json, Object, Str};
use stepwright_program::Vintage;
use stepwright_server::{Api, Settings};
use stepwright_simulator::{self as simulator, MemoryObjects, Run};

/// Runs every recorded execution.
pub fn run_all(data: &Path) -> Result<Vec<Verdict>, String> {
    let cases = case::load(data, "conformance/asl/cases")?;
    Ok(cases.iter().filter(|case| case.text("kind") == "execution").map(run).collect())
}

/// Runs work with the API of an engine. Its time is virtual: it passes when everybody waits.
pub(crate) fn serve<T>(
    start: Moment,
    tasks: Arc<dyn Tasks>,
    objects: MemoryObjects,
    log: Option<Arc<Log>>,
    work: impl AsyncFnOnce(Api) -> T,
) -> T {
    serve_as(Vintage::TODAY, start, tasks, objects, log, work)
}

fn serve_as<T>(
    vintage: Vintage,
    start: Moment,
    tasks: Arc<dyn Tasks>,
    objects: MemoryObjects,
    log: Option<Arc<Log>>,
    work: impl AsyncFnOnce(Api) -> T,
) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let observer: Arc<dyn Observer> = match log {
            Some(log) => log,
            None => Arc::new(Silent),
        };
        let options = Options {
            clock: Arc::new(Virtual { start, since: tokio::time::Instant::now() }),
            objects: Arc::new(MemoryBuckets::new(objects)),
            observer,
            vintage,
            ..options(tasks)
        };
        let engine = Engine::open(options).await.expect("an empty store can be read");
        work(Api::new(engine, Settings::default())).await
    })
}

/// An engine with an empty store, in the account of the recordings.
pub(crate) fn options(tasks: Arc<dyn Tasks>) -> Options {
    Options { account: "111111111111".to_owned(), ..Options::new(crate::stores::empty(), tasks) }
}

/// The runtime's clock.
struct Virtual {
    start: Moment,
    since: tokio::time::Instant,
}

impl Clock for Virtual {
    fn now(&self) -> Moment {
        self.start.after_millis(self.since.elapsed().as_millis() as i64)
    }
}

/// Answers tasks as they were answered when a case was recorded.
pub(crate) struct Answering {
    answers: Mutex<Answers>,
    /// Whether the engine's own activities are kept out of it. The scripts of API cases have workers of
    /// their own.
    answers_activities: bool,
}

struct Answers {
    recorded: Recorded,
    entries: BTreeMap<(String, String, Str), u32>,
}

impl Answering {
    pub(crate) fn new(case: &Case) -> Self {
        let answers = Answers { recorded: Recorded::new(case), entries: BTreeMap::new() };
        Self { answers: Mutex::new(answers), answers_activities: true }
    }

    pub(crate) fn with_workers(case: &Case) -> Self {
        Self { answers_activities: false, ..Self::new(case) }
    }
}

impl Tasks for Answering {
    fn run(&self, call: Call, report: Report) {
        let answer = {
            let mut answers = self.answers.lock();
            let arn = call.facts.about.arn.clone();
            let key = (arn, format!("{:?}", call.map_path), call.call.state.clone());
            let entries = answers.entries.entry(key).or_insert(0);
            if call.call.retry_count == 0 {
                *entries += 1;
            }
            let entry = entries.saturating_sub(1);
            simulator::Tasks::answer(
                &mut answers.recorded,
                &simulator::Call {
                    call: &call.call,
                    map_path: &call.map_path,
                    entry,
                    attempt: call.call.retry_count,
                    in_child: call.facts.about.map_run.is_some(),
                    execution: &call.facts.about.arn,
                    task: call.task,
                    at: report.engine().now(),
                },
            )
        };
        report.play(answer.stimuli(call.task));
    }

    fn answers_activity(&self, _: &Call) -> bool {
        self.answers_activities
    }
}

/// Keeps the last event of an execution, as AWS's log shows it.
#[derive(Default)]
pub(crate) struct Log(Mutex<Option<Json>>);

impl Observer for Log {
    fn turn(&self, facts: &Facts, turn: &ObservedTurn<'_>) {
        let arn = &facts.about.arn;
        let records = log_records(arn, turn.events, turn.calls, turn.redrive_count, true);
        if let Some(last) = records.into_iter().next_back() {
            *self.0.lock() = Some(last);
        }
    }
}

impl Log {
    /// The end of the execution, if it has come.
    pub(crate) fn end(&self) -> Option<Json> {
        let last = self.0.lock().clone()?;
        let is_end = last
            .get("type")
            .and_then(Json::as_str)
            .is_some_and(|kind| kind.starts_with("Execution") && kind != "ExecutionStarted");
        is_end.then_some(last)
    }
}

fn run(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("served", case.file.clone());
    let (start, input) = beginning(case);
    let tasks = Arc::new(Answering::new(case));
    let ran = serve_as(vintage(case), start, tasks, fixtures(case), None, async |api| {
        execute(&api, case, start, &input).await
    });
    match ran {
        Ok(run) => score(&mut verdict, case, &run),
        Err(why) => verdict.measure("status", Err(why)),
    }
    verdict
}

pub(crate) async fn execute(
    api: &Api,
    case: &Case,
    start: Moment,
    input: &Json,
) -> Result<Run, String> {
    let call = async |operation: &str, params: Object| {
        let called = api.call(operation, params.into()).await;
        called.map_err(|error| format!("{operation}: {error}"))
    };
    let identity = crate::executions::identity(case);
    let mut params = Object::new();
    params.insert("name", identity.state_machine_name.clone().into());
    params.insert("roleArn", identity.role_arn.clone().into());
    let definition = match case.get("definition") {
        Json::String(text) => text.to_string(),
        other => other.to_string(),
    };
    params.insert("definition", definition.into());
    call("CreateStateMachine", params).await?;
    let mut params = Object::new();
    params.insert("stateMachineArn", identity.state_machine_arn.as_str().into());
    params.insert("name", identity.name.clone().into());
    params.insert("input", input.to_string().into());
    let started = call("StartExecution", params).await?;
    let arn = started.get("executionArn").and_then(Json::as_str).unwrap_or_default().to_owned();
    for action in case.list("actions") {
        let text = |key: &str| action.get(key).and_then(Json::as_str).map(Str::from);
        if action.to_string().contains("stop_execution") {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let failure = Failure { error: text("error"), cause: text("cause") };
            api.engine().stop(&arn, failure).await.map_err(|error| error.to_string())?;
        }
    }
    let expected = case.get("expected");
    if expected.get("status").and_then(Json::as_str) == Some("RUNNING") {
        tokio::time::sleep(Duration::from_secs(1)).await;
    } else {
        let year = Duration::from_hours(8880);
        let ended = tokio::time::timeout(year, api.engine().ended(&arn)).await;
        if ended.is_err() {
            return Err("it did not end within a year".to_owned());
        }
    }
    let snapshot = api.engine().describe(&arn).await.map_err(|error| error.to_string())?;
    let snapshot = snapshot.ok_or("it is gone")?;
    let mut events = Vec::new();
    let take = |event: &Event| events.push(event.clone());
    api.engine().history(&arn, take).await.map_err(|error| error.to_string())?;
    let findings = api.engine().doctor().await.map_err(|error| error.to_string())?;
    if let Some(finding) = findings.first() {
        return Err(format!("the doctor has found: {finding:?}"));
    }
    Ok(Run {
        status: snapshot.status.clone(),
        events,
        start,
        end: snapshot.stopped_at.map_or(start, Moment),
        objects: MemoryObjects::default(),
        children: 0,
    })
}
