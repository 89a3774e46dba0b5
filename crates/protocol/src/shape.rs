/// An operation of the API.
#[derive(Debug)]
pub struct Operation {
    /// Its name, as in `X-Amz-Target`.
    pub name: &'static str,
    /// The prefix that SDKs put before the host name.
    pub host_prefix: &'static str,
    /// The members of its input.
    pub input: &'static [Member],
}

/// A member of a structure.
#[derive(Debug)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// The shape of its value.
    pub shape: &'static Shape,
    /// Whether it is required.
    pub is_required: bool,
}

/// The shape of a value.
#[derive(Debug)]
pub enum Shape {
    /// Text.
    Text {
        /// The smallest number of characters.
        min: usize,
        /// The largest number of characters.
        max: Option<usize>,
        /// The pattern it must match.
        pattern: Option<Pattern>,
        /// The allowed values; empty if any value is allowed.
        values: &'static [&'static str],
    },
    /// An integer.
    Integer {
        /// The smallest value.
        min: Option<i64>,
        /// The largest value.
        max: Option<i64>,
    },
    /// A number.
    Number {
        /// The smallest value.
        min: Option<f64>,
        /// The largest value.
        max: Option<f64>,
    },
    /// `true` or `false`.
    Boolean,
    /// A list.
    List {
        /// The model's name for its items.
        name: &'static str,
        /// The shape of each item.
        of: &'static Shape,
        /// The smallest number of items.
        min: usize,
        /// The largest number of items.
        max: Option<usize>,
    },
    /// An object with these members.
    Structure(&'static [Member]),
}

/// A pattern for texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// The name of an alias: letters, digits, `_`, `-`, `.`, and not digits only.
    AliasName,
    /// Visible ASCII characters.
    Visible,
    /// ASCII characters.
    Ascii,
}

impl Pattern {
    /// The regular expression that AWS shows.
    pub fn text(self) -> &'static str {
        match self {
            Self::AliasName => r"^(?=.*[a-zA-Z_\-\.])[a-zA-Z0-9_\-\.]+$",
            Self::Visible => "[!-~]+",
            Self::Ascii => r"\p{ASCII}*",
        }
    }

    /// Whether a text matches.
    pub fn matches(self, text: &str) -> bool {
        match self {
            Self::AliasName => {
                let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
                !text.is_empty()
                    && text.chars().all(is_allowed)
                    && text.chars().any(|c| !c.is_ascii_digit())
            }
            Self::Visible => !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic()),
            Self::Ascii => text.is_ascii(),
        }
    }
}
