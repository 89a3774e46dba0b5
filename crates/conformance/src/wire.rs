//! Executions that were recorded on AWS and call services, run by the engine with the integrations
//! and codecs that it has everywhere: what AWS's services answered comes over the wire.
//!
//! The cases are those of `asl` whose tasks call a service, or whose Map states read from S3, and the
//! snapshots of ECS. Their time is real.

mod service;

use crate::Verdict;
use crate::case::{self, Case};
use crate::executions::{score, vintage};
use crate::served::{execute, options};
use service::Stub;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stepwright_engine::{Clock as _, Engine, NoObjects, ObjectStore, Options, SystemClock};
use stepwright_functions::{Functions, Place};
use stepwright_integrations::{AwsServices, Integrations, Mocked, ServiceConfig, ServiceObjects};
use stepwright_json::{Json, Object, json};
use stepwright_server::{Api, Settings};
use stepwright_simulator::Run;

/// The services that answer on the wire, by their names in resources and in AWS SDK integrations.
pub(crate) const SERVICES: [(&str, &str); 7] = [
    ("dynamodb", "dynamodb"),
    ("ecs", "ecs"),
    ("events", "eventbridge"),
    ("s3", "s3"),
    ("secretsmanager", "secretsmanager"),
    ("sns", "sns"),
    ("sqs", "sqs"),
];

/// How long an execution may take.
const LONGEST: Duration = Duration::from_mins(1);

/// Runs every recorded execution that calls a service.
pub fn run_all(data: &Path) -> Result<Vec<Verdict>, String> {
    let mut cases = case::load(data, "conformance/asl/cases")?;
    cases.retain(|case| case.text("kind") == "execution" && calls_services(case));
    cases.extend(of_ecs(data)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let room = Arc::new(tokio::sync::Semaphore::new(crate::stores::most_at_once()));
        let runs: Vec<_> = cases
            .into_iter()
            .map(|case| {
                let room = room.clone();
                tokio::spawn(async move {
                    let _place = room.acquire().await;
                    let ran = tokio::time::timeout(LONGEST, run(&case)).await;
                    (case, ran.unwrap_or_else(|_| Err("it does not end".to_owned())))
                })
            })
            .collect();
        let mut verdicts = Vec::new();
        for ran in runs {
            let (case, ran) = ran.await.map_err(|error| error.to_string())?;
            let mut verdict = Verdict::new("wire", case.file.clone());
            match ran {
                Ok(run) => score(&mut verdict, &case, &run),
                Err(why) => verdict.measure("status", Err(why)),
            }
            verdicts.push(verdict);
        }
        Ok(verdicts)
    })
}

/// Whether all that a case calls are services of the list, and there is one.
fn calls_services(case: &Case) -> bool {
    let requires = case.list("requires");
    let is_service = |name: &Json| {
        name.as_str().is_some_and(|name| SERVICES.iter().any(|(known, _)| *known == name))
    };
    !requires.is_empty() && requires.iter().all(is_service)
}

async fn run(case: &Case) -> Result<Run, String> {
    let stub = Stub::start(case).await?;
    let section = ServiceConfig { endpoint: Some(stub.url.clone()), ..ServiceConfig::default() };
    let sections = BTreeMap::from([("default".to_owned(), section)]);
    let services = Arc::new(AwsServices::new(&sections).map_err(|error| error.to_string())?);
    let functions = Functions::new(BTreeMap::new(), std::path::PathBuf::new(), Place::default())
        .map_err(|error| error.to_string())?;
    let objects = ServiceObjects::new(&services, "us-east-1", true);
    let objects = objects.map_or_else(
        || Arc::new(NoObjects) as Arc<dyn ObjectStore>,
        |objects| Arc::new(objects) as Arc<dyn ObjectStore>,
    );
    let tasks = Integrations::new(functions, Mocked::default(), None, services);
    let options = Options { objects, vintage: vintage(case), ..options(Arc::new(tasks)) };
    let engine = Engine::open(options).await.map_err(|error| error.to_string())?;
    let api = Api::new(engine, Settings::default());
    stub.connect(api.engine());
    let ran = execute(&api, case, SystemClock.now(), &case.get("input")).await;
    // Another case uses its connections.
    api.engine().shutdown().await;
    ran
}

/// The snapshots of ECS, as cases.
fn of_ecs(data: &Path) -> Result<Vec<Case>, String> {
    let file = "conformance/services/ecs-run-task.snapshot.json";
    let text = case::read(&data.join(file))?.to_string();
    // What the recorder has put in the place of what differs each time.
    let text = text.replace("state_machine_role_arn", "arn:aws:iam::111111111111:role/ecs");
    let text = text.replace("<region>", "us-east-1").replace("\"time\"", "\"<*:date>\"");
    let text = text.replace("\"timestamp\":\"timestamp\"", "\"timestamp\":\"<*:timestamp>\"");
    let text = text.replace("\"Date\":\"date\"", "\"Date\":\"<*:date>\"");
    let mut marked = String::new();
    for part in text.split("\"<") {
        if !marked.is_empty() {
            marked.push_str(if part.starts_with("*:") { "\"<" } else { "\"<*:" });
        }
        marked.push_str(part);
    }
    let snapshots = stepwright_json::parse(&marked).map_err(|error| format!("{file}: {error}"))?;
    let snapshots = snapshots.as_object().cloned().unwrap_or_default();
    snapshots.iter().map(|(name, snapshot)| of_snapshot(file, name, snapshot)).collect()
}

fn of_snapshot(file: &str, name: &str, snapshot: &Json) -> Result<Case, String> {
    let events = snapshot
        .get("recorded-content")
        .and_then(|content| content.get("get_execution_history")?.get("events")?.as_array());
    let events = events.ok_or_else(|| format!("{file}: {name} has no events"))?;
    let detail = |kind: &str, details: &str| {
        let event =
            events.iter().find(|event| event.get("type").and_then(Json::as_str) == Some(kind));
        event.and_then(|event| event.get(details)).cloned()
    };
    let entered = detail("TaskStateEntered", "stateEnteredEventDetails").unwrap_or_default();
    let state = entered.get("name").and_then(Json::as_str).unwrap_or_default();
    let scheduled = detail("TaskScheduled", "taskScheduledEventDetails").unwrap_or_default();
    let resource = scheduled.get("resource").and_then(Json::as_str).unwrap_or_default();
    let mut given =
        scheduled.get("parameters").and_then(Json::as_object).cloned().unwrap_or_default();
    given.remove("StartedBy");
    let started = detail("ExecutionStarted", "executionStartedEventDetails").unwrap_or_default();
    let submitted = detail("TaskSubmitted", "taskSubmittedEventDetails");
    let submitted = submitted.and_then(|details| details.get("output").cloned());
    let succeeded = detail("TaskSucceeded", "taskSucceededEventDetails");
    let failed = detail("TaskFailed", "taskFailedEventDetails");
    let (status, output, outcome) = match (&succeeded, &failed) {
        (Some(details), _) => {
            let output = details.get("output").cloned().unwrap_or_default();
            ("SUCCEEDED", output.clone(), json!({"type": "success", "output": output}))
        }
        (None, Some(details)) => {
            let mut outcome = details.as_object().cloned().unwrap_or_default();
            outcome.insert("type", "failure".into());
            ("FAILED", Json::Null, outcome.into())
        }
        (None, None) => return Err(format!("{file}: {name} has no end")),
    };
    let failure = failed.unwrap_or_default();
    let field = |key: &str| failure.get(key).cloned().unwrap_or_default();
    let mut mock: Object =
        [("resource_type", Json::from("ecs")), ("resource", resource.into()), ("outcome", outcome)]
            .into_iter()
            .collect();
    if let Some(submitted) = submitted {
        mock.insert("submitted", submitted);
    }
    let arn = format!("arn:aws:states:::ecs:{resource}");
    let states = [(
        state,
        json!({"Type": "Task", "Resource": arn, "Parameters": (Json::from(given)), "End": true}),
    )];
    let states: Object = states.into_iter().collect();
    let json = json!({
        "kind": "execution",
        "definition": {"StartAt": state, "States": (Json::from(states))},
        "state_machine_name": "ecs",
        "role_arn": (started.get("roleArn").cloned().unwrap_or_default()),
        "input": (started.get("input").cloned().unwrap_or_default()),
        "source": {"recorded_date": (snapshot.get("recorded-date").cloned().unwrap_or_default())},
        "mocks": [(Json::from(mock))],
        "expected": {
            "status": status, "output": output, "error": (field("error")), "cause": (field("cause")),
            "history": (Json::Array(events.clone()))
        }
    });
    let test = name.rsplit(':').next().unwrap_or(name);
    Ok(Case { file: format!("{file}: {test}"), json })
}
