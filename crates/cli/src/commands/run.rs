use crate::args::{LimitsChoice, Output, Run};
use crate::config::Config;
use crate::input;
use crate::live::{self, Answerer, Screen};
use crate::local_project::{LocalProject, Site};
use crate::project;
use crate::report::{self, Failure};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use stepwright_asl::{Definition, NamedDefinition};
use stepwright_history::Identity;
use stepwright_json::{Json, Object, Str};
use stepwright_program::{CheckOptions, Limits, Program};
use stepwright_simulator::{Mocks, Status, duration};
use stepwright_source::Diagnostic;

/// `stepwright run`: exit code 1 when the execution does not succeed.
pub(crate) fn run(arguments: &Run) -> Result<ExitCode, Failure> {
    let mut named = input::pick(&arguments.file, &arguments.load)?;
    let local = find_project(arguments)?;
    if let Some(local) = &local
        && let Some(definition) = named.name.as_deref().and_then(|name| local.definition(name))
    {
        named.definition = definition;
    }
    let mut program = compile(&named)?;
    if arguments.limits == LimitsChoice::Extended {
        program.limits = Limits::EXTENDED;
    }
    let input = find_input(arguments)?;
    let mocks = find_mocks(arguments)?;
    let mut config = Config::find(arguments.config.as_deref(), &arguments.file)?;
    if let Some(local) = &local {
        local.add_functions(&mut config);
        local.clean_up_when_interrupted();
    }
    let mut screen = match arguments.output {
        Output::Text => Screen::for_people(),
        Output::Json => Screen::silent(),
    };
    let identity = identity(&named, &arguments.file);
    let mock_case = match (&arguments.mock_config, &arguments.test_case) {
        (Some(path), Some(case)) => {
            Some(input::mock_case(path, &identity.state_machine_name, case)?)
        }
        _ => None,
    };
    let answerer = Answerer { mock_case, mocks: mocks.unwrap_or_default(), config, project: local };
    let seed = arguments.seed.map_or_else(live::chance, |seed| [seed, seed ^ 0x5EED]);
    let plan = live::Plan { program: &program, input, identity, seed };
    let outcome = if arguments.virtual_time {
        live::run_virtual(plan, answerer, &mut screen)
    } else {
        live::run_real(plan, answerer, &mut screen)
    };
    screen.finish();
    match arguments.output {
        Output::Text => print_ending(&outcome, arguments.limits),
        Output::Json => report::print_json(&outcome.to_json()),
    }
    let succeeded = matches!(outcome.status, Status::Succeeded { .. });
    Ok(ExitCode::from(u8::from(!succeeded)))
}

/// The tasks of a project, where the file is one.
fn find_project(arguments: &Run) -> Result<Option<LocalProject>, Failure> {
    let state_data = arguments.state_data.as_deref();
    if project::is_project(&arguments.file) {
        return LocalProject::open(&arguments.file, state_data, Site::default()).map(Some);
    }
    if state_data.is_some() {
        let failure = Failure::new("`--state-data` goes with a project (a file that ends in .py)");
        return Err(failure);
    }
    Ok(None)
}

/// What the rules say of a definition.
pub(crate) fn diagnostics(definition: &Definition, express: bool) -> Vec<Diagnostic> {
    stepwright_program::check_with(definition, &CheckOptions { express, ..CheckOptions::default() })
}

/// The program of a definition; what is wrong with it is printed.
pub(crate) fn compile(named: &NamedDefinition) -> Result<Program, Failure> {
    let found = diagnostics(&named.definition, named.express);
    let errors: Vec<_> = found.iter().filter(|diagnostic| diagnostic.is_error()).collect();
    for diagnostic in &errors {
        anstream::eprintln!("{}", report::render(&named.file, &named.definition.text, diagnostic));
    }
    if !errors.is_empty() {
        return Err(Failure::Said);
    }
    stepwright_program::compile(&named.definition).map_err(|diagnostics| {
        for diagnostic in &diagnostics {
            anstream::eprintln!(
                "{}",
                report::render(&named.file, &named.definition.text, diagnostic)
            );
        }
        Failure::Said
    })
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

pub(crate) fn identity(named: &NamedDefinition, file: &Path) -> Identity {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("machine");
    let stem = stem.split('.').next().unwrap_or(stem).to_owned();
    let machine = named.name.clone().or_else(|| named.logical_id.clone()).unwrap_or(stem);
    let name = "local";
    let arn = |kind: &str, rest: &str| -> Str {
        format!("arn:aws:states:us-east-1:123456789012:{kind}:{rest}").into()
    };
    Identity {
        execution_arn: arn("execution", &format!("{machine}:{name}")),
        name: name.into(),
        role_arn: "arn:aws:iam::123456789012:role/stepwright".into(),
        state_machine_arn: arn("stateMachine", &machine),
        state_machine_name: machine.into(),
        region: "us-east-1".into(),
    }
}

fn print_ending(outcome: &live::Outcome, limits: LimitsChoice) {
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
            outcome.stuck.join(", ")
        ),
        status => {
            anstream::eprintln!("{} after {took}", status.name().to_lowercase().replace('_', " "));
        }
    }
}
