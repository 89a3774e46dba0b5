use crate::fields::choices;
use crate::metrics::TaskMetrics;
use crate::resources::Function;
use crate::retry::Retry;
use crate::tasks::{Plan, ServiceTask};
use crate::value::Value;
use crate::{Input, Str};
use std::time::Duration;

task! {
    /// Invokes a Lambda function.
    ///
    /// Without `payload`, the function gets the state's input. Errors of the Lambda service itself
    /// are retried six times, after two seconds at first.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let ask = LambdaInvoke::new("Ask", Function::from_name("ask"))
    ///     .integration_pattern(IntegrationPattern::WaitForTaskToken)
    ///     .payload(object! {"token": task_token(), "input": string_at("$.someField")});
    /// assert!(StateMachine::new("Asking", ask).asl().is_ok());
    /// ```
    #[doc(alias = "InvokeFunction")]
    #[doc(alias = "RunLambdaTask")]
    pub struct LambdaInvoke [RequestResponse, WaitForTaskToken] {
        required { function: Function, }
        optional {
            /// The input of the function.
            payload: Input,
            /// How the function is invoked.
            invocation_type: InvocationType => "InvocationType",
            /// The client context that the function sees: JSON in Base64, at most 3583 bytes.
            client_context: Str => "ClientContext",
            /// The version or alias to invoke.
            qualifier: Str => "Qualifier",
            /// Whether errors of the Lambda service are retried. Defaults to true.
            retry_on_service_exceptions: bool,
            /// Whether the result is only the function's answer; see
            /// [`payload_response_only`](LambdaInvoke::payload_response_only).
            response_only: bool,
        }
    }
}

choices! {
    /// How a function is invoked.
    #[doc(alias = "LambdaInvocationType")]
    pub enum InvocationType {
        /// The state waits for the answer.
        RequestResponse = "RequestResponse",
        /// The state does not wait for the answer.
        Event = "Event",
        /// The function is not run; the call only checks whether it could be.
        DryRun = "DryRun",
    }
}

/// Retries the errors of the Lambda service that are usually temporary.
pub(crate) fn service_retry() -> Retry {
    Retry::on([
        "Lambda.ClientExecutionTimeoutException",
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
    ])
    .interval(Duration::from_secs(2))
    .max_attempts(6)
    .backoff_rate(2.0)
}

impl LambdaInvoke {
    /// Makes the result the function's answer alone, without the response of the Lambda service
    /// around it.
    #[must_use]
    pub fn payload_response_only(self) -> Self {
        self.response_only(true)
    }
}

impl ServiceTask for LambdaInvoke {
    fn metrics(&self) -> Option<TaskMetrics> {
        let mut dimensions = vec![("LambdaFunctionArn".to_owned(), self.function.arn())];
        if let Some(Value::Text(qualifier)) = self.qualifier.clone().map(Value::from) {
            dimensions.push(("Qualifier".to_owned(), qualifier));
        }
        Some(TaskMetrics { singular: "LambdaFunction", plural: "LambdaFunctions", dimensions })
    }

    fn plan(&self, plan: &mut Plan) {
        let payload = self.payload.clone();
        plan.uses(self.function.resources());
        plan.allow(&["lambda:InvokeFunction"], self.function.grants());
        if self.retry_on_service_exceptions.unwrap_or(true) {
            plan.retry(service_retry());
        }
        plan.needs_token("payload", payload.as_ref());
        if self.response_only == Some(true) {
            let not_with = [
                ("integration_pattern", self.common.pattern.is_some()),
                ("invocation_type", self.invocation_type.is_some()),
                ("client_context", self.client_context.is_some()),
                ("qualifier", self.qualifier.is_some()),
            ];
            for (name, _) in not_with.into_iter().filter(|(_, given)| *given) {
                plan.problem(format!(
                    "`payload_response_only` calls the function directly, which has no `{name}`"
                ));
            }
            plan.resource(self.function.arn());
            plan.only(payload);
        } else {
            plan.service("lambda", "invoke");
            plan.put("FunctionName", self.function.arn());
            plan.put("Payload", payload.unwrap_or(Value::Input));
            self.put_fields(plan);
        }
    }
}
