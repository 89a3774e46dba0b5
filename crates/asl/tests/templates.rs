//! Templates: how their functions, names and places are handled.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use stepwright_asl::{LoadOptions, Loaded, load};
use stepwright_json::tree::Node;

fn read(text: &str, values: &[(&str, &str)]) -> Loaded {
    let values: BTreeMap<String, String> =
        values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let file = |path: &str| match path {
        "machines/one.asl.json" => Ok(br#"{"StartAt": "A", "Comment": "${Fn}"}"#.to_vec()),
        _ => Err("no such file".to_owned()),
    };
    let options = LoadOptions {
        file: "machines/template.yaml",
        values: Some(&values),
        read: Some(&file),
        machine_arn: None,
    };
    load(text.as_bytes(), &options)
}

#[track_caller]
fn check(properties: &str, values: &[(&str, &str)], expected: &str) {
    let text = format!(
        "Parameters:\n  Stage: {{Type: String, Default: dev}}\n\
         Mappings:\n  Zones: {{dev: {{zone: z1}}}}\n\
         Conditions:\n  IsProd: !Equals [!Ref Stage, prod]\n\
         Resources:\n  Machine:\n    Type: AWS::Serverless::StateMachine\n    Properties:\n{properties}"
    );
    let loaded = read(&text, values);
    let complaints: Vec<_> = loaded.complaints.iter().map(|c| &c.diagnostic).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    let root = &loaded.definitions[0].definition.root;
    let found = root.get("Comment").and_then(Node::as_str).unwrap_or_default();
    assert_eq!(found, expected, "{properties}");
}

#[test]
fn functions() {
    let definition = |comment: &str| format!("      Definition:\n        Comment: {comment}\n");
    check(&definition("!Ref Stage"), &[], "dev");
    check(&definition("!Ref Stage"), &[("Stage", "prod")], "prod");
    check(&definition("!Ref Table"), &[], "${Table}");
    check(&definition("!GetAtt Worker.Arn"), &[], "${Worker.Arn}");
    check(&definition("!GetAtt Worker.Arn"), &[("Worker.Arn", "arn:x")], "arn:x");
    check(&definition("!Sub 'a-${Stage}-${AWS::Region}-${!Kept}'"), &[], "a-dev-us-east-1-${Kept}");
    check(&definition("!Sub ['${X}-${Stage}', {X: !Ref Stage}]"), &[], "dev-dev");
    check(&definition("!Join ['-', [a, !Ref Stage]]"), &[], "a-dev");
    check(&definition("!Select [1, !Split [',', 'a,b']]"), &[], "b");
    check(&definition("!FindInMap [Zones, !Ref Stage, zone]"), &[], "z1");
    check(&definition("!If [IsProd, p, d]"), &[], "d");
    check(&definition("!If [IsProd, p, d]"), &[("Stage", "prod")], "p");
    check(&definition("!ImportValue Shared"), &[], "${Shared}");
}

#[test]
fn substitutions() {
    let with = |value: &str, comment: &str| {
        format!(
            "      DefinitionSubstitutions: {{Name: {value}}}\n      Definition: {{Comment: '{comment}'}}\n"
        )
    };
    check(&with("!Ref Stage", "${Name}-${Other}"), &[], "dev-${Other}");
    check(&with("!Ref Name", "${Name}"), &[], "${Name}");
    check(&with("!Sub '${Name}-x'", "${Name}"), &[], "${Name}-x");
    check(&with("!GetAtt Worker.Arn", "${Name}"), &[("Name", "mine")], "mine");
    let uri =
        "      DefinitionUri: one.asl.json\n      DefinitionSubstitutions: {Fn: !GetAtt F.Arn}\n";
    check(uri, &[], "${F.Arn}");
}

#[test]
fn texts_with_places() {
    let text = "Resources:\n  M:\n    Type: AWS::StepFunctions::StateMachine\n    Properties:\n      \
                StateMachineName: orders\n      StateMachineType: EXPRESS\n      DefinitionString: !Sub |\n        \
                {\n          \"StartAt\": \"A\",\n          \"Comment\": \"${F.Arn}\"\n        }\n";
    let loaded = read(text, &[]);
    assert_eq!(loaded.complaints, []);
    let found = loaded.find(Some("orders")).unwrap();
    assert!(found.express);
    assert_eq!(found.logical_id.as_deref(), Some("M"));
    let root = &found.definition.root;
    let place = |key: &str| &text[root.get(key).unwrap().span.range()];
    assert_eq!(place("StartAt"), "\"A\"");
    assert_eq!(place("Comment"), "\"${F.Arn}\"");
}

#[test]
fn conditions_that_go_in_circles_end() {
    let mut text = "Conditions:\n".to_owned();
    for at in 0..60 {
        let next = (at + 1) % 60;
        writeln!(text, "  C{at}: !And [!Condition C{next}, !Condition C{next}]").unwrap();
    }
    text += "Resources:\n  M:\n    Type: AWS::Serverless::StateMachine\n    Properties:\n      \
             Definition: {Comment: !If [C0, a, b]}\n";
    let loaded = read(&text, &[]);
    assert_eq!(loaded.definitions.len(), 1);
}

const TWO: &str = r#"
Resources:
  Inner:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      StateMachineName: inner
      DefinitionString: '{"StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}'
  Outer:
    Type: AWS::Serverless::StateMachine
    Properties:
      Logging:
        Level: ALL
        IncludeExecutionData: true
        Destinations: [{CloudWatchLogsLogGroup: {LogGroupArn: !GetAtt Logs.Arn}}]
      Tracing: {Enabled: true}
      Definition:
        StartAt: N
        States:
          N:
            Type: Task
            Resource: arn:aws:states:::states:startExecution
            Parameters:
              StateMachineArn: !Ref Inner
              Name: !GetAtt Inner.Name
            End: true
"#;

#[test]
fn machines_of_a_template_know_one_another_where_they_are_run() {
    let arn = |name: &str| format!("arn:of:{name}");
    let options =
        LoadOptions { file: "two.yaml", machine_arn: Some(&arn), ..LoadOptions::default() };
    let loaded = load(TWO.as_bytes(), &options);
    let outer = loaded.find(Some("Outer")).expect("it is there");
    let text = outer.definition.root.to_json().to_string();
    assert!(text.contains(r#""StateMachineArn":"arn:of:inner","Name":"inner""#), "{text}");
    // Without the ARNs of machines, only a deployment knows the value.
    let loaded = load(TWO.as_bytes(), &LoadOptions { machine_arn: None, ..options });
    let outer = loaded.find(Some("Outer")).expect("it is there");
    let text = outer.definition.root.to_json().to_string();
    assert!(text.contains(r#""StateMachineArn":"${Inner}","Name":"${Inner.Name}""#), "{text}");
}

#[test]
fn logging_and_tracing_are_as_the_api_takes_them() {
    let loaded = load(TWO.as_bytes(), &LoadOptions { file: "two.yaml", ..LoadOptions::default() });
    let outer = loaded.find(Some("Outer")).expect("it is there");
    assert!(outer.is_traced);
    assert_eq!(
        outer.logging.as_ref().expect("it logs").to_string(),
        r#"{"level":"ALL","includeExecutionData":true,"destinations":[{"cloudWatchLogsLogGroup":{"logGroupArn":"arn:aws:logs:us-east-1:123456789012:log-group:Logs:*"}}]}"#
    );
    let inner = loaded.find(Some("inner")).expect("it is there");
    assert!(inner.logging.is_none() && !inner.is_traced);
}
