//! Sends out what a turn owes: tasks, children, reads, writes and timers.

use crate::live::Live;
use crate::mailbox::Message;
use crate::objects::Bound;
use crate::{Call, Engine, Report};
use stepwright_history::{Failure, Stage, TaskCall, TaskId, TaskKind};
use stepwright_interpreter::{Stimulus, items};
use stepwright_json::Json;
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
        } else if !self.inner.activities.schedule(&call.call.resource, id, task) {
            let failure = Failure::new(
                "ActivityDoesNotExist",
                format!("Activity Does Not Exist: '{}'", call.call.resource),
            );
            let stimulus = Stimulus::TaskFailed { task, failure, stage: Stage::Schedule };
            self.deliver(id, Message::new(stimulus));
        }
    }

    pub(crate) fn read_items(&self, live: &mut Live, run: TaskId, request: Json) {
        live.errands.insert((run, None), watch::channel(false).0);
        let (engine, id) = (self.clone(), live.facts.id);
        let objects = Bound::new(self, live.facts.clone());
        let most = live.facts.revision.program.limits.items_bytes;
        let errand = self.inner.underway.begin();
        tokio::spawn(async move {
            let _errand = errand;
            let read = move || items::read_within(&request, &objects, most);
            // One after the other: what is read is large before it is known to be.
            let _reading = engine.inner.long.reading().await;
            let items = tokio::task::spawn_blocking(read)
                .await
                .unwrap_or_else(|_| Err(Failure::new("States.ItemReaderFailed", BROKEN_OFF)));
            engine.deliver(id, Message::new(Stimulus::ItemsRead { run, items }));
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
        let (engine, id) = (self.clone(), live.facts.id);
        let mut objects = Bound::new(self, live.facts.clone());
        let errand = self.inner.underway.begin();
        tokio::spawn(async move {
            let _errand = errand;
            let write = move || items::write(&request, &records, &mut objects);
            let result = tokio::task::spawn_blocking(write)
                .await
                .unwrap_or_else(|_| Err(Failure::new("States.ResultWriterFailed", BROKEN_OFF)));
            engine.deliver(id, Message::new(Stimulus::ResultsWritten { run, result }));
        });
    }
}

const BROKEN_OFF: &str = "The transfer was broken off.";
