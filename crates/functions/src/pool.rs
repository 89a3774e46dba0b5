//! The warm processes of one function.

use crate::answer::Answer;
use crate::error::Error;
use crate::process::{self, Settings};
use crate::sandbox::{Outcome, Overdue, Request, Sandbox};
use parking_lot::Mutex;
use rustix::process::Signal;
use std::collections::VecDeque;
use std::num::NonZero;
use std::ops::RangeInclusive;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};

/// The largest number of processes of a function without a `concurrency`.
pub const MOST_PROCESSES: usize = 64;

/// A process that has been idle for this long is ended.
const IDLE_LIMIT: Duration = Duration::from_mins(5);

/// How long a call waits for a busy process before it looks whether another would help, once there are
/// [`ENOUGH`] processes. The wait is as long as the last process took to start, within these bounds.
/// Then another one is started, unless as many start already as are started without waiting, or the calls that
/// were handed on meanwhile show that this one's turn comes before that process would be ready. So few busy
/// processes are preferred to many, which would share the same processors, and a call that waits for processes
/// that are slow to start, or are busy for long, does not wait much longer than necessary.
const PATIENCE: RangeInclusive<Duration> = Duration::from_millis(20)..=Duration::from_millis(500);

/// The same wait before there are [`ENOUGH`] processes. Then another one is started, however soon the call's
/// turn comes, unless as many start already as are started without waiting.
const SHORT_PATIENCE: Duration = Duration::from_millis(2);

/// So many times as many processes as are started without waiting are enough for short calls. A process that has
/// answered is idle until the server comes to hand it the next call. Where the server has much else to do, few
/// processes are idle most of the time.
const ENOUGH: usize = 8;

/// The same wait, if no process has started yet.
const FIRST_PATIENCE: Duration = Duration::from_millis(50);

/// How often idle processes are checked.
const REAP_INTERVAL: Duration = Duration::from_secs(30);

/// How much time processes get to end by themselves.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// The processes of a function. There are never more than the invocations that are admitted at a
/// time.
#[derive(Debug)]
pub(crate) struct Pool {
    settings: Settings,
    /// The number of processes that are started without waiting for others: twice the number of
    /// cores.
    few: usize,
    processes: Mutex<Processes>,
    one_ended: Notify,
}

#[derive(Debug, Default)]
struct Processes {
    all: Vec<Arc<Sandbox>>,
    /// Idle processes. The one that was used last is at the end, and is used first.
    idle: Vec<(Arc<Sandbox>, Instant)>,
    /// Calls that wait for a process, the oldest first.
    waiting: VecDeque<oneshot::Sender<Arc<Sandbox>>>,
    /// How many calls have left `waiting` so far.
    gone: u64,
    /// How many processes are about to be in `all`.
    begun: usize,
    /// How long the last process took to start.
    start_up: Option<Duration>,
    /// Whether each process is to end when it has answered.
    is_retired: bool,
    /// Whether no process may start any more.
    is_closed: bool,
    is_reaped: bool,
}

impl Pool {
    pub(crate) fn new(settings: Settings) -> Arc<Self> {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let processes = Mutex::default();
        Arc::new(Self { settings, few: 2 * cores, processes, one_ended: Notify::new() })
    }

    /// Runs a request in an idle process, or in a new one.
    pub(crate) async fn run(self: &Arc<Self>, request: Arc<Request>) -> Result<Answer, Error> {
        loop {
            let (sandbox, mut outcome) = match self.take().await {
                Taken::Idle(sandbox) => match sandbox.assign(request.clone()) {
                    Some(outcome) => (sandbox, outcome),
                    // The process has just ended.
                    None => continue,
                },
                Taken::Closed => return Err(Error::shutting_down()),
                Taken::None => {
                    let begun = Begun(self);
                    let starting = process::start(&self.settings, self, request.clone());
                    let started = Box::pin(starting).await;
                    drop(begun);
                    started?
                }
            };
            let mut wait = self.settings.time_limit;
            let answer = loop {
                match tokio::time::timeout(wait, &mut outcome).await {
                    Ok(Ok(Outcome::Answered(answer))) => break Some(answer),
                    Ok(Ok(Outcome::NotTaken)) => break None,
                    Ok(Err(_)) => {
                        return Err(Error::service(format!(
                            "the process of the function `{}` was lost",
                            self.settings.name
                        )));
                    }
                    Err(_) => match sandbox.overdue(&request.id) {
                        Overdue::NotYet(left) => wait = left,
                        Overdue::TimedOut(answer) => break Some(answer),
                        Overdue::NotTaken => break None,
                        Overdue::Finished => wait = GRACE,
                    },
                }
            };
            self.give_back(sandbox);
            if let Some(answer) = answer {
                return Ok(answer);
            }
        }
    }

    /// Finds a process for a call: an idle one, or a busy one that soon becomes idle.
    async fn take(&self) -> Taken {
        let (mut free, number, mut patience, mut gone) = {
            let mut processes = self.processes.lock();
            if processes.is_closed {
                return Taken::Closed;
            }
            if let Some((sandbox, _)) = processes.idle.pop() {
                return Taken::Idle(sandbox);
            }
            if processes.all.len() + processes.begun < self.few {
                processes.begun += 1;
                return Taken::None;
            }
            let number = processes.gone + processes.waiting.len() as u64;
            let (sender, free) = oneshot::channel();
            processes.waiting.push_back(sender);
            (free, number, self.patience(&processes), processes.gone)
        };
        loop {
            match tokio::time::timeout(patience, &mut free).await {
                Ok(Ok(sandbox)) => return Taken::Idle(sandbox),
                Ok(Err(_)) => return Taken::Closed,
                Err(_) => {}
            }
            let mut processes = self.processes.lock();
            let went = processes.gone - gone;
            gone = processes.gone;
            let is_soon = comes_soon(number.saturating_sub(gone), went);
            if is_soon && self.has_enough(&processes) || processes.starting() >= self.few {
                patience = self.patience(&processes);
                continue;
            }
            // A process may have come at the last moment, and would be lost.
            free.close();
            if let Ok(sandbox) = free.try_recv() {
                return Taken::Idle(sandbox);
            }
            processes.begun += 1;
            return Taken::None;
        }
    }

    /// Whether there are so many processes that more help only calls that take long.
    fn has_enough(&self, processes: &Processes) -> bool {
        processes.all.len() + processes.begun >= self.few * ENOUGH
    }

    /// How long a call waits before it looks again whether another process would help.
    fn patience(&self, processes: &Processes) -> Duration {
        if self.has_enough(processes) { processes.patience() } else { SHORT_PATIENCE }
    }

    /// Adds a new process.
    pub(crate) fn add(self: &Arc<Self>, sandbox: Arc<Sandbox>) {
        let mut processes = self.processes.lock();
        if processes.is_closed {
            sandbox.kill(Signal::KILL);
        }
        processes.all.push(sandbox);
        if !processes.is_reaped {
            processes.is_reaped = true;
            tokio::spawn(reap(Arc::downgrade(self)));
        }
    }

    fn give_back(&self, sandbox: Arc<Sandbox>) {
        let mut processes = self.processes.lock();
        if processes.is_retired {
            drop(processes);
            sandbox.retire();
        } else if sandbox.is_idle() {
            processes.start_up = sandbox.start_up();
            processes.hand_on(sandbox);
        } else {
            drop(processes);
            sandbox.kill(Signal::KILL);
        }
    }

    /// Removes a process that has ended.
    pub(crate) fn forget(&self, ended: &Arc<Sandbox>) {
        let mut processes = self.processes.lock();
        processes.all.retain(|sandbox| !Arc::ptr_eq(sandbox, ended));
        processes.idle.retain(|(sandbox, _)| !Arc::ptr_eq(sandbox, ended));
        drop(processes);
        self.one_ended.notify_waiters();
    }

    /// Ends idle processes now, and the others when they have answered.
    pub(crate) fn retire(&self) {
        let mut processes = self.processes.lock();
        processes.is_retired = true;
        let idle = std::mem::take(&mut processes.idle);
        drop(processes);
        for (sandbox, _) in idle {
            sandbox.retire();
        }
    }

    /// Ends all processes, and waits until they are gone.
    pub(crate) async fn shut_down(&self) {
        {
            let mut processes = self.processes.lock();
            processes.is_retired = true;
            processes.is_closed = true;
        }
        for (signal, grace) in [(Signal::TERM, GRACE), (Signal::KILL, GRACE)] {
            let all = {
                let mut processes = self.processes.lock();
                processes.idle.clear();
                processes.gone += processes.waiting.len() as u64;
                processes.waiting.clear();
                processes.all.clone()
            };
            for sandbox in all {
                sandbox.kill(signal);
            }
            // Whether this took too long is checked in the next round.
            drop(tokio::time::timeout(grace, self.all_ended()).await);
        }
        self.settings.code.remove();
    }

    async fn all_ended(&self) {
        loop {
            let ended = self.one_ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.processes.lock().all.is_empty() {
                return;
            }
            ended.await;
        }
    }
}

/// The result of [`Pool::take`].
enum Taken {
    Idle(Arc<Sandbox>),
    /// No process is free: a new one must start.
    None,
    Closed,
}

/// A process that is about to be started. It is in `all` by the time that this is dropped, or does not start.
struct Begun<'p>(&'p Pool);

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.0.processes.lock().begun -= 1;
    }
}

/// Whether it is a call's turn, before which come so many others, within the time in which so many went.
fn comes_soon(ahead: u64, went: u64) -> bool {
    ahead < went
}

impl Processes {
    /// How many processes are starting. One that is slow may wait for something else than a processor, and
    /// keeps no other from starting.
    fn starting(&self) -> usize {
        let is_starting = |sandbox: &&Arc<Sandbox>| sandbox.is_starting(*PATIENCE.end());
        self.begun + self.all.iter().filter(is_starting).count()
    }

    fn patience(&self) -> Duration {
        let start_up = self.start_up.unwrap_or(FIRST_PATIENCE);
        start_up.clamp(*PATIENCE.start(), *PATIENCE.end())
    }

    /// Gives an idle process to the call that has waited longest.
    fn hand_on(&mut self, mut sandbox: Arc<Sandbox>) {
        while let Some(call) = self.waiting.pop_front() {
            self.gone += 1;
            match call.send(sandbox) {
                Ok(()) => return,
                // The call has stopped waiting.
                Err(back) => sandbox = back,
            }
        }
        self.idle.push((sandbox, Instant::now()));
    }
}

/// Ends processes of a pool that have been idle for long, until the pool is dropped.
async fn reap(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(REAP_INTERVAL).await;
        let Some(pool) = pool.upgrade() else { return };
        let now = Instant::now();
        let mut processes = pool.processes.lock();
        let is_due = |since: Instant| now.duration_since(since) > IDLE_LIMIT;
        let due = processes.idle.iter().take_while(|(_, since)| is_due(*since)).count();
        let due: Vec<_> = processes.idle.drain(..due).collect();
        drop(processes);
        for (sandbox, _) in due {
            sandbox.retire();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_whose_turn_comes_soon_waits() {
        assert!(comes_soon(0, 1) && comes_soon(40, 50));
        assert!(!comes_soon(0, 0), "all processes are busy for long");
        assert!(!comes_soon(50, 50) && !comes_soon(60, 4));
    }
}
