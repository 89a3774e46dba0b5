//! One warm process as its invocations see it.

use crate::answer::Answer;
use crate::logs::ProcessLog;
use crate::memory;
use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process_group};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, oneshot};

/// How long a process may take until it asks for its first invocation, as on Lambda. What it takes
/// more comes out of the invocation's own time.
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// One invocation as a runtime sees it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) payload: Bytes,
    /// The ARN it was invoked by.
    pub(crate) arn: String,
    pub(crate) version: String,
    /// JSON.
    pub(crate) client_context: Option<String>,
    pub(crate) trace_header: String,
    pub(crate) log_tail: bool,
    pub(crate) is_instant: bool,
}

/// What became of a request that a process was given.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answered(Answer),
    /// The process, once ready, ended before it asked for the request: another one can have it.
    NotTaken,
}

/// A process and what it is doing.
#[derive(Debug)]
pub(crate) struct Sandbox {
    /// What the process may take for an invocation.
    time_limit: Duration,
    /// Megabytes, for the report in the log.
    memory: u32,
    group: Pid,
    log: ProcessLog,
    state: Mutex<State>,
    assigned: Notify,
    retired: Notify,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    started: Instant,
    /// How long it took until the process asked for its first invocation, if it has.
    start_up: Option<Duration>,
    out_of_memory: bool,
}

#[derive(Debug)]
enum Phase {
    /// It starts, or has asked for work, or soon will.
    Idle,
    /// It has not come for this request yet.
    Assigned(Job),
    Busy(Job, Instant),
    /// It has ended, or is about to.
    Over,
}

#[derive(Debug)]
struct Job {
    request: Arc<Request>,
    done: oneshot::Sender<Outcome>,
}

/// What a process gets when it asks for work.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) request: Arc<Request>,
    /// Milliseconds since 1970.
    pub(crate) deadline: u128,
}

/// The process is over, or says something about an invocation that it does not have.
#[derive(Debug)]
pub(crate) struct Refused;

/// How long an assigned request has still to run.
#[derive(Debug)]
pub(crate) enum Overdue {
    NotYet(Duration),
    TimedOut(Answer),
    /// The process never came for the request.
    NotTaken,
    /// The outcome is on its way.
    Finished,
}

impl Sandbox {
    pub(crate) fn new(time_limit: Duration, memory: u32, group: Pid, log: ProcessLog) -> Self {
        let state = State {
            phase: Phase::Idle,
            started: Instant::now(),
            start_up: None,
            out_of_memory: false,
        };
        Self {
            time_limit,
            memory,
            group,
            log,
            state: Mutex::new(state),
            assigned: Notify::new(),
            retired: Notify::new(),
        }
    }

    /// Hands the process a request. `None` where it has ended.
    pub(crate) fn assign(&self, request: Arc<Request>) -> Option<oneshot::Receiver<Outcome>> {
        let mut state = unpoisoned(&self.state);
        if !matches!(state.phase, Phase::Idle) {
            return None;
        }
        let (done, outcome) = oneshot::channel();
        state.phase = Phase::Assigned(Job { request, done });
        drop(state);
        self.assigned.notify_one();
        Some(outcome)
    }

    /// Waits until there is a request for the process.
    pub(crate) async fn next(&self) -> Result<Delivery, Refused> {
        loop {
            if let Some(delivery) = self.take()? {
                return Ok(delivery);
            }
            self.assigned.notified().await;
        }
    }

    fn take(&self) -> Result<Option<Delivery>, Refused> {
        let mut state = unpoisoned(&self.state);
        let started = state.started;
        state.start_up.get_or_insert_with(|| started.elapsed());
        match std::mem::replace(&mut state.phase, Phase::Over) {
            Phase::Idle => {
                state.phase = Phase::Idle;
                Ok(None)
            }
            Phase::Assigned(job) => {
                let request = job.request.clone();
                self.log.begin(&request.id, &request.version);
                state.phase = Phase::Busy(job, Instant::now());
                let deadline = SystemTime::now() + self.time_limit;
                let deadline = deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
                Ok(Some(Delivery { request, deadline }))
            }
            busy @ Phase::Busy(..) => {
                state.phase = busy;
                Err(Refused)
            }
            Phase::Over => Err(Refused),
        }
    }

    /// Takes the answer to a request from the process.
    pub(crate) fn complete(&self, request_id: &str, answer: Answer) -> Result<(), Refused> {
        let mut state = unpoisoned(&self.state);
        match std::mem::replace(&mut state.phase, Phase::Idle) {
            Phase::Busy(job, since) if job.request.id == request_id => {
                drop(state);
                self.finish(job, since, answer);
                Ok(())
            }
            other => {
                state.phase = other;
                Err(Refused)
            }
        }
    }

    /// The process says that it cannot start. Whoever waits for it gets this answer.
    pub(crate) fn fail_init(&self, answer: Answer) -> Result<(), Refused> {
        let mut state = unpoisoned(&self.state);
        if state.start_up.is_some() {
            return Err(Refused);
        }
        let phase = std::mem::replace(&mut state.phase, Phase::Over);
        drop(state);
        if let Phase::Assigned(job) = phase {
            let since = Instant::now();
            self.log.begin(&job.request.id, &job.request.version);
            self.finish(job, since, answer);
        }
        Ok(())
    }

    /// The process has ended.
    pub(crate) fn ended(&self, status: ExitStatus) {
        let mut state = unpoisoned(&self.state);
        let phase = std::mem::replace(&mut state.phase, Phase::Over);
        let was_ready = state.start_up.is_some();
        let out_of_memory = state.out_of_memory;
        drop(state);
        let (job, since) = match phase {
            Phase::Idle | Phase::Over => return,
            Phase::Assigned(job) if was_ready => {
                // If nobody waits any more, nobody needs to know.
                drop(job.done.send(Outcome::NotTaken));
                return;
            }
            Phase::Assigned(job) => (job, Instant::now()),
            Phase::Busy(job, since) => (job, since),
        };
        let id = &job.request.id;
        let answer =
            if out_of_memory { Answer::out_of_memory(id) } else { Answer::exited(id, status) };
        self.finish(job, since, answer);
    }

    fn finish(&self, job: Job, since: Instant, mut answer: Answer) {
        answer.log_tail = self.log.end(job.request.log_tail.then(|| self.report(since)));
        // An invocation goes on when its caller has gone.
        drop(job.done.send(Outcome::Answered(answer)));
    }

    /// Lambda's `REPORT` line.
    fn report(&self, since: Instant) -> String {
        let millis = since.elapsed().as_secs_f64() * 1_000.0;
        let billed = millis.ceil();
        let size = self.memory;
        let used = memory::resident(self.group).unwrap_or(0).div_ceil(1 << 20);
        format!(
            "Duration: {millis:.2} ms\tBilled Duration: {billed} ms\tMemory Size: {size} MB\tMax \
             Memory Used: {used} MB\t"
        )
    }

    /// Looks whether the time of an assigned request is over, and if so ends the process.
    pub(crate) fn overdue(&self, request_id: &str) -> Overdue {
        let mut state = unpoisoned(&self.state);
        let was_ready = state.start_up.is_some();
        let (end, is_this) = match &state.phase {
            Phase::Busy(job, since) => (*since + self.time_limit, job.request.id == request_id),
            Phase::Assigned(job) => {
                (state.started + INIT_LIMIT + self.time_limit, job.request.id == request_id)
            }
            Phase::Idle | Phase::Over => return Overdue::Finished,
        };
        if !is_this {
            return Overdue::Finished;
        }
        let left = end.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            return Overdue::NotYet(left);
        }
        let phase = std::mem::replace(&mut state.phase, Phase::Over);
        drop(state);
        self.kill(Signal::KILL);
        let since = match phase {
            Phase::Busy(_, since) => since,
            _ if was_ready => return Overdue::NotTaken,
            _ => Instant::now(),
        };
        let mut answer = Answer::timed_out(request_id, self.time_limit);
        if let Phase::Busy(job, _) | Phase::Assigned(job) = phase {
            answer.log_tail = self.log.end(job.request.log_tail.then(|| self.report(since)));
        }
        Overdue::TimedOut(answer)
    }

    /// Ends the process for the memory it took.
    pub(crate) fn kill_for_memory(&self) {
        unpoisoned(&self.state).out_of_memory = true;
        self.kill(Signal::KILL);
    }

    /// Whether it can be given a request.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(unpoisoned(&self.state).phase, Phase::Idle)
    }

    /// How long it took until the process asked for its first invocation, if it has.
    pub(crate) fn start_up(&self) -> Option<Duration> {
        unpoisoned(&self.state).start_up
    }

    /// Takes no more requests, and asks the process to end if it has none.
    pub(crate) fn retire(&self) -> bool {
        let mut state = unpoisoned(&self.state);
        if !matches!(state.phase, Phase::Idle) {
            return false;
        }
        state.phase = Phase::Over;
        drop(state);
        self.kill(Signal::TERM);
        self.retired.notify_one();
        true
    }

    /// Waits until the process has been asked to end.
    pub(crate) async fn retired(&self) {
        self.retired.notified().await;
    }

    /// Sends a signal to the process and to those that it started.
    pub(crate) fn kill(&self, signal: Signal) {
        // One that has ended needs no signal.
        let _ = kill_process_group(self.group, signal);
    }

    pub(crate) fn log(&self) -> &ProcessLog {
        &self.log
    }

    pub(crate) fn group(&self) -> Pid {
        self.group
    }
}

/// A lock whose holder panicked is as good as any: what it guards is replaced whole.
pub(crate) fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
