//! PostgreSQL for the tests: Debian's package if this machine has none, and a cluster of the tests' own.

use crate::debian;

#[path = "../../crates/store/tests/support/cluster.rs"]
mod cluster;

pub(crate) use cluster::Cluster;

/// The variable that tells tests where the cluster is.
pub(crate) const VARIABLE: &str = "STEPWRIGHT_POSTGRES";

/// The variable that says which store tests run on, with the value `postgres`.
pub(crate) const STORE: &str = "STEPWRIGHT_TEST_STORE";

/// The tests of the server that are also run on PostgreSQL. A copy of a data directory has no equal there.
pub(crate) const TESTS: [&str; 4] = ["operations::", "crash::", "--skip", "backup"];

/// Tests of an engine, its API and its search, which are run on PostgreSQL as a whole, and what AWS has been
/// recorded to do.
pub(crate) const SUITES: [&str; 4] = ["panics", "races", "search", "floors"];

/// A cluster as it would be in use, which waits for its disk.
pub(crate) fn durable() -> Option<Cluster> {
    cluster::binaries().map(|binaries| Cluster::start(binaries, "on"))
}

/// Starts a cluster on loopback that ends with this process. Returns its URL. A machine that has no
/// PostgreSQL and cannot install it is no failure: the tests then skip and say so.
pub(crate) fn start() -> Option<&'static str> {
    if !cluster::is_installed()
        && let Err(message) = debian::install("postgresql")
    {
        println!("PostgreSQL is not installed, tests that need it are skipped: {message}");
    }
    debian::provide("/usr/sbin/pgbouncer", "pgbouncer");
    cluster::cluster().map(|cluster| cluster.url.as_str())
}
