//! How much memory the data of an execution takes.

use crate::execution::{Execution, Frame, Phase, RunStage};
use rustc_hash::FxHashSet;
use stepwright_history::{Event, EventKind};
use stepwright_json::{Json, Object};

/// How many bytes of memory the data takes that is recorded between two looks at what the execution
/// takes.
const GROWTH: usize = 16 << 20;

/// What is known of the memory that an execution takes. Two executions are the same whatever it
/// says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known {
    /// What it took when it was last looked at.
    pub(crate) held: usize,
    /// What the events recorded since have added at most.
    pub(crate) grown: usize,
}

impl PartialEq for Known {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Execution {
    /// About how many bytes of memory the execution takes, and rather more than less.
    pub fn memory(&self) -> usize {
        self.known.held + self.known.grown
    }

    /// Notes an event that was folded in while the execution is read from its history. Whether its
    /// data takes `most` bytes of memory at most, as far as is known by now.
    pub fn note_read(&mut self, event: &Event, most: usize) -> bool {
        self.known.grown += recorded(&event.kind).1;
        self.is_within(most)
    }

    /// Whether the data takes `most` bytes of memory at most: it is looked at when enough has been
    /// recorded since the last time.
    pub(crate) fn is_within(&mut self, most: usize) -> bool {
        self.known.grown < GROWTH || self.look(most)
    }

    /// Looks at the data. Whether it takes `most` bytes of memory at most.
    pub fn look(&mut self, most: usize) -> bool {
        let held = self.held(most);
        if let Some(held) = held {
            self.known = Known { held, grown: 0 };
        }
        held.is_some()
    }

    /// How many bytes of memory the data takes; `None` if more than `most`. A value that stands in
    /// several places counts once, as it does when the execution is read back.
    fn held(&self, most: usize) -> Option<usize> {
        let mut held = Held { seen: FxHashSet::default(), bytes: 0, most };
        let mut roots: Vec<&Json> = self.start.iter().map(|start| &start.input).collect();
        for frame in self.frames.iter().flatten() {
            held.bytes += size_of::<Frame>();
            frame.variables.values().for_each(|value| held.add(value));
            roots.push(&frame.entry.input);
            roots.extend(&frame.item);
            in_phase(&frame.phase, &mut roots);
        }
        if held.is_passed_by(roots) { None } else { Some(held.bytes) }
    }
}

fn in_phase<'e>(phase: &'e Phase, roots: &mut Vec<&'e Json>) {
    match phase {
        Phase::Between { output, .. } | Phase::Finished { output } => roots.push(output),
        Phase::Task(open) => roots.push(&open.call.parameters),
        Phase::Parallel(branches) => roots.extend(branches.results.iter().flatten()),
        Phase::Map(map) => {
            roots.extend(map.plan.items.iter());
            roots.extend(map.results.iter().flatten());
        }
        Phase::MapRun(map) => {
            roots.extend(map.plan.items.iter());
            match &map.stage {
                RunStage::Running(children)
                | RunStage::Writing { children: Some(children), .. } => {
                    roots.extend(children.waiting.iter());
                    roots.extend(children.running.values().flatten());
                    roots.extend(children.batch.iter());
                    for kept in children.kept.iter().flatten() {
                        roots.extend(&kept.input);
                        roots.extend(kept.result.iter().filter_map(|result| result.as_ref().ok()));
                    }
                }
                RunStage::Writing { request, .. } => roots.push(request),
                RunStage::Asked(call) => roots.push(&call.parameters),
                RunStage::New | RunStage::Reading | RunStage::Done => {}
            }
        }
        Phase::Broken { inner: Some(inner) } => in_phase(inner, roots),
        Phase::Entered
        | Phase::Again
        | Phase::Waiting { .. }
        | Phase::Retrying { .. }
        | Phase::Broken { inner: None } => {}
    }
}

/// Adds up what values take.
struct Held {
    /// Where those stand that were counted.
    seen: FxHashSet<usize>,
    bytes: usize,
    most: usize,
}

impl Held {
    /// Adds a value. What is shared within it counts each time: nothing within it is shared any
    /// more when the execution was read back from its history.
    fn add(&mut self, value: &Json) {
        let is_new = value.address().is_none_or(|at| self.seen.insert(at));
        if is_new && let Some(measure) = value.measure() {
            self.bytes += measure.memory;
        }
    }

    fn is_passed_by(&mut self, values: Vec<&Json>) -> bool {
        values.into_iter().any(|value| {
            self.add(value);
            self.bytes > self.most
        })
    }
}

/// The bytes of the data that an event records: of its text, and in memory.
pub(crate) fn recorded(kind: &EventKind) -> (usize, usize) {
    let (mut text, mut memory) = (0, 0);
    let mut add = |value: &Json| {
        if let Some(measure) = value.measure() {
            text += measure.bytes;
            memory += measure.memory;
        }
    };
    each_value(kind, &mut add);
    (text, memory)
}

fn each_value(kind: &EventKind, add: &mut dyn FnMut(&Json)) {
    use EventKind as E;
    match kind {
        E::ExecutionStarted(start) => {
            add(&start.input);
            start.variables.values().for_each(add);
        }
        E::StateEntered { input, .. }
        | E::ParallelStarted { input, .. }
        | E::MapIterationStarted { input, .. } => add(input),
        E::StateExited { output, assigned, .. } => {
            add(output);
            assigned.iter().flat_map(Object::values).for_each(add);
        }
        E::ExecutionSucceeded { output }
        | E::TaskSubmitted { output, .. }
        | E::TaskSucceeded { output, .. }
        | E::MapIterationSucceeded { output, .. } => add(output),
        E::TaskScheduled { call, .. } | E::WholeAsked { call, .. } => add(&call.parameters),
        E::MapStarted { plan, .. } => plan.items.iter().for_each(add),
        E::MapRunItems { inputs } => inputs.iter().for_each(add),
        E::MapRunPage(page) => page.inputs.iter().chain(page.batch.iter()).for_each(add),
        E::ChildFinished { result: Ok(output), .. }
        | E::WholeAnswered { result: Ok(output), .. } => add(output),
        E::MapRunWriting { request } => add(request),
        _ => {}
    }
}
