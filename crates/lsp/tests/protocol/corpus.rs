//! What real definitions show.
#![expect(clippy::print_stdout, reason = "the figures are for whoever measures")]

use crate::client::{Client, at, edited, edits_of, labels};
use std::path::PathBuf;
use stepwright_asl::{LoadOptions, NamedDefinition, load};
use stepwright_json::tree::{Node, Value};
use stepwright_json::{Json, json};
use stepwright_program::{CheckOptions, check_and_compile};

/// The files of the corpus; none where it is not at hand.
fn corpus() -> Vec<(String, String)> {
    let shared = std::env::var_os("STEPWRIGHT_SHARED").map_or_else(
        || concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").into(),
        PathBuf::from,
    );
    let Ok(folder) = std::fs::read_dir(shared.join("corpus")) else { return Vec::new() };
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        Some((name, std::fs::read_to_string(path).ok()?))
    };
    files.into_iter().filter_map(read).collect()
}

fn definition(name: &str, text: &str) -> Option<NamedDefinition> {
    let options = LoadOptions { file: name, ..LoadOptions::default() };
    load(text.as_bytes(), &options).definitions.into_iter().next()
}

/// The compiled program, with the names of its states left out.
fn program(name: &str, text: &str) -> Option<(String, Vec<String>)> {
    let found = definition(name, text)?;
    let mut program = check_and_compile(&found.definition, &CheckOptions::default()).program?;
    let names = program.states.iter_mut().map(|state| std::mem::take(&mut state.name).to_string());
    let names = names.collect();
    Some((format!("{program:?}"), names))
}

/// The names of states, and where each is defined.
fn states(node: &Node, found: &mut Vec<(String, usize)>) {
    match &node.value {
        Value::Scalar(_) => {}
        Value::Array(items) => items.iter().for_each(|item| states(item, found)),
        Value::Object(members) => {
            for member in members {
                if member.key == "States" && node.get("StartAt").is_some() {
                    let name = |state: &stepwright_json::tree::Member| {
                        (state.key.to_string(), state.key_span.start as usize)
                    };
                    found.extend(member.value.members().iter().map(name));
                }
                states(&member.value, found);
            }
        }
    }
}

#[test]
fn renamed_states_make_the_same_program() {
    let (mut files, mut renamed) = (0, 0);
    for (name, text) in corpus() {
        let Some((before, names)) = program(&name, &text) else { continue };
        files += 1;
        let uri = format!("file:///project/{name}");
        let mut client = Client::start();
        client.open(&uri, &text);
        let mut text = text;
        for at_state in 0..names.len() {
            let mut found = Vec::new();
            states(&definition(&name, &text).unwrap().definition.root, &mut found);
            let (old, offset) = &found[at_state];
            let new = format!("{at_state} \"é\" {}", old.chars().take(40).collect::<String>());
            let mut params = at(&uri, &text, offset + 1);
            if let Json::Object(object) = &mut params {
                object.insert("newName", new.into());
            }
            let edit = client.request("textDocument/rename", params);
            text = edited(&text, &edits_of(&edit, &uri));
            client.replace(&uri, at_state as i64 + 2, &text);
            renamed += 1;
        }
        let (after, new_names) = program(&name, &text).unwrap_or_else(|| panic!("{name}: {text}"));
        assert_eq!(before, after, "{name}");
        assert!(names.iter().zip(&new_names).all(|(old, new)| old != new), "{name}");
        assert!(client.leave());
    }
    println!("{renamed} states of {files} files were renamed");
    assert!(files == 0 || renamed > 1_500, "{renamed} of {files} files");
}

/// A place whose text is deleted: what is left, the cursor, and the text.
struct Gap {
    span: std::ops::Range<usize>,
    deleted: String,
    kind: &'static str,
}

fn gaps(root: &Node) -> Vec<Gap> {
    let mut found = Vec::new();
    machine_gaps(root, &mut found);
    found
}

fn machine_gaps(scope: &Node, found: &mut Vec<Gap>) {
    own_fields(scope, found);
    for state in scope.get("States").map_or(&[][..], Node::members) {
        found.push(gap(state.key_span, &state.key, "state"));
        own_fields(&state.value, found);
        for list in ["Retry", "Catch", "Choices"] {
            for item in state.value.get(list).map_or(&[][..], Node::items) {
                own_fields(item, found);
            }
        }
        for branch in state.value.get("Branches").map_or(&[][..], Node::items) {
            machine_gaps(branch, found);
        }
        for key in ["ItemProcessor", "Iterator"] {
            if let Some(processor) = state.value.get(key) {
                machine_gaps(processor, found);
            }
        }
    }
}

/// The fields of an object of the language, and the states that it names.
fn own_fields(object: &Node, found: &mut Vec<Gap>) {
    for member in object.members() {
        found.push(gap(member.key_span, &member.key, "field"));
        if matches!(member.key.as_str(), "Next" | "Default" | "StartAt")
            && let Some(name) = member.value.as_str()
        {
            found.push(gap(member.value.span, name, "target"));
        }
    }
}

fn gap(span: stepwright_source::Span, deleted: &str, kind: &'static str) -> Gap {
    let span = span.start as usize + 1..span.end as usize - 1;
    Gap { span, deleted: deleted.to_owned(), kind }
}

#[test]
fn what_was_deleted_is_offered_first() {
    let files = corpus();
    // Every fifth file: 50 of them and a few more, of all repositories.
    let step = (files.len() / 50).max(1);
    // All places take a while: here are some of them, all are asked for by name.
    let thin = if std::env::var_os("STEPWRIGHT_ALL_PLACES").is_some() { 1 } else { 7 };
    let mut client = Client::start();
    let (mut places, mut good) = (0, 0);
    let mut missed: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    let mut number = 0usize;
    for (name, text) in files.iter().step_by(step).take(50) {
        let Some(found) = definition(name, text) else { continue };
        let uri = format!("file:///project/{name}");
        client.open(&uri, text);
        for gap in gaps(&found.definition.root) {
            number += 1;
            if !number.is_multiple_of(thin) {
                continue;
            }
            let mut left = text.clone();
            left.replace_range(gap.span.clone(), "");
            client.replace(&uri, 2, &left);
            let items = client.completion(&uri, &left, gap.span.start);
            let first: Vec<&str> = labels(&items).into_iter().take(5).collect();
            places += 1;
            if first.contains(&gap.deleted.as_str()) {
                good += 1;
            } else {
                let what = if gap.kind == "field" { &gap.deleted } else { "" };
                *missed.entry(format!("{} {what}", gap.kind)).or_default() += 1;
                if std::env::var_os("STEPWRIGHT_ALL_PLACES").is_some() {
                    println!("{name}: {} {}: {first:?}", gap.kind, gap.deleted);
                }
            }
        }
        client.notify("textDocument/didClose", json!({"textDocument": {"uri": (uri.as_str())}}));
    }
    println!("{good} of {places} are among the first five; missed: {missed:?}");
    assert!(good * 100 >= places * 95, "{good} of {places}; missed: {missed:?}");
}
