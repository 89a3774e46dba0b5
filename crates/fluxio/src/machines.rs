//! The state machines and tasks of a project, which machines look up in each other.

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
    /// The state's name in the definition.
    pub key: String,
    /// The task's class, or the nested state machine's function.
    pub task: String,
    /// Where the task runs: `lambda`, …, or `state-machine` for a nested state machine.
    pub service: String,
    /// The `${Name}` placeholders in the state, which a deployment fills in.
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

/// A function and the result of compiling it.
#[derive(Debug)]
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    pub(crate) syntax: &'a StmtFunctionDef,
    pub(crate) decorators: Decorators,
    pub(crate) is_first_class: bool,
    pub(crate) is_map_iterator: bool,
    pub(crate) body: Option<Body<'a>>,
}

/// The result of compiling a function.
#[derive(Debug)]
pub(crate) enum Body<'a> {
    Compat(compat::Machine<'a>),
    Documented(documented::Machine),
}

/// The largest number of states of a machine, including its branches and iterators.
pub(crate) const MOST_STATES: usize = 10_000;

/// The largest number of states of all machines together.
const MOST_STATES_IN_ALL: usize = 200_000;

/// The deepest nesting of machines.
pub(crate) const MOST_WITHIN: usize = 32;

/// A project, as far as it has been compiled.
#[derive(Debug, Default)]
pub(crate) struct Machines<'a> {
    pub(crate) tasks: BTreeMap<String, Task>,
    pub(crate) functions: Vec<Function<'a>>,
    /// The position of the function with this name. If there are several, the last one counts.
    by_name: BTreeMap<&'a str, usize>,
    /// The names in the order of their first use.
    pub(crate) names: Vec<&'a str>,
    pub(crate) task_names: Vec<String>,
    /// The number of states of all machines so far. Branches and iterators are counted at each use.
    states: usize,
    /// How deeply the machine that is being compiled is nested.
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

    /// Whether a Task state can call something with this name.
    pub(crate) fn calls(&self, name: &str) -> bool {
        self.tasks.contains_key(name) || self.by_name.contains_key(name)
    }

    /// The service on which a task runs.
    pub(crate) fn service(&self, name: &str) -> &str {
        self.tasks.get(name).map_or("state-machine", Task::service)
    }

    /// Takes a function as a branch. It is then no longer a state machine of its own.
    pub(crate) fn branch(&mut self, branch: &Expr) -> Result<usize> {
        let index = self.function(branch)?;
        self.functions[index].is_first_class = false;
        Ok(index)
    }

    /// Takes a function as an iterator.
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

    /// Counts states. The limit matters because functions that each use the next one twice lead to
    /// exponentially many states.
    pub(crate) fn count(&mut self, states: usize, at: TextRange) -> Result<()> {
        self.states += states;
        if self.states > MOST_STATES_IN_ALL {
            return refused(at, "the machines of the project have more than 200,000 states");
        }
        Ok(())
    }

    /// The error message for a call of something unknown.
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
