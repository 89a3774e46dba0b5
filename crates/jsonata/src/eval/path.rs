//! Paths, step by step.

use super::operators::boolean;
use super::{Evaluator, ITEM, Scope};
use crate::error::{Fault, Result};
use crate::map::Map;
use crate::node::{FieldsNode, Node, Op, PathNode, Stage, Step, StepOp};
use crate::number::Number;
use crate::stack;
use crate::value::{Array, Items, Kind, Tuple, Value};
use smallvec::SmallVec;
use std::rc::Rc;
use stepwright_json::{Hint, Json};

/// What a step goes over.
enum Stream<'a> {
    One(Value<'a>),
    /// The items of an array, which at the end of the path is the result as it is.
    Whole(Value<'a>),
    Many(Vec<Value<'a>>),
}

impl<'a> Stream<'a> {
    fn of(value: Value<'a>) -> Self {
        match &value {
            Value::Array(array) if array.cons => Self::One(value),
            value if value.is_array() => Self::Whole(value.clone()),
            _ => Self::One(value),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::One(_) => false,
            Self::Whole(value) => value.items().is_none_or(|items| items.len() == 0),
            Self::Many(items) => items.is_empty(),
        }
    }

    fn items(&self) -> Items<'_, 'a> {
        match self {
            Self::One(value) => Items::Made(std::slice::from_ref(value)),
            Self::Whole(value) => value.items().unwrap_or(Items::Made(&[])),
            Self::Many(items) => Items::Made(items),
        }
    }

    fn into_value(self) -> Value<'a> {
        match self {
            Self::One(value) => Value::sequence(vec![value]),
            Self::Whole(value) => value,
            Self::Many(items) => Value::sequence(items),
        }
    }
}

/// Puts the results of a step together.
#[derive(Default)]
struct Collected<'a> {
    first: Option<Value<'a>>,
    rest: Vec<Value<'a>>,
    many: bool,
    /// How many there may be.
    expected: usize,
}

impl<'a> Collected<'a> {
    #[inline]
    fn push(&mut self, value: Value<'a>) {
        if self.many {
            if value.is_array() {
                flatten_into(value, &mut self.rest);
            } else {
                self.rest.push(value);
            }
            return;
        }
        self.push_early(value);
    }

    fn push_early(&mut self, value: Value<'a>) {
        if let Some(first) = self.first.take() {
            self.many = true;
            self.rest.reserve(self.expected);
            flatten_into(first, &mut self.rest);
            flatten_into(value, &mut self.rest);
        } else {
            self.first = Some(value);
        }
    }

    fn into_stream(self, last: bool) -> Stream<'a> {
        match self.first {
            None => Stream::Many(self.rest),
            Some(value) => match &value {
                Value::Array(array) if array.cons => Stream::One(value),
                Value::Array(array) if array.sequence && last => Stream::Many(array.items.clone()),
                value if value.is_array() => {
                    if last || value.items().is_some_and(|items| items.len() > 0) {
                        Stream::Whole(value.clone())
                    } else {
                        Stream::Many(Vec::new())
                    }
                }
                _ => Stream::One(value),
            },
        }
    }
}

fn flatten_into<'a>(value: Value<'a>, out: &mut Vec<Value<'a>>) {
    match &value {
        Value::Array(array) if array.cons => out.push(value),
        _ => match value.items() {
            Some(items) => out.extend(items.iter()),
            None => out.push(value),
        },
    }
}

impl<'a> Evaluator<'a> {
    /// The field `name` of `input`, or of each of its items.
    pub(crate) fn lookup(&mut self, input: &Value<'a>, name: &str) -> Result<Value<'a>> {
        if let Some(members) = input.members() {
            return Ok(members.get(name));
        }
        let Some(items) = input.items() else { return Ok(Value::Undefined) };
        self.steps(items.len().saturating_mul(1 + name.len() / 64))?;
        let mut found = Vec::new();
        let mut counted = 0;
        for item in items.iter() {
            counted = self.count_growth(found.len(), counted)?;
            let value = match item.members() {
                Some(members) => members.get(name),
                None if item.is_array() => stack::deeper(|| self.lookup(&item, name))?,
                None => continue,
            };
            match value.items() {
                Some(items) => found.extend(items.iter()),
                None if value.is_undefined() => {}
                None => found.push(value),
            }
        }
        self.charge_items(found.len() - counted)?;
        Ok(Value::sequence(found))
    }

    /// Counts the items of an array that grows, so that it is not larger than it may be before it
    /// is finished. `counted` of them are; the answer is how many are then.
    #[inline]
    fn count_growth(&mut self, items: usize, counted: usize) -> Result<usize> {
        const MUCH: usize = 4_096;
        if items - counted < MUCH {
            return Ok(counted);
        }
        self.steps((items - counted) / 8)?;
        self.charge_slots(items - counted)?;
        self.hold(items.saturating_mul(ITEM))?;
        Ok(items)
    }

    /// The rest of a row of fields, from the one at `at` on.
    pub(super) fn fields_slowly(
        &mut self,
        fields: &'a FieldsNode,
        at: usize,
        value: Value<'a>,
    ) -> Result<Value<'a>> {
        let mut stream = Stream::of(value);
        let last = fields.names.len() - 1;
        for (index, name) in fields.names.iter().enumerate().skip(at) {
            if stream.is_empty() {
                return Ok(Value::Undefined);
            }
            stream = self.name_step(&stream, name, index == last)?;
        }
        let value = stream.into_value();
        if fields.keep_singleton {
            return self.keep_singleton(value);
        }
        Ok(value)
    }

    fn name_step(&mut self, stream: &Stream<'a>, name: &str, last: bool) -> Result<Stream<'a>> {
        let items = stream.items();
        self.steps(items.len())?;
        self.charge_items(items.len())?;
        let mut collected = Collected { expected: items.len(), ..Collected::default() };
        let mut counted = 0;
        match items {
            Items::Json(items) => {
                let mut hint = Hint::default();
                for item in items {
                    counted = self.count_growth(collected.rest.len(), counted)?;
                    match item {
                        Json::Object(object) => {
                            if let Some(value) = object.get_with(name, &mut hint) {
                                collected.push(Value::from(value));
                            }
                        }
                        Json::Array(_) => {
                            let value = self.lookup(&Value::Json(item), name)?.unwrapped(false);
                            if !value.is_undefined() {
                                collected.push(value);
                            }
                        }
                        _ => {}
                    }
                }
            }
            Items::Made(items) => {
                for item in items {
                    counted = self.count_growth(collected.rest.len(), counted)?;
                    let value = self.lookup(item, name)?.unwrapped(false);
                    if !value.is_undefined() {
                        collected.push(value);
                    }
                }
            }
        }
        self.charge_items(collected.rest.len() - counted)?;
        self.hold(collected.rest.len().saturating_mul(ITEM))?;
        self.collected(collected, last)
    }

    /// The stream of what was put together.
    fn collected(&mut self, collected: Collected<'a>, last: bool) -> Result<Stream<'a>> {
        if last && let Some(Value::Array(array)) = &collected.first {
            // It may be copied.
            self.charge_slots(array.items.len())?;
        }
        Ok(collected.into_stream(last))
    }

    fn keep_singleton(&mut self, value: Value<'a>) -> Result<Value<'a>> {
        Ok(match value {
            Value::Array(array) if array.cons && !array.sequence => {
                let mut outer = Array {
                    height: array.height + 1,
                    sequence: true,
                    keep: true,
                    ..Array::default()
                };
                outer.items.push(Value::Array(array));
                Value::Array(Rc::new(outer))
            }
            Value::Array(mut array) => {
                self.charge_slots(array.items.len())?;
                Rc::make_mut(&mut array).keep = true;
                Value::Array(array)
            }
            other => other,
        })
    }

    /// A path. A stream of tuples is the result as it is if something outside asks for what they
    /// carry.
    pub(super) fn path(
        &mut self,
        path: &'a PathNode,
        grouped: bool,
        input: &Value<'a>,
        frame: &Scope<'a>,
    ) -> Result<Value<'a>> {
        let mut stream = if input.is_array() && !path.from_variable {
            Stream::Whole(input.clone())
        } else {
            Stream::One(input.clone())
        };
        let mut tuples: Option<Tuples<'a>> = None;
        let mut tupled = false;
        let last = path.steps.len() - 1;
        for (index, step) in path.steps.iter().enumerate() {
            tupled |= step.tuple;
            if index == 0 && step.cons {
                if let StepOp::Node(node) = &step.op {
                    let input = match stream {
                        Stream::Whole(value) => value,
                        other => other.into_value(),
                    };
                    stream = Stream::Whole(self.eval(node, &input, frame)?);
                }
            } else if tupled {
                tuples = Some(self.tuple_step(step, &stream, tuples, frame)?);
            } else {
                stream = self.path_step(step, stream, index == last, frame)?;
            }
            if !tupled && stream.is_empty() {
                break;
            }
        }
        let mut value = match tuples {
            Some(tuples) if path.tuple || grouped => tuples.into_value(),
            Some(tuples) => {
                Value::sequence(tuples.items.iter().map(|tuple| tuple.item.clone()).collect())
            }
            None => stream.into_value(),
        };
        if path.keep_singleton {
            value = self.keep_singleton(value)?;
        }
        Ok(value)
    }

    fn path_step(
        &mut self,
        step: &'a Step,
        stream: Stream<'a>,
        last: bool,
        frame: &Scope<'a>,
    ) -> Result<Stream<'a>> {
        match &step.op {
            StepOp::Sort(terms) => {
                let mut sorted = match self.sort_items(step, terms, &stream.items(), frame)? {
                    Some(sorted) => Value::array(sorted),
                    None => stream.into_value(),
                };
                for stage in &step.stages {
                    if let Stage::Filter(filter) = stage {
                        sorted = self.filter(filter, sorted, frame)?;
                    }
                }
                Ok(Stream::Whole(sorted))
            }
            StepOp::Name(name) if step.stages.is_empty() => self.name_step(&stream, name, last),
            op => {
                let mut collected = Collected::default();
                for item in stream.items().iter() {
                    let mut value = match op {
                        StepOp::Name(name) => {
                            self.step()?;
                            self.lookup(&item, name)?.unwrapped(false)
                        }
                        StepOp::Node(node) => self.eval(node, &item, frame)?,
                        StepOp::Sort(_) => Value::Undefined,
                    };
                    for stage in &step.stages {
                        if let Stage::Filter(filter) = stage {
                            value = self.filter(filter, value, frame)?;
                        }
                    }
                    if !value.is_undefined() {
                        let before = collected.rest.len();
                        collected.push(value);
                        self.charge_items(collected.rest.len() - before)?;
                    }
                }
                self.collected(collected, last)
            }
        }
    }

    /// The items of `input` for which `predicate` holds, or that it counts.
    pub(super) fn filter(
        &mut self,
        predicate: &'a Node,
        input: Value<'a>,
        frame: &Scope<'a>,
    ) -> Result<Value<'a>> {
        let tuples = matches!(&input, Value::Array(array) if array.tuples);
        let single;
        let items = if let Some(items) = input.items() {
            items
        } else {
            single = [input.clone()];
            Items::Made(&single)
        };
        let count = items.len();
        if let Op::Constant(json) = &predicate.op
            && predicate.plain
            && let Some(number) = Value::from(json).number()
        {
            let found = position(number, count).and_then(|at| items.get(at)).unwrap_or_default();
            if found.is_array() {
                return Ok(found);
            }
            let items = if found.is_undefined() { Vec::new() } else { vec![found] };
            return Ok(sequence(items, tuples));
        }
        let mut found = Vec::new();
        let mut counted = 0;
        for (at, item) in items.iter().enumerate() {
            counted = self.count_growth(found.len(), counted)?;
            let result = match &item {
                Value::Tuple(tuple) if tuples => {
                    let frame = self.tuple_frame(tuple, frame)?;
                    self.eval(predicate, &tuple.item, &frame)?
                }
                Value::Tuple(tuple) => {
                    let shown = self.tuple_object(tuple);
                    self.eval(predicate, &shown, frame)?
                }
                item => self.eval(predicate, item, frame)?,
            };
            match result {
                Value::False | Value::Undefined => {}
                Value::True => found.push(item),
                result => {
                    if let Some(items) = result.items() {
                        self.steps(items.len())?;
                    }
                    for _ in 0..selections(&result, at, count)? {
                        found.push(item.clone());
                    }
                }
            }
        }
        self.charge_items(found.len() - counted)?;
        self.hold(found.len().saturating_mul(ITEM))?;
        Ok(sequence(found, tuples))
    }

    fn tuple_step(
        &mut self,
        step: &'a Step,
        stream: &Stream<'a>,
        tuples: Option<Tuples<'a>>,
        frame: &Scope<'a>,
    ) -> Result<Tuples<'a>> {
        let mut result = Tuples { items: Vec::new(), flagged: true };
        if let StepOp::Sort(terms) = &step.op {
            if let Some(tuples) = tuples {
                let values: Vec<Value<'a>> =
                    tuples.items.iter().cloned().map(Value::Tuple).collect();
                match self.sort_tuples(step, terms, &values, tuples.flagged, frame)? {
                    Some(sorted) => {
                        result.items = sorted.into_iter().filter_map(as_tuple).collect();
                        result.flagged = false;
                    }
                    None => result = tuples,
                }
            } else {
                let sorted = self
                    .sort_items(step, terms, &stream.items(), frame)?
                    .unwrap_or_else(|| stream.items().iter().collect());
                for (at, item) in sorted.into_iter().enumerate() {
                    let mut tuple = Tuple { item, bindings: SmallVec::new() };
                    if let Some(index) = step.index {
                        tuple.bind(index, Value::Int(at as i64));
                    }
                    result.items.push(Rc::new(tuple));
                }
            }
            return self.tuple_stages(step, result, frame);
        }
        let tuples = match tuples {
            Some(tuples) => tuples.items,
            None => stream
                .items()
                .iter()
                .map(|item| Rc::new(Tuple { item, bindings: SmallVec::new() }))
                .collect(),
        };
        for tuple in tuples {
            let inner = self.tuple_frame(&tuple, frame)?;
            let value = match &step.op {
                StepOp::Name(name) => {
                    self.step()?;
                    self.lookup(&tuple.item, name)?.unwrapped(false)
                }
                StepOp::Node(node) => self.eval(node, &tuple.item, &inner)?,
                StepOp::Sort(_) => Value::Undefined,
            };
            if value.is_undefined() {
                continue;
            }
            let carries = matches!(&value, Value::Array(array) if array.tuples);
            let single;
            let items = if let Some(items) = value.items() {
                items
            } else {
                single = [value];
                Items::Made(&single)
            };
            self.charge(items.len() * 96)?;
            for (at, item) in items.iter().enumerate() {
                let mut next = (*tuple).clone();
                match item {
                    Value::Tuple(inner) if carries => {
                        for (name, value) in &inner.bindings {
                            next.bind(*name, value.clone());
                        }
                        next.item = inner.item.clone();
                    }
                    item => {
                        match step.focus {
                            Some(focus) => next.bind(focus, item),
                            None => next.item = item,
                        }
                        if let Some(index) = step.index {
                            next.bind(index, Value::Int(at as i64));
                        }
                        if let Some(ancestor) = step.ancestor {
                            next.bind(ancestor, tuple.item.clone());
                        }
                    }
                }
                result.items.push(Rc::new(next));
            }
        }
        self.tuple_stages(step, result, frame)
    }

    fn tuple_stages(
        &mut self,
        step: &'a Step,
        mut tuples: Tuples<'a>,
        frame: &Scope<'a>,
    ) -> Result<Tuples<'a>> {
        for stage in &step.stages {
            match stage {
                Stage::Filter(filter) => {
                    let flagged = tuples.flagged;
                    let value = self.filter(filter, tuples.into_value(), frame)?;
                    let items = match value.items() {
                        Some(items) => items.iter().filter_map(as_tuple).collect(),
                        None => Vec::new(),
                    };
                    tuples = Tuples { items, flagged };
                }
                Stage::Index(name) => {
                    for (at, tuple) in tuples.items.iter_mut().enumerate() {
                        Rc::make_mut(tuple).bind(*name, Value::Int(at as i64));
                    }
                }
            }
        }
        Ok(tuples)
    }

    /// A frame with what the tuple carries.
    pub(super) fn tuple_frame(
        &mut self,
        tuple: &Tuple<'a>,
        frame: &Scope<'a>,
    ) -> Result<Scope<'a>> {
        let inner = self.frame(frame)?;
        for (name, value) in &tuple.bindings {
            self.bind(&inner, *name, value.clone());
        }
        Ok(inner)
    }

    /// The tuple as the object that jsonata-js lets be seen where it forgets that it is one.
    pub(super) fn tuple_object(&self, tuple: &Tuple<'a>) -> Value<'a> {
        let mut map = Map::with_capacity(tuple.bindings.len() + 1);
        map.insert("@".into(), tuple.item.clone());
        for (name, value) in &tuple.bindings {
            if let Some(name) = self.names.get(*name as usize) {
                map.insert(name.name.clone(), value.clone());
            }
        }
        Value::object(map)
    }

    pub(super) fn wildcard(&mut self, input: &Value<'a>) -> Result<Value<'a>> {
        let inner;
        let input = match input {
            Value::Array(array) if array.outer && !array.items.is_empty() => {
                inner = array.items[0].clone();
                &inner
            }
            other => other,
        };
        let mut found = Vec::new();
        // With an array among the values the result is an array, too, however many there are.
        let mut sequence = true;
        let values: Vec<Value<'a>> = match (input.members(), input.items()) {
            (Some(members), _) => members.iter().map(|(_, value)| value).collect(),
            (None, Some(items)) => items.iter().collect(),
            (None, None) => Vec::new(),
        };
        for value in values {
            if value.is_array() {
                sequence = false;
                self.flatten(&value, &mut found)?;
            } else {
                found.push(value);
            }
        }
        self.steps(found.len())?;
        self.charge_items(found.len())?;
        Ok(if sequence { Value::sequence(found) } else { Value::array(found) })
    }

    pub(super) fn descendants(&mut self, input: &Value<'a>) -> Result<Value<'a>> {
        if input.is_undefined() {
            return Ok(Value::Undefined);
        }
        let mut found = Vec::new();
        self.descend(input, &mut found)?;
        Ok(Value::sequence(found))
    }

    fn flatten(&mut self, value: &Value<'a>, out: &mut Vec<Value<'a>>) -> Result<()> {
        self.step()?;
        if let Some(items) = value.items() {
            for item in items.iter() {
                stack::deeper(|| self.flatten(&item, out))?;
            }
        } else {
            self.charge_items(1)?;
            out.push(value.clone());
        }
        Ok(())
    }

    fn descend(&mut self, value: &Value<'a>, found: &mut Vec<Value<'a>>) -> Result<()> {
        self.step()?;
        match value.kind() {
            Kind::Array(items) => {
                for item in items.iter() {
                    stack::deeper(|| self.descend(&item, found))?;
                }
            }
            kind => {
                self.charge_items(1)?;
                found.push(value.clone());
                if let Kind::Object(members) = kind {
                    for (_, value) in members.iter() {
                        stack::deeper(|| self.descend(&value, found))?;
                    }
                }
            }
        }
        Ok(())
    }
}

struct Tuples<'a> {
    items: Vec<Rc<Tuple<'a>>>,
    /// jsonata-js forgets that items are tuples once they are sorted.
    flagged: bool,
}

impl<'a> Tuples<'a> {
    fn into_value(self) -> Value<'a> {
        sequence(self.items.into_iter().map(Value::Tuple).collect(), self.flagged)
    }
}

fn as_tuple(value: Value<'_>) -> Option<Rc<Tuple<'_>>> {
    match value {
        Value::Tuple(tuple) => Some(tuple),
        _ => None,
    }
}

fn sequence(items: Vec<Value<'_>>, tuples: bool) -> Value<'_> {
    if !tuples {
        return Value::sequence(items);
    }
    Value::Array(Rc::new(Array {
        height: crate::value::tallest(&items) + 1,
        items,
        sequence: true,
        tuples: true,
        ..Array::default()
    }))
}

/// The place an index means: whole, and from the end if negative.
fn position(number: Number, count: usize) -> Option<usize> {
    let index = number.as_f64().floor();
    let index = if index < 0.0 { count as f64 + index } else { index };
    (index >= 0.0 && index < count as f64).then_some(index as usize)
}

/// How many times the item at `at` of `count` is selected by the result of a predicate.
fn selections(result: &Value<'_>, at: usize, count: usize) -> Result<usize> {
    let checked = |number: Number| {
        let value = number.as_f64();
        if value.is_infinite() {
            return Err(Fault::new("D1001").value(Some(Json::Float(value))));
        }
        Ok((!value.is_nan()).then_some(number))
    };
    if let Some(number) = result.number() {
        return Ok(match checked(number)? {
            Some(number) => usize::from(position(number, count) == Some(at)),
            None => 0,
        });
    }
    if let Some(items) = result.items() {
        let mut selected = 0;
        let mut numbers = true;
        for item in items.iter() {
            if let Some(number) = item.number().map(checked).transpose()?.flatten() {
                selected += usize::from(position(number, count) == Some(at));
            } else {
                numbers = false;
                break;
            }
        }
        if numbers {
            return Ok(selected);
        }
    }
    Ok(usize::from(boolean(result)?.unwrap_or(false)))
}
