//! What is known of buckets, objects and uploads besides their bytes.

use super::checksum::{Algorithm, Checksum};
use super::files::{Spot, Stamp};
use crate::call::{members, texts};
use crate::kept::{Changes, Contents};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::collections::BTreeMap;
use stepwright_json::{Json, Object, json};

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) buckets: BTreeMap<String, Bucket>,
    pub(super) objects: BTreeMap<String, BTreeMap<String, Kept>>,
    pub(super) uploads: BTreeMap<String, Upload>,
}

/// A bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bucket {
    /// In milliseconds since 1970.
    pub(super) created: i64,
    pub(super) region: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    /// Whether its events go to `EventBridge`.
    pub(super) has_events: bool,
}

/// What an object was given besides its bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Described {
    /// `ContentType` and its siblings.
    pub(super) headers: Object,
    pub(super) metadata: Object,
    pub(super) tags: BTreeMap<String, String>,
}

/// An object. Its bytes are in a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept {
    pub(super) spot: Spot,
    pub(super) stamp: Stamp,
    /// With its quotes.
    pub(super) etag: String,
    /// In milliseconds since 1970.
    pub(super) modified: i64,
    pub(super) described: Described,
    pub(super) checksum: Option<Checksum>,
    /// The sizes of the parts that it was uploaded in.
    pub(super) parts: Vec<u64>,
    /// The name that its file has until it gets its own. Whoever finds a file with this name after a
    /// crash gives it its own.
    pub(super) draft: String,
}

/// An upload in parts that is under way.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Upload {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) started: i64,
    pub(super) described: Described,
    pub(super) algorithm: Option<Algorithm>,
    /// Whether the checksum is one over the whole, and not over the checksums of its parts.
    pub(super) is_full: bool,
    pub(super) parts: BTreeMap<i64, Part>,
}

/// A part of an upload.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) file: String,
    pub(super) size: u64,
    /// Without quotes.
    pub(super) md5: String,
    pub(super) modified: i64,
    pub(super) checksum: Option<Checksum>,
}

/// What is escaped in the keys of documents.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

impl Contents for Index {
    const PREFIX: &'static str = "services/s3/";

    fn read(&mut self, key: &str, value: &Json) {
        let Some((kind, rest)) = key.split_once('/') else { return };
        match kind {
            "bucket" => {
                self.buckets.insert(rest.to_owned(), Bucket::read(value));
            }
            "object" => {
                let Some((bucket, key)) = rest.split_once('/') else { return };
                let key = percent_decode_str(key).decode_utf8_lossy().into_owned();
                self.objects.entry(bucket.to_owned()).or_default().insert(key, Kept::read(value));
            }
            "upload" => {
                let parts = match self.uploads.remove(rest) {
                    Some(upload) => upload.parts,
                    None => BTreeMap::new(),
                };
                self.uploads.insert(rest.to_owned(), Upload { parts, ..Upload::read(value) });
            }
            // The parts come before their uploads: `part` before `upload`.
            "part" => {
                let Some((id, number)) = rest.split_once('/') else { return };
                let Ok(number) = number.parse() else { return };
                let empty = || Upload::read(&Json::Null);
                let upload = self.uploads.entry(id.to_owned()).or_insert_with(empty);
                upload.parts.insert(number, Part::read(value));
            }
            _ => {}
        }
    }

    fn complete(&mut self) {
        // A part whose upload is gone was left by a crash while the upload was removed.
        self.uploads.retain(|_, upload| !upload.bucket.is_empty());
    }
}

impl Index {
    pub(super) fn object(&self, bucket: &str, key: &str) -> Option<&Kept> {
        self.objects.get(bucket)?.get(key)
    }

    pub(super) fn put(&mut self, bucket: &str, key: &str, kept: Kept, changes: &mut Changes) {
        changes.put(object_key(bucket, key), &kept.write());
        self.objects.entry(bucket.to_owned()).or_default().insert(key.to_owned(), kept);
    }

    pub(super) fn forget(&mut self, bucket: &str, key: &str, changes: &mut Changes) {
        if let Some(objects) = self.objects.get_mut(bucket)
            && objects.remove(key).is_some()
        {
            changes.remove(object_key(bucket, key));
        }
    }

    /// Forgets an upload. Returns the names of its parts' files.
    pub(super) fn forget_upload(&mut self, id: &str, changes: &mut Changes) -> Vec<String> {
        let Some(upload) = self.uploads.remove(id) else { return Vec::new() };
        changes.remove(upload_key(id));
        for number in upload.parts.keys() {
            changes.remove(part_key(id, *number));
        }
        upload.parts.into_values().map(|part| part.file).collect()
    }
}

pub(super) fn bucket_key(bucket: &str) -> String {
    format!("bucket/{bucket}")
}

fn object_key(bucket: &str, key: &str) -> String {
    format!("object/{bucket}/{}", utf8_percent_encode(key, ESCAPED))
}

pub(super) fn upload_key(id: &str) -> String {
    format!("upload/{id}")
}

pub(super) fn part_key(id: &str, number: i64) -> String {
    format!("part/{id}/{number}")
}

fn text(document: &Json, member: &str) -> String {
    document.get(member).and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn int(document: &Json, member: &str) -> i64 {
    document.get(member).and_then(Json::as_i64).unwrap_or_default()
}

fn object(document: &Json, member: &str) -> Object {
    document.get(member).and_then(Json::as_object).cloned().unwrap_or_default()
}

pub(super) fn write_tags(tags: &BTreeMap<String, String>) -> Json {
    Json::Object(tags.iter().map(|(key, value)| (key.as_str(), value.as_str().into())).collect())
}

fn read_tags(document: &Json) -> BTreeMap<String, String> {
    let tags = object(document, "tags");
    texts(&tags).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

impl Bucket {
    pub(super) fn write(&self) -> Json {
        members([
            ("created", Some(self.created.into())),
            ("region", self.region.as_deref().map(Json::from)),
            ("tags", Some(write_tags(&self.tags))),
            ("events", Some(self.has_events.into())),
        ])
    }

    fn read(document: &Json) -> Self {
        Self {
            created: int(document, "created"),
            region: document.get("region").and_then(Json::as_str).map(str::to_owned),
            tags: read_tags(document),
            has_events: document.get("events").and_then(Json::as_bool).unwrap_or_default(),
        }
    }
}

impl Described {
    fn write(&self) -> Json {
        json!({
            "headers": (self.headers.clone()),
            "metadata": (self.metadata.clone()),
            "tags": (write_tags(&self.tags))
        })
    }

    fn read(document: &Json) -> Self {
        Self {
            headers: object(document, "headers"),
            metadata: object(document, "metadata"),
            tags: read_tags(document),
        }
    }
}

impl Kept {
    fn write(&self) -> Json {
        let parts = self.parts.iter().map(|size| Json::Int(*size as i64)).collect::<Vec<_>>();
        members([
            ("spot", (self.spot == Spot::Hidden).then(|| "hidden".into())),
            ("size", Some(Json::Int(self.stamp.size as i64))),
            ("written", Some(self.stamp.written.into())),
            ("etag", Some(self.etag.as_str().into())),
            ("modified", Some(self.modified.into())),
            ("described", Some(self.described.write())),
            ("checksum", self.checksum.as_ref().map(Checksum::write)),
            ("parts", (!parts.is_empty()).then(|| parts.into())),
            ("draft", Some(self.draft.as_str().into())),
        ])
    }

    fn read(document: &Json) -> Self {
        let parts = document.get("parts").and_then(Json::as_array).cloned().unwrap_or_default();
        Self {
            spot: match document.get("spot") {
                Some(_) => Spot::Hidden,
                None => Spot::Plain,
            },
            stamp: Stamp { size: int(document, "size") as u64, written: int(document, "written") },
            etag: text(document, "etag"),
            modified: int(document, "modified"),
            described: document.get("described").map(Described::read).unwrap_or_default(),
            checksum: document.get("checksum").and_then(Checksum::read),
            parts: parts.iter().filter_map(Json::as_i64).map(|size| size as u64).collect(),
            draft: text(document, "draft"),
        }
    }
}

impl Upload {
    pub(super) fn write(&self) -> Json {
        members([
            ("bucket", Some(self.bucket.as_str().into())),
            ("key", Some(self.key.as_str().into())),
            ("started", Some(self.started.into())),
            ("described", Some(self.described.write())),
            ("algorithm", self.algorithm.map(|one| one.name().into())),
            ("full", Some(self.is_full.into())),
        ])
    }

    fn read(document: &Json) -> Self {
        Self {
            bucket: text(document, "bucket"),
            key: text(document, "key"),
            started: int(document, "started"),
            described: document.get("described").map(Described::read).unwrap_or_default(),
            algorithm: Algorithm::named(&text(document, "algorithm")).ok(),
            is_full: document.get("full").and_then(Json::as_bool).unwrap_or_default(),
            parts: BTreeMap::new(),
        }
    }
}

impl Part {
    pub(super) fn write(&self) -> Json {
        members([
            ("file", Some(self.file.as_str().into())),
            ("size", Some(Json::Int(self.size as i64))),
            ("md5", Some(self.md5.as_str().into())),
            ("modified", Some(self.modified.into())),
            ("checksum", self.checksum.as_ref().map(Checksum::write)),
        ])
    }

    fn read(document: &Json) -> Self {
        Self {
            file: text(document, "file"),
            size: int(document, "size") as u64,
            md5: text(document, "md5"),
            modified: int(document, "modified"),
            checksum: document.get("checksum").and_then(Checksum::read),
        }
    }
}
