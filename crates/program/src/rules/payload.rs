//! `Parameters`, `Arguments`, `ResultSelector`, `Output`, `ItemSelector` and their like.

use super::checker::{Checker, SCHEMA, Site};
use super::jsonata::Place;
use crate::expression::Expression;
use crate::state::Language;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use stepwright_json::tree::{Node, Value};
use stepwright_source::Diagnostic;
use stepwright_source::Span;

impl<'d> Checker<'d> {
    /// A payload of either language.
    pub(super) fn payload(&mut self, site: &Site<'d>, key: &str, language: Language, place: Place) {
        let Some(node) = site.get(key) else { return };
        let location = site.at(key);
        match language {
            Language::JsonPath => self.json_path_payload(node, &location),
            Language::Jsonata => {
                // `Output` may be anything; the others are an object or an expression.
                if matches!(key, "Arguments" | "ItemSelector" | "BatchInput" | "Assign")
                    && !node.is_object()
                    && (key == "Assign" || node.as_str().is_none())
                {
                    self.expect_type("OBJECT", &location, node);
                }
                self.jsonata_payload(node, &mut location.clone(), place);
            }
        }
    }

    /// JSON whose members ending in `.$` are computed. AWS gives the place of the whole field.
    pub(super) fn json_path_payload(&mut self, node: &'d Node, location: &str) {
        match &node.value {
            Value::Scalar(_) => {}
            Value::Array(items) => {
                for item in items {
                    self.json_path_payload(item, location);
                }
            }
            Value::Object(members) => {
                let plain = members.iter().filter(|member| !member.key.ends_with(".$"));
                let plain: BTreeMap<&str, Span> =
                    plain.map(|member| (member.key.as_str(), member.key_span)).collect();
                for member in members {
                    if !member.key.ends_with(".$") {
                        self.looks_computed(member, location);
                        self.json_path_payload(&member.value, location);
                        continue;
                    }
                    let parsed = member
                        .value
                        .as_str()
                        .ok_or_else(|| "a text is wanted here".to_owned())
                        .and_then(|text| Expression::parse_json_path(text, &member.key));
                    match parsed {
                        Ok(expression) => self.read_expression(&expression, &member.value),
                        Err(why) => {
                            let message = format!(
                                "The value for the field '{}' must be a valid JSONPath or a valid \
                                 intrinsic function call",
                                member.key
                            );
                            let diagnostic = Diagnostic::error(SCHEMA, message)
                                .at(location)
                                .span(member.value.span)
                                .label(why);
                            self.report(diagnostic);
                        }
                    }
                    let name = member.key.strip_suffix(".$").unwrap_or_default();
                    if let Some(twin) = plain.get(name) {
                        let message = format!(
                            "The field '{name}' cannot be specified twice: '{name}' and '{}'",
                            member.key
                        );
                        let diagnostic = Diagnostic::error(SCHEMA, message)
                            .at(location)
                            .span(member.key_span)
                            .also(*twin, "this one is there as well");
                        self.report(diagnostic);
                    }
                }
            }
        }
    }

    /// JSON whose texts may be expressions.
    pub(super) fn jsonata_payload(&mut self, node: &'d Node, location: &mut String, place: Place) {
        let here = location.len();
        match &node.value {
            Value::Scalar(_) => self.jsonata_text(node, location, place),
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    let _ = write!(location, "[{at}]");
                    self.jsonata_payload(item, location, place);
                    location.truncate(here);
                }
            }
            Value::Object(members) => {
                for member in members {
                    location.push('/');
                    location.push_str(&member.key);
                    self.jsonata_payload(&member.value, location, place);
                    location.truncate(here);
                }
            }
        }
    }
}
