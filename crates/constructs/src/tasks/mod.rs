//! The tasks of AWS services, one file for each.

use crate::Timeout;
use crate::chain::Chain;
use crate::common::{Common, HasCommon, IntegrationPattern};
use crate::iam::Statement;
use crate::metrics::TaskMetrics;
use crate::node::Next;
use crate::resources::Resource;
use crate::retry::Retry;
use crate::text::{Text, arn, text};
use crate::value::Value;

/// A task that a service performs: its resource, its parameters and its permissions.
pub trait ServiceTask: HasCommon {
    /// The metrics of this kind of task.
    fn metrics(&self) -> Option<TaskMetrics> {
        None
    }

    /// Fills in the plan.
    #[doc(hidden)]
    fn plan(&self, plan: &mut Plan);
}

/// The plan of a task. The task fills it in, and then it becomes a state.
#[doc(hidden)]
#[derive(Debug)]
pub struct Plan {
    pub(crate) pattern: IntegrationPattern,
    id: String,
    resource: Text,
    parameters: Option<Value>,
    statements: Vec<Statement>,
    resources: Vec<Resource>,
    retries: Vec<Retry>,
    problems: Vec<String>,
    timeout: Option<Timeout>,
    takes_timeout: bool,
    only_json_path: Option<&'static str>,
}

impl Plan {
    /// A plan for a task that supports these patterns. The first one is the default.
    pub(crate) fn new(common: &Common, kind: &str, patterns: &[IntegrationPattern]) -> Self {
        let default = patterns.first().copied().unwrap_or(IntegrationPattern::RequestResponse);
        let pattern = common.pattern.unwrap_or(default);
        let mut problems = Vec::new();
        if !patterns.contains(&pattern) {
            let supported: Vec<&str> = patterns.iter().map(|pattern| pattern.name()).collect();
            problems.push(format!(
                "{kind} does not support the integration pattern {}, only {}",
                pattern.name(),
                supported.join(", "),
            ));
        }
        Self {
            pattern,
            id: common.id.clone(),
            resource: Text::default(),
            parameters: Some(Value::empty()),
            statements: Vec::new(),
            resources: Vec::new(),
            retries: Vec::new(),
            problems,
            timeout: common.timeout.clone(),
            takes_timeout: false,
            only_json_path: None,
        }
    }

    /// Takes the timeout, for a service that enforces it itself. The state then has none.
    pub(crate) fn take_timeout(&mut self) -> Option<Timeout> {
        self.takes_timeout = true;
        self.timeout.clone()
    }

    pub(crate) fn is(&self, pattern: IntegrationPattern) -> bool {
        self.pattern == pattern
    }

    /// Refuses the task in JSONata, whether the state or its machine is written in it.
    pub(crate) fn only_json_path(&mut self, why: &'static str) {
        self.only_json_path = Some(why);
    }

    /// Calls an action of a service with the task's pattern.
    pub(crate) fn service(&mut self, service: &str, action: &str) {
        self.resource = arn(text!("states:::", service, ":", action, self.pattern.suffix()));
    }

    /// Calls the resource with this ARN.
    pub(crate) fn resource(&mut self, resource: Text) {
        self.resource = resource;
    }

    /// Adds a parameter.
    pub(crate) fn put(&mut self, key: &str, value: impl Into<Value>) {
        if let Some(Value::Object(members)) = &mut self.parameters {
            members.push((key.to_owned(), value.into()));
        }
    }

    /// Adds a parameter if it has a value.
    pub(crate) fn maybe(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// Makes this value all of the parameters; with `None`, there are none.
    pub(crate) fn only(&mut self, parameters: Option<Value>) {
        self.parameters = parameters;
    }

    /// Adds permissions to the state machine's role.
    pub(crate) fn allow<R: Into<Text>>(
        &mut self,
        actions: &[&str],
        resources: impl IntoIterator<Item = R>,
    ) {
        self.statements.push(Statement::allow(actions.iter().copied(), resources));
    }

    pub(crate) fn state(&mut self, statement: Statement) {
        self.statements.push(statement);
    }

    /// Adds the permissions with which Step Functions is notified of the end of a `.sync` task.
    pub(crate) fn allow_events(&mut self, rule: &str) {
        let rule = crate::text::local_arn("events", text!("rule/", rule));
        self.allow(&["events:PutTargets", "events:PutRule", "events:DescribeRule"], [rule]);
    }

    /// Adds resources that the template must contain.
    pub(crate) fn uses(&mut self, resources: Vec<Resource>) {
        self.resources.extend(resources);
    }

    pub(crate) fn problems(&mut self) -> &mut Vec<String> {
        &mut self.problems
    }

    pub(crate) fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    pub(crate) fn retry(&mut self, retry: Retry) {
        self.retries.push(retry);
    }

    /// Checks that a task that waits for its token sends the token.
    pub(crate) fn needs_token(&mut self, place: &str, value: Option<&Value>) {
        let sends = value.is_some_and(|value| value.any_expression(is_token));
        if self.is(IntegrationPattern::WaitForTaskToken) && !sends {
            self.problem(format!(
                "a task that waits for its token has to send it: put `task_token()` into `{place}`",
            ));
        }
    }

    pub(crate) fn into_chain(self, mut common: Common) -> Chain {
        let mut retries = self.retries;
        retries.append(&mut common.retries);
        common.retries = retries;
        for problem in self.problems {
            common.problems.add(&self.id, problem);
        }
        if let (Some(Timeout::After(timeout)), Some(Timeout::After(heartbeat))) =
            (&common.timeout, &common.heartbeat)
            && heartbeat >= timeout
            && !self.takes_timeout
        {
            common
                .problems
                .add(&self.id, "`heartbeat_timeout` has to be shorter than `task_timeout`");
        }
        let credentials = common.credentials.take();
        if self.takes_timeout {
            common.timeout = None;
        }
        let timeouts = [
            ("TimeoutSeconds", "TimeoutSecondsPath", common.timeout.take()),
            ("HeartbeatSeconds", "HeartbeatSecondsPath", common.heartbeat.take()),
        ];
        let mut chain = common.into_chain("Task", Next::Open);
        let node = chain.first();
        for (fixed, path, timeout) in timeouts {
            match timeout {
                Some(Timeout::After(time)) => {
                    node.put(fixed, Some(crate::duration::Seconds::from(time)));
                }
                Some(Timeout::At(Value::Expression(at))) => node.put(path, Some(at)),

                Some(Timeout::At(value)) => node.put(fixed, Some(value)),
                None => {}
            }
        }
        node.only_json_path = self.only_json_path;
        node.put("Resource", Some(self.resource));
        node.payload = self.parameters;
        node.statements = self.statements;
        node.resources = self.resources;
        if let Some(role) = credentials {
            let arn = role.value();
            node.put("Credentials", Some(crate::object! {"RoleArn": arn}));
            node.statements.push(Statement::allow(["sts:AssumeRole"], [role.arn()]));
            node.resources.extend(role.resources());
        }
        chain
    }
}

/// Whether the value of an expression is the task token, or contains it.
fn is_token(expression: &str) -> bool {
    let of = |whole: &str| {
        expression.match_indices(whole).any(|(at, _)| {
            let rest = &expression[at + whole.len()..];
            let rest = rest.strip_prefix(".Task").unwrap_or(rest);
            let rest = rest.strip_prefix(".Token").unwrap_or(rest);
            !rest.starts_with(|c: char| c == '.' || c == '_' || c.is_alphanumeric())
        })
    };
    of("$$") || of("$states.context")
}

/// Defines a task: its properties, and everything that all tasks share.
macro_rules! task {
    (
        $(#[$doc:meta])*
        pub struct $name:ident [$($pattern:ident),*] {
            required { $($(#[$required_doc:meta])* $required:ident: $required_kind:tt $(=> $required_key:literal)?,)* }
            optional { $($(#[$optional_doc:meta])* $optional:ident: $optional_kind:tt $(=> $optional_key:literal)?,)* }
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            common: $crate::common::Common,
            $($required: $crate::fields::field_type!($required_kind),)*
            $($optional: Option<$crate::fields::field_type!($optional_kind)>,)*
        }

        impl $name {
            #[doc = concat!("A `", stringify!($name), "` task.")]
            #[allow(clippy::too_many_arguments, reason = "all that has to be said")]
            pub fn new(
                id: impl Into<String>,
                $($required: $crate::fields::field_argument!($required_kind)),*
            ) -> Self {
                Self {
                    common: $crate::common::Common::new(id),
                    $($required: $crate::fields::field_from!($required, $required_kind),)*
                    $($optional: None,)*
                }
            }

            #[doc = concat!("A `", stringify!($name), "` task in JSONata.")]
            #[allow(clippy::too_many_arguments, reason = "all that has to be said")]
            pub fn jsonata(
                id: impl Into<String>,
                $($required: $crate::fields::field_argument!($required_kind)),*
            ) -> Self {
                Self {
                    common: $crate::common::Common::jsonata(id),
                    $($required: $crate::fields::field_from!($required, $required_kind),)*
                    $($optional: None,)*
                }
            }

            $($crate::fields::setter! {
                $(#[$optional_doc])* $optional: $optional_kind
            })*

            /// Adds the parameters that are written as they are given.
            #[allow(dead_code, unused_variables, reason = "some tasks have none")]
            fn put_fields(&self, plan: &mut $crate::tasks::Plan) {
                $($(plan.put($required_key, $crate::fields::field_value!(self.$required, $required_kind));)?)*
                $($(if let Some(value) = &self.$optional {
                    plan.put($optional_key, $crate::fields::field_value!(value, $optional_kind));
                })?)*
            }
        }

        $crate::common::state_traits!(
            $name: State, WithData, WithVariables, WithResultPath, WithErrors, TaskState
        );

        impl $crate::chain::Chainable for $name {
            fn into_chain(self) -> $crate::chain::Chain {
                let patterns = [$($crate::common::IntegrationPattern::$pattern),*];
                let mut plan = $crate::tasks::Plan::new(&self.common, stringify!($name), &patterns);
                $crate::tasks::ServiceTask::plan(&self, &mut plan);
                plan.into_chain(self.common)
            }
        }

        impl $crate::chain::Nextable for $name {}
    };
}

mod athena_get_query_execution;
mod athena_get_query_results;
mod athena_start_query_execution;
mod athena_stop_query_execution;
mod batch_submit_job;
mod bedrock_create_model_customization_job;
mod bedrock_invoke_model;
mod call_api_gateway;
mod call_api_gateway_http_api_endpoint;
mod call_api_gateway_rest_api_endpoint;
mod call_aws_service;
mod call_aws_service_cross_region;
mod code_build_start_build;
mod code_build_start_build_batch;
mod dynamo_delete_item;
mod dynamo_get_item;
mod dynamo_put_item;
mod dynamo_types;
mod dynamo_update_item;
mod ecs_run_task;
mod eks_call;
mod emr_add_step;
mod emr_cancel_step;
mod emr_containers_create_virtual_cluster;
mod emr_containers_delete_virtual_cluster;
mod emr_containers_start_job_run;
mod emr_create_cluster;
mod emr_modify_instance_fleet_by_name;
mod emr_modify_instance_group_by_name;
mod emr_set_cluster_termination_protection;
mod emr_terminate_cluster;
mod emr_types;
mod evaluate_expression;
mod event_bridge_put_events;
mod event_bridge_scheduler_create_schedule_task;
mod glue_data_brew_start_job_run;
mod glue_start_crawler_run;
mod glue_start_job_run;
mod http_invoke;
mod lambda_invoke;
mod media_convert_create_job;
mod own;
mod sage_maker_create_endpoint;
mod sage_maker_create_endpoint_config;
mod sage_maker_create_model;
mod sage_maker_create_training_job;
mod sage_maker_create_transform_job;
mod sage_maker_types;
mod sage_maker_update_endpoint;
mod sns_publish;
mod sqs_send_message;
mod step_functions_invoke_activity;
mod step_functions_start_execution;

pub use athena_get_query_execution::AthenaGetQueryExecution;
pub use athena_get_query_results::AthenaGetQueryResults;
pub use athena_start_query_execution::{AthenaStartQueryExecution, EncryptionOption};
pub use athena_stop_query_execution::AthenaStopQueryExecution;
pub use batch_submit_job::{
    BatchContainerOverrides, BatchJobDependency, BatchSubmitJob, JobDefinition, JobQueue,
};
pub use bedrock_create_model_customization_job::{
    BedrockCreateModelCustomizationJob, BucketPath, CustomizationType,
};
pub use bedrock_invoke_model::{BedrockInvokeModel, BedrockModel, Guardrail, S3Object};
pub use call_api_gateway::{AuthType, HttpMethod};
pub use call_api_gateway_http_api_endpoint::CallApiGatewayHttpApiEndpoint;
pub use call_api_gateway_rest_api_endpoint::CallApiGatewayRestApiEndpoint;
pub use call_aws_service::CallAwsService;
pub use call_aws_service_cross_region::CallAwsServiceCrossRegion;
pub use code_build_start_build::{BuildVariable, CodeBuildStartBuild};
pub use code_build_start_build_batch::CodeBuildStartBuildBatch;
pub use dynamo_delete_item::DynamoDeleteItem;
pub use dynamo_get_item::DynamoGetItem;
pub use dynamo_put_item::DynamoPutItem;
pub use dynamo_types::{
    AttributeValue, Computed, ConsumedCapacity, ItemCollectionMetrics, ProjectionExpression,
    ReturnValues,
};
pub use dynamo_update_item::DynamoUpdateItem;
pub use ecs_run_task::{
    CapacityProvider, ContainerOverride, EcsRunTask, EcsTaskDefinition, LaunchTarget, Peer,
    PropagateTags,
};
pub use eks_call::EksCall;
pub use emr_add_step::{ActionOnFailure, EmrAddStep};
pub use emr_cancel_step::EmrCancelStep;
pub use emr_containers_create_virtual_cluster::EmrContainersCreateVirtualCluster;
pub use emr_containers_delete_virtual_cluster::EmrContainersDeleteVirtualCluster;
pub use emr_containers_start_job_run::{
    ApplicationConfiguration, EmrContainersStartJobRun, Monitoring,
};
pub use emr_create_cluster::{EmrCreateCluster, ScaleDownBehavior};
pub use emr_modify_instance_fleet_by_name::EmrModifyInstanceFleetByName;
pub use emr_modify_instance_group_by_name::{
    EmrModifyInstanceGroupByName, InstanceGroupModification, InstanceResizePolicy, ShrinkPolicy,
};
pub use emr_set_cluster_termination_protection::EmrSetClusterTerminationProtection;
pub use emr_terminate_cluster::EmrTerminateCluster;
pub use emr_types::{
    AdjustmentType, AlarmDefinition, Application, AutoScalingPolicy, BlockDevice, BootstrapAction,
    ComputeLimits, ComputeUnit, Configuration, EbsConfiguration, InstanceFleet, InstanceGroup,
    InstanceRole, InstanceTypeConfig, Instances, KerberosAttributes, LaunchSpecifications,
    ManagedScaling, Market, MetricDimension, OnDemandAllocation, OnDemandSpecification, Placement,
    ScalingRule, ScriptBootstrapAction, SimpleScaling, SpotAllocation, SpotSpecification,
    SpotTimeoutAction, VolumeType,
};
pub use evaluate_expression::EvaluateExpression;
pub use event_bridge_put_events::{EventBridgePutEvents, EventEntry};
pub use event_bridge_scheduler_create_schedule_task::{
    ActionAfterCompletion, EventBridgeSchedulerCreateScheduleTask, Schedule, ScheduleTarget,
};
pub use glue_data_brew_start_job_run::GlueDataBrewStartJobRun;
pub use glue_start_crawler_run::GlueStartCrawlerRun;
pub use glue_start_job_run::{GlueExecutionClass, GlueStartJobRun};
pub use http_invoke::{HttpInvoke, UrlEncoding};
pub use lambda_invoke::{InvocationType, LambdaInvoke};
pub use media_convert_create_job::MediaConvertCreateJob;
pub use own::{StepFunctionsTask, Task, TaskConfig};
pub use sage_maker_create_endpoint::SageMakerCreateEndpoint;
pub use sage_maker_create_endpoint_config::{ProductionVariant, SageMakerCreateEndpointConfig};
pub use sage_maker_create_model::{ModelContainer, ModelMode, SageMakerCreateModel};
pub use sage_maker_create_training_job::{
    Channel, Compression, InputMode, MetricDefinition, RecordWrapper, S3DataDistribution,
    SageMakerCreateTrainingJob, TrainingAlgorithm, TrainingOutput, TrainingResources,
};
pub use sage_maker_create_transform_job::{
    AssembleWith, BatchStrategy, SageMakerCreateTransformJob, SplitType, TransformInput,
    TransformOutput, TransformResources,
};
pub use sage_maker_types::{DockerImage, InstanceType, S3DataType, S3Location};
pub use sage_maker_update_endpoint::SageMakerUpdateEndpoint;
pub use sns_publish::{MessageAttribute, SnsPublish};
pub use sqs_send_message::SqsSendMessage;
pub use step_functions_invoke_activity::StepFunctionsInvokeActivity;
pub use step_functions_start_execution::StepFunctionsStartExecution;
