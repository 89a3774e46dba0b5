//! Functions that are a command, started for each call.

use crate::answer::{Answer, MOST_ANSWER, is_error_object};
use crate::code::Code;
use crate::error::Error;
use crate::logs::{LogSink, ProcessLog};
use crate::process::{Environment, KillOnDrop, command, find_program};
use crate::sandbox::Request;
use crate::tree::Tree;
use bytes::Bytes;
use rustix::process::Signal;
use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;

/// A command that reads JSON from its standard input and prints JSON.
#[derive(Debug)]
pub(crate) struct CommandFunction {
    pub(crate) name: Arc<str>,
    pub(crate) line: Vec<String>,
    pub(crate) code: Code,
    pub(crate) environment: Environment,
    pub(crate) time_limit: Duration,
    pub(crate) sink: LogSink,
}

impl CommandFunction {
    pub(crate) async fn run(&self, request: &Request) -> Result<Answer, Error> {
        let began = Instant::now();
        let cannot = |error: std::io::Error| {
            Error::service(format!("cannot run `{}`: {error}", self.line[0]))
        };
        let line: Vec<OsString> = self.line.iter().map(OsString::from).collect();
        let folder = self.code.folder().await.map_err(cannot)?;
        find_program(&line[0], folder, &self.environment).map_err(cannot)?;
        let (mut command, is_guarded) = command(&line, folder, &self.environment);
        let mut child = command.stdin(Stdio::piped()).spawn().map_err(cannot)?;
        let tree = KillOnDrop(Tree::of(&child, is_guarded).ok_or_else(|| {
            Error::service(format!("`{}` ended before it could be called", self.line[0]))
        })?);
        let missing = || Error::service("a process has no standard output");
        let mut stdin = child.stdin.take().ok_or_else(missing)?;
        let mut stdout = child.stdout.take().ok_or_else(missing)?.take(MOST_ANSWER as u64 + 1);
        let stderr = child.stderr.take().ok_or_else(missing)?;
        let stderr =
            stderr.into_owned_fd().and_then(pipe::Receiver::from_owned_fd).map_err(cannot)?;
        let log = ProcessLog::new(self.name.clone(), self.sink.clone(), vec![stderr]);
        log.begin(&request.id, &request.version);
        let mut output = Vec::new();
        let running = async {
            let write = async {
                // A command need not read its input.
                drop(stdin.write_all(&request.payload).await);
                drop(stdin);
            };
            let read = async {
                let read = stdout.read_to_end(&mut output).await;
                // Otherwise the process would wait forever for somebody to read the rest.
                if output.len() > MOST_ANSWER {
                    tree.0.signal(Signal::KILL);
                }
                read
            };
            let wait = async {
                let status = child.wait().await;
                // Processes that it started may hold its output open.
                tree.0.signal(Signal::KILL);
                status
            };
            let (status, read, (), ()) = tokio::join!(wait, read, write, log.follow(0));
            read.and(status)
        };
        let answer = match tokio::time::timeout(self.time_limit, running).await {
            Ok(status) => self.answer(status.map_err(cannot)?, output),
            Err(_) => Answer::timed_out(&request.id, self.time_limit),
        };
        let report = || format!("Duration: {:.2} ms", began.elapsed().as_secs_f64() * 1_000.0);
        let log_tail = log.end(request.log_tail.then(report));
        Ok(Answer { log_tail, ..answer })
    }

    fn answer(&self, status: ExitStatus, output: Vec<u8>) -> Answer {
        if output.len() > MOST_ANSWER {
            return Answer::too_large(None);
        }
        let text = output.trim_ascii();
        let answer = stepwright_json::parse_bytes(text);
        if answer.as_ref().is_ok_and(is_error_object) {
            return Answer::failed(Bytes::copy_from_slice(text));
        }
        let name = &self.line[0];
        if !status.success() {
            let text = String::from_utf8_lossy(text);
            let message = format!("`{name}` ended with {status}: {text}");
            return Answer::error("Runtime.ExitError", message);
        }
        match answer {
            Ok(_) => Answer::returned(Bytes::copy_from_slice(text)),
            Err(_) if text.is_empty() => Answer::returned("null"),
            Err(error) => {
                let message = format!("`{name}` printed no JSON: {error}");
                Answer::error("Runtime.InvalidResponse", message)
            }
        }
    }
}
