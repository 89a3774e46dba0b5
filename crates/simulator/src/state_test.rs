//! One state, run by itself: what `TestState` does.

mod context;
mod evaluation;
mod report;

pub use evaluation::Evaluation;
pub use report::{StateOutcome, StateReport};

use std::collections::BTreeSet;
use stepwright_asl::Definition;
use stepwright_aws::responses::{self, FieldValidation};
use stepwright_history::{Event, EventKind, Failure, Identity, Moment, Stage, TaskCall, TaskId};
use stepwright_interpreter::{
    Beginning, Command, Execution, Inspection, Stimulus, WholeResult, inspect,
};
use stepwright_json::{Json, Object, Str};
use stepwright_program::{CheckOptions, Program, aws_message, check_with, compile};

/// A state, and what it is to be run with.
///
/// ```
/// use stepwright_history::Moment;
/// use stepwright_json::json;
/// use stepwright_simulator::{StateOutcome, StateTest};
///
/// let test = StateTest {
///     definition: r#"{"Type": "Pass", "Parameters": {"n.$": "States.MathAdd($.n, 1)"}, "End": true}"#.to_owned(),
///     input: json!({"n": 1}),
///     ..StateTest::default()
/// };
/// let report = test.begin(Moment(0)).unwrap().finish();
/// assert_eq!(report.outcome, StateOutcome::Succeeded { output: json!({"n": 2}), next: None });
/// ```
#[derive(Clone, Debug, Default)]
pub struct StateTest {
    /// The definition of a state, or, with `state`, of a whole machine that has it.
    pub definition: String,
    /// Which state of the machine; it may lie within a Map or Parallel.
    pub state: Option<String>,
    /// The state's input.
    pub input: Json,
    /// The variables it sees.
    pub variables: Object,
    /// Who the execution is: what the context object says.
    pub identity: Option<Identity>,
    /// The context object, instead of one made from the identity.
    pub context: Option<Json>,
    /// What the task, branches or iterations come to.
    pub mock: Option<Mock>,
    /// What has happened before, or within.
    pub configuration: StateConfiguration,
}

/// What a task, branches or iterations come to.
#[derive(Clone, Debug)]
pub struct Mock {
    /// The result, or the error.
    pub outcome: Result<Json, Failure>,
    /// How much of a result is held against what the service answers.
    pub validation: FieldValidation,
}

/// What has happened before a state is tested, or within it.
#[derive(Clone, Debug, Default)]
pub struct StateConfiguration {
    /// How often the retrier that is for the mocked error has tried before.
    pub retrier_retry_count: Option<u32>,
    /// The state within a Map or Parallel that the mocked error comes from.
    pub error_caused_by_state: Option<String>,
    /// How many iterations of a Map have failed.
    pub map_iteration_failure_count: Option<u64>,
    /// The text that a Map's item reader finds at its source.
    pub map_item_reader_data: Option<String>,
}

/// A state that cannot be tested, in AWS's words where they are known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateTestError {
    /// The definition is none that could be run: `InvalidDefinition`.
    #[error("{0}")]
    Definition(String),
    /// The rest of the request does not fit it: `ValidationException`.
    #[error("{0}")]
    Request(String),
}

/// The name a state gets that has none.
const NAMELESS: &str = "StateName";

/// What stands before the state and sets the variables.
const BEFORE: &str = "stepwright:before";

/// A test that has begun.
#[derive(Debug)]
pub struct Testing {
    program: Program,
    execution: Execution,
    inspection: Inspection,
    events: Vec<Event>,
    at: Moment,
    open: Option<(TaskId, Box<TaskCall>)>,
    /// What it reports besides what is seen.
    input: Json,
    variables: Object,
}

impl StateTest {
    /// Runs the state until it has ended, or until a task without a mock has to be called.
    pub fn begin(&self, at: Moment) -> Result<Testing, StateTestError> {
        let (name, state, language) = self.find()?;
        let kind = state.get("Type").and_then(Json::as_str).unwrap_or_default();
        self.check_request(kind, &state)?;
        let testing = self.run(name, state.clone(), language, at)?;
        self.check_iterations(&testing)?;
        Ok(testing)
    }

    /// Runs a state, whatever is asked for.
    fn run(
        &self,
        name: String,
        state: Object,
        language: Option<Json>,
        at: Moment,
    ) -> Result<Testing, StateTestError> {
        let kind = state.get("Type").and_then(Json::as_str).unwrap_or_default();
        let is_composite = matches!(kind, "Map" | "Parallel");
        let machine = wrap(&name, state, language, &self.variables);
        let program = compile(&Definition::from_json(&machine)).map_err(|diagnostics| {
            StateTestError::Definition(aws_message(&diagnostics).unwrap_or_default())
        })?;
        let outcome = self.mock.as_ref().map(|mock| mock.outcome.clone());
        let mut inspection = Inspection::of(name);
        inspection.context.clone_from(&self.context);
        inspection.mock = outcome.clone().filter(|_| is_composite);
        inspection.reader_data.clone_from(&self.configuration.map_item_reader_data);
        inspection.failed_iterations = self.configuration.map_iteration_failure_count.unwrap_or(0);
        inspection.tries = self.configuration.retrier_retry_count.unwrap_or(0);
        let mut testing = Testing {
            program,
            execution: Execution::default(),
            inspection,
            events: Vec::new(),
            at,
            open: None,
            input: self.input.clone(),
            variables: self.variables.clone(),
        };
        let beginning = Beginning {
            input_text: None,
            input: self.input.clone(),
            identity: self.identity.clone().unwrap_or_else(crate::simulation::default_identity),
            first: None,
            variables: Object::new(),
            seed: [at.0.unsigned_abs(), 0x5157_4550],
            map_context: None,
            timeout_seconds: None,
        };
        testing.take(Stimulus::Start(Box::new(beginning)));
        if testing.open.is_some()
            && let Some(outcome) = outcome
        {
            testing.answer(outcome.map_err(|failure| (failure, Stage::Run)));
        }
        Ok(testing)
    }

    /// The state's name, the state, and the query language around it.
    fn find(&self) -> Result<(String, Object, Option<Json>), StateTestError> {
        let invalid = |diagnostics: &[_]| {
            aws_message(diagnostics).map(StateTestError::Definition).map_or(Ok(()), Err)
        };
        let definition = Definition::from_api(&self.definition).map_err(|wrong| {
            StateTestError::Definition(aws_message(&[*wrong]).unwrap_or_default())
        })?;
        let whole = stepwright_json::parse(&self.definition).unwrap_or_default();
        let whole = whole.as_object().cloned().unwrap_or_default();
        let options = CheckOptions { express: false, deployed: true };
        let errors = |definition: &Definition| {
            let mut found = check_with(definition, &options);
            found.retain(stepwright_source::Diagnostic::is_error);
            found
        };
        let Some(name) = &self.state else {
            let machine = wrap(NAMELESS, whole.clone(), None, &Object::new());
            invalid(&errors(&Definition::from_json(&machine))).map_err(|error| match error {
                // There is no machine around the state; what is in it has its place all the same.
                StateTestError::Definition(message) => {
                    let place = format!(" at /States/{NAMELESS}");
                    let message = [",", "'"].iter().fold(message, |message, end| {
                        message.replace(&format!("{place}{end}"), &format!(" at {end}"))
                    });
                    StateTestError::Definition(message)
                }
                other @ StateTestError::Request(_) => other,
            })?;
            return Ok((NAMELESS.to_owned(), whole, None));
        };
        invalid(&errors(&definition))?;
        let states = whole.get("States").and_then(Json::as_object);
        let state = states.and_then(|states| find_within(states, name));
        let state = state.ok_or_else(|| request("State not found in definition"))?;
        Ok((name.clone(), state, whole.get("QueryLanguage").cloned()))
    }

    /// Whether what is asked for fits the state.
    fn check_request(&self, kind: &str, state: &Object) -> Result<(), StateTestError> {
        let configuration = &self.configuration;
        let Some(mock) = &self.mock else {
            let given = [
                ("RetrierRetryCount", configuration.retrier_retry_count.is_some()),
                ("ErrorCausedByState", configuration.error_caused_by_state.is_some()),
                ("MapIterationFailureCount", configuration.map_iteration_failure_count.is_some()),
                ("MapItemReaderData", configuration.map_item_reader_data.is_some()),
            ];
            if let Some((name, _)) = given.iter().find(|(_, is_given)| *is_given) {
                return Err(request(format!(
                    "TestState does not support {name} when a mock is not specified."
                )));
            }
            if matches!(kind, "Map" | "Parallel") {
                return Err(StateTestError::Definition(
                    "TestState API does not support Map or Parallel states. Supported state types \
                     include: [Task, Wait, Pass, Succeed, Fail, Choice]"
                        .to_owned(),
                ));
            }
            return self.check_context(kind, state);
        };
        if !matches!(kind, "Task" | "Map" | "Parallel") {
            return Err(request(format!(
                "State type '{kind}' is not supported when a mock is specified"
            )));
        }
        if let Some(within) = &configuration.error_caused_by_state {
            let scope: Object = [(Str::from("x"), Json::from(state.clone()))].into_iter().collect();
            if find_within(&scope, within).is_none() {
                return Err(request(format!(
                    "The state '{within}', which is said to cause the error, is not within the \
                     state that is tested."
                )));
            }
        }
        if let Ok(result) = &mock.outcome {
            check_result(kind, state, result, mock.validation)?;
        }
        if state.get("ItemReader").is_some() && configuration.map_item_reader_data.is_none() {
            return Err(request(
                "ItemReader data must be specified when testing a Map state with ItemReader \
                 specified.",
            ));
        }
        self.check_context(kind, state)
    }

    fn check_context(&self, kind: &str, state: &Object) -> Result<(), StateTestError> {
        let Some(given) = &self.context else { return Ok(()) };
        let resource = state.get("Resource").and_then(Json::as_str).unwrap_or_default();
        let waits = resource.contains(".sync") || resource.ends_with(".waitForTaskToken");
        let may_have_task = kind == "Task" && (waits || resource.contains(":activity:"));
        context::check(given, may_have_task)
            .map_err(|wrong| request(format!("Invalid Context object provided: {wrong}")))
    }

    fn check_iterations(&self, testing: &Testing) -> Result<(), StateTestError> {
        let failed = self.configuration.map_iteration_failure_count.unwrap_or(0);
        match testing.inspection.seen().iterations {
            Some(total) if failed > total => Err(request(
                "Map iteration failure count must be less than or equal to the number of Map \
                 iterations",
            )),
            _ => Ok(()),
        }
    }
}

fn request(message: impl Into<String>) -> StateTestError {
    StateTestError::Request(message.into())
}

/// Whether a mocked result is one that the state can come to.
fn check_result(
    kind: &str,
    state: &Object,
    result: &Json,
    validation: FieldValidation,
) -> Result<(), StateTestError> {
    let has_writer = state.get("ResultWriter").is_some();
    let shape = match kind {
        "Map" if has_writer => Some(WholeResult::Written),
        "Map" => Some(WholeResult::List),
        "Parallel" => {
            let branches = state.get("Branches").and_then(Json::as_array);
            branches.map(|branches| WholeResult::Branches(branches.len()))
        }
        _ => None,
    };
    match shape {
        Some(shape) => shape.check(result).map_err(request),
        None => {
            let resource = state.get("Resource").and_then(Json::as_str).unwrap_or_default();
            // `arn:aws:states:::SERVICE:ACTION`, where the service may be `aws-sdk:SERVICE`.
            let called = resource.splitn(6, ':').nth(5).filter(|_| resource.contains(":states:"));
            let Some((service, action)) = called.and_then(split_action) else { return Ok(()) };
            responses::check(service, action, result, validation).map_err(request)
        }
    }
}

fn split_action(called: &str) -> Option<(&str, &str)> {
    let from = if called.starts_with("aws-sdk:") { "aws-sdk:".len() } else { 0 };
    let at = from + called[from..].find(':')?;
    Some((&called[..at], &called[at + 1..]))
}

impl Testing {
    /// The machine around the state that is tested.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The call that has to be made for the test to go on.
    pub fn call(&self) -> Option<&TaskCall> {
        self.open.as_ref().map(|(_, call)| &**call)
    }

    /// What the call came to.
    pub fn answer(&mut self, outcome: Result<Json, (Failure, Stage)>) {
        let Some((task, _)) = self.open.take() else { return };
        self.take(match outcome {
            Ok(output) => Stimulus::TaskSucceeded { task, output },
            Err((failure, stage)) => Stimulus::TaskFailed { task, failure, stage },
        });
    }

    fn take(&mut self, stimulus: Stimulus) {
        let mut next = Some(stimulus);
        while let Some(stimulus) = next.take() {
            let (program, execution) = (&self.program, &mut self.execution);
            let Ok(turn) = inspect(program, execution, stimulus, self.at, &self.inspection) else {
                return;
            };
            let waits = turn.events.iter().any(|e| matches!(e.kind, EventKind::WaitStarted { .. }));
            self.events.extend(turn.events);
            for command in turn.commands {
                match command {
                    Command::RunTask { task, call, .. } => self.open = Some((task, call)),
                    // Nobody has to wait for a Wait: the time of a test is its own.
                    Command::WakeAt { timer, due } if waits => {
                        self.at = self.at.max(due);
                        next = Some(Stimulus::TimerDue { timer });
                    }
                    _ => {}
                }
            }
        }
    }

    /// What came of it. A call that nobody answered has failed.
    pub fn finish(mut self) -> StateReport {
        if self.open.is_some() {
            let failure = Failure::new("States.TaskFailed", "Nobody has answered the task.");
            self.answer(Err((failure, Stage::Run)));
        }
        let name = self.inspection.state.as_str();
        let state = self.program.states.iter().find(|state| state.name == name);
        let names: Vec<Str> = self.program.states.iter().map(|s| s.name.clone()).collect();
        let outcome = report::outcome(&self.events, self.inspection.seen().failure, name, &names);
        let mut variables = self.variables;
        for event in &self.events {
            if let EventKind::StateExited { name: left, assigned: Some(assigned), .. } = &event.kind
                && left == name
            {
                for (key, value) in assigned.iter() {
                    variables.insert(key.clone(), value.clone());
                }
            }
        }
        StateReport {
            outcome,
            seen: self.inspection.seen(),
            variables,
            exchanged: None,
            input: self.input,
            kind: state.map(|state| state.kind.name()).unwrap_or_default(),
            is_jsonpath: state
                .is_some_and(|s| s.language == stepwright_program::Language::JsonPath),
        }
    }
}

/// A state of a machine, or of a branch or processor within.
fn find_within(states: &Object, name: &str) -> Option<Object> {
    if let Some(state) = states.get(name) {
        return state.as_object().cloned();
    }
    states.values().find_map(|state| {
        let branches = state.get("Branches").and_then(Json::as_array).cloned().unwrap_or_default();
        let processors = ["ItemProcessor", "Iterator"].iter().filter_map(|key| state.get(key));
        branches
            .iter()
            .chain(processors)
            .filter_map(|scope| scope.get("States")?.as_object())
            .find_map(|states| find_within(states, name))
    })
}

/// A machine that sets the variables, runs the state, and has whatever it leads to.
fn wrap(name: &str, state: Object, language: Option<Json>, variables: &Object) -> Json {
    let mut targets = BTreeSet::new();
    collect_targets(&Json::Object(state.clone()), &mut targets);
    let mut states = Object::new();
    let mut start = name;
    if !variables.is_empty() {
        let mut before = Object::new();
        before.insert("Type", "Pass".into());
        before.insert("Assign", variables.clone().into());
        before.insert("Next", name.into());
        states.insert(BEFORE, before.into());
        start = BEFORE;
    }
    states.insert(name, state.into());
    for target in targets {
        if target != name {
            states.insert(target, stepwright_json::json!({"Type": "Succeed"}));
        }
    }
    let mut machine = Object::new();
    machine.insert("StartAt", start.into());
    if let Some(language) = language {
        machine.insert("QueryLanguage", language);
    }
    machine.insert("States", states.into());
    machine.into()
}

/// The names that a state, its rules and its catchers lead to.
fn collect_targets(value: &Json, targets: &mut BTreeSet<String>) {
    match value {
        Json::Object(members) => {
            for (key, value) in members.iter() {
                match (key.as_str(), value) {
                    ("Next" | "Default", Json::String(name)) => {
                        targets.insert(name.to_string());
                    }
                    ("Choices" | "Catch", value) => collect_targets(value, targets),
                    _ => {}
                }
            }
        }
        Json::Array(items) => items.iter().for_each(|item| collect_targets(item, targets)),
        _ => {}
    }
}
