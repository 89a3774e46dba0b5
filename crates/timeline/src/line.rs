use stepwright_history::{Failure, StateType};
use stepwright_json::{Json, Object, Str};

/// One line of a timeline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// When, in milliseconds since the beginning.
    pub at_millis: i64,
    /// Milliseconds since the line before it in the same scope.
    pub since_millis: i64,
    /// How deep within branches and iterations.
    pub depth: usize,
    /// The item of a Map that it is about: `#3`, or `#3.1` within a Map within a Map.
    pub item: ItemPath,
    /// What: `enter`, `exit`, `task`, `wait`, …
    pub verb: &'static str,
    /// The state, or what else it is about.
    pub subject: String,
    /// The type of the state, for an entry or an exit.
    pub kind: Option<StateType>,
    /// What is called, how long it takes, and the like.
    pub detail: String,
    /// The data.
    pub data: Option<Json>,
    /// The variables that were assigned.
    pub assigned: Option<Object>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// Why it goes on as it does: the catcher, the rule of a Choice.
    pub why: String,
    /// Whether most readers want to see it.
    pub weight: Weight,
}

/// The items of Maps around a line, from the outside in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemPath(pub Vec<u32>);

/// Whether a line is worth showing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It repeats what other lines show, or it is one of very many.
    Minor,
    /// It shows something new.
    #[default]
    Main,
}

impl Line {
    /// The word for what happened. It depends on the type of the state.
    pub fn word(&self) -> &'static str {
        match (self.verb, self.kind) {
            ("exit", _) if self.why.starts_with("caught") => "exit",
            ("exit", Some(StateType::Pass)) => "pass",
            ("exit", Some(StateType::Choice)) => "choose",
            ("exit", Some(StateType::Map | StateType::Parallel)) => "done",
            (verb, _) => verb,
        }
    }

    /// Why it failed, on one line: a cause that is JSON is told by its message.
    pub fn failure_text(&self) -> Option<String> {
        self.failure.as_ref().map(|failure| {
            let error = failure.error.as_ref().map(Str::as_str);
            let cause = failure.cause.as_deref().unwrap_or_default();
            let told = crate::why::Told::read(cause);
            let message = told.map_or(cause.to_owned(), |told| told.message);
            match (error, message.is_empty()) {
                (Some(error), false) => format!("{error}: {message}"),
                (Some(error), true) => error.to_owned(),
                (None, false) => message,
                (None, true) => "without an error".to_owned(),
            }
        })
    }
}

impl std::fmt::Display for ItemPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, index) in self.0.iter().enumerate() {
            write!(f, "{}{index}", if at == 0 { "#" } else { "." })?;
        }
        Ok(())
    }
}
