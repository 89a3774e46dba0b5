//! What is said of the deployment of a template.

use std::path::Path;
use stepwright_asl::Template;
use stepwright_source::LineIndex;
use stepwright_stacks::{Deployed, LeftOut};

/// A name for the stack of a template: that of its folder, if the file has an ordinary name.
pub fn name(file: &Path) -> String {
    let stem = file.file_name().map(|name| name.to_string_lossy().into_owned());
    let stem = stem.unwrap_or_default();
    let stem = stem.split('.').next().unwrap_or_default().to_owned();
    let folder = std::path::absolute(file).ok();
    let folder = folder.and_then(|path| Some(path.parent()?.file_name()?.to_owned()));
    let folder = folder.map(|name| name.to_string_lossy().into_owned());
    let name = if stem == "template" { folder.unwrap_or(stem) } else { stem };
    let kept = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    let name: String = name.chars().map(kept).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "stack".to_owned() } else { name.to_owned() }
}

/// The lines that say what was made and changed.
pub(crate) fn done(deployed: &Deployed, file: &Path) -> Vec<String> {
    let line = |is_update: bool| {
        let done: Vec<String> = deployed
            .done
            .iter()
            .filter(|done| done.is_update == is_update)
            .map(|done| format!("{} {}", short(&done.kind), done.name))
            .collect();
        let what = if is_update { "updated" } else { "created" };
        (!done.is_empty()).then(|| format!("{what} {} ({})", done.join(", "), file.display()))
    };
    let mut lines: Vec<String> = [false, true].into_iter().filter_map(line).collect();
    if !deployed.unneeded.is_empty() {
        let kinds = deployed.unneeded.iter();
        let kinds: Vec<String> = kinds.map(|(kind, count)| format!("{count} {kind}")).collect();
        lines.push(format!("not needed on this machine: {}", kinds.join(", ")));
    }
    for id in &deployed.gone {
        lines.push(format!("{id} is no longer in {}; what was made of it stays", file.display()));
    }
    lines
}

/// The line that says what is left out, and where it stands in the template, if a person wrote that.
pub(crate) fn left_out(left_out: &LeftOut, template: Option<&Template>) -> String {
    let LeftOut { kind, logical_id, why, span } = left_out;
    let about = format!("{logical_id} ({}): {why}", short(kind));
    match template {
        // A parameter has no place.
        Some(Template { file, text, .. }) if !span.range().is_empty() => {
            let (start, _) = LineIndex::new(text).span(text, *span);
            format!("{file}:{}: {about}", start.line)
        }
        _ => about,
    }
}

/// `SQS::Queue` of `AWS::SQS::Queue`.
fn short(kind: &str) -> &str {
    kind.strip_prefix("AWS::").unwrap_or(kind)
}
