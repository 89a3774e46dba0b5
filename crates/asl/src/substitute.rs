//! Substitutes `${Name}` in the text of a definition, as CloudFormation's `DefinitionSubstitutions`
//! does: before the text is parsed, and repeatedly, because values may contain further names. A
//! name without a value is left unchanged.

use crate::assembled::Assembled;
use std::collections::BTreeMap;
use stepwright_source::Span;

/// The error if the substitution does not end, or its result grows too large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SubstitutionError {
    pub(crate) message: String,
    pub(crate) span: Span,
}

/// The largest size of the result.
const LONGEST: usize = 64 << 20;

/// Substitutes values. A name is what stands between `${` and the next `}`.
pub(crate) fn substitute(
    text: Assembled,
    values: &BTreeMap<String, String>,
) -> Result<Assembled, SubstitutionError> {
    if values.is_empty() {
        return Ok(text);
    }
    let mut text = text;
    // Without a cycle, a chain of values is no longer than the number of values.
    for _ in 0..=values.len() {
        match round(&text, values)? {
            Some(replaced) => text = replaced,
            None => return Ok(text),
        }
    }
    match next_name(&text.text, 0, values) {
        None => Ok(text),
        Some((name, _, at)) => Err(SubstitutionError {
            message: format!("the value of `${{{name}}}` leads back to itself"),
            span: text.source(Span::new(at, at + name.len() + 3)),
        }),
    }
}

/// The beginning of a placeholder that must not be replaced. It has a mark between `$` and `{`, so
/// that `Table: !Ref Table` does not lead back to itself.
pub(crate) const HELD: &str = "$\u{E000}{";

/// A placeholder for a value that only a deployment knows.
pub(crate) fn placeholder(name: &str) -> String {
    format!("{HELD}{name}}}")
}

/// Turns protected placeholders back into plain ones.
pub(crate) fn release(text: Assembled) -> Assembled {
    if !text.text.contains(HELD) {
        return text;
    }
    let mut out = Assembled::default();
    let mut done = 0;
    for (at, held) in text.text.match_indices(HELD) {
        out.push_part(&text, done..at + 1);
        done = at + held.len() - 1;
    }
    out.push_part(&text, done..text.text.len());
    out
}

/// The same for a text without places.
pub(crate) fn released(text: &str) -> String {
    text.replace(HELD, "${")
}

/// Whether a text contains a placeholder of either kind.
pub(crate) fn has_placeholder(text: &str) -> bool {
    text.contains("${") || text.contains(HELD)
}

/// Every `${name}` in a text: the name, and the position of its `${`.
pub(crate) fn placeholders(text: &str) -> impl Iterator<Item = (&str, usize)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + text[from..].find("${")?;
        let end = at + text[at..].find('}')?;
        from = end + 1;
        Some((&text[at + 2..end], at))
    })
}

/// One round of substitution; `None` if there was nothing to substitute.
fn round(
    text: &Assembled,
    values: &BTreeMap<String, String>,
) -> Result<Option<Assembled>, SubstitutionError> {
    let mut out = Assembled::default();
    let mut done = 0;
    let mut from = 0;
    while let Some((name, value, at)) = next_name(&text.text, from, values) {
        let end = at + name.len() + 3;
        out.push_part(text, done..at);
        let span = text.source(Span::new(at, end));
        out.push_fixed(value, span);
        if out.text.len() > LONGEST {
            let message = format!("the values grow the text past {LONGEST} bytes");
            return Err(SubstitutionError { message, span });
        }
        done = end;
        from = end;
    }
    if done == 0 {
        return Ok(None);
    }
    out.push_part(text, done..text.text.len());
    Ok(Some(out))
}

/// The next name that has a value, with the value and the position of its `${`.
fn next_name<'t, 'v>(
    text: &'t str,
    from: usize,
    values: &'v BTreeMap<String, String>,
) -> Option<(&'t str, &'v str, usize)> {
    let mut from = from;
    loop {
        let at = from + text[from..].find("${")?;
        let rest = &text[at + 2..];
        let end = rest.bytes().take(1_024).position(|byte| byte == b'}');
        if let Some(name) = end.map(|end| &rest[..end])
            && let Some(value) = values.get(name)
        {
            return Some((name, value, at));
        }
        from = at + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, values: &[(&str, &str)], expected: Result<&str, &str>) {
        let mut assembled = Assembled::default();
        assembled.push_verbatim(text, 0);
        let values =
            values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let found = substitute(assembled, &values);
        let found = found.map(|text| text.text).map_err(|error| error.message);
        assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned));
    }

    #[test]
    fn names_are_replaced_repeatedly() {
        check("a ${x} b", &[("x", "1")], Ok("a 1 b"));
        check("${x}", &[("x", "${y}"), ("y", "2")], Ok("2"));
        check("${unknown} ${x", &[("x", "1")], Ok("${unknown} ${x"));
        check("${a${x}}", &[("x", "1"), ("a1", "deep")], Ok("deep"));
    }

    #[test]
    fn cycles_are_errors() {
        check("${x}", &[("x", "${x}")], Err("the value of `${x}` leads back to itself"));
        let x = "${y}${y}";
        let y = "${x}${x}";
        check("${x}", &[("x", x), ("y", y)], Err("the value of `${y}` leads back to itself"));
    }
}
