use crate::compare::{Extent, differences};
use crate::simulation::Call;
use stepwright_json::{Json, Object};
use stepwright_program::{Expression, PathExpression, Scope};

/// When a case of a mock is meant.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    /// The task's input has these parts.
    Includes(Json),
    /// The path finds something in the task's input that is not `false`, `null` or empty.
    Path(PathExpression),
    /// The JSONata expression gives `true`. It sees the task's input as `$states.input`, and
    /// `$attempt`, `$entry` and `$item`.
    Jsonata(Expression),
}

impl Condition {
    /// Reads what stands at `when`.
    pub(super) fn read(value: Json) -> Result<Self, String> {
        let Some(text) = value.as_str() else { return Ok(Self::Includes(value)) };
        let trimmed = text.trim();
        if let Some(inner) = trimmed.strip_prefix("{%").and_then(|rest| rest.strip_suffix("%}")) {
            return Expression::parse_jsonata(inner.trim(), "when")
                .map(Self::Jsonata)
                .map_err(|error| format!("`when` is no JSONata expression: {error}"));
        }
        if trimmed.starts_with('$') {
            return PathExpression::parse(trimmed)
                .map(Self::Path)
                .map_err(|error| format!("`when` is no JSONPath: {error}"));
        }
        Ok(Self::Includes(value))
    }

    /// Whether it holds for a call. What cannot be evaluated does not hold.
    pub(super) fn holds(&self, call: &Call<'_>) -> bool {
        match self {
            Self::Includes(part) => {
                differences(part, &call.call.parameters, Extent::Part).is_empty()
            }
            Self::Path(path) => {
                let seen = Seen::new(call);
                let Ok(found) = path.find(&seen) else { return false };
                match found.as_ref() {
                    Json::Null | Json::Bool(false) => false,
                    Json::Array(items) => !items.is_empty(),
                    _ => true,
                }
            }
            Self::Jsonata(expression) => {
                expression.evaluate(&Seen::new(call)).is_ok_and(|value| value == Json::Bool(true))
            }
        }
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Includes(part) => write!(f, "{part}"),
            Self::Path(path) => f.write_str(&path.text),
            Self::Jsonata(Expression::Jsonata { expression, .. }) => {
                write!(f, "{{% {} %}}", expression.text())
            }
            Self::Jsonata(_) => f.write_str("an expression"),
        }
    }
}

/// What a condition sees of a call.
struct Seen<'c> {
    call: &'c Call<'c>,
    attempt: Json,
    entry: Json,
    item: Json,
}

impl<'c> Seen<'c> {
    fn new(call: &'c Call<'c>) -> Self {
        let item = call.map_path.last().map_or(Json::Null, |(_, index)| (*index).into());
        Self { call, attempt: call.attempt.into(), entry: call.entry.into(), item }
    }
}

impl Scope for Seen<'_> {
    fn input(&self) -> &Json {
        &self.call.call.parameters
    }

    fn context(&self) -> &Json {
        &Json::Null
    }

    fn variable(&self, name: &str) -> Option<&Json> {
        match name {
            "attempt" => Some(&self.attempt),
            "entry" => Some(&self.entry),
            "item" => Some(&self.item),
            _ => None,
        }
    }

    fn states(&self, _with_context: bool) -> Json {
        let mut states = Object::new();
        states.insert("input", self.call.call.parameters.clone());
        states.into()
    }

    fn now_millis(&self) -> i64 {
        0
    }

    fn random(&self) -> u64 {
        0
    }
}
