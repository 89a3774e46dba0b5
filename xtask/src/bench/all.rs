//! `cargo xtask bench all`: one table of this release, the one before, and peers, which it installs.

use crate::{cargo, postgres, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The peers for Python and for Node.js.
const PYTHON: [&str; 3] = ["moto[server]==5.2.5", "dbos==3.4.0", "psycopg[binary]"];
const NODE: [&str; 2] = ["@restatedev/restate-server@1.7.12", "@restatedev/restate-sdk@1.17.2"];

/// `[--binary FILE] [--last FILE-OR-TAG]`
pub(crate) fn run_table(arguments: &[String]) -> Result<(), String> {
    let mut given = [None, None];
    let mut rest = arguments.iter();
    while let Some(option) = rest.next() {
        let at = match option.as_str() {
            "--binary" => 0,
            "--last" => 1,
            _ => {
                return Err(format!(
                    "bench all: [--binary FILE] [--last FILE-OR-TAG], not `{option}`"
                ));
            }
        };
        given[at] = Some(rest.next().ok_or_else(|| format!("{option} wants a value"))?);
    }
    let ours = match given[0] {
        Some(file) => PathBuf::from(file),
        None => {
            cargo(&["build", "--profile", "dist", "--features", "parquet"])?;
            target().join("dist/stepwright")
        }
    };
    let last = given[1].map(|name| last(name)).transpose()?;
    let peers = peers();
    let database = postgres::durable();
    let manifest = root().join("benches/Cargo.toml");
    let mut bench = Command::new("cargo");
    bench.args(["run", "--release", "--package", "stepwright-served", "--bin", "all"]);
    bench.arg("--manifest-path").arg(manifest).env("STEPWRIGHT", ours).env("PEERS", peers);
    bench.envs(last.map(|last| ("LAST", last)));
    let url = |cluster: &postgres::Cluster| {
        format!("{}/postgres", cluster.url.replace("postgres://", "postgresql+psycopg://"))
    };
    bench.envs(database.as_ref().map(|cluster| ("DATABASE", url(cluster))));
    // Its servers and the function are beside it.
    let functions = root().join("benches/Cargo.toml").display().to_string();
    cargo(&[
        "build",
        "--release",
        "--package",
        "stepwright-served",
        "--manifest-path",
        &functions,
    ])?;
    run(&mut bench)
}

/// The binary of an earlier release: a file, or a tag or commit that it is built from.
fn last(name: &str) -> Result<PathBuf, String> {
    if Path::new(name).is_file() {
        return Ok(PathBuf::from(name));
    }
    let folder = root().join("target/bench/last");
    let tree = folder.join(name.replace('/', "-"));
    if !tree.is_dir() {
        run(Command::new("git")
            .current_dir(root())
            .args(["worktree", "add", "--detach"])
            .arg(&tree)
            .arg(name))?;
    }
    run(Command::new("cargo")
        .current_dir(&tree)
        .args(["build", "--profile", "dist", "--features", "parquet", "--package", "stepwright"])
        .env("CARGO_TARGET_DIR", folder.join("target")))?;
    Ok(folder.join("target/dist/stepwright"))
}

/// Installs the peers. What cannot be installed has no column.
fn peers() -> PathBuf {
    let folder = root().join("target/bench/peers");
    let venv = folder.join("venv");
    if !venv.join("bin/dbos").is_file() {
        let installed =
            run(Command::new("python3").args(["-m", "venv"]).arg(&venv)).and_then(|()| {
                run(Command::new(venv.join("bin/python"))
                    .args(["-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "20"])
                    .args(PYTHON))
            });
        if let Err(message) = installed {
            println!("moto and DBOS are not installed, they have no columns: {message}");
        }
    }
    if !folder.join("node_modules").is_dir() {
        let installed = run(Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--fetch-retries=1", "--prefix"])
            .arg(&folder)
            .args(NODE));
        if let Err(message) = installed {
            println!("Restate is not installed, it has no column: {message}");
        }
    }
    folder
}

fn target() -> PathBuf {
    std::env::var("CARGO_TARGET_DIR").map_or_else(|_| root().join("target"), PathBuf::from)
}

fn root() -> PathBuf {
    // The peers' programs are found by their whole paths.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("xtask is in the project").to_owned()
}
