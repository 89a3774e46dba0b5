//! A way between two processes that can be cut.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Passes connections on to a port of this machine.
#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) port: u16,
    to: Arc<AtomicU16>,
    is_cut: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    pub(super) fn new(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let proxy = Self {
            port: listener.local_addr().expect("it has one").port(),
            to: Arc::new(AtomicU16::new(to)),
            is_cut: Arc::default(),
            open: Arc::default(),
        };
        let serving = proxy.clone();
        // Ends with the process.
        std::thread::spawn(move || {
            listener.incoming().flatten().for_each(|client| serving.pass(client));
        });
        proxy
    }

    /// Passes new connections on to another port.
    pub(super) fn lead_to(&self, port: u16) {
        self.to.store(port, Ordering::SeqCst);
        self.close();
    }

    /// Cuts all connections, wherever they are in a message.
    pub(super) fn close(&self) {
        for stream in self.open.lock().expect("nobody panics").drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// Lets nothing through for a while: what is sent waits, and no new connection is made.
    pub(super) fn hold(&self, lasts: Duration) {
        self.is_cut.store(true, Ordering::SeqCst);
        std::thread::sleep(lasts);
        self.close();
        self.is_cut.store(false, Ordering::SeqCst);
    }

    fn pass(&self, client: TcpStream) {
        if self.is_cut.load(Ordering::SeqCst) {
            return;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.to.load(Ordering::SeqCst))) else {
            return;
        };
        let copies = (client.try_clone(), server.try_clone());
        let (Ok(client_too), Ok(server_too)) = copies else { return };
        let mut open = self.open.lock().expect("nobody panics");
        open.extend([&client, &server].into_iter().filter_map(|one| one.try_clone().ok()));
        drop(open);
        for (from, to) in [(client, server), (server_too, client_too)] {
            let is_cut = self.is_cut.clone();
            std::thread::spawn(move || pump(from, to, &is_cut));
        }
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, is_cut: &AtomicBool) {
    let mut buffer = [0; 16_384];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        while is_cut.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(20));
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    drop((from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)));
}
