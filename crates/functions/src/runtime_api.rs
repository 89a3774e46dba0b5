//! The Lambda Runtime API, as one process sees it. Each process has its own port, and only the
//! process and those that it started may use it. The clients of all runtimes connect to a host and a
//! port, so there is no place for a secret; the system is asked who has connected.
//!
//! The clients that come with Stepwright have a connection from the beginning, and send an answer and ask for
//! the next invocation at once.

use crate::answer::{Answer, MOST_ANSWER};
use crate::connection::{Body, Connection, Head};
use crate::peer;
use crate::sandbox::{Delivery, Refused, Sandbox};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinSet;

/// The path that the operations have in common.
const PREFIX: &str = "/2018-06-01/runtime/";

/// The query with which an answer asks for the next invocation.
const THEN_NEXT: &str = "next";

/// Says at the end of a streamed answer that it failed.
const ERROR_TYPE: &str = "lambda-runtime-function-error-type";

/// A buffer for responses is not kept that has grown larger.
const MOST_KEPT: usize = 64 * 1024;

/// Serves one process until it is dropped, on its port and over a connection that it has had from the beginning.
pub(crate) async fn serve(listener: TcpListener, own: Option<UnixStream>, sandbox: Arc<Sandbox>) {
    let mut connections = JoinSet::new();
    if let Some(own) = own {
        let sandbox = sandbox.clone();
        connections.spawn(async move { talk(own, &sandbox).await });
    }
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, from)) = accepted else {
            // There may be no resources for a connection at the moment.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Answers are short, and the process waits for them. If this fails, they are only slower.
        drop(stream.set_nodelay(true));
        let sandbox = sandbox.clone();
        connections.spawn(async move {
            if is_own(&stream, from, &sandbox).await {
                talk(stream, &sandbox).await;
            } else {
                let function = sandbox.log().function();
                tracing::warn!(
                    function,
                    "another process tried to use the Runtime API of the function"
                );
            }
        });
    }
}

/// Whether a connection comes from the process or one that it started.
async fn is_own(stream: &TcpStream, from: SocketAddr, sandbox: &Sandbox) -> bool {
    let (Ok(own), tree) = (stream.local_addr(), sandbox.tree()) else { return false };
    let asked = tokio::task::spawn_blocking(move || peer::is_of(&tree.members(), from, own));
    asked.await.unwrap_or(false)
}

/// Answers the requests of a connection until it ends.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(stream: S, sandbox: &Sandbox) {
    let mut connection = Connection::new(stream);
    let mut response = Vec::new();
    // A process that disconnects cannot be told about errors.
    while let Ok(Some(is_last)) = exchange(&mut connection, sandbox, &mut response).await {
        if connection.respond(&response).await.is_err() {
            return;
        }
        if is_last {
            return connection.ignore_the_rest().await;
        }
        response.clear();
        response.shrink_to(MOST_KEPT);
    }
}

/// Reads a request and writes what it is answered with. Returns whether it is the last one, and `None` if there
/// is none.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<S>,
    sandbox: &Sandbox,
    response: &mut Vec<u8>,
) -> io::Result<Option<bool>> {
    let read = async {
        let Some(head) = connection.head().await? else { return io::Result::Ok(None) };
        let body = connection.body(&head, MOST_ANSWER, ERROR_TYPE).await?;
        Ok(Some((head, body)))
    };
    let (head, body) = match read.await {
        Ok(Some(request)) => request,
        Ok(None) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            refuse(response, BAD_REQUEST, "InvalidRequest", "This is no request of HTTP");
            return Ok(Some(true));
        }
        Err(error) => return Err(error),
    };
    // What is too large has not been read.
    let is_last = head.is_last || matches!(body, Body::TooLarge(_));
    if matches!(answer(sandbox, &head, body, response), Then::Next) {
        response.clear();
        tokio::select! {
            biased;
            next = sandbox.next() => match next {
                Ok(delivery) => deliver(response, &delivery),
                Err(Refused) => refuse(
                    response,
                    "403 Forbidden",
                    "InvalidStateTransition",
                    "The process is ending or has an invocation that it has not answered",
                ),
            },
            // Another connection may ask for it.
            () = connection.ended() => return Ok(None),
        }
    }
    Ok(Some(is_last))
}

/// What follows a request.
enum Then {
    /// The response that has been written.
    Respond,
    /// The next invocation, once there is one.
    Next,
}

const BAD_REQUEST: &str = "400 Bad Request";
const NOT_FOUND: &str = "404 Not Found";

fn answer(sandbox: &Sandbox, head: &Head, body: Body, response: &mut Vec<u8>) -> Then {
    let (path, query) = head.path.split_once('?').unwrap_or((&head.path, ""));
    let nowhere = "There is nothing at this path";
    let Some(path) = path.strip_prefix(PREFIX) else {
        refuse(response, NOT_FOUND, "InvalidPath", nowhere);
        return Then::Respond;
    };
    match (head.method.as_str(), path) {
        ("GET", "invocation/next") => return Then::Next,
        ("POST", "init/error") => match body {
            Body::Whole { bytes, .. } => {
                acknowledge(response, &sandbox.fail_init(Answer::failed(bytes)));
            }
            Body::TooLarge(_) => too_large(response),
        },
        ("POST", path) => {
            let parts = path.strip_prefix("invocation/").and_then(|rest| rest.split_once('/'));
            let Some((id, what)) = parts else {
                refuse(response, NOT_FOUND, "InvalidPath", nowhere);
                return Then::Respond;
            };
            let is_error = match what {
                "response" => false,
                "error" => true,
                _ => {
                    let what = "An invocation has `response` and `error`";
                    refuse(response, NOT_FOUND, "InvalidPath", what);
                    return Then::Respond;
                }
            };
            match body {
                // A streamed response reports a failure at its end.
                Body::Whole { bytes, has_trailer } => {
                    let is_error = is_error || has_trailer;
                    let accepted =
                        sandbox.complete(id, Answer { payload: bytes, is_error, log_tail: None });
                    if accepted.is_ok() && query == THEN_NEXT {
                        return Then::Next;
                    }
                    acknowledge(response, &accepted);
                }
                Body::TooLarge(size) => match sandbox.complete(id, Answer::too_large(size)) {
                    Ok(()) => too_large(response),
                    refused => acknowledge(response, &refused),
                },
            }
        }
        _ => refuse(response, "405 Method Not Allowed", "InvalidMethod", "Use GET or POST"),
    }
    Then::Respond
}

fn deliver(response: &mut Vec<u8>, delivery: &Delivery) {
    let request = &delivery.request;
    let deadline = delivery.deadline.to_string();
    let headers = [
        ("Lambda-Runtime-Aws-Request-Id", Some(request.id.as_str())),
        ("Lambda-Runtime-Deadline-Ms", Some(&deadline)),
        ("Lambda-Runtime-Invoked-Function-Arn", Some(&request.arn)),
        ("Lambda-Runtime-Trace-Id", Some(&request.trace_header)),
        ("Lambda-Runtime-Client-Context", request.client_context.as_deref()),
    ];
    response.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n");
    for (name, value) in headers {
        // What cannot stand in a header is left out.
        if let Some(value) =
            value.filter(|value| !value.bytes().any(|byte| byte.is_ascii_control()))
        {
            for part in [name, ": ", value, "\r\n"] {
                response.extend_from_slice(part.as_bytes());
            }
        }
    }
    end(response, &request.payload);
}

/// Ends the head of a response, and adds its body.
fn end(response: &mut Vec<u8>, body: &[u8]) {
    // Writing to memory does not fail.
    let _ = write!(response, "Content-Length: {}\r\n\r\n", body.len());
    response.extend_from_slice(body);
}

fn acknowledge(response: &mut Vec<u8>, accepted: &Result<(), Refused>) {
    match accepted {
        Ok(()) => json(response, "202 Accepted", "{\"status\":\"OK\"}\n"),
        Err(Refused) => refuse(
            response,
            BAD_REQUEST,
            "InvalidRequestID",
            "The process does not have this invocation",
        ),
    }
}

fn too_large(response: &mut Vec<u8>) {
    let why = format!("Exceeded maximum allowed payload size ({MOST_ANSWER} bytes).");
    refuse(response, "413 Payload Too Large", "RequestEntityTooLarge", &why);
}

fn refuse(response: &mut Vec<u8>, status: &str, kind: &str, message: &str) {
    let body = format!("{{\"errorMessage\":\"{message}\",\"errorType\":\"{kind}\"}}\n");
    json(response, status, &body);
}

fn json(response: &mut Vec<u8>, status: &str, body: &str) {
    let _ = write!(response, "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n");
    end(response, body.as_bytes());
}
