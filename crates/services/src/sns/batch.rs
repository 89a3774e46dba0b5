//! `PublishBatch`.

use super::Sns;
use super::publish::entries;
use crate::call::{Answer, Call, Refusal, answer, text};
use std::collections::BTreeSet;
use stepwright_aws::table;
use stepwright_json::{Json, json};

/// The largest number of entries.
const MOST: usize = 10;

impl Sns {
    pub(super) async fn publish_batch(&self, call: &Call<'_>) -> Answer {
        let topic = call.required("TopicArn");
        let name = self.name_of_arn(topic)?;
        self.kept.with(|topics, _| topics.topic(name).map(drop)).await??;
        let entries = entries(call);
        if entries.is_empty() {
            let why = "The batch request doesn't contain any entries.";
            return Err(Refusal::new("EmptyBatchRequestException", why));
        }
        if entries.len() > MOST {
            let why = "The batch request contains more entries than permissible.";
            return Err(Refusal::new("TooManyEntriesInBatchRequestException", why));
        }
        let mut seen = BTreeSet::new();
        for entry in &entries {
            let id = text(entry, "Id").unwrap_or_default();
            let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if !(1..=80).contains(&id.len()) || !id.chars().all(is_plain) {
                let why = "The Id of a batch entry in a batch request doesn't abide by the specification.";
                return Err(Refusal::new("InvalidBatchEntryIdException", why));
            }
            if !seen.insert(id) {
                let why = "Two or more batch entries in the request have the same Id.";
                return Err(Refusal::new("BatchEntryIdsNotDistinctException", why));
            }
        }
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for entry in &entries {
            let id = text(entry, "Id").unwrap_or_default();
            match self.send(topic, entry, &call.caller.url).await {
                Ok(mut told) => {
                    told.insert("Id", id.into());
                    good.push(Json::Object(told));
                }
                Err(refusal) => {
                    let service = table::service("sns").expect("it is in the table");
                    let error = refusal.reported(service);
                    bad.push(json!({
                        "Id": id,
                        "Code": (error.code.as_str()),
                        "Message": (error.message.as_str()),
                        "SenderFault": (!error.is_fault)
                    }));
                }
            }
        }
        answer(json!({"Successful": good, "Failed": bad}))
    }
}
