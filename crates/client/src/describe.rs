use crate::find::{self, millis, moment, text};
use crate::{Describe, Form};
use std::process::ExitCode;
use stepwright_json::{Json, Object};
use stepwright_terminal::report::Failure;

/// `stepwright describe`
pub fn describe(arguments: &Describe) -> Result<ExitCode, Failure> {
    let what = arguments.what.as_str();
    let client = arguments.connection.client(Some(what))?;
    let is_machine = if what.starts_with("arn:") {
        what.split(':').nth(5) == Some("stateMachine")
    } else {
        find::machines(&client)?.iter().any(|machine| text(machine, "name") == what)
    };
    let (operation, key, arn) = match what.split(':').nth(5) {
        _ if is_machine => {
            ("DescribeStateMachine", "stateMachineArn", find::machine(&client, what)?)
        }
        Some("mapRun") => ("DescribeMapRun", "mapRunArn", what.to_owned()),
        Some("activity") => ("DescribeActivity", "activityArn", what.to_owned()),
        _ => ("DescribeExecution", "executionArn", find::execution(&client, what)?),
    };
    let described = client.call(operation, &find::request(&[(key, &arn)]).into())?;
    arguments.printed.json(&described)?;
    if arguments.printed.form() == Form::Json {
        return Ok(ExitCode::SUCCESS);
    }
    for (key, value) in described.as_object().into_iter().flat_map(Object::iter) {
        let shown = match value {
            Json::Null => continue,
            Json::Object(details) if key.ends_with("Details") && details.len() < 2 => continue,
            _ if key.ends_with("Date") => millis(&described, key).map(moment).unwrap_or_default(),
            // Data and definitions are JSON in a text.
            Json::String(text) if text.starts_with(['{', '[']) => {
                stepwright_json::parse(text).map_or_else(|_| text.to_string(), |json| json.pretty())
            }
            Json::String(text) => text.to_string(),
            other => other.to_string(),
        };
        if shown.contains('\n') {
            anstream::println!("{key}:\n  {}", shown.replace('\n', "\n  "));
        } else {
            anstream::println!("{key}: {shown}");
        }
    }
    Ok(ExitCode::SUCCESS)
}
