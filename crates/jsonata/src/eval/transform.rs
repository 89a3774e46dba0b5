//! `|pattern|update,delete|`

use super::{Evaluator, Scope};
use crate::error::{Fault, Result};
use crate::map::Map;
use crate::node::TransformNode;
use crate::signature::Args;
use crate::stack;
use crate::value::{Kind, Members, Value};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::rc::Rc;

/// The objects that were changed, by where the original is.
type Changed<'a> = FxHashMap<usize, (Value<'a>, Value<'a>)>;

/// How deep a value is at most in which objects are changed: what was made, on top of the input.
const LEVELS: usize = 2_000;

impl<'a> Evaluator<'a> {
    pub(super) fn transform(
        &mut self,
        node: &'a TransformNode,
        arguments: Args<'a>,
        context: &Value<'a>,
        frame: &Scope<'a>,
    ) -> Result<Value<'a>> {
        let signature = crate::functions::transform_signature();
        let arguments = signature.validate(arguments, context)?;
        let Some(input) = arguments.into_iter().next().filter(|input| !input.is_undefined()) else {
            return Ok(Value::Undefined);
        };
        let clone = self.variable(node.clone, frame);
        if !clone.is_function() {
            return Err(Fault::new("T2013").at(node.at, node.span));
        }
        let copy = if matches!(clone, Value::Builtin(_)) {
            input
        } else {
            self.apply(&clone, SmallVec::from_iter([input]), &Value::Null, frame)?
        };
        let copy = self.own(&copy)?;
        let matches = self.eval(&node.pattern, &copy, frame)?;
        let matches: Vec<Value<'a>> = match matches.items() {
            Some(items) => items.iter().collect(),
            None if matches.is_undefined() => Vec::new(),
            None => vec![matches],
        };
        let mut changed = Changed::default();
        for matched in matches {
            let current = self.current(&matched, &changed, LEVELS)?;
            let update = self.eval(&node.update, &current, frame)?;
            let mut fresh = match &current {
                Value::Object(map) => Some((**map).clone()),
                _ => None,
            };
            if !update.is_undefined() {
                let Some(members) = update.members() else {
                    return Err(Fault::new("T2011")
                        .value(update.shown())
                        .at(node.update.at, node.update.span));
                };
                if let Some(fresh) = &mut fresh {
                    self.steps(fresh.len() + members.len())?;
                    for (key, value) in members.iter() {
                        fresh.insert(key.clone(), value);
                    }
                }
            }
            if let Some(delete) = &node.delete {
                // The deletion sees what the update did.
                let seen = match &fresh {
                    Some(fresh) => Value::object(fresh.clone()),
                    None => current.clone(),
                };
                let deletions = self.eval(delete, &seen, frame)?;
                if !deletions.is_undefined() {
                    let keys: Option<Vec<_>> = match deletions.items() {
                        Some(items) => items.iter().map(|item| item.to_str()).collect(),
                        None => deletions.to_str().map(|key| vec![key]),
                    };
                    let Some(keys) = keys else {
                        return Err(Fault::new("T2012")
                            .value(deletions.shown())
                            .at(delete.at, delete.span));
                    };
                    self.steps(keys.len())?;
                    if let Some(fresh) = &mut fresh {
                        self.steps(fresh.len())?;
                        fresh.remove_all(&keys);
                    }
                }
            }
            if let (Some(fresh), Value::Object(original)) = (fresh, &matched) {
                self.charge(fresh.len() * 64 + 64)?;
                let fresh = Value::object(fresh);
                Self::check_height(&fresh)?;
                changed.insert(Rc::as_ptr(original) as usize, (matched.clone(), fresh));
            }
        }
        self.current(&copy, &changed, LEVELS)
    }

    /// A copy in which every object is one of its own.
    pub(crate) fn own(&mut self, value: &Value<'a>) -> Result<Value<'a>> {
        self.step()?;
        Ok(match value.kind() {
            Kind::Number(number) => {
                let float = number.as_f64();
                if float.is_infinite() {
                    return Err(Fault::new("D3001").value(value.shown()));
                }
                match number.as_int() {
                    Some(int) => Value::Int(int),
                    None => Value::float(crate::number::rounded(float)),
                }
            }
            Kind::Function => Value::text(""),
            Kind::Array(items) => {
                self.charge_items(items.len())?;
                let mut copy = Vec::with_capacity(items.len());
                for item in items.iter() {
                    copy.push(stack::deeper(|| self.own(&item))?);
                }
                Value::array(copy)
            }
            Kind::Object(members) => self.own_object(members)?,
            _ => value.clone(),
        })
    }

    fn own_object(&mut self, members: Members<'_, 'a>) -> Result<Value<'a>> {
        self.charge(members.len() * 64 + 64)?;
        let mut copy = Map::with_capacity(members.len());
        for (key, value) in members.iter() {
            if !value.is_undefined() {
                let value = stack::deeper(|| self.own(&value))?;
                copy.push_new(key.clone(), value);
            }
        }
        Ok(Value::object(copy))
    }

    /// The value with all changes to objects in it, `levels` deep at most: an object that is put
    /// into itself has no end.
    fn current(
        &mut self,
        value: &Value<'a>,
        changed: &Changed<'a>,
        levels: usize,
    ) -> Result<Value<'a>> {
        if changed.is_empty() {
            return Ok(value.clone());
        }
        self.step()?;
        let inner = levels.checked_sub(1).ok_or_else(Self::overflow)?;
        Ok(match value {
            Value::Array(array) => {
                self.charge_slots(array.items.len())?;
                let mut items = Vec::with_capacity(array.items.len());
                for item in &array.items {
                    items.push(stack::deeper(|| self.current(item, changed, inner))?);
                }
                Value::array(items)
            }
            Value::Object(map) => {
                let at = Rc::as_ptr(map) as usize;
                let map = match changed.get(&at) {
                    Some((_, Value::Object(fresh))) => fresh,
                    _ => map,
                };
                self.charge(map.len() * 64 + 64)?;
                let mut members = Map::with_capacity(map.len());
                for (key, value) in map.iter() {
                    let value = stack::deeper(|| self.current(value, changed, inner))?;
                    members.push_new(key.clone(), value);
                }
                Value::object(members)
            }
            other => other.clone(),
        })
    }
}
