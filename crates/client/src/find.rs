//! Names as a person writes them, and answers that come in pages.

use crate::Client;
use stepwright_json::{Json, Object};
use stepwright_terminal::report::Failure;

/// The largest number of pages that are read.
const MOST_PAGES: usize = 1_000;

/// The members of all pages of an answer, until there are `most`.
pub fn pages(
    client: &Client,
    operation: &str,
    request: &Object,
    list: &str,
    most: usize,
) -> Result<Vec<Json>, Failure> {
    let mut found: Vec<Json> = Vec::new();
    let mut request = request.clone();
    for _ in 0..MOST_PAGES {
        let page = client.call(operation, &request.clone().into())?;
        let items = page.get(list).and_then(Json::as_array);
        found.extend(items.into_iter().flat_map(|items| items.to_vec()));
        let token = page.get("nextToken").filter(|token| !token.is_null());
        match token {
            Some(token) if found.len() < most => request.insert("nextToken", token.clone()),
            _ => break,
        };
    }
    found.truncate(most);
    Ok(found)
}

pub(crate) fn text<'j>(json: &'j Json, key: &str) -> &'j str {
    json.get(key).and_then(Json::as_str).unwrap_or_default()
}

pub(crate) fn request(members: &[(&'static str, &str)]) -> Object {
    members.iter().map(|(key, value)| (*key, Json::from(*value))).collect()
}

/// All state machines of a server.
pub(crate) fn machines(client: &Client) -> Result<Vec<Json>, Failure> {
    pages(client, "ListStateMachines", &Object::new(), "stateMachines", usize::MAX)
}

/// The ARN of a state machine that is named by its ARN or its name.
pub(crate) fn machine(client: &Client, named: &str) -> Result<String, Failure> {
    if named.starts_with("arn:") {
        return Ok(named.to_owned());
    }
    let (name, rest) = named.split_at(named.find(['#', ':']).unwrap_or(named.len()));
    let machines = machines(client)?;
    let found = machines.iter().find(|machine| text(machine, "name") == name);
    if let Some(found) = found {
        return Ok(format!("{}{rest}", text(found, "stateMachineArn")));
    }
    let names: Vec<&str> = machines.iter().map(|machine| text(machine, "name")).collect();
    let failure = Failure::new(format!("the server has no state machine `{name}`"));
    Err(match near(name, &names) {
        Some(near) => failure.help(format!("did you mean `{near}`?")),
        None if names.is_empty() => failure.help("it has none at all"),
        None => failure.help(format!("it has {}", names.join(", "))),
    })
}

fn near<'n>(name: &str, names: &[&'n str]) -> Option<&'n str> {
    let is_part = |other: &&&str| other.contains(name) || name.contains(**other);
    let mut parts = names.iter().filter(is_part);
    match (parts.next(), parts.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// The ARN of an execution that is named by its ARN, by MACHINE:NAME, by its name, or by its state
/// machine, of which the latest is meant.
pub fn execution(client: &Client, named: &str) -> Result<String, Failure> {
    if named.starts_with("arn:") {
        let kind = named.split(':').nth(5).unwrap_or_default();
        if kind != "stateMachine" {
            return Ok(named.to_owned());
        }
        return latest(client, named)?
            .ok_or_else(|| Failure::new(format!("{named} has no executions")));
    }
    let machines = machines(client)?;
    let split = named.split_once([':', '/']);
    for machine in &machines {
        let (arn, name) = (text(machine, "stateMachineArn"), text(machine, "name"));
        match split {
            Some((of, execution)) if of == name => {
                let prefix = arn.replacen(":stateMachine:", ":execution:", 1);
                return Ok(format!("{prefix}:{execution}"));
            }
            None if named == name => {
                return latest(client, arn)?
                    .ok_or_else(|| Failure::new(format!("`{name}` has no executions")));
            }
            _ => {}
        }
    }
    for machine in machines.iter().filter(|machine| text(machine, "type") != "EXPRESS") {
        let request = request(&[("stateMachineArn", text(machine, "stateMachineArn"))]);
        let executions = pages(client, "ListExecutions", &request, "executions", 10_000)?;
        if let Some(found) = executions.iter().find(|one| text(one, "name") == named) {
            return Ok(text(found, "executionArn").to_owned());
        }
    }
    Err(Failure::new(format!("the server has no execution and no state machine `{named}`")).help(
        "`stepwright list` shows the state machines, `stepwright list NAME` the executions of one",
    ))
}

fn latest(client: &Client, machine: &str) -> Result<Option<String>, Failure> {
    let request = request(&[("stateMachineArn", machine)]);
    let executions = pages(client, "ListExecutions", &request, "executions", 1)?;
    Ok(executions.first().map(|one| text(one, "executionArn").to_owned()))
}

/// A moment of the API, seconds since 1970, in milliseconds.
pub(crate) fn millis(json: &Json, key: &str) -> Option<i64> {
    match json.get(key)? {
        Json::Int(seconds) => Some(seconds * 1_000),
        Json::Float(seconds) => Some((seconds * 1_000.0).round() as i64),
        Json::String(text) => stepwright_program::time::parse(text),
        _ => None,
    }
}

/// A moment as a person reads it: `2026-11-29 22:41:07Z`.
pub(crate) fn moment(millis: i64) -> String {
    let text = stepwright_program::time::format(millis);
    let day = text.split_once('T');
    day.map_or(text.clone(), |(day, time)| format!("{day} {}Z", time.get(..8).unwrap_or(time)))
}
