use crate::Span;

/// A way to mend what a diagnostic complains about. It says what should stand there; how that is
/// written (quotes, escapes, indentation) depends on the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What it does, for a menu: `Change to "Rest"`.
    pub title: String,
    /// What is to be changed.
    pub change: Change,
}

/// A change of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A text becomes another.
    Rename {
        /// Where the text stands, with its quotes if it has any.
        span: Span,
        /// The text.
        from: String,
        /// What it becomes.
        to: String,
    },
    /// An object gets another member.
    Insert {
        /// The object.
        object: Span,
        /// The new key.
        key: String,
        /// The value, as JSON.
        value: String,
    },
}

/// A piece of a source text, and what replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced.
    pub span: Span,
    /// What comes there.
    pub text: String,
}
