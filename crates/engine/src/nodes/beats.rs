//! Which nodes are dead: those whose beat stands still.

use std::collections::BTreeMap;
use std::time::Duration;
use stepwright_store::{Member, Members, NodeId};
use tokio::time::Instant;

/// A node is dead once the same beat has stood for so long.
pub(super) const DEAD_AFTER: Duration = Duration::from_secs(10);

/// Whoever has not looked for so long does not know how long a beat has stood.
const BLIND_AFTER: Duration = Duration::from_secs(6);

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
    pub(super) fn has_beaten(&self, node: &Member) -> bool {
        self.seen.get(&node.id).is_some_and(|(beat, _)| *beat != node.beat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::shares::tests::members;

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
}
