//! Signals that end the program.

use std::io::Write as _;
use std::time::Duration;

/// How long a server has to end by itself once it was told to.
const GRACE: Duration = Duration::from_secs(9);

/// Like [`stopped`], for a server: it hears the signal even when all its workers are busy, and the
/// process ends within ten seconds whatever they do. A second signal ends it at once. What runs
/// then goes on at the next start, because everything that was acknowledged is on the disk.
pub(crate) fn stopped_for_certain() -> impl Future<Output = ()> {
    let (told, heard) = tokio::sync::oneshot::channel();
    let (ready, is_ready) = std::sync::mpsc::channel();
    let listen = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime can be made").block_on(async {
            let stopped_once = stopped();
            ready.send(()).ok();
            stopped_once.await;
            // The receiver is gone if the server has ended by itself.
            told.send(()).ok();
            tokio::select! {
                () = tokio::time::sleep(GRACE) => {}
                () = stopped() => {}
            }
            let said = "Stopped at once; what was under way goes on at the next start.";
            writeln!(anstream::stderr(), "{said}").ok();
            std::process::exit(0)
        })
    };
    let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(listen);
    thread.expect("a thread can be started");
    // From now on, a signal is heard.
    is_ready.recv().ok();
    async move {
        if heard.await.is_err() {
            // Nobody can tell any more, so only the end of the process is left.
            std::future::pending::<()>().await;
        }
    }
}

/// Waits for SIGTERM or Ctrl-C. A signal is heard from the moment of this call on.
pub(crate) fn stopped() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal);
    async move {
        let [interrupted, terminated] = signals;
        let heard = async |signal: std::io::Result<tokio::signal::unix::Signal>| match signal {
            Ok(mut signal) => drop(signal.recv().await),
            // It cannot be heard, and ends the program in its own way.
            Err(_) => std::future::pending().await,
        };
        tokio::select! {
            () = heard(interrupted) => {}
            () = heard(terminated) => {}
        }
    }
}
