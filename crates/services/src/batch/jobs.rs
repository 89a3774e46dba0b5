//! Describes, lists and ends jobs.

use super::definitions::paged;
use super::state::{Job, STATUSES, Status};
use super::{Batch, refused};
use crate::call::{Answer, Call, Refusal, answer, empty, members};
use stepwright_json::{Json, Object, json};

impl Batch {
    pub(super) async fn describe_jobs(&self, call: &Call<'_>) -> Answer {
        let ids = call.texts("jobs");
        if ids.len() > 100 {
            return Err(refused("at most 100 jobs are described at once"));
        }
        let found = self
            .kept
            .with(|state, _| {
                let found = ids.iter().filter_map(|id| state.jobs.get(self.name_of("job", id)));
                found.map(|job| self.described(job)).collect::<Vec<Json>>()
            })
            .await?;
        answer(json!({"jobs": (Json::from(found))}))
    }

    fn described(&self, job: &Job) -> Json {
        let mut detail = Object::new();
        detail.insert("jobArn", self.arn("job", &job.id).into());
        detail.insert("jobId", job.id.as_str().into());
        for (name, value) in job.given.iter() {
            if !["container", "priority"].contains(&name.as_str()) {
                detail.insert(name.clone(), value.clone());
            }
        }
        let mut put = |name: &str, value: Option<Json>| {
            if let Some(value) = value {
                detail.insert(name, value);
            }
        };
        put("status", Some(job.status.name().into()));
        put("statusReason", job.reason.as_deref().map(Json::from));
        put("createdAt", Some(job.created.into()));
        put("startedAt", job.started.map(Json::from));
        put("stoppedAt", job.stopped.map(Json::from));
        put("attempts", Some(job.attempts.clone().into()));
        put("isCancelled", Some(job.is_cancelled.into()));
        put("isTerminated", Some(job.is_terminated.into()));
        let mut container = job.container().cloned().unwrap_or_default();
        if let Some(code) = job.code {
            container.insert("exitCode", code.into());
        }
        if let Some(reason) = &job.container_reason {
            container.insert("reason", reason.as_str().into());
        }
        if let Some(stream) = &job.stream {
            container.insert("logStreamName", stream.as_str().into());
            container.insert("taskArn", self.task_arn(stream).into());
        }
        put("container", Some(container.into()));
        put("arrayProperties", array(job));
        detail.into()
    }

    pub(super) fn task_arn(&self, stream: &str) -> String {
        let task = stream.rsplit('/').next().unwrap_or_default();
        format!("arn:aws:ecs:{}:{}:task/{task}", self.region, self.account)
    }

    pub(super) async fn list_jobs(&self, call: &Call<'_>) -> Answer {
        let status = match call.text("jobStatus") {
            None => Status::Running,
            Some(name) => {
                Status::of(name).ok_or_else(|| refused(format!("{name} is no status of a job")))?
            }
        };
        let queue = call.text("jobQueue").map(|text| self.name_of("job-queue", text));
        let array = call.text("arrayJobId");
        if queue.is_some() == array.is_some() {
            return Err(refused("give one of jobQueue and arrayJobId"));
        }
        let found = self
            .kept
            .with(|state, _| {
                if let Some(queue) = queue.filter(|queue| !state.queues.contains_key(*queue)) {
                    return Err(refused(format!("Job queue {queue} does not exist")));
                }
                let is_wanted = |job: &&Job| {
                    let parent = job.parent.as_ref().map(|(parent, _)| parent.as_str());
                    let is_there = match queue {
                        Some(queue) => job.queue() == queue && parent.is_none(),
                        None => parent == array,
                    };
                    // All jobs of an array are listed unless a status is given.
                    let has_any = array.is_some() && call.text("jobStatus").is_none();
                    is_there && (has_any || job.status == status)
                };
                let found = state.jobs.values().filter(is_wanted);
                Ok(found.map(|job| (format!("{:020}", job.number), self.summary(job))).collect())
            })
            .await??;
        paged(call, "jobSummaryList", found)
    }

    fn summary(&self, job: &Job) -> Json {
        let container = members([
            ("exitCode", job.code.map(Json::from)),
            ("reason", job.container_reason.as_deref().map(Json::from)),
        ]);
        members([
            ("jobArn", Some(self.arn("job", &job.id).into())),
            ("jobId", Some(job.id.as_str().into())),
            ("jobName", job.given("jobName").cloned()),
            ("jobDefinition", job.given("jobDefinition").cloned()),
            ("createdAt", Some(job.created.into())),
            ("startedAt", job.started.map(Json::from)),
            ("stoppedAt", job.stopped.map(Json::from)),
            ("status", Some(job.status.name().into())),
            ("statusReason", job.reason.as_deref().map(Json::from)),
            ("container", Some(container)),
            ("arrayProperties", array(job)),
        ])
    }

    /// `CancelJob` ends what has not begun; `TerminateJob` ends what runs, too.
    pub(super) async fn end_job(&self, call: &Call<'_>, ends_running: bool) -> Answer {
        let id = self.name_of("job", call.required("jobId"));
        self.end(id, call.required("reason"), ends_running).await?;
        empty()
    }

    /// Ends a job, or all jobs of an array.
    pub(super) async fn end(
        &self,
        id: &str,
        reason: &str,
        ends_running: bool,
    ) -> Result<(), Refusal> {
        let now = self.now();
        let running = self
            .kept
            .with(|state, changes| {
                let Some(job) = state.jobs.get(id) else { return Vec::new() };
                let ids: Vec<String> = match job.size {
                    Some(size) => (0..size).map(|index| format!("{id}:{index}")).collect(),
                    None => vec![id.to_owned()],
                };
                let mark = |job: &mut Job| {
                    job.is_cancelled |= !ends_running;
                    job.is_terminated |= ends_running;
                };
                if !job.status.is_over() && job.size.is_some() {
                    state.change(id, changes, mark);
                }
                let mut running = Vec::new();
                for id in ids {
                    match state.jobs.get(&id).map(|job| job.status) {
                        Some(status) if status < Status::Starting => {
                            state.change(&id, changes, mark);
                            state.finish(&id, Status::Failed, reason, now, changes);
                        }
                        Some(status) if !status.is_over() && ends_running => {
                            state.change(&id, changes, |job| {
                                mark(job);
                                job.reason = Some(reason.to_owned());
                            });
                            running.push(id);
                        }
                        _ => {}
                    }
                }
                running
            })
            .await?;
        let mut stops = self.stops.lock();
        for id in running {
            if let Some(stop) = stops.remove(&id) {
                // It may have ended meanwhile.
                let _ = stop.send(());
            }
        }
        Ok(())
    }
}

/// What is told of an array, or of a place in one.
fn array(job: &Job) -> Option<Json> {
    if let Some((_, index)) = &job.parent {
        return Some(json!({"index": (*index)}));
    }
    let size = job.size?;
    let summary =
        STATUSES.iter().map(|(status, name)| (*name, Json::from(job.summary[*status as usize])));
    let summary: Object = summary.collect();
    Some(json!({"size": (size), "index": 0, "statusSummary": (Json::Object(summary))}))
}
