//! Ends of executions: waiting for an end, stopping, and redriving.

use crate::snapshot::News;
use crate::{Ended, Engine, RedriveError, Refused, Snapshot, StopError};
use std::time::Duration;
use stepwright_history::Failure;
use stepwright_interpreter::{Status, Stimulus};
use stepwright_store::StoreError;

const NOT_REDRIVABLE: &str = "Execution cannot be redriven";

/// Executions can be redriven for 14 days after their end.
const REDRIVABLE_MILLIS: i64 = 14 * 86_400_000;

/// How long a store that does not answer is left alone.
const AGAIN: Duration = Duration::from_millis(200);

impl Engine {
    /// Waits until an execution has ended. Returns `None` if there is no such execution.
    pub async fn ended(&self, arn: &str) -> Option<Ended> {
        self.news_of(arn).await.map(|(ended, _)| ended)
    }

    /// Like [`Self::ended`], but the news counts as under way until the caller has acted on it.
    pub(crate) async fn news_of(&self, arn: &str) -> Option<News> {
        let news = |ended| Some((ended, self.inner.underway.begin()));
        loop {
            if let Some(ended) = self.inner.recent.find_ended(arn).filter(|_| self.remembers()) {
                return news(ended);
            }
            match self.store().execution_by_arn(arn).await {
                Ok(None) => return None,
                Ok(Some(row)) if !self.holds(row.id) => {
                    // Another node drives it, and nobody here hears of its end.
                    let id = row.id;
                    if row.status.is_over()
                        && let Ok(snapshot) = self.snapshot(row).await
                    {
                        return news(snapshot);
                    }
                    self.watch_elsewhere(id);
                    if let Some(nodes) = self.nodes() {
                        nodes.over(id).await;
                    }
                }
                Ok(Some(row)) => {
                    let watch = self.inner.recent.watch(row.id);
                    // It may have ended before we began to watch. Its driver tells of an end that is stored
                    // only just now, and until then others are told that it runs.
                    if !self.inner.recent.is_running(arn) {
                        match self.store().execution(row.id).await {
                            Ok(Some(now)) if !now.status.is_over() => {}
                            Ok(Some(now)) => match self.snapshot(now).await {
                                Ok(snapshot) => return news(snapshot),
                                Err(error) => {
                                    tracing::warn!(arn, %error, "an end cannot be read");
                                    tokio::time::sleep(AGAIN).await;
                                    continue;
                                }
                            },
                            Ok(None) => continue,
                            Err(error) => {
                                tracing::warn!(arn, %error, "cannot read an execution");
                                tokio::time::sleep(AGAIN).await;
                                continue;
                            }
                        }
                    }
                    if let Ok(news) = watch.await {
                        return Some(news);
                    }
                }
                Err(error) => {
                    tracing::warn!(arn, %error, "cannot read an execution");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// Stops an execution, unless it has ended already. Returns when it ended, in milliseconds
    /// since 1970.
    pub async fn stop(&self, arn: &str, failure: Failure) -> Result<i64, StopError> {
        let gone =
            |error: StoreError| StopError::Refused(Refused::Store { reason: error.to_string() });
        let row = self.store().execution_by_arn(arn).await.map_err(gone)?;
        let row = row.ok_or(StopError::NoSuchExecution)?;
        if !row.status.is_over() {
            match self.ask(row.id, Stimulus::Stop { failure }).await {
                Ok(()) | Err(Refused::Stale) => {}
                Err(refused) => return Err(StopError::Refused(refused)),
            }
        }
        let row = self.store().execution(row.id).await.map_err(gone)?;
        Ok(row.and_then(|row| row.stopped_at).unwrap_or(self.now().0))
    }

    /// Redrives a failed execution: it goes on from where it failed. Returns the time of the
    /// redrive, in milliseconds since 1970.
    pub async fn redrive(&self, arn: &str) -> Result<i64, RedriveError> {
        let gone =
            |error: StoreError| RedriveError::Refused(Refused::Store { reason: error.to_string() });
        let before = self.describe(arn).await.map_err(gone)?;
        let before = before.ok_or(RedriveError::NoSuchExecution)?;
        if let Some(reason) = self.why_not_redrivable(&before) {
            return Err(RedriveError::NotRedrivable { reason });
        }
        let id = before.facts.id;
        self.inner.recent.forget(arn);
        match self.ask(id, Stimulus::Redrive).await {
            Ok(()) => {
                let row = self.store().execution(id).await.map_err(gone)?;
                Ok(row.and_then(|row| row.redriven).map_or(self.now().0, |(_, at)| at))
            }
            Err(Refused::Stale) => {
                Err(RedriveError::NotRedrivable { reason: NOT_REDRIVABLE.to_owned() })
            }
            Err(refused) => Err(RedriveError::Refused(refused)),
        }
    }

    /// Why an execution cannot be redriven, in AWS's words; `None` if it can be.
    pub fn why_not_redrivable(&self, execution: &Snapshot) -> Option<String> {
        let name = match execution.status {
            Status::NotStarted | Status::Running => Some("RUNNING"),
            Status::Succeeded { .. } => Some("SUCCEEDED"),
            Status::Failed { .. } | Status::TimedOut { .. } | Status::Aborted { .. } => None,
        };
        if let Some(name) = name {
            return Some(format!("Execution is {name} and cannot be redriven"));
        }
        if execution.facts.about.map_run.is_some() {
            return Some(
                "Execution is a child of a Map Run and can only be redriven by it".to_owned(),
            );
        }
        let age = execution.stopped_at.map_or(0, |at| self.now().0 - at);
        (age > REDRIVABLE_MILLIS).then(|| "Execution has exceeded the redrivable period".to_owned())
    }
}
