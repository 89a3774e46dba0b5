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
use crate::value::{QueryLanguage, Value};

/// A task that a service does: what it is called, given and allowed.
pub trait ServiceTask: HasCommon {
    /// The metrics that tasks of this kind have.
    fn metrics(&self) -> Option<TaskMetrics> {
        None
    }

    /// Fills in the plan.
    #[doc(hidden)]
    fn plan(&self, plan: &mut Plan);
}

/// What becomes of a task: filled in by the task, then turned into a state.
#[doc(hidden)]
#[derive(Debug)]
pub struct Plan {
    pub(crate) language: Option<QueryLanguage>,
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
}

impl Plan {
    /// A plan for a task that supports these patterns, the first being the one it has if nothing is
    /// said.
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
            language: common.language,
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
        }
    }

    /// The timeout, for a service that watches it itself: the state has none then.
    pub(crate) fn take_timeout(&mut self) -> Option<Timeout> {
        self.takes_timeout = true;
        self.timeout.clone()
    }

    pub(crate) fn is(&self, pattern: IntegrationPattern) -> bool {
        self.pattern == pattern
    }

    pub(crate) fn is_jsonata(&self) -> bool {
        self.language == Some(QueryLanguage::Jsonata)
    }

    /// Calls an action of a service, as the pattern wants it.
    pub(crate) fn service(&mut self, service: &str, action: &str) {
        self.resource = arn(text!("states:::", service, ":", action, self.pattern.suffix()));
    }

    /// Calls what has this ARN.
    pub(crate) fn resource(&mut self, resource: Text) {
        self.resource = resource;
    }

    /// Adds a parameter.
    pub(crate) fn put(&mut self, key: &str, value: impl Into<Value>) {
        if let Some(Value::Object(members)) = &mut self.parameters {
            members.push((key.to_owned(), value.into()));
        }
    }

    /// Adds a parameter if there is one.
    pub(crate) fn maybe(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    /// The parameters are this value, or there are none.
    pub(crate) fn only(&mut self, parameters: Option<Value>) {
        self.parameters = parameters;
    }

    /// What the state machine's role has to be allowed.
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

    /// What a `.sync` task needs so that Step Functions hears of its end.
    pub(crate) fn allow_events(&mut self, rule: &str) {
        let rule = crate::text::local_arn("events", text!("rule/", rule));
        self.allow(&["events:PutTargets", "events:PutRule", "events:DescribeRule"], [rule]);
    }

    /// The template has to hold these.
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

    /// A task that waits for its token has to send it.
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
                    node.put(fixed, Some(crate::duration::Seconds(time)));
                }
                Some(Timeout::At(Value::Expression(at))) => node.put(path, Some(at)),
                Some(Timeout::At(value)) => node.put(fixed, Some(value)),
                None => {}
            }
        }
        node.put("Resource", Some(self.resource));
        node.payload = self.parameters;
        node.statements = self.statements;
        node.resources = self.resources;
        if let Some(role) = credentials {
            let arn = role.arn.clone();
            node.put("Credentials", Some(crate::object! {"RoleArn": arn}));
            node.statements.push(Statement::allow(["sts:AssumeRole"], [role.arn_text()]));
            node.resources.extend(role.resources());
        }
        chain
    }
}

/// Whether an expression gives the task token, or something that holds it.
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

/// A task: its properties, and everything that all tasks share.
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

            $(
                $(#[$optional_doc])*
                #[must_use]
                pub fn $optional(mut self, value: $crate::fields::field_argument!($optional_kind)) -> Self {
                    self.$optional = Some($crate::fields::field_from!(value, $optional_kind));
                    self
                }
            )*

            /// The parameters that are written as they are given.
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

/// Lists the files of tasks and gives their public names.
macro_rules! tasks {
    ($($file:ident: $($name:ident),*;)*) => {
        $(mod $file;)*
        $(pub use $file::{$($name),*};)*
    };
}
pub(crate) use athena_start_query_execution::permissions as query_permissions;

mod call_api_gateway;
pub use call_api_gateway::{AuthType, HttpMethod};

tasks! {
    athena_get_query_execution: AthenaGetQueryExecution;
    athena_get_query_results: AthenaGetQueryResults;
    athena_start_query_execution: AthenaStartQueryExecution, EncryptionOption;
    athena_stop_query_execution: AthenaStopQueryExecution;
    batch_submit_job: BatchContainerOverrides, BatchJobDependency, BatchSubmitJob;
    bedrock_create_model_customization_job: BedrockCreateModelCustomizationJob, BucketPath, CustomizationType;
    bedrock_invoke_model: BedrockInvokeModel, BedrockModel, Guardrail, S3Object;
    call_api_gateway_http_api_endpoint: CallApiGatewayHttpApiEndpoint;
    call_api_gateway_rest_api_endpoint: CallApiGatewayRestApiEndpoint;
    call_aws_service: CallAwsService;
    call_aws_service_cross_region: CallAwsServiceCrossRegion;
    code_build_start_build: BuildVariable, CodeBuildStartBuild;
    code_build_start_build_batch: CodeBuildStartBuildBatch;
    dynamo_delete_item: DynamoDeleteItem;
    dynamo_get_item: DynamoGetItem;
    dynamo_put_item: DynamoPutItem;
    dynamo_types: AttributeValue, Computed, ConsumedCapacity, ItemCollectionMetrics, ProjectionExpression, ReturnValues;
    dynamo_update_item: DynamoUpdateItem;
    ecs_run_task: CapacityProvider, ContainerOverride, EcsRunTask, EcsTaskDefinition, LaunchTarget, PropagateTags;
    eks_call: EksCall;
    emr_add_step: ActionOnFailure, EmrAddStep;
    emr_cancel_step: EmrCancelStep;
    emr_containers_create_virtual_cluster: EmrContainersCreateVirtualCluster;
    emr_containers_delete_virtual_cluster: EmrContainersDeleteVirtualCluster;
    emr_containers_start_job_run: ApplicationConfiguration, EmrContainersStartJobRun, Monitoring;
    emr_create_cluster: EmrCreateCluster, ScaleDownBehavior;
    emr_modify_instance_fleet_by_name: EmrModifyInstanceFleetByName;
    emr_modify_instance_group_by_name: EmrModifyInstanceGroupByName, InstanceGroupModification, InstanceResizePolicy, ShrinkPolicy;
    emr_set_cluster_termination_protection: EmrSetClusterTerminationProtection;
    emr_terminate_cluster: EmrTerminateCluster;
    emr_types: AdjustmentType, AlarmDefinition, Application, AutoScalingPolicy, BlockDevice, BootstrapAction, ComputeLimits, ComputeUnit, Configuration, EbsConfiguration, InstanceFleet, InstanceGroup, InstanceRole, InstanceTypeConfig, Instances, KerberosAttributes, LaunchSpecifications, ManagedScaling, Market, MetricDimension, OnDemandAllocation, OnDemandSpecification, Placement, ScalingRule, ScriptBootstrapAction, SimpleScaling, SpotAllocation, SpotSpecification, SpotTimeoutAction, VolumeType;
    evaluate_expression: EvaluateExpression;
    event_bridge_put_events: EventBridgePutEvents, EventEntry;
    event_bridge_scheduler_create_schedule_task: ActionAfterCompletion, EventBridgeSchedulerCreateScheduleTask, Schedule, ScheduleTarget;
    glue_data_brew_start_job_run: GlueDataBrewStartJobRun;
    glue_start_crawler_run: GlueStartCrawlerRun;
    glue_start_job_run: GlueExecutionClass, GlueStartJobRun;
    http_invoke: HttpInvoke, UrlEncoding;
    lambda_invoke: InvocationType, LambdaInvoke;
    media_convert_create_job: MediaConvertCreateJob;
    sage_maker_create_endpoint: SageMakerCreateEndpoint;
    sage_maker_create_endpoint_config: ProductionVariant, SageMakerCreateEndpointConfig;
    sage_maker_create_model: ModelContainer, ModelMode, SageMakerCreateModel;
    sage_maker_create_training_job: Channel, Compression, InputMode, MetricDefinition, RecordWrapper, S3DataDistribution, SageMakerCreateTrainingJob, TrainingAlgorithm, TrainingOutput, TrainingResources;
    sage_maker_create_transform_job: AssembleWith, BatchStrategy, SplitType, SageMakerCreateTransformJob, TransformInput, TransformOutput, TransformResources;
    sage_maker_types: InstanceType, S3DataType, S3Location;
    sage_maker_update_endpoint: SageMakerUpdateEndpoint;
    sns_publish: MessageAttribute, SnsPublish;
    sqs_send_message: SqsSendMessage;
    step_functions_invoke_activity: StepFunctionsInvokeActivity;
    step_functions_start_execution: StepFunctionsStartExecution;
}
