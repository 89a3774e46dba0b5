use crate::find::{self, text};
use crate::follow::Followed;
use crate::history::{finish, screen};
use crate::{Client, Fork, Redrive, Start, Stop};
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;
use stepwright_asl::read_data;
use stepwright_json::{Json, Object};
use stepwright_terminal::report::Failure;
use stepwright_terminal::{Screen, Shown};

/// The longest input that the API takes; a longer one is refused by the server.
const MOST_BYTES: u64 = 16 << 20;

/// `stepwright start`: exit code 1 if it is followed and does not succeed.
pub fn start(arguments: &Start) -> Result<ExitCode, Failure> {
    let input = input(arguments.input.as_deref())?;
    let client = arguments.connection.client(Some(&arguments.machine))?;
    let machine = find::machine(&client, &arguments.machine)?;
    let mut request = find::request(&[("stateMachineArn", &machine), ("input", &input)]);
    if let Some(name) = &arguments.name {
        request.insert("name", name.as_str().into());
    }
    if arguments.follow && is_express(&client, &machine)? {
        return express(&client, &request);
    }
    let started = client.call("StartExecution", &request.into())?;
    let arn = text(&started, "executionArn").to_owned();
    anstream::println!("{arn}");
    if arguments.follow {
        return follow(&client, arn, arguments.verbose);
    }
    Ok(ExitCode::SUCCESS)
}

/// `stepwright stop`
pub fn stop(arguments: &Stop) -> Result<ExitCode, Failure> {
    let client = arguments.connection.client(Some(&arguments.execution))?;
    let arn = find::execution(&client, &arguments.execution)?;
    let mut request = find::request(&[("executionArn", &arn)]);
    for (key, given) in [("error", &arguments.error), ("cause", &arguments.cause)] {
        if let Some(given) = given {
            request.insert(key, given.as_str().into());
        }
    }
    client.call("StopExecution", &request.into())?;
    anstream::println!("stopped {arn}");
    Ok(ExitCode::SUCCESS)
}

/// `stepwright redrive`: exit code 1 if it is followed and does not succeed.
pub fn redrive(arguments: &Redrive) -> Result<ExitCode, Failure> {
    let client = arguments.connection.client(Some(&arguments.execution))?;
    let arn = find::execution(&client, &arguments.execution)?;
    client.call("RedriveExecution", &find::request(&[("executionArn", &arn)]).into())?;
    anstream::println!("redriven {arn}");
    if arguments.follow {
        return follow(&client, arn, false);
    }
    Ok(ExitCode::SUCCESS)
}

/// `stepwright fork`: exit code 1 if it is followed and does not succeed.
pub fn fork(arguments: &Fork) -> Result<ExitCode, Failure> {
    let client = arguments.connection.client(Some(&arguments.execution))?;
    let arn = find::execution(&client, &arguments.execution)?;
    let mut request = find::request(&[("executionArn", &arn), ("state", &arguments.state)]);
    if arguments.input.is_some() {
        request.insert("input", input(arguments.input.as_deref())?.into());
    }
    for (key, given) in [("variables", &arguments.variables), ("name", &arguments.name)] {
        if let Some(given) = given {
            request.insert(key, given.as_str().into());
        }
    }
    if let Some(file) = &arguments.definition {
        request.insert("definition", definition(file)?.into());
    }
    let started = client.send("/fork", None, &request.into())?;
    let arn = text(&started, "executionArn").to_owned();
    anstream::println!("{arn}");
    if arguments.follow {
        return follow(&client, arn, false);
    }
    Ok(ExitCode::SUCCESS)
}

/// A definition as the API takes it: JSON stays as it is; YAML and JSON with comments become JSON.
fn definition(file: &Path) -> Result<String, Failure> {
    let failed = |why: String| Failure::new(format!("{}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    if stepwright_json::parse(&text).is_ok() {
        return Ok(text);
    }
    let read = read_data(&text, &file.to_string_lossy());
    Ok(read.map_err(|wrong| failed(wrong.message.clone()))?.to_json().to_string())
}

fn follow(client: &Client, arn: String, verbose: bool) -> Result<ExitCode, Failure> {
    let screen = screen(verbose);
    let mut followed = Followed::new(client, arn);
    followed.introduce(&screen);
    let described = followed.until_the_end(client, &screen)?;
    let code = finish(&followed, &described, &screen);
    if let Some(output) = described.get("output").and_then(Json::as_str) {
        anstream::println!("{output}");
    }
    Ok(code)
}

fn is_express(client: &Client, machine: &str) -> Result<bool, Failure> {
    let arn = machine.split('#').next().unwrap_or(machine);
    let described =
        client.call("DescribeStateMachine", &find::request(&[("stateMachineArn", arn)]).into())?;
    Ok(text(&described, "type") == "EXPRESS")
}

/// Runs an Express execution to its end. It has no history, so it has no timeline.
fn express(client: &Client, request: &Object) -> Result<ExitCode, Failure> {
    let ran = client.call("StartSyncExecution", &request.clone().into())?;
    let arn = text(&ran, "executionArn").to_owned();
    anstream::println!("{arn}");
    let followed = Followed::new(client, arn);
    let code = finish(&followed, &ran, &Screen::new(Shown::Nothing));
    if let Some(output) = ran.get("output").and_then(Json::as_str) {
        anstream::println!("{output}");
    }
    Ok(code)
}

fn input(given: Option<&str>) -> Result<String, Failure> {
    let text = match given {
        None => return Ok("{}".to_owned()),
        Some("-") => {
            let mut text = String::new();
            let read = std::io::stdin().lock().take(MOST_BYTES).read_to_string(&mut text);
            read.map_err(|error| Failure::new(format!("standard input: {error}")))?;
            text
        }
        Some(text) => text.to_owned(),
    };
    match stepwright_json::parse(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::new(format!("the input is not JSON: {error}"))),
    }
}
