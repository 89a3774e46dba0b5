//! The services of this machine: called without a wire.

use super::wire::{Answer, Fault, Target};
use super::{AwsServices, Place};
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stepwright_aws::codec::{self, Message, Response};
use stepwright_services::{Caller, Services, has};

/// The place of every local service.
pub(crate) static HERE: Place = Place {
    is_local: true,
    endpoint: None,
    region: None,
    profile: None,
    limit: Duration::from_mins(1),
};

impl AwsServices {
    /// Sets the local services. To be called once, when there is a store.
    pub fn connect(&self, services: Services) {
        // A second call would pass services over the same store.
        self.local.get_or_init(|| services);
    }

    /// From now on, a service that has no section is the local one, if there is one.
    pub fn are_local_by_default(&self) {
        self.is_local_by_default.store(true, Ordering::Relaxed);
    }

    /// Whether a service is the one of this machine.
    pub fn is_local(&self, service: &str) -> bool {
        self.place(service).is_some_and(|place| place.is_local)
    }

    /// The sections that say that services are those of this machine.
    pub fn local_sections(&self) -> impl Iterator<Item = &str> {
        let local = self.places.iter().filter(|(_, place)| place.is_local);
        local.map(|(name, _)| name.as_str())
    }

    /// Where a service without a section is.
    pub(crate) fn usual_place(&self, service: &str) -> Option<&'static Place> {
        let is_local = self.is_local_by_default.load(Ordering::Relaxed) && has(service);
        is_local.then_some(&HERE)
    }

    /// Calls a local service. The answer looks as if it had come over a wire.
    pub(crate) async fn call_here(
        &self,
        target: Target<'_>,
        message: &Message,
    ) -> Result<Answer, Fault> {
        let Some(services) = self.local.get() else {
            let name = &target.service.name;
            return Err(Fault::Client(format!("the local service `{name}` is not there")));
        };
        let role = target.role.unwrap_or("AROASTEPWRIGHT");
        let principal = target.principal.cloned().unwrap_or_default();
        let once = target.once.map(str::to_owned);
        let caller = Caller { url: services.url(), id: role.to_owned(), principal, once };
        let (service, operation) = (target.service, target.operation);
        let answered = services.call(service, operation, message.clone(), &caller).await;
        let reply = answered.map_err(|error| Fault::Service(Box::new(error)))?;
        let message = reply.in_memory(super::wire::MOST_ANSWER as u64).map_err(Fault::Client)?;
        let mut response = codec::encode_response(service, operation, &message)
            .map_err(|wrong| Fault::Client(format!("the answer cannot be written: {wrong}")))?;
        describe(&mut response);
        Ok(Answer { message, response })
    }
}

/// Adds the headers that optimised integrations show.
fn describe(response: &mut Response) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let date = codec::http_date(since.as_secs() as i64);
    let length = response.body.len().to_string();
    let id = uuid::Uuid::new_v4().to_string();
    let further = [("x-amzn-RequestId", id), ("Date", date), ("Content-Length", length)];
    for (name, value) in further {
        if response.header(name).is_none() {
            response.headers.push((name.to_owned(), value));
        }
    }
}
