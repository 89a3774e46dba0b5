//! Compares a run with what is expected of it.

use crate::file::{
    ExecutionExpectations, Expectations, Machine, StateExpectations, Step, Wanted, WantedCause,
};
use crate::nested::Started;
use crate::run::{Snapshot, unfinished};
use crate::trace::{StateTrace, Trace, Visit};
use stepwright_history::Failure;
use stepwright_json::{Json, Str};
use stepwright_simulator::{Difference, Extent, Run, Status, differences, duration};

/// Something that is not as it is expected to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// What, as the test file names it: `output`, `states.Charge.input`.
    pub what: String,
    /// What is expected there.
    pub expected: Shown,
    /// What is there.
    pub actual: Shown,
    /// Each place at which the two differ, for values.
    pub differences: Vec<Difference>,
    /// A remark.
    pub note: Option<String>,
}

/// A side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    /// A value.
    Value(Json),
    /// Words.
    Words(String),
    /// Lines of text, compared line by line.
    Lines(Vec<String>),
}

impl Shown {
    /// As one text.
    pub fn text(&self) -> String {
        match self {
            Self::Value(value) => value.to_string(),
            Self::Words(words) => words.clone(),
            Self::Lines(lines) => lines.join("\n"),
        }
    }
}

fn words(what: &str, expected: impl Into<String>, actual: impl Into<String>) -> Mismatch {
    Mismatch {
        what: what.to_owned(),
        expected: Shown::Words(expected.into()),
        actual: Shown::Words(actual.into()),
        differences: Vec::new(),
        note: None,
    }
}

/// An execution that is compared with what is expected of it.
pub(crate) struct Tested<'t> {
    pub(crate) run: &'t Run,
    pub(crate) trace: &'t Trace,
    /// Its place among those that were started; None for the one that the case is about.
    pub(crate) me: Option<usize>,
}

/// An execution that a task has started.
pub(crate) struct Ran<'t> {
    pub(crate) started: &'t Started,
    pub(crate) trace: Trace,
}

pub(crate) fn check(
    expect: &Expectations,
    tested: &Tested<'_>,
    machines: &[Machine],
    nested: &[Ran<'_>],
) -> Vec<Mismatch> {
    let (run, trace) = (tested.run, tested.trace);
    let mut found = Vec::new();
    let failure = match &run.status {
        Status::Failed { failure } | Status::TimedOut { failure } | Status::Aborted { failure } => {
            Some(failure)
        }
        _ => None,
    };
    let expects_failure = expect.error.is_some() || !expect.cause.is_empty();
    let wanted = expect.status.unwrap_or(if expects_failure { "FAILED" } else { "SUCCEEDED" });
    // Without a status, any way of failing will do for an error that is expected.
    let failed_otherwise = expect.status.is_none() && expects_failure && failure.is_some();
    if run.status.name() != wanted && !failed_otherwise {
        let mut mismatch = words("status", wanted, run.status.name());
        mismatch.note = match (&run.status, failure) {
            (Status::Succeeded { output }, _) => Some(format!("its output is {output}")),
            (_, Some(failure)) => Some(why(failure)),
            (..) => Some(unfinished(run)),
        };
        found.push(mismatch);
    }
    if let Status::Succeeded { output } = &run.status {
        found.extend(expect.output.iter().filter_map(|wanted| value("output", wanted, output)));
    } else if !expect.output.is_empty() && wanted != run.status.name() {
        // The status says it already.
    } else if let Some(wanted) = expect.output.first() {
        let mut mismatch = words("output", "", "there is none");
        mismatch.expected = Shown::Value(wanted.value.clone());
        found.push(mismatch);
    }
    found.extend(failures(expect, failure));
    if let Some(path) = &expect.path
        && !is_path(path, &trace.path)
    {
        found.push(Mismatch {
            what: "path".to_owned(),
            expected: Shown::Lines(path.iter().map(step).collect()),
            actual: Shown::Lines(shown_path(path, &trace.path)),
            differences: Vec::new(),
            note: None,
        });
    }
    let nothing = StateTrace::default();
    for (name, expect) in &expect.states {
        state(name, expect, trace.states.get(name).unwrap_or(&nothing), &mut found);
    }
    for (name, wanted) in &expect.variables {
        let what = format!("variables.{name}");
        match trace.variables.get(name) {
            Some(actual) => {
                let wanted = Wanted { value: wanted.clone(), extent: Extent::Whole };
                found.extend(value(&what, &wanted, actual));
            }
            None => {
                let mut mismatch = words(&what, "", "it is not set");
                mismatch.expected = Shown::Value(wanted.clone());
                found.push(mismatch);
            }
        }
    }
    if let Some((least, most)) = expect.elapsed {
        let took = run.elapsed_millis();
        if took < least || took > most {
            let wanted = match (least, most) {
                (least, most) if least == most => duration(least),
                (least, i64::MAX) => format!("at least {}", duration(least)),
                (0, most) => format!("at most {}", duration(most)),
                (least, most) => format!("{} to {}", duration(least), duration(most)),
            };
            found.push(words("elapsed", wanted, duration(took)));
        }
    }
    if let Some(wanted) = &expect.executions {
        executions(wanted, tested.me, machines, nested, &mut found);
    }
    found
}

/// Compares the executions that the tasks of one have started with what is expected of them.
fn executions(
    wanted: &[ExecutionExpectations],
    of: Option<usize>,
    machines: &[Machine],
    nested: &[Ran<'_>],
    found: &mut Vec<Mismatch>,
) {
    let there = nested.iter().enumerate().filter(|(_, ran)| ran.started.parent == of);
    let there: Vec<(usize, &Ran<'_>)> = there.collect();
    let wanted_machines = wanted.iter().map(|one| one.machine);
    if !wanted_machines.eq(there.iter().map(|(_, ran)| ran.started.machine)) {
        let name = |machine: usize| machines[machine].name.clone();
        found.push(Mismatch {
            what: "executions".to_owned(),
            expected: Shown::Lines(wanted.iter().map(|one| name(one.machine)).collect()),
            actual: Shown::Lines(there.iter().map(|(_, ran)| name(ran.started.machine)).collect()),
            differences: Vec::new(),
            note: None,
        });
        return;
    }
    for (at, (wanted, (me, ran))) in wanted.iter().zip(there).enumerate() {
        let started = ran.started;
        let mut within = Vec::new();
        for (what, wanted, actual) in [
            ("state", wanted.state.as_deref(), started.state.as_str()),
            ("name", wanted.name.as_deref(), started.name.as_str()),
        ] {
            if let Some(wanted) = wanted.filter(|wanted| *wanted != actual) {
                within.push(words(what, wanted, actual));
            }
        }
        let inputs = wanted.input.iter();
        within.extend(inputs.filter_map(|wanted| value("input", wanted, &started.input)));
        let tested = Tested { run: &started.run, trace: &ran.trace, me: Some(me) };
        within.extend(check(&wanted.expect, &tested, machines, nested));
        for mut mismatch in within {
            mismatch.what = format!("executions[{at}].{}", mismatch.what);
            found.push(mismatch);
        }
    }
}

/// Error and cause, as a person says them.
fn why(failure: &Failure) -> String {
    let cause = failure.cause.as_deref().filter(|cause| !cause.is_empty());
    let error = failure.error.as_deref().unwrap_or("without an error");
    cause.map_or_else(|| error.to_owned(), |cause| format!("{error}: {cause}"))
}

fn value(what: &str, wanted: &Wanted, actual: &Json) -> Option<Mismatch> {
    let found = differences(&wanted.value, actual, wanted.extent);
    if found.is_empty() {
        return None;
    }
    let what = match wanted.extent {
        Extent::Whole => what.to_owned(),
        Extent::Part => format!("{what}_includes"),
    };
    Some(Mismatch {
        what,
        expected: Shown::Value(wanted.value.clone()),
        actual: Shown::Value(actual.clone()),
        differences: found,
        note: None,
    })
}

fn failures(expect: &Expectations, failure: Option<&Failure>) -> Vec<Mismatch> {
    let mut found = Vec::new();
    // That it did not fail is said by the status.
    let Some(failure) = failure else { return found };
    if let Some(wanted) = &expect.error
        && failure.error.as_ref() != Some(wanted)
    {
        let mut mismatch = words("error", wanted.as_str(), failure.name());
        mismatch.note = failure.cause.as_ref().map(|cause| format!("its cause is {cause}"));
        found.push(mismatch);
    }
    let cause = failure.cause.as_deref().unwrap_or_default();
    for wanted in &expect.cause {
        match wanted {
            WantedCause::Text(wanted) if wanted == cause => {}
            WantedCause::Text(wanted) => found.push(words("cause", wanted.as_str(), cause)),
            WantedCause::Includes(wanted) if cause.contains(wanted.as_str()) => {}
            WantedCause::Includes(wanted) => {
                found.push(words("cause_includes", wanted.as_str(), cause));
            }
            WantedCause::Json(wanted) => match stepwright_json::parse(cause) {
                Ok(actual) => found.extend(value("cause", wanted, &actual)),
                Err(_) => {
                    let mut mismatch = words("cause", "", cause);
                    mismatch.expected = Shown::Value(wanted.value.clone());
                    mismatch.note = Some("the cause is no JSON".to_owned());
                    found.push(mismatch);
                }
            },
        }
    }
    found
}

fn state(name: &Str, expect: &StateExpectations, trace: &StateTrace, found: &mut Vec<Mismatch>) {
    let times = |count: u64| match count {
        0 => "never".to_owned(),
        1 => "once".to_owned(),
        count => format!("{count} times"),
    };
    for (what, wanted, actual) in [
        ("entered", expect.entered, trace.inputs.len() as u64),
        ("called", expect.called, trace.calls.len() as u64),
    ] {
        if let Some(wanted) = wanted.filter(|wanted| *wanted != actual) {
            found.push(words(&format!("states.{name}.{what}"), times(wanted), times(actual)));
        }
    }
    let inputs = if trace.calls.is_empty() { &trace.inputs } else { &trace.calls };
    for (what, wanted, actual) in
        [("input", &expect.input, inputs), ("output", &expect.output, &trace.outputs)]
    {
        for wanted in wanted {
            let place = format!("states.{name}.{what}");
            if actual.is_empty() {
                let verb = if what == "output" { "left" } else { "entered" };
                let mut mismatch = words(&place, "", format!("it is never {verb}"));
                mismatch.expected = Shown::Value(wanted.value.clone());
                found.push(mismatch);
            }
            let first = actual.iter().enumerate().find_map(|(at, actual)| {
                let mut mismatch = value(&place, wanted, actual)?;
                let many = inputs.len() > 1;
                mismatch.note = many.then(|| format!("time {} of {}", at + 1, inputs.len()));
                Some(mismatch)
            });
            found.extend(first);
        }
    }
    if let Some(wanted) = &expect.inputs {
        let wanted = Wanted { value: wanted.clone().into(), extent: Extent::Whole };
        let actual: Json = inputs.clone().into();
        found.extend(value(&format!("states.{name}.inputs"), &wanted, &actual));
    }
}

/// Whether what was entered is the path. Where a step says nothing of what is within, anything may
/// be.
fn is_path(wanted: &[Step], there: &[Visit]) -> bool {
    wanted.len() == there.len()
        && wanted.iter().zip(there).all(|(step, visit)| {
            step.name == visit.name
                && step.within.as_ref().is_none_or(|scopes| {
                    let count = visit.within.keys().next_back().map_or(0, |last| last + 1);
                    scopes.len() == count as usize
                        && scopes.iter().enumerate().all(|(at, scope)| {
                            is_path(
                                scope,
                                visit.within.get(&(at as u32)).map_or(&[], Vec::as_slice),
                            )
                        })
                })
        })
}

fn step(step: &Step) -> String {
    match &step.within {
        None => step.name.to_string(),
        Some(scopes) => {
            let scopes: Vec<String> = scopes
                .iter()
                .map(|scope| {
                    format!("[{}]", scope.iter().map(self::step).collect::<Vec<_>>().join(", "))
                })
                .collect();
            format!("{}: [{}]", step.name, scopes.join(", "))
        }
    }
}

/// The path that was taken, in the detail in which it is expected.
fn shown_path(wanted: &[Step], there: &[Visit]) -> Vec<String> {
    let in_detail = wanted.iter().any(|step| step.within.is_some());
    there
        .iter()
        .map(|visit| {
            if in_detail && !visit.within.is_empty() {
                step(&as_step(visit))
            } else {
                visit.name.to_string()
            }
        })
        .collect()
}

fn as_step(visit: &Visit) -> Step {
    let count = visit.within.keys().next_back().map_or(0, |last| last + 1);
    let scope = |at: u32| visit.within.get(&at).into_iter().flatten().map(as_step).collect();
    Step {
        name: visit.name.clone(),
        within: (!visit.within.is_empty()).then(|| (0..count).map(scope).collect()),
    }
}

/// Compares a snapshot with the one that was kept.
pub(crate) fn snapshot(now: &Snapshot, kept: Option<&str>) -> Option<Mismatch> {
    let Snapshot { what, file, text } = now;
    let lines = |text: &str| Shown::Lines(text.lines().map(str::to_owned).collect());
    let Some(kept) = kept else {
        let mut mismatch = words(what, format!("the snapshot {file}"), "there is no such file");
        mismatch.note = Some("write it with `stepwright test --bless`".to_owned());
        return Some(mismatch);
    };
    // Git may have turned line ends into those of the system.
    if kept.lines().eq(text.lines()) {
        return None;
    }
    Some(Mismatch {
        what: (*what).to_owned(),
        expected: lines(kept),
        actual: lines(text),
        differences: Vec::new(),
        note: Some(format!(
            "{file} says otherwise; if the change is meant, write it with `stepwright test --bless`"
        )),
    })
}
