//! Mailboxes: the messages for each execution, and the executions that are in memory.

use crate::Refused;
use crate::live::Live;
use parking_lot::{Mutex, MutexGuard};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use stepwright_history::{Failure, TaskId};
use stepwright_interpreter::Stimulus;
use stepwright_json::{Json, Str};
use stepwright_store::{ExecutionId, Shards};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The number of shards that the mailboxes are spread over, so that executions seldom share a lock.
const SHARDS: usize = 64;

/// The number of executions without work that rest in memory, because something may soon come for
/// them.
const MOST_RESTING: usize = 256;

/// The bytes of memory that they may take together.
const MOST_RESTING_BYTES: usize = 32 << 20;

/// Something that an execution is to deal with.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) what: What,
    pub(crate) reply: Option<Reply>,
    /// When it was sent.
    pub(crate) since: Instant,
}

pub(crate) type Reply = oneshot::Sender<Result<(), Refused>>;

#[derive(Clone, Debug)]
pub(crate) enum What {
    Stimulus(Stimulus),
    /// Children of a map run have ended: their indexes, and what came of them.
    ChildrenEnded {
        run: TaskId,
        ended: Vec<(u32, Result<Json, Failure>)>,
    },
    /// A timer of the execution may be due.
    Wake,
    /// The holder of a task token reports on the task.
    Token {
        task: TaskId,
        token: String,
        stimulus: Stimulus,
    },
    /// A worker takes an activity task.
    Take {
        task: TaskId,
        worker: Option<Str>,
        /// Whether it may have been handed to another worker before, who is gone.
        again: bool,
        /// Receives the task's token and input.
        taken: Arc<Mutex<Option<(Str, Json)>>>,
    },
    /// Everything that is owed and is not out yet is to be sent out. After a restart, that is all
    /// of it.
    Resume {
        after_restart: bool,
    },
}

impl Message {
    pub(crate) fn of(what: What) -> Self {
        Self { what, reply: None, since: Instant::now() }
    }

    pub(crate) fn new(stimulus: Stimulus) -> Self {
        Self::of(What::Stimulus(stimulus))
    }

    pub(crate) fn wake() -> Self {
        Self::of(What::Wake)
    }

    pub(crate) fn resume(after_restart: bool) -> Self {
        Self::of(What::Resume { after_restart })
    }

    pub(crate) fn answer(self, answer: Result<(), Refused>) {
        if let Some(reply) = self.reply {
            // The caller may have stopped waiting.
            drop(reply.send(answer));
        }
    }
}

/// The executions that have messages or a driver, and some that rest in memory.
pub(crate) struct Mailboxes {
    shards: Vec<Mutex<FxHashMap<ExecutionId, Slot>>>,
    driving: AtomicUsize,
    parked: AtomicUsize,
    resting: Mutex<Resting>,
}

/// The executions that rest in memory, the one that has rested longest first, each with the bytes
/// of memory that it takes.
#[derive(Default)]
struct Resting {
    executions: VecDeque<(ExecutionId, usize)>,
    bytes: usize,
}

/// What happens to a message that was put in a mailbox.
pub(crate) enum Delivered {
    /// A driver will take it.
    IsTaken,
    /// A driver must be started, with the execution if it is in memory.
    NeedsDriver(Option<Box<Live>>),
}

/// What a driver finds when it looks for more to do.
pub(crate) enum Found {
    /// The next messages.
    Messages(Vec<Message>),
    /// No messages: the driver is done. If its execution now rests, others may have had to leave
    /// memory for it: their ARNs.
    Nothing { left: Vec<String> },
}

#[derive(Default)]
struct Slot {
    queue: Vec<Message>,
    /// The execution, while nobody drives it.
    live: Option<Box<Live>>,
    is_driven: bool,
    /// Why it is left alone, if it is.
    parked: Option<String>,
}

/// Set in the numbers of executions that are in memory only.
const IN_MEMORY: u64 = 1 << 63;

/// The number of an execution that is not stored.
pub(crate) fn in_memory_id(number: u64) -> ExecutionId {
    ExecutionId(number | IN_MEMORY)
}

pub(crate) fn is_in_memory(id: ExecutionId) -> bool {
    id.0 & IN_MEMORY != 0
}

impl Mailboxes {
    pub(crate) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            driving: AtomicUsize::new(0),
            parked: AtomicUsize::new(0),
            resting: Mutex::default(),
        }
    }

    fn shard(&self, id: ExecutionId) -> MutexGuard<'_, FxHashMap<ExecutionId, Slot>> {
        self.shards[id.0 as usize % SHARDS].lock()
    }

    /// The number of mailboxes.
    pub(crate) fn len(&self) -> usize {
        (0..SHARDS as u64).map(|shard| self.shard(ExecutionId(shard)).len()).sum()
    }

    /// The number of executions that are in memory only.
    pub(crate) fn count_in_memory(&self) -> usize {
        let in_memory =
            |shard| self.shard(ExecutionId(shard)).keys().filter(|id| is_in_memory(**id)).count();
        (0..SHARDS as u64).map(in_memory).sum()
    }

    /// The number of executions that are being driven.
    pub(crate) fn driving(&self) -> usize {
        self.driving.load(Ordering::SeqCst)
    }

    /// The number of executions of these shards that are being driven.
    pub(crate) fn driving_in(&self, shards: &Shards) -> usize {
        let is_one = |(id, slot): &(&ExecutionId, &Slot)| {
            slot.is_driven && !is_in_memory(**id) && shards.has(id.shard())
        };
        let driving = |shard| self.shard(ExecutionId(shard)).iter().filter(is_one).count();
        (0..SHARDS as u64).map(driving).sum()
    }

    /// Drops the executions of these shards, none of which is being driven. What was sent out for them
    /// is not called off, for whoever drives them now wants it: children and nested executions go on.
    pub(crate) fn evict(&self, shards: &Shards) {
        for shard in 0..SHARDS as u64 {
            let mut gone = Vec::new();
            self.shard(ExecutionId(shard)).retain(|id, slot| {
                let stays = is_in_memory(*id) || !shards.has(id.shard());
                if !stays {
                    gone.push(std::mem::take(slot));
                }
                stays
            });
            for slot in gone {
                if slot.parked.is_some() {
                    self.parked.fetch_sub(1, Ordering::SeqCst);
                }
                for message in slot.queue {
                    message.answer(Err(Refused::Moved));
                }
            }
        }
    }

    /// Makes a mailbox for an execution that is about to begin.
    pub(crate) fn begin(&self, id: ExecutionId) {
        let slot = Slot { is_driven: true, ..Slot::default() };
        self.shard(id).insert(id, slot);
        self.driving.fetch_add(1, Ordering::SeqCst);
    }

    /// Removes the mailbox of an execution that did not begin, or whose end nobody can record.
    pub(crate) fn cancel(&self, id: ExecutionId) {
        let slot = self.shard(id).remove(&id);
        self.driving.fetch_sub(1, Ordering::SeqCst);
        for message in slot.into_iter().flat_map(|slot| slot.queue) {
            message.answer(Err(Refused::Gone));
        }
    }

    /// Puts a message in a mailbox. Returns whether a driver must be started, and the execution if
    /// it is in memory.
    pub(crate) fn put(&self, id: ExecutionId, message: Message) -> Delivered {
        let mut shard = self.shard(id);
        if is_in_memory(id) && !shard.contains_key(&id) {
            // It has ended, and nothing of it is stored.
            drop(shard);
            message.answer(Err(Refused::Gone));
            return Delivered::IsTaken;
        }
        let slot = shard.entry(id).or_default();
        if let Some(reason) = &slot.parked {
            let refused = Refused::Parked { reason: reason.clone() };
            drop(shard);
            message.answer(Err(refused));
            return Delivered::IsTaken;
        }
        slot.queue.push(message);
        if slot.is_driven {
            return Delivered::IsTaken;
        }
        slot.is_driven = true;
        self.driving.fetch_add(1, Ordering::SeqCst);
        Delivered::NeedsDriver(slot.live.take())
    }

    /// Takes the messages of an execution. If there are none, its driver is done and gives the
    /// execution back.
    pub(crate) fn take(&self, id: ExecutionId, live: &mut Option<Box<Live>>) -> Found {
        let mut shard = self.shard(id);
        let Some(slot) = shard.get_mut(&id) else { return Found::Nothing { left: Vec::new() } };
        if !slot.queue.is_empty() {
            return Found::Messages(std::mem::take(&mut slot.queue));
        }
        slot.is_driven = false;
        let kept = live.take().filter(|live| !live.execution.is_over());
        let rests = kept.as_ref().filter(|live| live.can_rest()).map(|live| live.weight());
        match kept {
            Some(live) => slot.live = Some(live),
            None => drop(shard.remove(&id)),
        }
        drop(shard);
        self.driving.fetch_sub(1, Ordering::SeqCst);
        Found::Nothing { left: rests.map_or_else(Vec::new, |weight| self.rest(id, weight)) }
    }

    /// Notes that an execution rests in memory. If too many do, those that have rested longest
    /// leave memory. Returns their ARNs.
    fn rest(&self, id: ExecutionId, weight: usize) -> Vec<String> {
        let mut resting = self.resting.lock();
        resting.executions.push_back((id, weight));
        resting.bytes += weight;
        let mut leaving = Vec::new();
        while resting.executions.len() > MOST_RESTING || resting.bytes > MOST_RESTING_BYTES {
            let Some((oldest, weight)) = resting.executions.pop_front() else { break };
            resting.bytes -= weight;
            leaving.push(oldest);
        }
        drop(resting);
        leaving.into_iter().filter_map(|oldest| self.leave(oldest)).collect()
    }

    /// Takes an execution that rests out of memory. Returns its ARN.
    fn leave(&self, oldest: ExecutionId) -> Option<String> {
        let mut shard = self.shard(oldest);
        let can_go = shard.get(&oldest).is_some_and(|slot| {
            !slot.is_driven
                && slot.parked.is_none()
                && slot.live.as_ref().is_none_or(|live| live.can_rest())
        });
        let gone = if can_go { shard.remove(&oldest) } else { None };
        drop(shard);
        gone.and_then(|slot| slot.live).map(|live| live.facts.about.arn.clone())
    }

    /// Leaves an execution alone from now on.
    pub(crate) fn park(&self, id: ExecutionId, reason: &str) {
        let mut shard = self.shard(id);
        let messages = shard.get_mut(&id).map(|slot| {
            slot.is_driven = false;
            slot.live = None;
            slot.parked = Some(reason.to_owned());
            self.parked.fetch_add(1, Ordering::SeqCst);
            std::mem::take(&mut slot.queue)
        });
        drop(shard);
        self.driving.fetch_sub(1, Ordering::SeqCst);
        for message in messages.into_iter().flatten() {
            message.answer(Err(Refused::Parked { reason: reason.to_owned() }));
        }
    }

    /// Leaves an execution alone that nobody drives.
    pub(crate) fn park_resting(&self, id: ExecutionId, reason: &str) {
        let slot = Slot { parked: Some(reason.to_owned()), ..Slot::default() };
        if self.shard(id).insert(id, slot).is_none_or(|before| before.parked.is_none()) {
            self.parked.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Accepts messages for an execution again.
    pub(crate) fn unpark(&self, id: ExecutionId) {
        let mut shard = self.shard(id);
        if shard.get(&id).is_some_and(|slot| slot.parked.is_some()) {
            shard.remove(&id);
            self.parked.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// The number of executions that are left alone.
    pub(crate) fn parked(&self) -> usize {
        self.parked.load(Ordering::SeqCst)
    }

    /// Puts back messages that must be taken again.
    pub(crate) fn put_back(&self, id: ExecutionId, messages: Vec<Message>) {
        if let Some(slot) = self.shard(id).get_mut(&id) {
            slot.queue.splice(0..0, messages);
        }
    }
}
