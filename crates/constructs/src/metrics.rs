//! CloudWatch metrics, and alarms on them.

use crate::StateMachine;
use crate::object;
use crate::resources::{Activity, Machine, Resource, Topic, logical_id};
#[cfg(feature = "states")]
use crate::tasks::ServiceTask;
use crate::text::Text;
use crate::value::Value;
use std::time::Duration;

/// A metric of Step Functions.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    name: String,
    dimensions: Vec<(String, Text)>,
    statistic: String,
    period: Duration,
    label: Option<String>,
    unit: Option<String>,
    account: Option<Text>,
    region: Option<Text>,
}

/// The prefixes of a task's metrics, and the dimension that selects the task.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskMetrics {
    pub(crate) singular: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) dimensions: Vec<(String, Text)>,
}

impl Metric {
    /// A metric of the namespace `AWS/States`, summed up over five minutes.
    pub fn new(name: impl Into<String>, dimensions: Vec<(String, Text)>) -> Self {
        let period = Duration::from_mins(5);
        Self {
            name: name.into(),
            dimensions,
            statistic: "Sum".into(),
            period,
            label: None,
            unit: None,
            account: None,
            region: None,
        }
    }

    fn average(self) -> Self {
        self.statistic("Average")
    }

    /// Its name in graphs.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The unit of the values: `Milliseconds`, `Count`.
    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = Some(unit.into());
        self
    }

    /// The account that it is from, if it is another.
    #[must_use]
    pub fn account_id(mut self, account: impl Into<Text>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// The region that it is from, if it is another. An alarm is refused then.
    #[must_use]
    pub fn region(mut self, region: impl Into<Text>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Adds a dimension, which selects what it is of.
    #[doc(alias = "dimensionsMap")]
    #[must_use]
    pub fn dimension(mut self, name: impl Into<String>, value: impl Into<Text>) -> Self {
        self.dimensions.push((name.into(), value.into()));
        self
    }

    /// The metric within an alarm that names accounts or labels.
    fn to_query(&self) -> Value {
        let metric = object! {
            "Dimensions": self.dimensions_value(),
            "MetricName": self.name.as_str(),
            "Namespace": "AWS/States",
        };
        let period = crate::duration::Seconds::from(self.period);
        let mut stat = vec![
            ("Metric".to_owned(), metric),
            ("Period".to_owned(), period.into()),
            ("Stat".to_owned(), self.statistic.as_str().into()),
        ];
        stat.extend(self.unit.as_ref().map(|unit| ("Unit".to_owned(), unit.into())));
        let mut query: Vec<(String, Value)> = Vec::new();
        query.extend(self.account.as_ref().map(|account| ("AccountId".to_owned(), account.into())));
        query.push(("Id".to_owned(), "m1".into()));
        query.extend(self.label.as_ref().map(|label| ("Label".to_owned(), label.into())));
        query.push(("MetricStat".to_owned(), Value::Object(stat)));
        query.push(("ReturnData".to_owned(), true.into()));
        Value::Object(query)
    }

    fn dimensions_value(&self) -> Value {
        let dimension = |(name, value): &(String, Text)| object! {"Name": name, "Value": value};
        Value::List(self.dimensions.iter().map(dimension).collect())
    }

    /// The statistic: `Sum`, `Average`, `Maximum`, `Minimum`, `SampleCount`, or a percentile, such as
    /// `p99`.
    #[must_use]
    pub fn statistic(mut self, statistic: impl Into<String>) -> Self {
        self.statistic = statistic.into();
        self
    }

    /// The period over which values are combined, in whole seconds.
    #[must_use]
    pub fn period(mut self, period: Duration) -> Self {
        self.period = period;
        self
    }

    /// A metric of all executions in the account and region, such as `ThrottledEvents`.
    fn account(name: &str) -> Self {
        Self::new(name, vec![("ServiceMetric".into(), "StateTransition".into())])
    }

    /// The number of throttled state transitions.
    #[doc(alias = "StateTransitionMetric")]
    pub fn throttled_events() -> Self {
        Self::account("ThrottledEvents")
    }

    /// The number of state transitions that are available at once.
    pub fn provisioned_bucket_size() -> Self {
        Self::account("ProvisionedBucketSize").average()
    }

    /// The number of state transitions that become available each second.
    pub fn provisioned_refill_rate() -> Self {
        Self::account("ProvisionedRefillRate").average()
    }

    /// The number of state transitions used.
    pub fn consumed_capacity() -> Self {
        Self::account("ConsumedCapacity").average()
    }
}

macro_rules! any_metric {
    ($($machine:ty: $dimension:literal),*) => {$(
        impl $machine {
            /// Any metric, by its name, summed up over five minutes.
            pub fn metric(&self, name: &str) -> Metric {
                Metric::new(name, vec![($dimension.into(), self.arn())])
            }
        }
    )*};
}
any_metric!(StateMachine: "StateMachineArn", Machine: "StateMachineArn", Activity: "ActivityArn");

/// Defines one method for each metric.
macro_rules! machine_metrics {
    ($($(#[$doc:meta])* $name:ident = $metric:literal $(, $average:ident)?;)*) => {
        impl StateMachine {
            $($(#[$doc])*
            pub fn $name(&self) -> Metric {
                self.metric($metric)$(.$average())?
            })*
        }

        impl Machine {
            $($(#[$doc])*
            pub fn $name(&self) -> Metric {
                self.metric($metric)$(.$average())?
            })*
        }
    };
}
machine_metrics! {
    /// The number of executions that failed.
    metric_failed = "ExecutionsFailed";
    /// The number of throttled events.
    metric_throttled = "ExecutionThrottled";
    /// The number of executions that were aborted.
    metric_aborted = "ExecutionsAborted";
    /// The number of executions that succeeded.
    metric_succeeded = "ExecutionsSucceeded";
    /// The number of executions that timed out.
    metric_timed_out = "ExecutionsTimedOut";
    /// The number of executions that were started.
    metric_started = "ExecutionsStarted";
    /// The average duration of executions in milliseconds.
    metric_time = "ExecutionTime", average;
}

macro_rules! work_metrics {
    ($($(#[$doc:meta])* $name:ident = $number:ident $metric:literal $(, $average:ident)?;)*) => {
        impl Activity {
            $($(#[$doc])*
            pub fn $name(&self) -> Metric {
                let prefix = (work_metrics!(@$number "Activity", "Activities"));
                let name = format!("{prefix}{}", $metric);
                Metric::new(name, vec![("ActivityArn".into(), self.arn())])$(.$average())?
            })*
        }

        /// The metrics of a task. Lambda functions and activities have metrics of their own. For
        /// the tasks of other services, CloudWatch has metrics by resource, see [`Metric::new`].
        #[cfg(feature = "states")]
        pub trait TaskWithMetrics: ServiceTask {
            $($(#[$doc])*
            fn $name(&self) -> Option<Metric> {
                let metrics = self.metrics()?;
                let prefix = work_metrics!(@$number metrics.singular, metrics.plural);
                let name = format!("{prefix}{}", $metric);
                Some(Metric::new(name, metrics.dimensions)$(.$average())?)
            })*
        }
    };
    (@one $one:expr, $many:expr) => { $one };
    (@many $one:expr, $many:expr) => { $many };
}
work_metrics! {
    /// The number of tasks that failed.
    metric_failed = many "Failed";
    /// The average duration of the work itself, in milliseconds.
    metric_run_time = one "RunTime", average;
    /// The average time that a task waited before it was started, in milliseconds.
    metric_schedule_time = one "ScheduleTime", average;
    /// The average time from scheduling to the end of a task, in milliseconds.
    metric_time = one "Time", average;
    /// The number of tasks that were scheduled.
    metric_scheduled = many "Scheduled";
    /// The number of tasks that timed out.
    metric_timed_out = many "TimedOut";
    /// The number of tasks that were started.
    metric_started = many "Started";
    /// The number of tasks that succeeded.
    metric_succeeded = many "Succeeded";
    /// The number of tasks whose heartbeat timed out.
    metric_heartbeat_timed_out = many "HeartbeatTimedOut";
}

#[cfg(feature = "states")]
impl<T: ServiceTask> TaskWithMetrics for T {}

/// How an alarm compares a metric with its threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Greater than or equal to the threshold.
    GreaterThanOrEqual,
    /// Greater than the threshold.
    GreaterThan,
    /// Less than or equal to the threshold.
    LessThanOrEqual,
    /// Less than the threshold.
    LessThan,
}

/// A CloudWatch alarm on a metric.
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// let machine = StateMachine::new("StateMachine", Pass::new("StartState"));
/// let alarm = Alarm::new("StateMachineAlarm", machine.metric_failed(), 1.0, 1);
/// let template = Stack::new().machine(machine).alarm(&alarm).template()?;
/// assert!(template.resource("StateMachineAlarm3E047C22").is_some());
/// # Ok::<(), Misuses>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Alarm {
    id: String,
    metric: Metric,
    threshold: f64,
    evaluation_periods: u32,
    comparison: Comparison,
    description: Option<String>,
    topics: Vec<Topic>,
    missing_data: Option<String>,
    name: Option<String>,
    datapoints: Option<u32>,
}

impl Alarm {
    /// Goes off when the metric is greater than or equal to the threshold for this many periods.
    #[doc(alias = "createAlarm")]
    #[doc(alias = "create_alarm")]
    pub fn new(
        id: impl Into<String>,
        metric: Metric,
        threshold: impl Into<f64>,
        evaluation_periods: u32,
    ) -> Self {
        Self {
            id: id.into(),
            metric,
            threshold: threshold.into(),
            evaluation_periods,
            comparison: Comparison::GreaterThanOrEqual,
            description: None,
            topics: Vec::new(),
            missing_data: None,
            name: None,
            datapoints: None,
        }
    }

    /// How the metric is compared with the threshold.
    #[must_use]
    pub fn comparison(mut self, comparison: Comparison) -> Self {
        self.comparison = comparison;
        self
    }

    /// The description of the alarm.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Its name in CloudWatch. By default, CloudFormation chooses one.
    #[must_use]
    pub fn alarm_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How many of the periods have to fit, if not all.
    #[must_use]
    pub fn datapoints_to_alarm(mut self, datapoints: u32) -> Self {
        self.datapoints = Some(datapoints);
        self
    }

    /// Notifies a topic.
    #[must_use]
    pub fn notify(mut self, topic: impl Into<Topic>) -> Self {
        self.topics.push(topic.into());
        self
    }

    /// How missing values are treated: `missing`, `ignore`, `breaching`, `notBreaching`.
    #[must_use]
    pub fn treat_missing_data(mut self, treatment: impl Into<String>) -> Self {
        self.missing_data = Some(treatment.into());
        self
    }

    pub(crate) fn resources(&self) -> Vec<Resource> {
        let comparison = match self.comparison {
            Comparison::GreaterThanOrEqual => "GreaterThanOrEqualToThreshold",
            Comparison::GreaterThan => "GreaterThanThreshold",
            Comparison::LessThanOrEqual => "LessThanOrEqualToThreshold",
            Comparison::LessThan => "LessThanThreshold",
        };
        let mut properties: Vec<(String, Value)> = Vec::new();
        let mut put = |key: &str, value: Value| properties.push((key.to_owned(), value));
        if !self.topics.is_empty() {
            let arns: Vec<Text> = self.topics.iter().map(Topic::arn).collect();
            put("AlarmActions", arns.into());
        }
        if let Some(description) = &self.description {
            put("AlarmDescription", description.into());
        }
        put("ComparisonOperator", comparison.into());
        put("EvaluationPeriods", self.evaluation_periods.into());
        if let Some(name) = &self.name {
            put("AlarmName", name.into());
        }
        if let Some(points) = self.datapoints {
            put("DatapointsToAlarm", points.into());
        }
        if self.metric.account.is_some() || self.metric.label.is_some() {
            put("Metrics", Value::List(vec![self.metric.to_query()]));
        } else {
            put("Dimensions", self.metric.dimensions_value());
            put("MetricName", self.metric.name.as_str().into());
            put("Namespace", "AWS/States".into());
            put("Period", crate::duration::Seconds::from(self.metric.period).into());
            let known = ["Sum", "Average", "Maximum", "Minimum", "SampleCount"];
            let statistic = self.metric.statistic.as_str();
            let field = if known.contains(&statistic) { "Statistic" } else { "ExtendedStatistic" };
            put(field, statistic.into());
            if let Some(unit) = &self.metric.unit {
                put("Unit", unit.into());
            }
        }
        let threshold = self.threshold;
        put(
            "Threshold",
            if threshold.fract() == 0.0 { (threshold as i64).into() } else { threshold.into() },
        );
        if let Some(treatment) = &self.missing_data {
            put("TreatMissingData", treatment.into());
        }
        let logical = logical_id(&[&self.id, "Resource"]);
        let mut resources: Vec<Resource> = self.topics.iter().flat_map(Topic::resources).collect();
        if self.metric.region.is_some() {
            let message = "an alarm is on metrics of its own region: deploy it in the other one";
            resources.push(Resource::misused(crate::Misuse {
                subject: self.id.clone(),
                message: message.to_owned(),
            }));
        }
        resources.push(Resource::new(logical, "AWS::CloudWatch::Alarm", Value::Object(properties)));
        resources
    }
}
