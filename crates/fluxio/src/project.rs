//! Compiles a project: reads everything that its file defines.

use crate::compat;
use crate::definitions::{Decorators, Task, base, check_event_processor};
use crate::documented;
use crate::machines::{Body, Function, Machines, TaskState};
use crate::refused::{Result, complaint, refused_with, span};
use crate::text::{self, Lines};
use crate::{Mode, unsupported};
use ruff_python_ast::{Stmt, StmtClassDef, StmtFunctionDef};
use ruff_text_size::{Ranged as _, TextRange};
use std::collections::BTreeMap;
use stepwright_json::Json;
use stepwright_source::{Diagnostic, Span};

/// A compiled project.
#[derive(Clone, Debug, PartialEq)]
pub struct Project {
    /// The state machines by the names of their functions.
    pub machines: BTreeMap<String, Machine>,
    /// The names of the machines, in the order of the file.
    pub names: Vec<String>,
    /// The task classes by their names.
    pub tasks: BTreeMap<String, Task>,
    /// The event processors by their names.
    pub event_processors: BTreeMap<String, EventProcessor>,
    /// The places of definitions in the text: `Foo` is a class or function, `Foo.memory` an
    /// attribute that the class sets.
    pub places: BTreeMap<String, Span>,
}

/// A state machine of a project.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// Its definition, or the error. In [`Mode::Documented`], it always has a definition.
    pub definition: std::result::Result<Json, Box<Diagnostic>>,
    /// Whether it is a state machine of its own, and not only a branch or an iterator of others.
    pub is_first_class: bool,
    /// Whether it is used as the iterator of a Map.
    pub is_map_iterator: bool,
    /// Its name for CloudFormation: `Some_Machine`.
    pub normalized_name: String,
    /// The settings from its decorators.
    pub decorators: Decorators,
    /// The states that call tasks, including those of branches and iterators.
    pub task_states: Vec<TaskState>,
}

impl Machine {
    /// The logical id of its stack.
    pub fn logical_id(&self) -> String {
        format!("{}StateMachineStack", self.normalized_name)
    }
}

/// A class that processes the events of executions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventProcessor {
    /// Its source, as it stands in the project.
    pub source: String,
}

impl Project {
    /// The errors of machines that have no definition.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        let machines = self.names.iter().filter_map(|name| self.machines.get(name));
        machines.filter_map(|machine| machine.definition.as_ref().err()).map(|error| &**error)
    }
}

/// Compiles the text of a project.
///
/// In [`Mode::Documented`], all errors are reported together, one for each function or class. In
/// [`Mode::Compat`], the first error ends the compilation, as in the original; an error that the
/// original finds only when it writes a machine belongs to that machine.
///
/// A project has at most 256 KiB, because its nesting can be as deep as its text is long.
pub fn compile(source: &str, mode: Mode) -> std::result::Result<Project, Vec<Diagnostic>> {
    if source.len() > text::MOST_BYTES {
        let complaint = complaint(TextRange::default(), "the project is larger than 256 KiB");
        let help = "move code into packages that the tasks import";
        return Err(vec![Diagnostic { help: Some(help.to_owned()), ..*complaint }]);
    }
    let lines = Lines::of(source);
    let compiled = stacker::grow(text::STACK, || compile_lines(&lines.text, mode));
    lines.place(compiled)
}

/// Compiles a text whose lines end with `\n` only.
fn compile_lines(source: &str, mode: Mode) -> std::result::Result<Project, Vec<Diagnostic>> {
    let parsed = text::parse(source, mode).map_err(|error| vec![*error])?;
    let mut reader = Reader {
        source,
        mode,
        machines: Machines::default(),
        processors: BTreeMap::new(),
        places: BTreeMap::new(),
    };
    let mut errors = Vec::new();
    for statement in &parsed.body {
        if let Err(error) = reader.statement(statement) {
            errors.push(*error);
            if mode == Mode::Compat {
                break;
            }
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(reader.project())
}

struct Reader<'a> {
    source: &'a str,
    mode: Mode,
    machines: Machines<'a>,
    processors: BTreeMap<String, String>,
    places: BTreeMap<String, Span>,
}

impl<'a> Reader<'a> {
    fn statement(&mut self, statement: &'a Stmt) -> Result<()> {
        match statement {
            Stmt::ClassDef(class) => self.class(class),
            Stmt::FunctionDef(function) if !function.is_async => self.function(function),
            Stmt::FunctionDef(function) if self.mode == Mode::Documented => refused_with(
                function.name.range(),
                "a state machine is not asynchronous",
                format!("write `def {}`", function.name),
            ),
            // A docstring, or statements that help an editor to understand the file.
            Stmt::Expr(_) | Stmt::Import(_) | Stmt::ImportFrom(_) | Stmt::Pass(_) => Ok(()),
            other if self.mode == Mode::Documented => match other {
                Stmt::Assign(assign) => refused_with(
                    assign.range,
                    "a project has tasks and state machines, and no variables",
                    "set the value where it is used",
                ),
                other => unsupported::statement(other),
            },
            _ => Ok(()),
        }
    }

    fn class(&mut self, class: &'a StmtClassDef) -> Result<()> {
        let name = class.name.to_string();
        self.places.insert(name.clone(), span(class.name.range()));
        for statement in &class.body {
            if let Stmt::Assign(assign) = statement
                && let Some(attribute) = assign.targets.first().and_then(crate::syntax::name)
            {
                let key = format!("{name}.{attribute}");
                self.places.insert(key, span(assign.value.range()));
            }
        }
        match base(class)? {
            "Task" => {
                let task = Task::read(class, self.source, self.mode);
                // A task with errors is still known, so that calls of it are not reported as well.
                let known = task.as_ref().map_or_else(|_| Task::plain(self.mode), Clone::clone);
                if self.machines.tasks.insert(name.clone(), known).is_none() {
                    self.machines.task_names.push(name);
                }
                task?;
            }
            _ => {
                check_event_processor(class)?;
                let source = &self.source[class.range().to_std_range()];
                self.processors.insert(name, source.to_owned());
            }
        }
        Ok(())
    }

    fn function(&mut self, function: &'a StmtFunctionDef) -> Result<()> {
        self.places.insert(function.name.to_string(), span(function.name.range()));
        let is_documented = self.mode == Mode::Documented;
        let decorators = Decorators::read(function, &self.processors, is_documented)?;
        let body = match self.mode {
            Mode::Compat => Body::Compat(compat::Machine::read(function, &mut self.machines)?),
            Mode::Documented => {
                Body::Documented(documented::compile(function, &mut self.machines)?)
            }
        };
        self.machines.add(Function {
            name: function.name.as_str(),
            syntax: function,
            decorators,
            is_first_class: true,
            is_map_iterator: false,
            body: Some(body),
        });
        Ok(())
    }

    fn project(self) -> Project {
        let machines = &self.machines;
        let names: Vec<String> = machines.names.iter().map(|name| (*name).to_owned()).collect();
        let one = |name: &&str| {
            let index = machines.find(name)?;
            let function = &machines.functions[index];
            let (definition, task_states) = match &function.body {
                Some(Body::Documented(machine)) => {
                    (Ok(machine.definition.clone()), machine.task_states.clone())
                }
                _ => (machines.compat_definition(index), machines.compat_task_states(index)),
            };
            let machine = Machine {
                definition,
                is_first_class: function.is_first_class,
                is_map_iterator: function.is_map_iterator,
                normalized_name: title(name),
                decorators: function.decorators.clone(),
                task_states,
            };
            Some(((*name).to_owned(), machine))
        };
        let compiled = machines.names.iter().filter_map(one).collect();
        let event_processors = self
            .processors
            .into_iter()
            .map(|(name, source)| (name, EventProcessor { source }))
            .collect();
        Project {
            machines: compiled,
            names,
            tasks: self.machines.tasks,
            event_processors,
            places: self.places,
        }
    }
}

/// A name as Python's `title` writes it: each word begins with a capital letter.
fn title(name: &str) -> String {
    let mut is_within = false;
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if is_within {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        is_within = c.is_alphabetic();
    }
    out
}
