//! Nodes that share a store: which executions this one drives, and where those are that others drive.
//!
//! A shard is *held* from when it was claimed: what the engine itself does with its executions is done.
//! It is *open* once everything in it was resumed: then others may begin and reach executions in it.

mod beats;
mod shares;

use crate::Engine;
use crate::bells::Bells;
use crate::mailbox::is_in_memory;
use crate::peers::Peers;
use beats::DEAD_AFTER;
use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stepwright_store::{ExecutionId, Member, Members, Membership, NodeId, Shards, StoreError};
use tokio::sync::{Notify, OwnedRwLockReadGuard, oneshot, watch};
use tokio::time::Instant;

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
    staying: Arc<tokio::sync::RwLock<()>>,
    /// How often this node has taken shards.
    terms: AtomicU64,
}

/// While this is held, no shard is given up.
#[derive(Debug)]
pub struct Staying {
    _guard: Option<OwnedRwLockReadGuard<()>>,
    term: u64,
}

impl Staying {
    /// A number that is another one whenever the shard may have been elsewhere in between.
    pub fn term(&self) -> u64 {
        self.term
    }
}

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
            staying: Arc::default(),
            terms: AtomicU64::new(0),
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

    /// Keeps a shard at this node for as long as the answer is held; `None` if it is not here, or if this
    /// node cannot be sure of it. A node that loses it by force writes nothing any more, so what is done
    /// meanwhile is either written before that or never.
    pub async fn stay(&self, shard: u8) -> Option<Staying> {
        let Some(nodes) = self.nodes() else { return Some(Staying { _guard: None, term: 0 }) };
        let guard = nodes.staying.clone().read_owned().await;
        let is_here = nodes.open.has(shard) && self.remembers();
        is_here.then(|| Staying { _guard: Some(guard), term: nodes.terms.load(Ordering::SeqCst) })
    }

    /// The term of a shard, as [`Staying::term`] says it; `None` while it is not here.
    pub fn term_of(&self, shard: u8) -> Option<u64> {
        let Some(nodes) = self.nodes() else { return Some(0) };
        let is_here = nodes.open.has(shard) && self.remembers();
        is_here.then(|| nodes.terms.load(Ordering::SeqCst))
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
}
