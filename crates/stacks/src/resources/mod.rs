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
use std::pin::Pin;
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
    type Making<'m> = Pin<Box<dyn Future<Output = Result<Made, String>> + Send + 'm>>;
    // Each kind has a future of its own: in one they would be one very large function.
    let making: Making<'_> = match resource.kind.as_str() {
        "AWS::SQS::Queue" => Box::pin(sqs::queue(stack, resource)),
        "AWS::SQS::QueuePolicy" => Box::pin(sqs::policy(stack, resource)),
        "AWS::SNS::Topic" => Box::pin(sns::topic(stack, resource)),
        "AWS::SNS::TopicPolicy" => Box::pin(sns::policy(stack, resource)),
        "AWS::SNS::Subscription" => Box::pin(sns::subscription(stack, resource)),
        "AWS::S3::Bucket" => Box::pin(s3::bucket(stack, resource)),
        "Custom::S3BucketNotifications" => Box::pin(s3::notifications(stack, resource)),
        "AWS::DynamoDB::Table" | "AWS::DynamoDB::GlobalTable" => {
            Box::pin(dynamodb::table(stack, resource))
        }
        "AWS::Serverless::SimpleTable" => Box::pin(dynamodb::simple_table(stack, resource)),
        "AWS::Events::EventBus" => Box::pin(events::bus(stack, resource)),
        "AWS::Events::Rule" => Box::pin(events::rule(stack, resource)),
        "AWS::Scheduler::Schedule" => Box::pin(events::schedule(stack, resource)),
        "AWS::SSM::Parameter" => Box::pin(ssm::parameter(stack, resource, last)),
        "AWS::SecretsManager::Secret" => Box::pin(secretsmanager::secret(stack, resource, last)),
        "AWS::ECS::Cluster" => Box::pin(ecs::cluster(stack, resource)),
        "AWS::ECS::TaskDefinition" => Box::pin(ecs::task_definition(stack, resource, last)),
        "AWS::Batch::ComputeEnvironment" => Box::pin(batch::environment(stack, resource)),
        "AWS::Batch::JobQueue" => Box::pin(batch::queue(stack, resource)),
        "AWS::Batch::JobDefinition" => Box::pin(batch::definition(stack, resource, last)),
        other => return Err(format!("resources of the type `{other}` are not made")),
    };
    making.await
}
