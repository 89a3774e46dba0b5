use crate::{Json, Str};
use std::sync::Arc;

/// Keys and values in the order they were put in, shared until written to.
#[derive(Clone, Debug, Default)]
pub struct Object(Arc<Vec<(Str, Json)>>);

impl Object {
    /// No members.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many members.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn position(&self, key: &str) -> Option<usize> {
        self.0.iter().position(|(name, _)| name == key)
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Json> {
        self.position(key).map(|at| &self.0[at].1)
    }

    /// The value of `key`, to be written; members are copied first if anyone else holds them.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Json> {
        let at = self.position(key)?;
        Some(&mut Arc::make_mut(&mut self.0)[at].1)
    }

    /// Whether there is a member `key`.
    pub fn contains_key(&self, key: &str) -> bool {
        self.position(key).is_some()
    }

    /// Sets `key`: in place when it is there (the old value is returned), else at the end.
    pub fn insert(&mut self, key: impl Into<Str>, value: Json) -> Option<Json> {
        let key = key.into();
        if let Some(at) = self.position(&key) {
            return Some(std::mem::replace(&mut Arc::make_mut(&mut self.0)[at].1, value));
        }
        Arc::make_mut(&mut self.0).push((key, value));
        None
    }

    /// Takes `key` out; the others keep their order.
    pub fn remove(&mut self, key: &str) -> Option<Json> {
        let at = self.position(key)?;
        Some(Arc::make_mut(&mut self.0).remove(at).1)
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Str, &Json)> + DoubleEndedIterator {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// The keys in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Str> {
        self.0.iter().map(|(key, _)| key)
    }

    /// The values in order of their keys.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Json> + DoubleEndedIterator {
        self.0.iter().map(|(_, value)| value)
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self.iter().all(|(key, value)| other.get(key).is_some_and(|there| there == value))
    }
}

impl<K: Into<Str>> FromIterator<(K, Json)> for Object {
    fn from_iter<I: IntoIterator<Item = (K, Json)>>(members: I) -> Self {
        let mut object = Self::new();
        for (key, value) in members {
            object.insert(key, value);
        }
        object
    }
}
