//! `stepwright explore`: finds what can go wrong with a definition.

use crate::args::{Explore, Output};
use crate::input;
use crate::report::Failure;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use stepwright_asl::NamedDefinition;
use stepwright_source::Diagnostic;
use stepwright_testkit::{Exploration, ExploreOptions, FindingKind, Script, state_span};

/// `stepwright explore`: exit code 1 if something is found.
pub(crate) fn explore(arguments: &Explore) -> Result<ExitCode, Failure> {
    let named = input::pick(&arguments.file, &arguments.load)?;
    let program = super::compile(&named)?;
    let given = match arguments.input.as_deref().map(stepwright_json::parse) {
        None => None,
        Some(Ok(input)) => Some(input),
        Some(Err(error)) => {
            return Err(Failure::new(format!("the input is not JSON: {error}")));
        }
    };
    let machine = super::run::identity(&named, &arguments.file).state_machine_name.to_string();
    let options = ExploreOptions { input: given, runs: arguments.runs, machine };
    let end = Instant::now() + Duration::from_secs(arguments.seconds);
    let is_over = || Instant::now() >= end;
    let explored = stepwright_testkit::explore(&named.definition, &program, &options, &is_over);
    if arguments.printed.form() == Output::Text {
        print(&explored, &named);
    }
    arguments.printed.json(&explored.to_json(&named.definition))?;
    if let Some(folder) = &arguments.save {
        save(&explored, folder, &arguments.file)?;
    }
    Ok(ExitCode::from(u8::from(!explored.findings.is_empty())))
}

fn print(explored: &Exploration, named: &NamedDefinition) {
    for finding in &explored.findings {
        let mut help = finding.help.clone();
        if let Some(script) = &finding.script
            && finding.kind != FindingKind::LargePayload
        {
            help = format!("{help}\nshown by: {}", telling(script));
        }
        let mut diagnostic =
            Diagnostic::warning(finding.kind.name(), finding.message.clone()).help(help);
        if let Some(span) = state_span(&named.definition, &finding.state) {
            diagnostic = diagnostic.span(span);
        }
        anstream::println!(
            "{}",
            stepwright_source::render(&named.file, &named.definition.text, &diagnostic)
        );
    }
    for (state, why) in &explored.blocked {
        let why = cut(why, 300);
        anstream::eprintln!("note: the values that were made do not get past `{state}`: {why}");
    }
    if explored.is_cut_off {
        anstream::eprintln!(
            "note: there is more to try after {} runs; allow more with --runs and --seconds",
            explored.runs
        );
    }
    let states = explored.coverage.shares[0];
    let count = explored.findings.len();
    anstream::println!(
        "{} in {} runs, which reached {} of {} states",
        match count {
            0 => "nothing was found".to_owned(),
            1 => "1 thing was found".to_owned(),
            count => format!("{count} things were found"),
        },
        explored.runs,
        states.used,
        states.all
    );
}

/// The mocks that lead to the finding, on one line.
fn telling(script: &Script) -> String {
    let mocks = script.telling();
    let shown: Vec<String> = mocks
        .iter()
        .take(4)
        .map(|(state, mock)| format!("{state}: {}", cut(&mock.to_string(), 160)))
        .collect();
    let more = mocks.len().saturating_sub(4);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    if shown.is_empty() {
        return format!("the input {}", cut(&script.input.to_string(), 160));
    }
    format!("{}{more}", shown.join("; "))
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Writes the findings as a test file.
fn save(explored: &Exploration, folder: &Path, definition: &Path) -> Result<(), Failure> {
    if explored.findings.iter().all(|finding| finding.script.is_none()) {
        anstream::eprintln!("note: no run shows anything, so there is nothing to save");
        return Ok(());
    }
    let failed = |path: &Path, error: std::io::Error| {
        Failure::new(format!("cannot write {}: {error}", path.display()))
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let name = definition.file_name().and_then(|name| name.to_str()).unwrap_or("definition");
    let stem = name.split('.').next().unwrap_or(name);
    let path = folder.join(format!("{stem}.explored.test.yaml"));
    let from = relative(folder, definition).unwrap_or_else(|| definition.display().to_string());
    std::fs::write(&path, explored.test_file(&from)).map_err(|error| failed(&path, error))?;
    anstream::eprintln!("wrote {}", path.display());
    Ok(())
}

/// The relative path from a directory to a file.
fn relative(folder: &Path, file: &Path) -> Option<String> {
    let (folder, file) = (folder.canonicalize().ok()?, file.canonicalize().ok()?);
    let common = folder.components().zip(file.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(common).map(|_| "..".to_owned());
    let down = file.components().skip(common);
    let down = down.map(|part| part.as_os_str().to_string_lossy().into_owned());
    Some(up.chain(down).collect::<Vec<_>>().join("/"))
}
