use parking_lot::Mutex;
use std::sync::Arc;
use stepwright_engine::{ObjectStore, Upload, Whole};
use stepwright_interpreter::items::{
    Listing, ObjectInfo, ObjectRequest, Objects as _, Opened, Piece,
};
use stepwright_simulator::MemoryObjects;

/// The buckets of a mocks file, as an object store for an engine.
#[derive(Debug, Default)]
pub struct MemoryBuckets(Arc<Mutex<MemoryObjects>>);

impl MemoryBuckets {
    /// Creates buckets with these objects.
    pub fn new(objects: MemoryObjects) -> Self {
        Self(Arc::new(Mutex::new(objects)))
    }
}

impl ObjectStore for MemoryBuckets {
    fn open(&self, object: ObjectRequest<'_>) -> Result<Opened, String> {
        self.0.lock().open(object)
    }

    fn list(&self, listing: Listing<'_>) -> Result<Vec<ObjectInfo>, String> {
        self.0.lock().list(listing)
    }

    fn begin(&self, bucket: &str, key: &str) -> Result<Box<dyn Upload>, String> {
        let (buckets, bucket, key) = (self.0.clone(), bucket.to_owned(), key.to_owned());
        Ok(Whole::begin(move |bytes| {
            let whole = Piece { bytes: &bytes, is_first: true, is_last: true };
            buckets.lock().append(&bucket, &key, whole)
        }))
    }
}
