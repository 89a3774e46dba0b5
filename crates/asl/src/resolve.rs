//! Evaluates the intrinsic functions of CloudFormation, as far as their values can be known without
//! AWS.
//!
//! A value that only a deployment knows becomes a readable placeholder: `${Worker.Arn}`. Values
//! given by the user take precedence over defaults of parameters.

use crate::assembled::Assembled;
use crate::load::MachineArn;
use crate::substitute::{has_placeholder, placeholder};
use std::cell::Cell;
use std::collections::BTreeMap;
use stepwright_json::Json;
use stepwright_json::tree::{Node, Value};
use stepwright_source::Span;

/// The context in which a template's expressions are evaluated.
pub(crate) struct Resolver<'t> {
    pub(crate) root: &'t Node,
    pub(crate) text: &'t str,
    pub(crate) values: &'t BTreeMap<String, String>,
    /// Returns the ARN of a state machine by its name, if such ARNs are known.
    pub(crate) machine_arn: Option<&'t MachineArn<'t>>,
    /// The number of calls and conditions that may still be evaluated.
    pub(crate) budget: Cell<usize>,
}

/// The largest number of calls and conditions that are evaluated in one template.
pub(crate) const BUDGET: usize = 1_000_000;

/// The deepest nesting of calls that is followed.
const DEPTH: usize = 50;

type Local<'n> = BTreeMap<&'n str, &'n Node>;

/// Whether the node is an intrinsic function: an object with one member, `Ref` or `Fn::…`.
pub(crate) fn is_call(node: &Node) -> bool {
    matches!(&node.value, Value::Object(members)
        if members.len() == 1 && (members[0].key == "Ref" || members[0].key.starts_with("Fn::")))
}

impl Resolver<'_> {
    /// Evaluates a value as text.
    pub(crate) fn text_of(&self, node: &Node) -> String {
        self.assemble(node).text
    }

    /// Evaluates a value as text, keeping its places.
    pub(crate) fn assemble(&self, node: &Node) -> Assembled {
        let mut out = Assembled::default();
        self.write(node, &Local::new(), DEPTH, &mut out);
        out
    }

    fn text_within(&self, node: &Node, depth: usize) -> String {
        let mut out = Assembled::default();
        self.write(node, &Local::new(), depth, &mut out);
        out.text
    }

    /// The next depth, or `None` if the depth or the budget is used up.
    fn deeper(&self, depth: usize) -> Option<usize> {
        self.budget.set(self.budget.get().checked_sub(1)?);
        depth.checked_sub(1)
    }

    fn write(&self, node: &Node, local: &Local<'_>, depth: usize, out: &mut Assembled) {
        let span = node.span;
        let Some(depth) = self.deeper(depth) else {
            return out.push_fixed(&placeholder("nested too deeply"), span);
        };
        match &node.value {
            Value::Scalar(Json::String(text)) => out.push_decoded(text, self.text, span),
            Value::Scalar(scalar) => out.push_fixed(&scalar.to_string(), span),
            Value::Object(members) if is_call(node) => {
                self.call(&members[0].key, &members[0].value, local, depth, span, out);
            }
            _ => out.push_fixed(&node.to_json().to_string(), span),
        }
    }

    fn call(
        &self,
        name: &str,
        argument: &Node,
        local: &Local<'_>,
        depth: usize,
        span: Span,
        out: &mut Assembled,
    ) {
        let items = argument.items();
        match name {
            "Ref" => {
                let name = argument.as_str().unwrap_or_default();
                out.push_fixed(&self.reference(name), span);
            }
            "Fn::GetAtt" => {
                let parts: Vec<String> =
                    items.iter().map(|item| self.text_within(item, depth)).collect();
                let name = match argument.as_str() {
                    Some(name) => name.to_owned(),
                    None => parts.join("."),
                };
                out.push_fixed(&self.reference(&name), span);
            }
            "Fn::Sub" => {
                let (text, own) = match items {
                    [text, own, ..] => (text, Some(own)),
                    [text] => (text, None),
                    [] => (argument, None),
                };
                let mut inner = local.clone();
                for member in own.map_or(&[] as &[_], Node::members) {
                    inner.insert(&member.key, &member.value);
                }
                self.sub(text, &inner, depth, out);
            }
            "Fn::Join" => {
                if let [separator, list] = items {
                    let separator = separator.as_str().unwrap_or_default();
                    for (at, item) in self.list(list, depth).into_iter().enumerate() {
                        if at > 0 {
                            out.push_fixed(separator, item.span);
                        }
                        self.write(&item, local, depth, out);
                    }
                }
            }
            "Fn::Select" => {
                let found = if let [index, list] = items {
                    let index = self.text_within(index, depth).parse::<usize>().ok();
                    index.and_then(|index| self.list(list, depth).into_iter().nth(index))
                } else {
                    None
                };
                match found {
                    Some(item) => self.write(&item, local, depth, out),
                    None => out.push_fixed(&placeholder("Select"), span),
                }
            }
            "Fn::If" => {
                if let [condition, yes, no] = items {
                    let holds = self.condition(condition, depth);
                    self.write(if holds { yes } else { no }, local, depth, out);
                }
            }
            "Fn::FindInMap" => {
                let mut keys = items.iter().map(|item| self.text_within(item, depth));
                let mut found = self.root.get("Mappings");
                for key in keys.by_ref().take(3) {
                    found = found.and_then(|node| node.get(&key));
                }
                match found {
                    Some(value) => self.write(value, local, depth, out),
                    None => out.push_fixed(&placeholder("FindInMap"), span),
                }
            }
            "Fn::ImportValue" => {
                let name = self.text_within(argument, depth);
                let value = self.values.get(&name).cloned();
                out.push_fixed(&value.unwrap_or_else(|| placeholder(&name)), span);
            }
            _ => {
                let name = name.trim_start_matches("Fn::");
                out.push_fixed(&placeholder(name), span);
            }
        }
    }

    /// `Fn::Sub`: `${Name}` and `${Name.Attribute}` are looked up, and `${!Name}` becomes a literal
    /// `${Name}`.
    fn sub(&self, node: &Node, local: &Local<'_>, depth: usize, out: &mut Assembled) {
        let Some(text) = node.as_str() else { return self.write(node, local, depth, out) };
        let mut whole = Assembled::default();
        whole.push_decoded(text, self.text, node.span);
        let mut done = 0;
        while let Some(at) = text[done..].find("${").map(|at| done + at) {
            let Some(end) = text[at..].find('}').map(|end| at + end + 1) else { break };
            let name = text[at + 2..end - 1].trim();
            out.push_part(&whole, done..at);
            let span = whole.source(Span::new(at, end));
            if let Some(literal) = name.strip_prefix('!') {
                out.push_fixed(&format!("${{{literal}}}"), span);
            } else if let Some(value) = local.get(name) {
                self.write(value, &Local::new(), depth, out);
            } else {
                out.push_fixed(&self.reference(name), span);
            }
            done = end;
        }
        out.push_part(&whole, done..text.len());
    }

    /// The value of a reference.
    fn reference(&self, name: &str) -> String {
        if let Some(value) = self.values.get(name) {
            return value.clone();
        }
        let pseudo = match name {
            "AWS::Region" => Some("us-east-1"),
            "AWS::AccountId" => Some("123456789012"),
            "AWS::Partition" => Some("aws"),
            "AWS::URLSuffix" => Some("amazonaws.com"),
            "AWS::StackName" => Some("stack"),
            "AWS::NoValue" => Some(""),
            _ => None,
        };
        if let Some(value) = pseudo {
            return value.to_owned();
        }
        if let Some(known) = self.machine(name) {
            return known;
        }
        let default = self.root.get("Parameters").and_then(|all| all.get(name)?.get("Default"));
        match default.and_then(Node::as_scalar) {
            Some(Json::String(text)) => text.to_string(),
            Some(scalar) => scalar.to_string(),
            None => placeholder(name),
        }
    }

    /// The value of `Ref` and `GetAtt` for a state machine of the template.
    fn machine(&self, name: &str) -> Option<String> {
        let arn = self.machine_arn?;
        let (id, attribute) = name.split_once('.').unwrap_or((name, "Arn"));
        let resource = self.root.get("Resources")?.get(id)?;
        let name = match resource.get("Type").and_then(Node::as_str)? {
            "AWS::StepFunctions::StateMachine" => "StateMachineName",
            "AWS::Serverless::StateMachine" => "Name",
            _ => return None,
        };
        let given = resource.get("Properties").and_then(|all| all.get(name)?.as_str());
        let name = given.filter(|name| !has_placeholder(name)).unwrap_or(id);
        match attribute {
            "Arn" => Some(arn(name)),
            "Name" => Some(name.to_owned()),
            _ => None,
        }
    }

    /// The items of a list, or of a function that returns one.
    fn list(&self, node: &Node, depth: usize) -> Vec<Node> {
        let text = |text: &str| Node { span: node.span, value: Value::Scalar(Json::from(text)) };
        if let Some(split) = node.get("Fn::Split")
            && let [separator, whole] = split.items()
            && let Some(separator) = separator.as_str().filter(|separator| !separator.is_empty())
        {
            return self.text_within(whole, depth).split(separator).map(text).collect();
        }
        if is_call(node) {
            return self.text_within(node, depth).split(',').map(text).collect();
        }
        node.items().to_vec()
    }

    /// Whether a condition is true. A condition that cannot be evaluated counts as true.
    fn condition(&self, node: &Node, depth: usize) -> bool {
        let Some(depth) = self.deeper(depth) else { return true };
        if let Some(name) = node.as_str() {
            let named = self.root.get("Conditions").and_then(|all| all.get(name));
            return named.is_none_or(|node| self.condition(node, depth));
        }
        let Some(member) = node.members().first() else { return true };
        let items = member.value.items();
        match member.key.as_str() {
            "Condition" => self.condition(&member.value, depth),
            "Fn::Equals" => match items {
                [a, b] => self.text_within(a, depth) == self.text_within(b, depth),
                _ => true,
            },
            "Fn::Not" => items.first().is_none_or(|item| !self.condition(item, depth)),
            "Fn::And" => items.iter().all(|item| self.condition(item, depth)),
            "Fn::Or" => items.iter().any(|item| self.condition(item, depth)),
            _ => true,
        }
    }
}
