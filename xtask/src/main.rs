//! The project's one door: `cargo xtask <recipe>`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command prints")]

mod aws_table;
mod bench;
mod book;
mod budget;
mod clean_root;
mod clients;
mod conformance;
mod debian;
mod dist;
mod fuzz;
mod packages;
mod pictures;
mod postgres;
mod prometheus;
mod seeds;
mod timings;

use std::process::{Command, ExitCode};
use std::time::Instant;

const HELP: &str = "cargo xtask <recipe>

  check        format, lints, tests, doc tests: what must hold before a push
  test         every test; says what it installs
  budget       crates and size of the default binary beside what xtask/budget.txt allows
  timings      where a cold build of the default binary goes: builds one, or reads the report --from FILE
  clients      installs the AWS clients that tests tour the server with, and compiles the one in Rust
  bless        write what the spec cases, snapshots and timelines show now
  bench NAME…  benchmarks against peers: interpreter, json, jsonpath, jsonata, server, store, functions, fluxio, maps, nodes;
               bench all: one table beside moto, Restate and DBOS, which it installs, and an earlier release:
               [--binary FILE] [--last FILE-OR-TAG]
  hostile      definitions and inputs that want too much, sent to a server: [CASES] [SEED] (2000, 13)
  simulation   lives of nodes in virtual time while everything goes wrong: [SEEDS] (0..10000)
  crash        kill -9 under load, and whether anything is lost: [ROUNDS] (200)
  crowd        64 honest clients among hostile ones: [HOSTILE] (1000); 99 % must be answered within 50 ms
  aws-table    make the table of AWS's services anew from the releases of botocore that its script names
  packages     the packages for Python and Node.js, into target/packages
  dist         what people install who have no Rust, into target/dist: [tarball] [wheel] [npm] [deb] [oci] (all);
               --target TRIPLE builds for it, --binary FILE packs that one, --texts FILE asks another for man pages,
               --quick packs loosely
  book         the manual as a book, by mdBook, into target/book
  clean-root   a clean Debian, in which the package for Debian is tried
  pictures     what runs look like on terminals of 80, 120 and 200 columns, by tmux, into target/pictures; the
               pages of the console, by Chromium
  fuzz         fuzz targets, each for so long: [SECONDS] [TARGET…] (60, all)
  conformance  how much of the recorded behaviour is shown: [KIND…] [--data DIR] [--report FILE];
               with --store postgres the kinds that an engine with a store runs, in PostgreSQL";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((recipe, rest)) = arguments.split_first() else {
        println!("{HELP}");
        return ExitCode::from(2);
    };
    let done = match recipe.as_str() {
        "check" => check(),
        "test" => test_in_time(),
        "budget" => budget::check(),
        "timings" => timings::run(rest),
        "clients" => {
            clients::install();
            clients::build_rust()
        }
        "bless" => bless(),
        "aws-table" => aws_table::run(),
        "bench" => bench::run(rest),
        "simulation" => simulation(rest.first().map_or(SEEDS, String::as_str)),
        "crash" => crash(rest),
        "crowd" => crowd(rest),
        "hostile" => hostile(rest),
        "fuzz" => fuzz::run(rest),
        "book" => book::make(),
        "clean-root" => clean_root::make(),
        "dist" => dist::make(rest),
        "packages" => packages::make(),
        "pictures" => pictures::draw(),
        "conformance" => return conformance::run(rest),
        _ => {
            eprintln!("there is no recipe `{recipe}`\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn check() -> Result<(), String> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])?;
    test_in_time()
}

fn test_in_time() -> Result<(), String> {
    let begun = Instant::now();
    let tested = test();
    budget::print_suite(begun.elapsed())?;
    tested
}

fn test() -> Result<(), String> {
    clients::install();
    let postgres = postgres::start();
    // Packages come from far away while processors are busy here.
    let root = std::thread::spawn(clean_root::provide);
    prometheus::provide();
    if let Err(message) = book::provide() {
        println!("mdBook is not installed, the test of the book is skipped: {message}");
    }
    // The doc tests first, so that the runner's summary is what a run ends with.
    cargo(&["build", "--workspace"])?;
    root.join().ok();
    cargo(&["test", "--workspace", "--doc", "--quiet"])?;
    let has_nextest = Command::new("cargo")
        .args(["nextest", "--version"])
        .output()
        .is_ok_and(|output| output.status.success());
    // What is shipped has a feature that a build has not by default.
    let with = "stepwright-interpreter/parquet,stepwright-store/parquet";
    let of = ["--package", "stepwright-interpreter", "--package", "stepwright-store"];
    cargo(&[&["test"], &of[..], &["--features", with, "--lib", "parquet"]].concat())?;
    if let Some(url) = postgres {
        // What is said of the server is said of it on either store. As a part of the workspace nothing is
        // built for it that is not there.
        run(Command::new("cargo")
            .args(["test", "--workspace", "--test", "server", "--"])
            .args(postgres::TESTS)
            .env(postgres::VARIABLE, url)
            .env(postgres::STORE, "postgres"))?;
        run(Command::new("cargo")
            .args(["test", "--workspace", "--quiet"])
            .args(postgres::SUITES.iter().flat_map(|suite| ["--test", suite]))
            .env(postgres::VARIABLE, url)
            .env(postgres::STORE, "postgres"))?;
    }
    let mut tests = Command::new("cargo");
    tests.envs(postgres.map(|url| (postgres::VARIABLE, url)));
    if has_nextest {
        // A test takes two of these unless it waits; `.config/nextest.toml` says which does.
        let threads = 2 * std::thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.to_string();
        run(tests
            .args(["nextest", "run", "--workspace", "--profile", "suite"])
            .args(["--test-threads", &threads]))
    } else {
        println!("cargo-nextest is not there; `cargo test` runs the tests (nothing is installed)");
        run(tests.args(["test", "--workspace", "--tests", "--bins", "--lib"]))
    }
}

/// The lives of nodes that every run of CI tries.
const SEEDS: &str = "0..10000";

/// Lives of nodes, with a profile of their own: as checked as any test, and quicker. Each is another world.
fn simulation(seeds: &str) -> Result<(), String> {
    run(Command::new("cargo")
        .args(["test", "--profile", "simulation", "--package", "stepwright-engine"])
        .args(["--test", "simulation", "nodes_come_and_go"])
        .env("STEPWRIGHT_SEEDS", seeds))
}

fn crash(arguments: &[String]) -> Result<(), String> {
    let rounds = arguments.first().map_or("200", String::as_str);
    run(Command::new("cargo")
        .args(["test", "--release", "--package", "stepwright", "--test", "server", "crash"])
        .env("STEPWRIGHT_CRASH_ROUNDS", rounds))
}

fn crowd(arguments: &[String]) -> Result<(), String> {
    let hostile = arguments.first().map_or("1000", String::as_str);
    let test = ["test", "--release", "--package", "stepwright", "--test", "server", "crowd"];
    run(Command::new("cargo")
        .args(test)
        .args(["--", "--nocapture"])
        .env("STEPWRIGHT_CROWD", hostile))
}

fn hostile(arguments: &[String]) -> Result<(), String> {
    let cases = arguments.first().map_or("2000", String::as_str);
    let seed = arguments.get(1).map_or("13", String::as_str);
    run(Command::new("cargo")
        .args(["test", "--release", "--package", "stepwright", "--test", "server"])
        .args(["what_wants_too_much", "--", "--nocapture"])
        .env("STEPWRIGHT_HOSTILE_CASES", cases)
        .env("STEPWRIGHT_HOSTILE_SEED", seed))
}

fn bless() -> Result<(), String> {
    run(Command::new("cargo").args(["test", "--workspace", "--test", "spec"]).env("BLESS", "1"))
}

pub(crate) fn cargo(arguments: &[&str]) -> Result<(), String> {
    run(Command::new("cargo").args(arguments))
}

pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    println!("$ {}", shown(command));
    let status = command.status().map_err(|error| format!("{}: {error}", shown(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", shown(command))) }
}

fn shown(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|part| part.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
