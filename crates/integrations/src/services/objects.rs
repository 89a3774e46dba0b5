//! S3 as the object store of Map states: what item readers read and result writers write is called
//! where `[services]` says, by the same caller as everything else.

use super::wire::{Answer, Fault, Target};
use super::{AwsServices, Place};
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use stepwright_aws::codec::{self, Message};
use stepwright_aws::table;
use stepwright_engine::{ObjectStore, Upload};
use stepwright_interpreter::items::{Listing, ObjectInfo, ObjectRequest, Opened};
use stepwright_json::{Json, Object, json};
use tokio::runtime::Handle;

/// The largest answer that is read, in bytes. An object is asked for in pieces; a service that does
/// not know of pieces answers with all of it.
const MOST_BYTES: usize = 64 << 20;

/// How much of an object is asked for at once, in bytes: by who reads on, and by who has just gone
/// to another place.
const PIECE: u64 = 8 << 20;
const LITTLE: u64 = 256 << 10;

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
    fn open(&self, object: ObjectRequest<'_>) -> Result<Opened, String> {
        let mut request = Object::new();
        request.insert("Bucket", object.bucket.into());
        request.insert("Key", object.key.into());
        let more = [
            ("VersionId", object.version),
            ("ExpectedBucketOwner", object.owner),
            ("IfMatch", object.etag),
        ];
        for (name, value) in more {
            if let Some(value) = value {
                request.insert(name, value.into());
            }
        }
        let mut pieces = Pieces {
            store: self.clone(),
            request,
            read: object.from,
            size: None,
            etag: String::new(),
            asks: PIECE,
            piece: Vec::new(),
            at: 0,
        };
        pieces.next()?;
        let (etag, size) = (pieces.etag.clone(), pieces.size.unwrap_or_default());
        Ok(Opened { bytes: Box::new(pieces), etag, size })
    }

    fn list(&self, listing: Listing<'_>) -> Result<Vec<ObjectInfo>, String> {
        let Listing { bucket, prefix, owner, after, most } = listing;
        let mut request: Object = [("Bucket", Json::from(bucket))].into_iter().collect();
        if let Some(owner) = owner {
            request.insert("ExpectedBucketOwner", owner.into());
        }
        if !prefix.is_empty() {
            request.insert("Prefix", prefix.into());
        }
        if let Some(after) = after {
            request.insert("StartAfter", after.into());
        }
        let mut found = Vec::new();
        loop {
            let message = Message::from(Json::from(request.clone()));
            let page = self.call("listObjectsV2", &message)?.message.value;
            let listed = page.get("Contents").and_then(Json::as_array);
            found.extend(listed.into_iter().flat_map(|all| all.iter()).map(info));
            match page.get("NextContinuationToken") {
                Some(next)
                    if found.len() < most
                        && !next.is_null()
                        && request.get("ContinuationToken") != Some(next) =>
                {
                    request.insert("ContinuationToken", next.clone());
                }
                _ => return Ok(found),
            }
        }
    }

    fn begin(&self, bucket: &str, key: &str) -> Result<Box<dyn Upload>, String> {
        let place: Object =
            [("Bucket", Json::from(bucket)), ("Key", Json::from(key))].into_iter().collect();
        let bytes = Vec::new();
        Ok(Box::new(Parts { store: self.clone(), place, id: None, sent: Vec::new(), bytes }))
    }
}

/// How large the parts of an object are that is written, in bytes. An object that is smaller is written
/// at once.
const PART: usize = 8 << 20;

/// An object that is written in parts, so that no more than one of them is in memory.
struct Parts {
    store: ServiceObjects,
    /// Its bucket and its key.
    place: Object,
    /// What S3 calls the upload; `None` as long as all of it is in memory.
    id: Option<String>,
    /// The parts that S3 has.
    sent: Vec<Json>,
    bytes: Vec<u8>,
}

impl Parts {
    /// A request about this object, with further members.
    fn request(&self, more: &[(&'static str, Json)]) -> Json {
        let mut request = self.place.clone();
        if let Some(id) = &self.id {
            request.insert("UploadId", id.as_str().into());
        }
        for (name, value) in more {
            request.insert(*name, value.clone());
        }
        request.into()
    }

    fn call(&self, action: &str, more: &[(&'static str, Json)]) -> Result<Json, String> {
        Ok(self.store.call(action, &self.request(more).into())?.message.value)
    }

    /// Hands on what there is as the next part.
    fn send(&mut self) -> Result<(), String> {
        if self.id.is_none() {
            let begun = self.call("createMultipartUpload", &[content_type()])?;
            let id = begun.get("UploadId").and_then(Json::as_str);
            self.id = Some(id.ok_or("S3 did not say what it calls the upload")?.to_owned());
        }
        let number = Json::Int(self.sent.len() as i64 + 1);
        let value = self.request(&[("PartNumber", number.clone())]);
        let body = std::mem::take(&mut self.bytes);
        let answer = self.store.call("uploadPart", &Message { value, body: Some(body) })?;
        let etag = answer.message.value.get("ETag").cloned().unwrap_or_default();
        self.sent.push(json!({"ETag": etag, "PartNumber": number}));
        Ok(())
    }
}

impl Upload for Parts {
    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut rest = bytes;
        while self.bytes.len() + rest.len() > PART {
            let (part, more) = rest.split_at(PART - self.bytes.len());
            self.bytes.extend_from_slice(part);
            self.send()?;
            rest = more;
        }
        self.bytes.extend_from_slice(rest);
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), String> {
        if self.id.is_none() {
            let value = self.request(&[content_type()]);
            let body = Some(std::mem::take(&mut self.bytes));
            return self.store.call("putObject", &Message { value, body }).map(drop);
        }
        self.send()?;
        let parts = json!({"Parts": (Json::from(std::mem::take(&mut self.sent)))});
        self.call("completeMultipartUpload", &[("MultipartUpload", parts)])?;
        self.id = None;
        Ok(())
    }
}

impl Drop for Parts {
    /// The parts of an object that is not finished would be kept, and paid for.
    fn drop(&mut self) {
        if self.id.is_none() {
            return;
        }
        let (store, request) = (self.store.clone(), self.request(&[]));
        self.store.runtime.spawn_blocking(move || {
            // If that fails as well, a rule of the bucket may sweep them up.
            drop(store.call("abortMultipartUpload", &request.into()));
        });
    }
}

/// The type of what is written.
fn content_type() -> (&'static str, Json) {
    ("ContentType", "application/json".into())
}

/// An object that is read piece by piece. All pieces are of the object as it was when the first was
/// read: if it is another one by then, reading fails.
struct Pieces {
    store: ServiceObjects,
    request: Object,
    /// Where the next piece begins.
    read: u64,
    /// How many bytes the object has.
    size: Option<u64>,
    etag: String,
    /// How much is asked for next.
    asks: u64,
    piece: Vec<u8>,
    /// How much of the piece was taken.
    at: usize,
}

impl Pieces {
    /// Asks for the next piece.
    fn next(&mut self) -> Result<(), String> {
        let range = format!("bytes={}-{}", self.read, self.read + self.asks - 1);
        self.asks = (self.asks * 2).min(PIECE);
        let mut request = self.request.clone();
        // An empty object has no range. That it is empty is not known before it is asked for.
        request.insert("Range", range.into());
        let asked = self.store.call("getObject", &Json::from(request).into());
        let is_empty = |why: &String| self.read > 0 && is_no_range(why);
        let answer = match asked {
            // What is asked for begins at the end.
            Err(why) if is_empty(&why) => {
                self.size.get_or_insert(self.read);
                return Ok(());
            }
            Err(why) if self.read == 0 && is_no_range(&why) => {
                self.store.call("getObject", &Json::from(self.request.clone()).into())?
            }
            answer => answer?,
        };
        let text = |name: &str| answer.message.value.get(name).and_then(Json::as_str);
        let size = text("ContentRange").and_then(|range| range.rsplit('/').next()?.parse().ok());
        if let Some(etag) = text("ETag") {
            etag.clone_into(&mut self.etag);
            if size.is_some() {
                self.request.insert("IfMatch", etag.into());
            }
        }
        self.piece = answer.message.body.unwrap_or_default();
        if size.is_none() {
            // Without a range, the answer is all of it, with what comes before.
            self.piece.drain(..(self.read as usize).min(self.piece.len()));
        }
        self.at = 0;
        self.read += self.piece.len() as u64;
        self.size = Some(size.unwrap_or(self.read));
        Ok(())
    }
}

/// Whether S3 says that a range begins behind the end of the object.
fn is_no_range(why: &str) -> bool {
    why == "InvalidRange" || why.contains("range is not satisfiable")
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() && self.size.is_some_and(|size| self.read < size) {
            self.next().map_err(io::Error::other)?;
            if self.piece.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let count = into.len().min(self.piece.len() - self.at);
        into[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

impl Seek for Pieces {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Start(to) = to else { return Err(io::ErrorKind::Unsupported.into()) };
        let begin = self.read - self.piece.len() as u64;
        if (begin..=self.read).contains(&to) {
            self.at = (to - begin) as usize;
        } else {
            // Who looks here and there wants little each time.
            (self.read, self.asks, self.at) = (to, LITTLE, 0);
            self.piece.clear();
        }
        Ok(to)
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
