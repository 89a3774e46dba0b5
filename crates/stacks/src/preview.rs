//! What a template gives without a server: for a single run.

use crate::stack::{Deployed, Setup, Stack};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use stepwright_asl::Template;
use stepwright_engine::SystemClock;
use stepwright_functions::Place;
use stepwright_services::{Services, Substitutes};
use stepwright_store::Memory;

/// The values and the functions of a template, as a deployment on this machine would have them. Its
/// resources are made in memory, and forgotten at once. `inline_code` is the folder for code that stands
/// in the template.
pub async fn preview(
    template: &Template,
    name: &str,
    place: Place,
    folder: &Path,
    inline_code: &Path,
    given: BTreeMap<String, String>,
) -> Deployed {
    let services = Services::new(&stepwright_services::Setup {
        store: Arc::new(Memory::new()),
        clock: Arc::new(SystemClock),
        account: place.account.clone(),
        region: place.region.clone(),
        buckets: None,
        key: None,
        jobs: None,
        substitutes: Substitutes::default(),
        url: Arc::default(),
        seat: stepwright_services::Seat::default(),
    });
    let (folder, inline_code) = (folder.to_owned(), inline_code.to_owned());
    let setup = Setup { services, place, folder, inline_code, given };
    Stack::new(name, setup).deploy(template).await
}
