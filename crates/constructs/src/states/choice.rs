use crate::chain::{Chain, Chainable, End};
use crate::common::{Common, state_traits};
use crate::condition::Condition;
use crate::node::{Next, Rule};
use crate::scope::open_ends;
use crate::value::Value;

/// Chooses the next state by conditions on the data.
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// let choice = Choice::new("Did it work?")
///     .when("$.status == 'SUCCESS'", Pass::new("SuccessState"))
///     .when("$.attempts > 5", Pass::new("FailureState"))
///     .otherwise(Pass::new("TryAgain"));
/// assert!(StateMachine::new("Choose", choice).asl().is_ok());
/// ```
///
/// The paths of a Choice can join again with [`Choice::afterwards`]:
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// let ship = Choice::new("What color is it?")
///     .when("$.color == 'BLUE'", Pass::new("HandleBlueItem"))
///     .when("$.color == 'RED'", Pass::new("HandleRedItem"))
///     .otherwise(Pass::new("HandleOtherItemColor"))
///     .afterwards()
///     .next(Pass::new("ShipTheItem"));
/// assert!(StateMachine::new("Shipping", ship).asl().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    common: Common,
    rules: Vec<(Condition, Transition, Chain)>,
    otherwise: Option<Chain>,
}

/// What happens when a rule's path is taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transition {
    comment: Option<String>,
    assign: Option<Value>,
    outputs: Option<Value>,
}

impl Transition {
    /// A transition that does nothing else.
    pub fn new() -> Self {
        Self::default()
    }

    /// A comment for people who read the definition.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// Variables that are assigned.
    #[must_use]
    pub fn assign(mut self, variables: impl Into<Value>) -> Self {
        self.assign = Some(variables.into());
        self
    }

    /// JSONata: the output of the state.
    #[must_use]
    pub fn outputs(mut self, outputs: impl Into<Value>) -> Self {
        self.outputs = Some(outputs.into());
        self
    }
}

/// Which ends of a Choice are continued; see [`Choice::afterwards_with`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Afterwards {
    /// Includes the ends of states that handle errors.
    pub include_error_handlers: bool,
    /// Includes the path that is taken if no rule matches; only without [`Choice::otherwise`].
    pub include_otherwise: bool,
    /// Leaves out states that have a catcher when error handlers are included, as the CDK does.
    /// These states then end the execution when they succeed.
    pub dead_ends_only: bool,
}

impl Choice {
    /// A Choice without rules.
    pub fn new(id: impl Into<String>) -> Self {
        Self { common: Common::new(id), rules: Vec::new(), otherwise: None }
    }

    /// A Choice in JSONata.
    pub fn jsonata(id: impl Into<String>) -> Self {
        Self { common: Common::jsonata(id), rules: Vec::new(), otherwise: None }
    }

    /// Goes to `target` if the condition is true and none before it was.
    #[must_use]
    pub fn when(self, condition: impl Into<Condition>, target: impl Chainable) -> Self {
        self.when_with(condition, Transition::new(), target)
    }

    /// Goes to `target` if the condition is true, with a comment, assignments or an output.
    #[must_use]
    pub fn when_with(
        mut self,
        condition: impl Into<Condition>,
        transition: Transition,
        target: impl Chainable,
    ) -> Self {
        self.rules.push((condition.into(), transition, target.into_chain()));
        self
    }

    /// Where to go if no condition is true.
    #[must_use]
    pub fn otherwise(mut self, target: impl Chainable) -> Self {
        let id = self.common.id.clone();
        if self.otherwise.is_some() {
            self.common.problems.add(&id, "the Choice already has an `otherwise`");
        }
        self.otherwise = Some(target.into_chain());
        self
    }

    /// Joins all paths: the chain continues after the last state of each.
    pub fn afterwards(self) -> Chain {
        self.afterwards_with(Afterwards::default())
    }

    /// Like [`Choice::afterwards`], with options for which ends are continued.
    pub fn afterwards_with(mut self, options: Afterwards) -> Chain {
        let id = self.common.id.clone();
        let has_otherwise = self.otherwise.is_some();
        if options.include_otherwise && has_otherwise {
            let message =
                "`include_otherwise` is for a Choice without an `otherwise`, which this one has";
            self.common.problems.add(&id, message);
        }
        let mut chain = self.into_chain();
        let ends =
            open_ends(&chain.nodes, &id, options.include_error_handlers, options.dead_ends_only);
        chain.ends = ends.into_iter().map(End::After).collect();
        if options.include_otherwise && !has_otherwise {
            chain.ends.push(End::Otherwise(id));
        }
        chain
    }
}

state_traits!(Choice: State, WithData, WithVariables);

impl Chainable for Choice {
    fn into_chain(mut self) -> Chain {
        let id = self.common.id.clone();
        for (condition, ..) in &self.rules {
            if let Some(problem) = &condition.problem {
                self.common.problems.add(&id, problem.clone());
            }
        }
        let mut chain = self.common.into_chain("Choice", Next::Never);
        for (condition, transition, target) in self.rules {
            chain.first().rules.push(Rule {
                condition: condition.rule,
                comment: transition.comment,
                assign: transition.assign,
                outputs: transition.outputs,
                target: target.start.clone(),
            });
            chain.absorb(target);
        }
        if let Some(target) = self.otherwise {
            chain.first().otherwise = Some(target.start.clone());
            chain.absorb(target);
        }
        chain
    }
}
