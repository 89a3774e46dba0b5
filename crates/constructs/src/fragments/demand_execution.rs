use crate::chain::{Chain, Chainable, Nextable};
use crate::common::{TaskState, WithData, WithErrors, WithResultPath};
use crate::fields::settings;
use crate::fragments::base::env_fragment;
use crate::fragments::batch_invoked::{
    Missing, batch_statement, pass_role_statement, s3_statement, states_statement,
};
use crate::fragments::{
    EnvBase, EnvFragment, MergeDefaults, MountPointConfiguration, convert_reference_paths,
    enclose_chainable,
};
use crate::json_path::{DISCARD, object_at, value_at};
use crate::resources::{Bucket, Machine};
use crate::states::{Choice, CustomState, Map, Parallel, Pass};
use crate::tasks::StepFunctionsStartExecution;
use crate::text::Text;
use crate::value::Value;
use crate::{Input, IntegrationPattern, Str, object};

settings! {
    /// Executes a demand: prepares file systems and a job definition, copies the inputs, runs the
    /// job, copies the results, and cleans up.
    ///
    /// The `mount_point_configs` have three roles. `shared` and `scratch` need at least one file
    /// system each. If a role has several, one is chosen at run time.
    pub struct DemandExecutionFragment {
        required {
            id: String,
            env: EnvBase,
        }
        optional {
            /// The image of the library's functions. Required.
            docker_image: Str,
            /// The bucket for payloads and responses. Required.
            scaffolding_bucket: Bucket,
            /// The queue for the jobs around the demand. Required.
            scaffolding_job_queue: Str,
            /// The machine of a [`BatchInvokedLambdaFunction`](crate::fragments::BatchInvokedLambdaFunction).
            /// Required.
            batch_invoked_lambda_state_machine: Machine,
            /// The machine of a [`DataSyncFragment`](crate::fragments::DataSyncFragment). Required.
            data_sync_state_machine: Machine,
            /// File systems for inputs and results. Required.
            shared_mount_point_configs: [MountPointConfiguration],
            /// File systems to work on. Required.
            scratch_mount_point_configs: [MountPointConfiguration],
            /// File systems for data that are needed only while the job runs.
            tmp_mount_point_configs: [MountPointConfiguration],
            /// How one of several file systems is chosen, for example `RANDOM`.
            file_system_selection_strategy: String,
            /// Settings of the library's context manager.
            context_manager_configuration: Input,
            /// Tags of the job. Values may be paths into the demand.
            tags: {Input},
        }
    }
}

env_fragment!(DemandExecutionFragment);

const SCAFFOLDING: &str = "$.config.scaffolding";

impl DemandExecutionFragment {
    fn build(self) -> EnvFragment {
        let mut missing = Missing::of(&self.id);
        missing.take("docker_image", self.docker_image.as_ref().map(drop));
        missing.take("scaffolding_bucket", self.scaffolding_bucket.as_ref().map(drop));
        missing.take("scaffolding_job_queue", self.scaffolding_job_queue.as_ref().map(drop));
        let machines = [
            ("batch_invoked_lambda_state_machine", &self.batch_invoked_lambda_state_machine),
            ("data_sync_state_machine", &self.data_sync_state_machine),
        ];
        for (name, machine) in machines {
            missing.take(name, machine.as_ref().map(drop));
        }
        let (file_systems, mount_points, volumes) = self.mounts();
        let mut request = vec![
            ("demand_execution".to_owned(), Value::from(object_at("$"))),
            ("file_system_configurations".to_owned(), file_systems),
        ];
        if let Some(configuration) = &self.context_manager_configuration {
            request.push(("context_manager_configuration".to_owned(), configuration.clone()));
        }
        let start = Pass::new("Start Demand Batch Task")
            .parameters(object! {"request": Value::Object(request)});
        let normalize = enclose_chainable(
            "Normalize Demand Execution",
            self.merge_tags(),
            Some("$.request.demand_execution"),
            None,
        );
        let job = |handler: &str| {
            object! {
                "handler": format!("aibs_informatics_aws_lambda.handlers.{handler}"),
                "payload": object_at("$"),
                "bucket_name": self.scaffolding_bucket.as_ref().map_or_else(Text::default, Bucket::name),
                "image": Value::or_null(self.docker_image.clone()),
                "job_queue": Value::or_null(self.scaffolding_job_queue.clone()),
                "mount_points": &mount_points,
                "volumes": &volumes,
            }
        };
        let prepare = enclose_chainable(
            "Prepare Demand Scaffolding",
            self.function("Prepare Demand Scaffolding", job("demand.scaffolding.handler")),
            Some("$.request"),
            Some(SCAFFOLDING.into()),
        );
        let create = enclose_chainable(
            "Create Definition and Prep Job Args",
            self.function("Create Definition and Prep Job Args", job("batch.create.handler")),
            Some("$.batch_create_request"),
            Some("$".into()),
        );
        let clean = enclose_chainable(
            "Cleanup Data Path",
            self.function("Cleanup Data Path", job("data_sync.remove_data_paths_handler")),
            None,
            None,
        );
        let chain = start
            .next(normalize)
            .next(prepare)
            .next(self.set_up(create))
            .next(submit())
            .next(self.transfer_results())
            .next(clean_up(clean));
        let statements = [
            batch_statement(&self.env),
            s3_statement(&self.env),
            states_statement(&self.env),
            pass_role_statement(),
        ];
        let chain = missing.reported(self.checked(chain));
        EnvFragment::new(self.id.clone(), self.env.clone(), chain).require(statements)
    }

    /// Checks the mount points.
    fn checked(&self, mut chain: Chain) -> Chain {
        let is_empty = |configs: &Option<Vec<MountPointConfiguration>>| {
            configs.as_ref().is_none_or(Vec::is_empty)
        };
        if is_empty(&self.shared_mount_point_configs) || is_empty(&self.scratch_mount_point_configs)
        {
            let message = "there has to be at least one shared and one scratch mount point";
            chain.problems.add(&self.id, message);
        }
        let mut paths: Vec<String> = self
            .roles()
            .flat_map(|(_, configs)| configs)
            .map(MountPointConfiguration::path)
            .collect();
        paths.sort();
        for pair in paths.windows(2) {
            if pair[0] == pair[1] {
                let path = &pair[0];
                chain
                    .problems
                    .add(&self.id, format!("`{path}` is the mount point of two file systems"));
            }
        }
        chain
    }

    fn roles(&self) -> impl Iterator<Item = (&'static str, &[MountPointConfiguration])> {
        let tmp = self.tmp_mount_point_configs.as_deref().unwrap_or_default();
        [
            ("shared", self.shared_mount_point_configs.as_deref().unwrap_or_default()),
            ("scratch", self.scratch_mount_point_configs.as_deref().unwrap_or_default()),
            ("tmp", tmp),
        ]
        .into_iter()
        .filter(|(_, configs)| !configs.is_empty())
    }

    /// The description of the file systems for the scaffolding, and the mount points and volumes of
    /// all of them.
    fn mounts(&self) -> (Value, Value, Value) {
        let several = self.file_system_selection_strategy.is_some()
            || self.roles().any(|(_, configs)| configs.len() > 1);
        let mut told = Vec::new();
        let (mut mount_points, mut volumes) = (Vec::new(), Vec::new());
        if several {
            let strategy = self.file_system_selection_strategy.as_deref().unwrap_or("RANDOM");
            told.push(("selection_strategy".to_owned(), strategy.into()));
        }
        for (role, configs) in self.roles() {
            let mut systems: Vec<Value> =
                configs.iter().map(MountPointConfiguration::to_file_system_configuration).collect();
            let system = if several { Value::List(systems) } else { systems.remove(0) };
            told.push((role.to_owned(), system));
            for (index, config) in configs.iter().enumerate() {
                let name = if several { format!("{role}{index}") } else { role.to_owned() };
                mount_points.push(config.to_batch_mount_point(&name));
                volumes.push(config.to_batch_volume(&name));
            }
        }
        (Value::Object(told), Value::List(mount_points), Value::List(volumes))
    }

    fn merge_tags(&self) -> Chain {
        self.demand_execution_normalize_tags_chain(self.tags.clone().unwrap_or_default())
    }

    /// Merges tags into those of a demand, which is its input and its output. The tags of the demand
    /// take precedence. Values may be paths into the demand.
    pub fn demand_execution_normalize_tags_chain<K: Into<String>, V: Into<Value>>(
        &self,
        tags: impl IntoIterator<Item = (K, V)>,
    ) -> Chain {
        let tags = tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        MergeDefaults::new("Merge Tags", convert_reference_paths(Value::Object(tags)))
            .target_path("$.execution_metadata.tags")
            .check_if_target_present()
            .into_chain()
    }

    /// Runs one of the library's functions in a job.
    fn function(&self, name: &str, parameters: Value) -> Chain {
        let run = StepFunctionsStartExecution::new(
            format!("SM: {name}"),
            machine(self.batch_invoked_lambda_state_machine.as_ref()),
        )
        .integration_pattern(IntegrationPattern::RunJob)
        .input_path("$")
        .output_path("$.Output");
        Pass::new(format!("Pass: {name}")).parameters(parameters).next(run)
    }

    fn transfer(&self, name: &str) -> StepFunctionsStartExecution {
        StepFunctionsStartExecution::new(name, machine(self.data_sync_state_machine.as_ref()))
            .integration_pattern(IntegrationPattern::RunJob)
            .result_path(DISCARD)
    }

    /// Registers the job definition while the inputs are copied.
    fn set_up(&self, create: Chain) -> Parallel {
        let transfer = Map::new("Transfer Inputs TO Batch Job")
            .items_path("$.data_sync_requests")
            .iterator(self.transfer("Transfer Input"));
        Parallel::new("Execution Setup Steps")
            .input_path(format!("{SCAFFOLDING}.setup_configs"))
            .result_path(format!("{SCAFFOLDING}.setup_results"))
            .result_selector(object! {"batch_args": value_at("$[0]")})
            .branch(create)
            .branch(transfer)
    }

    fn transfer_results(&self) -> Map {
        Map::new("Transfer Results FROM Batch Job")
            .input_path(format!("{SCAFFOLDING}.cleanup_configs.data_sync_requests"))
            .result_path("$.tasks.cleanup.cleanup_results.transfer_results")
            .iterator(self.transfer("Transfer Result"))
    }
}

/// The machine, or one without a name if it is missing, which is reported.
fn machine(given: Option<&Machine>) -> Machine {
    given.cloned().unwrap_or_else(|| Machine::from_name(""))
}

fn submit() -> CustomState {
    let argument = |name: &str| value_at(&format!("{SCAFFOLDING}.setup_results.batch_args.{name}"));
    CustomState::new(
        "Submit Batch Job",
        object! {
            "Type": "Task",
            "Resource": "arn:aws:states:::batch:submitJob.sync",
            "Parameters": {
                "JobName": argument("job_name"),
                "JobDefinition": argument("job_definition_arn"),
                "JobQueue": argument("job_queue_arn"),
                "Parameters": argument("parameters"),
                "ContainerOverrides": argument("container_overrides"),
                "Tags": object_at("$.request.demand_execution.execution_metadata.tags"),
                "PropagateTags": true,
            },
            "ResultPath": "$.tasks.batch_submit_task",
        },
    )
}

fn clean_up(clean: Chain) -> Choice {
    let requests = format!("{SCAFFOLDING}.cleanup_configs.remove_data_paths_requests");
    let map = Map::new("Map: Cleanup Data Paths")
        .input_path(requests.as_str())
        .result_path("$.tasks.cleanup.cleanup_results.remove_data_paths_results")
        .iterator(clean);
    Choice::new("Cleanup Choice")
        .when(crate::Condition::is_present(&requests), map)
        .otherwise(Pass::new("No Data Paths to Cleanup"))
}
