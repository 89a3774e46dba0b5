use crate::common::IntegrationPattern::RunJob;
use crate::metrics::TaskMetrics;
use crate::resources::BuildProject;
use crate::tasks::{Plan, ServiceTask};
use crate::value::Value;
use crate::{Str, object};

task! {
    /// Starts a CodeBuild build.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let build = CodeBuildStartBuild::new("Task", BuildProject::from_name("MyTestProject"))
    ///     .integration_pattern(IntegrationPattern::RunJob)
    ///     .environment_variables_override([("ZONE", BuildVariable::plain(string_at("$.envVariables.zone")))]);
    /// assert!(StateMachine::new("Building", build).asl().is_ok());
    /// ```
    pub struct CodeBuildStartBuild [RequestResponse, RunJob] {
        required { project: BuildProject, }
        optional {
            /// Environment variables that override those of the project.
            environment_variables_override: {BuildVariable},
        }
    }
}

/// An environment variable of a build.
#[derive(Clone, Debug, PartialEq)]
pub struct BuildVariable {
    kind: &'static str,
    value: Value,
}

impl BuildVariable {
    /// A literal value.
    pub fn plain(value: impl Into<Str>) -> Self {
        Self { kind: "PLAINTEXT", value: value.into().into() }
    }

    /// A parameter of Systems Manager's Parameter Store, by name.
    pub fn parameter_store(name: impl Into<Str>) -> Self {
        Self { kind: "PARAMETER_STORE", value: name.into().into() }
    }

    /// A secret of Secrets Manager, by name.
    pub fn secrets_manager(name: impl Into<Str>) -> Self {
        Self { kind: "SECRETS_MANAGER", value: name.into().into() }
    }
}

/// Plans a build or a batch build, which have the same parameters.
pub(crate) fn plan_build(
    plan: &mut Plan,
    project: &BuildProject,
    variables: Option<&Vec<(String, BuildVariable)>>,
) {
    plan.uses(project.resources());
    plan.put("ProjectName", project.name());
    plan.maybe(
        "EnvironmentVariablesOverride",
        variables.map(|variables| {
            let variable = |(name, variable): &(String, BuildVariable)| {
                object! {"Name": name, "Type": variable.kind, "Value": &variable.value}
            };
            variables.iter().map(variable).collect::<Vec<_>>()
        }),
    );
}

pub(crate) fn build_metrics(project: &BuildProject) -> TaskMetrics {
    let dimensions = vec![("ProjectArn".to_owned(), project.arn())];
    TaskMetrics { singular: "CodeBuildProject", plural: "CodeBuildProjects", dimensions }
}

impl ServiceTask for CodeBuildStartBuild {
    fn metrics(&self) -> Option<TaskMetrics> {
        Some(build_metrics(&self.project))
    }

    fn plan(&self, plan: &mut Plan) {
        plan.service("codebuild", "startBuild");
        let actions = [
            "codebuild:StartBuild",
            "codebuild:StopBuild",
            "codebuild:BatchGetBuilds",
            "codebuild:BatchGetReports",
        ];
        plan.allow(&actions, [self.project.arn()]);
        if plan.is(RunJob) {
            plan.allow_events("StepFunctionsGetEventForCodeBuildStartBuildRule");
        }
        plan_build(plan, &self.project, self.environment_variables_override.as_ref());
    }
}
