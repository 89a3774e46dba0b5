use crate::find::{self, millis, text};
use crate::follow::Followed;
use crate::{Client, Form, History, Why};
use std::process::ExitCode;
use stepwright_history::{Failure as Reason, duration};
use stepwright_json::{Json, Object, json};
use stepwright_terminal::report::Failure;
use stepwright_terminal::{Screen, Shown, width};
use stepwright_timeline::{Culprit, explain};

/// `stepwright history`: exit code 1 if the execution has ended badly.
pub fn history(arguments: &History) -> Result<ExitCode, Failure> {
    let client = arguments.connection.client(Some(&arguments.execution))?;
    let arn = find::execution(&client, &arguments.execution)?;
    let mut followed = Followed::new(&client, arn);
    if arguments.printed.wants_json() {
        let silent = Screen::new(Shown::Nothing);
        followed.read(&client, &silent, true)?;
        let mut object = Object::new();
        object.insert("events", std::mem::take(&mut followed.events).into());
        arguments.printed.json(&object.into())?;
        if arguments.printed.form() == Form::Json {
            return Ok(ExitCode::SUCCESS);
        }
        followed = Followed::new(&client, followed.arn);
    }
    let screen = screen(arguments.verbose);
    followed.introduce(&screen);
    let described = if arguments.follow {
        followed.until_the_end(&client, &screen)?
    } else {
        let described = followed.status(&client)?;
        followed.read(&client, &screen, false)?;
        described
    };
    Ok(finish(&followed, &described, &screen))
}

/// `stepwright why`: exit code 1 if the execution has ended badly.
pub fn why(arguments: &Why) -> Result<ExitCode, Failure> {
    let client = arguments.connection.client(Some(&arguments.execution))?;
    let arn = find::execution(&client, &arguments.execution)?;
    let mut followed = Followed::new(&client, arn);
    let screen = Screen::new(Shown::Nothing);
    followed.introduce(&screen);
    let described = followed.status(&client)?;
    followed.read(&client, &screen, false)?;
    anstream::println!("{}", followed.arn);
    if text(&described, "status") == "RUNNING"
        && let Some(reason) = parked(&client, &followed.arn)
    {
        anstream::println!("the server leaves it alone: {reason}");
        anstream::println!("help: `stepwright parked --retry {}` tries it again", followed.arn);
        return Ok(ExitCode::SUCCESS);
    }
    Ok(finish(&followed, &described, &screen))
}

pub(crate) fn screen(verbose: bool) -> Screen {
    Screen::new(if verbose { Shown::Everything } else { Shown::News }).on_stdout()
}

/// Says how an execution has ended, or what it waits for. Returns the exit code for it.
pub(crate) fn finish(followed: &Followed, described: &Json, screen: &Screen) -> ExitCode {
    screen.finish();
    let took = || {
        let (start, stop) = (millis(described, "startDate")?, millis(described, "stopDate")?);
        Some(duration(stop - start))
    };
    let took = took().map(|took| format!(" after {took}")).unwrap_or_default();
    match text(described, "status") {
        "RUNNING" | "PENDING_REDRIVE" => {
            anstream::println!("still running:");
            for state in screen.standing() {
                anstream::println!("  {state}");
            }
            ExitCode::SUCCESS
        }
        "SUCCEEDED" => {
            anstream::println!("succeeded{took}");
            ExitCode::SUCCESS
        }
        status => {
            // The API leaves out what there is none of.
            let field = |key: &str| described.get(key).and_then(Json::as_str).map(Into::into);
            let failure = Reason { error: field("error"), cause: field("cause") };
            let culprit = screen.culprit().unwrap_or(Culprit { failure, ..Culprit::default() });
            let file = format!("{} (as the server has it)", followed.machine_name());
            let definition = followed.definition.as_ref().map(|it| (file.as_str(), it));
            anstream::println!("\n{}\n", explain(&culprit, definition, None, width()));
            anstream::println!("{}{took}", status.to_lowercase().replace('_', " "));
            ExitCode::FAILURE
        }
    }
}

/// Why a server of ours leaves an execution alone, if it does.
fn parked(client: &Client, arn: &str) -> Option<String> {
    if client.is_aws() {
        return None;
    }
    // Other servers do not have this.
    let reply = client.send("/parked", None, &json!({})).ok()?;
    let parked = reply.get("executions").and_then(Json::as_array)?;
    let one = parked.iter().find(|one| text(one, "executionArn") == arn)?;
    Some(text(one, "reason").to_owned())
}
