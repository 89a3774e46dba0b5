//! IAM: the names of services there, and the permissions of integrations whose permissions do not
//! depend on their parameters.
//!
//! Source: <https://docs.aws.amazon.com/step-functions/latest/dg/service-integration-iam-templates.html>,
//! and the policies that aws-cdk-lib 2.276.0 writes.

use crate::table;

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

/// The actions that a call of an AWS SDK integration needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SdkActions {
    /// The actions with their prefixes; none if the operation is authorised in another way.
    pub actions: Vec<String>,
    /// Whether that is known. If not, the action is the one that has the operation's name, which
    /// mostly is right, and has to be said to whoever writes the policy.
    pub is_known: bool,
}

/// The actions that `aws-sdk:SERVICE:ACTION` needs: `lambda:InvokeFunction` for `lambda` and
/// `invoke`, `s3:ListAllMyBuckets` for `s3` and `listBuckets`. The error says what there is no such
/// thing of.
pub fn sdk_actions(service: &str, action: &str) -> Result<SdkActions, String> {
    let service = table::service(service).map_err(|error| error.to_string())?;
    let operation = service.action(action).map_err(|error| error.to_string())?;
    let (actions, is_known) = service.iam_actions(operation);
    Ok(SdkActions { actions, is_known })
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
    (
        "emr-serverless:createApplication",
        &["emr-serverless:CreateApplication"],
        &["emr-serverless:GetApplication", "emr-serverless:DeleteApplication"],
        "/*",
        "StepFunctionsGetEventsForEMRServerlessApplicationRule",
    ),
    (
        "emr-serverless:startApplication",
        &["emr-serverless:StartApplication"],
        &["emr-serverless:GetApplication", "emr-serverless:StopApplication"],
        "/applications/*",
        "StepFunctionsGetEventsForEMRServerlessApplicationRule",
    ),
    (
        "emr-serverless:stopApplication",
        &["emr-serverless:StopApplication"],
        &["emr-serverless:GetApplication"],
        "/applications/*",
        "StepFunctionsGetEventsForEMRServerlessApplicationRule",
    ),
    (
        "emr-serverless:deleteApplication",
        &["emr-serverless:DeleteApplication"],
        &["emr-serverless:GetApplication"],
        "/applications/*",
        "StepFunctionsGetEventsForEMRServerlessApplicationRule",
    ),
    (
        "emr-serverless:startJobRun",
        &["emr-serverless:StartJobRun"],
        &["emr-serverless:GetJobRun", "emr-serverless:CancelJobRun"],
        "/applications/*",
        "StepFunctionsGetEventsForEMRServerlessJobRule",
    ),
    (
        "emr-serverless:cancelJobRun",
        &["emr-serverless:CancelJobRun"],
        &["emr-serverless:GetJobRun"],
        "/applications/*",
        "StepFunctionsGetEventsForEMRServerlessJobRule",
    ),
    (
        "eks:createCluster",
        &["eks:CreateCluster"],
        &["eks:DescribeCluster", "eks:DeleteCluster"],
        "*",
        "",
    ),
    ("eks:deleteCluster", &["eks:DeleteCluster"], &["eks:DescribeCluster"], "cluster/*", ""),
    (
        "eks:createFargateProfile",
        &["eks:CreateFargateProfile"],
        &["eks:DescribeFargateProfile", "eks:DeleteFargateProfile"],
        "*",
        "",
    ),
    (
        "eks:deleteFargateProfile",
        &["eks:DeleteFargateProfile"],
        &["eks:DescribeFargateProfile"],
        "fargateprofile/*",
        "",
    ),
    (
        "eks:createNodegroup",
        &[
            "ec2:DescribeSubnets",
            "eks:CreateNodegroup",
            "iam:GetRole",
            "iam:ListAttachedRolePolicies",
        ],
        &["eks:DescribeNodegroup", "eks:DeleteNodegroup"],
        "*",
        "",
    ),
    (
        "eks:deleteNodegroup",
        &["eks:DeleteNodegroup"],
        &["eks:DescribeNodegroup"],
        "nodegroup/*",
        "",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(service: &str, action: &str, expected: &[&str], is_known: bool) {
        let found = sdk_actions(service, action).unwrap();
        assert_eq!(found.actions, expected);
        assert_eq!(found.is_known, is_known);
    }

    #[test]
    fn actions_have_the_names_of_iam() {
        check("redshiftdata", "executeStatement", &["redshift-data:ExecuteStatement"], true);
        check("lambda", "invoke", &["lambda:InvokeFunction"], true);
        check("s3control", "putPublicAccessBlock", &["s3:PutAccountPublicAccessBlock"], true);
        check("bedrockagent", "startIngestionJob", &["bedrock:StartIngestionJob"], true);
        check("eventbridge", "putEvents", &["events:PutEvents"], true);
        check("sesv2", "sendEmail", &["ses:SendEmail"], true);
        check("s3", "listBuckets", &["s3:ListAllMyBuckets"], true);
        check("s3", "copyObject", &["s3:GetObject", "s3:PutObject"], true);
        check("s3", "headObject", &["s3:GetObject"], true);
        check("sfn", "startExecution", &["states:StartExecution"], true);
        check("cloudwatch", "putMetricData", &["cloudwatch:PutMetricData"], true);
        check("cloudwatchlogs", "createLogGroup", &["logs:CreateLogGroup"], true);
        check("apigateway", "getRestApis", &["apigateway:GET"], true);
        check("databasemigration", "startReplicationTask", &["dms:StartReplicationTask"], true);
        check("sts", "getCallerIdentity", &["sts:GetCallerIdentity"], true);
        check("cognitoidentityprovider", "signUp", &[], true);
    }

    #[test]
    fn what_is_not_known_is_said() {
        check("dynamodb", "describeBulkOperation", &["dynamodb:DescribeBulkOperation"], false);
        assert_eq!(
            sdk_actions("dynamo", "putItem"),
            Err("there is no AWS service `dynamo`; did you mean `dynamodb`?".to_owned())
        );
        assert_eq!(
            sdk_actions("dynamodb", "PutItem"),
            Err("`dynamodb` has no action `PutItem`; did you mean `putItem`?".to_owned())
        );
    }
}
