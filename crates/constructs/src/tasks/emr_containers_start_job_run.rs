use crate::common::IntegrationPattern::RunJob;
use crate::fields::record;
use crate::iam::Statement;
use crate::logs::LogGroup;
use crate::resources::{Bucket, Role};
use crate::tasks::{Plan, ServiceTask};
use crate::text::{local_arn, text};
use crate::value::Value;
use crate::{Items, Str, object};

task! {
    /// Runs a Spark job on a virtual EMR cluster on EKS and waits for its end.
    ///
    /// The execution role must trust the cluster. The CDK creates a role together with a function
    /// that adds the trust; here the role must be given.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let run = EmrContainersStartJobRun::new(
    ///     "EMR Containers Start Job Run", "de92jdei2910fwedz", "emr-6.2.0-latest",
    ///     Role::from_arn("arn:aws:iam::123456789012:role/Job-Execution-Role"),
    ///     "local:///usr/lib/spark/examples/src/main/python/pi.py",
    /// )
    /// .application_config([ApplicationConfiguration::new("spark-defaults")
    ///     .properties([("spark.executor.instances", "1")])]);
    /// assert!(StateMachine::new("Jobs", run).asl().is_ok());
    /// ```
    pub struct EmrContainersStartJobRun [RunJob, RequestResponse] {
        required {
            virtual_cluster: Str => "VirtualClusterId",
            release_label: Str => "ReleaseLabel",
            execution_role: Role,
            entry_point: Str,
        }
        optional {
            /// The name of the job.
            job_name: Str => "Name",
            /// The arguments of the program: a list.
            entry_point_arguments: Items,
            /// Parameters of `spark-submit`: `--conf spark.executor.memory=2G`.
            spark_submit_parameters: Str,
            /// Configurations of applications: at most 100.
            application_config: [ApplicationConfiguration],
            /// Monitoring: what is logged, and where.
            monitoring: Monitoring,
            /// Tags.
            tags: {Str} => "Tags",
        }
    }
}

type NestedConfigurations = Vec<ApplicationConfiguration>;

record! {
    /// The configuration of an application.
    pub struct ApplicationConfiguration {
        required { classification: Str => "Classification", }
        optional {
            /// Its properties: at most 100.
            properties: {Str} => "Properties",
            /// Nested configurations.
            nested_config: NestedConfigurations => "Configurations",
        }
    }
}

/// The monitoring of a job: what is logged, and where.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Monitoring {
    log_group: Option<LogGroup>,
    prefix: Option<Str>,
    bucket: Option<Bucket>,
    ui: Option<bool>,
}

impl Monitoring {
    /// Only the history in the console.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes logs to a log group.
    #[must_use]
    pub fn log_group(mut self, group: LogGroup) -> Self {
        self.log_group = Some(group);
        self
    }

    /// The prefix of the names of log streams, for use with `log_group`.
    #[must_use]
    pub fn log_stream_name_prefix(mut self, prefix: impl Into<Str>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Writes logs to a bucket.
    #[must_use]
    pub fn log_bucket(mut self, bucket: impl Into<Bucket>) -> Self {
        self.bucket = Some(bucket.into());
        self
    }

    /// Whether the history of the job is visible in the console. Defaults to true.
    #[must_use]
    pub fn persistent_app_ui(mut self, on: bool) -> Self {
        self.ui = Some(on);
        self
    }

    fn to_value(&self) -> Value {
        let mut members = Vec::new();
        if let Some(group) = &self.log_group {
            let mut logs = vec![("LogGroupName".to_owned(), Value::from(group.name()))];
            logs.extend(
                self.prefix.clone().map(|prefix| ("LogStreamNamePrefix".to_owned(), prefix.into())),
            );
            members.push(("CloudWatchMonitoringConfiguration".to_owned(), Value::Object(logs)));
        }
        let ui = if self.ui == Some(false) { "DISABLED" } else { "ENABLED" };
        members.push(("PersistentAppUI".to_owned(), ui.into()));
        if let Some(bucket) = &self.bucket {
            let uri = object! {"LogUri": text!("s3://", bucket.name())};
            members.push(("S3MonitoringConfiguration".to_owned(), uri));
        }
        Value::Object(members)
    }
}

impl ServiceTask for EmrContainersStartJobRun {
    fn plan(&self, plan: &mut Plan) {
        plan.service("emr-containers", "startJobRun");
        self.check(plan);
        let role = &self.execution_role;
        plan.uses(role.resources());
        let monitoring = self.monitoring.clone().unwrap_or_default();
        plan.uses(monitoring.log_group.iter().flat_map(LogGroup::resources).collect());
        plan.uses(monitoring.bucket.iter().flat_map(Bucket::resources).collect());
        let known = self.virtual_cluster.value.known();
        let cluster = known.clone().unwrap_or_else(|| "*".into());
        let when = object! {"StringEquals": {"emr-containers:ExecutionRoleArn": role.arn()}};
        let clusters = local_arn("emr-containers", text!("/virtualclusters/", &cluster));
        plan.state(Statement::allow(["emr-containers:StartJobRun"], [&clusters]).when(when));
        if plan.is(RunJob) {
            let runs = if known.is_some() { text!(&clusters, "/jobruns/*") } else { clusters };
            plan.allow(&["emr-containers:DescribeJobRun", "emr-containers:CancelJobRun"], [runs]);
        }
        plan.put("ExecutionRoleArn", role.value());
        let mut driver = vec![("EntryPoint".to_owned(), Value::from(self.entry_point.clone()))];
        let mut put = |key: &str, value: Option<Value>| {
            driver.extend(value.map(|value| (key.to_owned(), value)));
        };
        put("EntryPointArguments", self.entry_point_arguments.clone().map(Value::from));
        put("SparkSubmitParameters", self.spark_submit_parameters.clone().map(Value::from));
        plan.put("JobDriver", object! {"SparkSubmitJobDriver": Value::Object(driver)});
        let mut overrides = Vec::new();
        if let Some(configurations) = &self.application_config {
            overrides.push(("ApplicationConfiguration".to_owned(), configurations.clone().into()));
        }
        overrides.push(("MonitoringConfiguration".to_owned(), monitoring.to_value()));
        plan.put("ConfigurationOverrides", Value::Object(overrides));
        self.put_fields(plan);
    }
}

impl EmrContainersStartJobRun {
    fn check(&self, plan: &mut Plan) {
        fn nested(configurations: &[ApplicationConfiguration], plan: &mut Plan) {
            if configurations.len() > 100 {
                plan.problem("there are 100 application configurations at most");
            }
            for configuration in configurations {
                match (&configuration.properties, &configuration.nested_config) {
                    (None, None) => {
                        plan.problem(
                            "an application configuration has properties or configurations within",
                        );
                    }
                    (Some(properties), _) if properties.len() > 100 => {
                        plan.problem("an application configuration has 100 properties at most");
                    }
                    _ => {}
                }
                nested(configuration.nested_config.as_deref().unwrap_or_default(), plan);
            }
        }
        nested(self.application_config.as_deref().unwrap_or_default(), plan);
        let entry = self.entry_point.value.as_literal().map(|text| text.chars().count());
        if entry.is_some_and(|length| !(1..=256).contains(&length)) {
            plan.problem("`entry_point` has 1 to 256 characters");
        }
        let monitoring = self.monitoring.as_ref();
        if monitoring.is_some_and(|m| m.prefix.is_some() && m.log_group.is_none()) {
            plan.problem("`log_stream_name_prefix` goes with `log_group`");
        }
    }
}
