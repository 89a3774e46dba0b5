//! Tags of objects and buckets.

use super::{S3, errors};
use crate::call::{Answer, Call, Refusal, answer, empty, list};
use percent_encoding::percent_decode_str;
use std::collections::BTreeMap;
use stepwright_json::{Json, json};

type Tags = BTreeMap<String, String>;

/// Reads a set of tags.
pub(super) fn read(set: &[Json]) -> Result<Tags, Refusal> {
    let mut tags = Tags::new();
    for tag in set {
        let text = |member: &str| tag.get(member).and_then(Json::as_str).unwrap_or_default();
        let (key, value) = (text("Key"), text("Value"));
        check(key, value)?;
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(errors::said(
                "InvalidTag",
                "Cannot provide multiple Tags with the same key",
            ));
        }
    }
    Ok(tags)
}

/// Reads the tags of the header `x-amz-tagging`, which are written as a query.
pub(super) fn read_header(text: &str) -> Result<Tags, Refusal> {
    let plain =
        |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let mut tags = Tags::new();
    for part in text.split('&').filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let (key, value) = (plain(key), plain(value));
        check(&key, &value)?;
        if tags.insert(key, value).is_some() {
            return Err(errors::said(
                "InvalidArgument",
                "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters \
                 without tag name duplicates.",
            ));
        }
    }
    at_most_ten(&tags)?;
    Ok(tags)
}

fn check(key: &str, value: &str) -> Result<(), Refusal> {
    if key.is_empty() || key.chars().count() > 128 {
        return Err(errors::said("InvalidTag", "The TagKey you have provided is invalid"));
    }
    if value.chars().count() > 256 {
        return Err(errors::said("InvalidTag", "The TagValue you have provided is invalid"));
    }
    Ok(())
}

fn at_most_ten(tags: &Tags) -> Result<(), Refusal> {
    if tags.len() > 10 {
        return Err(errors::said("BadRequest", "Object tags cannot be greater than 10"));
    }
    Ok(())
}

pub(super) fn write(tags: &Tags) -> Json {
    let one = |(key, value): (&String, &String)| json!({"Key": (key.as_str()), "Value": (value.as_str())});
    tags.iter().map(one).collect::<Vec<_>>().into()
}

impl S3 {
    pub(super) async fn put_object_tagging(&self, call: &Call<'_>) -> Answer {
        let set = call.object("Tagging").map(|tagging| list(tagging, "TagSet"));
        let tags = read(set.unwrap_or_default())?;
        at_most_ten(&tags)?;
        self.change_tags(call, tags).await
    }

    pub(super) async fn delete_object_tagging(&self, call: &Call<'_>) -> Answer {
        self.change_tags(call, Tags::new()).await
    }

    async fn change_tags(&self, call: &Call<'_>, tags: Tags) -> Answer {
        let (bucket, key) = self.object(call)?;
        let _turn = self.lock(bucket, key).write().await;
        let mut kept = self.present(bucket, key).await?;
        kept.described.tags = tags;
        self.kept.with(|index, changes| index.put(bucket, key, kept, changes)).await?;
        empty()
    }

    pub(super) async fn get_object_tagging(&self, call: &Call<'_>) -> Answer {
        let (bucket, key) = self.object(call)?;
        let _turn = self.lock(bucket, key).read().await;
        let kept = self.present(bucket, key).await?;
        answer(json!({"TagSet": (write(&kept.described.tags))}))
    }
}
