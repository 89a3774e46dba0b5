use crate::common::IntegrationPattern::RunJob;
use crate::resources::Machine;
use crate::tasks::{Plan, ServiceTask};
use crate::text::{arn, local_arn, text};
use crate::value::Value;
use crate::{Input, Str, jsonata};

task! {
    /// Starts an execution of a state machine.
    ///
    /// With [`RunJob`](crate::IntegrationPattern::RunJob) it waits for the end, and the result has
    /// the output as JSON (`.sync:2`).
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let child = StateMachine::new("ChildStateMachine", Pass::new("PassState"));
    /// let task = StepFunctionsStartExecution::new("ChildTask", &child)
    ///     .integration_pattern(IntegrationPattern::WaitForTaskToken)
    ///     .input(object! {"token": task_token(), "foo": "bar"})
    ///     .execution_name("MyExecutionName");
    /// // The template holds both.
    /// assert!(StateMachine::new("ParentStateMachine", task).template().is_ok());
    /// ```
    #[doc(alias = "ExecuteStateMachine")]
    #[doc(alias = "StartExecution")]
    pub struct StepFunctionsStartExecution [RequestResponse, RunJob, WaitForTaskToken] {
        required { state_machine: Machine, }
        optional {
            /// The input of the execution. Defaults to the state's input.
            input: Input,
            /// The name of the execution.
            #[doc(alias = "name")]
            execution_name: Str,
            /// Shows the execution below this one in the console. The input must be an object.
            associate_with_parent: bool,
        }
    }
}

impl ServiceTask for StepFunctionsStartExecution {
    fn plan(&self, plan: &mut Plan) {
        plan.service("states", "startExecution");
        plan.needs_token("input", self.input.as_ref());
        let machine = self.state_machine.arn();
        plan.uses(self.state_machine.resources());
        plan.allow(&["states:StartExecution"], [&machine]);
        if plan.is(RunJob) {
            plan.resource(arn("states:::states:startExecution.sync:2"));
            let executions =
                local_arn("states", text!("execution:", self.state_machine.name(), "*"));
            plan.allow(&["states:DescribeExecution", "states:StopExecution"], [executions]);
            plan.allow_events("StepFunctionsGetEventsForStepFunctionsExecutionRule");
        }
        let mut input = self.input.clone();
        if self.associate_with_parent == Some(true) {
            let parent = Value::by_language(
                Value::Expression("$$.Execution.Id".into()),
                jsonata("$states.context.Execution.Id"),
            );
            match input.get_or_insert_with(Value::empty) {
                Value::Object(members) => {
                    members.push(("AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID".into(), parent));
                }
                _ => plan.problem("`associate_with_parent` needs an `input` that is an object, into which the parent is written"),
            }
        }
        plan.put("Input", input.unwrap_or(Value::Input));
        plan.put("StateMachineArn", machine);
        plan.maybe("Name", self.execution_name.clone());
    }
}
