//! Values while an evaluation runs: borrowed from the input where they come from it.

use crate::eval::Scope;
use crate::functions::Builtin;
use crate::map::Map;
use crate::node::{LambdaNode, TransformNode};
use crate::number::{self, Number};
use crate::regex::{Matcher, Regex};
use smallvec::SmallVec;
use std::rc::Rc;
use stepwright_json::{Json, Object, Str};

/// A value. Borrowed JSON is never null, a boolean, an integer or a fraction: those are cheaper by
/// value.
///
/// Whatever a variant holds is a word, so that values travel in registers: hence [`Bits`], and no
/// boolean beside the tag.
#[derive(Clone, Debug, Default)]
pub(crate) enum Value<'a> {
    #[default]
    Undefined,
    Null,
    True,
    False,
    Int(i64),
    Float(Bits),
    Text(Rc<Str>),
    /// Anything of the input, the bindings or the expression itself.
    Json(&'a Json),
    Array(Rc<Array<'a>>),
    Object(Rc<Map<'a>>),
    Builtin(&'static Builtin),
    Function(Rc<Function<'a>>),
    /// An item of a stream that carries bindings along.
    Tuple(Rc<Tuple<'a>>),
    /// A tail call that waits to be made; never seen outside of calls.
    Pending,
}

/// A float, by its bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bits(u64);

impl Bits {
    #[inline]
    pub(crate) fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// An array made by an evaluation.
#[expect(clippy::struct_excessive_bools, reason = "each says something of its own")]
#[derive(Clone, Debug, Default)]
pub(crate) struct Array<'a> {
    pub(crate) items: Vec<Value<'a>>,
    /// Made by selection: one item stands for itself, none for nothing.
    pub(crate) sequence: bool,
    /// Even so, one item stays an array.
    pub(crate) keep: bool,
    /// Written as an array at an end of a path: not flattened.
    pub(crate) cons: bool,
    /// The input, wrapped because it is an array.
    pub(crate) outer: bool,
    /// Its items are tuples.
    pub(crate) tuples: bool,
    /// How deep its items are nested.
    pub(crate) height: u32,
}

/// An item, and what is bound to it: variables and the parents that `%` asks for.
#[derive(Clone, Debug)]
pub(crate) struct Tuple<'a> {
    pub(crate) item: Value<'a>,
    pub(crate) bindings: SmallVec<[(u32, Value<'a>); 2]>,
}

impl<'a> Tuple<'a> {
    pub(crate) fn bind(&mut self, name: u32, value: Value<'a>) {
        match self.bindings.iter_mut().find(|(bound, _)| *bound == name) {
            Some(binding) => binding.1 = value,
            None => self.bindings.push((name, value)),
        }
    }
}

#[derive(Debug)]
pub(crate) enum Function<'a> {
    Lambda {
        node: &'a LambdaNode,
        frame: Scope<'a>,
        input: Value<'a>,
    },
    /// A lambda with some of its parameters bound; the others are in order.
    PartialLambda {
        node: &'a LambdaNode,
        frame: Scope<'a>,
        input: Value<'a>,
        open: Vec<u32>,
    },
    /// A built-in function with some of its arguments; `None` are open.
    PartialBuiltin {
        builtin: &'static Builtin,
        arguments: Vec<Option<Value<'a>>>,
    },
    PartialOther {
        function: Value<'a>,
        arguments: Vec<Option<Value<'a>>>,
    },
    /// First one, then the other.
    Chain(Value<'a>, Value<'a>),
    Regex(&'a Regex),
    /// What finds the match after one that was found.
    NextMatch(Matcher<'a>),
    Transform {
        node: &'a TransformNode,
        frame: Scope<'a>,
    },
}

/// What kind of value, with what is needed to look into it.
pub(crate) enum Kind<'v, 'a> {
    Undefined,
    Null,
    Bool(bool),
    Number(Number),
    Text(&'v str),
    Array(Items<'v, 'a>),
    Object(Members<'v, 'a>),
    Function,
}

/// The items of an array, wherever it is.
#[derive(Clone, Copy)]
pub(crate) enum Items<'v, 'a> {
    Made(&'v [Value<'a>]),
    Json(&'a [Json]),
}

/// The members of an object, wherever it is.
#[derive(Clone, Copy)]
pub(crate) enum Members<'v, 'a> {
    Made(&'v Map<'a>),
    Json(&'a Object),
}

impl<'a> From<&'a Json> for Value<'a> {
    #[inline]
    fn from(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::bool(*value),
            Json::Int(value) => Self::Int(*value),
            // `1.0` stays as it is written; other floats have but one way to be.
            Json::Float(value) if (*value as i64) as f64 != *value => {
                Self::Float(Bits(value.to_bits()))
            }
            other => Self::Json(other),
        }
    }
}

impl From<Number> for Value<'_> {
    fn from(number: Number) -> Self {
        match number {
            Number::Int(value) => Self::Int(value),
            Number::Float(value) => Self::float(value),
        }
    }
}

impl<'a> Value<'a> {
    /// A number; an integer if it is one.
    #[inline]
    pub(crate) fn float(value: f64) -> Self {
        match number::int(value) {
            Some(value) => Self::Int(value),
            None => Self::Float(Bits(value.to_bits())),
        }
    }

    #[inline]
    pub(crate) fn bool(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }

    pub(crate) fn text(text: impl Into<Str>) -> Self {
        Self::Text(Rc::new(text.into()))
    }

    pub(crate) fn object(map: Map<'a>) -> Self {
        Self::Object(Rc::new(map))
    }

    /// A plain array.
    pub(crate) fn array(items: Vec<Self>) -> Self {
        Self::Array(Rc::new(Array { height: tallest(&items) + 1, items, ..Array::default() }))
    }

    /// A sequence as it is; see [`Value::unwrapped`].
    pub(crate) fn sequence(items: Vec<Self>) -> Self {
        Self::Array(Rc::new(Array {
            height: tallest(&items) + 1,
            items,
            sequence: true,
            ..Array::default()
        }))
    }

    /// What the value stands for once it is a result: an empty sequence for nothing, one with a
    /// single item for that item.
    #[expect(clippy::inline_always, reason = "in the way of every value: measured")]
    #[inline(always)]
    pub(crate) fn unwrapped(self, keep_array: bool) -> Self {
        match self {
            Self::Array(array) if array.sequence && !array.tuples => {
                Self::unwrap_sequence(array, keep_array)
            }
            other => other,
        }
    }

    #[inline(never)]
    fn unwrap_sequence(mut array: Rc<Array<'a>>, keep_array: bool) -> Self {
        if keep_array && !array.keep {
            Rc::make_mut(&mut array).keep = true;
        }
        match array.items.len() {
            0 => Self::Undefined,
            1 if !array.keep => array.items[0].clone(),
            _ => Self::Array(array),
        }
    }

    /// Whether it is JSON already, or as good as.
    #[inline]
    pub(crate) fn is_simple(&self) -> bool {
        match self {
            Self::Null | Self::True | Self::False | Self::Int(_) | Self::Text(_) => true,
            // What is nested is counted, so that there is an end to it.
            Self::Json(json) => !matches!(json, Json::Array(_) | Json::Object(_)),
            Self::Float(bits) => bits.get().is_finite() && bits.get() != 0.0,
            _ => false,
        }
    }

    pub(crate) fn is_undefined(&self) -> bool {
        matches!(self, Self::Undefined)
    }

    #[inline]
    pub(crate) fn kind(&self) -> Kind<'_, 'a> {
        match self {
            Self::Undefined | Self::Pending => Kind::Undefined,
            Self::Null => Kind::Null,
            Self::True => Kind::Bool(true),
            Self::False => Kind::Bool(false),
            Self::Int(value) => Kind::Number(Number::Int(*value)),
            Self::Float(bits) => Kind::Number(Number::Float(bits.get())),
            Self::Text(text) => Kind::Text(text),
            Self::Json(json) => match json {
                Json::Null => Kind::Null,
                Json::Bool(value) => Kind::Bool(*value),
                Json::Int(value) => Kind::Number(Number::Int(*value)),
                Json::Float(value) => Kind::Number(Number::Float(*value)),
                Json::BigInt(digits) => {
                    Kind::Number(Number::Float(digits.parse().unwrap_or(f64::NAN)))
                }
                Json::String(text) => Kind::Text(text),
                Json::Array(array) => Kind::Array(Items::Json(array)),
                Json::Object(object) => Kind::Object(Members::Json(object)),
            },
            Self::Array(array) => Kind::Array(Items::Made(&array.items)),
            Self::Object(map) => Kind::Object(Members::Made(map)),
            Self::Builtin(_) | Self::Function(_) => Kind::Function,
            Self::Tuple(tuple) => tuple.item.kind(),
        }
    }

    #[expect(clippy::inline_always, reason = "in the way of every value: measured")]
    #[inline(always)]
    pub(crate) fn number(&self) -> Option<Number> {
        match self {
            Self::Int(value) | Self::Json(Json::Int(value)) => Some(Number::Int(*value)),
            Self::Float(bits) => Some(Number::Float(bits.get())),
            Self::Json(Json::Float(value)) => Some(Number::Float(*value)),
            Self::Json(json @ Json::BigInt(_)) => json.as_f64().map(Number::Float),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Json(Json::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The text, shared rather than copied.
    pub(crate) fn to_str(&self) -> Option<Str> {
        match self {
            Self::Text(text) => Some((**text).clone()),
            Self::Json(Json::String(text)) => Some(text.clone()),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn items(&self) -> Option<Items<'_, 'a>> {
        match self {
            Self::Array(array) => Some(Items::Made(&array.items)),
            Self::Json(Json::Array(array)) => Some(Items::Json(array)),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn members(&self) -> Option<Members<'_, 'a>> {
        match self {
            Self::Object(map) => Some(Members::Made(map)),
            Self::Json(Json::Object(object)) => Some(Members::Json(object)),
            _ => None,
        }
    }

    pub(crate) fn is_array(&self) -> bool {
        self.items().is_some()
    }

    pub(crate) fn is_function(&self) -> bool {
        matches!(self, Self::Builtin(_) | Self::Function(_))
    }

    pub(crate) fn is_sequence(&self) -> bool {
        matches!(self, Self::Array(array) if array.sequence)
    }

    /// How deep what was made is nested, with [`FUNCTION`] set if there is a function in it. The
    /// depth of the input counts as none.
    #[expect(clippy::inline_always, reason = "in the way of every value: measured")]
    #[inline(always)]
    pub(crate) fn height(&self) -> u32 {
        match self {
            Self::Array(_) | Self::Object(_) | Self::Function(_) | Self::Tuple(_) => {
                self.made_height()
            }
            _ => 0,
        }
    }

    #[inline(never)]
    fn made_height(&self) -> u32 {
        match self {
            Self::Array(array) => array.height,
            Self::Object(map) => map.height,
            Self::Function(function) => function.height(),
            Self::Tuple(tuple) => tuple
                .bindings
                .iter()
                .map(|(_, value)| value.height())
                .fold(tuple.item.height(), u32::max),
            _ => 0,
        }
    }

    /// JavaScript's truth, which is not JSONata's.
    pub(crate) fn is_truthy(&self) -> bool {
        match self.kind() {
            Kind::Undefined | Kind::Null => false,
            Kind::Bool(value) => value,
            Kind::Number(number) => {
                let value = number.as_f64();
                value != 0.0 && !value.is_nan()
            }
            Kind::Text(text) => !text.is_empty(),
            Kind::Array(_) | Kind::Object(_) | Kind::Function => true,
        }
    }
}

/// The bit of a height that says that a function is in the value.
pub(crate) const FUNCTION: u32 = 1 << 31;

pub(crate) fn tallest(items: &[Value<'_>]) -> u32 {
    items.iter().map(Value::height).max().unwrap_or(0)
}

impl Function<'_> {
    fn height(&self) -> u32 {
        let all = |arguments: &[Option<Value<'_>>]| {
            arguments.iter().flatten().map(Value::height).max().unwrap_or(0)
        };
        let inside = match self {
            Self::Lambda { input, .. } | Self::PartialLambda { input, .. } => input.height(),
            Self::PartialBuiltin { arguments, .. } => all(arguments),
            Self::PartialOther { function, arguments } => function.height().max(all(arguments)),
            Self::Chain(first, second) => first.height().max(second.height()),
            Self::Regex(_) | Self::NextMatch(_) | Self::Transform { .. } => 0,
        };
        (inside + 1) | FUNCTION
    }
}

impl<'v, 'a> Items<'v, 'a> {
    #[inline]
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Made(items) => items.len(),
            Self::Json(items) => items.len(),
        }
    }

    #[inline]
    pub(crate) fn get(self, at: usize) -> Option<Value<'a>> {
        match self {
            Self::Made(items) => items.get(at).cloned(),
            Self::Json(items) => items.get(at).map(Value::from),
        }
    }

    #[inline]
    pub(crate) fn iter(self) -> ItemsIter<'v, 'a> {
        match self {
            Self::Made(items) => ItemsIter::Made(items.iter()),
            Self::Json(items) => ItemsIter::Json(items.iter()),
        }
    }
}

pub(crate) enum ItemsIter<'v, 'a> {
    Made(std::slice::Iter<'v, Value<'a>>),
    Json(std::slice::Iter<'a, Json>),
}

impl<'a> Iterator for ItemsIter<'_, 'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Value<'a>> {
        match self {
            Self::Made(items) => items.next().cloned(),
            Self::Json(items) => items.next().map(Value::from),
        }
    }
}

impl<'v, 'a> Members<'v, 'a> {
    #[inline]
    pub(crate) fn get(self, key: &str) -> Value<'a> {
        match self {
            Self::Made(map) => map.get(key).cloned().unwrap_or_default(),
            Self::Json(object) => object.get(key).map(Value::from).unwrap_or_default(),
        }
    }

    pub(crate) fn len(self) -> usize {
        match self {
            Self::Made(map) => map.len(),
            Self::Json(object) => object.len(),
        }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = (&'v Str, Value<'a>)>
    where
        'a: 'v,
    {
        let (made, json) = match self {
            Self::Made(map) => (Some(map.iter().map(|(key, value)| (key, value.clone()))), None),
            Self::Json(object) => {
                (None, Some(object.iter().map(|(key, value)| (key, Value::from(value)))))
            }
        };
        made.into_iter().flatten().chain(json.into_iter().flatten())
    }
}
