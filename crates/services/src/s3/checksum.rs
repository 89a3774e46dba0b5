//! The checksums that clients send with bytes and ask for later.

use super::errors;
use crate::call::{Call, Refusal};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::Sha256;
use stepwright_json::Json;

/// A checksum's algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Crc32,
    Crc32C,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    const ALL: [Self; 5] = [Self::Crc32, Self::Crc32C, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// Its name where one is chosen.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32C => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The member that has its value.
    pub(super) fn member(self) -> &'static str {
        match self {
            Self::Crc32 => "ChecksumCRC32",
            Self::Crc32C => "ChecksumCRC32C",
            Self::Crc64Nvme => "ChecksumCRC64NVME",
            Self::Sha1 => "ChecksumSHA1",
            Self::Sha256 => "ChecksumSHA256",
        }
    }

    pub(super) fn named(name: &str) -> Result<Self, Refusal> {
        Self::ALL.into_iter().find(|one| one.name() == name).ok_or_else(|| {
            errors::said(
                "InvalidRequest",
                format!("the checksum algorithm `{name}` is not supported"),
            )
        })
    }

    /// Whether the checksum of a whole can be one over the checksums of its parts only.
    pub(super) fn is_composite_by_default(self) -> bool {
        self != Self::Crc64Nvme
    }
}

/// Computes a checksum, part by part.
pub(super) enum Hasher {
    Crc32(u64),
    Crc32C(u64),
    Crc64Nvme(u64),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hasher {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Crc32 => Self::Crc32(0xffff_ffff),
            Algorithm::Crc32C => Self::Crc32C(0xffff_ffff),
            Algorithm::Crc64Nvme => Self::Crc64Nvme(u64::MAX),
            Algorithm::Sha1 => Self::Sha1(Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
        }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32(state) => *state = crc(&CRC32, *state, bytes),
            Self::Crc32C(state) => *state = crc(&CRC32C, *state, bytes),
            Self::Crc64Nvme(state) => *state = crc(&CRC64NVME, *state, bytes),
            Self::Sha1(hash) => hash.update(bytes),
            Self::Sha256(hash) => hash.update(bytes),
        }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        match self {
            Self::Crc32(state) | Self::Crc32C(state) => (!(state as u32)).to_be_bytes().to_vec(),
            Self::Crc64Nvme(state) => (!state).to_be_bytes().to_vec(),
            Self::Sha1(hash) => hash.finalize().to_vec(),
            Self::Sha256(hash) => hash.finalize().to_vec(),
        }
    }
}

/// A checksum as it is stored and shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checksum {
    pub(super) algorithm: Algorithm,
    /// Base64; of a composite one with the number of its parts.
    pub(super) value: String,
}

impl Checksum {
    pub(super) fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.add(bytes);
        Self { algorithm, value: STANDARD.encode(hasher.finish()) }
    }

    pub(super) fn is_composite(&self) -> bool {
        self.value.contains('-')
    }

    /// `FULL_OBJECT` or `COMPOSITE`.
    pub(super) fn kind(&self) -> &'static str {
        if self.is_composite() { "COMPOSITE" } else { "FULL_OBJECT" }
    }

    pub(super) fn write(&self) -> Json {
        Json::from(vec![self.algorithm.name().into(), self.value.as_str().into()])
    }

    pub(super) fn read(document: &Json) -> Option<Self> {
        let algorithm = Algorithm::named(document.at(0)?.as_str()?).ok()?;
        Some(Self { algorithm, value: document.at(1)?.as_str()?.to_owned() })
    }
}

/// The checksum that a request asks to be kept, after comparing everything that it says of its bytes.
pub(super) fn checked(call: &Call<'_>, bytes: &[u8]) -> Result<Option<Checksum>, Refusal> {
    if let Some(given) = call.text("ContentMD5") {
        let wanted = STANDARD.decode(given).ok().filter(|digest| digest.len() == 16);
        let wanted = wanted.ok_or_else(|| errors::known("InvalidDigest"))?;
        if Md5::digest(bytes).as_slice() != wanted {
            return Err(errors::known("BadDigest"));
        }
    }
    let mut kept = None;
    for algorithm in Algorithm::ALL {
        let Some(given) = call.text(algorithm.member()) else { continue };
        let found = Checksum::of(algorithm, bytes);
        if STANDARD.decode(given).map(|bytes| STANDARD.encode(bytes)).as_ref() != Ok(&found.value) {
            let name = algorithm.name();
            return Err(errors::said(
                "BadDigest",
                format!("The {name} you specified did not match the calculated checksum."),
            ));
        }
        kept = Some(found);
    }
    if kept.is_none()
        && let Some(name) = call.text("ChecksumAlgorithm")
    {
        kept = Some(Checksum::of(Algorithm::named(name)?, bytes));
    }
    Ok(kept)
}

static CRC32: [u64; 256] = table(0xedb8_8320);
static CRC32C: [u64; 256] = table(0x82f6_3b78);
static CRC64NVME: [u64; 256] = table(0x9a6c_9329_ac4b_c9b5);

/// The table of a reflected polynomial.
const fn table(polynomial: u64) -> [u64; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut value = at as u64;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ polynomial } else { value >> 1 };
            bit += 1;
        }
        table[at] = value;
        at += 1;
    }
    table
}

fn crc(table: &[u64; 256], state: u64, bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(state, |state, byte| state >> 8 ^ table[((state ^ u64::from(*byte)) & 0xff) as usize])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check values of the catalogue of CRC algorithms, and of the hashes' standards.
    #[test]
    fn checksums_are_those_of_the_catalogue() {
        let check = |algorithm, expected: &str| {
            let found = Checksum::of(algorithm, b"123456789");
            let found = STANDARD.decode(found.value).expect("it is base64");
            assert_eq!(hex::encode(found), expected, "{algorithm:?}");
        };
        check(Algorithm::Crc32, "cbf43926");
        check(Algorithm::Crc32C, "e3069283");
        check(Algorithm::Crc64Nvme, "ae8b14860a799888");
        check(Algorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
        check(
            Algorithm::Sha256,
            "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
        );
    }
}
