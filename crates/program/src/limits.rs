/// The largest input or output of a state or task, in bytes of UTF-8 JSON. AWS's quota.
pub const MAX_PAYLOAD_BYTES: usize = 262_144;

/// The most events a Standard execution's history may hold. AWS's quota.
pub const MAX_HISTORY_EVENTS: u64 = 25_000;

/// Limits that an execution is held to. The default is AWS's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest input or output of a state or task, in bytes; `None` for no limit.
    pub payload_bytes: Option<usize>,
    /// The most events of a history; `None` for no limit.
    pub history_events: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { payload_bytes: Some(MAX_PAYLOAD_BYTES), history_events: Some(MAX_HISTORY_EVENTS) }
    }
}

impl Limits {
    /// No limit but the machine's memory (`--limits extended`).
    pub const EXTENDED: Self = Self { payload_bytes: None, history_events: None };
}
