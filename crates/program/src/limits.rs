/// The largest input or output of a state or task, in bytes of UTF-8 JSON. AWS's quota.
pub const MAX_PAYLOAD_BYTES: usize = 262_144;

/// The most events a Standard execution's history may hold. AWS's quota.
pub const MAX_HISTORY_EVENTS: u64 = 25_000;
