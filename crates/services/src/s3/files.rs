//! Objects as files: each bucket is a directory, and each object a file in it, under its key where
//! that can be the path of a file. Nothing is ever read or written outside of the bucket's directory.

use sha2::{Digest as _, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

/// What the names begin with that are no objects: files that are being written, and those of keys that
/// cannot be paths.
const OURS: &str = ".stepwright-";

/// The folder, within a bucket, of objects whose keys cannot be paths.
const HIDDEN: &str = ".stepwright-keys";

/// The longest part of a path.
const MOST_PART: usize = 200;

/// The folder of all buckets.
#[derive(Clone, Debug)]
pub(super) struct Files {
    folder: PathBuf,
}

/// Where the bytes of an object are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// Under its key.
    Plain,
    /// In the folder for keys that cannot be paths, or whose path is taken.
    Hidden,
}

/// What a file says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stamp {
    pub(super) size: u64,
    /// When it was written, in nanoseconds since 1970.
    pub(super) written: i64,
}

impl Stamp {
    fn of(data: &fs::Metadata) -> Self {
        Self { size: data.len(), written: data.mtime() * 1_000_000_000 + data.mtime_nsec() }
    }

    /// The entity tag of a file that somebody else has put there.
    pub(super) fn etag(&self) -> String {
        format!("\"{:x}-{:x}\"", self.size, self.written / 1_000_000_000)
    }
}

impl Files {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The directory of a bucket; `None` if no directory can have its name.
    fn bucket(&self, bucket: &str) -> Option<PathBuf> {
        let path = Path::new(bucket);
        let mut parts = path.components();
        let is_plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
        (is_plain && !bucket.starts_with('.') && !bucket.contains(['/', '\0']))
            .then(|| self.folder.join(bucket))
    }

    pub(super) fn has_bucket(&self, bucket: &str) -> bool {
        self.bucket(bucket).is_some_and(|path| path.is_dir())
    }

    /// The names of the buckets, in order, and when their directories were made.
    pub(super) fn buckets(&self) -> io::Result<Vec<(String, i64)>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            let Some(path) = self.bucket(&name).filter(|path| path.is_dir()) else { continue };
            let made = fs::metadata(path).map_or(0, |data| data.mtime());
            found.push((name, made));
        }
        found.sort();
        Ok(found)
    }

    pub(super) fn make_bucket(&self, bucket: &str) -> io::Result<()> {
        let path = self.bucket(bucket).ok_or(ErrorKind::InvalidInput)?;
        fs::create_dir_all(&path)?;
        sync_folder(&self.folder)
    }

    /// Removes a bucket's directory, in which there is no object.
    pub(super) fn remove_bucket(&self, bucket: &str) -> io::Result<()> {
        let path = self.bucket(bucket).ok_or(ErrorKind::InvalidInput)?;
        if path.is_symlink() {
            // The link goes; what it leads to is somebody else's.
            fs::remove_file(&path)?;
        } else {
            fs::remove_dir_all(&path)?;
        }
        sync_folder(&self.folder)
    }

    /// The path of a key in its bucket, if it can be one.
    fn plain(bucket: &Path, key: &str) -> Option<PathBuf> {
        let is_fit = |part: &str| {
            !matches!(part, "" | "." | "..")
                && part.len() <= MOST_PART
                && !part.starts_with(OURS)
                && !part.contains('\0')
        };
        if !key.split('/').all(is_fit) {
            return None;
        }
        let path = bucket.join(key);
        // On systems where other signs mean something in paths.
        let relative = path.strip_prefix(bucket).ok()?;
        relative.components().all(|one| matches!(one, Component::Normal(_))).then_some(path)
    }

    fn hidden(bucket: &Path, key: &str) -> PathBuf {
        bucket.join(HIDDEN).join(hex::encode(Sha256::digest(key)))
    }

    /// The path of an object that is, or would be, at a spot.
    fn path(&self, bucket: &str, key: &str, spot: &Spot) -> Option<PathBuf> {
        let folder = self.bucket(bucket)?;
        match spot {
            Spot::Hidden => Some(Self::hidden(&folder, key)),
            Spot::Plain => {
                let path = Self::plain(&folder, key)?;
                is_within(&folder, &path).then_some(path)
            }
        }
    }

    /// The spot for a new object: under its key, unless that cannot be or something else is there.
    pub(super) fn spot(&self, bucket: &str, key: &str) -> Spot {
        let Some(path) = self.path(bucket, key, &Spot::Plain) else { return Spot::Hidden };
        let folder = self.bucket(bucket).unwrap_or_default();
        let above = path.ancestors().skip(1).take_while(|one| **one != folder);
        let is_taken = path.is_dir() || above.into_iter().any(|one| one.exists() && !one.is_dir());
        if is_taken { Spot::Hidden } else { Spot::Plain }
    }

    /// What is at a spot; `None` if nothing is.
    pub(super) fn stamp(&self, bucket: &str, key: &str, spot: &Spot) -> Option<Stamp> {
        let data = fs::metadata(self.path(bucket, key, spot)?).ok()?;
        data.is_file().then(|| Stamp::of(&data))
    }

    /// Opens an object.
    pub(super) fn open(&self, bucket: &str, key: &str, spot: &Spot) -> io::Result<(File, Stamp)> {
        let path = self.path(bucket, key, spot).ok_or(ErrorKind::NotFound)?;
        let file = File::open(path)?;
        let data = file.metadata()?;
        if !data.is_file() {
            return Err(ErrorKind::NotFound.into());
        }
        Ok((file, Stamp::of(&data)))
    }

    /// Begins a file that has no name yet that anybody would look for.
    pub(super) fn begin(&self, bucket: &str) -> io::Result<Draft> {
        let folder = self.bucket(bucket).ok_or(ErrorKind::NotFound)?;
        let name = format!("{OURS}{}", uuid::Uuid::new_v4().simple());
        let path = folder.join(&name);
        let file =
            OpenOptions::new().write(true).read(true).create_new(true).mode(0o644).open(&path)?;
        Ok(Draft { file, path, name, is_kept: false })
    }

    /// Gives a draft its name: what was there before is gone, and is never there in part.
    pub(super) fn name(&self, bucket: &str, draft: &str, key: &str, spot: &Spot) -> io::Result<()> {
        let folder = self.bucket(bucket).ok_or(ErrorKind::NotFound)?;
        let from = folder.join(draft);
        let path = self.path(bucket, key, spot).ok_or(ErrorKind::InvalidInput)?;
        let parent = path.parent().unwrap_or(&folder);
        for attempt in 0.. {
            fs::create_dir_all(parent)?;
            match fs::rename(&from, &path) {
                // Somebody has just removed a directory that had become empty.
                Err(error)
                    if error.kind() == ErrorKind::NotFound && attempt < 8 && from.exists() => {}
                Err(error) if error.kind() == ErrorKind::CrossesDevices => {
                    let beside = parent.join(draft);
                    fs::copy(&from, &beside)?;
                    File::open(&beside)?.sync_all()?;
                    fs::rename(&beside, &path)?;
                    fs::remove_file(&from)?;
                    break;
                }
                Err(error) => return Err(error),
                Ok(()) => break,
            }
        }
        Ok(())
    }

    /// The files of a bucket that have no name yet, and when they were written, in nanoseconds.
    pub(super) fn drafts(&self, bucket: &str) -> io::Result<Vec<(String, i64)>> {
        let folder = self.bucket(bucket).ok_or(ErrorKind::NotFound)?;
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            let Ok(data) = entry.metadata() else { continue };
            if name.starts_with(OURS) && data.is_file() {
                found.push((name, Stamp::of(&data).written));
            }
        }
        Ok(found)
    }

    /// Opens a file that has no name.
    pub(super) fn open_draft(&self, bucket: &str, draft: &str) -> io::Result<File> {
        let folder = self.bucket(bucket).ok_or(ErrorKind::NotFound)?;
        if !draft.starts_with(OURS) || draft.contains('/') {
            return Err(ErrorKind::NotFound.into());
        }
        File::open(folder.join(draft))
    }

    /// Removes a file that has no name.
    pub(super) fn discard(&self, bucket: &str, draft: &str) -> io::Result<()> {
        let folder = self.bucket(bucket).ok_or(ErrorKind::NotFound)?;
        if !draft.starts_with(OURS) || draft.contains('/') {
            return Ok(());
        }
        match fs::remove_file(folder.join(draft)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes an object, and the directories above it that are empty now.
    pub(super) fn remove(&self, bucket: &str, key: &str, spot: &Spot) -> io::Result<()> {
        let Some(path) = self.path(bucket, key, spot) else { return Ok(()) };
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let folder = self.bucket(bucket).unwrap_or_default();
        for above in path.ancestors().skip(1).take_while(|one| **one != folder) {
            if fs::remove_dir(above).is_err() {
                return sync_folder(above);
            }
        }
        sync_folder(&folder)
    }

    /// The objects under their keys whose keys begin with a text, with what their files say.
    pub(super) fn list(&self, bucket: &str, prefix: &str) -> io::Result<Vec<(String, Stamp)>> {
        let Some(root) = self.bucket(bucket) else { return Ok(Vec::new()) };
        // Only the directory that the beginning names is gone through, if it is one.
        let inner = prefix.rsplit_once('/').map(|(folder, _)| folder);
        let start = match inner {
            Some(folder) => match Self::plain(&root, folder) {
                Some(path) if is_within(&root, &path) => path,
                _ => return Ok(Vec::new()),
            },
            None => root.clone(),
        };
        let mut found = Vec::new();
        let mut folders = vec![start];
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error)
                    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
                {
                    continue;
                }
                Err(error) => return Err(error),
            };
            for entry in entries {
                let entry = entry?;
                if entry.file_name().to_string_lossy().starts_with(OURS) {
                    continue;
                }
                let path = entry.path();
                // What a link leads to counts, if that is in the bucket. A link to nothing is no object.
                if path.is_symlink() && (path.is_dir() || !is_within(&root, &path)) {
                    continue;
                }
                let Ok(data) = fs::metadata(&path) else { continue };
                if data.is_dir() {
                    folders.push(path);
                    continue;
                }
                let Some(key) = path.strip_prefix(&root).ok().and_then(Path::to_str) else {
                    continue;
                };
                if data.is_file() && key.starts_with(prefix) {
                    found.push((key.to_owned(), Stamp::of(&data)));
                }
            }
        }
        found.sort();
        Ok(found)
    }
}

/// Whether a path stays in its bucket when symbolic links are followed. What does not exist yet is
/// looked for at the nearest directory that does.
fn is_within(bucket: &Path, path: &Path) -> bool {
    // The bucket itself may be a link: whoever makes one in the folder names another place.
    let Ok(root) = bucket.canonicalize() else { return !bucket.is_symlink() };
    let exists = |path: &&Path| path.symlink_metadata().is_ok();
    let nearest = path.ancestors().find(exists);
    nearest.and_then(|path| path.canonicalize().ok()).is_some_and(|path| path.starts_with(&root))
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder) {
        Ok(folder) => folder.sync_all(),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// A file that is being written. It is removed, unless it is kept.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) file: File,
    path: PathBuf,
    pub(super) name: String,
    is_kept: bool,
}

impl Draft {
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Brings it to the disk.
    pub(super) fn finish(&mut self) -> io::Result<Stamp> {
        self.file.sync_all()?;
        if let Some(folder) = self.path.parent() {
            sync_folder(folder)?;
        }
        Ok(Stamp::of(&self.file.metadata()?))
    }

    /// From now on, something refers to it.
    pub(super) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_kept {
            // It is swept up later if this fails.
            drop(fs::remove_file(&self.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn put(files: &Files, bucket: &str, key: &str, bytes: &[u8]) -> Spot {
        let mut draft = files.begin(bucket).expect("there is a bucket");
        draft.write(bytes).expect("there is room");
        draft.finish().expect("there is a disk");
        let spot = files.spot(bucket, key);
        files.name(bucket, &draft.name, key, &spot).expect("it can be named");
        draft.keep();
        spot
    }

    #[test]
    fn no_key_leads_out_of_its_bucket() {
        let folder = tempfile::tempdir().expect("a directory");
        let files = Files::new(folder.path().join("buckets"));
        files.make_bucket("b").expect("it can be made");
        fs::write(folder.path().join("secret"), b"secret").expect("it is written");
        let long = "k".repeat(1_024);
        let deep = "../".repeat(20) + "secret";
        let keys = [
            "../../secret",
            "..",
            "../b/x",
            "/etc/passwd",
            "a/../../../secret",
            "a//b",
            "a/",
            "nul\0key",
            "./x",
            ".stepwright-x",
            ".stepwright-keys/x",
            long.as_str(),
            deep.as_str(),
            "a/.",
            "\n",
        ];
        for key in keys {
            let spot = put(&files, "b", key, key.as_bytes());
            let (file, stamp) = files.open("b", key, &spot).expect("it is there");
            drop(file);
            assert_eq!(stamp.size, key.len() as u64, "{key}");
        }
        assert_eq!(fs::read(folder.path().join("secret")).expect("it is there"), b"secret");
        let outside: Vec<_> = fs::read_dir(folder.path()).expect("it is there").collect();
        assert_eq!(outside.len(), 2, "nothing was written beside the buckets");
        for bucket in ["..", ".", "", "a/b", "x\0", ".hidden"] {
            assert!(files.make_bucket(bucket).is_err() && !files.has_bucket(bucket), "{bucket}");
        }
    }

    #[test]
    fn an_object_may_be_named_like_a_folder() {
        let folder = tempfile::tempdir().expect("a directory");
        let files = Files::new(folder.path().to_owned());
        files.make_bucket("b").expect("it can be made");
        assert_eq!(put(&files, "b", "a", b"1"), Spot::Plain);
        assert_eq!(put(&files, "b", "a/b", b"2"), Spot::Hidden);
        assert_eq!(put(&files, "b", "c/d", b"3"), Spot::Plain);
        assert_eq!(put(&files, "b", "c", b"4"), Spot::Hidden);
        let listed: Vec<String> = files
            .list("b", "")
            .expect("it can be listed")
            .into_iter()
            .map(|(key, _)| key)
            .collect();
        assert_eq!(listed, ["a", "c/d"]);
        files.remove("b", "c/d", &Spot::Plain).expect("it can be removed");
        assert!(!folder.path().join("b/c").exists(), "empty directories go");
    }

    #[test]
    fn links_do_not_lead_out_of_a_bucket() {
        let folder = tempfile::tempdir().expect("a directory");
        let (buckets, outside) = (folder.path().join("buckets"), folder.path().join("outside"));
        for folder in [buckets.join("bucket/real"), outside.clone()] {
            fs::create_dir_all(folder).expect("it can be made");
        }
        fs::write(outside.join("secret"), b"secret").expect("it is written");
        fs::write(buckets.join("bucket/real/object"), b"object").expect("it is written");
        let link = |to: &Path, name: &str| symlink(to, buckets.join("bucket").join(name));
        link(&outside, "folder").expect("it is made");
        link(&outside.join("secret"), "file").expect("it is made");
        link(&outside.join("new"), "dangling").expect("it is made");
        link(Path::new("../../outside/secret"), "relative").expect("it is made");
        link(Path::new("real/object"), "inside").expect("it is made");
        let files = Files::new(buckets.clone());
        for key in ["folder/secret", "file", "dangling", "relative", "folder", "folder/new/deep"] {
            assert!(files.open("bucket", key, &Spot::Plain).is_err(), "{key}");
            assert_eq!(files.stamp("bucket", key, &Spot::Plain), None, "{key}");
            put(&files, "bucket", key, b"changed");
        }
        assert_eq!(fs::read(outside.join("secret")).expect("it is there"), b"secret");
        assert_eq!(fs::read_dir(&outside).expect("it is there").count(), 1);
        assert!(files.open("bucket", "inside", &Spot::Plain).is_ok());
        assert_eq!(put(&files, "bucket", "real/new/deep", b"new"), Spot::Plain);
        let listed = files.list("bucket", "").expect("it can be listed");
        let listed: Vec<_> = listed.iter().map(|(key, stamp)| (key.as_str(), stamp.size)).collect();
        assert_eq!(listed, [("inside", 6), ("real/new/deep", 3), ("real/object", 6)]);
    }
}
