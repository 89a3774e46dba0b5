use stepwright_source::Severity;

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
    /// A definition, or a part of one, that is wrong.
    pub example: &'static str,
}

/// Every rule, AWS's first.
pub fn catalogue() -> &'static [Rule] {
    &[]
}
