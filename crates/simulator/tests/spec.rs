//! Runs every case under `spec/`: prose, a definition, mocks, an input, and the timeline that
//! comes of them. `cargo xtask bless` writes the timelines.

#![expect(clippy::disallowed_methods, reason = "a test reads files")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stepwright_asl::{Definition, read_data};
use stepwright_history::Event;
use stepwright_json::{Json, Object, Syntax};
use stepwright_program::Program;
use stepwright_simulator::{Mocks, Simulation};
use stepwright_timeline::recorded::Reader;
use stepwright_timeline::{Line, Timeline, Weight};

#[test]
fn spec_cases_show_what_runs() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../spec");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let (mut cases, mut wrong) = (0, Vec::new());
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let (actual, count) = run_cases(&text, file);
        cases += count;
        if actual == text {
            continue;
        }
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(file, actual).unwrap();
            continue;
        }
        let mut difference = String::new();
        for (old, new) in text.lines().zip(actual.lines()).filter(|(old, new)| old != new).take(5) {
            writeln!(difference, "- {old}\n+ {new}").unwrap();
        }
        wrong.push(format!("{} differs from what runs:\n{difference}", file.display()));
    }
    assert!(cases >= 20, "only {cases} spec cases were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path);
        }
    }
}

/// The text with every timeline replaced by what running its case gives, and how many there were.
fn run_cases(text: &str, file: &Path) -> (String, usize) {
    let (mut out, mut cases) = (String::new(), 0);
    let mut program: Option<Program> = None;
    let mut mocks = Mocks::default();
    let mut input = Json::Object(Object::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        writeln!(out, "{line}").unwrap();
        if line.starts_with("## ") {
            mocks = Mocks::default();
            input = Json::Object(Object::new());
        }
        let Some(kind @ ("asl" | "mocks" | "input" | "timeline")) = line.strip_prefix("```") else {
            continue;
        };
        let body: String = lines
            .by_ref()
            .take_while(|line| *line != "```")
            .fold(String::new(), |body, line| body + line + "\n");
        let at = || format!("{}, ```{kind} before {body}", file.display());
        match kind {
            "asl" => {
                let definition = Definition::parse(&body, Syntax::Strict)
                    .unwrap_or_else(|e| panic!("{}: {e}", at()));
                let errors: Vec<_> = stepwright_program::check(&definition)
                    .into_iter()
                    .filter(stepwright_source::Diagnostic::is_error)
                    .collect();
                assert!(errors.is_empty(), "{}: {errors:?}", at());
                program = Some(stepwright_program::compile(&definition).expect("it was checked"));
            }
            "mocks" => {
                let tree =
                    read_data(&body, "mocks.yaml").unwrap_or_else(|e| panic!("{}: {e:?}", at()));
                mocks = Mocks::parse(&tree).unwrap_or_else(|error| panic!("{}: {error}", at()));
            }
            "input" => {
                input = stepwright_json::parse(&body).unwrap_or_else(|e| panic!("{}: {e}", at()));
            }
            _ => {
                let program = program.as_ref().unwrap_or_else(|| panic!("{}: no definition", at()));
                cases += 1;
                writeln!(out, "{}```", timeline(program, &mut mocks.clone(), &input)).unwrap();
                continue;
            }
        }
        writeln!(out, "{body}```").unwrap();
    }
    (out, cases)
}

/// An execution on a server is told like one that runs here: what a person sees of a history of AWS's
/// is what he sees of the events themselves.
fn same_when_recorded(program: &Program, events: &[Event]) {
    let program = Arc::new(program.clone());
    let seen = |timeline: &mut Timeline, events: &[Event]| -> Vec<Line> {
        let lines = events.iter().filter_map(|event| timeline.line(event));
        // AWS records no waits and no children of map runs.
        let is_told = |line: &Line| {
            line.weight == Weight::Main
                && !["wait", "children", "write", "updated"].contains(&line.verb)
                && !line.subject.contains('#')
        };
        lines.filter(is_told).collect()
    };
    let here = seen(&mut Timeline::of(program.clone()), events);
    let recorded = stepwright_history::aws::project(events);
    // As a page comes after a page.
    let mut reader = Reader::default();
    let (first, second) = recorded.split_at(recorded.len() / 2);
    let mut read = reader.read(first, Some(&program), true);
    read.extend(reader.read(second, Some(&program), false));
    let there = seen(&mut Timeline::of_recorded(program), &read);
    let told = |line: &Line| {
        let at = (line.at_millis, line.depth, line.item.to_string());
        (at, line.verb, line.subject.clone(), line.data.clone(), line.failure.clone())
    };
    let texts = |lines: &[Line]| lines.iter().map(told).collect::<Vec<_>>();
    let (here, there) = (texts(&here), texts(&there));
    for (at, line) in here.iter().enumerate() {
        assert_eq!(Some(line), there.get(at), "line {at} of {here:#?}\n{there:#?}");
    }
    assert_eq!(here.len(), there.len());
}

fn timeline(program: &Program, mocks: &mut Mocks, input: &Json) -> String {
    let objects = mocks.objects.clone();
    let run = Simulation::new(program).input(input.clone()).objects(objects).run(mocks);
    same_when_recorded(program, &run.events);
    let mut out = String::new();
    for line in Timeline::lines(&run.events) {
        let at = line.at_millis as f64 / 1_000.0;
        let indent = "  ".repeat(line.depth);
        let text = format!(
            "{at:>10.3}  {indent}{:<10}{}  {}",
            line.verb,
            line.subject,
            stepwright_timeline::text(&line)
        );
        writeln!(out, "{}", text.trim_end()).unwrap();
    }
    out
}
