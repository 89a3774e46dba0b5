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
use crate::states::{
    MOST_SECONDS, all_or, catcher, check_key, fail, output_of_nested, shortened, typed, wait,
};
use crate::syntax::{self, If, Reading, Statement, Try, With, call, name};
use crate::tasks::TaskCall;
use crate::{Mode, unsupported};
use ruff_python_ast as ast;
use ruff_python_ast::{Expr, ExprCall, StmtFunctionDef};
use ruff_text_size::{Ranged, TextRange};
use std::collections::BTreeMap;
use stepwright_json::{Json, Object, Str};

/// A state machine.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) definition: Json,
    pub(crate) task_states: Vec<TaskState>,
    /// The places of its states, including those of branches and iterators.
    pub(crate) places: Vec<(String, TextRange)>,
}

/// The names of all states of a machine, including those of its branches, because they must be
/// unique. For each name, the last number that was appended to make another name from it.
type Names = BTreeMap<String, u32>;

/// The state for a missing input and the position of its handler, if there is one.
type Missing = Option<(usize, usize)>;

/// A loose end: where the next state's name goes.
#[derive(Clone, Debug)]
enum Loose {
    Start,
    Next(usize),
    Default(usize),
    Choice(usize, usize),
    Catch(usize, usize),
}

/// Checks that a function takes the data and nothing else. How it calls them does not matter.
pub(crate) fn check_parameters(function: &StmtFunctionDef) -> Result<()> {
    let parameters = &function.parameters;
    let others =
        parameters.iter_non_variadic_params().skip(1).map(ast::ParameterWithDefault::range);
    let variadic = parameters.vararg.iter().chain(&parameters.kwarg).map(|one| one.range);
    let defaults = parameters.iter_non_variadic_params().filter_map(|one| one.default.as_ref());
    let wrong = others.chain(variadic).chain(defaults.map(|default| default.range())).next();
    match wrong {
        Some(at) => refused_with(
            at,
            "a state machine gets its data, and no other argument",
            format!("write `def {}(data):`", function.name),
        ),
        None => Ok(()),
    }
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
        places: Vec::new(),
        at: function.name.range(),
    };
    let body = Reading { completes_ifs: false }.block(&function.body);
    let loose = builder.block(&body, vec![Loose::Start])?;
    builder.at = function.name.range();
    builder.end(loose);
    builder.machines.count(builder.states.len(), function.name.range())?;
    Ok(builder.machine())
}

struct Builder<'b, 'a> {
    machines: &'b mut Machines<'a>,
    names: &'b mut Names,
    is_iterator: bool,
    start: Option<String>,
    states: Vec<(String, Object)>,
    task_states: Vec<TaskState>,
    places: Vec<(String, TextRange)>,
    /// The place of the statement that is being compiled.
    at: TextRange,
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
            Statement::If(inner) => self.at = inner.test.range(),
            Statement::Try(_) | Statement::With(_) => {}
            other => self.at = other.range(),
        }
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
        let wanted = &shortened(wanted, 0);
        let mut name = wanted.clone();
        if let Some(&last) = self.names.get(wanted) {
            let mut number = last;
            while self.names.contains_key(&name) {
                number += 1;
                let number = number.to_string();
                name = format!("{} {number}", shortened(wanted, number.len() + 1));
            }
            self.names.insert(wanted.to_owned(), number);
        }
        self.names.insert(name.clone(), 1);
        self.places.push((name.clone(), self.at));
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
        let service = self.machines.service(called).to_owned();
        for keyword in &inner.arguments.keywords {
            data::check_references(&keyword.value)?;
            let option = keyword.arg.as_ref().map_or("", |name| name.as_str());
            if service != "codebuild" && matches!(option, "env" | "build_arg_vars") {
                return refused_with(
                    keyword.range(),
                    format!("`{option}` is for builds, and `{called}` runs on {service}"),
                    "leave it out, or set `service = \"codebuild\"`",
                );
            }
        }
        let at = |option: &str| {
            let keyword = inner.arguments.find_keyword(option);
            keyword.map_or(inner.range(), |keyword| keyword.value.range())
        };
        check_key(&options, at("key"))?;
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
        let seconds = timeout.as_i64().filter(|seconds| (1..=MOST_SECONDS).contains(seconds));
        let Some(seconds) = seconds else {
            let what =
                format!("the timeout is whole seconds from 1 to {MOST_SECONDS}, not {timeout}");
            return refused(at("timeout"), what);
        };
        if let Some(task) = self.machines.tasks.get_mut(called)
            && options.get("timeout").is_some()
        {
            task.longest_call = task.longest_call.max(seconds);
        }
        let wanted = options.get("key").and_then(Json::as_str).unwrap_or(called).to_owned();
        let retries = default_retries(&service);
        let (given, input) = (input.clone(), input.path());
        let call = TaskCall { name: called.to_owned(), service, input, options, timeout };
        let mut state = typed("Task");
        if call.service == "state-machine" {
            state.insert("QueryLanguage", "JSONata".into());
            state.insert("Resource", "arn:aws:states:::states:startExecution.sync:2".into());
            state.insert("Arguments", call.nested(&given));
            state.insert("Output", output_of_nested(target, inner.range())?.into());
        } else {
            let (resource, parameters) = call.resource(Mode::Documented, self.is_iterator);
            state.insert("Resource", resource);
            state.insert("Parameters", parameters);
            state.insert("ResultPath", target.map_or(Json::Null, |target| target.path().into()));
        }
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
        let items = data::reference(items)?;
        let no_list = Json::from(format!("{} is no list, and map takes one", items.python()));
        let items = items.jsonata();
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
        let list = format!(
            "{{% $type({items}) = 'array' ? {items} : $type({items}.items) = 'array' ? \
             {items}.items : $error({no_list}) %}}"
        );
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
            branches.push(match name(branch) {
                Some(task) if self.machines.tasks.contains_key(task) => {
                    self.branch_of_task(branch, task)?
                }
                _ => {
                    let function = self.machines.branch(branch)?;
                    self.within(function, self.is_iterator, branch.range())?
                }
            });
        }
        self.states[index].1.insert("Branches", branches.into());
        Ok(index)
    }

    /// A branch that is a task by itself. It gets all of the data, and its result is the branch's.
    fn branch_of_task(&mut self, branch: &Expr, task: &str) -> Result<Json> {
        let call = ExprCall {
            func: Box::new(branch.clone()),
            arguments: ast::Arguments {
                args: Box::default(),
                keywords: Vec::new().into(),
                range: branch.range(),
                node_index: ast::AtomicNodeIndex::default(),
            },
            range_start: branch.start(),
            node_index: ast::AtomicNodeIndex::default(),
        };
        let mut builder = Builder {
            machines: &mut *self.machines,
            names: &mut *self.names,
            is_iterator: self.is_iterator,
            start: None,
            states: Vec::new(),
            task_states: Vec::new(),
            places: Vec::new(),
            at: branch.range(),
        };
        let state = builder.task(&call, task, Some(&Reference::whole()), vec![Loose::Start])?;
        builder.end(vec![Loose::Next(state)]);
        builder.machines.count(builder.states.len(), branch.range())?;
        let machine = builder.machine();
        self.task_states.extend(machine.task_states);
        self.places.extend(machine.places);
        Ok(machine.definition)
    }

    /// The state machine, once all of its states are connected.
    fn machine(self) -> Machine {
        let mut definition = Object::new();
        definition.insert("StartAt", self.start.unwrap_or_default().into());
        let states = self.states.into_iter();
        let states: Object =
            states.map(|(name, state)| (Str::from(name), Json::from(state))).collect();
        definition.insert("States", states.into());
        Machine {
            definition: definition.into(),
            task_states: self.task_states,
            places: self.places,
        }
    }

    /// Compiles a branch or iterator.
    fn within(&mut self, function: usize, is_iterator: bool, at: TextRange) -> Result<Json> {
        if self.machines.functions[function].body.is_none() {
            // What is wrong in it has been reported already.
            return Ok(Json::Null);
        }
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
        self.places.extend(machine.places);
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
        let (loose, missing) = self.guard(inner, loose)?;
        let task = match &inner.body[0] {
            Statement::With(with) => self.with(with, loose)?,
            other => self.only_task(other, loose)?,
        };
        let is_jsonata = self.states[task].1.contains_key("QueryLanguage");
        let mut catchers = Vec::new();
        for handler in &inner.handlers {
            if let Some(name) = handler.name {
                return refused_with(
                    handler.range,
                    format!("the exception cannot be given the name `{name}`"),
                    "what is known of it is in data['error']",
                );
            }
            catchers.push(catcher(handler, is_jsonata)?);
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
            let mut loose = vec![Loose::Catch(task, index)];
            if let Some((state, handler)) = missing
                && handler == index
            {
                loose.push(Loose::Next(state));
            }
            ends.extend(self.block(&handler.body, loose)?);
        }
        Ok(ends)
    }

    /// Looks whether the input of a tried task is there, if a handler is for `KeyError`: an input
    /// that is missing would end the execution before the task, where nothing catches it. Returns
    /// the loose ends before the task, and the state after which the handler with this position
    /// follows.
    fn guard(&mut self, inner: &Try<'_>, loose: Vec<Loose>) -> Result<(Vec<Loose>, Missing)> {
        let statement = match &inner.body[0] {
            Statement::With(with) => with.body.first(),
            other => Some(other),
        };
        let called = match statement {
            Some(Statement::Assign { value, .. } | Statement::Expression { value, .. }) => {
                call(value)
            }
            _ => None,
        };
        let input = match called {
            Some((name, call)) if self.machines.calls(name) => call.arguments.args.first(),
            _ => None,
        };
        let Some(input @ Expr::Subscript(_)) = input else { return Ok((loose, None)) };
        let mut handler = None;
        for (index, one) in inner.handlers.iter().enumerate() {
            let errors = all_or(caught(one.exceptions)?);
            let is_meant = |error: &Json| matches!(error.as_str(), Some("KeyError" | "States.ALL"));
            if errors.iter().any(is_meant) {
                handler = Some(index);
                break;
            }
        }
        let Some(handler) = handler else { return Ok((loose, None)) };
        let at = data::reference(input)?;
        self.at = input.range();
        let mut rule = Object::new();
        rule.insert("Variable", at.path().into());
        rule.insert("IsPresent", Json::Bool(true));
        let mut choice = typed("Choice");
        choice.insert("Choices", vec![Json::from(rule)].into());
        let choice = self.add(&format!("Is {} there", at.label()), choice, loose);
        let mut pass = typed("Pass");
        let error = stepwright_json::json!({"Error": "KeyError", "Cause": (at.python())});
        pass.insert("Result", error);
        pass.insert("ResultPath", "$.error".into());
        let wanted = format!("No {}", at.label());
        let pass = self.add(&wanted, pass, vec![Loose::Default(choice)]);
        Ok((vec![Loose::Choice(choice, 0)], Some((pass, handler))))
    }

    fn with(&mut self, with: &With<'_>, loose: Vec<Loose>) -> Result<usize> {
        let retry = retry_call(with, Mode::Documented)?;
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
