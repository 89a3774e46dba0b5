//! Events as lines, one by one as they come.

use crate::frame::{Doing, Frame, Items, Standing};
use crate::line::{ItemPath, Line, Weight};
use crate::progress::Progress;
use crate::why::Culprit;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::sync::Arc;
use stepwright_history::{
    Event, EventKind, Failure, FrameId, Moment, StateType, TaskCall, TaskId, To, duration,
};
use stepwright_interpreter::{Execution, Failed, catcher_of};
use stepwright_json::{Json, Str};
use stepwright_program::{Catcher, Kind, Program, State, StateId, Transition};

/// The items of a Map with more of them than this are not shown one by one.
const CROWD: u64 = 20;

/// So many failures within such Maps are shown.
const MOST_FAILURES: u64 = 5;

/// Events as lines for a person, one by one as they come. It also knows where the execution stands.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    program: Option<Arc<Program>>,
    /// The execution so far, while the events can be folded.
    execution: Option<Box<Execution>>,
    start: Moment,
    now: Moment,
    frames: BTreeMap<FrameId, Frame>,
    /// Scopes that were begun and have not shown a state yet, by the event that began them.
    begun: FxHashMap<u64, Begun>,
    /// The states of the tasks that are open.
    calls: FxHashMap<u64, Str>,
    /// Tasks that start executions, and have not been seen to do so yet: the machine, and where.
    nesting: Vec<(TaskId, String, FrameId)>,
    /// How many failures within Maps of many items were shown.
    failures: u64,
    culprit: Option<Culprit>,
    last_failed: Option<Culprit>,
    is_over: bool,
}

/// A scope that was begun.
#[derive(Clone, Debug, Default)]
struct Begun {
    depth: usize,
    item: ItemPath,
    is_crowded: bool,
    parent: FrameId,
}

impl Timeline {
    /// A timeline of an execution of this program. With it, lines say which rule of a Choice applied
    /// and which catcher caught an error.
    pub fn of(program: Arc<Program>) -> Self {
        let execution = Some(Box::default());
        Self { program: Some(program), execution, ..Self::default() }
    }

    /// As [`Self::of`], for events that were read from a history of AWS's, which say too little for the
    /// execution to be folded back from them.
    pub fn of_recorded(program: Arc<Program>) -> Self {
        Self { program: Some(program), ..Self::default() }
    }

    /// The lines of a whole history.
    pub fn lines(events: &[Event]) -> Vec<Line> {
        let mut timeline = Self::default();
        events.iter().filter_map(|event| timeline.line(event)).collect()
    }

    /// The line of the next event, if it is worth one.
    pub fn line(&mut self, event: &Event) -> Option<Line> {
        if let EventKind::ExecutionStarted(_) = &event.kind {
            self.start = event.at;
        }
        self.now = event.at;
        let line = self.tell(event);
        let line = line.map(|line| self.placed(event, line));
        self.note(event);
        if self.execution.as_mut().is_some_and(|execution| execution.apply(event).is_err()) {
            // It is no history of ours; what does not need the execution is told all the same.
            self.execution = None;
        }
        line
    }

    /// Where the execution began.
    pub fn start(&self) -> Moment {
        self.start
    }

    /// The moment of the last event.
    pub fn now(&self) -> Moment {
        self.now
    }

    /// Where the failure came from that ended the execution.
    pub fn culprit(&self) -> Option<&Culprit> {
        self.culprit.as_ref()
    }

    /// Whether the execution has ended.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// How far the outermost Map has come that has many items.
    pub fn progress(&self, now: Moment) -> Option<Progress> {
        let maps = self.frames.values().filter_map(|frame| match &frame.doing {
            Doing::Items(items) => Some((frame, items)),
            _ => None,
        });
        let (frame, items) = maps.min_by_key(|(frame, _)| frame.depth)?;
        Some(Progress::of(&frame.state, items, now))
    }

    /// The states that the execution is in.
    pub fn current(&self) -> Vec<&str> {
        self.innermost().map(|frame| frame.state.as_str()).collect()
    }

    /// What each current state waits for, in words.
    pub fn waits(&self, now: Moment) -> Vec<String> {
        let ago = |since: Moment| duration((now.0 - since.0).max(0));
        let ahead = |until: &Moment| duration((until.0 - now.0).max(0));
        let told = |frame: &Frame| {
            let item = frame.item.to_string();
            let gap = if item.is_empty() { "" } else { " " };
            let what = match &frame.doing {
                Doing::Nothing => "is under way".to_owned(),
                Doing::Task { what, since, for_token, deadline, .. } => {
                    let what = if *for_token {
                        format!("waits for somebody to return its task token (it called {what})")
                    } else {
                        format!("waits for {what}")
                    };
                    let left = deadline.map(|at| format!(", times out in {}", ahead(&at)));
                    format!("{what}, for {} now{}", ago(*since), left.unwrap_or_default())
                }
                Doing::Wait { until: Some(until) } => {
                    format!("waits {} more", ahead(until))
                }
                Doing::Wait { until: None } => "waits".to_owned(),
                Doing::Retry { until: Some(until), error } => {
                    format!("is tried again in {}, after {error}", ahead(until))
                }
                Doing::Retry { until: None, error } => {
                    format!("is to be tried again after {error}")
                }
                Doing::Branches(count) => format!("runs {count} branches"),
                Doing::Items(items) => Progress::of(&frame.state, items, now).to_string(),
            };
            format!("{}{gap}{item}: {what}", frame.state)
        };
        self.innermost().map(told).collect()
    }

    /// The states that the execution is in, and what each of them waits for.
    pub fn standing(&self) -> impl Iterator<Item = Standing<'_>> {
        self.innermost().map(|frame| Standing {
            state: &frame.state,
            item: &frame.item,
            doing: &frame.doing,
        })
    }

    /// The execution so far, if its events can be folded.
    pub fn execution(&self) -> Option<&Execution> {
        self.execution.as_deref()
    }

    /// The depth of an execution of this machine that a task of this execution has started, and
    /// whether it is one of very many. Each task is asked for once.
    pub fn adopt(&mut self, machine: &str) -> Option<(usize, bool)> {
        let is_meant = |named: &str| {
            named == machine || named.rsplit(':').next() == machine.rsplit(':').next()
        };
        let at = self.nesting.iter().position(|(_, named, _)| is_meant(named))?;
        let (_, _, frame) = self.nesting.remove(at);
        let frame = self.frames.get(&frame)?;
        Some((frame.depth + 1, frame.is_crowded))
    }

    /// The frames that no other frame is within, and Maps of many items instead of those items.
    fn innermost(&self) -> impl Iterator<Item = &Frame> {
        self.frames.values().filter(|frame| match &frame.doing {
            _ if frame.is_crowded => false,
            Doing::Branches(_) => false,
            Doing::Items(items) => items.all.is_none_or(|all| all > CROWD) || items.running() == 0,
            _ => !self.is_over,
        })
    }

    fn frame(&self, id: FrameId) -> Option<&Frame> {
        self.frames.get(&id)
    }

    fn name(&self, id: FrameId) -> String {
        self.frame(id).map(|frame| frame.state.to_string()).unwrap_or_default()
    }

    /// What the event says, without its place.
    fn tell(&self, event: &Event) -> Option<Line> {
        use EventKind as E;
        let name = || self.name(event.frame);
        let line = |verb, subject: String| Line { verb, subject, ..Line::default() };
        let minor = |verb, subject: String| Line { weight: Weight::Minor, ..line(verb, subject) };
        let with = |line: Line, data: &Json| Line { data: Some(data.clone()), ..line };
        let failed =
            |line: Line, failure: &Failure| Line { failure: Some(failure.clone()), ..line };
        Some(match &event.kind {
            E::ExecutionStarted(start) => with(line("start", String::new()), &start.input),
            E::ExecutionSucceeded { output } => with(line("succeed", String::new()), output),
            E::ExecutionFailed { failure } => failed(line("fail", String::new()), failure),
            E::ExecutionTimedOut { failure } => failed(line("time out", String::new()), failure),
            E::ExecutionAborted { failure } => failed(line("stop", String::new()), failure),
            E::ExecutionRedriven { count, .. } => {
                Line { detail: format!("#{count}"), ..line("redrive", String::new()) }
            }
            E::StateEntered { name, input, kind, .. } => {
                let weight = match kind {
                    StateType::Fail | StateType::Succeed => Weight::Main,
                    _ => Weight::Minor,
                };
                let entered = with(line("enter", name.to_string()), input);
                Line { weight, kind: Some(*kind), ..entered }
            }
            E::StateExited { kind, name, output, assigned, to } => {
                let why = self.why_left(event, *kind, *to);
                let is_choice = matches!(kind, StateType::Choice) && matches!(to, To::Next(_));
                let weight = match kind {
                    _ if !why.is_empty() => Weight::Main,
                    StateType::Pass | StateType::Map | StateType::Parallel => Weight::Main,
                    _ => Weight::Minor,
                };
                Line {
                    kind: Some(*kind),
                    data: (!is_choice).then(|| output.clone()),
                    assigned: assigned.clone().filter(|_| !is_choice),
                    why,
                    weight,
                    ..line("exit", name.to_string())
                }
            }
            E::StateAborted { .. } => {
                // AWS records it also of the state that has failed itself.
                let has_failed = self.frame(event.frame).is_some_and(|it| it.failure.is_some());
                let weight = if has_failed { Weight::Minor } else { Weight::Main };
                Line { weight, ..line("abort", name()) }
            }
            E::EvaluationFailed { failure, state, .. } => {
                failed(line("evaluate", state.to_string()), failure)
            }
            E::TaskScheduled { call, .. } => {
                let task =
                    Line { detail: short(call).to_owned(), ..line("task", call.state.to_string()) };
                with(task, &call.parameters)
            }
            E::TaskStarted { .. } => return None,
            E::TaskSubmitted { task, output } => with(line("submitted", self.state(*task)), output),
            E::TaskHeartbeat { task, .. } => minor("heartbeat", self.state(*task)),
            E::TaskSucceeded { task, output } => with(line("returns", self.state(*task)), output),
            E::TaskFailed { task, failure, .. } => {
                failed(line("fails", self.state(*task)), failure)
            }
            E::TaskTimedOut { task, .. } => line("times out", self.state(*task)),
            E::RetryScheduled { due, retrier, .. } => Line {
                detail: format!("in {}", duration((due.0 - event.at.0).max(0))),
                why: self.attempts(event.frame, *retrier),
                ..line("retry", name())
            },
            E::TimerFired { .. } => minor("wake", name()),
            E::WaitStarted { due, .. } => {
                let detail = duration((due.0 - event.at.0).max(0));
                Line { detail, ..line("wait", name()) }
            }
            E::ParallelStarted { branches, .. } => {
                Line { detail: branches.len().to_string(), ..line("branches", name()) }
            }
            E::MapStarted { length, plan } => {
                let detail = if plan.reader.is_some() {
                    "items are read".to_owned()
                } else {
                    format!("{length} items")
                };
                Line { detail, ..line("map", name()) }
            }
            E::MapIterationStarted { index, name, .. } => minor("item", format!("{name} #{index}")),
            E::MapIterationSucceeded { .. } | E::ParallelSucceeded | E::MapSucceeded => {
                return None;
            }
            E::ParallelFailed | E::MapFailed => minor("failed", name()),
            E::MapIterationFailed { index, name } => minor("failed", format!("{name} #{index}")),
            E::MapIterationAborted { index, name } => minor("abort", format!("{name} #{index}")),
            E::MapRunStarted { arn, .. } => {
                Line { detail: arn.to_string(), ..minor("map run", name()) }
            }
            E::MapRunItems { inputs } => {
                Line { detail: inputs.len().to_string(), ..line("children", name()) }
            }
            E::MapRunPage(page) => {
                let more = if page.next.is_some() { " and more" } else { "" };
                let detail = format!("{}{more}", page.inputs.len());
                Line { detail, ..line("children", name()) }
            }
            E::ChildStarted { index } => minor("child", format!("{} #{index}", name())),
            E::ChildFinished { index, result } => {
                let subject = format!("{} #{index}", name());
                match result {
                    Ok(output) => with(minor("returns", subject), output),
                    Err(failure) => failed(line("fails", subject), failure),
                }
            }
            E::WholeAsked { .. } => minor("mocked", name()),
            E::WholeAnswered { result, .. } => match result {
                Ok(output) => with(line("returns", name()), output),
                Err(failure) => failed(line("fails", name()), failure),
            },
            E::MapRunWriting { .. } => line("write", name()),
            E::MapRunUpdated { .. } => {
                Line { detail: "map run".to_owned(), ..line("updated", name()) }
            }
            E::MapRunRedriven { count, .. } => {
                Line { detail: format!("map run {count}"), ..line("redriven", name()) }
            }
            E::MapRunSucceeded => return None,
            E::MapRunFailed { failure } => failed(line("failed", name()), failure),
        })
    }

    /// The line at its place.
    fn placed(&mut self, event: &Event, mut line: Line) -> Line {
        line.at_millis = event.at.0 - self.start.0;
        let place = self
            .frames
            .get(&event.frame)
            .map(|frame| (frame.depth, frame.item.clone(), frame.is_crowded, frame.shown_at));
        let begun = || {
            // A frame begins with the event that began its scope.
            let begun = self.begun.get(&event.previous).cloned().unwrap_or_default();
            (begun.depth, begun.item, begun.is_crowded, event.at)
        };
        let (depth, item, is_crowded, shown_at) = place.unwrap_or_else(begun);
        line.depth = depth;
        line.since_millis = (event.at.0 - shown_at.0).max(0);
        // The lines of an item name it themselves.
        if !line.subject.contains('#') {
            line.item = item;
        }
        let in_crowd = is_crowded || matches!(event.kind, EventKind::ChildFinished { .. });
        if in_crowd && line.weight == Weight::Main {
            let shows_failure = line.failure.is_some() || line.verb == "times out";
            self.failures += u64::from(shows_failure);
            if !shows_failure || self.failures > MOST_FAILURES {
                line.weight = Weight::Minor;
            }
        }
        if line.weight == Weight::Main
            && let Some(frame) = self.frames.get_mut(&event.frame)
        {
            frame.shown_at = event.at;
        }
        line
    }

    /// Takes in what the event changes.
    fn note(&mut self, event: &Event) {
        use EventKind as E;
        let id = event.frame;
        if !self.frames.contains_key(&id) {
            // A Parallel begins several scopes with one event.
            let begun = self.begun.get(&event.previous).cloned().unwrap_or_default();
            let Begun { depth, item, is_crowded, parent } = begun;
            if !item.0.is_empty() {
                self.begun.remove(&event.previous);
            }
            self.frames.insert(
                id,
                Frame {
                    parent,
                    depth,
                    item,
                    is_crowded,
                    state: Str::default(),
                    kind: StateType::Pass,
                    input: Json::Null,
                    last: 0,
                    doing: Doing::Nothing,
                    retries: 0,
                    failure: None,
                    shown_at: event.at,
                },
            );
        }
        let Some(frame) = self.frames.get_mut(&id) else { return };
        if event.id > 0 {
            frame.last = event.id;
        }
        let crowd = |length: u64| length > CROWD;
        match &event.kind {
            E::StateEntered { name, kind, input, .. } => {
                (frame.state, frame.kind, frame.input) = (name.clone(), *kind, input.clone());
                (frame.retries, frame.failure) = (0, None);
                frame.doing = if *kind == StateType::Wait {
                    Doing::Wait { until: None }
                } else {
                    Doing::Nothing
                };
            }
            E::StateExited { to, .. } => {
                (frame.doing, frame.failure) = (Doing::Nothing, None);
                if *to == To::End && id != FrameId::ROOT {
                    if self.execution.is_none() {
                        // A page of a recorded history may end here, and the scope go on after it.
                        let (depth, item) = (frame.depth, frame.item.clone());
                        let (is_crowded, parent) = (frame.is_crowded, frame.parent);
                        let begun = Begun { depth, item, is_crowded, parent };
                        self.begun.insert(event.id, begun);
                    }
                    self.leave(id);
                }
            }
            E::StateAborted { .. } if id != FrameId::ROOT => self.leave(id),
            E::TaskScheduled { task, call, deadline, .. } => {
                let what = short(call).to_owned();
                let for_token = call.waits_for_token();
                let (task, since) = (*task, event.at);
                frame.doing = Doing::Task { task, what, since, for_token, deadline: *deadline };
                frame.failure = None;
                self.calls.insert(task.0, call.state.clone());
                if call.resource.contains(":states:startExecution") {
                    let machine = call.parameters.get("StateMachineArn").and_then(Json::as_str);
                    let machine = machine.unwrap_or_default().to_owned();
                    self.nesting.push((task, machine, id));
                }
            }
            E::WholeAsked { task, .. } => {
                let (task, since) = (*task, event.at);
                let what = "the mock of all that is within it".to_owned();
                frame.doing = Doing::Task { task, what, since, for_token: false, deadline: None };
            }
            E::TaskSubmitted { output, .. } => {
                let started = output.get("ExecutionArn").and_then(Json::as_str);
                if let (Doing::Task { what, .. }, Some(arn)) = (&mut frame.doing, started) {
                    *what = format!("{what}, {arn}");
                }
            }
            E::TaskSucceeded { task, .. } => {
                frame.doing = Doing::Nothing;
                self.ended(*task);
            }
            E::TaskFailed { task, failure, .. } | E::TaskTimedOut { task, failure, .. } => {
                frame.doing = Doing::Retry { until: None, error: failure.name().to_owned() };
                self.failed(id, failure, None);
                self.ended(*task);
            }
            E::EvaluationFailed { failure, location, .. } => {
                self.failed(id, failure, location.as_ref());
            }
            E::MapRunFailed { failure } | E::WholeAnswered { result: Err(failure), .. } => {
                self.failed(id, failure, None);
            }
            E::RetryScheduled { due, .. } => {
                let error = match &frame.failure {
                    Some((failure, _)) => failure.name().to_owned(),
                    None => "a failure".to_owned(),
                };
                frame.retries += 1;
                // The line says how long it is until the next one.
                frame.shown_at = *due;
                frame.doing = Doing::Retry { until: Some(*due), error };
            }
            E::WaitStarted { due, .. } => {
                frame.doing = Doing::Wait { until: Some(*due) };
                frame.shown_at = (*due).max(event.at);
            }
            E::TimerFired { .. } => frame.doing = Doing::Nothing,
            E::ParallelStarted { branches, .. } => {
                frame.doing = Doing::Branches(branches.len());
                let (depth, item) = (frame.depth + 1, frame.item.clone());
                let begun = Begun { depth, item, is_crowded: frame.is_crowded, parent: id };
                self.begun.insert(event.id, begun);
            }
            E::MapStarted { length, plan } => {
                let all = plan.reader.is_none().then_some(u64::from(*length));
                frame.doing = Doing::Items(Items { all, since: event.at, ..Items::default() });
            }
            E::MapRunItems { inputs } => {
                if let Doing::Items(items) = &mut frame.doing {
                    items.all = Some(inputs.len() as u64);
                }
            }
            E::MapRunPage(page) => {
                if let Doing::Items(items) = &mut frame.doing {
                    items.read += page.inputs.len() as u64;
                    items.all = page.next.is_none().then_some(items.read);
                }
            }
            E::MapIterationStarted { index, .. } => {
                let mut item = frame.item.clone();
                item.0.push(*index);
                if let Doing::Items(items) = &mut frame.doing {
                    items.begun += 1;
                    let is_crowded = frame.is_crowded || items.all.is_some_and(crowd);
                    let begun = Begun { depth: frame.depth + 1, item, is_crowded, parent: id };
                    self.begun.insert(event.id, begun);
                }
            }
            E::ChildStarted { .. } => items(frame, |items| items.begun += 1),
            E::MapIterationSucceeded { .. } | E::ChildFinished { result: Ok(_), .. } => {
                items(frame, |items| items.done += 1);
            }
            E::MapIterationFailed { .. }
            | E::MapIterationAborted { .. }
            | E::ChildFinished { result: Err(_), .. } => items(frame, |items| items.failed += 1),
            E::ParallelSucceeded | E::MapSucceeded => frame.doing = Doing::Nothing,
            E::ParallelFailed | E::MapFailed => {
                frame.doing = Doing::Nothing;
                let within = self.last_failed.as_ref().map(|culprit| culprit.failure.clone());
                frame.failure = within.map(|failure| (failure, None));
            }
            E::ExecutionFailed { failure }
            | E::ExecutionTimedOut { failure }
            | E::ExecutionAborted { failure } => {
                self.is_over = true;
                self.culprit = Some(self.blamed(event, failure));
            }
            E::ExecutionSucceeded { .. } => self.is_over = true,
            E::ExecutionRedriven { .. } => {
                (self.is_over, self.culprit) = (false, None);
                // Every attempt is there again.
                for frame in self.frames.values_mut() {
                    frame.retries = 0;
                }
            }
            _ => {}
        }
    }

    /// A scope ends; what follows around it follows its last line.
    fn leave(&mut self, id: FrameId) {
        let Some(frame) = self.frames.remove(&id) else { return };
        if let Some(parent) = self.frames.get_mut(&frame.parent) {
            parent.shown_at = parent.shown_at.max(frame.shown_at);
        }
    }

    fn ended(&mut self, task: TaskId) {
        self.nesting.retain(|(nesting, ..)| *nesting != task);
        self.calls.remove(&task.0);
    }

    fn failed(&mut self, id: FrameId, failure: &Failure, location: Option<&Str>) {
        let Some(frame) = self.frames.get_mut(&id) else { return };
        frame.failure = Some((failure.clone(), location.cloned()));
        self.last_failed = Some(Culprit {
            state: frame.state.clone(),
            item: frame.item.clone(),
            input: frame.input.clone(),
            attempts: frame.retries + 1,
            location: location.cloned(),
            failure: failure.clone(),
        });
    }

    /// The state that the failure of an execution comes from.
    fn blamed(&self, event: &Event, failure: &Failure) -> Culprit {
        let last = self.last_failed.clone().filter(|culprit| culprit.failure == *failure);
        let by_place = || {
            let mut frames = self.frames.values();
            let frame = frames.rfind(|frame| frame.last == event.previous);
            let frame = frame.or_else(|| self.frame(event.frame))?;
            let is_known = !frame.state.is_empty() && event.kind.ends_execution();
            is_known.then(|| Culprit {
                state: frame.state.clone(),
                item: frame.item.clone(),
                input: frame.input.clone(),
                attempts: frame.retries + 1,
                location: None,
                failure: failure.clone(),
            })
        };
        let nowhere = || Culprit { failure: failure.clone(), ..Culprit::default() };
        match &event.kind {
            EventKind::ExecutionFailed { .. } => last.or_else(by_place).unwrap_or_else(nowhere),
            _ => nowhere(),
        }
    }

    fn state(&self, task: TaskId) -> String {
        self.calls.get(&task.0).map(Str::to_string).unwrap_or_default()
    }

    /// The state of the program that a frame is in.
    fn state_of(&self, id: FrameId) -> Option<(StateId, &State)> {
        let program = self.program.as_deref()?;
        let state = program.state_named(&self.frame(id)?.state)?;
        Some((state, program.state(state)))
    }

    /// Which attempt a retry is: `2 of 3`.
    fn attempts(&self, id: FrameId, retrier: u32) -> String {
        let Some(frame) = self.frame(id) else { return String::new() };
        let this = frame.retries + 2;
        let retriers = self.state_of(id).map(|(_, state)| match &state.kind {
            Kind::Task(task) => task.retry.as_slice(),
            Kind::Parallel(parallel) => parallel.retry.as_slice(),
            Kind::Map(map) => map.retry.as_slice(),
            _ => &[],
        });
        let most = retriers.and_then(|retriers| retriers.get(retrier as usize));
        match most {
            Some(retrier) if retrier.max_attempts < 1_000 => {
                format!("(attempt {this} of {})", (retrier.max_attempts + 1).max(this))
            }
            _ => format!("(attempt {this})"),
        }
    }

    /// Why a state is left the way it is: the rule of a Choice, the catcher of an error.
    fn why_left(&self, event: &Event, kind: StateType, to: To) -> String {
        let To::Next(target) = to else { return String::new() };
        let Some(program) = self.program.as_deref() else { return String::new() };
        let target = StateId(target);
        if program.states.len() <= target.0 as usize {
            return String::new();
        }
        let name = &program.state(target).name;
        let Some((_, state)) = self.state_of(event.frame) else { return String::new() };
        match &state.kind {
            Kind::Choice(choice) if kind == StateType::Choice => {
                let ways = choice.rules.iter().map(|rule| Some(rule.next)).chain([choice.default]);
                let mut same = ways.enumerate().filter(|(_, way)| *way == Some(target));
                let rule = match (same.next(), same.next()) {
                    (Some((only, _)), None) => Some(only),
                    _ => self.execution.as_ref().map(|execution| {
                        let choice = (&state.io, choice);
                        let rule = execution.rule_that_applies(
                            event.frame,
                            choice,
                            event.at,
                            &program.limits,
                        );
                        rule.unwrap_or(usize::MAX)
                    }),
                };
                match rule.map(|rule| choice.rules.get(rule)) {
                    Some(Some(rule)) => format!("→ {name}, because {}", rule.condition),
                    Some(None) => format!("→ {name}, by default"),
                    None => format!("→ {name}"),
                }
            }
            Kind::Task(task) => self.caught(event.frame, task.next, &task.catch, target, name),
            Kind::Parallel(parallel) => {
                self.caught(event.frame, parallel.next, &parallel.catch, target, name)
            }
            Kind::Map(map) => self.caught(event.frame, map.next, &map.catch, target, name),
            _ => String::new(),
        }
    }

    fn caught(
        &self,
        id: FrameId,
        next: Transition,
        catchers: &[Catcher],
        target: StateId,
        name: &str,
    ) -> String {
        let Some((failure, _)) = self.frame(id).and_then(|frame| frame.failure.as_ref()) else {
            // A state that fails by itself, without an event of it, leaves where no `Next` leads.
            let leads_elsewhere = next != Transition::Next(target);
            return match catchers.iter().find(|catcher| catcher.next == target) {
                Some(catcher) if leads_elsewhere => {
                    format!("caught by {} → {name}", catcher.errors.join(", "))
                }
                _ => String::new(),
            };
        };
        let by = catcher_of(catchers, failure, Failed::Task).map(|at| &catchers[at]);
        let by = by.filter(|catcher| catcher.next == target);
        let by = by.or_else(|| catchers.iter().find(|catcher| catcher.next == target));
        match by {
            Some(catcher) => {
                let matching = catcher.errors.iter().find(|name| **name == failure.name());
                let by = matching.map_or_else(|| catcher.errors.join(", "), ToString::to_string);
                format!("caught by {by} → {name}")
            }
            None => format!("caught → {name}"),
        }
    }
}

fn items(frame: &mut Frame, change: impl FnOnce(&mut Items)) {
    if let Doing::Items(items) = &mut frame.doing {
        change(items);
    }
}

/// The function or service action that is called, without the rest of its ARN.
fn short(call: &TaskCall) -> &str {
    stepwright_aws::arn::short(call.resource.as_str())
}
