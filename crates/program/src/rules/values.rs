//! What may stand in a field: numbers, paths, timestamps.

use super::checker::{Checker, SCHEMA, Site, is_null};
use crate::expression::{Expression, PathExpression, Source};
use crate::state::Language;
use crate::time;
use stepwright_json::Json;
use stepwright_json::tree::Node;
use stepwright_jsonpath::ReferencePath;
use stepwright_source::Diagnostic;

/// What AWS says of a reference path without its `$`.
pub(super) const NO_REFERENCE: &str =
    "Value is not a Reference Path: Reference path didn't start with '$'";

impl<'d> Checker<'d> {
    /// A whole number that is written down.
    pub(super) fn whole_number(&mut self, site: &Site<'d>, key: &str, min: i64, max: Option<i64>) {
        let Some(node) = site.get(key) else { return };
        self.whole_number_at(node, &site.at(key), min, max);
    }

    fn whole_number_at(&mut self, node: &Node, location: &str, min: i64, max: Option<i64>) {
        match node.as_scalar() {
            Some(Json::Int(value)) => {
                if *value < min {
                    self.schema(format!("Minimum value is {min}"), location, node.span);
                } else if let Some(max) = max.filter(|max| value > max) {
                    self.schema(format!("Maximum value is {max}"), location, node.span);
                }
            }
            Some(value) if value.as_i64().is_some_and(|value| value >= min) => {}
            _ => {
                let message = "Expected value of type Integer";
                let mut diagnostic =
                    Diagnostic::error(SCHEMA, message).at(location).span(node.span);
                if node.as_str().is_some_and(|text| self.is_placeholder(text)) {
                    diagnostic =
                        diagnostic.help("give the `${…}` in it a value, and leave out the quotes");
                }
                self.report(diagnostic);
            }
        }
    }

    /// Any number that is written down.
    pub(super) fn number(&mut self, site: &Site<'d>, key: &str, min: f64, max: Option<f64>) {
        let Some(node) = site.get(key) else { return };
        let location = site.at(key);
        match node.as_scalar().and_then(Json::as_f64) {
            Some(value) if value < min => {
                self.schema(format!("Minimum value is {min:?}"), &location, node.span);
            }
            Some(value) => {
                if let Some(max) = max.filter(|max| value > *max) {
                    self.schema(format!("Maximum value is {max:?}"), &location, node.span);
                }
            }
            None => self.expect_type("NUMBER", &location, node),
        }
    }

    /// A number written down or, in JSONata, computed; or by a path under `key` + `Path`.
    pub(super) fn number_field(
        &mut self,
        site: &Site<'d>,
        key: &'static str,
        bounds: (i64, Option<i64>),
        language: Language,
    ) {
        self.number_or_path(site, key, bounds, language, Self::path);
    }

    /// As [`Self::number_field`], for the fields of a Map: its paths name one place.
    pub(super) fn map_number(
        &mut self,
        site: &Site<'d>,
        key: &'static str,
        bounds: (i64, Option<i64>),
        language: Language,
    ) {
        self.number_or_path(site, key, bounds, language, Self::reference_path);
    }

    fn number_or_path(
        &mut self,
        site: &Site<'d>,
        key: &'static str,
        (min, max): (i64, Option<i64>),
        language: Language,
        check_path: impl Fn(&mut Self, &Site<'d>, &str),
    ) {
        if language == Language::JsonPath {
            let path = format!("{key}Path");
            if site.has(&path) {
                self.only_one(site, &[key, &path]);
                check_path(self, site, &path);
            }
        }
        let Some(node) = site.get(key) else { return };
        if language == Language::Jsonata && self.is_jsonata(node, &site.at(key)) {
            return;
        }
        self.whole_number_at(node, &site.at(key), min, max);
    }

    /// Whether the node is a text with a mark of JSONata, which is then checked.
    pub(super) fn is_jsonata(&mut self, node: &'d Node, location: &str) -> bool {
        let Some(text) = node.as_str() else { return false };
        if text.starts_with("{%") || text.ends_with("%}") {
            self.jsonata_at(node, location);
            return true;
        }
        false
    }

    /// A field that holds a JSONPath.
    pub(super) fn path(&mut self, site: &Site<'d>, key: &str) {
        if let Some(node) = site.get(key) {
            self.path_at(node, &site.at(key));
        }
    }

    pub(super) fn path_at(&mut self, node: &'d Node, location: &str) {
        let Some(text) = node.as_str() else {
            return self.expect_type("STRING", location, node);
        };
        match PathExpression::parse(text) {
            Ok(path) => self.read_path(&path, node),
            Err(why) => {
                let diagnostic = Diagnostic::error(SCHEMA, "Value must be a valid JSONPath.")
                    .at(location)
                    .span(node.span)
                    .label(why);
                self.report(diagnostic);
            }
        }
    }

    /// `InputPath` and `OutputPath`: a path or null.
    pub(super) fn path_or_null(&mut self, site: &Site<'d>, key: &str) {
        if let Some(node) = site.get(key).filter(|node| !is_null(node)) {
            self.path_at(node, &site.at(key));
        }
    }

    /// `ErrorPath` and `CausePath`: a path or an intrinsic function.
    pub(super) fn path_or_call(&mut self, site: &Site<'d>, key: &str) {
        let Some(text) = self.text(site, key) else { return };
        let Some(node) = site.get(key) else { return };
        match Expression::parse_json_path(text, key) {
            Ok(expression) if makes_text(&expression) => self.read_expression(&expression, node),
            other => {
                let why = other.err().unwrap_or_else(|| {
                    "only Format, JsonToString, ArrayGetItem, Base64Encode, Base64Decode, Hash and \
                     UUID make a text"
                        .to_owned()
                });
                let diagnostic = Diagnostic::error(
                    SCHEMA,
                    "Value must be a valid JSONPath or a valid intrinsic function call",
                )
                .at(site.at(key))
                .span(node.span)
                .label(why);
                self.report(diagnostic);
            }
        }
    }

    /// A path that names one place in the state's input, or in a variable.
    pub(super) fn reference_path(&mut self, site: &Site<'d>, key: &str) {
        let Some(node) = site.get(key) else { return };
        let location = site.at(key);
        let found = self.found.len();
        self.path_at(node, &location);
        let Some(text) = node.as_str().filter(|_| self.found.len() == found) else { return };
        let names_one_place = PathExpression::parse(text)
            .is_ok_and(|path| path.source != Source::Context && path.path.is_reference());
        if !names_one_place {
            let diagnostic = Diagnostic::error(SCHEMA, "Value is not a Reference Path")
                .at(location)
                .span(node.span)
                .help("a reference path names one place: `$.a.b[0]`");
            self.report(diagnostic);
        }
    }

    /// `ResultPath`: a reference path or null.
    pub(super) fn result_path(&mut self, site: &Site<'d>) {
        let Some(node) = site.get("ResultPath").filter(|node| !is_null(node)) else { return };
        let location = site.at("ResultPath");
        let Some(text) = node.as_str() else {
            return self.expect_type("STRING", &location, node);
        };
        let Err(error) = ReferencePath::parse(text) else { return };
        let message =
            if text.starts_with('$') { "Value is not a Reference Path" } else { NO_REFERENCE };
        let (start, end) = (error.span.start as usize, error.span.end as usize);
        let diagnostic = Diagnostic::error(SCHEMA, message)
            .at(location)
            .span(self.inside(node, start, end.max(start)))
            .label(error.message)
            .help("a reference path names one place: `$.a.b[0]`");
        self.report(diagnostic);
    }

    pub(super) fn timestamp(&mut self, node: &'d Node, location: &str, language: Language) {
        let Some(text) = node.as_str() else {
            return self.expect_type("STRING", location, node);
        };
        let computed = language == Language::Jsonata && self.is_jsonata(node, location);
        if !computed && !self.is_placeholder(text) && time::parse(text).is_none() {
            let diagnostic = Diagnostic::error(SCHEMA, "String does not match RFC3339 timestamp")
                .at(location)
                .span(node.span)
                .help("write it like `2024-08-18T17:33:00Z`");
            self.report(diagnostic);
        }
    }

    /// A text; in JSONata it may be computed.
    pub(super) fn text_field(&mut self, site: &Site<'d>, key: &str, language: Language) {
        let Some(node) = site.get(key) else { return };
        if language == Language::Jsonata && self.is_jsonata(node, &site.at(key)) {
            return;
        }
        self.text(site, key);
    }
}

/// Whether an expression may stand for the text of an error.
fn makes_text(expression: &Expression) -> bool {
    const FUNCTIONS: [&str; 7] = [
        "States.Format",
        "States.JsonToString",
        "States.ArrayGetItem",
        "States.Base64Encode",
        "States.Base64Decode",
        "States.Hash",
        "States.UUID",
    ];
    match expression {
        Expression::Intrinsic(call) => {
            let name = call.text.split('(').next().unwrap_or_default().trim();
            FUNCTIONS.contains(&name)
        }
        _ => true,
    }
}

/// The text between `{%` and `%}`, and how many bytes stand before it.
pub(super) fn expression_text(text: &str) -> Option<(&str, usize)> {
    let inner = text.strip_prefix("{%")?.strip_suffix("%}")?;
    let start = inner.len() - inner.trim_start().len();
    Some((inner.trim(), start + 2))
}
