//! The parts that SageMaker tasks share.

use crate::fields::choices;
use crate::iam::Statement;
use crate::object;
use crate::resources::{Bucket, Repository, Role};
use crate::tasks::Plan;
use crate::text::{Text, Token, local_arn, text};
use crate::value::Value;
use crate::{Param, PathOrText, Str, kind};

/// A place in S3 that SageMaker reads from or writes to.
#[derive(Clone, Debug, PartialEq)]
pub struct S3Location {
    uri: Value,
    bucket: Option<(Bucket, String)>,
}

impl S3Location {
    /// All objects in a bucket whose keys begin with this prefix.
    pub fn from_bucket(bucket: impl Into<Bucket>, prefix: &str) -> Self {
        let bucket = bucket.into();
        let uri = text!(
            "https://s3.",
            Token::region(),
            ".",
            Token::url_suffix(),
            "/",
            bucket.name(),
            "/",
            prefix,
        );
        Self { uri: uri.into(), bucket: Some((bucket, prefix.to_owned())) }
    }

    /// A URI, literal or computed: `string_at("$.S3Bucket")`, or the path alone.
    #[doc(alias = "fromJsonExpression")]
    pub fn at(uri: impl Into<PathOrText>) -> Self {
        Self { uri: uri.into().0, bucket: None }
    }

    /// The permission to read it.
    pub(crate) fn reading(&self) -> Statement {
        match &self.bucket {
            Some(_) => {
                Statement::allow(["s3:GetObject*", "s3:GetBucket*", "s3:List*"], self.arns())
            }
            None => Statement::allow(["s3:GetObject", "s3:ListBucket"], ["*"]),
        }
    }

    /// The permission to write it.
    pub(crate) fn writing(&self) -> Statement {
        match &self.bucket {
            Some(_) => {
                let actions = [
                    "s3:DeleteObject*",
                    "s3:PutObject",
                    "s3:PutObjectLegalHold",
                    "s3:PutObjectRetention",
                    "s3:PutObjectTagging",
                    "s3:PutObjectVersionTagging",
                    "s3:Abort*",
                ];
                Statement::allow(actions, self.arns())
            }
            None => Statement::allow(["s3:PutObject"], ["*"]),
        }
    }

    fn arns(&self) -> Vec<Text> {
        let bucket = self.bucket.iter();
        bucket
            .flat_map(|(bucket, prefix)| {
                [bucket.arn(), text!(bucket.arn(), "/", prefix.as_str(), "*")]
            })
            .collect()
    }
}

impl From<S3Location> for Value {
    fn from(location: S3Location) -> Self {
        location.uri
    }
}

/// The type of an instance, such as `m5.xlarge`. SageMaker requires the prefix `ml.`, which is
/// added.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceType(Value);

impl<T: Into<Str>> From<T> for InstanceType {
    fn from(instance_type: T) -> Self {
        let value = Value::from(instance_type.into());
        Self(match value.known() {
            Some(text) if !text.readable().starts_with("ml.") => text!("ml.", text).into(),
            _ => value,
        })
    }
}

impl From<InstanceType> for Value {
    fn from(instance_type: InstanceType) -> Self {
        instance_type.0
    }
}

choices! {
    /// What a URI means.
    pub enum S3DataType {
        /// A file with a list of objects.
        ManifestFile = "ManifestFile",
        /// All objects whose keys begin with the prefix.
        S3Prefix = "S3Prefix",
        /// A manifest file with attributes of objects.
        AugmentedManifestFile = "AugmentedManifestFile",
    }
}

/// The role of the task: the given one, or one created for the task with `own` as its policy. It
/// gets the permissions that the task needs.
pub(crate) fn role_of(
    plan: &mut Plan,
    id: &str,
    given: Option<&Role>,
    own: (&str, Statement),
    permissions: Vec<Statement>,
) -> Role {
    let role = given.cloned().unwrap_or_else(|| {
        Role::new(&format!("{id}/SagemakerRole"), "sagemaker.amazonaws.com")
            .inline_policy(own.0, [own.1])
    });
    plan.uses(role.resources());
    plan.uses(role.attached(None, permissions).into_iter().collect());
    role
}

/// An image with which a container is run.
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// let known = DockerImage::from_registry("123456789012.dkr.ecr.us-east-1.amazonaws.com/a:1");
/// let own = DockerImage::from_ecr_repository(Repository::new("Images"), "latest");
/// let computed = DockerImage::at("$.image");
/// # let _ = (known, own, computed);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct DockerImage {
    uri: Value,
    repository: Option<Repository>,
}

impl DockerImage {
    /// An image by its URI.
    pub fn from_registry(uri: impl Into<Text>) -> Self {
        Self { uri: uri.into().into(), repository: None }
    }

    /// An image in a repository, by its tag.
    pub fn from_ecr_repository(repository: impl Into<Repository>, tag: &str) -> Self {
        let repository = repository.into();
        Self { uri: repository.uri(tag).into(), repository: Some(repository) }
    }

    /// An image whose URI is computed. The task may then fetch any image.
    #[doc(alias = "fromJsonExpression")]
    pub fn at(uri: impl Into<PathOrText>) -> Self {
        Self { uri: uri.into().0, repository: None }
    }

    /// The permissions to fetch it.
    pub(crate) fn fetching(&self) -> Vec<Statement> {
        let actions =
            ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"];
        match &self.repository {
            Some(repository) => vec![
                Statement::allow(actions, [repository.arn()]),
                Statement::allow(["ecr:GetAuthorizationToken"], ["*"]),
            ],
            None if self.uri.known().is_none() => vec![Statement::allow(actions, ["*"])],
            None => Vec::new(),
        }
    }
}

impl<T: Into<Str>> From<T> for DockerImage {
    fn from(uri: T) -> Self {
        Self { uri: uri.into().into(), repository: None }
    }
}

impl From<DockerImage> for Value {
    fn from(image: DockerImage) -> Self {
        image.uri
    }
}

/// The permission to pass the role, to SageMaker only.
pub(crate) fn pass(role: &Role) -> Statement {
    let condition = object! {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}};
    Statement::allow(["iam:PassRole"], [role.arn()]).when(condition)
}

/// The permissions to write logs and metrics and to get a token for images.
pub(crate) fn work_statement() -> Statement {
    let actions = [
        "cloudwatch:PutMetricData",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "logs:CreateLogGroup",
        "logs:DescribeLogStreams",
        "ecr:GetAuthorizationToken",
    ];
    Statement::allow(actions, ["*"])
}

/// The permissions to work in a network.
pub(crate) fn network_statement() -> Statement {
    let actions = [
        "ec2:CreateNetworkInterface",
        "ec2:CreateNetworkInterfacePermission",
        "ec2:DeleteNetworkInterface",
        "ec2:DeleteNetworkInterfacePermission",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeVpcs",
        "ec2:DescribeDhcpOptions",
        "ec2:DescribeSubnets",
        "ec2:DescribeSecurityGroups",
    ];
    Statement::allow(actions, ["*"])
}

/// The ARN of a SageMaker resource, whose name is in lower case there.
pub(crate) fn lower_arn(kind: &str, name: &Param<kind::Text>, suffix: &str) -> Text {
    let name = match name.value.known() {
        Some(name) => match name.as_literal() {
            Some(literal) => text!(literal.to_lowercase(), suffix),
            None => text!(name, suffix),
        },
        None => "*".into(),
    };
    local_arn("sagemaker", text!(kind, "/", name))
}

/// The network settings: subnets and security groups.
pub(crate) fn vpc(
    subnets: Option<&Vec<Text>>,
    groups: Option<&Vec<Text>>,
    plan: &mut Plan,
) -> Option<Value> {
    match (subnets, groups) {
        (None, None) => None,
        (Some(subnets), Some(groups)) => {
            Some(object! {"SecurityGroupIds": groups.clone(), "Subnets": subnets.clone()})
        }
        _ => {
            plan.problem("`subnets` and `security_groups` go together");
            None
        }
    }
}
