use crate::intrinsics::{Call, uuid};
use crate::limits::Limits;
use crate::scope::{EvaluationError, Scope};
use std::borrow::Cow;
use stepwright_json::{Array, Json, Str};
use stepwright_jsonata::{self as jsonata, Bindings, Environment};
use stepwright_jsonpath::{self as jsonpath, EvaluationError as PathError};

/// A compiled expression of either language, and the field it stands in.
#[derive(Clone, Debug)]
pub enum Expression {
    /// A JSONPath: `$.a`, `$$.Execution.Id`, `$variable.a`.
    Path {
        /// The path.
        path: PathExpression,
        /// The name of the field it is the value of, with its `.$`.
        field: Str,
    },
    /// An intrinsic function.
    Intrinsic(Call),
    /// A JSONata expression.
    Jsonata {
        /// The expression, without `{%` and `%}`.
        expression: jsonata::Expression,
        /// Where it stands: `Output/result`.
        field: Str,
        /// Whether it asks for `$states.context`.
        with_context: bool,
    },
}

/// A JSONPath and what its `$` stands for.
#[derive(Clone, Debug)]
pub struct PathExpression {
    /// The text as it was written.
    pub text: Str,
    /// What it starts from.
    pub source: Source,
    /// The path from there.
    pub path: jsonpath::Path,
}

/// What a path starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `$`
    Input,
    /// `$$`
    Context,
    /// `$name`
    Variable(Str),
}

/// What one JSONata evaluation is held to: AWS's limits where they are not lifted, and ours, which
/// are chosen so that nothing AWS would finish is cut off.
fn jsonata_limits<'l>(limits: &Limits, burn: &'l dyn Fn(u64) -> bool) -> jsonata::Limits<'l> {
    jsonata::Limits {
        nesting: limits.evaluation_depth.unwrap_or(usize::MAX),
        value_bytes: limits.evaluation_bytes,
        steps: limits.evaluation_steps,
        bytes: limits.allocated_bytes,
        burn: Some(burn),
        ..jsonata::Limits::default()
    }
}

const THREW: &str = "threw an error during evaluation";
const TOO_LARGE: &str =
    "Expression evaluation memory limit exceeded: Check for excessive memory usage";

/// What AWS says of a failed evaluation, behind the expression and the field.
fn failure(error: &jsonata::Error, scope: &dyn Scope) -> String {
    match error.code {
        jsonata::Error::FUNCTION_RESULT => "returned an unsupported result type.".to_owned(),
        jsonata::Error::INTERNAL => {
            format!("threw an internal error during evaluation. {}", uuid(scope))
        }
        jsonata::Error::TOO_LARGE => format!("{THREW}: {TOO_LARGE}"),
        // Their texts have no codes on AWS, and single spaces.
        jsonata::Error::TOO_LONG => format!("{THREW}: {}", error.message.replace("  ", " ")),
        _ => format!("{THREW}. {error}"),
    }
}

/// What a visit of a JSONPath counts for.
const STEPS_PER_VISIT: u64 = 4;

impl PathExpression {
    /// Reads `$.a`, `$$.a` or `$variable.a`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (source, rest) = Self::split(text)?;
        let rest = keep_backslashes(&rest);
        let path = jsonpath::Path::parse(&rest)
            .or_else(|error| jsonpath::Path::parse(&quote_words(&rest)).map_err(|_| error))
            .map_err(|error| error.to_string())?;
        Ok(Self { text: text.into(), source, path })
    }

    fn split(text: &str) -> Result<(Source, Cow<'_, str>), String> {
        let Some(rest) = text.strip_prefix('$') else {
            return Err("Path must start with '$'".to_owned());
        };
        if rest.starts_with('$') {
            return Ok((Source::Context, Cow::Borrowed(rest)));
        }
        let name = rest.split(['.', '[']).next().unwrap_or_default();
        if name.is_empty() || !name.chars().all(|c| c == '_' || c.is_alphanumeric()) {
            return Ok((Source::Input, Cow::Borrowed(text)));
        }
        Ok((Source::Variable(name.into()), Cow::Owned(format!("${}", &rest[name.len()..]))))
    }

    /// What the path starts from. `None` when the variable does not exist.
    fn root<'s>(&self, scope: &'s dyn Scope) -> Option<&'s Json> {
        match &self.source {
            Source::Input => Some(scope.input()),
            Source::Context => Some(scope.context()),
            Source::Variable(name) => scope.variable(name),
        }
    }

    /// The value, borrowed where the path is plain.
    pub fn find<'s>(&self, scope: &'s dyn Scope) -> Result<Cow<'s, Json>, PathError> {
        let Some(root) = self.root(scope) else {
            let message = format!("No results for path: {}", self.text);
            return Err(PathError::NotFound { message });
        };
        match self.path.get(root) {
            Some(value) => Ok(Cow::Borrowed(value)),
            None => self.search(root, scope).map(Cow::Owned),
        }
    }

    /// What a path that may lead to many places leads to.
    fn search(&self, root: &Json, scope: &dyn Scope) -> Result<Json, PathError> {
        let limits = scope.limits();
        let burn = |visits: u64| scope.burn(visits * STEPS_PER_VISIT);
        let within = jsonpath::Limits {
            visits: limits.evaluation_steps / STEPS_PER_VISIT,
            bytes: limits.evaluation_bytes,
            burn: Some(&burn),
            ..jsonpath::Limits::default()
        };
        match self.path.evaluate_within(root, within) {
            // AWS: a path that may match many things matches none where there is nothing.
            Err(error) if error.is_not_found() && !self.path.is_definite() => {
                Ok(Json::Array(Array::new()))
            }
            // What was found is put into other values and messages, and must not outgrow them.
            Ok(found) => match EvaluationError::check(&found, limits.evaluation_bytes) {
                Ok(()) => Ok(found),
                Err(error) => Err(PathError::TooMuch { message: error.cause }),
            },
            Err(error) => Err(error),
        }
    }

    /// The value, or the error AWS gives for `InputPath`, `OutputPath` and the like.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<Json, EvaluationError> {
        self.find(scope).map(Cow::into_owned).map_err(|error| {
            EvaluationError::runtime(format!("Invalid path '{}' : {error}", self.text))
        })
    }

    /// The value, or the error AWS gives for a path in the payload field `field`. An index past the
    /// end of an array is `null` there.
    pub fn evaluate_field(&self, scope: &dyn Scope, field: &str) -> Result<Json, EvaluationError> {
        self.find(scope).map(Cow::into_owned).or_else(|error| {
            if let PathError::TooMuch { message } = error {
                return Err(EvaluationError::runtime(format!(
                    "Invalid path '{}' : {message}",
                    self.text
                )));
            }
            if self.root(scope).is_some_and(|root| self.path.is_past_end(root)) {
                return Ok(Json::Null);
            }
            let text = &self.text;
            let input = scope.input();
            Err(EvaluationError::runtime(format!(
                "The JSONPath '{text}' specified for the field '{field}' could not be found in \
                 the input '{input}'"
            )))
        })
    }
}

impl Expression {
    /// Reads the value of a payload field that ends in `.$`: a JSONPath or an intrinsic function.
    pub fn parse_json_path(text: &str, field: &str) -> Result<Self, String> {
        if text.starts_with('$') {
            PathExpression::parse(text).map(|path| Self::Path { path, field: field.into() })
        } else {
            Call::parse(text).map(Self::Intrinsic)
        }
    }

    /// Reads the text between `{%` and `%}`.
    pub fn parse_jsonata(text: &str, field: &str) -> Result<Self, jsonata::Error> {
        let expression = jsonata::Expression::compile(text, jsonata::Dialect::StepFunctions)?;
        let with_context = asks_for_context(text);
        Ok(Self::Jsonata { expression, field: field.into(), with_context })
    }

    /// The value.
    pub fn evaluate(&self, scope: &dyn Scope) -> Result<Json, EvaluationError> {
        match self {
            Self::Path { path, field } => path.evaluate_field(scope, field),
            Self::Intrinsic(call) => {
                let value = call.evaluate(scope)?;
                EvaluationError::check(&value, scope.limits().evaluation_bytes)?;
                Ok(value)
            }
            Self::Jsonata { expression, field, with_context } => {
                let states = scope.states(*with_context);
                let lookup = |name: &str| scope.variable(name).cloned();
                let bindings = Bindings::new().bind("states", &states).or_lookup(&lookup);
                let environment =
                    Environment { now_millis: scope.now_millis(), seed: scope.random() };
                let limits = scope.limits();
                let burn = |steps: u64| scope.burn(steps);
                let within = jsonata_limits(&limits, &burn);
                let answer = expression.evaluate(None, &bindings, &environment, &within);
                let what = match answer {
                    Ok(Some(value)) => match value.measure() {
                        Some(measure) if measure.bytes <= limits.evaluation_bytes => {
                            return Ok(value);
                        }
                        Some(_) => format!("{THREW}: {TOO_LARGE}"),
                        None => format!("{THREW}. {}", EvaluationError::too_deep().cause),
                    },
                    Ok(None) => "returned nothing (undefined).".to_owned(),
                    Err(error) => failure(&error, scope),
                };
                Err(EvaluationError::query(
                    format!(
                        "The JSONata expression '{}' specified for the field '{field}' {what}",
                        expression.text()
                    ),
                    Some(field),
                ))
            }
        }
    }
}

/// In a name in single quotes AWS takes a backslash before a double quote as part of the name,
/// where Jayway's reader would drop it.
fn keep_backslashes(path: &str) -> Cow<'_, str> {
    if !path.contains("\\\"") {
        return Cow::Borrowed(path);
    }
    let (mut out, mut quoted, mut escaped) = (String::with_capacity(path.len() + 8), false, false);
    let mut chars = path.chars().peekable();
    while let Some(c) = chars.next() {
        if quoted && !escaped && c == '\\' && chars.peek() == Some(&'"') {
            out.push_str("\\\\");
            continue;
        }
        if c == '\'' && !escaped {
            quoted = !quoted;
        }
        escaped = c == '\\' && !escaped;
        out.push(c);
    }
    Cow::Owned(out)
}

/// AWS takes a word without quotes in a filter for a text: `[?(@.status==FAILED)]`.
fn quote_words(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 8);
    let mut rest = path;
    while let Some(at) = rest.find(['=', '<', '>']) {
        let end = rest[at..].find(|c| !matches!(c, '=' | '<' | '>' | ' '));
        let (before, after) = rest.split_at(end.map_or(rest.len(), |end| at + end));
        out.push_str(before);
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let length = after.find(|c| !is_word(c)).unwrap_or(after.len());
        let word = &after[..length];
        let quoted = word.starts_with(|c: char| c.is_ascii_alphabetic())
            && !matches!(word, "true" | "false" | "null");
        if quoted {
            out.push('\'');
        }
        out.push_str(word);
        if quoted {
            out.push('\'');
        }
        rest = &after[length..];
    }
    out.push_str(rest);
    out
}

/// Whether `$states` is used for anything but its plain data.
fn asks_for_context(text: &str) -> bool {
    text.match_indices("$states").any(|(at, word)| {
        let rest = text[at + word.len()..].trim_start();
        ![".input", ".result", ".errorOutput"].iter().any(|plain| rest.starts_with(plain))
    })
}

impl Expression {
    /// The error for a JSONata result of the wrong type.
    pub fn unexpected(&self, wanted: &str, found: &Json) -> EvaluationError {
        let (text, field) = match self {
            Self::Jsonata { expression, field, .. } => (expression.text(), field.as_str()),
            Self::Path { path, field } => (path.text.as_str(), field.as_str()),
            Self::Intrinsic(call) => (call.text.as_str(), ""),
        };
        EvaluationError::query(
            format!(
                "The JSONata expression '{text}' specified for the field '{field}' returned an \
                 unexpected result type. Expected '{wanted}', but was '{}' for value: {found}",
                found.kind()
            ),
            Some(field),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, quoted: &str) {
        assert_eq!(quote_words(path), quoted);
    }

    #[test]
    fn words_in_filters_are_texts() {
        check("$.a[?(@.b==C_1)].d", "$.a[?(@.b=='C_1')].d");
        check("$.a[?(@.b == true && @.c >= 3)]", "$.a[?(@.b == true && @.c >= 3)]");
        check("$.a[?(@.b != null)]", "$.a[?(@.b != null)]");
        assert!(PathExpression::parse("$.a[?(@.b==C)]").is_ok());
        assert!(PathExpression::parse("$.a[?(@.b==)]").is_err());
    }
}
