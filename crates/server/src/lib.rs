//! The Step Functions API over HTTP

mod api;
mod logs;
mod operations;

pub use api::{Api, Settings};
pub use logs::log_records;
