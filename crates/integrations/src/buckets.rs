use parking_lot::Mutex;
use stepwright_engine::ObjectStore;
use stepwright_interpreter::items::{ObjectInfo, Objects as _};
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
    fn get(&self, bucket: &str, key: &str) -> Result<Vec<u8>, String> {
        self.0.lock().get(bucket, key)
    }

    fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectInfo>, String> {
        self.0.lock().list(bucket, prefix)
    }

    fn put(&self, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<(), String> {
        self.0.lock().put(bucket, key, bytes)
    }
}
