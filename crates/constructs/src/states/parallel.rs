use crate::chain::{Chain, Chainable, Nextable};
use crate::common::{Common, state_traits};
use crate::node::Next;
use crate::value::Value;

/// Runs branches in parallel. The result is the list of their results.
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// let parallel = Parallel::new("Do the work in parallel")
///     .branch(Pass::new("ShipItem"))
///     .branch(Pass::new("SendInvoice"))
///     .branch(Pass::new("Restock"))
///     .retry(Retry::all().max_attempts(1))
///     .catch(Pass::new("SendFailureNotification"));
/// let machine = StateMachine::new("Order", parallel.next(Pass::new("CloseOrder")));
/// assert!(machine.asl().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Parallel {
    common: Common,
    parameters: Option<Value>,
    branches: Vec<Chain>,
}

impl Parallel {
    /// A Parallel without branches.
    pub fn new(id: impl Into<String>) -> Self {
        Self { common: Common::new(id), parameters: None, branches: Vec::new() }
    }

    /// A Parallel in JSONata.
    pub fn jsonata(id: impl Into<String>) -> Self {
        Self { common: Common::jsonata(id), ..Self::new("") }
    }

    /// Adds a branch, or several: `branch([a, b])`, `branch((task, chain))`. The states of a branch
    /// are a scope of their own, and no transition leads out of it.
    #[must_use]
    pub fn branch(mut self, branches: impl Branches) -> Self {
        self.branches.extend(branches.into_branches());
        self
    }

    /// The input of the branches, computed from the state's input.
    #[must_use]
    pub fn parameters(mut self, parameters: impl Into<Value>) -> Self {
        self.parameters = Some(parameters.into());
        self
    }

    /// JSONata: the input of the branches.
    #[must_use]
    pub fn arguments(self, arguments: impl Into<Value>) -> Self {
        self.parameters(arguments)
    }
}

/// One branch of a [`Parallel`], or several.
pub trait Branches {
    /// The chains.
    fn into_branches(self) -> Vec<Chain>;
}

impl<C: Chainable> Branches for C {
    fn into_branches(self) -> Vec<Chain> {
        vec![self.into_chain()]
    }
}

impl<C: Chainable, const N: usize> Branches for [C; N] {
    fn into_branches(self) -> Vec<Chain> {
        self.into_iter().map(Chainable::into_chain).collect()
    }
}

impl<C: Chainable> Branches for Vec<C> {
    fn into_branches(self) -> Vec<Chain> {
        self.into_iter().map(Chainable::into_chain).collect()
    }
}

macro_rules! tuples_of_branches {
    ($(($($branch:ident),*))*) => {$(
        impl<$($branch: Chainable),*> Branches for ($($branch,)*) {
            #[expect(non_snake_case, reason = "the names are those of the types")]
            fn into_branches(self) -> Vec<Chain> {
                let ($($branch,)*) = self;
                vec![$($branch.into_chain()),*]
            }
        }
    )*};
}
tuples_of_branches!((A, B)(A, B, C)(A, B, C, D)(A, B, C, D, E)(A, B, C, D, E, F));

state_traits!(Parallel: State, WithData, WithVariables, WithResultPath, WithErrors);

impl Chainable for Parallel {
    fn into_chain(self) -> Chain {
        let mut chain = self.common.into_chain("Parallel", Next::Open);
        chain.first().payload = self.parameters;
        chain.first().branches = self.branches;
        chain
    }
}

impl Nextable for Parallel {}

impl Chain {
    /// Wraps the chain in a Parallel state, as its only branch.
    pub fn to_single_state(self, id: impl Into<String>) -> Parallel {
        Parallel::new(id).branch(self)
    }
}
