use crate::condition_parser::parse;
use crate::value::{Value, jsonata_expression};

/// The condition under which a [`Choice`](crate::Choice) takes a path.
///
/// Text converts into it: `{% … %}` is JSONata, and anything else is parsed like `"$.status ==
/// 'FAILED' and $.tries > 5"` (see [`Condition::parse`]).
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    pub(crate) rule: Vec<(String, Value)>,
    pub(crate) problem: Option<String>,
}

/// Tests of a single value.
macro_rules! presence {
    ($($(#[$doc:meta])* $yes:ident $(#[$not_doc:meta])* $no:ident $operator:literal;)*) => {$(
        $(#[$doc])*
        pub fn $yes(variable: &str) -> Self {
            Self::compare(variable, $operator, true)
        }
        $(#[$not_doc])*
        pub fn $no(variable: &str) -> Self {
            Self::compare(variable, $operator, false)
        }
    )*};
}

/// Comparisons with a literal, and with the value at another path.
macro_rules! comparisons {
    ($kind:ty: $($name:ident $with_path:ident $operator:literal;)*) => {$(
        #[doc = concat!("`", $operator, "`: compares the value at `variable` with a literal.")]
        pub fn $name(variable: &str, value: $kind) -> Self {
            Self::compare(variable, $operator, value)
        }
        #[doc = concat!("`", $operator, "Path`: compares the value at `variable` with the one at `other`.")]
        pub fn $with_path(variable: &str, other: &str) -> Self {
            Self::compare(variable, concat!($operator, "Path"), other).about_path(other)
        }
    )*};
}

impl Condition {
    presence! {
        /// There is a value at the path.
        is_present
        /// There is no value at the path.
        is_not_present "IsPresent";
        /// The value is text.
        is_string
        /// The value is not text.
        is_not_string "IsString";
        /// The value is a number.
        is_numeric
        /// The value is not a number.
        is_not_numeric "IsNumeric";
        /// The value is `true` or `false`.
        is_boolean
        /// The value is neither `true` nor `false`.
        is_not_boolean "IsBoolean";
        /// The value is text that is a timestamp.
        is_timestamp
        /// The value is not a timestamp.
        is_not_timestamp "IsTimestamp";
        /// The value is `null`.
        is_null
        /// The value is not `null`.
        is_not_null "IsNull";
    }

    comparisons! { bool:
        boolean_equals boolean_equals_path "BooleanEquals";
    }
    comparisons! { &str:
        string_equals string_equals_path "StringEquals";
        string_less_than string_less_than_path "StringLessThan";
        string_less_than_equals string_less_than_equals_path "StringLessThanEquals";
        string_greater_than string_greater_than_path "StringGreaterThan";
        string_greater_than_equals string_greater_than_equals_path "StringGreaterThanEquals";
        timestamp_equals timestamp_equals_path "TimestampEquals";
        timestamp_less_than timestamp_less_than_path "TimestampLessThan";
        timestamp_less_than_equals timestamp_less_than_equals_path "TimestampLessThanEquals";
        timestamp_greater_than timestamp_greater_than_path "TimestampGreaterThan";
        timestamp_greater_than_equals timestamp_greater_than_equals_path "TimestampGreaterThanEquals";
    }
    comparisons! { impl Into<Value>:
        number_equals number_equals_path "NumericEquals";
        number_less_than number_less_than_path "NumericLessThan";
        number_less_than_equals number_less_than_equals_path "NumericLessThanEquals";
        number_greater_than number_greater_than_path "NumericGreaterThan";
        number_greater_than_equals number_greater_than_equals_path "NumericGreaterThanEquals";
    }

    /// The text matches a pattern, in which `*` stands for any characters.
    pub fn string_matches(variable: &str, pattern: &str) -> Self {
        Self::compare(variable, "StringMatches", pattern)
    }

    /// All conditions are true.
    pub fn and(conditions: impl IntoIterator<Item = Condition>) -> Self {
        Self::combine("And", conditions)
    }

    /// At least one condition is true.
    pub fn or(conditions: impl IntoIterator<Item = Condition>) -> Self {
        Self::combine("Or", conditions)
    }

    /// The condition is false.
    pub fn not(condition: impl Into<Condition>) -> Self {
        let condition = condition.into();
        Self {
            rule: vec![("Not".into(), Value::Object(condition.rule))],
            problem: condition.problem,
        }
    }

    /// A JSONata expression, with or without its `{% … %}`.
    pub fn jsonata(expression: &str) -> Self {
        let rule = vec![("Condition".into(), crate::jsonata(expression).into())];
        Self { rule, problem: None }
    }

    /// Parses a condition in a readable notation.
    ///
    /// * `$.a == 'x'`, `!=`, `<`, `<=`, `>`, `>=` with a text in quotes, a number, `true` or
    ///   `false`; `$.a == null`; `$.a matches 'log-*.txt'`.
    /// * `$.a >= timestamp('2026-01-01T00:00:00Z')`.
    /// * To compare with another path, state the type, because the language has no untyped
    ///   comparison: `$.a < number($.b)`, `string($.b)`, `boolean($.b)`, `timestamp($.b)`.
    /// * `$.a is present`, `is string`, `is number`, `is boolean`, `is timestamp`, `is null`, each
    ///   also `is not`.
    /// * `and`, `or`, `not` and parentheses; `and` binds more tightly than `or`.
    ///
    /// Errors are reported when the state machine is built, with their position.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// assert_eq!(
    ///     Condition::parse("$.status == 'FAILED' and $.n > 5"),
    ///     Condition::and([
    ///         Condition::string_equals("$.status", "FAILED"),
    ///         Condition::number_greater_than("$.n", 5),
    ///     ]),
    /// );
    /// ```
    pub fn parse(text: &str) -> Self {
        parse(text).unwrap_or_else(|problem| Self { rule: Vec::new(), problem: Some(problem) })
    }

    pub(crate) fn compare(variable: &str, operator: &str, value: impl Into<Value>) -> Self {
        let rule = vec![
            ("Variable".to_owned(), Value::from(variable)),
            (operator.to_owned(), value.into()),
        ];
        Self { rule, problem: None }.about_path(variable)
    }

    fn about_path(mut self, path: &str) -> Self {
        if !path.starts_with('$') && self.problem.is_none() {
            self.problem =
                Some(format!("`{path}` in a condition is no path: it has to start with `$`"));
        }
        self
    }

    fn combine(operator: &str, conditions: impl IntoIterator<Item = Condition>) -> Self {
        let mut problem = None;
        let mut rules = Vec::new();
        for condition in conditions {
            problem = problem.or(condition.problem);
            rules.push(Value::Object(condition.rule));
        }
        if rules.is_empty() && problem.is_none() {
            problem = Some(format!("`{operator}` of no conditions"));
        }
        Self { rule: vec![(operator.into(), Value::List(rules))], problem }
    }
}

impl From<&str> for Condition {
    fn from(text: &str) -> Self {
        match jsonata_expression(text.trim()) {
            Some(expression) => Self::jsonata(expression),
            None => Self::parse(text),
        }
    }
}

impl From<String> for Condition {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl From<&String> for Condition {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<&Condition> for Condition {
    fn from(condition: &Condition) -> Self {
        condition.clone()
    }
}

impl From<crate::Jsonata> for Condition {
    fn from(jsonata: crate::Jsonata) -> Self {
        Self::jsonata(&jsonata.0)
    }
}
