//! S3: buckets as directories and objects as files, with what else is known of them in the store.
//!
//! A write is a file without a name first, which is brought to the disk; then the store learns of the
//! object and of that file; then the file gets its name. Whatever happens in between, an object is the
//! old one or the new one as a whole, and never lost once it was acknowledged.

mod buckets;
mod checksum;
mod conditions;
mod errors;
mod events;
mod files;
mod index;
mod list;
mod multipart;
mod objects;
mod readers;
mod tagging;

use crate::call::{Answer, Call, Refusal};
use crate::events::Events;
use crate::kept;
use crate::{Answered, LocalService, Setup, Supported};
use files::{Files, Spot};
use index::{Index, Kept};
pub(crate) use readers::Buckets;
use std::collections::hash_map::DefaultHasher;
use std::future::ready;
use std::hash::{Hash as _, Hasher as _};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use stepwright_engine::Clock;
use tokio::sync::{OnceCell, RwLock};

/// The number of locks that all keys share.
const LOCKS: usize = 64;

/// The buckets.
pub(crate) struct S3 {
    kept: kept::Kept<Index>,
    clock: Arc<dyn Clock>,
    account: String,
    region: String,
    folder: Option<PathBuf>,
    files: OnceLock<Result<(Files, Option<tempfile::TempDir>), String>>,
    /// Held while an object is changed, and shortly while it is opened.
    locks: Vec<RwLock<()>>,
    recovered: OnceCell<()>,
    events: OnceLock<Arc<Events>>,
}

/// What describes an object that is written.
macro_rules! described {
    ($($more:literal),* $(,)?) => {
        &[
            "Bucket", "Key", "ExpectedBucketOwner", "CacheControl", "ContentDisposition", "ContentEncoding",
            "ContentLanguage", "ContentType", "Expires", "Metadata", "StorageClass", "Tagging",
            "WebsiteRedirectLocation", "ChecksumAlgorithm", $($more),*
        ]
    };
}

/// What a read may ask for.
const READ: &[&str] = &[
    "Bucket",
    "Key",
    "ExpectedBucketOwner",
    "IfMatch",
    "IfModifiedSince",
    "IfNoneMatch",
    "IfUnmodifiedSince",
    "Range",
    "ResponseCacheControl",
    "ResponseContentDisposition",
    "ResponseContentEncoding",
    "ResponseContentLanguage",
    "ResponseContentType",
    "ResponseExpires",
    "VersionId",
    "PartNumber",
    "ChecksumMode",
];

const OPERATIONS: &[Supported] = &[
    Supported::new("AbortMultipartUpload", &["Bucket", "Key", "UploadId", "ExpectedBucketOwner"]),
    Supported::new(
        "CompleteMultipartUpload",
        &[
            "Bucket",
            "Key",
            "UploadId",
            "ExpectedBucketOwner",
            "MultipartUpload",
            "ChecksumCRC32",
            "ChecksumCRC32C",
            "ChecksumCRC64NVME",
            "ChecksumSHA1",
            "ChecksumSHA256",
            "ChecksumType",
            "MpuObjectSize",
            "IfMatch",
            "IfNoneMatch",
        ],
    ),
    Supported::new(
        "CopyObject",
        described![
            "CopySource",
            "CopySourceIfMatch",
            "CopySourceIfModifiedSince",
            "CopySourceIfNoneMatch",
            "CopySourceIfUnmodifiedSince",
            "ExpectedSourceBucketOwner",
            "IfMatch",
            "IfNoneMatch",
            "MetadataDirective",
            "TaggingDirective",
        ],
    ),
    Supported::new("CreateBucket", &["Bucket", "CreateBucketConfiguration"]),
    Supported::new("CreateMultipartUpload", described!["ChecksumType"]),
    Supported::new("DeleteBucket", &["Bucket", "ExpectedBucketOwner"]),
    Supported::new("DeleteBucketTagging", &["Bucket", "ExpectedBucketOwner"]),
    Supported::new(
        "DeleteObject",
        &["Bucket", "Key", "ExpectedBucketOwner", "IfMatch", "VersionId"],
    ),
    Supported::new("DeleteObjectTagging", &["Bucket", "Key", "ExpectedBucketOwner", "VersionId"]),
    Supported::new(
        "DeleteObjects",
        &["Bucket", "Delete", "ExpectedBucketOwner", "ChecksumAlgorithm"],
    ),
    Supported::new("GetBucketLocation", &["Bucket", "ExpectedBucketOwner"]),
    Supported::new("GetBucketNotificationConfiguration", &["Bucket", "ExpectedBucketOwner"]),
    Supported::new("GetBucketTagging", &["Bucket", "ExpectedBucketOwner"]),
    Supported::new("GetBucketVersioning", &["Bucket", "ExpectedBucketOwner"]),
    Supported::new("GetObject", READ),
    Supported::new(
        "GetObjectAttributes",
        &["Bucket", "Key", "ExpectedBucketOwner", "VersionId", "ObjectAttributes"],
    ),
    Supported::new("GetObjectTagging", &["Bucket", "Key", "ExpectedBucketOwner", "VersionId"]),
    Supported::new("HeadBucket", &["Bucket", "ExpectedBucketOwner"]),
    Supported::new("HeadObject", READ),
    Supported::new("ListBuckets", &["MaxBuckets", "ContinuationToken", "Prefix", "BucketRegion"]),
    Supported::new(
        "ListMultipartUploads",
        &[
            "Bucket",
            "ExpectedBucketOwner",
            "EncodingType",
            "KeyMarker",
            "MaxUploads",
            "Prefix",
            "UploadIdMarker",
        ],
    ),
    Supported::new(
        "ListObjects",
        &[
            "Bucket",
            "ExpectedBucketOwner",
            "Delimiter",
            "EncodingType",
            "Marker",
            "MaxKeys",
            "Prefix",
        ],
    ),
    Supported::new(
        "ListObjectsV2",
        &[
            "Bucket",
            "ExpectedBucketOwner",
            "Delimiter",
            "EncodingType",
            "MaxKeys",
            "Prefix",
            "ContinuationToken",
            "FetchOwner",
            "StartAfter",
        ],
    ),
    Supported::new(
        "ListParts",
        &["Bucket", "Key", "UploadId", "ExpectedBucketOwner", "MaxParts", "PartNumberMarker"],
    ),
    Supported::new(
        "PutBucketNotificationConfiguration",
        &[
            "Bucket",
            "NotificationConfiguration",
            "ExpectedBucketOwner",
            "SkipDestinationValidation",
        ],
    ),
    Supported::new(
        "PutBucketTagging",
        &["Bucket", "Tagging", "ExpectedBucketOwner", "ContentMD5", "ChecksumAlgorithm"],
    ),
    Supported::new(
        "PutObject",
        described![
            "ContentLength",
            "ContentMD5",
            "ChecksumCRC32",
            "ChecksumCRC32C",
            "ChecksumCRC64NVME",
            "ChecksumSHA1",
            "ChecksumSHA256",
            "IfMatch",
            "IfNoneMatch",
        ],
    ),
    Supported::new(
        "PutObjectTagging",
        &[
            "Bucket",
            "Key",
            "ExpectedBucketOwner",
            "VersionId",
            "Tagging",
            "ContentMD5",
            "ChecksumAlgorithm",
        ],
    ),
    Supported::new(
        "UploadPart",
        &[
            "Bucket",
            "Key",
            "ExpectedBucketOwner",
            "UploadId",
            "PartNumber",
            "ContentLength",
            "ContentMD5",
            "ChecksumAlgorithm",
            "ChecksumCRC32",
            "ChecksumCRC32C",
            "ChecksumCRC64NVME",
            "ChecksumSHA1",
            "ChecksumSHA256",
        ],
    ),
    Supported::new(
        "UploadPartCopy",
        &[
            "Bucket",
            "Key",
            "ExpectedBucketOwner",
            "ExpectedSourceBucketOwner",
            "UploadId",
            "PartNumber",
            "CopySource",
            "CopySourceRange",
            "CopySourceIfMatch",
            "CopySourceIfModifiedSince",
            "CopySourceIfNoneMatch",
            "CopySourceIfUnmodifiedSince",
        ],
    ),
];

impl LocalService for S3 {
    fn operations(&self) -> &'static [Supported] {
        OPERATIONS
    }

    fn missing(&self, member: &str) -> Refusal {
        errors::said("InvalidRequest", format!("Missing required parameter: `{member}`"))
    }

    fn unsupported(&self, message: String) -> Refusal {
        errors::said("NotImplemented", message)
    }

    fn call<'s>(&'s self, call: Call<'s>) -> Answered<'s> {
        Box::pin(self.answer(call))
    }
}

impl S3 {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self {
            kept: kept::Kept::alone(setup.store.clone()),
            clock: setup.clock.clone(),
            account: setup.account.clone(),
            region: setup.region.clone(),
            folder: setup.buckets.clone(),
            files: OnceLock::new(),
            locks: (0..LOCKS).map(|_| RwLock::default()).collect(),
            recovered: OnceCell::new(),
            events: OnceLock::new(),
        }
    }

    async fn answer(&self, mut call: Call<'_>) -> Answer {
        self.recover().await?;
        for member in ["ExpectedBucketOwner", "ExpectedSourceBucketOwner"] {
            if call.text(member).is_some_and(|owner| owner != self.account) {
                return Err(errors::known("AccessDenied"));
            }
        }
        if call.text("VersionId").is_some_and(|version| version != "null") {
            return Err(errors::known("NoSuchVersion"));
        }
        let operation: Answered<'_> = match call.operation.name.as_str() {
            "AbortMultipartUpload" => Box::pin(self.abort_multipart_upload(&call)),
            "CompleteMultipartUpload" => Box::pin(self.complete_multipart_upload(&call)),
            "CopyObject" => Box::pin(self.copy_object(&call)),
            "CreateBucket" => Box::pin(self.create_bucket(&call)),
            "CreateMultipartUpload" => Box::pin(self.create_multipart_upload(&call)),
            "DeleteBucket" => Box::pin(self.delete_bucket(&call)),
            "DeleteBucketTagging" => Box::pin(self.delete_bucket_tagging(&call)),
            "DeleteObject" => Box::pin(self.delete_object(&call)),
            "DeleteObjectTagging" => Box::pin(self.delete_object_tagging(&call)),
            "DeleteObjects" => Box::pin(self.delete_objects(&call)),
            "GetBucketLocation" => Box::pin(self.get_bucket_location(&call)),
            "GetBucketNotificationConfiguration" => {
                Box::pin(self.get_bucket_notification_configuration(&call))
            }
            "GetBucketTagging" => Box::pin(self.get_bucket_tagging(&call)),
            "GetBucketVersioning" => Box::pin(ready(self.get_bucket_versioning(&call))),
            "GetObject" => Box::pin(self.get_object(&call, true)),
            "GetObjectAttributes" => Box::pin(self.get_object_attributes(&call)),
            "GetObjectTagging" => Box::pin(self.get_object_tagging(&call)),
            "HeadBucket" => Box::pin(self.head_bucket(&call)),
            "HeadObject" => Box::pin(self.get_object(&call, false)),
            "ListBuckets" => Box::pin(self.list_buckets(&call)),
            "ListMultipartUploads" => Box::pin(self.list_multipart_uploads(&call)),
            "ListObjects" => Box::pin(self.list_objects(&call)),
            "ListObjectsV2" => Box::pin(self.list_objects_v2(&call)),
            "ListParts" => Box::pin(self.list_parts(&call)),
            "PutBucketNotificationConfiguration" => {
                Box::pin(self.put_bucket_notification_configuration(&call))
            }
            "PutBucketTagging" => Box::pin(self.put_bucket_tagging(&call)),
            "PutObject" => {
                let body = call.body.take().unwrap_or_default();
                Box::pin(self.put_object(&call, body))
            }
            "PutObjectTagging" => Box::pin(self.put_object_tagging(&call)),
            "UploadPart" => {
                let body = call.body.take().unwrap_or_default();
                Box::pin(self.upload_part(&call, body))
            }
            "UploadPartCopy" => Box::pin(self.upload_part_copy(&call)),
            name => return Err(self.unsupported(format!("the local service `s3` has no `{name}`"))),
        };
        operation.await
    }

    fn now(&self) -> i64 {
        self.clock.now().0
    }

    /// The files. Without a folder, they are in one that goes with the process.
    fn files(&self) -> Result<&Files, Refusal> {
        let made = self.files.get_or_init(|| match &self.folder {
            Some(folder) => Ok((Files::new(folder.clone()), None)),
            None => tempfile::Builder::new()
                .prefix("stepwright-buckets-")
                .tempdir()
                .map(|folder| (Files::new(folder.path().to_owned()), Some(folder)))
                .map_err(|error| format!("there is no folder for buckets: {error}")),
        });
        match made {
            Ok((files, _)) => Ok(files),
            Err(why) => Err(errors::said("InternalError", why)),
        }
    }

    /// The lock of an object; of a bucket, the one of the empty key.
    fn lock(&self, bucket: &str, key: &str) -> &RwLock<()> {
        let mut hasher = DefaultHasher::new();
        (bucket, key).hash(&mut hasher);
        &self.locks[hasher.finish() as usize % LOCKS]
    }

    /// Does something with files that may take a while.
    async fn blocking<T: Send + 'static>(
        &self,
        act: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, Refusal> {
        match tokio::task::spawn_blocking(act).await {
            Ok(done) => done.map_err(|error| errors::disk(&error)),
            Err(_) => Err(errors::known("InternalError")),
        }
    }

    /// The bucket of a request, if it is there.
    fn bucket<'c>(&self, call: &'c Call<'_>) -> Result<&'c str, Refusal> {
        let bucket = call.required("Bucket");
        self.check_bucket(bucket)?;
        Ok(bucket)
    }

    fn check_bucket(&self, bucket: &str) -> Result<(), Refusal> {
        if self.files()?.has_bucket(bucket) {
            return Ok(());
        }
        Err(errors::known("NoSuchBucket").with("BucketName", bucket))
    }

    /// The bucket and key of a request, if there is such a bucket and the key can be one.
    fn object<'c>(&self, call: &'c Call<'_>) -> Result<(&'c str, &'c str), Refusal> {
        let bucket = self.bucket(call)?;
        let key = call.required("Key");
        if key.len() > 1_024 {
            let size = key.len().to_string();
            return Err(errors::known("KeyTooLongError")
                .with("Size", size)
                .with("MaxSizeAllowed", "1024"));
        }
        Ok((bucket, key))
    }

    /// What is there under a key, whoever has put it there.
    async fn find(&self, bucket: &str, key: &str) -> Result<Option<Kept>, Refusal> {
        let known = self.kept.with(|index, _| index.object(bucket, key).cloned()).await?;
        let files = self.files()?;
        let spot = known.as_ref().map_or(Spot::Plain, |known| known.spot.clone());
        let Some(stamp) = files.stamp(bucket, key, &spot) else { return Ok(None) };
        Ok(Some(match known {
            Some(known) if known.stamp == stamp => known,
            _ => foreign(spot, stamp),
        }))
    }

    async fn present(&self, bucket: &str, key: &str) -> Result<Kept, Refusal> {
        let found = self.find(bucket, key).await?;
        found.ok_or_else(|| errors::known("NoSuchKey").with("Key", key))
    }

    /// Finishes what a crash has interrupted: gives their names to files that the store knows, and
    /// removes those that nobody knows.
    async fn recover(&self) -> Result<(), Refusal> {
        let recover = || async {
            let files = self.files()?.clone();
            let buckets = {
                let files = files.clone();
                self.blocking(move || files.buckets()).await?
            };
            for (bucket, _) in buckets {
                let (of, listing) = (bucket.clone(), files.clone());
                let drafts = self.blocking(move || listing.drafts(&of)).await?;
                if drafts.is_empty() {
                    continue;
                }
                let (named, parts) = self
                    .kept
                    .with(|index, _| {
                        let objects = index.objects.get(&bucket).into_iter().flatten();
                        let named: Vec<(String, String, Spot)> = objects
                            .filter(|(_, kept)| drafts.iter().any(|(name, _)| *name == kept.draft))
                            .map(|(key, kept)| (kept.draft.clone(), key.clone(), kept.spot.clone()))
                            .collect();
                        let parts = index.uploads.values().flat_map(|upload| upload.parts.values());
                        (named, parts.map(|part| part.file.clone()).collect::<Vec<_>>())
                    })
                    .await?;
                let now = self.now();
                let (files, bucket) = (files.clone(), bucket.clone());
                self.blocking(move || {
                    for (draft, key, spot) in &named {
                        files.name(&bucket, draft, key, spot)?;
                    }
                    let is_known = |name: &String| {
                        named.iter().any(|(draft, ..)| draft == name) || parts.contains(name)
                    };
                    let is_old = |written: i64| now - written / 1_000_000 > SWEPT_AFTER;
                    for (name, written) in &drafts {
                        if !is_known(name) && is_old(*written) {
                            files.discard(&bucket, name)?;
                        }
                    }
                    Ok(())
                })
                .await?;
            }
            Ok::<(), Refusal>(())
        };
        self.recovered.get_or_try_init(recover).await.copied()
    }
}

/// How old a file is that nobody knows before it is removed, in milliseconds: another process may just
/// be writing it.
const SWEPT_AFTER: i64 = 3_600_000;

/// An object that somebody has put there as a file.
fn foreign(spot: Spot, stamp: files::Stamp) -> Kept {
    Kept {
        spot,
        stamp,
        etag: stamp.etag(),
        modified: stamp.written / 1_000_000,
        described: index::Described::default(),
        checksum: None,
        parts: Vec::new(),
        draft: String::new(),
    }
}
