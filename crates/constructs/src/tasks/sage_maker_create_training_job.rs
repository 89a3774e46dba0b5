use crate::common::IntegrationPattern::RunJob;
use crate::duration::{Gibibytes, Seconds};
use crate::fields::{choices, record};
use crate::iam::Statement;
use crate::resources::{Key, Role};
use crate::tasks::bedrock_create_model_customization_job::tag_list;
use crate::tasks::sage_maker_types::{
    DockerImage, InstanceType, S3DataType, S3Location, network_statement, pass, role_of, vpc,
    work_statement,
};
use crate::tasks::{Plan, ServiceTask};
use crate::text::{Text, local_arn, text};
use crate::value::Value;
use crate::{Flag, Input, Items, Num, Str, gibibytes, hours, object};

task! {
    /// Starts a SageMaker training job.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let train = SageMakerCreateTrainingJob::new(
    ///     "TrainSagemaker", string_at("$.JobName"),
    ///     TrainingAlgorithm::named("BlazingText").training_input_mode(InputMode::File),
    ///     TrainingOutput::new(S3Location::from_bucket(Bucket::from_name("amzn-s3-demo-bucket"), "myoutputpath")),
    /// )
    /// .input_data_config([Channel::new("train", S3Location::at("$.S3Bucket"))])
    /// .resource_config(TrainingResources::new(1, "p3.2xlarge", gibibytes(50)))
    /// .stopping_condition(hours(1));
    /// assert!(StateMachine::new("Training", train).asl().is_ok());
    /// ```
    #[doc(alias = "SagemakerTrainTask")]
    pub struct SageMakerCreateTrainingJob [RequestResponse, RunJob] {
        required {
            training_job_name: Str => "TrainingJobName",
            algorithm_specification: TrainingAlgorithm,
            output_data_config: TrainingOutput => "OutputDataConfig",
        }
        optional {
            /// The named inputs of the algorithm, for algorithms that have any.
            input_data_config: [Channel] => "InputDataConfig",
            /// Whether the containers are isolated from the network.
            enable_network_isolation: Flag => "EnableNetworkIsolation",
            /// The environment variables.
            environment: {Str} => "Environment",
            /// The hyperparameters of the algorithm: an object.
            hyperparameters: Input => "HyperParameters",
            /// The instances. Defaults to one `m4.xlarge` with 10 GiB.
            resource_config: TrainingResources,
            /// The role of the job. By default, one is created.
            role: Role,
            /// The time limit of the job. Defaults to an hour.
            stopping_condition: Seconds,
            /// Tags.
            tags: {Str},
            /// The subnets of the job. Requires `security_groups`.
            subnets: [Text],
            /// The security groups of the job. Requires `subnets`.
            security_groups: [Text],
        }
    }
}

/// The algorithm for training: one of SageMaker's or your own, by name or as an image.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingAlgorithm {
    name: Option<Str>,
    image: Option<DockerImage>,
    input_mode: InputMode,
    metrics: Option<Vec<MetricDefinition>>,
}

choices! {
    /// How data are provided to the container.
    pub enum InputMode {
        /// As a stream.
        Pipe = "Pipe",
        /// As files that are copied before the job starts.
        File = "File",
        /// As files that are fetched when they are read.
        FastFile = "FastFile",
    }
}

record! {
    /// A metric that is extracted from the log.
    pub struct MetricDefinition {
        required { name: Str => "Name", regex: Str => "Regex", }
        optional {}
    }
}

impl TrainingAlgorithm {
    /// An algorithm by name or ARN.
    pub fn named(name: impl Into<Str>) -> Self {
        Self { name: Some(name.into()), image: None, input_mode: InputMode::File, metrics: None }
    }

    /// An image, literal or computed.
    pub fn image(image: impl Into<DockerImage>) -> Self {
        Self { name: None, image: Some(image.into()), input_mode: InputMode::File, metrics: None }
    }

    /// How data are provided to the container. Defaults to files.
    #[must_use]
    pub fn training_input_mode(mut self, mode: InputMode) -> Self {
        self.input_mode = mode;
        self
    }

    /// Metrics that are extracted from the log.
    #[must_use]
    pub fn metric_definitions(
        mut self,
        metrics: impl IntoIterator<Item = MetricDefinition>,
    ) -> Self {
        self.metrics = Some(metrics.into_iter().collect());
        self
    }

    fn to_value(&self) -> Value {
        let mut members = vec![("TrainingInputMode".to_owned(), Value::from(self.input_mode))];
        let mut put = |key: &str, value: Option<Value>| {
            members.extend(value.map(|value| (key.to_owned(), value)));
        };
        put("TrainingImage", self.image.clone().map(Value::from));
        put("AlgorithmName", self.name.clone().map(Value::from));
        put("MetricDefinitions", self.metrics.clone().map(Value::from));
        Value::Object(members)
    }
}

/// A channel: a named input of the algorithm.
#[derive(Clone, Debug, PartialEq)]
pub struct Channel {
    name: Str,
    location: S3Location,
    source: Vec<(&'static str, Value)>,
    members: Vec<(&'static str, Value)>,
}

choices! {
    /// How data are distributed over instances.
    #[doc(alias = "S3DataDistributionType")]
    pub enum S3DataDistribution {
        /// Every instance gets all data.
        FullyReplicated = "FullyReplicated",
        /// Every instance gets a part of the data.
        ShardedByS3Key = "ShardedByS3Key",
    }
}

choices! {
    /// How data are compressed.
    #[doc(alias = "CompressionType")]
    pub enum Compression {
        /// Not compressed.
        None = "None",
        /// With gzip.
        Gzip = "Gzip",
    }
}

choices! {
    /// How records are wrapped.
    #[doc(alias = "RecordWrapperType")]
    pub enum RecordWrapper {
        /// Not wrapped.
        None = "None",
        /// As `RecordIO`.
        RecordIo = "RecordIO",
    }
}

impl Channel {
    /// Data in S3.
    pub fn new(name: impl Into<Str>, location: S3Location) -> Self {
        Self { name: name.into(), location, source: Vec::new(), members: Vec::new() }
    }

    fn in_source(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.source.push((key, value.into()));
        self
    }

    fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.members.push((key, value.into()));
        self
    }

    /// What the location means. Defaults to a prefix of keys.
    #[must_use]
    pub fn s3_data_type(self, data_type: S3DataType) -> Self {
        self.in_source("S3DataType", data_type)
    }

    /// How data are distributed over instances.
    #[must_use]
    pub fn s3_data_distribution(self, distribution: S3DataDistribution) -> Self {
        self.in_source("S3DataDistributionType", distribution)
    }

    /// The attributes to read from an augmented manifest.
    #[must_use]
    pub fn attribute_names(self, names: impl Into<Items>) -> Self {
        self.in_source("AttributeNames", names.into())
    }

    /// How the data are compressed.
    #[must_use]
    pub fn compression_type(self, compression: Compression) -> Self {
        self.with("CompressionType", compression)
    }

    /// The content type of the data: `text/csv`.
    #[must_use]
    pub fn content_type(self, content_type: impl Into<Str>) -> Self {
        self.with("ContentType", content_type.into())
    }

    /// How the data of this channel are provided to the container.
    #[must_use]
    pub fn input_mode(self, mode: InputMode) -> Self {
        self.with("InputMode", mode)
    }

    /// How records are wrapped.
    #[must_use]
    pub fn record_wrapper_type(self, wrapper: RecordWrapper) -> Self {
        self.with("RecordWrapperType", wrapper)
    }

    /// The seed with which the order of the data is shuffled. The CDK takes it and does not write it.
    #[doc(alias = "shuffleConfig")]
    #[must_use]
    pub fn shuffle_seed(self, seed: impl Into<Num>) -> Self {
        self.with("ShuffleConfig", object! {"Seed": seed.into()})
    }
}

impl From<Channel> for Value {
    fn from(channel: Channel) -> Self {
        let owned = |pairs: Vec<(&str, Value)>| {
            pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Vec<_>>()
        };
        let mut source = vec![("S3Uri".to_owned(), channel.location.into())];
        if !channel.source.iter().any(|(key, _)| *key == "S3DataType") {
            source.push(("S3DataType".to_owned(), S3DataType::S3Prefix.into()));
        }
        source.extend(owned(channel.source));
        let mut members = vec![
            ("ChannelName".to_owned(), channel.name.into()),
            ("DataSource".to_owned(), object! {"S3DataSource": Value::Object(source)}),
        ];
        members.extend(owned(channel.members));
        Value::Object(members)
    }
}

/// Where the model is written.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingOutput {
    location: S3Location,
    key: Option<Key>,
}

impl TrainingOutput {
    /// A place in S3.
    pub fn new(location: S3Location) -> Self {
        Self { location, key: None }
    }

    /// The key with which the model is encrypted.
    #[must_use]
    pub fn encryption_key(mut self, key: impl Into<Key>) -> Self {
        self.key = Some(key.into());
        self
    }
}

impl From<TrainingOutput> for Value {
    fn from(output: TrainingOutput) -> Self {
        let mut members = vec![("S3OutputPath".to_owned(), output.location.into())];
        members.extend(output.key.map(|key| ("KmsKeyId".to_owned(), key.arn().into())));
        Value::Object(members)
    }
}

record! {
    /// The instances of a training job.
    pub struct TrainingResources {
        required {
            instance_count: Num => "InstanceCount",
            instance_type: InstanceType => "InstanceType",
            volume_size: Gibibytes => "VolumeSizeInGB",
        }
        optional {
            /// The key with which the volumes are encrypted.
            volume_encryption_key: Key => "VolumeKmsKeyId",
        }
    }
}

impl ServiceTask for SageMakerCreateTrainingJob {
    fn plan(&self, plan: &mut Plan) {
        plan.service("sagemaker", "createTrainingJob");
        let mut own = work_statement();
        if self.subnets.is_some() {
            own.actions.extend(network_statement().actions);
        }
        let own = ("CreateTrainingJob", own);
        let role = role_of(plan, &self.common.id, self.role.as_ref(), own, self.permissions());
        let name = match self.training_job_name.value.known() {
            Some(name) => text!(name, "*"),
            None => "*".into(),
        };
        let jobs = local_arn("sagemaker", text!("training-job/", name));
        plan.allow(
            &[
                "sagemaker:CreateTrainingJob",
                "sagemaker:DescribeTrainingJob",
                "sagemaker:StopTrainingJob",
            ],
            [&jobs],
        );
        plan.allow(&["sagemaker:ListTags"], ["*"]);
        plan.allow(&["sagemaker:AddTags"], [&jobs]);
        plan.state(pass(&role));
        if plan.is(RunJob) {
            plan.allow_events("StepFunctionsGetEventsForSageMakerTrainingJobsRule");
        }
        plan.put("RoleArn", role.value());
        plan.put("AlgorithmSpecification", self.algorithm_specification.to_value());
        let default = || TrainingResources::new(1, "m4.xlarge", gibibytes(10));
        plan.put("ResourceConfig", self.resource_config.clone().unwrap_or_else(default));
        let time = self.stopping_condition.clone().unwrap_or_else(|| hours(1).into());
        plan.put("StoppingCondition", object! {"MaxRuntimeInSeconds": time});
        plan.maybe("Tags", self.tags.as_ref().map(|tags| tag_list(tags)));
        let network = vpc(self.subnets.as_ref(), self.security_groups.as_ref(), plan);
        plan.maybe("VpcConfig", network);
        self.put_fields(plan);
    }
}

impl SageMakerCreateTrainingJob {
    /// The permissions of its role.
    fn permissions(&self) -> Vec<Statement> {
        let output = &self.output_data_config;
        let volumes =
            self.resource_config.as_ref().and_then(|all| all.volume_encryption_key.as_ref());
        let mut permissions: Vec<Statement> = output.key.iter().map(Key::encrypting).collect();
        permissions.extend(volumes.map(|key| Statement::allow(["kms:CreateGrant"], [key.arn()])));
        let image = self.algorithm_specification.image.as_ref();
        permissions.extend(image.into_iter().flat_map(DockerImage::fetching));
        let channels = self.input_data_config.iter().flatten();
        permissions.extend(channels.map(|channel| channel.location.reading()));
        permissions.push(output.location.writing());
        permissions
    }
}
