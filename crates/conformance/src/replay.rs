//! Executions that were recorded on AWS, replayed: with their own definition they agree, and with
//! one state changed the replay says which.

use crate::Verdict;
use crate::case::{self, Case};
use crate::executions::{Recorded, beginning, compile, vintage};
use std::path::Path;
use stepwright_json::{Json, Object, json};
use stepwright_program::Program;
use stepwright_simulator::{Call, Tasks};
use stepwright_testkit::{Recording, Replay, replay, type_of};

/// Replays every recorded execution.
pub fn run_all(data: &Path) -> Result<Vec<Verdict>, String> {
    let cases = case::load(data, "conformance/asl/cases")?;
    Ok(cases.iter().filter(|case| case.text("kind") == "execution").map(run).collect())
}

fn run(case: &Case) -> Verdict {
    let mut verdict = Verdict::new("replay", case.file.clone());
    let definition = match case.get("definition") {
        Json::String(text) => stepwright_json::parse(&text).unwrap_or_default(),
        other => other,
    };
    let expected = case.get("expected");
    let history = expected.get("history").and_then(Json::as_array).cloned().unwrap_or_default();
    let unordered = case.notes().iter().any(|note| note.starts_with("parallel_unordered"));
    for (measure, json) in [("as recorded", case.json.clone()), ("as exported", exported(&history))]
    {
        if unordered && measure == "as exported" {
            // The recorder has lost the ids by which the answers are found.
            continue;
        }
        let replayed = once(case, &definition, &json);
        verdict.measure(
            measure,
            replayed.and_then(|replayed| match replayed.departure {
                None => Ok(()),
                Some(departure) => Err(departure.to_string()),
            }),
        );
    }
    if let Some((state, changed)) = change(case, &definition) {
        let replayed = once(case, &changed, &case.json);
        verdict.measure(
            "changed",
            replayed.and_then(|replayed| match replayed.departure {
                Some(departure) if departure.state == state => Ok(()),
                Some(departure) => Err(format!("`{state}` was changed, found {departure}")),
                None => Err(format!("`{state}` was changed, and nothing was found")),
            }),
        );
    }
    verdict
}

/// A history as the AWS CLI prints it with `--reverse-order`: without anything else, and with the
/// data as text.
fn exported(history: &[Json]) -> Json {
    let events = history.iter().rev().map(|event| {
        let mut event = event.as_object().cloned().unwrap_or_default();
        let keys: Vec<_> =
            event.keys().filter(|key| key.ends_with("EventDetails")).cloned().collect();
        for key in keys {
            if let Some(Json::Object(details)) = event.get_mut(&key) {
                for name in ["input", "output", "parameters", "cause"] {
                    if let Some(value) = details.get_mut(name)
                        && !matches!(value, Json::String(_))
                    {
                        *value = value.to_string().into();
                    }
                }
            }
        }
        Json::Object(event)
    });
    let mut object = Object::new();
    object.insert("events", events.collect::<Vec<_>>().into());
    object.into()
}

fn once(case: &Case, definition: &Json, json: &Json) -> Result<Replay, String> {
    let mut recording = Recording::read(json).map_err(|error| error.to_string())?;
    recording.objects = stepwright_testkit::objects(&case.json);
    recording.identity = crate::executions::identity(case);
    let (start, input) = beginning(case);
    (recording.start, recording.input) = (start, input);
    let program = Program { vintage: vintage(case), ..compile(definition)? };
    // What the children of a distributed Map call is in no history.
    let mut others = Recorded::new(case);
    Ok(replay(&program, &recording, &mut |call: &Call<'_>| Some(others.answer(call))))
}

/// The definition with the last state of the history that was entered at the top level made
/// another: its name, and the changed definition.
fn change(case: &Case, definition: &Json) -> Option<(String, Json)> {
    let expected = case.get("expected");
    let history = expected.get("history").and_then(Json::as_array)?;
    let states = definition.get("States")?.as_object()?;
    let name = history.iter().rev().find_map(|event| {
        let name = event.get("stateEnteredEventDetails")?.get("name")?.as_str()?;
        (type_of(event).ends_with("StateEntered") && states.contains_key(name))
            .then(|| name.to_owned())
    })?;
    let is_fail = states.get(&name)?.get("Type").and_then(Json::as_str) == Some("Fail");
    let other = if is_fail {
        json!({"Type": "Pass", "End": true})
    } else {
        json!({"Type": "Fail", "Error": "Changed"})
    };
    let mut states = states.clone();
    states.insert(name.as_str(), other);
    let mut changed = definition.as_object()?.clone();
    changed.insert("States", states.into());
    Some((name, changed.into()))
}
