//! `stepwright run`: one execution, before somebody's eyes.
//!
//! In real time, it is an execution of an engine that keeps everything in memory, with the tasks of a
//! server. In virtual time, it is a simulation whose tasks are answered by the same code.

mod machines;
mod outcome;
mod screen;

use crate::args::{LimitsChoice, Output, Run};
use crate::config::Config;
use crate::input;
use crate::report::{self, Failure};
use crate::signals::stopped;
use machines::Machines;
use outcome::Outcome;
use screen::{Screen, Watched};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use stepwright_asl::{Definition, NamedDefinition};
use stepwright_engine::{Clock as _, Ended, Engine, Observer, StartError, StartRequest, SystemClock};
use stepwright_functions::{Functions, LogSink};
use stepwright_history::{Identity, Moment, duration};
use stepwright_integrations::{Integrations, LocalTasks, MemoryBuckets, Mocked, VirtualTasks};
use stepwright_interpreter::Status;
use stepwright_json::{Json, Object, Str};
use stepwright_program::{CheckOptions, Program};
use stepwright_projects::Host;
use stepwright_server::config::LimitsName;
use stepwright_server::{Assembled, Assembly};
use stepwright_simulator::{Mocks, Simulation};
use stepwright_source::Diagnostic;
use tokio::runtime::Runtime;

/// The name of the execution.
const NAME: &str = "local";

/// The exit code of a program that was interrupted.
const INTERRUPTED: u8 = 130;

/// How often it is looked whether anything can still happen.
const EVERY: Duration = Duration::from_millis(100);

/// How a run came to its end.
enum Finished {
    /// It did.
    Ran(Outcome),
    /// Somebody interrupted it.
    Interrupted,
}

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
    let plan = Plan { machines, input, mocks, case, config, functions };
    let seed = arguments.seed.map(|seed| [seed, seed ^ 0x5EED]);
    let finished = if arguments.virtual_time {
        plan.run_virtual(&runtime, &screen, seed)
    } else {
        plan.run_real(&runtime, &screen, seed, arguments.limits)?
    };
    let outcome = match finished {
        Finished::Ran(outcome) => outcome,
        Finished::Interrupted => {
            screen.finish();
            anstream::eprintln!("interrupted");
            return Ok(ExitCode::from(INTERRUPTED));
        }
    };
    match arguments.output {
        Output::Text => print_ending(&outcome, arguments.limits),
        Output::Json => report::print_json(&outcome.to_json()),
    }
    let succeeded = matches!(outcome.status, Status::Succeeded { .. });
    Ok(ExitCode::from(u8::from(!succeeded)))
}

/// What is run, and with what.
struct Plan {
    machines: Machines,
    input: Json,
    mocks: Mocks,
    case: Option<stepwright_simulator::MockCase>,
    config: Config,
    functions: Functions,
}

impl Plan {
    fn mocked(&self) -> Mocked {
        Mocked::default().with_case(self.case.clone()).with_mocks(Some(self.mocks.clone()))
    }

    fn local_tasks(&self) -> Option<Arc<dyn LocalTasks>> {
        let project = self.machines.project.clone();
        project.map(|project| Arc::new(project) as Arc<dyn LocalTasks>)
    }

    /// Ends what was started, and leaves no files behind.
    async fn clean_up(&self) {
        self.functions.shutdown().await;
        if let Some(project) = self.machines.project.clone() {
            // Waiting for processes to end blocks.
            tokio::task::spawn_blocking(move || project.shut_down()).await.ok();
        }
    }

    fn run_real(
        self,
        runtime: &Runtime,
        screen: &Arc<Screen>,
        seed: Option<[u64; 2]>,
        limits: LimitsChoice,
    ) -> Result<Finished, Failure> {
        runtime.block_on(async {
            let assembled = self.assemble(screen, limits).await?;
            let finished = tokio::select! {
                finished = self.execute(&assembled, screen, seed) => finished,
                () = stopped() => Ok(Finished::Interrupted),
            };
            self.clean_up().await;
            finished
        })
    }

    async fn assemble(
        &self,
        screen: &Arc<Screen>,
        limits: LimitsChoice,
    ) -> Result<Assembled, Failure> {
        let mut server = self.config.server.clone();
        server.data = None;
        server.logs = None;
        server.limits = match limits {
            LimitsChoice::Aws => LimitsName::Aws,
            LimitsChoice::Extended => LimitsName::Extended,
        };
        let mut objects = self.config.objects.clone();
        objects.folder = objects.folder.map(|path| self.config.folder.join(path));
        // The buckets of the mocks come first; without any of either, there are empty ones.
        let is_mocked = !self.mocks.objects.objects.is_empty() || objects.folder.is_none();
        let buckets = || Arc::new(MemoryBuckets::new(self.mocks.objects.clone()));
        let watched =
            Watched { screen: screen.clone(), machine: self.machines.main.arn.clone() };
        let mut observers: Vec<Arc<dyn Observer>> = vec![Arc::new(watched)];
        if let Some(project) = &self.machines.project {
            observers.push(Arc::new(project.clone()));
        }
        let assembly = Assembly {
            server,
            credentials: Vec::new(),
            machines: std::collections::BTreeMap::new(),
            objects,
            otlp: None,
            functions: self.functions.clone(),
            mocked: self.mocked(),
            local: self.local_tasks(),
            observers,
            object_store: is_mocked.then(|| buckets() as _),
            clock: Arc::new(SystemClock),
        };
        let assembled = assembly.assemble().await;
        assembled.map_err(|error| Failure::new(error.to_string()))
    }

    async fn execute(
        &self,
        assembled: &Assembled,
        screen: &Screen,
        seed: Option<[u64; 2]>,
    ) -> Result<Finished, Failure> {
        let engine = assembled.api.engine().clone();
        if let Some(project) = &self.machines.project {
            let functions = self.functions.clone();
            project.connect(&Host { engine: engine.clone(), functions, collector: None });
        }
        let failed = |error: &dyn std::error::Error| {
            Failure::new(format!("the execution was not started: {error}"))
        };
        let created = self.machines.create(&engine).await;
        let (machine, revision) = created.map_err(|error| failed(&error))?;
        let request = StartRequest { seed, ..StartRequest::new(machine, revision, NAME.to_owned(), self.input.clone()) };
        let start = engine.options().clock.now();
        let ended = start_and_wait(&engine, request).await.map_err(|error| failed(&error))?;
        let end = ended.as_ref().and_then(|ended| ended.stopped_at);
        Ok(Finished::Ran(Outcome {
            events: screen.finish(),
            status: ended.as_ref().map_or(Status::Running, |ended| ended.status.clone()),
            start: ended.as_ref().map_or(start, |ended| Moment(ended.facts.about.started_at)),
            end: end.map_or_else(|| engine.options().clock.now(), Moment),
            unused: assembled.integrations.mocked().unused(),
        }))
    }

    /// Runs with waits that take no time.
    fn run_virtual(
        self,
        runtime: &Runtime,
        screen: &Arc<Screen>,
        seed: Option<[u64; 2]>,
    ) -> Finished {
        let integrations =
            Integrations::new(self.functions.clone(), self.mocked(), self.local_tasks());
        if let Some(project) = &self.machines.project {
            project.call_with(self.functions.clone(), runtime.handle().clone());
        }
        let start = SystemClock.now();
        let seed = seed.unwrap_or_else(|| {
            let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
            [high, low]
        });
        let programs = self.machines.programs();
        let main = &self.machines.main;
        let mut watch = |events: &[stepwright_history::Event]| screen.events(events);
        let mut tasks = VirtualTasks::new(
            &integrations,
            &programs,
            runtime.handle().clone(),
            main.arn.clone(),
            start,
            seed,
            &mut watch,
        );
        let run = Simulation::new(&main.program)
            .input(self.input.clone())
            .identity(identity_of(&main.arn, &main.name))
            .seed(seed)
            .start(start)
            .objects(self.mocks.objects.clone())
            .run(&mut tasks);
        runtime.block_on(self.clean_up());
        screen.finish();
        Finished::Ran(Outcome {
            status: run.status,
            events: run.events,
            start: run.start,
            end: run.end,
            unused: integrations.mocked().unused(),
        })
    }
}

/// Starts an execution and waits for its end; None if nothing will ever wake it.
async fn start_and_wait(
    engine: &Engine,
    request: StartRequest,
) -> Result<Option<Ended>, StartError> {
    if request.revision.is_express {
        return engine.run_express(request).await.map(Some);
    }
    let started = engine.start(request).await?;
    let ended = engine.ended(&started.arn);
    tokio::pin!(ended);
    loop {
        tokio::select! {
            ended = &mut ended => return Ok(ended),
            () = tokio::time::sleep(EVERY) => {
                if engine.is_idle() {
                    // Its end may have come just now.
                    let now = engine.describe(&started.arn).await.ok().flatten();
                    return Ok(now.filter(|now| now.status != Status::Running));
                }
            }
        }
    }
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
