//! Builds CloudFormation templates, and the JSON that all resources use.

use crate::complaint::{Complaints, Refused, Subject};
use std::collections::BTreeSet;
use stepwright_constructs::Statement;
use stepwright_fluxio::Project;
use stepwright_json::{Json, Object, json};

/// The most resources of a template.
const MOST_RESOURCES: usize = 500;
/// The most parameters of a template.
const MOST_PARAMETERS: usize = 200;
/// The most outputs of a template.
const MOST_OUTPUTS: usize = 200;
/// The most bytes of a template.
const MOST_BYTES: usize = 1_000_000;

#[derive(Debug, Default)]
pub(crate) struct Template {
    description: String,
    parameters: Object,
    conditions: Object,
    resources: Object,
    outputs: Object,
    /// Ids that were used for two resources.
    taken_twice: Vec<String>,
}

impl Template {
    pub(crate) fn new(description: impl Into<String>) -> Self {
        Self { description: description.into(), ..Self::default() }
    }

    /// Adds a parameter, unless it exists.
    pub(crate) fn parameter(&mut self, name: &str, parameter: Json) {
        if !self.parameters.contains_key(name) {
            self.parameters.insert(name, parameter);
        }
    }

    /// Adds a text parameter without a default.
    pub(crate) fn text(&mut self, name: &str, description: &str) {
        self.parameter(name, json!({"Type": "String", "Description": description}));
    }

    pub(crate) fn condition(&mut self, name: &str, condition: Json) {
        self.conditions.insert(name, condition);
    }

    pub(crate) fn resource(&mut self, id: &str, kind: &str, properties: Json) {
        self.add(id, json!({"Type": kind, "Properties": (properties)}));
    }

    /// Adds a resource, with its properties and everything around them.
    pub(crate) fn add(&mut self, id: &str, resource: Json) {
        if self.resources.contains_key(id) {
            self.taken_twice.push(id.to_owned());
        }
        self.resources.insert(id, resource);
    }

    pub(crate) fn output(&mut self, name: &str, value: Json) {
        self.outputs.insert(name, json!({"Value": (value)}));
    }

    /// Adds an output that other stacks can import.
    pub(crate) fn export(&mut self, name: &str, value: Json, exported: &str) {
        self.outputs
            .insert(name, json!({"Value": (value), "Export": {"Name": (substituted(exported))}}));
    }

    /// Returns the template as text, unless it exceeds CloudFormation's limits. `subject` says
    /// whose template it is.
    pub(crate) fn finish(self, subject: &Subject, project: &Project) -> Result<Vec<u8>, Refused> {
        let mut complaints = Complaints::about(project);
        for id in &self.taken_twice {
            let message = format!("two resources of the template would have the id `{id}`");
            complaints.add(subject, message, "rename a task or a state machine");
        }
        self.check_substitutions(subject, &mut complaints);
        let mut template = Object::new();
        template.insert("AWSTemplateFormatVersion", "2010-09-09".into());
        template.insert("Description", self.description.as_str().into());
        for (name, most, members) in [
            ("Parameters", MOST_PARAMETERS, &self.parameters),
            ("Conditions", usize::MAX, &self.conditions),
            ("Resources", MOST_RESOURCES, &self.resources),
            ("Outputs", MOST_OUTPUTS, &self.outputs),
        ] {
            if members.len() > most {
                let message = format!(
                    "the template has {} {}; CloudFormation takes {most}",
                    members.len(),
                    name.to_lowercase()
                );
                complaints.add(subject, message, "split the project into several");
            }
            if !members.is_empty() {
                template.insert(name, members.clone().into());
            }
        }
        let mut text = Json::from(template).pretty();
        text.push('\n');
        if text.len() > MOST_BYTES {
            let message =
                format!("the template has {} bytes; CloudFormation takes 1 MB", text.len());
            complaints.add(subject, message, "split the project into several");
        }
        complaints.or_ok(text.into_bytes())
    }
}

impl Template {
    /// Reports placeholders without a value, which a project may have written itself.
    fn check_substitutions(&self, subject: &Subject, complaints: &mut Complaints) {
        let mut names = BTreeSet::new();
        for (_, resource) in self.resources.iter() {
            substitutions(resource, &mut names);
        }
        for name in names {
            let id = name.split('.').next().unwrap_or_default();
            let is_known = name.starts_with('!')
                || name.starts_with("AWS::")
                || self.parameters.contains_key(id)
                || self.resources.contains_key(id);
            if !is_known {
                let message = format!("`${{{name}}}` stands for nothing in the template");
                let help = "write `${Environment}`, or a name that begins with `AWS::`";
                complaints.add(subject, message, help);
            }
        }
    }
}

/// Collects the names of placeholders in `Fn::Sub` texts.
fn substitutions(json: &Json, names: &mut BTreeSet<String>) {
    for item in json.as_array().into_iter().flat_map(|list| list.iter()) {
        substitutions(item, names);
    }
    for (key, value) in json.as_object().into_iter().flat_map(Object::iter) {
        match value.as_str() {
            Some(text) if key.as_str() == "Fn::Sub" => {
                let places = text.split("${").skip(1);
                names.extend(places.filter_map(|place| Some(place.split_once('}')?.0.to_owned())));
            }
            _ => substitutions(value, names),
        }
    }
}

/// `Ref`.
pub(crate) fn reference(id: &str) -> Json {
    json!({"Ref": id})
}

/// `Fn::GetAtt`.
pub(crate) fn attribute(id: &str, attribute: &str) -> Json {
    json!({"Fn::GetAtt": [id, attribute]})
}

/// `Fn::Sub`: a text in which CloudFormation replaces `${Name}`.
pub(crate) fn substituted(text: &str) -> Json {
    if text.contains("${") { json!({"Fn::Sub": text}) } else { text.into() }
}

/// An ARN in the stack's region and account.
pub(crate) fn local_arn(service: &str, rest: &str) -> Json {
    let place = "${AWS::Region}:${AWS::AccountId}";
    substituted(&format!("arn:${{AWS::Partition}}:{service}:{place}:{rest}"))
}

/// A policy statement. A single resource is written by itself, several as a list.
pub(crate) fn allow(actions: &[&str], resources: Vec<Json>) -> Json {
    let action = match actions {
        [one] => Json::from(*one),
        several => several.iter().copied().map(Json::from).collect::<Vec<_>>().into(),
    };
    let mut statement = Object::new();
    statement.insert("Effect", "Allow".into());
    statement.insert("Action", action);
    statement.insert("Resource", one_or_list(resources));
    statement.into()
}

pub(crate) fn one_or_list(mut items: Vec<Json>) -> Json {
    if items.len() == 1 { items.remove(0) } else { items.into() }
}

/// An inline policy of a role.
pub(crate) fn policy(statements: Vec<Json>) -> Json {
    json!({"Version": "2012-10-17", "Statement": (statements)})
}

/// The statements as JSON. Those that differ only in their resources are combined, because the
/// policies of a role have a limited size.
pub(crate) fn statements(statements: &[Statement]) -> Vec<Json> {
    let mut merged: Vec<(Object, Vec<Json>)> = Vec::new();
    for statement in statements {
        let mut statement = statement.to_cloudformation().as_object().cloned().unwrap_or_default();
        let resources = match statement.remove("Resource").unwrap_or_default() {
            Json::Array(resources) => resources.to_vec(),
            one => vec![one],
        };
        let index = merged.iter().position(|(known, _)| *known == statement);
        let index = index.unwrap_or_else(|| {
            merged.push((statement, Vec::new()));
            merged.len() - 1
        });
        for resource in resources {
            if !merged[index].1.contains(&resource) {
                merged[index].1.push(resource);
            }
        }
    }
    let whole = |(mut statement, resources): (Object, Vec<Json>)| {
        statement.insert("Resource", one_or_list(resources));
        Json::from(statement)
    };
    merged.into_iter().map(whole).collect()
}
