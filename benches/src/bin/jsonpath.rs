//! JSONPath against its floors, serde_json_path and jsonpath-rust.

use jsonpath_rust::JsonPath as _;
use stepwright_benches::{document, duration, row, time};
use stepwright_json::{Json, parse};
use stepwright_jsonpath::Path;

/// Paths that mean the same to all three.
const PATHS: &[&str] = &[
    "$.meta.source.account.owner.name",
    "$.orders[500].customer.name",
    "$.orders[*].id",
    "$.orders[100:200].total",
    "$..sku",
    "$..quantity",
    "$.orders[?(@.total > 50000)].id",
    "$.orders[?(@.customer.vip == true && @.status == 'open')].id",
    "$.orders[?(@.note)].note",
    "$.orders[*].lines[*].price",
    "$.orders[0,10,20].customer",
];

fn main() {
    let text = document();
    let ours = parse(&text).expect("JSON");
    let theirs: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let path = Path::parse(PATHS[0]).expect("a path");
    assert!(path.get(&ours).is_some());
    row(&["path", "ours", "floor", "serde_json_path", "ratio", "jsonpath-rust", "ratio"]
        .map(str::to_owned));
    let borrowed = time(|| path.get(&ours));
    row(&[format!("{} (get)", PATHS[0]), duration(borrowed), mark(borrowed <= 50.0, "50 ns")]);
    for text in PATHS {
        let path = Path::parse(text).expect("a path");
        let peer = serde_json_path::JsonPath::parse(text).expect("a path");
        let other = jsonpath_rust::parser::parse_json_path(text).expect("a path");
        let answer = path.evaluate(&ours).expect("an answer");
        let answers = if path.is_definite() { Json::from(vec![answer]) } else { answer };
        let found: Vec<&serde_json::Value> = peer.query(&theirs).all();
        assert_eq!(
            answers,
            parse(&serde_json::to_string(&found).expect("JSON")).expect("JSON"),
            "{text}"
        );
        assert_eq!(theirs.query(text).expect("an answer").len(), found.len(), "{text}");
        let time_ours = time(|| path.evaluate(&ours));
        let time_peer = time(|| peer.query(&theirs));
        let time_other =
            time(|| jsonpath_rust::query::js_path_process(&other, &theirs).expect("an answer"));
        let definite = path.is_reference();
        let floor = if definite {
            mark(time_ours <= 50.0, "50 ns")
        } else {
            mark(time_peer >= 2.0 * time_ours, "2 times")
        };
        row(&[
            (*text).to_owned(),
            duration(time_ours),
            floor,
            duration(time_peer),
            format!("{:.1}", time_peer / time_ours),
            duration(time_other),
            format!("{:.1}", time_other / time_ours),
        ]);
    }
}

fn mark(reached: bool, floor: &str) -> String {
    format!("{}{floor}", if reached { "" } else { "MISSED " })
}
