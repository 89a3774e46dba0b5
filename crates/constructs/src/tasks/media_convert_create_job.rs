use crate::Input;
use crate::common::IntegrationPattern::RunJob;
use crate::iam::Statement;
use crate::object;
use crate::tasks::{Plan, ServiceTask};
use crate::value::Value;

task! {
    /// Starts a MediaConvert job. The request has a `Role` and `Settings`, in the form that the
    /// service takes.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let convert = MediaConvertCreateJob::new("Convert", object! {
    ///     "Role": "arn:aws:iam::123456789012:role/MediaConvert",
    ///     "Settings": {"Inputs": [{"FileInput": "s3://in/video.mov"}]},
    /// });
    /// assert!(StateMachine::new("Converting", convert).asl().is_ok());
    /// ```
    pub struct MediaConvertCreateJob [RequestResponse, RunJob] {
        required { create_job_request: Input, }
        optional {}
    }
}

impl ServiceTask for MediaConvertCreateJob {
    fn plan(&self, plan: &mut Plan) {
        plan.service("mediaconvert", "createJob");
        let member = |name: &str| match &self.create_job_request {
            Value::Object(members) => {
                members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
            }
            _ => None,
        };
        for name in ["Role", "Settings"] {
            if member(name).is_none() {
                plan.problem(format!("the request has to have `{name}`"));
            }
        }
        let role = member("Role").map_or_else(|| "*".into(), Value::known_or_any);
        let passed = object! {"StringLike": {"iam:PassedToService": "mediaconvert.amazonaws.com"}};
        plan.state(Statement::allow(["iam:PassRole"], [role]).when(passed));
        plan.allow(&["mediaconvert:CreateJob"], ["*"]);
        if plan.is(RunJob) {
            plan.allow(&["mediaconvert:GetJob", "mediaconvert:CancelJob"], ["*"]);
            plan.allow_events("StepFunctionsGetEventsForMediaConvertJobRule");
        }
        plan.only(Some(self.create_job_request.clone()));
    }
}
