//! Compiling a Fluxio project of 500 lines, in both modes, against the floor of 20 ms.

use std::fmt::Write as _;
use stepwright_benches::{duration, row, time};
use stepwright_fluxio::{Mode, compile};

/// Twenty tasks and twenty state machines.
fn project() -> String {
    let mut text = String::new();
    for index in 0..20 {
        writeln!(
            text,
            "class Task{index}(Task):\n    timeout = 60\n    memory = 512\n\n    \
             async def run(event, context):\n        import json\n\n        \
             value = json.dumps(event, indent=2)\n        \
             return {{\"value\": value, \"index\": {index}}}\n\n"
        )
        .expect("text grows");
    }
    for index in 0..20 {
        writeln!(
            text,
            "def machine{index}(data):\n    data[\"settings\"] = {{\"level\": \"INFO\", \"n\": {index}}}\n    \
             data[\"result\"] = Task{index}(data[\"settings\"])\n    \
             if data[\"result\"][\"index\"] > 3 and data[\"settings\"][\"n\"] < 100:\n        \
             Task{index}(key=\"more {index}\")\n    \
             elif data[\"settings\"][\"level\"] == \"DEBUG\":\n        \
             wait(seconds=5)\n    \
             try:\n        with retry(interval=2):\n            \
             data[\"other\"] = Task{index}(key=\"other {index}\")\n    \
             except (KeyError, States.Timeout):\n        raise Failed(\"{index}\")\n\n"
        )
        .expect("text grows");
    }
    text
}

fn main() {
    let text = project();
    let lines = text.lines().count();
    assert!(lines >= 500, "{lines} lines");
    row(&["project", "mode", "time", "floor"].map(str::to_owned));
    for (name, mode) in [("documented", Mode::Documented), ("compat", Mode::Compat)] {
        let project = compile(&text, mode).expect("it compiles");
        assert_eq!(project.names.len(), 20);
        assert_eq!(project.errors().count(), 0);
        let nanoseconds = time(|| compile(&text, mode));
        let mark = if nanoseconds <= 20e6 { "20 ms" } else { "20 ms MISSED" };
        row(&[format!("{lines} lines"), name.to_owned(), duration(nanoseconds), mark.to_owned()]);
    }
}
