//! What is recorded of the children of a map run, as AWS records it.

use crate::child_name;
use crate::children::{ChildRun, Children, Page, page_of};
use crate::ranges::Ranges;
use std::collections::BTreeSet;
use stepwright_history::Failure;
use stepwright_json::{Json, Object, Str};
use stepwright_program::time;

/// The child executions of a map run, as a result writer knows them: how each stands. What it began
/// with, and what came of it, is in the history.
#[derive(Clone, Debug, PartialEq)]
pub struct Records {
    pub(crate) map_run: Str,
    pub(crate) children: Recorded,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Recorded {
    /// In the history.
    There(Standing),
    /// In the request, as it was in the histories of early releases.
    InRequest(Vec<(Json, Option<Result<Json, Failure>>)>),
}

/// How children stand when their results are written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Standing {
    pub(crate) redrives: u32,
    pub(crate) pages: Vec<Page>,
    pub(crate) running: BTreeSet<u32>,
    /// Those that a redrive was to run again.
    pub(crate) again: Ranges,
}

impl Standing {
    pub(crate) fn page_of(&self, index: u32) -> Option<Page> {
        page_of(&self.pages, index)
    }
}

impl Records {
    pub(crate) fn of(map_run: &Str, redrives: u32, children: &Children) -> Self {
        let standing = Standing {
            redrives,
            pages: children.pages.clone(),
            running: children.running.keys().copied().collect(),
            again: children.again.clone(),
        };
        Self { map_run: map_run.clone(), children: Recorded::There(standing) }
    }

    /// The results in a request of a history that was begun when requests had them.
    pub(crate) fn of_request(map_run: &Str, request: &Json) -> Self {
        let children = request.get("Results").and_then(Json::as_array).cloned().unwrap_or_default();
        let text = |child: &Json, key: &str| child.get(key).and_then(Json::as_str).map(Str::from);
        let result = |child: &Json| match child.get("Status").and_then(Json::as_str) {
            Some("SUCCEEDED") => Some(Ok(child.get("Output").cloned().unwrap_or_default())),
            Some("FAILED") => {
                Some(Err(Failure { error: text(child, "Error"), cause: text(child, "Cause") }))
            }
            _ => None,
        };
        let input = |child: &Json| child.get("Input").cloned().unwrap_or_default();
        let children = children.iter().map(|child| (input(child), result(child))).collect();
        Self { map_run: map_run.clone(), children: Recorded::InRequest(children) }
    }
}

/// The status of a child in the files of a result writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Failed,
    Pending,
    Succeeded,
}

impl Outcome {
    pub(crate) const ALL: [Self; 3] = [Self::Failed, Self::Pending, Self::Succeeded];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Failed => "FAILED",
            Self::Pending => "PENDING",
            Self::Succeeded => "SUCCEEDED",
        }
    }
}

/// A child execution that is recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Child<'r> {
    pub(crate) index: u32,
    pub(crate) input: &'r Json,
    pub(crate) result: Option<&'r Result<Json, Failure>>,
    pub(crate) run: ChildRun,
    /// Whether it still ran, and is stopped.
    pub(crate) is_stopped: bool,
}

impl Child<'_> {
    pub(crate) fn outcome(&self) -> Outcome {
        match self.result {
            Some(Ok(_)) => Outcome::Succeeded,
            Some(Err(_)) => Outcome::Failed,
            None if self.is_stopped => Outcome::Failed,
            None => Outcome::Pending,
        }
    }

    /// Says each value that a child execution contributes: its record (`NONE`), its output
    /// (`COMPACT`), or the elements of its output (`FLATTEN`). Of what did not succeed there is
    /// always the record.
    pub(crate) fn contribute(
        &self,
        map_run: &str,
        transformation: &str,
        say: &mut dyn FnMut(&Json),
    ) {
        match (self.result, transformation) {
            (Some(Ok(Json::Array(elements))), "FLATTEN") => elements.iter().for_each(say),
            (Some(Ok(output)), "COMPACT" | "FLATTEN") => say(output),
            _ => say(&self.record(map_run)),
        }
    }

    /// What AWS records of a child execution.
    fn record(&self, map_run: &str) -> Json {
        let status = match self.outcome() {
            Outcome::Failed if self.is_stopped => "ABORTED",
            outcome => outcome.name(),
        };
        let included = || Json::from([("Included", true.into())].into_iter().collect::<Object>());
        let (arn, name) = child_name(map_run, self.index);
        let machine = map_run.replacen(":mapRun:", ":stateMachine:", 1);
        let machine = machine.rsplit_once(':').map_or(machine.as_str(), |(machine, _)| machine);
        let failure = self.result.and_then(|result| result.as_ref().err());
        let mut record = Object::new();
        if let Some(cause) = failure.and_then(|failure| failure.cause.clone()) {
            record.insert("Cause", cause.into());
        }
        if let Some(error) = failure.and_then(|failure| failure.error.clone()) {
            record.insert("Error", error.into());
        }
        record.insert("ExecutionArn", arn.into());
        record.insert("Input", self.input.to_string().into());
        record.insert("InputDetails", included());
        record.insert("Name", name.into());
        if let Some(Ok(output)) = self.result {
            record.insert("Output", output.to_string().into());
            record.insert("OutputDetails", included());
        }
        if status != "PENDING" {
            record.insert("RedriveCount", self.run.redrives.into());
            if status == "SUCCEEDED" {
                let reason = "Execution is SUCCEEDED and cannot be redriven";
                record.insert("RedriveStatus", "NOT_REDRIVABLE".into());
                record.insert("RedriveStatusReason", reason.into());
            } else {
                record.insert("RedriveStatus", "REDRIVABLE_BY_MAP_RUN".into());
            }
        }
        if let Some(at) = self.run.started {
            record.insert("StartDate", time::format(at.0).into());
        }
        record.insert("StateMachineArn", machine.into());
        record.insert("Status", status.into());
        if let Some(at) = self.run.stopped {
            record.insert("StopDate", time::format(at.0).into());
        }
        record.into()
    }
}

/// All results as one value, for a writer that writes to no object store.
pub(crate) fn transformed(
    map_run: &str,
    children: &Children,
    transformation: Option<&str>,
) -> Json {
    let mut values = Vec::new();
    for (index, kept) in children.kept.iter().flatten().enumerate() {
        let child = Child {
            index: index as u32,
            input: &kept.input,
            result: kept.result.as_ref(),
            run: kept.run,
            is_stopped: false,
        };
        let transformation = transformation.unwrap_or("NONE");
        child.contribute(map_run, transformation, &mut |value| values.push(value.clone()));
    }
    values.into()
}
