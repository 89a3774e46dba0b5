use crate::find::{self, text};
use crate::follow::Followed;
use crate::history::{finish, screen};
use crate::{Client, Redrive, Start, Stop};
use std::io::Read as _;
use std::process::ExitCode;
use stepwright_json::Json;
use stepwright_terminal::report::Failure;

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
    let started = client.call("StartExecution", &request.into())?;
    let arn = text(&started, "executionArn").to_owned();
    anstream::println!("{arn}");
    match arguments.follow {
        true => follow(&client, arn, arguments.verbose),
        false => Ok(ExitCode::SUCCESS),
    }
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
    match arguments.follow {
        true => follow(&client, arn, false),
        false => Ok(ExitCode::SUCCESS),
    }
}

fn follow(client: &Client, arn: String, verbose: bool) -> Result<ExitCode, Failure> {
    if arn.split(':').nth(5) == Some("express") {
        return Err(Failure::new("an Express execution has no history that could be followed")
            .help("`stepwright run FILE` shows its timeline"));
    }
    let screen = screen(verbose);
    let mut followed = Followed::new(client, arn)?;
    followed.introduce(&screen);
    let described = followed.to_the_end(client, &screen)?;
    let code = finish(&followed, &described, &screen);
    if let Some(output) = described.get("output").and_then(Json::as_str) {
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
