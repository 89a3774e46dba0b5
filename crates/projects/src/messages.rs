//! Messages for `ecs:worker` tasks. They are stored on the server until they have been handled, so
//! that a server that was stopped sends them again when it is back.

use crate::project::Reply;
use crate::workers::Message;
use crate::{Host, Projects};
use stepwright_engine::{Call, Report, StopError, TokenError};
use stepwright_history::{Failure, Stage};
use stepwright_json::{Json, Str, json};
use stepwright_store::Shards;

/// The prefix of the keys of documents with messages.
const KEY: &str = "fluxio/message/";

/// A stored message.
struct Kept {
    key: String,
    execution: Str,
    token: Str,
}

/// Sends the message of a task. The answer comes with the task's token, maybe after a restart of
/// the server.
pub(crate) async fn send(projects: &Projects, message: Message, call: &Call, report: &Report) {
    let host = projects.host().await;
    let token = call.call.token.clone().unwrap_or_default();
    let kept = Kept {
        key: format!("{KEY}{}", call.idempotency_key()),
        execution: call.facts.about.arn.as_str().into(),
        token: token.to_string().into(),
    };
    let (task, body, meta) = message.parts();
    let value = json!({
        "machine": (call.facts.about.machine.as_str()),
        "task": (task),
        "body": (body.clone()),
        "meta": (meta.clone()),
        "execution": (kept.execution.clone()),
        "token": (kept.token.clone())
    });
    if !host.put(vec![(kept.key.clone(), Some(value))]).await {
        let cause = "the message cannot be kept";
        report.failed(Failure::new("SQS.SqsException", cause), Stage::Submit);
        return;
    }
    report.submitted(json!({"MessageId": (host.engine.new_uuid())}));
    handle(projects, &host, message, kept).await;
}

/// Sends the messages again that were left when the server ended that had these shards.
pub(crate) async fn send_again(projects: &Projects, shards: &Shards) {
    let host = projects.host().await;
    for (key, value) in host.documents(KEY).await {
        if !shards.are_all() && !is_in(&host, &value, shards).await {
            continue;
        }
        let text = |name: &str| -> Str {
            value.get(name).and_then(Json::as_str).unwrap_or_default().into()
        };
        let part = |name: &str| value.get(name).cloned().unwrap_or_default();
        let kept = Kept { key, execution: text("execution"), token: text("token") };
        let pool = projects
            .of_machine(&text("machine"))
            .and_then(|(project, _)| project.pool(&text("task")));
        let (projects, host) = (projects.clone(), host.clone());
        let Some(pool) = pool else {
            let cause = format!("the task `{}` is not there any more", text("task"));
            let reply = Reply::Failed(Failure::new("States.TaskFailed", cause));
            answer(&host, reply, &kept).await;
            continue;
        };
        let message = Message::new(pool, part("body"), part("meta"));
        tokio::spawn(async move { handle(&projects, &host, message, kept).await });
    }
}

/// Whether the execution that sent a message is in one of these shards.
async fn is_in(host: &Host, message: &Json, shards: &Shards) -> bool {
    let arn = message.get("execution").and_then(Json::as_str).unwrap_or_default();
    let row = host.engine.execution_row(arn).await;
    row.is_ok_and(|row| row.is_some_and(|row| shards.has(row.id.shard())))
}

async fn handle(projects: &Projects, host: &Host, message: Message, kept: Kept) {
    let reply = message.handled().await;
    if !projects.is_over() {
        answer(host, reply, &kept).await;
    }
}

async fn answer(host: &Host, reply: Reply, kept: &Kept) {
    let engine = &host.engine;
    let said = match reply {
        Reply::Output(output) => engine.task_succeeded(&kept.token, output).await,
        Reply::Failed(failure) => engine.task_failed(&kept.token, failure).await,
        Reply::Stopped(failure) => match engine.stop(&kept.execution, failure).await {
            Ok(_) | Err(StopError::NoSuchExecution) => Ok(()),
            Err(StopError::Refused(refused)) => Err(TokenError::Refused(refused)),
        },
    };
    match said {
        // If nobody waits for the answer any more, the message is done as well.
        Ok(()) | Err(TokenError::Invalid | TokenError::TimedOut) => {}
        Err(error) => {
            // The message stays, and is sent again after the next start of the server.
            tracing::error!(%error, kept.key, "a worker's answer was not taken");
            return;
        }
    }
    host.put(vec![(kept.key.clone(), None)]).await;
}
