//! Makes state machines exactly as the original Fluxio does, including its state keys and oddities.
//!
//! The original walks over the statements of a function and builds a graph of fragments, with an
//! edge for each step from one to the next. Where this graph is wrong, so is the state machine.
//! This module builds the same graph in the same order.

use crate::conditions;
use crate::errors::{caught, check_try, default_retries, retrier, retry_call};
use crate::graph::{Graph, Id};
use crate::literal;
use crate::machines::{Body, MOST_STATES, MOST_WITHIN, Machines, TaskState};
use crate::options::{Form, Known, Options, path};
use crate::printer::Place;
use crate::refused::{Result, complaint, refused, refused_with};
use crate::syntax::{self, Handler, If, Reading, Statement, Try, With, call, name};
use crate::tasks::TaskCall;
use crate::{Mode, keys};
use ruff_python_ast as ast;
use ruff_python_ast::{Expr, ExprCall, StmtFunctionDef};
use ruff_text_size::{Ranged as _, TextRange};
use stepwright_json::{Json, Object};

/// The options of a task call.
pub(crate) const TASK: &[Known] = &[
    ("key", Form::Text),
    ("timeout", Form::Number),
    ("env", Form::DataDict),
    ("build_arg_vars", Form::Dict),
];

/// The options of `map`.
pub(crate) const MAP: &[Known] = &[("max_concurrency", Form::Number)];

/// The node before the first state.
const START: Id = 0;

/// A fragment: a piece of a state machine.
#[derive(Clone, Debug)]
struct Fragment<'a> {
    key: String,
    range: TextRange,
    kind: Kind<'a>,
}

#[derive(Clone, Debug)]
enum Kind<'a> {
    Start,
    Task { call: TaskCall, target: Option<&'a Expr>, catches: Vec<Id>, retries: Vec<Json> },
    Choice { branches: Vec<Id> },
    Branch { test: &'a Expr },
    Catch { errors: Option<&'a Expr>, is_nested: bool },
    Map { items: &'a Expr, target: Option<&'a Expr>, most: Json, iterator: usize },
    Parallel { branches: Vec<usize> },
    Pass { value: Value<'a> },
    Wait { call: &'a ExprCall },
    Fail { exception: Option<&'a Expr> },
    Succeed,
}

/// The value that a Pass state sets.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Assigned { target: &'a Expr, value: &'a Expr },
    Updated { call: &'a ExprCall },
    Nothing,
}

/// A state machine that is being built.
#[derive(Clone, Debug)]
pub(crate) struct Machine<'a> {
    name: &'a str,
    fragments: Vec<Fragment<'a>>,
    graph: Graph,
    current: Id,
    choices: Vec<Option<Id>>,
    in_choice_body: bool,
    in_else: bool,
    /// The number of its states, including those of its branches and iterators.
    states: usize,
    /// How deeply machines are nested in it.
    height: usize,
}

impl<'a> Machine<'a> {
    /// Reads a function.
    pub(crate) fn read(function: &'a StmtFunctionDef, machines: &mut Machines<'a>) -> Result<Self> {
        let start = Fragment { key: String::new(), range: TextRange::default(), kind: Kind::Start };
        let mut machine = Self {
            name: function.name.as_str(),
            fragments: vec![start],
            graph: Graph::default(),
            current: START,
            choices: vec![None],
            in_choice_body: false,
            in_else: false,
            states: 0,
            height: 0,
        };
        let body = Reading { completes_ifs: true }.block(&function.body);
        machine.visit_all(&body, machines)?;
        machine.shape()?;
        machine.states += machine.fragments.len();
        machines.count(machine.states, function.name.range())?;
        Ok(machine)
    }

    /// Counts the states and the depth that a branch or iterator adds.
    fn embed(&mut self, function: usize, machines: &Machines<'a>, at: TextRange) -> Result<usize> {
        if let Some(Body::Compat(machine)) = &machines.functions[function].body {
            self.states += machine.states;
            self.height = self.height.max(machine.height + 1);
        }
        if self.states > MOST_STATES {
            return refused(at, "the state machine has more than 10,000 states");
        }
        if self.height > MOST_WITHIN {
            return refused(at, "more than 32 state machines are within each other");
        }
        Ok(function)
    }

    fn visit_all(
        &mut self,
        statements: &[Statement<'a>],
        machines: &mut Machines<'a>,
    ) -> Result<()> {
        statements.iter().try_for_each(|statement| self.visit(statement, machines))
    }

    fn fragment(&mut self, key: String, range: TextRange, kind: Kind<'a>) -> Id {
        self.fragments.push(Fragment { key, range, kind });
        self.fragments.len() - 1
    }

    fn state(&mut self, key: String, range: TextRange, kind: Kind<'a>) -> Id {
        let id = self.fragment(key, range, kind);
        self.graph.connect(self.current, id, Some(self.in_else));
        self.current = id;
        id
    }

    fn visit(&mut self, statement: &Statement<'a>, machines: &mut Machines<'a>) -> Result<()> {
        match statement {
            Statement::Assign { targets, value, range } => {
                self.assign(statement, targets, value, *range, machines)
            }
            Statement::Expression { value, range } => {
                self.expression(statement, value, *range, machines)
            }
            Statement::If(inner) => self.if_(statement, inner, machines),
            Statement::Raise { exception, range, .. } => {
                let key = format!("Fail-{}", keys::of(statement, ""));
                self.state(key, *range, Kind::Fail { exception: *exception });
                Ok(())
            }
            Statement::Return { range, .. } => {
                let key = format!("Succeed-{}", keys::of(statement, self.name));
                self.state(key, *range, Kind::Succeed);
                Ok(())
            }
            Statement::Try(inner) => self.try_(inner, machines),
            Statement::With(with) => self.with(with, machines),
            Statement::Pass { range } => {
                let key = format!("Pass-{}", keys::of(statement, self.name));
                let range = range.unwrap_or_default();
                self.state(key, range, Kind::Pass { value: Value::Nothing });
                Ok(())
            }
            Statement::Other { within, .. } => self.visit_all(within, machines),
        }
    }

    fn assign(
        &mut self,
        statement: &Statement<'a>,
        targets: &'a [Expr],
        value: &'a Expr,
        range: TextRange,
        machines: &mut Machines<'a>,
    ) -> Result<()> {
        let target = data_key(targets, range)?;
        if let Expr::Call(inner) = value {
            let Some(called) = name(&inner.func) else {
                return refused(inner.func.range(), "only a task or state machine can be called");
            };
            if machines.calls(called) {
                return self.task(inner, called, Some(target), range, machines);
            }
            if called == "map" {
                return self.map(statement, inner, Some(target), range, machines);
            }
        }
        let key = format!("Pass-{}", keys::of(statement, self.name));
        let value = Value::Assigned { target, value };
        self.state(key, range, Kind::Pass { value });
        Ok(())
    }

    fn expression(
        &mut self,
        statement: &Statement<'a>,
        value: &'a Expr,
        range: TextRange,
        machines: &mut Machines<'a>,
    ) -> Result<()> {
        if syntax::text(value).is_some() {
            return Ok(());
        }
        let Expr::Call(inner) = value else {
            return refused(range, "an expression alone does nothing");
        };
        if let Expr::Attribute(attribute) = &*inner.func {
            if name(&attribute.value) != Some("data") || attribute.attr.as_str() != "update" {
                return refused(inner.func.range(), "the one method there is is `data.update(…)`");
            }
            let key = format!("Pass-{}", keys::of(statement, self.name));
            self.state(key, range, Kind::Pass { value: Value::Updated { call: inner } });
            return Ok(());
        }
        let called = name(&inner.func).unwrap_or_default();
        match called {
            "parallel" => {
                if inner.arguments.args.is_empty() {
                    return refused(range, "parallel takes at least one function");
                }
                let key = format!("Parallel-{}", keys::of(statement, ""));
                let branches = inner
                    .arguments
                    .args
                    .iter()
                    .map(|branch| {
                        let function = machines.branch(branch)?;
                        self.embed(function, machines, branch.range())
                    })
                    .collect::<Result<Vec<_>>>()?;
                self.state(key, range, Kind::Parallel { branches });
                Ok(())
            }
            "wait" => {
                let key = format!("Wait-{}", keys::of(statement, ""));
                self.state(key, range, Kind::Wait { call: inner });
                Ok(())
            }
            "map" => self.map(statement, inner, None, range, machines),
            called if machines.calls(called) => self.task(inner, called, None, range, machines),
            called => refused(range, machines.unknown(called)),
        }
    }

    fn task(
        &mut self,
        inner: &'a ExprCall,
        called: &str,
        target: Option<&'a Expr>,
        range: TextRange,
        machines: &mut Machines<'a>,
    ) -> Result<()> {
        let options = Options::read(inner, TASK)?;
        let key = match options.get("key").and_then(Json::as_str) {
            Some(key) => key.to_owned(),
            None => format!("{called}-{}", keys::of_call(inner)),
        };
        let input = inner.arguments.args.first();
        let input = input.map_or("$".into(), |input| path(input, Place::argument_of(inner)));
        let service = machines.service(called).to_owned();
        let retries = default_retries(&service);
        let timeout = options.get_or("timeout", Json::Int(300));
        let call = TaskCall { name: called.to_owned(), service, input, options, timeout };
        self.state(key, range, Kind::Task { call, target, catches: Vec::new(), retries });
        Ok(())
    }

    fn map(
        &mut self,
        statement: &Statement<'a>,
        inner: &'a ExprCall,
        target: Option<&'a Expr>,
        range: TextRange,
        machines: &mut Machines<'a>,
    ) -> Result<()> {
        let [items, iterator] = &inner.arguments.args[..] else {
            return refused_with(
                range,
                "map takes a list and a function",
                "write `map(data['items'], item_iterator)`",
            );
        };
        let iterator = machines.iterator(iterator)?;
        let iterator = self.embed(iterator, machines, range)?;
        let options = Options::read(inner, MAP)?;
        let most = options.get_or("max_concurrency", Json::Int(0));
        let key = format!("Map-{}", keys::of(statement, ""));
        self.state(key, range, Kind::Map { items, target, most, iterator });
        Ok(())
    }

    fn if_(
        &mut self,
        statement: &Statement<'a>,
        inner: &If<'a>,
        machines: &mut Machines<'a>,
    ) -> Result<()> {
        let too_deep =
            || complaint(inner.range, "the original cannot tell which choice this belongs to");
        let mut choice = self.choices.pop().ok_or_else(too_deep)?;
        match choice {
            Some(id) if !self.in_choice_body => self.current = self.add_branch(id, inner),
            _ => {
                let key = format!("Choice-{}", keys::of(statement, ""));
                let id = self.fragment(key, inner.range, Kind::Choice { branches: Vec::new() });
                let branch = self.add_branch(id, inner);
                self.graph.connect(self.current, id, Some(self.in_else));
                self.current = branch;
                self.choices.push(Some(id));
                choice = Some(id);
            }
        }
        self.in_choice_body = true;
        self.visit_all(&inner.body, machines)?;
        self.in_choice_body = false;
        if matches!(inner.orelse.first(), Some(Statement::If(_)) | None) {
            self.choices.push(choice);
        } else if let Some(choice) = choice {
            self.current = choice;
        }
        self.in_else = true;
        if inner.orelse.len() > 1 {
            return refused(inner.range, "in the original, an `else` has one state only");
        }
        self.visit_all(&inner.orelse, machines)?;
        self.in_else = false;
        if let Some(choice) = choice {
            self.current = choice;
        }
        Ok(())
    }

    fn add_branch(&mut self, choice: Id, inner: &If<'a>) -> Id {
        let branch = self.fragment(String::new(), inner.range, Kind::Branch { test: inner.test });
        if let Kind::Choice { branches } = &mut self.fragments[choice].kind {
            branches.push(branch);
        }
        branch
    }

    fn try_(&mut self, inner: &Try<'a>, machines: &mut Machines<'a>) -> Result<()> {
        check_try(inner)?;
        self.visit_all(&inner.body, machines)?;
        inner.handlers.iter().try_for_each(|handler| self.handler(handler, machines))
    }

    fn handler(&mut self, handler: &Handler<'a>, machines: &mut Machines<'a>) -> Result<()> {
        let task = self.current;
        let catch = self.fragment(
            String::new(),
            handler.range,
            Kind::Catch { errors: handler.exceptions, is_nested: handler.is_nested },
        );
        let Kind::Task { catches, .. } = &mut self.fragments[task].kind else {
            return refused(handler.range, "only a task can have exceptions handled");
        };
        catches.push(catch);
        self.current = catch;
        self.visit_all(&handler.body, machines)?;
        self.current = task;
        Ok(())
    }

    fn with(&mut self, with: &With<'a>, machines: &mut Machines<'a>) -> Result<()> {
        let retry = retry_call(with, Mode::Compat)?;
        let [body] = &with.body[..] else {
            return refused(with.range, "retry has one task in it");
        };
        self.visit(body, machines)?;
        let current = self.current;
        let Kind::Task { retries, .. } = &mut self.fragments[current].kind else {
            return refused(with.range, "retry has a task in it, and nothing else");
        };
        retries.push(retrier(retry, Mode::Compat)?);
        Ok(())
    }

    /// Adds the edges that can be known only when all states exist.
    fn shape(&mut self) -> Result<()> {
        for id in self.graph.nodes().to_vec() {
            match &self.fragments[id].kind {
                Kind::Pass { value: Value::Nothing } => self.shape_pass(id),
                Kind::Choice { branches } => {
                    let branches = branches.clone();
                    self.shape_choice(id, &branches)?;
                }
                Kind::Task { catches, .. } => {
                    let catches = catches.clone();
                    let next = self.graph.successors(id).and_then(|edges| edges.first().copied());
                    if let Some((next, _)) = next {
                        catches.iter().try_for_each(|catch| self.lead_on(*catch, next))?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A `pass` that is followed by something does not become a state.
    fn shape_pass(&mut self, id: Id) {
        let Some(next) = self.graph.successors(id).map(<[_]>::to_vec) else { return };
        if next.is_empty() {
            return;
        }
        for (to, _) in next {
            for (from, in_else) in self.graph.predecessors(id) {
                self.graph.connect(from, to, Some(in_else));
            }
        }
        self.graph.remove(id);
    }

    fn shape_choice(&mut self, id: Id, branches: &[Id]) -> Result<()> {
        let edges = self.graph.successors(id).unwrap_or_default();
        let after: Vec<Id> =
            edges.iter().filter(|(_, in_else)| !in_else).map(|(to, _)| *to).collect();
        match after[..] {
            [] => Ok(()),
            [next] => branches.iter().try_for_each(|branch| self.lead_on(*branch, next)),
            _ => {
                let what = "in the original, one state only can follow an `if`";
                refused(self.fragments[id].range, what)
            }
        }
    }

    /// Connects the last fragment of a branch or handler to what follows.
    fn lead_on(&mut self, from: Id, next: Id) -> Result<()> {
        let range = self.fragments[from].range;
        let last = self
            .graph
            .last_descendant(from)
            .map_err(|()| complaint(range, "the original cannot tell what comes last in here"))?;
        if let Some(last) = last
            && !matches!(self.fragments[last].kind, Kind::Succeed | Kind::Fail { .. })
        {
            self.graph.connect(last, next, None);
        }
        Ok(())
    }

    /// The definition.
    pub(crate) fn definition(&self, machines: &Machines<'a>, is_iterator: bool) -> Result<Json> {
        let mut start = Json::Null;
        let mut states = Object::new();
        for &id in self.graph.nodes() {
            let fragment = &self.fragments[id];
            match &fragment.kind {
                Kind::Start => {
                    let first = self.graph.successors(id).and_then(|edges| edges.first());
                    let first =
                        first.ok_or_else(|| complaint(fragment.range, "there is no state"))?;
                    start = self.fragments[first.0].key.as_str().into();
                }
                Kind::Branch { .. } | Kind::Catch { .. } => {}
                _ => {
                    let state = self.state_json(id, fragment, machines, is_iterator)?;
                    states.insert(fragment.key.as_str(), state.into());
                }
            }
        }
        let mut definition = Object::new();
        definition.insert("StartAt", start);
        definition.insert("States", states.into());
        Ok(definition.into())
    }

    fn set_next(&self, id: Id, state: &mut Object) -> Result<()> {
        let range = self.fragments[id].range;
        let edges = self.graph.successors(id);
        let edges = edges.ok_or_else(|| complaint(range, "there is no state in here"))?;
        match edges.last() {
            None => state.insert("End", Json::Bool(true)),
            Some((next, _)) => state.insert("Next", self.fragments[*next].key.as_str().into()),
        };
        Ok(())
    }

    fn state_json(
        &self,
        id: Id,
        fragment: &Fragment<'a>,
        machines: &Machines<'a>,
        is_iterator: bool,
    ) -> Result<Object> {
        let mut state = Object::new();
        match &fragment.kind {
            Kind::Task { call, target, catches, retries } => {
                let (resource, parameters) = call.resource(Mode::Compat, is_iterator);
                state.insert("Type", "Task".into());
                state.insert("Resource", resource);
                state.insert("Parameters", parameters);
                state.insert("InputPath", "$".into());
                state.insert("ResultPath", result_path(*target)?);
                state.insert("TimeoutSeconds", call.timeout.clone());
                if !catches.is_empty() {
                    let catches = catches.iter().map(|catch| self.catch_json(*catch));
                    state.insert("Catch", catches.collect::<Result<Vec<_>>>()?.into());
                }
                if !retries.is_empty() {
                    state.insert("Retry", retries.clone().into());
                }
                self.set_next(id, &mut state)?;
            }
            Kind::Choice { branches } => {
                state.insert("Type", "Choice".into());
                let branches = branches.iter().map(|branch| self.branch_json(*branch));
                state.insert("Choices", branches.collect::<Result<Vec<_>>>()?.into());
                let edges = self.graph.successors(id).unwrap_or_default();
                let mut elses = edges.iter().filter(|(_, in_else)| *in_else);
                if let Some((default, _)) = elses.next() {
                    state.insert("Default", self.fragments[*default].key.as_str().into());
                }
                if elses.next().is_some() {
                    return refused(
                        fragment.range,
                        "in the original, an `else` has one state only",
                    );
                }
            }
            Kind::Map { items, target, most, iterator } => {
                let items = path(items, Place::Argument);
                let part = |name: &str| Json::from(format!("{items}.{name}"));
                let parameters: [(&str, Json); 6] = [
                    ("__trace.$", "$.__trace".into()),
                    ("items_result_table_name.$", part("table_name")),
                    ("items_result_partition_key.$", part("partition_key")),
                    ("items_result_key.$", part("key")),
                    ("context_index.$", "$$.Map.Item.Index".into()),
                    ("context_value.$", "$$.Map.Item.Value".into()),
                ];
                state.insert("Type", "Map".into());
                state.insert("Parameters", parameters.into_iter().collect::<Object>().into());
                state.insert("Iterator", machines.compat_definition(*iterator)?);
                state.insert("ItemsPath", part("items"));
                let target = target.map(|target| path(target, Place::Assigned));
                state.insert("ResultPath", target.map_or(Json::Null, Json::from));
                state.insert("MaxConcurrency", most.clone());
                self.set_next(id, &mut state)?;
            }
            Kind::Parallel { branches } => {
                let branches = branches.iter().map(|branch| machines.compat_definition(*branch));
                state.insert("Type", "Parallel".into());
                state.insert("Branches", branches.collect::<Result<Vec<_>>>()?.into());
                self.set_next(id, &mut state)?;
            }
            Kind::Pass { value } => {
                state.insert("Type", "Pass".into());
                let (result, result_path) = match value {
                    Value::Assigned { target, value } => {
                        (Some(literal::evaluate(value)?), Some(result_path(Some(target))?))
                    }
                    Value::Updated { call } => {
                        let value = call.arguments.args.first();
                        let value =
                            value.ok_or_else(|| complaint(call.range(), "update takes a dict"))?;
                        (Some(literal::evaluate(value)?), Some("$".into()))
                    }
                    Value::Nothing => (None, None),
                };
                for (key, value) in [("Result", result), ("ResultPath", result_path)] {
                    if let Some(value) = value {
                        state.insert(key, value);
                    }
                }
                self.set_next(id, &mut state)?;
            }
            Kind::Wait { call } => {
                state = wait(call)?;
                self.set_next(id, &mut state)?;
            }
            Kind::Fail { exception } => state = fail(*exception, fragment.range)?,
            Kind::Succeed => {
                state.insert("Type", "Succeed".into());
            }
            Kind::Start | Kind::Branch { .. } | Kind::Catch { .. } => {}
        }
        Ok(state)
    }

    fn branch_json(&self, branch: Id) -> Result<Json> {
        let mut rule = Object::new();
        self.set_next(branch, &mut rule)?;
        if let Kind::Branch { test } = &self.fragments[branch].kind {
            for (key, value) in conditions::rule(test, Mode::Compat)?.iter() {
                rule.insert(key.clone(), value.clone());
            }
        }
        Ok(rule.into())
    }

    fn catch_json(&self, catch: Id) -> Result<Json> {
        let mut catcher = Object::new();
        catcher.insert("ResultPath", "$.error".into());
        self.set_next(catch, &mut catcher)?;
        if let Kind::Catch { errors, is_nested } = &self.fragments[catch].kind {
            if errors.is_none() && *is_nested {
                let what = "the original takes no bare `except` within another";
                return refused(self.fragments[catch].range, what);
            }
            catcher.insert("ErrorEquals", caught(*errors)?.into());
        }
        Ok(catcher.into())
    }

    /// The states that call tasks, those of branches and iterators included.
    pub(crate) fn task_states(&self, machines: &Machines<'a>) -> Vec<TaskState> {
        let mut states = Vec::new();
        for &id in self.graph.nodes() {
            let fragment = &self.fragments[id];
            match &fragment.kind {
                Kind::Task { call, .. } => states.push(TaskState::new(&fragment.key, call)),
                Kind::Map { iterator, .. } => states.extend(machines.compat_task_states(*iterator)),
                Kind::Parallel { branches } => {
                    states
                        .extend(branches.iter().flat_map(|one| machines.compat_task_states(*one)));
                }
                _ => {}
            }
        }
        states
    }
}

/// The key on `data` that is assigned to.
fn data_key(targets: &[Expr], range: TextRange) -> Result<&Expr> {
    let [target] = targets else {
        return refused(range, "a value is assigned to one place at a time");
    };
    match target {
        Expr::Subscript(subscript) if name(&subscript.value) == Some("data") => Ok(target),
        _ => refused_with(
            target.range(),
            "values are assigned to keys of `data`",
            "write `data['key'] = …`",
        ),
    }
}

/// The `ResultPath` of an assignment; null for a statement without one.
fn result_path(target: Option<&Expr>) -> Result<Json> {
    let Some(target) = target else { return Ok(Json::Null) };
    let path = path(target, Place::Assigned);
    if path.contains("__trace") {
        return refused(target.range(), "`__trace` is not yours to set");
    }
    Ok(path.into())
}

/// A Wait state, without its transition.
pub(crate) fn wait(call: &ExprCall) -> Result<Object> {
    let mut state = Object::new();
    state.insert("Type", "Wait".into());
    for keyword in &call.arguments.keywords {
        let value = &keyword.value;
        let reference = || Json::from(path(value, Place::Argument));
        match (keyword.arg.as_ref().map(ast::Identifier::as_str), value) {
            (Some("seconds"), Expr::NumberLiteral(literal)) => {
                let Some(number) = literal::number(&literal.value) else {
                    return refused(value.range(), "seconds are a number");
                };
                state.insert("Seconds", number);
            }
            (Some("seconds"), _) => {
                state.insert("SecondsPath", reference());
            }
            (Some("timestamp"), _) => match syntax::text(value) {
                Some(text) => {
                    state.insert("Timestamp", text.into());
                }
                None => {
                    state.insert("TimestampPath", reference());
                }
            },
            (other, _) => {
                let what = format!("wait takes no `{}`", other.unwrap_or("**"));
                return refused_with(keyword.range(), what, "options: seconds, timestamp");
            }
        }
    }
    Ok(state)
}

/// A Fail state.
fn fail(exception: Option<&Expr>, range: TextRange) -> Result<Object> {
    let Some((error, exception)) = exception.and_then(call) else {
        return refused_with(
            range,
            "what is raised is an exception by its name alone",
            "write `raise SomeError('why')`",
        );
    };
    let cause = match exception.arguments.args.first() {
        None => error.into(),
        Some(cause) => match literal::constant(cause) {
            Some(cause) => cause,
            None => return refused(cause.range(), "the cause is a text that is written down"),
        },
    };
    let mut state = Object::new();
    state.insert("Type", "Fail".into());
    state.insert("Error", error.into());
    state.insert("Cause", cause);
    Ok(state)
}
