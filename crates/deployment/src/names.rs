//! The names of resources in AWS.

use crate::complaint::{Complaints, Subject};

/// The largest number of characters for the environment's name.
const MOST_FOR_ENVIRONMENT: usize = 32;
/// The number of characters that it must have room for: `staging1`.
const LEAST_FOR_ENVIRONMENT: usize = 8;

/// Makes the names of a project's resources. Each name begins with the environment and the project.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) project: String,
    most_for_environment: usize,
}

impl Names {
    pub(crate) fn new(project: &str) -> Self {
        Self { project: project.to_owned(), most_for_environment: MOST_FOR_ENVIRONMENT }
    }

    /// Records a name that AWS limits to `most` characters.
    pub(crate) fn limit(
        &mut self,
        subject: &Subject,
        part: &str,
        most: usize,
        complaints: &mut Complaints,
    ) {
        let fixed = self.project.len() + part.len() + 2;
        let left = most.saturating_sub(fixed);
        if left < LEAST_FOR_ENVIRONMENT {
            let name = self.of(part);
            let message = format!(
                "the name `{name}` may have {most} characters, which leaves {left} for the environment"
            );
            let help = format!(
                "shorten it or the project's folder: the environment needs {LEAST_FOR_ENVIRONMENT}"
            );
            complaints.add(subject, message, help);
        }
        self.most_for_environment = self.most_for_environment.min(left);
    }

    /// The longest environment name with which all recorded names fit.
    pub(crate) fn most_for_environment(&self) -> usize {
        self.most_for_environment
    }

    /// The name of a resource, for `Fn::Sub`.
    pub(crate) fn of(&self, part: &str) -> String {
        format!("${{Environment}}-{}-{part}", self.project)
    }

    /// The name of a value that a machine of this project exports.
    pub(crate) fn export(&self, machine: &str, what: &str) -> String {
        export_of(&self.project, machine, what)
    }
}

/// The name of a value that a machine of any project exports, for `Fn::Sub`. Such names must not
/// contain `_`.
pub(crate) fn export_of(project: &str, machine: &str, what: &str) -> String {
    format!("${{Environment}}-{project}-{machine}-{what}").replace('_', "-")
}

/// The name of a machine of any project, for `Fn::Sub`.
pub(crate) fn machine_of(project: &str, machine: &str) -> String {
    format!("${{Environment}}-{project}-{machine}")
}

/// The name of the state-data table of any project, for `Fn::Sub`.
pub(crate) fn table_of(project: &str) -> String {
    format!("${{Environment}}-{project}-state-data")
}

/// A name as part of a logical id, which may have letters and digits only.
pub(crate) fn id(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// Whether a text can be part of names in AWS.
pub(crate) fn is_plain(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        && name.contains(|c: char| c.is_ascii_alphanumeric())
}
