//! Objects, made from what they are applied to.

use super::operators::append;
use super::{Evaluator, Scope};
use crate::error::{Fault, Result};
use crate::map::Map;
use crate::node::GroupNode;
use crate::value::{Items, Tuple, Value};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use stepwright_json::{Keys, Object, Str};

struct Entry<'a> {
    key: Str,
    data: Value<'a>,
    pair: usize,
}

impl<'a> Evaluator<'a> {
    pub(super) fn group(
        &mut self,
        group: &'a GroupNode,
        input: &Value<'a>,
        frame: &Scope<'a>,
    ) -> Result<Value<'a>> {
        if let Some(keys) = &group.keys
            && !input.is_array()
        {
            return self.record(group, keys, input, frame);
        }
        let tuples = matches!(input, Value::Array(array) if array.tuples);
        let single = [input.clone()];
        let nothing = [Value::Undefined];
        let items = match input.items() {
            Some(items) if items.len() == 0 && (!tuples || !self.dialect.newer()) => {
                Items::Made(&nothing)
            }
            Some(items) => items,
            None => Items::Made(&single),
        };
        let mut entries: Vec<Entry<'a>> = Vec::new();
        let mut places: FxHashMap<Str, usize> = FxHashMap::default();
        for item in items.iter() {
            for (index, (key, _)) in group.pairs.iter().enumerate() {
                let key = match &item {
                    Value::Tuple(tuple) if tuples => {
                        let inner = self.tuple_frame(tuple, frame)?;
                        self.eval(key, &tuple.item, &inner)?
                    }
                    Value::Tuple(tuple) => {
                        let shown = self.tuple_object(tuple);
                        self.eval(key, &shown, frame)?
                    }
                    item => self.eval(key, item, frame)?,
                };
                if key.is_undefined() {
                    continue;
                }
                let Some(key) = key.to_str() else {
                    return Err(Fault::new("T1003").value(key.shown()).at(group.at, group.span));
                };
                self.look(key.len())?;
                match places.get(&key) {
                    None => {
                        self.charge(128 + key.len())?;
                        places.insert(key.clone(), entries.len());
                        entries.push(Entry { key, data: item.clone(), pair: index });
                    }
                    Some(at) if entries[*at].pair != index => {
                        return Err(Fault::new("D1009")
                            .value(Some(key.into()))
                            .at(group.at, group.span));
                    }
                    Some(at) => {
                        let data = std::mem::take(&mut entries[*at].data);
                        entries[*at].data = append(self, data, item.clone())?;
                    }
                }
            }
        }
        let mut map = Map::with_capacity(entries.len());
        for entry in entries {
            let node = &group.pairs[entry.pair].1;
            let value = if tuples {
                let tuple = self.merged(&entry.data)?;
                let inner = self.tuple_frame(&tuple, frame)?;
                self.eval(node, &tuple.item, &inner)?
            } else if let Value::Tuple(tuple) = &entry.data {
                let shown = self.tuple_object(tuple);
                self.eval(node, &shown, frame)?
            } else {
                self.eval(node, &entry.data, frame)?
            };
            if !value.is_undefined() {
                map.push_new(entry.key, value);
            }
        }
        let value = Value::object(map);
        Self::check_height(&value)?;
        Ok(value)
    }

    /// An object whose keys are known, from a single item.
    fn record(
        &mut self,
        group: &'a GroupNode,
        keys: &'a Keys,
        input: &Value<'a>,
        frame: &Scope<'a>,
    ) -> Result<Value<'a>> {
        self.charge(64 + group.pairs.len() * 64)?;
        let mut values: SmallVec<[Value<'a>; 8]> = SmallVec::new();
        let (mut missing, mut simple) = (false, true);
        for (_, value) in &group.pairs {
            let value = self.eval(value, input, frame)?;
            // A function of JSONata's own is missing once the object is JSON.
            missing |= matches!(value, Value::Undefined | Value::Builtin(_));
            simple &= value.is_simple();
            values.push(value);
        }
        if simple {
            // An object that JSON can be made of at once.
            let mut members = Vec::with_capacity(values.len());
            for value in values {
                members.push(self.json(value)?);
            }
            return Ok(self.borrow(Object::with_keys(keys, members).unwrap_or_default().into()));
        }
        let value = Value::object(if missing {
            let mut map = Map::with_capacity(values.len());
            for (key, value) in keys.as_slice().iter().zip(values) {
                if !value.is_undefined() {
                    map.push_new(key.clone(), value);
                }
            }
            map
        } else {
            Map::with_keys(keys, values.into_vec())
        });
        Self::check_height(&value)?;
        Ok(value)
    }

    /// One tuple for all tuples of a group: whatever they carry becomes a list.
    fn merged(&mut self, data: &Value<'a>) -> Result<Tuple<'a>> {
        let nothing = || Tuple { item: Value::Undefined, bindings: SmallVec::default() };
        let Some(items) = data.items() else {
            return Ok(match data {
                Value::Tuple(tuple) => (**tuple).clone(),
                _ => nothing(),
            });
        };
        let mut merged: Option<Tuple<'a>> = None;
        for item in items.iter() {
            let Value::Tuple(tuple) = item else { continue };
            let Some(merged) = &mut merged else {
                merged = Some((*tuple).clone());
                continue;
            };
            let item = std::mem::take(&mut merged.item);
            merged.item = append(self, item, tuple.item.clone())?;
            for (name, value) in &tuple.bindings {
                let before = match merged.bindings.iter_mut().find(|(bound, _)| bound == name) {
                    Some(binding) => std::mem::take(&mut binding.1),
                    None => Value::Undefined,
                };
                let value = append(self, before, value.clone())?;
                merged.bind(*name, value);
            }
        }
        Ok(merged.unwrap_or_else(nothing))
    }
}
