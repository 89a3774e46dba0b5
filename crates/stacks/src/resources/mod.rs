//! How the resources of each type are made.

mod batch;
mod dynamodb;
mod ecs;
mod events;
pub(crate) mod machines;
mod s3;
mod secretsmanager;
mod sns;
mod sqs;
mod ssm;

use crate::stack::{Made, Record, Stack};
use stepwright_asl::Resource;

/// Whether resources of a type are made in a local service.
pub(crate) fn is_made(kind: &str) -> bool {
    matches!(
        kind,
        "AWS::Batch::ComputeEnvironment"
            | "AWS::Batch::JobDefinition"
            | "AWS::Batch::JobQueue"
            | "AWS::DynamoDB::GlobalTable"
            | "AWS::DynamoDB::Table"
            | "AWS::ECS::Cluster"
            | "AWS::ECS::TaskDefinition"
            | "AWS::Events::EventBus"
            | "AWS::Events::Rule"
            | "AWS::S3::Bucket"
            | "AWS::SecretsManager::Secret"
            | "AWS::Serverless::SimpleTable"
            | "AWS::SNS::Subscription"
            | "AWS::SNS::Topic"
            | "AWS::SNS::TopicPolicy"
            | "AWS::SQS::Queue"
            | "AWS::SQS::QueuePolicy"
            | "AWS::SSM::Parameter"
            | "AWS::Scheduler::Schedule"
            | "Custom::S3BucketNotifications"
    )
}

/// Whether a machine of one's own needs nothing of this type: who may do what, where things are in a
/// network, what is measured, and what only a deployment knows.
pub(crate) fn unneeded(kind: &str) -> bool {
    let service = kind.split("::").nth(1).unwrap_or_default();
    matches!(
        service,
        "IAM" | "Logs" | "CloudWatch" | "KMS" | "EC2" | "CDK" | "CloudFormation" | "XRay"
    ) || matches!(
        kind,
        "AWS::Lambda::Permission"
            | "AWS::Lambda::Version"
            | "AWS::Lambda::Alias"
            | "AWS::Lambda::LayerVersionPermission"
            | "AWS::Lambda::EventInvokeConfig"
            | "AWS::S3::BucketPolicy"
            | "AWS::SecretsManager::ResourcePolicy"
            | "AWS::SecretsManager::SecretTargetAttachment"
            | "AWS::Events::EventBusPolicy"
            | "AWS::Scheduler::ScheduleGroup"
            | "AWS::ApplicationAutoScaling::ScalableTarget"
            | "AWS::ApplicationAutoScaling::ScalingPolicy"
            | "AWS::Serverless::Connector"
            | "Custom::S3AutoDeleteObjects"
            | "Custom::LogRetention"
    )
}

/// Makes a resource, or changes it. `last` is what was made of it before.
pub(crate) async fn make(
    stack: &Stack,
    resource: &Resource,
    last: Option<&Record>,
) -> Result<Made, String> {
    match resource.kind.as_str() {
        "AWS::SQS::Queue" => sqs::queue(stack, resource).await,
        "AWS::SQS::QueuePolicy" => sqs::policy(stack, resource).await,
        "AWS::SNS::Topic" => sns::topic(stack, resource).await,
        "AWS::SNS::TopicPolicy" => sns::policy(stack, resource).await,
        "AWS::SNS::Subscription" => sns::subscription(stack, resource).await,
        "AWS::S3::Bucket" => s3::bucket(stack, resource).await,
        "Custom::S3BucketNotifications" => s3::notifications(stack, resource).await,
        "AWS::DynamoDB::Table" | "AWS::DynamoDB::GlobalTable" => {
            dynamodb::table(stack, resource).await
        }
        "AWS::Serverless::SimpleTable" => dynamodb::simple_table(stack, resource).await,
        "AWS::Events::EventBus" => events::bus(stack, resource).await,
        "AWS::Events::Rule" => events::rule(stack, resource).await,
        "AWS::Scheduler::Schedule" => events::schedule(stack, resource).await,
        "AWS::SSM::Parameter" => ssm::parameter(stack, resource, last).await,
        "AWS::SecretsManager::Secret" => secretsmanager::secret(stack, resource, last).await,
        "AWS::ECS::Cluster" => ecs::cluster(stack, resource).await,
        "AWS::ECS::TaskDefinition" => ecs::task_definition(stack, resource, last).await,
        "AWS::Batch::ComputeEnvironment" => batch::environment(stack, resource).await,
        "AWS::Batch::JobQueue" => batch::queue(stack, resource).await,
        "AWS::Batch::JobDefinition" => batch::definition(stack, resource, last).await,
        other => Err(format!("resources of the type `{other}` are not made")),
    }
}
