//! A primary and its synchronous standby, and a primary on a small disk.

#![allow(clippy::print_stderr, reason = "skipped tests say so")]

use crate::cluster::{as_user, binaries, free_port, new_folder};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server of PostgreSQL's.
pub(crate) struct Postgres {
    binaries: PathBuf,
    folder: PathBuf,
    pub(crate) port: u16,
    running: Option<Child>,
    /// Whether its folder is a disk of its own.
    is_mounted: bool,
}

impl Postgres {
    /// A new primary without a standby.
    pub(crate) fn new() -> Option<Self> {
        Some(Self::made(binaries()?, new_folder(), false))
    }

    /// A new primary on a small disk of its own. `None`, which is printed, if this process may not make
    /// one.
    pub(crate) fn on_small_disk() -> Option<Self> {
        let (binaries, folder) = (binaries()?, new_folder());
        let mut mounting = Command::new("mount");
        mounting.args(["-t", "tmpfs", "-o", "size=200m,uid=65534,gid=65534,mode=700", "tmpfs"]);
        if !mounting.arg(&folder).output().is_ok_and(|output| output.status.success()) {
            remove(&folder);
            eprintln!("skipped: only root can make a small disk");
            return None;
        }
        Some(Self::made(binaries, folder, true))
    }

    fn made(binaries: PathBuf, folder: PathBuf, is_mounted: bool) -> Self {
        let mut making = as_user(&binaries, "initdb");
        making.args(["--no-sync", "--auth=trust", "--username=stepwright", "--encoding=UTF8"]);
        run(making.args(["--locale=C", "--pgdata"]).arg(folder.join("data")));
        let mut postgres = Self { binaries, folder, port: free_port(), running: None, is_mounted };
        postgres.start();
        postgres
    }

    /// Writes on the disk until nothing fits any more.
    pub(crate) fn fill_disk(&self) {
        use std::io::Write as _;
        let mut file = std::fs::File::create(self.ballast()).expect("it can be made");
        let block = vec![0; 65_536];
        while file.write_all(&block).is_ok() {}
    }

    /// Makes room again. If PostgreSQL has given up meanwhile, it is started.
    pub(crate) fn empty_disk(&mut self) {
        std::fs::remove_file(self.ballast()).expect("it is there");
        let has_ended = self
            .running
            .as_mut()
            .is_none_or(|child| child.try_wait().is_ok_and(|end| end.is_some()));
        if has_ended {
            self.start();
        }
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// A standby of this server, which waits for it from now on.
    pub(crate) fn standby(&self) -> Self {
        let (binaries, folder) = (self.binaries.clone(), new_folder());
        let primary = format!("host=127.0.0.1 port={} user=stepwright", self.port);
        let mut copying = as_user(&binaries, "pg_basebackup");
        copying.args(["--no-sync", "-c", "fast", "-R", "-X", "stream", "-d", &primary, "-D"]);
        run(copying.arg(folder.join("data")));
        let mut standby =
            Self { binaries, folder, port: free_port(), running: None, is_mounted: false };
        standby.start();
        self.wait_for("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", "1");
        self.sql("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
        self.sql("postgres", "SELECT pg_reload_conf()");
        self.wait_for("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'", "1");
        standby
    }

    /// Starts the server, again if it was stopped.
    pub(crate) fn start(&mut self) {
        let mut server = as_user(&self.binaries, "postgres");
        server.arg("-D").arg(self.folder.join("data")).args(["-p", &self.port.to_string()]);
        server.args(["-c", "listen_addresses=127.0.0.1", "-k"]).arg(&self.folder);
        for setting in
            ["fsync=off", "full_page_writes=off", "max_connections=100", "hot_standby=on"]
        {
            server.args(["-c", setting]);
        }
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.running = Some(server.spawn().expect("PostgreSQL can be run"));
        self.wait_for("SELECT 1", "1");
    }

    /// Ends the server at once, as when its machine fails.
    pub(crate) fn stop_at_once(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        let id = running.id().to_string();
        Command::new("kill").args(["-QUIT", &id]).status().expect("kill runs");
        running.wait().expect("it has ended");
    }

    /// Lets a standby be a primary.
    pub(crate) fn promote(&self) {
        self.sql("postgres", "SELECT pg_promote()");
        self.wait_for("SELECT pg_is_in_recovery()", "f");
    }

    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        let answer = self.try_sql(database, sql);
        answer.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    fn try_sql(&self, database: &str, sql: &str) -> Result<String, String> {
        let output = Command::new(self.binaries.join("psql"))
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "stepwright"])
            .args(["-v", "ON_ERROR_STOP=1", "-qAtc", sql, database])
            .output()
            .map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    fn wait_for(&self, sql: &str, expected: &str) {
        let end = Instant::now() + Duration::from_mins(1);
        loop {
            let answer = self.try_sql("postgres", sql);
            if answer.as_deref() == Ok(expected) {
                return;
            }
            assert!(Instant::now() < end, "{sql}: {answer:?} instead of {expected}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop_at_once();
        if self.is_mounted {
            drop(Command::new("umount").arg("-l").arg(&self.folder).output());
        }
        remove(&self.folder);
    }
}

fn remove(folder: &Path) {
    // What is left is in the folder for temporary files.
    drop(std::fs::remove_dir_all(folder));
}

fn run(command: &mut Command) {
    let output = command.output().expect("it can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}
