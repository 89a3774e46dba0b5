//! Does one branch of a parallel flow.

use crate::orchestrator::{invocation_retry, step_retry};
use stepwright_constructs::prelude::*;

/// The branch machine.
pub(crate) fn machine(stage: &str, step_processor: &Function) -> StateMachine {
    let failed = Fail::new("BranchFailed").error_path("$.Error").cause_path("$.Cause");
    let normalize = Pass::new("NormalizeBranchError")
        .parameters(object! {"Error": string_at("$.Error"), "Cause": string_at("$.Cause")})
        .next(failed);
    let step = LambdaInvoke::new("ProcessBranchStepTask", step_processor)
        .payload_response_only()
        .result_path("$")
        .retry(step_retry())
        .retry(invocation_retry())
        .catch_with(Catch::all().result_path("$"), normalize);

    let logical_failure = Pass::new("FormatLogicalFailure")
        .parameters(object! {
            "Error": string_at("$.runtimeState.errorInfo.errorName"),
            "Cause": json_to_string(object_at("$.runtimeState.errorInfo")),
        })
        .next(go_to("BranchFailed"));
    let output = Pass::new("ExtractBranchOutput")
        .comment(
            "Extracts the final result from $.runtimeState.currentContextData.output to be the \
             sub-flow output.",
        )
        .output_path("$.runtimeState.currentContextData.output");
    let nothing = Pass::new("ReturnEmptyOutput")
        .comment(
            "Returns an empty object as the branch output since no specific \"output\" property \
             was set.",
        )
        .result(object! {});
    let final_output = Choice::new("CheckFinalOutputChoice")
        .when("$.runtimeState.currentContextData.output is present", output)
        .otherwise(nothing);
    let status = Choice::new("CheckBranchStatusChoice")
        .when("$.runtimeState.status == 'FAILED'", logical_failure)
        .otherwise(final_output);
    let is_complete = Choice::new("IsBranchCompleteChoice")
        .when("$.runtimeState.currentStepInstanceId is present", go_to("ProcessBranchStepTask"))
        .otherwise(status);
    // Its role was published with this besides what the task needs.
    let invoke = Statement::allow(["lambda:InvokeFunction"], [step_processor.arn()]);
    let role = Role::new("Branch/BranchStateMachineRole", "states.amazonaws.com")
        .inline_policy("InvokeIterativeStepProcessor", [invoke]);
    StateMachine::new("Branch/BranchOrchestratorStateMachine", step.next(is_complete))
        .state_machine_name(format!("AllmaBranchOrchestrator-{stage}"))
        .timeout(minutes(15))
        .role(role)
}
