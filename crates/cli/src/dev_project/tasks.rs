//! The tasks of projects, done on this machine.

use super::{Projects, messages};
use crate::local_project::{Container, LocalProject, Message, Reply, Work, function_reply};
use std::sync::LazyLock;
use stepwright_engine::{Call, Report};
use stepwright_history::{Stage, TaskKind};
use stepwright_integrations::{LocalTasks, call_function};
use stepwright_json::{Json, json};
use tokio::sync::Semaphore;

/// How many tasks on ECS run at once.
const MOST_CONTAINERS: usize = 64;

static CONTAINERS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(MOST_CONTAINERS));

/// What does a task.
enum Way {
    Function,
    Container(Container),
    Message(Message),
}

impl LocalTasks for Projects {
    fn run(&self, call: Call, report: Report) -> Result<(), (Call, Report)> {
        let found = self.of_machine(&call.facts.about.machine);
        let Some(way) = found.as_ref().and_then(|(project, _)| way_of(project, &call)) else {
            return Err((call, report));
        };
        let projects = self.clone();
        tokio::spawn(async move {
            match way {
                Way::Function => projects.call(&call, &report).await,
                Way::Container(container) => projects.contain(container, &call, &report).await,
                Way::Message(message) => messages::send(&projects, message, &call, &report).await,
            }
        });
        Ok(())
    }
}

fn way_of(project: &LocalProject, call: &Call) -> Option<Way> {
    if matches!(call.call.kind, TaskKind::Lambda) {
        return project.has_function(&call.call.resource).then_some(Way::Function);
    }
    match project.resolve(&call.call)? {
        Work::Container(container) => Some(Way::Container(container)),
        Work::Message(message) => Some(Way::Message(message)),
        // The engine has executions of its own.
        Work::Function(_) | Work::Nested(_) => None,
    }
}

impl Projects {
    async fn call(&self, call: &Call, report: &Report) {
        let server = self.server().await;
        let reply = function_reply(call_function(&server.functions, call, report).await);
        self.say(reply, call, report).await;
    }

    async fn contain(&self, container: Container, call: &Call, report: &Report) {
        if !call.submitted {
            report.submitted(started(&container));
        }
        let (number, running) = container.place();
        // What the process needs is there as long as the project is.
        let project = self.of_machine(&call.facts.about.machine).map(|(project, _)| project);
        let run = async move {
            // A semaphore that is never closed gives a permit.
            let _room = CONTAINERS.acquire().await;
            let run = move || {
                let _kept = project;
                container.run()
            };
            tokio::task::spawn_blocking(run).await
        };
        let reply = tokio::select! {
            reply = run => reply,
            () = report.cancelled() => {
                // Nobody waits for it any more, as when ECS stops a task.
                tokio::task::spawn_blocking(move || running.end(number));
                return;
            }
        };
        if let Ok(reply) = reply {
            self.say(reply, call, report).await;
        }
    }

    /// Says how a task ended; a task that a server's end has cut short begins anew with the next.
    async fn say(&self, reply: Reply, call: &Call, report: &Report) {
        if self.is_over() {
            return;
        }
        match reply {
            Reply::Output(output) => report.succeeded(output),
            Reply::Failed(failure) => report.failed(failure, Stage::Run),
            Reply::Stopped(failure) => {
                self.server().await.stop_execution(&call.facts.about.arn, &failure).await;
            }
        }
    }
}

/// What `RunTask` answers.
fn started(container: &Container) -> Json {
    let task = json!({
        "Containers": [{"LastStatus": "PENDING", "Name": (container.name())}],
        "DesiredStatus": "RUNNING",
        "LastStatus": "PROVISIONING",
        "LaunchType": "FARGATE"
    });
    json!({"Failures": [], "Tasks": [(task)]})
}
