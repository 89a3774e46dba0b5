use crate::chain::{Chain, Chainable};
use crate::duration::Timeout;
use crate::json_path::Discard;
use crate::misuse::Problems;
use crate::node::{Catcher, Next, Node};
use crate::param::At;
use crate::retry::{Catch, Retry};
use crate::value::{QueryLanguage, Value};

/// How a task waits for the service it calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegrationPattern {
    /// The service's response is the result.
    RequestResponse,
    /// The state waits until the work it started has ended (`.sync`).
    RunJob,
    /// The state waits until somebody reports with its task token (`.waitForTaskToken`).
    WaitForTaskToken,
}

impl IntegrationPattern {
    /// The CDK's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::RequestResponse => "REQUEST_RESPONSE",
            Self::RunJob => "RUN_JOB",
            Self::WaitForTaskToken => "WAIT_FOR_TASK_TOKEN",
        }
    }

    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::RequestResponse => "",
            Self::RunJob => ".sync",
            Self::WaitForTaskToken => ".waitForTaskToken",
        }
    }
}

/// The fields that states can have. Each type of state has setters for those that apply to it.
#[doc(hidden)]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Common {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) comment: Option<String>,
    pub(crate) language: Option<QueryLanguage>,
    pub(crate) input_path: Option<Value>,
    pub(crate) output_path: Option<Value>,
    pub(crate) result_path: Option<Value>,
    pub(crate) result_selector: Option<Value>,
    pub(crate) assign: Option<Value>,
    pub(crate) outputs: Option<Value>,
    pub(crate) retries: Vec<Retry>,
    pub(crate) catches: Vec<(Catch, Chain)>,
    pub(crate) pattern: Option<IntegrationPattern>,
    pub(crate) timeout: Option<Timeout>,
    pub(crate) heartbeat: Option<Timeout>,
    pub(crate) credentials: Option<crate::resources::Role>,
    pub(crate) problems: Problems,
}

impl Common {
    pub(crate) fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }

    pub(crate) fn jsonata(id: impl Into<String>) -> Self {
        Self { language: Some(QueryLanguage::Jsonata), ..Self::new(id) }
    }

    /// Converts a state to a chain, together with the handlers of its catchers.
    pub(crate) fn into_chain(self, kind: &'static str, next: Next) -> Chain {
        let mut node = Node::new(self.id, kind, next);
        node.name = self.name.unwrap_or_else(|| node.id.clone());
        node.language = self.language;
        node.put("Comment", self.comment);
        node.put_value("InputPath", self.input_path);
        node.put_value("OutputPath", self.output_path);
        node.put_value("ResultPath", self.result_path);
        node.put_value("ResultSelector", self.result_selector);
        node.put_value("Assign", self.assign);
        node.put_value("Output", self.outputs);
        node.retries = self.retries;
        node.problems = self.problems;
        let mut handlers = Vec::new();
        for (catch, handler) in self.catches {
            node.catches.push(Catcher { catch, target: handler.start.clone() });
            handlers.push(handler);
        }
        let mut chain = Chain::of(node);
        for handler in handlers {
            chain.absorb(handler);
        }
        chain
    }
}

/// Access to the fields that states share. Implemented by the states of this crate.
#[doc(hidden)]
pub trait HasCommon {
    fn common_mut(&mut self) -> &mut Common;
}

/// A path into the data, or [`DISCARD`](crate::json_path::DISCARD).
#[derive(Clone, Debug, PartialEq)]
pub struct DataPath(pub(crate) Value);

impl From<&str> for DataPath {
    fn from(path: &str) -> Self {
        Self(path.into())
    }
}

impl From<&String> for DataPath {
    fn from(path: &String) -> Self {
        Self(path.into())
    }
}

impl From<String> for DataPath {
    fn from(path: String) -> Self {
        Self(path.into())
    }
}

impl<K> From<At<K>> for DataPath {
    fn from(at: At<K>) -> Self {
        Self(at.expression.into())
    }
}

impl From<Discard> for DataPath {
    fn from(_: Discard) -> Self {
        Self(Value::Null)
    }
}

/// Settings of every state.
pub trait State: HasCommon + Sized {
    /// A comment for people who read the definition.
    #[must_use]
    fn comment(mut self, comment: impl Into<String>) -> Self {
        self.common_mut().comment = Some(comment.into());
        self
    }

    /// The name in the definition, if it differs from the id.
    #[must_use]
    fn state_name(mut self, name: impl Into<String>) -> Self {
        self.common_mut().name = Some(name.into());
        self
    }
}

/// Settings of states that read and write data: all but Fail.
pub trait WithData: State {
    /// The part of the input that the state receives.
    #[must_use]
    fn input_path(mut self, path: impl Into<DataPath>) -> Self {
        self.common_mut().input_path = Some(path.into().0);
        self
    }

    /// The part of the output that is passed on.
    #[must_use]
    fn output_path(mut self, path: impl Into<DataPath>) -> Self {
        self.common_mut().output_path = Some(path.into().0);
        self
    }

    /// JSONata: the output of the state.
    #[must_use]
    fn outputs(mut self, outputs: impl Into<Value>) -> Self {
        self.common_mut().outputs = Some(outputs.into());
        self
    }
}

/// Settings of states that can assign variables: all but Succeed and Fail.
pub trait WithVariables: State {
    /// Assigns variables: `object! {"total": number_at("$.total")}`.
    #[must_use]
    fn assign(mut self, variables: impl Into<Value>) -> Self {
        self.common_mut().assign = Some(variables.into());
        self
    }
}

/// Settings of states that can put their result into the input.
pub trait WithResultPath: State {
    /// Where the result is put in the input; [`DISCARD`](crate::json_path::DISCARD) throws the
    /// result away.
    #[must_use]
    fn result_path(mut self, path: impl Into<DataPath>) -> Self {
        self.common_mut().result_path = Some(path.into().0);
        self
    }
}

/// Settings of states that do work, which can fail: Task, Parallel, Map.
pub trait WithErrors: State {
    /// Transforms the result.
    #[must_use]
    fn result_selector(mut self, selector: impl Into<Value>) -> Self {
        self.common_mut().result_selector = Some(selector.into());
        self
    }

    /// Retries after errors.
    #[doc(alias = "addRetry")]
    #[doc(alias = "add_retry")]
    #[must_use]
    fn retry(mut self, retry: Retry) -> Self {
        self.common_mut().retries.push(retry);
        self
    }

    /// Goes to `handler` after any error.
    #[doc(alias = "addCatch")]
    #[doc(alias = "add_catch")]
    #[must_use]
    fn catch(self, handler: impl Chainable) -> Self {
        self.catch_with(Catch::all(), handler)
    }

    /// Goes to `handler` after certain errors.
    #[doc(alias = "addCatch")]
    #[doc(alias = "add_catch")]
    #[must_use]
    fn catch_with(mut self, catch: Catch, handler: impl Chainable) -> Self {
        self.common_mut().catches.push((catch, handler.into_chain()));
        self
    }
}

/// Settings of every task.
pub trait TaskState: WithErrors {
    /// How the task waits for the service it calls.
    #[must_use]
    fn integration_pattern(mut self, pattern: IntegrationPattern) -> Self {
        self.common_mut().pattern = Some(pattern);
        self
    }

    /// How long the task may take.
    #[doc(alias = "timeout")]
    #[must_use]
    fn task_timeout(mut self, timeout: impl Into<Timeout>) -> Self {
        self.common_mut().timeout = Some(timeout.into());
        self
    }

    /// How long the task may go without a heartbeat.
    #[doc(alias = "heartbeat")]
    #[must_use]
    fn heartbeat_timeout(mut self, timeout: impl Into<Timeout>) -> Self {
        self.common_mut().heartbeat = Some(timeout.into());
        self
    }

    /// The role that the task assumes, instead of the state machine's own role.
    #[doc(alias = "TaskRole")]
    #[must_use]
    fn credentials(mut self, role: impl Into<crate::resources::Role>) -> Self {
        self.common_mut().credentials = Some(role.into());
        self
    }
}

/// Implements the traits for a type of state.
macro_rules! state_traits {
    ($state:ty: $($name:ident),*) => {
        impl $crate::common::HasCommon for $state {
            fn common_mut(&mut self) -> &mut $crate::common::Common {
                &mut self.common
            }
        }
        $(impl $crate::common::$name for $state {})*
    };
}
pub(crate) use state_traits;
