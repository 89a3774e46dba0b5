//! What topics, rules and schedules do while the store fails: they acknowledge only what it has taken, and what nobody
//! asks for is tried again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use stepwright_aws::table;
use stepwright_engine::{Call, Clock, Engine, Options, Principal, Report, Tasks};
use stepwright_history::Moment;
use stepwright_json::{Json, json};
use stepwright_services::{
    Caller, Ended, Event, Pending as Answer, Process, Seat, Services, Setup, Substitutes, World,
};
use stepwright_store::{
    Append, AppendError, Chunk, DocumentChanges, Documents, ExecutionId, ExecutionRow, Filter,
    HistoryPart, MapRunRow, Memory, Page, Pending, Recorded, Shards, Sorted, Status, Store,
    StoreError,
};
use tokio::sync::oneshot::Receiver;
use tokio::time::Instant;

/// A store that takes no documents of queues while it is told to fail.
#[derive(Clone, Default)]
struct Failing {
    inner: Memory,
    fails: Arc<AtomicBool>,
    refused: Arc<AtomicUsize>,
}

impl Store for Failing {
    fn put(&self, documents: DocumentChanges) -> Pending<Result<(), StoreError>> {
        let is_of_queue = documents.iter().any(|(key, _)| key.starts_with("services/sqs/"));
        if self.fails.load(Ordering::SeqCst) && is_of_queue {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Box::pin(std::future::ready(Err(StoreError::new("the disk is full"))));
        }
        self.inner.put(documents)
    }

    fn new_id(&self) -> ExecutionId {
        self.inner.new_id()
    }

    fn append(&self, append: Append) -> Pending<Result<(), AppendError>> {
        self.inner.append(append)
    }

    fn documents(&self, prefix: &str) -> Pending<Result<Documents, StoreError>> {
        self.inner.documents(prefix)
    }

    fn execution(&self, id: ExecutionId) -> Pending<Result<Option<ExecutionRow>, StoreError>> {
        self.inner.execution(id)
    }

    fn execution_by_arn(&self, arn: &str) -> Pending<Result<Option<ExecutionRow>, StoreError>> {
        self.inner.execution_by_arn(arn)
    }

    fn history(
        &self,
        id: ExecutionId,
        part: HistoryPart,
        most_bytes: usize,
    ) -> Pending<Result<Vec<Chunk>, StoreError>> {
        self.inner.history(id, part, most_bytes)
    }

    fn first_from(&self, id: ExecutionId) -> Pending<Result<Option<ExecutionId>, StoreError>> {
        self.inner.first_from(id)
    }

    fn recorded(
        &self,
        numbers: std::ops::Range<u64>,
        most_bytes: usize,
    ) -> Pending<Result<Vec<Recorded>, StoreError>> {
        self.inner.recorded(numbers, most_bytes)
    }

    fn live(
        &self,
        shards: &Shards,
        after: Option<&ExecutionRow>,
        most: usize,
    ) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        self.inner.live(shards, after, most)
    }

    fn list(&self, filter: Filter, page: Page) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        self.inner.list(filter, page)
    }

    fn count(&self, filter: Filter) -> Pending<Result<Vec<(Status, u64)>, StoreError>> {
        self.inner.count(filter)
    }

    fn map_run(&self, arn: &str) -> Pending<Result<Option<MapRunRow>, StoreError>> {
        self.inner.map_run(arn)
    }

    fn map_runs(&self, execution: ExecutionId) -> Pending<Result<Vec<MapRunRow>, StoreError>> {
        self.inner.map_runs(execution)
    }

    fn latest_map_runs(
        &self,
        after: Option<(i64, String)>,
        most: usize,
    ) -> Pending<Result<Vec<MapRunRow>, StoreError>> {
        self.inner.latest_map_runs(after, most)
    }

    fn sorted(
        &self,
        sorted: Sorted,
        most: usize,
    ) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        self.inner.sorted(sorted, most)
    }

    fn ended(&self, before: i64, most: usize) -> Pending<Result<Vec<ExecutionRow>, StoreError>> {
        self.inner.ended(before, most)
    }

    fn forget(
        &self,
        executions: Vec<ExecutionId>,
        ended_before: i64,
    ) -> Pending<Result<u64, StoreError>> {
        self.inner.forget(executions, ended_before)
    }

    fn forget_machine(&self, machine: &str) -> Pending<Result<u64, StoreError>> {
        self.inner.forget_machine(machine)
    }

    fn backup(&self, folder: &Path) -> Pending<Result<(), StoreError>> {
        self.inner.backup(folder)
    }

    fn verify(&self, stop: Arc<AtomicBool>) -> Pending<Result<Vec<String>, StoreError>> {
        self.inner.verify(stop)
    }

    fn close(&self) -> Pending<()> {
        self.inner.close()
    }

    fn size(&self) -> u64 {
        self.inner.size()
    }
}

/// Virtual time.
struct Virtual(Instant);

impl Clock for Virtual {
    fn now(&self) -> Moment {
        Moment(1_800_000_000_000 + self.0.elapsed().as_millis() as i64)
    }
}

/// There is nothing but the services.
struct Nothing;

impl Tasks for Nothing {
    fn run(&self, _call: Call, _report: Report) {}
}

impl World for Nothing {
    fn invoke(&self, _function: String, _payload: Json) -> Answer<Result<Json, String>> {
        Box::pin(std::future::ready(Err("there are no functions".to_owned())))
    }

    fn start_execution(
        &self,
        _machine: String,
        _name: String,
        _input: Json,
        _owner: Principal,
    ) -> Answer<Result<(), String>> {
        Box::pin(std::future::ready(Err("there are no machines".to_owned())))
    }

    fn run(&self, _process: Process, _stop: Receiver<()>) -> Answer<Ended> {
        Box::pin(std::future::ready(Ended::default()))
    }

    fn end_leftovers(&self, _mark: String, _clean_up: Vec<String>) -> Answer<()> {
        Box::pin(std::future::ready(()))
    }

    fn post(
        &self,
        _url: String,
        _headers: Vec<(String, String)>,
        _body: String,
    ) -> Answer<Result<(), String>> {
        Box::pin(std::future::ready(Err("there is no network".to_owned())))
    }
}

const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:all";
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:news";

fn services(store: &Failing, begun: Instant) -> Services {
    Services::new(&Setup {
        store: Arc::new(store.clone()),
        clock: Arc::new(Virtual(begun)),
        account: "123456789012".to_owned(),
        region: "us-east-1".to_owned(),
        buckets: None,
        jobs: None,
        substitutes: Substitutes::default(),
        key: None,
        url: Arc::default(),
        seat: Seat::default(),
    })
}

async fn ask(services: &Services, name: &str, operation: &str, body: Json) -> Result<Json, String> {
    let service = table::service(name).expect("there is such a service");
    let operation = service.operation(operation).expect("it has this operation");
    let asked = services.call(service, operation, body.into(), &Caller::default()).await;
    asked.map(|reply| reply.message.value).map_err(|error| format!("{error:?}"))
}

/// The bodies of all messages that the queue has.
async fn received(services: &Services) -> Vec<String> {
    let url = json!({"QueueName": "all"});
    let url = ask(services, "sqs", "GetQueueUrl", url).await.expect("it is there");
    let url = url.get("QueueUrl").cloned().expect("it has one");
    let mut bodies = Vec::new();
    loop {
        let body = json!({"QueueUrl": (url.clone()), "MaxNumberOfMessages": 10});
        let got = ask(services, "sqs", "ReceiveMessage", body).await.expect("it answers");
        let messages = got.get("Messages").and_then(Json::as_array);
        let Some(messages) = messages.filter(|messages| !messages.is_empty()) else { break };
        for message in messages {
            let body = message.get("Body").and_then(Json::as_str).expect("it has one");
            let delete = json!({
                "QueueUrl": (url.clone()),
                "ReceiptHandle": (message.get("ReceiptHandle").cloned().expect("it has one"))
            });
            ask(services, "sqs", "DeleteMessage", delete).await.expect("it is deleted");
            bodies.push(body.to_owned());
        }
    }
    bodies
}

/// A queue that gets what a topic and a bus get.
async fn prepare(services: &Services) {
    ask(services, "sqs", "CreateQueue", json!({"QueueName": "all"})).await.expect("it is made");
    ask(services, "sns", "CreateTopic", json!({"Name": "news"})).await.expect("it is made");
    let subscribe = json!({
        "TopicArn": TOPIC, "Protocol": "sqs", "Endpoint": QUEUE,
        "Attributes": {"RawMessageDelivery": "true"}
    });
    ask(services, "sns", "Subscribe", subscribe).await.expect("it subscribes");
    let rule = json!({"Name": "rule", "EventPattern": "{\"source\":[\"shop\",\"aws.states\"]}"});
    ask(services, "eventbridge", "PutRule", rule).await.expect("it is made");
    let target = json!({"Id": "queue", "Arn": QUEUE, "InputPath": "$.detail.order"});
    let targets = json!({"Rule": "rule", "Targets": [target]});
    ask(services, "eventbridge", "PutTargets", targets).await.expect("they are there");
}

async fn publish(services: &Services, text: &str) -> Result<Json, String> {
    ask(services, "sns", "Publish", json!({"TopicArn": TOPIC, "Message": text})).await
}

async fn put_event(services: &Services, order: &str) -> Result<(), String> {
    let detail = format!("{{\"order\":\"{order}\"}}");
    let entry = json!({"Source": "shop", "DetailType": "order", "Detail": detail});
    let answer = ask(services, "eventbridge", "PutEvents", json!({"Entries": [entry]})).await?;
    match answer.get("FailedEntryCount").and_then(Json::as_i64) {
        Some(0) => Ok(()),
        _ => Err(answer.to_string()),
    }
}

#[tokio::test(start_paused = true)]
async fn topics_and_rules_acknowledge_only_what_the_store_has_taken() {
    let (store, begun) = (Failing::default(), Instant::now());
    let before = services(&store, begun);
    prepare(&before).await;
    let mut acknowledged = Vec::new();
    for round in 0..6 {
        let fails = round % 2 == 1;
        store.fails.store(fails, Ordering::SeqCst);
        let (message, order) = (format!("message {round}"), format!("order {round}"));
        let published = publish(&before, &message).await;
        assert_eq!(published.is_err(), fails, "{published:?}");
        let put = put_event(&before, &order).await;
        assert_eq!(put.is_err(), fails, "{put:?}");
        if !fails {
            acknowledged.extend([message, format!("\"{order}\"")]);
        }
    }
    assert!(store.refused.load(Ordering::SeqCst) >= 6, "the store has failed");
    store.fails.store(false, Ordering::SeqCst);
    // As another process would: nothing is remembered that the store has not.
    let mut bodies = received(&services(&store, begun)).await;
    bodies.sort();
    acknowledged.sort();
    assert_eq!(bodies, acknowledged);
}

#[tokio::test(start_paused = true)]
async fn schedules_and_ends_wait_until_the_store_takes_them() {
    let (store, begun) = (Failing::default(), Instant::now());
    let options = Options::new(Arc::new(Memory::new()), Arc::new(Nothing));
    let engine = Engine::open(options).await.expect("it opens");
    let services = services(&store, begun);
    prepare(&services).await;
    services.begin(engine.downgrade(), Arc::new(Nothing));
    let rule = json!({"Name": "tick", "ScheduleExpression": "rate(1 minute)"});
    ask(&services, "eventbridge", "PutRule", rule).await.expect("it is made");
    let target = json!({"Id": "queue", "Arn": QUEUE, "InputPath": "$.time"});
    let targets = json!({"Rule": "tick", "Targets": [target]});
    ask(&services, "eventbridge", "PutTargets", targets).await.expect("they are there");
    tokio::time::sleep(Duration::from_secs(62)).await;
    assert_eq!(received(&services).await.len(), 1, "it is fired each minute");

    // The store fails for some seconds, in which a schedule is due and an execution ends.
    tokio::time::sleep(Duration::from_secs(55)).await;
    store.fails.store(true, Ordering::SeqCst);
    let ended = Event {
        source: "aws.states".to_owned(),
        detail_type: "Step Functions Execution Status Change".to_owned(),
        resources: Vec::new(),
        detail: json!({"order": "ended"}),
        at: 0,
    };
    let telling = {
        let services = services.clone();
        tokio::spawn(async move { services.tell(ended).await })
    };
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(store.refused.load(Ordering::SeqCst) >= 2, "both were refused");
    assert!(!telling.is_finished(), "it is not told yet");
    store.fails.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(2)).await;
    telling.await.expect("it does not panic");
    let mut bodies = received(&services).await;
    bodies.sort();
    let [first, second] = &bodies[..] else { panic!("{bodies:?}") };
    assert_eq!(first, "\"2027-01-15T08:02:00Z\"", "its own moment, though later");
    assert_eq!(second, "\"ended\"");
    // And from then on as before.
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(received(&services).await, ["\"2027-01-15T08:03:00Z\""]);
}
