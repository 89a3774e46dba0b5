//! State that outlives the process: held in memory, and written through to the store.

use crate::{Seat, Setup};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use stepwright_engine::Staying;
use stepwright_json::Json;
use stepwright_store::{DocumentChanges, Store, StoreError};

/// What a service keeps.
pub(crate) trait Contents: Default + Send + 'static {
    /// What the keys of its documents begin with: `services/sqs/`.
    const PREFIX: &'static str;

    /// Takes a document from the store. `key` is what comes after the prefix.
    fn read(&mut self, key: &str, value: &Json);

    /// All documents have been read.
    fn complete(&mut self) {}
}

/// The changes of documents that belong to one change of the state.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    prefix: &'static str,
    documents: DocumentChanges,
}

impl Changes {
    pub(crate) fn put(&mut self, key: impl AsRef<str>, value: &Json) {
        let key = format!("{}{}", self.prefix, key.as_ref());
        self.documents.push((key, Some(value.to_string().into_bytes())));
    }

    pub(crate) fn remove(&mut self, key: impl AsRef<str>) {
        self.documents.push((format!("{}{}", self.prefix, key.as_ref()), None));
    }
}

/// The state of a service. It is read from the store when it is first asked for.
///
/// A change is made in memory, and its documents are handed to the store before the next change is
/// made, so the store has them in the same order. Whoever asked for it is answered once the store
/// has confirmed it, as is everybody who might have seen it: nothing that is answered is lost.
///
/// Of several nodes, one has it at a time ([`Seat`]). It is read again by whoever gets it.
pub(crate) struct Kept<C> {
    store: Arc<dyn Store>,
    seat: Seat,
    /// With the term that it was read in.
    contents: Arc<Mutex<Option<(u64, C)>>>,
    loading: tokio::sync::Mutex<()>,
    /// The number of changes that the store has not confirmed yet.
    unconfirmed: Arc<AtomicUsize>,
}

impl<C> std::fmt::Debug for Kept<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").finish_non_exhaustive()
    }
}

/// Why state can be neither read nor changed.
#[derive(Clone, Debug)]
pub(crate) enum KeptError {
    /// The store has failed.
    Store(StoreError),
    /// Another node has it. Nothing was done.
    Elsewhere,
}

impl std::fmt::Display for KeptError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Elsewhere => f.write_str("the local services are at another node now"),
        }
    }
}

impl From<StoreError> for KeptError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl<C: Contents> Kept<C> {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self { seat: setup.seat.clone(), ..Self::alone(setup.store.clone()) }
    }

    /// State of this server, whatever other nodes there are.
    pub(crate) fn alone(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            seat: Seat::default(),
            contents: Arc::default(),
            loading: tokio::sync::Mutex::default(),
            unconfirmed: Arc::default(),
        }
    }

    /// Reads or changes the state. What `change` says is answered once it is kept.
    pub(crate) async fn with<T: Send>(
        &self,
        change: impl FnOnce(&mut C, &mut Changes) -> T + Send,
    ) -> Result<T, KeptError> {
        let (mut change, mut answer) = (Some(change), None);
        self.change(&mut |contents, changes| {
            answer = change.take().map(|change| change(contents, changes));
        })
        .await?;
        Ok(answer.expect("what has been kept was changed"))
    }

    /// As [`Self::with`], compiled once for all changes. `change` is called once.
    async fn change(
        &self,
        change: &mut (dyn FnMut(&mut C, &mut Changes) + Send),
    ) -> Result<(), KeptError> {
        let staying = self.seat.stay().await.ok_or(KeptError::Elsewhere)?;
        let term = staying.as_ref().map_or(0, |staying| staying.term());
        loop {
            let changed = {
                let mut contents = self.contents.lock();
                match contents.as_mut() {
                    Some((read_in, contents)) if *read_in == term => {
                        let mut changes = Changes { prefix: C::PREFIX, ..Changes::default() };
                        change(contents, &mut changes);
                        Some(self.write(changes.documents, staying.clone()))
                    }
                    _ => None,
                }
            };
            let Some(confirmed) = changed else {
                self.load(term).await?;
                continue;
            };
            if let Some(confirmed) = confirmed {
                let lost = || StoreError::new("the store broke off while it was writing");
                confirmed.await.unwrap_or_else(|_| Err(lost()))?;
            }
            return Ok(());
        }
    }

    /// Hands documents to the store, while the state is locked. Without documents, there is
    /// something to wait for only while earlier changes are not confirmed.
    fn write(
        &self,
        documents: DocumentChanges,
        staying: Option<Arc<Staying>>,
    ) -> Option<tokio::sync::oneshot::Receiver<Result<(), StoreError>>> {
        if documents.is_empty() && self.unconfirmed.load(Ordering::SeqCst) == 0 {
            return None;
        }
        self.unconfirmed.fetch_add(1, Ordering::SeqCst);
        let written = self.store.put(documents);
        let (answer, answered) = tokio::sync::oneshot::channel();
        let (contents, unconfirmed) = (self.contents.clone(), self.unconfirmed.clone());
        // Goes on if the caller does not wait any longer.
        tokio::spawn(async move {
            let written = written.await;
            if written.is_err() {
                // What is in memory is not what is kept: it is read again.
                *contents.lock() = None;
            }
            unconfirmed.fetch_sub(1, Ordering::SeqCst);
            // The caller may have gone.
            drop(answer.send(written));
            // Until now, nobody else could read what is kept.
            drop(staying);
        });
        Some(answered)
    }

    async fn load(&self, term: u64) -> Result<(), StoreError> {
        let _turn = self.loading.lock().await;
        if self.contents.lock().as_ref().is_some_and(|(read_in, _)| *read_in == term) {
            return Ok(());
        }
        // Comes after everything that was handed to the store before.
        self.store.put(Vec::new()).await?;
        let mut contents = C::default();
        for (key, bytes) in self.store.documents(C::PREFIX).await? {
            match stepwright_json::parse_bytes(&bytes) {
                Ok(value) => contents.read(&key[C::PREFIX.len()..], &value),
                Err(error) => {
                    return Err(StoreError::new(format!(
                        "the document `{key}` is no JSON: {error}"
                    )));
                }
            }
        }
        contents.complete();
        *self.contents.lock() = Some((term, contents));
        Ok(())
    }
}
