use stepwright_source::Span;

/// A text is not a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// What is wrong, in Jayway's words where Jayway has words.
    pub message: String,
    /// Where in the text of the path.
    pub span: Span,
}

/// A path could not be evaluated. The messages are Jayway's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// A definite path leads nowhere.
    #[error("{message}")]
    NotFound {
        /// Which part of the path, and why.
        message: String,
    },
    /// The path does not fit the value: a filter over a text, a function that does not exist.
    #[error("{message}")]
    Invalid {
        /// What does not fit.
        message: String,
    },
    /// A function or filter could not be computed.
    #[error("{message}")]
    Failed {
        /// Why.
        message: String,
    },
    /// The evaluation takes more steps or space than it may: see [`crate::Limits`].
    #[error("{message}")]
    TooMuch {
        /// Of what.
        message: String,
    },
}

impl EvaluationError {
    /// Whether the path was fine and only the value is missing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}

/// A value could not be put where a reference path points.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Unable to apply ReferencePath {path} to input {input}")]
pub struct SetError {
    /// The text of the path.
    pub path: String,
    /// The value it was to be put into, as text.
    pub input: String,
}

/// Why compiling stopped. Inside a filter the two kinds are told apart: after the first, an
/// operator that does not read is taken back and the operand becomes a test for existence.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    /// Jayway's `InvalidPathException`.
    Invalid(String, usize),
    /// Any other exception.
    Other(String, usize),
}

impl Refusal {
    pub(crate) fn invalid<T>(message: impl Into<String>, at: usize) -> Result<T, Self> {
        Err(Self::Invalid(message.into(), at))
    }

    pub(crate) fn other<T>(message: impl Into<String>, at: usize) -> Result<T, Self> {
        Err(Self::Other(message.into(), at))
    }

    pub(crate) fn into_parts(self) -> (String, usize) {
        match self {
            Self::Invalid(message, at) | Self::Other(message, at) => (message, at),
        }
    }
}

/// Why evaluating stopped. Each kind is caught at a different place.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Jayway's `PathNotFoundException`.
    NotFound(String),
    /// Jayway's `InvalidPathException`.
    Invalid(String),
    /// Jayway's `JsonPathException` and whatever else.
    Failed(String),
    /// Java's `IndexOutOfBoundsException`: an index step further out takes it for a missing element.
    OutOfBounds(String),
    /// A limit is reached. Nothing catches it.
    TooMuch(String),
}

impl From<Fault> for EvaluationError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotFound(message) => Self::NotFound { message },
            Fault::Invalid(message) => Self::Invalid { message },
            Fault::Failed(message) | Fault::OutOfBounds(message) => Self::Failed { message },
            Fault::TooMuch(message) => Self::TooMuch { message },
        }
    }
}
