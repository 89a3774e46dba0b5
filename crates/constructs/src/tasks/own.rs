use crate::IntegrationPattern;
use crate::chain::{Chain, Chainable, Nextable};
use crate::common::{
    Common, HasCommon, State, TaskState, WithData, WithErrors, WithResultPath, WithVariables,
};
use crate::iam::Statement;
use crate::metrics::TaskMetrics;
use crate::tasks::{Plan, ServiceTask};
use crate::text::Text;
use crate::value::Value;

/// A kind of work of your own, for a [`Task`]: what it calls, with which parameters, and the
/// permissions it needs.
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// /// Translates text.
/// #[derive(Clone)]
/// struct Translate {
///     to: &'static str,
/// }
///
/// impl StepFunctionsTask for Translate {
///     fn bind(&self, pattern: IntegrationPattern) -> TaskConfig {
///         TaskConfig::new("arn:aws:states:::aws-sdk:translate:translateText")
///             .parameters(object! {
///                 "SourceLanguageCode": "auto",
///                 "TargetLanguageCode": self.to,
///                 "Text": string_at("$.text"),
///             })
///             .allow(Statement::allow(["translate:TranslateText"], ["*"]))
///             .only(pattern, [IntegrationPattern::RequestResponse])
///     }
/// }
///
/// let task = Task::new("Into German", Translate { to: "de" }).result_path("$.german");
/// let machine = StateMachine::new("Translating", task.next(Succeed::new("Done")));
/// assert_eq!(machine.policy()?.len(), 1);
/// # Ok::<(), Misuses>(())
/// ```
#[doc(alias = "IStepFunctionsTask")]
#[doc(alias = "TaskStateBase")]
pub trait StepFunctionsTask {
    /// What the task does, with the pattern in which it waits for its end.
    fn bind(&self, pattern: IntegrationPattern) -> TaskConfig;
}

/// What a task does.
#[doc(alias = "StepFunctionsTaskConfig")]
#[derive(Clone, Debug, PartialEq)]
pub struct TaskConfig {
    resource: Text,
    parameters: Option<Value>,
    statements: Vec<Statement>,
    metrics: Option<TaskMetrics>,
    problems: Vec<String>,
}

impl TaskConfig {
    /// A task that calls this resource: the ARN of a function or an activity, or that of an
    /// integration, such as `arn:aws:states:::sqs:sendMessage`.
    pub fn new(resource: impl Into<Text>) -> Self {
        Self {
            resource: resource.into(),
            parameters: None,
            statements: Vec::new(),
            metrics: None,
            problems: Vec::new(),
        }
    }

    /// The parameters; in JSONata, the arguments. Without them, the task gets the state's input.
    #[must_use]
    pub fn parameters(mut self, parameters: impl Into<Value>) -> Self {
        self.parameters = Some(parameters.into());
        self
    }

    /// Adds a permission to the role of the state machine.
    #[must_use]
    pub fn allow(mut self, statement: Statement) -> Self {
        self.statements.push(statement);
        self
    }

    /// The metrics that CloudWatch has of it: their names begin with `singular` or `plural`, such
    /// as `Activity` and `Activities`.
    #[must_use]
    pub fn metrics(
        mut self,
        singular: &'static str,
        plural: &'static str,
        dimensions: Vec<(String, Text)>,
    ) -> Self {
        self.metrics = Some(TaskMetrics { singular, plural, dimensions });
        self
    }

    /// Refuses every pattern but these.
    #[must_use]
    pub fn only(
        self,
        pattern: IntegrationPattern,
        supported: impl IntoIterator<Item = IntegrationPattern>,
    ) -> Self {
        let supported: Vec<IntegrationPattern> = supported.into_iter().collect();
        if supported.contains(&pattern) {
            return self;
        }
        let names: Vec<&str> = supported.iter().map(|pattern| pattern.name()).collect();
        self.problem(format!(
            "it does not support the integration pattern {}, only {}",
            pattern.name(),
            names.join(", "),
        ))
    }

    /// Reports a problem when the state machine is built.
    #[must_use]
    pub fn problem(mut self, problem: impl Into<String>) -> Self {
        self.problems.push(problem.into());
        self
    }
}

/// A task of a kind of your own; see [`StepFunctionsTask`].
#[derive(Clone, Debug, PartialEq)]
pub struct Task<T> {
    common: Common,
    task: T,
}

impl<T: StepFunctionsTask> Task<T> {
    /// A task that does this.
    pub fn new(id: impl Into<String>, task: T) -> Self {
        Self { common: Common::new(id), task }
    }

    /// A task in JSONata that does this.
    pub fn jsonata(id: impl Into<String>, task: T) -> Self {
        Self { common: Common::jsonata(id), task }
    }

    fn config(&self) -> TaskConfig {
        self.task.bind(self.common.pattern.unwrap_or(IntegrationPattern::RequestResponse))
    }
}

impl<T> HasCommon for Task<T> {
    fn common_mut(&mut self) -> &mut Common {
        &mut self.common
    }
}

impl<T> State for Task<T> {}
impl<T> WithData for Task<T> {}
impl<T> WithVariables for Task<T> {}
impl<T> WithResultPath for Task<T> {}
impl<T> WithErrors for Task<T> {}
impl<T> TaskState for Task<T> {}

impl<T: StepFunctionsTask> ServiceTask for Task<T> {
    fn metrics(&self) -> Option<TaskMetrics> {
        self.config().metrics
    }

    fn plan(&self, plan: &mut Plan) {
        let config = self.config();
        plan.resource(config.resource);
        plan.needs_token("parameters", config.parameters.as_ref());
        plan.only(config.parameters);
        for statement in config.statements {
            plan.state(statement);
        }
        for problem in config.problems {
            plan.problem(problem);
        }
    }
}

impl<T: StepFunctionsTask> Chainable for Task<T> {
    fn into_chain(self) -> Chain {
        let patterns = [
            IntegrationPattern::RequestResponse,
            IntegrationPattern::RunJob,
            IntegrationPattern::WaitForTaskToken,
        ];
        let mut plan = Plan::new(&self.common, "Task", &patterns);
        self.plan(&mut plan);
        plan.into_chain(self.common)
    }
}

impl<T: StepFunctionsTask> Nextable for Task<T> {}
