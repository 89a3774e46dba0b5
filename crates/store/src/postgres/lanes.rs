//! Connections that write. What has come while one statement was on its way goes into the next one.
//!
//! A lane that loses its connection does not know what became of its last statement, which may even be
//! carried out later. It raises the epoch of its fence, after which the statement has either been carried
//! out or never will be, and then looks.

use super::connect::{Address, broken, is_refusal, text};
use super::write::{self, Ended, Written};
use crate::{Append, AppendError, DocumentChanges, ExecutionId, StoreError};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

/// The lanes that append. One more writes documents and removes.
pub(crate) const APPENDING: i16 = 2;

/// The largest number of turns in one statement, and about the largest number of their bytes.
const MOST_AT_ONCE: usize = 256;
const MOST_BYTES: usize = 4 << 20;

/// How long turns wait for others after a large statement.
const PATIENCE: Duration = Duration::from_millis(1);

/// The pause after a connection could not be made: the first one, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The right of a connection to write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fence {
    pub(crate) node: i64,
    pub(crate) lane: i16,
    pub(crate) epoch: i64,
}

/// A piece of work for a lane.
pub(crate) enum Work {
    Append(Box<Append>, oneshot::Sender<Result<(), AppendError>>),
    Put(DocumentChanges, oneshot::Sender<Result<(), StoreError>>),
    Remove(Ended, usize, oneshot::Sender<Result<u64, StoreError>>),
}

/// The work that waits for a lane. Several lanes may share it.
///
/// A statement costs as much as many turns in it. So while one is on its way, another one goes out only if there are as
/// many turns as that one carries; and after a large one, the next one waits for a moment until there are half as
/// many. Few turns go out at once, and many in few statements.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Work>,
    /// The executions whose turns are on their way: those of one execution follow one another.
    underway: HashSet<ExecutionId>,
    /// The number of turns on their way, without those of a lane that has no connection.
    carried: usize,
    /// The number of turns of the last statement.
    last: usize,
    /// Since when there is work.
    since: Option<Instant>,
    is_closed: bool,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl Queue {
    /// Adds work. Returns it if the queue is closed: then nobody will do it.
    pub(crate) fn put(&self, work: Work) -> Result<(), Work> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(work);
        }
        state.waiting.push_back(work);
        let is_first = state.since.is_none();
        let now = Instant::now();
        state.since.get_or_insert(now);
        let is_news = is_first || state.is_enough(now);
        drop(state);
        if is_news {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// What is waiting is still done, and nothing more.
    pub(crate) fn close(&self) {
        self.state.lock().is_closed = true;
        self.changed.notify_waiters();
    }

    /// Waits for work; `None` once the queue is closed and empty.
    async fn next(&self) -> Option<Batch> {
        loop {
            // Begun before looking, so that nothing is missed that happens in between.
            let changed = self.changed.notified();
            let until = {
                let mut state = self.state.lock();
                let now = Instant::now();
                if let Some(batch) = Batch::of(&mut state, now) {
                    return Some(batch);
                }
                if state.is_closed && state.waiting.is_empty() {
                    // The other lanes end as well.
                    self.changed.notify_waiters();
                    return None;
                }
                // What still waits then waits for another lane, which looks for it.
                let until = state.since.map(|since| since + PATIENCE);
                until.filter(|until| state.waiting.len() >= state.carried && *until > now)
            };
            match until {
                // Whatever it is, it is looked for again.
                Some(until) => drop(tokio::time::timeout_at(until, changed).await),
                None => changed.await,
            }
        }
    }

    /// Others no longer wait until there is as much work as these turns are.
    fn uncount(&self, turns: usize) {
        self.state.lock().carried -= turns;
        self.changed.notify_one();
    }

    /// A lane has done its work, and looks for more.
    fn done(&self, executions: &[ExecutionId], counted: usize) {
        let mut state = self.state.lock();
        state.carried -= counted;
        for execution in executions {
            state.underway.remove(execution);
        }
    }
}

impl State {
    /// Whether there is enough work for a statement.
    fn is_enough(&self, now: Instant) -> bool {
        let are_many = self.waiting.len() * 2 >= self.last || self.is_closed;
        self.waiting.len() >= self.carried
            && (are_many || self.since.is_none_or(|since| since + PATIENCE <= now))
    }
}

/// Turns, and who waits for each.
type Appends = Vec<(Box<Append>, oneshot::Sender<Result<(), AppendError>>)>;

/// Changes to documents, and who waits for each.
type Puts = Vec<(DocumentChanges, oneshot::Sender<Result<(), StoreError>>)>;

/// The work of one statement.
enum Batch {
    Appends(Appends),
    Puts(Puts),
    Remove(Ended, usize, oneshot::Sender<Result<u64, StoreError>>),
}

impl Batch {
    /// The next work of one kind, if there is enough. A statement sees nothing of what it changes itself, so turns of
    /// one execution are in different ones.
    fn of(state: &mut State, now: Instant) -> Option<Self> {
        if !state.is_enough(now) {
            return None;
        }
        let batch = Self::take(state);
        // What is left has waited as long as what was taken, or nearly.
        state.since = state.since.filter(|_| !state.waiting.is_empty());
        batch
    }

    fn take(state: &mut State) -> Option<Self> {
        let State { waiting, underway, carried, last, .. } = state;
        match waiting.pop_front()? {
            Work::Remove(ended, most, answer) => Some(Self::Remove(ended, most, answer)),
            Work::Put(documents, answer) => {
                let mut puts = vec![(documents, answer)];
                while puts.len() < MOST_AT_ONCE
                    && let Some(Work::Put(..)) = waiting.front()
                    && let Some(Work::Put(documents, answer)) = waiting.pop_front()
                {
                    puts.push((documents, answer));
                }
                Some(Self::Puts(puts))
            }
            first @ Work::Append(..) => {
                waiting.push_front(first);
                let mut arns: HashSet<String> = HashSet::new();
                let mut bytes = 0;
                let mut appends = Appends::new();
                while appends.len() < MOST_AT_ONCE
                    && let Some(Work::Append(next, _)) = waiting.front()
                    && (appends.is_empty() || bytes + next.chunk.len() <= MOST_BYTES)
                    && !underway.contains(&next.execution)
                    && !next.about.as_ref().is_some_and(|about| arns.contains(&about.arn))
                    && let Some(Work::Append(next, answer)) = waiting.pop_front()
                {
                    bytes += next.chunk.len();
                    underway.insert(next.execution);
                    arns.extend(next.about.as_ref().map(|about| about.arn.clone()));
                    appends.push((next, answer));
                }
                *carried += appends.len();
                *last = appends.len();
                (!appends.is_empty()).then_some(Self::Appends(appends))
            }
        }
    }

    /// The executions that have turns in it.
    fn executions(&self) -> Vec<ExecutionId> {
        match self {
            Self::Appends(appends) => appends.iter().map(|(append, _)| append.execution).collect(),
            Self::Puts(_) | Self::Remove(..) => Vec::new(),
        }
    }

    /// Answers everybody that nothing was written.
    fn refuse(self, why: &StoreError, is_lost: bool) {
        match self {
            Self::Appends(appends) => {
                for (_, answer) in appends {
                    let not_written = || AppendError::NotWritten(why.clone());
                    let error = if is_lost { AppendError::Lost } else { not_written() };
                    // Whoever asked may have stopped waiting, here and below.
                    drop(answer.send(Err(error)));
                }
            }
            Self::Puts(puts) => {
                for (_, answer) in puts {
                    drop(answer.send(Err(why.clone())));
                }
            }
            Self::Remove(_, _, answer) => drop(answer.send(Err(why.clone()))),
        }
    }
}

/// One connection that writes.
pub(crate) struct Lane {
    pub(crate) address: Address,
    pub(crate) fence: Fence,
    pub(crate) queue: Arc<Queue>,
    /// Set once the node has lost its right to write.
    pub(crate) is_lost: Arc<super::Lost>,
    pub(crate) client: Option<Client>,
    /// The turns of this lane that others wait for, as a [`Queue`] says.
    pub(crate) carried: usize,
}

/// What is said when another node has taken this one's place.
pub(crate) fn lost() -> StoreError {
    StoreError::new("another node has declared this one dead and taken its executions")
}

impl Lane {
    /// Works until the queue is closed and empty.
    pub(crate) async fn run(mut self) {
        while let Some(batch) = self.queue.next().await {
            let executions = batch.executions();
            self.carried = executions.len();
            let is_done = self.write(batch).await;
            self.queue.done(&executions, self.carried);
            if !is_done {
                // Whoever has failed tries again after a while.
                tokio::time::sleep(FIRST_PAUSE).await;
            }
        }
    }

    /// Returns false if there is no connection.
    async fn write(&mut self, batch: Batch) -> bool {
        if self.is_lost.get() {
            batch.refuse(&lost(), true);
            return true;
        }
        if self.client.as_ref().is_none_or(Client::is_closed)
            && let Err(error) = self.connect().await
        {
            batch.refuse(&error, self.is_lost.get());
            return false;
        }
        match batch {
            Batch::Appends(appends) => self.append(appends).await,
            Batch::Puts(puts) => self.put(puts).await,
            Batch::Remove(ended, most, answer) => self.remove(&ended, most, answer).await,
        }
        true
    }

    /// Opens a connection and raises the epoch. Nothing that was sent before is carried out afterwards.
    async fn connect(&mut self) -> Result<(), StoreError> {
        self.client = None;
        self.queue.uncount(std::mem::take(&mut self.carried));
        let client = self.address.connect(&super::name_of(self.fence.node)).await?;
        let raised = client
            .query_typed_opt(
                "UPDATE stepwright.fences SET epoch = epoch + 1 WHERE node = $1 AND lane = $2 \
                 RETURNING epoch",
                &[(&self.fence.node, Type::INT8), (&self.fence.lane, Type::INT2)],
            )
            .await
            .map_err(broken)?;
        match raised {
            Some(row) => self.fence.epoch = row.get(0),
            None => {
                self.is_lost.set();
                return Err(lost());
            }
        }
        self.client = Some(client);
        Ok(())
    }

    /// Connects again, however long that takes, to find out what became of a statement. Returns false
    /// if the node has lost its right to write meanwhile.
    async fn settle(&mut self) -> bool {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.connect().await {
                Ok(()) => return true,
                Err(_) if self.is_lost.get() => return false,
                Err(error) => tracing::warn!(%error, "the fate of a write is not known yet"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn client(&self) -> &Client {
        self.client.as_ref().expect("a batch is begun with a connection")
    }

    async fn append(&mut self, appends: Appends) {
        let (appends, answers): (Vec<_>, Vec<_>) = appends.into_iter().unzip();
        let all: Vec<&Append> = appends.iter().map(|append| &**append).collect();
        let results = match self.append_all(&all).await {
            // One of them cannot be written, and the others must not suffer for it.
            Err(_) if all.len() > 1 => {
                let mut results = Vec::with_capacity(all.len());
                for append in all {
                    let result = self.append_all(&[append]).await;
                    results.extend(
                        result.unwrap_or_else(|error| vec![Err(AppendError::NotWritten(error))]),
                    );
                }
                results
            }
            Err(error) => vec![Err(AppendError::NotWritten(error))],
            Ok(results) => results,
        };
        for (answer, result) in answers.into_iter().zip(results) {
            drop(answer.send(result));
        }
    }

    /// Writes turns with one statement. Fails if the database refuses it.
    async fn append_all(
        &mut self,
        appends: &[&Append],
    ) -> Result<Vec<Result<(), AppendError>>, StoreError> {
        let all_lost = || appends.iter().map(|_| Err(AppendError::Lost)).collect();
        if self.is_lost.get() {
            return Ok(all_lost());
        }
        match write::append(self.client(), &self.fence, appends).await {
            Ok(Written::Done(results)) => return Ok(results),
            Ok(Written::Fenced) => {
                self.is_lost.set();
                return Ok(all_lost());
            }
            Err(error) if is_refusal(&error) => return Err(broken(error)),
            Err(error) => {
                tracing::warn!(error = text(&error), "the fate of a write is not known");
            }
        }
        loop {
            if !self.settle().await {
                return Ok(all_lost());
            }
            let Ok(kept) = write::kept(self.client(), appends).await else { continue };
            let not_written = || {
                let why = StoreError::new("the connection to PostgreSQL was lost");
                Err(AppendError::NotWritten(why))
            };
            return Ok(kept
                .into_iter()
                .map(|is_kept| if is_kept { Ok(()) } else { not_written() })
                .collect());
        }
    }

    async fn put(&mut self, puts: Vec<(DocumentChanges, oneshot::Sender<Result<(), StoreError>>)>) {
        let mut documents: BTreeMap<&str, Option<&[u8]>> = BTreeMap::new();
        for (changes, _) in &puts {
            let changes = changes.iter();
            documents.extend(changes.map(|(key, bytes)| (key.as_str(), bytes.as_deref())));
        }
        let result = loop {
            match write::put(self.client(), &self.fence, &documents).await {
                Ok(Written::Done(())) => break Ok(()),
                Ok(Written::Fenced) => {
                    self.is_lost.set();
                    break Err(lost());
                }
                Err(error) if is_refusal(&error) => break Err(broken(error)),
                // To write them twice is to write them once.
                Err(_) => {
                    if !self.settle().await {
                        break Err(lost());
                    }
                }
            }
        };
        for (_, answer) in puts {
            drop(answer.send(result.clone()));
        }
    }

    async fn remove(
        &mut self,
        ended: &Ended,
        most: usize,
        answer: oneshot::Sender<Result<u64, StoreError>>,
    ) {
        let result = match write::remove(self.client(), &self.fence, ended, most).await {
            Ok(Written::Done(count)) => Ok(count),
            Ok(Written::Fenced) => {
                self.is_lost.set();
                Err(lost())
            }
            Err(error) => Err(broken(error)),
        };
        drop(answer.send(result));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Status;

    /// Puts a turn of an execution that goes on into a queue. Nobody waits for its answer.
    fn put(queue: &Queue, execution: u64) {
        let append = Append {
            execution: ExecutionId(execution),
            expected_len: 1,
            len: 2,
            chunk: vec![1],
            about: None,
            status: Status::Running,
            stopped_at: None,
            wake_at: None,
            is_owed: false,
            redriven: None,
            map_runs: Vec::new(),
        };
        assert!(queue.put(Work::Append(Box::new(append), oneshot::channel().0)).is_ok());
    }

    fn take(queue: &Queue) -> Vec<u64> {
        let batch = Batch::of(&mut queue.state.lock(), Instant::now());
        batch.map_or_else(Vec::new, |batch| batch.executions().iter().map(|id| id.0).collect())
    }

    fn done(queue: &Queue, executions: &[u64]) {
        let ids: Vec<ExecutionId> = executions.iter().copied().map(ExecutionId).collect();
        queue.done(&ids, ids.len());
    }

    #[test]
    fn a_second_statement_goes_out_when_it_carries_as_much_as_the_first() {
        let queue = Queue::default();
        put(&queue, 1);
        assert_eq!(take(&queue), [1]);
        put(&queue, 2);
        assert_eq!(take(&queue), [2]);
        (3..=6).for_each(|execution| put(&queue, execution));
        done(&queue, &[1]);
        assert_eq!(take(&queue), [3, 4, 5, 6]);
        done(&queue, &[2]);
        (7..=9).for_each(|execution| put(&queue, execution));
        assert_eq!(take(&queue), [] as [u64; 0], "there are three, and four are on their way");
        put(&queue, 10);
        assert_eq!(take(&queue), [7, 8, 9, 10]);
        done(&queue, &[3, 4, 5, 6]);
        done(&queue, &[7, 8, 9, 10]);
        put(&queue, 11);
        assert_eq!(take(&queue), [] as [u64; 0], "there may soon be more");
        std::thread::sleep(PATIENCE);
        assert_eq!(take(&queue), [11]);
    }

    #[test]
    fn nobody_waits_for_a_lane_without_a_connection_and_turns_of_an_execution_follow_one_another() {
        let queue = Queue::default();
        (1..=3).for_each(|execution| put(&queue, execution));
        assert_eq!(take(&queue), [1, 2, 3]);
        put(&queue, 4);
        assert_eq!(take(&queue), [] as [u64; 0]);
        queue.uncount(3);
        std::thread::sleep(PATIENCE);
        assert_eq!(take(&queue), [4]);
        queue.done(&[ExecutionId(4)], 1);
        put(&queue, 2);
        assert_eq!(take(&queue), [] as [u64; 0], "another turn of it is on its way");
        queue.done(&[1, 2, 3].map(ExecutionId), 0);
        assert_eq!(take(&queue), [2]);
    }

    #[test]
    fn lanes_end_once_a_closed_queue_is_empty() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime can be made").block_on(async {
            let queue = Arc::new(Queue::default());
            let ended: Vec<_> = (0..2)
                .map(|_| {
                    let queue = queue.clone();
                    tokio::spawn(async move {
                        let mut count = 0;
                        while let Some(batch) = queue.next().await {
                            let executions = batch.executions();
                            tokio::task::yield_now().await;
                            count += executions.len();
                            queue.done(&executions, executions.len());
                        }
                        count
                    })
                })
                .collect();
            for execution in 0..1_000 {
                put(&queue, execution);
                if execution % 7 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            queue.close();
            let mut total = 0;
            for lane in ended {
                total += lane.await.expect("it does not panic");
            }
            assert_eq!(total, 1_000);
            let (answer, _) = oneshot::channel();
            assert!(queue.put(Work::Put(Vec::new(), answer)).is_err());
        });
    }
}
