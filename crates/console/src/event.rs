//! One line of a history, with its data and the variables at that moment.

use crate::execution::{self, Known, data_text};
use crate::fork;
use crate::page::{self, Answer, Refusal};
use crate::text::visible;
use crate::{Ask, Console, Visit};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use stepwright_history::aws::Calls;
use stepwright_history::{Event, EventKind, Failure, FrameId, Moment, TaskCall, TaskId, TaskKind};
use stepwright_interpreter::Execution;
use stepwright_json::{Json, Object};
use stepwright_program::time;
use stepwright_simulator::Evaluation;

/// Values with more text than this are left out of an answer, and said to be.
const MOST_TEXT: usize = 8 << 20;

pub(crate) async fn details(console: &Console, visit: &dyn Visit, ask: &Ask) -> Answer {
    let known = execution::known(console, visit, ask).await?;
    let missing = || Refusal::missing("there is no such line");
    let number = ask.query.number("row").ok_or_else(missing)? as usize;
    let row = known.story.rows.get(number).ok_or_else(missing)?;
    let mut read = Read::default();
    let (mut at, place) = (0, row.place);
    let all = visit.engine().events_after(known.row.id, 0, |event| {
        let is_it = at == place;
        // A history that cannot be taken in is shown up to there.
        let event = console.redaction.event(event);
        let taken = catch_unwind(AssertUnwindSafe(|| read.take(&event, is_it)));
        at += 1;
        !is_it && taken.is_ok()
    });
    all.await?;
    let logs = logs(visit, &known, &read).await;
    let mut answer = shown(visit, &known, number, &read, logs);
    if let (Some(expression), Json::Object(answer)) = (ask.query.get("try"), &mut answer) {
        // An expression may take long, and whoever writes one waits for it.
        answer.insert("tried", visit.engine().aside(|| tried(&read, expression)).await);
    }
    Ok(page::json_answer(&answer))
}

/// What a path or an expression comes to with the data of the line: `[value, null]`, or `[null, why not]`.
fn tried(read: &Read, expression: &str) -> Json {
    let own = read.event.as_ref().and_then(|event| own_data(&event.kind));
    let input = read.input.as_ref().or(own).cloned().unwrap_or_default();
    let outcome = read.event.as_ref().and_then(|event| match &event.kind {
        EventKind::TaskSucceeded { output, .. } => Some(Ok(output.clone())),
        EventKind::TaskFailed { failure, .. } | EventKind::TaskTimedOut { failure, .. } => {
            Some(Err(failure.clone()))
        }
        _ => None,
    });
    let is_jsonata = expression.trim_start().starts_with("{%");
    let evaluation = Evaluation {
        // `$` of JSONPath is what the line shows, `$states.input` of JSONata what the state got.
        input: if is_jsonata { input } else { own.cloned().unwrap_or(input) },
        outcome,
        variables: read.variables.clone(),
        context: read.context.clone(),
    };
    let at = read.event.as_ref().map_or(Moment(0), |event| event.at);
    match evaluation.value(expression, at) {
        Ok(value) => stepwright_json::json!([(data_text(&value)), null]),
        Err(failure) => {
            let parts = [failure.error, failure.cause].into_iter().flatten();
            let parts: Vec<String> = parts.map(|text| visible(&text).into_owned()).collect();
            stepwright_json::json!([null, (parts.join(": "))])
        }
    }
}

/// The data that a line is about.
fn own_data(kind: &EventKind) -> Option<&Json> {
    use EventKind as E;
    match kind {
        E::ExecutionStarted(start) => Some(&start.input),
        E::StateEntered { input: value, .. }
        | E::MapIterationStarted { input: value, .. }
        | E::ParallelStarted { input: value, .. }
        | E::ExecutionSucceeded { output: value }
        | E::StateExited { output: value, .. }
        | E::TaskSubmitted { output: value, .. }
        | E::TaskSucceeded { output: value, .. }
        | E::MapIterationSucceeded { output: value, .. } => Some(value),
        E::TaskScheduled { call, .. } => Some(&call.parameters),
        _ => None,
    }
}

/// What is known of the line.
#[derive(Default)]
struct Read {
    execution: Execution,
    calls: Calls,
    event: Option<Event>,
    /// The input of the state that it is about.
    input: Option<Json>,
    variables: Object,
    /// The context object, as the state sees it.
    context: Option<Json>,
    /// The event with which the state of the top level was entered last.
    entered: Option<u64>,
    /// The tasks that call functions.
    tasks: BTreeSet<TaskId>,
}

impl Read {
    fn take(&mut self, event: &Event, is_it: bool) {
        self.calls.note(event);
        if event.frame == FrameId::ROOT && matches!(event.kind, EventKind::StateEntered { .. }) {
            self.entered = Some(event.id);
        }
        if let EventKind::TaskScheduled { task, call, .. } = &event.kind
            && calls_function(call)
        {
            self.tasks.insert(*task);
        }
        if is_it {
            self.event = Some(event.clone());
            self.input = self.execution.input_in(event.frame).cloned();
            self.variables = self.execution.variables_seen_from(event.frame);
            if let EventKind::StateExited { assigned: Some(assigned), .. } = &event.kind {
                for (name, value) in assigned.iter() {
                    self.variables.insert(name.clone(), value.clone());
                }
            }
            if let EventKind::StateEntered { .. } = &event.kind {
                self.input = None;
                // The frame may begin with it.
                drop(self.execution.apply(event));
                self.variables = self.execution.variables_seen_from(event.frame);
            }
            self.context = self.execution.context_in(event.frame);
        } else {
            drop(self.execution.apply(event));
        }
    }
}

fn shown(
    visit: &dyn Visit,
    known: &Known,
    number: usize,
    read: &Read,
    logs: Option<Vec<Json>>,
) -> Json {
    let row = &known.story.rows[number];
    let state = row.state.and_then(|state| known.drawing.states.get(state as usize));
    let (name, line) = state.map_or((String::new(), None), |(name, line)| (name.clone(), *line));
    let mut values: Vec<Json> = Vec::new();
    let mut add = |title: &str, value: &Json| {
        let size = value.measure().map_or(0, |measure| measure.memory);
        let text = if size > 4 * MOST_TEXT {
            "\"too large to be shown here\"".to_owned()
        } else {
            data_text(value)
        };
        values.push(stepwright_json::json!([(title), (text.as_str())]));
    };
    let mut failure = None;
    if let Some(event) = &read.event {
        data_of(&event.kind, &mut add, &mut failure);
        let is_own = matches!(event.kind, EventKind::ExecutionStarted(_));
        if let Some(input) = read.input.as_ref().filter(|_| !is_own && row.state.is_some()) {
            add("Input of the state", input);
        }
    }
    if !read.variables.is_empty() {
        add("Variables", &Json::Object(read.variables.clone()));
    }
    let aws = read.event.as_ref().and_then(|event| read.calls.show(event));
    if let Some(aws) = &aws {
        add("Event, as the API shows it", aws);
    }
    let failure = failure.map_or(Json::Null, |Failure { error, cause }| {
        let text = |text: Option<stepwright_json::Str>| {
            text.map_or(Json::Null, |text| visible(&text).into_owned().into())
        };
        stepwright_json::json!([(text(error)), (text(cause))])
    });
    let task = read.event.as_ref().and_then(|event| task_of(&event.kind));
    let token = task.and_then(|task| known.open_token(task));
    let acts =
        token.map_or(Json::Null, |token| known.token_shown(visit, &token).into_string().into());
    let about = &known.row.about;
    let is_top = row.state.is_some_and(|state| state < known.facts.revision.program.top);
    let fork = (is_top && fork::can(&known.row) && fork::may(visit, &about.machine))
        .then(|| fork::path(&about.arn, &name, read.entered));
    stepwright_json::json!({
        "row": (Json::Int(number as i64)),
        "id": (Json::Int(row.id as i64)),
        "name": (&*row.name),
        "state": (visible(&name).into_owned().as_str()),
        "position": (row.state.map_or(Json::Null, |state| Json::Int(i64::from(state)))),
        "line": (line.map_or(Json::Null, |line| Json::Int(line as i64))),
        "at": (time::format(row.at).as_str()),
        "item": (&*row.item),
        "text": (&*row.text),
        "failure": (failure),
        "acts": (acts),
        "logs": (logs.map_or(Json::Null, Json::from)),
        "fork": (fork.map_or(Json::Null, Json::from)),
        "values": (Json::from(values))
    })
}

/// The task that an event is about.
fn task_of(kind: &EventKind) -> Option<TaskId> {
    use EventKind as E;
    match kind {
        E::TaskScheduled { task, .. }
        | E::TaskStarted { task, .. }
        | E::TaskSubmitted { task, .. }
        | E::TaskSucceeded { task, .. }
        | E::TaskFailed { task, .. }
        | E::TaskTimedOut { task, .. } => Some(*task),
        _ => None,
    }
}

/// What the function has printed that this attempt has called, with the moments; `None` if it has called
/// none, or the visitor may not see it.
async fn logs(visit: &dyn Visit, known: &Known, read: &Read) -> Option<Vec<Json>> {
    let task = read.event.as_ref().and_then(|event| task_of(&event.kind))?;
    let is_function = read.tasks.contains(&task);
    if !is_function || !visit.may("stepwright:ReadLogs", "*") {
        return None;
    }
    let id = stepwright_engine::request_id(&known.row.about.arn, task);
    let lines = visit.printed(Some(id)).await;
    let skipped = lines.len().saturating_sub(MOST_LINES);
    let line = |line: &stepwright_functions::Printed| {
        let at = time::format(line.at_millis);
        let text = visible(line.text.trim_end()).into_owned();
        stepwright_json::json!([(at.as_str()), (text.as_str())])
    };
    Some(lines.iter().skip(skipped).map(line).collect())
}

/// Whether a task calls a function.
fn calls_function(call: &TaskCall) -> bool {
    match &call.kind {
        TaskKind::Lambda => true,
        TaskKind::Service { service, .. } => &**service == "lambda",
        TaskKind::Activity | TaskKind::Whole => false,
    }
}

/// How many lines of an attempt are shown: the last ones.
const MOST_LINES: usize = 1_000;

/// The data of an event, each with its name.
fn data_of(kind: &EventKind, add: &mut impl FnMut(&str, &Json), failed: &mut Option<Failure>) {
    use EventKind as E;
    match kind {
        E::ExecutionStarted(start) => add("Input", &start.input),
        E::ExecutionSucceeded { output } => add("Output", output),
        E::StateEntered { input, .. } => add("Input", input),
        E::StateExited { output, assigned, .. } => {
            add("Output", output);
            if let Some(assigned) = assigned {
                add("Assigned", &Json::Object(assigned.clone()));
            }
        }
        E::TaskScheduled { call, .. } => add("Arguments", &call.parameters),
        E::TaskSubmitted { output, .. } => add("Answer", output),
        E::TaskSucceeded { output, .. } => add("Result", output),
        E::MapIterationStarted { input, .. } => add("Item", input),
        E::MapIterationSucceeded { output, .. } => add("Output", output),
        E::ParallelStarted { input, .. } => add("Input of the branches", input),
        E::MapRunItems { inputs } => add("Items", &Json::Array(inputs.clone())),
        E::MapRunWriting { request } => add("Written to", request),
        E::ChildFinished { result, .. } => match result {
            Ok(output) => add("Output", output),
            Err(failure) => *failed = Some(failure.clone()),
        },
        E::ExecutionFailed { failure }
        | E::ExecutionTimedOut { failure }
        | E::ExecutionAborted { failure }
        | E::EvaluationFailed { failure, .. }
        | E::TaskFailed { failure, .. }
        | E::TaskTimedOut { failure, .. }
        | E::MapRunFailed { failure } => *failed = Some(failure.clone()),
        _ => {}
    }
}
