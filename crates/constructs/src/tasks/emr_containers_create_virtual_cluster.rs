use crate::iam::Statement;
use crate::tasks::{Plan, ServiceTask};
use crate::text::{Token, arn, text};
use crate::value::Value;
use crate::{Str, jsonata, object};

task! {
    /// Creates a virtual EMR cluster on an EKS cluster.
    ///
    /// By default it is named after the execution and the state.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let cluster = EmrContainersCreateVirtualCluster::new("Create a Virtual Cluster", "my-eks-cluster")
    ///     .eks_namespace("specified-namespace");
    /// assert!(StateMachine::new("Clusters", cluster).asl().is_ok());
    /// ```
    #[doc(alias = "EksClusterInput")]
    pub struct EmrContainersCreateVirtualCluster [RequestResponse] {
        required { eks_cluster: Str, }
        optional {
            /// The namespace. Defaults to `default`.
            eks_namespace: Str,
            /// The name of the virtual cluster.
            virtual_cluster_name: Str,
            /// Tags.
            tags: {Str} => "Tags",
        }
    }
}

impl ServiceTask for EmrContainersCreateVirtualCluster {
    fn plan(&self, plan: &mut Plan) {
        plan.service("emr-containers", "createVirtualCluster");
        plan.allow(&["emr-containers:CreateVirtualCluster"], ["*"]);
        let role = arn(text!(
            "iam::",
            Token::account(),
            ":role/aws-service-role/emr-containers.amazonaws.com/AWSServiceRoleForAmazonEMRContainers",
        ));
        let when = object! {"StringLike": {"iam:AWSServiceName": "emr-containers.amazonaws.com"}};
        plan.state(Statement::allow(["iam:CreateServiceLinkedRole"], [role]).when(when));
        let name: Value = match &self.virtual_cluster_name {
            Some(name) => name.clone().into(),
            None => {
                let parts = [crate::json_path::execution_name(), crate::json_path::state_name()];
                Value::by_language(
                    crate::json_path::format_text("{}/{}", parts),
                    jsonata("$states.context.Execution.Name & '/' & $states.context.State.Name"),
                )
            }
        };
        plan.put("Name", name);
        let namespace = self.eks_namespace.clone().unwrap_or_else(|| "default".into());
        plan.put(
            "ContainerProvider",
            object! {
                "Id": self.eks_cluster.clone(),
                "Info": {"EksInfo": {"Namespace": namespace}},
                "Type": "EKS",
            },
        );
        self.put_fields(plan);
    }
}
