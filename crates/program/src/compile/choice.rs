use super::fields::Fields;
use super::{Compiler, Names};
use crate::choice::{Comparison, Condition, Operand, Test};
use crate::state::{Choice, ChoiceRule, Language};
use stepwright_json::tree::Node;

/// How deep `And`, `Or` and `Not` may stand within each other.
const MAX_DEPTH: usize = 200;

impl Compiler {
    pub(super) fn choice(
        &mut self,
        fields: &Fields<'_>,
        language: Language,
        names: &Names,
    ) -> Option<Choice> {
        let items = fields.items("Choices");
        if items.is_empty() {
            self.missing(fields, "Choices");
            return None;
        }
        let mut rules = Vec::new();
        for rule in &items {
            let condition = match language {
                Language::JsonPath => self.condition(rule, 0),
                Language::Jsonata => self.jsonata_condition(rule),
            };
            let Some(next) = rule.text("Next") else {
                self.missing(rule, "Next");
                continue;
            };
            let next = self.target(rule, "Next", next, names);
            let assign = self.template(rule, "Assign", language);
            let output = match language {
                Language::JsonPath => None,
                Language::Jsonata => self.template(rule, "Output", language),
            };
            if let (Some(condition), Some(next)) = (condition, next) {
                rules.push(ChoiceRule { condition, next, assign, output });
            }
        }
        let default = match fields.text("Default") {
            Some(name) => Some(self.target(fields, "Default", name, names)?),
            None => None,
        };
        Some(Choice { rules, default })
    }

    fn jsonata_condition(&mut self, rule: &Fields<'_>) -> Option<Condition> {
        let Some(node) = rule.get("Condition") else {
            self.missing(rule, "Condition");
            return None;
        };
        if let Some(holds) = rule.flag("Condition") {
            // `true` and `false` may be written without `{% %}`.
            return Some(if holds { Condition::And(vec![]) } else { Condition::Or(vec![]) });
        }
        let location = format!("{}/Condition", rule.location);
        match self.jsonata(node, &rule.trail_of("Condition"), &location) {
            Some(expression) => Some(Condition::Jsonata(expression)),
            None => {
                if node.as_str().is_none_or(|t| super::template::jsonata_text(t).is_none()) {
                    self.complain(
                        "JSONata string must start with {% and end with %}",
                        &location,
                        node.span,
                    );
                }
                None
            }
        }
    }

    fn condition(&mut self, fields: &Fields<'_>, depth: usize) -> Option<Condition> {
        if depth > MAX_DEPTH {
            self.complain("Conditions are nested too deeply", &fields.location, fields.node.span);
            return None;
        }
        for (key, make) in
            [("And", Condition::And as fn(Vec<Condition>) -> Condition), ("Or", Condition::Or)]
        {
            if fields.get(key).is_some() {
                let parts: Vec<_> =
                    fields.items(key).iter().map(|part| self.condition(part, depth + 1)).collect();
                return parts.into_iter().collect::<Option<_>>().map(make);
            }
        }
        if let Some(part) = fields.child("Not") {
            return self.condition(&part, depth + 1).map(|part| Condition::Not(Box::new(part)));
        }
        let variable = fields.get("Variable");
        if variable.is_none() {
            self.missing(fields, "Variable");
        }
        let variable = self.path(fields, "Variable");
        let comparison = self.comparison(fields);
        Some(Condition::Test(Test { variable: variable?, comparison: comparison? }))
    }

    fn comparison(&mut self, fields: &Fields<'_>) -> Option<Comparison> {
        const PLAIN: [&str; 5] = ["Variable", "Next", "Comment", "Assign", "Output"];
        let member =
            fields.node.members().iter().find(|member| !PLAIN.contains(&member.key.as_str()));
        let Some(member) = member else {
            self.complain("A choice rule needs a comparison", &fields.location, fields.node.span);
            return None;
        };
        let location = format!("{}/{}", fields.location, member.key);
        let operand = if member.key.ends_with("Path") {
            Operand::Path(self.path_at(&member.value, &location)?)
        } else {
            Operand::Literal(Node::to_json(&member.value))
        };
        let comparison = Comparison::named(&member.key, operand);
        if comparison.is_none() {
            let message = format!("Field '{}' is not supported", member.key);
            self.complain(message, &location, member.key_span);
        }
        comparison
    }
}
