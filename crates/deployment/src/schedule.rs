//! Schedules, which start executions at certain times.

use crate::complaint::{Complaints, Subject};
use crate::machine::{self, Ids};
use crate::role;
use crate::template::{Template, allow, attribute};
use stepwright_fluxio::Schedule;
use stepwright_json::{Json, Object, json};

/// Adds the rule that starts executions of a machine, and the rule's role. Without input data, the
/// input of an execution is EventBridge's event.
pub(crate) fn add(template: &mut Template, schedule: &Object, ids: &Ids) {
    let (id, role) = (format!("Schedule{}", ids.suffix), format!("ScheduleRole{}", ids.suffix));
    let start = allow(&["states:StartExecution"], vec![machine::arn(ids)]);
    role::add(template, &role, "events.amazonaws.com", vec![start]);
    let mut target = Object::new();
    target.insert("Id", "machine".into());
    target.insert("Arn", machine::arn(ids));
    target.insert("RoleArn", attribute(&role, "Arn"));
    if let Some(input) = schedule.get("input_data").filter(|input| !input.is_null()) {
        target.insert("Input", input.to_string().into());
    }
    let properties = json!({
        "ScheduleExpression": (expression(schedule).unwrap_or_default()),
        "State": "ENABLED",
        "Targets": [(Json::from(target))]
    });
    template.resource(&id, "AWS::Events::Rule", properties);
}

fn expression(schedule: &Object) -> Option<&str> {
    schedule.get("expression").and_then(Json::as_str)
}

/// Reports an invalid schedule expression.
pub(crate) fn check(subject: &Subject, schedule: &Object, complaints: &mut Complaints) {
    let help = "write `rate(5 minutes)`, `rate(1 hour)` or `cron(0 3 * * ? *)`";
    match expression(schedule) {
        None => complaints.add(subject, "@schedule has no `expression`", help),
        Some(expression) => {
            if let Err(why) = Schedule::parse(expression) {
                complaints.add(subject, why, help);
            }
        }
    }
}
