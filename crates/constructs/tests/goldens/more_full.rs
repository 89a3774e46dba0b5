//! Tasks and states with most of their properties, as `cdk/more.js` writes them.

use IntegrationPattern::{RequestResponse, RunJob};
use stepwright_constructs::prelude::*;

pub(crate) fn machines() -> Vec<(&'static str, Chain)> {
    let key = || Key::from_arn("arn:aws:kms:us-east-1:123456789012:key/k");
    let mut machines = vec![
        (
            "AthenaStartQueryExecution-full",
            AthenaStartQueryExecution::new("Task", "q")
                .client_request_token("unique-client-request-token-1234")
                .execution_parameters(["a", "b"])
                .catalog_name("cat")
                .database_name("db")
                .encryption_option(EncryptionOption::S3Managed)
                .output_location("results", "folder")
                .work_group("wg")
                .result_reuse_configuration_max_age(minutes(100))
                .into_chain(),
        ),
        (
            "BedrockInvokeModel-full",
            BedrockInvokeModel::new(
                "Task",
                BedrockModel::foundation("amazon.titan-text-express-v1"),
            )
            .input(S3Object::new("prompts", "k"))
            .output(S3Object::new("answers", "k"))
            .accept("application/json")
            .content_type("application/json")
            .guardrail(Guardrail::version("abc123", 1))
            .trace_enabled(true)
            .into_chain(),
        ),
        (
            "CallApiGatewayRestApiEndpoint-full",
            CallApiGatewayRestApiEndpoint::new("Task", "abc", "prod", HttpMethod::Post)
                .api_path("/pets")
                .auth_type(AuthType::IamRole)
                .headers(object! {"H": ["x"]})
                .query_parameters(object! {"q": ["1"]})
                .request_body("b")
                .into_chain(),
        ),
        (
            "CallAwsService-full",
            CallAwsService::new(
                "Task",
                "dynamodb",
                "batchGetItem",
                ["arn:aws:dynamodb:us-east-1:123456789012:table/t"],
            )
            .parameters(object! {"RequestItems": object_at("$.items")})
            .iam_action("dynamodb:BatchGetItem")
            .additional_iam_statements([Statement::allow(["kms:Decrypt"], ["*"])])
            .into_chain(),
        ),
        (
            "EcsRunTask-capacity",
            EcsRunTask::new(
                "Task",
                Cluster::from_arn(Token::parameter("Cluster")),
                EcsTaskDefinition::new(TaskDefinition::from_arn(Token::parameter("TD")))
                    .family("fam")
                    .task_role(Role::from_arn(Token::parameter("TaskRole"))),
                LaunchTarget::fargate()
                    .platform_version("LATEST")
                    .capacity_providers([CapacityProvider::new("FARGATE_SPOT").weight(2).base(1)]),
            )
            .revision_number(3)
            .propagated_tag_source(PropagateTags::TaskDefinition)
            .subnets(["subnet-1"])
            .security_groups(["sg-1"])
            .into_chain(),
        ),
        (
            "EventBridgeSchedulerCreateScheduleTask-full",
            EventBridgeSchedulerCreateScheduleTask::new(
                "Task",
                "MySchedule",
                Schedule::rate(hours(2)),
                ScheduleTarget::new(
                    "arn:aws:sqs:us-east-1:123456789012:q",
                    Role::from_arn("arn:aws:iam::123456789012:role/r"),
                )
                .retry_policy(2, minutes(5))
                .dead_letter_queue(Queue::from_arn("arn:aws:sqs:us-east-1:123456789012:dlq")),
            )
            .action_after_completion(ActionAfterCompletion::Delete)
            .client_token("ct")
            .description("d")
            .start_date("2124-01-01T00:00:00.000Z")
            .end_date("2124-02-01T00:00:00.000Z")
            .flexible_time_window(minutes(5))
            .group_name("g")
            .kms_key(key())
            .timezone("UTC")
            .enabled(false)
            .into_chain(),
        ),
        (
            "HttpInvoke-full",
            HttpInvoke::new(
                "Task",
                Connection::from_arns(
                    "arn:aws:events:us-east-1:123456789012:connection/c/1",
                    "arn:aws:secretsmanager:us-east-1:123456789012:secret:s",
                ),
                "https://api.example.com",
                format_text("v1/{}", [string_at("$.id")]),
                "POST",
            )
            .body(object! {"a": 1})
            .headers(object! {"X": "y"})
            .query_string_parameters(object! {"q": "1"})
            .url_encoding_format(UrlEncoding::Brackets)
            .into_chain(),
        ),
        (
            "SageMakerCreateModel-full",
            SageMakerCreateModel::new(
                "Task",
                "MyModel",
                ModelContainer::new()
                    .image(DockerImage::at("$.i"))
                    .mode(ModelMode::MultiModel)
                    .model_s3_location(S3Location::at("$.m"))
                    .container_host_name("h")
                    .environment_variables(object! {"A": "b"})
                    .model_package_name("p"),
            )
            .enable_network_isolation(true)
            .tags([object! {"Key": "k", "Value": "v"}])
            .into_chain(),
        ),
        (
            "SageMakerCreateEndpointConfig-full",
            SageMakerCreateEndpointConfig::new(
                "Task",
                "MyConfig",
                [ProductionVariant::new("v", "m", "m5.xlarge")
                    .initial_instance_count(2)
                    .initial_variant_weight(0.5)],
            )
            .tags([object! {"Key": "k", "Value": "v"}])
            .into_chain(),
        ),
        (
            "EmrAddStep-full",
            EmrAddStep::new("Task", "c", "n", "j")
                .main_class("m")
                .args(["a"])
                .properties([("p", "v")])
                .action_on_failure(ActionOnFailure::TerminateCluster)
                .execution_role_arn("arn:aws:iam::123456789012:role/r")
                .integration_pattern(RequestResponse)
                .into_chain(),
        ),
        (
            "EmrModifyInstanceGroupByName-full",
            EmrModifyInstanceGroupByName::new(
                "Task",
                "c",
                "g",
                InstanceGroupModification::new()
                    .instance_count(3)
                    .ec2_instance_ids_to_terminate(["i-1"])
                    .configurations([Configuration::new()
                        .classification("c")
                        .properties([("k", "v")])])
                    .shrink_policy(
                        ShrinkPolicy::new()
                            .decommission_timeout(seconds(5))
                            .instance_resize_policy(
                                InstanceResizePolicy::new()
                                    .instances_to_protect(["i-2"])
                                    .instances_to_terminate(["i-3"])
                                    .instance_termination_timeout(seconds(6)),
                            ),
                    ),
            )
            .into_chain(),
        ),
        (
            "GlueStartJobRun-all",
            GlueStartJobRun::new("Task", "j")
                .arguments(object! {"a": string_at("$.a")})
                .notify_delay_after(minutes(5))
                .task_timeout(minutes(30))
                .worker_type("G.2X")
                .number_of_workers(2)
                .execution_class(GlueExecutionClass::Standard)
                .integration_pattern(RunJob)
                .into_chain(),
        ),
        (
            "EksCall-full",
            EksCall::new("Task", "c", "https://e", "ca", HttpMethod::Post, "/api")
                .query_parameters(object! {"l": ["x"]})
                .request_body(object! {"b": "c"})
                .into_chain(),
        ),
    ];
    machines.extend(states());
    machines
}

fn states() -> Vec<(&'static str, Chain)> {
    vec![
        (
            "DistributedMap-jsonata",
            DistributedMap::jsonata("Task")
                .items("{% $states.input.items %}")
                .item_selector(object! {"i": "{% $states.context.Map.Item.Value %}"})
                .max_concurrency(4)
                .tolerated_failure_count(2)
                .item_batcher(ItemBatcher::new().max_items_per_batch(3))
                .label("l")
                .outputs(object! {"o": "{% $states.result %}"})
                .item_processor(Pass::jsonata("P"))
                .into_chain(),
        ),
        (
            "DistributedMap-lines",
            DistributedMap::new("Task")
                .item_reader(ItemReader::json_lines(Bucket::from_name("inputs"), "k"))
                .map_execution_type(ExecutionType::Express)
                .tolerated_failure_percentage_path("$.pct")
                .item_processor(Pass::new("P"))
                .into_chain(),
        ),
        (
            "Map-catch-retry",
            Map::new("Task")
                .items_path("$.list")
                .max_concurrency(0)
                .result_selector(object! {"r.$": "$"})
                .result_path("$.m")
                .item_selector(object! {"v.$": "$$.Map.Item.Value"})
                .item_processor(Pass::new("P"))
                .retry(
                    Retry::on(["A"])
                        .jitter(Jitter::Full)
                        .max_delay(seconds(20))
                        .interval(seconds(2)),
                )
                .catch_with(Catch::on(["States.ALL"]).result_path("$.e"), Fail::new("F"))
                .into_chain(),
        ),
        (
            "Choice-nested",
            Choice::new("Task")
                .comment("c")
                .input_path("$.i")
                .output_path("$.o")
                .when_with(
                    Condition::not(Condition::or([
                        Condition::is_null("$.a"),
                        Condition::and([
                            Condition::number_greater_than_equals_path("$.b", "$.c"),
                            Condition::timestamp_less_than("$.t", "2026-01-01T00:00:00Z"),
                        ]),
                    ])),
                    Transition::new().comment("first"),
                    Pass::new("A"),
                )
                .when(Condition::string_matches("$.s", "log-*.txt"), Pass::new("B"))
                .otherwise(Succeed::new("S"))
                .into_chain(),
        ),
        (
            "Wait-timestamp",
            Wait::new("Task", WaitTime::timestamp("2026-01-01T00:00:00Z"))
                .comment("c")
                .next(Wait::new("W2", minutes(2))),
        ),
    ]
}
