//! The parts of an EMR cluster.

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
            /// Further settings of the application.
            additional_info: {Str} => "AdditionalInfo",
        }
    }
}

/// Configurations can be nested.
type Configurations = Vec<Configuration>;

record! {
    /// The configuration of an application.
    pub struct Configuration {
        required {}
        optional {
            /// What it configures: `core-site`, `spark-defaults`.
            classification: Str => "Classification",
            /// Its properties.
            properties: {Str} => "Properties",
            /// Nested configurations.
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

/// A script that runs on every instance before applications are installed.
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
    /// The instances of a cluster: instance fleets, or instance groups, or a master with slaves of
    /// one type.
    pub struct Instances {
        required {}
        optional {
            /// Further security groups of the master instance.
            additional_master_security_groups: Items => "AdditionalMasterSecurityGroups",
            /// Further security groups of the other instances.
            additional_slave_security_groups: Items => "AdditionalSlaveSecurityGroups",
            /// The key pair for SSH.
            ec2_key_name: Str => "Ec2KeyName",
            /// The subnet.
            ec2_subnet_id: Str => "Ec2SubnetId",
            /// The subnets that fleets choose from.
            ec2_subnet_ids: Items => "Ec2SubnetIds",
            /// The security group of the master instance.
            emr_managed_master_security_group: Str => "EmrManagedMasterSecurityGroup",
            /// The security group of the other instances.
            emr_managed_slave_security_group: Str => "EmrManagedSlaveSecurityGroup",
            /// The version of Hadoop.
            hadoop_version: Str => "HadoopVersion",
            /// The number of instances.
            instance_count: Num => "InstanceCount",
            /// Instance fleets.
            instance_fleets: [InstanceFleet] => "InstanceFleets",
            /// Instance groups.
            instance_groups: [InstanceGroup] => "InstanceGroups",
            /// The type of the master instance.
            master_instance_type: Str => "MasterInstanceType",
            /// The availability zone of the instances.
            placement: Placement => "Placement",
            /// The security group through which the service reaches the cluster.
            service_access_security_group: Str => "ServiceAccessSecurityGroup",
            /// The type of the other instances.
            slave_instance_type: Str => "SlaveInstanceType",
            /// Whether the cluster is protected against termination.
            termination_protected: Flag => "TerminationProtected",
        }
    }
}

impl Instances {
    /// Whether there are fleets.
    pub(crate) fn has_fleets(&self) -> bool {
        self.instance_fleets.as_ref().is_some_and(|fleets| !fleets.is_empty())
    }

    /// Checks its parts.
    pub(crate) fn check(&self, problem: &mut dyn FnMut(String)) {
        for fleet in self.instance_fleets.iter().flatten() {
            fleet.check(problem);
        }
    }
}

record! {
    /// The availability zones of instances.
    pub struct Placement {
        required {}
        optional {
            /// The availability zone.
            availability_zone: Str => "AvailabilityZone",
            /// The availability zones that fleets choose from.
            availability_zones: Items => "AvailabilityZones",
        }
    }
}

choices! {
    /// The role of an instance in the cluster.
    pub enum InstanceRole {
        /// Controls the cluster.
        Master = "MASTER",
        /// Works and stores data.
        Core = "CORE",
        /// Works only.
        Task = "TASK",
    }
}

record! {
    /// An instance fleet: instances of several types, on-demand or spot.
    pub struct InstanceFleet {
        required { instance_fleet_type: InstanceRole => "InstanceFleetType", }
        optional {
            /// Instance types to choose from.
            instance_type_configs: [InstanceTypeConfig] => "InstanceTypeConfigs",
            /// How instances are launched.
            launch_specifications: LaunchSpecifications => "LaunchSpecifications",
            /// Its name.
            name: Str => "Name",
            /// The target capacity of on-demand instances.
            target_on_demand_capacity: Num => "TargetOnDemandCapacity",
            /// The target capacity of spot instances.
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
            && spot.timeout.known().is_some_and(|time| !(300..=86_400).contains(&time.as_secs()))
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
    /// An instance type of a fleet.
    pub struct InstanceTypeConfig {
        required { instance_type: Str => "InstanceType", }
        optional {
            /// The highest price for a spot instance per hour, in dollars.
            bid_price: Str => "BidPrice",
            /// The highest price for a spot instance as a percentage of the on-demand price.
            bid_price_as_percentage_of_on_demand_price: Num => "BidPriceAsPercentageOfOnDemandPrice",
            /// Configurations of applications.
            configurations: [Configuration] => "Configurations",
            /// The EBS volumes.
            ebs_configuration: EbsConfiguration => "EbsConfiguration",
            /// The priority of this type: 0 is the highest.
            priority: Num => "Priority",
            /// How much an instance of this type counts towards the target capacity.
            weighted_capacity: Num => "WeightedCapacity",
        }
    }
}

record! {
    /// How the instances of a fleet are launched.
    pub struct LaunchSpecifications {
        required {}
        optional {
            /// How on-demand instances are launched.
            on_demand_specification: OnDemandSpecification => "OnDemandSpecification",
            /// How spot instances are launched.
            spot_specification: SpotSpecification => "SpotSpecification",
        }
    }
}

choices! {
    /// Which on-demand instances are launched.
    pub enum OnDemandAllocation {
        /// The cheapest.
        LowestPrice = "lowest-price",
        /// By priority.
        Prioritized = "prioritized",
    }
}

choices! {
    /// Which spot instances are launched.
    pub enum SpotAllocation {
        /// Those that are least likely to be interrupted.
        CapacityOptimized = "capacity-optimized",
        /// Cheap ones that are unlikely to be interrupted.
        PriceCapacityOptimized = "price-capacity-optimized",
        /// The cheapest.
        LowestPrice = "lowest-price",
        /// Instances from all pools.
        Diversified = "diversified",
        /// Those that are unlikely to be interrupted, by priority.
        CapacityOptimizedPrioritized = "capacity-optimized-prioritized",
    }
}

choices! {
    /// What happens if no spot instances are available in time.
    pub enum SpotTimeoutAction {
        /// On-demand instances are launched instead.
        SwitchToOnDemand = "SWITCH_TO_ON_DEMAND",
        /// The cluster is terminated.
        TerminateCluster = "TERMINATE_CLUSTER",
    }
}

record! {
    /// How on-demand instances are launched.
    pub struct OnDemandSpecification {
        required { allocation_strategy: OnDemandAllocation => "AllocationStrategy", }
        optional {}
    }
}

record! {
    /// How spot instances are launched.
    pub struct SpotSpecification {
        required {
            timeout_action: SpotTimeoutAction => "TimeoutAction",
            timeout: Minutes => "TimeoutDurationMinutes",
        }
        optional {
            /// Which spot instances are launched.
            allocation_strategy: SpotAllocation => "AllocationStrategy",
            /// How long they run without interruption, in minutes: 60 to 360 in steps of 60.
            block_duration_minutes: Num => "BlockDurationMinutes",
        }
    }
}

choices! {
    /// The type of a volume.
    pub enum VolumeType {
        /// General purpose, third generation.
        Gp3 = "gp3",
        /// General purpose, second generation.
        Gp2 = "gp2",
        /// Provisioned IOPS.
        Io1 = "io1",
        /// Magnetic.
        Standard = "standard",
        /// Throughput optimised HDD.
        St1 = "st1",
        /// Cold HDD.
        Sc1 = "sc1",
    }
}

/// Volumes of one type.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockDevice {
    specification: Vec<(&'static str, Value)>,
    per_instance: Option<Num>,
}

impl BlockDevice {
    /// Volumes of this type and size.
    pub fn new(volume_type: VolumeType, size: impl Into<Gibibytes>) -> Self {
        let specification =
            vec![("SizeInGB", size.into().into()), ("VolumeType", volume_type.into())];
        Self { specification, per_instance: None }
    }

    /// The IOPS of each volume.
    #[must_use]
    pub fn iops(mut self, iops: impl Into<Num>) -> Self {
        self.specification.push(("Iops", iops.into().into()));
        self
    }

    /// The number of volumes on each instance.
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
    /// The EBS volumes of an instance.
    pub struct EbsConfiguration {
        required {}
        optional {
            /// The volumes.
            ebs_block_device_configs: [BlockDevice] => "EbsBlockDeviceConfigs",
            /// Whether the instance is EBS-optimised.
            ebs_optimized: Flag => "EbsOptimized",
        }
    }
}

choices! {
    /// The market on which instances are bought.
    pub enum Market {
        /// On demand.
        OnDemand = "ON_DEMAND",
        /// Spot.
        Spot = "SPOT",
    }
}

record! {
    /// An instance group: instances of one type.
    pub struct InstanceGroup {
        required {
            instance_role: InstanceRole => "InstanceRole",
            instance_type: Str => "InstanceType",
            instance_count: Num => "InstanceCount",
        }
        optional {
            /// When the group grows and shrinks.
            auto_scaling_policy: AutoScalingPolicy => "AutoScalingPolicy",
            /// The highest price for a spot instance per hour, in dollars.
            bid_price: Str => "BidPrice",
            /// Configurations of applications.
            configurations: [Configuration] => "Configurations",
            /// The EBS volumes.
            ebs_configuration: EbsConfiguration => "EbsConfiguration",
            /// The market on which instances are bought.
            market: Market => "Market",
            /// Its name.
            name: Str => "Name",
        }
    }
}

/// When an instance group grows and shrinks.
#[derive(Clone, Debug, PartialEq)]
pub struct AutoScalingPolicy {
    least: Num,
    most: Num,
    rules: Vec<ScalingRule>,
}

impl AutoScalingPolicy {
    /// Scales between a smallest and a largest number of instances by these rules.
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

/// A scaling rule: what happens when an alarm goes off.
#[derive(Clone, Debug, PartialEq)]
pub struct ScalingRule {
    name: Str,
    description: Option<Str>,
    market: Option<Market>,
    scaling: SimpleScaling,
    alarm: AlarmDefinition,
}

impl ScalingRule {
    /// Scales in this way when that alarm goes off.
    pub fn new(name: impl Into<Str>, scaling: SimpleScaling, alarm: AlarmDefinition) -> Self {
        Self { name: name.into(), description: None, market: None, scaling, alarm }
    }

    /// The description of the rule.
    #[must_use]
    pub fn description(mut self, description: impl Into<Str>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// The market on which new instances are bought.
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
    /// What an adjustment means.
    pub enum AdjustmentType {
        /// A number of instances to add or remove.
        ChangeInCapacity = "CHANGE_IN_CAPACITY",
        /// A percentage of the instances to add or remove.
        PercentChangeInCapacity = "PERCENT_CHANGE_IN_CAPACITY",
        /// The exact number of instances.
        ExactCapacity = "EXACT_CAPACITY",
    }
}

record! {
    /// How the number of instances changes.
    pub struct SimpleScaling {
        required { scaling_adjustment: Num => "ScalingAdjustment", }
        optional {
            /// What the adjustment means.
            adjustment_type: AdjustmentType => "AdjustmentType",
            /// The seconds to wait before the next change.
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
    /// A CloudWatch alarm.
    pub struct AlarmDefinition {
        required {
            comparison_operator: Str => "ComparisonOperator",
            metric_name: Str => "MetricName",
            period: Seconds => "Period",
        }
        optional {
            /// The dimensions of the metric.
            dimensions: [MetricDimension] => "Dimensions",
            /// The number of periods to evaluate.
            evaluation_periods: Num => "EvaluationPeriods",
            /// The namespace of the metric.
            namespace: Str => "Namespace",
            /// The statistic: `AVERAGE`.
            statistic: Str => "Statistic",
            /// The threshold that the metric is compared with.
            threshold: Num => "Threshold",
            /// The unit: `PERCENT`.
            unit: Str => "Unit",
        }
    }
}

record! {
    /// Settings of Kerberos.
    pub struct KerberosAttributes {
        required { realm: Str => "Realm", }
        optional {
            /// The password of the user who joins the domain.
            ad_domain_join_password: Str => "ADDomainJoinPassword",
            /// The user who joins the domain.
            ad_domain_join_user: Str => "ADDomainJoinUser",
            /// The password for trust between realms.
            cross_realm_trust_principal_password: Str => "CrossRealmTrustPrincipalPassword",
            /// The password of the key distribution centre.
            kdc_admin_password: Str => "KdcAdminPassword",
        }
    }
}

choices! {
    /// The unit of a cluster's limits.
    pub enum ComputeUnit {
        /// Instances.
        Instances = "Instances",
        /// Units of fleets.
        InstanceFleetUnits = "InstanceFleetUnits",
        /// The number of virtual CPUs.
        Vcpu = "VCPU",
    }
}

record! {
    /// The limits within which EMR changes the size of a cluster.
    pub struct ComputeLimits {
        required {
            unit_type: ComputeUnit => "UnitType",
            minimum_capacity_units: Num => "MinimumCapacityUnits",
            maximum_capacity_units: Num => "MaximumCapacityUnits",
        }
        optional {
            /// The largest number of on-demand units.
            maximum_on_demand_capacity_units: Num => "MaximumOnDemandCapacityUnits",
            /// The largest number of core units.
            maximum_core_capacity_units: Num => "MaximumCoreCapacityUnits",
        }
    }
}

record! {
    /// Lets EMR change the size of the cluster automatically.
    pub struct ManagedScaling {
        required { compute_limits: ComputeLimits => "ComputeLimits", }
        optional {}
    }
}
