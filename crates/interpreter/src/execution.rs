use crate::children::Children;
use crate::held::Known;
use crate::items::Records;
use crate::{ChildInput, Command};
use std::collections::BTreeMap;
use stepwright_history::{
    Event, Failure, FrameId, MapPlan, Moment, Start, StateType, TaskCall, TaskId, TimerId,
};
use stepwright_json::{Json, Object, Str};
use stepwright_program::StateId;

/// An execution as its history tells it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Execution {
    pub(crate) status: Status,
    pub(crate) start: Option<Box<Start>>,
    pub(crate) started_at: Moment,
    pub(crate) redrives: u32,
    pub(crate) redriven_at: Option<Moment>,
    /// The frames that live, by their number; a number is used again once it is free.
    pub(crate) frames: Vec<Option<Box<Frame>>>,
    pub(crate) free: Vec<FrameId>,
    /// The frames that can go on without hearing from outside. The last one goes first.
    pub(crate) ready: Vec<FrameId>,
    pub(crate) tasks: BTreeMap<TaskId, FrameId>,
    pub(crate) timers: BTreeMap<TimerId, FrameId>,
    pub(crate) next_task: u64,
    pub(crate) next_timer: u64,
    /// How many events AWS would show: the id of the last one.
    pub(crate) shown: u64,
    /// How many events there are.
    pub(crate) recorded: u64,
    pub(crate) known: Known,
}

/// An execution's status, as AWS names it.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Status {
    /// Its start is not recorded yet.
    #[default]
    NotStarted,
    /// `RUNNING`
    Running,
    /// `SUCCEEDED`
    Succeeded {
        /// Its output.
        output: Json,
    },
    /// `FAILED`
    Failed {
        /// Why.
        failure: Failure,
    },
    /// `TIMED_OUT`
    TimedOut {
        /// Why.
        failure: Failure,
    },
    /// `ABORTED`
    Aborted {
        /// The reason given.
        failure: Failure,
    },
}

impl Status {
    /// The output of an execution that succeeded, or the failure that it ended with; `None` if it has not
    /// ended.
    pub fn outcome(&self) -> Option<Result<Json, Failure>> {
        match self {
            Self::Succeeded { output } => Some(Ok(output.clone())),
            Self::Failed { failure } | Self::TimedOut { failure } | Self::Aborted { failure } => {
                Some(Err(failure.clone()))
            }
            Self::NotStarted | Self::Running => None,
        }
    }

    /// AWS's word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotStarted => "PENDING",
            Self::Running => "RUNNING",
            Self::Succeeded { .. } => "SUCCEEDED",
            Self::Failed { .. } => "FAILED",
            Self::TimedOut { .. } => "TIMED_OUT",
            Self::Aborted { .. } => "ABORTED",
        }
    }
}

/// One scope of an execution that is being run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    /// The frame around it, and which branch or iteration of it this is.
    pub(crate) parent: Option<(FrameId, u32)>,
    /// The id of its last event: the `previousEventId` of the next one.
    pub(crate) last: u64,
    pub(crate) variables: Object,
    /// The item this frame is the iteration for.
    pub(crate) item: Option<Json>,
    pub(crate) entry: Entry,
    pub(crate) phase: Phase,
    /// Whether it stands in `Execution::ready`.
    pub(crate) queued: bool,
}

/// The state a frame is in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) state: StateId,
    pub(crate) kind: StateType,
    pub(crate) name: Str,
    pub(crate) input: Json,
    pub(crate) at: Moment,
    /// The id of the event `…StateEntered`.
    pub(crate) event: u64,
    /// Its `previousEventId`.
    pub(crate) before: u64,
    /// How often each retrier was used, in their order.
    pub(crate) tries: Vec<u32>,
    /// How often the state was tried again.
    pub(crate) retries: u32,
}

/// Where a frame stands. Each phase carries what exists in that phase and nothing else.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Phase {
    /// A state is to be entered.
    Between { to: StateId, output: Json },
    /// A state was entered; never the last phase of a turn.
    Entered,
    /// The state is to be done again.
    Again,
    /// A task is out.
    Task(Box<OpenTask>),
    /// A Wait state waits.
    Waiting { timer: TimerId, due: Moment },
    /// A retry waits.
    Retrying { timer: TimerId, due: Moment },
    /// Branches run.
    Parallel(Box<Branches>),
    /// Iterations run.
    Map(Box<Iterations>),
    /// Child executions run.
    MapRun(Box<MapRun>),
    /// The scope came to its end; never the last phase of a turn but at the top level.
    Finished { output: Json },
    /// The scope failed or was given up. Kept, for a redrive goes on from here.
    Broken { inner: Option<Box<Phase>> },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OpenTask {
    pub(crate) task: TaskId,
    pub(crate) call: Box<TaskCall>,
    pub(crate) deadline: Option<Moment>,
    pub(crate) heartbeat_deadline: Option<Moment>,
    pub(crate) timer: Option<TimerId>,
    pub(crate) started: bool,
    pub(crate) submitted: bool,
}

impl OpenTask {
    /// When the task must be looked at again.
    pub(crate) fn due(&self) -> Option<Moment> {
        match (self.deadline, self.heartbeat_deadline) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Branches {
    pub(crate) children: Vec<FrameId>,
    pub(crate) results: Vec<Option<Json>>,
    pub(crate) remaining: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Iterations {
    pub(crate) plan: Box<MapPlan>,
    pub(crate) next: u32,
    pub(crate) running: BTreeMap<u32, FrameId>,
    pub(crate) results: Vec<Option<Json>>,
    pub(crate) remaining: u32,
    /// The id of `MapStateStarted`.
    pub(crate) started: u64,
    /// The last event of the iteration that ended last: what the next one follows.
    pub(crate) cursor: u64,
}

impl Iterations {
    pub(crate) fn can_start(&self) -> bool {
        let limit = self.plan.max_concurrency;
        (self.next as usize) < self.plan.items.len()
            && (limit == 0 || self.running.len() < limit as usize)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MapRun {
    pub(crate) plan: Box<MapPlan>,
    pub(crate) run: TaskId,
    pub(crate) arn: Str,
    pub(crate) stage: RunStage,
    /// The id of `MapRunStarted`, then of `MapRunSucceeded`.
    pub(crate) event: u64,
    /// How often it was redriven.
    pub(crate) redrives: u32,
    /// Whether a redrive is still to be recorded.
    pub(crate) is_redriven: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RunStage {
    /// `MapStateStarted` is recorded, `MapRunStarted` not yet.
    New,
    /// The items are being read.
    Reading,
    /// What the state comes to is asked as a whole.
    Asked(Box<TaskCall>),
    /// The child executions run.
    Running(Children),
    /// The results are being written.
    Writing {
        request: Json,
        /// The child executions; none where the request has their results, as it once had.
        children: Option<Children>,
    },
    /// `MapRunSucceeded` is recorded.
    Done,
}

/// What the inputs weigh that come of one page of items, unless it has a single item. Each may have
/// much beside its item that all have in common, and that is stored with each.
pub(crate) const PAGE_WEIGHT: usize = 1 << 20;

impl MapRun {
    /// The most child executions at once: AWS's quota.
    const MOST: usize = 10_000;

    /// Whether it has begun child executions that a redrive can go on with.
    pub(crate) fn has_children(&self) -> bool {
        matches!(self.stage, RunStage::Running(_) | RunStage::Writing { children: Some(_), .. })
    }

    /// The child that can begin now, if one can.
    pub(crate) fn startable(&self) -> Option<u32> {
        let RunStage::Running(children) = &self.stage else { return None };
        let limit = match self.plan.max_concurrency as usize {
            0 => Self::MOST,
            limit => limit.min(Self::MOST),
        };
        children.startable(limit)
    }

    /// Where the next page of items begins, if it is wanted, and how many it has at most.
    pub(crate) fn wanted_page(&self) -> Option<(Option<Json>, Option<u32>)> {
        match &self.stage {
            RunStage::Reading => Some((None, None)),
            RunStage::Running(children) if children.wants_page() => {
                Some((children.cursor.clone(), children.next_items(PAGE_WEIGHT)))
            }
            _ => None,
        }
    }

    /// What it owes if a reader is to read the next page of items.
    pub(crate) fn reading(&self) -> Option<Command> {
        let (from, most) = self.wanted_page()?;
        let request = self.plan.reader.clone()?;
        Some(Command::ReadItems { run: self.run, request, from, most })
    }
}

/// The history holds an event that cannot follow the ones before it.
#[derive(Clone, Debug, PartialEq)]
pub struct CorruptHistory {
    /// What was wrong.
    pub reason: &'static str,
    /// The event.
    pub event: Box<Event>,
}

impl std::fmt::Display for CorruptHistory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an event cannot follow the ones before it: {} ({:?})", self.reason, self.event)
    }
}

impl std::error::Error for CorruptHistory {}

impl Execution {
    /// Folds a whole history.
    pub fn replay<'e>(events: impl IntoIterator<Item = &'e Event>) -> Result<Self, CorruptHistory> {
        let mut execution = Self::default();
        for event in events {
            execution.apply(event)?;
        }
        Ok(execution)
    }

    /// Its status.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// Whether nothing more will happen to it by itself.
    pub fn is_over(&self) -> bool {
        !matches!(self.status, Status::NotStarted | Status::Running)
    }

    /// What it began with.
    pub fn start(&self) -> Option<&Start> {
        self.start.as_deref()
    }

    /// How many events its history has in AWS's count.
    pub fn event_count(&self) -> u64 {
        self.shown
    }

    /// How often it was redriven.
    pub fn redrive_count(&self) -> u32 {
        self.redrives
    }

    /// The names of the states it stands in, from the outside in and in order of frames.
    pub fn current_states(&self) -> Vec<&str> {
        if self.is_over() {
            return Vec::new();
        }
        self.frames
            .iter()
            .flatten()
            .filter(|frame| !matches!(frame.phase, Phase::Between { .. } | Phase::Broken { .. }))
            .map(|frame| frame.entry.name.as_str())
            .collect()
    }

    /// Whether a task is still waited for.
    pub fn waits_for(&self, task: TaskId) -> bool {
        self.tasks.contains_key(&task)
    }

    /// The Map states around a task, from the outside in, with the index of the item.
    pub fn map_path(&self, task: TaskId) -> Vec<(Str, u32)> {
        let mut path = Vec::new();
        let mut at = self.tasks.get(&task).copied();
        while let Some(id) = at {
            let frame = self.frame(id);
            at = frame.parent.map(|(parent, _)| parent);
            if let (Some(_), Some((parent, index))) = (&frame.item, frame.parent) {
                path.push((self.frame(parent).entry.name.clone(), index));
            }
        }
        path.reverse();
        path
    }

    /// Everything the world owes it now. After a crash: replay, and do these.
    pub fn commands(&self) -> Vec<Command> {
        let mut commands = Vec::new();
        if self.status != Status::Running {
            return commands;
        }
        for frame in self.tasks.values() {
            self.task_commands(*frame, &mut commands);
        }
        for (timer, frame) in &self.timers {
            commands.extend(self.timer_due(*timer, *frame));
        }
        if !self.ready.is_empty() {
            commands.push(Command::Continue);
        }
        commands
    }

    fn task_commands(&self, frame: FrameId, commands: &mut Vec<Command>) {
        match &self.frame(frame).phase {
            Phase::Task(open) => commands.push(Command::RunTask {
                task: open.task,
                call: open.call.clone(),
                submitted: open.submitted,
            }),
            Phase::MapRun(map) => match &map.stage {
                RunStage::New | RunStage::Done => {}
                RunStage::Asked(call) => commands.push(Command::RunTask {
                    task: map.run,
                    call: call.clone(),
                    submitted: false,
                }),
                RunStage::Reading => commands.extend(map.reading()),
                RunStage::Running(children) => {
                    commands.extend(children.running.keys().map(|index| map.child(*index)));
                    commands.extend(map.reading());
                }
                RunStage::Writing { .. } => commands.extend(map.writing()),
            },
            _ => {}
        }
    }

    fn timer_due(&self, timer: TimerId, frame: FrameId) -> Option<Command> {
        if let Some((due, deadline)) = self.start.as_ref().and_then(|start| start.deadline)
            && deadline == timer
        {
            return Some(Command::WakeAt { timer, due });
        }
        let due = match &self.frame(frame).phase {
            Phase::Waiting { due, .. } | Phase::Retrying { due, .. } => Some(*due),
            Phase::Task(open) => open.due(),
            _ => None,
        };
        due.map(|due| Command::WakeAt { timer, due })
    }

    pub(crate) fn frame(&self, id: FrameId) -> &Frame {
        self.frames[id.0 as usize].as_deref().expect("a frame that is named lives")
    }

    pub(crate) fn frame_mut(&mut self, id: FrameId) -> &mut Frame {
        self.frames[id.0 as usize].as_deref_mut().expect("a frame that is named lives")
    }

    pub(crate) fn find(&self, id: FrameId) -> Option<&Frame> {
        self.frames.get(id.0 as usize).and_then(|frame| frame.as_deref())
    }

    /// The value of a variable in a frame or the nearest one around it that has it.
    pub(crate) fn variable(&self, frame: FrameId, name: &str) -> Option<&Json> {
        let mut at = Some(frame);
        while let Some(id) = at {
            let frame = self.frame(id);
            if let Some(value) = frame.variables.get(name) {
                return Some(value);
            }
            at = frame.parent.map(|(parent, _)| parent);
        }
        None
    }
}

impl MapRun {
    /// What a map run owes whose results are being written.
    pub(crate) fn writing(&self) -> Option<Command> {
        let RunStage::Writing { request, children } = &self.stage else { return None };
        let records = match children {
            Some(children) => Records::of(&self.arn, self.redrives, children),
            None => Records::of_request(&self.arn, request),
        };
        Some(Command::WriteResults {
            run: self.run,
            request: request.clone(),
            records: Box::new(records),
        })
    }

    pub(crate) fn child(&self, index: u32) -> Command {
        let RunStage::Running(children) = &self.stage else {
            unreachable!("children are asked for while they run")
        };
        let input = match children.running.get(&index) {
            Some(Some(input)) => ChildInput::Given(input.clone()),
            _ => {
                let page = children.page_of(index).expect("a child that runs is on a page");
                ChildInput::Recorded { after: page.recorded, at: index - page.first }
            }
        };
        Command::StartChild {
            run: self.run,
            index,
            map_run: self.arn.clone(),
            input,
            first: StateId(self.plan.first),
        }
    }
}
