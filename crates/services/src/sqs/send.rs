//! `SendMessage`, and what sending does.

use super::attributes::MOST_BYTES;
use super::message::Message;
use super::queue::{DEDUPLICATION, Queue, Sent, Status, Stored};
use super::state::{Queues, message_key, sent_key};
use super::{Sqs, errors};
use crate::call::{Answer, Call, Refusal, answer};
use crate::kept::Changes;
use sha2::{Digest as _, Sha256};
use stepwright_json::{Json, Object, Str, json};

impl Sqs {
    pub(super) async fn send_message(&self, call: &Call<'_>) -> Answer {
        let name = self.named(call)?;
        let message = Message::read(&call.input)?;
        let told = self.send(name, message, &call.caller.id).await?;
        answer(Json::Object(told))
    }

    /// Sends a message to the queue with this ARN, for another service.
    pub(crate) async fn deliver(&self, arn: &str, message: Message) -> Result<(), Refusal> {
        let name = self.name_of_arn(arn).ok_or_else(errors::no_queue)?;
        self.send(name, message, "AIDAISMY7JYY5F7RTT6AO").await.map(drop)
    }

    async fn send(&self, name: &str, message: Message, sender: &str) -> Result<Object, Refusal> {
        let now = self.now();
        let told = self
            .kept
            .with(|queues, changes| self.put(queues, changes, name, message, sender, now))
            .await??;
        self.ring(name, 1);
        Ok(told)
    }

    /// Puts a message into its queue. Returns what the sender is told.
    #[expect(clippy::unused_self, reason = "it is called as its siblings are")]
    pub(super) fn put(
        &self,
        queues: &mut Queues,
        changes: &mut Changes,
        name: &str,
        message: Message,
        sender: &str,
        now: i64,
    ) -> Result<Object, Refusal> {
        let queue = queues.at(name, now, changes)?;
        let most = queue.attributes.number("MaximumMessageSize").min(MOST_BYTES);
        if message.size() as i64 > most {
            return Err(errors::invalid_parameter(format!(
                "One or more parameters are invalid. Reason: Message must be shorter than {most} bytes."
            )));
        }
        let key = deduplication_key(queue, &message)?;
        let mut told = message.digests();
        if let Some((number, sent)) = key.as_deref().and_then(|key| queue.was_sent(key)) {
            told.insert("MessageId", sent.id.clone().into());
            told.insert("SequenceNumber", sequence_number(number).into());
            return Ok(told);
        }
        let delay =
            message.delay_seconds.unwrap_or_else(|| queue.attributes.number("DelaySeconds"));
        let id: Str = uuid::Uuid::new_v4().to_string().into();
        let number = queue.next_number(now);
        let due = if delay > 0 { now + delay * 1_000 } else { 0 };
        let mut stored = Stored {
            id: id.clone(),
            message,
            sender: sender.into(),
            sent: now,
            source: None,
            status: Status { due, ..Status::default() },
        };
        told.insert("MessageId", id.clone().into());
        if let Some(key) = key {
            if stored.message.deduplication.is_none() {
                stored.message.deduplication = Some(of_content(&stored.message.body).into());
            }
            told.insert("SequenceNumber", sequence_number(number).into());
            let sent = Sent { key, until: now + DEDUPLICATION, id };
            let document = json!({
                "key": (sent.key.as_str()), "until": (sent.until), "id": (sent.id.clone())
            });
            changes.put(sent_key(name, number), &document);
            queue.remember(number, sent);
        }
        changes.put(message_key(name, number), &stored.write());
        queue.add(number, stored, now);
        Ok(told)
    }
}

/// The number that FIFO queues tell, as AWS writes it.
pub(super) fn sequence_number(number: u64) -> String {
    format!("{number:020}")
}

fn of_content(body: &str) -> String {
    hex::encode(Sha256::digest(body))
}

/// What a message of a FIFO queue is known by for five minutes. Checks what depends on the kind of
/// the queue.
fn deduplication_key(queue: &Queue, message: &Message) -> Result<Option<String>, Refusal> {
    let check_id = |id: &str, name: &str| {
        let is_right = (1..=128).contains(&id.len()) && id.chars().all(|c| c.is_ascii_graphic());
        if is_right {
            return Ok(());
        }
        let reason = format!(
            "{name} can only include alphanumeric and punctuation characters. 1 to 128 in length."
        );
        Err(errors::invalid_value(id, name, &reason))
    };
    if let Some(delay) = message.delay_seconds.filter(|delay| !(0..=900).contains(delay)) {
        let reason = "DelaySeconds must be >= 0 and <= 900.";
        return Err(errors::invalid_value(&delay.to_string(), "DelaySeconds", reason));
    }
    if let Some(group) = &message.group {
        check_id(group, "MessageGroupId")?;
    }
    if let Some(id) = &message.deduplication {
        check_id(id, "MessageDeduplicationId")?;
    }
    if !queue.is_fifo() {
        return match &message.deduplication {
            Some(id) => Err(errors::invalid_value(
                id,
                "MessageDeduplicationId",
                "The request includes a parameter that is not valid for this queue type.",
            )),
            None => Ok(None),
        };
    }
    if let Some(delay) = message.delay_seconds.filter(|delay| *delay != 0) {
        return Err(errors::invalid_value(
            &delay.to_string(),
            "DelaySeconds",
            "The request include parameter that is not valid for this queue type.",
        ));
    }
    let Some(group) = &message.group else { return Err(errors::missing("MessageGroupId")) };
    let id = match &message.deduplication {
        Some(id) => id.to_string(),
        None if queue.attributes.is("ContentBasedDeduplication", "true") => {
            of_content(&message.body)
        }
        None => {
            return Err(errors::invalid_parameter(
                "The queue should either have ContentBasedDeduplication enabled or \
                 MessageDeduplicationId provided explicitly",
            ));
        }
    };
    Ok(Some(if queue.attributes.is("DeduplicationScope", "messageGroup") {
        format!("{id} {group}")
    } else {
        id
    }))
}
