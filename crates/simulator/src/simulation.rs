use crate::objects::MemoryObjects;
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use stepwright_history::{Event, Failure, Identity, Moment, Stage, TaskCall, TaskId};
use stepwright_interpreter::{
    Beginning, ChildInput, Command, Execution, Status, Stimulus, items, recorded_input, step,
};
use stepwright_json::{Json, Object, Str};
use stepwright_program::{Program, StateId};

/// When simulations begin unless told otherwise: 2024-01-01T00:00:00Z.
pub const DEFAULT_START: Moment = Moment(1_704_067_200_000);

/// How many turns a simulation may take. An execution that has not ended by then never will.
pub const MOST_TURNS: u64 = 5_000_000;

/// A call of a task, as whoever answers it sees it.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    /// What is called, with what.
    pub call: &'a TaskCall,
    /// The Map states around it, from the outside in, with the index of the item; those of a
    /// distributed Map, too.
    pub map_path: &'a [(Str, u32)],
    /// How often the state was entered before, under this map path.
    pub entry: u32,
    /// How often it was tried before within this entry.
    pub attempt: u32,
    /// Whether it comes from a child execution of a distributed Map.
    pub in_child: bool,
    /// The ARN of the execution it comes from.
    pub execution: &'a str,
    /// Which task of that execution it is.
    pub task: TaskId,
    /// When it is made.
    pub at: Moment,
}

/// What a task answers.
#[derive(Clone, Debug)]
pub struct Answer {
    /// How long it takes, in milliseconds.
    pub after_millis: i64,
    /// The worker that takes an activity, if it says its name.
    pub worker: Option<Str>,
    /// What a `.sync` or `.waitForTaskToken` call answers at once.
    pub submitted: Option<Json>,
    /// How often it gives a sign of life, in milliseconds.
    pub heartbeat_millis: Option<i64>,
    /// How it ends.
    pub outcome: Outcome,
}

/// How a task ends.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Well.
    Returns(Json),
    /// Badly.
    Fails(Failure, Stage),
    /// Not at all.
    Never,
    /// With the end of the whole execution: the task had it stopped.
    Stops(Failure),
}

impl Answer {
    /// An answer at once.
    pub fn returns(output: Json) -> Self {
        Self::new(Outcome::Returns(output))
    }

    /// A failure at once.
    pub fn fails(error: impl Into<Str>, cause: impl Into<Str>) -> Self {
        Self::new(Outcome::Fails(Failure::new(error, cause), Stage::Run))
    }

    /// An end at once.
    pub fn new(outcome: Outcome) -> Self {
        Self { after_millis: 0, worker: None, submitted: None, heartbeat_millis: None, outcome }
    }

    /// What the answer means for a task: after how many milliseconds it hears what.
    pub fn stimuli(self, task: TaskId) -> Vec<(i64, Stimulus)> {
        let mut stimuli = Vec::new();
        if let Some(worker) = self.worker {
            stimuli.push((0, Stimulus::TaskStarted { task, worker: Some(worker) }));
        }
        if let Some(output) = self.submitted {
            stimuli.push((0, Stimulus::TaskSubmitted { task, output }));
        }
        if let Some(every) = self.heartbeat_millis.filter(|every| *every > 0) {
            // A task that never ends stops beating after a while, so that a simulation can end.
            let last = match self.outcome {
                Outcome::Never => every.saturating_mul(100),
                _ => self.after_millis.min(every.saturating_mul(10_000)),
            };
            let beats = (1..).map(|beat| every.saturating_mul(beat)).take_while(|at| *at < last);
            stimuli.extend(beats.map(|at| (at, Stimulus::TaskHeartbeat { task })));
        }
        match self.outcome {
            Outcome::Returns(output) => {
                stimuli.push((self.after_millis, Stimulus::TaskSucceeded { task, output }));
            }
            Outcome::Fails(failure, stage) => {
                stimuli.push((self.after_millis, Stimulus::TaskFailed { task, failure, stage }));
            }
            Outcome::Never => {}
            Outcome::Stops(failure) => {
                stimuli.push((self.after_millis, Stimulus::Stop { failure }));
            }
        }
        stimuli
    }

    /// The same, but after some milliseconds.
    #[must_use]
    pub fn after(mut self, millis: i64) -> Self {
        self.after_millis = millis;
        self
    }
}

/// Counts how often states are entered, under each path of Map iterations.
#[derive(Clone, Debug, Default)]
pub struct Entries(FxHashMap<(String, Str), u32>);

impl Entries {
    /// How often the state that makes this call was entered before, under this map path.
    pub fn of(&mut self, map_path: &[(Str, u32)], call: &TaskCall) -> u32 {
        let count = self.0.entry((format!("{map_path:?}"), call.state.clone())).or_insert(0);
        if call.retry_count == 0 {
            *count += 1;
        }
        count.saturating_sub(1)
    }
}

/// Whoever answers the tasks of a simulation.
pub trait Tasks {
    /// The answer to a call.
    fn answer(&mut self, call: &Call<'_>) -> Answer;

    /// Told of each turn's events at the top level, as they happen.
    fn watch(&mut self, _events: &[Event]) {}

    /// Told of the whole history of each child execution of a distributed Map when it has ended,
    /// and of the Map states around it with the index of the item.
    fn watch_child(&mut self, _around: &[(Str, u32)], _events: &[Event]) {}
}

impl<F: FnMut(&Call<'_>) -> Answer> Tasks for F {
    fn answer(&mut self, call: &Call<'_>) -> Answer {
        self(call)
    }
}

/// A run to be: the program, its input, who it is, and when it begins.
#[derive(Clone, Debug)]
pub struct Simulation<'p> {
    program: &'p Program,
    input: Json,
    identity: Identity,
    start: Moment,
    seed: [u64; 2],
    objects: MemoryObjects,
    stop: Option<(Moment, Failure)>,
    most_turns: u64,
    end: Option<Moment>,
    in_child: bool,
    /// The Map states around a child execution.
    around: Vec<(Str, u32)>,
    first: Option<StateId>,
    map_context: Option<Json>,
    timeout_seconds: Option<u64>,
}

/// What came of a simulation.
#[derive(Clone, Debug)]
pub struct Run {
    /// How it ended. Still running when it was cut off, or when nothing would ever wake it.
    pub status: Status,
    /// What happened.
    pub events: Vec<Event>,
    /// When it began.
    pub start: Moment,
    /// When it ended.
    pub end: Moment,
    /// What the object store holds afterwards.
    pub objects: MemoryObjects,
    /// How many child executions there were.
    pub children: u64,
}

impl Run {
    /// How long it took, in milliseconds of virtual time.
    pub fn elapsed_millis(&self) -> i64 {
        self.end.0 - self.start.0
    }

    /// The history as AWS shows it.
    pub fn history(&self) -> Vec<Json> {
        stepwright_history::aws::project(&self.events)
    }
}

impl<'p> Simulation<'p> {
    /// A run of `program` with the input `{}`.
    pub fn new(program: &'p Program) -> Self {
        Self {
            program,
            input: Json::Object(Object::new()),
            identity: default_identity(),
            start: DEFAULT_START,
            seed: [0x5157_4550, 0x5752_4947],
            objects: MemoryObjects::default(),
            stop: None,
            most_turns: MOST_TURNS,
            end: None,
            in_child: false,
            around: Vec::new(),
            first: None,
            map_context: None,
            timeout_seconds: None,
        }
    }

    /// With this input.
    #[must_use]
    pub fn input(mut self, input: Json) -> Self {
        self.input = input;
        self
    }

    /// As this execution.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }

    /// Beginning at this moment.
    #[must_use]
    pub fn start(mut self, start: Moment) -> Self {
        self.start = start;
        self
    }

    /// With random numbers and task tokens made from this seed.
    #[must_use]
    pub fn seed(mut self, seed: [u64; 2]) -> Self {
        self.seed = seed;
        self
    }

    /// With this object store.
    #[must_use]
    pub fn objects(mut self, objects: MemoryObjects) -> Self {
        self.objects = objects;
        self
    }

    /// Stopped at this moment, if it has not ended before.
    #[must_use]
    pub fn stop_at(mut self, at: Moment, failure: Failure) -> Self {
        self.stop = Some((at, failure));
        self
    }

    /// Cut off after so many turns: for programs that are not known to end.
    #[must_use]
    pub fn most_turns(mut self, turns: u64) -> Self {
        self.most_turns = turns;
        self
    }

    /// Not looked at after this moment.
    #[must_use]
    pub fn end(mut self, end: Moment) -> Self {
        self.end = Some(end);
        self
    }

    /// Runs to the end.
    pub fn run(self, tasks: &mut dyn Tasks) -> Run {
        Loop::new(self).run(tasks)
    }
}

pub(crate) fn default_identity() -> Identity {
    Identity {
        execution_arn: "arn:aws:states:us-east-1:123456789012:execution:machine:simulation".into(),
        name: "simulation".into(),
        role_arn: "arn:aws:iam::123456789012:role/stepwright".into(),
        state_machine_arn: "arn:aws:states:us-east-1:123456789012:stateMachine:machine".into(),
        state_machine_name: "machine".into(),
        region: "us-east-1".into(),
    }
}

/// A simulation on its way.
struct Loop<'p> {
    plan: Simulation<'p>,
    execution: Execution,
    events: Vec<Event>,
    now: Moment,
    /// What will happen: when, in which order, what.
    agenda: BinaryHeap<Reverse<(Moment, u64)>>,
    stimuli: FxHashMap<u64, Stimulus>,
    order: u64,
    entries: Entries,
    children: u64,
    turns: u64,
}

impl<'p> Loop<'p> {
    fn new(plan: Simulation<'p>) -> Self {
        let now = plan.start;
        Self {
            plan,
            execution: Execution::default(),
            events: Vec::new(),
            now,
            agenda: BinaryHeap::new(),
            stimuli: FxHashMap::default(),
            order: 0,
            entries: Entries::default(),
            children: 0,
            turns: 0,
        }
    }

    fn run(mut self, tasks: &mut dyn Tasks) -> Run {
        let beginning = Beginning {
            input_text: None,
            input: self.plan.input.clone(),
            identity: self.plan.identity.clone(),
            first: self.plan.first,
            variables: Object::new(),
            seed: self.plan.seed,
            map_context: self.plan.map_context.clone(),
            timeout_seconds: self.plan.timeout_seconds,
        };
        self.at(self.now, Stimulus::Start(Box::new(beginning)));
        if let Some((at, failure)) = self.plan.stop.take() {
            self.at(at, Stimulus::Stop { failure });
        }
        while let Some(Reverse((at, order))) = self.agenda.pop() {
            let stimulus = self.stimuli.remove(&order).expect("what is on the agenda is kept");
            if self.execution.is_over()
                || self.turns >= self.plan.most_turns
                || self.plan.end.is_some_and(|end| at > end)
            {
                break;
            }
            self.now = self.now.max(at);
            self.turns += 1;
            // A stale stimulus is normal: a timer whose task has ended, a heartbeat after the end.
            let Ok(turn) = step(self.plan.program, &mut self.execution, stimulus, self.now) else {
                continue;
            };
            if !self.plan.in_child {
                tasks.watch(&turn.events);
            }
            self.events.extend(turn.events);
            for command in turn.commands {
                self.obey(command, tasks);
            }
        }
        Run {
            status: self.execution.status().clone(),
            events: self.events,
            start: self.plan.start,
            end: self.now,
            objects: self.plan.objects,
            children: self.children,
        }
    }

    fn at(&mut self, at: Moment, stimulus: Stimulus) {
        self.agenda.push(Reverse((at, self.order)));
        self.stimuli.insert(self.order, stimulus);
        self.order += 1;
    }

    fn obey(&mut self, command: Command, tasks: &mut dyn Tasks) {
        match command {
            Command::Continue => self.at(self.now, Stimulus::Continue),
            Command::WakeAt { timer, due } => self.at(due, Stimulus::TimerDue { timer }),
            Command::RunTask { task, call, .. } => self.call(task, &call, tasks),
            Command::ReadItems { run, request, from, most } => {
                let limits = &self.plan.program.limits;
                let page = items::Reader::open(&request, from.as_ref())
                    .and_then(|mut reader| reader.page(&self.plan.objects, limits, most));
                self.at(self.now, Stimulus::ItemsRead { run, from, page });
            }
            Command::WriteResults { run, request, records } => {
                let result = items::write(
                    &request,
                    &records,
                    &mut self.events.as_slice(),
                    &mut self.plan.objects,
                );
                self.at(self.now, Stimulus::ResultsWritten { run, result });
            }
            Command::StartChild { run, index, map_run, input, first } => {
                let input = match input {
                    ChildInput::Given(input) => input,
                    ChildInput::Recorded { after, at } => {
                        let event = self.events.get(after as usize);
                        let input = event.and_then(|event| recorded_input(event, at));
                        input.cloned().expect("the page that the child is on is in the history")
                    }
                };
                let (at, result) = self.child(run, index, &map_run, input, first, tasks);
                self.at(at, Stimulus::ChildFinished { run, index, result });
            }
        }
    }

    fn call(&mut self, task: TaskId, call: &TaskCall, tasks: &mut dyn Tasks) {
        if !self.execution.waits_for(task) {
            return;
        }
        let mut map_path = self.plan.around.clone();
        map_path.extend(self.execution.map_path(task));
        let entry = self.entries.of(&map_path, call);
        let answer = tasks.answer(&Call {
            call,
            map_path: &map_path,
            entry,
            attempt: call.retry_count,
            in_child: self.plan.in_child,
            execution: &self.plan.identity.execution_arn,
            task,
            at: self.now,
        });
        for (after, stimulus) in answer.stimuli(task) {
            self.at(self.now.after_millis(after), stimulus);
        }
    }

    /// Runs a child execution, from now on, and says when and how it ends.
    fn child(
        &mut self,
        run: TaskId,
        index: u32,
        map_run: &str,
        input: Json,
        first: StateId,
        tasks: &mut dyn Tasks,
    ) -> (Moment, Result<Json, Failure>) {
        self.children += 1;
        let start = self.execution.start().expect("whoever has children has begun");
        let beginning = Beginning::child(start, run, index, map_run, input, first);
        let mut around = self.plan.around.clone();
        around.extend(self.execution.map_path(run));
        let map = self.execution.frame_of(run).and_then(|frame| self.execution.name_in(frame));
        around.extend(map.map(|name| (name.clone(), index)));
        let child = Simulation {
            program: self.plan.program,
            map_context: beginning.map_context,
            input: beginning.input,
            identity: beginning.identity,
            start: self.now,
            seed: beginning.seed,
            objects: std::mem::take(&mut self.plan.objects),
            stop: None,
            most_turns: self.plan.most_turns.saturating_sub(self.turns),
            end: self.plan.end,
            in_child: true,
            around: around.clone(),
            first: beginning.first,
            timeout_seconds: None,
        };
        let run = child.run(tasks);
        tasks.watch_child(&around, &run.events);
        self.plan.objects = run.objects;
        self.children += run.children;
        let result = match run.status {
            Status::Succeeded { output } => Ok(output),
            Status::Failed { failure }
            | Status::TimedOut { failure }
            | Status::Aborted { failure } => Err(failure),
            Status::NotStarted | Status::Running => {
                Err(Failure::new("States.Runtime", "The child execution never ends."))
            }
        };
        (run.end, result)
    }
}
