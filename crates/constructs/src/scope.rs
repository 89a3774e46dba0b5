use crate::chain::Chain;
use crate::misuse::Problems;
use crate::node::{Next, Node};
use crate::value::{QueryLanguage, Value, jsonata_expression};
use std::collections::{BTreeMap, BTreeSet};

/// A scope: the chain of the top level, of a branch, or of an item processor.
pub(crate) struct Scope<'c> {
    chain: &'c Chain,
    is_inner: bool,
}

impl<'c> Scope<'c> {
    pub(crate) fn new(chain: &'c Chain) -> Self {
        Self { chain, is_inner: false }
    }

    /// The scope of a branch or an item processor.
    pub(crate) fn inner(chain: &'c Chain) -> Self {
        Self { chain, is_inner: true }
    }

    /// Whether a state with a query language writes it. At the top level it can be left out if the
    /// machine declares JSONata. Within other states the CDK always writes it, and so do we.
    pub(crate) fn writes_language(&self, machine: QueryLanguage) -> bool {
        self.is_inner || machine == QueryLanguage::JsonPath
    }

    /// The name of the state with this id.
    pub(crate) fn name(&self, id: &str) -> String {
        self.find(id).map_or(id, |node| &node.name).to_owned()
    }

    fn find(&self, id: &str) -> Option<&'c Node> {
        self.chain.nodes.iter().find(|node| node.id == id)
    }

    /// `StartAt` and `States`.
    pub(crate) fn to_value(&self, machine: QueryLanguage) -> Value {
        let states = self
            .chain
            .nodes
            .iter()
            .map(|node| {
                let language = node.language.unwrap_or(machine);
                (node.name.clone(), fixed(node.to_value(machine, self), language))
            })
            .collect();
        Value::Object(vec![
            ("StartAt".into(), self.name(&self.chain.start).into()),
            ("States".into(), Value::Object(states)),
        ])
    }
}

/// Stands for a member that is `Parameters` in JSONPath and `Arguments` in JSONata.
pub(crate) const PAYLOAD: &str = "Parameters or Arguments";

/// The value with `Value::Input` replaced by the input in the state's language.
fn fixed(value: Value, language: QueryLanguage) -> Value {
    match value {
        Value::Input if language == QueryLanguage::Jsonata => "{% $states.input %}".into(),
        Value::Input => Value::Expression("$".into()),
        Value::ByLanguage(both) => match language {
            QueryLanguage::JsonPath => fixed(both.0, language),
            QueryLanguage::Jsonata => fixed(both.1, language),
        },
        Value::List(items) => {
            Value::List(items.into_iter().map(|item| fixed(item, language)).collect())
        }
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(key, value)| {
                    let key =
                        if key == PAYLOAD { language.payload_field().to_owned() } else { key };
                    (key, fixed(value, language))
                })
                .collect(),
        ),
        other => other,
    }
}

/// Visits every node of the chain, of its branches and of its processors.
pub(crate) fn all_nodes<'c>(chain: &'c Chain, visit: &mut impl FnMut(&'c Node)) {
    for node in &chain.nodes {
        visit(node);
        for branch in &node.branches {
            all_nodes(branch, visit);
        }
        if let Some(processor) = &node.processor {
            all_nodes(&processor.chain, visit);
        }
    }
}

/// Checks a chain and everything within it.
pub(crate) fn check(chain: &Chain, machine: QueryLanguage, problems: &mut Problems) {
    let mut everywhere = BTreeSet::new();
    all_nodes(chain, &mut |node| everywhere.extend([node.id.as_str()]));
    check_scope(chain, &everywhere, problems);
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    all_nodes(chain, &mut |node| *names.entry(&node.name).or_default() += 1);
    for (name, count) in names {
        if count > 1 {
            let message = format!(
                "{count} states have this name; to lead to the one that is there, write \
                 `go_to(\"{name}\")`; to use a fragment again, prefix its states",
            );
            problems.add(name, message);
        }
        if name.chars().count() > 80 {
            problems.add(name, "the name of a state may have 80 characters at most");
        }
    }
    all_nodes(chain, &mut |node| check_node(node, machine, problems));
}

fn check_scope(chain: &Chain, everywhere: &BTreeSet<&str>, problems: &mut Problems) {
    for problem in &chain.problems.0 {
        problems.add(&problem.subject, problem.message.clone());
    }
    let ids: BTreeSet<&str> = chain.nodes.iter().map(|node| node.id.as_str()).collect();
    if !ids.contains(chain.start.as_str()) {
        let message =
            "the chain starts with a state that is not in it; a branch has states of its own";
        problems.add(&chain.start, message);
    }
    for node in &chain.nodes {
        for target in node.targets() {
            if !ids.contains(target) && everywhere.contains(target) {
                let message = format!(
                    "it leads to `{target}`, which is in another scope: a branch, or what a Map does \
                     with each item, cannot lead out of itself, and nothing can lead into it",
                );
                problems.add(&node.id, message);
            } else if !ids.contains(target) {
                let near = stepwright_source::did_you_mean(target, ids.iter().copied());
                let help =
                    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                let message =
                    format!("it leads to `{target}`, but no state of this scope has that id{help}");
                problems.add(&node.id, message);
            }
        }
    }
    let mut reached = BTreeSet::new();
    let mut ahead = vec![chain.start.as_str()];
    while let Some(id) = ahead.pop() {
        if reached.insert(id) {
            let nodes = chain.nodes.iter().filter(|node| node.id == id);
            ahead.extend(nodes.flat_map(Node::targets));
        }
    }
    for node in &chain.nodes {
        if !reached.contains(node.id.as_str()) {
            problems.add(&node.id, "no state leads to it");
        }
    }
    for node in &chain.nodes {
        for branch in &node.branches {
            check_scope(branch, everywhere, problems);
        }
        if let Some(processor) = &node.processor {
            check_scope(&processor.chain, everywhere, problems);
        }
    }
}

/// Fields that exist in only one of the languages.
const JSON_PATH_ONLY: [&str; 2] = ["ResultSelector", "Result"];
const JSONATA_ONLY: [&str; 2] = ["Output", "Items"];

fn check_node(node: &Node, machine: QueryLanguage, problems: &mut Problems) {
    for problem in &node.problems.0 {
        problems.add(&node.name, problem.message.clone());
    }
    if node.name.is_empty() {
        problems.add(&node.name, "a state has to have a name");
    }
    let language = node.language.unwrap_or(machine);
    if machine == QueryLanguage::Jsonata && language == QueryLanguage::JsonPath {
        problems.add(
            &node.name,
            "the state machine is written in JSONata, so no state can be in JSONPath",
        );
    }
    if let Some(why) = node.only_json_path
        && language == QueryLanguage::Jsonata
    {
        problems.add(&node.name, why);
    }
    if node.kind == "Pass" && node.payload.is_some() && language == QueryLanguage::Jsonata {
        problems.add(&node.name, "a Pass in JSONata has `outputs`, not `parameters`");
    }
    if node.kind == "Choice" && node.rules.is_empty() {
        problems.add(&node.name, "a Choice has to have a rule: add one with `when`");
    }
    if node.kind == "Parallel" && node.branches.is_empty() {
        problems.add(&node.name, "a Parallel has to have a branch: add one with `branch`");
    }
    if node.kind == "Map" && node.processor.is_none() {
        problems.add(&node.name, "a Map has to have an `item_processor`");
    }
    let other_language = match language {
        QueryLanguage::JsonPath => JSONATA_ONLY.as_slice(),
        QueryLanguage::Jsonata => JSON_PATH_ONLY.as_slice(),
    };
    for (field, value) in &node.fields {
        let is_path = language == QueryLanguage::Jsonata && field.ends_with("Path");
        if other_language.contains(field) || is_path {
            problems.add(&node.name, format!("`{field}` is not known in {}", language.name()));
        }
        if field.ends_with("Path") {
            check_path(node, field, value, problems);
        }
    }
    for retry in &node.retries {
        retry.check(&node.name, problems);
    }
    for catcher in &node.catches {
        catcher.catch.check(&node.name, problems);
        let (path, outputs) = (&catcher.catch.result_path, &catcher.catch.outputs);
        if let Some(path) = path {
            check_path(node, "ResultPath", path, problems);
        }
        match language {
            QueryLanguage::Jsonata if path.is_some() => {
                problems.add(&node.name, "`ResultPath` of a catcher is not known in JSONata");
            }
            QueryLanguage::JsonPath if outputs.is_some() => {
                problems.add(&node.name, "`Output` of a catcher is not known in JSONPath");
            }
            _ => {}
        }
        check_optional(node, "catcher", catcher.catch.assign.as_ref(), language, problems);
        check_optional(node, "catcher", outputs.as_ref(), language, problems);
    }
    for rule in &node.rules {
        let is_jsonata = rule.condition.first().is_some_and(|(key, _)| key == "Condition");
        if is_jsonata != (language == QueryLanguage::Jsonata) && !rule.condition.is_empty() {
            let message =
                format!("a condition is not written in {}, the state's language", language.name());
            problems.add(&node.name, message);
        }
        if rule.outputs.is_some() && language == QueryLanguage::JsonPath {
            problems.add(&node.name, "`Output` of a rule is not known in JSONPath");
        }
        check_optional(node, "rule", rule.assign.as_ref(), language, problems);
        check_optional(node, "rule", rule.outputs.as_ref(), language, problems);
    }
    for (field, value) in &node.fields {
        check_optional(node, field, Some(value), language, problems);
    }
    check_optional(node, "parameters", node.payload.as_ref(), language, problems);
}

fn check_path(node: &Node, field: &str, value: &Value, problems: &mut Problems) {
    let Some(path) = value.as_literal() else { return };
    let intrinsic = matches!(field, "ErrorPath" | "CausePath" | "ItemsPath");
    let is_expression = intrinsic && path.starts_with("States.");
    if !path.starts_with('$') && !is_expression {
        // The CDK's constant is this text.
        let is_constant = path == "DISCARD";
        let help = if is_constant { ": write the constant `DISCARD`" } else { "" };
        problems.add(
            &node.name,
            format!("`{field}` has to be a path that starts with `$`, not `{path}`{help}"),
        );
    }
}

/// Checks that expressions are only where they are evaluated: not within a list, and not in the
/// other language.
fn check_optional(
    node: &Node,
    place: &str,
    value: Option<&Value>,
    language: QueryLanguage,
    problems: &mut Problems,
) {
    let Some(value) = value else { return };
    let value = &fixed(value.clone(), language);
    value.visit("", &mut |at, leaf| {
        let expression = match leaf {
            Value::Expression(expression) => &expression.readable(),
            Value::Refused(problem) => {
                problems.add(&node.name, format!("{place}{at}: {problem}"));
                return;
            }
            Value::Text(text) => {
                let text = text.readable();
                if language == QueryLanguage::JsonPath && jsonata_expression(&text).is_some() {
                    let message = format!(
                        "{place}{at}: `{text}` is JSONata, but the state is in JSONPath; \
                         make the state with `jsonata`",
                    );
                    problems.add(&node.name, message);
                }
                return;
            }
            _ => return,
        };
        let message = if language == QueryLanguage::Jsonata {
            format!("{place}{at}: `{expression}` is JSONPath, but the state is in JSONata")
        } else if at.rsplit('/').next().is_some_and(|last| last.parse::<usize>().is_ok()) && in_list(value, at) {
            format!(
                "{place}{at}: `{expression}` stands in a list, where paths are not evaluated; \
                 make the list with `array([…])`",
            )
        } else if !expression.starts_with('$') && !expression.starts_with("States.") {
            format!("{place}{at}: `{expression}` is no path (`$…`) and no intrinsic function (`States.…`)")
        } else if let Some(problem) = unbalanced(expression) {
            format!("{place}{at}: `{expression}` {problem}")
        } else {
            return;
        };
        problems.add(&node.name, message);
    });
}

/// Whether the last part of the pointer is a list index.
fn in_list(value: &Value, at: &str) -> bool {
    let mut current = value;
    let parts: Vec<&str> = at.split('/').skip(1).collect();
    for (depth, part) in parts.iter().enumerate() {
        let is_last = depth + 1 == parts.len();
        current = match current {
            Value::List(_) if is_last => return true,
            Value::List(items) => match part.parse().ok().and_then(|index: usize| items.get(index))
            {
                Some(item) => item,
                None => return false,
            },
            Value::Object(members) => match members.iter().find(|(key, _)| key == part) {
                Some((_, member)) => member,
                None => return false,
            },
            _ => return false,
        };
    }
    false
}

fn unbalanced(expression: &str) -> Option<&'static str> {
    if !expression.starts_with("States.") {
        return None;
    }
    let (mut depth, mut in_text, mut escaped) = (0_i32, false, false);
    for character in expression.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => in_text = !in_text,
            '(' if !in_text => depth += 1,
            ')' if !in_text => depth -= 1,
            '{' if !in_text => {
                return Some("holds an object, which intrinsic functions do not take");
            }
            _ => {}
        }
    }
    (depth != 0 || in_text || !expression.ends_with(')')).then_some("is not closed")
}

/// The open ends of all states that a Choice leads to. `dead_ends` leaves out states with catchers.
pub(crate) fn open_ends(
    nodes: &[Node],
    start: &str,
    with_handlers: bool,
    dead_ends: bool,
) -> Vec<String> {
    let mut reached = BTreeSet::new();
    let mut ahead = vec![start];
    while let Some(id) = ahead.pop() {
        if reached.insert(id) {
            for node in nodes.iter().filter(|node| node.id == id) {
                if with_handlers {
                    ahead.extend(node.targets());
                } else {
                    ahead.extend(node.ways());
                }
            }
        }
    }
    nodes
        .iter()
        .filter(|node| node.next == Next::Open && reached.contains(node.id.as_str()))
        .filter(|node| !dead_ends || node.catches.is_empty())
        .map(|node| node.id.clone())
        .collect()
}
