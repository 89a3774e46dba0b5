//! Reading objects whose keys are known, with a complaint for each that is not.

use stepwright_json::Json;
use stepwright_json::tree::{Member, Node};
use stepwright_source::{Diagnostic, Span, did_you_mean};

/// The code of complaints about test files.
pub(crate) const CODE: &str = "invalid-test";

/// Complaints as they are found.
#[derive(Debug, Default)]
pub(crate) struct Complaints(pub(crate) Vec<Diagnostic>);

impl Complaints {
    pub(crate) fn add(&mut self, span: Span, message: impl Into<String>) {
        self.0.push(Diagnostic::error(CODE, message).span(span));
    }

    pub(crate) fn add_with_help(
        &mut self,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.0.push(Diagnostic::error(CODE, message).span(span).help(help));
    }

    /// The members of an object whose keys are all known. What else there is is complained about.
    pub(crate) fn members<'n>(
        &mut self,
        node: &'n Node,
        what: &str,
        known: &[&str],
    ) -> Vec<&'n Member> {
        if !node.is_object() {
            let names = known.join("`, `");
            self.add(node.span, format!("{what} is an object, with the keys `{names}`"));
            return Vec::new();
        }
        let mut seen: Vec<&str> = Vec::new();
        let mut members = Vec::new();
        for member in node.members() {
            let key = member.key.as_str();
            if !known.contains(&key) {
                self.unknown(member, what, known);
            } else if seen.contains(&key) {
                self.add(member.key_span, format!("`{key}` is given twice"));
            } else {
                seen.push(key);
                members.push(member);
            }
        }
        members
    }

    fn unknown(&mut self, member: &Member, what: &str, known: &[&str]) {
        let help = match did_you_mean(&member.key, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("{what} may have `{}`", known.join("`, `")),
        };
        let message = format!("`{}` is not known in {what}", member.key);
        self.add_with_help(member.key_span, message, help);
    }

    /// A text, or a complaint that says what it should be.
    pub(crate) fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        let text = node.as_str();
        if text.is_none() {
            self.add(node.span, format!("{what} is a text"));
        }
        text
    }

    /// A count.
    pub(crate) fn count(&mut self, node: &Node, what: &str) -> Option<u64> {
        let count = node.as_scalar().and_then(Json::as_i64).and_then(|n| u64::try_from(n).ok());
        if count.is_none() {
            self.add(node.span, format!("{what} is a number, 0 or more"));
        }
        count
    }

    /// A duration, in milliseconds.
    pub(crate) fn duration(&mut self, node: &Node, what: &str) -> Option<i64> {
        let scalar = node.as_scalar();
        let millis = match scalar.and_then(Json::as_f64) {
            Some(seconds) => Some((seconds * 1_000.0) as i64),
            None => scalar.and_then(Json::as_str).and_then(read_duration),
        };
        let millis = millis.filter(|millis| *millis >= 0);
        if millis.is_none() {
            let message =
                format!("{what} is a number of seconds, or like `500ms`, `2s`, `1h 30m`, `3d`");
            self.add(node.span, message);
        }
        millis
    }
}

/// The milliseconds of `2s`, `1h 30m`.
fn read_duration(text: &str) -> Option<i64> {
    let parts = text.split_whitespace().map(stepwright_simulator::parse_duration);
    let parts = parts.collect::<Option<Vec<_>>>()?;
    (!parts.is_empty()).then(|| parts.iter().sum())
}
