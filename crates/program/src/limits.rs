/// The largest input or output of a state or task, in bytes of UTF-8 JSON. AWS's quota.
pub const MAX_PAYLOAD_BYTES: usize = 262_144;

/// The most events a Standard execution's history may hold. AWS's quota.
pub const MAX_HISTORY_EVENTS: u64 = 25_000;

/// How deep the parts of a JSONata expression may be evaluated within each other on AWS.
pub const MAX_EVALUATION_DEPTH: usize = 100;

/// How many bytes a value of a JSONata expression may take on AWS, as measured in 2026.
pub const MAX_EVALUATION_BYTES: usize = 6_990_256;

/// Which AWS is shown. AWS changes details of its histories over the years; an old recording can
/// only be compared with the AWS of its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Vintage(pub u32);

impl Vintage {
    /// AWS as it is now: what everything but a comparison with old recordings shows.
    pub const TODAY: Self = Self(u32::MAX);

    /// AWS as it was in a month, `202405` for May 2024.
    pub const fn month(month: u32) -> Self {
        Self(month)
    }

    /// Until the summer of 2024 the exit of a distributed Map followed `MapRunSucceeded`; it
    /// follows `MapRunStarted` since.
    pub fn exit_follows_map_run_end(self) -> bool {
        self.0 < 202_409
    }

    /// Until December 2024 the failure of a JSONata expression followed what came before the entry
    /// of its state, but for Wait states; it follows the entry since.
    pub fn evaluation_failure_precedes_entry(self) -> bool {
        self.0 < 202_412
    }

    /// Until 2025 a Map state went over arrays only; since then over the members of objects, too.
    pub fn maps_go_over_objects(self) -> bool {
        self.0 >= 202_509
    }
}

impl Default for Vintage {
    fn default() -> Self {
        Self::TODAY
    }
}

/// Limits that an execution is held to. The default is AWS's; what AWS does not publish is chosen so
/// that it cuts nothing off that AWS would finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest input or output of a state or task, in bytes.
    pub payload_bytes: usize,
    /// The most events of a history; `None` for no limit.
    pub history_events: Option<u64>,
    /// How deep the parts of a JSONata expression may be evaluated within each other; `None` for
    /// our own limit alone.
    pub evaluation_depth: Option<usize>,
    /// How many bytes one value may take that an expression computes, of either language.
    pub evaluation_bytes: usize,
    /// How many bytes one evaluation of a JSONata expression may allocate, all together.
    pub allocated_bytes: usize,
    /// How many steps one evaluation may take. A step takes some ten nanoseconds.
    pub evaluation_steps: u64,
    /// How many steps all evaluations for one state may take together, between two events.
    pub state_steps: u64,
    /// The most bytes of JSON text that the items of a distributed Map may have together that are in
    /// memory at once.
    pub items_bytes: usize,
    /// How many items of a distributed Map are read at once.
    pub page_items: usize,
    /// How many bytes of JSON text they have, about.
    pub page_bytes: usize,
    /// The most bytes of memory that the data of one execution may take.
    pub held_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload_bytes: MAX_PAYLOAD_BYTES,
            history_events: Some(MAX_HISTORY_EVENTS),
            evaluation_depth: Some(MAX_EVALUATION_DEPTH),
            evaluation_bytes: MAX_EVALUATION_BYTES,
            allocated_bytes: 128 << 20,
            evaluation_steps: 20_000_000,
            state_steps: 60_000_000,
            items_bytes: 32 << 20,
            page_items: 2_000,
            page_bytes: 1 << 20,
            held_bytes: 64 << 20,
        }
    }
}

impl Limits {
    /// What fits in a machine instead of what AWS publishes (`--limits extended`).
    pub const EXTENDED: Self = Self {
        payload_bytes: 64 << 20,
        history_events: None,
        evaluation_depth: None,
        evaluation_bytes: 64 << 20,
        allocated_bytes: 512 << 20,
        evaluation_steps: 200_000_000,
        state_steps: 600_000_000,
        items_bytes: 512 << 20,
        page_items: 2_000,
        page_bytes: 1 << 20,
        held_bytes: 1 << 30,
    };
}
