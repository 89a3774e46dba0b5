/// Shows people what happens. Must not block.
pub trait Listener: Send + Sync + 'static {
    /// Reports something that was done.
    fn announce(&self, line: &str);

    /// Reports something that went wrong without stopping anything.
    fn complain(&self, line: &str);

    /// Passes on a line that a task printed.
    fn printed(&self, line: &str);
}
