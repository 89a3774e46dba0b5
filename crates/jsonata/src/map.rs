use crate::value::Value;
use rustc_hash::FxHashMap;
use stepwright_json::Str;

/// Beyond this many members keys are found by hash.
const SCAN: usize = 16;

/// An object made by an evaluation: keys and values in the order they were put in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Map<'a> {
    members: Vec<(Str, Value<'a>)>,
    index: Option<FxHashMap<Str, usize>>,
    /// How deep its values are nested.
    pub(crate) height: u32,
}

impl<'a> Map<'a> {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { members: Vec::with_capacity(capacity), index: None, height: 1 }
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    fn position(&self, key: &str) -> Option<usize> {
        match &self.index {
            Some(index) => index.get(key).copied(),
            None => self.members.iter().position(|(name, _)| name == key),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.position(key).map(|at| &self.members[at].1)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Value<'a>> {
        let at = self.position(key)?;
        Some(&mut self.members[at].1)
    }

    pub(crate) fn insert(&mut self, key: Str, value: Value<'a>) {
        self.height = self.height.max(value.height() + 1);
        match self.position(&key) {
            Some(at) => self.members[at].1 = value,
            None => self.push_new(key, value),
        }
    }

    /// Adds a member whose key is known to be new.
    pub(crate) fn push_new(&mut self, key: Str, value: Value<'a>) {
        self.height = self.height.max(value.height() + 1);
        if let Some(index) = &mut self.index {
            index.insert(key.clone(), self.members.len());
        } else if self.members.len() == SCAN {
            let mut index: FxHashMap<Str, usize> =
                self.members.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)).collect();
            index.insert(key.clone(), SCAN);
            self.index = Some(index);
        }
        self.members.push((key, value));
    }

    pub(crate) fn remove(&mut self, key: &str) {
        if let Some(at) = self.position(key) {
            self.members.remove(at);
            if self.index.is_some() {
                self.index = Some(
                    self.members
                        .iter()
                        .enumerate()
                        .map(|(at, (name, _))| (name.clone(), at))
                        .collect(),
                );
            }
        }
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, (Str, Value<'a>)> {
        self.members.iter()
    }
}
