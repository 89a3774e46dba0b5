//! Operations on single objects.

use super::checksum::{self, Algorithm, Checksum, Hasher};
use super::conditions::{self, State};
use super::files::{Draft, Spot, Stamp};
use super::index::{Described, Kept};
use super::{S3, errors, tagging};
use crate::call::{Answer, Call, FilePart, Refusal, Reply, answer, members, text};
use md5::{Digest as _, Md5};
use percent_encoding::percent_decode_str;
use std::io::{self, Read as _};
use stepwright_json::{Json, Object, json};

/// The headers that an object keeps.
const HEADERS: [&str; 7] = [
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "WebsiteRedirectLocation",
];

/// The largest metadata of an object, in bytes.
const MOST_METADATA: usize = 2_048;

/// How much is copied at a time.
const PIECE: usize = 256 << 10;

impl Kept {
    pub(super) fn state(&self) -> State<'_> {
        State { etag: &self.etag, modified: self.modified / 1_000 }
    }
}

impl Described {
    /// What a request says of a new object.
    pub(super) fn given(call: &Call<'_>) -> Result<Self, Refusal> {
        if let Some(class) = call.text("StorageClass").filter(|class| *class != "STANDARD") {
            let why =
                format!("the storage class `{class}` is not supported: everything is `STANDARD`");
            return Err(errors::said("NotImplemented", why));
        }
        let given = HEADERS.iter().filter_map(|name| {
            let value = call.input.get(name).filter(|value| **value != Json::from(""))?;
            Some((*name, value.clone()))
        });
        let metadata = call.object("Metadata").cloned().unwrap_or_default();
        // Their names are headers', whose case does not matter.
        let metadata: Object = metadata
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
            .collect();
        let size: usize = metadata
            .iter()
            .map(|(name, value)| name.len() + value.as_str().map_or(0, str::len))
            .sum();
        if size > MOST_METADATA {
            return Err(errors::known("MetadataTooLarge"));
        }
        let tags = call.text("Tagging").map(tagging::read_header).transpose()?;
        Ok(Self { headers: given.collect(), metadata, tags: tags.unwrap_or_default() })
    }
}

/// A new object whose bytes are on the disk.
pub(super) struct New {
    pub(super) draft: Draft,
    pub(super) stamp: Stamp,
    pub(super) etag: String,
    pub(super) described: Described,
    pub(super) checksum: Option<Checksum>,
    pub(super) parts: Vec<u64>,
}

impl S3 {
    pub(super) async fn put_object(&self, call: &Call<'_>, body: Vec<u8>) -> Answer {
        let (bucket, key) = self.object(call)?;
        let described = Described::given(call)?;
        if call.int("ContentLength").is_some_and(|length| length != body.len() as i64) {
            let code = "IncompleteBody";
            let why = "You did not provide the number of bytes specified by the Content-Length HTTP header";
            return Err(Refusal::new(code, why).status(400));
        }
        let checksum = checksum::checked(call, &body)?;
        let files = self.files()?.clone();
        let name = bucket.to_owned();
        let (draft, stamp, etag) = self
            .blocking(move || {
                let mut draft = files.begin(&name)?;
                draft.write(&body)?;
                let stamp = draft.finish()?;
                Ok((draft, stamp, quoted(&hex::encode(Md5::digest(&body)))))
            })
            .await?;
        let new = New { draft, stamp, etag, described, checksum, parts: Vec::new() };
        let kept =
            self.put(bucket, key, new, |present| conditions::of_write(call, present)).await?;
        self.tell_created(bucket, key, &kept, "PutObject").await;
        let mut told = Object::new();
        told.insert("ETag", kept.etag.as_str().into());
        tell_checksum(&mut told, kept.checksum.as_ref());
        Ok(Reply::from(Json::Object(told)))
    }

    /// Makes an object of bytes that are on the disk, if what is there now allows it.
    pub(super) async fn put(
        &self,
        bucket: &str,
        key: &str,
        new: New,
        allows: impl FnOnce(Option<State<'_>>) -> Result<(), Refusal>,
    ) -> Result<Kept, Refusal> {
        let _turn = self.lock(bucket, key).write().await;
        self.check_bucket(bucket)?;
        let present = self.find(bucket, key).await?;
        allows(present.as_ref().map(Kept::state))?;
        let files = self.files()?.clone();
        let spot = match present {
            Some(present) => present.spot,
            None => files.spot(bucket, key),
        };
        let New { draft, stamp, etag, described, checksum, parts } = new;
        let kept = Kept {
            spot: spot.clone(),
            stamp,
            etag,
            modified: self.now(),
            described,
            checksum,
            parts,
            draft: draft.name.clone(),
        };
        let name = draft.name.clone();
        // From here on, the store may refer to it.
        draft.keep();
        let document = kept.clone();
        self.kept.with(|index, changes| index.put(bucket, key, document, changes)).await?;
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.blocking(move || files.name(&bucket, &name, &key, &spot)).await?;
        Ok(kept)
    }

    /// `GetObject`, and `HeadObject`, which is the same without the body.
    pub(super) async fn get_object(&self, call: &Call<'_>, with_body: bool) -> Answer {
        let (bucket, key) = self.object(call)?;
        let (kept, file) = {
            let _turn = self.lock(bucket, key).read().await;
            let kept = self.present(bucket, key).await?;
            let opened = self.files()?.open(bucket, key, &kept.spot);
            let (file, stamp) = match opened {
                Ok(opened) => opened,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(errors::known("NoSuchKey").with("Key", key));
                }
                Err(error) => return Err(errors::disk(&error)),
            };
            // Somebody may have put another file there just now.
            let kept = if kept.stamp == stamp { kept } else { super::foreign(kept.spot, stamp) };
            (kept, file)
        };
        conditions::of_read(call, "", kept.state())?;
        let size = kept.stamp.size;
        let part = call.int("PartNumber");
        let range = match (call.text("Range"), part) {
            (Some(_), Some(_)) => {
                let why = "Cannot specify both Range header and partNumber query parameter";
                return Err(errors::said("InvalidRequest", why));
            }
            (Some(range), None) => conditions::range(range, size)?,
            (None, Some(part)) => Some(part_of(&kept, part)?),
            (None, None) => None,
        };
        let (start, length) = range.unwrap_or((0, size));
        let mut told = Object::new();
        told.insert("AcceptRanges", "bytes".into());
        told.insert("ContentLength", Json::Int(length as i64));
        told.insert("ETag", kept.etag.as_str().into());
        told.insert("LastModified", (kept.modified / 1_000).into());
        told.insert("ContentType", "binary/octet-stream".into());
        for (name, value) in kept.described.headers.iter() {
            told.insert(name.clone(), value.clone());
        }
        if !kept.described.metadata.is_empty() {
            told.insert("Metadata", Json::Object(kept.described.metadata.clone()));
        }
        if !kept.described.tags.is_empty() {
            told.insert("TagCount", kept.described.tags.len().into());
        }
        if range.is_some() && size > 0 {
            let last = start + length - 1;
            told.insert("ContentRange", format!("bytes {start}-{last}/{size}").into());
        }
        if part.is_some() && !kept.parts.is_empty() {
            told.insert("PartsCount", kept.parts.len().into());
        }
        if call.text("ChecksumMode") == Some("ENABLED") && range.is_none() {
            tell_checksum(&mut told, kept.checksum.as_ref());
        }
        for (name, of) in [
            ("ResponseCacheControl", "CacheControl"),
            ("ResponseContentDisposition", "ContentDisposition"),
            ("ResponseContentEncoding", "ContentEncoding"),
            ("ResponseContentLanguage", "ContentLanguage"),
            ("ResponseContentType", "ContentType"),
            ("ResponseExpires", "Expires"),
        ] {
            if let Some(value) = call.input.get(name) {
                told.insert(of, value.clone());
            }
        }
        let mut reply = Reply::from(Json::Object(told));
        reply.status = range.is_some().then_some(206);
        if with_body {
            reply.file = Some(FilePart { file, start, length });
        }
        Ok(reply)
    }

    pub(super) async fn get_object_attributes(&self, call: &Call<'_>) -> Answer {
        let (bucket, key) = self.object(call)?;
        let kept = {
            let _turn = self.lock(bucket, key).read().await;
            self.present(bucket, key).await?
        };
        let asked = call.texts("ObjectAttributes");
        let is_asked = |name: &str| asked.iter().any(|one| one == name);
        let checksum = || {
            let mut told = Object::new();
            tell_checksum(&mut told, kept.checksum.as_ref());
            (!told.is_empty()).then_some(Json::Object(told))
        };
        let parts = || {
            let count = (!kept.parts.is_empty()).then_some(kept.parts.len())?;
            Some(json!({"TotalPartsCount": count}))
        };
        answer(members([
            ("LastModified", Some((kept.modified / 1_000).into())),
            ("ETag", is_asked("ETag").then(|| kept.etag.trim_matches('"').into())),
            ("Checksum", is_asked("Checksum").then(checksum).flatten()),
            ("ObjectParts", is_asked("ObjectParts").then(parts).flatten()),
            ("StorageClass", is_asked("StorageClass").then(|| "STANDARD".into())),
            ("ObjectSize", is_asked("ObjectSize").then(|| Json::Int(kept.stamp.size as i64))),
        ]))
    }

    pub(super) async fn delete_object(&self, call: &Call<'_>) -> Answer {
        let (bucket, key) = self.object(call)?;
        self.delete(bucket, key, call.text("IfMatch")).await?;
        answer(Json::Object(Object::new()))
    }

    /// Deletes an object, if it is there; if it has one of some entity tags, if they are given.
    async fn delete(&self, bucket: &str, key: &str, tags: Option<&str>) -> Result<(), Refusal> {
        let _turn = self.lock(bucket, key).write().await;
        let Some(present) = self.find(bucket, key).await? else {
            // The file of an object may have been removed by somebody.
            self.kept.with(|index, changes| index.forget(bucket, key, changes)).await?;
            return Ok(());
        };
        if let Some(tags) = tags {
            conditions::matches(tags, present.state())?;
        }
        let files = self.files()?.clone();
        let (of, name, spot) = (bucket.to_owned(), key.to_owned(), present.spot.clone());
        self.blocking(move || files.remove(&of, &name, &spot)).await?;
        self.kept.with(|index, changes| index.forget(bucket, key, changes)).await?;
        self.tell_deleted(bucket, key).await;
        Ok(())
    }

    pub(super) async fn delete_objects(&self, call: &Call<'_>) -> Answer {
        let bucket = self.bucket(call)?;
        let given = call.object("Delete").cloned().unwrap_or_default();
        let objects = crate::call::list(&given, "Objects");
        if objects.is_empty() || objects.len() > 1_000 {
            return Err(errors::known("MalformedXML"));
        }
        let is_quiet = given.get("Quiet").and_then(Json::as_bool).unwrap_or_default();
        let (mut deleted, mut failed) = (Vec::new(), Vec::new());
        for object in objects {
            let Some(object) = object.as_object() else {
                return Err(errors::known("MalformedXML"));
            };
            let Some(key) = text(object, "Key").filter(|key| !key.is_empty()) else {
                return Err(errors::known("MalformedXML"));
            };
            let further =
                ["LastModifiedTime", "Size"].into_iter().find(|name| object.contains_key(name));
            let outcome = match (further, text(object, "VersionId")) {
                (Some(name), _) => {
                    Err(errors::said("NotImplemented", format!("`{name}` is not supported")))
                }
                (None, Some(version)) if version != "null" => Err(errors::known("NoSuchVersion")),
                _ => self.delete(bucket, key, text(object, "ETag")).await,
            };
            match outcome {
                Ok(()) => deleted.push(json!({"Key": (in_xml(key))})),
                Err(refusal) => failed.push(json!({
                    "Key": (in_xml(key)),
                    "Code": (refusal.name.as_ref()),
                    "Message": (refusal.message.as_str())
                })),
            }
        }
        answer(members([
            ("Deleted", (!is_quiet && !deleted.is_empty()).then(|| deleted.into())),
            ("Errors", (!failed.is_empty()).then(|| failed.into())),
        ]))
    }

    pub(super) async fn copy_object(&self, call: &Call<'_>) -> Answer {
        let (bucket, key) = self.object(call)?;
        let (from, source) = self.copy_source(call)?;
        let replaces = call.text("MetadataDirective") == Some("REPLACE");
        if (from.as_str(), source.as_str()) == (bucket, key) && !replaces {
            let why = "This copy request is illegal because it is trying to copy an object to itself without \
                       changing the object's metadata, storage class, website redirect location or encryption \
                       attributes.";
            return Err(errors::said("InvalidRequest", why));
        }
        let (kept, mut file) = self.open_source(call, &from, &source).await?;
        let given = Described::given(call)?;
        let described = Described {
            headers: if replaces { given.headers } else { kept.described.headers.clone() },
            metadata: if replaces { given.metadata } else { kept.described.metadata.clone() },
            tags: match call.text("TaggingDirective") {
                Some("REPLACE") => given.tags,
                _ => kept.described.tags.clone(),
            },
        };
        let algorithm = match call.text("ChecksumAlgorithm") {
            Some(name) => Some(Algorithm::named(name)?),
            None => kept.checksum.as_ref().map(|checksum| checksum.algorithm),
        };
        let files = self.files()?.clone();
        let name = bucket.to_owned();
        let size = kept.stamp.size;
        let (draft, stamp, etag, checksum) = self
            .blocking(move || {
                let mut draft = files.begin(&name)?;
                let (md5, checksum) = copy(&mut file, size, &mut draft, algorithm)?;
                let stamp = draft.finish()?;
                Ok((draft, stamp, quoted(&md5), checksum))
            })
            .await?;
        let new = New { draft, stamp, etag, described, checksum, parts: Vec::new() };
        let made =
            self.put(bucket, key, new, |present| conditions::of_write(call, present)).await?;
        self.tell_created(bucket, key, &made, "CopyObject").await;
        let mut result = Object::new();
        result.insert("ETag", made.etag.as_str().into());
        result.insert("LastModified", (made.modified / 1_000).into());
        tell_checksum(&mut result, made.checksum.as_ref());
        answer(json!({"CopyObjectResult": result}))
    }

    /// The bucket and key that a copy is made of.
    pub(super) fn copy_source(&self, call: &Call<'_>) -> Result<(String, String), Refusal> {
        let source = call.required("CopySource");
        let (source, version) = source.split_once("?versionId=").unwrap_or((source, "null"));
        if version != "null" {
            return Err(errors::known("NoSuchVersion"));
        }
        let source = percent_decode_str(source.trim_start_matches('/')).decode_utf8_lossy();
        match source.split_once('/') {
            Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
                self.check_bucket(bucket)?;
                Ok((bucket.to_owned(), key.to_owned()))
            }
            _ => Err(errors::said(
                "InvalidArgument",
                "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            )),
        }
    }

    /// Opens what a copy is made of, if the conditions of the request hold.
    pub(super) async fn open_source(
        &self,
        call: &Call<'_>,
        bucket: &str,
        key: &str,
    ) -> Result<(Kept, std::fs::File), Refusal> {
        let _turn = self.lock(bucket, key).read().await;
        let kept = self.present(bucket, key).await?;
        conditions::of_read(call, "CopySource", kept.state())?;
        let opened = self.files()?.open(bucket, key, &kept.spot);
        let (file, stamp) = opened.map_err(|error| errors::disk(&error))?;
        let kept = if kept.stamp == stamp { kept } else { super::foreign(Spot::Plain, stamp) };
        Ok((kept, file))
    }
}

/// Copies so many bytes. Returns their MD5, and their checksum if it is wanted.
pub(super) fn copy(
    from: &mut impl io::Read,
    size: u64,
    to: &mut Draft,
    algorithm: Option<Algorithm>,
) -> io::Result<(String, Option<Checksum>)> {
    let mut md5 = Md5::new();
    let mut hasher = algorithm.map(Hasher::new);
    let mut rest = from.take(size);
    let mut piece = vec![0; PIECE];
    loop {
        let count = rest.read(&mut piece)?;
        if count == 0 {
            break;
        }
        md5.update(&piece[..count]);
        if let Some(hasher) = &mut hasher {
            hasher.add(&piece[..count]);
        }
        to.write(&piece[..count])?;
    }
    let checksum = hasher.zip(algorithm).map(|(hasher, algorithm)| Checksum {
        algorithm,
        value: base64::Engine::encode(&base64::engine::general_purpose::STANDARD, hasher.finish()),
    });
    Ok((hex::encode(md5.finalize()), checksum))
}

/// A key with marks in place of what XML cannot hold.
fn in_xml(key: &str) -> String {
    let shown = |c: char| match c {
        '\t' | '\n' | '\r' => c,
        c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    key.chars().map(shown).collect()
}

pub(super) fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// Adds the members that show a checksum.
pub(super) fn tell_checksum(told: &mut Object, checksum: Option<&Checksum>) {
    if let Some(checksum) = checksum {
        told.insert(checksum.algorithm.member(), checksum.value.as_str().into());
        told.insert("ChecksumType", checksum.kind().into());
    }
}

/// Where a part begins, and how long it is.
fn part_of(kept: &Kept, number: i64) -> Result<(u64, u64), Refusal> {
    if kept.parts.is_empty() {
        return match number {
            1 => Ok((0, kept.stamp.size)),
            _ => Err(errors::known("InvalidPartNumber")),
        };
    }
    let at = usize::try_from(number - 1).ok().filter(|at| *at < kept.parts.len());
    let at = at.ok_or_else(|| errors::known("InvalidPartNumber"))?;
    Ok((kept.parts[..at].iter().sum(), kept.parts[at]))
}
