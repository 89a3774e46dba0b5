//! `stepwright record`: a recorded execution becomes a test that passes.

use crate::support::{Answer, Server, text};
use std::path::Path;
use std::process::{Command, Output};
use stepwright_json::json;

fn stepwright(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stepwright"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("AWS_ENDPOINT_URL_SFN")
        .output()
        .expect("the binary runs")
}

#[test]
fn an_execution_becomes_a_test_that_passes() {
    let folder = tempfile::tempdir().expect("a directory can be made");
    let path = folder.path();
    std::fs::write(
        path.join("stepwright.toml"),
        "[functions.price]\nreturn = { price = 7 }\n\n[functions.fail]\ncommand = [\"false\"]\n",
    )
    .expect("it can be written");
    let config = path.join("stepwright.toml");
    let server = Server::start(&["--memory", "--config", config.to_str().expect("it is text")]);
    let client = server.client();
    let machine = client.create(
        "orders",
        "STANDARD",
        r#"{"StartAt":"Each","States":{
            "Each":{"Type":"Map","ItemsPath":"$.items","MaxConcurrency":1,"Next":"Try","ResultPath":"$.prices",
                "ItemProcessor":{"StartAt":"Price","States":{
                    "Price":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:123456789012:function:price","End":true}}}},
            "Try":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:123456789012:function:fail",
                "Catch":[{"ErrorEquals":["States.ALL"],"ResultPath":"$.problem","Next":"End"}],"Next":"End"},
            "End":{"Type":"Pass","Parameters":{"prices.$":"$.prices","error.$":"$.problem.Error"},"End":true}}}"#,
    );
    let execution = client.start(&machine, r#"{"items":[1,2]}"#);
    client.end(&execution);
    let url = format!("http://{}", server.address);
    let record = |more: &[&str]| {
        stepwright(
            path,
            &[&["record", &execution, "--endpoint-url", &url, "-o", "out"], more].concat(),
        )
    };
    let recorded = record(&[]);
    let said = String::from_utf8_lossy(&recorded.stderr);
    assert_eq!(recorded.status.code(), Some(0), "{said}");
    let tested = stepwright(path, &["test", "out"]);
    let said = String::from_utf8_lossy(&tested.stdout);
    assert_eq!(tested.status.code(), Some(0), "{said}");
    assert!(said.contains("1 passed, 0 failed"), "{said}");
    let files: Vec<String> = std::fs::read_dir(path.join("out"))
        .expect("it is there")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let test = files.iter().find(|name| name.ends_with(".test.yaml")).expect("there is a test");
    let text = std::fs::read_to_string(path.join("out").join(test)).expect("it can be read");
    for part in ["\"Price\":", "\"fail\"", "path: [\"Each\",\"Try\",\"End\"]", "output: {"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    // The history itself is compared as well.
    std::fs::write(path.join("out").join(test), text.replace("\"Try\"", "\"Tri\""))
        .expect("it can");
    assert_eq!(record(&[]).status.code(), Some(2), "a changed file is not replaced");
    assert_eq!(record(&["--force"]).status.code(), Some(0));
}

#[test]
fn what_cannot_be_recorded_is_said() {
    let server = Server::start(&["--memory"]);
    let url = format!("http://{}", server.address);
    let folder = tempfile::tempdir().expect("a directory can be made");
    let refused = |arn: &str, url: &str, words: &str| {
        let output = stepwright(folder.path(), &["record", arn, "--endpoint-url", url]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(words), "{said}");
    };
    let arn = "arn:aws:states:us-east-1:123456789012:execution:none:none";
    refused(arn, &url, "ExecutionDoesNotExist");
    refused("order-17", &url, "has no execution and no state machine `order-17`");
    refused(arn, "http://127.0.0.1:1", "--endpoint-url");
    // A fork does not begin where a test does.
    let client = server.client();
    let pass = r#"{"StartAt":"A","States":{"A":{"Type":"Pass","Next":"B"},"B":{"Type":"Pass","End":true}}}"#;
    let source = client.start(&client.create("forked", "STANDARD", pass), "{}");
    client.end(&source);
    let fork = client.own("/fork", &json!({"executionArn": (source.as_str()), "state": "B"}));
    let Answer::Ok(fork) = fork else { panic!("{fork:?}") };
    let fork = text(&fork, "executionArn");
    client.end(&fork);
    refused(&fork, &url, "began at `B`, and a test begins at `A`");
}
