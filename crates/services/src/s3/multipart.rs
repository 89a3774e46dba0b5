//! Uploads in parts.

use super::checksum::{self, Algorithm, Checksum, Hasher};
use super::conditions;
use super::files::Files;
use super::index::{Described, Part, Upload, part_key, upload_key};
use super::objects::{New, copy, quoted, tell_checksum};
use super::{S3, errors};
use crate::call::{Answer, Call, Refusal, answer, empty, list, members};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeMap;
use std::io::{self, Seek as _, SeekFrom};
use stepwright_json::{Json, Object, json};

/// The least size of a part that is not the last one.
const LEAST_PART: u64 = 5 << 20;

/// The largest part that is copied at once.
const MOST_PART: u64 = 5 << 30;

impl S3 {
    pub(super) async fn create_multipart_upload(&self, call: &Call<'_>) -> Answer {
        let (bucket, key) = self.object(call)?;
        let described = Described::given(call)?;
        let algorithm = call.text("ChecksumAlgorithm").map(Algorithm::named).transpose()?;
        let is_full = match (call.text("ChecksumType"), algorithm) {
            (None, None) => false,
            (Some(_), None) => {
                let why = "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.";
                return Err(errors::said("InvalidRequest", why));
            }
            (None, Some(algorithm)) => !algorithm.is_composite_by_default(),
            (Some("FULL_OBJECT"), Some(Algorithm::Sha1 | Algorithm::Sha256)) => {
                let why = "The FULL_OBJECT checksum type cannot be used with the sha1 and sha256 algorithms.";
                return Err(errors::said("InvalidRequest", why));
            }
            (Some("COMPOSITE"), Some(Algorithm::Crc64Nvme)) => {
                let why = "The COMPOSITE checksum type cannot be used with the crc64nvme checksum algorithm.";
                return Err(errors::said("InvalidRequest", why));
            }
            (Some("FULL_OBJECT"), Some(_)) => true,
            (Some(_), Some(_)) => false,
        };
        let id = uuid::Uuid::new_v4().simple().to_string();
        let upload = Upload {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            started: self.now(),
            described,
            algorithm,
            is_full,
            parts: BTreeMap::new(),
        };
        self.kept
            .with(|index, changes| {
                changes.put(upload_key(&id), &upload.write());
                index.uploads.insert(id.clone(), upload);
            })
            .await?;
        answer(members([
            ("Bucket", Some(bucket.into())),
            ("Key", Some(key.into())),
            ("UploadId", Some(id.into())),
            ("ChecksumAlgorithm", algorithm.map(|one| one.name().into())),
            ("ChecksumType", algorithm.map(|_| kind(is_full).into())),
        ]))
    }

    /// The upload that a request names.
    async fn upload(&self, call: &Call<'_>) -> Result<(String, Upload), Refusal> {
        let (bucket, key) = self.object(call)?;
        let id = call.required("UploadId");
        let found = self.kept.with(|index, _| index.uploads.get(id).cloned()).await?;
        let is_meant = |upload: &Upload| upload.bucket == bucket && upload.key == key;
        let upload = found.filter(is_meant);
        let missing = || errors::known("NoSuchUpload").with("UploadId", id);
        Ok((id.to_owned(), upload.ok_or_else(missing)?))
    }

    pub(super) async fn upload_part(&self, call: &Call<'_>, body: Vec<u8>) -> Answer {
        let (id, upload) = self.upload(call).await?;
        let number = part_number(call)?;
        let mut checksum = checksum::checked(call, &body)?;
        if let Some(algorithm) = upload.algorithm
            && checksum.as_ref().is_none_or(|checksum| checksum.algorithm != algorithm)
        {
            checksum = Some(Checksum::of(algorithm, &body));
        }
        let files = self.files()?.clone();
        let bucket = upload.bucket.clone();
        let (draft, size, md5) = self
            .blocking(move || {
                let mut draft = files.begin(&bucket)?;
                draft.write(&body)?;
                draft.finish()?;
                Ok((draft, body.len() as u64, hex::encode(Md5::digest(&body))))
            })
            .await?;
        let part = Part { file: draft.name.clone(), size, md5, modified: self.now(), checksum };
        draft.keep();
        self.add_part(&id, &upload, number, part.clone()).await?;
        let mut told = Object::new();
        told.insert("ETag", quoted(&part.md5).into());
        if let Some(checksum) = &part.checksum {
            told.insert(checksum.algorithm.member(), checksum.value.as_str().into());
        }
        answer(Json::Object(told))
    }

    pub(super) async fn upload_part_copy(&self, call: &Call<'_>) -> Answer {
        let (id, upload) = self.upload(call).await?;
        let number = part_number(call)?;
        let (from, source) = self.copy_source(call)?;
        let (kept, mut file) = self.open_source(call, &from, &source).await?;
        let size = kept.stamp.size;
        let (start, length) = match call.text("CopySourceRange") {
            Some(range) => {
                let plain = range.strip_prefix("bytes=").and_then(|range| range.split_once('-'));
                let last = plain.and_then(|(_, last)| last.parse::<u64>().ok());
                match conditions::range(range, size) {
                    Ok(Some(found)) if last.is_some_and(|last| last < size) => found,
                    _ => {
                        let why = format!(
                            "Range specified is not valid for source object of size: {size}"
                        );
                        return Err(errors::said("InvalidArgument", why));
                    }
                }
            }
            None => (0, size),
        };
        if length > MOST_PART {
            return Err(errors::said(
                "InvalidRequest",
                "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
            ));
        }
        let files = self.files()?.clone();
        let (bucket, algorithm) = (upload.bucket.clone(), upload.algorithm);
        let (draft, md5, checksum) = self
            .blocking(move || {
                file.seek(SeekFrom::Start(start))?;
                let mut draft = files.begin(&bucket)?;
                let (md5, checksum) = copy(&mut file, length, &mut draft, algorithm)?;
                draft.finish()?;
                Ok((draft, md5, checksum))
            })
            .await?;
        let modified = self.now();
        let part = Part { file: draft.name.clone(), size: length, md5, modified, checksum };
        draft.keep();
        self.add_part(&id, &upload, number, part.clone()).await?;
        let mut result = Object::new();
        result.insert("ETag", quoted(&part.md5).into());
        result.insert("LastModified", (modified / 1_000).into());
        if let Some(checksum) = &part.checksum {
            result.insert(checksum.algorithm.member(), checksum.value.as_str().into());
        }
        answer(json!({"CopyPartResult": result}))
    }

    /// Adds a part, in the place of the one that has its number.
    async fn add_part(
        &self,
        id: &str,
        upload: &Upload,
        number: i64,
        part: Part,
    ) -> Result<(), Refusal> {
        let file = part.file.clone();
        let replaced = self
            .kept
            .with(|index, changes| {
                let Some(upload) = index.uploads.get_mut(id) else { return Err(file) };
                changes.put(part_key(id, number), &part.write());
                Ok(upload.parts.insert(number, part).map(|part| part.file))
            })
            .await?;
        let (left, outcome) = match replaced {
            Ok(replaced) => (replaced, Ok(())),
            // It was completed or aborted meanwhile.
            Err(file) => (Some(file), Err(errors::known("NoSuchUpload").with("UploadId", id))),
        };
        if let Some(left) = left {
            let (files, bucket) = (self.files()?.clone(), upload.bucket.clone());
            self.blocking(move || files.discard(&bucket, &left)).await?;
        }
        outcome
    }

    pub(super) async fn complete_multipart_upload(&self, call: &Call<'_>) -> Answer {
        let (id, upload) = self.upload(call).await?;
        let given = call.object("MultipartUpload");
        let listed = given.map(|given| list(given, "Parts")).unwrap_or_default();
        let parts = chosen(&upload, listed)?;
        let size: u64 = parts.iter().map(|part| part.size).sum();
        if call.int("MpuObjectSize").is_some_and(|said| said as u64 != size) {
            let why = "The provided 'x-amz-mp-object-size' header does not match what was computed";
            return Err(errors::said("InvalidRequest", why));
        }
        let md5s: Vec<u8> =
            parts.iter().flat_map(|part| hex::decode(&part.md5).unwrap_or_default()).collect();
        let etag = quoted(&format!("{}-{}", hex::encode(Md5::digest(md5s)), parts.len()));
        let sizes: Vec<u64> = parts.iter().map(|part| part.size).collect();
        let composite = composite(&upload, &parts);
        let whole = upload.algorithm.filter(|_| upload.is_full);
        let (files, bucket) = (self.files()?.clone(), upload.bucket.clone());
        let (draft, stamp, full) = self
            .blocking(move || {
                let mut draft = files.begin(&bucket)?;
                let checksum = join(&files, &bucket, &parts, &mut draft, whole)?;
                let stamp = draft.finish()?;
                Ok((draft, stamp, checksum))
            })
            .await?;
        let checksum = full.or(composite);
        if let Some(checksum) = &checksum
            && let Some(said) = call.text(checksum.algorithm.member())
            && said != checksum.value
        {
            let why = format!(
                "The {} you specified did not match the calculated checksum.",
                checksum.algorithm.name()
            );
            return Err(errors::said("BadDigest", why));
        }
        let described = upload.described.clone();
        let new = New { draft, stamp, etag, described, checksum, parts: sizes };
        let (bucket, key) = (upload.bucket.as_str(), upload.key.as_str());
        let kept =
            self.put(bucket, key, new, |present| conditions::of_write(call, present)).await?;
        self.end(&id, bucket).await?;
        self.tell_created(bucket, key, &kept, "CompleteMultipartUpload").await;
        let mut told = Object::new();
        let path = utf8_percent_encode(key, NON_ALPHANUMERIC);
        told.insert("Location", format!("{}/{bucket}/{path}", call.caller.url).into());
        told.insert("Bucket", bucket.into());
        told.insert("Key", key.into());
        told.insert("ETag", kept.etag.as_str().into());
        tell_checksum(&mut told, kept.checksum.as_ref());
        answer(Json::Object(told))
    }

    /// Ends an upload, and removes its parts.
    async fn end(&self, id: &str, bucket: &str) -> Result<(), Refusal> {
        let left = self.kept.with(|index, changes| index.forget_upload(id, changes)).await?;
        let (files, bucket) = (self.files()?.clone(), bucket.to_owned());
        self.blocking(move || left.iter().try_for_each(|file| files.discard(&bucket, file))).await
    }

    pub(super) async fn abort_multipart_upload(&self, call: &Call<'_>) -> Answer {
        let (id, upload) = self.upload(call).await?;
        self.end(&id, &upload.bucket).await?;
        empty()
    }

    pub(super) async fn list_parts(&self, call: &Call<'_>) -> Answer {
        let (id, upload) = self.upload(call).await?;
        let most = call.int("MaxParts").unwrap_or(1_000).clamp(0, 1_000) as usize;
        let marker = call.input.get("PartNumberMarker");
        let after = marker
            .and_then(|marker| marker.as_i64().or_else(|| marker.as_str()?.parse().ok()))
            .unwrap_or_default();
        let rest: Vec<(&i64, &Part)> = upload.parts.range(after + 1..).collect();
        let shown = |(number, part): &(&i64, &Part)| {
            let mut shown = Object::new();
            shown.insert("PartNumber", (**number).into());
            shown.insert("LastModified", (part.modified / 1_000).into());
            shown.insert("ETag", quoted(&part.md5).into());
            shown.insert("Size", Json::Int(part.size as i64));
            if let Some(checksum) = &part.checksum {
                shown.insert(checksum.algorithm.member(), checksum.value.as_str().into());
            }
            Json::Object(shown)
        };
        let parts: Vec<Json> = rest.iter().take(most).map(shown).collect();
        let last = rest[..rest.len().min(most)].last().map(|(number, _)| **number);
        answer(members([
            ("Bucket", Some(upload.bucket.as_str().into())),
            ("Key", Some(upload.key.as_str().into())),
            ("UploadId", Some(id.into())),
            ("PartNumberMarker", Some(after.into())),
            ("NextPartNumberMarker", last.map(Json::from)),
            ("MaxParts", Some(most.into())),
            ("IsTruncated", Some((rest.len() > most).into())),
            ("Parts", (!parts.is_empty()).then(|| parts.into())),
            ("Initiator", Some(self.owner())),
            ("Owner", Some(self.owner())),
            ("StorageClass", Some("STANDARD".into())),
            ("ChecksumAlgorithm", upload.algorithm.map(|one| one.name().into())),
            ("ChecksumType", upload.algorithm.map(|_| kind(upload.is_full).into())),
        ]))
    }

    pub(super) async fn list_multipart_uploads(&self, call: &Call<'_>) -> Answer {
        let bucket = self.bucket(call)?;
        let text = |member: &str| call.text(member).unwrap_or_default();
        let (prefix, key_marker, id_marker) =
            (text("Prefix"), text("KeyMarker"), text("UploadIdMarker"));
        let most = call.int("MaxUploads").unwrap_or(1_000).clamp(1, 1_000) as usize;
        let mut found: Vec<(String, String, i64)> = self
            .kept
            .with(|index, _| {
                let of_bucket = index.uploads.iter().filter(|(_, upload)| {
                    upload.bucket == bucket && upload.key.starts_with(prefix)
                });
                of_bucket
                    .map(|(id, upload)| (upload.key.clone(), id.clone(), upload.started))
                    .collect()
            })
            .await?;
        found.sort();
        found.retain(|(key, id, _)| {
            key.as_str() > key_marker
                || (key == key_marker && !id_marker.is_empty() && id.as_str() > id_marker)
        });
        let is_truncated = found.len() > most;
        found.truncate(most);
        let is_encoded = call.text("EncodingType") == Some("url");
        let shown_key = |key: &str| {
            if is_encoded {
                utf8_percent_encode(key, NON_ALPHANUMERIC).to_string()
            } else {
                key.to_owned()
            }
        };
        let shown = |(key, id, started): &(String, String, i64)| {
            json!({
                "UploadId": (id.as_str()),
                "Key": (shown_key(key)),
                "Initiated": (started / 1_000),
                "StorageClass": "STANDARD",
                "Owner": (self.owner()),
                "Initiator": (self.owner())
            })
        };
        let uploads: Vec<Json> = found.iter().map(shown).collect();
        let last = found.last().filter(|_| is_truncated);
        answer(members([
            ("Bucket", Some(bucket.into())),
            ("KeyMarker", Some(key_marker.into())),
            ("UploadIdMarker", Some(id_marker.into())),
            ("NextKeyMarker", last.map(|(key, ..)| shown_key(key).into())),
            ("NextUploadIdMarker", last.map(|(_, id, _)| id.as_str().into())),
            ("Prefix", Some(prefix.into())),
            ("MaxUploads", Some(most.into())),
            ("IsTruncated", Some(is_truncated.into())),
            ("Uploads", (!uploads.is_empty()).then(|| uploads.into())),
            ("EncodingType", is_encoded.then(|| "url".into())),
        ]))
    }
}

fn kind(is_full: bool) -> &'static str {
    if is_full { "FULL_OBJECT" } else { "COMPOSITE" }
}

fn part_number(call: &Call<'_>) -> Result<i64, Refusal> {
    let number = call.int("PartNumber").unwrap_or_default();
    if (1..=10_000).contains(&number) {
        return Ok(number);
    }
    let why = "Part number must be an integer between 1 and 10000, inclusive";
    Err(errors::said("InvalidArgument", why))
}

/// The parts that a request puts together, which it lists in order.
fn chosen(upload: &Upload, listed: &[Json]) -> Result<Vec<Part>, Refusal> {
    if listed.is_empty() {
        return Err(errors::known("MalformedXML"));
    }
    let mut parts = Vec::with_capacity(listed.len());
    let mut before = 0;
    for one in listed {
        let number = one.get("PartNumber").and_then(Json::as_i64).unwrap_or_default();
        if number <= before {
            return Err(errors::known("InvalidPartOrder"));
        }
        before = number;
        let etag = one.get("ETag").and_then(Json::as_str).unwrap_or_default();
        let part = upload.parts.get(&number).filter(|part| part.md5 == etag.trim_matches('"'));
        let part = part.ok_or_else(|| {
            errors::known("InvalidPart")
                .with("PartNumber", number.to_string())
                .with("UploadId", etag)
        })?;
        if let Some(checksum) = &part.checksum
            && let Some(said) = one.get(checksum.algorithm.member()).and_then(Json::as_str)
            && said != checksum.value
        {
            return Err(errors::known("InvalidPart"));
        }
        parts.push(part.clone());
    }
    let count = parts.len();
    if parts.iter().take(count - 1).any(|part| part.size < LEAST_PART) {
        return Err(errors::known("EntityTooSmall"));
    }
    Ok(parts)
}

/// The checksum over the checksums of the parts.
fn composite(upload: &Upload, parts: &[Part]) -> Option<Checksum> {
    let algorithm = upload.algorithm.filter(|_| !upload.is_full)?;
    let mut hasher = Hasher::new(algorithm);
    for part in parts {
        hasher.add(&STANDARD.decode(&part.checksum.as_ref()?.value).ok()?);
    }
    let value = format!("{}-{}", STANDARD.encode(hasher.finish()), parts.len());
    Some(Checksum { algorithm, value })
}

/// Writes the parts one after another. Returns their checksum as a whole, if it is wanted.
fn join(
    files: &Files,
    bucket: &str,
    parts: &[Part],
    draft: &mut super::files::Draft,
    algorithm: Option<Algorithm>,
) -> io::Result<Option<Checksum>> {
    let mut hasher = algorithm.map(Hasher::new);
    let mut piece = vec![0; 256 << 10];
    for part in parts {
        let mut file = files.open_draft(bucket, &part.file)?;
        loop {
            let count = io::Read::read(&mut file, &mut piece)?;
            if count == 0 {
                break;
            }
            if let Some(hasher) = &mut hasher {
                hasher.add(&piece[..count]);
            }
            draft.write(&piece[..count])?;
        }
    }
    Ok(hasher
        .zip(algorithm)
        .map(|(hasher, algorithm)| Checksum { algorithm, value: STANDARD.encode(hasher.finish()) }))
}
