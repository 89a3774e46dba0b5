//! Why the engine did not do what it was asked: one enum for each thing that can be asked.

use stepwright_store::StoreError;

/// Why an execution was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The machine has had an execution of this name, which is over or has another input.
    #[error("the execution `{arn}` exists already")]
    Exists {
        /// Its ARN.
        arn: String,
    },
    /// Its first turn panicked, which is a bug of the interpreter. Nothing of the execution is kept.
    #[error("the execution could not begin: {reason}")]
    Panicked {
        /// What the panic said.
        reason: String,
    },
    /// It could not be kept.
    #[error("the start could not be recorded")]
    Store(#[source] StoreError),
    /// The engine takes nothing new on.
    #[error("the engine is shutting down")]
    Closing,
}

/// Why something did not concern an execution.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refused {
    /// It does not wait for it, or not any more.
    #[error("the execution does not wait for this")]
    Stale,
    /// The task token was never given out.
    #[error("the task token is not valid")]
    WrongToken,
    /// There is no such execution.
    #[error("there is no such execution")]
    Gone,
    /// The execution is left alone, for it panicked or cannot be read.
    #[error("the execution is parked: {reason}")]
    Parked {
        /// Why.
        reason: String,
    },
    /// It could not be kept.
    #[error("it could not be recorded: {reason}")]
    Store {
        /// Why.
        reason: String,
    },
    /// The engine takes nothing new on.
    #[error("the engine is shutting down")]
    Closing,
}

/// Why an execution was not stopped.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StopError {
    /// There is none.
    #[error("there is no such execution")]
    NoSuchExecution,
    /// It did not work.
    #[error("the execution could not be stopped")]
    Refused(#[source] Refused),
}

/// Why an execution was not redriven.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RedriveError {
    /// There is none.
    #[error("there is no such execution")]
    NoSuchExecution,
    /// It cannot be.
    #[error("{reason}")]
    NotRedrivable {
        /// Why, in AWS's words.
        reason: String,
    },
    /// It did not work.
    #[error("the execution could not be redriven")]
    Refused(#[source] Refused),
}

/// Why a task token was refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TokenError {
    /// It was never given out.
    #[error("the task token is not valid")]
    Invalid,
    /// The task is over.
    #[error("the task is over")]
    TimedOut,
    /// It did not work.
    #[error("the task's end could not be recorded")]
    Refused(#[source] Refused),
}
