//! `stepwright dev` on templates, `[resources]`, and files that come and go.

use crate::support::{Client, Server, await_file, await_line, text, write};
use stepwright_json::{Json, json};

const TEMPLATE: &str = r#"
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.12, Handler: app.handler, Timeout: 20}
Resources:
  Parcels: {Type: AWS::SQS::Queue, Properties: {QueueName: parcels}}
  Common: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layer}}
  Price:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: price, Layers: [!Ref Common]}
  Pack:
    Type: AWS::Serverless::Function
    Properties:
      Handler: index.handler
      InlineCode: |
        import json, os
        def handler(event, context):
            failed = []
            for record in event["Records"]:
                body = json.loads(record["body"])
                if body["order"] == "bad" and record["attributes"]["ApproximateReceiveCount"] == "1":
                    failed.append({"itemIdentifier": record["messageId"]})
                    continue
                open(os.environ["MARKS"] + "/" + body["order"], "a").write(record["eventSourceARN"])
            return {"batchItemFailures": failed}
      Environment: {Variables: {MARKS: MARKS_FOLDER}}
      Events:
        Parcel:
          Type: SQS
          Properties: {Queue: !GetAtt Parcels.Arn, FunctionResponseTypes: [ReportBatchItemFailures]}
  Foreign: {Type: AWS::Serverless::Function, Properties: {Runtime: java21, CodeUri: price}}
  Order:
    Type: AWS::Serverless::StateMachine
    Properties:
      DefinitionUri: definitions/order.json
      AutoPublishAlias: live
      DefinitionSubstitutions: {Price: !GetAtt Price.Arn, Queue: !Ref Parcels}
"#;

const ORDER: &str = r#"{
  "StartAt": "Price",
  "States": {
    "Price": {"Type": "Task", "Resource": "${Price}", "ResultPath": "$.price", "Next": "Send"},
    "Send": {
      "Type": "Task",
      "Resource": "arn:aws:states:::sqs:sendMessage",
      "Parameters": {"QueueUrl": "${Queue}", "MessageBody": {"order.$": "$.id"}},
      "ResultPath": null,
      "End": true
    }
  }
}"#;

const CONFIG: &str = r#"
[resources.Kept]
type = "AWS::DynamoDB::Table"
[resources.Kept.properties]
TableName = "kept"
AttributeDefinitions = [{ AttributeName = "id", AttributeType = "S" }]
KeySchema = [{ AttributeName = "id", KeyType = "HASH" }]
"#;

const PASS: &str = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}"#;

/// Runs an execution to its end, which must be good. Returns its output.
#[track_caller]
fn run(client: &Client, machine: &str, input: &Json) -> Json {
    let arn = format!("arn:aws:states:us-east-1:123456789012:stateMachine:{machine}");
    let ended = client.end(&client.start(&arn, &input.to_string()));
    assert_eq!(text(&ended, "status"), "SUCCEEDED", "{ended}");
    stepwright_json::parse(&text(&ended, "output")).expect("it is JSON")
}

#[test]
fn a_template_is_served_as_it_is_and_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let marks = folder.join("marks");
    std::fs::create_dir(&marks).expect("it can be made");
    let template = TEMPLATE.replace("MARKS_FOLDER", &marks.display().to_string());
    write(&folder.join("template.yaml"), &template);
    write(&folder.join("definitions/order.json"), ORDER);
    write(&folder.join("layer/python/prices.py"), "TEA = 4\n");
    let price =
        "import prices\ndef handler(event, context):\n    return event['count'] * prices.TEA\n";
    write(&folder.join("price/app.py"), price);
    write(&folder.join("stepwright.toml"), CONFIG);
    write(&folder.join("plain.asl.json"), PASS);
    std::fs::create_dir(folder.join("tmp")).expect("it can be made");
    let (server, lines) = Server::dev(&["--verbose"], folder);
    let client = server.client();
    await_line(&lines, &["created DynamoDB::Table kept", "stepwright.toml"]);
    await_line(&lines, &["created SQS::Queue parcels (template.yaml)"]);
    await_line(&lines, &["created Order (template.yaml)"]);
    await_line(&lines, &["created plain (plain.asl.json)"]);

    // The machine, the function with its layer, and the queue as the source of another function.
    let output = run(&client, "Order:live", &json!({"id": "o-1", "count": 3}));
    assert_eq!(output.get("price"), Some(&Json::Int(12)));
    await_line(&lines, &["Order ", " started"]);
    await_line(&lines, &["Price answered in ", " MB"]);
    await_line(&lines, &["Order ", " succeeded after "]);
    let arn = await_file(&marks.join("o-1"));
    assert_eq!(arn, "arn:aws:sqs:us-east-1:123456789012:parcels");

    // What the template names is followed: the definition, the code, what is new, what is gone.
    write(&folder.join("definitions/order.json"), &ORDER.replace("\"$.price\"", "\"$.costs\""));
    await_line(&lines, &["updated Order (template.yaml)"]);
    write(&folder.join("price/app.py"), &price.replace("prices.TEA", "5"));
    await_line(&lines, &["reloaded the functions"]);
    let output = run(&client, "Order", &json!({"id": "o-2", "count": 3}));
    assert_eq!(output.get("costs"), Some(&Json::Int(15)));
    write(
        &folder.join("template.yaml"),
        &template.replace("QueueName: parcels", "QueueName: parcels, VisibilityTimeout: 1"),
    );
    await_line(&lines, &["updated SQS::Queue parcels (template.yaml)"]);
    // A message that the function has not handled is there again.
    run(&client, "Order", &json!({"id": "bad", "count": 1}));
    await_file(&marks.join("bad"));
    write(&folder.join("new.asl.json"), PASS);
    await_line(&lines, &["created new (new.asl.json)"]);
    std::fs::rename(folder.join("plain.asl.json"), folder.join("other.asl.json"))
        .expect("it moves");
    await_line(&lines, &["created other (other.asl.json)"]);
    await_line(&lines, &["deleted plain: plain.asl.json is gone"]);
    let listed = client.ok("ListStateMachines", &[]);
    let machines = listed.get("stateMachines").and_then(Json::as_array).expect("it has them");
    let mut names: Vec<String> = machines.iter().map(|machine| text(machine, "name")).collect();
    names.sort();
    assert_eq!(names, ["Order", "new", "other"]);
    assert!(server.stop());
}

#[test]
fn a_file_that_is_not_there_is_a_mistake() {
    let folder = tempfile::tempdir().expect("a folder");
    let binary = env!("CARGO_BIN_EXE_stepwright");
    for (arguments, why) in [
        (&["dev", "nowhere.asl.json"][..], "cannot read nowhere.asl.json"),
        (&["dev"][..], "there is no *.asl.json, *.asl.yaml, template.yaml"),
        (&["dev", "."][..], ". holds no definition"),
    ] {
        let mut command = std::process::Command::new(binary);
        let output = command.args(arguments).args(["--listen", "127.0.0.1:0"]);
        let output = output.current_dir(folder.path()).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(why), "{arguments:?}: {said}");
    }
}
