//! State machines as users of the CDK write them, and what must not be accepted in silence.

use crate::compare::{Names, same_statements};
use stepwright_constructs::prelude::*;
use stepwright_json::Json;

#[track_caller]
fn asl(definition: impl Chainable) -> String {
    let machine = StateMachine::new("Machine", definition);
    machine.asl().unwrap_or_else(|misuses| panic!("{misuses}")).to_string()
}

#[track_caller]
fn refused(machine: &StateMachine, message: &str) {
    let Err(misuses) = machine.template() else { panic!("it is refused: {message}") };
    assert!(misuses.to_string().contains(message), "{message}\nnot in\n{misuses}");
}

#[track_caller]
fn refused_state(definition: impl Chainable, message: &str) {
    refused(&StateMachine::new("Machine", definition), message);
}

#[track_caller]
fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part}\nnot in\n{text}");
    }
}

/// A task class of one's own.
#[derive(Clone)]
struct Print {
    printer: Topic,
}

impl StepFunctionsTask for Print {
    fn bind(&self, pattern: IntegrationPattern) -> TaskConfig {
        TaskConfig::new("arn:aws:states:::sns:publish")
            .parameters(object! {"TopicArn": self.printer.arn(), "Message": string_at("$.page")})
            .allow(Statement::allow(["sns:Publish"], [self.printer.arn()]))
            .metrics("Printer", "Printers", vec![("Topic".into(), self.printer.arn())])
            .only(pattern, [IntegrationPattern::RequestResponse])
    }
}

#[test]
fn tasks_of_ones_own() {
    let print = || Task::new("Print", Print { printer: Topic::new("Printer") });
    let task = print().result_path("$.printed").retry(Retry::all()).catch(Fail::new("Jam"));
    assert!(task.metric_failed().is_some());
    let machine = StateMachine::new("Machine", task.next(Succeed::new("Done")));
    contains(&machine.asl().unwrap().to_string(), &["sns:publish", "\"Message.$\":\"$.page\""]);
    assert_eq!(machine.policy().unwrap().len(), 1);
    contains(&machine.template().unwrap().to_json().to_string(), &["AWS::SNS::Topic"]);
    let waiting = print().integration_pattern(IntegrationPattern::RunJob);
    refused_state(waiting, "does not support the integration pattern RUN_JOB");
}

#[test]
fn chains_end_where_they_say() {
    let both = Pass::new("A").next(
        Choice::new("C").when("$.x == 1", Pass::new("B")).otherwise(Pass::new("D")).afterwards(),
    );
    assert_eq!(both.end_states(), ["B", "D"]);
    let one = Chain::custom(both.clone(), ["B"]).next(Succeed::new("E"));
    contains(&asl(one), &["\"D\":{\"Type\":\"Pass\",\"End\":true}", "\"Next\":\"E\""]);
    refused_state(Chain::custom(both, ["Nobody"]), "no state with this id");
    let fragment = Fragment::new("Job", Pass::new("First").next(Pass::new("Last")));
    assert_eq!(fragment.start_state(), "First");
    contains(&asl(Chain::sequence(fragment.prefix_states(), Succeed::new("End"))), &["Job: First"]);
}

#[test]
fn a_machine_in_jsonata_is_seen_by_its_tasks() {
    let start = StepFunctionsStartExecution::new("Start", StateMachine::from_name("other"))
        .input(object! {"a": 1})
        .associate_with_parent(true);
    let cluster = EmrContainersCreateVirtualCluster::new("Cluster", "eks");
    let connection = Connection::from_arns("arn:aws:events:us-east-1:1:connection/c/1", "secret");
    let call = HttpInvoke::new("Call", connection, "https://api.example", "items", "GET");
    let machine = StateMachine::new("Machine", start.next(cluster).next(call))
        .query_language(QueryLanguage::Jsonata);
    let text = machine.asl().expect("nothing is misused").to_string();
    contains(
        &text,
        &[
            "{% $states.context.Execution.Id %}",
            "{% $states.context.Execution.Name & '/' & $states.context.State.Name %}",
            "{% 'https://api.example' & '/' & 'items' %}",
            "\"Arguments\"",
        ],
    );
    assert!(!text.contains("$$.") && !text.contains("States.Format"), "{text}");
    let jsonata = |definition: Chain| {
        StateMachine::new("Machine", definition).query_language(QueryLanguage::Jsonata)
    };
    let evaluate = EvaluateExpression::new("E", "$.a + 1").into_chain();
    refused(&jsonata(evaluate), "in JSONata, compute with JSONata");
    let paths = Wait::new("W", WaitTime::timestamp_path("$.at")).into_chain();
    refused(&jsonata(paths), "`TimestampPath` is not known in JSONata");
    refused(&jsonata(Pass::new("P").parameters(object! {"a": 1}).into_chain()), "has `outputs`");
}

#[test]
fn durations_and_sizes_come_from_the_data() {
    let batch = BatchSubmitJob::new(
        "Job",
        JobDefinition::at("$.definition"),
        "job",
        JobQueue::at(string_at("$.queue")),
    )
    .container_overrides(BatchContainerOverrides::new().memory(number_at("$.memory")).vcpus(1))
    .task_timeout(value_at("$.limit"));
    let send = SqsSendMessage::new("Send", Queue::from_name("q"), "m").delay(number_at("$.delay"));
    let train = SageMakerCreateTrainingJob::new(
        "Train",
        "job",
        TrainingAlgorithm::named("A"),
        TrainingOutput::new(S3Location::at("$.out")),
    )
    .resource_config(TrainingResources::new(1, "m5.large", number_at("$.size")))
    .stopping_condition(number_at("$.seconds"));
    let text = asl(batch.next(send).next(train));
    contains(
        &text,
        &[
            "\"JobQueue.$\":\"$.queue\"",
            "\"Value.$\":\"$.memory\"",
            "\"AttemptDurationSeconds.$\":\"$.limit\"",
            "\"DelaySeconds.$\":\"$.delay\"",
            "\"VolumeSizeInGB.$\":\"$.size\"",
            "\"MaxRuntimeInSeconds.$\":\"$.seconds\"",
        ],
    );
    assert!(!text.contains("InputDataConfig"), "{text}");
}

#[test]
fn nothing_invalid_is_written() {
    let work = || LambdaInvoke::new("L", Function::from_name("work"));
    let half = std::time::Duration::from_millis(1500);
    refused_state(work().task_timeout(half), "not a whole number of seconds");
    refused_state(work().retry(Retry::all().interval(half)), "whole seconds");
    refused_state(Wait::new("W", WaitTime::duration(half)), "not a whole number of seconds");
    refused_state(
        work().task_timeout(seconds(10)).heartbeat_timeout(seconds(10)),
        "`heartbeat_timeout` has to be shorter",
    );
    refused_state(
        Map::new("M").iterator(Pass::new("A")).item_processor(Pass::new("B")),
        "a Map has one processor",
    );
    let items = [("id", AttributeValue::of("N", 5))];
    refused_state(
        DynamoPutItem::new("Put", Table::from_name("t"), items),
        "takes the number 5 as text",
    );
    let (queue, definition) =
        ("arn:aws:batch:us-east-1:1:job-queue/q", "arn:aws:batch:us-east-1:1:job-definition/d");
    refused_state(
        BatchSubmitJob::new(
            "B",
            JobDefinition::from_arn(queue),
            "n",
            JobQueue::from_arn(definition),
        ),
        "is not the ARN of a job queue",
    );
    let connection = Connection::from_arns("arn:aws:events:us-east-1:1:connection/c/1", "secret");
    refused_state(
        HttpInvoke::new("Call", connection, "items", "https://api.example", "GET"),
        "`api_root` has to begin with `https://`",
    );
    let out = Parallel::new("P").branch(Pass::new("In").next(go_to("Out"))).next(Pass::new("Out"));
    refused_state(out, "cannot lead out of itself");
    let file = Function::new("F", Code::inline("")).timeout(half);
    refused_state(LambdaInvoke::new("L", file), "not a whole number of seconds");
}

#[test]
fn expressions_are_those_of_the_handler() {
    let evaluate = |text: &str| EvaluateExpression::new("E", text);
    refused_state(evaluate("'Hello $.name'"), "`$.name` stands in a text");
    refused_state(evaluate("`Hello $.name`"), "`$.name` stands in a text");
    contains(&asl(evaluate("`Hello ${$.name}` + /'$.x'/.source")), &["\"$.name.$\":\"$.name\""]);
    let task = evaluate("({sum: $.a + $.b})").architecture(Architecture::Arm64);
    let template = StateMachine::new("Machine", task).template().expect("nothing is misused");
    contains(
        &template.to_json().to_string(),
        &[
            "\"Architectures\":[\"arm64\"]",
            "EvalServiceRolef4f556a4ef7a49cd8036c5b0567376fd10E01C41",
            "return eval(__code)",
        ],
    );
}

#[test]
fn what_is_not_given_is_not_written() {
    let comment: Option<&str> = None;
    let publish = SnsPublish::new("P", Topic::from_name("t"), "m").subject(comment);
    assert!(!asl(publish).contains("Subject"));
    let publish = SnsPublish::new("P", Topic::from_name("t"), "m").subject(Some("s"));
    contains(&asl(publish), &["\"Subject\":\"s\""]);
    let payload: Option<Value> = None;
    let invoke = LambdaInvoke::new("L", Function::from_name("f")).payload(payload);
    contains(&asl(invoke), &["\"Payload.$\":\"$\""]);
}

#[test]
fn lists_paths_and_texts_are_taken_as_they_come() {
    let limit = 5;
    let choice = Choice::new("C").when(format!("$.n > {limit}"), Succeed::new("Big")).otherwise(
        Parallel::new("P").branch([Pass::new("A"), Pass::new("B")]).branch((
            LambdaInvoke::new("L", Function::from_name("f")),
            Pass::new("D").next(Pass::new("E")),
        )),
    );
    contains(&asl(choice), &["\"NumericGreaterThan\":5"]);
    let map = Map::new("M").items_path(list_at("$.items")).item_processor(Pass::new("P"));
    contains(&asl(map), &["\"ItemsPath\":\"$.items\""]);
    let names = vec!["a".to_owned(), "b".to_owned()];
    let result = Pass::new("P").result(object! {"names": names, "pair": [1, 2], "of": ["x"]});
    contains(&asl(result), &["\"names\":[\"a\",\"b\"]", "\"pair\":[1,2]", "\"of\":[\"x\"]"]);
    let invoke = LambdaInvoke::new("L", Function::from_name("f")).task_timeout(Timeout::at("$.t"));
    contains(&asl(invoke), &["\"TimeoutSecondsPath\":\"$.t\""]);
    let reader = ItemReader::csv(Bucket::from_name("b"), "k.csv").csv_delimiter(CsvDelimiter::Tab);
    let map = DistributedMap::new("D").item_reader(reader).item_processor(Pass::new("P"));
    contains(&asl(map), &["\"InputType\":\"CSV\"", "\"CSVDelimiter\":\"TAB\""]);
}

#[test]
fn a_map_with_distributed_items_may_start_them() {
    let map = Map::new("M")
        .item_processor_with(ProcessorConfig::Distributed(ExecutionType::Express), Pass::new("P"));
    let policy = StateMachine::new("Machine", map).policy().expect("nothing is misused");
    let policy: Vec<String> = policy.iter().map(|one| one.to_json().to_string()).collect();
    contains(&policy.join("\n"), &["states:StartExecution", "states:RedriveExecution"]);
}

#[test]
fn definitions_are_text_files_and_chains() {
    let text = r#"{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "${Work}", "End": true}}}"#;
    let function = Function::new("Work", Code::inline("exports.handler = async () => {};"));
    let machine = StateMachine::from_string("Machine", text).substitution("Work", function.arn());
    contains(
        &machine.template().unwrap().to_json().to_string(),
        &["\"DefinitionSubstitutions\":{\"Work\":{\"Fn::GetAtt\"", "AWS::Lambda::Function"],
    );
    let body = DefinitionBody::from_bucket(Bucket::new("Definitions"), "flow.asl.json");
    let machine = StateMachine::from_body("Machine", body.object_version("7"));
    contains(
        &machine.template().unwrap().to_json().to_string(),
        &["\"DefinitionS3Location\":{\"Bucket\":{\"Ref\":", "\"Version\":\"7\""],
    );
    assert!(machine.asl().is_err());
    let chain = DefinitionBody::from_chainable(Pass::new("P").comment("in ${Stage}"));
    let machine = StateMachine::from_body("Machine", chain).substitution("Stage", "prod");
    contains(&machine.template().unwrap().to_json().to_string(), &["{\"Stage\":\"prod\"}"]);
}

#[test]
fn tasks_of_ecs_and_emr_bring_their_networks_and_roles() {
    let database = SecurityGroup::parameter("DatabaseGroup");
    let run = EcsRunTask::new(
        "CallFargate",
        Cluster::new("Cluster"),
        TaskDefinition::parameter("TaskDefinition"),
        LaunchTarget::fargate(),
    )
    .vpc(Token::parameter("Vpc"))
    .subnets(["subnet-1"])
    .allow_to_default_port(&database, 3306, "Read the database");
    let template = StateMachine::new("Machine", run).template().expect("nothing is misused");
    contains(
        &template.to_json().to_string(),
        &[
            "AWS::EC2::SecurityGroupIngress",
            "\"Description\":\"Read the database\",\"FromPort\":3306",
            "\"SecurityGroupEgress\"",
        ],
    );
    let job = || {
        EmrContainersStartJobRun::new(
            "Spark",
            "de92jdei2910fwedz",
            "emr-6.2.0-latest",
            "local:///pi.py",
        )
    };
    let logged = job().monitoring(Monitoring::new().logging());
    let template = StateMachine::new("Machine", logged).template().expect("nothing is misused");
    contains(
        &template.to_json().to_string(),
        &[
            "SparkJobExecutionRole",
            "Custom::EmrContainersTrust",
            "AWS::Logs::LogGroup",
            "AWS::S3::Bucket",
            "logs:DescribeLogStreams",
        ],
    );
    let computed = EmrContainersStartJobRun::new("S", string_at("$.id"), "emr-6.2.0-latest", "x");
    refused_state(computed, "`execution_role` has to be given");
}

#[test]
fn images_and_keys_of_sagemaker_are_granted() {
    let key = Key::new("Key");
    let train = SageMakerCreateTrainingJob::new(
        "Train",
        "job",
        TrainingAlgorithm::image(DockerImage::from_ecr_repository(Repository::new("Images"), "1")),
        TrainingOutput::new(S3Location::at("s3://b/out")).encryption_key(&key),
    )
    .resource_config(
        TrainingResources::new(1, "m5.large", gibibytes(10)).volume_encryption_key(key),
    );
    let template = StateMachine::new("Machine", train).template().expect("nothing is misused");
    contains(
        &template.to_json().to_string(),
        &[
            "AWS::ECR::Repository",
            "AWS::KMS::Key",
            "\"kms:CreateGrant\"",
            "\"kms:Encrypt\"",
            "\"ecr:BatchGetImage\"",
        ],
    );
}

#[test]
fn metrics_have_every_option() {
    let machine = StateMachine::from_name("other");
    let metric = machine.metric("ExecutionTime").statistic("p99").unit("Milliseconds");
    let alarm = Alarm::new("Slow", metric, 5.0, 3).alarm_name("slow").datapoints_to_alarm(2);
    let text = Stack::new().alarm(&alarm).template().unwrap().to_json().to_string();
    contains(
        &text,
        &[
            "\"ExtendedStatistic\":\"p99\"",
            "\"Unit\":\"Milliseconds\"",
            "\"DatapointsToAlarm\":2",
            "\"AlarmName\":\"slow\"",
        ],
    );
    let elsewhere = machine.metric_failed().account_id("123456789012").label("failures");
    let text = Stack::new().alarm(&Alarm::new("A", elsewhere, 1.0, 1)).template().unwrap();
    contains(&text.to_json().to_string(), &["\"AccountId\":\"123456789012\"", "\"MetricStat\""]);
    let far = Alarm::new("A", machine.metric_failed().region("eu-west-1"), 1.0, 1);
    assert!(Stack::new().alarm(&far).template().is_err());
}

#[test]
fn machines_have_names_and_revisions() {
    let machine = StateMachine::new("Orders", Pass::new("P"));
    let template = Stack::new()
        .machine(machine.clone())
        .output("Name", machine.name())
        .output("Revision", machine.revision_id())
        .template()
        .expect("nothing is misused");
    contains(&template.to_json().to_string(), &["\"Name\"]", "\"StateMachineRevisionId\"]"]);
}

#[test]
fn activities_are_encrypted() {
    let activity = Activity::new("Work").encryption_with(Key::new("Key"), minutes(10));
    let task = StepFunctionsInvokeActivity::new("Do", &activity);
    let machine = StateMachine::new("Machine", task);
    contains(
        &machine.template().unwrap().to_json().to_string(),
        &[
            "\"KmsDataKeyReusePeriodSeconds\":600",
            "AWS::KMS::Key",
            "kms:EncryptionContext:aws:states:activityArn",
        ],
    );
    let short = Activity::new("Work").encryption_with(Key::new("Key"), seconds(10));
    refused_state(StepFunctionsInvokeActivity::new("Do", &short), "one to fifteen minutes");
}

/// The machines of the manual that stand beside the CDK's TypeScript. `cdk/side-by-side.js` makes the
/// CDK's from the manual.
pub(crate) fn beside() -> [StateMachine; 3] {
    let (submit_lambda, get_status_lambda) =
        (Function::from_name("submit"), Function::from_name("status"));
    let submit_job = LambdaInvoke::new("Submit Job", &submit_lambda)
        .payload_response_only()
        .result_path("$.guid");
    let wait_x = Wait::new("Wait X Seconds", WaitTime::seconds_path("$.wait_time"));
    let get_status = LambdaInvoke::new("Get Job Status", &get_status_lambda)
        .payload_response_only()
        .input_path("$.guid")
        .result_path("$.status");
    let job_failed =
        Fail::new("Job Failed").cause("AWS Batch Job Failed").error("DescribeJob returned FAILED");
    let final_status = LambdaInvoke::new("Get Final Job Status", &get_status_lambda)
        .payload_response_only()
        .input_path("$.guid");
    let definition = submit_job.next(wait_x).next(get_status).next(
        Choice::new("Job Complete?")
            .when("$.status == 'FAILED'", job_failed)
            .when("$.status == 'SUCCEEDED'", final_status)
            .otherwise(go_to("Wait X Seconds")),
    );
    let poller = StateMachine::new("StateMachine", definition).timeout(minutes(5));

    let book = |what: &str, undo: Chain| {
        LambdaInvoke::new(format!("Book {what}"), Function::from_name(format!("book-{what}")))
            .payload_response_only()
            .result_path(format!("$.{what}"))
            .catch_with(Catch::all().result_path("$.error"), undo)
    };
    let cancel = |what: &str| {
        LambdaInvoke::new(format!("Cancel {what}"), Function::from_name(format!("cancel-{what}")))
            .payload_response_only()
            .result_path(DISCARD)
            .retry(Retry::all().max_attempts(3))
    };
    let undo_hotel = cancel("hotel").next(Fail::new("Trip failed").error("TripFailed"));
    let undo_flight = cancel("flight").next(go_to("Cancel hotel"));
    let trip = book("hotel", go_to("Trip failed"))
        .next(book("flight", undo_hotel))
        .next(book("car", undo_flight));
    let saga = StateMachine::new("Trips", trip);

    let load_lambda = Function::from_name("load");
    let uploads = Bucket::from_name("uploads");
    let news = Topic::from_arn("arn:aws:sns:us-east-1:123456789012:news");
    let load = LambdaInvoke::new("Load batch", &load_lambda).payload_response_only();
    let rows = DistributedMap::new("Rows")
        .item_reader(ItemReader::csv(&uploads, string_at("$.key")))
        .item_batcher(ItemBatcher::new().max_items_per_batch(100))
        .tolerated_failure_percentage(5)
        .result_path(DISCARD)
        .item_processor(load);
    let transform = GlueStartJobRun::new("Transform", "transform")
        .integration_pattern(IntegrationPattern::RunJob)
        .arguments(object! {"--key": string_at("$.key")})
        .result_path(DISCARD);
    let message = format_text("{} is there", [string_at("$.key")]);
    let tell = SnsPublish::new("Tell", &news, message);
    let import = StateMachine::new("Import", rows.next(transform).next(tell)).tracing_enabled(true);
    [poller, saga, import]
}

#[test]
fn the_machines_of_the_manual_are_the_cdks() {
    let made = stepwright_json::parse(include_str!("cdk/side-by-side.json")).expect("it is JSON");
    let made = made.as_array().expect("a list").to_vec();
    assert_eq!(made.len(), 3);
    for (machine, expected) in beside().into_iter().zip(made) {
        let mut names = Names::default();
        let asl = machine.asl().expect("nothing is misused");
        let same = names.same(&asl, expected.get("definition").expect("a definition"), "");
        assert_eq!(same, Ok(()), "{}", machine.id());
        let ours: Vec<Json> = machine.policy().unwrap().iter().map(Statement::to_json).collect();
        let theirs = expected.get("statements").and_then(Json::as_array).expect("a list").to_vec();
        assert_eq!(same_statements(ours, theirs, &mut names), Ok(()), "{}", machine.id());
    }
    let manual = include_str!("../../../../docs/src/side-by-side.md");
    for line in [
        "let undo_flight = cancel(\"flight\").next(go_to(\"Cancel hotel\"));",
        ".item_reader(ItemReader::csv(&uploads, string_at(\"$.key\")))",
    ] {
        assert!(manual.contains(line), "{line}");
    }
}

/// The examples beside the CDK's TypeScript have no more lines than it has.
#[test]
fn the_manual_compares_lines() {
    let manual = include_str!("../../../../docs/src/side-by-side.md");
    let mut counts = Vec::new();
    let mut open: Option<(&str, usize)> = None;
    for line in manual.lines() {
        open = match (open, line) {
            (None, "```typescript") => Some(("TypeScript", 0)),
            (None, "```rust") => Some(("Rust", 0)),
            (Some((language, count)), "```") => {
                counts.push((language, count));
                None
            }
            // What mdBook hides is there for the compiler only.
            (Some((language, count)), line) if !line.starts_with("# ") => {
                Some((language, count + 1))
            }
            (open, _) => open,
        };
    }
    assert_eq!(counts.len(), 6);
    for pair in counts.chunks(2) {
        println!("{pair:?}");
        assert!(
            pair[0].0 == "TypeScript" && pair[1].0 == "Rust" && pair[1].1 <= pair[0].1,
            "{pair:?}"
        );
    }
}

/// Every row of the manual's table of promises has tests that exist, and every task has a row.
#[test]
fn every_promise_has_a_test() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let table = include_str!("../../../../docs/src/promises.md");
    let twins = ["aibs", "clusters", "main", "services", "states"]
        .map(|name| read(&format!("crates/constructs/tests/goldens/{name}.rs")))
        .concat();
    let promised = table.split("## Left out on purpose").next().expect("the table");
    let rows: Vec<&str> = promised
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| item"))
        .collect();
    assert!(rows.len() > 150, "{} rows", rows.len());
    let mut missing = Vec::new();
    for row in &rows {
        let tests = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        let tests: Vec<&str> = tests.split(' ').map(|test| test.trim_matches('`')).collect();
        assert!(tests.iter().any(|test| !test.is_empty()), "{row}");
        for test in tests {
            let is_there = match test.split_once("golden:") {
                Some((_, golden)) => twins.contains(&format!("\"{golden}\"")),
                None => test
                    .split_once("::")
                    .is_some_and(|(file, name)| read(file).contains(&format!("fn {name}("))),
            };
            if !is_there {
                missing.push(format!("{test} of {row}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    // The tasks of the crate, from their files.
    let tasks = read("crates/constructs/src/tasks/mod.rs");
    for line in tasks.lines().filter_map(|line| line.strip_prefix("mod ")) {
        let file = line.trim_end_matches(';');
        let code = read(&format!("crates/constructs/src/tasks/{file}.rs"));
        let Some(task) =
            code.split("task! {").nth(1).and_then(|rest| rest.split("pub struct ").nth(1))
        else {
            continue;
        };
        let name = task.split(' ').next().unwrap_or_default();
        assert!(promised.contains(&format!("| `{name}` |")), "{name} has no row");
    }
}
