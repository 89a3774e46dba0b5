//! Asks an API until what it waits for has happened.

use stepwright_constructs::prelude::*;

/// The polling machine.
pub(crate) fn machine(stage: &str, api_polling: &Function) -> StateMachine {
    let poll = LambdaInvoke::new("PollApiEndpointTask", api_polling)
        .payload_response_only()
        .result_path("$.pollResult")
        .retry(Retry::all().max_attempts(2));
    let wait =
        Wait::new("WaitForNextPoll", WaitTime::seconds_path("$.pollingConfig.intervalSeconds"));
    let failed = Fail::new("PollingLoopFailed")
        .error("PollingFailed")
        .cause("Polling exit condition for failure was met or max attempts were reached.");
    let check = Choice::new("CheckPollStatusChoice")
        .when("$.pollResult.isSuccessConditionMet == true", Succeed::new("PollingLoopSucceeded"))
        .when("$.pollResult.isFailureConditionMet == true", failed)
        .otherwise(wait.next(go_to("PollApiEndpointTask")));
    StateMachine::new("Polling/ApiPollingStateMachine", poll.next(check))
        .state_machine_name(format!("AllmaApiPollingOrchestrator-{stage}"))
        .timeout(hours(2))
}
