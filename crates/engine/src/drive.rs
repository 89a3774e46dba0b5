//! Drivers. A driver empties the mailbox of one execution, and an execution never has two drivers.
//!
//! A driver takes the messages that have come, lets the interpreter take a turn for each, and
//! appends the turns to the store. Only then does it answer the callers and send out what the turns
//! owe. Express executions, which are in memory only, are driven in the same way, without the
//! append.

use crate::children::Together;
use crate::errors::Refused;
use crate::live::{Live, NotTaken, Taken};
use crate::load::LoadError;
use crate::long::{Aside, pass_bytes};
use crate::mailbox::{Delivered, Found, Message, What};
use crate::{Engine, Snapshot};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use stepwright_history::{Failure, Moment, TaskId};
use stepwright_interpreter::{BYTES_PER_TURN, Command, PAGE, STEPS_PER_TURN, Status, Stimulus};
use stepwright_json::{Json, Str};
use stepwright_store::{AppendError, ExecutionId};
use subtle::ConstantTimeEq as _;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The driver appends its turns once they hold this many events, before it takes in more messages.
const EVENTS_PER_APPEND: usize = 4_000;

/// So it does once they record so many bytes of data.
const BYTES_PER_APPEND: usize = 2 * BYTES_PER_TURN;

/// An execution that takes more bytes of memory than this goes on only when there is room.
const LARGE: usize = 8 << 20;

/// The delay before a failed append is tried again: the first one, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The number of conflicts in a row, appends that found other events already there, after which two
/// engines must be working on one store. The execution is then left alone.
const MOST_CONFLICTS: u32 = 5;

/// The result of [`Engine::take_in`].
#[derive(Default)]
struct Round {
    taken: Taken,
    /// The messages that were taken in, to be answered, or to be taken in again if the append
    /// fails.
    messages: Vec<(Message, Result<(), Refused>)>,
    /// The messages for which the append had no more room.
    left: Vec<Message>,
    /// The text of the panic, if a turn panicked.
    panic: Option<String>,
    resumes: bool,
}

/// What a look at the store says of an append that was not confirmed.
pub(crate) enum Fate {
    /// The append is in the store.
    Kept,
    /// The append is not in the store.
    NotKept,
    /// The store cannot tell.
    Unknown,
}

impl Engine {
    /// Puts a message into the mailbox of an execution.
    pub(crate) fn deliver(&self, id: ExecutionId, message: Message) {
        if self.is_closing() {
            message.answer(Err(Refused::Closing));
            return;
        }
        if !self.holds(id) {
            // The node that drives it now knows by itself what it owes.
            message.answer(Err(Refused::Moved));
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

    /// Like [`Self::ask`], on behalf of the holder of a task's token.
    pub(crate) async fn ask_by_token(
        &self,
        id: ExecutionId,
        task: TaskId,
        token: String,
        stimulus: Stimulus,
    ) -> Result<(), Refused> {
        self.ask_with(id, What::Token { task, token, stimulus }).await
    }

    /// Lets a worker take an activity task. Returns its token and input, or `None` if the execution
    /// does not wait for the task any more. A task that was taken before, by a worker who is gone,
    /// is taken `again`.
    pub(crate) async fn take_activity_task(
        &self,
        id: ExecutionId,
        task: TaskId,
        worker: Option<Str>,
        again: bool,
    ) -> Option<(Str, Json)> {
        let taken = Arc::new(Mutex::new(None));
        let what = What::Take { task, worker, again, taken: taken.clone() };
        self.ask_with(id, what).await.ok()?;
        taken.lock().take()
    }

    /// Like [`Self::ask_with`], of an execution that this engine drives.
    pub(crate) async fn ask_here(&self, id: ExecutionId, what: What) -> Result<(), Refused> {
        let (reply, answer) = oneshot::channel();
        self.deliver(id, Message { reply: Some(reply), ..Message::of(what) });
        answer.await.unwrap_or(Err(Refused::Closing))
    }

    fn drive(&self, id: ExecutionId, live: Option<Box<Live>>) {
        let engine = self.clone();
        tokio::spawn(async move { engine.drive_to_rest(id, live).await });
    }

    /// Hands over an execution that has just begun, so that it can be driven or rest.
    pub(crate) fn release(&self, id: ExecutionId, live: Box<Live>) {
        let mut live = Some(live);
        match self.inner.mailboxes.take(id, &mut live) {
            Found::Messages(messages) => {
                self.inner.mailboxes.put_back(id, messages);
                self.drive(id, live);
            }
            Found::Nothing { left } => self.forget_resting(left),
        }
    }

    fn forget_resting(&self, left: Vec<String>) {
        for arn in left {
            self.inner.recent.left(&arn);
        }
    }

    async fn drive_to_rest(self, id: ExecutionId, mut live: Option<Box<Live>>) {
        let mut wait = FIRST_WAIT;
        let mut conflicts = 0;
        let mut errands = None;
        loop {
            let messages = match self.inner.mailboxes.take(id, &mut live) {
                Found::Messages(messages) => messages,
                Found::Nothing { left } => return self.forget_resting(left),
            };
            for message in &messages {
                self.inner.metrics.queue.observe(message.since.elapsed());
            }
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
                    Err(LoadError::Store(error)) => {
                        tracing::warn!(execution = id.0, %error, "cannot read an execution");
                        self.try_again(id, messages, &mut wait, &error.to_string()).await;
                        continue;
                    }
                    Err(error) => {
                        let reason = error.to_string();
                        tracing::error!(execution = id.0, reason, "an execution cannot be read");
                        return self.park(id, None, messages, &reason).await;
                    }
                },
            };
            // Not one that others report to, whose results take memory until it has heard of them.
            if execution.weight() > LARGE && execution.errands.is_empty() {
                self.inner.memory.room_to_go_on().await;
            }
            let mut round = {
                let aside = self.inner.long.begin(&execution.facts.revision).await;
                let since = Instant::now();
                let round = aside.run(|| self.take_in(&mut execution, messages, &aside));
                self.inner.metrics.turn.observe(since.elapsed());
                round
            };
            if let Some(reason) = round.panic {
                tracing::error!(execution = execution.facts.about.arn, reason, "a turn panicked");
                let messages = round.messages.into_iter().map(|(message, _)| message);
                let messages = messages.chain(round.left).collect();
                return self.park(id, Some(execution), messages, &reason).await;
            }
            if !round.left.is_empty() {
                self.inner.mailboxes.put_back(id, round.left);
            }
            if round.resumes {
                // Everything that is owed, including what this round's turns owe.
                let mut owed = execution.execution.commands();
                owed.retain(|command| !execution.is_out(command));
                round.taken.commands = owed;
                round.taken.is_owed_again = true;
            }
            if !round.taken.events.is_empty()
                && let Err(error) = self.keep(&mut execution, &round.taken).await
            {
                self.inner.metrics.append_failures.add_one();
                let messages: Vec<Message> =
                    round.messages.into_iter().map(|(message, _)| message).collect();
                let reason = error.to_string();
                if matches!(error, AppendError::Lost) {
                    self.lose();
                    for message in messages {
                        message.answer(Err(Refused::Closing));
                    }
                    self.inner.mailboxes.cancel(id);
                    return;
                }
                if matches!(error, AppendError::Conflict) {
                    conflicts += 1;
                    if conflicts == MOST_CONFLICTS {
                        let reason = "somebody else writes to it: is a second server using this \
                                      store?";
                        tracing::error!(execution = id.0, reason, "an execution is left alone");
                        return self.park(id, Some(execution), messages, reason).await;
                    }
                }
                tracing::warn!(execution = id.0, reason, "a turn could not be appended");
                // What has been sent out stays out. If the turn is in the store after all, what it
                // owes is sent out when the execution is read again.
                errands = Some(std::mem::take(&mut execution.errands));
                self.inner.mailboxes.put_back(id, vec![Message::resume(false)]);
                drop(execution);
                self.try_again(id, messages, &mut wait, &reason).await;
                continue;
            }
            (wait, conflicts) = (FIRST_WAIT, 0);
            self.after_commit(&mut execution, round.taken);
            for (message, answer) in round.messages {
                if let (What::Take { task, taken, .. }, Ok(())) = (&message.what, &answer)
                    && let Some(open) = execution.execution.task(*task)
                {
                    let token = open.call.token.clone().unwrap_or_default();
                    *taken.lock() = Some((token, open.call.parameters.clone()));
                }
                message.answer(answer);
            }
            live = Some(execution);
        }
    }

    /// Makes turns durable, if the execution is stored at all. If an append is not confirmed, looks
    /// up whether it was kept.
    async fn keep(&self, live: &mut Live, taken: &Taken) -> Result<(), AppendError> {
        live.note(taken);
        if live.in_memory.is_some() {
            return Ok(());
        }
        if self.has_nodes() && live.execution.is_over() {
            // From here on other nodes may show the end, so nobody may be told that it runs.
            self.inner.recent.left(&live.facts.about.arn);
        }
        let append = pass_bytes(taken.bytes, || live.append(taken, false));
        let (id, len) = (append.execution, append.len);
        let since = Instant::now();
        let appended = self.store().append(append).await;
        self.inner.metrics.append.observe(since.elapsed());
        match appended {
            Ok(()) => {}
            Err(AppendError::Unknown(error)) => match self.outcome(id, len).await {
                Fate::Kept => {}
                Fate::NotKept | Fate::Unknown => return Err(AppendError::Unknown(error)),
            },
            Err(error) => return Err(error),
        }
        live.len = len;
        Ok(())
    }

    /// Whether the store holds the turn that brought the execution to this many events.
    pub(crate) async fn outcome(&self, id: ExecutionId, len: u64) -> Fate {
        match self.store().execution(id).await {
            // Nobody else appends to this execution, because it has one driver at a time.
            Ok(Some(row)) if row.len == len => Fate::Kept,
            Ok(_) => Fate::NotKept,
            Err(_) => Fate::Unknown,
        }
    }

    /// Puts messages back after a failure. Callers who can ask again are told of the failure
    /// instead.
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

    /// Leaves an execution alone from now on. An execution in memory ends with this, so that nobody
    /// waits for it forever. Callers are answered when the store knows of it.
    async fn park(
        &self,
        id: ExecutionId,
        live: Option<Box<Live>>,
        messages: Vec<Message>,
        reason: &str,
    ) {
        self.inner.metrics.parked.add_one();
        match live {
            Some(mut live) if live.in_memory.is_some() => {
                let failure = Failure::new("States.Runtime", reason);
                let now = self.now().0;
                let snapshot = Snapshot {
                    status: Status::Failed { failure },
                    ..Snapshot::of(&live, Some(now))
                };
                live.end_in_memory((Arc::new(snapshot), self.inner.underway.begin()));
                self.inner.mailboxes.cancel(id);
            }
            live => {
                let arn = live.map(|live| live.facts.about.arn.clone());
                self.note_parked(id, arn, reason).await;
                self.inner.mailboxes.park(id, reason);
            }
        }
        for message in messages {
            message.answer(Err(Refused::Parked { reason: reason.to_owned() }));
        }
    }

    /// Applies messages to the execution, in memory only.
    fn take_in(&self, live: &mut Live, messages: Vec<Message>, aside: &Aside<'_>) -> Round {
        let mut round = Round::default();
        let now = self.now();
        let mut messages = messages.into_iter();
        for message in messages.by_ref() {
            let answer = self.take_one(live, message.what.clone(), now, &mut round, aside);
            round.messages.push((message, answer));
            if round.panic.is_some()
                || round.taken.events.len() >= EVENTS_PER_APPEND
                || round.taken.bytes >= BYTES_PER_APPEND
                || round.taken.steps >= STEPS_PER_TURN
            {
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
        now: Moment,
        round: &mut Round,
        aside: &Aside<'_>,
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
                    if round.step(live, Stimulus::TimerDue { timer }, at, aside).is_err() {
                        break;
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
            What::ChildrenEnded { run, ended } => {
                for (index, result) in ended {
                    let stimulus = Stimulus::ChildFinished { run, index, result };
                    if round.step(live, stimulus, now, aside).is_err() {
                        if round.panic.is_some() {
                            break;
                        }
                        self.inner.metrics.stale.add_one();
                    }
                }
                return Ok(());
            }
            What::Take { task, worker, again, .. } => {
                let open = live.execution.task(task);
                if again && open.is_some_and(|open| open.started) {
                    return Ok(());
                }
                Stimulus::TaskStarted { task, worker }
            }
        };
        let answer = round.step(live, stimulus, now, aside);
        if answer.is_err() && round.panic.is_none() {
            self.inner.metrics.stale.add_one();
        }
        answer
    }

    /// Runs after a turn is durable: tells the observer and whoever waits for the end, and sends
    /// out what is owed.
    pub(crate) fn after_commit(&self, live: &mut Live, taken: Taken) {
        if !taken.events.is_empty() {
            self.tell(live, &taken.events);
            live.settle(&taken);
        }
        let mut starting = Vec::new();
        for command in taken.commands {
            self.obey(live, &mut starting, command);
        }
        self.start_children(starting, !taken.is_owed_again);
        if live.execution.is_over() {
            let ended = taken.events.last().filter(|event| event.kind.ends_execution());
            if let Some(last) = ended {
                let snapshot = Arc::new(Snapshot::of(live, Some(last.at.0)));
                if live.in_memory.is_some() {
                    live.end_in_memory((snapshot, self.inner.underway.begin()));
                } else {
                    self.inner.recent.ended(live.facts.id, snapshot, &self.inner.underway);
                    self.ring_for_end(live.facts.id);
                    if live.facts.parent.is_some() {
                        self.inner.spread.ended(live.facts.id);
                    }
                }
            }
            return;
        }
        if let Some((due, _)) = live.next_appointment()
            && live.woken_at.is_none_or(|at| due < at)
        {
            live.woken_at = Some(due);
            let id = live.facts.id;
            match &mut live.in_memory {
                Some(in_memory) => in_memory.alarm = Some(self.alarm(due, id)),
                None => self.inner.timers.wake_at(due, id),
            }
        }
    }

    /// Sends out what a command asks for; children are put together first.
    fn obey(&self, live: &mut Live, starting: &mut Vec<Together>, command: Command) {
        match command {
            Command::WakeAt { .. } => {}
            Command::Continue => {
                self.deliver(live.facts.id, Message::new(Stimulus::Continue));
            }
            Command::RunTask { task, call, submitted } => {
                self.run_task(live, task, call, submitted);
            }
            Command::ReadItems { run, request, from, most } => {
                self.read_items(live, run, request, from, most);
            }
            Command::WriteResults { run, request, records } => {
                self.write_results(live, run, request, records);
            }
            Command::StartChild { run, index, map_run, input, first } => {
                Self::start_child(live, starting, run, index, map_run, input, first);
            }
        }
    }
}

impl Round {
    /// Takes one turn, in memory only.
    fn step(
        &mut self,
        live: &mut Live,
        stimulus: Stimulus,
        at: Moment,
        aside: &Aside<'_>,
    ) -> Result<(), Refused> {
        let settled = match &stimulus {
            Stimulus::ChildFinished { run, index, .. } => Some((*run, Some(*index))),
            Stimulus::ItemsRead { run, .. } => Some((*run, Some(PAGE))),
            _ => None,
        };
        match live.step(stimulus, at, aside) {
            Ok(turn) => {
                self.taken.add(turn);
                self.taken.settled.extend(settled);
                Ok(())
            }
            Err(NotTaken::Stale) => Err(Refused::Stale),
            Err(NotTaken::Panicked(reason)) => {
                self.panic = Some(reason);
                Err(Refused::Stale)
            }
        }
    }
}
