//! Our counterparts of the examples of `aws-stepfunctions`.

use crate::compare::{Golden, golden};
use stepwright_constructs::prelude::*;

/// The function of the examples.
pub(crate) fn function(id: &str) -> Function {
    Function::new(id, Code::inline("exports.handler = async (e) => e;"))
}

pub(crate) fn goldens() -> Vec<Golden> {
    let step = |number: usize| Pass::new(format!("Step{number}"));
    vec![
        Golden { name: "001-01-job-poller", machine: job_poller(true) },
        Golden { name: "001-01b-job-poller-v1-task", machine: job_poller(false) },
        golden("001-02-state-machine", Pass::new("StartState")),
        golden(
            "001-11-pass",
            Pass::new("Add Hello World")
                .result(object! {"hello": "world"})
                .result_path("$.subObject")
                .next(Pass::new("NextState")),
        ),
        golden(
            "001-12-wait",
            Wait::new("Wait For Trigger Time", WaitTime::timestamp_path("$.triggerTime"))
                .next(Pass::new("StartTheWork")),
        ),
        golden(
            "001-13-choice",
            Choice::new("Did it work?")
                .when("$.status == 'SUCCESS'", Pass::new("SuccessState"))
                .when("$.attempts > 5", Pass::new("FailureState"))
                .otherwise(Pass::new("TryAgain")),
        ),
        golden(
            "001-14-choice-afterwards",
            Choice::new("What color is it?")
                .when("$.color == 'BLUE'", Pass::new("HandleBlueItem"))
                .when("$.color == 'RED'", Pass::new("HandleRedItem"))
                .otherwise(Pass::new("HanldeOtherItemColor"))
                .afterwards()
                .next(Pass::new("ShipTheItem")),
        ),
        golden(
            "001-15-parallel",
            Parallel::new("Do the work in parallel")
                .branch(Pass::new("ShipItem"))
                .branch(Pass::new("SendInvoice"))
                .branch(Pass::new("Restock"))
                .retry(Retry::all().max_attempts(1))
                .catch(Pass::new("SendFailureNotification"))
                .next(Pass::new("CloseOrder")),
        ),
        golden("001-16-succeed", Succeed::new("We did it!")),
        golden(
            "001-17-fail",
            Fail::new("Fail").error("WorkflowFailure").cause("Something went wrong"),
        ),
        golden(
            "001-18-task-chaining",
            step(1)
                .next(step(2))
                .next(
                    Choice::new("Choice")
                        .when("$.status == 'SUCCESS'", step(3).next(step(4)).next(step(5)))
                        .otherwise(step(6))
                        .afterwards(),
                )
                .next(
                    Parallel::new("Parallel")
                        .branch(step(7).next(step(8)))
                        .branch(step(9).next(step(10))),
                )
                .next(Pass::new("Finish")),
        ),
        golden("001-19-chain-start", Chain::start(step(1)).next(step(2)).next(step(3))),
        golden("001-20-fragment-prefix-states", all_jobs()),
        Golden {
            name: "001-23-metrics-state-machine-alarm",
            machine: StateMachine::new("StateMachine", Pass::new("StartState")),
        },
        golden("x-02-all-conditions", all_conditions()),
        golden(
            "x-03-choice-assign-jsonpath",
            Choice::new("C")
                .assign(object! {"d": string_at("$.x")})
                .when_with(
                    "$.x == 'a'",
                    Transition::new().assign(object! {"y": string_at("$.yy"), "z": 5}),
                    Pass::new("A"),
                )
                .otherwise(Pass::new("B")),
        ),
        golden(
            "x-04-choice-afterwards-no-otherwise",
            Choice::new("C")
                .when("$.x == 'a'", Pass::new("A"))
                .afterwards_with(Afterwards { include_otherwise: true, ..Default::default() })
                .next(Pass::new("After")),
        ),
        golden(
            "x-05-choice-afterwards-error-handlers",
            Choice::new("C")
                .when(
                    "$.x == 'a'",
                    LambdaInvoke::new("T", function("F")).catch(Pass::new("Handler")),
                )
                .otherwise(Pass::new("B"))
                .afterwards_with(Afterwards {
                    include_error_handlers: true,
                    dead_ends_only: true,
                    ..Default::default()
                })
                .next(Pass::new("After")),
        ),
        golden(
            "x-07-pass-parameters",
            Pass::new("Filter input and inject data").state_name("my-pass-state").parameters(
                object! {
                    "input": string_at("$.input.greeting"),
                    "otherData": "some-extra-stuff",
                    "nested": {
                        "list": list_at("$.l"),
                        "n": number_at("$.n"),
                        "o": object_at("$.o"),
                        "ctx": execution_id(),
                    },
                },
            ),
        ),
        golden("x-09-intrinsics", intrinsics()),
        golden(
            "x-11-map-legacy-iterator",
            Map::new("Map State")
                .max_concurrency(1)
                .items_path("$.inputForMap")
                .parameters(object! {"foo": "foo", "bar": string_at("$.bar")})
                .result_selector(object! {"r": value_at("$[0]")})
                .iterator(Pass::new("Pass State")),
        ),
        golden(
            "x-12-map-max-concurrency-path",
            Map::new("Map State")
                .max_concurrency_path("$.maxConcurrency")
                .items_path("$.inputForMap")
                .item_processor(Pass::new("Pass State")),
        ),
        Golden { name: "x-13-map-jsonata", machine: map_jsonata() },
        golden(
            "x-15-distributed-map-basic",
            DistributedMap::new("Distributed Map State")
                .max_concurrency(1)
                .items_path("$.inputForMap")
                .item_processor(Pass::new("Pass State")),
        ),
        golden(
            "x-16-distributed-map-s3-objects",
            DistributedMap::new("Distributed Map State")
                .item_reader(
                    ItemReader::objects(Bucket::new("Bucket")).prefix("MY_PREFIX").max_items(5),
                )
                .item_processor(Pass::new("Pass State")),
        ),
        golden(
            "x-18-distributed-map-s3-json-bucket-path",
            DistributedMap::new("Distributed Map State")
                .item_reader(ItemReader::file_of_bucket_at(
                    InputType::Json,
                    string_at("$.bucketName"),
                    string_at("$.key"),
                ))
                .item_processor(Pass::new("Pass State")),
        ),
        golden("x-21-distributed-map-full", distributed_map_full()),
        golden("x-24-parallel-full", parallel_full()),
        golden(
            "x-25-parallel-jsonata",
            Parallel::jsonata("P")
                .arguments(object! {"x": jsonata("$states.input.x")})
                .outputs(object! {"all": jsonata("$states.result")})
                .assign(object! {"v": jsonata("$states.result[0]")})
                .branch(Pass::jsonata("A").outputs(jsonata("$states.input.x")))
                .catch_with(
                    Catch::all()
                        .outputs(object! {"e": jsonata("$states.errorOutput.Error")})
                        .assign(object! {"failed": true}),
                    Pass::jsonata("H"),
                ),
        ),
        golden(
            "x-26-fail-paths",
            Choice::new("C")
                .when(
                    "$.a is present",
                    Fail::new("F1").error_path("$.someError").cause_path("$.someCause"),
                )
                .when(
                    "$.b is present",
                    Fail::new("F2")
                        .error_path(format_text("error: {}.", [string_at("$.someError")]))
                        .cause_path("States.Format('cause: {}.', $.someCause)"),
                )
                .otherwise(
                    Fail::jsonata("F3")
                        .error(jsonata("'error:' & $someError & '.'"))
                        .cause(jsonata("'cause:' & $someCause & '.'")),
                ),
        ),
        golden(
            "x-27-succeed-paths",
            Choice::new("C")
                .when(
                    "$.a is present",
                    Succeed::new("S1").input_path("$.x").output_path("$.y").comment("done"),
                )
                .otherwise(
                    Succeed::jsonata("S2").outputs(object! {"ok": jsonata("$states.input.a")}),
                ),
        ),
        golden("x-29-fragment-to-single-state", fragments()),
        Golden {
            name: "x-32-definition-string-substitutions",
            machine: StateMachine::from_text(
                "StateMachine",
                r#"{"StartAt":"Pass","States":{"Pass":{"Type":"${StateType}","End":true}}}"#,
            )
            .substitution("StateType", "${StateType}"),
        },
        golden("x-40-catch-retry-details", catch_and_retry()),
        golden(
            "x-41-loop-back",
            Wait::new("W", seconds(1)).next(
                Choice::new("C").when("$.done == true", Succeed::new("S")).otherwise(go_to("W")),
            ),
        ),
    ]
}

fn all_jobs() -> Parallel {
    let worker = function("Worker");
    let job = |id: &str, flavour: &str| {
        let first = LambdaInvoke::new("First", &worker).payload(object! {"jobFlavor": flavour});
        Fragment::new(id, first.next(LambdaInvoke::new("Last", &worker))).prefix_states()
    };
    Parallel::new("All jobs")
        .branch(job("Quick", "quick"))
        .branch(job("Medium", "medium"))
        .branch(job("Slow", "slow"))
}

fn all_conditions() -> Choice {
    type C = Condition;
    let at = "2016-03-14T01:59:00Z";
    let conditions = [
        ("isPresent", C::is_present("$.v")),
        ("isNotPresent", C::is_not_present("$.v")),
        ("isString", C::is_string("$.v")),
        ("isNotString", C::is_not_string("$.v")),
        ("isNumeric", C::is_numeric("$.v")),
        ("isNotNumeric", C::is_not_numeric("$.v")),
        ("isBoolean", C::is_boolean("$.v")),
        ("isNotBoolean", C::is_not_boolean("$.v")),
        ("isTimestamp", C::is_timestamp("$.v")),
        ("isNotTimestamp", C::is_not_timestamp("$.v")),
        ("isNull", C::is_null("$.v")),
        ("isNotNull", C::is_not_null("$.v")),
        ("booleanEquals", C::boolean_equals("$.v", true)),
        ("booleanEqualsJsonPath", C::boolean_equals_path("$.v", "$.w")),
        ("stringEquals", C::string_equals("$.v", "s")),
        ("stringEqualsJsonPath", C::string_equals_path("$.v", "$.w")),
        ("stringLessThan", C::string_less_than("$.v", "s")),
        ("stringLessThanJsonPath", C::string_less_than_path("$.v", "$.w")),
        ("stringLessThanEquals", C::string_less_than_equals("$.v", "s")),
        ("stringLessThanEqualsJsonPath", C::string_less_than_equals_path("$.v", "$.w")),
        ("stringGreaterThan", C::string_greater_than("$.v", "s")),
        ("stringGreaterThanJsonPath", C::string_greater_than_path("$.v", "$.w")),
        ("stringGreaterThanEquals", C::string_greater_than_equals("$.v", "s")),
        ("stringGreaterThanEqualsJsonPath", C::string_greater_than_equals_path("$.v", "$.w")),
        ("numberEquals", C::number_equals("$.v", 1.5)),
        ("numberEqualsJsonPath", C::number_equals_path("$.v", "$.w")),
        ("numberLessThan", C::number_less_than("$.v", 1.5)),
        ("numberLessThanJsonPath", C::number_less_than_path("$.v", "$.w")),
        ("numberLessThanEquals", C::number_less_than_equals("$.v", 1.5)),
        ("numberLessThanEqualsJsonPath", C::number_less_than_equals_path("$.v", "$.w")),
        ("numberGreaterThan", C::number_greater_than("$.v", 1.5)),
        ("numberGreaterThanJsonPath", C::number_greater_than_path("$.v", "$.w")),
        ("numberGreaterThanEquals", C::number_greater_than_equals("$.v", 1.5)),
        ("numberGreaterThanEqualsJsonPath", C::number_greater_than_equals_path("$.v", "$.w")),
        ("timestampEquals", C::timestamp_equals("$.v", at)),
        ("timestampEqualsJsonPath", C::timestamp_equals_path("$.v", "$.w")),
        ("timestampLessThan", C::timestamp_less_than("$.v", at)),
        ("timestampLessThanJsonPath", C::timestamp_less_than_path("$.v", "$.w")),
        ("timestampLessThanEquals", C::timestamp_less_than_equals("$.v", at)),
        ("timestampLessThanEqualsJsonPath", C::timestamp_less_than_equals_path("$.v", "$.w")),
        ("timestampGreaterThan", C::timestamp_greater_than("$.v", at)),
        ("timestampGreaterThanJsonPath", C::timestamp_greater_than_path("$.v", "$.w")),
        ("timestampGreaterThanEquals", C::timestamp_greater_than_equals("$.v", at)),
        ("timestampGreaterThanEqualsJsonPath", C::timestamp_greater_than_equals_path("$.v", "$.w")),
        ("stringMatches", C::string_matches("$.v", "log-*.txt")),
        ("and", C::parse("$.a is present and $.a > 3")),
        ("or-not", C::parse("$.a is null or not $.b == false")),
    ];
    let mut choice =
        Choice::new("All").input_path("$.in").output_path("$.out").comment("all conditions");
    for (number, (name, condition)) in conditions.into_iter().enumerate() {
        let comment =
            if name == "and" { Transition::new().comment("an and") } else { Transition::new() };
        choice = choice.when_with(condition, comment, Pass::new(format!("P{number} {name}")));
    }
    choice.otherwise(Succeed::new("Default"))
}

fn intrinsics() -> Pass {
    Pass::new("Intrinsics").parameters(object! {
        "array": array([value!("a"), value!(string_at("$.Field"))]),
        "arrayPartition": array_partition(list_at("$.inputArray"), 4),
        "arrayContains": array_contains(list_at("$.inputArray"), 5),
        "arrayRange": array_range(1, 9, 2),
        "arrayGetItem": array_get_item(list_at("$.inputArray"), 5),
        "arrayLength": array_length(list_at("$.inputArray")),
        "arrayUnique": array_unique(list_at("$.inputArray")),
        "base64Encode": base64_encode(string_at("$.input")),
        "base64Decode": base64_decode(string_at("$.base64")),
        "hash": hash(object_at("$.Data"), "SHA-256"),
        "jsonMerge": json_merge(object_at("$.Obj1"), object_at("$.Obj2")),
        "stringToJson": string_to_json(string_at("$.ObjStr")),
        "jsonToString": json_to_string(object_at("$.Obj")),
        "mathRandom": math_random(1, 999),
        "mathAdd": math_add(number_at("$.value1"), number_at("$.step")),
        "stringSplit": string_split(string_at("$.inputString"), ","),
        "uuid": uuid(),
        "format": format_text(
            "It's {} and {}",
            [string_at("$.a"), format_text("<{}>", [string_at("$.b")])],
        ),
        "lit": format_text("plain", Vec::<Value>::new()),
        "ctx": {
            "token": task_token(),
            "eid": execution_id(),
            "ein": execution_input(),
            "en": execution_name(),
            "er": execution_role_arn(),
            "es": execution_start_time(),
            "se": state_entered_time(),
            "sn": state_name(),
            "sr": state_retry_count(),
            "smi": state_machine_id(),
            "smn": state_machine_name(),
            "all": entire_context(),
            "pay": entire_payload(),
        },
    })
}

fn map_jsonata() -> StateMachine {
    let map = Map::jsonata("Map State")
        .max_concurrency(1)
        .items(jsonata("$states.input.items"))
        .item_selector(object! {
            "id": jsonata("$states.context.Map.Item.Value.id"),
            "status": jsonata("$states.context.Map.Item.Value.status"),
        })
        .outputs(jsonata("$count($states.result)"))
        .item_processor(Pass::jsonata("P").outputs(jsonata("$states.input.id & \"-done\"")));
    StateMachine::new("StateMachine", map).query_language(QueryLanguage::Jsonata)
}

/// The CDK writes the key of the batch input's path without `.$`, so the path is not evaluated.
/// Here it is given as the literal text that it becomes.
fn distributed_map_full() -> DistributedMap {
    let bucket = Bucket::new("Bucket");
    DistributedMap::new("M")
        .label("lbl")
        .map_execution_type(ExecutionType::Express)
        .max_concurrency_path("$.mc")
        .tolerated_failure_percentage(34)
        .tolerated_failure_count(2)
        .item_batcher(
            ItemBatcher::new()
                .max_items_per_batch(10)
                .max_input_bytes_per_batch(20)
                .batch_input(object! {"k": "$.k"}),
        )
        .item_reader(ItemReader::objects(&bucket).prefix("p"))
        .result_writer(ResultWriter::to_bucket(&bucket).prefix("out"))
        .result_selector(object! {"x": value_at("$.y")})
        .result_path("$.r")
        .item_processor(Pass::new("P"))
}

fn parallel_full() -> Parallel {
    Parallel::new("P")
        .comment("c")
        .input_path("$.in")
        .parameters(object! {"a": string_at("$.a"), "b": 1})
        .result_selector(object! {"first": value_at("$[0]")})
        .result_path("$.out")
        .output_path("$.out")
        .state_name("Named Parallel")
        .branch(Pass::new("A").next(Pass::new("A2")))
        .branch(Wait::new("W", seconds(1)))
        .retry(
            Retry::on(["States.Timeout", "Custom"])
                .max_attempts(1)
                .max_delay(seconds(5))
                .jitter(Jitter::Full)
                .interval(seconds(2))
                .backoff_rate(1.5),
        )
        .retry(Retry::all())
        .catch_with(Catch::on(["Custom"]).result_path("$.e"), Pass::new("H1"))
        .catch_with(Catch::all().result_path(DISCARD), Pass::new("H2"))
}

fn fragments() -> Chain {
    let fragment = |id: &str| {
        let choice = Choice::new("Choice")
            .when("$.branch == 'left'", Pass::new("Left Branch"))
            .when("$.branch == 'right'", Pass::new("Right Branch"));
        Fragment::new(id, choice.afterwards())
    };
    fragment("A")
        .to_single_state_with("Single", "PFX/")
        .comment("cc")
        .input_path("$.i")
        .output_path("$[0]")
        .result_path("$.r")
        .next(fragment("B").prefix_states_with("B > "))
        .next(fragment("D").to_single_state())
}

fn catch_and_retry() -> Chain {
    let bad = Pass::new("H").next(Fail::new("Bad"));
    LambdaInvoke::new("T", function("F"))
        .retry(
            Retry::on([errors::TIMEOUT, errors::TASKS_FAILED])
                .interval(seconds(1))
                .max_attempts(0)
                .backoff_rate(2.0)
                .max_delay(seconds(60))
                .jitter(Jitter::None),
        )
        .catch_with(
            Catch::on([errors::PERMISSIONS, errors::HEARTBEAT_TIMEOUT])
                .result_path("$.error")
                .assign(object! {"e": string_at("$.Error")}),
            bad,
        )
        .catch(go_to("H"))
        .next(Succeed::new("Done"))
}

fn job_poller(retry: bool) -> StateMachine {
    let (submit, check) = (function("SubmitLambda"), function("CheckLambda"));
    let invoke = |id: &str, function: &Function| {
        LambdaInvoke::new(id, function).payload_response_only().retry_on_service_exceptions(retry)
    };
    let failed =
        Fail::new("Job Failed").cause("AWS Batch Job Failed").error("DescribeJob returned FAILED");
    let last = invoke("Get Final Job Status", &check).input_path("$.guid");
    let definition = invoke("Submit Job", &submit)
        .result_path("$.guid")
        .next(Wait::new("Wait X Seconds", WaitTime::seconds_path("$.wait_time")))
        .next(invoke("Get Job Status", &check).input_path("$.guid").result_path("$.status"))
        .next(
            Choice::new("Job Complete?")
                .when("$.status == 'FAILED'", failed)
                .when("$.status == 'SUCCEEDED'", last)
                .otherwise(go_to("Wait X Seconds")),
        );
    StateMachine::new("StateMachine", definition).timeout(minutes(5))
}
