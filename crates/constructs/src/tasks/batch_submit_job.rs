use crate::duration::{Mebibytes, Timeout};
use crate::fields::record;
use crate::tasks::{Plan, ServiceTask};
use crate::text::{Text, Token, local_arn, text};
use crate::value::Value;
use crate::{At, Input, Jsonata, Num, PathOrText, Str, kind, object};

task! {
    /// Submits a job to AWS Batch and waits for its end.
    ///
    /// `task_timeout` is the time limit of each attempt of the job, at least a minute.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let queue = JobQueue::from_name("q");
    /// let definition = JobDefinition::from_arn("arn:aws:batch:us-east-1:123456789012:job-definition/d:1");
    /// let submit = BatchSubmitJob::new("Submit Job", definition, "MyJob", queue);
    /// assert!(StateMachine::new("Jobs", submit).asl().is_ok());
    /// ```
    #[doc(alias = "RunBatchJob")]
    pub struct BatchSubmitJob [RunJob, RequestResponse] {
        required {
            job_definition: JobDefinition => "JobDefinition",
            job_name: Str => "JobName",
            job_queue: JobQueue => "JobQueue",
        }
        optional {
            /// The number of jobs in the array: 2 to 10,000.
            array_size: Num,
            /// The number of attempts: 1 to 10.
            attempts: Num,
            /// Overrides of the job definition.
            container_overrides: BatchContainerOverrides => "ContainerOverrides",
            /// Jobs that must end first: at most 20.
            depends_on: [BatchJobDependency] => "DependsOn",
            /// The values of placeholders in the job definition.
            payload: Input => "Parameters",
            /// Tags of the job: at most 50.
            tags: {Str} => "Tags",
        }
    }
}

/// Defines types of resources of Batch, which cannot be mistaken for each other.
macro_rules! batch_resources {
    ($($(#[$doc:meta])* $name:ident: $kind:literal, $path:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name(Value);

        impl $name {
            #[doc = concat!("The ", $kind, " with this ARN.")]
            pub fn from_arn(arn: impl Into<Text>) -> Self {
                Self(arn.into().into())
            }

            #[doc = concat!("The ", $kind, " with this name, in the account and region of the stack.")]
            pub fn from_name(name: impl Into<Text>) -> Self {
                Self(local_arn("batch", text!($path, "/", name.into())).into())
            }

            #[doc = concat!("A parameter of the template: the ARN of a ", $kind, ".")]
            pub fn parameter(name: &str) -> Self {
                Self::from_arn(Token::parameter(name))
            }

            #[doc = concat!("The ", $kind, " whose ARN is computed: a path, or JSONata.")]
            pub fn at(arn: impl Into<PathOrText>) -> Self {
                Self(arn.into().0)
            }

            /// What is wrong with it.
            fn problem(&self) -> Option<String> {
                let arn = self.0.as_literal()?;
                (arn.starts_with("arn:") && !arn.contains(concat!(":", $path, "/"))).then(|| {
                    format!("`{arn}` is not the ARN of a {}", $kind)
                })
            }
        }

        impl From<$name> for Value {
            fn from(resource: $name) -> Self {
                resource.0
            }
        }

        impl From<&$name> for $name {
            fn from(resource: &$name) -> Self {
                resource.clone()
            }
        }

        impl From<At<kind::Text>> for $name {
            fn from(arn: At<kind::Text>) -> Self {
                Self::at(arn)
            }
        }

        impl From<Jsonata> for $name {
            fn from(arn: Jsonata) -> Self {
                Self::at(arn)
            }
        }
    )*};
}
batch_resources! {
    /// A queue of Batch.
    JobQueue: "job queue", "job-queue";
    /// A job definition of Batch.
    JobDefinition: "job definition", "job-definition";
}

/// Overrides of the job definition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchContainerOverrides {
    command: Option<Value>,
    environment: Option<Vec<(String, Value)>>,
    instance_type: Option<Value>,
    requirements: Vec<(&'static str, Value)>,
}

impl BatchContainerOverrides {
    /// No overrides.
    pub fn new() -> Self {
        Self::default()
    }

    /// The command.
    #[must_use]
    pub fn command(mut self, command: impl Into<crate::Items>) -> Self {
        self.command = Some(command.into().into());
        self
    }

    /// Environment variables. Names that begin with `AWS_BATCH` are reserved for AWS.
    #[must_use]
    pub fn environment<K: Into<String>, V: Into<Str>>(
        mut self,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let variable = |(name, value): (K, V)| (name.into(), Value::from(value.into()));
        self.environment = Some(variables.into_iter().map(variable).collect());
        self
    }

    /// The instance type, for multi-node jobs.
    #[must_use]
    pub fn instance_type(mut self, instance_type: impl Into<Str>) -> Self {
        self.instance_type = Some(instance_type.into().into());
        self
    }

    /// The number of GPUs.
    #[must_use]
    pub fn gpu_count(self, count: impl Into<Num>) -> Self {
        self.require("GPU", count.into().into())
    }

    /// The amount of memory.
    #[must_use]
    pub fn memory(self, memory: impl Into<Mebibytes>) -> Self {
        self.require("MEMORY", memory.into().into())
    }

    /// The number of virtual CPUs.
    #[must_use]
    pub fn vcpus(self, count: impl Into<Num>) -> Self {
        self.require("VCPU", count.into().into())
    }

    fn require(mut self, kind: &'static str, value: Value) -> Self {
        let value = match value {
            Value::Scalar(number) => number.to_string().into(),
            computed => computed,
        };
        self.requirements.push((kind, value));
        self
    }
}

impl From<BatchContainerOverrides> for Value {
    fn from(overrides: BatchContainerOverrides) -> Self {
        let mut members = Vec::new();
        let mut put = |key: &str, value: Option<Value>| {
            members.extend(value.map(|value| (key.to_owned(), value)));
        };
        put("Command", overrides.command);
        put(
            "Environment",
            overrides.environment.map(|variables| {
                let variable =
                    |(name, value): (String, Value)| object! {"Name": name, "Value": value};
                Value::List(variables.into_iter().map(variable).collect())
            }),
        );
        put("InstanceType", overrides.instance_type);
        let requirement = |(kind, value): (&str, Value)| object! {"Type": kind, "Value": value};
        // The CDK's order, whatever they were given in.
        let mut requirements = overrides.requirements;
        requirements.sort_by_key(|(kind, _)| *kind);
        let requirements: Vec<Value> = requirements.into_iter().map(requirement).collect();
        put(
            "ResourceRequirements",
            (!requirements.is_empty()).then_some(Value::List(requirements)),
        );
        Value::Object(members)
    }
}

record! {
    /// A job that must end first.
    pub struct BatchJobDependency {
        required {}
        optional {
            /// Its id.
            job_id: Str => "JobId",
            /// How arrays of jobs depend on each other: `N_TO_N` or `SEQUENTIAL`.
            dependency_type: Str => "Type",
        }
    }
}

impl ServiceTask for BatchSubmitJob {
    fn plan(&self, plan: &mut Plan) {
        self.check(plan);
        plan.service("batch", "submitJob");
        for problem in [self.job_queue.problem(), self.job_definition.problem()] {
            plan.problems().extend(problem);
        }
        let queue = Value::from(self.job_queue.clone());
        match queue.known() {
            Some(queue) => {
                let definitions = local_arn("batch", "job-definition/*");
                plan.allow(&["batch:SubmitJob"], [definitions, queue]);
            }
            None => plan.allow(&["batch:SubmitJob"], ["*"]),
        }
        plan.allow_events("StepFunctionsGetEventsForBatchJobsRule");
        self.put_fields(plan);
        plan.maybe("ArrayProperties", self.array_size.clone().map(|size| object! {"Size": size}));
        plan.maybe(
            "RetryStrategy",
            self.attempts.clone().map(|attempts| object! {"Attempts": attempts}),
        );
        // The service enforces the time limit of each attempt, so the state has none.
        if let Some(timeout) = plan.take_timeout() {
            let seconds: Value = match timeout {
                Timeout::After(time) => crate::duration::Seconds::from(time).into(),
                Timeout::At(at) => at,
            };
            if seconds.known_number().is_some_and(|seconds| seconds < 60.0) {
                plan.problem("`task_timeout` of a Batch job has to be a minute or more");
            }
            plan.put("Timeout", object! {"AttemptDurationSeconds": seconds});
        }
    }
}

impl BatchSubmitJob {
    fn check(&self, plan: &mut Plan) {
        let numbers = [
            ("array_size", &self.array_size, 2.0, 10_000.0),
            ("attempts", &self.attempts, 1.0, 10.0),
        ];
        for (name, number, least, most) in numbers {
            let number = number.as_ref().and_then(|number| number.value.known_number());
            if number.is_some_and(|number| !(least..=most).contains(&number)) {
                plan.problem(format!("`{name}` has to be between {least} and {most}"));
            }
        }
        if self.depends_on.as_ref().is_some_and(|jobs| jobs.len() > 20) {
            plan.problem("a job can depend on 20 jobs at most");
        }
        if self.tags.as_ref().is_some_and(|tags| tags.len() > 50) {
            plan.problem("a job can have 50 tags at most");
        }
        let variables = self
            .container_overrides
            .iter()
            .flat_map(|overrides| overrides.environment.iter().flatten());
        for (name, _) in variables {
            if name.starts_with("AWS_BATCH") {
                plan.problem(format!("the variable `{name}` is one of AWS Batch's own"));
            }
        }
    }
}
