//! Mailboxes and the tasks that empty them: one execution, one driver at a time.

use crate::Engine;
use crate::activities::ActivityTask;
use crate::executions::{Recent, Refused, Snapshot};
use crate::live::{Live, Taken};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stepwright_history::{EventKind, TaskId};
use stepwright_interpreter::{Command, Stale, Stimulus};
use stepwright_json::Str;
use stepwright_store::ExecutionId;
use subtle::ConstantTimeEq as _;
use tokio::sync::oneshot;

/// How many shards the mailboxes are spread over, so that executions seldom share a lock.
const SHARDS: usize = 64;

/// How many executions that could rest stay in memory, for something may come for them soon.
const MOST_RESTING: usize = 256;

/// A turn group that has this many events is appended before more is taken in.
const EVENTS_PER_APPEND: usize = 4_000;

/// The wait before a failed append is tried again: at first, and at most.
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Something that has come for an execution.
#[derive(Debug)]
pub(crate) struct Message {
    what: What,
    reply: Option<Reply>,
}

type Reply = oneshot::Sender<Result<(), Refused>>;

#[derive(Clone, Debug)]
enum What {
    Stimulus(Stimulus),
    /// Appointments may have come.
    Wake,
    /// Whoever has the token says how the task goes.
    Token {
        task: TaskId,
        token: String,
        stimulus: Stimulus,
    },
    /// A worker takes an activity's task.
    Take {
        task: TaskId,
        worker: Option<Str>,
        taken: Arc<Mutex<Option<ActivityTask>>>,
    },
    /// All that is owed and not out is handed out: all of it after a restart.
    Resume {
        after_restart: bool,
    },
}

impl Message {
    pub(crate) fn new(stimulus: Stimulus) -> Self {
        Self { what: What::Stimulus(stimulus), reply: None }
    }

    pub(crate) fn wake() -> Self {
        Self { what: What::Wake, reply: None }
    }

    pub(crate) fn resume(after_restart: bool) -> Self {
        Self { what: What::Resume { after_restart }, reply: None }
    }
}

/// All executions that something has come for, and some that rest.
#[derive(Default)]
pub(crate) struct Mailboxes {
    shards: Vec<Mutex<FxHashMap<ExecutionId, Slot>>>,
    driving: AtomicUsize,
    resting: Mutex<VecDeque<ExecutionId>>,
}

/// What becomes of a message that was put in.
enum Delivered {
    /// Somebody takes care of it.
    IsTaken,
    /// A driver must be started, with what is in memory.
    NeedsDriver(Option<Box<Live>>),
}

struct Slot {
    queue: Vec<Message>,
    /// The execution, when nobody drives it.
    live: Option<Box<Live>>,
    is_driven: bool,
    /// Why it is left alone, if it is.
    parked: Option<String>,
}

impl Mailboxes {
    pub(crate) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            driving: AtomicUsize::new(0),
            resting: Mutex::default(),
        }
    }

    fn shard(&self, id: ExecutionId) -> MutexGuard<'_, FxHashMap<ExecutionId, Slot>> {
        // No code that can panic runs while a shard is locked.
        self.shards[id.0 as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        (0..SHARDS as u64).map(|shard| self.shard(ExecutionId(shard)).len()).sum()
    }

    /// How many executions are being driven.
    pub(crate) fn driving(&self) -> usize {
        self.driving.load(Ordering::SeqCst)
    }

    /// Makes a mailbox for an execution that is about to begin.
    pub(crate) fn begin(&self, id: ExecutionId) {
        let slot = Slot { queue: Vec::new(), live: None, is_driven: true, parked: None };
        self.shard(id).insert(id, slot);
        self.driving.fetch_add(1, Ordering::SeqCst);
    }

    /// Removes the mailbox of an execution that did not begin.
    pub(crate) fn cancel(&self, id: ExecutionId) {
        let slot = self.shard(id).remove(&id);
        self.driving.fetch_sub(1, Ordering::SeqCst);
        for message in slot.into_iter().flat_map(|slot| slot.queue) {
            message.answer(Err(Refused::Gone));
        }
    }

    /// Puts a message in; says whether a driver must be started, and with what is in memory.
    fn put(&self, id: ExecutionId, message: Message) -> Delivered {
        let mut shard = self.shard(id);
        let slot = shard.entry(id).or_insert_with(|| Slot {
            queue: Vec::new(),
            live: None,
            is_driven: false,
            parked: None,
        });
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

    /// The messages of an execution; with none, its driver is done and gives the execution back.
    fn take(
        &self,
        id: ExecutionId,
        live: &mut Option<Box<Live>>,
        recent: &Recent,
    ) -> Option<Vec<Message>> {
        let mut shard = self.shard(id);
        let slot = shard.get_mut(&id)?;
        if !slot.queue.is_empty() {
            return Some(std::mem::take(&mut slot.queue));
        }
        slot.is_driven = false;
        let kept = live.take().filter(|live| !live.execution.is_over());
        let rests = kept.as_ref().is_some_and(|live| live.can_rest());
        match kept {
            Some(live) => slot.live = Some(live),
            None => drop(shard.remove(&id)),
        }
        drop(shard);
        self.driving.fetch_sub(1, Ordering::SeqCst);
        if rests && let Some(gone) = self.rest(id) {
            recent.left(&gone.facts.about.arn);
        }
        None
    }

    /// Gives back an execution that has just begun.
    pub(crate) fn release(&self, engine: &Engine, id: ExecutionId, live: Box<Live>) {
        let mut live = Some(live);
        if let Some(messages) = self.take(id, &mut live, &engine.inner.recent) {
            self.put_back(id, messages);
            engine.drive(id, live);
        }
    }

    /// Notes that an execution rests, and lets the one that has rested longest go.
    fn rest(&self, id: ExecutionId) -> Option<Box<Live>> {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.push_back(id);
        if resting.len() <= MOST_RESTING {
            return None;
        }
        let oldest = resting.pop_front();
        drop(resting);
        let oldest = oldest?;
        let mut shard = self.shard(oldest);
        let can_go = shard.get(&oldest).is_some_and(|slot| {
            !slot.is_driven
                && slot.parked.is_none()
                && slot.live.as_ref().is_none_or(|live| live.can_rest())
        });
        let gone = if can_go { shard.remove(&oldest) } else { None };
        drop(shard);
        gone.and_then(|slot| slot.live)
    }

    /// Leaves an execution alone from now on.
    fn park(&self, id: ExecutionId, reason: &str) {
        let mut shard = self.shard(id);
        let messages = shard.get_mut(&id).map(|slot| {
            slot.is_driven = false;
            slot.live = None;
            slot.parked = Some(reason.to_owned());
            std::mem::take(&mut slot.queue)
        });
        drop(shard);
        self.driving.fetch_sub(1, Ordering::SeqCst);
        for message in messages.into_iter().flatten() {
            message.answer(Err(Refused::Parked { reason: reason.to_owned() }));
        }
    }

    /// Puts messages back that must be taken again.
    fn put_back(&self, id: ExecutionId, messages: Vec<Message>) {
        if let Some(slot) = self.shard(id).get_mut(&id) {
            slot.queue.splice(0..0, messages);
        }
    }
}

impl Message {
    fn answer(self, answer: Result<(), Refused>) {
        if let Some(reply) = self.reply {
            // Whoever asked may have gone.
            drop(reply.send(answer));
        }
    }
}

/// What [`Engine::take_in`] came to.
struct Round {
    taken: Taken,
    /// What was taken in, to be answered or taken in again.
    messages: Vec<(Message, Result<(), Refused>)>,
    /// What there was no more room for.
    left: Vec<Message>,
    /// The turn panicked.
    panic: Option<String>,
    resumes: bool,
}

impl Engine {
    /// Puts a message into the mailbox of an execution.
    pub(crate) fn deliver(&self, id: ExecutionId, message: Message) {
        if self.is_closing() {
            message.answer(Err(Refused::Closing));
            return;
        }
        if let Delivered::NeedsDriver(live) = self.inner.mailboxes.put(id, message) {
            self.drive(id, live);
        }
    }

    /// Delivers a stimulus and waits until its turn is durable.
    pub(crate) async fn ask(&self, id: ExecutionId, stimulus: Stimulus) -> Result<(), Refused> {
        self.ask_with(id, What::Stimulus(stimulus)).await
    }

    /// The same, by whoever has a task's token.
    pub(crate) async fn ask_by_token(
        &self,
        id: ExecutionId,
        task: TaskId,
        token: String,
        stimulus: Stimulus,
    ) -> Result<(), Refused> {
        self.ask_with(id, What::Token { task, token, stimulus }).await
    }

    /// Has a worker take a task; None if nobody waits for it any more.
    pub(crate) async fn take_activity_task(
        &self,
        id: ExecutionId,
        task: TaskId,
        worker: Option<Str>,
    ) -> Option<ActivityTask> {
        let taken = Arc::new(Mutex::new(None));
        let what = What::Take { task, worker, taken: taken.clone() };
        self.ask_with(id, what).await.ok()?;
        taken.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn ask_with(&self, id: ExecutionId, what: What) -> Result<(), Refused> {
        let (reply, answer) = oneshot::channel();
        self.deliver(id, Message { what, reply: Some(reply) });
        answer.await.unwrap_or(Err(Refused::Closing))
    }

    pub(crate) fn drive(&self, id: ExecutionId, live: Option<Box<Live>>) {
        let engine = self.clone();
        tokio::spawn(async move { engine.drive_to_rest(id, live).await });
    }

    async fn drive_to_rest(self, id: ExecutionId, mut live: Option<Box<Live>>) {
        let mut wait = FIRST_WAIT;
        let mut errands = None;
        while let Some(messages) = self.inner.mailboxes.take(id, &mut live, &self.inner.recent) {
            let mut execution = match live.take() {
                Some(live) => live,
                None => match self.load(id).await {
                    Ok(Some(mut live)) => {
                        if let Some(errands) = errands.take() {
                            live.errands = errands;
                        }
                        live
                    }
                    Ok(None) => {
                        for message in messages {
                            message.answer(Err(Refused::Gone));
                        }
                        continue;
                    }
                    Err(crate::recovery::LoadError::Store(error)) => {
                        tracing::warn!(execution = id.0, %error, "cannot read an execution");
                        self.try_again(id, messages, &mut wait, &error.to_string()).await;
                        continue;
                    }
                    Err(error) => {
                        let reason = error.to_string();
                        tracing::error!(execution = id.0, reason, "an execution cannot be read");
                        self.inner.metrics.parked.add_one();
                        let refused = Refused::Parked { reason: reason.clone() };
                        for message in messages {
                            message.answer(Err(refused.clone()));
                        }
                        self.inner.mailboxes.park(id, &reason);
                        return;
                    }
                },
            };
            let mut round = self.take_in(&mut execution, messages);
            if let Some(reason) = round.panic {
                tracing::error!(execution = execution.facts.about.arn, reason, "a turn panicked");
                self.inner.metrics.parked.add_one();
                let refused = Refused::Parked { reason: reason.clone() };
                for message in round.messages.into_iter().map(|(message, _)| message) {
                    message.answer(Err(refused.clone()));
                }
                for message in round.left {
                    message.answer(Err(refused.clone()));
                }
                self.inner.mailboxes.park(id, &reason);
                return;
            }
            if !round.left.is_empty() {
                self.inner.mailboxes.put_back(id, round.left);
            }
            if round.resumes {
                // All that is owed, what this round's turns owe included.
                let mut owed = execution.execution.commands();
                owed.retain(|command| !execution.is_out(command));
                round.taken.commands = owed;
            }
            if !round.taken.events.is_empty() {
                let append = execution.append(&round.taken, false);
                let len = append.len;
                if let Err(error) = self.store().append(append).await {
                    tracing::warn!(execution = id.0, %error, "a turn could not be appended");
                    self.inner.metrics.append_failures.add_one();
                    let messages = round.messages.into_iter().map(|(message, _)| message).collect();
                    // What is out stays out. Should the turn be durable after all, what it owes
                    // goes out when it is read again.
                    errands = Some(std::mem::take(&mut execution.errands));
                    self.inner.mailboxes.put_back(id, vec![Message::resume(false)]);
                    drop(execution);
                    self.try_again(id, messages, &mut wait, &error.to_string()).await;
                    continue;
                }
                wait = FIRST_WAIT;
                execution.len = len;
            }
            self.after_commit(&mut execution, round.taken);
            for (message, answer) in round.messages {
                if let (What::Take { task, taken, .. }, Ok(())) = (&message.what, &answer)
                    && let Some(open) = execution.execution.task(*task)
                {
                    let task = ActivityTask {
                        token: open.call.token.clone().unwrap_or_default(),
                        input: open.call.parameters.clone(),
                    };
                    *taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
                }
                message.answer(answer);
            }
            live = Some(execution);
        }
    }

    /// Puts messages back after a failure, but for those whose senders are told and may ask again.
    async fn try_again(
        &self,
        id: ExecutionId,
        messages: Vec<Message>,
        wait: &mut Duration,
        why: &str,
    ) {
        let mut again = Vec::new();
        for message in messages {
            match message.reply {
                None => again.push(message),
                Some(_) => message.answer(Err(Refused::Store { reason: why.to_owned() })),
            }
        }
        self.inner.mailboxes.put_back(id, again);
        tokio::time::sleep(*wait).await;
        *wait = (*wait * 2).min(LONGEST_WAIT);
    }

    /// Takes messages in, in memory only.
    fn take_in(&self, live: &mut Live, messages: Vec<Message>) -> Round {
        let mut round = Round {
            taken: Taken::default(),
            messages: Vec::new(),
            left: Vec::new(),
            panic: None,
            resumes: false,
        };
        let now = self.now();
        let mut messages = messages.into_iter();
        for message in messages.by_ref() {
            let what = message.what.clone();
            let stepped =
                catch_unwind(AssertUnwindSafe(|| self.take_one(live, what, now, &mut round)));
            let answer = match stepped {
                Ok(answer) => answer,
                Err(panic) => {
                    let text = panic
                        .downcast_ref::<&str>()
                        .map(|text| (*text).to_owned())
                        .or_else(|| panic.downcast_ref::<String>().cloned());
                    round.panic = Some(text.unwrap_or_else(|| "a panic without a text".to_owned()));
                    Err(Refused::Stale)
                }
            };
            round.messages.push((message, answer));
            if round.panic.is_some() || round.taken.events.len() >= EVENTS_PER_APPEND {
                break;
            }
        }
        round.left = messages.collect();
        round
    }

    fn take_one(
        &self,
        live: &mut Live,
        what: What,
        now: stepwright_history::Moment,
        round: &mut Round,
    ) -> Result<(), Refused> {
        let stimulus = match what {
            What::Stimulus(stimulus) => stimulus,
            What::Resume { after_restart } => {
                round.resumes = true;
                if after_restart {
                    live.errands.clear();
                }
                return Ok(());
            }
            What::Wake => {
                live.woken_at = None;
                while let Some((due, timer)) = live.next_appointment().filter(|next| next.0 <= now)
                {
                    let at = now.max(due);
                    match live.step(Stimulus::TimerDue { timer }, at) {
                        Ok(turn) => round.add(turn),
                        Err(Stale) => break,
                    }
                }
                return Ok(());
            }
            What::Token { task, token, stimulus } => {
                let Some(open) = live.execution.task(task) else {
                    let existed = task.0 < live.execution.task_count();
                    return Err(if existed { Refused::Stale } else { Refused::WrongToken });
                };
                let expected = open.call.token.as_deref().unwrap_or_default();
                if expected.is_empty() || !bool::from(expected.as_bytes().ct_eq(token.as_bytes())) {
                    return Err(Refused::WrongToken);
                }
                stimulus
            }
            What::Take { task, worker, .. } => Stimulus::TaskStarted { task, worker },
        };
        match live.step(stimulus, now) {
            Ok(turn) => {
                round.add(turn);
                Ok(())
            }
            Err(Stale) => {
                self.inner.metrics.stale.add_one();
                Err(Refused::Stale)
            }
        }
    }

    /// What follows when a turn is durable: those who watch are told, what is owed goes out.
    pub(crate) fn after_commit(&self, live: &mut Live, taken: Taken) {
        if !taken.events.is_empty() {
            self.tell(&live.facts, &taken.events);
            live.settle(&taken.events);
        }
        for command in taken.commands {
            self.obey(live, command);
        }
        if live.execution.is_over() {
            let ended = taken.events.last().map(|event| (event.at, ends(&event.kind)));
            if let Some((at, true)) = ended {
                let snapshot = Arc::new(Snapshot::of(live, Some(at.0)));
                self.inner.recent.ended(live.facts.id, snapshot);
            }
            return;
        }
        if let Some((due, _)) = live.next_appointment()
            && live.woken_at.is_none_or(|at| due < at)
        {
            live.woken_at = Some(due);
            self.inner.timers.wake_at(due, live.facts.id);
        }
    }

    fn obey(&self, live: &mut Live, command: Command) {
        match command {
            Command::WakeAt { .. } => {}
            Command::Continue => {
                self.deliver(live.facts.id, Message::new(Stimulus::Continue));
            }
            Command::RunTask { task, call, submitted } => {
                self.run_task(live, task, call, submitted);
            }
            Command::ReadItems { run, request } => self.read_items(live, run, request),
            Command::WriteResults { run, request } => self.write_results(live, run, request),
            Command::StartChild { run, index, map_run, input, first } => {
                self.start_child(live, run, index, map_run, input, first);
            }
        }
    }
}

impl Round {
    fn add(&mut self, turn: stepwright_interpreter::Turn) {
        self.taken.events.extend(turn.events);
        self.taken.commands.extend(turn.commands);
    }
}

fn ends(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::ExecutionSucceeded { .. }
            | EventKind::ExecutionFailed { .. }
            | EventKind::ExecutionTimedOut { .. }
            | EventKind::ExecutionAborted { .. }
    )
}
