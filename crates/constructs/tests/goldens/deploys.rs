//! A template has everything that its states use, or an error names what is missing.

use stepwright_constructs::prelude::*;
use stepwright_constructs::{Principal, RemovalPolicy};
use stepwright_json::Json;

#[track_caller]
fn resources_of(template: &Template, kind: &str) -> Vec<Json> {
    let json = template.to_json();
    let resources = json.get("Resources").and_then(Json::as_object).cloned().unwrap_or_default();
    let of_kind = |(_, resource): (_, &Json)| {
        (resource.get("Type").and_then(Json::as_str) == Some(kind)).then(|| resource.clone())
    };
    resources.iter().filter_map(of_kind).collect()
}

#[track_caller]
fn template(definition: impl Chainable) -> Template {
    StateMachine::new("Machine", definition).template().unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn refused(stack: &Stack, subject: &str, message: &str) {
    let Err(misuses) = stack.template() else { panic!("it is refused: {message}") };
    let found =
        misuses.0.iter().any(|one| one.subject.contains(subject) && one.message.contains(message));
    assert!(found, "`{subject}`: {message}\nnot in\n{misuses}");
}

#[test]
fn whatever_a_state_uses_is_in_the_template() {
    let (topic, table) = (Topic::new("News"), Table::new("Orders", "Id"));
    let (bucket, queue) = (Bucket::new("Files"), Queue::new("Jobs"));
    let function = Function::new("Work", Code::inline("exports.handler = async (e) => e;"))
        .environment("TOPIC", topic.arn());
    let chain = LambdaInvoke::new("Work", &function)
        .payload(object! {"table": table.name(), "queue": queue.url()})
        .next(CallAwsService::new("Call", "s3", "listBuckets", [bucket.arn()]))
        .next(Pass::new("Tell").parameters(object! {
            "message": format_text("{} in {}", [value!(string_at("$.id")), value!(bucket.name())]),
        }));
    let template = template(chain);
    for kind in [
        "AWS::SNS::Topic",
        "AWS::DynamoDB::Table",
        "AWS::S3::Bucket",
        "AWS::SQS::Queue",
        "AWS::Lambda::Function",
    ] {
        assert_eq!(resources_of(&template, kind).len(), 1, "{kind}");
    }
    // Within an intrinsic function, the name is filled in as well.
    let machine = &resources_of(&template, "AWS::StepFunctions::StateMachine")[0].to_string();
    assert!(!machine.contains("${Files"), "{machine}");
}

#[test]
fn tasks_of_sagemaker_athena_and_ecs_bring_what_they_use() {
    let data = Bucket::new("Data");
    let train = SageMakerCreateTrainingJob::new(
        "Train",
        "job",
        TrainingAlgorithm::named("BlazingText"),
        TrainingOutput::new(S3Location::from_bucket(Bucket::new("Models"), "out")),
    )
    .input_data_config([Channel::new("train", S3Location::from_bucket(&data, "in"))]);
    let query = AthenaStartQueryExecution::new("Query", "SELECT 1")
        .output_location(Bucket::new("Results").name(), "folder");
    let run = EcsRunTask::new(
        "Run",
        Cluster::new("Cluster"),
        EcsTaskDefinition::new(TaskDefinition::parameter("TaskDefinition"))
            .task_role(Role::new("TaskRole", "ecs-tasks.amazonaws.com")),
        LaunchTarget::ec2(),
    );
    let template = template(train.next(query).next(run));
    assert_eq!(resources_of(&template, "AWS::S3::Bucket").len(), 3);
    assert_eq!(resources_of(&template, "AWS::ECS::Cluster").len(), 1);
    assert!(template.resource("TaskRole30FC0FBB").is_some());
}

#[test]
fn what_nothing_defines_is_named() {
    let pass = Pass::new("P").result(object! {"id": Token::reference("Subnt")});
    let subnet = Resource::new("Subnet", "AWS::EC2::Subnet", object! {"VpcId": "vpc-1"});
    let stack = Stack::new().machine(StateMachine::new("Machine", pass)).resource(subnet.clone());
    refused(&stack, "Subnt", "did you mean `Subnet`?");
    let pass = Pass::new("P").result(object! {"id": subnet.reference()});
    assert!(template(pass).resource("Subnet").is_some());
    let one = Resource::new("A", "AWS::SNS::Topic", object! {"TopicName": Token::reference("B")});
    let two = Resource::new("B", "AWS::SNS::Topic", object! {"TopicName": Token::reference("A")});
    refused(&Stack::new().resource(one).resource(two), "A", "wait for each other");
    let twice = LambdaInvoke::new("A", Function::new("F", Code::inline("1")))
        .next(LambdaInvoke::new("B", Function::new("F", Code::inline("2"))));
    refused(
        &Stack::new().machine(StateMachine::new("M", twice)),
        "F",
        "two different resources of the type",
    );
}

#[test]
fn machines_start_each_other_and_themselves() {
    let child = StateMachine::new("Child", Pass::new("P"));
    let named = Pass::new("Name").result(object! {"child": child.arn()});
    assert_eq!(resources_of(&template(named), "AWS::StepFunctions::StateMachine").len(), 2);
    // A machine with permissions on itself.
    let machine = StateMachine::new("Self", Pass::new("P"));
    let stop = Statement::allow(["states:StopExecution"], [machine.arn()]);
    let template = machine.allow(stop).template().expect("it is one machine");
    assert_eq!(resources_of(&template, "AWS::StepFunctions::StateMachine").len(), 1);
}

#[test]
fn grants_are_those_of_the_cdk() {
    let machine = StateMachine::new("Orders", Pass::new("P"));
    let known = StateMachine::from_name("other");
    let function = Function::new("Starter", Code::inline("exports.handler = async () => {};"))
        .environment("MACHINE", machine.arn());
    let role = Role::from_name("operators");
    let stack = Stack::new()
        .machine(machine.clone())
        .function(&function)
        .grant(machine.grant_start_execution(&function))
        .grant(machine.grant_start_sync_execution(&function))
        .grant(machine.grant_read(&role))
        .grant(machine.grant_task_response(&role))
        .grant(machine.grant_redrive_execution(&role))
        .grant(known.grant_execution(&role, ["states:StopExecution"]))
        .grant(known.grant(&role, ["states:DescribeStateMachine"]));
    let text = stack.template().expect("nothing is misused").to_json().to_string();
    for part in [
        "\"states:StartExecution\"",
        "\"states:StartSyncExecution\"",
        "[\"states:ListExecutions\",\"states:ListStateMachines\"]",
        "[\"states:SendTaskSuccess\",\"states:SendTaskFailure\",\"states:SendTaskHeartbeat\"]",
        "\"states:RedriveExecution\"",
        ":execution:other:*",
        "\"Roles\":[\"operators\"]",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let nobody = machine.grant_read(Function::from_name("known"));
    refused(&Stack::new().machine(machine).grant(nobody), "known", "its role is not known");
}

#[test]
fn a_role_that_exists_gets_the_policy_that_is_told() {
    let start = StepFunctionsStartExecution::new("Start", StateMachine::from_name("other"));
    let machine =
        StateMachine::new("Machine", start).role(Role::from_arn("arn:aws:iam::1:role/a/known"));
    let template = machine.template().expect("nothing is misused");
    let policies = resources_of(&template, "AWS::IAM::Policy");
    let properties = policies[0].get("Properties").expect("properties");
    assert_eq!(properties.get("Roles").unwrap().to_string(), "[\"known\"]");
    let told = machine.policy().expect("nothing is misused");
    let written = properties.get("PolicyDocument").and_then(|it| it.get("Statement"));
    assert_eq!(written.and_then(Json::as_array).map(|all| all.len()), Some(told.len()));
    let alone = Role::from_name("known").without_policy_updates();
    let machine = machine.role(alone);
    let template = machine.template().expect("nothing is misused");
    assert!(resources_of(&template, "AWS::IAM::Policy").is_empty());
    assert_eq!(machine.policy().expect("nothing is misused"), told);
}

#[test]
fn removal_is_as_said() {
    let group = LogGroup::new("Logs").retention_days(7).removal_policy(RemovalPolicy::Destroy);
    let machine = StateMachine::new("Machine", Pass::new("P"))
        .logs(LogOptions::new(&group).level(LogLevel::All).include_execution_data(true))
        .removal_policy(RemovalPolicy::RetainOnUpdateOrDelete);
    let template = machine.template().expect("nothing is misused");
    let deletion = |kind: &str| {
        let policy = resources_of(&template, kind)[0].get("DeletionPolicy").cloned();
        policy.expect("there is one").as_str().expect("text").to_owned()
    };
    assert_eq!(deletion("AWS::Logs::LogGroup"), "Delete");
    assert_eq!(deletion("AWS::StepFunctions::StateMachine"), "RetainExceptOnCreate");
    let queue = SqsSendMessage::new("Send", Queue::new("Queue"), "text");
    let template = StateMachine::new("M", queue).template().expect("nothing is misused");
    let queue = &resources_of(&template, "AWS::SQS::Queue")[0];
    assert_eq!(queue.get("DeletionPolicy").and_then(Json::as_str), Some("Delete"));
    let log = LogGroup::new("Logs");
    let template = StateMachine::new("M", Pass::new("P")).logs(LogOptions::new(log)).template();
    let logs = &resources_of(&template.expect("nothing is misused"), "AWS::Logs::LogGroup")[0];
    assert!(logs.to_string().contains("\"RetentionInDays\":731"), "{logs}");
}

#[test]
fn logs_can_be_off() {
    let machine = StateMachine::new("M", Pass::new("P")).logs(LogOptions::off());
    let template = machine.template().expect("nothing is misused").to_json().to_string();
    assert!(template.contains("\"LoggingConfiguration\":{\"Level\":\"OFF\"}"), "{template}");
    assert!(machine.policy().expect("nothing is misused").is_empty());
    refused(
        &Stack::new().machine(machine.logs(LogOptions::off().level(LogLevel::All))),
        "M",
        "requires a log group",
    );
}

#[test]
fn settings_without_effect_are_refused() {
    let stack = |function: Function| {
        Stack::new().machine(StateMachine::new("M", LambdaInvoke::new("L", function)))
    };
    let known = Function::from_name("known").timeout(seconds(3)).environment("A", "b");
    refused(&stack(known), "known", "`timeout`, `environment` has no effect");
    let odd = Function::new("Odd", Code::inline("1")).environment("A", "b").memory(64);
    refused(&stack(odd), "Odd", "`A` has to have two or more letters");
    let own = Function::new("Own", Code::inline("1")).environment("AWS_REGION", "b");
    refused(&stack(own), "Own", "one of Lambda's own");
    let logs = LogGroup::from_name("/known").retention_days(30);
    let machine = StateMachine::new("M", Pass::new("P")).logs(LogOptions::new(logs));
    refused(&Stack::new().machine(machine), "/known", "`retention_days` has no effect");
    let logs = LogGroup::new("Logs").retention_days(31);
    let machine = StateMachine::new("M", Pass::new("P")).logs(LogOptions::new(logs));
    refused(&Stack::new().machine(machine), "Logs", "certain numbers of days");
    let known = Role::from_name("known").managed_policy("ReadOnlyAccess");
    refused(
        &Stack::new().machine(StateMachine::new("M", Pass::new("P")).role(known)),
        "known",
        "`managed_policy` has no effect",
    );
    let kept = Topic::from_name("known").removal_policy(RemovalPolicy::Retain);
    refused(
        &Stack::new().machine(StateMachine::new("M", SnsPublish::new("S", kept, "text"))),
        "known",
        "`removal_policy` has no effect",
    );
}

#[test]
fn principals_are_services_and_accounts() {
    let role = Role::new("Deployer", Principal::account_root())
        .also_assumed_by("lambda.amazonaws.com")
        .allow(Statement::allow(["s3:ListAllMyBuckets"], ["*"]));
    let text = Stack::new().role(&role).template().expect("it is fine").to_json().to_string();
    assert!(text.contains(":iam::\",{\"Ref\":\"AWS::AccountId\"},\":root\""), "{text}");
    assert!(text.contains("{\"Service\":\"lambda.amazonaws.com\"}"), "{text}");
    assert!(text.contains("DeployerDefaultPolicy"), "{text}");
}

#[test]
fn paths_are_paths_wherever_a_place_is_computed() {
    let role = Role::at("$.RoleArn");
    let train = SageMakerCreateTrainingJob::new(
        "Train",
        "job",
        TrainingAlgorithm::named("A"),
        TrainingOutput::new(S3Location::at("s3://bucket/out")),
    )
    .input_data_config([Channel::new("train", S3Location::at("$.input")).shuffle_seed(7)])
    .role(role);
    let asl = StateMachine::new("M", train).asl().expect("nothing is misused").to_string();
    for part in [
        "\"RoleArn.$\":\"$.RoleArn\"",
        "\"S3Uri.$\":\"$.input\"",
        "\"S3OutputPath\":\"s3://",
        "\"ShuffleConfig\":{\"Seed\":7}",
    ] {
        assert!(asl.contains(part), "{part}\n{asl}");
    }
    let map = DistributedMap::new("Map")
        .item_reader(ItemReader::file_of_bucket_at(InputType::Csv, "$.bucket", string_at("$.key")))
        .item_processor(Pass::new("P"));
    let asl = StateMachine::new("M", map).asl().expect("nothing is misused").to_string();
    assert!(asl.contains("\"Bucket.$\":\"$.bucket\""), "{asl}");
}

/// A misused machine that others refer to is reported for its misuse alone.
#[test]
fn a_misuse_is_reported_once() {
    let machine = StateMachine::new("M", Pass::new("Put").result_path("nowhere"));
    let alarm = Alarm::new("Failing", machine.metric_failed(), 1, 2);
    let misuses =
        Stack::new().machine(machine).alarm(&alarm).template().expect_err("it is misused");
    let said: Vec<String> = misuses.0.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("Put"), "{said:?}");
}
