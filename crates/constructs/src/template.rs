use crate::iam::{distinct, document};
use crate::metrics::Alarm;
use crate::misuse::{Misuses, Problems};
use crate::object;
use crate::policy::{self, Note};
use crate::resources::{
    Activity, Function, Plain, PolicyPart, Resource, ResourceBody, Role, logical_id,
};
use crate::text::{Text, Token, parameter_id};
use crate::{Grant, StateMachine, Value};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use stepwright_json::{Json, Object, Str, json};

/// A stack: state machines and resources that are deployed together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stack {
    description: Option<String>,
    parts: Vec<Resource>,
    outputs: Vec<(String, Text)>,
    tags: Vec<(String, Text)>,
}

impl Stack {
    /// An empty stack.
    pub fn new() -> Self {
        Self::default()
    }

    /// The description of the stack.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Adds a state machine and everything that it defines.
    #[must_use]
    pub fn machine(mut self, machine: StateMachine) -> Self {
        self.parts.push(Resource::machine(machine));
        self
    }

    /// Adds an activity.
    #[must_use]
    pub fn activity(mut self, activity: &Activity) -> Self {
        self.parts.extend(activity.resources());
        self
    }

    /// Adds an alarm.
    #[must_use]
    pub fn alarm(mut self, alarm: &Alarm) -> Self {
        self.parts.extend(alarm.resources());
        self
    }

    /// Gives a permission to a role: `machine.grant_start_execution(&function)`.
    #[must_use]
    pub fn grant(mut self, grant: Grant) -> Self {
        self.parts.extend(grant.resources());
        self
    }

    /// Adds a function, for example one that no state invokes.
    #[must_use]
    pub fn function(mut self, function: &Function) -> Self {
        self.parts.extend(function.resources());
        self
    }

    /// Adds a role.
    #[must_use]
    pub fn role(mut self, role: &Role) -> Self {
        self.parts.extend(role.resources());
        self
    }

    /// Adds any resource.
    #[must_use]
    pub fn resource(mut self, resource: Resource) -> Self {
        self.parts.push(resource);
        self
    }

    /// Adds a tag to everything in the stack that has tags.
    #[doc(alias = "Tags")]
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<Text>) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }

    /// Adds an output, which is shown when the stack is deployed.
    #[must_use]
    pub fn output(mut self, name: impl Into<String>, value: impl Into<Text>) -> Self {
        self.outputs.push((name.into(), value.into()));
        self
    }

    /// Makes the template.
    ///
    /// It has everything that its parts use. Whatever refers to a resource that nothing defines,
    /// and resources that wait for each other, are reported by name.
    pub fn template(&self) -> Result<Template, Misuses> {
        let mut problems = Problems::default();
        let mut assembly = Assembly { tags: self.tags.clone(), ..Assembly::default() };
        for part in &self.parts {
            assembly.waiting.push_back((part.clone(), true));
        }
        for (_, value) in &self.outputs {
            assembly.waiting.extend(value.defined().cloned().map(|part| (part, false)));
        }
        let resources = assembly.finish(&mut problems);
        let template = Template {
            description: self.description.clone(),
            parameters: assembly.parameters,
            resources,
            outputs: self.outputs.clone(),
        };
        let machines: BTreeSet<String> =
            assembly.machines.iter().map(|(machine, _)| machine_id(machine.id())).collect();
        check(&template, &machines, &mut problems);
        problems.or_ok(template)
    }
}

/// A CloudFormation template.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    description: Option<String>,
    parameters: Vec<(String, String)>,
    resources: Vec<(String, Json)>,
    outputs: Vec<(String, Text)>,
}

/// A template for a state machine of which only the definition is given. It contains the machine,
/// its role, and the policy that can be derived from the definition. Notes say what could not be
/// derived.
///
/// Each `${Name}` in the definition becomes a parameter of the template.
///
/// ```
/// use stepwright_constructs::template_from_definition;
/// use stepwright_json::json;
///
/// let definition = json!({
///     "StartAt": "Work",
///     "States": {"Work": {"Type": "Task", "Resource": "${WorkerArn}", "End": true}},
/// });
/// let (template, notes) = template_from_definition("Worker", &definition)?;
/// assert!(template.to_json().get("Parameters").unwrap().get("WorkerArn").is_some());
/// assert_eq!(notes.len(), 1);
/// # Ok::<(), stepwright_constructs::Misuses>(())
/// ```
pub fn template_from_definition(
    id: &str,
    definition: &Json,
) -> Result<(Template, Vec<Note>), Misuses> {
    let text = definition.to_string();
    let mut machine = StateMachine::from_text(id, text.as_str());
    let policy = policy::from_definition(definition, Some(&machine.arn()));
    let mut stack = Stack::new();
    for place in policy::with_places(&text).places() {
        let name = place.trim_start_matches("${").trim_end_matches('}');
        if !name.starts_with("AWS::") {
            let parameter = parameter_id(name);
            let description = format!("What {name} in the definition stands for");
            stack = stack.resource(Resource::parameter(&parameter, description));
        }
        machine = machine.substitution(name, Token::place(name));
    }
    for statement in policy.statements {
        machine = machine.allow(statement);
    }
    Ok((stack.machine(machine).template()?, policy.notes))
}

impl Template {
    /// The template as JSON.
    pub fn to_json(&self) -> Json {
        let mut template = Object::new();
        template.insert("AWSTemplateFormatVersion", "2010-09-09".into());
        if let Some(description) = &self.description {
            template.insert("Description", description.as_str().into());
        }
        let mut put = |key: &str, members: Vec<(String, Json)>| {
            if !members.is_empty() {
                let members: Object =
                    members.into_iter().map(|(key, value)| (Str::from(key), value)).collect();
                template.insert(key, members.into());
            }
        };
        let parameter = |(name, description): &(String, String)| {
            (name.clone(), json!({"Type": "String", "Description": (description.as_str())}))
        };
        put("Parameters", self.parameters.iter().map(parameter).collect());
        put("Resources", self.resources.clone());
        let output = |(name, value): &(String, Text)| {
            (name.clone(), json!({"Value": (value.to_cloudformation())}))
        };
        put("Outputs", self.outputs.iter().map(output).collect());
        template.into()
    }

    /// The resource with a logical id.
    pub fn resource(&self, logical_id: &str) -> Option<&Json> {
        self.resources.iter().find(|(id, _)| id == logical_id).map(|(_, resource)| resource)
    }
}

/// The parts of a template while they are collected.
#[derive(Default)]
struct Assembly {
    /// What is still to be added, and whether it was added to the stack itself. Its own parts come
    /// first, then what they use.
    waiting: VecDeque<(Resource, bool)>,
    tags: Vec<(String, Text)>,
    parameters: Vec<(String, String)>,
    plain: Vec<Plain>,
    machines: Vec<(StateMachine, bool)>,
    policies: Vec<PolicyPart>,
}

impl Assembly {
    /// Collects everything, and writes the resources.
    fn finish(&mut self, problems: &mut Problems) -> Vec<(String, Json)> {
        while let Some((resource, is_own)) = self.waiting.pop_front() {
            match *resource.0 {
                ResourceBody::Plain(plain) => self.add(plain, problems),
                ResourceBody::Parameter { name, description } => {
                    if !self.parameters.iter().any(|(known, _)| *known == name) {
                        self.parameters.push((name, description));
                    }
                }
                ResourceBody::Machine(machine) => self.add_machine(*machine, is_own, problems),
                ResourceBody::Policy(part) => {
                    if !self.policies.contains(&part) {
                        let uses = part.statements.iter().flat_map(|statement| {
                            let mut resources = Vec::new();
                            statement.to_value().defined(&mut |part| resources.push(part.clone()));
                            resources
                        });
                        self.waiting.extend(uses.map(|part| (part, false)));
                        self.policies.push(part);
                    }
                }
                ResourceBody::Misused(misuse) => problems.add(&misuse.subject, misuse.message),
            }
        }
        let policies = self.policies();
        let mut written: Vec<(String, Json)> =
            self.plain.iter().map(|plain| written(plain, &policies, &self.tags)).collect();
        for policy in &policies {
            if written.iter().any(|(id, _)| *id == policy.id) {
                problems.add(&policy.id, "two different resources have this id: rename one");
            }
            written.push((policy.id.clone(), policy.to_json()));
        }
        written
    }

    fn add(&mut self, plain: Plain, problems: &mut Problems) {
        match self.plain.iter().find(|known| known.logical_id == plain.logical_id) {
            Some(known) if *known == plain => return,
            Some(known) => {
                let message = if known.kind == plain.kind {
                    format!("two different resources of the type {} have this id", plain.kind)
                } else {
                    format!(
                        "a resource of the type {} and one of the type {} have this id",
                        known.kind, plain.kind
                    )
                };
                problems.add(&plain.logical_id, format!("{message}: rename one"));
                return;
            }
            None => {}
        }
        plain.properties.defined(&mut |part| self.waiting.push_back((part.clone(), false)));
        let mut refused = Vec::new();
        plain.properties.visit("", &mut |at, leaf| {
            if let Value::Refused(problem) = leaf {
                refused.push(format!("{}: {problem}", at.trim_start_matches('/')));
            }
        });
        for problem in refused {
            problems.add(&plain.logical_id, problem);
        }
        self.plain.push(plain);
    }

    fn add_machine(&mut self, machine: StateMachine, is_own: bool, problems: &mut Problems) {
        let known = self.machines.iter().find(|(known, _)| known.id() == machine.id());
        match known {
            // A machine that refers to itself refers to what it was before.
            Some((known, known_is_own)) if *known == machine || *known_is_own && !is_own => return,
            Some(_) => {
                problems.add(machine.id(), "two different state machines have this id: rename one");
                return;
            }
            None => {}
        }
        for part in machine.to_resources(problems) {
            self.waiting.push_back((part, false));
        }
        self.machines.push((machine, is_own));
    }

    /// The permissions of each role as one policy, which has the id that the CDK gives it. If several
    /// machines share a role, each has a policy of its own: one may start the other, and then has
    /// to wait for its own policy, which must not be the other's as well.
    fn policies(&self) -> Vec<Policy> {
        let mut owners: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for part in &self.policies {
            let owners = owners.entry(part.role.readable()).or_default();
            owners.extend(part.owner.as_deref().filter(|owner| !is_apart(owner)));
        }
        let mut policies: Vec<Policy> = Vec::new();
        for part in &self.policies {
            let is_shared = owners.get(&part.role.readable()).is_some_and(|all| all.len() > 1);
            let mut path: Vec<&str> = part.path.split('/').collect();
            let mut owner = None;
            match part.owner.as_deref() {
                Some(apart) if apart.ends_with("/DistributedMapPolicy") => owner = Some(apart),
                Some(apart) if is_apart(apart) => {
                    path.push("GrantsPolicy");
                    owner = Some(apart);
                }
                Some(machine) if is_shared => {
                    path.extend([machine, "DefaultPolicy"]);
                    owner = Some(machine);
                }
                _ => path.push("DefaultPolicy"),
            }
            path.push("Resource");
            let id = logical_id(&path);
            match policies.iter_mut().find(|policy| policy.id == id) {
                Some(policy) => policy.statements.extend(part.statements.iter().cloned()),
                None => policies.push(Policy {
                    id,
                    role: part.role.clone(),
                    owner: owner.map(str::to_owned),
                    statements: part.statements.clone(),
                }),
            }
        }
        policies
    }
}

/// Whether permissions belong into a policy that nothing waits for.
fn is_apart(owner: &str) -> bool {
    owner == "Grants" || owner.ends_with("/DistributedMapPolicy")
}

/// A policy of a role.
struct Policy {
    id: String,
    role: Text,
    owner: Option<String>,
    statements: Vec<crate::Statement>,
}

impl Policy {
    fn to_json(&self) -> Json {
        let properties = object! {
            "PolicyDocument": document(&distinct(&self.statements)),
            "PolicyName": self.id.as_str(),
            "Roles": [&self.role],
        };
        json!({"Type": "AWS::IAM::Policy", "Properties": (properties.to_cloudformation())})
    }
}

/// A resource as the template has it.
fn written(plain: &Plain, policies: &[Policy], tags: &[(String, Text)]) -> (String, Json) {
    let mut body = Object::new();
    body.insert("Type", plain.kind.as_str().into());
    let mut properties = plain.properties.clone();
    if let (Value::Object(members), Some(tags)) = (&mut properties, plain.tags(tags)) {
        members.retain(|(key, _)| key != "Tags");
        members.push(("Tags".to_owned(), tags));
    }
    let properties = properties.to_cloudformation();
    if properties.as_object().is_some_and(|properties| !properties.is_empty()) {
        body.insert("Properties", properties);
    }
    let mut depends_on: Vec<&str> = Vec::new();
    if let Some(role) = &plain.after_policies_of {
        let of_role = policies.iter().filter(|policy| policy.role == *role);
        depends_on.extend(
            of_role
                .filter(|policy| match policy.owner.as_deref() {
                    None => true,
                    Some(owner) => !is_apart(owner) && machine_id(owner) == plain.logical_id,
                })
                .map(|policy| policy.id.as_str()),
        );
    }
    depends_on.extend(plain.depends_on.iter().map(String::as_str));
    if !depends_on.is_empty() {
        body.insert("DependsOn", depends_on.into_iter().map(Json::from).collect::<Vec<_>>().into());
    }
    if let Some(removal) = plain.removal {
        let (deletion, replacement) = removal.names();
        body.insert("UpdateReplacePolicy", replacement.into());
        body.insert("DeletionPolicy", deletion.into());
    }
    (plain.logical_id.clone(), body.into())
}

/// The logical id of the machine with an id.
fn machine_id(id: &str) -> String {
    let mut path: Vec<&str> = id.split('/').collect();
    path.push("Resource");
    logical_id(&path)
}

/// Checks that everything that is referred to is there, and that nothing waits for itself. Machines
/// that are misused are not there, which is reported already.
fn check(template: &Template, machines: &BTreeSet<String>, problems: &mut Problems) {
    let ids: BTreeSet<&str> = template.resources.iter().map(|(id, _)| id.as_str()).collect();
    let parameters: BTreeSet<&str> =
        template.parameters.iter().map(|(name, _)| name.as_str()).collect();
    for name in ids.intersection(&parameters) {
        problems.add(name, "a parameter and a resource have this id: rename one");
    }
    let mut edges: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut missing: BTreeMap<String, &str> = BTreeMap::new();
    let outputs: Vec<(String, Json)> = template
        .outputs
        .iter()
        .map(|(name, value)| (name.clone(), value.to_cloudformation()))
        .collect();
    for (id, body) in template.resources.iter().chain(&outputs) {
        let mut names = BTreeSet::new();
        references(body, &mut names);
        for name in &names {
            let is_known = ids.contains(name.as_str())
                || parameters.contains(name.as_str())
                || machines.contains(name);
            if !is_known && !name.starts_with("AWS::") {
                missing.entry(name.clone()).or_insert(id);
            }
        }
        edges.insert(id, names);
    }
    for (name, user) in missing {
        let near = stepwright_source::did_you_mean(&name, ids.iter().copied());
        let help = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        let message = format!(
            "`{user}` refers to it, but nothing in the stack defines it: add it with \
             `Stack::resource`, or make it a parameter with `Token::parameter(\"{name}\")`{help}",
        );
        problems.add(&name, message);
    }
    let mut done = BTreeSet::new();
    for (id, _) in &template.resources {
        if let Some(circle) = circle(id, &edges, &mut Vec::new(), &mut done) {
            let names: Vec<String> = circle.iter().map(|id| format!("`{id}`")).collect();
            let message = format!(
                "{} wait for each other: refer to one of them by its name, with `from_name`",
                names.join(", "),
            );
            problems.add(id, message);
            break;
        }
    }
}

/// The resources of a circle of references that leads back to one of them.
fn circle<'t>(
    id: &'t str,
    edges: &'t BTreeMap<&'t str, BTreeSet<String>>,
    path: &mut Vec<&'t str>,
    done: &mut BTreeSet<&'t str>,
) -> Option<Vec<&'t str>> {
    if let Some(start) = path.iter().position(|known| *known == id) {
        return Some(path[start..].to_vec());
    }
    if !done.insert(id) {
        return None;
    }
    path.push(id);
    for next in edges.get(id).into_iter().flatten() {
        if let Some(found) = circle(next, edges, path, done) {
            return Some(found);
        }
    }
    path.pop();
    None
}

/// The names that a part of a template refers to.
fn references(json: &Json, names: &mut BTreeSet<String>) {
    if let Some(list) = json.as_array() {
        list.iter().for_each(|item| references(item, names));
    }
    for (key, value) in json.as_object().into_iter().flat_map(Object::iter) {
        let first = value.as_array().and_then(|list| list.first());
        match key.as_ref() {
            "Ref" => names.extend(value.as_str().map(str::to_owned)),
            "Fn::GetAtt" => names.extend(first.and_then(Json::as_str).map(str::to_owned)),
            "DependsOn" => match value {
                Json::String(one) => drop(names.insert(one.to_string())),
                list => names.extend(
                    list.as_array()
                        .into_iter()
                        .flat_map(|list| list.iter())
                        .filter_map(|id| id.as_str().map(str::to_owned)),
                ),
            },
            _ => references(value, names),
        }
    }
}
