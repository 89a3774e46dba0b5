//! Where the services are when several nodes share a store: at one of them at a time, the one that drives
//! the executions of a certain shard. What a service holds in memory is there and nowhere else; the other
//! nodes pass calls on to it ([`crate::Services::call`]). When the shard goes to another node, that one
//! reads what is kept.

use ring::digest::{SHA256, digest};
use std::future::Future;
use std::sync::{Arc, OnceLock};
use stepwright_engine::{Engine, Place, Staying, WeakEngine};
use stepwright_store::Shards;

tokio::task_local! {
    /// What keeps the services here while an operation is carried out.
    static STAYING: Arc<Staying>;
}

/// Where the services are. By default they are at this server, whatever happens.
#[derive(Clone, Default)]
pub struct Seat(Option<Arc<Shared>>);

struct Shared {
    engine: OnceLock<WeakEngine>,
    secret: String,
    services: Vec<&'static str>,
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat").field("is_shared", &self.is_shared()).finish()
    }
}

impl Seat {
    /// At one of several nodes, which all know this secret and have these services.
    pub fn of_nodes(secret: &str, services: Vec<&'static str>) -> Self {
        let secret = secret.to_owned();
        Self(Some(Arc::new(Shared { engine: OnceLock::new(), secret, services })))
    }

    /// Whether a service is here, or at another node.
    pub(crate) fn has(&self, service: &str) -> bool {
        self.0.as_ref().is_none_or(|shared| shared.services.contains(&service))
    }

    /// Whether the services may be at another node.
    pub fn is_shared(&self) -> bool {
        self.0.is_some()
    }

    /// Says which engine knows the nodes. Before that, the services are nowhere.
    pub(crate) fn connect(&self, engine: WeakEngine) {
        if let Some(shared) = &self.0 {
            // A second call would pass the same engine.
            shared.engine.get_or_init(|| engine);
        }
    }

    /// The key that what is secret is encrypted with: the same one at each node.
    pub(crate) fn key(&self) -> Option<[u8; 32]> {
        let shared = self.0.as_ref()?;
        let text = format!("stepwright local services\n{}", shared.secret);
        digest(&SHA256, text.as_bytes()).as_ref().try_into().ok()
    }

    /// The engine that knows the nodes; `None` if there are none, or when it has ended.
    pub(crate) fn engine(&self) -> Option<Engine> {
        self.0.as_ref()?.engine.get()?.upgrade()
    }

    /// Whether the engine is gone, so that there is nothing to look after any more.
    pub(crate) fn is_over(&self) -> bool {
        let engine = self.0.as_ref().and_then(|shared| shared.engine.get());
        engine.is_some_and(|engine| engine.upgrade().is_none())
    }

    /// The node that has the services.
    pub(crate) fn place(&self) -> Place {
        match (&self.0, self.engine()) {
            (None, _) => Place::Here,
            (Some(_), Some(engine)) => engine.place_of(shard()),
            (Some(_), None) => Place::Nowhere,
        }
    }

    /// A number that is another one whenever the services may have been elsewhere in between; `None` while
    /// they are not here.
    pub(crate) fn term(&self) -> Option<u64> {
        if !self.is_shared() {
            return Some(0);
        }
        self.engine()?.term_of(shard())
    }

    /// Does something while the services stay here. `None` if they are not here.
    pub(crate) async fn during<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let staying = self.stay().await?;
        Some(match staying {
            Some(staying) => STAYING.scope(staying, work).await,
            None => work.await,
        })
    }

    /// Keeps the services here for as long as the answer is held; there is nothing to hold if they are
    /// always here. `None` if they are not here.
    pub(crate) async fn stay(&self) -> Option<Option<Arc<Staying>>> {
        if !self.is_shared() {
            return Some(None);
        }
        // Whoever waits for a shard to be free lets nobody else in: what is held is not taken twice.
        if let Ok(staying) = STAYING.try_with(Arc::clone) {
            return Some(Some(staying));
        }
        let staying = self.engine()?.stay(shard()).await?;
        Some(Some(Arc::new(staying)))
    }
}

/// The shard whose node has the services.
fn shard() -> u8 {
    Shards::of_name("services")
}
