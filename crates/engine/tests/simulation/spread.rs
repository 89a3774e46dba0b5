//! Map runs whose children are spread over several engines, while those come and go.

use super::nodes::{Link, Nodes};
use super::{Revisions, each_seed, limits, machine, seeds};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use stepwright_engine::{Engine, Machine, Revision, StartError, StartRequest};
use stepwright_history::{Event, EventKind, Failure};
use stepwright_interpreter::Status;
use stepwright_json::{Json, json};
use stepwright_program::Vintage;
use stepwright_store::{ExecutionRow, Filter, Page, Status as StoredStatus, Store as _};

/// Each seventh item fails, which is tolerated.
const SPREAD: &str = r#"{
  "StartAt": "Each",
  "States": {"Each": {
    "Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 4, "ToleratedFailureCount": 3, "End": true,
    "ItemProcessor": {
      "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
      "StartAt": "Item", "States": {
        "Item": {
          "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:echo",
          "TimeoutSeconds": 2, "Next": "Which",
          "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1000, "BackoffRate": 1.0}]},
        "Which": {"Type": "Choice", "Choices": [{"Variable": "$.fails", "BooleanEquals": true, "Next": "Bad"}], "Default": "Good"},
        "Bad": {"Type": "Fail", "Error": "Bad"},
        "Good": {"Type": "Wait", "Seconds": 1, "End": true}
      }
    }
  }}
}"#;

const ITEMS: usize = 21;
const MOST: usize = 4;

struct Runs {
    nodes: Nodes,
    revision: Arc<Revision>,
    machine: Machine,
}

impl Runs {
    fn new(seed: u64, revisions: &Revisions, revision: &Arc<Revision>) -> Self {
        let nodes = Nodes::new(seed, revisions);
        Self { nodes, revision: revision.clone(), machine: machine("spread", revision) }
    }

    /// Three nodes that have shared out the shards.
    async fn open(&self) -> Vec<(Engine, Arc<Link>)> {
        let mut nodes = Vec::new();
        for _ in 0..3 {
            nodes.push(self.nodes.open().await);
        }
        let machine = (self.machine.clone(), Some(self.revision.clone()));
        nodes[0].0.put_machine(machine.0, machine.1).await.expect("documents are kept");
        tokio::time::sleep(Duration::from_secs(20)).await;
        nodes
    }

    async fn start(&self, nodes: &[(Engine, Arc<Link>)], n: usize) -> String {
        let items: Vec<Json> = (0..ITEMS)
            .map(|item| json!({"item": (Json::Int(item as i64)), "fails": (item % 7 == 3)}))
            .collect();
        loop {
            let (engine, _) = &nodes[self.nodes.chance.below(nodes.len() as u64) as usize];
            let request = StartRequest::new(
                Arc::new(self.machine.clone()),
                self.revision.clone(),
                format!("run-{n}"),
                json!({"items": (Json::from(items.clone()))}),
            );
            match tokio::time::timeout(Duration::from_secs(5), engine.start(request)).await {
                Ok(Ok(started)) => return started.arn,
                Ok(Err(StartError::Exists { arn })) => return arn,
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// The children of an execution.
    async fn children(&self, arn: &str) -> Vec<ExecutionRow> {
        let memory = &self.nodes.memory;
        let parent = memory.execution_by_arn(arn).await.expect("it can be read");
        let runs =
            memory.map_runs(parent.expect("it is there").id).await.expect("they can be read");
        let mut children = Vec::new();
        for run in runs {
            let filter = Filter { map_run: Some(run.arn), ..Filter::default() };
            let page = Page { after: None, most: 1_000 };
            children.extend(memory.list(filter, page).await.expect("they can be read"));
        }
        children
    }

    /// Each item was done once, by an execution of its own, and never more at once than may be.
    async fn examine(&self, engine: &Engine, arn: &str) {
        let seed = self.nodes.seed;
        let children = self.children(arn).await;
        assert_eq!(children.len(), ITEMS, "seed {seed}: {arn}");
        let mut indexes = BTreeMap::new();
        for row in &children {
            let index = row.about.arn.rsplit('-').next().and_then(|index| index.parse().ok());
            let index: usize = index.expect("the name has the index");
            assert_eq!(indexes.insert(index, row.id), None, "seed {seed}: {arn}");
            let expected =
                if index % 7 == 3 { StoredStatus::Failed } else { StoredStatus::Succeeded };
            assert_eq!(row.status, expected, "seed {seed}: {}", row.about.arn);
            let mut events = Vec::new();
            let take = |event: &Event| events.push(event.clone());
            engine.history(&row.about.arn, take).await.expect("it can be read");
            let done = |event: &&Event| matches!(event.kind, EventKind::TaskSucceeded { .. });
            assert_eq!(events.iter().filter(done).count(), 1, "seed {seed}: {}", row.about.arn);
        }
        let mut changes: Vec<(i64, i32)> = Vec::new();
        for row in &children {
            changes.push((row.about.started_at, 1));
            changes.push((row.stopped_at.expect("it has ended"), -1));
        }
        // Of what happens in the same millisecond, the ends come first.
        changes.sort_unstable();
        let (mut running, mut most) = (0, 0);
        for (_, change) in changes {
            running += change;
            most = most.max(running);
        }
        assert!(most <= MOST as i32, "seed {seed}: {most} at once");
    }

    /// Returns how many children ran at another node than their parents.
    async fn run(&self) -> usize {
        let seed = self.nodes.seed;
        let chance = &self.nodes.chance;
        let mut nodes = self.open().await;
        let mut arns: Vec<String> = Vec::new();
        let (mut stopped, mut away) = (BTreeMap::new(), 0);
        for round in 0..6 {
            if round < 3 {
                arns.push(self.start(&nodes, round).await);
            }
            tokio::time::sleep(Duration::from_millis(chance.below(3_000))).await;
            let chosen = chance.below(nodes.len() as u64) as usize;
            match chance.below(6) {
                0 => {
                    let (link, lasts) = (nodes[chosen].1.clone(), 200 + chance.below(20_000));
                    link.cut(true);
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_millis(lasts)).await;
                        link.cut(false);
                    });
                }
                1 | 2 => {
                    // One is stopped, and the node that was asked dies at once.
                    let stops = chance.one_in(2);
                    if stops {
                        let arn = &arns[chance.below(arns.len() as u64) as usize];
                        let stopping = nodes[chosen].0.stop(arn, Failure::default());
                        let longest = Duration::from_secs(30);
                        if let Ok(Ok(_)) = tokio::time::timeout(longest, stopping).await {
                            stopped.insert(arn.clone(), ());
                        }
                    }
                    nodes.remove(chosen).1.cut(true);
                    nodes.push(self.nodes.open().await);
                }
                3 => {
                    let (engine, _) = nodes.remove(chosen);
                    tokio::spawn(async move { engine.shutdown().await });
                    nodes.push(self.nodes.open().await);
                }
                _ => {}
            }
            for arn in &arns {
                let parent = self.nodes.memory.execution_by_arn(arn).await.expect("it can be read");
                let owner =
                    |row: &ExecutionRow| nodes.iter().position(|(one, _)| one.holds(row.id));
                let parents = parent.as_ref().and_then(owner);
                let children = self.children(arn).await;
                away += children
                    .iter()
                    .filter(|row| !row.status.is_over() && owner(row) != parents)
                    .count();
            }
        }
        self.nodes.heal();
        tokio::time::sleep(Duration::from_mins(1)).await;
        nodes.retain(|(engine, _)| !engine.is_lost());
        nodes.push(self.nodes.open().await);
        let (engine, _) = nodes.last().expect("it was put there");
        for arn in &arns {
            let ended = tokio::time::timeout(Duration::from_hours(24), engine.ended(arn)).await;
            let Ok(Some(ended)) = ended else {
                let findings = engine.doctor().await;
                let children = self.children(arn).await;
                let children = children.iter().map(|row| (&*row.about.arn, row.id, row.status));
                let children: Vec<_> = children.collect();
                panic!("seed {seed}: {arn} does not end: {findings:?} {children:#?}");
            };
            if matches!(ended.status, Status::Succeeded { .. }) {
                self.examine(engine, arn).await;
            } else {
                let is_aborted = matches!(ended.status, Status::Aborted { .. });
                assert!(is_aborted || stopped.contains_key(arn), "seed {seed}: {:?}", ended.status);
            }
        }
        // Nobody waits for the children of those that were stopped.
        tokio::time::sleep(Duration::from_mins(1)).await;
        let filter = Filter { status: Some(StoredStatus::Running), ..Filter::default() };
        let page = Page { after: None, most: 1_000 };
        let running = engine.executions(filter, page).await.expect("they can be read");
        let running: Vec<&str> = running.iter().map(|row| &*row.about.arn).collect();
        assert!(running.is_empty(), "seed {seed}: {running:?}");
        let findings = engine.doctor().await.expect("the store can be read");
        assert!(findings.is_empty(), "seed {seed}: {findings:?}");
        away
    }
}

fn revision() -> Arc<Revision> {
    let program = Revision::compile(SPREAD, limits(), Vintage::TODAY).expect("it compiles");
    let role = "arn:aws:iam::123456789012:role/role".to_owned();
    Arc::new(Revision::new("spread".to_owned(), SPREAD.to_owned(), role, program))
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().expect("a runtime can be made")
}

#[test]
fn children_are_spread_over_nodes_that_come_and_go_and_each_item_is_done_once() {
    let (from, to) = seeds(40);
    let (revisions, revision) = (Revisions::new(), revision());
    let away = AtomicUsize::new(0);
    each_seed((from, to), |seed| {
        runtime().block_on(async {
            let runs = Runs::new(seed, &revisions, &revision);
            away.fetch_add(runs.run().await, Ordering::Relaxed);
        });
    });
    let (away, lives) = (away.into_inner() as u64, to - from);
    assert!(away >= lives, "only {away} children were seen at other nodes in {lives} lives");
}

#[test]
fn every_node_has_its_share_of_a_map_run() {
    let (revisions, revision) = (Revisions::new(), revision());
    runtime().block_on(async {
        let runs = Runs::new(1, &revisions, &revision);
        runs.nodes.heal();
        let nodes = runs.open().await;
        let mut shares = [0; 3];
        for n in 0..10 {
            let arn = runs.start(&nodes, n).await;
            let end = nodes[0].0.ended(&arn).await.expect("it is there");
            assert!(matches!(end.status, Status::Succeeded { .. }), "{:?}", end.status);
            runs.examine(&nodes[0].0, &arn).await;
            for row in runs.children(&arn).await {
                let owner = nodes.iter().position(|(engine, _)| engine.holds(row.id));
                shares[owner.expect("somebody has it")] += 1;
            }
        }
        let fewest = shares.iter().min().copied().unwrap_or_default();
        assert!(fewest > 10 * ITEMS / 3 / 2, "{shares:?}");
    });
}
