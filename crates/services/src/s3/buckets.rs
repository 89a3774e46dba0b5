//! Operations on buckets.

use super::index::{Bucket, bucket_key};
use super::{S3, errors, tagging};
use crate::call::{Answer, Call, Refusal, answer, empty, members};
use crate::pages;
use std::collections::BTreeMap;
use stepwright_json::{Json, json};

impl S3 {
    pub(super) async fn create_bucket(&self, call: &Call<'_>) -> Answer {
        let bucket = call.required("Bucket");
        check_name(bucket)?;
        let configuration = call.object("CreateBucketConfiguration");
        let text = |member: &str| configuration?.get(member)?.as_str().map(str::to_owned);
        for member in ["Location", "Bucket"] {
            if configuration
                .is_some_and(|one| one.get(member).is_some_and(|value| !value.is_null()))
            {
                let why = format!("`{member}` of CreateBucketConfiguration is not supported");
                return Err(errors::said("NotImplemented", why));
            }
        }
        let tags = match configuration.and_then(|one| one.get("Tags")) {
            Some(tags) => tagging::read(tags.as_array().map(|tags| &**tags).unwrap_or_default())?,
            None => BTreeMap::new(),
        };
        let region = text("LocationConstraint").filter(|region| !region.is_empty());
        let files = self.files()?.clone();
        let _turn = self.lock(bucket, "").write().await;
        if files.has_bucket(bucket) {
            // As in us-east-1.
            if self.region == "us-east-1" {
                return answer(created(bucket));
            }
            return Err(errors::known("BucketAlreadyOwnedByYou").with("BucketName", bucket));
        }
        let name = bucket.to_owned();
        self.blocking(move || files.make_bucket(&name)).await?;
        let made = Bucket { created: self.now(), region, tags, ..Bucket::default() };
        self.kept
            .with(|index, changes| {
                changes.put(bucket_key(bucket), &made.write());
                index.buckets.insert(bucket.to_owned(), made);
            })
            .await?;
        answer(created(bucket))
    }

    pub(super) async fn delete_bucket(&self, call: &Call<'_>) -> Answer {
        let bucket = self.bucket(call)?.to_owned();
        let _turn = self.lock(&bucket, "").write().await;
        if !self.entries(&bucket, "").await?.is_empty() {
            return Err(errors::known("BucketNotEmpty").with("BucketName", bucket.as_str()));
        }
        let (files, name) = (self.files()?.clone(), bucket.clone());
        self.blocking(move || files.remove_bucket(&name)).await?;
        self.kept
            .with(|index, changes| {
                index.buckets.remove(&bucket);
                changes.remove(bucket_key(&bucket));
                let keys: Vec<String> = index
                    .objects
                    .get(&bucket)
                    .into_iter()
                    .flatten()
                    .map(|(key, _)| key.clone())
                    .collect();
                for key in keys {
                    index.forget(&bucket, &key, changes);
                }
                let uploads = index.uploads.iter().filter(|(_, upload)| upload.bucket == bucket);
                let uploads: Vec<String> = uploads.map(|(id, _)| id.clone()).collect();
                for id in uploads {
                    index.forget_upload(&id, changes);
                }
            })
            .await?;
        empty()
    }

    pub(super) async fn head_bucket(&self, call: &Call<'_>) -> Answer {
        self.bucket(call)?;
        let region = self.about_bucket(call).await?.region.unwrap_or_else(|| self.region.clone());
        answer(json!({"BucketRegion": region}))
    }

    pub(super) async fn get_bucket_location(&self, call: &Call<'_>) -> Answer {
        self.bucket(call)?;
        let region = self.about_bucket(call).await?.region;
        answer(json!({"LocationConstraint": (region.unwrap_or_default())}))
    }

    /// A bucket is not versioned, which is said by saying nothing.
    pub(super) fn get_bucket_versioning(&self, call: &Call<'_>) -> Answer {
        self.bucket(call)?;
        empty()
    }

    pub(super) async fn list_buckets(&self, call: &Call<'_>) -> Answer {
        let files = self.files()?.clone();
        let found = self.blocking(move || files.buckets()).await?;
        let prefix = call.text("Prefix").unwrap_or_default();
        let most = call.int("MaxBuckets").unwrap_or(10_000).clamp(1, 10_000) as usize;
        let names: Vec<String> = found
            .iter()
            .map(|(name, _)| name.clone())
            .filter(|name| name.starts_with(prefix))
            .collect();
        let page = pages::page(names, call.text("ContinuationToken"), most).ok_or_else(|| {
            errors::said("InvalidArgument", "The continuation token provided is incorrect")
        })?;
        let known = self.kept.with(|index, _| index.buckets.clone()).await?;
        let shown = |name: &String| {
            let made = found.iter().find(|(one, _)| one == name).map_or(0, |(_, made)| *made);
            let known = known.get(name);
            json!({
                "Name": (name.as_str()),
                "CreationDate": (known.map_or(made, |bucket| bucket.created / 1_000)),
                "BucketRegion": (
                    known.and_then(|bucket| bucket.region.clone()).unwrap_or_else(|| self.region.clone())
                )
            })
        };
        let wanted = |one: &Json| {
            call.text("BucketRegion")
                .is_none_or(|region| one.get("BucketRegion").and_then(Json::as_str) == Some(region))
        };
        let buckets: Vec<Json> = page.items.iter().map(shown).filter(wanted).collect();
        answer(members([
            ("Buckets", Some(buckets.into())),
            ("Owner", Some(self.owner())),
            ("ContinuationToken", page.next.map(Json::from)),
            ("Prefix", call.text("Prefix").map(Json::from)),
        ]))
    }

    pub(super) async fn put_bucket_tagging(&self, call: &Call<'_>) -> Answer {
        self.bucket(call)?;
        let set = call.object("Tagging").map(|tagging| crate::call::list(tagging, "TagSet"));
        let tags = tagging::read(set.unwrap_or_default())?;
        self.change_bucket(call, |bucket| bucket.tags = tags).await
    }

    pub(super) async fn get_bucket_tagging(&self, call: &Call<'_>) -> Answer {
        self.bucket(call)?;
        let tags = self.about_bucket(call).await?.tags;
        if tags.is_empty() {
            return Err(errors::known("NoSuchTagSet"));
        }
        answer(json!({"TagSet": (tagging::write(&tags))}))
    }

    pub(super) async fn delete_bucket_tagging(&self, call: &Call<'_>) -> Answer {
        self.bucket(call)?;
        self.change_bucket(call, |bucket| bucket.tags.clear()).await
    }

    pub(super) async fn put_bucket_notification_configuration(&self, call: &Call<'_>) -> Answer {
        self.bucket(call)?;
        let given = call.object("NotificationConfiguration");
        let others = ["TopicConfigurations", "QueueConfigurations", "LambdaFunctionConfigurations"];
        for member in others {
            if given.is_some_and(|given| !crate::call::list(given, member).is_empty()) {
                let why = format!(
                    "`{member}` is not supported: events go to EventBridge, whose rules reach queues, topics and \
                     functions"
                );
                return Err(errors::said("NotImplemented", why));
            }
        }
        let has_events = given.is_some_and(|given| given.contains_key("EventBridgeConfiguration"));
        self.change_bucket(call, |bucket| bucket.has_events = has_events).await
    }

    pub(super) async fn get_bucket_notification_configuration(&self, call: &Call<'_>) -> Answer {
        self.bucket(call)?;
        if self.about_bucket(call).await?.has_events {
            return answer(json!({"EventBridgeConfiguration": {}}));
        }
        empty()
    }

    /// What is known of a request's bucket. One that somebody made as a directory is as new.
    pub(super) async fn about_bucket(&self, call: &Call<'_>) -> Result<Bucket, Refusal> {
        let bucket = call.required("Bucket");
        Ok(self.kept.with(|index, _| index.buckets.get(bucket).cloned()).await?.unwrap_or_default())
    }

    async fn change_bucket(
        &self,
        call: &Call<'_>,
        change: impl FnOnce(&mut Bucket) + Send,
    ) -> Answer {
        let bucket = call.required("Bucket");
        let now = self.now();
        self.kept
            .with(|index, changes| {
                let fresh = || Bucket { created: now, ..Bucket::default() };
                let known = index.buckets.entry(bucket.to_owned()).or_insert_with(fresh);
                change(known);
                changes.put(bucket_key(bucket), &known.write());
            })
            .await?;
        empty()
    }

    pub(super) fn owner(&self) -> Json {
        json!({"DisplayName": "stepwright", "ID": (self.account.as_str())})
    }
}

fn created(bucket: &str) -> Json {
    json!({
        "Location": (format!("/{bucket}")),
        "BucketArn": (format!("arn:aws:s3:::{bucket}"))
    })
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let is_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let is_right = (3..=63).contains(&name.len())
        && name.chars().all(is_plain)
        && is_end(name.chars().next())
        && is_end(name.chars().next_back())
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !name.starts_with("xn--")
        && !name.ends_with("-s3alias")
        && !name.ends_with("--x-s3");
    if is_right { Ok(()) } else { Err(errors::known("InvalidBucketName").with("BucketName", name)) }
}
