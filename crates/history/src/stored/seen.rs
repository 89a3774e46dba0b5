//! Values that occur in several chunks of one history.
//!
//! While an execution runs, a value that stands in many places takes memory once: the input that each
//! iteration of a Map gives back, for example. Each chunk holds it as a text of its own. Read back as
//! they are stored, ten thousand such iterations would take ten thousand times the memory.

use rustc_hash::FxHashMap;
use std::hash::{BuildHasher as _, RandomState};
use stepwright_json::Json;

/// How many bytes the text of a value has at least that is looked up. What is shorter takes about as
/// much as the place where it stands.
const LEAST: usize = 256;

/// How many bytes of memory the values take that are known, before those go that nobody else holds.
const MOST: usize = 8 << 20;

/// The values that were read so far and are still held.
#[derive(Debug, Default)]
pub struct Seen {
    /// By the hash of their texts, with a secret: nobody can have many of them fall together.
    values: FxHashMap<u64, Json>,
    hasher: RandomState,
    memory: usize,
    /// What may be taken before it is looked again who holds them.
    most: usize,
}

impl Seen {
    /// The value that was read from this text before, if there is one, or else this one.
    pub(super) fn shared(&mut self, text: &str, value: Json) -> Json {
        if text.len() < LEAST || value.address().is_none() {
            return value;
        }
        let hash = self.hasher.hash_one(text);
        match self.values.get(&hash) {
            Some(known) if *known == value => return known.clone(),
            // Two texts with one hash. The one before stays.
            Some(_) => return value,
            None => {}
        }
        self.memory += memory(&value);
        self.values.insert(hash, value.clone());
        if self.memory > self.most.max(MOST) {
            self.values.retain(|_, value| value.is_shared());
            self.memory = self.values.values().map(memory).sum();
            self.most = 2 * self.memory;
        }
        value
    }
}

fn memory(value: &Json) -> usize {
    value.measure().map_or(0, |measure| measure.memory)
}
