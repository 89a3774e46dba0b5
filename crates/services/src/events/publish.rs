//! `PutEvents`, and the way of an event: which rules it matches, and what their targets get.

use super::state::{Rule, Target};
use super::transform::{self, Around, Path};
use super::{DEFAULT, Events, invalid};
use crate::call::{Answer, Call, Refusal, answer, text};
use crate::delivery::{ATTEMPTS, Delivery, To};
use crate::sqs::{QueueMessage, is_fifo};
use jiff::Timestamp;
use std::time::Duration;
use stepwright_aws::codec;
use stepwright_engine::{PeerError, Place};
use stepwright_json::{Json, Object, json};

/// The largest request, in bytes.
const MOST_BYTES: usize = 256 << 10;

/// How often it is tried to tell rules of an event, while another node has them or the store fails, and the pause in
/// between.
pub(super) const ATTEMPTS_TO_TELL: usize = 40;
pub(super) const PAUSE: Duration = Duration::from_millis(500);

/// How many buses an event passes at most.
const MOST_BUSES: usize = 5;

/// An event as its source tells it.
#[derive(Clone, Debug)]
pub struct Event {
    /// `aws.states`
    pub source: String,
    /// `Step Functions Execution Status Change`
    pub detail_type: String,
    /// The ARNs that it is about.
    pub resources: Vec<String>,
    /// What has happened.
    pub detail: Json,
    /// When, in milliseconds since 1970.
    pub at: i64,
}

impl Event {
    /// What another node reads.
    pub(crate) fn write(&self) -> Json {
        let resources: Vec<Json> = self.resources.iter().map(|arn| arn.as_str().into()).collect();
        json!({
            "source": (self.source.as_str()),
            "type": (self.detail_type.as_str()),
            "resources": resources,
            "detail": (self.detail.clone()),
            "at": (self.at)
        })
    }

    pub(crate) fn read(written: &Json) -> Option<Self> {
        let text = |key: &str| Some(written.get(key)?.as_str()?.to_owned());
        let resources = written.get("resources")?.as_array()?.iter();
        Some(Self {
            source: text("source")?,
            detail_type: text("type")?,
            resources: resources.filter_map(Json::as_str).map(str::to_owned).collect(),
            detail: written.get("detail")?.clone(),
            at: written.get("at")?.as_i64()?,
        })
    }
}

/// A moment as events show it.
pub(super) fn moment(millis: i64) -> String {
    Timestamp::from_second(millis.div_euclid(1_000)).unwrap_or_default().to_string()
}

impl Events {
    pub(super) async fn put_events(&self, call: &Call<'_>) -> Answer {
        let entries = call.list("Entries");
        if entries.is_empty() || entries.len() > 10 {
            return Err(invalid(format!(
                "1 validation error detected: Value '{}' at 'entries' failed to satisfy constraint: Member must \
                 have length less than or equal to 10",
                entries.len()
            )));
        }
        let size: usize = entries.iter().map(|entry| entry.to_string().len()).sum();
        if size > MOST_BYTES {
            return Err(invalid("Total size of the entries in the request is over the limit."));
        }
        let mut failed = 0;
        let mut shown = Vec::new();
        for entry in entries {
            let entry = entry.as_object().cloned().unwrap_or_default();
            match self.put(&entry).await {
                Ok(id) => shown.push(json!({"EventId": id})),
                Err(refusal) => {
                    failed += 1;
                    shown.push(json!({
                        "ErrorCode": (refusal.name.as_ref()),
                        "ErrorMessage": (refusal.message.as_str())
                    }));
                }
            }
        }
        answer(json!({"FailedEntryCount": failed, "Entries": shown}))
    }

    async fn put(&self, entry: &Object) -> Result<String, Refusal> {
        let argument = |what: &str| {
            Refusal::new(
                "InvalidArgument",
                format!("Parameter {what} is not valid. Reason: {what} is a required argument."),
            )
        };
        let given = |member: &str| text(entry, member).filter(|text| !text.is_empty());
        let source = given("Source").ok_or_else(|| argument("Source"))?;
        let detail_type = given("DetailType").ok_or_else(|| argument("DetailType"))?;
        let detail = given("Detail").ok_or_else(|| argument("Detail"))?;
        if source.starts_with("aws.") {
            let why = "Not authorized for the source.";
            return Err(Refusal::new("NotAuthorizedForSourceException", why));
        }
        let Ok(detail @ Json::Object(_)) = stepwright_json::parse(detail) else {
            return Err(Refusal::new("MalformedDetail", "Detail is malformed."));
        };
        let named = given("EventBusName").unwrap_or(DEFAULT);
        let bus = named.rsplit('/').next().unwrap_or(named);
        let resources = crate::call::list(entry, "Resources");
        let event = Event {
            source: source.to_owned(),
            detail_type: detail_type.to_owned(),
            resources: resources.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
            detail,
            at: entry.get("Time").and_then(codec::millis).unwrap_or_else(|| self.now()),
        };
        self.publish(bus, event).await
    }

    /// Publishes an event of this machine itself, if anybody wants to know.
    pub(crate) async fn tell(&self, event: Event) {
        if !self.has_rules() {
            return;
        }
        for _ in 0..ATTEMPTS_TO_TELL {
            match self.seat.place() {
                Place::Here => {
                    let publishing = self.publish(DEFAULT, event.clone());
                    match self.seat.during(publishing).await {
                        Some(Ok(_)) => return,
                        // What has reached some of the targets already reaches them once more.
                        Some(Err(refusal)) if refusal.is_fault() => {
                            let why = refusal.message;
                            tracing::warn!(why, "an event is published again");
                        }
                        Some(Err(refusal)) => {
                            let why = refusal.message;
                            tracing::error!(why, "an event could not be published");
                            return;
                        }
                        None => {}
                    }
                }
                Place::At(address) => {
                    let request = json!({"do": "event", "event": (event.write())});
                    match crate::elsewhere::ask(&self.seat, &address, request).await {
                        Ok(_) => return,
                        Err(PeerError::NotReached(_)) => {}
                        Err(error) => {
                            tracing::error!(%error, "an event may not have been published");
                            return;
                        }
                    }
                }
                Place::Nowhere => {}
            }
            tokio::time::sleep(PAUSE).await;
        }
        tracing::error!("an event could not be published for a long time");
    }

    /// Publishes an event. When this has returned, it is kept for whoever gets it.
    async fn publish(&self, bus: &str, event: Event) -> Result<String, Refusal> {
        let id = uuid::Uuid::new_v4().to_string();
        let resources: Vec<Json> = event.resources.iter().map(|arn| arn.as_str().into()).collect();
        let whole = json!({
            "version": "0",
            "id": (id.as_str()),
            "detail-type": (event.detail_type),
            "source": (event.source),
            "account": (self.account.as_str()),
            "time": (moment(event.at)),
            "region": (self.region.as_str()),
            "resources": resources,
            "detail": (event.detail)
        });
        self.pass(bus, &whole, MOST_BUSES).await?;
        Ok(id)
    }

    /// Gives an event to the rules of a bus.
    fn pass<'e>(
        &'e self,
        bus: &'e str,
        event: &'e Json,
        buses: usize,
    ) -> crate::delivery::Waiting<'e, Result<(), Refusal>> {
        Box::pin(async move {
            let matching: Vec<(String, Rule)> = self
                .kept
                .with(|rules, _| {
                    // A bus that is not there has no rules: the event is lost, as on AWS.
                    let of_bus = rules.of_bus(bus).filter(|(_, rule)| {
                        rule.is_enabled()
                            && rule
                                .pattern
                                .as_ref()
                                .is_some_and(|(_, pattern)| pattern.matches(event))
                    });
                    of_bus.map(|(name, rule)| (name.to_owned(), rule.clone())).collect()
                })
                .await?;
            for (name, rule) in matching {
                self.reach(bus, &name, &rule, event, buses).await?;
            }
            Ok(())
        })
    }

    /// Gives an event to the targets of a rule.
    pub(super) async fn reach(
        &self,
        bus: &str,
        name: &str,
        rule: &Rule,
        event: &Json,
        buses: usize,
    ) -> Result<(), Refusal> {
        let rule_arn = self.rule_arn(bus, name);
        let ingested = moment(self.now());
        let around = Around { event, rule_arn: &rule_arn, rule_name: name, ingested: &ingested };
        let mut deliveries = Vec::new();
        for target in rule.targets.values() {
            let arn = target.arn();
            let input = input(target, &around);
            let dead_letters =
                target.within("DeadLetterConfig", "Arn").and_then(Json::as_str).map(str::to_owned);
            let retries =
                target.within("RetryPolicy", "MaximumRetryAttempts").and_then(Json::as_i64);
            let attempts = retries.map_or(ATTEMPTS, |retries| {
                u32::try_from(retries + 1).unwrap_or(ATTEMPTS).min(ATTEMPTS)
            });
            let to = match arn.split(':').nth(2).unwrap_or_default() {
                "sqs" => {
                    let group = target.within("SqsParameters", "MessageGroupId");
                    let message = QueueMessage {
                        body: input.as_str().into(),
                        group: group.and_then(Json::as_str).map(Into::into),
                        deduplication: is_fifo(arn).then(|| {
                            event.get("id").and_then(Json::as_str).unwrap_or_default().into()
                        }),
                        ..QueueMessage::default()
                    };
                    if let Err(refusal) = self.sqs.deliver(arn, message.clone()).await {
                        if refusal.is_fault() {
                            return Err(refusal);
                        }
                        tracing::warn!(
                            rule = name,
                            target = arn,
                            why = refusal.message,
                            "not delivered"
                        );
                        if let Some(queue) = dead_letters {
                            drop(self.sqs.deliver(&queue, message).await);
                        }
                    }
                    continue;
                }
                "sns" => {
                    let published = self.sns.deliver(arn, &input, &crate::url_of(&self.url)).await;
                    if let Err(refusal) = published {
                        if refusal.is_fault() {
                            return Err(refusal);
                        }
                        tracing::warn!(
                            rule = name,
                            target = arn,
                            why = refusal.message,
                            "not delivered"
                        );
                    }
                    continue;
                }
                "events" => {
                    let next = arn.rsplit('/').next().unwrap_or_default();
                    if buses > 1 && arn == self.bus_arn(next) {
                        self.pass(next, event, buses - 1).await?;
                    }
                    continue;
                }
                "lambda" => To::Function(arn.to_owned()),
                _ => To::Machine(arn.to_owned(), target.owner.clone()),
            };
            // A template may give what is no JSON; then it is a text.
            let body =
                stepwright_json::parse(&input).unwrap_or_else(|_| Json::from(input.as_str()));
            deliveries.push(Delivery { to, body, dead_letters, attempts });
        }
        self.deliveries.take(deliveries).await
    }
}

/// What a target gets.
fn input(target: &Target, around: &Around<'_>) -> String {
    if let Some(input) = text(&target.given, "Input") {
        return input.to_owned();
    }
    if let Some(path) = text(&target.given, "InputPath").and_then(Path::read) {
        return path.find(around.event).cloned().unwrap_or_default().to_string();
    }
    match target.given.get("InputTransformer") {
        Some(transformer) => transform::fill(transformer, around),
        None => around.event.to_string(),
    }
}
