//! Diagnostics: those of `stepwright check`, with its codes, places and help.

use crate::analysis::Analysis;
use crate::text::Text;
use crate::uri;
use crate::values::range;
use std::collections::BTreeMap;
use std::path::Path;
use stepwright_json::{Json, Object, json};
use stepwright_source::{Diagnostic, Severity, Span};

/// What is to be shown, by the URI of the file.
pub(crate) fn diagnostics(document: &str, analysis: &Analysis) -> BTreeMap<String, Vec<Json>> {
    let mut found: BTreeMap<String, Vec<Json>> = BTreeMap::new();
    found.entry(document.to_owned()).or_default();
    for complaints in analysis.complaints() {
        let (uri, other);
        let text = match &complaints.file {
            None => {
                uri = document.to_owned();
                &analysis.text
            }
            Some(path) => {
                uri = uri_of(path, &analysis.path);
                other = Text::new(complaints.text.to_string());
                &other
            }
        };
        let shown: Vec<Json> =
            complaints.diagnostics.iter().map(|one| shown(text, &uri, one)).collect();
        let own = found.entry(uri).or_default();
        for one in shown {
            if !own.contains(&one) {
                own.push(one);
            }
        }
    }
    found
}

/// The URI of a file that is named beside a document.
pub(crate) fn uri_of(path: &Path, document: &Path) -> String {
    let folder = document.parent().unwrap_or(Path::new(""));
    uri::of(&if path.is_absolute() { path.to_owned() } else { folder.join(path) })
}

fn shown(text: &Text, uri: &str, diagnostic: &Diagnostic) -> Json {
    let severity = match diagnostic.severity {
        Severity::Error => 1,
        Severity::Warning => 2,
        Severity::Note => 3,
    };
    let mut message = diagnostic.message.clone();
    if let Some(label) = diagnostic.label.as_ref().filter(|label| !message.contains(*label)) {
        message.push('\n');
        message.push_str(label);
    }
    if let Some(help) = &diagnostic.help {
        message.push_str("\nhelp: ");
        message.push_str(help);
    }
    let mut object = Object::new();
    object.insert("range", range(text, diagnostic.span.unwrap_or(Span::new(0, 0))));
    object.insert("severity", severity.into());
    object.insert("code", diagnostic.code.into());
    object.insert("source", "stepwright".into());
    object.insert("message", message.into());
    if matches!(diagnostic.code, "unused-variable" | "unused-substitution") {
        object.insert("tags", json!([1]));
    }
    if !diagnostic.labels.is_empty() {
        let related = diagnostic.labels.iter().map(|label| {
            let place = json!({"uri": uri, "range": (range(text, label.span))});
            json!({"location": place, "message": (label.message.as_str())})
        });
        object.insert("relatedInformation", related.collect::<Vec<Json>>().into());
    }
    object.into()
}
