//! The operations on several messages at once. Each entry succeeds or fails by itself.

use super::attributes::MOST_BYTES;
use super::message::Message;
use super::state::Queues;
use super::{Sqs, errors};
use crate::call::{Answer, Call, Refusal, answer, members, text};
use crate::kept::Changes;
use std::collections::BTreeSet;
use stepwright_json::{Json, Object, json};

/// The largest number of entries.
const MOST: usize = 10;

impl Sqs {
    pub(super) async fn send_message_batch(&self, call: &Call<'_>) -> Answer {
        let entries = entries(call, "SendMessageBatchRequestEntry")?;
        let size: usize =
            entries.iter().filter_map(|entry| Some(Message::read(entry).ok()?.size())).sum();
        if size as i64 > MOST_BYTES {
            return Err(errors::modelled(
                "BatchRequestTooLong",
                format!(
                    "Batch requests cannot be longer than {MOST_BYTES} bytes. You have sent {size} bytes."
                ),
            ));
        }
        let sender = &call.caller.id;
        let count = entries.len();
        let answer = self
            .each(call, &entries, |queues, changes, name, entry, now| {
                let message = Message::read(entry)?;
                self.put(queues, changes, name, message, sender, now)
            })
            .await?;
        self.ring(self.named(call)?, count);
        Ok(answer)
    }

    pub(super) async fn delete_message_batch(&self, call: &Call<'_>) -> Answer {
        let entries = entries(call, "DeleteMessageBatchRequestEntry")?;
        let answer = self
            .each(call, &entries, |queues, changes, name, entry, now| {
                let handle = text(entry, "ReceiptHandle").unwrap_or_default();
                self.delete(queues, changes, name, handle, now).map(|_| Object::new())
            })
            .await?;
        self.ring(self.named(call)?, entries.len());
        Ok(answer)
    }

    pub(super) async fn change_message_visibility_batch(&self, call: &Call<'_>) -> Answer {
        let entries = entries(call, "ChangeMessageVisibilityBatchRequestEntry")?;
        let answer = self
            .each(call, &entries, |queues, changes, name, entry, now| {
                let handle = text(entry, "ReceiptHandle").unwrap_or_default();
                let seconds = entry.get("VisibilityTimeout").and_then(Json::as_i64);
                let Some(seconds) = seconds else {
                    return Err(errors::missing("VisibilityTimeout"));
                };
                self.change_visibility(queues, changes, name, handle, seconds, now)
                    .map(|()| Object::new())
            })
            .await?;
        self.ring(self.named(call)?, entries.len());
        Ok(answer)
    }

    /// Does something with each entry, all in one change.
    async fn each(
        &self,
        call: &Call<'_>,
        entries: &[Object],
        act: impl Fn(&mut Queues, &mut Changes, &str, &Object, i64) -> Result<Object, Refusal>
        + Send
        + Sync,
    ) -> Answer {
        let name = self.named(call)?;
        let now = self.now();
        let (good, bad) = self
            .kept
            .with(|queues, changes| {
                queues.at(name, now, changes)?;
                let (mut good, mut bad) = (Vec::new(), Vec::new());
                for entry in entries {
                    let id = text(entry, "Id").unwrap_or_default();
                    match act(queues, changes, name, entry, now) {
                        Ok(mut told) => {
                            told.insert("Id", id.into());
                            good.push(Json::Object(told));
                        }
                        Err(refusal) => bad.push(failed(id, &refusal)),
                    }
                }
                Ok::<_, Refusal>((good, bad))
            })
            .await??;
        let failed = (!bad.is_empty()).then(|| Json::from(bad));
        answer(members([("Successful", Some(good.into())), ("Failed", failed)]))
    }
}

fn failed(id: &str, refusal: &Refusal) -> Json {
    let code = refusal.code.as_deref().unwrap_or(&refusal.name);
    json!({
        "Id": id,
        "SenderFault": (refusal.status.is_none_or(|status| status < 500)),
        "Code": code,
        "Message": (refusal.message.as_str())
    })
}

/// The entries of a batch, if they are as many as there may be and have ids of their own.
fn entries(call: &Call<'_>, kind: &str) -> Result<Vec<Object>, Refusal> {
    let entries: Vec<Object> =
        call.list("Entries").iter().filter_map(|one| one.as_object().cloned()).collect();
    if entries.is_empty() {
        let message = format!("There should be at least one {kind} in the request.");
        return Err(errors::modelled("EmptyBatchRequest", message));
    }
    if entries.len() > MOST {
        let message = format!(
            "Maximum number of entries per request are {MOST}. You have sent {}.",
            entries.len()
        );
        return Err(errors::modelled("TooManyEntriesInBatchRequest", message));
    }
    let mut seen = BTreeSet::new();
    for entry in &entries {
        let id = text(entry, "Id").unwrap_or_default();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !(1..=80).contains(&id.len()) || !id.chars().all(is_plain) {
            return Err(errors::modelled(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can \
                 be at most 80 letters long.",
            ));
        }
        if !seen.insert(id) {
            return Err(errors::modelled("BatchEntryIdsNotDistinct", format!("Id {id} repeated.")));
        }
    }
    Ok(entries)
}
