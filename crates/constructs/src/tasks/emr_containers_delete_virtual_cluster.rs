use crate::Str;
use crate::common::IntegrationPattern::RunJob;
use crate::tasks::{Plan, ServiceTask};
use crate::text::{local_arn, text};

task! {
    /// Deletes a virtual EMR cluster on EKS.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let delete = EmrContainersDeleteVirtualCluster::new("Delete", string_at("$.virtualCluster"));
    /// assert!(StateMachine::new("Clusters", delete).asl().is_ok());
    /// ```
    pub struct EmrContainersDeleteVirtualCluster [RequestResponse, RunJob] {
        required { virtual_cluster_id: Str => "Id", }
        optional {}
    }
}

impl ServiceTask for EmrContainersDeleteVirtualCluster {
    fn plan(&self, plan: &mut Plan) {
        plan.service("emr-containers", "deleteVirtualCluster");
        let mut actions = vec!["emr-containers:DeleteVirtualCluster"];
        if plan.is(RunJob) {
            actions.push("emr-containers:DescribeVirtualCluster");
        }
        let id = self.virtual_cluster_id.known_or_any();
        plan.allow(&actions, [local_arn("emr-containers", text!("/virtualclusters/", id))]);
        self.put_fields(plan);
    }
}
