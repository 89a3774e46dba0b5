//! What a template declares: its resources, with their properties as far as they are known.

use crate::assembled::Assembled;
use crate::load::{Complaint, Format, Strictness, read};
use crate::resolve::{BUDGET, Resolver};
use crate::substitute::{HELD, released};
use crate::template::{is_template, resources};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stepwright_json::tree::{Member, Node};
use stepwright_json::{Json, Object};
use stepwright_source::Span;

/// A template of CloudFormation or SAM.
#[derive(Clone, Debug)]
pub struct Template {
    /// The name of the file.
    pub file: String,
    /// Its text.
    pub text: Arc<str>,
    root: Node,
}

/// A resource of a template.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Its logical id.
    pub logical_id: String,
    /// Its type, such as `AWS::SQS::Queue`.
    pub kind: String,
    /// Its properties. What is not known yet stands in them as `${Name}` or `${Name.Attribute}`.
    pub properties: Json,
    /// Its metadata, likewise.
    pub metadata: Json,
    /// The logical ids that `DependsOn` names.
    pub depends_on: Vec<String>,
    /// The names and attributes in its properties whose values are not known.
    pub unknown: BTreeSet<String>,
    /// Where its logical id stands.
    pub span: Span,
}

impl Template {
    /// Reads a template. `None` if the file is none; the complaints say what cannot be read.
    pub fn read(bytes: &[u8], file: &str) -> (Option<Self>, Vec<Complaint>) {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        // What is not UTF-8 is complained of when the state machines are read.
        let Ok(text) = std::str::from_utf8(bytes) else { return (None, Vec::new()) };
        let text: Arc<str> = text.into();
        let mut raw = Assembled::default();
        raw.push_verbatim(&text, 0);
        let (found, root) = read(&raw, Format::of(file, &text), Strictness::File);
        let complaints = found.into_iter().map(|diagnostic| Complaint {
            file: file.to_owned(),
            text: text.clone(),
            diagnostic,
        });
        let complaints = complaints.collect();
        let root = root.filter(is_template);
        (root.map(|root| Self { file: file.to_owned(), text, root }), complaints)
    }

    /// The resources, without those whose condition does not hold, in order. `values` has what is
    /// known of parameters (`Stage`), resources (`Orders`, `Orders.Arn`) and pseudo parameters
    /// (`AWS::Region`).
    pub fn resources(&self, values: &BTreeMap<String, String>) -> Vec<Resource> {
        let resolver = self.resolver(values);
        // `Fn::ForEach` makes resources.
        let is_looped = |member: &Member| member.key.starts_with("Fn::ForEach::");
        let whole = self.root.get("Resources").filter(|all| all.members().iter().any(is_looped));
        let made = whole.and_then(|all| resolver.value(all));
        let members = made.as_ref().map_or_else(|| resources(&self.root), Node::members);
        let is_wanted = |member: &&Member| match member.value.get("Condition") {
            Some(condition) => resolver.holds(condition),
            None => true,
        };
        let members = members.iter().filter(is_wanted);
        members.filter_map(|member| resource(member, &resolver)).collect()
    }

    /// A section of the template, such as `Globals`, with its values as far as they are known.
    pub fn section(&self, name: &str, values: &BTreeMap<String, String>) -> Option<Json> {
        let node = self.root.get(name)?;
        let (json, _) = known(&self.resolver(values).value(node)?);
        Some(json)
    }

    /// The parameters: their names, types and defaults.
    pub fn parameters(&self) -> Vec<(String, String, Option<String>)> {
        let parameters = self.root.get("Parameters").map_or(&[] as &[Member], Node::members);
        let text = |node: &Node| match node.as_scalar() {
            Some(Json::String(text)) => Some(text.to_string()),
            Some(scalar) => Some(scalar.to_string()),
            None => None,
        };
        let parameter = |member: &Member| {
            let kind = member.value.get("Type").and_then(Node::as_str).unwrap_or("String");
            (member.key.to_string(), kind.to_owned(), member.value.get("Default").and_then(text))
        };
        parameters.iter().map(parameter).collect()
    }

    fn resolver<'t>(&'t self, values: &'t BTreeMap<String, String>) -> Resolver<'t> {
        Resolver {
            root: &self.root,
            text: &self.text,
            values,
            resources: None,
            machine_arn: None,
            budget: Cell::new(BUDGET),
            inverted: Cell::new(false),
            decided: Cell::new(false),
            escaped: RefCell::default(),
        }
    }
}

fn resource(member: &Member, resolver: &Resolver<'_>) -> Option<Resource> {
    let kind = member.value.get("Type").and_then(Node::as_str)?;
    let part = |name: &str| match member.value.get(name).and_then(|node| resolver.value(node)) {
        Some(node) => known(&node),
        None => (Json::Object(Object::new()), BTreeSet::new()),
    };
    let (properties, unknown) = part("Properties");
    let depends_on = match member.value.get("DependsOn") {
        Some(one) if one.as_str().is_some() => std::slice::from_ref(one),
        Some(several) => several.items(),
        None => &[],
    };
    Some(Resource {
        logical_id: member.key.to_string(),
        kind: kind.to_owned(),
        properties,
        metadata: part("Metadata").0,
        depends_on: depends_on.iter().filter_map(Node::as_str).map(str::to_owned).collect(),
        unknown,
        span: member.key_span,
    })
}

/// A value, and the names in it that have none.
fn known(node: &Node) -> (Json, BTreeSet<String>) {
    let mut unknown = BTreeSet::new();
    let mut node = node.clone();
    let replaced = crate::template::map_texts(&mut node, &mut |text, _| {
        if !text.contains(HELD) {
            return Ok::<_, std::convert::Infallible>(None);
        }
        for rest in text.split(HELD).skip(1) {
            unknown.extend(rest.split('}').next().map(str::to_owned));
        }
        Ok(Some(released(text)))
    });
    match replaced {
        Ok(()) => (node.to_json(), unknown),
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = r#"
AWSTemplateFormatVersion: "2010-09-09"
Parameters:
  Stage: {Type: String, Default: dev}
  Key: {Type: String}
Conditions:
  IsProduction: !Equals [!Ref Stage, prod]
Resources:
  Dead: {Type: AWS::SQS::Queue}
  Orders:
    Type: AWS::SQS::Queue
    DependsOn: Dead
    Properties:
      QueueName: !Sub "${Stage}-orders"
      VisibilityTimeout: 30
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3}
      KmsMasterKeyId: !Ref Key
  Alarm:
    Type: AWS::SNS::Topic
    Condition: IsProduction
"#;

    #[test]
    fn resources_have_what_is_known() {
        let (template, complaints) = Template::read(TEMPLATE.as_bytes(), "template.yaml");
        assert_eq!(complaints, []);
        let template = template.expect("it is a template");
        let mut values = BTreeMap::new();
        let resources = template.resources(&values);
        let ids: Vec<&str> = resources.iter().map(|one| one.logical_id.as_str()).collect();
        assert_eq!(ids, ["Dead", "Orders"]);
        let orders = &resources[1];
        assert_eq!(orders.depends_on, ["Dead"]);
        let unknown: Vec<&String> = orders.unknown.iter().collect();
        assert_eq!(unknown, ["Dead.Arn", "Key"]);
        assert_eq!(orders.properties.get("QueueName").and_then(Json::as_str), Some("dev-orders"));
        let key = orders.properties.get("KmsMasterKeyId").and_then(Json::as_str);
        assert_eq!(key, Some("${Key}"));

        for (name, value) in [("Dead.Arn", "arn:dead"), ("Key", "k"), ("Stage", "prod")] {
            values.insert(name.to_owned(), value.to_owned());
        }
        let resources = template.resources(&values);
        assert_eq!(resources.len(), 3);
        assert_eq!(resources[1].unknown.len(), 0);
        let redrive = resources[1].properties.get("RedrivePolicy");
        let dead = redrive.and_then(|policy| policy.get("deadLetterTargetArn"));
        assert_eq!(dead.and_then(Json::as_str), Some("arn:dead"));
        let parameters = template.parameters();
        assert_eq!(parameters[0], ("Stage".into(), "String".into(), Some("dev".into())));
        assert_eq!(parameters[1].2, None);
    }

    #[test]
    fn what_is_no_template_is_none() {
        for text in ["StartAt: A\nStates: {}\n", "[1]", "{", "\u{FEFF}a: 1", ""] {
            assert!(Template::read(text.as_bytes(), "x.yaml").0.is_none(), "{text}");
        }
        assert!(Template::read(b"\xFF", "x.yaml").0.is_none());
    }
}
