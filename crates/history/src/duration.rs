//! Durations as text.

/// Milliseconds as a person writes them: `250ms`, `1.5s`, `2m`, `1h 30m`, `3d`.
pub fn duration(millis: i64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m")];
    if millis.abs() < 1_000 {
        return format!("{millis}ms");
    }
    let mut rest = millis;
    let mut parts = Vec::new();
    for (size, unit) in units {
        if rest >= size {
            parts.push(format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if rest > 0 {
        let seconds = rest as f64 / 1_000.0;
        parts.push(format!("{seconds}s"));
    }
    parts.join(" ")
}

/// The milliseconds of `500ms`, `2s`, `1.5h`, `3d`.
pub fn parse_duration(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..digits].parse().ok()?;
    let size = match text[digits..].trim() {
        "ms" => 1.0,
        "s" | "" => 1_000.0,
        "m" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    Some((number * size) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(millis: i64, text: &str) {
        assert_eq!(duration(millis), text);
    }

    #[test]
    fn durations_read_well() {
        check(250, "250ms");
        check(1_500, "1.5s");
        check(90 * 60_000, "1h 30m");
        check(3 * 86_400_000, "3d");
        assert_eq!(parse_duration("1.5h"), Some(5_400_000));
        assert_eq!(parse_duration("2 fortnights"), None);
    }
}
