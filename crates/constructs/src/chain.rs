use crate::misuse::Problems;
use crate::node::{Next, Node};
use crate::states::Parallel;

/// States that follow one another: where it starts, and where it is still open.
///
/// A chain owns its states, so a state cannot be in two chains: it was moved into the first. A way
/// back to an earlier state is said with its name, [`go_to`].
#[derive(Clone, Debug, PartialEq)]
#[must_use = "states that are in no state machine do nothing"]
pub struct Chain {
    pub(crate) start: String,
    pub(crate) nodes: Vec<Node>,
    pub(crate) ends: Vec<End>,
    pub(crate) problems: Problems,
    /// What was put on last, for messages.
    pub(crate) last: String,
}

/// Where a chain can go on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum End {
    /// After a state that has no next.
    After(String),
    /// Where a Choice goes if no rule fits.
    Otherwise(String),
}

/// The state called `id`, which is elsewhere in the same scope: a loop back, or a way that joins
/// another.
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
    }
}

/// What can be put into a chain: states, chains, fragments.
pub trait Chainable: Sized {
    /// The chain of it.
    fn into_chain(self) -> Chain;
}

impl Chainable for Chain {
    fn into_chain(self) -> Chain {
        self
    }
}

/// What can be followed by a state. Choice, Succeed and Fail cannot; after
/// [`Choice::afterwards`](crate::Choice::afterwards) the ways of a Choice can.
///
/// ```compile_fail
/// use stepwright_constructs::prelude::*;
///
/// let chain = Fail::new("No").next(Pass::new("After"));
/// ```
pub trait Nextable: Chainable {
    /// What comes next.
    fn next(self, next: impl Chainable) -> Chain {
        let mut chain = self.into_chain();
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

    /// A chain of these, one after another.
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

    /// The chain of one state.
    pub(crate) fn of(node: Node) -> Self {
        let ends = if node.next == Next::Open { vec![End::After(node.id.clone())] } else { vec![] };
        Self {
            start: node.id.clone(),
            last: node.id.clone(),
            ends,
            problems: Problems::default(),
            nodes: vec![node],
        }
    }

    /// The first node, which a state makes of itself.
    pub(crate) fn first(&mut self) -> &mut Node {
        self.nodes.first_mut().expect("the chain of a state has the state in it")
    }

    /// Takes the states of another chain into this scope.
    pub(crate) fn absorb(&mut self, other: Chain) {
        self.nodes.extend(other.nodes);
        for problem in other.problems.0 {
            self.problems.add(&problem.subject, problem.message);
        }
    }

    /// The id of the state it starts with.
    pub fn start_id(&self) -> &str {
        &self.start
    }

    /// Puts `prefix` before the names of all its states.
    pub fn prefix_states(mut self, prefix: &str) -> Self {
        self.rename(prefix);
        self
    }

    /// One Parallel state with the chain as its only branch.
    pub fn to_single_state(self, id: impl Into<String>) -> Parallel {
        Parallel::new(id).branch(self)
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
