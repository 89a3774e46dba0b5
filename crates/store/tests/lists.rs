//! Lists and counts: the stores in `SQLite`, in `PostgreSQL` and in memory find the same, and all find
//! what is there, whatever has happened to the executions.

#[path = "support/cluster.rs"]
mod cluster;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use stepwright_store::{
    About, Append, AppendError, ExecutionId, ExecutionRow, Filter, HistoryPart, MapRunRow, Memory,
    Page, Postgres, Shards, Sorted, Sqlite, Status, Store,
};

/// The stores that are compared; the folder is where one of them is.
async fn stores(folder: &std::path::Path) -> Vec<Arc<dyn Store>> {
    let mut stores: Vec<Arc<dyn Store>> =
        vec![Arc::new(Memory::new()), Arc::new(Sqlite::open(folder).expect("it opens"))];
    if let Some(url) = cluster::database() {
        let store = Postgres::open(&url, "here").await.expect("it opens");
        let nodes = store.membership().expect("it has one");
        assert!(nodes.claim(Shards::ALL).await.expect("nobody has them").are_all());
        stores.push(Arc::new(store));
    }
    stores
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it can be built")
}

/// Pseudo-random numbers, the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}

fn start(id: ExecutionId, chance: &mut Chance) -> Append {
    let machine = (*chance.pick(&["machine-a", "machine-b"])).to_owned();
    let is_child = chance.below(4) == 0;
    let version = (chance.below(3) == 0).then(|| format!("{machine}:{}", chance.below(2)));
    let about = About {
        arn: format!("{machine}{}:execution-{}", if is_child { "/Label" } else { "" }, id.0),
        version: version.clone(),
        alias: version.filter(|_| chance.below(2) == 0).map(|_| format!("{machine}:live")),
        map_run: is_child.then(|| (*chance.pick(&["run-a", "run-b"])).to_owned()),
        machine,
        // Many start at the same time, and clocks can go back.
        started_at: 1_000 + chance.below(12) as i64,
        more: vec![7],
    };
    let status = *chance.pick(&[Status::Running, Status::Running, Status::Succeeded]);
    Append {
        execution: id,
        expected_len: 0,
        len: 1,
        chunk: vec![1; chance.below(30) as usize + 1],
        about: Some(Box::new(about)),
        status,
        stopped_at: status.is_over().then_some(2_000),
        wake_at: None,
        is_owed: false,
        redriven: None,
        map_runs: Vec::new(),
    }
}

/// A random next turn of an execution.
fn turn(row: &ExecutionRow, chance: &mut Chance) -> Append {
    let (status, redriven) = match row.status {
        Status::Running => (*chance.pick(&Status::ALL), row.redriven),
        Status::PendingRedrive => (Status::Running, Some((1, 3_000))),
        _ => (Status::Running, Some((row.redriven.map_or(0, |(count, _)| count) + 1, 3_000))),
    };
    Append {
        execution: row.id,
        expected_len: row.len,
        len: row.len + 2,
        chunk: vec![2; 5],
        about: None,
        status,
        stopped_at: status.is_over().then(|| 2_000 + chance.below(100) as i64),
        wake_at: Some(9),
        is_owed: chance.below(2) == 0,
        redriven,
        map_runs: Vec::new(),
    }
}

fn filters() -> Vec<Filter> {
    let text = |text: &str| Some(text.to_owned());
    let owners = [
        Filter::default(),
        Filter { machine: text("machine-a"), ..Filter::default() },
        Filter { machine: text("machine-b"), ..Filter::default() },
        Filter { machine: text("machine-none"), ..Filter::default() },
        Filter { map_run: text("run-a"), ..Filter::default() },
        Filter { machine: text("machine-a"), version: text("machine-a:1"), ..Filter::default() },
        Filter { machine: text("machine-a"), alias: text("machine-a:live"), ..Filter::default() },
        Filter { version: text("machine-b:0"), ..Filter::default() },
        Filter { alias: text("machine-b:live"), version: text("machine-b:0"), ..Filter::default() },
        Filter { machine: text("machine-a"), map_run: text("run-a"), ..Filter::default() },
    ];
    let mut filters = Vec::new();
    for owner in owners {
        let statuses = Status::ALL.map(Some);
        for status in statuses.into_iter().chain([None]) {
            for is_redriven in [None, Some(true), Some(false)] {
                filters.push(Filter { status, is_redriven, ..owner.clone() });
            }
        }
    }
    filters
}

/// The executions that a filter must find, computed from its definition.
fn expected(rows: &BTreeMap<ExecutionId, ExecutionRow>, filter: &Filter) -> Vec<ExecutionRow> {
    let about = |row: &ExecutionRow| row.about.clone();
    let mut found: Vec<ExecutionRow> =
        rows.values()
            .filter(|row| {
                filter.machine.as_ref().is_none_or(|machine| {
                    *machine == about(row).machine && row.about.map_run.is_none()
                }) && (filter.version.is_none() || filter.version == row.about.version)
                    && (filter.alias.is_none() || filter.alias == row.about.alias)
                    && (filter.map_run.is_none() || filter.map_run == row.about.map_run)
                    && filter.status.is_none_or(|status| status == row.status)
                    && filter.is_redriven.is_none_or(|is| is == row.redriven.is_some())
            })
            .cloned()
            .collect();
    let is_ordered_by_number = *filter
        == Filter { status: filter.status, is_redriven: filter.is_redriven, ..Filter::default() };
    found.sort_by_key(|row| {
        let started_at = if is_ordered_by_number { 0 } else { row.about.started_at };
        std::cmp::Reverse((started_at, row.id))
    });
    found
}

async fn compare(
    store: &dyn Store,
    rows: &BTreeMap<ExecutionId, ExecutionRow>,
    chance: &mut Chance,
) {
    for filter in filters() {
        let expected = expected(rows, &filter);
        let mut counts: BTreeMap<Status, u64> = BTreeMap::new();
        for row in &expected {
            *counts.entry(row.status).or_default() += 1;
        }
        let counted = store.count(filter.clone()).await.expect("it can be counted");
        assert_eq!(counted, Vec::from_iter(counts), "{filter:?}");
        // The pages one after another give the whole list.
        let most = chance.below(25) as usize + 1;
        let mut listed = Vec::new();
        let mut after = None;
        loop {
            let page = Page { after, most };
            let rows = store.list(filter.clone(), page).await.expect("it can be listed");
            assert!(rows.len() <= most);
            let Some(last) = rows.last() else { break };
            after = Some((last.about.started_at, last.id));
            listed.extend(rows);
        }
        assert_eq!(listed, expected, "{filter:?}");
    }
    compare_orders(store, rows, chance).await;
    let mut live = Vec::new();
    while let page = store.live(&Shards::ALL, live.last(), 3).await.expect("it can be read")
        && !page.is_empty()
    {
        live.extend(page);
    }
    let mut expected: Vec<_> = rows.values().filter(|row| !row.status.is_over()).cloned().collect();
    live.sort_by_key(|row| row.id);
    expected.sort_by_key(|row| row.id);
    assert_eq!(live, expected);

    let mut recorded = Vec::new();
    let mut from = ExecutionId(0);
    while let Some(first) = store.first_from(from).await.expect("it can be read") {
        let part = store.recorded(first.0..first.0 + 5, 60).await.expect("it can be read");
        let last = part.last().expect("the first one is there").row.id;
        recorded.extend(part);
        from = ExecutionId(last.0 + 1);
    }
    assert_eq!(
        recorded.iter().map(|one| &one.row).collect::<Vec<_>>(),
        rows.values().collect::<Vec<_>>()
    );
    for one in recorded {
        let read = |part, most| store.history(one.row.id, part, most);
        let all = read(HistoryPart::After(0), usize::MAX).await.expect("it can be read");
        assert!(all.starts_with(&one.chunks) && !one.chunks.is_empty());
        // Read one by one, from either end, they are the same chunks.
        let (mut forwards, mut place) = (Vec::new(), 0);
        while let [chunk] = &read(HistoryPart::After(place), 1).await.expect("it can be read")[..] {
            place = chunk.len;
            forwards.push(chunk.clone());
        }
        assert_eq!(forwards, all);
        let (mut backwards, mut place) = (Vec::new(), u64::MAX);
        while let [chunk] = &read(HistoryPart::UpTo(place), 1).await.expect("it can be read")[..] {
            place = chunk.len - 1;
            backwards.push(chunk.clone());
        }
        backwards.reverse();
        assert_eq!(backwards, all);
    }
    let wrong = store.verify(Arc::new(AtomicBool::new(false))).await.expect("it can be checked");
    assert_eq!(wrong, Vec::<String>::new());
}

/// The pages of another order, one after another.
async fn pages(
    store: &dyn Store,
    most: usize,
    sorted: impl Fn(Option<&ExecutionRow>) -> Sorted,
) -> Vec<ExecutionRow> {
    let mut listed: Vec<ExecutionRow> = Vec::new();
    loop {
        let page = store.sorted(sorted(listed.last()), most).await.expect("it can be read");
        assert!(page.len() <= most);
        if page.is_empty() {
            return listed;
        }
        listed.extend(page);
    }
}

async fn compare_orders(
    store: &dyn Store,
    rows: &BTreeMap<ExecutionId, ExecutionRow>,
    chance: &mut Chance,
) {
    let most = chance.below(25) as usize + 1;
    let has_owner = |filter: &Filter| filter.machine.is_some() != filter.map_run.is_some();
    let is_plain = |filter: &Filter| filter.version.is_none() && filter.alias.is_none();
    for filter in filters().into_iter().filter(|filter| has_owner(filter) && is_plain(filter)) {
        let mut expected = expected(rows, &filter);
        expected.reverse();
        let sorted = |last: Option<&ExecutionRow>| Sorted::Oldest {
            filter: filter.clone(),
            after: last.map(|row| (row.about.started_at, row.id)),
        };
        assert_eq!(pages(store, most, sorted).await, expected, "{filter:?}");
    }
    for (machine, prefix) in [("machine-a", ""), ("machine-a", "execution-1"), ("machine", "")] {
        let start = format!("{machine}:{prefix}");
        let mut expected: Vec<_> =
            rows.values().filter(|row| row.about.arn.starts_with(&start)).cloned().collect();
        expected.sort_by(|one, other| one.about.arn.cmp(&other.about.arn));
        let name = |row: &ExecutionRow| row.about.arn.rsplit(':').next().map(str::to_owned);
        let sorted = |last: Option<&ExecutionRow>| Sorted::Named {
            machine: machine.to_owned(),
            prefix: prefix.to_owned(),
            after: last.and_then(name),
        };
        assert_eq!(pages(store, most, sorted).await, expected, "{start}");
    }
    let place = |row: &ExecutionRow| row.stopped_at.map(|at| (at, row.id));
    let mut expected: Vec<_> = rows.values().filter(|row| place(row).is_some()).cloned().collect();
    expected.sort_by_key(|row| std::cmp::Reverse(place(row)));
    let sorted = |last: Option<&ExecutionRow>| Sorted::Ended { after: last.and_then(place) };
    assert_eq!(pages(store, most, sorted).await, expected);
}

#[test]
fn map_runs_are_listed_from_the_latest_to_the_first() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    runtime().block_on(async {
        for store in stores(folder.path()).await {
            let mut chance = Chance(3);
            let mut expected = Vec::new();
            for number in 0..40 {
                let id = store.new_id();
                let run = MapRunRow {
                    arn: format!("run-{}-{number}", chance.below(10)),
                    execution: id,
                    started_at: 1_000 + chance.below(8) as i64,
                    more: vec![1],
                };
                expected.push(run.clone());
                let append = Append { map_runs: vec![run], ..start(id, &mut chance) };
                store.append(append).await.expect("it fits");
            }
            let place = |run: &MapRunRow| (run.started_at, run.arn.clone());
            expected.sort_by_key(|run| std::cmp::Reverse(place(run)));
            let mut listed: Vec<MapRunRow> = Vec::new();
            while let page = store.latest_map_runs(listed.last().map(place), 7).await
                && let page = page.expect("it can be read")
                && !page.is_empty()
            {
                listed.extend(page);
            }
            assert_eq!(listed, expected);
            store.close().await;
        }
    });
}

#[test]
fn lists_and_counts_find_what_is_there() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    runtime().block_on(async {
        for store in stores(folder.path()).await {
            let mut chance = Chance(11);
            let mut ids: Vec<ExecutionId> = Vec::new();
            for round in 0..6 {
                for _ in 0..60 {
                    let append = if ids.is_empty() || chance.below(2) == 0 {
                        let id = store.new_id();
                        ids.push(id);
                        start(id, &mut chance)
                    } else {
                        let id = *chance.pick(&ids);
                        let row = store.execution(id).await.expect("it can be read");
                        let Some(row) = row else { continue };
                        turn(&row, &mut chance)
                    };
                    store.append(append.clone()).await.expect("it fits");
                    // The same append a second time does not fit, and changes nothing.
                    let again = store.append(append.clone()).await;
                    match append.about {
                        Some(_) => assert!(matches!(again, Err(AppendError::Exists)), "{again:?}"),
                        None => assert!(matches!(again, Err(AppendError::Conflict)), "{again:?}"),
                    }
                }
                if round == 3 {
                    let ended = store.ended(2_050, 15).await.expect("they are found");
                    assert!(!ended.is_empty() && ended.is_sorted_by_key(|row| row.stopped_at));
                    let ids: Vec<ExecutionId> = ended.iter().map(|row| row.id).collect();
                    // What has ended since stays, as does what has not ended.
                    let first = ended[0].stopped_at.expect("it has ended");
                    assert_eq!(store.forget(ids.clone(), first).await.ok(), Some(0));
                    let forgotten = store.forget(ids.clone(), 2_050).await.expect("it forgets");
                    assert_eq!(forgotten, ids.len() as u64);
                    assert_eq!(store.forget(ids, 2_050).await.ok(), Some(0));
                }
                if round == 4 {
                    let rows = all(&*store, &ids).await;
                    let ended = rows
                        .values()
                        .filter(|row| row.about.machine == "machine-b" && row.status.is_over());
                    let ended = ended.count() as u64;
                    assert!(ended > 0);
                    assert_eq!(store.forget_machine("machine-b").await.expect("it forgets"), ended);
                }
                let rows = all(&*store, &ids).await;
                compare(&*store, &rows, &mut chance).await;
            }
            store.close().await;
        }
    });
}

async fn all(store: &dyn Store, ids: &[ExecutionId]) -> BTreeMap<ExecutionId, ExecutionRow> {
    let mut rows = BTreeMap::new();
    for id in ids {
        if let Some(row) = store.execution(*id).await.expect("it can be read") {
            rows.insert(*id, row);
        }
    }
    rows
}

#[test]
fn what_many_change_at_once_is_counted_once() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    runtime().block_on(async {
        for store in stores(folder.path()).await {
            let mut chance = Chance(5);
            // Transactions then hold many of them.
            let starts: Vec<_> = (0..3_000)
                .map(|_| {
                    let append = start(store.new_id(), &mut chance);
                    [store.append(append.clone()), store.append(append)]
                })
                .collect();
            let mut kept = 0;
            for [first, second] in starts {
                kept += u64::from(first.await.is_ok()) + u64::from(second.await.is_ok());
            }
            assert_eq!(kept, 3_000);
            let counts = store.count(Filter::default()).await.expect("it can be counted");
            assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 3_000);
            let wrong = store.verify(Arc::new(AtomicBool::new(false))).await;
            assert_eq!(wrong.expect("it can be checked"), Vec::<String>::new());
        }
    });
}
