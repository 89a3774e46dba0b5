//! The Step Functions API over HTTP

mod api;
mod operations;

pub use api::{Api, Settings};
