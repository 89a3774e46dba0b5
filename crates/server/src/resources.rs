//! `[resources]` of the configuration, made in the local services.

use std::path::PathBuf;
use stepwright_asl::Template;
use stepwright_functions::Place;
use stepwright_services::Services;
use stepwright_stacks::{Setup, Stack};

/// The name of the stack that the resources of the configuration are in.
const STACK: &str = "stepwright";

/// What the configuration declares.
#[derive(Clone, Debug)]
pub struct Resources {
    pub(crate) services: Services,
    pub(crate) place: Place,
    pub(crate) template: Template,
}

impl Resources {
    /// Makes them. What cannot be made is said in the log.
    pub async fn make(self) {
        let Self { services, place, template } = self;
        let setup = Setup {
            services,
            place,
            folder: PathBuf::new(),
            inline_code: PathBuf::new(),
            given: std::collections::BTreeMap::new(),
        };
        let services = setup.services.clone();
        let deployed = Stack::new(STACK, setup).deploy(&template).await;
        if let Err(why) = services.follow(STACK, deployed.sources) {
            tracing::warn!("[resources]: {why}");
        }
        for one in deployed.left_out {
            tracing::warn!("[resources.{}] ({}): {}", one.logical_id, one.kind, one.why);
        }
        for name in deployed.functions.keys() {
            tracing::warn!("[resources]: functions such as `{name}` belong to [functions]");
        }
    }
}
