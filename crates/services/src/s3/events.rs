//! What a bucket tells `EventBridge`, if it was asked to.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>

use super::S3;
use super::index::Kept;
use crate::events::{Event, Events};
use std::sync::Arc;
use stepwright_json::{Json, json};

impl S3 {
    /// Sets who is told. To be called once.
    pub(crate) fn tells(&self, events: Arc<Events>) {
        self.events.get_or_init(|| events);
    }

    /// Tells that an object was made.
    pub(super) async fn tell_created(&self, bucket: &str, key: &str, kept: &Kept, reason: &str) {
        let object = json!({
            "key": key,
            "size": (Json::Int(kept.stamp.size as i64)),
            "etag": (kept.etag.trim_matches('"')),
            "sequencer": (format!("{:016X}", kept.stamp.written))
        });
        self.tell(bucket, "Object Created", object, ("reason", reason)).await;
    }

    /// Tells that an object was deleted.
    pub(super) async fn tell_deleted(&self, bucket: &str, key: &str) {
        let sequencer = format!("{:016X}", self.now() * 1_000_000);
        let object = json!({"key": key, "sequencer": sequencer});
        self.tell(bucket, "Object Deleted", object, ("reason", "DeleteObject")).await;
    }

    async fn tell(&self, bucket: &str, what: &str, object: Json, reason: (&str, &str)) {
        let Some(events) = self.events.get().filter(|events| events.has_rules()) else { return };
        let is_asked = self
            .kept
            .with(|index, _| index.buckets.get(bucket).is_some_and(|bucket| bucket.has_events))
            .await;
        // If the store fails, the next call says so.
        if !is_asked.unwrap_or_default() {
            return;
        }
        let mut detail = stepwright_json::Object::new();
        detail.insert("version", "0".into());
        detail.insert("bucket", json!({"name": bucket}));
        detail.insert("object", object);
        detail.insert("request-id", uuid::Uuid::new_v4().to_string().into());
        detail.insert("requester", self.account.as_str().into());
        detail.insert("source-ip-address", "127.0.0.1".into());
        detail.insert(reason.0, reason.1.into());
        if what == "Object Deleted" {
            detail.insert("deletion-type", "Permanently Deleted".into());
        }
        let event = Event {
            source: "aws.s3".to_owned(),
            detail_type: what.to_owned(),
            resources: vec![format!("arn:aws:s3:::{bucket}")],
            detail: detail.into(),
            at: self.now(),
        };
        events.tell(event).await;
    }
}
