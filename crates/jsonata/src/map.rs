use crate::value::Value;
use rustc_hash::FxHashMap;
use stepwright_json::{Keys, Str};

/// Beyond this many members keys are found by hash.
const SCAN: usize = 16;

/// An object made by an evaluation: keys and values in the order they were put in.
#[derive(Clone, Debug)]
pub(crate) struct Map<'a> {
    names: Names<'a>,
    values: Vec<Value<'a>>,
    /// How deep its values are nested.
    pub(crate) height: u32,
}

#[derive(Clone, Debug)]
enum Names<'a> {
    /// Those of an object constructor.
    Shared(&'a Keys),
    Own {
        names: Vec<Str>,
        index: Option<FxHashMap<Str, usize>>,
    },
}

impl Default for Map<'_> {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl<'a> Map<'a> {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self {
            names: Names::Own { names: Vec::with_capacity(capacity), index: None },
            values: Vec::with_capacity(capacity),
            height: 1,
        }
    }

    /// An object with a value for each of `keys`.
    pub(crate) fn with_keys(keys: &'a Keys, values: Vec<Value<'a>>) -> Self {
        let height = crate::value::tallest(&values) + 1;
        Self { names: Names::Shared(keys), values, height }
    }

    /// The keys it shares with other objects of the same constructor.
    pub(crate) fn shared_keys(&self) -> Option<&'a Keys> {
        match self.names {
            Names::Shared(keys) => Some(keys),
            Names::Own { .. } => None,
        }
    }

    pub(crate) fn into_values(self) -> Vec<Value<'a>> {
        self.values
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    fn names(&self) -> &[Str] {
        match &self.names {
            Names::Shared(keys) => keys.as_slice(),
            Names::Own { names, .. } => names,
        }
    }

    #[inline]
    fn position(&self, key: &str) -> Option<usize> {
        match &self.names {
            Names::Shared(keys) => keys.position(key),
            Names::Own { index: Some(index), .. } => index.get(key).copied(),
            Names::Own { names, .. } => names.iter().position(|name| name == key),
        }
    }

    #[inline]
    pub(crate) fn get(&self, key: &str) -> Option<&Value<'a>> {
        self.position(key).map(|at| &self.values[at])
    }

    pub(crate) fn insert(&mut self, key: Str, value: Value<'a>) {
        match self.position(&key) {
            Some(at) => {
                self.height = self.height.max(value.height() + 1);
                self.values[at] = value;
            }
            None => self.push_new(key, value),
        }
    }

    /// Adds a member whose key is known to be new.
    pub(crate) fn push_new(&mut self, key: Str, value: Value<'a>) {
        self.height = self.height.max(value.height() + 1);
        if let Names::Shared(keys) = self.names {
            let names = keys.as_slice().to_vec();
            self.names = Names::Own { names, index: None };
        }
        if let Names::Own { names, index } = &mut self.names {
            if let Some(index) = index {
                index.insert(key.clone(), names.len());
            }
            names.push(key);
            if index.is_none() && names.len() > SCAN {
                *index = Some(indexed(names));
            }
        }
        self.values.push(value);
    }

    /// Takes members out; the others keep their order.
    pub(crate) fn remove_all(&mut self, keys: &[Str]) {
        let mut gone = vec![false; self.len()];
        for key in keys {
            if let Some(at) = self.position(key) {
                gone[at] = true;
            }
        }
        if !gone.contains(&true) {
            return;
        }
        let stay = |at: usize| !gone[at];
        let mut at = 0..;
        self.values.retain(|_| at.next().is_some_and(stay));
        let names: Vec<Str> = self.names().to_vec();
        let names: Vec<Str> = names
            .into_iter()
            .enumerate()
            .filter(|(at, _)| stay(*at))
            .map(|(_, name)| name)
            .collect();
        let index = (names.len() > SCAN).then(|| indexed(&names));
        self.names = Names::Own { names, index };
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&Str, &Value<'a>)> {
        self.names().iter().zip(&self.values)
    }
}

fn indexed(names: &[Str]) -> FxHashMap<Str, usize> {
    names.iter().enumerate().map(|(at, name)| (name.clone(), at)).collect()
}
