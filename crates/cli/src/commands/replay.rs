//! `stepwright replay`: runs a recorded execution again.

use crate::args::{Output, Replay};
use crate::input;
use crate::report::Failure;
use std::process::ExitCode;
use stepwright_asl::{Definition, NamedDefinition};
use stepwright_json::{Json, Object, Syntax};
use stepwright_program::{Program, Vintage};
use stepwright_simulator::{Mocks, Reply};
use stepwright_source::Diagnostic;
use stepwright_testkit::{Departure, Recording, state_span};

/// `stepwright replay`: exit code 1 if the definition departs from the history.
pub(crate) fn replay(arguments: &Replay) -> Result<ExitCode, Failure> {
    let (tree, _) = input::read_tree(&arguments.history)?;
    let failed = |why: String| Failure::new(format!("{}: {why}", arguments.history.display()));
    let mut recording =
        Recording::read(&tree.to_json()).map_err(|error| failed(error.to_string()))?;
    if let Some(arn) = &arguments.execution_arn {
        recording = recording.of_execution(arn);
    }
    let named = definition(arguments, &recording)?;
    let history = tree.to_json();
    if history.get("elapsedMillis").is_some() && history.get("executionArn").is_none() {
        // `stepwright run` printed it, whose executions have one name.
        recording.identity = super::run::identity(&named, &arguments.history);
    }
    let program = Program { vintage: vintage(&recording), ..super::compile(&named)? };
    let mut mocks = match &arguments.mocks {
        Some(path) => super::run::read_mocks(path)?,
        None => Mocks::default(),
    };
    let program = mocks.applied_to(&std::sync::Arc::new(program));
    let replayed =
        stepwright_testkit::replay(&program, &recording, &mut |call| match mocks.reply(call) {
            Some(Reply::Answer(answer)) => Some(answer),
            _ => None,
        });
    let all = recording.events.len();
    if arguments.printed.wants_json() {
        let mut object = Object::new();
        object.insert("agrees", Json::Bool(replayed.departure.is_none()));
        object.insert("events", all.into());
        object.insert("agreed", replayed.agreed.into());
        if let Some(departure) = &replayed.departure {
            object.insert("departure", to_json(departure, &named));
        }
        for (key, states) in [("unanswered", &replayed.unanswered), ("unused", &replayed.unused)] {
            let states: Vec<Json> = states.iter().map(|state| state.clone().into()).collect();
            object.insert(key, states.into());
        }
        arguments.printed.json(&object.into())?;
    }
    if arguments.printed.form() == Output::Text {
        match &replayed.departure {
            None => anstream::println!("{} reproduces all {all} events", named.file),
            Some(departure) => {
                show(departure, &named, replayed.agreed, all);
            }
        }
        for note in &recording.notes {
            anstream::eprintln!("note: {note}");
        }
        for state in &replayed.unanswered {
            anstream::eprintln!(
                "note: the history has no answer for a call of `{state}`; give one with --mocks"
            );
        }
    }
    Ok(ExitCode::from(u8::from(replayed.departure.is_some())))
}

fn definition(arguments: &Replay, recording: &Recording) -> Result<NamedDefinition, Failure> {
    if let Some(path) = &arguments.definition {
        return input::pick_here(path, &arguments.load);
    }
    let Some(definition) = &recording.definition else {
        return Err(Failure::new("a history does not hold its definition")
            .help("name the definition with --definition FILE"));
    };
    let text = match definition {
        Json::String(text) => text.to_string(),
        other => other.pretty(),
    };
    let definition = Definition::parse(&text, Syntax::Strict).map_err(|error| {
        Failure::new(format!("the definition in {}: {error}", arguments.history.display()))
    })?;
    let file = format!("the definition in {}", arguments.history.display());
    Ok(NamedDefinition::new(None, file, definition))
}

/// The vintage of AWS at the time of the execution.
fn vintage(recording: &Recording) -> Vintage {
    let started = stepwright_program::time::format(recording.start.0);
    let has_time = recording.start != stepwright_simulator::DEFAULT_START;
    let month = |text: &str| -> Option<u32> {
        Some(text.get(..4)?.parse::<u32>().ok()? * 100 + text.get(5..7)?.parse::<u32>().ok()?)
    };
    match month(&started).filter(|_| has_time) {
        Some(month) => Vintage::month(month),
        None => Vintage::TODAY,
    }
}

fn show(departure: &Departure, named: &NamedDefinition, agreed: usize, all: usize) {
    let place = match departure.event {
        Some(id) => format!("at event {id}, {}", departure.kind),
        None => format!("after the last recorded event, with {}", departure.kind),
    };
    let mut message = format!("the definition departs from the history {place}");
    if !departure.scope.is_empty() {
        message = format!("{message}, in {}", departure.scope);
    }
    let text = |value: &Option<Json>| value.as_ref().map_or("nothing".to_owned(), shown);
    let mut diagnostic = Diagnostic::error("departure", message).help(format!(
        "{}\n  recorded: {}\n  now:      {}",
        departure.what,
        text(&departure.expected),
        text(&departure.actual)
    ));
    if let Some(span) = state_span(&named.definition, &departure.state) {
        diagnostic = diagnostic.span(span).label("this state");
    }
    anstream::println!(
        "{}",
        stepwright_source::render(&named.file, &named.definition.text, &diagnostic)
    );
    anstream::println!("{agreed} of {all} events agree");
}

/// A value as text. A string is shown without its quotes, because it may hold JSON.
fn shown(value: &Json) -> String {
    let text = match value {
        Json::String(text) => text.to_string(),
        other => other.to_string(),
    };
    match text.char_indices().nth(2_000) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn to_json(departure: &Departure, named: &NamedDefinition) -> Json {
    let mut object = Object::new();
    if let Some(id) = departure.event {
        object.insert("eventId", Json::Int(id));
    }
    object.insert("type", departure.kind.as_str().into());
    object.insert("state", departure.state.clone().into());
    object.insert("scope", departure.scope.as_str().into());
    object.insert("what", departure.what.as_str().into());
    for (key, value) in [("expected", &departure.expected), ("actual", &departure.actual)] {
        if let Some(value) = value {
            object.insert(key, value.clone());
        }
    }
    if let Some(span) = state_span(&named.definition, &departure.state) {
        let (start, _) = stepwright_source::LineIndex::new(&named.definition.text)
            .span(&named.definition.text, span);
        object.insert("line", start.line.into());
        object.insert("column", start.column.into());
    }
    object.into()
}
