//! A store whose contents are encrypted: chunks of histories, and documents.

use crate::keys::{Keyring, Place, is_sealed};
use crate::{
    Append, AppendError, Chunk, DocumentChanges, Documents, ExecutionId, ExecutionRow, Filter,
    HistoryPart, MapRunRow, Members, Membership, NodeId, Page, Pending, Recorded, Shards, Sorted,
    Status, Store, StoreError,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The document that says which keys a store is encrypted with: their names, one a line.
pub(crate) const MARK: &str = "encryption";

/// Seals what is written to another store, and opens what is read from it. Neither kind of database, nor who
/// uses the store, knows of it.
struct Sealed {
    store: Arc<dyn Store>,
    keys: Keyring,
}

/// How often the names of keys are written, should several nodes do so at once.
const ATTEMPTS: usize = 20;

/// Opens a store with the keys that there are. One that is encrypted is not opened without the keys that it was
/// encrypted with; from one in clear, with keys, what is written from now on is encrypted.
pub async fn sealed(
    store: Arc<dyn Store>,
    keys: Option<Keyring>,
) -> Result<Arc<dyn Store>, StoreError> {
    let Some(keys) = keys else {
        check_key_names(&names(&*store).await?, None)?;
        return Ok(store);
    };
    name_first(&*store, &keys).await?;
    Ok(Arc::new(Sealed { store, keys }))
}

/// Has a store say that it is encrypted with the first of these keys, as it must before anything is. Refused
/// if one is missing that it was encrypted with.
async fn name_first(store: &dyn Store, keys: &Keyring) -> Result<(), StoreError> {
    let first = keys.first();
    for _ in 0..ATTEMPTS {
        let mut known = names(store).await?;
        check_key_names(&known, Some(keys))?;
        if known.contains(&first) {
            return Ok(());
        }
        known.push(first.clone());
        store.put(vec![(MARK.to_owned(), Some(known.join("\n").into_bytes()))]).await?;
    }
    Err(StoreError::new("others change the keys of the store at the same time"))
}

/// Replaces the keys of a store while it is used.
#[derive(Clone)]
pub struct KeyChange {
    store: Arc<dyn Store>,
    keys: Keyring,
}

impl std::fmt::Debug for KeyChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyChange").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl KeyChange {
    /// For the store and the keys that [`sealed`] is given.
    pub fn new(store: Arc<dyn Store>, keys: Keyring) -> Self {
        Self { store, keys }
    }

    /// Encrypts with the first of these keys from now on. Everything stays as it was if one is missing that
    /// the store was encrypted with.
    pub async fn change(&self, keys: &Keyring) -> Result<(), StoreError> {
        name_first(&*self.store, keys).await?;
        self.keys.replace(keys);
        Ok(())
    }
}

/// Like [`sealed`], for who only reads.
pub async fn sealed_to_read(
    store: Arc<dyn Store>,
    keys: Option<Keyring>,
) -> Result<Arc<dyn Store>, StoreError> {
    check_key_names(&names(&*store).await?, keys.as_ref())?;
    Ok(match keys {
        Some(keys) => Arc::new(Sealed { store, keys }),
        None => store,
    })
}

/// The names of the keys that a store is encrypted with; none if it is in clear.
async fn names(store: &dyn Store) -> Result<Vec<String>, StoreError> {
    Ok(read_mark(&store.documents(MARK).await?))
}

/// The names among the documents that begin as the mark does.
pub(crate) fn read_mark(found: &Documents) -> Vec<String> {
    let mark = found.iter().find(|(key, _)| key == MARK);
    let text = mark.map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned());
    text.unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Refuses to open a store without a key that it was encrypted with.
pub fn check_key_names(needed: &[String], keys: Option<&Keyring>) -> Result<(), StoreError> {
    let held = keys.map(Keyring::names).unwrap_or_default();
    let Some(missing) = needed.iter().find(|name| !held.contains(name)) else { return Ok(()) };
    Err(StoreError::new(format!(
        "the store is encrypted with the key {missing}, which is not there: `keys` in `[encryption]` of \
         stepwright.toml must name it"
    )))
}

/// Opens a document.
fn open(keys: &Keyring, key: &str, bytes: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    keys.open(Place::Document(key), bytes).ok_or_else(|| {
        StoreError::new(format!("the document `{key}` is damaged, or encrypted with another key"))
    })
}

fn open_all(keys: &Keyring, documents: Documents) -> Result<Documents, StoreError> {
    let documents = documents.into_iter().filter(|(key, _)| key != MARK);
    documents.map(|(key, bytes)| open(keys, &key, bytes).map(|bytes| (key, bytes))).collect()
}

/// Opens the chunks of an execution. One that cannot be opened stays as it is, so that its execution alone is
/// refused when it is read.
fn open_chunks(keys: &Keyring, id: ExecutionId, chunks: Vec<Chunk>) -> Vec<Chunk> {
    let opened = chunks.into_iter().map(|Chunk { len, bytes }| {
        if !is_sealed(&bytes) {
            return Chunk { len, bytes };
        }
        let opened = keys.open(Place::Chunk(id, len), bytes.clone());
        Chunk { len, bytes: opened.unwrap_or(bytes) }
    });
    opened.collect()
}

impl Store for Sealed {
    fn new_id(&self) -> ExecutionId {
        self.store.new_id()
    }

    fn append(&self, mut append: Append) -> Pending<Result<(), AppendError>> {
        if !append.chunk.is_empty() {
            match self.keys.seal(Place::Chunk(append.execution, append.len), &append.chunk) {
                Ok(sealed) => append.chunk = sealed,
                Err(error) => {
                    return Box::pin(std::future::ready(Err(AppendError::NotWritten(error))));
                }
            }
        }
        self.store.append(append)
    }

    fn put(&self, documents: DocumentChanges) -> Pending<Result<(), StoreError>> {
        let sealed = documents.into_iter().map(|(key, bytes)| {
            // A document without contents says only that it is there.
            let sealed = match bytes {
                Some(bytes) if !bytes.is_empty() => {
                    Some(self.keys.seal(Place::Document(&key), &bytes)?)
                }
                empty_or_gone => empty_or_gone,
            };
            Ok((key, sealed))
        });
        match sealed.collect() {
            Ok(sealed) => self.store.put(sealed),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }

    fn documents(&self, prefix: &str) -> Pending<Result<Documents, StoreError>> {
        let (found, keys) = (self.store.documents(prefix), self.keys.clone());
        Box::pin(async move { open_all(&keys, found.await?) })
    }

    fn execution(&self, id: ExecutionId) -> Pending<Result<Option<ExecutionRow>, StoreError>> {
        self.store.execution(id)
    }

    fn execution_by_arn(&self, arn: &str) -> Pending<Result<Option<ExecutionRow>, StoreError>> {
        self.store.execution_by_arn(arn)
    }

    fn history(
        &self,
        id: ExecutionId,
        part: HistoryPart,
        most_bytes: usize,
    ) -> Pending<Result<Vec<Chunk>, StoreError>> {
        let (found, keys) = (self.store.history(id, part, most_bytes), self.keys.clone());
        Box::pin(async move { Ok(open_chunks(&keys, id, found.await?)) })
    }

    fn first_from(&self, id: ExecutionId) -> Pending<Result<Option<ExecutionId>, StoreError>> {
        self.store.first_from(id)
    }

    fn recorded(
        &self,
        numbers: std::ops::Range<u64>,
        most_bytes: usize,
    ) -> Pending<Result<Vec<Recorded>, StoreError>> {
        let (found, keys) = (self.store.recorded(numbers, most_bytes), self.keys.clone());
        Box::pin(async move {
            let mut found = found.await?;
            for one in &mut found {
                one.chunks = open_chunks(&keys, one.row.id, std::mem::take(&mut one.chunks));
            }
            Ok(found)
        })
    }

    fn live(
        &self,
        shards: &Shards,
        after: Option<&ExecutionRow>,
        most: usize,
    ) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        self.store.live(shards, after, most)
    }

    fn list(&self, filter: Filter, page: Page) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        self.store.list(filter, page)
    }

    fn count(&self, filter: Filter) -> Pending<Result<Vec<(Status, u64)>, StoreError>> {
        self.store.count(filter)
    }

    fn map_run(&self, arn: &str) -> Pending<Result<Option<MapRunRow>, StoreError>> {
        self.store.map_run(arn)
    }

    fn map_runs(&self, execution: ExecutionId) -> Pending<Result<Vec<MapRunRow>, StoreError>> {
        self.store.map_runs(execution)
    }

    fn latest_map_runs(
        &self,
        after: Option<(i64, String)>,
        most: usize,
    ) -> Pending<Result<Vec<MapRunRow>, StoreError>> {
        self.store.latest_map_runs(after, most)
    }

    fn sorted(
        &self,
        sorted: Sorted,
        most: usize,
    ) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        self.store.sorted(sorted, most)
    }

    fn ended(&self, before: i64, most: usize) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        self.store.ended(before, most)
    }

    fn forget(
        &self,
        executions: Vec<ExecutionId>,
        ended_before: i64,
    ) -> Pending<Result<u64, StoreError>> {
        self.store.forget(executions, ended_before)
    }

    fn forget_machine(&self, machine: &str) -> Pending<Result<u64, StoreError>> {
        self.store.forget_machine(machine)
    }

    fn backup(&self, folder: &Path) -> Pending<Result<(), StoreError>> {
        self.store.backup(folder)
    }

    fn verify(&self, stop: Arc<AtomicBool>) -> Pending<Result<Vec<String>, StoreError>> {
        self.store.verify(stop)
    }

    fn close(&self) -> Pending<()> {
        self.store.close()
    }

    fn size(&self) -> u64 {
        self.store.size()
    }

    fn membership(&self) -> Option<Arc<dyn Membership>> {
        let membership = self.store.membership()?;
        Some(Arc::new(SealedMembership { membership, keys: self.keys.clone() }))
    }
}

/// A place among the nodes, which hears of documents.
struct SealedMembership {
    membership: Arc<dyn Membership>,
    keys: Keyring,
}

impl Membership for SealedMembership {
    fn node(&self) -> NodeId {
        self.membership.node()
    }

    fn beat(&self) -> Pending<Result<Members, StoreError>> {
        self.membership.beat()
    }

    fn fence(&self, node: NodeId) -> Pending<Result<(), StoreError>> {
        self.membership.fence(node)
    }

    fn claim(&self, shards: Shards) -> Pending<Result<Shards, StoreError>> {
        self.membership.claim(shards)
    }

    fn release(&self, shards: Shards) -> Pending<Result<(), StoreError>> {
        self.membership.release(shards)
    }

    fn over(&self, executions: Vec<ExecutionId>) -> Pending<Result<Vec<ExecutionId>, StoreError>> {
        self.membership.over(executions)
    }

    fn changed_documents(&self) -> Pending<Result<DocumentChanges, StoreError>> {
        let (changed, keys) = (self.membership.changed_documents(), self.keys.clone());
        Box::pin(async move {
            let changed = changed.await?.into_iter().filter(|(key, _)| key != MARK);
            let opened = changed.map(|(key, bytes)| {
                let bytes = bytes.map(|bytes| open(&keys, &key, bytes)).transpose()?;
                Ok((key, bytes))
            });
            opened.collect()
        })
    }

    fn lost(&self) -> Pending<()> {
        self.membership.lost()
    }
}
