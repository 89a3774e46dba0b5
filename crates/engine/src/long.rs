//! Turns that take long give way to those that do not.
//!
//! A turn runs where its driver runs, on a worker of the runtime, as long as it is short: nothing
//! is handed over, and nothing is waited for. A turn that is not leaves its worker to others if all
//! workers have turns, and one that turns out to be long goes on beside them once it has one of a few
//! permits. So there is always a processor for short turns, for callers and for timers, whatever long
//! turns there are.
//!
//! The next turns of a program that had a long turn wait for a permit before they begin, and then run
//! on a thread of low priority: whatever else has something to do goes first, at once. The first
//! turn of a program runs on such a thread too, as nothing is known of it yet.

use crate::catalogue::Revision;
use parking_lot::{Mutex, RwLock};
use rustc_hash::{FxBuildHasher, FxHashMap};
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Semaphore, SemaphorePermit};

/// After so many steps a turn is looked at, again and again. They take some two tenths of a millisecond.
const LOOK: u64 = 20_000;

/// Turns that have taken longer than this, one after the other, leave their worker to others if no
/// other worker is without turns.
const SHORT: Duration = Duration::from_micros(500);

/// A turn that has taken more steps is long. They take some two milliseconds.
const LONG: u64 = 200_000;

/// After so many steps more it is seen to again that the worker has been left.
const AGAIN: u64 = 1_000_000;

/// So many bytes of a history take about a millisecond to be read or written down.
const LONG_BYTES: usize = 256 << 10;

/// How long it takes for somebody else to take a worker over.
const HANDOVER: Duration = Duration::from_micros(300);

/// How many turns may wait for a permit when they have begun already: each keeps a thread.
const MOST_WAITING: usize = 16;

/// The number of programs of which is known how long their turns take.
const MOST_KNOWN: usize = 4_096;

/// So many short turns one after the other, and a program is no longer known for long ones.
const SHORT_AGAIN: u8 = 32;

/// The permits for long turns.
pub(crate) struct LongTurns {
    permits: Semaphore,
    /// The permits for long work that callers wait for, which must not queue behind executions.
    work: Semaphore,
    /// The permit to read the items of a map run.
    reading: Semaphore,
    waiting: AtomicUsize,
    /// How many workers have turns.
    busy: AtomicUsize,
    /// By the hash of a revision's name, how many short turns its program must have before it is
    /// known for short ones again: 0 if it is.
    known: RwLock<FxHashMap<u64, u8>>,
}

impl Default for LongTurns {
    fn default() -> Self {
        Self {
            permits: Semaphore::new(permits()),
            work: Semaphore::new(permits()),
            reading: Semaphore::new(1),
            waiting: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            known: RwLock::default(),
        }
    }
}

impl LongTurns {
    /// How many long turns are under way, and how many wait for a permit.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let running = permits().saturating_sub(self.permits.available_permits());
        (running, self.waiting.load(Ordering::Relaxed))
    }

    /// What is to be done next for executions of this revision. Waits if that is known to be long.
    pub(crate) async fn begin(&self, revision: &Revision) -> Aside<'_> {
        let revision = FxBuildHasher.hash_one(&revision.id);
        let short_turns_left = self.known.read().get(&revision).copied();
        if short_turns_left.is_none() {
            // Whatever else begins of it at the same time does not need a thread as well.
            self.note(revision, 0);
        }
        let permit = match short_turns_left {
            Some(1..) => self.permits.acquire().await.ok(),
            None | Some(0) => None,
        };
        Aside {
            long: self,
            revision,
            short_turns_left,
            runtime: Handle::try_current().ok().filter(has_workers),
            permit: Mutex::new(permit),
            begun: Instant::now(),
            has_left: AtomicBool::new(false),
            look: AtomicU64::new(LOOK),
            next: AtomicU64::new(LONG),
        }
    }

    /// Does something that may take long.
    pub(crate) async fn aside<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        let _permit = self.work.acquire().await;
        leave_worker(work)
    }

    /// Waits until nobody else reads the items of a map run.
    pub(crate) async fn reading(&self) -> Option<SemaphorePermit<'_>> {
        self.reading.acquire().await.ok()
    }

    fn note(&self, revision: u64, short_turns_left: u8) {
        let mut known = self.known.write();
        if known.len() >= MOST_KNOWN {
            // Most of them are no longer there.
            known.clear();
        }
        known.insert(revision, short_turns_left);
    }

    /// Waits for a permit, on a thread that nobody else needs. `None` if too many wait already.
    fn wait(&self, runtime: &Handle) -> Option<SemaphorePermit<'_>> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= MOST_WAITING {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let permit = runtime.block_on(self.permits.acquire()).ok();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        permit
    }
}

/// Turns that are taken one after the other, and that may turn out to be long.
pub(crate) struct Aside<'l> {
    long: &'l LongTurns,
    /// The hash of the revision's name.
    revision: u64,
    /// What was known of the program: see [`LongTurns`]. `None` if nothing was.
    short_turns_left: Option<u8>,
    /// The runtime, if it has workers that can be left: not one with a single thread, as tests have.
    runtime: Option<Handle>,
    permit: Mutex<Option<SemaphorePermit<'l>>>,
    begun: Instant,
    /// Whether the worker has been left to others.
    has_left: AtomicBool,
    /// The number of steps at which to look next.
    look: AtomicU64,
    /// The number of steps at which a turn is long, or still is.
    next: AtomicU64,
}

impl Aside<'_> {
    /// Takes the turns.
    pub(crate) fn run<R: Send>(&self, turns: impl FnOnce() -> R + Send) -> R {
        if self.leaves_worker() {
            leave_worker(turns)
        } else {
            self.has_left.store(false, Ordering::Relaxed);
            self.long.busy.fetch_add(1, Ordering::Relaxed);
            let _worker = Busy(self);
            stepwright_background::giving_turns(turns)
        }
    }

    /// Whether the turns leave the worker from the beginning.
    fn leaves_worker(&self) -> bool {
        self.short_turns_left != Some(0)
    }

    /// A turn has taken so many steps.
    #[inline]
    pub(crate) fn watch(&self, steps: u64) {
        if steps >= self.look.load(Ordering::Relaxed) {
            self.look_at(steps);
        }
    }

    fn look_at(&self, steps: u64) {
        self.look.store(steps + LOOK, Ordering::Relaxed);
        stepwright_background::breathe();
        if steps >= self.next.load(Ordering::Relaxed) {
            self.next.store(steps + AGAIN, Ordering::Relaxed);
            self.is_long();
        } else if self.begun.elapsed() > SHORT {
            self.leave();
        }
    }

    /// The turn is long.
    fn is_long(&self) {
        let Some(runtime) = &self.runtime else { return };
        let mut permit = self.permit.lock();
        if permit.is_none() {
            self.long.note(self.revision, SHORT_AGAIN);
        }
        let is_first = !self.has_left.swap(true, Ordering::Relaxed);
        if is_first && !self.leaves_worker() {
            self.long.busy.fetch_sub(1, Ordering::Relaxed);
        }
        match (permit.is_some(), self.leaves_worker()) {
            (true, true) => {}
            (false, true) => *permit = self.long.wait(runtime),
            (false, false) => {
                *permit = tokio::task::block_in_place(|| {
                    let permit = self.long.wait(runtime);
                    std::thread::sleep(HANDOVER);
                    permit
                });
            }
            // If nobody had taken the worker over yet, it is offered again.
            (true, false) => tokio::task::block_in_place(|| std::thread::sleep(HANDOVER)),
        }
    }

    /// Leaves the worker to others, if that has not been done and they have no other.
    fn leave(&self) {
        let Some(runtime) = &self.runtime else { return };
        if self.leaves_worker()
            || self.long.busy.load(Ordering::Relaxed) < runtime.metrics().num_workers()
            || self.has_left.swap(true, Ordering::Relaxed)
        {
            return;
        }
        self.long.busy.fetch_sub(1, Ordering::Relaxed);
        tokio::task::block_in_place(|| std::thread::sleep(HANDOVER));
    }

    /// Another turn begins.
    pub(crate) fn next_turn(&self) {
        self.look.store(LOOK, Ordering::Relaxed);
        self.next.store(LONG, Ordering::Relaxed);
        if self.begun.elapsed() > SHORT {
            self.leave();
        }
    }
}

/// A worker that has turns, unless they have left it.
struct Busy<'a, 'l>(&'a Aside<'l>);

impl Drop for Busy<'_, '_> {
    fn drop(&mut self) {
        if !self.0.has_left.load(Ordering::Relaxed) {
            self.0.long.busy.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        // The last turn of a program that was known for long ones was short.
        if let Some(left @ 1..) = self.short_turns_left
            && *self.next.get_mut() == LONG
        {
            self.long.note(self.revision, left - 1);
        }
    }
}

/// How many long turns are under way at once: a processor is left for what is short.
fn permits() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    processors.saturating_sub(1).max(1)
}

/// Whether there are workers that can be left.
fn has_workers(runtime: &Handle) -> bool {
    runtime.runtime_flavor() == RuntimeFlavor::MultiThread
}

/// Reads or writes down so many bytes of a history, and leaves the worker to others if that takes long.
pub(crate) fn pass_bytes<R: Send>(bytes: usize, work: impl FnOnce() -> R + Send) -> R {
    if bytes > LONG_BYTES { leave_worker(work) } else { work() }
}

/// Does something that takes long, and leaves the worker to others meanwhile.
fn leave_worker<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    if Handle::try_current().is_ok_and(|runtime| has_workers(&runtime)) {
        tokio::task::block_in_place(|| at_low_priority(work))
    } else {
        work()
    }
}

/// Does something on a thread of its own that gives way to all others. A thread can lower its
/// priority and not raise it again, so that it cannot be one of the runtime's.
fn at_low_priority<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let work = Mutex::new(Some(work));
    let take = || {
        let work = work.lock().take();
        work.map(|work| work())
    };
    let lowered = || {
        stepwright_background::give_way();
        take()
    };
    let done = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("long-turn".to_owned());
        match thread.spawn_scoped(scope, lowered) {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(error) => {
                tracing::warn!(%error, "no thread can be started for a long turn");
                take()
            }
        }
    });
    done.expect("the work is done once")
}
