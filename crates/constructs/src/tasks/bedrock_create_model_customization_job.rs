use crate::fields::choices;
use crate::iam::Statement;
use crate::resources::{Bucket, Key, Role};
use crate::tasks::{BedrockModel, Plan, ServiceTask};
use crate::text::{Text, local_arn, text};
use crate::value::Value;
use crate::{Str, object};

task! {
    /// Starts a Bedrock job that customises a model.
    ///
    /// For `RUN_JOB`, the CDK writes the same definition, without `.sync`. Here, `RUN_JOB` is
    /// refused.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let adapt = BedrockCreateModelCustomizationJob::new(
    ///     "Adapt", BedrockModel::foundation("amazon.titan-text-express-v1"), "my-model", "my-job",
    ///     BucketPath::new(Bucket::from_name("in"), "train.json"),
    ///     BucketPath::new(Bucket::from_name("out"), "models/"),
    /// )
    /// .validation_data([BucketPath::new(Bucket::from_name("in"), "validate.json")]);
    /// assert!(StateMachine::new("Adapting", adapt).asl().is_ok());
    /// ```
    pub struct BedrockCreateModelCustomizationJob [RequestResponse] {
        required {
            base_model: BedrockModel => "BaseModelIdentifier",
            custom_model_name: Str => "CustomModelName",
            job_name: Str => "JobName",
            training_data: BucketPath,
            output_data: BucketPath,
        }
        optional {
            /// Makes the request safe to repeat.
            client_request_token: Str => "ClientRequestToken",
            /// How the model is customised.
            customization_type: CustomizationType => "CustomizationType",
            /// The key with which the model is encrypted.
            custom_model_kms_key: Key,
            /// Tags of the model: at most 200.
            custom_model_tags: {Str},
            /// Hyperparameters of the training.
            hyper_parameters: {Str} => "HyperParameters",
            /// Tags of the job: at most 200.
            job_tags: {Str},
            /// The data for validation, from 1 to 10 places. Alternatively, set the hyperparameter
            /// `Evaluation percentage`.
            validation_data: [BucketPath],
            /// The role with which the job reads and writes. By default, one is created.
            role: Role,
            /// The subnets of the job: at most 16.
            subnets: [Text],
            /// The security groups of the job: at most 5.
            security_groups: [Text],
        }
    }
}

choices! {
    /// How a model is customised.
    pub enum CustomizationType {
        /// With pairs of questions and answers.
        FineTuning = "FINE_TUNING",
        /// With text that has no labels.
        ContinuedPreTraining = "CONTINUED_PRE_TRAINING",
        /// With the answers of a larger model.
        Distillation = "DISTILLATION",
    }
}

/// A path in a bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct BucketPath {
    bucket: Bucket,
    path: Option<String>,
}

impl BucketPath {
    /// A path in a bucket.
    pub fn new(bucket: impl Into<Bucket>, path: &str) -> Self {
        Self { bucket: bucket.into(), path: Some(path.to_owned()) }
    }

    /// A whole bucket.
    pub fn bucket(bucket: impl Into<Bucket>) -> Self {
        Self { bucket: bucket.into(), path: None }
    }

    fn to_value(&self) -> Value {
        let uri = text!("s3://", self.bucket.name());
        let uri = match &self.path {
            Some(path) => text!(uri, "/", path.as_str()),
            None => uri,
        };
        object! {"S3Uri": uri}
    }

    fn arns(&self) -> [Text; 2] {
        [self.bucket.arn(), text!(self.bucket.arn(), "/*")]
    }
}

impl ServiceTask for BedrockCreateModelCustomizationJob {
    fn plan(&self, plan: &mut Plan) {
        plan.service("bedrock", "createModelCustomizationJob");
        self.check(plan);
        let role = self.role.clone().unwrap_or_else(|| self.default_role());
        plan.uses(role.resources());
        for place in self.places() {
            plan.uses(place.bucket.resources());
        }
        plan.allow(
            &["bedrock:CreateModelCustomizationJob", "bedrock:TagResource"],
            [
                self.base_model.0.clone(),
                local_arn("bedrock", "custom-model/*"),
                local_arn("bedrock", "model-customization-job/*"),
            ],
        );
        plan.allow(&["iam:PassRole"], [role.arn()]);
        self.put_fields(plan);
        plan.maybe("CustomModelKmsKeyId", self.custom_model_kms_key.as_ref().map(Key::arn));
        plan.maybe("CustomModelTags", self.custom_model_tags.as_ref().map(|tags| tag_list(tags)));
        plan.maybe("JobTags", self.job_tags.as_ref().map(|tags| tag_list(tags)));
        plan.put("OutputDataConfig", self.output_data.to_value());
        plan.put("RoleArn", role.value());
        plan.put("TrainingDataConfig", self.training_data.to_value());
        plan.maybe(
            "ValidationDataConfig",
            self.validation_data.as_ref().map(|places| {
                let places: Vec<Value> = places.iter().map(BucketPath::to_value).collect();
                object! {"Validators": places}
            }),
        );
        if let (Some(subnets), Some(groups)) = (&self.subnets, &self.security_groups) {
            plan.put(
                "VpcConfig",
                object! {
                    "SecurityGroupIds": groups.clone(), "SubnetIds": subnets.clone(),
                },
            );
        }
    }
}

/// Tags in the form that most services take.
pub(crate) fn tag_list(tags: &[(String, Str)]) -> Value {
    let tag = |(key, value): &(String, Str)| object! {"Key": key, "Value": value.clone()};
    Value::List(tags.iter().map(tag).collect())
}

impl BedrockCreateModelCustomizationJob {
    fn places(&self) -> impl Iterator<Item = &BucketPath> {
        [&self.training_data, &self.output_data]
            .into_iter()
            .chain(self.validation_data.iter().flatten())
    }

    fn check(&self, plan: &mut Plan) {
        let has_percentage =
            self.hyper_parameters.iter().flatten().any(|(name, _)| name == "Evaluation percentage");
        let validation = self.validation_data.as_ref().map(Vec::len);
        if validation.is_none() && !has_percentage {
            plan.problem(
                "there has to be `validation_data` or the hyperparameter `Evaluation percentage`",
            );
        }
        let counts = [
            ("validation_data", validation, 1, 10),
            ("subnets", self.subnets.as_ref().map(Vec::len), 1, 16),
            ("security_groups", self.security_groups.as_ref().map(Vec::len), 1, 5),
            ("custom_model_tags", self.custom_model_tags.as_ref().map(Vec::len), 0, 200),
            ("job_tags", self.job_tags.as_ref().map(Vec::len), 0, 200),
        ];
        for (name, count, least, most) in counts {
            if count.is_some_and(|count| !(least..=most).contains(&count)) {
                plan.problem(format!("`{name}` has {least} to {most} items"));
            }
        }
        if self.subnets.is_some() != self.security_groups.is_some() {
            plan.problem("`subnets` and `security_groups` go together");
        }
        for (name, value) in
            [("custom_model_name", &self.custom_model_name), ("job_name", &self.job_name)]
        {
            let length = value.value.as_literal().map(|text| text.chars().count());
            if length.is_some_and(|length| !(1..=63).contains(&length)) {
                plan.problem(format!("`{name}` has 1 to 63 characters"));
            }
        }
    }

    /// A role that may read the data and write the model.
    fn default_role(&self) -> Role {
        let read: Vec<Text> = std::iter::once(&self.training_data)
            .chain(self.validation_data.iter().flatten())
            .flat_map(BucketPath::arns)
            .collect();
        let role = Role::new(&format!("{}/BedrockRole", self.common.id), "bedrock.amazonaws.com")
            .allow(Statement::allow(["s3:GetObject", "s3:ListBucket"], read))
            .allow(Statement::allow(
                ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
                self.output_data.arns(),
            ));
        if self.subnets.is_none() {
            return role;
        }
        let network = [
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeVpcs",
            "ec2:DescribeDhcpOptions",
            "ec2:DescribeSubnets",
            "ec2:DescribeSecurityGroups",
            "ec2:CreateNetworkInterface",
            "ec2:CreateNetworkInterfacePermission",
            "ec2:DeleteNetworkInterface",
            "ec2:DeleteNetworkInterfacePermission",
            "ec2:CreateTags",
        ];
        role.allow(Statement::allow(network, ["*"]))
    }
}
