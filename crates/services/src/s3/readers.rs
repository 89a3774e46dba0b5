//! The same objects for readers and writers of distributed Maps.

use super::checksum::Checksum;
use super::index::Described;
use super::objects::{New, quoted};
use super::{S3, errors};
use crate::call::Refusal;
use md5::{Digest as _, Md5};
use std::io::Read as _;
use stepwright_engine::ObjectStore;
use stepwright_interpreter::items::ObjectInfo;
use tokio::runtime::Handle;

/// The largest object that a Map reads, in bytes: as large as any other file.
const MOST_BYTES: u64 = 64 << 20;

impl S3 {
    async fn read(&self, bucket: &str, key: &str) -> Result<Vec<u8>, Refusal> {
        self.recover().await?;
        let file = {
            let _turn = self.lock(bucket, key).read().await;
            let kept = self.present(bucket, key).await?;
            let opened = self.files()?.open(bucket, key, &kept.spot);
            opened.map_err(|_| errors::known("NoSuchKey"))?.0
        };
        let mut bytes = Vec::new();
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|error| errors::disk(&error))?;
        if bytes.len() as u64 > MOST_BYTES {
            let why = format!("The object has more than {MOST_BYTES} bytes");
            return Err(errors::said("InvalidRequest", why));
        }
        Ok(bytes)
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
    fn get(&self, bucket: &str, key: &str) -> Result<Vec<u8>, String> {
        let reading = self.read(bucket, key);
        Handle::current().block_on(reading).map_err(|refusal| refusal.message)
    }

    fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectInfo>, String> {
        let listing = async {
            self.recover().await?;
            self.check_bucket(bucket)?;
            self.entries(bucket, prefix).await
        };
        let entries = Handle::current().block_on(listing).map_err(|refusal| refusal.message)?;
        let shown = entries.into_iter().map(|entry| ObjectInfo {
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
