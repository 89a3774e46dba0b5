//! The optimised integrations of Step Functions.
//!
//! Source: <https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html>

use crate::shapes::{Kind, Reference};
use crate::table::{self, Operation, Service};

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

/// The names of services in optimised integrations that differ from those of AWS SDK integrations.
const NAMES: [(&str, &str); 6] = [
    ("bedrock", "bedrockruntime"),
    ("elasticmapreduce", "emr"),
    ("emr-containers", "emrcontainers"),
    ("emr-serverless", "emrserverless"),
    ("events", "eventbridge"),
    ("states", "sfn"),
];

/// Actions whose operation is called otherwise, or belongs to another service.
const OPERATIONS: [(&str, &str, &str); 2] = [
    ("bedrock:createModelCustomizationJob", "bedrock", "CreateModelCustomizationJob"),
    ("elasticmapreduce:createCluster", "emr", "RunJobFlow"),
];

/// Parameters that are Step Functions' own and not those of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnParameters {
    /// Those that must be given.
    pub required: &'static [&'static str],
    /// The others.
    pub optional: &'static [&'static str],
}

/// Action, required parameters, further ones.
type Own = (&'static str, &'static [&'static str], &'static [&'static str]);

const OWN: &[Own] = &[
    (
        "apigateway:invoke",
        &["ApiEndpoint", "Method"],
        &[
            "AllowNullValues",
            "AuthType",
            "Headers",
            "Path",
            "QueryParameters",
            "RequestBody",
            "Stage",
        ],
    ),
    (
        "bedrock:invokeModel",
        &["ModelId"],
        &[
            "Accept",
            "Body",
            "ContentType",
            "GuardrailIdentifier",
            "GuardrailVersion",
            "Input",
            "Output",
            "PerformanceConfigLatency",
            "ServiceTier",
            "Trace",
        ],
    ),
    (
        "eks:call",
        &["CertificateAuthority", "ClusterName", "Endpoint", "Method", "Path"],
        &["QueryParameters", "RequestBody"],
    ),
    (
        "eks:runJob",
        &["CertificateAuthority", "ClusterName", "Endpoint", "Job"],
        &["LogOptions", "Namespace"],
    ),
    ("elasticmapreduce:addStep", &["ClusterId", "Step"], &["ExecutionRoleArn"]),
    ("elasticmapreduce:cancelStep", &["ClusterId", "StepId"], &[]),
    (
        "elasticmapreduce:modifyInstanceFleetByName",
        &["ClusterId", "InstanceFleet", "InstanceFleetName"],
        &[],
    ),
    (
        "elasticmapreduce:modifyInstanceGroupByName",
        &["ClusterId", "InstanceGroup", "InstanceGroupName"],
        &[],
    ),
    (
        "elasticmapreduce:setClusterTerminationProtection",
        &["ClusterId", "TerminationProtected"],
        &[],
    ),
    ("elasticmapreduce:terminateCluster", &["ClusterId"], &[]),
    (
        "http:invoke",
        &["ApiEndpoint", "Method"],
        &[
            "Authentication",
            "Headers",
            "InvocationConfig",
            "QueryParameters",
            "RequestBody",
            "Transform",
        ],
    ),
];

/// The parameters of `SERVICE:ACTION` that are Step Functions' own.
pub fn own_parameters(service: &str, action: &str) -> Option<OwnParameters> {
    let is_meant = |name: &str| name.split_once(':') == Some((service, action));
    let (_, required, optional) = OWN.iter().find(|(name, ..)| is_meant(name))?;
    Some(OwnParameters { required, optional })
}

/// Parameters that are Step Functions' own, but have the form of what an operation takes: action,
/// parameter, operation of EMR, its member (or an item of it), what is found by Step Functions.
const OWN_SHAPES: [(&str, &str, &str, &str, &str); 3] = [
    ("addStep", "Step", "AddJobFlowSteps", "Steps", ""),
    (
        "modifyInstanceFleetByName",
        "InstanceFleet",
        "ModifyInstanceFleet",
        "InstanceFleet",
        "InstanceFleetId",
    ),
    (
        "modifyInstanceGroupByName",
        "InstanceGroup",
        "ModifyInstanceGroups",
        "InstanceGroups",
        "InstanceGroupId",
    ),
];

/// The form of a parameter that is Step Functions' own.
#[derive(Clone, Copy, Debug)]
pub struct OwnShape {
    /// The service whose form it is.
    pub service: &'static Service,
    /// The form.
    pub reference: &'static Reference,
    /// The member that Step Functions finds by itself, and which is not to be given; or nothing.
    pub found: &'static str,
}

/// The form of a parameter of `SERVICE:ACTION` that is Step Functions' own, if a service has it.
pub fn own_shape(service: &str, action: &str, parameter: &str) -> Option<OwnShape> {
    let is_meant = |(of, name, ..): &&(&str, &str, &str, &str, &str)| {
        service == "elasticmapreduce" && *of == action && *name == parameter
    };
    let (_, _, operation, member, found) = OWN_SHAPES.iter().find(is_meant)?;
    let service = table::service("emr").ok()?;
    let input = service.structure(service.operation(operation)?.input.as_ref())?;
    let reference = &input.member(member)?.reference;
    let reference = match &service.shape(reference).kind {
        Kind::List(item) => item,
        _ => reference,
    };
    Some(OwnShape { service, reference, found })
}

/// The operation that `SERVICE:ACTION` calls; `None` if it is more than one, or not in the table.
pub fn operation(service: &str, action: &str) -> Option<(&'static Service, &'static Operation)> {
    if own_parameters(service, action).is_some() {
        return None;
    }
    let is_meant = |name: &str| name.split_once(':') == Some((service, action));
    if let Some((_, service, name)) = OPERATIONS.iter().find(|(name, ..)| is_meant(name)) {
        let service = table::service(service).ok()?;
        return Some((service, service.operation(name)?));
    }
    let service = table::service(sdk_service(service)).ok()?;
    Some((service, service.action(action).ok()?))
}

/// The name in AWS SDK integrations of a service with optimised integrations.
pub fn sdk_service(service: &str) -> &str {
    NAMES.iter().find(|(name, _)| *name == service).map_or(service, |(_, name)| name)
}

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
    fn every_action_has_parameters() {
        for (service, actions) in INTEGRATIONS {
            for (action, _) in *actions {
                let has = operation(service, action).is_some()
                    || own_parameters(service, action).is_some();
                assert!(has, "{service}:{action}");
            }
        }
        let (emr, create) = operation("elasticmapreduce", "createCluster").unwrap();
        assert_eq!((emr.name.as_str(), create.name.as_str()), ("emr", "RunJobFlow"));
        for (action, parameter, ..) in OWN_SHAPES {
            assert!(own_shape("elasticmapreduce", action, parameter).is_some(), "{action}");
        }
        for (name, ..) in OWN {
            let (service, action) = name.split_once(':').unwrap();
            assert!(knows(service, action, ""), "{name}");
        }
    }

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
