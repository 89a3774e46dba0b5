use crate::common::IntegrationPattern::RunJob;
use crate::metrics::TaskMetrics;
use crate::resources::BuildProject;
use crate::tasks::code_build_start_build::{build_metrics, plan_build};
use crate::tasks::{BuildVariable, Plan, ServiceTask};

task! {
    /// Starts a CodeBuild batch build.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let build = CodeBuildStartBuildBatch::new("Task", BuildProject::from_name("MyTestProject"));
    /// assert!(StateMachine::new("Building", build).asl().is_ok());
    /// ```
    pub struct CodeBuildStartBuildBatch [RequestResponse, RunJob] {
        required { project: BuildProject, }
        optional {
            /// Environment variables that override those of the project.
            environment_variables_override: {BuildVariable},
        }
    }
}

impl ServiceTask for CodeBuildStartBuildBatch {
    fn metrics(&self) -> Option<TaskMetrics> {
        Some(build_metrics(&self.project))
    }

    fn plan(&self, plan: &mut Plan) {
        plan.service("codebuild", "startBuildBatch");
        let project = [self.project.arn()];
        if plan.is(RunJob) {
            let actions = [
                "codebuild:StartBuildBatch",
                "codebuild:StopBuildBatch",
                "codebuild:BatchGetBuildBatches",
            ];
            plan.allow(&actions, project);
            plan.allow_events("StepFunctionsGetEventForCodeBuildStartBuildBatchRule");
        } else {
            plan.allow(&["codebuild:StartBuildBatch"], project);
        }
        plan_build(plan, &self.project, self.environment_variables_override.as_ref());
    }
}
