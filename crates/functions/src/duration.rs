//! Durations in the notation of the configuration.

use std::time::Duration;

/// Parses `250ms`, `1.5s`, `2m`, `1h`, `1d` or a bare number of seconds. Returns `None` for
/// anything else.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits =
        text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().ok()?;
    let seconds = match unit.trim_start() {
        "ms" => number / 1_000.0,
        "s" | "" => number,
        "m" => number * 60.0,
        "h" => number * 3_600.0,
        "d" => number * 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read() {
        let check = |text, millis| {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        };
        check("250ms", 250);
        check("1.5s", 1_500);
        check("2 m", 120_000);
        check("1h", 3_600_000);
        check("1d", 86_400_000);
        check("5", 5_000);
        for text in ["", "ms", "1y", "1.2.3s", "-1s"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
