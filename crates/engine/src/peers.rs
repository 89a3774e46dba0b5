//! What nodes ask of each other. An execution is driven by one of them, and any of them may be asked.

use crate::children::{read_ends, write_ends};
use crate::mailbox::What;
use crate::nodes::Place;
use crate::{ActivityTask, Engine, Refused};
use std::time::Duration;
use stepwright_history::{Failure, Stage, TaskId};
use stepwright_interpreter::Stimulus;
use stepwright_json::{Json, Object, Str, json};
use stepwright_store::{ExecutionId, Pending};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Reaches other nodes.
pub trait Peers: Send + Sync + 'static {
    /// Sends a request to the node with this address, which gives it to [`Engine::answer_peer`].
    fn call(&self, address: &str, request: Json) -> Pending<Result<Json, PeerError>>;
}

/// Why a node did not answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PeerError {
    /// The request did not reach it, so nothing was done.
    #[error("the node cannot be reached: {0}")]
    NotReached(String),
    /// It may or may not have done what it was asked.
    #[error("the node did not answer: {0}")]
    Unknown(String),
}

/// How long an answer is waited for that somebody at a page waits for.
const SOON: Duration = Duration::from_secs(3);

/// How long a takeover is waited for, and how long between two attempts.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(200);

impl Engine {
    /// Asks the node that drives an execution, which may be this one.
    pub(crate) async fn ask_with(&self, id: ExecutionId, what: What) -> Result<(), Refused> {
        let request = write(id, &what);
        loop {
            // What only the node that drives it can want is not passed on.
            let elsewhere = match &request {
                Some(request) => self.asked_of_owner(id, request).await,
                None if self.holds(id) => None,
                None => Some(Err(Refused::Moved)),
            };
            match elsewhere {
                Some(answer) => return answer,
                None => match self.ask_here(id, what.clone()).await {
                    // It has been given up just now.
                    Err(Refused::Moved) if request.is_some() => {}
                    answer => return answer,
                },
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Asks the node that drives an execution, if that is another one, and gives its answer. `None` if it
    /// is this one.
    pub(crate) async fn asked_of_owner(
        &self,
        id: ExecutionId,
        request: &Json,
    ) -> Option<Result<(), Refused>> {
        let nodes = self.nodes().filter(|_| !crate::mailbox::is_in_memory(id))?;
        let end = Instant::now() + PATIENCE;
        while !self.is_closing() {
            match (nodes.place(id.shard()), &nodes.peers) {
                (Place::Here, _) => return None,
                (Place::At(address), Some(peers)) => {
                    match peers.call(&address, request.clone()).await {
                        Ok(reply) => match read_reply(&reply) {
                            Err(Refused::Moved | Refused::Closing) => {}
                            answer => return Some(answer),
                        },
                        Err(PeerError::NotReached(why)) => {
                            tracing::debug!(address, why, "a node cannot be reached");
                        }
                        Err(error @ PeerError::Unknown(_)) => {
                            return Some(Err(Refused::Store { reason: error.to_string() }));
                        }
                    }
                }
                _ => {}
            }
            if Instant::now() >= end {
                return Some(Err(Refused::Moved));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Some(Err(Refused::Closing))
    }

    /// Asks every other node at once, for what they can say at once. The order of the answers says nothing.
    pub async fn ask_others(&self, request: &Json) -> Vec<Result<Json, PeerError>> {
        let Some(nodes) = self.nodes() else { return Vec::new() };
        let Some(peers) = &nodes.peers else { return Vec::new() };
        let mut calls = JoinSet::new();
        for address in nodes.others() {
            let (peers, request) = (peers.clone(), request.clone());
            calls.spawn(async move {
                let call = tokio::time::timeout(SOON, peers.call(&address, request));
                call.await.unwrap_or_else(|_| Err(PeerError::Unknown(format!("within {SOON:?}"))))
            });
        }
        calls.join_all().await
    }

    /// Tells the other nodes to look at once: shards are free.
    pub(crate) async fn ring_others(&self) {
        let Some(nodes) = self.nodes() else { return };
        let Some(peers) = &nodes.peers else { return };
        for address in nodes.others() {
            // Whoever does not hear of it looks by itself soon.
            drop(peers.call(&address, json!({"do": "look"})).await);
        }
    }

    /// Asks another node for a task of an activity that waits there.
    pub(crate) async fn poll_others(
        &self,
        arn: &str,
        worker: Option<&Str>,
    ) -> Option<ActivityTask> {
        let nodes = self.nodes()?;
        let peers = nodes.peers.as_ref()?;
        for address in nodes.others() {
            let mut request = Object::new();
            request.insert("do", "poll".into());
            request.insert("activity", arn.into());
            request.insert("from", nodes.own_address().into());
            if let Some(worker) = worker {
                request.insert("worker", worker.clone().into());
            }
            let Ok(reply) = peers.call(&address, request.into()).await else { continue };
            let token = reply.get("token").and_then(Json::as_str);
            if let (Some(token), Some(input), Some((execution, task))) =
                (token, reply.get("input"), read_task(&reply))
            {
                let handed = self.handed(arn, execution, task, Some(address));
                return Some(ActivityTask { token: token.into(), input: input.clone(), handed });
            }
        }
        None
    }

    /// Tells the node that handed out a task that the worker is gone.
    pub(crate) fn give_back_to(
        &self,
        address: String,
        activity: String,
        execution: ExecutionId,
        task: TaskId,
    ) {
        let Some(peers) = self.nodes().and_then(|nodes| nodes.peers.clone()) else { return };
        let request = json!({
            "do": "give-back",
            "activity": (activity),
            "execution": (Json::Int(execution.0 as i64)),
            "task": (Json::Int(task.0 as i64))
        });
        tokio::spawn(async move {
            if let Err(error) = peers.call(&address, request).await {
                tracing::warn!(%error, "a task is left to its time limit, for its worker is gone");
            }
        });
    }

    /// Does what another node asks. `None` if this release does not know what that is.
    pub async fn answer_peer(&self, request: &Json) -> Option<Json> {
        match request.get("do")?.as_str()? {
            "look" => {
                self.nodes()?.ring();
                Some(Object::new().into())
            }
            "poll" => {
                let worker = request.get("worker").and_then(Json::as_str).map(Into::into);
                let arn = request.get("activity")?.as_str()?;
                if let Some(from) = request.get("from").and_then(Json::as_str) {
                    // Before it is looked, so that no task comes in between.
                    self.asks_for_task(arn, from);
                }
                // What waits here, and nothing else: whoever asks does the waiting.
                let task = self.poll_activity_here(arn, worker).await;
                let reply = task.map(|ActivityTask { token, input, handed }| {
                    json!({
                        "token": (Json::from(token)),
                        "input": (input),
                        "execution": (Json::Int(handed.execution.0 as i64)),
                        "task": (Json::Int(handed.task.0 as i64))
                    })
                });
                Some(reply.unwrap_or_else(|| Object::new().into()))
            }
            "give-back" => {
                let (execution, task) = read_task(request)?;
                self.handed(request.get("activity")?.as_str()?, execution, task, None).give_back();
                Some(Object::new().into())
            }
            "bells" => self.hear(request).await.map(|()| Object::new().into()),
            "children" => self.begin_for_other(request).await,
            "unpark" => Some(write_reply(&self.unpark_for_other(request).await)),
            "ask" => {
                let (id, what) = read(request)?;
                let is_here = self.nodes()?.is_open(id);
                if is_here && matches!(what, What::Stimulus(Stimulus::Redrive)) {
                    let row = self.store().execution(id).await.ok().flatten();
                    if let Some(row) = row {
                        self.inner.recent.forget(&row.about.arn);
                    }
                }
                let answer =
                    if is_here { self.ask_here(id, what).await } else { Err(Refused::Moved) };
                Some(write_reply(&answer))
            }
            _ => None,
        }
    }
}

/// The execution and the task that an object names.
fn read_task(object: &Json) -> Option<(ExecutionId, TaskId)> {
    let number = |key: &str| object.get(key).and_then(Json::as_i64).map(|number| number as u64);
    Some((ExecutionId(number("execution")?), TaskId(number("task")?)))
}

/// Writes what is asked of an execution; `None` if only the node that drives it can want that.
fn write(id: ExecutionId, what: &What) -> Option<Json> {
    let mut object = Object::new();
    object.insert("do", "ask".into());
    object.insert("execution", Json::Int(id.0 as i64));
    let stimulus = match what {
        What::Stimulus(stimulus) => stimulus,
        What::Token { task, token, stimulus } => {
            object.insert("token", token.as_str().into());
            object.insert("task", Json::Int(task.0 as i64));
            stimulus
        }
        What::ChildrenEnded { run, ended } => {
            object.insert("what", "children-ended".into());
            object.insert("run", Json::Int(run.0 as i64));
            object.insert("with", write_ends(ended));
            return Some(object.into());
        }
        What::Wake | What::Take { .. } | What::Resume { .. } => return None,
    };
    let (kind, value) = match stimulus {
        Stimulus::Stop { failure } => ("stop", write_failure(failure)),
        Stimulus::Redrive => ("redrive", Json::Null),
        Stimulus::TaskSucceeded { output, .. } => ("succeeded", output.clone()),
        Stimulus::TaskFailed { failure, stage: Stage::Run, .. } => {
            ("failed", write_failure(failure))
        }
        Stimulus::TaskHeartbeat { .. } => ("heartbeat", Json::Null),
        Stimulus::MapRunUpdated { run, max_concurrency, tolerated_count, tolerated_percentage } => {
            let mut changes = Object::new();
            changes.insert("run", Json::Int(run.0 as i64));
            if let Some(most) = max_concurrency {
                changes.insert("most", Json::Int(i64::from(*most)));
            }
            if let Some(count) = tolerated_count {
                changes.insert("count", Json::Int(*count as i64));
            }
            if let Some(percentage) = tolerated_percentage {
                changes.insert("percentage", Json::Float(*percentage));
            }
            ("map-run", changes.into())
        }
        _ => return None,
    };
    object.insert("what", kind.into());
    object.insert("with", value);
    Some(object.into())
}

/// Reads what [`write`] has written.
fn read(request: &Json) -> Option<(ExecutionId, What)> {
    let number = |object: &Json, key: &str| object.get(key).and_then(Json::as_i64);
    let id = ExecutionId(number(request, "execution")? as u64);
    let with = request.get("with")?;
    let task = number(request, "task").map(|task| TaskId(task as u64));
    if request.get("what")?.as_str()? == "children-ended" {
        let run = TaskId(number(request, "run")? as u64);
        return Some((id, What::ChildrenEnded { run, ended: read_ends(with)? }));
    }
    let stimulus = match request.get("what")?.as_str()? {
        "stop" => Stimulus::Stop { failure: read_failure(with) },
        "redrive" => Stimulus::Redrive,
        "succeeded" => Stimulus::TaskSucceeded { task: task?, output: with.clone() },
        "failed" => {
            Stimulus::TaskFailed { task: task?, failure: read_failure(with), stage: Stage::Run }
        }
        "heartbeat" => Stimulus::TaskHeartbeat { task: task? },
        "map-run" => Stimulus::MapRunUpdated {
            run: TaskId(number(with, "run")? as u64),
            max_concurrency: number(with, "most").map(|most| most as u32),
            tolerated_count: number(with, "count").map(|count| count as u64),
            tolerated_percentage: with.get("percentage").and_then(Json::as_f64),
        },
        _ => return None,
    };
    let token = request.get("token").and_then(Json::as_str).map(str::to_owned);
    Some((
        id,
        match (token, task) {
            (Some(token), Some(task)) => What::Token { task, token, stimulus },
            // Only the holder of a token reports on a task.
            (_, Some(_)) => return None,
            (_, None) => What::Stimulus(stimulus),
        },
    ))
}

pub(crate) fn write_failure(failure: &Failure) -> Json {
    let mut object = Object::new();
    for (key, text) in [("error", &failure.error), ("cause", &failure.cause)] {
        if let Some(text) = text {
            object.insert(key, text.clone().into());
        }
    }
    object.into()
}

pub(crate) fn read_failure(value: &Json) -> Failure {
    let text = |key: &str| value.get(key).and_then(Json::as_str).map(Into::into);
    Failure { error: text("error"), cause: text("cause") }
}

fn write_reply(answer: &Result<(), Refused>) -> Json {
    let Err(refused) = answer else { return json!({"done": true}) };
    let (name, reason) = match refused {
        Refused::Stale => ("stale", ""),
        Refused::WrongToken => ("wrong-token", ""),
        Refused::Gone => ("gone", ""),
        Refused::Parked { reason } => ("parked", reason.as_str()),
        Refused::Store { reason } => ("store", reason.as_str()),
        Refused::Closing => ("closing", ""),
        Refused::Moved => ("moved", ""),
    };
    json!({"refused": (Json::from(name)), "reason": (Json::from(reason))})
}

fn read_reply(reply: &Json) -> Result<(), Refused> {
    let text = |key: &str| reply.get(key).and_then(Json::as_str).unwrap_or_default();
    let reason = || text("reason").to_owned();
    Err(match text("refused") {
        "" if reply.get("done").is_some() => return Ok(()),
        "stale" => Refused::Stale,
        "wrong-token" => Refused::WrongToken,
        "gone" => Refused::Gone,
        "parked" => Refused::Parked { reason: reason() },
        "store" => Refused::Store { reason: reason() },
        "closing" => Refused::Closing,
        "moved" => Refused::Moved,
        _ => Refused::Store { reason: "the node's answer is not understood".to_owned() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_node_asks_another_understands() {
        let failure = Failure { error: Some("E".into()), cause: None };
        let token = |stimulus| What::Token { task: TaskId(7), token: "t".to_owned(), stimulus };
        let asked = [
            What::Stimulus(Stimulus::Stop { failure: failure.clone() }),
            What::Stimulus(Stimulus::Redrive),
            What::Stimulus(Stimulus::MapRunUpdated {
                run: TaskId(3),
                max_concurrency: Some(4),
                tolerated_count: None,
                tolerated_percentage: Some(2.5),
            }),
            token(Stimulus::TaskSucceeded { task: TaskId(7), output: json!({"a": [1, null]}) }),
            token(Stimulus::TaskFailed { task: TaskId(7), failure, stage: Stage::Run }),
            token(Stimulus::TaskHeartbeat { task: TaskId(7) }),
            What::ChildrenEnded {
                run: TaskId(3),
                ended: vec![
                    (0, Ok(json!([1.5, "a"]))),
                    (7, Err(Failure { error: Some("E".into()), cause: None })),
                ],
            },
        ];
        for what in asked {
            let written = write(ExecutionId(513), &what).expect("others may ask it").to_string();
            let request = stepwright_json::parse(&written).expect("it is JSON");
            let (id, read) = read(&request).expect("it is understood");
            assert_eq!((id, format!("{read:?}")), (ExecutionId(513), format!("{what:?}")));
        }
        assert!(write(ExecutionId(513), &What::Wake).is_none());
        // Without its token, nobody ends a task.
        let forged = json!({
            "do": "ask", "execution": 513, "task": 7, "what": "succeeded", "with": null
        });
        assert!(read(&forged).is_none());
        let refusals = [
            Ok(()),
            Err(Refused::Stale),
            Err(Refused::Moved),
            Err(Refused::Parked { reason: "why".to_owned() }),
        ];
        for answer in refusals {
            assert_eq!(format!("{:?}", read_reply(&write_reply(&answer))), format!("{answer:?}"));
        }
    }
}
