//! Read access to histories, a part at a time: a history can be larger than memory.

use crate::Engine;
use crate::load::BYTES;
use stepwright_history::aws::{Calls, without_data};
use stepwright_history::{Event, TaskId, stored};
use stepwright_json::Json;
use stepwright_store::{Chunk, ExecutionId, HistoryPart, StoreError};

/// Which page of a history is wanted.
#[derive(Clone, Copy, Debug)]
pub struct HistoryRequest {
    /// The id of the last event of the page before; `None` for the first page.
    pub after: Option<u64>,
    /// Whether the last event comes first.
    pub is_reversed: bool,
    /// Whether inputs, outputs, parameters and failures are wanted.
    pub with_data: bool,
    /// The largest number of events.
    pub most: usize,
}

/// A page of a history.
#[derive(Clone, Debug)]
pub struct HistoryPage {
    /// The events, as [`stepwright_history::aws::project`] shows them.
    pub events: Vec<Json>,
    /// The id of the last event of the page, if there is another page.
    pub next: Option<u64>,
}

/// A page with this much text ends there, however few events it has.
const MOST_BYTES: usize = 8 << 20;

/// The events of one chunk.
struct Events {
    /// The numbers of events in the history before the chunk and up to its end.
    places: std::ops::Range<u64>,
    events: Vec<Event>,
}

impl Events {
    fn of(chunk: &Chunk) -> Result<Self, StoreError> {
        let events = stored::decode(&chunk.bytes)
            .map_err(|error| StoreError::new(format!("the history cannot be read: {error}")))?;
        let begin = chunk.len.saturating_sub(events.len() as u64);
        Ok(Self { places: begin..chunk.len, events })
    }
}

impl Engine {
    /// A page of the history of an execution, as AWS shows it. Its cost depends on the page, not on
    /// the history. `None` if there is no such execution.
    pub async fn history_page(
        &self,
        arn: &str,
        request: HistoryRequest,
    ) -> Result<Option<HistoryPage>, StoreError> {
        let Some(row) = self.store().execution_by_arn(arn).await? else { return Ok(None) };
        let mut page = HistoryPage { events: Vec::new(), next: None };
        let (mut calls, mut bytes, mut last) = (Calls::default(), 0, request.after);
        let mut at_hand = match request.after {
            None if request.is_reversed => self.chunk(row.id, HistoryPart::UpTo(u64::MAX)).await?,
            None => self.chunk(row.id, HistoryPart::After(0)).await?,
            Some(id) => self.chunk_with(row.id, id).await?,
        };
        while let Some(Events { places, mut events }) = at_hand {
            for event in &events {
                calls.note(event);
            }
            if request.is_reversed {
                events.reverse();
            }
            let is_wanted = |event: &&Event| {
                let is_after = |after| {
                    if request.is_reversed { event.id < after } else { event.id > after }
                };
                event.id > 0 && request.after.is_none_or(is_after)
            };
            for event in events.iter().filter(is_wanted) {
                if page.events.len() == request.most || bytes >= MOST_BYTES {
                    page.next = last;
                    return Ok(Some(page));
                }
                if let Some(task) = calls.missing(event) {
                    self.find_call(row.id, task, event.previous, &mut calls).await?;
                }
                let Some(shown) = calls.show(event) else { continue };
                let shown = if request.with_data { shown } else { without_data(&shown) };
                bytes += text_in(&shown);
                last = Some(event.id);
                page.events.push(shown);
            }
            let next = if request.is_reversed {
                HistoryPart::UpTo(places.start)
            } else {
                HistoryPart::After(places.end)
            };
            at_hand = self.chunk(row.id, next).await?;
        }
        Ok(Some(page))
    }

    /// Reads all events of an execution, one after another. Returns whether there is such an
    /// execution.
    pub async fn history(&self, arn: &str, take: impl FnMut(&Event)) -> Result<bool, StoreError> {
        let Some(row) = self.store().execution_by_arn(arn).await? else { return Ok(false) };
        self.each_event(row.id, take).await?;
        Ok(true)
    }

    pub(crate) async fn each_event(
        &self,
        id: ExecutionId,
        take: impl FnMut(&Event),
    ) -> Result<(), StoreError> {
        self.each_event_after(id, 0, take).await.map(drop)
    }

    /// Reads the events that follow the first `after` ones, which are whole chunks. Returns how many
    /// there are by now.
    pub(crate) async fn each_event_after(
        &self,
        id: ExecutionId,
        after: u64,
        mut take: impl FnMut(&Event),
    ) -> Result<u64, StoreError> {
        let take = |event: &Event| {
            take(event);
            true
        };
        self.events_after(id, after, take).await
    }

    /// Reads the events of an execution that come after this many of them, as an earlier call has
    /// returned it, as long as `take` returns true. Returns how many there are now.
    pub async fn events_after(
        &self,
        id: ExecutionId,
        mut after: u64,
        mut take: impl FnMut(&Event) -> bool,
    ) -> Result<u64, StoreError> {
        loop {
            let chunks = self.store().history(id, HistoryPart::After(after), BYTES).await?;
            let Some(last) = chunks.last() else { return Ok(after) };
            after = last.len;
            for chunk in &chunks {
                if !Events::of(chunk)?.events.iter().all(&mut take) {
                    return Ok(after);
                }
            }
        }
    }

    /// The first chunk of a part.
    async fn chunk(
        &self,
        id: ExecutionId,
        part: HistoryPart,
    ) -> Result<Option<Events>, StoreError> {
        let chunks = self.store().history(id, part, 1).await?;
        chunks.first().map(Events::of).transpose()
    }

    /// The chunk that has the event with this id. Ids count only what AWS shows, so an event's id
    /// is at most its place, and from the place of one event another one is at least as many places
    /// away as ids. Each look either finds the event or comes closer.
    async fn chunk_with(
        &self,
        execution: ExecutionId,
        id: u64,
    ) -> Result<Option<Events>, StoreError> {
        let mut after = id.saturating_sub(1);
        loop {
            let Some(found) = self.chunk(execution, HistoryPart::After(after)).await? else {
                return Ok(None);
            };
            let end = found.places.end;
            match found.events.iter().rev().find(|event| event.id > 0) {
                Some(last) if last.id >= id => return Ok(Some(found)),
                Some(last) => after = end + (id - last.id) - 1,
                None => after = end,
            }
        }
    }

    /// Notes the call of a task that was scheduled before the chunks at hand. Every event of the
    /// task names the one before it in its frame, and so leads back to it.
    async fn find_call(
        &self,
        execution: ExecutionId,
        task: TaskId,
        mut id: u64,
        calls: &mut Calls,
    ) -> Result<(), StoreError> {
        while id > 0 && !calls.knows(task) {
            let Some(found) = self.chunk_with(execution, id).await? else { break };
            for event in &found.events {
                calls.note(event);
            }
            let Some(event) = found.events.iter().find(|event| event.id == id) else { break };
            id = event.previous;
        }
        Ok(())
    }
}

/// The number of bytes of text in an event.
fn text_in(event: &Json) -> usize {
    let texts = |value: &Json| match value {
        Json::Object(details) => {
            details.iter().filter_map(|(_, value)| value.as_str()).map(str::len).sum()
        }
        _ => 0,
    };
    event.as_object().map_or(0, |event| event.iter().map(|(_, value)| texts(value)).sum::<usize>())
}
