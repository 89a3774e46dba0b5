//! Checks that every project that is legal according to the documentation compiles, is valid, and
//! runs to its end. Skipped with a note if the projects are not available.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the projects are read from files, and a test that is skipped says so"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use stepwright_asl::Definition;
use stepwright_fluxio::{Mode, compile};
use stepwright_json::{Json, Object, json};
use stepwright_simulator::{Answer, Call, Simulation, Status};

/// Projects that are not legal according to the documentation, with the reason.
const ILLEGAL: &[(&str, &str)] = &[
    ("edge-06", "a concurrency over 100"),
    ("edge-08", "two schedules"),
    ("edge-10-", "an option that @export does not have"),
    ("edge-101", "an attribute of the data"),
    ("edge-106", "an event processor that does not exist"),
    ("edge-12-", "a reserved key"),
    ("edge-120", "an exception by more than its name"),
    ("edge-126", "a part of a second"),
    ("edge-17-", "a value that JSON does not have"),
    ("edge-18", "a computation"),
    ("edge-22", "`with` for something else than retry"),
    ("edge-23", "the `else` of a `try`"),
    ("edge-24", "`finally`"),
    ("edge-25", "two tasks in a `try`"),
    ("edge-30", "an exception by more than its name"),
    ("edge-38", "a condition that compares nothing"),
    ("edge-40", "a comparison with None"),
    ("edge-42", "`in`"),
    ("edge-43", "two comparisons in one"),
    ("edge-44", "a truth value that is less"),
    ("edge-45", "an int compared with a str"),
    ("edge-51", "a cause that is no text"),
    ("edge-57", "a task as the function of a map"),
    ("edge-58", "a map without a list"),
    ("edge-59", "an option that map does not have"),
    ("edge-61", "a parallel without branches"),
    ("edge-65", "an option that wait does not have"),
    ("edge-66", "a part of a second"),
    ("edge-67", "a function that is defined below"),
    ("edge-69", "a task that does not exist"),
    ("edge-77", "a timeout that is a text"),
    ("edge-79", "an input that is no part of the data"),
    ("edge-80", "an input that is no part of the data"),
    ("edge-81", "two inputs"),
    ("edge-90", "a state that is never reached"),
    ("edge-97", "a computation"),
    ("edge-105", "a schedule without an expression"),
    ("readme-16-", "a branch that does not exist: a slip in the documentation"),
    ("readme-17b", "an update of a part of the data, which the documentation excludes"),
];

#[test]
fn what_is_legal_runs_to_its_end() {
    let folder = std::env::var_os("STEPWRIGHT_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let Ok(entries) = std::fs::read_dir(folder.join("goldens/fluxio")) else {
        println!("skipped: the projects are not at hand");
        return;
    };
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    let (mut legal, mut wrong) = (0, Vec::new());
    for folder in folders {
        let Ok(source) = std::fs::read_to_string(folder.join("project.py")) else { continue };
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let reason = ILLEGAL.iter().find(|(known, _)| name.starts_with(known));
        match (compile(&source, Mode::Documented), reason) {
            (Err(errors), Some(_)) => {
                for error in errors {
                    let span = error.span.expect("a complaint has a place");
                    assert!(span.range().end <= source.len(), "{name}: {error:?}");
                }
            }
            (Ok(_), Some((_, reason))) => wrong.push(format!("{name} has {reason}, and compiles")),
            (Err(errors), None) => wrong.push(format!("{name}: {errors:?}")),
            (Ok(project), None) => {
                legal += 1;
                for (machine, compiled) in &project.machines {
                    let definition = compiled.definition.as_ref().expect("it has compiled");
                    if let Err(why) = check(definition) {
                        wrong.push(format!("{name} {machine}: {why}"));
                    }
                }
            }
        }
    }
    println!("{legal} projects are legal and run to their ends");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(legal > 50, "{legal}");
}

/// Checks that a definition is valid, and that it runs to an end with generated data.
fn check(definition: &Json) -> Result<(), String> {
    let definition = Definition::from_json(definition);
    let errors: Vec<_> = stepwright_program::check(&definition)
        .into_iter()
        .filter(stepwright_source::Diagnostic::is_error)
        .collect();
    if !errors.is_empty() {
        return Err(format!("is not valid: {errors:?}"));
    }
    let program =
        stepwright_program::compile(&definition).map_err(|errors| format!("{errors:?}"))?;
    let mut input = json!({"source_version": "main", "context_index": 0, "context_value": [1]});
    data_of(&definition.to_json(), &mut input);
    let run = Simulation::new(&program)
        .input(input)
        .most_turns(10_000)
        .run(&mut |_: &Call<'_>| Answer::returns(json!({"items": [[1], [2]], "total": 1})));
    match run.status {
        Status::Succeeded { .. } | Status::Failed { .. } if !is_broken(&run.status) => Ok(()),
        other => Err(format!("does not end well: {other:?}")),
    }
}

/// Whether it failed because the machine is wrong, not because of a Fail state.
fn is_broken(status: &Status) -> bool {
    matches!(status, Status::Failed { failure } if failure.name().starts_with("States."))
}

/// Generates data for the paths of a definition.
fn data_of(value: &Json, data: &mut Json) {
    let Json::Object(members) = value else {
        value
            .as_array()
            .into_iter()
            .flat_map(|items| items.iter())
            .for_each(|item| data_of(item, data));
        return;
    };
    let variable = members.get("Variable").and_then(Json::as_str);
    for (key, member) in members.iter() {
        let made_up = match key.as_str() {
            "SecondsPath" => Some(Json::Int(1)),
            "TimestampPath" => Some("2024-01-01T00:00:00Z".into()),
            "InputPath" => Some(json!("value")),
            key if key.ends_with(".$") => Some(json!("value")),
            key if variable.is_some() && key.starts_with("Numeric") => Some(Json::Int(1)),
            key if variable.is_some() && key.starts_with("Boolean") => Some(Json::Bool(true)),
            key if variable.is_some() && key.starts_with("String") => Some(json!("value")),
            "Items" => Some(json!([[1], [2]])),
            _ => None,
        };
        if let Some(made_up) = made_up {
            for path in [variable, member.as_str()].into_iter().flatten() {
                put(data, path, &made_up);
            }
        }
        data_of(member, data);
    }
}

/// Puts a value at a path of keys and indices.
fn put(data: &mut Json, path: &str, value: &Json) {
    let path = path.replace("$states.input", "$").replace(['`', '\''], "\"");
    // The path may be the argument of an intrinsic function.
    let path = path.split("States.JsonToString(").last().unwrap_or_default().trim_end_matches(')');
    let path =
        path.split(" ? ").nth(1).map_or(path, |rest| rest.split(" : ").next().unwrap_or(rest));
    let Some(rest) = path.strip_prefix('$') else { return };
    let steps: Vec<String> = rest
        .split(['[', ']', '.'])
        .filter(|step| !step.is_empty())
        .map(|step| step.trim_matches('"').to_owned())
        .collect();
    if steps.is_empty() || rest.starts_with('$') || rest.contains('(') {
        return;
    }
    put_at(data, &steps, value);
}

fn put_at(data: &mut Json, steps: &[String], value: &Json) {
    let Some((first, rest)) = steps.split_first() else {
        if data.is_null() {
            *data = value.clone();
        }
        return;
    };
    if let Ok(index) = first.parse::<usize>() {
        let mut items: Vec<Json> =
            data.as_array().map(|items| items.iter().cloned().collect()).unwrap_or_default();
        items.resize(items.len().max(index + 1), Json::Null);
        put_at(&mut items[index], rest, value);
        *data = items.into();
        return;
    }
    let mut members: Object = data.as_object().cloned().unwrap_or_default();
    let mut inner = members.get(first).cloned().unwrap_or_default();
    put_at(&mut inner, rest, value);
    members.insert(first.as_str(), inner);
    *data = members.into();
}

#[test]
fn complaints_have_places_and_advice() {
    let source = "class A(Task):\n    memmory = 1\n\ndef main(data):\n    for x in data['a']:\n        A()\n";
    let errors = compile(source, Mode::Documented).expect_err("it is wrong twice");
    let said: BTreeMap<usize, String> = errors
        .iter()
        .map(|error| (error.span.expect("a place").range().start, error.message.clone()))
        .collect();
    let lines: Vec<usize> = said.keys().map(|at| source[..*at].matches('\n').count() + 1).collect();
    assert_eq!(lines, [2, 5], "{said:?}");
    assert!(errors.iter().all(|error| error.help.is_some()), "{errors:?}");
}

#[test]
fn no_text_makes_it_panic() {
    let project = "class A(Task):\n    timeout = 5\n\n@schedule(expression='rate(1 day)')\ndef main(data):\n    \
                   if data['a'] > 1 and not bool(data['b']):\n        data['x'] = A(data['y'], key='k')\n    \
                   try:\n        with retry():\n            A()\n    except (B, States.ALL):\n        return\n    \
                   data.update({'a': [1, {'b': None}]})\n";
    for mode in [Mode::Compat, Mode::Documented] {
        for at in (0..project.len()).filter(|at| project.is_char_boundary(*at)) {
            let cut = [&project[..at], &project[at + 1..]].concat();
            // Whether it is accepted does not matter, as long as it does not panic.
            drop(compile(&cut, mode));
            drop(compile(&project[..at], mode));
        }
    }
    assert!(compile(project, Mode::Documented).is_ok());
}

#[test]
fn the_chapters_projects_compile() {
    let chapter = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/fluxio.md");
    let chapter = std::fs::read_to_string(chapter).expect("the chapter can be read");
    let projects: Vec<&str> =
        chapter.split("```python\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!projects.is_empty());
    for project in projects {
        let compiled =
            compile(project, Mode::Documented).unwrap_or_else(|e| panic!("{project}: {e:?}"));
        for machine in compiled.machines.values() {
            let definition = machine.definition.as_ref().expect("it has compiled");
            assert_eq!(check(definition), Ok(()));
        }
    }
}

#[test]
fn a_method_stays_on_its_lines() {
    let source = "class Foo(Task):\n    timeout = 5\n\n    async def run(event, context):\n        \
                  return \"\"\"a\n  b\"\"\"\n";
    let project = compile(source, Mode::Documented).unwrap();
    let text = project.tasks["Foo"].run.as_ref().unwrap().module();
    assert_eq!(text.lines().nth(3), Some("    async def run(event, context):"));
    assert_eq!(text.lines().nth(2), Some("if True:"));
    assert!(text.ends_with("return \"\"\"a\n  b\"\"\"\n"));
}

#[test]
fn what_step_functions_would_refuse_is_refused() {
    for (body, expected) in [
        ("if A['x'] == 1:\n        Foo()", "this is no part of the data"),
        ("if data[True] == 1:\n        Foo()", "named by keys and indices"),
        ("if data[2.5] == 1:\n        Foo()", "named by keys and indices"),
        ("if data[100000000000000000000] == 1:\n        Foo()", "named by keys and indices"),
        ("if int(data['a']) == int(Foo['b']):\n        Foo()", "this is no part of the data"),
        ("with retry(backoff_rate=0):\n        Foo()", "`backoff_rate` is a number, from 1"),
        ("with retry(interval=0):\n        Foo()", "`interval` is whole seconds, from 1"),
        ("with retry(max_attempts=-1):\n        Foo()", "`max_attempts`"),
        ("map(data['l'], each, max_concurrency=2.5)", "`max_concurrency` is a whole number"),
        ("if str('x', data['a']) == data['b']:\n        Foo()", "one part of the data"),
        ("if 'x' == data['b']:\n        Foo()", "the left side is a part of the data"),
        ("if int(data['a']) == int('x'):\n        Foo()", "one part of the data"),
        ("Build(env={'A': other['x']})", "this is no part of the data"),
    ] {
        let source = format!(
            "class Foo(Task):\n    async def run(event, context):\n        return\n\n\
             class Build(Task):\n    service = 'codebuild'\n\n\
             def each(data):\n    Foo()\n\ndef main(data):\n    {body}\n"
        );
        let errors = compile(&source, Mode::Documented).unwrap_err();
        assert!(errors[0].message.contains(expected), "{body}: {}", errors[0].message);
    }
}
