//! Our counterparts of the examples of `aws-stepfunctions-tasks`.

use crate::compare::{Golden, golden};
use crate::states::function;
use IntegrationPattern::{RequestResponse, RunJob, WaitForTaskToken};
use stepwright_constructs::prelude::*;

pub(crate) fn goldens() -> Vec<Golden> {
    let mut goldens = lambda();
    goldens.extend(messages());
    goldens.extend(executions());
    goldens.extend(tables());
    goldens.extend(builds_and_jobs());
    goldens.extend(services());
    goldens
}

fn lambda() -> Vec<Golden> {
    let f = || function("F");
    let invoke = |id: &str| LambdaInvoke::new(id, f());
    let token = || object! {"token": task_token()};
    vec![
        golden(
            "001-03-lambda-invoke-function",
            invoke("Invoke1")
                .payload_response_only()
                .input_path("$.input")
                .task_timeout(minutes(5))
                .retry_on_service_exceptions(false)
                .retry(Retry::all().interval(seconds(5)).max_attempts(10))
                .catch(Pass::new("ErrorHandler"))
                .next(Pass::new("Next")),
        ),
        golden(
            "001-04-lambda-run-lambda-task",
            invoke("Invoke2").integration_pattern(WaitForTaskToken).payload(token()),
        ),
        golden("001-22-metrics-task-alarm", invoke("Task")),
        golden("002-01-input-path", invoke("Invoke Handler").input_path("$.input")),
        golden("002-02-output-path", invoke("Invoke Handler").output_path("$.Payload.result")),
        golden(
            "002-04-params-from-state",
            invoke("Invoke Handler")
                .payload(value_at("$.input"))
                .invocation_type(InvocationType::Event),
        ),
        golden("002-22-lambda-state-input", invoke("Invoke with state input")),
        golden(
            "002-23-lambda-empty-payload",
            invoke("Invoke with empty object as payload").payload(object! {}).next(
                LambdaInvoke::new(
                    "Invoke with payload field in the state input",
                    function("MyOtherLambda"),
                )
                .payload(value_at("$.Payload")),
            ),
        ),
        golden(
            "002-24-lambda-output-payload",
            invoke("Invoke and set function response as task output")
                .payload(value_at("$"))
                .output_path("$.Payload"),
        ),
        golden(
            "002-25-lambda-payload-response-only",
            invoke("Invoke and combine function response with task input")
                .payload_response_only()
                .result_path("$.myLambda"),
        ),
        golden(
            "002-26-lambda-callback",
            invoke("Invoke with callback")
                .integration_pattern(WaitForTaskToken)
                .payload(object! {"token": task_token(), "input": string_at("$.someField")}),
        ),
        golden(
            "002-27-lambda-no-service-retry",
            invoke("Invoke").retry_on_service_exceptions(false),
        ),
        golden(
            "t-LambdaInvoke-WAIT_FOR_TASK_TOKEN",
            invoke("Task").integration_pattern(WaitForTaskToken).payload(token()),
        ),
        golden(
            "x-36-lambda-invoke-full",
            invoke("A")
                .invocation_type(InvocationType::DryRun)
                .client_context("eyJoZWxsbyI6IndvcmxkIn0=")
                .qualifier("1")
                .payload(object! {"foo": "bar", "n": number_at("$.n")})
                .result_selector(object! {"p": value_at("$.Payload")})
                .result_path("$.r")
                .output_path("$.r")
                .next(LambdaInvoke::new("B", f().alias("live")).payload("just text")),
        ),
        golden(
            "x-37-lambda-jsonata",
            LambdaInvoke::jsonata("A", f())
                .payload(object! {"x": jsonata("$states.input.x")})
                .outputs(jsonata("$states.result.Payload"))
                .assign(object! {"y": jsonata("$states.result.Payload.y")})
                .next(LambdaInvoke::jsonata("B", f()))
                .next(path_in_jsonata(&f())),
        ),
        golden("t-CallAwsServiceCrossRegion", cross_region(false)),
        golden(
            "t-CallAwsServiceCrossRegion-WAIT_FOR_TASK_TOKEN",
            cross_region(true).integration_pattern(WaitForTaskToken),
        ),
        golden(
            "t-CallAwsService-WAIT_FOR_TASK_TOKEN",
            CallAwsService::new("Task", "s3", "getObject", ["arn:aws:s3:::b/*"])
                .parameters(object! {"Bucket": "b", "Key": string_at("$.key"), "T": task_token()})
                .integration_pattern(WaitForTaskToken),
        ),
    ]
}

/// For `Timeout.at` with a JSONata expression, the CDK writes `TimeoutSecondsPath`, which JSONata
/// does not have. A state given as JSON can still contain it.
fn path_in_jsonata(function: &Function) -> CustomState {
    CustomState::new(
        "C",
        object! {
            "Type": "Task",
            "QueryLanguage": "JSONata",
            "Resource": function.arn(),
            "Arguments": {"y": "{% $y %}"},
            "TimeoutSecondsPath": "{% $tmo %}",
            "Retry": [{
                "ErrorEquals": [
                    "Lambda.ClientExecutionTimeoutException",
                    "Lambda.ServiceException",
                    "Lambda.AWSLambdaException",
                    "Lambda.SdkClientException",
                ],
                "IntervalSeconds": 2,
                "MaxAttempts": 6,
                "BackoffRate": 2,
            }],
        },
    )
}

fn cross_region(with_token: bool) -> CallAwsServiceCrossRegion {
    let mut parameters =
        vec![("Bucket".to_owned(), value!("b")), ("Key".to_owned(), value!(string_at("$.key")))];
    if with_token {
        parameters.push(("T".to_owned(), value!(task_token())));
    }
    CallAwsServiceCrossRegion::new(
        "Task",
        "s3",
        "getObject",
        "ap-northeast-1",
        ["arn:aws:s3:::b/*"],
        Value::Object(parameters),
    )
}

fn messages() -> Vec<Golden> {
    let topic = Topic::new("Topic");
    let message = || object! {"field1": "somedata", "field2": string_at("$.field2")};
    let publish1 = || SnsPublish::new("Publish1", &topic, value_at("$.state.message"));
    let publish2 = || SnsPublish::new("Publish2", &topic, message());
    let send = |queue: &Queue, group: bool| {
        let send1 = SqsSendMessage::new("Send1", queue, value_at("$.message"));
        let send2 = SqsSendMessage::new("Send2", queue, message());
        if group {
            send1.message_group_id("1234").next(send2.message_group_id("1234"))
        } else {
            send1.next(send2)
        }
    };
    let event = |token: bool| {
        let detail = if token {
            object! {"Message": "m", "t": task_token()}
        } else {
            object! {"Message": "m"}
        };
        let entry = EventEntry::new("my.source", "dt", detail).event_bus(EventBus::new("Bus", "b"));
        EventBridgePutEvents::new("Task", [entry])
    };
    vec![
        golden("001-05-sns", publish1().next(publish2())),
        golden(
            "002-34-sns-publish",
            publish1()
                .message_attributes([
                    ("place", MessageAttribute::string(string_at("$.place"))),
                    ("pic", MessageAttribute::binary(string_at("$.pic"))),
                    ("people", MessageAttribute::number(4)),
                    (
                        "handles",
                        MessageAttribute::string_array(
                            [Some("@kslater"), Some("@jjf"), None, Some("@mfanning")].map(
                                |handle| handle.map_or(stepwright_json::Json::Null, Into::into),
                            ),
                        ),
                    ),
                ])
                .next(publish2()),
        ),
        golden("001-06-sqs", send(&Queue::fifo("Queue"), true)),
        golden("002-37-sqs-send-message", send(&Queue::new("Queue"), false)),
        golden(
            "t-SqsSendMessage-WAIT_FOR_TASK_TOKEN",
            SqsSendMessage::new("Task", Queue::new("Queue"), object! {"token": task_token()})
                .integration_pattern(WaitForTaskToken)
                .delay(seconds(30)),
        ),
        golden("t-EventBridgePutEvents", event(false)),
        golden(
            "t-EventBridgePutEvents-WAIT_FOR_TASK_TOKEN",
            event(true).integration_pattern(WaitForTaskToken),
        ),
    ]
}

fn executions() -> Vec<Golden> {
    let child = |id: &str| StateMachine::new(id, Pass::new("PassState"));
    let start = || StepFunctionsStartExecution::new("ChildTask", child("ChildStateMachine"));
    let callback = || {
        start()
            .integration_pattern(WaitForTaskToken)
            .input(object! {"token": task_token(), "foo": "bar"})
            .execution_name("MyExecutionName")
    };
    let named = |input: Value| {
        StepFunctionsStartExecution::new("Task", child("Child")).input(input).execution_name("n")
    };
    let evaluate = || {
        let wait = Wait::new("Wait", WaitTime::seconds_path("$.waitSeconds"));
        EvaluateExpression::new("Convert to seconds", "$.waitMilliseconds / 1000")
            .result_path("$.waitSeconds")
            .next(
                EvaluateExpression::new(
                    "Create message",
                    "`Now waiting ${$.waitSeconds} seconds...`",
                )
                .result_path("$.message"),
            )
            .next(
                SnsPublish::new("Publish message", Topic::new("Topic"), value_at("$.message"))
                    .result_path("$.sns"),
            )
            .next(wait)
    };
    vec![
        golden("001-09-start-execution", callback()),
        golden("002-35-start-execution-callback", callback()),
        golden(
            "002-35b-start-execution-run-job-associate-parent",
            start()
                .integration_pattern(RunJob)
                .input(object! {"foo": "bar"})
                .associate_with_parent(true),
        ),
        golden("t-StepFunctionsStartExecution", named(object! {"foo": "bar"})),
        golden(
            "t-StepFunctionsStartExecution-WAIT_FOR_TASK_TOKEN",
            named(object! {"foo": "bar", "token": task_token()})
                .integration_pattern(WaitForTaskToken),
        ),
        golden(
            "001-21-activity",
            StepFunctionsInvokeActivity::new("Do it", Activity::new("Activity"))
                .heartbeat_timeout(seconds(30)),
        ),
        golden(
            "001-22b-metrics-activity",
            StepFunctionsInvokeActivity::new("Do it", Activity::new("Activity")),
        ),
        golden(
            "002-36-invoke-activity",
            StepFunctionsInvokeActivity::new("Submit Job", Activity::new("SubmitJob")),
        ),
        golden(
            "t-StepFunctionsInvokeActivity",
            StepFunctionsInvokeActivity::new("Task", Activity::new("Act"))
                .parameters(object! {"p": string_at("$.p")}),
        ),
        golden("001-10-evaluate-expression", evaluate()),
        golden("002-05-evaluate-expression", evaluate()),
    ]
}

fn tables() -> Vec<Golden> {
    type A = AttributeValue;
    let defined = || Table::new("Messages", "MessageId");
    let known = || Table::from_name("my-table");
    let message = || [("MessageId", A::string("message-007"))];
    let x = || [("Id", A::string("x"))];
    vec![
        golden(
            "002-03-result-path",
            DynamoGetItem::new("PutItem", defined(), [("MessageId", A::string("12345"))])
                .result_path("$.Item"),
        ),
        golden(
            "002-08-dynamodb-get-item",
            DynamoGetItem::new(
                "Get Item",
                Table::new("Messages", "message_id"),
                [("message_id", A::string("message-007"))],
            ),
        ),
        golden(
            "002-09-dynamodb-put-item",
            DynamoPutItem::new(
                "PutItem",
                defined(),
                [
                    ("MessageId", A::string("message-007")),
                    ("Text", A::string(string_at("$.bar"))),
                    ("TotalCount", A::number(10)),
                ],
            ),
        ),
        golden(
            "002-10-dynamodb-delete-item",
            DynamoDeleteItem::new("DeleteItem", defined(), message()).result_path(DISCARD),
        ),
        golden(
            "002-11-dynamodb-update-item",
            DynamoUpdateItem::new("UpdateItem", defined(), message())
                .expression_attribute_values([
                    (":val", A::number_from_string(string_at("$.Item.TotalCount.N"))),
                    (":rand", A::number(20)),
                ])
                .update_expression("SET TotalCount = :val + :rand"),
        ),
        golden("t-DynamoDeleteItem", DynamoDeleteItem::new("Task", known(), x())),
        golden(
            "t-DynamoPutItem",
            DynamoPutItem::new(
                "Task",
                known(),
                [
                    ("s", A::string("x")),
                    ("n", A::number(1)),
                    ("nn", A::number_from_string("2")),
                    ("b", A::binary("YQ==")),
                    ("ss", A::string_set(["a"])),
                    ("ns", A::number_set([1.0])),
                    ("bs", A::binary_set(["YQ=="])),
                    ("m", A::map([("k", A::string("v"))])),
                    ("mj", A::map_at(object_at("$.m"))),
                    ("l", A::list([A::string("e")])),
                    // The CDK writes these two keys without `.$`, so their values are not
                    // evaluated.
                    ("lj", A::of("L", "$.l")),
                    ("z", A::null(true)),
                    ("t", A::boolean(true)),
                    ("tj", A::of("BOOL", "$.t")),
                ],
            )
            .condition_expression("c")
            .return_values(ReturnValues::AllNew)
            .return_item_collection_metrics(ItemCollectionMetrics::Size),
        ),
        golden(
            "t-DynamoUpdateItem",
            DynamoUpdateItem::new("Task", known(), x())
                .update_expression("SET a = :v")
                .expression_attribute_values([(":v", A::number(1))]),
        ),
    ]
}

/// The task definition of the examples, for which the CDK creates a role.
fn task_definition() -> EcsTaskDefinition {
    EcsTaskDefinition::new(TaskDefinition::from_arn(Token::parameter("TD")))
        .family("StackTDA28C8ABC")
        .task_role(Role::from_arn(Token::parameter("TaskRole")))
}

fn cluster() -> Cluster {
    Cluster::from_arn(Token::parameter("Cluster"))
}

fn items<const N: usize>(tokens: [Token; N]) -> Vec<Value> {
    tokens.into_iter().map(Value::from).collect()
}

fn ecs(pattern: IntegrationPattern) -> EcsRunTask {
    let value = match pattern {
        WaitForTaskToken => task_token(),
        _ => string_at("$.SomeKey"),
    };
    let container = ContainerOverride::new("TheContainer")
        .environment([("K", value)])
        .command(["a"])
        .cpu(5)
        .memory_limit(6)
        .memory_reservation(7);
    let target = LaunchTarget::fargate().platform_version("1.4.0");
    EcsRunTask::new("Task", cluster(), task_definition(), target)
        .integration_pattern(pattern)
        .assign_public_ip(true)
        .subnets(items([Token::parameter("Subnet")]))
        .security_groups(items([Token::parameter("Group")]))
        .container_overrides([container])
        .propagated_tag_source(PropagateTags::TaskDefinition)
        .enable_execute_command(true)
        .cpu("1024")
        .memory_mib("1048")
}

fn builds_and_jobs() -> Vec<Golden> {
    let project = || BuildProject::parameter("Project");
    let build = || {
        CodeBuildStartBuild::new("Task", project())
            .environment_variables_override([("Z", BuildVariable::plain("z"))])
    };
    let job = JobDefinition::from_arn("arn:aws:batch:us-east-1:123456789012:job-definition/jd:1");
    let queue = JobQueue::from_arn("arn:aws:batch:us-east-1:123456789012:job-queue/q");
    let glue = || {
        GlueStartJobRun::new("Task", "my-glue-job")
            .arguments(object! {"key": "value"})
            .worker_type("G.1X")
            .number_of_workers(2)
            .execution_class(GlueExecutionClass::Flex)
            .security_configuration("sc")
    };
    vec![
        golden(
            "001-07-ecs-fargate",
            EcsRunTask::new("CallFargate", cluster(), task_definition(), LaunchTarget::fargate())
                .subnets(items([Token::parameter("Subnet1"), Token::parameter("Subnet2")]))
                .security_groups(items([Token::parameter("Group")]))
                .container_overrides([ContainerOverride::new("TheContainer")
                    .environment([("CONTAINER_INPUT", string_at("$.valueFromStateData"))])]),
        ),
        golden(
            "002-12-ecs-ec2",
            EcsRunTask::new(
                "Run",
                cluster(),
                task_definition(),
                LaunchTarget::ec2()
                    .spread_across("instanceId")
                    .packed_by("CPU")
                    .randomly()
                    .member_of("blieptuut"),
            )
            .integration_pattern(RunJob),
        ),
        golden(
            "002-13-ecs-fargate",
            EcsRunTask::new("RunFargate", cluster(), task_definition(), LaunchTarget::fargate())
                .integration_pattern(RunJob)
                .assign_public_ip(true)
                .subnets(["s-12345", "s-67890"])
                .security_groups(items([Token::parameter("Group")]))
                .container_overrides([ContainerOverride::new("TheContainer")
                    .environment([("SOME_KEY", string_at("$.SomeKey"))])]),
        ),
        golden("t-EcsRunTask", ecs(RequestResponse)),
        golden("t-EcsRunTask-RUN_JOB", ecs(RunJob)),
        golden("t-EcsRunTask-WAIT_FOR_TASK_TOKEN", ecs(WaitForTaskToken)),
        golden(
            "002-06-batch-submit-job",
            BatchSubmitJob::new(
                "Submit Job",
                JobDefinition::parameter("JobDefinition"),
                "MyJob",
                JobQueue::parameter("JobQueue"),
            ),
        ),
        golden(
            "t-BatchSubmitJob",
            BatchSubmitJob::new("Task", job, "MyJob", queue)
                .array_size(15)
                .attempts(3)
                .container_overrides(
                    BatchContainerOverrides::new()
                        .command(["sudo", "rm"])
                        .environment([("key", "value")])
                        .instance_type("MULTI")
                        .gpu_count(1)
                        .memory(mebibytes(1024))
                        .vcpus(10),
                )
                .depends_on([BatchJobDependency::new().job_id("1234").dependency_type("some_type")])
                .payload(object! {"foo": string_at("$.bar")})
                .tags([("k", "v")]),
        ),
        golden(
            "002-07-codebuild-start-build",
            CodeBuildStartBuild::new("Task", project())
                .integration_pattern(RunJob)
                .environment_variables_override([(
                    "ZONE",
                    BuildVariable::plain(string_at("$.envVariables.zone")),
                )]),
        ),
        golden("t-CodeBuildStartBuild", build()),
        golden("t-CodeBuildStartBuild-RUN_JOB", build().integration_pattern(RunJob)),
        golden("t-CodeBuildStartBuildBatch", CodeBuildStartBuildBatch::new("Task", project())),
        golden(
            "002-21-glue-start-job-run",
            GlueStartJobRun::new("Task", "my-glue-job")
                .arguments(object! {"key": "value"})
                .task_timeout(minutes(30))
                .notify_delay_after(minutes(5)),
        ),
        golden("t-GlueStartJobRun", glue()),
        golden("t-GlueStartJobRun-RUN_JOB", glue().integration_pattern(RunJob)),
        golden(
            "t-GlueDataBrewStartJobRun-RUN_JOB",
            GlueDataBrewStartJobRun::new("Task", "databrew-job").integration_pattern(RunJob),
        ),
    ]
}

fn services() -> Vec<Golden> {
    let query = || {
        AthenaStartQueryExecution::new("Task", string_at("$.q"))
            .client_request_token("tok")
            .work_group("wg")
            .database_name("db")
            .catalog_name("AwsDataCatalog")
            .encryption_option(EncryptionOption::S3Managed)
            .output_location("b", "folder")
            .execution_parameters(["p1"])
    };
    let rest = |header: Value| {
        CallApiGatewayRestApiEndpoint::new("Task", Token::parameter("Api"), "prod", HttpMethod::Get)
            .auth_type(AuthType::IamRole)
            .api_path("/p")
            .headers(object! {"H": array([header])})
            .query_parameters(object! {"q": ["1"]})
    };
    let http_api =
        || CallApiGatewayHttpApiEndpoint::new("Task", Token::parameter("Api"), HttpMethod::Get);
    let schedule = || {
        let role = Role::from_arn("arn:aws:iam::123456789012:role/r");
        let target = ScheduleTarget::new("arn:aws:sqs:us-east-1:123456789012:q", role)
            .retry_policy(2, minutes(5));
        EventBridgeSchedulerCreateScheduleTask::new("Task", "n", Schedule::rate(minutes(5)), target)
            .timezone("UTC")
            .enabled(true)
            .flexible_time_window(minutes(5))
    };
    let model = || BedrockModel::foundation("amazon.titan-text-express-v1");
    let connection = |id: &str| {
        Connection::new(id, Authorization::Basic { user: "u".into(), password: "p".into() })
    };
    vec![
        golden(
            "t-AthenaGetQueryResults",
            AthenaGetQueryResults::new("Task", "id").max_results(1).next_token("t"),
        ),
        golden("t-AthenaStartQueryExecution", query()),
        golden("t-AthenaStartQueryExecution-RUN_JOB", query().integration_pattern(RunJob)),
        golden("t-CallApiGatewayRestApiEndpoint", rest("v".into())),
        golden(
            "t-CallApiGatewayRestApiEndpoint-WAIT_FOR_TASK_TOKEN",
            rest(task_token().into()).integration_pattern(WaitForTaskToken),
        ),
        undefined_stage("t-CallApiGatewayHttpApiEndpoint", http_api()),
        undefined_stage(
            "t-CallApiGatewayHttpApiEndpoint-WAIT_FOR_TASK_TOKEN",
            http_api()
                .headers(object! {"T": array([task_token()])})
                .integration_pattern(WaitForTaskToken),
        ),
        golden(
            "t-EksCall",
            EksCall::new(
                "Task",
                "c",
                "https://e",
                "ca",
                HttpMethod::Get,
                "/api/v1/namespaces/default/pods",
            )
            .query_parameters(object! {"q": ["1"]})
            .request_body(object! {"b": 1}),
        ),
        golden("t-EventBridgeSchedulerCreateScheduleTask", schedule()),
        golden(
            "t-EventBridgeSchedulerCreateScheduleTask-RUN_JOB",
            schedule().integration_pattern(RunJob).unsupported_by_aws(true),
        ),
        golden(
            "t-EventBridgeSchedulerCreateScheduleTask-WAIT_FOR_TASK_TOKEN",
            schedule().integration_pattern(WaitForTaskToken),
        ),
        golden(
            "t-BedrockInvokeModel",
            BedrockInvokeModel::new("Task", model())
                .body(object! {"inputText": "x"})
                .guardrail(Guardrail::version("abc123", 1)),
        ),
        golden(
            "t-BedrockCreateModelCustomizationJob",
            BedrockCreateModelCustomizationJob::new(
                "Task",
                model(),
                "m",
                "j",
                BucketPath::new(Bucket::from_name("in-bucket"), "t.json"),
                BucketPath::new(Bucket::from_name("out-bucket"), "o/"),
            )
            .customization_type(CustomizationType::FineTuning)
            .hyper_parameters([("batchSize", "10")])
            .validation_data([BucketPath::new(Bucket::from_name("val-bucket"), "v.json")])
            .role(Role::from_arn("arn:aws:iam::123456789012:role/r")),
        ),
        golden(
            "t-HttpInvoke",
            HttpInvoke::new(
                "Task",
                connection("Conn"),
                "https://api.example.com",
                format_text("resource/{}/details", [string_at("$.resourceId")]),
                "POST",
            )
            .body(object! {"foo": "bar"})
            .headers(object! {"Content-Type": "application/x-www-form-urlencoded"})
            .query_string_parameters(object! {"id": "123"})
            .url_encoding_format(UrlEncoding::Brackets),
        ),
        Golden { name: "x-01-readme-jsonata-issue-labels", machine: issue_labels(connection("C")) },
    ]
}

/// Without authorisation, the CDK still allows calling a stage and a path named `undefined`. We
/// allow nothing, so the permission is added here.
fn undefined_stage(name: &'static str, call: CallApiGatewayHttpApiEndpoint) -> Golden {
    let mut golden = golden(name, call);
    let resource = Text::from("arn:aws:execute-api:")
        .and(Token::region())
        .and(":")
        .and(Token::account())
        .and(":")
        .and(Token::parameter("Api"))
        .and("/undefined/GETundefined");
    golden.machine = golden.machine.allow(Statement::allow(["execute-api:Invoke"], [resource]));
    golden
}

fn issue_labels(connection: Connection) -> StateMachine {
    let root = || jsonata("'https://' & $states.input.hostname");
    let get = HttpInvoke::jsonata(
        "Get Issue",
        &connection,
        root(),
        jsonata("'issues/' & $states.input.issue.id"),
        "GET",
    )
    .assign(object! {
        "hostname": jsonata("$states.input.hostname"),
        "issue": jsonata("$parse($states.result.ResponseBody)"),
    });
    let update = HttpInvoke::jsonata(
        "Update Issue Labels",
        &connection,
        root(),
        jsonata("'issues/' & $states.input.issue.id & 'labels'"),
        "POST",
    )
    .body(object! {"labels": jsonata("[$type, $component]")});
    let choice = Choice::jsonata("Match Title Template?")
        .when_with(
            r"{% $contains($issue.title, /(feat)|(fix)|(chore)\(\w*\):.*/) %}",
            Transition::new().assign(object! {
                "type": jsonata(r"$match($states.input.title, /(\w*)\((.*)\)/).groups[0]"),
                "component": jsonata(r"$match($states.input.title, /(\w*)\((.*)\)/).groups[1]"),
            }),
            update,
        )
        .otherwise(Pass::jsonata("Not Match Title Template"));
    StateMachine::new("StateMachine", get.next(choice))
        .timeout(minutes(5))
        .comment("automate issue labeling state machine")
}
