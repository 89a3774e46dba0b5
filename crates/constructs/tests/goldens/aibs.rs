//! Our counterparts of the examples of the AIBS library.

use crate::compare::{Golden, golden};
use crate::states::function;
use stepwright_constructs::fragments::*;
use stepwright_constructs::prelude::*;

const IMAGE: &str = "123456789012.dkr.ecr.us-west-2.amazonaws.com/aibs:latest";

pub(crate) fn env() -> EnvBase {
    EnvBase::new("dev", Some("marmotdev"))
}

fn bucket() -> Bucket {
    Bucket::from_name("scaffolding-bucket")
}

fn mounts() -> [MountPointConfiguration; 3] {
    let mount = |name: &str| {
        MountPointConfiguration::from_access_point(
            Token::parameter("Fs"),
            Token::parameter(&format!("Fs{name}")),
        )
        .mount_point(format!("/opt/efs/{name}"))
    };
    [mount("shared").read_only(), mount("scratch"), mount("tmp")]
}

fn machine(name: &'static str, machine: StateMachine) -> Golden {
    Golden { name, machine }
}

pub(crate) fn goldens() -> Vec<Golden> {
    let mut goldens = operations();
    goldens.extend(fragments());
    goldens.extend(informatics());
    goldens
}

fn operations() -> Vec<Golden> {
    let pass = |id: &str| Pass::new(id);
    let s3 = |bucket: &str| S3Operation::new("S3", bucket);
    let merge = |defaults: Value| MergeDefaults::new("Merge", defaults);
    let a = || object! {"a": 1};
    vec![
        golden("enclose-chainable-state", enclose_chainable("Enc", pass("P"), None, None)),
        golden(
            "enclose-chainable-input-path-only",
            enclose_chainable("Enc", pass("P"), Some("$.i"), None),
        ),
        golden(
            "enclose-chainable-chain-paths",
            enclose_chainable("Enc", pass("P").next(pass("Q")), Some("$.i"), Some("$.r".into())),
        ),
        golden("merge-defaults-basic", merge(object! {"a": 1, "b": value_at("$.x")})),
        golden("merge-defaults-order-default", merge(a()).prefer_defaults()),
        golden(
            "merge-defaults-check-if-target-present",
            merge(a()).target_path("$.opt").check_if_target_present(),
        ),
        golden(
            "merge-defaults-check-order-default-result-path",
            merge(a())
                .input_path("$.in")
                .target_path("$.t")
                .result_path("$.merged")
                .prefer_defaults()
                .check_if_target_present(),
        ),
        golden("s3-get-object-literals", s3("bucket").get_object("key")),
        golden("s3-get-object-references", s3("$.bucket").result_path("$.get").get_object("$.key")),
        golden("s3-get-payload", s3("$.bucket").get_payload("$.key")),
        golden(
            "s3-get-payload-result-path",
            s3("$.bucket").result_path("$.payload").get_payload("$.key"),
        ),
        golden("s3-put-object-literals", s3("bucket").put_object("key", "body")),
        golden(
            "s3-put-object-references",
            s3("$.bucket")
                .result_path("$.put")
                .output_path("$.put")
                .put_object("$.key", "$.nested"),
        ),
        golden("s3-put-payload", s3("bucket").put_payload("$", None)),
        golden(
            "s3-put-payload-key-result-path",
            s3("$.bucket").result_path("$.loc").put_payload("$.data", Some("$.key".into())),
        ),
        golden(
            "submit-job",
            SubmitJob::new("Submit", "job", "job-def", "job-queue")
                .parameters(object! {"foo": "bar"})
                .command(value!(["echo", "hello"]))
                .environment(object! {"ALPHA": "beta"})
                .memory(1024)
                .vcpus(2)
                .gpu(1),
        ),
        golden(
            "submit-job-no-gpu",
            SubmitJob::new("SubmitNoGpu", "job", "$.def", "$.queue").memory(2048).vcpus(2),
        ),
        golden(
            "table-convert-reference-paths-ok",
            Pass::new("P").parameters(convert_reference_paths(object! {
                "a": "$.x",
                "b": "lit",
                "c": [1, "z"],
                "e": "$$.Execution.Name",
                "g": true,
                "h": "$",
                "i": {"d": "States.UUID()"},
            })),
        ),
    ]
}

fn fragments() -> Vec<Golden> {
    let two = |id: &str| {
        let chain = Pass::new(format!("{id} one")).next(Pass::new(format!("{id} two")));
        EnvFragment::new(id, env(), chain)
    };
    let part = |name: &str| {
        Pass::new(format!("MyTask {name}")).parameters(object! {"step": name, "in": value_at("$")})
    };
    let work =
        LambdaInvoke::new("Do Work", Function::from_name("my-function")).payload_response_only();
    vec![
        golden(
            "to-single-state-and-enclose",
            two("A")
                .to_single_state()
                .next(two("B").enclose())
                .next(two("C").enclose_at(Some("Custom"), Some("$.in"), Some("$.out".into())))
                .next(two("D").enclose_at(None, None, Some(DISCARD.into()))),
        ),
        golden(
            "lambda-function-fragment-plain",
            LambdaFunctionFragment::new("LF", env(), Function::from_name("my-function")),
        ),
        golden(
            "state-machine-mixins-get-fn-plain",
            LambdaInvoke::new("A", env().get_fn("my-fn")).payload_response_only().next(
                StepFunctionsStartExecution::new(
                    "B",
                    env().get_state_machine_from_name("other-sm"),
                )
                .integration_pattern(IntegrationPattern::RunJob),
            ),
        ),
        golden(
            "task-with-pre-post-status-minimal-plain",
            TaskWithPrePostStatus::new("MyTask", env(), Pass::new("The Task")),
        ),
        golden(
            "task-with-pre-post-status-full-plain",
            TaskWithPrePostStatus::new("MyTask", env(), work)
                .task_context(object! {"execution_id": execution_id(), "static": 1})
                .augment_input(part("augment"))
                .status_started(part("started"))
                .status_failed(part("failed"))
                .status_completed(part("completed"))
                .pre_run(part("pre"))
                .post_run(part("post")),
        ),
        golden(
            "submit-job-fragment-plain",
            SubmitJobFragment::new("Submit", env(), "my-job")
                .job_queue("$.job_queue")
                .image("$.image")
                .command("$.cmd")
                .environment(object! {"A": "$.a"})
                .memory(1024)
                .vcpus(1),
        ),
        golden(
            "submit-job-fragment-from-defaults-plain",
            SubmitJobFragment::from_defaults(
                "Submit",
                env(),
                "my-job",
                JobDefaults::new("q", "img")
                    .command("$.cmd")
                    .environment(object! {"A": "b"})
                    .as_published(true),
            ),
        ),
        machine(
            "create-state-machine-function",
            create_state_machine(
                &env(),
                "my-sm",
                Some("my-sm"),
                Pass::new("P"),
                Some(create_role("my-sm", &env())),
                None,
            )
            .timeout(minutes(5)),
        ),
    ]
}

fn informatics() -> Vec<Golden> {
    let options = || DataPathOptions::new(IMAGE, "queue", bucket());
    let clean = |options: DataPathOptions| {
        CleanFileSystemFragment::new("Clean", env(), options).to_state_machine("clean")
    };
    let demand = || {
        let [shared, scratch, _] = mounts();
        DemandExecutionFragment::new("Demand", env())
            .docker_image(IMAGE)
            .scaffolding_bucket(bucket())
            .scaffolding_job_queue("queue")
            .batch_invoked_lambda_state_machine(Machine::from_name("batch-invoked-lambda"))
            .data_sync_state_machine(Machine::from_name("data-sync"))
            .shared_mount_point_configs([shared])
            .scratch_mount_point_configs([scratch])
    };
    let data_sync = || DataSyncFragment::new("DataSync", env(), IMAGE, "queue", bucket());
    vec![
        machine(
            "batch-invoked-lambda-function",
            BatchInvokedLambdaFunction::new("Fn", env(), "my-fn")
                .image("$.image")
                .handler("$.handler")
                .job_queue("my-queue")
                .bucket_name("my-bucket")
                .environment([("X", "1")])
                .memory("$.memory")
                .vcpus("$.vcpus")
                .to_state_machine("fn"),
        ),
        machine(
            "clean-file-system-fragment",
            clean(options().mount_point_configs(mounts()).memory(2048).vcpus(2)),
        ),
        machine("clean-file-system-trigger-rule", clean(options())),
        machine("data-sync-fragment", data_sync().as_published(true).to_state_machine("data-sync")),
        machine(
            "data-sync-fragment-mounts-role",
            data_sync()
                .batch_job_role("arn:aws:iam::123456789012:role/job")
                .mount_point_configs(mounts())
                .to_state_machine("data-sync"),
        ),
        machine(
            "distributed-data-sync-fragment",
            DistributedDataSyncFragment::new("DDS", env(), IMAGE, "queue", bucket())
                .to_state_machine("dds"),
        ),
        machine("demand-execution-fragment-minimal", demand().to_state_machine("demand")),
        machine(
            "demand-execution-fragment",
            demand()
                .tmp_mount_point_configs([mounts()[2].clone()])
                .context_manager_configuration(object! {"isolate_inputs": true})
                .tags([("project", "p"), ("user", "$.execution_metadata.user")])
                .to_state_machine("demand"),
        ),
        machine(
            "get-data-path-stats",
            get_data_path_stats_fragment("Stats", &env(), &options()).to_state_machine("stats"),
        ),
        machine(
            "outdated-data-path-scanner",
            outdated_data_path_scanner_fragment("Scan", &env(), &options())
                .to_state_machine("scan"),
        ),
        machine(
            "remove-data-paths",
            remove_data_paths_fragment("Remove", &env(), &options()).to_state_machine("remove"),
        ),
    ]
}

/// The rule that cleans paths every day.
pub(crate) fn trigger_rule() -> CleanFileSystemTriggerRule {
    let scratch = CleanFileSystemTrigger::new(Token::parameter("Fs"), "/scratch")
        .days_since_last_accessed(5.0)
        .max_depth(3)
        .min_depth(1)
        .min_size_bytes_allowed(10);
    let tmp = CleanFileSystemTrigger::new(Token::parameter("Fs"), "/tmp");
    CleanFileSystemTriggerRule::new("rule", [scratch, tmp])
}

/// The examples for which the library itself fails, but which work here.
pub(crate) fn where_the_library_fails() -> Vec<Golden> {
    let executor = |image: &str, queue: &str| {
        BatchInvokedExecutorFragment::new("Exec", env(), "my-executor")
            .image(image)
            .executor("my.module.MyExecutor")
            .job_queue(queue)
            .bucket_name("my-bucket")
    };
    let work = LambdaInvoke::new("Do Work", function("F")).payload_response_only();
    let fragment = LambdaInvoke::new("A", env().get_fn("my-fn")).payload_response_only().next(
        StepFunctionsStartExecution::new("B", env().get_state_machine_from_name("other-sm"))
            .integration_pattern(IntegrationPattern::RunJob),
    );
    vec![
        machine(
            "batch-invoked-executor-fragment",
            executor("$.image", "$.job_queue")
                .key_prefix("scratch/")
                .payload_path("$.payload")
                .environment(object! {"FOO": "$.foo", "BAR": "bar"})
                .memory(2048)
                .vcpus(2)
                .job_role_arn("arn:aws:iam::123456789012:role/job")
                .to_state_machine("exec"),
        ),
        machine(
            "batch-invoked-executor-fragment-literals-ERR",
            executor("img", "q").to_state_machine("exec"),
        ),
        machine(
            "state-machine-mixins-get-fn",
            EnvFragment::new("Frag", env(), fragment).to_state_machine("frag"),
        ),
        machine(
            "submit-job-fragment",
            SubmitJobFragment::new("Submit", env(), "my-job")
                .job_queue("$.job_queue")
                .image("$.image")
                .command(value!(["echo", "$.msg"]))
                .environment(object! {"A": "$.a"})
                .memory(1024)
                .vcpus(1)
                .to_state_machine("submit"),
        ),
        machine(
            "task-with-pre-post-status-full",
            TaskWithPrePostStatus::new("MyTask", env(), work).to_state_machine("t"),
        ),
        machine(
            "task-with-pre-post-status-minimal",
            TaskWithPrePostStatus::new("MyTask", env(), Pass::new("The Task"))
                .to_state_machine("t"),
        ),
    ]
}
