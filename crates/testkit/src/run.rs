//! Running a case.

use crate::check::{self, Mismatch};
use crate::coverage::Hits;
use crate::file::{Case, TestFile};
use crate::trace::{ChildHistory, Trace};
use std::fmt::Write as _;
use std::sync::Arc;
use stepwright_history::{Event, Failure, Stage, TaskCall};
use stepwright_interpreter::{Command, Execution};
use stepwright_json::{Json, Str};
use stepwright_program::{Limits, Program};
use stepwright_simulator::{
    Answer, Call, MockCase, Mocks, Outcome, Reply, Run, Simulation, Status, Tasks, duration,
};
use stepwright_timeline::{Line, Timeline, Weight};

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
    /// Its timeline, as a snapshot has it.
    pub timeline: String,
    /// The lines of its timeline.
    pub lines: Vec<Line>,
    /// Where its snapshot is kept, if it has one, from where the test file stands.
    pub snapshot: Option<String>,
    /// Which parts of the program it used.
    pub hits: Hits,
    /// The mocks that were used, for what is never used in a whole file.
    pub used: Vec<Str>,
}

/// A task that no mock answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Unmocked {
    /// The state.
    pub state: Str,
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
        let program = if case.extended_limits {
            Arc::new(Program { limits: Limits::EXTENDED, ..Program::clone(&self.program) })
        } else {
            Arc::clone(&self.program)
        };
        let program = case.mocks.applied_to(&program);
        let mut simulation = Simulation::new(&program)
            .input(case.input.clone())
            .identity(case.identity.clone())
            .start(case.start)
            .objects(case.mocks.objects.clone())
            .most_turns(MOST_TURNS);
        if let Some(seed) = case.seed {
            simulation = simulation.seed([seed, seed ^ 0x5EED]);
        }
        if let Some((after, failure)) = &case.stop {
            simulation = simulation.stop_at(case.start.after_millis(*after), failure.clone());
        }
        let mut answering = Answering {
            mock_case: case.mock_case.clone(),
            mocks: case.mocks.clone(),
            functions,
            unmocked: Vec::new(),
            children: Vec::new(),
        };
        let run = simulation.run(&mut answering);
        let trace = Trace::read(&program, &run.events, &answering.children);
        let snapshot_file = case
            .expect
            .timeline
            .clone()
            .map(|file| if file.is_empty() { self.snapshot_of(case) } else { file });
        let mut timeline = Timeline::of(Arc::clone(&program));
        let lines = run.events.iter().filter_map(|event| timeline.line(event));
        let lines: Vec<Line> = lines.filter(|line| line.weight == Weight::Main).collect();
        let timeline = snapshot_text(&lines);
        let mut mismatches = Vec::new();
        // What follows from a missing mock is not worth saying.
        if answering.unmocked.is_empty() {
            mismatches = check::check(&case.expect, &run, &trace);
            if let Some(file) = &snapshot_file {
                mismatches.extend(check::snapshot(file, snapshot(file).as_deref(), &timeline));
            }
        }
        let unused = answering.mocks.unused().into_iter().map(Str::from).collect::<Vec<_>>();
        let used = case.mocks.states().map(Str::from).filter(|state| !unused.contains(state));
        let never = answering.mocks.never_matched().into_iter();
        CaseResult {
            name: case.name.clone(),
            never_matched: never.filter(|(state, _)| !unused.contains(state)).collect(),
            line: case.line,
            mismatches,
            unmocked: answering.unmocked,
            used: used.collect(),
            unused: unused.into_iter().filter(|state| case.own_mocks.contains(state)).collect(),
            elapsed_millis: run.elapsed_millis(),
            status: run.status,
            timeline,
            lines,
            snapshot: snapshot_file,
            hits: trace.hits,
        }
    }

    /// The states that the defaults mock and that none of these results used. Meant for the results
    /// of all cases.
    pub fn unused_defaults(&self, results: &[CaseResult]) -> Vec<Str> {
        let mut unused: Vec<Str> = Vec::new();
        for case in &self.cases {
            for state in case.mocks.states().map(Str::from) {
                let is_own = case.own_mocks.contains(&state);
                let is_used = results.iter().any(|result| result.used.contains(&state));
                if !is_own && !is_used && !unused.contains(&state) {
                    unused.push(state);
                }
            }
        }
        unused
    }

    /// Where the snapshot of a case is kept: `order.test.snapshots/an-order-is-charged.timeline`.
    fn snapshot_of(&self, case: &Case) -> String {
        let mut name = String::new();
        for c in case.name.chars() {
            match c {
                c if c.is_alphanumeric() => name.extend(c.to_lowercase()),
                _ if !name.ends_with('-') => name.push('-'),
                _ => {}
            }
        }
        let stem = crate::file::stem(&self.file);
        format!("{stem}.test.snapshots/{}.timeline", name.trim_matches('-'))
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

struct Answering<'f> {
    mock_case: Option<MockCase>,
    mocks: Mocks,
    functions: &'f dyn Functions,
    unmocked: Vec<Unmocked>,
    children: Vec<ChildHistory>,
}

impl Answering<'_> {
    fn give_up(&mut self, call: &TaskCall, why: String) -> Answer {
        let known = self.unmocked.iter().any(|unmocked| unmocked.state == call.state);
        if !known {
            self.unmocked.push(Unmocked {
                state: call.state.clone(),
                resource: call.resource.clone(),
                input: call.parameters.clone(),
                why: why.clone(),
            });
        }
        // Nothing can catch it: a missing mock is no failure of the task.
        Answer::fails("States.Runtime", why)
    }
}

impl Tasks for Answering<'_> {
    fn answer(&mut self, call: &Call<'_>) -> Answer {
        if let Some(answer) = self.mock_case.as_mut().and_then(|case| case.answer(call)) {
            return answer;
        }
        match self.mocks.reply(call) {
            Some(Reply::Answer(answer)) => answer,
            Some(Reply::Function { name, after_millis }) => {
                match self.functions.call(name.as_deref(), call.call) {
                    Ok((takes, result)) => {
                        let after = if after_millis > 0 { after_millis } else { takes };
                        Answer::new(match result {
                            Ok(output) => Outcome::Returns(output),
                            Err(failure) => Outcome::Fails(failure, Stage::Run),
                        })
                        .after(after)
                    }
                    Err(why) => {
                        let name = name.unwrap_or_else(|| call.call.resource.clone());
                        self.give_up(call.call, format!("`{name}` cannot be called: {why}"))
                    }
                }
            }
            None => {
                let why = if self.mocks.has(&call.call.state) {
                    "no case of its mock fits the input"
                } else {
                    "it has no mock"
                };
                self.give_up(call.call, why.to_owned())
            }
        }
    }

    fn watch_child(&mut self, around: &[(Str, u32)], events: &[Event]) {
        self.children.push((around.to_vec(), events.to_vec()));
    }
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
