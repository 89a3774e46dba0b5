use crate::Command;
use crate::execution::Phase;
use crate::failure::{Failed, Origin};
use crate::token::token;
use crate::turn::Stepper;
use crate::view::More;
use stepwright_history::{EventKind, Failure, FrameId, Stage, TaskCall, TaskId, TaskKind};
use stepwright_json::{Json, Str};
use stepwright_program::{
    EvaluationError, Integration, Kind, Language, NumberField, Pattern, State, Task,
};

/// The longest time-out of a task and the longest wait, in seconds. AWS's limit.
pub(crate) const MAX_SECONDS: i64 = 99_999_999;

impl Stepper<'_> {
    pub(crate) fn task(
        &mut self,
        frame: FrameId,
        state: &State,
        task: &Task,
    ) -> Result<(), EvaluationError> {
        let id = TaskId(self.execution.next_task);
        let start = self.execution.start.as_ref().expect("a running execution has started");
        let has_token = match &task.resource.integration {
            Integration::Activity => true,
            Integration::Service { pattern, .. } => *pattern != Pattern::RequestResponse,
            Integration::Lambda => false,
        };
        let token = has_token.then(|| token(start, id));
        let region = start.identity.region.clone();
        let more = More { token: token.as_deref(), ..More::default() };
        let document = self.document(frame, &state.io)?;
        // AWS reads the time-outs before the parameters.
        let seconds = |this: &Self, field: Option<&NumberField>, name: &str| {
            field.map(|field| this.seconds(frame, field, &document, name)).transpose()
        };
        let timeout_seconds = seconds(self, task.timeout.as_ref(), "TimeoutSeconds")?;
        let heartbeat_seconds = seconds(self, task.heartbeat.as_ref(), "HeartbeatSeconds")?;
        let computed = [&task.timeout, &task.heartbeat].into_iter().flatten();
        if let (Some(timeout), Some(heartbeat)) = (timeout_seconds, heartbeat_seconds)
            && heartbeat > timeout
            && computed.into_iter().any(|field| !matches!(field, NumberField::Literal(_)))
        {
            let cause = format!(
                "HeartbeatSeconds must not be greater than TimeoutSeconds but was: {heartbeat}"
            );
            return Err(of_value(state.language, cause, "HeartbeatSeconds"));
        }
        let mut parameters = match &state.io.arguments {
            Some(arguments) => self.fill(frame, arguments, &document, more)?,
            None => document.clone(),
        };
        self.see(|seen| seen.after_arguments = Some(parameters.clone()));
        let credentials = match &task.credentials {
            Some(credentials) => self
                .fill(frame, credentials, &document, more)?
                .get("RoleArn")
                .and_then(Json::as_str)
                .map(Str::from),
            None => None,
        };
        let kind = match &task.resource.integration {
            Integration::Lambda => TaskKind::Lambda,
            Integration::Activity => TaskKind::Activity,
            Integration::Service { service, action, .. } => {
                stepwright_aws::parameters::check(service, action, &parameters)
                    .map_err(EvaluationError::runtime)?;
                stepwright_aws::parameters::insert(service, action, &mut parameters);
                TaskKind::Service { service: service.clone(), action: action.clone() }
            }
        };
        let entry = &self.execution.frame(frame).entry;
        let call = Box::new(TaskCall {
            resource: task.resource.arn.clone(),
            parameters,
            region,
            timeout_seconds,
            heartbeat_seconds,
            credentials,
            state: entry.name.clone(),
            retry_count: entry.retries,
            token: token.map(Str::from),
            kind,
        });
        let after = |seconds: Option<i64>| seconds.map(|s| self.at.after_seconds(s as f64));
        let (deadline, heartbeat_deadline) = (after(timeout_seconds), after(heartbeat_seconds));
        let due = deadline.into_iter().chain(heartbeat_deadline).min();
        let timer = due.map(|_| self.new_timer());
        let is_activity = call.kind == TaskKind::Activity;
        let command = Command::RunTask { task: id, call: call.clone(), submitted: false };
        let kind = EventKind::TaskScheduled { task: id, call, deadline, heartbeat_deadline, timer };
        self.emit(frame, kind);
        if !is_activity {
            // An activity is started by the worker that takes it.
            self.emit(frame, EventKind::TaskStarted { task: id, worker: None });
        }
        self.owe(command);
        if let (Some(timer), Some(due)) = (timer, due) {
            self.owe(Command::WakeAt { timer, due });
        }
        Ok(())
    }

    fn seconds(
        &self,
        frame: FrameId,
        field: &NumberField,
        document: &Json,
        name: &str,
    ) -> Result<i64, EvaluationError> {
        let wrong = |path: &stepwright_program::PathExpression, value: &Json| {
            format!(
                "The {name}Path field refers to value \"{}\" which is not a valid integer: {}",
                plain(value),
                path.text
            )
        };
        let seconds = self.number(frame, field, document, wrong)?;
        let language = match field {
            NumberField::Literal(_) => return Ok(seconds as i64),
            NumberField::Path(_) => Language::JsonPath,
            NumberField::Jsonata(_) => Language::Jsonata,
        };
        let shown = Json::from(seconds);
        match (field, shown.as_i64()) {
            (_, Some(whole)) if (0..=MAX_SECONDS).contains(&whole) => Ok(whole),
            (_, Some(whole)) => Err(of_value(
                language,
                format!("{name} must be between 0 and {MAX_SECONDS} but was: {whole}"),
                name,
            )),
            (NumberField::Path(path), None) => Err(EvaluationError::runtime(wrong(path, &shown))),
            (_, None) => {
                Err(of_value(language, format!("{name} must be an integer but was: {shown}"), name))
            }
        }
    }

    pub(crate) fn heartbeat(&mut self, frame: FrameId, task: TaskId) {
        let Phase::Task(open) = &self.execution.frame(frame).phase else { return };
        let Some(seconds) = open.call.heartbeat_seconds else { return };
        let overall = open.deadline;
        let deadline = self.at.after_seconds(seconds as f64);
        let timer = self.new_timer();
        self.emit(frame, EventKind::TaskHeartbeat { task, deadline, timer });
        let due = overall.map_or(deadline, |overall| overall.min(deadline));
        self.owe(Command::WakeAt { timer, due });
    }

    pub(crate) fn task_succeeded(&mut self, frame: FrameId, task: TaskId, output: Json) {
        if let Err(failure) = self.check_result(frame, &output) {
            self.task_failed(frame, task, failure, Stage::Run);
            return;
        }
        self.start_late(frame, task);
        self.emit(frame, EventKind::TaskSucceeded { task, output: output.clone() });
        self.see(|seen| seen.result = Some(output.clone()));
        let state = self.state_of(frame);
        let Kind::Task(task) = &state.kind else { return };
        let left = self
            .finish(frame, state, output)
            .and_then(|(output, assigned)| self.exit(frame, output, assigned, task.next));
        if let Err(error) = left {
            self.evaluation_failed(frame, error);
        }
    }

    /// Refuses what a task returned if it is too large or too deep.
    pub(crate) fn check_result(&self, frame: FrameId, output: &Json) -> Result<(), Failure> {
        let refused = EvaluationError::check(output, self.program.limits.payload_bytes);
        let (Err(error), Phase::Task(open)) = (refused, &self.execution.frame(frame).phase) else {
            return Ok(());
        };
        let name = match &open.call.kind {
            TaskKind::Service { service, .. } => service,
            TaskKind::Lambda | TaskKind::Activity | TaskKind::Whole => &open.call.resource,
        };
        Err(Failure::new("States.DataLimitExceeded", error.of_state(name).cause))
    }

    pub(crate) fn task_failed(
        &mut self,
        frame: FrameId,
        task: TaskId,
        failure: Failure,
        stage: Stage,
    ) {
        let failure = self.clipped(failure);
        if stage == Stage::Schedule && failure.name() == "States.Runtime" {
            // What is called does not exist: AWS fails the state, not the task.
            let cause = failure.cause.unwrap_or_default();
            self.evaluation_failed(frame, EvaluationError::runtime(cause));
            return;
        }
        if stage == Stage::Run {
            self.start_late(frame, task);
        }
        self.emit(frame, EventKind::TaskFailed { task, failure: failure.clone(), stage });
        let last = self.execution.frame(frame).last;
        self.fail(frame, failure, &Origin { from_within: false, last, what: Failed::Task });
    }

    pub(crate) fn task_timed_out(&mut self, frame: FrameId, task: TaskId, heartbeat: bool) {
        let failure = Failure { error: Some("States.Timeout".into()), cause: None };
        let kind = EventKind::TaskTimedOut { task, failure: failure.clone(), heartbeat };
        self.emit(frame, kind);
        let last = self.execution.frame(frame).last;
        let what = if heartbeat { Failed::Heartbeat } else { Failed::Task };
        self.fail(frame, failure, &Origin { from_within: false, last, what });
    }

    /// An end without a beginning: the worker's report that it took the task was lost.
    fn start_late(&mut self, frame: FrameId, task: TaskId) {
        let Phase::Task(open) = &self.execution.frame(frame).phase else { return };
        if !open.started {
            self.emit(frame, EventKind::TaskStarted { task, worker: None });
        }
    }
}

/// What is wrong with the value that a field was computed to.
fn of_value(language: Language, cause: String, field: &str) -> EvaluationError {
    match language {
        Language::JsonPath => EvaluationError::runtime(cause),
        Language::Jsonata => EvaluationError::query(cause, Some(field)),
    }
}

/// A value as AWS shows it within a message: a text without its quotes.
pub(crate) fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.to_string(),
        other => other.to_string(),
    }
}
