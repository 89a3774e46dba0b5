//! Why an execution waits, in sentences: for what, since when, until when, and what would wake it.

use crate::story::Story;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use stepwright_history::{Moment, TaskCall, TaskId, TaskKind, duration};
use stepwright_interpreter::{Command, Execution};
use stepwright_json::Str;
use stepwright_program::time;
use stepwright_timeline::{Doing, Progress, Standing};

/// Something that an execution waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) state: String,
    pub(crate) item: String,
    /// For what, since when, until when.
    pub(crate) what: String,
    /// What ends it.
    pub(crate) wakes: String,
    /// The token that ends it, if somebody has to return one.
    pub(crate) token: Option<Str>,
}

/// How many are told one by one.
const MOST: usize = 12;

/// What the execution waits for: the first few, and how many more there are.
pub(crate) fn waits(story: &Story, now: Moment) -> (Vec<Wait>, usize) {
    let Some(execution) = story.timeline.execution() else {
        return (Vec::new(), 0);
    };
    let owed: BTreeMap<TaskId, (Box<TaskCall>, bool)> = execution
        .commands()
        .into_iter()
        .filter_map(|command| match command {
            Command::RunTask { task, call, submitted } => Some((task, (call, submitted))),
            _ => None,
        })
        .collect();
    let mut standing = story.timeline.standing();
    let told = standing.by_ref().take(MOST);
    let told = told.map(|standing| tell(execution, &owed, standing, now)).collect();
    (told, standing.count())
}

fn tell(
    execution: &Execution,
    owed: &BTreeMap<TaskId, (Box<TaskCall>, bool)>,
    Standing { state, item, doing }: Standing<'_>,
    now: Moment,
) -> Wait {
    let mut token = None;
    let (what, wakes) = match doing {
        Doing::Nothing => {
            ("is under way: its next step is being computed.".to_owned(), String::new())
        }
        Doing::Task { task, what, since, deadline, .. } => {
            let known = owed.get(task);
            let view = execution.task(*task);
            let started = view.as_ref().is_some_and(|view| view.started);
            let heartbeat = view.and_then(|view| view.heartbeat_deadline);
            let (subject, wakes) = match known {
                Some((call, submitted)) => {
                    token = call.token.clone().filter(|_| !call.is_sync());
                    task_words(call, *submitted, started, what)
                }
                None => (format!("waits for {what}"), String::new()),
            };
            let mut text = format!("{subject}, {}.", since_words(*since, now));
            if let Some(deadline) = deadline {
                write!(text, " It times out {}.", until_words(*deadline, now)).expect("text grows");
            }
            if let Some(heartbeat) = heartbeat {
                let until = until_words(heartbeat, now);
                write!(text, " Without a heartbeat it fails {until}.").expect("text grows");
            }
            if deadline.is_none() && heartbeat.is_none() {
                text += " It has no time limit.";
            }
            (text, wakes)
        }
        Doing::Wait { until } => {
            let until = until.map_or_else(String::new, |at| format!(" until {}", point(at, now)));
            (
                format!("waits{until}, as the Wait state says."),
                "The timer wakes it; nothing else does.".to_owned(),
            )
        }
        Doing::Retry { until, error } => {
            let until = until.map_or_else(String::new, |at| format!(" {}", until_words(at, now)));
            (
                format!("has failed with `{}` and is tried again{until}.", named(error)),
                "The timer of its `Retry` wakes it.".to_owned(),
            )
        }
        Doing::Branches(count) => (format!("runs {count} branches."), String::new()),
        Doing::Items(items) => {
            let ended = items.done + items.failed;
            let progress = Progress {
                state: state.to_owned(),
                all: items.all,
                ended,
                failed: items.failed,
                running: items.running(),
                elapsed_millis: (now.0 - items.since.0).max(0),
            };
            let wakes = match items.all {
                None => "It goes on when its items have been read.",
                Some(all) if ended >= all => "It goes on when its results have been written.",
                Some(_) => "Each child that ends makes room for the next one.",
            };
            (format!("runs its items: {progress}."), wakes.to_owned())
        }
    };
    Wait { state: state.to_owned(), item: item.to_string(), what, wakes, token }
}

/// What a task waits for, and what ends it.
fn task_words(call: &TaskCall, submitted: bool, started: bool, what: &str) -> (String, String) {
    if call.kind == TaskKind::Activity {
        let (state, wakes) = if started {
            (
                "waits for the worker that has taken its task of the activity",
                "`SendTaskSuccess` or `SendTaskFailure` with its token wakes it.",
            )
        } else {
            (
                "waits for a worker to take its task of the activity",
                "A worker that calls `GetActivityTask` takes it.",
            )
        };
        return (format!("{state} {what}"), wakes.to_owned());
    }
    if call.waits_for_token() {
        let begun = if submitted { "has called" } else { "is calling" };
        return (
            format!("{begun} {what} and waits for somebody to return its task token"),
            "`SendTaskSuccess` or `SendTaskFailure` with the token wakes it.".to_owned(),
        );
    }
    if call.is_sync() && submitted {
        return (
            format!("waits for what {what} has started to end"),
            "Its end wakes it.".to_owned(),
        );
    }
    (format!("waits for the answer of {what}"), "The answer wakes it.".to_owned())
}

fn named(error: &str) -> &str {
    if error.is_empty() { "an error without a name" } else { error }
}

fn since_words(since: Moment, now: Moment) -> String {
    format!("since {} (for {})", clock(since), rounded(now.0 - since.0))
}

fn until_words(until: Moment, now: Moment) -> String {
    format!("at {}", point(until, now))
}

/// A moment, and how far away it is.
fn point(at: Moment, now: Moment) -> String {
    let left = at.0 - now.0;
    if left <= 0 {
        return format!("{}, which is now", clock(at));
    }
    format!("{} (in {})", clock(at), rounded(left))
}

/// A duration without what nobody reads: no milliseconds after a second, no seconds after an hour.
pub(crate) fn rounded(millis: i64) -> String {
    let millis = millis.max(0);
    let unit = match millis {
        0..10_000 => 1,
        10_000..3_600_000 => 1_000,
        _ => 60_000,
    };
    duration(millis / unit * unit)
}

/// A moment, to the second.
fn clock(at: Moment) -> String {
    let text = time::format(at.0);
    let text = text.get(..19).unwrap_or(&text);
    format!("{} UTC", text.replace('T', " "))
}
