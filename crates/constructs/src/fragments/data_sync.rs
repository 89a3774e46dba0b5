use crate::chain::Nextable;
use crate::common::{State, WithResultPath};
use crate::fields::settings;
use crate::fragments::base::env_fragment;
use crate::fragments::batch_invoked::{required_statements, states_statement};
use crate::fragments::{
    BatchInvokedDefaults, BatchInvokedLambdaFunction, EnvBase, EnvBaseFragment, EnvFragment,
    MountPointConfiguration,
};
use crate::json_path::{DISCARD, object_at};
use crate::resources::Bucket;
use crate::states::{Map, Pass};
use crate::value::Value;
use crate::{Input, Str, object};

settings! {
    /// Copies data between file systems and S3, as described by the input.
    ///
    /// ```
    /// use stepwright_constructs::fragments::{DataSyncFragment, EnvBase, EnvBaseFragment};
    /// use stepwright_constructs::prelude::*;
    ///
    /// let env = EnvBase::new("dev", Some("marmotdev"));
    /// let sync = DataSyncFragment::new("DataSync", &env, "image:latest", "queue", Bucket::from_name("b"));
    /// assert!(sync.to_state_machine("data-sync").template().is_ok());
    /// ```
    pub struct DataSyncFragment {
        required {
            id: String,
            env: EnvBase,
            docker_image: Str,
            batch_job_queue: Str,
            scaffolding_bucket: Bucket,
        }
        optional {
            /// The role of the job: an ARN.
            batch_job_role: Input,
            /// File systems to mount.
            mount_point_configs: [MountPointConfiguration],
            /// Leaves out the mount points and volumes if there are none, as the published library
            /// does. Every execution then fails.
            as_published: bool,
        }
    }
}

env_fragment!(DataSyncFragment, DistributedDataSyncFragment);

impl DataSyncFragment {
    fn build(self) -> EnvFragment {
        let start = Pass::new("Input Restructure").parameters(object! {
            "handler": "aibs_informatics_aws_lambda.handlers.data_sync.data_sync_handler",
            "image": self.docker_image,
            "payload": object_at("$"),
        });
        let mut defaults = BatchInvokedDefaults::new(
            Value::from(self.batch_job_queue),
            self.scaffolding_bucket.name(),
        )
        .environment_of(&self.env);
        if let Some(configurations) = self.mount_point_configs {
            defaults = defaults.mount_point_configs(configurations);
        }
        if let Some(as_published) = self.as_published {
            defaults = defaults.as_published(as_published);
        }
        if let Some(role) = self.batch_job_role {
            defaults = defaults.job_role_arn(role);
        }
        let function = BatchInvokedLambdaFunction::with_defaults(
            "Data Sync",
            &self.env,
            "data-sync",
            defaults,
        );
        let statements = required_statements(&self.env);
        let states = states_statement(&self.env);
        EnvFragment::new(self.id, self.env, start.next(function.to_single_state()))
            .require(statements)
            .require([states])
    }
}

settings! {
    /// Copies large amounts of data: one job finds out what there is to copy, and others copy it in
    /// parallel.
    pub struct DistributedDataSyncFragment {
        required {
            id: String,
            env: EnvBase,
            docker_image: Str,
            batch_job_queue: Str,
            scaffolding_bucket: Bucket,
        }
        optional {
            /// The role of the jobs: an ARN.
            batch_job_role: Input,
            /// File systems to mount.
            mount_point_configs: [MountPointConfiguration],
        }
    }
}

impl DistributedDataSyncFragment {
    fn build(self) -> EnvFragment {
        let id = self.id.clone();
        let prepare = "prep-batch-data-sync-requests";
        let response = format!("$.tasks.{prepare}.response");
        let request = self
            .function(
                format!("{id}: Prep Batch Data Sync"),
                prepare,
                "prepare_batch_data_sync_handler",
            )
            .payload_path("$.request")
            .memory(1024)
            .vcpus(1)
            .enclose_at(None, None, Some(response.as_str().into()));
        let copy = self
            .function(
                format!("{id}: Batch Data Sync"),
                "batch-data-sync",
                "batch_data_sync_handler",
            )
            .payload_path("$")
            .memory(4096)
            .vcpus(2);
        let map = Map::new(format!("{id}: Batch Data Sync: Map Start"))
            .comment("Runs requests for batch sync in parallel")
            .items_path(format!("{response}.requests"))
            .result_path(DISCARD)
            .iterator(copy);
        let definition = Pass::new(format!("{id}: Start"))
            .parameters(object! {"request": object_at("$")})
            .next(request)
            .next(map);
        let statements = required_statements(&self.env);
        EnvFragment::new(id, self.env, definition).require(statements)
    }

    fn function(&self, id: String, name: &str, handler: &str) -> BatchInvokedLambdaFunction {
        let mut function = BatchInvokedLambdaFunction::new(id, &self.env, name)
            .image(Value::from(self.docker_image.clone()))
            .handler(format!("aibs_informatics_aws_lambda.handlers.data_sync.{handler}"))
            .job_queue(Value::from(self.batch_job_queue.clone()))
            .bucket_name(self.scaffolding_bucket.name());
        if let Some(configurations) = &self.mount_point_configs {
            function = function.mount_point_configs(configurations);
        }
        if let Some(role) = &self.batch_job_role {
            function = function.job_role_arn(role);
        }
        function
    }
}
