//! What Batch keeps: definitions, queues, environments and jobs, and their documents in the store.

use crate::call::text;
use crate::kept::{Changes, Contents};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stepwright_json::{Json, Object};

/// How long a job that has ended can be described, in milliseconds, as on AWS.
const KEPT: i64 = 7 * 86_400_000;

/// Everything.
#[derive(Debug, Default)]
#[expect(clippy::struct_field_names, reason = "the jobs are called so")]
pub(super) struct Jobs {
    /// By name and revision.
    pub(super) definitions: BTreeMap<(String, i64), Object>,
    pub(super) queues: BTreeMap<String, Object>,
    pub(super) environments: BTreeMap<String, Object>,
    pub(super) jobs: BTreeMap<String, Job>,
    /// The jobs that can run: less is earlier.
    pub(super) ready: BTreeSet<(i64, u64, String)>,
    /// The jobs that wait for another, by its id.
    pub(super) waiting: BTreeMap<String, Vec<String>>,
    pub(super) running: BTreeSet<String>,
    pub(super) last: u64,
}

/// Why a job ends that depends on one that has failed.
const DEPENDENT: &str = "Dependent Job failed";

/// Where a job is that has not begun.
enum Placed {
    Ready,
    Waiting,
    Impossible,
}

/// A job, an array of jobs, or one of an array.
#[derive(Clone, Debug, Default)]
pub(super) struct Job {
    pub(super) id: String,
    /// Its place in the order of submission.
    pub(super) number: u64,
    /// What was submitted, with what the definition says; the jobs of an array share it.
    pub(super) given: Arc<Object>,
    pub(super) status: Status,
    pub(super) reason: Option<String>,
    pub(super) created: i64,
    pub(super) started: Option<i64>,
    pub(super) stopped: Option<i64>,
    pub(super) attempts: Vec<Json>,
    pub(super) code: Option<i64>,
    pub(super) container_reason: Option<String>,
    pub(super) stream: Option<String>,
    pub(super) is_cancelled: bool,
    pub(super) is_terminated: bool,
    /// How many jobs an array has.
    pub(super) size: Option<i64>,
    /// Of those, the numbers of the ones with each status.
    pub(super) summary: [i64; 7],
    /// The array that it belongs to, and its place there.
    pub(super) parent: Option<(String, i64)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Status {
    #[default]
    Submitted,
    Pending,
    Runnable,
    Starting,
    Running,
    Succeeded,
    Failed,
}

pub(super) const STATUSES: [(Status, &str); 7] = [
    (Status::Submitted, "SUBMITTED"),
    (Status::Pending, "PENDING"),
    (Status::Runnable, "RUNNABLE"),
    (Status::Starting, "STARTING"),
    (Status::Running, "RUNNING"),
    (Status::Succeeded, "SUCCEEDED"),
    (Status::Failed, "FAILED"),
];

impl Status {
    pub(super) fn name(self) -> &'static str {
        STATUSES[self as usize].1
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        STATUSES.iter().find(|(_, one)| *one == name).map(|(status, _)| *status)
    }

    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

impl Contents for Jobs {
    const PREFIX: &'static str = "services/batch/";

    fn read(&mut self, key: &str, value: &Json) {
        let Some(object) = value.as_object() else { return };
        let Some((kind, name)) = key.split_once('/') else { return };
        match kind {
            "definition" => {
                if let Some((name, revision)) = name.rsplit_once('/')
                    && let Ok(revision) = revision.parse()
                {
                    self.definitions.insert((name.to_owned(), revision), object.clone());
                }
            }
            "queue" => drop(self.queues.insert(name.to_owned(), object.clone())),
            "environment" => drop(self.environments.insert(name.to_owned(), object.clone())),
            "job" => {
                let job = Job::read(name, object);
                self.last = self.last.max(job.number);
                self.jobs.insert(name.to_owned(), job);
            }
            _ => {}
        }
    }

    fn complete(&mut self) {
        let parents: Vec<(String, String)> = self
            .jobs
            .values()
            .filter_map(|job| Some((job.id.clone(), job.parent.as_ref()?.0.clone())))
            .collect();
        for (id, parent) in parents {
            let given = self.jobs.get(&parent).map(|parent| parent.given.clone());
            let Some(given) = given else { continue };
            let Some(job) = self.jobs.get_mut(&id) else { continue };
            job.given = given;
            let status = job.status;
            if let Some(parent) = self.jobs.get_mut(&parent) {
                parent.summary[status as usize] += 1;
            }
        }
        for job in self.jobs.values() {
            if matches!(job.status, Status::Starting | Status::Running) && job.size.is_none() {
                self.running.insert(job.id.clone());
            }
        }
        let open =
            self.jobs.values().filter(|job| job.size.is_none() && job.status < Status::Starting);
        let open: Vec<String> = open.map(|job| job.id.clone()).collect();
        for id in open {
            self.queue(&id);
        }
    }
}

impl Jobs {
    /// Puts a job where it waits for its turn or for other jobs.
    fn queue(&mut self, id: &str) -> Placed {
        let Some(job) = self.jobs.get(id) else { return Placed::Waiting };
        for awaited in awaited(job, self) {
            match self.jobs.get(&awaited).map(|other| other.status) {
                Some(Status::Failed) => return Placed::Impossible,
                Some(Status::Succeeded) | None => {}
                Some(_) => {
                    self.waiting.entry(awaited).or_default().push(id.to_owned());
                    return Placed::Waiting;
                }
            }
        }
        let place = place_of(job);
        self.ready.insert(place);
        Placed::Ready
    }

    /// Puts a job in its place, and says so in its status. One that another has made impossible
    /// ends.
    pub(super) fn place(&mut self, id: &str, now: i64, changes: &mut Changes) {
        match self.queue(id) {
            Placed::Ready => self.change(id, changes, |job| job.status = Status::Runnable),
            Placed::Waiting => self.change(id, changes, |job| job.status = Status::Pending),
            Placed::Impossible => self.finish(id, Status::Failed, DEPENDENT, now, changes),
        }
    }

    /// Ends a job, and what depends on it: its array when it was the last, and jobs that have waited.
    pub(super) fn finish(
        &mut self,
        id: &str,
        status: Status,
        reason: &str,
        now: i64,
        changes: &mut Changes,
    ) {
        let mut open = vec![(id.to_owned(), status, reason.to_owned())];
        while let Some((id, status, reason)) = open.pop() {
            let Some(job) = self.jobs.get(&id) else { continue };
            if job.status.is_over() {
                continue;
            }
            let place = place_of(job);
            self.ready.remove(&place);
            self.change(&id, changes, |job| {
                job.status = status;
                job.reason = Some(reason).filter(|reason| !reason.is_empty());
                job.stopped = Some(now);
            });
            let parent = self.jobs.get(&id).and_then(|job| job.parent.clone());
            if let Some(parent) = parent.and_then(|(parent, _)| self.jobs.get(&parent)) {
                let count = |status: Status| parent.summary[status as usize];
                let (good, bad) = (count(Status::Succeeded), count(Status::Failed));
                if Some(good + bad) == parent.size {
                    open.push(match bad {
                        0 => (parent.id.clone(), Status::Succeeded, String::new()),
                        _ => {
                            (parent.id.clone(), Status::Failed, "Array Child Job failed".to_owned())
                        }
                    });
                }
            }
            for waiting in self.waiting.remove(&id).unwrap_or_default() {
                if self.jobs.get(&waiting).is_none_or(|job| job.status >= Status::Starting) {
                    continue;
                }
                match self.queue(&waiting) {
                    Placed::Ready => {
                        self.change(&waiting, changes, |job| job.status = Status::Runnable);
                    }
                    Placed::Waiting => {}
                    Placed::Impossible => {
                        open.push((waiting, Status::Failed, DEPENDENT.to_owned()));
                    }
                }
            }
        }
    }

    /// Changes a job, and counts it for its array.
    pub(super) fn change(
        &mut self,
        id: &str,
        changes: &mut Changes,
        change: impl FnOnce(&mut Job),
    ) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        let before = job.status;
        change(job);
        changes.put(format!("job/{id}"), &job.write());
        let (after, parent) = (job.status, job.parent.clone());
        if after >= Status::Starting && !after.is_over() {
            self.running.insert(id.to_owned());
        } else {
            self.running.remove(id);
        }
        if let Some(parent) = parent.and_then(|(parent, _)| self.jobs.get_mut(&parent)) {
            parent.summary[before as usize] -= 1;
            parent.summary[after as usize] += 1;
        }
    }

    /// Forgets jobs that ended long ago.
    pub(super) fn forget(&mut self, now: i64, changes: &mut Changes) {
        let is_old =
            |job: &&Job| job.stopped.is_some_and(|at| at < now - KEPT) && job.status.is_over();
        let old: Vec<String> =
            self.jobs.values().filter(is_old).map(|job| job.id.clone()).collect();
        for id in old {
            self.jobs.remove(&id);
            changes.remove(format!("job/{id}"));
        }
    }
}

/// The ids of the jobs that a job waits for.
fn awaited(job: &Job, all: &Jobs) -> Vec<String> {
    let Some(list) = job.given.get("dependsOn").and_then(Json::as_array) else { return Vec::new() };
    let index = job.parent.as_ref().map(|(parent, index)| (parent.as_str(), *index));
    list.iter()
        .filter_map(|dependency| {
            let other = dependency.get("jobId").and_then(Json::as_str);
            let kind = dependency.get("type").and_then(Json::as_str);
            match (kind, other, index) {
                (Some("SEQUENTIAL"), _, Some((parent, index))) => {
                    (index > 0).then(|| format!("{parent}:{}", index - 1))
                }
                (Some("N_TO_N"), Some(other), Some((_, index))) => {
                    let is_array = all.jobs.get(other).is_some_and(|other| other.size.is_some());
                    Some(if is_array { format!("{other}:{index}") } else { other.to_owned() })
                }
                (_, Some(other), _) => Some(other.to_owned()),
                _ => None,
            }
        })
        .collect()
}

impl Job {
    pub(super) fn given(&self, member: &str) -> Option<&Json> {
        self.given.get(member)
    }

    pub(super) fn text(&self, member: &str) -> &str {
        text(&self.given, member).unwrap_or_default()
    }

    /// The name of its queue.
    pub(super) fn queue(&self) -> &str {
        self.text("jobQueue").rsplit('/').next().unwrap_or_default()
    }

    pub(super) fn container(&self) -> Option<&Object> {
        self.given("container").and_then(Json::as_object)
    }

    pub(super) fn write(&self) -> Json {
        let mut written = Object::new();
        let mut put = |name: &str, value: Option<Json>| {
            if let Some(value) = value {
                written.insert(name, value);
            }
        };
        let text = |text: &Option<String>| text.as_deref().map(Json::from);
        put("number", Some(Json::Int(self.number as i64)));
        if self.parent.is_none() {
            put("given", Some(Json::Object(Object::clone(&self.given))));
        }
        put("status", Some(self.status.name().into()));
        put("reason", text(&self.reason));
        put("created", Some(self.created.into()));
        put("started", self.started.map(Json::from));
        put("stopped", self.stopped.map(Json::from));
        put("attempts", Some(self.attempts.clone().into()));
        put("code", self.code.map(Json::from));
        put("why", text(&self.container_reason));
        put("stream", text(&self.stream));
        put("cancelled", self.is_cancelled.then_some(true.into()));
        put("terminated", self.is_terminated.then_some(true.into()));
        put("size", self.size.map(Json::from));
        put("parent", self.parent.as_ref().map(|(parent, _)| parent.as_str().into()));
        put("index", self.parent.as_ref().map(|(_, index)| (*index).into()));
        written.into()
    }

    fn read(id: &str, written: &Object) -> Self {
        let owned = |name: &str| text(written, name).map(str::to_owned);
        let int = |name: &str| written.get(name).and_then(Json::as_i64);
        let flag = |name: &str| written.get(name).and_then(Json::as_bool).unwrap_or_default();
        let given = written.get("given").and_then(Json::as_object).cloned().unwrap_or_default();
        let attempts = written.get("attempts").and_then(Json::as_array).cloned();
        Self {
            id: id.to_owned(),
            number: int("number").unwrap_or_default() as u64,
            given: Arc::new(given),
            status: owned("status").and_then(|name| Status::of(&name)).unwrap_or_default(),
            reason: owned("reason"),
            created: int("created").unwrap_or_default(),
            started: int("started"),
            stopped: int("stopped"),
            attempts: attempts.map(|all| all.iter().cloned().collect()).unwrap_or_default(),
            code: int("code"),
            container_reason: owned("why"),
            stream: owned("stream"),
            is_cancelled: flag("cancelled"),
            is_terminated: flag("terminated"),
            size: int("size"),
            summary: [0; 7],
            parent: owned("parent").zip(int("index")),
        }
    }
}

/// Where a job stands among those that can run.
fn place_of(job: &Job) -> (i64, u64, String) {
    // A queue's priority may change; the one at submission counts.
    (-job.given("priority").and_then(Json::as_i64).unwrap_or_default(), job.number, job.id.clone())
}
