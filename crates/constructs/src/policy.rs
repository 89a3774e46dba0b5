//! Derives the least-privilege policy of a definition from the definition alone, without the
//! constructs that made it.
//!
//! The resources that a state uses are read from its `Resource` and its literal parameters. Where
//! they are known only at run time, any resource is allowed, with a note.

mod athena;
mod services;

pub(crate) use athena::query_permissions;

use crate::iam::{Statement, distinct};
use crate::text::{Text, Token, local_arn, text};
use std::collections::BTreeMap;
use stepwright_json::Json;

/// The permissions that the role of a state machine needs, and notes on what could not be narrowed
/// down.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DerivedPolicy {
    /// The statements, without repetitions.
    pub statements: Vec<Statement>,
    /// What the definition does not show, and in which state.
    pub notes: Vec<Note>,
}

/// A note on something that a definition does not show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The name of the state.
    pub state: String,
    /// What is not known.
    pub message: String,
}

impl DerivedPolicy {
    /// The policy document in readable JSON, with `${Name}` for what is not known.
    pub fn to_json(&self) -> Json {
        crate::iam::document(&self.statements).to_json(crate::QueryLanguage::Jsonata)
    }
}

/// Derives the policy that the role of a state machine with this definition needs.
///
/// `${Name}` in the definition is treated as a placeholder that CloudFormation fills in. `machine`
/// is the ARN of the machine itself, which starts and stops the child executions of distributed
/// Maps.
///
/// ```
/// use stepwright_constructs::policy;
/// use stepwright_json::json;
///
/// let definition = json!({
///     "StartAt": "Tell",
///     "States": {"Tell": {
///         "Type": "Task",
///         "Resource": "arn:aws:states:::sns:publish",
///         "Parameters": {"TopicArn": "arn:aws:sns:us-east-1:123456789012:news", "Message": "Hi"},
///         "End": true,
///     }},
/// });
/// let policy = policy::from_definition(&definition, None);
/// assert_eq!(
///     policy.statements[0].to_json().to_string(),
///     r#"{"Action":"sns:Publish","Effect":"Allow","Resource":"arn:aws:sns:us-east-1:123456789012:news"}"#,
/// );
/// assert_eq!(policy.notes, []);
/// ```
pub fn from_definition(definition: &Json, machine: Option<&Text>) -> DerivedPolicy {
    from_definition_with(definition, machine, &Places::new())
}

/// The values of a definition's placeholders by name: `Worker` for `${Worker}`.
pub type Places = BTreeMap<String, Place>;

/// The value of a placeholder, with further facts where the policy needs more than the text.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// Only this text, for example the ARN of a function or the name of a project.
    Text(Text),
    /// The URL of a queue.
    Queue {
        /// The URL.
        url: Text,
        /// The ARN of the same queue.
        arn: Text,
    },
    /// An ECS task definition.
    TaskDefinition {
        /// The ARN of the task definition.
        arn: Text,
        /// Its family.
        family: Text,
        /// The roles that it names. The state machine must be allowed to pass them to the task.
        roles: Vec<Text>,
    },
    /// A state machine.
    Machine {
        /// Its ARN.
        arn: Text,
        /// Its name.
        name: Text,
    },
}

impl Place {
    /// The text that replaces the placeholder.
    pub fn text(&self) -> &Text {
        match self {
            Self::Text(text) => text,
            Self::Queue { url, .. } => url,
            Self::TaskDefinition { arn, .. } | Self::Machine { arn, .. } => arn,
        }
    }
}

/// Derives the policy of a definition whose placeholders have known values.
///
/// ```
/// use stepwright_constructs::policy::{self, Place, Places};
/// use stepwright_json::json;
///
/// let definition = json!({
///     "StartAt": "Send",
///     "States": {"Send": {
///         "Type": "Task",
///         "Resource": "arn:aws:states:::sqs:sendMessage",
///         "Parameters": {"QueueUrl": "${Orders}", "MessageBody": "Hi"},
///         "End": true,
///     }},
/// });
/// let queue = Place::Queue { url: "https://…".into(), arn: "arn:aws:sqs:eu-west-1:123456789012:orders".into() };
/// let places = Places::from([("Orders".to_owned(), queue)]);
/// let policy = policy::from_definition_with(&definition, None, &places);
/// assert_eq!(policy.notes, []);
/// ```
pub fn from_definition_with(
    definition: &Json,
    machine: Option<&Text>,
    places: &Places,
) -> DerivedPolicy {
    let any = || local_arn("states", "stateMachine:*");
    let mut reader = Reader {
        policy: DerivedPolicy::default(),
        machine: machine.cloned().unwrap_or_else(any),
        places,
        depth: 0,
    };
    reader.scope(definition);
    let mut policy = reader.policy;
    policy.statements = distinct(&policy.statements);
    policy
}

/// The permission to write to log groups. CloudWatch does not accept a narrower one.
pub fn for_logs() -> Statement {
    let actions = [
        "logs:CreateLogDelivery",
        "logs:GetLogDelivery",
        "logs:UpdateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:DescribeResourcePolicies",
        "logs:DescribeLogGroups",
    ];
    Statement::allow(actions, ["*"])
}

/// The deepest nesting of states; AWS accepts far less.
const DEEPEST: usize = 64;

struct Reader<'p> {
    policy: DerivedPolicy,
    machine: Text,
    places: &'p Places,
    depth: usize,
}

impl Reader<'_> {
    fn scope(&mut self, scope: &Json) {
        if self.depth == DEEPEST {
            return;
        }
        self.depth += 1;
        let states = scope.get("States").and_then(Json::as_object).cloned().unwrap_or_default();
        for (name, state) in states.iter() {
            self.state(name, state);
        }
        self.depth -= 1;
    }

    fn state(&mut self, name: &str, state: &Json) {
        match state.get("Type").and_then(Json::as_str) {
            Some("Task") => {
                let mut call =
                    Caller { name, state, places: self.places, policy: &mut self.policy };
                call.allow_resource();
                call.allow_credentials();
            }
            Some("Parallel") => {
                let branches = state.get("Branches").and_then(Json::as_array).cloned();
                for branch in &branches.unwrap_or_default() {
                    self.scope(branch);
                }
            }
            Some("Map") => self.map(name, state),
            _ => {}
        }
    }

    fn map(&mut self, name: &str, state: &Json) {
        for field in ["ItemProcessor", "Iterator"] {
            if let Some(processor) = state.get(field) {
                self.scope(processor);
            }
        }
        let config =
            state.get("ItemProcessor").and_then(|processor| processor.get("ProcessorConfig"));
        let mode = config.and_then(|config| config.get("Mode")).and_then(Json::as_str);
        if mode == Some("DISTRIBUTED") {
            self.map_run(state);
        }
        for field in ["ItemReader", "ResultWriter"] {
            if let Some(part) = state.get(field)
                && part.get("Resource").is_some()
            {
                let places = self.places;
                Caller { name, state: part, places, policy: &mut self.policy }
                    .allow_map_data(field);
            }
        }
    }

    /// Allows the child executions of a distributed Map.
    fn map_run(&mut self, state: &Json) {
        let name = match self.machine.as_literal() {
            Some(arn) => arn.rsplit(':').next().unwrap_or("*").into(),
            None if self.machine.readable().ends_with(":*") => text!("*"),
            None => Token::part(&self.machine, ":", 6).into(),
        };
        let label = state.get("Label").and_then(Json::as_str).unwrap_or("*");
        let executions = |rest: &str| local_arn("states", text!("execution:", name.clone(), rest));
        self.policy.statements.extend([
            Statement::allow(["states:StartExecution"], [&self.machine]),
            Statement::allow(
                ["states:DescribeExecution", "states:StopExecution"],
                [executions(":*")],
            ),
            Statement::allow(["states:RedriveExecution"], [executions(&format!("/{label}:*"))]),
        ]);
    }
}

/// A state that calls a service.
pub(crate) struct Caller<'s> {
    name: &'s str,
    state: &'s Json,
    places: &'s Places,
    policy: &'s mut DerivedPolicy,
}

impl Caller<'_> {
    fn allow<R: Into<Text>>(&mut self, actions: &[&str], resources: impl IntoIterator<Item = R>) {
        self.push(Statement::allow(actions.iter().copied(), resources));
    }

    fn push(&mut self, statement: Statement) {
        self.policy.statements.push(statement);
    }

    fn note(&mut self, message: impl Into<String>) {
        let note = Note { state: self.name.to_owned(), message: message.into() };
        if !self.policy.notes.contains(&note) {
            self.policy.notes.push(note);
        }
    }

    /// A parameter of the call, by its path; `None` if it is missing or computed.
    fn parameter(&self, path: &[&str]) -> Option<Text> {
        let value = self.raw_parameter(path)?;
        crate::value::jsonata_expression(value).is_none().then(|| self.with_places(value))
    }

    pub(super) fn raw_parameter(&self, path: &[&str]) -> Option<&str> {
        let payload = self.state.get("Parameters").or_else(|| self.state.get("Arguments"))?;
        path.iter().try_fold(payload, |value, key| value.get(key))?.as_str()
    }

    /// The value of the placeholder, if a parameter consists of one.
    fn place(&self, path: &[&str]) -> Option<&Place> {
        let name = self.raw_parameter(path)?.strip_prefix("${")?.strip_suffix('}')?;
        self.places.get(name)
    }

    /// Text in which the known placeholders are replaced.
    fn with_places(&self, value: &str) -> Text {
        fill(value, |name| match self.places.get(name) {
            Some(place) => place.text().clone(),
            None => Token::place(name).into(),
        })
    }

    /// A parameter; if it is not known, any value, with a note.
    fn parameter_or_any(&mut self, path: &[&str]) -> Text {
        self.parameter(path).unwrap_or_else(|| {
            let name = path.join(".");
            self.note(format!(
                "`{name}` is only known when the state runs, so any has to be allowed",
            ));
            "*".into()
        })
    }

    fn allow_credentials(&mut self) {
        let Some(credentials) = self.state.get("Credentials") else { return };
        let role = credentials.get("RoleArn").and_then(Json::as_str);
        let known = role.filter(|role| crate::value::jsonata_expression(role).is_none());
        if known.is_none() {
            self.note("the role in `Credentials` is only known when the state runs");
        }
        self.allow(
            &["sts:AssumeRole"],
            [known.map_or_else(|| "*".into(), |role| self.with_places(role))],
        );
    }
}

/// Text in which `${Name}` is a placeholder that CloudFormation fills in.
pub(crate) fn with_places(value: &str) -> Text {
    fill(value, |name| Token::place(name).into())
}

fn fill(value: &str, of_name: impl Fn(&str) -> Text) -> Text {
    let mut text = Text::default();
    let mut rest = value;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else { break };
        let name = &rest[start + 2..start + length];
        let is_name = !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-:".contains(c));
        let end = start + length + 1;
        text = text.and(&rest[..start]);
        text = if is_name { text.and(of_name(name)) } else { text.and(&rest[start..end]) };
        rest = &rest[end..];
    }
    text.and(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    /// Checks the statements for one task whose placeholders have known values.
    fn check(resource: &str, parameters: Json, expected: &[&str]) {
        let definition = json!({
            "StartAt": "Task",
            "States": {"Task": {
                "Type": "Task", "Resource": resource, "Parameters": (parameters), "End": true
            }}
        });
        let text = |text: &str| Place::Text(text.into());
        let places = [
            ("Work", text("arn:aws:lambda:eu-west-1:1:function:work")),
            ("Cluster", text("arn:aws:ecs:eu-west-1:1:cluster/c")),
            (
                "Queue",
                Place::Queue { url: "https://q".into(), arn: "arn:aws:sqs:eu-west-1:1:q".into() },
            ),
            (
                "Label",
                Place::TaskDefinition {
                    arn: "arn:aws:ecs:eu-west-1:1:task-definition/label:7".into(),
                    family: "label".into(),
                    roles: vec!["arn:aws:iam::1:role/task".into()],
                },
            ),
            (
                "Books",
                Place::Machine {
                    arn: "arn:aws:states:eu-west-1:1:stateMachine:books".into(),
                    name: "books".into(),
                },
            ),
        ];
        let places = places.into_iter().map(|(name, place)| (name.to_owned(), place)).collect();
        let policy = from_definition_with(&definition, None, &places);
        assert_eq!(policy.notes, [], "{resource}");
        let said: Vec<String> =
            policy.statements.iter().map(|statement| statement.to_json().to_string()).collect();
        assert_eq!(said, expected, "{resource}");
    }

    /// The statements for a call of an AWS SDK integration, as `ACTION RESOURCE`, and the notes.
    fn of_sdk_call(call: &str, parameters: Json) -> (Vec<String>, Vec<String>) {
        let definition = json!({
            "StartAt": "Task",
            "States": {"Task": {
                "Type": "Task",
                "Resource": (format!("arn:aws:states:::aws-sdk:{call}")),
                "Parameters": (parameters),
                "End": true,
            }}
        });
        let policy = from_definition(&definition, None);
        let said = policy.statements.iter().map(|statement| {
            let statement = statement.to_json();
            let text = |name: &str| statement.get(name).and_then(Json::as_str).unwrap().to_owned();
            format!("{} {}", text("Action"), text("Resource"))
        });
        (said.collect(), policy.notes.into_iter().map(|note| note.message).collect())
    }

    #[test]
    fn jobs_need_to_be_looked_at_and_cancelled() {
        let of = |resource: &str, parameters: Json| {
            let definition = json!({"StartAt": "Task", "States": {"Task": {
                "Type": "Task", "Resource": (format!("arn:aws:states:::{resource}")),
                "Parameters": (parameters), "End": true}}});
            let policy = from_definition(&definition, None);
            let said = policy.statements.iter().map(|one| one.to_json().to_string());
            said.collect::<Vec<_>>().join(" ")
        };
        let given = json!({"ApplicationId": "a", "ExecutionRoleArn": "arn:aws:iam::1:role/r"});
        let once = of("emr-serverless:startJobRun", given.clone());
        assert!(
            !once.contains("GetJobRun") && once.contains("emr-serverless.amazonaws.com"),
            "{once}"
        );
        let job = of("emr-serverless:startJobRun.sync", given);
        assert!(job.contains("emr-serverless:CancelJobRun"), "{job}");
        assert!(job.contains("StepFunctionsGetEventsForEMRServerlessJobRule"), "{job}");
        let group = of("eks:createNodegroup.sync", json!({"NodeRole": "arn:aws:iam::1:role/r"}));
        assert!(group.contains("eks:DeleteNodegroup") && group.contains("iam:PassRole"), "{group}");
    }

    #[test]
    fn objects_of_models_are_read_and_written() {
        let definition = json!({
            "StartAt": "Task",
            "States": {"Task": {
                "Type": "Task",
                "Resource": "arn:aws:states:::bedrock:invokeModel",
                "Parameters": {
                    "ModelId": "m",
                    "Input": {"S3Uri": "s3://prompts/long.json"},
                    "Output": {"S3Uri.$": "$.answer"}
                },
                "End": true,
            }}
        });
        let policy = from_definition(&definition, None);
        let said = Json::from(policy.statements.iter().map(Statement::to_json).collect::<Vec<_>>())
            .to_string();
        assert!(said.contains("s3:GetObject") && said.contains("s3:::prompts/long.json"), "{said}");
        let put = "{\"Action\":\"s3:PutObject\",\"Effect\":\"Allow\",\"Resource\":\"*\"}";
        assert!(said.contains(put), "{said}");
    }

    #[test]
    fn sdk_calls_need_the_actions_of_iam() {
        for (call, action) in [
            ("redshiftdata:executeStatement", "redshift-data:ExecuteStatement"),
            ("lambda:invoke", "lambda:InvokeFunction"),
            ("s3control:putPublicAccessBlock", "s3:PutAccountPublicAccessBlock"),
            ("bedrockagent:startIngestionJob", "bedrock:StartIngestionJob"),
            ("eventbridge:putEvents.waitForTaskToken", "events:PutEvents"),
            ("sesv2:sendEmail", "ses:SendEmail"),
            ("s3:listBuckets", "s3:ListAllMyBuckets"),
        ] {
            let (statements, notes) = of_sdk_call(call, json!({}));
            assert_eq!(statements, [format!("{action} *")], "{call}");
            let note = format!("which resources `{action}` is for is not in the definition");
            assert_eq!(notes, [note], "{call}");
        }
        // What needs no permission gets no statement.
        let nothing = (Vec::<String>::new(), Vec::<String>::new());
        assert_eq!(of_sdk_call("cognitoidentityprovider:signUp", json!({})), nothing);
    }

    #[test]
    fn calls_of_s3_are_for_buckets_or_objects() {
        let bucket = || json!({"Bucket": "b", "Key": "k"});
        for (call, parameters, expected) in [
            ("headObject", bucket(), &["s3:GetObject arn:aws:s3:::b/k"][..]),
            ("getObjectTagging", bucket(), &["s3:GetObjectTagging arn:aws:s3:::b/k"]),
            ("listParts", bucket(), &["s3:ListMultipartUploadParts arn:aws:s3:::b/k"]),
            (
                "deleteObjects",
                json!({"Bucket": "b", "Delete": {}}),
                &["s3:DeleteObject arn:aws:s3:::b/*"],
            ),
            ("listObjectsV2", json!({"Bucket": "b"}), &["s3:ListBucket arn:aws:s3:::b"]),
            (
                "getObjectLockConfiguration",
                json!({"Bucket": "b"}),
                &["s3:GetBucketObjectLockConfiguration arn:aws:s3:::b"],
            ),
            (
                "copyObject",
                json!({"DestinationBucket": "b", "DestinationKey": "k", "CopySource": "/c/d/e"}),
                &["s3:GetObject arn:aws:s3:::c/d/e", "s3:PutObject arn:aws:s3:::b/k"],
            ),
        ] {
            let (statements, notes) = of_sdk_call(&format!("s3:{call}"), parameters);
            assert_eq!(statements, expected, "{call}");
            assert_eq!(notes, Vec::<String>::new(), "{call}");
        }
        let computed = json!({"Bucket": "b", "Key": "k", "CopySource.$": "$.from"});
        assert_eq!(
            of_sdk_call("s3:copyObject", computed).0,
            ["s3:GetObject *", "s3:PutObject arn:aws:s3:::b/k"]
        );
    }

    #[test]
    fn what_is_not_known_of_iam_is_noted() {
        let (statements, notes) = of_sdk_call("dynamodb:describeBulkOperation", json!({}));
        assert_eq!(statements, ["dynamodb:DescribeBulkOperation *"]);
        assert_eq!(
            notes[0],
            "it is not known which action of IAM `aws-sdk:dynamodb:describeBulkOperation` needs; \
             `dynamodb:DescribeBulkOperation` is assumed"
        );
        let (statements, notes) = of_sdk_call("dynamo:putItem", json!({}));
        assert_eq!(statements, ["dynamo:PutItem *"]);
        assert_eq!(
            notes[0],
            "`dynamo:PutItem` is assumed for `aws-sdk:dynamo:putItem`, because there is no AWS \
             service `dynamo`; did you mean `dynamodb`?"
        );
    }

    #[test]
    fn actions_are_those_of_iam() {
        let object = json!({"Bucket": "b", "Key": "k"});
        for (call, parameters, action) in [
            ("lambda:invoke", json!({}), "lambda:InvokeFunction"),
            ("eventbridge:putEvents", json!({}), "events:PutEvents"),
            ("s3:listBuckets", json!({}), "s3:ListAllMyBuckets"),
            ("s3:headObject", object, "s3:GetObject"),
        ] {
            let definition = json!({"StartAt": "T", "States": {"T": {
                "Type": "Task", "Resource": (format!("arn:aws:states:::aws-sdk:{call}")),
                "Parameters": parameters, "End": true}}});
            let policy = from_definition_with(&definition, None, &BTreeMap::new());
            let said = policy.statements[0].to_json().to_string();
            assert!(said.contains(&format!("\"{action}\"")), "{said}");
        }
    }

    #[test]
    fn what_places_stand_for_narrows_policies_down() {
        check(
            "${Work}",
            json!({}),
            &[
                r#"{"Action":"lambda:InvokeFunction","Effect":"Allow","Resource":"arn:aws:lambda:eu-west-1:1:function:work"}"#,
            ],
        );
        check(
            "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            json!({"QueueUrl": "${Queue}"}),
            &[
                r#"{"Action":"sqs:SendMessage","Effect":"Allow","Resource":"arn:aws:sqs:eu-west-1:1:q"}"#,
            ],
        );
        let parameters = json!({"Cluster": "${Cluster}", "TaskDefinition": "${Label}"});
        check(
            "arn:aws:states:::ecs:runTask",
            parameters,
            &[
                r#"{"Action":"ecs:RunTask","Condition":{"ArnEquals":{"ecs:cluster":"arn:aws:ecs:eu-west-1:1:cluster/c"}},"Effect":"Allow","Resource":"arn:aws:ecs:${AWS::Region}:${AWS::AccountId}:task-definition/label:*"}"#,
                r#"{"Action":["ecs:StopTask","ecs:DescribeTasks"],"Condition":{"ArnEquals":{"ecs:cluster":"arn:aws:ecs:eu-west-1:1:cluster/c"}},"Effect":"Allow","Resource":"*"}"#,
                r#"{"Action":"iam:PassRole","Condition":{"StringEquals":{"iam:PassedToService":"ecs-tasks.amazonaws.com"}},"Effect":"Allow","Resource":"arn:aws:iam::1:role/task"}"#,
            ],
        );
        check(
            "arn:aws:states:::states:startExecution.sync",
            json!({"StateMachineArn": "${Books}"}),
            &[
                r#"{"Action":"states:StartExecution","Effect":"Allow","Resource":"arn:aws:states:eu-west-1:1:stateMachine:books"}"#,
                r#"{"Action":["states:DescribeExecution","states:StopExecution"],"Effect":"Allow","Resource":"arn:aws:states:${AWS::Region}:${AWS::AccountId}:execution:books:*"}"#,
                r#"{"Action":["events:PutTargets","events:PutRule","events:DescribeRule"],"Effect":"Allow","Resource":"arn:aws:events:${AWS::Region}:${AWS::AccountId}:rule/StepFunctionsGetEventsForStepFunctionsExecutionRule"}"#,
            ],
        );
    }
}
