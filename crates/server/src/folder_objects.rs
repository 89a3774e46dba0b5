use std::io::Read as _;
use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;
use stepwright_engine::ObjectStore;
use stepwright_interpreter::items::ObjectInfo;

/// The largest object that is read, in bytes: as large as any other file.
const MOST_BYTES: u64 = 64 << 20;

/// A directory that stands in for S3: each directory in it is a bucket, and each file an object.
#[derive(Clone, Debug)]
pub struct FolderObjects {
    folder: PathBuf,
}

impl FolderObjects {
    /// Uses the buckets in this directory.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The file of an object. A key that would lead out of its bucket is an error.
    fn path(&self, bucket: &str, key: &str) -> Result<PathBuf, String> {
        let is_plain = |path: &Path| {
            path.components().all(|component| matches!(component, Component::Normal(_)))
        };
        let (bucket_path, key_path) = (Path::new(bucket), Path::new(key));
        let is_bucket = is_plain(bucket_path) && bucket_path.components().count() == 1;
        if !is_bucket || !is_plain(key_path) {
            return Err(format!("'{bucket}/{key}' cannot name an object here"));
        }
        Ok(self.folder.join(bucket_path).join(key_path))
    }
}

impl ObjectStore for FolderObjects {
    fn get(&self, bucket: &str, key: &str) -> Result<Vec<u8>, String> {
        let missing = |_| "The specified key does not exist.".to_owned();
        let file = std::fs::File::open(self.path(bucket, key)?).map_err(missing)?;
        let mut bytes = Vec::new();
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(missing)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(format!("The object has more than {MOST_BYTES} bytes"));
        }
        Ok(bytes)
    }

    fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectInfo>, String> {
        let root = self.path(bucket, "x")?.with_file_name("");
        if !root.is_dir() {
            return Err("The specified bucket does not exist".to_owned());
        }
        let mut found = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            let entries = std::fs::read_dir(&folder).map_err(|error| error.to_string())?;
            for entry in entries {
                let entry = entry.map_err(|error| error.to_string())?;
                let data = entry.metadata().map_err(|error| error.to_string())?;
                let path = entry.path();
                if data.is_dir() {
                    folders.push(path);
                    continue;
                }
                let key = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
                if !key.starts_with(prefix) {
                    continue;
                }
                let since = data.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                let last_modified = since.map_or(0, |since| since.as_secs() as i64);
                found.push(ObjectInfo {
                    etag: format!("\"{:x}-{:x}\"", data.len(), last_modified),
                    key,
                    size: data.len(),
                    last_modified,
                });
            }
        }
        found.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(found)
    }

    fn put(&self, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<(), String> {
        let path = self.path(bucket, key)?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        }
        std::fs::write(path, bytes).map_err(|error| error.to_string())
    }
}
