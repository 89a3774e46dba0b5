use crate::chain::{Chain, Chainable, Nextable};
use crate::common::{WithData, WithErrors, WithResultPath};
use crate::fragments::base::env_fragment;
use crate::fragments::{EnvBase, EnvFragment, JsonReferencePath};
use crate::json_path::{DISCARD, object_at};
use crate::object;
use crate::retry::Catch;
use crate::states::{Fail, Parallel, Pass};
use crate::value::Value;

/// A task with steps before and after it, and with status reports.
///
/// The task works on the input, or on an augmented input; its result is the result of the fragment.
/// The steps before and after get the input, the context and, after the task, its result. They
/// change none of these.
///
/// ```
/// use stepwright_constructs::fragments::{EnvBase, EnvBaseFragment, TaskWithPrePostStatus};
/// use stepwright_constructs::prelude::*;
///
/// let env = EnvBase::new("dev", Some("marmotdev"));
/// let task = TaskWithPrePostStatus::new("MyTask", &env, Pass::new("The Task"))
///     .status_started(Pass::new("Say it started"))
///     .status_failed(Pass::new("Say it failed"));
/// assert!(task.to_state_machine("t").template().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TaskWithPrePostStatus {
    id: String,
    name: String,
    env: EnvBase,
    task: Chain,
    context: Value,
    augment_input: Option<Chain>,
    status_started: Option<Chain>,
    status_completed: Option<Chain>,
    status_failed: Option<Chain>,
    pre_run: Option<Chain>,
    post_run: Option<Chain>,
    raw_task_input_path: String,
    task_input_path: String,
    task_result_path: String,
    task_error_path: String,
}

/// Defines the setters of the steps.
macro_rules! parts {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, part: impl Chainable) -> Self {
            self.$name = Some(part.into_chain());
            self
        }
    )*};
}

/// Defines the setters of the paths.
macro_rules! paths {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, path: &str) -> Self {
            self.$name = JsonReferencePath::new(path).as_reference();
            self
        }
    )*};
}

impl TaskWithPrePostStatus {
    /// A task without any steps around it.
    pub fn new(id: impl Into<String>, env: impl Into<EnvBase>, task: impl Chainable) -> Self {
        let id = id.into();
        Self {
            name: id.clone(),
            id,
            env: env.into(),
            task: task.into_chain(),
            context: Value::empty(),
            augment_input: None,
            status_started: None,
            status_completed: None,
            status_failed: None,
            pre_run: None,
            post_run: None,
            raw_task_input_path: "$".into(),
            task_input_path: "$.input".into(),
            task_result_path: "$.result".into(),
            task_error_path: "$.error".into(),
        }
    }

    /// The name of the task, with which the names of its states begin. Defaults to the id.
    #[must_use]
    pub fn task_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    paths! {
        /// The part of the fragment's input that the task works on. Defaults to all of it.
        raw_task_input_path;
        /// Where the task's input is, for the steps and the task. Defaults to `$.input`.
        task_input_path;
        /// Where the task's result is put. Defaults to `$.result`.
        task_result_path;
        /// Where the task's error is put. Defaults to `$.error`.
        task_error_path;
    }

    /// The value that the steps around the task see as `$.context`, in addition to the input.
    #[must_use]
    pub fn task_context(mut self, context: impl Into<Value>) -> Self {
        self.context = context.into();
        self
    }

    parts! {
        /// Computes the data of all that follows from `$.input` and `$.context`. Its output replaces
        /// the data, so it has to have `input` and, if it is used, `context`.
        augment_input;
        /// Reports that the task has started.
        status_started;
        /// Reports that the task has succeeded.
        status_completed;
        /// Reports that the task has failed. The fragment then fails as well.
        status_failed;
        /// Runs before the task.
        pre_run;
        /// Runs after the task.
        post_run;
    }

    fn part(&self, name: &str, chain: Chain) -> Parallel {
        chain.to_single_state(format!("{} {name}", self.name)).result_path(DISCARD)
    }

    pub(crate) fn build(self) -> EnvFragment {
        let name = &self.name;
        let mut definition = Pass::new(format!("{name} Start"))
            .parameters(object! {
                "input": object_at(&self.raw_task_input_path),
                "context": &self.context,
            })
            .into_chain();
        if let Some(chain) = self.augment_input.clone() {
            let augment = chain
                .to_single_state(format!("{name} Augment Input"))
                .result_path(&self.task_input_path)
                .output_path(format!("{}[0]", self.task_input_path));
            definition = definition.next(augment);
        }
        if let Some(chain) = self.status_started.clone() {
            definition = definition.next(self.part("Status Started", chain));
        }
        if let Some(chain) = self.pre_run.clone() {
            definition = definition.next(self.part("Pre Run", chain));
        }
        let mut run = self
            .task
            .clone()
            .to_single_state(format!("{name} Run"))
            .input_path(&self.task_input_path)
            .result_path(&self.task_result_path);
        if let Some(chain) = self.status_failed.clone() {
            let failed = self.part("Status Failed", chain).next(
                Fail::new(format!("{name} Fail State"))
                    .cause(format!("Task {name} failed during execution.")),
            );
            run = run.catch_with(Catch::all().result_path(&self.task_error_path), failed);
        }
        let restructure = Pass::new(format!("{name} Run (Restructure)"))
            .input_path(format!("{}[0]", self.task_result_path))
            .result_path(&self.task_result_path);
        definition = definition.next(run).next(restructure);
        if let Some(chain) = self.post_run.clone() {
            definition = definition.next(self.part("Post Run", chain));
        }
        if let Some(chain) = self.status_completed.clone() {
            definition = definition.next(self.part("Status Complete", chain));
        }
        let end = Pass::new(format!("{name} End")).input_path(&self.task_result_path);
        EnvFragment::new(self.id.clone(), self.env, definition.next(end))
    }
}

env_fragment!(TaskWithPrePostStatus);
