//! Points in time as text.

use super::calendar::{DAY, Moment, month_start};
use super::integer::{self, Case};
use super::picture::{Marker, Part, parts};
use crate::error::{Fault, Result};

pub(super) const DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const ISO: &str = "[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01].[f001][Z01:01t]";

/// Writes a point in time by a picture (ISO 8601 without one), in a time zone such as `+0100`.
pub(crate) fn format(
    millis: f64,
    picture: Option<&str>,
    timezone: Option<&str>,
    newer: bool,
) -> Result<String> {
    let (hours, minutes) = match timezone {
        Some(timezone) => {
            let offset = integer::parse_int(timezone);
            ((offset / 100.0).floor(), offset % 100.0)
        }
        None => (0.0, 0.0),
    };
    let shifted = millis.trunc() + (60.0 * hours + minutes) * 60_000.0;
    let shifted = if shifted.is_finite() { shifted.clamp(-8.64e15, 8.64e15) } else { 0.0 };
    let moment = Moment::new(shifted as i64);
    let mut out = String::new();
    for part in parts(picture.unwrap_or(ISO), newer)? {
        match part {
            Part::Literal(text) => out.push_str(&text),
            Part::Marker(marker) => {
                out.push_str(&component(moment, &marker, hours, minutes)?);
            }
        }
    }
    Ok(out)
}

fn component(moment: Moment, marker: &Marker, hours: f64, minutes: f64) -> Result<String> {
    match marker.component {
        'Y' | 'M' | 'D' | 'd' | 'F' | 'W' | 'w' | 'X' | 'x' | 'H' | 'h' | 'm' | 's' | 'f' => {
            let mut value = fragment(moment, marker.component);
            if let Some(digits) = marker.year_digits
                && marker.component == 'Y'
            {
                value = (value as f64 % 10f64.powf(digits)) as i64;
            }
            match (marker.names, &marker.integer) {
                (Some(case), _) if marker.component != 'f' => name(value, marker, case),
                (_, Some(integer)) => integer::write(value as f64, integer),
                _ => Ok(value.to_string()),
            }
        }
        'Z' | 'z' => zone(marker, hours, minutes),
        'P' => {
            let text = if moment.of_day() >= DAY / 2 { "pm" } else { "am" };
            Ok(if marker.names == Some(Case::Upper) {
                text.to_uppercase()
            } else {
                text.to_owned()
            })
        }
        'C' | 'E' => Ok("ISO".to_owned()),
        // jsonata-js has no value for a component that it does not know.
        _ => Ok("undefined".to_owned()),
    }
}

fn name(value: i64, marker: &Marker, case: Case) -> Result<String> {
    let index = (value - 1).max(0) as usize;
    let name = match marker.component {
        'M' | 'x' => MONTHS.get(index),
        'F' => DAYS.get(index),
        other => return Err(Fault::new("D3133").value(Some(other.to_string().into()))),
    };
    let name = name.copied().unwrap_or_default();
    let mut name = match case {
        Case::Upper => name.to_uppercase(),
        Case::Lower => name.to_lowercase(),
        Case::Title => name.to_owned(),
    };
    if let Some(most) = marker.most {
        name.truncate(most.max(0.0) as usize);
    }
    Ok(name)
}

fn zone(marker: &Marker, hours: f64, minutes: f64) -> Result<String> {
    let Some(integer) = &marker.integer else { return Ok(String::new()) };
    let offset = hours * 100.0 + minutes;
    let mut text = if integer.is_regular() {
        integer::write(offset, integer)?
    } else {
        match integer.mandatory {
            1 | 2 => {
                let mut text = integer::write(hours, integer)?;
                if minutes != 0.0 {
                    text.push(':');
                    text.push_str(&integer::write(minutes, &integer::Format::new("00")?)?);
                }
                text
            }
            3 | 4 => integer::write(offset, integer)?,
            digits => return Err(Fault::new("D3134").value(Some(digits.into()))),
        }
    };
    if offset >= 0.0 {
        text.insert(0, '+');
    }
    if marker.component == 'z' {
        text.insert_str(0, "GMT");
    }
    if offset == 0.0 && marker.second == Some('t') {
        "Z".clone_into(&mut text);
    }
    Ok(text)
}

/// The beginning of the first week of a month or a year: the one with its first Thursday.
fn first_week(year: i64, month: i64) -> i64 {
    let first = month_start(year, month);
    let weekday = Moment::new(first).weekday();
    if weekday > 4 { first + (8 - weekday) * DAY } else { first - (weekday - 1) * DAY }
}

/// The value of a component of a date or a time.
pub(super) fn fragment(moment: Moment, component: char) -> i64 {
    let Moment { year, month, day, .. } = moment;
    let of_day = moment.of_day();
    let today = moment.millis - of_day;
    let weeks = |start: i64| (today - start).div_euclid(7 * DAY) + 1;
    match component {
        'Y' => year,
        'M' => month + 1,
        'D' => day,
        'd' => (today - month_start(year, 0)) / DAY + 1,
        'F' => moment.weekday(),
        'W' => {
            let week = weeks(first_week(year, 0));
            if week > 52 && today >= first_week(year + 1, 0) {
                1
            } else if week < 1 {
                weeks(first_week(year - 1, 0))
            } else {
                week
            }
        }
        'w' => {
            let week = weeks(first_week(year, month));
            if week > 4 && today >= first_week(year, month + 1) {
                1
            } else if week < 1 {
                weeks(first_week(year, month - 1))
            } else {
                week
            }
        }
        'X' => {
            if moment.millis < first_week(year, 0) {
                year - 1
            } else if moment.millis >= first_week(year + 1, 0) {
                year + 1
            } else {
                year
            }
        }
        'x' => {
            let month = if moment.millis < first_week(year, month) {
                month - 1
            } else if moment.millis >= first_week(year, month + 1) {
                month + 1
            } else {
                month
            };
            month.rem_euclid(12) + 1
        }
        'H' => of_day / 3_600_000,
        'h' => match of_day / 3_600_000 % 12 {
            0 => 12,
            hour => hour,
        },
        'm' => of_day / 60_000 % 60,
        's' => of_day / 1_000 % 60,
        'f' => of_day % 1_000,
        _ => 0,
    }
}
