use crate::args::{Check, Output};
use crate::report::{self, Failure};
use crate::{input, project};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use stepwright_json::Json;
use stepwright_program::CheckOptions;
use stepwright_source::{Diagnostic, LineIndex, Severity};

/// `stepwright check`: exit code 2 if there is an error, 1 if a warning is denied.
pub(crate) fn check(arguments: &Check) -> Result<ExitCode, Failure> {
    let (mut errors, mut warnings, mut machines) = (0usize, 0usize, 0usize);
    let mut lines: Vec<Json> = Vec::new();
    for path in &arguments.files {
        if arguments.fix {
            mend(path, arguments)?;
        }
        // The errors of a project are at their places in its text, and not in the definitions.
        let is_project = project::is_project(path);
        let loaded =
            if is_project { project::check(path)? } else { input::load(path, &arguments.load)? };
        let mut found: Vec<(&str, &str, Vec<Diagnostic>)> = Vec::new();
        for complaint in &loaded.complaints {
            found.push((&complaint.file, &complaint.text, vec![complaint.diagnostic.clone()]));
        }
        let wanted = arguments.load.state_machine.as_deref();
        for named in &loaded.definitions {
            let is_wanted = wanted.is_none_or(|wanted| {
                [named.name.as_deref(), named.logical_id.as_deref()].contains(&Some(wanted))
            });
            if !is_wanted {
                continue;
            }
            machines += 1;
            if is_project {
                continue;
            }
            let express = arguments.express || named.express;
            let options = CheckOptions { express, ..CheckOptions::default() };
            let diagnostics = stepwright_program::check_named(named, &options);
            found.push((&named.file, &named.definition.text, diagnostics));
        }
        for (file, text, diagnostics) in &found {
            let count =
                |severity| diagnostics.iter().filter(|one| one.severity == severity).count();
            errors += count(Severity::Error);
            warnings += count(Severity::Warning);
            if arguments.printed.wants_json() {
                let index = LineIndex::new(text);
                let json = |one| report::to_json(file, text, &index, one);
                lines.extend(diagnostics.iter().map(json));
            }
            if arguments.printed.form() == Output::Text {
                for rendering in report::renderings(file, text, diagnostics) {
                    anstream::println!("{rendering}\n");
                }
            }
        }
    }
    arguments.printed.json(&Json::from(lines))?;
    match arguments.printed.form() {
        Output::Json => {}
        Output::Text => {
            let many = |count: usize, what: &str| {
                format!("{count} {what}{}", if count == 1 { "" } else { "s" })
            };
            anstream::println!(
                "{} checked: {}, {}",
                many(machines, "state machine"),
                many(errors, "error"),
                many(warnings, "warning")
            );
        }
    }
    Ok(ExitCode::from(if errors > 0 {
        2
    } else {
        u8::from(arguments.deny_warnings && warnings > 0)
    }))
}

/// Makes the changes that the rules suggest, in the file and in those that it names.
fn mend(path: &Path, arguments: &Check) -> Result<(), Failure> {
    if path == Path::new("-") {
        return Err(Failure::new("--fix changes files, and standard input is none"));
    }
    if project::is_project(path) {
        let what = format!("{} is a project: --fix changes no Python", path.display());
        return Err(Failure::new(what));
    }
    let loaded = input::load(path, &arguments.load)?;
    let mut found: BTreeMap<&str, (&str, Vec<Diagnostic>)> = BTreeMap::new();
    for one in &loaded.complaints {
        let entry = found.entry(&one.file).or_insert_with(|| (&one.text, Vec::new()));
        entry.1.push(one.diagnostic.clone());
    }
    for named in &loaded.definitions {
        let express = arguments.express || named.express;
        let options = CheckOptions { express, ..CheckOptions::default() };
        let text = &named.definition.text;
        let entry = found.entry(&named.file).or_insert_with(|| (text, Vec::new()));
        entry.1.extend(stepwright_program::check_named(named, &options));
    }
    for (file, (text, diagnostics)) in found {
        let edits = stepwright_asl::first_edits(text, &diagnostics);
        if edits.is_empty() {
            continue;
        }
        // The text of a file is without the mark that some begin with.
        let mark = if input::read(Path::new(file))?.starts_with(MARK) { MARK } else { b"" };
        let mended = stepwright_asl::apply(text, &edits);
        std::fs::write(file, [mark, mended.as_bytes()].concat())
            .map_err(|error| Failure::new(format!("cannot write {file}: {error}")))?;
        let what = if edits.len() == 1 { "change" } else { "changes" };
        anstream::eprintln!("{file}: {} {what} made", edits.len());
    }
    Ok(())
}

/// What some editors write at the beginning of a text.
const MARK: &[u8] = b"\xEF\xBB\xBF";
