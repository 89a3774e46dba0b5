use std::borrow::Cow;

/// Takes the escapes of a quoted name or text apart, as Java's would be: `\n`, `\'`, `\u00e4`; any
/// other character after a backslash stands for itself. `None` when `\u` is not followed by four
/// hexadecimal digits.
pub(crate) fn unescape(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('\\') {
        return Some(Cow::Borrowed(text));
    }
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut buffer = [0; 2];
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            units.extend_from_slice(char.encode_utf16(&mut buffer));
            continue;
        }
        match chars.next() {
            None => units.push(u16::from(b'\\')),
            Some('r') => units.push(0x0d),
            Some('f') => units.push(0x0c),
            Some('t') => units.push(0x09),
            Some('n') => units.push(0x0a),
            Some('b') => units.push(0x08),
            Some('u') => {
                let rest = chars.as_str();
                // Fewer than four characters before the end are dropped without complaint.
                let Some((end, last)) = rest.char_indices().nth(3) else { break };
                let digits = &rest[..end + last.len_utf8()];
                units.push(u16::from_str_radix(digits.trim_start_matches('+'), 16).ok()?);
                chars = rest[digits.len()..].chars();
            }
            Some(other) => units.extend_from_slice(other.encode_utf16(&mut buffer)),
        }
    }
    Some(Cow::Owned(String::from_utf16_lossy(&units)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(unescape(text).as_deref(), expected);
    }

    #[test]
    fn escapes() {
        check("plain ä", Some("plain ä"));
        check(r"it\'s", Some("it's"));
        check(r"a\\b\tc", Some("a\\b\tc"));
        check(r"\u00e4\ud83d\ude00", Some("ä😀"));
        check(r"\uzzzz", None);
        check(r"\", Some("\\"));
        check(r"\.", Some("."));
    }
}
