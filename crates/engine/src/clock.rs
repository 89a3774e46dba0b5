use stepwright_history::Moment;

/// The source of the current time. Waiting uses tokio's timers, so a test that pauses tokio's clock
/// controls both.
pub trait Clock: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Moment;
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Moment(since.map_or(0, |since| since.as_millis() as i64))
    }
}
