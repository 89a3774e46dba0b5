//! Which shards a node takes and gives up: when it comes, while others come and go, and when one is dead.

use super::beats::Beats;
use super::{Nodes, SHARDS};
use crate::{Engine, OpenError};
use std::sync::atomic::Ordering;
use std::time::Duration;
use stepwright_json::json;
use stepwright_store::{Member, Members, NodeId, Shards, StoreError};
use tokio::time::Instant;

/// How often a node beats, and how often it looks for other changes.
const BEAT_EVERY: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How far a clock may be from the store's: what AWS accepts in signatures. From where on it is told.
const MOST_SKEW_MILLIS: i64 = 5 * 60_000;
const TOLD_SKEW_MILLIS: i64 = 10_000;

/// How long a node that answers at this one's address may take to end, and how long it has to answer.
const TO_LEAVE: Duration = Duration::from_secs(5);
const TO_ANSWER: Duration = Duration::from_secs(1);

/// How many shards are resumed and then opened together.
const OPENED_TOGETHER: usize = 16;

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
        // What was remembered of them before they were elsewhere is old.
        nodes.terms.fetch_add(1, Ordering::SeqCst);
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
pub(super) mod tests {
    use super::*;

    pub(in crate::nodes) fn members(
        beats: &[(u64, u64)],
        owners: impl Fn(usize) -> Option<u64>,
    ) -> Members {
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
