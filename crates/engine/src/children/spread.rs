//! Map runs that are spread over nodes: a child whose parent and index say so is begun and driven by
//! another node, which tells the parent's node of its end.
//!
//! The parent decides when a child begins. What another node was asked for and may not have done is done
//! here: a child has a name, and begins once. An end that nobody tells is found in the store.

use super::{Child, Group, Outcome, Run, Stands, Waiting, memory};
use crate::facts::More;
use crate::mailbox::{Message, is_in_memory};
use crate::nodes::Place;
use crate::peers::{read_failure, write_failure};
use crate::recovery::Parents;
use crate::underway::Errand;
use crate::{Engine, Facts};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use stepwright_history::{EventKind, Failure, Start, TaskId};
use stepwright_interpreter::{ChildInput, Stimulus};
use stepwright_json::{Json, Object, json};
use stepwright_program::StateId;
use stepwright_store::{ExecutionId, ExecutionRow, NodeId, Shards};
use tokio::sync::{Semaphore, watch};

/// How many groups other nodes are asked for at the same time.
const CALLS: usize = 16;

/// How many map runs of other nodes' executions are remembered.
const MOST_RUNS: usize = 64;

/// How long the node that drives a child may take to tell of its end, once that is in the store.
const TO_TELL: Duration = Duration::from_secs(1);

/// What is known of map runs that are spread over nodes.
pub(crate) struct Spread {
    calls: Semaphore,
    /// Map runs of which children have begun here for another node.
    runs: Mutex<FxHashMap<(ExecutionId, TaskId), Arc<Run>>>,
    /// The executions that are driven here and that another one waits for, with that one.
    waited_for: Mutex<FxHashMap<ExecutionId, ExecutionId>>,
}

impl Default for Spread {
    fn default() -> Self {
        Self { calls: Semaphore::new(CALLS), runs: Mutex::default(), waited_for: Mutex::default() }
    }
}

impl Spread {
    /// It has ended.
    pub(crate) fn ended(&self, id: ExecutionId) {
        self.waited_for.lock().remove(&id);
    }

    /// Other nodes drive what is in these shards from now on.
    pub(crate) fn leave(&self, shards: &Shards) {
        self.waited_for.lock().retain(|id, _| !shards.has(id.shard()));
    }
}

/// The shard whose node is to have a child.
fn shard_of_child(parent: ExecutionId, index: u32) -> u8 {
    let mixed = parent.0 ^ u64::from(index).rotate_left(32);
    (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
}

impl Engine {
    /// The address of the node that is to have a child; `None` if that is this one.
    pub(super) fn place_of_child(&self, run: &Run, index: u32) -> Option<String> {
        let parent = run.parent_facts.id;
        // A redriven child is where it was.
        if run.is_express || run.redriven_at.is_some() || is_in_memory(parent) {
            return None;
        }
        let nodes = self.nodes().filter(|nodes| nodes.peers.is_some())?;
        match nodes.place(shard_of_child(parent, index)) {
            Place::At(address) => Some(address),
            Place::Here | Place::Nowhere => None,
        }
    }

    /// Asks another node to begin children. Returns those that are to be begun here, because it did not,
    /// or may not have.
    pub(super) async fn begin_elsewhere(
        &self,
        run: &Arc<Run>,
        address: &str,
        mut children: Vec<Waiting>,
    ) -> Vec<Waiting> {
        let Some((nodes, peers)) =
            self.nodes().and_then(|nodes| Some((nodes, nodes.peers.as_ref()?)))
        else {
            return children;
        };
        let reply = {
            let _call = self.inner.spread.calls.acquire().await;
            children.retain(|child| !*child.cancelled.borrow());
            if children.is_empty() {
                return children;
            }
            peers.call(address, write_children(run, &children, nodes.membership.node())).await
        };
        let mut begun = match reply {
            Ok(reply) => read_begun(&reply),
            Err(error) => {
                tracing::debug!(address, %error, "a node does not begin children of a map run");
                BTreeMap::new()
            }
        };
        let (mut left, mut ended) = (Vec::new(), Vec::new());
        for waiting in children {
            match begun.remove(&waiting.index) {
                Some(Away::Ended(outcome)) => ended.push((waiting.index, outcome)),
                Some(Away::Runs(id)) => {
                    let child = Child { run: run.clone(), index: waiting.index };
                    let (engine, errand) = (self.clone(), self.inner.underway.begin());
                    let cancelled = waiting.cancelled;
                    tokio::spawn(
                        async move { engine.see_away(child, id, cancelled, errand).await },
                    );
                }
                None => left.push(waiting),
            }
        }
        self.report_children(run, &mut ended).await;
        left
    }

    /// Sees to a child that another node drives, in case nobody tells of its end.
    async fn see_away(
        &self,
        child: Child,
        id: ExecutionId,
        mut cancelled: watch::Receiver<bool>,
        errand: Errand,
    ) {
        errand.rest();
        let over = async {
            if let Some(nodes) = self.nodes() {
                nodes.over(id).await;
            }
            tokio::time::sleep(TO_TELL).await;
        };
        let called_off = tokio::select! {
            () = over => None,
            called_off = cancelled.wait_for(|cancelled| *cancelled) => Some(called_off.is_ok()),
        };
        match called_off {
            Some(true) => self.stop_child(&child.arn()).await,
            // Its end was told, or another node sees to the parent now.
            Some(false) => {}
            None => {
                errand.resume();
                Box::pin(self.run_to_end(child, Stands::Began, cancelled, errand)).await;
            }
        }
    }

    /// Begins children of an execution that another node drives. What comes of those that do not end
    /// at once is told to that node later. `None` if it is not understood.
    pub(crate) async fn begin_for_other(&self, request: &Json) -> Option<Json> {
        let number = |key: &str| request.get(key).and_then(Json::as_i64);
        let from = NodeId(number("from")? as u64);
        let parent = ExecutionId(number("parent")? as u64);
        let told = Told {
            task: TaskId(number("run")? as u64),
            arn: request.get("map-run")?.as_str()?,
            first: StateId(u32::try_from(number("first")?).ok()?),
        };
        let children = read_children(request.get("children")?)?;
        let Some(run) = self.run_of_other(parent, &told).await else {
            return Some(write_begun(&[], &[]));
        };
        let turn = self.inner.memory.turn_to_begin(children.len()).await;
        let mut group = Group::new(self.inner.memory.share());
        for (index, input) in children {
            // Whoever asks begins the others when there is room again.
            if self.is_closing() || !self.inner.memory.has_room_for_child() {
                break;
            }
            let input = self.lasting_input(&run, input).await;
            let child = Child { run: run.clone(), index };
            self.take_first_turn(child, input, watch::channel(false).1, &mut group).await;
        }
        self.confirm_all(&mut group).await;
        drop(turn);
        let mut running = Vec::new();
        for (child, stands, _) in group.others {
            let Stands::Runs(id, news) = stands else { continue };
            running.push((child.index, id));
            let engine = self.clone();
            tokio::spawn(async move {
                // Whoever drives it after this node is asked by the parent's.
                if let Ok((snapshot, _errand)) = news.await {
                    engine.tell_parent(&child.run, child.index, snapshot.result());
                }
            });
        }
        // The node that asked may have been lost meanwhile, with what it was to call off.
        if !self.nodes().is_some_and(|nodes| nodes.has(from)) {
            self.stop_orphans(running.iter().map(|(_, id)| *id).collect()).await;
        }
        Some(write_begun(&group.ended, &running))
    }

    /// Tells the node of the parent of an end, together with those that come meanwhile.
    fn tell_parent(&self, run: &Arc<Run>, index: u32, outcome: Outcome) {
        let mut share = self.inner.memory.share();
        share.set(outcome.as_ref().map_or(0, memory));
        {
            let mut untold = run.untold.lock();
            if let Some(untold) = untold.as_mut() {
                return untold.push((index, outcome, share));
            }
            *untold = Some(vec![(index, outcome, share)]);
        }
        let (engine, run) = (self.clone(), run.clone());
        tokio::spawn(async move {
            loop {
                let told = {
                    let mut untold = run.untold.lock();
                    let told = untold.replace(Vec::new()).unwrap_or_default();
                    if told.is_empty() {
                        *untold = None;
                        return;
                    }
                    told
                };
                let (mut ended, mut shares) = (Vec::new(), Vec::new());
                for (index, outcome, share) in told {
                    ended.push((index, outcome));
                    shares.push(share);
                }
                engine.report_children(&run, &mut ended).await;
            }
        });
    }

    /// A map run of an execution that another node drives.
    async fn run_of_other(&self, parent: ExecutionId, told: &Told<'_>) -> Option<Arc<Run>> {
        let key = (parent, told.task);
        if let Some(known) = self.inner.spread.runs.lock().get(&key) {
            return Some(known.clone());
        }
        let (facts, start) = self.beginning_of_stored(parent).await?;
        let run = Arc::new(Run {
            parent_facts: Arc::new(facts),
            start,
            task: told.task,
            arn: told.arn.into(),
            first: told.first,
            is_express: false,
            redriven_at: None,
            untold: Mutex::default(),
        });
        let mut runs = self.inner.spread.runs.lock();
        if runs.len() >= MOST_RUNS {
            runs.clear();
        }
        Some(runs.entry(key).or_insert(run).clone())
    }

    /// What never changes of an execution, and how it began.
    async fn beginning_of_stored(&self, id: ExecutionId) -> Option<(Facts, Start)> {
        let row = self.store().execution(id).await.ok().flatten()?;
        let facts = self.facts(row).await.ok()?;
        let events = self.piece_after(id, 0).await.ok()?;
        let start = events.into_iter().find_map(|event| match event.kind {
            EventKind::ExecutionStarted(start) => Some(*start),
            _ => None,
        })?;
        Some((facts, start))
    }

    /// Nodes are gone that had these shards: what they were to call off is looked after here.
    pub(crate) async fn stop_orphans_of(&self, shards: Shards) {
        let ids: Vec<ExecutionId> = {
            let waited_for = self.inner.spread.waited_for.lock();
            let of = waited_for.iter().filter(|(_, parent)| shards.has(parent.shard()));
            let mut ids: Vec<_> = of.map(|(id, parent)| (*parent, *id)).collect();
            // Those of one parent follow one another, so that it is read once.
            ids.sort_unstable();
            ids.into_iter().map(|(_, id)| id).collect()
        };
        self.stop_orphans(ids).await;
    }

    /// Stops those of these executions that nobody waits for any more.
    async fn stop_orphans(&self, ids: Vec<ExecutionId>) {
        let mut parents = Parents::default();
        for id in ids {
            let Ok(Some(row)) = self.store().execution(id).await else { continue };
            if self.holds(id) && self.is_orphan(&row, &mut parents).await {
                let failure = Failure::default();
                self.deliver(id, Message::new(Stimulus::Stop { failure }));
            }
        }
    }

    /// Remembers who waits for an execution of this node.
    pub(crate) fn note_parent(&self, facts: &Facts) {
        if let Some(parent) = facts.parent.filter(|_| self.has_nodes()) {
            self.inner.spread.waited_for.lock().insert(facts.id, parent.execution);
        }
    }

    /// The same for an execution that is taken over.
    pub(crate) fn note_parent_of(&self, row: &ExecutionRow) {
        let more = More::read(&row.about.more);
        if let Some(parent) = more.and_then(|more| more.parent).filter(|_| self.has_nodes()) {
            self.inner.spread.waited_for.lock().insert(row.id, parent.execution);
        }
    }
}

/// What another node says of a map run.
struct Told<'r> {
    task: TaskId,
    arn: &'r str,
    first: StateId,
}

/// What has come of a child at another node.
enum Away {
    Ended(Outcome),
    Runs(ExecutionId),
}

fn write_children(run: &Run, children: &[Waiting], from: NodeId) -> Json {
    let number = |number: u64| Json::Int(number as i64);
    let children: Vec<Json> = children
        .iter()
        .map(|child| {
            let index = number(u64::from(child.index));
            match &child.input {
                ChildInput::Given(input) => json!({"at": (index), "input": (input.clone())}),
                ChildInput::Recorded { after, at } => json!({
                    "at": (index), "page": (number(*after)), "item": (number(u64::from(*at)))
                }),
            }
        })
        .collect();
    json!({
        "do": "children",
        "from": (number(from.0)),
        "parent": (number(run.parent_facts.id.0)),
        "run": (number(run.task.0)),
        "map-run": (Json::from(run.arn.clone())),
        "first": (number(u64::from(run.first.0))),
        "children": (Json::from(children))
    })
}

fn read_children(children: &Json) -> Option<Vec<(u32, ChildInput)>> {
    let child = |child: &Json| {
        let number = |key: &str| child.get(key).and_then(Json::as_i64);
        let index = u32::try_from(number("at")?).ok()?;
        let input = match child.get("input") {
            Some(input) => ChildInput::Given(input.clone()),
            None => ChildInput::Recorded {
                after: number("page")? as u64,
                at: u32::try_from(number("item")?).ok()?,
            },
        };
        Some((index, input))
    };
    children.as_array()?.iter().map(child).collect()
}

fn write_begun(ended: &[(u32, Outcome)], running: &[(u32, ExecutionId)]) -> Json {
    let running: Vec<Json> = running
        .iter()
        .map(|(index, id)| {
            json!({"at": (Json::Int(i64::from(*index))), "execution": (Json::Int(id.0 as i64))})
        })
        .collect();
    json!({"ended": (write_ends(ended)), "running": (Json::from(running))})
}

fn read_begun(reply: &Json) -> BTreeMap<u32, Away> {
    let ended = reply.get("ended").and_then(read_ends).unwrap_or_default();
    let mut begun: BTreeMap<u32, Away> =
        ended.into_iter().map(|(index, outcome)| (index, Away::Ended(outcome))).collect();
    let running = reply.get("running").and_then(Json::as_array);
    for one in running.into_iter().flat_map(|all| all.iter()) {
        let number = |key: &str| one.get(key).and_then(Json::as_i64);
        let index = number("at").and_then(|index| u32::try_from(index).ok());
        if let (Some(index), Some(id)) = (index, number("execution")) {
            begun.insert(index, Away::Runs(ExecutionId(id as u64)));
        }
    }
    begun
}

/// Writes what has come of children.
pub(crate) fn write_ends(ended: &[(u32, Outcome)]) -> Json {
    let end = |(index, outcome): &(u32, Outcome)| {
        let mut end = Object::new();
        end.insert("at", Json::Int(i64::from(*index)));
        match outcome {
            Ok(output) => end.insert("output", output.clone()),
            Err(failure) => end.insert("failure", write_failure(failure)),
        };
        Json::from(end)
    };
    ended.iter().map(end).collect::<Vec<_>>().into()
}

/// Reads what [`write_ends`] has written.
pub(crate) fn read_ends(ended: &Json) -> Option<Vec<(u32, Outcome)>> {
    let end = |end: &Json| {
        let index = u32::try_from(end.get("at")?.as_i64()?).ok()?;
        let outcome = match (end.get("output"), end.get("failure")) {
            (Some(output), _) => Ok(output.clone()),
            (None, Some(failure)) => Err(read_failure(failure)),
            (None, None) => return None,
        };
        Some((index, outcome))
    };
    ended.as_array()?.iter().map(end).collect()
}
