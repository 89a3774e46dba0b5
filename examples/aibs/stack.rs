//! The machines of the pipeline.

use stepwright_constructs::fragments::*;
use stepwright_constructs::prelude::*;

/// The image of the jobs. On this machine, `stepwright.toml` says what is run instead.
const IMAGE: &str = "aibs/informatics:latest";

/// The queue of the jobs, which `stepwright.toml` makes on this machine.
const QUEUE: &str = "dev-aibs-jobs";

/// The bucket for requests and responses.
fn scratch() -> Bucket {
    Bucket::from_name("dev-aibs-scratch")
}

/// The file system of the jobs. A process of this machine sees its folder where the folder is.
fn file_system() -> MountPointConfiguration {
    MountPointConfiguration::from_file_system("fs-aibs").mount_point("/tmp/stepwright-aibs")
}

/// The stack with the machines of all fragments.
pub(crate) fn stack() -> Stack {
    let env = EnvBase::new("dev", Some("aibs"));
    let options =
        || DataPathOptions::new(IMAGE, QUEUE, scratch()).mount_point_configs([file_system()]);
    let batch_invoked = BatchInvokedLambdaFunction::with_defaults(
        "Function",
        &env,
        "function",
        BatchInvokedDefaults::new(QUEUE, "dev-aibs-scratch").mount_point_configs([file_system()]),
    )
    .to_state_machine("function");
    let executor = BatchInvokedExecutorFragment::new("Executor", &env, "executor")
        .image(IMAGE)
        .executor("pipeline.WordCount")
        .job_queue(QUEUE)
        .bucket_name("dev-aibs-scratch")
        .to_state_machine("executor");
    let data_sync = DataSyncFragment::new("DataSync", &env, IMAGE, QUEUE, scratch())
        .mount_point_configs([file_system()])
        .to_state_machine("data-sync");
    let distributed =
        DistributedDataSyncFragment::new("Distributed", &env, IMAGE, QUEUE, scratch())
            .mount_point_configs([file_system()])
            .to_state_machine("distributed-data-sync");
    let demand = DemandExecutionFragment::new("Demand", &env)
        .docker_image(IMAGE)
        .scaffolding_bucket(scratch())
        .scaffolding_job_queue(QUEUE)
        .batch_invoked_lambda_state_machine(&batch_invoked)
        .data_sync_state_machine(&data_sync)
        .shared_mount_point_configs([file_system()])
        .scratch_mount_point_configs([MountPointConfiguration::from_file_system("fs-scratch")
            .mount_point("/tmp/stepwright-aibs-scratch")])
        .tags([("team", "informatics")])
        .to_state_machine("demand");
    let clean = CleanFileSystemFragment::new("Clean", &env, options()).to_state_machine("clean");
    [batch_invoked, executor, data_sync, distributed, demand, clean]
        .into_iter()
        .fold(Stack::new().description("Pipelines of the AIBS fragments"), Stack::machine)
}
