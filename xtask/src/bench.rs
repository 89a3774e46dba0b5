//! `cargo xtask bench`: each bench says our figure, the floor, and a peer's figure in the same run.

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
];

pub(crate) fn run(names: &[String]) -> Result<(), String> {
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
            cargo(&["build", "--profile", "dist"])?;
            cargo(&[
                "build",
                "--release",
                "--manifest-path",
                manifest,
                "--bin",
                "trivial-function",
            ])?;
        }
        for binary in *binaries {
            cargo(&["run", "--release", "--manifest-path", manifest, "--bin", binary])?;
        }
    }
    Ok(())
}
