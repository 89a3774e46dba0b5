//! The output of functions.

use crate::recent::Recent;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;

/// The size of the end of the log in a reply in bytes, as on Lambda.
const TAIL: usize = 4 * 1024;

/// How much output of one invocation is passed on, in bytes. The rest is only counted.
const MOST_PASSED_ON: usize = 256 * 1024;

/// The longest line in bytes. A longer one is passed on in pieces.
const LONGEST_LINE: usize = 16 * 1024;

/// A line that a function printed.
#[derive(Clone, Copy, Debug)]
pub struct LogLine<'l> {
    /// The function's name.
    pub function: &'l str,
    /// The invocation's id; empty while the process starts.
    pub request_id: &'l str,
    /// The line, without its end.
    pub text: &'l str,
}

/// An invocation that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'e> {
    /// The function's name.
    pub function: &'e str,
    /// The invocation's id.
    pub request_id: &'e str,
    /// How long it took.
    pub took: Duration,
    /// What its process and those that it started have in memory, in bytes.
    pub memory: u64,
    /// Whether it failed.
    pub is_error: bool,
}

/// Is told of the end of an invocation.
type TellEnding = dyn Fn(Ending<'_>) + Send + Sync;

/// Receives the lines that functions print, and the ends of their invocations if it wants them.
#[derive(Clone)]
pub struct LogSink {
    line: Arc<dyn Fn(LogLine<'_>) + Send + Sync>,
    ending: Option<Arc<TellEnding>>,
}

impl LogSink {
    /// Creates a sink that calls `sink` for each line. It should not block.
    pub fn new(sink: impl Fn(LogLine<'_>) + Send + Sync + 'static) -> Self {
        Self { line: Arc::new(sink), ending: None }
    }

    /// The same sink, which is told of the ends of invocations of warm processes too.
    #[must_use]
    pub fn with_endings(self, ending: impl Fn(Ending<'_>) + Send + Sync + 'static) -> Self {
        Self { ending: Some(Arc::new(ending)), ..self }
    }

    /// The same sink, whose last lines are kept.
    pub(crate) fn kept(self, recent: Arc<Recent>) -> Self {
        let Self { line: sink, ending } = self;
        let line = move |line: LogLine<'_>| {
            recent.push(&line);
            sink(line);
        };
        Self { line: Arc::new(line), ending }
    }

    pub(crate) fn line(&self, line: LogLine<'_>) {
        (self.line)(line);
    }
}

impl Default for LogSink {
    /// Records lines with the `tracing` target `function`.
    fn default() -> Self {
        Self::new(|line| {
            tracing::info!(
                target: "function",
                function = line.function,
                request_id = line.request_id,
                "{}",
                line.text
            );
        })
    }
}

impl fmt::Debug for LogSink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LogSink")
    }
}

/// The log of one process.
#[derive(Debug)]
pub(crate) struct ProcessLog {
    function: Arc<str>,
    sink: LogSink,
    pipes: Vec<Receiver>,
    log: Mutex<InvocationLog>,
}

/// The output since the current invocation began.
#[derive(Debug, Default)]
struct InvocationLog {
    request_id: String,
    tail: VecDeque<u8>,
    /// For each pipe, the line that has no end yet.
    open_lines: Vec<Vec<u8>>,
    passed_on: usize,
    left_out: usize,
}

impl ProcessLog {
    pub(crate) fn new(function: Arc<str>, sink: LogSink, pipes: Vec<Receiver>) -> Self {
        let open_lines = vec![Vec::new(); pipes.len()];
        let log = Mutex::new(InvocationLog { open_lines, ..InvocationLog::default() });
        Self { function, sink, pipes, log }
    }

    /// Tells of the end of an invocation, if somebody wants to know.
    pub(crate) fn tell_ending(
        &self,
        request_id: &str,
        took: Duration,
        is_error: bool,
        memory: impl FnOnce() -> u64,
    ) {
        if let Some(ending) = &self.sink.ending {
            let function = &self.function;
            ending(Ending { function, request_id, took, memory: memory(), is_error });
        }
    }

    /// The function's name.
    pub(crate) fn function(&self) -> &str {
        &self.function
    }

    /// Reads a pipe until its last writer has closed it.
    pub(crate) async fn follow(&self, pipe: usize) {
        let mut buffer = vec![0; 64 * 1024];
        while self.pipes[pipe].readable().await.is_ok() {
            let mut log = self.log.lock();
            match self.pipes[pipe].try_read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => self.add(&mut log, pipe, &buffer[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }

    /// Begins the log of an invocation.
    pub(crate) fn begin(&self, request_id: &str, version: &str) {
        let mut log = self.log.lock();
        self.drain(&mut log);
        self.close(&mut log);
        request_id.clone_into(&mut log.request_id);
        log.tail.clear();
        let first = format!("START RequestId: {request_id} Version: {version}\n");
        keep_tail(&mut log.tail, first.as_bytes());
    }

    /// Ends the log of an invocation. If a `report` is given, returns the tail of the log with
    /// Lambda's last lines, in Base64.
    pub(crate) fn end(&self, report: Option<String>) -> Option<String> {
        let mut log = self.log.lock();
        self.drain(&mut log);
        self.close(&mut log);
        let id = std::mem::take(&mut log.request_id);
        let report = report?;
        let last = format!("END RequestId: {id}\nREPORT RequestId: {id}\t{report}\n");
        keep_tail(&mut log.tail, last.as_bytes());
        Some(STANDARD.encode(log.tail.make_contiguous()))
    }

    /// Reads what the process has written by now, which may not have been announced yet.
    fn drain(&self, log: &mut InvocationLog) {
        let mut buffer = [0; 4 * 1024];
        for (index, pipe) in self.pipes.iter().enumerate() {
            // Limited, because a process may print faster than it is read.
            for _ in 0..64 {
                match rustix::io::read(pipe, &mut buffer) {
                    Ok(0) | Err(_) => break,
                    Ok(length) => self.add(log, index, &buffer[..length]),
                }
            }
        }
    }

    fn add(&self, log: &mut InvocationLog, pipe: usize, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = LONGEST_LINE - log.open_lines[pipe].len();
            let piece = &rest[..rest.len().min(room)];
            match piece.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    log.open_lines[pipe].extend_from_slice(&piece[..end]);
                    rest = &rest[end + 1..];
                    self.pass_on(log, pipe);
                }
                None => {
                    log.open_lines[pipe].extend_from_slice(piece);
                    rest = &rest[piece.len()..];
                    if piece.len() == room {
                        self.pass_on(log, pipe);
                    }
                }
            }
        }
    }

    /// Passes on the open line of a pipe, if there is room for it.
    fn pass_on(&self, log: &mut InvocationLog, pipe: usize) {
        let mut line = std::mem::take(&mut log.open_lines[pipe]);
        // Added as a whole line, because both outputs share one log.
        keep_tail(&mut log.tail, &line);
        keep_tail(&mut log.tail, b"\n");
        if log.passed_on + line.len() > MOST_PASSED_ON {
            log.left_out += line.len();
        } else {
            log.passed_on += line.len() + 1;
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches('\r');
            let request_id = &log.request_id;
            self.sink.line(LogLine { function: &self.function, request_id, text });
        }
        line.clear();
        log.open_lines[pipe] = line;
    }

    /// Passes on lines without an end, and prints how much was left out.
    fn close(&self, log: &mut InvocationLog) {
        for pipe in 0..self.pipes.len() {
            if !log.open_lines[pipe].is_empty() {
                self.pass_on(log, pipe);
            }
        }
        if log.left_out > 0 {
            let text = format!("({} more bytes were printed)", log.left_out);
            let request_id = &log.request_id;
            self.sink.line(LogLine { function: &self.function, request_id, text: &text });
        }
        log.passed_on = 0;
        log.left_out = 0;
    }
}

fn keep_tail(tail: &mut VecDeque<u8>, bytes: &[u8]) {
    let bytes = &bytes[bytes.len().saturating_sub(TAIL)..];
    let surplus = (tail.len() + bytes.len()).saturating_sub(TAIL);
    tail.drain(..surplus);
    tail.extend(bytes);
}
