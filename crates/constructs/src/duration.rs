use crate::value::Value;
use std::time::Duration;

/// A duration of this many seconds.
pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A duration of this many minutes.
pub fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

/// A duration of this many hours.
pub fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3_600)
}

/// A duration of this many days.
pub fn days(count: u64) -> Duration {
    Duration::from_secs(count * 86_400)
}

macro_rules! units {
    ($($(#[$doc:meta])* $name:ident = $seconds:literal, $unit:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name(pub(crate) Duration);

        impl From<Duration> for $name {
            fn from(duration: Duration) -> Self {
                Self(duration)
            }
        }

        impl From<$name> for Value {
            fn from(duration: $name) -> Self {
                let count = duration.0.as_secs_f64() / $seconds;
                if count.fract() == 0.0 {
                    (count as i64).into()
                } else {
                    Value::Refused(format!("{:?} is not a whole number of {}", duration.0, $unit))
                }
            }
        }
    )*};
}
units! {
    /// A duration that AWS takes in seconds.
    Seconds = 1.0, "seconds";
    /// A duration that AWS takes in minutes.
    Minutes = 60.0, "minutes";
}

/// A size of memory or storage, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

/// A size of this many mebibytes.
pub fn mebibytes(count: u64) -> Size {
    Size(count << 20)
}

/// A size of this many gibibytes.
pub fn gibibytes(count: u64) -> Size {
    Size(count << 30)
}

macro_rules! sizes {
    ($($(#[$doc:meta])* $name:ident = $shift:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name(pub(crate) Size);

        impl From<Size> for $name {
            fn from(size: Size) -> Self {
                Self(size)
            }
        }

        impl From<$name> for Value {
            fn from(size: $name) -> Self {
                ((size.0.0 >> $shift) as i64).into()
            }
        }
    )*};
}
sizes! {
    /// A size that AWS takes in mebibytes.
    Mebibytes = 20;
    /// A size that AWS takes in gibibytes.
    Gibibytes = 30;
}

/// How long a state may take: fixed, or computed when it runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Timeout {
    /// Fixed.
    After(Duration),
    /// Computed: a path to a number of seconds, or a JSONata expression.
    At(Value),
}

impl From<Duration> for Timeout {
    fn from(duration: Duration) -> Self {
        Self::After(duration)
    }
}

impl From<crate::At<crate::kind::Number>> for Timeout {
    fn from(at: crate::At<crate::kind::Number>) -> Self {
        Self::At(at.into())
    }
}

impl From<crate::Jsonata> for Timeout {
    fn from(jsonata: crate::Jsonata) -> Self {
        Self::At(jsonata.into())
    }
}
