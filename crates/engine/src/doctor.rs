//! Examines a store and reports what is wrong with it.

use crate::Engine;
use crate::live::{Live, panic_text, status_of};
use crate::load::{BYTES, Folded};
use parking_lot::Mutex as Plain;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use stepwright_interpreter::Command;
use stepwright_store::{ExecutionId, ExecutionRow, Filter, HistoryPart, Recorded, StoreError};
use tokio::sync::Mutex;

/// One problem that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The ARN of the execution that it concerns; `None` if it concerns the store as a whole.
    pub arn: Option<String>,
    /// What is wrong.
    pub what: String,
}

/// The progress of an examination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The number of executions that were examined.
    pub examined: u64,
    /// The number of executions there were when it began.
    pub total: u64,
}

/// The result of an examination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examination {
    /// The problems: first those of the store as a whole, then those of executions, in the order of
    /// their numbers.
    pub findings: Vec<Finding>,
    /// The progress it made.
    pub progress: Progress,
    /// Whether it examined everything; false if it was stopped.
    pub is_whole: bool,
}

/// The number of execution numbers that a worker takes at once.
const NUMBERS: u64 = 500;

/// What the workers of one examination share.
struct Shared {
    engine: Engine,
    stop: Arc<AtomicBool>,
    /// The first execution number that no worker has taken yet.
    next: Mutex<ExecutionId>,
    examined: AtomicU64,
    total: u64,
    found: Plain<Vec<(ExecutionId, Finding)>>,
    watch: Box<dyn Fn(Progress) + Send + Sync>,
}

impl Engine {
    /// Examines the store: its own consistency, histories that do not fold, and running executions
    /// that nothing would wake.
    pub async fn doctor(&self) -> Result<Vec<Finding>, StoreError> {
        let examination = self.examine(Arc::default(), |_| {}).await?;
        Ok(examination.findings)
    }

    /// Like [`Self::doctor`], but on as many threads as the runtime and the machine allow, and only
    /// until `stop` is set. `watch` is told of the progress from time to time.
    pub async fn examine(
        &self,
        stop: Arc<AtomicBool>,
        watch: impl Fn(Progress) + Send + Sync + 'static,
    ) -> Result<Examination, StoreError> {
        let counts = self.store().count(Filter::default()).await?;
        let shared = Arc::new(Shared {
            engine: self.clone(),
            stop: stop.clone(),
            next: Mutex::new(ExecutionId(0)),
            examined: AtomicU64::new(0),
            total: counts.into_iter().map(|(_, count)| count).sum(),
            found: Plain::default(),
            watch: Box::new(watch),
        });
        let verifying = tokio::spawn(self.store().verify(stop.clone()));
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let workers: Vec<_> =
            (0..workers).map(|_| tokio::spawn(shared.clone().examine())).collect();
        let broken_off = |_| StoreError::new("the examination was broken off");
        for worker in workers {
            worker.await.map_err(broken_off)??;
        }
        let verified = verifying.await.map_err(broken_off)??;
        let of_store = verified.into_iter().map(|what| Finding { arn: None, what });
        let mut found = std::mem::take(&mut *shared.found.lock());
        for parked in self.parked().await? {
            let what = format!("it is parked, since release {}: {}", parked.release, parked.reason);
            let finding = Finding { arn: Some(parked.arn), what };
            if let Some(row) =
                self.store().execution_by_arn(finding.arn.as_deref().unwrap_or_default()).await?
            {
                found.push((row.id, finding));
            }
        }
        found.sort_by_key(|(id, _)| *id);
        Ok(Examination {
            findings: of_store.chain(found.into_iter().map(|(_, finding)| finding)).collect(),
            progress: shared.progress(),
            is_whole: !stop.load(Ordering::Relaxed),
        })
    }
}

impl Shared {
    fn progress(&self) -> Progress {
        Progress { examined: self.examined.load(Ordering::Relaxed), total: self.total }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// One worker: takes ranges of numbers until none are left.
    async fn examine(self: Arc<Self>) -> Result<(), StoreError> {
        while let Some((mut from, end)) = self.take().await? {
            while from < end {
                let recorded = self.engine.store().recorded(from..end, BYTES).await?;
                let Some(last) = recorded.last() else { break };
                from = last.row.id.0 + 1;
                for one in recorded {
                    if self.is_stopped() {
                        return Ok(());
                    }
                    let (id, arn) = (one.row.id, one.row.about.arn.clone());
                    let found = examine(&self.engine, one).await;
                    self.examined.fetch_add(1, Ordering::Relaxed);
                    if !found.is_empty() {
                        let finding = |what| (id, Finding { arn: Some(arn.clone()), what });
                        self.found.lock().extend(found.into_iter().map(finding));
                    }
                }
                (self.watch)(self.progress());
            }
        }
        Ok(())
    }

    /// The next range of numbers in which there are executions.
    async fn take(&self) -> Result<Option<(u64, u64)>, StoreError> {
        let mut next = self.next.lock().await;
        if self.is_stopped() {
            return Ok(None);
        }
        let Some(first) = self.engine.store().first_from(*next).await? else { return Ok(None) };
        let end = first.0 + NUMBERS;
        *next = ExecutionId(end);
        Ok(Some((first.0, end)))
    }
}

/// Returns what is wrong with one execution.
async fn examine(engine: &Engine, recorded: Recorded) -> Vec<String> {
    let Recorded { row, chunks } = recorded;
    if chunks.is_empty() && row.len == 0 {
        // Where the length is kept with the history, it is gone as well.
        return vec!["its history is gone".to_owned()];
    }
    let facts = match engine.facts(row.clone()).await {
        Ok(facts) => facts,
        Err(error) => return vec![error.to_string()],
    };
    let (mut folded, mut chunks) = (Folded::of(&facts, engine.inner.memory.share()), chunks);
    loop {
        if let Err(error) = folded.take(&chunks) {
            return vec![error.to_string()];
        }
        if chunks.is_empty() || folded.read >= row.len {
            break;
        }
        chunks = match engine.store().history(row.id, HistoryPart::After(folded.read), BYTES).await
        {
            Ok(chunks) => chunks,
            Err(error) => return vec![error.to_string()],
        };
    }
    // What panics here also panics when the execution is driven. Report it, and examine the others.
    let compared =
        catch_unwind(AssertUnwindSafe(|| compare(&row, &mut folded.live(facts, row.wake_at))));
    compared.unwrap_or_else(|panic| {
        vec![format!("its history cannot be folded: {}", panic_text(&*panic))]
    })
}

/// Compares an execution's row with its history, and looks for anything that a restart would not
/// resume.
fn compare(row: &ExecutionRow, live: &mut Live) -> Vec<String> {
    let mut findings = Vec::new();
    if live.len != row.len {
        findings.push(format!("it has {} events and should have {}", live.len, row.len));
    }
    if status_of(&live.execution) != row.status {
        findings.push(format!(
            "it is listed as {} and its history says {}",
            row.status.name(),
            live.execution.status().name()
        ));
    }
    if live.execution.is_over() {
        return findings;
    }
    let commands = live.execution.commands();
    let waits_for_token = |command: &Command| matches!(command, Command::RunTask { call, .. } if call.waits_for_token());
    let needs_work = commands
        .iter()
        .any(|command| !matches!(command, Command::WakeAt { .. }) && !waits_for_token(command));
    if commands.is_empty() {
        findings.push("it is running and nothing would ever wake it".to_owned());
    }
    if needs_work && !row.is_owed {
        findings.push("it waits for work that would not be asked for after a restart".to_owned());
    }
    let next = live.next_appointment().map(|(due, _)| due.0);
    if next.is_some() && row.wake_at.is_none_or(|at| Some(at) > next) {
        findings.push("its next timer would not be set after a restart".to_owned());
    }
    findings
}
