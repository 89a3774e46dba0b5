//! State machines in CloudFormation, SAM and Serverless Framework templates.

use crate::assembled::Assembled;
use crate::load::MachineArn;
use crate::resolve::{BUDGET, Resolver, is_call};
use crate::substitute::has_placeholder;
use std::cell::Cell;
use std::collections::BTreeMap;
use stepwright_json::tree::{Member, Node, Value};
use stepwright_json::{Json, Object, Str};
use stepwright_source::Span;

/// A state machine found in a template.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) logical_id: String,
    pub(crate) name: Option<String>,
    pub(crate) express: bool,
    /// `loggingConfiguration` as the API takes it.
    pub(crate) logging: Option<Json>,
    pub(crate) is_traced: bool,
    pub(crate) body: Body,
    /// The values of `DefinitionSubstitutions`.
    pub(crate) substitutions: BTreeMap<String, String>,
}

/// Where the definition comes from, according to the template.
#[derive(Debug)]
pub(crate) enum Body {
    /// A tree whose intrinsic functions have been replaced.
    Tree(Node),
    /// An assembled text.
    Text(Assembled),
    /// A file, by its path relative to the template.
    File(String, Span),
    /// A definition that cannot be read here, and why.
    Nothing(String, Span),
}

/// Whether a value is a template, not a definition.
pub(crate) fn is_template(root: &Node) -> bool {
    let has = |key: &str| root.get(key).is_some();
    !has("States")
        && !has("StartAt")
        && (root.get("Resources").is_some_and(Node::is_object)
            || has("AWSTemplateFormatVersion")
            || serverless(root).is_some())
}

fn serverless(root: &Node) -> Option<&Node> {
    root.get("stepFunctions")?.get("stateMachines").filter(|machines| machines.is_object())
}

/// The state machines of a template, in order.
pub(crate) fn state_machines(
    root: &Node,
    text: &str,
    values: &BTreeMap<String, String>,
    machine_arn: Option<&MachineArn<'_>>,
) -> Vec<Found> {
    let resolver = Resolver { root, text, values, machine_arn, budget: Cell::new(BUDGET) };
    let resources = root.get("Resources").map_or(&[] as &[Member], Node::members);
    let mut found: Vec<Found> =
        resources.iter().filter_map(|resource| cloudformation(resource, &resolver)).collect();
    let machines = serverless(root).map_or(&[] as &[Member], Node::members);
    found.extend(machines.iter().map(|machine| {
        let name = machine.value.get("name").and_then(Node::as_str).map(str::to_owned);
        let kind = machine.value.get("type").and_then(Node::as_str);
        Found {
            logical_id: machine.key.to_string(),
            name,
            express: kind == Some("EXPRESS"),
            logging: None,
            is_traced: machine.value.get("tracingConfig").is_some_and(is_enabled),
            body: match machine.value.get("definition") {
                Some(node) => inline(node, &resolver),
                None => Body::Nothing("it has no `definition`".to_owned(), machine.key_span),
            },
            substitutions: BTreeMap::new(),
        }
    }));
    found
}

fn cloudformation(resource: &Member, resolver: &Resolver<'_>) -> Option<Found> {
    let kind = resource.value.get("Type").and_then(Node::as_str)?;
    let sam = match kind {
        "AWS::StepFunctions::StateMachine" => false,
        "AWS::Serverless::StateMachine" => true,
        _ => return None,
    };
    let nothing = Node { span: resource.value.span, value: Value::Object(Vec::new()) };
    let properties = resource.value.get("Properties").unwrap_or(&nothing);
    let field = |plain: &str, of_sam: &str| {
        let node = properties.get(if sam { of_sam } else { plain })?;
        Some(resolver.text_of(node))
    };
    let mut substitutions = BTreeMap::new();
    for member in properties.get("DefinitionSubstitutions").map_or(&[] as &[Member], Node::members)
    {
        let value = match resolver.values.get(member.key.as_str()) {
            Some(value) => value.clone(),
            None => resolver.text_of(&member.value),
        };
        substitutions.insert(member.key.to_string(), value);
    }
    let (logging, tracing) = if sam {
        (properties.get("Logging"), properties.get("Tracing"))
    } else {
        (properties.get("LoggingConfiguration"), properties.get("TracingConfiguration"))
    };
    Some(Found {
        logical_id: resource.key.to_string(),
        name: field("StateMachineName", "Name").filter(|name| !has_placeholder(name)),
        express: field("StateMachineType", "Type").as_deref() == Some("EXPRESS"),
        logging: logging.map(|logging| as_api(logging, resolver)),
        is_traced: tracing.is_some_and(is_enabled),
        body: body(properties, resource.key_span, resolver),
        substitutions,
    })
}

/// Whether a tracing configuration has `Enabled` or `enabled`.
fn is_enabled(tracing: &Node) -> bool {
    let enabled = tracing.get("Enabled").or_else(|| tracing.get("enabled"));
    enabled.and_then(Node::as_scalar).and_then(Json::as_bool).unwrap_or_default()
}

/// A configuration as the API takes it: the same members, with their first letters in lower case.
/// If only the deployment knows the ARN of a log group, a placeholder ARN is used.
fn as_api(node: &Node, resolver: &Resolver<'_>) -> Json {
    if is_call(node) {
        return resolver.text_of(node).into();
    }
    match &node.value {
        Value::Scalar(scalar) => scalar.clone(),
        Value::Array(items) => {
            items.iter().map(|item| as_api(item, resolver)).collect::<Vec<_>>().into()
        }
        Value::Object(members) => {
            let members = members.iter().map(|member| {
                let value = match member.key.as_str() {
                    "LogGroupArn" => log_group(&resolver.text_of(&member.value)).into(),
                    _ => as_api(&member.value, resolver),
                };
                let mut letters = member.key.chars();
                let first = letters.next().map(|letter| letter.to_ascii_lowercase());
                (first.into_iter().chain(letters).collect::<String>(), value)
            });
            members.collect::<Object>().into()
        }
    }
}

/// The ARN of a log group, with the `:*` that the API requires.
fn log_group(text: &str) -> String {
    let text = match name_in_placeholder(text) {
        Some(id) => format!("arn:aws:logs:us-east-1:123456789012:log-group:{id}"),
        None => text.to_owned(),
    };
    if text.ends_with(":*") { text } else { format!("{text}:*") }
}

/// The name in a placeholder: `Logs` in one for `Logs.Arn`.
fn name_in_placeholder(text: &str) -> Option<&str> {
    let at = text.find('{').filter(|_| text.starts_with('$') && has_placeholder(text))?;
    text[at + 1..].split(['.', '}']).next()
}

fn body(properties: &Node, span: Span, resolver: &Resolver<'_>) -> Body {
    if let Some(node) = properties.get("Definition") {
        return inline(node, resolver);
    }
    if let Some(node) = properties.get("DefinitionString") {
        return Body::Text(resolver.assemble(node));
    }
    for key in ["DefinitionUri", "DefinitionS3Location"] {
        let Some(node) = properties.get(key) else { continue };
        return match node.as_str() {
            Some(uri) if !uri.starts_with("s3://") => Body::File(uri.to_owned(), node.span),
            _ => Body::Nothing("its definition is in S3".to_owned(), node.span),
        };
    }
    Body::Nothing("it has neither `Definition` nor `DefinitionString`".to_owned(), span)
}

fn inline(node: &Node, resolver: &Resolver<'_>) -> Body {
    let file = node.as_str().and_then(|text| {
        text.trim().strip_prefix("${file(")?.strip_suffix(")}").map(str::to_owned)
    });
    match (file, is_call(node), node.as_str()) {
        (Some(path), ..) => Body::File(path, node.span),
        (None, true, _) | (None, _, Some(_)) => Body::Text(resolver.assemble(node)),
        _ => Body::Tree(without_calls(node, resolver)),
    }
}

/// The tree in which every intrinsic function is replaced by its text.
fn without_calls(node: &Node, resolver: &Resolver<'_>) -> Node {
    if is_call(node) {
        let text = resolver.text_of(node);
        return Node { span: node.span, value: Value::Scalar(Json::from(text.as_str())) };
    }
    let value = match &node.value {
        Value::Scalar(scalar) => Value::Scalar(scalar.clone()),
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| without_calls(item, resolver)).collect())
        }
        Value::Object(members) => {
            let members = members.iter().map(|member| Member {
                key: member.key.clone(),
                key_span: member.key_span,
                value: without_calls(&member.value, resolver),
            });
            Value::Object(members.collect())
        }
    };
    Node { span: node.span, value }
}

/// Applies `replace` to every text in the tree, including keys.
pub(crate) fn map_texts<E>(
    node: &mut Node,
    replace: &impl Fn(&str, Span) -> Result<Option<String>, E>,
) -> Result<(), E> {
    let span = node.span;
    match &mut node.value {
        Value::Scalar(scalar) => {
            if let Some(text) = scalar.as_str()
                && let Some(text) = replace(text, span)?
            {
                *scalar = Json::from(text.as_str());
            }
        }
        Value::Array(items) => {
            for item in items {
                map_texts(item, replace)?;
            }
        }
        Value::Object(members) => {
            for member in members {
                if let Some(text) = replace(&member.key, member.key_span)? {
                    member.key = Str::from(text);
                }
                map_texts(&mut member.value, replace)?;
            }
        }
    }
    Ok(())
}
