//! How much memory the data of an execution takes.

use crate::execution::{Execution, Frame, Phase, RunStage};
use rustc_hash::FxHashSet;
use stepwright_history::EventKind;
use stepwright_json::{Json, Object};

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

/// What a value takes in memory: the value itself, and what an array, object or long text has
/// beside it.
const VALUE: usize = 24;
const BESIDE: usize = 64;

impl Execution {
    /// About how many bytes of memory the execution takes, and rather more than less.
    pub fn memory(&self) -> usize {
        self.known.held + self.known.grown
    }

    /// Looks at the data. `None` if it takes more than `most` bytes of memory. What is shared
    /// counts once.
    pub(crate) fn held(&self, most: usize) -> Option<usize> {
        let mut held = Held { seen: FxHashSet::default(), bytes: 0, most };
        let mut roots: Vec<&Json> = self.start.iter().map(|start| &start.input).collect();
        for frame in self.frames.iter().flatten() {
            held.bytes += size_of::<Frame>();
            held.members(&frame.variables);
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
                RunStage::Running(children) => {
                    roots.extend(children.inputs.iter());
                    let outputs = children.results.iter().flatten();
                    roots.extend(outputs.filter_map(|result| result.as_ref().ok()));
                }
                RunStage::Writing { request } => roots.push(request),
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
    fn members(&mut self, members: &Object) {
        if !members.is_empty() {
            let values = members.values().cloned().collect::<Vec<_>>();
            self.is_passed_by(values.iter().collect());
        }
    }

    /// Adds values and what is in them, as long as it is not too much.
    fn is_passed_by(&mut self, mut values: Vec<&Json>) -> bool {
        while let Some(value) = values.pop() {
            self.bytes += VALUE;
            if self.bytes > self.most {
                return true;
            }
            match value {
                Json::String(text) if text.is_heap_allocated() => {
                    if self.seen.insert(text.as_ptr().addr()) {
                        self.bytes += BESIDE + text.len();
                    }
                }
                Json::Array(items) => {
                    if value.address().is_some_and(|at| self.seen.insert(at)) {
                        self.bytes += BESIDE;
                        values.extend(items);
                    }
                }
                Json::Object(members) => {
                    if value.address().is_some_and(|at| self.seen.insert(at)) {
                        // Keys are mostly shared, but need not be.
                        self.bytes += BESIDE + members.len() * VALUE;
                        values.extend(members.values());
                    }
                }
                _ => {}
            }
        }
        false
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
        E::ExecutionStarted(start) => add(&start.input),
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
        E::TaskScheduled { call, .. } => add(&call.parameters),
        E::MapStarted { plan, .. } => plan.items.iter().for_each(add),
        E::MapRunItems { inputs } => inputs.iter().for_each(add),
        E::ChildFinished { result: Ok(output), .. } => add(output),
        E::MapRunWriting { request } => add(request),
        _ => {}
    }
}
