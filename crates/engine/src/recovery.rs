//! Opening an engine on what its store holds, and what is wrong with that, if anything.

use crate::activities::Activities;
use crate::drive::{Mailboxes, Message};
use crate::executions::Recent;
use crate::facts::More;
use crate::live::{Live, status_of};
use crate::timers::Timers;
use crate::{Catalogue, Engine, Facts, Inner, Metrics, Options};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use stepwright_history::{Failure, Moment, stored};
use stepwright_interpreter::{Command, CorruptHistory, Execution, Stimulus};
use stepwright_store::{ExecutionId, ExecutionRow, Filter, Page, StoreError};

/// Why an engine could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store cannot be read.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
}

/// Why an execution cannot be folded back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("its history cannot be read: {0}")]
    Stored(#[from] stored::StoredError),
    #[error("its history does not hang together: {0}")]
    Corrupt(#[from] CorruptHistory),
    #[error("{0}")]
    Unreadable(String),
}

/// Something that `doctor` has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The execution's ARN, if it is about one.
    pub arn: Option<String>,
    /// What is wrong.
    pub what: String,
}

/// How many rows are read at once.
const PAGE: usize = 1_000;

/// How often retention is looked after.
const RETENTION_EVERY: Duration = Duration::from_mins(1);

impl Engine {
    /// Opens an engine: machines and activities are there when this returns, timers and owed work
    /// follow in the background. Must be called within a tokio runtime.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let engine = Self::closed(options).await?;
        let timers = engine.clone();
        tokio::spawn(async move {
            let clock = timers.inner.options.clock.clone();
            timers.inner.timers.run(&timers, &*clock).await;
        });
        // Only what was there before is resumed: what begins from now on takes care of itself.
        let end = engine.store().new_id();
        let resuming = engine.clone();
        tokio::spawn(async move { resuming.resume(end).await });
        if engine.inner.options.retention_millis.is_some() {
            let retaining = engine.clone();
            tokio::spawn(async move { retaining.retain().await });
        }
        Ok(engine)
    }

    /// The same, but nothing is woken: to look at what the store holds.
    pub async fn closed(options: Options) -> Result<Self, OpenError> {
        let catalogue = Catalogue::load(&*options.store).await?;
        let activities = Activities::default();
        for activity in catalogue.activities() {
            activities.open(&activity.arn);
        }
        let inner = Inner {
            options,
            catalogue,
            mailboxes: Mailboxes::new(),
            timers: Timers::default(),
            activities,
            recent: Recent::default(),
            metrics: Metrics::default(),
            closing: AtomicBool::new(false),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Wakes everything that lived when the store was closed.
    async fn resume(self, end: ExecutionId) {
        let mut after = None;
        loop {
            let rows = match self.store().live(after, PAGE).await {
                Ok(rows) => rows,
                Err(error) => {
                    tracing::error!(%error, "cannot read the live executions");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            let Some(last) = rows.last() else { return };
            after = Some(last.id);
            for row in rows {
                if row.id > end || self.is_closing() {
                    return;
                }
                if let Some(wake_at) = row.wake_at {
                    self.inner.timers.wake_at(Moment(wake_at), row.id);
                }
                if self.is_orphan(&row).await {
                    let failure = Failure::default();
                    self.deliver(row.id, Message::new(Stimulus::Stop { failure }));
                } else if row.is_owed {
                    self.deliver(row.id, Message::resume(true));
                }
            }
        }
    }

    /// Whether the execution that it was begun for does not wait for it any more.
    async fn is_orphan(&self, row: &ExecutionRow) -> bool {
        let Some(parent) = More::read(&row.about.more).and_then(|more| more.parent) else {
            return false;
        };
        match self.load(parent.execution).await {
            Ok(Some(live)) => !live.execution.wants(parent.task, parent.index),
            // A parent that was forgotten waits for nobody.
            Ok(None) => true,
            Err(_) => false,
        }
    }

    async fn retain(self) {
        while !self.is_closing() {
            tokio::time::sleep(RETENTION_EVERY).await;
            let Some(kept) = self.inner.options.retention_millis else { return };
            let before = self.now().0 - kept;
            while let Ok(count) = self.store().forget(before, PAGE).await {
                if count < PAGE as u64 {
                    break;
                }
            }
        }
    }

    /// Folds an execution back.
    pub(crate) async fn load(&self, id: ExecutionId) -> Result<Option<Box<Live>>, LoadError> {
        match self.store().execution(id).await? {
            Some(row) => self.load_row(row).await.map(|live| Some(Box::new(live))),
            None => Ok(None),
        }
    }

    pub(crate) async fn load_row(&self, row: ExecutionRow) -> Result<Live, LoadError> {
        let more = More::read(&row.about.more)
            .ok_or_else(|| LoadError::Unreadable("its facts cannot be read".to_owned()))?;
        let revision = self.revision(&more.revision).await?;
        let mut execution = Execution::default();
        let mut len = 0;
        for chunk in self.store().history(row.id).await? {
            for event in stored::decode(&chunk)? {
                execution.apply(&event)?;
                len += 1;
            }
        }
        let facts = Facts {
            id: row.id,
            is_express: revision.is_express,
            about: row.about,
            revision,
            test_case: more.test_case,
            trace_header: more.trace_header,
            parent: more.parent,
        };
        let mut live = Live::new(Arc::new(facts), execution, len);
        live.woken_at = row.wake_at.map(Moment);
        Ok(live)
    }

    /// Looks for what is wrong: what the store finds, histories that do not fold, live executions
    /// that nothing would wake.
    pub async fn doctor(&self) -> Result<Vec<Finding>, StoreError> {
        let mut findings: Vec<Finding> = Vec::new();
        for what in self.store().verify().await? {
            findings.push(Finding { arn: None, what });
        }
        let mut after = None;
        loop {
            let rows = self.store().list(Filter::default(), Page { after, most: PAGE }).await?;
            let Some(last) = rows.last() else { return Ok(findings) };
            after = Some((last.about.started_at, last.id));
            for row in rows {
                let arn = row.about.arn.clone();
                for what in self.examine(row).await {
                    findings.push(Finding { arn: Some(arn.clone()), what });
                }
            }
        }
    }

    async fn examine(&self, row: ExecutionRow) -> Vec<String> {
        let mut findings = Vec::new();
        let (status, len, wake_at, is_owed) = (row.status, row.len, row.wake_at, row.is_owed);
        let mut live = match self.load_row(row).await {
            Ok(live) => live,
            Err(error) => return vec![error.to_string()],
        };
        if live.len != len {
            findings.push(format!("it has {} events and should have {len}", live.len));
        }
        if status_of(&live.execution) != status {
            findings.push(format!(
                "it is listed as {} and its history says {}",
                status.name(),
                live.execution.status().name()
            ));
        }
        if live.execution.is_over() {
            return findings;
        }
        let commands = live.execution.commands();
        let waits_for_token = |command: &Command| matches!(command, Command::RunTask { call, .. } if call.waits_for_token());
        let needs_work = commands
            .iter()
            .any(|command| !matches!(command, Command::WakeAt { .. }) && !waits_for_token(command));
        if commands.is_empty() {
            findings.push("it is running and nothing would ever wake it".to_owned());
        }
        if needs_work && !is_owed {
            findings
                .push("it waits for work that would not be asked for after a restart".to_owned());
        }
        let next = live.next_appointment().map(|(due, _)| due.0);
        if next.is_some() && wake_at.is_none_or(|at| Some(at) > next) {
            findings.push("its next timer would not be set after a restart".to_owned());
        }
        findings
    }
}
