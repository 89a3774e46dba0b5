//! Several engines on one store, in virtual time: they are cut off from it, stopped, joined by others,
//! and what they ask of each other is lost or late.

use super::{
    Chance, FaultyStore, Flaky, Log, Revisions, Virtual, each_seed, limits, machine, seeds,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwright_engine::{
    Activity, Engine, Machine, Options, PeerError, Peers, Revision, Schedule, ScheduleError,
    StartError, StartRequest, Started, WeakEngine,
};
use stepwright_history::{Event, EventKind, Failure, Moment};
use stepwright_interpreter::Status;
use stepwright_json::{Json, json};
use stepwright_program::Vintage;
use stepwright_store::{
    DocumentChanges, ExecutionId, Filter, Member, Members, Membership, Memory, NodeId, Page,
    Pending, Shards, Store, StoreError,
};
use tokio::sync::watch;

/// What the nodes share beside the executions.
#[derive(Default)]
pub(crate) struct Cluster {
    state: Mutex<State>,
}

struct State {
    /// The beat of each node that is alive.
    alive: BTreeMap<u64, u64>,
    /// The owner of each shard.
    owners: [Option<u64>; 256],
    last_node: u64,
    last_number: u64,
    changes: DocumentChanges,
}

impl Default for State {
    fn default() -> Self {
        Self {
            alive: BTreeMap::new(),
            owners: [None; 256],
            last_node: 0,
            last_number: 0,
            changes: Vec::new(),
        }
    }
}

/// A node's way to the store.
pub(crate) struct Link {
    id: u64,
    cluster: Arc<Cluster>,
    memory: Memory,
    /// Whether nothing gets through at the moment.
    is_cut: AtomicBool,
    place: AtomicUsize,
    seen: AtomicUsize,
    lost: watch::Sender<bool>,
}

impl Link {
    fn new(cluster: &Arc<Cluster>, memory: &Memory) -> Arc<Self> {
        let mut state = cluster.state.lock().expect("nobody panics");
        state.last_node += 1;
        let id = state.last_node;
        state.alive.insert(id, 0);
        let seen = AtomicUsize::new(state.changes.len());
        drop(state);
        Arc::new(Self {
            id,
            cluster: cluster.clone(),
            memory: memory.clone(),
            is_cut: AtomicBool::new(false),
            place: AtomicUsize::new(0),
            seen,
            lost: watch::Sender::new(false),
        })
    }

    /// Whether the store and the other nodes can be reached.
    pub(crate) fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::SeqCst);
    }

    /// Waits until the store can be reached.
    pub(crate) async fn reach(&self) {
        while self.is_cut.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whether the node may write.
    pub(crate) fn may_write(&self) -> bool {
        let may = self.cluster.state.lock().expect("nobody panics").alive.contains_key(&self.id);
        if !may {
            self.lost.send_replace(true);
        }
        may
    }

    pub(crate) fn new_id(&self) -> ExecutionId {
        let mut state = self.cluster.state.lock().expect("nobody panics");
        state.last_number += 1;
        if !state.alive.contains_key(&self.id) {
            return ExecutionId(state.last_number * 256);
        }
        // Numbers go round the shards that the node owns.
        let place = self.place.fetch_add(1, Ordering::SeqCst);
        let mut shards = (0..256).map(|at| (place + at) % 256);
        let shard = shards.find(|shard| state.owners[*shard] == Some(self.id)).unwrap_or_default();
        self.place.store(shard + 1, Ordering::SeqCst);
        let shard = shard as u64;
        ExecutionId(state.last_number * 256 + shard)
    }

    pub(crate) fn note(&self, changes: &DocumentChanges) {
        self.cluster.state.lock().expect("nobody panics").changes.extend(changes.iter().cloned());
    }
}

/// Does something once the store can be reached.
fn reached<T: Send + 'static>(
    link: &Arc<Link>,
    work: impl FnOnce(&Link, &mut State) -> T + Send + 'static,
) -> Pending<Result<T, StoreError>> {
    let link = link.clone();
    Box::pin(async move {
        link.reach().await;
        let cluster = link.cluster.clone();
        let mut state = cluster.state.lock().expect("nobody panics");
        Ok(work(&link, &mut state))
    })
}

/// A node's place among the others.
pub(crate) struct Place(pub(crate) Arc<Link>);

impl Membership for Place {
    fn node(&self) -> NodeId {
        NodeId(self.0.id)
    }

    fn beat(&self) -> Pending<Result<Members, StoreError>> {
        reached(&self.0, |link, state| {
            if let Some(beat) = state.alive.get_mut(&link.id) {
                *beat += 1;
            } else {
                link.lost.send_replace(true);
            }
            let node = |(id, beat): (&u64, &u64)| Member {
                id: NodeId(*id),
                address: format!("node {id}"),
                release: String::new(),
                beat: *beat,
                is_gone: false,
            };
            Members {
                nodes: state.alive.iter().map(node).collect(),
                owners: state.owners.iter().map(|owner| owner.map(NodeId)).collect(),
                time: None,
            }
        })
    }

    fn fence(&self, node: NodeId) -> Pending<Result<(), StoreError>> {
        reached(&self.0, move |_, state| {
            state.alive.remove(&node.0);
            let lost = state.owners.iter_mut().filter(|owner| **owner == Some(node.0));
            lost.for_each(|owner| *owner = None);
        })
    }

    fn claim(&self, shards: Shards) -> Pending<Result<Shards, StoreError>> {
        reached(&self.0, move |link, state| {
            if !state.alive.contains_key(&link.id) {
                return Shards::NONE;
            }
            let is_free =
                |shard: &u8| state.owners[usize::from(*shard)].is_none_or(|of| of == link.id);
            let free: Shards = shards.iter().filter(is_free).collect();
            free.iter().for_each(|shard| state.owners[usize::from(shard)] = Some(link.id));
            free
        })
    }

    fn release(&self, shards: Shards) -> Pending<Result<(), StoreError>> {
        reached(&self.0, move |link, state| {
            for shard in shards.iter() {
                let owner = &mut state.owners[usize::from(shard)];
                if *owner == Some(link.id) {
                    *owner = None;
                }
            }
        })
    }

    fn over(&self, executions: Vec<ExecutionId>) -> Pending<Result<Vec<ExecutionId>, StoreError>> {
        let link = self.0.clone();
        Box::pin(async move {
            link.reach().await;
            let mut over = Vec::new();
            for id in executions {
                let row = link.memory.execution(id).await?;
                if row.is_none_or(|row| row.status.is_over()) {
                    over.push(id);
                }
            }
            Ok(over)
        })
    }

    fn changed_documents(&self) -> Pending<Result<DocumentChanges, StoreError>> {
        reached(&self.0, |link, state| {
            let seen = link.seen.swap(state.changes.len(), Ordering::SeqCst);
            state.changes[seen..].to_vec()
        })
    }

    fn lost(&self) -> Pending<()> {
        let link = self.0.clone();
        Box::pin(async move {
            drop(link.lost.subscribe().wait_for(|lost| *lost).await);
        })
    }
}

/// The engines, by their addresses.
#[derive(Default)]
struct Directory(Mutex<BTreeMap<String, (WeakEngine, Arc<Link>)>>);

/// Calls other engines, not always with success.
struct Calls {
    directory: Arc<Directory>,
    own: Arc<Link>,
    chance: Arc<Chance>,
    is_faulty: Arc<AtomicBool>,
}

impl Peers for Calls {
    fn call(&self, address: &str, request: Json) -> Pending<Result<Json, PeerError>> {
        let found = self.directory.0.lock().expect("nobody panics").get(address).cloned();
        let is_faulty = self.is_faulty.load(Ordering::SeqCst);
        let is_lost = is_faulty && self.chance.one_in(10);
        let is_answer_lost = is_faulty && self.chance.one_in(15);
        let is_late = is_faulty && self.chance.one_in(5);
        let wait = if is_late { self.chance.below(3_000) } else { 1 };
        let own = self.own.clone();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            let is_cut = |link: &Link| link.is_cut.load(Ordering::SeqCst);
            let not_reached = || PeerError::NotReached("it is not there".to_owned());
            let (engine, link) = found.ok_or_else(not_reached)?;
            if is_lost || is_cut(&own) || is_cut(&link) {
                return Err(not_reached());
            }
            let engine = engine.upgrade().ok_or_else(not_reached)?;
            let answering = tokio::spawn(async move { engine.answer_peer(&request).await });
            let unknown = || PeerError::Unknown("no answer came".to_owned());
            let answer = tokio::time::timeout(Duration::from_secs(25), answering).await;
            if is_answer_lost || is_cut(&own) {
                return Err(unknown());
            }
            answer.ok().and_then(Result::ok).flatten().ok_or_else(unknown)
        })
    }
}

pub(crate) struct Nodes {
    pub(crate) seed: u64,
    pub(crate) memory: Memory,
    pub(crate) chance: Arc<Chance>,
    is_faulty: Arc<AtomicBool>,
    cluster: Arc<Cluster>,
    directory: Arc<Directory>,
    revision: Arc<Revision>,
    machine: Machine,
    tick: Arc<Revision>,
    /// Since when there is a schedule.
    since: Mutex<Option<Moment>>,
    clock: Arc<Virtual>,
}

/// How often the schedule is due, and for how long.
const EVERY: i64 = 5_000;
const LASTS: i64 = 40_000;

/// A schedule that every node has.
struct Ticking {
    machine: String,
    until: Moment,
}

impl Schedule for Ticking {
    fn after(&self, moment: Moment) -> Option<Moment> {
        let due = Moment((moment.0.div_euclid(EVERY) + 1) * EVERY);
        (due <= self.until).then_some(due)
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

    fn fired(&self, _: Moment, _: &Result<Started, ScheduleError>) {}
}

impl Nodes {
    pub(crate) fn new(seed: u64, revisions: &Revisions) -> Self {
        let start = Moment(1_704_067_200_000);
        let last = Arc::new(Mutex::new(start));
        let since = tokio::time::Instant::now();
        Self {
            seed,
            memory: Memory::new(),
            chance: Arc::new(Chance(AtomicU64::new(seed))),
            is_faulty: Arc::new(AtomicBool::new(true)),
            cluster: Arc::default(),
            directory: Arc::default(),
            revision: revisions.machine.clone(),
            machine: machine("machine", &revisions.machine),
            tick: revisions.tick.clone(),
            since: Mutex::default(),
            clock: Arc::new(Virtual { start, since, last }),
        }
    }

    /// From now on nothing goes wrong.
    pub(crate) fn heal(&self) {
        self.is_faulty.store(false, Ordering::SeqCst);
    }

    pub(crate) async fn open(&self) -> (Engine, Arc<Link>) {
        let link = Link::new(&self.cluster, &self.memory);
        let store = FaultyStore {
            inner: self.memory.clone(),
            chance: self.chance.clone(),
            is_faulty: self.is_faulty.clone(),
            link: Some(link.clone()),
        };
        let tasks = Flaky { chance: self.chance.clone(), is_faulty: self.is_faulty.clone() };
        let peers = Calls {
            directory: self.directory.clone(),
            own: link.clone(),
            chance: self.chance.clone(),
            is_faulty: self.is_faulty.clone(),
        };
        let options = Options {
            clock: self.clock.clone(),
            observer: Arc::new(Log::default()),
            peers: Some(Arc::new(peers)),
            ..Options::new(Arc::new(store), Arc::new(tasks))
        };
        let engine = Engine::open(options).await.expect("the store can be read");
        let address = format!("node {}", link.id);
        let entry = (engine.downgrade(), link.clone());
        self.directory.0.lock().expect("nobody panics").insert(address, entry);
        let since = *self.since.lock().expect("nobody panics");
        if let Some(since) = since {
            self.tick(&engine, since);
        }
        (engine, link)
    }

    fn tick(&self, engine: &Engine, since: Moment) {
        let until = Moment(since.0 + LASTS);
        let ticking = Ticking { machine: machine("tick", &self.tick).arn, until };
        engine.follow("ticking", Arc::new(ticking), since);
    }

    /// Each moment of the schedule has started one execution.
    async fn examine_ticks(&self, engine: &Engine) {
        let since = self.since.lock().expect("nobody panics").expect("there is a schedule");
        let until = since.0 + LASTS;
        let filter = Filter { machine: Some(machine("tick", &self.tick).arn), ..Filter::default() };
        let page = Page { after: None, most: 10_000 };
        let rows = engine.executions(filter, page).await.expect("they can be read");
        let mut fired: Vec<i64> = rows
            .iter()
            .map(|row| row.about.arn.rsplit('-').next().and_then(|due| due.parse().ok()))
            .map(|due| due.expect("the name has the moment"))
            .collect();
        fired.sort_unstable();
        let first = (since.0.div_euclid(EVERY) + 1) * EVERY;
        let expected: Vec<i64> = (first..=until).step_by(EVERY as usize).collect();
        assert_eq!(fired, expected, "seed {}", self.seed);
    }

    fn request(&self, n: usize) -> StartRequest {
        let input = json!({"n": (Json::Int(n as i64)), "items": [1, 2, 3]});
        let machine = Arc::new(self.machine.clone());
        StartRequest::new(machine, self.revision.clone(), format!("execution-{n}"), input)
    }

    /// Starts an execution somewhere, until that is acknowledged. Who is asked and was taken for dead begins again
    /// as another node; otherwise nobody might be left.
    async fn start(&self, nodes: &mut [(Engine, Arc<Link>)], n: usize) -> String {
        loop {
            let chosen = self.chance.below(nodes.len() as u64) as usize;
            if nodes[chosen].0.is_lost() {
                nodes[chosen] = self.open().await;
            }
            let (engine, _) = &nodes[chosen];
            let starting = engine.start(self.request(n));
            match tokio::time::timeout(Duration::from_secs(5), starting).await {
                Ok(Ok(started)) => return started.arn,
                // An earlier attempt was kept after all, and its execution has ended by now.
                Ok(Err(StartError::Exists { arn })) => return arn,
                Ok(Err(StartError::Panicked { reason })) => panic!("seed {}: {reason}", self.seed),
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// Returns how many nodes were taken for dead.
    async fn run(&self) -> usize {
        let mut nodes = vec![self.open().await, self.open().await, self.open().await];
        let first = (self.machine.clone(), Some(self.revision.clone()));
        nodes[0].0.put_machine(first.0, first.1).await.expect("documents are kept");
        let tick = machine("tick", &self.tick);
        nodes[0].0.put_machine(tick, Some(self.tick.clone())).await.expect("documents are kept");
        let since = nodes[0].0.now();
        *self.since.lock().expect("nobody panics") = Some(since);
        for (engine, _) in &nodes {
            self.tick(engine, since);
        }
        let mut arns: Vec<String> = Vec::new();
        let mut stopped: BTreeMap<String, Status> = BTreeMap::new();
        for _ in 0..12 {
            arns.push(self.start(&mut nodes, arns.len()).await);
            let chosen = self.chance.below(nodes.len() as u64) as usize;
            match self.chance.below(8) {
                0 | 1 => {
                    // It is cut off, perhaps for so long that it is taken for dead.
                    let (link, lasts) = (nodes[chosen].1.clone(), 200 + self.chance.below(25_000));
                    link.is_cut.store(true, Ordering::SeqCst);
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_millis(lasts)).await;
                        link.is_cut.store(false, Ordering::SeqCst);
                    });
                }
                // It dies, and another one comes.
                2 => {
                    nodes.remove(chosen).1.is_cut.store(true, Ordering::SeqCst);
                    nodes.push(self.open().await);
                }
                // It is stopped by its operator.
                3 => {
                    let (engine, _) = nodes.remove(chosen);
                    tokio::spawn(async move { engine.shutdown().await });
                    nodes.push(self.open().await);
                }
                4 if nodes.len() < 5 => nodes.push(self.open().await),
                5 | 6 => {
                    let arn = &arns[self.chance.below(arns.len() as u64) as usize];
                    let engine = &nodes[chosen].0;
                    let stopping = engine.stop(arn, Failure::default());
                    if let Ok(Ok(_)) = tokio::time::timeout(Duration::from_secs(30), stopping).await
                    {
                        // What was acknowledged is seen from anywhere, and does not change any more.
                        let row = self.memory.execution_by_arn(arn).await.expect("it can be read");
                        let row = row.expect("it is there");
                        assert!(row.status.is_over(), "seed {}: {arn}", self.seed);
                        let end = nodes[chosen].0.describe(arn).await;
                        let end = end.expect("it can be read").expect("it is there");
                        stopped.entry(arn.clone()).or_insert_with(|| end.status.clone());
                    }
                }
                _ => {}
            }
            tokio::time::sleep(Duration::from_millis(self.chance.below(4_000))).await;
        }
        // Everything heals. Nodes that were taken for dead are replaced by new ones.
        self.is_faulty.store(false, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_mins(1)).await;
        nodes.retain(|(engine, _)| !engine.is_lost());
        nodes.push(self.open().await);
        let (engine, _) = nodes.last().expect("it was put there");
        for (n, arn) in arns.iter().enumerate() {
            let ended = tokio::time::timeout(Duration::from_hours(24), engine.ended(arn)).await;
            let Ok(Some(ended)) = ended else {
                let findings = engine.doctor().await;
                let view = engine.nodes_view();
                panic!("seed {}: {arn} does not end: {ended:?} {findings:?} {view:?}", self.seed);
            };
            let mut events = Vec::new();
            let exists = engine.history(arn, |event: &Event| events.push(event.clone())).await;
            assert!(exists.expect("it can be read"), "seed {}: {arn} is gone", self.seed);
            let ends = events.iter().filter(|event| event.kind.ends_execution()).count();
            assert_eq!(ends, 1, "seed {}: {arn}", self.seed);
            if let Some(was) = stopped.get(arn) {
                assert_eq!(&ended.status, was, "seed {}: {arn}", self.seed);
            }
            if let Status::Succeeded { output } = &ended.status {
                assert_eq!(output.get("n"), Some(&Json::Int(n as i64)), "seed {}", self.seed);
                assert_eq!(output.get("each"), Some(&json!([1, 2, 3])), "seed {}", self.seed);
                let done = |event: &&Event| matches!(event.kind, EventKind::TaskSucceeded { .. });
                assert_eq!(events.iter().filter(done).count(), 5, "seed {}: {arn}", self.seed);
            } else {
                assert!(
                    stopped.contains_key(arn) || matches!(ended.status, Status::Aborted { .. })
                );
            }
        }
        self.examine_ticks(engine).await;
        let findings = engine.doctor().await.expect("the store can be read");
        assert!(findings.is_empty(), "seed {}: {findings:?}", self.seed);
        for (engine, _) in &nodes {
            assert_eq!(engine.metrics().parked.get(), 0, "seed {}: it was parked", self.seed);
        }
        let opened = self.directory.0.lock().expect("nobody panics");
        opened.values().filter(|(_, link)| *link.lost.borrow()).count()
    }
}

#[test]
fn nodes_come_and_go_and_nothing_is_lost_and_nothing_happens_twice() {
    let (from, to) = seeds(200);
    let revisions = Revisions::new();
    let lost = AtomicUsize::new(0);
    each_seed((from, to), |seed| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime can be made");
        runtime.block_on(async {
            let nodes = Nodes::new(seed, &revisions);
            lost.fetch_add(nodes.run().await, Ordering::Relaxed);
        });
    });
    let (lost, lives) = (lost.into_inner() as u64, to - from);
    assert!(lost >= lives / 4, "only {lost} nodes were taken for dead in {lives} lives");
}

#[test]
fn any_node_is_asked_to_try_a_parked_execution_again_or_to_abort_it() {
    let revisions = Revisions::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let nodes = Nodes::new(7, &revisions);
        nodes.is_faulty.store(false, Ordering::SeqCst);
        let first = nodes.open().await;
        let machine = (nodes.machine.clone(), Some(revisions.machine.clone()));
        first.0.put_machine(machine.0, machine.1).await.expect("documents are kept");
        // They begin, and are left alone from then on.
        let mut arns = Vec::new();
        for n in 0..2 {
            arns.push(first.0.start(nodes.request(n)).await.expect("it begins").arn);
        }
        first.1.is_cut.store(true, Ordering::SeqCst);
        for arn in &arns {
            let row = nodes.memory.execution_by_arn(arn).await.expect("it can be read");
            let row = row.expect("it is there");
            assert!(!row.status.is_over());
            let parked = json!({
                "arn": (arn.as_str()), "reason": "a fault", "since": 0,
                "release": (env!("CARGO_PKG_VERSION"))
            });
            let key = format!("parked/{}", row.id.0);
            let changes = vec![(key, Some(parked.to_string().into_bytes()))];
            nodes.memory.put(changes).await.expect("documents are kept");
        }
        let others = [nodes.open().await, nodes.open().await];
        tokio::time::sleep(Duration::from_mins(1)).await;
        let owns = |at: usize, id: ExecutionId| others[at].0.holds(id);
        for (at, arn) in arns.iter().enumerate() {
            let row = nodes.memory.execution_by_arn(arn).await.expect("it can be read");
            let id = row.expect("it is there").id;
            let owner = usize::from(owns(1, id));
            assert!(owns(owner, id) && !owns(1 - owner, id));
            assert_eq!(others[owner].0.parked_executions(), 2 - at, "they are left alone");
            let asked = &others[1 - owner].0;
            if at == 0 {
                asked.retry_parked(arn).await.expect("it is tried again");
            } else {
                asked.abort_parked(arn).await.expect("it is aborted");
            }
            let end = asked.ended(arn).await.expect("it ends");
            let is_aborted = matches!(end.status, Status::Aborted { .. });
            assert_eq!(is_aborted, at == 1, "{:?}", end.status);
            let again = asked.retry_parked(arn).await;
            assert!(again.is_err_and(|error| error.to_string().contains("is not parked")));
        }
    });
}

#[test]
fn what_another_node_waits_for_is_heard_of_at_once() {
    let revisions = Revisions::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        let nodes = Nodes::new(7, &revisions);
        nodes.is_faulty.store(false, Ordering::SeqCst);
        let (first, second) = (nodes.open().await.0, nodes.open().await.0);
        tokio::time::sleep(Duration::from_secs(20)).await;
        let arn = "arn:aws:states:us-east-1:123456789012:activity:work";
        let definition = format!(
            r#"{{"StartAt":"A","States":{{"A":{{"Type":"Task","Resource":"{arn}","End":true}}}}}}"#
        );
        let program = Revision::compile(&definition, limits(), Vintage::TODAY);
        let program = program.expect("the definition compiles");
        let role = "arn:aws:iam::123456789012:role/role".to_owned();
        let revision = Arc::new(Revision::new("work".to_owned(), definition, role, program));
        let working = machine("work", &revision);
        let (name, tags) = ("work".to_owned(), BTreeMap::new());
        let activity =
            Activity { arn: arn.to_owned(), name, created_at: 0, tags, encryption: None };
        first.put_activity(activity).await.expect("documents are kept");
        let machine = (working.clone(), Some(revision.clone()));
        first.put_machine(machine.0, machine.1).await.expect("documents are kept");
        second.refresh().await.expect("they can be read");
        for round in 0..20_u64 {
            // A worker waits at one node, the task comes at the other.
            let polling = second.clone();
            let longest = Duration::from_secs(50);
            let worker =
                tokio::spawn(async move { polling.poll_activity(arn, None, longest).await });
            tokio::time::sleep(Duration::from_millis(3_000 + 130 * round)).await;
            let name = format!("execution-{round}");
            let request =
                StartRequest::new(Arc::new(working.clone()), revision.clone(), name, json!({}));
            let begun = tokio::time::Instant::now();
            let execution = first.start(request).await.expect("it begins").arn;
            let task = worker.await.expect("it does not panic").expect("there is one");
            let polled = begun.elapsed();
            assert!(polled < Duration::from_millis(100), "{polled:?} in round {round}");
            // Who waits at that node for the end of what the other one drives hears of it.
            let (waiting, awaited) = (second.clone(), execution.clone());
            let waiter = tokio::spawn(async move { waiting.ended(&awaited).await });
            tokio::time::sleep(Duration::from_millis(2_000 + 170 * round)).await;
            let begun = tokio::time::Instant::now();
            second.task_succeeded(&task.token, json!(1)).await.expect("it is taken");
            waiter.await.expect("it does not panic").expect("it is there");
            let heard = begun.elapsed();
            assert!(heard < Duration::from_millis(100), "{heard:?} in round {round}");
        }
    });
}
