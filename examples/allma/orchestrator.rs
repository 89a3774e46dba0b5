//! Does a flow step by step.

use crate::{branch, polling};
use stepwright_constructs::prelude::*;

/// The functions that do the work.
pub struct Functions {
    /// Loads the flow.
    pub initialize: Function,
    /// Does one step and says what comes next.
    pub step_processor: Function,
    /// Writes down how it ended.
    pub finalize: Function,
    /// Asks an API.
    pub api_polling: Function,
}

impl Default for Functions {
    fn default() -> Self {
        let function = |name: &str| {
            Function::new(name, Code::inline("exports.handler = async (event) => event;"))
        };
        Self {
            initialize: function("InitializeFlowLambda"),
            step_processor: function("IterativeStepProcessorLambda"),
            finalize: function("FinalizeFlowLambda"),
            api_polling: function("ApiPollingLambda"),
        }
    }
}

/// After errors of the functions' own service.
pub fn invocation_retry() -> Retry {
    Retry::on(["Lambda.TooManyRequestsException", "Lambda.ServiceException", "Lambda.Unknown"])
        .interval(seconds(1))
        .max_attempts(5)
        .backoff_rate(3.0)
}

/// After errors of a step that may go away.
pub fn step_retry() -> Retry {
    Retry::on(["RetryableStepError", "ContentBasedRetryableError"])
        .interval(seconds(10))
        .max_attempts(3)
        .backoff_rate(2.0)
}

fn error_info() -> Catch {
    Catch::all().result_path("$.errorInfo")
}

/// The main machine, with the two that it starts.
pub fn machine(functions: &Functions) -> StateMachine {
    let bucket = Bucket::new("ExecutionTracesBucket");
    let branch = branch::machine(&functions.step_processor);
    let polling = polling::machine(&functions.api_polling);
    let invoke = |id: &str, function: &Function| {
        LambdaInvoke::new(id, function).payload_response_only().result_path("$")
    };

    // Errors of every task end here; a text that is a cause is quoted once more by JsonToString.
    let failed = Fail::new("FlowFailed")
        .comment("Flow execution failed due to an unhandled error or explicit failure.")
        .error_path("$.errorInfo.errorName")
        .cause_path("$.errorInfo.errorMessage");
    let normalize = Pass::new("NormalizeErrorState")
        .comment("Transforms raw SFN error output into the standard errorInfo object for the Fail state.")
        .parameters(object! {
            "errorInfo": {
                "errorName": string_at("$.errorInfo.Error"),
                "errorMessage": json_to_string(value_at("$.errorInfo.Cause")),
            },
        })
        .next(failed);
    let initialize = invoke("InitializeFlowExecutionTask", &functions.initialize)
        .comment("Initialize flow state and load flow definition.")
        .retry(invocation_retry())
        .catch_with(error_info(), normalize);

    let step = invoke("IterativeStepProcessorTask", &functions.step_processor)
        .comment("Process one step of the flow and determine the next.")
        .retry(invocation_retry())
        .retry(step_retry())
        .catch_with(error_info(), go_to("NormalizeErrorState"))
        .next(is_done(functions));
    let wait = LambdaInvoke::new("WaitForExternalEventTask", &functions.step_processor)
        .integration_pattern(IntegrationPattern::WaitForTaskToken)
        .payload(object! {
            "runtimeState": object_at("$.runtimeState"),
            "taskToken": task_token(),
        })
        .result_path("$.resumePayload")
        .heartbeat_timeout(days(6))
        .catch_with(error_info(), go_to("NormalizeErrorState"))
        .next(
            invoke("ProcessAsyncResultAndContinue", &functions.step_processor)
                .retry(invocation_retry())
                .catch_with(error_info(), go_to("NormalizeErrorState")),
        )
        .next(go_to("CheckISPCompletionChoice"));
    // The output of `.sync:2` is an object already, so reading it as text fails.
    let poll = StepFunctionsStartExecution::new("PollingSubFlowTask", &polling)
        .integration_pattern(IntegrationPattern::RunJob)
        .input(value_at("$.pollingTaskInput"))
        .result_selector(object! {"Output": string_to_json(string_at("$.Output"))})
        .result_path("$.pollingResult")
        .catch_with(error_info(), go_to("NormalizeErrorState"))
        .next(go_to("ProcessAsyncResultAndContinue"));
    let fork = prepare_fork().next(branches_in_memory(&branch)).next(aggregate());
    let fork_s3 = branches_from_s3(&bucket, functions).next(go_to("PrepareAggregationInput"));
    let choose = Choice::new("ChooseNextSfnTaskType")
        .when("$.sfnAction == 'WAIT_FOR_EXTERNAL_EVENT'", wait)
        .when("$.sfnAction == 'POLL_EXTERNAL_API'", poll)
        .when("$.sfnAction == 'PARALLEL_FORK'", fork)
        .when("$.sfnAction == 'PARALLEL_FORK_S3'", fork_s3)
        .otherwise(step);

    let read = ["s3:GetObject*", "s3:GetBucket*", "s3:List*"];
    StateMachine::new("AllmaFlowOrchestrator", initialize.next(choose))
        .timeout(days(7))
        .logs(LogOptions::new(LogGroup::new("OrchestratorLogs")).level(LogLevel::All))
        .tracing()
        .allow(Statement::allow(read, [bucket.arn(), bucket.arn().and("/*")]))
}

/// After a step: the next one, or the end.
fn is_done(functions: &Functions) -> Choice {
    let finalize = LambdaInvoke::new("FinalizeFlowExecutionTask", &functions.finalize)
        .payload_response_only()
        .comment("Finalize flow execution and log results.")
        .result_path("$")
        .retry(invocation_retry())
        .catch_with(error_info(), go_to("NormalizeErrorState"))
        .next(
            Choice::new("CheckFinalStatus")
                .when("$.status == 'COMPLETED'", Succeed::new("FlowSucceeded"))
                .otherwise(go_to("FlowFailed")),
        );
    Choice::new("CheckISPCompletionChoice")
        .when("$.runtimeState.currentStepInstanceId is present", go_to("ChooseNextSfnTaskType"))
        .otherwise(finalize)
}

fn prepare_fork() -> Pass {
    Pass::new("PrepareParallelMapInput")
        .parameters(object! {
            "mapContext": {
                "runtimeState": object_at("$.runtimeState"),
                "aggregationConfig": object_at("$.parallelForkInput.aggregationConfig"),
                "originalStepInstanceId": string_at("$.parallelForkInput.originalStepInstanceId"),
            },
            "branchesToExecute": list_at("$.parallelForkInput.branchesToExecute"),
        })
        .result_path("$")
}

/// Each branch in an execution of its own, started from the main one.
fn branches_in_memory(branch: &StateMachine) -> Map {
    let inject = Pass::new("InMemoryMapInjectInternalContext")
        .input_path("$")
        .parameters(object! {
            "currentStepStartTime": state_entered_time(),
            "executionName": string_at("$.uniqueBranchExecutionId"),
        })
        .result_path("$.branchItem.branchInput._internal");
    let execute = StepFunctionsStartExecution::new("InMemoryMapExecuteBranch", branch)
        .integration_pattern(IntegrationPattern::RunJob)
        .input(branch_input())
        .result_selector(object! {"Output": value_at("$.Output")})
        .result_path("$.sfnSubExecutionResult")
        .catch_with(error_info(), branch_error());
    let output = Pass::new("InMemoryMapParseOutput").parameters(object! {
        "branchId": string_at("$.branchItem.branchId"),
        "output": value_at("$.sfnSubExecutionResult.Output"),
    });
    let item = "$$.Map.Item.Value";
    Map::new("ExecuteBranchesInParallel")
        .items_path("$.branchesToExecute")
        .max_concurrency_path("$.mapContext.aggregationConfig.maxConcurrency")
        .parameters(object! {
            "mapContext": object_at("$.mapContext"),
            "branchItem": object_at(item),
            "uniqueBranchExecutionId": format_text("{}-{}-{}", [
                string_at("$.mapContext.runtimeState.flowExecutionId"),
                string_at("$$.Map.Item.Value.branchId"),
                uuid(),
            ]),
        })
        .result_path("$.mapResultsArray")
        .item_processor(inject.next(execute).next(output))
}

fn branch_input() -> Value {
    object! {
        "sfnAction": "PROCESS_STEP",
        "runtimeState": {
            "flowDefinitionId": string_at("$.mapContext.runtimeState.flowDefinitionId"),
            "flowDefinitionVersion": value_at("$.mapContext.runtimeState.flowDefinitionVersion"),
            "flowExecutionId": string_at("$.mapContext.runtimeState.flowExecutionId"),
            "enableExecutionLogs": flag_at("$.branchItem.enableExecutionLogs"),
            "branchId": string_at("$.branchItem.branchId"),
            "branchExecutionId": string_at("$.uniqueBranchExecutionId"),
            "currentStepInstanceId": string_at("$.branchItem.branchDefinition.stepInstanceId"),
            "status": "RUNNING",
            "startTime": state_entered_time(),
            "stepRetryAttempts": {},
            "currentContextData": object_at("$.branchItem.branchInput"),
            "_internal": {
                "branchDefinition": object_at("$.branchItem.branchDefinition"),
                "currentStepStartTime": state_entered_time(),
                "executionName": string_at("$.uniqueBranchExecutionId"),
            },
        },
    }
}

/// What becomes of an error of a branch, by what its cause looks like.
///
/// The parsed cause replaces `errorInfo`, so that the last way out finds neither error nor cause.
fn branch_error() -> Choice {
    let report = |id: &str, comment: &str, error: Value| {
        Pass::new(id)
            .comment(comment)
            .parameters(object! {"branchId": string_at("$.branchItem.branchId"), "error": error})
            .result_path("$")
    };
    let logical = report(
        "InMemoryMapFormatLogicalError",
        "Formats a standard error object from a parsed logical AllmaError.",
        object! {
            "errorName": string_at("$.errorInfo.parsedCause.errorName"),
            "errorMessage": string_at("$.errorInfo.parsedCause.errorMessage"),
            "errorDetails": value_at("$.errorInfo.parsedCause.errorDetails"),
            "isRetryable": false,
        },
    );
    let lambda = report(
        "InMemoryMapFormatLambdaError",
        "Formats a standard error object from a parsed Lambda runtime error.",
        object! {
            "errorName": string_at("$.errorInfo.parsedCause.errorType"),
            "errorMessage": string_at("$.errorInfo.parsedCause.errorMessage"),
            "errorDetails": {"stackTrace": value_at("$.errorInfo.parsedCause.stackTrace")},
            "isRetryable": false,
        },
    );
    let data_limit = report(
        "InMemoryMapFormatSfnDataLimitError",
        "Formats a standard error object for a nested SFN execution failure like DataLimitExceeded.",
        object! {
            "errorName": string_at("$.errorInfo.parsedCause.error"),
            "errorMessage": string_at("$.errorInfo.parsedCause.cause"),
            "isRetryable": false,
        },
    );
    let text = report(
        "InMemoryMapFormatStringCause",
        "Handles non-JSON error causes (e.g., SFN timeouts) and formats a standard error object.",
        object! {
            "errorName": string_at("$.errorInfo.Error"),
            "errorMessage": string_at("$.errorInfo.Cause"),
            "isRetryable": false,
        },
    );
    let kind = Choice::new("InMemoryMapCheckJsonCauseType")
        .when("$.errorInfo.parsedCause.errorName is present", logical)
        .when("$.errorInfo.parsedCause.errorType is present", lambda)
        .when("$.errorInfo.parsedCause.error is present", data_limit)
        .otherwise(go_to("InMemoryMapFormatStringCause"));
    let parse = Pass::new("InMemoryMapParseJsonCause")
        .comment("Parses the JSON string from the Cause field into an object.")
        .parameters(object! {"parsedCause": string_to_json(string_at("$.errorInfo.Cause"))})
        .result_path("$.errorInfo")
        .next(kind);
    Choice::new("InMemoryMapIsCauseJsonChoice")
        .when("$.errorInfo.Cause matches '{*'", parse)
        .otherwise(text)
}

/// The branches of a list in S3, each in an execution of a distributed Map.
///
/// There is no `$$.ExecutionContext`, so this way fails as it was published.
fn branches_from_s3(bucket: &Bucket, functions: &Functions) -> DistributedMap {
    let process = LambdaInvoke::new("S3MapItemProcessorTask", &functions.step_processor)
        .payload_response_only()
        .result_path(DISCARD)
        .retry(invocation_retry());
    DistributedMap::new("ExecuteBranchesFromS3")
        .item_reader(ItemReader::file(InputType::Json, bucket, string_at("$.s3ItemReader.key")))
        .max_concurrency_path("$.s3ItemReader.aggregationConfig.maxConcurrency")
        .item_selector(object! {
            "currentItem": object_at("$$.Map.Item.Value"),
            "mapContext": object_at("$$.ExecutionContext.Input.mapContext"),
        })
        .result_path("$.mapResultsArray")
        .item_processor(process)
        .catch_with(error_info(), go_to("NormalizeErrorState"))
}

/// The results of the branches become the input of the next step.
fn aggregate() -> Chain {
    Pass::new("PrepareAggregationInput")
        .input_path("$")
        .parameters(object! {
            "runtimeState": object_at("$.mapContext.runtimeState"),
            "sfnAction": "PARALLEL_AGGREGATE",
            "parallelAggregateInput": {
                "branchOutputs": list_at("$.mapResultsArray"),
                "aggregationConfig": object_at("$.mapContext.aggregationConfig"),
                "originalStepInstanceId": string_at("$.mapContext.originalStepInstanceId"),
            },
        })
        .result_path("$")
        .next(go_to("IterativeStepProcessorTask"))
}
