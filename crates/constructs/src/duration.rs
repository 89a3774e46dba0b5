use crate::param::{At, Jsonata, kind};
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
        ///
        /// A fixed duration, or a number that is computed when the state runs: `number_at("$.n")`.
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name(Amount<Duration>);

        impl $name {
            /// The duration, if it is known before the state runs.
            pub(crate) fn known(&self) -> Option<Duration> {
                self.0.known()
            }
        }

        impl From<Duration> for $name {
            fn from(duration: Duration) -> Self {
                Self(Amount::Known(duration))
            }
        }

        computed!($name);

        impl From<$name> for Value {
            fn from(duration: $name) -> Self {
                let duration = match duration.0 {
                    Amount::Known(duration) => duration,
                    Amount::Computed(value) => return value,
                };
                let count = duration.as_secs_f64() / $seconds;
                if count.fract() == 0.0 {
                    (count as i64).into()
                } else {
                    Value::Refused(format!("{duration:?} is not a whole number of {}", $unit))
                }
            }
        }
    )*};
}

/// An amount that is fixed, or computed when the state runs.
#[derive(Clone, Debug, PartialEq)]
enum Amount<T> {
    Known(T),
    Computed(Value),
}

impl<T: Copy> Amount<T> {
    fn known(&self) -> Option<T> {
        match self {
            Self::Known(amount) => Some(*amount),
            Self::Computed(_) => None,
        }
    }
}

/// Conversions of what is computed.
macro_rules! computed {
    ($name:ident) => {
        impl From<At<kind::Number>> for $name {
            fn from(at: At<kind::Number>) -> Self {
                Self(Amount::Computed(at.into()))
            }
        }

        impl From<At<kind::Any>> for $name {
            fn from(at: At<kind::Any>) -> Self {
                Self(Amount::Computed(at.into()))
            }
        }

        impl From<Jsonata> for $name {
            fn from(jsonata: Jsonata) -> Self {
                Self(Amount::Computed(jsonata.into()))
            }
        }
    };
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
    ($($(#[$doc:meta])* $name:ident = $shift:literal, $unit:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// A fixed size, or a number that is computed when the state runs: `number_at("$.n")`.
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name(Amount<Size>);

        impl From<Size> for $name {
            fn from(size: Size) -> Self {
                Self(Amount::Known(size))
            }
        }

        computed!($name);

        impl $name {
            /// The size, if it is known before the state runs.
            #[allow(dead_code, reason = "of one unit nobody asks")]
            pub(crate) fn known(&self) -> Option<Size> {
                self.0.known()
            }
        }

        impl From<$name> for Value {
            fn from(size: $name) -> Self {
                match size.0 {
                    Amount::Known(size) if size.0 % (1 << $shift) == 0 => {
                        ((size.0 >> $shift) as i64).into()
                    }
                    Amount::Known(size) => Value::Refused(format!(
                        "{} bytes are not a whole number of {}",
                        size.0, $unit,
                    )),
                    Amount::Computed(value) => value,
                }
            }
        }
    )*};
}
sizes! {
    /// A size that AWS takes in mebibytes.
    Mebibytes = 20, "mebibytes";
    /// A size that AWS takes in gibibytes.
    Gibibytes = 30, "gibibytes";
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

impl Timeout {
    /// A number of seconds at a path: `$.timeout`.
    pub fn at(path: impl Into<crate::PathOrText>) -> Self {
        Self::At(path.into().0)
    }

    /// A fixed duration.
    pub fn duration(duration: Duration) -> Self {
        Self::After(duration)
    }
}

impl From<At<kind::Number>> for Timeout {
    fn from(at: At<kind::Number>) -> Self {
        Self::At(at.into())
    }
}

impl From<At<kind::Any>> for Timeout {
    fn from(at: At<kind::Any>) -> Self {
        Self::At(at.into())
    }
}

impl From<Jsonata> for Timeout {
    fn from(jsonata: Jsonata) -> Self {
        Self::At(jsonata.into())
    }
}
