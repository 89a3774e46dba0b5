//! `cargo xtask bench`: each bench says our figure, the floor, and a peer's figure in the same run.

mod all;

use crate::cargo;

const BENCHES: &[(&str, &[&str])] = &[
    ("interpreter", &["interpreter"]),
    ("json", &["json", "json-memory"]),
    ("jsonpath", &["jsonpath"]),
    ("jsonata", &["jsonata"]),
    ("testkit", &["testkit"]),
    ("server", &["server"]),
    ("store", &["store-lists"]),
    ("functions", &["functions"]),
    ("fluxio", &["fluxio"]),
    ("maps", &[]),
    ("nodes", &[]),
];

pub(crate) fn run(names: &[String]) -> Result<(), String> {
    if let Some((first, rest)) = names.split_first()
        && first == "all"
    {
        return all::run_table(rest);
    }
    for name in names {
        if !BENCHES.iter().any(|(known, _)| known == name) {
            let known: Vec<_> = BENCHES.iter().map(|(name, _)| *name).collect();
            return Err(format!("there is no bench `{name}`; benches: {}", known.join(", ")));
        }
    }
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../benches/Cargo.toml");
    for (name, binaries) in BENCHES {
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        if *name == "server" {
            cargo(&["build", "--profile", "dist", "--features", "parquet"])?;
            cargo(&[
                "build",
                "--release",
                "--manifest-path",
                manifest,
                "--package",
                "stepwright-served",
            ])?;
        }
        if *name == "maps" {
            maps()?;
        }
        if *name == "nodes" {
            nodes(manifest)?;
        }
        for binary in *binaries {
            let package =
                if *name == "server" { "stepwright-served" } else { "stepwright-benches" };
            let of = ["--package", package, "--bin", binary];
            cargo(&[&["run", "--release", "--manifest-path", manifest], &of[..]].concat())?;
        }
    }
    Ok(())
}

/// One node and two, on a cluster of their own.
fn nodes(manifest: &str) -> Result<(), String> {
    let Some(cluster) = crate::postgres::durable() else {
        println!("PostgreSQL is not installed, nodes are not measured");
        return Ok(());
    };
    cargo(&["build", "--release", "-p", "stepwright"])?;
    let served =
        ["run", "--release", "--manifest-path", manifest, "--package", "stepwright-served"];
    let mut bench = std::process::Command::new("cargo");
    bench
        .args(served)
        .args(["--bin", "nodes"])
        .env("STEPWRIGHT", target().join("release/stepwright"));
    crate::run(bench.env("DATABASE", format!("{}/postgres", cluster.url)))
}

/// Distributed Maps, on a server of the release profile.
fn maps() -> Result<(), String> {
    cargo(&["build", "--release", "-p", "stepwright"])?;
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut script = std::process::Command::new("python3");
    script.arg(root.join("benches/maps.py")).arg(target().join("release/stepwright"));
    script.args(["--rows", "100000,1000000"]);
    let status = script.status().map_err(|error| format!("python3: {error}"))?;
    status.success().then_some(()).ok_or_else(|| "the bench of maps failed".to_owned())
}

/// Where binaries are built.
fn target() -> std::path::PathBuf {
    std::env::var("CARGO_TARGET_DIR").map_or_else(
        |_| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        std::path::PathBuf::from,
    )
}
