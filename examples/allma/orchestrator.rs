//! Does a flow step by step.

use crate::{branch, polling};
use stepwright_constructs::prelude::*;

/// What differs between the stages: `dev`, `test`, `prod`.
pub(crate) struct StageConfig {
    /// The name of the stage. The names of machines and log groups end with it.
    pub(crate) stage: &'static str,
    /// How many days a flow may take.
    pub(crate) main_orchestrator_days: u64,
    /// How many days the log is kept.
    pub(crate) log_retention_days: u32,
}

impl Default for StageConfig {
    fn default() -> Self {
        Self { stage: "dev", main_orchestrator_days: 7, log_retention_days: 7 }
    }
}

/// What the orchestrator works with.
pub(crate) struct Props {
    /// The stage.
    pub(crate) stage: StageConfig,
    /// The functions that do the work.
    pub(crate) functions: Functions,
    /// The machine that asks an API. It may be deployed elsewhere: `Machine::from_arn(…)`.
    pub(crate) polling: Machine,
    /// The machine that does one branch, likewise.
    pub(crate) branch: Machine,
    /// Builds the machines as they were published, with their mistakes: see the README.
    pub(crate) as_published: bool,
    /// The bucket with lists of branches that are too long for an input.
    pub(crate) traces: Bucket,
}

impl Props {
    /// Everything in one stack.
    pub(crate) fn of_stage(stage: StageConfig) -> Self {
        let functions = Functions::default();
        Self {
            polling: polling::machine(stage.stage, &functions.api_polling).into(),
            branch: branch::machine(stage.stage, &functions.step_processor).into(),
            as_published: false,
            traces: Bucket::new("ExecutionTracesBucket"),
            functions,
            stage,
        }
    }
}

/// The functions that do the work.
pub(crate) struct Functions {
    /// Loads the flow.
    pub(crate) initialize: Function,
    /// Does one step and says what comes next.
    pub(crate) step_processor: Function,
    /// Writes down how it ended.
    pub(crate) finalize: Function,
    /// Asks an API.
    pub(crate) api_polling: Function,
}

impl Default for Functions {
    fn default() -> Self {
        let function =
            |name: &str, code: &str| Function::new(name, Code::inline(code)).runtime("python3.13");
        Self {
            initialize: function("InitializeFlowLambda", include_str!("functions/initialize.py")),
            step_processor: function(
                "IterativeStepProcessorLambda",
                include_str!("functions/step.py"),
            ),
            finalize: function("FinalizeFlowLambda", include_str!("functions/finalize.py")),
            api_polling: function("ApiPollingLambda", include_str!("functions/poll.py")),
        }
    }
}

/// After errors of the functions' own service.
pub(crate) fn invocation_retry() -> Retry {
    Retry::on(["Lambda.TooManyRequestsException", "Lambda.ServiceException", "Lambda.Unknown"])
        .interval(seconds(1))
        .max_attempts(5)
        .backoff_rate(3.0)
}

/// After errors of a step that may go away.
pub(crate) fn step_retry() -> Retry {
    Retry::on(["RetryableStepError", "ContentBasedRetryableError"])
        .interval(seconds(10))
        .max_attempts(3)
        .backoff_rate(2.0)
}

fn error_info() -> Catch {
    Catch::all().result_path("$.errorInfo")
}

/// The main machine, with the two that it starts.
pub(crate) fn machine(props: &Props) -> StateMachine {
    let Props { stage, functions, polling, branch, traces, as_published } = props;
    let invoke = |id: &str, function: &Function| {
        LambdaInvoke::new(id, function).payload_response_only().result_path("$")
    };

    // Errors of every task end here. As published, `JsonToString` quotes the cause once more.
    let cause = value_at("$.errorInfo.Cause");
    let message: Value = if *as_published { json_to_string(cause).into() } else { cause.into() };
    let failed = Fail::new("FlowFailed")
        .comment("Flow execution failed due to an unhandled error or explicit failure.")
        .error_path("$.errorInfo.errorName")
        .cause_path("$.errorInfo.errorMessage");
    let normalize = Pass::new("NormalizeErrorState")
        .comment("Transforms raw SFN error output into the standard errorInfo object for the Fail state.")
        .parameters(object! {
            "errorInfo": {
                "errorName": string_at("$.errorInfo.Error"),
                "errorMessage": message,
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
        .heartbeat_timeout(days(stage.main_orchestrator_days.saturating_sub(1).max(1)))
        .catch_with(error_info(), go_to("NormalizeErrorState"))
        .next(
            invoke("ProcessAsyncResultAndContinue", &functions.step_processor)
                .retry(invocation_retry())
                .catch_with(error_info(), go_to("NormalizeErrorState")),
        )
        .next(go_to("CheckISPCompletionChoice"));
    // The output of `.sync:2` is an object already. As published it is read as text, which fails.
    let polled =
        if *as_published { string_to_json(string_at("$.Output")) } else { value_at("$.Output") };
    let poll = StepFunctionsStartExecution::new("PollingSubFlowTask", polling)
        .integration_pattern(IntegrationPattern::RunJob)
        .input(value_at("$.pollingTaskInput"))
        .result_selector(object! {"Output": polled})
        .result_path("$.pollingResult")
        .catch_with(error_info(), go_to("NormalizeErrorState"))
        .next(go_to("ProcessAsyncResultAndContinue"));
    let in_memory = branches_in_memory(branch, *as_published);
    let fork = prepare_fork(
        "PrepareParallelMapInput",
        "parallelForkInput",
        object! {
            "branchesToExecute": list_at("$.parallelForkInput.branchesToExecute"),
        },
    )
    .next(in_memory)
    .next(aggregate());
    let from_s3 =
        branches_from_s3(traces, functions, *as_published).next(go_to("PrepareAggregationInput"));
    // As published, nothing prepares the data that the results are put into.
    let fork_s3 = if *as_published {
        from_s3
    } else {
        prepare_fork(
            "PrepareS3MapInput",
            "s3ItemReader",
            object! {
                "s3ItemReader": object_at("$.s3ItemReader"),
            },
        )
        .next(from_s3)
    };
    let choose = Choice::new("ChooseNextSfnTaskType")
        .when("$.sfnAction == 'WAIT_FOR_EXTERNAL_EVENT'", wait)
        .when("$.sfnAction == 'POLL_EXTERNAL_API'", poll)
        .when("$.sfnAction == 'PARALLEL_FORK'", fork)
        .when("$.sfnAction == 'PARALLEL_FORK_S3'", fork_s3)
        .otherwise(step);

    let name = format!("AllmaFlowOrchestrator-{}", stage.stage);
    let read = ["s3:GetObject*", "s3:GetBucket*", "s3:List*"];
    let role = Role::new("AllmaOrchestration/AllmaStateMachineRole", "states.amazonaws.com")
        .description(format!(
            "IAM Role for ALLMA Flow Orchestrator State Machine ({})",
            stage.stage,
        ))
        .allow(Statement::allow(read, [traces.arn(), traces.objects("*")]));
    let kept = if stage.stage == "prod" { RemovalPolicy::Retain } else { RemovalPolicy::Destroy };
    let logs = LogGroup::new("AllmaOrchestration/AllmaStateMachineLogGroup")
        .log_group_name(format!("/aws/stepfunctions/{name}"))
        .retention_days(stage.log_retention_days)
        .removal_policy(kept);
    StateMachine::new("AllmaOrchestration/AllmaFlowOrchestrator", initialize.next(choose))
        .state_machine_name(name)
        .timeout(days(stage.main_orchestrator_days))
        .role(role)
        .logs(LogOptions::new(logs).level(LogLevel::All).include_execution_data(true))
        .tracing()
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

/// The data for a Map: what its results are put into, and what it reads. `from` is the member of the
/// input that describes the fork.
fn prepare_fork(id: &str, from: &str, read: Value) -> Pass {
    let mut members = vec![(
        "mapContext".to_owned(),
        object! {
            "runtimeState": object_at("$.runtimeState"),
            "aggregationConfig": object_at(&format!("$.{from}.aggregationConfig")),
            "originalStepInstanceId": string_at(&format!("$.{from}.originalStepInstanceId")),
        },
    )];
    if let Value::Object(more) = read {
        members.extend(more);
    }
    Pass::new(id).parameters(Value::Object(members)).result_path("$")
}

/// Each branch in an execution of its own, started from the main one.
fn branches_in_memory(branch: &Machine, as_published: bool) -> Map {
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
        .catch_with(error_info(), branch_error(as_published));
    let output = Pass::new("InMemoryMapParseOutput").parameters(object! {
        "branchId": string_at("$.branchItem.branchId"),
        "output": value_at("$.sfnSubExecutionResult.Output"),
    });
    let item = "$$.Map.Item.Value";
    let map = Map::new("ExecuteBranchesInParallel")
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
        .item_processor(inject.next(execute).next(output));
    // As published, an error of the Map itself ends the run without a word.
    if as_published { map } else { map.catch_with(error_info(), go_to("NormalizeErrorState")) }
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
/// As published, the parsed cause replaces `errorInfo`, so that the last way out finds neither error nor
/// cause.
fn branch_error(as_published: bool) -> Choice {
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
    let cause = string_to_json(string_at("$.errorInfo.Cause"));
    let parsed = if as_published {
        object! {"parsedCause": cause}
    } else {
        object! {
            "parsedCause": cause,
            "Error": string_at("$.errorInfo.Error"),
            "Cause": string_at("$.errorInfo.Cause"),
        }
    };
    let parse = Pass::new("InMemoryMapParseJsonCause")
        .comment("Parses the JSON string from the Cause field into an object.")
        .parameters(parsed)
        .result_path("$.errorInfo")
        .next(kind);
    Choice::new("InMemoryMapIsCauseJsonChoice")
        .when("$.errorInfo.Cause matches '{*'", parse)
        .otherwise(text)
}

/// The branches of a list in S3, each in an execution of a distributed Map.
///
/// There is no `$$.ExecutionContext`, so this way fails as it was published.
fn branches_from_s3(bucket: &Bucket, functions: &Functions, as_published: bool) -> DistributedMap {
    let context =
        if as_published { "$$.ExecutionContext.Input.mapContext" } else { "$.mapContext" };
    let process = LambdaInvoke::new("S3MapItemProcessorTask", &functions.step_processor)
        .payload_response_only()
        .result_path(DISCARD)
        .retry(invocation_retry());
    DistributedMap::new("ExecuteBranchesFromS3")
        .item_reader(ItemReader::file(InputType::Json, bucket, string_at("$.s3ItemReader.key")))
        .max_concurrency_path("$.s3ItemReader.aggregationConfig.maxConcurrency")
        .item_selector(object! {
            "currentItem": object_at("$$.Map.Item.Value"),
            "mapContext": object_at(context),
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
