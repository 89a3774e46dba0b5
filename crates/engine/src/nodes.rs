//! Nodes that share a store: which executions this one drives, and what becomes of those of a node that
//! is gone.
//!
//! A shard is *held* from when it was claimed: what the engine itself does with its executions is done.
//! It is *open* once everything in it was resumed: then others may begin and reach executions in it.

use crate::bells::Bells;
use crate::mailbox::is_in_memory;
use crate::peers::Peers;
use crate::{Engine, OpenError};
use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stepwright_json::json;
use stepwright_store::{ExecutionId, Member, Members, Membership, NodeId, Shards, StoreError};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

/// How often a node beats, and how often it looks for other changes.
const BEAT_EVERY: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A node is dead once the same beat has stood for so long.
const DEAD_AFTER: Duration = Duration::from_secs(10);

/// Whoever has not looked for so long does not know how long a beat has stood.
const BLIND_AFTER: Duration = Duration::from_secs(6);

/// How far a clock may be from the store's: what AWS accepts in signatures. From where on it is told.
const MOST_SKEW_MILLIS: i64 = 5 * 60_000;
const TOLD_SKEW_MILLIS: i64 = 10_000;

/// How long a node that answers at this one's address may take to end, and how long it has to answer.
const TO_LEAVE: Duration = Duration::from_secs(5);
const TO_ANSWER: Duration = Duration::from_secs(1);

/// How many shards are resumed and then opened together.
const OPENED_TOGETHER: usize = 16;

/// The number of shards.
const SHARDS: usize = 256;

/// The place of this engine among the nodes that share its store.
pub(crate) struct Nodes {
    pub(crate) membership: Arc<dyn Membership>,
    /// `None` if this is to be the only node.
    pub(crate) peers: Option<Arc<dyn Peers>>,
    held: Set,
    open: Set,
    view: RwLock<Members>,
    /// Who waits for the end of an execution that another node drives.
    waiting: Mutex<FxHashMap<ExecutionId, Vec<oneshot::Sender<()>>>>,
    pub(crate) bells: Bells,
    /// Notified when there is a reason to look at once.
    ring: Notify,
    lost: watch::Sender<bool>,
    /// When the last beat began that the store has answered.
    beaten: Mutex<Instant>,
    /// Held for reading by whoever relies on this node's having a shard, so that it is not given up
    /// meanwhile.
    staying: tokio::sync::RwLock<()>,
}

/// While this is held, no shard is given up.
#[derive(Debug)]
pub struct Staying<'n>(#[expect(dead_code)] Option<tokio::sync::RwLockReadGuard<'n, ()>>);

/// A set of shards that many read at once.
#[derive(Default)]
struct Set([AtomicU64; 4]);

impl Set {
    fn has(&self, shard: u8) -> bool {
        self.0[usize::from(shard) / 64].load(Ordering::SeqCst) >> (shard % 64) & 1 == 1
    }

    fn add(&self, shards: &Shards) {
        for shard in shards.iter() {
            self.0[usize::from(shard) / 64].fetch_or(1 << (shard % 64), Ordering::SeqCst);
        }
    }

    fn remove(&self, shards: &Shards) {
        for shard in shards.iter() {
            self.0[usize::from(shard) / 64].fetch_and(!(1 << (shard % 64)), Ordering::SeqCst);
        }
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|part| part.load(Ordering::SeqCst) == 0)
    }

    fn shards(&self) -> Shards {
        (0..=u8::MAX).filter(|shard| self.has(*shard)).collect()
    }
}

/// What is known of the nodes that share a store, for whoever looks after them.
#[derive(Clone, Debug)]
pub struct NodesView {
    /// This node.
    pub me: NodeId,
    /// The nodes that are alive, each with its shards.
    pub nodes: Vec<(Member, Shards)>,
    /// The shards that nobody owns.
    pub free: Shards,
    /// The shards of this node whose executions it drives and lets others reach.
    pub open: Shards,
    /// How long ago the store has answered this node's last beat.
    pub last_beat: Duration,
}

/// Where something is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// At this node.
    Here,
    /// At the node with this address.
    At(String),
    /// Nobody does it at the moment; somebody will soon.
    Nowhere,
}

impl Nodes {
    pub(crate) fn new(membership: Arc<dyn Membership>, peers: Option<Arc<dyn Peers>>) -> Self {
        Self {
            membership,
            peers,
            held: Set::default(),
            open: Set::default(),
            view: RwLock::default(),
            waiting: Mutex::default(),
            bells: Bells::default(),
            ring: Notify::new(),
            lost: watch::Sender::new(false),
            beaten: Mutex::new(Instant::now()),
            staying: tokio::sync::RwLock::default(),
        }
    }

    pub(crate) fn holds(&self, id: ExecutionId) -> bool {
        self.held.has(id.shard())
    }

    pub(crate) fn is_open(&self, id: ExecutionId) -> bool {
        self.open.has(id.shard())
    }

    /// Whether this node is the one that changes machines and activities.
    pub(crate) fn changes_machines(&self) -> bool {
        self.held.has(0)
    }

    /// Who drives the executions of a shard.
    pub(crate) fn place(&self, shard: u8) -> Place {
        if self.open.has(shard) {
            return Place::Here;
        }
        let view = self.view.read();
        let owner = view.owners.get(usize::from(shard)).copied().flatten();
        let owner = owner.filter(|owner| *owner != self.membership.node());
        let owner = view.nodes.iter().find(|node| Some(node.id) == owner);
        owner.map_or(Place::Nowhere, |node| Place::At(node.address.clone()))
    }

    /// The addresses of the other nodes.
    pub(crate) fn others(&self) -> Vec<String> {
        let me = self.membership.node();
        let view = self.view.read();
        let others = view.nodes.iter().filter(|node| node.id != me);
        others.map(|node| node.address.clone()).collect()
    }

    /// There is a reason to look at once.
    pub(crate) fn ring(&self) {
        self.ring.notify_one();
    }

    /// Waits until an execution that another node drives may have ended.
    pub(crate) async fn over(&self, id: ExecutionId) {
        let (sender, receiver) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock();
            let senders = waiting.entry(id).or_default();
            senders.retain(|sender| !sender.is_closed());
            senders.push(sender);
        }
        // Dropped, too, when this node comes to drive it.
        drop(receiver.await);
    }

    /// Asks for the ends of all executions that are waited for.
    async fn look_for_ends(&self) -> Result<(), StoreError> {
        let ids: Vec<ExecutionId> = {
            let mut waiting = self.waiting.lock();
            waiting.retain(|_, senders| {
                senders.retain(|sender| !sender.is_closed());
                !senders.is_empty()
            });
            waiting.keys().copied().collect()
        };
        if ids.is_empty() {
            return Ok(());
        }
        self.are_over(&self.membership.over(ids).await?);
        Ok(())
    }

    /// Tells those who wait for them that these executions have ended.
    pub(crate) fn are_over(&self, ids: &[ExecutionId]) {
        let mut waiting = self.waiting.lock();
        for id in ids {
            for sender in waiting.remove(id).into_iter().flatten() {
                // Whoever waited may have stopped.
                let _ = sender.send(());
            }
        }
    }

    /// Whether a node lives, as far as this one knows.
    pub(crate) fn has(&self, node: NodeId) -> bool {
        self.view.read().nodes.iter().any(|known| known.id == node)
    }

    /// Where other nodes reach this one.
    pub(crate) fn own_address(&self) -> String {
        let me = self.membership.node();
        let view = self.view.read();
        let own = view.nodes.iter().find(|node| node.id == me);
        own.map(|node| node.address.clone()).unwrap_or_default()
    }
}

/// What is known of the beats of other nodes.
#[derive(Debug, Default)]
pub(crate) struct Beats {
    /// The last beat of each node, and since when it has stood.
    seen: BTreeMap<NodeId, (u64, Instant)>,
    last_look: Option<Instant>,
}

impl Beats {
    /// Takes in what the store says. Returns the nodes that are dead.
    ///
    /// Only the time counts in which this node could see: after a pause of its own, or of the store,
    /// every node has its time again.
    pub(crate) fn look(&mut self, members: &Members, me: NodeId, now: Instant) -> Vec<NodeId> {
        if self.last_look.is_none_or(|last| now - last > BLIND_AFTER) {
            self.seen.clear();
        }
        self.last_look = Some(now);
        let others: BTreeMap<NodeId, u64> = members
            .nodes
            .iter()
            .filter(|node| node.id != me)
            .map(|node| (node.id, node.beat))
            .collect();
        self.seen.retain(|id, _| others.contains_key(id));
        let mut dead = Vec::new();
        for (id, beat) in others {
            let (last, since) = self.seen.entry(id).or_insert((beat, now));
            if *last != beat {
                (*last, *since) = (beat, now);
            } else if now - *since >= DEAD_AFTER {
                dead.push(id);
            }
        }
        dead
    }

    /// Whether a node has beaten since it was first seen.
    fn has_beaten(&self, node: &Member) -> bool {
        self.seen.get(&node.id).is_some_and(|(beat, _)| *beat != node.beat)
    }
}

/// The shards that a node should claim, and those that it should give up, so that all nodes have about
/// as many.
pub(crate) fn share(members: &Members, me: NodeId) -> (Shards, Shards) {
    let most = SHARDS.div_ceil(members.nodes.len().max(1));
    let mine = members.shards_of(me);
    let wanted = most.saturating_sub(mine.len());
    let claimed = members.free().iter().take(wanted).collect();
    let given_up = mine.iter().skip(most).collect();
    (claimed, given_up)
}

impl Engine {
    pub(crate) fn nodes(&self) -> Option<&Nodes> {
        self.inner.nodes.as_deref()
    }

    /// Whether what this engine remembers of executions is as the store has it. A node that has not
    /// beaten for so long that others may have taken its executions does not know.
    pub(crate) fn remembers(&self) -> bool {
        self.nodes()
            .is_none_or(|nodes| nodes.beaten.lock().elapsed() < DEAD_AFTER && !*nodes.lost.borrow())
    }

    /// Whether this engine drives an execution, rather than another node.
    pub fn holds(&self, id: ExecutionId) -> bool {
        self.nodes().is_none_or(|nodes| is_in_memory(id) || nodes.holds(id))
    }

    /// A number for a new execution that this engine will drive.
    pub(crate) fn new_stored_id(&self) -> ExecutionId {
        let mut id = self.store().new_id();
        if let Some(nodes) = self.nodes() {
            // Numbers go round the shards that were claimed, some of which may not be open yet.
            for _ in 0..SHARDS {
                if nodes.is_open(id) || nodes.open.is_empty() {
                    break;
                }
                id = self.store().new_id();
            }
        }
        id
    }

    /// The nodes that share the store; `None` if only this engine can use it.
    pub fn nodes_view(&self) -> Option<NodesView> {
        let nodes = self.nodes()?;
        let view = nodes.view.read();
        let shown = view.nodes.iter().map(|node| (node.clone(), view.shards_of(node.id)));
        Some(NodesView {
            me: nodes.membership.node(),
            nodes: shown.collect(),
            free: view.free(),
            open: nodes.open.shards(),
            last_beat: nodes.beaten.lock().elapsed(),
        })
    }

    /// Where machines and activities are changed: one node does so, so that no change is lost.
    pub fn home(&self) -> Place {
        self.place_of(0)
    }

    /// Where what belongs to a shard is done.
    pub fn place_of(&self, shard: u8) -> Place {
        self.nodes().map_or(Place::Here, |nodes| nodes.place(shard))
    }

    /// Keeps a shard at this node for as long as the answer is held; `None` if it is not here. A node
    /// that loses it by force writes nothing any more, so what is done meanwhile is either written before
    /// that or never.
    pub async fn stay(&self, shard: u8) -> Option<Staying<'_>> {
        let Some(nodes) = self.nodes() else { return Some(Staying(None)) };
        let guard = nodes.staying.read().await;
        nodes.open.has(shard).then_some(Staying(Some(guard)))
    }

    /// The number of nodes that share the store, as far as this one knows: at least one.
    pub fn living_nodes(&self) -> usize {
        self.nodes().map_or(1, |nodes| nodes.view.read().nodes.len().max(1))
    }

    /// Whether other nodes can share the store.
    pub fn has_nodes(&self) -> bool {
        self.nodes().is_some()
    }

    /// Whether another node has taken this one's executions.
    pub fn is_lost(&self) -> bool {
        self.nodes().is_some_and(|nodes| *nodes.lost.borrow())
    }

    /// Waits until another node has taken this one's executions. Nothing is written any more, and the
    /// process should end.
    pub async fn lost(&self) {
        match self.nodes() {
            // The sender is there as long as the engine is.
            Some(nodes) => drop(nodes.lost.subscribe().wait_for(|lost| *lost).await),
            None => std::future::pending().await,
        }
    }

    /// Drops everything: another node drives the executions now.
    pub(crate) fn lose(&self) {
        self.inner.closing.store(true, Ordering::SeqCst);
        self.inner.timers.close();
        let Some(nodes) = self.nodes() else { return };
        if !nodes.lost.send_replace(true) {
            tracing::error!("another node has declared this one dead and taken its executions");
        }
        nodes.held.remove(&Shards::ALL);
        nodes.open.remove(&Shards::ALL);
    }

    /// Takes in the machines and activities that other nodes have changed.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let Some(nodes) = self.nodes() else { return Ok(()) };
        let _changing = self.changing().await;
        self.take_in_documents(nodes.membership.changed_documents().await?)
    }

    /// Finds a place among the nodes, and claims what nobody has.
    pub(crate) async fn join(&self) -> Result<(), OpenError> {
        let Some(nodes) = self.nodes() else { return Ok(()) };
        let me = nodes.membership.node();
        let mut beats = Beats::default();
        let begun = Instant::now();
        let members = loop {
            let members = nodes.membership.beat().await?;
            let millis = self.skew(&members);
            if millis.abs() > MOST_SKEW_MILLIS {
                return Err(OpenError::Clock { millis });
            }
            let own = members.nodes.iter().find(|node| node.id == me).cloned();
            let others = members.nodes.iter().filter(|node| node.id != me);
            let is_replaced = |node: &&Member| {
                // Two nodes with one address: the former one's process is gone, or it would still
                // listen there.
                let is_same = own.as_ref().is_some_and(|own| own.address == node.address);
                node.is_gone || (is_same && nodes.peers.is_some())
            };
            let mut dead: Vec<NodeId> =
                others.clone().filter(is_replaced).map(|node| node.id).collect();
            if let Some(alive) = others.clone().find(|node| beats.has_beaten(node))
                && nodes.peers.is_none()
            {
                return Err(OpenError::Shared { address: alive.address.clone() });
            }
            if let Some(own) = own.filter(|_| !dead.is_empty())
                && let Some(peers) = &nodes.peers
                && dead
                    .iter()
                    .any(|id| members.nodes.iter().any(|node| node.id == *id && !node.is_gone))
            {
                // This node does not listen yet: whoever answers is another one.
                let call = peers.call(&own.address, json!({"do": "look"}));
                if matches!(tokio::time::timeout(TO_ANSWER, call).await, Ok(Ok(_))) {
                    if begun.elapsed() > TO_LEAVE {
                        return Err(OpenError::SameAddress { address: own.address });
                    }
                    tokio::time::sleep(LOOK_EVERY / 2).await;
                    continue;
                }
            }
            dead.extend(beats.look(&members, me, Instant::now()));
            let is_free = nodes.peers.is_some() || others.count() == 0;
            if dead.is_empty() && is_free {
                break members;
            }
            for node in &dead {
                tracing::info!(node = node.0, "a node that is gone is forgotten");
                nodes.membership.fence(*node).await?;
            }
            if dead.is_empty() {
                tokio::time::sleep(LOOK_EVERY / 2).await;
            }
        };
        let (claimed, _) = share(&members, me);
        *nodes.view.write() = members;
        self.claim(claimed).await?;
        let engine = self.clone();
        tokio::spawn(async move { engine.look_after_nodes().await });
        Ok(())
    }

    /// How far this machine's clock is ahead of the store's, in milliseconds.
    fn skew(&self, members: &Members) -> i64 {
        members.time.map_or(0, |time| self.now().0 - time)
    }

    /// Beats, and sees what has become of the other nodes.
    async fn look_after_nodes(self) {
        let Some(nodes) = self.nodes() else { return };
        let me = nodes.membership.node();
        let mut beats = Beats::default();
        let mut next_beat = Instant::now();
        let mut is_told = false;
        while !self.is_closing() {
            let rung = tokio::time::timeout(LOOK_EVERY, nodes.ring.notified()).await.is_ok();
            if self.is_closing() {
                return;
            }
            if let Err(error) = self.refresh().await {
                tracing::warn!(%error, "what other nodes have changed cannot be read");
            }
            if let Err(error) = nodes.look_for_ends().await {
                tracing::warn!(%error, "the ends of executions at other nodes cannot be read");
            }
            if !rung && Instant::now() < next_beat {
                continue;
            }
            next_beat = Instant::now() + BEAT_EVERY;
            let begun = Instant::now();
            let members = match nodes.membership.beat().await {
                Ok(members) => members,
                Err(error) => {
                    tracing::warn!(%error, "this node cannot show that it is alive");
                    continue;
                }
            };
            if !members.nodes.iter().any(|node| node.id == me) {
                return self.lose();
            }
            // An answer that was long under way tells nothing of the clock.
            let skew = self.skew(&members);
            if skew.abs() > TOLD_SKEW_MILLIS && begun.elapsed() < BEAT_EVERY && !is_told {
                is_told = true;
                tracing::warn!(millis = skew, "this machine's clock differs from the store's");
            }
            // Not before: what a node remembers that was taken for dead is old.
            *nodes.beaten.lock() = begun;
            let dead = beats.look(&members, me, Instant::now());
            self.look_after_orphans(nodes, &members);
            *nodes.view.write() = members.clone();
            if let Err(error) = self.rearrange(nodes, &members, dead).await {
                tracing::warn!(%error, "shards cannot be claimed or given up");
            }
        }
    }

    /// Nodes that are gone do not call off what they were to call off.
    fn look_after_orphans(&self, nodes: &Nodes, members: &Members) {
        let gone: Shards = {
            let before = nodes.view.read();
            let is_gone = |id: &NodeId| !members.nodes.iter().any(|node| node.id == *id);
            let gone = before.nodes.iter().map(|node| node.id).filter(is_gone);
            gone.flat_map(|id| before.shards_of(id).iter().collect::<Vec<_>>()).collect()
        };
        if !gone.is_empty() {
            let engine = self.clone();
            tokio::spawn(async move { engine.stop_orphans_of(gone).await });
        }
    }

    async fn rearrange(
        &self,
        nodes: &Nodes,
        members: &Members,
        dead: Vec<NodeId>,
    ) -> Result<(), StoreError> {
        if !dead.is_empty() {
            for node in dead {
                tracing::warn!(node = node.0, "a node is dead, and its executions are taken over");
                nodes.membership.fence(node).await?;
            }
            // What it had is free now.
            nodes.ring();
            return Ok(());
        }
        let me = nodes.membership.node();
        let (mut claimed, given_up) = share(members, me);
        // Those that could not be resumed at the first attempt, or given up, are this node's as well.
        for shard in members.shards_of(me).iter().filter(|shard| !nodes.held.has(*shard)) {
            claimed.insert(shard);
        }
        if !claimed.is_empty() {
            self.claim(claimed).await?;
        }
        // What is still being resumed is given up later.
        let given_up: Shards = given_up.iter().filter(|shard| nodes.open.has(*shard)).collect();
        if nodes.peers.is_some() && !given_up.is_empty() {
            self.give_up(nodes, given_up).await?;
        }
        Ok(())
    }

    /// Takes those of these shards that nobody else has, resumes their executions in the background,
    /// and then lets others reach them.
    async fn claim(&self, wanted: Shards) -> Result<(), StoreError> {
        let Some(nodes) = self.nodes() else { return Ok(()) };
        let claimed = nodes.membership.claim(wanted).await?;
        let claimed: Shards = claimed.iter().filter(|shard| !nodes.held.has(*shard)).collect();
        if claimed.is_empty() {
            return Ok(());
        }
        tracing::info!(shards = claimed.len(), "executions are taken over");
        {
            let mut view = nodes.view.write();
            let me = nodes.membership.node();
            for shard in claimed.iter() {
                if let Some(owner) = view.owners.get_mut(usize::from(shard)) {
                    *owner = Some(me);
                }
            }
        }
        // Their definitions are known, and what is parked stays so.
        self.refresh().await?;
        self.resume_parked().await?;
        nodes.held.add(&claimed);
        let engine = self.clone();
        tokio::spawn(async move {
            // A part after the other, so that others need not wait until everything is resumed.
            let all: Vec<u8> = claimed.iter().collect();
            for part in all.chunks(OPENED_TOGETHER) {
                let part: Shards = part.iter().copied().collect();
                engine.clone().resume(part, None).await;
                let Some(nodes) = engine.nodes().filter(|_| !engine.is_closing()) else { return };
                nodes.open.add(&part);
                // Whoever waited for the end of one of these hears of it as of any other.
                nodes.waiting.lock().retain(|id, _| !part.has(id.shard()));
            }
            if let Some(nodes) = engine.nodes().filter(|_| !engine.is_closing()) {
                engine.fire_missed();
                let kept = claimed.iter().filter(|shard| nodes.open.has(*shard)).collect();
                engine.options().observer.taken_over(&kept);
            }
        });
        Ok(())
    }

    /// Stops driving the executions of these shards, and lets others have them.
    async fn give_up(&self, nodes: &Nodes, shards: Shards) -> Result<(), StoreError> {
        tracing::info!(shards = shards.len(), "executions are handed over");
        {
            // A change that is under way is finished here.
            let _changing = if shards.has(0) { Some(self.changing().await) } else { None };
            nodes.open.remove(&shards);
            nodes.held.remove(&shards);
        }
        // So is what relies on them.
        drop(nodes.staying.write().await);
        while self.inner.mailboxes.driving_in(&shards) > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.inner.mailboxes.evict(&shards);
        self.inner.recent.leave(&shards);
        nodes.bells.leave(&shards);
        self.inner.spread.leave(&shards);
        nodes.membership.release(shards).await?;
        {
            let mut view = nodes.view.write();
            for shard in shards.iter() {
                if let Some(owner) = view.owners.get_mut(usize::from(shard)) {
                    *owner = None;
                }
            }
        }
        self.ring_others().await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(beats: &[(u64, u64)], owners: impl Fn(usize) -> Option<u64>) -> Members {
        let node = |(id, beat): &(u64, u64)| Member {
            id: NodeId(*id),
            address: format!("node {id}"),
            release: String::new(),
            beat: *beat,
            is_gone: false,
        };
        Members {
            nodes: beats.iter().map(node).collect(),
            owners: (0..SHARDS).map(|shard| owners(shard).map(NodeId)).collect(),
            time: None,
        }
    }

    #[test]
    fn a_node_is_dead_when_its_beat_has_stood_for_ten_seconds_that_were_watched() {
        let start = Instant::now();
        let mut beats = Beats::default();
        let mut look = |seconds: u64, other: u64| {
            let members = members(&[(1, 99), (2, other)], |_| None);
            beats.look(&members, NodeId(1), start + Duration::from_secs(seconds))
        };
        for second in (0..=8).step_by(2) {
            assert_eq!(look(second, 5), []);
        }
        // It has beaten at last.
        assert_eq!(look(10, 6), []);
        for second in (12..=18).step_by(2) {
            assert_eq!(look(second, 6), []);
        }
        // This node was stopped for a minute, or the store did not answer: nothing was seen meanwhile.
        assert_eq!(look(78, 6), []);
        for second in (80..=86).step_by(2) {
            assert_eq!(look(second, 6), []);
        }
        assert_eq!(look(88, 6), [NodeId(2)]);
    }

    #[test]
    fn shards_are_shared_evenly_and_do_not_go_back_and_forth() {
        let mut owners: Vec<Option<u64>> = vec![None; SHARDS];
        let mut nodes: Vec<(u64, u64)> = Vec::new();
        let counts = |owners: &[Option<u64>], nodes: &[(u64, u64)]| -> Vec<usize> {
            let of = |id: u64| owners.iter().filter(|owner| **owner == Some(id)).count();
            nodes.iter().map(|(id, _)| of(*id)).collect()
        };
        let settle = |owners: &mut Vec<Option<u64>>, nodes: &[(u64, u64)]| {
            let mut rounds = 0;
            loop {
                let before = owners.clone();
                for (id, _) in nodes {
                    let (claimed, given_up) =
                        share(&members(nodes, |shard| owners[shard]), NodeId(*id));
                    claimed.iter().for_each(|shard| owners[usize::from(shard)] = Some(*id));
                    given_up.iter().for_each(|shard| owners[usize::from(shard)] = None);
                }
                rounds += 1;
                assert!(rounds < 10, "{owners:?}");
                if *owners == before {
                    return;
                }
            }
        };
        for (joined, expected) in [(1, vec![256]), (2, vec![128, 128]), (3, vec![86, 86, 84])] {
            nodes.push((joined, 0));
            settle(&mut owners, &nodes);
            assert_eq!(counts(&owners, &nodes), expected);
        }
        nodes.remove(1);
        owners.iter_mut().filter(|owner| **owner == Some(2)).for_each(|owner| *owner = None);
        settle(&mut owners, &nodes);
        assert_eq!(counts(&owners, &nodes), [128, 128]);
    }
}
