//! Diagnostics on standard error, in the style of a compiler.

use annotate_snippets::{Group, Level, Renderer};
use stepwright_asl::Complaint;
use stepwright_json::{Json, Object};
use stepwright_source::{Diagnostic, LineIndex, Severity, render};

/// Why a command could not do its work.
#[derive(Debug)]
pub enum Failure {
    /// A message, and what to do about it.
    Plain {
        /// What could not be done.
        message: String,
        /// What to do about it.
        help: Option<String>,
    },
    /// Diagnostics of files, which have been printed already.
    Said,
}

impl Failure {
    /// A failure with a message.
    pub fn new(message: impl Into<String>) -> Self {
        Self::Plain { message: message.into(), help: None }
    }

    /// With advice.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        match self {
            Self::Plain { message, .. } => Self::Plain { message, help: Some(help.into()) },
            Self::Said => Self::Said,
        }
    }
}

/// An error with its sources.
pub fn refused(error: &dyn std::error::Error) -> Failure {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        message = format!("{message}: {error}");
        source = error.source();
    }
    Failure::new(message)
}

/// Prints why something could not be done.
pub fn failure(failure: &Failure) {
    let Failure::Plain { message, help } = failure else { return };
    let mut groups = vec![Group::with_title(Level::ERROR.primary_title(message.as_str()))];
    if let Some(help) = help {
        groups.push(Group::with_title(Level::HELP.secondary_title(help.as_str())));
    }
    anstream::eprintln!("{}", Renderer::styled().render(&groups));
}

/// Prints what is not as somebody may think.
pub fn warning(message: &str) {
    let group = Group::with_title(Level::WARNING.primary_title(message));
    anstream::eprintln!("{}", Renderer::styled().render(&[group]));
}

/// Prints a line from a function.
pub fn function_printed(line: &str) {
    anstream::eprintln!("{line}");
}

/// How many diagnostics of one file are printed. Nobody reads more, and a file can have a hundred
/// thousand.
const MOST_PRINTED: usize = 100;

/// The diagnostics of a file for people, the first hundred and the number of the others.
pub fn renderings<'d>(
    file: &'d str,
    text: &'d str,
    diagnostics: &'d [Diagnostic],
) -> impl Iterator<Item = String> + 'd {
    let shown = diagnostics.iter().take(MOST_PRINTED);
    let more = diagnostics.len().saturating_sub(MOST_PRINTED);
    let rest = (more > 0).then(|| format!("{file}: {more} more of {}\n", diagnostics.len()));
    shown.map(move |diagnostic| render(file, text, diagnostic)).chain(rest)
}

/// Prints what is wrong with files, the first hundred things and the number of the others.
pub fn complaints<'c>(complaints: impl ExactSizeIterator<Item = &'c Complaint>) {
    let count = complaints.len();
    for Complaint { file, text, diagnostic } in complaints.take(MOST_PRINTED) {
        anstream::eprintln!("{}", render(file, text, diagnostic));
    }
    if count > MOST_PRINTED {
        anstream::eprintln!("{} more of {count}", count - MOST_PRINTED);
    }
}

/// Formats a diagnostic for scripts. `lines` is the index of its file's text.
pub fn to_json(file: &str, text: &str, lines: &LineIndex, diagnostic: &Diagnostic) -> Json {
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
        let (start, end) = lines.span(text, span);
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
pub fn announce(line: &str) {
    use std::io::Write as _;
    // The server keeps running when the program that reads its output has ended.
    writeln!(anstream::stdout().lock(), "{line}").ok();
}

/// Prints JSON unchanged. Nothing in it is interpreted as a colour code of the terminal.
pub fn print_json(json: &Json) {
    use std::io::Write as _;
    // The reader may have ended because it has read enough.
    writeln!(std::io::stdout().lock(), "{}", json.pretty()).ok();
}
