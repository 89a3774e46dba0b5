use std::collections::BTreeMap;
use stepwright_interpreter::items::{Listing, ObjectInfo, ObjectRequest, Objects, Opened, Piece};

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
    fn open(&self, object: ObjectRequest<'_>) -> Result<Opened, String> {
        let bytes = self.bytes(object.bucket, object.key)?;
        // There are no versions here, and the buckets belong to whoever asks.
        if object.version.is_some_and(|version| version != "null") {
            return Err("The specified version does not exist.".to_owned());
        }
        let etag = etag(bytes);
        if object.etag.is_some_and(|wanted| wanted != etag) {
            return Err("At least one of the pre-conditions you specified did not hold".to_owned());
        }
        Ok(Opened::of(bytes, etag, object.from))
    }

    fn list(&self, listing: Listing<'_>) -> Result<Vec<ObjectInfo>, String> {
        let Listing { bucket, prefix, after, most, .. } = listing;
        let from = (bucket.to_owned(), prefix.max(after.unwrap_or_default()).to_owned());
        Ok(self
            .objects
            .range(from..)
            .take_while(|((name, key), _)| name == bucket && key.starts_with(prefix))
            .filter(|((_, key), _)| after.is_none_or(|after| key.as_str() > after))
            .take(most)
            .map(|((_, key), bytes)| ObjectInfo {
                key: key.clone(),
                size: bytes.len() as u64,
                etag: etag(bytes),
                last_modified: self.last_modified,
            })
            .collect())
    }

    fn append(&mut self, bucket: &str, key: &str, piece: Piece<'_>) -> Result<(), String> {
        // Nobody looks at an object while it is written.
        let object = self.objects.entry((bucket.to_owned(), key.to_owned())).or_default();
        if piece.is_first {
            object.clear();
        }
        object.extend_from_slice(piece.bytes);
        Ok(())
    }
}

/// FNV-1a: an entity tag only has to change when the content does.
fn etag(bytes: &[u8]) -> String {
    let fingerprint = bytes.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3)
    });
    format!("\"{fingerprint:016x}\"")
}
