//! The context object: `$$` in JSONPath, `$states.context` in JSONata.

use crate::execution::{Execution, Phase};
use crate::items::Item;
use crate::view::More;
use stepwright_history::{FrameId, StateType};
use stepwright_json::{Json, Object};
use stepwright_program::time;

/// The source of items that are in the state's input.
pub(crate) const STATE_DATA: &str = "STATE_DATA";

pub(crate) fn build(execution: &Execution, frame: FrameId, more: &More<'_>) -> Json {
    let mut context = Object::new();
    let Some(start) = &execution.start else { return Json::Object(context) };
    let identity = &start.identity;

    let mut of_execution = Object::new();
    of_execution.insert("Id", identity.execution_arn.clone().into());
    of_execution.insert("Input", start.input.clone());
    of_execution.insert("StartTime", time::format(execution.started_at.0).into());
    of_execution.insert("Name", identity.name.clone().into());
    of_execution.insert("RoleArn", identity.role_arn.clone().into());
    // Express executions cannot be redriven.
    if !identity.execution_arn.contains(":express:") {
        of_execution.insert("RedriveCount", Json::Int(i64::from(execution.redrives)));
    }
    if let Some(at) = execution.redriven_at {
        of_execution.insert("RedriveTime", time::format(at.0).into());
    }
    context.insert("Execution", Json::Object(of_execution));

    let mut of_machine = Object::new();
    of_machine.insert("Id", identity.state_machine_arn.clone().into());
    of_machine.insert("Name", identity.state_machine_name.clone().into());
    context.insert("StateMachine", Json::Object(of_machine));

    let entry = &execution.frame(frame).entry;
    let mut of_state = Object::new();
    of_state.insert("Name", entry.name.clone().into());
    of_state.insert("EnteredTime", time::format(entry.at.0).into());
    if matches!(entry.kind, StateType::Task | StateType::Parallel | StateType::Map) {
        of_state.insert("RetryCount", Json::Int(i64::from(entry.retries)));
    }
    context.insert("State", Json::Object(of_state));

    if let Some(token) = more.token {
        let mut of_task = Object::new();
        of_task.insert("Token", token.into());
        context.insert("Task", Json::Object(of_task));
    }
    if let Some(map) = map_context(execution, frame, more) {
        context.insert("Map", map);
    }
    Json::Object(context)
}

/// A context object that is given, with the item that is being prepared.
pub(crate) fn with_item(given: &Json, more: &More<'_>) -> Json {
    match (given, more.item) {
        (Json::Object(members), Some(of)) => {
            let mut members = members.clone();
            members.insert("Map", item(&of));
            members.into()
        }
        _ => given.clone(),
    }
}

/// The `Map` of the context object: the item of the nearest iteration around the frame.
fn map_context(execution: &Execution, frame: FrameId, more: &More<'_>) -> Option<Json> {
    if let Some(of) = &more.item {
        return Some(item(of));
    }
    let mut at = Some(frame);
    while let Some(id) = at {
        let frame = execution.frame(id);
        if let (Some(value), Some((parent, index))) = (&frame.item, frame.parent) {
            let of_object = match &execution.frame(parent).phase {
                Phase::Map(open) => open.plan.of_object,
                _ => false,
            };
            return Some(item(&Item::new(index, value, of_object, Some(STATE_DATA))));
        }
        at = frame.parent.map(|(parent, _)| parent);
    }
    execution.start.as_ref()?.map_context.clone()
}

/// `{"Item": {"Index": …, "Key": …, "Value": …, "Source": …}}`
pub(crate) fn item(of: &Item<'_>) -> Json {
    let mut of_item = Object::new();
    of_item.insert("Index", Json::Int(i64::from(of.index)));
    if let Some(key) = of.key {
        of_item.insert("Key", key.clone());
    }
    of_item.insert("Value", of.value.clone());
    if let Some(source) = of.source {
        of_item.insert("Source", source.into());
    }
    let mut map = Object::new();
    map.insert("Item", Json::Object(of_item));
    Json::Object(map)
}
