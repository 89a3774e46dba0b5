//! The crates form layers, and a crate may only depend on those named here.

use std::process::Command;
use stepwright_json::Json;

/// Each crate, and every crate of the workspace that it may name under `[dependencies]`.
const ALLOWED: &[(&str, &[&str])] = &[
    // 0: text
    ("stepwright-source", &[]),
    ("stepwright-json", &["source"]),
    ("stepwright-background", &[]),
    // 1: language
    ("stepwright-jsonpath", &["source", "json"]),
    ("stepwright-jsonata", &["source", "json"]),
    ("stepwright-asl", &["source", "json"]),
    ("stepwright-aws", &["source", "json"]),
    ("stepwright-program", &["source", "json", "aws", "asl", "jsonpath", "jsonata"]),
    ("stepwright-graph", &["json", "aws", "program"]),
    // 2: core
    ("stepwright-history", &["background", "json", "aws"]),
    ("stepwright-interpreter", &["json", "aws", "program", "history"]),
    (
        "stepwright-simulator",
        &["source", "json", "aws", "asl", "program", "history", "interpreter"],
    ),
    ("stepwright-timeline", &["source", "json", "aws", "asl", "program", "history", "interpreter"]),
    (
        "stepwright-testkit",
        &[
            "source",
            "json",
            "jsonata",
            "asl",
            "program",
            "graph",
            "history",
            "interpreter",
            "simulator",
            "timeline",
        ],
    ),
    // 3: service
    ("stepwright-store", &[]),
    (
        "stepwright-engine",
        &["background", "source", "json", "asl", "program", "history", "interpreter", "store"],
    ),
    ("stepwright-functions", &["background", "json", "aws"]),
    ("stepwright-protocol", &["json"]),
    (
        "stepwright-services",
        &["source", "json", "aws", "history", "interpreter", "store", "engine", "functions"],
    ),
    (
        "stepwright-stacks",
        &["source", "json", "aws", "asl", "store", "engine", "functions", "services"],
    ),
    (
        "stepwright-integrations",
        &[
            "json",
            "aws",
            "program",
            "history",
            "interpreter",
            "simulator",
            "engine",
            "functions",
            "protocol",
            "services",
        ],
    ),
    ("stepwright-search", &["background", "json", "program", "history", "store", "engine"]),
    (
        "stepwright-console",
        &[
            "json",
            "asl",
            "program",
            "graph",
            "history",
            "interpreter",
            "simulator",
            "timeline",
            "testkit",
            "store",
            "engine",
            "functions",
            "protocol",
            "search",
        ],
    ),
    (
        "stepwright-server",
        &[
            "source",
            "json",
            "aws",
            "asl",
            "program",
            "history",
            "interpreter",
            "simulator",
            "store",
            "engine",
            "functions",
            "integrations",
            "protocol",
            "services",
            "stacks",
            "console",
            "search",
        ],
    ),
    // 4: authoring
    ("stepwright-constructs", &["source", "json", "aws", "asl"]),
    ("stepwright-fluxio", &["program", "source", "json", "aws", "asl"]),
    ("stepwright-deployment", &["asl", "source", "json", "constructs", "fluxio"]),
    (
        "stepwright-projects",
        &[
            "source",
            "json",
            "asl",
            "history",
            "interpreter",
            "simulator",
            "store",
            "engine",
            "functions",
            "integrations",
            "fluxio",
        ],
    ),
    // 5: tools
    ("stepwright-terminal", &["source", "json", "asl", "program", "history", "timeline"]),
    (
        "stepwright-upkeep",
        &[
            "program",
            "store",
            "engine",
            "functions",
            "integrations",
            "search",
            "server",
            "terminal",
        ],
    ),
    (
        "stepwright-client",
        &[
            "json",
            "aws",
            "asl",
            "program",
            "history",
            "store",
            "integrations",
            "timeline",
            "terminal",
        ],
    ),
    (
        "stepwright-dev",
        &[
            "source",
            "json",
            "asl",
            "program",
            "history",
            "engine",
            "functions",
            "services",
            "stacks",
            "projects",
            "server",
        ],
    ),
    (
        "stepwright-run",
        &[
            "asl",
            "json",
            "program",
            "history",
            "interpreter",
            "simulator",
            "store",
            "engine",
            "functions",
            "integrations",
            "projects",
            "server",
        ],
    ),
    (
        "stepwright-lsp",
        &[
            "source",
            "json",
            "aws",
            "jsonata",
            "asl",
            "program",
            "deployment",
            "history",
            "graph",
            "simulator",
            "testkit",
        ],
    ),
    (
        "stepwright",
        &[
            "source",
            "json",
            "aws",
            "asl",
            "program",
            "graph",
            "history",
            "interpreter",
            "simulator",
            "testkit",
            "store",
            "engine",
            "functions",
            "integrations",
            "search",
            "server",
            "constructs",
            "fluxio",
            "projects",
            "deployment",
            "services",
            "stacks",
            "dev",
            "run",
            "lsp",
            "timeline",
            "terminal",
            "client",
            "upkeep",
        ],
    ),
    (
        "stepwright-conformance",
        &[
            "source",
            "json",
            "jsonpath",
            "jsonata",
            "asl",
            "aws",
            "program",
            "history",
            "interpreter",
            "simulator",
            "testkit",
            "store",
            "engine",
            "functions",
            "integrations",
            "server",
            "protocol",
        ],
    ),
    ("xtask", &["conformance", "json"]),
];

#[test]
fn crates_depend_downwards() {
    let packages = workspace_packages();
    assert_eq!(packages.len(), ALLOWED.len(), "every crate has a place in ALLOWED, once");
    for package in packages {
        let name = package.get("name").and_then(Json::as_str).expect("packages have names");
        let (_, allowed) = ALLOWED
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap_or_else(|| panic!("give `{name}` a place in ALLOWED"));
        let dependencies = package.get("dependencies").and_then(Json::as_array).expect("a list");
        for dependency in dependencies {
            let is_local = dependency.get("path").is_some_and(|path| !path.is_null());
            let is_normal = dependency.get("kind").is_none_or(Json::is_null);
            let target = dependency.get("name").and_then(Json::as_str).expect("names");
            let short = target.strip_prefix("stepwright-").unwrap_or(target);
            assert!(
                !is_local || !is_normal || allowed.contains(&short),
                "`{name}` depends on `{target}`, which ALLOWED does not permit",
            );
        }
    }
}

#[test]
fn the_core_is_pure() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates");
    for name in [
        "source",
        "json",
        "jsonpath",
        "jsonata",
        "asl",
        "program",
        "graph",
        "aws",
        "history",
        "interpreter",
        "simulator",
        "timeline",
        "constructs",
        "fluxio",
        "deployment",
    ] {
        let text = std::fs::read_to_string(format!("{root}/{name}/clippy.toml"))
            .unwrap_or_else(|_| panic!("`{name}` has a clippy.toml of its own"));
        for banned in ["Instant::now", "SystemTime::now", "std::env::var", "std::fs::", "HashMap"] {
            assert!(text.contains(banned), "`{name}` may not use {banned}");
        }
    }
}

fn workspace_packages() -> Vec<Json> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .expect("cargo runs");
    let metadata = stepwright_json::parse_bytes(&output.stdout).expect("cargo prints JSON");
    metadata.get("packages").and_then(Json::as_array).expect("a list").to_vec()
}
