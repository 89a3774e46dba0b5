//! IAM: what services are called there, and what integrations need that need the same whatever they are
//! given.
//!
//! Source: <https://docs.aws.amazon.com/step-functions/latest/dg/service-integration-iam-templates.html>,
//! and the policies that aws-cdk-lib 2.276.0 writes.

/// The name of a service in IAM, where it differs from the one in ARNs of tasks.
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

/// What an integration needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The actions it needs in every form.
    pub actions: &'static [&'static str],
    /// What it needs besides when its end is waited for.
    pub sync_actions: &'static [&'static str],
    /// The resource: `*`, or what stands behind region and account in its ARN.
    pub resource: &'static str,
    /// The rule by which Step Functions hears of the end; empty where there is none.
    pub rule: &'static str,
}

/// What an integration (`glue:startJobRun`) needs, where that does not depend on its parameters.
pub fn needs(integration: &str) -> Option<Needs> {
    let row = TABLE.iter().find(|(known, ..)| *known == integration)?;
    let (_, actions, sync_actions, resource, rule) = *row;
    Some(Needs { actions, sync_actions, resource, rule })
}

/// Integration, actions, more for `.sync`, resource (`*` or within the account), the rule for `.sync`.
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
