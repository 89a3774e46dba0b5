//! The rules of a Choice.

use super::checker::{Checker, SCHEMA, Site, opening};
use super::jsonata::Place;
use super::machine::Around;
use super::values::NO_REFERENCE;
use crate::state::Language;
use stepwright_json::Json;
use stepwright_json::tree::{Member, Node};
use stepwright_source::Diagnostic;

pub(super) const SELECTORS: [&str; 5] = ["And", "Or", "Not", "Variable", "Condition"];
pub(super) const RULE: [&str; 5] = ["Next", "Comment", "Assign", "Output", "Condition"];

/// How deep `And`, `Or` and `Not` may stand within each other.
const MAX_DEPTH: usize = 100;

/// Every comparison and what it compares with.
pub(super) const COMPARISONS: [(&str, Operand); 40] = [
    ("StringEquals", Operand::Text),
    ("StringEqualsPath", Operand::Path),
    ("StringLessThan", Operand::Text),
    ("StringLessThanPath", Operand::Path),
    ("StringGreaterThan", Operand::Text),
    ("StringGreaterThanPath", Operand::Path),
    ("StringLessThanEquals", Operand::Text),
    ("StringLessThanEqualsPath", Operand::Path),
    ("StringGreaterThanEquals", Operand::Text),
    ("StringGreaterThanEqualsPath", Operand::Path),
    ("StringMatches", Operand::Text),
    ("NumericEquals", Operand::Number),
    ("NumericEqualsPath", Operand::Path),
    ("NumericLessThan", Operand::Number),
    ("NumericLessThanPath", Operand::Path),
    ("NumericGreaterThan", Operand::Number),
    ("NumericGreaterThanPath", Operand::Path),
    ("NumericLessThanEquals", Operand::Number),
    ("NumericLessThanEqualsPath", Operand::Path),
    ("NumericGreaterThanEquals", Operand::Number),
    ("NumericGreaterThanEqualsPath", Operand::Path),
    ("BooleanEquals", Operand::Flag),
    ("BooleanEqualsPath", Operand::Path),
    ("TimestampEquals", Operand::Timestamp),
    ("TimestampEqualsPath", Operand::Path),
    ("TimestampLessThan", Operand::Timestamp),
    ("TimestampLessThanPath", Operand::Path),
    ("TimestampGreaterThan", Operand::Timestamp),
    ("TimestampGreaterThanPath", Operand::Path),
    ("TimestampLessThanEquals", Operand::Timestamp),
    ("TimestampLessThanEqualsPath", Operand::Path),
    ("TimestampGreaterThanEquals", Operand::Timestamp),
    ("TimestampGreaterThanEqualsPath", Operand::Path),
    ("IsNull", Operand::Flag),
    ("IsPresent", Operand::Flag),
    ("IsNumeric", Operand::Flag),
    ("IsString", Operand::Flag),
    ("IsBoolean", Operand::Flag),
    ("IsTimestamp", Operand::Flag),
    ("Variable", Operand::Path),
];

#[derive(Clone, Copy)]
pub(super) enum Operand {
    Text,
    Number,
    Flag,
    Timestamp,
    Path,
}

impl<'d> Checker<'d> {
    pub(super) fn choice(&mut self, site: &Site<'d>, language: Language, around: Around) {
        self.required(site, &["Choices"]);
        self.text(site, "Default");
        for rule in self.objects(site, "Choices", false) {
            self.required(&rule, &["Next"]);
            self.text(&rule, "Next");
            match language {
                Language::JsonPath => {
                    self.condition(&rule, 0);
                    if rule.has("Output") {
                        self.wrong_language(&rule, "Output", "JSONPath", "JSONata");
                    }
                }
                Language::Jsonata => self.jsonata_rule(&rule),
            }
            self.text(&rule, "Comment");
            self.assign(&rule, language, Place::Input, around);
        }
    }

    fn jsonata_rule(&mut self, rule: &Site<'d>) {
        for member in rule.members() {
            let key = member.key.as_str();
            if RULE.contains(&key) {
                continue;
            }
            let json_path = COMPARISONS.iter().any(|(name, _)| *name == key);
            if json_path || SELECTORS.contains(&key) {
                self.wrong_language(rule, key, "JSONata", "JSONPath");
            } else {
                self.unknown_field(rule, member);
            }
        }
        self.payload(rule, "Output", Language::Jsonata, Place::Input);
        let Some(condition) = rule.get("Condition") else {
            if !SELECTORS.iter().any(|key| rule.has(key)) {
                self.required(rule, &["Condition"]);
            }
            return;
        };
        if condition.as_scalar().and_then(Json::as_bool).is_none() {
            self.only_jsonata(condition, &rule.at("Condition"));
        }
    }

    fn unknown_field(&mut self, rule: &Site<'d>, member: &Member) {
        let message = format!("Field '{}' is not supported", member.key);
        let mut diagnostic = Diagnostic::error(SCHEMA, message)
            .at(&rule.location)
            .span(member.key_span)
            .label("not a field of a choice rule");
        let names = COMPARISONS.iter().map(|(name, _)| *name).chain(SELECTORS).chain(RULE);
        if let Some(near) = self.nearest(&member.key, names) {
            diagnostic = diagnostic.meant(&member.key, near);
        }
        self.report(diagnostic);
    }

    /// A rule of JSONPath, or a part of one.
    fn condition(&mut self, rule: &Site<'d>, depth: usize) {
        if depth > MAX_DEPTH {
            let diagnostic =
                Diagnostic::error("TOO_DEEPLY_NESTED", "Conditions are nested too deeply")
                    .at(&rule.location)
                    .span(opening(rule.node));
            return self.report(diagnostic);
        }
        let present: Vec<&str> = SELECTORS.into_iter().filter(|key| rule.has(key)).collect();
        if rule.has("Condition") {
            self.wrong_language(rule, "Condition", "JSONPath", "JSONata");
            if present.len() == 1 {
                return;
            }
        }
        if present.len() != 1 {
            let message = format!(
                "The object must have only one of the following fields, [{}]",
                SELECTORS.join(", ")
            );
            self.schema(message, &rule.location, opening(rule.node));
        }
        let mut comparisons = Vec::new();
        for member in rule.members() {
            let key = member.key.as_str();
            if depth == 0 && RULE.contains(&key) || key == "Comment" || key == "Condition" {
                continue;
            }
            match key {
                "And" | "Or" => {
                    for part in self.objects(rule, key, false) {
                        self.condition(&part, depth + 1);
                    }
                }
                "Not" => {
                    if let Some(part) = rule.child("Not")
                        && self.object(&part)
                    {
                        self.condition(&part, depth + 1);
                    }
                }
                _ => match COMPARISONS.iter().find(|(name, _)| *name == key) {
                    Some((_, operand)) => {
                        if key != "Variable" {
                            comparisons.push(member);
                        }
                        self.operand(rule, member, *operand);
                    }
                    None => self.unknown_field(rule, member),
                },
            }
        }
        if rule.has("Variable") && comparisons.len() != 1 {
            let names: Vec<&str> =
                COMPARISONS.iter().map(|(name, _)| *name).filter(|n| *n != "Variable").collect();
            self.exactly_one(rule, &names, "say what `Variable` is compared with");
        } else if let (false, [stray, ..], [_]) =
            (rule.has("Variable"), &comparisons[..], &present[..])
        {
            let message = format!("Field '{}' is not supported", stray.key);
            self.schema(message, &rule.location, stray.key_span);
        }
    }

    fn operand(&mut self, rule: &Site<'d>, member: &'d Member, operand: Operand) {
        let node: &'d Node = &member.value;
        let location = rule.at(&member.key);
        match operand {
            Operand::Path => match node.as_str() {
                Some(text) if !text.starts_with('$') && !self.is_placeholder(text) => {
                    self.schema(NO_REFERENCE, &location, node.span);
                }
                _ => self.path_at(node, &location),
            },
            Operand::Timestamp => {
                if self.no_path(node, &member.key, &location) {
                    self.timestamp(node, &location, Language::JsonPath);
                }
            }
            Operand::Text => {
                if node.as_str().is_none() {
                    self.expect_type("STRING", &location, node);
                } else {
                    self.no_path(node, &member.key, &location);
                }
            }
            Operand::Number => {
                let text = node.as_str();
                if !node.as_scalar().is_some_and(Json::is_number)
                    && !text.is_some_and(|text| self.is_placeholder(text))
                {
                    self.expect_type("NUMBER", &location, node);
                }
            }
            Operand::Flag => {
                if node.as_scalar().and_then(Json::as_bool).is_none() {
                    self.expect_type("BOOLEAN", &location, node);
                }
            }
        }
    }
}
