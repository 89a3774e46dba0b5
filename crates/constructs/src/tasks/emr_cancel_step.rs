use crate::Str;
use crate::tasks::{Plan, ServiceTask};
use crate::text::local_arn;

task! {
    /// Cancels a step of an EMR cluster.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let cancel = EmrCancelStep::new("Task", "ClusterId", "StepId");
    /// assert!(StateMachine::new("Steps", cancel).asl().is_ok());
    /// ```
    pub struct EmrCancelStep [RequestResponse] {
        required { cluster_id: Str => "ClusterId", step_id: Str => "StepId", }
        optional {}
    }
}

impl ServiceTask for EmrCancelStep {
    fn plan(&self, plan: &mut Plan) {
        plan.service("elasticmapreduce", "cancelStep");
        plan.allow(&["elasticmapreduce:CancelSteps"], [local_arn("elasticmapreduce", "cluster/*")]);
        self.put_fields(plan);
    }
}
