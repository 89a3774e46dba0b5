/// Whoever shows people what happens. Must not block.
pub trait Listener: Send + Sync + 'static {
    /// Something was done.
    fn announce(&self, line: &str);

    /// Something went wrong, and everything goes on.
    fn complain(&self, line: &str);

    /// A task printed a line.
    fn printed(&self, line: &str);
}
