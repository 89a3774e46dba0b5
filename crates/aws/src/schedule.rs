//! Schedules: `rate(…)` and `cron(…)`, as `EventBridge` reads them.
//!
//! Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html>

pub use crate::cron::Cron;

const MINUTE: i64 = 60_000;

/// A schedule. The time zone is UTC, and the precision is a minute.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// Repeats after this many milliseconds, counted from when the schedule was created.
    Rate(i64),
    /// Repeats at the times of a calendar.
    Cron(Box<Cron>),
}

impl Schedule {
    /// Parses an expression such as `rate(5 minutes)` or `cron(0 3 * * ? *)`. The error says what
    /// is wrong.
    pub fn parse(expression: &str) -> Result<Self, String> {
        let within = |name: &str| {
            let rest = expression.trim().strip_prefix(name)?.strip_prefix('(')?;
            rest.strip_suffix(')')
        };
        if let Some(rate) = within("rate") {
            return parse_rate(rate);
        }
        match within("cron") {
            Some(fields) => Cron::parse(fields).map(|cron| Self::Cron(Box::new(cron))),
            None => Err(format!(
                "`{expression}` is no schedule: write `rate(5 minutes)` or `cron(0 3 * * ? *)`"
            )),
        }
    }

    /// The first time that it fires after `moment`, in milliseconds since 1970; `None` if it never
    /// does. A rate counts from `since`.
    pub fn after(&self, moment: i64, since: i64) -> Option<i64> {
        match self {
            Self::Rate(every) => {
                let passed = (moment - since).max(0) / every;
                since.checked_add((passed + 1).checked_mul(*every)?)
            }
            Self::Cron(cron) => cron.after(moment),
        }
    }
}

fn parse_rate(rate: &str) -> Result<Schedule, String> {
    let complaint =
        || format!("`rate({rate})` is no rate: write `rate(1 hour)` or `rate(5 minutes)`");
    let mut words = rate.split_whitespace();
    let (Some(value), Some(unit), None) = (words.next(), words.next(), words.next()) else {
        return Err(complaint());
    };
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
    let value: i64 = value.parse().ok().filter(|_| is_number).ok_or_else(complaint)?;
    let (single, millis) = match unit {
        "minute" | "minutes" => ("minute", MINUTE),
        "hour" | "hours" => ("hour", 60 * MINUTE),
        "day" | "days" => ("day", 24 * 60 * MINUTE),
        _ => return Err(complaint()),
    };
    if value == 0 {
        return Err("a rate is at least 1 minute".to_owned());
    }
    if (value == 1) != (unit == single) {
        let plural = if value == 1 { "" } else { "s" };
        return Err(format!("EventBridge wants `rate({value} {single}{plural})`"));
    }
    value
        .checked_mul(millis)
        .filter(|millis| *millis < i64::MAX / 4)
        .map(Schedule::Rate)
        .ok_or_else(|| format!("`rate({rate})` is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn times(expression: &str, from: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(expression).unwrap();
        let since = from.parse::<Timestamp>().unwrap().as_millisecond();
        let mut at = since;
        let mut times = Vec::new();
        while times.len() < count {
            let Some(next) = schedule.after(at, since) else { break };
            at = next;
            times.push(Timestamp::from_millisecond(at).unwrap().to_string());
        }
        times
    }

    #[test]
    fn rates_count_from_their_beginning() {
        let schedule = Schedule::parse("rate(5 minutes)").unwrap();
        assert_eq!(schedule.after(1_000, 1_000), Some(301_000));
        assert_eq!(schedule.after(300_999, 1_000), Some(301_000));
        assert_eq!(schedule.after(301_000, 1_000), Some(601_000));
        assert_eq!(schedule.after(10_000_000, 1_000), Some(10_201_000));
        assert_eq!(Schedule::parse("rate(1 day)"), Ok(Schedule::Rate(86_400_000)));
    }

    #[test]
    fn calendars_are_those_of_eventbridge() {
        // The examples of the documentation, with the meaning that it gives for each.
        let from = "2026-11-21T13:00:00Z";
        for (expression, expected) in [
            ("cron(0 10 * * ? *)", &["2026-11-22T10:00:00Z", "2026-11-23T10:00:00Z"][..]),
            ("cron(15 12 * * ? *)", &["2026-11-22T12:15:00Z", "2026-11-23T12:15:00Z"]),
            ("cron(0 18 ? * MON-FRI *)", &["2026-11-23T18:00:00Z", "2026-11-24T18:00:00Z"]),
            ("cron(0 8 1 * ? *)", &["2026-12-01T08:00:00Z", "2027-01-01T08:00:00Z"]),
            ("cron(0/15 * * * ? *)", &["2026-11-21T13:15:00Z", "2026-11-21T13:30:00Z"]),
            ("cron(1/10 * * * ? *)", &["2026-11-21T13:01:00Z", "2026-11-21T13:11:00Z"]),
            ("cron(0/10 * ? * MON-FRI *)", &["2026-11-23T00:00:00Z", "2026-11-23T00:10:00Z"]),
            ("cron(0/5 8-17 ? * MON-FRI *)", &["2026-11-23T08:00:00Z", "2026-11-23T08:05:00Z"]),
            ("cron(0 9 ? * 2#1 *)", &["2026-12-07T09:00:00Z", "2027-01-04T09:00:00Z"]),
            ("cron(0 9 ? * 3#2 *)", &["2026-12-08T09:00:00Z", "2027-01-12T09:00:00Z"]),
            ("cron(15 10 ? * 6L 2026-2027)", &["2026-11-27T10:15:00Z", "2026-12-25T10:15:00Z"]),
            ("cron(0 3 L * ? *)", &["2026-11-30T03:00:00Z", "2026-12-31T03:00:00Z"]),
            ("cron(0 3 ? * L *)", &["2026-11-28T03:00:00Z", "2026-12-05T03:00:00Z"]),
            ("cron(0 3 1W * ? *)", &["2026-12-01T03:00:00Z", "2027-01-01T03:00:00Z"]),
            ("cron(0 3 28W NOV ? *)", &["2026-11-27T03:00:00Z", "2027-11-29T03:00:00Z"]),
            ("cron(0 0 29 2 ? *)", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
            ("cron(0 0 ? JAN,JUN SUN *)", &["2027-01-03T00:00:00Z", "2027-01-10T00:00:00Z"]),
            ("cron(0 0 LW * ? *)", &["2026-11-30T00:00:00Z", "2026-12-31T00:00:00Z"]),
            ("cron(0 0 31W * ? *)", &["2026-12-31T00:00:00Z", "2027-01-29T00:00:00Z"]),
            ("cron(0 0 15,L 2 ? *)", &["2027-02-15T00:00:00Z", "2027-02-28T00:00:00Z"]),
            ("cron(0 0 ? 5 MON#1,FRI *)", &["2027-05-03T00:00:00Z", "2027-05-07T00:00:00Z"]),
            ("cron(59 23 31 12 ? *)", &["2026-12-31T23:59:00Z", "2027-12-31T23:59:00Z"]),
            ("cron(30 2-4/2 21 11 ? *)", &["2027-11-21T02:30:00Z", "2027-11-21T04:30:00Z"]),
            // The years begin with 1970.
            ("cron(0 0 1 1 ? */2)", &["2028-01-01T00:00:00Z", "2030-01-01T00:00:00Z"]),
            ("cron(0 0 1 1 ? 2199)", &["2199-01-01T00:00:00Z"]),
            ("cron(0 0 1 1 ? 2026)", &[]),
            ("cron(0 0 30 2 ? *)", &[]),
        ] {
            assert_eq!(times(expression, from, 2), expected, "{expression}");
        }
    }

    #[test]
    fn what_eventbridge_refuses_is_refused() {
        for (expression, expected) in [
            ("every day", "is no schedule"),
            ("at(2026-11-21T13:00:00)", "is no schedule"),
            ("rate(1 minutes)", "wants `rate(1 minute)`"),
            ("rate(5 minute)", "wants `rate(5 minutes)`"),
            ("rate(0 minutes)", "at least 1 minute"),
            ("rate(-1 minutes)", "is no rate"),
            ("rate(+2 minutes)", "is no rate"),
            ("rate(30 seconds)", "is no rate"),
            ("rate(9223372036854775807 days)", "too long"),
            ("cron(0 10 * * *)", "six fields"),
            ("cron(0 10 * * * *)", "write ?"),
            ("cron(0 10 ? * ? *)", "write ?"),
            ("cron(0 25 * * ? *)", "cron(0 25 * * ? *)"),
            ("cron(60 1 * * ? *)", "cron(60 1 * * ? *)"),
            ("cron(0 1 32 * ? *)", "cron(0 1 32 * ? *)"),
            ("cron(0 1 * 13 ? *)", "cron(0 1 * 13 ? *)"),
            ("cron(0 1 ? * 8 *)", "cron(0 1 ? * 8 *)"),
            ("cron(0 1 ? * 0 *)", "cron(0 1 ? * 0 *)"),
            ("cron(0 1 ? * MON *#2)", "cannot stand in the field year"),
            ("cron(L 1 ? * MON *)", "cannot stand in the field minutes"),
            ("cron(0 1 * * ? 1969)", "no year from 1970 to 2199"),
            ("cron(@ 1 * * ? *)", "cannot stand"),
            ("cron(0/0 1 * * ? *)", "`0` is no step in the field minutes"),
            ("cron(0 1 9-3 * ? *)", "`9-3` in the field day-of-month ends before it begins"),
            ("cron(0 1 ? * MOON *)", "`MOON` is no day-of-week from 1 to 7"),
            ("cron(0 1 ? * 2#6 *)", "names no week from 1 to 5"),
            ("cron(0 1 , * ? *)", "`` is no day-of-month from 1 to 31"),
        ] {
            let complaint = Schedule::parse(expression).unwrap_err();
            assert!(complaint.contains(expected), "{expression}: {complaint}");
        }
    }
}
