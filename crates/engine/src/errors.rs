//! The engine's errors: one enum for each operation that a caller can ask for.

use stepwright_store::StoreError;

/// Why an execution was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The machine already has an execution of this name, which has ended or was started with
    /// another input.
    #[error("the execution `{arn}` exists already")]
    Exists {
        /// Its ARN.
        arn: String,
    },
    /// Its first turn panicked, which is a bug in the interpreter. Nothing of the execution is
    /// kept.
    #[error("the execution could not begin: {reason}")]
    Panicked {
        /// The text of the panic.
        reason: String,
    },
    /// The execution could not be stored.
    #[error("the start could not be recorded")]
    Store(#[source] StoreError),
    /// The engine is shutting down and accepts nothing new.
    #[error("the engine is shutting down")]
    Closing,
}

/// Why an execution did not accept a message.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refused {
    /// The execution does not wait for this, or not any more.
    #[error("the execution does not wait for this")]
    Stale,
    /// The task token was never issued.
    #[error("the task token is not valid")]
    WrongToken,
    /// There is no such execution.
    #[error("there is no such execution")]
    Gone,
    /// The execution is left alone, because it panicked or cannot be read.
    #[error("the execution is parked: {reason}")]
    Parked {
        /// What happened.
        reason: String,
    },
    /// The turn could not be stored.
    #[error("it could not be recorded: {reason}")]
    Store {
        /// What happened.
        reason: String,
    },
    /// The engine is shutting down and accepts nothing new.
    #[error("the engine is shutting down")]
    Closing,
    /// Another node drives the execution, or will do so soon, and cannot be reached.
    #[error("the node that drives the execution cannot be reached at the moment")]
    Moved,
}

/// Why a parked execution was neither tried again nor aborted.
#[derive(Debug, thiserror::Error)]
pub enum ParkedError {
    /// No execution of this ARN is parked.
    #[error("the execution `{arn}` is not parked")]
    NotParked {
        /// The ARN.
        arn: String,
    },
    /// It was tried, and did not go on.
    #[error("{0}")]
    Refused(#[source] Refused),
    /// The store could not be read or written.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Why an execution was not stopped.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StopError {
    /// There is no such execution.
    #[error("there is no such execution")]
    NoSuchExecution,
    /// The execution did not accept the stop.
    #[error("the execution could not be stopped")]
    Refused(#[source] Refused),
}

/// Why an execution was not redriven.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RedriveError {
    /// There is no such execution.
    #[error("there is no such execution")]
    NoSuchExecution,
    /// The execution cannot be redriven.
    #[error("{reason}")]
    NotRedrivable {
        /// Why, in AWS's words.
        reason: String,
    },
    /// The execution did not accept the redrive.
    #[error("the execution could not be redriven")]
    Refused(#[source] Refused),
}

/// Why a task token was refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TokenError {
    /// The token was never issued.
    #[error("the task token is not valid")]
    Invalid,
    /// The task has ended.
    #[error("the task is over")]
    TimedOut,
    /// The execution did not accept the report.
    #[error("the task's end could not be recorded")]
    Refused(#[source] Refused),
}
