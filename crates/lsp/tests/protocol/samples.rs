//! Values from the tests beside a definition, lenses, commands, and the drawing.

use crate::client::{Client, at, codes, labels};
use std::path::{Path, PathBuf};
use stepwright_json::{Json, json};

const MACHINE: &str = r#"{
  "StartAt": "Charge",
  "States": {
    "Charge": {
      "Type": "Task",
      "Resource": "arn:aws:lambda:us-east-1:123456789012:function:charge",
      "InputPath": "$.order",
      "Parameters": {"id.$": "$.id", "text.$": "States.Format('no {}', $.id)"},
      "ResultPath": "$.charge",
      "Catch": [{"ErrorEquals": ["Refused"], "Next": "Tell"}],
      "Next": "Sum"
    },
    "Sum": {
      "Type": "Pass",
      "QueryLanguage": "JSONata",
      "Output": {"paid": "{% $states.input.charge.paid = true %}"},
      "End": true
    },
    "Tell": {"Type": "Fail", "ErrorPath": "$.Error"}
  }
}
"#;

const TESTS: &str = "\
defaults:
  input: {order: {id: 7, items: [lamp], 'how many': 2}}
cases:
  - name: it is paid
    mocks: {Charge: {return: {paid: true}}}
    expect: {output: {paid: true}}
  - name: it is refused
    mocks: {Charge: {fail: {error: Refused}}}
    expect: {error: Other}
";

fn place(text: &str, what: &str) -> usize {
    text.find(what).unwrap_or_else(|| panic!("{what} is in {text}"))
}

/// A folder with the machine and its tests, and the URIs of both.
struct Folder {
    path: PathBuf,
    machine: String,
    tests: String,
}

impl Folder {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("stepwright-lsp-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let uri = |name: &str| format!("file://{}", folder.join(name).display());
        let (machine, tests) = (uri("pay.asl.json"), uri("pay.test.yaml"));
        let made = Self { path: folder, machine, tests };
        made.write("pay.asl.json", MACHINE);
        made.write("pay.test.yaml", TESTS);
        made
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path.join(name), text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.path).ok();
    }
}

fn hover(client: &mut Client, uri: &str, text: &str, what: &str) -> String {
    let found = client.at("textDocument/hover", uri, text, place(text, what) + 1);
    let contents = found.get("contents").unwrap_or_else(|| panic!("{what} means something"));
    contents.get("value").unwrap().as_str().unwrap().to_owned()
}

#[test]
fn hovers_show_the_values_of_a_test() {
    let folder = Folder::new("hover");
    let uri = &folder.machine;
    let mut client = Client::start();
    client.open(uri, MACHINE);
    let mut shown = |what: &str| hover(&mut client, uri, MACHINE, what);
    let order = r#"{"id":7,"items":["lamp"],"how many":2}"#;
    assert_eq!(shown("$.order\""), format!("In the test *it is paid*, `$.order` is `{order}`"));
    assert_eq!(shown("$.id\""), "In the test *it is paid*, `$.id` is `7`");
    let call = shown("$.id)");
    assert!(call.starts_with("In the test *it is paid*, `$.id` is `7`"), "{call}");
    assert!(call.ends_with("$.id)` is `\"no 7\"`"), "{call}");
    let expression = shown("$states.input");
    let part = "In the test *it is paid*, `$states.input.charge.paid` is `true`";
    assert!(expression.starts_with(part), "{expression}");
    assert!(expression.contains("`$states.input.charge.paid = true` is `true`"), "{expression}");
    // A state that only another test comes to.
    assert_eq!(shown("$.Error"), "In the test *it is refused*, `$.Error` is `\"Refused\"`");
    let state = shown("\"Sum\": {");
    assert!(state.contains("In the test *it is paid* it gets"), "{state}");
    assert!(state.ends_with("and puts out `{\"paid\":true}`"), "{state}");
    // Tests that change, in the editor or in the file, are seen.
    client.open(&folder.tests, &TESTS.replace("id: 7", "id: 8"));
    assert_eq!(
        hover(&mut client, uri, MACHINE, "$.id\""),
        "In the test *it is paid*, `$.id` is `8`"
    );
    // A test file that is broken at the moment does not take the values away.
    client.replace(&folder.tests, 2, "defaults: {");
    assert_eq!(
        hover(&mut client, uri, MACHINE, "$.id\""),
        "In the test *it is paid*, `$.id` is `8`"
    );
    assert!(client.leave());
}

#[test]
fn members_of_values_are_offered() {
    let folder = Folder::new("members");
    let uri = &folder.machine;
    let mut client = Client::start();
    client.open(uri, MACHINE);
    // Tests that were read while the machine was whole are used while it is not.
    client.at("textDocument/hover", uri, MACHINE, place(MACHINE, "$.id\""));
    let typed = MACHINE.replace("\"id.$\": \"$.id\"", "\"id.$\": \"$.\"");
    client.replace(uri, 2, &typed);
    let items = client.completion(uri, &typed, place(&typed, "\"$.\"") + 3);
    assert_eq!(labels(&items)[..3], ["$.id", "$.items", "$['how many']"]);
    assert_eq!(items[1].get("detail").unwrap().as_str(), Some("[\"lamp\"]"));
    let typed = MACHINE.replace("$states.input.charge.paid = true", "$states.input.charge.");
    client.replace(uri, 3, &typed);
    let items = client.completion(uri, &typed, place(&typed, "charge. %}") + 7);
    assert_eq!(labels(&items)[0], "$states.input.charge.paid");
    assert!(client.leave());
}

/// The titles, commands and arguments of lenses.
fn lenses(client: &mut Client, uri: &str) -> Vec<(String, Json)> {
    let found = client.request("textDocument/codeLens", json!({"textDocument": {"uri": uri}}));
    let lens = |lens: &Json| {
        let command = lens.get("command").unwrap();
        let title = command.get("title").unwrap().as_str().unwrap().to_owned();
        let name = command.get("command").unwrap().clone();
        let arguments = command.get("arguments").unwrap().clone();
        (title, json!({"command": name, "arguments": arguments}))
    };
    found.as_array().unwrap().iter().map(lens).collect()
}

/// Carries out a command: the message that is shown, and the answer.
fn execute(client: &mut Client, command: &Json) -> (i64, String, Json) {
    let id = 4_711;
    let request = json!({
        "jsonrpc": "2.0", "id": id, "method": "workspace/executeCommand", "params": (command.clone())
    });
    client.send(&request.to_string());
    let mut shown = None;
    loop {
        let message = client.read();
        if message.get("method").and_then(Json::as_str) == Some("window/showMessage") {
            shown = message.get("params").cloned();
        }
        if message.get("id").and_then(Json::as_i64) == Some(id) {
            let shown = shown.expect("something is shown");
            let text = shown.get("message").unwrap().as_str().unwrap().to_owned();
            let kind = shown.get("type").unwrap().as_i64().unwrap();
            return (kind, text, message.get("result").unwrap().clone());
        }
    }
}

#[test]
fn lenses_run_tests_and_machines() {
    let folder = Folder::new("lenses");
    let mut client = Client::start();
    client.open(&folder.machine, MACHINE);
    client.open(&folder.tests, TESTS);
    let of_machine = lenses(&mut client, &folder.machine);
    let titles: Vec<&str> = of_machine.iter().map(|(title, _)| title.as_str()).collect();
    assert_eq!(titles, ["Run 2 tests", "Run in virtual time: it is paid"]);
    let (kind, said, result) = execute(&mut client, &of_machine[0].1);
    assert_eq!(kind, 1);
    assert_eq!(said, "1 passed, 1 failed: it is refused (pay.test.yaml:7)");
    let text = result.get("text").unwrap().as_str().unwrap();
    assert!(text.contains("ok    it is paid") && text.contains("FAIL  it is refused"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    let (kind, said, result) = execute(&mut client, &of_machine[1].1);
    assert_eq!((kind, &*said), (3, "SUCCEEDED after 0ms of virtual time: it is paid"));
    assert!(result.get("text").unwrap().as_str().unwrap().contains("Charge"), "{result}");
    let of_tests = lenses(&mut client, &folder.tests);
    let titles: Vec<&str> = of_tests.iter().map(|(title, _)| title.as_str()).collect();
    assert_eq!(titles, ["Run all tests", "Run this test", "Run this test"]);
    let (kind, said, _) = execute(&mut client, &of_tests[1].1);
    assert_eq!((kind, &*said), (3, "1 passed, 0 failed"));
    let unknown = json!({"command": "stepwright.other", "arguments": []});
    let error = client.ask("workspace/executeCommand", unknown).unwrap_err();
    assert_eq!(error, "there is no command `stepwright.other`");
    let missing =
        json!({"command": "stepwright.test", "arguments": [(folder.tests.as_str()), null, "x"]});
    let error = client.ask("workspace/executeCommand", missing).unwrap_err();
    assert_eq!(error, "there is no test named `x`");
    std::fs::remove_file(folder.path.join("pay.test.yaml")).unwrap();
    client
        .notify("textDocument/didClose", json!({"textDocument": {"uri": (folder.tests.as_str())}}));
    assert_eq!(lenses(&mut client, &folder.machine), []);
    let error = client.ask("workspace/executeCommand", of_machine[0].1.clone()).unwrap_err();
    assert_eq!(error, "pay.asl.json has no tests; write them in pay.test.yaml beside it");
    assert!(client.leave());
}

#[test]
fn a_test_file_is_checked_as_one() {
    let folder = Folder::new("checked");
    let mut client = Client::start();
    client.open(&folder.tests, TESTS);
    assert_eq!(client.diagnostics(&folder.tests), []);
    client.replace(&folder.tests, 2, &TESTS.replace("Charge: {fail", "Chrage: {fail"));
    let found = client.diagnostics(&folder.tests);
    assert_eq!(codes(&found).len(), 1, "{found:?}");
    let message = found[0].get("message").unwrap().as_str().unwrap();
    assert!(message.contains("Chrage"), "{message}");
    assert!(client.leave());
}

#[test]
fn the_drawing_follows_the_cursor() {
    let folder = Folder::new("drawing");
    let uri = &folder.machine;
    let mut client = Client::start();
    client.open(uri, MACHINE);
    let mut drawn =
        |what: &str| client.request("stepwright/graph", at(uri, MACHINE, place(MACHINE, what)));
    let sum = drawn("\"Output\"");
    assert!(sum.get("svg").unwrap().as_str().unwrap().contains("data-state"), "{sum}");
    assert_eq!(sum.get("test").unwrap().as_str(), Some("it is paid"));
    let entered = sum.get("entered").unwrap().as_array().unwrap().len();
    assert_eq!(entered, 2);
    let current = sum.get("current").unwrap().as_i64().unwrap() as usize;
    let begins = at(uri, MACHINE, place(MACHINE, "\"Sum\": {"));
    assert_eq!(sum.get("places").unwrap().at(current), begins.get("position"));
    assert_ne!(sum.get("current"), drawn("\"Resource\"").get("current"));
    assert_eq!(drawn("\"StartAt\"").get("current"), Some(&Json::Null));
    // What cannot be read is not drawn.
    client.replace(uri, 2, "{\"States\": {}}");
    assert!(client.request("stepwright/graph", at(uri, "", 0)).is_null());
    assert!(client.leave());
}

#[test]
fn a_test_elsewhere_is_found_by_what_it_names() {
    let folder = Folder::new("elsewhere");
    std::fs::rename(folder.path.join("pay.test.yaml"), folder.path.join("x")).unwrap();
    std::fs::create_dir(folder.path.join("tests")).unwrap();
    folder.write("tests/other.test.yaml", &format!("definition: ../pay.asl.json\n{TESTS}"));
    folder.write("tests/foreign.test.yaml", "definition: ../../pay.asl.json\ncases: []\n");
    assert!(Path::new(&folder.path).is_absolute());
    let mut client = Client::start();
    client.open(&folder.machine, MACHINE);
    let shown = hover(&mut client, &folder.machine, MACHINE, "$.id\"");
    assert_eq!(shown, "In the test *it is paid*, `$.id` is `7`");
    assert!(client.leave());
}
