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
        let path = self.folder.join(bucket_path).join(key_path);
        if !self.is_within(bucket_path, &path) {
            return Err(format!("'{bucket}/{key}' cannot name an object here"));
        }
        Ok(path)
    }

    /// Whether a path stays in its bucket when symbolic links are followed. What does not exist yet
    /// is looked for at the nearest directory that does.
    fn is_within(&self, bucket: &Path, path: &Path) -> bool {
        // The bucket itself may be a link: whoever makes one in the folder names another place.
        let bucket = self.folder.join(bucket);
        let Ok(root) = bucket.canonicalize() else { return !bucket.is_symlink() };
        let exists = |path: &&Path| path.symlink_metadata().is_ok();
        let nearest = path.ancestors().find(exists);
        nearest
            .and_then(|path| path.canonicalize().ok())
            .is_some_and(|path| path.starts_with(&root))
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
                let path = entry.path();
                // What a link leads to counts, if that is in the bucket. A link to nothing is no object.
                if path.is_symlink() && (path.is_dir() || !self.is_within(Path::new(bucket), &path))
                {
                    continue;
                }
                let Ok(data) = std::fs::metadata(&path) else { continue };
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_do_not_lead_out_of_a_bucket() {
        let folder = tempfile::tempdir().expect("a directory");
        let (buckets, outside) = (folder.path().join("buckets"), folder.path().join("outside"));
        for folder in [buckets.join("bucket/real"), outside.clone()] {
            std::fs::create_dir_all(folder).expect("it can be made");
        }
        std::fs::write(outside.join("secret"), b"secret").expect("it is written");
        std::fs::write(buckets.join("bucket/real/object"), b"object").expect("it is written");
        let link = |to: &Path, name: &str| symlink(to, buckets.join("bucket").join(name));
        link(&outside, "folder").expect("it is made");
        link(&outside.join("secret"), "file").expect("it is made");
        link(&outside.join("new"), "dangling").expect("it is made");
        link(Path::new("../../outside/secret"), "relative").expect("it is made");
        link(Path::new("real/object"), "inside").expect("it is made");
        let objects = FolderObjects::new(buckets.clone());
        for key in ["folder/secret", "file", "dangling", "relative", "folder", "folder/new/deep"] {
            assert!(objects.get("bucket", key).is_err(), "{key}");
            assert!(objects.put("bucket", key, b"changed".to_vec()).is_err(), "{key}");
        }
        assert_eq!(std::fs::read(outside.join("secret")).expect("it is there"), b"secret");
        assert_eq!(std::fs::read_dir(&outside).expect("it is there").count(), 1);
        assert_eq!(objects.get("bucket", "inside"), Ok(b"object".to_vec()));
        objects.put("bucket", "real/new/deep", b"new".to_vec()).expect("it is written");
        objects.put("other", "new", b"new".to_vec()).expect("a bucket is made");
        let listed = objects.list("bucket", "").expect("it can be listed");
        let listed: Vec<_> = listed.iter().map(|object| (&*object.key, object.size)).collect();
        assert_eq!(listed, [("inside", 6), ("real/new/deep", 3), ("real/object", 6)]);
    }
}
