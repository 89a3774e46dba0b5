//! Small changes of a source text that leave the rest of it as it is written.

use stepwright_json::{Json, parse};
use stepwright_source::{Change, Diagnostic, Edit, Fix, Span};

/// The edit that writes `to` where `from` stands at `span`, quoted and escaped as `from` is. `None`
/// if the source does not simply say `from` there, because it is computed or comes from elsewhere.
pub fn rewritten(source: &str, span: Span, from: &str, to: &str) -> Option<Edit> {
    let written = source.get(span.range())?;
    let style = Style::of(written, from)?;
    let mut text = style.write(to);
    // What follows a colon of YAML may need quotes that the old text did not need.
    if style == Style::Plain && !is_plain(to) {
        text = Style::Json.write(to);
    }
    (text != written).then_some(Edit { span, text })
}

/// The edits that a fix makes of a source text; `None` if it cannot be made there.
pub fn edits(source: &str, fix: &Fix) -> Option<Vec<Edit>> {
    match &fix.change {
        Change::Rename { span, from, to } => {
            if let Some(edit) = rewritten(source, *span, from, to) {
                return Some(vec![edit]);
            }
            // A part of a larger text stands there, or the larger text.
            let written = source.get(span.range())?;
            let mut found = written.match_indices(from.as_str());
            let (at, _) = found.next().filter(|_| from.len() > 1)?;
            let start = span.start as usize + at;
            let is_alone = found.next().is_none();
            let text = to.clone();
            is_alone.then(|| vec![Edit { span: Span::new(start, start + from.len()), text }])
        }
        Change::Insert { object, key, value } => {
            insert(source, *object, key, value).map(|edit| vec![edit])
        }
    }
}

/// The edits of the likeliest fix of each diagnostic, but for those that touch what an earlier one
/// changes.
pub fn first_edits<'d>(
    source: &str,
    diagnostics: impl IntoIterator<Item = &'d Diagnostic>,
) -> Vec<Edit> {
    let mut made: Vec<Edit> = Vec::new();
    for diagnostic in diagnostics {
        let Some(fix) = diagnostic.fixes.first() else { continue };
        let Some(found) = edits(source, fix) else { continue };
        let is_free = |edit: &Edit| {
            made.iter().all(|one| edit.span.end < one.span.start || one.span.end < edit.span.start)
        };
        if found.iter().all(is_free) {
            made.extend(found);
        }
    }
    made.sort_by_key(|edit| edit.span);
    made
}

/// The text with all edits. Of edits that overlap, the first is made.
pub fn apply(source: &str, edits: &[Edit]) -> String {
    let mut sorted: Vec<&Edit> = edits.iter().collect();
    sorted.sort_by_key(|edit| edit.span);
    let (mut text, mut done) = (String::new(), 0);
    for edit in sorted {
        let range = edit.span.range();
        let Some(between) = source.get(done..range.start) else { continue };
        if source.get(range.clone()).is_none() {
            continue;
        }
        text.push_str(between);
        text.push_str(&edit.text);
        done = range.end;
    }
    text.push_str(&source[done..]);
    text
}

/// How a text is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Json,
    /// JSON within a string of JSON.
    Escaped,
}

impl Style {
    fn of(written: &str, text: &str) -> Option<Self> {
        if written == text {
            return Some(Self::Plain);
        }
        if let Some(inner) = written.strip_prefix("\\\"").and_then(|rest| rest.strip_suffix("\\\""))
        {
            let once = parse(&format!("\"{inner}\"")).ok()?;
            let twice = parse(&format!("\"{}\"", once.as_str()?)).ok()?;
            return (twice.as_str() == Some(text)).then_some(Self::Escaped);
        }
        if written.starts_with('"') && written.len() > 1 {
            return (parse(written).ok()?.as_str() == Some(text)).then_some(Self::Json);
        }
        let inner = written.strip_prefix('\'')?.strip_suffix('\'')?;
        (inner.replace("''", "'") == text).then_some(Self::Single)
    }

    fn write(self, text: &str) -> String {
        let json = Json::from(text).to_string();
        match self {
            Self::Plain => text.to_owned(),
            Self::Json => json,
            Self::Single => format!("'{}'", text.replace('\'', "''")),
            Self::Escaped => escaped(&json),
        }
    }
}

/// A text as it is written within quotes.
fn escaped(text: &str) -> String {
    let quoted = Json::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Whether a text may stand in YAML without quotes, in brackets as well, and stays a text.
fn is_plain(text: &str) -> bool {
    let begins = text.chars().next().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$');
    let is_word = !matches!(text, "true" | "false" | "null" | "True" | "False" | "Null")
        && text.parse::<f64>().is_err();
    let holds = |part: &str| text.contains(part);
    begins
        && is_word
        && !text.ends_with([' ', ':'])
        && ![": ", " #", ",", "[", "]", "{", "}", "\n", "\t"].into_iter().any(holds)
}

/// The edit that adds a member at the end of an object.
fn insert(source: &str, object: Span, key: &str, value: &str) -> Option<Edit> {
    let written = source.get(object.range())?;
    let start = object.start as usize;
    let Some(inner) = written.strip_prefix('{') else {
        return insert_yaml(source, start, written, key, value);
    };
    let inner = inner.strip_suffix('}')?;
    let member = format!("{}: {value}", Json::from(key));
    let begin = inner.trim_start();
    if begin.starts_with("\\\"") || begin.starts_with("\\n") || begin.starts_with("\\r") {
        let mut end = inner.trim_end();
        while let Some(less) =
            ["\\n", "\\r", "\\t"].into_iter().find_map(|escape| end.strip_suffix(escape))
        {
            end = less.trim_end();
        }
        let at = start + 1 + end.len();
        return Some(Edit { span: Span::new(at, at), text: format!(", {}", escaped(&member)) });
    }
    let indentation: &str = match inner.find('\n') {
        Some(at) if !begin.is_empty() => {
            let line = &inner[at + 1..];
            let space = &line[..line.len() - line.trim_start_matches([' ', '\t']).len()];
            &inner[at..=at + space.len()]
        }
        _ => " ",
    };
    if begin.is_empty() {
        let at = start + 1;
        return Some(Edit { span: Span::new(at, at + inner.len()), text: member });
    }
    // A comment may stand at the end.
    if inner.contains("//") || inner.contains("/*") || inner.contains('#') {
        let at = start + 1;
        return Some(Edit { span: Span::new(at, at), text: format!("{indentation}{member},") });
    }
    let end = inner.trim_end();
    let comma = if end.ends_with(',') { "" } else { "," };
    let at = start + 1 + end.len();
    Some(Edit { span: Span::new(at, at), text: format!("{comma}{indentation}{member}") })
}

/// As [`insert`], for a mapping of YAML in lines.
fn insert_yaml(source: &str, start: usize, written: &str, key: &str, value: &str) -> Option<Edit> {
    let first = written.lines().next()?;
    if !first.contains(':') || first.starts_with(['"', '[', '|', '>', '*', '&', '!']) {
        return None;
    }
    let line = source[..start].rfind('\n').map_or(0, |at| at + 1);
    let column = source[line..start].chars().count();
    let text = match value {
        quoted if quoted.starts_with('"') => {
            let plain = parse(quoted).ok()?.as_str()?.to_owned();
            if is_plain(&plain) { plain } else { quoted.to_owned() }
        }
        other => other.to_owned(),
    };
    // Before the first key: what stands at the end of a mapping is not always a whole line.
    let text = format!("{key}: {text}\n{}", " ".repeat(column));
    Some(Edit { span: Span::new(start, start), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_rewritten(source: &str, written: &str, from: &str, to: &str, expected: Option<&str>) {
        let at = source.find(written).unwrap();
        let edit = rewritten(source, Span::new(at, at + written.len()), from, to);
        assert_eq!(edit.map(|edit| apply(source, &[edit])).as_deref(), expected);
    }

    #[test]
    fn names_are_written_as_before() {
        check_rewritten(r#"{"a": "B"}"#, r#""B""#, "B", "C\"", Some(r#"{"a": "C\""}"#));
        check_rewritten(r#""{\"a\": 1}""#, r#"\"a\""#, "a", "b", Some(r#""{\"b\": 1}""#));
        check_rewritten("Next: B\n", "B", "B", "C", Some("Next: C\n"));
        check_rewritten("Next: B\n", "B", "B", "C: d", Some("Next: \"C: d\"\n"));
        check_rewritten("Next: B\n", "B", "B", "true", Some("Next: \"true\"\n"));
        check_rewritten("Next: 'B'\n", "'B'", "B", "it's", Some("Next: 'it''s'\n"));
        check_rewritten("Next: '${B}'\n", "'${B}'", "Work", "Rest", None);
    }

    #[test]
    fn members_are_added_as_the_others_are_written() {
        #[track_caller]
        fn check(source: &str, object: &str, expected: &str) {
            let at = source.find(object).unwrap();
            let edit = insert(source, Span::new(at, at + object.len()), "End", "true").unwrap();
            assert_eq!(apply(source, &[edit]), expected);
        }
        check(r#"{"Type": "Pass"}"#, r#"{"Type": "Pass"}"#, r#"{"Type": "Pass", "End": true}"#);
        let lines = "{\n  \"Type\": \"Pass\"\n}";
        check(lines, lines, "{\n  \"Type\": \"Pass\",\n  \"End\": true\n}");
        check("{}", "{}", "{\"End\": true}");
        check("A:\n  Type: Pass\n", "Type: Pass", "A:\n  End: true\n  Type: Pass\n");
        let text = r#""{\"Type\":\"Pass\"}""#;
        check(text, r#"{\"Type\":\"Pass\"}"#, r#""{\"Type\":\"Pass\", \"End\": true}""#);
    }
}
