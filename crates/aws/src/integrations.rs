//! The optimised integrations of Step Functions.
//!
//! Source: <https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html>

/// A service, as resources name it, and its actions.
type Integration = (&'static str, &'static [(&'static str, &'static str)]);

/// The services and their actions. Each action lists the patterns that it supports besides request
/// and response: `s` for `.sync`, `2` for `.sync:2`, `t` for `.waitForTaskToken`.
const INTEGRATIONS: &[Integration] = &[
    ("apigateway", &[("invoke", "t")]),
    (
        "athena",
        &[
            ("startQueryExecution", "s"),
            ("stopQueryExecution", ""),
            ("getQueryExecution", ""),
            ("getQueryResults", ""),
        ],
    ),
    ("batch", &[("submitJob", "st")]),
    ("bedrock", &[("invokeModel", "t"), ("createModelCustomizationJob", "st")]),
    ("bedrockagentcore", &[("invokeHarness", "t"), ("invokeAgentRuntime", "t")]),
    (
        "codebuild",
        &[
            ("startBuild", "s"),
            ("stopBuild", ""),
            ("batchDeleteBuilds", ""),
            ("batchGetReports", ""),
            ("startBuildBatch", "s"),
            ("stopBuildBatch", ""),
            ("retryBuildBatch", "s"),
            ("deleteBuildBatch", ""),
        ],
    ),
    ("databrew", &[("startJobRun", "s")]),
    ("dynamodb", &[("getItem", ""), ("putItem", ""), ("updateItem", ""), ("deleteItem", "")]),
    ("ecs", &[("runTask", "st")]),
    (
        "eks",
        &[
            ("createCluster", "s"),
            ("deleteCluster", "s"),
            ("createFargateProfile", "s"),
            ("deleteFargateProfile", "s"),
            ("createNodegroup", "s"),
            ("deleteNodegroup", "s"),
            ("runJob", "st"),
            ("call", "t"),
        ],
    ),
    (
        "elasticmapreduce",
        &[
            ("createCluster", "s"),
            ("terminateCluster", "s"),
            ("addStep", "s"),
            ("cancelStep", ""),
            ("setClusterTerminationProtection", ""),
            ("modifyInstanceFleetByName", ""),
            ("modifyInstanceGroupByName", ""),
        ],
    ),
    (
        "emr-containers",
        &[("createVirtualCluster", ""), ("deleteVirtualCluster", "s"), ("startJobRun", "s")],
    ),
    (
        "emr-serverless",
        &[
            ("createApplication", "s"),
            ("startApplication", "s"),
            ("stopApplication", "s"),
            ("deleteApplication", "s"),
            ("startJobRun", "s"),
            ("cancelJobRun", "s"),
        ],
    ),
    ("events", &[("putEvents", "t")]),
    ("glue", &[("startJobRun", "s")]),
    ("http", &[("invoke", "")]),
    ("lambda", &[("invoke", "t")]),
    ("mediaconvert", &[("createJob", "s")]),
    (
        "sagemaker",
        &[
            ("createEndpoint", ""),
            ("createEndpointConfig", ""),
            ("createHyperParameterTuningJob", "s"),
            ("createLabelingJob", "s"),
            ("createModel", ""),
            ("createProcessingJob", "s"),
            ("createTrainingJob", "s"),
            ("createTransformJob", "s"),
            ("updateEndpoint", ""),
        ],
    ),
    ("sns", &[("publish", "t")]),
    ("sqs", &[("sendMessage", "t")]),
    ("states", &[("startExecution", "s2t")]),
];

/// The services that have optimised integrations.
pub fn services() -> impl Iterator<Item = &'static str> + Clone {
    INTEGRATIONS.iter().map(|(service, _)| *service)
}

/// The actions of a service's optimised integration; `None` if it has none.
pub fn actions(service: &str) -> Option<impl Iterator<Item = &'static str> + Clone> {
    find(service).map(|actions| actions.iter().map(|(action, _)| *action))
}

/// Whether an optimised integration supports an action with this pattern: `""`, `sync`, `sync:2` or
/// `waitForTaskToken`.
pub fn knows(service: &str, action: &str, pattern: &str) -> bool {
    let actions = find(service).unwrap_or_default();
    let Some((_, patterns)) = actions.iter().find(|(name, _)| *name == action) else {
        return false;
    };
    match pattern {
        "" => true,
        "sync" => patterns.contains('s'),
        "sync:2" => patterns.contains('2'),
        "waitForTaskToken" => patterns.contains('t'),
        _ => false,
    }
}

fn find(service: &str) -> Option<&'static [(&'static str, &'static str)]> {
    INTEGRATIONS.iter().find(|(name, _)| *name == service).map(|(_, actions)| *actions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_belong_to_actions() {
        let cases = [
            ("lambda", "invoke", "", true),
            ("lambda", "invoke", "waitForTaskToken", true),
            ("lambda", "invoke", "sync", false),
            ("states", "startExecution", "sync:2", true),
            ("glue", "startJobRun", "sync:2", false),
            ("sns", "unsubscribe", "", false),
            ("nothing", "publish", "", false),
        ];
        for (service, action, pattern, expected) in cases {
            assert_eq!(knows(service, action, pattern), expected, "{service}:{action}.{pattern}");
        }
    }
}
