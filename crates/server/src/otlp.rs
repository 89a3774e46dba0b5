//! Logs and traces for an OpenTelemetry collector, as OTLP over HTTP in JSON.
//!
//! Logs are the records that `loggingConfiguration` requests. Spans are those of executions whose
//! `tracingConfiguration` is enabled, and of their states. Sending never delays an execution: when
//! the collector is slow or unreachable, records that do not fit into the queue are dropped and
//! counted.
//!
//! Source: the [OTLP specification](https://opentelemetry.io/docs/specs/otlp/#otlphttp) and its
//! protocol buffers' JSON form.

use crate::config::OtlpConfig;
use crate::logs::wanted;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stepwright_engine::{Collector, ExecutionEvent, Facts, ObservedTurn, Observer};
use stepwright_history::{Event, EventKind, FrameId, Moment};
use stepwright_json::{Json, Object, Str, json};
use stepwright_store::Shards;
use tokio::sync::{mpsc, oneshot};

/// The largest number of logs and spans that wait to be sent.
const MOST_WAITING: usize = 16_384;

/// The largest number sent in one request.
const MOST_AT_ONCE: usize = 512;

/// How long the first one waits for others.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The time limit of a request to the collector.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The largest number of executions whose open states are remembered.
const MOST_OPEN: usize = 100_000;

/// Sends logs and traces of executions to a collector.
pub struct Otlp {
    queue: mpsc::Sender<Item>,
    open: Mutex<HashMap<String, OpenStates>>,
    dropped: Arc<AtomicU64>,
}

/// The states that an execution is in: for each frame, the state's name and when it was entered.
type OpenStates = HashMap<FrameId, (Str, Moment)>;

enum Item {
    Log(Json),
    Span(Json),
    /// Answered once everything before it has been sent.
    Flush(oneshot::Sender<()>),
}

impl std::fmt::Debug for Otlp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Otlp").field("dropped", &self.dropped).finish_non_exhaustive()
    }
}

impl Otlp {
    /// Starts sending. Must be called within a tokio runtime.
    pub fn start(config: &OtlpConfig) -> Result<Arc<Self>, reqwest::Error> {
        let client = reqwest::Client::builder().timeout(TIME_LIMIT).build()?;
        let (queue, items) = mpsc::channel(MOST_WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let sender = Sender { client, config: config.clone(), dropped: dropped.clone() };
        tokio::spawn(sender.run(items));
        Ok(Arc::new(Self { queue, open: Mutex::default(), dropped }))
    }

    /// Waits until everything has been sent or given up.
    pub async fn flush(&self) {
        let (done, sent) = oneshot::channel();
        if self.queue.send(Item::Flush(done)).await.is_ok() {
            // This fails only if the sending task has ended, together with the runtime.
            drop(sent.await);
        }
    }

    fn put(&self, item: Item) {
        if self.queue.try_send(item).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn trace(&self, facts: &Facts, events: &[Event]) {
        let arn = &facts.about.arn;
        let trace = Trace::of(facts);
        let mut open = self.open.lock();
        for event in events {
            match &event.kind {
                EventKind::StateEntered { name, .. }
                    if open.contains_key(arn) || open.len() < MOST_OPEN =>
                {
                    let states = open.entry(arn.clone()).or_default();
                    states.insert(event.frame, (name.clone(), event.at));
                }
                EventKind::StateExited { .. } => {
                    if let Some((name, since)) =
                        open.get_mut(arn).and_then(|states| states.remove(&event.frame))
                    {
                        self.put(Item::Span(trace.state(&name, since, event.at, true)));
                    }
                }
                EventKind::ExecutionSucceeded { .. }
                | EventKind::ExecutionFailed { .. }
                | EventKind::ExecutionTimedOut { .. }
                | EventKind::ExecutionAborted { .. } => {
                    let is_good = matches!(event.kind, EventKind::ExecutionSucceeded { .. });
                    for (name, since) in open.remove(arn).into_iter().flatten().map(|(_, one)| one)
                    {
                        self.put(Item::Span(trace.state(&name, since, event.at, is_good)));
                    }
                    let span =
                        trace.execution(facts, Moment(facts.about.started_at), event.at, is_good);
                    self.put(Item::Span(span));
                }
                _ => {}
            }
        }
    }
}

impl Collector for Otlp {
    fn execution_event(&self, event: &ExecutionEvent<'_>) {
        // A trace that the input names has the id that the processor on AWS gives it.
        let root = hex::encode(match event.trace {
            Some(name) => Sha256::digest(format!("trace {name}")),
            None => Sha256::digest(event.around.first().map_or(event.arn, String::as_str)),
        });
        let span = |arn: &str| hex::encode(Sha256::digest(arn))[32..48].to_owned();
        let trace = Trace {
            id: root[..32].to_owned(),
            span: span(event.arn),
            parent: event.around.last().map(|parent| span(parent)),
        };
        let mut tags = tag_attributes(event.tags);
        if let Some(since) = event.since {
            let duration = json!({"intValue": ((event.at - since).to_string())});
            tags.push(json!({"key": "duration_ms", "value": (duration)}));
            let (since, until) = (Moment(since), Moment(event.at));
            let mut span = trace.span(&trace.span, event.machine, since, until, event.is_good, &[]);
            span.insert("attributes", tags.clone().into());
            if let Some(parent) = &trace.parent {
                span.insert("parentSpanId", parent.as_str().into());
            }
            self.put(Item::Span(span.into()));
        }
        let (number, severity) = if event.is_good { (9, "INFO") } else { (17, "ERROR") };
        self.put(Item::Log(json!({
            "timeUnixNano": (nanos(Moment(event.at))),
            "eventName": (event.name),
            "severityNumber": (number),
            "severityText": (severity),
            "body": {"stringValue": (format!("{} {}", event.machine, event.name))},
            "attributes": (Json::from(tags)),
            "traceId": (trace.id.as_str()),
            "spanId": (trace.span.as_str())
        })));
    }
}

impl Observer for Otlp {
    fn turn(&self, facts: &Facts, turn: &ObservedTurn<'_>) {
        if let Some((group, records)) = wanted(facts, turn) {
            let trace = Trace::of(facts);
            for (level, record) in records {
                self.put(Item::Log(log(facts, &trace, group, level, &record)));
            }
        }
        if facts.revision.is_traced {
            self.trace(facts, turn.events);
        }
    }
}

/// The ids of an execution's trace.
struct Trace {
    id: String,
    span: String,
    parent: Option<String>,
}

impl Trace {
    /// The ids in the X-Ray header that the execution was started with; otherwise ids made from its
    /// ARN.
    fn of(facts: &Facts) -> Self {
        let made = hex::encode(Sha256::digest(&facts.about.arn));
        let header = facts.trace_header.as_deref().unwrap_or_default();
        let part = |name: &str| {
            header.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
        };
        // `Root=1-5759e988-bd862e3fe1be46a994272793`
        let root = part("Root").map(|root| root.trim_start_matches("1-").replace('-', ""));
        let is_id = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        Self {
            id: root.filter(|root| is_id(root, 32)).unwrap_or_else(|| made[..32].to_owned()),
            span: made[32..48].to_owned(),
            parent: part("Parent").filter(|parent| is_id(parent, 16)).map(str::to_owned),
        }
    }

    fn execution(&self, facts: &Facts, since: Moment, until: Moment, is_good: bool) -> Json {
        let machine = facts.about.machine.rsplit(':').next().unwrap_or_default();
        let attributes = [
            ("aws.step_functions.execution.arn", facts.about.arn.as_str()),
            ("aws.step_functions.state_machine.arn", facts.about.machine.as_str()),
        ];
        let mut span = self.span(&self.span, machine, since, until, is_good, &attributes);
        if let Some(parent) = &self.parent {
            span.insert("parentSpanId", parent.as_str().into());
        }
        span.into()
    }

    fn state(&self, name: &str, since: Moment, until: Moment, is_good: bool) -> Json {
        let of_state = format!("{}/{name}/{}", self.span, since.0);
        let id = &hex::encode(Sha256::digest(of_state))[..16];
        let attributes = [("aws.step_functions.state.name", name)];
        let mut span = self.span(id, name, since, until, is_good, &attributes);
        span.insert("parentSpanId", self.span.as_str().into());
        span.into()
    }

    fn span(
        &self,
        id: &str,
        name: &str,
        since: Moment,
        until: Moment,
        is_good: bool,
        given: &[(&str, &str)],
    ) -> Object {
        // Kind 1 is an internal span. Status 1 is OK, and 2 is an error.
        let members: [(&str, Json); 8] = [
            ("traceId", self.id.as_str().into()),
            ("spanId", id.into()),
            ("name", name.into()),
            ("kind", Json::Int(1)),
            ("startTimeUnixNano", nanos(since).into()),
            ("endTimeUnixNano", nanos(until).into()),
            ("attributes", attributes(given)),
            ("status", json!({"code": (if is_good { 1 } else { 2 })})),
        ];
        members.into_iter().collect()
    }
}

fn log(facts: &Facts, trace: &Trace, group: &str, level: &str, record: &Json) -> Json {
    let at = record.get("event_timestamp").and_then(Json::as_str).unwrap_or("0");
    let kind = record.get("type").and_then(Json::as_str).unwrap_or_default();
    let (number, severity) = match level {
        "FATAL" => (21, "FATAL"),
        "ERROR" => (17, "ERROR"),
        _ => (9, "INFO"),
    };
    let given = [
        ("aws.log.group.names", group),
        ("aws.step_functions.event.type", kind),
        ("aws.step_functions.execution.arn", facts.about.arn.as_str()),
        ("aws.step_functions.state_machine.arn", facts.about.machine.as_str()),
    ];
    json!({
        "timeUnixNano": (format!("{at}000000")),
        "severityNumber": (number),
        "severityText": (severity),
        "body": {"stringValue": (record.to_string())},
        "attributes": (attributes(&given)),
        "traceId": (trace.id.as_str()),
        "spanId": (trace.span.as_str())
    })
}

fn attributes(given: &[(&str, &str)]) -> Json {
    let one =
        |(key, value): &(&str, &str)| json!({"key": (*key), "value": {"stringValue": (*value)}});
    given.iter().map(one).collect::<Vec<_>>().into()
}

/// The tags as attributes, each with the type of its value.
fn tag_attributes(tags: &Object) -> Vec<Json> {
    let one = |(key, value): (&Str, &Json)| {
        let value = match value {
            Json::Bool(flag) => json!({"boolValue": (*flag)}),
            Json::Int(number) => json!({"intValue": (number.to_string())}),
            Json::String(text) => json!({"stringValue": (text.clone())}),
            other => match other.as_f64() {
                Some(number) => json!({"doubleValue": (number)}),
                None => json!({"stringValue": (other.to_string())}),
            },
        };
        json!({"key": (key.clone()), "value": (value)})
    };
    tags.iter().map(one).collect()
}

fn nanos(at: Moment) -> String {
    format!("{}000000", at.0)
}

/// The task that sends to the collector.
struct Sender {
    client: reqwest::Client,
    config: OtlpConfig,
    dropped: Arc<AtomicU64>,
}

impl Sender {
    async fn run(self, mut items: mpsc::Receiver<Item>) {
        let mut said = 0;
        while let Some(first) = items.recv().await {
            let (mut logs, mut spans, mut flushed) = (Vec::new(), Vec::new(), Vec::new());
            let mut take = |item| match item {
                Item::Log(log) => logs.push(log),
                Item::Span(span) => spans.push(span),
                Item::Flush(done) => flushed.push(done),
            };
            let mut is_flush = matches!(first, Item::Flush(_));
            take(first);
            let until = tokio::time::Instant::now() + LONGEST_WAIT;
            let mut count = 1;
            while count < MOST_AT_ONCE && !is_flush {
                let Ok(Some(next)) = tokio::time::timeout_at(until, items.recv()).await else {
                    break;
                };
                is_flush = matches!(next, Item::Flush(_));
                take(next);
                count += 1;
            }
            self.send("logs", "resourceLogs", "scopeLogs", "logRecords", logs).await;
            self.send("traces", "resourceSpans", "scopeSpans", "spans", spans).await;
            for done in flushed {
                // The caller may have stopped waiting.
                let _ = done.send(());
            }
            let dropped = self.dropped.load(Ordering::Relaxed);
            if dropped > said {
                tracing::warn!(
                    dropped = dropped - said,
                    "logs or spans were not sent to the collector"
                );
                said = dropped;
            }
        }
    }

    async fn send(&self, path: &str, of_resource: &str, of_scope: &str, key: &str, all: Vec<Json>) {
        if all.is_empty() {
            return;
        }
        let count = all.len() as u64;
        let scope = json!({"name": "stepwright", "version": (env!("CARGO_PKG_VERSION"))});
        let mut scoped = Object::new();
        scoped.insert("scope", scope);
        scoped.insert(key, all.into());
        let mut resource = Object::new();
        let service = attributes(&[("service.name", self.config.service.as_str())]);
        resource.insert("resource", json!({"attributes": (service)}));
        resource.insert(of_scope, vec![Json::from(scoped)].into());
        let mut body = Object::new();
        body.insert(of_resource, vec![Json::from(resource)].into());
        let url = format!("{}/v1/{path}", self.config.endpoint.trim_end_matches('/'));
        let mut request = self.client.post(url).header("Content-Type", "application/json");
        for (name, value) in &self.config.headers {
            request = request.header(name, value);
        }
        let answer = request.body(Json::from(body).to_string()).send().await;
        let why = match answer {
            Ok(answer) if answer.status().is_success() => return,
            Ok(answer) => answer.status().to_string(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(count, why, "the collector did not take {path}");
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }
}

/// Passes everything to several observers.
#[derive(Clone, Default)]
pub(crate) struct Observers(pub(crate) Vec<Arc<dyn Observer>>);

impl Observer for Observers {
    fn turn(&self, facts: &Facts, turn: &ObservedTurn<'_>) {
        for observer in &self.0 {
            observer.turn(facts, turn);
        }
    }

    fn taken_over(&self, shards: &Shards) {
        for observer in &self.0 {
            observer.taken_over(shards);
        }
    }
}
