use crate::common::IntegrationPattern::RunJob;
use crate::duration::{Mebibytes, Seconds};
use crate::fields::{choices, record};
use crate::resources::{Key, Role};
use crate::tasks::bedrock_create_model_customization_job::tag_list;
use crate::tasks::sage_maker_types::{InstanceType, S3DataType, pass};
use crate::tasks::{Compression, Plan, ServiceTask};
use crate::text::local_arn;
use crate::value::Value;
use crate::{Num, Str, object};
use std::time::Duration;

task! {
    /// Starts a SageMaker batch transform job.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let transform = SageMakerCreateTransformJob::new(
    ///     "Batch Inference", "MyTransformJob", "MyModelName",
    ///     TransformInput::new("s3://inputbucket/train"),
    ///     TransformOutput::new("s3://outputbucket/TransformJobOutputPath"),
    /// )
    /// .model_client_options(3, minutes(5))
    /// .transform_resources(TransformResources::new(1, "m4.xlarge"));
    /// assert!(StateMachine::new("Inference", transform).asl().is_ok());
    /// ```
    #[doc(alias = "SagemakerTransformTask")]
    pub struct SageMakerCreateTransformJob [RequestResponse, RunJob] {
        required {
            transform_job_name: Str => "TransformJobName",
            model_name: Str => "ModelName",
            transform_input: TransformInput => "TransformInput",
            transform_output: TransformOutput => "TransformOutput",
        }
        optional {
            /// The number of records in a request.
            batch_strategy: BatchStrategy => "BatchStrategy",
            /// The environment variables.
            environment: {Str} => "Environment",
            /// The largest number of requests at a time.
            max_concurrent_transforms: Num => "MaxConcurrentTransforms",
            /// The largest size of a request.
            max_payload: Mebibytes => "MaxPayloadInMB",
            /// The retries and the time limit of requests; see
            /// [`model_client_options`](SageMakerCreateTransformJob::model_client_options).
            client: ClientOptions,
            /// The role of the job. By default, one with full access to SageMaker is created.
            role: Role,
            /// Tags.
            tags: {Str},
            /// The instances. Defaults to one `m4.xlarge`.
            transform_resources: TransformResources,
        }
    }
}

type ClientOptions = (u32, Duration);

choices! {
    /// The number of records in a request.
    pub enum BatchStrategy {
        /// As many as fit.
        MultiRecord = "MultiRecord",
        /// One.
        SingleRecord = "SingleRecord",
    }
}

choices! {
    /// How files are split into records.
    pub enum SplitType {
        /// Not split: a file is a record.
        None = "None",
        /// Line by line.
        Line = "Line",
        /// As `RecordIO`.
        RecordIo = "RecordIO",
        /// As `TFRecord`.
        TfRecord = "TFRecord",
    }
}

choices! {
    /// How results are assembled.
    pub enum AssembleWith {
        /// Concatenated.
        None = "None",
        /// One on each line.
        Line = "Line",
    }
}

/// The data to transform.
#[derive(Clone, Debug, PartialEq)]
pub struct TransformInput {
    uri: Str,
    data_type: S3DataType,
    members: Vec<(&'static str, Value)>,
}

impl TransformInput {
    /// All S3 objects whose URI begins with this prefix.
    pub fn new(s3_uri: impl Into<Str>) -> Self {
        Self { uri: s3_uri.into(), data_type: S3DataType::S3Prefix, members: Vec::new() }
    }

    /// What the URI means.
    #[must_use]
    pub fn s3_data_type(mut self, data_type: S3DataType) -> Self {
        self.data_type = data_type;
        self
    }

    fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.members.push((key, value.into()));
        self
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

    /// How files are split into records.
    #[must_use]
    pub fn split_type(self, split: SplitType) -> Self {
        self.with("SplitType", split)
    }
}

impl From<TransformInput> for Value {
    fn from(input: TransformInput) -> Self {
        let source = object! {"S3DataSource": {"S3Uri": input.uri, "S3DataType": input.data_type}};
        let mut members = vec![("DataSource".to_owned(), source)];
        members.extend(input.members.into_iter().map(|(key, value)| (key.to_owned(), value)));
        Value::Object(members)
    }
}

record! {
    /// Where the results are written.
    pub struct TransformOutput {
        required { s3_output_path: Str => "S3OutputPath", }
        optional {
            /// The content type of the results.
            accept: Str => "Accept",
            /// How results are assembled.
            assemble_with: AssembleWith => "AssembleWith",
            /// The key with which the results are encrypted.
            encryption_key: Key => "KmsKeyId",
        }
    }
}

record! {
    /// The instances of a transform job.
    pub struct TransformResources {
        required {
            instance_count: Num => "InstanceCount",
            instance_type: InstanceType => "InstanceType",
        }
        optional {
            /// The key with which the volumes are encrypted.
            volume_encryption_key: Key => "VolumeKmsKeyId",
        }
    }
}

impl SageMakerCreateTransformJob {
    /// How often (0 to 3) a request to the model is retried, and its time limit (up to an hour).
    #[must_use]
    pub fn model_client_options(self, max_retries: u32, timeout: Duration) -> Self {
        self.client((max_retries, timeout))
    }
}

impl ServiceTask for SageMakerCreateTransformJob {
    fn plan(&self, plan: &mut Plan) {
        plan.service("sagemaker", "createTransformJob");
        let role = self.role.clone().unwrap_or_else(|| {
            let id = format!("{}/SagemakerTransformRole", self.common.id);
            Role::new(&id, "sagemaker.amazonaws.com").managed_policy("AmazonSageMakerFullAccess")
        });
        plan.uses(role.resources());
        let jobs = local_arn("sagemaker", "transform-job/*");
        plan.allow(
            &[
                "sagemaker:CreateTransformJob",
                "sagemaker:DescribeTransformJob",
                "sagemaker:StopTransformJob",
            ],
            [&jobs],
        );
        plan.allow(&["sagemaker:ListTags"], ["*"]);
        plan.state(pass(&role));
        if plan.is(RunJob) {
            plan.allow_events("StepFunctionsGetEventsForSageMakerTransformJobsRule");
            plan.allow(&["sagemaker:AddTags"], [&jobs]);
        }
        if let Some((retries, timeout)) = self.client {
            if retries > 3 || !(1..=3_600).contains(&timeout.as_secs()) {
                plan.problem(
                    "a request to the model is tried again 0 to 3 times, for up to an hour",
                );
            }
            plan.put(
                "ModelClientConfig",
                object! {
                    "InvocationsMaxRetries": retries,
                    "InvocationsTimeoutInSeconds": Seconds::from(timeout),
                },
            );
        }
        let default = || TransformResources::new(1, "m4.xlarge");
        plan.put("TransformResources", self.transform_resources.clone().unwrap_or_else(default));
        plan.maybe("Tags", self.tags.as_ref().map(|tags| tag_list(tags)));
        self.put_fields(plan);
    }
}
