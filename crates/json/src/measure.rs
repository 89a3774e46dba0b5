//! How large and how deep a value is.
//!
//! What has been measured once is known: an array or object keeps its measure until it is written
//! to. So a value that is handed from state to state is walked through once, and one that stands in
//! many places costs as much as one.

use crate::write::write_float;
use crate::{Array, Json, Object};
use std::sync::atomic::{AtomicU64, Ordering};

/// How deep arrays and objects may be nested: as deep as Jackson reads and writes, which AWS uses.
pub const DEEPEST: usize = 1_000;

/// The size of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measure {
    /// The bytes of its compact text. What stands in several places counts each time. Escapes are
    /// not counted: a text counts as many bytes as it has, and its quotes.
    pub bytes: usize,
    /// How many arrays and objects stand within each other: none in a scalar, one in `[]`.
    pub depth: usize,
    /// About how many bytes of memory it takes, and rather more than less, what is shared counted each
    /// time. More than 128 MiB are not told apart.
    pub memory: usize,
}

/// More bytes than this are not told apart.
const MOST_BYTES: usize = (1 << 38) - 1;
/// Memory is kept as a number of so many bits, and how often it is to be doubled.
const DIGITS: u32 = 12;
const MOST_DOUBLED: u32 = 15;
const MOST_MEMORY: usize = ((1 << DIGITS) - 1) << MOST_DOUBLED;
/// What a value takes in memory, and what an array, object or long text has beside it.
const VALUE: usize = 24;
const BESIDE: usize = 64;
/// How long a text is at most that has nothing beside it.
const INLINE: usize = 23;

impl Json {
    /// Measures the value. `None` if it is nested deeper than [`DEEPEST`].
    pub fn measure(&self) -> Option<Measure> {
        measure(self, DEEPEST)
    }

    /// Whether the value is nested no deeper than [`DEEPEST`] and its text has `bytes` at most.
    pub fn is_within(&self, bytes: usize) -> bool {
        self.measure().is_some_and(|measure| measure.bytes <= bytes)
    }
}

impl Measure {
    /// What it counts where room is held back for values: the bytes of its text, or more if it is
    /// small as a text and large in memory, as `[[[]]]` is.
    pub fn weight(&self) -> usize {
        self.bytes.max(self.memory / 4)
    }

    /// Adds what stands beside another value.
    fn add(&mut self, other: Self) {
        self.bytes = (self.bytes + other.bytes).min(MOST_BYTES);
        self.depth = self.depth.max(other.depth);
        self.memory = (self.memory + other.memory).min(MOST_MEMORY);
    }
}

/// The measure that an array or object keeps.
#[derive(Debug, Default)]
pub(crate) struct Kept(AtomicU64);

impl Kept {
    fn get(&self) -> Option<Measure> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            kept => Some(Measure {
                bytes: (kept >> 26) as usize,
                depth: (kept & 0x3FF) as usize,
                memory: unpacked((kept >> 10 & 0xFFFF) as usize),
            }),
        }
    }

    fn keep(&self, measure: Measure) {
        // Never zero: an array or object has a depth of one at least.
        let memory = packed(measure.memory) as u64;
        let kept = (measure.bytes as u64) << 26 | memory << 10 | measure.depth as u64;
        self.0.store(kept, Ordering::Relaxed);
    }

    /// The array or object is about to be changed.
    #[inline]
    pub(crate) fn forget(&mut self) {
        *self.0.get_mut() = 0;
    }
}

impl Clone for Kept {
    fn clone(&self) -> Self {
        // A copy is made to be changed.
        Self::default()
    }
}

/// Memory in sixteen bits. It is rounded up, by a two thousandth at most: a value within a thousand
/// others must not come out smaller than it is.
fn packed(memory: usize) -> usize {
    let memory = memory.min(MOST_MEMORY);
    let bits = usize::BITS - memory.leading_zeros();
    let mut doubled = bits.saturating_sub(DIGITS);
    let mut digits = memory.div_ceil(1 << doubled);
    if digits == 1 << DIGITS {
        digits /= 2;
        doubled += 1;
    }
    (doubled as usize) << DIGITS | digits
}

fn unpacked(packed: usize) -> usize {
    (packed & ((1 << DIGITS) - 1)) << (packed >> DIGITS)
}

/// Measures a value that has `levels` at most. The recursion is as deep as that.
fn measure(value: &Json, levels: usize) -> Option<Measure> {
    match value {
        Json::Array(items) => array(items, levels),
        Json::Object(members) => object(members, levels),
        Json::String(text) => {
            let memory = if text.len() > INLINE { VALUE + BESIDE + text.len() } else { VALUE };
            Some(Measure { bytes: text.len() + 2, depth: 0, memory })
        }
        scalar => Some(Measure { bytes: scalar_bytes(scalar), depth: 0, memory: VALUE }),
    }
}

fn array(items: &Array, levels: usize) -> Option<Measure> {
    if let Some(measure) = items.kept().and_then(Kept::get) {
        return (measure.depth <= levels).then_some(measure);
    }
    let inner = levels.checked_sub(1)?;
    // Brackets, and a comma between items.
    let mut whole = Measure { bytes: items.len().max(1) + 1, depth: 0, memory: VALUE + BESIDE };
    for item in items {
        whole.add(measure(item, inner)?);
    }
    whole.depth += 1;
    let Some(kept) = items.kept() else { return Some(whole) };
    kept.keep(whole);
    // As it is kept, so that it is the same each time.
    kept.get()
}

fn object(members: &Object, levels: usize) -> Option<Measure> {
    if let Some(measure) = members.kept().and_then(Kept::get) {
        return (measure.depth <= levels).then_some(measure);
    }
    let inner = levels.checked_sub(1)?;
    let mut whole = Measure { bytes: members.len().max(1) + 1, depth: 0, memory: VALUE + BESIDE };
    for (key, value) in members.iter() {
        whole.bytes = (whole.bytes + key.len() + 3).min(MOST_BYTES);
        if key.len() > INLINE {
            whole.memory = (whole.memory + key.len()).min(MOST_MEMORY);
        }
        whole.add(measure(value, inner)?);
    }
    whole.depth += 1;
    let Some(kept) = members.kept() else { return Some(whole) };
    kept.keep(whole);
    kept.get()
}

fn scalar_bytes(value: &Json) -> usize {
    match value {
        Json::Null | Json::Bool(true) | Json::Array(_) | Json::Object(_) => 4,
        Json::Bool(false) => 5,
        Json::Int(number) => {
            let digits = number.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1;
            digits + usize::from(*number < 0)
        }
        Json::Float(number) => {
            let mut text = String::with_capacity(24);
            write_float(*number, &mut text);
            text.len()
        }
        Json::BigInt(digits) => digits.len(),
        Json::String(text) => text.len() + 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_kept_a_little_larger_than_it_is() {
        let mut memory = 0_usize;
        while memory <= MOST_MEMORY {
            let kept = unpacked(packed(memory));
            assert!(kept >= memory && kept - memory <= memory / 2_048, "{memory} became {kept}");
            memory += 1 + memory / 1_000;
        }
        assert_eq!(unpacked(packed(usize::MAX)), MOST_MEMORY);
    }
}
