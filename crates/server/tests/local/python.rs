//! Python with moto and boto3, and moto as a server.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const RELEASE: &str = "moto[server]==5.2.5";

/// A moto server that runs until the test ends.
pub(crate) struct Moto(Child);

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Python with moto, installed where the build keeps temporary files.
pub(crate) fn python() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("moto");
    let python = folder.join("bin/python");
    let runs = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    // Several tests may come at once, each in a process of its own.
    let lock = File::create(folder.with_extension("lock")).ok()?;
    lock.lock().ok()?;
    if runs(&python, &["-c", "import moto.server"]) {
        return Some(python);
    }
    let is_there = runs(Path::new("python3"), &["-m", "venv", &folder.to_string_lossy()])
        && runs(&python, &["-m", "pip", "install", "--quiet", "--timeout", "10", RELEASE]);
    is_there.then_some(python)
}

pub(crate) async fn start(python: &Path) -> Option<(Moto, String)> {
    // The port is free, and probably still is when moto takes it.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").ok()?;
    let port = listener.local_addr().ok()?.port();
    drop(listener);
    let child = Command::new(python)
        .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let moto = Moto(child);
    for _ in 0..600 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return Some((moto, format!("http://127.0.0.1:{port}")));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    None
}
