use crate::{Json, Str};
use std::fmt;

/// A place inside a value, written as RFC 6901 does: `/States/X/Next`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer(Vec<Str>);

impl Pointer {
    /// The whole value.
    pub fn root() -> Self {
        Self::default()
    }

    /// Reads `/a/b~1c/0`. `None` when the text is neither empty nor begins with `/`.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::root());
        }
        let rest = text.strip_prefix('/')?;
        Some(Self(
            rest.split('/').map(|s| s.replace("~1", "/").replace("~0", "~").into()).collect(),
        ))
    }

    /// The place `key` (or index) below this one.
    #[must_use]
    pub fn child(&self, key: impl Into<Str>) -> Self {
        let mut parts = self.0.clone();
        parts.push(key.into());
        Self(parts)
    }

    /// The keys and indexes from the outside in.
    pub fn parts(&self) -> &[Str] {
        &self.0
    }

    /// What stands there in `value`.
    pub fn find<'j>(&self, value: &'j Json) -> Option<&'j Json> {
        self.0.iter().try_fold(value, |value, part| match value {
            Json::Object(object) => object.get(part),
            Json::Array(array) => array.get(part.parse::<usize>().ok()?),
            _ => None,
        })
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|part| write!(f, "/{}", part.replace('~', "~0").replace('/', "~1")))
    }
}
