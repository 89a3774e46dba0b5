//! Machines as somebody writes them who knows only the CDK. What did not compile at first does now.

use stepwright_constructs::prelude::*;

fn a_human_approves() -> Result<Template, Misuses> {
    let topic = Topic::new("ApprovalTopic");
    let ask = SnsPublish::new(
        "Ask for approval",
        &topic,
        object! {
            "token": task_token(),
            "execution": execution_id(),
            "amount": number_at("$.amount"),
        },
    )
    .integration_pattern(IntegrationPattern::WaitForTaskToken)
    .heartbeat_timeout(hours(1))
    .task_timeout(days(2))
    .result_path("$.approval")
    .catch_with(Catch::on([errors::TIMEOUT, errors::HEARTBEAT_TIMEOUT]), Fail::new("No answer"));
    let decide = Choice::new("Approved?")
        .when(
            Condition::and([
                Condition::is_present("$.approval.approved"),
                Condition::boolean_equals("$.approval.approved", true),
            ]),
            Succeed::new("Yes"),
        )
        .otherwise(Fail::new("Rejected").error("Rejected").cause_path("$.approval.reason"));
    let sm = StateMachine::new("Approval", ask.next(decide))
        .state_machine_name("approval")
        .timeout(days(3))
        .comment("asks for approval")
        .tracing_enabled(true)
        .removal_policy(RemovalPolicy::Retain);
    sm.template()
}

fn images_are_labelled() -> Result<Template, Misuses> {
    let bucket = Bucket::new("Images");
    let detect = CallAwsService::new("Detect", "rekognition", "detectLabels", ["*"])
        .parameters(object! {"Image": {"S3Object": {"Bucket": bucket.name(), "Name": string_at("$.key")}}, "MaxLabels": 10})
        .result_selector(object! {"labels": list_at("$.Labels[*].Name")});
    let map = Map::new("Each image")
        .items_path(list_at("$.images"))
        .max_concurrency(5)
        .item_selector(object! {"key": string_at("$$.Map.Item.Value.key"), "index": number_at("$$.Map.Item.Index")})
        .item_processor(detect)
        .result_path("$.labels");
    StateMachine::new("Thumbs", map)
        .express()
        .logs(LogOptions::new(LogGroup::new("L")).level(LogLevel::All))
        .template()
}

fn a_machine_in_jsonata() -> Result<Template, Misuses> {
    let get = DynamoGetItem::jsonata(
        "Get",
        Table::from_name("users"),
        [("id", AttributeValue::string(jsonata("$states.input.userId")))],
    )
    .assign(object! {"user": jsonata("$states.result.Item")})
    .outputs(jsonata("$states.result.Item.name.S"));
    let choice = Choice::jsonata("Adult?")
        .when(
            "{% $number($user.age.N) >= 18 %}",
            Pass::jsonata("Welcome").outputs(object! {"hello": jsonata("$user.name.S")}),
        )
        .otherwise(
            Fail::jsonata("Too young").error("TooYoung").cause("{% 'age ' & $user.age.N %}"),
        );
    StateMachine::new("Door", get.next(choice)).query_language(QueryLanguage::Jsonata).template()
}

fn a_job_on_fargate() -> Result<Template, Misuses> {
    let run = EcsRunTask::new(
        "Run",
        Cluster::from_name("c"),
        TaskDefinition::from_arn("arn:aws:ecs:us-east-1:123456789012:task-definition/job:3"),
        LaunchTarget::fargate().platform_version("LATEST"),
    )
    .integration_pattern(IntegrationPattern::RunJob)
    .subnets(vec!["subnet-1".to_string()])
    .security_groups([SecurityGroup::from_id("sg-1")])
    .assign_public_ip(false)
    .container_overrides([ContainerOverride::new("main")
        .command(["run", "--fast"])
        .environment([("ID", string_at("$.id")), ("B", string_at("$.b"))])
        .memory_limit(512)])
    .retry(
        Retry::on(["ECS.AmazonECSException"])
            .interval(seconds(10))
            .max_attempts(3)
            .backoff_rate(1.5)
            .jitter(Jitter::Full)
            .max_delay(minutes(1)),
    );
    let put = EventBridgePutEvents::new(
        "Put",
        [EventEntry::new("my.app", "JobDone", object! {"id": string_at("$.id")})
            .event_bus(EventBus::from_name("bus"))],
    );
    StateMachine::new("Job", run.next(put))
        .role(Role::from_arn("arn:aws:iam::123456789012:role/sfn"))
        .template()
}

fn fragments_side_by_side() -> Result<Template, Misuses> {
    let fragment = |id: &str| {
        Fragment::new(
            id,
            Wait::new("Wait", WaitTime::duration(seconds(1)))
                .next(Pass::new("P").parameters(object! {"x": json_to_string(object_at("$"))})),
        )
    };
    let parallel = Parallel::new("Both")
        .branch((fragment("A").prefix_states(), fragment("B").to_single_state()))
        .result_selector(object! {"a": value_at("$[0]"), "b": value_at("$[1]")})
        .result_path("$.both")
        .catch(
            Pass::new("Oops").result(value!({"ok": false})).result_path("$.r").next(Fail::new("F")),
        );
    let chain = Chain::start(parallel).next(Succeed::new("End"));
    let m = StateMachine::new("Two", chain);
    let alarm = Alarm::new("A", m.metric_failed().period(minutes(1)), 1.0, 1)
        .notify(Topic::new("T"))
        .treat_missing_data("notBreaching");
    Stack::new().machine(m).alarm(&alarm).template()
}

fn functions_with_aliases() -> Result<Template, Misuses> {
    let f = Function::new("Fn", Code::from_bucket(Bucket::from_name("code"), "f.zip"))
        .runtime("python3.13")
        .handler("app.handler")
        .timeout(seconds(30))
        .memory(256)
        .environment("STAGE", "dev")
        .architecture(Architecture::Arm64);
    let a = LambdaInvoke::new("A", f.alias("live"))
        .retry_on_service_exceptions(false)
        .invocation_type(InvocationType::Event)
        .payload(
            object! {"all": entire_payload(), "list": array([string_at("$.a"), string_at("$.b")])},
        );
    let b = LambdaInvoke::new("B", &f).payload(value_at("$.x")).output_path("$.Payload");
    StateMachine::new("M", a.next(b))
        .encryption(Encryption::customer_managed(Key::new("Key")))
        .tag("team", "a")
        .template()
}

fn a_list_of_objects() -> Result<Template, Misuses> {
    let (inp, out) = (Bucket::new("In"), Bucket::new("Out"));
    let map = DistributedMap::new("All")
        .item_reader(ItemReader::objects(&inp).prefix(string_at("$.prefix")).max_items(1000))
        .item_batcher(ItemBatcher::new().max_items_per_batch(10).batch_input(object! {"v": 1}))
        .result_writer(
            ResultWriter::to_bucket(&out)
                .prefix("r")
                .writer_config(Transformation::Compact, OutputType::JsonLines),
        )
        .map_execution_type(ExecutionType::Express)
        .max_concurrency(100)
        .tolerated_failure_count(3)
        .label("all")
        .item_processor(LambdaInvoke::new("Do", Function::from_name("do")));
    StateMachine::new("M", map).template()
}

fn an_api_and_a_worker() -> Result<Template, Misuses> {
    let connection = Connection::new(
        "C",
        Authorization::ApiKey { name: "x".into(), value: "{{resolve:secretsmanager:key}}".into() },
    );
    let call = HttpInvoke::new("Call", &connection, "https://api.example", "v1/items", "POST")
        .body(object! {"a": string_at("$.a")})
        .headers(object! {"X": "y"})
        .query_string_parameters(object! {"q": "1"});
    let act = Activity::new("Worker").activity_name("worker");
    let work = StepFunctionsInvokeActivity::new("Work", &act)
        .heartbeat_timeout(seconds(30))
        .credentials(Role::from_arn("arn:aws:iam::123456789012:role/other"));
    Stack::new()
        .machine(StateMachine::new("M", call.next(work)))
        .output("Act", act.arn())
        .template()
}

fn a_loop_that_counts() -> Result<Template, Misuses> {
    let init = Pass::new("Init").result(object! {"n": 0}).result_path("$.loop");
    let inc = Pass::new("Inc")
        .parameters(object! {"n": math_add(number_at("$.loop.n"), 1)})
        .result_path("$.loop");
    let check = Choice::new("More?")
        .when(Condition::number_less_than("$.loop.n", 3), go_to("Inc"))
        .otherwise(Succeed::new("Done"));
    StateMachine::new("Loop", init.next(inc).next(check)).template()
}

fn machines_queues_and_grants() -> Result<Template, Misuses> {
    let q = Queue::fifo("Q");
    let send = SqsSendMessage::new(
        "Send",
        &q,
        object! {"id": uuid(), "h": hash(string_at("$.a"), "SHA-256")},
    )
    .message_group_id("g")
    .message_deduplication_id(string_at("$.id"));
    let child = StateMachine::new("Child", Pass::new("P"));
    let start = StepFunctionsStartExecution::new("Start", &child)
        .integration_pattern(IntegrationPattern::RunJob)
        .input(object! {"p": string_at("$.p")})
        .execution_name(format_text("child-{}", [execution_name()]));
    let custom = CustomState::new(
        "Custom",
        object! {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:listBuckets"},
    )
    .allow(Statement::allow(["s3:ListAllMyBuckets"], ["*"]))
    .retry(Retry::all());
    let sm = StateMachine::new("M", send.next(start).next(custom));
    let f = Function::new("F", Code::inline("x")).environment("SM", sm.arn());
    Stack::new()
        .machine(sm.clone())
        .function(&f)
        .grant(sm.grant_start_execution(&f))
        .grant(q.grant_send_messages(&f))
        .grant(Table::from_name("t").grant_read_data(&f))
        .grant(Grant::new(&f, Statement::allow(["ses:SendEmail"], ["*"])))
        .template()
}

/// The machines by name.
pub(crate) fn templates() -> Vec<(&'static str, Result<Template, Misuses>)> {
    vec![
        ("a_human_approves", a_human_approves()),
        ("images_are_labelled", images_are_labelled()),
        ("a_machine_in_jsonata", a_machine_in_jsonata()),
        ("a_job_on_fargate", a_job_on_fargate()),
        ("fragments_side_by_side", fragments_side_by_side()),
        ("functions_with_aliases", functions_with_aliases()),
        ("a_list_of_objects", a_list_of_objects()),
        ("an_api_and_a_worker", an_api_and_a_worker()),
        ("a_loop_that_counts", a_loop_that_counts()),
        ("machines_queues_and_grants", machines_queues_and_grants()),
    ]
}

#[test]
fn they_are_built() {
    for (name, template) in templates() {
        let template = template.unwrap_or_else(|misuses| panic!("{name}: {misuses}")).to_json();
        let text = template.to_string();
        assert!(text.contains("AWS::StepFunctions::StateMachine"), "{name}");
    }
}
