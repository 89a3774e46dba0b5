//! Errors: what cannot be deployed, and why.

use std::collections::BTreeMap;
use std::fmt;
use stepwright_fluxio::Project;
use stepwright_source::{Diagnostic, Span};

/// Something that AWS would not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// What the complaint is about, for example ``the task `Foo` ``.
    pub subject: String,
    /// Its place in the project, if it has one.
    pub span: Option<Span>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {} ({})", self.subject, self.message, self.help)
    }
}

/// The error for a project that cannot be deployed. It has at least one complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub Vec<Complaint>);

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Complaint::to_string).collect();
        formatter.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Refused {}

impl Refused {
    /// The complaints as diagnostics, which point into the project's text.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let diagnostic = |complaint: &Complaint| {
            let message = format!("{}: {}", complaint.subject, complaint.message);
            let diagnostic = Diagnostic::error("deployment", message).help(&complaint.help);
            match complaint.span {
                Some(span) => diagnostic.span(span),
                None => diagnostic,
            }
        };
        self.0.iter().map(diagnostic).collect()
    }
}

/// What a complaint is about: its text, and the names under which its place may be found, the most
/// specific first.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    text: String,
    keys: Vec<String>,
}

impl Subject {
    pub(crate) fn task(name: &str) -> Self {
        Self { text: format!("the task `{name}`"), keys: vec![name.to_owned()] }
    }

    pub(crate) fn machine(name: &str) -> Self {
        Self { text: format!("the state machine `{name}`"), keys: vec![name.to_owned()] }
    }
}

impl From<&Subject> for Subject {
    fn from(subject: &Self) -> Self {
        subject.clone()
    }
}

impl From<String> for Subject {
    fn from(text: String) -> Self {
        Self { text, keys: Vec::new() }
    }
}

impl From<&str> for Subject {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// The complaints so far, and the places that they can refer to.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    found: Vec<Complaint>,
    places: BTreeMap<String, Span>,
}

impl Complaints {
    /// No complaints yet, about this project.
    pub(crate) fn about(project: &Project) -> Self {
        Self { found: Vec::new(), places: project.places.clone() }
    }

    pub(crate) fn add(
        &mut self,
        subject: impl Into<Subject>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let subject = subject.into();
        self.found.push(Complaint {
            span: subject.keys.iter().find_map(|key| self.places.get(key)).copied(),
            subject: subject.text,
            message: message.into(),
            help: help.into(),
        });
    }

    /// Adds what was found when the project was compiled.
    pub(crate) fn extend(&mut self, found: &[Diagnostic]) {
        self.found.extend(found.iter().map(|one| {
            let (subject, message) =
                one.message.split_once(": ").unwrap_or(("the project", &one.message));
            Complaint {
                subject: subject.to_owned(),
                span: one.span,
                message: message.to_owned(),
                help: one.help.clone().unwrap_or_default(),
            }
        }));
    }

    pub(crate) fn or_ok<T>(self, value: T) -> Result<T, Refused> {
        if self.found.is_empty() { Ok(value) } else { Err(Refused(self.found)) }
    }
}
