//! `stepwright record`: makes a test file from a server's execution.

use crate::args::Record;
use crate::report::Failure;
use std::path::PathBuf;
use std::process::ExitCode;
use stepwright_asl::{Definition, NamedDefinition};
use stepwright_client::{execution, pages};
use stepwright_json::{Json, Object, Syntax, json};
use stepwright_testkit::Recording;

/// Writes `NAME.asl.json` and `NAME.test.yaml`.
pub(crate) fn record(arguments: &Record) -> Result<ExitCode, Failure> {
    let client = arguments.connection.client(Some(&arguments.arn))?;
    let arn = &*execution(&client, &arguments.arn)?;
    let parts: Vec<&str> = arn.split(':').collect();
    let ["arn", _, "states", _, _, "execution", machine, name] = parts[..] else {
        let message = format!("`{arn}` is not the ARN of a standard execution");
        return Err(Failure::new(message)
            .help("it looks like arn:aws:states:REGION:ACCOUNT:execution:MACHINE:NAME"));
    };
    let about = json!({"executionArn": arn});
    let machine_of = client.call("DescribeStateMachineForExecution", &about)?;
    let mut about_history = Object::new();
    about_history.insert("executionArn", arn.into());
    about_history.insert("maxResults", Json::Int(1_000));
    about_history.insert("includeExecutionData", Json::Bool(true));
    let events = pages(&client, "GetExecutionHistory", &about_history, "events", usize::MAX)?;
    let history: Object = [("events", Json::from(events))].into_iter().collect();
    let history = Json::from(history);
    let mut recording = Recording::read(&history)
        .map_err(|error| Failure::new(format!("the history of {arn}: {error}")))?
        .of_execution(arn);
    if let Some(role) = machine_of.get("roleArn").and_then(Json::as_str) {
        recording.identity.role_arn = role.into();
    }
    let text = machine_of.get("definition").and_then(Json::as_str).unwrap_or_default();
    let definition = Definition::parse(text, Syntax::Strict)
        .map_err(|error| Failure::new(format!("the definition of {machine}: {error}")))?;
    // Pretty-printed, as a person would write it.
    let pretty = definition.root.to_json().pretty() + "\n";
    let definition_file = format!("{machine}.asl.json");
    let name_of_machine = Some(machine.to_owned());
    let named = NamedDefinition::new(name_of_machine, definition_file.clone(), definition);
    let program = super::compile(&named)?;
    let name_of = |event: &Json| event.get("stateEnteredEventDetails")?.get("name").cloned();
    let events = history.get("events").and_then(Json::as_array);
    let first = events.and_then(|events| events.iter().find_map(name_of));
    let start = &program.state(program.start).name;
    if let Some(first) =
        first.as_ref().and_then(Json::as_str).filter(|first| *first != start.as_str())
    {
        let why = format!("{arn} began at `{first}`, and a test begins at `{start}`");
        return Err(Failure::new(why)
            .help("record the execution that it was forked from, or that its map run belongs to"));
    }
    let recorded =
        stepwright_testkit::record(&recording, name, &program, &definition_file, pretty.as_bytes());
    for (file, text) in
        [(definition_file, pretty), (format!("{machine}-{name}.test.yaml"), recorded.text)]
    {
        write(&arguments.output.join(file), &text, arguments.force)?;
    }
    for note in &recorded.notes {
        anstream::eprintln!("note: {note}");
    }
    Ok(ExitCode::SUCCESS)
}

fn write(path: &PathBuf, text: &str, force: bool) -> Result<(), Failure> {
    let is_same = std::fs::read_to_string(path).is_ok_and(|there| there == text);
    if path.exists() && !force && !is_same {
        return Err(Failure::new(format!("{} is there already", path.display()))
            .help("replace it with --force, or write elsewhere with --output DIR"));
    }
    let failed =
        |error: std::io::Error| Failure::new(format!("cannot write {}: {error}", path.display()));
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, text).map_err(failed)?;
    anstream::println!("wrote {}", path.display());
    Ok(())
}
