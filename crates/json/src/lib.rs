//! The one JSON value of Stepwright.
//!
//! [`Json`] keeps integers and floats apart (`1` stays `1`, `1.0` stays `1.0`), keeps the order of
//! keys, and costs a pointer copy to clone: arrays and objects are shared and copied on write.
//!
//! [`parse`] reads a text into a value; [`tree::parse`] reads it into a [`tree::Node`] that knows
//! where in the text each part stands. Both hold to [`Limits`]. Writing is [`std::fmt::Display`]
//! (compact, as AWS prints) and [`Json::pretty`].

mod array;
mod deep;
pub mod jackson;
pub mod java;
mod lex;
mod measure;
mod object;
mod parse;
mod pointer;
mod shape;
pub mod tree;
mod write;

pub use array::Array;
pub use measure::{DEEPEST, Measure};
pub use object::{Hint, Keys, Object};
pub use parse::{Limits, ParseError, Syntax, parse, parse_bytes, parse_counting, parse_with};
pub use pointer::Pointer;
/// Text inside a value: short texts inline, longer ones shared.
pub use smol_str::SmolStr as Str;

/// A JSON value.
///
/// Equality is exact: `1` and `1.0` differ; objects are equal whatever the order of their keys.
/// For equality by number value see [`Json::same`].
#[derive(Clone, Default)]
pub enum Json {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number written without fraction and exponent that fits in 64 bits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// An integer past 64 bits: its digits, with sign, as they were written.
    BigInt(std::sync::Arc<str>),
    /// Text.
    String(Str),
    /// A list of values.
    Array(Array),
    /// Keys and values, in order.
    Object(Object),
}

impl Json {
    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value of `true` or `false`.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The value of an integer, or of a float without fraction that an `i64` holds exactly.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Float(value) if value.fract() == 0.0 && value.abs() < 9.0e18 => {
                Some(*value as i64)
            }
            _ => None,
        }
    }

    /// The nearest float of any number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::BigInt(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    /// The elements of an array.
    pub fn as_array(&self) -> Option<&Array> {
        match self {
            Self::Array(array) => Some(array),
            _ => None,
        }
    }

    /// The members of an object.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// Whether it is a number of any kind.
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Int(_) | Self::Float(_) | Self::BigInt(_))
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The member `key` of an object.
    pub fn get(&self, key: &str) -> Option<&Json> {
        self.as_object()?.get(key)
    }

    /// The element `index` of an array.
    pub fn at(&self, index: usize) -> Option<&Json> {
        self.as_array()?.get(index)
    }

    /// What kind of value it is, in a word: `null`, `boolean`, `number`, `string`, `array`,
    /// `object`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Int(_) | Self::Float(_) | Self::BigInt(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// What tells one array or object from another that is equal to it: clones have the same
    /// number while any of them lives. None for a value that is not shared.
    pub fn address(&self) -> Option<usize> {
        match self {
            Self::Array(items) => items.address(),
            Self::Object(members) => members.address(),
            _ => None,
        }
    }

    /// Whether somebody else holds the same array or object as well.
    pub fn is_shared(&self) -> bool {
        match self {
            Self::Array(items) => items.is_shared(),
            Self::Object(members) => members.is_shared(),
            _ => false,
        }
    }

    /// Equality that takes numbers by value: `1` and `1.0` are the same.
    pub fn same(&self, other: &Self) -> bool {
        deep::equal(self, other, Self::same_scalar)
    }

    fn same_scalar(&self, other: &Self) -> bool {
        if self.is_number() && other.is_number() {
            return self.eq_scalar(other) || self.as_f64() == other.as_f64();
        }
        self.eq_scalar(other)
    }

    /// Whether both are the same, neither being an array or object.
    fn eq_scalar(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::BigInt(a), Self::BigInt(b)) => a == b,
            (Self::String(a), Self::String(b)) => a == b,
            _ => false,
        }
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        deep::equal(self, other, Self::eq_scalar)
    }
}

impl std::hash::Hash for Json {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u64(deep::hash(self));
    }
}

macro_rules! from {
    ($($kind:ty => $value:ident $make:expr;)*) => {$(
        impl From<$kind> for Json {
            fn from($value: $kind) -> Self { $make }
        }
    )*};
}
from! {
    bool => value Self::Bool(value);
    i64 => value Self::Int(value);
    i32 => value Self::Int(value.into());
    u32 => value Self::Int(value.into());
    usize => value Self::Int(value as i64);
    f64 => value Self::Float(value);
    &str => value Self::String(value.into());
    String => value Self::String(value.into());
    Str => value Self::String(value);
    Array => value Self::Array(value);
    Vec<Json> => value Self::Array(value.into());
    Object => value Self::Object(value);
}

/// Builds a [`Json`] as it is written: `json!({"a": [1, null], "b": text})`.
#[macro_export]
macro_rules! json {
    (null) => { $crate::Json::Null };
    ([$($item:tt),* $(,)?]) => { $crate::Json::from(vec![$($crate::json!($item)),*]) };
    ({$($key:literal : $value:tt),* $(,)?}) => {{
        #[allow(unused_mut)]
        let mut object = $crate::Object::new();
        $(object.insert($key, $crate::json!($value));)*
        $crate::Json::Object(object)
    }};
    ($value:expr) => { $crate::Json::from($value) };
}
