//! The connections of a server and what they may hold. There is one set of limits for all routes.
//!
//! Nobody can tell an honest client from a hostile one before it has sent a request that is let in.
//! So a server that is short of something does not turn newcomers away: the connection that has
//! gone longest without completing a request is closed. Strangers go first, and a part of
//! everything is kept for callers that the door has let in.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// Limits on connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The largest number of connections at once. Strangers may have three quarters of them.
    pub(crate) most: usize,
    /// The largest number of bytes of requests and answers in memory at once. The requests of
    /// strangers may have half of them.
    pub(crate) most_bytes: usize,
    /// The time a client may take to read an answer, besides what its size adds.
    pub(crate) longest_answer: Duration,
}

/// An answer must be read at this speed at least, in bytes per second.
const LEAST_SPEED: u64 = 128 << 10;

/// How often connections are looked for whose client is too slow to read.
pub(crate) const SWEEP: Duration = Duration::from_millis(500);

/// How many requests that arrive together are answered at once. Each further one waits for
/// [`TURN`], and twice as long after so many more, up to [`LONGEST_TURN`]. A client that waits for
/// its answers never has more than one.
const MOST_AHEAD: usize = 16;

/// See [`MOST_AHEAD`].
const TURN: Duration = Duration::from_millis(20);

/// See [`MOST_AHEAD`].
const LONGEST_TURN: Duration = Duration::from_millis(640);

/// How long a connection that has ended is watched to learn whether its client got the answer.
const LINGER: Duration = Duration::from_secs(2);

/// All connections of a server.
#[derive(Debug)]
pub(crate) struct Connections {
    limits: Limits,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    all: BTreeMap<u64, Entry>,
    strangers: usize,
    bytes: usize,
    strangers_bytes: usize,
}

#[derive(Debug)]
struct Entry {
    /// When it was accepted, or when it last completed a request.
    since: Instant,
    phase: Phase,
    /// Whether the door has let a request in that came over it.
    is_known: bool,
    /// The number of bytes that its request and its answer hold.
    bytes: usize,
    shared: Arc<Shared>,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// It waits for a request, or is sending one.
    Listening,
    /// The server is working on its request.
    Working,
    /// Its answer is being sent, and must have been read by this moment.
    Answering { due: Instant },
}

/// The parts of a connection that need no lock.
#[derive(Default)]
struct Shared {
    closed: Notify,
    /// Whether hyper has all of an answer, which it may not have sent yet.
    is_answer_over: AtomicBool,
    /// Whether the client has broken the connection off.
    is_broken: AtomicBool,
    /// The number of requests that were begun since the server last read no more than one.
    ahead: AtomicUsize,
    /// The number of requests that were begun since the server last read.
    read: AtomicUsize,
    /// What is to be done if the client does not get the answer.
    if_lost: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    /// Its socket, if it has one.
    socket: Option<Arc<TcpStream>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("is_broken", &self.is_broken).finish_non_exhaustive()
    }
}

/// There is no room for more bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoRoom;

impl Connections {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, table: Mutex::default() })
    }

    /// Adds a connection. If there is no room, the one with the least claim is closed. Returns
    /// `None` if the server is working for each of them.
    pub(crate) fn enter(self: &Arc<Self>, socket: Option<Arc<TcpStream>>) -> Option<Entered> {
        let mut table = self.table.lock();
        let most_strangers = self.limits.most - self.limits.most / 4;
        if table.strangers >= most_strangers {
            table.close_first(|entry| !entry.is_known)?;
        }
        if table.all.len() >= self.limits.most {
            table.close_first(|_| true)?;
        }
        let id = table.next;
        table.next += 1;
        let shared = Arc::new(Shared { socket, ..Shared::default() });
        let entry = Entry {
            since: Instant::now(),
            phase: Phase::Listening,
            is_known: false,
            bytes: 0,
            shared: shared.clone(),
        };
        table.all.insert(id, entry);
        table.strangers += 1;
        drop(table);
        Some(Entered(Connection { connections: self.clone(), id, shared }))
    }

    /// Closes the connection with the least claim, because the system has no room for more.
    pub(crate) fn make_room(&self) {
        self.table.lock().close_first(|_| true);
    }

    /// Closes connections whose clients are too slow to read.
    pub(crate) fn sweep(&self) {
        let mut table = self.table.lock();
        let now = Instant::now();
        let overdue: Vec<u64> = table
            .all
            .iter()
            .filter(|(_, entry)| matches!(entry.phase, Phase::Answering { due } if due < now))
            .map(|(id, _)| *id)
            .collect();
        for id in overdue {
            table.close(id);
        }
    }

    /// The number of connections, and the number of bytes they hold.
    #[cfg(test)]
    fn held(&self) -> (usize, usize) {
        let table = self.table.lock();
        (table.all.len(), table.bytes)
    }
}

impl Table {
    /// Closes the connection that has gone longest without completing a request, strangers first;
    /// never one that the server works for. Returns `None` if there is none.
    fn close_first(&mut self, may_go: impl Fn(&Entry) -> bool) -> Option<()> {
        let candidates =
            self.all.iter().filter(|(_, entry)| entry.phase != Phase::Working && may_go(entry));
        let (id, _) = candidates.min_by_key(|(_, entry)| (entry.is_known, entry.since))?;
        let id = *id;
        self.close(id);
        Some(())
    }

    /// Closes a connection and gives back what it holds.
    fn close(&mut self, id: u64) {
        if let Some(entry) = self.remove(id) {
            entry.shared.is_broken.store(true, Ordering::Relaxed);
            entry.shared.closed.notify_one();
        }
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.all.remove(&id)?;
        self.bytes -= entry.bytes;
        if !entry.is_known {
            self.strangers -= 1;
            self.strangers_bytes -= entry.bytes;
        }
        Some(entry)
    }

    /// Changes the number of bytes that a connection holds.
    fn set_bytes(&mut self, id: u64, bytes: usize) {
        let Some(entry) = self.all.get_mut(&id) else { return };
        let before = std::mem::replace(&mut entry.bytes, bytes);
        let is_known = entry.is_known;
        self.bytes = self.bytes - before + bytes;
        if !is_known {
            self.strangers_bytes = self.strangers_bytes - before + bytes;
        }
    }
}

/// A connection. If it was closed in favour of others, nothing is counted for it any more.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    connections: Arc<Connections>,
    id: u64,
    shared: Arc<Shared>,
}

/// The place of a connection among the others, until this is dropped.
#[derive(Debug)]
pub(crate) struct Entered(Connection);

impl Entered {
    pub(crate) fn connection(&self) -> Connection {
        self.0.clone()
    }

    /// Waits until the connection is to be closed.
    pub(crate) async fn closed(&self) {
        self.0.shared.closed.notified().await;
    }

    /// Called when everything is over. If the client may not have got the last answer, what was
    /// asked for in this case is done.
    pub(crate) async fn over(self) {
        let Connection { connections, id, shared } = &self.0;
        let Some(if_lost) = shared.if_lost.lock().take() else { return };
        let is_sent = {
            let table = connections.table.lock();
            table.all.get(id).is_some_and(|entry| entry.phase == Phase::Listening)
        };
        let is_lost = !is_sent
            || shared.is_broken.load(Ordering::Relaxed)
            || match &shared.socket {
                // A client that is gone answers what was sent to it with a reset.
                Some(socket) => {
                    let end = tokio::time::timeout(LINGER, socket.peek(&mut [0])).await;
                    matches!(end, Ok(Err(_)))
                }
                None => false,
            };
        if is_lost {
            if_lost();
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.connections.table.lock().remove(self.0.id);
    }
}

impl Connection {
    fn entry<R>(&self, change: impl FnOnce(&mut Entry) -> R) -> Option<R> {
        self.connections.table.lock().all.get_mut(&self.id).map(change)
    }

    /// A request has come. Whatever was sent before has been received.
    pub(crate) async fn begin(&self) {
        drop(self.shared.if_lost.lock().take());
        self.entry(|entry| entry.phase = Phase::Listening);
        // Clients that send without waiting for answers let others go first.
        self.shared.read.fetch_add(1, Ordering::Relaxed);
        match self.shared.ahead.fetch_add(1, Ordering::Relaxed) {
            0 => {}
            ahead if ahead < MOST_AHEAD => tokio::task::yield_now().await,
            ahead => {
                let doubled = (ahead / MOST_AHEAD - 1).min(5);
                let turn = TURN * (1 << doubled);
                tokio::time::sleep(turn.min(LONGEST_TURN)).await;
            }
        }
    }

    /// All requests that were read are answered, and the server looks for more.
    pub(crate) fn reads(&self) {
        if self.shared.read.swap(0, Ordering::Relaxed) == 1 {
            self.shared.ahead.store(0, Ordering::Relaxed);
        }
    }

    /// The sender of the request is known.
    pub(crate) fn know(&self) {
        let mut table = self.connections.table.lock();
        let Some(entry) = table.all.get_mut(&self.id) else { return };
        if !std::mem::replace(&mut entry.is_known, true) {
            let bytes = entry.bytes;
            table.strangers -= 1;
            table.strangers_bytes -= bytes;
        }
    }

    /// The request is complete, and the server works on it.
    pub(crate) fn work(&self) {
        self.entry(|entry| entry.phase = Phase::Working);
    }

    #[cfg(test)]
    fn answer(&self, bytes: usize) -> Result<(), NoRoom> {
        self.answer_of(bytes, bytes as u64)
    }

    /// The server has an answer of so many bytes, with so many of them in memory. What the request held
    /// is given back.
    pub(crate) fn answer_of(&self, bytes: usize, sent: u64) -> Result<(), NoRoom> {
        let mut table = self.connections.table.lock();
        table.set_bytes(self.id, 0);
        let at_speed = Duration::from_secs(sent / LEAST_SPEED);
        let due = Instant::now() + self.connections.limits.longest_answer + at_speed;
        if let Some(entry) = table.all.get_mut(&self.id) {
            entry.phase = Phase::Answering { due };
        }
        self.hold_in(&mut table, bytes)
    }

    /// Counts bytes of its request. If there are too many over all connections, others are closed
    /// that have less claim.
    pub(crate) fn hold(&self, bytes: usize) -> Result<(), NoRoom> {
        self.hold_in(&mut self.connections.table.lock(), bytes)
    }

    fn hold_in(&self, table: &mut Table, bytes: usize) -> Result<(), NoRoom> {
        let most = self.connections.limits.most_bytes;
        loop {
            // One that was closed holds nothing, and is about to end.
            let Some(entry) = table.all.get(&self.id) else { return Err(NoRoom) };
            let is_answer = matches!(entry.phase, Phase::Answering { .. });
            let (held, is_known) = (entry.bytes, entry.is_known);
            let is_share_used = !is_known && !is_answer && table.strangers_bytes + bytes > most / 2;
            if !is_share_used && table.bytes + bytes <= most {
                table.set_bytes(self.id, held + bytes);
                return Ok(());
            }
            let since = entry.since;
            let others = |other: &Entry| {
                other.bytes > 0
                    && !Arc::ptr_eq(&other.shared, &self.shared)
                    // Those that are known give way only to others that are known.
                    && (!other.is_known || is_known)
                    // Among equals, the one that has waited longer gives way.
                    && (other.is_known != is_known || other.since <= since)
            };
            table.close_first(others).ok_or(NoRoom)?;
        }
    }

    /// Hyper has taken all of the answer.
    pub(crate) fn answer_over(&self) {
        self.shared.is_answer_over.store(true, Ordering::Relaxed);
    }

    /// Everything that hyper had to send has been sent.
    pub(crate) fn flushed(&self) {
        if self.shared.is_answer_over.swap(false, Ordering::Relaxed) {
            let mut table = self.connections.table.lock();
            table.set_bytes(self.id, 0);
            if let Some(entry) = table.all.get_mut(&self.id) {
                entry.phase = Phase::Listening;
                entry.since = Instant::now();
            }
        }
    }

    /// The client has broken the connection off.
    pub(crate) fn broken(&self) {
        self.shared.is_broken.store(true, Ordering::Relaxed);
    }

    /// Sets what is to be done if the client does not get the answer to the present request.
    pub(crate) fn if_lost(&self, then: impl FnOnce() + Send + 'static) {
        *self.shared.if_lost.lock() = Some(Box::new(then));
    }

    /// Waits until the client has closed the connection, or its own half of it.
    pub(crate) async fn hung_up(&self) {
        let Some(socket) = &self.shared.socket else { return std::future::pending().await };
        loop {
            match socket.peek(&mut [0]).await {
                Ok(0) | Err(_) => return,
                // Another request waits behind the present one. Its end may have come already.
                Ok(_) => match socket.ready(tokio::io::Interest::READABLE).await {
                    Ok(ready) if !ready.is_read_closed() => {
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                    _ => return,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(most: usize, most_bytes: usize) -> Arc<Connections> {
        Connections::new(Limits { most, most_bytes, longest_answer: Duration::from_secs(30) })
    }

    fn is_open(entered: &Entered) -> bool {
        entered.0.connections.table.lock().all.contains_key(&entered.0.id)
    }

    #[test]
    fn newcomers_take_the_place_of_the_strangers_that_have_waited_longest() {
        let connections = connections(8, 1_000);
        let known: Vec<_> =
            (0..2).map(|_| connections.enter(None).expect("there is room")).collect();
        for one in &known {
            one.0.know();
        }
        let strangers: Vec<_> =
            (0..7).map(|_| connections.enter(None).expect("somebody gives way")).collect();
        assert!(known.iter().all(is_open));
        let open: Vec<bool> = strangers.iter().map(is_open).collect();
        assert_eq!(open, [false, true, true, true, true, true, true]);
        // Strangers have three quarters at most, even if the rest is free.
        drop(known);
        let newcomer = connections.enter(None).expect("somebody gives way");
        assert!(is_open(&newcomer) && !is_open(&strangers[1]));
        assert_eq!(connections.held().0, 6);
    }

    #[test]
    fn a_connection_that_the_server_works_for_stays() {
        let connections = connections(4, 1_000);
        let working: Vec<_> = (0..4)
            .map(|_| {
                let entered = connections.enter(None).expect("there is room");
                entered.0.know();
                entered.0.work();
                entered
            })
            .collect();
        assert!(connections.enter(None).is_none());
        assert!(working.iter().all(is_open));
        working[2].0.answer(10).expect("there is room");
        working[2].0.answer_over();
        working[2].0.flushed();
        assert!(connections.enter(None).is_some());
        assert!(!is_open(&working[2]));
    }

    #[test]
    fn bytes_have_one_limit_and_strangers_a_share() {
        let connections = connections(100, 1_000);
        let enter = || connections.enter(None).expect("there is room");
        let (first, second, third) = (enter(), enter(), enter());
        first.0.hold(300).expect("there is room");
        second.0.hold(200).expect("there is room");
        // The strangers' share is used up, so the one that has waited longest goes.
        third.0.hold(100).expect("the first gives way");
        assert!(!is_open(&first) && is_open(&second));
        assert!(first.0.hold(1).is_err());
        third.0.hold(501).expect_err("it alone is more than the share");
        assert_eq!(connections.held(), (1, 100));

        let known = enter();
        known.0.know();
        known.0.hold(900).expect("there is room");
        let other = enter();
        other.0.hold(1).expect("the stranger gives way");
        assert!(!is_open(&third) && is_open(&known));
        // A stranger does not take the place of one that is known.
        other.0.hold(200).expect_err("there is no room");
        known.0.answer(50).expect("there is room");
        assert_eq!(connections.held().1, 51);
        known.0.answer_over();
        known.0.flushed();
        drop(other);
        assert_eq!(connections.held(), (1, 0));
    }

    #[tokio::test]
    async fn whoever_does_not_read_is_closed() {
        let limits = Limits { most: 10, most_bytes: 10, longest_answer: Duration::ZERO };
        let connections = Connections::new(limits);
        let enter = || connections.enter(None).expect("there is room");
        let (slow, working, listening) = (enter(), enter(), enter());
        slow.0.answer(10).expect("there is room");
        working.0.work();
        std::thread::sleep(Duration::from_millis(5));
        connections.sweep();
        assert!(!is_open(&slow) && is_open(&working) && is_open(&listening));
        slow.closed().await;
    }

    #[tokio::test]
    async fn what_is_lost_is_told() {
        let connections = connections(10, 1_000);
        let told = Arc::new(AtomicBool::new(false));
        let enter = || {
            let entered = connections.enter(None).expect("there is room");
            let told = told.clone();
            entered.0.work();
            entered.0.if_lost(move || told.store(true, Ordering::Relaxed));
            entered.0.answer(10).expect("there is room");
            entered
        };
        let was_told = || told.swap(false, Ordering::Relaxed);
        enter().over().await;
        assert!(was_told(), "it was not sent");
        let sent = || {
            let entered = enter();
            entered.0.answer_over();
            entered.0.flushed();
            entered
        };
        sent().over().await;
        assert!(!was_told(), "it was sent");
        let broken = sent();
        broken.0.broken();
        broken.over().await;
        assert!(was_told(), "it was broken off");
        let next = sent();
        next.0.begin().await;
        next.0.broken();
        next.over().await;
        assert!(!was_told(), "whoever asks again has got the answer");
    }
}
