//! Says when something has changed, as server-sent events.
//!
//! An answer ends by itself before the server would take its reader for one that does not read; the
//! browser then asks again.

use crate::page::{Answer, Refusal};
use crate::{Ask, Console, Visit};
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use http_body::Frame;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use stepwright_engine::{Engine, Facts, ObservedTurn, Observer};
use stepwright_store::ExecutionId;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// Hears of every turn, and tells the pages that are open.
#[derive(Debug)]
pub struct Watch {
    turns: broadcast::Sender<ExecutionId>,
    /// How many pages are open. Without any, a turn costs one look at this.
    watching: AtomicUsize,
    closing: watch::Sender<bool>,
}

impl Default for Watch {
    fn default() -> Self {
        let (turns, _) = broadcast::channel(256);
        Self { turns, watching: AtomicUsize::new(0), closing: watch::channel(false).0 }
    }
}

impl Observer for Watch {
    fn turn(&self, facts: &Facts, _: &ObservedTurn<'_>) {
        if self.watching.load(Ordering::Relaxed) > 0 {
            // Without a receiver nobody needs to know.
            drop(self.turns.send(facts.id));
        }
    }
}

impl Watch {
    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
    }
}

/// Counts a page that is open.
struct Watching(Arc<Watch>);

impl Watching {
    fn begin(watch: Arc<Watch>) -> Self {
        watch.watching.fetch_add(1, Ordering::Relaxed);
        Self(watch)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.watching.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long changes are gathered before a page is told.
const GATHERED: Duration = Duration::from_millis(150);

/// The same for lists, which every execution changes.
const GATHERED_FOR_LISTS: Duration = Duration::from_millis(800);

/// How often an execution is looked at without being told of a turn.
const LOOKED_AT: Duration = Duration::from_secs(2);

/// The longest answer.
const LONGEST: Duration = Duration::from_secs(20);

pub(crate) async fn execution(console: &Console, visit: &dyn Visit, ask: &Ask) -> Answer {
    let row = visit.engine().execution_row(ask.query.text("arn")).await?;
    let row = row.ok_or_else(|| Refusal::missing("there is no such execution"))?;
    Ok(follow(console, visit, ask, Some(row.id)))
}

pub(crate) fn any(console: &Console, visit: &dyn Visit, ask: &Ask) -> Response {
    follow(console, visit, ask, None)
}

/// An answer that goes on for some time.
fn follow(
    console: &Console,
    visit: &dyn Visit,
    ask: &Ask,
    execution: Option<ExecutionId>,
) -> Response {
    let engine = visit.engine().clone();
    let (sender, receiver) = mpsc::channel(4);
    let watching = Watching::begin(console.watch.clone());
    let longest = (ask.longest * 2 / 3).min(LONGEST);
    tokio::spawn(async move {
        let end = Instant::now() + longest;
        let mut closing = watching.0.closing.subscribe();
        let tell = async {
            match execution {
                Some(id) => tell_of(&engine, &watching.0, id, &sender).await,
                None => tell_of_any(&watching.0, &sender).await,
            }
        };
        tokio::select! {
            () = tell => {}
            () = sleep_until(end) => {}
            () = sender.closed() => {}
            _ = closing.wait_for(|closing| *closing) => {}
        }
    });
    let mut response = Response::new(Body::new(Events(receiver)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

/// Tells how many events an execution has and how it stands, at first and whenever that changes.
async fn tell_of(engine: &Engine, watch: &Watch, id: ExecutionId, out: &mpsc::Sender<Bytes>) {
    let mut turns = watch.turns.subscribe();
    let mut told = None;
    loop {
        let Ok(Some(row)) = engine.numbered_row(id).await else { return };
        let now = (row.len, row.status);
        if told != Some(now) {
            let text = format!(
                "retry: 500\nevent: change\ndata: {{\"len\":{},\"status\":\"{}\"}}\n\n",
                row.len,
                row.status.name()
            );
            if out.send(text.into()).await.is_err() {
                return;
            }
            told = Some(now);
            sleep(GATHERED).await;
        }
        let turn = async {
            // Having missed some is as good as having heard of one.
            while turns.recv().await.is_ok_and(|turned| turned != id) {}
        };
        // An execution can be changed by another server on the same store.
        drop(timeout(LOOKED_AT, turn).await);
    }
}

/// Tells that some execution has changed.
async fn tell_of_any(watch: &Watch, out: &mpsc::Sender<Bytes>) {
    let mut turns = watch.turns.subscribe();
    if out.send(Bytes::from_static(b"retry: 500\nevent: begin\ndata: {}\n\n")).await.is_err() {
        return;
    }
    loop {
        if let Err(broadcast::error::RecvError::Closed) = turns.recv().await {
            return;
        }
        sleep(GATHERED_FOR_LISTS).await;
        turns = turns.resubscribe();
        let change = Bytes::from_static(b"event: change\ndata: {}\n\n");
        if out.send(change).await.is_err() {
            return;
        }
    }
}

/// The body of an answer.
struct Events(mpsc::Receiver<Bytes>);

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|part| part.map(|part| Ok(Frame::data(part))))
    }
}
