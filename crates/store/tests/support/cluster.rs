//! Databases for tests: in the cluster that `STEPWRIGHT_POSTGRES` names, or in one of this process's own.
//! Included by the tests of several crates.

#![allow(dead_code, clippy::print_stderr, reason = "each test uses a part; skipped tests say so")]

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The user that a cluster runs as if the tests run as root, which PostgreSQL refuses: `nobody`.
const NOBODY: u32 = 65_534;

/// A cluster on this machine, that is there as long as this process.
#[derive(Debug)]
pub(crate) struct Cluster {
    binaries: PathBuf,
    /// The URL up to the name of the database.
    pub(crate) url: String,
    /// Holds the standard input whose end tells the cluster to end.
    _running: Option<Child>,
}

/// A new database in the cluster of this process. `None`, which is printed, if this machine has no
/// PostgreSQL.
pub(crate) fn database() -> Option<String> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let cluster = cluster()?;
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let name = format!("test_{}_{number}", std::process::id());
    cluster.run("createdb", &[&name]).expect("a database can be made");
    Some(format!("{}/{name}", cluster.url))
}

/// The cluster of this process.
pub(crate) fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| {
        let binaries = binaries()?;
        Some(match std::env::var("STEPWRIGHT_POSTGRES") {
            Ok(url) => Cluster { binaries, url, _running: None },
            Err(_) => Cluster::start(binaries, "off"),
        })
    });
    if cluster.is_none() {
        eprintln!("skipped: PostgreSQL is not installed (Debian: apt-get install postgresql)");
    }
    cluster.as_ref()
}

/// Whether this machine has PostgreSQL.
pub(crate) fn is_installed() -> bool {
    binaries().is_some()
}

/// The folder of the newest release's programs.
pub(crate) fn binaries() -> Option<PathBuf> {
    let folders = ["/usr/lib/postgresql", "/usr/local/pgsql", "/opt/homebrew/opt/postgresql"];
    let releases = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let mut found: Vec<PathBuf> = releases
        .filter_map(|release| Some(release.ok()?.path().join("bin")))
        .chain(folders.iter().map(|folder| Path::new(folder).join("bin")))
        .filter(|folder| folder.join("initdb").is_file())
        .collect();
    found.sort();
    found.pop()
}

/// A port on which nobody listens.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a port");
    listener.local_addr().expect("it has one").port()
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// A folder that a cluster can write in, and that stays.
pub(crate) fn new_folder() -> PathBuf {
    let folder = tempfile::tempdir().expect("a directory can be made").keep();
    if is_root() {
        chown(&folder, Some(NOBODY), Some(NOBODY)).expect("root may do so");
    }
    folder
}

/// A program of PostgreSQL's, as a user that may run it.
pub(crate) fn as_user(binaries: &Path, program: &str) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command.arg(binaries.join(program));
        command
    } else {
        Command::new(binaries.join(program))
    };
    command.current_dir("/");
    command
}

impl Cluster {
    /// A new cluster, which waits for its disk or not: `fsync` is `on` or `off`.
    pub(crate) fn start(binaries: PathBuf, fsync: &str) -> Self {
        let folder = new_folder();
        let data = folder.join("data");
        let as_user = |program: &str| as_user(&binaries, program);
        let made = as_user("initdb")
            .args(["--no-sync", "--auth=trust", "--username=stepwright", "--encoding=UTF8"])
            .args(["--locale=C", "--pgdata"])
            .arg(&data)
            .current_dir("/")
            .output()
            .expect("initdb can be run");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = free_port();
        let server = as_user("postgres");
        // Ends with this process, however that ends, and leaves nothing behind.
        let script = "\"$@\" & server=$!; cat > /dev/null; kill -QUIT $server; wait $server; \
                      rm -rf \"$FOLDER\"";
        let running = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(server.get_program())
            .args(server.get_args())
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-k"])
            .arg(&folder)
            .args(["-c", &format!("fsync={fsync}"), "-c", &format!("full_page_writes={fsync}")])
            .args(["-c", "shared_buffers=32MB", "-c", "max_connections=200"])
            .env("FOLDER", &folder)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell can be run");
        let url = format!("postgres://stepwright@127.0.0.1:{port}");
        let cluster = Self { binaries, url, _running: Some(running) };
        let end = Instant::now() + Duration::from_secs(30);
        while let Err(error) = cluster.run("psql", &["-c", "SELECT 1", "postgres"]) {
            assert!(Instant::now() < end, "the cluster does not start: {error}");
            std::thread::sleep(Duration::from_millis(50));
        }
        cluster
    }

    /// Runs a client of PostgreSQL's in this cluster.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        let authority = self.url.trim_start_matches("postgres://");
        let (user, place) = authority.split_once('@').expect("it names the user");
        let (host, port) = place.split_once(':').expect("it names the port");
        let output = Command::new(self.binaries.join(program))
            .args(["-h", host, "-p", port, "-U", user])
            .args(arguments)
            .output()
            .map_err(|error| error.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// Runs SQL in a database. Returns its answer, unaligned.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        let name = database.rsplit('/').next().unwrap_or_default();
        let answer = self.run("psql", &["-v", "ON_ERROR_STOP=1", "-qAtc", sql, name]);
        answer.expect("the SQL is right").trim_end().to_owned()
    }

    /// Runs SQL over a connection that stays open, under a name, until what is returned is dropped.
    pub(crate) fn sql_and_wait(&self, database: &str, sql: &str, name: &str) -> Session {
        use std::io::{BufRead as _, Write as _};
        let mut running = Command::new(self.binaries.join("psql"))
            .args(["-qAt", database])
            .env("PGAPPNAME", name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("psql can be run");
        let input = running.stdin.as_mut().expect("it is a pipe");
        writeln!(input, "{sql};\nSELECT 'it is done';").expect("psql reads");
        let output = running.stdout.take().expect("it is a pipe");
        let mut lines = std::io::BufReader::new(output).lines().map_while(Result::ok);
        assert!(lines.any(|line| line == "it is done"), "the SQL is right");
        Session(running)
    }
}

/// A connection that stays open.
#[derive(Debug)]
pub(crate) struct Session(Child);

impl Drop for Session {
    fn drop(&mut self) {
        // It may have been ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
