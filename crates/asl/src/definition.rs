use crate::substitute::placeholders;
use std::collections::BTreeSet;
use std::sync::Arc;
use stepwright_json::tree::{self, Node};
use stepwright_json::{Json, Limits, ParseError, Syntax};

/// A state machine definition: its text and its tree.
#[derive(Clone, Debug)]
pub struct Definition {
    /// The text the spans of `root` point into.
    pub text: Arc<str>,
    /// The definition as JSON, with places.
    pub root: Node,
    /// The names of `${Name}` in it that nothing will replace, because it stands in a template that
    /// gives them no value: AWS gets them as they are. Any other `${Name}` is filled in later.
    pub literals: Arc<BTreeSet<String>>,
}

impl Definition {
    /// Parses Amazon States Language in JSON.
    pub fn parse(text: &str, syntax: Syntax) -> Result<Self, ParseError> {
        let root = tree::parse(text, syntax, Limits::default())?;
        Ok(Self::new(text, root))
    }

    /// A definition whose tree points into this text.
    pub fn new(text: impl Into<Arc<str>>, root: Node) -> Self {
        Self { text: text.into(), root, literals: Arc::default() }
    }

    /// Makes a definition from a value. Its text is the value, pretty-printed.
    pub fn from_json(value: &Json) -> Self {
        let text = value.pretty();
        Self::parse(&text, Syntax::Strict).expect("what is printed can be read")
    }

    /// Whether a text holds a `${…}` that is filled in later: nothing is known of it yet.
    pub fn has_placeholder(&self, text: &str) -> bool {
        placeholders(text).any(|(name, _)| !self.literals.contains(name))
    }

    /// The definition without its places.
    pub fn to_json(&self) -> Json {
        self.root.to_json()
    }
}
