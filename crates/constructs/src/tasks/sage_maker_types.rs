//! The parts that SageMaker tasks share.

use crate::fields::choices;
use crate::iam::Statement;
use crate::object;
use crate::resources::{Bucket, Role};
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
            Some(_) => Statement::allow(["s3:PutObject", "s3:Abort*"], self.arns()),
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

/// The role of the task: the given one, or one created for the task.
pub(crate) fn role_of(
    plan: &mut Plan,
    id: &str,
    given: Option<&Role>,
    make: impl FnOnce(Role) -> Role,
) -> Role {
    let role = given.cloned().unwrap_or_else(|| {
        make(Role::new(&format!("{id}/SagemakerRole"), "sagemaker.amazonaws.com"))
    });
    plan.uses(role.resources());
    role
}

/// The permission to pass the role, to SageMaker only.
pub(crate) fn pass(role: &Role) -> Statement {
    let condition = object! {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}};
    Statement::allow(["iam:PassRole"], [role.arn()]).when(condition)
}

/// The permissions to write logs and metrics and to fetch images; `vpc` adds those for networks.
pub(crate) fn work_statement(vpc: bool) -> Statement {
    let mut actions = vec![
        "cloudwatch:PutMetricData",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "logs:CreateLogGroup",
        "logs:DescribeLogStreams",
        "ecr:GetAuthorizationToken",
    ];
    if vpc {
        actions.extend([
            "ec2:CreateNetworkInterface",
            "ec2:CreateNetworkInterfacePermission",
            "ec2:DeleteNetworkInterface",
            "ec2:DeleteNetworkInterfacePermission",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeVpcs",
            "ec2:DescribeDhcpOptions",
            "ec2:DescribeSubnets",
            "ec2:DescribeSecurityGroups",
        ]);
    }
    Statement::allow(actions, ["*"])
}

/// The permission to fetch any image, if the image is not known.
pub(crate) fn image_statement() -> Statement {
    let actions =
        ["ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"];
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
