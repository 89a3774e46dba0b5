//! One short example for each service task. The manual's page is made of them: `BLESS=1` writes it.

use super::{BTreeMap, BTreeSet, Path};
use std::fmt::Write as _;
use stepwright_constructs::prelude::*;
use stepwright_json::Json;
use stepwright_program::check;

/// An example: the service, the task, and the machine that it makes.
type Example = (&'static str, &'static str, fn() -> StateMachine);

const EXAMPLES: [Example; 48] = [
    ("API Gateway", "CallApiGatewayHttpApiEndpoint", call_api_gateway_http_api_endpoint),
    ("API Gateway", "CallApiGatewayRestApiEndpoint", call_api_gateway_rest_api_endpoint),
    ("Athena", "AthenaStartQueryExecution", athena_start_query_execution),
    ("Athena", "AthenaGetQueryExecution", athena_get_query_execution),
    ("Athena", "AthenaGetQueryResults", athena_get_query_results),
    ("Athena", "AthenaStopQueryExecution", athena_stop_query_execution),
    ("Batch", "BatchSubmitJob", batch_submit_job),
    ("Bedrock", "BedrockInvokeModel", bedrock_invoke_model),
    ("Bedrock", "BedrockCreateModelCustomizationJob", bedrock_create_model_customization_job),
    ("CodeBuild", "CodeBuildStartBuild", code_build_start_build),
    ("CodeBuild", "CodeBuildStartBuildBatch", code_build_start_build_batch),
    ("DynamoDB", "DynamoGetItem", dynamo_get_item),
    ("DynamoDB", "DynamoPutItem", dynamo_put_item),
    ("DynamoDB", "DynamoUpdateItem", dynamo_update_item),
    ("DynamoDB", "DynamoDeleteItem", dynamo_delete_item),
    ("ECS and EKS", "EcsRunTask", ecs_run_task),
    ("ECS and EKS", "EksCall", eks_call),
    ("EMR", "EmrCreateCluster", emr_create_cluster),
    ("EMR", "EmrTerminateCluster", emr_terminate_cluster),
    ("EMR", "EmrSetClusterTerminationProtection", emr_set_cluster_termination_protection),
    ("EMR", "EmrAddStep", emr_add_step),
    ("EMR", "EmrCancelStep", emr_cancel_step),
    ("EMR", "EmrModifyInstanceFleetByName", emr_modify_instance_fleet_by_name),
    ("EMR", "EmrModifyInstanceGroupByName", emr_modify_instance_group_by_name),
    ("EMR on EKS", "EmrContainersCreateVirtualCluster", emr_containers_create_virtual_cluster),
    ("EMR on EKS", "EmrContainersDeleteVirtualCluster", emr_containers_delete_virtual_cluster),
    ("EMR on EKS", "EmrContainersStartJobRun", emr_containers_start_job_run),
    ("EventBridge", "EventBridgePutEvents", event_bridge_put_events),
    (
        "EventBridge",
        "EventBridgeSchedulerCreateScheduleTask",
        event_bridge_scheduler_create_schedule_task,
    ),
    ("Glue", "GlueStartJobRun", glue_start_job_run),
    ("Glue", "GlueStartCrawlerRun", glue_start_crawler_run),
    ("Glue", "GlueDataBrewStartJobRun", glue_data_brew_start_job_run),
    ("HTTP endpoints", "HttpInvoke", http_invoke),
    ("Lambda", "LambdaInvoke", lambda_invoke),
    ("Lambda", "EvaluateExpression", evaluate_expression),
    ("MediaConvert", "MediaConvertCreateJob", media_convert_create_job),
    ("SageMaker", "SageMakerCreateModel", sage_maker_create_model),
    ("SageMaker", "SageMakerCreateEndpointConfig", sage_maker_create_endpoint_config),
    ("SageMaker", "SageMakerCreateEndpoint", sage_maker_create_endpoint),
    ("SageMaker", "SageMakerUpdateEndpoint", sage_maker_update_endpoint),
    ("SageMaker", "SageMakerCreateTrainingJob", sage_maker_create_training_job),
    ("SageMaker", "SageMakerCreateTransformJob", sage_maker_create_transform_job),
    ("SNS and SQS", "SnsPublish", sns_publish),
    ("SNS and SQS", "SqsSendMessage", sqs_send_message),
    ("Step Functions", "StepFunctionsStartExecution", step_functions_start_execution),
    ("Step Functions", "StepFunctionsInvokeActivity", step_functions_invoke_activity),
    ("Any other service", "CallAwsService", call_aws_service),
    ("Any other service", "CallAwsServiceCrossRegion", call_aws_service_cross_region),
];

/// Calls an HTTP API of API Gateway, identified by its id.
fn call_api_gateway_http_api_endpoint() -> StateMachine {
    let call = CallApiGatewayHttpApiEndpoint::new("Call", "a1b2c3", HttpMethod::Get);
    StateMachine::new("Calling", call)
}

/// Calls a REST API of API Gateway, identified by its id.
fn call_api_gateway_rest_api_endpoint() -> StateMachine {
    let call = CallApiGatewayRestApiEndpoint::new("Call", "a1b2c3", "prod", HttpMethod::Get)
        .auth_type(AuthType::IamRole)
        .api_path("/orders");
    StateMachine::new("Calling", call)
}

/// Starts an Athena query.
fn athena_start_query_execution() -> StateMachine {
    let query = AthenaStartQueryExecution::new("Query", string_at("$.query"))
        .integration_pattern(IntegrationPattern::RunJob)
        .database_name("mydatabase")
        .output_location("query-results-bucket", "folder");
    StateMachine::new("Querying", query)
}

/// Reads the status of an Athena query.
fn athena_get_query_execution() -> StateMachine {
    let task = AthenaGetQueryExecution::new("Task", string_at("$.QueryExecutionId"));
    StateMachine::new("Queries", task)
}

/// Reads the rows that an Athena query returned.
fn athena_get_query_results() -> StateMachine {
    let rows = AthenaGetQueryResults::new("Rows", string_at("$.QueryExecutionId")).max_results(100);
    StateMachine::new("Queries", rows)
}

/// Stops an Athena query.
fn athena_stop_query_execution() -> StateMachine {
    let task = AthenaStopQueryExecution::new("Task", string_at("$.QueryExecutionId"));
    StateMachine::new("Queries", task)
}

/// Submits a job to AWS Batch and waits for its end.
fn batch_submit_job() -> StateMachine {
    let queue = JobQueue::from_name("q");
    let definition =
        JobDefinition::from_arn("arn:aws:batch:us-east-1:123456789012:job-definition/d:1");
    let submit = BatchSubmitJob::new("Submit Job", definition, "MyJob", queue);
    StateMachine::new("Jobs", submit)
}

/// Invokes a Bedrock model.
fn bedrock_invoke_model() -> StateMachine {
    let ask =
        BedrockInvokeModel::new("Ask", BedrockModel::foundation("amazon.titan-text-express-v1"))
            .body(object! {"inputText": string_at("$.question")})
            .guardrail(Guardrail::version("abc123", 1));
    StateMachine::new("Asking", ask)
}

/// Starts a Bedrock job that customises a model.
fn bedrock_create_model_customization_job() -> StateMachine {
    let adapt = BedrockCreateModelCustomizationJob::new(
        "Adapt",
        BedrockModel::foundation("amazon.titan-text-express-v1"),
        "my-model",
        "my-job",
        BucketPath::new(Bucket::from_name("in"), "train.json"),
        BucketPath::new(Bucket::from_name("out"), "models/"),
    )
    .validation_data([BucketPath::new(Bucket::from_name("in"), "validate.json")]);
    StateMachine::new("Adapting", adapt)
}

/// Starts a CodeBuild build.
fn code_build_start_build() -> StateMachine {
    let build = CodeBuildStartBuild::new("Task", BuildProject::from_name("MyTestProject"))
        .integration_pattern(IntegrationPattern::RunJob)
        .environment_variables_override([(
            "ZONE",
            BuildVariable::plain(string_at("$.envVariables.zone")),
        )]);
    StateMachine::new("Building", build)
}

/// Starts a CodeBuild batch build.
fn code_build_start_build_batch() -> StateMachine {
    let build = CodeBuildStartBuildBatch::new("Task", BuildProject::from_name("MyTestProject"));
    StateMachine::new("Building", build)
}

/// Reads an item from a DynamoDB table.
fn dynamo_get_item() -> StateMachine {
    let table = Table::new("Messages", "message_id");
    let get = DynamoGetItem::new(
        "Get Item",
        &table,
        [("message_id", AttributeValue::string("message-007"))],
    );
    StateMachine::new("Reading", get)
}

/// Writes an item to a DynamoDB table.
fn dynamo_put_item() -> StateMachine {
    let table = Table::new("Messages", "MessageId");
    let task =
        DynamoPutItem::new("Put", &table, [("MessageId", AttributeValue::string("message-007"))])
            .result_path(DISCARD);
    StateMachine::new("Tables", task)
}

/// Changes an item in a DynamoDB table.
fn dynamo_update_item() -> StateMachine {
    let table = Table::new("Messages", "MessageId");
    let task = DynamoUpdateItem::new(
        "Update",
        &table,
        [("MessageId", AttributeValue::string("message-007"))],
    )
    .result_path(DISCARD);
    StateMachine::new("Tables", task)
}

/// Deletes an item from a DynamoDB table.
fn dynamo_delete_item() -> StateMachine {
    let table = Table::new("Messages", "MessageId");
    let task = DynamoDeleteItem::new(
        "Delete",
        &table,
        [("MessageId", AttributeValue::string("message-007"))],
    )
    .result_path(DISCARD);
    StateMachine::new("Tables", task)
}

/// Runs an ECS task.
fn ecs_run_task() -> StateMachine {
    let definition = EcsTaskDefinition::new(TaskDefinition::parameter("TaskDefinitionArn"))
        .task_role(Role::from_arn("arn:aws:iam::123456789012:role/task"));
    let run = EcsRunTask::new("Run", Cluster::from_name("c"), definition, LaunchTarget::fargate())
        .integration_pattern(IntegrationPattern::RunJob)
        .subnets(["subnet-1", "subnet-2"])
        .container_overrides([ContainerOverride::new("TheContainer")
            .environment([("SOME_KEY", string_at("$.SomeKey"))])]);
    StateMachine::new("Running", run)
}

/// Calls the Kubernetes API of an EKS cluster. The call is made with the state machine's role,
/// which must have access to the cluster.
fn eks_call() -> StateMachine {
    let call = EksCall::new(
        "Call",
        "cluster",
        "https://endpoint",
        "certificate",
        HttpMethod::Get,
        "/api/v1/namespaces/default/pods",
    );
    StateMachine::new("Calling", call)
}

/// Creates an EMR cluster and waits until it is ready.
fn emr_create_cluster() -> StateMachine {
    let cluster =
        EmrCreateCluster::new("Create Cluster", string_at("$.ClusterName"), Instances::new())
            .release_label("emr-7.9.0")
            .tags([("team", "data")]);
    StateMachine::new("Clusters", cluster)
}

/// Terminates an EMR cluster and waits for its end.
fn emr_terminate_cluster() -> StateMachine {
    let terminate = EmrTerminateCluster::new("Task", "ClusterId");
    StateMachine::new("Clusters", terminate)
}

/// Turns the termination protection of an EMR cluster on or off.
fn emr_set_cluster_termination_protection() -> StateMachine {
    let protect = EmrSetClusterTerminationProtection::new("Task", "ClusterId", false);
    StateMachine::new("Clusters", protect)
}

/// Adds a step to an EMR cluster and waits for its end.
fn emr_add_step() -> StateMachine {
    let step = EmrAddStep::new("Task", "ClusterId", "StepName", "Jar")
        .action_on_failure(ActionOnFailure::Continue);
    StateMachine::new("Steps", step)
}

/// Cancels a step of an EMR cluster.
fn emr_cancel_step() -> StateMachine {
    let cancel = EmrCancelStep::new("Task", "ClusterId", "StepId");
    StateMachine::new("Steps", cancel)
}

/// Changes the size of an instance fleet of an EMR cluster.
fn emr_modify_instance_fleet_by_name() -> StateMachine {
    let resize = EmrModifyInstanceFleetByName::new("Task", "ClusterId", "InstanceFleetName", 2, 0);
    StateMachine::new("Clusters", resize)
}

/// Changes an instance group of an EMR cluster.
fn emr_modify_instance_group_by_name() -> StateMachine {
    let group = InstanceGroupModification::new().instance_count(1);
    let resize = EmrModifyInstanceGroupByName::new(
        "Task",
        "ClusterId",
        string_at("$.InstanceGroupName"),
        group,
    );
    StateMachine::new("Clusters", resize)
}

/// Creates a virtual EMR cluster on an EKS cluster.
fn emr_containers_create_virtual_cluster() -> StateMachine {
    let cluster =
        EmrContainersCreateVirtualCluster::new("Create a Virtual Cluster", "my-eks-cluster")
            .eks_namespace("specified-namespace");
    StateMachine::new("Clusters", cluster)
}

/// Deletes a virtual EMR cluster on EKS.
fn emr_containers_delete_virtual_cluster() -> StateMachine {
    let delete = EmrContainersDeleteVirtualCluster::new("Delete", string_at("$.virtualCluster"));
    StateMachine::new("Clusters", delete)
}

/// Runs a Spark job on a virtual EMR cluster on EKS and waits for its end.
fn emr_containers_start_job_run() -> StateMachine {
    let run = EmrContainersStartJobRun::new(
        "EMR Containers Start Job Run",
        "de92jdei2910fwedz",
        "emr-6.2.0-latest",
        "local:///usr/lib/spark/examples/src/main/python/pi.py",
    )
    .execution_role(Role::from_arn("arn:aws:iam::123456789012:role/Job-Execution-Role"))
    .application_config([ApplicationConfiguration::new("spark-defaults")
        .properties([("spark.executor.instances", "1")])]);
    StateMachine::new("Jobs", run)
}

/// Sends events to EventBridge event buses.
fn event_bridge_put_events() -> StateMachine {
    let event = EventEntry::new("my.source", "Order shipped", object! {"id": string_at("$.id")})
        .event_bus(EventBus::from_name("orders"));
    let put = EventBridgePutEvents::new("Tell", [event]);
    StateMachine::new("Telling", put)
}

/// Creates an EventBridge Scheduler schedule.
fn event_bridge_scheduler_create_schedule_task() -> StateMachine {
    let target = ScheduleTarget::new(
        Queue::from_name("q").arn(),
        Role::new("Caller", "scheduler.amazonaws.com"),
    );
    let schedule = EventBridgeSchedulerCreateScheduleTask::new(
        "Plan",
        "nightly",
        Schedule::cron("0", "3", "*", "*", "?", "*"),
        target,
    );
    StateMachine::new("Planning", schedule)
}

/// Starts a run of a Glue job.
fn glue_start_job_run() -> StateMachine {
    let run = GlueStartJobRun::new("Task", "my-glue-job")
        .arguments(object! {"key": "value"})
        .task_timeout(minutes(30))
        .notify_delay_after(minutes(5));
    StateMachine::new("Running", run)
}

/// Starts a Glue crawler.
fn glue_start_crawler_run() -> StateMachine {
    let crawl = GlueStartCrawlerRun::new("Task", "my-crawler");
    StateMachine::new("Crawling", crawl)
}

/// Starts a Glue DataBrew job.
fn glue_data_brew_start_job_run() -> StateMachine {
    let run = GlueDataBrewStartJobRun::new("Task", "databrew-job");
    StateMachine::new("Brewing", run)
}

/// Calls an HTTPS endpoint.
fn http_invoke() -> StateMachine {
    let connection = Connection::from_arns(
        "arn:aws:events:us-east-1:123456789012:connection/c/1",
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:events!connection/c/1",
    );
    let call = HttpInvoke::new("Call", &connection, "https://api.example.com", "orders", "POST")
        .body(object! {"id": string_at("$.id")});
    StateMachine::new("Calling", call)
}

/// Invokes a Lambda function.
fn lambda_invoke() -> StateMachine {
    let ask = LambdaInvoke::new("Ask", Function::from_name("ask"))
        .integration_pattern(IntegrationPattern::WaitForTaskToken)
        .payload(object! {"token": task_token(), "input": string_at("$.someField")});
    StateMachine::new("Asking", ask)
}

/// Evaluates a JavaScript expression in which paths stand for values of the input.
fn evaluate_expression() -> StateMachine {
    let seconds = EvaluateExpression::new("Convert to seconds", "$.waitMilliseconds / 1000")
        .result_path("$.waitSeconds");
    let message =
        EvaluateExpression::new("Create message", "`Now waiting ${$.waitSeconds} seconds...`")
            .result_path("$.message");
    StateMachine::new("Waiting", seconds.next(message))
}

/// Starts a MediaConvert job. The request has a `Role` and `Settings`, in the form that the
/// service takes.
fn media_convert_create_job() -> StateMachine {
    let convert = MediaConvertCreateJob::new(
        "Convert",
        object! {
            "Role": "arn:aws:iam::123456789012:role/MediaConvert",
            "Settings": {"Inputs": [{"FileInput": "s3://in/video.mov"}]},
        },
    );
    StateMachine::new("Converting", convert)
}

/// Creates a SageMaker model.
fn sage_maker_create_model() -> StateMachine {
    let container = ModelContainer::new()
        .image(string_at("$.Model.imageName"))
        .mode(ModelMode::SingleModel)
        .model_s3_location(S3Location::at(string_at(
            "$.TrainingJob.ModelArtifacts.S3ModelArtifacts",
        )));
    let model = SageMakerCreateModel::new("Sagemaker", "MyModel", container);
    StateMachine::new("Models", model)
}

/// Creates a configuration for SageMaker endpoints.
fn sage_maker_create_endpoint_config() -> StateMachine {
    let variant =
        ProductionVariant::new("awesome-variant", "MyModel", "m5.xlarge").initial_instance_count(2);
    let config = SageMakerCreateEndpointConfig::new(
        "SagemakerEndpointConfig",
        "MyEndpointConfig",
        [variant],
    );
    StateMachine::new("Endpoints", config)
}

/// Creates a SageMaker endpoint.
fn sage_maker_create_endpoint() -> StateMachine {
    let endpoint = SageMakerCreateEndpoint::new(
        "SagemakerEndpoint",
        string_at("$.EndpointName"),
        string_at("$.EndpointConfigName"),
    );
    StateMachine::new("Endpoints", endpoint)
}

/// Changes a SageMaker endpoint.
fn sage_maker_update_endpoint() -> StateMachine {
    let endpoint = SageMakerUpdateEndpoint::new(
        "SagemakerEndpoint",
        string_at("$.EndpointName"),
        string_at("$.EndpointConfigName"),
    );
    StateMachine::new("Endpoints", endpoint)
}

/// Starts a SageMaker training job.
fn sage_maker_create_training_job() -> StateMachine {
    let train = SageMakerCreateTrainingJob::new(
        "TrainSagemaker",
        string_at("$.JobName"),
        TrainingAlgorithm::named("BlazingText").training_input_mode(InputMode::File),
        TrainingOutput::new(S3Location::from_bucket(
            Bucket::from_name("amzn-s3-demo-bucket"),
            "myoutputpath",
        )),
    )
    .input_data_config([Channel::new("train", S3Location::at("$.S3Bucket"))])
    .resource_config(TrainingResources::new(1, "p3.2xlarge", gibibytes(50)))
    .stopping_condition(hours(1));
    StateMachine::new("Training", train)
}

/// Starts a SageMaker batch transform job.
fn sage_maker_create_transform_job() -> StateMachine {
    let transform = SageMakerCreateTransformJob::new(
        "Batch Inference",
        "MyTransformJob",
        "MyModelName",
        TransformInput::new("s3://inputbucket/train"),
        TransformOutput::new("s3://outputbucket/TransformJobOutputPath"),
    )
    .model_client_options(3, minutes(5))
    .transform_resources(TransformResources::new(1, "m4.xlarge"));
    StateMachine::new("Inference", transform)
}

/// Publishes a message to an SNS topic.
fn sns_publish() -> StateMachine {
    let topic = Topic::new("Topic");
    let publish = SnsPublish::new("Publish", &topic, string_at("$.state.message"))
        .message_attributes([
            ("place", MessageAttribute::string(string_at("$.place"))),
            ("people", MessageAttribute::number(4)),
        ]);
    StateMachine::new("News", publish)
}

/// Sends a message to an SQS queue.
fn sqs_send_message() -> StateMachine {
    let queue = Queue::new("Queue");
    let send = SqsSendMessage::new(
        "Send",
        &queue,
        object! {
            "field1": "somedata",
            "field2": string_at("$.field2"),
        },
    );
    StateMachine::new("Sending", send)
}

/// Starts an execution of a state machine.
fn step_functions_start_execution() -> StateMachine {
    let child = StateMachine::new("ChildStateMachine", Pass::new("PassState"));
    let task = StepFunctionsStartExecution::new("ChildTask", &child)
        .integration_pattern(IntegrationPattern::WaitForTaskToken)
        .input(object! {"token": task_token(), "foo": "bar"})
        .execution_name("MyExecutionName");
    // The template holds both.
    StateMachine::new("ParentStateMachine", task)
}

/// Gives the work to a worker of an activity.
fn step_functions_invoke_activity() -> StateMachine {
    let task = StepFunctionsInvokeActivity::new("Submit Job", Activity::new("SubmitJob"))
        .heartbeat_timeout(seconds(30));
    StateMachine::new("Submitting", task)
}

/// Calls any action of any AWS service.
fn call_aws_service() -> StateMachine {
    let bucket = Bucket::new("Bucket");
    let get = CallAwsService::new("Get", "s3", "getObject", ["arn:aws:s3:::b/*"])
        .parameters(object! {"Bucket": bucket.name(), "Key": string_at("$.key")});
    StateMachine::new("Getting", get)
}

/// Calls an action of an AWS service in another region, through a function that the template
/// defines.
fn call_aws_service_cross_region() -> StateMachine {
    let get = CallAwsServiceCrossRegion::new(
        "Get",
        "s3",
        "getObject",
        "ap-northeast-1",
        ["arn:aws:s3:::b/*"],
        object! {"Bucket": "b", "Key": string_at("$.key")},
    );
    StateMachine::new("Getting", get)
}

/// The definition of an example, in which the compiler has no error.
fn definition(name: &str, machine: &StateMachine) -> Json {
    let asl = machine.asl().unwrap_or_else(|misuses| panic!("{name}: {misuses}"));
    let parsed = machine.definition().unwrap_or_else(|misuses| panic!("{name}: {misuses}"));
    let found = check(&parsed);
    let errors: Vec<String> =
        found.iter().filter(|one| one.is_error()).map(|one| one.message.clone()).collect();
    assert!(errors.is_empty(), "{name}: {errors:?}\n{}", asl.pretty());
    asl
}

/// What stands before an example and within it, by the name of its function.
fn written() -> BTreeMap<String, (String, String)> {
    let source = include_str!("by_example.rs");
    let mut found = BTreeMap::new();
    let (mut words, mut lines) = (String::new(), source.lines());
    while let Some(line) = lines.next() {
        if let Some(text) = line.strip_prefix("/// ") {
            words = if words.is_empty() { text.to_owned() } else { format!("{words}\n{text}") };
            continue;
        }
        let name =
            line.strip_prefix("fn ").and_then(|rest| rest.strip_suffix("() -> StateMachine {"));
        if let Some(name) = name {
            let body = lines.by_ref().take_while(|line| *line != "}");
            let body = body.map(|line| line.strip_prefix("    ").unwrap_or(line));
            let body: Vec<&str> = body.collect();
            found.insert(name.to_owned(), (std::mem::take(&mut words), body.join("\n")));
        }
        words.clear();
    }
    found
}

/// The name of a task's function.
fn function(task: &str) -> String {
    let mut name = String::new();
    for letter in task.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// The page of the manual.
fn page() -> String {
    let mut page = String::from(
        "# Tasks by example\n\n\
         Each of the 48 service tasks once: what one writes, and the state that comes of it. [Writing state machines in Rust](constructs.md) \
         says what all of them have in common; each task's own documentation has its optional properties.\n\n\
         ```rust\nuse stepwright_constructs::prelude::*;\n```\n\n\
         stands before each of them. `${…}` is what the template puts in: an ARN or the name of a resource.\n",
    );
    let written = written();
    let mut last = "";
    for (service, task, make) in EXAMPLES {
        if service != last {
            write!(page, "\n## {service}\n").expect("text grows");
            last = service;
        }
        let (words, code) = &written[&function(task)];
        let asl = definition(task, &make());
        let states = asl.get("States").and_then(Json::as_object).expect("it has states");
        let (_, state) = states
            .iter()
            .find(|(_, state)| state.get("Type").and_then(Json::as_str) == Some("Task"))
            .expect("one of them is a task");
        write!(
            page,
            "\n### {task}\n\n{words}\n\n```rust\n{code}\n```\n\n```json\n{}\n```\n",
            state.pretty()
        )
        .expect("text grows");
    }
    page
}

#[test]
fn every_task_has_an_example_that_the_manual_shows() {
    let tasks = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tasks");
    let mut all = BTreeSet::new();
    for file in std::fs::read_dir(&tasks).expect("it is there").flatten() {
        let text = std::fs::read_to_string(file.path()).expect("it is text");
        let names = text.split("\ntask! {").skip(1).filter_map(|task| {
            let (_, rest) = task.split_once("pub struct ")?;
            rest.split([' ', '[']).next().map(str::to_owned)
        });
        all.extend(names);
    }
    let shown: BTreeSet<String> = EXAMPLES.iter().map(|(_, task, _)| (*task).to_owned()).collect();
    assert_eq!(shown, all, "every task has one example");
    for (_, task, _) in EXAMPLES {
        let (words, code) = &written()[&function(task)];
        assert!(code.contains(&format!("{task}::")) && !words.is_empty(), "{task}: {code}");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/tasks-by-example.md");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, page()).expect("it can be written");
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == page(),
        "the page differs from the examples: BLESS=1 cargo test -p stepwright-constructs writes it"
    );
}
