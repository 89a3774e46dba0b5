//! Runs jobs: when their turn comes, as processes, again where they may be retried, and after the server
//! has ended in the middle.

use super::Batch;
use super::state::{Job, Status};
use crate::call::{Refusal, list, members, text};
use crate::delivery::{Ended, Pending, Process, World};
use crate::kept::KeptError;
use crate::processes::{log, variables};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use stepwright_json::{Json, Object};
use tokio::sync::oneshot::{Receiver, channel};

/// The most jobs that run at once.
const MOST_RUNNING: usize = 16;

/// How long a job has to end after it was asked to, as on AWS.
const GRACE: Duration = Duration::from_secs(30);

/// Why an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Itself,
    Timeout,
    /// The server ended while it ran.
    Lost,
}

impl Batch {
    /// Sets what runs processes, and goes on with what the last server has left.
    pub(crate) async fn begin(self: Arc<Self>, world: Arc<dyn World>) {
        self.world.get_or_init(|| world);
        if let Err(refusal) = self.resume().await {
            tracing::error!(why = refusal.message, "jobs that were under way cannot be read");
        }
    }

    async fn resume(&self) -> Result<(), Refusal> {
        let Some(world) = self.world.get() else { return Ok(()) };
        let now = self.now();
        let lost = self
            .kept
            .with(|state, changes| {
                state.forget(now, changes);
                state.running.clone()
            })
            .await?;
        for id in lost {
            if self.stops.lock().contains_key(&id) {
                continue;
            }
            // It must have ended before it is run again.
            let mark = mark(&id);
            let clean_up = self.substitutes.end_line(&mark);
            world.end_leftovers(mark, clean_up).await;
            self.conclude(&id, Ended::default(), Cause::Lost).await?;
        }
        Ok(self.go_on().await?)
    }

    /// Begins the jobs whose turn it is.
    pub(super) async fn go_on(&self) -> Result<(), KeptError> {
        if self.world.get().is_none() {
            return Ok(());
        }
        let begun = self
            .kept
            .with(|state, changes| {
                let mut begun = Vec::new();
                while state.running.len() < MOST_RUNNING {
                    let is_enabled = |id: &str| {
                        let queue =
                            state.jobs.get(id).and_then(|job| state.queues.get(job.queue()));
                        queue.and_then(|queue| text(queue, "state")) == Some("ENABLED")
                    };
                    let Some(next) = state.ready.iter().find(|(.., id)| is_enabled(id)).cloned()
                    else {
                        break;
                    };
                    state.ready.remove(&next);
                    let (.., id) = next;
                    state.change(&id, changes, |job| {
                        let definition =
                            job.text("jobDefinition").rsplit('/').next().unwrap_or_default();
                        let name = definition.split(':').next().unwrap_or_default();
                        let task = uuid::Uuid::new_v4().simple();
                        job.stream = Some(format!("{name}/default/{task}"));
                        job.status = Status::Starting;
                        job.code = None;
                        job.container_reason = None;
                    });
                    let (stop, stopped) = channel();
                    self.stops.lock().insert(id.clone(), stop);
                    begun.push((id, stopped));
                }
                begun
            })
            .await?;
        for (id, stopped) in begun {
            if let Some(this) = self.this.upgrade() {
                tokio::spawn(this.attempted(id, stopped));
            }
        }
        Ok(())
    }

    /// Runs a job once, and then those whose turn has come. Boxed, because they do the same.
    fn attempted(self: Arc<Self>, id: String, stopped: Receiver<()>) -> Pending<()> {
        Box::pin(async move {
            if let Err(refusal) = self.attempt(&id, stopped).await {
                tracing::error!(job = id, why = refusal.message, "a job's end cannot be kept");
            }
        })
    }

    /// Runs a job once.
    async fn attempt(&self, id: &str, stopped: Receiver<()>) -> Result<(), Refusal> {
        let now = self.now();
        let process = self
            .kept
            .with(|state, changes| {
                let job = state.jobs.get(id).filter(|job| !job.is_terminated)?;
                let limit = job.given("timeout").and_then(|one| one.get("attemptDurationSeconds"));
                let limit = limit.and_then(Json::as_i64);
                let process = self.process(job);
                state.change(id, changes, |job| {
                    job.status = Status::Running;
                    job.started = Some(now);
                });
                Some((process, limit))
            })
            .await?;
        let (mut ended, mut cause) = (Ended::default(), Cause::Itself);
        if let (Some((process, limit)), Some(world)) = (process, self.world.get()) {
            let mut running = world.run(process, stopped);
            let too_long = async {
                match limit {
                    Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds as u64)).await,
                    None => std::future::pending().await,
                }
            };
            ended = tokio::select! {
                ended = &mut running => ended,
                () = too_long => {
                    cause = Cause::Timeout;
                    if let Some(stop) = self.stops.lock().remove(id) {
                        // It may have ended meanwhile.
                        let _ = stop.send(());
                    }
                    running.await
                }
            };
        }
        self.stops.lock().remove(id);
        self.conclude(id, ended, cause).await?;
        Ok(self.go_on().await?)
    }

    /// Keeps how an attempt ended, and what becomes of the job.
    async fn conclude(&self, id: &str, ended: Ended, cause: Cause) -> Result<(), Refusal> {
        let now = self.now();
        self.kept
            .with(|state, changes| {
                let Some(job) = state.jobs.get(id).filter(|job| !job.status.is_over()) else { return };
                let terminated = job.is_terminated.then(|| job.reason.clone()).flatten();
                let reason = match (&terminated, cause) {
                    (Some(reason), _) => reason.clone(),
                    (None, Cause::Timeout) => "Job attempt duration exceeded timeout".to_owned(),
                    (None, Cause::Lost) => {
                        "Host EC2 (instance stepwright) terminated: the server ended while the job ran"
                            .to_owned()
                    }
                    (None, Cause::Itself) if ended.code.is_none() => "Task failed to start".to_owned(),
                    (None, Cause::Itself) => "Essential container in task exited".to_owned(),
                };
                let is_good = ended.code == Some(0) && terminated.is_none() && cause == Cause::Itself;
                let tried = job.attempts.len() as i64 + 1;
                let most = job.given("retryStrategy").and_then(|one| one.get("attempts"));
                let most = most.and_then(Json::as_i64).unwrap_or(1);
                let is_retried = !is_good
                    && terminated.is_none()
                    && cause != Cause::Timeout
                    && tried < most
                    && retries(job, &ended, &reason);
                let stream = job.stream.clone().unwrap_or_default();
                let container = members([
                    ("taskArn", Some(self.task_arn(&stream).into())),
                    ("exitCode", ended.code.map(|code| Json::Int(code.into()))),
                    ("reason", ended.reason.as_deref().map(Json::from)),
                    ("logStreamName", Some(stream.as_str().into())),
                ]);
                let attempt = members([
                    ("container", Some(container)),
                    ("startedAt", job.started.map(Json::from)),
                    ("stoppedAt", Some(now.into())),
                    ("statusReason", Some(reason.as_str().into())),
                ]);
                state.change(id, changes, |job| {
                    job.attempts.push(attempt);
                    job.code = ended.code.map(Into::into);
                    job.container_reason = ended.reason;
                    if is_retried {
                        job.status = Status::Runnable;
                        job.reason = Some(reason.clone());
                    }
                });
                if is_retried {
                    state.place(id, now, changes);
                } else {
                    let status = if is_good { Status::Succeeded } else { Status::Failed };
                    state.finish(id, status, &reason, now, changes);
                }
            })
            .await?;
        Ok(())
    }

    fn process(&self, job: &Job) -> Process {
        let none = Object::new();
        let container = job.container().unwrap_or(&none);
        let parameters = job.given("parameters").and_then(Json::as_object).unwrap_or(&none);
        let command = list(container, "command").iter().filter_map(Json::as_str);
        let mut environment: BTreeMap<String, String> = variables(container);
        let mut set = |name: &str, value: String| drop(environment.insert(name.to_owned(), value));
        set("AWS_BATCH_JOB_ID", job.id.clone());
        set("AWS_BATCH_JOB_ATTEMPT", (job.attempts.len() + 1).to_string());
        set("AWS_BATCH_JQ_NAME", job.queue().to_owned());
        set("AWS_BATCH_CE_NAME", "stepwright".to_owned());
        if let Some((_, index)) = &job.parent {
            set("AWS_BATCH_JOB_ARRAY_INDEX", index.to_string());
        }
        let stream = job.stream.as_deref().unwrap_or_default();
        let process = Process {
            name: job.text("jobName").to_owned(),
            line: self.substitutes.line(
                text(container, "image"),
                command.map(|part| substituted(part, parameters)).collect(),
            ),
            folder: None,
            environment,
            memory: memory(container),
            log: self.logs.as_deref().and_then(|folder| log(folder, stream)),
            grace: GRACE,
            clean_up: Vec::new(),
        };
        match &self.substitutes.containers {
            Some(containers) => {
                let volumes = self.substitutes.volumes(list(container, "volumes"));
                containers.process(process, container, &volumes, &mark(&job.id))
            }
            None => process,
        }
    }
}

/// The variable by which the processes of a job are found again.
fn mark(id: &str) -> String {
    format!("AWS_BATCH_JOB_ID={id}")
}

/// The memory that a container may use, in MiB.
fn memory(container: &Object) -> Option<u64> {
    let required = list(container, "resourceRequirements")
        .iter()
        .find(|one| one.get("type").and_then(Json::as_str) == Some("MEMORY"))
        .and_then(|one| one.get("value")?.as_str()?.parse().ok());
    required.or_else(|| u64::try_from(container.get("memory")?.as_i64()?).ok())
}

/// A part of a command, with the values of parameters in place of `Ref::name`.
fn substituted(text: &str, parameters: &Object) -> String {
    let (mut done, mut rest) = (String::new(), text);
    while let Some(at) = rest.find("Ref::") {
        let (before, after) = rest.split_at(at);
        let after = &after["Ref::".len()..];
        let is_part =
            |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
        let end = after.find(|letter: char| !is_part(letter)).unwrap_or(after.len());
        done.push_str(before);
        match parameters.get(&after[..end]).and_then(Json::as_str) {
            Some(value) => done.push_str(value),
            None => {
                done.push_str("Ref::");
                done.push_str(&after[..end]);
            }
        }
        rest = &after[end..];
    }
    done.push_str(rest);
    done.replace('\0', "")
}

/// Whether the rules say that a job is tried again that has failed. Without a rule that fits, it is.
fn retries(job: &Job, ended: &Ended, status_reason: &str) -> bool {
    let rules = job.given("retryStrategy").and_then(Json::as_object);
    let rules = rules.map(|strategy| list(strategy, "evaluateOnExit")).unwrap_or_default();
    let code = ended.code.map(|code| code.to_string());
    let fits = |rule: &&Json| {
        let holds = |member: &str, found: Option<&str>| {
            let wanted = rule.get(member).and_then(Json::as_str);
            wanted.is_none_or(|pattern| found.is_some_and(|found| matches(pattern, found)))
        };
        holds("onExitCode", code.as_deref())
            && holds("onReason", ended.reason.as_deref())
            && holds("onStatusReason", Some(status_reason))
    };
    let action = rules.iter().find(fits).and_then(|rule| rule.get("action")?.as_str());
    action.is_none_or(|action| action.eq_ignore_ascii_case("RETRY"))
}

/// Whether a text fits a pattern, which may end with `*`. Case does not matter, as on AWS.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => pattern == text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_json::json;

    #[test]
    fn parameters_are_substituted() {
        let parameters = json!({"in": "s3://b/k", "in-2": "x"});
        let parameters = parameters.as_object().unwrap();
        let check =
            |text: &str, expected: &str| assert_eq!(substituted(text, parameters), expected);
        check("Ref::in", "s3://b/k");
        check("--in=Ref::in,Ref::in-2", "--in=s3://b/k,x");
        check("Ref::other Ref::", "Ref::other Ref::");
    }

    #[test]
    fn rules_decide_what_is_tried_again() {
        let rules = json!({"retryStrategy": {"attempts": 3, "evaluateOnExit": [
            {"onExitCode": "13*", "action": "EXIT"},
            {"onStatusReason": "Host EC2*", "action": "retry"},
            {"onReason": "*", "action": "EXIT"}
        ]}});
        let job = Job { given: Arc::new(rules.as_object().unwrap().clone()), ..Job::default() };
        let ended = |code, reason: Option<&str>| Ended { code, reason: reason.map(str::to_owned) };
        assert!(!retries(&job, &ended(Some(137), None), "Essential"));
        assert!(retries(&job, &ended(None, Some("why")), "host ec2 (i) terminated"));
        assert!(!retries(&job, &ended(None, Some("why")), "Task failed to start"));
        assert!(retries(&job, &ended(Some(1), None), "Essential"));
    }
}
