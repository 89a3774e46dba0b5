use crate::measure::Kept;
use crate::{Json, deep};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A list of values, shared until it is written to.
#[derive(Clone, Default)]
pub struct Array(Option<Arc<Values>>);

#[derive(Clone, Default)]
struct Values {
    values: Vec<Json>,
    kept: Kept,
}

impl Array {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// The values, to be written; copied first if anyone else holds them.
    pub fn make_mut(&mut self) -> &mut Vec<Json> {
        let inner = Arc::make_mut(self.0.get_or_insert_default());
        inner.kept.forget();
        &mut inner.values
    }

    /// Adds a value at the end.
    pub fn push(&mut self, value: Json) {
        self.make_mut().push(value);
    }

    /// The values; moved when nobody else holds them, else copied.
    pub fn into_vec(mut self) -> Vec<Json> {
        self.take_values().unwrap_or_else(|| self.to_vec())
    }

    /// The values, if nobody else holds them; nothing is left of them here.
    pub(crate) fn take_values(&mut self) -> Option<Vec<Json>> {
        // The count is looked at first: that is cheap, and often somebody else holds it, too.
        let shared = self.0.as_mut()?;
        if Arc::strong_count(shared) > 1 {
            return None;
        }
        let inner = Arc::get_mut(shared)?;
        inner.kept.forget();
        Some(std::mem::take(&mut inner.values))
    }

    /// What is known of its size; nothing is kept of an array without values.
    pub(crate) fn kept(&self) -> Option<&Kept> {
        self.0.as_ref().map(|values| &values.kept)
    }

    /// Where the values stand in memory, if there are any.
    pub(crate) fn address(&self) -> Option<usize> {
        self.0.as_ref().map(|values| Arc::as_ptr(values).addr())
    }

    /// Whether somebody else holds the same values.
    pub(crate) fn is_shared(&self) -> bool {
        self.0.as_ref().is_some_and(|values| Arc::strong_count(values) > 1)
    }

    /// Whether both are the same values in the same place.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        }
    }
}

impl Deref for Array {
    type Target = [Json];
    fn deref(&self) -> &[Json] {
        self.0.as_ref().map_or(&[], |values| &values.values)
    }
}

impl Drop for Array {
    fn drop(&mut self) {
        if self.is_empty() {
            return;
        }
        if let Some(mut values) = self.take_values() {
            deep::dismantle(&mut values);
        }
    }
}

impl PartialEq for Array {
    fn eq(&self, other: &Self) -> bool {
        deep::equal_arrays(self, other, Json::eq_scalar)
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Json::Array(self.clone()), f)
    }
}

impl From<Vec<Json>> for Array {
    fn from(values: Vec<Json>) -> Self {
        if values.is_empty() {
            return Self(None);
        }
        Self(Some(Arc::new(Values { values, kept: Kept::default() })))
    }
}

impl FromIterator<Json> for Array {
    fn from_iter<I: IntoIterator<Item = Json>>(values: I) -> Self {
        Self::from(values.into_iter().collect::<Vec<_>>())
    }
}

impl<'a> IntoIterator for &'a Array {
    type Item = &'a Json;
    type IntoIter = std::slice::Iter<'a, Json>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
