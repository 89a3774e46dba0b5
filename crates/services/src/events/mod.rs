//! `EventBridge`: buses, rules by pattern and by schedule, and what they reach.

mod buses;
mod publish;
mod rules;
mod schedules;
mod state;
mod targets;
mod transform;

pub use publish::Event;

use crate::call::{Answer, Call, Refusal};
use crate::delivery::Deliveries;
use crate::kept::Kept;
use crate::sns::Sns;
use crate::sqs::Sqs;
use crate::{Answered, LocalService, Seat, Setup, Supported};
use state::Rules;
use std::future::ready;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use stepwright_engine::Clock;
use tokio::sync::Notify;

/// The name of the bus that is always there.
const DEFAULT: &str = "default";

/// The buses and rules of one account in one region.
pub(crate) struct Events {
    kept: Kept<Rules>,
    seat: Seat,
    clock: Arc<dyn Clock>,
    account: String,
    region: String,
    sqs: Arc<Sqs>,
    sns: Arc<Sns>,
    deliveries: Arc<Deliveries>,
    /// Whether there is a rule, so that what happens here is worth telling.
    has_rules: AtomicBool,
    /// Rung when rules change.
    changed: Arc<Notify>,
    url: Arc<OnceLock<String>>,
}

const OPERATIONS: &[Supported] = &[
    Supported::new("CreateEventBus", &["Name", "Description", "Tags"]),
    Supported::new("DeleteEventBus", &["Name"]),
    Supported::new("DeleteRule", &["Name", "EventBusName", "Force"]),
    Supported::new("DescribeEventBus", &["Name"]),
    Supported::new("DescribeRule", &["Name", "EventBusName"]),
    Supported::new("DisableRule", &["Name", "EventBusName"]),
    Supported::new("EnableRule", &["Name", "EventBusName"]),
    Supported::new("ListEventBuses", &["NamePrefix", "NextToken", "Limit"]),
    Supported::new("ListRuleNamesByTarget", &["TargetArn", "EventBusName", "NextToken", "Limit"]),
    Supported::new("ListRules", &["NamePrefix", "EventBusName", "NextToken", "Limit"]),
    Supported::new("ListTagsForResource", &["ResourceARN"]),
    Supported::new("ListTargetsByRule", &["Rule", "EventBusName", "NextToken", "Limit"]),
    Supported::new("PutEvents", &["Entries"]),
    Supported::new(
        "PutRule",
        &[
            "Name",
            "ScheduleExpression",
            "EventPattern",
            "State",
            "Description",
            "RoleArn",
            "Tags",
            "EventBusName",
        ],
    ),
    Supported::new("PutTargets", &["Rule", "EventBusName", "Targets"]),
    Supported::new("RemoveTargets", &["Rule", "EventBusName", "Ids", "Force"]),
    Supported::new("TagResource", &["ResourceARN", "Tags"]),
    Supported::new("TestEventPattern", &["EventPattern", "Event"]),
    Supported::new("UntagResource", &["ResourceARN", "TagKeys"]),
];

impl LocalService for Events {
    fn operations(&self) -> &'static [Supported] {
        OPERATIONS
    }

    fn call<'s>(&'s self, call: Call<'s>) -> Answered<'s> {
        Box::pin(self.answer(call))
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new("ValidationException", message).status(400)
}

fn not_found(what: impl std::fmt::Display) -> Refusal {
    Refusal::new("ResourceNotFoundException", format!("{what} does not exist."))
}

impl Events {
    pub(crate) fn new(
        setup: &Setup,
        sqs: Arc<Sqs>,
        sns: Arc<Sns>,
        deliveries: Arc<Deliveries>,
    ) -> Self {
        Self {
            kept: Kept::new(setup),
            seat: setup.seat.clone(),
            clock: setup.clock.clone(),
            account: setup.account.clone(),
            region: setup.region.clone(),
            sqs,
            sns,
            deliveries,
            has_rules: AtomicBool::new(false),
            changed: Arc::default(),
            url: setup.url.clone(),
        }
    }

    async fn answer(&self, call: Call<'_>) -> Answer {
        let operation: Answered<'_> = match call.operation.name.as_str() {
            "CreateEventBus" => Box::pin(self.create_event_bus(&call)),
            "DeleteEventBus" => Box::pin(self.delete_event_bus(&call)),
            "DeleteRule" => Box::pin(self.delete_rule(&call)),
            "DescribeEventBus" => Box::pin(self.describe_event_bus(&call)),
            "DescribeRule" => Box::pin(self.describe_rule(&call)),
            "DisableRule" => Box::pin(self.set_state(&call, "DISABLED")),
            "EnableRule" => Box::pin(self.set_state(&call, "ENABLED")),
            "ListEventBuses" => Box::pin(self.list_event_buses(&call)),
            "ListRuleNamesByTarget" => Box::pin(self.list_rule_names_by_target(&call)),
            "ListRules" => Box::pin(self.list_rules(&call)),
            "ListTagsForResource" => Box::pin(self.list_tags_for_resource(&call)),
            "ListTargetsByRule" => Box::pin(self.list_targets_by_rule(&call)),
            "PutEvents" => Box::pin(self.put_events(&call)),
            "PutRule" => Box::pin(self.put_rule(&call)),
            "PutTargets" => Box::pin(self.put_targets(&call)),
            "RemoveTargets" => Box::pin(self.remove_targets(&call)),
            "TagResource" => Box::pin(self.tag_resource(&call)),
            "TestEventPattern" => Box::pin(ready(self.test_event_pattern(&call))),
            "UntagResource" => Box::pin(self.untag_resource(&call)),
            name => {
                return Err(
                    self.unsupported(format!("the local service `eventbridge` has no `{name}`"))
                );
            }
        };
        operation.await
    }

    pub(crate) fn set_has_rules(&self, has_rules: bool) {
        self.has_rules.store(has_rules, Ordering::Relaxed);
    }

    pub(crate) fn has_rules(&self) -> bool {
        self.has_rules.load(Ordering::Relaxed)
    }

    fn now(&self) -> i64 {
        self.clock.now().0
    }

    fn bus_arn(&self, bus: &str) -> String {
        format!("arn:aws:events:{}:{}:event-bus/{bus}", self.region, self.account)
    }

    fn rule_arn(&self, bus: &str, rule: &str) -> String {
        let bus = if bus == DEFAULT { String::new() } else { format!("{bus}/") };
        format!("arn:aws:events:{}:{}:rule/{bus}{rule}", self.region, self.account)
    }

    /// The bus that a request names, by its name or its ARN.
    fn bus<'c>(call: &'c Call<'_>) -> &'c str {
        let named = call.text("EventBusName").unwrap_or(DEFAULT);
        named.rsplit('/').next().unwrap_or(named)
    }
}
