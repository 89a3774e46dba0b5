//! The JSON value against its floors and against serde_json. Memory is `json-memory`'s.

use stepwright_benches::{document, duration, row, time, time_kept};
use stepwright_json::{Json, parse};
use stepwright_jsonpath::ReferencePath;

fn main() {
    let text = document();
    println!("document: {} bytes", text.len());
    let ours = parse(&text).expect("JSON");
    let theirs: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(ours.to_string(), text, "what is printed is what was read");
    let again: serde_json::Value = serde_json::from_str(&ours.to_string()).expect("JSON");
    assert_eq!(again, theirs, "both read the same");

    row(&["measure", "ours", "floor", "serde_json", "ratio"].map(str::to_owned));
    let line = |name: &str, ours: f64, floor: f64, theirs: f64| {
        row(&[
            name.to_owned(),
            duration(ours),
            match floor {
                f64::INFINITY => "-".to_owned(),
                floor if ours <= floor => duration(floor),
                floor => format!("MISSED {}", duration(floor)),
            },
            duration(theirs),
            format!("{:.1}", theirs / ours),
        ]);
    };
    line(
        "parse",
        time_kept(|| parse(&text).expect("JSON")),
        400_000.0,
        time_kept(|| serde_json::from_str::<serde_json::Value>(&text).expect("JSON")),
    );
    line(
        "parse and drop",
        time(|| parse(&text).expect("JSON")),
        f64::INFINITY,
        time(|| serde_json::from_str::<serde_json::Value>(&text).expect("JSON")),
    );
    line("clone", time(|| ours.clone()), 20.0, time(|| theirs.clone()));
    let path = ReferencePath::parse("$.meta.source.region").expect("a path");
    let set = path.set(ours.clone(), Json::from(1)).expect("an object");
    assert_eq!(path.get(&set), Some(&Json::from(1)));
    assert_ne!(set, ours);
    line(
        "set $.meta.source.region, others hold it too",
        time(|| path.set(ours.clone(), Json::from(1)).expect("an object")),
        300.0,
        time(|| {
            let mut copy = theirs.clone();
            copy["meta"]["source"]["region"] = 1.into();
            copy
        }),
    );
    line(
        "serialise",
        time(|| ours.to_string()),
        170_000.0,
        time(|| serde_json::to_string(&theirs).expect("JSON")),
    );
}
