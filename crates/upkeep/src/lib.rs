//! What is done before and between runs: `stepwright init` makes a project, `stepwright upgrade-check` says
//! whether this release can take over.

mod init;
mod upgrade;

pub use init::{Init, Language, init};
pub use upgrade::{Complaint, Kept, UpgradeCheck, upgrade_check};
