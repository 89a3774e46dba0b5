use crate::chain::{Chain, Chainable};
use crate::iam::{Statement, distinct};
use crate::logs::LogOptions;
use crate::misuse::{Misuses, Problems};
use crate::object;
use crate::resources::{
    Bucket, Key, Machine, PolicyPart, RemovalPolicy, Resource, ResourceBody, Role, logical_id,
};
use crate::scope::{Scope, all_nodes, check};
use crate::template::{Stack, Template};
use crate::text::{Text, Token, local_arn, text};
use crate::value::{QueryLanguage, Value};
use std::time::Duration;
use stepwright_asl::Definition;
use stepwright_json::{Json, Syntax};

/// A state machine: its definition, and its settings for deployment.
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// let machine = StateMachine::new("StateMachine", Pass::new("StartState"))
///     .timeout(minutes(5))
///     .tracing();
/// println!("{}", machine.template()?.to_json().pretty());
/// # Ok::<(), Misuses>(())
/// ```
///
/// The simulator can run the definition unchanged, so a state machine can have unit tests:
///
/// ```
/// use stepwright_constructs::prelude::*;
/// use stepwright_json::json;
/// use stepwright_simulator::{Answer, Call, Simulation, Status};
///
/// let double = LambdaInvoke::new("Double", Function::from_name("double")).payload_response_only();
/// let machine = StateMachine::new("Doubling", double);
/// let program = stepwright_program::compile(&machine.definition()?).unwrap();
/// let run = Simulation::new(&program)
///     .input(json!({"n": 2}))
///     .run(&mut |_: &Call<'_>| Answer::returns(json!(4)));
/// assert_eq!(run.status, Status::Succeeded { output: json!(4) });
/// # Ok::<(), Misuses>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct StateMachine {
    id: String,
    body: Body,
    name: Option<Text>,
    express: Option<bool>,
    timeout: Option<Duration>,
    comment: Option<String>,
    language: Option<QueryLanguage>,
    role: Option<Role>,
    logs: Option<LogOptions>,
    tracing: Option<bool>,
    encryption: Option<Encryption>,
    tags: Vec<(String, Text)>,
    statements: Vec<Statement>,
    removal: RemovalPolicy,
    substitutions: Vec<(String, Text)>,
    /// What its role needs besides the permissions of the states: managed policies and statements.
    role_needs: (Vec<Text>, Vec<Statement>),
}

#[derive(Clone, Debug, PartialEq)]
enum Body {
    Chain(Box<Chain>),
    Text(String),
    Bucket { bucket: Bucket, key: String, version: Option<String> },
}

/// The definition of a state machine: a chain, text, or a file in a bucket.
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// let body = DefinitionBody::from_string(r#"{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}"#);
/// assert!(StateMachine::from_body("Machine", body).template().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DefinitionBody(Body);

impl DefinitionBody {
    /// A chain.
    #[doc(alias = "fromChainable")]
    #[doc(alias = "ChainDefinitionBody")]
    pub fn from_chainable(definition: impl Chainable) -> Self {
        Self(Body::Chain(Box::new(definition.into_chain())))
    }

    /// Text. That of a file beside the program is `include_str!("machine.asl.json")`.
    #[doc(alias = "fromString")]
    #[doc(alias = "fromFile")]
    #[doc(alias = "StringDefinitionBody")]
    #[doc(alias = "FileDefinitionBody")]
    pub fn from_string(definition: impl Into<String>) -> Self {
        Self(Body::Text(definition.into()))
    }

    /// A file in a bucket, by its key, which CloudFormation reads.
    #[doc(alias = "definitionS3Location")]
    pub fn from_bucket(bucket: impl Into<Bucket>, key: impl Into<String>) -> Self {
        Self(Body::Bucket { bucket: bucket.into(), key: key.into(), version: None })
    }

    /// The version of the file in the bucket.
    #[must_use]
    pub fn object_version(mut self, id: impl Into<String>) -> Self {
        if let Body::Bucket { version, .. } = &mut self.0 {
            *version = Some(id.into());
        }
        self
    }
}

/// The key with which a state machine's data are encrypted.
#[derive(Clone, Debug, PartialEq)]
#[doc(alias = "EncryptionConfiguration")]
#[doc(alias = "AwsOwnedEncryptionConfiguration")]
pub enum Encryption {
    /// A key that AWS owns.
    AwsOwned,
    /// A key of the customer, and how long a data key made with it is reused.
    CustomerManaged(Key, Duration),
}

impl Encryption {
    /// A key of the customer. Data keys are reused for five minutes.
    #[doc(alias = "CustomerManagedEncryptionConfiguration")]
    pub fn customer_managed(key: impl Into<Key>) -> Self {
        Self::CustomerManaged(key.into(), Duration::from_mins(5))
    }
}

/// The result of building a state machine.
pub(crate) struct Built {
    pub(crate) definition: Text,
    pub(crate) asl: Json,
    pub(crate) statements: Vec<Statement>,
    pub(crate) distributed: Vec<Statement>,
    pub(crate) resources: Vec<Resource>,
}

impl StateMachine {
    /// A state machine that begins with the first state of the chain.
    pub fn new(id: impl Into<String>, definition: impl Chainable) -> Self {
        Self::of(id, Body::Chain(Box::new(definition.into_chain())))
    }

    /// A state machine whose definition is given as JSON, which may contain `${Name}`; see
    /// [`StateMachine::substitution`]. The text of a file is `include_str!("machine.asl.json")`. The permissions of its role must be added with
    /// [`StateMachine::allow`], or derived from the definition with
    /// [`policy::from_definition`](crate::policy::from_definition).
    #[doc(alias = "fromFile")]
    #[doc(alias = "from_file")]
    pub fn from_text(id: impl Into<String>, definition: impl Into<String>) -> Self {
        Self::of(id, Body::Text(definition.into()))
    }

    /// Refers to the state machine with this ARN: for tasks that start it, metrics and grants.
    #[doc(alias = "fromStateMachineArn")]
    pub fn from_arn(arn: impl Into<Text>) -> Machine {
        Machine::from_arn(arn)
    }

    /// Refers to the state machine with this name, in the account and region of the stack.
    #[doc(alias = "fromStateMachineName")]
    pub fn from_name(name: impl Into<Text>) -> Machine {
        Machine::from_name(name)
    }

    /// The same as [`StateMachine::from_text`].
    pub fn from_string(id: impl Into<String>, definition: impl Into<String>) -> Self {
        Self::from_text(id, definition)
    }

    /// A state machine with this definition.
    #[doc(alias = "definition_body")]
    pub fn from_body(id: impl Into<String>, body: DefinitionBody) -> Self {
        Self::of(id, body.0)
    }

    fn of(id: impl Into<String>, body: Body) -> Self {
        Self {
            id: id.into(),
            body,
            name: None,
            express: None,
            timeout: None,
            comment: None,
            language: None,
            role: None,
            logs: None,
            tracing: None,
            encryption: None,
            tags: Vec::new(),
            statements: Vec::new(),
            removal: RemovalPolicy::Destroy,
            substitutions: Vec::new(),
            role_needs: (Vec::new(), Vec::new()),
        }
    }

    /// Its name in AWS. By default, CloudFormation chooses one.
    #[must_use]
    pub fn state_machine_name(mut self, name: impl Into<Text>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Makes it an Express workflow.
    #[doc(alias = "state_machine_type")]
    #[doc(alias = "StateMachineType")]
    #[must_use]
    pub fn express(mut self) -> Self {
        self.express = Some(true);
        self
    }

    /// Writes explicitly that it is a Standard workflow.
    #[must_use]
    pub fn standard(mut self) -> Self {
        self.express = Some(false);
        self
    }

    /// The time limit of an execution, in whole seconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// A comment for people who read the definition.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// The query language of all states.
    #[must_use]
    pub fn query_language(mut self, language: QueryLanguage) -> Self {
        self.language = Some(language);
        self
    }

    /// Its role. By default, one is created.
    #[must_use]
    pub fn role(mut self, role: impl Into<Role>) -> Self {
        let mut role = role.into();
        let (policies, statements) = &self.role_needs;
        if role.logical_id().is_some() {
            role = policies.iter().fold(role, Role::with_policy);
        }
        self.role = Some(statements.iter().cloned().fold(role, Role::allow));
        self
    }

    /// What another role has to get as well: managed policies, if it is defined here, and
    /// permissions.
    pub(crate) fn role_needs(mut self, policies: Vec<Text>, statements: Vec<Statement>) -> Self {
        self.role_needs = (policies, statements);
        self
    }

    /// Logs its executions to a log group.
    #[must_use]
    pub fn logs(mut self, logs: LogOptions) -> Self {
        self.logs = Some(logs);
        self
    }

    /// Traces executions with X-Ray.
    #[must_use]
    pub fn tracing(self) -> Self {
        self.tracing_enabled(true)
    }

    /// Whether executions are traced with X-Ray.
    #[must_use]
    pub fn tracing_enabled(mut self, enabled: bool) -> Self {
        self.tracing = Some(enabled);
        self
    }

    /// The key with which its data are encrypted.
    #[must_use]
    pub fn encryption(mut self, encryption: Encryption) -> Self {
        self.encryption = Some(encryption);
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<Text>) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }

    /// Adds a permission to its role that the states do not imply, for example one that concerns
    /// the machine itself.
    #[must_use]
    #[doc(alias = "addToRolePolicy")]
    pub fn allow(mut self, statement: Statement) -> Self {
        self.statements.push(statement);
        self
    }

    /// Keeps the state machine when the stack is deleted.
    #[must_use]
    pub fn retained(self) -> Self {
        self.removal_policy(RemovalPolicy::Retain)
    }

    /// What becomes of it when the stack is deleted. By default, it is deleted.
    #[doc(alias = "applyRemovalPolicy")]
    #[must_use]
    pub fn removal_policy(mut self, policy: RemovalPolicy) -> Self {
        self.removal = policy;
        self
    }

    /// The value of `${name}` in the definition.
    #[doc(alias = "definitionSubstitutions")]
    #[must_use]
    pub fn substitution(mut self, name: impl Into<String>, value: impl Into<Text>) -> Self {
        self.substitutions.push((name.into(), value.into()));
        self
    }

    /// The logical id of its resource in a template.
    pub fn logical_id(&self) -> String {
        let mut path: Vec<&str> = self.id.split('/').collect();
        path.push("Resource");
        logical_id(&path)
    }

    /// The id it was given.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its ARN. Wherever it is used, the template has the machine.
    #[doc(alias = "stateMachineArn")]
    pub fn arn(&self) -> Text {
        self.token(Token::reference(&self.logical_id()))
    }

    /// The name that it has in AWS.
    #[doc(alias = "stateMachineName")]
    pub fn name(&self) -> Text {
        self.token(Token::attribute(&self.logical_id(), "Name"))
    }

    /// The id of its current revision, which changes with its definition.
    #[doc(alias = "stateMachineRevisionId")]
    pub fn revision_id(&self) -> Text {
        self.token(Token::attribute(&self.logical_id(), "StateMachineRevisionId"))
    }

    fn token(&self, token: Token) -> Text {
        Text::from(token).carrying(&[Resource::machine(self.clone())])
    }

    /// Its ARN, without the machine itself.
    fn own_arn(&self) -> Text {
        Token::reference(&self.logical_id()).into()
    }

    /// The role that it has: the given one, or its own.
    pub(crate) fn effective_role(&self) -> Role {
        self.role.clone().unwrap_or_else(|| {
            Role::new(&format!("{}/Role", self.id), "states.amazonaws.com").for_this_account()
        })
    }

    /// The definition, with `${Name}` for what CloudFormation fills in.
    pub fn asl(&self) -> Result<Json, Misuses> {
        let built = self.build()?;
        if let Body::Bucket { key, .. } = &self.body {
            let mut problems = Problems::default();
            let message = format!("its definition is in a bucket, as `{key}`, and not known here");
            problems.add(&self.id, message);
            return problems.or_ok(Json::Null);
        }
        Ok(built.asl)
    }

    /// The definition, ready for the compiler and the simulator.
    pub fn definition(&self) -> Result<Definition, Misuses> {
        Ok(Definition::from_json(&self.asl()?))
    }

    /// The permissions of its role: no more than its states need.
    pub fn policy(&self) -> Result<Vec<Statement>, Misuses> {
        let built = self.build()?;
        let role = self.role.as_ref().map(Role::statements).unwrap_or_default();
        Ok(distinct(&[built.statements, built.distributed, role].concat()))
    }

    /// A complete template of the machine and everything it defines.
    pub fn template(&self) -> Result<Template, Misuses> {
        Stack::new().machine(self.clone()).template()
    }

    pub(crate) fn build(&self) -> Result<Built, Misuses> {
        let mut problems = Problems::default();
        self.check(&mut problems);
        let mut built = match &self.body {
            Body::Chain(chain) => self.build_chain(chain, &mut problems),
            Body::Text(definition) => self.build_text(Some(definition), &mut problems),
            Body::Bucket { .. } => self.build_text(None, &mut problems),
        };
        for resource in &built.resources {
            if let ResourceBody::Misused(misuse) = resource.0.as_ref() {
                problems.add(&misuse.subject, misuse.message.clone());
            }
        }
        built.statements.extend(self.deployment_statements());
        // The machine depends on its role and on the role's policy. Permissions that concern the
        // machine itself are in a separate policy, on which nothing depends.
        let itself = self.logical_id();
        let (about_itself, others): (Vec<Statement>, Vec<Statement>) = self
            .statements
            .iter()
            .cloned()
            .partition(|statement| statement.to_json().to_string().contains(&itself));
        built.distributed.extend(about_itself);
        built.statements.extend(others);
        problems.or_ok(built)
    }

    fn check(&self, problems: &mut Problems) {
        if let Some(name) = self.name.as_ref().and_then(Text::as_literal) {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "+!@.()-=_'".contains(c);
            if name.is_empty() || name.len() > 80 || !name.chars().all(allowed) {
                problems.add(&self.id, format!(
                    "the name `{name}` has to have 1 to 80 letters, digits and characters of +!@.()-=_'",
                ));
            }
        }
        if let Some(problem) = self.logs.as_ref().and_then(LogOptions::problem) {
            problems.add(&self.id, problem);
        }
        if self.substitutions.iter().any(|(name, _)| name.is_empty()) {
            problems.add(&self.id, "a substitution has to have a name");
        }
        if self.role.as_ref().is_some_and(|role| matches!(role.value(), Value::Expression(_))) {
            problems.add(&self.id, "the role of a state machine cannot be computed by its states");
        }
        if self.timeout.is_some_and(|timeout| timeout.subsec_nanos() != 0 || timeout.is_zero()) {
            problems.add(&self.id, "the timeout has to be a whole number of seconds");
        }
        if let Some(Encryption::CustomerManaged(_, reuse)) = &self.encryption
            && !(60..=900).contains(&reuse.as_secs())
        {
            problems.add(&self.id, "data keys can be used for one to fifteen minutes");
        }
    }

    fn build_chain(&self, chain: &Chain, problems: &mut Problems) -> Built {
        let language = self.language.unwrap_or_default();
        check(chain, language, problems);
        let mut members = match Scope::new(chain).to_value(language) {
            Value::Object(members) => members,
            _ => Vec::new(),
        };
        let mut put = |key: &str, value: Option<Value>| {
            members.extend(value.map(|value| (key.to_owned(), value)));
        };
        put(
            "TimeoutSeconds",
            self.timeout.map(|timeout| crate::duration::Seconds::from(timeout).into()),
        );
        put("Comment", self.comment.clone().map(Value::from));
        put("QueryLanguage", self.language.map(|language| language.name().into()));
        let definition = Value::Object(members);
        let mut statements = Vec::new();
        let mut resources = Vec::new();
        let mut labels = Vec::new();
        all_nodes(chain, &mut |node| {
            statements.extend(node.statements.iter().cloned());
            resources.extend(node.resources.iter().cloned());
            labels.extend(node.distributed.clone().map(|run| run.0));
        });
        Built {
            definition: definition.to_json_text(QueryLanguage::JsonPath),
            asl: definition.to_json(QueryLanguage::JsonPath),
            statements,
            distributed: self.distributed_statements(&labels),
            resources,
        }
    }

    fn build_text(&self, definition: Option<&str>, problems: &mut Problems) -> Built {
        let unused = [
            ("timeout", self.timeout.is_some()),
            ("comment", self.comment.is_some()),
            ("query_language", self.language.is_some()),
        ];
        for (name, given) in unused {
            if given {
                problems.add(
                    &self.id,
                    format!("`{name}` is for a chain: write it into the definition"),
                );
            }
        }
        let Some(definition) = definition else {
            return Built {
                definition: Text::default(),
                asl: Json::Null,
                statements: Vec::new(),
                distributed: Vec::new(),
                resources: Vec::new(),
            };
        };
        let substituted =
            self.substitutions.iter().fold(definition.to_owned(), |text, (name, value)| {
                text.replace(&format!("${{{name}}}"), &value.readable())
            });
        let asl = match Definition::parse(&substituted, Syntax::Strict) {
            Ok(definition) => definition.to_json(),
            Err(error) => {
                problems.add(&self.id, format!("the definition cannot be read: {error}"));
                Json::Null
            }
        };
        Built {
            definition: Text::literal(definition),
            asl,
            statements: Vec::new(),
            distributed: Vec::new(),
            resources: Vec::new(),
        }
    }

    /// Permissions to start, watch and stop the child executions of distributed Maps.
    fn distributed_statements(&self, labels: &[Option<String>]) -> Vec<Statement> {
        if labels.is_empty() {
            return Vec::new();
        }
        let name = Token::part(&self.own_arn(), ":", 6);
        let executions =
            |rest: String| local_arn("states", text!("execution:", name.clone(), rest));
        let redriven: Vec<Text> = match labels.iter().cloned().collect::<Option<Vec<String>>>() {
            Some(labels) => {
                labels.into_iter().map(|label| executions(format!("/{label}:*"))).collect()
            }
            None => vec![executions("/*:*".into())],
        };
        vec![
            Statement::allow(["states:StartExecution"], [self.own_arn()]),
            Statement::allow(
                ["states:DescribeExecution", "states:StopExecution"],
                [executions(":*".into())],
            ),
            Statement::allow(["states:RedriveExecution"], redriven),
        ]
    }

    /// Permissions for logging, tracing and encryption.
    fn deployment_statements(&self) -> Vec<Statement> {
        let mut statements = Vec::new();
        if let Some(Encryption::CustomerManaged(key, _)) = &self.encryption {
            let name = self.name.clone().unwrap_or_else(|| "*".into());
            let machine = local_arn("states", text!("stateMachine:", name));
            let operator = if self.name.is_some() { "StringEquals" } else { "StringLike" };
            let context = object! {"kms:EncryptionContext:aws:states:stateMachineArn": machine};
            let when = Value::Object(vec![(operator.to_owned(), context)]);
            let decrypt = Statement::allow(["kms:Decrypt", "kms:GenerateDataKey"], [key.arn()]);
            statements.push(decrypt.when(when));
            if self.logs.as_ref().is_some_and(|logs| logs.group.is_some()) {
                let logs = object! {
                    "StringEquals": {"kms:EncryptionContext:SourceArn": local_arn("logs", "*")},
                };
                statements.push(Statement::allow(["kms:GenerateDataKey"], [key.arn()]).when(logs));
            }
        }
        if self.logs.as_ref().is_some_and(|logs| logs.group.is_some()) {
            statements.push(crate::policy::for_logs());
        }
        if self.tracing == Some(true) {
            let actions = [
                "xray:PutTraceSegments",
                "xray:PutTelemetryRecords",
                "xray:GetSamplingRules",
                "xray:GetSamplingTargets",
            ];
            statements.push(Statement::allow(actions, ["*"]));
        }
        statements
    }

    /// The resources of the machine: its role, policy and log group, the machine itself, and all
    /// resources that its states define.
    pub(crate) fn to_resources(&self, problems: &mut Problems) -> Vec<Resource> {
        let built = match self.build() {
            Ok(built) => built,
            Err(misuses) => {
                for misuse in misuses.0 {
                    problems.add(&misuse.subject, misuse.message);
                }
                return Vec::new();
            }
        };
        let mut resources = built.resources;
        let role = self.effective_role();
        resources.extend(role.resources());
        resources.extend(role.attached(Some(&self.id), distinct(&built.statements)));
        let mut machine = Resource::new(
            self.logical_id(),
            "AWS::StepFunctions::StateMachine",
            self.properties(&built.definition, &role),
        );
        if let Some(role_name) = role.attachment() {
            machine = machine.after_policies_of(role_name.clone());
            if !built.distributed.is_empty() {
                // Nothing waits for this policy, which refers to the machine.
                resources.push(Resource(Box::new(ResourceBody::Policy(PolicyPart {
                    role: role_name,
                    path: format!("{}/DistributedMapPolicy", self.id),
                    owner: Some(format!("{}/DistributedMapPolicy", self.id)),
                    statements: built.distributed,
                }))));
            }
        }
        if let Some(role_id) = role.logical_id() {
            machine = machine.after(&role_id);
        }
        resources.push(machine.removal_policy(self.removal).tagged(&self.tags));
        resources
    }

    fn properties(&self, definition: &Text, role: &Role) -> Value {
        let mut properties: Vec<(String, Value)> = Vec::new();
        let mut put = |key: &str, value: Option<Value>| {
            properties.extend(value.map(|value| (key.to_owned(), value)));
        };
        if let Body::Bucket { bucket, key, version } = &self.body {
            let mut location = vec![
                ("Bucket".to_owned(), Value::from(bucket.name())),
                ("Key".to_owned(), key.into()),
            ];
            location.extend(version.iter().map(|id| ("Version".to_owned(), id.into())));
            put("DefinitionS3Location", Some(Value::Object(location)));
        } else {
            put("DefinitionString", Some(definition.into()));
        }
        if !self.substitutions.is_empty() {
            let members =
                self.substitutions.iter().map(|(name, value)| (name.clone(), value.into()));
            put("DefinitionSubstitutions", Some(Value::Object(members.collect())));
        }
        put(
            "EncryptionConfiguration",
            self.encryption.as_ref().map(|encryption| match encryption {
                Encryption::AwsOwned => object! {"Type": "AWS_OWNED_KEY"},
                Encryption::CustomerManaged(key, reuse) => object! {
                    "KmsDataKeyReusePeriodSeconds": crate::duration::Seconds::from(*reuse),
                    "KmsKeyId": key.arn(),
                    "Type": "CUSTOMER_MANAGED_KMS_KEY",
                },
            }),
        );
        put("LoggingConfiguration", self.logs.as_ref().map(LogOptions::to_value));
        put("RoleArn", Some(role.value()));
        put("StateMachineName", self.name.as_ref().map(Value::from));
        put(
            "StateMachineType",
            self.express.map(|express| if express { "EXPRESS" } else { "STANDARD" }.into()),
        );
        put("TracingConfiguration", self.tracing.map(|enabled| object! {"Enabled": enabled}));
        Value::Object(properties)
    }
}
