//! Templates: what becomes of their functions, names and places.

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
