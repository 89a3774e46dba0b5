use crate::Input;
use crate::metrics::TaskMetrics;
use crate::resources::Activity;
use crate::tasks::{Plan, ServiceTask};
use crate::{Statement, object};

task! {
    /// Gives the work to a worker of an activity.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let task = StepFunctionsInvokeActivity::new("Submit Job", Activity::new("SubmitJob"))
    ///     .heartbeat_timeout(seconds(30));
    /// assert!(StateMachine::new("Submitting", task).template().is_ok());
    /// ```
    #[doc(alias = "InvokeActivity")]
    pub struct StepFunctionsInvokeActivity [RequestResponse] {
        required { activity: Activity, }
        optional {
            /// The input of the worker. Defaults to the state's input.
            parameters: Input,
        }
    }
}

impl ServiceTask for StepFunctionsInvokeActivity {
    fn metrics(&self) -> Option<TaskMetrics> {
        let dimensions = vec![("ActivityArn".to_owned(), self.activity.arn())];
        Some(TaskMetrics { singular: "Activity", plural: "Activities", dimensions })
    }

    fn plan(&self, plan: &mut Plan) {
        plan.resource(self.activity.arn());
        plan.uses(self.activity.resources());
        if let Some(key) = self.activity.key() {
            let context = object! {
                "StringEquals": {"kms:EncryptionContext:aws:states:activityArn": self.activity.arn()},
            };
            let allow = Statement::allow(["kms:Decrypt", "kms:GenerateDataKey"], [key.arn()]);
            plan.state(allow.when(context));
        }
        plan.only(self.parameters.clone());
    }
}
