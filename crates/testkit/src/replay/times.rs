//! The times that a definition decides: how long a Wait waits, how long it is until a retry, and
//! after what time a task or the execution is timed out.

use std::collections::BTreeMap;
use stepwright_json::Json;
use stepwright_program::{Kind, Program};
use stepwright_timeline::recorded::{details, id_of, moment, previous_of, type_of};

/// How much longer or shorter a time may be than it was, in milliseconds: AWS takes a moment for
/// everything.
const SLACK: i64 = 1_000;

/// So much of the time itself may be added: a twentieth.
const SHARE: i64 = 20;

/// When the events of two histories happened.
pub(super) struct Times<'e> {
    program: &'e Program,
    recorded: BTreeMap<i64, &'e Json>,
    now: BTreeMap<i64, &'e Json>,
}

/// A time that is not what it was.
pub(super) struct Late {
    /// Since when, in words.
    pub(super) what: String,
    /// How many seconds it was.
    pub(super) recorded: f64,
    /// How many it is.
    pub(super) now: f64,
}

impl<'e> Times<'e> {
    pub(super) fn new(program: &'e Program, recorded: &'e [Json], now: &'e [Json]) -> Self {
        let by_id = |events: &'e [Json]| {
            events.iter().filter_map(|event| Some((id_of(event)?, event))).collect()
        };
        Self { program, recorded: by_id(recorded), now: by_id(now) }
    }

    /// Compares when two events happened that are the same otherwise, of this state. None where no
    /// definition decides it, or nobody has recorded it.
    pub(super) fn differ(&self, recorded: &Json, now: &Json, state: &str) -> Option<Late> {
        let before = |events: &BTreeMap<i64, &'e Json>, event: &Json| -> Option<&'e Json> {
            let id = match type_of(event) {
                "ExecutionTimedOut" => 1,
                _ => previous_of(event)?,
            };
            events.get(&id).copied()
        };
        let since = before(&self.recorded, recorded)?;
        if !self.is_decided(recorded, since, state) {
            return None;
        }
        let (at, began) = (moment(recorded)?, moment(since)?);
        let (at_now, began_now) = (moment(now)?, moment(before(&self.now, now)?)?);
        let (took, takes) = (at - began, at_now - began_now);
        let most = SLACK + took.max(takes) / SHARE;
        // A moment that the definition names comes when it comes, whatever was before.
        if (took - takes).abs() <= most || (at - at_now).abs() <= SLACK {
            return None;
        }
        let id = id_of(since).unwrap_or_default();
        Some(Late {
            what: format!("seconds since event {id}"),
            recorded: took as f64 / 1_000.0,
            now: takes as f64 / 1_000.0,
        })
    }

    /// Whether the definition decides how long after the event before it this one happens.
    fn is_decided(&self, event: &Json, since: &Json, state: &str) -> bool {
        match type_of(event) {
            "WaitStateExited" | "ExecutionTimedOut" => true,
            // The signs of life of a task are in no history.
            kind if kind.ends_with("TimedOut") => !self.has_heartbeat(since),
            // A state that is tried again.
            kind if kind.ends_with("Scheduled")
                || matches!(kind, "ParallelStateStarted" | "MapStateStarted") =>
            {
                !type_of(since).ends_with("StateEntered") && !self.is_jittered(state)
            }
            _ => false,
        }
    }

    /// Whether a task gives signs of life, by one of its events.
    fn has_heartbeat(&self, event: &Json) -> bool {
        let mut at = Some(event);
        while let Some(event) = at {
            if type_of(event).ends_with("Scheduled") {
                return details(event).is_some_and(|d| d.contains_key("heartbeatInSeconds"));
            }
            let before = previous_of(event).and_then(|id| self.recorded.get(&id).copied());
            at = before.filter(|before| id_of(before) < id_of(event));
        }
        false
    }

    /// Whether chance decides how long a state waits before it is tried again.
    fn is_jittered(&self, state: &str) -> bool {
        let Some(id) = self.program.state_named(state) else { return false };
        let retriers = match &self.program.state(id).kind {
            Kind::Task(task) => &task.retry,
            Kind::Parallel(parallel) => &parallel.retry,
            Kind::Map(map) => &map.retry,
            _ => return false,
        };
        retriers.iter().any(|retrier| retrier.full_jitter)
    }
}
