//! Sends out what a turn owes: tasks, children, reads, writes and timers.

use crate::live::Live;
use crate::mailbox::Message;
use crate::objects::Bound;
use crate::recorded::Stored;
use crate::{Call, Engine, Report};
use parking_lot::Mutex;
use std::sync::Arc;
use stepwright_history::{Failure, Stage, TaskCall, TaskId, TaskKind};
use stepwright_interpreter::{PAGE, Stimulus, items};
use stepwright_json::Json;
use stepwright_program::Limits;
use tokio::sync::watch;

impl Engine {
    pub(crate) fn run_task(
        &self,
        live: &mut Live,
        task: TaskId,
        call: Box<TaskCall>,
        submitted: bool,
    ) {
        // A task may have ended within the turn that began it.
        let Some(open) = live.execution.task(task) else { return };
        if (submitted && call.waits_for_token())
            || (open.started && call.kind == TaskKind::Activity)
        {
            // Only the holder of the token can end this task. There is nothing to run.
            return;
        }
        let id = live.facts.id;
        let (call_off, cancelled) = watch::channel(false);
        live.errands.insert((task, None), call_off);
        self.inner.metrics.tasks.add_one();
        let mut map_path = live.facts.map_path();
        map_path.extend(live.execution.map_path(task));
        let call = Call { facts: live.facts.clone(), task, call, submitted, map_path };
        let is_queued = call.call.kind == TaskKind::Activity
            && live.in_memory.is_none()
            && !self.inner.options.tasks.answers_activity(&call);
        if !is_queued {
            let report = Report::to_execution(self, id, task, cancelled);
            self.inner.options.tasks.run(call, report);
        } else if self.inner.options.authorizer.owns(&live.facts, &call.call.resource)
            && self.inner.activities.schedule(&call.call.resource, id, task)
        {
            self.ring_for_task(&call.call.resource);
        } else {
            let failure = Failure::new(
                "ActivityDoesNotExist",
                format!("Activity Does Not Exist: '{}'", call.call.resource),
            );
            let stimulus = Stimulus::TaskFailed { task, failure, stage: Stage::Schedule };
            self.deliver(id, Message::new(stimulus));
        }
    }

    pub(crate) fn read_items(
        &self,
        live: &mut Live,
        run: TaskId,
        request: Json,
        from: Option<Json>,
        most: Option<u32>,
    ) {
        live.errands.insert((run, Some(PAGE)), watch::channel(false).0);
        let reader = live.readers.entry(run).or_default().clone();
        let (engine, id) = (self.clone(), live.facts.id);
        let objects = Bound::new(self, live.facts.clone());
        let limits = live.facts.revision.program.limits;
        let errand = self.inner.underway.begin();
        tokio::spawn(async move {
            let _errand = errand;
            let cursor = from.clone();
            let read = move || next_page(&reader, &request, (cursor, most), &objects, &limits);
            // One after the other: what is read is large before it is known to be.
            let _reading = engine.inner.long.reading().await;
            let page = tokio::task::spawn_blocking(read)
                .await
                .unwrap_or_else(|_| Err(Failure::new("States.ItemReaderFailed", BROKEN_OFF)));
            engine.deliver(id, Message::new(Stimulus::ItemsRead { run, from, page }));
        });
    }

    pub(crate) fn write_results(
        &self,
        live: &mut Live,
        run: TaskId,
        request: Json,
        records: Box<items::Records>,
    ) {
        live.errands.insert((run, None), watch::channel(false).0);
        live.readers.remove(&run);
        let (engine, id) = (self.clone(), live.facts.id);
        let mut objects = Bound::new(self, live.facts.clone());
        let is_in_memory = live.in_memory.is_some();
        let mut journal = Stored { engine: self.clone(), id, is_in_memory };
        let errand = self.inner.underway.begin();
        tokio::spawn(async move {
            let _errand = errand;
            let write = move || items::write(&request, &records, &mut journal, &mut objects);
            let result = tokio::task::spawn_blocking(write)
                .await
                .unwrap_or_else(|_| Err(Failure::new("States.ResultWriterFailed", BROKEN_OFF)));
            engine.deliver(id, Message::new(Stimulus::ResultsWritten { run, result }));
        });
    }
}

/// A reader of items between two pages, with the place where it goes on.
pub(crate) type KeptReader = Arc<Mutex<Option<(Json, items::Reader)>>>;

/// Reads the next page: with the reader of the page before it, if there is one, so that nothing is
/// read twice.
fn next_page(
    kept: &KeptReader,
    request: &Json,
    (from, most): (Option<Json>, Option<u32>),
    objects: &Bound,
    limits: &Limits,
) -> Result<items::Page, Failure> {
    let at_hand = kept.lock().take().filter(|(place, _)| from.as_ref() == Some(place));
    let mut reader = match at_hand {
        Some((_, reader)) => reader,
        None => items::Reader::open(request, from.as_ref())?,
    };
    let page = reader.page(objects, limits, most)?;
    if let Some(next) = &page.next {
        *kept.lock() = Some((next.clone(), reader));
    }
    Ok(page)
}

const BROKEN_OFF: &str = "The transfer was broken off.";
