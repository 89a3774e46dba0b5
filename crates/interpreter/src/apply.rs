//! The transition table: how each event changes an execution.

use crate::children::Children;
use crate::execution::{
    Branches, CorruptHistory, Entry, Execution, Frame, Iterations, MapRun, OpenTask, Phase,
    RunStage, Status,
};
use std::collections::BTreeMap;
use stepwright_history::{
    Event, EventKind, FrameId, Keeps, MapPage, StateType, TaskCall, TaskId, TimerId, To,
};
use stepwright_json::{Array, Json, Object, Str};
use stepwright_program::StateId;

type Applied = Result<(), &'static str>;

impl Execution {
    /// Folds one event in. An event that cannot follow the ones before it is refused; the
    /// execution is then in no state to be used and must be replayed.
    pub fn apply(&mut self, event: &Event) -> Result<(), CorruptHistory> {
        self.fold(event)
            .map_err(|reason| CorruptHistory { reason, event: Box::new(event.clone()) })?;
        self.recorded += 1;
        if event.id > 0 {
            self.shown = event.id;
        }
        Ok(())
    }

    fn fold(&mut self, event: &Event) -> Applied {
        use EventKind as E;
        let id = event.frame;
        if event.id > 0 && event.id != self.shown + 1 {
            return Err("its id does not follow");
        }
        if !matches!(event.kind, E::ExecutionStarted(_)) && self.find(id).is_none() {
            return Err("its frame does not exist");
        }
        if self.is_over() && !matches!(event.kind, E::ExecutionRedriven { .. }) {
            return Err("the execution is over");
        }
        match &event.kind {
            E::ExecutionStarted(start) => {
                if self.status != Status::NotStarted {
                    return Err("the execution has started before");
                }
                self.status = Status::Running;
                self.started_at = event.at;
                if let Some((_, timer)) = start.deadline {
                    self.open_timer(timer, id);
                }
                let root = self.new_frame(None, 0, None, StateId(start.first), start.input.clone());
                debug_assert_eq!(root, FrameId::ROOT);
                self.frame_mut(root).variables = start.variables.clone();
                self.start = Some(start.clone());
            }
            E::ExecutionSucceeded { output } => {
                self.end(Status::Succeeded { output: output.clone() });
            }
            E::ExecutionFailed { failure } => self.end(Status::Failed { failure: failure.clone() }),
            E::ExecutionTimedOut { failure } => {
                self.end(Status::TimedOut { failure: failure.clone() });
            }
            E::ExecutionAborted { failure } => {
                self.end(Status::Aborted { failure: failure.clone() });
            }
            E::ExecutionRedriven { count, deadline } => {
                self.status = Status::Running;
                self.redrives = *count;
                self.redriven_at = Some(event.at);
                if let Some(start) = &mut self.start {
                    start.deadline = *deadline;
                }
                if let Some((_, timer)) = deadline {
                    self.open_timer(*timer, id);
                }
                self.frame_mut(id).last = event.id;
                self.mend(FrameId::ROOT);
            }
            E::StateEntered { state, kind, name, input } => {
                let frame = self.frame_mut(id);
                if !matches!(frame.phase, Phase::Between { .. }) {
                    return Err("the frame is in a state already");
                }
                frame.entry = Entry {
                    state: StateId(*state),
                    kind: *kind,
                    name: name.clone(),
                    input: input.clone(),
                    at: event.at,
                    event: event.id,
                    before: frame.last,
                    tries: Vec::new(),
                    retries: 0,
                };
                frame.last = event.id;
                frame.phase = Phase::Entered;
                self.touch(id);
            }
            E::StateExited { output, assigned, to, .. } => {
                self.exit(event, output, assigned.as_ref(), *to)?;
            }
            E::StateAborted { .. } => self.frame_mut(id).last = event.id,
            E::EvaluationFailed { .. } => self.frame_mut(id).last = event.id,
            E::TaskScheduled { task, call, deadline, heartbeat_deadline, timer } => {
                let frame = self.frame_mut(id);
                if !matches!(frame.phase, Phase::Entered | Phase::Again) {
                    return Err("the frame is not in a state that can begin a task");
                }
                frame.last = event.id;
                frame.phase = Phase::Task(Box::new(OpenTask {
                    task: *task,
                    call: call.clone(),
                    deadline: *deadline,
                    heartbeat_deadline: *heartbeat_deadline,
                    timer: *timer,
                    started: false,
                    submitted: false,
                }));
                if let Some(timer) = timer {
                    self.open_timer(*timer, id);
                }
                self.open_task(*task, id);
                self.touch(id);
            }
            E::TaskStarted { task, .. } => {
                self.open(id, *task)?.started = true;
                self.frame_mut(id).last = event.id;
            }
            E::TaskSubmitted { task, .. } => {
                self.open(id, *task)?.submitted = true;
                self.frame_mut(id).last = event.id;
            }
            E::TaskHeartbeat { task, deadline, timer } => {
                let open = self.open(id, *task)?;
                open.heartbeat_deadline = Some(*deadline);
                let before = open.timer.replace(*timer);
                if let Some(before) = before {
                    self.timers.remove(&before);
                }
                self.open_timer(*timer, id);
            }
            E::TaskSucceeded { task, .. }
            | E::TaskFailed { task, .. }
            | E::TaskTimedOut { task, .. } => {
                let timer = self.open(id, *task)?.timer;
                self.tasks.remove(task);
                if let Some(timer) = timer {
                    self.timers.remove(&timer);
                }
                let frame = self.frame_mut(id);
                frame.last = event.id;
                frame.phase = Phase::Entered;
            }
            E::RetryScheduled { retrier, due, timer } => {
                self.drop_children(id);
                let frame = self.frame_mut(id);
                frame.last = event.previous;
                let retrier = *retrier as usize;
                if frame.entry.tries.len() <= retrier {
                    frame.entry.tries.resize(retrier + 1, 0);
                }
                frame.entry.tries[retrier] += 1;
                frame.entry.retries += 1;
                frame.phase = Phase::Retrying { timer: *timer, due: *due };
                self.open_timer(*timer, id);
                self.touch(id);
            }
            E::WaitStarted { due, timer } => {
                self.frame_mut(id).phase = Phase::Waiting { timer: *timer, due: *due };
                self.open_timer(*timer, id);
                self.touch(id);
            }
            E::TimerFired { timer } => {
                let frame = self.frame_mut(id);
                frame.phase = match frame.phase {
                    Phase::Waiting { timer: open, .. } if open == *timer => Phase::Entered,
                    Phase::Retrying { timer: open, .. } if open == *timer => Phase::Again,
                    _ => return Err("the frame does not wait for this timer"),
                };
                self.timers.remove(timer);
                self.touch(id);
            }
            E::ParallelStarted { branches, input } => {
                self.frame_mut(id).last = event.id;
                let mut children = Vec::with_capacity(branches.len());
                for (index, first) in branches.iter().enumerate() {
                    let first = StateId(*first);
                    children.push(self.new_frame(
                        Some((id, index as u32)),
                        event.id,
                        None,
                        first,
                        input.clone(),
                    ));
                }
                // The branches go on in their order: the last one that is ready goes first.
                let count = children.len();
                let ready = self.ready.len();
                self.ready[ready - count..].reverse();
                self.frame_mut(id).phase = Phase::Parallel(Box::new(Branches {
                    results: vec![None; count],
                    remaining: count as u32,
                    children,
                }));
                self.untouch(id);
            }
            E::ParallelSucceeded => {
                self.drop_children(id);
                self.frame_mut(id).phase = Phase::Entered;
                self.untouch(id);
            }
            E::ParallelFailed | E::MapFailed => {
                for child in self.children_of(id) {
                    self.break_frame(child);
                }
                self.frame_mut(id).last = event.id;
                self.untouch(id);
            }
            E::MapStarted { plan, .. } => {
                let frame = self.frame_mut(id);
                frame.last = event.id;
                frame.phase = if plan.distributed {
                    Phase::MapRun(Box::new(MapRun {
                        plan: plan.clone(),
                        run: TaskId(u64::MAX),
                        arn: Str::default(),
                        stage: RunStage::New,
                        event: 0,
                        redrives: 0,
                        is_redriven: false,
                    }))
                } else {
                    Phase::Map(Box::new(Iterations {
                        next: 0,
                        running: BTreeMap::new(),
                        results: vec![None; plan.items.len()],
                        remaining: plan.items.len() as u32,
                        plan: plan.clone(),
                        started: event.id,
                        cursor: event.id,
                    }))
                };
                self.touch(id);
            }
            E::MapIterationStarted { index, input, .. } => {
                let Phase::Map(map) = &mut self.frame_mut(id).phase else {
                    return Err("the frame runs no iterations");
                };
                if *index != map.next {
                    return Err("an iteration was left out");
                }
                map.next += 1;
                let first = StateId(map.plan.first);
                let item = map.plan.items.get(*index as usize).cloned();
                // Its place among the running is taken before its number is known.
                map.running.insert(*index, FrameId(u32::MAX));
                self.touch(id);
                let child =
                    self.new_frame(Some((id, *index)), event.id, item, first, input.clone());
                if let Phase::Map(map) = &mut self.frame_mut(id).phase {
                    map.running.insert(*index, child);
                }
            }
            E::MapIterationSucceeded { index, output, .. } => {
                let child = self.iteration(id, *index)?;
                let cursor = self.frame(child).last;
                self.drop_frame(child);
                let frame = self.frame_mut(id);
                frame.last = event.id;
                if let Phase::Map(map) = &mut frame.phase {
                    map.running.remove(index);
                    map.results[*index as usize] = Some(output.clone());
                    map.remaining -= 1;
                    map.cursor = cursor;
                }
                self.touch(id);
            }
            E::MapIterationFailed { index, .. } => {
                let child = self.iteration(id, *index)?;
                self.break_frame(child);
                let last = self.frame(child).last;
                self.frame_mut(id).last = last;
            }
            E::MapIterationAborted { index, .. } => {
                let child = self.iteration(id, *index)?;
                self.break_frame(child);
            }
            E::WholeAsked { task, call } => self.ask_whole(id, *task, call)?,
            E::WholeAnswered { task, .. } => self.whole_answered(id, *task)?,
            E::MapSucceeded => {
                self.frame_mut(id).phase = Phase::Entered;
                self.untouch(id);
            }
            E::MapRunStarted { run, arn } => {
                let frame = self.frame_mut(id);
                frame.last = event.id;
                let Phase::MapRun(map) = &mut frame.phase else {
                    return Err("the frame has no map run");
                };
                map.run = *run;
                map.arn = arn.clone();
                map.event = event.id;
                map.stage = RunStage::Reading;
                self.open_task(*run, id);
                self.touch(id);
            }
            E::MapRunItems { inputs } => {
                let page = MapPage {
                    inputs: inputs.clone(),
                    items: inputs.len() as u32,
                    batch: Array::new(),
                    next: None,
                    keeps: Keeps::Everything,
                };
                self.add_page(id, &page)?;
            }
            E::MapRunPage(page) => self.add_page(id, page)?,
            E::ChildStarted { index } => {
                self.children(id)?.started(*index, event.at)?;
                self.touch(id);
            }
            E::ChildFinished { index, result } => {
                self.children(id)?.finished(*index, result, event.at)?;
                self.touch(id);
            }
            E::MapRunWriting { request } => {
                let map = self.map_run(id)?;
                let has_results = request.get("Results").is_some();
                let children = match std::mem::replace(&mut map.stage, RunStage::Done) {
                    RunStage::Running(children) if !has_results => Some(children),
                    _ => None,
                };
                map.stage = RunStage::Writing { request: request.clone(), children };
                self.untouch(id);
            }
            E::MapRunUpdated { max_concurrency, tolerated_count, tolerated_percentage } => {
                let plan = &mut self.map_run(id)?.plan;
                plan.max_concurrency = max_concurrency.unwrap_or(plan.max_concurrency);
                plan.tolerated_count = tolerated_count.or(plan.tolerated_count);
                plan.tolerated_percentage = tolerated_percentage.or(plan.tolerated_percentage);
                self.touch(id);
            }
            E::MapRunRedriven { count, .. } => {
                let map = self.map_run(id)?;
                map.redrives = *count;
                map.is_redriven = false;
                self.frame_mut(id).last = event.id;
                self.touch(id);
            }
            E::MapRunSucceeded => {
                let map = self.map_run(id)?;
                let run = map.run;
                map.stage = RunStage::Done;
                map.event = event.id;
                self.tasks.remove(&run);
                self.untouch(id);
            }
            E::MapRunFailed { .. } => {
                let run = self.map_run(id)?.run;
                self.tasks.remove(&run);
                self.frame_mut(id).last = event.id;
                self.untouch(id);
            }
        }
        Ok(())
    }

    /// Has a frame wait for what its state comes to as a whole.
    fn ask_whole(&mut self, id: FrameId, task: TaskId, call: &TaskCall) -> Applied {
        let call = Box::new(call.clone());
        match &mut self.frame_mut(id).phase {
            Phase::MapRun(map) if map.run == task => map.stage = RunStage::Asked(call),
            phase @ (Phase::Map(_) | Phase::Parallel(_)) => {
                *phase = Phase::Task(Box::new(OpenTask {
                    task,
                    call,
                    deadline: None,
                    heartbeat_deadline: None,
                    timer: None,
                    started: false,
                    submitted: false,
                }));
                self.open_task(task, id);
            }
            _ => return Err("the frame is not in a state that is answered as a whole"),
        }
        self.untouch(id);
        Ok(())
    }

    /// A frame has heard what its state comes to as a whole. The end of its map run follows.
    fn whole_answered(&mut self, id: FrameId, task: TaskId) -> Applied {
        match &self.frame(id).phase {
            Phase::MapRun(map) if map.run == task => {}
            Phase::Task(open) if open.task == task => {
                self.close(id);
                self.frame_mut(id).phase = Phase::Entered;
            }
            _ => return Err("the frame does not wait for what its state comes to"),
        }
        Ok(())
    }

    /// Takes a page of the items of a map run.
    fn add_page(&mut self, id: FrameId, page: &MapPage) -> Applied {
        let recorded = self.recorded;
        let map = self.map_run(id)?;
        match &mut map.stage {
            RunStage::Running(children) => children.add(page, recorded),
            RunStage::Reading => {
                let mut children = Children::new(page.keeps);
                children.add(page, recorded);
                map.stage = RunStage::Running(children);
            }
            _ => return Err("the map run reads no items"),
        }
        self.touch(id);
        Ok(())
    }

    fn exit(&mut self, event: &Event, output: &Json, assigned: Option<&Object>, to: To) -> Applied {
        let id = event.frame;
        self.drop_children(id);
        let frame = self.frame_mut(id);
        if matches!(frame.phase, Phase::Between { .. } | Phase::Finished { .. }) {
            return Err("the frame is in no state");
        }
        frame.last = event.id;
        if let Some(assigned) = assigned {
            for (name, value) in assigned.iter() {
                frame.variables.insert(name.clone(), value.clone());
            }
        }
        match to {
            To::Next(state) => {
                frame.phase = Phase::Between { to: StateId(state), output: output.clone() };
                self.touch(id);
            }
            To::End => {
                frame.phase = Phase::Finished { output: output.clone() };
                let last = frame.last;
                let parent = frame.parent;
                self.untouch(id);
                if let Some((parent, index)) = parent
                    && let Phase::Parallel(branches) = &mut self.frame_mut(parent).phase
                {
                    branches.results[index as usize] = Some(output.clone());
                    branches.remaining -= 1;
                    self.frame_mut(parent).last = last;
                    self.touch(parent);
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, status: Status) {
        self.status = status;
        self.tasks.clear();
        self.timers.clear();
        self.ready.clear();
        if matches!(self.status, Status::Succeeded { .. }) {
            self.frames.truncate(1);
        } else {
            for frame in self.frames.iter_mut().flatten() {
                frame.queued = false;
                break_phase(&mut frame.phase);
            }
        }
    }

    fn new_frame(
        &mut self,
        parent: Option<(FrameId, u32)>,
        last: u64,
        item: Option<Json>,
        first: StateId,
        input: Json,
    ) -> FrameId {
        let frame = Frame {
            parent,
            last,
            variables: Object::new(),
            item,
            entry: Entry {
                state: first,
                kind: StateType::Pass,
                name: Str::default(),
                input: Json::Null,
                at: self.started_at,
                event: 0,
                before: last,
                tries: Vec::new(),
                retries: 0,
            },
            phase: Phase::Between { to: first, output: input },
            queued: false,
        };
        let id = match self.free.pop() {
            Some(id) => {
                self.frames[id.0 as usize] = Some(Box::new(frame));
                id
            }
            None => {
                self.frames.push(Some(Box::new(frame)));
                FrameId(self.frames.len() as u32 - 1)
            }
        };
        self.touch(id);
        id
    }

    /// Puts a frame among the ready ones, or takes it from there, as its phase says.
    fn touch(&mut self, id: FrameId) {
        let frame = self.frame(id);
        let ready = match &frame.phase {
            Phase::Between { .. } | Phase::Again => true,
            Phase::Parallel(branches) => branches.remaining == 0,
            Phase::Map(map) => map.can_start() || map.remaining == 0,
            Phase::MapRun(map) => match &map.stage {
                RunStage::New | RunStage::Done => true,
                RunStage::Running(children) => map.startable().is_some() || children.is_done(),
                RunStage::Reading => map.plan.reader.is_none(),
                RunStage::Asked(_) | RunStage::Writing { .. } => false,
            },
            Phase::Entered
            | Phase::Task(_)
            | Phase::Waiting { .. }
            | Phase::Retrying { .. }
            | Phase::Finished { .. }
            | Phase::Broken { .. } => false,
        };
        if ready && !frame.queued {
            self.frame_mut(id).queued = true;
            self.ready.push(id);
        } else if !ready {
            self.untouch(id);
        }
    }

    fn untouch(&mut self, id: FrameId) {
        let frame = self.frame_mut(id);
        if !frame.queued {
            return;
        }
        frame.queued = false;
        if self.ready.last() == Some(&id) {
            self.ready.pop();
        } else {
            self.ready.retain(|ready| *ready != id);
        }
    }

    fn open_task(&mut self, task: TaskId, frame: FrameId) {
        self.tasks.insert(task, frame);
        self.next_task = self.next_task.max(task.0 + 1);
    }

    fn open_timer(&mut self, timer: TimerId, frame: FrameId) {
        self.timers.insert(timer, frame);
        self.next_timer = self.next_timer.max(timer.0 + 1);
    }

    fn open(&mut self, frame: FrameId, task: TaskId) -> Result<&mut OpenTask, &'static str> {
        match &mut self.frame_mut(frame).phase {
            Phase::Task(open) if open.task == task => Ok(open),
            _ => Err("the frame does not wait for this task"),
        }
    }

    fn iteration(&self, frame: FrameId, index: u32) -> Result<FrameId, &'static str> {
        match &self.frame(frame).phase {
            Phase::Map(map) => map.running.get(&index).copied().ok_or("the iteration does not run"),
            _ => Err("the frame runs no iterations"),
        }
    }

    fn map_run(&mut self, frame: FrameId) -> Result<&mut MapRun, &'static str> {
        match &mut self.frame_mut(frame).phase {
            Phase::MapRun(map) => Ok(map),
            _ => Err("the frame has no map run"),
        }
    }

    fn children(&mut self, frame: FrameId) -> Result<&mut Children, &'static str> {
        match &mut self.map_run(frame)?.stage {
            RunStage::Running(children) => Ok(children),
            _ => Err("the map run has no children yet"),
        }
    }

    /// The frames that run within a frame.
    pub(crate) fn children_of(&self, id: FrameId) -> Vec<FrameId> {
        fn within(phase: &Phase) -> Vec<FrameId> {
            match phase {
                Phase::Parallel(branches) => branches.children.clone(),
                Phase::Map(map) => map.running.values().copied().collect(),
                Phase::Broken { inner: Some(inner) } => within(inner),
                _ => Vec::new(),
            }
        }
        within(&self.frame(id).phase)
    }

    fn drop_children(&mut self, id: FrameId) {
        for child in self.children_of(id) {
            self.drop_frame(child);
        }
    }

    fn drop_frame(&mut self, id: FrameId) {
        let mut pending = vec![id];
        while let Some(id) = pending.pop() {
            if self.find(id).is_none() {
                continue;
            }
            pending.extend(self.children_of(id));
            self.close(id);
            self.untouch(id);
            self.frames[id.0 as usize] = None;
            self.free.push(id);
        }
    }

    /// Gives up a frame and all within it, keeping where they stood.
    fn break_frame(&mut self, id: FrameId) {
        let mut pending = vec![id];
        while let Some(id) = pending.pop() {
            if self.find(id).is_none() {
                continue;
            }
            pending.extend(self.children_of(id));
            self.close(id);
            self.untouch(id);
            break_phase(&mut self.frame_mut(id).phase);
        }
    }

    /// Forgets what a frame waits for.
    fn close(&mut self, id: FrameId) {
        let (task, timer) = match &self.frame(id).phase {
            Phase::Task(open) => (Some(open.task), open.timer),
            Phase::Waiting { timer, .. } | Phase::Retrying { timer, .. } => (None, Some(*timer)),
            Phase::MapRun(map) => (Some(map.run), None),
            _ => (None, None),
        };
        if let Some(task) = task {
            self.tasks.remove(&task);
        }
        if let Some(timer) = timer {
            self.timers.remove(&timer);
        }
    }

    /// Makes a broken frame go on: its children do, where it has any, else its state does again.
    fn mend(&mut self, id: FrameId) {
        let Phase::Broken { inner } = &mut self.frame_mut(id).phase else { return };
        let inner = inner.take();
        let frame = self.frame_mut(id);
        frame.entry.tries.clear();
        frame.entry.retries = 0;
        match inner.map(|inner| *inner) {
            Some(phase @ (Phase::Parallel(_) | Phase::Map(_))) => {
                frame.phase = phase;
                for child in self.children_of(id) {
                    if self.find(child).is_some() {
                        self.mend(child);
                    }
                }
                self.touch(id);
            }
            Some(Phase::MapRun(mut map)) if map.has_children() => {
                // Results that could not be written are written again, with those of the children
                // that had failed.
                if let RunStage::Writing { children, .. } = &mut map.stage
                    && let Some(children) = children.take()
                {
                    map.stage = RunStage::Running(children);
                }
                if let RunStage::Running(children) = &mut map.stage {
                    children.mend();
                }
                map.is_redriven = true;
                let run = map.run;
                frame.phase = Phase::MapRun(map);
                self.open_task(run, id);
                self.touch(id);
            }
            Some(phase @ (Phase::Between { .. } | Phase::Finished { .. })) => {
                frame.phase = phase;
                self.touch(id);
            }
            _ => {
                frame.phase = Phase::Again;
                self.touch(id);
            }
        }
    }
}

fn break_phase(phase: &mut Phase) {
    if !matches!(phase, Phase::Broken { .. } | Phase::Finished { .. }) {
        let inner = std::mem::replace(phase, Phase::Broken { inner: None });
        *phase = Phase::Broken { inner: Some(Box::new(inner)) };
    }
}
