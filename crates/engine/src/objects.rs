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

/// Adapts the engine's object store to the one the interpreter asks for.
pub(crate) struct Bound<'o>(pub(crate) &'o dyn ObjectStore);

impl Objects for Bound<'_> {
    fn get(&self, bucket: &str, key: &str) -> Result<Vec<u8>, String> {
        self.0.get(bucket, key)
    }

    fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectInfo>, String> {
        self.0.list(bucket, prefix)
    }

    fn put(&mut self, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<(), String> {
        self.0.put(bucket, key, bytes)
    }
}

/// The absence of an object store: every call fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObjects;

const NONE: &str = "no object store is configured: see `[objects]` in stepwright.toml";

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
