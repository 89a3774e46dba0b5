//! The server seen from the command line.

use crate::support::Server;
use std::path::Path;
use std::process::{Command, Stdio};

const SHOP: &str = r#"{"StartAt":"Pay","States":{
    "Pay":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:123456789012:function:pay",
        "Retry":[{"ErrorEquals":["Busy"],"IntervalSeconds":1,"MaxAttempts":1}],
        "Catch":[{"ErrorEquals":["Declined"],"Next":"Refund"}],"Next":"Each"},
    "Each":{"Type":"Map","ItemsPath":"$","ItemProcessor":{"StartAt":"Ship","States":{
        "Ship":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:123456789012:function:ship","End":true}}},"End":true},
    "Refund":{"Type":"Fail","Error":"Refunded","Cause":"no money"}}}"#;

const HOLD: &str = r#"{"StartAt":"Hold","States":{
    "Hold":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke.waitForTaskToken","TimeoutSeconds":600,
        "Parameters":{"FunctionName":"ship","Payload":{"token.$":"$$.Task.Token"}},"End":true}}}"#;

const FUNCTIONS: &str = "[functions.pay]\ncommand = [\"python3\", \"pay.py\"]\n\n[functions.ship]\nreturn = { shipped = true }\n";

const PAY: &str = "import json, sys\nevent = json.load(sys.stdin)\nif event.get('declined'):\n    print(json.dumps({'errorType': 'Declined', 'errorMessage': 'no money', 'stackTrace': ['line 4']}))\nelse:\n    print('paying', file=sys.stderr)\n    print(json.dumps(['a', 'b']))\n";

struct Shell<'s> {
    folder: &'s Path,
    url: &'s str,
}

impl Shell<'_> {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stepwright"));
        command.args(arguments).args(["--endpoint-url", self.url]).current_dir(self.folder);
        command.env("COLUMNS", "120").env_remove("AWS_PROFILE");
        command
    }

    #[track_caller]
    fn says(&self, arguments: &[&str], code: i32) -> String {
        let output = self.command(arguments).output().expect("the binary runs");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        said
    }
}

#[track_caller]
fn has(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[test]
fn executions_are_started_followed_explained_and_stopped() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    std::fs::write(folder.path().join("stepwright.toml"), FUNCTIONS).expect("it can be written");
    std::fs::write(folder.path().join("pay.py"), PAY).expect("it can be written");
    let config = folder.path().join("stepwright.toml");
    let server = Server::start(&["--memory", "--config", config.to_str().expect("it is text")]);
    let client = server.client();
    client.create("shop", "STANDARD", SHOP);
    client.create("hold", "STANDARD", HOLD);
    // An address without a scheme will do.
    let shell = Shell { folder: folder.path(), url: &server.address };

    let said = shell.says(&["start", "shop", "--name", "good", "--follow"], 0);
    has(&said, &["execution:shop:good", "task      Pay", "Ship #1", "2 items", "succeeded after"]);
    let arguments = ["start", "shop", "--name", "bad", "--input", r#"{"declined": true}"#, "-f"];
    let said = shell.says(&arguments, 1);
    has(&said, &["fails     Pay", "Declined: no money", "caught by Declined → Refund"]);
    has(
        &said,
        &["`Refund` failed with Refunded", "cause: no money", "shop (as the server has it):"],
    );
    // What is followed and what is read afterwards is the same timeline.
    let later = shell.says(&["history", "bad"], 1);
    let timeline = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.contains("ms  ") || line.contains("s  "));
        lines.map(str::to_owned).collect()
    };
    assert!(timeline(&later).len() > 4 && timeline(&said) == timeline(&later), "{said}\n{later}");
    has(&shell.says(&["history", "shop:good", "-o", "json"], 0), &["\"ExecutionSucceeded\""]);
    has(&shell.says(&["why", "shop:bad"], 1), &["`Refund` failed with Refunded"]);

    let said = shell.says(&["list"], 0);
    has(&said, &["NAME", "shop", "hold", "standard"]);
    let said = shell.says(&["list", "shop"], 0);
    has(&said, &["good", "succeeded", "bad", "failed"]);
    let said = shell.says(&["list", "shop", "--status", "failed"], 0);
    assert!(said.contains("bad") && !said.contains("good"), "{said}");
    let said = shell.says(&["list", "shp"], 2);
    has(&said, &["the server has no state machine `shp`", "it has"]);
    has(&shell.says(&["describe", "shop"], 0), &["definition:", "\"StartAt\": \"Pay\""]);
    has(&shell.says(&["describe", "shop:bad"], 0), &["status: FAILED", "error: Refunded"]);

    client.create("quick", "EXPRESS", SHOP);
    let said = shell.says(&["start", "quick", "--follow"], 0);
    has(&said, &[":express:quick:", "succeeded after", "[{\"shipped\":true}"]);
    let said = shell.says(&["start", "quick", "-f", "--input", r#"{"declined": true}"#], 1);
    has(&said, &["ended with Refunded", "cause: no money"]);
    shell.says(&["start", "hold", "--name", "held"], 0);
    let mut said = String::new();
    for _ in 0..100 {
        said = shell.says(&["why", "hold"], 0);
        if said.contains("task token") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    has(
        &said,
        &["still running", "Hold: waits for somebody to return its task token", "times out in"],
    );
    // Whoever follows sees it end.
    let following = shell.command(&["history", "held", "--follow"]).stdout(Stdio::piped()).spawn();
    let following = following.expect("the binary runs");
    has(&shell.says(&["stop", "held", "--error", "Enough", "--cause", "of it"], 0), &["stopped"]);
    let output = following.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    has(&said, &["stop", "Enough: of it", "aborted after"]);
    has(&shell.says(&["redrive", "held"], 0), &["redriven"]);
    let said = shell.says(&["fork", "shop:good", "Nowhere"], 2);
    has(&said, &["the definition has no state `Nowhere` at its top level"]);
    let fork =
        ["fork", "shop:good", "Pay", "--name", "again", "--input", "{\"items\": []}", "--follow"];
    has(&shell.says(&fork, 0), &["shop:again", "Pay"]);
    // Another definition may be YAML.
    std::fs::write(
        folder.path().join("short.yaml"),
        "StartAt: Pay\nStates:\n  Pay: {Type: Pass, Result: paid by hand, End: true}\n",
    )
    .expect("it can be written");
    let fork = ["fork", "shop:good", "Pay", "--definition", "short.yaml", "--follow"];
    has(&shell.says(&fork, 0), &["paid by hand"]);
    shell.says(&["stop", "held"], 0);

    let said = shell.says(&["logs", "shop"], 0);
    has(&said, &["shop:good  ", "shop:bad  ", "caught by Declined"]);
    assert!(!said.contains("hold:held") && !said.contains("pay │"), "{said}");
    has(&shell.says(&["logs"], 0), &["hold:held  ", "shop:good  ", "pay │ paying"]);
    let nobody = Shell { folder: folder.path(), url: "127.0.0.1:9" };
    has(&nobody.says(&["list"], 2), &["is the server running?", "--aws"]);
    // AWS is asked with credentials only.
    let output = Command::new(env!("CARGO_BIN_EXE_stepwright"))
        .args(["list", "--aws", "--region", "eu-central-1"])
        .env_clear()
        .envs([("HOME", folder.path().as_os_str()), ("AWS_EC2_METADATA_DISABLED", "true".as_ref())])
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    has(&String::from_utf8_lossy(&output.stderr), &["Unable to load credentials"]);
}

#[test]
fn those_who_come_from_step_functions_local_find_what_they_had() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("it can be written");
        path
    };
    let config = write(
        "stepwright.toml",
        "[functions.pay]\nreturn = [\"a\"]\n\n[functions.ship]\nreturn = { shipped = true }\n",
    );
    let mocks = write(
        "MockConfigFile.json",
        r#"{"StateMachines": {"shop": {"TestCases": {"Broke": {"Pay": "NoMoney"}}}},
            "MockedResponses": {"NoMoney": {"0": {"Throw": {"Error": "Declined", "Cause": "no money"}}}}}"#,
    );
    // The endpoint of Lambda, as SAM or LocalStack would be.
    let lambda = Server::start(&["--memory", "--config", config.to_str().expect("it is text")]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_stepwright"));
    command.env("LAMBDA_ENDPOINT", format!("http://{}", lambda.address));
    command.env("SFN_MOCK_CONFIG", &mocks).current_dir(std::env::temp_dir());
    let server = Server::start_with(command, &["--memory"]);
    let client = server.client();
    let machine = client.create("shop", "STANDARD", SHOP);
    let shell = Shell { folder: folder.path(), url: &server.address };
    let said = shell.says(&["start", "shop", "--follow"], 0);
    has(&said, &["1 items", "{\"shipped\":true}"]);
    let said = shell.says(&["start", "shop#Broke", "--follow"], 1);
    has(&said, &["Declined: no money", "Refunded"]);
    // A fork of what a test case answers is answered by it, too.
    let name = ["start", "shop#Broke", "--name", "mocked", "--follow"];
    has(&shell.says(&name, 1), &["Declined: no money"]);
    let said = shell.says(&["fork", "shop:mocked", "Pay", "--follow"], 1);
    has(&said, &["Declined: no money", "Refunded"]);
    let said = shell.says(&["start", &format!("{machine}#Nope")], 2);
    has(&said, &["InvalidArn", "no such test case of 'shop', only Broke"]);
    // What `stepwright env` promises: the AWS CLI lists the functions.
    let url = format!("http://{}/2015-03-31/functions/", lambda.address);
    let listed = ureq::get(&url).call().expect("it answers").into_body().read_to_string();
    has(&listed.expect("it is text"), &["\"FunctionName\":\"pay\"", "function:ship\""]);
    // Without a mock file, no test case answers.
    lambda.client().create("shop", "STANDARD", SHOP);
    let shell = Shell { folder: folder.path(), url: &lambda.address };
    has(&shell.says(&["start", "shop#Broke"], 2), &["InvalidArn", "--mock-config"]);
}
