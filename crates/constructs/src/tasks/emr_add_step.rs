use crate::common::IntegrationPattern::RunJob;
use crate::fields::choices;
use crate::tasks::{Plan, ServiceTask};
use crate::text::local_arn;
use crate::value::Value;
use crate::{Items, Str, object};

task! {
    /// Adds a step to an EMR cluster and waits for its end.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let step = EmrAddStep::new("Task", "ClusterId", "StepName", "Jar")
    ///     .action_on_failure(ActionOnFailure::Continue);
    /// assert!(StateMachine::new("Steps", step).asl().is_ok());
    /// ```
    pub struct EmrAddStep [RunJob, RequestResponse] {
        required { cluster_id: Str => "ClusterId", name: Str, jar: Str, }
        optional {
            /// What happens if the step fails. By default the cluster continues.
            action_on_failure: ActionOnFailure,
            /// The arguments of the program.
            args: Items,
            /// The ARN of the step's role.
            execution_role_arn: Str => "ExecutionRoleArn",
            /// The main class, if the archive does not name one.
            main_class: Str,
            /// Java properties.
            properties: {Str},
        }
    }
}

choices! {
    /// What happens if a step fails.
    pub enum ActionOnFailure {
        /// The cluster is terminated.
        TerminateCluster = "TERMINATE_CLUSTER",
        /// Waiting steps are cancelled.
        CancelAndWait = "CANCEL_AND_WAIT",
        /// Nothing: the cluster continues.
        Continue = "CONTINUE",
    }
}

impl ServiceTask for EmrAddStep {
    fn plan(&self, plan: &mut Plan) {
        plan.service("elasticmapreduce", "addStep");
        let actions = [
            "elasticmapreduce:AddJobFlowSteps",
            "elasticmapreduce:DescribeStep",
            "elasticmapreduce:CancelSteps",
        ];
        plan.allow(&actions, [local_arn("elasticmapreduce", "cluster/*")]);
        if plan.is(RunJob) {
            plan.allow_events("StepFunctionsGetEventForEMRAddJobFlowStepsRule");
        }
        self.put_fields(plan);
        let mut program = vec![("Jar".to_owned(), Value::from(self.jar.clone()))];
        let mut put = |key: &str, value: Option<Value>| {
            program.extend(value.map(|value| (key.to_owned(), value)));
        };
        put("MainClass", self.main_class.clone().map(Value::from));
        put("Args", self.args.clone().map(Value::from));
        put(
            "Properties",
            self.properties.as_ref().map(|properties| {
                let property =
                    |(key, value): &(String, Str)| object! {"Key": key, "Value": value.clone()};
                Value::List(properties.iter().map(property).collect())
            }),
        );
        plan.put(
            "Step",
            object! {
                "Name": self.name.clone(),
                "ActionOnFailure": self.action_on_failure.unwrap_or(ActionOnFailure::Continue),
                "HadoopJarStep": Value::Object(program),
            },
        );
    }
}
