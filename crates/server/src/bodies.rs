//! The bodies of requests and answers, counted while they are in memory.

use crate::connections::{Connection, NoRoom};
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{StatusCode, header};
use axum::response::Response;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use stepwright_protocol::ApiError;
use tokio::time::{Instant, timeout_at};

/// The largest part of an answer that is handed to hyper at a time.
const PART: usize = 64 << 10;

/// Reads the body of a request. Fails if it is too large or too slow, or if there is no room.
pub(crate) async fn read(
    mut body: Body,
    most: usize,
    time: Duration,
    connection: &Connection,
) -> Result<Bytes, ApiError> {
    let with_status =
        |status, code, message: String| ApiError { status, ..ApiError::new(code, message) };
    let too_large = || {
        let message = format!("a request has at most {most} bytes");
        with_status(413, "RequestEntityTooLarge", message)
    };
    if body.size_hint().lower() > most as u64 {
        return Err(too_large());
    }
    let end = Instant::now() + time;
    let mut first = Bytes::new();
    let mut all: Vec<u8> = Vec::new();
    let mut held = 0;
    let mut hold = |bytes: usize| {
        let more = bytes.saturating_sub(held);
        held = held.max(bytes);
        connection.hold(more).map_err(|NoRoom| no_room())
    };
    loop {
        let frame = match timeout_at(end, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => {
                return Err(ApiError::new(
                    "IncompleteBody",
                    format!("the body did not arrive: {error}"),
                ));
            }
            Ok(None) => break,
            Err(_) => return Err(with_status(408, "RequestTimeout", "too slow".to_owned())),
        };
        let Ok(data) = frame.into_data() else { continue };
        let size = first.len() + all.len() + data.len();
        if size > most {
            return Err(too_large());
        }
        if first.is_empty() && all.is_empty() {
            hold(size)?;
            first = data;
        } else {
            // What is counted is what is reserved.
            if size > all.capacity() {
                let capacity = (2 * all.capacity()).clamp(size, most);
                hold(capacity)?;
                all.reserve_exact(capacity - all.len());
            }
            all.extend_from_slice(&std::mem::take(&mut first));
            all.extend_from_slice(&data);
        }
    }
    Ok(if all.is_empty() { first } else { all.into() })
}

/// The error if the requests and answers in memory leave no room.
pub(crate) fn no_room() -> ApiError {
    let message = "the server has too many requests and answers in memory; try again";
    ApiError { status: 503, ..ApiError::new("ServiceUnavailable", message) }
}

/// Counts an answer until its client has got it. Returns `None` if there is no room for it.
pub(crate) fn counted(response: Response, connection: Connection) -> Option<Response> {
    let (parts, body) = response.into_parts();
    let size = body.size_hint().lower() as usize;
    // A file is not in memory.
    let length = parts.headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    // An answer without a body has room always.
    if connection.answer_of(size, length.unwrap_or(size as u64)).is_err() && size > 0 {
        return None;
    }
    let answer = Answer { body, part: Bytes::new(), connection };
    Some(Response::from_parts(parts, Body::new(answer)))
}

/// Whether the rest of a request's body is left unread, so that its connection cannot be used again.
pub(crate) fn leaves_body(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::SERVICE_UNAVAILABLE
    )
}

/// The body of an answer. Hyper gets it in parts, so that it does not keep all of it.
struct Answer {
    body: Body,
    part: Bytes,
    connection: Connection,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        while self.part.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.part = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                end => return Poll::Ready(end),
            }
        }
        let size = self.part.len().min(PART);
        let part = self.part.split_to(size);
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.part.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, part) = (self.body.size_hint(), self.part.len() as u64);
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower() + part);
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper + part);
        }
        whole
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.connection.answer_over();
    }
}
