//! State machines in CloudFormation, SAM and Serverless Framework templates.

use crate::assembled::Assembled;
use crate::load::LoadOptions;
use crate::resolve::{BUDGET, Resolver, is_call};
use crate::serverless::{self, Search, Source, Unread, included_file};
use crate::substitute::has_placeholder;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
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
    /// The definition with the other branch of each `Fn::If`, if there is one.
    pub(crate) alternative: Option<Body>,
    /// The values of `DefinitionSubstitutions`.
    pub(crate) substitutions: BTreeMap<String, String>,
    /// Where the names of the substitutions stand.
    pub(crate) substituted: Vec<(String, Span)>,
    /// Whether nothing but these substitutions fills in a `${Name}`.
    pub(crate) is_closed: bool,
    /// The file that the body stands in, if it is not the template.
    pub(crate) source: Option<Source>,
}

/// What a template holds.
pub(crate) struct Machines {
    pub(crate) found: Vec<Found>,
    /// Parts that cannot be read.
    pub(crate) unread: Vec<Unread>,
    /// The names after `${!` in texts of `Fn::Sub`: they are meant to reach AWS.
    pub(crate) escaped: BTreeSet<String>,
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
            || is_resources(root)
            || serverless::is_serverless(root))
}

/// Whether a tree is a part of a template: resources without the `Resources` around them.
fn is_resources(root: &Node) -> bool {
    let is_resource = |member: &Member| {
        let kind = member.value.get("Type").and_then(Node::as_str);
        kind.is_some_and(|kind| kind.starts_with("AWS::"))
    };
    !root.members().is_empty() && root.members().iter().all(is_resource)
}

/// The resources of a template of CloudFormation, or of one within a Serverless file.
pub(crate) fn resources(root: &Node) -> &[Member] {
    let own = root.get("Resources");
    let within = || root.get("resources")?.get("Resources");
    match own.or_else(within) {
        Some(resources) => resources.members(),
        None if is_resources(root) => root.members(),
        None => &[],
    }
}

/// The macros that fill in nothing.
const TRANSFORMS: [&str; 2] = ["AWS::Serverless-2016-10-31", "AWS::LanguageExtensions"];

/// Whether a template has a macro of its own, which may change anything.
fn has_macros(root: &Node) -> bool {
    let Some(transform) = root.get("Transform") else { return false };
    let names =
        if transform.is_array() { transform.items() } else { std::slice::from_ref(transform) };
    names.iter().any(|name| !name.as_str().is_some_and(|name| TRANSFORMS.contains(&name)))
}

/// The state machines of a template, in order.
pub(crate) fn state_machines(
    root: &Node,
    source: Source,
    values: &BTreeMap<String, String>,
    options: &LoadOptions<'_>,
) -> Machines {
    let (machine_arn, read) = (options.machine_arn, options.read);
    let text = source.text.clone();
    let resolver = Resolver {
        root,
        text: &text,
        values,
        resources: options.resources,
        machine_arn,
        budget: Cell::new(BUDGET),
        inverted: Cell::new(false),
        decided: Cell::new(false),
        escaped: RefCell::default(),
    };
    let is_closed = !has_macros(root);
    let mut found: Vec<Found> = resources(root)
        .iter()
        .filter_map(|resource| cloudformation(resource, &resolver, is_closed))
        .collect();
    if !serverless::is_serverless(root) {
        let escaped = resolver.escaped.into_inner();
        return Machines { found, unread: Vec::new(), escaped };
    }
    let own = source.file.clone();
    let mut search = Search { root, source, read, machines: Vec::new(), unread: Vec::new() };
    search.run();
    for machine in &search.machines {
        let resolver = Resolver { text: &machine.source.text, ..resolver.clone() };
        let Member { key, key_span, value } = &machine.member;
        let name = value.get("name").and_then(Node::as_str).map(str::to_owned);
        let kind = value.get("type").and_then(Node::as_str);
        let (body, alternative) = match value.get("definition") {
            Some(node) => both(|| inline(node, &resolver), &resolver),
            None => (Body::Nothing("it has no `definition`".to_owned(), *key_span), None),
        };
        found.push(Found {
            logical_id: key.to_string(),
            name,
            express: kind == Some("EXPRESS"),
            logging: None,
            is_traced: value.get("tracingConfig").is_some_and(is_enabled),
            body,
            alternative,
            substitutions: BTreeMap::new(),
            substituted: Vec::new(),
            // The variables of the framework may stand anywhere.
            is_closed: false,
            source: (machine.source.file != own).then(|| machine.source.clone()),
        });
    }
    let escaped = resolver.escaped.into_inner();
    Machines { found, unread: search.unread, escaped }
}

/// A body, and the one with the other branch of each `Fn::If`.
fn both(read: impl Fn() -> Body, resolver: &Resolver<'_>) -> (Body, Option<Body>) {
    resolver.decided.set(false);
    let body = read();
    if !resolver.decided.get() {
        return (body, None);
    }
    resolver.inverted.set(true);
    let alternative = read();
    resolver.inverted.set(false);
    (body, Some(alternative))
}

fn cloudformation(resource: &Member, resolver: &Resolver<'_>, is_closed: bool) -> Option<Found> {
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
    let mut substituted = Vec::new();
    for member in properties.get("DefinitionSubstitutions").map_or(&[] as &[Member], Node::members)
    {
        let value = match resolver.values.get(member.key.as_str()) {
            Some(value) => value.clone(),
            None => resolver.text_of(&member.value),
        };
        substitutions.insert(member.key.to_string(), value);
        substituted.push((member.key.to_string(), member.key_span));
    }
    let (logging, tracing) = if sam {
        (properties.get("Logging"), properties.get("Tracing"))
    } else {
        (properties.get("LoggingConfiguration"), properties.get("TracingConfiguration"))
    };
    let (body, alternative) = both(|| body(properties, resource.key_span, resolver), resolver);
    Some(Found {
        logical_id: resource.key.to_string(),
        name: field("StateMachineName", "Name").filter(|name| !has_placeholder(name)),
        express: field("StateMachineType", "Type").as_deref() == Some("EXPRESS"),
        logging: logging.map(|logging| as_api(logging, resolver)),
        is_traced: tracing.is_some_and(is_enabled),
        body,
        alternative,
        substitutions,
        substituted,
        // Substitutions that a function computes may have any name.
        is_closed: is_closed && !properties.get("DefinitionSubstitutions").is_some_and(is_call),
        source: None,
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
                    // CloudFormation takes it as text, too.
                    "IncludeExecutionData" | "includeExecutionData" => {
                        let text = resolver.text_of(&member.value);
                        match text.as_str() {
                            "true" => true.into(),
                            "false" => false.into(),
                            _ => as_api(&member.value, resolver),
                        }
                    }
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
    if let Some(path) = node.as_str().and_then(included_file) {
        return Body::File(path.to_owned(), node.span);
    }
    if node.as_str().is_some() {
        return Body::Text(resolver.assemble(node));
    }
    match resolver.value(node) {
        // A function that gives a text: the definition in JSON.
        Some(Node { value: Value::Scalar(_), .. }) if is_call(node) => {
            Body::Text(resolver.assemble(node))
        }
        Some(tree) => Body::Tree(tree),
        None => Body::Nothing("a deployment leaves it out".to_owned(), node.span),
    }
}

/// Applies `replace` to every text in the tree, including keys.
pub(crate) fn map_texts<E>(
    node: &mut Node,
    replace: &mut impl FnMut(&str, Span) -> Result<Option<String>, E>,
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
