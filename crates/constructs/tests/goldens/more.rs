//! Compares with definitions and policies that aws-cdk-lib 2.276.0 makes of tasks that the goldens do
//! not have, and of optional properties (`cdk/more.js` makes them).

use crate::compare::{Names, same_statements};
use IntegrationPattern::{RequestResponse, RunJob};
use stepwright_constructs::prelude::*;
use stepwright_json::Json;

pub(crate) fn machines() -> Vec<(&'static str, Chain)> {
    type A = AttributeValue;
    let id = || string_at("$.id");
    let table = || Table::from_name("my-table");
    let key = || Key::from_arn("arn:aws:kms:us-east-1:123456789012:key/k");
    let x = || [("id", A::string("x"))];
    vec![
        ("AthenaGetQueryExecution", AthenaGetQueryExecution::new("Task", id()).into_chain()),
        (
            "AthenaGetQueryExecution-common",
            AthenaGetQueryExecution::new("Task", "id")
                .comment("c")
                .input_path("$.in")
                .output_path("$.out")
                .result_path("$.res")
                .result_selector(object! {"a": value_at("$.a")})
                .task_timeout(Timeout::at("$.t"))
                .heartbeat_timeout(seconds(5))
                .credentials(Role::at("$.role"))
                .state_name("Named")
                .assign(object! {"v": string_at("$.v")})
                .into_chain(),
        ),
        ("AthenaStopQueryExecution", AthenaStopQueryExecution::new("Task", id()).into_chain()),
        (
            "EmrContainersCreateVirtualCluster",
            EmrContainersCreateVirtualCluster::new("Task", "clusterId").into_chain(),
        ),
        (
            "EmrContainersCreateVirtualCluster-full",
            EmrContainersCreateVirtualCluster::new("Task", string_at("$.cluster"))
                .eks_namespace("ns")
                .virtual_cluster_name("n")
                .tags([("key", "value")])
                .into_chain(),
        ),
        (
            "EmrContainersCreateVirtualCluster-jsonata",
            EmrContainersCreateVirtualCluster::jsonata("Task", "clusterId").into_chain(),
        ),
        ("GlueStartCrawlerRun", GlueStartCrawlerRun::new("Task", "my-crawler").into_chain()),
        (
            "GlueStartCrawlerRun-path",
            GlueStartCrawlerRun::new("Task", string_at("$.name")).into_chain(),
        ),
        (
            "MediaConvertCreateJob",
            MediaConvertCreateJob::new(
                "Task",
                object! {
                    "Role": "arn:aws:iam::123456789012:role/MediaConvertRole",
                    "Settings": {"Inputs": [{"FileInput": "s3://b/k"}], "OutputGroups": []},
                },
            )
            .into_chain(),
        ),
        (
            "MediaConvertCreateJob-RUN_JOB",
            MediaConvertCreateJob::new(
                "Task",
                object! {
                    "Role": string_at("$.role"), "Settings": {"Inputs": []},
                },
            )
            .integration_pattern(RunJob)
            .into_chain(),
        ),
        (
            "SnsPublish-full",
            SnsPublish::new("Task", Topic::new("Topic"), "m")
                .subject("s")
                .message_per_subscription_type(true)
                .message_group_id("g")
                .message_deduplication_id("d")
                .into_chain(),
        ),
        (
            "SqsSendMessage-full",
            SqsSendMessage::new("Task", Queue::new("Queue"), "m")
                .delay(minutes(2))
                .message_deduplication_id("d")
                .message_group_id("g")
                .into_chain(),
        ),
        (
            "DynamoGetItem-full",
            DynamoGetItem::new("Task", table(), x())
                .consistent_read(true)
                .expression_attribute_names([("#n", "name")])
                .projection_expression([ProjectionExpression::new()
                    .with_attribute("a")
                    .at_index(1)
                    .with_attribute("b")])
                .return_consumed_capacity(ConsumedCapacity::Total)
                .into_chain(),
        ),
        (
            "DynamoUpdateItem-full",
            DynamoUpdateItem::new("Task", table(), x())
                .condition_expression("c")
                .expression_attribute_names([("#n", "name")])
                .expression_attribute_values([(":v", A::boolean(flag_at("$.b")))])
                .return_consumed_capacity(ConsumedCapacity::Indexes)
                .return_item_collection_metrics(ItemCollectionMetrics::Size)
                .return_values(ReturnValues::UpdatedNew)
                .update_expression("SET #n = :v")
                .into_chain(),
        ),
        (
            "DynamoDeleteItem-full",
            DynamoDeleteItem::new("Task", table(), [("id", A::number(1))])
                .condition_expression("c")
                .expression_attribute_names([("#n", "name")])
                .expression_attribute_values([(":v", A::null(true))])
                .return_consumed_capacity(ConsumedCapacity::None)
                .return_item_collection_metrics(ItemCollectionMetrics::None)
                .return_values(ReturnValues::AllOld)
                .into_chain(),
        ),
        (
            "BatchSubmitJob-timeout",
            BatchSubmitJob::new(
                "Task",
                JobDefinition::from_arn("arn:aws:batch:us-east-1:123456789012:job-definition/d"),
                string_at("$.n"),
                JobQueue::at("$.q"),
            )
            .integration_pattern(RequestResponse)
            .task_timeout(Timeout::at("$.t"))
            .container_overrides(
                BatchContainerOverrides::new().vcpus(1).memory(gibibytes(2)).gpu_count(1),
            )
            .into_chain(),
        ),
        (
            "GlueStartJobRun-timeout",
            GlueStartJobRun::new("Task", string_at("$.n"))
                .task_timeout(Timeout::at("$.t"))
                .into_chain(),
        ),
        (
            "CodeBuildStartBuildBatch-full",
            CodeBuildStartBuildBatch::new("Task", BuildProject::from_name("p"))
                .environment_variables_override([("A", BuildVariable::parameter_store("v"))])
                .integration_pattern(RunJob)
                .into_chain(),
        ),
        (
            "SageMakerCreateTrainingJob-full",
            SageMakerCreateTrainingJob::new(
                "Task",
                "MyJob",
                TrainingAlgorithm::image("1.dkr.ecr.us-east-1.amazonaws.com/i:1")
                    .training_input_mode(InputMode::FastFile)
                    .metric_definitions([MetricDefinition::new("m", "r")]),
                TrainingOutput::new(S3Location::from_bucket(Bucket::from_name("outputs"), "p"))
                    .encryption_key(key()),
            )
            .enable_network_isolation(true)
            .environment([("A", "b")])
            .hyperparameters(object! {"lr": "0.1"})
            .input_data_config([Channel::new(
                "train",
                S3Location::from_bucket(Bucket::from_name("inputs"), "p"),
            )
            .s3_data_type(S3DataType::S3Prefix)
            .s3_data_distribution(S3DataDistribution::ShardedByS3Key)
            .attribute_names(["a"])
            .compression_type(Compression::Gzip)
            .content_type("text/csv")
            .input_mode(InputMode::Pipe)
            .record_wrapper_type(RecordWrapper::RecordIo)])
            .resource_config(
                TrainingResources::new(2, "m5.large", gibibytes(50)).volume_encryption_key(key()),
            )
            .stopping_condition(hours(2))
            .tags([("t", "v")])
            .integration_pattern(RunJob)
            .into_chain(),
        ),
        (
            "SageMakerCreateTransformJob-full",
            SageMakerCreateTransformJob::new(
                "Task",
                "MyTransformJob",
                "MyModelName",
                TransformInput::new("s3://in/p")
                    .s3_data_type(S3DataType::ManifestFile)
                    .compression_type(Compression::Gzip)
                    .content_type("text/csv")
                    .split_type(SplitType::Line),
                TransformOutput::new("s3://out/p")
                    .accept("a")
                    .assemble_with(AssembleWith::Line)
                    .encryption_key(key()),
            )
            .batch_strategy(BatchStrategy::MultiRecord)
            .environment([("A", "b")])
            .max_concurrent_transforms(3)
            .max_payload(mebibytes(100))
            .model_client_options(2, seconds(30))
            .tags([("t", "v")])
            .transform_resources(
                TransformResources::new(1, "m5.xlarge").volume_encryption_key(key()),
            )
            .integration_pattern(RunJob)
            .into_chain(),
        ),
        (
            "StepFunctionsStartExecution-imported",
            StepFunctionsStartExecution::new("Task", StateMachine::from_name("other"))
                .integration_pattern(RunJob)
                .execution_name(string_at("$.n"))
                .associate_with_parent(true)
                .input(object! {"a": 1})
                .into_chain(),
        ),
        (
            "StepFunctionsInvokeActivity-imported",
            StepFunctionsInvokeActivity::new(
                "Task",
                Activity::from_arn("arn:aws:states:us-east-1:123456789012:activity:a"),
            )
            .parameters(object! {"a": 1})
            .into_chain(),
        ),
        (
            "EventBridgePutEvents-full",
            EventBridgePutEvents::new(
                "Task",
                [EventEntry::new("mine", string_at("$.t"), value_at("$.d"))],
            )
            .into_chain(),
        ),
    ]
}

/// Where the CDK is wrong: it writes JSONPath into JSONata, and paths into ARNs and booleans, and
/// leaves out a `MaxConcurrency` of 0.
const WRONG: &[(&str, &str)] = &[
    ("EmrContainersCreateVirtualCluster-jsonata", "/States/Task/Arguments/Name"),
    ("GlueStartCrawlerRun-path", "crawler/$.name"),
    ("MediaConvertCreateJob-RUN_JOB", "\"Resource\":\"$.role\""),
    ("DynamoUpdateItem-full", "/:v/BOOL is missing: \"$.b\""),
    ("GlueStartJobRun-timeout", "job/$.n"),
    ("Map-catch-retry", "MaxConcurrency is too much: 0"),
];

#[test]
fn tasks_and_properties_that_the_goldens_do_not_have() {
    let made = stepwright_json::parse(include_str!("cdk/more.json")).expect("it is JSON");
    let (mut differences, mut count) = (Vec::new(), 0);
    let mut machines = machines();
    machines.extend(crate::more_full::machines());
    assert_eq!(made.as_object().map(stepwright_json::Object::len), Some(machines.len()));
    for (name, chain) in machines {
        let expected = made.get(name).expect(name);
        let machine = StateMachine::new("StateMachine", chain);
        let mut names = Names::default();
        let asl = machine.asl().unwrap_or_else(|misuses| panic!("{name}: {misuses}"));
        if let Err(why) = names.same(&asl, expected.get("definition").expect(name), "") {
            differences.push(format!("{name}: {why}"));
        }
        let ours = machine.policy().expect(name).iter().map(Statement::to_json).collect();
        let theirs = expected.get("statements").and_then(Json::as_array).expect(name).to_vec();
        if let Err(why) = same_statements(ours, theirs, &mut names) {
            differences.push(format!("{name}: {why}"));
        }
        count += 1;
    }
    println!("{count} further machines of the CDK");
    differences.retain(|difference| {
        !WRONG.iter().any(|(name, part)| difference.starts_with(name) && difference.contains(part))
    });
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
