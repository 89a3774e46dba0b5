use crate::{Diagnostic, Severity};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::fmt::Write as _;

/// Formats a diagnostic for people, in the style of a compiler, with the place in `text` that it
/// points to. `file` is the name of the file.
pub fn render(file: &str, text: &str, diagnostic: &Diagnostic) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let mut message = diagnostic.message.clone();
    if let Some(location) = &diagnostic.location {
        write!(message, " at {location}").expect("strings grow");
    }
    let title = level.primary_title(message.as_str()).id(diagnostic.code);
    let mut groups = Vec::new();
    match diagnostic.span {
        Some(span) => {
            let cut = |offset: usize| {
                let mut offset = offset.min(text.len());
                while !text.is_char_boundary(offset) {
                    offset -= 1;
                }
                offset
            };
            // If the span is a whole state, only its first line is marked.
            let start = cut(span.start as usize);
            let end = cut(span.end as usize).max(start);
            let end = text[start..end].find('\n').map_or(end, |line| start + line);
            let mut annotation = AnnotationKind::Primary.span(start..end);
            if let Some(label) = &diagnostic.label {
                annotation = annotation.label(label.as_str());
            }
            let mut snippet = Snippet::source(text).path(file).annotation(annotation);
            for label in &diagnostic.labels {
                let range = cut(label.span.start as usize)..cut(label.span.end as usize);
                snippet = snippet
                    .annotation(AnnotationKind::Context.span(range).label(label.message.as_str()));
            }
            groups.push(title.element(snippet));
        }
        None => groups.push(Group::with_title(title)),
    }
    if let Some(help) = &diagnostic.help {
        groups.push(Group::with_title(Level::HELP.secondary_title(help.as_str())));
    }
    Renderer::styled().render(&groups)
}
