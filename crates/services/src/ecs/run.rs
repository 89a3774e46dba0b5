//! Runs the containers of a task as processes: each when those it depends on are as far as it wants, and
//! all to their end when an essential one has ended.

use super::Ecs;
use super::definitions::is_essential;
use super::state::{change_container, is_stopped};
use crate::call::{Refusal, list, text};
use crate::delivery::{Ended, Process, World};
use crate::processes::{log, variables};
use std::sync::Arc;
use std::time::Duration;
use stepwright_json::{Json, Object};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

/// How long a container has to end after it was asked to, unless it says otherwise; as on AWS.
const GRACE: i64 = 30;

/// The longest that it may say.
const LONGEST_GRACE: i64 = 120;

/// A container of a task.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) line: Vec<String>,
    pub(super) definition: Object,
    /// The volumes that its mount points name.
    pub(super) volumes: Vec<Json>,
}

/// How far a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Waits,
    Runs,
    Ended(Option<i32>),
}

impl Ecs {
    /// Sets what runs processes, and ends the tasks that the last server has left: ECS does not start
    /// a task again.
    pub(crate) async fn begin(self: Arc<Self>, world: Arc<dyn World>) {
        self.world.get_or_init(|| world);
        if let Err(refusal) = self.resume().await {
            tracing::error!(why = refusal.message, "tasks that were under way cannot be read");
        }
    }

    async fn resume(&self) -> Result<(), Refusal> {
        let Some(world) = self.world.get() else { return Ok(()) };
        let lost = self
            .kept
            .with(|state, _| {
                let open = state.tasks.iter().filter(|(_, task)| !is_stopped(task));
                open.map(|(id, task)| {
                    (id.clone(), text(task, "taskArn").unwrap_or_default().to_owned())
                })
                .collect::<Vec<_>>()
            })
            .await?;
        for (id, arn) in lost {
            if self.stops.lock().contains_key(&id) {
                continue;
            }
            let mark = mark(&arn);
            let clean_up = self.substitutes.end_line(&mark);
            world.end_leftovers(mark, clean_up).await;
            let reason =
                "Host EC2 (instance stepwright) terminated: the server ended while the task ran";
            self.stopping(&id, "TerminationNotice", reason).await?;
            self.stopped(&id).await?;
        }
        Ok(())
    }

    /// Runs a task to its end.
    pub(super) async fn carry(&self, id: &str, parts: &[Part], stopping: watch::Receiver<bool>) {
        if let Err(refusal) = self.run(id, parts, stopping).await {
            tracing::error!(task = id, why = refusal.message, "a task's end cannot be kept");
        }
        self.stops.lock().remove(id);
    }

    async fn run(
        &self,
        id: &str,
        parts: &[Part],
        mut stopping: watch::Receiver<bool>,
    ) -> Result<(), Refusal> {
        let room = tokio::select! {
            room = self.room.acquire() => room.ok(),
            () = comes(&mut stopping) => None,
        };
        let Some((world, _room)) = self.world.get().zip(room) else {
            self.stopping(id, "TaskFailedToStart", "The task was not started").await?;
            return self.stopped(id).await;
        };
        let now = self.now();
        let arn = self
            .kept
            .with(|state, changes| {
                state.change(id, changes, |task| {
                    task.insert("lastStatus", "RUNNING".into());
                    task.insert("startedAt", now);
                });
                let task = state.tasks.get(id);
                task.and_then(|task| text(task, "taskArn")).unwrap_or_default().to_owned()
            })
            .await?;
        let progress: Vec<watch::Sender<Progress>> =
            parts.iter().map(|_| watch::Sender::new(Progress::Waits)).collect();
        let progress = Arc::new(progress);
        let ending = watch::Sender::new(false);
        let mut running = JoinSet::new();
        for (index, part) in parts.iter().enumerate() {
            let awaited = awaited(part, parts);
            let process = self.process(id, &arn, part);
            let (world, progress) = (world.clone(), progress.clone());
            let ending = ending.subscribe();
            running.spawn(async move {
                let ended = run_part(&*world, process, &awaited, &progress, index, ending).await;
                progress[index].send_replace(Progress::Ended(ended.code));
                (index, ended)
            });
        }
        for part in parts {
            self.change_part(id, &part.name, |container| {
                container.insert("lastStatus", "RUNNING".into());
            })
            .await?;
        }
        loop {
            tokio::select! {
                ended = running.join_next() => match ended {
                    None => break,
                    Some(Ok((index, ended))) => {
                        self.part_ended(id, &parts[index], &ended).await?;
                        if is_essential(&parts[index].definition) {
                            ending.send_replace(true);
                        }
                    }
                    Some(Err(_)) => drop(ending.send_replace(true)),
                },
                () = comes(&mut stopping), if !*ending.borrow() => {
                    ending.send_replace(true);
                }
            }
        }
        self.stopping(id, "EssentialContainerExited", "Essential container in task exited").await?;
        self.stopped(id).await
    }

    async fn change_part(
        &self,
        id: &str,
        name: &str,
        change: impl FnOnce(&mut Object) + Send,
    ) -> Result<(), Refusal> {
        let changed = self.kept.with(|state, changes| {
            state.change(id, changes, |task| change_container(task, name, change));
        });
        Ok(changed.await?)
    }

    async fn part_ended(&self, id: &str, part: &Part, ended: &Ended) -> Result<(), Refusal> {
        self.change_part(id, &part.name, |container| {
            container.insert("lastStatus", "STOPPED".into());
            if let Some(code) = ended.code {
                container.insert("exitCode", Json::Int(code.into()));
            }
            if let Some(reason) = &ended.reason {
                container.insert("reason", reason.as_str().into());
            }
        })
        .await?;
        if !is_essential(&part.definition) {
            return Ok(());
        }
        match (&ended.code, &ended.reason) {
            (None, Some(reason)) => self.stopping(id, "TaskFailedToStart", reason).await,
            _ => {
                let reason = "Essential container in task exited";
                self.stopping(id, "EssentialContainerExited", reason).await
            }
        }
    }

    /// A task is about to end; the first reason counts.
    async fn stopping(&self, id: &str, code: &str, reason: &str) -> Result<(), Refusal> {
        let now = self.now();
        let changed = self.kept.with(|state, changes| {
            state.change(id, changes, |task| {
                task.insert("desiredStatus", "STOPPED".into());
                task.get_or_insert_with("stopCode", || code.into());
                task.get_or_insert_with("stoppedReason", || reason.into());
                task.get_or_insert_with("stoppingAt", || now.clone());
                task.get_or_insert_with("executionStoppedAt", || now);
            });
        });
        Ok(changed.await?)
    }

    async fn stopped(&self, id: &str) -> Result<(), Refusal> {
        let now = self.now();
        let changed = self.kept.with(|state, changes| {
            state.change(id, changes, |task| {
                let names: Vec<String> = list(task, "containers")
                    .iter()
                    .filter_map(|one| one.get("name")?.as_str().map(str::to_owned))
                    .collect();
                for name in names {
                    change_container(task, &name, |container| {
                        container.insert("lastStatus", "STOPPED".into());
                    });
                }
                task.insert("lastStatus", "STOPPED".into());
                task.insert("stoppedAt", now);
            });
        });
        Ok(changed.await?)
    }

    fn process(&self, id: &str, arn: &str, part: &Part) -> Process {
        let mut environment = variables(&part.definition);
        environment.insert("STEPWRIGHT_TASK_ARN".to_owned(), arn.to_owned());
        let int = |member: &str| part.definition.get(member).and_then(Json::as_i64);
        let grace = int("stopTimeout").unwrap_or(GRACE).clamp(0, LONGEST_GRACE) as u64;
        let stream = format!("ecs/{}/{id}", part.name);
        let process = Process {
            name: part.name.clone(),
            line: part.line.clone(),
            folder: text(&part.definition, "workingDirectory").map(Into::into),
            environment,
            memory: int("memory").and_then(|memory| u64::try_from(memory).ok()),
            log: self.logs.as_deref().and_then(|folder| log(folder, &stream)),
            grace: Duration::from_secs(grace),
            clean_up: Vec::new(),
        };
        match &self.substitutes.containers {
            Some(containers) => {
                containers.process(process, &part.definition, &part.volumes, &mark(arn))
            }
            None => process,
        }
    }
}

/// The variable by which the processes of a task are found again.
fn mark(arn: &str) -> String {
    format!("STEPWRIGHT_TASK_ARN={arn}")
}

/// Waits until something is so, or nobody can say so any more.
async fn comes(what: &mut watch::Receiver<bool>) {
    drop(what.wait_for(|is_so| *is_so).await);
}

/// The containers that one depends on: their places, and the condition.
fn awaited(part: &Part, parts: &[Part]) -> Vec<(usize, String)> {
    let dependencies = list(&part.definition, "dependsOn").iter();
    dependencies
        .filter_map(|one| {
            let name = one.get("containerName")?.as_str()?;
            let condition = one.get("condition")?.as_str()?.to_owned();
            Some((parts.iter().position(|part| part.name == name)?, condition))
        })
        .collect()
}

async fn run_part(
    world: &dyn World,
    process: Process,
    awaited: &[(usize, String)],
    progress: &[watch::Sender<Progress>],
    index: usize,
    mut ending: watch::Receiver<bool>,
) -> Ended {
    for (other, condition) in awaited {
        let mut other = progress[*other].subscribe();
        let reached = other.wait_for(|progress| match condition.as_str() {
            "START" => *progress != Progress::Waits,
            _ => matches!(progress, Progress::Ended(_)),
        });
        let is_good = tokio::select! {
            reached = reached => match reached.map(|progress| *progress) {
                Ok(Progress::Ended(code)) => condition != "SUCCESS" || code == Some(0),
                Ok(_) => true,
                Err(_) => false,
            },
            () = comes(&mut ending) => false,
        };
        if !is_good {
            let reason = "a container that this one depends on did not do what it waits for";
            return Ended { code: None, reason: Some(reason.to_owned()) };
        }
    }
    progress[index].send_replace(Progress::Runs);
    let (stop, stopped) = oneshot::channel();
    let mut running = world.run(process, stopped);
    tokio::select! {
        ended = &mut running => ended,
        () = comes(&mut ending) => {
            // It may have ended meanwhile.
            let _ = stop.send(());
            running.await
        }
    }
}
