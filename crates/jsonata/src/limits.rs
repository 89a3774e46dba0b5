use std::fmt;

/// How much an evaluation may cost. All but the interrupt are deterministic: the same expression
/// on the same input always ends the same way.
#[derive(Clone, Copy)]
pub struct Limits<'l> {
    /// How many parts of the expression may be evaluated (a loop counts each time); what functions
    /// do item by item counts too. Beyond: `U1001`.
    pub steps: u64,
    /// How deep evaluation may nest, counted as jsonata-js counts: each part of the expression
    /// inside another, each call that is not a tail call. Beyond: `U1001`.
    pub depth: usize,
    /// How many items a range may have. Beyond: `D2014`.
    pub sequence: usize,
    /// How many bytes may be allocated, all together. Beyond: `U1002`.
    pub bytes: usize,
    /// How deep parts of the expression may be evaluated within each other, functions' bodies
    /// included, counted as jsonata-js counts. Beyond: `U1001`.
    pub nesting: usize,
    /// How many bytes one array or text may take, eight for an item and one for a byte of text.
    /// Beyond: `U1002`.
    pub value_bytes: usize,
    /// Asked now and then; `true` ends the evaluation with `U1001`.
    pub interrupt: Option<&'l (dyn Fn() -> bool + 'l)>,
    /// Told now and then, and in the end, how many steps were taken since, memory that was allocated
    /// included; `false` ends the evaluation with `U1001`.
    pub burn: Option<&'l (dyn Fn(u64) -> bool + 'l)>,
}

impl Default for Limits<'_> {
    /// 20 million steps, 5,000 deep, 10 million items, 256 MiB, and nothing more.
    fn default() -> Self {
        Self {
            steps: 20_000_000,
            depth: 5_000,
            sequence: 10_000_000,
            bytes: 256 << 20,
            nesting: usize::MAX,
            value_bytes: usize::MAX,
            interrupt: None,
            burn: None,
        }
    }
}

impl fmt::Debug for Limits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits")
            .field("steps", &self.steps)
            .field("depth", &self.depth)
            .field("sequence", &self.sequence)
            .field("bytes", &self.bytes)
            .field("nesting", &self.nesting)
            .field("value_bytes", &self.value_bytes)
            .field("interrupt", &self.interrupt.is_some())
            .field("burn", &self.burn.is_some())
            .finish()
    }
}

/// Time and chance, as the evaluation sees them. `$now`, `$millis`, `$random`, `$uuid` and
/// `$shuffle` are pure functions of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub now_millis: i64,
    /// Where chance begins.
    pub seed: u64,
}
