//! Every `.sync` of every service, against services that follow a script: success, failure,
//! time-out, stop, a failing sibling, and `kill -9` while it runs and before it is answered.

use crate::stub::{Reply, Stub, assembled, at, ended, history, outcome, start, task, until};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use stepwright_aws::codec::ServiceError;
use stepwright_aws::table;
use stepwright_json::{Json, json};

/// A job on the wire, as the API of its service has it. `MARK` stands for a text that only this job
/// has, `STATUS` for its status.
#[derive(Clone, Copy)]
struct Row {
    resource: &'static str,
    given: &'static str,
    submit: &'static str,
    answer: &'static str,
    describe: &'static str,
    described: &'static str,
    /// While it runs; when it has succeeded (nothing: it is gone); when it has failed (nothing: it
    /// cannot).
    statuses: [&'static str; 3],
    /// Nothing: it cannot be cancelled.
    cancel: &'static str,
}

/// The services of the jobs.
const SERVICES: [&str; 13] = [
    "athena",
    "batch",
    "bedrock",
    "codebuild",
    "databrew",
    "ecs",
    "eks",
    "emr",
    "emrcontainers",
    "emrserverless",
    "glue",
    "mediaconvert",
    "sagemaker",
];

macro_rules! rows {
    ($($resource:literal $given:literal, $submit:literal $answer:literal, $describe:literal $described:literal,
       $statuses:expr, $cancel:literal;)*) => {
        [$(Row {
            resource: $resource, given: $given, submit: $submit, answer: $answer,
            describe: $describe, described: $described, statuses: $statuses, cancel: $cancel,
        }),*]
    };
}

const ROWS: [Row; 32] = rows! {
    "athena:startQueryExecution" r#"{"QueryString": "SELECT 'MARK'"}"#,
        "athena:StartQueryExecution" r#"{"QueryExecutionId": "MARK"}"#,
        "athena:GetQueryExecution" r#"{"QueryExecution": {"QueryExecutionId": "MARK", "Status": {"State": "STATUS"}}}"#,
        ["QUEUED", "SUCCEEDED", "CANCELLED"], "athena:StopQueryExecution";
    "batch:submitJob" r#"{"JobName": "MARK", "JobQueue": "q", "JobDefinition": "d"}"#,
        "batch:SubmitJob" r#"{"jobId": "MARK", "jobName": "MARK", "jobArn": "a"}"#,
        "batch:DescribeJobs" r#"{"jobs": [{"jobId": "MARK", "jobName": "MARK", "status": "STATUS"}]}"#,
        ["RUNNABLE", "SUCCEEDED", "FAILED"], "batch:TerminateJob";
    "bedrock:createModelCustomizationJob" r#"{"JobName": "MARK", "CustomModelName": "m", "RoleArn": "r",
            "BaseModelIdentifier": "b", "TrainingDataConfig": {"S3Uri": "s3://a/b"}, "OutputDataConfig": {"S3Uri": "s3://a/c"}}"#,
        "bedrock:CreateModelCustomizationJob" r#"{"jobArn": "MARK"}"#,
        "bedrock:GetModelCustomizationJob" r#"{"jobArn": "MARK", "jobName": "MARK", "status": "STATUS"}"#,
        ["InProgress", "Completed", "Failed"], "bedrock:StopModelCustomizationJob";
    "codebuild:startBuild" r#"{"ProjectName": "MARK"}"#,
        "codebuild:StartBuild" r#"{"build": {"id": "MARK"}}"#,
        "codebuild:BatchGetBuilds" r#"{"builds": [{"id": "MARK", "buildStatus": "STATUS"}]}"#,
        ["IN_PROGRESS", "SUCCEEDED", "FAULT"], "codebuild:StopBuild";
    "codebuild:startBuildBatch" r#"{"ProjectName": "MARK"}"#,
        "codebuild:StartBuildBatch" r#"{"buildBatch": {"id": "MARK"}}"#,
        "codebuild:BatchGetBuildBatches" r#"{"buildBatches": [{"id": "MARK", "buildBatchStatus": "STATUS"}]}"#,
        ["IN_PROGRESS", "SUCCEEDED", "TIMED_OUT"], "codebuild:StopBuildBatch";
    "codebuild:retryBuildBatch" r#"{"Id": "MARK"}"#,
        "codebuild:RetryBuildBatch" r#"{"buildBatch": {"id": "MARK"}}"#,
        "codebuild:BatchGetBuildBatches" r#"{"buildBatches": [{"id": "MARK", "buildBatchStatus": "STATUS"}]}"#,
        ["IN_PROGRESS", "SUCCEEDED", "STOPPED"], "codebuild:StopBuildBatch";
    "databrew:startJobRun" r#"{"Name": "MARK"}"#,
        "databrew:StartJobRun" r#"{"RunId": "run"}"#,
        "databrew:DescribeJobRun" r#"{"JobName": "MARK", "RunId": "run", "State": "STATUS"}"#,
        ["STARTING", "SUCCEEDED", "TIMEOUT"], "databrew:StopJobRun";
    "ecs:runTask" r#"{"Cluster": "MARK", "TaskDefinition": "d"}"#,
        "ecs:RunTask" r#"{"tasks": [{"taskArn": "MARK", "clusterArn": "c", "lastStatus": "PROVISIONING"}], "failures": []}"#,
        "ecs:DescribeTasks" r#"{"tasks": [{"taskArn": "MARK", "clusterArn": "c", STATUS}], "failures": []}"#,
        ["\"lastStatus\": \"RUNNING\"",
         "\"lastStatus\": \"STOPPED\", \"containers\": [{\"exitCode\": 0}]",
         "\"lastStatus\": \"STOPPED\", \"containers\": [{\"exitCode\": 9}]"], "ecs:StopTask";
    "eks:createCluster" r#"{"Name": "MARK", "RoleArn": "r", "ResourcesVpcConfig": {}}"#,
        "eks:CreateCluster" r#"{"cluster": {"name": "MARK", "status": "CREATING"}}"#,
        "eks:DescribeCluster" r#"{"cluster": {"name": "MARK", "status": "STATUS"}}"#,
        ["CREATING", "ACTIVE", "FAILED"], "eks:DeleteCluster";
    "eks:deleteCluster" r#"{"Name": "MARK"}"#,
        "eks:DeleteCluster" r#"{"cluster": {"name": "MARK", "status": "DELETING"}}"#,
        "eks:DescribeCluster" r#"{"cluster": {"name": "MARK", "status": "STATUS"}}"#,
        ["DELETING", "", "FAILED"], "";
    "eks:createFargateProfile" r#"{"ClusterName": "c", "FargateProfileName": "MARK", "PodExecutionRoleArn": "r"}"#,
        "eks:CreateFargateProfile" r#"{"fargateProfile": {"fargateProfileName": "MARK", "status": "CREATING"}}"#,
        "eks:DescribeFargateProfile" r#"{"fargateProfile": {"fargateProfileName": "MARK", "status": "STATUS"}}"#,
        ["CREATING", "ACTIVE", "CREATE_FAILED"], "eks:DeleteFargateProfile";
    "eks:deleteFargateProfile" r#"{"ClusterName": "c", "FargateProfileName": "MARK"}"#,
        "eks:DeleteFargateProfile" r#"{"fargateProfile": {"fargateProfileName": "MARK", "status": "DELETING"}}"#,
        "eks:DescribeFargateProfile" r#"{"fargateProfile": {"fargateProfileName": "MARK", "status": "STATUS"}}"#,
        ["DELETING", "", "DELETE_FAILED"], "";
    "eks:createNodegroup" r#"{"ClusterName": "c", "NodegroupName": "MARK", "Subnets": ["s"], "NodeRole": "r"}"#,
        "eks:CreateNodegroup" r#"{"nodegroup": {"nodegroupName": "MARK", "status": "CREATING"}}"#,
        "eks:DescribeNodegroup" r#"{"nodegroup": {"nodegroupName": "MARK", "status": "STATUS"}}"#,
        ["CREATING", "ACTIVE", "CREATE_FAILED"], "eks:DeleteNodegroup";
    "eks:deleteNodegroup" r#"{"ClusterName": "c", "NodegroupName": "MARK"}"#,
        "eks:DeleteNodegroup" r#"{"nodegroup": {"nodegroupName": "MARK", "status": "DELETING"}}"#,
        "eks:DescribeNodegroup" r#"{"nodegroup": {"nodegroupName": "MARK", "status": "STATUS"}}"#,
        ["DELETING", "", "DELETE_FAILED"], "";
    "elasticmapreduce:createCluster" r#"{"Name": "MARK", "Instances": {"KeepJobFlowAliveWhenNoSteps": true}}"#,
        "emr:RunJobFlow" r#"{"JobFlowId": "MARK", "ClusterArn": "a"}"#,
        "emr:DescribeCluster" r#"{"Cluster": {"Id": "MARK", "Status": {"State": "STATUS"}}}"#,
        ["BOOTSTRAPPING", "WAITING", "TERMINATED_WITH_ERRORS"], "emr:TerminateJobFlows";
    "elasticmapreduce:terminateCluster" r#"{"ClusterId": "MARK"}"#,
        "emr:TerminateJobFlows" "{}",
        "emr:DescribeCluster" r#"{"Cluster": {"Id": "MARK", "Status": {"State": "STATUS"}}}"#,
        ["TERMINATING", "TERMINATED", ""], "";
    "elasticmapreduce:addStep" r#"{"ClusterId": "c", "Step": {"Name": "MARK", "HadoopJarStep": {"Jar": "j"}}}"#,
        "emr:AddJobFlowSteps" r#"{"StepIds": ["MARK"]}"#,
        "emr:DescribeStep" r#"{"Step": {"Id": "MARK", "Status": {"State": "STATUS"}}}"#,
        ["PENDING", "COMPLETED", "INTERRUPTED"], "emr:CancelSteps";
    "emr-containers:deleteVirtualCluster" r#"{"Id": "MARK"}"#,
        "emrcontainers:DeleteVirtualCluster" r#"{"id": "MARK"}"#,
        "emrcontainers:DescribeVirtualCluster" r#"{"virtualCluster": {"id": "MARK", "state": "STATUS"}}"#,
        ["TERMINATING", "TERMINATED", "ARRESTED"], "";
    "emr-containers:startJobRun" r#"{"VirtualClusterId": "c", "Name": "MARK"}"#,
        "emrcontainers:StartJobRun" r#"{"id": "MARK", "virtualClusterId": "c"}"#,
        "emrcontainers:DescribeJobRun" r#"{"jobRun": {"id": "MARK", "state": "STATUS"}}"#,
        ["SUBMITTED", "COMPLETED", "FAILED"], "emrcontainers:CancelJobRun";
    "emr-serverless:createApplication" r#"{"Name": "MARK", "ReleaseLabel": "emr-7", "Type": "SPARK"}"#,
        "emrserverless:CreateApplication" r#"{"applicationId": "MARK", "arn": "a"}"#,
        "emrserverless:GetApplication" r#"{"application": {"applicationId": "MARK", "state": "STATUS"}}"#,
        ["CREATING", "CREATED", "TERMINATED"], "emrserverless:DeleteApplication";
    "emr-serverless:startApplication" r#"{"ApplicationId": "MARK"}"#,
        "emrserverless:StartApplication" "{}",
        "emrserverless:GetApplication" r#"{"application": {"applicationId": "MARK", "state": "STATUS"}}"#,
        ["STARTING", "STARTED", "TERMINATED"], "emrserverless:StopApplication";
    "emr-serverless:stopApplication" r#"{"ApplicationId": "MARK"}"#,
        "emrserverless:StopApplication" "{}",
        "emrserverless:GetApplication" r#"{"application": {"applicationId": "MARK", "state": "STATUS"}}"#,
        ["STOPPING", "STOPPED", "TERMINATED"], "";
    "emr-serverless:deleteApplication" r#"{"ApplicationId": "MARK"}"#,
        "emrserverless:DeleteApplication" "{}",
        "emrserverless:GetApplication" r#"{"application": {"applicationId": "MARK", "state": "STATUS"}}"#,
        ["STOPPED", "TERMINATED", ""], "";
    "emr-serverless:startJobRun" r#"{"ApplicationId": "a", "ExecutionRoleArn": "r", "Name": "MARK"}"#,
        "emrserverless:StartJobRun" r#"{"applicationId": "a", "jobRunId": "MARK", "arn": "n"}"#,
        "emrserverless:GetJobRun" r#"{"jobRun": {"applicationId": "a", "jobRunId": "MARK", "state": "STATUS"}}"#,
        ["PENDING", "SUCCESS", "FAILED"], "emrserverless:CancelJobRun";
    "emr-serverless:cancelJobRun" r#"{"ApplicationId": "a", "JobRunId": "MARK"}"#,
        "emrserverless:CancelJobRun" r#"{"applicationId": "a", "jobRunId": "MARK"}"#,
        "emrserverless:GetJobRun" r#"{"jobRun": {"applicationId": "a", "jobRunId": "MARK", "state": "STATUS"}}"#,
        ["CANCELLING", "CANCELLED", "SUCCESS"], "";
    "glue:startJobRun" r#"{"JobName": "MARK"}"#,
        "glue:StartJobRun" r#"{"JobRunId": "run"}"#,
        "glue:GetJobRun" r#"{"JobRun": {"Id": "run", "JobName": "MARK", "JobRunState": "STATUS"}}"#,
        ["WAITING", "SUCCEEDED", "EXPIRED"], "glue:BatchStopJobRun";
    "mediaconvert:createJob" r#"{"Role": "r", "Settings": {}, "Queue": "MARK"}"#,
        "mediaconvert:CreateJob" r#"{"Job": {"Id": "MARK", "Role": "r", "Settings": {}}}"#,
        "mediaconvert:GetJob" r#"{"Job": {"Id": "MARK", "Role": "r", "Settings": {}, "Status": "STATUS"}}"#,
        ["PROGRESSING", "COMPLETE", "ERROR"], "mediaconvert:CancelJob";
    "sagemaker:createHyperParameterTuningJob" r#"{"HyperParameterTuningJobName": "MARK", "HyperParameterTuningJobConfig": {}}"#,
        "sagemaker:CreateHyperParameterTuningJob" r#"{"HyperParameterTuningJobArn": "a"}"#,
        "sagemaker:DescribeHyperParameterTuningJob" r#"{"HyperParameterTuningJobName": "MARK", "HyperParameterTuningJobStatus": "STATUS"}"#,
        ["InProgress", "Completed", "Failed"], "sagemaker:StopHyperParameterTuningJob";
    "sagemaker:createLabelingJob" r#"{"LabelingJobName": "MARK", "LabelAttributeName": "l", "InputConfig": {}, "OutputConfig": {},
            "RoleArn": "r", "HumanTaskConfig": {}}"#,
        "sagemaker:CreateLabelingJob" r#"{"LabelingJobArn": "a"}"#,
        "sagemaker:DescribeLabelingJob" r#"{"LabelingJobName": "MARK", "LabelingJobStatus": "STATUS"}"#,
        ["Initializing", "Completed", "Stopped"], "sagemaker:StopLabelingJob";
    "sagemaker:createProcessingJob" r#"{"ProcessingJobName": "MARK", "ProcessingResources": {}, "AppSpecification": {}, "RoleArn": "r"}"#,
        "sagemaker:CreateProcessingJob" r#"{"ProcessingJobArn": "a"}"#,
        "sagemaker:DescribeProcessingJob" r#"{"ProcessingJobName": "MARK", "ProcessingJobStatus": "STATUS"}"#,
        ["InProgress", "Completed", "Failed"], "sagemaker:StopProcessingJob";
    "sagemaker:createTrainingJob" r#"{"TrainingJobName": "MARK", "RoleArn": "r", "OutputDataConfig": {}}"#,
        "sagemaker:CreateTrainingJob" r#"{"TrainingJobArn": "a"}"#,
        "sagemaker:DescribeTrainingJob" r#"{"TrainingJobName": "MARK", "TrainingJobStatus": "STATUS"}"#,
        ["Stopping", "Completed", "Stopped"], "sagemaker:StopTrainingJob";
    "sagemaker:createTransformJob" r#"{"TransformJobName": "MARK", "ModelName": "m", "TransformInput": {}, "TransformOutput": {},
            "TransformResources": {}}"#,
        "sagemaker:CreateTransformJob" r#"{"TransformJobArn": "a"}"#,
        "sagemaker:DescribeTransformJob" r#"{"TransformJobName": "MARK", "TransformJobStatus": "STATUS"}"#,
        ["InProgress", "Completed", "Failed"], "sagemaker:StopTransformJob";
};

/// The jobs of which a crash between the request and its answer can start two: the request has
/// nothing that makes it the same one, neither a token nor the name or id of what it changes.
const TWICE: [&str; 5] = [
    "batch:submitJob",
    "databrew:startJobRun",
    "elasticmapreduce:addStep",
    "elasticmapreduce:createCluster",
    "glue:startJobRun",
];

/// What the services are doing.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Running,
    Good,
    Bad,
    /// They take what is submitted, and do not answer.
    Silent,
}
use Mode::{Bad, Good, Running, Silent};

#[derive(Clone)]
struct Script(Arc<AtomicU8>);

impl Script {
    fn set(&self, mode: Mode) {
        self.0.store(mode as u8, Ordering::SeqCst);
    }

    fn mode(&self) -> Mode {
        let modes = [Running, Good, Bad, Silent];
        modes[usize::from(self.0.load(Ordering::SeqCst))]
    }
}

fn mark(row: &Row) -> String {
    let at = ROWS.iter().position(|one| one.resource == row.resource).expect("it is there");
    format!("mark-{at:02}x")
}

fn filled(text: &str, row: &Row, status: &str) -> Json {
    let text = text.replace("MARK", &mark(row)).replace("STATUS", status);
    stepwright_json::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", row.resource))
}

/// The services, and what they are doing.
async fn services() -> (Stub, Script) {
    let script = Script(Arc::default());
    let (own, mode) = (script.clone(), script.clone());
    let answers =
        move |operation: &str, given: &Json, _: usize| answer(mode.mode(), operation, given);
    (Stub::start_all(&SERVICES, answers).await, own)
}

fn answer(mode: Mode, operation: &str, given: &Json) -> Reply {
    let given = given.to_string();
    let row = ROWS.iter().find(|row| {
        [row.submit, row.describe, row.cancel].contains(&operation) && given.contains(&mark(row))
    });
    let row = row.unwrap_or_else(|| panic!("nobody asks for {operation} of {given}"));
    if operation == row.submit {
        return match mode {
            Silent => Reply::Silence,
            _ => Reply::Value(filled(row.answer, row, "")),
        };
    }
    if operation == row.cancel {
        return Reply::Value(json!({}));
    }
    let [running, good, bad] = row.statuses;
    let status = match mode {
        Running | Silent => running,
        Good => good,
        Bad => bad,
    };
    if status.is_empty() {
        let (service, _) = operation.split_once(':').expect("it has a service");
        let service = table::service(service).expect("it is known");
        return Reply::Error(ServiceError::new(service, "ResourceNotFoundException", "Gone."));
    }
    Reply::Value(filled(row.described, row, status))
}

/// How often an operation was called for a job.
fn count(stub: &Stub, row: &Row, operation: &str) -> usize {
    let mark = mark(row);
    let is_meant =
        |(name, given): &&(String, Json)| name == operation && given.to_string().contains(&mark);
    stub.calls().iter().filter(is_meant).count()
}

fn definition(row: &Row) -> Json {
    task(&format!("arn:aws:states:::{}.sync", row.resource), filled(row.given, row, ""))
}

/// The same with a member of its task.
fn with(definition: &Json, name: &str, value: Json) -> Json {
    let mut definition = definition.clone();
    if let Json::Object(members) = &mut definition
        && let Some(Json::Object(states)) = members.get_mut("States")
        && let Some(Json::Object(state)) = states.get_mut("T")
    {
        state.insert(name, value);
    }
    definition
}

/// A machine whose other branch fails after a second.
fn with_sibling(definition: &Json) -> Json {
    let branches = json!([(definition.clone()), {"StartAt": "W", "States": {
        "W": {"Type": "Wait", "Seconds": 1, "Next": "F"}, "F": {"Type": "Fail", "Error": "Sibling"}}}]);
    json!({"StartAt": "P", "States": {"P": {"Type": "Parallel", "Branches": branches, "End": true}}})
}

/// Runs a machine for each job, all at once.
async fn run_all(
    stub: &Stub,
    rows: &[&Row],
    machine: impl Fn(&Json) -> Json,
    meanwhile: impl AsyncFn(&stepwright_server::Api, &[String]),
) -> Vec<Result<Json, (String, String)>> {
    let assembled = assembled(at(&[("default", &stub.url)]), None).await;
    let mut executions = Vec::new();
    for row in rows {
        executions.push(start(&assembled.api, &machine(&definition(row))).await);
    }
    meanwhile(&assembled.api, &executions).await;
    let mut outcomes = Vec::new();
    for execution in &executions {
        outcomes.push(outcome(&ended(&assembled.api, execution).await));
        let events = history(&assembled.api, execution).await;
        let submitted = events
            .iter()
            .filter(|event| event.get("type").and_then(Json::as_str) == Some("TaskSubmitted"));
        assert_eq!(submitted.count(), 1, "{execution}");
    }
    outcomes
}

/// Whether each job was submitted once and cancelled as often as this, if that can be.
async fn check_calls(stub: &Stub, rows: &[&Row], cancelled: usize) {
    for row in rows {
        assert_eq!(count(stub, row, row.submit), 1, "{}", row.resource);
        let expected = if row.cancel.is_empty() { 0 } else { cancelled };
        until(|| count(stub, row, row.cancel) >= expected).await;
        assert_eq!(count(stub, row, row.cancel), expected, "{}", row.resource);
    }
}

async fn nothing(_: &stepwright_server::Api, _: &[String]) {}

#[tokio::test]
async fn every_job_succeeds_and_fails() {
    let rows: Vec<&Row> = ROWS.iter().collect();
    let (stub, script) = services().await;
    let soon = script.clone();
    let outcomes = run_all(&stub, &rows, Json::clone, async |_, _| {
        until(|| ROWS.iter().all(|row| count(&stub, row, row.describe) > 0)).await;
        soon.set(Good);
    })
    .await;
    for (row, outcome) in rows.iter().zip(&outcomes) {
        let output = outcome.as_ref().unwrap_or_else(|why| panic!("{}: {why:?}", row.resource));
        let status = match row.statuses[1] {
            "" => "DELETING",
            status if row.submit == "ecs:RunTask" => status.split('"').nth(3).expect("a status"),
            status => status,
        };
        assert!(output.to_string().contains(status), "{}: {output}", row.resource);
    }
    check_calls(&stub, &rows, 0).await;

    let rows: Vec<&Row> = ROWS.iter().filter(|row| !row.statuses[2].is_empty()).collect();
    assert_eq!(rows.len(), 30);
    let (stub, script) = services().await;
    script.set(Bad);
    let outcomes = run_all(&stub, &rows, Json::clone, nothing).await;
    for (row, outcome) in rows.iter().zip(&outcomes) {
        let (error, cause) = outcome.as_ref().expect_err(row.resource);
        assert_eq!(error, "States.TaskFailed", "{}: {cause}", row.resource);
        let status = match row.submit {
            "ecs:RunTask" => "\"ExitCode\":9",
            _ => row.statuses[2],
        };
        assert!(cause.contains(status), "{}: {cause}", row.resource);
    }
    check_calls(&stub, &rows, 0).await;
}

#[tokio::test]
async fn every_job_is_cancelled_when_its_time_is_up() {
    let rows: Vec<&Row> = ROWS.iter().collect();
    let (stub, _) = services().await;
    let limited = |machine: &Json| with(machine, "TimeoutSeconds", json!(2));
    for (row, outcome) in rows.iter().zip(run_all(&stub, &rows, limited, nothing).await) {
        assert_eq!(outcome.expect_err(row.resource).0, "States.Timeout", "{}", row.resource);
    }
    check_calls(&stub, &rows, 1).await;
}

#[tokio::test]
async fn every_job_is_cancelled_when_its_execution_is_stopped() {
    let rows: Vec<&Row> = ROWS.iter().collect();
    let (stub, _) = services().await;
    let stop = async |api: &stepwright_server::Api, executions: &[String]| {
        until(|| ROWS.iter().all(|row| count(&stub, row, row.describe) > 0)).await;
        for execution in executions {
            let body = json!({"executionArn": (execution.as_str()), "error": "Stopped"});
            api.call("StopExecution", body).await.expect("it is stopped");
        }
    };
    for (row, outcome) in rows.iter().zip(run_all(&stub, &rows, Json::clone, stop).await) {
        assert_eq!(outcome.expect_err(row.resource).0, "Stopped", "{}", row.resource);
    }
    check_calls(&stub, &rows, 1).await;
}

#[tokio::test]
async fn every_job_is_cancelled_when_a_sibling_fails() {
    let rows: Vec<&Row> = ROWS.iter().collect();
    let (stub, _) = services().await;
    for (row, outcome) in rows.iter().zip(run_all(&stub, &rows, with_sibling, nothing).await) {
        assert_eq!(outcome.expect_err(row.resource).0, "Sibling", "{}", row.resource);
    }
    check_calls(&stub, &rows, 1).await;
}

/// What the process that is killed is told: where its data is, and where the services are.
const PLAN: &str = "STEPWRIGHT_TEST_JOBS";

/// The process that the next tests kill: it starts the jobs, or finds those that it had, and waits
/// for their ends.
#[test]
fn a_process_to_be_killed() {
    let Ok(plan) = std::env::var(PLAN) else { return };
    let (folder, url) = plan.split_once(' ').expect("a folder and a URL");
    let (data, list) = (Path::new(folder).join("data"), Path::new(folder).join("executions"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let assembled = assembled(at(&[("default", url)]), Some(&data)).await;
        let executions = match std::fs::read_to_string(&list) {
            Ok(text) => text.lines().map(str::to_owned).collect(),
            Err(_) => {
                let mut executions = Vec::new();
                for row in &ROWS {
                    executions.push(start(&assembled.api, &definition(row)).await);
                }
                std::fs::write(&list, executions.join("\n")).expect("it is written");
                executions
            }
        };
        assert_eq!(executions.len(), ROWS.len());
        for (row, execution) in ROWS.iter().zip(&executions) {
            let outcome = outcome(&ended(&assembled.api, execution).await);
            assert!(outcome.is_ok(), "{}: {outcome:?}", row.resource);
        }
    });
}

fn process(folder: &Path, stub: &Stub) -> Child {
    let program = std::env::current_exe().expect("it has a file");
    let mut command = Command::new(program);
    command.args(["every_job::a_process_to_be_killed", "--exact", "--nocapture"]);
    command.env(PLAN, format!("{} {}", folder.display(), stub.url));
    command.stdout(Stdio::null()).spawn().expect("it starts")
}

/// Starts the jobs in a process, kills it with SIGKILL when `when` is the case, and lets another one
/// find them.
async fn survive(stub: &Stub, script: &Script, when: impl Fn() -> bool) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut first = process(folder.path(), stub);
    until(when).await;
    until(|| folder.path().join("executions").exists()).await;
    first.kill().expect("it is killed");
    first.wait().expect("it has ended");
    script.set(Good);
    let mut second = process(folder.path(), stub);
    let status =
        tokio::task::spawn_blocking(move || second.wait()).await.expect("it is waited for");
    assert!(status.expect("it has ended").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_job_survives_kill_9_and_is_submitted_once() {
    let (stub, script) = services().await;
    // Asked for twice: what was answered to the submission has been kept by then.
    let are_kept = || ROWS.iter().all(|row| count(&stub, row, row.describe) > 1);
    survive(&stub, &script, are_kept).await;
    for row in &ROWS {
        assert_eq!(count(&stub, row, row.submit), 1, "{}", row.resource);
        assert_eq!(count(&stub, row, row.cancel), 0, "{}", row.resource);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_not_answered_is_asked_for_again_in_the_same_words() {
    let (stub, script) = services().await;
    script.set(Silent);
    let are_sent = || ROWS.iter().all(|row| count(&stub, row, row.submit) > 0);
    survive(&stub, &script, are_sent).await;
    let mut twice = Vec::new();
    for row in &ROWS {
        let mark = mark(row);
        let sent: Vec<Json> = stub
            .calls()
            .into_iter()
            .filter(|(name, given)| name == row.submit && given.to_string().contains(&mark))
            .map(|(_, given)| given)
            .collect();
        assert_eq!(sent.len(), 2, "{}", row.resource);
        assert_eq!(sent[0], sent[1], "{}", row.resource);
        let members = sent[0].as_object().expect("an object");
        let has_token = members.keys().any(|name| name.to_lowercase().ends_with("token"));
        // What is created under a name, and what is done to one thing, is done once.
        let is_named = row.submit.starts_with("sagemaker:")
            || ["Delete", "Terminate", "Cancel", "StartApplication", "StopApplication"]
                .iter()
                .any(|word| row.submit.contains(&format!(":{word}")));
        if !has_token && !is_named {
            twice.push(row.resource);
        }
    }
    twice.sort_unstable();
    assert_eq!(twice, TWICE);
}
