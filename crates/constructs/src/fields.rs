//! Macros that define a property once: the field, its setter, and how it is rendered.
//!
//! The kind of a field is a type that converts into a [`Value`](crate::Value), `[Type]` for a list
//! of such values, or `{Type}` for a map of them.

/// The type of the field.
macro_rules! field_type {
    ([$kind:ident]) => { Vec<$kind> };
    ({$kind:ident}) => { Vec<(String, $kind)> };
    ($kind:ident) => { $kind };
}

/// The type of the setter's argument.
macro_rules! field_argument {
    ([$kind:ident]) => { impl IntoIterator<Item = impl Into<$kind>> };
    ({$kind:ident}) => { impl IntoIterator<Item = (impl Into<String>, impl Into<$kind>)> };
    ($kind:ident) => { impl Into<$kind> };
}

/// A setter's argument: a value, or an `Option` of one, of which `None` leaves the property unset.
pub trait Given<K, Form> {
    /// The value, if there is one.
    fn given(self) -> Option<K>;
}

/// The argument is a value.
#[derive(Debug)]
pub struct Whole;

/// The argument is an `Option`.
#[derive(Debug)]
pub struct Maybe;

impl<K, T: Into<K>> Given<K, Whole> for T {
    fn given(self) -> Option<K> {
        Some(self.into())
    }
}

impl<K, T: Into<K>> Given<K, Maybe> for Option<T> {
    fn given(self) -> Option<K> {
        self.map(Into::into)
    }
}

/// Defines the setter of a property.
macro_rules! setter {
    ($(#[$doc:meta])* $name:ident: $kind:ident) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name<Form>(mut self, value: impl $crate::fields::Given<$kind, Form>) -> Self {
            self.$name = value.given();
            self
        }
    };
    ($(#[$doc:meta])* $name:ident: $kind:tt) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, value: $crate::fields::field_argument!($kind)) -> Self {
            self.$name = Some($crate::fields::field_from!(value, $kind));
            self
        }
    };
}

/// Converts the setter's argument to the field's type.
macro_rules! field_from {
    ($given:expr, [$kind:ident]) => {
        $given.into_iter().map(Into::into).collect::<Vec<$kind>>()
    };
    ($given:expr, {$kind:ident}) => {
        $given
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect::<Vec<(String, $kind)>>()
    };
    ($given:expr, $kind:ident) => {
        Into::<$kind>::into($given)
    };
}

/// Converts a field to a value; `$field` is a reference.
macro_rules! field_value {
    ($field:expr, [$kind:ident]) => {
        $crate::Value::List($field.iter().cloned().map($crate::Value::from).collect())
    };
    ($field:expr, {$kind:ident}) => {
        $crate::Value::Object(
            $field
                .iter()
                .map(|(name, value)| (name.clone(), $crate::Value::from(value.clone())))
                .collect(),
        )
    };
    ($field:expr, $kind:ident) => {
        $crate::Value::from($field.clone())
    };
}

/// Defines a structure of properties that is rendered within a state's parameters.
macro_rules! record {
    (
        $(#[$doc:meta])*
        pub struct $name:ident {
            required { $($(#[$required_doc:meta])* $required:ident: $required_kind:tt => $required_key:literal,)* }
            optional { $($(#[$optional_doc:meta])* $optional:ident: $optional_kind:tt => $optional_key:literal,)* }
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        #[allow(clippy::struct_field_names, reason = "the names are AWS's")]
        pub struct $name {
            $($required: $crate::fields::field_type!($required_kind),)*
            $($optional: Option<$crate::fields::field_type!($optional_kind)>,)*
        }

        impl $name {
            #[doc = concat!("A `", stringify!($name), "` with what has to be said.")]
            #[allow(clippy::new_without_default, reason = "most have something that has to be said")]
            pub fn new($($required: $crate::fields::field_argument!($required_kind)),*) -> Self {
                Self {
                    $($required: $crate::fields::field_from!($required, $required_kind),)*
                    $($optional: None,)*
                }
            }

            $($crate::fields::setter! {
                $(#[$optional_doc])* $optional: $optional_kind
            })*
        }

        impl From<$name> for $crate::Value {
            fn from(record: $name) -> Self {
                let mut members = $crate::Value::no_members();
                $(members.push((
                    $required_key.to_owned(),
                    $crate::fields::field_value!(record.$required, $required_kind),
                ));)*
                $(if let Some(value) = &record.$optional {
                    members.push((
                        $optional_key.to_owned(),
                        $crate::fields::field_value!(value, $optional_kind),
                    ));
                })*
                $crate::Value::Object(members)
            }
        }
    };
}

/// Defines a property that has one of a few values.
macro_rules! choices {
    (
        $(#[$doc:meta])*
        pub enum $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// The value as AWS writes it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl From<$name> for $crate::Value {
            fn from(choice: $name) -> Self {
                choice.name().into()
            }
        }
    };
}

pub(crate) use {choices, field_argument, field_from, field_type, field_value, record, setter};

/// Defines a structure of settings: like [`record!`], but it is not rendered.
macro_rules! settings {
    (
        $(#[$doc:meta])*
        pub struct $name:ident {
            required { $($(#[$required_doc:meta])* $required:ident: $required_kind:tt,)* }
            optional { $($(#[$optional_doc:meta])* $optional:ident: $optional_kind:tt,)* }
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($required: $crate::fields::field_type!($required_kind),)*
            $($optional: Option<$crate::fields::field_type!($optional_kind)>,)*
        }

        impl $name {
            #[doc = concat!("A `", stringify!($name), "` with what has to be said.")]
            #[allow(clippy::too_many_arguments, reason = "all that has to be said")]
            pub fn new($($required: $crate::fields::field_argument!($required_kind)),*) -> Self {
                Self {
                    $($required: $crate::fields::field_from!($required, $required_kind),)*
                    $($optional: None,)*
                }
            }

            $($crate::fields::setter! {
                $(#[$optional_doc])* $optional: $optional_kind
            })*
        }
    };
}
pub(crate) use settings;
