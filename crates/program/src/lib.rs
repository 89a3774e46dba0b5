//! Compiles Amazon States Language into a [`Program`], and checks it.
//!
//! [`compile`] holds what execution needs: states refer to each other by position, every
//! expression is parsed, every default is filled in. What else may be wrong with a definition is
//! said by the rules ([`check`]). A definition that `check` finds no error in always compiles.

mod choice;
mod compile;
mod condition_text;
mod expression;
mod intrinsics;
mod limits;
mod rules;
mod scope;
mod state;
mod template;
pub mod time;

pub use choice::{Comparison, Condition, Operand, Orderings, Test};
pub use compile::compile;
pub use expression::{Expression, PathExpression, Source};
pub use intrinsics::{Call, MAX_RANGE, intrinsic_functions};
pub use limits::{
    Limits, MAX_EVALUATION_BYTES, MAX_EVALUATION_DEPTH, MAX_HISTORY_EVENTS, MAX_PAYLOAD_BYTES,
    Vintage,
};
pub use rules::{
    CheckOptions, Checked, Holder, Rule, aws_message, catalogue, check, check_and_compile,
    check_named, check_with, fields, values, variable_references,
};
pub use scope::{EvaluationError, Scope};
pub use state::{
    Catcher, Choice, ChoiceRule, Fail, InputPath, Integration, Io, ItemBatcher, ItemReader, Kind,
    Language, Map, NumberField, Parallel, Pass, Pattern, Processor, Resource, ResultPath,
    ResultWriter, Retrier, State, StateId, Task, TextField, Transition, Wait, WaitFor,
};
pub use template::Template;

use std::collections::BTreeSet;

/// A compiled definition. States refer to each other by [`StateId`], so no transition can dangle.
#[derive(Clone, Debug)]
pub struct Program {
    /// Every state of every scope, those of the top level first.
    pub states: Vec<State>,
    /// How many of them are at the top level.
    pub top: u32,
    /// Where an execution begins.
    pub start: StateId,
    /// How long an execution may take, in seconds.
    pub timeout_seconds: Option<u64>,
    /// The query language that states speak unless they say otherwise.
    pub language: Language,
    /// What its executions are held to.
    pub limits: Limits,
    /// Which AWS its histories show.
    pub vintage: Vintage,
    /// The Map and Parallel states whose insides do not run: what they come to is asked from
    /// outside. Empty unless a test mocks such a state as a whole.
    pub whole: BTreeSet<StateId>,
}

impl Program {
    /// The state `id`.
    pub fn state(&self, id: StateId) -> &State {
        &self.states[id.0 as usize]
    }

    /// The state named `name`. Names are unique over the whole machine.
    pub fn state_named(&self, name: &str) -> Option<StateId> {
        let at = self.states.iter().position(|state| state.name == name)?;
        Some(StateId(at as u32))
    }

    /// The states of the top level, which are within no Map and no Parallel.
    pub fn top_level(&self) -> &[State] {
        &self.states[..self.top as usize]
    }
}
