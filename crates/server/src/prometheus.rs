use std::fmt::Write as _;
use std::sync::Arc;
use stepwright_engine::{Engine, Histogram};
use stepwright_search::Search;

/// The metrics of the engine and of the search in Prometheus's text format.
pub(crate) fn text(engine: &Engine, search: Option<&Arc<Search>>) -> String {
    let mut text = String::new();
    for (name, help, counter) in engine.metrics().counters() {
        let name = format!("{name}_total");
        one(&mut text, &name, "counter", help, counter.get());
    }
    for (name, help, histogram) in engine.metrics().histograms() {
        buckets(&mut text, &format!("{name}_seconds"), help, histogram);
    }
    for (name, help, value) in levels(engine, search) {
        one(&mut text, name, "gauge", help, value);
    }
    text
}

/// What rises and falls.
fn levels(engine: &Engine, search: Option<&Arc<Search>>) -> Vec<(&'static str, &'static str, u64)> {
    let catalogue = engine.catalogue();
    let (machines, activities) = (catalogue.machines().len(), catalogue.activities().len());
    let waiting = engine.waiting_activity_tasks() as u64;
    let in_memory = engine.executions_in_memory() as u64;
    let (long, waiting_long) = engine.long_turns();
    let bytes = engine.executions_bytes() as u64;
    let mut levels = vec![
        ("state_machines", "State machines that exist.", machines as u64),
        ("activities", "Activities that exist.", activities as u64),
        ("waiting_activity_tasks", "Tasks of activities that no worker has taken.", waiting),
        (
            "parked_executions",
            "Executions that are left alone: see `stepwright parked`.",
            engine.parked_executions() as u64,
        ),
        ("executions_in_memory", "Executions in memory, driven or resting.", in_memory),
        ("executions_bytes", "What the data of executions in memory takes, about.", bytes),
        ("long_turns", "Turns under way that take long.", long as u64),
        ("waiting_long_turns", "Turns that take long and wait for others.", waiting_long as u64),
        ("store_bytes", "The size of the store.", engine.options().store.size()),
    ];
    if let Some(view) = engine.nodes_view() {
        let mine = view.nodes.iter().find(|(node, _)| node.id == view.me);
        let shards = mine.map_or(0, |(_, shards)| shards.len()) as u64;
        let beat = view.last_beat.as_millis() as u64;
        levels.extend([
            ("nodes", "Servers that share the store.", view.nodes.len() as u64),
            ("shards", "Shards that this server has.", shards),
            ("open_shards", "Shards whose executions this server drives.", view.open.len() as u64),
            ("free_shards", "Shards that no server has.", view.free.len() as u64),
            ("milliseconds_since_beat", "The age of this server's last sign of life.", beat),
        ]);
    }
    if let Some(behind) = search.map(|search| search.behind()) {
        let since = behind.since.as_millis() as u64;
        let executions = behind.executions as u64;
        levels.extend([
            ("search_executions_behind", "Executions that are not indexed yet.", executions),
            ("search_milliseconds_behind", "How long the oldest of them has waited.", since),
        ]);
    }
    levels
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    write!(text, "# HELP stepwright_{name} {help}\n# TYPE stepwright_{name} {kind}\n")
        .expect("text grows");
}

fn one(text: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    head(text, name, kind, help);
    writeln!(text, "stepwright_{name} {value}").expect("text grows");
}

fn buckets(text: &mut String, name: &str, help: &str, histogram: &Histogram) {
    head(text, name, "histogram", help);
    // The count is that of the last bucket, so that they agree whatever is counted meanwhile.
    let mut count = 0;
    for (bound, number) in histogram.buckets() {
        count = number;
        let bound = bound.map_or_else(|| "+Inf".to_owned(), |seconds| seconds.to_string());
        writeln!(text, "stepwright_{name}_bucket{{le=\"{bound}\"}} {number}").expect("text grows");
    }
    writeln!(text, "stepwright_{name}_sum {}", histogram.seconds()).expect("text grows");
    writeln!(text, "stepwright_{name}_count {count}").expect("text grows");
}
