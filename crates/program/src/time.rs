//! Timestamps as Step Functions reads and writes them.

use jiff::Timestamp;

/// Reads an ISO-8601 extended offset date-time (`2016-08-18T17:33:00Z`, `…+01:00`) into
/// milliseconds since 1970. Stricter than most readers, as AWS is: the `T` and the offset must be
/// there.
pub fn parse(text: &str) -> Option<i64> {
    parse_nanos(text).map(|nanos| nanos.div_euclid(1_000_000) as i64)
}

/// As [`parse`], in nanoseconds, for comparisons.
pub fn parse_nanos(text: &str) -> Option<i128> {
    let bytes = text.as_bytes();
    if bytes.len() < 17 || bytes.len() > 40 || !matches!(bytes[10], b'T' | b't') {
        return None;
    }
    let shape = |range: std::ops::Range<usize>, pattern: &[u8]| {
        bytes[range].iter().zip(pattern).all(|(byte, wanted)| match wanted {
            b'0' => byte.is_ascii_digit(),
            _ => byte == wanted,
        })
    };
    if !shape(0..10, b"0000-00-00") || !shape(11..16, b"00:00") {
        return None;
    }
    let zone = text[16..].find(['Z', 'z', '+', '-'])? + 16;
    let (seconds, offset) = (&text[16..zone], &bytes[zone..]);
    let seconds_ok = seconds.is_empty()
        || (seconds.starts_with(':')
            && seconds.len() >= 3
            && seconds.as_bytes()[1..3].iter().all(u8::is_ascii_digit)
            && (seconds.len() == 3
                || (seconds.as_bytes()[3] == b'.'
                    && (5..=13).contains(&seconds.len())
                    && seconds.as_bytes()[4..].iter().all(u8::is_ascii_digit))));
    let digits = |at: usize| offset.get(at).is_some_and(u8::is_ascii_digit);
    let offset_ok = match offset.len() {
        1 => matches!(offset[0], b'Z' | b'z'),
        6 => digits(1) && digits(2) && offset[3] == b':' && digits(4) && digits(5),
        9 => (1..9).all(|at| if at % 3 == 0 { offset[at] == b':' } else { digits(at) }),
        _ => false,
    };
    if !seconds_ok || !offset_ok {
        return None;
    }
    // A leap second and 24:00 are refused by Java's reader; jiff takes some of them.
    if bytes[11] == b'2' && bytes[12] >= b'4' || seconds.starts_with(":60") {
        return None;
    }
    let padded;
    let text = if seconds.is_empty() {
        padded = format!("{}:00{}", &text[..16], &text[16..]);
        &padded
    } else {
        text
    };
    text.parse::<Timestamp>().ok().map(Timestamp::as_nanosecond)
}

/// Writes milliseconds since 1970 as AWS writes times in the context object:
/// `2024-01-02T03:04:05.678Z`, without the fraction where it is zero.
pub fn format(millis: i64) -> String {
    let at = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH);
    let text = at.to_string();
    match text.split_once('.') {
        Some((seconds, fraction)) => {
            let fraction = fraction.trim_end_matches('Z');
            format!("{seconds}.{fraction:0<3}Z")
        }
        None => text,
    }
}

/// Writes milliseconds since 1970 as the header `Date` has them: `Tue, 02 Jan 2024 03:04:05 GMT`.
pub fn http_date(millis: i64) -> String {
    let at = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<i64>) {
        assert_eq!(parse(text), expected, "{text}");
    }

    #[test]
    fn only_full_offset_date_times_are_read() {
        check("1970-01-01T00:00:01Z", Some(1_000));
        check("1970-01-01T01:00:01.5+01:00", Some(1_500));
        check("1970-01-01T00:01Z", Some(60_000));
        check("2016-12-05 21:29:29Z", None);
        check("2016-12-05T21:29:29", None);
        check("2016-12-05T25:29:29Z", None);
        check("2016-13-05T21:29:29Z", None);
        check("05-12-2016T21:29:29Z", None);
        check("2016-12-05T21:29:29.Z", None);
        check("", None);
        check("ääääääääääääääääää", None);
    }

    #[test]
    fn times_are_written_as_aws_writes_them() {
        assert_eq!(format(0), "1970-01-01T00:00:00Z");
        assert_eq!(format(1_500), "1970-01-01T00:00:01.500Z");
        assert_eq!(http_date(1_704_164_645_000), "Tue, 02 Jan 2024 03:04:05 GMT");
    }
}
