use std::fmt::Write as _;
use stepwright_source::Severity;

mod aws;
mod ours;

/// What a rule says, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The code its diagnostics carry.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// One sentence.
    pub summary: &'static str,
    /// Why it matters and what to do.
    pub explanation: &'static str,
    /// A file that is wrong. Empty where it would be too long to read.
    pub example: &'static str,
    /// The same file, mended. Empty where there is nothing to show.
    pub instead: &'static str,
}

/// Every rule: AWS's first, then ours.
pub fn catalogue() -> impl Iterator<Item = &'static Rule> {
    aws::RULES.iter().chain(ours::RULES)
}

impl Rule {
    /// The page of the rule in the documentation.
    pub fn page(&self) -> String {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let whose = if self.code.contains('-') { "Stepwright" } else { "AWS" };
        let mut page = format!("# {}\n\n*{severity}, a rule of {whose}*\n\n", self.code);
        let _ = write!(page, "{}\n\n{}\n", self.summary, self.explanation);
        for (title, text) in [("Wrong", self.example), ("Right", self.instead)] {
            if !text.is_empty() {
                let language = if text.starts_with('{') { "json" } else { "yaml" };
                let _ = write!(page, "\n{title}:\n\n```{language}\n{text}\n```\n");
            }
        }
        page
    }
}
