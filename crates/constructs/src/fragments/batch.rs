use crate::chain::{Chain, Chainable, Nextable};
use crate::common::{WithData, WithErrors, WithResultPath};
use crate::fields::settings;
use crate::fragments::base::env_fragment;
use crate::fragments::batch_invoked::Missing;
use crate::fragments::mount_point::mount_points_and_volumes;
use crate::fragments::{
    EnvBase, EnvFragment, MountPointConfiguration, convert_reference_paths,
    convert_to_sfn_api_action_case, enclose_chainable,
};
use crate::json_path::{format_text, json_merge, object_at, string_at, uuid, value_at};
use crate::retry::Catch;
use crate::states::{CustomState, Fail, Pass};
use crate::value::Value;
use crate::{Input, object, value};

settings! {
    /// Registers a Batch job definition. The result has `JobDefinitionArn`, `JobDefinitionName` and
    /// `Revision`.
    ///
    /// Values may be literals or paths (`"$.image"`).
    pub struct RegisterJobDefinition {
        required { id: String, job_definition_name: Input, image: Input, }
        optional {
            /// The command: a list.
            command: Input,
            /// The role of the job.
            job_role_arn: Input,
            /// The environment variables: an object.
            environment: Input,
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
            /// `["EC2"]` or `["FARGATE"]`.
            platform_capabilities: Input,
            /// Where the result is put.
            result_path: String,
            /// The part of the output that is passed on.
            output_path: String,
        }
    }
}

settings! {
    /// Submits a Batch job and waits for its end. The result has `JobName`, `JobId` and `JobArn`.
    ///
    /// Values may be literals or paths (`"$.queue"`).
    pub struct SubmitJob {
        required { id: String, job_name: Input, job_definition: Input, job_queue: Input, }
        optional {
            /// The values of placeholders in the job definition: an object.
            parameters: Input,
            /// The command: a list.
            command: Input,
            /// The environment variables: an object.
            environment: Input,
            /// The memory in MiB.
            memory: Input,
            /// The number of virtual CPUs.
            vcpus: Input,
            /// The number of GPUs; 0 for none.
            gpu: Input,
            /// Where the result is put.
            result_path: String,
            /// The part of the output that is passed on.
            output_path: String,
        }
    }
}

settings! {
    /// Deregisters a job definition.
    pub struct DeregisterJobDefinition {
        required { id: String, job_definition: Input, }
        optional {
            /// Where the result is put.
            result_path: String,
            /// The part of the output that is passed on.
            output_path: String,
        }
    }
}

/// An object of those members that have a value, in order.
fn members<const N: usize>(pairs: [(&str, Option<Value>); N]) -> Value {
    let given = pairs.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(given.collect())
}

/// Environment variables, given by name, in the form that Batch takes. A path is left unchanged.
fn environment_pairs(environment: Option<Value>) -> Value {
    match environment.unwrap_or_else(Value::empty) {
        Value::Object(mut variables) => {
            variables.retain(|(_, value)| *value != Value::Null);
            variables.sort_by(|(a, _), (b, _)| a.cmp(b));
            let pair = |(name, value): (String, Value)| object! {"Name": name, "Value": value};
            Value::List(variables.into_iter().map(pair).collect())
        }
        computed => computed,
    }
}

fn resource_requirements(
    gpu: Option<&Value>,
    memory: Option<&Value>,
    vcpus: Option<&Value>,
) -> Value {
    let pairs = [("GPU", gpu), ("MEMORY", memory), ("VCPU", vcpus)];
    let requirements = pairs.into_iter().filter_map(|(kind, value)| {
        let value = match value? {
            Value::Scalar(number) => number.to_string().into(),
            other => other.clone(),
        };
        Some(object! {"Type": kind, "Value": value})
    });
    Value::List(requirements.collect())
}

/// A call of Batch: a Pass that prepares the request, the removal of resources that are 0, and the
/// call itself.
struct Submission<'c> {
    id: &'c str,
    /// Part of the names of the states.
    prepared: &'c str,
    filtered: Option<(String, &'c str)>,
    name: &'c str,
    resource: &'c str,
    result_selector: Option<Value>,
    result_path: Option<String>,
    output_path: Option<String>,
}

impl Submission<'_> {
    fn chain(self, request: Value) -> Chain {
        let result_path = self.result_path.unwrap_or_else(|| "$".into());
        let keys: Vec<String> = match &request {
            Value::Object(members) => members.iter().map(|(key, _)| key.clone()).collect(),
            _ => Vec::new(),
        };
        let prepare = Pass::new(format!("{} {}", self.id, self.prepared))
            .parameters(convert_reference_paths(request))
            .result_path(result_path.as_str());
        let parameters = keys
            .into_iter()
            .map(|key| (key.clone(), Value::Expression(format!("{result_path}.{key}").into())))
            .collect();
        let mut state = vec![
            ("Type".to_owned(), "Task".into()),
            ("Resource".to_owned(), format!("arn:aws:states:::{}", self.resource).into()),
            ("Parameters".to_owned(), Value::Object(parameters)),
        ];
        state.extend(self.result_selector.map(|selector| ("ResultSelector".to_owned(), selector)));
        state.push(("ResultPath".to_owned(), result_path.as_str().into()));
        state
            .push(("OutputPath".to_owned(), self.output_path.unwrap_or_else(|| "$".into()).into()));
        // Retried for three minutes.
        state.push((
            "Retry".to_owned(),
            value!([{
                "ErrorEquals": ["Batch.BatchException"],
                "IntervalSeconds": 3,
                "MaxAttempts": 7,
                "BackoffRate": 2,
                "JitterStrategy": "FULL",
            }]),
        ));
        let call = CustomState::new(format!("{} {}", self.id, self.name), Value::Object(state));
        match self.filtered {
            Some((name, member)) => {
                let path = format!("{result_path}.{member}.ResourceRequirements");
                let filter = Pass::new(format!("{} {name}", self.id))
                    .input_path(format!("{path}[?(@.Value != 0 && @.Value != '0')]"))
                    .result_path(path);
                prepare.next(filter).next(call)
            }
            None => prepare.next(call),
        }
    }
}

fn selected(names: [&str; 3]) -> Value {
    Value::Object(
        names.map(|name| (name.to_owned(), Value::Expression(format!("$.{name}").into()))).to_vec(),
    )
}

impl Chainable for RegisterJobDefinition {
    fn into_chain(self) -> Chain {
        let name = format_text(
            "{}-{}",
            [convert_reference_paths(self.job_definition_name), uuid().into()],
        );
        let properties = members([
            ("Image", Some(self.image)),
            ("Command", self.command),
            ("Environment", Some(environment_pairs(self.environment))),
            (
                "ResourceRequirements",
                Some(resource_requirements(
                    self.gpu.as_ref(),
                    self.memory.as_ref(),
                    self.vcpus.as_ref(),
                )),
            ),
            // boto writes the members of these in camel case.
            ("MountPoints", self.mount_points.map(convert_to_sfn_api_action_case)),
            ("Volumes", self.volumes.map(convert_to_sfn_api_action_case)),
            ("JobRoleArn", self.job_role_arn),
        ]);
        let request = members([
            ("JobDefinitionName", Some(name.into())),
            ("Type", Some("container".into())),
            ("ContainerProperties", Some(properties)),
            ("RetryStrategy", Some(retry_strategy())),
            ("PlatformCapabilities", self.platform_capabilities),
        ]);
        let call = Submission {
            id: &self.id,
            prepared: "RegisterJobDefinition Prep",
            filtered: self.gpu.is_some().then(|| {
                (
                    "Register Definition Filter Resource Requirements".to_owned(),
                    "ContainerProperties",
                )
            }),
            name: "RegisterJobDefinition API Call",
            resource: "aws-sdk:batch:registerJobDefinition",
            result_selector: Some(selected(["JobDefinitionArn", "JobDefinitionName", "Revision"])),
            result_path: self.result_path,
            output_path: self.output_path,
        };
        call.chain(request)
    }
}

/// A job is retried if its instance was taken away or its image could not be fetched.
fn retry_strategy() -> Value {
    object! {
        "Attempts": 5,
        "EvaluateOnExit": [
            {
                "Action": "RETRY",
                "OnStatusReason": "Task failed to start",
                "OnReason": "DockerTimeoutError*",
            },
            {"Action": "RETRY", "OnStatusReason": "Host EC2*"},
            {"Action": "EXIT", "OnStatusReason": "*"},
        ],
    }
}

impl Chainable for SubmitJob {
    fn into_chain(self) -> Chain {
        let name = match self.job_name.as_literal() {
            Some(name) if !name.starts_with('$') => format_text(format!("{name}-{{}}"), [uuid()]),
            _ => format_text("{}-{}", [convert_reference_paths(self.job_name), uuid().into()]),
        };
        let overrides = members([
            ("Command", self.command),
            ("Environment", Some(environment_pairs(self.environment))),
            (
                "ResourceRequirements",
                Some(resource_requirements(
                    self.gpu.as_ref(),
                    self.memory.as_ref(),
                    self.vcpus.as_ref(),
                )),
            ),
        ]);
        let parameters = self.parameters.unwrap_or_else(Value::empty);
        let request = members([
            ("JobName", Some(name.into())),
            ("JobDefinition", Some(self.job_definition)),
            ("JobQueue", Some(self.job_queue)),
            ("Parameters", Some(convert_to_sfn_api_action_case(parameters))),
            ("ContainerOverrides", Some(overrides)),
        ]);
        let call = Submission {
            id: &self.id,
            prepared: "SubmitJob Prep",
            filtered: self.gpu.is_some().then(|| {
                ("SubmitJob Filter Resource Requirements".to_owned(), "ContainerOverrides")
            }),
            name: "SubmitJob API Call",
            resource: "batch:submitJob.sync",
            result_selector: Some(selected(["JobName", "JobId", "JobArn"])),
            result_path: self.result_path,
            output_path: self.output_path,
        };
        call.chain(request)
    }
}

impl Chainable for DeregisterJobDefinition {
    fn into_chain(self) -> Chain {
        let call = Submission {
            id: &self.id,
            prepared: "DeregisterJobDefinition Prep",
            filtered: None,
            name: "DeregisterJobDefinition API Call",
            resource: "aws-sdk:batch:deregisterJobDefinition",
            result_selector: None,
            result_path: self.result_path,
            output_path: self.output_path,
        };
        call.chain(object! {"JobDefinition": self.job_definition})
    }
}

impl Nextable for RegisterJobDefinition {}
impl Nextable for SubmitJob {}
impl Nextable for DeregisterJobDefinition {}

settings! {
    /// Registers a job definition, runs a job with it, and deregisters it again, even after a
    /// failure.
    ///
    /// ```
    /// use stepwright_constructs::fragments::{EnvBase, EnvBaseFragment, SubmitJobFragment};
    /// use stepwright_constructs::prelude::*;
    ///
    /// let env = EnvBase::new("dev", Some("marmotdev"));
    /// let submit = SubmitJobFragment::new("Submit", &env, "my-job")
    ///     .job_queue("$.job_queue")
    ///     .image("$.image")
    ///     .command(value!(["echo", "$.text"]))
    ///     .memory(1024)
    ///     .vcpus(1);
    /// assert!(submit.to_state_machine("submit").template().is_ok());
    /// ```
    pub struct SubmitJobFragment {
        required { id: String, env: EnvBase, name: Input, }
        optional {
            /// The queue of the job. Required.
            job_queue: Input,
            /// The image of the container. Required.
            image: Input,
            /// The command: a list.
            command: Input,
            /// The environment variables: an object.
            environment: Input,
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
            /// `["EC2"]` or `["FARGATE"]`.
            platform_capabilities: Input,
            /// The role of the job.
            job_role_arn: Input,
            /// Values for what the input does not contain; see
            /// [`SubmitJobFragment::from_defaults`].
            defaults: Input,
        }
    }
}

env_fragment!(SubmitJobFragment);

impl SubmitJobFragment {
    /// A fragment whose input describes the job, with these defaults.
    pub fn from_defaults(
        id: impl Into<String>,
        env: impl Into<EnvBase>,
        name: impl Into<Value>,
        defaults: JobDefaults,
    ) -> Self {
        let request = |member: &str| format!("$.request.{member}");
        Self::new(id, env, name)
            .job_queue(request("job_queue"))
            .image(request("image"))
            .command(request("command"))
            .environment(request("environment"))
            .memory(request("memory"))
            .vcpus(request("vcpus"))
            .gpu(request("gpu"))
            .mount_points(request("mount_points"))
            .volumes(request("volumes"))
            .platform_capabilities(request("platform_capabilities"))
            .job_role_arn(request("job_role_arn"))
            .defaults(defaults.into_value())
    }

    pub(crate) fn build(self) -> EnvFragment {
        let id = self.id.clone();
        let mut missing = Missing::of(&id);
        let image = missing.take("image", self.image);
        let job_queue = missing.take("job_queue", self.job_queue);
        let registered = "$.taskResult.register.JobDefinitionArn";
        let mut register = RegisterJobDefinition::new(&id, self.name.clone(), image);
        register.command.clone_from(&self.command);
        register.memory.clone_from(&self.memory);
        register.vcpus.clone_from(&self.vcpus);
        register.gpu.clone_from(&self.gpu);
        register.mount_points = self.mount_points;
        register.volumes = self.volumes;
        register.platform_capabilities = self.platform_capabilities;
        register.job_role_arn = self.job_role_arn;
        let mut submit = SubmitJob::new(&id, self.name, registered, job_queue);
        submit.command = self.command;
        submit.environment = self.environment;
        submit.memory = self.memory;
        submit.vcpus = self.vcpus;
        submit.gpu = self.gpu;

        let enclose = |name: String, chain: Chain, result: &str| {
            enclose_chainable(&name, chain, None, Some(format!("$.taskResult.{result}").into()))
        };
        let deregister = |id: &str| DeregisterJobDefinition::new(id, registered).into_chain();
        let failed = enclose(
            format!("{id} Deregister FAIL"),
            deregister(&format!("{id} FAIL")),
            "deregister",
        )
        .next(
            Fail::new(format!("{id} FAIL"))
                .cause_path(string_at("$.taskResult.submit.Cause"))
                .error_path(string_at("$.taskResult.submit.Error")),
        );
        let run = enclose(format!("{id} Submit"), submit.into_chain(), "submit")
            .to_single_state(format!("{id} Enclosure"))
            .output_path("$[0]")
            .catch_with(Catch::on(["States.ALL"]).result_path("$.taskResult.submit"), failed);
        let definition = enclose(format!("{id} Register"), register.into_chain(), "register")
            .next(run)
            .next(enclose(format!("{id} Deregister"), deregister(&id), "deregister"));
        let definition = match self.defaults {
            Some(defaults) => Pass::new("Start")
                .parameters(object! {"input": value_at("$"), "default": defaults})
                .next(Pass::new("Merge").parameters(object! {
                    "request": json_merge(object_at("$.default"), object_at("$.input")),
                }))
                .next(definition),
            None => definition,
        };
        EnvFragment::new(id, self.env, missing.reported(definition))
    }
}

settings! {
    /// The defaults of a job, for what the input does not contain.
    pub struct JobDefaults {
        required { job_queue: Input, image: Input, }
        optional {
            /// The command.
            command: Input,
            /// The memory in MiB. Defaults to 1024.
            memory: Input,
            /// The number of virtual CPUs. Defaults to 1.
            vcpus: Input,
            /// The number of GPUs. Defaults to none.
            gpu: Input,
            /// The environment variables: an object.
            environment: Input,
            /// File systems to mount.
            mount_point_configs: [MountPointConfiguration],
            /// The role of the job.
            job_role_arn: Input,
            /// Leaves out the mount points and volumes if there are none, as the published library
            /// does. A job then fails unless its input has them.
            as_published: bool,
        }
    }
}

impl JobDefaults {
    fn into_value(self) -> Value {
        let mut defaults = vec![
            ("command".to_owned(), self.command.unwrap_or_else(|| "".into())),
            ("job_queue".to_owned(), self.job_queue),
            ("environment".to_owned(), self.environment.unwrap_or_else(Value::empty)),
            ("image".to_owned(), self.image),
            ("memory".to_owned(), as_text(self.memory, "1024")),
            ("vcpus".to_owned(), as_text(self.vcpus, "1")),
            ("gpu".to_owned(), as_text(self.gpu, "0")),
            ("platform_capabilities".to_owned(), value!(["EC2"])),
            ("job_role_arn".to_owned(), self.job_role_arn.unwrap_or_default()),
        ];
        put_mounts(&mut defaults, self.mount_point_configs, self.as_published == Some(true));
        Value::Object(defaults)
    }
}

/// Adds the mount points and volumes to the defaults of a job. Without file systems, they are empty
/// lists, because the job refers to them.
pub(crate) fn put_mounts(
    defaults: &mut Vec<(String, Value)>,
    configurations: Option<Vec<MountPointConfiguration>>,
    as_published: bool,
) {
    if configurations.is_none() && as_published {
        return;
    }
    let (mount_points, volumes) =
        mount_points_and_volumes(configurations.as_deref().unwrap_or_default());
    defaults.push(("mount_points".to_owned(), mount_points));
    defaults.push(("volumes".to_owned(), volumes));
}

/// A number as text, because Batch takes numbers as text.
pub(crate) fn as_text(value: Option<Value>, default: &str) -> Value {
    match value {
        Some(Value::Scalar(number)) => number.to_string().into(),
        Some(other) => other,
        None => default.into(),
    }
}
