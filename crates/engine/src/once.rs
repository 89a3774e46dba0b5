use crate::facts::More;
use crate::starts::LONGEST_EXPRESS_SECONDS;
use crate::{Call, Engine, Facts, Principal, Report, Revision, Trace};
use std::sync::Arc;
use std::time::Duration;
use stepwright_history::{Failure, Stage, TaskCall, TaskId};
use stepwright_interpreter::Stimulus;
use stepwright_json::Json;
use stepwright_store::{About, ExecutionId};
use tokio::sync::{mpsc, watch};

impl Engine {
    /// Makes one call that belongs to no execution on behalf of its caller, and waits for its
    /// result. `TestState` uses it, with a trace if the request and the response are to be seen.
    pub async fn call_once(
        &self,
        revision: Arc<Revision>,
        arn: &str,
        principal: Principal,
        call: TaskCall,
        trace: Option<Arc<Trace>>,
    ) -> Result<Json, (Failure, Stage)> {
        let more = More { revision: revision.id.clone(), ..More::default() };
        let about = About {
            arn: arn.to_owned(),
            started_at: self.now().0,
            more: more.write(),
            ..About::default()
        };
        let facts = Arc::new(Facts {
            id: ExecutionId(0),
            about,
            revision,
            test_case: None,
            trace_header: None,
            parent: None,
            principal,
            fork: None,
            is_express: true,
        });
        let seconds = call.timeout_seconds.map_or(LONGEST_EXPRESS_SECONDS, i64::unsigned_abs);
        let limit = Duration::from_secs(seconds.min(LONGEST_EXPRESS_SECONDS));
        let task = TaskId(0);
        let (sender, receiver) = mpsc::unbounded_channel();
        // Held until the end, because dropping it would cancel the call.
        let (call_off, cancelled) = watch::channel(false);
        let report = Report::to_caller(self, sender, task, cancelled, trace);
        let call =
            Call { facts, task, call: Box::new(call), submitted: false, map_path: Vec::new() };
        self.options().tasks.run(call, report);
        let ended = tokio::time::timeout(limit, end(receiver)).await;
        call_off.send_replace(true);
        ended.unwrap_or_else(|_| {
            Err((Failure { error: Some("States.Timeout".into()), cause: None }, Stage::Run))
        })
    }
}

async fn end(mut stimuli: mpsc::UnboundedReceiver<Stimulus>) -> Result<Json, (Failure, Stage)> {
    loop {
        match stimuli.recv().await {
            Some(Stimulus::TaskSucceeded { output, .. }) => return Ok(output),
            Some(Stimulus::TaskFailed { failure, stage, .. }) => return Err((failure, stage)),
            Some(Stimulus::Stop { failure }) => return Err((failure, Stage::Run)),
            Some(_) => {}
            None => return Err((Failure::default(), Stage::Run)),
        }
    }
}
