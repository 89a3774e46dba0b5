//! The optimised integrations of AWS's services, such as `sqs:sendMessage` or `glue:startJobRun.sync`.
//!
//! [`ROWS`] has one row for each service; actions and patterns are in `stepwright_aws::integrations`.
//! To wait for an end (`.sync`) is in `jobs.rs`.

use super::aws_sdk::{self, Prepared, unfit};
use super::failure::Speaker;
use super::wire::Answer;
use super::{bedrock, ecs, emr, jobs};
use crate::start_execution::derived_name;
use crate::{End, Task};
use stepwright_aws::integrations;
use stepwright_aws::metadata::insert_metadata;
use stepwright_aws::sdk::{self, Spelling};
use stepwright_history::{EventKind, Failure, Stage};
use stepwright_json::{Array, Json, Object};

/// A service with optimised integrations.
pub(crate) struct Row {
    /// Its name in resources.
    resource: &'static str,
    /// Its name in AWS SDK integrations, and in `[services]`.
    service: &'static str,
    /// Its name in errors.
    pub(crate) prefix: &'static str,
    /// Its name in causes: that of version 1 of the SDK for Java.
    pub(crate) sdk: &'static str,
}

impl Row {
    /// Its name in AWS SDK integrations.
    pub(crate) fn service(&self) -> &'static str {
        self.service
    }

    /// The error for what the model does not know.
    pub(crate) fn base(&self) -> String {
        format!("{}Exception", self.sdk.strip_suffix("v2").unwrap_or(self.sdk))
    }
}

const fn row(
    resource: &'static str,
    service: &'static str,
    prefix: &'static str,
    sdk: &'static str,
) -> Row {
    Row { resource, service, prefix, sdk }
}

const ROWS: [Row; 18] = [
    row("athena", "athena", "Athena", "AmazonAthena"),
    row("batch", "batch", "Batch", "AWSBatch"),
    row("bedrock", "bedrock", "Bedrock", "AmazonBedrock"),
    row("bedrockagentcore", "bedrockagentcore", "BedrockAgentCore", "AmazonBedrockAgentCore"),
    row("codebuild", "codebuild", "CodeBuild", "AWSCodeBuild"),
    row("databrew", "databrew", "DataBrew", "AWSGlueDataBrew"),
    row("dynamodb", "dynamodb", "DynamoDB", "AmazonDynamoDBv2"),
    row("ecs", "ecs", "ECS", "AmazonECS"),
    row("eks", "eks", "EKS", "AmazonEKS"),
    row("elasticmapreduce", "emr", "EMR", "AmazonElasticMapReduce"),
    row("emr-containers", "emrcontainers", "EMRContainers", "AmazonEMRContainers"),
    row("emr-serverless", "emrserverless", "EMRServerless", "AWSEMRServerless"),
    row("events", "eventbridge", "EventBridge", "AmazonEventBridge"),
    row("glue", "glue", "Glue", "AWSGlue"),
    row("mediaconvert", "mediaconvert", "MediaConvert", "AWSMediaConvert"),
    row("sagemaker", "sagemaker", "SageMaker", "AmazonSageMaker"),
    row("sns", "sns", "SNS", "AmazonSNS"),
    row("sqs", "sqs", "SQS", "AmazonSQS"),
];

/// Actions that do more than to call an operation of the service: they have a file of their own.
const REFUSED: [(&str, &str); 2] = [("eks", "call"), ("eks", "runJob")];

/// The integration of a resource and the name of its service in `[services]`, if it is one that can
/// be called.
pub(crate) fn known(service: &str, action: &str) -> Option<(&'static Row, &'static str)> {
    let (action, pattern) = action.split_once('.').unwrap_or((action, ""));
    let row = ROWS.iter().find(|row| row.resource == service)?;
    let is_there = integrations::knows(service, action, pattern)
        && !REFUSED.contains(&(service, action))
        && (pattern != "sync" || jobs::of(service, action).is_some());
    is_there.then(|| (row, service_of(row, action)))
}

/// The service that has the operation.
fn service_of(row: &Row, action: &str) -> &'static str {
    match (row.resource, action) {
        ("bedrock", "invokeModel") => "bedrockruntime",
        _ => row.service,
    }
}

/// Runs a task of an integration.
pub(crate) async fn run(task: Task, row: &'static Row, action: &str) -> End {
    let (name, pattern) = action.split_once('.').unwrap_or((action, ""));
    let job = match pattern {
        "sync" => jobs::of(row.resource, name),
        _ => None,
    };
    if let Some(job) = job {
        let submitted = match earlier(&task).await {
            Some(submitted) => submitted,
            None => match submit(&task, row, name).await {
                Ok(submitted) => {
                    if let Some(failure) = ecs::not_placed(row.resource, &submitted) {
                        return End::Failed(failure, Stage::Submit);
                    }
                    task.report.submitted(submitted.clone());
                    submitted
                }
                Err(failure) => return End::Failed(failure, Stage::Submit),
            },
        };
        return jobs::wait(&task, row, job, &submitted).await;
    }
    let answer = tokio::select! {
        answer = submit(&task, row, name) => answer,
        () = task.report.cancelled() => return End::Elsewhere,
    };
    match (answer, pattern) {
        (Err(failure), "") => End::Failed(failure, Stage::Run),
        (Err(failure), _) => End::Failed(failure, Stage::Submit),
        (Ok(answer), "") => End::Succeeded(answer),
        (Ok(answer), _) => {
            task.report.submitted(answer);
            End::Elsewhere
        }
    }
}

/// What a task that is handed out again was answered when it was submitted.
pub(crate) async fn earlier(task: &Task) -> Option<Json> {
    if !task.call.submitted {
        return None;
    }
    let mut found = None;
    let take = |event: &stepwright_history::Event| {
        if let EventKind::TaskSubmitted { task: of, output } = &event.kind
            && *of == task.call.task
        {
            found = Some(output.clone());
        }
    };
    let arn = &task.call.facts.about.arn;
    task.report.engine().history(arn, take).await.ok()?;
    found
}

/// Calls the operation, and returns the result of the task.
async fn submit(task: &Task, row: &'static Row, action: &str) -> Result<Json, Failure> {
    let given = with_inserted(task, row, action)?;
    let answer = match (row.resource, action) {
        ("bedrock", "invokeModel") => bedrock::invoke(task, row, given).await?,
        ("elasticmapreduce", _) if let Some(by_name) = emr::by_name(action) => {
            by_name.run(task, row, &given).await?
        }
        _ => {
            let (operation, given) = match row.resource {
                "elasticmapreduce" => emr::request(action, given),
                _ => (action.to_owned(), given),
            };
            call(task, row, service_of(row, action), &operation, &given).await?
        }
    };
    let mut result = answer.result;
    if row.resource == "elasticmapreduce" {
        result = emr::result(action, result);
    }
    let mut result = result.as_object().cloned().unwrap_or_default();
    if let ("emr-serverless", "startApplication" | "stopApplication" | "deleteApplication") =
        (row.resource, action)
    {
        // The service answers nothing, the integration does.
        let given = task.call.call.parameters.get("ApplicationId").cloned();
        result.insert("ApplicationId", given.unwrap_or_default());
    }
    let failed = result.get("FailedEntryCount").and_then(Json::as_i64).unwrap_or_default();
    if (row.resource, action) == ("events", "putEvents") && failed > 0 {
        return Err(Failure::new("EventBridge.FailedEntry", Json::from(result).to_string()));
    }
    // Results of EventBridge have been recorded without metadata.
    if row.resource == "events" {
        return Ok(result.into());
    }
    Ok(with_metadata(result, &answer.answer))
}

/// An answer, and how an optimised integration shows it.
pub(crate) struct Called {
    pub(crate) answer: Answer,
    pub(crate) result: Json,
}

/// Calls an operation in the words of an integration.
pub(crate) async fn call(
    task: &Task,
    row: &'static Row,
    service: &str,
    action: &str,
    given: &Json,
) -> Result<Called, Failure> {
    let prepared = prepare(task, service, action, given)?;
    let (service, operation) = (prepared.service, prepared.operation);
    let answer = aws_sdk::call(task, prepared, Speaker::Optimised(row)).await?;
    let result = sdk::result(service, operation, &answer.message, Spelling::Optimised);
    Ok(Called { answer, result })
}

/// A call in the words of an integration.
pub(crate) fn prepare(
    task: &Task,
    service: &str,
    action: &str,
    given: &Json,
) -> Result<Prepared, Failure> {
    let (service, operation) = aws_sdk::find(service, action)?;
    let message = sdk::message(service, operation, given, Spelling::Optimised)
        .map_err(|wrong| unfit(task, &wrong.to_string()))?;
    Ok(Prepared { service, operation, message })
}

/// The parameters, with what AWS inserts.
fn with_inserted(task: &Task, row: &Row, action: &str) -> Result<Json, Failure> {
    let parameters = &task.call.call.parameters;
    let about = &task.call.facts.about;
    let mut given = match parameters {
        Json::Object(given) => given.clone(),
        Json::Null => Object::new(),
        _ => return Err(unfit(task, "they are not an object")),
    };
    match (row.resource, action) {
        // Events tell where they come from.
        ("events", "putEvents") => {
            let from = [about.arn.as_str(), about.machine.as_str()];
            if let Some(Json::Array(entries)) = given.get_mut("Entries") {
                for entry in entries.make_mut() {
                    let Json::Object(entry) = entry else { continue };
                    let resources =
                        entry.get_or_insert_with("Resources", || Json::Array(Array::new()));
                    if let Json::Array(resources) = resources {
                        resources.make_mut().extend(from.map(Json::from));
                    }
                }
            }
        }
        ("batch", "submitJob") => {
            let overrides = given.get_or_insert_with("ContainerOverrides", || Object::new().into());
            if let Json::Object(overrides) = overrides
                && let Json::Array(variables) =
                    overrides.get_or_insert_with("Environment", || Json::Array(Array::new()))
            {
                variables.push(stepwright_json::json!({
                    "Name": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"
                }));
            }
        }
        // What its model does not mark as a token is one by the documentation.
        ("codebuild", "startBuild" | "startBuildBatch" | "retryBuildBatch") => {
            let token = || derived_name(&task.call.idempotency_key()).into();
            given.get_or_insert_with("IdempotencyToken", token);
        }
        _ => {}
    }
    Ok(given.into())
}

/// The headers that AWS's results have, as they are written there.
const HEADERS: [&str; 7] = [
    "Content-Length",
    "Content-Type",
    "Date",
    "Server",
    "x-amz-crc32",
    "x-amz-id-2",
    "x-amzn-RequestId",
];

/// A result, with what the service said besides.
pub(crate) fn with_metadata(result: Object, answer: &Answer) -> Json {
    let response = &answer.response;
    let headers: Vec<(&str, &str)> = response
        .headers
        .iter()
        .map(|(name, value)| {
            let shown = match (&**name, response.header("server")) {
                // DynamoDB writes it like this, the others do not.
                ("connection", Some(_)) => Some(&"Connection"),
                _ => HEADERS.iter().find(|known| known.eq_ignore_ascii_case(name)),
            };
            (shown.map_or(name.as_str(), |shown| *shown), value.as_str())
        })
        .collect();
    let ids = ["x-amzn-requestid", "x-amz-request-id"];
    let id = ids.into_iter().find_map(|name| response.header(name));
    let made_up = uuid::Uuid::new_v4().to_string();
    let mut members = result;
    insert_metadata(&mut members, response.status, id.unwrap_or(&made_up), &headers);
    let mut sorted: Vec<_> = members.iter().map(|(key, one)| (key.clone(), one.clone())).collect();
    sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
    sorted.into_iter().collect::<Object>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_aws::table;

    /// Every action and pattern of every row, and what it is called in AWS's models.
    #[test]
    fn every_integration_names_an_operation() {
        let mut count = 0;
        for row in &ROWS {
            for action in integrations::actions(row.resource).unwrap() {
                if REFUSED.contains(&(row.resource, action)) {
                    continue;
                }
                let (_, service) = known(row.resource, action).unwrap();
                let operation = match (row.resource, emr::by_name(action)) {
                    ("elasticmapreduce", Some(by_name)) => by_name.operation().to_owned(),
                    ("elasticmapreduce", None) => emr::request(action, Json::Null).0,
                    _ => action.to_owned(),
                };
                let service = table::service(service).unwrap();
                assert!(service.action(&operation).is_ok(), "{}:{action}", row.resource);
                let waits = integrations::knows(row.resource, action, "sync");
                let job = jobs::of(row.resource, action);
                assert_eq!(job.is_some(), waits, "{}:{action}.sync", row.resource);
                count += 1;
            }
        }
        assert!(count >= 45, "{count}");
    }

    #[test]
    fn errors_have_the_names_of_the_first_sdk() {
        let base = |resource: &str| {
            known(resource.split(':').next().unwrap(), resource.split(':').nth(1).unwrap())
                .unwrap()
                .0
                .base()
        };
        assert_eq!(base("dynamodb:getItem"), "AmazonDynamoDBException");
        assert_eq!(base("sqs:sendMessage"), "AmazonSQSException");
    }

    #[test]
    fn what_is_not_there_is_not_known() {
        for (service, action) in
            [("http", "invoke"), ("eks", "runJob.sync"), ("sqs", "sendMessage.sync"), ("sqs", "x")]
        {
            assert!(known(service, action).is_none(), "{service}:{action}");
        }
    }
}
