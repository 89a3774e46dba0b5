//! The table of the manual that says what every optimised integration is verified by. It is made
//! here: `BLESS=1` writes it.

use crate::peers;
use crate::resources::shared;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use stepwright_aws::integrations;
use stepwright_json::Json;

/// The resources whose executions were recorded on AWS, and which the recordings hold us to.
const RECORDED: [&str; 14] = [
    "apigateway:invoke",
    "dynamodb:deleteItem",
    "dynamodb:getItem",
    "dynamodb:putItem",
    "ecs:runTask",
    "ecs:runTask.sync",
    "events:putEvents",
    "lambda:invoke",
    "sns:publish",
    "sqs:sendMessage",
    "sqs:sendMessage.waitForTaskToken",
    "states:startExecution",
    "states:startExecution.sync",
    "states:startExecution.sync:2",
];

const PATTERNS: [&str; 4] = ["", "sync", "sync:2", "waitForTaskToken"];

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/services.md")
}

/// What a resource is verified by.
fn by(resource: &str, of_peers: &BTreeSet<&str>) -> &'static str {
    if RECORDED.contains(&resource) {
        "recording"
    } else if of_peers.contains(resource) {
        "peer"
    } else {
        "documentation"
    }
}

fn table() -> String {
    let calls = peers::calls();
    let of_peers: BTreeSet<&str> = calls.iter().map(|(resource, ..)| *resource).collect();
    let mut table = String::from(
        "| action | request and response | `.sync` | `.sync:2` | `.waitForTaskToken` |\n|---|---|---|---|---|\n",
    );
    for service in integrations::services() {
        for action in integrations::actions(service).into_iter().flatten() {
            let cells = PATTERNS.map(|pattern| {
                let dot = if pattern.is_empty() { "" } else { "." };
                if integrations::knows(service, action, pattern) {
                    by(&format!("{service}:{action}{dot}{pattern}"), &of_peers)
                } else {
                    ""
                }
            });
            writeln!(table, "| `{service}:{action}` | {} |", cells.join(" | "))
                .expect("a text grows");
        }
    }
    let sdk: BTreeSet<&str> = calls
        .iter()
        .filter_map(|(resource, ..)| resource.strip_prefix("aws-sdk:")?.split(':').next())
        .collect();
    let sdk: Vec<String> = sdk.iter().map(|service| format!("`{service}`")).collect();
    writeln!(table, "\nAWS SDK integrations that peers answer: {}.", sdk.join(", "))
        .expect("a text grows");
    table
}

#[test]
fn the_manual_says_what_is_verified_by_what() {
    let text = std::fs::read_to_string(page()).expect("the manual has the page");
    let (begin, end) = ("<!-- verified: begin -->\n", "<!-- verified: end -->");
    let (before, rest) = text.split_once(begin).expect("the table has its place");
    let (found, after) = rest.split_once(end).expect("the table has an end");
    let expected = format!("\n{}\n", table());
    if std::env::var_os("BLESS").is_some() {
        let text = format!("{before}{begin}{expected}{end}{after}");
        std::fs::write(page(), text).expect("it can be written");
        return;
    }
    assert_eq!(found, expected, "run this test with BLESS=1 and read what has changed");
}

/// The list above is that of the recordings.
#[test]
fn what_counts_as_recorded_was_recorded() {
    let Some(shared) = shared() else { return };
    let mut recorded = BTreeSet::new();
    let mut folders = vec![shared.join("conformance/asl/cases")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("it is there") {
            let path = entry.expect("a file").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).expect("it can be read");
            let Ok(case) = stepwright_json::parse_bytes(&bytes) else { continue };
            let mocks = case.get("mocks").and_then(Json::as_array);
            for mock in mocks.into_iter().flat_map(|all| all.iter()) {
                let text = |key: &str| mock.get(key).and_then(Json::as_str).unwrap_or_default();
                recorded.insert(format!("{}:{}", text("resource_type"), text("resource")));
            }
        }
    }
    // The snapshots of ECS are in a folder of their own.
    recorded.extend(["ecs:runTask", "ecs:runTask.sync"].map(str::to_owned));
    let listed = RECORDED.iter().filter(|resource| !recorded.contains(**resource));
    assert_eq!(listed.collect::<Vec<_>>(), Vec::<&&str>::new());
    let is_optimised = |resource: &&String| {
        let (service, rest) = resource.split_once(':').unwrap_or_default();
        let (action, pattern) = rest.split_once('.').unwrap_or((rest, ""));
        integrations::knows(service, action, pattern)
    };
    let unlisted: Vec<&String> = recorded
        .iter()
        .filter(is_optimised)
        .filter(|resource| !RECORDED.contains(&resource.as_str()))
        .collect();
    assert_eq!(unlisted, Vec::<&String>::new());
}
