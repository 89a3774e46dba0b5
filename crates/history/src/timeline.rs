use crate::{Event, EventKind, Failure, Moment, StateType, TaskCall, To};
use rustc_hash::FxHashMap;
use stepwright_json::{Json, Str};

/// One line of a timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When, in milliseconds since the beginning.
    pub at_millis: i64,
    /// How deep within branches and iterations.
    pub depth: usize,
    /// What: `enter`, `exit`, `task`, `wait`, …
    pub verb: &'static str,
    /// The state, or what else it is about.
    pub subject: String,
    /// The data.
    pub detail: String,
}

/// Events as lines for a person, one by one as they come.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    start: Moment,
    frames: FxHashMap<u32, (usize, Str)>,
    calls: FxHashMap<u64, (Str, Str)>,
    /// Scopes that were begun and have not shown a state yet: how deep they are, and how many.
    begun: Vec<(usize, usize)>,
}

impl Timeline {
    /// The lines of a whole history.
    pub fn lines(events: &[Event]) -> Vec<Line> {
        let mut timeline = Self::default();
        events.iter().filter_map(|event| timeline.line(event)).collect()
    }

    /// The line of the next event, if it is worth one.
    pub fn line(&mut self, event: &Event) -> Option<Line> {
        use EventKind as E;
        if let E::ExecutionStarted(_) = &event.kind {
            self.start = event.at;
        }
        let frame = event.frame.0;
        let depth = self.frames.get(&frame).map_or(0, |(depth, _)| *depth);
        let name = self.frames.get(&frame).map(|(_, name)| name.to_string()).unwrap_or_default();
        let (verb, subject, detail) = match &event.kind {
            E::ExecutionStarted(start) => ("start", String::new(), start.input.to_string()),
            E::ExecutionSucceeded { output } => ("succeed", String::new(), output.to_string()),
            E::ExecutionFailed { failure } => ("fail", String::new(), why(failure)),
            E::ExecutionTimedOut { failure } => ("time out", String::new(), why(failure)),
            E::ExecutionAborted { failure } => ("stop", String::new(), why(failure)),
            E::ExecutionRedriven { count, .. } => ("redrive", String::new(), format!("#{count}")),
            E::StateEntered { name, input, .. } => {
                // A new scope goes on where the last one that was begun does: depth first.
                let depth = match self.frames.get(&frame) {
                    Some((depth, _)) => *depth,
                    None => self.next_depth(),
                };
                self.frames.insert(frame, (depth, name.clone()));
                ("enter", name.to_string(), input.to_string())
            }
            E::StateExited { kind, name, output, assigned, to } => {
                if *to == To::End && frame != 0 {
                    self.frames.remove(&frame);
                }
                let mut detail = output.to_string();
                if let Some(assigned) = assigned {
                    use std::fmt::Write as _;
                    write!(detail, "  assign {}", Json::Object(assigned.clone()))
                        .expect("strings grow");
                }
                if matches!(kind, StateType::Choice)
                    && let To::Next(_) = to
                {
                    detail = String::new();
                }
                ("exit", name.to_string(), detail)
            }
            E::StateAborted { .. } => ("abort", name, String::new()),
            E::EvaluationFailed { failure, state, .. } => {
                ("evaluate", state.to_string(), why(failure))
            }
            E::TaskScheduled { task, call, .. } => {
                self.calls.insert(task.0, (call.state.clone(), short(call).into()));
                ("task", call.state.to_string(), format!("{} {}", short(call), call.parameters))
            }
            E::TaskStarted { .. } => return None,
            E::TaskSubmitted { task, output } => {
                ("submitted", self.state(task.0), output.to_string())
            }
            E::TaskHeartbeat { task, .. } => ("heartbeat", self.state(task.0), String::new()),
            E::TaskSucceeded { task, output } => {
                ("returns", self.state(task.0), output.to_string())
            }
            E::TaskFailed { task, failure, .. } => ("fails", self.state(task.0), why(failure)),
            E::TaskTimedOut { task, .. } => ("times out", self.state(task.0), String::new()),
            E::RetryScheduled { due, .. } => {
                ("retry", name, format!("in {}", duration(due.0 - event.at.0)))
            }
            E::TimerFired { .. } => ("wake", name, String::new()),
            E::WaitStarted { due, .. } => ("wait", name, duration((due.0 - event.at.0).max(0))),
            E::ParallelStarted { branches, .. } => {
                self.begun.push((depth + 1, branches.len()));
                ("branches", name, branches.len().to_string())
            }
            E::MapStarted { length, plan } => {
                let detail = if plan.reader.is_some() {
                    "items are read".to_owned()
                } else {
                    format!("{length} items")
                };
                ("map", name, detail)
            }
            E::MapIterationStarted { index, name, .. } => {
                self.begun.push((depth + 1, 1));
                ("item", format!("{name} #{index}"), String::new())
            }
            E::MapIterationSucceeded { .. } | E::ParallelSucceeded | E::MapSucceeded => {
                return None;
            }
            E::ParallelFailed | E::MapFailed => ("failed", name, String::new()),
            E::MapIterationFailed { index, name } => {
                ("failed", format!("{name} #{index}"), String::new())
            }
            E::MapIterationAborted { index, name } => {
                ("abort", format!("{name} #{index}"), String::new())
            }
            E::MapRunStarted { arn, .. } => ("map run", name, arn.to_string()),
            E::MapRunItems { inputs } => ("children", name, inputs.len().to_string()),
            E::ChildStarted { index } => ("child", format!("{name} #{index}"), String::new()),
            E::ChildFinished { index, result } => match result {
                Ok(output) => ("returns", format!("{name} #{index}"), output.to_string()),
                Err(failure) => ("fails", format!("{name} #{index}"), why(failure)),
            },
            E::MapRunWriting { .. } => ("write", name, String::new()),
            E::MapRunUpdated { .. } => ("updated", name, "map run".to_owned()),
            E::MapRunRedriven { count, .. } => ("redriven", name, format!("map run {count}")),
            E::MapRunSucceeded => return None,
            E::MapRunFailed { failure } => ("failed", name, why(failure)),
        };
        let depth = self.frames.get(&frame).map_or(depth, |(depth, _)| *depth);
        Some(Line { at_millis: event.at.0 - self.start.0, depth, verb, subject, detail })
    }

    fn next_depth(&mut self) -> usize {
        let Some((depth, left)) = self.begun.last_mut() else { return 0 };
        let depth = *depth;
        *left -= 1;
        if *left == 0 {
            self.begun.pop();
        }
        depth
    }

    fn state(&self, task: u64) -> String {
        self.calls.get(&task).map(|(state, _)| state.to_string()).unwrap_or_default()
    }
}

/// The function or service action that is called, without the rest of its ARN.
fn short(call: &TaskCall) -> &str {
    stepwright_aws::arn::short(call.resource.as_str())
}

fn why(failure: &Failure) -> String {
    match (&failure.error, &failure.cause) {
        (Some(error), Some(cause)) if !cause.is_empty() => format!("{error}: {cause}"),
        (Some(error), _) => error.to_string(),
        (None, Some(cause)) => cause.to_string(),
        (None, None) => "without an error".to_owned(),
    }
}

/// Milliseconds as a person writes them: `250ms`, `1.5s`, `2m`, `1h 30m`, `3d`.
pub fn duration(millis: i64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m")];
    if millis.abs() < 1_000 {
        return format!("{millis}ms");
    }
    let mut rest = millis;
    let mut parts = Vec::new();
    for (size, unit) in units {
        if rest >= size {
            parts.push(format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if rest > 0 {
        let seconds = rest as f64 / 1_000.0;
        parts.push(format!("{seconds}s"));
    }
    parts.join(" ")
}

/// The milliseconds of `500ms`, `2s`, `1.5h`, `3d`.
pub fn parse_duration(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let size = match text[digits..].trim() {
        "ms" => 1.0,
        "s" | "" => 1_000.0,
        "m" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    Some((number * size) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(millis: i64, text: &str) {
        assert_eq!(duration(millis), text);
    }

    #[test]
    fn durations_read_well() {
        check(250, "250ms");
        check(1_500, "1.5s");
        check(90 * 60_000, "1h 30m");
        check(3 * 86_400_000, "3d");
        assert_eq!(parse_duration("1.5h"), Some(5_400_000));
        assert_eq!(parse_duration("2 fortnights"), None);
    }
}
