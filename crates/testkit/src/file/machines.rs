//! The state machines of a test file: the one that is tested, and those whose executions its tasks
//! may start.

use super::Reader;
use std::collections::BTreeSet;
use std::sync::Arc;
use stepwright_asl::NamedDefinition;
use stepwright_json::Str;
use stepwright_json::tree::{Member, Node};
use stepwright_program::Program;
use stepwright_source::did_you_mean;

/// A state machine of a test file.
#[derive(Clone, Debug)]
pub struct Machine {
    /// What the test file calls it, or its name in the template.
    pub name: String,
    /// Its logical id in a template.
    pub logical_id: Option<String>,
    /// The ARN that its executions know.
    pub arn: String,
    /// The name of the definition's file, from where the test file stands; empty for a definition
    /// in the test file itself.
    pub definition_file: String,
    /// The definition.
    pub named: NamedDefinition,
    /// The definition, compiled.
    pub program: Arc<Program>,
}

/// What a definition was read from.
pub(super) struct Source {
    pub(super) file: String,
    pub(super) named: NamedDefinition,
    /// The other state machines of the same template.
    pub(super) others: Vec<NamedDefinition>,
}

/// The ARN of a state machine of tests.
pub(super) fn arn(name: &str) -> String {
    format!("arn:aws:states:us-east-1:123456789012:stateMachine:{name}")
}

impl Machine {
    pub(super) fn new(
        name: String,
        definition_file: String,
        named: NamedDefinition,
        program: Arc<Program>,
    ) -> Self {
        let arn = if name.starts_with("arn:") {
            unqualified(&name).to_owned()
        } else {
            arn(name.trim_start_matches("${").trim_end_matches('}'))
        };
        let logical_id = named.logical_id.clone();
        Self { name, logical_id, arn, definition_file, named, program }
    }

    /// Whether it goes by this name.
    pub fn is_named(&self, name: &str) -> bool {
        self.name == name || self.logical_id.as_deref() == Some(name)
    }

    /// How a report names one of its states, if it is not the machine that is tested.
    pub fn state(&self, state: &str) -> Str {
        format!("{}.{state}", self.name).into()
    }

    /// The machine that a task means, by its place: the one with this very name or ARN, or else the first
    /// one that goes by it.
    pub fn meant(machines: &[Self], given: &str) -> Option<usize> {
        let is_this = |machine: &Self| {
            let plain = unqualified(given);
            machine.name == given || machine.name == plain || machine.arn == plain
        };
        let position = |is_it: &dyn Fn(&Self) -> bool| machines.iter().position(is_it);
        position(&is_this).or_else(|| position(&|machine| machine.goes_by(given)))
    }

    /// Whether it is named by an ARN, or by a placeholder that nobody has set.
    fn goes_by(&self, given: &str) -> bool {
        let placeholder = given.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        match placeholder {
            Some(name) => {
                self.is_named(name) || name.strip_suffix(".Arn").is_some_and(|id| self.is_named(id))
            }
            None => {
                let name = unqualified(given).split(":stateMachine:").nth(1);
                name.is_some_and(|name| self.is_named(name))
            }
        }
    }
}

/// An ARN of a state machine without its version or alias.
fn unqualified(arn: &str) -> &str {
    let end = arn.match_indices(':').nth(6).map_or(arn.len(), |(at, _)| at);
    &arn[..end]
}

impl Reader<'_> {
    /// The machines beside the one that is tested: those that `machines` names, and the others of its
    /// template that can be run.
    pub(super) fn machines(
        &mut self,
        member: Option<&Member>,
        file: &str,
        others: Vec<NamedDefinition>,
    ) -> Vec<Machine> {
        let mut machines: Vec<Machine> = Vec::new();
        for named in member.map_or(&[] as &[Member], |member| self.named_members(&member.value)) {
            if let Some(machine) = self.machine(named) {
                if machines.iter().any(|other| other.name == machine.name) {
                    let message = format!("two machines are named `{}`", machine.name);
                    self.found.add(named.key_span, message);
                }
                machines.push(machine);
            }
        }
        let given: BTreeSet<String> = machines.iter().map(|machine| machine.name.clone()).collect();
        for named in others {
            let name = named.name.clone().or_else(|| named.logical_id.clone()).unwrap_or_default();
            // What is wrong with a machine that is not tested here is said where it is.
            let Ok(program) = stepwright_program::compile(&named.definition) else { continue };
            let machine = Machine::new(name, file.to_owned(), named, Arc::new(program));
            if !given.iter().any(|name| machine.is_named(name)) {
                machines.push(machine);
            }
        }
        machines
    }

    fn named_members<'n>(&mut self, node: &'n Node) -> &'n [Member] {
        if !node.is_object() {
            self.found.add_with_help(
                node.span,
                "`machines` is an object: names or ARNs of state machines and their definitions",
                "write `machines: {Billing: billing.asl.yaml}`",
            );
        }
        node.members()
    }

    fn machine(&mut self, member: &Member) -> Option<Machine> {
        let node = &member.value;
        let source = if node.as_str().is_some() {
            let definition =
                Member { key: "definition".into(), key_span: member.key_span, value: node.clone() };
            self.definition(node, Some(&definition), None, None)?
        } else {
            let what = format!("the machine `{}`", member.key);
            let keys = ["definition", "state_machine", "values"];
            let members = self.found.members(node, &what, &keys);
            let get = |key: &str| members.iter().find(|member| member.key == key).copied();
            if get("definition").is_none() {
                if node.is_object() {
                    self.found.add(member.key_span, format!("{what} needs a `definition`"));
                }
                return None;
            }
            self.definition(node, get("definition"), get("state_machine"), get("values"))?
        };
        let program = Arc::new(self.compile(&source.named)?);
        Some(Machine::new(member.key.to_string(), source.file, source.named, program))
    }

    /// The machine of this name, by its place; or a complaint.
    pub(super) fn machine_named(
        found: &mut super::Complaints,
        machines: &[Machine],
        name: &str,
        span: stepwright_source::Span,
    ) -> Option<usize> {
        let at = machines.iter().position(|machine| machine.is_named(name));
        if at.is_none() {
            let names: Vec<&str> = machines.iter().map(|machine| machine.name.as_str()).collect();
            let help = match did_you_mean(name, names.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "the state machines here are {}; name others under `machines`",
                    names.join(", ")
                ),
            };
            found.add_with_help(span, format!("there is no state machine `{name}`"), help);
        }
        at
    }
}
