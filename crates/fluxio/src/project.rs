//! Compiles a project: reads everything that its file defines.

use crate::definitions::{Decorators, Task, base, check_event_processor};
use crate::documented;
use crate::machines::{Body, Function, Machines, TaskState};
use crate::refused::{CODE, Result, complaint, refused_with, span};
use crate::syntax::text;
use crate::text::{self as texts, Lines};
use crate::{Mode, unsupported};
use crate::{attributes, checked, compat};
use ruff_python_ast::{Identifier, Stmt, StmtClassDef, StmtFunctionDef};
use ruff_text_size::{Ranged as _, TextRange};
use std::collections::{BTreeMap, BTreeSet};
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
    /// attribute that the class sets, and `main:State` a state of the machine `main`.
    pub places: BTreeMap<String, Span>,
    /// Warnings and notes about the machines, at their places in the text. Only in
    /// [`Mode::Documented`].
    pub remarks: Vec<Diagnostic>,
    /// The machines that states of some machine start.
    called: BTreeSet<String>,
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
    /// What AWS would not accept of the tasks that are used, as far as the text of the project
    /// shows it, in the order of the text.
    pub fn complaints(&self) -> Vec<Diagnostic> {
        let states = self.machines.values().flat_map(|machine| &machine.task_states);
        let used: BTreeSet<&str> = states.map(|state| state.task.as_str()).collect();
        let tasks = self.tasks.iter().filter(|(name, _)| used.contains(name.as_str()));
        let mut found: Vec<Diagnostic> =
            tasks.flat_map(|(_, task)| task.complaints.iter().cloned()).collect();
        let names = self.names.iter().filter(|name| {
            let machine = self.machines.get(*name);
            let processor = machine.and_then(|one| one.decorators.event_processor.as_ref());
            processor.is_some() && !self.is_deployed(name)
        });
        found.extend(names.map(|name| {
            Diagnostic {
                span: self.places.get(name).copied(),
                ..Diagnostic::error(
                    CODE,
                    format!(
                        "the state machine `{name}`: it is only a branch or iterator: it has no \
                     executions with events"
                    ),
                )
                .help("put @process_events on the machine around it")
            }
        }));
        found.sort_by_key(|complaint| complaint.span.map(|span| span.start));
        found
    }

    /// Whether a machine is deployed: a function that is only a branch or iterator of others is
    /// part of them, unless a decorator exports it.
    pub fn is_deployed(&self, name: &str) -> bool {
        let is_first_class = self.machines.get(name).is_some_and(|one| one.is_first_class);
        is_first_class || self.is_called(name) || self.is_exported(name)
    }

    /// Whether a machine can be started directly, and is deployed in a template of its own.
    pub fn is_exported(&self, name: &str) -> bool {
        let Some(machine) = self.machines.get(name) else { return false };
        let decorators = &machine.decorators;
        if decorators.schedule.is_some() || !decorators.subscribes.is_empty() {
            return true;
        }
        let enabled = decorators.export.as_ref().and_then(|export| export.get("enabled"));
        match enabled.and_then(Json::as_bool) {
            Some(enabled) => enabled,
            None => machine.is_first_class && (name == "main" || !self.is_called(name)),
        }
    }

    /// Whether a state of some machine starts this one.
    fn is_called(&self, name: &str) -> bool {
        self.called.contains(name)
    }

    /// The errors of machines that have no definition.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        let machines = self.names.iter().filter_map(|name| self.machines.get(name));
        machines.filter_map(|machine| machine.definition.as_ref().err()).map(|error| &**error)
    }
}

/// Compiles the text of a project.
///
/// In [`Mode::Documented`], all errors are reported together. An error that only follows from
/// another is not reported. In
/// [`Mode::Compat`], the first error ends the compilation, as in the original; an error that the
/// original finds only when it writes a machine belongs to that machine.
///
/// A project has at most 256 KiB, because its nesting can be as deep as its text is long.
pub fn compile(source: &str, mode: Mode) -> std::result::Result<Project, Vec<Diagnostic>> {
    if source.len() > texts::MOST_BYTES {
        let complaint = complaint(TextRange::default(), "the project is larger than 256 KiB");
        let help = "move code into packages that the tasks import";
        return Err(vec![Diagnostic { help: Some(help.to_owned()), ..*complaint }]);
    }
    let lines = Lines::of(source);
    let compiled = stacker::grow(texts::STACK, || compile_lines(&lines.text, mode));
    lines.place(compiled)
}

/// Compiles the text of a project by the documentation, and refuses what AWS would not accept of its
/// tasks as well.
pub fn read(source: &str) -> std::result::Result<Project, Vec<Diagnostic>> {
    let project = compile(source, Mode::Documented)?;
    let complaints = project.complaints();
    if complaints.is_empty() { Ok(project) } else { Err(complaints) }
}

/// Compiles a text whose lines end with `\n` only.
fn compile_lines(source: &str, mode: Mode) -> std::result::Result<Project, Vec<Diagnostic>> {
    let parsed = texts::parse(source, mode).map_err(|error| vec![*error])?;
    let mut reader = Reader {
        source,
        mode,
        machines: Machines::default(),
        processors: BTreeMap::new(),
        places: BTreeMap::new(),
        errors: Vec::new(),
    };
    for statement in &parsed.body {
        if let Err(error) = reader.statement(statement) {
            reader.errors.push(*error);
            if mode == Mode::Compat {
                break;
            }
        }
    }
    if !reader.errors.is_empty() {
        return Err(reader.errors);
    }
    let mut project = reader.project();
    if mode == Mode::Documented {
        let (errors, remarks) = checked::check(&project);
        if !errors.is_empty() {
            return Err(errors);
        }
        project.remarks = remarks;
    }
    Ok(project)
}

/// The names that calls and bases already have a meaning for.
const RESERVED: [&str; 7] = ["map", "parallel", "wait", "retry", "data", "Task", "EventProcessor"];

struct Reader<'a> {
    source: &'a str,
    mode: Mode,
    machines: Machines<'a>,
    processors: BTreeMap<String, String>,
    places: BTreeMap<String, Span>,
    errors: Vec<Diagnostic>,
}

impl<'a> Reader<'a> {
    fn statement(&mut self, statement: &'a Stmt) -> Result<()> {
        match statement {
            Stmt::ClassDef(class) => self.class(class),
            Stmt::FunctionDef(function) if !function.is_async => self.function(function),
            Stmt::FunctionDef(function) if self.mode == Mode::Documented => {
                self.name(&function.name)?;
                self.add(function, Decorators::default(), None);
                refused_with(
                    function.name.range(),
                    "a state machine is not asynchronous",
                    format!("write `def {}`", function.name),
                )
            }
            Stmt::Expr(expression)
                if self.mode == Mode::Documented
                    && text(&expression.value).is_none()
                    && !expression.value.is_ellipsis_literal_expr() =>
            {
                refused_with(
                    expression.range,
                    "this would never be run: a project is read, and not executed",
                    "put it into the `run` method of a task, or into a state machine",
                )
            }
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

    /// Takes the name of a class or function, which no other may have. In compatibility mode, the
    /// last one counts.
    fn name(&mut self, name: &Identifier) -> Result<()> {
        if self.mode == Mode::Documented {
            if RESERVED.contains(&name.as_str()) {
                let what = format!("the name `{name}` has a meaning of its own in a project");
                return refused_with(name.range(), what, "choose another name");
            }
            if let Some(first) = self.places.get(name.as_str()) {
                let line = self.source[..first.range().start].matches('\n').count() + 1;
                return refused_with(
                    name.range(),
                    format!("the name `{name}` is taken: it is defined in line {line}"),
                    "give each class and each function a name of its own",
                );
            }
        }
        self.places.insert(name.to_string(), span(name.range()));
        Ok(())
    }

    fn class(&mut self, class: &'a StmtClassDef) -> Result<()> {
        self.name(&class.name)?;
        let name = class.name.to_string();
        for statement in &class.body {
            let (targets, value) = match statement {
                Stmt::Assign(assign) => (&assign.targets[..], &assign.value),
                Stmt::AnnAssign(assign) => match &assign.value {
                    Some(value) => (std::slice::from_ref(&*assign.target), value),
                    None => continue,
                },
                _ => continue,
            };
            for attribute in targets.iter().filter_map(crate::syntax::name) {
                self.places.insert(format!("{name}.{attribute}"), span(value.range()));
            }
        }
        let base = base(class);
        // A class with errors is still known, so that its uses are not reported as well.
        if !matches!(base, Ok("Task")) {
            let source = &self.source[class.range().to_std_range()];
            if self.mode == Mode::Compat {
                base?;
                check_event_processor(class, self.mode)?;
                self.processors.insert(name, source.to_owned());
                return Ok(());
            }
            self.processors.insert(name.clone(), source.to_owned());
        }
        if !matches!(base, Ok("EventProcessor")) {
            let mut known = match (&base, self.mode) {
                (Err(_), _) => Task::plain(self.mode),
                (Ok(_), Mode::Compat) => Task::read(class, self.source)?,
                (Ok(_), Mode::Documented) => {
                    let (task, errors) = Task::read_whole(class, self.source);
                    self.errors.extend(errors);
                    task
                }
            };
            if self.mode == Mode::Documented {
                known.complaints = attributes::check(&name, &known, &self.places);
            }
            if self.machines.tasks.insert(name.clone(), known).is_none() {
                self.machines.task_names.push(name);
            }
        }
        if base? == "EventProcessor" {
            check_event_processor(class, self.mode)?;
        }
        Ok(())
    }

    fn function(&mut self, function: &'a StmtFunctionDef) -> Result<()> {
        self.name(&function.name)?;
        if self.mode == Mode::Compat {
            let decorators = Decorators::read(function, &self.processors, false)?;
            let body = Body::Compat(compat::Machine::read(function, &mut self.machines)?);
            self.add(function, decorators, Some(body));
            return Ok(());
        }
        let decorators = Decorators::read(function, &self.processors, true);
        let body = documented::check_parameters(function)
            .and_then(|()| documented::compile(function, &mut self.machines));
        // A function with errors is still known, so that its uses are not reported as well.
        let (decorators, wrong) = match decorators {
            Ok(decorators) => (decorators, None),
            Err(wrong) => (Decorators::default(), Some(wrong)),
        };
        self.errors.extend(wrong.map(|wrong| *wrong));
        match body {
            Ok(body) => self.add(function, decorators, Some(Body::Documented(body))),
            Err(wrong) => {
                self.add(function, decorators, None);
                return Err(wrong);
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        function: &'a StmtFunctionDef,
        decorators: Decorators,
        body: Option<Body<'a>>,
    ) {
        self.machines.add(Function {
            name: function.name.as_str(),
            syntax: function,
            decorators,
            is_first_class: true,
            is_map_iterator: false,
            body,
        });
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
        let compiled: BTreeMap<String, Machine> = machines.names.iter().filter_map(one).collect();
        let states = compiled.values().flat_map(|machine| &machine.task_states);
        let nested = states.filter(|state| state.service == "state-machine");
        let called = nested.map(|state| state.task.clone()).collect();
        let mut places = self.places;
        for function in &machines.functions {
            if let Some(Body::Documented(machine)) = &function.body {
                let states = machine.places.iter();
                let state =
                    |(name, at): &(String, _)| (format!("{}:{name}", function.name), span(*at));
                places.extend(states.map(state));
            }
        }
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
            places,
            remarks: Vec::new(),
            called,
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
