//! Timestamps as ISO 8601 writes them.

use super::calendar::utc;

/// Milliseconds since 1970, not a number for a day that there is not; `None` if it is no
/// timestamp.
pub(crate) fn parse_iso(text: &str) -> Option<f64> {
    let mut rest = Rest(text);
    let year = rest.digits(4)?;
    let mut month = None;
    let mut day = None;
    let mut time = None;
    if rest.is_dash_pair(b'0'..=b'1') {
        month = rest.after(1).digits(2);
        rest.skip(3);
    }
    if rest.is_dash_pair(b'0'..=b'3') {
        day = rest.after(1).digits(2);
        rest.skip(3);
    }
    if rest.0.starts_with('T') {
        let mut inner = rest.after(1);
        let hours = inner.digits(2)?;
        inner.expect(':')?;
        let minutes = inner.digits(2)?;
        inner.expect(':')?;
        let seconds = inner.digits(2)?;
        if hours > 29 || minutes > 59 || seconds > 59 {
            return None;
        }
        time = Some((hours, minutes, seconds));
        rest = inner;
    }
    let mut millis = 0.0;
    let mut fraction = false;
    if rest.0.starts_with('.') {
        let count = rest.0[1..].bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 {
            return None;
        }
        fraction = true;
        let digits = &rest.0[1..=count.min(3)];
        millis = format!("{digits:0<3}").parse().ok()?;
        rest.skip(1 + count);
    }
    let mut offset = None;
    if rest.0 == "Z" {
        offset = Some(0);
        rest.skip(1);
    } else if rest.0.starts_with(['+', '-']) {
        let sign = if rest.0.starts_with('-') { -1 } else { 1 };
        let mut inner = rest.after(1);
        let hours = inner.digits(2)?;
        if inner.0.starts_with(':') {
            inner.skip(1);
        }
        let minutes = inner.digits(2)?;
        if hours > 29 || minutes > 59 {
            return None;
        }
        offset = Some(sign * (hours * 60 + minutes));
        rest = inner;
    }
    if !rest.0.is_empty() {
        return None;
    }
    // The shape is right; whether it is a day is for the calendar to say.
    let (month_number, day_number) = (month.unwrap_or(1), day.unwrap_or(1));
    let (hours, minutes, seconds) = time.unwrap_or((0, 0, 0));
    let no_time = time.is_none() && (fraction || offset.is_some());
    let midnight = hours == 24 && minutes == 0 && seconds == 0 && millis == 0.0;
    if !(1..=12).contains(&month_number)
        || !(1..=31).contains(&day_number)
        || (hours > 23 && !midnight)
        || no_time
        || offset.is_some_and(|offset| offset.abs() >= 24 * 60)
    {
        return Some(f64::NAN);
    }
    // Only dates of four digits come here, none of which is of the last century for being short.
    let years = f64::from(year);
    let base = if year < 100 { years + 400.0 } else { years };
    let days = utc(
        base,
        f64::from(month_number - 1),
        f64::from(day_number),
        [f64::from(hours), f64::from(minutes), f64::from(seconds), millis],
    );
    Some(days.map_or(f64::NAN, |days| {
        let days = if year < 100 { days - 146_097 * super::calendar::DAY } else { days };
        (days - i64::from(offset.unwrap_or(0)) * 60_000) as f64
    }))
}

#[derive(Clone, Copy)]
struct Rest<'t>(&'t str);

impl Rest<'_> {
    fn skip(&mut self, bytes: usize) {
        self.0 = self.0.get(bytes..).unwrap_or("");
    }

    fn after(self, bytes: usize) -> Self {
        let mut rest = self;
        rest.skip(bytes);
        rest
    }

    fn digits(&mut self, count: usize) -> Option<i32> {
        let digits = self.0.get(..count)?;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        self.skip(count);
        digits.parse().ok()
    }

    fn expect(&mut self, char: char) -> Option<()> {
        self.0.starts_with(char).then(|| self.skip(1))
    }

    fn is_dash_pair(self, first: std::ops::RangeInclusive<u8>) -> bool {
        let bytes = self.0.as_bytes();
        // An offset such as `-0100` has four digits.
        bytes.len() >= 3
            && bytes[0] == b'-'
            && first.contains(&bytes[1])
            && bytes[2].is_ascii_digit()
            && !matches!(bytes.get(3), Some(b'0'..=b'9' | b':'))
    }
}
