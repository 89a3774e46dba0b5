use crate::duration::Seconds;
use crate::fields::record;
use crate::tasks::emr_types::Configuration;
use crate::tasks::{Plan, ServiceTask};
use crate::text::local_arn;
use crate::{Items, Num, Str};

task! {
    /// Changes an instance group of an EMR cluster.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let group = InstanceGroupModification::new().instance_count(1);
    /// let resize = EmrModifyInstanceGroupByName::new("Task", "ClusterId", string_at("$.InstanceGroupName"), group);
    /// assert!(StateMachine::new("Clusters", resize).asl().is_ok());
    /// ```
    pub struct EmrModifyInstanceGroupByName [RequestResponse] {
        required {
            cluster_id: Str => "ClusterId",
            instance_group_name: Str => "InstanceGroupName",
            instance_group: InstanceGroupModification => "InstanceGroup",
        }
        optional {}
    }
}

record! {
    /// The changes to an instance group.
    pub struct InstanceGroupModification {
        required {}
        optional {
            /// Configurations of applications.
            configurations: [Configuration] => "Configurations",
            /// Instances to terminate.
            ec2_instance_ids_to_terminate: Items => "EC2InstanceIdsToTerminate",
            /// The number of instances.
            instance_count: Num => "InstanceCount",
            /// How the group shrinks.
            shrink_policy: ShrinkPolicy => "ShrinkPolicy",
        }
    }
}

record! {
    /// How an instance group shrinks.
    pub struct ShrinkPolicy {
        required {}
        optional {
            /// How long an instance may finish its work.
            decommission_timeout: Seconds => "DecommissionTimeout",
            /// Which instances are terminated.
            instance_resize_policy: InstanceResizePolicy => "InstanceResizePolicy",
        }
    }
}

record! {
    /// Which instances are terminated.
    pub struct InstanceResizePolicy {
        required {}
        optional {
            /// Instances that must not be terminated.
            instances_to_protect: Items => "InstancesToProtect",
            /// Instances to terminate.
            instances_to_terminate: Items => "InstancesToTerminate",
            /// How long the termination may take.
            instance_termination_timeout: Seconds => "InstanceTerminationTimeout",
        }
    }
}

impl ServiceTask for EmrModifyInstanceGroupByName {
    fn plan(&self, plan: &mut Plan) {
        plan.service("elasticmapreduce", "modifyInstanceGroupByName");
        let actions =
            ["elasticmapreduce:ModifyInstanceGroups", "elasticmapreduce:ListInstanceGroups"];
        plan.allow(&actions, [local_arn("elasticmapreduce", "cluster/*")]);
        self.put_fields(plan);
    }
}
