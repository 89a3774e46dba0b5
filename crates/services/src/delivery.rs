//! What is sent on: to functions, state machines and URLs. It is kept until it has arrived, or until it
//! was tried often enough; then it goes to a dead-letter queue, if there is one.

use crate::call::{Refusal, members};
use crate::kept::{Changes, Contents, Kept};
use crate::sqs::{QueueMessage, Sqs};
use crate::{Seat, Setup};
use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use stepwright_engine::{Clock, Principal};
use stepwright_json::{Json, json};
use tokio::sync::oneshot::Receiver;

/// The future of an answer of the world.
pub type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The same for a while only.
pub(crate) type Waiting<'w, T> = Pin<Box<dyn Future<Output = T> + Send + 'w>>;

/// What services reach that is not one of them.
pub trait World: Send + Sync + 'static {
    /// Runs a function to its end. Returns its answer.
    fn invoke(&self, function: String, payload: Json) -> Pending<Result<Json, String>>;

    /// Starts an execution, on behalf of somebody. One that has this name and has started already is
    /// as good.
    fn start_execution(
        &self,
        machine: String,
        name: String,
        input: Json,
        owner: Principal,
    ) -> Pending<Result<(), String>>;

    /// Runs a process to its end; asks it to end when `stop` says so, and kills it when it is dropped.
    fn run(&self, process: Process, stop: Receiver<()>) -> Pending<Ended>;

    /// Waits until no process is left that has this in its environment, and that a server which is
    /// gone has started; then runs a command that ends what those have left behind, if it is not empty.
    fn end_leftovers(&self, mark: String, clean_up: Vec<String>) -> Pending<()>;

    /// Posts a text to a URL on this machine.
    fn post(
        &self,
        url: String,
        headers: Vec<(String, String)>,
        body: String,
    ) -> Pending<Result<(), String>>;
}

/// A process that runs once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Its name in the log.
    pub name: String,
    /// The program and its arguments.
    pub line: Vec<String>,
    /// The folder that it starts in, relative to the project's.
    pub folder: Option<PathBuf>,
    /// Its environment, beside what every process gets.
    pub environment: BTreeMap<String, String>,
    /// The memory that it may use, in MiB.
    pub memory: Option<u64>,
    /// The file that gets what it prints, as far as there is room.
    pub log: Option<PathBuf>,
    /// How long it has to end after it was asked to.
    pub grace: Duration,
    /// A command that ends what the process leaves behind when it is killed; empty if nothing.
    pub clean_up: Vec<String>,
}

/// How a process ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; none if it did not start.
    pub code: Option<i32>,
    /// Why it did not start, or was killed.
    pub reason: Option<String>,
}

/// Where something goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum To {
    Function(String),
    /// The machine, and on whose behalf its execution acts.
    Machine(String, Option<String>),
    Url(String, Vec<(String, String)>),
}

/// Something that is under way.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delivery {
    pub(crate) to: To,
    pub(crate) body: Json,
    /// The queue that gets it if it does not arrive.
    pub(crate) dead_letters: Option<String>,
    /// How often it is tried.
    pub(crate) attempts: u32,
}

/// How long is waited before each further attempt, as Lambda does with events.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_mins(1), Duration::from_mins(2)];

/// The most attempts.
pub(crate) const ATTEMPTS: u32 = PAUSES.len() as u32 + 1;

#[derive(Debug, Default)]
struct Outbox {
    under_way: BTreeMap<u64, Delivery>,
    last: u64,
}

/// Everything that is under way.
pub(crate) struct Deliveries {
    kept: Kept<Outbox>,
    seat: Seat,
    world: OnceLock<Arc<dyn World>>,
    sqs: Arc<Sqs>,
    clock: Arc<dyn Clock>,
}

impl Contents for Outbox {
    const PREFIX: &'static str = "services/delivery/";

    fn read(&mut self, key: &str, value: &Json) {
        let Ok(number) = u64::from_str_radix(key, 16) else { return };
        if let Some(delivery) = Delivery::read(value) {
            self.last = self.last.max(number);
            self.under_way.insert(number, delivery);
        }
    }
}

impl Deliveries {
    pub(crate) fn new(setup: &Setup, sqs: Arc<Sqs>) -> Arc<Self> {
        Arc::new(Self {
            kept: Kept::new(setup),
            seat: setup.seat.clone(),
            world: OnceLock::new(),
            sqs,
            clock: setup.clock.clone(),
        })
    }

    pub(crate) fn connect(&self, world: Arc<dyn World>) {
        // A second call would pass the same world.
        self.world.get_or_init(|| world);
    }

    /// Sends on what was under way when the server ended.
    pub(crate) async fn resume(self: &Arc<Self>) -> Result<(), Refusal> {
        let term = self.seat.term();
        let left = self.kept.with(|outbox, _| outbox.under_way.clone()).await?;
        for (number, delivery) in left {
            tokio::spawn(self.clone().carry(number, delivery, term));
        }
        Ok(())
    }

    /// Takes deliveries. When this has returned, they are kept.
    pub(crate) async fn take(self: &Arc<Self>, deliveries: Vec<Delivery>) -> Result<(), Refusal> {
        if deliveries.is_empty() {
            return Ok(());
        }
        let now = self.clock.now().0.max(0) as u64;
        let term = self.seat.term();
        let taken = self
            .kept
            .with(|outbox, changes: &mut Changes| {
                let mut taken = Vec::new();
                for delivery in deliveries {
                    outbox.last = (outbox.last + 1).max(now << 10);
                    let number = outbox.last;
                    changes.put(format!("{number:016x}"), &delivery.write());
                    outbox.under_way.insert(number, delivery.clone());
                    taken.push((number, delivery));
                }
                taken
            })
            .await?;
        for (number, delivery) in taken {
            tokio::spawn(self.clone().carry(number, delivery, term));
        }
        Ok(())
    }

    /// Carries a delivery to its end, for as long as the services are here: then the node does so that
    /// gets them.
    async fn carry(self: Arc<Self>, number: u64, delivery: Delivery, term: Option<u64>) {
        // Without a world, it waits for the next start.
        let Some(world) = self.world.get().cloned() else { return };
        let mut why = String::new();
        let mut has_arrived = false;
        for attempt in 0..delivery.attempts.clamp(1, ATTEMPTS) {
            if attempt > 0 {
                tokio::time::sleep(PAUSES[attempt as usize - 1]).await;
            }
            if self.seat.term() != term {
                return;
            }
            let body = delivery.body.clone();
            let sent = match delivery.to.clone() {
                To::Function(function) => world.invoke(function, body).await.map(drop),
                To::Machine(machine, owner) => {
                    let name = format!("event-{number:016x}");
                    let owner = Principal::of_text(owner.as_deref()).unwrap_or_default();
                    world.start_execution(machine, name, body, owner).await
                }
                To::Url(url, headers) => {
                    let text = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
                    world.post(url, headers, text).await
                }
            };
            match sent {
                Ok(()) => {
                    has_arrived = true;
                    break;
                }
                Err(problem) => why = problem,
            }
        }
        if !has_arrived {
            tracing::warn!(to = ?delivery.to, why, "an event did not arrive");
            if let Some(queue) = &delivery.dead_letters {
                let body = delivery.body.as_str();
                let body = body.map_or_else(|| delivery.body.to_string(), str::to_owned);
                let attribute = |text: &str| json!({"DataType": "String", "StringValue": text});
                let attributes = json!({
                    "ERROR_MESSAGE": (attribute(if why.is_empty() { "unknown" } else { &why }))
                });
                let message = QueueMessage {
                    body: body.into(),
                    attributes: attributes.as_object().cloned().unwrap_or_default(),
                    ..QueueMessage::default()
                };
                if let Err(refusal) = self.sqs.deliver(queue, message).await {
                    tracing::warn!(queue, why = refusal.message, "a dead letter was not taken");
                    if refusal.is_fault() {
                        // It is kept, and tried again when the services begin again.
                        return;
                    }
                }
            }
        }
        let forgotten = self
            .kept
            .with(|outbox, changes| {
                outbox.under_way.remove(&number);
                changes.remove(format!("{number:016x}"));
            })
            .await;
        if let Err(error) = forgotten {
            tracing::warn!(%error, "an event that has arrived is still kept, and will be sent again");
        }
    }
}

impl Delivery {
    fn write(&self) -> Json {
        let owner = match &self.to {
            To::Machine(_, owner) => owner.as_deref().map(Json::from),
            _ => None,
        };
        let (kind, place, headers) = match &self.to {
            To::Function(arn) => ("function", arn, None),
            To::Machine(arn, _) => ("machine", arn, None),
            To::Url(url, headers) => {
                let pairs =
                    headers.iter().map(|(name, value)| (name.as_str(), value.as_str().into()));
                ("url", url, Some(Json::Object(pairs.collect())))
            }
        };
        members([
            ("kind", Some(kind.into())),
            ("to", Some(place.as_str().into())),
            ("headers", headers),
            ("owner", owner),
            ("body", Some(self.body.clone())),
            ("dead", self.dead_letters.as_deref().map(Json::from)),
            ("attempts", Some(self.attempts.into())),
        ])
    }

    fn read(document: &Json) -> Option<Self> {
        let text = |name: &str| Some(document.get(name)?.as_str()?.to_owned());
        let to = match text("kind")?.as_str() {
            "function" => To::Function(text("to")?),
            "machine" => To::Machine(text("to")?, text("owner")),
            "url" => {
                let headers = document.get("headers").and_then(Json::as_object);
                let headers = headers.into_iter().flat_map(crate::call::texts);
                let owned = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
                To::Url(text("to")?, owned.collect())
            }
            _ => return None,
        };
        Some(Self {
            to,
            body: document.get("body")?.clone(),
            dead_letters: text("dead"),
            attempts: document.get("attempts").and_then(Json::as_i64).unwrap_or(1) as u32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_read_as_it_was_written() {
        let headers = vec![("x-amz-sns-message-type".to_owned(), "Notification".to_owned())];
        let places = [
            To::Function("f".to_owned()),
            To::Machine("m".to_owned(), Some("key:k".to_owned())),
            To::Url("http://localhost".to_owned(), headers),
        ];
        for to in places {
            let dead_letters = Some("q".to_owned());
            let delivery = Delivery { to, body: json!({"a": 1}), dead_letters, attempts: 2 };
            assert_eq!(Delivery::read(&delivery.write()), Some(delivery));
        }
    }
}
