use crate::chain::{Chain, Chainable, Nextable};
use crate::common::{Common, state_traits};
use crate::node::Next;
use crate::value::Value;

/// Passes its input on, filtered or with additional data.
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// // Makes the current JSON state { ..., "subObject": { "hello": "world" } }
/// let pass = Pass::new("Add Hello World")
///     .result(object! {"hello": "world"})
///     .result_path("$.subObject");
/// let machine = StateMachine::new("Greeting", pass.next(Pass::new("NextState")));
/// assert!(machine.asl().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    common: Common,
    result: Option<Value>,
    parameters: Option<Value>,
}

impl Pass {
    /// A Pass state.
    pub fn new(id: impl Into<String>) -> Self {
        Self { common: Common::new(id), result: None, parameters: None }
    }

    /// A Pass state in JSONata.
    pub fn jsonata(id: impl Into<String>) -> Self {
        Self { common: Common::jsonata(id), ..Self::new("") }
    }

    /// Sets a fixed result.
    #[must_use]
    #[doc(alias = "Result")]
    pub fn result(mut self, result: impl Into<Value>) -> Self {
        self.result = Some(result.into());
        self
    }

    /// Sets the result, computed from the input.
    #[must_use]
    pub fn parameters(mut self, parameters: impl Into<Value>) -> Self {
        self.parameters = Some(parameters.into());
        self
    }
}

state_traits!(Pass: State, WithData, WithVariables, WithResultPath);

impl Chainable for Pass {
    fn into_chain(mut self) -> Chain {
        let is_jsonata = self.common.language == Some(crate::QueryLanguage::Jsonata);
        if is_jsonata && (self.result.is_some() || self.parameters.is_some()) {
            let id = self.common.id.clone();
            self.common
                .problems
                .add(&id, "a Pass in JSONata has `outputs`, not `result` or `parameters`");
        }
        let mut chain = self.common.into_chain("Pass", Next::Open);
        chain.first().put_value("Result", self.result);
        chain.first().payload = self.parameters;
        chain
    }
}

impl Nextable for Pass {}
