//! A state machine, its role and its log group.

use crate::names::id;
use crate::plan::{Deployed, Plan, Processor};
use crate::role::{self, ASSUMED_BY_STATES};
use crate::template::{Template, attribute, policy, reference, statements, substituted};
use stepwright_constructs::policy::{self as policies, Places};
use stepwright_json::{Json, Object, json};

/// The logical ids of a machine's resources.
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    pub(crate) machine: String,
    pub(crate) logs: String,
    role: String,
    /// The suffix of the ids of its other resources.
    pub(crate) suffix: String,
}

impl Ids {
    /// The ids in the root template, which may contain other machines.
    pub(crate) fn among_others(machine: &str) -> Self {
        Self::ending(id(machine))
    }

    /// The ids in a template of its own.
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

/// Adds a machine to a template. `places` are the values for the placeholders of its definition in
/// this template.
pub(crate) fn add(
    template: &mut Template,
    plan: &Plan<'_>,
    machine: &Deployed<'_>,
    ids: &Ids,
    places: &Places,
) {
    let name = plan.names.of(machine.name);
    // For groups with any other prefix, CloudWatch Logs adds a line to a resource policy whose size
    // is limited.
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
            // Event processors need inputs and outputs in the log; nobody else does.
            "IncludeExecutionData": (machine.processor() != Processor::None),
            "Destinations": [(destination)]
        }),
    );
    template.resource(&ids.machine, "AWS::StepFunctions::StateMachine", Json::from(properties));
}

/// The ARN of a machine, in the template that defines it.
pub(crate) fn arn(ids: &Ids) -> Json {
    reference(&ids.machine)
}
