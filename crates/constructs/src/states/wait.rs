use crate::chain::{Chain, Chainable, Nextable};
use crate::common::{Common, DataPath, state_traits};
use crate::node::Next;
use crate::param::At;
use crate::value::Value;
use std::time::Duration;

/// Waits for a time or until a moment.
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// // Wait until the time mentioned in the input's "triggerTime"; then start the work.
/// let wait = Wait::new("Wait For Trigger Time", WaitTime::timestamp_path("$.triggerTime"));
/// let machine = StateMachine::new("Trigger", wait.next(Pass::new("StartTheWork")));
/// assert!(machine.asl().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Wait {
    common: Common,
    time: WaitTime,
}

/// How long a [`Wait`] waits.
#[derive(Clone, Debug, PartialEq)]
pub struct WaitTime(&'static str, Value);

impl WaitTime {
    /// For this duration, in whole seconds.
    pub fn duration(duration: Duration) -> Self {
        Self("Seconds", crate::duration::Seconds::from(duration).into())
    }

    /// For this many seconds: a number, or in JSONata an expression.
    pub fn seconds(seconds: impl Into<Value>) -> Self {
        Self("Seconds", seconds.into())
    }

    /// Until a moment: RFC 3339, or in JSONata an expression.
    pub fn timestamp(timestamp: impl Into<Value>) -> Self {
        Self("Timestamp", timestamp.into())
    }

    /// For the number of seconds at a path of the input.
    pub fn seconds_path(path: impl Into<DataPath>) -> Self {
        Self("SecondsPath", path.into().0)
    }

    /// Until the moment at a path of the input.
    pub fn timestamp_path(path: impl Into<DataPath>) -> Self {
        Self("TimestampPath", path.into().0)
    }
}

impl From<Duration> for WaitTime {
    fn from(duration: Duration) -> Self {
        Self::duration(duration)
    }
}

impl<K> From<At<K>> for WaitTime {
    fn from(at: At<K>) -> Self {
        Self::seconds_path(at)
    }
}

impl Wait {
    /// A Wait state.
    pub fn new(id: impl Into<String>, time: impl Into<WaitTime>) -> Self {
        Self { common: Common::new(id), time: time.into() }
    }

    /// A Wait state in JSONata.
    pub fn jsonata(id: impl Into<String>, time: impl Into<WaitTime>) -> Self {
        Self { common: Common::jsonata(id), time: time.into() }
    }
}

state_traits!(Wait: State, WithData, WithVariables);

impl Chainable for Wait {
    fn into_chain(self) -> Chain {
        let mut chain = self.common.into_chain("Wait", Next::Open);
        chain.first().put_value(self.time.0, Some(self.time.1));
        chain
    }
}

impl Nextable for Wait {}
