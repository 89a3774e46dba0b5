//! The template of an exported machine, with everything that belongs to this machine only.

use crate::complaint::{Refused, Subject};
use crate::event_processor::{self, ENDPOINT, HEADERS};
use crate::machine::{self, Ids};
use crate::places;
use crate::plan::{Deployed, Plan, Processor};
use crate::template::{Template, attribute, reference};
use crate::{File, root, schedule, subscription, topics};
use std::collections::BTreeMap;
use stepwright_constructs::Text;
use stepwright_json::{Json, Object, json};

/// The parameters that the root template passes to the template of every machine.
const SHARED: [&str; 2] = ["Environment", "LogRetentionDays"];

/// Adds the template of a machine, and its nested stack in the root template.
pub(crate) fn nest(
    template: &mut Template,
    plan: &Plan<'_>,
    machine: &Deployed<'_>,
) -> Result<File, Refused> {
    let (inner, given) = places::within(&places::of(plan, machine));
    let ids = Ids::alone();
    let mut own = Template::new(format!(
        "The state machine {} of the project {}",
        machine.name, plan.names.project
    ));
    root::add_shared_parameters(&mut own, plan);
    for parameter in given.keys() {
        own.text(parameter, "Given by the root template");
    }
    let mut parameters = parameters_of(&given);
    machine::add(&mut own, plan, machine, &ids, &inner);
    if let Some(options) = &machine.machine.decorators.schedule {
        schedule::add(&mut own, options, &ids);
    }
    topics::add(&mut own, plan, machine, &ids);
    if !machine.sources().is_empty() {
        subscription::add(&mut own, plan, machine, &ids);
        subscription::add_alarm(&mut own);
    }
    if machine.processor() != Processor::None {
        event_processor::add_parameters(&mut own);
        own.parameter("StateDataDays", root::state_data_days());
        for name in [ENDPOINT, HEADERS, "StateDataDays"] {
            parameters.insert(name, reference(name));
        }
        event_processor::add(&mut own, plan, machine, &ids);
    }
    let arn = plan.names.export(machine.name, "arn");
    own.export("StateMachineArn", machine::arn(&ids), &arn);
    own.output("StateMachineName", attribute(&ids.machine, "Name"));
    own.output("LogGroupName", reference(&ids.logs));
    let path = format!("{}.template.json", machine.stack());
    let stack = json!({
        "Type": "AWS::CloudFormation::Stack",
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Delete",
        "Properties": {
            "TemplateURL": (format!("./{path}")),
            "Parameters": (Json::from(parameters))
        }
    });
    template.add(&machine.stack(), stack);
    let content = own.finish(&Subject::machine(machine.name), plan.project)?;
    Ok(File { path, content: content.into() })
}

fn parameters_of(given: &BTreeMap<String, Text>) -> Object {
    let shared = SHARED.iter().map(|name| (*name, reference(name)));
    let given = given.iter().map(|(name, value)| (name.as_str(), value.to_cloudformation()));
    shared.chain(given).collect()
}
