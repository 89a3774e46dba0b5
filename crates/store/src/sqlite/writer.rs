//! Writing: one fsync makes all work durable that is written at once.

use super::schema::broken;
use crate::{Append, AppendError, DocumentChanges, ExecutionId, MapRunRow, Status, StoreError};
use rusqlite::{Connection, params};
use tokio::sync::oneshot::Sender;

/// What is to be written.
#[derive(Debug)]
pub(crate) enum Work {
    Append(Box<Append>, Sender<Result<(), AppendError>>),
    Put(DocumentChanges, Sender<Result<(), StoreError>>),
    Forget { ended_before: i64, most: usize, answer: Sender<Result<u64, StoreError>> },
    ForgetMachine(String, Sender<Result<u64, StoreError>>),
}

/// Moves what the log holds into the database. A log that is left behind is read at the next opening.
pub(crate) fn checkpoint(connection: &Connection) {
    drop(connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
}

/// One transaction. An append that does not fit its execution changes nothing; all else is kept,
/// or nothing is.
pub(crate) fn write_all(connection: &mut Connection, work: Vec<Work>) {
    let mut answers: Vec<Answer> = Vec::with_capacity(work.len());
    let mut outcome = Ok(());
    match connection.transaction() {
        Err(error) => {
            outcome = Err(broken(error));
            answers.extend(work.into_iter().map(Answer::to));
        }
        Ok(transaction) => {
            for piece in work {
                let mut answer = Answer::Nothing;
                if outcome.is_ok() {
                    outcome = answer_by_writing(&transaction, piece, &mut answer);
                } else {
                    answer = Answer::to(piece);
                }
                answers.push(answer);
            }
            outcome = outcome.and_then(|()| transaction.commit().map_err(broken));
        }
    }
    for answer in answers {
        answer.send(outcome.clone());
    }
}

/// Who waits for a piece of work, and what they hear if it is kept.
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
            Work::Forget { answer, .. } | Work::ForgetMachine(_, answer) => Self::Count(answer, 0),
        }
    }

    /// Whoever has gone away does not want to know.
    fn send(self, outcome: Result<(), StoreError>) {
        match self {
            Self::Append(answer, Ok(())) => {
                drop(answer.send(outcome.map_err(AppendError::Store)));
            }
            Self::Append(answer, refused) => drop(answer.send(refused)),
            Self::Put(answer) => drop(answer.send(outcome)),
            Self::Count(answer, count) => drop(answer.send(outcome.map(|()| count))),
            Self::Nothing => {}
        }
    }
}

fn answer_by_writing(
    connection: &Connection,
    work: Work,
    answer: &mut Answer,
) -> Result<(), StoreError> {
    let mut written = Ok(());
    *answer = match work {
        Work::Append(append, to) => {
            let refused = write_append(connection, &append).unwrap_or_else(|error| {
                written = Err(broken(error));
                None
            });
            Answer::Append(to, refused.map_or(Ok(()), Err))
        }
        Work::Put(documents, to) => {
            written = put(connection, &documents).map_err(broken);
            Answer::Put(to)
        }
        Work::Forget { ended_before, most, answer } => {
            let count = forget(connection, ended_before, most).unwrap_or_else(|error| {
                written = Err(broken(error));
                0
            });
            Answer::Count(answer, count)
        }
        Work::ForgetMachine(machine, to) => {
            let count = forget_machine(connection, &machine).unwrap_or_else(|error| {
                written = Err(broken(error));
                0
            });
            Answer::Count(to, count)
        }
    };
    written
}

/// Why the append does not fit, if it does not; then nothing is changed.
fn write_append(connection: &Connection, append: &Append) -> rusqlite::Result<Option<AppendError>> {
    if !write_execution(connection, append)? {
        return Ok(Some(match append.about {
            Some(_) => AppendError::Exists,
            None => AppendError::Conflict,
        }));
    }
    write_rest(connection, append)?;
    Ok(None)
}

fn write_execution(connection: &Connection, append: &Append) -> rusqlite::Result<bool> {
    let (redrive_count, redriven_at) = append.redriven.unzip();
    let changed = match &append.about {
        Some(about) => connection
            .prepare_cached(
                "INSERT INTO executions (id, arn, machine, version, alias, map_run, started_at, more, \
                 status, len, stopped_at, wake_at, is_owed, redrive_count, redriven_at) \
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
            ])?,
        // The usual turn of an execution that goes on touches no index.
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
        None => connection
            .prepare_cached(
                "UPDATE executions SET status = ?3, len = ?4, stopped_at = ?5, wake_at = ?6, \
                 is_owed = ?7, redrive_count = ?8, redriven_at = ?9 WHERE id = ?1 AND len = ?2",
            )?
            .execute(params![
                append.execution.0 as i64,
                append.expected_len as i64,
                append.status as i64,
                append.len as i64,
                append.stopped_at,
                append.wake_at,
                append.is_owed,
                redrive_count,
                redriven_at,
            ])?,
    };
    Ok(changed == 1)
}

/// Whether it ran before the turn, runs after it, and was never redriven.
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

fn forget(connection: &Connection, ended_before: i64, most: usize) -> rusqlite::Result<u64> {
    let ids = ids(
        connection,
        "SELECT id FROM executions WHERE stopped_at < ?1 AND status NOT IN (0, 5) LIMIT ?2",
        params![ended_before, most as i64],
    );
    remove(connection, &ids?)
}

fn forget_machine(connection: &Connection, machine: &str) -> rusqlite::Result<u64> {
    let ids = ids(
        connection,
        "SELECT id FROM executions WHERE machine = ?1 AND status NOT IN (0, 5)",
        params![machine],
    );
    remove(connection, &ids?)
}

fn ids(
    connection: &Connection,
    query: &str,
    parameters: &[&dyn rusqlite::ToSql],
) -> rusqlite::Result<Vec<ExecutionId>> {
    let mut statement = connection.prepare_cached(query)?;
    let rows = statement.query_map(parameters, |row| row.get::<_, i64>(0))?;
    rows.map(|id| id.map(|id| ExecutionId(id as u64))).collect()
}

fn remove(connection: &Connection, ids: &[ExecutionId]) -> rusqlite::Result<u64> {
    for id in ids {
        for statement in [
            "DELETE FROM chunks WHERE execution = ?1",
            "DELETE FROM map_runs WHERE execution = ?1",
            "DELETE FROM executions WHERE id = ?1",
        ] {
            connection.prepare_cached(statement)?.execute(params![id.0 as i64])?;
        }
    }
    Ok(ids.len() as u64)
}
