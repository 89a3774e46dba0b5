//! What belongs to Step Functions. State machines are read from the template by those who run them.

use crate::names::{self, Values};
use crate::request::text;
use crate::stack::Deployed;
use std::collections::BTreeMap;
use stepwright_asl::Resource;
use stepwright_json::Json;

/// An alias of a state machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// Its name.
    pub name: String,
    /// The ARN of the state machine. The alias leads to its newest version.
    pub state_machine: String,
}

pub(crate) fn is_one(kind: &str) -> bool {
    kind.starts_with("AWS::StepFunctions::") || kind == "AWS::Serverless::StateMachine"
}

/// Takes note of a resource. Returns its values, if they were not known before.
pub(crate) fn values(
    resource: &Resource,
    known: &BTreeMap<String, String>,
    deployed: &mut Deployed,
) -> Option<Values> {
    let property = |name: &str| resource.properties.get(name).map(text);
    match resource.kind.as_str() {
        "AWS::StepFunctions::Activity" => {
            deployed.activities.push(names::name(resource));
            None
        }
        "AWS::Serverless::StateMachine" => {
            if let Some(name) = property("AutoPublishAlias") {
                let state_machine = known.get(&resource.logical_id).cloned();
                let state_machine = state_machine.unwrap_or_default();
                deployed.aliases.push(Alias { name, state_machine });
            }
            None
        }
        "AWS::StepFunctions::StateMachineVersion" => {
            let machine = property("StateMachineArn")?;
            let arn = format!("{machine}:1");
            Some(Values::new(arn.clone()).with("Arn", arn))
        }
        "AWS::StepFunctions::StateMachineAlias" => {
            let name = property("Name").unwrap_or_else(|| resource.logical_id.clone());
            let version = version(&resource.properties)?;
            let (machine, _) = version.rsplit_once(':')?;
            let arn = format!("{machine}:{name}");
            deployed.aliases.push(Alias { name, state_machine: machine.to_owned() });
            Some(Values::new(arn.clone()).with("Arn", arn))
        }
        _ => None,
    }
}

/// The ARN of the version that an alias leads to: the last one, if it leads to several.
fn version(properties: &Json) -> Option<String> {
    if let Some(preference) = properties.get("DeploymentPreference") {
        return preference.get("StateMachineVersionArn").map(text);
    }
    let routes = properties.get("RoutingConfiguration")?.as_array()?;
    routes.iter().next_back()?.get("StateMachineVersionArn").map(text)
}
