//! The codecs: botocore's tests of the protocols, and every operation of every service.

#![expect(clippy::print_stdout, reason = "what is skipped, and how much there was, is printed")]

mod model;
mod operations;
mod protocols;
