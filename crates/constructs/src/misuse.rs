use std::fmt;

/// Something that is wrong with a state machine, so that it cannot be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misuse {
    /// The state, machine or resource that it is about.
    pub subject: String,
    /// What is wrong, and what to do about it.
    pub message: String,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.subject, self.message)
    }
}

/// Everything that is wrong with a state machine, reported together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misuses(pub Vec<Misuse>);

impl fmt::Display for Misuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, misuse) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{misuse}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Misuses {}

/// Collects problems.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Problems(pub(crate) Vec<Misuse>);

impl Problems {
    pub(crate) fn add(&mut self, subject: &str, message: impl Into<String>) {
        let misuse = Misuse { subject: subject.to_owned(), message: message.into() };
        if !self.0.contains(&misuse) {
            self.0.push(misuse);
        }
    }

    pub(crate) fn or_ok<T>(self, value: T) -> Result<T, Misuses> {
        if self.0.is_empty() { Ok(value) } else { Err(Misuses(self.0)) }
    }
}
