use super::Compiler;
use super::fields::Fields;
use crate::expression::{Expression, PathExpression};
use crate::state::{InputPath, Language, NumberField, ResultPath, TextField};
use crate::template::Template;
use std::fmt::Write as _;
use stepwright_json::tree::{Node, Value};
use stepwright_json::{Json, Str, java};
use stepwright_jsonpath::ReferencePath;
use stepwright_source::{Diagnostic, Span};

/// The text between `{%` and `%}`, and how many bytes stand before it; `None` for plain text.
pub(super) fn jsonata_text(text: &str) -> Option<(&str, usize)> {
    let inner = text.strip_prefix("{%")?.strip_suffix("%}")?;
    let start = inner.len() - inner.trim_start().len();
    Some((inner.trim(), start + 2))
}

impl Compiler {
    /// The payload `field` of a state.
    pub(super) fn template(
        &mut self,
        fields: &Fields<'_>,
        field: &str,
        language: Language,
    ) -> Option<Template> {
        let node = fields.get(field)?;
        let location = format!("{}/{field}", fields.location);
        Some(match language {
            Language::JsonPath => self.json_path_template(node, &location),
            Language::Jsonata => {
                self.jsonata_template(node, &mut fields.trail_of(field), fields.state())
            }
        })
    }

    fn json_path_template(&mut self, node: &Node, location: &str) -> Template {
        match &node.value {
            Value::Scalar(value) => Template::Literal(value.clone()),
            Value::Array(items) => {
                let items: Vec<_> =
                    items.iter().map(|item| self.json_path_template(item, location)).collect();
                fold_array(items)
            }
            Value::Object(members) => {
                // AWS puts what is computed behind what is written down, in the order of a hash map.
                let mut plain: Vec<(Str, Template)> = Vec::new();
                let mut computed: Vec<(Str, Template)> = Vec::new();
                for member in members {
                    let Some(key) = member.key.strip_suffix(".$") else {
                        let value = self.json_path_template(&member.value, location);
                        plain.push((member.key.clone(), value));
                        continue;
                    };
                    let expression = member
                        .value
                        .as_str()
                        .and_then(|text| Expression::parse_json_path(text, &member.key).ok());
                    match expression {
                        Some(expression) => {
                            computed.push((key.into(), Template::Expression(expression)));
                        }
                        None => self.complain(
                            format!(
                                "The value for the field '{}' must be a valid JSONPath or a valid \
                                 intrinsic function call",
                                member.key
                            ),
                            location,
                            member.value.span,
                        ),
                    }
                }
                java::hash_order(&mut computed, 0, |(key, _)| java::hash_text(key));
                plain.append(&mut computed);
                fold_object(plain)
            }
        }
    }

    /// `trail` is where the value stands within the state, `Output/total[0]`; `base` is where the
    /// state stands. The trail grows and shrinks on the way, so that only what needs it copies it.
    fn jsonata_template(&mut self, node: &Node, trail: &mut String, base: &str) -> Template {
        let length = trail.len();
        match &node.value {
            Value::Scalar(Json::String(text)) => match jsonata_text(text) {
                Some(_) => match self.jsonata(node, trail, &format!("{base}/{trail}")) {
                    Some(expression) => Template::Expression(expression),
                    None => Template::Literal(Json::Null),
                },
                None => Template::Literal(Json::String(text.clone())),
            },
            Value::Scalar(value) => Template::Literal(value.clone()),
            Value::Array(items) => {
                let mut templates = Vec::with_capacity(items.len());
                for (at, item) in items.iter().enumerate() {
                    write!(trail, "[{at}]").expect("strings grow");
                    templates.push(self.jsonata_template(item, trail, base));
                    trail.truncate(length);
                }
                fold_array(templates)
            }
            Value::Object(members) => {
                let mut templates = Vec::with_capacity(members.len());
                for member in members {
                    trail.push('/');
                    trail.push_str(&member.key);
                    let template = self.jsonata_template(&member.value, trail, base);
                    templates.push((member.key.clone(), template));
                    trail.truncate(length);
                }
                fold_object(templates)
            }
        }
    }

    /// A string that is a JSONata expression. A complaint points into it.
    pub(super) fn jsonata(
        &mut self,
        node: &Node,
        field: &str,
        location: &str,
    ) -> Option<Expression> {
        let text = node.as_str()?;
        let (inner, _) = jsonata_text(text)?;
        match Expression::parse_jsonata(inner, field) {
            Ok(expression) => Some(expression),
            Err(error) => {
                self.diagnostics.push(
                    Diagnostic::error("INVALID_JSONATA_EXPRESSION", error.message)
                        .at(location)
                        .span(node.span),
                );
                None
            }
        }
    }

    pub(super) fn path(&mut self, fields: &Fields<'_>, field: &str) -> Option<PathExpression> {
        let node = fields.get(field)?;
        let location = format!("{}/{field}", fields.location);
        self.path_at(node, &location)
    }

    pub(super) fn path_at(&mut self, node: &Node, location: &str) -> Option<PathExpression> {
        let parsed = node.as_str().map(PathExpression::parse);
        match parsed {
            Some(Ok(path)) => Some(path),
            Some(Err(why)) => {
                self.diagnostics.push(
                    Diagnostic::error(
                        "SCHEMA_VALIDATION_FAILED",
                        "Value must be a valid JSONPath.",
                    )
                    .at(location)
                    .span(node.span)
                    .label(why),
                );
                None
            }
            None => {
                self.complain("Expected value of type [STRING]", location, node.span);
                None
            }
        }
    }

    pub(super) fn input_path(&mut self, fields: &Fields<'_>, field: &str) -> InputPath {
        match fields.get(field) {
            None => InputPath::Whole,
            Some(node) if matches!(node.value, Value::Scalar(Json::Null)) => InputPath::Nothing,
            Some(node) if node.as_str() == Some("$") => InputPath::Whole,
            Some(_) => self.path(fields, field).map_or(InputPath::Whole, InputPath::Path),
        }
    }

    pub(super) fn result_path(&mut self, fields: &Fields<'_>) -> ResultPath {
        let Some(node) = fields.get("ResultPath") else { return ResultPath::Replace };
        match &node.value {
            Value::Scalar(Json::Null) => ResultPath::Discard,
            Value::Scalar(Json::String(text)) if text == "$" => ResultPath::Replace,
            Value::Scalar(Json::String(text)) => match ReferencePath::parse(text) {
                Ok(path) => ResultPath::At(path),
                Err(_) => {
                    let location = format!("{}/ResultPath", fields.location);
                    self.complain("Value is not a Reference Path", &location, node.span);
                    ResultPath::Replace
                }
            },
            _ => {
                let location = format!("{}/ResultPath", fields.location);
                self.complain("Expected value of type [STRING]", &location, node.span);
                ResultPath::Replace
            }
        }
    }

    /// A number that must be written down.
    pub(super) fn number(&mut self, fields: &Fields<'_>, field: &str) -> Option<f64> {
        let node = fields.get(field)?;
        let number = node.as_scalar().and_then(Json::as_f64);
        if number.is_none() {
            let location = format!("{}/{field}", fields.location);
            self.complain("Expected value of type [NUMBER]", &location, node.span);
        }
        number
    }

    /// A number under `field`, or a path to one under `field` + `Path`.
    pub(super) fn number_field(
        &mut self,
        fields: &Fields<'_>,
        field: &str,
        language: Language,
    ) -> Option<NumberField> {
        let path_field = format!("{field}Path");
        if language == Language::JsonPath && fields.get(&path_field).is_some() {
            return self.path(fields, &path_field).map(NumberField::Path);
        }
        let node = fields.get(field)?;
        if language == Language::Jsonata && node.as_str().is_some_and(|t| jsonata_text(t).is_some())
        {
            let location = format!("{}/{field}", fields.location);
            return self
                .jsonata(node, &fields.trail_of(field), &location)
                .map(NumberField::Jsonata);
        }
        self.number(fields, field).map(NumberField::Literal)
    }

    /// A text under `field`, or a path or intrinsic function under `field` + `Path`.
    pub(super) fn text_field(
        &mut self,
        fields: &Fields<'_>,
        field: &str,
        language: Language,
    ) -> Option<TextField> {
        let path_field = format!("{field}Path");
        if let Some(node) = fields.get(&path_field) {
            let parsed =
                node.as_str().and_then(|text| Expression::parse_json_path(text, &path_field).ok());
            if parsed.is_none() {
                let location = format!("{}/{path_field}", fields.location);
                self.complain("Value must be a valid JSONPath.", &location, node.span);
            }
            return parsed.map(TextField::Path);
        }
        let node = fields.get(field)?;
        let location = format!("{}/{field}", fields.location);
        match node.as_str() {
            Some(text) if language == Language::Jsonata && jsonata_text(text).is_some() => {
                self.jsonata(node, &fields.trail_of(field), &location).map(TextField::Jsonata)
            }
            Some(text) => Some(TextField::Literal(text.into())),
            None => {
                self.complain("Expected value of type [STRING]", &location, node.span);
                None
            }
        }
    }

    pub(super) fn text(&mut self, fields: &Fields<'_>, field: &str) -> Option<Str> {
        let node = fields.get(field)?;
        let text = node.as_str();
        if text.is_none() {
            let location = format!("{}/{field}", fields.location);
            self.wrong_type("STRING", &location, node.span);
        }
        text.map(Str::from)
    }

    pub(super) fn wrong_type(&mut self, wanted: &str, location: &str, span: Span) {
        self.complain(format!("Expected value of type [{wanted}]"), location, span);
    }
}

/// An array of literals is a literal.
fn fold_array(items: Vec<Template>) -> Template {
    if items.iter().all(|item| matches!(item, Template::Literal(_))) {
        let literal = |item| match item {
            Template::Literal(value) => value,
            _ => unreachable!("all are literals"),
        };
        return Template::Literal(items.into_iter().map(literal).collect::<Vec<_>>().into());
    }
    Template::Array(items)
}

/// An object of literals is a literal.
fn fold_object(members: Vec<(Str, Template)>) -> Template {
    if members.iter().all(|(_, member)| matches!(member, Template::Literal(_))) {
        let literal = |(key, member)| match member {
            Template::Literal(value) => (key, value),
            _ => unreachable!("all are literals"),
        };
        return Template::Literal(Json::Object(members.into_iter().map(literal).collect()));
    }
    Template::Object(members)
}
