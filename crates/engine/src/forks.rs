//! Executions that begin where another one was: at one of its states, with its data.

use crate::Engine;
use std::panic::{AssertUnwindSafe, catch_unwind};
use stepwright_history::{EventKind, FrameId};
use stepwright_interpreter::Execution;
use stepwright_json::{Json, Object};
use stepwright_program::StateId;
use stepwright_store::{ExecutionId, StoreError};

/// Where an execution was forked from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The ARN of the execution that it was forked from, which may be gone by now.
    pub from: String,
    /// The name of the state that it began at.
    pub state: String,
}

/// How an execution begins that is forked.
#[derive(Clone, Debug)]
pub struct Forking {
    /// Where it is forked from.
    pub fork: Fork,
    /// The state that it begins at, which is at the top level of its program.
    pub first: StateId,
    /// The variables that it begins with.
    pub variables: Object,
}

/// A moment at which an execution entered a state.
#[derive(Clone, Debug, PartialEq)]
pub struct Entered {
    /// The id of the event.
    pub event: u64,
    /// The input of the state.
    pub input: Json,
    /// The variables at that moment.
    pub variables: Object,
}

impl Engine {
    /// The moment at which an execution entered a state of its top level: with the event of this id, or
    /// the last time. `None` if it did not.
    pub async fn entered(
        &self,
        id: ExecutionId,
        state: &str,
        event: Option<u64>,
    ) -> Result<Option<Entered>, StoreError> {
        let mut execution = Execution::default();
        let mut found = None;
        let take = |read: &stepwright_history::Event| {
            if let EventKind::StateEntered { name, input, .. } = &read.kind
                && read.frame == FrameId::ROOT
                && name.as_str() == state
                && event.is_none_or(|event| event == read.id)
            {
                found = Some(Entered {
                    event: read.id,
                    input: input.clone(),
                    variables: execution.variables_seen_from(FrameId::ROOT),
                });
            }
            // Of a history that cannot be taken in, what comes before counts.
            let taken = catch_unwind(AssertUnwindSafe(|| execution.apply(read).is_ok()));
            taken.is_ok_and(|taken| taken) && (event.is_none() || found.is_none())
        };
        let read = self.events_after(id, 0, take).await;
        // So it can be gone on with where it can still be read.
        if found.is_none() {
            read?;
        }
        Ok(found)
    }
}
