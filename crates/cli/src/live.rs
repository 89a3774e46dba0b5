//! Running a state machine before somebody's eyes, in real or virtual time.

use crate::config::Config;
use crate::local_project::{LocalProject, Reply, Work, function_reply};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::IsTerminal as _;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stepwright_history::{Event, Failure, Identity, Moment, Stage, TaskCall};
use stepwright_interpreter::{Beginning, Command, Execution, Stimulus, items, step};
use stepwright_json::{Json, Object, Str};
use stepwright_program::{MAX_HISTORY_EVENTS, MAX_PAYLOAD_BYTES, Program};
use stepwright_simulator::{
    Answer, Call, Entries, Line, MemoryObjects, MockCase, Mocks, Outcome as Ending,
    Reply as MockReply, Simulation, Status, Tasks, Timeline, duration,
};

/// What is run.
#[derive(Debug)]
pub(crate) struct Plan<'p> {
    pub(crate) program: &'p Program,
    pub(crate) input: Json,
    pub(crate) identity: Identity,
    pub(crate) seed: [u64; 2],
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: Status,
    pub(crate) events: Vec<Event>,
    pub(crate) start: Moment,
    pub(crate) end: Moment,
    pub(crate) unused: Vec<String>,
    /// The states it stands in, if it never ended.
    pub(crate) stuck: Vec<String>,
}

impl Outcome {
    pub(crate) fn to_json(&self) -> Json {
        let mut object = Object::new();
        object.insert("status", self.status.name().into());
        match &self.status {
            Status::Succeeded { output } => {
                object.insert("output", output.clone());
            }
            Status::Failed { failure }
            | Status::TimedOut { failure }
            | Status::Aborted { failure } => {
                for (key, text) in [("error", &failure.error), ("cause", &failure.cause)] {
                    if let Some(text) = text {
                        object.insert(key, text.clone().into());
                    }
                }
            }
            Status::NotStarted | Status::Running => {}
        }
        object.insert("elapsedMillis", Json::Int(self.end.0 - self.start.0));
        object.insert("events", stepwright_history::aws::project(&self.events).into());
        object.into()
    }

    /// Where AWS would have failed.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        let shown = self.events.iter().map(|event| event.id).max().unwrap_or(0);
        if shown > MAX_HISTORY_EVENTS {
            remarks.push(format!(
                "AWS would have failed this execution: its history has {shown} events, more than \
                 {MAX_HISTORY_EVENTS}"
            ));
        }
        let large = self.events.iter().find_map(|event| match &event.kind {
            stepwright_history::EventKind::StateExited { name, output, .. } => {
                let size = output.to_string().len();
                (size > MAX_PAYLOAD_BYTES).then(|| (name.clone(), size))
            }
            _ => None,
        });
        if let Some((name, size)) = large {
            remarks.push(format!(
                "AWS would have failed this execution: the output of `{name}` has {size} bytes, \
                 more than {MAX_PAYLOAD_BYTES}"
            ));
        }
        remarks
    }
}

/// Whoever answers tasks: a test case of a `MockConfigFile.json` first, then mocks, then functions, then
/// the tasks of a project.
#[derive(Debug)]
pub(crate) struct Answerer {
    pub(crate) mock_case: Option<MockCase>,
    pub(crate) mocks: Mocks,
    pub(crate) config: Config,
    pub(crate) project: Option<LocalProject>,
}

impl Answerer {
    fn shut_down(&self) {
        self.config.shut_down();
        if let Some(project) = &self.project {
            project.shut_down();
        }
    }
}

/// What becomes of a call.
enum Destiny {
    /// It is answered so.
    Answered(Answer),
    /// Something is called; a function takes so many milliseconds in virtual time.
    Called(Work, i64),
}

impl Answerer {
    fn meet(&mut self, call: &Call<'_>) -> Destiny {
        if let Some(answer) = self.mock_case.as_mut().and_then(|case| case.answer(call)) {
            return Destiny::Answered(answer);
        }
        let (mut name, mut after) = (None, None);
        if self.mocks.has(&call.call.state) {
            match self.mocks.reply(call) {
                None => return Destiny::Answered(self.mocks.missing(call)),
                Some(MockReply::Answer(answer)) => return Destiny::Answered(answer),
                Some(MockReply::Function { name: other, after_millis }) => {
                    (name, after) = (other, Some(after_millis));
                }
            }
        }
        match self.config.resolve(name.as_deref(), call.call) {
            Some(invocation) => {
                after = after.filter(|after| *after > 0).or(invocation.after_millis());
                Destiny::Called(Work::Function(invocation), after.unwrap_or(0))
            }
            None => {
                let project = self.project.as_ref().filter(|_| name.is_none());
                if let Some(work) = project.and_then(|project| project.resolve(call.call)) {
                    return Destiny::Called(work, 0);
                }
                let failure = nobody(call.call, name.as_deref());
                Destiny::Answered(Answer::new(Ending::Fails(failure, Stage::Run)))
            }
        }
    }

    /// The mocks that no task asked for.
    fn unused(&self) -> Vec<String> {
        let of_case = self.mock_case.iter().flat_map(MockCase::unused);
        of_case.chain(self.mocks.unused()).map(str::to_owned).collect()
    }
}

fn nobody(call: &TaskCall, function: Option<&str>) -> Failure {
    if let Some(function) = function {
        let cause = format!(
            "The mock of the state '{}' passes the call on to the function '{function}', which \
             stepwright.toml does not have.",
            call.state
        );
        return Failure::new("States.Runtime", cause);
    }
    Failure::new(
        "States.Runtime",
        format!(
            "Nothing answers the state '{}', which calls {}. Give it a mock (--mocks) or a \
             function in stepwright.toml.",
            call.state, call.resource
        ),
    )
}

/// A number nobody can guess: the standard library seeds its hash maps with some.
pub(crate) fn chance() -> [u64; 2] {
    use std::hash::{BuildHasher as _, RandomState};
    [RandomState::new().hash_one(1u8), RandomState::new().hash_one(2u8)]
}

/// The timeline on the screen, and below it what is going on now.
#[derive(Debug)]
pub(crate) struct Screen {
    timeline: Timeline,
    shown: bool,
    bar: ProgressBar,
    width: usize,
}

impl Screen {
    pub(crate) fn for_people() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = if terminal {
            let bar = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner:.cyan} {wide_msg:.dim}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            bar.set_style(style);
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        } else {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden())
        };
        let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        Self { timeline: Timeline::default(), shown: true, bar, width: columns.unwrap_or(120) }
    }

    pub(crate) fn silent() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Self { timeline: Timeline::default(), shown: false, bar, width: 120 }
    }

    fn events(&mut self, events: &[Event]) {
        for event in events {
            let Some(line) = self.timeline.line(event).filter(|_| self.shown) else { continue };
            let text = paint(&line, self.width);
            if self.bar.is_hidden() {
                anstream::eprintln!("{text}");
            } else {
                self.bar.suspend(|| anstream::eprintln!("{text}"));
            }
        }
    }

    fn now(&self, states: &[&str]) {
        if !self.bar.is_hidden() {
            self.bar.set_message(states.join(", "));
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A line of the timeline, cut to the width of the screen.
fn paint(line: &Line, width: usize) -> String {
    use anstyle::{AnsiColor, Style};
    let color = |color: AnsiColor| Style::new().fg_color(Some(color.into()));
    let style = match line.verb {
        "succeed" | "returns" => color(AnsiColor::Green),
        "fail" | "fails" | "failed" | "times out" | "time out" | "evaluate" => {
            color(AnsiColor::Red)
        }
        "retry" | "wait" | "wake" | "abort" | "stop" => color(AnsiColor::Yellow),
        "task" | "submitted" | "child" | "map run" => color(AnsiColor::Cyan),
        _ => Style::new(),
    };
    let dim = Style::new().dimmed();
    let at = duration(line.at_millis);
    let indent = "  ".repeat(line.depth);
    let left =
        width.saturating_sub(12 + indent.len() + 12 + line.subject.chars().count() + 2).max(20);
    let detail = if line.detail.chars().count() > left {
        line.detail.chars().take(left - 1).chain(['…']).collect()
    } else {
        line.detail.clone()
    };
    let gap = if line.subject.is_empty() { "" } else { "  " };
    format!(
        "{dim}{at:>10}{dim:#}  {indent}{style}{:<10}{style:#}{}{gap}{dim}{detail}{dim:#}",
        line.verb, line.subject
    )
}

/// Runs with waits that take no time.
pub(crate) fn run_virtual(plan: Plan<'_>, mut answerer: Answerer, screen: &mut Screen) -> Outcome {
    struct Watched<'s> {
        answerer: &'s mut Answerer,
        screen: &'s mut Screen,
    }
    fn ending(reply: Reply) -> Ending {
        match reply {
            Reply::Output(output) => Ending::Returns(output),
            Reply::Failed(failure) => Ending::Fails(failure, Stage::Run),
            Reply::Stopped(failure) => Ending::Stops(failure),
        }
    }
    impl Tasks for Watched<'_> {
        fn answer(&mut self, call: &Call<'_>) -> Answer {
            let (work, after) = match self.answerer.meet(call) {
                Destiny::Answered(answer) => return answer,
                Destiny::Called(work, after) => (work, after),
            };
            let reply = match work {
                Work::Function(invocation) => function_reply(invocation.call(false)),
                Work::Container(container) => container.run(),
                Work::Message(message) => message.handled_here(),
                Work::Nested(nested) => {
                    let screen = &mut Screen::silent();
                    let mut inner = Watched { answerer: &mut *self.answerer, screen };
                    let run = Simulation::new(&nested.program)
                        .input(nested.input.clone())
                        .identity(nested.identity.clone())
                        .seed(chance())
                        .start(now())
                        .run(&mut inner);
                    let reply = nested.reply(&run.status, run.start, run.end);
                    return Answer::new(ending(reply)).after(run.elapsed_millis());
                }
            };
            Answer::new(ending(reply)).after(after)
        }
        fn watch(&mut self, events: &[Event]) {
            self.screen.events(events);
        }
    }
    let objects = answerer.mocks.objects.clone();
    let mut watched = Watched { answerer: &mut answerer, screen };
    let run = Simulation::new(plan.program)
        .input(plan.input)
        .identity(plan.identity)
        .seed(plan.seed)
        .start(now())
        .objects(objects)
        .run(&mut watched);
    answerer.shut_down();
    let unused = answerer.unused();
    let stuck = stuck_in(&run.events);
    Outcome {
        status: run.status,
        events: run.events,
        start: run.start,
        end: run.end,
        unused,
        stuck,
    }
}

/// The states that a history ends in.
fn stuck_in(events: &[Event]) -> Vec<String> {
    match Execution::replay(events) {
        Ok(execution) => execution.current_states().into_iter().map(str::to_owned).collect(),
        Err(_) => Vec::new(),
    }
}

fn now() -> Moment {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment(since.as_millis() as i64)
}

/// What the loops of one run share: those of child executions run in threads of their own.
#[derive(Debug)]
struct Shared {
    answerer: Mutex<Answerer>,
    objects: Mutex<MemoryObjects>,
    /// How many functions are being called.
    calls: Mutex<usize>,
    free: Condvar,
}

/// How many functions are called at once.
const MOST_CALLS: usize = 64;

/// The stack of a thread that runs a child execution or waits for a function.
const STACK_BYTES: usize = 1 << 20;

impl Shared {
    /// Calls what a task state calls, and waits for the end.
    fn call(self: &Arc<Self>, work: &Work) -> Reply {
        match work {
            // A nested execution calls functions itself: it takes up no room.
            Work::Nested(nested) => {
                let beginning = Beginning {
                    input: nested.input.clone(),
                    input_text: None,
                    identity: nested.identity.clone(),
                    first: None,
                    seed: chance(),
                    map_context: None,
                    timeout_seconds: None,
                };
                let outcome = drive(&nested.program, beginning, &[], self, None);
                nested.reply(&outcome.status, outcome.start, outcome.end)
            }
            // The queue holds messages back by itself.
            Work::Message(message) => message.handled_here(),
            Work::Function(invocation) => self.when_free(|| function_reply(invocation.call(true))),
            Work::Container(container) => self.when_free(|| container.run()),
        }
    }

    /// Makes a call when there is room for one more.
    fn when_free(&self, call: impl FnOnce() -> Reply) -> Reply {
        let unpoisoned = std::sync::PoisonError::into_inner;
        let mut calls = self.calls.lock().unwrap_or_else(unpoisoned);
        while *calls >= MOST_CALLS {
            calls = self.free.wait(calls).unwrap_or_else(unpoisoned);
        }
        *calls += 1;
        drop(calls);
        let answer = call();
        *self.calls.lock().unwrap_or_else(unpoisoned) -= 1;
        self.free.notify_one();
        answer
    }
}

/// Runs something beside the loop. Without a thread to be had, in it.
fn beside(work: impl FnOnce() + Send + 'static) {
    let work = Arc::new(Mutex::new(Some(work)));
    let theirs = work.clone();
    let take = |work: &Mutex<Option<_>>| {
        work.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    };
    let spawned = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        if let Some(work) = theirs.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
        {
            work();
        }
    });
    if spawned.is_err()
        && let Some(work) = take(&work)
    {
        work();
    }
}

/// Runs in real time.
pub(crate) fn run_real(plan: Plan<'_>, answerer: Answerer, screen: &mut Screen) -> Outcome {
    let objects = Mutex::new(answerer.mocks.objects.clone());
    let shared = Arc::new(Shared {
        answerer: Mutex::new(answerer),
        objects,
        calls: Mutex::new(0),
        free: Condvar::new(),
    });
    let beginning = Beginning {
        input: plan.input,
        input_text: None,
        identity: plan.identity,
        first: None,
        seed: plan.seed,
        map_context: None,
        timeout_seconds: None,
    };
    let program = Arc::new(plan.program.clone());
    let mut outcome = drive(&program, beginning, &[], &shared, Some(screen));
    let answerer = shared.answerer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    answerer.shut_down();
    outcome.unused = answerer.unused();
    outcome
}

/// A stimulus that is due at a moment; the earliest comes first.
type Agenda = BinaryHeap<Reverse<(Moment, u64)>>;

fn drive(
    program: &Arc<Program>,
    beginning: Beginning,
    around: &[(Str, u32)],
    shared: &Arc<Shared>,
    mut screen: Option<&mut Screen>,
) -> Outcome {
    let arn = beginning.identity.execution_arn.clone();
    let mut entries = Entries::default();
    let (sender, receiver) = mpsc::channel::<Stimulus>();
    let mut execution = Execution::default();
    let mut events = Vec::new();
    let mut agenda = Agenda::new();
    let mut due: Vec<Option<Stimulus>> = Vec::new();
    let start = now();
    let mut next = Some(Stimulus::Start(Box::new(beginning)));
    // Functions and child executions that have not answered yet.
    let mut awaited = 0usize;
    while !execution.is_over() {
        let stimulus = match next.take() {
            Some(stimulus) => stimulus,
            None => {
                let ready = agenda.peek().is_some_and(|Reverse((at, _))| *at <= now());
                if ready && let Some(Reverse((_, index))) = agenda.pop() {
                    match due[index as usize].take() {
                        Some(stimulus) => stimulus,
                        None => continue,
                    }
                } else {
                    if agenda.is_empty() && awaited == 0 {
                        // Nothing will ever wake it.
                        break;
                    }
                    let wait =
                        agenda.peek().map_or(3_600_000, |Reverse((at, _))| (at.0 - now().0).max(1));
                    match receiver.recv_timeout(Duration::from_millis(wait as u64)) {
                        Ok(stimulus) => {
                            awaited -= 1;
                            stimulus
                        }
                        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => continue,
                    }
                }
            }
        };
        let Ok(turn) = step(program, &mut execution, stimulus, now()) else { continue };
        if let Some(screen) = screen.as_deref_mut() {
            screen.events(&turn.events);
            screen.now(&execution.current_states());
        }
        events.extend(turn.events);
        let mut plan = |at: Moment, stimulus: Stimulus| {
            agenda.push(Reverse((at, due.len() as u64)));
            due.push(Some(stimulus));
        };
        for command in turn.commands {
            match command {
                Command::Continue => plan(now(), Stimulus::Continue),
                Command::WakeAt { timer, due } => plan(due, Stimulus::TimerDue { timer }),
                Command::RunTask { task, call, .. } => {
                    if !execution.waits_for(task) {
                        continue;
                    }
                    let mut map_path = around.to_vec();
                    map_path.extend(execution.map_path(task));
                    let at = now();
                    let mut answerer =
                        shared.answerer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    let met = answerer.meet(&Call {
                        call: &call,
                        map_path: &map_path,
                        entry: entries.of(&map_path, &call),
                        attempt: call.retry_count,
                        in_child: screen.is_none(),
                        execution: &arn,
                    });
                    let work = match met {
                        Destiny::Called(work, _) => work,
                        Destiny::Answered(answer) => {
                            for (after, stimulus) in answer.stimuli(task) {
                                plan(at.after_millis(after), stimulus);
                            }
                            continue;
                        }
                    };
                    drop(answerer);
                    let (sender, shared) = (sender.clone(), shared.clone());
                    awaited += 1;
                    beside(move || {
                        let stimulus = match shared.call(&work) {
                            Reply::Output(output) => Stimulus::TaskSucceeded { task, output },
                            Reply::Failed(failure) => {
                                Stimulus::TaskFailed { task, failure, stage: Stage::Run }
                            }
                            Reply::Stopped(failure) => Stimulus::Stop { failure },
                        };
                        // The run may be over by now.
                        sender.send(stimulus).ok();
                    });
                }
                Command::ReadItems { run, request } => {
                    let objects =
                        shared.objects.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    let items = items::read(&request, &*objects);
                    plan(now(), Stimulus::ItemsRead { run, items });
                }
                Command::WriteResults { run, request } => {
                    let mut objects =
                        shared.objects.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    let result = items::write(&request, &mut *objects);
                    plan(now(), Stimulus::ResultsWritten { run, result });
                }
                Command::StartChild { run, index, map_run, input, first } => {
                    let begun = execution.start().expect("whoever has children has begun");
                    let mut around = around.to_vec();
                    around.extend(execution.map_path(run));
                    let map = execution.frame_of(run).and_then(|frame| execution.name_in(frame));
                    around.extend(map.map(|name| (name.clone(), index)));
                    let child = Child {
                        program: program.clone(),
                        shared: shared.clone(),
                        around,
                        beginning: Beginning::child(begun, run, index, &map_run, input, first),
                    };
                    awaited += 1;
                    child.spawn(sender.clone(), move |result| Stimulus::ChildFinished {
                        run,
                        index,
                        result,
                    });
                }
            }
        }
    }
    let stuck = execution.current_states().into_iter().map(str::to_owned).collect();
    Outcome {
        status: execution.status().clone(),
        events,
        start,
        end: now(),
        unused: Vec::new(),
        stuck,
    }
}

/// A child execution of a distributed Map, to be run in a thread of its own.
struct Child {
    program: Arc<Program>,
    shared: Arc<Shared>,
    /// The Map states around it, with the index of the item.
    around: Vec<(Str, u32)>,
    beginning: Beginning,
}

impl Child {
    fn spawn(
        self,
        sender: Sender<Stimulus>,
        finished: impl FnOnce(Result<Json, Failure>) -> Stimulus + Send + 'static,
    ) {
        beside(move || {
            let outcome = drive(&self.program, self.beginning, &self.around, &self.shared, None);
            let result = match outcome.status {
                Status::Succeeded { output } => Ok(output),
                Status::Failed { failure }
                | Status::TimedOut { failure }
                | Status::Aborted { failure } => Err(failure),
                Status::NotStarted | Status::Running => Err(Failure::default()),
            };
            sender.send(finished(result)).ok();
        });
    }
}
