use crate::execution::{Entry, Execution, Phase, RunStage, Status};
use crate::fuel::{Fuel, Watch};
use crate::held::recorded;
use crate::inspection::Inspection;
use crate::{Beginning, Command, Stale, Stimulus};
use std::cell::Cell;
use stepwright_history::{
    Event, EventKind, Failure, FrameId, Moment, Stage, Start, StateType, TaskId, TaskKind, TimerId,
    To,
};
use stepwright_json::{Json, Measure, Object};
use stepwright_program::{EvaluationError, Kind, Language, Program, State, StateId, Transition};

/// A turn that has recorded this many events stops at the next state boundary and asks to be
/// continued, so that an endless loop of Pass states keeps nobody else waiting.
pub const EVENTS_PER_TURN: usize = 2_000;

/// So does one whose events record so many bytes of data, so that what is recorded at once is
/// bounded, too.
pub const BYTES_PER_TURN: usize = 4 << 20;

/// So does one whose evaluations took so many steps: others may have their turn.
pub const STEPS_PER_TURN: u64 = 2_000_000;

/// What came of a [`step`].
#[derive(Clone, Debug, Default)]
pub struct Turn {
    /// What happened, in order; already applied to the execution.
    pub events: Vec<Event>,
    /// What is newly owed.
    pub commands: Vec<Command>,
    /// The bytes of data that the events record.
    pub bytes: usize,
    /// What the evaluations have cost, in steps of some ten nanoseconds.
    pub steps: u64,
}

/// Records what follows from `stimulus` at the moment `at`, and says what is newly owed.
///
/// A turn costs what it changes, never what the execution has grown to. On `Err(Stale)` the
/// execution is as it was.
pub fn step(
    program: &Program,
    execution: &mut Execution,
    stimulus: Stimulus,
    at: Moment,
) -> Result<Turn, Stale> {
    step_with(program, execution, stimulus, at, None, None)
}

/// [`step`], with somebody who is told how long it takes.
pub fn step_watched(
    program: &Program,
    execution: &mut Execution,
    stimulus: Stimulus,
    at: Moment,
    watch: Watch<'_>,
) -> Result<Turn, Stale> {
    step_with(program, execution, stimulus, at, None, Some(watch))
}

/// [`step`] for the test of one state: what the world is to it is in `inspection`, and what the
/// data looks like at each stage is noted there. Nothing runs after that state.
pub fn inspect(
    program: &Program,
    execution: &mut Execution,
    stimulus: Stimulus,
    at: Moment,
    inspection: &Inspection,
) -> Result<Turn, Stale> {
    step_with(program, execution, stimulus, at, Some(inspection), None)
}

fn step_with(
    program: &Program,
    execution: &mut Execution,
    stimulus: Stimulus,
    at: Moment,
    inspection: Option<&Inspection>,
    watch: Option<Watch<'_>>,
) -> Result<Turn, Stale> {
    let mut stepper = Stepper {
        program,
        execution,
        at,
        inspection,
        turn: Turn::default(),
        chance: Cell::new(0),
        exit_after: None,
        fuel: Fuel::new(watch),
    };
    stepper.fuel.refill(program.limits.state_steps);
    stepper.take(stimulus)?;
    stepper.run();
    let mut turn = stepper.turn;
    turn.steps = stepper.fuel.spent();
    Ok(turn)
}

pub(crate) struct Stepper<'a> {
    pub(crate) program: &'a Program,
    pub(crate) execution: &'a mut Execution,
    pub(crate) at: Moment,
    /// What a test of one state sees and says.
    pub(crate) inspection: Option<&'a Inspection>,
    turn: Turn,
    /// How many random numbers this turn has used.
    pub(crate) chance: Cell<u64>,
    /// What the next exit follows, if not the last event of its frame.
    pub(crate) exit_after: Option<u64>,
    pub(crate) fuel: Fuel<'a>,
}

impl<'a> Stepper<'a> {
    fn take(&mut self, stimulus: Stimulus) -> Result<(), Stale> {
        let running = self.execution.status == Status::Running;
        match stimulus {
            Stimulus::Start(beginning) if self.execution.status == Status::NotStarted => {
                self.begin(*beginning);
                Ok(())
            }
            Stimulus::Redrive if self.execution.is_over() => self.redrive(),
            Stimulus::Start(_) | Stimulus::Redrive => Err(Stale),
            _ if !running => Err(Stale),
            Stimulus::Continue if self.execution.ready.is_empty() => Err(Stale),
            Stimulus::Continue => Ok(()),
            Stimulus::Stop { failure } => {
                self.emit_after(FrameId::ROOT, 0, EventKind::ExecutionAborted { failure });
                Ok(())
            }
            Stimulus::TimerDue { timer } => self.timer_due(timer),
            Stimulus::TaskStarted { task, worker } => {
                let frame = self.task_frame(task)?;
                let Phase::Task(open) = &self.execution.frame(frame).phase else {
                    return Err(Stale);
                };
                if open.started {
                    return Err(Stale);
                }
                self.emit(frame, EventKind::TaskStarted { task, worker });
                Ok(())
            }
            Stimulus::TaskSubmitted { task, output } => {
                let frame = self.task_frame(task)?;
                let Phase::Task(open) = &self.execution.frame(frame).phase else {
                    return Err(Stale);
                };
                if open.submitted {
                    return Err(Stale);
                }
                if let Err(failure) = self.check_result(frame, &output) {
                    self.task_failed(frame, task, failure, Stage::Run);
                    return Ok(());
                }
                self.emit(frame, EventKind::TaskSubmitted { task, output });
                Ok(())
            }
            Stimulus::TaskHeartbeat { task } => {
                let frame = self.task_frame(task)?;
                self.heartbeat(frame, task);
                Ok(())
            }
            Stimulus::TaskSucceeded { task, output }
                if let Some(frame) = self.asked_whole(task) =>
            {
                self.whole_succeeded(frame, task, output);
                Ok(())
            }
            Stimulus::TaskFailed { task, failure, .. }
                if let Some(frame) = self.asked_whole(task) =>
            {
                self.whole_failed(frame, task, failure);
                Ok(())
            }
            Stimulus::TaskSucceeded { task, output } => {
                let frame = self.task_frame(task)?;
                self.task_succeeded(frame, task, output);
                Ok(())
            }
            Stimulus::TaskFailed { task, failure, stage } => {
                let frame = self.task_frame(task)?;
                self.task_failed(frame, task, failure, stage);
                Ok(())
            }
            Stimulus::ItemsRead { run, from, page } => {
                let frame = self.run_frame(run, |stage| match stage {
                    RunStage::Reading => from.is_none(),
                    RunStage::Running(children) => children.wants_page() && children.cursor == from,
                    _ => false,
                })?;
                self.items_read(frame, page);
                Ok(())
            }
            Stimulus::ChildFinished { run, index, result } => {
                let frame = self.run_frame(run, |stage| match stage {
                    RunStage::Running(children) => children.running.contains_key(&index),
                    _ => false,
                })?;
                self.child_finished(frame, index, result);
                Ok(())
            }
            Stimulus::MapRunUpdated {
                run,
                max_concurrency,
                tolerated_count,
                tolerated_percentage,
            } => {
                let frame = self.run_frame(run, |stage| !matches!(stage, RunStage::Done))?;
                self.emit(
                    frame,
                    EventKind::MapRunUpdated {
                        max_concurrency,
                        tolerated_count,
                        tolerated_percentage,
                    },
                );
                self.map_run_updated(frame);
                Ok(())
            }
            Stimulus::ResultsWritten { run, result } => {
                let frame =
                    self.run_frame(run, |stage| matches!(stage, RunStage::Writing { .. }))?;
                self.results_written(frame, result);
                Ok(())
            }
        }
    }

    fn task_frame(&self, task: TaskId) -> Result<FrameId, Stale> {
        let frame = *self.execution.tasks.get(&task).ok_or(Stale)?;
        match &self.execution.frame(frame).phase {
            Phase::Task(open) if open.task == task && open.call.kind != TaskKind::Whole => {
                Ok(frame)
            }
            _ => Err(Stale),
        }
    }

    fn run_frame(&self, run: TaskId, wanted: impl Fn(&RunStage) -> bool) -> Result<FrameId, Stale> {
        let frame = *self.execution.tasks.get(&run).ok_or(Stale)?;
        match &self.execution.frame(frame).phase {
            Phase::MapRun(map) if map.run == run && wanted(&map.stage) => Ok(frame),
            _ => Err(Stale),
        }
    }

    fn begin(&mut self, beginning: Beginning) {
        let timer = TimerId(self.execution.next_timer);
        let timeout = match beginning.first {
            Some(_) => beginning.timeout_seconds,
            None => self.program.timeout_seconds.or(beginning.timeout_seconds),
        };
        let deadline = timeout.map(|seconds| (self.at.after_seconds(seconds as f64), timer));
        let first = beginning.first.unwrap_or(self.program.start).0;
        let start = Start {
            input: beginning.input,
            input_text: beginning.input_text,
            identity: beginning.identity,
            first,
            deadline,
            seed: beginning.seed,
            map_context: beginning.map_context,
            variables: beginning.variables,
        };
        self.emit_after(FrameId::ROOT, 0, EventKind::ExecutionStarted(Box::new(start)));
        if let Some((due, timer)) = deadline {
            self.owe(Command::WakeAt { timer, due });
        }
    }

    fn redrive(&mut self) -> Result<(), Stale> {
        if matches!(self.execution.status, Status::Succeeded { .. }) {
            return Err(Stale);
        }
        let count = self.execution.redrives + 1;
        let last = self.execution.shown;
        // The machine's time-out begins anew.
        let deadline = self.execution.start.as_ref().and_then(|start| {
            let (due, _) = start.deadline?;
            let whole = due.0 - self.execution.started_at.0;
            Some((self.at.after_millis(whole), self.new_timer()))
        });
        self.emit_after(FrameId::ROOT, last, EventKind::ExecutionRedriven { count, deadline });
        // Children of a map run that failed are started anew by the same commands as after a crash.
        let commands = self.execution.commands();
        self.turn
            .commands
            .extend(commands.into_iter().filter(|command| *command != Command::Continue));
        Ok(())
    }

    fn timer_due(&mut self, timer: TimerId) -> Result<(), Stale> {
        let frame = *self.execution.timers.get(&timer).ok_or(Stale)?;
        let deadline = self.execution.start.as_ref().and_then(|start| start.deadline);
        if deadline.is_some_and(|(_, deadline)| deadline == timer) {
            let failure = Failure { error: Some("States.Timeout".into()), cause: None };
            self.emit_after(FrameId::ROOT, 0, EventKind::ExecutionTimedOut { failure });
            return Ok(());
        }
        match &self.execution.frame(frame).phase {
            Phase::Waiting { timer: open, .. } if *open == timer => {
                self.emit(frame, EventKind::TimerFired { timer });
                self.wait_over(frame);
                Ok(())
            }
            Phase::Retrying { timer: open, .. } if *open == timer => {
                self.emit(frame, EventKind::TimerFired { timer });
                Ok(())
            }
            Phase::Task(open) if open.timer == Some(timer) => {
                let task = open.task;
                let heartbeat = match (open.deadline, open.heartbeat_deadline) {
                    (Some(deadline), Some(heartbeat)) => heartbeat < deadline,
                    (None, Some(_)) => true,
                    _ => false,
                };
                self.task_timed_out(frame, task, heartbeat);
                Ok(())
            }
            _ => Err(Stale),
        }
    }

    /// Goes on with whatever can go on, depth first, until all wait or the turn is long enough.
    fn run(&mut self) {
        self.check_memory();
        while let Some(frame) = self.execution.ready.last().copied() {
            if self.inspection.is_some_and(Inspection::is_done) {
                return;
            }
            if self.turn.events.len() >= EVENTS_PER_TURN
                || self.turn.bytes >= BYTES_PER_TURN
                || self.fuel.spent() >= STEPS_PER_TURN
            {
                self.owe(Command::Continue);
                return;
            }
            self.advance(frame);
        }
    }

    fn advance(&mut self, frame: FrameId) {
        if let Some(most) = self.program.limits.history_events
            && self.execution.shown + 1 >= most
        {
            let cause =
                format!("The execution reached the maximum number of history events ({most}).");
            let failure = Failure::new("States.Runtime", cause);
            self.emit(FrameId::ROOT, EventKind::ExecutionFailed { failure });
            return;
        }
        if self.check_memory() {
            return;
        }
        match &self.execution.frame(frame).phase {
            Phase::Between { to, output } => {
                let (to, input) = (*to, output.clone());
                self.enter(frame, to, input);
            }
            Phase::Again => self.perform(frame),
            Phase::Map(_) => self.map_advance(frame),
            Phase::MapRun(_) => self.map_run_advance(frame),
            Phase::Parallel(_) => self.parallel_done(frame),
            phase => unreachable!("a frame that is ready can go on: {phase:?}"),
        }
    }

    /// Fails an execution whose data has outgrown its memory. Whether it has.
    fn check_memory(&mut self) -> bool {
        let most = self.program.limits.held_bytes;
        if self.execution.is_over() || self.execution.is_within(most) {
            return false;
        }
        let cause = format!("The data of the execution takes more than {most} bytes of memory.");
        let failure = Failure::new("States.DataLimitExceeded", cause);
        self.emit(FrameId::ROOT, EventKind::ExecutionFailed { failure });
        true
    }

    fn enter(&mut self, frame: FrameId, to: StateId, input: Json) {
        let state = self.state(to);
        let kind = state_type(&state.kind);
        let name = state.name.clone();
        if let Some(inspection) = self.inspection {
            inspection.enters(&name);
        }
        self.emit(frame, EventKind::StateEntered { state: to.0, kind, name, input });
        self.perform(frame);
    }

    /// Does what the state of a frame does.
    fn perform(&mut self, frame: FrameId) {
        let state = self.state(self.execution.frame(frame).entry.state);
        let mocked = self.inspection.and_then(|test| Some((test, test.mock.clone()?)));
        let done = match &state.kind {
            Kind::Parallel(parallel) if let Some((_, mock)) = mocked => {
                self.tested_parallel(frame, state, parallel, mock)
            }
            Kind::Map(map) if let Some((test, mock)) = mocked => {
                self.tested_map(frame, state, map, test, mock)
            }
            Kind::Pass(pass) => self.pass(frame, state, pass),
            Kind::Task(task) => self.task(frame, state, task),
            Kind::Choice(choice) => self.choice(frame, state, choice),
            Kind::Wait(wait) => self.wait(frame, state, wait),
            Kind::Succeed => self.succeed(frame, state),
            Kind::Fail(fail) => self.fail_state(frame, fail),
            Kind::Parallel(parallel) => self.parallel(frame, state, parallel),
            Kind::Map(map) => self.map(frame, state, map),
        };
        if let Err(error) = done {
            self.evaluation_failed(frame, error);
        }
    }

    pub(crate) fn state(&self, id: StateId) -> &'a State {
        self.program.state(id)
    }

    pub(crate) fn state_of(&self, frame: FrameId) -> &'a State {
        self.program.state(self.execution.frame(frame).entry.state)
    }

    /// Leaves a state, and its scope with it where the state is the last one.
    pub(crate) fn exit(
        &mut self,
        frame: FrameId,
        output: Json,
        assigned: Option<Object>,
        to: Transition,
    ) -> Result<(), EvaluationError> {
        EvaluationError::check(&output, self.program.limits.payload_bytes)?;
        let entry = &self.execution.frame(frame).entry;
        let (kind, name) = (entry.kind, entry.name.clone());
        let to = match to {
            Transition::Next(state) => To::Next(state.0),
            Transition::End => To::End,
        };
        let kind = EventKind::StateExited { kind, name, output, assigned, to };
        let previous = self.exit_after.take().unwrap_or(self.execution.frame(frame).last);
        if let (Some(inspection), EventKind::StateExited { name, .. }) = (self.inspection, &kind) {
            inspection.leaves(name);
        }
        self.emit_after(frame, previous, kind);
        if to == To::End {
            self.scope_ended(frame);
        }
        Ok(())
    }

    fn scope_ended(&mut self, frame: FrameId) {
        let Some(Phase::Finished { output }) = self.execution.find(frame).map(|frame| &frame.phase)
        else {
            return;
        };
        let output = output.clone();
        match self.execution.frame(frame).parent {
            None => self.emit(frame, EventKind::ExecutionSucceeded { output }),
            Some((parent, index)) => {
                let parent_frame = self.execution.frame(parent);
                if matches!(parent_frame.phase, Phase::Map(_)) {
                    let name = parent_frame.entry.name.clone();
                    let previous = self.execution.frame(frame).last;
                    let kind = EventKind::MapIterationSucceeded { index, name, output };
                    self.emit_after(parent, previous, kind);
                }
            }
        }
    }

    pub(crate) fn emit(&mut self, frame: FrameId, kind: EventKind) {
        let previous = self.execution.frame(frame).last;
        self.emit_after(frame, previous, kind);
    }

    pub(crate) fn emit_after(&mut self, frame: FrameId, previous: u64, kind: EventKind) {
        let shown = kind.is_shown();
        let event = Event {
            at: self.at,
            frame,
            id: if shown { self.execution.shown + 1 } else { 0 },
            previous,
            kind,
        };
        let (text, memory) = recorded(&event.kind);
        self.turn.bytes += Measure { bytes: text, memory, ..Measure::default() }.weight();
        self.execution.known.grown += memory;
        // What comes next is computed anew.
        self.fuel.refill(self.program.limits.state_steps);
        self.execution.apply(&event).expect("the interpreter records what can follow");
        self.turn.events.push(event);
    }

    pub(crate) fn owe(&mut self, command: Command) {
        self.turn.commands.push(command);
    }

    pub(crate) fn new_timer(&self) -> TimerId {
        TimerId(self.execution.next_timer)
    }

    /// An expression of the state could not be evaluated.
    pub(crate) fn evaluation_failed(&mut self, frame: FrameId, error: EvaluationError) {
        let last = self.execution.frame(frame).last;
        self.evaluation_failed_after(frame, error, last);
    }

    /// As [`Self::evaluation_failed`], following the event `last`.
    pub(crate) fn evaluation_failed_after(
        &mut self,
        frame: FrameId,
        error: EvaluationError,
        last: u64,
    ) {
        self.exit_after = None;
        let entry = &self.execution.frame(frame).entry;
        let precedes_entry = last == entry.event
            && entry.kind != StateType::Wait
            && self.program.vintage.evaluation_failure_precedes_entry();
        let previous = if precedes_entry { entry.before } else { last };
        let failure = self.record_evaluation_failure(frame, error, previous);
        let recorded = self.execution.frame(frame).last;
        self.state_failed_after(frame, failure, recorded.max(last));
    }

    /// The failure that comes of an error in an expression. One in JSONata is an event of its own.
    pub(crate) fn record_evaluation_failure(
        &mut self,
        frame: FrameId,
        error: EvaluationError,
        previous: u64,
    ) -> Failure {
        let entry = &self.execution.frame(frame).entry;
        let failure = self.clipped(Failure::new(error.error, self.cause(entry, &error)));
        let is_jsonata = self.state_of(frame).language == Language::Jsonata;
        if is_jsonata && error.error == "States.QueryEvaluationError" {
            let kind = EventKind::EvaluationFailed {
                failure: failure.clone(),
                state: entry.name.clone(),
                location: error.location.map(Into::into),
            };
            self.emit_after(frame, previous, kind);
        }
        failure
    }

    /// What AWS says of an error in an expression. A test of one state gets it as it is.
    pub(crate) fn cause(&self, entry: &Entry, error: &EvaluationError) -> String {
        if self.inspection.is_some() || error.error == "States.DataLimitExceeded" {
            return error.clone().of_state(&entry.name).cause;
        }
        format!(
            "An error occurred while executing the state '{}' (entered at the event id #{}). {}",
            entry.name, entry.event, error.cause
        )
    }
}

fn state_type(kind: &Kind) -> StateType {
    match kind {
        Kind::Task(_) => StateType::Task,
        Kind::Pass(_) => StateType::Pass,
        Kind::Choice(_) => StateType::Choice,
        Kind::Wait(_) => StateType::Wait,
        Kind::Succeed => StateType::Succeed,
        Kind::Fail(_) => StateType::Fail,
        Kind::Parallel(_) => StateType::Parallel,
        Kind::Map(_) => StateType::Map,
    }
}
