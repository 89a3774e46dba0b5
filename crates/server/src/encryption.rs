//! `[encryption]`: the keys that what is stored is encrypted with.

use crate::config::{EncryptionConfig, KeyConfig};
use std::path::Path;
use stepwright_store::Keyring;

/// Why `[encryption]` cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncryptionError {
    /// There is nothing to encrypt with.
    #[error("`[encryption]` has no `keys`: the first one encrypts, and all of them decrypt")]
    None,
    /// It is not clear where a key is.
    #[error("a key of `[encryption]` is either in a `file` or in a variable of the `env`ironment")]
    Place,
    /// A key is not there.
    #[error("the key of `[encryption]` in {0} cannot be read: {1}")]
    Missing(String, String),
    /// A key is none.
    #[error(
        "the key of `[encryption]` in {0} is none: it has 64 hexadecimal digits, such as \
         `openssl rand -hex 32` prints"
    )]
    Unfit(String),
}

/// The keys of a configuration. Relative files start at `folder`.
pub fn keyring(
    config: Option<&EncryptionConfig>,
    folder: &Path,
) -> Result<Option<Keyring>, EncryptionError> {
    let Some(config) = config else { return Ok(None) };
    let mut keys = Vec::new();
    for key in &config.keys {
        keys.push(read(key, folder)?);
    }
    Keyring::new(keys).map(Some).ok_or(EncryptionError::None)
}

fn read(config: &KeyConfig, folder: &Path) -> Result<[u8; 32], EncryptionError> {
    let (place, bytes) = match (&config.file, &config.env) {
        (Some(file), None) => {
            let file = folder.join(file);
            (file.display().to_string(), std::fs::read(&file).map_err(|error| error.to_string()))
        }
        (None, Some(name)) => {
            let value = std::env::var(name).map_err(|error| error.to_string());
            (format!("${name}"), value.map(String::into_bytes))
        }
        _ => return Err(EncryptionError::Place),
    };
    let bytes = bytes.map_err(|why| EncryptionError::Missing(place.clone(), why))?;
    Keyring::read_key(&bytes).ok_or(EncryptionError::Unfit(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(keys: &[(Option<&str>, Option<&str>)]) -> EncryptionConfig {
        let keys = keys.iter().map(|(file, env)| KeyConfig {
            file: file.map(Into::into),
            env: env.map(str::to_owned),
        });
        EncryptionConfig { keys: keys.collect() }
    }

    #[test]
    fn keys_are_read_in_each_form_and_refused_by_name() {
        let folder = tempfile::tempdir().expect("a directory can be made");
        let digits = "00ff".repeat(16);
        let bytes = hex::decode(&digits).expect("they are digits");
        for (name, contents) in [
            ("digits", format!("{digits}\n").into_bytes()),
            ("raw", bytes.clone()),
            ("short", b"0011".to_vec()),
        ] {
            std::fs::write(folder.path().join(name), contents).expect("it can be written");
        }
        let names = |file: &str| {
            let config = config(&[(Some(file), None)]);
            let ring = keyring(Some(&config), folder.path());
            ring.map(|ring| ring.expect("there is a key").names())
        };
        let expected = names("digits").expect("it is a key");
        assert_eq!(names("raw"), Ok(expected));
        for (name, said) in [("short", "openssl rand -hex 32"), ("missing", "missing")] {
            let refused = names(name).expect_err("it is none").to_string();
            assert!(refused.contains(name) && refused.contains(said), "{refused}");
            assert!(!refused.contains("0011"), "{refused}");
        }
        for wrong in [
            config(&[]),
            config(&[(None, None)]),
            config(&[(Some("digits"), Some("PATH"))]),
            config(&[(None, Some("STEPWRIGHT_NO_SUCH_VARIABLE"))]),
        ] {
            assert!(keyring(Some(&wrong), folder.path()).is_err(), "{wrong:?}");
        }
        assert!(keyring(None, folder.path()).expect("nothing is asked for").is_none());
    }
}
