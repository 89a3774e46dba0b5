//! Evaluates a compiled expression.

mod call;
mod frame;
mod group;
mod json;
mod operators;
mod path;
mod sort;
mod transform;

pub(crate) use call::{Caller, Each};
pub(crate) use frame::{Frame, Scope};
pub(crate) use operators::{append, compare_text};
pub(crate) use sort::merge_sort;

use crate::bindings::Bindings;
use crate::dialect::Dialect;
use crate::error::{Fault, Result};
use crate::limits::{Environment, Limits};
use crate::node::{Base, FieldsNode, Name, Node, Op, Program};
use crate::stack;
use crate::value::{Array, Function, Value};
use call::Pending;
use rustc_hash::FxHashSet;
use smallvec::SmallVec;
use std::cell::OnceCell;
use std::rc::Rc;
use stepwright_json::{Hint, Json};
use typed_arena::Arena;

/// How deep a value may be nested that an evaluation makes.
const TALLEST: u32 = 500;
/// Marks the height of a value that holds a function.
const HEIGHT: u32 = (1 << 31) - 1;
/// What an item counts in an array.
const ITEM: usize = 8;
/// How many steps go by between two questions whether to stop.
const PATIENCE: u64 = 4_096;
/// How many bytes are allocated in the time of a step.
const BYTES_PER_STEP: usize = 32;
/// How many bytes of text are looked at in the time of a step.
const LOOKED_AT: usize = 64;

/// What an evaluation makes that others borrow.
#[derive(Default)]
pub(crate) struct Arenas {
    json: OnceCell<Arena<Json>>,
    programs: OnceCell<Arena<Program>>,
}

/// One evaluation.
pub(crate) struct Evaluator<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) names: &'a [Name],
    arenas: &'a Arenas,
    bindings: &'a Bindings<'a>,
    /// Values of the names that the expression does not bind, once they were asked for.
    globals: SmallVec<[Option<Value<'a>>; 4]>,
    /// Where single fields were found last.
    hints: SmallVec<[Hint<'a>; 4]>,
    pub(crate) environment: Environment,
    pub(crate) limits: &'a Limits<'a>,
    steps: u64,
    /// When to look at the limits again.
    next_check: u64,
    bytes: usize,
    /// The steps and bytes that [`Limits::burn`] was told of.
    burnt: (u64, usize),
    /// How many nodes are around the present function.
    depth: usize,
    /// How many nodes may still be evaluated within the present one. Below zero nothing may.
    room: isize,
    pending: Option<Pending<'a>>,
    /// Frames that hold functions, which may hold the frames: emptied in the end.
    kept: Vec<Rc<Frame<'a>>>,
    root: Value<'a>,
    /// What chance has come to.
    pub(crate) chance: u64,
    /// Where the regular expressions stand that were searched with.
    pub(crate) searched_with: FxHashSet<usize>,
}

/// Evaluates `program` on `input`.
pub(crate) fn evaluate(
    program: &Program,
    dialect: Dialect,
    input: Option<&Json>,
    bindings: &Bindings<'_>,
    environment: &Environment,
    limits: &Limits<'_>,
) -> Result<Option<Json>> {
    let arenas = Arenas::default();
    let mut evaluator = Evaluator {
        dialect,
        names: &program.names,
        arenas: &arenas,
        bindings,
        globals: program.names.iter().map(|_| None).collect(),
        hints: SmallVec::from_elem(Hint::default(), program.hints as usize),
        environment: *environment,
        limits,
        steps: 0,
        next_check: 0,
        bytes: 0,
        burnt: (0, 0),
        depth: 0,
        room: isize::try_from(limits.nesting).unwrap_or(isize::MAX),
        pending: None,
        kept: Vec::new(),
        root: input.map(Value::from).unwrap_or_default(),
        chance: environment.seed,
        searched_with: FxHashSet::default(),
    };
    evaluator.next_check = evaluator.next_stop();
    let context = Evaluator::wrapped(evaluator.root.clone());
    let frame = program.binds.then(|| Frame::new(None));
    let levels = program.root.height as usize;
    let result = stack::room_for(levels, || evaluator.eval(&program.root, &context, &frame))
        .and_then(|value| evaluator.output(value));
    drop(context);
    evaluator.forget();
    if evaluator.burn() { result } else { result.and_then(|_| Err(Evaluator::too_long())) }
}

impl<'a> Evaluator<'a> {
    #[inline]
    pub(crate) fn eval(
        &mut self,
        node: &'a Node,
        input: &Value<'a>,
        frame: &Scope<'a>,
    ) -> Result<Value<'a>> {
        self.step()?;
        let value = match &node.op {
            Op::Constant(json) => Value::from(json),
            Op::Context => Self::context(input),
            Op::Root => self.root.clone(),
            Op::Variable(name) => self.variable(*name, frame),
            Op::Global(name) => self.global(*name),
            Op::Name(name) => self.lookup(input, name)?,
            Op::Fields(fields) => self.fields(fields, input, frame)?,
            _ => self.eval_rest(node, input, frame)?,
        };
        if node.plain { Ok(value.unwrapped(false)) } else { self.finish(node, value, frame) }
    }

    fn eval_rest(
        &mut self,
        node: &'a Node,
        input: &Value<'a>,
        frame: &Scope<'a>,
    ) -> Result<Value<'a>> {
        self.room -= 1;
        if self.room <= 0 {
            Self::no_room(node)?;
        }
        let value = match &node.op {
            Op::Binary(binary) => self.binary(node, binary, input, frame)?,
            Op::Concat(parts) => self.concat(node, parts, input, frame)?,
            Op::And(parts) => {
                let both = self.truth(node, &parts.0, input, frame, "and", false)?
                    && self.truth(node, &parts.1, input, frame, "and", true)?;
                Value::bool(both)
            }
            Op::Or(parts) => {
                let either = self.truth(node, &parts.0, input, frame, "or", false)?
                    || self.truth(node, &parts.1, input, frame, "or", true)?;
                Value::bool(either)
            }
            Op::Negate(operand) => self.negate(node, operand, input, frame)?,
            Op::Path(path) => self.path(path, node.group.is_some(), input, frame)?,
            Op::Wildcard => self.wildcard(input)?,
            Op::Descendant => self.descendants(input)?,
            Op::Array { items, cons } => self.array(items, *cons, input, frame)?,
            Op::Object(group) => self.group(group, input, frame)?,
            Op::Condition(parts) => {
                let (condition, then, otherwise) = &**parts;
                let value = self.eval(condition, input, frame)?;
                if self.is_true(&value)? {
                    self.eval(then, input, frame)?
                } else if let Some(otherwise) = otherwise {
                    self.eval(otherwise, input, frame)?
                } else {
                    Value::Undefined
                }
            }
            Op::Coalesce(parts) => {
                let value = self.eval(&parts.0, input, frame)?;
                if value.is_undefined() { self.eval(&parts.1, input, frame)? } else { value }
            }
            Op::Default(parts) => {
                let value = self.eval(&parts.0, input, frame)?;
                if self.is_true(&value)? { value } else { self.eval(&parts.1, input, frame)? }
            }
            Op::Block { expressions, binds } => {
                let inner;
                let frame = if *binds {
                    inner = self.frame(frame)?;
                    &inner
                } else {
                    frame
                };
                let mut result = Value::Undefined;
                for expression in expressions {
                    result = self.eval(expression, input, frame)?;
                }
                result
            }
            Op::Bind(name, value) => {
                let value = self.eval(value, input, frame)?;
                self.bind(frame, *name, value.clone());
                value
            }
            Op::Regex(regex) => Value::Function(Rc::new(Function::Regex(regex))),
            Op::Call(call) => self.call(node, call, None, input, frame)?,
            Op::Partial(call) => self.partial(node, call, input, frame)?,
            Op::Lambda(lambda) => {
                self.charge(64)?;
                Value::Function(Rc::new(Function::Lambda {
                    node: lambda,
                    frame: frame.clone(),
                    input: input.clone(),
                }))
            }
            Op::Apply(parts) => self.apply_operator(node, &parts.0, &parts.1, input, frame)?,
            Op::Transform(transform) => Value::Function(Rc::new(Function::Transform {
                node: transform,
                frame: frame.clone(),
            })),
            Op::Constant(_)
            | Op::Context
            | Op::Root
            | Op::Variable(_)
            | Op::Global(_)
            | Op::Name(_)
            | Op::Fields(_) => Value::Undefined,
        };
        self.room += 1;
        Ok(value)
    }

    /// Predicates, grouping and `[]` of a node.
    #[inline(never)]
    fn finish(
        &mut self,
        node: &'a Node,
        mut value: Value<'a>,
        frame: &Scope<'a>,
    ) -> Result<Value<'a>> {
        self.room -= 1;
        if node.keep_array
            && let Value::Array(array) = &value
        {
            // It may have to be copied to be marked.
            self.charge_slots(array.items.len())?;
        }
        for predicate in &node.predicates {
            value = self.filter(predicate, value, frame)?;
        }
        if let Some(group) = &node.group {
            value = self.group(group, &value, frame)?;
        }
        self.room += 1;
        Ok(value.unwrapped(node.keep_array))
    }

    fn context(input: &Value<'a>) -> Value<'a> {
        match input {
            Value::Array(array) if array.outer => array.items.first().cloned().unwrap_or_default(),
            other => other.clone(),
        }
    }

    fn fields(
        &mut self,
        fields: &'a FieldsNode,
        input: &Value<'a>,
        frame: &Scope<'a>,
    ) -> Result<Value<'a>> {
        let found;
        let start = match fields.base {
            Base::Input => input,
            Base::Context => {
                found = Self::context(input);
                &found
            }
            Base::Root => &self.root,
            Base::Variable(name) => {
                found = self.variable(name, frame);
                &found
            }
            Base::Global(name) => {
                found = self.global(name);
                &found
            }
        };
        // As long as there are only objects there is nothing but to go down.
        let mut here: &'a Json = match start {
            Value::Json(json @ Json::Object(_)) => json,
            Value::Undefined
            | Value::Null
            | Value::True
            | Value::False
            | Value::Int(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::Json(Json::String(_) | Json::Float(_)) => return Ok(Value::Undefined),
            _ => {
                let start = start.clone();
                return self.fields_slowly(fields, 0, start);
            }
        };
        if let Some(hint) = fields.hint.and_then(|hint| self.hints.get_mut(hint as usize))
            && let Json::Object(object) = here
        {
            let found = object.get_with(&fields.names[0], hint);
            let value = found.map(Value::from).unwrap_or_default();
            return Ok(if fields.keep_singleton && found.is_some() {
                Value::kept(value)
            } else {
                value
            });
        }
        let mut at = 0;
        while let Json::Object(object) = here {
            let Some(json) = object.get(&fields.names[at]) else { return Ok(Value::Undefined) };
            here = json;
            at += 1;
            if at == fields.names.len() {
                let value = Value::from(here);
                return Ok(if fields.keep_singleton { Value::kept(value) } else { value });
            }
        }
        match here {
            Json::Array(_) => self.fields_slowly(fields, at, Value::Json(here)),
            _ => Ok(Value::Undefined),
        }
    }

    /// The value of a variable that the expression may have bound.
    fn variable(&mut self, name: u32, frame: &Scope<'a>) -> Value<'a> {
        let mut passed = 0;
        let found = frame.as_ref().and_then(|frame| frame.lookup(name, &mut passed));
        self.steps += passed / 8;
        match found {
            Some(value) => value,
            None => self.global(name),
        }
    }

    /// The value of a variable that comes from outside of the expression.
    #[inline]
    fn global(&mut self, name: u32) -> Value<'a> {
        match self.globals.get(name as usize) {
            Some(Some(value)) => value.clone(),
            _ => self.find_global(name),
        }
    }

    #[inline(never)]
    fn find_global(&mut self, id: u32) -> Value<'a> {
        let Some(name) = self.names.get(id as usize) else { return Value::Undefined };
        let value = if let Some(json) = self.bindings.bound(&name.name) {
            Value::from(json)
        } else if let Some(json) = self.bindings.look_up(&name.name) {
            self.borrow(json)
        } else if let Some(builtin) = name.builtin {
            Value::Builtin(builtin)
        } else {
            Value::Undefined
        };
        if let Some(slot) = self.globals.get_mut(id as usize) {
            *slot = Some(value.clone());
        }
        value
    }

    /// Keeps `json` for the rest of the evaluation.
    pub(crate) fn borrow(&self, json: Json) -> Value<'a> {
        Value::from(&*self.arenas.json.get_or_init(Arena::new).alloc(json))
    }

    fn frame(&mut self, around: &Scope<'a>) -> Result<Scope<'a>> {
        // Frames come and go; only those that are kept count.
        if self.bytes > self.limits.bytes {
            self.charge(0)?;
        }
        Ok(Some(Frame::new(around.clone())))
    }

    /// Binds `name` in `frame`.
    pub(crate) fn bind(&mut self, frame: &Scope<'a>, name: u32, value: Value<'a>) {
        let Some(frame) = frame else { return };
        if value.height() > HEIGHT && frame.keep() {
            self.kept.push(frame.clone());
            self.bytes = self.bytes.saturating_add(320);
        }
        self.steps += frame.bind(name, value) / 8;
    }

    /// Lets go of frames that hold each other.
    fn forget(&mut self) {
        let kept = std::mem::take(&mut self.kept);
        for frame in &kept {
            frame.clear();
        }
    }

    /// An array of the input stands for itself, not for its items.
    pub(crate) fn wrapped(input: Value<'a>) -> Value<'a> {
        if input.is_array() && !input.is_sequence() {
            Value::Array(Rc::new(Array {
                height: input.height() + 1,
                items: vec![input],
                sequence: true,
                outer: true,
                ..Array::default()
            }))
        } else {
            input
        }
    }

    #[inline]
    pub(crate) fn step(&mut self) -> Result<()> {
        self.steps += 1;
        if self.steps >= self.next_check { self.check() } else { Ok(()) }
    }

    /// Counts what a function does item by item.
    pub(crate) fn steps(&mut self, steps: usize) -> Result<()> {
        self.steps += steps as u64;
        if self.steps >= self.next_check { self.check() } else { Ok(()) }
    }

    /// How many steps there still are.
    pub(crate) fn steps_left(&self) -> usize {
        let left = self.limits.steps.saturating_sub(self.steps).saturating_add(1);
        usize::try_from(left).unwrap_or(usize::MAX)
    }

    fn next_stop(&self) -> u64 {
        let limit = self.limits.steps.saturating_add(1);
        let is_watched = self.limits.interrupt.is_some() || self.limits.burn.is_some();
        if is_watched { limit.min(self.steps + PATIENCE) } else { limit }
    }

    #[inline(never)]
    fn check(&mut self) -> Result<()> {
        let interrupted = self.limits.interrupt.is_some_and(|interrupt| interrupt());
        if self.steps > self.limits.steps || interrupted || !self.burn() {
            return Err(Self::too_long());
        }
        self.next_check = self.next_stop();
        Ok(())
    }

    #[cold]
    fn too_long() -> Box<Fault> {
        Fault::new("U1001").text("Expression evaluation timeout: Check for infinite loop")
    }

    /// Tells whoever wants to know what was done since they were last told. Whether to go on.
    fn burn(&mut self) -> bool {
        let Some(burn) = self.limits.burn else { return true };
        let (steps, bytes) = std::mem::replace(&mut self.burnt, (self.steps, self.bytes));
        burn(self.steps - steps + ((self.bytes - bytes) / BYTES_PER_STEP) as u64)
    }

    /// Counts the look at so many bytes of text.
    #[inline]
    pub(crate) fn look(&mut self, bytes: usize) -> Result<()> {
        if bytes < LOOKED_AT { Ok(()) } else { self.steps(bytes / LOOKED_AT) }
    }

    /// Counts bytes that are about to be allocated.
    #[inline]
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limits.bytes {
            return Err(Fault::new("U1002").value(Some(Json::from(self.limits.bytes))));
        }
        Ok(())
    }

    /// Refuses a value that is too large by itself.
    #[inline]
    pub(crate) fn hold(&self, bytes: usize) -> Result<()> {
        if bytes > self.limits.value_bytes { Err(self.too_large()) } else { Ok(()) }
    }

    #[cold]
    fn too_large(&self) -> Box<Fault> {
        Fault::new("U1002").value(Some(Json::from(self.limits.value_bytes)))
    }

    /// There is no room for what has parts.
    #[cold]
    fn no_room(node: &Node) -> Result<()> {
        if node.op.has_parts() { Err(Self::overflow()) } else { Ok(()) }
    }

    /// Counts an array of `items`.
    #[inline]
    pub(crate) fn charge_items(&mut self, items: usize) -> Result<()> {
        self.hold(items.saturating_mul(ITEM))?;
        self.charge_slots(items)
    }

    /// Counts what is needed on the way to an array.
    #[inline]
    pub(crate) fn charge_slots(&mut self, items: usize) -> Result<()> {
        self.charge(items.saturating_mul(size_of::<Value<'_>>()).saturating_add(48))
    }

    /// Refuses a value that is nested too deep for the native stack of whoever gets it.
    #[inline]
    pub(crate) fn check_height(value: &Value<'a>) -> Result<()> {
        if value.height() & HEIGHT > TALLEST {
            return Err(Self::overflow());
        }
        Ok(())
    }

    #[cold]
    pub(crate) fn overflow() -> Box<Fault> {
        Fault::new("U1001").text(
            "Stack overflow error: Check for non-terminating recursive function.  Consider \
             rewriting as tail-recursive.",
        )
    }

    /// The longest range, as the error about it has it.
    pub(crate) fn most_items(&self) -> String {
        let published = Limits::default().sequence;
        match (self.limits.sequence, self.dialect.newer()) {
            (limit, true) if limit == published => "1e7".to_owned(),
            (limit, false) if limit == published => "1e6".to_owned(),
            (limit, _) => limit.to_string(),
        }
    }

    /// The text as a value.
    pub(crate) fn text(&mut self, text: String) -> Result<Value<'a>> {
        self.hold(text.len())?;
        self.charge(text.len() + 64)?;
        Ok(Value::text(text))
    }

    /// Compiles and evaluates a text where a call of `$eval` stands.
    pub(crate) fn eval_text(
        &mut self,
        text: &str,
        input: &Value<'a>,
        frame: &Scope<'a>,
    ) -> Result<Value<'a>> {
        let failed = |code: &'static str, fault: Box<Fault>| {
            if fault.code.starts_with('U') {
                return fault;
            }
            Fault::new(code).value(Some(fault.message().into()))
        };
        let program = crate::syntax::parse(text, self.dialect.newer())
            .and_then(|parsed| crate::compile::compile(parsed, self.dialect, self.names))
            .map_err(|fault| failed("D3120", fault))?;
        self.charge(text.len() * 64)?;
        let program: &'a Program = self.arenas.programs.get_or_init(Arena::new).alloc(program);
        self.names = &program.names;
        self.globals.resize(program.names.len(), None);
        let levels = program.root.height as usize;
        stack::room_for(levels, || self.eval(&program.root, input, frame))
            .map_err(|fault| failed("D3121", fault))
    }
}

impl Value<'_> {
    /// The value as what a path written with `[]` gives: always an array.
    fn kept(self) -> Self {
        if self.is_array() {
            return self;
        }
        Self::Array(Rc::new(Array {
            height: self.height() + 1,
            items: vec![self],
            sequence: true,
            keep: true,
            ..Array::default()
        }))
    }
}
