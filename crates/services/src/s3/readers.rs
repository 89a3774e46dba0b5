//! The same objects for readers and writers of distributed Maps.

use super::checksum::Checksum;
use super::files::{Draft, Files, Spot, Stamp};
use super::index::Described;
use super::objects::{New, quoted};
use super::{S3, errors};
use crate::call::Refusal;
use md5::{Digest as _, Md5};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use stepwright_engine::{ObjectStore, Upload};
use stepwright_interpreter::items::{Listing, ObjectInfo, ObjectRequest, Opened};
use tokio::runtime::Handle;

/// How many objects are listed at once, at least: a listing looks at all files of its directory.
const LISTED: usize = 10_000;

/// The object store of the engine. Called on threads for what takes long.
pub(crate) struct Buckets(pub(crate) Arc<S3>);

impl S3 {
    /// Opens the file of an object.
    async fn read(&self, object: ObjectRequest<'_>) -> Result<(Watched, String), Refusal> {
        self.recover().await?;
        self.check_owner(object.owner)?;
        if object.version.is_some_and(|version| version != "null") {
            return Err(errors::known("NoSuchVersion"));
        }
        let (bucket, key) = (object.bucket, object.key);
        self.check_bucket(bucket)?;
        let _turn = self.lock(bucket, key).read().await;
        let kept = self.present(bucket, key).await?;
        let files = self.files()?.clone();
        let opened = files.open(bucket, key, &kept.spot);
        let (file, stamp) = opened.map_err(|_| errors::known("NoSuchKey"))?;
        // Somebody may have put another file there just now.
        let kept = if kept.stamp == stamp { kept } else { super::foreign(kept.spot, stamp) };
        if object.etag.is_some_and(|etag| etag != kept.etag) {
            return Err(errors::known("PreconditionFailed"));
        }
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        let watched = Watched { file, files, bucket, key, spot: kept.spot, stamp };
        Ok((watched, kept.etag))
    }

    fn check_owner(&self, owner: Option<&str>) -> Result<(), Refusal> {
        match owner {
            Some(owner) if owner != self.account => Err(errors::known("AccessDenied")),
            _ => Ok(()),
        }
    }

    async fn begin(&self, bucket: &str) -> Result<Draft, Refusal> {
        self.recover().await?;
        let files = self.files()?.clone();
        let (name, has_bucket) = (bucket.to_owned(), files.has_bucket(bucket));
        self.blocking(move || {
            // A result may go to a bucket that nobody has made yet.
            if !has_bucket {
                files.make_bucket(&name)?;
            }
            files.begin(&name)
        })
        .await
    }
}

impl ObjectStore for Buckets {
    fn is_of_server(&self) -> bool {
        true
    }

    fn open(&self, object: ObjectRequest<'_>) -> Result<Opened, String> {
        let reading = self.0.read(object);
        let opened = Handle::current().block_on(reading).map_err(|refusal| refusal.message)?;
        let (mut watched, etag) = opened;
        watched.file.seek(SeekFrom::Start(object.from)).map_err(|error| error.to_string())?;
        let size = watched.stamp.size;
        Ok(Opened { bytes: Box::new(watched), etag, size })
    }

    fn list(&self, listing: Listing<'_>) -> Result<Vec<ObjectInfo>, String> {
        let Listing { bucket, prefix, owner, after, most } = listing;
        let found = async {
            self.0.recover().await?;
            self.0.check_owner(owner)?;
            self.0.check_bucket(bucket)?;
            self.0.entries(bucket, prefix).await
        };
        let entries = Handle::current().block_on(found).map_err(|refusal| refusal.message)?;
        let shown = entries
            .into_iter()
            .filter(|entry| after.is_none_or(|after| entry.key.as_str() > after))
            .take(most.max(LISTED))
            .map(|entry| ObjectInfo {
                key: entry.key,
                size: entry.size,
                etag: entry.etag,
                last_modified: entry.modified / 1_000,
            });
        Ok(shown.collect())
    }

    fn begin(&self, bucket: &str, key: &str) -> Result<Box<dyn Upload>, String> {
        let draft =
            Handle::current().block_on(self.0.begin(bucket)).map_err(|refusal| refusal.message)?;
        let writing = Writing::begin(self.0.clone(), bucket, key, draft);
        Ok(Box::new(writing.map_err(|error| errors::disk(&error).message)?))
    }
}

/// The file of an object that is read. If the object is another one by now, reading fails.
struct Watched {
    file: File,
    files: Files,
    bucket: String,
    key: String,
    spot: Spot,
    stamp: Stamp,
}

impl Read for Watched {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(into)?;
        if self.files.stamp(&self.bucket, &self.key, &self.spot) != Some(self.stamp) {
            return Err(io::Error::other(errors::known("PreconditionFailed").message));
        }
        Ok(count)
    }
}

impl Seek for Watched {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// How many bytes are written before they are brought to the disk.
const BROUGHT: usize = 8 << 20;

/// How many pieces wait to be written, at most.
const MOST_WAITING: usize = 4;

/// An object that is being written. Its bytes are hashed and brought to the disk on a thread of their own,
/// while whoever writes makes the next ones.
struct Writing {
    s3: Arc<S3>,
    bucket: String,
    key: String,
    /// Takes the pieces to the thread. `None` once it has ended.
    pieces: Option<SyncSender<Vec<u8>>>,
    thread: Option<JoinHandle<io::Result<(Draft, String)>>>,
}

impl Writing {
    fn begin(s3: Arc<S3>, bucket: &str, key: &str, draft: Draft) -> io::Result<Self> {
        let (pieces, taken) = sync_channel(MOST_WAITING);
        let thread = std::thread::Builder::new()
            .name("object-writer".to_owned())
            .spawn(move || write(draft, &taken))?;
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        Ok(Self { s3, bucket, key, pieces: Some(pieces), thread: Some(thread) })
    }

    /// Waits for what was written to be on the disk.
    fn end(&mut self) -> Result<(Draft, String), String> {
        self.pieces = None;
        let joined = self.thread.take().map(JoinHandle::join);
        let broken = || io::Error::other("the thread that writes an object has ended");
        let written = joined.and_then(Result::ok).unwrap_or_else(|| Err(broken()));
        written.map_err(|error| errors::disk(&error).message)
    }
}

/// Writes the pieces as they come. Returns the file and its hash.
fn write(mut draft: Draft, pieces: &Receiver<Vec<u8>>) -> io::Result<(Draft, String)> {
    let (mut hash, mut written) = (Md5::new(), 0);
    for piece in pieces {
        draft.write(&piece)?;
        hash.update(&piece);
        written += piece.len();
        if written >= BROUGHT {
            draft.file.sync_data()?;
            written = 0;
        }
    }
    Ok((draft, hex::encode(hash.finalize())))
}

impl Upload for Writing {
    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let sent = self.pieces.as_ref().map(|pieces| pieces.send(bytes.to_vec()));
        match sent {
            Some(Ok(())) => Ok(()),
            // The thread has ended before its time: it says why.
            _ => self.end().map(drop),
        }
    }

    fn finish(mut self: Box<Self>) -> Result<(), String> {
        let (mut draft, hash) = self.end()?;
        let stamp = draft.finish().map_err(|error| errors::disk(&error).message)?;
        let described = Described::default();
        let checksum: Option<Checksum> = None;
        let new = New { draft, stamp, etag: quoted(&hash), described, checksum, parts: Vec::new() };
        let Self { s3, bucket, key, .. } = *self;
        let putting = async {
            let kept = s3.put(&bucket, &key, new, |_| Ok(())).await?;
            s3.tell_created(&bucket, &key, &kept, "PutObject").await;
            Ok(())
        };
        Handle::current().block_on(putting).map_err(|refusal: Refusal| refusal.message)
    }
}
