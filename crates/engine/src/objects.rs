use crate::{Authorizer, Engine, Facts};
use std::sync::Arc;
use stepwright_interpreter::items::{ObjectInfo, Objects};

/// An object store that many map runs use at once. Its calls may block: they are made on threads
/// where blocking is allowed.
pub trait ObjectStore: Send + Sync + 'static {
    /// Returns the bytes of an object, or why it cannot be read.
    fn get(&self, bucket: &str, key: &str) -> Result<Vec<u8>, String>;
    /// Lists the objects whose keys begin with `prefix`, in the order of their keys.
    fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectInfo>, String>;
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
    fn get(&self, bucket: &str, key: &str) -> Result<Vec<u8>, String> {
        self.authorize("s3:GetObject", &format!("{bucket}/{key}"))?;
        self.objects.get(bucket, key)
    }

    fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectInfo>, String> {
        self.authorize("s3:ListBucket", bucket)?;
        self.objects.list(bucket, prefix)
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
    fn get(&self, _bucket: &str, _key: &str) -> Result<Vec<u8>, String> {
        Err(NONE.to_owned())
    }

    fn list(&self, _bucket: &str, _prefix: &str) -> Result<Vec<ObjectInfo>, String> {
        Err(NONE.to_owned())
    }

    fn put(&self, _bucket: &str, _key: &str, _bytes: Vec<u8>) -> Result<(), String> {
        Err(NONE.to_owned())
    }
}
