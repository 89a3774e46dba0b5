use crate::chain::{Chain, Chainable, Nextable};
use crate::common::{TaskState, WithData, WithErrors, WithResultPath};
use crate::fields::settings;
use crate::fragments::base::env_fragment;
use crate::fragments::batch_invoked::{
    batch_statement, pass_role_statement, s3_statement, states_statement,
};
use crate::fragments::{
    EnvBase, EnvFragment, MergeDefaults, MountPointConfiguration, convert_reference_paths,
    enclose_chainable,
};
use crate::json_path::{DISCARD, object_at, value_at};
use crate::resources::{Bucket, Machine};
use crate::states::{Choice, CustomState, Map, Parallel, Pass};
use crate::tasks::StepFunctionsStartExecution;
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
            docker_image: Str,
            scaffolding_bucket: Bucket,
            scaffolding_job_queue: Str,
            batch_invoked_lambda_state_machine: Machine,
            data_sync_state_machine: Machine,
            shared_mount_point_configs: [MountPointConfiguration],
            scratch_mount_point_configs: [MountPointConfiguration],
        }
        optional {
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
                "bucket_name": self.scaffolding_bucket.name(),
                "image": self.docker_image.clone(),
                "job_queue": self.scaffolding_job_queue.clone(),
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
        EnvFragment::new(self.id.clone(), self.env.clone(), self.checked(chain)).require(statements)
    }

    /// Checks the mount points.
    fn checked(&self, mut chain: Chain) -> Chain {
        if self.shared_mount_point_configs.is_empty() || self.scratch_mount_point_configs.is_empty()
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
            ("shared", self.shared_mount_point_configs.as_slice()),
            ("scratch", self.scratch_mount_point_configs.as_slice()),
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
        let tags = Value::Object(self.tags.clone().unwrap_or_default());
        MergeDefaults::new("Merge Tags", convert_reference_paths(tags))
            .target_path("$.execution_metadata.tags")
            .check_if_target_present()
            .into_chain()
    }

    /// Runs one of the library's functions in a job.
    fn function(&self, name: &str, parameters: Value) -> Chain {
        let run = StepFunctionsStartExecution::new(
            format!("SM: {name}"),
            self.batch_invoked_lambda_state_machine.clone(),
        )
        .integration_pattern(IntegrationPattern::RunJob)
        .input_path("$")
        .output_path("$.Output");
        Pass::new(format!("Pass: {name}")).parameters(parameters).next(run)
    }

    fn transfer(&self, name: &str) -> StepFunctionsStartExecution {
        StepFunctionsStartExecution::new(name, self.data_sync_state_machine.clone())
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
