//! Operators on values.

use super::{Evaluator, Scope};
use crate::error::{Fault, Result};
use crate::node::{BinaryNode, Node, Op, Operator};
use crate::number::{Number, SAFE};
use crate::stack;
use crate::text;
use crate::value::{Array, Kind, Value, tallest};
use std::cmp::Ordering;
use std::rc::Rc;
use stepwright_json::Json;

impl<'a> Evaluator<'a> {
    pub(super) fn binary(
        &mut self,
        node: &'a Node,
        binary: &'a BinaryNode,
        input: &Value<'a>,
        frame: &Scope<'a>,
    ) -> Result<Value<'a>> {
        let left = self.eval(&binary.left, input, frame)?;
        let right = self.eval(&binary.right, input, frame)?;
        if let (Some(a), Some(b)) = (left.number(), right.number())
            && let Some(value) = numeric(binary.operator, a, b)
        {
            return Ok(value);
        }
        self.operate(binary.operator, &left, &right)
            .map_err(|fault| fault.token(binary.operator.symbol()).at(node.at, node.span))
    }

    fn operate(
        &mut self,
        operator: Operator,
        left: &Value<'a>,
        right: &Value<'a>,
    ) -> Result<Value<'a>> {
        match operator {
            Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::Divide
            | Operator::Remainder => arithmetic(operator, left, right),
            Operator::Equal | Operator::NotEqual => {
                if left.is_undefined() || right.is_undefined() {
                    return Ok(Value::bool(false));
                }
                let same = self.equal(left, right)?;
                Ok(Value::bool(same == (operator == Operator::Equal)))
            }
            Operator::Less
            | Operator::LessOrEqual
            | Operator::Greater
            | Operator::GreaterOrEqual => {
                self.look(shorter(left, right))?;
                comparison(operator, left, right)
            }
            Operator::In => self.contains(left, right),
            Operator::Range => self.range(left, right),
        }
    }

    /// Equality by value.
    pub(crate) fn equal(&mut self, left: &Value<'a>, right: &Value<'a>) -> Result<bool> {
        let mut left_over = self.steps_left();
        let budget = left_over;
        let equal = equal_counting(left, right, &mut left_over);
        self.steps(budget - left_over)?;
        Ok(equal)
    }

    /// Whether a value counts as true.
    #[inline]
    pub(crate) fn is_true(&mut self, value: &Value<'a>) -> Result<bool> {
        match value {
            Value::True => Ok(true),
            Value::False | Value::Undefined => Ok(false),
            value => {
                let budget = self.steps_left();
                let mut left_over = budget;
                let truth = boolean_counting(value, &mut left_over)?;
                self.steps(budget - left_over)?;
                Ok(truth.unwrap_or(false))
            }
        }
    }

    fn contains(&mut self, left: &Value<'a>, right: &Value<'a>) -> Result<Value<'a>> {
        if left.is_undefined() || right.is_undefined() {
            return Ok(Value::bool(false));
        }
        let Some(items) = right.items() else { return Ok(Value::bool(identical(left, right))) };
        let text = left.as_str().map_or(0, str::len);
        self.steps(items.len().saturating_mul(1 + text / 64))?;
        Ok(Value::bool(items.iter().any(|item| identical(left, &item))))
    }

    fn range(&mut self, left: &Value<'a>, right: &Value<'a>) -> Result<Value<'a>> {
        let from = whole(left, "T2003")?;
        let to = whole(right, "T2004")?;
        let (Some(from), Some(to)) = (from, to) else { return Ok(Value::Undefined) };
        if from > to {
            return Ok(Value::Undefined);
        }
        let size = to.saturating_sub(from).saturating_add(1);
        if size > self.limits.sequence as i64 {
            return Err(Fault::new("D2014").value(Some(Json::Int(size))).text(self.most_items()));
        }
        let size = size as usize;
        self.steps(size)?;
        self.charge_items(size)?;
        let mut items = Vec::with_capacity(size);
        items.extend((from..=to).map(Value::Int));
        Ok(Value::sequence(items))
    }

    pub(super) fn concat(
        &mut self,
        node: &'a Node,
        parts: &'a [Node],
        input: &Value<'a>,
        frame: &Scope<'a>,
    ) -> Result<Value<'a>> {
        let mut out = String::with_capacity(64);
        for (at, part) in parts.iter().enumerate() {
            // Written out, the first parts stand within all operators but the innermost.
            let around = (parts.len() - 1).saturating_sub(at.max(1)) as isize;
            self.room -= around;
            if self.room <= 0 {
                return Err(Self::overflow());
            }
            let value = self.eval(part, input, frame)?;
            self.room += around;
            let before = out.len();
            let most = self.limits.bytes.min(self.limits.value_bytes);
            text::push_string(&value, false, &mut out, most)
                .map_err(|fault| fault.token("&").at(node.at, node.span))?;
            self.hold(out.len())
                .and_then(|()| self.charge(out.len() - before))
                .and_then(|()| self.look(out.len() - before))
                .map_err(|fault| fault.token("&").at(node.at, node.span))?;
        }
        Ok(Value::text(out))
    }

    pub(super) fn truth(
        &mut self,
        node: &'a Node,
        part: &'a Node,
        input: &Value<'a>,
        frame: &Scope<'a>,
        operator: &'static str,
        second: bool,
    ) -> Result<bool> {
        let value = match self.eval(part, input, frame) {
            Ok(value) => value,
            // To jsonata-js whatever fails in the second operand is the operator's fault.
            Err(fault) if second => return Err(fault.token(operator).at(node.at, node.span)),
            Err(fault) => return Err(fault),
        };
        match self.is_true(&value) {
            Ok(truth) => Ok(truth),
            Err(fault) => Err(fault.token(operator).at(node.at, node.span)),
        }
    }

    pub(super) fn negate(
        &mut self,
        node: &'a Node,
        operand: &'a Node,
        input: &Value<'a>,
        frame: &Scope<'a>,
    ) -> Result<Value<'a>> {
        let value = self.eval(operand, input, frame)?;
        if value.is_undefined() {
            return Ok(value);
        }
        match value.number() {
            Some(Number::Int(value)) if value != 0 && value.unsigned_abs() <= SAFE as u64 => {
                Ok(Value::Int(-value))
            }
            Some(number) if number.as_f64().is_infinite() => {
                Err(Fault::new("D1001").value(value.shown()).at(node.at, node.span))
            }
            Some(number) if !number.as_f64().is_nan() => Ok(Value::float(-number.as_f64())),
            _ => Err(Fault::new("D1002").token("-").value(value.shown()).at(node.at, node.span)),
        }
    }

    pub(super) fn array(
        &mut self,
        nodes: &'a [Node],
        cons: bool,
        input: &Value<'a>,
        frame: &Scope<'a>,
    ) -> Result<Value<'a>> {
        let mut items = Vec::with_capacity(nodes.len());
        self.charge_items(nodes.len())?;
        for node in nodes {
            let value = self.eval(node, input, frame)?;
            // Only what is written as an array here stays one; ranges and others are laid flat.
            let written = matches!(&node.op, Op::Array { .. });
            match value.items() {
                _ if value.is_undefined() => {}
                Some(inner) if !written => {
                    self.charge_items(inner.len())?;
                    if nodes.len() == 1
                        && let Value::Array(array) = value
                    {
                        items = match Rc::try_unwrap(array) {
                            Ok(array) => array.items,
                            Err(array) => array.items.clone(),
                        };
                    } else {
                        items.extend(inner.iter());
                    }
                }
                _ => items.push(value),
            }
        }
        let value = Value::Array(Rc::new(Array {
            height: tallest(&items) + 1,
            items,
            cons,
            ..Array::default()
        }));
        Self::check_height(&value)?;
        Ok(value)
    }
}

/// The integer a range begins or ends with.
fn whole(value: &Value<'_>, code: &'static str) -> Result<Option<i64>> {
    if value.is_undefined() {
        return Ok(None);
    }
    match value.number() {
        Some(Number::Int(value)) => Ok(Some(value)),
        Some(Number::Float(value)) if value.fract() == 0.0 && value.abs() < 9.0e18 => {
            Ok(Some(value as i64))
        }
        _ => Err(Fault::new(code).value(value.shown())),
    }
}

/// The result of integer arithmetic, where floats would have the same.
#[inline]
fn exact(result: Option<i64>, left: i64, right: i64) -> Option<i64> {
    let safe = SAFE as u64;
    result.filter(|result| {
        result.unsigned_abs() <= safe && left.unsigned_abs() <= safe && right.unsigned_abs() <= safe
    })
}

/// What most operations on numbers come to.
#[inline]
fn numeric<'a>(operator: Operator, a: Number, b: Number) -> Option<Value<'a>> {
    if let (Number::Int(a), Number::Int(b)) = (a, b) {
        return Some(match operator {
            Operator::Add => Value::Int(exact(a.checked_add(b), a, b)?),
            Operator::Subtract => Value::Int(exact(a.checked_sub(b), a, b)?),
            Operator::Multiply => {
                Value::Int(exact(a.checked_mul(b), a, b).filter(|product| *product != 0)?)
            }
            Operator::Equal => Value::bool(a == b),
            Operator::NotEqual => Value::bool(a != b),
            Operator::Less => Value::bool(a < b),
            Operator::LessOrEqual => Value::bool(a <= b),
            Operator::Greater => Value::bool(a > b),
            Operator::GreaterOrEqual => Value::bool(a >= b),
            _ => return None,
        });
    }
    let (a, b) = (a.as_f64(), b.as_f64());
    if !a.is_finite() || !b.is_finite() {
        return None;
    }
    Some(match operator {
        Operator::Add => Value::float(a + b),
        Operator::Subtract => Value::float(a - b),
        Operator::Multiply => Value::float(a * b),
        Operator::Divide => Value::float(a / b),
        Operator::Equal => Value::bool(a == b),
        Operator::NotEqual => Value::bool(a != b),
        Operator::Less => Value::bool(a < b),
        Operator::LessOrEqual => Value::bool(a <= b),
        Operator::Greater => Value::bool(a > b),
        Operator::GreaterOrEqual => Value::bool(a >= b),
        _ => return None,
    })
}

fn arithmetic<'a>(operator: Operator, left: &Value<'a>, right: &Value<'a>) -> Result<Value<'a>> {
    let operand = |value: &Value<'a>, code| {
        if value.is_undefined() {
            return Ok(None);
        }
        match value.number() {
            Some(number) if number.as_f64().is_infinite() => {
                Err(Fault::new("D1001").value(value.shown()))
            }
            Some(number) if !number.as_f64().is_nan() => Ok(Some(number)),
            _ => Err(Fault::new(code).value(value.shown())),
        }
    };
    let left = operand(left, "T2001")?;
    let right = operand(right, "T2002")?;
    let (Some(left), Some(right)) = (left, right) else { return Ok(Value::Undefined) };
    if let (Number::Int(a), Number::Int(b)) = (left, right) {
        let result = match operator {
            Operator::Add => a.checked_add(b),
            Operator::Subtract => a.checked_sub(b),
            Operator::Multiply => a.checked_mul(b).filter(|product| *product != 0),
            Operator::Divide if b != 0 && a != 0 => {
                a.checked_rem(b).filter(|rest| *rest == 0).and_then(|_| a.checked_div(b))
            }
            Operator::Remainder if b != 0 && a > 0 => a.checked_rem(b),
            _ => None,
        };
        if let Some(result) = exact(result, a, b) {
            return Ok(Value::Int(result));
        }
    }
    let (a, b) = (left.as_f64(), right.as_f64());
    Ok(Value::float(match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        _ => a % b,
    }))
}

fn comparison<'a>(operator: Operator, left: &Value<'a>, right: &Value<'a>) -> Result<Value<'a>> {
    let comparable = |value: &Value<'a>| {
        matches!(value.kind(), Kind::Undefined | Kind::Text(_) | Kind::Number(_))
    };
    if !comparable(left) || !comparable(right) {
        let culprit = if comparable(left) && !left.is_undefined() { right } else { left };
        return Err(Fault::new("T2010").value(culprit.shown()));
    }
    let ordering = match (left.kind(), right.kind()) {
        (Kind::Undefined, _) | (_, Kind::Undefined) => return Ok(Value::Undefined),
        (Kind::Number(a), Kind::Number(b)) => match (a, b) {
            (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
            (a, b) => a.as_f64().partial_cmp(&b.as_f64()),
        },
        (Kind::Text(a), Kind::Text(b)) => Some(compare_text(a, b)),
        _ => {
            return Err(Fault::new("T2009").value(left.shown()).value2(right.shown()));
        }
    };
    Ok(Value::bool(ordering.is_some_and(|ordering| match operator {
        Operator::Less => ordering.is_lt(),
        Operator::LessOrEqual => ordering.is_le(),
        Operator::Greater => ordering.is_gt(),
        _ => ordering.is_ge(),
    })))
}

/// The order of texts by UTF-16 units, as JavaScript has it.
pub(crate) fn compare_text(a: &str, b: &str) -> Ordering {
    // Whole pieces are compared faster than bytes.
    const PIECE: usize = 64;
    let pieces = a.as_bytes().chunks_exact(PIECE).zip(b.as_bytes().chunks_exact(PIECE));
    let start = pieces.take_while(|(a, b)| a == b).count() * PIECE;
    let rest = a.as_bytes()[start..].iter().zip(&b.as_bytes()[start..]);
    let same = start + rest.take_while(|(a, b)| a == b).count();
    match (a.as_bytes().get(same), b.as_bytes().get(same)) {
        // Only above the surrogates do bytes and units differ in order.
        (Some(x), Some(y)) if *x >= 0xEE && *y >= 0xEE => a.encode_utf16().cmp(b.encode_utf16()),
        (x, y) => x.cmp(&y),
    }
}

/// Equality by value: numbers by what they are, objects whatever the order of their keys.
pub(crate) fn equal<'a>(left: &Value<'a>, right: &Value<'a>) -> bool {
    equal_counting(left, right, &mut { usize::MAX })
}

/// As [`equal`], looking at no more than `budget` parts.
pub(crate) fn equal_counting<'a>(left: &Value<'a>, right: &Value<'a>, budget: &mut usize) -> bool {
    if *budget == 0 {
        return false;
    }
    *budget -= 1;
    match (left.kind(), right.kind()) {
        (Kind::Undefined, Kind::Undefined) | (Kind::Null, Kind::Null) => true,
        (Kind::Bool(a), Kind::Bool(b)) => a == b,
        (Kind::Number(a), Kind::Number(b)) => match (a, b) {
            (Number::Int(a), Number::Int(b)) => a == b,
            (a, b) => a.as_f64() == b.as_f64(),
        },
        (Kind::Text(a), Kind::Text(b)) => {
            if a.len() == b.len() {
                *budget = budget.saturating_sub(a.len() / 64);
            }
            a == b
        }
        (Kind::Array(a), Kind::Array(b)) => {
            a.len() == b.len()
                && a.iter()
                    .zip(b.iter())
                    .all(|(a, b)| stack::deeper(|| equal_counting(&a, &b, budget)))
        }
        (Kind::Object(a), Kind::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| {
                    let there = b.get(key);
                    !there.is_undefined()
                        && stack::deeper(|| equal_counting(&value, &there, budget))
                })
        }
        (Kind::Function, Kind::Function) => identical(left, right),
        _ => false,
    }
}

/// Equality as JavaScript's `===`: arrays, objects and functions only with themselves.
fn identical<'a>(left: &Value<'a>, right: &Value<'a>) -> bool {
    match (left, right) {
        (Value::Array(a), Value::Array(b)) => Rc::ptr_eq(a, b),
        (Value::Object(a), Value::Object(b)) => Rc::ptr_eq(a, b),
        (Value::Function(a), Value::Function(b)) => Rc::ptr_eq(a, b),
        (Value::Builtin(a), Value::Builtin(b)) => std::ptr::eq(*a, *b),
        (Value::Json(a @ (Json::Array(_) | Json::Object(_))), Value::Json(b)) => {
            std::ptr::eq(*a, *b)
        }
        _ if left.is_array() || left.members().is_some() || left.is_function() => false,
        _ => equal(left, right),
    }
}

/// The length of the shorter of two texts; none if they are not both texts.
pub(crate) fn shorter(left: &Value<'_>, right: &Value<'_>) -> usize {
    match (left.as_str(), right.as_str()) {
        (Some(left), Some(right)) => left.len().min(right.len()),
        _ => 0,
    }
}

/// What `$boolean` makes of a value.
pub(crate) fn boolean(value: &Value<'_>) -> Result<Option<bool>> {
    boolean_counting(value, &mut { usize::MAX })
}

fn boolean_counting(value: &Value<'_>, budget: &mut usize) -> Result<Option<bool>> {
    if *budget == 0 {
        return Ok(None);
    }
    *budget -= 1;
    Ok(Some(match value.kind() {
        Kind::Undefined => return Ok(None),
        Kind::Null | Kind::Function => false,
        Kind::Bool(value) => value,
        Kind::Number(Number::Int(value)) => value != 0,
        Kind::Number(Number::Float(value)) if value.is_infinite() => {
            return Err(Fault::new("D1001").value(Some(Json::Float(value))));
        }
        Kind::Number(Number::Float(value)) => value != 0.0 && !value.is_nan(),
        Kind::Text(text) => !text.is_empty(),
        Kind::Object(members) => members.len() > 0,
        Kind::Array(items) if items.len() == 1 => {
            let item = items.get(0).unwrap_or_default();
            return stack::deeper(|| boolean_counting(&item, budget));
        }
        Kind::Array(items) => {
            for item in items.iter() {
                if stack::deeper(|| boolean_counting(&item, budget))?.unwrap_or(false) {
                    return Ok(Some(true));
                }
            }
            false
        }
    }))
}

/// What `$append` makes of two values.
pub(crate) fn append<'a>(
    evaluator: &mut Evaluator<'a>,
    first: Value<'a>,
    second: Value<'a>,
) -> Result<Value<'a>> {
    if first.is_undefined() {
        return Ok(second);
    }
    if second.is_undefined() {
        return Ok(first);
    }
    let added = second.items().map_or(1, super::super::value::Items::len);
    // The height of what is in the first is known: a row of appends need not look again.
    let height = inner_height(&first).max(inner_height(&second)) + 1;
    let mut items = match first {
        // What only we hold is added to, so that a row of appends stays linear.
        Value::Array(array) => match Rc::try_unwrap(array) {
            Ok(array) => array.items,
            Err(array) => {
                evaluator.charge_items(array.items.len())?;
                array.items.clone()
            }
        },
        first => match first.items() {
            Some(items) => {
                evaluator.charge_items(items.len())?;
                items.iter().collect()
            }
            None => vec![first],
        },
    };
    evaluator.charge_items(added)?;
    match second.items() {
        Some(second) => items.extend(second.iter()),
        None => items.push(second),
    }
    Ok(Value::Array(Rc::new(Array { items, height, ..Array::default() })))
}

/// How deep the items of an array are nested; of any other value, how deep it is itself.
fn inner_height(value: &Value<'_>) -> u32 {
    match value {
        Value::Array(array) => array.height.saturating_sub(1),
        value if value.is_array() => 0,
        value => value.height(),
    }
}

impl Value<'_> {
    /// The value for an error message.
    pub(crate) fn shown(&self) -> Option<Json> {
        match self.kind() {
            Kind::Undefined | Kind::Function => None,
            Kind::Null => Some(Json::Null),
            Kind::Bool(value) => Some(Json::Bool(value)),
            Kind::Number(Number::Int(value)) => Some(Json::Int(value)),
            Kind::Number(Number::Float(value)) if value.is_finite() => {
                Some(crate::number::to_json(value))
            }
            Kind::Number(number) => Some(Json::Float(number.as_f64())),
            Kind::Text(text) => Some(Json::from(text)),
            Kind::Array(_) | Kind::Object(_) => Some(self.shown_parts(0, &mut 10_000)),
        }
    }

    /// Arrays and objects for an error message, cut where they are very large.
    fn shown_parts(&self, depth: usize, budget: &mut usize) -> Json {
        const MOST: usize = 1_000;
        const DEEPEST: usize = 32;
        *budget = budget.saturating_sub(1);
        if *budget == 0 {
            return Json::Null;
        }
        match (self, self.kind()) {
            (Value::Json(json), _) => (*json).clone(),
            (_, Kind::Array(items)) if depth < DEEPEST => items
                .iter()
                .take(MOST)
                .map(|item| item.shown_parts(depth + 1, budget))
                .collect::<Vec<_>>()
                .into(),
            (_, Kind::Object(members)) if depth < DEEPEST => Json::Object(
                members
                    .iter()
                    .take(MOST)
                    .filter(|(_, value)| !value.is_undefined() && !value.is_function())
                    .map(|(key, value)| (key.clone(), value.shown_parts(depth + 1, budget)))
                    .collect(),
            ),
            (_, Kind::Array(_) | Kind::Object(_)) => Json::Null,
            _ => self.shown().unwrap_or_default(),
        }
    }
}
