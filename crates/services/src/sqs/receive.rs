//! `ReceiveMessage`, `DeleteMessage`, `ChangeMessageVisibility`.

use super::queue::Stored;
use super::send::sequence_number;
use super::state::{Queues, forget, status_key};
use super::{Sqs, digest, errors};
use crate::call::{Answer, Call, Refusal, answer, empty, members};
use crate::kept::Changes;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::time::Duration;
use stepwright_json::{Json, Object, Str};

/// The system attributes that a receiver can ask for.
const SYSTEM: [&str; 10] = [
    "AWSTraceHeader",
    "All",
    "ApproximateFirstReceiveTimestamp",
    "ApproximateReceiveCount",
    "DeadLetterQueueSourceArn",
    "MessageDeduplicationId",
    "MessageGroupId",
    "SenderId",
    "SentTimestamp",
    "SequenceNumber",
];

/// What a receiver asks for.
struct Asked {
    most: usize,
    visibility: Option<i64>,
    attempt: Option<String>,
    system: Vec<String>,
    attributes: Vec<String>,
}

impl Sqs {
    pub(super) async fn receive_message(&self, call: &Call<'_>) -> Answer {
        let name = self.named(call)?;
        let asked = Asked::read(call)?;
        let began = self.now();
        let mut waits_until = None;
        loop {
            let bell = self.bell(name);
            let mut rung = std::pin::pin!(bell.notified());
            // From here on, a message that is sent is noticed.
            rung.as_mut().enable();
            let now = self.now();
            let (got, seconds, next_due) = self
                .kept
                .with(|queues, changes| {
                    let got = self.take(queues, changes, name, &asked, now)?;
                    let queue = queues.at(name, now, changes)?;
                    if !got.is_empty() && queue.has_some() {
                        bell.notify_one();
                    }
                    let usual = queue.attributes.number("ReceiveMessageWaitTimeSeconds");
                    Ok::<_, Refusal>((got, usual, queue.next_due()))
                })
                .await??;
            let seconds = call.int("WaitTimeSeconds").unwrap_or(seconds);
            let until = *waits_until.get_or_insert(began + seconds * 1_000);
            let now = self.now();
            if !got.is_empty() || now >= until {
                let got = (!got.is_empty()).then(|| got.into());
                return answer(members([("Messages", got)]));
            }
            let pause = next_due.map_or(until, |due| due.clamp(now + 1, until)) - now;
            let pause = Duration::from_millis(pause.max(1) as u64);
            tokio::select! {
                () = rung => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Takes messages. Those that were received too often go to the dead-letter queue.
    fn take(
        &self,
        queues: &mut Queues,
        changes: &mut Changes,
        name: &str,
        asked: &Asked,
        now: i64,
    ) -> Result<Vec<Json>, Refusal> {
        let redrive = queues.redrive(name);
        let source: Str = self.arn(name).into();
        let mut taken = Vec::new();
        loop {
            let queue = queues.at(name, now, changes)?;
            if queue.is_full() && queue.has_some() {
                return Err(errors::modelled(
                    "OverLimit",
                    format!("Too many messages in flight for queue {name}: at most 120000."),
                ));
            }
            let attempt = asked.attempt.as_deref();
            if attempt.is_some() && !queue.is_fifo() {
                return Err(errors::invalid_value(
                    attempt.unwrap_or_default(),
                    "ReceiveRequestAttemptId",
                    "The request includes a parameter that is not valid for this queue type.",
                ));
            }
            let visibility =
                asked.visibility.unwrap_or_else(|| queue.attributes.number("VisibilityTimeout"));
            let repeated = attempt.and_then(|attempt| queue.repeat(attempt, now, visibility));
            let (got, spent) = match repeated {
                Some(got) => (got, Vec::new()),
                None => {
                    let most = redrive.as_ref().map(|(_, most)| *most);
                    queue.receive(now, asked.most - taken.len(), visibility, most)
                }
            };
            for number in &got {
                let status = queue.messages[number].status.write();
                changes.put(status_key(name, *number), &status);
            }
            taken.extend(got);
            if let Some((target, _)) = &redrive {
                for number in &spent {
                    queues.relocate(*number, name, target, Some(source.clone()), now, changes);
                }
                self.ring(target, spent.len());
            }
            if spent.is_empty() || taken.len() >= asked.most {
                break;
            }
        }
        let queue = queues.at(name, now, changes)?;
        if let Some(attempt) = &asked.attempt
            && !taken.is_empty()
        {
            queue.attempted(attempt, &taken, now);
        }
        let shown = |number: &u64| {
            let handle = handle(&queue.messages[number], *number, queue.created);
            asked.shown(&queue.messages[number], *number, queue.is_fifo(), handle)
        };
        Ok(taken.iter().map(shown).collect())
    }

    pub(super) async fn delete_message(&self, call: &Call<'_>) -> Answer {
        let name = self.named(call)?;
        let now = self.now();
        let handle = call.required("ReceiptHandle");
        let opens = self
            .kept
            .with(|queues, changes| self.delete(queues, changes, name, handle, now))
            .await??;
        if opens {
            self.ring(name, 1);
        }
        empty()
    }

    /// Deletes a message. Returns whether others of its group may be received now.
    #[expect(clippy::unused_self, reason = "it is called as its siblings are")]
    pub(super) fn delete(
        &self,
        queues: &mut Queues,
        changes: &mut Changes,
        name: &str,
        handle: &str,
        now: i64,
    ) -> Result<bool, Refusal> {
        let queue = queues.at(name, now, changes)?;
        let (number, id) = read_handle(handle, queue.created)?;
        let Some(stored) = queue.messages.get(&number).filter(|stored| stored.id == id) else {
            // It was deleted before.
            return Ok(false);
        };
        if queue.is_fifo() && !stored.status.in_flight {
            return Err(errors::invalid_value(
                handle,
                "ReceiptHandle",
                "The receipt handle has expired.",
            ));
        }
        queue.remove(number);
        forget(changes, name, number);
        Ok(queue.is_fifo() && queue.has_some())
    }

    pub(super) async fn change_message_visibility(&self, call: &Call<'_>) -> Answer {
        let name = self.named(call)?;
        let now = self.now();
        let handle = call.required("ReceiptHandle");
        let seconds = call.int("VisibilityTimeout").unwrap_or_default();
        self.kept
            .with(|queues, changes| {
                self.change_visibility(queues, changes, name, handle, seconds, now)
            })
            .await??;
        self.ring(name, 1);
        empty()
    }

    #[expect(clippy::unused_self, reason = "it is called as its siblings are")]
    pub(super) fn change_visibility(
        &self,
        queues: &mut Queues,
        changes: &mut Changes,
        name: &str,
        handle: &str,
        seconds: i64,
        now: i64,
    ) -> Result<(), Refusal> {
        if !(0..=43_200).contains(&seconds) {
            return Err(errors::invalid_value(
                &seconds.to_string(),
                "VisibilityTimeout",
                "VisibilityTimeout must be an integer between 0 and 43200.",
            ));
        }
        let queue = queues.at(name, now, changes)?;
        let (number, id) = read_handle(handle, queue.created)?;
        let is_there = queue.messages.get(&number).is_some_and(|stored| stored.id == id);
        if !is_there {
            return Err(errors::invalid_value(
                handle,
                "ReceiptHandle",
                "Message does not exist or is not available for visibility timeout change.",
            ));
        }
        if !queue.change_visibility(number, now, seconds) {
            let message = format!("Value {handle} for parameter ReceiptHandle is invalid.");
            return Err(errors::modelled("MessageNotInflight", message));
        }
        changes.put(status_key(name, number), &queue.messages[&number].status.write());
        Ok(())
    }
}

impl Asked {
    fn read(call: &Call<'_>) -> Result<Self, Refusal> {
        let within = |member: &str, least: i64, most: i64| match call.int(member) {
            Some(given) if !(least..=most).contains(&given) => Err(errors::invalid_value(
                &given.to_string(),
                member,
                &format!("Must be between {least} and {most}, if provided."),
            )),
            given => Ok(given),
        };
        let most = within("MaxNumberOfMessages", 1, 10)?.unwrap_or(1) as usize;
        within("WaitTimeSeconds", 0, 20)?;
        let visibility = within("VisibilityTimeout", 0, 43_200)?;
        let mut system = call.texts("AttributeNames");
        system.extend(call.texts("MessageSystemAttributeNames"));
        if let Some(unknown) = system.iter().find(|name| !SYSTEM.contains(&name.as_str())) {
            return Err(errors::unknown_attribute(unknown));
        }
        Ok(Self {
            most,
            visibility,
            attempt: call.text("ReceiveRequestAttemptId").map(str::to_owned),
            system,
            attributes: call.texts("MessageAttributeNames"),
        })
    }

    /// A message as it is shown to its receiver.
    fn shown(&self, stored: &Stored, number: u64, is_fifo: bool, handle: String) -> Json {
        let message = &stored.message;
        let mut shown = Object::new();
        shown.insert("MessageId", stored.id.clone().into());
        shown.insert("ReceiptHandle", handle.into());
        shown.insert("MD5OfBody", digest::of_text(&message.body).into());
        shown.insert("Body", message.body.clone().into());
        let first = stored.status.first.map(|first| first.to_string());
        let system = [
            ("SenderId", Some(stored.sender.to_string())),
            ("ApproximateFirstReceiveTimestamp", first),
            ("ApproximateReceiveCount", Some(stored.status.received.to_string())),
            ("SentTimestamp", Some(stored.sent.to_string())),
            ("SequenceNumber", is_fifo.then(|| sequence_number(number))),
            ("MessageDeduplicationId", message.deduplication.as_ref().map(ToString::to_string)),
            ("MessageGroupId", message.group.as_ref().map(ToString::to_string)),
            ("AWSTraceHeader", message.trace.as_ref().map(ToString::to_string)),
            ("DeadLetterQueueSourceArn", stored.source.as_ref().map(ToString::to_string)),
        ];
        let is_asked = |name: &str| self.system.iter().any(|asked| asked == "All" || asked == name);
        let system: Object = system
            .into_iter()
            .filter(|(name, _)| is_asked(name))
            .filter_map(|(name, value)| Some((name, Json::from(value?))))
            .collect();
        if !system.is_empty() {
            shown.insert("Attributes", system.into());
        }
        let attributes: Object = message
            .attributes
            .iter()
            .filter(|(name, _)| self.attributes.iter().any(|asked| is_meant(asked, name)))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if let Some(digest) = digest::of_attributes(&attributes) {
            shown.insert("MD5OfMessageAttributes", digest.into());
            shown.insert("MessageAttributes", attributes.into());
        }
        shown.into()
    }
}

/// Whether an attribute is one of those that are asked for: by its name, by the beginning of its
/// name (`foo.*`), or as one of all.
fn is_meant(asked: &str, name: &str) -> bool {
    match asked {
        "All" | ".*" => true,
        asked => match asked.strip_suffix(".*") {
            Some(start) => name.starts_with(start),
            None => asked == name,
        },
    }
}

/// The receipt handle of a message that was just received.
fn handle(stored: &Stored, number: u64, created: i64) -> String {
    STANDARD.encode(format!("{} {number:x} {} {created}", stored.id, stored.status.received))
}

/// The number and the id of the message that a handle is for.
fn read_handle(handle: &str, created: i64) -> Result<(u64, String), Refusal> {
    let read = || {
        let text = String::from_utf8(STANDARD.decode(handle).ok()?).ok()?;
        let parts: Vec<&str> = text.split(' ').collect();
        let [id, number, _, of] = parts[..] else { return None };
        (of.parse() == Ok(created)).then_some(())?;
        Some((u64::from_str_radix(number, 16).ok()?, id.to_owned()))
    };
    read().ok_or_else(|| {
        let message =
            format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
        errors::modelled("ReceiptHandleIsInvalid", message)
    })
}
