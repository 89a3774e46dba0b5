//! S3 as the object store of Map states: what item readers read and result writers write is called
//! where `[services]` says, by the same caller as everything else.

use super::wire::{Answer, Fault, Target};
use super::{AwsServices, Place};
use std::sync::Arc;
use stepwright_aws::codec::{self, Message};
use stepwright_aws::table;
use stepwright_engine::ObjectStore;
use stepwright_interpreter::items::ObjectInfo;
use stepwright_json::{Json, Object, json};
use tokio::runtime::Handle;

/// The largest object that is read, in bytes: as large as one in a folder.
const MOST_BYTES: usize = 64 << 20;

/// The buckets of S3, where the service is called.
#[derive(Clone, Debug)]
pub struct ServiceObjects {
    aws: Arc<AwsServices>,
    place: Place,
    region: String,
    runtime: Handle,
}

impl ServiceObjects {
    /// The buckets of the section that S3 has of its own; with `by_default`, or of `[services.default]`.
    /// `None` if S3 is not called. Must be called within a tokio runtime.
    pub fn new(aws: &Arc<AwsServices>, region: &str, by_default: bool) -> Option<Self> {
        let place = aws.own_place("s3").or_else(|| aws.place("s3").filter(|_| by_default))?.clone();
        let region = place.region.clone().unwrap_or_else(|| region.to_owned());
        Some(Self { aws: aws.clone(), place, region, runtime: Handle::current() })
    }

    /// Calls an operation. The thread may block.
    fn call(&self, action: &str, message: &Message) -> Result<Answer, String> {
        let service = table::service("s3").map_err(|error| error.to_string())?;
        let operation = service.action(action).map_err(|error| error.to_string())?;
        let target = Target {
            place: &self.place,
            service,
            operation,
            region: &self.region,
            role: None,
            principal: None,
            once: None,
            most: MOST_BYTES,
        };
        self.runtime.block_on(self.aws.call(target, message)).map_err(|fault| match fault {
            Fault::Service(error) if error.message.is_empty() => error.code.clone(),
            Fault::Service(error) => error.message.clone(),
            Fault::Client(why) | Fault::Unfit(why) => why,
        })
    }
}

impl ObjectStore for ServiceObjects {
    fn get(&self, bucket: &str, key: &str) -> Result<Vec<u8>, String> {
        let request = json!({"Bucket": bucket, "Key": key});
        let answer = self.call("getObject", &request.into())?;
        Ok(answer.message.body.unwrap_or_default())
    }

    fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectInfo>, String> {
        let mut request: Object = [("Bucket", Json::from(bucket))].into_iter().collect();
        if !prefix.is_empty() {
            request.insert("Prefix", prefix.into());
        }
        let mut found = Vec::new();
        loop {
            let message = Message::from(Json::from(request.clone()));
            let page = self.call("listObjectsV2", &message)?.message.value;
            let listed = page.get("Contents").and_then(Json::as_array);
            found.extend(listed.into_iter().flat_map(|all| all.iter()).map(info));
            match page.get("NextContinuationToken") {
                Some(next) if !next.is_null() && request.get("ContinuationToken") != Some(next) => {
                    request.insert("ContinuationToken", next.clone());
                }
                _ => return Ok(found),
            }
        }
    }

    fn put(&self, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<(), String> {
        let value = json!({"Bucket": bucket, "Key": key, "ContentType": "application/json"});
        self.call("putObject", &Message { value, body: Some(bytes) })?;
        Ok(())
    }
}

fn info(object: &Json) -> ObjectInfo {
    let text = |name: &str| object.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let millis = object.get("LastModified").and_then(codec::millis).unwrap_or_default();
    ObjectInfo {
        key: text("Key"),
        size: object.get("Size").and_then(Json::as_i64).unwrap_or_default().unsigned_abs(),
        etag: text("ETag"),
        last_modified: millis / 1_000,
    }
}
