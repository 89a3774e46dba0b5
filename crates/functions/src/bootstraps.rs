//! The runtime clients that come with Stepwright, for functions that do not bring Amazon's own.

use std::ffi::OsString;

/// A Python runtime client. Its first argument is the handler.
const PYTHON: &str = include_str!("bootstraps/python.py");

/// A Node.js runtime client. Its first argument is the handler.
const NODE: &str = include_str!("bootstraps/node.js");

/// The command that runs a Python handler. The program's text is passed as an argument, so that
/// there is no file on disk that others could change.
pub(crate) fn python(program: OsString, handler: &str) -> Vec<OsString> {
    vec![program, "-c".into(), PYTHON.into(), handler.into()]
}

/// The command that runs a JavaScript handler.
pub(crate) fn node(program: OsString, handler: &str) -> Vec<OsString> {
    vec![program, "-e".into(), NODE.into(), "--".into(), handler.into()]
}
