//! HTTP/1.1 as the clients of the Runtime API speak it: one request after the other, with a length or in chunks.
//! A call of a function is two of them, so they are read and written here with one system call each, rather
//! than by a server for everybody.

use bytes::{Buf as _, Bytes, BytesMut};
use httparse::Status;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The largest head of a request in bytes, and the longest line of a chunk or a trailer.
const MOST_HEAD: usize = 64 * 1024;

/// The most headers of a request.
const MOST_HEADERS: usize = 100;

/// How much is read at least, if there is as much.
const READ: usize = 8 * 1024;

/// How much of a body that is too large is read before the connection is given up, in bytes.
const MOST_IGNORED: u64 = 64 << 20;

/// A connection of a process.
#[derive(Debug)]
pub(crate) struct Connection<S> {
    stream: S,
    /// What has been read, and belongs to what comes next.
    buffer: BytesMut,
}

/// The head of a request.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: String,
    /// The path, with its query.
    pub(crate) path: String,
    length: Length,
    /// Whether the client waits for a word before it sends the body.
    waits: bool,
    /// Whether this is the last request.
    pub(crate) is_last: bool,
}

#[derive(Clone, Copy, Debug)]
enum Length {
    Known(u64),
    Chunked,
}

/// The body of a request.
#[derive(Debug)]
pub(crate) enum Body {
    Whole {
        bytes: Bytes,
        /// Whether the header that was asked for stood after the body.
        has_trailer: bool,
    },
    /// It is larger than it may be. The size is given if the client announced it.
    TooLarge(Option<u64>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    /// Reads the head of the next request. Returns `None` if the client has ended the connection.
    pub(crate) async fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if !self.buffer.is_empty() {
                let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
                let mut request = httparse::Request::new(&mut headers);
                if let Status::Complete(length) = request.parse(&self.buffer).map_err(wrong)? {
                    let head = Head::of(&request)?;
                    self.buffer.advance(length);
                    return Ok(Some(head));
                }
                if self.buffer.len() > MOST_HEAD {
                    return Err(wrong("a head that is too large"));
                }
            }
            if !self.read_more().await? {
                return Ok(None);
            }
        }
    }

    /// Reads the body that belongs to a head. `trailer` is a header that may follow it.
    pub(crate) async fn body(
        &mut self,
        head: &Head,
        most: usize,
        trailer: &str,
    ) -> io::Result<Body> {
        match head.length {
            Length::Known(length) if length > most as u64 => Ok(Body::TooLarge(Some(length))),
            Length::Known(length) => {
                let length = length as usize;
                if head.waits && self.buffer.len() < length {
                    self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
                }
                self.buffer.reserve(length.saturating_sub(self.buffer.len()));
                self.await_bytes(length).await?;
                let bytes = self.buffer.split_to(length).freeze();
                Ok(Body::Whole { bytes, has_trailer: false })
            }
            Length::Chunked => {
                if head.waits {
                    self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
                }
                self.chunks(most, trailer).await
            }
        }
    }

    async fn chunks(&mut self, most: usize, trailer: &str) -> io::Result<Body> {
        let mut whole = BytesMut::new();
        loop {
            let size = loop {
                let parsed = httparse::parse_chunk_size(&self.buffer);
                match parsed.map_err(|_| wrong("a chunk without a size"))? {
                    Status::Complete((consumed, size)) => {
                        self.buffer.advance(consumed);
                        break size;
                    }
                    Status::Partial => self.await_more().await?,
                }
            };
            if size == 0 {
                break;
            }
            if size > (most - whole.len()) as u64 {
                return Ok(Body::TooLarge(None));
            }
            let size = size as usize;
            self.await_bytes(size + 2).await?;
            whole.extend_from_slice(&self.buffer[..size]);
            if &self.buffer[size..size + 2] != b"\r\n" {
                return Err(wrong("a chunk that is longer than its size"));
            }
            self.buffer.advance(size + 2);
        }
        loop {
            let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
            let parsed = httparse::parse_headers(&self.buffer, &mut headers).map_err(wrong)?;
            if let Status::Complete((consumed, headers)) = parsed {
                let has_trailer = headers.iter().any(|one| one.name.eq_ignore_ascii_case(trailer));
                self.buffer.advance(consumed);
                return Ok(Body::Whole { bytes: whole.freeze(), has_trailer });
            }
            self.await_more().await?;
        }
    }

    /// Sends a whole response.
    pub(crate) async fn respond(&mut self, response: &[u8]) -> io::Result<()> {
        self.stream.write_all(response).await?;
        self.stream.flush().await
    }

    /// Waits until the client has ended the connection. What it sends before that belongs to its next request.
    pub(crate) async fn ended(&mut self) {
        while self.buffer.len() <= MOST_HEAD {
            if !matches!(self.read_more().await, Ok(true)) {
                return;
            }
        }
        std::future::pending::<()>().await;
    }

    /// Reads what the client still sends, so that it sees the response, and ends the connection.
    pub(crate) async fn ignore_the_rest(mut self) {
        let mut ignored = 0;
        while ignored < MOST_IGNORED {
            self.buffer.clear();
            if !matches!(self.read_more().await, Ok(true)) {
                return;
            }
            ignored += self.buffer.len() as u64;
        }
    }

    async fn await_bytes(&mut self, count: usize) -> io::Result<()> {
        while self.buffer.len() < count {
            if !self.read_more().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }

    /// Waits for the rest of a line.
    async fn await_more(&mut self) -> io::Result<()> {
        if self.buffer.len() > MOST_HEAD {
            return Err(wrong("a line that is too long"));
        }
        if self.read_more().await? { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Returns whether there was more.
    async fn read_more(&mut self) -> io::Result<bool> {
        self.buffer.reserve(READ);
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }
}

impl Head {
    fn of(request: &httparse::Request<'_, '_>) -> io::Result<Self> {
        let mut head = Self {
            method: request.method.unwrap_or_default().to_owned(),
            path: request.path.unwrap_or_default().to_owned(),
            length: Length::Known(0),
            waits: false,
            is_last: request.version == Some(0),
        };
        for header in request.headers.iter() {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            let says = |value: &str| {
                let mut parts = header.value.split(|byte| *byte == b',');
                parts.any(|part| part.trim_ascii().eq_ignore_ascii_case(value.as_bytes()))
            };
            if is("content-length") {
                let text = std::str::from_utf8(header.value).ok().map(str::trim);
                let length = text.and_then(|text| text.parse().ok());
                head.length = Length::Known(length.ok_or_else(|| wrong("a length"))?);
            } else if is("expect") && says("100-continue") {
                head.waits = true;
            } else if is("connection") && says("close") {
                head.is_last = true;
            }
        }
        if request.headers.iter().any(|one| one.name.eq_ignore_ascii_case("transfer-encoding")) {
            // Whatever length is named as well.
            head.length = Length::Chunked;
        }
        Ok(head)
    }
}

fn wrong(what: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client sends in pieces, as requests and their bodies.
    async fn read(pieces: &[&str]) -> (Vec<(String, String, bool)>, Option<io::ErrorKind>) {
        let (server, mut client) = tokio::io::duplex(1 << 16);
        let pieces: Vec<String> = pieces.iter().map(|piece| (*piece).to_owned()).collect();
        let sending = tokio::spawn(async move {
            for piece in pieces {
                client.write_all(piece.as_bytes()).await.expect("it reads");
                tokio::task::yield_now().await;
            }
            client.shutdown().await.expect("it can be ended");
            client
        });
        let mut connection = Connection::new(server);
        let mut requests = Vec::new();
        let error = loop {
            let head = match connection.head().await {
                Ok(Some(head)) => head,
                Ok(None) => break None,
                Err(error) => break Some(error.kind()),
            };
            match connection.body(&head, 20, "x-failed").await {
                Ok(Body::Whole { bytes, has_trailer }) => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    requests.push((head.path, text, has_trailer));
                }
                Ok(Body::TooLarge(size)) => {
                    requests.push((head.path, format!("{size:?}"), false));
                    break None;
                }
                Err(error) => break Some(error.kind()),
            }
        };
        drop(sending.await.expect("it has ended"));
        (requests, error)
    }

    #[tokio::test]
    async fn requests_are_read_however_they_arrive() {
        let text = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n\
                    POST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello\
                    POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTrailer: X-Failed\r\n\r\n\
                    3\r\nabc\r\nA;of=no;use\r\n0123456789\r\n0\r\nX-Failed: yes\r\n\r\n\
                    POST /d HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        let expected = [
            ("/a", "", false),
            ("/b", "hello", false),
            ("/c", "abc0123456789", true),
            ("/d", "", false),
        ];
        let expected: Vec<_> =
            expected.into_iter().map(|(a, b, c)| (a.to_owned(), b.to_owned(), c)).collect();
        assert_eq!(read(&[text]).await, (expected.clone(), None));
        let letters: Vec<&str> = (0..text.len()).map(|at| &text[at..=at]).collect();
        assert_eq!(read(&letters).await, (expected.clone(), None));
        for at in 1..text.len() {
            assert_eq!(read(&[&text[..at], &text[at..]]).await, (expected.clone(), None), "{at}");
        }
    }

    #[tokio::test]
    async fn what_is_too_large_is_not_read() {
        let announced = "POST /a HTTP/1.1\r\nContent-Length: 21\r\n\r\n";
        assert_eq!(read(&[announced]).await.0[0].1, "Some(21)");
        let chunks =
            "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n0123456789abcdef\r\n5\r\n";
        assert_eq!(read(&[chunks]).await.0[0].1, "None");
    }

    #[tokio::test]
    async fn what_is_no_request_is_refused() {
        use io::ErrorKind::{InvalidData, UnexpectedEof};
        let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(MOST_HEAD));
        for (text, kind) in [
            ("nothing of the kind\r\n\r\n", InvalidData),
            (long.as_str(), InvalidData),
            ("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", InvalidData),
            ("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nshort", UnexpectedEof),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", InvalidData),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nlonger\r\n", InvalidData),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n", UnexpectedEof),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX", UnexpectedEof),
        ] {
            assert_eq!(read(&[text]).await, (Vec::new(), Some(kind)), "{text}");
        }
    }

    #[tokio::test]
    async fn whoever_waits_for_a_word_gets_it() {
        let (server, mut client) = tokio::io::duplex(1 << 16);
        let reading = tokio::spawn(async move {
            let mut connection = Connection::new(server);
            let head = connection.head().await.expect("it is right").expect("it is there");
            connection.body(&head, 20, "").await.expect("it is right")
        });
        let head = "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
        client.write_all(head.as_bytes()).await.expect("it reads");
        let mut word = [0; 25];
        client.read_exact(&mut word).await.expect("it answers");
        assert_eq!(&word, b"HTTP/1.1 100 Continue\r\n\r\n");
        client.write_all(b"{}").await.expect("it reads");
        let body = reading.await.expect("it has ended");
        assert!(matches!(&body, Body::Whole { bytes, .. } if &bytes[..] == b"{}"), "{body:?}");
    }
}
