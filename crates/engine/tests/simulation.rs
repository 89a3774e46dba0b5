//! Runs the engine and its store while everything goes wrong that can: appends that fail, appends
//! that are kept but reported as failed, slow appends, tasks that answer late, twice or never, and
//! restarts at any moment. Whatever the seed, every start that was acknowledged reaches its right
//! end, and nothing happens twice.
//!
//! `STEPWRIGHT_SEEDS=FROM..TO` runs other seeds. A failure prints its seed.

#[path = "simulation/nodes.rs"]
mod nodes;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwright_engine::{
    Call, Clock, Engine, Facts, HistoryRequest, Machine, ObjectStore, ObservedTurn, Observer,
    Options, Report, Revision, Schedule, ScheduleError, StartError, StartRequest, Started, Tasks,
    Upload, Whole,
};
use stepwright_history::{Event, EventKind, Failure, Moment, Stage, aws};
use stepwright_interpreter::Status;
use stepwright_interpreter::items::{Listing, ObjectInfo, ObjectRequest, Opened};
use stepwright_json::{Json, json};
use stepwright_program::{Limits, Vintage};
use stepwright_store::{
    Append, AppendError, Chunk, DocumentChanges, Documents, ExecutionId, ExecutionRow, Filter,
    HistoryPart, MapRunRow, Membership, Memory, Page, Pending, Recorded, Shards, Sorted,
    Status as StoredStatus, Store, StoreError,
};

const DEFINITION: &str = r#"{
  "StartAt": "First",
  "States": {
    "First": {
      "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:echo",
      "TimeoutSeconds": 2, "ResultPath": "$.first", "Next": "Both",
      "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1000, "BackoffRate": 1.0}]
    },
    "Both": {
      "Type": "Parallel", "ResultPath": "$.both", "Next": "Each",
      "Branches": [
        {"StartAt": "Rest", "States": {"Rest": {"Type": "Wait", "Seconds": 1, "Next": "Rested"},
                                       "Rested": {"Type": "Pass", "Result": "rested", "End": true}}},
        {"StartAt": "Second", "States": {"Second": {
          "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:echo",
          "Parameters": {"n.$": "$.n"}, "End": true,
          "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1000, "BackoffRate": 1.0}]}}}
      ]
    },
    "Each": {
      "Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 2, "ResultPath": "$.each", "Next": "Done",
      "ItemProcessor": {"StartAt": "Item", "States": {"Item": {
        "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:echo",
        "TimeoutSeconds": 2, "End": true,
        "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1000, "BackoffRate": 1.0}]}}}
    },
    "Done": {"Type": "Succeed"}
  }
}"#;

/// The definition whose children are executions of their own. The items come in pages; the results
/// are written.
const MAP: &str = r#"{
  "StartAt": "Rows",
  "States": {"Rows": {
    "Type": "Map", "MaxConcurrency": 3, "End": true,
    "ItemReader": {
      "Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSONL"},
      "Parameters": {"Bucket": "in", "Key": "rows"}
    },
    "ItemProcessor": {
      "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
      "StartAt": "Row", "States": {"Row": {
        "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:echo",
        "TimeoutSeconds": 2, "End": true,
        "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1000, "BackoffRate": 1.0}]}}
    },
    "ResultWriter": {
      "Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "out", "Prefix": "p"}
    }
  }}
}"#;

/// How many rows the Map goes over.
const ROWS: i64 = 17;

/// The definition that the schedule starts.
const TICK: &str = r#"{"StartAt": "Tick", "States": {"Tick": {"Type": "Pass", "End": true}}}"#;

/// The interval of the schedule, in milliseconds.
const EVERY: i64 = 700;

/// Pages of items are small.
fn limits() -> Limits {
    Limits { page_items: 3, ..Limits::default() }
}

/// Buckets that survive restarts.
#[derive(Clone, Default)]
struct Buckets(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl ObjectStore for Buckets {
    fn open(&self, object: ObjectRequest<'_>) -> Result<Opened, String> {
        let rows: Vec<String> = (0..ROWS).map(|row| format!("{{\"row\": {row}}}\n")).collect();
        let rows = rows.concat();
        assert!(object.etag.is_none_or(|etag| etag == "rows"));
        Ok(Opened::of(rows.as_bytes(), "rows".to_owned(), object.from))
    }

    fn list(&self, _listing: Listing<'_>) -> Result<Vec<ObjectInfo>, String> {
        Err("nothing is listed".to_owned())
    }

    fn begin(&self, _bucket: &str, key: &str) -> Result<Box<dyn Upload>, String> {
        let (buckets, key) = (self.clone(), key.to_owned());
        Ok(Whole::begin(move |bytes| {
            buckets.0.lock().expect("nobody panics").insert(key, bytes);
            Ok(())
        }))
    }
}

/// Random numbers that depend on a seed only.
#[derive(Debug)]
struct Chance(AtomicU64);

impl Chance {
    fn below(&self, limit: u64) -> u64 {
        let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }

    fn one_in(&self, odds: u64) -> bool {
        self.below(odds) == 0
    }
}

/// A store whose appends go wrong while it is told to be faulty.
struct FaultyStore {
    inner: Memory,
    chance: Arc<Chance>,
    is_faulty: Arc<AtomicBool>,
    /// The way to it, if several nodes share it.
    link: Option<Arc<nodes::Link>>,
}

impl Store for FaultyStore {
    fn new_id(&self) -> ExecutionId {
        self.link.as_ref().map_or_else(|| self.inner.new_id(), |link| link.new_id())
    }

    fn append(&self, append: Append) -> Pending<Result<(), AppendError>> {
        let is_faulty = self.is_faulty.load(Ordering::Relaxed);
        if let Some(link) = self.link.clone() {
            let wait = if self.chance.one_in(4) { self.chance.below(30) } else { 0 };
            // Such a store finds out by itself what became of a write.
            let is_refused = is_faulty && self.chance.one_in(12);
            let memory = self.inner.clone();
            return Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(wait)).await;
                link.reach().await;
                if !link.may_write() {
                    return Err(AppendError::Lost);
                }
                if is_refused {
                    return Err(AppendError::NotWritten(StoreError::new("it was refused")));
                }
                memory.append(append).await
            });
        }
        if is_faulty && self.chance.one_in(12) {
            let broken = match self.chance.below(2) {
                0 => AppendError::NotWritten(StoreError::new("the disk is full")),
                _ => AppendError::Unknown(StoreError::new("the disk is gone")),
            };
            return Box::pin(std::future::ready(Err(broken)));
        }
        let is_reported_failed = is_faulty && self.chance.one_in(12);
        let wait = if self.chance.one_in(4) { self.chance.below(30) } else { 0 };
        let appended = self.inner.append(append);
        Box::pin(async move {
            if wait > 0 {
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
            let appended = appended.await;
            if is_reported_failed && appended.is_ok() {
                Err(AppendError::Unknown(StoreError::new("the connection was lost")))
            } else {
                appended
            }
        })
    }

    fn put(&self, documents: DocumentChanges) -> Pending<Result<(), StoreError>> {
        let Some(link) = self.link.clone() else { return self.inner.put(documents) };
        let memory = self.inner.clone();
        Box::pin(async move {
            link.reach().await;
            if !link.may_write() {
                return Err(StoreError::new("the node was taken for dead"));
            }
            link.note(&documents);
            memory.put(documents).await
        })
    }

    fn membership(&self) -> Option<Arc<dyn Membership>> {
        let link = self.link.clone()?;
        Some(Arc::new(nodes::Place(link)))
    }

    fn documents(&self, prefix: &str) -> Pending<Result<Documents, StoreError>> {
        self.inner.documents(prefix)
    }

    fn execution(&self, id: ExecutionId) -> Pending<Result<Option<ExecutionRow>, StoreError>> {
        if self.is_faulty.load(Ordering::Relaxed) && self.chance.one_in(40) {
            return Box::pin(std::future::ready(Err(StoreError::new("a read failed"))));
        }
        let Some(link) = self.link.clone() else { return self.inner.execution(id) };
        let memory = self.inner.clone();
        Box::pin(async move {
            link.reach().await;
            memory.execution(id).await
        })
    }

    fn execution_by_arn(&self, arn: &str) -> Pending<Result<Option<ExecutionRow>, StoreError>> {
        self.inner.execution_by_arn(arn)
    }

    fn history(
        &self,
        id: ExecutionId,
        part: HistoryPart,
        most_bytes: usize,
    ) -> Pending<Result<Vec<Chunk>, StoreError>> {
        self.inner.history(id, part, most_bytes)
    }

    fn first_from(&self, id: ExecutionId) -> Pending<Result<Option<ExecutionId>, StoreError>> {
        self.inner.first_from(id)
    }

    fn recorded(
        &self,
        numbers: std::ops::Range<u64>,
        most_bytes: usize,
    ) -> Pending<Result<Vec<Recorded>, StoreError>> {
        self.inner.recorded(numbers, most_bytes)
    }

    fn live(
        &self,
        shards: &Shards,
        after: Option<&ExecutionRow>,
        most: usize,
    ) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        self.inner.live(shards, after, most)
    }

    fn list(&self, filter: Filter, page: Page) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        self.inner.list(filter, page)
    }

    fn count(&self, filter: Filter) -> Pending<Result<Vec<(StoredStatus, u64)>, StoreError>> {
        self.inner.count(filter)
    }

    fn map_run(&self, arn: &str) -> Pending<Result<Option<MapRunRow>, StoreError>> {
        self.inner.map_run(arn)
    }

    fn map_runs(&self, execution: ExecutionId) -> Pending<Result<Vec<MapRunRow>, StoreError>> {
        self.inner.map_runs(execution)
    }

    fn latest_map_runs(
        &self,
        after: Option<(i64, String)>,
        most: usize,
    ) -> Pending<Result<Vec<MapRunRow>, StoreError>> {
        self.inner.latest_map_runs(after, most)
    }

    fn sorted(
        &self,
        sorted: Sorted,
        most: usize,
    ) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        self.inner.sorted(sorted, most)
    }

    fn ended(&self, before: i64, most: usize) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        self.inner.ended(before, most)
    }

    fn forget(
        &self,
        executions: Vec<ExecutionId>,
        ended_before: i64,
    ) -> Pending<Result<u64, StoreError>> {
        self.inner.forget(executions, ended_before)
    }

    fn forget_machine(&self, machine: &str) -> Pending<Result<u64, StoreError>> {
        self.inner.forget_machine(machine)
    }

    fn backup(&self, folder: &Path) -> Pending<Result<(), StoreError>> {
        self.inner.backup(folder)
    }

    fn verify(&self, stop: Arc<AtomicBool>) -> Pending<Result<Vec<String>, StoreError>> {
        self.inner.verify(stop)
    }

    fn close(&self) -> Pending<()> {
        let Some(nodes) = self.membership() else { return self.inner.close() };
        Box::pin(async move { nodes.fence(nodes.node()).await.expect("it can be reached") })
    }

    fn size(&self) -> u64 {
        self.inner.size()
    }
}

/// Runs tasks badly: they answer with their input sooner, later, twice or never, or they fail.
struct Flaky {
    chance: Arc<Chance>,
    is_faulty: Arc<AtomicBool>,
}

impl Tasks for Flaky {
    fn run(&self, call: Call, report: Report) {
        let is_faulty = self.is_faulty.load(Ordering::Relaxed);
        // A task without a time-out must be answered: it is lost only by restarts, and handed out
        // again.
        if is_faulty && call.call.timeout_seconds.is_some() && self.chance.one_in(15) {
            return;
        }
        let is_failure = is_faulty && self.chance.one_in(8);
        let is_twice = is_faulty && self.chance.one_in(6);
        // Some answers come after the task has timed out.
        let is_late = is_faulty && self.chance.one_in(10);
        let wait = if is_late { 2_500 } else { self.chance.below(40) };
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            for _ in 0..=usize::from(is_twice) {
                if is_failure {
                    report.failed(Failure::new("Flaky", "by chance"), Stage::Run);
                } else {
                    report.succeeded(call.call.parameters.clone());
                }
            }
        });
    }
}

/// Virtual time, which passes when everybody waits and continues over restarts.
struct Virtual {
    start: Moment,
    since: tokio::time::Instant,
    last: Arc<Mutex<Moment>>,
}

impl Clock for Virtual {
    fn now(&self) -> Moment {
        let now = self.start.after_millis(self.since.elapsed().as_millis() as i64);
        let mut last = self.last.lock().expect("no clock panics");
        *last = now.max(*last);
        *last
    }
}

/// A schedule of the machine `tick` that remembers the starts that were acknowledged.
struct Ticking {
    machine: String,
    started: Arc<Mutex<Vec<(Moment, String)>>>,
}

impl Schedule for Ticking {
    fn after(&self, moment: Moment) -> Option<Moment> {
        Some(Moment((moment.0.div_euclid(EVERY) + 1) * EVERY))
    }

    fn machine(&self) -> &str {
        &self.machine
    }

    fn name(&self, due: Moment) -> String {
        format!("tick-{}", due.0)
    }

    fn input(&self, due: Moment) -> Json {
        Json::Int(due.0)
    }

    fn fired(&self, due: Moment, result: &Result<Started, ScheduleError>) {
        if let Ok(started) = result {
            self.started.lock().expect("nobody panics").push((due, started.arn.clone()));
        }
    }
}

struct World {
    seed: u64,
    memory: Memory,
    chance: Arc<Chance>,
    is_faulty: Arc<AtomicBool>,
    last: Arc<Mutex<Moment>>,
    revision: Arc<Revision>,
    machine: Arc<Machine>,
    tick: Arc<Revision>,
    map: Arc<Revision>,
    buckets: Buckets,
    ticks: Arc<Mutex<Vec<(Moment, String)>>>,
    log: Arc<Log>,
}

/// The records of all events that the engine told of, with the ARNs of their executions.
#[derive(Default)]
struct Log(Mutex<Vec<(String, Json)>>);

impl Observer for Log {
    fn turn(&self, facts: &Facts, turn: &ObservedTurn<'_>) {
        let arn = &facts.about.arn;
        let records = aws::log_records(arn, turn.events, turn.calls, turn.redrive_count, true);
        let records = records.into_iter().map(|record| (arn.clone(), record));
        self.0.lock().expect("nobody panics").extend(records);
    }
}

/// The revisions of the machines.
struct Revisions {
    machine: Arc<Revision>,
    tick: Arc<Revision>,
    map: Arc<Revision>,
}

impl Revisions {
    fn new() -> Self {
        let revision = |id: &str, definition: &str| {
            let program = Revision::compile(definition, limits(), Vintage::TODAY);
            let (id, definition) = (id.to_owned(), definition.to_owned());
            let role = "arn:aws:iam::123456789012:role/role".to_owned();
            Arc::new(Revision::new(id, definition, role, program.expect("the definition compiles")))
        };
        Self {
            machine: revision("revision", DEFINITION),
            tick: revision("tick", TICK),
            map: revision("map", MAP),
        }
    }
}

/// Lives through each seed, on all processors.
fn each_seed((from, to): (u64, u64), live: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(from);
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= to {
                        return;
                    }
                    live(seed);
                }
            });
        }
    });
}

/// The seeds to run: those of `STEPWRIGHT_SEEDS`, or so many.
fn seeds(many: u64) -> (u64, u64) {
    let seeds = std::env::var("STEPWRIGHT_SEEDS").ok();
    let seeds = seeds.as_deref().and_then(|text| text.split_once(".."));
    seeds.map_or((0, many), |(from, to)| {
        (from.parse().expect("a number"), to.parse().expect("a number"))
    })
}

fn machine(name: &str, revision: &Revision) -> Machine {
    Machine::new(format!("arn:aws:states:us-east-1:123456789012:stateMachine:{name}"), revision)
}

impl World {
    fn new(seed: u64, revisions: &Revisions) -> Self {
        Self {
            seed,
            memory: Memory::new(),
            chance: Arc::new(Chance(AtomicU64::new(seed))),
            is_faulty: Arc::new(AtomicBool::new(true)),
            last: Arc::new(Mutex::new(Moment(1_704_067_200_000))),
            revision: revisions.machine.clone(),
            machine: Arc::new(machine("machine", &revisions.machine)),
            tick: revisions.tick.clone(),
            map: revisions.map.clone(),
            buckets: Buckets::default(),
            ticks: Arc::default(),
            log: Arc::default(),
        }
    }

    /// A request to start an Express execution of the same definition.
    fn express(&self, n: u64) -> StartRequest {
        let revision = Arc::new(Revision { is_express: true, ..(*self.revision).clone() });
        let machine = Arc::new(machine("express", &revision));
        let input = json!({"n": (Json::Int(n as i64)), "items": [1, 2, 3]});
        StartRequest::new(machine, revision, format!("express-{n}"), input)
    }

    /// Runs the engine once, until `work` is done. Whatever else still runs is then cut off.
    fn live<T>(&self, work: impl AsyncFnOnce(Engine) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime can be made");
        let done = runtime.block_on(async {
            let clock = Virtual {
                start: *self.last.lock().expect("no clock panics"),
                since: tokio::time::Instant::now(),
                last: self.last.clone(),
            };
            let store = FaultyStore {
                inner: self.memory.clone(),
                chance: self.chance.clone(),
                is_faulty: self.is_faulty.clone(),
                link: None,
            };
            let tasks = Flaky { chance: self.chance.clone(), is_faulty: self.is_faulty.clone() };
            let options = Options {
                clock: Arc::new(clock),
                observer: self.log.clone(),
                objects: Arc::new(self.buckets.clone()),
                limits: limits(),
                ..Options::new(Arc::new(store), Arc::new(tasks))
            };
            let engine = Engine::open(options).await.expect("the store can be read");
            work(engine).await
        });
        drop(runtime);
        done
    }

    /// An event is logged as what the history shows, also long after its task was scheduled.
    fn compare_log(&self, arn: &str, history: &[Json]) {
        let log = self.log.0.lock().expect("nobody panics");
        let of = |value: &Json, key: &str| value.get(key).cloned().unwrap_or_default();
        let records: Vec<&Json> =
            log.iter().filter(|(of, _)| of == arn).map(|(_, record)| record).collect();
        assert!(!records.is_empty(), "seed {}: nothing of {arn} was logged", self.seed);
        for record in records {
            let id: usize =
                of(record, "id").as_str().and_then(|id| id.parse().ok()).expect("an id");
            let event = &history[id - 1];
            assert_eq!(of(record, "type"), of(event, "type"), "seed {}: event {id}", self.seed);
        }
    }

    /// Starts an execution again and again until it is acknowledged.
    async fn start(&self, engine: &Engine, n: u64) -> String {
        let input = json!({"n": (Json::Int(n as i64)), "items": [1, 2, 3]});
        let (machine, revision) = (self.machine.clone(), self.revision.clone());
        let request = StartRequest::new(machine, revision, format!("execution-{n}"), input);
        self.acknowledged(engine, request).await
    }

    /// Starts the execution whose children are executions.
    async fn start_map(&self, engine: &Engine) -> String {
        let machine = Arc::new(machine("map", &self.map));
        let request = StartRequest::new(machine, self.map.clone(), "rows".to_owned(), json!({}));
        self.acknowledged(engine, request).await
    }

    async fn acknowledged(&self, engine: &Engine, request: StartRequest) -> String {
        loop {
            match engine.start(request.clone()).await {
                Ok(started) => return started.arn,
                // An earlier attempt was kept after all, and its execution has ended by now.
                Err(StartError::Exists { arn }) => return arn,
                Err(StartError::Store(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(StartError::Closing) => panic!("seed {}: nobody closes it", self.seed),
                Err(error @ StartError::Panicked { .. }) => panic!("seed {}: {error}", self.seed),
            }
        }
    }

    /// Checks that every execution left behind by a restart folds, and that something will wake it.
    fn examine(&self) {
        self.is_faulty.store(false, Ordering::Relaxed);
        let findings = self.live(async |engine| engine.doctor().await.expect("it can be read"));
        assert!(findings.is_empty(), "seed {}: {findings:?}", self.seed);
        self.is_faulty.store(true, Ordering::Relaxed);
    }

    fn run(&self) {
        self.live(async |engine| {
            let first = ((*self.machine).clone(), Some(self.revision.clone()));
            engine.put_machine(first.0, first.1).await.expect("documents are kept");
            for (name, revision) in [("tick", &self.tick), ("map", &self.map)] {
                let (one, revision) = (machine(name, revision), Some(revision.clone()));
                engine.put_machine(one, revision).await.expect("documents are kept");
            }
        });
        let mut acknowledged = Vec::new();
        // Its many children take long.
        let (mut map, has_map) = (String::new(), self.seed.is_multiple_of(20));
        for life in 0..3 {
            let lasts = 1 + self.chance.below(4_000);
            let mut started = self.live(async |engine| {
                let machine = machine("tick", &self.tick).arn;
                let ticking = Ticking { machine, started: self.ticks.clone() };
                engine
                    .follow("ticking", Arc::new(ticking), engine.now())
                    .expect("it is always due again");
                let arn = self.start(&engine, life).await;
                if life == 0 && has_map {
                    map = self.start_map(&engine).await;
                }
                engine.start(self.express(life)).await.expect("nothing of it is stored");
                tokio::time::sleep(Duration::from_millis(lasts)).await;
                vec![arn]
            });
            acknowledged.append(&mut started);
            self.examine();
        }
        self.is_faulty.store(false, Ordering::Relaxed);
        self.live(async |engine| {
            for (n, arn) in acknowledged.iter().enumerate() {
                let ended = tokio::time::timeout(Duration::from_hours(24), engine.ended(arn)).await;
                let Ok(Some(ended)) = ended else {
                    let findings = engine.doctor().await;
                    panic!("seed {}: {arn} does not end: {ended:?} {findings:?}", self.seed);
                };
                let n = n as i64;
                let output = json!({
                    "n": n,
                    "items": [1, 2, 3],
                    "first": {"n": n, "items": [1, 2, 3]},
                    "both": ["rested", {"n": n}],
                    "each": [1, 2, 3]
                });
                assert_eq!(ended.status, Status::Succeeded { output }, "seed {}", self.seed);
                let mut events = Vec::new();
                let exists = engine.history(arn, |event: &Event| events.push(event.clone())).await;
                assert!(exists.expect("it can be read"), "seed {}: {arn} is gone", self.seed);
                let done = |event: &&Event| matches!(event.kind, EventKind::TaskSucceeded { .. });
                assert_eq!(events.iter().filter(done).count(), 5, "seed {}", self.seed);
                let mut expected = aws::project(&events);
                self.compare_log(arn, &expected);
                let most = 1 + (self.seed as usize + expected.len()) % 7;
                assert_eq!(pages(&engine, arn, false, most).await, expected, "seed {}", self.seed);
                expected.reverse();
                assert_eq!(pages(&engine, arn, true, most).await, expected, "seed {}", self.seed);
            }
            if has_map {
                self.compare_map(&engine, &map).await;
            }
            let express = engine.run_express(self.express(7)).await.expect("it begins");
            assert!(matches!(express.status, Status::Succeeded { .. }), "{:?}", express.status);
            let ticks = self.ticks.lock().expect("nobody panics").clone();
            for (due, arn) in &ticks {
                assert_eq!(due.0 % EVERY, 0, "seed {}: {due:?}", self.seed);
                let ended = engine.ended(arn).await.expect("what was acknowledged is there");
                let output = Json::Int(due.0);
                assert_eq!(ended.status, Status::Succeeded { output }, "seed {}", self.seed);
            }
            let findings = engine.doctor().await.expect("the store can be read");
            assert!(findings.is_empty(), "seed {}: {findings:?}", self.seed);
            let parked = engine.metrics().parked.get();
            assert_eq!(parked, 0, "seed {}: an execution was parked", self.seed);
        });
    }
}

impl World {
    /// The Map went over each row once, and wrote each result once.
    async fn compare_map(&self, engine: &Engine, arn: &str) {
        let seed = self.seed;
        let ended = tokio::time::timeout(Duration::from_hours(24), engine.ended(arn)).await;
        let Ok(Some(ended)) = ended else { panic!("seed {seed}: {arn} does not end: {ended:?}") };
        assert!(matches!(ended.status, Status::Succeeded { .. }), "seed {seed}: {ended:?}");
        let (mut pages, mut begun, mut done) = (0, Vec::new(), Vec::new());
        let take = |event: &Event| match &event.kind {
            EventKind::MapRunPage(page) => {
                pages += 1;
                assert_eq!(
                    page.keeps,
                    stepwright_history::Keeps::Nothing,
                    "the results are written"
                );
            }
            EventKind::ChildStarted { index } => begun.push(*index),
            EventKind::ChildFinished { index, .. } => done.push(*index),
            _ => {}
        };
        assert!(engine.history(arn, take).await.expect("it can be read"), "{arn} is gone");
        done.sort_unstable();
        let all: Vec<u32> = (0..ROWS as u32).collect();
        assert_eq!((begun, done), (all.clone(), all), "seed {seed}");
        assert!(pages > 3, "seed {seed}: {pages} pages");
        let buckets = self.buckets.0.lock().expect("nobody panics").clone();
        let of = |name: &str| {
            let mut found = buckets.iter().filter(|(key, _)| key.ends_with(name));
            let (_, bytes) = found.next().expect("it was written");
            assert!(found.next().is_none(), "seed {seed}: there is one map run");
            stepwright_json::parse_bytes(bytes).expect("it is JSON")
        };
        let records = of("/SUCCEEDED_0.json");
        let inputs =
            records.as_array().expect("records").iter().map(|one| one.get("Input").cloned());
        let expected = (0..ROWS).map(|row| Some(format!("{{\"row\":{row}}}").into()));
        assert!(inputs.eq(expected), "seed {seed}: {records}");
        let files = of("/manifest.json").get("ResultFiles").cloned().expect("it names files");
        assert_eq!(files.get("FAILED"), Some(&json!([])), "seed {seed}");
        assert_eq!(files.get("PENDING"), Some(&json!([])), "seed {seed}");
    }
}

/// The whole history, read page by page.
async fn pages(engine: &Engine, arn: &str, is_reversed: bool, most: usize) -> Vec<Json> {
    let mut events = Vec::new();
    let mut after = None;
    loop {
        let request = HistoryRequest { after, is_reversed, with_data: true, most };
        let page = engine.history_page(arn, request).await.expect("it can be read");
        let page = page.expect("it exists");
        assert!(page.events.len() == most || page.next.is_none(), "a page is full or the last one");
        events.extend(page.events);
        after = page.next;
        if after.is_none() {
            return events;
        }
    }
}

#[test]
fn whatever_goes_wrong_nothing_is_lost_and_nothing_happens_twice() {
    let revisions = Revisions::new();
    each_seed(seeds(2_500), |seed| World::new(seed, &revisions).run());
}
