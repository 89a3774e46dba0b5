//! How much memory the data of an execution takes.

use crate::execution::{Execution, Frame, Phase, RunStage};
use rustc_hash::FxHashSet;
use stepwright_history::EventKind;
use stepwright_json::{Json, Object};

/// Bytes of data recorded since memory was last looked at. Two executions are the same whatever
/// it says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Grown(pub(crate) usize);

impl PartialEq for Grown {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What a value takes in memory: the value itself, and what an array, object or long text has
/// beside it.
const VALUE: usize = 24;
const BESIDE: usize = 64;

impl Execution {
    /// Whether the data takes more than `most` bytes of memory. What is shared counts once.
    pub(crate) fn holds_more_than(&self, most: usize) -> bool {
        let mut held = Held { seen: FxHashSet::default(), bytes: 0, most };
        let mut roots: Vec<&Json> = self.start.iter().map(|start| &start.input).collect();
        for frame in self.frames.iter().flatten() {
            held.bytes += size_of::<Frame>();
            held.members(&frame.variables);
            roots.push(&frame.entry.input);
            roots.extend(&frame.item);
            in_phase(&frame.phase, &mut roots);
        }
        held.is_passed_by(roots)
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

/// The bytes of the data that an event records.
pub(crate) fn recorded_bytes(kind: &EventKind) -> usize {
    use EventKind as E;
    let bytes = |value: &Json| value.measure().map_or(0, |measure| measure.bytes);
    match kind {
        E::ExecutionStarted(start) => bytes(&start.input),
        E::StateEntered { input, .. }
        | E::ParallelStarted { input, .. }
        | E::MapIterationStarted { input, .. } => bytes(input),
        E::StateExited { output, assigned, .. } => {
            let assigned = assigned.iter().flat_map(Object::values).map(bytes).sum::<usize>();
            bytes(output) + assigned
        }
        E::ExecutionSucceeded { output }
        | E::TaskSubmitted { output, .. }
        | E::TaskSucceeded { output, .. }
        | E::MapIterationSucceeded { output, .. } => bytes(output),
        E::TaskScheduled { call, .. } => bytes(&call.parameters),
        E::MapStarted { plan, .. } => plan.items.iter().map(bytes).sum(),
        E::MapRunItems { inputs } => inputs.iter().map(bytes).sum(),
        E::ChildFinished { result: Ok(output), .. } => bytes(output),
        E::MapRunWriting { request } => bytes(request),
        _ => 0,
    }
}
