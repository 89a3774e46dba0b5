use crate::tasks::{Plan, ServiceTask};
use crate::text::local_arn;
use crate::{Num, Str, object};

task! {
    /// Changes the size of an instance fleet of an EMR cluster.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let resize = EmrModifyInstanceFleetByName::new("Task", "ClusterId", "InstanceFleetName", 2, 0);
    /// assert!(StateMachine::new("Clusters", resize).asl().is_ok());
    /// ```
    pub struct EmrModifyInstanceFleetByName [RequestResponse] {
        required {
            cluster_id: Str => "ClusterId",
            instance_fleet_name: Str => "InstanceFleetName",
            target_on_demand_capacity: Num,
            target_spot_capacity: Num,
        }
        optional {}
    }
}

impl ServiceTask for EmrModifyInstanceFleetByName {
    fn plan(&self, plan: &mut Plan) {
        plan.service("elasticmapreduce", "modifyInstanceFleetByName");
        let actions =
            ["elasticmapreduce:ModifyInstanceFleet", "elasticmapreduce:ListInstanceFleets"];
        plan.allow(&actions, [local_arn("elasticmapreduce", "cluster/*")]);
        self.put_fields(plan);
        plan.put(
            "InstanceFleet",
            object! {
                "TargetOnDemandCapacity": self.target_on_demand_capacity.clone(),
                "TargetSpotCapacity": self.target_spot_capacity.clone(),
            },
        );
    }
}
