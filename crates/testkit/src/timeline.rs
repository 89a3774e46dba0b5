//! The timeline of a case: that of the execution that is tested, and below the tasks that start them
//! those of other executions.

use crate::file::Machine;
use crate::nested::{Started, World};
use std::collections::BTreeMap;
use stepwright_history::{EventKind, TaskId};
use stepwright_simulator::Run;
use stepwright_timeline::{Line, Timeline};

/// The lines of a case.
pub(crate) fn lines(
    machines: &[Machine],
    world: &World<'_>,
    run: &Run,
    started: &[Started],
) -> Vec<Line> {
    let mut by_task: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (at, started) in started.iter().enumerate() {
        by_task.entry((started.parent, started.task)).or_default().push(at);
    }
    let teller = Teller { machines, world, started, by_task, start: run.start.0 };
    let mut lines = Vec::new();
    teller.tell(None, run, 0, &mut lines);
    lines
}

struct Teller<'t> {
    machines: &'t [Machine],
    world: &'t World<'t>,
    started: &'t [Started],
    /// Their places by the execution and the task that have started them.
    by_task: BTreeMap<(Option<usize>, Option<TaskId>), Vec<usize>>,
    /// When the execution that is tested began.
    start: i64,
}

impl Teller<'_> {
    /// Adds the lines of an execution, and of those that its tasks have started.
    fn tell(&self, me: Option<usize>, run: &Run, depth: usize, lines: &mut Vec<Line>) {
        let machine = me.map_or(0, |at| self.started[at].machine);
        let mut timeline = Timeline::of(self.world.program(machine));
        for event in &run.events {
            let mut within = depth;
            if let Some(mut line) = timeline.line(event) {
                line.depth += depth;
                line.at_millis += run.start.0 - self.start;
                if me.is_some() && line.subject.is_empty() {
                    // What starts and ends is the nested machine.
                    line.subject.clone_from(&self.machines[machine].name);
                }
                within = line.depth;
                lines.push(line);
            }
            if let EventKind::TaskScheduled { task, .. } = &event.kind {
                self.nested(me, Some(*task), within + 1, lines);
            }
        }
        // Those that the children of a distributed Map have started: their histories are not here.
        self.nested(me, None, depth + 1, lines);
    }

    fn nested(&self, me: Option<usize>, task: Option<TaskId>, depth: usize, lines: &mut Vec<Line>) {
        for at in self.by_task.get(&(me, task)).into_iter().flatten() {
            self.tell(Some(*at), &self.started[*at].run, depth, lines);
        }
    }
}
