use crate::common::IntegrationPattern::{RunJob, WaitForTaskToken};
use crate::fields::{choices, record};
use crate::resources::{Cluster, SecurityGroup, TaskDefinition};
use crate::tasks::{Plan, ServiceTask};
use crate::text::{Text, Token, text};
use crate::value::Value;
use crate::{Flag, Items, Num, Str, object};

task! {
    /// Runs an ECS task.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let definition = EcsTaskDefinition::new(TaskDefinition::parameter("TaskDefinitionArn"))
    ///     .task_role(Role::from_arn("arn:aws:iam::123456789012:role/task"));
    /// let run = EcsRunTask::new("Run", Cluster::from_name("c"), definition, LaunchTarget::fargate())
    ///     .integration_pattern(IntegrationPattern::RunJob)
    ///     .subnets(["subnet-1", "subnet-2"])
    ///     .container_overrides([ContainerOverride::new("TheContainer")
    ///         .environment([("SOME_KEY", string_at("$.SomeKey"))])]);
    /// assert!(StateMachine::new("Running", run).asl().is_ok());
    /// ```
    #[doc(alias = "RunEcsFargateTask")]
    #[doc(alias = "RunEcsEc2Task")]
    pub struct EcsRunTask [RequestResponse, RunJob, WaitForTaskToken] {
        required { cluster: Cluster, task_definition: EcsTaskDefinition, launch_target: LaunchTarget, }
        optional {
            /// Overrides of the task definition, for each container.
            container_overrides: [ContainerOverride],
            /// The subnets of the task, for the network mode `awsvpc`.
            subnets: Items,
            /// The security groups of the task. Defaults to a group of its own, if the network is
            /// known ([`vpc`](EcsRunTask::vpc)), and otherwise to the network's default group.
            security_groups: Items,
            /// The id of the network. The task then gets a security group of its own, unless
            /// `security_groups` are given.
            vpc: Text,
            /// To whom the task connects; see
            /// [`allow_to_default_port`](EcsRunTask::allow_to_default_port).
            connects_to: [Peer],
            /// Whether the task gets a public IP address.
            assign_public_ip: bool,
            /// Whether commands can be run in its containers with ECS Exec.
            enable_execute_command: Flag => "EnableExecuteCommand",
            /// Where the task's tags are copied from.
            propagated_tag_source: PropagateTags => "PropagateTags",
            /// The revision of the task definition. Defaults to the latest.
            revision_number: i64,
            /// The task's CPU units, instead of those in the definition: `"1024"`.
            cpu: Str,
            /// The task's memory in MiB, instead of that in the definition: `"2048"`.
            memory_mib: Str,
        }
    }
}

/// A security group to whose members a task connects, the port, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Peer {
    group: SecurityGroup,
    port: Value,
    description: String,
}

impl Peer {
    /// The members of a security group, a port (a number, or the `Endpoint.Port` of a database), and
    /// why the task connects to them.
    pub fn new(
        group: impl Into<SecurityGroup>,
        port: impl Into<Value>,
        description: impl Into<String>,
    ) -> Self {
        Self { group: group.into(), port: port.into(), description: description.into() }
    }
}

impl EcsRunTask {
    /// Lets the task connect to a port of the members of a security group, such as a database.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let task = EcsRunTask::new(
    ///     "CallFargate",
    ///     Cluster::new("Cluster"),
    ///     TaskDefinition::parameter("TaskDefinition"),
    ///     LaunchTarget::fargate(),
    /// )
    /// .vpc("vpc-1")
    /// .subnets(["subnet-1", "subnet-2"])
    /// .allow_to_default_port(SecurityGroup::from_id("sg-1"), 3306, "Read the database");
    /// assert!(StateMachine::new("Reading", task).template().is_ok());
    /// ```
    #[must_use]
    pub fn allow_to_default_port(
        mut self,
        group: impl Into<SecurityGroup>,
        port: impl Into<Value>,
        description: impl Into<String>,
    ) -> Self {
        self.connects_to.get_or_insert_default().push(Peer::new(group, port, description));
        self
    }

    /// The security groups of the task.
    fn groups(&self) -> Option<Value> {
        if let Some(groups) = &self.security_groups {
            return Some(groups.clone().into());
        }
        let own = format!("{}/SecurityGroup", self.common.id);
        self.vpc.as_ref().map(|vpc| Value::List(vec![SecurityGroup::new(&own, vpc).into()]))
    }

    /// The rules that let the task connect to others.
    fn connect(&self, plan: &mut Plan) {
        let peers = self.connects_to.iter().flatten();
        let groups: Vec<Text> = match self.groups() {
            Some(Value::List(groups)) => groups.iter().filter_map(Value::known).collect(),
            _ => Vec::new(),
        };
        for peer in peers {
            if groups.is_empty() {
                plan.problem(
                    "`allow_to_default_port` needs to know the security groups of the task: give \
                     `vpc`, or `security_groups`",
                );
            }
            for group in &groups {
                plan.uses(vec![peer.group.ingress(group, &peer.port, &peer.description)]);
            }
        }
    }
}

choices! {
    /// Where a task's tags are copied from.
    pub enum PropagateTags {
        /// From the service.
        Service = "SERVICE",
        /// From the task definition.
        TaskDefinition = "TASK_DEFINITION",
        /// Tags are not copied.
        None = "NONE",
    }
}

/// A task definition and the roles that it names. The state machine must be allowed to pass these
/// roles to the task.
#[derive(Clone, Debug, PartialEq)]
pub struct EcsTaskDefinition {
    definition: TaskDefinition,
    family: Option<Text>,
    roles: Vec<Text>,
}

impl EcsTaskDefinition {
    /// A task definition whose roles are not known yet.
    pub fn new(definition: TaskDefinition) -> Self {
        Self { definition, family: None, roles: Vec::new() }
    }

    /// The family, if it cannot be derived from a known ARN.
    #[must_use]
    pub fn family(mut self, family: impl Into<Text>) -> Self {
        self.family = Some(family.into());
        self
    }

    /// The role of its containers.
    #[must_use]
    pub fn task_role(mut self, role: impl Into<crate::resources::Role>) -> Self {
        self.roles.push(role.into().arn());
        self
    }

    /// The role with which its containers are started.
    #[must_use]
    pub fn execution_role(self, role: impl Into<crate::resources::Role>) -> Self {
        self.task_role(role)
    }

    fn name(&self) -> Text {
        match (&self.family, self.definition.arn().as_literal()) {
            (Some(family), _) => family.clone(),
            (None, Some(_)) => {
                let name = self.definition.name();
                let name = name.readable();
                name.split(':').next().unwrap_or(&name).into()
            }
            (None, None) => self.definition.name(),
        }
    }

    /// The ARN pattern of all its revisions.
    fn revisions(&self) -> Text {
        let arn = self.definition.arn();
        if let Some(known) = arn.as_literal() {
            let parts: Vec<&str> = known.split(':').take(6).collect();
            return text!(parts.join(":"), ":*");
        }
        let piece = |index| Token::part(&arn, ":", index);
        let resource = text!(piece(5));
        text!(
            "arn:",
            piece(1),
            ":",
            piece(2),
            ":",
            piece(3),
            ":",
            piece(4),
            ":",
            Token::part(&resource, "/", 0),
            "/",
            Token::part(&resource, "/", 1),
            ":*",
        )
    }
}

impl From<TaskDefinition> for EcsTaskDefinition {
    fn from(definition: TaskDefinition) -> Self {
        Self::new(definition)
    }
}

impl From<&EcsTaskDefinition> for EcsTaskDefinition {
    fn from(definition: &EcsTaskDefinition) -> Self {
        definition.clone()
    }
}

/// The infrastructure on which a task runs.
#[derive(Clone, Debug, PartialEq)]
pub struct LaunchTarget {
    launch_type: &'static str,
    platform_version: Option<Str>,
    capacity: Option<Vec<CapacityProvider>>,
    constraints: Vec<Value>,
    strategies: Vec<Value>,
}

record! {
    /// A capacity provider and its share of the tasks.
    pub struct CapacityProvider {
        required { capacity_provider: Str => "CapacityProvider", }
        optional {
            /// Its weight relative to the other providers.
            weight: Num => "Weight",
            /// The smallest number of tasks on it.
            base: Num => "Base",
        }
    }
}

impl LaunchTarget {
    fn of(launch_type: &'static str) -> Self {
        Self {
            launch_type,
            platform_version: None,
            capacity: None,
            constraints: Vec::new(),
            strategies: Vec::new(),
        }
    }

    /// AWS Fargate.
    #[doc(alias = "EcsFargateLaunchTarget")]
    pub fn fargate() -> Self {
        Self::of("FARGATE")
    }

    /// EC2 instances of the cluster.
    #[doc(alias = "EcsEc2LaunchTarget")]
    pub fn ec2() -> Self {
        Self::of("EC2")
    }

    /// The version of the Fargate platform: `1.4.0`, `LATEST`.
    #[must_use]
    pub fn platform_version(mut self, version: impl Into<Str>) -> Self {
        self.platform_version = Some(version.into());
        self
    }

    /// The capacity providers. If there are none, the cluster's defaults are used.
    #[must_use]
    #[doc(alias = "CapacityProviderOptions")]
    pub fn capacity_providers(
        mut self,
        providers: impl IntoIterator<Item = CapacityProvider>,
    ) -> Self {
        self.capacity = Some(providers.into_iter().collect());
        self
    }

    /// Only instances that satisfy an expression in the cluster query language.
    #[must_use]
    pub fn member_of(mut self, expression: impl Into<Str>) -> Self {
        self.constraints.push(object! {"Type": "memberOf", "Expression": expression.into()});
        self
    }

    /// Each task runs on a different instance.
    #[must_use]
    pub fn distinct_instances(mut self) -> Self {
        self.constraints.push(object! {"Type": "distinctInstance"});
        self
    }

    /// Spreads tasks over the values of a field: `instanceId`, `attribute:ecs.availability-zone`.
    #[must_use]
    pub fn spread_across(self, field: impl Into<Str>) -> Self {
        self.strategy(object! {"Type": "spread", "Field": field.into()})
    }

    /// Places tasks on the instances with the least of this resource left: `CPU` or `MEMORY`.
    #[must_use]
    pub fn packed_by(self, field: impl Into<Str>) -> Self {
        self.strategy(object! {"Type": "binpack", "Field": field.into()})
    }

    /// Places tasks at random.
    #[must_use]
    pub fn randomly(self) -> Self {
        self.strategy(object! {"Type": "random"})
    }

    fn strategy(mut self, strategy: Value) -> Self {
        self.strategies.push(strategy);
        self
    }
}

/// Overrides for one container.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerOverride {
    members: Vec<(String, Value)>,
}

impl ContainerOverride {
    /// No overrides yet, for the container with this name.
    pub fn new(name: impl Into<Str>) -> Self {
        Self { members: vec![("Name".to_owned(), name.into().into())] }
    }

    fn with(mut self, key: &str, value: Value) -> Self {
        self.members.push((key.to_owned(), value));
        self
    }

    /// The command.
    #[must_use]
    pub fn command(self, command: impl Into<Items>) -> Self {
        self.with("Command", command.into().into())
    }

    /// CPU units.
    #[must_use]
    pub fn cpu(self, units: impl Into<Num>) -> Self {
        self.with("Cpu", units.into().into())
    }

    /// The memory limit in MiB.
    #[must_use]
    pub fn memory_limit(self, mebibytes: impl Into<Num>) -> Self {
        self.with("Memory", mebibytes.into().into())
    }

    /// The memory reserved for it in MiB.
    #[must_use]
    pub fn memory_reservation(self, mebibytes: impl Into<Num>) -> Self {
        self.with("MemoryReservation", mebibytes.into().into())
    }

    /// The environment variables.
    #[must_use]
    pub fn environment<N: Into<Str>, V: Into<Str>>(
        self,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let variable = |(name, value): (N, V)| object! {"Name": name.into(), "Value": value.into()};
        self.with("Environment", Value::List(variables.into_iter().map(variable).collect()))
    }
}

impl From<ContainerOverride> for Value {
    fn from(container: ContainerOverride) -> Self {
        Value::Object(container.members)
    }
}

impl ServiceTask for EcsRunTask {
    fn plan(&self, plan: &mut Plan) {
        plan.service("ecs", "runTask");
        plan.uses(self.cluster.resources());
        plan.uses(self.task_definition.definition.resources());
        plan.allow(&["ecs:RunTask"], [self.task_definition.revisions()]);
        plan.allow(&["ecs:StopTask", "ecs:DescribeTasks"], ["*"]);
        if !self.task_definition.roles.is_empty() {
            plan.allow(&["iam:PassRole"], &self.task_definition.roles);
        }
        if plan.is(RunJob) {
            plan.allow_events("StepFunctionsGetEventsForECSTaskRule");
        }
        plan.put("Cluster", self.cluster.arn());
        let family = self.task_definition.name();
        plan.put(
            "TaskDefinition",
            match self.revision_number {
                Some(revision) => text!(family, format!(":{revision}")),
                None => family,
            },
        );
        if self.revision_number.is_some_and(|revision| revision < 1) {
            plan.problem("revisions are numbered from 1");
        }
        self.connect(plan);
        let network = self.network(plan.problems());
        plan.maybe("NetworkConfiguration", network);
        plan.maybe("Overrides", self.overrides());
        self.put_fields(plan);
        self.put_target(plan);
        if plan.is(WaitForTaskToken) {
            let overrides = self.overrides();
            plan.needs_token("container_overrides", overrides.as_ref());
        }
    }
}

impl EcsRunTask {
    fn network(&self, problems: &mut Vec<String>) -> Option<Value> {
        let Some(subnets) = &self.subnets else {
            if self.groups().is_some() || self.assign_public_ip.is_some() {
                let message = "`security_groups`, `vpc` and `assign_public_ip` go with `subnets`";
                problems.push(message.into());
            } else if self.launch_target.launch_type == "FARGATE"
                && self.launch_target.capacity.is_none()
            {
                problems.push("a task on Fargate has to have `subnets`".into());
            }
            return None;
        };
        let mut network = Vec::new();
        if let Some(assign) = self.assign_public_ip {
            let assign = if assign { "ENABLED" } else { "DISABLED" };
            network.push(("AssignPublicIp".to_owned(), Value::from(assign)));
        }
        network.push(("Subnets".to_owned(), subnets.clone().into()));
        if let Some(groups) = self.groups() {
            network.push(("SecurityGroups".to_owned(), groups));
        }
        Some(object! {"AwsvpcConfiguration": Value::Object(network)})
    }

    fn overrides(&self) -> Option<Value> {
        let mut overrides: Vec<(String, Value)> = Vec::new();
        let mut put = |key: &str, value: Option<Value>| {
            overrides.extend(value.map(|value| (key.to_owned(), value)));
        };
        put("Cpu", self.cpu.clone().map(Value::from));
        put("Memory", self.memory_mib.clone().map(Value::from));
        let containers =
            self.container_overrides.clone().filter(|containers| !containers.is_empty());
        put("ContainerOverrides", containers.map(Value::from));
        (!overrides.is_empty()).then_some(Value::Object(overrides))
    }

    fn put_target(&self, plan: &mut Plan) {
        let target = &self.launch_target;
        let is_fargate = target.launch_type == "FARGATE";
        if is_fargate && !(target.constraints.is_empty() && target.strategies.is_empty()) {
            plan.problem("placement is for tasks on EC2, not on Fargate");
        }
        if !is_fargate && target.platform_version.is_some() {
            plan.problem("`platform_version` is for tasks on Fargate, not on EC2");
        }
        match &target.capacity {
            None => plan.put("LaunchType", target.launch_type),
            Some(providers) if !providers.is_empty() => {
                if providers.len() > 20 {
                    plan.problem("there can be 20 capacity providers at most");
                }
                plan.put("CapacityProviderStrategy", providers.clone());
            }
            Some(_) => {}
        }
        plan.maybe("PlatformVersion", target.platform_version.clone());
        for (key, list) in [
            ("PlacementConstraints", &target.constraints),
            ("PlacementStrategy", &target.strategies),
        ] {
            if !list.is_empty() {
                plan.put(key, Value::List(list.clone()));
            }
        }
    }
}
