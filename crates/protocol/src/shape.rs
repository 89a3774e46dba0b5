/// An operation of the API.
#[derive(Debug)]
pub struct Operation {
    /// Its name, as in `X-Amz-Target`.
    pub name: &'static str,
    /// What SDKs put before the host name.
    pub host_prefix: &'static str,
    /// The members of its input.
    pub input: &'static [Member],
}

/// A member of a structure.
#[derive(Debug)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub shape: &'static Shape,
    /// Whether it must be there.
    pub is_required: bool,
}

/// What a member may hold.
#[derive(Debug)]
pub enum Shape {
    /// Text.
    Text {
        /// The least number of characters.
        min: usize,
        /// The most characters.
        max: Option<usize>,
        /// What it must look like.
        pattern: Option<Pattern>,
        /// The values it may have, if it may not have any.
        values: &'static [&'static str],
    },
    /// A whole number.
    Integer {
        /// The least.
        min: Option<i64>,
        /// The most.
        max: Option<i64>,
    },
    /// A number.
    Number {
        /// The least.
        min: Option<f64>,
        /// The most.
        max: Option<f64>,
    },
    /// `true` or `false`.
    Boolean,
    /// A list.
    List {
        /// What the model calls its items.
        name: &'static str,
        /// What each item holds.
        of: &'static Shape,
        /// The least number of items.
        min: usize,
        /// The most items.
        max: Option<usize>,
    },
    /// An object with these members.
    Structure(&'static [Member]),
}

/// What a text must look like.
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

    /// Whether a text looks like it.
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
