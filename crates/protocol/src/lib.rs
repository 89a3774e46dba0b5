//! The Step Functions API on the wire: awsJson1.0.
//!
//! [`operation`] finds an operation by its name, [`validate`] checks a request against the service
//! model, and [`ApiError`] is an error in the form that SDKs read.

mod arn;
mod error;
mod model;
mod request;
mod shape;
mod validate;

pub use arn::{Arn, Qualifier};
pub use error::ApiError;
pub use model::OPERATIONS;
pub use request::Request;
pub use shape::{Member, Operation, Pattern, Shape};
pub use validate::{keep_known, validate};

/// Finds the operation with this name.
pub fn operation(name: &str) -> Option<&'static Operation> {
    let at = OPERATIONS.binary_search_by(|operation| operation.name.cmp(name)).ok()?;
    Some(&OPERATIONS[at])
}

/// A moment as SDKs expect it: seconds since 1970, with a fraction.
pub fn timestamp(millis: i64) -> stepwright_json::Json {
    stepwright_json::Json::Float(millis as f64 / 1_000.0)
}
