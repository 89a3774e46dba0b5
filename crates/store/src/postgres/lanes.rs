//! Connections that write. What has come while one statement was on its way goes into the next one.
//!
//! A lane that loses its connection does not know what became of its last statement, which may even be
//! carried out later. It raises the epoch of its fence, after which the statement has either been carried
//! out or never will be, and then looks.

use super::connect::{Address, broken, is_refusal, text};
use super::write::{self, Ended, Written};
use crate::{Append, AppendError, DocumentChanges, StoreError};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

/// The lanes that append. One more writes documents and removes.
pub(crate) const APPENDING: i16 = 2;

/// The largest number of turns in one statement, and about the largest number of their bytes.
const MOST_AT_ONCE: usize = 256;
const MOST_BYTES: usize = 4 << 20;

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

/// The work that waits for a lane.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<VecDeque<Work>>,
    changed: Notify,
    is_closed: AtomicBool,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl Queue {
    /// Adds work. Returns it if the queue is closed: then nobody will do it.
    pub(crate) fn put(&self, work: Work) -> Result<(), Work> {
        {
            let mut waiting = self.waiting.lock();
            if self.is_closed.load(Ordering::SeqCst) {
                return Err(work);
            }
            waiting.push_back(work);
        }
        self.changed.notify_one();
        Ok(())
    }

    /// What is waiting is still done, and nothing more.
    pub(crate) fn close(&self) {
        let waiting = self.waiting.lock();
        self.is_closed.store(true, Ordering::SeqCst);
        drop(waiting);
        self.changed.notify_one();
    }

    /// Waits for work; `None` once the queue is closed and empty.
    async fn next(&self) -> Option<Batch> {
        loop {
            {
                let mut waiting = self.waiting.lock();
                if let Some(batch) = Batch::of(&mut waiting) {
                    return Some(batch);
                }
                if self.is_closed.load(Ordering::SeqCst) {
                    return None;
                }
            }
            self.changed.notified().await;
        }
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
    /// The next work of one kind. A statement sees nothing of what it changes itself, so turns of one
    /// execution are in different ones.
    fn of(waiting: &mut VecDeque<Work>) -> Option<Self> {
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
            Work::Append(first, answer) => {
                let mut taken = HashSet::from([first.execution]);
                let mut arns: HashSet<String> = HashSet::new();
                arns.extend(first.about.as_ref().map(|about| about.arn.clone()));
                let mut bytes = first.chunk.len();
                let mut appends = vec![(first, answer)];
                while appends.len() < MOST_AT_ONCE
                    && let Some(Work::Append(next, _)) = waiting.front()
                    && bytes + next.chunk.len() <= MOST_BYTES
                    && !taken.contains(&next.execution)
                    && !next.about.as_ref().is_some_and(|about| arns.contains(&about.arn))
                    && let Some(Work::Append(next, answer)) = waiting.pop_front()
                {
                    bytes += next.chunk.len();
                    taken.insert(next.execution);
                    arns.extend(next.about.as_ref().map(|about| about.arn.clone()));
                    appends.push((next, answer));
                }
                Some(Self::Appends(appends))
            }
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
}

/// What is said when another node has taken this one's place.
pub(crate) fn lost() -> StoreError {
    StoreError::new("another node has declared this one dead and taken its executions")
}

impl Lane {
    /// Works until the queue is closed and empty.
    pub(crate) async fn run(mut self) {
        while let Some(batch) = self.queue.next().await {
            if self.is_lost.get() {
                batch.refuse(&lost(), true);
                continue;
            }
            if self.client.as_ref().is_none_or(Client::is_closed)
                && let Err(error) = self.connect().await
            {
                batch.refuse(&error, self.is_lost.get());
                // Whoever has failed tries again after a while.
                tokio::time::sleep(FIRST_PAUSE).await;
                continue;
            }
            match batch {
                Batch::Appends(appends) => self.append(appends).await,
                Batch::Puts(puts) => self.put(puts).await,
                Batch::Remove(ended, most, answer) => self.remove(&ended, most, answer).await,
            }
        }
    }

    /// Opens a connection and raises the epoch. Nothing that was sent before is carried out afterwards.
    async fn connect(&mut self) -> Result<(), StoreError> {
        self.client = None;
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
