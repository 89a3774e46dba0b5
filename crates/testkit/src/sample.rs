//! What the states of a machine saw in a run of a test: sample data for whoever writes the machine.

use crate::coverage::Hits;
use crate::file::{Case, TestFile};
use crate::nested::World;
use crate::run::NoFunctions;
use crate::trace::Trace;
use std::collections::BTreeMap;
use stepwright_history::{Event, EventKind, Failure, FrameId, Moment};
use stepwright_interpreter::Execution;
use stepwright_json::tree::Node;
use stepwright_json::{Json, Object, Str};
use stepwright_program::Language;
use stepwright_simulator::{Evaluation, FieldValidation, Mock, StateTest, Status};

/// Turns that a sample may take; what was seen until then is shown.
const MOST_TURNS: u64 = 20_000;

/// A run of a case.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The name of the case.
    pub case: String,
    /// How it ended.
    pub status: Status,
    /// What happened in each state when it was entered first, by its name.
    pub states: BTreeMap<Str, Stay>,
    /// Which parts of the program were used.
    pub hits: Hits,
}

/// What happened in a state.
#[derive(Clone, Debug)]
pub struct Stay {
    /// When it was entered.
    pub at: Moment,
    /// Its input.
    pub input: Json,
    /// The variables that it sees.
    pub variables: Object,
    /// The context object, without a task token.
    pub context: Json,
    /// What its task, branches or iterations came to, if it has any.
    pub outcome: Option<Result<Json, Failure>>,
    /// What it put out.
    pub output: Option<Json>,
}

/// Where in a state an expression stands: the name of the state's field, and whether the place is in
/// one of its catchers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'p> {
    /// A field of the state, `Parameters` for example.
    pub field: &'p str,
    /// Whether it is a field of an entry of `Catch`.
    pub is_caught: bool,
}

impl TestFile {
    /// Runs a case for what its states see. Mocks that pass calls on to functions have no answer.
    pub fn sample(&self, case: &Case) -> Sample {
        let mut world = World::new(&self.machines, case, &NoFunctions);
        let (program, run, children) = Self::simulate(case, &mut world, MOST_TURNS);
        let mut states = BTreeMap::new();
        read(&run.events, &mut states);
        for (_, events) in &children {
            read(events, &mut states);
        }
        let hits = Trace::read(&program, &run.events, &children).hits;
        Sample { case: case.name.clone(), status: run.status, states, hits }
    }
}

fn read(events: &[Event], states: &mut BTreeMap<Str, Stay>) {
    let mut execution = Execution::default();
    // The states that frames are in, where that is the first time.
    let mut first: BTreeMap<FrameId, Str> = BTreeMap::new();
    for event in events {
        let frame = event.frame;
        let results = match event.kind {
            EventKind::ParallelSucceeded | EventKind::MapSucceeded => execution.results_in(frame),
            _ => None,
        };
        if execution.apply(event).is_err() {
            return;
        }
        if let EventKind::StateEntered { name, input, .. } = &event.kind {
            first.remove(&frame);
            if !states.contains_key(name) {
                let stay = Stay {
                    at: event.at,
                    input: input.clone(),
                    variables: execution.variables_seen_from(frame),
                    context: execution.context_in(frame).unwrap_or_default(),
                    outcome: None,
                    output: None,
                };
                states.insert(name.clone(), stay);
                first.insert(frame, name.clone());
            }
        }
        let Some(stay) = first.get(&frame).and_then(|name| states.get_mut(name)) else { continue };
        match &event.kind {
            EventKind::WholeAnswered { result, .. } => stay.outcome = Some(result.clone()),
            EventKind::TaskSucceeded { output, .. } => stay.outcome = Some(Ok(output.clone())),
            EventKind::ParallelSucceeded | EventKind::MapSucceeded if results.is_some() => {
                stay.outcome = results.map(Ok);
            }
            EventKind::TaskFailed { failure, .. }
            | EventKind::TaskTimedOut { failure, .. }
            | EventKind::EvaluationFailed { failure, .. }
            | EventKind::MapRunFailed { failure } => stay.outcome = Some(Err(failure.clone())),
            EventKind::StateExited { output, .. } => {
                stay.output = Some(output.clone());
                first.remove(&frame);
            }
            _ => {}
        }
    }
}

impl Stay {
    /// The value that an expression at a place of the state has in this run: a path, a call of an
    /// intrinsic function, or an expression in `{% … %}`. Fails with what the execution would fail with.
    ///
    /// `state` is the state's definition.
    pub fn value(
        &self,
        state: &Node,
        language: Language,
        place: Place<'_>,
        expression: &str,
    ) -> Result<Json, Failure> {
        let evaluation = |input: Json| Evaluation {
            input,
            outcome: self.outcome.clone(),
            variables: self.variables.clone(),
            context: Some(self.context.clone()),
        };
        if language == Language::Jsonata {
            return evaluation(self.input.clone()).value(expression, self.at);
        }
        evaluation(self.document(state, place)).value(expression, self.at)
    }

    /// What `$` is at a place of a state that speaks JSONPath.
    fn document(&self, state: &Node, place: Place<'_>) -> Json {
        if place.field == "InputPath" {
            return self.input.clone();
        }
        if place.is_caught {
            let failure = match &self.outcome {
                Some(Err(failure)) => failure.clone(),
                _ => Failure::default(),
            };
            let text = |text: Option<Str>| Json::from(text.unwrap_or_default());
            return stepwright_json::json!({"Error": (text(failure.error)), "Cause": (text(failure.cause))});
        }
        let result = self.outcome.as_ref().and_then(|outcome| outcome.as_ref().ok());
        if place.field == "ResultSelector" {
            return result.cloned().unwrap_or_default();
        }
        // The state is run once more by itself, which says what its data looks like at each stage.
        let kind = state.get("Type").and_then(Node::as_str).unwrap_or_default();
        let has_result = matches!(kind, "Task" | "Parallel" | "Map");
        let outcome = result.cloned().map(Ok).filter(|_| has_result);
        let seen = StateTest {
            definition: state.to_json().to_string(),
            input: self.input.clone(),
            variables: self.variables.clone(),
            context: Some(self.context.clone()),
            mock: outcome.map(|outcome| Mock { outcome, validation: FieldValidation::None }),
            ..StateTest::default()
        };
        let seen = seen.begin(self.at).map(|testing| testing.finish().seen).unwrap_or_default();
        let selected = seen.after_input_path.clone();
        let staged = match place.field {
            "OutputPath" => seen.after_result_path.or(selected),
            "Assign" => seen.after_result_selector.or(selected),
            _ => selected,
        };
        staged.unwrap_or_else(|| self.input.clone())
    }
}
