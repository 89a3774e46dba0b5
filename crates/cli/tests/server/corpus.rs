//! Stores that earlier releases wrote: this one opens them, shows all that is in them, and runs on.

use crate::support::{Server, command, text};
use std::path::Path;
use stepwright_json::Json;

#[test]
fn stores_of_earlier_releases_are_opened_folded_and_run_on() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/tests/corpus");
    let entries = std::fs::read_dir(corpus).expect("it is there").flatten();
    let mut layouts: Vec<_> = entries.map(|entry| entry.path()).collect();
    layouts.sort();
    // A release that changes the layout leaves a store of the layout before it here.
    let before = format!("layout-{}", stepwright_store::Sqlite::LAYOUT - 1);
    assert!(layouts.iter().any(|layout| layout.ends_with(&before)), "{before} is missing");
    for layout in layouts {
        let folder = tempfile::tempdir().expect("a directory can be made");
        let data = folder.path().join("data");
        std::fs::create_dir(&data).expect("a directory can be made");
        std::fs::copy(layout.join("stepwright.db"), data.join("stepwright.db"))
            .expect("it is there");
        let data = data.to_str().expect("it is text");
        let (is_well, said) = command(&["doctor", "--data", data], folder.path());
        assert!(is_well, "{}: {said}", layout.display());

        let server = Server::start(&["--data", data]);
        let client = server.client();
        let machines = client.ok("ListStateMachines", &[]);
        let machines =
            machines.get("stateMachines").and_then(Json::as_array).expect("a list").clone();
        let mut executions = 0;
        for machine in &machines {
            let arn = text(machine, "stateMachineArn");
            if text(machine, "type") == "EXPRESS" {
                continue;
            }
            let listed = client.ok("ListExecutions", &[("stateMachineArn", arn.into())]);
            for one in listed.get("executions").and_then(Json::as_array).expect("a list") {
                executions += 1;
                let about = [("executionArn", Json::from(text(one, "executionArn")))];
                let history = client.ok("GetExecutionHistory", &about);
                let events = history.get("events").and_then(Json::as_array).expect("a list");
                assert_eq!(text(events.first().expect("it began"), "type"), "ExecutionStarted");
                client.ok("DescribeExecution", &about);
            }
        }
        assert!(machines.len() >= 5 && executions >= 11, "{machines:?}: {executions}");
        // New ones begin, in the order of old ones; what waited long ago has woken; what failed is redriven.
        let prefix = "arn:aws:states:us-east-1:123456789012";
        let order = client.start(&format!("{prefix}:stateMachine:order"), "{\"n\":7}");
        assert_eq!(text(&client.end(&order), "status"), "SUCCEEDED");
        let fail = format!("{prefix}:stateMachine:fail");
        let which = [("stateMachineArn", fail.into()), ("statusFilter", "FAILED".into())];
        let failed = client.ok("ListExecutions", &which);
        let failed = failed.get("executions").and_then(|all| all.at(0)).expect("one has failed");
        let failed = text(failed, "executionArn");
        client.ok("RedriveExecution", &[("executionArn", failed.as_str().into())]);
        let again = client.end(&failed);
        assert_eq!(text(&again, "status"), "FAILED");
        assert_eq!(again.get("redriveCount").and_then(Json::as_i64), Some(1));
        assert!(server.stop());
        let (is_well, said) = command(&["doctor", "--data", data], folder.path());
        assert!(is_well, "{}: {said}", layout.display());
    }
}
