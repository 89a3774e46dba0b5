//! Native stack. Depth is limited by counting, so that it is the same on every machine; this makes
//! sure that the machine's stack is never what gives out first.

/// What one level of the evaluator may need between two checks.
#[cfg(debug_assertions)]
pub(crate) const LEVEL: usize = 24 << 10;
#[cfg(not(debug_assertions))]
pub(crate) const LEVEL: usize = 6 << 10;

const SEGMENT: usize = 2 << 20;

/// What letting go of the tallest value may need.
#[cfg(debug_assertions)]
const RESERVE: usize = 768 << 10;
#[cfg(not(debug_assertions))]
const RESERVE: usize = 256 << 10;

/// Runs `run` with room for a level on the stack.
#[inline]
pub(crate) fn deeper<R>(run: impl FnOnce() -> R) -> R {
    stacker::maybe_grow(128 << 10, SEGMENT, run)
}

/// Runs `run` with room for `levels` levels on the stack.
#[inline]
pub(crate) fn room_for<R>(levels: usize, run: impl FnOnce() -> R) -> R {
    let needed = RESERVE + levels * LEVEL;
    stacker::maybe_grow(needed, needed + SEGMENT, run)
}
