//! The life of a server, and what is done with a document in JSON.

use crate::client::{Client, at, codes, edited, edits_of, labels};
use stepwright_json::{Json, json};

const URI: &str = "file:///project/order.asl.json";

const ORDER: &str = r#"{
  "Comment": "😀 an order",
  "StartAt": "Check",
  "States": {
    "Check": {
      "Type": "Task",
      "Resource": "arn:aws:states:::lambda:invoke",
      "Parameters": {"FunctionName": "check"},
      "Retry": [{"ErrorEquals": ["States.Timeout"]}],
      "Next": "Pick"
    },
    "Pick": {
      "Type": "Choice",
      "Choices": [{"Variable": "$.ok", "BooleanEquals": true, "Next": "Done"}],
      "Default": "Done"
    },
    "Done": {"Type": "Succeed"}
  }
}
"#;

fn place(text: &str, what: &str) -> usize {
    text.find(what).unwrap_or_else(|| panic!("{what} is in the text"))
}

#[test]
fn a_server_lives_and_takes_leave() {
    let mut client = Client::new();
    let error = client.ask("textDocument/hover", json!({})).unwrap_err();
    assert_eq!(error, "the first request is `initialize`");
    let answer = client.request("initialize", json!({"capabilities": {}}));
    let capabilities = answer.get("capabilities").unwrap();
    assert_eq!(
        capabilities.get("renameProvider").unwrap().get("prepareProvider"),
        Some(&true.into())
    );
    assert!(client.ask("initialize", json!({})).is_err());
    assert_eq!(client.ask("foo/bar", json!({})).unwrap_err(), "there is no method `foo/bar`");
    let unknown = json!({"textDocument": {"uri": "file:///x"}});
    let error = client.ask("textDocument/hover", unknown).unwrap_err();
    assert_eq!(error, "the document `file:///x` is not open");
    client.send("{this is not JSON}");
    let answer = client.read();
    assert_eq!(answer.get("error").unwrap().get("code"), Some(&Json::from(-32700i64)));
    assert!(client.leave());
    let mut client = Client::start();
    assert!(!client.vanish());
}

#[test]
fn diagnostics_follow_the_typing() {
    let mut client = Client::start();
    client.open(URI, ORDER);
    assert_eq!(codes(&client.diagnostics(URI)), [] as [&str; 0]);
    // `Done` becomes `Dne` behind an emoji that has two units of UTF-16.
    let changed = ORDER.replace("\"Default\": \"Done\"", "\"Default\": \"Dne\"");
    let from = place(ORDER, "one\"\n    },");
    let position = |offset| at(URI, ORDER, offset).get("position").unwrap().clone();
    let range = json!({"start": (position(from)), "end": (position(from + 1))});
    client.change(URI, 2, vec![json!({"range": range, "text": ""})]);
    let found = client.diagnostics(URI);
    assert_eq!(codes(&found), ["MISSING_TRANSITION_TARGET"]);
    let message = found[0].get("message").unwrap().as_str().unwrap();
    assert!(message.contains("Missing 'Next' target: Dne"), "{message}");
    assert!(message.contains("help: did you mean `Done`?"), "{message}");
    let start = found[0].get("range").unwrap().get("start").unwrap();
    assert_eq!(start, at(URI, &changed, place(&changed, "\"Dne\"")).get("position").unwrap());
    // The fix makes the text what it was.
    let params = json!({
        "textDocument": {"uri": URI},
        "range": (found[0].get("range").unwrap().clone()),
        "context": {"diagnostics": []}
    });
    let actions = client.request("textDocument/codeAction", params);
    let action = actions.at(0).unwrap();
    assert_eq!(action.get("title").unwrap().as_str(), Some("Change to `Done`"));
    assert_eq!(edited(&changed, &edits_of(action.get("edit").unwrap(), URI)), ORDER);
    // Several changes in one message are made one after the other.
    let first = json!({"text": "{}"});
    let range = json!({"start": {"line": 0, "character": 1}, "end": {"line": 0, "character": 1}});
    let second = json!({"range": range, "text": "\"StartAt\": 1"});
    client.change(URI, 3, vec![first, second]);
    let found = client.diagnostics(URI);
    assert_eq!(codes(&found), ["SCHEMA_VALIDATION_FAILED"; 2]);
    client.notify("textDocument/didClose", json!({"textDocument": {"uri": URI}}));
    assert_eq!(client.diagnostics(URI), []);
    assert!(client.leave());
}

#[test]
fn states_are_found_and_renamed() {
    let mut client = Client::start();
    client.open(URI, ORDER);
    let used = place(ORDER, "\"Done\"}");
    let defined = place(ORDER, "\"Done\": {");
    let line = |offset| at(URI, ORDER, offset).get("position").unwrap().clone();
    let definition = client.at("textDocument/definition", URI, ORDER, used + 2);
    let start = definition.at(0).unwrap().get("range").unwrap().get("start").unwrap().clone();
    assert_eq!(start, line(defined));
    let references = client.at("textDocument/references", URI, ORDER, defined + 2);
    assert_eq!(references.as_array().unwrap().len(), 3);
    let highlights = client.at("textDocument/documentHighlight", URI, ORDER, used + 2);
    assert_eq!(highlights.as_array().unwrap().len(), 3);
    let prepared = client.at("textDocument/prepareRename", URI, ORDER, used + 2);
    assert_eq!(prepared.get("placeholder").unwrap().as_str(), Some("Done"));
    assert!(client.at("textDocument/prepareRename", URI, ORDER, 3).is_null());
    let rename = |name: &str| {
        let mut params = at(URI, ORDER, used + 2);
        if let Json::Object(object) = &mut params {
            object.insert("newName", name.into());
        }
        params
    };
    let edit = client.request("textDocument/rename", rename("The \"end\""));
    let renamed = edited(ORDER, &edits_of(&edit, URI));
    assert_eq!(renamed, ORDER.replace("\"Done\"", r#""The \"end\"""#));
    let error = client.ask("textDocument/rename", rename("Pick")).unwrap_err();
    assert_eq!(error, "another state is called `Pick`");
    assert!(client.leave());
}

#[test]
fn symbols_folds_hovers_and_formats() {
    let mut client = Client::start();
    client.open(URI, ORDER);
    let document = json!({"textDocument": {"uri": URI}});
    let symbols = client.request("textDocument/documentSymbol", document.clone());
    let names: Vec<_> = symbols.as_array().unwrap().iter().map(|one| one.get("name")).collect();
    assert_eq!(names, [Some(&"Check".into()), Some(&"Pick".into()), Some(&"Done".into())]);
    let folds = client.request("textDocument/foldingRange", document.clone());
    assert!(folds.as_array().unwrap().contains(&json!({"startLine": 4, "endLine": 9})), "{folds}");
    let mut hover = |what: &str| {
        let found = client.at("textDocument/hover", URI, ORDER, place(ORDER, what) + 2);
        found.get("contents").map(|one| one.get("value").unwrap().as_str().unwrap().to_owned())
    };
    assert_eq!(hover("\"Pick\"\n").as_deref(), Some("**Pick** (Choice)\n\nDefault: `Done`"));
    assert!(hover("\"Retry\"").unwrap().starts_with("`Retry`: When a failure is tried again."));
    assert!(hover("\"Task\"").unwrap().contains("Calls a function"));
    assert!(hover("\"arn:aws:states:::lambda").unwrap().contains("Calls `Invoke` of Lambda."));
    assert!(hover("\"States.Timeout\"").unwrap().contains("TimeoutSeconds"));
    assert!(hover("\"FunctionName\"").unwrap().contains("text, required"));
    assert_eq!(hover("\"$.ok\""), None);
    let formatting = client.request("textDocument/formatting", document.clone());
    let edits = formatting.as_array().unwrap().to_vec();
    let expected = stepwright_asl::print(ORDER, "a.json").unwrap();
    assert_eq!(edited(ORDER, &edits), expected);
    client.replace(URI, 2, &expected);
    let formatting = client.request("textDocument/formatting", document);
    assert_eq!(formatting.as_array().unwrap().len(), 0);
    assert!(client.leave());
}

#[test]
fn what_belongs_at_a_place_is_offered() {
    #[track_caller]
    fn check(client: &mut Client, text: &str, expected: &[&str]) {
        let offset = place(text, "|");
        let text = text.replacen('|', "", 1);
        client.replace(URI, 2, &text);
        let found = client.completion(URI, &text, offset);
        let found = labels(&found);
        for name in expected {
            assert!(found.contains(name), "{name} is not among {found:?}");
        }
    }
    let mut client = Client::start();
    client.open(URI, ORDER);
    let client = &mut client;
    let with = |from: &str, to: &str| {
        assert!(ORDER.contains(from), "{from}");
        ORDER.replacen(from, to, 1)
    };
    check(client, &with("\"Next\": \"Pick\"", "\"Next\": \"|\""), &["Pick", "Done"]);
    check(client, &with("\"Next\": \"Pick\"", "\"Next\": |"), &["Pick", "Done"]);
    check(client, &with("\"Next\": \"Pick\"", "|"), &["Next", "End", "Catch", "ResultPath"]);
    check(client, &with("\"Next\": \"Pick\"", "\"T|"), &["TimeoutSeconds"]);
    check(client, &with("\"Task\"", "\"|\""), &["Task", "Parallel"]);
    check(
        client,
        &with("[\"States.Timeout\"]", "[|"),
        &["States.ALL", "Lambda.TooManyRequestsException"],
    );
    check(client, &with("lambda:invoke", "|"), &["arn:aws:states:::sqs:sendMessage"]);
    let sdk = "arn:aws:states:::aws-sdk:dynamodb:";
    check(
        client,
        &with("arn:aws:states:::lambda:invoke", &format!("{sdk}|")),
        &[&format!("{sdk}putItem")],
    );
    check(
        client,
        &with("{\"FunctionName\": \"check\"}", "{\"|\": 1}"),
        &["FunctionName", "Payload"],
    );
    check(client, &with("\"$.ok\"", "\"|\""), &["$", "$$.Execution.Id"]);
    check(
        client,
        &with("{\"FunctionName\": \"check\"}", "{\"a.$\": \"States.|\"}"),
        &["States.Format()"],
    );
    check(client, &with("\"Next\": \"Pick\"", "\"End\": |"), &["true"]);
    check(client, &with("\"Pick\": {", "\"|\": {"), &["Pick"]);
    let jsonata = r#"{"QueryLanguage": "JSONata", "StartAt": "A", "States": {
        "A": {"Type": "Pass", "Assign": {"total": 1}, "Next": "B"},
        "B": {"Type": "Pass", "Output": "{% $sum($to| %}", "End": true}}}"#;
    check(client, jsonata, &["$total", "$sum", "$states.input"]);
    let nested = with("arn:aws:states:::lambda:invoke", "arn:aws:states:::dynamodb:putItem");
    let nested = nested.replacen("{\"FunctionName\": \"check\"}", "{\"ReturnValues\": \"|\"}", 1);
    check(client, &nested, &["ALL_OLD"]);
    // What is chosen is written as it must be.
    let text = with("\"Next\": \"Pick\"", "\"Next\": ");
    client.replace(URI, 3, &text);
    let offset = place(&text, "\"Next\": \n") + 8;
    let items = client.completion(URI, &text, offset);
    let edit = items[0].get("textEdit").unwrap().clone();
    assert_eq!(edited(&text, &[edit]), ORDER);
    assert!(client.leave());
}

#[test]
fn a_text_that_is_being_typed_has_symbols() {
    let mut client = Client::start();
    let broken = ORDER.replacen("\"Next\": \"Pick\"", "\"Ne", 1);
    client.open(URI, &broken);
    assert_eq!(codes(&client.diagnostics(URI)), ["INVALID_JSON_DESCRIPTION"]);
    let document = json!({"textDocument": {"uri": URI}});
    let symbols = client.request("textDocument/documentSymbol", document);
    assert_eq!(symbols.as_array().unwrap().len(), 3);
    let references =
        client.at("textDocument/references", URI, &broken, place(&broken, "\"Done\": {") + 1);
    assert_eq!(references.as_array().unwrap().len(), 3);
    assert!(client.leave());
}

/// The time from a key to diagnostics, in a definition of 5,000 lines: what the manual promises is
/// measured with `STEPWRIGHT_LATENCY=1` in a release build; here it is only gone through.
#[test]
fn large_definitions_are_followed() {
    use std::fmt::Write as _;
    let mut text = "{\n  \"StartAt\": \"S0\",\n  \"States\": {\n".to_owned();
    for number in 0..715 {
        let next = number + 1;
        writeln!(
            text,
            "    \"S{number}\": {{\n      \"Type\": \"Task\",\n      \"Resource\": \
             \"arn:aws:states:::lambda:invoke\",\n      \"Parameters\": {{\"FunctionName\": \"f\", \
             \"Payload.$\": \"$\"}},\n      \"ResultPath\": \"$.r\",\n      \"Next\": \"S{next}\"\n    }},"
        )
        .unwrap();
    }
    text.push_str("    \"S715\": {\"Type\": \"Succeed\"}\n  }\n}\n");
    assert!(text.lines().count() > 5_000);
    let mut client = Client::start();
    client.open(URI, &text);
    client.diagnostics(URI);
    let mut times = Vec::new();
    for version in 2..12 {
        let end = at(URI, &text, text.len()).get("position").unwrap().clone();
        let range = json!({"start": (end.clone()), "end": end});
        let before = std::time::Instant::now();
        client.change(URI, version, vec![json!({"range": range, "text": " "})]);
        assert_eq!(client.diagnostics(URI).len(), 715, "each task has a note");
        times.push(before.elapsed());
        text.push(' ');
    }
    times.sort();
    if std::env::var_os("STEPWRIGHT_LATENCY").is_some() {
        assert!(times[5].as_millis() <= 50, "{times:?}");
    }
    assert!(client.leave());
}
