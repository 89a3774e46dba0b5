//! The outcome of one run of a function.

use crate::error::seconds;
use bytes::Bytes;
use std::time::Duration;
use stepwright_json::{Json, Object};

/// The largest payload that is accepted, in bytes: 6 MB, as on Lambda.
pub const MOST_PAYLOAD: usize = 6 * 1024 * 1024;

/// The largest payload that is returned, in bytes: slightly more, as on Lambda.
pub(crate) const MOST_ANSWER: usize = MOST_PAYLOAD + 100;

/// The answer of a function.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) payload: Bytes,
    pub(crate) is_error: bool,
    /// The end of the log, if one was kept.
    pub(crate) log_tail: Option<String>,
}

impl Answer {
    pub(crate) fn returned(payload: impl Into<Bytes>) -> Self {
        Self { payload: payload.into(), is_error: false, log_tail: None }
    }

    pub(crate) fn failed(payload: impl Into<Bytes>) -> Self {
        Self { payload: payload.into(), is_error: true, log_tail: None }
    }

    /// A failure in the form that Lambda's runtimes use.
    pub(crate) fn error(error_type: &str, message: String) -> Self {
        let mut object = Object::new();
        object.insert("errorType", error_type.into());
        object.insert("errorMessage", message.into());
        Self::failed(Json::from(object).to_string())
    }

    /// The answer for a function that took too long, in Lambda's words.
    pub(crate) fn timed_out(request_id: &str, limit: Duration) -> Self {
        let mut object = Object::new();
        let now = jiff::Timestamp::now();
        let at = now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ");
        let message = format!("{at} {request_id} Task timed out after {}", seconds(limit));
        object.insert("errorMessage", message.into());
        Self::failed(Json::from(object).to_string())
    }

    /// The answer for a process that ended during the invocation.
    pub(crate) fn exited(request_id: &str, status: std::process::ExitStatus) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let how = match (status.code(), status.signal()) {
            (Some(0), _) => "Runtime exited without providing a reason".to_owned(),
            (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
            (None, Some(signal)) => {
                format!("Runtime exited with error: signal: {}", signal_name(signal))
            }
            (None, None) => "Runtime exited with error".to_owned(),
        };
        Self::error("Runtime.ExitError", format!("RequestId: {request_id} Error: {how}"))
    }

    /// The answer for a process that used more memory than it may.
    pub(crate) fn out_of_memory(request_id: &str) -> Self {
        let message =
            format!("RequestId: {request_id} Error: Runtime exited with error: signal: killed");
        Self::error("Runtime.OutOfMemory", message)
    }

    /// The answer in place of one that is too large. The size is `None` if the answer was not read
    /// to its end.
    pub(crate) fn too_large(size: Option<u64>) -> Self {
        let size = size.map(|size| format!(" ({size} bytes)")).unwrap_or_default();
        Self::error(
            "Function.ResponseSizeTooLarge",
            format!(
                "Response payload size{size} exceeded maximum allowed payload size ({MOST_ANSWER} \
                 bytes)."
            ),
        )
    }
}

/// A signal's name as in Lambda's messages.
fn signal_name(signal: i32) -> String {
    match signal {
        2 => "interrupt".to_owned(),
        4 => "illegal instruction".to_owned(),
        6 => "aborted".to_owned(),
        7 => "bus error".to_owned(),
        8 => "floating point exception".to_owned(),
        9 => "killed".to_owned(),
        11 => "segmentation fault".to_owned(),
        13 => "broken pipe".to_owned(),
        15 => "terminated".to_owned(),
        other => format!("signal {other}"),
    }
}

/// Whether an answer has the form in which functions report errors.
pub(crate) fn is_error_object(answer: &Json) -> bool {
    let is_text = |key| answer.get(key).is_some_and(|value| value.as_str().is_some());
    is_text("errorType") && answer.get("errorMessage").is_some()
}
