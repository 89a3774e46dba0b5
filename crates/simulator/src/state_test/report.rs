//! What came of a test.

use stepwright_history::{Event, EventKind, Failure, To};
use stepwright_interpreter::Seen;
use stepwright_json::{Json, Object, Str};

/// What came of the test of a state.
#[derive(Clone, Debug, PartialEq)]
pub struct StateReport {
    /// How it ended.
    pub outcome: StateOutcome,
    /// What was seen on the way.
    pub seen: Seen,
    /// The variables afterwards.
    pub variables: Object,
    /// The `request` and the `response` of an HTTP task, if they are to be shown.
    pub exchanged: Option<Json>,
    /// The raw input.
    pub(super) input: Json,
    /// The state's type.
    pub(super) kind: &'static str,
    /// Whether the state speaks JSONPath.
    pub(super) is_jsonpath: bool,
}

/// How the test of a state ended.
#[derive(Clone, Debug, PartialEq)]
pub enum StateOutcome {
    /// The state has ended well.
    Succeeded {
        /// Its output.
        output: Json,
        /// Where to; None for the end.
        next: Option<Str>,
    },
    /// It failed, and a catcher took it.
    Caught {
        /// The failure.
        failure: Failure,
        /// The output for the next state.
        output: Json,
        /// Where to.
        next: Option<Str>,
    },
    /// It failed, and would be tried again.
    Retriable {
        /// The failure.
        failure: Failure,
    },
    /// It failed.
    Failed {
        /// Why.
        failure: Failure,
    },
}

impl StateReport {
    /// The answer of `TestState`, with its `inspectionData` if they are wanted.
    pub fn to_json(&self, with_inspection: bool) -> Json {
        let mut reply = Object::new();
        let (status, failure, output, next) = match &self.outcome {
            StateOutcome::Succeeded { output, next } => {
                ("SUCCEEDED", None, Some(output), next.as_ref())
            }
            StateOutcome::Caught { failure, output, next } => {
                ("CAUGHT_ERROR", Some(failure), Some(output), next.as_ref())
            }
            StateOutcome::Retriable { failure } => ("RETRIABLE", Some(failure), None, None),
            StateOutcome::Failed { failure } => ("FAILED", Some(failure), None, None),
        };
        reply.insert("status", status.into());
        if let Some(failure) = failure {
            for (key, text) in [("error", &failure.error), ("cause", &failure.cause)] {
                if let Some(text) = text {
                    reply.insert(key, text.clone().into());
                }
            }
        }
        if let Some(output) = output {
            reply.insert("output", output.to_string().into());
        }
        if let Some(next) = next {
            reply.insert("nextState", next.clone().into());
        }
        if with_inspection {
            reply.insert("inspectionData", self.inspection_data());
        }
        reply.into()
    }

    /// What was seen, as AWS shows it: not every state type shows everything.
    fn inspection_data(&self) -> Json {
        let seen = &self.seen;
        let is_composite = matches!(self.kind, "Map" | "Parallel");
        let has_result = self.kind == "Pass" && seen.result.is_some();
        // A Fail has no `InputPath`, and yet there is an input after it.
        let after_input_path = match self.kind {
            "Parallel" => None,
            "Fail" => Some(&self.input),
            _ if has_result => None,
            _ => seen.after_input_path.as_ref(),
        };
        let mut data = Object::new();
        let mut show = |key: &str, value: Option<&Json>| {
            if let Some(value) = value {
                data.insert(key, value.to_string().into());
            }
        };
        show("input", Some(&self.input));
        if self.is_jsonpath {
            show("afterInputPath", after_input_path);
            show("afterParameters", seen.after_arguments.as_ref());
            show("afterItemsPath", seen.after_items_path.as_ref());
        } else {
            show("afterArguments", seen.after_arguments.as_ref());
        }
        show("afterItemsPointer", seen.after_items_pointer.as_ref());
        show("afterItemSelector", seen.after_item_selector.as_ref());
        show("afterItemBatcher", seen.after_item_batcher.as_ref());
        show("result", seen.result.as_ref().filter(|_| !is_composite));
        if self.is_jsonpath {
            show("afterResultSelector", seen.after_result_selector.as_ref());
            show("afterResultPath", seen.after_result_path.as_ref());
        }
        if !self.variables.is_empty() {
            show("variables", Some(&self.variables.clone().into()));
        }
        if let Some(count) = seen.tolerated_count {
            data.insert("toleratedFailureCount", Json::Int(count as i64));
        }
        if let Some(percentage) = seen.tolerated_percentage {
            data.insert("toleratedFailurePercentage", Json::Float(percentage));
        }
        if let Some(most) = seen.max_concurrency {
            data.insert("maxConcurrency", Json::Int(i64::from(most)));
        }
        let exchanged = self.exchanged.as_ref().and_then(Json::as_object);
        for (key, value) in exchanged.into_iter().flat_map(Object::iter) {
            data.insert(key.clone(), value.clone());
        }
        let details = self.error_details();
        if !details.is_empty() {
            data.insert("errorDetails", details.into());
        }
        data.into()
    }

    fn error_details(&self) -> Object {
        let mut details = Object::new();
        if let Some(index) = self.seen.catcher {
            details.insert("catchIndex", Json::Int(index as i64));
        }
        if let Some(index) = self.seen.retrier {
            details.insert("retryIndex", Json::Int(index as i64));
        }
        if let Some(seconds) = self.seen.backoff_seconds {
            details.insert("retryBackoffIntervalSeconds", Json::Int(seconds as i64));
        }
        details
    }
}

/// Reads off the events what became of the state.
pub(super) fn outcome(
    events: &[Event],
    failure: Option<Failure>,
    name: &str,
    names: &[Str],
) -> StateOutcome {
    for event in events {
        match &event.kind {
            EventKind::RetryScheduled { .. } => {
                return StateOutcome::Retriable { failure: failure.unwrap_or_default() };
            }
            EventKind::StateExited { name: left, output, to, .. } if left == name => {
                let next = match to {
                    To::Next(state) => names.get(*state as usize).cloned(),
                    To::End => None,
                };
                let output = output.clone();
                return match failure {
                    Some(failure) => StateOutcome::Caught { failure, output, next },
                    None => StateOutcome::Succeeded { output, next },
                };
            }
            EventKind::ExecutionFailed { failure } => {
                return StateOutcome::Failed { failure: failure.clone() };
            }
            _ => {}
        }
    }
    StateOutcome::Failed { failure: failure.unwrap_or_default() }
}
