use std::collections::BTreeMap;
use std::io::Read;
use stepwright_interpreter::items::{ObjectInfo, ObjectRequest, Objects};

/// An object store in memory: buckets of objects.
#[derive(Clone, Debug, Default)]
pub struct MemoryObjects {
    /// Bucket and key, and the bytes under them.
    pub objects: BTreeMap<(String, String), Vec<u8>>,
    /// What a listing gives as the time of each object, in seconds since 1970.
    pub last_modified: i64,
}

impl MemoryObjects {
    /// With one more object.
    #[must_use]
    pub fn with(mut self, bucket: &str, key: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.objects.insert((bucket.to_owned(), key.to_owned()), bytes.into());
        self
    }

    /// The bytes of an object, or why there are none.
    pub fn bytes(&self, bucket: &str, key: &str) -> Result<&[u8], String> {
        self.objects
            .get(&(bucket.to_owned(), key.to_owned()))
            .map(Vec::as_slice)
            .ok_or_else(|| format!("There is no object '{key}' in the bucket '{bucket}'"))
    }
}

impl Objects for MemoryObjects {
    fn open(&self, object: ObjectRequest<'_>) -> Result<Box<dyn Read + Send + '_>, String> {
        let bytes = self.bytes(object.bucket, object.key)?;
        // There are no versions here, and the buckets belong to whoever asks.
        if object.version.is_some_and(|version| version != "null") {
            return Err("The specified version does not exist.".to_owned());
        }
        Ok(Box::new(bytes))
    }

    fn list(
        &self,
        bucket: &str,
        prefix: &str,
        _owner: Option<&str>,
        most: usize,
    ) -> Result<Vec<ObjectInfo>, String> {
        let from = (bucket.to_owned(), prefix.to_owned());
        Ok(self
            .objects
            .range(from..)
            .take_while(|((name, key), _)| name == bucket && key.starts_with(prefix))
            .take(most)
            .map(|((_, key), bytes)| ObjectInfo {
                key: key.clone(),
                size: bytes.len() as u64,
                etag: format!("\"{:016x}\"", fingerprint(bytes)),
                last_modified: self.last_modified,
            })
            .collect())
    }

    fn put(&mut self, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<(), String> {
        self.objects.insert((bucket.to_owned(), key.to_owned()), bytes);
        Ok(())
    }
}

/// FNV-1a: an entity tag only has to change when the content does.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    })
}
