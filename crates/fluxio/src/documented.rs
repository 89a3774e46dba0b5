//! Makes state machines as the documentation of Fluxio describes them.
//!
//! A function is compiled from top to bottom. What has been compiled so far has loose ends: the
//! `Next` of a state, the `Default` of a Choice, the `Next` of a catcher. The next state is
//! connected to them; ends that are loose when the function ends, end the machine.

use crate::compat::{MAP, TASK};
use crate::conditions;
use crate::data::{self, Reference};
use crate::errors::{caught, check_try, default_retries, retrier, retry_call};
use crate::machines::{MOST_STATES, MOST_WITHIN, Machines, TaskState};
use crate::options::Options;
use crate::refused::{Result, refused, refused_with};
use crate::syntax::{self, Handler, If, Reading, Statement, Try, With, call, name};
use crate::tasks::TaskCall;
use crate::{Mode, unsupported};
use ruff_python_ast as ast;
use ruff_python_ast::{Expr, ExprCall, StmtFunctionDef};
use ruff_text_size::{Ranged as _, TextRange};
use std::collections::BTreeMap;
use stepwright_json::{Json, Object, Str};

/// A state machine.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) definition: Json,
    pub(crate) task_states: Vec<TaskState>,
}

/// The names of all states of a machine, including those of its branches, because they must be
/// unique. For each name, the last number that was appended to make another name from it.
type Names = BTreeMap<String, u32>;

/// A loose end: where the next state's name goes.
#[derive(Clone, Debug)]
enum Loose {
    Start,
    Next(usize),
    Default(usize),
    Choice(usize, usize),
    Catch(usize, usize),
}

/// Compiles a function.
pub(crate) fn compile(function: &StmtFunctionDef, machines: &mut Machines<'_>) -> Result<Machine> {
    let mut names = Names::new();
    compile_within(function, machines, &mut names, false)
}

fn compile_within(
    function: &StmtFunctionDef,
    machines: &mut Machines<'_>,
    names: &mut Names,
    is_iterator: bool,
) -> Result<Machine> {
    let mut builder = Builder {
        machines,
        names,
        is_iterator,
        start: None,
        states: Vec::new(),
        task_states: Vec::new(),
    };
    let body = Reading { completes_ifs: false }.block(&function.body);
    let loose = builder.block(&body, vec![Loose::Start])?;
    builder.end(loose);
    builder.machines.count(builder.states.len(), function.name.range())?;
    let mut definition = Object::new();
    definition.insert("StartAt", builder.start.unwrap_or_default().into());
    let states: Object = builder
        .states
        .into_iter()
        .map(|(name, state)| (Str::from(name), Json::from(state)))
        .collect();
    definition.insert("States", states.into());
    Ok(Machine { definition: definition.into(), task_states: builder.task_states })
}

struct Builder<'b, 'a> {
    machines: &'b mut Machines<'a>,
    names: &'b mut Names,
    is_iterator: bool,
    start: Option<String>,
    states: Vec<(String, Object)>,
    task_states: Vec<TaskState>,
}

impl Builder<'_, '_> {
    fn block(&mut self, statements: &[Statement<'_>], mut loose: Vec<Loose>) -> Result<Vec<Loose>> {
        for statement in statements {
            if loose.is_empty() {
                return refused_with(
                    statement.range(),
                    "this is never reached",
                    "remove it: the execution has ended above",
                );
            }
            loose = self.statement(statement, loose)?;
        }
        Ok(loose)
    }

    fn statement(&mut self, statement: &Statement<'_>, loose: Vec<Loose>) -> Result<Vec<Loose>> {
        match statement {
            Statement::Assign { targets, value, range } => {
                let [target] = targets else {
                    return refused(*range, "a value is assigned to one place at a time");
                };
                self.assign(target, value, *range, loose)
            }
            Statement::Expression { value, range } => self.expression(value, *range, loose),
            Statement::If(inner) => self.if_(inner, loose),
            Statement::Raise { exception, cause, range } => {
                let state = fail(*exception, *cause, *range)?;
                self.add("Fail", state, loose);
                Ok(Vec::new())
            }
            Statement::Return { value, .. } => {
                if let Some(value) = value
                    && name(value) != Some("data")
                    && !matches!(value, Expr::NoneLiteral(_))
                {
                    return refused_with(
                        value.range(),
                        "an execution returns its data, and nothing else",
                        "put the value into the data before, and write `return`",
                    );
                }
                self.add("Succeed", typed("Succeed"), loose);
                Ok(Vec::new())
            }
            Statement::Try(inner) => self.try_(inner, loose),
            Statement::With(with) => {
                let task = self.with(with, loose)?;
                Ok(vec![Loose::Next(task)])
            }
            Statement::Pass { .. } => Ok(loose),
            Statement::Other { statement, .. } => unsupported::statement(statement),
        }
    }

    /// Adds a state and connects loose ends to it. Its name is the wanted one, with a number if
    /// necessary.
    fn add(&mut self, wanted: &str, state: Object, loose: Vec<Loose>) -> usize {
        let mut name = wanted.to_owned();
        if let Some(&last) = self.names.get(wanted) {
            let mut number = last;
            while self.names.contains_key(&name) {
                number += 1;
                name = format!("{wanted} {number}");
            }
            self.names.insert(wanted.to_owned(), number);
        }
        self.names.insert(name.clone(), 1);
        self.tie(loose, &name);
        self.states.push((name, state));
        self.states.len() - 1
    }

    fn tie(&mut self, loose: Vec<Loose>, name: &str) {
        for end in loose {
            let nth = |state: &mut Object, list: &str, index: usize, next: Json| {
                let mut all = state.get(list).and_then(Json::as_array).cloned().unwrap_or_default();
                if let Some(Json::Object(members)) = all.make_mut().get_mut(index) {
                    members.insert("Next", next);
                }
                state.insert(list, all.into());
            };
            match end {
                Loose::Start => self.start = Some(name.to_owned()),
                Loose::Next(state) => {
                    self.states[state].1.insert("Next", name.into());
                }
                Loose::Default(state) => {
                    self.states[state].1.insert("Default", name.into());
                }
                Loose::Choice(state, index) => {
                    nth(&mut self.states[state].1, "Choices", index, name.into());
                }
                Loose::Catch(state, index) => {
                    nth(&mut self.states[state].1, "Catch", index, name.into());
                }
            }
        }
    }

    /// Makes the loose ends end the machine.
    fn end(&mut self, loose: Vec<Loose>) {
        let (next, others): (Vec<Loose>, Vec<Loose>) =
            loose.into_iter().partition(|end| matches!(end, Loose::Next(_)));
        for end in next {
            if let Loose::Next(state) = end {
                self.states[state].1.insert("End", Json::Bool(true));
            }
        }
        if !others.is_empty() {
            self.add("Done", typed("Succeed"), others);
        }
    }

    fn assign(
        &mut self,
        target: &Expr,
        value: &Expr,
        range: TextRange,
        loose: Vec<Loose>,
    ) -> Result<Vec<Loose>> {
        let target = data::target(target)?;
        if let Expr::Call(inner) = value {
            let Some(called) = name(&inner.func) else {
                return refused(inner.func.range(), "only a task or state machine can be called");
            };
            let state = match called {
                "map" => self.map(inner, Some(&target), loose)?,
                "parallel" => self.parallel(inner, Some(&target), range, loose)?,
                called if self.machines.calls(called) => {
                    self.task(inner, called, Some(&target), loose)?
                }
                called => return refused(range, self.machines.unknown(called)),
            };
            return Ok(vec![Loose::Next(state)]);
        }
        let wanted = format!("Set {}", target.label());
        let state = self.set(&wanted, &target, value, loose)?;
        Ok(vec![Loose::Next(state)])
    }

    /// Adds a Pass state that sets one part of the data.
    fn set(
        &mut self,
        wanted: &str,
        target: &Reference,
        value: &Expr,
        loose: Vec<Loose>,
    ) -> Result<usize> {
        let mut state = typed("Pass");
        data::put_value(&mut state, value)?;
        state.insert("ResultPath", target.path().into());
        Ok(self.add(wanted, state, loose))
    }

    fn expression(
        &mut self,
        value: &Expr,
        range: TextRange,
        loose: Vec<Loose>,
    ) -> Result<Vec<Loose>> {
        // A docstring has no meaning for the machine.
        if syntax::text(value).is_some() {
            return Ok(loose);
        }
        let Expr::Call(inner) = value else {
            return refused_with(
                range,
                "an expression alone does nothing",
                "call a task, `map`, `parallel`, `wait` or `data.update`",
            );
        };
        if let Expr::Attribute(attribute) = &*inner.func {
            if name(&attribute.value) != Some("data") || attribute.attr.as_str() != "update" {
                return refused_with(
                    inner.func.range(),
                    "the one method there is is `data.update(…)`",
                    "set a key within a part of the data: `data['part']['key'] = …`",
                );
            }
            return self.update(inner, loose);
        }
        let state = match name(&inner.func).unwrap_or_default() {
            "wait" => {
                let state = wait(inner)?;
                self.add("Wait", state, loose)
            }
            "map" => self.map(inner, None, loose)?,
            "parallel" => self.parallel(inner, None, range, loose)?,
            called if self.machines.calls(called) => self.task(inner, called, None, loose)?,
            called => return refused(range, self.machines.unknown(called)),
        };
        Ok(vec![Loose::Next(state)])
    }

    fn update(&mut self, inner: &ExprCall, mut loose: Vec<Loose>) -> Result<Vec<Loose>> {
        let mut values: Vec<(String, &Expr)> = Vec::new();
        match &inner.arguments.args[..] {
            [] => {}
            [Expr::Dict(dict)] => {
                for item in &dict.items {
                    let Some(key) = item.key.as_ref().and_then(syntax::text) else {
                        return refused(inner.range(), "the keys of the data are texts");
                    };
                    values.push((key.to_owned(), &item.value));
                }
            }
            [other] | [other, ..] => {
                return refused_with(
                    other.range(),
                    "update takes one dict that is written down",
                    "write `data.update({'key': …})`",
                );
            }
        }
        for keyword in &inner.arguments.keywords {
            let Some(key) = &keyword.arg else {
                return refused(keyword.range(), "update takes one dict that is written down");
            };
            values.push((key.to_string(), &keyword.value));
        }
        for (key, value) in values {
            let target = Reference::key(&key);
            let state = self.set(&format!("Set {key}"), &target, value, loose)?;
            loose = vec![Loose::Next(state)];
        }
        Ok(loose)
    }

    fn task(
        &mut self,
        inner: &ExprCall,
        called: &str,
        target: Option<&Reference>,
        loose: Vec<Loose>,
    ) -> Result<usize> {
        let options = Options::read(inner, TASK)?;
        for keyword in &inner.arguments.keywords {
            data::check_references(&keyword.value)?;
        }
        let input = match &inner.arguments.args[..] {
            [] => Reference::whole(),
            [input] => data::reference(input)?,
            [_, second, ..] => {
                return refused_with(
                    second.range(),
                    "a task takes one input",
                    "put what it needs into one part of the data",
                );
            }
        };
        let attributes = self.machines.tasks.get(called).map(|task| &task.attributes);
        let of_class = attributes.and_then(|attributes| attributes.get("timeout")).cloned();
        let timeout = options.get_or("timeout", of_class.unwrap_or(Json::Int(300)));
        if timeout.as_i64().is_none_or(|seconds| seconds <= 0) {
            return refused(inner.range(), format!("the timeout is whole seconds, not {timeout}"));
        }
        let service = self.machines.service(called).to_owned();
        let wanted = options.get("key").and_then(Json::as_str).unwrap_or(called).to_owned();
        let retries = default_retries(&service);
        let input = input.path();
        let call = TaskCall { name: called.to_owned(), service, input, options, timeout };
        let (resource, parameters) = call.resource(Mode::Documented, self.is_iterator);
        let mut state = typed("Task");
        state.insert("Resource", resource);
        state.insert("Parameters", parameters);
        state.insert("ResultPath", target.map_or(Json::Null, |target| target.path().into()));
        state.insert("TimeoutSeconds", call.timeout.clone());
        if !retries.is_empty() {
            state.insert("Retry", retries.into());
        }
        let index = self.add(&wanted, state, loose);
        self.task_states.push(TaskState::new(&self.states[index].0, &call));
        Ok(index)
    }

    fn map(
        &mut self,
        inner: &ExprCall,
        target: Option<&Reference>,
        loose: Vec<Loose>,
    ) -> Result<usize> {
        let [items, iterator] = &inner.arguments.args[..] else {
            return refused_with(
                inner.range(),
                "map takes a list and a function",
                "write `map(data['items'], item_iterator)`",
            );
        };
        let items = data::reference(items)?.jsonata();
        let options = Options::read(inner, MAP)?;
        if let Some(most) = options.get("max_concurrency")
            && most.as_i64().is_none_or(|most| most < 0)
        {
            let what = format!("`max_concurrency` is a whole number from 0 (no limit), not {most}");
            return refused(inner.range(), what);
        }
        let iterator_range = iterator.range();
        let iterator = self.machines.iterator(iterator)?;
        let output = match target {
            None => "{% $states.input %}".to_owned(),
            Some(target) => {
                let key = target.only_key().map_or_else(
                    || {
                        refused_with(
                            inner.range(),
                            "the results of a map go to a key of the data itself",
                            "write `data['results'] = map(…)`",
                        )
                    },
                    Ok,
                )?;
                let key = Json::from(key);
                format!("{{% $merge([$states.input, {{{key}: $states.result}}]) %}}")
            }
        };
        let part = |name: &str| {
            let of_items = format!("{items}.{name}");
            let is_list = format!("$type({items}) = 'array'");
            Json::from(format!(
                "{{% {is_list} or $not($exists({of_items})) ? null : {of_items} %}}"
            ))
        };
        let selector: [(&str, Json); 5] = [
            ("items_result_table_name", part("table_name")),
            ("items_result_partition_key", part("partition_key")),
            ("items_result_key", part("key")),
            ("context_index", "{% $states.context.Map.Item.Index %}".into()),
            ("context_value", "{% $states.context.Map.Item.Value %}".into()),
        ];
        let mut state = typed("Map");
        state.insert("QueryLanguage", "JSONata".into());
        let list = format!("{{% $type({items}) = 'array' ? {items} : {items}.items %}}");
        state.insert("Items", list.into());
        state.insert("ItemSelector", selector.into_iter().collect::<Object>().into());
        state.insert("MaxConcurrency", options.get_or("max_concurrency", Json::Int(0)));
        state.insert("Output", output.into());
        let function = self.machines.functions[iterator].syntax;
        let index = self.add(&format!("Map {}", function.name), state, loose);
        let mut processor = self.within(iterator, true, iterator_range)?;
        if let Json::Object(processor) = &mut processor {
            processor.insert("ProcessorConfig", stepwright_json::json!({"Mode": "INLINE"}));
        }
        self.states[index].1.insert("ItemProcessor", processor);
        Ok(index)
    }

    fn parallel(
        &mut self,
        inner: &ExprCall,
        target: Option<&Reference>,
        range: TextRange,
        loose: Vec<Loose>,
    ) -> Result<usize> {
        if let Some(keyword) = inner.arguments.keywords.first() {
            return refused(keyword.range(), "parallel takes functions, and no options");
        }
        if inner.arguments.args.is_empty() {
            return refused(range, "parallel takes at least one function");
        }
        let mut state = typed("Parallel");
        state.insert("ResultPath", target.map_or(Json::Null, |target| target.path().into()));
        let index = self.add("Parallel", state, loose);
        let mut branches = Vec::new();
        for branch in &inner.arguments.args {
            let function = self.machines.branch(branch)?;
            branches.push(self.within(function, self.is_iterator, branch.range())?);
        }
        self.states[index].1.insert("Branches", branches.into());
        Ok(index)
    }

    /// Compiles a branch or iterator.
    fn within(&mut self, function: usize, is_iterator: bool, at: TextRange) -> Result<Json> {
        let function = self.machines.functions[function].syntax;
        if self.names.len() > MOST_STATES {
            return refused(at, "the state machine has more than 10,000 states");
        }
        if self.machines.within == MOST_WITHIN {
            return refused(at, "more than 32 state machines are within each other");
        }
        self.machines.within += 1;
        let machine = compile_within(function, self.machines, self.names, is_iterator);
        self.machines.within -= 1;
        let machine = machine?;
        self.task_states.extend(machine.task_states);
        Ok(machine.definition)
    }

    fn if_(&mut self, inner: &If<'_>, loose: Vec<Loose>) -> Result<Vec<Loose>> {
        let mut state = typed("Choice");
        let mut rules = Vec::new();
        let mut bodies = Vec::new();
        let mut at = inner;
        let orelse = loop {
            rules.push(Json::from(conditions::rule(at.test, Mode::Documented)?));
            bodies.push(&at.body);
            match &at.orelse[..] {
                [Statement::If(next)] => at = next,
                orelse => break orelse,
            }
        };
        state.insert("Choices", rules.into());
        let choice = self.add("Choice", state, loose);
        let mut ends = Vec::new();
        for (index, body) in bodies.into_iter().enumerate() {
            ends.extend(self.block(body, vec![Loose::Choice(choice, index)])?);
        }
        ends.extend(self.block(orelse, vec![Loose::Default(choice)])?);
        Ok(ends)
    }

    fn try_(&mut self, inner: &Try<'_>, loose: Vec<Loose>) -> Result<Vec<Loose>> {
        check_try(inner)?;
        let task = match &inner.body[0] {
            Statement::With(with) => self.with(with, loose)?,
            other => self.only_task(other, loose)?,
        };
        let mut catchers = Vec::new();
        for handler in &inner.handlers {
            if let Some(name) = handler.name {
                return refused_with(
                    handler.range,
                    format!("the exception cannot be given the name `{name}`"),
                    "what is known of it is in data['error']",
                );
            }
            catchers.push(catcher(handler)?);
        }
        let is_for_all = |catcher: &Json| {
            let errors = catcher.get("ErrorEquals").and_then(Json::as_array);
            errors.is_some_and(|errors| {
                errors.iter().any(|error| error.as_str() == Some("States.ALL"))
            })
        };
        if let Some(at) = catchers.iter().position(is_for_all)
            && let Some(after) = inner.handlers.get(at + 1)
        {
            return refused(
                after.range,
                "nothing comes here: what is above handles all exceptions",
            );
        }
        self.states[task].1.insert("Catch", catchers.into());
        let mut ends = vec![Loose::Next(task)];
        for (index, handler) in inner.handlers.iter().enumerate() {
            ends.extend(self.block(&handler.body, vec![Loose::Catch(task, index)])?);
        }
        Ok(ends)
    }

    fn with(&mut self, with: &With<'_>, loose: Vec<Loose>) -> Result<usize> {
        let retry = retry_call(with)?;
        let [body] = &with.body[..] else {
            return refused(with.range, "retry has one task in it");
        };
        let task = self.only_task(body, loose)?;
        let state = &mut self.states[task].1;
        let mut retriers = state.get("Retry").and_then(Json::as_array).cloned().unwrap_or_default();
        let mut retrier = retrier(retry, Mode::Documented)?;
        if let Json::Object(members) = &mut retrier {
            let errors = members.get("ErrorEquals").and_then(Json::as_array).cloned();
            let errors: Vec<Json> =
                errors.iter().flat_map(|errors| errors.iter().cloned()).collect();
            members.insert("ErrorEquals", all_or(errors).into());
        }
        retriers.make_mut().push(retrier);
        state.insert("Retry", retriers.into());
        Ok(task)
    }

    /// Compiles a statement that must be a task call.
    fn only_task(&mut self, statement: &Statement<'_>, loose: Vec<Loose>) -> Result<usize> {
        let called = match statement {
            Statement::Assign { value, .. } | Statement::Expression { value, .. } => call(value),
            _ => None,
        };
        if !called.is_some_and(|(name, _)| self.machines.calls(name)) {
            return refused(
                statement.range(),
                "only a task can be tried again or have its exceptions handled",
            );
        }
        match self.statement(statement, loose)?[..] {
            [Loose::Next(task)] => Ok(task),
            _ => refused(statement.range(), "this is no task"),
        }
    }
}

fn typed(kind: &str) -> Object {
    let mut state = Object::new();
    state.insert("Type", kind.into());
    state
}

/// Python's `Exception` stands for all errors, so nothing else is listed beside it.
fn all_or(errors: Vec<Json>) -> Vec<Json> {
    let is_all =
        |error: &Json| matches!(error.as_str(), Some("Exception" | "BaseException" | "States.ALL"));
    if errors.iter().any(is_all) { vec!["States.ALL".into()] } else { errors }
}

fn catcher(handler: &Handler<'_>) -> Result<Json> {
    let errors = all_or(caught(handler.exceptions)?);
    if errors.is_empty() {
        return refused(handler.range, "no exception is named");
    }
    let mut catcher = Object::new();
    catcher.insert("ErrorEquals", errors.into());
    catcher.insert("ResultPath", "$.error".into());
    Ok(catcher.into())
}

fn wait(call: &ExprCall) -> Result<Object> {
    let mut state = typed("Wait");
    if let Some(argument) = call.arguments.args.first() {
        return refused_with(
            argument.range(),
            "wait takes its argument by name",
            "write `wait(seconds=10)`",
        );
    }
    let [keyword] = &call.arguments.keywords[..] else {
        return refused_with(
            call.range(),
            "wait takes one argument",
            "options: seconds, timestamp",
        );
    };
    let value = &keyword.value;
    match keyword.arg.as_ref().map(ast::Identifier::as_str) {
        Some("seconds") => match value {
            Expr::NumberLiteral(_) => match crate::literal::constant(value) {
                Some(Json::Int(seconds)) => state.insert("Seconds", Json::Int(seconds)),
                _ => return refused(value.range(), "seconds are a whole number"),
            },
            _ => state.insert("SecondsPath", data::reference(value)?.path().into()),
        },
        Some("timestamp") => match syntax::text(value) {
            Some(text) => state.insert("Timestamp", text.into()),
            None => state.insert("TimestampPath", data::reference(value)?.path().into()),
        },
        other => {
            let what = format!("wait takes no `{}`", other.unwrap_or("**"));
            return refused_with(keyword.range(), what, "options: seconds, timestamp");
        }
    };
    Ok(state)
}

fn fail(exception: Option<&Expr>, cause: Option<&Expr>, range: TextRange) -> Result<Object> {
    let help = "write `raise SomeError('why')`";
    if let Some(cause) = cause {
        return refused(
            cause.range(),
            "an exception has no other as its cause: name why in its text",
        );
    }
    let (error, cause) = match exception {
        Some(Expr::Name(name)) => (name.id.as_str(), None),
        Some(exception) => match call(exception) {
            Some((error, call)) => (error, call.arguments.args.first()),
            None => {
                return refused_with(
                    range,
                    "what is raised is an exception by its name alone",
                    help,
                );
            }
        },
        None => return refused_with(range, "there is no exception to raise again", help),
    };
    let mut state = typed("Fail");
    state.insert("Error", error.into());
    match cause {
        None => {}
        Some(cause) => match syntax::text(cause) {
            Some(text) => {
                state.insert("Cause", text.into());
            }
            None => {
                return refused_with(
                    cause.range(),
                    "the cause is a text that is written down",
                    help,
                );
            }
        },
    }
    Ok(state)
}
