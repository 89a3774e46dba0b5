//! The warm processes of one function.

use crate::answer::Answer;
use crate::error::Error;
use crate::process::{self, Settings};
use crate::sandbox::{Outcome, Overdue, Request, Sandbox, unpoisoned};
use rustix::process::Signal;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How many processes a function without a `concurrency` has at most.
pub const MOST_PROCESSES: usize = 64;

/// A process that nobody called for so long is ended.
const IDLE_LIMIT: Duration = Duration::from_mins(5);

/// How long a call waits for a process that is busy before another is started. A process that is
/// soon free is quicker than a new one, and few busy processes do more than many.
const PATIENCE: Duration = Duration::from_millis(5);

/// How often that is looked at.
const REAP_INTERVAL: Duration = Duration::from_secs(30);

/// How long processes get to end by themselves.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// The processes of a function. There are never more than invocations were let in at a time.
#[derive(Debug)]
pub(crate) struct Pool {
    settings: Settings,
    processes: Mutex<Processes>,
    one_idle: Notify,
    one_ended: Notify,
}

#[derive(Debug, Default)]
struct Processes {
    all: Vec<Arc<Sandbox>>,
    /// The one that was used last comes last, and is used first.
    idle: Vec<(Arc<Sandbox>, Instant)>,
    /// Each process ends when it has answered.
    is_retired: bool,
    /// No process may start.
    is_closed: bool,
    is_reaped: bool,
}

impl Pool {
    pub(crate) fn new(settings: Settings) -> Arc<Self> {
        Arc::new(Self {
            settings,
            processes: Mutex::default(),
            one_idle: Notify::new(),
            one_ended: Notify::new(),
        })
    }

    /// Runs a request in an idle process, or in a new one.
    pub(crate) async fn run(self: &Arc<Self>, request: Arc<Request>) -> Result<Answer, Error> {
        let patience = tokio::time::Instant::now() + PATIENCE;
        loop {
            let (sandbox, mut outcome) = match self.idle() {
                Some(sandbox) => match sandbox.assign(request.clone()) {
                    Some(outcome) => (sandbox, outcome),
                    // It has just ended.
                    None => continue,
                },
                None if unpoisoned(&self.processes).is_closed => {
                    return Err(Error::shutting_down());
                }
                None if self.one_will_be_idle(patience).await => continue,
                None => process::start(&self.settings, self, request.clone()).await?,
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

    /// Waits a moment for a process to become idle. Another caller may be quicker to take it.
    async fn one_will_be_idle(&self, patience: tokio::time::Instant) -> bool {
        let has_any = !unpoisoned(&self.processes).all.is_empty();
        has_any && tokio::time::timeout_at(patience, self.one_idle.notified()).await.is_ok()
    }

    fn idle(&self) -> Option<Arc<Sandbox>> {
        unpoisoned(&self.processes).idle.pop().map(|(sandbox, _)| sandbox)
    }

    /// Takes a new process in.
    pub(crate) fn add(self: &Arc<Self>, sandbox: Arc<Sandbox>) {
        let mut processes = unpoisoned(&self.processes);
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
        let mut processes = unpoisoned(&self.processes);
        if processes.is_retired {
            drop(processes);
            sandbox.retire();
        } else if sandbox.is_idle() {
            processes.idle.push((sandbox, Instant::now()));
            drop(processes);
            self.one_idle.notify_one();
        } else {
            drop(processes);
            sandbox.kill(Signal::KILL);
        }
    }

    /// A process has ended.
    pub(crate) fn forget(&self, ended: &Arc<Sandbox>) {
        let mut processes = unpoisoned(&self.processes);
        processes.all.retain(|sandbox| !Arc::ptr_eq(sandbox, ended));
        processes.idle.retain(|(sandbox, _)| !Arc::ptr_eq(sandbox, ended));
        drop(processes);
        self.one_ended.notify_waiters();
    }

    /// Ends idle processes now, and others when they have answered.
    pub(crate) fn retire(&self) {
        let mut processes = unpoisoned(&self.processes);
        processes.is_retired = true;
        let idle = std::mem::take(&mut processes.idle);
        drop(processes);
        for (sandbox, _) in idle {
            sandbox.retire();
        }
    }

    /// Ends all processes, and waits until none is left.
    pub(crate) async fn shut_down(&self) {
        {
            let mut processes = unpoisoned(&self.processes);
            processes.is_retired = true;
            processes.is_closed = true;
        }
        for (signal, grace) in [(Signal::TERM, GRACE), (Signal::KILL, GRACE)] {
            let all = {
                let mut processes = unpoisoned(&self.processes);
                processes.idle.clear();
                processes.all.clone()
            };
            for sandbox in all {
                sandbox.kill(signal);
            }
            // Whether it took too long is seen in the next round.
            drop(tokio::time::timeout(grace, self.all_ended()).await);
        }
        self.settings.code.remove();
    }

    async fn all_ended(&self) {
        loop {
            let ended = self.one_ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if unpoisoned(&self.processes).all.is_empty() {
                return;
            }
            ended.await;
        }
    }
}

/// Ends the processes of a pool that have been idle for long, as long as there is the pool.
async fn reap(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(REAP_INTERVAL).await;
        let Some(pool) = pool.upgrade() else { return };
        let now = Instant::now();
        let mut processes = unpoisoned(&pool.processes);
        let is_due = |since: Instant| now.duration_since(since) > IDLE_LIMIT;
        let due = processes.idle.iter().take_while(|(_, since)| is_due(*since)).count();
        let due: Vec<_> = processes.idle.drain(..due).collect();
        drop(processes);
        for (sandbox, _) in due {
            sandbox.retire();
        }
    }
}
