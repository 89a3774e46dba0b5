//! Servers of `PyPI` that answer as AWS's services do, and the Python that they need.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A package with a server.
pub(crate) struct Package {
    pub(crate) name: &'static str,
    /// What can be imported once it is installed.
    pub(crate) module: &'static str,
    pub(crate) release: &'static str,
    /// What Python runs to start it on `PORT`.
    pub(crate) program: &'static [&'static str],
    /// Variables of its environment, in which `PORT` is filled in, too.
    pub(crate) variables: &'static [(&'static str, &'static str)],
}

pub(crate) const MOTO: Package = Package {
    name: "moto",
    module: "moto.server",
    release: "moto[server]==5.2.5",
    program: &["-m", "moto.server", "-H", "127.0.0.1", "-p", "PORT"],
    variables: &[],
};

/// A server that runs until the test ends.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Package {
    /// Python with the package, installed where the build keeps temporary files.
    pub(crate) fn python(&self) -> Option<PathBuf> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(self.name);
        let python = folder.join("bin/python");
        let runs = |program: &Path, arguments: &[&str]| {
            let mut command = Command::new(program);
            command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        // Several tests may come at once, each in a process of its own.
        let lock = File::create(folder.with_extension("lock")).ok()?;
        lock.lock().ok()?;
        if runs(&python, &["-c", &format!("import {}", self.module)]) {
            return Some(python);
        }
        let pip = ["-m", "pip", "install", "--quiet", "--timeout", "10", self.release];
        let is_there = runs(Path::new("python3"), &["-m", "venv", &folder.to_string_lossy()])
            && runs(&python, &pip);
        is_there.then_some(python)
    }

    /// Starts the server, and says where it is.
    pub(crate) async fn start(&self, python: &Path) -> Option<(Running, String)> {
        // The port is free, and probably still is when the server takes it.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").ok()?;
        let port = listener.local_addr().ok()?.port().to_string();
        drop(listener);
        let filled = |text: &str| text.replace("PORT", &port);
        let child = Command::new(python)
            .args(self.program.iter().map(|one| filled(one)))
            .envs(self.variables.iter().map(|(name, value)| (*name, filled(value))))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let running = Running(child);
        for _ in 0..600 {
            if tokio::net::TcpStream::connect(format!("127.0.0.1:{port}")).await.is_ok() {
                return Some((running, format!("http://127.0.0.1:{port}")));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        None
    }
}
