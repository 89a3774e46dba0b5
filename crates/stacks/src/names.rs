//! The names of resources, and what `Ref` and `GetAtt` give for those whose values follow from the name.

use stepwright_asl::Resource;
use stepwright_functions::Place;
use stepwright_json::Json;

/// What `Ref` gives, and what `GetAtt` gives by attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Values {
    pub(crate) reference: String,
    pub(crate) attributes: Vec<(String, String)>,
}

impl Values {
    pub(crate) fn new(reference: impl Into<String>) -> Self {
        Self { reference: reference.into(), attributes: Vec::new() }
    }

    pub(crate) fn with(mut self, attribute: &str, value: impl Into<String>) -> Self {
        self.attributes.push((attribute.to_owned(), value.into()));
        self
    }
}

/// The property that names a resource of this type.
fn name_property(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "AWS::SQS::Queue" => "QueueName",
        "AWS::SNS::Topic" => "TopicName",
        "AWS::S3::Bucket" => "BucketName",
        "AWS::DynamoDB::Table" | "AWS::DynamoDB::GlobalTable" | "AWS::Serverless::SimpleTable" => {
            "TableName"
        }
        "AWS::StepFunctions::StateMachine" => "StateMachineName",
        "AWS::Lambda::Function" | "AWS::Serverless::Function" => "FunctionName",
        "AWS::IAM::Role" => "RoleName",
        "AWS::Logs::LogGroup" => "LogGroupName",
        "AWS::Lambda::LayerVersion" | "AWS::Serverless::LayerVersion" => "LayerName",
        "AWS::ECS::Cluster" => "ClusterName",
        "AWS::ECS::TaskDefinition" => "Family",
        "AWS::Batch::JobDefinition" => "JobDefinitionName",
        "AWS::Batch::JobQueue" => "JobQueueName",
        "AWS::Batch::ComputeEnvironment" => "ComputeEnvironmentName",
        "AWS::Serverless::StateMachine"
        | "AWS::StepFunctions::Activity"
        | "AWS::Events::Rule"
        | "AWS::Events::EventBus"
        | "AWS::SSM::Parameter"
        | "AWS::SecretsManager::Secret"
        | "AWS::Scheduler::Schedule" => "Name",
        _ => return None,
    })
}

/// The name of a resource: the one that its properties give, or its logical id.
pub(crate) fn name(resource: &Resource) -> String {
    let given = name_property(&resource.kind).and_then(|name| resource.properties.get(name));
    given.and_then(Json::as_str).map_or_else(|| resource.logical_id.clone(), str::to_owned)
}

/// The values of what needs nothing to be made, or is made later: functions, state machines, roles,
/// log groups, and types that are not here. `None` for what a service is asked to make.
pub(crate) fn known(resource: &Resource, place: &Place) -> Option<Values> {
    let Place { account, region } = place;
    let name = name(resource);
    let arn = |service: &str, rest: &str| format!("arn:aws:{service}:{region}:{account}:{rest}");
    Some(match resource.kind.as_str() {
        "AWS::StepFunctions::StateMachine" | "AWS::Serverless::StateMachine" => {
            let arn = arn("states", &format!("stateMachine:{name}"));
            Values::new(arn.clone())
                .with("Arn", arn)
                .with("Name", name)
                .with("StateMachineRevisionId", "INITIAL")
        }
        "AWS::StepFunctions::Activity" => {
            let arn = arn("states", &format!("activity:{name}"));
            Values::new(arn.clone()).with("Arn", arn).with("Name", name)
        }
        "AWS::Lambda::Function" | "AWS::Serverless::Function" => {
            let arn = arn("lambda", &format!("function:{name}"));
            let alias = resource.properties.get("AutoPublishAlias").and_then(Json::as_str);
            let alias = alias.map(|alias| format!("{arn}:{alias}"));
            let mut values = Values::new(name).with("Arn", arn.clone());
            if let Some(alias) = alias {
                values = values.with("Alias", alias).with("Version", format!("{arn}:1"));
            }
            values
        }
        "AWS::Lambda::LayerVersion" | "AWS::Serverless::LayerVersion" => {
            let arn = arn("lambda", &format!("layer:{name}:1"));
            Values::new(arn.clone()).with("LayerVersionArn", arn)
        }
        "AWS::IAM::Role" => Values::new(name.clone())
            .with("Arn", format!("arn:aws:iam::{account}:role/{name}"))
            .with("RoleId", "AROASTEPWRIGHT"),
        "AWS::Logs::LogGroup" => {
            let arn = arn("logs", &format!("log-group:{name}:*"));
            Values::new(name).with("Arn", arn)
        }
        // Their ARNs follow from those of their state machines.
        "AWS::StepFunctions::StateMachineVersion" | "AWS::StepFunctions::StateMachineAlias" => {
            return None;
        }
        kind if crate::resources::is_made(kind) => return None,
        kind => {
            let mut parts = kind.split("::").skip(1);
            let service = parts.next().unwrap_or("custom").to_ascii_lowercase();
            let what = parts.next().unwrap_or("resource").to_ascii_lowercase();
            let id = resource.logical_id.as_str();
            Values::new(id)
                .with("Arn", arn(&service, &format!("{what}/{id}")))
                .with("Id", id)
                .with("Name", id)
        }
    })
}
