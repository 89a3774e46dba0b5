//! Complaints on standard error, as a compiler prints them.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::fmt::Write as _;
use stepwright_json::{Json, Object};
use stepwright_source::{Diagnostic, LineIndex, Severity};

/// Why a command could not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A sentence, and what to do.
    Plain { message: String, help: Option<String> },
    /// Complaints about files; they are printed already.
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

/// An error with the reasons behind it.
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

/// A line that a function printed.
pub(crate) fn function_printed(line: &str) {
    anstream::eprintln!("{line}");
}

/// A complaint about a file, for people.
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
            // A whole state is pointed at by its first line.
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

/// A complaint about a file, for scripts.
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

/// Says what a server does, to whoever still listens.
pub(crate) fn announce(line: &str) {
    use std::io::Write as _;
    // A server goes on when the program that read its lines has ended.
    writeln!(anstream::stdout().lock(), "{line}").ok();
}

/// Prints JSON as it is: nothing in it is taken for a colour of the terminal.
pub(crate) fn print_json(json: &Json) {
    use std::io::Write as _;
    // Whoever has read enough may have ended.
    writeln!(std::io::stdout().lock(), "{}", json.pretty()).ok();
}
