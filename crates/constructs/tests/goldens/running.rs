//! The machines of the AIBS fragments run: every example, and those that differ from the library.

use crate::aibs::{self, env};
use stepwright_constructs::fragments::*;
use stepwright_constructs::prelude::*;
use stepwright_json::{Json, json};
use stepwright_simulator::{Answer, Call, Simulation, Status};

/// What a task of an example answers: everything that any of them is asked for.
fn answer(call: &Call<'_>) -> Answer {
    let file_systems = json!([{"source": "a", "destination": "b"}]);
    Answer::returns(json!({
        "Bucket": "b", "Key": "k", "Body": "{\"requests\": [{\"a\": 1}]}",
        "JobDefinitionArn": "arn:aws:batch:us-east-1:1:job-definition/d:1",
        "JobDefinitionName": "d", "Revision": 1, "JobName": "n", "JobId": "i", "JobArn": "a",
        "Payload": {"answered": (call.call.resource.to_string())},
        "Output": {
            "demand_execution": {"execution_metadata": {"tags": {}}},
            "setup_configs": {
                "batch_create_request": {"a": 1},
                "data_sync_requests": (file_systems.clone()),
            },
            "cleanup_configs": {
                "data_sync_requests": (file_systems.clone()),
                "remove_data_paths_requests": (file_systems),
            },
            "job_name": "n", "job_definition_arn": "d", "job_queue_arn": "q", "parameters": {},
            "container_overrides": {},
        },
    }))
}

/// An input with what any of the examples reads.
fn input() -> Json {
    json!({
        "image": "i", "handler": "h", "job_queue": "q", "queue": "q", "def": "d", "memory": 1, "vcpus": 1,
        "command": ["c"], "cmd": ["c"], "environment": [], "bucket": "b", "key": "k", "name": "n",
        "payload": {"a": 1}, "data": {"a": 1}, "nested": "text", "body": "text", "foo": "f",
        "msg": "m", "a": "x", "x": "y", "i": {"a": 1}, "in": {"t": {"b": 1}, "a": 1}, "opt": {"b": 2},
        "t": {"b": 1}, "out": {}, "r": {}, "request": {"a": 1}, "execution_metadata": {"user": "u"},
        "key_prefix": "mine/", "gpu": "0", "platform_capabilities": ["EC2"], "job_role_arn": null,
    })
}

#[track_caller]
fn run(machine: &StateMachine, input: Json) -> Json {
    let definition = machine.definition().unwrap_or_else(|misuses| panic!("{misuses}"));
    let program = stepwright_program::compile(&definition).expect("it compiles");
    let run = Simulation::new(&program).input(input).run(&mut answer);
    match run.status {
        Status::Succeeded { output } => output,
        other => panic!("{}: {other:?}\n{}", machine.id(), definition.to_json()),
    }
}

/// Examples that fail when they run, as those of the library do.
const FAILS: &[(&str, &str)] = &[
    (
        "submit-job-fragment-from-defaults-plain",
        "the published library refers to mount points that are not there",
    ),
    ("data-sync-fragment", "the published library refers to mount points that are not there"),
    ("task-with-pre-post-status-full-plain", "the example's augmented data have no `input`"),
];

#[test]
fn every_example_of_the_library() {
    let mut ran = 0;
    for golden in aibs::goldens().into_iter().chain(aibs::where_the_library_fails()) {
        if FAILS.iter().any(|(name, _)| *name == golden.name) {
            continue;
        }
        println!("{}", golden.name);
        run(&golden.machine, input());
        ran += 1;
    }
    println!("{ran} examples ran");
}

#[test]
fn jobs_without_file_systems_run() {
    let sync = DataSyncFragment::new("Sync", env(), "image", "queue", Bucket::from_name("b"));
    run(&sync.to_state_machine("sync"), json!({"source_path": "a"}));
    let defaults = JobDefaults::new("q", "img").command(value!(["c"]));
    let submit = SubmitJobFragment::from_defaults("Submit", env(), "job", defaults);
    run(&submit.to_state_machine("submit"), json!({"memory": 5}));
}

#[track_caller]
fn function() -> BatchInvokedLambdaFunction {
    BatchInvokedLambdaFunction::new("Fn", env(), "my-fn")
        .image("$.image")
        .handler("h")
        .job_queue("q")
        .bucket_name("b")
}

#[test]
fn prefixes_of_keys_may_be_paths() {
    let machine = function().key_prefix("$.key_prefix").to_state_machine("fn");
    let asl = machine.asl().expect("nothing is misused").to_string();
    assert!(asl.contains("States.Format('{}{}/{}/request.json', $.key_prefix,"), "{asl}");
    run(&machine, input());
}

#[test]
fn mount_points_are_those_of_boto() {
    let submit = SubmitJobFragment::new("Submit", env(), "job")
        .job_queue("queue")
        .image("image")
        .mount_points(value!([{"containerPath": "/a", "readOnly": true, "sourceVolume": "v"}]))
        .volumes(value!([{"name": "v", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}]));
    let asl = submit.to_state_machine("s").asl().expect("nothing is misused").to_string();
    for part in [
        "\"ContainerPath\":\"/a\"",
        "\"ReadOnly\":true",
        "\"EfsVolumeConfiguration\":{\"FileSystemId\":",
    ] {
        assert!(asl.contains(part), "{part}\n{asl}");
    }
    let both = function()
        .mount_points(value!([]))
        .mount_point_configs([MountPointConfiguration::from_file_system("fs-1")]);
    let misuses = both.to_state_machine("fn").asl().expect_err("it is refused").to_string();
    assert!(misuses.contains("not both"), "{misuses}");
}

#[test]
fn what_a_fragment_needs_is_named() {
    let misuses = BatchInvokedLambdaFunction::new("Fn", env(), "my-fn").image("i");
    let misuses = misuses.to_state_machine("fn").asl().expect_err("it is refused").to_string();
    for name in ["`handler`", "`job_queue`", "`bucket_name`"] {
        assert!(misuses.contains(name), "{misuses}");
    }
    let misuses = DemandExecutionFragment::new("Demand", env()).to_state_machine("d").asl();
    let misuses = misuses.expect_err("it is refused").to_string();
    assert!(
        misuses.contains("`data_sync_state_machine`") && misuses.contains("scratch"),
        "{misuses}"
    );
}

#[test]
fn another_role_keeps_the_permissions() {
    let machine = function().to_state_machine("fn");
    let own = machine.policy().expect("nothing is misused");
    let role = Role::new("Mine", "states.amazonaws.com");
    let given = machine.clone().role(role).policy().expect("nothing is misused");
    assert_eq!(own.len(), given.len());
    assert!(own.iter().all(|statement| given.contains(statement)), "{given:?}");
    let fragment = EnvFragment::new("F", env(), Pass::new("P"))
        .require_managed_policy("arn:aws:iam::1:policy/mine")
        .require_managed_policy("AmazonS3FullAccess");
    let machine = fragment.to_state_machine("f").role(Role::new("Mine", "states.amazonaws.com"));
    let template = machine.template().expect("nothing is misused").to_json().to_string();
    assert!(template.contains("arn:aws:iam::1:policy/mine"), "{template}");
    assert!(template.contains(":iam::aws:policy/AmazonS3FullAccess"), "{template}");
}

#[test]
fn fragments_keep_their_names_when_enclosed() {
    let inner = || Fragment::new("Inner", Pass::new("P"));
    let enclosed = enclosed_chain("Outer", inner(), None, None);
    let asl = StateMachine::new("M", enclosed).asl().expect("nothing is misused").to_string();
    for part in ["\"Inner\":{", "\"Inner: P\"", "\"Outer Enclosure Post\""] {
        assert!(asl.contains(part), "{part}\n{asl}");
    }
    let outer = EnvFragment::new("Outer", env(), inner());
    let asl = StateMachine::new("M", outer.enclose()).asl().expect("nothing is misused");
    assert!(asl.to_string().contains("\"Inner: P\""), "{asl}");
    let fragment = EnvFragment::new("F", env(), Pass::new("P"));
    let single = fragment.clone().to_single_state_with("Named", "").comment("c");
    let asl = StateMachine::new("M", single).asl().expect("nothing is misused").to_string();
    assert!(asl.contains("\"Named\":{") && asl.contains("\"P\":{"), "{asl}");
    let other = fragment.with_definition(Pass::new("Q").next(Pass::new("R")));
    assert_eq!((other.start_state(), other.end_states()), ("Q", vec!["R"]));
    assert_eq!(other.definition().start_id(), "Q");
}

#[test]
fn tasks_with_status_have_their_own_paths() {
    let task = TaskWithPrePostStatus::new("T", env(), Pass::new("Work"))
        .task_name("My Task")
        .raw_task_input_path("$.payload")
        .task_result_path("$.made")
        .task_error_path("$.problem")
        .status_failed(Pass::new("Failed"));
    let machine = task.to_state_machine("t");
    let asl = machine.asl().expect("nothing is misused").to_string();
    for part in ["\"My Task Run\"", "\"input.$\":\"$.payload\"", "\"ResultPath\":\"$.problem\""] {
        assert!(asl.contains(part), "{part}\n{asl}");
    }
    assert_eq!(run(&machine, json!({"payload": {"n": 1}})), json!({"n": 1}));
}

#[test]
fn augmented_data_replace_the_input() {
    let augment = Pass::new("Augment").parameters(object! {
        "input": {"n": number_at("$.input.n"), "more": string_at("$.context.more")},
        "context": object_at("$.context"),
    });
    let task = TaskWithPrePostStatus::new("T", env(), Pass::new("Work"))
        .task_context(object! {"more": "m"})
        .augment_input(augment)
        .post_run(Pass::new("After"));
    let output = run(&task.to_state_machine("t"), json!({"n": 1}));
    assert_eq!(output, json!({"n": 1, "more": "m"}));
}

/// A fragment of a user, which is built when it is used.
struct Notify;

impl LazyLoadStateMachineFragment for Notify {
    fn id(&self) -> String {
        "Notify".into()
    }

    fn env_base(&self) -> EnvBase {
        env()
    }

    fn required_managed_policies(&self) -> Vec<Text> {
        vec!["AmazonSNSReadOnlyAccess".into()]
    }

    fn build_definition(&self) -> Chain {
        SnsPublish::new("Tell", Topic::from_name("t"), "text").into_chain()
    }
}

#[test]
fn fragments_of_users_are_built_when_they_are_used() {
    let template = Notify.to_state_machine("notify").template().expect("nothing is misused");
    assert!(template.to_json().to_string().contains("AmazonSNSReadOnlyAccess"));
    let chain = Pass::new("First").next(Notify.to_single_state()).next(Notify);
    let asl = StateMachine::new("M", chain).asl().expect("nothing is misused").to_string();
    assert!(asl.contains("\"Notify: Tell\"") && asl.contains("\"Tell\""), "{asl}");
}

#[test]
fn tags_of_a_demand_are_merged() {
    let demand = DemandExecutionFragment::new("Demand", env());
    let chain = demand.demand_execution_normalize_tags_chain([("project", "p")]);
    let output =
        run(&StateMachine::new("M", chain), json!({"execution_metadata": {"tags": {"a": "b"}}}));
    let tags = output.get("execution_metadata").and_then(|it| it.get("tags")).expect("tags");
    assert_eq!(*tags, json!({"project": "p", "a": "b"}));
}

#[test]
fn the_tag_of_the_environment_is_on_everything() {
    let machine = create_state_machine(
        &env(),
        "id",
        Some("name"),
        Pass::new("P"),
        Some(create_role("id", &env())),
        None,
    );
    let template = machine.template().expect("nothing is misused").to_json();
    let resources = template.get("Resources").and_then(Json::as_object).expect("resources");
    for (id, resource) in resources
        .iter()
        .filter(|(_, one)| one.get("Type").and_then(Json::as_str) != Some("AWS::IAM::Policy"))
    {
        assert!(resource.to_string().contains("env_base"), "{id}");
    }
    let text = template.to_string();
    assert!(
        text.contains("/states/name") && text.contains("devmarmotdevidstateloggroup"),
        "{text}"
    );
    let plain = create_plain_role("id", &env(), "lambda.amazonaws.com");
    let text = Stack::new().role(&plain).template().expect("it is fine").to_json().to_string();
    assert!(text.contains("lambda.amazonaws.com") && !text.contains("ManagedPolicyArns"), "{text}");
}
