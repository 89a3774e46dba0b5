//! From the tree to nodes: names become numbers, plain paths and operators get nodes of their own.

use crate::dialect::Dialect;
use crate::error::{Fault, Result};
use crate::functions;
use crate::node::{
    Base, BinaryNode, CallNode, FieldsNode, GroupNode, LambdaNode, Name, Node, Op, Operator,
    PathNode, Program, Stage, Step, StepOp, Term, TransformNode,
};
use crate::regex::Regex;
use crate::stack;
use crate::syntax::{Parsed, ast};
use ast::{Ast, Kind};
use rustc_hash::{FxHashMap, FxHashSet};
use stepwright_json::{Json, Keys, Str};
use stepwright_source::Span;

/// Compiles `parsed`. `known` are the names that an evaluation under way has already.
pub(crate) fn compile(parsed: Parsed, dialect: Dialect, known: &[Name]) -> Result<Program> {
    let mut compiler = Compiler {
        dialect,
        names: known.to_vec(),
        ids: known.iter().enumerate().map(|(id, name)| (name.name.clone(), id as u32)).collect(),
        bound: parsed.bound,
        labels: parsed.labels,
        // What an expression evaluated by name binds can be seen by the one around it.
        all_bound: !known.is_empty(),
        depth: 1,
        hints: 0,
    };
    if !dialect.step_functions() && mentions_eval(&parsed.root) {
        compiler.all_bound = true;
    }
    let binds = compiler.all_bound || !compiler.bound.is_empty();
    let root = compiler.node(parsed.root, false)?;
    Ok(Program { root, names: compiler.names, hints: compiler.hints, binds })
}

struct Compiler {
    dialect: Dialect,
    names: Vec<Name>,
    ids: FxHashMap<Str, u32>,
    bound: FxHashSet<Str>,
    labels: Vec<usize>,
    all_bound: bool,
    /// How many nodes of the present function are around.
    depth: usize,
    hints: u32,
}

impl Compiler {
    fn name(&mut self, name: &Str) -> u32 {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = self.names.len() as u32;
        let builtin = functions::find(name, self.dialect);
        self.names.push(Name { name: name.clone(), builtin });
        self.ids.insert(name.clone(), id);
        id
    }

    fn label(&mut self, slot: usize) -> u32 {
        let label = self.labels.get(slot).copied().unwrap_or(slot);
        self.name(&format!("!{label}").into())
    }

    fn node(&mut self, ast: Ast, tail: bool) -> Result<Node> {
        stack::deeper(|| self.here(ast, tail))
    }

    fn inner(&mut self, ast: Ast) -> Result<Node> {
        self.deeper(ast, false)
    }

    fn deeper(&mut self, ast: Ast, tail: bool) -> Result<Node> {
        self.depth += 1;
        let node = self.node(ast, tail);
        self.depth -= 1;
        node
    }

    fn here(&mut self, mut ast: Ast, tail: bool) -> Result<Node> {
        let height = ast.height;
        let (at, span, keep_array) = (ast.at, ast.span, ast.keep_array);
        let cons = ast.cons;
        let predicate = ast.predicate.take().unwrap_or_default();
        let mut group = None;
        let mut predicates = Vec::new();
        for stage in predicate {
            if let ast::Stage::Filter(filter) = stage {
                predicates.push(self.inner(filter)?);
            }
        }
        if let Some(written) = ast.group.take() {
            group = Some(Box::new(self.group(written.pairs, written.at, span)?));
        }
        let tail = tail && predicates.is_empty();
        let op = match ast.kind {
            Kind::Name(name) => Op::Name(name),
            Kind::Keyword(word) => Op::Name(word.into()),
            Kind::Text(text) => Op::Constant(Json::String(text)),
            Kind::Number(value) | Kind::Value(value) => Op::Constant(value),
            Kind::Regex { pattern, flags } => Op::Regex(Box::new(
                Regex::new(&pattern, &flags).map_err(|fault| fault.at(at, span))?,
            )),
            Kind::Wildcard => Op::Wildcard,
            Kind::Descendant => Op::Descendant,
            Kind::Parent(slot) => Op::Variable(self.label(slot)),
            Kind::Variable(name) => self.variable(&name),
            Kind::Binary("and", left, right) => {
                Op::And(Box::new((self.inner(*left)?, self.inner(*right)?)))
            }
            Kind::Binary("or", left, right) => {
                Op::Or(Box::new((self.inner(*left)?, self.inner(*right)?)))
            }
            Kind::Binary("&", left, right) => self.concat(*left, *right)?,
            Kind::Binary(operator, left, right) => {
                let operator = operator_of(operator)
                    .ok_or_else(|| Fault::new("S0204").at(at, span).token(operator))?;
                let (left, right) = (self.inner(*left)?, self.inner(*right)?);
                Op::Binary(Box::new(BinaryNode { operator, left, right }))
            }
            Kind::Negate(operand) => Op::Negate(Box::new(self.inner(*operand)?)),
            Kind::Array(items) => Op::Array {
                items: items.into_iter().map(|item| self.inner(item)).collect::<Result<_>>()?,
                cons,
            },
            Kind::Object(pairs) => Op::Object(Box::new(self.group(pairs, at, span)?)),
            Kind::Condition { condition, then, otherwise } => {
                let condition = self.inner(*condition)?;
                let then = self.deeper(*then, tail)?;
                let otherwise =
                    otherwise.map(|otherwise| self.deeper(*otherwise, tail)).transpose()?;
                Op::Condition(Box::new((condition, then, otherwise)))
            }
            Kind::Coalesce(left, right) => {
                Op::Coalesce(Box::new((self.inner(*left)?, self.deeper(*right, tail)?)))
            }
            Kind::Default(left, right) => {
                Op::Default(Box::new((self.inner(*left)?, self.deeper(*right, tail)?)))
            }
            Kind::Block(expressions) => {
                let binds = self.all_bound || expressions.iter().any(binds);
                let last = expressions.len().wrapping_sub(1);
                let expressions = expressions
                    .into_iter()
                    .enumerate()
                    .map(|(index, part)| self.deeper(part, tail && index == last))
                    .collect::<Result<_>>()?;
                Op::Block { expressions, binds }
            }
            Kind::Bind(name, value) => Op::Bind(self.name(&name), Box::new(self.inner(*value)?)),
            Kind::Call { procedure, arguments, partial } => {
                let call = Box::new(self.call(*procedure, arguments, tail && !partial)?);
                if partial { Op::Partial(call) } else { Op::Call(call) }
            }
            Kind::Lambda { parameters, signature, body } => {
                let parameters: Vec<u32> = parameters.iter().map(|name| self.name(name)).collect();
                let distinct =
                    (1..parameters.len()).all(|at| !parameters[..at].contains(&parameters[at]));
                let around = std::mem::replace(&mut self.depth, 1);
                let body = self.node(*body, true);
                self.depth = around;
                Op::Lambda(Box::new(LambdaNode { parameters, signature, body: body?, distinct }))
            }
            Kind::Apply(left, right) => {
                Op::Apply(Box::new((self.inner(*left)?, self.inner(*right)?)))
            }
            Kind::Transform { pattern, update, delete } => Op::Transform(Box::new(TransformNode {
                pattern: self.inner(*pattern)?,
                update: self.inner(*update)?,
                delete: delete.map(|delete| self.inner(*delete)).transpose()?,
                clone: self.name(&"clone".into()),
                at,
                span,
            })),
            Kind::Path(steps) => self.path(steps, ast.keep_singleton, ast.tuple)?,
            Kind::Placeholder => {
                return Err(Fault::new("S0211").at(at, span).token("?"));
            }
            Kind::Dot(..)
            | Kind::Filter(..)
            | Kind::GroupBy(..)
            | Kind::OrderBy(..)
            | Kind::Focus(..)
            | Kind::Index(..)
            | Kind::Sort(_)
            | Kind::End => return Err(Fault::new("S0206").at(at, span)),
        };
        if matches!(&op, Op::Call(call) if call.tail) {
            // A tail call is made by who called the function; what would be done to its result
            // after that is not done by jsonata-js either.
            group = None;
        }
        let plain = predicates.is_empty() && group.is_none() && !keep_array;
        Ok(Node { op, at, span, height, keep_array, plain, predicates, group })
    }

    fn variable(&mut self, name: &Str) -> Op {
        match name.as_str() {
            "" => Op::Context,
            "$" => Op::Root,
            _ if self.all_bound || self.bound.contains(name) => Op::Variable(self.name(name)),
            _ => Op::Global(self.name(name)),
        }
    }

    fn concat(&mut self, left: Ast, right: Ast) -> Result<Op> {
        let mut parts = vec![right];
        let mut first = left;
        // `a & b & c` is one row of texts.
        loop {
            let plain = first.predicate.is_none() && first.group.is_none() && !first.keep_array;
            match first.kind {
                Kind::Binary("&", left, right) if plain => {
                    parts.push(*right);
                    first = *left;
                }
                _ => break,
            }
        }
        parts.push(first);
        parts.reverse();
        Ok(Op::Concat(parts.into_iter().map(|part| self.inner(part)).collect::<Result<_>>()?))
    }

    fn call(&mut self, procedure: Ast, arguments: Vec<Ast>, tail: bool) -> Result<CallNode> {
        let (token, bare) = match &procedure.kind {
            Kind::Path(steps) => match steps.first().and_then(Ast::shown) {
                Some(Json::String(name)) => {
                    let id = self.name(&name);
                    (Some(name), Some(id))
                }
                _ => (None, None),
            },
            // These have lost what they were written with once paths are put together.
            Kind::Lambda { .. }
            | Kind::Block(_)
            | Kind::Condition { .. }
            | Kind::Coalesce(..)
            | Kind::Default(..)
            | Kind::Transform { .. } => (None, None),
            _ => match procedure.shown() {
                Some(Json::String(name)) => (Some(name), None),
                Some(value) => (Some(value.to_string().into()), None),
                None => (None, None),
            },
        };
        let depth = self.depth;
        let procedure = self.inner(procedure)?;
        let arguments = arguments
            .into_iter()
            .map(|argument| match argument.kind {
                Kind::Placeholder => Ok(None),
                _ => self.inner(argument).map(Some),
            })
            .collect::<Result<_>>()?;
        Ok(CallNode { procedure, arguments, token, bare, depth, tail })
    }

    fn group(&mut self, pairs: Vec<(Ast, Ast)>, at: u32, span: Span) -> Result<GroupNode> {
        let pairs = pairs
            .into_iter()
            .map(|(key, value)| Ok((self.inner(key)?, self.inner(value)?)))
            .collect::<Result<Vec<_>>>()?;
        let written = |key: &Node| match &key.op {
            Op::Constant(Json::String(text)) if key.plain => Some(text.clone()),
            _ => None,
        };
        let keys = pairs.iter().map(|(key, _)| written(key)).collect::<Option<Vec<_>>>();
        let keys = keys.and_then(Keys::new);
        Ok(GroupNode { pairs, at, span, keys })
    }

    fn path(&mut self, steps: Vec<Ast>, keep_singleton: bool, tuple: bool) -> Result<Op> {
        if !tuple && let Some(fields) = self.fields(&steps, keep_singleton) {
            return Ok(Op::Fields(Box::new(fields)));
        }
        let from_variable =
            steps.first().is_some_and(|step| matches!(step.kind, Kind::Variable(_)));
        let steps = steps.into_iter().map(|step| self.step(step)).collect::<Result<_>>()?;
        Ok(Op::Path(Box::new(PathNode { steps, from_variable, keep_singleton, tuple })))
    }

    fn fields(&mut self, steps: &[Ast], keep_singleton: bool) -> Option<FieldsNode> {
        let plain = |step: &Ast| {
            step.stages.is_none()
                && step.predicate.is_none()
                && step.group.is_none()
                && step.focus.is_none()
                && step.index.is_none()
                && !step.tuple
        };
        let (first, rest) = steps.split_first()?;
        let (base, names) = match &first.kind {
            Kind::Variable(name) if plain(first) && !first.keep_array => {
                let base = match self.variable(name) {
                    Op::Context => Base::Context,
                    Op::Root => Base::Root,
                    Op::Variable(id) => Base::Variable(id),
                    Op::Global(id) => Base::Global(id),
                    _ => return None,
                };
                (base, rest)
            }
            _ => (Base::Input, steps),
        };
        let names = names
            .iter()
            .map(|step| match &step.kind {
                Kind::Name(name) if plain(step) => Some(name.clone()),
                _ => None,
            })
            .collect::<Option<Vec<_>>>()?;
        // What is evaluated by name has hints of its own in nobody's count.
        let asked_often =
            !self.all_bound && matches!(base, Base::Input | Base::Context | Base::Variable(_));
        let hint = (names.len() == 1 && asked_often).then_some(self.hints);
        self.hints += u32::from(hint.is_some());
        (!names.is_empty()).then_some(FieldsNode { base, names, keep_singleton, hint })
    }

    fn step(&mut self, mut step: Ast) -> Result<Step> {
        let (at, span) = (step.at, step.span);
        let mut stages = Vec::new();
        for stage in step.stages.take().unwrap_or_default() {
            stages.push(match stage {
                ast::Stage::Filter(filter) => Stage::Filter(self.inner(filter)?),
                ast::Stage::Index(name) => Stage::Index(self.name(&name)),
            });
        }
        let focus = step.focus.take().map(|name| self.name(&name));
        let index = step.index.take().map(|name| self.name(&name));
        let ancestor = step.ancestor.map(|slot| self.label(slot));
        let (tuple, cons) = (step.tuple, step.cons);
        let op = match step.kind {
            Kind::Name(name)
                if step.predicate.is_none() && step.group.is_none() && !step.keep_array =>
            {
                StepOp::Name(name)
            }
            Kind::Sort(terms) => StepOp::Sort(
                terms
                    .into_iter()
                    .map(|term| {
                        let expression = self.inner(term.expression)?;
                        Ok(Term { descending: term.descending, expression })
                    })
                    .collect::<Result<_>>()?,
            ),
            _ => StepOp::Node(self.inner(step)?),
        };
        Ok(Step { op, at, span, stages, focus, index, ancestor, tuple, cons })
    }
}

/// Whether evaluating `ast` binds a variable in the frame around it.
fn binds(ast: &Ast) -> bool {
    let pair = |pairs: &[(Ast, Ast)]| pairs.iter().any(|(key, value)| binds(key) || binds(value));
    let filters = |stages: &Option<Vec<ast::Stage>>| {
        stages.iter().flatten().any(|stage| match stage {
            ast::Stage::Filter(filter) => binds(filter),
            ast::Stage::Index(_) => false,
        })
    };
    if filters(&ast.predicate)
        || filters(&ast.stages)
        || ast.group.as_ref().is_some_and(|group| pair(&group.pairs))
    {
        return true;
    }
    stack::deeper(|| match &ast.kind {
        Kind::Bind(..) => true,
        Kind::Binary(_, a, b) | Kind::Apply(a, b) | Kind::Coalesce(a, b) | Kind::Default(a, b) => {
            binds(a) || binds(b)
        }
        Kind::Negate(a) => binds(a),
        Kind::Array(items) | Kind::Path(items) => items.iter().any(binds),
        Kind::Object(pairs) => pair(pairs),
        Kind::Call { procedure, arguments, .. } => binds(procedure) || arguments.iter().any(binds),
        Kind::Condition { condition, then, otherwise } => {
            binds(condition) || binds(then) || otherwise.as_ref().is_some_and(|a| binds(a))
        }
        Kind::Transform { pattern, update, delete } => {
            binds(pattern) || binds(update) || delete.as_ref().is_some_and(|a| binds(a))
        }
        Kind::Sort(terms) => terms.iter().any(|term| binds(&term.expression)),
        _ => false,
    })
}

/// Whether `$eval` is anywhere in it.
fn mentions_eval(ast: &Ast) -> bool {
    let mut found = false;
    ast::walk(ast, &mut |part| {
        found |= matches!(&part.kind, Kind::Variable(name) if name == "eval");
    });
    found
}

fn operator_of(symbol: &str) -> Option<Operator> {
    Some(match symbol {
        "+" => Operator::Add,
        "-" => Operator::Subtract,
        "*" => Operator::Multiply,
        "/" => Operator::Divide,
        "%" => Operator::Remainder,
        "=" => Operator::Equal,
        "!=" => Operator::NotEqual,
        "<" => Operator::Less,
        "<=" => Operator::LessOrEqual,
        ">" => Operator::Greater,
        ">=" => Operator::GreaterOrEqual,
        "in" => Operator::In,
        ".." => Operator::Range,
        _ => return None,
    })
}
