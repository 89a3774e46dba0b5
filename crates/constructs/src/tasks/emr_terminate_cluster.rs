use crate::Str;
use crate::common::IntegrationPattern::RunJob;
use crate::tasks::{Plan, ServiceTask};
use crate::text::local_arn;

task! {
    /// Terminates an EMR cluster and waits for its end.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let terminate = EmrTerminateCluster::new("Task", "ClusterId");
    /// assert!(StateMachine::new("Clusters", terminate).asl().is_ok());
    /// ```
    pub struct EmrTerminateCluster [RunJob, RequestResponse] {
        required { cluster_id: Str => "ClusterId", }
        optional {}
    }
}

impl ServiceTask for EmrTerminateCluster {
    fn plan(&self, plan: &mut Plan) {
        plan.service("elasticmapreduce", "terminateCluster");
        let actions = ["elasticmapreduce:DescribeCluster", "elasticmapreduce:TerminateJobFlows"];
        plan.allow(&actions, [local_arn("elasticmapreduce", "cluster/*")]);
        if plan.is(RunJob) {
            plan.allow_events("StepFunctionsGetEventForEMRTerminateJobFlowsRule");
        }
        self.put_fields(plan);
    }
}
