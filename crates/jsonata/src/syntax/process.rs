//! Puts paths together: `a.b[c]` as it is written is a tree of operators, as it is evaluated a row
//! of steps with filters.

use super::ancestry::Slots;
use super::ast::{Ast, Group, Kind, Stage, Term};
use crate::error::{Fault, Result};
use crate::stack;
use stepwright_json::{Json, Str};

/// The tree with its paths, and the label of each slot of `%`.
pub(crate) fn process(root: Ast) -> Result<(Ast, Vec<usize>)> {
    let mut process = Process { slots: Slots::default() };
    let root = process.ast(root)?;
    if matches!(root.kind, Kind::Parent(_)) || !root.seeking.is_empty() {
        return Err(Fault::new("S0217").at(root.at, root.span).token(root.type_name()));
    }
    Ok((root, process.slots.labels()))
}

struct Process {
    slots: Slots,
}

impl Process {
    fn ast(&mut self, ast: Ast) -> Result<Ast> {
        stack::deeper(|| self.node(ast))
    }

    fn boxed(&mut self, ast: Ast) -> Result<Box<Ast>> {
        self.ast(ast).map(Box::new)
    }

    fn node(&mut self, ast: Ast) -> Result<Ast> {
        let keep_array = ast.keep_array;
        let (at, span, height) = (ast.at, ast.span, ast.height);
        let node = |kind| Ast::new(kind, at, span);
        let mut result = match ast.kind {
            Kind::Name(_) => {
                let mut path = node(Kind::Path(vec![]));
                path.keep_singleton = keep_array;
                path.kind = Kind::Path(vec![ast]);
                path
            }
            Kind::Keyword(word) => {
                let mut step = node(Kind::Name(word.into()));
                step.keep_array = keep_array;
                self.node(step)?
            }
            Kind::Parent(_) => node(Kind::Parent(self.slots.open())),
            Kind::Text(_)
            | Kind::Number(_)
            | Kind::Value(_)
            | Kind::Regex { .. }
            | Kind::Wildcard
            | Kind::Descendant
            | Kind::Variable(_)
            | Kind::Placeholder
            | Kind::Path(_)
            | Kind::Sort(_) => ast,
            Kind::End => return Err(Fault::new("S0207").at(at, span).token("(end)")),
            Kind::Dot(left, right) => self.dot(*left, *right)?,
            Kind::Filter(left, predicate) => self.filter(*left, *predicate, &node(Kind::End))?,
            Kind::GroupBy(left, pairs) => {
                let mut result = self.ast(*left)?;
                if result.group.is_some() {
                    return Err(Fault::new("S0210").at(at, span));
                }
                let pairs = pairs
                    .into_iter()
                    .map(|(key, value)| Ok((self.ast(key)?, self.ast(value)?)))
                    .collect::<Result<Vec<_>>>()?;
                result.group = Some(Box::new(Group { pairs, at }));
                result.span = span;
                result
            }
            Kind::OrderBy(left, terms) => {
                let mut path = into_path(self.ast(*left)?);
                let mut sort = node(Kind::End);
                let mut sorted = Vec::new();
                for term in terms {
                    let expression = self.ast(term.expression)?;
                    Slots::push(&mut sort, &expression);
                    sorted.push(Term { descending: term.descending, expression });
                }
                sort.kind = Kind::Sort(sorted);
                push_step(&mut path, sort);
                path.span = span;
                self.slots.resolve(&mut path)?;
                path
            }
            Kind::Bind(name, value) => {
                let value = self.boxed(*value)?;
                let mut result = node(Kind::End);
                Slots::push(&mut result, &value);
                result.kind = Kind::Bind(name, value);
                result
            }
            Kind::Focus(left, name) => {
                let mut result = self.ast(*left)?;
                result.span = span;
                let step = last_step(&mut result);
                if step.stages.is_some() || step.predicate.is_some() {
                    return Err(Fault::new("S0215").at(at, span));
                }
                if matches!(step.kind, Kind::Sort(_)) {
                    return Err(Fault::new("S0216").at(at, span));
                }
                step.keep_array |= keep_array;
                step.focus = Some(name);
                step.tuple = true;
                result
            }
            Kind::Index(left, name) => self.index(*left, name)?,
            Kind::Apply(left, right) => {
                let left = self.boxed(*left)?;
                let right = self.boxed(*right)?;
                let keep = left.keep_array || right.keep_array;
                let mut result = node(Kind::Apply(left, right));
                result.keep_array = keep;
                result
            }
            Kind::Binary(operator, left, right) => {
                let left = self.boxed(*left)?;
                let right = self.boxed(*right)?;
                let mut result = node(Kind::End);
                Slots::push(&mut result, &left);
                Slots::push(&mut result, &right);
                result.kind = Kind::Binary(operator, left, right);
                result
            }
            Kind::Negate(operand) => {
                let operand = self.ast(*operand)?;
                if let Kind::Number(value) = operand.kind {
                    let mut result = Ast { kind: Kind::Number(negated(&value)), ..operand };
                    result.span = span;
                    result
                } else {
                    let mut result = node(Kind::End);
                    Slots::push(&mut result, &operand);
                    result.kind = Kind::Negate(Box::new(operand));
                    result
                }
            }
            Kind::Array(items) => {
                let mut result = node(Kind::End);
                result.kind = Kind::Array(self.all(items, &mut result)?);
                result
            }
            Kind::Object(pairs) => {
                let mut result = node(Kind::End);
                let mut processed = Vec::new();
                for (key, value) in pairs {
                    let key = self.ast(key)?;
                    Slots::push(&mut result, &key);
                    let value = self.ast(value)?;
                    Slots::push(&mut result, &value);
                    processed.push((key, value));
                }
                result.kind = Kind::Object(processed);
                result
            }
            Kind::Call { procedure, arguments, partial } => {
                let mut result = node(Kind::End);
                let arguments = self.all(arguments, &mut result)?;
                let procedure = self.boxed(*procedure)?;
                result.kind = Kind::Call { procedure, arguments, partial };
                result
            }
            Kind::Lambda { parameters, signature, body } => {
                let body = self.boxed(*body)?;
                node(Kind::Lambda { parameters, signature, body })
            }
            Kind::Condition { condition, then, otherwise } => {
                let mut result = node(Kind::End);
                let condition = self.boxed(*condition)?;
                Slots::push(&mut result, &condition);
                let then = self.boxed(*then)?;
                Slots::push(&mut result, &then);
                let otherwise = match otherwise {
                    Some(otherwise) => {
                        let otherwise = self.boxed(*otherwise)?;
                        Slots::push(&mut result, &otherwise);
                        Some(otherwise)
                    }
                    None => None,
                };
                result.kind = Kind::Condition { condition, then, otherwise };
                result
            }
            Kind::Coalesce(left, right) => {
                let mut result = node(Kind::End);
                let (left, right) = (self.boxed(*left)?, self.boxed(*right)?);
                Slots::push(&mut result, &left);
                Slots::push(&mut result, &right);
                result.kind = Kind::Coalesce(left, right);
                result
            }
            Kind::Default(left, right) => {
                let mut result = node(Kind::End);
                let (left, right) = (self.boxed(*left)?, self.boxed(*right)?);
                Slots::push(&mut result, &left);
                Slots::push(&mut result, &right);
                result.kind = Kind::Default(left, right);
                result
            }
            Kind::Block(expressions) => {
                let mut result = node(Kind::End);
                let expressions = self.all(expressions, &mut result)?;
                result.cons = expressions.iter().any(|part| {
                    part.cons
                        || matches!(&part.kind, Kind::Path(steps) if steps.first().is_some_and(|s| s.cons))
                });
                result.kind = Kind::Block(expressions);
                result
            }
            Kind::Transform { pattern, update, delete } => {
                let pattern = self.boxed(*pattern)?;
                let update = self.boxed(*update)?;
                let delete = delete.map(|delete| self.boxed(*delete)).transpose()?;
                node(Kind::Transform { pattern, update, delete })
            }
        };
        result.keep_array |= keep_array;
        result.height = result.height.max(height);
        Ok(result)
    }

    fn all(&mut self, items: Vec<Ast>, result: &mut Ast) -> Result<Vec<Ast>> {
        items
            .into_iter()
            .map(|item| {
                let item = self.ast(item)?;
                Slots::push(result, &item);
                Ok(item)
            })
            .collect()
    }

    fn dot(&mut self, left: Ast, right: Ast) -> Result<Ast> {
        let left = self.ast(left)?;
        let start = left.span;
        let parent = match left.kind {
            Kind::Parent(slot) => Some(slot),
            _ => None,
        };
        let mut path = into_path(left);
        if let Some(slot) = parent {
            path.seeking = vec![slot];
        }
        let mut rest = self.ast(right)?;
        path.span = start.to(rest.span);
        if matches!(rest.kind, Kind::Path(_)) {
            if let Kind::Path(steps) = rest.kind {
                for step in steps {
                    push_step(&mut path, step);
                }
            }
        } else {
            if let Some(predicate) = rest.predicate.take() {
                rest.stages = Some(predicate);
            }
            push_step(&mut path, rest);
        }
        let mut keep = false;
        if let Kind::Path(steps) = &mut path.kind {
            for step in steps.iter_mut() {
                match &step.kind {
                    Kind::Number(value) | Kind::Value(value) => {
                        return Err(Fault::new("S0213")
                            .at(step.at, step.span)
                            .value(Some(value.clone())));
                    }
                    Kind::Text(name) => step.kind = Kind::Name(name.clone()),
                    _ => {}
                }
                keep |= step.keep_array;
            }
            let ends = [0, steps.len() - 1];
            for end in ends {
                if matches!(steps[end].kind, Kind::Array(_)) {
                    steps[end].cons = true;
                }
            }
        }
        path.keep_singleton |= keep;
        self.slots.resolve(&mut path)?;
        Ok(path)
    }

    fn filter(&mut self, left: Ast, predicate: Ast, here: &Ast) -> Result<Ast> {
        let mut result = self.ast(left)?;
        result.span = here.span;
        let is_path = matches!(result.kind, Kind::Path(_));
        let step = last_step(&mut result);
        if step.group.is_some() {
            return Err(Fault::new("S0209").at(here.at, here.span));
        }
        let predicate = self.ast(predicate)?;
        self.slots.resolve_predicate(step, &predicate)?;
        let list = if is_path { &mut step.stages } else { &mut step.predicate };
        list.get_or_insert_default().push(Stage::Filter(predicate));
        Ok(result)
    }

    fn index(&mut self, left: Ast, name: Str) -> Result<Ast> {
        let mut path = self.ast(left)?;
        if !matches!(path.kind, Kind::Path(_)) {
            path.stages = match path.predicate.take() {
                Some(predicate) => Some(predicate),
                None => path.stages,
            };
            path = into_path(path);
        }
        let step = last_step(&mut path);
        match &mut step.stages {
            None => step.index = Some(name),
            Some(stages) => stages.push(Stage::Index(name)),
        }
        step.tuple = true;
        Ok(path)
    }
}

fn into_path(ast: Ast) -> Ast {
    if matches!(ast.kind, Kind::Path(_)) {
        return ast;
    }
    Ast::new(Kind::Path(Vec::new()), ast.at, ast.span).with_step(ast)
}

fn push_step(path: &mut Ast, step: Ast) {
    path.height = path.height.max(step.height + 1);
    if let Kind::Path(steps) = &mut path.kind {
        steps.push(step);
    }
}

fn last_step(ast: &mut Ast) -> &mut Ast {
    if matches!(&ast.kind, Kind::Path(steps) if !steps.is_empty()) {
        let Kind::Path(steps) = &mut ast.kind else { unreachable!("matched above") };
        return steps.last_mut().expect("a path has steps");
    }
    ast
}

fn negated(value: &Json) -> Json {
    match value {
        Json::Int(0) => Json::Float(-0.0),
        Json::Int(value) => Json::Int(-value),
        other => Json::Float(-other.as_f64().unwrap_or_default()),
    }
}

impl Ast {
    fn with_step(mut self, step: Ast) -> Self {
        push_step(&mut self, step);
        self
    }
}
