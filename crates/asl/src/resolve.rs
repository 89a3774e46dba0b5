//! Evaluates the intrinsic functions of CloudFormation, as far as their values can be known without
//! AWS.
//!
//! A value that only a deployment knows becomes a readable placeholder: `${Worker.Arn}`. Values
//! given by the user take precedence over defaults of parameters.

use crate::assembled::Assembled;
use crate::load::MachineArn;
use crate::substitute::{has_placeholder, placeholder};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use stepwright_json::Json;
use stepwright_json::tree::{Member, Node, Value};
use stepwright_source::Span;

/// The context in which a template's expressions are evaluated.
#[derive(Clone)]
pub(crate) struct Resolver<'t> {
    pub(crate) root: &'t Node,
    pub(crate) text: &'t str,
    pub(crate) values: &'t BTreeMap<String, String>,
    /// The values of references to resources, if those are there.
    pub(crate) resources: Option<&'t BTreeMap<String, String>>,
    /// Returns the ARN of a state machine by its name, if such ARNs are known.
    pub(crate) machine_arn: Option<&'t MachineArn<'t>>,
    /// The number of calls and conditions that may still be evaluated.
    pub(crate) budget: Cell<usize>,
    /// Whether each `Fn::If` takes the branch that it would not take.
    pub(crate) inverted: Cell<bool>,
    /// Whether an `Fn::If` was decided.
    pub(crate) decided: Cell<bool>,
    /// The names after `${!` in texts of `Fn::Sub`.
    pub(crate) escaped: RefCell<BTreeSet<String>>,
}

/// The largest number of calls and conditions that are evaluated in one template.
pub(crate) const BUDGET: usize = 1_000_000;

/// The deepest nesting of calls that is followed.
const DEPTH: usize = 50;

type Local<'n> = BTreeMap<&'n str, &'n Node>;

/// Whether the node is an intrinsic function: an object with one member, `Ref` or `Fn::…`.
pub(crate) fn is_call(node: &Node) -> bool {
    matches!(&node.value, Value::Object(members)
        if members.len() == 1
            && (members[0].key == "Ref" || members[0].key.starts_with("Fn::"))
            && !members[0].key.starts_with("Fn::ForEach::"))
}

/// A text in which the items of an `Fn::ForEach` are filled in.
fn filled(text: &str, local: &Local<'_>) -> String {
    let mut text = text.to_owned();
    for (name, value) in local {
        if let Some(value) = value.as_str() {
            text = text.replace(&format!("${{{name}}}"), value);
            text = text.replace(&format!("&{{{name}}}"), value);
        }
    }
    text
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
                if let Some(branch) = self.branch(items, depth) {
                    self.write(branch, local, depth, out);
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
            "Fn::ToJsonString" => {
                let value = self.within(argument, local, depth);
                let json = value.map_or(Json::Null, |value| value.to_json());
                out.push_fixed(&json.to_string(), span);
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

    /// The branch that an `Fn::If` takes.
    fn branch<'n>(&self, items: &'n [Node], depth: usize) -> Option<&'n Node> {
        let [condition, yes, no] = items else { return None };
        self.decided.set(true);
        let holds = self.condition(condition, depth) != self.inverted.get();
        Some(if holds { yes } else { no })
    }

    /// The value of a tree in which every function is replaced by what it gives; `None` if that is
    /// `AWS::NoValue`, so that the member around it is left out. A function whose value only a
    /// deployment knows gives a placeholder.
    pub(crate) fn value(&self, node: &Node) -> Option<Node> {
        self.within(node, &Local::new(), DEPTH)
    }

    fn within(&self, node: &Node, local: &Local<'_>, depth: usize) -> Option<Node> {
        let text =
            |text: &str| Some(Node { span: node.span, value: Value::Scalar(Json::from(text)) });
        let value = match &node.value {
            Value::Scalar(scalar) => Value::Scalar(scalar.clone()),
            Value::Array(items) => Value::Array(
                items.iter().filter_map(|item| self.within(item, local, depth)).collect(),
            ),
            Value::Object(members) if is_call(node) => {
                let Some(depth) = self.deeper(depth) else { return text(&placeholder("Fn")) };
                let argument = &members[0].value;
                return match members[0].key.as_str() {
                    "Ref" if argument.as_str() == Some("AWS::NoValue") => None,
                    "Fn::If" => match self.branch(argument.items(), depth) {
                        Some(branch) => self.within(branch, local, depth),
                        None => text(&placeholder("If")),
                    },
                    "Fn::FindInMap" | "Fn::Select" => match self.picked(node, depth) {
                        Some(found) => self.within(&found, local, depth),
                        None => text(&self.text_with(node, local, depth)),
                    },
                    _ => text(&self.text_with(node, local, depth)),
                };
            }
            Value::Object(members) => {
                let mut kept = Vec::new();
                for member in members {
                    if let Some(name) = member.key.strip_prefix("Fn::ForEach::") {
                        self.for_each(name, &member.value, local, depth, &mut kept);
                        continue;
                    }
                    let Some(value) = self.within(&member.value, local, depth) else { continue };
                    let key = filled(&member.key, local);
                    kept.push(Member { key: key.into(), key_span: member.key_span, value });
                }
                Value::Object(kept)
            }
        };
        let mut node = Node { span: node.span, value };
        if let Value::Scalar(scalar) = &mut node.value
            && let Some(before) = scalar.as_str()
            && !local.is_empty()
        {
            *scalar = Json::from(filled(before, local).as_str());
        }
        Some(node)
    }

    fn text_with(&self, node: &Node, local: &Local<'_>, depth: usize) -> String {
        let mut out = Assembled::default();
        self.write(node, local, depth, &mut out);
        out.text
    }

    /// What `Fn::FindInMap` and `Fn::Select` find, where it is known.
    fn picked(&self, node: &Node, depth: usize) -> Option<Node> {
        if let Some(arguments) = node.get("Fn::FindInMap") {
            let mut found = self.root.get("Mappings")?;
            for key in arguments.items().iter().take(3) {
                found = found.get(&self.text_within(key, depth))?;
            }
            return Some(found.clone());
        }
        let [index, list] = node.get("Fn::Select")?.items() else { return None };
        let index = self.text_within(index, depth).parse::<usize>().ok()?;
        self.list(list, depth).into_iter().nth(index)
    }

    /// `Fn::ForEach::Name`: its output once for each item, in which `${Item}` and `&{Item}` are the
    /// item. An item that only a deployment knows gives the output once.
    fn for_each(
        &self,
        name: &str,
        node: &Node,
        local: &Local<'_>,
        depth: usize,
        kept: &mut Vec<Member>,
    ) {
        let ([item, list, output], Some(depth)) = (node.items(), self.deeper(depth)) else {
            return;
        };
        let Some(item) = item.as_str() else { return };
        let mut values = self.list(list, depth);
        if values.is_empty() {
            let unknown = Json::from(placeholder(name).as_str());
            values.push(Node { span: list.span, value: Value::Scalar(unknown) });
        }
        for value in &values {
            let value = Node {
                span: value.span,
                value: Value::Scalar(Json::from(self.text_with(value, local, depth).as_str())),
            };
            let mut inner = local.clone();
            inner.insert(item, &value);
            if let Some(made) = self.within(output, &inner, depth) {
                kept.extend(made.members().iter().cloned());
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
                self.escaped.borrow_mut().insert(literal.to_owned());
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
        let known = self.resources.and_then(|resources| resources.get(name));
        if let Some(value) = self.values.get(name).or(known) {
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

    /// Whether a condition of the template is true.
    pub(crate) fn holds(&self, condition: &Node) -> bool {
        self.condition(condition, DEPTH)
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
