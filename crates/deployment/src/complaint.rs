//! What cannot be deployed, and why.

use std::fmt;

/// Something that AWS would not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// What it is about: ``the task `Foo` ``.
    pub subject: String,
    /// What is wrong with it.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {} ({})", self.subject, self.message, self.help)
    }
}

/// Why a project cannot be deployed: at least one complaint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub Vec<Complaint>);

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(Complaint::to_string).collect();
        formatter.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Refused {}

/// The complaints so far.
#[derive(Debug, Default)]
pub(crate) struct Complaints(Vec<Complaint>);

impl Complaints {
    pub(crate) fn add(
        &mut self,
        subject: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.0.push(Complaint {
            subject: subject.into(),
            message: message.into(),
            help: help.into(),
        });
    }

    pub(crate) fn or_ok<T>(self, value: T) -> Result<T, Refused> {
        if self.0.is_empty() { Ok(value) } else { Err(Refused(self.0)) }
    }
}
