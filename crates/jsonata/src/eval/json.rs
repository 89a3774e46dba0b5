//! The result of an evaluation as JSON.

use super::{Evaluator, HEIGHT};
use crate::error::{Fault, Result};
use crate::stack;
use crate::value::Value;
use rustc_hash::FxHashMap;
use std::rc::Rc;
use stepwright_json::{Json, Object};

/// What a conversion has come to.
struct Made<'a> {
    /// What stands in more than one place, by its address, and what was made of it: that stands in as
    /// many places, and is there once. The value is kept, so that no other gets its address.
    shared: FxHashMap<usize, (Value<'a>, Json)>,
    /// How many bytes the text of it may still have.
    room: usize,
}

impl Made<'_> {
    /// Nothing yet, where there is room for so many bytes of text; `usize::MAX` for any number.
    fn within(room: usize) -> Self {
        Self { shared: FxHashMap::default(), room }
    }
}

impl<'a> Evaluator<'a> {
    /// The result for the caller.
    pub(super) fn output(&mut self, value: Value<'a>) -> Result<Option<Json>> {
        match value {
            Value::Undefined => Ok(None),
            Value::Builtin(_) | Value::Function(_) => Err(Fault::new("U1004")),
            Value::Array(array) if array.outer => {
                self.output(array.items.first().cloned().unwrap_or_default())
            }
            value => self.make(value, &mut Made::within(self.limits.value_bytes)).map(Some),
        }
    }

    /// A value as JSON that is not the result yet: no more than what it is made of counts.
    pub(super) fn json(&mut self, value: Value<'a>) -> Result<Json> {
        self.make(value, &mut Made::within(usize::MAX))
    }

    /// A value as JSON. What JSON does not have is null in an array and missing in an object.
    fn make(&mut self, value: Value<'a>, made: &mut Made<'a>) -> Result<Json> {
        self.step()?;
        let (address, owners) = match &value {
            Value::Array(array) => (Rc::as_ptr(array).addr(), Rc::strong_count(array)),
            Value::Object(map) => (Rc::as_ptr(map).addr(), Rc::strong_count(map)),
            _ => return self.make_anew(value, made),
        };
        if owners == 1 {
            return self.make_anew(value, made);
        }
        if let Some((_, json)) = made.shared.get(&address) {
            let json = json.clone();
            self.write_made(made, &json)?;
            return Ok(json);
        }
        self.charge(64)?;
        let json = self.make_anew(value.clone(), made)?;
        made.shared.insert(address, (value, json.clone()));
        Ok(json)
    }

    /// As [`Self::make`], of what was not made before.
    fn make_anew(&mut self, value: Value<'a>, made: &mut Made<'a>) -> Result<Json> {
        let json = match value {
            Value::Array(array) => {
                self.charge_items(array.items.len())?;
                self.write(made, array.items.len().max(1) + 1)?;
                let own = match Rc::try_unwrap(array) {
                    Ok(own) => own.items,
                    Err(shared) => shared.items.clone(),
                };
                let mut items = Vec::with_capacity(own.len());
                for item in own {
                    items.push(self.inner(item, made)?);
                }
                return Ok(Json::from(items));
            }
            Value::Object(map) => {
                self.charge(map.len() * 48)?;
                // A brace; the other one is there instead of the last comma.
                self.write(made, 1)?;
                if let Some(keys) = map.shared_keys()
                    && map.height <= HEIGHT
                {
                    let own = Rc::unwrap_or_clone(map).into_values();
                    let mut values = Vec::with_capacity(own.len());
                    for (key, value) in keys.as_slice().iter().zip(own) {
                        self.write(made, key.len() + 4)?;
                        values.push(self.inner(value, made)?);
                    }
                    return Ok(Object::with_keys(keys, values).unwrap_or_default().into());
                }
                let mut members = Vec::with_capacity(map.len());
                for (key, value) in map.iter() {
                    if !value.is_function() && !value.is_undefined() {
                        self.write(made, key.len() + 4)?;
                        members.push((key.clone(), self.inner(value.clone(), made)?));
                    }
                }
                return Ok(Json::Object(members.into_iter().collect()));
            }
            Value::Json(json) => json.clone(),
            Value::Int(value) => Json::Int(value),
            Value::Float(bits) => self.number(bits.get()),
            Value::Text(text) => Json::String(Rc::unwrap_or_clone(text)),
            Value::True => Json::Bool(true),
            Value::False => Json::Bool(false),
            Value::Tuple(tuple) => return self.make(tuple.item.clone(), made),
            Value::Undefined
            | Value::Null
            | Value::Builtin(_)
            | Value::Function(_)
            | Value::Pending => Json::Null,
        };
        self.write_made(made, &json)?;
        Ok(json)
    }

    /// Counts what has been made.
    fn write_made(&self, made: &mut Made<'a>, json: &Json) -> Result<()> {
        let bytes = match json {
            Json::String(text) => text.len() + 2,
            Json::Array(_) | Json::Object(_) if made.room == usize::MAX => 0,
            // One that is too deep is refused by whoever gets it.
            Json::Array(_) | Json::Object(_) => json.measure().map_or(0, |measure| measure.bytes),
            _ => 1,
        };
        self.write(made, bytes)
    }

    /// Counts what the text of the result has at least.
    #[inline]
    fn write(&self, made: &mut Made<'a>, bytes: usize) -> Result<()> {
        if made.room < usize::MAX {
            made.room = made.room.checked_sub(bytes).ok_or_else(|| self.too_large())?;
        }
        Ok(())
    }

    #[inline]
    fn inner(&mut self, value: Value<'a>, made: &mut Made<'a>) -> Result<Json> {
        match value {
            Value::Array(_) | Value::Object(_) => stack::deeper(|| self.make(value, made)),
            value => self.make(value, made),
        }
    }

    #[inline]
    fn number(&self, value: f64) -> Json {
        if value.is_finite() { crate::number::to_json(value) } else { self.infinite(value) }
    }

    /// JSON has no infinite numbers: Step Functions puts out their names, jsonata-js null.
    #[cold]
    fn infinite(&self, value: f64) -> Json {
        if !self.dialect.step_functions() {
            return crate::number::to_json(value);
        }
        let mut name = String::new();
        crate::number::write(value, &mut name);
        name.into()
    }
}
