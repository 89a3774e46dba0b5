//! The ALLMA flow orchestrator on this machine: the template that the CDK makes of it, `stepwright dev`,
//! functions in processes of their own, and the bucket that it forks over.

use crate::support::{Server, await_file, text};
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use stepwright_json::{Json, json};

const FUNCTIONS: &str = include_str!("allma/functions.py");

/// The functions of the template, and their names in scenarios.
const NAMES: [(&str, &str); 4] = [
    ("InitializeFlowLambdaCA8F06F1", "init"),
    ("IterativeStepProcessorLambdaA0A35FAB", "isp"),
    ("FinalizeFlowLambda76027688", "finalize"),
    ("ApiPollingLambdaD3CBD488", "poll"),
];

/// What the original gets wrong, and what is right: the output of a nested execution is an object
/// already, and the context object does not have the input of a state.
const CORRECTIONS: [(&str, &str); 2] = [
    ("States.StringToJson($.Output)", "$.Output"),
    ("$$.ExecutionContext.Input.mapContext", "$.mapContext"),
];

/// The folder with the data that is shared between checkouts.
fn shared() -> Option<PathBuf> {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let folder = std::env::var("STEPWRIGHT_SHARED").unwrap_or_else(|_| own.to_owned());
    let folder = PathBuf::from(folder).join("goldens/allma");
    folder.is_dir().then_some(folder)
}

struct Orchestrator {
    folder: tempfile::TempDir,
    server: Server,
    machine: String,
    played: usize,
}

impl Orchestrator {
    /// Serves a template.
    fn serve(template: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        let place = path.display();
        std::fs::write(path.join("template.json"), template).expect("it can be written");
        std::fs::write(path.join("functions.py"), FUNCTIONS).expect("it can be written");
        std::fs::create_dir(path.join("tmp")).expect("it can be made");
        let functions = NAMES.map(|(function, name)| {
            format!("[functions.{function}]\nbootstrap = [\"python3\", \"functions.py\", \"{place}\", \"{name}\"]\ntimeout = 30\n")
        });
        std::fs::write(path.join("stepwright.toml"), functions.join(""))
            .expect("it can be written");
        let (server, lines) = Server::dev(&["--quiet"], path);
        await_machines(&lines, 3);
        let listed = server.client().ok("ListStateMachines", &[]);
        let machines = listed.get("stateMachines").and_then(Json::as_array).expect("it has them");
        let arns = machines.iter().map(|machine| text(machine, "stateMachineArn"));
        let main = arns.into_iter().find(|arn| arn.contains("FlowOrchestrator"));
        let machine = main.expect("the orchestrator is one of them");
        Self { folder, server, machine, played: 0 }
    }

    /// Plays a scenario. Returns the description of the execution, and what was called.
    ///
    /// Its flow gets a name of its own, which is that of its folder: a branch of an earlier
    /// scenario whose parent has failed may still be calling when this one runs.
    fn play(&mut self, scenario: &Json) -> (Json, Calls) {
        let flow = scenario.get("input").and_then(|input| input.get("flowExecutionId"));
        // The input of one is bad: it has no flow.
        let flow = flow.and_then(Json::as_str).unwrap_or("flow");
        self.played += 1;
        let own = format!("{flow}-{}", self.played);
        let scenario = scenario.to_string().replace(&format!("\"{flow}\""), &format!("\"{own}\""));
        std::fs::write(self.folder.path().join("last"), &own).expect("it can be written");
        let folder = self.folder.path().join(own);
        std::fs::create_dir(&folder).expect("it can be made");
        std::fs::write(folder.join("scenario.json"), &scenario).expect("it can be written");
        let scenario = stepwright_json::parse(&scenario).expect("it is JSON");
        let client = self.server.client();
        let input = scenario.get("input").map(Json::to_string).unwrap_or_default();
        let members = [("stateMachineArn", self.machine.as_str().into()), ("input", input.into())];
        let started = client.ok("StartExecution", &members);
        for step in scenario.get("driver").and_then(Json::as_array).into_iter().flatten() {
            let token = await_file(&folder.join("token"));
            let output = step.get("output").map(Json::to_string).unwrap_or_default();
            assert_eq!(text(step, "call"), "SendTaskSuccess");
            client.ok("SendTaskSuccess", &[("taskToken", token.into()), ("output", output.into())]);
        }
        (client.end(&text(&started, "executionArn")), Calls(folder))
    }
}

/// The folder of a scenario, with a file for each function that counts its calls.
struct Calls(PathBuf);

impl Calls {
    fn of(&self, function: &str) -> i64 {
        let calls = std::fs::read_to_string(self.0.join(format!("{function}.calls")));
        calls.ok().and_then(|calls| calls.parse().ok()).unwrap_or_default()
    }

    /// Compares what has happened with what is expected.
    #[track_caller]
    fn check(&self, name: &str, ended: &Json, expected: &Json) {
        for (key, wanted) in expected.as_object().expect("it is one").iter() {
            match key.as_str() {
                "note" | "patch" => {}
                "status" | "error" | "cause" => {
                    assert_eq!(ended.get(key), Some(wanted), "{name}: {ended}");
                }
                "output" => {
                    let output = stepwright_json::parse(&text(ended, "output"));
                    assert_eq!(output.as_ref().ok(), Some(wanted), "{name}: {ended}");
                }
                "cause_contains" => {
                    let part = wanted.as_str().expect("it is text");
                    assert!(text(ended, "cause").contains(part), "{name}: {ended}");
                }
                calls => {
                    let function = calls.strip_suffix("_calls").expect("no other check is known");
                    assert_eq!(Json::Int(self.of(function)), *wanted, "{name}: {calls}");
                }
            }
        }
    }
}

#[track_caller]
fn await_machines(lines: &Receiver<String>, count: usize) {
    let mut created = 0;
    while created < count {
        let line = lines.recv_timeout(Duration::from_secs(30)).expect("the machines are created");
        created += usize::from(line.starts_with("created ") && !line.contains("::"));
    }
}

#[test]
fn every_scenario_ends_as_published_and_corrected() {
    let Some(folder) = shared() else {
        eprintln!("skipped: the goldens are not beside the checkout");
        return;
    };
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("it can be read");
    let scenarios = stepwright_json::parse(&read("scenarios.json")).expect("it is JSON");
    let scenarios = scenarios.get("scenarios").and_then(Json::as_array).cloned();
    let scenarios = scenarios.expect("it has them");
    assert_eq!(scenarios.len(), 10);
    let template = read("template.json");
    let mut published = Orchestrator::serve(&template);
    for scenario in scenarios.iter() {
        let name = text(scenario, "name");
        let (ended, calls) = published.play(scenario);
        calls.check(&name, &ended, scenario.get("expect").expect("it says what is expected"));
    }
    drop(published);

    let corrected = CORRECTIONS.iter().fold(template, |template, (wrong, right)| {
        assert!(template.contains(wrong), "{wrong}");
        template.replace(wrong, right)
    });
    let mut corrected = Orchestrator::serve(&corrected);
    let fixed = scenarios.iter().filter_map(|one| Some((one, one.get("expect_fixed")?)));
    for (scenario, expected) in fixed {
        let (ended, calls) = corrected.play(scenario);
        calls.check(&text(scenario, "name"), &ended, expected);
    }

    // A fork over a list in the bucket of the template.
    let name = bucket_of(&corrected.server);
    let put = format!("http://{}/{name}/branches/1.json", corrected.server.address);
    let items = json!([{"n": 1}, {"n": 2}, {"n": 3}]).to_string();
    let agent = ureq::agent();
    let signed = "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
    let answer = agent.put(&put).header("authorization", signed).send(items.as_bytes());
    assert!(answer.is_ok_and(|answer| answer.status().is_success()), "{put}");
    let state = json!({"flowExecutionId": "f-1", "currentStepInstanceId": "fork"});
    let aggregation = json!({"maxConcurrency": 2, "strategy": "COLLECT_ARRAY"});
    let scenario = json!({
        "input": {"flowExecutionId": "f-1"},
        "stubs": {
            "init": [{"return": {
                "runtimeState": (state.clone()),
                "sfnAction": "PARALLEL_FORK_S3",
                "s3ItemReader": {"key": "branches/1.json", "aggregationConfig": (aggregation.clone())},
                "mapContext": {
                    "runtimeState": state, "aggregationConfig": aggregation,
                    "originalStepInstanceId": "fork"
                }
            }}],
            "isp": [
                {
                    "when": [{"path": "$.currentItem.n", "present": true}],
                    "return": {"done": {"$event": "$.currentItem.n"}}
                },
                {"return": {"runtimeState": {"flowExecutionId": "f-1"}, "sfnAction": "PROCESS_STEP"}}
            ],
            "finalize": [{"return": {"status": "COMPLETED"}}]
        }
    });
    let (ended, calls) = corrected.play(&scenario);
    assert_eq!(text(&ended, "status"), "SUCCEEDED", "{ended}");
    assert_eq!(calls.of("isp"), 4, "three items, and what comes after");
}

/// The name of the bucket that the template has made.
fn bucket_of(server: &Server) -> String {
    let signed = "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
    let answer = ureq::agent()
        .get(format!("http://{}/", server.address))
        .header("authorization", signed)
        .call()
        .expect("the buckets are listed");
    let listed = answer.into_body().read_to_string().expect("it is text");
    let name = listed.split("<Name>").nth(1).and_then(|rest| rest.split('<').next());
    name.unwrap_or_else(|| panic!("there is no bucket: {listed}")).to_owned()
}
