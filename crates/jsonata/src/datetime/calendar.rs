//! The proleptic Gregorian calendar in milliseconds, as JavaScript counts.

pub(crate) const DAY: i64 = 86_400_000;

/// A point in time, taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) millis: i64,
    pub(crate) year: i64,
    /// From 0 to 11.
    pub(crate) month: i64,
    /// From 1 to 31.
    pub(crate) day: i64,
}

impl Moment {
    pub(crate) fn new(millis: i64) -> Self {
        let days = millis.div_euclid(DAY);
        // Years that begin in March, so that the leap day comes last.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = (march_month + 2) % 12;
        let year = year_of_era + era * 400 + i64::from(month < 2);
        Self { millis, year, month, day }
    }

    /// Milliseconds since midnight.
    pub(crate) fn of_day(self) -> i64 {
        self.millis.rem_euclid(DAY)
    }

    /// From 1 for Monday to 7 for Sunday.
    pub(crate) fn weekday(self) -> i64 {
        (self.millis.div_euclid(DAY) + 3).rem_euclid(7) + 1
    }
}

/// Days since 1970 of the first of a month; months past December are in later years.
fn days_to_month(year: i64, month: i64) -> i64 {
    let year = year + month.div_euclid(12);
    let month = month.rem_euclid(12);
    let year = if month < 2 { year - 1 } else { year };
    let march_month = (month + 10) % 12;
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * march_month + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// JavaScript's `Date.UTC` for whole numbers: what is out of range carries over, and years from 0
/// to 99 are of the last century.
pub(crate) fn utc(year: f64, month: f64, day: f64, rest: [f64; 4]) -> Option<i64> {
    let [hours, minutes, seconds, millis] = rest;
    if ![year, month, day, hours, minutes, seconds, millis].iter().all(|part| part.is_finite()) {
        return None;
    }
    let year = year.trunc();
    let year = if (0.0..=99.0).contains(&year) { 1900.0 + year } else { year };
    if year.abs() > 300_000.0 || month.abs() > 1e7 {
        return None;
    }
    let days = days_to_month(year as i64, month.trunc() as i64) as f64 + day.trunc() - 1.0;
    let total = days * DAY as f64
        + hours.trunc() * 3_600_000.0
        + minutes.trunc() * 60_000.0
        + seconds.trunc() * 1_000.0
        + millis.trunc();
    (total.abs() <= 8.64e15).then_some(total as i64)
}

/// The first of a month.
pub(crate) fn month_start(year: i64, month: i64) -> i64 {
    days_to_month(year, month) * DAY
}
