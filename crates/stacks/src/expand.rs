//! SAM: the resources that its own types stand for.
//!
//! <https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification-generated-resources.html>

use crate::names;
use crate::request::text;
use std::collections::BTreeMap;
use stepwright_asl::{Resource, Template};
use stepwright_functions::Place;
use stepwright_json::{Json, Object, json};

/// The resources of a template, and those that stand in the events of its functions and state machines.
pub(crate) fn all(
    template: &Template,
    values: &BTreeMap<String, String>,
    place: &Place,
) -> Vec<Resource> {
    let globals = template.section("Globals", values).unwrap_or_default();
    let mut all = Vec::new();
    for mut resource in template.resources(values) {
        let section = match resource.kind.as_str() {
            "AWS::Serverless::Function" => "Function",
            "AWS::Serverless::SimpleTable" => "SimpleTable",
            "AWS::Serverless::StateMachine" => "StateMachine",
            "AWS::Serverless::LayerVersion" => "LayerVersion",
            _ => "",
        };
        if let Some(globals) = globals.get(section) {
            resource.properties = merged(globals, &resource.properties);
        }
        let events = events(&resource, place);
        all.push(resource);
        all.extend(events);
    }
    all
}

/// What all resources of a type have, under what one has itself: objects are merged, lists added.
fn merged(global: &Json, own: &Json) -> Json {
    match (global, own) {
        (Json::Object(global), Json::Object(own)) => {
            let mut all = global.clone();
            for (name, value) in own.iter() {
                let value = match global.get(name) {
                    Some(global) => merged(global, value),
                    None => value.clone(),
                };
                all.insert(name.clone(), value);
            }
            all.into()
        }
        (Json::Array(global), Json::Array(own)) => {
            global.iter().chain(own.iter()).cloned().collect::<Vec<_>>().into()
        }
        _ => own.clone(),
    }
}

/// The resources that the events of a function or state machine stand for.
fn events(of: &Resource, place: &Place) -> Vec<Resource> {
    let is_function = match of.kind.as_str() {
        "AWS::Serverless::Function" => true,
        "AWS::Serverless::StateMachine" => false,
        _ => return Vec::new(),
    };
    let events = of.properties.get("Events").and_then(Json::as_object);
    let events = events.into_iter().flat_map(Object::iter);
    events.filter_map(|(name, event)| one(of, place, is_function, name, event)).collect()
}

fn one(
    of: &Resource,
    place: &Place,
    is_function: bool,
    name: &str,
    event: &Json,
) -> Option<Resource> {
    let kind = event.get("Type").and_then(Json::as_str)?;
    let empty = Json::Object(Object::new());
    let given = event.get("Properties").unwrap_or(&empty);
    let Place { account, region } = place;
    let (service, what) =
        if is_function { ("lambda", "function") } else { ("states", "stateMachine") };
    let target = format!("arn:aws:{service}:{region}:{account}:{what}:{}", names::name(of));
    let property = |name: &str| given.get(name).filter(|value| !value.is_null()).cloned();
    let text_of = |name: &str| property(name).map(|value| text(&value));
    let mut properties = Object::new();
    let mut put = |name: &str, value: Option<Json>| {
        if let Some(value) = value {
            properties.insert(name, value);
        }
    };
    let id = format!("{}{name}", of.logical_id);
    let target_of_rule = || {
        let mut object = Object::new();
        object.insert("Id", format!("{id}Target").into());
        object.insert("Arn", target.as_str().into());
        for name in ["Input", "InputPath", "InputTransformer", "RetryPolicy"] {
            if let Some(value) = property(name) {
                object.insert(name, value);
            }
        }
        if let Some(arn) =
            property("DeadLetterConfig").and_then(|config| config.get("Arn").cloned())
        {
            object.insert("DeadLetterConfig", json!({"Arn": arn}));
        }
        Json::from(vec![Json::Object(object)])
    };
    let state = match (property("Enabled").map(|value| text(&value)), text_of("State")) {
        (_, Some(state)) => state,
        (Some(enabled), None) if enabled == "false" => "DISABLED".to_owned(),
        _ => "ENABLED".to_owned(),
    };
    let kind = match kind {
        "Schedule" | "ScheduleV2" => {
            let expression = property("Schedule").or_else(|| property("ScheduleExpression"));
            put("ScheduleExpression", expression);
            put("State", Some(state.into()));
            put("Description", property("Description"));
            put("Name", property("Name"));
            put("ScheduleExpressionTimezone", property("ScheduleExpressionTimezone"));
            put("Targets", Some(target_of_rule()));
            "AWS::Events::Rule"
        }
        "EventBridgeRule" | "CloudWatchEvent" => {
            put("EventPattern", property("Pattern"));
            put("EventBusName", property("EventBusName"));
            put("Name", property("RuleName"));
            put("State", Some(state.into()));
            put("Targets", Some(target_of_rule()));
            "AWS::Events::Rule"
        }
        "SNS" if is_function => {
            put("TopicArn", property("Topic"));
            put("Protocol", Some("lambda".into()));
            put("Endpoint", Some(target.into()));
            put("FilterPolicy", property("FilterPolicy"));
            put("FilterPolicyScope", property("FilterPolicyScope"));
            put("RedrivePolicy", property("RedrivePolicy"));
            "AWS::SNS::Subscription"
        }
        "SQS" if is_function => {
            put("EventSourceArn", property("Queue"));
            put("FunctionName", Some(target.into()));
            for name in ["BatchSize", "Enabled", "FunctionResponseTypes", "FilterCriteria"] {
                put(name, property(name));
            }
            put("MaximumBatchingWindowInSeconds", property("MaximumBatchingWindowInSeconds"));
            "AWS::Lambda::EventSourceMapping"
        }
        other => {
            return Some(Resource {
                logical_id: id,
                kind: format!("{} event", other.trim_start_matches("AWS::")),
                properties: empty,
                ..of.clone()
            });
        }
    };
    Some(Resource {
        logical_id: id,
        kind: kind.to_owned(),
        properties: properties.into(),
        ..of.clone()
    })
}
