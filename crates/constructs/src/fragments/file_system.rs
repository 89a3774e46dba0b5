use crate::chain::Nextable;
use crate::fields::settings;
use crate::fragments::base::env_fragment;
use crate::fragments::batch_invoked::required_statements;
use crate::fragments::{
    BatchInvokedLambdaFunction, EnvBase, EnvBaseFragment, EnvFragment, MountPointConfiguration,
};
use crate::iam::Statement;
use crate::resources::{Bucket, Resource, Role, logical_id};
use crate::state_machine::StateMachine;
use crate::states::Pass;
use crate::tasks::Schedule;
use crate::text::{Text, text};
use crate::value::{QueryLanguage, Value};
use crate::{Input, Str, object};

settings! {
    /// Options of the fragments that work on paths of file systems.
    pub struct DataPathOptions {
        required { docker_image: Str, batch_job_queue: Str, scaffolding_bucket: Bucket, }
        optional {
            /// File systems to mount.
            mount_point_configs: [MountPointConfiguration],
            /// The memory in MiB. Defaults to 1024.
            memory: Input,
            /// The number of virtual CPUs. Defaults to 1.
            vcpus: Input,
        }
    }
}

impl From<&DataPathOptions> for DataPathOptions {
    fn from(options: &DataPathOptions) -> Self {
        options.clone()
    }
}

fn function(
    id: &str,
    env: &EnvBase,
    name: &str,
    handler: &str,
    options: &DataPathOptions,
) -> BatchInvokedLambdaFunction {
    let function = BatchInvokedLambdaFunction::new(id, env, name)
        .image(Value::from(options.docker_image.clone()))
        .handler(format!("aibs_informatics_aws_lambda.handlers.data_sync.{handler}"))
        .job_queue(Value::from(options.batch_job_queue.clone()))
        .bucket_name(options.scaffolding_bucket.name())
        .memory(options.memory.clone().unwrap_or_else(|| 1024.into()))
        .vcpus(options.vcpus.clone().unwrap_or_else(|| 1.into()));
    match &options.mount_point_configs {
        Some(configurations) => function.mount_point_configs(configurations),
        None => function,
    }
}

/// Computes statistics of what is under a path of a file system.
///
/// ```
/// use stepwright_constructs::fragments::*;
/// use stepwright_constructs::prelude::*;
///
/// let env = EnvBase::new("dev", Some("marmotdev"));
/// let options = DataPathOptions::new("image:latest", "queue", Bucket::from_name("b"));
/// let stats = get_data_path_stats_fragment("Stats", &env, &options);
/// assert!(stats.to_state_machine("stats").template().is_ok());
/// ```
pub fn get_data_path_stats_fragment(
    id: &str,
    env: &EnvBase,
    options: &DataPathOptions,
) -> BatchInvokedLambdaFunction {
    function(id, env, "get-data-path-stats", "get_data_path_stats_handler", options)
}

/// Finds paths of a file system that have not been read for a long time.
pub fn outdated_data_path_scanner_fragment(
    id: &str,
    env: &EnvBase,
    options: &DataPathOptions,
) -> BatchInvokedLambdaFunction {
    function(id, env, "outdated-data-path-scanner", "outdated_data_path_scanner_handler", options)
}

/// Removes paths of a file system.
pub fn remove_data_paths_fragment(
    id: &str,
    env: &EnvBase,
    options: &DataPathOptions,
) -> BatchInvokedLambdaFunction {
    function(id, env, "remove-data-paths", "remove_data_paths_handler", options)
}

settings! {
    /// Finds paths that have not been read for a long time, and removes them.
    ///
    /// ```
    /// use stepwright_constructs::fragments::*;
    /// use stepwright_constructs::prelude::*;
    ///
    /// let env = EnvBase::new("dev", Some("marmotdev"));
    /// let options = DataPathOptions::new("image:latest", "queue", Bucket::from_name("b"));
    /// let machine = CleanFileSystemFragment::new("Clean", &env, &options).to_state_machine("clean");
    /// let rule = CleanFileSystemTriggerRule::new("nightly", [CleanFileSystemTrigger::new("fs-1", "/tmp")]);
    /// let resources = rule.resources(&machine);
    /// let stack = resources.into_iter().fold(Stack::new().machine(machine), Stack::resource);
    /// assert!(stack.template().is_ok());
    /// ```
    pub struct CleanFileSystemFragment {
        required { id: String, env: EnvBase, options: DataPathOptions, }
        optional {}
    }
}

env_fragment!(CleanFileSystemFragment);

impl CleanFileSystemFragment {
    fn build(self) -> EnvFragment {
        let (env, options) = (&self.env, &self.options);
        let scan =
            outdated_data_path_scanner_fragment("Scan for Outdated Data Paths", env, options);
        let remove = remove_data_paths_fragment("Remove Data Paths", env, options);
        let definition =
            Pass::new("Data Cleanup: Start").next(scan.enclose()).next(remove.enclose());
        let statements = required_statements(env);
        EnvFragment::new(self.id, self.env, definition).require(statements)
    }
}

settings! {
    /// A path to clean regularly.
    pub struct CleanFileSystemTrigger {
        required { file_system_id: Text, path: String, }
        optional {
            /// How many days ago the last access must have been. Defaults to 3.
            days_since_last_accessed: f64,
            /// The largest depth below the path.
            max_depth: i64,
            /// The smallest depth below the path.
            min_depth: i64,
            /// Anything smaller is kept.
            min_size_bytes_allowed: i64,
        }
    }
}

impl CleanFileSystemTrigger {
    fn days(&self) -> f64 {
        self.days_since_last_accessed.unwrap_or(3.0)
    }

    fn to_value(&self) -> Value {
        let days = self.days();
        let days = if days.fract() == 0.0 { Value::from(days as i64) } else { days.into() };
        let mut members = vec![
            ("path".to_owned(), text!(&self.file_system_id, ":", self.path.as_str()).into()),
            ("days_since_last_accessed".to_owned(), days),
        ];
        let mut put = |key: &str, value: Option<i64>| {
            members.extend(value.map(|value| (key.to_owned(), value.into())));
        };
        put("max_depth", self.max_depth);
        put("min_depth", self.min_depth);
        put("min_size_bytes_allowed", self.min_size_bytes_allowed.filter(|size| *size > 0));
        Value::Object(members)
    }
}

settings! {
    /// Cleans paths on a schedule. Defaults to every day at nine, UTC.
    pub struct CleanFileSystemTriggerRule {
        required { rule_name: String, triggers: [CleanFileSystemTrigger], }
        optional {
            /// The schedule.
            schedule: Schedule,
        }
    }
}

impl CleanFileSystemTriggerRule {
    /// A description of what the rule does.
    pub fn description(&self) -> String {
        let mut days: Vec<f64> = self.triggers.iter().map(CleanFileSystemTrigger::days).collect();
        days.sort_by(f64::total_cmp);
        days.dedup();
        let days: Vec<String> = days.iter().map(|days| format!("{days:?}")).collect();
        format!(
            "Daily trigger for EFS file cleanup (older than [{}] days) for target subdirectories",
            days.join(", "),
        )
    }

    /// The EventBridge rule, and the role with which it starts the machine.
    pub fn resources(&self, machine: &StateMachine) -> Vec<Resource> {
        let role = Role::new(&format!("{}/EventsRole", machine.id()), "events.amazonaws.com")
            .allow(Statement::allow(["states:StartExecution"], [machine.arn()]));
        let targets = self.triggers.iter().enumerate().map(|(index, trigger)| {
            let input = trigger.to_value().to_json_text(QueryLanguage::JsonPath);
            object! {
                "Arn": machine.arn(),
                "Id": format!("Target{index}"),
                "Input": input,
                "RoleArn": role.arn(),
            }
        });
        let schedule =
            self.schedule.clone().unwrap_or_else(|| Schedule::cron("0", "9", "*", "*", "?", "*"));
        let properties = object! {
            "Description": self.description(),
            "Name": self.rule_name.as_str(),
            "ScheduleExpression": schedule,
            "State": "ENABLED",
            "Targets": Value::List(targets.collect()),
        };
        let logical = logical_id(&[&self.rule_name, "Resource"]);
        let mut resources = role.resources();
        resources.push(Resource::new(logical, "AWS::Events::Rule", properties));
        resources
    }
}
