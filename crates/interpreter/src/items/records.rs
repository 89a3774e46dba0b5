//! What is recorded of the children of a map run, as AWS records it.

use crate::child_name;
use crate::children::{ChildRun, Children, Page, page_of};
use crate::ranges::Ranges;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use stepwright_history::{Failure, Moment};
use stepwright_json::{Json, Str};
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

    /// Says the text of each value that a child execution contributes: its record (`NONE`), its
    /// output (`COMPACT`), or the elements of its output (`FLATTEN`). Of what did not succeed there
    /// is always the record.
    pub(crate) fn contribute(
        &self,
        names: &mut Names,
        transformation: &str,
        say: &mut dyn FnMut(String),
    ) {
        match (self.result, transformation) {
            (Some(Ok(Json::Array(elements))), "FLATTEN") => {
                elements.iter().for_each(|element| say(element.to_string()));
            }
            (Some(Ok(output)), "COMPACT" | "FLATTEN") => say(output.to_string()),
            _ => say(self.record(names)),
        }
    }

    /// What AWS records of a child execution, as JSON.
    fn record(&self, names: &mut Names) -> String {
        let status = match self.outcome() {
            Outcome::Failed if self.is_stopped => "ABORTED",
            outcome => outcome.name(),
        };
        let index = self.index;
        let quote = |text: &str, out: &mut String| Json::from(text).write(out);
        let mut out = String::with_capacity(1_024);
        out.push('{');
        if let Some(Err(failure)) = self.result {
            for (key, text) in [("\"Cause\":", &failure.cause), ("\"Error\":", &failure.error)] {
                if let Some(text) = text {
                    out.push_str(key);
                    quote(text, &mut out);
                    out.push(',');
                }
            }
        }
        let Names { execution, name, .. } = &names;
        write!(out, "\"ExecutionArn\":\"{execution}{index}\",\"Input\":").expect("a text grows");
        quote(&self.input.to_string(), &mut out);
        out.push_str(",\"InputDetails\":{\"Included\":true}");
        write!(out, ",\"Name\":\"{name}{index}\"").expect("a text grows");
        if let Some(Ok(output)) = self.result {
            out.push_str(",\"Output\":");
            quote(&output.to_string(), &mut out);
            out.push_str(",\"OutputDetails\":{\"Included\":true}");
        }
        if status != "PENDING" {
            write!(out, ",\"RedriveCount\":{}", self.run.redrives).expect("a text grows");
            out.push_str(match status {
                "SUCCEEDED" => {
                    ",\"RedriveStatus\":\"NOT_REDRIVABLE\",\"RedriveStatusReason\":\"Execution is SUCCEEDED and cannot be redriven\""
                }
                _ => ",\"RedriveStatus\":\"REDRIVABLE_BY_MAP_RUN\"",
            });
        }
        let started = self.run.started.map(|at| names.time(at).to_owned());
        let stopped = self.run.stopped.map(|at| names.time(at).to_owned());
        if let Some(at) = started {
            write!(out, ",\"StartDate\":\"{at}\"").expect("a text grows");
        }
        write!(out, ",\"StateMachineArn\":\"{}\",\"Status\":\"{status}\"", names.machine)
            .expect("a text grows");
        if let Some(at) = stopped {
            write!(out, ",\"StopDate\":\"{at}\"").expect("a text grows");
        }
        out.push('}');
        out
    }
}

/// What the records of a map run's children have in common, as it is written within quotation marks.
pub(crate) struct Names {
    /// What the ARNs and names of executions begin with.
    execution: String,
    name: String,
    machine: String,
    /// The last two moments that were written, with their texts.
    times: [(Moment, String); 2],
}

impl Names {
    pub(crate) fn of(map_run: &str) -> Self {
        let within = |text: &str| {
            let quoted = Json::from(text).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        };
        let (arn, name) = child_name(map_run, 0);
        let machine = map_run.replacen(":mapRun:", ":stateMachine:", 1);
        let machine = machine.rsplit_once(':').map_or(machine.as_str(), |(machine, _)| machine);
        Self {
            execution: within(arn.trim_end_matches('0')),
            name: within(name.trim_end_matches('0')),
            machine: within(machine),
            times: [(); 2].map(|()| (Moment(0), time::format(0))),
        }
    }

    fn time(&mut self, at: Moment) -> &str {
        if self.times[0].0 != at {
            self.times.swap(0, 1);
            if self.times[0].0 != at {
                self.times[0] = (at, time::format(at.0));
            }
        }
        &self.times[0].1
    }
}

/// All results as one value, for a writer that writes to no object store.
pub(crate) fn transformed(
    map_run: &str,
    children: &Children,
    transformation: Option<&str>,
) -> Json {
    let (mut values, mut names) = (Vec::new(), Names::of(map_run));
    for (index, kept) in children.kept.iter().flatten().enumerate() {
        let child = Child {
            index: index as u32,
            input: kept.input.as_ref().unwrap_or(&Json::Null),
            result: kept.result.as_ref(),
            run: kept.run,
            is_stopped: false,
        };
        let transformation = transformation.unwrap_or("NONE");
        child.contribute(&mut names, transformation, &mut |text| {
            values.push(stepwright_json::parse(&text).expect("what was just written is JSON"));
        });
    }
    values.into()
}
