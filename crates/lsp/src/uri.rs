//! Addresses of files.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The path of a `file:` URI. Other documents, such as those that have not been saved, have none.
pub(crate) fn to_path(uri: &str) -> Option<PathBuf> {
    let rest = uri.strip_prefix("file://")?;
    let rest = &rest[rest.find('/')?..];
    let mut bytes = Vec::with_capacity(rest.len());
    let mut left = rest.as_bytes();
    while let Some((first, rest)) = left.split_first() {
        let decoded = (*first == b'%')
            .then(|| std::str::from_utf8(rest.get(..2)?).ok())
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match decoded {
            Some(byte) => {
                bytes.push(byte);
                left = &rest[2..];
            }
            None => {
                bytes.push(*first);
                left = rest;
            }
        }
    }
    let path = String::from_utf8(bytes).ok()?;
    // A drive of Windows: `/c:/folder`.
    let has_drive = path.as_bytes().get(2) == Some(&b':');
    Some(PathBuf::from(if has_drive { &path[1..] } else { &path[..] }))
}

/// The URI of a file.
pub(crate) fn of(path: &Path) -> String {
    let mut uri = "file://".to_owned();
    let text = path.to_string_lossy().replace('\\', "/");
    if !text.starts_with('/') {
        uri.push('/');
    }
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            uri.push(byte as char);
        } else {
            write!(uri, "%{byte:02X}").expect("strings grow");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_uris_and_back() {
        let path = Path::new("/a b/ä:1.json");
        assert_eq!(of(path), "file:///a%20b/%C3%A4%3A1.json");
        assert_eq!(to_path(&of(path)).as_deref(), Some(path));
        assert_eq!(to_path("file:///c%3A/x").as_deref(), Some(Path::new("c:/x")));
        assert_eq!(to_path("untitled:Untitled-1"), None);
    }
}
