use crate::common::IntegrationPattern::WaitForTaskToken;
use crate::resources::EventBus;
use crate::tasks::{Plan, ServiceTask};
use crate::text::{Text, local_arn};
use crate::value::Value;
use crate::{Input, Str};

task! {
    /// Sends events to EventBridge event buses.
    ///
    /// ```
    /// use stepwright_constructs::prelude::*;
    ///
    /// let event = EventEntry::new("my.source", "Order shipped", object! {"id": string_at("$.id")})
    ///     .event_bus(EventBus::from_name("orders"));
    /// let put = EventBridgePutEvents::new("Tell", [event]);
    /// assert!(StateMachine::new("Telling", put).asl().is_ok());
    /// ```
    pub struct EventBridgePutEvents [RequestResponse, WaitForTaskToken] {
        required { entries: [EventEntry], }
        optional {}
    }
}

/// An event.
#[derive(Clone, Debug, PartialEq)]
pub struct EventEntry {
    source: Str,
    detail_type: Str,
    detail: Input,
    bus: Option<EventBus>,
}

impl EventEntry {
    /// An event for the default event bus.
    pub fn new(
        source: impl Into<Str>,
        detail_type: impl Into<Str>,
        detail: impl Into<Input>,
    ) -> Self {
        Self {
            source: source.into(),
            detail_type: detail_type.into(),
            detail: detail.into(),
            bus: None,
        }
    }

    /// The event bus to send it to.
    #[must_use]
    pub fn event_bus(mut self, bus: impl Into<EventBus>) -> Self {
        self.bus = Some(bus.into());
        self
    }
}

impl From<EventEntry> for Value {
    fn from(entry: EventEntry) -> Self {
        let mut members = vec![
            ("Detail".to_owned(), entry.detail),
            ("DetailType".to_owned(), entry.detail_type.into()),
        ];
        if let Some(bus) = entry.bus {
            members.push(("EventBusName".to_owned(), bus.arn().into()));
        }
        members.push(("Source".to_owned(), entry.source.into()));
        Value::Object(members)
    }
}

impl ServiceTask for EventBridgePutEvents {
    fn plan(&self, plan: &mut Plan) {
        plan.service("events", "putEvents");
        if self.entries.is_empty() {
            plan.problem("there has to be an event to put");
        }
        let mut buses: Vec<Text> = Vec::new();
        for entry in &self.entries {
            if entry.source.known_or_any().readable().starts_with("aws.") {
                plan.problem("sources that start with `aws.` are AWS's own");
            }
            let bus = entry.bus.as_ref();
            let arn = bus.map_or_else(|| local_arn("events", "event-bus/default"), EventBus::arn);
            plan.uses(bus.map_or_else(Vec::new, EventBus::resources));
            if !buses.contains(&arn) {
                buses.push(arn);
            }
        }
        plan.allow(&["events:PutEvents"], buses);
        let entries = Value::from(self.entries.clone());
        if plan.is(WaitForTaskToken) {
            plan.needs_token("entries", Some(&entries));
        }
        plan.put("Entries", entries);
    }
}
