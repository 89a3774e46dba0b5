//! `.sync`: a job that was submitted is asked for, with a growing pause, until it has ended. When
//! nobody waits for it any more, it is cancelled.

use super::ecs;
use super::optimised::{Row, call, with_metadata};
use crate::{End, Task};
use std::time::Duration;
use stepwright_history::{Failure, Stage};
use stepwright_json::{Json, Object, Pointer};

/// How one waits for the end of an action.
pub(crate) struct Job {
    resource: &'static str,
    action: &'static str,
    /// The action that says how the job is, and its parameters.
    describe: (&'static str, &'static [Parameter]),
    /// Where the job is found in the answer.
    found: &'static str,
    end: Ends,
    output: Output,
    /// The action that cancels the job, and its parameters.
    cancel: Option<(&'static str, &'static [Parameter])>,
}

/// The name of a parameter, and its value.
type Parameter = (&'static str, Source);

/// Where a value comes from.
#[derive(Clone, Copy)]
enum Source {
    /// From what was answered when the job was submitted.
    Answer(&'static str),
    /// The same, as the only item of a list.
    Only(&'static str),
    /// From the parameters of the task.
    Given(&'static str),
    /// It is always this text.
    Text(&'static str),
}
use Source::{Answer, Given, Only, Text};

/// How one sees that a job has ended.
#[derive(Clone, Copy)]
enum Ends {
    /// Where the status is in the job, its values for success, and for failure.
    Status(&'static str, &'static [&'static str], &'static [&'static str]),
    /// It is no longer there; where the status is, and its values for failure.
    Gone(&'static str, &'static [&'static str]),
    /// Whether it has succeeded, if it has ended.
    Says(fn(&Json) -> Option<bool>),
}

/// What the result of the task is.
#[derive(Clone, Copy)]
enum Output {
    /// The whole answer.
    Whole,
    /// The job.
    Found,
    /// The job, as the only member of an object.
    Within(&'static str),
    /// The whole answer with its metadata, and what was answered when the job was submitted.
    Both,
}

/// The job of an action.
pub(crate) fn of(resource: &str, action: &str) -> Option<&'static Job> {
    JOBS.iter().find(|job| job.resource == resource && job.action == action)
}

/// How long the first pause is. Each is half as long again as the one before it.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The longest pause.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How many questions in a row may go wrong before the task fails.
pub(crate) const MOST_FAULTS: u32 = 8;

/// Waits for the end of a job.
pub(crate) async fn wait(
    task: &Task,
    row: &'static Row,
    job: &'static Job,
    submitted: &Json,
) -> End {
    tokio::select! {
        ended = ended(task, row, job, submitted) => match ended {
            Ok(output) => End::Succeeded(output),
            Err(failure) => End::Failed(failure, Stage::Run),
        },
        () = task.report.cancelled() => {
            if let Some((action, parameters)) = job.cancel
                && let Some(given) = filled(task, parameters, submitted)
            {
                // The job may have ended meanwhile, and nobody is there to be told.
                drop(call(task, row, row.service(), action, &given).await);
            }
            End::Elsewhere
        }
    }
}

async fn ended(
    task: &Task,
    row: &'static Row,
    job: &Job,
    submitted: &Json,
) -> Result<Json, Failure> {
    let (describe, parameters) = job.describe;
    let Some(given) = filled(task, parameters, submitted) else {
        let cause = format!("The answer does not name what was started: {submitted}");
        return Err(Failure::new(format!("{}.SdkClientException", row.prefix), cause));
    };
    let (mut pause, mut faults) = (FIRST_PAUSE, 0);
    let mut last = submitted.clone();
    loop {
        tokio::time::sleep(pause).await;
        pause = pause.mul_f64(1.5).min(LONGEST_PAUSE);
        let (answer, from) = match call(task, row, row.service(), describe, &given).await {
            Ok(called) => (called.result, called.answer),
            Err(failure) if is_gone(job, &failure) => return Ok(last),
            Err(failure) => {
                faults += 1;
                if faults == MOST_FAULTS {
                    return Err(failure);
                }
                continue;
            }
        };
        let Some(found) = find(&answer, job.found) else {
            // It may not be seen at once.
            faults += 1;
            if faults == MOST_FAULTS {
                let cause = format!("{describe} no longer knows what was started: {answer}");
                return Err(Failure::new("States.TaskFailed", cause));
            }
            continue;
        };
        faults = 0;
        let found = found.clone();
        let verdict = job.end.verdict(&found);
        let output = match job.output {
            Output::Whole => answer,
            Output::Found => found,
            Output::Within(name) => [(name, found)].into_iter().collect::<Object>().into(),
            Output::Both => {
                let members = |of: &Json| of.as_object().cloned().unwrap_or_default();
                let mut both = members(submitted);
                let own = members(&answer);
                own.iter().for_each(|(name, one)| drop(both.insert(name.clone(), one.clone())));
                with_metadata(both, &from)
            }
        };
        match verdict {
            Some(true) => return Ok(output),
            Some(false) => return Err(Failure::new("States.TaskFailed", output.to_string())),
            None => last = output,
        }
    }
}

/// Whether a job has ended because it is no longer there.
fn is_gone(job: &Job, failure: &Failure) -> bool {
    let is_not_found =
        failure.error.as_deref().is_some_and(|error| error.ends_with(".ResourceNotFoundException"));
    matches!(job.end, Ends::Gone(..)) && is_not_found
}

impl Ends {
    fn verdict(self, job: &Json) -> Option<bool> {
        let is_one = |at: &str, values: &[&str]| {
            find(job, at).and_then(Json::as_str).is_some_and(|status| values.contains(&status))
        };
        match self {
            Self::Status(at, good, _) if is_one(at, good) => Some(true),
            Self::Status(at, _, bad) | Self::Gone(at, bad) if is_one(at, bad) => Some(false),
            Self::Status(..) | Self::Gone(..) => None,
            Self::Says(says) => says(job),
        }
    }
}

fn find<'j>(value: &'j Json, pointer: &str) -> Option<&'j Json> {
    Pointer::parse(pointer)?.find(value)
}

/// Fills in parameters; `None` if one is not there.
fn filled(task: &Task, parameters: &[Parameter], submitted: &Json) -> Option<Json> {
    let given = &task.call.call.parameters;
    let filled = parameters.iter().map(|(name, from)| {
        let value = match from {
            Answer(at) => find(submitted, at)?.clone(),
            Only(at) => Json::from(vec![find(submitted, at)?.clone()]),
            Given(at) => find(given, at)?.clone(),
            Text(text) => (*text).into(),
        };
        Some((*name, value))
    });
    filled.collect::<Option<Object>>().map(Json::from)
}

const CANCELLED: &str = "The AWS Step Functions task was cancelled";

/// The jobs of `SageMaker` are alike.
macro_rules! sagemaker {
    ($action:literal, $describe:literal, $stop:literal, $name:literal, $status:literal) => {
        Job {
            resource: "sagemaker",
            action: $action,
            describe: ($describe, &[($name, Given(concat!("/", $name)))]),
            found: "",
            end: Ends::Status($status, &["Completed"], &["Failed", "Stopped"]),
            output: Output::Whole,
            cancel: Some(($stop, &[($name, Given(concat!("/", $name)))])),
        }
    };
}

/// EKS's things are created and deleted alike. What nobody waits for any more is deleted: that is the
/// right that AWS's policies give to a task that creates one.
macro_rules! eks {
    ($action:literal, $describe:literal, $ask:expr, $job:literal, $end:expr, $cancel:expr) => {
        Job {
            resource: "eks",
            action: $action,
            describe: ($describe, $ask),
            found: $job,
            end: $end,
            output: Output::Whole,
            cancel: $cancel,
        }
    };
}

/// The states of an application of EMR Serverless.
macro_rules! application {
    ($action:literal, $id:expr, $good:expr, $bad:expr, $cancel:expr) => {
        Job {
            resource: "emr-serverless",
            action: $action,
            describe: ("getApplication", &[("ApplicationId", $id)]),
            found: "/Application",
            end: Ends::Status("/State", $good, $bad),
            output: Output::Found,
            cancel: $cancel,
        }
    };
}

const CLUSTER: &[Parameter] = &[("Name", Given("/Name"))];
const FARGATE: &[Parameter] =
    &[("ClusterName", Given("/ClusterName")), ("FargateProfileName", Given("/FargateProfileName"))];
const NODEGROUP: &[Parameter] =
    &[("ClusterName", Given("/ClusterName")), ("NodegroupName", Given("/NodegroupName"))];
const ACTIVE: Ends = Ends::Status("/Status", &["ACTIVE"], &["FAILED", "CREATE_FAILED"]);
const DELETED: Ends = Ends::Gone("/Status", &["FAILED", "DELETE_FAILED"]);
const BUILD: &[&str] = &["FAILED", "FAULT", "STOPPED", "TIMED_OUT"];

const JOBS: [Job; 32] = [
    Job {
        resource: "athena",
        action: "startQueryExecution",
        describe: ("getQueryExecution", &[("QueryExecutionId", Answer("/QueryExecutionId"))]),
        found: "/QueryExecution",
        end: Ends::Status("/Status/State", &["SUCCEEDED"], &["CANCELLED", "FAILED"]),
        output: Output::Whole,
        cancel: Some(("stopQueryExecution", &[("QueryExecutionId", Answer("/QueryExecutionId"))])),
    },
    Job {
        resource: "batch",
        action: "submitJob",
        describe: ("describeJobs", &[("Jobs", Only("/JobId"))]),
        found: "/Jobs/0",
        end: Ends::Status("/Status", &["SUCCEEDED"], &["FAILED"]),
        output: Output::Found,
        cancel: Some(("terminateJob", &[("JobId", Answer("/JobId")), ("Reason", Text(CANCELLED))])),
    },
    Job {
        resource: "bedrock",
        action: "createModelCustomizationJob",
        describe: ("getModelCustomizationJob", &[("JobIdentifier", Answer("/JobArn"))]),
        found: "",
        end: Ends::Status("/Status", &["Completed"], &["Failed", "Stopped"]),
        output: Output::Whole,
        cancel: Some(("stopModelCustomizationJob", &[("JobIdentifier", Answer("/JobArn"))])),
    },
    Job {
        resource: "codebuild",
        action: "startBuild",
        describe: ("batchGetBuilds", &[("Ids", Only("/Build/Id"))]),
        found: "/Builds/0",
        end: Ends::Status("/BuildStatus", &["SUCCEEDED"], BUILD),
        output: Output::Within("Build"),
        cancel: Some(("stopBuild", &[("Id", Answer("/Build/Id"))])),
    },
    build_batch("startBuildBatch"),
    build_batch("retryBuildBatch"),
    Job {
        resource: "databrew",
        action: "startJobRun",
        describe: ("describeJobRun", &[("Name", Given("/Name")), ("RunId", Answer("/RunId"))]),
        found: "",
        end: Ends::Status("/State", &["SUCCEEDED"], &["FAILED", "STOPPED", "TIMEOUT"]),
        output: Output::Whole,
        cancel: Some(("stopJobRun", &[("Name", Given("/Name")), ("RunId", Answer("/RunId"))])),
    },
    Job {
        resource: "ecs",
        action: "runTask",
        describe: (
            "describeTasks",
            &[("Cluster", Answer("/Tasks/0/ClusterArn")), ("Tasks", Only("/Tasks/0/TaskArn"))],
        ),
        found: "/Tasks/0",
        end: Ends::Says(ecs::has_ended),
        output: Output::Found,
        cancel: Some((
            "stopTask",
            &[
                ("Cluster", Answer("/Tasks/0/ClusterArn")),
                ("Task", Answer("/Tasks/0/TaskArn")),
                ("Reason", Text(CANCELLED)),
            ],
        )),
    },
    eks!(
        "createCluster",
        "describeCluster",
        CLUSTER,
        "/Cluster",
        ACTIVE,
        Some(("deleteCluster", CLUSTER))
    ),
    eks!("deleteCluster", "describeCluster", CLUSTER, "/Cluster", DELETED, None),
    eks!(
        "createFargateProfile",
        "describeFargateProfile",
        FARGATE,
        "/FargateProfile",
        ACTIVE,
        Some(("deleteFargateProfile", FARGATE))
    ),
    eks!(
        "deleteFargateProfile",
        "describeFargateProfile",
        FARGATE,
        "/FargateProfile",
        DELETED,
        None
    ),
    eks!(
        "createNodegroup",
        "describeNodegroup",
        NODEGROUP,
        "/Nodegroup",
        ACTIVE,
        Some(("deleteNodegroup", NODEGROUP))
    ),
    eks!("deleteNodegroup", "describeNodegroup", NODEGROUP, "/Nodegroup", DELETED, None),
    Job {
        resource: "elasticmapreduce",
        action: "createCluster",
        describe: ("describeCluster", &[("ClusterId", Answer("/ClusterId"))]),
        found: "/Cluster",
        end: Ends::Status("/Status/State", &["WAITING"], &["TERMINATED", "TERMINATED_WITH_ERRORS"]),
        output: Output::Both,
        cancel: Some(("terminateJobFlows", &[("JobFlowIds", Only("/ClusterId"))])),
    },
    Job {
        resource: "elasticmapreduce",
        action: "terminateCluster",
        describe: ("describeCluster", &[("ClusterId", Given("/ClusterId"))]),
        found: "/Cluster",
        end: Ends::Status("/Status/State", &["TERMINATED", "TERMINATED_WITH_ERRORS"], &[]),
        output: Output::Whole,
        cancel: None,
    },
    Job {
        resource: "elasticmapreduce",
        action: "addStep",
        describe: (
            "describeStep",
            &[("ClusterId", Given("/ClusterId")), ("StepId", Answer("/StepId"))],
        ),
        found: "/Step",
        end: Ends::Status("/Status/State", &["COMPLETED"], &["CANCELLED", "FAILED", "INTERRUPTED"]),
        output: Output::Both,
        cancel: Some((
            "cancelSteps",
            &[("ClusterId", Given("/ClusterId")), ("StepIds", Only("/StepId"))],
        )),
    },
    Job {
        resource: "emr-containers",
        action: "deleteVirtualCluster",
        describe: ("describeVirtualCluster", &[("Id", Given("/Id"))]),
        found: "/VirtualCluster",
        end: Ends::Status("/State", &["TERMINATED"], &["ARRESTED"]),
        output: Output::Found,
        cancel: None,
    },
    Job {
        resource: "emr-containers",
        action: "startJobRun",
        describe: (
            "describeJobRun",
            &[("Id", Answer("/Id")), ("VirtualClusterId", Given("/VirtualClusterId"))],
        ),
        found: "/JobRun",
        end: Ends::Status("/State", &["COMPLETED"], &["CANCELLED", "FAILED"]),
        output: Output::Found,
        cancel: Some((
            "cancelJobRun",
            &[("Id", Answer("/Id")), ("VirtualClusterId", Given("/VirtualClusterId"))],
        )),
    },
    application!(
        "createApplication",
        Answer("/ApplicationId"),
        &["CREATED"],
        &["TERMINATED"],
        Some(("deleteApplication", &[("ApplicationId", Answer("/ApplicationId"))]))
    ),
    application!(
        "startApplication",
        Given("/ApplicationId"),
        &["STARTED"],
        &["TERMINATED"],
        Some(("stopApplication", &[("ApplicationId", Given("/ApplicationId"))]))
    ),
    application!("stopApplication", Given("/ApplicationId"), &["STOPPED"], &["TERMINATED"], None),
    application!("deleteApplication", Given("/ApplicationId"), &["TERMINATED"], &[], None),
    Job {
        resource: "emr-serverless",
        action: "startJobRun",
        describe: (
            "getJobRun",
            &[("ApplicationId", Given("/ApplicationId")), ("JobRunId", Answer("/JobRunId"))],
        ),
        found: "/JobRun",
        end: Ends::Status("/State", &["SUCCESS"], &["CANCELLED", "FAILED"]),
        output: Output::Found,
        cancel: Some((
            "cancelJobRun",
            &[("ApplicationId", Given("/ApplicationId")), ("JobRunId", Answer("/JobRunId"))],
        )),
    },
    Job {
        resource: "emr-serverless",
        action: "cancelJobRun",
        describe: (
            "getJobRun",
            &[("ApplicationId", Given("/ApplicationId")), ("JobRunId", Given("/JobRunId"))],
        ),
        found: "/JobRun",
        end: Ends::Status("/State", &["CANCELLED"], &["FAILED", "SUCCESS"]),
        output: Output::Found,
        cancel: None,
    },
    Job {
        resource: "glue",
        action: "startJobRun",
        describe: ("getJobRun", &[("JobName", Given("/JobName")), ("RunId", Answer("/JobRunId"))]),
        found: "/JobRun",
        end: Ends::Status(
            "/JobRunState",
            &["SUCCEEDED"],
            &["ERROR", "EXPIRED", "FAILED", "STOPPED", "TIMEOUT"],
        ),
        output: Output::Found,
        cancel: Some((
            "batchStopJobRun",
            &[("JobName", Given("/JobName")), ("JobRunIds", Only("/JobRunId"))],
        )),
    },
    Job {
        resource: "mediaconvert",
        action: "createJob",
        describe: ("getJob", &[("Id", Answer("/Job/Id"))]),
        found: "/Job",
        end: Ends::Status("/Status", &["COMPLETE"], &["CANCELED", "ERROR"]),
        output: Output::Whole,
        cancel: Some(("cancelJob", &[("Id", Answer("/Job/Id"))])),
    },
    sagemaker!(
        "createHyperParameterTuningJob",
        "describeHyperParameterTuningJob",
        "stopHyperParameterTuningJob",
        "HyperParameterTuningJobName",
        "/HyperParameterTuningJobStatus"
    ),
    sagemaker!(
        "createLabelingJob",
        "describeLabelingJob",
        "stopLabelingJob",
        "LabelingJobName",
        "/LabelingJobStatus"
    ),
    sagemaker!(
        "createProcessingJob",
        "describeProcessingJob",
        "stopProcessingJob",
        "ProcessingJobName",
        "/ProcessingJobStatus"
    ),
    sagemaker!(
        "createTrainingJob",
        "describeTrainingJob",
        "stopTrainingJob",
        "TrainingJobName",
        "/TrainingJobStatus"
    ),
    sagemaker!(
        "createTransformJob",
        "describeTransformJob",
        "stopTransformJob",
        "TransformJobName",
        "/TransformJobStatus"
    ),
];

/// A batch of builds, started or started again.
const fn build_batch(action: &'static str) -> Job {
    Job {
        resource: "codebuild",
        action,
        describe: ("batchGetBuildBatches", &[("Ids", Only("/BuildBatch/Id"))]),
        found: "/BuildBatches/0",
        end: Ends::Status("/BuildBatchStatus", &["SUCCEEDED"], BUILD),
        output: Output::Within("BuildBatch"),
        cancel: Some(("stopBuildBatch", &[("Id", Answer("/BuildBatch/Id"))])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_aws::sdk::{Spelling, message};
    use stepwright_aws::table;

    /// What is asked of a service is what its model has.
    #[test]
    fn every_job_asks_for_what_there_is() {
        for job in &JOBS {
            let service = match job.resource {
                "elasticmapreduce" => "emr".to_owned(),
                other => other.replace('-', ""),
            };
            let service = table::service(&service).unwrap();
            for (action, parameters) in [Some(job.describe), job.cancel].into_iter().flatten() {
                let operation = service.action(action).unwrap();
                let given: Object = parameters
                    .iter()
                    .map(|(name, from)| match from {
                        Only(_) => (*name, Json::from(vec![Json::from("x")])),
                        _ => (*name, Json::from("x")),
                    })
                    .collect();
                let taken = message(service, operation, &given.into(), Spelling::Optimised);
                assert!(taken.is_ok(), "{}: {action}: {taken:?}", job.action);
            }
        }
    }

    #[test]
    fn a_status_decides() {
        let job = of("glue", "startJobRun").unwrap();
        let is = |status: &str| job.end.verdict(&stepwright_json::json!({"JobRunState": status}));
        assert_eq!(is("RUNNING"), None);
        assert_eq!(is("SUCCEEDED"), Some(true));
        assert_eq!(is("TIMEOUT"), Some(false));
    }
}
