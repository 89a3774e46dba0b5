//! Takes connections and answers them.

use crate::connections::{Connections, Entered, Limits, SWEEP};
use crate::door::Origin;
use crate::http::{Serving, router};
use crate::tls::Tls;
use crate::wire::{Watched, Wire};
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use stepwright_functions::is_of_another_user;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

/// The largest head of a request.
const MOST_HEAD: usize = 64 << 10;

/// How many descriptors are left to the store, the logs and the functions.
const OTHER_DESCRIPTORS: usize = 200;

/// Serves connections until `stop` completes, then gives open connections some time to finish.
pub async fn serve(listener: TcpListener, mut serving: Serving, stop: impl Future<Output = ()>) {
    let room = descriptors().saturating_sub(OTHER_DESCRIPTORS).max(16);
    if room < serving.most_connections {
        tracing::warn!(
            "there are descriptors for {room} connections; {} are configured",
            serving.most_connections
        );
        serving.most_connections = room;
    }
    let listens_on = listener.local_addr().ok().map(|address| address.ip());
    serving.tell_functions(listener.local_addr().ok());
    if let Some(resources) = serving.resources.take() {
        resources.make().await;
    }
    let console = serving.console.clone();
    let answering = Arc::new(Answering::new(serving));
    let graceful = GracefulShutdown::new();
    let mut sweep = tokio::time::interval(SWEEP);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = sweep.tick() => {
                answering.connections.sweep();
                continue;
            }
            () = &mut stop => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // There may be too many open files, for example.
                tracing::warn!(%error, "a connection could not be accepted");
                answering.connections.make_room();
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        // A client that has disconnected needs no answer.
        let Ok(local) = stream.local_addr() else { continue };
        // An answer is one packet, so waiting for more data is useless.
        drop(stream.set_nodelay(true));
        let socket = Arc::new(stream);
        let Some(entered) = answering.connections.enter(Some(socket.clone())) else {
            tracing::warn!(%peer, "too many connections; one was closed");
            continue;
        };
        let origin = Origin {
            local: [local.ip(), listens_on.unwrap_or(local.ip())],
            is_other_user: answering.is_for_one_user && is_of_another_user(peer, local),
        };
        let (answering, watcher) = (answering.clone(), graceful.watcher());
        tokio::spawn(async move {
            answering.take(Wire(socket), entered, origin, watcher).await;
        });
    }
    console.close();
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(Duration::from_secs(10)) => {}
    }
    if let Some(search) = console.search().cloned() {
        // What is not indexed by then is found at the next start.
        tokio::task::spawn_blocking(move || search.close()).await.ok();
    }
}

/// The number of descriptors that the process may have, after asking for as many as it can get.
fn descriptors() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // If this is not allowed, there are as many as before.
    let is_raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
    let most = if is_raised { maximum } else { current };
    most.map_or(usize::MAX, |most| most as usize)
}

/// Answers connections: what [`serve`] does with each one that it accepts.
pub struct Answering {
    router: Router,
    server: http1::Builder,
    connections: Arc<Connections>,
    tls: Option<Tls>,
    longest_handshake: Duration,
    /// Whether other users of this machine are refused.
    is_for_one_user: bool,
}

impl std::fmt::Debug for Answering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answering").field("connections", &self.connections).finish_non_exhaustive()
    }
}

impl Answering {
    /// Answers as a server does.
    pub fn new(serving: Serving) -> Self {
        let connections = Connections::new(Limits {
            most: serving.most_connections,
            most_bytes: serving.most_bytes,
            longest_answer: serving.longest_answer,
        });
        let mut server = http1::Builder::new();
        server
            .timer(TokioTimer::new())
            .half_close(true)
            // Clients that are slow to send their headers are dropped.
            .header_read_timeout(serving.longest_request)
            .max_buf_size(MOST_HEAD)
            .max_headers(100);
        let (tls, longest_handshake) = (serving.tls.clone(), serving.longest_handshake);
        let is_for_one_user = serving.credentials.is_empty() && !serving.any_user;
        Self {
            router: router(serving),
            server,
            connections,
            tls,
            longest_handshake,
            is_for_one_user,
        }
    }

    /// Answers the requests that come over a stream without encryption, as if it came from this
    /// machine, until it ends.
    pub async fn converse(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Some(entered) = self.connections.enter(None) else { return };
        let local = [IpAddr::V4(Ipv4Addr::LOCALHOST); 2];
        let origin = Origin { local, is_other_user: false };
        self.talk(Box::new(stream), entered, origin, GracefulShutdown::new().watcher()).await;
    }

    async fn take(&self, wire: Wire, entered: Entered, origin: Origin, watcher: Watcher) {
        let opening = tokio::time::timeout(self.longest_handshake, self.open(wire));
        let opened = tokio::select! {
            opened = opening => opened,
            () = entered.closed() => return,
        };
        if let Ok(Some(stream)) = opened {
            self.talk(stream, entered, origin, watcher).await;
        }
    }

    /// Makes a connection ready for requests. Returns `None` if the TLS handshake fails.
    async fn open(&self, wire: Wire) -> Option<Box<dyn Stream>> {
        let Some(tls) = &self.tls else { return Some(Box::new(wire)) };
        match tls.acceptor.accept(wire).await {
            Ok(stream) => Some(Box::new(stream)),
            Err(error) => {
                tracing::debug!(%error, "a client did not agree on encryption");
                None
            }
        }
    }

    async fn talk(
        &self,
        stream: Box<dyn Stream>,
        entered: Entered,
        origin: Origin,
        watcher: Watcher,
    ) {
        let connection = entered.connection();
        let stream = TokioIo::new(Watched::new(stream, connection.clone()));
        let around = tower::layer::util::Stack::new(Extension(origin), Extension(connection));
        let service = TowerToHyperService::new(tower::Layer::layer(&around, self.router.clone()));
        let serving = watcher.watch(self.server.serve_connection(stream, service));
        tokio::select! {
            // A client that disconnects cannot be told about errors.
            _ = serving => {}
            () = entered.closed() => {}
        }
        entered.over().await;
    }
}

/// A connection, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}
