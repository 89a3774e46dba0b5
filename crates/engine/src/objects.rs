use crate::{Authorizer, Engine, Facts};
use std::io::Read;
use std::sync::Arc;
use stepwright_interpreter::items::{ObjectInfo, ObjectRequest, Objects};

/// An object store that many map runs use at once. Its calls may block: they are made on threads
/// where blocking is allowed.
pub trait ObjectStore: Send + Sync + 'static {
    /// Returns the bytes of an object as a stream, or why it cannot be read.
    fn open(&self, object: ObjectRequest<'_>) -> Result<Box<dyn Read + Send>, String>;
    /// Lists the first objects whose keys begin with `prefix`, in the order of their keys: at least
    /// `most`, if there are so many. With an `owner`, the bucket must belong to this account.
    fn list(
        &self,
        bucket: &str,
        prefix: &str,
        owner: Option<&str>,
        most: usize,
    ) -> Result<Vec<ObjectInfo>, String>;
    /// Writes an object.
    fn put(&self, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<(), String>;
}

/// Adapts the engine's object store to the one the interpreter asks for, within the rights of an
/// execution.
pub(crate) struct Bound {
    objects: Arc<dyn ObjectStore>,
    authorizer: Arc<dyn Authorizer>,
    facts: Arc<Facts>,
}

impl Bound {
    pub(crate) fn new(engine: &Engine, facts: Arc<Facts>) -> Self {
        let options = &engine.inner.options;
        let (objects, authorizer) = (options.objects.clone(), options.authorizer.clone());
        Self { objects, authorizer, facts }
    }

    fn authorize(&self, action: &str, what: &str) -> Result<(), String> {
        let resource = format!("arn:aws:s3:::{what}");
        self.authorizer
            .authorize(&self.facts, action, &resource)
            .map_err(|denied| format!("AccessDenied: {denied}"))
    }
}

impl Objects for Bound {
    fn open(&self, object: ObjectRequest<'_>) -> Result<Box<dyn Read + Send + '_>, String> {
        let action = match object.version {
            Some(_) => "s3:GetObjectVersion",
            None => "s3:GetObject",
        };
        self.authorize(action, &format!("{}/{}", object.bucket, object.key))?;
        self.objects.open(object)
    }

    fn list(
        &self,
        bucket: &str,
        prefix: &str,
        owner: Option<&str>,
        most: usize,
    ) -> Result<Vec<ObjectInfo>, String> {
        self.authorize("s3:ListBucket", bucket)?;
        self.objects.list(bucket, prefix, owner, most)
    }

    fn put(&mut self, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<(), String> {
        self.authorize("s3:PutObject", &format!("{bucket}/{key}"))?;
        self.objects.put(bucket, key, bytes)
    }
}

/// The absence of an object store: every call fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObjects;

const NONE: &str =
    "no object store is configured: see `[objects]` and `[services.s3]` in stepwright.toml";

impl ObjectStore for NoObjects {
    fn open(&self, _object: ObjectRequest<'_>) -> Result<Box<dyn Read + Send>, String> {
        Err(NONE.to_owned())
    }

    fn list(
        &self,
        _bucket: &str,
        _prefix: &str,
        _owner: Option<&str>,
        _most: usize,
    ) -> Result<Vec<ObjectInfo>, String> {
        Err(NONE.to_owned())
    }

    fn put(&self, _bucket: &str, _key: &str, _bytes: Vec<u8>) -> Result<(), String> {
        Err(NONE.to_owned())
    }
}
