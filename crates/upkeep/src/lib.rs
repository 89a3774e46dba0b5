//! What is done before and between runs: `stepwright init` makes a project, `stepwright upgrade-check` says
//! whether this release can take over, and `stepwright doctor` and its neighbours look after stores.

mod doctor;
mod init;
mod keys;
mod upgrade;

pub use doctor::{Backup, Doctor, Stores, backup, doctor, stores};
pub use init::{Init, Language, init};
pub use upgrade::{Complaint, Kept, UpgradeCheck, upgrade_check};
