//! What clusters of EMR are made of.

use crate::duration::{Gibibytes, Minutes, Seconds};
use crate::fields::{choices, record};
use crate::{Flag, Items, Num, Str, Value, object};

record! {
    /// An application that is installed on a cluster.
    pub struct Application {
        required { name: Str => "Name", }
        optional {
            /// Arguments.
            args: Items => "Args",
            /// The version.
            version: Str => "Version",
            /// Anything else that the application knows.
            additional_info: {Str} => "AdditionalInfo",
        }
    }
}

/// Configurations stand within configurations.
type Configurations = Vec<Configuration>;

record! {
    /// Settings of an application.
    pub struct Configuration {
        required {}
        optional {
            /// What is set: `core-site`, `spark-defaults`.
            classification: Str => "Classification",
            /// The settings.
            properties: {Str} => "Properties",
            /// Configurations within.
            configurations: Configurations => "Configurations",
        }
    }
}

record! {
    /// The script of a bootstrap action.
    pub struct ScriptBootstrapAction {
        required { path: Str => "Path", }
        optional {
            /// Arguments.
            args: Items => "Args",
        }
    }
}

/// What is done on every instance before applications are installed.
#[derive(Clone, Debug, PartialEq)]
pub struct BootstrapAction {
    name: Str,
    script: ScriptBootstrapAction,
}

impl BootstrapAction {
    /// Runs a script from S3.
    pub fn new(name: impl Into<Str>, path: impl Into<Str>) -> Self {
        Self { name: name.into(), script: ScriptBootstrapAction::new(path) }
    }

    /// Arguments of the script.
    #[must_use]
    pub fn args(mut self, args: impl Into<Items>) -> Self {
        self.script = self.script.args(args);
        self
    }
}

impl From<BootstrapAction> for Value {
    fn from(action: BootstrapAction) -> Self {
        object! {"Name": action.name, "ScriptBootstrapAction": action.script}
    }
}

record! {
    /// The instances of a cluster: fleets, or groups, or a master and slaves.
    pub struct Instances {
        required {}
        optional {
            /// Further security groups of the master.
            additional_master_security_groups: Items => "AdditionalMasterSecurityGroups",
            /// Further security groups of the others.
            additional_slave_security_groups: Items => "AdditionalSlaveSecurityGroups",
            /// The key pair for logging in.
            ec2_key_name: Str => "Ec2KeyName",
            /// The subnet.
            ec2_subnet_id: Str => "Ec2SubnetId",
            /// The subnets that fleets choose from.
            ec2_subnet_ids: Items => "Ec2SubnetIds",
            /// The security group of the master.
            emr_managed_master_security_group: Str => "EmrManagedMasterSecurityGroup",
            /// The security group of the others.
            emr_managed_slave_security_group: Str => "EmrManagedSlaveSecurityGroup",
            /// The version of Hadoop.
            hadoop_version: Str => "HadoopVersion",
            /// How many instances.
            instance_count: Num => "InstanceCount",
            /// Fleets.
            instance_fleets: [InstanceFleet] => "InstanceFleets",
            /// Groups.
            instance_groups: [InstanceGroup] => "InstanceGroups",
            /// The type of the master.
            master_instance_type: Str => "MasterInstanceType",
            /// Where the instances are.
            placement: Placement => "Placement",
            /// The security group through which the service reaches the cluster.
            service_access_security_group: Str => "ServiceAccessSecurityGroup",
            /// The type of the others.
            slave_instance_type: Str => "SlaveInstanceType",
            /// Whether the cluster cannot be terminated by mistake.
            termination_protected: Flag => "TerminationProtected",
        }
    }
}

impl Instances {
    /// Whether there are fleets.
    pub(crate) fn has_fleets(&self) -> bool {
        self.instance_fleets.as_ref().is_some_and(|fleets| !fleets.is_empty())
    }

    /// Says what is wrong with its parts.
    pub(crate) fn check(&self, problem: &mut dyn FnMut(String)) {
        for fleet in self.instance_fleets.iter().flatten() {
            fleet.check(problem);
        }
    }
}

record! {
    /// Where instances are.
    pub struct Placement {
        required {}
        optional {
            /// The zone.
            availability_zone: Str => "AvailabilityZone",
            /// The zones that fleets choose from.
            availability_zones: Items => "AvailabilityZones",
        }
    }
}

choices! {
    /// What instances do.
    pub enum InstanceRole {
        /// They lead.
        Master = "MASTER",
        /// They work and keep data.
        Core = "CORE",
        /// They work.
        Task = "TASK",
    }
}

record! {
    /// A fleet: instances of several types, on demand or spot.
    pub struct InstanceFleet {
        required { instance_fleet_type: InstanceRole => "InstanceFleetType", }
        optional {
            /// Types of instances to choose from.
            instance_type_configs: [InstanceTypeConfig] => "InstanceTypeConfigs",
            /// How instances are started.
            launch_specifications: LaunchSpecifications => "LaunchSpecifications",
            /// Its name.
            name: Str => "Name",
            /// How much on demand.
            target_on_demand_capacity: Num => "TargetOnDemandCapacity",
            /// How much spot.
            target_spot_capacity: Num => "TargetSpotCapacity",
        }
    }
}

impl InstanceFleet {
    fn check(&self, problem: &mut dyn FnMut(String)) {
        let known = |capacity: &Option<Num>| match capacity {
            None => Some(0.0),
            Some(capacity) => capacity.value.known_number(),
        };
        let (spot, demand) =
            (known(&self.target_spot_capacity), known(&self.target_on_demand_capacity));
        if let (Some(spot), Some(demand)) = (spot, demand) {
            if spot + demand <= 0.0 {
                problem("a fleet has a target capacity, spot or on demand, of more than 0".into());
            }
            if self.instance_fleet_type == InstanceRole::Master && spot + demand > 1.0 {
                problem("the fleet of the master has one instance, spot or on demand".into());
            }
        }
        for config in self.instance_type_configs.iter().flatten() {
            if config.bid_price.is_some()
                && config.bid_price_as_percentage_of_on_demand_price.is_some()
            {
                problem("a spot price is either an amount or a percentage, not both".into());
            }
        }
        let spot = self
            .launch_specifications
            .as_ref()
            .and_then(|launch| launch.spot_specification.as_ref());
        if let Some(spot) = spot
            && !(300..=86_400).contains(&spot.timeout.0.as_secs())
        {
            problem("the timeout of spot instances is between 5 and 1440 minutes".into());
        }
        let strategy = self
            .launch_specifications
            .as_ref()
            .and_then(|launch| launch.on_demand_specification.as_ref())
            .map(|demand| demand.allocation_strategy);
        let has_priority =
            self.instance_type_configs.iter().flatten().any(|config| config.priority.is_some());
        let prioritized = strategy == Some(OnDemandAllocation::Prioritized);
        if has_priority && !prioritized {
            problem("`priority` counts only with the on-demand strategy `Prioritized`".into());
        }
        if prioritized && !has_priority && self.instance_type_configs.is_some() {
            problem(
                "the on-demand strategy `Prioritized` needs a `priority` of an instance type"
                    .into(),
            );
        }
    }
}

record! {
    /// A type of instances in a fleet.
    pub struct InstanceTypeConfig {
        required { instance_type: Str => "InstanceType", }
        optional {
            /// The most that is paid for a spot instance an hour, in dollars.
            bid_price: Str => "BidPrice",
            /// The same in percent of the price on demand.
            bid_price_as_percentage_of_on_demand_price: Num => "BidPriceAsPercentageOfOnDemandPrice",
            /// Settings of applications.
            configurations: [Configuration] => "Configurations",
            /// Volumes.
            ebs_configuration: EbsConfiguration => "EbsConfiguration",
            /// Which type is taken first: 0 is first.
            priority: Num => "Priority",
            /// How much an instance counts towards the target.
            weighted_capacity: Num => "WeightedCapacity",
        }
    }
}

record! {
    /// How the instances of a fleet are started.
    pub struct LaunchSpecifications {
        required {}
        optional {
            /// On demand.
            on_demand_specification: OnDemandSpecification => "OnDemandSpecification",
            /// Spot.
            spot_specification: SpotSpecification => "SpotSpecification",
        }
    }
}

choices! {
    /// Which instances are started on demand.
    pub enum OnDemandAllocation {
        /// The cheapest.
        LowestPrice = "lowest-price",
        /// By priority.
        Prioritized = "prioritized",
    }
}

choices! {
    /// Which spot instances are started.
    pub enum SpotAllocation {
        /// Those that are least likely to be taken away.
        CapacityOptimized = "capacity-optimized",
        /// Both cheap and unlikely to be taken away.
        PriceCapacityOptimized = "price-capacity-optimized",
        /// The cheapest.
        LowestPrice = "lowest-price",
        /// From all pools.
        Diversified = "diversified",
        /// Unlikely to be taken away, by priority.
        CapacityOptimizedPrioritized = "capacity-optimized-prioritized",
    }
}

choices! {
    /// What happens if no spot instances are to be had.
    pub enum SpotTimeoutAction {
        /// Instances on demand are started.
        SwitchToOnDemand = "SWITCH_TO_ON_DEMAND",
        /// The cluster is terminated.
        TerminateCluster = "TERMINATE_CLUSTER",
    }
}

record! {
    /// How instances are started on demand.
    pub struct OnDemandSpecification {
        required { allocation_strategy: OnDemandAllocation => "AllocationStrategy", }
        optional {}
    }
}

record! {
    /// How spot instances are started.
    pub struct SpotSpecification {
        required {
            timeout_action: SpotTimeoutAction => "TimeoutAction",
            timeout: Minutes => "TimeoutDurationMinutes",
        }
        optional {
            /// Which spot instances.
            allocation_strategy: SpotAllocation => "AllocationStrategy",
            /// For how long they are kept: 60 to 360 in steps of 60.
            block_duration_minutes: Num => "BlockDurationMinutes",
        }
    }
}

choices! {
    /// The kind of a volume.
    pub enum VolumeType {
        /// General purpose, the newer.
        Gp3 = "gp3",
        /// General purpose.
        Gp2 = "gp2",
        /// Provisioned.
        Io1 = "io1",
        /// Magnetic.
        Standard = "standard",
        /// Throughput optimised.
        St1 = "st1",
        /// Cold.
        Sc1 = "sc1",
    }
}

/// Volumes of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockDevice {
    specification: Vec<(&'static str, Value)>,
    per_instance: Option<Num>,
}

impl BlockDevice {
    /// Volumes of this kind and size.
    pub fn new(volume_type: VolumeType, size: impl Into<Gibibytes>) -> Self {
        let specification =
            vec![("SizeInGB", size.into().into()), ("VolumeType", volume_type.into())];
        Self { specification, per_instance: None }
    }

    /// Operations a second.
    #[must_use]
    pub fn iops(mut self, iops: impl Into<Num>) -> Self {
        self.specification.push(("Iops", iops.into().into()));
        self
    }

    /// How many each instance has.
    #[must_use]
    pub fn volumes_per_instance(mut self, count: impl Into<Num>) -> Self {
        self.per_instance = Some(count.into());
        self
    }
}

impl From<BlockDevice> for Value {
    fn from(device: BlockDevice) -> Self {
        let specification =
            device.specification.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let mut members = vec![("VolumeSpecification".to_owned(), Value::Object(specification))];
        members.extend(device.per_instance.map(|n| ("VolumesPerInstance".to_owned(), n.into())));
        Value::Object(members)
    }
}

record! {
    /// The volumes of an instance.
    pub struct EbsConfiguration {
        required {}
        optional {
            /// The volumes.
            ebs_block_device_configs: [BlockDevice] => "EbsBlockDeviceConfigs",
            /// Whether the instance is optimised for them.
            ebs_optimized: Flag => "EbsOptimized",
        }
    }
}

choices! {
    /// How instances are paid for.
    pub enum Market {
        /// On demand.
        OnDemand = "ON_DEMAND",
        /// Spot.
        Spot = "SPOT",
    }
}

record! {
    /// A group: instances of one type.
    pub struct InstanceGroup {
        required {
            instance_role: InstanceRole => "InstanceRole",
            instance_type: Str => "InstanceType",
            instance_count: Num => "InstanceCount",
        }
        optional {
            /// When it grows and shrinks.
            auto_scaling_policy: AutoScalingPolicy => "AutoScalingPolicy",
            /// The most that is paid for a spot instance an hour, in dollars.
            bid_price: Str => "BidPrice",
            /// Settings of applications.
            configurations: [Configuration] => "Configurations",
            /// Volumes.
            ebs_configuration: EbsConfiguration => "EbsConfiguration",
            /// How instances are paid for.
            market: Market => "Market",
            /// Its name.
            name: Str => "Name",
        }
    }
}

/// When a group grows and shrinks.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoScalingPolicy {
    least: Num,
    most: Num,
    rules: Vec<ScalingRule>,
}

impl AutoScalingPolicy {
    /// Between so many and so many instances, by these rules.
    pub fn new(
        min_capacity: impl Into<Num>,
        max_capacity: impl Into<Num>,
        rules: impl IntoIterator<Item = ScalingRule>,
    ) -> Self {
        Self {
            least: min_capacity.into(),
            most: max_capacity.into(),
            rules: rules.into_iter().collect(),
        }
    }
}

impl From<AutoScalingPolicy> for Value {
    fn from(policy: AutoScalingPolicy) -> Self {
        object! {
            "Constraints": {"MaxCapacity": policy.most, "MinCapacity": policy.least},
            "Rules": policy.rules,
        }
    }
}

/// What is done when an alarm goes off.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalingRule {
    name: Str,
    description: Option<Str>,
    market: Option<Market>,
    scaling: SimpleScaling,
    alarm: AlarmDefinition,
}

impl ScalingRule {
    /// Does this on that alarm.
    pub fn new(name: impl Into<Str>, scaling: SimpleScaling, alarm: AlarmDefinition) -> Self {
        Self { name: name.into(), description: None, market: None, scaling, alarm }
    }

    /// What it is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<Str>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// How new instances are paid for.
    #[must_use]
    pub fn market(mut self, market: Market) -> Self {
        self.market = Some(market);
        self
    }
}

impl From<ScalingRule> for Value {
    fn from(rule: ScalingRule) -> Self {
        let mut action = Vec::new();
        action.extend(rule.market.map(|market| ("Market".to_owned(), market.into())));
        action.push(("SimpleScalingPolicyConfiguration".to_owned(), rule.scaling.into()));
        let mut members = vec![("Action".to_owned(), Value::Object(action))];
        members.extend(rule.description.map(|text| ("Description".to_owned(), text.into())));
        members.push(("Name".to_owned(), rule.name.into()));
        members.push(("Trigger".to_owned(), object! {"CloudWatchAlarmDefinition": rule.alarm}));
        Value::Object(members)
    }
}

choices! {
    /// How an adjustment is meant.
    pub enum AdjustmentType {
        /// So many more or fewer.
        ChangeInCapacity = "CHANGE_IN_CAPACITY",
        /// So many percent more or fewer.
        PercentChangeInCapacity = "PERCENT_CHANGE_IN_CAPACITY",
        /// Exactly so many.
        ExactCapacity = "EXACT_CAPACITY",
    }
}

record! {
    /// How the number of instances changes.
    pub struct SimpleScaling {
        required { scaling_adjustment: Num => "ScalingAdjustment", }
        optional {
            /// How the adjustment is meant.
            adjustment_type: AdjustmentType => "AdjustmentType",
            /// Seconds before the next change.
            cool_down: Num => "CoolDown",
        }
    }
}

record! {
    /// A dimension of a metric.
    pub struct MetricDimension {
        required { key: Str => "Key", value: Str => "Value", }
        optional {}
    }
}

record! {
    /// When an alarm of CloudWatch goes off.
    pub struct AlarmDefinition {
        required {
            comparison_operator: Str => "ComparisonOperator",
            metric_name: Str => "MetricName",
            period: Seconds => "Period",
        }
        optional {
            /// Dimensions of the metric.
            dimensions: [MetricDimension] => "Dimensions",
            /// For how many periods.
            evaluation_periods: Num => "EvaluationPeriods",
            /// The namespace of the metric.
            namespace: Str => "Namespace",
            /// How values are put together: `AVERAGE`.
            statistic: Str => "Statistic",
            /// What the metric is compared with.
            threshold: Num => "Threshold",
            /// The unit: `PERCENT`.
            unit: Str => "Unit",
        }
    }
}

record! {
    /// Kerberos.
    pub struct KerberosAttributes {
        required { realm: Str => "Realm", }
        optional {
            /// The password of the user who joins the domain.
            ad_domain_join_password: Str => "ADDomainJoinPassword",
            /// The user who joins the domain.
            ad_domain_join_user: Str => "ADDomainJoinUser",
            /// The password for trust across realms.
            cross_realm_trust_principal_password: Str => "CrossRealmTrustPrincipalPassword",
            /// The password of the key distribution centre.
            kdc_admin_password: Str => "KdcAdminPassword",
        }
    }
}

choices! {
    /// What the limits of a cluster count.
    pub enum ComputeUnit {
        /// Instances.
        Instances = "Instances",
        /// Units of fleets.
        InstanceFleetUnits = "InstanceFleetUnits",
        /// Virtual CPUs.
        Vcpu = "VCPU",
    }
}

record! {
    /// Between which limits EMR changes the size of a cluster.
    pub struct ComputeLimits {
        required {
            unit_type: ComputeUnit => "UnitType",
            minimum_capacity_units: Num => "MinimumCapacityUnits",
            maximum_capacity_units: Num => "MaximumCapacityUnits",
        }
        optional {
            /// How many on demand at most.
            maximum_on_demand_capacity_units: Num => "MaximumOnDemandCapacityUnits",
            /// How many that keep data at most.
            maximum_core_capacity_units: Num => "MaximumCoreCapacityUnits",
        }
    }
}

record! {
    /// EMR changes the size of the cluster by itself.
    pub struct ManagedScaling {
        required { compute_limits: ComputeLimits => "ComputeLimits", }
        optional {}
    }
}
