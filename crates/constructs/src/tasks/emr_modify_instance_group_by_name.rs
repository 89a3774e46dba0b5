use crate::duration::Seconds;
use crate::fields::record;
use crate::tasks::emr_types::Configuration;
use crate::tasks::{Plan, ServiceTask};
use crate::text::local_arn;
use crate::{Items, Num, Str};

task! {
    /// Changes a group of a cluster of EMR.
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
    /// What is changed of a group.
    pub struct InstanceGroupModification {
        required {}
        optional {
            /// Settings of applications.
            configurations: [Configuration] => "Configurations",
            /// Instances that go.
            ec2_instance_ids_to_terminate: Items => "EC2InstanceIdsToTerminate",
            /// How many instances.
            instance_count: Num => "InstanceCount",
            /// How instances go.
            shrink_policy: ShrinkPolicy => "ShrinkPolicy",
        }
    }
}

record! {
    /// How instances go.
    pub struct ShrinkPolicy {
        required {}
        optional {
            /// How long their work may still take.
            decommission_timeout: Seconds => "DecommissionTimeout",
            /// Which go.
            instance_resize_policy: InstanceResizePolicy => "InstanceResizePolicy",
        }
    }
}

record! {
    /// Which instances go.
    pub struct InstanceResizePolicy {
        required {}
        optional {
            /// Those that do not.
            instances_to_protect: Items => "InstancesToProtect",
            /// Those that do.
            instances_to_terminate: Items => "InstancesToTerminate",
            /// How long they may take.
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
