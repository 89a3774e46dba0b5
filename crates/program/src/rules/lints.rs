//! What AWS takes, and what will not work as meant. Never an error.

use super::checker::{Checker, Site};
use crate::limits::MAX_PAYLOAD_BYTES;
use crate::state::Language;
use stepwright_json::tree::{Member, Node, Value};
use stepwright_source::{Diagnostic, Severity, Span};

/// How large a definition AWS takes.
const MAX_DEFINITION: usize = 1 << 20;

impl<'d> Checker<'d> {
    pub(super) fn state_lints(
        &mut self,
        site: &Site<'d>,
        name: &str,
        kind: &str,
        language: Language,
    ) {
        for key in ["Result", "Parameters", "Arguments", "Output", "ItemSelector"] {
            self.large_payload(site, key);
        }
        match kind {
            "Choice" if !site.has("Default") => {
                let diagnostic = Diagnostic::warning(
                    "choice-without-default",
                    format!("`{name}` fails with States.Runtime when no rule applies"),
                )
                .at(&site.location)
                .span(super::checker::opening(site.node))
                .help("say with `Default` what comes then");
                self.report(diagnostic);
            }
            "Pass" if language == Language::JsonPath => {
                if let Some(result) = site.get("Result") {
                    self.static_result(result, &site.at("Result"));
                }
            }
            "Task" if self.guards == 0 && !site.has("Catch") && !site.has("Retry") => {
                let mut diagnostic = Diagnostic::warning(
                    "unhandled-error",
                    format!("an error of `{name}` is neither retried nor caught"),
                )
                .at(&site.location)
                .span(super::checker::opening(site.node));
                diagnostic.severity = Severity::Note;
                self.report(diagnostic);
            }
            _ => {}
        }
    }

    fn large_payload(&mut self, site: &Site<'d>, key: &str) {
        let Some(node) = site.get(key) else { return };
        if node.span.range().len() <= MAX_PAYLOAD_BYTES {
            return;
        }
        let bytes = node.to_json().to_string().len();
        if bytes > MAX_PAYLOAD_BYTES {
            let message =
                format!("`{key}` alone is {bytes} bytes: AWS takes {MAX_PAYLOAD_BYTES} at most");
            let diagnostic = Diagnostic::warning("payload-over-256-kib", message)
                .at(site.at(key))
                .span(super::checker::opening(node));
            self.report(diagnostic);
        }
    }

    pub(super) fn size_lint(&mut self) {
        let bytes = self.definition.root.span.range().len();
        if bytes > MAX_DEFINITION {
            let message =
                format!("the definition has {bytes} bytes: AWS takes {MAX_DEFINITION} at most");
            self.report(
                Diagnostic::warning("definition-over-1-mib", message).span(Span::new(0, 1)),
            );
        }
    }

    /// A path in the `Result` of a Pass, which is put out as it stands.
    fn static_result(&mut self, node: &Node, location: &str) {
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            match &node.value {
                Value::Array(items) => open.extend(items),
                Value::Object(members) => open.extend(members.iter().map(|m| &m.value)),
                Value::Scalar(_) if node.as_str().is_some_and(is_path) => {
                    let message = "The Result of a Pass is put out as it stands: the path in it is \
                                   not evaluated";
                    let diagnostic = Diagnostic::warning("PASS_RESULT_IS_STATIC", message)
                        .at(location)
                        .span(node.span)
                        .help("use `Parameters` with a name that ends in `.$`");
                    return self.report(diagnostic);
                }
                Value::Scalar(_) => {}
            }
        }
    }

    /// A member of a payload that looks computed and is not.
    pub(super) fn looks_computed(&mut self, member: &'d Member, location: &str) {
        let Some(text) = member.value.as_str() else { return };
        if is_path(text) || is_call(text) {
            let message = format!(
                "The value of '{}' looks computed, but the name does not end in '.$'",
                member.key
            );
            let diagnostic = Diagnostic::warning("NO_DOLLAR", message)
                .at(location)
                .span(member.key_span)
                .meant(&member.key, &format!("{}.$", member.key));
            self.report(diagnostic);
        }
    }

    /// Whether a text to compare with is no path; a path there is probably a slip.
    pub(super) fn no_path(&mut self, node: &'d Node, key: &str, location: &str) -> bool {
        let path = node.as_str().is_some_and(is_path);
        if path {
            let message =
                format!("The value of '{key}' looks like a path, but is compared as text");
            let diagnostic = Diagnostic::warning("NO_PATH", message)
                .at(location)
                .span(node.span)
                .help(format!("did you mean `{key}Path`?"));
            self.report(diagnostic);
        }
        !path || key.starts_with("Timestamp")
    }
}

fn is_path(text: &str) -> bool {
    ["$.", "$[", "$$."].iter().any(|start| text.starts_with(start)) && !text.contains(' ')
}

fn is_call(text: &str) -> bool {
    text.starts_with("States.") && text.ends_with(')') && text.contains('(')
}
