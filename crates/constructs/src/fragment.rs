use crate::chain::{Chain, Chainable, Nextable};
use crate::states::Parallel;

/// A reusable part of state machines: a chain with an id.
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// /// A job in two steps, done in several flavours.
/// fn my_job(id: &str, flavour: &str) -> Fragment {
///     let first = LambdaInvoke::new("First", Function::from_name("worker"))
///         .payload(object! {"jobFlavor": flavour});
///     Fragment::new(id, first.next(LambdaInvoke::new("Last", Function::from_name("worker"))))
/// }
///
/// // The states of each job get a prefix, or their names would be the same.
/// let jobs = Parallel::new("All jobs")
///     .branch(my_job("Quick", "quick").prefix_states())
///     .branch(my_job("Medium", "medium").prefix_states())
///     .branch(my_job("Slow", "slow").prefix_states());
/// assert!(StateMachine::new("Jobs", jobs).asl().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a fragment that is in no state machine does nothing"]
pub struct Fragment {
    id: String,
    chain: Chain,
}

impl Fragment {
    /// A fragment with an id and a chain.
    pub fn new(id: impl Into<String>, definition: impl Chainable) -> Self {
        Self { id: id.into(), chain: definition.into_chain() }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The fragment, which continues at these states only.
    #[doc(alias = "endStates")]
    pub fn end_states<E: Into<String>>(self, ends: impl IntoIterator<Item = E>) -> Self {
        Self { chain: Chain::custom(self.chain, ends), ..self }
    }

    /// The id of the state it starts with.
    #[doc(alias = "startState")]
    pub fn start_state(&self) -> &str {
        self.chain.start_id()
    }

    /// Adds the id, a colon and a space before the names of its states.
    pub fn prefix_states(self) -> Self {
        let prefix = format!("{}: ", self.id);
        self.prefix_states_with(&prefix)
    }

    /// Adds a prefix to the names of its states.
    pub fn prefix_states_with(self, prefix: &str) -> Self {
        Self { chain: self.chain.prefix_states(prefix), ..self }
    }

    /// Wraps the fragment in a Parallel state with its own id, as the only branch. The states get
    /// the id as their prefix.
    pub fn to_single_state(self) -> Parallel {
        let id = self.id.clone();
        self.to_single_state_as(&id)
    }

    /// Wraps the fragment in a Parallel state with this name.
    pub fn to_single_state_as(self, id: &str) -> Parallel {
        self.to_single_state_with(id, &format!("{id}: "))
    }

    /// Wraps the fragment in a Parallel state with this name, with this prefix for its states.
    pub fn to_single_state_with(self, id: &str, prefix: &str) -> Parallel {
        Parallel::new(id).branch(self.chain.prefix_states(prefix))
    }
}

impl Chainable for Fragment {
    fn into_chain(self) -> Chain {
        Chain { fragment: Some(self.id), ..self.chain }
    }
}

impl Nextable for Fragment {}
