use crate::Json;
use std::ops::Deref;
use std::sync::Arc;

/// A list of values, shared until it is written to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Array(Arc<Vec<Json>>);

impl Array {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// The values, to be written; copied first if anyone else holds them.
    pub fn make_mut(&mut self) -> &mut Vec<Json> {
        Arc::make_mut(&mut self.0)
    }

    /// Adds a value at the end.
    pub fn push(&mut self, value: Json) {
        self.make_mut().push(value);
    }

    /// The values; moved when nobody else holds them, else copied.
    pub fn into_vec(self) -> Vec<Json> {
        Arc::unwrap_or_clone(self.0)
    }
}

impl Deref for Array {
    type Target = [Json];
    fn deref(&self) -> &[Json] {
        &self.0
    }
}

impl From<Vec<Json>> for Array {
    fn from(values: Vec<Json>) -> Self {
        Self(Arc::new(values))
    }
}

impl FromIterator<Json> for Array {
    fn from_iter<I: IntoIterator<Item = Json>>(values: I) -> Self {
        Self(Arc::new(values.into_iter().collect()))
    }
}

impl<'a> IntoIterator for &'a Array {
    type Item = &'a Json;
    type IntoIter = std::slice::Iter<'a, Json>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
