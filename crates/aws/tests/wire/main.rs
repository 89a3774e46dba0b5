//! The codecs: botocore's tests of the protocols, and every operation of every service.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test reads files and says what is skipped, and how much there was"
)]

mod model;
mod operations;
mod protocols;
