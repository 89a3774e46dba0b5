//! Says what executions and functions do, a line each.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use stepwright_engine::{Facts, ObservedTurn, Observer};
use stepwright_functions::{Ending, LogLine, LogSink};
use stepwright_history::{EventKind, Failure, duration};

/// How much is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing but what goes wrong.
    Quiet,
    /// The beginnings and ends of executions, and what functions print.
    #[default]
    Usual,
    /// The calls of functions too, with their time and memory, and children of map runs.
    Verbose,
}

/// Says what executions and functions do.
#[derive(Clone)]
pub struct Teller {
    level: Level,
    say: Arc<dyn Fn(&str) + Send + Sync>,
    /// When the executions that run began, by ARN.
    begun: Arc<Mutex<BTreeMap<String, i64>>>,
}

impl std::fmt::Debug for Teller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Teller").field("level", &self.level).finish_non_exhaustive()
    }
}

/// The most executions whose beginnings are remembered; of others, the duration is not said.
const MOST_BEGUN: usize = 10_000;

/// The most characters of a cause on a line.
const MOST_OF_A_CAUSE: usize = 300;

impl Teller {
    /// A teller that passes its lines on. `say` must not block.
    pub fn new(level: Level, say: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { level, say: Arc::new(say), begun: Arc::default() }
    }

    /// A sink for what functions print.
    pub fn sink(&self) -> LogSink {
        let lines = self.clone();
        let endings = self.clone();
        LogSink::new(move |line: LogLine<'_>| {
            if lines.level >= Level::Usual {
                (lines.say)(&format!("{} | {}", line.function, line.text));
            }
        })
        .with_endings(move |ending: Ending<'_>| {
            let least = if ending.is_error { Level::Usual } else { Level::Verbose };
            if endings.level >= least {
                (endings.say)(&line_of(&ending));
            }
        })
    }
}

fn line_of(ending: &Ending<'_>) -> String {
    let Ending { function, took, memory, is_error, .. } = ending;
    let how = if *is_error { "failed after" } else { "answered in" };
    let took = duration(took.as_millis() as i64);
    format!("{function} {how} {took}, {} MB", memory.div_ceil(1 << 20))
}

impl Observer for Teller {
    fn turn(&self, facts: &Facts, turn: &ObservedTurn<'_>) {
        let least = match facts.about.map_run {
            Some(_) => Level::Verbose,
            None => Level::Usual,
        };
        if self.level < least {
            return;
        }
        for event in turn.events {
            let arn = facts.about.arn.as_str();
            let said = match &event.kind {
                EventKind::ExecutionStarted(_) => {
                    let mut begun = self.begun.lock();
                    if begun.len() < MOST_BEGUN {
                        begun.insert(arn.to_owned(), event.at.0);
                    }
                    "started".to_owned()
                }
                EventKind::ExecutionRedriven { count, .. } => format!("redriven, time {count}"),
                EventKind::ExecutionSucceeded { .. } => {
                    format!("succeeded{}", self.after(arn, event.at.0))
                }
                EventKind::ExecutionFailed { failure } => {
                    format!("failed{}{}", self.after(arn, event.at.0), why(failure))
                }
                EventKind::ExecutionTimedOut { failure } => {
                    format!("timed out{}{}", self.after(arn, event.at.0), why(failure))
                }
                EventKind::ExecutionAborted { failure } => {
                    format!("stopped{}{}", self.after(arn, event.at.0), why(failure))
                }
                _ => continue,
            };
            let machine = facts.about.machine.rsplit(':').next().unwrap_or_default();
            (self.say)(&format!("{machine} {} {said}", facts.name()));
        }
    }
}

impl Teller {
    /// ` after 1.2 s`, if the beginning is known.
    fn after(&self, arn: &str, now: i64) -> String {
        match self.begun.lock().remove(arn) {
            Some(begun) => format!(" after {}", duration(now - begun)),
            None => String::new(),
        }
    }
}

/// `: States.TaskFailed: no such order`, on one line.
fn why(failure: &Failure) -> String {
    let mut text = String::new();
    for part in [failure.error.as_deref(), failure.cause.as_deref()].into_iter().flatten() {
        text += ": ";
        let words: Vec<&str> = part.split_whitespace().collect();
        text += &words.join(" ");
    }
    if text.chars().count() > MOST_OF_A_CAUSE {
        text = text.chars().take(MOST_OF_A_CAUSE).chain(['…']).collect();
    }
    text
}
