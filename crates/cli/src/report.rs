//! Diagnostics on standard error, in the style of a compiler.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::fmt::Write as _;
use stepwright_json::{Json, Object};
use stepwright_source::{Diagnostic, LineIndex, Severity};

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A message, and what to do about it.
    Plain { message: String, help: Option<String> },
    /// Diagnostics of files, which have been printed already.
    Said,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Plain { message: message.into(), help: None }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        match self {
            Self::Plain { message, .. } => Self::Plain { message, help: Some(help.into()) },
            Self::Said => Self::Said,
        }
    }
}

/// An error with its sources.
pub(crate) fn refused(error: &dyn std::error::Error) -> Failure {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        message = format!("{message}: {error}");
        source = error.source();
    }
    Failure::new(message)
}

pub(crate) fn failure(failure: &Failure) {
    let Failure::Plain { message, help } = failure else { return };
    let mut groups = vec![Group::with_title(Level::ERROR.primary_title(message.as_str()))];
    if let Some(help) = help {
        groups.push(Group::with_title(Level::HELP.secondary_title(help.as_str())));
    }
    anstream::eprintln!("{}", Renderer::styled().render(&groups));
}

/// Prints a line from a function.
pub(crate) fn function_printed(line: &str) {
    anstream::eprintln!("{line}");
}

/// Formats a diagnostic for people.
pub(crate) fn render(file: &str, text: &str, diagnostic: &Diagnostic) -> String {
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

/// Formats a diagnostic for scripts.
pub(crate) fn to_json(file: &str, text: &str, diagnostic: &Diagnostic) -> Json {
    let mut object = Object::new();
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    object.insert("file", file.into());
    object.insert("severity", severity.into());
    object.insert("code", diagnostic.code.into());
    object.insert("message", diagnostic.message.as_str().into());
    if let Some(location) = &diagnostic.location {
        object.insert("location", location.as_str().into());
    }
    if let Some(span) = diagnostic.span {
        let (start, end) = LineIndex::new(text).span(text, span);
        for (key, value) in [
            ("line", start.line),
            ("column", start.column),
            ("endLine", end.line),
            ("endColumn", end.column),
        ] {
            object.insert(key, value.into());
        }
    }
    if let Some(help) = &diagnostic.help {
        object.insert("help", help.as_str().into());
    }
    object.into()
}

/// Prints what a server does.
pub(crate) fn announce(line: &str) {
    use std::io::Write as _;
    // The server keeps running when the program that reads its output has ended.
    writeln!(anstream::stdout().lock(), "{line}").ok();
}

/// Prints JSON unchanged. Nothing in it is interpreted as a colour code of the terminal.
pub(crate) fn print_json(json: &Json) {
    use std::io::Write as _;
    // The reader may have ended because it has read enough.
    writeln!(std::io::stdout().lock(), "{}", json.pretty()).ok();
}
