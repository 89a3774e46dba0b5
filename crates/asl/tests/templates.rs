//! Templates: how their functions, names and places are handled.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use stepwright_asl::{LoadOptions, Loaded, load};
use stepwright_json::tree::Node;

fn read(text: &str, values: &[(&str, &str)]) -> Loaded {
    let values: BTreeMap<String, String> =
        values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let file = |path: &str| match path {
        "one.asl.json" => Ok(br#"{"StartAt": "A", "Comment": "${Fn}"}"#.to_vec()),
        _ => Err("no such file".to_owned()),
    };
    let options = LoadOptions {
        file: "machines/template.yaml",
        values: Some(&values),
        read: Some(&file),
        ..LoadOptions::default()
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
    assert!(!loaded.has_errors(), "{complaints:?}");
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
        IncludeExecutionData: "true"
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

/// The codes and the texts of what is said of a template, and whether each is an error.
fn said(loaded: &Loaded) -> Vec<(bool, &str, &str)> {
    let complaints = loaded.complaints.iter().map(|complaint| {
        let diagnostic = &complaint.diagnostic;
        let place = diagnostic.span.map_or("", |span| &complaint.text[span.range()]);
        (diagnostic.is_error(), diagnostic.code, place)
    });
    complaints.collect()
}

#[test]
fn placeholders_without_a_value_are_named() {
    let machine = |properties: &str| {
        format!(
            "Resources:\n  M:\n    Type: AWS::StepFunctions::StateMachine\n    Properties:\n{properties}"
        )
    };
    let text = machine(
        "      DefinitionSubstitutions: {WorkerArn: !GetAtt Worker.Arn, Unused: x}\n      \
         Definition: {Comment: '${WorkrArn} ${WorkerArn}'}\n",
    );
    let loaded = read(&text, &[]);
    let expected = [
        (false, "unknown-substitution", "'${WorkrArn} ${WorkerArn}'"),
        (false, "unused-substitution", "Unused"),
    ];
    assert_eq!(said(&loaded), expected);
    let help = loaded.complaints[0].diagnostic.help.as_deref();
    assert_eq!(help, Some("did you mean `${WorkerArn}`?"));
    let definition = &loaded.definitions[0].definition;
    assert!(!definition.has_placeholder("arn:${WorkrArn}"));
    assert!(definition.has_placeholder("${Worker.Arn}"));

    // A text without `Fn::Sub` reaches AWS as it is; one that is meant to is not complained of.
    let text = machine("      DefinitionString: '{\"Comment\": \"${Worker.Arn}\"}'\n");
    assert_eq!(said(&read(&text, &[])), [(false, "unknown-substitution", "${Worker.Arn}")]);
    let text =
        machine("      DefinitionString: !Sub '{\"Comment\": \"${!Kept} ${Worker.Arn}\"}'\n");
    let loaded = read(&text, &[]);
    assert_eq!(said(&loaded), []);
    assert!(!loaded.definitions[0].definition.has_placeholder("${Kept}"));
    // A macro may fill in anything.
    let text = format!("Transform: [Mine]\n{}", machine("      Definition: {Comment: '${x}'}\n"));
    assert_eq!(said(&read(&text, &[])), []);
}

#[test]
fn texts_within_a_template_are_strict_json() {
    let text = "Resources:\n  M:\n    Type: AWS::StepFunctions::StateMachine\n    Properties:\n      \
                DefinitionString: |\n        {\"StartAt\": \"A\",}\n";
    assert_eq!(said(&read(text, &[]))[0].1, "INVALID_JSON_DESCRIPTION");
    let file =
        load(b"{\"StartAt\": \"A\",}", &LoadOptions { file: "a.json", ..LoadOptions::default() });
    assert_eq!(said(&file)[0].1, "json-with-comments");
}

#[test]
fn functions_give_values_of_any_kind() {
    let definition = |text: &str| {
        let text = format!(
            "Mappings: {{Waits: {{dev: {{seconds: 7}}}}}}\nConditions: {{Is: !Equals [a, b]}}\n\
             Resources:\n  M:\n    Type: AWS::StepFunctions::StateMachine\n    Properties:\n      \
             Definition:\n{text}"
        );
        let loaded = read(&text, &[]);
        assert_eq!(said(&loaded), [], "{text}");
        let other = loaded.definitions[0].alternative.as_ref().map(|one| one.to_json().to_string());
        (loaded.definitions[0].definition.to_json().to_string(), other)
    };
    let (json, other) =
        definition("        States: !If [Is, {A: {Type: Pass}}, {B: {Type: Fail}}]\n");
    assert_eq!(json, r#"{"States":{"B":{"Type":"Fail"}}}"#);
    assert_eq!(other.unwrap(), r#"{"States":{"A":{"Type":"Pass"}}}"#);
    let (json, other) = definition("        Seconds: !FindInMap [Waits, dev, seconds]\n");
    assert_eq!((json.as_str(), other), (r#"{"Seconds":7}"#, None));
    let (json, _) = definition("        Comment: !If [Is, x, !Ref AWS::NoValue]\n        X: 1\n");
    assert_eq!(json, r#"{"X":1}"#);
    let (json, _) =
        definition("        Text: {'Fn::ToJsonString': {a: [1, !Sub '${AWS::Region}']}}\n");
    assert_eq!(json, r#"{"Text":"{\"a\":[1,\"us-east-1\"]}"}"#);
    let (json, _) = definition(
        "        States:\n          Fn::ForEach::Steps:\n            - Step\n            - [One, Two]\n            \
         - Do${Step}: {Type: Pass, Result: !Sub 'at ${Step}'}\n",
    );
    let expected = r#"{"States":{"DoOne":{"Type":"Pass","Result":"at One"},"DoTwo":{"Type":"Pass","Result":"at Two"}}}"#;
    assert_eq!(json, expected);
}

#[test]
fn serverless_files_lead_to_others() {
    let read = |path: &str| match path {
        "machines.yml" => Ok(b"stateMachines:\n  flow: ${file(flow.yml)}\n".to_vec()),
        "flow.yml" => {
            Ok(b"definition: {StartAt: A, States: {A: {Type: Pass, Next: Nope}}}\n".to_vec())
        }
        "list.yml" => Ok(b"other: {name: o, definition: {StartAt: B}}\n".to_vec()),
        "loop.yml" => Ok(b"${file(loop.yml)}".to_vec()),
        _ => Err("no such file".to_owned()),
    };
    let names = |text: &str| {
        let options =
            LoadOptions { file: "svc/serverless.yml", read: Some(&read), ..LoadOptions::default() };
        let loaded = load(text.as_bytes(), &options);
        let names = loaded.definitions.iter().map(|one| {
            let name = one.logical_id.clone().unwrap_or_default();
            let start = one.definition.root.get("StartAt").and_then(Node::as_str);
            format!("{name} {} {}", start.unwrap_or_default(), one.file)
        });
        let said = loaded.complaints.iter().map(|one| one.diagnostic.message.clone());
        names.chain(said).collect::<Vec<_>>()
    };
    assert_eq!(names("stepFunctions: ${file(./machines.yml)}"), ["flow A svc/flow.yml"]);
    assert_eq!(
        names("stepFunctions: {stateMachines: ['${file(./machines.yml)}', '${file(list.yml)}']}"),
        ["flow A svc/flow.yml", "other B svc/list.yml"]
    );
    assert_eq!(
        names(
            "custom: {all: {a: {definition: {StartAt: C}}}}\nstepFunctions: {stateMachines: '${self:custom.all}'}"
        ),
        ["a C svc/serverless.yml"]
    );
    assert_eq!(names("stateMachines: {a: {definition: {StartAt: C}}}"), ["a C svc/serverless.yml"]);
    let why = "State machines of the Serverless Framework cannot be read: ";
    assert_eq!(names("stepFunctions: ${file(none.yml)}"), [format!("{why}no such file")]);
    assert_eq!(
        names("stepFunctions: ${file(loop.yml)}"),
        [format!("{why}it leads from file to file without an end")]
    );
    let opt = "stepFunctions: {stateMachines: '${opt:all}'}";
    let known = "only the Serverless Framework knows the value of `${opt:all}`";
    assert_eq!(names(opt), [format!("{why}{known}")]);
}

#[test]
fn terraform_is_read_where_it_is_a_text() {
    let said = |text: &str| {
        let loaded =
            load(text.as_bytes(), &LoadOptions { file: "main.tf", ..LoadOptions::default() });
        let names: Vec<_> =
            loaded.definitions.iter().filter_map(|one| one.logical_id.clone()).collect();
        let codes: Vec<_> = loaded.complaints.iter().map(|one| one.diagnostic.code).collect();
        (names, codes)
    };
    let text = "resource \"aws_sfn_state_machine\" \"m\" {\n  definition = <<-EOF\n  {\"StartAt\": \"${x}\"}\n  EOF\n}\n";
    assert_eq!(said(text), (vec!["m".to_owned()], vec![]));
    let text = "resource \"aws_sfn_state_machine\" \"m\" {\n  definition = jsonencode({\n    StartAt = \"A\"\n  })\n}\n";
    assert_eq!(said(text), (vec![], vec!["terraform"]));
    assert_eq!(said("variable \"a\" {}\n"), (vec![], vec!["no-state-machine"]));
}

#[test]
fn bare_placeholders_are_named() {
    let text = b"{\"A\": ${first}, \"B\": \"${fine}\", \"C\": [${second}]}";
    let loaded = load(text, &LoadOptions { file: "a.asl.json", ..LoadOptions::default() });
    let expected = [
        (true, "INVALID_JSON_DESCRIPTION", "${first}"),
        (true, "INVALID_JSON_DESCRIPTION", "${second}"),
    ];
    assert_eq!(said(&loaded), expected);
    let why = stepwright_asl::print(std::str::from_utf8(text).unwrap(), "a.asl.json").unwrap_err();
    assert!(why.to_string().contains("${first}"), "{why}");
}
