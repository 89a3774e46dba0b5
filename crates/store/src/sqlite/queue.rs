//! Who writes: a thread of its own, which takes all that waits at once; or, when nothing else waits and
//! the disk is quick, whoever brings the work. That spares the way to the thread and back, which
//! takes as long as the writing itself.

use super::writer::{self, Work};
use parking_lot::{Condvar, Mutex, MutexGuard};
use rusqlite::Connection;
use std::time::{Duration, Instant};

/// How much work may wait before those who bring more are kept waiting.
const MOST_WAITING: usize = 8_192;

/// The most pieces of work in one transaction: so that the first in it need not wait for ever.
const MOST_AT_ONCE: usize = 1_024;

/// A disk that took longer than this for the last transaction is left to the thread.
const QUICK: Duration = Duration::from_millis(1);

/// Work for the one connection that writes.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// There is work for the thread, or nothing will come any more.
    work: Condvar,
    /// There is room for more work.
    room: Condvar,
    connection: Mutex<Connection>,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Work>,
    is_writing: bool,
    /// The last transaction was quick, had one piece of work, and nothing came meanwhile.
    is_calm: bool,
    is_closed: bool,
}

impl Queue {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            state: Mutex::default(),
            work: Condvar::new(),
            room: Condvar::new(),
            connection: Mutex::new(connection),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Has work done. False if the queue is closed: then nobody will answer.
    pub(crate) fn put(&self, work: Work) -> bool {
        let mut state = self.lock();
        while state.waiting.len() >= MOST_WAITING && !state.is_closed {
            self.room.wait(&mut state);
        }
        if state.is_closed {
            return false;
        }
        state.waiting.push(work);
        if state.is_writing {
            // Whoever writes passes on what has come meanwhile.
            return true;
        }
        if state.is_calm && state.waiting.len() == 1 {
            self.write(state);
        } else {
            self.work.notify_one();
        }
        true
    }

    /// Takes no more work. What waits is still done.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.work.notify_all();
        self.room.notify_all();
    }

    /// The thread: writes until nothing will come any more.
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
        writer::checkpoint(&connection);
    }

    /// Writes what waits.
    fn write(&self, mut state: MutexGuard<'_, State>) {
        let count = state.waiting.len().min(MOST_AT_ONCE);
        let rest = state.waiting.split_off(count);
        let work = std::mem::replace(&mut state.waiting, rest);
        state.is_writing = true;
        drop(state);
        let mut turn = Turn { queue: self, is_calm: false, is_done: false };
        let (began, is_alone) = (Instant::now(), work.len() == 1);
        let mut connection = self.connection.lock();
        writer::write_all(&mut connection, work);
        drop(connection);
        turn.is_calm = is_alone && began.elapsed() < QUICK;
        turn.is_done = true;
    }
}

/// Somebody's turn to write, which ends with its value.
struct Turn<'q> {
    queue: &'q Queue,
    is_calm: bool,
    is_done: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.is_writing = false;
        state.is_calm = self.is_calm && state.waiting.is_empty();
        if !self.is_done {
            // It panicked. Work that waits is dropped, so that whoever waits for it hears of it.
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
