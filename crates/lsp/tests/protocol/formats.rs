//! All formats that `check` reads: YAML, templates, output of the CDK, serverless files, projects.

use crate::client::{Client, at, codes, edited, edits_of, labels};
use stepwright_json::{Json, json};

fn place(text: &str, what: &str) -> usize {
    text.find(what).unwrap_or_else(|| panic!("{what} is in {text}"))
}

/// Renames what stands at a place.
fn rename(client: &mut Client, uri: &str, text: &str, offset: usize, name: &str) -> String {
    let mut params = at(uri, text, offset);
    if let Json::Object(object) = &mut params {
        object.insert("newName", name.into());
    }
    let edit = client.request("textDocument/rename", params);
    edited(text, &edits_of(&edit, uri))
}

/// The text after the first quick fix of each diagnostic at a place.
fn fixed(client: &mut Client, uri: &str, text: &str, offset: usize) -> Vec<(String, String)> {
    let position = at(uri, text, offset).get("position").unwrap().clone();
    let range = json!({"start": (position.clone()), "end": position});
    let context = json!({"diagnostics": [], "only": ["quickfix"]});
    let params = json!({"textDocument": {"uri": uri}, "range": range, "context": context});
    let actions = client.request("textDocument/codeAction", params);
    let action = |action: &Json| {
        let title = action.get("title").unwrap().as_str().unwrap().to_owned();
        (title, edited(text, &edits_of(action.get("edit").unwrap(), uri)))
    };
    actions.as_array().unwrap().iter().map(action).collect()
}

#[test]
fn yaml_with_anchors() {
    const URI: &str = "file:///project/a.asl.yaml";
    let text = "\
StartAt: Work   # here it begins
States:
  Work:
    Type: Task
    Resource: arn:aws:states:::lambda:invoke
    Parameters: {FunctionName: f}
    Retry: &again
      - ErrorEquals: [States.ALL]
    Next: More
  More:
    Type: Task
    Resource: arn:aws:states:::lambda:invoke
    Parameters: {FunctionName: f}
    Retry: *again
    Catch: &caught
      - ErrorEquals: [States.ALL]
        Next: Bad
    Next: Last
  Last:
    Type: Task
    Resource: arn:aws:states:::lambda:invoke
    Parameters: {FunctionName: f}
    Catch: *caught
    Next: Godo
  Good: {Type: Succeed}
  Bad: {Type: Fail}
";
    let mut client = Client::start();
    client.open(URI, text);
    let found = client.diagnostics(URI);
    assert!(codes(&found).contains(&"MISSING_TRANSITION_TARGET"), "{found:?}");
    let mended = text.replace("Godo", "Good");
    let fixes = fixed(&mut client, URI, text, place(text, "Godo"));
    assert_eq!(fixes, [("Change to `Good`".to_owned(), mended.clone())]);
    client.replace(URI, 2, &mended);
    assert!(!codes(&client.diagnostics(URI)).contains(&"MISSING_TRANSITION_TARGET"));
    // What the anchor and the alias share is changed once.
    let renamed = rename(&mut client, URI, &mended, place(&mended, "Bad: {") + 1, "So: bad");
    let expected = mended.replace("Next: Bad", "Next: \"So: bad\"");
    assert_eq!(renamed, expected.replace("Bad: {", "\"So: bad\": {"));
    for (typed, expected) in [
        ("    Next: |\n", "Last"),
        ("    |\n", "Next"),
        ("    Ne|\n", "Next"),
        ("    Next: L|\n", "Last"),
    ] {
        let marked = mended.replacen("    Next: Last\n", typed, 1);
        let offset = place(&marked, "|");
        let typed = marked.replacen('|', "", 1);
        client.replace(URI, 3, &typed);
        let items = client.completion(URI, &typed, offset);
        let item = items.iter().find(|item| item.get("label").unwrap().as_str() == Some(expected));
        let edit = item.unwrap_or_else(|| panic!("{expected} of {:?}", labels(&items)));
        let done = edited(&typed, &[edit.get("textEdit").unwrap().clone()]);
        let line = if expected == "Next" { "    Next: \n" } else { "    Next: Last\n" };
        assert_eq!(done, mended.replacen("    Next: Last\n", line, 1));
        let document = json!({"textDocument": {"uri": URI}});
        let symbols = client.request("textDocument/documentSymbol", document);
        assert_eq!(symbols.as_array().unwrap().len(), 5, "{typed}");
    }
    let bare = mended.replace("    Next: Last\n", "");
    client.replace(URI, 4, &bare);
    let fixes = fixed(&mut client, URI, &bare, place(&bare, "  More:\n") + 12);
    let added = bare.replace("  More:\n", "  More:\n    Next: Last\n");
    assert_eq!(fixes[0], ("Add `\"Next\": \"Last\"`".to_owned(), added));
    assert!(client.leave());
}

#[test]
fn templates_and_the_files_they_name() {
    let folder = std::env::temp_dir().join(format!("stepwright-lsp-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("machines")).unwrap();
    let definition = r#"{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "${WorkerArn}", "Next": "B"}}}"#;
    std::fs::write(folder.join("machines/a.asl.json"), definition).unwrap();
    let uri = format!("file://{}/template.yaml", folder.display());
    let other = format!("file://{}/machines/a.asl.json", folder.display());
    let text = "\
Transform: AWS::Serverless-2016-10-31
Resources:
  Named:
    Type: AWS::Serverless::StateMachine
    Properties:
      DefinitionUri: machines/a.asl.json
      DefinitionSubstitutions:
        WorkerArn: !GetAtt Worker.Arn
  Inline:
    Type: AWS::Serverless::StateMachine
    Properties:
      Definition:
        StartAt: One
        States:
          One: {Type: Pass, Next: Tow}
          Two: {Type: Succeed}
  Written:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      DefinitionString: !Sub |
        {
          \"StartAt\": \"Go\",
          \"States\": {
            \"Go\": {\"Type\": \"Pass\", \"Next\": \"Stop\"},
            \"Stop\": {\"Type\": \"Pass\"}
          }
        }
";
    let mut client = Client::start();
    client.open(&uri, text);
    // The file that is named has its own diagnostics.
    let (mut own, mut named) = (Vec::new(), Vec::new());
    while own.is_empty() || named.is_empty() {
        let message = client.read();
        let Some(params) = message.get("params") else { continue };
        let found = params.get("diagnostics").unwrap().as_array().unwrap().to_vec();
        match params.get("uri").unwrap().as_str().unwrap() {
            found_uri if found_uri == uri => own = found,
            found_uri if found_uri == other => named = found,
            found_uri => panic!("{found_uri}"),
        }
    }
    assert!(codes(&named).contains(&"MISSING_TRANSITION_TARGET"), "{named:?}");
    assert!(codes(&own).contains(&"MISSING_TRANSITION_TARGET"), "{own:?}");
    let fixes = fixed(&mut client, &uri, text, place(text, "Tow"));
    assert!(fixes.contains(&("Change to `Two`".to_owned(), text.replace("Tow", "Two"))));
    let fixes = fixed(&mut client, &uri, text, place(text, "\"Stop\": {") + 9);
    let ended = text.replace("{\"Type\": \"Pass\"}", "{\"Type\": \"Pass\", \"End\": true}");
    assert!(fixes.contains(&("Add `\"End\": true`".to_owned(), ended)), "{fixes:?}");
    let renamed = rename(&mut client, &uri, text, place(text, "\"Stop\"}") + 2, "The end");
    assert_eq!(renamed, text.replace("\"Stop\"", "\"The end\""));
    let typed = text.replace("\"Next\": \"Stop\"", "\"Next\": \"\"");
    client.replace(&uri, 2, &typed);
    let items = client.completion(&uri, &typed, place(&typed, "\"Next\": \"\"") + 9);
    assert_eq!(labels(&items)[0], "Stop");
    let links = client
        .request("textDocument/documentLink", json!({"textDocument": {"uri": (uri.as_str())}}));
    assert_eq!(links.at(0).unwrap().get("target").unwrap().as_str(), Some(other.as_str()));
    let definition_of = place(&typed, "machines/a") + 2;
    let definition = client.at("textDocument/definition", &uri, &typed, definition_of);
    assert_eq!(definition.at(0).unwrap().get("uri").unwrap().as_str(), Some(other.as_str()));
    // What is typed into the other file counts for the template.
    let mended = r#"{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "${WorkerArn}", "End": true}}}"#;
    client.open(&other, mended);
    loop {
        let found = client.diagnostics(&other);
        if !codes(&found).contains(&"MISSING_TRANSITION_TARGET") {
            break;
        }
    }
    let symbols = client
        .request("textDocument/documentSymbol", json!({"textDocument": {"uri": (uri.as_str())}}));
    assert_eq!(symbols.as_array().unwrap().len(), 2);
    assert!(client.leave());
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn output_of_the_cdk() {
    const URI: &str = "file:///project/cdk.out/Stack.template.json";
    let text = r#"{
 "Resources": {
  "Machine": {
   "Type": "AWS::StepFunctions::StateMachine",
   "Properties": {
    "DefinitionString": {
     "Fn::Join": ["", [
      "{\"StartAt\":\"Go\",\"States\":{\"Go\":{\"Type\":\"Task\",\"Resource\":\"",
      {"Ref": "Worker"},
      "\",\"Next\":\"Sotp\"},\"Stop\":{\"Type\":\"Succeed\"}}}"
     ]]
    }
   }
  }
 }
}
"#;
    let mut client = Client::start();
    client.open(URI, text);
    let found = client.diagnostics(URI);
    assert!(codes(&found).contains(&"MISSING_TRANSITION_TARGET"), "{found:?}");
    let mended = text.replace("Sotp", "Stop");
    let fixes = fixed(&mut client, URI, text, place(text, "Sotp"));
    assert!(fixes.contains(&("Change to `Stop`".to_owned(), mended.clone())), "{fixes:?}");
    client.replace(URI, 2, &mended);
    let renamed = rename(&mut client, URI, &mended, place(&mended, "Stop") + 1, "The \"end\"");
    assert_eq!(renamed, mended.replace("\\\"Stop\\\"", r#"\"The \\\"end\\\"\""#));
    let typed = text.replace("Sotp", "");
    client.replace(URI, 3, &typed);
    let items = client.completion(URI, &typed, place(&typed, "\\\"Next\\\":\\\"") + 11);
    let edit = items[0].get("textEdit").unwrap().clone();
    assert_eq!(edited(&typed, &[edit]), mended);
    assert!(client.leave());
}

#[test]
fn what_is_allowed_is_not_said() {
    const URI: &str = "file:///project/allowed.asl.yaml";
    let task = "Type: Task, Resource: 'arn:aws:states:::sqs:sendMessage', End: true";
    let task = format!("{{{task}, Parameters: {{QueueUrl: q, MessageBody: b}}}}");
    let text = format!("StartAt: A\nStates:\n  A: {task}\n");
    let mut client = Client::start();
    client.open(URI, &text);
    assert_eq!(codes(&client.diagnostics(URI)), ["unhandled-error"]);
    let allowed = text.replace("  A:", "  # stepwright: allow unhandled-error\n  A:");
    client.replace(URI, 2, &allowed);
    assert_eq!(codes(&client.diagnostics(URI)), [] as [&str; 0]);
    assert!(client.leave());
}

#[test]
fn serverless_files() {
    const URI: &str = "file:///project/serverless.yml";
    let text = "\
service: orders
provider: {name: aws}
stepFunctions:
  stateMachines:
    order:
      definition:
        StartAt: One
        States:
          One: {Type: Pass, Next: Two}
          Two: {Type: Pass, Ned: true}
";
    let mut client = Client::start();
    client.open(URI, text);
    let found = client.diagnostics(URI);
    assert!(codes(&found).contains(&"SCHEMA_VALIDATION_FAILED"), "{found:?}");
    let fixes = fixed(&mut client, URI, text, place(text, "Ned"));
    assert!(fixes.contains(&("Change to `End`".to_owned(), text.replace("Ned", "End"))));
    let renamed = rename(&mut client, URI, text, place(text, "Two}") + 1, "Last");
    assert_eq!(renamed, text.replace("Two", "Last"));
    let items = client.completion(URI, text, place(text, "Two}"));
    assert_eq!(labels(&items)[0], "Two");
    assert!(client.leave());
}

#[test]
fn projects_of_fluxio() {
    const URI: &str = "file:///project/orders/project.sfn";
    let text = "@state_machine()\ndef main(data):\n    data[\"a\"] = work(\n";
    let mut client = Client::start();
    client.open(URI, text);
    let found = client.diagnostics(URI);
    assert!(!found.is_empty());
    let line = found[0].get("range").unwrap().get("start").unwrap().get("line").unwrap();
    assert!(line.as_i64().unwrap() >= 1, "{found:?}");
    // Nothing but diagnostics is known of Python, and nothing fails.
    assert!(client.completion(URI, text, 40).is_empty());
    assert!(client.at("textDocument/hover", URI, text, 20).is_null());
    assert!(client.leave());
}

#[test]
fn marks_at_the_beginning_and_other_line_breaks() {
    const URI: &str = "file:///project/a.asl.json";
    let text = "\u{feff}{\r\n  \"StartAt\": \"😀\",\r\n  \"States\": {\"😀\": {\"Type\": \"Pass\", \"Ned\": true}}\r\n}\r\n";
    let mut client = Client::start();
    client.open(URI, text);
    let found = client.diagnostics(URI);
    let start = found[0].get("range").unwrap().get("start").unwrap();
    let start = (start.get("line").unwrap().as_i64(), start.get("character").unwrap().as_i64());
    assert!(
        found
            .iter()
            .any(|one| one.get("code").unwrap().as_str() == Some("SCHEMA_VALIDATION_FAILED"))
    );
    assert_eq!(start.0, Some(2), "{found:?}");
    let fixes = fixed(&mut client, URI, text, place(text, "Ned"));
    assert!(
        fixes.contains(&("Change to `End`".to_owned(), text.replace("Ned", "End"))),
        "{fixes:?}"
    );
    let renamed = rename(&mut client, URI, text, place(text, "😀") + 1, "B");
    assert_eq!(renamed, text.replace('😀', "B"));
    assert!(client.leave());
}
