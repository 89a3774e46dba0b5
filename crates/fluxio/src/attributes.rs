//! Checks the attributes of tasks against what AWS accepts.

use crate::Task;
use crate::refused::CODE;
use std::collections::BTreeMap;
use stepwright_json::Json;
use stepwright_source::{Diagnostic, Span};

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

impl Task {
    /// The value of an attribute, if it is a whole number.
    pub fn number(&self, attribute: &str) -> Option<i64> {
        self.attributes.get(attribute).and_then(Json::as_i64)
    }

    /// The longest that one call of the task may take, in seconds: the timeout of the class, or the
    /// longest that a call gives it.
    pub fn longest(&self) -> i64 {
        self.number("timeout").unwrap_or(300).max(self.longest_call)
    }

    /// The longest that it may take as a function, in seconds.
    pub fn longest_as_function(&self) -> i64 {
        self.longest().clamp(1, LONGEST_FUNCTION)
    }

    /// The smallest and largest number of workers: one, unless the class sets them.
    pub fn scale(&self) -> (i64, i64) {
        let least = self.number("autoscaling_min").unwrap_or(1);
        (least, self.number("autoscaling_max").unwrap_or(1).max(least))
    }

    /// How long a message is hidden from other workers, in seconds: for two heartbeats, or for as
    /// long as the task may take.
    pub fn visibility(&self) -> i64 {
        match self.number("heartbeat_interval") {
            Some(interval) => interval.saturating_mul(2),
            None => self.longest().min(LONGEST_MESSAGE),
        }
    }
}

/// Reports attributes that AWS would not accept.
pub(crate) fn check(name: &str, task: &Task, places: &BTreeMap<String, Span>) -> Vec<Diagnostic> {
    let mut check = Check { name, task, places, found: Vec::new() };
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
    check.found
}

struct Check<'c> {
    name: &'c str,
    task: &'c Task,
    places: &'c BTreeMap<String, Span>,
    found: Vec<Diagnostic>,
}

impl Check<'_> {
    fn refuse(&mut self, attribute: &str, message: &str, help: &str) {
        let name = self.name;
        let message = format!("the attribute `{attribute}` of the task `{name}`: {message}");
        self.add(&[&format!("{name}.{attribute}"), name], message, help);
    }

    /// Adds a complaint at the first of these places that the text has.
    fn add(&mut self, places: &[&str], message: String, help: &str) {
        let mut complaint = Diagnostic::error(CODE, message).help(help);
        complaint.span = places.iter().find_map(|place| self.places.get(*place)).copied();
        self.found.push(complaint);
    }

    fn value(&self, attribute: &str) -> Json {
        self.task.attributes.get(attribute).cloned().unwrap_or_default()
    }

    fn run(&mut self) {
        if self.task.run.is_none() {
            let message = format!("the task `{}`: it has no `run` method", self.name);
            self.add(&[self.name], message, "write `async def run(event, context):`");
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
            self.refuse(attribute, &message, help);
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
                self.refuse("memory", &message, help);
            }
            return;
        }
        let Some((_, least, most, step)) =
            FARGATE.iter().find(|(units, ..)| cpu.as_i64() == Some(*units))
        else {
            let units: Vec<String> = FARGATE.iter().map(|(units, ..)| units.to_string()).collect();
            let message = format!("Fargate takes 256, {}, not {cpu}", units.join(", "));
            self.refuse("cpu", &message, help);
            return;
        };
        let fits = |memory: i64| (*least..=*most).contains(&memory) && (memory - least) % step == 0;
        if !memory.as_i64().is_some_and(fits) {
            let message = format!(
                "with a `cpu` of {cpu}, Fargate takes {least} to {most} in steps of {step}, not {memory}"
            );
            self.refuse("memory", &message, help);
        }
    }

    fn worker(&mut self) {
        let spec = self.value("spec");
        if !spec.as_str().is_some_and(is_spec) {
            let message = format!("it names the class of the worker, which {spec} does not");
            self.refuse("spec", &message, "write `spec = \"package.module:Class\"`");
        }
        let timeout = self.task.number("timeout").unwrap_or(LONGEST_MESSAGE);
        let interval = self.value("heartbeat_interval");
        if !interval.is_null()
            && !interval.as_i64().is_some_and(|seconds| (1..timeout).contains(&seconds))
        {
            let message =
                format!("it is below the task's timeout of {timeout}, which {interval} is not");
            self.refuse("heartbeat_interval", &message, "write whole seconds, from 1");
        } else if self.task.visibility() > LONGEST_MESSAGE {
            let message = format!(
                "SQS hides a message for {LONGEST_MESSAGE} seconds at most, not for two times {interval}"
            );
            self.refuse("heartbeat_interval", &message, "send heartbeats more often");
        }
        let least_is_good = self.whole("autoscaling_min", 0, 5000);
        let most_is_good = self.whole("autoscaling_max", 1, 5000);
        let least = self.task.number("autoscaling_min").unwrap_or(1);
        let most = self.task.number("autoscaling_max").unwrap_or(1);
        // If only the minimum is set, it raises the maximum.
        let sets_most = self.task.set.contains("autoscaling_max");
        if least_is_good && most_is_good && sets_most && most < least {
            let message = format!("it is {most}, below `autoscaling_min`, which is {least}");
            self.refuse("autoscaling_max", &message, "raise it, or lower the other");
        }
    }

    fn build_spec(&mut self) {
        let spec = self.value("build_spec");
        if !(spec.is_null() || spec.as_str().is_some() || spec.as_object().is_some()) {
            let message = format!("a build specification is a dict or a text, not {spec}");
            self.refuse("build_spec", &message, "leave it out if the source has a buildspec.yml");
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
