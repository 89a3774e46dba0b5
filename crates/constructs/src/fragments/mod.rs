//! The fragments of the AIBS library: state machines made of parts that belong to an environment.
//!
//! Mistakes of the published library are corrected here; `docs/src/compatibility.md` lists them.

mod base;
mod batch;
mod batch_invoked;
mod common;
mod data_sync;
mod demand_execution;
mod file_system;
mod lambda;
mod mount_point;
mod paths;
mod s3;
mod task_with_status;

pub use base::{
    EnvBase, EnvBaseFragment, EnvFragment, LazyLoadStateMachineFragment, create_log_group,
    create_log_options, create_plain_role, create_role, create_state_machine,
};
pub use batch::{
    DeregisterJobDefinition, JobDefaults, RegisterJobDefinition, SubmitJob, SubmitJobFragment,
};
pub use batch_invoked::{
    BatchInvokedDefaults, BatchInvokedExecutorFragment, BatchInvokedLambdaFunction,
};
pub use common::{MergeDefaults, enclose_chainable, enclosed_chain};
pub use data_sync::{DataSyncFragment, DistributedDataSyncFragment};
pub use demand_execution::DemandExecutionFragment;
pub use file_system::{
    CleanFileSystemFragment, CleanFileSystemTrigger, CleanFileSystemTriggerRule, DataPathOptions,
    get_data_path_stats_fragment, outdated_data_path_scanner_fragment, remove_data_paths_fragment,
};
pub use lambda::LambdaFunctionFragment;
pub use mount_point::MountPointConfiguration;
pub use paths::{JsonReferencePath, convert_reference_paths, convert_to_sfn_api_action_case};
pub use s3::S3Operation;
pub use task_with_status::TaskWithPrePostStatus;
