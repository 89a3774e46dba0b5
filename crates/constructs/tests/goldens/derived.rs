//! Compares policies derived from definitions alone with those that the CDK makes from its
//! constructs.

use super::compare::{folder, read};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use stepwright_constructs::{policy, template_from_definition};
use stepwright_json::{Json, json};

/// Examples in which a definition contains less information, or the CDK allows more than necessary.
const DIFFERENT: &[(&str, &str)] = &[
    ("001-08-", "the role of a transform job is its model's, which is elsewhere"),
    ("002-29-", "the role of a transform job is its model's, which is elsewhere"),
    ("001-21-", "an activity's ARN that is filled in could be a function's"),
    ("001-22b-", "an activity's ARN that is filled in could be a function's"),
    ("002-36-", "an activity's ARN that is filled in could be a function's"),
    ("t-StepFunctionsInvokeActivity", "an activity's ARN that is filled in could be a function's"),
    ("t-AthenaStartQueryExecution-RUN_JOB", "a job that is waited for has to be stopped, too"),
    ("t-CallApiGatewayHttpApiEndpoint", "a call without authorisation needs no permission"),
    ("x-18-", "the CDK leaves out what reading from a bucket by its name needs"),
    ("t-EventBridgeSchedulerCreateScheduleTask-RUN_JOB", "AWS has no such resource"),
    ("x-32-", "the definition is a template of one"),
    ("x-37-", "the definition is not valid"),
];

fn definitions() -> Vec<(String, PathBuf, Json)> {
    let Some(folder) = folder("cdk") else {
        println!("skipped: ../shared/goldens/cdk is not there");
        return Vec::new();
    };
    let entries = std::fs::read_dir(folder).expect("the folder can be read").flatten();
    let mut all: Vec<_> = entries
        .filter_map(|entry| {
            let definition = read(&entry.path().join("definition.asl.json"))?;
            Some((entry.file_name().to_string_lossy().into_owned(), entry.path(), definition))
        })
        .collect();
    all.sort_by(|(a, ..), (b, ..)| a.cmp(b));
    all
}

fn is_different(name: &str) -> bool {
    DIFFERENT.iter().any(|(known, _)| name.starts_with(known))
}

#[test]
fn a_definition_alone_says_what_its_role_needs() {
    let (mut agree, mut wrong) = (0, Vec::new());
    for (name, folder, definition) in definitions() {
        let derived = actions(&policy::from_definition(&definition, None).to_json(), "Statement");
        let golden = actions(&read(&folder.join("policy.json")).unwrap_or_default(), "statements");
        match (derived == golden, is_different(&name)) {
            (true, false) => agree += 1,
            (false, false) => wrong.push(format!("{name}: {derived:?} instead of {golden:?}")),
            _ => {}
        }
    }
    println!("{agree} policies read off definitions agree");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the CDK has no construct for.
#[test]
fn calls_over_http_need_what_aws_documents() {
    let allowed = |resource: &str, parameters: Json| {
        let definition = json!({"StartAt": "A", "States": {"A": {
            "Type": "Task", "Resource": (format!("arn:aws:states:::{resource}")),
            "Parameters": parameters, "End": true}}});
        policy::from_definition(&definition, None).to_json().to_string()
    };
    let connection = "arn:aws:events:us-east-1:1:connection/a/1";
    let http = json!({"ApiEndpoint": "https://a.example/b", "Method": "GET",
                      "InvocationConfig": {"ConnectionArn": connection}});
    let http = allowed("http:invoke", http);
    for part in [
        "states:InvokeHTTPEndpoint",
        "{\"StringLike\":{\"states:HTTPEndpoint\":\"https://a.example/b\"}}",
        "events:RetrieveConnectionCredentials",
        connection,
        "secretsmanager:GetSecretValue",
        "secretsmanager:DescribeSecret",
    ] {
        assert!(http.contains(part), "{part}: {http}");
    }
    let api = json!({"ApiEndpoint": "abc.execute-api.us-east-1.amazonaws.com", "Method": "GET",
                     "Stage": "prod", "Path": "pets", "AuthType": "IAM_ROLE"});
    let api = allowed("apigateway:invoke", api);
    assert!(api.contains(":abc/prod/GET/pets\""), "{api}");
    assert!(!allowed("eks:runJob.sync", json!({"ClusterName": "c"})).contains("eks:RunJob"));
}

/// The actions that statements allow, in lower case, because IAM ignores case.
fn actions(policy: &Json, key: &str) -> BTreeSet<String> {
    let statements = policy.get(key).and_then(Json::as_array).cloned().unwrap_or_default();
    let mut actions = BTreeSet::new();
    for statement in &statements {
        match statement.get("Action") {
            Some(Json::Array(all)) => {
                actions.extend(all.iter().filter_map(Json::as_str).map(str::to_lowercase));
            }
            Some(one) => actions.extend(one.as_str().map(str::to_lowercase)),
            None => {}
        }
    }
    actions
}

/// Writes templates of the definitions, for cfn-lint.
pub(crate) fn templates(to: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for (name, _, definition) in definitions() {
        if is_different(&name) || super::lint::UNKNOWN_TO_CFN_LINT.contains(&name.as_str()) {
            continue;
        }
        let (template, _) = template_from_definition("Machine", &definition)
            .unwrap_or_else(|misuses| panic!("{name}: {misuses}"));
        let file = to.join(format!("synth-{name}.json"));
        std::fs::write(&file, template.to_json().pretty()).expect("a template is written");
        files.push(file);
    }
    files
}
