use parking_lot::Mutex;
use std::io::{Cursor, Read};
use stepwright_engine::ObjectStore;
use stepwright_interpreter::items::{ObjectInfo, ObjectRequest, Objects as _};
use stepwright_simulator::MemoryObjects;

/// The buckets of a mocks file, as an object store for an engine.
#[derive(Debug, Default)]
pub struct MemoryBuckets(Mutex<MemoryObjects>);

impl MemoryBuckets {
    /// Creates buckets with these objects.
    pub fn new(objects: MemoryObjects) -> Self {
        Self(Mutex::new(objects))
    }
}

impl ObjectStore for MemoryBuckets {
    fn open(&self, object: ObjectRequest<'_>) -> Result<Box<dyn Read + Send>, String> {
        let objects = self.0.lock();
        drop(objects.open(object)?);
        Ok(Box::new(Cursor::new(objects.bytes(object.bucket, object.key)?.to_vec())))
    }

    fn list(
        &self,
        bucket: &str,
        prefix: &str,
        owner: Option<&str>,
        most: usize,
    ) -> Result<Vec<ObjectInfo>, String> {
        self.0.lock().list(bucket, prefix, owner, most)
    }

    fn put(&self, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<(), String> {
        self.0.lock().put(bucket, key, bytes)
    }
}
