use crate::find::{self, millis, moment, pages, text};
use crate::{Form, List};
use std::process::ExitCode;
use stepwright_history::duration;
use stepwright_json::{Json, Object};
use stepwright_terminal::report::Failure;

/// `stepwright list`
pub fn list(arguments: &List) -> Result<ExitCode, Failure> {
    let client = arguments.connection.client(arguments.machine.as_deref())?;
    let (key, found) = match &arguments.machine {
        None if arguments.status.is_some() => {
            return Err(Failure::new("`--status` goes with a state machine: stepwright list NAME"));
        }
        None => ("stateMachines", find::machines(&client)?),
        Some(machine) => {
            let machine = find::machine(&client, machine)?;
            let mut request = find::request(&[("stateMachineArn", &machine)]);
            if let Some(status) = &arguments.status {
                request.insert("statusFilter", status.to_uppercase().replace('-', "_").into());
            }
            (
                "executions",
                pages(&client, "ListExecutions", &request, "executions", arguments.most)?,
            )
        }
    };
    if arguments.printed.wants_json() {
        let mut object = Object::new();
        object.insert(key, found.clone().into());
        arguments.printed.json(&object.into())?;
    }
    if arguments.printed.form() == Form::Json {
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<[String; 4]> = found.iter().take(arguments.most).map(row).collect();
    let heads = match key {
        "executions" => ["NAME", "STATUS", "STARTED", "TOOK"],
        _ => ["NAME", "TYPE", "CREATED", ""],
    };
    print(heads, &rows);
    if found.len() > arguments.most {
        anstream::println!("… {} more; --most shows more of them", found.len() - arguments.most);
    }
    Ok(ExitCode::SUCCESS)
}

fn row(one: &Json) -> [String; 4] {
    let name = text(one, "name").to_owned();
    if one.get("executionArn").is_none() {
        let created = millis(one, "creationDate").map(moment).unwrap_or_default();
        return [name, text(one, "type").to_lowercase(), created, String::new()];
    }
    let (start, stop) = (millis(one, "startDate"), millis(one, "stopDate"));
    let took = start.zip(stop).map(|(start, stop)| duration(stop - start)).unwrap_or_default();
    let status = text(one, "status").to_lowercase().replace('_', " ");
    [name, status, start.map(moment).unwrap_or_default(), took]
}

fn print(heads: [&str; 4], rows: &[[String; 4]]) {
    let mut widths = heads.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let [a, b, c, _] = widths;
    let [name, kind, at, took] = heads;
    anstream::println!("{}", format!("{name:<a$}  {kind:<b$}  {at:<c$}  {took}").trim_end());
    for [name, kind, at, took] in rows {
        anstream::println!("{}", format!("{name:<a$}  {kind:<b$}  {at:<c$}  {took}").trim_end());
    }
}
