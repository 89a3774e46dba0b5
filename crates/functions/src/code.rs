//! The code of a function on disk.

use crate::unzip;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// The largest size of an unpacked archive in bytes, as on Lambda.
const MOST_UNPACKED: u64 = 250 * 1024 * 1024;

/// A folder, or an archive that is unpacked when it is first needed.
#[derive(Debug)]
pub(crate) enum Code {
    Folder(PathBuf),
    Archive {
        path: PathBuf,
        /// Deleted with the function, when its last process has ended.
        unpacked: OnceCell<TempDir>,
    },
}

impl Code {
    /// Interprets `code`, relative to this folder.
    pub(crate) fn new(folder: &Path, code: Option<&str>) -> Self {
        let path = code.map_or_else(|| folder.to_owned(), |code| folder.join(code));
        let is_zip = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("zip"));
        if is_zip && !path.is_dir() {
            Self::Archive { path, unpacked: OnceCell::new() }
        } else {
            Self::Folder(path)
        }
    }

    /// The folder with the code, unpacked if necessary.
    pub(crate) async fn folder(&self) -> io::Result<&Path> {
        match self {
            Self::Folder(folder) => Ok(folder),
            Self::Archive { path, unpacked } => {
                let unpack = async || {
                    let archive = path.clone();
                    tokio::task::spawn_blocking(move || unpack(&archive, MOST_UNPACKED))
                        .await?
                        .map_err(|error| {
                            io::Error::other(format!("cannot unpack `{}`: {error}", path.display()))
                        })
                };
                Ok(unpacked.get_or_try_init(unpack).await?.path())
            }
        }
    }

    /// Deletes what was unpacked, when no process needs it any more. Otherwise it is deleted on
    /// drop, which does not happen if the whole program ends first.
    pub(crate) fn remove(&self) {
        if let Self::Archive { unpacked, .. } = self
            && let Some(folder) = unpacked.get()
        {
            // A folder that stays behind does no harm.
            drop(std::fs::remove_dir_all(folder.path()));
        }
    }
}

fn unpack(path: &Path, most: u64) -> io::Result<TempDir> {
    let mut archive = File::open(path)?;
    let folder = tempfile::Builder::new().prefix("stepwright-code-").tempdir()?;
    unzip::unpack(&mut archive, folder.path(), most)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    async fn check(entries: &[(&str, &str)], wanted: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = File::create(folder.path().join("f.ZIP")).expect("a file");
        let mut writer = ZipWriter::new(file);
        for (name, text) in entries {
            writer.start_file(*name, SimpleFileOptions::default()).expect("a name");
            writer.write_all(text.as_bytes()).expect("a file");
        }
        writer.finish().expect("a file");
        let code = Code::new(folder.path(), Some("f.ZIP"));
        match code.folder().await {
            Ok(unpacked) => {
                let read = |name: &str| std::fs::read_to_string(unpacked.join(name)).expect("text");
                assert!(entries.iter().all(|(name, text)| read(name) == *text));
                let unpacked = unpacked.to_owned();
                assert_eq!(code.folder().await.expect("it is there"), unpacked, "it is kept");
                drop(code);
                assert!(!unpacked.exists(), "nothing is left behind");
                assert_eq!("", wanted);
            }
            Err(error) => {
                let error = error.to_string();
                assert!(!wanted.is_empty() && error.contains(wanted), "{error}");
                assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
            }
        }
    }

    #[tokio::test]
    async fn archives_are_unpacked_once() {
        check(&[("app.py", "one"), ("lib/b.py", "two")], "").await;
    }

    #[tokio::test]
    async fn nothing_is_written_outside() {
        check(&[("../out.py", "one")], "f.ZIP").await;
    }

    #[tokio::test]
    async fn what_is_no_archive_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let code = Code::new(folder.path(), Some("f.zip"));
        let error = code.folder().await.expect_err("it is not there").to_string();
        assert!(error.contains("f.zip"), "{error}");
        std::fs::write(folder.path().join("f.zip"), "no archive").expect("a file");
        let error = code.folder().await.expect_err("it is none").to_string();
        assert!(error.contains("cannot unpack"), "{error}");
    }
}
