use crate::resources::Resource;
use crate::text::Text;
use stepwright_json::{Json, Object, Str};

/// A value within a state: literal, or computed when the state runs.
///
/// Create it with [`value!`](crate::value!) and [`object!`](crate::object!). A part that is an
/// expression (see [`At`](crate::At)) is written as the language requires: `"key.$": "$.path"`.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`
    #[default]
    Null,
    /// A boolean or a number.
    Scalar(Json),
    /// Text, with placeholders that CloudFormation fills in.
    Text(Text),
    /// A JSONPath or an intrinsic function: computed when the state runs.
    Expression(Text),
    /// The whole input, in whichever language the state uses.
    Input,
    /// One value in JSONPath and another in JSONata.
    ByLanguage(Box<(Value, Value)>),
    /// A value that cannot be written, and why. It is reported when the machine is built.
    Refused(String),
    /// A list.
    List(Vec<Value>),
    /// Members in order.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// An object without members.
    pub fn empty() -> Self {
        Self::Object(Vec::new())
    }

    /// The value, or `null` if there is none.
    pub fn or_null(value: Option<impl Into<Value>>) -> Self {
        value.map_or(Self::Null, Into::into)
    }

    /// One value in JSONPath, and another in JSONata.
    pub(crate) fn by_language(json_path: impl Into<Value>, jsonata: impl Into<Value>) -> Self {
        Self::ByLanguage(Box::new((json_path.into(), jsonata.into())))
    }

    #[doc(hidden)]
    pub fn no_items() -> Vec<Self> {
        Vec::new()
    }

    #[doc(hidden)]
    pub fn no_members() -> Vec<(String, Self)> {
        Vec::new()
    }

    /// The text, if the value is literal text.
    pub fn as_literal(&self) -> Option<&str> {
        match self {
            Self::Text(text) => text.as_literal(),
            _ => None,
        }
    }

    /// The text, if it is known before the state runs.
    pub(crate) fn known(&self) -> Option<Text> {
        match self {
            Self::Text(text) if jsonata_expression(&text.readable()).is_none() => {
                Some(text.clone())
            }
            _ => None,
        }
    }

    /// The text, or `*` if it is computed: for the resources of a policy.
    pub(crate) fn known_or_any(&self) -> Text {
        self.known().unwrap_or_else(|| "*".into())
    }

    /// The number, if it is known before the state runs.
    pub(crate) fn known_number(&self) -> Option<f64> {
        match self {
            Self::Scalar(number) => number.as_f64(),
            _ => None,
        }
    }

    /// Calls `visit` with every leaf and its position as a JSON pointer.
    pub(crate) fn visit(&self, at: &str, visit: &mut impl FnMut(&str, &Value)) {
        match self {
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.visit(&format!("{at}/{index}"), visit);
                }
            }
            Self::Object(members) => {
                for (key, value) in members {
                    value.visit(&format!("{at}/{key}"), visit);
                }
            }
            Self::ByLanguage(both) => {
                both.0.visit(at, visit);
                both.1.visit(at, visit);
            }
            leaf => visit(at, leaf),
        }
    }

    /// Whether any expression in it satisfies `test`. JSONata expressions are passed without their
    /// delimiters.
    pub(crate) fn any_expression(&self, test: impl Fn(&str) -> bool) -> bool {
        let mut found = false;
        self.visit("", &mut |_, leaf| match leaf {
            Value::Expression(expression) => found |= test(&expression.readable()),
            Value::Text(text) => {
                let text = text.readable();
                if let Some(jsonata) = jsonata_expression(&text) {
                    found |= test(jsonata);
                }
            }
            _ => {}
        });
        found
    }

    /// The value as JSON in this language, with `key.$` for expressions in objects.
    ///
    /// Placeholders that CloudFormation fills in are written as `${Name}`.
    pub fn to_json(&self, language: QueryLanguage) -> Json {
        self.render(language, &mut |text| Json::from(text.readable()))
    }

    /// The value as JSON text that still contains the placeholders for CloudFormation.
    pub(crate) fn to_json_text(&self, language: QueryLanguage) -> Text {
        let mut pieces = Text::default();
        self.write(language, &mut pieces);
        pieces
    }

    /// The value as JSON for a CloudFormation template.
    pub(crate) fn to_cloudformation(&self) -> Json {
        self.render(QueryLanguage::JsonPath, &mut Text::to_cloudformation)
    }

    /// The resources that tokens in it carry.
    pub(crate) fn defined(&self, visit: &mut impl FnMut(&Resource)) {
        self.visit("", &mut |_, leaf| {
            if let Self::Text(text) | Self::Expression(text) = leaf {
                text.defined().for_each(&mut *visit);
            }
        });
    }

    fn render(&self, language: QueryLanguage, text: &mut impl FnMut(&Text) -> Json) -> Json {
        match self {
            Self::Null | Self::Refused(_) => Json::Null,
            Self::ByLanguage(both) => match language {
                QueryLanguage::JsonPath => both.0.render(language, text),
                QueryLanguage::Jsonata => both.1.render(language, text),
            },
            Self::Scalar(scalar) => scalar.clone(),
            Self::Text(value) => text(value),
            Self::Expression(expression) => text(expression),
            Self::Input => language.whole_input().into(),
            Self::List(items) => {
                items.iter().map(|item| item.render(language, text)).collect::<Vec<_>>().into()
            }
            Self::Object(members) => members
                .iter()
                .map(|(key, value)| {
                    (Str::from(value.key(key, language)), value.render(language, text))
                })
                .collect::<Object>()
                .into(),
        }
    }

    fn write(&self, language: QueryLanguage, out: &mut Text) {
        let quoted = |text: &str| Json::from(text).to_string();
        match self {
            Self::Text(text) | Self::Expression(text) => {
                let mut written = Text::literal("\"");
                written = written.and(text.map_literals(|literal| {
                    let quoted = quoted(literal);
                    quoted[1..quoted.len() - 1].to_owned()
                }));
                add(out, written.and("\""));
            }
            Self::List(items) => {
                add(out, "[".into());
                for (index, item) in items.iter().enumerate() {
                    add(out, if index == 0 { "" } else { "," }.into());
                    item.write(language, out);
                }
                add(out, "]".into());
            }
            Self::Object(members) => {
                add(out, "{".into());
                for (index, (key, value)) in members.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    let key = quoted(&value.key(key, language));
                    add(out, Text::literal(format!("{comma}{key}:")));
                    value.write(language, out);
                }
                add(out, "}".into());
            }
            leaf => add(out, Text::literal(leaf.to_json(language).to_string())),
        }
    }

    /// The key of the value. In JSONPath, the suffix `.$` marks an expression.
    fn key(&self, key: &str, language: QueryLanguage) -> String {
        let is_marked = match self {
            Self::Expression(_) => true,
            Self::Input => language == QueryLanguage::JsonPath,
            Self::ByLanguage(both) => match language {
                QueryLanguage::JsonPath => return both.0.key(key, language),
                QueryLanguage::Jsonata => return both.1.key(key, language),
            },
            _ => false,
        };
        if is_marked { format!("{key}.$") } else { key.to_owned() }
    }
}

fn add(out: &mut Text, more: Text) {
    *out = std::mem::take(out).and(more);
}

/// The expression inside `{% … %}`.
pub(crate) fn jsonata_expression(text: &str) -> Option<&str> {
    Some(text.strip_prefix("{%")?.strip_suffix("%}")?.trim())
}

/// The query languages of states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum QueryLanguage {
    /// JSONPath and intrinsic functions.
    #[default]
    JsonPath,
    /// JSONata between `{%` and `%}`.
    Jsonata,
}

impl QueryLanguage {
    /// Its name in a definition.
    pub fn name(self) -> &'static str {
        match self {
            Self::JsonPath => "JSONPath",
            Self::Jsonata => "JSONata",
        }
    }

    /// The field with the input of what a state runs.
    pub(crate) fn payload_field(self) -> &'static str {
        match self {
            Self::JsonPath => "Parameters",
            Self::Jsonata => "Arguments",
        }
    }

    fn whole_input(self) -> &'static str {
        match self {
            Self::JsonPath => "$",
            Self::Jsonata => "{% $states.input %}",
        }
    }
}

impl From<Json> for Value {
    fn from(value: Json) -> Self {
        match value {
            Json::Null => Self::Null,
            Json::String(text) => Self::Text(text.as_str().into()),
            Json::Array(items) => Self::List(items.iter().cloned().map(Self::from).collect()),
            Json::Object(members) => Self::Object(
                members
                    .iter()
                    .map(|(key, value)| (key.to_string(), value.clone().into()))
                    .collect(),
            ),
            scalar => Self::Scalar(scalar),
        }
    }
}

macro_rules! scalars {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Value {
            fn from(value: $kind) -> Self {
                Self::Scalar(Json::from(value))
            }
        }
    )*};
}
scalars!(bool, i32, i64, u32, usize, f64);

macro_rules! small_numbers {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Value {
            fn from(value: $kind) -> Self {
                Self::Scalar(Json::from(u32::from(value)))
            }
        }
    )*};
}
small_numbers!(u8, u16);

macro_rules! texts {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Value {
            fn from(value: $kind) -> Self {
                Self::Text(Text::from(value))
            }
        }
    )*};
}
texts!(&str, String, Text, &Text, crate::text::Token);

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl<T: Into<Value> + Clone> From<&[T]> for Value {
    fn from(items: &[T]) -> Self {
        Self::List(items.iter().cloned().map(Into::into).collect())
    }
}

impl From<&Value> for Value {
    fn from(value: &Value) -> Self {
        value.clone()
    }
}

impl<T: Into<Value>, const N: usize> From<[T; N]> for Value {
    fn from(items: [T; N]) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

/// Builds a [`Value`] in a notation like JSON, whose parts may be expressions.
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// let payload = value!({"job": string_at("$.job.id"), "tags": ["a", "b"], "tries": 3});
/// assert_eq!(
///     payload.to_json(QueryLanguage::JsonPath).to_string(),
///     r#"{"job.$":"$.job.id","tags":["a","b"],"tries":3}"#,
/// );
/// ```
#[macro_export]
macro_rules! value {
    (null) => { $crate::Value::Null };
    ({}) => { $crate::Value::empty() };
    ([]) => { $crate::Value::List(::std::vec::Vec::new()) };
    ([$($items:tt)*]) => {{
        let mut items = $crate::Value::no_items();
        $crate::value!(@items items $($items)*);
        $crate::Value::List(items)
    }};
    ({$($members:tt)*}) => {{
        let mut members = $crate::Value::no_members();
        $crate::value!(@members members $($members)*);
        $crate::Value::Object(members)
    }};
    (@members $to:ident) => {};
    (@members $to:ident $key:literal : null $(, $($rest:tt)*)?) => {
        $to.push(($key.into(), $crate::Value::Null)); $($crate::value!(@members $to $($rest)*);)?
    };
    (@members $to:ident $key:literal : {$($inner:tt)*} $(, $($rest:tt)*)?) => {
        $to.push(($key.into(), $crate::value!({$($inner)*}))); $($crate::value!(@members $to $($rest)*);)?
    };
    (@members $to:ident $key:literal : [$($inner:tt)*] $(, $($rest:tt)*)?) => {
        $to.push(($key.into(), $crate::value!([$($inner)*]))); $($crate::value!(@members $to $($rest)*);)?
    };
    (@members $to:ident $key:literal : $value:expr $(, $($rest:tt)*)?) => {
        $to.push(($key.into(), $crate::Value::from($value))); $($crate::value!(@members $to $($rest)*);)?
    };
    (@items $to:ident) => {};
    (@items $to:ident null $(, $($rest:tt)*)?) => {
        $to.push($crate::Value::Null); $($crate::value!(@items $to $($rest)*);)?
    };
    (@items $to:ident {$($inner:tt)*} $(, $($rest:tt)*)?) => {
        $to.push($crate::value!({$($inner)*})); $($crate::value!(@items $to $($rest)*);)?
    };
    (@items $to:ident [$($inner:tt)*] $(, $($rest:tt)*)?) => {
        $to.push($crate::value!([$($inner)*])); $($crate::value!(@items $to $($rest)*);)?
    };
    (@items $to:ident $value:expr $(, $($rest:tt)*)?) => {
        $to.push($crate::Value::from($value)); $($crate::value!(@items $to $($rest)*);)?
    };
    ($value:expr) => { $crate::Value::from($value) };
}

/// An object [`Value`]: `object! {"id": string_at("$.id")}`.
#[macro_export]
macro_rules! object {
    ($($members:tt)*) => { $crate::value!({$($members)*}) };
}
