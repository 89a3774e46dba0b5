use crate::common::IntegrationPattern::RunJob;
use crate::duration::{Minutes, Timeout};
use crate::fields::choices;
use crate::metrics::TaskMetrics;
use crate::tasks::{Plan, ServiceTask};
use crate::text::{local_arn, text};
use crate::value::Value;
use crate::{Input, Num, Str, object};

task! {
    /// Starts a run of a Glue job.
    ///
    /// `task_timeout` is the time limit of the run, in whole minutes.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let run = GlueStartJobRun::new("Task", "my-glue-job")
    ///     .arguments(object! {"key": "value"})
    ///     .task_timeout(minutes(30))
    ///     .notify_delay_after(minutes(5));
    /// assert!(StateMachine::new("Running", run).asl().is_ok());
    /// ```
    #[doc(alias = "RunGlueJobTask")]
    pub struct GlueStartJobRun [RequestResponse, RunJob] {
        required { glue_job_name: Str => "JobName", }
        optional {
            /// The arguments of the job.
            arguments: Input => "Arguments",
            /// The name of the security configuration.
            security_configuration: Str => "SecurityConfiguration",
            /// The delay after which a notification is sent that the run takes long.
            notify_delay_after: Minutes,
            /// The type of the workers: `G.1X`. Requires `number_of_workers`.
            #[doc(alias = "WorkerType")]
            #[doc(alias = "WorkerTypeV2")]
            worker_type: Str => "WorkerType",
            /// The number of workers.
            number_of_workers: Num => "NumberOfWorkers",
            /// Whether the run uses spare capacity.
            execution_class: GlueExecutionClass => "ExecutionClass",
        }
    }
}

choices! {
    /// Whether a run uses spare capacity.
    #[doc(alias = "ExecutionClass")]
    pub enum GlueExecutionClass {
        /// It uses spare capacity, which is cheaper but may start later.
        Flex = "FLEX",
        /// It does not use spare capacity.
        Standard = "STANDARD",
    }
}

impl ServiceTask for GlueStartJobRun {
    fn metrics(&self) -> Option<TaskMetrics> {
        let name = self.glue_job_name.known_or_any();
        Some(TaskMetrics {
            singular: "GlueJob",
            plural: "GlueJobs",
            dimensions: vec![("GlueJobName".into(), name)],
        })
    }

    fn plan(&self, plan: &mut Plan) {
        plan.service("glue", "startJobRun");
        let mut actions = vec!["glue:StartJobRun"];
        if plan.is(RunJob) {
            actions.extend(["glue:GetJobRun", "glue:GetJobRuns", "glue:BatchStopJobRun"]);
        }
        let job = local_arn("glue", text!("job/", self.glue_job_name.known_or_any()));
        plan.allow(&actions, [job]);
        if self.number_of_workers.is_some() != self.worker_type.is_some() {
            plan.problem("`worker_type` and `number_of_workers` go together");
        }
        self.put_fields(plan);
        if let Some(after) = &self.notify_delay_after {
            plan.put("NotificationProperty", object! {"NotifyDelayAfter": after.clone()});
        }
        match plan.take_timeout() {
            Some(Timeout::After(time)) => plan.put("Timeout", Value::from(Minutes::from(time))),
            Some(Timeout::At(at)) => plan.put("Timeout", at),
            None => {}
        }
    }
}
