//! Running a case.

use crate::check::{self, Mismatch, Ran, Tested};
use crate::coverage::Hits;
use crate::file::{Case, TestFile};
use crate::nested::{Answering, World};
use crate::timeline;
use crate::trace::{ChildHistory, Trace};
use std::fmt::Write as _;
use std::sync::Arc;
use stepwright_graph::Marks;
use stepwright_history::{Failure, TaskCall};
use stepwright_interpreter::{Command, Execution};
use stepwright_json::{Json, Str};
use stepwright_program::Program;
use stepwright_simulator::{Run, Simulation, Status, duration};
use stepwright_timeline::{Line, Weight};

/// Turns that a case may take. A case that is not over by then is cut off, and fails.
pub(crate) const MOST_TURNS: u64 = 1_000_000;

/// The real functions that a mock may pass a call on to.
pub trait Functions: Sync {
    /// Calls a function, the one that the task calls if no name is given, and waits for its end.
    /// Says the milliseconds of virtual time that it takes, and what came of it; an error says why
    /// there is no such function.
    fn call(
        &self,
        name: Option<&str>,
        call: &TaskCall,
    ) -> Result<(i64, Result<Json, Failure>), String>;
}

/// No functions: every mock that passes a call on fails its test.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFunctions;

impl Functions for NoFunctions {
    fn call(
        &self,
        _name: Option<&str>,
        _call: &TaskCall,
    ) -> Result<(i64, Result<Json, Failure>), String> {
        Err("there is no stepwright.toml with functions".to_owned())
    }
}

/// How a case went.
#[derive(Clone, Debug)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// What is not as it is expected to be; the case has passed if there is nothing.
    pub mismatches: Vec<Mismatch>,
    /// The states whose tasks had no mock, with what they call.
    pub unmocked: Vec<Unmocked>,
    /// The states that the case mocks, and that called nothing.
    pub unused: Vec<Str>,
    /// The conditions of mocks that no call fulfilled, with the state.
    pub never_matched: Vec<(Str, String)>,
    /// The line of the test file that it begins on.
    pub line: usize,
    /// How it ended.
    pub status: Status,
    /// How long it took, in milliseconds of virtual time.
    pub elapsed_millis: i64,
    /// The lines of its timeline, with those of the executions that its tasks start.
    pub lines: Vec<Line>,
    /// Its snapshots as they are now.
    pub snapshots: Vec<Snapshot>,
    /// Which parts of the program it used.
    pub hits: Hits,
    /// The executions that its tasks have started, in the order in which they began.
    pub executions: Vec<NestedResult>,
    /// The mocks that were used, for what is never used in a whole file.
    pub used: Vec<Str>,
}

/// How an execution went that a task of a case has started.
#[derive(Clone, Debug)]
pub struct NestedResult {
    /// Of which machine it is, by its place in [`TestFile::machines`].
    pub machine: usize,
    /// Its name.
    pub name: String,
    /// The state whose task has started it.
    pub state: Str,
    /// How it ended.
    pub status: Status,
    /// Which parts of its program it used.
    pub hits: Hits,
}

/// A file that a case is compared with.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What it is of: `timeline` or `graph`.
    pub what: &'static str,
    /// Where it is kept, from where the test file stands.
    pub file: String,
    /// What it should hold now.
    pub text: String,
}

/// A task that no mock answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Unmocked {
    /// The state.
    pub state: Str,
    /// The machine that it belongs to, if that is not the one that is tested.
    pub machine: Option<String>,
    /// What it calls.
    pub resource: Str,
    /// With what.
    pub input: Json,
    /// Why there is no answer.
    pub why: String,
}

impl CaseResult {
    /// Whether all was as expected.
    pub fn passed(&self) -> bool {
        self.mismatches.is_empty() && self.unmocked.is_empty()
    }

    /// Its timeline, as a snapshot has it.
    pub fn timeline(&self) -> String {
        snapshot_text(&self.lines)
    }

    /// Takes the snapshots as they are now for what is expected. Returns those that have changed.
    pub fn bless(&mut self) -> Vec<Snapshot> {
        let is_changed = |one: &&Snapshot| self.mismatches.iter().any(|m| m.what == one.what);
        let changed: Vec<Snapshot> = self.snapshots.iter().filter(is_changed).cloned().collect();
        self.mismatches.retain(|mismatch| !changed.iter().any(|one| one.what == mismatch.what));
        changed
    }
}

impl TestFile {
    /// Runs a case. `snapshot` gives the text of the file that a timeline was kept in, if it is
    /// there.
    pub fn run(
        &self,
        case: &Case,
        functions: &dyn Functions,
        snapshot: &dyn Fn(&str) -> Option<String>,
    ) -> CaseResult {
        let mut world = World::new(&self.machines, case, functions);
        let (program, run, children) = Self::simulate(case, &mut world, MOST_TURNS);
        let trace = Trace::read(&program, &run.events, &children);
        let started = world.take_started();
        let nested: Vec<Ran<'_>> = started
            .iter()
            .map(|started| {
                let program = world.program(started.machine);
                let trace = Trace::read(&program, &started.run.events, &started.children);
                Ran { started, trace }
            })
            .collect();
        let mut lines = timeline::lines(&self.machines, &world, &run, &started);
        lines.retain(|line| line.weight == Weight::Main);
        let snapshots = self.snapshots(case, &program, &trace, &lines);
        let mut mismatches = Vec::new();
        // What follows from a missing mock is not worth saying.
        if world.unmocked.is_empty() {
            let tested = Tested { run: &run, trace: &trace, me: None };
            mismatches = check::check(&case.expect, &tested, &self.machines, &nested);
            mismatches.extend(
                snapshots
                    .iter()
                    .filter_map(|one| check::snapshot(one, snapshot(&one.file).as_deref())),
            );
        }
        let unused = world.unused();
        let used = world.states().into_iter().filter(|state| !unused.contains(state)).collect();
        let never = world.never_matched().into_iter();
        let executions = nested.into_iter().map(|ran| NestedResult {
            machine: ran.started.machine,
            name: ran.started.name.clone(),
            state: ran.started.state.clone(),
            status: ran.started.run.status.clone(),
            hits: ran.trace.hits,
        });
        let executions = executions.collect();
        CaseResult {
            name: case.name.clone(),
            never_matched: never.filter(|(state, _)| !unused.contains(state)).collect(),
            line: case.line,
            mismatches,
            unmocked: std::mem::take(&mut world.unmocked),
            used,
            unused: unused.into_iter().filter(|state| case.own_mocks.contains(state)).collect(),
            elapsed_millis: run.elapsed_millis(),
            status: run.status,
            lines,
            snapshots,
            hits: trace.hits,
            executions,
        }
    }

    /// Runs a case in its world: with which program, what happened, and what the child executions of
    /// distributed Maps did.
    pub(crate) fn simulate(
        case: &Case,
        world: &mut World<'_>,
        most_turns: u64,
    ) -> (Arc<Program>, Run, Vec<ChildHistory>) {
        let program = world.program(0);
        let mut simulation = Simulation::new(&program)
            .input(case.input.clone())
            .identity(case.identity.clone())
            .start(case.start)
            .objects(case.mocks.objects.clone())
            .most_turns(most_turns);
        if let Some(seed) = case.seed {
            simulation = simulation.seed([seed, seed ^ 0x5EED]);
        }
        if let Some((after, failure)) = &case.stop {
            simulation = simulation.stop_at(case.start.after_millis(*after), failure.clone());
        }
        let mut answering = Answering::tested(world);
        let run = simulation.run(&mut answering);
        (program, run, answering.children)
    }

    /// The snapshots that a case keeps, as they are now.
    fn snapshots(
        &self,
        case: &Case,
        program: &Program,
        trace: &Trace,
        lines: &[Line],
    ) -> Vec<Snapshot> {
        let mut snapshots = Vec::new();
        let mut add = |what: &'static str, file: &Option<String>, ending: &str, text: String| {
            let Some(file) = file else { return };
            let file = if file.is_empty() { self.snapshot_of(case, ending) } else { file.clone() };
            snapshots.push(Snapshot { what, file, text });
        };
        add("timeline", &case.expect.timeline, "timeline", snapshot_text(lines));
        let marks = Marks { ends: trace.ends.clone(), ..trace.hits.marks() };
        let graph = stepwright_graph::mermaid_marked(program, &marks);
        add("graph", &case.expect.graph, "mmd", graph);
        snapshots
    }

    /// The states that the defaults mock and that none of these results used. Meant for the results
    /// of all cases.
    pub fn unused_defaults(&self, results: &[CaseResult]) -> Vec<Str> {
        let mut unused: Vec<Str> = Vec::new();
        for case in &self.cases {
            let of_machines = case.machine_mocks.iter().flat_map(|(at, mocks)| {
                mocks.states().map(|state| self.machines[*at].state(state))
            });
            for state in case.mocks.states().map(Str::from).chain(of_machines) {
                let is_own = case.own_mocks.contains(&state);
                let is_used = results.iter().any(|result| result.used.contains(&state));
                if !is_own && !is_used && !unused.contains(&state) {
                    unused.push(state);
                }
            }
        }
        unused
    }

    /// Where a snapshot of a case is kept: `order.test.snapshots/an-order-is-charged.timeline`.
    fn snapshot_of(&self, case: &Case, ending: &str) -> String {
        let mut name = String::new();
        for c in case.name.chars() {
            match c {
                c if c.is_alphanumeric() => name.extend(c.to_lowercase()),
                _ if !name.ends_with('-') => name.push('-'),
                _ => {}
            }
        }
        let stem = crate::file::stem(&self.file);
        format!("{stem}.test.snapshots/{}.{ending}", name.trim_matches('-'))
    }
}

/// A timeline as text: one line for each thing that happened, with the time since the line before it
/// in the same scope. So one changed delay changes one line.
fn snapshot_text(lines: &[Line]) -> String {
    let mut text = String::new();
    for line in lines {
        let indent = "  ".repeat(line.depth);
        let since = match line.since_millis {
            0 => String::new(),
            millis => format!("+{}", duration(millis)),
        };
        let item = line.item.to_string();
        let said = stepwright_timeline::text_with_why(line);
        let words = [line.word(), &line.subject, &item, &said];
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        writeln!(text, "{since:>8}  {indent}{}", words.join(" ")).expect("strings grow");
    }
    text
}

/// Why a run is not over, in words.
pub(crate) fn unfinished(run: &Run) -> String {
    let Ok(execution) = Execution::replay(&run.events) else {
        return "its history cannot be read".to_owned();
    };
    let is_owed = |command: &Command| !matches!(command, Command::RunTask { .. });
    if execution.commands().iter().any(is_owed) {
        return "it was cut off: it does not come to an end".to_owned();
    }
    let states = execution.current_states().join(", ");
    format!("it is still in {states}, and nothing will ever wake it")
}
