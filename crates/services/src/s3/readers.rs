//! The same objects for readers and writers of distributed Maps.

use super::checksum::Checksum;
use super::index::Described;
use super::objects::{New, quoted};
use super::{S3, errors};
use crate::call::Refusal;
use md5::{Digest as _, Md5};
use std::fs::File;
use std::io::Read;
use stepwright_engine::ObjectStore;
use stepwright_interpreter::items::{ObjectInfo, ObjectRequest};
use tokio::runtime::Handle;

impl S3 {
    /// Opens the file of an object. It stays what it is while it is read: an object that is put
    /// under the same key is another file.
    async fn read(&self, object: ObjectRequest<'_>) -> Result<File, Refusal> {
        self.recover().await?;
        self.check_owner(object.owner)?;
        if object.version.is_some_and(|version| version != "null") {
            return Err(errors::known("NoSuchVersion"));
        }
        let (bucket, key) = (object.bucket, object.key);
        self.check_bucket(bucket)?;
        let _turn = self.lock(bucket, key).read().await;
        let kept = self.present(bucket, key).await?;
        let opened = self.files()?.open(bucket, key, &kept.spot);
        Ok(opened.map_err(|_| errors::known("NoSuchKey"))?.0)
    }

    fn check_owner(&self, owner: Option<&str>) -> Result<(), Refusal> {
        match owner {
            Some(owner) if owner != self.account => Err(errors::known("AccessDenied")),
            _ => Ok(()),
        }
    }

    async fn write(&self, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<(), Refusal> {
        self.recover().await?;
        let files = self.files()?.clone();
        let (name, has_bucket) = (bucket.to_owned(), files.has_bucket(bucket));
        let (draft, stamp, etag) = self
            .blocking(move || {
                // A result may go to a bucket that nobody has made yet.
                if !has_bucket {
                    files.make_bucket(&name)?;
                }
                let mut draft = files.begin(&name)?;
                draft.write(&bytes)?;
                let stamp = draft.finish()?;
                Ok((draft, stamp, quoted(&hex::encode(Md5::digest(&bytes)))))
            })
            .await?;
        let described = Described::default();
        let checksum: Option<Checksum> = None;
        let new = New { draft, stamp, etag, described, checksum, parts: Vec::new() };
        let kept = self.put(bucket, key, new, |_| Ok(())).await?;
        self.tell_created(bucket, key, &kept, "PutObject").await;
        Ok(())
    }
}

/// Called on threads for what takes long.
impl ObjectStore for S3 {
    fn open(&self, object: ObjectRequest<'_>) -> Result<Box<dyn Read + Send>, String> {
        let reading = self.read(object);
        let file = Handle::current().block_on(reading).map_err(|refusal| refusal.message)?;
        Ok(Box::new(file))
    }

    fn list(
        &self,
        bucket: &str,
        prefix: &str,
        owner: Option<&str>,
        most: usize,
    ) -> Result<Vec<ObjectInfo>, String> {
        let listing = async {
            self.recover().await?;
            self.check_owner(owner)?;
            self.check_bucket(bucket)?;
            self.entries(bucket, prefix).await
        };
        let entries = Handle::current().block_on(listing).map_err(|refusal| refusal.message)?;
        let shown = entries.into_iter().take(most).map(|entry| ObjectInfo {
            key: entry.key,
            size: entry.size,
            etag: entry.etag,
            last_modified: entry.modified / 1_000,
        });
        Ok(shown.collect())
    }

    fn put(&self, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<(), String> {
        let writing = self.write(bucket, key, bytes);
        Handle::current().block_on(writing).map_err(|refusal| refusal.message)
    }
}
