//! Messages for `ecs:worker` tasks. They are kept in the server's store until they have been handled,
//! so that a server that ends sends them again when it is back.

use super::{Projects, Server};
use crate::local_project::{Message, Reply};
use stepwright_engine::{Call, Report};
use stepwright_history::{Failure, Stage};
use stepwright_json::{Json, Object, Str, json};

/// What the keys of documents with messages begin with.
const KEY: &str = "fluxio/message/";

/// A message that is kept.
struct Kept {
    key: String,
    execution: Str,
    token: Str,
}

/// Sends the message of a task. The answer comes with its token, maybe to a later server.
pub(super) async fn send(projects: &Projects, message: Message, call: &Call, report: &Report) {
    let server = projects.server().await;
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
    if !server.put(vec![(kept.key.clone(), Some(value))]).await {
        let cause = "the message cannot be kept";
        report.failed(Failure::new("SQS.SqsException", cause), Stage::Submit);
        return;
    }
    report.submitted(json!({"MessageId": (server.api.engine().new_uuid())}));
    handle(projects, &server, message, kept).await;
}

/// Sends the messages that a former server has left.
pub(super) async fn send_again(projects: Projects) {
    let server = projects.server().await;
    for (key, value) in server.documents(KEY).await {
        let text = |name: &str| -> Str {
            value.get(name).and_then(Json::as_str).unwrap_or_default().into()
        };
        let part = |name: &str| value.get(name).cloned().unwrap_or_default();
        let kept = Kept { key, execution: text("execution"), token: text("token") };
        let pool = projects
            .of_machine(&text("machine"))
            .and_then(|(project, _)| project.pool(&text("task")));
        let (projects, server) = (projects.clone(), server.clone());
        let Some(pool) = pool else {
            let cause = format!("the task `{}` is not there any more", text("task"));
            let reply = Reply::Failed(Failure::new("States.TaskFailed", cause));
            answer(&server, reply, &kept).await;
            continue;
        };
        let message = Message::new(pool, part("body"), part("meta"));
        tokio::spawn(async move { handle(&projects, &server, message, kept).await });
    }
}

async fn handle(projects: &Projects, server: &Server, message: Message, kept: Kept) {
    let reply = message.handled().await;
    if !projects.is_over() {
        answer(server, reply, &kept).await;
    }
}

async fn answer(server: &Server, reply: Reply, kept: &Kept) {
    let mut body = Object::new();
    body.insert("taskToken", kept.token.clone().into());
    let sent = match reply {
        Reply::Output(output) => {
            body.insert("output", output.to_string().into());
            server.api.call("SendTaskSuccess", body.into()).await
        }
        Reply::Failed(failure) => {
            for (key, text) in [("error", failure.error), ("cause", failure.cause)] {
                if let Some(text) = text {
                    body.insert(key, text.into());
                }
            }
            server.api.call("SendTaskFailure", body.into()).await
        }
        Reply::Stopped(failure) => {
            server.stop_execution(&kept.execution, &failure).await;
            Ok(Json::Null)
        }
    };
    match sent {
        Ok(_) => {}
        // Nobody waits for it any more.
        Err(error) if matches!(error.code, "TaskTimedOut" | "TaskDoesNotExist") => {}
        Err(_) if server.api.engine().is_closing() => return,
        // An output that is too large, say.
        Err(error) => {
            let body = json!({
                "taskToken": (kept.token.clone()),
                "error": (error.code),
                "cause": (error.message)
            });
            if let Err(error) = server.api.call("SendTaskFailure", body).await {
                tracing::error!(%error.message, kept.key, "a worker's answer was not taken");
            }
        }
    }
    server.put(vec![(kept.key.clone(), None)]).await;
}
