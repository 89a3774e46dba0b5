//! Checks the attributes of tasks against what AWS accepts.

use crate::complaint::{Complaints, Subject};
use stepwright_fluxio::Task;
use stepwright_json::Json;

/// Lambda's longest timeout, in seconds.
const LONGEST_FUNCTION: i64 = 900;
/// The longest time that a worker can hold a message, in seconds: twelve hours.
const LONGEST_MESSAGE: i64 = 43_200;
/// The longest build, in seconds: 36 hours.
const LONGEST_BUILD: i64 = 36 * 3600;
/// The longest timeout of a state, in seconds.
const LONGEST_STATE: i64 = 99_999_999;

/// Fargate's sizes: CPU units, the smallest and largest memory for them, and the step between
/// memory sizes, in MiB.
const FARGATE: &[(i64, i64, i64, i64)] = &[
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16_384, 1024),
    (4096, 8192, 30_720, 1024),
    (8192, 16_384, 61_440, 4096),
    (16_384, 32_768, 122_880, 8192),
];

/// The value of an attribute, if it is a whole number.
pub(crate) fn number(task: &Task, attribute: &str) -> Option<i64> {
    task.attributes.get(attribute).and_then(Json::as_i64)
}

/// The smallest and largest number of workers of a task: one, unless its class sets them.
pub(crate) fn scale(task: &Task) -> (i64, i64) {
    let least = number(task, "autoscaling_min").unwrap_or(1);
    (least, number(task, "autoscaling_max").unwrap_or(1).max(least))
}

/// How long a message is hidden from other workers: for two heartbeats, or for as long as the task
/// may take.
pub(crate) fn visibility(task: &Task) -> i64 {
    match number(task, "heartbeat_interval") {
        Some(interval) => interval.saturating_mul(2),
        None => number(task, "timeout").unwrap_or(300),
    }
}

/// Reports attributes that AWS would not accept.
pub(crate) fn check(name: &str, task: &Task, complaints: &mut Complaints) {
    let mut check = Check { name, task, complaints };
    match task.service() {
        "ecs" => {
            check.run();
            check.whole("timeout", 1, LONGEST_STATE);
            check.fargate();
        }
        "ecs:worker" => {
            check.whole("timeout", 1, LONGEST_MESSAGE);
            check.fargate();
            check.worker();
        }
        "codebuild" => {
            check.whole("timeout", 1, LONGEST_BUILD);
            check.build_spec();
        }
        "lambda:pexpm-runner" => {
            check.run();
            check.whole("timeout", 1, LONGEST_FUNCTION);
        }
        _ => {
            check.run();
            check.whole("timeout", 1, LONGEST_FUNCTION);
            check.whole("memory", 128, 10_240);
        }
    }
}

struct Check<'c> {
    name: &'c str,
    task: &'c Task,
    complaints: &'c mut Complaints,
}

impl Check<'_> {
    fn refuse(&mut self, attribute: &str, message: String, help: &str) {
        let subject = Subject::attribute(self.name, attribute);
        self.complaints.add(subject, message, help);
    }

    fn value(&self, attribute: &str) -> Json {
        self.task.attributes.get(attribute).cloned().unwrap_or_default()
    }

    fn run(&mut self) {
        if self.task.run.is_none() {
            let subject = Subject::task(self.name);
            let help = "write `async def run(event, context):`";
            self.complaints.add(subject, "it has no `run` method", help);
        }
    }

    /// Checks that the attribute is a whole number within bounds.
    fn whole(&mut self, attribute: &str, least: i64, most: i64) -> bool {
        let value = self.value(attribute);
        let is_good = value.as_i64().is_some_and(|number| (least..=most).contains(&number));
        if !is_good {
            let help = match (self.task.service(), attribute) {
                (service, "timeout") if service.starts_with("lambda") => {
                    "tasks that take longer run on the service `ecs`"
                }
                (_, "timeout") => "it is whole seconds",
                (_, "memory") => "it is whole MiB",
                _ => "write a number within these bounds",
            };
            let message = format!("{} takes {least} to {most}, not {value}", self.service());
            self.refuse(attribute, message, help);
        }
        is_good
    }

    fn service(&self) -> &'static str {
        match self.task.service() {
            "ecs" | "ecs:worker" => "ECS",
            "codebuild" => "CodeBuild",
            _ => "Lambda",
        }
    }

    fn fargate(&mut self) {
        let (cpu, memory) = (self.value("cpu"), self.value("memory"));
        let help = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html lists what goes together";
        if cpu.as_i64() == Some(256) {
            if !matches!(memory.as_i64(), Some(512 | 1024 | 2048)) {
                let message =
                    format!("with a `cpu` of 256, Fargate takes 512, 1024 and 2048, not {memory}");
                self.refuse("memory", message, help);
            }
            return;
        }
        let Some((_, least, most, step)) =
            FARGATE.iter().find(|(units, ..)| cpu.as_i64() == Some(*units))
        else {
            let units: Vec<String> = FARGATE.iter().map(|(units, ..)| units.to_string()).collect();
            let message = format!("Fargate takes 256, {}, not {cpu}", units.join(", "));
            self.refuse("cpu", message, help);
            return;
        };
        let fits = |memory: i64| (*least..=*most).contains(&memory) && (memory - least) % step == 0;
        if !memory.as_i64().is_some_and(fits) {
            let message = format!(
                "with a `cpu` of {cpu}, Fargate takes {least} to {most} in steps of {step}, not {memory}"
            );
            self.refuse("memory", message, help);
        }
    }

    fn worker(&mut self) {
        let spec = self.value("spec");
        if !spec.as_str().is_some_and(is_spec) {
            let message = format!("it names the class of the worker, which {spec} does not");
            self.refuse("spec", message, "write `spec = \"package.module:Class\"`");
        }
        let timeout = number(self.task, "timeout").unwrap_or(LONGEST_MESSAGE);
        let interval = self.value("heartbeat_interval");
        if !interval.is_null()
            && !interval.as_i64().is_some_and(|seconds| (1..timeout).contains(&seconds))
        {
            let message =
                format!("it is below the task's timeout of {timeout}, which {interval} is not");
            self.refuse("heartbeat_interval", message, "write whole seconds, from 1");
        } else if visibility(self.task) > LONGEST_MESSAGE {
            let message = format!(
                "SQS hides a message for {LONGEST_MESSAGE} seconds at most, not for two times {interval}"
            );
            self.refuse("heartbeat_interval", message, "send heartbeats more often");
        }
        let least_is_good = self.whole("autoscaling_min", 0, 5000);
        let most_is_good = self.whole("autoscaling_max", 1, 5000);
        let least = number(self.task, "autoscaling_min").unwrap_or(1);
        let most = number(self.task, "autoscaling_max").unwrap_or(1);
        // If only the minimum is set, it raises the maximum.
        let sets_most = self.task.set.contains("autoscaling_max");
        if least_is_good && most_is_good && sets_most && most < least {
            let message = format!("it is {most}, below `autoscaling_min`, which is {least}");
            self.refuse("autoscaling_max", message, "raise it, or lower the other");
        }
    }

    fn build_spec(&mut self) {
        let spec = self.value("build_spec");
        if !(spec.is_null() || spec.as_str().is_some() || spec.as_object().is_some()) {
            let message = format!("a build specification is a dict or a text, not {spec}");
            self.refuse("build_spec", message, "leave it out if the source has a buildspec.yml");
        }
    }
}

/// Whether a text is `package.module:Class`.
fn is_spec(spec: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    spec.split_once(':')
        .is_some_and(|(module, class)| module.split('.').all(is_name) && is_name(class))
}
