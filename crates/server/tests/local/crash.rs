//! The server is killed while clients write. What was acknowledged is there afterwards.

use crate::server::start;
use crate::wire::Wire;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use stepwright_json::{Json, json};

/// The folder of the server that this process is, if it is one.
const SERVES: &str = "STEPWRIGHT_TEST_SERVES";

/// How often the server is killed.
const ROUNDS: usize = 6;

/// Serves until it is killed: the process that the other test starts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serves() {
    let Some(folder) = std::env::var_os(SERVES) else { return };
    let server = start(Some(Path::new(&folder)), Vec::new()).await;
    println!("serves {}", server.url);
    std::future::pending::<()>().await;
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // SIGKILL.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn serve(folder: &Path) -> (Killed, Wire) {
    let mut child = Command::new(std::env::current_exe().expect("it has a name"))
        .args(["crash::serves", "--exact", "--nocapture"])
        .env(SERVES, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let output = child.stdout.take().expect("it has output");
    let killed = Killed(child);
    for line in BufReader::new(output).lines() {
        let line = line.expect("it is text");
        if let Some((_, url)) = line.split_once("serves http") {
            return (killed, Wire::new(&format!("http{url}")));
        }
    }
    panic!("the server did not start");
}

/// What clients know to be kept.
#[derive(Default)]
struct Known {
    messages: Vec<String>,
    /// The byte that an object consists of; `None` if it may be another one.
    objects: BTreeMap<String, Option<u8>>,
    hits: usize,
}

async fn write(wire: Wire, client: usize, round: usize, stop: Arc<AtomicBool>) -> Known {
    let mut known = Known::default();
    let url = format!("{}/123456789012/q", wire.url);
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("{round}-{client}-{number}");
        let body = json!({"QueueUrl": (url.as_str()), "MessageBody": (name.as_str())});
        if matches!(wire.call("AmazonSQS.SendMessage", body).await, Some((200, _))) {
            known.messages.push(name.clone());
        }
        // Each client writes its own objects, again and again.
        let (key, byte) = (format!("folder-{client}/object-{}", number % 3), (number % 251) as u8);
        let put = wire.object("PUT", &format!("bucket/{key}"), &[], vec![byte; 50_000]).await;
        known.objects.insert(key, matches!(put, Some((200, _))).then_some(byte));
        let body = json!({
            "TableName": "counters", "Key": {"id": {"S": "x"}},
            "UpdateExpression": "ADD hits :one", "ExpressionAttributeValues": {":one": {"N": "1"}}
        });
        if matches!(wire.call("DynamoDB_20120810.UpdateItem", body).await, Some((200, _))) {
            known.hits += 1;
        }
    }
    known
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_kept() {
    const CLIENTS: usize = 6;
    if std::env::var_os(SERVES).is_some() {
        return;
    }
    let folder = tempfile::tempdir().expect("a directory");
    let mut known = Known::default();
    let mut attempts = 0;
    for round in 0..ROUNDS {
        let (server, wire) = serve(folder.path());
        if round == 0 {
            let queue = json!({"QueueName": "q", "Attributes": {"VisibilityTimeout": "600"}});
            wire.call("AmazonSQS.CreateQueue", queue).await.expect("it answers");
            wire.object("PUT", "bucket", &[], Vec::new()).await.expect("it answers");
            let table = json!({
                "TableName": "counters", "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]
            });
            wire.call("DynamoDB_20120810.CreateTable", table).await.expect("it answers");
        }
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| tokio::spawn(write(wire.clone(), client, round, stop.clone())))
            .collect();
        tokio::time::sleep(Duration::from_millis(250 + 70 * round as u64)).await;
        drop(server);
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            let of_client = client.await.expect("it ends");
            known.messages.extend(of_client.messages);
            known.objects.extend(of_client.objects);
            known.hits += of_client.hits;
        }
        // One request of each client may have been carried out without an answer.
        attempts += CLIENTS;
        let (server, wire) = serve(folder.path());
        for (key, byte) in &known.objects {
            let got = wire.object("GET", &format!("bucket/{key}"), &[], Vec::new()).await;
            let (status, body) = got.expect("it answers");
            // One that was being written when the server was killed may be old, new, or not there.
            if byte.is_none() && status == 404 {
                continue;
            }
            assert_eq!(status, 200, "{key}");
            let expected = byte.unwrap_or(body[0]);
            let is_whole = body.len() == 50_000 && body.iter().all(|one| *one == expected);
            assert!(is_whole, "{key}: {} bytes, {byte:?}", body.len());
        }
        let body =
            json!({"TableName": "counters", "Key": {"id": {"S": "x"}}, "ConsistentRead": true});
        let (_, got) = wire.call("DynamoDB_20120810.GetItem", body).await.expect("it answers");
        let hits =
            got.get("Item").and_then(|item| item.get("hits")?.get("N")?.as_str()?.parse().ok());
        let hits: usize = hits.unwrap_or_default();
        assert!((known.hits..=known.hits + attempts).contains(&hits), "{hits}, not {}", known.hits);
        drop(server);
    }
    let (_server, wire) = serve(folder.path());
    let url = format!("{}/123456789012/q", wire.url);
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    let empty = AtomicUsize::new(0);
    while empty.load(Ordering::Relaxed) == 0 {
        let body = json!({"QueueUrl": (url.as_str()), "MaxNumberOfMessages": 10});
        let (_, got) = wire.call("AmazonSQS.ReceiveMessage", body).await.expect("it answers");
        let messages = got.get("Messages").and_then(Json::as_array).cloned().unwrap_or_default();
        empty.fetch_add(usize::from(messages.is_empty()), Ordering::Relaxed);
        for message in &messages {
            let body = message.get("Body").and_then(Json::as_str).unwrap_or_default();
            *found.entry(body.to_owned()).or_default() += 1;
        }
    }
    let lost: Vec<&String> =
        known.messages.iter().filter(|name| !found.contains_key(*name)).collect();
    assert!(known.hits > 0 && !known.objects.is_empty() && !known.messages.is_empty());
    assert!(lost.is_empty(), "{} of {} are lost: {lost:?}", lost.len(), known.messages.len());
    assert!(found.values().all(|times| *times == 1), "none is there twice");
    println!(
        "{} messages, {} objects, {} updates kept",
        known.messages.len(),
        known.objects.len(),
        known.hits
    );
}
