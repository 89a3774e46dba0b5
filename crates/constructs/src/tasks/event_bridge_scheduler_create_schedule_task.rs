use crate::common::IntegrationPattern::RunJob;
use crate::duration::{Minutes, Seconds};
use crate::fields::choices;
use crate::resources::{Key, Queue, Role};
use crate::tasks::{Plan, ServiceTask};
use crate::text::{Text, local_arn, text};
use crate::value::Value;
use crate::{Str, object};
use std::time::Duration;

task! {
    /// Creates an EventBridge Scheduler schedule.
    ///
    /// AWS is not expected to accept `.sync` for it. It is refused unless `unsupported_by_aws` asks
    /// for the definition that the CDK would write.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let target = ScheduleTarget::new(Queue::from_name("q").arn(), Role::new("Caller", "scheduler.amazonaws.com"));
    /// let schedule = EventBridgeSchedulerCreateScheduleTask::new(
    ///     "Plan", "nightly", Schedule::cron("0", "3", "*", "*", "?", "*"), target,
    /// );
    /// assert!(StateMachine::new("Planning", schedule).asl().is_ok());
    /// ```
    pub struct EventBridgeSchedulerCreateScheduleTask [RequestResponse, RunJob, WaitForTaskToken] {
        required { schedule_name: Str, schedule: Schedule => "ScheduleExpression", target: ScheduleTarget, }
        optional {
            /// What happens to the schedule after its last invocation. Defaults to nothing.
            action_after_completion: ActionAfterCompletion,
            /// Makes the request safe to repeat.
            client_token: Str => "ClientToken",
            /// The description, at most 512 characters.
            description: Str => "Description",
            /// When the schedule ends, in RFC 3339.
            end_date: Str => "EndDate",
            /// When the schedule starts, in RFC 3339.
            start_date: Str => "StartDate",
            /// The window after the scheduled time in which it may be invoked: from a minute to a
            /// day.
            flexible_time_window: Minutes,
            /// The schedule group. Defaults to `default`.
            group_name: Str => "GroupName",
            /// The key with which it is encrypted.
            kms_key: Key,
            /// The time zone: `Europe/Berlin`.
            timezone: Str => "ScheduleExpressionTimezone",
            /// Whether the schedule is enabled. Defaults to true.
            enabled: bool,
            /// Writes `.sync` although AWS is not expected to accept it.
            unsupported_by_aws: bool,
        }
    }
}

choices! {
    /// What happens to a schedule after its last invocation.
    pub enum ActionAfterCompletion {
        /// Nothing.
        None = "NONE",
        /// The schedule is deleted.
        Delete = "DELETE",
    }
}

/// A schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule(Str);

impl Schedule {
    /// Repeats after this time, in whole minutes.
    pub fn rate(every: Duration) -> Self {
        let minutes = every.as_secs() / 60;
        let (count, unit) = match minutes {
            minutes if minutes > 0 && minutes % 1_440 == 0 => (minutes / 1_440, "day"),
            minutes if minutes > 0 && minutes % 60 == 0 => (minutes / 60, "hour"),
            minutes => (minutes, "minute"),
        };
        // The service accepts both the singular and the plural.
        Self(format!("rate({count} {unit}s)").into())
    }

    /// At the times of a cron expression, in EventBridge's notation.
    pub fn cron(
        minute: &str,
        hour: &str,
        day: &str,
        month: &str,
        week_day: &str,
        year: &str,
    ) -> Self {
        Self(format!("cron({minute} {hour} {day} {month} {week_day} {year})").into())
    }

    /// Once: `2026-11-30T12:00:00`, in the time zone of the schedule.
    pub fn one_time(moment: &str) -> Self {
        Self(format!("at({moment})").into())
    }

    /// An expression as the service accepts it, literal or computed.
    pub fn expression(expression: impl Into<Str>) -> Self {
        Self(expression.into())
    }
}

impl From<Schedule> for Value {
    fn from(schedule: Schedule) -> Self {
        schedule.0.into()
    }
}

/// The target that a schedule invokes.
#[derive(Clone, Debug, PartialEq)]
#[doc(alias = "EventBridgeSchedulerTarget")]
pub struct ScheduleTarget {
    arn: Str,
    role: Role,
    input: Option<Str>,
    retry: Option<(u32, Duration)>,
    dead_letters: Option<Queue>,
}

impl ScheduleTarget {
    /// Invokes the resource with this ARN, with this role.
    pub fn new(arn: impl Into<Str>, role: impl Into<Role>) -> Self {
        Self { arn: arn.into(), role: role.into(), input: None, retry: None, dead_letters: None }
    }

    /// The input of the target.
    #[must_use]
    pub fn input(mut self, input: impl Into<Str>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// How often (0 to 185) and for how long (a minute to a day) a failed invocation is retried.
    #[must_use]
    pub fn retry_policy(mut self, maximum_attempts: u32, maximum_age: Duration) -> Self {
        self.retry = Some((maximum_attempts, maximum_age));
        self
    }

    /// The queue for failed invocations.
    #[must_use]
    pub fn dead_letter_queue(mut self, queue: impl Into<Queue>) -> Self {
        self.dead_letters = Some(queue.into());
        self
    }

    fn to_value(&self) -> Value {
        let mut members = vec![
            ("Arn".to_owned(), Value::from(self.arn.clone())),
            ("RoleArn".to_owned(), self.role.value()),
        ];
        let mut put = |key: &str, value: Option<Value>| {
            members.extend(value.map(|value| (key.to_owned(), value)));
        };
        put("Input", self.input.clone().map(Value::from));
        put(
            "RetryPolicy",
            self.retry.map(|(attempts, age)| {
                object! {
                    "MaximumEventAgeInSeconds": Seconds::from(age), "MaximumRetryAttempts": attempts,
                }
            }),
        );
        put(
            "DeadLetterConfig",
            self.dead_letters.as_ref().map(|queue| object! {"Arn": queue.arn()}),
        );
        Value::Object(members)
    }

    fn check(&self, plan: &mut Plan) {
        if let Some((attempts, age)) = self.retry {
            if attempts > 185 {
                plan.problem("a target can be tried again 185 times at most");
            }
            if !(60..=86_400).contains(&age.as_secs()) {
                plan.problem("a target can be tried again for a minute to a day");
            }
        }
    }
}

impl ServiceTask for EventBridgeSchedulerCreateScheduleTask {
    fn plan(&self, plan: &mut Plan) {
        plan.service("aws-sdk:scheduler", "createSchedule");
        if plan.is(RunJob) && self.unsupported_by_aws != Some(true) {
            plan.problem("AWS is not expected to accept RUN_JOB for this task; `unsupported_by_aws(true)` writes it all the same");
        }
        let window = self.flexible_time_window.as_ref();
        if window
            .and_then(Minutes::known)
            .is_some_and(|window| !(60..=86_400).contains(&window.as_secs()))
        {
            plan.problem("`flexible_time_window` has to be a minute to a day");
        }
        let long =
            self.description.as_ref().map(|text| text.known_or_any().readable().chars().count());
        if long.is_some_and(|long| long > 512) {
            plan.problem("`description` can have 512 characters at most");
        }
        self.target.check(plan);
        plan.uses(self.target.role.resources());
        plan.uses(self.kms_key.as_ref().map_or_else(Vec::new, Key::resources));
        plan.uses(self.target.dead_letters.as_ref().map_or_else(Vec::new, Queue::resources));
        let part = |param: Option<&Str>, default: &str| -> Text {
            param.map_or_else(|| default.into(), Str::known_or_any)
        };
        let group = part(self.group_name.as_ref(), "default");
        let name = part(Some(&self.schedule_name), "*");
        plan.allow(
            &["scheduler:CreateSchedule"],
            [local_arn("scheduler", text!("schedule/", group, "/", name))],
        );
        plan.allow(&["iam:PassRole"], [self.target.role.arn()]);

        plan.put(
            "ActionAfterCompletion",
            self.action_after_completion.unwrap_or(ActionAfterCompletion::None),
        );
        plan.put(
            "FlexibleTimeWindow",
            match window {
                Some(window) => {
                    object! {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": window.clone()}
                }
                None => object! {"Mode": "OFF"},
            },
        );
        plan.put("Name", self.schedule_name.clone());
        plan.maybe("KmsKeyArn", self.kms_key.as_ref().map(Key::arn));
        plan.put("State", if self.enabled.unwrap_or(true) { "ENABLED" } else { "DISABLED" });
        plan.put("Target", self.target.to_value());
        self.put_fields(plan);
    }
}
