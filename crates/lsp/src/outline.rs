//! The states of a tree and what refers to them; what stands at a place.

use stepwright_json::tree::{Member, Node, Value};
use stepwright_source::Span;

/// What an object of a definition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Machine,
    States,
    State,
    Branch,
    Processor,
    ProcessorConfig,
    Rule,
    /// A part of a rule, within `And`, `Or` or `Not`.
    Condition,
    Retrier,
    Catcher,
    Assign,
    Reader,
    ReaderConfig,
    Batcher,
    Writer,
    WriterConfig,
    Credentials,
    /// What is given to a task: `Parameters` or `Arguments`.
    Parameters,
    /// Data, or a part of it.
    Data,
}

impl Role {
    /// What the value of a member is, or each item of it.
    pub(crate) fn within(self, key: &str) -> Self {
        match (self, key) {
            (Self::Machine | Self::Branch | Self::Processor, "States") => Self::States,
            (Self::States, _) => Self::State,
            (Self::State, "Choices") => Self::Rule,
            (Self::State, "Branches") => Self::Branch,
            (Self::State, "ItemProcessor" | "Iterator") => Self::Processor,
            (Self::Processor, "ProcessorConfig") => Self::ProcessorConfig,
            (Self::State, "Retry") => Self::Retrier,
            (Self::State, "Catch") => Self::Catcher,
            (Self::State | Self::Rule | Self::Catcher, "Assign") => Self::Assign,
            (Self::State, "ItemReader") => Self::Reader,
            (Self::Reader, "ReaderConfig") => Self::ReaderConfig,
            (Self::State, "ItemBatcher") => Self::Batcher,
            (Self::State, "ResultWriter") => Self::Writer,
            (Self::Writer, "WriterConfig") => Self::WriterConfig,
            (Self::State, "Credentials") => Self::Credentials,
            (Self::State | Self::Reader | Self::Writer, "Parameters" | "Arguments") => {
                Self::Parameters
            }
            (Self::Rule | Self::Condition, "And" | "Or" | "Not") => Self::Condition,
            _ => Self::Data,
        }
    }

    /// Whether it has states.
    pub(crate) fn is_scope(self) -> bool {
        matches!(self, Self::Machine | Self::Branch | Self::Processor)
    }
}

/// Objects of a tree around a place, the outermost first.
#[derive(Clone, Debug)]
pub(crate) struct Crumb<'t> {
    pub(crate) role: Role,
    pub(crate) node: &'t Node,
    /// The member of the object that the place is in.
    pub(crate) member: &'t Member,
}

/// What stands at a place.
#[derive(Clone, Debug)]
pub(crate) struct Hit<'t> {
    /// The objects around it; the last has the key, or the value.
    pub(crate) trail: Vec<Crumb<'t>>,
    /// The value, if the place is not in a key.
    pub(crate) value: Option<&'t Node>,
}

impl<'t> Hit<'t> {
    pub(crate) fn last(&self) -> Option<&Crumb<'t>> {
        self.trail.last()
    }

    /// The nearest object around the place that has a role.
    pub(crate) fn around(&self, is_meant: impl Fn(Role) -> bool) -> Option<&Crumb<'t>> {
        self.trail.iter().rev().find(|crumb| is_meant(crumb.role))
    }

    /// The states of the scope.
    pub(crate) fn states(&self) -> &'t [Member] {
        let scope = self.around(Role::is_scope).and_then(|crumb| crumb.node.get("States"));
        scope.map_or(&[], Node::members)
    }

    /// The name of the state that the place is about: one that is defined there, or referred to.
    pub(crate) fn state_name(&self) -> Option<&'t str> {
        let last = self.last()?;
        match self.value {
            None => (last.role == Role::States).then_some(&last.member.key),
            Some(value) => names_state(last.role, &last.member.key).then(|| value.as_str())?,
        }
    }

    /// The query language at the place.
    pub(crate) fn is_jsonata(&self) -> bool {
        let language = |node: &Node| {
            node.get("QueryLanguage").and_then(Node::as_str).map(|name| name == "JSONata")
        };
        let state = self.around(|role| role == Role::State);
        // The states are within the object whose key is their name.
        let own = state.and_then(|crumb| language(crumb.node));
        let machine = self.trail.first().and_then(|crumb| language(crumb.node));
        own.or(machine).unwrap_or(false)
    }
}

/// Whether a field is the name of a state.
pub(crate) fn names_state(role: Role, key: &str) -> bool {
    match key {
        "StartAt" => role.is_scope(),
        "Next" => matches!(role, Role::State | Role::Rule | Role::Catcher),
        "Default" => role == Role::State,
        _ => false,
    }
}

/// What stands at a byte of the text.
pub(crate) fn at(root: &Node, offset: usize) -> Option<Hit<'_>> {
    let touches = |span: Span| span.start as usize <= offset && offset <= span.end as usize;
    find(root, &mut |place| match place {
        Place::Key(member) => touches(member.key_span),
        Place::Value(node) => touches(node.span),
    })
}

/// A key or a plain value.
pub(crate) enum Place<'t> {
    Key(&'t Member),
    Value(&'t Node),
}

/// The first key or plain value that is meant.
pub(crate) fn find<'t>(
    root: &'t Node,
    is_meant: &mut dyn FnMut(Place<'t>) -> bool,
) -> Option<Hit<'t>> {
    let mut trail = Vec::new();
    let value = search(Role::Machine, root, &mut trail, is_meant)?;
    Some(Hit { trail, value })
}

/// The value that was found, or that a key was.
#[expect(clippy::option_option, reason = "the outer one is for `?`, the inner one is the answer")]
fn search<'t>(
    role: Role,
    node: &'t Node,
    trail: &mut Vec<Crumb<'t>>,
    is_meant: &mut dyn FnMut(Place<'t>) -> bool,
) -> Option<Option<&'t Node>> {
    match &node.value {
        Value::Scalar(_) => is_meant(Place::Value(node)).then_some(Some(node)),
        Value::Array(items) => items.iter().find_map(|item| search(role, item, trail, is_meant)),
        Value::Object(members) => members.iter().find_map(|member| {
            trail.push(Crumb { role, node, member });
            if is_meant(Place::Key(member)) {
                return Some(None);
            }
            let found = search(role.within(&member.key), &member.value, trail, is_meant);
            if found.is_none() {
                trail.pop();
            }
            found
        }),
    }
}

/// A use of a state's name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use<'t> {
    pub(crate) name: &'t str,
    pub(crate) span: Span,
    /// Where it is defined, rather than referred to.
    pub(crate) is_definition: bool,
    pub(crate) role: Role,
    /// The states of the scope.
    pub(crate) scope: &'t Node,
}

/// Every use of a state's name, in order.
pub(crate) fn uses(root: &Node) -> Vec<Use<'_>> {
    let mut found = Vec::new();
    collect(Role::Machine, root, root, &mut found);
    found
}

fn collect<'t>(role: Role, node: &'t Node, scope: &'t Node, found: &mut Vec<Use<'t>>) {
    match &node.value {
        Value::Scalar(_) => {}
        Value::Array(items) => items.iter().for_each(|item| collect(role, item, scope, found)),
        Value::Object(members) => {
            let scope = if role.is_scope() { node } else { scope };
            for member in members {
                let key = member.key.as_str();
                if role == Role::States {
                    let span = member.key_span;
                    found.push(Use { name: key, span, is_definition: true, role, scope });
                } else if names_state(role, key)
                    && let Some(name) = member.value.as_str()
                {
                    let span = member.value.span;
                    found.push(Use { name, span, is_definition: false, role, scope });
                }
                let within = role.within(key);
                if within != Role::Data && within != Role::Parameters {
                    collect(within, &member.value, scope, found);
                }
            }
        }
    }
}

/// The state of a name, wherever it is in a machine.
pub(crate) fn state_named<'t>(root: &'t Node, name: &str) -> Option<&'t Node> {
    uses(root)
        .into_iter()
        .filter(|one| one.is_definition)
        .find_map(|one| (one.name == name).then(|| one.scope.get("States")?.get(name))?)
}
