//! Projects on this machine: local resources take the place of those that a deployment would create.

use crate::{Project, read};
use std::collections::BTreeMap;
use stepwright_asl::{Complaint, Definition, LoadOptions, Loaded, NamedDefinition};
use stepwright_json::{Json, Object, json};
use stepwright_source::LineIndex;

/// The account and region of a project's machines and tasks, and the prefix of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The region of all ARNs.
    pub region: String,
    /// The account of all ARNs.
    pub account: String,
    /// The prefix of the names of machines and tasks.
    pub prefix: String,
}

impl Site {
    /// The ARN of a resource. `kind` is what stands before the name, such as `function:`.
    pub fn arn(&self, service: &str, kind: &str, name: &str) -> String {
        let Self { region, account, prefix } = self;
        format!("arn:aws:{service}:{region}:{account}:{kind}{prefix}{name}")
    }

    /// The definition of a state machine, in which each `${Name}` is replaced by a resource of this
    /// machine.
    pub fn definition(&self, project: &Project, machine: &str) -> Option<Definition> {
        let definition = project.machines.get(machine)?.definition.as_ref().ok()?;
        let text = definition.to_string();
        let values = self.resources(project);
        let options =
            LoadOptions { file: "project.json", values: Some(&values), ..LoadOptions::default() };
        let mut loaded = stepwright_asl::load(text.as_bytes(), &options);
        loaded.definitions.pop().map(|found| found.definition)
    }

    fn resources(&self, project: &Project) -> BTreeMap<String, String> {
        let Self { region, account, prefix } = self;
        let mut resources = BTreeMap::new();
        for name in project.tasks.keys() {
            let function = self.arn("lambda", "function:", name);
            let definition = self.arn("ecs", "task-definition/", name);
            let queue = format!("https://sqs.{region}.amazonaws.com/{account}/{prefix}{name}");
            resources.insert(format!("LambdaFunction{name}"), function);
            resources.insert(format!("ECSTaskDefinition{name}"), definition);
            resources.insert(format!("QueueUrl{name}"), queue);
            resources.insert(format!("CodeBuildProjectName{name}"), format!("{prefix}{name}"));
            resources.insert(format!("PackageName{name}"), name.clone());
            resources.insert(format!("PackageVersion{name}"), "local".to_owned());
        }
        for name in &project.names {
            let machine = self.arn("states", "stateMachine:", name);
            resources.insert(format!("StateMachine{name}"), machine);
        }
        resources.insert("ECSClusterArn".to_owned(), self.arn("ecs", "cluster/", "local"));
        for group in ["DatabaseSecurityGroup", "PrivateLoadBalancerSecurityGroup"] {
            resources.insert(group.to_owned(), "sg-local".to_owned());
        }
        for index in 0..4 {
            resources.insert(format!("Subnet{index}"), "subnet-local".to_owned());
        }
        resources
    }
}

/// Reads the state machines of a project's text like those of any other file. With a site, their
/// placeholders are replaced by its resources.
pub fn load(text: &str, file: &str, site: Option<&Site>) -> Loaded {
    let mut loaded = Loaded::default();
    let project = match read(text) {
        Ok(project) => project,
        Err(errors) => {
            let complaint =
                |diagnostic| Complaint { file: file.to_owned(), text: text.into(), diagnostic };
            loaded.complaints = errors.into_iter().map(complaint).collect();
            return loaded;
        }
    };
    for name in &project.names {
        let definition = match site {
            Some(site) => site.definition(&project, name),
            None => {
                // In this mode, every machine has a definition.
                let definition = project.machines.get(name).map(|one| &one.definition);
                definition.and_then(|one| Some(Definition::from_json(one.as_ref().ok()?)))
            }
        };
        loaded.definitions.extend(definition.map(|definition| {
            NamedDefinition::new(Some(name.clone()), format!("{file} ({name})"), definition)
        }));
    }
    loaded
}

/// A project's text as a template with its state machines, for readers of templates. The error says
/// what is wrong and where.
pub fn template(text: &[u8], file: &str, site: &Site) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(text).map_err(|_| format!("{file} is not UTF-8 text"))?;
    let loaded = load(text, file, Some(site));
    if let Some(first) = loaded.complaints.first() {
        let complaint = &first.diagnostic;
        let place = complaint.span.map(|span| LineIndex::new(text).span(text, span).0);
        let place = place.map(|at| format!(":{}:{}", at.line, at.column)).unwrap_or_default();
        return Err(format!("{file}{place}: {}", complaint.message));
    }
    let machines = loaded.definitions.iter().map(|named| {
        let name = named.name.clone().unwrap_or_default();
        let resource = json!({
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "StateMachineName": (name.as_str()),
                "Definition": (named.definition.to_json())
            }
        });
        (name, resource)
    });
    let machines: Object = machines.collect();
    Ok(json!({"Resources": (Json::from(machines))}).to_string().into_bytes())
}
