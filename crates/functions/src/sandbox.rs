//! One warm process from the point of view of its invocations.

use crate::answer::Answer;
use crate::logs::ProcessLog;
use crate::tree::Tree;
use bytes::Bytes;
use parking_lot::Mutex;
use rustix::process::Signal;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, oneshot};

/// The time that a process gets until it asks for its first invocation, as on Lambda. Any more time
/// counts as the invocation's own.
const INIT_LIMIT: Duration = Duration::from_secs(10);

/// One invocation, as a runtime sees it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) payload: Bytes,
    /// The ARN by which the function was invoked.
    pub(crate) arn: String,
    pub(crate) version: String,
    /// The client context, as JSON.
    pub(crate) client_context: Option<String>,
    pub(crate) trace_header: String,
    pub(crate) log_tail: bool,
    pub(crate) is_instant: bool,
}

/// What became of a request that was assigned to a process.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answered(Answer),
    /// The process had been ready, but ended before it asked for the request. Another process can
    /// have the request.
    NotTaken,
}

/// A process and its current phase.
#[derive(Debug)]
pub(crate) struct Sandbox {
    /// The time limit of an invocation.
    time_limit: Duration,
    /// The memory size in megabytes, for the report in the log.
    memory: u32,
    tree: Tree,
    log: ProcessLog,
    state: Mutex<State>,
    assigned: Notify,
    retired: Notify,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    started: Instant,
    /// How long the process took until it asked for its first invocation; `None` until then.
    start_up: Option<Duration>,
    out_of_memory: bool,
}

#[derive(Debug)]
enum Phase {
    /// The process is starting, waits for work, or will soon ask for work.
    Idle,
    /// The process has been assigned this request, but has not asked for it yet.
    Assigned(Job),
    Busy(Job, Instant),
    /// The process has ended or is about to end.
    Over,
}

#[derive(Debug)]
struct Job {
    request: Arc<Request>,
    done: oneshot::Sender<Outcome>,
}

/// What a process receives when it asks for work.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) request: Arc<Request>,
    /// The time at which the invocation times out, in milliseconds since 1970.
    pub(crate) deadline: u128,
}

/// The process has ended, or refers to an invocation that it does not have.
#[derive(Debug)]
pub(crate) struct Refused;

/// The state of a request whose time should be up.
#[derive(Debug)]
pub(crate) enum Overdue {
    NotYet(Duration),
    TimedOut(Answer),
    /// The process never asked for the request.
    NotTaken,
    /// The request has ended and its outcome will arrive.
    Finished,
}

impl Sandbox {
    pub(crate) fn new(time_limit: Duration, memory: u32, tree: Tree, log: ProcessLog) -> Self {
        let state = State {
            phase: Phase::Idle,
            started: Instant::now(),
            start_up: None,
            out_of_memory: false,
        };
        Self {
            time_limit,
            memory,
            tree,
            log,
            state: Mutex::new(state),
            assigned: Notify::new(),
            retired: Notify::new(),
        }
    }

    /// Assigns a request to the process. Returns `None` if the process has ended.
    pub(crate) fn assign(&self, request: Arc<Request>) -> Option<oneshot::Receiver<Outcome>> {
        let mut state = self.state.lock();
        if !matches!(state.phase, Phase::Idle) {
            return None;
        }
        let (done, outcome) = oneshot::channel();
        state.phase = Phase::Assigned(Job { request, done });
        drop(state);
        self.assigned.notify_one();
        Some(outcome)
    }

    /// Waits for a request that is assigned to the process.
    pub(crate) async fn next(&self) -> Result<Delivery, Refused> {
        loop {
            if let Some(delivery) = self.take()? {
                return Ok(delivery);
            }
            self.assigned.notified().await;
        }
    }

    fn take(&self) -> Result<Option<Delivery>, Refused> {
        let mut state = self.state.lock();
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

    /// Accepts the answer to a request from the process.
    pub(crate) fn complete(&self, request_id: &str, answer: Answer) -> Result<(), Refused> {
        let mut state = self.state.lock();
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

    /// Called when the process reports that it cannot start. Whoever waits for it gets this answer.
    pub(crate) fn fail_init(&self, answer: Answer) -> Result<(), Refused> {
        let mut state = self.state.lock();
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

    /// Called when the process has ended.
    pub(crate) fn ended(&self, status: ExitStatus) {
        let mut state = self.state.lock();
        let phase = std::mem::replace(&mut state.phase, Phase::Over);
        let was_ready = state.start_up.is_some();
        let out_of_memory = state.out_of_memory;
        drop(state);
        let (job, since) = match phase {
            Phase::Idle | Phase::Over => return,
            Phase::Assigned(job) if was_ready => {
                // If nobody waits any more, nobody needs to be told.
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
        self.tell_ending(&job, since, answer.is_error);
        // The caller may be gone; the invocation went on without it.
        drop(job.done.send(Outcome::Answered(answer)));
    }

    fn tell_ending(&self, job: &Job, since: Instant, is_error: bool) {
        let memory = || Tree::resident(&self.tree.members()).unwrap_or(0);
        self.log.tell_ending(&job.request.id, since.elapsed(), is_error, memory);
    }

    /// Lambda's `REPORT` line.
    fn report(&self, since: Instant) -> String {
        let millis = since.elapsed().as_secs_f64() * 1_000.0;
        let billed = millis.ceil();
        let size = self.memory;
        let used = Tree::resident(&self.tree.members()).unwrap_or(0).div_ceil(1 << 20);
        format!(
            "Duration: {millis:.2} ms\tBilled Duration: {billed} ms\tMemory Size: {size} MB\tMax \
             Memory Used: {used} MB\t"
        )
    }

    /// Checks whether the time of an assigned request is up. If so, kills the process.
    pub(crate) fn overdue(&self, request_id: &str) -> Overdue {
        let mut state = self.state.lock();
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
            self.tell_ending(&job, since, true);
        }
        Overdue::TimedOut(answer)
    }

    /// Kills the process because it used too much memory.
    pub(crate) fn kill_for_memory(&self) {
        self.state.lock().out_of_memory = true;
        self.kill(Signal::KILL);
    }

    /// Whether it can be given a request.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.state.lock().phase, Phase::Idle)
    }

    /// How long the process took until it asked for its first invocation; `None` until then.
    pub(crate) fn start_up(&self) -> Option<Duration> {
        self.state.lock().start_up
    }

    /// Whether it has not asked for its first invocation, and was started less than `time` ago.
    pub(crate) fn is_starting(&self, time: Duration) -> bool {
        let state = self.state.lock();
        state.start_up.is_none() && state.started.elapsed() < time
    }

    /// If the process has no request, asks it to end, assigns it no more, and returns true.
    /// Otherwise does nothing and returns false.
    pub(crate) fn retire(&self) -> bool {
        let mut state = self.state.lock();
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
        self.tree.signal(signal);
    }

    pub(crate) fn log(&self) -> &ProcessLog {
        &self.log
    }

    pub(crate) fn tree(&self) -> Tree {
        self.tree
    }
}
