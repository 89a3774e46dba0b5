use crate::{Machines, NAME, Outcome, identity};
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use stepwright_asl::Template;
use stepwright_engine::{
    Clock, Ended, Engine, Facts, ObjectStore, ObservedTurn, Observer, StartError, StartRequest,
};
use stepwright_functions::Functions;
use stepwright_history::{Event, Moment};
use stepwright_integrations::{
    AwsServices, Integrations, LocalTasks, MemoryBuckets, Mocked, VirtualTasks,
};
use stepwright_interpreter::Status;
use stepwright_json::Json;
use stepwright_projects::Host;
use stepwright_server::config::{ObjectsConfig, ServerConfig};
use stepwright_server::{Assembled, Assembly, AssemblyError};
use stepwright_simulator::{MockCase, Mocks, Simulation};
use stepwright_store::StoreError;
use tokio::runtime::Handle;

/// How often the run checks whether anything can still happen.
const EVERY: Duration = Duration::from_millis(100);

/// Called with the events of the execution, and of executions that its tasks start, as they happen:
/// the execution's ARN, that of its state machine, and the events.
pub type Watch = Arc<dyn Fn(&str, &str, &[Event]) + Send + Sync>;

/// Everything that a run needs.
pub struct Plan {
    /// The machine to run, and those that it may start.
    pub machines: Machines,
    /// The input.
    pub input: Json,
    /// The mocks file.
    pub mocks: Mocks,
    /// A test case of a Step Functions Local mock file.
    pub case: Option<MockCase>,
    /// The functions, including those of a project.
    pub functions: Functions,
    /// Where AWS's services are called.
    pub services: Arc<AwsServices>,
    /// What the configuration declares in the local services.
    pub resources: Option<Template>,
    /// `[server]`, of which the account, the region and the limits are used.
    pub server: ServerConfig,
    /// The folder of `[objects]`.
    pub buckets: Option<PathBuf>,
    /// The seed of random numbers and task tokens; `None` picks one that nobody can guess.
    pub seed: Option<[u64; 2]>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Called with the events.
    pub watch: Watch,
}

/// Why an execution could not be run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The engine could not be assembled.
    #[error("there is no engine to run the execution on")]
    Assembly(#[from] AssemblyError),
    /// The machine could not be created.
    #[error("the state machine was not created")]
    Machine(#[from] StoreError),
    /// The execution could not be started.
    #[error("the execution was not started")]
    Start(#[from] StartError),
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("machines", &self.machines).finish_non_exhaustive()
    }
}

/// Keeps the events of the execution that is run. Children of map runs and nested executions have
/// histories of their own.
struct Keeping {
    machine: String,
    events: Mutex<Vec<Event>>,
    watch: Watch,
}

impl Observer for Keeping {
    fn turn(&self, facts: &Facts, turn: &ObservedTurn<'_>) {
        let events = turn.events;
        let is_asked_for = facts.parent.is_none()
            && facts.about.machine == self.machine
            && (facts.is_express || facts.name() == NAME);
        if is_asked_for {
            self.events.lock().extend(events.iter().cloned());
        }
        // The children of map runs are counted by the events of their parent.
        if is_asked_for || facts.parent.is_none_or(|parent| parent.index.is_none()) {
            (self.watch)(&facts.about.arn, &facts.about.machine, events);
        }
    }
}

impl Plan {
    /// Runs the execution on an engine that keeps everything in memory. A caller that does not wait
    /// for the end must call [`Self::clean_up`].
    pub async fn run(&self) -> Result<Outcome, RunError> {
        let keeping = Arc::new(Keeping {
            machine: self.machines.main.arn.clone(),
            events: Mutex::default(),
            watch: self.watch.clone(),
        });
        let assembled = self.assemble(keeping.clone()).await?;
        if let Some(resources) = assembled.resources {
            resources.make().await;
        }
        let engine = assembled.api.engine().clone();
        if let Some(project) = &self.machines.project {
            let functions = self.functions.clone();
            project.connect(&Host { engine: engine.clone(), functions, collector: None });
        }
        let machines = self.machines.mocked(&self.mocks);
        let (machine, revision) = machines.create(&engine).await?;
        let request = StartRequest::new(machine, revision, NAME.to_owned(), self.input.clone());
        let start = engine.now();
        let ended = start_and_wait(&engine, StartRequest { seed: self.seed, ..request }).await?;
        let end = ended.as_ref().and_then(|ended| ended.stopped_at);
        Ok(Outcome {
            events: std::mem::take(&mut *keeping.events.lock()),
            status: ended.as_ref().map_or(Status::Running, |ended| ended.status.clone()),
            start: ended.as_ref().map_or(start, |ended| Moment(ended.facts.about.started_at)),
            end: end.map_or_else(|| engine.now(), Moment),
            unused: assembled.integrations.mocked().unused(),
        })
    }

    /// Runs the execution in a simulation, in which waits take no time. Functions are called on the
    /// given runtime, which this thread must not be part of.
    pub fn run_virtual(&self, runtime: &Handle) -> Outcome {
        let integrations = Integrations::new(
            self.functions.clone(),
            self.mocked(),
            self.local_tasks(),
            self.services.clone(),
        );
        if let Some(project) = &self.machines.project {
            project.call_with(self.functions.clone(), runtime.clone());
        }
        let seed = self.seed.unwrap_or_else(|| {
            let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
            [high, low]
        });
        let machines = self.machines.mocked(&self.mocks);
        let (start, programs) = (self.clock.now(), machines.programs());
        let main = &machines.main;
        let mut tasks = VirtualTasks::new(
            &integrations,
            &programs,
            runtime.clone(),
            (identity(&main.arn).execution_arn.to_string(), main.arn.clone()),
            seed,
            &*self.watch,
        );
        let run = Simulation::new(&main.program)
            .input(self.input.clone())
            .identity(identity(&main.arn))
            .seed(seed)
            .start(start)
            .objects(self.mocks.objects.clone())
            .run(&mut tasks);
        Outcome {
            status: run.status,
            events: run.events,
            start: run.start,
            end: run.end,
            unused: integrations.mocked().unused(),
        }
    }

    /// Ends the processes that were started, and deletes temporary files.
    pub async fn clean_up(&self) {
        self.functions.shutdown().await;
        if let Some(project) = self.machines.project.clone() {
            // Waiting for processes to end blocks.
            tokio::task::spawn_blocking(move || project.shut_down()).await.ok();
        }
    }

    async fn assemble(&self, keeping: Arc<Keeping>) -> Result<Assembled, AssemblyError> {
        // The buckets of the mocks file take precedence. If there are neither mocked buckets nor a
        // folder, and S3 is not called, the buckets are empty.
        let is_elsewhere = self.buckets.is_some() || self.services.calls("s3");
        let is_mocked = !self.mocks.objects.objects.is_empty() || !is_elsewhere;
        let buckets = || Arc::new(MemoryBuckets::new(self.mocks.objects.clone()));
        let mut observers: Vec<Arc<dyn Observer>> = vec![keeping];
        if let Some(project) = &self.machines.project {
            observers.push(Arc::new(project.clone()));
        }
        let assembly = Assembly {
            // What runs once is looked for by nobody.
            server: ServerConfig {
                data: None,
                logs: None,
                search: Some(false),
                ..self.server.clone()
            },
            objects: ObjectsConfig { folder: self.buckets.clone() },
            mocked: self.mocked(),
            local: self.local_tasks(),
            services: self.services.clone(),
            resources: self.resources.clone(),
            observers,
            object_store: is_mocked.then(|| buckets() as Arc<dyn ObjectStore>),
            clock: self.clock.clone(),
            ..Assembly::new(self.functions.clone())
        };
        assembly.assemble().await
    }

    fn mocked(&self) -> Mocked {
        Mocked::default().with_case(self.case.clone()).with_mocks(Some(self.mocks.clone()))
    }

    fn local_tasks(&self) -> Option<Arc<dyn LocalTasks>> {
        let project = self.machines.project.clone();
        project.map(|project| Arc::new(project) as Arc<dyn LocalTasks>)
    }
}

/// Starts an execution and waits for its end. Returns `None` if nothing will ever wake it.
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
                    // It may have ended just now.
                    let now = engine.describe(&started.arn).await.ok().flatten();
                    return Ok(now.filter(|now| now.status != Status::Running));
                }
            }
        }
    }
}
