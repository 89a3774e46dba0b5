//! A distributed map run is spread over three servers, and goes on when one of them is killed.

use crate::cluster;
use crate::nodes::{Node, PATIENCE, await_shards, node_with};
use crate::support::{Client, text};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use stepwright_json::{Json, json};

const ITEMS: usize = 48;
const MOST: usize = 8;

/// Each sixth item fails, which is tolerated: eight in all.
const MAP: &str = r#"{"StartAt":"M","States":{"M":{"Type":"Map","MaxConcurrency":8,"End":true,
    "ToleratedFailureCount":8,
    "ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},
        "StartAt":"W","States":{
            "W":{"Type":"Wait","Seconds":1,"Next":"C"},
            "C":{"Type":"Choice","Default":"S","Choices":[
                {"Variable":"$.fails","BooleanEquals":true,"Next":"F"}]},
            "F":{"Type":"Fail","Error":"Bad"},"S":{"Type":"Succeed"}}}}}}"#;

fn number(value: &Json, path: &[&str]) -> f64 {
    let found = path.iter().try_fold(value, |value, key| value.get(key));
    found.and_then(Json::as_f64).unwrap_or_else(|| panic!("{path:?} of {value}"))
}

/// The children of the one map run of an execution, and what is said of it.
fn children(client: &Client, execution: &str) -> (Json, Vec<Json>) {
    let runs = client.ok("ListMapRuns", &[("executionArn", execution.into())]);
    let run =
        runs.get("mapRuns").and_then(Json::as_array).and_then(|all| all.iter().next().cloned());
    let arn = text(&run.expect("there is one"), "mapRunArn");
    let described = client.ok("DescribeMapRun", &[("mapRunArn", arn.as_str().into())]);
    let listed = client.ok("ListExecutions", &[("mapRunArn", arn.as_str().into())]);
    let listed = listed.get("executions").and_then(Json::as_array).expect("they are listed");
    (described, listed.to_vec())
}

#[test]
fn a_map_run_is_spread_over_nodes_and_goes_on_when_one_is_killed() {
    let Some(url) = cluster::database() else { return };
    let folder = tempfile::tempdir().expect("a directory can be made");
    let nodes: Vec<Node> = (0..3)
        .map(|number| node_with(number, cluster::free_port(), &url, folder.path(), ""))
        .collect();
    for node in &nodes {
        await_shards(&node.client, &[86, 86, 84], PATIENCE);
    }
    let machine = nodes[0].client.create("map", "STANDARD", MAP);
    let items: Vec<Json> = (0..ITEMS).map(|item| json!({"fails": (item % 6 == 5)})).collect();
    let items = Json::from(items).to_string();
    let runs: Vec<String> = nodes.iter().map(|node| node.client.start(&machine, &items)).collect();
    // Each node drives a part of them, once it knows of the others.
    let sql = "SELECT count(*) FROM stepwright.executions JOIN stepwright.shards USING (shard) \
               WHERE map_run IS NOT NULL GROUP BY shards.owner";
    let end = Instant::now() + PATIENCE;
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let shares = cluster::cluster().expect("it is there").sql(&url, sql);
        let shares: Vec<usize> = shares.lines().filter_map(|line| line.parse().ok()).collect();
        let all: usize = shares.iter().sum();
        if shares.len() == 3 && shares.iter().all(|share| share * 6 > all) && all > 2 * 3 * MOST {
            break;
        }
        assert!(all < 3 * ITEMS && Instant::now() < end, "{shares:?}");
    }

    let mut nodes = nodes.into_iter();
    let (first, second) = (nodes.next().expect("it is there"), nodes.next().expect("it is there"));
    second.server.kill();
    for run in &runs {
        let end = first.client.end(run);
        assert_eq!(text(&end, "status"), "SUCCEEDED", "{end}");
        let (described, children) = children(&first.client, run);
        for (kind, expected) in [("succeeded", 40.0), ("failed", 8.0), ("total", 48.0)] {
            for counts in ["itemCounts", "executionCounts"] {
                assert_eq!(number(&described, &[counts, kind]), expected, "{described}");
            }
        }
        let names: BTreeSet<String> = children.iter().map(|child| text(child, "name")).collect();
        assert_eq!((children.len(), names.len()), (ITEMS, ITEMS));
        // As many at once as may be, over all nodes, also while one is lost.
        let mut changes: Vec<(f64, i32)> = Vec::new();
        for child in &children {
            changes.push((number(child, &["startDate"]), 1));
            changes.push((number(child, &["stopDate"]), -1));
        }
        changes.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        let (mut running, mut most) = (0, 0);
        for (_, change) in changes {
            running += change;
            most = most.max(running);
        }
        assert!(most as usize <= MOST, "{most} at once");
    }
}
