//! The inputs of the operations, with names, types and constraints as in the service model
//! (botocore 1.44.5, `stepfunctions/2016-11-23`).

use crate::shape::{Member, Operation, Pattern, Shape};

const fn required(name: &'static str, shape: &'static Shape) -> Member {
    Member { name, shape, is_required: true }
}

const fn optional(name: &'static str, shape: &'static Shape) -> Member {
    Member { name, shape, is_required: false }
}

const NAME: Shape = Shape::Text { min: 1, max: Some(80), pattern: None, values: &[] };
const TAG_KEY: Shape = Shape::Text { min: 1, max: Some(128), pattern: None, values: &[] };
const TAG_VALUE: Shape = Shape::Text { min: 0, max: Some(256), pattern: None, values: &[] };
const TAG: Shape = Shape::Structure(&[optional("key", &TAG_KEY), optional("value", &TAG_VALUE)]);
const TAG_LIST: Shape = Shape::List { name: "Tag", of: &TAG, min: 0, max: None };
const KMS_KEY_ID: Shape = Shape::Text { min: 1, max: Some(2048), pattern: None, values: &[] };
const KMS_DATA_KEY_REUSE_PERIOD_SECONDS: Shape = Shape::Integer { min: Some(60), max: Some(900) };
const ENCRYPTION_TYPE: Shape = Shape::Text {
    min: 0,
    max: None,
    pattern: None,
    values: &["AWS_OWNED_KEY", "CUSTOMER_MANAGED_KMS_KEY"],
};
const ENCRYPTION_CONFIGURATION: Shape = Shape::Structure(&[
    optional("kmsKeyId", &KMS_KEY_ID),
    optional("kmsDataKeyReusePeriodSeconds", &KMS_DATA_KEY_REUSE_PERIOD_SECONDS),
    required("type", &ENCRYPTION_TYPE),
]);
const DEFINITION: Shape = Shape::Text { min: 1, max: Some(1_048_576), pattern: None, values: &[] };
const ARN: Shape = Shape::Text { min: 1, max: Some(256), pattern: None, values: &[] };
const STATE_MACHINE_TYPE: Shape =
    Shape::Text { min: 0, max: None, pattern: None, values: &["STANDARD", "EXPRESS"] };
const LOG_LEVEL: Shape =
    Shape::Text { min: 0, max: None, pattern: None, values: &["ALL", "ERROR", "FATAL", "OFF"] };
const INCLUDE_EXECUTION_DATA: Shape = Shape::Boolean;
const CLOUD_WATCH_LOGS_LOG_GROUP: Shape = Shape::Structure(&[optional("logGroupArn", &ARN)]);
const LOG_DESTINATION: Shape =
    Shape::Structure(&[optional("cloudWatchLogsLogGroup", &CLOUD_WATCH_LOGS_LOG_GROUP)]);
const LOG_DESTINATION_LIST: Shape =
    Shape::List { name: "LogDestination", of: &LOG_DESTINATION, min: 0, max: None };
const LOGGING_CONFIGURATION: Shape = Shape::Structure(&[
    optional("level", &LOG_LEVEL),
    optional("includeExecutionData", &INCLUDE_EXECUTION_DATA),
    optional("destinations", &LOG_DESTINATION_LIST),
]);
const ENABLED: Shape = Shape::Boolean;
const TRACING_CONFIGURATION: Shape = Shape::Structure(&[optional("enabled", &ENABLED)]);
const PUBLISH: Shape = Shape::Boolean;
const VERSION_DESCRIPTION: Shape =
    Shape::Text { min: 0, max: Some(256), pattern: None, values: &[] };
const ALIAS_DESCRIPTION: Shape = Shape::Text { min: 0, max: Some(256), pattern: None, values: &[] };
const CHARACTER_RESTRICTED_NAME: Shape =
    Shape::Text { min: 1, max: Some(80), pattern: Some(Pattern::AliasName), values: &[] };
const VERSION_WEIGHT: Shape = Shape::Integer { min: Some(0), max: Some(100) };
const ROUTING_CONFIGURATION_LIST_ITEM: Shape = Shape::Structure(&[
    required("stateMachineVersionArn", &ARN),
    required("weight", &VERSION_WEIGHT),
]);
const ROUTING_CONFIGURATION_LIST: Shape = Shape::List {
    name: "RoutingConfigurationListItem",
    of: &ROUTING_CONFIGURATION_LIST_ITEM,
    min: 1,
    max: Some(2),
};
const LONG_ARN: Shape = Shape::Text { min: 1, max: Some(2000), pattern: None, values: &[] };
const INCLUDED_DATA: Shape =
    Shape::Text { min: 0, max: None, pattern: None, values: &["ALL_DATA", "METADATA_ONLY"] };
const PAGE_SIZE: Shape = Shape::Integer { min: Some(0), max: Some(1000) };
const REVERSE_ORDER: Shape = Shape::Boolean;
const PAGE_TOKEN: Shape = Shape::Text { min: 1, max: Some(1024), pattern: None, values: &[] };
const INCLUDE_EXECUTION_DATA_GET_EXECUTION_HISTORY: Shape = Shape::Boolean;
const EXECUTION_STATUS: Shape = Shape::Text {
    min: 0,
    max: None,
    pattern: None,
    values: &["SUCCEEDED", "TIMED_OUT", "PENDING_REDRIVE", "ABORTED", "FAILED", "RUNNING"],
};
const LIST_EXECUTIONS_PAGE_TOKEN: Shape =
    Shape::Text { min: 1, max: Some(3096), pattern: None, values: &[] };
const EXECUTION_REDRIVE_FILTER: Shape =
    Shape::Text { min: 0, max: None, pattern: None, values: &["REDRIVEN", "NOT_REDRIVEN"] };
const REVISION_ID: Shape = Shape::Text { min: 0, max: None, pattern: None, values: &[] };
const CLIENT_TOKEN: Shape =
    Shape::Text { min: 1, max: Some(64), pattern: Some(Pattern::Visible), values: &[] };
const TASK_TOKEN: Shape = Shape::Text { min: 1, max: Some(2048), pattern: None, values: &[] };
const SENSITIVE_ERROR: Shape = Shape::Text { min: 0, max: Some(256), pattern: None, values: &[] };
const SENSITIVE_CAUSE: Shape = Shape::Text { min: 0, max: Some(32768), pattern: None, values: &[] };
const SENSITIVE_DATA: Shape =
    Shape::Text { min: 0, max: Some(262_144), pattern: None, values: &[] };
const TRACE_HEADER: Shape =
    Shape::Text { min: 0, max: Some(256), pattern: Some(Pattern::Ascii), values: &[] };
const INSPECTION_LEVEL: Shape =
    Shape::Text { min: 0, max: None, pattern: None, values: &["INFO", "DEBUG", "TRACE"] };
const REVEAL_SECRETS: Shape = Shape::Boolean;
const TEST_STATE_STATE_NAME: Shape =
    Shape::Text { min: 1, max: Some(80), pattern: None, values: &[] };
const MOCK_ERROR_OUTPUT: Shape =
    Shape::Structure(&[optional("error", &SENSITIVE_ERROR), optional("cause", &SENSITIVE_CAUSE)]);
const MOCK_RESPONSE_VALIDATION_MODE: Shape =
    Shape::Text { min: 0, max: None, pattern: None, values: &["STRICT", "PRESENT", "NONE"] };
const MOCK_INPUT: Shape = Shape::Structure(&[
    optional("result", &SENSITIVE_DATA),
    optional("errorOutput", &MOCK_ERROR_OUTPUT),
    optional("fieldValidationMode", &MOCK_RESPONSE_VALIDATION_MODE),
]);
const RETRIER_RETRY_COUNT: Shape = Shape::Integer { min: Some(0), max: None };
const MAP_ITERATION_FAILURE_COUNT: Shape = Shape::Integer { min: Some(0), max: None };
const TEST_STATE_CONFIGURATION: Shape = Shape::Structure(&[
    optional("retrierRetryCount", &RETRIER_RETRY_COUNT),
    optional("errorCausedByState", &TEST_STATE_STATE_NAME),
    optional("mapIterationFailureCount", &MAP_ITERATION_FAILURE_COUNT),
    optional("mapItemReaderData", &SENSITIVE_DATA),
]);
const TAG_KEY_LIST: Shape = Shape::List { name: "TagKey", of: &TAG_KEY, min: 0, max: None };
const MAX_CONCURRENCY: Shape = Shape::Integer { min: Some(0), max: None };
const TOLERATED_FAILURE_PERCENTAGE: Shape = Shape::Number { min: Some(0.0), max: Some(100.0) };
const TOLERATED_FAILURE_COUNT: Shape = Shape::Integer { min: Some(0), max: None };
const VALIDATE_STATE_MACHINE_DEFINITION_SEVERITY: Shape =
    Shape::Text { min: 0, max: None, pattern: None, values: &["ERROR", "WARNING"] };
const VALIDATE_STATE_MACHINE_DEFINITION_MAX_RESULT: Shape =
    Shape::Integer { min: Some(0), max: Some(100) };

/// Every operation, by name.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        name: "CreateActivity",
        host_prefix: "",
        input: &[
            required("name", &NAME),
            optional("tags", &TAG_LIST),
            optional("encryptionConfiguration", &ENCRYPTION_CONFIGURATION),
        ],
    },
    Operation {
        name: "CreateStateMachine",
        host_prefix: "",
        input: &[
            required("name", &NAME),
            required("definition", &DEFINITION),
            required("roleArn", &ARN),
            optional("type", &STATE_MACHINE_TYPE),
            optional("loggingConfiguration", &LOGGING_CONFIGURATION),
            optional("tags", &TAG_LIST),
            optional("tracingConfiguration", &TRACING_CONFIGURATION),
            optional("publish", &PUBLISH),
            optional("versionDescription", &VERSION_DESCRIPTION),
            optional("encryptionConfiguration", &ENCRYPTION_CONFIGURATION),
        ],
    },
    Operation {
        name: "CreateStateMachineAlias",
        host_prefix: "",
        input: &[
            optional("description", &ALIAS_DESCRIPTION),
            required("name", &CHARACTER_RESTRICTED_NAME),
            required("routingConfiguration", &ROUTING_CONFIGURATION_LIST),
        ],
    },
    Operation { name: "DeleteActivity", host_prefix: "", input: &[required("activityArn", &ARN)] },
    Operation {
        name: "DeleteStateMachine",
        host_prefix: "",
        input: &[required("stateMachineArn", &ARN)],
    },
    Operation {
        name: "DeleteStateMachineAlias",
        host_prefix: "",
        input: &[required("stateMachineAliasArn", &ARN)],
    },
    Operation {
        name: "DeleteStateMachineVersion",
        host_prefix: "",
        input: &[required("stateMachineVersionArn", &LONG_ARN)],
    },
    Operation {
        name: "DescribeActivity",
        host_prefix: "",
        input: &[required("activityArn", &ARN)],
    },
    Operation {
        name: "DescribeExecution",
        host_prefix: "",
        input: &[required("executionArn", &ARN), optional("includedData", &INCLUDED_DATA)],
    },
    Operation {
        name: "DescribeMapRun",
        host_prefix: "",
        input: &[required("mapRunArn", &LONG_ARN)],
    },
    Operation {
        name: "DescribeStateMachine",
        host_prefix: "",
        input: &[required("stateMachineArn", &ARN), optional("includedData", &INCLUDED_DATA)],
    },
    Operation {
        name: "DescribeStateMachineAlias",
        host_prefix: "",
        input: &[required("stateMachineAliasArn", &ARN)],
    },
    Operation {
        name: "DescribeStateMachineForExecution",
        host_prefix: "",
        input: &[required("executionArn", &ARN), optional("includedData", &INCLUDED_DATA)],
    },
    Operation {
        name: "GetActivityTask",
        host_prefix: "",
        input: &[required("activityArn", &ARN), optional("workerName", &NAME)],
    },
    Operation {
        name: "GetExecutionHistory",
        host_prefix: "",
        input: &[
            required("executionArn", &ARN),
            optional("maxResults", &PAGE_SIZE),
            optional("reverseOrder", &REVERSE_ORDER),
            optional("nextToken", &PAGE_TOKEN),
            optional("includeExecutionData", &INCLUDE_EXECUTION_DATA_GET_EXECUTION_HISTORY),
        ],
    },
    Operation {
        name: "ListActivities",
        host_prefix: "",
        input: &[optional("maxResults", &PAGE_SIZE), optional("nextToken", &PAGE_TOKEN)],
    },
    Operation {
        name: "ListExecutions",
        host_prefix: "",
        input: &[
            optional("stateMachineArn", &ARN),
            optional("statusFilter", &EXECUTION_STATUS),
            optional("maxResults", &PAGE_SIZE),
            optional("nextToken", &LIST_EXECUTIONS_PAGE_TOKEN),
            optional("mapRunArn", &LONG_ARN),
            optional("redriveFilter", &EXECUTION_REDRIVE_FILTER),
        ],
    },
    Operation {
        name: "ListMapRuns",
        host_prefix: "",
        input: &[
            required("executionArn", &ARN),
            optional("maxResults", &PAGE_SIZE),
            optional("nextToken", &PAGE_TOKEN),
        ],
    },
    Operation {
        name: "ListStateMachineAliases",
        host_prefix: "",
        input: &[
            required("stateMachineArn", &ARN),
            optional("nextToken", &PAGE_TOKEN),
            optional("maxResults", &PAGE_SIZE),
        ],
    },
    Operation {
        name: "ListStateMachineVersions",
        host_prefix: "",
        input: &[
            required("stateMachineArn", &ARN),
            optional("nextToken", &PAGE_TOKEN),
            optional("maxResults", &PAGE_SIZE),
        ],
    },
    Operation {
        name: "ListStateMachines",
        host_prefix: "",
        input: &[optional("maxResults", &PAGE_SIZE), optional("nextToken", &PAGE_TOKEN)],
    },
    Operation {
        name: "ListTagsForResource",
        host_prefix: "",
        input: &[required("resourceArn", &ARN)],
    },
    Operation {
        name: "PublishStateMachineVersion",
        host_prefix: "",
        input: &[
            required("stateMachineArn", &ARN),
            optional("revisionId", &REVISION_ID),
            optional("description", &VERSION_DESCRIPTION),
        ],
    },
    Operation {
        name: "RedriveExecution",
        host_prefix: "",
        input: &[required("executionArn", &ARN), optional("clientToken", &CLIENT_TOKEN)],
    },
    Operation {
        name: "SendTaskFailure",
        host_prefix: "",
        input: &[
            required("taskToken", &TASK_TOKEN),
            optional("error", &SENSITIVE_ERROR),
            optional("cause", &SENSITIVE_CAUSE),
        ],
    },
    Operation {
        name: "SendTaskHeartbeat",
        host_prefix: "",
        input: &[required("taskToken", &TASK_TOKEN)],
    },
    Operation {
        name: "SendTaskSuccess",
        host_prefix: "",
        input: &[required("taskToken", &TASK_TOKEN), required("output", &SENSITIVE_DATA)],
    },
    Operation {
        name: "StartExecution",
        host_prefix: "",
        input: &[
            required("stateMachineArn", &ARN),
            optional("name", &NAME),
            optional("input", &SENSITIVE_DATA),
            optional("traceHeader", &TRACE_HEADER),
        ],
    },
    Operation {
        name: "StartSyncExecution",
        host_prefix: "sync-",
        input: &[
            required("stateMachineArn", &ARN),
            optional("name", &NAME),
            optional("input", &SENSITIVE_DATA),
            optional("traceHeader", &TRACE_HEADER),
            optional("includedData", &INCLUDED_DATA),
        ],
    },
    Operation {
        name: "StopExecution",
        host_prefix: "",
        input: &[
            required("executionArn", &ARN),
            optional("error", &SENSITIVE_ERROR),
            optional("cause", &SENSITIVE_CAUSE),
        ],
    },
    Operation {
        name: "TagResource",
        host_prefix: "",
        input: &[required("resourceArn", &ARN), required("tags", &TAG_LIST)],
    },
    Operation {
        name: "TestState",
        host_prefix: "sync-",
        input: &[
            required("definition", &DEFINITION),
            optional("roleArn", &ARN),
            optional("input", &SENSITIVE_DATA),
            optional("inspectionLevel", &INSPECTION_LEVEL),
            optional("revealSecrets", &REVEAL_SECRETS),
            optional("variables", &SENSITIVE_DATA),
            optional("stateName", &TEST_STATE_STATE_NAME),
            optional("mock", &MOCK_INPUT),
            optional("context", &SENSITIVE_DATA),
            optional("stateConfiguration", &TEST_STATE_CONFIGURATION),
        ],
    },
    Operation {
        name: "UntagResource",
        host_prefix: "",
        input: &[required("resourceArn", &ARN), required("tagKeys", &TAG_KEY_LIST)],
    },
    Operation {
        name: "UpdateMapRun",
        host_prefix: "",
        input: &[
            required("mapRunArn", &LONG_ARN),
            optional("maxConcurrency", &MAX_CONCURRENCY),
            optional("toleratedFailurePercentage", &TOLERATED_FAILURE_PERCENTAGE),
            optional("toleratedFailureCount", &TOLERATED_FAILURE_COUNT),
        ],
    },
    Operation {
        name: "UpdateStateMachine",
        host_prefix: "",
        input: &[
            required("stateMachineArn", &ARN),
            optional("definition", &DEFINITION),
            optional("roleArn", &ARN),
            optional("loggingConfiguration", &LOGGING_CONFIGURATION),
            optional("tracingConfiguration", &TRACING_CONFIGURATION),
            optional("publish", &PUBLISH),
            optional("versionDescription", &VERSION_DESCRIPTION),
            optional("encryptionConfiguration", &ENCRYPTION_CONFIGURATION),
        ],
    },
    Operation {
        name: "UpdateStateMachineAlias",
        host_prefix: "",
        input: &[
            required("stateMachineAliasArn", &ARN),
            optional("description", &ALIAS_DESCRIPTION),
            optional("routingConfiguration", &ROUTING_CONFIGURATION_LIST),
        ],
    },
    Operation {
        name: "ValidateStateMachineDefinition",
        host_prefix: "",
        input: &[
            required("definition", &DEFINITION),
            optional("type", &STATE_MACHINE_TYPE),
            optional("severity", &VALIDATE_STATE_MACHINE_DEFINITION_SEVERITY),
            optional("maxResults", &VALIDATE_STATE_MACHINE_DEFINITION_MAX_RESULT),
        ],
    },
];
