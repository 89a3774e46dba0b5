//! `cron(…)` of `EventBridge`: minutes, hours, days, months and years in UTC.

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

const MINUTE: i64 = 60_000;

/// A field of an expression.
struct Field {
    name: &'static str,
    first: u16,
    last: u16,
    /// What values are called, from the first on.
    names: &'static [&'static str],
    /// The characters that it allows besides numbers, names and `, - *`.
    wildcards: &'static str,
}

const MINUTES: Field = field("minutes", 0, 59, &[], "/");
const HOURS: Field = field("hours", 0, 23, &[], "/");
const DAY: Field = field("day-of-month", 1, 31, &[], "?/LW");
const MONTH: Field = field("month", 1, 12, &MONTHS, "/");
const WEEKDAY: Field = field("day-of-week", 1, 7, &WEEKDAYS, "?/L#");
const YEAR: Field = field("year", 1970, 2199, &[], "/");

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const fn field(
    name: &'static str,
    first: u16,
    last: u16,
    names: &'static [&'static str],
    wildcards: &'static str,
) -> Field {
    Field { name, first, last, names, wildcards }
}

/// The values of a field that match, as bits from its first value on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Values([u64; 4]);

impl Values {
    fn add(&mut self, bit: u16) {
        self.0[usize::from(bit / 64)] |= 1 << (bit % 64);
    }

    fn has(&self, bit: u16) -> bool {
        self.0[usize::from(bit / 64)] >> (bit % 64) & 1 == 1
    }

    /// The first that matches, from this one on, of so many.
    fn from(&self, bit: u16, count: u16) -> Option<u16> {
        (bit..count).find(|bit| self.has(*bit))
    }
}

/// A day that is found within its month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Special {
    /// `L`: the last day.
    Last,
    /// `LW`: the last day from Monday to Friday.
    LastWorkday,
    /// `15W`: the day from Monday to Friday of this month that is closest to the 15th.
    Workday(u8),
    /// `6L`: the last Friday.
    LastOf(u8),
    /// `6#3`: the third Friday.
    Nth(u8, u8),
}

/// A calendar of moments. The time zone is UTC, and the precision is a minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: Values,
    hours: Values,
    days: Values,
    weekdays: Values,
    specials: Vec<Special>,
    months: Values,
    years: Values,
}

impl Cron {
    /// Parses what stands between the parentheses of `cron(…)`. The error says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<String> = text.split_whitespace().map(str::to_uppercase).collect();
        let Ok([minutes, hours, day, month, weekday, year]) = <[String; 6]>::try_from(fields)
        else {
            return Err(format!(
                "`cron({text})` has not six fields: minutes hours day-of-month month day-of-week year"
            ));
        };
        if (day == "?") == (weekday == "?") {
            return Err(format!(
                "in `cron({text})`, write ? for the day of the month or for the day of the week, and for one of \
                 them only"
            ));
        }
        // The last day of a week is Saturday.
        let weekday = if weekday == "L" { "7".to_owned() } else { weekday };
        let mut specials = Vec::new();
        let mut read = |field: &Field, text: &str| field.read(text, &mut specials);
        let parsed = (|| {
            Ok::<_, String>((
                read(&MINUTES, &minutes)?,
                read(&HOURS, &hours)?,
                read(&DAY, &day)?,
                read(&MONTH, &month)?,
                read(&WEEKDAY, &weekday)?,
                read(&YEAR, &year)?,
            ))
        })();
        let (minutes, hours, days, months, weekdays, years) =
            parsed.map_err(|what| format!("in `cron({text})`, {what}"))?;
        Ok(Self { minutes, hours, days, weekdays, specials, months, years })
    }

    /// The first moment after this one, in milliseconds since 1970; `None` if there is none.
    pub(crate) fn after(&self, moment: i64) -> Option<i64> {
        let start = (moment.div_euclid(MINUTE) + 1).max(0).checked_mul(MINUTE)?;
        let start = Timestamp::from_millisecond(start).ok()?.to_zoned(TimeZone::UTC).datetime();
        let first = start.date();
        let mut of_day = Some((start.hour() as u16, start.minute() as u16));
        for year in first.year()..=YEAR.last as i16 {
            if !self.years.has((year as u16).checked_sub(YEAR.first)?) {
                continue;
            }
            for month in 1..=12 {
                let is_past = (year, month) < (first.year(), first.month());
                if is_past || !self.months.has(month as u16 - MONTH.first) {
                    continue;
                }
                let begin = Date::new(year, month, 1).ok()?;
                let matching = self.days_of(begin);
                for day in 1..=begin.days_in_month() {
                    let date = begin.with().day(day).build().ok()?;
                    if date < first || matching >> day & 1 == 0 {
                        continue;
                    }
                    let (hour, minute) =
                        of_day.take().filter(|_| date == first).unwrap_or_default();
                    if let Some((hour, minute)) = self.within_day(hour, minute) {
                        let at = date.at(hour as i8, minute as i8, 0, 0);
                        let at = at.to_zoned(TimeZone::UTC).ok()?.timestamp();
                        return Some(at.as_millisecond());
                    }
                }
            }
        }
        None
    }

    /// The first time of a day from this one on.
    fn within_day(&self, hour: u16, minute: u16) -> Option<(u16, u16)> {
        if self.hours.has(hour)
            && let Some(minute) = self.minutes.from(minute, 60)
        {
            return Some((hour, minute));
        }
        Some((self.hours.from(hour + 1, 24)?, self.minutes.from(0, 60)?))
    }

    /// The days of a month that match, as bits, given its first day.
    fn days_of(&self, first: Date) -> u32 {
        let last = first.days_in_month() as u8;
        // 0 is Sunday.
        let weekday_of = |day: u8| {
            let offset = first.weekday().since(Weekday::Sunday) as u8;
            (offset + day - 1) % 7
        };
        let is_workday = |day: &u8| (1..=5).contains(&weekday_of(*day));
        let plain = |day: &u8| {
            self.days.has(u16::from(day - 1)) || self.weekdays.has(u16::from(weekday_of(*day)))
        };
        let special = |special: &Special| match *special {
            Special::Last => Some(last),
            Special::LastWorkday => (1..=last).rev().find(is_workday),
            Special::Workday(day) if day > last => None,
            Special::Workday(day) => {
                // The day itself, then its neighbours; a month is not left.
                let near = [
                    Some(day),
                    day.checked_sub(1),
                    Some(day + 1),
                    day.checked_sub(2),
                    Some(day + 2),
                ];
                let mut near = near.into_iter().flatten();
                near.find(|day| (1..=last).contains(day) && is_workday(day))
            }
            Special::LastOf(weekday) => (1..=last).rev().find(|day| weekday_of(*day) == weekday),
            Special::Nth(weekday, number) => {
                let mut those = (1..=last).filter(|day| weekday_of(*day) == weekday);
                those.nth(usize::from(number - 1))
            }
        };
        let plain = (1..=last).filter(plain);
        plain.chain(self.specials.iter().filter_map(special)).fold(0, |days, day| days | 1 << day)
    }
}

impl Field {
    /// The values that a field's text names; what is found within a month goes to `specials`.
    fn read(&self, text: &str, specials: &mut Vec<Special>) -> Result<Values, String> {
        let name = self.name;
        let mut values = Values::default();
        for c in text.chars() {
            let is_name = !self.names.is_empty() && c.is_ascii_uppercase();
            let is_known = c.is_ascii_digit() || ",-*".contains(c) || self.wildcards.contains(c);
            if !is_known && !is_name {
                return Err(format!("`{c}` cannot stand in the field {name}"));
            }
        }
        if text == "?" {
            return Ok(values);
        }
        if text.contains('?') {
            return Err(format!("`?` stands alone in the field {name}"));
        }
        for part in text.split(',') {
            if let Some(special) = self.special(part)? {
                specials.push(special);
                continue;
            }
            let (range, step) = match part.split_once('/') {
                None => (part, None),
                Some((range, step)) => {
                    let number = step.parse().ok().filter(|step| *step > 0);
                    let number: u16 = number.ok_or_else(|| {
                        format!("`{step}` is no step in the field {name}: write a number from 1")
                    })?;
                    (range, Some(number))
                }
            };
            let (first, last) = match range.split_once('-') {
                _ if range == "*" => (self.first, self.last),
                Some((first, last)) => (self.value(first)?, self.value(last)?),
                // With a step, all that follow.
                None if step.is_some() => (self.value(range)?, self.last),
                None => (self.value(range)?, self.value(range)?),
            };
            if first > last {
                return Err(format!("`{range}` in the field {name} ends before it begins"));
            }
            for value in (first..=last).step_by(usize::from(step.unwrap_or(1))) {
                values.add(value - self.first);
            }
        }
        Ok(values)
    }

    fn value(&self, text: &str) -> Result<u16, String> {
        if let Some(at) = self.names.iter().position(|name| *name == text) {
            return Ok(self.first + at as u16);
        }
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text
            .parse()
            .ok()
            .filter(|number| is_number && (self.first..=self.last).contains(number));
        number.ok_or_else(|| {
            let Self { name, first, last, .. } = self;
            format!("`{text}` is no {name} from {first} to {last}")
        })
    }

    /// A part that names a day within its month.
    fn special(&self, part: &str) -> Result<Option<Special>, String> {
        let weekday = |text: &str| self.value(text).map(|value| (value - self.first) as u8);
        Ok(if self.name == DAY.name {
            match part {
                "L" => Some(Special::Last),
                "LW" => Some(Special::LastWorkday),
                _ => match part.strip_suffix('W') {
                    Some(day) => Some(Special::Workday(self.value(day)? as u8)),
                    None => None,
                },
            }
        } else if self.name == WEEKDAY.name {
            match (part.split_once('#'), part.strip_suffix('L')) {
                (Some((day, number)), _) => {
                    let number = number.parse().ok().filter(|number| (1..=5).contains(number));
                    let number = number.ok_or_else(|| {
                        format!("`{part}` names no week from 1 to 5 in the field {}", self.name)
                    })?;
                    Some(Special::Nth(weekday(day)?, number))
                }
                (None, Some(day)) => Some(Special::LastOf(weekday(day)?)),
                (None, None) => None,
            }
        } else {
            None
        })
    }
}
