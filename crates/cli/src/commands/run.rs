//! `stepwright run`: one execution, shown as it happens.
//!
//! In real time, it runs on an engine that keeps everything in memory, with the tasks of a server.
//! In virtual time, it is a simulation whose tasks are answered by the same code.

mod machines;

use crate::args::{LimitsChoice, Output, Run};
use crate::config::Config;
use crate::console::OnScreen;
use crate::input;
use crate::report::{self, Failure};
use crate::signals::stopped;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;
use stepwright_asl::NamedDefinition;
use stepwright_engine::SystemClock;
use stepwright_functions::{LogSink, Place};
use stepwright_history::{Identity, duration};
use stepwright_interpreter::Status;
use stepwright_json::{Json, Object};
use stepwright_program::{CheckOptions, Program};
use stepwright_run::{Outcome, Plan};
use stepwright_server::config::LimitsName;
use stepwright_simulator::Mocks;
use stepwright_source::Diagnostic;
use stepwright_terminal::{Happening, KnownMachine, Screen, Shown, width};

/// The exit code of a program that was interrupted.
const INTERRUPTED: u8 = 130;

/// `stepwright run`: exit code 1 if the execution does not succeed.
pub(crate) fn run(arguments: &Run) -> Result<ExitCode, Failure> {
    let shown = match arguments.printed.form() {
        Output::Text if arguments.quiet => Shown::Nothing,
        Output::Text if arguments.verbose => Shown::Everything,
        Output::Text => Shown::News,
        Output::Json if !arguments.timeline => Shown::Nothing,
        Output::Json => Shown::News,
    };
    let screen = Arc::new(Screen::new(shown));
    let logs = arguments.follow || !arguments.quiet;
    let on_screen = Arc::new(OnScreen { screen: screen.clone(), logs });
    let mut config = Config::find(arguments.config.as_deref(), &arguments.file)?;
    let read = machines::read(arguments, &config, on_screen.clone())?;
    let machines = read.machines;
    let _inline_code = read.inline_code;
    // What the configuration says of a function comes before what a template says.
    for (name, function) in read.functions {
        config.functions.entry(name).or_insert(function);
    }
    for (arn, program) in machines.programs() {
        screen.know(&arn, KnownMachine { program: Some(program), is_recorded: false });
    }
    let input = find_input(arguments)?;
    let mocks = find_mocks(arguments)?.unwrap_or_default();
    let case = match (&arguments.mock_config, &arguments.test_case) {
        (Some(path), Some(case)) => Some(input::mock_case(path, machines.main.name(), case)?),
        _ => None,
    };
    if let Some(project) = &machines.project {
        project.add_functions(&mut config.functions);
    }
    let functions = config.functions(LogSink::new(move |line| on_screen.function(&line)))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("the execution cannot be run: {error}")))?;
    let mut server = config.server;
    server.limits = match arguments.limits {
        LimitsChoice::Aws => LimitsName::Aws,
        LimitsChoice::Extended => LimitsName::Extended,
    };
    let watching = screen.clone();
    let plan = Plan {
        machines,
        input,
        mocks,
        case,
        functions,
        server,
        services: config.aws.clone(),
        resources: stepwright_stacks::template(&config.resources),
        buckets: config.objects.folder.map(|path| config.folder.join(path)),
        seed: arguments.seed.map(|seed| [seed, seed ^ 0x5EED]),
        clock: Arc::new(SystemClock),
        watch: Arc::new(move |execution, machine, events| {
            watching.events(&Happening { execution, machine, events });
        }),
    };
    let begun = Instant::now();
    let outcome = if arguments.virtual_time {
        Some(Ok(plan.run_virtual(runtime.handle())))
    } else {
        runtime.block_on(async {
            let stopped = stopped();
            tokio::select! {
                outcome = plan.run() => Some(outcome),
                () = stopped => None,
            }
        })
    };
    let standing = if outcome.is_none() { screen.standing() } else { Vec::new() };
    runtime.block_on(plan.clean_up());
    screen.finish();
    let Some(outcome) = outcome else {
        anstream::eprintln!("interrupted after {}", duration(begun.elapsed().as_millis() as i64));
        for state in standing {
            anstream::eprintln!("  {state}");
        }
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let outcome = outcome.map_err(|error| report::refused(&error))?;
    if arguments.printed.wants_json() {
        arguments.printed.json(&outcome.to_json())?;
    }
    match arguments.printed.form() {
        Output::Text => {
            let is_project = plan.machines.project.is_some();
            print_ending(&outcome, arguments.limits, is_project, &screen, read.main.as_ref());
        }
        Output::Json => {}
    }
    let succeeded = matches!(outcome.status, Status::Succeeded { .. });
    Ok(ExitCode::from(u8::from(!succeeded)))
}

/// Compiles a definition, and prints what is wrong with it.
pub(crate) fn compile(named: &NamedDefinition) -> Result<Program, Failure> {
    let options = CheckOptions { express: named.express, ..CheckOptions::default() };
    let checked = stepwright_program::check_and_compile(&named.definition, &options);
    let mut errors = checked.diagnostics;
    errors.retain(Diagnostic::is_error);
    for rendering in report::renderings(&named.file, &named.definition.text, &errors) {
        anstream::eprintln!("{rendering}");
    }
    checked.program.ok_or(Failure::Said)
}

/// The path of a file beside the definition: `order.asl.yaml` and `input.json` give
/// `order.input.json`.
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
    let path = arguments.mocks.clone().unwrap_or_else(|| beside(&arguments.file, "mocks.yaml"));
    if arguments.mocks.is_none() && !path.is_file() {
        return Ok(None);
    }
    read_mocks(&path).map(Some)
}

/// Reads a mocks file, and prints what is wrong with it.
pub(crate) fn read_mocks(path: &Path) -> Result<Mocks, Failure> {
    let (tree, text) = input::read_tree(path)?;
    Mocks::parse(&tree).map_err(|error| {
        let mut diagnostic = Diagnostic::error("invalid-mocks", error.message).span(error.span);
        diagnostic.help = error.help;
        anstream::eprintln!(
            "{}",
            stepwright_source::render(&path.display().to_string(), &text, &diagnostic)
        );
        Failure::Said
    })
}

/// The identity of an execution on this machine.
pub(crate) fn identity(named: &NamedDefinition, file: &Path) -> Identity {
    let name = machines::name_of(named, file);
    stepwright_run::identity(&input::machine_arn(&Place::default(), &name))
}

fn print_ending(
    outcome: &Outcome,
    limits: LimitsChoice,
    is_project: bool,
    screen: &Screen,
    main: Option<&NamedDefinition>,
) {
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
        Status::NotStarted | Status::Running => {
            let (states, advice) = outcome.stuck();
            anstream::eprintln!("still running after {took}: nothing will ever wake {states}");
            if let Some(advice) = advice {
                anstream::eprintln!("help: {advice}");
            }
        }
        status => {
            // A worker of a project has the token of its task.
            let advice = outcome.token_advice().filter(|_| !is_project);
            if let Some(culprit) = screen.culprit() {
                let definition = main.map(|named| (named.file.as_str(), &named.definition));
                let why = stepwright_timeline::explain(&culprit, definition, advice, width());
                anstream::eprintln!("\n{why}\n");
            }
            anstream::eprintln!("{} after {took}", status.name().to_lowercase().replace('_', " "));
        }
    }
}
