//! A state machine, its role and its log group.

use crate::names::id;
use crate::plan::{Deployed, Plan, Processor};
use crate::role::{self, ASSUMED_BY_STATES};
use crate::template::{Template, attribute, policy, reference, statements, substituted};
use stepwright_constructs::policy::{self as policies, Places};
use stepwright_json::{Json, Object, json};

/// The ids of a machine's resources.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    pub(crate) machine: String,
    pub(crate) logs: String,
    role: String,
    /// What other resources of the machine end with.
    pub(crate) suffix: String,
}

impl Ids {
    /// In the root template, among others.
    pub(crate) fn among_others(machine: &str) -> Self {
        Self::ending(id(machine))
    }

    /// In a template of its own.
    pub(crate) fn alone() -> Self {
        Self::ending(String::new())
    }

    fn ending(suffix: String) -> Self {
        Self {
            machine: format!("StateMachine{suffix}"),
            logs: format!("MachineLogs{suffix}"),
            role: format!("MachineRole{suffix}"),
            suffix,
        }
    }
}

/// Adds a machine. `places` are those of its definition, as this template has them.
pub(crate) fn add(
    template: &mut Template,
    plan: &Plan<'_>,
    machine: &Deployed<'_>,
    ids: &Ids,
    places: &Places,
) {
    let name = plan.names.of(machine.name);
    // CloudWatch Logs adds a line to a policy of limited size for other names than these.
    role::add_logs(template, &ids.logs, &format!("/aws/vendedlogs/states/{name}"));
    let derived = policies::from_definition_with(machine.definition, None, places);
    let mut allowed = statements(&derived.statements);
    allowed.push(policies::for_logs().to_cloudformation());
    let role = json!({
        "AssumeRolePolicyDocument": (role::assumed_by(ASSUMED_BY_STATES)),
        "Policies": [{"PolicyName": "states", "PolicyDocument": (policy(allowed))}]
    });
    template.resource(&ids.role, "AWS::IAM::Role", role);
    let substitutions: Object = places
        .iter()
        .map(|(name, place)| (name.as_str(), place.text().to_cloudformation()))
        .collect();
    let mut properties = Object::new();
    properties.insert("StateMachineName", substituted(&name));
    properties.insert("StateMachineType", "STANDARD".into());
    properties.insert("RoleArn", attribute(&ids.role, "Arn"));
    properties.insert("DefinitionString", machine.definition.to_string().into());
    if !substitutions.is_empty() {
        properties.insert("DefinitionSubstitutions", substitutions.into());
    }
    let destination =
        json!({"CloudWatchLogsLogGroup": {"LogGroupArn": (attribute(&ids.logs, "Arn"))}});
    properties.insert(
        "LoggingConfiguration",
        json!({
            "Level": "ALL",
            // An event processor reads inputs and outputs; nobody else needs them in the log.
            "IncludeExecutionData": (machine.processor() != Processor::None),
            "Destinations": [(destination)]
        }),
    );
    template.resource(&ids.machine, "AWS::StepFunctions::StateMachine", Json::from(properties));
}

/// The ARN of a machine within its own template.
pub(crate) fn arn(ids: &Ids) -> Json {
    reference(&ids.machine)
}
