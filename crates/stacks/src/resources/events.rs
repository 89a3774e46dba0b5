//! Buses, rules and schedules of `EventBridge`.

use crate::names::{self, Values};
use crate::request::text;
use crate::stack::{Made, Stack, Was, without};
use stepwright_asl::Resource;
use stepwright_json::{Json, Object, Str, json};

pub(super) async fn bus(stack: &Stack, resource: &Resource) -> Result<Made, String> {
    let name = names::name(resource);
    let (mut input, left_out) =
        stack.parameters_of("eventbridge", "CreateEventBus", &resource.properties);
    let left_out = left_out.into_iter().filter(|why| !why.contains("`Policy`")).collect();
    input.insert("Name", name.as_str().into());
    let asked = json!({"Name": (name.as_str())});
    let was = match stack.call("eventbridge", "DescribeEventBus", asked).await {
        Ok(_) => Was::Same,
        Err(_) => {
            stack.told("eventbridge", "CreateEventBus", input.into()).await?;
            Was::Nothing
        }
    };
    let place = &stack.setup.place;
    let arn = format!("arn:aws:events:{}:{}:event-bus/{name}", place.region, place.account);
    let values = Values::new(name.clone()).with("Arn", arn).with("Name", name.clone());
    Ok(Made { was, left_out, ..Made::new(name, values) })
}

pub(super) async fn rule(stack: &Stack, resource: &Resource) -> Result<Made, String> {
    let name = names::name(resource);
    let mut properties = resource.properties.as_object().cloned().unwrap_or_default();
    let targets = properties.remove("Targets").unwrap_or_default();
    if let Some(zone) = properties.remove("ScheduleExpressionTimezone")
        && !is_utc(&zone)
    {
        return Err(format!("its time zone `{}` is not served here, only UTC", text(&zone)));
    }
    // A bus may be named by its ARN.
    let bus = properties.get("EventBusName").map(text);
    let bus = bus.map(|bus| bus.rsplit('/').next().unwrap_or(&bus).to_owned());
    properties.insert("Name", name.as_str().into());
    put(stack, &properties.into(), &targets, bus.as_deref(), &name).await
}

fn is_utc(zone: &Json) -> bool {
    matches!(text(zone).as_str(), "UTC" | "Etc/UTC" | "Etc/GMT" | "GMT")
}

async fn put(
    stack: &Stack,
    properties: &Json,
    targets: &Json,
    bus: Option<&str>,
    name: &str,
) -> Result<Made, String> {
    let (mut input, left_out) = stack.parameters_of("eventbridge", "PutRule", properties);
    let named = |mut object: Object| {
        if let Some(bus) = bus {
            object.insert("EventBusName", bus.into());
        }
        Json::from(object)
    };
    input.remove("EventBusName");
    let of_rule =
        |member: &str| named([(Str::from(member), Json::from(name))].into_iter().collect());
    let before = stack.call("eventbridge", "DescribeRule", of_rule("Name")).await.ok();
    stack.told("eventbridge", "PutRule", named(input)).await?;
    let after = stack.told("eventbridge", "DescribeRule", of_rule("Name")).await?;
    let listed = stack.told("eventbridge", "ListTargetsByRule", of_rule("Rule")).await?;
    let there = listed.get("Targets").and_then(Json::as_array).cloned().unwrap_or_default();

    let wanted = json!({"Rule": name, "Targets": (targets.clone())});
    let (mut wanted, mut more) = stack.parameters_of("eventbridge", "PutTargets", &wanted);
    let wanted_targets =
        wanted.get("Targets").and_then(Json::as_array).cloned().unwrap_or_default();
    let mut left_out = left_out;
    left_out.append(&mut more);
    let id = |target: &Json| target.get("Id").map(text).unwrap_or_default();
    let ids: Vec<String> = wanted_targets.iter().map(id).collect();
    let gone: Vec<Json> =
        there.iter().map(id).filter(|id| !ids.contains(id)).map(Json::from).collect();
    let sorted = |targets: &stepwright_json::Array| {
        let mut targets: Vec<Json> = targets.iter().cloned().collect();
        targets.sort_by_key(id);
        targets
    };
    let has_changed = sorted(&there) != sorted(&wanted_targets);
    if !gone.is_empty() {
        let input = [(Str::from("Rule"), Json::from(name)), (Str::from("Ids"), Json::from(gone))];
        let input = named(input.into_iter().collect());
        stack.told("eventbridge", "RemoveTargets", input).await?;
    }
    if !wanted_targets.is_empty() && has_changed {
        wanted.insert("Targets", wanted_targets.into());
        let answer = stack.told("eventbridge", "PutTargets", named(wanted)).await?;
        for entry in answer.get("FailedEntries").and_then(Json::as_array).into_iter().flatten() {
            let part = |name: &str| entry.get(name).map(text).unwrap_or_default();
            left_out.push(format!("its target `{}`: {}", part("TargetId"), part("ErrorMessage")));
        }
    }
    let arn = after.get("Arn").map(text).unwrap_or_default();
    let reference = bus.map_or_else(|| name.to_owned(), |bus| format!("{bus}|{name}"));
    let was = match before {
        None => Was::Nothing,
        Some(before) if before == after && !has_changed => Was::Same,
        Some(_) => Was::Other,
    };
    Ok(Made { was, left_out, ..Made::new(name, Values::new(reference).with("Arn", arn)) })
}

/// A rate as rules want it: `rate(1 minute)`, where Scheduler takes `rate(1 minutes)` too.
fn as_of_rules(expression: &str) -> String {
    let of_rate = || {
        let inner = expression.strip_prefix("rate(")?.strip_suffix(')')?;
        let (number, unit) = inner.trim().split_once(' ')?;
        let unit = unit.trim().trim_end_matches('s');
        let end = if number == "1" { "" } else { "s" };
        Some(format!("rate({number} {unit}{end})"))
    };
    of_rate().unwrap_or_else(|| expression.to_owned())
}

/// A schedule of `EventBridge` Scheduler, as a rule with the same schedule and target.
pub(super) async fn schedule(stack: &Stack, resource: &Resource) -> Result<Made, String> {
    let name = names::name(resource);
    let mut rule = Object::new();
    let mut left_out = Vec::new();
    let mut targets = Vec::new();
    for (property, value) in resource.properties.as_object().into_iter().flat_map(Object::iter) {
        match property.as_str() {
            "Name" | "GroupName" => {}
            "ScheduleExpression" if text(value).starts_with("at(") => {
                return Err("a schedule for one moment is not served here".to_owned());
            }
            "ScheduleExpression" => {
                rule.insert("ScheduleExpression", as_of_rules(&text(value)).into());
            }
            "State" | "Description" => {
                rule.insert(property.clone(), value.clone());
            }
            "ScheduleExpressionTimezone" if is_utc(value) => {}
            "FlexibleTimeWindow" => {
                if value.get("Mode").map(text).as_deref() != Some("OFF") {
                    left_out.push("its flexible window: it fires at the beginning".to_owned());
                }
            }
            "Target" => {
                let arn = value.get("Arn").map(text).unwrap_or_default();
                if arn.starts_with("arn:aws:scheduler:::") {
                    return Err(format!("its target `{arn}` is not served here"));
                }
                let mut target = value.as_object().cloned().unwrap_or_default();
                target.insert("Id", name.as_str().into());
                target.remove("RoleArn");
                targets.push(Json::Object(target));
            }
            other => left_out.push(without(other)),
        }
    }
    rule.insert("Name", name.as_str().into());
    let mut made = put(stack, &rule.into(), &targets.into(), None, &name).await?;
    made.left_out.splice(0..0, left_out);
    let place = &stack.setup.place;
    let arn =
        format!("arn:aws:scheduler:{}:{}:schedule/default/{name}", place.region, place.account);
    made.values = Values::new(name).with("Arn", arn);
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_as_rules_want_them() {
        let check = |given: &str, wanted: &str| assert_eq!(as_of_rules(given), wanted);
        check("rate(1 minutes)", "rate(1 minute)");
        check("rate(5 minute)", "rate(5 minutes)");
        check("rate(2 hours)", "rate(2 hours)");
        check("cron(0 3 * * ? *)", "cron(0 3 * * ? *)");
    }
}
