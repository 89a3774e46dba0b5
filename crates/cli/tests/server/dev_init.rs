//! `stepwright dev` as `stepwright init` says to call it.

use crate::support::{Server, await_line, command, text, write};
use stepwright_json::{Json, json};

#[test]
fn what_init_says_of_dev_works_as_it_is_printed() {
    for (language, program) in [("python", "python3"), ("node", "node"), ("command", "sh")] {
        if std::process::Command::new(program).args(["-c", ""]).output().is_err() {
            continue;
        }
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("tmp")).expect("it can be made");
        let (is_made, said) = command(&["init", "orders", "--language", language], folder.path());
        assert!(is_made, "{said}");
        let line = said.lines().find_map(|line| line.trim().strip_prefix("stepwright dev "));
        let file = line.expect("it is offered").split("  ").next().expect("there is a file");
        let (server, lines) = Server::dev(&[file], folder.path());
        await_line(&lines, &["created orders", file]);
        let client = server.client();
        let machine = "arn:aws:states:us-east-1:123456789012:stateMachine:orders";
        let ended = client.end(&client.start(machine, r#"{"name":"Ada"}"#));
        assert_eq!(text(&ended, "status"), "SUCCEEDED", "{language}: {ended}");
        let output = stepwright_json::parse(&text(&ended, "output")).expect("it is JSON");
        let greeting = output.get("greeting").and_then(|greeting| greeting.get("text"));
        assert_eq!(greeting, Some(&Json::from("Hello, Ada!")), "{output}");
        assert_eq!(output.get("name"), Some(&json!("Ada")));
    }
}

#[test]
fn files_with_several_configurations_want_one_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let definition = r#"{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}"#;
    for name in ["a", "b"] {
        write(&folder.path().join(name).join("m.asl.json"), definition);
        write(&folder.path().join(name).join("stepwright.toml"), "[server]\n");
    }
    let (is_well, said) = command(&["dev", "a/m.asl.json", "b/m.asl.json"], folder.path());
    assert!(!is_well, "{said}");
    let named = said.contains("a/stepwright.toml, b/stepwright.toml") && said.contains("--config");
    assert!(named, "{said}");
}
