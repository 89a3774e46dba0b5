use crate::tasks::{Plan, ServiceTask};
use crate::text::local_arn;
use crate::{Flag, Str};

task! {
    /// Turns the termination protection of an EMR cluster on or off.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let protect = EmrSetClusterTerminationProtection::new("Task", "ClusterId", false);
    /// assert!(StateMachine::new("Clusters", protect).asl().is_ok());
    /// ```
    pub struct EmrSetClusterTerminationProtection [RequestResponse] {
        required {
            cluster_id: Str => "ClusterId",
            termination_protected: Flag => "TerminationProtected",
        }
        optional {}
    }
}

impl ServiceTask for EmrSetClusterTerminationProtection {
    fn plan(&self, plan: &mut Plan) {
        plan.service("elasticmapreduce", "setClusterTerminationProtection");
        let clusters = local_arn("elasticmapreduce", "cluster/*");
        plan.allow(&["elasticmapreduce:SetTerminationProtection"], [clusters]);
        self.put_fields(plan);
    }
}
