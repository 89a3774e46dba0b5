use crate::chain::{Chain, Chainable};
use crate::common::{Common, state_traits};
use crate::node::Next;

/// Ends the execution, or the branch, successfully.
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// assert!(StateMachine::new("Done", Succeed::new("We did it!")).asl().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Succeed {
    common: Common,
}

impl Succeed {
    /// A Succeed state.
    pub fn new(id: impl Into<String>) -> Self {
        Self { common: Common::new(id) }
    }

    /// A Succeed state in JSONata.
    pub fn jsonata(id: impl Into<String>) -> Self {
        Self { common: Common::jsonata(id) }
    }
}

state_traits!(Succeed: State, WithData);

impl Chainable for Succeed {
    fn into_chain(self) -> Chain {
        self.common.into_chain("Succeed", Next::Never)
    }
}
