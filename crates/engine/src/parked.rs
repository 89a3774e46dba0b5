//! Executions that are left alone because they panicked or cannot be read.
//!
//! They are written down in the store, so that a restart does not run into the same panic again. A
//! later release of Stepwright tries them again by itself, since it may have mended the reason.

use crate::drive::Fate;
use crate::mailbox::Message;
use crate::{Engine, ParkedError, Refused, Snapshot};
use std::sync::Arc;
use stepwright_history::{Event, EventKind, Failure, FrameId, stored};
use stepwright_interpreter::{Status, Stimulus};
use stepwright_json::{Json, Object, json};
use stepwright_store::{
    Append, AppendError, ExecutionId, ExecutionRow, HistoryPart, Status as Stored, StoreError,
};

/// An execution that is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Its ARN.
    pub arn: String,
    /// What happened.
    pub reason: String,
    /// When it happened, in milliseconds since 1970.
    pub since: i64,
    /// The release of Stepwright to which it happened.
    pub release: String,
}

const PREFIX: &str = "parked/";

/// This release.
const RELEASE: &str = env!("CARGO_PKG_VERSION");

fn key(id: ExecutionId) -> String {
    format!("{PREFIX}{}", id.0)
}

/// What is asked of the node that has a parked execution.
fn unparking(row: &ExecutionRow, action: &str) -> Json {
    json!({"do": "unpark", "arn": (row.about.arn.as_str()), "action": action})
}

impl Parked {
    fn write(&self) -> Vec<u8> {
        let mut object = Object::new();
        object.insert("arn", self.arn.as_str().into());
        object.insert("reason", self.reason.as_str().into());
        object.insert("since", Json::Int(self.since));
        object.insert("release", self.release.as_str().into());
        Json::Object(object).to_string().into_bytes()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let value = stepwright_json::parse_bytes(bytes).ok()?;
        let text = |key: &str| Some(value.get(key)?.as_str()?.to_owned());
        Some(Self {
            arn: text("arn")?,
            reason: text("reason")?,
            since: value.get("since")?.as_i64()?,
            release: text("release")?,
        })
    }
}

impl Engine {
    /// The executions that are left alone, by number.
    pub async fn parked(&self) -> Result<Vec<Parked>, StoreError> {
        let parked = self.parked_by_number().await?;
        Ok(parked.into_iter().map(|(_, parked)| parked).collect())
    }

    async fn parked_by_number(&self) -> Result<Vec<(ExecutionId, Parked)>, StoreError> {
        let documents = self.store().documents(PREFIX).await?;
        let read = |(key, bytes): (String, Vec<u8>)| {
            let number = key.strip_prefix(PREFIX)?.parse().ok()?;
            Some((ExecutionId(number), Parked::read(&bytes)?))
        };
        let mut parked: Vec<_> = documents.into_iter().filter_map(read).collect();
        parked.sort_by_key(|(id, _)| *id);
        Ok(parked)
    }

    /// Writes down that an execution is left alone.
    pub(crate) async fn note_parked(&self, id: ExecutionId, arn: Option<String>, reason: &str) {
        let arn = match arn {
            Some(arn) => Some(arn),
            None => self.store().execution(id).await.ok().flatten().map(|row| row.about.arn),
        };
        let Some(arn) = arn else { return };
        let (reason, since) = (reason.to_owned(), self.now().0);
        let parked = Parked { arn, reason, since, release: RELEASE.to_owned() };
        if let Err(error) = self.store().put(vec![(key(id), Some(parked.write()))]).await {
            tracing::warn!(%error, "a parked execution could not be written down");
        }
    }

    /// Leaves alone what was left alone before the restart, unless this is another release.
    pub(crate) async fn resume_parked(&self) -> Result<(), StoreError> {
        for (id, parked) in self.parked_by_number().await? {
            if parked.release == RELEASE {
                self.inner.mailboxes.park_resting(id, &parked.reason);
            } else {
                self.store().put(vec![(key(id), None)]).await?;
            }
        }
        Ok(())
    }

    /// Tries a parked execution again, from where its history ends. The node that has it does so.
    pub async fn retry_parked(&self, arn: &str) -> Result<(), ParkedError> {
        let (row, _) = self.find_parked(arn).await?;
        match self.asked_of_owner(row.id, &unparking(&row, "retry")).await {
            Some(answer) => answer.map_err(ParkedError::Refused),
            None => self.retry_parked_here(row).await,
        }
    }

    async fn retry_parked_here(&self, row: ExecutionRow) -> Result<(), ParkedError> {
        self.unpark(row.id).await?;
        match self.ask_to_resume(row.id).await {
            Ok(()) => {
                if let Some(wake_at) = row.wake_at {
                    self.inner.timers.wake_at(stepwright_history::Moment(wake_at), row.id);
                }
                Ok(())
            }
            Err(refused) => Err(ParkedError::Refused(refused)),
        }
    }

    /// Ends a parked execution as `ABORTED`. If its own stop fails as well, the end is recorded
    /// without it, so this works whatever is wrong with the history. The node that has it does so.
    pub async fn abort_parked(&self, arn: &str) -> Result<(), ParkedError> {
        let (row, parked) = self.find_parked(arn).await?;
        match self.asked_of_owner(row.id, &unparking(&row, "abort")).await {
            Some(answer) => answer.map_err(ParkedError::Refused),
            None => self.abort_parked_here(row, parked).await,
        }
    }

    /// Does what another node asks for a parked execution that is this node's.
    pub(crate) async fn unpark_for_other(&self, request: &Json) -> Result<(), Refused> {
        let text = |key: &str| request.get(key).and_then(Json::as_str).unwrap_or_default();
        let store = |error: ParkedError| match error {
            ParkedError::Refused(refused) => refused,
            error => Refused::Store { reason: error.to_string() },
        };
        let (row, parked) = self.find_parked(text("arn")).await.map_err(store)?;
        if !self.nodes().is_none_or(|nodes| nodes.is_open(row.id)) {
            return Err(Refused::Moved);
        }
        let done = match text("action") {
            "retry" => self.retry_parked_here(row).await,
            _ => self.abort_parked_here(row, parked).await,
        };
        done.map_err(store)
    }

    async fn abort_parked_here(
        &self,
        row: ExecutionRow,
        parked: Parked,
    ) -> Result<(), ParkedError> {
        let cause = format!("the execution was parked, and then aborted: {}", parked.reason);
        let failure = Failure { error: None, cause: Some(cause.into()) };
        self.unpark(row.id).await?;
        let stop = Stimulus::Stop { failure: failure.clone() };
        if self.ask(row.id, stop).await.is_ok() {
            return Ok(());
        }
        self.record_abort(row, failure).await
    }

    async fn find_parked(&self, arn: &str) -> Result<(ExecutionRow, Parked), ParkedError> {
        let known = self.parked_by_number().await?.into_iter().find(|(_, known)| known.arn == arn);
        let (id, parked) = known.ok_or_else(|| ParkedError::NotParked { arn: arn.to_owned() })?;
        let row = self.store().execution(id).await?;
        Ok((row.ok_or_else(|| ParkedError::NotParked { arn: arn.to_owned() })?, parked))
    }

    async fn unpark(&self, id: ExecutionId) -> Result<(), StoreError> {
        self.store().put(vec![(key(id), None)]).await?;
        self.inner.mailboxes.unpark(id);
        Ok(())
    }

    /// Records the end of an execution that the interpreter cannot end.
    async fn record_abort(&self, row: ExecutionRow, failure: Failure) -> Result<(), ParkedError> {
        let now = self.now();
        let last = self.store().history(row.id, HistoryPart::UpTo(u64::MAX), 1).await?;
        let events = last.first().and_then(|chunk| stored::decode(&chunk.bytes).ok());
        let shown = events.iter().flatten().rev().map(|event| event.id).find(|id| *id > 0);
        // If the last chunk cannot be read, the ids are not known; they are at most the length.
        let previous = shown.unwrap_or(row.len);
        let event = Event {
            at: now,
            frame: FrameId(0),
            id: previous + 1,
            previous,
            kind: EventKind::ExecutionAborted { failure: failure.clone() },
        };
        let append = Append {
            execution: row.id,
            expected_len: row.len,
            len: row.len + 1,
            chunk: stored::encode(&[event]),
            about: None,
            status: Stored::Aborted,
            stopped_at: Some(now.0),
            wake_at: None,
            is_owed: false,
            redriven: row.redriven,
            map_runs: Vec::new(),
        };
        let (id, len) = (append.execution, append.len);
        match self.store().append(append).await {
            Ok(()) => {}
            Err(AppendError::Unknown(_)) if matches!(self.outcome(id, len).await, Fate::Kept) => {}
            Err(AppendError::NotWritten(error) | AppendError::Unknown(error)) => {
                return Err(error.into());
            }
            Err(error @ (AppendError::Conflict | AppendError::Exists | AppendError::Lost)) => {
                return Err(StoreError::new(error.to_string()).into());
            }
        }
        self.unpark(id).await?;
        // Whoever waits for its end is told, if what is needed for that can still be read.
        if let Ok(facts) = self.facts(row).await {
            let snapshot = Snapshot {
                facts: Arc::new(facts),
                status: Status::Aborted { failure },
                input: Json::Null,
                input_text: None,
                stopped_at: Some(now.0),
                redriven: None,
                event_count: previous + 1,
            };
            self.inner.recent.ended(id, Arc::new(snapshot), &self.inner.underway);
        }
        Ok(())
    }

    async fn ask_to_resume(&self, id: ExecutionId) -> Result<(), Refused> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let resume = Message::resume(true);
        self.deliver(id, Message { reply: Some(reply), ..resume });
        answer.await.unwrap_or(Err(Refused::Closing))
    }
}
