use stepwright_json::Object;

/// Something that an execution did, with the tags that its processor gave it.
#[derive(Clone, Copy, Debug)]
pub struct ExecutionEvent<'a> {
    /// What it did: `ExecutionStarted`.
    pub name: &'a str,
    /// The name of its machine.
    pub machine: &'a str,
    /// Its ARN.
    pub arn: &'a str,
    /// The ARNs of the executions it is nested in, the outermost first.
    pub around: &'a [String],
    /// When it did it, in milliseconds since 1970.
    pub at: i64,
    /// When it began, in milliseconds since 1970, if this is its end.
    pub since: Option<i64>,
    /// Whether all is well.
    pub is_good: bool,
    /// The tags.
    pub tags: &'a Object,
}

/// Who sends what executions do to a collector.
pub trait Collector: Send + Sync + 'static {
    /// An execution did something. Must not block.
    fn execution_event(&self, event: &ExecutionEvent<'_>);
}
