//! One project, whose tasks are Python processes.

use crate::container::{Container, Running};
use crate::error::ProjectError;
use crate::folder::Folder;
use crate::listener::Listener;
use crate::workers::{Message, Pool, Workers};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stepwright_asl::Definition;
use stepwright_fluxio::{Project, Site, Task};
use stepwright_functions::Function;
use stepwright_history::{Failure, TaskCall};
use stepwright_json::{Json, json};

/// The program that runs Python.
pub(crate) const PYTHON: &str = "python3";

/// The only key in the answer of a function whose task stopped the whole execution; see
/// `function.py`.
const STOP: &str = "stepwright:stop-execution";

/// A project that can be run.
pub(crate) struct LocalProject {
    pub(crate) project: Project,
    path: PathBuf,
    site: Site,
    folder: Folder,
    workers: Workers,
    containers: Running,
    listener: Arc<dyn Listener>,
}

/// How a task ended.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Its result.
    Output(Json),
    /// Its failure.
    Failed(Failure),
    /// The task stopped the execution, which ends with this failure.
    Stopped(Failure),
}

/// What runs a task.
pub(crate) enum Work {
    /// A function.
    Function,
    /// A process, in place of an ECS task.
    Container(Container),
    /// A message to a queue worker.
    Message(Message),
}

impl LocalProject {
    /// Prepares a project. No process is started. `state_data` is the file that stores the state
    /// data; without it, they are deleted at the end of the run.
    pub(crate) fn open(
        path: &Path,
        project: Project,
        state_data: Option<&Path>,
        site: Site,
        listener: Arc<dyn Listener>,
    ) -> Result<Self, ProjectError> {
        let failed = |error: std::io::Error| {
            ProjectError::new(format!("the tasks of {} cannot be set up: {error}", path.display()))
        };
        let path = std::path::absolute(path).map_err(failed)?;
        let folder = Folder::new(&project, state_data).map_err(failed)?;
        Ok(Self {
            project,
            path,
            site,
            folder,
            workers: Workers::default(),
            containers: Running::default(),
            listener,
        })
    }

    /// The definition of a state machine, in which each `${Name}` is replaced by a resource of this
    /// machine.
    pub(crate) fn definition(&self, machine: &str) -> Option<Definition> {
        self.site.definition(&self.project, machine)
    }

    /// The logging of a machine, as a deployment sets it: all events, with their data if a processor
    /// needs them.
    pub(crate) fn logging(&self, machine: &str) -> Json {
        let group = format!("log-group:/aws/vendedlogs/states/{}", self.full_name(machine));
        let Site { region, account, .. } = &self.site;
        let arn = format!("arn:aws:logs:{region}:{account}:{group}:*");
        json!({
            "level": "ALL",
            "includeExecutionData": (self.event_processors().any(|(name, _)| name == machine)),
            "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": (arn)}}]
        })
    }

    /// The name of a state machine, with the prefix.
    pub(crate) fn full_name(&self, machine: &str) -> String {
        format!("{}{machine}", self.site.prefix)
    }

    /// The name of a state machine in the project, without the prefix.
    pub(crate) fn own_name<'m>(&self, full_name: &'m str) -> Option<&'m str> {
        full_name.strip_prefix(&self.site.prefix)
    }

    /// The ARN of a state machine.
    pub(crate) fn machine_arn(&self, machine: &str) -> String {
        self.site.arn("states", "stateMachine:", machine)
    }

    /// Adds the tasks on Lambda and the event processors to the functions. Functions that are
    /// already there take precedence.
    pub(crate) fn add_functions(&self, functions: &mut BTreeMap<String, Function>) {
        let prefix = &self.site.prefix;
        for (name, task) in &self.project.tasks {
            let full_name = format!("{prefix}{name}");
            if !task.service().starts_with("lambda") || functions.contains_key(&full_name) {
                continue;
            }
            if let Some(theirs) = functions.get(name) {
                functions.insert(full_name, theirs.clone());
                continue;
            }
            let memory = task.number("memory").and_then(|memory| u32::try_from(memory).ok());
            let function = Function {
                timeout: Some(task.longest_as_function() as f64),
                memory: memory.filter(|memory| (128..=10_240).contains(memory)),
                environment: self.environment(name),
                ..self.python("stepwright_fluxio.function.handler")
            };
            functions.insert(full_name, function);
        }
        for (machine, processor) in self.event_processors() {
            let mut environment = self.environment(machine);
            environment.insert("STEPWRIGHT_PROCESSOR".to_owned(), processor.to_owned());
            let function =
                Function { environment, ..self.python("stepwright_fluxio.events.handler") };
            functions.insert(format!("{prefix}{machine}-events"), function);
        }
    }

    /// The machines whose events are processed, each with the class that attaches tags, or an empty
    /// text.
    pub(crate) fn event_processors(&self) -> impl Iterator<Item = (&str, &str)> {
        self.project.machines.iter().filter_map(|(name, machine)| {
            let options = machine.decorators.event_processor.as_ref()?;
            let class = options.get("processor").and_then(Json::as_str);
            Some((name.as_str(), class.unwrap_or_default()))
        })
    }

    /// A Python function with the packages that come with Stepwright.
    fn python(&self, handler: &str) -> Function {
        Function {
            runtime: Some("python3.12".to_owned()),
            handler: Some(handler.to_owned()),
            code: Some(self.folder.packages().display().to_string()),
            // Like the project's other processes, which are the user's own.
            inherit: vec!["*".to_owned()],
            ..Function::default()
        }
    }

    /// The environment variables of a task's processes.
    fn environment(&self, task: &str) -> BTreeMap<String, String> {
        let shown = |path: &Path| path.display().to_string();
        let table = self.path.parent().and_then(Path::file_name).unwrap_or_default();
        [
            ("PYTHONPATH", shown(self.folder.packages())),
            ("PYTHONUNBUFFERED", "1".to_owned()),
            ("STEPWRIGHT_PROJECT", shown(&self.path)),
            ("STEPWRIGHT_STATE_DATA", shown(self.folder.state_data())),
            ("STEPWRIGHT_STATE_DATA_TABLE", table.to_string_lossy().into_owned()),
            ("STEPWRIGHT_TASK", task.to_owned()),
            ("STEPWRIGHT_TASKS", shown(self.folder.tasks())),
            ("STEPWRIGHT_PROCESSORS", shown(self.folder.processors())),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    /// What runs a task of the project; `None` for a task that is not the project's.
    pub(crate) fn work(&self, call: &TaskCall) -> Option<Work> {
        let parameter =
            |name: &str| call.parameters.get(name).and_then(Json::as_str).unwrap_or_default();
        let last = |text: &str| {
            let name = text.rsplit(['/', ':']).next().unwrap_or_default();
            name.strip_prefix(&self.site.prefix).unwrap_or(name).to_owned()
        };
        match call.resource.as_str() {
            "arn:aws:states:::ecs:runTask.sync" => {
                let name = last(parameter("TaskDefinition"));
                self.task(&name)?;
                Some(Work::Container(Container::new(
                    &name,
                    call,
                    self.environment(&name),
                    &self.folder,
                    &self.containers,
                    self.listener.clone(),
                )))
            }
            "arn:aws:states:::sqs:sendMessage.waitForTaskToken" => {
                let pool = self.pool(&last(parameter("QueueUrl")))?;
                Some(Work::Message(Message::of(pool, call)))
            }
            arn => self.has_function(arn).then_some(Work::Function),
        }
    }

    fn task(&self, name: &str) -> Option<&Task> {
        self.project.tasks.get(name)
    }

    /// Whether an ARN is that of one of the project's tasks on Lambda.
    fn has_function(&self, arn: &str) -> bool {
        let mut tasks = self.project.tasks.iter();
        tasks.any(|(name, task)| {
            task.service().starts_with("lambda")
                && self.site.arn("lambda", "function:", name) == arn
        })
    }

    /// The queue of a task with workers.
    pub(crate) fn pool(&self, name: &str) -> Option<Arc<Pool>> {
        let task = self.task(name).filter(|task| task.service() == "ecs:worker")?;
        Some(self.workers.pool(name, task, &self.listener, || self.environment(name)))
    }

    /// Whether all its messages have been handled.
    pub(crate) fn is_idle(&self) -> bool {
        self.workers.are_idle() && self.containers.is_empty()
    }

    /// Deletes the project's files, even while others still refer to the project.
    pub(crate) fn remove_files(&self) {
        // If this fails, the files remain in the folder for temporary files.
        std::fs::remove_dir_all(self.folder.root()).ok();
    }

    /// Ends the processes that were started.
    pub(crate) fn shut_down(&self) {
        self.workers.shut_down();
        self.containers.shut_down();
    }
}

/// Interprets the answer of a function: its task may have stopped the execution.
pub(crate) fn function_reply(result: Result<Json, Failure>) -> Reply {
    match result {
        Ok(output) => match output.get(STOP) {
            Some(stop) => Reply::Stopped(stop_failure(stop)),
            None => Reply::Output(output),
        },
        Err(failure) => Reply::Failed(failure),
    }
}

/// The failure in `{"error": …, "cause": …}`.
pub(crate) fn stop_failure(value: &Json) -> Failure {
    let part = |name: &str| value.get(name).and_then(Json::as_str).map(Into::into);
    Failure { error: part("error"), cause: part("cause") }
}
