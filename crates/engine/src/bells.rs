//! Bells between nodes: who waits for an end or for a task at another node is told when it is there.
//!
//! Nothing relies on them. A bell that is lost costs a second, for whoever waits also looks once a second.

use crate::Engine;
use crate::nodes::Place;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::time::Duration;
use stepwright_json::{Json, Object};
use stepwright_store::{ExecutionId, Shards};
use tokio::time::Instant;

/// How long what is told to a node is collected, so that one call tells much.
const COLLECTED: Duration = Duration::from_millis(5);

/// How long a node is told of tasks after it has asked for one: it asks once a second.
const ASKED: Duration = Duration::from_secs(2);

/// The most executions that other nodes are told of.
const MOST_WATCHED: usize = 100_000;

/// Who is told of what, and what is to be told.
#[derive(Debug, Default)]
pub(crate) struct Bells {
    /// The addresses of the nodes that wait for the end of an execution.
    watched: Mutex<FxHashMap<ExecutionId, Vec<String>>>,
    /// The addresses of the nodes that wait for a task of an activity, and until when.
    asked: Mutex<FxHashMap<String, BTreeMap<String, Instant>>>,
    /// What is to be told, by address.
    outgoing: Mutex<BTreeMap<String, Outgoing>>,
}

#[derive(Debug, Default)]
struct Outgoing {
    /// The executions whose end this node waits for.
    watch: Vec<ExecutionId>,
    /// The executions that have ended.
    over: Vec<ExecutionId>,
    /// How many tasks each activity has got.
    tasks: BTreeMap<String, i64>,
}

impl Bells {
    /// Forgets who waits for executions that another node drives from now on.
    pub(crate) fn leave(&self, shards: &Shards) {
        self.watched.lock().retain(|id, _| !shards.has(id.shard()));
    }
}

fn numbers(ids: &[ExecutionId]) -> Json {
    ids.iter().map(|id| Json::Int(id.0 as i64)).collect::<Vec<_>>().into()
}

fn read_numbers(request: &Json, key: &str) -> Vec<ExecutionId> {
    let numbers = request.get(key).and_then(Json::as_array);
    let numbers = numbers.into_iter().flat_map(|all| all.iter()).filter_map(Json::as_i64);
    numbers.map(|number| ExecutionId(number as u64)).collect()
}

impl Engine {
    /// Lets the node that drives an execution tell this one when it has ended.
    pub(crate) fn watch_elsewhere(&self, id: ExecutionId) {
        let Some(nodes) = self.nodes() else { return };
        if let Place::At(address) = nodes.place(id.shard()) {
            self.tell_node(address, |outgoing| outgoing.watch.push(id));
        }
    }

    /// Tells those who wait for it that an execution has ended.
    pub(crate) fn ring_for_end(&self, id: ExecutionId) {
        let Some(nodes) = self.nodes() else { return };
        let watching = nodes.bells.watched.lock().remove(&id);
        for address in watching.into_iter().flatten() {
            self.tell_node(address, |outgoing| outgoing.over.push(id));
        }
    }

    /// Another node waits for a task of an activity.
    pub(crate) fn asks_for_task(&self, activity: &str, address: &str) {
        let Some(nodes) = self.nodes() else { return };
        let mut asked = nodes.bells.asked.lock();
        let until = Instant::now() + ASKED;
        asked.entry(activity.to_owned()).or_default().insert(address.to_owned(), until);
    }

    /// Tells those who wait for one that an activity has got a task.
    pub(crate) fn ring_for_task(&self, activity: &str) {
        let Some(nodes) = self.nodes() else { return };
        let asking: Vec<String> = {
            let mut asked = nodes.bells.asked.lock();
            let Some(asking) = asked.get_mut(activity) else { return };
            let now = Instant::now();
            asking.retain(|_, until| *until > now);
            asking.keys().cloned().collect()
        };
        for address in asking {
            self.tell_node(address, |outgoing| {
                *outgoing.tasks.entry(activity.to_owned()).or_default() += 1;
            });
        }
    }

    /// Tells a node something soon.
    fn tell_node(&self, address: String, what: impl FnOnce(&mut Outgoing)) {
        let Some(nodes) = self.nodes() else { return };
        let Some(peers) = nodes.peers.clone() else { return };
        {
            let mut outgoing = nodes.bells.outgoing.lock();
            let is_first = !outgoing.contains_key(&address);
            what(outgoing.entry(address.clone()).or_default());
            if !is_first {
                return;
            }
        }
        let engine = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(COLLECTED).await;
            let Some(nodes) = engine.nodes() else { return };
            let Some(told) = nodes.bells.outgoing.lock().remove(&address) else { return };
            let mut request = Object::new();
            request.insert("do", "bells".into());
            request.insert("from", nodes.own_address().into());
            request.insert("watch", numbers(&told.watch));
            request.insert("over", numbers(&told.over));
            let mut tasks = Object::new();
            for (activity, count) in told.tasks {
                tasks.insert(activity, Json::Int(count));
            }
            request.insert("tasks", tasks.into());
            // Whoever does not hear of it looks by itself soon.
            drop(peers.call(&address, request.into()).await);
        });
    }

    /// Hears what another node tells.
    pub(crate) async fn hear(&self, request: &Json) -> Option<()> {
        let nodes = self.nodes()?;
        nodes.are_over(&read_numbers(request, "over"));
        for (activity, count) in request.get("tasks").and_then(Json::as_object)?.iter() {
            for _ in 0..count.as_i64().unwrap_or_default().min(1_000) {
                self.inner.activities.ring(activity);
            }
        }
        let mut watch = read_numbers(request, "watch");
        watch.retain(|id| nodes.is_open(*id));
        if watch.is_empty() {
            return Some(());
        }
        let from = request.get("from").and_then(Json::as_str)?;
        {
            let mut watched = nodes.bells.watched.lock();
            for id in &watch {
                if watched.len() < MOST_WATCHED {
                    let watching = watched.entry(*id).or_default();
                    if !watching.iter().any(|address| address == from) {
                        watching.push(from.to_owned());
                    }
                }
            }
        }
        // They may have ended before.
        for id in nodes.membership.over(watch).await.ok()? {
            self.ring_for_end(id);
        }
        Some(())
    }
}
