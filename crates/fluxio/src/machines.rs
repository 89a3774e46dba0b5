//! The state machines and tasks of a project, as one of them sees the others.

use crate::compat;
use crate::definitions::{Decorators, Task};
use crate::documented;
use crate::refused::{Result, refused, refused_with};
use crate::syntax::name;
use crate::tasks::TaskCall;
use ruff_python_ast::{Expr, StmtFunctionDef};
use ruff_text_size::{Ranged as _, TextRange};
use std::collections::BTreeMap;
use stepwright_json::Json;

/// A state that calls a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskState {
    /// The state's name.
    pub key: String,
    /// The task's class, or the nested state machine's function.
    pub task: String,
    /// Where it runs: `lambda`, …, or `state-machine`.
    pub service: String,
    /// The `${Names}` in it that deployment fills in.
    pub variables: Vec<String>,
}

impl TaskState {
    pub(crate) fn new(key: &str, call: &TaskCall) -> Self {
        Self {
            key: key.to_owned(),
            task: call.name.clone(),
            service: call.service.clone(),
            variables: call.variables(),
        }
    }
}

/// A function and what is known of it.
#[derive(Debug)]
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    pub(crate) syntax: &'a StmtFunctionDef,
    pub(crate) decorators: Decorators,
    pub(crate) is_first_class: bool,
    pub(crate) is_map_iterator: bool,
    pub(crate) body: Option<Body<'a>>,
}

/// What became of a function.
#[derive(Debug)]
pub(crate) enum Body<'a> {
    Compat(compat::Machine<'a>),
    Documented(documented::Machine),
}

/// The most states of a machine, with those of its branches and iterators.
pub(crate) const MOST_STATES: usize = 10_000;

/// The most states of all machines.
const MOST_STATES_IN_ALL: usize = 200_000;

/// The most machines within each other.
pub(crate) const MOST_WITHIN: usize = 32;

/// All of a project, as far as it has been read.
#[derive(Debug, Default)]
pub(crate) struct Machines<'a> {
    pub(crate) tasks: BTreeMap<String, Task>,
    pub(crate) functions: Vec<Function<'a>>,
    /// Where the function of a name stands. A later one takes the name over.
    by_name: BTreeMap<&'a str, usize>,
    /// The names in the order they were first used.
    pub(crate) names: Vec<&'a str>,
    pub(crate) task_names: Vec<String>,
    /// The states of all machines so far, those of branches and iterators counted at each use.
    states: usize,
    /// How many machines the one that is compiled is within.
    pub(crate) within: usize,
}

impl<'a> Machines<'a> {
    pub(crate) fn add(&mut self, function: Function<'a>) {
        if self.by_name.insert(function.name, self.functions.len()).is_none() {
            self.names.push(function.name);
        }
        self.functions.push(function);
    }

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Whether a name stands for something that a Task state calls.
    pub(crate) fn calls(&self, name: &str) -> bool {
        self.tasks.contains_key(name) || self.by_name.contains_key(name)
    }

    /// Where a task runs.
    pub(crate) fn service(&self, name: &str) -> &str {
        self.tasks.get(name).map_or("state-machine", Task::service)
    }

    /// The function of a branch, which is no state machine of its own any more.
    pub(crate) fn branch(&mut self, branch: &Expr) -> Result<usize> {
        let index = self.function(branch)?;
        self.functions[index].is_first_class = false;
        Ok(index)
    }

    /// The function of an iterator.
    pub(crate) fn iterator(&mut self, iterator: &Expr) -> Result<usize> {
        let index = self.branch(iterator)?;
        self.functions[index].is_map_iterator = true;
        Ok(index)
    }

    fn function(&self, expression: &Expr) -> Result<usize> {
        match name(expression).and_then(|name| self.find(name)) {
            Some(index) => Ok(index),
            None => refused_with(
                expression.range(),
                "this is no function that is defined above",
                format!("functions so far: {}", self.names.join(", ")),
            ),
        }
    }

    /// Counts states: functions that use each other twice have more of them than anybody can wait
    /// for.
    pub(crate) fn count(&mut self, states: usize, at: TextRange) -> Result<()> {
        self.states += states;
        if self.states > MOST_STATES_IN_ALL {
            return refused(at, "the machines of the project have more than 200,000 states");
        }
        Ok(())
    }

    /// What to say of a call of something unknown.
    pub(crate) fn unknown(&self, called: &str) -> String {
        let known: Vec<&str> =
            self.task_names.iter().map(String::as_str).chain(self.names.iter().copied()).collect();
        let meant = stepwright_source::did_you_mean(called, known.iter().copied());
        let meant = meant.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default();
        format!(
            "`{called}` is no task and no state machine that is defined above{meant}; states are \
             made by tasks, `map`, `parallel`, `wait` and `data.update`"
        )
    }

    pub(crate) fn compat_definition(&self, index: usize) -> Result<Json> {
        match &self.functions[index].body {
            Some(Body::Compat(machine)) => {
                machine.definition(self, self.functions[index].is_map_iterator)
            }
            _ => Ok(Json::Null),
        }
    }

    pub(crate) fn compat_task_states(&self, index: usize) -> Vec<TaskState> {
        match &self.functions[index].body {
            Some(Body::Compat(machine)) => machine.task_states(self),
            _ => Vec::new(),
        }
    }
}
