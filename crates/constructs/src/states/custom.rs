use crate::chain::{Chain, Chainable, Nextable};
use crate::common::{Common, state_traits};
use crate::iam::Statement;
use crate::node::Next;
use crate::value::Value;

/// A state given as JSON, for anything that has no construct of its own.
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// let get = CustomState::new("Read", object! {
///     "Type": "Task",
///     "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
///     "Parameters": {"Bucket": "b", "Key": string_at("$.key")},
/// });
/// assert!(StateMachine::new("Reader", get.next(Succeed::new("Done"))).asl().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CustomState {
    common: Common,
    state: Value,
    statements: Vec<Statement>,
}

impl CustomState {
    /// A state with these members. `Next` and `End` are added by the chain it is put in.
    pub fn new(id: impl Into<String>, state: impl Into<Value>) -> Self {
        Self { common: Common::new(id), state: state.into(), statements: Vec::new() }
    }

    /// Adds a permission that the state needs to the state machine's role.
    #[must_use]
    pub fn allow(mut self, statement: Statement) -> Self {
        self.statements.push(statement);
        self
    }
}

state_traits!(CustomState: State, WithErrors);

impl Chainable for CustomState {
    fn into_chain(mut self) -> Chain {
        let id = self.common.id.clone();
        let members = match self.state {
            Value::Object(members) => members,
            _ => {
                self.common.problems.add(&id, "a custom state has to be an object");
                Vec::new()
            }
        };
        let kind = members.iter().find(|(key, _)| key == "Type").and_then(|(_, v)| v.as_literal());
        let next = match kind {
            Some("Choice" | "Succeed" | "Fail") => Next::Never,
            Some(_) => Next::Open,
            None => {
                self.common.problems.add(&id, "a custom state has to have a `Type`");
                Next::Open
            }
        };
        let mut chain = self.common.into_chain("Task", next);
        let node = chain.first();
        node.statements = self.statements;
        node.custom = Some(members);
        chain
    }
}

impl Nextable for CustomState {}
