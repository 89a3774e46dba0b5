use crate::{Authorizer, Engine, Facts};
use std::collections::BTreeMap;
use std::sync::Arc;
use stepwright_interpreter::items::{Listing, ObjectInfo, ObjectRequest, Objects, Opened, Piece};

/// An object store that many map runs use at once. Its calls may block: they are made on threads
/// where blocking is allowed.
pub trait ObjectStore: Send + Sync + 'static {
    /// Begins to read an object, or says why it cannot be read.
    fn open(&self, object: ObjectRequest<'_>) -> Result<Opened, String>;
    /// Lists the first objects that match, in the order of their keys.
    fn list(&self, listing: Listing<'_>) -> Result<Vec<ObjectInfo>, String>;
    /// Begins to write an object.
    fn begin(&self, bucket: &str, key: &str) -> Result<Box<dyn Upload>, String>;
    /// Whether its buckets are those of this machine, which belong to the account of the server.
    fn is_of_server(&self) -> bool {
        false
    }
}

/// An object that is being written. It is there once it is finished; if it is dropped before, what
/// was there before stays.
pub trait Upload: Send {
    /// Appends bytes.
    fn write(&mut self, bytes: &[u8]) -> Result<(), String>;
    /// Makes it an object.
    fn finish(self: Box<Self>) -> Result<(), String>;
}

/// An object that is collected, and put as a whole once it is finished.
pub struct Whole<F> {
    bytes: Vec<u8>,
    put: F,
}

impl<F: FnOnce(Vec<u8>) -> Result<(), String> + Send + 'static> Whole<F> {
    /// Begins an object that `put` gets all bytes of.
    pub fn begin(put: F) -> Box<dyn Upload> {
        Box::new(Self { bytes: Vec::new(), put })
    }
}

impl<F> std::fmt::Debug for Whole<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Whole").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl<F: FnOnce(Vec<u8>) -> Result<(), String> + Send> Upload for Whole<F> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), String> {
        (self.put)(self.bytes)
    }
}

/// Adapts the engine's object store to the one the interpreter asks for, within the rights of an
/// execution.
pub(crate) struct Bound {
    objects: Arc<dyn ObjectStore>,
    authorizer: Arc<dyn Authorizer>,
    facts: Arc<Facts>,
    /// The objects that are being written, by bucket and key.
    uploads: BTreeMap<(String, String), Box<dyn Upload>>,
}

impl Bound {
    pub(crate) fn new(engine: &Engine, facts: Arc<Facts>) -> Self {
        let options = &engine.inner.options;
        let (objects, authorizer) = (options.objects.clone(), options.authorizer.clone());
        Self { objects, authorizer, facts, uploads: BTreeMap::new() }
    }

    fn authorize(&self, action: &str, what: &str) -> Result<(), String> {
        let resource = format!("arn:aws:s3:::{what}");
        if self.objects.is_of_server() && !self.authorizer.is_at_home(&self.facts) {
            return Err("AccessDenied: the buckets belong to another account".to_owned());
        }
        self.authorizer
            .authorize(&self.facts, action, &resource)
            .map_err(|denied| format!("AccessDenied: {denied}"))
    }
}

impl Objects for Bound {
    fn open(&self, object: ObjectRequest<'_>) -> Result<Opened, String> {
        let action = match object.version {
            Some(_) => "s3:GetObjectVersion",
            None => "s3:GetObject",
        };
        self.authorize(action, &format!("{}/{}", object.bucket, object.key))?;
        self.objects.open(object)
    }

    fn list(&self, listing: Listing<'_>) -> Result<Vec<ObjectInfo>, String> {
        self.authorize("s3:ListBucket", listing.bucket)?;
        self.objects.list(listing)
    }

    fn append(&mut self, bucket: &str, key: &str, piece: Piece<'_>) -> Result<(), String> {
        let place = (bucket.to_owned(), key.to_owned());
        if piece.is_first {
            self.authorize("s3:PutObject", &format!("{bucket}/{key}"))?;
            self.uploads.insert(place.clone(), self.objects.begin(bucket, key)?);
        }
        let upload = self.uploads.get_mut(&place).ok_or("the object was not begun")?;
        upload.write(piece.bytes)?;
        match self.uploads.remove(&place) {
            Some(upload) if piece.is_last => upload.finish(),
            Some(upload) => {
                self.uploads.insert(place, upload);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// The absence of an object store: every call fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObjects;

const NONE: &str =
    "no object store is configured: see `[objects]` and `[services.s3]` in stepwright.toml";

impl ObjectStore for NoObjects {
    fn open(&self, _object: ObjectRequest<'_>) -> Result<Opened, String> {
        Err(NONE.to_owned())
    }

    fn list(&self, _listing: Listing<'_>) -> Result<Vec<ObjectInfo>, String> {
        Err(NONE.to_owned())
    }

    fn begin(&self, _bucket: &str, _key: &str) -> Result<Box<dyn Upload>, String> {
        Err(NONE.to_owned())
    }
}
