//! Nodes: the processes that share a store, and which of them drives which executions.

use crate::{DocumentChanges, ExecutionId, Pending, StoreError};

/// The number of a node. Each process has a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

/// A set of shards. Every execution is in one of 256, by its number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Shards([u64; 4]);

impl Shards {
    /// All shards.
    pub const ALL: Self = Self([u64::MAX; 4]);

    /// No shards.
    pub const NONE: Self = Self([0; 4]);

    /// The shard of something that has a name and no number. It never changes.
    pub fn of_name(name: &str) -> u8 {
        // FNV-1a, folded.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        hash.to_le_bytes().into_iter().fold(0, |folded, byte| folded ^ byte)
    }

    /// Whether this one is among them.
    pub fn has(&self, shard: u8) -> bool {
        self.0[usize::from(shard) / 64] >> (shard % 64) & 1 == 1
    }

    /// Adds a shard.
    pub fn insert(&mut self, shard: u8) {
        self.0[usize::from(shard) / 64] |= 1 << (shard % 64);
    }

    /// Takes a shard out.
    pub fn remove(&mut self, shard: u8) {
        self.0[usize::from(shard) / 64] &= !(1 << (shard % 64));
    }

    /// Their number.
    pub fn len(&self) -> usize {
        self.0.iter().map(|part| part.count_ones() as usize).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// Whether they are all 256.
    pub fn are_all(&self) -> bool {
        *self == Self::ALL
    }

    /// The shards in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=u8::MAX).filter(|shard| self.has(*shard))
    }
}

impl FromIterator<u8> for Shards {
    fn from_iter<I: IntoIterator<Item = u8>>(shards: I) -> Self {
        let mut set = Self::NONE;
        shards.into_iter().for_each(|shard| set.insert(shard));
        set
    }
}

impl std::fmt::Debug for Shards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// A node, as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its number.
    pub id: NodeId,
    /// Where other nodes reach it.
    pub address: String,
    /// The release of Stepwright that it runs.
    pub release: String,
    /// How often it has beaten.
    pub beat: u64,
    /// Whether its process is known to be gone: it ran on this machine.
    pub is_gone: bool,
}

/// Which nodes there are, and what they drive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// The nodes that are alive, by number.
    pub nodes: Vec<Member>,
    /// The owner of each of the 256 shards.
    pub owners: Vec<Option<NodeId>>,
    /// The time by the store's clock, in milliseconds since 1970, if it has one.
    pub time: Option<i64>,
}

impl Members {
    /// The shards of a node.
    pub fn shards_of(&self, node: NodeId) -> Shards {
        self.of(Some(node))
    }

    /// The shards that nobody owns.
    pub fn free(&self) -> Shards {
        self.of(None)
    }

    fn of(&self, owner: Option<NodeId>) -> Shards {
        let shards = (0..=u8::MAX).zip(&self.owners);
        shards.filter(|(_, of)| **of == owner).map(|(shard, _)| shard).collect()
    }
}

/// A process's place among the nodes that share a store.
///
/// A node says that it lives by beating. One that has been fenced has lost its shards: it writes
/// nothing any more, whatever it still does, and every append is answered with
/// [`AppendError::Lost`](crate::AppendError::Lost).
pub trait Membership: Send + Sync + 'static {
    /// This node's number.
    fn node(&self) -> NodeId;

    /// Shows that this node is alive. Returns which nodes are, and what they own; this node is not
    /// among them if it has been fenced.
    fn beat(&self) -> Pending<Result<Members, StoreError>>;

    /// Takes everything from another node, which is dead or as good as dead. When this returns,
    /// nothing that it still sends is written.
    fn fence(&self, node: NodeId) -> Pending<Result<(), StoreError>>;

    /// Takes those of these shards that nobody owns. Returns the ones that are this node's now.
    fn claim(&self, shards: Shards) -> Pending<Result<Shards, StoreError>>;

    /// Gives shards up. Their executions must not be driven any more.
    fn release(&self, shards: Shards) -> Pending<Result<(), StoreError>>;

    /// Those of these executions that have ended or are gone.
    fn over(&self, executions: Vec<ExecutionId>) -> Pending<Result<Vec<ExecutionId>, StoreError>>;

    /// The documents that may have changed since this was last asked. What has changed is among
    /// them, once or several times.
    fn changed_documents(&self) -> Pending<Result<DocumentChanges, StoreError>>;

    /// Waits until this node has been fenced.
    fn lost(&self) -> Pending<()>;
}

#[cfg(test)]
mod tests {
    use super::Shards;

    #[test]
    fn names_have_shards_that_never_change() {
        assert_eq!([Shards::of_name(""), Shards::of_name("orders")], [225, 244]);
        let all: Shards = (0..4_000).map(|at| Shards::of_name(&format!("machine-{at}"))).collect();
        assert!(all.are_all(), "{all:?}");
    }
}
