//! Signals that end the program.

use std::time::Duration;

/// How long a server has to end by itself once it was told to.
const GRACE: Duration = Duration::from_secs(9);

/// Like [`stopped`], for a server: it hears the signal even when all its workers are busy, and the
/// process ends within ten seconds whatever they do. A second signal ends it at once. What runs
/// then goes on at the next start, because everything that was acknowledged is on the disk.
pub(crate) fn stopped_for_certain() -> impl Future<Output = ()> {
    let (told, heard) = tokio::sync::oneshot::channel();
    let listen = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime can be made").block_on(async {
            stopped().await;
            // The receiver is gone if the server has ended by itself.
            told.send(()).ok();
            tokio::select! {
                () = tokio::time::sleep(GRACE) => {}
                () = stopped() => {}
            }
            anstream::eprintln!("Stopped at once; what was under way goes on at the next start.");
            std::process::exit(0)
        })
    };
    let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(listen);
    thread.expect("a thread can be started");
    async move {
        if heard.await.is_err() {
            // Nobody can tell any more, so only the end of the process is left.
            std::future::pending::<()>().await;
        }
    }
}

/// Waits for SIGTERM or Ctrl-C.
pub(crate) async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupted = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminated) => {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
        }
        Err(_) => drop(interrupted.await),
    }
}
