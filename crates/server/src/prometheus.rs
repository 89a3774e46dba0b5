use std::fmt::Write as _;
use std::sync::Arc;
use stepwright_engine::Engine;
use stepwright_search::Search;

/// The metrics of the engine and of the search in Prometheus's text format.
pub(crate) fn text(engine: &Engine, search: Option<&Arc<Search>>) -> String {
    let mut text = String::new();
    for (name, value) in engine.metrics().all() {
        let counter =
            format!("# TYPE stepwright_{name}_total counter\nstepwright_{name}_total {value}\n");
        text.push_str(&counter);
    }
    let levels = [
        ("state_machines", engine.catalogue().machines().len() as u64),
        ("activities", engine.catalogue().activities().len() as u64),
        ("waiting_activity_tasks", engine.waiting_activity_tasks() as u64),
        ("parked_executions", engine.parked_executions() as u64),
        ("executions_in_memory", engine.executions_in_memory() as u64),
        ("store_bytes", engine.options().store.size()),
    ];
    let mut levels = levels.to_vec();
    if let Some(view) = engine.nodes_view() {
        let mine = view.nodes.iter().find(|(node, _)| node.id == view.me);
        levels.extend([
            ("nodes", view.nodes.len() as u64),
            ("shards", mine.map_or(0, |(_, shards)| shards.len()) as u64),
            ("open_shards", view.open.len() as u64),
            ("free_shards", view.free.len() as u64),
            ("milliseconds_since_beat", view.last_beat.as_millis() as u64),
        ]);
    }
    if let Some(behind) = search.map(|search| search.behind()) {
        levels.extend([
            ("search_executions_behind", behind.executions as u64),
            ("search_milliseconds_behind", behind.since.as_millis() as u64),
        ]);
    }
    for (name, value) in levels {
        write!(text, "# TYPE stepwright_{name} gauge\nstepwright_{name} {value}\n")
            .expect("text grows");
    }
    text
}
