//! Keys of a store, and how bytes are sealed with them: AES-256-GCM, under a key of its own for each execution,
//! document and file, which is derived from the store's by HMAC-SHA-256.

use crate::{ExecutionId, StoreError};
use parking_lot::RwLock;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, Tag, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::{digest, hmac};
use std::fmt::Write as _;
use std::io::{self, Read};
use std::sync::Arc;

/// What sealed bytes begin with. No chunk has this format, and no document begins like this.
const SEALED: [u8; 4] = [3, b's', b'w', 1];

/// What a sealed file begins with.
const SEALED_FILE: [u8; 4] = [3, b's', b'w', 2];

/// How many bytes name a key.
const NAME: usize = 8;

/// How many bytes make one file's key differ from another's.
const SALT: usize = 32;

/// The largest piece of a sealed file, in bytes.
const MOST_PIECE: usize = 64 << 20;

/// The bit of a piece's length that marks the last one.
const LAST: u32 = 1 << 31;

/// The keys of a store. The first one seals; all of them open. Clones are the same keys: where one is given
/// others, all have them.
#[derive(Clone)]
pub struct Keyring {
    keys: Arc<RwLock<Arc<[Key]>>>,
}

struct Key {
    name: [u8; NAME],
    secret: hmac::Key,
}

/// What bytes are, and where they belong. They cannot be opened as anything else.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'p> {
    /// The chunk of an execution that ends with this number of events.
    Chunk(ExecutionId, u64),
    /// The document with this key.
    Document(&'p str),
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The keys must not be printed.
        f.debug_list().entries(self.names()).finish()
    }
}

impl Keyring {
    /// Keys of 32 bytes each; `None` if there are none.
    pub fn new(keys: impl IntoIterator<Item = [u8; 32]>) -> Option<Self> {
        let keys: Arc<[Key]> = keys.into_iter().map(|bytes| Key::new(&bytes)).collect();
        (!keys.is_empty()).then(|| Self { keys: Arc::new(RwLock::new(keys)) })
    }

    /// The key in a file: 32 bytes, or 64 hexadecimal digits.
    pub fn read_key(bytes: &[u8]) -> Option<[u8; 32]> {
        if let Ok(key) = bytes.try_into() {
            return Some(key);
        }
        let digits = bytes.trim_ascii();
        if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut key = [0; 32];
        for (byte, pair) in key.iter_mut().zip(digits.chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(key)
    }

    /// The names of the keys, from which nothing can be learnt of them.
    pub fn names(&self) -> Vec<String> {
        self.held().iter().map(|key| hex(&key.name)).collect()
    }

    /// The name of the key that seals.
    pub(crate) fn first(&self) -> String {
        hex(&self.held()[0].name)
    }

    /// Has other keys from now on. What is being sealed or opened is done with those that there were.
    pub(crate) fn replace(&self, others: &Self) {
        let others = others.held();
        *self.keys.write() = others;
    }

    fn held(&self) -> Arc<[Key]> {
        self.keys.read().clone()
    }

    /// A key that is made of the one with this name.
    fn of_named<K>(&self, name: &[u8], make: impl FnOnce(&Key) -> K) -> Option<K> {
        self.held().iter().find(|key| key.name == name).map(make)
    }

    /// Seals bytes for a place.
    pub(crate) fn seal(&self, place: Place<'_>, bytes: &[u8]) -> Result<Vec<u8>, StoreError> {
        let key = &self.held()[0];
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut sealed = Vec::with_capacity(SEALED.len() + NAME + NONCE_LEN + bytes.len() + 16);
        sealed.extend(SEALED);
        sealed.extend(key.name);
        sealed.extend(nonce);
        let from = sealed.len();
        sealed.extend(bytes);
        let tag = key.of(place).seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(place.position()),
            &mut sealed[from..],
        );
        let tag: Tag = tag.map_err(|_| StoreError::new("something cannot be encrypted"))?;
        sealed.extend(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what was sealed for a place. Bytes in clear stay as they are; `None` if they cannot be opened.
    pub(crate) fn open(&self, place: Place<'_>, bytes: Vec<u8>) -> Option<Vec<u8>> {
        if !is_sealed(&bytes) {
            return Some(bytes);
        }
        let mut bytes = bytes;
        let rest = bytes.get_mut(SEALED.len()..)?;
        let (name, rest) = rest.split_at_mut_checked(NAME)?;
        let (nonce, rest) = rest.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let key = self.of_named(name, |key| key.of(place))?;
        let opened = key.open_in_place(nonce, Aad::from(place.position()), rest).ok()?;
        Some(opened.to_vec())
    }

    /// Begins a sealed file. Its first bytes are in the answer as well.
    pub fn begin_file(&self) -> Result<(FileSealer, Vec<u8>), StoreError> {
        let key = &self.held()[0];
        let salt: [u8; SALT] = random()?;
        let mut head = SEALED_FILE.to_vec();
        head.extend(key.name);
        head.extend(salt);
        Ok((FileSealer { key: key.derived(&[b"file", &salt]), count: 0 }, head))
    }
}

/// Whether bytes were sealed.
pub(crate) fn is_sealed(bytes: &[u8]) -> bool {
    bytes.starts_with(&SEALED)
}

impl Key {
    fn new(bytes: &[u8; 32]) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let mut named = digest::Context::new(&digest::SHA256);
        named.update(b"stepwright/name/");
        named.update(hmac::sign(&secret, b"stepwright/name").as_ref());
        let mut name = [0; NAME];
        name.copy_from_slice(&named.finish().as_ref()[..NAME]);
        Self { name, secret }
    }

    /// The key for a place.
    fn of(&self, place: Place<'_>) -> LessSafeKey {
        match place {
            Place::Chunk(id, _) => self.derived(&[b"chunk", &id.0.to_le_bytes()]),
            Place::Document(key) => self.derived(&[b"document", key.as_bytes()]),
        }
    }

    fn derived(&self, parts: &[&[u8]]) -> LessSafeKey {
        let mut context = hmac::Context::with_key(&self.secret);
        context.update(b"stepwright/");
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let key = UnboundKey::new(&AES_256_GCM, context.sign().as_ref());
        LessSafeKey::new(key.expect("a hash has the length of a key"))
    }
}

impl Place<'_> {
    /// Where in a history a chunk is.
    fn position(self) -> [u8; 8] {
        match self {
            Self::Chunk(_, len) => len.to_le_bytes(),
            Self::Document(_) => [0; 8],
        }
    }
}

/// Seals a file, piece by piece.
pub struct FileSealer {
    key: LessSafeKey,
    count: u64,
}

impl std::fmt::Debug for FileSealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileSealer").field("count", &self.count).finish_non_exhaustive()
    }
}

/// Which piece of a file it is, and whether it is the last one.
fn nonce_of(count: u64, is_last: bool) -> Nonce {
    let mut nonce = [0; NONCE_LEN];
    nonce[..8].copy_from_slice(&count.to_le_bytes());
    nonce[8] = u8::from(is_last);
    Nonce::assume_unique_for_key(nonce)
}

impl FileSealer {
    /// The bytes of the next piece. A file without a last piece is not whole.
    pub fn piece(&mut self, bytes: &[u8], is_last: bool) -> Result<Vec<u8>, StoreError> {
        let mut written = Vec::with_capacity(bytes.len() + 32);
        let parts = bytes.chunks(MOST_PIECE / 2).collect::<Vec<_>>();
        let empty: &[u8] = &[];
        let parts = if parts.is_empty() { vec![empty] } else { parts };
        for (at, part) in parts.iter().enumerate() {
            let is_last = is_last && at + 1 == parts.len();
            let mut sealed = part.to_vec();
            self.key
                .seal_in_place_append_tag(nonce_of(self.count, is_last), Aad::empty(), &mut sealed)
                .map_err(|_| StoreError::new("a file cannot be encrypted"))?;
            self.count += 1;
            let mark = if is_last { LAST } else { 0 };
            written.extend((sealed.len() as u32 | mark).to_le_bytes());
            written.extend(sealed);
        }
        Ok(written)
    }
}

/// Reads a file that may be sealed.
pub fn open_file<R: Read + Send + 'static>(
    mut file: R,
    keys: Option<&Keyring>,
) -> io::Result<Box<dyn Read + Send>> {
    let mut head = Vec::new();
    file.by_ref().take(SEALED_FILE.len() as u64).read_to_end(&mut head)?;
    if head != SEALED_FILE {
        return Ok(Box::new(io::Cursor::new(head).chain(file)));
    }
    let mut name = [0; NAME];
    file.read_exact(&mut name)?;
    let mut salt = [0; SALT];
    file.read_exact(&mut salt)?;
    let derived = keys.and_then(|keys| keys.of_named(&name, |key| key.derived(&[b"file", &salt])));
    let key = derived.ok_or_else(|| {
        io::Error::other(format!("it is encrypted with the key {}, which is not there", hex(&name)))
    })?;
    Ok(Box::new(FileReader { file, key, count: 0, piece: Vec::new(), at: 0, is_over: false }))
}

/// Opens a file, piece by piece.
struct FileReader<R> {
    file: R,
    key: LessSafeKey,
    count: u64,
    piece: Vec<u8>,
    at: usize,
    is_over: bool,
}

impl<R: Read> FileReader<R> {
    fn next(&mut self) -> io::Result<()> {
        let mut length = [0; 4];
        self.file.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length);
        let is_last = length & LAST != 0;
        let length = (length & !LAST) as usize;
        if length > MOST_PIECE {
            return Err(io::Error::other("a piece of it is too long: it is damaged"));
        }
        self.piece.resize(length, 0);
        self.file.read_exact(&mut self.piece)?;
        let nonce = nonce_of(self.count, is_last);
        let opened = self.key.open_in_place(nonce, Aad::empty(), &mut self.piece);
        let length = opened.map_err(|_| io::Error::other("a piece of it is damaged"))?.len();
        self.piece.truncate(length);
        (self.count, self.at, self.is_over) = (self.count + 1, 0, is_last);
        Ok(())
    }
}

impl<R: Read> Read for FileReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            if self.is_over {
                return Ok(0);
            }
            self.next()?;
        }
        let read = (&self.piece[self.at..]).read(into)?;
        self.at += read;
        Ok(read)
    }
}

fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| StoreError::new("the system gives no random bytes"))?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("text grows");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(numbers: &[u8]) -> Keyring {
        Keyring::new(numbers.iter().map(|number| [*number; 32])).expect("there are some")
    }

    #[test]
    fn bytes_are_opened_where_they_belong_and_nowhere_else() {
        let ring = keys(&[1]);
        let (here, next) = (Place::Chunk(ExecutionId(7), 3), Place::Chunk(ExecutionId(7), 4));
        let sealed = ring.seal(here, b"a secret").expect("it is sealed");
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        assert_ne!(sealed, ring.seal(here, b"a secret").expect("it is sealed"));
        assert_eq!(ring.open(here, sealed.clone()).as_deref(), Some(&b"a secret"[..]));
        for elsewhere in [next, Place::Chunk(ExecutionId(8), 3), Place::Document("7")] {
            assert_eq!(ring.open(elsewhere, sealed.clone()), None, "{elsewhere:?}");
        }
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            let opened = ring.open(here, damaged.clone());
            // What does not begin as sealed bytes do is taken for bytes in clear, which no chunk is then.
            assert!(opened.is_none() || (at < 4 && opened == Some(damaged)), "{at}");
            assert_eq!(ring.open(here, sealed[..at.max(4)].to_vec()), None);
        }
        let document = ring.seal(Place::Document("machine/a"), b"{}").expect("it is sealed");
        assert_eq!(ring.open(Place::Document("machine/b"), document.clone()), None);
        assert_eq!(ring.open(Place::Document("machine/a"), document).as_deref(), Some(&b"{}"[..]));
    }

    #[test]
    fn the_first_key_seals_and_all_open() {
        let place = Place::Document("k");
        let old = keys(&[1]).seal(place, b"old").expect("it is sealed");
        let both = keys(&[2, 1]);
        assert_eq!(both.open(place, old.clone()).as_deref(), Some(&b"old"[..]));
        let new = both.seal(place, b"new").expect("it is sealed");
        assert_eq!(keys(&[2]).open(place, new.clone()).as_deref(), Some(&b"new"[..]));
        assert_eq!(keys(&[1]).open(place, new), None);
        assert_eq!(keys(&[2]).open(place, old), None);
        assert_eq!(both.open(place, b"in clear".to_vec()).as_deref(), Some(&b"in clear"[..]));
        let printed = format!("{both:?}");
        assert!(printed.contains(&both.first()) && !printed.contains("2, 2"), "{printed}");
        assert!(Keyring::new([]).is_none());
    }

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        let ring = keys(&[1]);
        let (mut sealer, mut file) = ring.begin_file().expect("it begins");
        for (text, is_last) in [("one\n", false), ("", false), ("two\n", true)] {
            file.extend(sealer.piece(text.as_bytes(), is_last).expect("it is sealed"));
        }
        let read = |bytes: &[u8], keys: Option<&Keyring>| {
            let mut text = String::new();
            let opened = open_file(io::Cursor::new(bytes.to_vec()), keys);
            opened.and_then(|mut file| file.read_to_string(&mut text)).map(|_| text)
        };
        assert_eq!(read(&file, Some(&ring)).expect("it is whole"), "one\ntwo\n");
        assert_eq!(read(b"in clear", Some(&ring)).expect("it is read"), "in clear");
        assert_eq!(read(b"x", None).expect("it is read"), "x");
        for cut in 4..file.len() {
            assert!(read(&file[..cut], Some(&ring)).is_err(), "{cut}");
        }
        for keys in [None, Some(&keys(&[2]))] {
            let refused = read(&file, keys).expect_err("another key is needed").to_string();
            assert!(refused.contains(&ring.first()), "{refused}");
        }
    }
}
