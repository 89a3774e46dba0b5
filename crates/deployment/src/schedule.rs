//! Executions that begin by the clock.

use crate::complaint::{Complaints, Subject};
use crate::machine::{self, Ids};
use crate::role;
use crate::template::{Template, allow, attribute};
use stepwright_json::{Json, Object, json};

/// Adds the schedule of a machine and the role in which it starts executions.
pub(crate) fn add(template: &mut Template, schedule: &Object, ids: &Ids) {
    let (id, role) = (format!("Schedule{}", ids.suffix), format!("ScheduleRole{}", ids.suffix));
    let start = allow(&["states:StartExecution"], vec![machine::arn(ids)]);
    role::add(template, &role, "scheduler.amazonaws.com", vec![start]);
    let input = match schedule.get("input_data") {
        None | Some(Json::Null) => Object::new().into(),
        Some(input) => input.clone(),
    };
    let target = json!({
        "Arn": (machine::arn(ids)),
        "RoleArn": (attribute(&role, "Arn")),
        "Input": (input.to_string())
    });
    let properties = json!({
        "ScheduleExpression": (expression(schedule).unwrap_or_default()),
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": (target)
    });
    template.resource(&id, "AWS::Scheduler::Schedule", properties);
}

fn expression(schedule: &Object) -> Option<&str> {
    schedule.get("expression").and_then(Json::as_str)
}

/// Complains of an expression that is none.
pub(crate) fn check(subject: &Subject, schedule: &Object, complaints: &mut Complaints) {
    let help = "write `rate(5 minutes)`, `rate(1 hour)` or `cron(0 3 * * ? *)`";
    match expression(schedule) {
        None => complaints.add(subject, "@schedule has no `expression`", help),
        Some(expression) => {
            if let Err(why) = check_expression(expression) {
                let message = format!("@schedule cannot have the expression `{expression}`: {why}");
                complaints.add(subject, message, help);
            }
        }
    }
}

fn check_expression(expression: &str) -> Result<(), &'static str> {
    let within = |kind: &str| expression.strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(rate) = within("rate") {
        return check_rate(rate);
    }
    match within("cron") {
        Some(fields) => check_cron(fields),
        None => Err("it is neither a rate nor a cron expression"),
    }
}

fn check_rate(rate: &str) -> Result<(), &'static str> {
    let words: Vec<&str> = rate.split_whitespace().collect();
    let [value, unit] = words[..] else { return Err("a rate is a number and a unit") };
    let is_number = value.chars().all(|c| c.is_ascii_digit());
    let Some(value) = value.parse::<u32>().ok().filter(|value| is_number && *value > 0) else {
        return Err("a rate begins with a whole number above 0");
    };
    match unit {
        "minute" | "hour" | "day" if value == 1 => Ok(()),
        "minutes" | "hours" | "days" if value > 1 => Ok(()),
        "minute" | "hour" | "day" | "minutes" | "hours" | "days" => {
            Err("it is `1 hour` and `2 hours`")
        }
        _ => Err("the units are minutes, hours and days"),
    }
}

fn check_cron(fields: &str) -> Result<(), &'static str> {
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let [minutes, hours, day, month, weekday, year] = fields[..] else {
        return Err(
            "it has six fields: minutes, hours, day of the month, month, day of the week, year",
        );
    };
    if (day == "?") == (weekday == "?") {
        return Err("exactly one of the day of the month and the day of the week is `?`");
    }
    let ranges = [
        (minutes, 0, 59, ""),
        (hours, 0, 23, ""),
        (day, 1, 31, "?LW"),
        (month, 1, 12, ""),
        (weekday, 1, 7, "?L#"),
        (year, 1970, 2199, ""),
    ];
    for (field, least, most, extra) in ranges {
        if !is_field(field, least, most, extra) {
            return Err("a field has something that does not belong there");
        }
    }
    Ok(())
}

/// Whether a field has numbers within bounds or names, lists, ranges and steps of them, and the signs
/// in `extra`.
fn is_field(field: &str, least: u32, most: u32, extra: &str) -> bool {
    let is_value = |value: &str| {
        let value = value.trim_end_matches(|c: char| extra.contains(c));
        let names =
            ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
        let days = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
        let upper = value.to_ascii_uppercase();
        value.is_empty()
            || value == "*"
            || value.parse::<u32>().is_ok_and(|number| (least..=most).contains(&number))
            || (most == 12 && names.contains(&upper.as_str()))
            || (most == 7 && days.contains(&upper.as_str()))
    };
    field.split(',').all(|item| {
        let (range, step) = item.split_once('/').unwrap_or((item, "1"));
        let range_is_good = !range.is_empty()
            && match range.split_once('-') {
                Some((from, to)) => {
                    !from.is_empty() && !to.is_empty() && is_value(from) && is_value(to)
                }
                None => match range.split_once('#') {
                    Some((day, nth)) if extra.contains('#') => {
                        !day.is_empty()
                            && is_value(day)
                            && matches!(nth, "1" | "2" | "3" | "4" | "5")
                    }
                    _ => is_value(range),
                },
            };
        range_is_good && step.parse::<u32>().is_ok_and(|step| step > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::check_expression;

    #[test]
    fn expressions_are_those_of_eventbridge() {
        let good = [
            "rate(1 hour)",
            "rate(5 minutes)",
            "cron(0 3 * * ? *)",
            "cron(0/15 8-17 ? * MON-FRI *)",
            "cron(0 10 L * ? 2026-2030)",
            "cron(0 9 ? * 2#1 *)",
            "cron(0 9 15W * ? *)",
        ];
        for expression in good {
            assert_eq!(check_expression(expression), Ok(()), "{expression}");
        }
        let bad = [
            "",
            "hourly",
            "rate(1 hours)",
            "rate(2 hour)",
            "rate(0 minutes)",
            "rate(-5 minutes)",
            "rate(5 weeks)",
            "cron(0 3 * * *)",
            "cron(0 3 * * * *)",
            "cron(0 3 ? * ? *)",
            "cron(61 3 * * ? *)",
            "cron(a 3 * * ? *)",
            "cron(/5 3 * * ? *)",
        ];
        for expression in bad {
            assert!(check_expression(expression).is_err(), "{expression}");
        }
    }
}
