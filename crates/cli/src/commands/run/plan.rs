//! What is run, in real and in virtual time.

use super::machines::Machines;
use super::outcome::Outcome;
use super::screen::{Screen, Watched};
use super::{NAME, identity_of};
use crate::args::LimitsChoice;
use crate::config::Config;
use crate::report::Failure;
use crate::signals::stopped;
use std::sync::Arc;
use std::time::Duration;
use stepwright_engine::{Clock, Ended, Engine, Observer, StartError, StartRequest};
use stepwright_functions::Functions;
use stepwright_history::Moment;
use stepwright_integrations::{Integrations, LocalTasks, MemoryBuckets, Mocked, VirtualTasks};
use stepwright_interpreter::Status;
use stepwright_json::Json;
use stepwright_projects::Host;
use stepwright_server::config::LimitsName;
use stepwright_server::{Assembled, Assembly};
use stepwright_simulator::{MockCase, Mocks, Simulation};
use tokio::runtime::Runtime;

/// How often it is looked whether anything can still happen.
const EVERY: Duration = Duration::from_millis(100);

/// What is run, and with what.
pub(super) struct Plan {
    pub(super) machines: Machines,
    pub(super) input: Json,
    pub(super) mocks: Mocks,
    pub(super) case: Option<MockCase>,
    pub(super) config: Config,
    pub(super) functions: Functions,
    pub(super) limits: LimitsChoice,
    /// What random numbers and task tokens are made from; None for what nobody can guess.
    pub(super) seed: Option<[u64; 2]>,
    pub(super) clock: Arc<dyn Clock>,
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

    /// Runs as an execution of an engine that keeps everything in memory; None if somebody interrupted
    /// it.
    pub(super) async fn run_real(&self, screen: &Arc<Screen>) -> Result<Option<Outcome>, Failure> {
        let assembled = self.assemble(screen).await?;
        let outcome = tokio::select! {
            outcome = self.execute(&assembled, screen) => outcome.map(Some),
            () = stopped() => Ok(None),
        };
        self.clean_up().await;
        outcome
    }

    async fn assemble(&self, screen: &Arc<Screen>) -> Result<Assembled, Failure> {
        let mut server = self.config.server.clone();
        server.data = None;
        server.logs = None;
        server.limits = match self.limits {
            LimitsChoice::Aws => LimitsName::Aws,
            LimitsChoice::Extended => LimitsName::Extended,
        };
        let mut objects = self.config.objects.clone();
        objects.folder = objects.folder.map(|path| self.config.folder.join(path));
        // The buckets of the mocks come first; without any of either, there are empty ones.
        let is_mocked = !self.mocks.objects.objects.is_empty() || objects.folder.is_none();
        let buckets = || Arc::new(MemoryBuckets::new(self.mocks.objects.clone()));
        let watched = Watched { screen: screen.clone(), machine: self.machines.main.arn.clone() };
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
            clock: self.clock.clone(),
        };
        let assembled = assembly.assemble().await;
        assembled.map_err(|error| Failure::new(error.to_string()))
    }

    async fn execute(&self, assembled: &Assembled, screen: &Screen) -> Result<Outcome, Failure> {
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
        let request = StartRequest::new(machine, revision, NAME.to_owned(), self.input.clone());
        let request = StartRequest { seed: self.seed, ..request };
        let start = engine.options().clock.now();
        let ended = start_and_wait(&engine, request).await.map_err(|error| failed(&error))?;
        let end = ended.as_ref().and_then(|ended| ended.stopped_at);
        Ok(Outcome {
            events: screen.finish(),
            status: ended.as_ref().map_or(Status::Running, |ended| ended.status.clone()),
            start: ended.as_ref().map_or(start, |ended| Moment(ended.facts.about.started_at)),
            end: end.map_or_else(|| engine.options().clock.now(), Moment),
            unused: assembled.integrations.mocked().unused(),
        })
    }

    /// Runs with waits that take no time.
    pub(super) fn run_virtual(&self, runtime: &Runtime, screen: &Screen) -> Outcome {
        let integrations =
            Integrations::new(self.functions.clone(), self.mocked(), self.local_tasks());
        if let Some(project) = &self.machines.project {
            project.call_with(self.functions.clone(), runtime.handle().clone());
        }
        let start = self.clock.now();
        let seed = self.seed.unwrap_or_else(|| {
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
        Outcome {
            status: run.status,
            events: run.events,
            start: run.start,
            end: run.end,
            unused: integrations.mocked().unused(),
        }
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
