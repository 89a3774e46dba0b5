use crate::misuse::Problems;
use crate::node::{Next, Node};

/// A sequence of states: the state it starts with, and the ends at which it can continue.
///
/// A chain owns its states, so a state cannot be in two chains: putting it into one moves it there.
/// To lead back to an earlier state, refer to it by name with [`go_to`].
#[derive(Clone, Debug, PartialEq)]
#[must_use = "states that are in no state machine do nothing"]
pub struct Chain {
    pub(crate) start: String,
    pub(crate) nodes: Vec<Node>,
    pub(crate) ends: Vec<End>,
    pub(crate) problems: Problems,
    /// The id of what was added last, for messages.
    pub(crate) last: String,
    /// The id of the fragment that it is, if it is just one.
    pub(crate) fragment: Option<String>,
}

/// An open end of a chain.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum End {
    /// The transition of a state that has no next state yet.
    After(String),
    /// The default of a Choice, taken if no rule matches.
    Otherwise(String),
}

/// Refers to the state with this id, which is elsewhere in the same scope: for a loop back, or to
/// join another path.
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// let wait = Wait::new("Wait", WaitTime::seconds(30));
/// let again = Choice::new("Done?").when("$.done == true", Succeed::new("Yes")).otherwise(go_to("Wait"));
/// let machine = StateMachine::new("Poll", wait.next(again));
/// assert_eq!(machine.asl().unwrap().get("StartAt").unwrap().as_str(), Some("Wait"));
/// ```
pub fn go_to(id: impl Into<String>) -> Chain {
    let start = id.into();
    Chain {
        last: start.clone(),
        start,
        nodes: Vec::new(),
        ends: Vec::new(),
        problems: Problems::default(),
        fragment: None,
    }
}

/// Anything that can become part of a chain: states, chains, fragments.
pub trait Chainable: Sized {
    /// Converts it into a chain.
    fn into_chain(self) -> Chain;
}

impl Chainable for Chain {
    fn into_chain(self) -> Chain {
        self
    }
}

/// Anything that can be followed by a state. Choice, Succeed and Fail cannot; but after
/// [`Choice::afterwards`](crate::Choice::afterwards), the paths of a Choice can.
///
/// ```compile_fail
/// use stepwright_constructs::prelude::*;
///
/// let chain = Fail::new("No").next(Pass::new("After"));
/// ```
pub trait Nextable: Chainable {
    /// Adds what comes next.
    fn next(self, next: impl Chainable) -> Chain {
        let mut chain = self.into_chain();
        chain.fragment = None;
        let next = next.into_chain();
        if chain.ends.is_empty() {
            let message =
                format!("`{}` cannot follow: nothing can come after this state", next.start);
            chain.problems.add(&chain.last, message);
        }
        for end in std::mem::take(&mut chain.ends) {
            chain.join(&end, &next.start);
        }
        chain.ends.clone_from(&next.ends);
        chain.last.clone_from(&next.last);
        chain.absorb(next);
        chain
    }
}

impl Nextable for Chain {}

impl Chain {
    /// Starts a chain.
    pub fn start(first: impl Chainable) -> Self {
        first.into_chain()
    }

    /// One part after another.
    pub fn sequence(first: impl Chainable, next: impl Chainable) -> Self {
        first.into_chain().next(next)
    }

    /// The same chain, which continues at these states only: those that `ends` names. The others
    /// end the execution.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let work = Choice::new("Cached?")
    ///     .when("$.cached == true", Pass::new("Use it"))
    ///     .otherwise(Pass::new("Compute"))
    ///     .afterwards();
    /// // Only what was computed is stored.
    /// let chain = Chain::custom(work, ["Compute"]).next(Pass::new("Store"));
    /// assert_eq!(chain.end_states(), ["Store"]);
    /// assert!(StateMachine::new("Caching", chain).asl().is_ok());
    /// ```
    pub fn custom<E: Into<String>>(
        definition: impl Chainable,
        ends: impl IntoIterator<Item = E>,
    ) -> Self {
        let mut chain = definition.into_chain();
        chain.fragment = None;
        chain.ends.clear();
        for id in ends {
            let id: String = id.into();
            match chain.nodes.iter().find(|node| node.id == id) {
                Some(node) if node.next == Next::Open => chain.ends.push(End::After(id)),
                Some(node) if node.kind == "Choice" && node.otherwise.is_none() => {
                    chain.ends.push(End::Otherwise(id));
                }
                Some(_) => chain
                    .problems
                    .add(&id, "it cannot be an end: something follows, or nothing can"),
                None => chain
                    .problems
                    .add(&id, "the chain has no state with this id, which is to be its end"),
            }
        }
        chain
    }

    /// The ids of the states at which the chain continues.
    pub fn end_states(&self) -> Vec<&str> {
        let id = |end: &'_ End| match end {
            End::After(id) | End::Otherwise(id) => id.clone(),
        };
        let ids: Vec<String> = self.ends.iter().map(id).collect();
        self.nodes
            .iter()
            .map(|node| node.id.as_str())
            .filter(|known| ids.iter().any(|id| id == known))
            .collect()
    }

    /// A chain of these parts, one after another.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let chain = Chain::of_all((1..=3).map(|step| Pass::new(format!("Step{step}"))));
    /// let machine = StateMachine::new("Steps", chain.unwrap());
    /// assert!(machine.asl().is_ok());
    /// ```
    pub fn of_all<C: Chainable>(parts: impl IntoIterator<Item = C>) -> Option<Self> {
        parts.into_iter().map(Chainable::into_chain).reduce(Nextable::next)
    }

    /// The chain of a single state.
    pub(crate) fn of(node: Node) -> Self {
        let ends = if node.next == Next::Open { vec![End::After(node.id.clone())] } else { vec![] };
        Self {
            start: node.id.clone(),
            last: node.id.clone(),
            ends,
            problems: Problems::default(),
            fragment: None,
            nodes: vec![node],
        }
    }

    /// The first node. For a chain made from a state, it is that state's only node.
    pub(crate) fn first(&mut self) -> &mut Node {
        self.nodes.first_mut().expect("the chain of a state has the state in it")
    }

    /// Moves the states of another chain into this scope.
    pub(crate) fn absorb(&mut self, other: Chain) {
        self.nodes.extend(other.nodes);
        for problem in other.problems.0 {
            self.problems.add(&problem.subject, problem.message);
        }
    }

    /// The id of the state it starts with.
    #[doc(alias = "start_state")]
    #[doc(alias = "startState")]
    pub fn start_id(&self) -> &str {
        &self.start
    }

    /// Adds a prefix to the names of all its states.
    pub fn prefix_states(mut self, prefix: &str) -> Self {
        self.rename(prefix);
        self
    }

    pub(crate) fn rename(&mut self, prefix: &str) {
        let ids: Vec<String> = self.nodes.iter().map(|node| node.id.clone()).collect();
        let in_scope = |id: &str| ids.iter().any(|known| known == id);
        for node in &mut self.nodes {
            node.rename(prefix, in_scope);
        }
        if in_scope(&self.start) {
            self.start.insert_str(0, prefix);
        }
        for end in &mut self.ends {
            let (End::After(id) | End::Otherwise(id)) = end;
            id.insert_str(0, prefix);
        }
    }

    fn join(&mut self, end: &End, target: &str) {
        let (End::After(id) | End::Otherwise(id)) = end;
        let Some(node) = self.nodes.iter_mut().find(|node| node.id == *id) else { return };
        match end {
            End::After(_) => node.next = Next::To(target.to_owned()),
            End::Otherwise(_) => node.otherwise = Some(target.to_owned()),
        }
    }
}
