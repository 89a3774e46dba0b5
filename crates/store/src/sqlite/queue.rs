//! The queue of the writer. A thread writes everything that is pending in one transaction. If
//! nothing else is pending, the work is small and the disk has been quick for a while, the caller
//! writes its work itself. This saves the way to the thread and back, which takes as long as the
//! writing. A caller is a worker of the runtime, on which others wait: hence only then.

use super::acknowledged::Acknowledged;
use super::writer::{self, Work};
use parking_lot::{Condvar, Mutex, MutexGuard};
use rusqlite::Connection;
use std::time::{Duration, Instant};

/// The number of pieces of work that may be pending before callers are made to wait.
const MOST_WAITING: usize = 8_192;

/// The largest number of pieces of work in one transaction, so that the first one does not wait too
/// long.
const MOST_AT_ONCE: usize = 1_024;

/// A transaction that takes no longer than this is quick.
const QUICK: Duration = Duration::from_millis(1);

/// So many transactions in a row must have been quick, each with one piece of work alone, before a
/// caller writes its own. A disk that is quick only now and then holds up a worker each time it is not.
const QUICK_IN_A_ROW: u8 = 16;

/// The most bytes that a caller writes itself.
const SMALL: usize = 64 << 10;

/// The work for the one connection that writes.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Notified when there is work for the thread, and when the queue is closed.
    work: Condvar,
    /// Notified when there is room for more work.
    room: Condvar,
    connection: Mutex<(Connection, Acknowledged)>,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Work>,
    is_writing: bool,
    /// How many transactions in a row, up to [`QUICK_IN_A_ROW`], were quick and had one piece of work,
    /// and nothing came meanwhile.
    calm: u8,
    is_closed: bool,
}

impl Queue {
    pub(crate) fn new(connection: Connection, acknowledged: Acknowledged) -> Self {
        Self {
            state: Mutex::default(),
            work: Condvar::new(),
            room: Condvar::new(),
            connection: Mutex::new((connection, acknowledged)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Adds work, or does it at once. Returns false if the queue is closed: then nobody will
    /// answer.
    pub(crate) fn put(&self, work: Work) -> bool {
        let mut state = self.lock();
        while state.waiting.len() >= MOST_WAITING && !state.is_closed {
            self.room.wait(&mut state);
        }
        if state.is_closed {
            return false;
        }
        let is_small = work.bytes() <= SMALL;
        state.waiting.push(work);
        if state.is_writing {
            // Whoever is writing wakes the thread afterwards if work has come meanwhile.
            return true;
        }
        if is_small && state.calm == QUICK_IN_A_ROW && state.waiting.len() == 1 {
            self.write(state);
        } else {
            self.work.notify_one();
        }
        true
    }

    /// Closes the queue. Pending work is still done.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.work.notify_all();
        self.room.notify_all();
    }

    /// Runs the thread: writes until the queue is closed and empty.
    pub(crate) fn run(&self) {
        let mut state = self.lock();
        loop {
            if state.is_writing || (state.waiting.is_empty() && !state.is_closed) {
                self.work.wait(&mut state);
            } else if state.waiting.is_empty() {
                break;
            } else {
                self.write(state);
                state = self.lock();
            }
        }
        drop(state);
        let connection = self.connection.lock();
        writer::checkpoint(&connection.0);
    }

    /// Writes the pending work.
    fn write(&self, mut state: MutexGuard<'_, State>) {
        let count = state.waiting.len().min(MOST_AT_ONCE);
        let rest = state.waiting.split_off(count);
        let work = std::mem::replace(&mut state.waiting, rest);
        state.is_writing = true;
        drop(state);
        let mut turn = Turn { queue: self, is_calm: false, is_done: false };
        let (began, is_alone) = (Instant::now(), work.len() == 1);
        let mut connection = self.connection.lock();
        let (connection, acknowledged) = &mut *connection;
        writer::write_all(connection, acknowledged, work);
        turn.is_calm = is_alone && began.elapsed() < QUICK;
        turn.is_done = true;
    }
}

/// The right to write. It ends when this is dropped.
struct Turn<'q> {
    queue: &'q Queue,
    is_calm: bool,
    is_done: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.is_writing = false;
        let is_calm = self.is_calm && state.waiting.is_empty();
        state.calm = if is_calm { (state.calm + 1).min(QUICK_IN_A_ROW) } else { 0 };
        if !self.is_done {
            // It panicked. Pending work is dropped, so that its callers notice.
            state.is_closed = true;
            state.waiting.clear();
        }
        if !state.waiting.is_empty() || state.is_closed {
            self.queue.work.notify_one();
        }
        if state.waiting.len() < MOST_WAITING {
            self.queue.room.notify_all();
        }
    }
}
