use std::path::Path;
use stepwright_source::Diagnostic;

/// Why a project cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// The project's text contains errors.
    #[error("{file} has errors")]
    Wrong {
        /// The file's name.
        file: String,
        /// Its text, which the diagnostics point into.
        text: String,
        /// The errors and warnings.
        diagnostics: Vec<Diagnostic>,
    },
    /// The project cannot be used for another reason.
    #[error("{message}")]
    Unusable {
        /// What cannot be done, and why.
        message: String,
        /// What to do about it.
        help: Option<String>,
    },
}

impl ProjectError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::Unusable { message: message.into(), help: None }
    }

    pub(crate) fn with_help(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Unusable { message: message.into(), help: Some(help.into()) }
    }

    pub(crate) fn wrong(file: &Path, text: &str, diagnostics: Vec<Diagnostic>) -> Self {
        Self::Wrong { file: file.display().to_string(), text: text.to_owned(), diagnostics }
    }
}
