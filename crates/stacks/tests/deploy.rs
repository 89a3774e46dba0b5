//! Templates are deployed into services that are in memory.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use stepwright_asl::Template;
use stepwright_aws::codec::Message;
use stepwright_aws::table;
use stepwright_engine::SystemClock;
use stepwright_functions::Place;
use stepwright_json::{Json, json};
use stepwright_services::{Caller, Services};
use stepwright_stacks::{Deployed, Setup, Stack};
use stepwright_store::{Memory, Store};
use tempfile::TempDir;

struct Here {
    folder: TempDir,
    services: Services,
}

impl Here {
    fn new() -> Self {
        Self::over(Arc::new(Memory::new()))
    }

    fn over(store: Arc<dyn Store>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = OnceLock::from("http://127.0.0.1:8083".to_owned());
        let services = Services::new(&stepwright_services::Setup {
            store,
            clock: Arc::new(SystemClock),
            account: "123456789012".to_owned(),
            region: "eu-west-1".to_owned(),
            buckets: Some(folder.path().join("buckets")),
            key: None,
            jobs: None,
            substitutes: stepwright_services::Substitutes::default(),
            url: Arc::new(url),
            seat: stepwright_services::Seat::default(),
        });
        Self { folder, services }
    }

    fn stack(&self, given: &[(&str, &str)]) -> Stack {
        let place = Place { account: "123456789012".into(), region: "eu-west-1".into() };
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let setup = Setup {
            services: self.services.clone(),
            place,
            folder: self.folder.path().to_owned(),
            inline_code: self.folder.path().join("inline"),
            given: given.collect(),
        };
        Stack::new("shop", setup)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        path
    }

    async fn call(&self, service: &str, operation: &str, input: Json) -> Result<Json, String> {
        let service = table::service(service).expect("a service");
        let operation = service.operation(operation).expect("an operation");
        let caller = Caller::default();
        let answer = self.services.call(service, operation, Message::from(input), &caller).await;
        answer.map(|reply| reply.message.value).map_err(|error| error.code)
    }
}

fn template(text: &str) -> Template {
    let (template, complaints) = Template::read(text.as_bytes(), "template.yaml");
    assert_eq!(complaints, []);
    template.expect("it is a template")
}

fn names(deployed: &Deployed) -> Vec<&str> {
    deployed.done.iter().map(|done| done.logical_id.as_str()).collect()
}

fn left_out(deployed: &Deployed) -> Vec<String> {
    let line = |one: &stepwright_stacks::LeftOut| format!("{}: {}", one.logical_id, one.why);
    deployed.left_out.iter().map(line).collect()
}

const ALL: &str = r#"
AWSTemplateFormatVersion: "2010-09-09"
Parameters:
  Stage: {Type: String, Default: test}
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub "${Stage}-orders"
      VisibilityTimeout: "45"
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3}
      Tags: [{Key: team, Value: shop}]
  Dead: {Type: AWS::SQS::Queue}
  Fifo: {Type: AWS::SQS::Queue, Properties: {FifoQueue: true, ContentBasedDeduplication: true}}
  Policy:
    Type: AWS::SQS::QueuePolicy
    Properties: {Queues: [!Ref Queue], PolicyDocument: {Version: "2012-10-17", Statement: []}}
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      DisplayName: Orders
      KmsMasterKeyId: alias/aws/sns
      Subscription: [{Protocol: sqs, Endpoint: !GetAtt Dead.Arn}]
  Filtered:
    Type: AWS::SNS::Subscription
    Properties:
      TopicArn: !Ref Topic
      Protocol: sqs
      Endpoint: !GetAtt Queue.Arn
      FilterPolicy: {kind: [order]}
      RawMessageDelivery: true
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      NotificationConfiguration: {EventBridgeConfiguration: {EventBridgeEnabled: true}}
      PublicAccessBlockConfiguration: {BlockPublicAcls: true}
      VersioningConfiguration: {Status: Enabled}
      Tags: [{Key: team, Value: shop}]
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions:
        - {AttributeName: id, AttributeType: S}
        - {AttributeName: customer, AttributeType: S}
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      GlobalSecondaryIndexes:
        - IndexName: by-customer
          KeySchema: [{AttributeName: customer, KeyType: HASH}]
          Projection: {ProjectionType: ALL}
      BillingMode: PAY_PER_REQUEST
      TimeToLiveSpecification: {AttributeName: expires, Enabled: true}
      StreamSpecification: {StreamViewType: NEW_IMAGE}
  Simple: {Type: AWS::Serverless::SimpleTable, Properties: {PrimaryKey: {Name: n, Type: Number}}}
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: shop-bus}}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      EventPattern: {source: [shop]}
      Targets: [{Id: queue, Arn: !GetAtt Queue.Arn}, {Id: machine, Arn: !Ref Machine, RoleArn: !GetAtt Role.Arn}]
  Nightly:
    Type: AWS::Scheduler::Schedule
    Properties:
      FlexibleTimeWindow: {Mode: "OFF"}
      ScheduleExpression: rate(1 day)
      Target: {Arn: !GetAtt Machine.Arn, RoleArn: !GetAtt Role.Arn, Input: '{"at": "night"}'}
  Parameter: {Type: AWS::SSM::Parameter, Properties: {Name: /shop/url, Type: String, Value: !Ref Queue}}
  Secret:
    Type: AWS::SecretsManager::Secret
    Properties:
      Name: shop/key
      GenerateSecretString: {SecretStringTemplate: '{"user": "shop"}', GenerateStringKey: password, PasswordLength: 20}
  Cluster: {Type: AWS::ECS::Cluster}
  Import:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Cpu: 256
      ContainerDefinitions:
        - {Name: main, Image: python, Essential: true, Command: [python3, import.py], Environment: [{Name: BUCKET, Value: !Ref Bucket}]}
  Environment: {Type: AWS::Batch::ComputeEnvironment, Properties: {Type: MANAGED, ComputeResources: {Type: FARGATE, MaxvCpus: 4}}}
  Jobs:
    Type: AWS::Batch::JobQueue
    Properties: {Priority: 1, ComputeEnvironmentOrder: [{Order: 1, ComputeEnvironment: !Ref Environment}]}
  Job:
    Type: AWS::Batch::JobDefinition
    Properties:
      Type: container
      ContainerProperties: {Image: python, Command: [python3, job.py], ResourceRequirements: [{Type: VCPU, Value: 1}, {Type: MEMORY, Value: 512}]}
      Timeout: {AttemptDurationSeconds: 120}
  Role: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {}}}
  Logs: {Type: AWS::Logs::LogGroup}
  Waiting: {Type: AWS::StepFunctions::Activity, Properties: {Name: approval}}
  Machine: {Type: AWS::StepFunctions::StateMachine, Properties: {StateMachineName: order, DefinitionString: "{}"}}
  Version: {Type: AWS::StepFunctions::StateMachineVersion, Properties: {StateMachineArn: !Ref Machine}}
  Live:
    Type: AWS::StepFunctions::StateMachineAlias
    Properties: {Name: live, RoutingConfiguration: [{StateMachineVersionArn: !Ref Version, Weight: 100}]}
  Api: {Type: AWS::ApiGateway::RestApi}
"#;

#[tokio::test]
async fn everything_is_made_and_known_by_ref_and_getatt() {
    let here = Here::new();
    let mut stack = here.stack(&[]);
    let deployed = stack.deploy(&template(ALL)).await;
    let mut left = left_out(&deployed);
    left.sort();
    assert_eq!(
        left,
        [
            "Api: this type is not served here",
            "Bucket: its property `VersioningConfiguration` is not served here",
            "Table: its property `StreamSpecification` is not served here",
        ]
    );
    let unneeded: Vec<(&str, usize)> =
        deployed.unneeded.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    assert_eq!(unneeded, [("AWS::IAM::Role", 1), ("AWS::Logs::LogGroup", 1)]);
    assert_eq!(deployed.activities, ["approval"]);
    let arn = "arn:aws:states:eu-west-1:123456789012:stateMachine:order";
    assert_eq!(deployed.aliases[0].state_machine, arn);
    let value = |name: &str| deployed.values.get(name).map_or("", String::as_str);
    assert_eq!(value("Queue"), "http://127.0.0.1:8083/123456789012/test-orders");
    assert_eq!(value("Queue.Arn"), "arn:aws:sqs:eu-west-1:123456789012:test-orders");
    assert_eq!(value("Fifo.QueueName"), "Fifo.fifo");
    assert_eq!(value("Bucket"), "shop-bucket");
    assert_eq!(value("Table.Arn"), "arn:aws:dynamodb:eu-west-1:123456789012:table/Table");
    assert_eq!(value("Rule"), "shop-bus|Rule");
    assert_eq!(value("Machine"), arn);
    assert_eq!(value("Live"), format!("{arn}:live"));
    assert_eq!(value("Import"), "arn:aws:ecs:eu-west-1:123456789012:task-definition/Import:1");
    assert_eq!(value("Job"), "arn:aws:batch:eu-west-1:123456789012:job-definition/Job:1");
    assert_eq!(value("Role.Arn"), "arn:aws:iam::123456789012:role/Role");

    // It is all there.
    let url = value("Queue");
    let asked = json!({"QueueUrl": url, "AttributeNames": ["All"]});
    let attributes = here.call("sqs", "GetQueueAttributes", asked).await.expect("it is there");
    let attribute =
        |name: &str| attributes.get("Attributes").and_then(|all| all.get(name)).cloned();
    assert_eq!(attribute("VisibilityTimeout"), Some("45".into()));
    let redrive = attribute("RedrivePolicy").expect("it has one");
    assert!(redrive.as_str().is_some_and(|text| text.contains(":Dead\"")), "{redrive}");
    assert!(attribute("Policy").is_some());
    let topic = value("Topic");
    let listed = here.call("sns", "ListSubscriptionsByTopic", json!({"TopicArn": topic})).await;
    let listed = listed.expect("it is there");
    assert_eq!(listed.get("Subscriptions").and_then(Json::as_array).map(|all| all.len()), Some(2));
    let listed = here.call(
        "eventbridge",
        "ListTargetsByRule",
        json!({"Rule": "Rule", "EventBusName": "shop-bus"}),
    );
    let targets = listed.await.expect("it is there");
    let target =
        targets.get("Targets").and_then(|all| all.as_array()?.first()?.get("Arn").cloned());
    assert_eq!(target, Some(arn.into()));
    let rule = here.call("eventbridge", "DescribeRule", json!({"Name": "Nightly"})).await;
    assert_eq!(rule.expect("it is there").get("ScheduleExpression"), Some(&"rate(1 day)".into()));
    let ttl = here.call("dynamodb", "DescribeTimeToLive", json!({"TableName": "Table"})).await;
    let ttl = ttl.expect("it is there");
    let ttl = ttl.get("TimeToLiveDescription").and_then(|all| all.get("TimeToLiveStatus").cloned());
    assert_eq!(ttl, Some("ENABLED".into()));
    let parameter = here.call("ssm", "GetParameter", json!({"Name": "/shop/url"})).await;
    let parameter = parameter.expect("it is there");
    let parameter = parameter.get("Parameter").and_then(|one| one.get("Value").cloned());
    assert_eq!(parameter, Some(url.into()));
    let secret =
        here.call("secretsmanager", "GetSecretValue", json!({"SecretId": "shop/key"})).await;
    let secret = secret.expect("it is there").get("SecretString").cloned().expect("it has one");
    let secret = stepwright_json::parse(secret.as_str().expect("text")).expect("JSON");
    assert_eq!(secret.get("user"), Some(&"shop".into()));
    assert_eq!(secret.get("password").and_then(Json::as_str).map(str::len), Some(20));
    let job = json!({"jobName": "j", "jobQueue": "Jobs", "jobDefinition": "Job"});
    here.call("batch", "SubmitJob", job).await.expect("it can be submitted");

    // The same template changes nothing.
    let again = stack.deploy(&template(ALL)).await;
    assert_eq!(names(&again), Vec::<&str>::new());
    assert_eq!(again.values, deployed.values);
    // What is declared otherwise is changed, and nothing else.
    let changed = ALL
        .replace("VisibilityTimeout: \"45\"", "VisibilityTimeout: 50")
        .replace("DisplayName: Orders", "DisplayName: Parcels")
        .replace("[python3, import.py]", "[python3, other.py]")
        .replace("  Api: {Type: AWS::ApiGateway::RestApi}\n", "");
    let third = stack.deploy(&template(&changed)).await;
    let mut updated = names(&third);
    updated.sort_unstable();
    assert_eq!(updated, ["Import", "Queue", "Topic"]);
    assert!(third.done.iter().all(|done| done.is_update));
    let import = third.values.get("Import").map_or("", String::as_str);
    assert!(import.ends_with("task-definition/Import:2"), "{import}");
}

#[tokio::test]
async fn a_later_server_knows_what_was_made() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let text = r"
Resources:
  Job:
    Type: AWS::Batch::JobDefinition
    Properties: {Type: container, ContainerProperties: {Image: a, Command: [a], Vcpus: 1, Memory: 128}}
  Url: {Type: AWS::SSM::Parameter, Properties: {Name: /url, Type: String, Value: first}}
";
    let first = Here::over(store.clone());
    assert_eq!(names(&first.stack(&[]).deploy(&template(text)).await), ["Job", "Url"]);
    // Whoever has changed a value by hand keeps it.
    let put = json!({"Name": "/url", "Value": "by hand", "Overwrite": true});
    first.call("ssm", "PutParameter", put).await.expect("it is there");

    let second = Here::over(store);
    let mut stack = second.stack(&[]);
    let deployed = stack.deploy(&template(text)).await;
    assert_eq!(names(&deployed), Vec::<&str>::new());
    assert!(deployed.values["Job"].ends_with("/Job:1"), "{}", deployed.values["Job"]);
    let value = async || {
        let found = second.call("ssm", "GetParameter", json!({"Name": "/url"})).await;
        found.expect("it is there").get("Parameter").and_then(|one| one.get("Value").cloned())
    };
    assert_eq!(value().await, Some("by hand".into()));
    let deployed = stack.deploy(&template(&text.replace("first", "second"))).await;
    assert_eq!(names(&deployed), ["Url"]);
    assert_eq!(value().await, Some("second".into()));
    // What is gone from the template stays.
    let only = text.split("  Url").next().expect("it has one");
    let deployed = stack.deploy(&template(only)).await;
    assert_eq!(deployed.gone, ["Url"]);
    assert_eq!(value().await, Some("second".into()));
}

#[tokio::test]
async fn functions_have_what_the_template_says() {
    let here = Here::new();
    here.write("src/app.py", "def handler(event, context): return event\n");
    here.write("layers/common/python/common.py", "");
    here.write("asset.1/index.js", "");
    let text = r#"
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.12, Timeout: 7, Environment: {Variables: {STAGE: test, LEVEL: info}}}
Resources:
  Common: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layers/common}}
  Queue: {Type: AWS::SQS::Queue}
  Plain:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: plain
      CodeUri: src
      Handler: app.handler
      MemorySize: 256
      ReservedConcurrentExecutions: 2
      Layers: [!Ref Common, "arn:aws:lambda:eu-west-1:1:layer:other:3"]
      Environment: {Variables: {QUEUE: !Ref Queue, LEVEL: debug}}
      Events:
        Nightly: {Type: Schedule, Properties: {Schedule: rate(1 day), Input: '{"a": 1}'}}
        Web: {Type: Api, Properties: {Path: /, Method: get}}
  Inline:
    Type: AWS::Lambda::Function
    Properties: {Runtime: nodejs20.x, Handler: index.handler, Code: {ZipFile: "exports.handler = async () => 1"}}
  OfTheCdk:
    Type: AWS::Lambda::Function
    Properties: {Runtime: nodejs20.x, Handler: index.handler, Code: {S3Bucket: b, S3Key: k}}
    Metadata: {"aws:asset:path": asset.1}
  Java: {Type: AWS::Serverless::Function, Properties: {Runtime: java21, Handler: a.B, CodeUri: src}}
  Image: {Type: AWS::Serverless::Function, Properties: {PackageType: Image}}
  Missing: {Type: AWS::Serverless::Function, Properties: {CodeUri: nowhere, Handler: a.b}}
  LogRetention123: {Type: AWS::Lambda::Function, Properties: {Runtime: nodejs20.x, Code: {S3Bucket: b}}}
  Typed:
    Type: AWS::Serverless::Function
    Properties: {Runtime: nodejs20.x, Handler: a.b, CodeUri: src}
    Metadata: {BuildMethod: esbuild}
"#;
    let deployed = here.stack(&[]).deploy(&template(text)).await;
    let found: Vec<&String> = deployed.functions.keys().collect();
    assert_eq!(found, ["Inline", "OfTheCdk", "plain"]);
    let plain = &deployed.functions["plain"];
    let folder = here.folder.path();
    assert_eq!(plain.code.as_deref(), folder.join("src").to_str());
    assert_eq!(plain.layers, [folder.join("layers/common").display().to_string()]);
    assert_eq!((plain.timeout, plain.memory, plain.concurrency), (Some(7.0), Some(256), Some(2)));
    let environment: BTreeMap<&str, &str> =
        plain.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let wanted = [
        ("LEVEL", "debug"),
        ("QUEUE", "http://127.0.0.1:8083/123456789012/Queue"),
        ("STAGE", "test"),
    ];
    assert_eq!(environment, BTreeMap::from(wanted));
    let inline = deployed.functions["Inline"].code.clone().expect("it has code");
    let text = std::fs::read_to_string(PathBuf::from(inline).join("index.js")).expect("a file");
    assert_eq!(text, "exports.handler = async () => 1");
    assert_eq!(deployed.functions["OfTheCdk"].code.as_deref(), folder.join("asset.1").to_str());
    let listed =
        here.call("eventbridge", "ListTargetsByRule", json!({"Rule": "PlainNightly"})).await;
    let listed = listed.expect("it is there");
    let target = listed.get("Targets").and_then(|all| all.as_array()?.first()?.get("Arn").cloned());
    assert_eq!(target, Some("arn:aws:lambda:eu-west-1:123456789012:function:plain".into()));
    let left_out = left_out(&deployed).join("\n");
    for part in [
        "Plain: its layer `arn:aws:lambda:eu-west-1:1:layer:other:3` is not on this machine",
        "PlainWeb: this type is not served here",
        "Java: functions of the runtime `java21` are not run; [functions.\"Java\"]",
        "Image: its code is an image",
        "Missing: there is no ",
        "Typed: it is built by esbuild",
    ] {
        assert!(left_out.contains(part), "{part}\n{left_out}");
    }
    assert_eq!(deployed.left_out.len(), 6, "{left_out}");
}

#[tokio::test]
async fn what_cannot_be_made_is_said_and_holds_up_nothing_else() {
    let here = Here::new();
    let text = r#"
Parameters:
  Needed: {Type: String}
  Stored: {Type: "AWS::SSM::Parameter::Value<String>", Default: /shop/stage}
Resources:
  Bad: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 999999}}
  After: {Type: AWS::SQS::Queue, DependsOn: Bad}
  One: {Type: AWS::SNS::Topic, Properties: {DisplayName: !GetAtt Two.TopicName}}
  Two: {Type: AWS::SNS::Topic, Properties: {DisplayName: !GetAtt One.TopicName}}
  Named: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "${Stored}-q"}}
  Secret: {Type: AWS::SSM::Parameter, Properties: {Name: /k, Type: String, Value: "{{resolve:secretsmanager:api:SecretString:key}}"}}
  Lost: {Type: AWS::SSM::Parameter, Properties: {Name: /l, Type: String, Value: "{{resolve:ssm:/nowhere}}"}}
  Priv: {Type: AWS::ECS::TaskDefinition, Properties: {ContainerDefinitions: [{Name: a, Image: b, Command: [c], Privileged: true}]}}
"#;
    let put = json!({"Name": "/shop/stage", "Value": "prod", "Type": "String"});
    here.call("ssm", "PutParameter", put).await.expect("it can be made");
    let secret = json!({"Name": "api", "SecretString": "{\"key\": \"k-1\"}"});
    here.call("secretsmanager", "CreateSecret", secret).await.expect("it can be made");
    let deployed = here.stack(&[]).deploy(&template(text)).await;
    let mut made = names(&deployed);
    made.sort_unstable();
    assert_eq!(made, ["After", "Named", "Secret"]);
    assert_eq!(deployed.values["Named.QueueName"], "prod-q");
    let found = here.call("ssm", "GetParameter", json!({"Name": "/k"})).await.expect("it is there");
    assert_eq!(found.get("Parameter").and_then(|one| one.get("Value")), Some(&"k-1".into()));
    let left_out = left_out(&deployed).join("\n");
    for part in [
        "Needed: it has no value: give it one with `--set Needed=…`",
        "Bad: ",
        "One: it waits for Two.TopicName",
        "Two: it waits for One.TopicName",
        "Lost: there is no parameter `/nowhere` here",
        "Priv: ",
    ] {
        assert!(left_out.contains(part), "{part}\n{left_out}");
    }
    assert_eq!(deployed.left_out.len(), 6, "{left_out}");
}
