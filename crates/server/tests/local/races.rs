//! 64 clients that want the same thing at once.

use crate::server::start;
use crate::wire::Wire;
use std::collections::BTreeSet;
use stepwright_json::{Json, json};
use tokio::task::JoinSet;

const CLIENTS: usize = 64;

/// What all clients got.
async fn all<F>(act: impl Fn(usize) -> F) -> Vec<(u16, Json)>
where
    F: Future<Output = (u16, Json)> + Send + 'static,
{
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        clients.spawn(act(number));
    }
    clients.join_all().await
}

fn count(answers: &[(u16, Json)], status: u16) -> usize {
    answers.iter().filter(|(found, _)| *found == status).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_wins() {
    let folder = tempfile::tempdir().expect("a directory");
    let server = start(Some(folder.path()), Vec::new()).await;
    let wire = Wire::new(&server.url);
    wire.object("PUT", "bucket", &[], Vec::new()).await.expect("it answers");
    let object = |headers: &'static [(&'static str, &'static str)]| {
        let wire = wire.clone();
        move |number: usize| {
            let wire = wire.clone();
            async move {
                let body = vec![number as u8; 10_000];
                let (status, _) =
                    wire.object("PUT", "bucket/a/key", headers, body).await.expect("it answers");
                (status, Json::Null)
            }
        }
    };
    let answers = all(object(&[("if-none-match", "*")])).await;
    assert_eq!((count(&answers, 200), count(&answers, 412)), (1, CLIENTS - 1));
    let (_, body) = wire.object("GET", "bucket/a/key", &[], Vec::new()).await.expect("it answers");
    assert!(body.len() == 10_000 && body.iter().all(|byte| *byte == body[0]), "it is one of them");
    // Without a condition, each of them is written, and one of them is there as a whole.
    let answers = all(object(&[])).await;
    assert_eq!(count(&answers, 200), CLIENTS);
    let (_, body) = wire.object("GET", "bucket/a/key", &[], Vec::new()).await.expect("it answers");
    assert!(body.len() == 10_000 && body.iter().all(|byte| *byte == body[0]), "it is one of them");

    let create = json!({
        "TableName": "counters", "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}]
    });
    wire.call("DynamoDB_20120810.CreateTable", create).await.expect("it answers");
    let put = |number: usize| {
        let wire = wire.clone();
        async move {
            let body = json!({
                "TableName": "counters",
                "Item": {"id": {"S": "x"}, "by": {"N": (number.to_string())}},
                "ConditionExpression": "attribute_not_exists(id)"
            });
            wire.call("DynamoDB_20120810.PutItem", body).await.expect("it answers")
        }
    };
    let answers = all(put).await;
    assert_eq!((count(&answers, 200), count(&answers, 400)), (1, CLIENTS - 1));
    let add = |_| {
        let wire = wire.clone();
        async move {
            let body = json!({
                "TableName": "counters", "Key": {"id": {"S": "x"}},
                "UpdateExpression": "ADD hits :one",
                "ExpressionAttributeValues": {":one": {"N": "1"}}
            });
            wire.call("DynamoDB_20120810.UpdateItem", body).await.expect("it answers")
        }
    };
    assert_eq!(count(&all(add).await, 200), CLIENTS);
    let body = json!({"TableName": "counters", "Key": {"id": {"S": "x"}}});
    let (_, got) = wire.call("DynamoDB_20120810.GetItem", body).await.expect("it answers");
    let hits = got.get("Item").and_then(|item| item.get("hits")?.get("N").cloned());
    assert_eq!(hits, Some(CLIENTS.to_string().into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_message_is_received_once() {
    let server = start(None, Vec::new()).await;
    let wire = Wire::new(&server.url);
    let (_, made) =
        wire.call("AmazonSQS.CreateQueue", json!({"QueueName": "q"})).await.expect("it answers");
    let url = made.get("QueueUrl").cloned().expect("it has a URL");
    // Those who wait are there before the messages.
    let receive = {
        let (wire, url) = (wire.clone(), url.clone());
        tokio::spawn(async move {
            all(|_| {
                let (wire, url) = (wire.clone(), url.clone());
                async move {
                    let body = json!({"QueueUrl": url, "WaitTimeSeconds": 20});
                    wire.call("AmazonSQS.ReceiveMessage", body).await.expect("it answers")
                }
            })
            .await
        })
    };
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let sent = all(|number| {
        let (wire, url) = (wire.clone(), url.clone());
        async move {
            let body = json!({"QueueUrl": url, "MessageBody": (number.to_string())});
            wire.call("AmazonSQS.SendMessage", body).await.expect("it answers")
        }
    })
    .await;
    assert_eq!(count(&sent, 200), CLIENTS);
    let bodies: Vec<String> = receive
        .await
        .expect("they are answered")
        .iter()
        .filter_map(|(_, got)| Some(got.get("Messages")?.at(0)?.get("Body")?.as_str()?.to_owned()))
        .collect();
    let distinct: BTreeSet<&String> = bodies.iter().collect();
    assert_eq!((bodies.len(), distinct.len()), (CLIENTS, CLIENTS), "each got one of its own");
}
