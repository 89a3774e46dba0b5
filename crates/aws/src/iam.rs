//! IAM: the names of services there, and the permissions of integrations whose permissions do not
//! depend on their parameters.
//!
//! Source: <https://docs.aws.amazon.com/step-functions/latest/dg/service-integration-iam-templates.html>,
//! and the policies that aws-cdk-lib 2.276.0 writes.

/// The name of a service in IAM, if it differs from the one in the ARNs of tasks.
pub fn iam_service(service: &str) -> &str {
    match service {
        "bedrockagent" => "bedrock",
        "cloudwatchlogs" => "logs",
        "efs" => "elasticfilesystem",
        "elasticloadbalancingv2" => "elasticloadbalancing",
        "mediapackagevod" => "mediapackage-vod",
        "mwaa" => "airflow",
        "sfn" => "states",
        other => other,
    }
}

/// The permissions that an integration needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The actions for every pattern.
    pub actions: &'static [&'static str],
    /// The further actions for waiting until the end.
    pub sync_actions: &'static [&'static str],
    /// The resource: `*`, or the part of its ARN after region and account.
    pub resource: &'static str,
    /// The `EventBridge` rule by which Step Functions learns of the end; empty if there is none.
    pub rule: &'static str,
}

/// The permissions that an integration such as `glue:startJobRun` needs, if they do not depend on
/// its parameters.
pub fn needs(integration: &str) -> Option<Needs> {
    let row = TABLE.iter().find(|(known, ..)| *known == integration)?;
    let (_, actions, sync_actions, resource, rule) = *row;
    Some(Needs { actions, sync_actions, resource, rule })
}

/// Integration, actions, further actions for `.sync`, resource (`*` or within the account), the
/// rule for `.sync`.
type Row =
    (&'static str, &'static [&'static str], &'static [&'static str], &'static str, &'static str);

const TABLE: &[Row] = &[
    ("athena:stopQueryExecution", &["athena:stopQueryExecution"], &[], "*", ""),
    ("athena:getQueryExecution", &["athena:getQueryExecution"], &[], "*", ""),
    ("athena:getQueryResults", &["athena:getQueryResults", "s3:GetObject"], &[], "*", ""),
    (
        "sagemaker:createTrainingJob",
        &[
            "sagemaker:CreateTrainingJob",
            "sagemaker:DescribeTrainingJob",
            "sagemaker:StopTrainingJob",
            "sagemaker:AddTags",
        ],
        &[],
        "training-job/*",
        "StepFunctionsGetEventsForSageMakerTrainingJobsRule",
    ),
    (
        "sagemaker:createTransformJob",
        &[
            "sagemaker:CreateTransformJob",
            "sagemaker:DescribeTransformJob",
            "sagemaker:StopTransformJob",
        ],
        &["sagemaker:AddTags"],
        "transform-job/*",
        "StepFunctionsGetEventsForSageMakerTransformJobsRule",
    ),
    ("sagemaker:createModel", &["sagemaker:CreateModel"], &[], "model/*", ""),
    (
        "sagemaker:createEndpointConfig",
        &["sagemaker:CreateEndpointConfig"],
        &[],
        "endpoint-config/*",
        "",
    ),
    ("sagemaker:createEndpoint", &["sagemaker:CreateEndpoint"], &[], "endpoint*", ""),
    ("sagemaker:updateEndpoint", &["sagemaker:UpdateEndpoint"], &[], "endpoint*", ""),
    (
        "elasticmapreduce:createCluster",
        &[
            "elasticmapreduce:RunJobFlow",
            "elasticmapreduce:DescribeCluster",
            "elasticmapreduce:TerminateJobFlows",
            "elasticmapreduce:AddTags",
        ],
        &[],
        "*",
        "StepFunctionsGetEventForEMRRunJobFlowRule",
    ),
    (
        "elasticmapreduce:terminateCluster",
        &["elasticmapreduce:DescribeCluster", "elasticmapreduce:TerminateJobFlows"],
        &[],
        "cluster/*",
        "StepFunctionsGetEventForEMRTerminateJobFlowsRule",
    ),
    (
        "elasticmapreduce:addStep",
        &[
            "elasticmapreduce:AddJobFlowSteps",
            "elasticmapreduce:DescribeStep",
            "elasticmapreduce:CancelSteps",
        ],
        &[],
        "cluster/*",
        "StepFunctionsGetEventForEMRAddJobFlowStepsRule",
    ),
    ("elasticmapreduce:cancelStep", &["elasticmapreduce:CancelSteps"], &[], "cluster/*", ""),
    (
        "elasticmapreduce:setClusterTerminationProtection",
        &["elasticmapreduce:SetTerminationProtection"],
        &[],
        "cluster/*",
        "",
    ),
    (
        "elasticmapreduce:modifyInstanceFleetByName",
        &["elasticmapreduce:ModifyInstanceFleet", "elasticmapreduce:ListInstanceFleets"],
        &[],
        "cluster/*",
        "",
    ),
    (
        "elasticmapreduce:modifyInstanceGroupByName",
        &["elasticmapreduce:ModifyInstanceGroups", "elasticmapreduce:ListInstanceGroups"],
        &[],
        "cluster/*",
        "",
    ),
    ("emr-containers:createVirtualCluster", &["emr-containers:CreateVirtualCluster"], &[], "*", ""),
    (
        "emr-containers:deleteVirtualCluster",
        &["emr-containers:DeleteVirtualCluster"],
        &["emr-containers:DescribeVirtualCluster"],
        "/virtualclusters/*",
        "",
    ),
    (
        "emr-containers:startJobRun",
        &["emr-containers:StartJobRun"],
        &["emr-containers:DescribeJobRun", "emr-containers:CancelJobRun"],
        "/virtualclusters/*",
        "",
    ),
    (
        "bedrock:createModelCustomizationJob",
        &["bedrock:CreateModelCustomizationJob", "bedrock:TagResource"],
        &["bedrock:GetModelCustomizationJob", "bedrock:StopModelCustomizationJob"],
        "*",
        "StepFunctionsGetEventsForBedrockRule",
    ),
];
