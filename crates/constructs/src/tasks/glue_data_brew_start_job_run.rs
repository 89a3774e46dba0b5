use crate::Str;
use crate::common::IntegrationPattern::RunJob;
use crate::tasks::{Plan, ServiceTask};
use crate::text::{local_arn, text};

task! {
    /// Starts a Glue DataBrew job.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let run = GlueDataBrewStartJobRun::new("Task", "databrew-job");
    /// assert!(StateMachine::new("Brewing", run).asl().is_ok());
    /// ```
    pub struct GlueDataBrewStartJobRun [RequestResponse, RunJob] {
        required { name: Str => "Name", }
        optional {}
    }
}

impl ServiceTask for GlueDataBrewStartJobRun {
    fn plan(&self, plan: &mut Plan) {
        plan.service("databrew", "startJobRun");
        let mut actions = vec!["databrew:startJobRun"];
        if plan.is(RunJob) {
            actions.extend(["databrew:stopJobRun", "databrew:listJobRuns"]);
        }
        plan.allow(&actions, [local_arn("databrew", text!("job/", self.name.known_or_any()))]);
        self.put_fields(plan);
    }
}
