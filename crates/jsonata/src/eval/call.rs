//! Calls.

use super::{Evaluator, Frame, HEIGHT, Scope};
use crate::error::{Fault, Result};
use crate::functions;
use crate::node::{CallNode, LambdaNode, Node, Op};
use crate::signature::Args;
use crate::stack;
use crate::value::{Function, Items, Value};
use smallvec::SmallVec;
use std::rc::Rc;

/// What a built-in function knows of where it is called.
pub(crate) struct Caller<'c, 'a> {
    pub(crate) input: &'c Value<'a>,
    pub(crate) frame: &'c Scope<'a>,
}

/// A tail call that waits for its caller to return.
pub(super) struct Pending<'a> {
    function: Value<'a>,
    arguments: Args<'a>,
    node: &'a Node,
    call: &'a CallNode,
}

impl<'a> Evaluator<'a> {
    pub(super) fn call(
        &mut self,
        node: &'a Node,
        call: &'a CallNode,
        first: Option<Value<'a>>,
        input: &Value<'a>,
        frame: &Scope<'a>,
    ) -> Result<Value<'a>> {
        let function = self.eval(&call.procedure, input, frame)?;
        if function.is_undefined() && self.was_meant(call, frame) {
            return Err(Self::named(Fault::new("T1005"), node, call));
        }
        let mut arguments = Args::new();
        let tail = call.tail && first.is_none();
        arguments.extend(first);
        for argument in call.arguments.iter().flatten() {
            let value = self.eval(argument, input, frame)?;
            arguments.push(value);
        }
        if tail && function.is_function() {
            self.pending = Some(Pending { function, arguments, node, call });
            return Ok(Value::Pending);
        }
        let outer = self.depth;
        self.depth += call.depth;
        let result = match self.apply(&function, arguments, input, frame) {
            Ok(value) => value,
            Err(fault) => return Err(Self::located(fault, node, call, &function)),
        };
        self.depth = outer;
        if result.height() & HEIGHT > super::TALLEST {
            return Err(Self::named(Self::overflow(), node, call));
        }
        Ok(result)
    }

    /// Whether a name without `$` is the name of something.
    fn was_meant(&mut self, call: &CallNode, frame: &Scope<'a>) -> bool {
        call.bare.is_some_and(|name| self.variable(name, frame).is_truthy())
    }

    fn named(fault: Box<Fault>, node: &Node, call: &CallNode) -> Box<Fault> {
        let fault = fault.at(node.at, node.span);
        match &call.token {
            Some(token) => fault.token(token.as_str()),
            None => fault,
        }
    }

    /// As jsonata-js has it, the outermost call is where it happened, the innermost what failed.
    #[cold]
    fn located(
        mut fault: Box<Fault>,
        node: &Node,
        call: &CallNode,
        function: &Value<'a>,
    ) -> Box<Fault> {
        let regex = matches!(function, Value::Function(function)
            if matches!(**function, Function::Regex(_) | Function::NextMatch(_)));
        if !std::mem::take(&mut fault.pinned)
            && (fault.at.is_none() || (!regex && !function.is_undefined()))
        {
            fault.at = Some(node.at);
        }
        fault.span.get_or_insert(node.span);
        if fault.token.is_none() {
            fault.token = call.token.as_ref().map(ToString::to_string);
        }
        fault
    }

    /// Calls `function` and all that it leaves to be called after it.
    pub(crate) fn apply(
        &mut self,
        function: &Value<'a>,
        arguments: Args<'a>,
        input: &Value<'a>,
        frame: &Scope<'a>,
    ) -> Result<Value<'a>> {
        let result = self.apply_once(function, arguments, input, frame)?;
        if matches!(result, Value::Pending) { self.settle(input, frame) } else { Ok(result) }
    }

    /// Makes the calls that were left to be made.
    fn settle(&mut self, input: &Value<'a>, frame: &Scope<'a>) -> Result<Value<'a>> {
        while let Some(next) = self.pending.take() {
            self.step()?;
            let result = if matches!(next.function, Value::Builtin(_)) {
                // It may call back, which is no tail call any more.
                stack::room_for(0, || {
                    self.deeper_by(next.call.depth, |evaluator| {
                        evaluator.apply_once(&next.function, next.arguments, input, frame)
                    })
                })
            } else {
                self.apply_once(&next.function, next.arguments, input, frame)
            };
            match result {
                Ok(Value::Pending) => {}
                Ok(result) => return Ok(result),
                Err(mut fault) => {
                    let procedure = &next.call.procedure;
                    fault.at = Some(procedure.at);
                    fault.span.get_or_insert(next.node.span);
                    fault.pinned = true;
                    let named = matches!(procedure.op, Op::Variable(_) | Op::Global(_));
                    if fault.token.is_none() && named {
                        fault.token = next.call.token.as_ref().map(ToString::to_string);
                    }
                    return Err(fault);
                }
            }
        }
        Ok(Value::Undefined)
    }

    fn apply_once(
        &mut self,
        function: &Value<'a>,
        arguments: Args<'a>,
        input: &Value<'a>,
        frame: &Scope<'a>,
    ) -> Result<Value<'a>> {
        match function {
            Value::Builtin(builtin) => {
                let arguments = builtin.signature.validate(arguments, input)?;
                (builtin.run)(self, arguments, &Caller { input, frame })
            }
            Value::Function(function) => match &**function {
                Function::Lambda { node, frame, input: own } => {
                    let arguments = match &node.signature {
                        Some(signature) => {
                            let items = |value: &Value<'a>| value.items().map_or(0, Items::len);
                            self.steps(arguments.iter().map(items).sum::<usize>() / 16)?;
                            signature.validate(arguments, input)?
                        }
                        None => arguments,
                    };
                    let inner = self.frame(frame)?;
                    let mut arguments = arguments.into_iter();
                    for parameter in &node.parameters {
                        self.bind(&inner, *parameter, arguments.next().unwrap_or_default());
                    }
                    self.run(node, own, &inner)
                }
                other => self.apply_other(other, arguments, input, frame),
            },
            _ => Err(Fault::new("T1006")),
        }
    }

    #[inline(never)]
    fn apply_other(
        &mut self,
        function: &Function<'a>,
        arguments: Args<'a>,
        input: &Value<'a>,
        frame: &Scope<'a>,
    ) -> Result<Value<'a>> {
        match function {
            Function::Lambda { .. } => Ok(Value::Undefined),
            Function::PartialLambda { node, frame, input: own, open } => {
                let inner = self.frame(frame)?;
                let mut arguments = arguments.into_iter();
                for parameter in open {
                    self.bind(&inner, *parameter, arguments.next().unwrap_or_default());
                }
                self.run(node, own, &inner)
            }
            Function::PartialBuiltin { builtin, arguments: given } => {
                let all = filled(given, arguments);
                (builtin.run)(self, all, &Caller { input, frame })
            }
            Function::PartialOther { function, arguments: given } => {
                let all = filled(given, arguments);
                stack::deeper(|| self.apply(function, all, &Value::Null, frame))
            }
            Function::Chain(first, second) => stack::deeper(|| {
                self.deeper_by(2, |evaluator| {
                    let value = evaluator.apply(first, arguments, &Value::Null, frame)?;
                    let arguments = SmallVec::from_iter([value.unwrapped(false)]);
                    evaluator.apply(second, arguments, &Value::Null, frame)
                })
            }),
            Function::Regex(regex) => {
                let text = arguments.first().and_then(Value::to_str).unwrap_or_default();
                functions::matching::call(self, regex, text, 0)
            }
            Function::NextMatch(matcher) => functions::matching::next(self, matcher),
            Function::Transform { node, frame } => {
                stack::deeper(|| self.transform(node, arguments, input, frame))
            }
        }
    }

    /// Runs `run` as if it were so many nodes further in.
    fn deeper_by<R>(
        &mut self,
        levels: usize,
        run: impl FnOnce(&mut Self) -> Result<R>,
    ) -> Result<R> {
        let outer = self.depth;
        self.depth += levels;
        if self.depth > self.limits.depth {
            return Err(Self::overflow());
        }
        let result = run(self)?;
        self.depth = outer;
        Ok(result)
    }

    /// Evaluates the body of a function.
    #[inline]
    fn run(
        &mut self,
        node: &'a LambdaNode,
        input: &Value<'a>,
        frame: &Scope<'a>,
    ) -> Result<Value<'a>> {
        if self.depth >= self.limits.depth {
            return Err(Self::overflow());
        }
        let levels = node.body.height as usize;
        stack::room_for(levels, || self.eval(&node.body, input, frame))
    }

    pub(super) fn partial(
        &mut self,
        node: &'a Node,
        call: &'a CallNode,
        input: &Value<'a>,
        frame: &Scope<'a>,
    ) -> Result<Value<'a>> {
        let mut given = Vec::with_capacity(call.arguments.len());
        for argument in &call.arguments {
            given.push(match argument {
                Some(argument) => Some(self.eval(argument, input, frame)?),
                None => None,
            });
        }
        let function = self.eval(&call.procedure, input, frame)?;
        if function.is_undefined() && self.was_meant(call, frame) {
            return Err(Self::named(Fault::new("T1007"), node, call));
        }
        self.charge(256)?;
        let partial = match &function {
            Value::Builtin(builtin) => {
                given.resize(builtin.arity, Some(Value::Undefined));
                Function::PartialBuiltin { builtin, arguments: given }
            }
            Value::Function(inner) => match &**inner {
                Function::Lambda { node, frame, input } => {
                    self.partial_lambda(node, &node.parameters, frame, input, given)?
                }
                Function::PartialLambda { node, frame, input, open } => {
                    self.partial_lambda(node, open, frame, input, given)?
                }
                _ => Function::PartialOther { function, arguments: given },
            },
            _ => return Err(Self::named(Fault::new("T1008"), node, call)),
        };
        let value = Value::Function(Rc::new(partial));
        Self::check_height(&value)?;
        Ok(value)
    }

    fn partial_lambda(
        &mut self,
        node: &'a LambdaNode,
        parameters: &[u32],
        frame: &Scope<'a>,
        input: &Value<'a>,
        given: Vec<Option<Value<'a>>>,
    ) -> Result<Function<'a>> {
        let frame = self.frame(frame)?;
        let mut given = given.into_iter();
        let mut open = Vec::new();
        for parameter in parameters {
            match given.next() {
                Some(None) => open.push(*parameter),
                Some(Some(value)) => self.bind(&frame, *parameter, value),
                None => self.bind(&frame, *parameter, Value::Undefined),
            }
        }
        Ok(Function::PartialLambda { node, frame, input: input.clone(), open })
    }

    /// `left ~> right`
    pub(super) fn apply_operator(
        &mut self,
        node: &'a Node,
        left: &'a Node,
        right: &'a Node,
        input: &Value<'a>,
        frame: &Scope<'a>,
    ) -> Result<Value<'a>> {
        let value = self.eval(left, input, frame)?;
        if let Op::Call(call) = &right.op {
            return self.call(right, call, Some(value), input, frame);
        }
        let function = self.eval(right, input, frame)?;
        if !function.is_function() {
            return Err(Fault::new("T2006").value(function.shown()).at(node.at, node.span));
        }
        if value.is_function() {
            let chain = Value::Function(Rc::new(Function::Chain(value, function)));
            Self::check_height(&chain)?;
            return Ok(chain);
        }
        let outer = self.depth;
        self.depth += 1;
        let arguments = SmallVec::from_iter([value]);
        let result = self.apply(&function, arguments, &Value::Null, frame).map_err(|fault| {
            if fault.at.is_none() { fault.at(node.at, node.span) } else { fault }
        })?;
        self.depth = outer;
        Ok(result)
    }
}

/// The arguments of a partial application with the open ones filled in.
fn filled<'a>(given: &[Option<Value<'a>>], arguments: Args<'a>) -> Args<'a> {
    let mut arguments = arguments.into_iter();
    given
        .iter()
        .map(|argument| match argument {
            Some(value) => value.clone(),
            None => arguments.next().unwrap_or_default(),
        })
        .collect()
}

/// A function that is called for item after item.
pub(crate) struct Each<'c, 'a> {
    function: &'c Value<'a>,
    frame: &'c Scope<'a>,
    pub(crate) arity: usize,
    plain: Option<(&'a LambdaNode, Scope<'a>, Value<'a>)>,
    /// The scope of the last call, used again if nothing holds on to it.
    scope: Scope<'a>,
}

impl<'c, 'a> Each<'c, 'a> {
    pub(crate) fn new(function: &'c Value<'a>, caller: &Caller<'c, 'a>) -> Self {
        let plain = match function {
            Value::Function(function) => match &**function {
                Function::Lambda { node, frame, input }
                    if node.signature.is_none() && node.distinct =>
                {
                    Some((*node, frame.clone(), input.clone()))
                }
                _ => None,
            },
            _ => None,
        };
        Self { function, frame: caller.frame, arity: arity(function), plain, scope: None }
    }

    /// Calls the function with an item, its place and all items: as many of them as it takes.
    #[inline]
    pub(crate) fn call(
        &mut self,
        evaluator: &mut Evaluator<'a>,
        item: Value<'a>,
        at: impl FnOnce() -> Value<'a>,
        all: &Value<'a>,
    ) -> Result<Value<'a>> {
        let mut arguments = Args::new();
        arguments.push(item);
        if self.arity >= 2 {
            arguments.push(at());
        }
        if self.arity >= 3 {
            arguments.push(all.clone());
        }
        self.call_with(evaluator, arguments)
    }

    /// Calls the function with just these arguments.
    pub(crate) fn call_with(
        &mut self,
        evaluator: &mut Evaluator<'a>,
        arguments: Args<'a>,
    ) -> Result<Value<'a>> {
        let Some((node, around, input)) = &self.plain else {
            return evaluator.apply(self.function, arguments, &Value::Null, self.frame);
        };
        let mut scope = match self.scope.take() {
            Some(scope) if Rc::strong_count(&scope) == 1 => scope,
            _ => Frame::new(around.clone()),
        };
        let mut functions = false;
        if let Some(variables) = Frame::variables_mut(&mut scope) {
            variables.clear();
            let mut arguments = arguments.into_iter();
            for parameter in &node.parameters {
                let value = arguments.next().unwrap_or_default();
                functions |= value.height() > HEIGHT;
                variables.push((*parameter, value));
            }
        }
        if functions && scope.keep() {
            evaluator.kept.push(scope.clone());
            evaluator.charge(320)?;
        }
        let scope = Some(scope);
        let mut result = evaluator.run(node, input, &scope)?;
        if matches!(result, Value::Pending) {
            result = evaluator.settle(&Value::Null, self.frame)?;
        }
        self.scope = scope;
        Ok(result)
    }
}

/// How many arguments a function takes, as jsonata-js counts.
fn arity(function: &Value<'_>) -> usize {
    match function {
        Value::Builtin(builtin) => builtin.arity,
        Value::Function(function) => match &**function {
            Function::Lambda { node, .. } => node.parameters.len(),
            Function::PartialLambda { open, .. } => open.len(),
            Function::PartialBuiltin { arguments, .. }
            | Function::PartialOther { arguments, .. } => {
                arguments.iter().filter(|argument| argument.is_none()).count()
            }
            Function::Regex(_) => 2,
            Function::Chain(..) | Function::Transform { .. } => 1,
            Function::NextMatch(_) => 0,
        },
        _ => 0,
    }
}
