use crate::{Diagnostic, Severity};

/// What stands in a comment before the codes that are allowed.
const MARK: &str = "stepwright: allow ";

/// Whether the author allows what a diagnostic says: with `stepwright: allow CODE, CODE` in a comment
/// on its line or on the line before, or in the `Comment` of JSON on the line after. Errors are never
/// allowed: AWS refuses them.
pub fn is_allowed(text: &str, diagnostic: &Diagnostic) -> bool {
    let Some(span) = diagnostic.span else { return false };
    if diagnostic.severity == Severity::Error || !text.contains(MARK) {
        return false;
    }
    let at = text.floor_char_boundary(span.start as usize);
    let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let mut after = text[start..].lines();
    let here = after.next().unwrap_or_default();
    let comment = after.next().filter(|line| line.contains("\"Comment\"")).unwrap_or_default();
    let before = text[..start].lines().next_back().unwrap_or_default();
    [here, before, comment].into_iter().any(|line| {
        let Some((_, codes)) = line.split_once(MARK) else { return false };
        let is_code = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let mut codes = codes.split(|c: char| !is_code(c) && c != ' ' && c != ',');
        let codes = codes.next().unwrap_or_default();
        codes.split([',', ' ']).any(|code| code == diagnostic.code)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Span;

    #[track_caller]
    fn check(text: &str, at: &str, expected: bool) {
        let start = text.find(at).unwrap();
        let diagnostic = Diagnostic::warning("a-rule", "").span(Span::new(start, start + 1));
        assert_eq!(is_allowed(text, &diagnostic), expected);
        let error = Diagnostic::error("a-rule", "").span(Span::new(start, start + 1));
        assert!(!is_allowed(text, &error));
    }

    #[test]
    fn comments_allow_rules_by_their_codes() {
        check("a: 1\nX: 2 # stepwright: allow a-rule\n", "X", true);
        check("# stepwright: allow other, a-rule because of this\nX: 2\n", "X", true);
        check("# stepwright: allow other\nX: 2\n", "X", false);
        check("# stepwright: allow a-rule\n\nX: 2\n", "X", false);
        check("\"A\": {\n  \"Comment\": \"stepwright: allow a-rule\"\n", "{", true);
        check("X\n# stepwright: allow a-rule\n", "X", false);
    }
}
