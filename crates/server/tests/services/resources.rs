//! Every resource that the CDK writes, and every one in the corpus and the seeds: known, its
//! parameters checked, and routed to its service; or refused by name.

use crate::stub::{Reply, Stub, assembled, at, run_machine, start};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use stepwright_aws::shapes::{Kind, Reference};
use stepwright_aws::table::{self, Service};
use stepwright_aws::{integrations, names};
use stepwright_json::{Json, Object, json};
use stepwright_server::Api;

/// What does not call a service of the table: Lambda and Step Functions, which are here, and HTTP.
const HERE: [&str; 7] = [
    "apigateway:invoke",
    "aws-sdk:sfn:",
    "eks:call",
    "eks:runJob",
    "http:invoke",
    "lambda:invoke",
    "states:startExecution",
];

/// A resource in its parts: `sqs:sendMessage.waitForTaskToken`.
struct Parts<'r> {
    service: &'r str,
    action: &'r str,
    pattern: &'r str,
    is_sdk: bool,
}

impl<'r> Parts<'r> {
    fn of(resource: &'r str) -> Self {
        let (is_sdk, rest) = match resource.strip_prefix("aws-sdk:") {
            Some(rest) => (true, rest),
            None => (false, resource),
        };
        let (service, rest) = rest.split_once(':').unwrap_or((rest, ""));
        let (action, pattern) = rest.split_once('.').unwrap_or((rest, ""));
        Self { service, action, pattern, is_sdk }
    }

    /// Whether AWS has it.
    fn is_known(&self) -> bool {
        if !self.is_sdk {
            return integrations::knows(self.service, self.action, self.pattern);
        }
        let service = table::service(self.service).ok();
        let operation = service.and_then(|service| service.action(self.action).ok());
        operation.is_some_and(|operation| !operation.is_refused)
            && ["", "waitForTaskToken"].contains(&self.pattern)
    }

    /// Parameters with everything that must be given.
    fn parameters(&self) -> Json {
        let called = if self.is_sdk {
            let service = table::service(self.service).expect("it is known");
            Some((service, service.action(self.action).expect("it is known")))
        } else {
            integrations::operation(self.service, self.action)
        };
        if let Some((service, operation)) = called {
            let input = operation.input.as_ref();
            return input.map_or(json!({}), |input| sample(service, input, 0));
        }
        let own = integrations::own_parameters(self.service, self.action).expect("it has its own");
        let object = ["Step", "InstanceFleet", "InstanceGroup", "Job"];
        let value = |name: &str| match name {
            "TerminationProtected" => json!(true),
            "Method" => json!("GET"),
            "ApiEndpoint" => json!("https://api.example/orders"),
            name if object.contains(&name) => json!({}),
            _ => json!("x"),
        };
        let mut given: Object = own.required.iter().map(|name| (*name, value(name))).collect();
        match self.service {
            "bedrock" => drop(given.insert("Body", json!({}))),
            "http" => {
                let connection = "arn:aws:events:us-east-1:123456789012:connection/c/0";
                given.insert("Authentication", json!({"ConnectionArn": connection}));
            }
            _ => {}
        }
        given.into()
    }
}

/// A value with all that is required in it.
fn sample(service: &Service, reference: &Reference, depth: usize) -> Json {
    match &service.shape(reference).kind {
        Kind::Structure(structure) => {
            let required = structure
                .members
                .iter()
                .filter(|member| service.traits(&member.reference).is_required && depth < 8);
            let members = required.map(|member| {
                let name = names::member(service, structure, member);
                (name, sample(service, &member.reference, depth + 1))
            });
            Json::Object(members.collect())
        }
        Kind::List(_) => json!([]),
        Kind::Map(..) | Kind::Document => json!({}),
        Kind::String { values } => values.first().map_or(json!("x"), |value| value.clone().into()),
        Kind::Boolean => json!(true),
        Kind::Integer | Kind::Long | Kind::Float | Kind::Double => json!(1),
        Kind::Timestamp => json!("2024-01-01T00:00:00Z"),
        Kind::Blob => json!("x"),
    }
}

fn definition(arn: &str, parameters: &Json) -> Json {
    crate::stub::task(arn, parameters.clone())
}

/// What the API says to a definition.
async fn created(api: &Api, definition: &Json) -> Result<(), String> {
    let body = json!({"definition": (definition.to_string())});
    let answer = api.call("ValidateStateMachineDefinition", body).await.expect("it answers");
    match answer.get("result").and_then(Json::as_str) {
        Some("OK") => Ok(()),
        _ => Err(answer.get("diagnostics").map(ToString::to_string).unwrap_or_default()),
    }
}

pub(crate) fn shared() -> Option<PathBuf> {
    let shared = std::env::var_os("STEPWRIGHT_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    if !shared.is_dir() {
        println!("skipped: no shared data at {}", shared.display());
        return None;
    }
    Some(shared)
}

/// The resources in a text, from behind `states:::`.
fn resources_in(text: &str) -> BTreeSet<String> {
    let found = text.match_indices(":states:::").map(|(at, between)| {
        let rest = &text[at + between.len()..];
        let is_part = |c: char| c.is_ascii_alphanumeric() || ":.-".contains(c);
        rest.split(|c| !is_part(c)).next().unwrap_or_default().to_owned()
    });
    found.filter(|resource| resource.contains(':') && !resource.ends_with(':')).collect()
}

/// A service that has an answer to everything.
async fn everything(service: &str) -> Stub {
    Stub::start_all(&[service, "s3"], |operation, _, _| {
        let (_, name) = operation.split_once(':').unwrap_or_default();
        match name {
            "InvokeModel" => {
                Reply::Body(json!({"contentType": "application/json"}), b"{}".to_vec())
            }
            "ListInstanceFleets" => {
                Reply::Value(json!({"InstanceFleets": [{"Name": "x", "Id": "i"}]}))
            }
            "ListInstanceGroups" => {
                Reply::Value(json!({"InstanceGroups": [{"Name": "x", "Id": "i"}]}))
            }
            _ => Reply::Value(json!({})),
        }
    })
    .await
}

/// The service that a resource calls, in the words of AWS SDK integrations.
fn called(parts: &Parts<'_>) -> String {
    match (parts.is_sdk, parts.service, parts.action) {
        (true, service, _) => service.to_owned(),
        (false, "bedrock", "createModelCustomizationJob") => "bedrock".to_owned(),
        (false, service, _) => integrations::sdk_service(service).to_owned(),
    }
}

/// Follows a resource to the end. What is wrong with it, if anything is.
async fn follow(resource: &str) -> Result<&'static str, String> {
    let nowhere = assembled(at(&[]), None).await;
    let arn = format!("arn:aws:states:::{resource}");
    let parts = Parts::of(resource);
    if !parts.is_known() {
        return match created(&nowhere.api, &definition(&arn, &json!({}))).await {
            Err(why) if why.contains(resource) => Ok("refused"),
            other => Err(format!("{resource} is neither known nor refused by name: {other:?}")),
        };
    }
    let given = parts.parameters();
    created(&nowhere.api, &definition(&arn, &given)).await?;
    let mut unknown = given.as_object().cloned().unwrap_or_default();
    unknown.insert("Bogus", json!(1));
    match created(&nowhere.api, &definition(&arn, &unknown.into())).await {
        Err(why) if why.contains("Bogus") => {}
        other => return Err(format!("{resource} takes `Bogus`: {other:?}")),
    }
    if let Some(name) = given.as_object().and_then(|given| given.keys().next()) {
        let mut less = given.as_object().cloned().unwrap_or_default();
        less.remove(name);
        let is_made_up = name.to_lowercase().ends_with("token");
        match created(&nowhere.api, &definition(&arn, &less.into())).await {
            Err(why) if why.contains(name.as_str()) => {}
            Ok(()) if is_made_up || parts.service == "bedrock" => {}
            other => return Err(format!("{resource} goes without `{name}`: {other:?}")),
        }
    }
    if HERE.iter().any(|here| resource.starts_with(here)) {
        return Ok("here");
    }
    let stub = everything(&called(&parts)).await;
    let assembled = assembled(at(&[("default", &stub.url)]), None).await;
    let execution = start(&assembled.api, &definition(&arn, &given)).await;
    for _ in 0..500 {
        if !stub.calls().is_empty() {
            return Ok("called");
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let body = json!({"executionArn": execution});
    let now = assembled.api.call("DescribeExecution", body).await;
    Err(format!("{resource} is not called: {now:?}"))
}

async fn follow_all(resources: &BTreeSet<String>) -> [usize; 3] {
    let (mut counts, mut wrong) = ([0; 3], Vec::new());
    for resource in resources {
        match follow(resource).await {
            Ok("called") => counts[0] += 1,
            Ok("here") => counts[1] += 1,
            Ok(_) => counts[2] += 1,
            Err(why) => wrong.push(why),
        }
    }
    let [called, here, refused] = counts;
    println!("{called} are called, {here} are served here or over HTTP, {refused} are refused");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    counts
}

#[tokio::test]
async fn every_task_of_the_cdk_is_known_and_routed() {
    let Some(shared) = shared() else { return };
    let table = std::fs::read(shared.join("model/tasks-table.json")).expect("it is there");
    let table = stepwright_json::parse_bytes(&table).expect("it is JSON");
    let mut resources = BTreeSet::new();
    for task in table.get("tasks").and_then(Json::as_array).expect("tasks") {
        for pattern in task.get("patterns").and_then(Json::as_object).expect("patterns").values() {
            let resource = pattern.get("resource").map(ToString::to_string).unwrap_or_default();
            resources.extend(resources_in(&resource));
        }
    }
    let [called, here, refused] = follow_all(&resources).await;
    // The CDK writes `.sync` for AWS SDK integrations, which AWS does not have.
    assert!(called >= 50 && here >= 7 && refused == 2, "{resources:?}");
}

#[tokio::test]
async fn every_resource_of_the_corpus_is_known_or_refused_by_name() {
    let Some(shared) = shared() else { return };
    let mut resources = BTreeSet::new();
    for folder in ["corpus", "seeds"] {
        for entry in std::fs::read_dir(shared.join(folder)).expect("it is there") {
            let bytes = std::fs::read(entry.expect("a file").path()).expect("it can be read");
            resources.extend(resources_in(&String::from_utf8_lossy(&bytes)));
        }
    }
    // What a Map reads from and writes to is no task.
    for of_map in ["s3:getObject", "s3:listObjectsV2", "s3:putObject"] {
        resources.remove(of_map);
    }
    let [called, here, refused] = follow_all(&resources).await;
    assert!(called >= 100 && here >= 7, "{called} {here} {refused}");
}

/// Actions of EMR that find what they change by its name.
#[tokio::test]
async fn parts_of_a_cluster_are_found_by_their_names() {
    let emr = Stub::start("emr", |operation, given, _| {
        let is_second = given.get("Marker").is_some();
        Reply::Value(match operation {
            "ListInstanceFleets" if is_second => {
                json!({"InstanceFleets": [{"Id": "if-2", "Name": "core"}]})
            }
            "ListInstanceFleets" => {
                json!({"InstanceFleets": [{"Id": "if-1", "Name": "master"}], "Marker": "more"})
            }
            "ListInstanceGroups" => json!({"InstanceGroups": [{"Id": "ig-1", "Name": "core"}]}),
            _ => json!({}),
        })
    })
    .await;
    let run = async |action: &str, parameters: Json| {
        let resource = format!("arn:aws:states:::elasticmapreduce:{action}");
        crate::stub::run(&[("emr", &emr.url)], &resource, parameters).await
    };
    let fleet = |name: &str| json!({"ClusterId": "j-1", "InstanceFleetName": name, "InstanceFleet": {"TargetSpotCapacity": 3}});
    run("modifyInstanceFleetByName", fleet("core")).await.unwrap();
    let sent = emr.calls().pop().unwrap();
    assert_eq!(sent.0, "ModifyInstanceFleet");
    let expected = json!({
        "ClusterId": "j-1", "InstanceFleet": {"InstanceFleetId": "if-2", "TargetSpotCapacity": 3}});
    assert_eq!(sent.1, expected);
    let group = json!({
        "ClusterId": "j-1", "InstanceGroupName": "core", "InstanceGroup": {"InstanceCount": 8}});
    run("modifyInstanceGroupByName", group).await.unwrap();
    let sent = emr.calls().pop().unwrap();
    assert_eq!(sent.0, "ModifyInstanceGroups");
    let expected = json!({
        "ClusterId": "j-1", "InstanceGroups": [{"InstanceGroupId": "ig-1", "InstanceCount": 8}]});
    assert_eq!(sent.1, expected);
    let (name, cause) = run("modifyInstanceFleetByName", fleet("none")).await.unwrap_err();
    assert_eq!(name, "EMR.AmazonElasticMapReduceException");
    assert!(cause.contains("no InstanceFleet named none"), "{cause}");
    // Only the execution can see it if it is computed.
    let machine = json!({"StartAt": "I", "States": {
        "I": {"Type": "Pass", "Result": {"InstanceFleetId": "if-2"}, "Next": "T"},
        "T": {"Type": "Task", "Resource": "arn:aws:states:::elasticmapreduce:modifyInstanceFleetByName",
              "Parameters": {"ClusterId": "j-1", "InstanceFleetName": "core", "InstanceFleet.$": "$"},
              "End": true}}});
    let (name, cause) = run_machine(&[("emr", &emr.url)], &machine).await.unwrap_err();
    assert_eq!(name, "States.Runtime");
    assert!(cause.contains("`InstanceFleet.InstanceFleetId` is not allowed"), "{cause}");
}

/// What a model is given and what it answers may be objects in S3.
#[tokio::test]
async fn models_read_and_write_objects() {
    let stub = Stub::start_all(&["bedrockruntime", "s3"], |operation, given, _| match operation {
        "s3:GetObject" if given.get("Key") == Some(&json!("in.json")) => {
            Reply::Body(json!({"ContentType": "text/x-prompt"}), b"{\"prompt\":\"p\"}".to_vec())
        }
        "s3:GetObject" => Reply::Error(stepwright_aws::codec::ServiceError::new(
            table::service("s3").expect("it is known"),
            "NoSuchKey",
            "Not here.",
        )),
        "s3:PutObject" => Reply::Value(json!({})),
        _ => Reply::Body(json!({"contentType": "application/json"}), b"{\"text\":\"t\"}".to_vec()),
    })
    .await;
    let invoke = async |parameters: Json| {
        let resource = "arn:aws:states:::bedrock:invokeModel";
        crate::stub::run(&[("default", &stub.url)], resource, parameters).await
    };
    let output = invoke(json!({"ModelId": "m", "Body": {"prompt": "q"}})).await.unwrap();
    assert_eq!(output.get("Body"), Some(&json!({"text": "t"})));
    assert_eq!(stub.calls()[0].1.get("contentType"), Some(&json!("application/json")));
    let output = invoke(json!({
        "ModelId": "m", "Input": {"S3Uri": "s3://b/in.json"}, "Output": {"S3Uri": "s3://b/out/1.json"}
    }))
    .await
    .unwrap();
    assert_eq!(output.get("Body"), Some(&json!("s3://b/out/1.json")));
    let calls = stub.calls();
    let [.., invoked, put] = calls.as_slice() else { panic!("{calls:?}") };
    assert_eq!(invoked.1.get("(body)"), Some(&json!("{\"prompt\":\"p\"}")));
    assert_eq!(invoked.1.get("contentType"), Some(&json!("text/x-prompt")));
    assert_eq!(put.1.get("Key"), Some(&json!("out/1.json")));
    assert_eq!(put.1.get("(body)"), Some(&json!("{\"text\":\"t\"}")));

    let missing = invoke(json!({"ModelId": "m", "Input": {"S3Uri": "s3://b/none"}})).await;
    assert_eq!(missing.unwrap_err().0, "S3.NoSuchKeyException");
    for (parameters, expected) in [
        (json!({"ModelId": "m"}), "neither `Body` nor `Input`"),
        (
            json!({"ModelId": "m", "Body": {}, "Input": {"S3Uri": "s3://b/k"}}),
            "both `Body` and `Input`",
        ),
        (json!({"ModelId": "m", "Input": {"S3Uri": "b/k"}}), "`Input` must be like"),
        (json!({"ModelId": "m", "Body": {}, "Output": "s3://b/k"}), "`Output` must be like"),
    ] {
        let (name, cause) = invoke(parameters).await.unwrap_err();
        assert_eq!(name, "States.Runtime");
        assert!(cause.contains(expected), "{cause}");
    }
}

#[tokio::test]
async fn what_the_integration_answers_for_a_service_that_answers_nothing() {
    let emr = Stub::start("emrserverless", |_, _, _| Reply::Value(json!({}))).await;
    for action in ["startApplication", "stopApplication", "deleteApplication"] {
        let resource = format!("arn:aws:states:::emr-serverless:{action}");
        let given = json!({"ApplicationId": "00a"});
        let output = crate::stub::run(&[("emrserverless", &emr.url)], &resource, given).await;
        assert_eq!(output.unwrap().get("ApplicationId"), Some(&json!("00a")), "{action}");
    }
    assert_eq!(emr.calls().len(), 3);
}
