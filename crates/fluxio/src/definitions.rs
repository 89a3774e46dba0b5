//! The definitions at the top level of a project: task classes, event processors, decorators.

use crate::literal;
use crate::names;
use crate::options::{Form, Known, Options};
use crate::refused::{Result, refused, refused_with};
use crate::syntax::{call, name, text};
use crate::{Mode, Schedule};
use ruff_python_ast as ast;
use ruff_python_ast::visitor::{Visitor, walk_stmt};
use ruff_python_ast::{Expr, Stmt, StmtClassDef, StmtFunctionDef};
use ruff_text_size::{Ranged, TextRange};
use std::collections::{BTreeMap, BTreeSet};
use stepwright_json::{Json, Object, Str};
use stepwright_source::Diagnostic;

/// The services that a task can run on.
pub const SERVICES: [&str; 6] =
    ["lambda", "lambda:container", "lambda:pexpm-runner", "ecs", "ecs:worker", "codebuild"];

/// A task class of a project.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Its attributes, including the defaults of those that the class does not set: `service`,
    /// `timeout`, `cpu`, `memory`, `build_spec`, `autoscaling_min`, `autoscaling_max`, `spec`,
    /// `concurrency`, `heartbeat_interval`.
    pub attributes: Object,
    /// The attributes that the class sets itself.
    pub set: BTreeSet<String>,
    /// Its `run` method, if it has one.
    pub run: Option<RunMethod>,
    /// The longest timeout that a call gives it, in seconds; 0 if none does.
    pub(crate) longest_call: i64,
    /// What AWS would not accept of it. Only in [`Mode::Documented`].
    pub complaints: Vec<Diagnostic>,
}

/// The `run` method of a task, as it is written in the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunMethod {
    /// The source of the method with its decorators, indented as in its class.
    pub source: String,
    /// The number of its first line, from 1.
    pub line: usize,
    /// The import statements in it, in order.
    pub imports: Vec<String>,
    /// The top-level packages that it imports.
    pub dependencies: BTreeSet<String>,
}

impl Task {
    /// The service that it runs on: `lambda`, `ecs`, …
    pub fn service(&self) -> &str {
        self.attributes.get("service").and_then(Json::as_str).unwrap_or("lambda")
    }

    /// A task with all attributes at their defaults.
    pub(crate) fn plain(mode: Mode) -> Self {
        Self {
            attributes: defaults(mode),
            set: BTreeSet::new(),
            run: None,
            longest_call: 0,
            complaints: Vec::new(),
        }
    }

    /// Reads a class that inherits from `Task`, as the original does.
    pub(crate) fn read(class: &StmtClassDef, source: &str) -> Result<Self> {
        let mut task = Self::plain(Mode::Compat);
        task.read_body(&class.body, source)?;
        Ok(task)
    }

    /// Reads a class that inherits from `Task`. Also returns everything that is wrong with it.
    pub(crate) fn read_whole(class: &StmtClassDef, source: &str) -> (Self, Vec<Diagnostic>) {
        let mut task = Self::plain(Mode::Documented);
        let mut errors: Vec<Diagnostic> =
            check_head(class, "task", "Task").err().into_iter().map(|error| *error).collect();
        for statement in &class.body {
            if let Err(error) = task.read_statement(statement, source) {
                errors.push(*error);
            }
        }
        (task, errors)
    }

    /// Reads a statement of a class. What has no meaning for a task is refused.
    fn read_statement(&mut self, statement: &Stmt, source: &str) -> Result<()> {
        let what_there_is = "a task class has attributes and a `run` method";
        match statement {
            Stmt::Assign(assign) => {
                for target in &assign.targets {
                    self.set_attribute(target, &assign.value, Mode::Documented)?;
                }
            }
            Stmt::AnnAssign(assign) => match &assign.value {
                Some(value) => self.set_attribute(&assign.target, value, Mode::Documented)?,
                None => {
                    return refused_with(
                        assign.range,
                        "this attribute has a type and no value",
                        "give it a value, or leave it out",
                    );
                }
            },
            Stmt::FunctionDef(method) => {
                if method.name.as_str() != "run" {
                    let what = "a task class has a `run` method and no other";
                    return refused(method.name.range(), what);
                }
                if self.run.is_some() {
                    return refused_with(
                        method.name.range(),
                        "this class has a `run` method already, above",
                        "leave one of them out",
                    );
                }
                if let Some(unknown) = names::unknown_in_method(method, &[]) {
                    return unknown_name(unknown, "the `run` method");
                }
                self.run = Some(RunMethod::read(method, source));
            }
            Stmt::Pass(_) => {}
            // A docstring, or `...` for a body that is left out.
            Stmt::Expr(expression)
                if text(&expression.value).is_some()
                    || expression.value.is_ellipsis_literal_expr() => {}
            Stmt::Import(_) | Stmt::ImportFrom(_) => {
                return refused_with(
                    statement.range(),
                    "an import in the body of a class does not reach the task",
                    "imports belong into the `run` method",
                );
            }
            _ => {
                return refused_with(
                    statement.range(),
                    "this has no meaning in a task class",
                    what_there_is,
                );
            }
        }
        Ok(())
    }

    /// Reads the body of a class as the original does: it looks for attributes first, then for
    /// methods, and passes over everything else.
    fn read_body(&mut self, body: &[Stmt], source: &str) -> Result<()> {
        for statement in body {
            let Stmt::Assign(assign) = statement else { continue };
            let Some(target) = assign.targets.first().filter(|target| name(target).is_some())
            else {
                return refused(assign.range, "an attribute of a class is one name");
            };
            self.set_attribute(target, &assign.value, Mode::Compat)?;
        }
        for statement in body {
            match statement {
                Stmt::FunctionDef(method) if method.is_async => {
                    if method.name.as_str() != "run" {
                        let what = "a task class has a `run` method and no other";
                        return refused(method.name.range(), what);
                    }
                    self.run = Some(RunMethod::read(method, source));
                }
                Stmt::ClassDef(inner) => self.read_body(&inner.body, source)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn set_attribute(&mut self, target: &Expr, value: &Expr, mode: Mode) -> Result<()> {
        let Some(key) = name(target) else {
            return refused(target.range(), "an attribute of a class is one name");
        };
        if !self.attributes.contains_key(key) {
            if mode == Mode::Compat {
                return Ok(());
            }
            let known: Vec<&str> = self.attributes.keys().map(Str::as_str).collect();
            let meant = stepwright_source::did_you_mean(key, known.iter().copied());
            let meant = meant.map(|name| format!(" (did you mean `{name}`?)"));
            let what = format!("a task has no attribute `{key}`{}", meant.unwrap_or_default());
            let help = format!("attributes: {}", known.join(", "));
            return refused_with(target.range(), what, help);
        }
        if mode == Mode::Documented && self.set.contains(key) {
            return refused_with(
                target.range(),
                format!("the attribute `{key}` is set already, above"),
                "leave one of them out",
            );
        }
        let at = value.range();
        let value = if key == "build_spec" {
            literal::evaluate(value)?
        } else {
            let value = literal::constant(value);
            value.map_or_else(
                || refused(at, format!("the attribute `{key}` is a value that is written down")),
                Ok,
            )?
        };
        check_attribute(key, &value, at)?;
        self.attributes.insert(key, value);
        self.set.insert(key.to_owned());
        Ok(())
    }
}

/// Refuses what stands around the body of a class and would have no effect: decorators, other
/// bases, keywords.
fn check_head(class: &StmtClassDef, what: &str, base: &str) -> Result<()> {
    if let Some(decorator) = class.decorator_list.first() {
        return refused_with(
            decorator.range(),
            format!("the class of a {what} has no decorators"),
            "decorators belong to state machines",
        );
    }
    if let Some(parameters) = &class.type_params {
        return refused(parameters.range(), format!("the class of a {what} has no parameters"));
    }
    let Some(arguments) = &class.arguments else { return Ok(()) };
    let other = arguments.args.iter().find(|other| name(other) != Some(base));
    let other = other.map(Expr::range);
    let other = other.or_else(|| arguments.args.get(1).map(Expr::range));
    let other = other.or_else(|| arguments.keywords.first().map(Ranged::range));
    match other {
        Some(at) => refused_with(
            at,
            format!("the class `{}` inherits from {base} and nothing else", class.name),
            format!("write `class {}({base}):`", class.name),
        ),
        None => Ok(()),
    }
}

fn unknown_name<T>(unknown: &ast::ExprName, place: &str) -> Result<T> {
    let name = &unknown.id;
    refused_with(
        unknown.range,
        format!("{place} uses `{name}`, which is not known there"),
        format!(
            "only the method goes to where the task runs: write `import {name}` or define it \
             within the method"
        ),
    )
}

fn defaults(mode: Mode) -> Object {
    // The documentation of the number of workers differs from what the original does.
    let (least, most) = match mode {
        Mode::Compat => (0, 10),
        Mode::Documented => (1, 1),
    };
    let defaults: [(&str, Json); 10] = [
        ("service", "lambda".into()),
        ("timeout", Json::Int(300)),
        ("cpu", Json::Int(1024)),
        ("memory", Json::Int(2048)),
        ("build_spec", Json::Null),
        ("autoscaling_min", Json::Int(least)),
        ("autoscaling_max", Json::Int(most)),
        ("spec", "".into()),
        ("concurrency", Json::Int(1)),
        ("heartbeat_interval", Json::Null),
    ];
    defaults.into_iter().collect()
}

fn check_attribute(key: &str, value: &Json, at: TextRange) -> Result<()> {
    match key {
        "service" if !value.as_str().is_some_and(|service| SERVICES.contains(&service)) => {
            let help = format!("services: {}", SERVICES.join(", "));
            refused_with(at, format!("there is no service {value}"), help)
        }
        "concurrency"
            if !value.as_f64().is_some_and(|n| n.fract() == 0.0 && (1.0..=100.0).contains(&n)) =>
        {
            refused(at, "the concurrency is a whole number from 1 to 100")
        }
        _ => Ok(()),
    }
}

impl RunMethod {
    /// The method as a module of its own. Line numbers are those of the project, and the
    /// indentation is kept so that multi-line strings do not change.
    pub fn module(&self) -> String {
        let is_indented = self.source.starts_with([' ', '\t']);
        if is_indented && self.line > 1 {
            // Inside an `if`, any indentation is valid.
            return format!("{}if True:\n{}\n", "\n".repeat(self.line - 2), self.source);
        }
        format!("{}{}\n", "\n".repeat(self.line - 1), self.source)
    }

    fn read(method: &StmtFunctionDef, source: &str) -> Self {
        #[derive(Default)]
        struct Imports<'s> {
            source: &'s str,
            statements: Vec<String>,
            packages: BTreeSet<String>,
        }
        impl Visitor<'_> for Imports<'_> {
            fn visit_stmt(&mut self, statement: &Stmt) {
                let package = match statement {
                    Stmt::Import(import) => import.names.first().map(|alias| alias.name.as_str()),
                    Stmt::ImportFrom(import) => import.module.as_ref().map(ast::Identifier::as_str),
                    _ => None,
                };
                if let Some(package) = package {
                    let text = &self.source[statement.range().to_std_range()];
                    self.statements.push(text.to_owned());
                    let top = package.split('.').next().unwrap_or_default();
                    self.packages.insert(top.to_owned());
                }
                walk_stmt(self, statement);
            }
        }
        let mut imports = Imports { source, ..Imports::default() };
        method.body.iter().for_each(|statement| imports.visit_stmt(statement));
        let start = method.range.start().to_usize();
        let line_start = source[..start].rfind('\n').map_or(0, |at| at + 1);
        Self {
            source: source[line_start..method.range.end().to_usize()].to_owned(),
            line: source[..start].matches('\n').count() + 1,
            imports: imports.statements,
            dependencies: imports.packages,
        }
    }
}

/// The events that processors get.
const EVENTS: [&str; 5] = [
    "ExecutionStarted",
    "ExecutionSucceeded",
    "ExecutionFailed",
    "ExecutionTimedOut",
    "ExecutionAborted",
];

/// The names that the module of an event processor has from the start.
const OF_PROCESSORS: &[&str] =
    &["EventProcessor", "StateDataClient", "typing", "Any", "Dict", "List", "Optional", "Union"];

/// Checks a class that inherits from `EventProcessor`.
pub(crate) fn check_event_processor(class: &StmtClassDef, mode: Mode) -> Result<()> {
    if mode == Mode::Documented {
        check_head(class, "event processor", "EventProcessor")?;
    }
    let mut methods = BTreeSet::new();
    for statement in &class.body {
        let Stmt::FunctionDef(method) = statement else { continue };
        if !method.is_async {
            return refused_with(
                method.name.range(),
                "the methods of an event processor are asynchronous",
                format!("write `async def {}`", method.name),
            );
        }
        if !method.name.starts_with("get_custom_tags_") {
            let what = "an event processor has `get_custom_tags_…` methods and no others";
            return refused(method.name.range(), what);
        }
        let arguments: BTreeSet<&str> =
            method.parameters.args.iter().map(|one| one.parameter.name.as_str()).collect();
        if arguments != BTreeSet::from(["message", "input_data", "state_data_client"]) {
            return refused_with(
                method.parameters.range(),
                format!("the arguments of `{}` are not those it gets", method.name),
                "they are (message, input_data, state_data_client)",
            );
        }
        if mode == Mode::Compat {
            continue;
        }
        let event = method.name.trim_start_matches("get_custom_tags_");
        if !EVENTS.contains(&event) {
            let meant = stepwright_source::did_you_mean(event, EVENTS);
            let meant = meant.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default();
            return refused_with(
                method.name.range(),
                format!("no processor gets the event `{event}`{meant}"),
                format!("events: {}", EVENTS.join(", ")),
            );
        }
        if !methods.insert(event.to_owned()) {
            let what = format!("this class has a method for `{event}` already, above");
            return refused_with(method.name.range(), what, "leave one of them out");
        }
    }
    if mode == Mode::Documented
        && let Some(unknown) = names::unknown_in_class(&class.body, OF_PROCESSORS)
    {
        return unknown_name(unknown, "the event processor");
    }
    Ok(())
}

/// The name of a class's base, which must be one of the two that a project may use.
pub(crate) fn base(class: &StmtClassDef) -> Result<&str> {
    let bases = class.arguments.as_ref().map(|arguments| &arguments.args[..]).unwrap_or_default();
    for base in bases {
        let Some(base) = name(base) else {
            return refused(base.range(), "the base of a class is a plain name");
        };
        if matches!(base, "Task" | "EventProcessor") {
            return Ok(base);
        }
    }
    refused_with(
        class.name.range(),
        format!("the class `{}` is neither a task nor an event processor", class.name),
        "let it inherit from Task or EventProcessor, or import it within a `run` method",
    )
}

/// The decorators of a function, which configure its state machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decorators {
    /// `@schedule`: `expression` and `input_data`.
    pub schedule: Option<Object>,
    /// `@export`: `enabled`.
    pub export: Option<Object>,
    /// Each `@subscribe`: `topic_arn_import_value`, `project`, `state_machine`, `status`.
    pub subscribes: Vec<Object>,
    /// `@process_events`: `processor`.
    pub event_processor: Option<Object>,
}

const EXPORT: &[Known] = &[("enabled", Form::Flag)];
const SCHEDULE: &[Known] = &[("expression", Form::Text), ("input_data", Form::Dict)];
const SUBSCRIBE: &[Known] = &[
    ("topic_arn_import_value", Form::Text),
    ("project", Form::Text),
    ("state_machine", Form::Text),
    ("status", Form::Text),
];
const PROCESS_EVENTS: &[Known] = &[("processor", Form::Class)];

impl Decorators {
    pub(crate) fn read(
        function: &StmtFunctionDef,
        processors: &BTreeMap<String, String>,
        is_documented: bool,
    ) -> Result<Self> {
        let mut decorators = Self::default();
        for decorator in &function.decorator_list {
            if is_documented
                && let Expr::Call(call) = &decorator.expression
                && let Some(argument) = call.arguments.args.first()
            {
                return refused_with(
                    argument.range(),
                    "a decorator takes its arguments by name",
                    "write `@schedule(expression=\"rate(1 hour)\")` or `@process_events(processor=Name)`",
                );
            }
            decorators.read_one(&decorator.expression, processors, is_documented)?;
        }
        Ok(decorators)
    }

    fn read_one(
        &mut self,
        decorator: &Expr,
        processors: &BTreeMap<String, String>,
        is_documented: bool,
    ) -> Result<()> {
        let Some((name, call)) = call(decorator) else {
            return refused_with(
                decorator.range(),
                "this is no decorator of a state machine",
                "decorators: @export(), @schedule(…), @subscribe(…), @process_events(…)",
            );
        };
        let once = |before: &Option<Object>| {
            if before.is_some() {
                return refused(decorator.range(), format!("there can be one @{name} only"));
            }
            Ok(())
        };
        let filled = |known: &[Known], defaults: &[(&str, Json)]| -> Result<Object> {
            let options = Options::read(call, known)?;
            Ok(known
                .iter()
                .map(|(name, _)| {
                    let default = defaults.iter().find(|(known, _)| known == name);
                    let default = default.map_or(Json::Null, |(_, value)| value.clone());
                    (*name, options.get_or(name, default))
                })
                .collect())
        };
        match name {
            "export" => {
                once(&self.export)?;
                if !is_documented && !call.arguments.keywords.is_empty() {
                    return refused(decorator.range(), "the original takes no option of @export");
                }
                self.export = Some(filled(EXPORT, &[("enabled", Json::Bool(true))])?);
            }
            "schedule" => {
                once(&self.schedule)?;
                let options = filled(SCHEDULE, &[])?;
                if is_documented {
                    let Some(expression) = options.get("expression").and_then(Json::as_str) else {
                        return refused_with(
                            decorator.range(),
                            "a schedule has an expression",
                            "write `@schedule(expression=\"rate(1 hour)\")`",
                        );
                    };
                    if let Err(what) = Schedule::parse(expression) {
                        return refused(decorator.range(), what);
                    }
                }
                self.schedule = Some(options);
            }
            "subscribe" => {
                let defaults = [("state_machine", "main".into()), ("status", "success".into())];
                let options = filled(SUBSCRIBE, &defaults)?;
                let status = options.get("status").and_then(Json::as_str).unwrap_or_default();
                if !matches!(status, "success" | "failure") {
                    let what = format!("the status is `success` or `failure`, not `{status}`");
                    return refused(decorator.range(), what);
                }
                let is_given =
                    |key: &str| options.get(key).is_some_and(|value| *value != Json::Null);
                if is_documented && is_given("project") == is_given("topic_arn_import_value") {
                    return refused_with(
                        decorator.range(),
                        "a subscription is to a project or to a topic",
                        "write `@subscribe(project=\"…\")` or `@subscribe(topic_arn_import_value=\"…\")`",
                    );
                }
                self.subscribes.push(options);
            }
            "process_events" => {
                once(&self.event_processor)?;
                let options = filled(PROCESS_EVENTS, &[])?;
                if let Some(processor) = options.get("processor").and_then(Json::as_str)
                    && !processors.contains_key(processor)
                {
                    let what = format!("there is no event processor `{processor}` above");
                    return refused(decorator.range(), what);
                }
                self.event_processor = Some(options);
            }
            other => {
                return refused_with(
                    decorator.range(),
                    format!("there is no decorator `{other}`"),
                    "decorators: @export(), @schedule(…), @subscribe(…), @process_events(…)",
                );
            }
        }
        Ok(())
    }
}
