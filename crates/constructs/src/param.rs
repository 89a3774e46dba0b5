use crate::text::{Text, Token};
use crate::value::Value;
use std::marker::PhantomData;

/// The kinds of values that a property can require.
pub mod kind {
    /// Text.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Text;
    /// A number.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Number;
    /// `true` or `false`.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Flag;
    /// A list.
    #[derive(Clone, Debug, PartialEq)]
    pub struct List;
    /// An object.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Object;
    /// Any value: can be used wherever a value is required.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Any;
}

/// A value of a known kind that is computed when the state runs: a path or an intrinsic function.
///
/// A property that requires a number accepts a number or an `At<kind::Number>`. A path to text does
/// not compile there.
///
/// ```compile_fail
/// use stepwright_constructs::prelude::*;
///
/// let (queue, definition) = (JobQueue::from_name("q"), JobDefinition::from_name("d"));
/// BatchSubmitJob::new("Submit", definition, "job", queue).array_size(string_at("$.size"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct At<K = kind::Any> {
    pub(crate) expression: Text,
    kind: PhantomData<K>,
}

impl<K> At<K> {
    pub(crate) fn new(expression: impl Into<Text>) -> Self {
        Self { expression: expression.into(), kind: PhantomData }
    }

    /// The expression in the language's own notation.
    pub fn expression(&self) -> String {
        self.expression.readable()
    }
}

impl<K> From<At<K>> for Value {
    fn from(at: At<K>) -> Self {
        Value::Expression(at.expression)
    }
}

/// A JSONata expression, which can be used wherever a value is required.
#[derive(Clone, Debug, PartialEq)]
pub struct Jsonata(pub(crate) String);

/// A JSONata expression, with or without its `{% … %}`.
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// assert_eq!(Value::from(jsonata("$states.input.n + 1")), Value::from("{% $states.input.n + 1 %}"));
/// ```
pub fn jsonata(expression: &str) -> Jsonata {
    let bare = crate::value::jsonata_expression(expression).unwrap_or(expression);
    Jsonata(format!("{{% {} %}}", bare.trim()))
}

impl From<Jsonata> for Value {
    fn from(jsonata: Jsonata) -> Self {
        jsonata.0.into()
    }
}

/// The value of a property: a literal, or computed when the state runs. Literals and expressions of
/// the right kind convert into it implicitly.
#[derive(Clone, Debug, PartialEq)]
pub struct Param<K> {
    pub(crate) value: Value,
    kind: PhantomData<K>,
}

/// Text, literal or computed.
pub type Str = Param<kind::Text>;
/// A number, literal or computed.
pub type Num = Param<kind::Number>;
/// A boolean, literal or computed.
pub type Flag = Param<kind::Flag>;
/// A list, literal or computed.
pub type Items = Param<kind::List>;

impl<K> Param<K> {
    fn of(value: Value) -> Self {
        Self { value, kind: PhantomData }
    }

    pub(crate) fn known_or_any(&self) -> Text {
        self.value.known_or_any()
    }
}

impl<K> From<Param<K>> for Value {
    fn from(param: Param<K>) -> Self {
        param.value
    }
}

macro_rules! params {
    ($($kind:ident: $($from:ty),*;)*) => {$(
        $(impl From<$from> for Param<kind::$kind> {
            fn from(value: $from) -> Self { Self::of(Value::from(value)) }
        })*
        impl From<At<kind::$kind>> for Param<kind::$kind> {
            fn from(value: At<kind::$kind>) -> Self { Self::of(value.into()) }
        }
        impl From<At<kind::Any>> for Param<kind::$kind> {
            fn from(value: At<kind::Any>) -> Self { Self::of(value.into()) }
        }
        impl From<Jsonata> for Param<kind::$kind> {
            fn from(value: Jsonata) -> Self { Self::of(value.into()) }
        }
    )*};
}
params! {
    Text: &str, String, &String, Text, &Text, Token;
    Number: i32, i64, u8, u16, u32, usize, f64;
    Flag: bool;
    List: ;
    Object: Value;
}

impl<T: Into<Value>, const N: usize> From<[T; N]> for Param<kind::List> {
    fn from(items: [T; N]) -> Self {
        Self::of(items.into())
    }
}

impl<T: Into<Value>> From<Vec<T>> for Param<kind::List> {
    fn from(items: Vec<T>) -> Self {
        Self::of(items.into())
    }
}

impl<T: Into<Value> + Clone> From<&[T]> for Param<kind::List> {
    fn from(items: &[T]) -> Self {
        Self::of(items.to_vec().into())
    }
}

/// A value for a place that is usually computed: `string_at("$.role")`, or the path alone, `"$.role"`.
/// Text that begins with `$` or `States.` is a path or an intrinsic function here, `{% … %}` is
/// JSONata, and anything else is the value itself.
#[derive(Clone, Debug, PartialEq)]
pub struct PathOrText(pub(crate) Value);

impl From<&str> for PathOrText {
    fn from(text: &str) -> Self {
        if text.starts_with('$') && !text.starts_with("${") || text.starts_with("States.") {
            Self(Value::Expression(text.into()))
        } else {
            Self(text.into())
        }
    }
}

impl From<String> for PathOrText {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<&String> for PathOrText {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl<K> From<At<K>> for PathOrText {
    fn from(at: At<K>) -> Self {
        Self(at.into())
    }
}

macro_rules! paths_or_texts {
    ($($from:ty),*) => {$(
        impl From<$from> for PathOrText {
            fn from(value: $from) -> Self {
                Self(value.into())
            }
        }
    )*};
}
paths_or_texts!(Text, &Text, Token, Jsonata, Str);

/// The input of a task: text, an object, or a part of the state's input.
///
/// The CDK calls it a `TaskInput`. Text, objects and expressions convert into it.
pub type Input = Value;
