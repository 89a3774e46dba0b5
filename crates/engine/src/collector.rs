use stepwright_json::Object;

/// Something that an execution did, with the tags that its Fluxio processor attached to it.
#[derive(Clone, Copy, Debug)]
pub struct ExecutionEvent<'a> {
    /// The name of the event, such as `ExecutionStarted`.
    pub name: &'a str,
    /// The name of the execution's state machine.
    pub machine: &'a str,
    /// The execution's ARN.
    pub arn: &'a str,
    /// The ARNs of the executions around it, the outermost first.
    pub around: &'a [String],
    /// The trace that its input names, if it names one: `__trace` of a Fluxio project.
    pub trace: Option<&'a str>,
    /// When it happened, in milliseconds since 1970.
    pub at: i64,
    /// When the execution started, in milliseconds since 1970. Present on the event of its end.
    pub since: Option<i64>,
    /// False if the event reports a failure.
    pub is_good: bool,
    /// The tags.
    pub tags: &'a Object,
}

/// Sends execution events to a telemetry collector.
pub trait Collector: Send + Sync + 'static {
    /// Called when an execution did something. Must not block.
    fn execution_event(&self, event: &ExecutionEvent<'_>);
}
