//! Events as they are stored: one chunk of bytes for the events of one turn.
//!
//! A chunk is a byte for the format, a byte for the compression, a checksum and the records. A record is
//! self-describing: its kind and the revision of its kind are numbers that never change their
//! meaning ([`KINDS`]), and its body has its length before it. A kind or revision that this release
//! does not know refuses the chunk, by name, and nothing else.
//!
//! A value that occurs more than once in a chunk is written once: a state's output that is the next
//! state's input costs two bytes. After reading, the copies are one value again.

mod read;
mod seen;
mod write;

pub use read::{StoredError, decode, decode_each, unpacked_len};
pub use seen::Seen;
pub use write::encode;

/// The first byte of a chunk. After the byte for the compression, a checksum of the rest follows,
/// CRC-32 in four bytes, the lowest first.
const FORMAT: u8 = 2;

/// The format before: without a checksum.
const WITHOUT_CHECKSUM: u8 = 1;

/// The first byte of a chunk that the store has encrypted. Whoever reads one has it opened before.
const ENCRYPTED: u8 = 3;

/// Chunks of at least this many bytes are compressed.
const COMPRESS_FROM: usize = 256;

/// How a chunk's records are packed.
const PLAIN: u8 = 0;
const LZ4: u8 = 1;

/// How a value is written: whole, and numbered from 0 in order; whole, without a number; or (from
/// 2) as the number of an earlier one.
const NUMBERED: u64 = 0;
const UNNUMBERED: u64 = 1;
const EARLIER: u64 = 2;

/// The names of the kinds; a kind's number is its place. Only ever appended to.
pub const KINDS: [&str; 42] = [
    "ExecutionStarted",
    "ExecutionSucceeded",
    "ExecutionFailed",
    "ExecutionTimedOut",
    "ExecutionAborted",
    "ExecutionRedriven",
    "StateEntered",
    "StateExited",
    "StateAborted",
    "EvaluationFailed",
    "TaskScheduled",
    "TaskStarted",
    "TaskSubmitted",
    "TaskHeartbeat",
    "TaskSucceeded",
    "TaskFailed",
    "TaskTimedOut",
    "RetryScheduled",
    "TimerFired",
    "WaitStarted",
    "ParallelStarted",
    "ParallelSucceeded",
    "ParallelFailed",
    "MapStarted",
    "MapIterationStarted",
    "MapIterationSucceeded",
    "MapIterationFailed",
    "MapIterationAborted",
    "MapSucceeded",
    "MapFailed",
    "MapRunStarted",
    "MapRunItems",
    "ChildStarted",
    "ChildFinished",
    "MapRunWriting",
    "MapRunSucceeded",
    "MapRunFailed",
    "MapRunUpdated",
    "MapRunRedriven",
    "MapRunPage",
    "WholeAsked",
    "WholeAnswered",
];
