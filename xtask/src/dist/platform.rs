//! What a binary runs on, read from the binary itself.

use std::fs;
use std::path::Path;

/// A processor and a C library, with the names that package formats have for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Platform {
    /// The processor as Rust and Python name it.
    pub(super) machine: &'static str,
    /// As Debian and images name it.
    pub(super) debian: &'static str,
    /// As Node.js names it.
    pub(super) node: &'static str,
    /// The least minor version of glibc 2 that is needed; `None` if the binary is static.
    pub(super) glibc: Option<u32>,
}

impl Platform {
    /// Reads the header of an ELF file of 64 bits, little-endian.
    pub(super) fn of(binary: &Path) -> Result<Self, String> {
        let bytes = fs::read(binary).map_err(|error| format!("{}: {error}", binary.display()))?;
        let wrong = |what: &str| format!("{} {what}", binary.display());
        if bytes.get(..6) != Some(b"\x7fELF\x02\x01".as_slice()) {
            return Err(wrong("is no 64-bit program of Linux: see the manual for other systems"));
        }
        let number = |at: usize, size: usize| {
            let slice = bytes.get(at..at + size).unwrap_or_default();
            slice.iter().rev().fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte))
        };
        let (machine, debian, node) = match number(18, 2) {
            62 => ("x86_64", "amd64", "x64"),
            183 => ("aarch64", "arm64", "arm64"),
            _ => return Err(wrong("is for a processor that packages have no name for")),
        };
        // A program that names an interpreter (type 3 of its headers) is linked when it starts.
        let (table, size, count) = (number(32, 8), number(54, 2), number(56, 2));
        let is_dynamic = (0..count).any(|index| number(table + index * size, 4) == 3);
        let glibc = is_dynamic.then(|| least_glibc(&bytes));
        Ok(Self { machine, debian, node, glibc })
    }

    /// For a person.
    pub(super) fn said(self) -> String {
        match self.glibc {
            None => format!("any Linux on {}", self.machine),
            Some(minor) => format!("Linux with glibc 2.{minor} or later on {}", self.machine),
        }
    }

    /// The last parts of names of files.
    pub(super) fn name(self) -> String {
        match self.glibc {
            None => format!("{}-linux", self.machine),
            Some(minor) => format!("{}-linux-glibc2.{minor}", self.machine),
        }
    }
}

/// The highest version that a symbol is asked of, such as `GLIBC_2.34`.
fn least_glibc(bytes: &[u8]) -> u32 {
    const MARK: &[u8] = b"GLIBC_2.";
    bytes
        .windows(MARK.len() + 3)
        .filter(|window| window.starts_with(MARK))
        .filter_map(|window| {
            let digits = window[MARK.len()..].iter().take_while(|byte| byte.is_ascii_digit());
            digits.map(|byte| char::from(*byte)).collect::<String>().parse().ok()
        })
        .max()
        .unwrap_or(0)
}
