//! A queue of the nodes' local services: what was sent is received and deleted once, and received by one
//! receiver at a time.

use super::{OVER, World, text};
use crate::support::{Answer, Client};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use stepwright_json::{Json, json};

const QUEUE: &str = "http://127.0.0.1/123456789012/work.fifo";

/// How long a message that was received is nobody else's.
const VISIBILITY: Duration = Duration::from_secs(12);

/// How long it may take until everything is deleted, once nothing goes wrong any more.
const LONGEST: Duration = Duration::from_mins(2);

/// What is known of a message.
#[derive(Clone, Debug, Default)]
struct Message {
    is_acknowledged: bool,
    /// Between which moments it was received, each time.
    received: Vec<(Instant, Instant)>,
    /// When its deletion was acknowledged.
    deleted: Option<Instant>,
}

/// What senders and receivers have seen.
#[derive(Debug, Default)]
pub(super) struct Queue {
    messages: Mutex<BTreeMap<String, Message>>,
    next: AtomicU64,
}

impl Queue {
    fn with<R>(&self, body: &str, what: impl FnOnce(&mut Message) -> R) -> R {
        what(self.messages.lock().expect("nobody panics").entry(body.to_owned()).or_default())
    }

    /// How many messages were acknowledged, and how many of them are not deleted yet.
    pub(super) fn counts(&self) -> (usize, usize) {
        let messages = self.messages.lock().expect("nobody panics");
        let known = messages.values().filter(|message| message.is_acknowledged);
        let left = known.clone().filter(|message| message.deleted.is_none());
        (known.count(), left.count())
    }
}

impl World {
    /// Asks one node after the other until the answer is not an error of the server's.
    fn insist_of_queue(&self, operation: &str, body: &Json) -> Result<Json, String> {
        while !self.is_over.load(Ordering::SeqCst) {
            match self.client().service(&format!("AmazonSQS.{operation}"), body) {
                Answer::Ok(reply) => return Ok(reply),
                Answer::Refused(name, why) if name.contains("Invalid") => {
                    return Err(format!("{name}: {why}"));
                }
                _ => std::thread::sleep(Duration::from_millis(100)),
            }
        }
        Err(OVER.to_owned())
    }

    pub(super) fn make_queue(&self) {
        let attributes = json!({"FifoQueue": "true"});
        let body = json!({"QueueName": "work.fifo", "Attributes": attributes});
        self.insist_of_queue("CreateQueue", &body).expect("it is made");
    }

    /// Sends messages, each until that is acknowledged. However often that takes, it is one message.
    pub(super) fn send(&self) {
        while !self.is_enough.load(Ordering::SeqCst) {
            let number = self.queue.next.fetch_add(1, Ordering::SeqCst);
            let body = format!("message-{number}");
            let sent = json!({
                "QueueUrl": QUEUE, "MessageBody": (body.as_str()),
                "MessageGroupId": (format!("group-{}", number % 64)),
                "MessageDeduplicationId": (body.as_str())
            });
            match self.insist_of_queue("SendMessage", &sent) {
                Ok(_) => self.queue.with(&body, |message| message.is_acknowledged = true),
                Err(why) => assert_eq!(why, OVER),
            }
            std::thread::sleep(Duration::from_millis(20 + self.chance.below(80)));
        }
    }

    /// Receives messages and deletes most of them.
    pub(super) fn receive(&self) {
        let body = json!({
            "QueueUrl": QUEUE, "MaxNumberOfMessages": 5, "WaitTimeSeconds": 2,
            "VisibilityTimeout": (VISIBILITY.as_secs() as i64)
        });
        while !self.is_over.load(Ordering::SeqCst) {
            let begun = Instant::now();
            let answer = self.client().service("AmazonSQS.ReceiveMessage", &body);
            let answered = Instant::now();
            let Answer::Ok(got) = answer else {
                std::thread::sleep(Duration::from_millis(100));
                continue;
            };
            let messages = got.get("Messages").and_then(Json::as_array);
            let messages: Vec<&Json> = messages.into_iter().flatten().collect();
            for message in &messages {
                let body = text(message, "Body");
                self.queue.with(&body, |known| {
                    for (other_begun, other_answered) in &known.received {
                        // They are so far apart at the most.
                        let apart = (answered.saturating_duration_since(*other_begun))
                            .max(other_answered.saturating_duration_since(begun));
                        assert!(apart >= VISIBILITY, "{body} was received again after {apart:?}");
                    }
                    if let Some(deleted) = known.deleted {
                        assert!(begun < deleted, "{body} was deleted and came back");
                    }
                    known.received.push((begun, answered));
                });
            }
            for message in messages {
                let body = text(message, "Body");
                // Some receivers die with a message.
                if self.chance.below(20) == 0 && !self.is_enough.load(Ordering::SeqCst) {
                    continue;
                }
                let handle = text(message, "ReceiptHandle");
                let delete = json!({"QueueUrl": QUEUE, "ReceiptHandle": (handle.as_str())});
                match self.insist_of_queue("DeleteMessage", &delete) {
                    Ok(_) => self.queue.with(&body, |known| {
                        known.deleted.get_or_insert_with(Instant::now);
                    }),
                    // Whoever is late does not delete what others may have by now.
                    Err(why) => assert!(why == OVER || why.contains("has expired"), "{why}"),
                }
            }
        }
    }

    /// Once nothing goes wrong any more: everything that was acknowledged has been received and deleted.
    pub(super) fn examine_queue(&self, client: &Client) {
        let end = Instant::now() + LONGEST;
        loop {
            let (sent, left) = self.queue.counts();
            if left == 0 {
                assert!(sent > 0, "nothing was sent");
                break;
            }
            assert!(Instant::now() < end, "{left} of {sent} messages are lost");
            std::thread::sleep(Duration::from_millis(200));
        }
        let names = json!(["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]);
        let body = json!({"QueueUrl": QUEUE, "AttributeNames": names});
        let Answer::Ok(reply) = client.service("AmazonSQS.GetQueueAttributes", &body) else {
            panic!("the queue cannot be read")
        };
        let attributes = reply.get("Attributes").expect("they are there");
        let expected = ("0".to_owned(), "0".to_owned());
        let count = |name: &str| text(attributes, name);
        let counts =
            (count("ApproximateNumberOfMessages"), count("ApproximateNumberOfMessagesNotVisible"));
        assert_eq!(counts, expected, "messages that nobody has sent");
    }
}
