//! Runs the tasks of projects on this machine.

use crate::container::Container;
use crate::project::{Reply, Work, function_reply};
use crate::{Projects, messages};
use std::sync::LazyLock;
use stepwright_engine::{Call, Denied, Report};
use stepwright_history::{Failure, Stage, TaskCall};
use stepwright_integrations::{LocalTasks, call_function, not_allowed};
use stepwright_json::{Json, json};
use stepwright_simulator::Outcome;
use tokio::sync::Semaphore;

/// The largest number of ECS tasks that run at once.
const MOST_CONTAINERS: usize = 64;

static CONTAINERS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(MOST_CONTAINERS));

impl LocalTasks for Projects {
    fn run(&self, call: Call, report: Report) -> Result<(), (Call, Report)> {
        let found = self.of_machine(&call.facts.about.machine);
        let Some(work) = found.and_then(|(project, _)| project.work(&call.call)) else {
            return Err((call, report));
        };
        if let Err(failure) = authorize(&work, &call, &report).and_then(|()| acceptable(&work)) {
            let waits = !matches!(work, Work::Function);
            report.failed(failure, if waits { Stage::Submit } else { Stage::Run });
            return Ok(());
        }
        let projects = self.clone();
        tokio::spawn(async move {
            match work {
                Work::Function => projects.call(&call, &report).await,
                Work::Container(container) => projects.contain(container, &call, &report).await,
                Work::Message(message) => messages::send(&projects, message, &call, &report).await,
            }
        });
        Ok(())
    }

    fn run_here(&self, machine: &str, call: &TaskCall) -> Option<Outcome> {
        let (project, _) = self.of_machine(machine)?;
        let work = project.work(call)?;
        if let Err(failure) = acceptable(&work) {
            return Some(Outcome::Fails(failure, Stage::Submit));
        }
        let reply = match work {
            Work::Function => {
                let (functions, runtime) = (self.functions()?, self.runtime()?);
                function_reply(runtime.block_on(call_function(&functions, call, None, None)))
            }
            Work::Container(container) => container.run(),
            Work::Message(message) => self.runtime()?.block_on(message.handled()),
        };
        Some(match reply {
            Reply::Output(output) => Outcome::Returns(output),
            Reply::Failed(failure) => Outcome::Fails(failure, Stage::Run),
            Reply::Stopped(failure) => Outcome::Stops(failure),
        })
    }
}

impl Projects {
    async fn call(&self, call: &Call, report: &Report) {
        let Some(functions) = self.functions() else { return };
        let trace_header = call.facts.trace_header.clone();
        let called =
            call_function(&functions, &call.call, trace_header, Some(call.request_id())).await;
        self.say(function_reply(called), report);
    }

    async fn contain(&self, container: Container, call: &Call, report: &Report) {
        if !call.submitted {
            report.submitted(started(&container));
        }
        let (number, running) = container.place();
        // The process needs files that exist as long as the project does.
        let project = self.of_machine(&call.facts.about.machine).map(|(project, _)| project);
        let run = async move {
            // The semaphore is never closed, so it always gives a permit.
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
                // Nobody waits for the task any more; ECS would stop it.
                tokio::task::spawn_blocking(move || running.end(number));
                return;
            }
        };
        if let Ok(reply) = reply {
            self.say(reply, report);
        }
    }

    /// Reports how a task ended. A task that is cut short by the end of the server is not reported:
    /// it is started again by the next server.
    fn say(&self, reply: Reply, report: &Report) {
        if self.is_over() {
            return;
        }
        match reply {
            Reply::Output(output) => report.succeeded(output),
            Reply::Failed(failure) => report.failed(failure, Stage::Run),
            Reply::Stopped(failure) => report.stopped(failure),
        }
    }
}

/// Checks that the service of a task would accept it. The error is the failure that the task ends
/// with.
fn acceptable(work: &Work) -> Result<(), Failure> {
    match work {
        Work::Container(container) => container.refusal().map_or(Ok(()), Err),
        Work::Function | Work::Message(_) => Ok(()),
    }
}

/// Checks that an execution may do what its task does. The error is the failure that the task ends
/// with.
fn authorize(work: &Work, call: &Call, report: &Report) -> Result<(), Failure> {
    let options = report.engine().options();
    let (region, account) = (&options.region, &options.account);
    let check =
        |action: &str, resource: &str| options.authorizer.authorize(&call.facts, action, resource);
    let refused = |error: &str, denied: Denied| {
        Failure::new(error, format!("{denied} (Error Code: AccessDeniedException)"))
    };
    match work {
        Work::Function => check("lambda:InvokeFunction", &call.call.resource)
            .map_err(|denied| not_allowed(&denied)),
        Work::Container(container) => {
            let name = container.name();
            let resource = format!("arn:aws:ecs:{region}:{account}:task-definition/{name}");
            check("ecs:RunTask", &resource)
                .map_err(|denied| refused("ECS.AmazonECSException", denied))
        }
        Work::Message(message) => {
            let (name, ..) = message.parts();
            check("sqs:SendMessage", &format!("arn:aws:sqs:{region}:{account}:{name}"))
                .map_err(|denied| refused("SQS.AmazonSQSException", denied))
        }
    }
}

/// The answer of `RunTask`.
fn started(container: &Container) -> Json {
    let task = json!({
        "Containers": [{"LastStatus": "PENDING", "Name": (container.name())}],
        "DesiredStatus": "RUNNING",
        "LastStatus": "PROVISIONING",
        "LaunchType": "FARGATE"
    });
    json!({"Failures": [], "Tasks": [(task)]})
}
