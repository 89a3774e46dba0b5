//! Texts as points in time.

use super::calendar::{DAY, Moment, utc};
use super::format::{DAYS, MONTHS, fragment};
use super::integer;
use super::picture::{Marker, Part, parts};
use crate::error::{Fault, Result};

/// The components that a text has.
#[derive(Default)]
struct Components(Vec<(char, f64)>);

impl Components {
    fn get(&self, component: char) -> Option<f64> {
        self.0.iter().rev().find(|(name, _)| *name == component).map(|(_, value)| *value)
    }

    fn set(&mut self, component: char, value: f64) {
        self.0.push((component, value));
    }

    /// A bit for each component that is there, and that JavaScript takes for true.
    fn mask(&self, components: &str) -> u32 {
        components.chars().fold(0, |mask, component| {
            let there = self.get(component).is_some_and(|value| value != 0.0 && !value.is_nan());
            mask << 1 | u32::from(there)
        })
    }
}

/// The milliseconds since 1970 that `text` means by `picture`; `None` if it does not fit.
pub(crate) fn parse(text: &str, picture: &str, now: i64, newer: bool) -> Result<Option<f64>> {
    let parts = parts(picture, newer)?;
    let mut pattern = String::from("(?i)^");
    for part in &parts {
        pattern.push('(');
        pattern.push_str(&part_pattern(part)?);
        pattern.push(')');
    }
    pattern.push('$');
    let regex = regex::RegexBuilder::new(&pattern)
        .size_limit(1 << 20)
        .build()
        .map_err(|_| Fault::new("D3136"))?;
    let Some(captures) = regex.captures(text) else { return Ok(None) };
    let mut components = Components::default();
    for (at, part) in parts.iter().enumerate() {
        if let (Part::Marker(marker), Some(found)) = (part, captures.get(at + 1)) {
            if let Some(value) = read(marker, found.as_str(), newer)? {
                components.set(marker.component, value);
            } else {
                components.set(marker.component, f64::NAN);
            }
        }
    }
    if components.0.is_empty() {
        return Ok(None);
    }
    complete(components, now)
}

fn part_pattern(part: &Part) -> Result<String> {
    let marker = match part {
        Part::Literal(text) => return Ok(regex::escape(text)),
        Part::Marker(marker) => marker,
    };
    match (marker.component, &marker.integer) {
        ('Z' | 'z', Some(integer)) => {
            let mut pattern = String::from(if marker.component == 'z' { "GMT" } else { "" });
            pattern.push_str("[-+][0-9]+");
            if let Some(separator) = integer.separator() {
                pattern.push_str(&regex::escape(&separator.to_string()));
                pattern.push_str("[0-9]+");
            }
            Ok(pattern)
        }
        ('f', Some(_)) => Ok("[0-9]+".to_owned()),
        (_, Some(integer)) => integer::pattern(integer),
        ('M' | 'x' | 'F' | 'P', None) => Ok("[a-zA-Z]+".to_owned()),
        (other, None) => Err(Fault::new("D3133").value(Some(other.to_string().into()))),
    }
}

fn read(marker: &Marker, text: &str, newer: bool) -> Result<Option<f64>> {
    let named = |names: &[&str]| {
        let most = marker.most.filter(|most| *most > 0.0).map_or(usize::MAX, |most| most as usize);
        names
            .iter()
            .rposition(|name| name[..name.len().min(most)] == *text)
            .map(|at| (at + 1) as f64)
    };
    Ok(match (marker.component, &marker.integer) {
        ('Z' | 'z', Some(integer)) => {
            let text = if marker.component == 'z' { &text[3..] } else { text };
            let (hours, minutes) = match integer.separator().and_then(|at| text.split_once(at)) {
                Some((hours, minutes)) => (hours, minutes),
                None if text.len() <= 3 => (text, ""),
                None => text.split_at(3),
            };
            let minutes = if minutes.is_empty() { 0.0 } else { integer::parse_int(minutes) };
            Some(integer::parse_int(hours) * 60.0 + minutes)
        }
        ('f', Some(_)) if newer => {
            let digits = &text[..text.len().min(3)];
            format!("0.{digits}").parse::<f64>().ok().map(|fraction| fraction * 1000.0)
        }
        (_, Some(integer)) => Some(integer::read(text, integer)?),
        ('M' | 'x', None) => named(&MONTHS),
        ('F', None) => named(&DAYS),
        (_, None) => match text {
            "am" | "AM" => Some(0.0),
            "pm" | "PM" => Some(1.0),
            _ => None,
        },
    })
}

/// Fills in what the picture does not ask for, and counts.
fn complete(mut components: Components, now: i64) -> Result<Option<f64>> {
    let is = |kind: u32, mask: u32| !kind & mask == 0 && kind & mask != 0;
    let date = components.mask("YXMxWwdD");
    let date_a = is(0b1010_0001, date);
    let by_day = !date_a && is(0b1000_0010, date);
    let by_month_week = is(0b0101_0100, date);
    let by_week = !by_month_week && is(0b0100_1000, date);
    let time = components.mask("PHhmsf");
    let halves = !is(0b01_0111, time) && is(0b10_1111, time);
    let mut order = String::from(if by_day {
        "YD"
    } else if by_month_week {
        "XxwF"
    } else if by_week {
        "XWF"
    } else {
        "YMD"
    });
    order.push_str(if halves { "Phmsf" } else { "Hmsf" });
    let now = Moment::new(now);
    let mut started = false;
    let mut ended = false;
    for component in order.chars() {
        // What could not be read is there, but is no number.
        if components.get(component).is_some() {
            started = true;
            if ended {
                return Err(Fault::new("D3136"));
            }
        } else if started {
            components.set(component, if "MDd".contains(component) { 1.0 } else { 0.0 });
            ended = true;
        } else {
            components.set(component, fragment(now, component) as f64);
        }
    }
    let value = |component| components.get(component).unwrap_or(f64::NAN);
    let year = value('Y');
    let mut month =
        components.get('M').filter(|month| *month > 0.0).map_or(0.0, |month| month - 1.0);
    let mut day = value('D');
    if by_day {
        let Some(first) = utc(year, 0.0, 1.0, [0.0; 4]) else { return Ok(None) };
        let derived = Moment::new(first + (value('d') as i64 - 1) * DAY);
        month = derived.month as f64;
        day = derived.day as f64;
    }
    if by_month_week || by_week {
        return Err(Fault::new("D3136"));
    }
    let mut hours = value('H');
    if halves {
        hours = if value('h') == 12.0 { 0.0 } else { value('h') };
        if value('P') == 1.0 {
            hours += 12.0;
        }
    }
    let Some(millis) = utc(year, month, day, [hours, value('m'), value('s'), value('f')]) else {
        return Ok(Some(f64::NAN));
    };
    let truthy = |component| components.get(component).filter(|value| *value != 0.0);
    let offset = truthy('Z').or_else(|| truthy('z')).unwrap_or(0.0);
    Ok(Some(millis as f64 - offset * 60_000.0))
}
