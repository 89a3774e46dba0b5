//! The limits on connections hold on every route, and honest clients get in whatever others do.

use crate::support::{FUNCTION, KEY, Request, Server, assembly, master, server};
use std::time::{Duration, Instant};
use stepwright_server::Serving;
use stepwright_server::config::CredentialConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const MIB: usize = 1 << 20;

async fn serve(credentials: Vec<CredentialConfig>, set: impl FnOnce(&mut Serving)) -> Server {
    let mut serving = assembly(server(), credentials).open().await.expect("it opens");
    set(&mut serving);
    Server::serve(serving).await
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address).await.expect("it listens")
}

/// Waits until the server closes a connection. Returns what it sent.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let reading = async {
        let mut part = [0; 4_096];
        while let Ok(read @ 1..) = stream.read(&mut part).await {
            text.extend_from_slice(&part[..read]);
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(20), reading).await;
    ended.expect("it is closed");
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn slow_bodies_are_dropped_on_every_route() {
    for credentials in [Vec::new(), vec![master()]] {
        let is_open = credentials.is_empty();
        let server = serve(credentials, |serving| {
            serving.longest_request = Duration::from_millis(300);
            // What says whenever something changes ends before that.
            serving.longest_answer = Duration::from_secs(1);
        })
        .await;
        for (method, path) in server.serving.routes() {
            let target = path.replace("{name}", "echo");
            let request = Request::new(method.as_str(), &target)
                .with("x-amz-target", "AWSStepFunctions.ListStateMachines")
                .with_body("{}");
            let request = if is_open { request } else { request.signed(server.address) };
            // The body's last byte does not come.
            let bytes = request.bytes(server.address);
            let mut stream = connect(&server).await;
            stream.write_all(&bytes[..bytes.len() - 1]).await.expect("it reads");
            let began = Instant::now();
            let answer = rest(&mut stream).await;
            assert!(began.elapsed() < Duration::from_secs(10), "{method} {path}");
            // A signature covers the body, even where it is not used.
            let needs_body = match path {
                "/health" | "/ready" => false,
                "/console/console.css" | "/console/icon.svg" => false,
                "/console/console.js" | "/console/base.js" => false,
                "/console/data.js" | "/console/drawing.js" => false,
                _ => method == "POST" || !is_open,
            };
            assert!(answer.starts_with("HTTP/1.1 "), "{method} {path}: {answer}");
            let is_late = answer.starts_with("HTTP/1.1 408");
            assert_eq!(is_late, needs_body, "{method} {path}: {answer}");
        }
    }
}

#[tokio::test]
async fn slow_heads_and_silence_are_dropped() {
    let server = serve(Vec::new(), |serving| {
        serving.longest_request = Duration::from_millis(300);
    })
    .await;
    for sent in ["", "GET", "GET /health HTTP/1.1\r\nhost: localhost\r\nx:"] {
        let mut stream = connect(&server).await;
        stream.write_all(sent.as_bytes()).await.expect("it reads");
        rest(&mut stream).await;
    }
}

#[tokio::test]
async fn whoever_sends_and_does_not_read_is_dropped() {
    let server = serve(Vec::new(), |serving| {
        serving.longest_answer = Duration::from_millis(300);
    })
    .await;
    let definition = format!(
        "{{\"Comment\":\"{}\",\"StartAt\":\"S\",\"States\":{{\"S\":{{\"Type\":\"Succeed\"}}}}}}",
        "x".repeat(500_000)
    );
    let body = stepwright_json::json!({
        "name": "m", "definition": (definition), "roleArn": "arn:aws:iam::123456789012:role/any"
    });
    server.serving.api.call("CreateStateMachine", body).await.expect("it is created");
    let arn = "arn:aws:states:us-east-1:123456789012:stateMachine:m";
    let body = format!("{{\"stateMachineArn\":\"{arn}\"}}");
    let bytes = Request::operation("DescribeStateMachine", &body).bytes(server.address);
    let text = String::from_utf8(bytes).expect("it is text");
    let page = text.replace("connection: close\r\n", "").repeat(20);
    let mut stream = connect(&server).await;
    let began = Instant::now();
    // The server stops reading once its answers are not read, and hangs up some time later.
    let sending = async { while stream.write_all(page.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(Duration::from_mins(2), sending).await.expect("it is closed");
    assert!(began.elapsed() > Duration::from_millis(300));
    assert_eq!(server.ask(&Request::new("GET", "/health")).await.status, 200);
}

#[tokio::test]
async fn newcomers_get_in_however_many_wait() {
    for credentials in [Vec::new(), vec![master()]] {
        let is_open = credentials.is_empty();
        let server = serve(credentials, |serving| serving.most_connections = 16).await;
        let list = Request::operation("ListStateMachines", "{}");
        let mut waiting = Vec::new();
        for round in 0..40 {
            let mut stream = connect(&server).await;
            let sent: &[&[u8]] = &[b"", b"GET /", b"POST / HTTP/1.1\r\ncontent-length: 9\r\n"];
            stream.write_all(sent[round % 3]).await.expect("it reads");
            waiting.push(stream);
            let request = if is_open { list.clone() } else { list.clone().signed(server.address) };
            assert_eq!(server.ask(&request).await.status, 200, "{round}");
            assert_eq!(server.ask(&Request::new("GET", "/health")).await.status, 200, "{round}");
        }
    }
}

#[tokio::test]
async fn a_known_client_keeps_its_connection() {
    let server = serve(vec![master()], |serving| serving.most_connections = 16).await;
    let request = Request::operation("ListStateMachines", "{}").signed(server.address);
    let text = String::from_utf8(request.bytes(server.address)).expect("it is text");
    let text = text.replace("connection: close\r\n", "");
    let mut known = connect(&server).await;
    let mut answer = [0; 4_096];
    for _ in 0..3 {
        known.write_all(text.as_bytes()).await.expect("it reads");
        let read = known.read(&mut answer).await.expect("it answers");
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"));
        for _ in 0..40 {
            connect(&server).await;
        }
        let mut crowd = Vec::new();
        for _ in 0..40 {
            crowd.push(connect(&server).await);
        }
    }
}

/// The head of a request with a body of this size, which claims to come from the key.
fn forged(server: &Server, target: &str, size: usize) -> String {
    let request = Request::new("POST", target)
        .with("x-amz-target", "AWSStepFunctions.ListStateMachines")
        .signed(server.address);
    let text = String::from_utf8(request.bytes(server.address)).expect("it is text");
    text.replace("content-length: 0", &format!("content-length: {size}"))
}

#[tokio::test]
async fn bodies_of_strangers_leave_room_for_others() {
    for (target, most) in [("/", 8 * MIB), (FUNCTION, 6 * MIB)] {
        let server = serve(vec![master()], |serving| serving.most_bytes = 20 * MIB).await;
        let head = forged(&server, target, most);
        assert!(head.contains(KEY));
        // Far more than there is room for, and never complete.
        let body = vec![b' '; most - 100];
        let mut strangers = Vec::new();
        for _ in 0..12 {
            let mut stream = connect(&server).await;
            let (head, body) = (head.clone(), body.clone());
            strangers.push(tokio::spawn(async move {
                let sent = async {
                    stream.write_all(head.as_bytes()).await?;
                    stream.write_all(&body).await
                };
                // Whoever had to make room is closed.
                drop(sent.await);
                tokio::time::sleep(Duration::from_mins(1)).await;
            }));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let payload = format!("\"{}\"", "x".repeat(2 * MIB));
        for _ in 0..5 {
            let request = Request::new("POST", FUNCTION).with_body(&payload);
            let answer = server.ask(&request.signed(server.address)).await;
            assert_eq!(answer.status, 200, "{}", &answer.body[..answer.body.len().min(200)]);
        }
        strangers.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

#[tokio::test]
async fn answers_that_are_not_read_leave_room_for_others() {
    let server = serve(Vec::new(), |serving| {
        serving.most_bytes = 20 * MIB;
        serving.longest_answer = Duration::from_mins(1);
    })
    .await;
    let payload = format!("\"{}\"", "x".repeat(5 * MIB));
    let request = Request::new("POST", FUNCTION).with_body(&payload).bytes(server.address);
    let mut deaf = Vec::new();
    for _ in 0..20 {
        let mut stream = connect(&server).await;
        // Some are closed before they have sent everything, to make room for the others.
        drop(stream.write_all(&request).await);
        deaf.push(stream);
    }
    for _ in 0..5 {
        let request = Request::new("POST", FUNCTION).with_body(&payload);
        let answer = server.ask(&request).await;
        assert_eq!((answer.status, answer.body.len()), (200, payload.len()));
    }
    // Most of the answers were never sent.
    let mut whole = 0;
    for mut stream in deaf {
        let mut text = Vec::new();
        let read =
            tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut text)).await;
        whole += usize::from(matches!(read, Ok(Ok(_))) && text.len() >= payload.len());
    }
    assert!(whole <= 6, "{whole} answers were kept");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_on_every_route() {
    let server = serve(Vec::new(), |serving| serving.most_body_bytes = 1_000).await;
    let body = "x".repeat(1_001);
    let operation = server.ask(&Request::operation("ListStateMachines", &body)).await;
    assert_eq!((operation.status, operation.error()), (413, "RequestEntityTooLarge"));
    // The size is known before the body is sent.
    let mut stream = connect(&server).await;
    let head =
        format!("POST {FUNCTION} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 6291557\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("it reads");
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("RequestTooLargeException"), "{answer}");
}

/// Reads answers until there are so many.
async fn read_answers(stream: &mut TcpStream, count: usize) {
    let mut text = String::new();
    let mut part = [0; 16_384];
    while text.matches("HTTP/1.1 200").count() < count {
        let read = stream.read(&mut part).await.expect("it answers");
        assert!(read > 0, "it was closed: {text}");
        text.push_str(&String::from_utf8_lossy(&part[..read]));
    }
}

#[tokio::test]
async fn requests_that_arrive_together_wait_for_their_turn() {
    let server = serve(Vec::new(), |_| {}).await;
    let bytes = Request::operation("ListStateMachines", "{}").bytes(server.address);
    let text = String::from_utf8(bytes).expect("it is text");
    let one = text.replace("connection: close\r\n", "");
    let mut stream = connect(&server).await;
    let began = Instant::now();
    for _ in 0..60 {
        stream.write_all(one.as_bytes()).await.expect("it reads");
        read_answers(&mut stream, 1).await;
    }
    let one_by_one = began.elapsed();
    let began = Instant::now();
    stream.write_all(one.repeat(60).as_bytes()).await.expect("it reads");
    read_answers(&mut stream, 60).await;
    let together = began.elapsed();
    assert!(together > Duration::from_millis(500), "{together:?}");
    assert!(one_by_one < together, "{one_by_one:?}, {together:?}");
}
