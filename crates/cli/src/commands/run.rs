//! `stepwright run`: one execution, before somebody's eyes.
//!
//! In real time, it is an execution of an engine that keeps everything in memory, with the tasks of a
//! server. In virtual time, it is a simulation whose tasks are answered by the same code.

mod machines;
mod outcome;
mod plan;
mod screen;
#[cfg(test)]
mod three_ways;

use crate::args::{LimitsChoice, Output, Run};
use crate::config::Config;
use crate::input;
use crate::report::{self, Failure};
use machines::Machines;
use outcome::Outcome;
use plan::Plan;
use screen::Screen;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use stepwright_asl::{Definition, NamedDefinition};
use stepwright_engine::SystemClock;
use stepwright_functions::LogSink;
use stepwright_history::{Identity, duration};
use stepwright_interpreter::Status;
use stepwright_json::{Json, Object, Str};
use stepwright_program::{CheckOptions, Program};
use stepwright_simulator::Mocks;
use stepwright_source::Diagnostic;

/// The name of the execution.
const NAME: &str = "local";

/// The exit code of a program that was interrupted.
const INTERRUPTED: u8 = 130;

/// `stepwright run`: exit code 1 when the execution does not succeed.
pub(crate) fn run(arguments: &Run) -> Result<ExitCode, Failure> {
    let screen = Arc::new(match arguments.output {
        Output::Text => Screen::for_people(),
        Output::Json => Screen::silent(),
    });
    let mut config = Config::find(arguments.config.as_deref(), &arguments.file)?;
    let machines = Machines::read(arguments, &config, screen.clone())?;
    let input = find_input(arguments)?;
    let mocks = find_mocks(arguments)?.unwrap_or_default();
    let case = match (&arguments.mock_config, &arguments.test_case) {
        (Some(path), Some(case)) => Some(input::mock_case(path, &machines.main.name, case)?),
        _ => None,
    };
    if let Some(project) = &machines.project {
        project.add_functions(&mut config.functions);
    }
    let printing = screen.clone();
    let functions = config.functions(LogSink::new(move |line| printing.print(line.text)))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("the execution cannot be run: {error}")))?;
    let plan = Plan {
        machines,
        input,
        mocks,
        case,
        config,
        functions,
        limits: arguments.limits,
        seed: arguments.seed.map(|seed| [seed, seed ^ 0x5EED]),
        clock: Arc::new(SystemClock),
    };
    let outcome = if arguments.virtual_time {
        plan.run_virtual(&runtime, &screen)
    } else {
        let Some(outcome) = runtime.block_on(plan.run_real(&screen))? else {
            screen.finish();
            anstream::eprintln!("interrupted");
            return Ok(ExitCode::from(INTERRUPTED));
        };
        outcome
    };
    match arguments.output {
        Output::Text => print_ending(&outcome, arguments.limits),
        Output::Json => report::print_json(&outcome.to_json()),
    }
    let succeeded = matches!(outcome.status, Status::Succeeded { .. });
    Ok(ExitCode::from(u8::from(!succeeded)))
}

/// What the rules say of a definition.
pub(crate) fn diagnostics(definition: &Definition, express: bool) -> Vec<Diagnostic> {
    stepwright_program::check_with(definition, &CheckOptions { express, ..CheckOptions::default() })
}

/// The program of a definition; what is wrong with it is printed.
pub(crate) fn compile(named: &NamedDefinition) -> Result<Program, Failure> {
    let options = CheckOptions { express: named.express, ..CheckOptions::default() };
    let checked = stepwright_program::check_and_compile(&named.definition, &options);
    for diagnostic in checked.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()) {
        anstream::eprintln!("{}", report::render(&named.file, &named.definition.text, diagnostic));
    }
    checked.program.ok_or(Failure::Said)
}

/// `order.asl.yaml` and `input.json` give `order.input.json`.
fn beside(definition: &Path, ending: &str) -> PathBuf {
    let name = definition.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = name.split('.').next().unwrap_or(name);
    definition.with_file_name(format!("{stem}.{ending}"))
}

fn find_input(arguments: &Run) -> Result<Json, Failure> {
    let text = match (&arguments.input, &arguments.input_file) {
        (Some(dash), _) if dash == "-" => input::read_text(Path::new("-"))?,
        (Some(text), _) => text.clone(),
        (None, Some(path)) => return Ok(input::read_tree(path)?.0.to_json()),
        (None, None) => {
            let path = beside(&arguments.file, "input.json");
            if !path.is_file() {
                return Ok(Object::new().into());
            }
            return Ok(input::read_tree(&path)?.0.to_json());
        }
    };
    stepwright_json::parse(&text)
        .map_err(|error| Failure::new(format!("the input is not JSON: {error}")))
}

fn find_mocks(arguments: &Run) -> Result<Option<Mocks>, Failure> {
    let path = match &arguments.mocks {
        Some(path) => path.clone(),
        None => {
            let path = beside(&arguments.file, "mocks.yaml");
            if !path.is_file() {
                return Ok(None);
            }
            path
        }
    };
    read_mocks(&path).map(Some)
}

/// A mocks file; what is wrong with it is printed.
pub(crate) fn read_mocks(path: &Path) -> Result<Mocks, Failure> {
    let (tree, text) = input::read_tree(path)?;
    Mocks::parse(&tree).map_err(|error| {
        let mut diagnostic = Diagnostic::error("invalid-mocks", error.message).span(error.span);
        diagnostic.help = error.help;
        anstream::eprintln!("{}", report::render(&path.display().to_string(), &text, &diagnostic));
        Failure::Said
    })
}

/// Who an execution is that runs here.
pub(crate) fn identity(named: &NamedDefinition, file: &Path) -> Identity {
    let name = machines::name_of(named, file);
    identity_of(&format!("arn:aws:states:us-east-1:123456789012:stateMachine:{name}"), &name)
}

fn identity_of(machine_arn: &str, machine: &str) -> Identity {
    let execution = machine_arn.replacen(":stateMachine:", ":execution:", 1);
    let region: Str = machine_arn.split(':').nth(3).unwrap_or_default().into();
    Identity {
        execution_arn: format!("{execution}:{NAME}").into(),
        name: NAME.into(),
        role_arn: "arn:aws:iam::123456789012:role/stepwright".into(),
        state_machine_arn: machine_arn.into(),
        state_machine_name: machine.into(),
        region,
    }
}

fn print_ending(outcome: &Outcome, limits: LimitsChoice) {
    if limits == LimitsChoice::Extended {
        for remark in outcome.remarks() {
            anstream::eprintln!("note: {remark}");
        }
    }
    for state in &outcome.unused {
        anstream::eprintln!("note: the mock of `{state}` was not used");
    }
    let took = duration(outcome.end.0 - outcome.start.0);
    match &outcome.status {
        Status::Succeeded { output } => {
            anstream::eprintln!("succeeded in {took}");
            report::print_json(output);
        }
        Status::NotStarted | Status::Running => anstream::eprintln!(
            "still running after {took}: nothing will ever wake {}",
            outcome.stuck_in().join(", ")
        ),
        status => {
            anstream::eprintln!("{} after {took}", status.name().to_lowercase().replace('_', " "));
        }
    }
}
