use crate::StateMachine;
use crate::metrics::Alarm;
use crate::misuse::{Misuses, Problems};
use crate::policy::{self, Note};
use crate::resources::{Activity, Resource, ResourceBody};
use crate::text::{Text, Token, parameter_id};
use stepwright_json::{Json, Object, Str, json};

/// A stack: state machines and resources that are deployed together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stack {
    description: Option<String>,
    parts: Vec<Resource>,
    outputs: Vec<(String, Text)>,
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

    /// Adds any resource.
    #[must_use]
    pub fn resource(mut self, resource: Resource) -> Self {
        self.parts.push(resource);
        self
    }

    /// Adds an output, which is shown when the stack is deployed.
    #[must_use]
    pub fn output(mut self, name: impl Into<String>, value: impl Into<Text>) -> Self {
        self.outputs.push((name.into(), value.into()));
        self
    }

    /// Makes the template.
    pub fn template(&self) -> Result<Template, Misuses> {
        let mut problems = Problems::default();
        let mut template = Template {
            description: self.description.clone(),
            parameters: Vec::new(),
            resources: Vec::new(),
            outputs: self.outputs.clone(),
        };
        for part in &self.parts {
            template.add(part, &mut problems, 0);
        }
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

/// How deeply machines may start other machines.
const DEEPEST: usize = 32;

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

    fn add(&mut self, resource: &Resource, problems: &mut Problems, depth: usize) {
        match resource.0.as_ref() {
            ResourceBody::Plain { logical_id, kind, properties, depends_on, retain } => {
                let mut body = Object::new();
                body.insert("Type", (*kind).into());
                let properties = properties.to_cloudformation();
                if properties.as_object().is_some_and(|properties| !properties.is_empty()) {
                    body.insert("Properties", properties);
                }
                if !depends_on.is_empty() {
                    let ids: Vec<Json> = depends_on.iter().map(|id| id.as_str().into()).collect();
                    body.insert("DependsOn", ids.into());
                }
                let policy = if *retain { "Retain" } else { "Delete" };
                if *retain || *kind == "AWS::StepFunctions::StateMachine" {
                    body.insert("UpdateReplacePolicy", policy.into());
                    body.insert("DeletionPolicy", policy.into());
                }
                self.insert(logical_id, body.into(), problems);
            }
            ResourceBody::Parameter { name, description } => {
                if !self.parameters.iter().any(|(known, _)| known == name) {
                    self.parameters.push((name.clone(), description.clone()));
                }
            }
            ResourceBody::Machine(machine) if depth < DEEPEST => {
                for part in machine.to_resources(problems) {
                    self.add(&part, problems, depth + 1);
                }
            }
            ResourceBody::Machine(machine) => {
                problems.add(machine.id(), "state machines start each other too deeply");
            }
        }
    }

    fn insert(&mut self, logical_id: &str, body: Json, problems: &mut Problems) {
        match self.resource(logical_id) {
            None => self.resources.push((logical_id.to_owned(), body)),
            Some(known) if *known == body => {}
            Some(_) => problems.add(logical_id, "two different resources have this id: rename one"),
        }
    }
}
