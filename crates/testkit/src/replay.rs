//! Replay: whether a definition reproduces a recorded execution, and where it departs.
//!
//! ```
//! use stepwright_json::json;
//! use stepwright_testkit::{Definition, Recording, replay};
//!
//! let definition = Definition::from_json(&json!({
//!     "StartAt": "Greet",
//!     "States": {"Greet": {"Type": "Pass", "Result": "hello", "End": true}}
//! }));
//! let program = stepwright_program::compile(&definition).unwrap();
//! let history = json!({"events": [
//!     {"id": 1, "previousEventId": 0, "type": "ExecutionStarted",
//!      "executionStartedEventDetails": {"input": "{}", "inputDetails": {"truncated": false}, "roleArn": "r"}},
//!     {"id": 2, "previousEventId": 0, "type": "PassStateEntered",
//!      "stateEnteredEventDetails": {"name": "Greet", "input": "{}", "inputDetails": {"truncated": false}}},
//!     {"id": 3, "previousEventId": 2, "type": "PassStateExited",
//!      "stateExitedEventDetails": {"name": "Greet", "output": "\"bye\"", "outputDetails": {"truncated": false}}}
//! ]});
//! let recording = Recording::read(&history).unwrap();
//! let replayed = replay(&program, &recording, &mut |_| None);
//! let departure = replayed.departure.unwrap();
//! assert_eq!(departure.state, "Greet");
//! assert_eq!(departure.what, "stateExitedEventDetails.output");
//! ```

mod answers;
mod compare;
pub mod matcher;
mod recording;
mod times;

pub use answers::{Answers, RecordedAnswer};
pub use compare::Departure;
pub use recording::{Recording, RecordingError, objects};
use stepwright_timeline::recorded::moment;
pub use stepwright_timeline::recorded::type_of;
pub use stepwright_timeline::state_span;

use compare::Compared;
use stepwright_json::{Json, Str};
use stepwright_program::Program;
use stepwright_simulator::{Answer, Call, Run, Simulation};

/// Turns that a replay may take.
const MOST_TURNS: u64 = 1_000_000;

/// Milliseconds after the last recorded event that an open recording is looked at.
const OPEN_AFTER: i64 = 1_000;

/// What a replay came to.
#[derive(Debug)]
pub struct Replay {
    /// The run.
    pub run: Run,
    /// Its events in AWS's form.
    pub events: Vec<Json>,
    /// How many recorded events were found again.
    pub agreed: usize,
    /// The first difference, if there is one.
    pub departure: Option<Departure>,
    /// Calls that the recording has no answer to.
    pub unanswered: Vec<Str>,
    /// Recorded answers that nobody asked for, by the state that did then.
    pub unused: Vec<Str>,
}

/// Runs a program with the input, the clock and the answers of a recorded execution, and compares
/// what happens with what was recorded. What `more` answers is for calls that the recording has no
/// answer to: those of a distributed Map's children are not in a history.
pub fn replay(
    program: &Program,
    recording: &Recording,
    more: &mut dyn FnMut(&Call<'_>) -> Option<Answer>,
) -> Replay {
    let mut simulation = Simulation::new(program)
        .input(recording.input.clone())
        .identity(recording.identity.clone())
        .start(recording.start)
        .objects(recording.objects.clone())
        .most_turns(MOST_TURNS);
    if let Some((at, failure)) = &recording.stop {
        simulation = simulation.stop_at(*at, failure.clone());
    }
    if recording.is_open {
        let last = recording.events.last().and_then(moment).unwrap_or(recording.start.0);
        simulation = simulation.end(stepwright_history::Moment(last + OPEN_AFTER));
    }
    let mut answers = Answers::new(recording.answers.clone());
    let mut unanswered: Vec<Str> = Vec::new();
    let run = simulation.run(&mut |call: &Call<'_>| {
        answers.answer(call).or_else(|| more(call)).unwrap_or_else(|| {
            if !unanswered.contains(&call.call.state) {
                unanswered.push(call.call.state.clone());
            }
            let cause =
                format!("The recording has no answer to this call of '{}'.", call.call.state);
            Answer::fails("Stepwright.NotRecorded", cause)
        })
    });
    let events = run.history();
    let Compared { agreed, departure } = compare::compare(program, recording, &run, &events);
    let mut unused: Vec<Str> = Vec::new();
    for answer in answers.unused() {
        if !unused.contains(&answer.state) {
            unused.push(answer.state.clone());
        }
    }
    Replay { run, events, agreed, departure, unanswered, unused }
}
