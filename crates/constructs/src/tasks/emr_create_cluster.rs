use crate::common::IntegrationPattern::RunJob;
use crate::duration::{Gibibytes, Seconds};
use crate::fields::choices;
use crate::iam::Statement;
use crate::resources::{Resource, Role, logical_id};
use crate::tasks::bedrock_create_model_customization_job::tag_list;
use crate::tasks::emr_types::{
    Application, BootstrapAction, Configuration, Instances, KerberosAttributes, ManagedScaling,
};
use crate::tasks::{Plan, ServiceTask};
use crate::text::{Token, arn, local_arn, text};
use crate::value::Value;
use crate::{Flag, Num, Str, object};

task! {
    /// Creates an EMR cluster and waits until it is ready.
    ///
    /// Roles that are not given are created.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let cluster = EmrCreateCluster::new("Create Cluster", string_at("$.ClusterName"), Instances::new())
    ///     .release_label("emr-7.9.0")
    ///     .tags([("team", "data")]);
    /// assert!(StateMachine::new("Clusters", cluster).asl().is_ok());
    /// ```
    pub struct EmrCreateCluster [RunJob, RequestResponse] {
        required { name: Str => "Name", instances: Instances, }
        optional {
            /// JSON for preview features of EMR.
            additional_info: Str => "AdditionalInfo",
            /// Applications to install.
            applications: [Application] => "Applications",
            /// The idle time after which the cluster is terminated: from a minute to a week.
            auto_termination_policy_idle_timeout: Seconds,
            /// The role for automatic scaling of instance groups. Not for instance fleets.
            auto_scaling_role: Role,
            /// Scripts that run on every instance before applications are installed.
            bootstrap_actions: [BootstrapAction] => "BootstrapActions",
            /// The role of the instances.
            cluster_role: Role,
            /// Configurations of applications.
            configurations: [Configuration] => "Configurations",
            /// The AMI of the instances.
            custom_ami_id: Str => "CustomAmiId",
            /// The size of the root volumes: 15 to 100 GiB.
            ebs_root_volume_size: Gibibytes => "EbsRootVolumeSize",
            /// The IOPS of the root volumes: 3000 to 16000.
            ebs_root_volume_iops: Num => "EbsRootVolumeIops",
            /// The throughput of the root volumes in MiB per second: 125 to 1000.
            ebs_root_volume_throughput: Num => "EbsRootVolumeThroughput",
            /// The settings of Kerberos.
            kerberos_attributes: KerberosAttributes => "KerberosAttributes",
            /// Where logs are written in S3.
            log_uri: Str => "LogUri",
            /// The limits within which EMR changes the size of the cluster automatically.
            managed_scaling_policy: ManagedScaling => "ManagedScalingPolicy",
            /// The release: `emr-7.9.0`.
            release_label: Str => "ReleaseLabel",
            /// When instances are terminated.
            scale_down_behavior: ScaleDownBehavior => "ScaleDownBehavior",
            /// The name of the security configuration.
            security_configuration: Str => "SecurityConfiguration",
            /// The role of the EMR service.
            service_role: Role,
            /// The number of steps that run at a time: 1 to 256.
            step_concurrency_level: Num => "StepConcurrencyLevel",
            /// Tags.
            tags: {Str},
            /// Whether all users of the account can see it. Defaults to true.
            visible_to_all_users: Flag,
        }
    }
}

choices! {
    /// When instances are terminated if the cluster shrinks.
    pub enum ScaleDownBehavior {
        /// At the end of their billing hour.
        TerminateAtInstanceHour = "TERMINATE_AT_INSTANCE_HOUR",
        /// When their work has ended.
        TerminateAtTaskCompletion = "TERMINATE_AT_TASK_COMPLETION",
    }
}

impl ServiceTask for EmrCreateCluster {
    fn plan(&self, plan: &mut Plan) {
        plan.service("elasticmapreduce", "createCluster");
        self.check(plan);
        let (service, instances, scaling) = self.roles(plan);
        let actions = [
            "elasticmapreduce:RunJobFlow",
            "elasticmapreduce:DescribeCluster",
            "elasticmapreduce:TerminateJobFlows",
            "elasticmapreduce:AddTags",
        ];
        plan.allow(&actions, ["*"]);
        plan.allow(&["iam:PassRole"], [service.arn(), instances.arn()]);
        plan.state(linked_role());
        if let Some(scaling) = &scaling {
            plan.allow(&["iam:PassRole"], [scaling.arn()]);
        }
        if self.tags.is_some() {
            plan.allow(&["elasticmapreduce:AddTags"], [local_arn("elasticmapreduce", "cluster/*")]);
        }
        if plan.is(RunJob) {
            plan.allow_events("StepFunctionsGetEventForEMRRunJobFlowRule");
        }
        let mut members = match Value::from(self.instances.clone()) {
            Value::Object(members) => members,
            _ => Vec::new(),
        };
        members.push(("KeepJobFlowAliveWhenNoSteps".to_owned(), true.into()));
        plan.put("Instances", Value::Object(members));
        for (key, role) in [
            ("ServiceRole", Some(&service)),
            ("JobFlowRole", Some(&instances)),
            ("AutoScalingRole", scaling.as_ref()),
        ] {
            let Some(role) = role else { continue };
            match role.name() {
                Some(name) => plan.put(key, name),
                None => plan.problem(format!("the role for `{key}` has to have a known name")),
            }
        }
        plan.maybe("Tags", self.tags.as_ref().map(|tags| tag_list(tags)));
        plan.put(
            "VisibleToAllUsers",
            self.visible_to_all_users.clone().unwrap_or_else(|| true.into()),
        );
        plan.maybe(
            "AutoTerminationPolicy",
            self.auto_termination_policy_idle_timeout.clone().map(|time| {
                object! {"IdleTimeout": time}
            }),
        );
        self.put_fields(plan);
    }
}

/// The permission to create the role with which EMR cleans up, for any partition.
fn linked_role() -> Statement {
    let names = ["elasticmapreduce.amazonaws.com", "elasticmapreduce.amazonaws.com.cn"];
    let when = object! {"StringEquals": {"iam:AWSServiceName": names.to_vec()}};
    let role = arn(text!(
        "iam::",
        Token::account(),
        ":role/aws-service-role/elasticmapreduce.amazonaws.com*/AWSServiceRoleForEMRCleanup*",
    ));
    Statement::allow(["iam:CreateServiceLinkedRole"], [role])
        .when(when)
        .sid("ElasticMapReduceServiceLinkedRole")
}

impl EmrCreateCluster {
    /// The roles of the service, of the instances and for scaling. Those that are not given are
    /// created.
    fn roles(&self, plan: &mut Plan) -> (Role, Role, Option<Role>) {
        let id = &self.common.id;
        let emr = "elasticmapreduce.amazonaws.com";
        let service = self.service_role.clone().unwrap_or_else(|| {
            Role::new(&format!("{id}/ServiceRole"), emr)
                .managed_policy("service-role/AmazonElasticMapReduceRole")
        });
        let instances = self
            .cluster_role
            .clone()
            .unwrap_or_else(|| Role::new(&format!("{id}/InstanceRole"), "ec2.amazonaws.com"));
        if self.cluster_role.is_none()
            && let Some(name) = instances.name()
        {
            let profile = object! {"InstanceProfileName": &name, "Roles": [name]};
            let logical = logical_id(&[id, "InstanceProfile"]);
            plan.uses(vec![Resource::new(logical, "AWS::IAM::InstanceProfile", profile)]);
        }
        let scaling = match (&self.auto_scaling_role, self.instances.has_fleets()) {
            (Some(role), false) => Some(role.clone()),
            (None, false) => Some(
                Role::new(&format!("{id}/AutoScalingRole"), emr)
                    .also_assumed_by("application-autoscaling.amazonaws.com")
                    .managed_policy("service-role/AmazonElasticMapReduceforAutoScalingRole"),
            ),
            (Some(_), true) => {
                plan.problem("`auto_scaling_role` is for groups, not for fleets");
                None
            }
            (None, true) => None,
        };
        let pass = Statement::allow(["iam:PassRole"], [instances.arn()]);
        plan.uses(service.attached(None, vec![pass]).into_iter().collect());
        for role in [Some(&service), Some(&instances), scaling.as_ref()].into_iter().flatten() {
            plan.uses(role.resources());
        }
        (service, instances, scaling)
    }

    fn check(&self, plan: &mut Plan) {
        self.instances.check(&mut |problem| plan.problem(problem));
        let release = self.release_label.as_ref().and_then(|label| label.value.known());
        let version = release.as_ref().and_then(|label| {
            let version: Vec<u32> = label
                .as_literal()?
                .strip_prefix("emr-")?
                .split('.')
                .map(|part| part.parse().ok())
                .collect::<Option<_>>()?;
            <[u32; 3]>::try_from(version).ok()
        });
        if release.is_some() && version.is_none() {
            plan.problem("`release_label` looks like `emr-7.9.0`");
        }
        let limits = [
            ("step_concurrency_level", &self.step_concurrency_level, 1.0, 256.0),
            ("ebs_root_volume_iops", &self.ebs_root_volume_iops, 3_000.0, 16_000.0),
            ("ebs_root_volume_throughput", &self.ebs_root_volume_throughput, 125.0, 1_000.0),
        ];
        for (name, number, least, most) in limits {
            let number = number.as_ref().and_then(|number| number.value.known_number());
            if number.is_some_and(|number| !(least..=most).contains(&number)) {
                plan.problem(format!("`{name}` has to be between {least} and {most}"));
            }
        }
        let size = self.ebs_root_volume_size.as_ref();
        let size = size.and_then(Gibibytes::known).map(|size| size.0 >> 30);
        if size.is_some_and(|size| !(15..=100).contains(&size)) {
            plan.problem("`ebs_root_volume_size` has to be between 15 and 100 GiB");
        }
        let idle = self.auto_termination_policy_idle_timeout.as_ref();
        let idle = idle.and_then(Seconds::known).map(|time| time.as_secs());
        if idle.is_some_and(|idle| !(60..=604_800).contains(&idle)) {
            plan.problem(
                "`auto_termination_policy_idle_timeout` has to be between a minute and a week",
            );
        }
        let several = self.step_concurrency_level.as_ref().and_then(|n| n.value.known_number());
        if version.is_some_and(|version| version < [5, 28, 0]) && several.is_some_and(|n| n > 1.0) {
            plan.problem("steps run at the same time from release 5.28.0 on");
        }
        let tuned =
            self.ebs_root_volume_iops.is_some() || self.ebs_root_volume_throughput.is_some();
        if version.is_some_and(|version| version < [6, 15, 0]) && tuned {
            plan.problem("root volumes are tuned from release 6.15.0 on");
        }
    }
}
