use crate::chain::{Chain, Chainable};
use crate::common::{Common, state_traits};
use crate::node::Next;
use crate::param::At;
use crate::value::Value;

/// Ends the execution, or the branch, with an error.
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// let fail = Fail::new("Fail").error("WorkflowFailure").cause("Something went wrong");
/// assert!(StateMachine::new("Failing", fail).asl().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fail {
    common: Common,
    error: Option<Value>,
    error_path: Option<Value>,
    cause: Option<Value>,
    cause_path: Option<Value>,
}

/// The intrinsic functions that return text, which `ErrorPath` and `CausePath` require.
const TEXT_FUNCTIONS: [&str; 7] = [
    "States.Format",
    "States.JsonToString",
    "States.ArrayGetItem",
    "States.Base64Encode",
    "States.Base64Decode",
    "States.Hash",
    "States.UUID",
];

impl Fail {
    /// A Fail state.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            common: Common::new(id),
            error: None,
            error_path: None,
            cause: None,
            cause_path: None,
        }
    }

    /// A Fail state in JSONata: `error` and `cause` may be expressions.
    pub fn jsonata(id: impl Into<String>) -> Self {
        Self { common: Common::jsonata(id), ..Self::new("") }
    }

    /// The name of the error.
    #[must_use]
    pub fn error(mut self, error: impl Into<Value>) -> Self {
        self.error = Some(error.into());
        self
    }

    /// The path of the error's name, or an intrinsic function that returns text.
    #[must_use]
    pub fn error_path(mut self, path: impl Into<ErrorPath>) -> Self {
        self.error_path = Some(path.into().0);
        self
    }

    /// The cause of the error, for people to read.
    #[must_use]
    pub fn cause(mut self, cause: impl Into<Value>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The path of the cause, or an intrinsic function that returns text.
    #[must_use]
    pub fn cause_path(mut self, path: impl Into<ErrorPath>) -> Self {
        self.cause_path = Some(path.into().0);
        self
    }
}

/// A path or an intrinsic function.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorPath(Value);

impl From<&str> for ErrorPath {
    fn from(path: &str) -> Self {
        Self(path.into())
    }
}

impl<K> From<At<K>> for ErrorPath {
    fn from(at: At<K>) -> Self {
        Self(at.expression.into())
    }
}

state_traits!(Fail: State);

impl Chainable for Fail {
    fn into_chain(mut self) -> Chain {
        let id = self.common.id.clone();
        let is_jsonata = self.common.language == Some(crate::QueryLanguage::Jsonata);
        let pairs =
            [("error", &self.error, &self.error_path), ("cause", &self.cause, &self.cause_path)];
        for (name, literal, path) in pairs {
            let problems = &mut self.common.problems;
            let Some(path) = path.as_ref().and_then(Value::as_literal) else { continue };
            if literal.is_some() {
                problems.add(&id, format!("a Fail has either `{name}` or `{name}_path`, not both"));
            }
            if is_jsonata {
                problems.add(&id, format!("a Fail in JSONata has `{name}`, which may be an expression, not `{name}_path`"));
            }
            if path.starts_with("States.")
                && !TEXT_FUNCTIONS.iter().any(|name| path.starts_with(name))
            {
                let functions = TEXT_FUNCTIONS.join(", ");
                problems.add(
                    &id,
                    format!("`{name}_path` may be a path or one of {functions}, not `{path}`"),
                );
            }
        }
        let mut chain = self.common.into_chain("Fail", Next::Never);
        let node = chain.first();
        node.put_value("Error", self.error);
        node.put_value("ErrorPath", self.error_path);
        node.put_value("Cause", self.cause);
        node.put_value("CausePath", self.cause_path);
        chain
    }
}
