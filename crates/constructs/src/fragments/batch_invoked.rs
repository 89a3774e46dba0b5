use crate::chain::{Chain, Nextable};
use crate::common::{WithData, WithResultPath};
use crate::fields::settings;
use crate::fragments::base::env_fragment;
use crate::fragments::batch::{as_text, put_mounts};
use crate::fragments::mount_point::mount_points_and_volumes;
use crate::fragments::{
    EnvBase, EnvFragment, MergeDefaults, MountPointConfiguration, S3Operation, SubmitJobFragment,
    convert_reference_paths,
};
use crate::iam::Statement;
use crate::json_path::{entire_payload, execution_name, format_text, object_at, string_at, uuid};
use crate::misuse::Problems;
use crate::states::Pass;
use crate::text::{Token, arn, local_arn, text};
use crate::value::Value;
use crate::{Input, object, value};

/// The default prefix of the keys of requests and responses.
const SCRATCH: &str = "scratch/";

/// The permissions of every fragment that runs jobs with payloads in S3.
pub(crate) fn required_statements(env: &EnvBase) -> Vec<Statement> {
    vec![batch_statement(env), s3_statement(env), pass_role_statement()]
}

/// Permissions on Batch, for resources named after the environment and for those without a name.
pub(crate) fn batch_statement(env: &EnvBase) -> Statement {
    let actions = [
        "batch:RegisterJobDefinition",
        "batch:DeregisterJobDefinition",
        "batch:DescribeJobDefinitions",
        "batch:Describe*",
        "batch:List*",
        "batch:*",
    ];
    let of = |kind: &str| local_arn("batch", text!(kind, "/", env.as_str(), "*"));
    let kinds = ["compute-environment", "job", "job-definition", "job-queue"];
    let resources = kinds.into_iter().map(of).chain(std::iter::once("*".into()));
    Statement::allow(actions, resources).sid("BatchReadWrite")
}

/// Permissions on S3, for buckets named after the environment.
pub(crate) fn s3_statement(env: &EnvBase) -> Statement {
    Statement::allow(["s3:*"], [arn(text!("s3:::", env.as_str(), "*"))]).sid("S3FullAccess")
}

/// Permissions on Step Functions, for machines named after the environment.
pub(crate) fn states_statement(env: &EnvBase) -> Statement {
    let actions = [
        "states:StartExecution",
        "states:StopExecution",
        "states:DescribeActivity",
        "states:DescribeExecution",
        "states:DescribeStateMachine",
        "states:DescribeStateMachineForExecution",
        "states:ListExecutions",
        "states:GetExecutionHistory",
        "states:ListStateMachines",
        "states:ListActivities",
    ];
    let machines = local_arn("states", text!("*:", env.as_str(), "*"));
    Statement::allow(actions, [machines]).sid("SfnFullAccess")
}

/// Permission to pass the roles of jobs to their containers.
pub(crate) fn pass_role_statement() -> Statement {
    let when = object! {"StringLike": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}};
    Statement::allow(["iam:PassRole"], ["*"]).when(when).sid("PassRoleForBatchJobs")
}

/// Writes the payload to S3, runs a job on it, and reads the response from S3.
struct Exchange<'e> {
    id: &'e str,
    bucket: Value,
    key_prefix: &'e str,
    payload: Option<Value>,
}

impl Exchange<'_> {
    fn key(&self, file: &str) -> Value {
        let task = string_at("$.taskResult.prep.task_id");
        if self.key_prefix.starts_with('$') {
            let prefix = string_at(self.key_prefix);
            let template = format!("{{}}{{}}/{{}}/{file}.json");
            return format_text(template, [prefix, execution_name(), task]).into();
        }
        let template = format!("{}{{}}/{{}}/{file}.json", self.key_prefix);
        format_text(template, [execution_name(), task]).into()
    }

    /// The URI of the request.
    fn request_uri() -> Value {
        let parts = [string_at("$.taskResult.put.Bucket"), string_at("$.taskResult.put.Key")];
        format_text("s3://{}/{}", parts).into()
    }

    /// The URI of the response.
    fn response_uri(&self) -> Value {
        let bucket = convert_reference_paths(self.bucket.clone());
        format_text("s3://{}/{}", [bucket, self.key("response")]).into()
    }

    fn around(self, job: SubmitJobFragment) -> Chain {
        let id = self.id;
        let payload = self.payload.clone().unwrap_or_else(|| entire_payload().into());
        let put = S3Operation::new(format!("{id} Put Request to S3"), self.bucket.clone())
            .result_path("$.taskResult.put")
            .put_payload(payload, Some(self.key("request")));
        let get = S3Operation::new(id, self.bucket.clone())
            .get_payload(self.key("response"))
            .to_single_state(format!("{id} Get Response from S3"))
            .output_path("$[0]");
        Pass::new(format!("{id} Prep S3 Keys"))
            .parameters(object! {"task_id": uuid()})
            .result_path("$.taskResult.prep")
            .next(put)
            .next(job)
            .next(get)
    }
}

settings! {
    /// Runs the handler of a Lambda function in a Batch job, with the payload and the response in
    /// S3.
    ///
    /// Values may be literals or paths (`"$.image"`).
    ///
    /// ```
    /// use stepwright_constructs::fragments::{BatchInvokedLambdaFunction, EnvBase, EnvBaseFragment};
    ///
    /// let env = EnvBase::new("dev", Some("marmotdev"));
    /// let function = BatchInvokedLambdaFunction::new("Fn", &env, "my-fn")
    /// .image("$.image")
    /// .handler("$.handler")
    /// .job_queue("my-queue")
    /// .bucket_name("my-bucket")
    /// .memory("$.memory")
    /// .vcpus("$.vcpus");
    /// assert!(function.to_state_machine("fn").template().is_ok());
    /// ```
    pub struct BatchInvokedLambdaFunction {
        required {
            id: String,
            env: EnvBase,
            name: String,
        }
        optional {
            /// The image of the container. Required.
            image: Input,
            /// The handler: module and function. Required.
            handler: Input,
            /// The queue of the job. Required.
            job_queue: Input,
            /// The name of the bucket for payload and response. Required.
            bucket_name: Input,
            /// The prefix of the keys of payload and response, or its path. Defaults to `scratch/`.
            key_prefix: String,
            /// The payload. Defaults to the whole input.
            payload_path: Input,
            /// The command. Defaults to that of the image.
            command: Input,
            /// The environment variables.
            environment: {Input},
            /// The memory in MiB.
            memory: Input,
            /// The number of virtual CPUs.
            vcpus: Input,
            /// The number of GPUs; 0 for none.
            gpu: Input,
            /// Mount points: a list.
            mount_points: Input,
            /// Volumes: a list.
            volumes: Input,
            /// File systems to mount, instead of mount points and volumes.
            mount_point_configs: [MountPointConfiguration],
            /// `["EC2"]` or `["FARGATE"]`.
            platform_capabilities: Input,
            /// The role of the job.
            job_role_arn: Input,
            /// Defaults for what the input does not contain; see [`BatchInvokedDefaults`].
            defaults: BatchInvokedDefaults,
        }
    }
}

env_fragment!(BatchInvokedLambdaFunction, BatchInvokedExecutorFragment);

settings! {
    /// The defaults of a job for what the input does not contain, and the paths at which the input
    /// contains it.
    pub struct BatchInvokedDefaults {
        required { job_queue: Input, bucket_name: Input, }
        optional {
            /// The prefix of the keys of payload and response.
            key_prefix: String,
            /// The path of the image. Defaults to `$.image`.
            image_path: String,
            /// The path of the handler. Defaults to `$.handler`.
            handler_path: String,
            /// The path of the payload. Defaults to `$.payload`.
            payload_path: String,
            /// The path of the other settings. Defaults to `$`.
            overrides_path: String,
            /// The command.
            command: Input,
            /// The memory in MiB. Defaults to 1024.
            memory: Input,
            /// The number of virtual CPUs. Defaults to 1.
            vcpus: Input,
            /// The number of GPUs. Defaults to none.
            gpu: Input,
            /// The environment variables.
            environment: {Input},
            /// File systems to mount.
            mount_point_configs: [MountPointConfiguration],
            /// `["EC2"]` or `["FARGATE"]`. Defaults to EC2.
            platform_capabilities: Input,
            /// The role of the job.
            job_role_arn: Input,
            /// Leaves out the mount points and volumes if there are none, as the published library
            /// does. A job then fails unless its input has them.
            as_published: bool,
        }
    }
}

impl BatchInvokedLambdaFunction {
    /// A fragment whose input describes the job, with these defaults.
    pub fn with_defaults(
        id: impl Into<String>,
        env: impl Into<EnvBase>,
        name: impl Into<String>,
        defaults: BatchInvokedDefaults,
    ) -> Self {
        let merged = |member: &str| format!("$.merged.{member}");
        let mut fragment = Self::new(id, env, name)
            .image("$.image")
            .handler("$.handler")
            .job_queue(merged("job_queue"))
            .bucket_name(merged("bucket_name"))
            .payload_path("$.payload")
            .command(merged("command"))
            .memory(merged("memory"))
            .vcpus(merged("vcpus"))
            .gpu(merged("gpu"))
            .mount_points(merged("mount_points"))
            .volumes(merged("volumes"))
            .platform_capabilities(merged("platform_capabilities"))
            .job_role_arn(merged("job_role_arn"));
        fragment.key_prefix.clone_from(&defaults.key_prefix);
        fragment.environment.clone_from(&defaults.environment);
        fragment.defaults = Some(defaults);
        fragment
    }

    pub(crate) fn build(mut self) -> EnvFragment {
        let id = self.id.clone();
        let mut missing = Missing::of(&id);
        let image = missing.take("image", self.image.take());
        let handler = missing.take("handler", self.handler.take());
        let job_queue = missing.take("job_queue", self.job_queue.take());
        let bucket = missing.take("bucket_name", self.bucket_name.take());
        let both = self.mount_points.is_some() || self.volumes.is_some();
        missing.check_mounts(self.mount_point_configs.is_some(), both);
        let (mount_points, volumes) = self.mounts();
        let key_prefix = self.key_prefix.unwrap_or_else(|| SCRATCH.into());
        let exchange =
            Exchange { id: &id, bucket, key_prefix: &key_prefix, payload: self.payload_path };
        let mut environment = self.environment.unwrap_or_default();
        environment.extend([
            ("AWS_LAMBDA_FUNCTION_NAME".to_owned(), self.name.as_str().into()),
            ("AWS_LAMBDA_FUNCTION_HANDLER".to_owned(), handler),
            ("AWS_LAMBDA_EVENT_PAYLOAD".to_owned(), Exchange::request_uri()),
            ("AWS_LAMBDA_EVENT_RESPONSE_LOCATION".to_owned(), exchange.response_uri()),
        ]);
        environment.extend(place(&self.env));
        let mut job = SubmitJobFragment::new(format!("{id} Batch"), &self.env, self.name)
            .job_queue(job_queue)
            .image(image)
            .command(self.command.unwrap_or_else(|| value!([])))
            .environment(Value::Object(last_wins(environment)))
            .mount_points(mount_points)
            .volumes(volumes);
        for (value, set) in [
            (
                self.memory,
                SubmitJobFragment::memory as fn(SubmitJobFragment, Value) -> SubmitJobFragment,
            ),
            (self.vcpus, SubmitJobFragment::vcpus),
            (self.gpu, SubmitJobFragment::gpu),
            (self.platform_capabilities, SubmitJobFragment::platform_capabilities),
            (self.job_role_arn, SubmitJobFragment::job_role_arn),
        ] {
            if let Some(value) = value {
                job = set(job, value);
            }
        }
        let chain = missing.reported(exchange.around(job));
        let statements = required_statements(&self.env);
        let fragment = EnvFragment::new(id.clone(), self.env, chain).require(statements);
        match self.defaults {
            Some(defaults) => fragment.change(|chain| defaults.before(&id).next(chain)),
            None => fragment,
        }
    }

    fn mounts(&mut self) -> (Value, Value) {
        if let Some(configurations) = &self.mount_point_configs {
            return mount_points_and_volumes(configurations);
        }
        let list = |value: &mut Option<Value>| value.take().unwrap_or_else(|| value!([]));
        (list(&mut self.mount_points), list(&mut self.volumes))
    }
}

/// What a fragment has to be told and was not.
pub(crate) struct Missing {
    subject: String,
    problems: Problems,
}

impl Missing {
    pub(crate) fn of(id: &str) -> Self {
        Self { subject: id.to_owned(), problems: Problems::default() }
    }

    /// The value of a required property.
    pub(crate) fn take<T: Default>(&mut self, name: &str, value: Option<T>) -> T {
        if value.is_none() {
            self.problems.add(&self.subject, format!("the fragment has to have a `{name}`"));
        }
        value.unwrap_or_default()
    }

    /// Refuses mount points that are given in both ways.
    fn check_mounts(&mut self, configurations: bool, lists: bool) {
        if configurations && lists {
            let message = "either `mount_point_configs`, or `mount_points` and `volumes`, not both";
            self.problems.add(&self.subject, message);
        }
    }

    /// The chain, with what is missing.
    pub(crate) fn reported(self, mut chain: Chain) -> Chain {
        for problem in self.problems.0 {
            chain.problems.add(&problem.subject, problem.message);
        }
        chain
    }
}

/// Environment variables that tell a job where it runs.
fn place(env: &EnvBase) -> [(String, Value); 3] {
    [
        ("env_base".to_owned(), env.as_str().into()),
        ("AWS_REGION".to_owned(), Token::region().into()),
        ("AWS_ACCOUNT_ID".to_owned(), Token::account().into()),
    ]
}

/// Removes variables with the same name, keeping the last.
fn last_wins(variables: Vec<(String, Value)>) -> Vec<(String, Value)> {
    let mut kept: Vec<(String, Value)> = Vec::new();
    for (name, value) in variables {
        match kept.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => kept.push((name, value)),
        }
    }
    kept
}

impl BatchInvokedDefaults {
    /// Adds the environment variables that tell a job where it runs.
    pub(crate) fn environment_of(self, env: &EnvBase) -> Self {
        self.environment(place(env))
    }

    /// Adds the defaults below the input.
    fn before(self, id: &str) -> Chain {
        let path = |path: Option<String>, default: &str| path.unwrap_or_else(|| default.to_owned());
        let start = Pass::new(format!("Start {id}")).parameters(object! {
            "image": string_at(&path(self.image_path, "$.image")),
            "handler": string_at(&path(self.handler_path, "$.handler")),
            "payload": object_at(&path(self.payload_path, "$.payload")),
            "input": object_at(&path(self.overrides_path, "$")),
        });
        let mut defaults = vec![
            ("job_queue".to_owned(), self.job_queue),
            ("memory".to_owned(), as_text(self.memory, "1024")),
            ("vcpus".to_owned(), as_text(self.vcpus, "1")),
            ("gpu".to_owned(), as_text(self.gpu, "0")),
            ("environment".to_owned(), Value::Object(self.environment.unwrap_or_default())),
            (
                "platform_capabilities".to_owned(),
                self.platform_capabilities.unwrap_or_else(|| value!(["EC2"])),
            ),
            ("bucket_name".to_owned(), self.bucket_name),
            ("job_role_arn".to_owned(), self.job_role_arn.unwrap_or_default()),
            ("command".to_owned(), self.command.unwrap_or_else(|| value!([]))),
        ];
        put_mounts(&mut defaults, self.mount_point_configs, self.as_published == Some(true));
        start.next(
            MergeDefaults::new(format!("Merge {id}"), Value::Object(defaults))
                .input_path("$.input")
                .result_path("$.merged"),
        )
    }
}

settings! {
    /// Runs an executor of the AIBS library in a Batch job, with the payload and the response in
    /// S3.
    ///
    /// The library itself cannot create this state machine: it puts paths into a list, where they
    /// are not evaluated, and refers to a bucket and key that are elsewhere. Here, the command is
    /// built with `States.Array` and refers to the location of the request.
    ///
    /// ```
    /// use stepwright_constructs::fragments::{BatchInvokedExecutorFragment, EnvBase, EnvBaseFragment};
    ///
    /// let env = EnvBase::new("dev", Some("marmotdev"));
    /// let executor = BatchInvokedExecutorFragment::new("Exec", &env, "my-executor")
    ///     .image("$.image")
    ///     .executor("my.module.MyExecutor")
    ///     .job_queue("$.job_queue")
    ///     .bucket_name("my-bucket");
    /// assert!(executor.to_state_machine("exec").template().is_ok());
    /// ```
    pub struct BatchInvokedExecutorFragment {
        required {
            id: String,
            env: EnvBase,
            name: String,
        }
        optional {
            /// The image of the container. Required.
            image: Input,
            /// The qualified name of the executor's class. Required.
            executor: Input,
            /// The queue of the job. Required.
            job_queue: Input,
            /// The name of the bucket for payload and response. Required.
            bucket_name: Input,
            /// The prefix of the keys of payload and response, or its path. Defaults to `scratch/`.
            key_prefix: String,
            /// The payload. Defaults to the whole input.
            payload_path: Input,
            /// The environment variables: an object.
            environment: Input,
            /// The memory in MiB.
            memory: Input,
            /// The number of virtual CPUs.
            vcpus: Input,
            /// Mount points: a list.
            mount_points: Input,
            /// Volumes: a list.
            volumes: Input,
            /// File systems to mount, instead of mount points and volumes.
            mount_point_configs: [MountPointConfiguration],
            /// `["EC2"]` or `["FARGATE"]`.
            platform_capabilities: Input,
            /// The role of the job.
            job_role_arn: Input,
        }
    }
}

impl BatchInvokedExecutorFragment {
    pub(crate) fn build(self) -> EnvFragment {
        let id = self.id;
        let mut missing = Missing::of(&id);
        let image = missing.take("image", self.image);
        let executor = missing.take("executor", self.executor);
        let job_queue = missing.take("job_queue", self.job_queue);
        let bucket = missing.take("bucket_name", self.bucket_name);
        let both = self.mount_points.is_some() || self.volumes.is_some();
        missing.check_mounts(self.mount_point_configs.is_some(), both);
        let key_prefix = self.key_prefix.unwrap_or_else(|| SCRATCH.into());
        let exchange =
            Exchange { id: &id, bucket, key_prefix: &key_prefix, payload: self.payload_path };
        let command = value!([
            "run_cli_executor",
            "--executor",
            executor,
            "--input",
            Exchange::request_uri(),
            "--output-location",
            exchange.response_uri(),
        ]);
        let (mount_points, volumes) = match self.mount_point_configs {
            Some(configurations) => mount_points_and_volumes(&configurations),
            None => (
                self.mount_points.unwrap_or_else(|| value!([])),
                self.volumes.unwrap_or_else(|| value!([])),
            ),
        };
        let mut job = SubmitJobFragment::new(format!("{id}Batch"), &self.env, self.name)
            .job_queue(job_queue)
            .image(image)
            .command(command)
            .mount_points(mount_points)
            .volumes(volumes);
        for (value, set) in [
            (
                self.environment,
                SubmitJobFragment::environment as fn(SubmitJobFragment, Value) -> SubmitJobFragment,
            ),
            (self.memory, SubmitJobFragment::memory),
            (self.vcpus, SubmitJobFragment::vcpus),
            (self.platform_capabilities, SubmitJobFragment::platform_capabilities),
            (self.job_role_arn, SubmitJobFragment::job_role_arn),
        ] {
            if let Some(value) = value {
                job = set(job, value);
            }
        }
        let chain = missing.reported(exchange.around(job));
        let statements = required_statements(&self.env);
        EnvFragment::new(id.clone(), self.env, chain).require(statements)
    }
}
