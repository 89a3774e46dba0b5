//! Reports from the holders of task tokens.

use crate::{Engine, Refused, TokenError};
use stepwright_history::{Failure, Stage, TaskId};
use stepwright_interpreter::{Stimulus, token};
use stepwright_json::Json;

impl Engine {
    /// The holder of a task token reports success.
    pub async fn task_succeeded(&self, token: &str, output: Json) -> Result<(), TokenError> {
        self.by_token(token, |task| Stimulus::TaskSucceeded { task, output }).await
    }

    /// The holder of a task token reports a failure.
    pub async fn task_failed(&self, token: &str, failure: Failure) -> Result<(), TokenError> {
        let stimulus = |task| Stimulus::TaskFailed { task, failure, stage: Stage::Run };
        self.by_token(token, stimulus).await
    }

    /// The holder of a task token reports that the task is still alive.
    pub async fn task_heartbeat(&self, token: &str) -> Result<(), TokenError> {
        self.by_token(token, |task| Stimulus::TaskHeartbeat { task }).await
    }

    async fn by_token(
        &self,
        text: &str,
        stimulus: impl FnOnce(TaskId) -> Stimulus,
    ) -> Result<(), TokenError> {
        let (arn, task) = token::read(text).ok_or(TokenError::Invalid)?;
        let row =
            self.store().execution_by_arn(&arn).await.map_err(|error| {
                TokenError::Refused(Refused::Store { reason: error.to_string() })
            })?;
        let row = row.ok_or(TokenError::Invalid)?;
        match self.ask_by_token(row.id, task, text.to_owned(), stimulus(task)).await {
            Ok(()) => Ok(()),
            Err(Refused::Stale) => Err(TokenError::TimedOut),
            Err(Refused::WrongToken | Refused::Gone) => Err(TokenError::Invalid),
            Err(refused) => Err(TokenError::Refused(refused)),
        }
    }
}
