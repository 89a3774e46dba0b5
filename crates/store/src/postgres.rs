mod connect;
mod lanes;
mod nodes;
mod read;
mod schema;
mod sorted;
mod write;

use crate::sealed::{MARK, read_mark};
use crate::{
    Append, AppendError, Chunk, DocumentChanges, Documents, ExecutionId, ExecutionRow, Filter,
    HistoryPart, MapRunRow, Membership, Page, Pending, Recorded, Shards, Sorted, Status, Store,
    StoreError,
};
use connect::{Address, broken};
use lanes::{APPENDING, Fence, Lane, Queue, Work};
use nodes::Nodes;
use parking_lot::Mutex;
use read::{Readers, read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use write::Ended;

/// A store in a PostgreSQL database, which several processes can share. Each of them is a node and owns
/// some of the 256 shards; see [`Membership`].
///
/// What it has acknowledged is committed. It takes up to eight connections.
#[derive(Debug)]
pub struct Postgres {
    address: Address,
    readers: Arc<Readers>,
    /// `None` if the store was opened to be read only.
    node: Option<Arc<Nodes>>,
    /// The queue of the lanes that append, and the one of the lane that does everything else; `None` if the
    /// store was opened to be read only.
    queues: Option<[Arc<Queue>; 2]>,
    lanes: Mutex<Vec<JoinHandle<()>>>,
    /// The bytes that the tables took at the last look.
    size: Arc<AtomicU64>,
}

/// The name that PostgreSQL shows for the connections of a node.
fn name_of(node: i64) -> String {
    format!("stepwright node {node}")
}

/// Whether the node has lost its right to write.
#[derive(Debug)]
pub(crate) struct Lost(watch::Sender<bool>);

impl Lost {
    fn get(&self) -> bool {
        *self.0.borrow()
    }

    fn set(&self) {
        self.0.send_replace(true);
    }

    async fn wait(&self) {
        // The sender is there as long as this is.
        drop(self.0.subscribe().wait_for(|is_lost| *is_lost).await);
    }
}

/// The number of multiples of 256 that a node takes at once.
const BLOCK: u64 = 65_536;

/// Numbers for new executions, in the shards that the node owns.
#[derive(Debug, Default)]
pub(crate) struct Numbers(Mutex<Block>);

#[derive(Debug, Default)]
struct Block {
    shards: Vec<u8>,
    /// The place of the next number's shard.
    place: usize,
    next: u64,
    end: u64,
    /// The block after this one, or whether it is being fetched.
    after: Option<u64>,
    is_fetching: bool,
}

impl Numbers {
    fn gain(&self, shards: &Shards) {
        self.change(|owned| shards.iter().for_each(|shard| owned.insert(shard)));
    }

    fn lose(&self, shards: &Shards) {
        self.change(|owned| shards.iter().for_each(|shard| owned.remove(shard)));
    }

    fn change(&self, change: impl FnOnce(&mut Shards)) {
        let mut block = self.0.lock();
        let mut owned: Shards = block.shards.iter().copied().collect();
        change(&mut owned);
        block.shards = owned.iter().collect();
        // No number is used twice.
        block.place = 0;
        block.next += 1;
    }

    fn add(&self, first: u64) {
        let mut block = self.0.lock();
        block.after = Some(first);
        block.is_fetching = false;
    }

    /// The next number, and whether another block must be fetched. `None` if the node owns no shard, or
    /// the database has not answered for so long that all numbers are used.
    fn next(&self) -> (Option<ExecutionId>, bool) {
        let mut block = self.0.lock();
        if block.place >= block.shards.len() {
            block.place = 0;
            block.next += 1;
        }
        if block.next >= block.end
            && let Some(first) = block.after.take()
        {
            (block.next, block.end, block.place) = (first, first + BLOCK, 0);
        }
        let fetches = block.after.is_none() && !block.is_fetching;
        block.is_fetching |= fetches;
        let is_there = block.next < block.end;
        let shard = block.shards.get(block.place).copied().filter(|_| is_there);
        block.place += 1;
        (shard.map(|shard| ExecutionId(block.next * 256 + u64::from(shard))), fetches)
    }
}

impl Postgres {
    /// Whether a store is named by the URL of a database rather than by a folder.
    pub fn is_url(text: &str) -> bool {
        connect::is_postgres(text)
    }

    /// Opens the store in a database as a new node, which owns no shard yet. Makes the tables if
    /// necessary. `reached_at` is where other nodes reach this one. Must be called within a tokio runtime.
    ///
    /// The URL is that of `libpq`, with `sslmode`, `sslrootcert`, several hosts and
    /// `target_session_attrs`. Without a password in it, that of the variable `PGPASSWORD` is taken.
    pub async fn open(url: &str, reached_at: &str) -> Result<Self, StoreError> {
        let address = Address::parse(url)?;
        let client = address.connect("stepwright").await?;
        schema::prepare(&client, &address).await?;
        let lanes = APPENDING + 1;
        let id = nodes::join(&client, reached_at, lanes).await.map_err(broken)?;
        drop(client);
        let readers = Arc::new(Readers::new(address.clone(), name_of(id)));
        let numbers = Arc::new(Numbers::default());
        numbers.add(nodes::numbers(&readers).await?);
        let is_lost = Arc::new(Lost(watch::Sender::new(false)));
        let queues: [Arc<Queue>; 2] = Default::default();
        let running = (0..lanes).map(|lane| {
            let lane = Lane {
                address: address.clone(),
                fence: Fence { node: id, lane, epoch: 0 },
                queue: queues[usize::from(lane == APPENDING)].clone(),
                is_lost: is_lost.clone(),
                client: None,
                carried: 0,
            };
            tokio::spawn(lane.run())
        });
        let lanes = Mutex::new(running.collect());
        let (seen, size) = (Arc::default(), Arc::<AtomicU64>::default());
        let readers_of_node = readers.clone();
        let node =
            Nodes { id, readers: readers_of_node, numbers, is_lost, seen, size: size.clone() };
        // What changes from now on is seen.
        node.changed_documents().await?;
        Ok(Self { address, readers, node: Some(Arc::new(node)), queues: Some(queues), lanes, size })
    }

    /// The layout that this release gives a database.
    pub const LAYOUT: i64 = schema::VERSION as i64;

    /// The names of the keys that the store in a database is encrypted with; none if it is in clear, or not
    /// there.
    pub async fn key_names(url: &str) -> Result<Vec<String>, StoreError> {
        // No earlier release has encrypted anything.
        if Self::layout_of(url).await? != Some(Self::LAYOUT) {
            return Ok(Vec::new());
        }
        let store = Self::open_to_read(url).await?;
        let found = store.documents(MARK).await;
        store.close().await;
        Ok(read_mark(&found?))
    }

    /// The layout of a database; `None` if it holds no store. Nothing is changed.
    pub async fn layout_of(url: &str) -> Result<Option<i64>, StoreError> {
        let address = Address::parse(url)?;
        let client = address.connect("stepwright reader").await?;
        let found = schema::found(&client, &address.shown()).await?;
        Ok((found != 0).then_some(i64::from(found)))
    }

    /// Opens the store in a database to be read only. Nodes may be using it meanwhile. Must be called
    /// within a tokio runtime.
    pub async fn open_to_read(url: &str) -> Result<Self, StoreError> {
        let address = Address::parse(url)?;
        let client = address.connect("stepwright reader").await?;
        let at = address.shown();
        match schema::found(&client, &at).await? {
            0 => return Err(StoreError::new(format!("{at} holds no store"))),
            schema::VERSION => {}
            older => {
                return Err(StoreError::new(format!(
                    "the store in {at} has layout {older}, from an earlier release; serve it once with \
                     this one"
                )));
            }
        }
        let readers = Arc::new(Readers::new(address.clone(), "stepwright reader".to_owned()));
        Ok(Self {
            address,
            readers,
            node: None,
            queues: None,
            lanes: Mutex::default(),
            size: Arc::default(),
        })
    }

    /// The address of the database, without the password.
    pub fn shown(&self) -> String {
        self.address.shown()
    }

    /// Lets new numbers begin after those of executions that were copied from another store.
    pub(crate) async fn skip_numbers(&self) -> Result<(), StoreError> {
        let client = self.address.connect("stepwright").await?;
        nodes::skip_numbers(&client).await
    }

    fn queue(&self, which: usize) -> Option<&Arc<Queue>> {
        self.queues.as_ref().map(|queues| &queues[which])
    }

    fn close_queues(&self) {
        self.queues.iter().flatten().for_each(|queue| queue.close());
    }

    fn ask<T: Send + 'static, E: Send + 'static>(
        &self,
        which: usize,
        work: impl FnOnce(oneshot::Sender<Result<T, E>>) -> Work,
        refused: fn(StoreError) -> E,
        unknown: fn(StoreError) -> E,
    ) -> Pending<Result<T, E>> {
        let refuse = |why: &str| -> Pending<Result<T, E>> {
            Box::pin(std::future::ready(Err(refused(StoreError::new(why)))))
        };
        let Some(queue) = self.queue(which) else {
            return refuse(ONLY_READ);
        };
        let (answer, answered) = oneshot::channel();
        if queue.put(work(answer)).is_err() {
            return refuse("the store is closed");
        }
        Box::pin(async move {
            let lost = || unknown(StoreError::new("the store broke off while it was writing"));
            answered.await.unwrap_or_else(|_| Err(lost()))
        })
    }

    /// Does something in the lane that does not append.
    fn ask_last<T: Send + 'static>(
        &self,
        work: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Work,
    ) -> Pending<Result<T, StoreError>> {
        self.ask(OTHERS, work, |error| error, |error| error)
    }

    /// Fetches more numbers in the background.
    fn fetch_numbers(node: Arc<Nodes>) {
        tokio::spawn(async move {
            loop {
                match nodes::numbers(&node.readers).await {
                    Ok(first) => return node.numbers.add(first),
                    Err(error) if node.readers.is_closed() => {
                        tracing::debug!(%error, "no more numbers are needed");
                        return;
                    }
                    Err(error) => tracing::warn!(%error, "numbers for executions are running out"),
                }
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        });
    }
}

/// The queues.
const APPENDS: usize = 0;
const OTHERS: usize = 1;

/// The number of executions of a deleted machine that are removed with one statement.
const REMOVED_AT_ONCE: usize = 500;

/// The reason for refusing to write.
const ONLY_READ: &str = "the store was opened to be read only";

/// The number of an execution for which there was none.
const NO_NUMBER: ExecutionId = ExecutionId(0);

impl Store for Postgres {
    fn new_id(&self) -> ExecutionId {
        let Some(node) = &self.node else { return NO_NUMBER };
        let (id, fetches) = node.numbers.next();
        if fetches {
            Self::fetch_numbers(node.clone());
        }
        id.unwrap_or(NO_NUMBER)
    }

    fn append(&self, append: Append) -> Pending<Result<(), AppendError>> {
        if append.execution == NO_NUMBER {
            let why = StoreError::new("this node drives no executions yet; try again in a moment");
            return Box::pin(std::future::ready(Err(AppendError::NotWritten(why))));
        }
        self.ask(
            APPENDS,
            |answer| Work::Append(Box::new(append), answer),
            AppendError::NotWritten,
            AppendError::Unknown,
        )
    }

    fn put(&self, documents: DocumentChanges) -> Pending<Result<(), StoreError>> {
        self.ask_last(|answer| Work::Put(documents, answer))
    }

    fn documents(&self, prefix: &str) -> Pending<Result<Documents, StoreError>> {
        let prefix = prefix.to_owned();
        read!(&self.readers, |client| read::documents(&client, &prefix))
    }

    fn execution(&self, id: ExecutionId) -> Pending<Result<Option<ExecutionRow>, StoreError>> {
        read!(&self.readers, |client| read::execution(&client, id))
    }

    fn execution_by_arn(&self, arn: &str) -> Pending<Result<Option<ExecutionRow>, StoreError>> {
        let arn = arn.to_owned();
        read!(&self.readers, |client| read::execution_by_arn(&client, &arn))
    }

    fn history(
        &self,
        id: ExecutionId,
        part: HistoryPart,
        most_bytes: usize,
    ) -> Pending<Result<Vec<Chunk>, StoreError>> {
        read!(&self.readers, |client| read::history(&client, id, part, most_bytes))
    }

    fn first_from(&self, id: ExecutionId) -> Pending<Result<Option<ExecutionId>, StoreError>> {
        read!(&self.readers, |client| read::first_from(&client, id))
    }

    fn recorded(
        &self,
        numbers: std::ops::Range<u64>,
        most_bytes: usize,
    ) -> Pending<Result<Vec<Recorded>, StoreError>> {
        read!(&self.readers, |client| read::recorded(&client, &numbers, most_bytes))
    }

    fn live(
        &self,
        shards: &Shards,
        after: Option<&ExecutionRow>,
        most: usize,
    ) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        let (shards, after) = (*shards, after.map(|row| row.id));
        read!(&self.readers, |client| read::live(&client, &shards, after, most))
    }

    fn list(&self, filter: Filter, page: Page) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        read!(&self.readers, |client| read::list(&client, &filter, page))
    }

    fn count(&self, filter: Filter) -> Pending<Result<Vec<(Status, u64)>, StoreError>> {
        read!(&self.readers, |client| read::count(&client, &filter))
    }

    fn map_run(&self, arn: &str) -> Pending<Result<Option<MapRunRow>, StoreError>> {
        let arn = arn.to_owned();
        read!(&self.readers, |client| read::map_run(&client, &arn))
    }

    fn map_runs(&self, execution: ExecutionId) -> Pending<Result<Vec<MapRunRow>, StoreError>> {
        read!(&self.readers, |client| read::map_runs(&client, execution))
    }

    fn latest_map_runs(
        &self,
        after: Option<(i64, String)>,
        most: usize,
    ) -> Pending<Result<Vec<MapRunRow>, StoreError>> {
        read!(&self.readers, |client| read::latest_map_runs(&client, after.as_ref(), most))
    }

    fn sorted(
        &self,
        sorted: Sorted,
        most: usize,
    ) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        read!(&self.readers, |client| sorted::sorted(&client, &sorted, most))
    }

    fn ended(&self, before: i64, most: usize) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        read!(&self.readers, |client| read::ended(&client, before, most))
    }

    fn forget(
        &self,
        executions: Vec<ExecutionId>,
        ended_before: i64,
    ) -> Pending<Result<u64, StoreError>> {
        let most = executions.len();
        let numbers = executions.iter().map(|id| read::number(id.0)).collect();
        self.ask_last(|answer| Work::Remove(Ended::Before(ended_before, numbers), most, answer))
    }

    fn forget_machine(&self, machine: &str) -> Pending<Result<u64, StoreError>> {
        let Some(queue) = self.queue(OTHERS).cloned() else {
            let why = StoreError::new(ONLY_READ);
            return Box::pin(std::future::ready(Err(why)));
        };
        let machine = machine.to_owned();
        Box::pin(async move {
            let mut total = 0;
            loop {
                // In several statements, so that other writes get their turn.
                let (answer, answered) = oneshot::channel();
                let of = Ended::Of(machine.clone());
                if queue.put(Work::Remove(of, REMOVED_AT_ONCE, answer)).is_err() {
                    return Err(StoreError::new("the store is closed"));
                }
                let lost = || StoreError::new("the store broke off while it was writing");
                let count = answered.await.unwrap_or_else(|_| Err(lost()))?;
                total += count;
                if count < REMOVED_AT_ONCE as u64 {
                    return Ok(total);
                }
            }
        })
    }

    fn backup(&self, _folder: &Path) -> Pending<Result<(), StoreError>> {
        Box::pin(std::future::ready(Err(StoreError::new(
            "a store in PostgreSQL is backed up by PostgreSQL's own means, or with `stepwright store \
             copy`",
        ))))
    }

    fn verify(&self, stop: Arc<AtomicBool>) -> Pending<Result<Vec<String>, StoreError>> {
        read!(&self.readers, |client| read::verify(&client, &stop))
    }

    fn close(&self) -> Pending<()> {
        self.close_queues();
        let lanes = std::mem::take(&mut *self.lanes.lock());
        let (readers, node) = (self.readers.clone(), self.node.clone());
        Box::pin(async move {
            for lane in lanes {
                // A lane that has panicked has nothing left to write.
                drop(lane.await);
            }
            if let Some(node) = node
                && !readers.is_closed()
                && let Err(error) = node.fence(node.node()).await
            {
                tracing::warn!(%error, "the other nodes could not be told that this one leaves");
            }
            readers.close();
        })
    }

    fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    fn membership(&self) -> Option<Arc<dyn Membership>> {
        self.node.clone().map(|node| node as Arc<dyn Membership>)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.close_queues();
        self.readers.close();
    }
}
