//! Encryption of what must not be readable in the store: AES-256-GCM, with a key in a file beside it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// How long a key is, in bytes.
const KEY: usize = 32;

/// Seals and opens texts. The key is made when it is first needed.
pub(crate) struct Vault {
    file: Option<PathBuf>,
    key: OnceLock<Result<LessSafeKey, String>>,
}

impl Vault {
    /// A vault whose key is in this file; without one, the key goes with the process.
    pub(crate) fn new(file: Option<PathBuf>) -> Self {
        Self { file, key: OnceLock::new() }
    }

    /// A vault with this key.
    pub(crate) fn with(key: &[u8; KEY]) -> Self {
        Self { file: None, key: OnceLock::from(usable(key)) }
    }

    /// Seals bytes. They can be opened only for the same purpose: a text cannot be put in the place of
    /// another.
    pub(crate) fn seal(&self, bytes: &[u8], purpose: &str) -> Result<String, String> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| "there is no randomness".to_owned())?;
        let mut sealed = bytes.to_vec();
        let aad = Aad::from(purpose.as_bytes());
        self.key()?
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .map_err(|_| "it cannot be encrypted".to_owned())?;
        let mut whole = nonce.to_vec();
        whole.extend(sealed);
        Ok(STANDARD.encode(whole))
    }

    /// Opens what was sealed.
    pub(crate) fn open(&self, sealed: &str, purpose: &str) -> Result<Vec<u8>, String> {
        let broken = || "it was encrypted with another key, or is damaged".to_owned();
        let whole = STANDARD.decode(sealed).map_err(|_| broken())?;
        let (nonce, rest) = whole.split_at_checked(NONCE_LEN).ok_or_else(broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| broken())?;
        let mut rest = rest.to_vec();
        let aad = Aad::from(purpose.as_bytes());
        let opened = self.key()?.open_in_place(nonce, aad, &mut rest).map_err(|_| broken())?;
        Ok(opened.to_vec())
    }

    fn key(&self) -> Result<&LessSafeKey, String> {
        let made = self.key.get_or_init(|| {
            let bytes = match &self.file {
                Some(file) => in_file(file).map_err(|error| {
                    format!("the key in {} cannot be used: {error}", file.display())
                })?,
                None => random().map_err(|error| error.to_string())?,
            };
            usable(&bytes)
        });
        made.as_ref().map_err(Clone::clone)
    }
}

fn usable(bytes: &[u8; KEY]) -> Result<LessSafeKey, String> {
    let key = UnboundKey::new(&AES_256_GCM, bytes);
    key.map(LessSafeKey::new).map_err(|_| "the key has another length".to_owned())
}

fn random() -> std::io::Result<[u8; KEY]> {
    let mut key = [0; KEY];
    let filled = SystemRandom::new().fill(&mut key);
    filled.map_err(|_| std::io::Error::other("there is no randomness"))?;
    Ok(key)
}

/// The key in a file that nobody else may read; it is made if it is not there.
fn in_file(path: &Path) -> std::io::Result<[u8; KEY]> {
    let mut key = [0; KEY];
    match File::open(path) {
        Ok(mut file) => file.read_exact(&mut key).map(|()| key),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            key = random()?;
            // Under another name first: a key that is there in part would be no key.
            let partial = path.with_extension("partial");
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&partial)?;
            file.write_all(&key)?;
            file.sync_all()?;
            std::fs::rename(&partial, path)?;
            if let Some(folder) = path.parent() {
                File::open(folder)?.sync_all()?;
            }
            Ok(key)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_was_sealed_is_opened_with_the_same_key_only() {
        let folder = tempfile::tempdir().expect("a directory");
        let file = folder.path().join("secrets.key");
        let sealed = Vault::new(Some(file.clone())).seal(b"secret", "a").expect("it is sealed");
        assert!(!sealed.contains("secret"));
        let again = Vault::new(Some(file.clone()));
        assert_eq!(again.open(&sealed, "a"), Ok(b"secret".to_vec()));
        assert!(again.open(&sealed, "b").is_err());
        assert!(again.open("AAAA", "a").is_err());
        assert!(Vault::new(None).open(&sealed, "a").is_err());
        let mode = std::fs::metadata(&file).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_ne!(again.seal(b"secret", "a").expect("it is sealed"), sealed);
    }
}
