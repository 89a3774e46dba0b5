//! A part of a file as the body of an answer, read piece by piece.

use axum::body::{Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use stepwright_services::FilePart;
use tokio::task::JoinHandle;

/// How much is read at a time.
const PIECE: u64 = 256 << 10;

/// The body.
pub(crate) struct FileBody {
    file: Arc<std::fs::File>,
    at: u64,
    left: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl FileBody {
    pub(crate) fn new(part: FilePart) -> Self {
        let FilePart { file, start, length } = part;
        Self { file: Arc::new(file), at: start, left: length, reading: None }
    }
}

impl HttpBody for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let this = &mut *self;
        let (file, at, size) = (&this.file, this.at, this.left.min(PIECE));
        let reading = this.reading.get_or_insert_with(|| {
            let file = file.clone();
            tokio::task::spawn_blocking(move || {
                let mut piece = vec![0; size as usize];
                file.read_exact_at(&mut piece, at)?;
                Ok(piece.into())
            })
        });
        let read = ready!(Pin::new(reading).poll(cx));
        this.reading = None;
        let piece = match read {
            Ok(Ok(piece)) => piece,
            Ok(Err(error)) => return Poll::Ready(Some(Err(error))),
            Err(_) => return Poll::Ready(Some(Err(io::Error::other("a read was broken off")))),
        };
        this.at += piece.len() as u64;
        this.left -= piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        // What is in memory: the header `Content-Length` says how much comes.
        SizeHint::default()
    }
}
