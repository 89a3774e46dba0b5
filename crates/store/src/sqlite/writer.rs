//! Writing. One fsync makes everything durable that is written in one transaction.

use super::acknowledged::{Acknowledged, Facts, Turn};
use super::schema::broken;
use crate::{Append, AppendError, DocumentChanges, ExecutionId, MapRunRow, Status, StoreError};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::BTreeMap;
use tokio::sync::oneshot::Sender;

/// A piece of work for the writer.
#[derive(Debug)]
pub(crate) enum Work {
    Append(Box<Append>, Sender<Result<(), AppendError>>),
    Put(DocumentChanges, Sender<Result<(), StoreError>>),
    /// Deletes these executions, if they ended before this moment.
    Remove {
        executions: Vec<ExecutionId>,
        ended_before: i64,
        answer: Sender<Result<u64, StoreError>>,
    },
}

impl Work {
    /// How many bytes of data there are to be written, about.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Append(append, _) => append.chunk.len(),
            Self::Put(changes, _) => {
                changes.iter().map(|(_, document)| document.as_ref().map_or(0, Vec::len)).sum()
            }
            // What is deleted has any size.
            Self::Remove { .. } => usize::MAX,
        }
    }
}

/// Moves the contents of the log into the database. A log that is left behind is read when the
/// store is opened next.
pub(crate) fn checkpoint(connection: &Connection) {
    drop(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
}

/// Writes one transaction. An append that does not fit its execution changes nothing; everything
/// else is kept, or nothing is.
pub(crate) fn write_all(
    connection: &mut Connection,
    acknowledged: &mut Acknowledged,
    work: Vec<Work>,
) {
    let mut answers: Vec<Answer> = Vec::with_capacity(work.len());
    let mut outcome = Outcome::Kept;
    let mut facts = Facts::default();
    match connection.transaction() {
        Err(error) => {
            outcome = Outcome::NotWritten(broken(error));
            answers.extend(work.into_iter().map(Answer::to));
        }
        Ok(transaction) => {
            let mut counting = Counting::default();
            for piece in work {
                let mut answer = Answer::Nothing;
                if matches!(outcome, Outcome::Kept) {
                    let written = write(&transaction, piece, &mut counting, &mut answer);
                    outcome = written.map_or_else(Outcome::NotWritten, |()| Outcome::Kept);
                } else {
                    answer = Answer::to(piece);
                }
                answers.push(answer);
            }
            if matches!(outcome, Outcome::Kept) {
                let finished = counting
                    .write(&transaction)
                    .and_then(|()| acknowledged.raise(&transaction, counting.last_turn()));
                outcome = match finished {
                    Err(error) => Outcome::NotWritten(broken(error)),
                    Ok(raised) => {
                        facts = raised;
                        // If the commit failed, what reached the disk before may still be found
                        // there after a crash.
                        let committed = transaction.commit();
                        committed.map_or_else(
                            |error| Outcome::Unknown(broken(error)),
                            |()| Outcome::Kept,
                        )
                    }
                };
            }
        }
    }
    if matches!(outcome, Outcome::Kept) {
        acknowledged.committed(facts);
    }
    for answer in answers {
        answer.send(outcome.clone());
    }
}

/// The result of a transaction.
#[derive(Clone, Debug)]
enum Outcome {
    Kept,
    NotWritten(StoreError),
    Unknown(StoreError),
}

impl Outcome {
    fn for_append(self) -> Result<(), AppendError> {
        match self {
            Self::Kept => Ok(()),
            Self::NotWritten(error) => Err(AppendError::NotWritten(error)),
            Self::Unknown(error) => Err(AppendError::Unknown(error)),
        }
    }

    fn for_others(self) -> Result<(), StoreError> {
        match self {
            Self::Kept => Ok(()),
            Self::NotWritten(error) | Self::Unknown(error) => Err(error),
        }
    }
}

/// Who is waiting for a piece of work, and the answer they get if it is kept.
enum Answer {
    Append(Sender<Result<(), AppendError>>, Result<(), AppendError>),
    Put(Sender<Result<(), StoreError>>),
    Count(Sender<Result<u64, StoreError>>, u64),
    Nothing,
}

impl Answer {
    fn to(work: Work) -> Self {
        match work {
            Work::Append(_, answer) => Self::Append(answer, Ok(())),
            Work::Put(_, answer) => Self::Put(answer),
            Work::Remove { answer, .. } => Self::Count(answer, 0),
        }
    }

    /// Callers may have stopped waiting, so errors are ignored.
    fn send(self, outcome: Outcome) {
        match self {
            Self::Append(answer, Ok(())) => drop(answer.send(outcome.for_append())),
            // It was refused because of what the store held before, and a failed transaction does
            // not change that.
            Self::Append(answer, refused) => drop(answer.send(refused)),
            Self::Put(answer) => drop(answer.send(outcome.for_others())),
            Self::Count(answer, count) => drop(answer.send(outcome.for_others().map(|()| count))),
            Self::Nothing => {}
        }
    }
}

/// The changes that one transaction makes to the number of executions of each owner and status.
#[derive(Debug, Default)]
struct Counting {
    changes: BTreeMap<(String, i64), i64>,
    /// Whether executions were deleted, so that a count may have become zero and its row must go.
    is_forgetting: bool,
    /// The last turn that was appended.
    turn: Option<Turn>,
    /// Whether anything else was done.
    does_more: bool,
}

impl Counting {
    fn add(&mut self, owner: &str, status: i64, number: i64) {
        *self.changes.entry((owner.to_owned(), status)).or_default() += number;
    }

    /// The last turn, of a transaction that only appends turns.
    fn last_turn(&self) -> Option<Turn> {
        self.turn.filter(|_| !self.does_more)
    }

    fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        for ((owner, status), number) in &self.changes {
            if *number != 0 {
                connection
                    .prepare_cached(
                        "INSERT INTO counts (owner, status, number) VALUES (?1, ?2, ?3) \
                         ON CONFLICT DO UPDATE SET number = number + excluded.number",
                    )?
                    .execute(params![owner, status, number])?;
            }
            if self.is_forgetting {
                connection
                    .prepare_cached("DELETE FROM counts WHERE owner = ?1 AND number = 0")?
                    .execute(params![owner])?;
            }
        }
        Ok(())
    }
}

fn write(
    connection: &Connection,
    work: Work,
    counting: &mut Counting,
    answer: &mut Answer,
) -> Result<(), StoreError> {
    let mut written = Ok(());
    let mut count = |counted: rusqlite::Result<u64>| {
        counted.unwrap_or_else(|error| {
            written = Err(broken(error));
            0
        })
    };
    *answer = match work {
        Work::Append(append, to) => {
            let refused = write_append(connection, &append, counting).unwrap_or_else(|error| {
                written = Err(broken(error));
                None
            });
            if refused.is_none() {
                // What leaves the length as it was cannot be told by it.
                counting.does_more |= append.len <= append.expected_len;
                counting.turn = Some(Turn { execution: append.execution.0, len: append.len });
            }
            Answer::Append(to, refused.map_or(Ok(()), Err))
        }
        Work::Put(documents, to) => {
            counting.does_more = true;
            written = put(connection, &documents).map_err(broken);
            Answer::Put(to)
        }
        Work::Remove { executions, ended_before, answer } => {
            counting.does_more = true;
            let removed = remove(connection, &executions, ended_before, counting);
            Answer::Count(answer, count(removed))
        }
    };
    written
}

/// Returns why the append does not fit its execution, if it does not. Then nothing is changed.
fn write_append(
    connection: &Connection,
    append: &Append,
    counting: &mut Counting,
) -> rusqlite::Result<Option<AppendError>> {
    if !write_execution(connection, append, counting)? {
        return Ok(Some(match append.about {
            Some(_) => AppendError::Exists,
            None => AppendError::Conflict,
        }));
    }
    write_rest(connection, append)?;
    Ok(None)
}

fn write_execution(
    connection: &Connection,
    append: &Append,
    counting: &mut Counting,
) -> rusqlite::Result<bool> {
    let (redrive_count, redriven_at) = append.redriven.unzip();
    let changed = match &append.about {
        Some(about) => {
            let changed = connection
                .prepare_cached(
                    "INSERT INTO executions (id, arn, machine, version, alias, map_run, started_at, \
                     more, status, len, stopped_at, wake_at, is_owed, redrive_count, redriven_at) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) \
                     ON CONFLICT DO NOTHING",
                )?
                .execute(params![
                    append.execution.0 as i64,
                    about.arn,
                    about.machine,
                    about.version,
                    about.alias,
                    about.map_run,
                    about.started_at,
                    about.more,
                    append.status as i64,
                    append.len as i64,
                    append.stopped_at,
                    append.wake_at,
                    append.is_owed,
                    redrive_count,
                    redriven_at,
                ])?;
            if changed == 1 {
                counting.add(about.owner(), append.status as i64, 1);
            }
            changed
        }
        // The usual turn of an execution that keeps running touches no index.
        None if goes_on(append) => connection
            .prepare_cached(
                "UPDATE executions SET len = ?3, wake_at = ?4, is_owed = ?5 \
                 WHERE id = ?1 AND len = ?2 AND status = ?6",
            )?
            .execute(params![
                append.execution.0 as i64,
                append.expected_len as i64,
                append.len as i64,
                append.wake_at,
                append.is_owed,
                append.status as i64,
            ])?,
        None => {
            let before = connection
                .prepare_cached("SELECT coalesce(map_run, machine), status FROM executions WHERE id = ?1 AND len = ?2")?
                .query_row(params![append.execution.0 as i64, append.expected_len as i64], |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
                })
                .optional()?;
            let Some((owner, status)) = before else { return Ok(false) };
            if status != append.status as i64 {
                counting.add(&owner, status, -1);
                counting.add(&owner, append.status as i64, 1);
            }
            connection
                .prepare_cached(
                    "UPDATE executions SET status = ?2, len = ?3, stopped_at = ?4, wake_at = ?5, \
                     is_owed = ?6, redrive_count = ?7, redriven_at = ?8 WHERE id = ?1",
                )?
                .execute(params![
                    append.execution.0 as i64,
                    append.status as i64,
                    append.len as i64,
                    append.stopped_at,
                    append.wake_at,
                    append.is_owed,
                    redrive_count,
                    redriven_at,
                ])?
        }
    };
    Ok(changed == 1)
}

/// Whether the execution ran before the turn, still runs after it, and was never redriven.
fn goes_on(append: &Append) -> bool {
    append.status == Status::Running && append.stopped_at.is_none() && append.redriven.is_none()
}

fn write_rest(connection: &Connection, append: &Append) -> rusqlite::Result<()> {
    if !append.chunk.is_empty() {
        connection
            .prepare_cached("INSERT INTO chunks (execution, len, bytes) VALUES (?1, ?2, ?3)")?
            .execute(params![append.execution.0 as i64, append.len as i64, append.chunk])?;
    }
    for MapRunRow { arn, execution, started_at, more } in &append.map_runs {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO map_runs (arn, execution, started_at, more) \
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![arn, execution.0 as i64, started_at, more])?;
    }
    Ok(())
}

fn put(connection: &Connection, documents: &[(String, Option<Vec<u8>>)]) -> rusqlite::Result<()> {
    for (key, bytes) in documents {
        match bytes {
            Some(bytes) => connection
                .prepare_cached("INSERT OR REPLACE INTO documents (key, bytes) VALUES (?1, ?2)")?
                .execute(params![key, bytes])?,
            None => connection
                .prepare_cached("DELETE FROM documents WHERE key = ?1")?
                .execute(params![key])?,
        };
    }
    Ok(())
}

fn remove(
    connection: &Connection,
    ids: &[ExecutionId],
    ended_before: i64,
    counting: &mut Counting,
) -> rusqlite::Result<u64> {
    let mut count = 0;
    for id in ids {
        let removed = connection
            .prepare_cached(
                "DELETE FROM executions WHERE id = ?1 AND status NOT IN (0, 5) AND stopped_at < ?2 \
                 RETURNING coalesce(map_run, machine), status",
            )?
            .query_row(params![id.0 as i64, ended_before], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
            })
            .optional()?;
        let Some((owner, status)) = removed else { continue };
        counting.add(&owner, status, -1);
        counting.is_forgetting = true;
        for statement in
            ["DELETE FROM chunks WHERE execution = ?1", "DELETE FROM map_runs WHERE execution = ?1"]
        {
            connection.prepare_cached(statement)?.execute(params![id.0 as i64])?;
        }
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::About;
    use tokio::sync::oneshot::{Receiver, channel};

    fn database() -> Connection {
        let mut connection = Connection::open_in_memory().expect("memory is a database");
        super::super::schema::migrate(&mut connection).expect("it is empty");
        connection
    }

    fn start(id: u64, bytes: usize) -> (Work, Receiver<Result<(), AppendError>>) {
        let (answer, answered) = channel();
        let about = About { arn: format!("execution-{id}"), ..About::default() };
        let append = Append {
            execution: ExecutionId(id),
            expected_len: 0,
            len: 1,
            chunk: vec![1; bytes],
            about: Some(Box::new(about)),
            status: Status::Running,
            stopped_at: None,
            wake_at: None,
            is_owed: false,
            redriven: None,
            map_runs: Vec::new(),
        };
        (Work::Append(Box::new(append), answer), answered)
    }

    fn append(connection: &mut Connection, id: u64, bytes: usize) -> Result<(), AppendError> {
        let (work, mut answered) = start(id, bytes);
        write_all(connection, &mut Acknowledged::nowhere(), vec![work]);
        answered.try_recv().expect("it is answered")
    }

    fn executions(connection: &Connection) -> (i64, i64) {
        let count = |query: &str| connection.query_row(query, [], |row| row.get(0));
        let counted = count("SELECT coalesce(sum(number), 0) FROM counts");
        let there = count("SELECT count(*) FROM executions");
        (there.expect("it can be counted"), counted.expect("it can be summed"))
    }

    #[test]
    fn what_has_no_room_is_not_written() {
        let mut connection = database();
        append(&mut connection, 1, 10).expect("there is room");
        let pages: i64 =
            connection.query_row("PRAGMA page_count", [], |row| row.get(0)).expect("it has pages");
        connection
            .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
            .expect("it can be limited");
        // In one transaction: an append for which there is room, and one for which there is none.
        let (small, mut small_answer) = start(2, 10);
        let (large, mut large_answer) = start(3, 1 << 20);
        write_all(&mut connection, &mut Acknowledged::nowhere(), vec![small, large]);
        for answer in [&mut small_answer, &mut large_answer] {
            let answer = answer.try_recv().expect("it is answered");
            assert!(matches!(answer, Err(AppendError::NotWritten(_))), "{answer:?}");
        }
        assert_eq!(executions(&connection), (1, 1));
        // The writer can go on after the failure.
        append(&mut connection, 2, 10).expect("there is room");
        assert_eq!(executions(&connection), (2, 2));
    }

    #[test]
    fn what_could_not_be_committed_is_unknown() {
        let mut connection = database();
        connection.commit_hook(Some(|| true));
        let refused = append(&mut connection, 1, 10);
        assert!(matches!(refused, Err(AppendError::Unknown(_))), "{refused:?}");
        connection.commit_hook(None::<fn() -> bool>);
        // What the store holds shows what became of the append.
        assert_eq!(executions(&connection), (0, 0));
        append(&mut connection, 1, 10).expect("it is kept");
        assert!(matches!(append(&mut connection, 1, 10), Err(AppendError::Exists)));
        assert_eq!(executions(&connection), (1, 1));
    }
}
