//! Unpacks zip archives as Lambda takes them: stored or deflated files, folders and links.

use flate2::Crc;
use flate2::read::DeflateDecoder;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

/// What each part of an archive begins with.
const FILE: u32 = 0x0403_4b50;
const ENTRY: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const LARGE_END: u32 = 0x0606_4b50;
const PLACE_OF_LARGE_END: u32 = 0x0706_4b50;

/// The end of an archive, without and with the longest comment.
const SHORTEST_END: usize = 22;
const LONGEST_END: u64 = SHORTEST_END as u64 + 0xffff;

/// The longest list of files in bytes.
const MOST_LISTED: u64 = 64 << 20;

/// The longest path that a link may lead to.
const MOST_OF_LINK: u64 = 4_096;

/// A file, a folder or a link.
struct Entry {
    /// Where it belongs, within the folder.
    path: PathBuf,
    is_folder: bool,
    is_encrypted: bool,
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
    /// Where its own head is in the archive.
    at: u64,
    /// Its kind and permissions on Unix, 0 if it comes from elsewhere.
    mode: u32,
}

/// Unpacks an archive into a folder that is there and empty. The files together may have at most so many bytes.
pub(crate) fn unpack(archive: &mut File, folder: &Path, most: u64) -> io::Result<()> {
    let entries = entries(archive)?;
    let size = entries.iter().try_fold(0_u64, |size, entry| size.checked_add(entry.size));
    if size.is_none_or(|size| size > most) {
        return Err(wrong(format!("unzipped size must be smaller than {most} bytes")));
    }
    // Links come last, so that nothing is written where one leads to.
    let (links, others): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.is_link());
    for entry in others {
        let path = folder.join(&entry.path);
        if entry.is_folder {
            fs::create_dir_all(&path)?;
            continue;
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = BufWriter::new(File::create(&path)?);
        entry.read(archive, &mut file)?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        if entry.mode & 0o777 != 0 {
            file.set_permissions(fs::Permissions::from_mode(entry.mode & 0o777))?;
        }
    }
    for entry in links {
        if entry.size > MOST_OF_LINK {
            return Err(entry.wrong("leads to a path that is too long"));
        }
        let mut target = Vec::new();
        entry.read(archive, &mut target)?;
        let target = String::from_utf8(target).map_err(|_| entry.wrong("leads nowhere"))?;
        let mut place = folder.to_owned();
        for part in entry.path.parent().into_iter().flat_map(Path::components) {
            place.push(part);
            if fs::symlink_metadata(&place).is_ok_and(|about| about.is_symlink()) {
                return Err(entry.wrong("is below a link"));
            }
        }
        fs::create_dir_all(&place)?;
        symlink(target, folder.join(&entry.path))?;
    }
    Ok(())
}

/// Lists what is in an archive.
fn entries(archive: &mut File) -> io::Result<Vec<Entry>> {
    let length = archive.seek(SeekFrom::End(0))?;
    let tail = part(archive, length.saturating_sub(LONGEST_END), length.min(LONGEST_END))?;
    let at = tail.windows(4).enumerate().rev().find_map(|(at, four)| {
        let is_end = four == END.to_le_bytes() && at + SHORTEST_END <= tail.len();
        is_end.then_some(at)
    });
    let at = at.ok_or_else(|| wrong("it is no zip archive, or a part of one"))?;
    let (end, end_at) = (Bytes(&tail[at..]), length - (tail.len() - at) as u64);
    let mut count = u64::from(end.u16(10)?);
    let (mut size, mut start) = (u64::from(end.u32(12)?), u64::from(end.u32(16)?));
    // What stands before an archive moves all that is in it.
    let mut moved = end_at.saturating_sub(size).saturating_sub(start);
    if count == 0xffff || size == 0xffff_ffff || start == 0xffff_ffff {
        let place = part(archive, end_at.saturating_sub(20), 20)?;
        let place = Bytes(&place);
        if place.u32(0)? == PLACE_OF_LARGE_END {
            let end = part(archive, place.u64(8)?, 56)?;
            let end = Bytes(&end);
            if end.u32(0)? != LARGE_END {
                return Err(damaged());
            }
            (count, size, start, moved) = (end.u64(32)?, end.u64(40)?, end.u64(48)?, 0);
        }
    }
    if size > MOST_LISTED {
        return Err(wrong("it lists too many files"));
    }
    let list = part(archive, start.saturating_add(moved), size)?;
    let (mut entries, mut rest) = (Vec::new(), &list[..]);
    for _ in 0..count {
        let head = Bytes(rest);
        if head.u32(0)? != ENTRY {
            return Err(damaged());
        }
        let name = usize::from(head.u16(28)?);
        let extra = 46 + name..46 + name + usize::from(head.u16(30)?);
        let next = extra.end + usize::from(head.u16(32)?);
        let mut entry = Entry::new(head, head.slice(46, name)?)?;
        entry.enlarge(Bytes(head.slice(extra.start, extra.len())?))?;
        entry.at = entry.at.checked_add(moved).ok_or_else(damaged)?;
        entries.push(entry);
        rest = rest.get(next..).ok_or_else(damaged)?;
    }
    Ok(entries)
}

impl Entry {
    fn new(head: Bytes<'_>, name: &[u8]) -> io::Result<Self> {
        let name =
            std::str::from_utf8(name).map_err(|_| wrong("the name of a file is not UTF-8"))?;
        let is_unix = head.u16(4)? >> 8 != 0;
        let name = if is_unix { name.to_owned() } else { name.replace('\\', "/") };
        Ok(Self {
            path: within(&name)?,
            is_folder: name.ends_with('/'),
            is_encrypted: head.u16(8)? & 1 == 1,
            method: head.u16(10)?,
            crc: head.u32(16)?,
            packed: head.u32(20)?.into(),
            size: head.u32(24)?.into(),
            at: head.u32(42)?.into(),
            mode: if is_unix { head.u32(38)? >> 16 } else { 0 },
        })
    }

    /// Takes sizes that do not fit into 32 bits from where they are then.
    fn enlarge(&mut self, mut extra: Bytes<'_>) -> io::Result<()> {
        while extra.0.len() >= 4 {
            let length = usize::from(extra.u16(2)?);
            if extra.u16(0)? == 1 {
                let sizes = [&mut self.size, &mut self.packed, &mut self.at];
                let large = sizes.into_iter().filter(|size| **size == 0xffff_ffff);
                for (at, size) in large.enumerate() {
                    *size = extra.u64(4 + 8 * at)?;
                }
                return Ok(());
            }
            extra = Bytes(extra.0.get(4 + length..).ok_or_else(damaged)?);
        }
        Ok(())
    }

    fn is_link(&self) -> bool {
        self.mode & 0o170_000 == 0o120_000
    }

    fn wrong(&self, what: &str) -> io::Error {
        wrong(format!("`{}` {what}", self.path.display()))
    }

    /// Writes the contents.
    fn read(&self, archive: &mut File, into: &mut impl Write) -> io::Result<()> {
        if self.is_encrypted {
            return Err(self.wrong("is encrypted"));
        }
        let head = part(archive, self.at, 30)?;
        let head = Bytes(&head);
        if head.u32(0)? != FILE {
            return Err(damaged());
        }
        let names = u64::from(head.u16(26)?) + u64::from(head.u16(28)?);
        archive.seek(SeekFrom::Start(self.at + 30 + names))?;
        let packed = BufReader::new(archive.take(self.packed));
        match self.method {
            0 => self.copy(packed, into),
            8 => self.copy(DeflateDecoder::new(packed), into),
            _ => Err(self.wrong("is packed in a way that Lambda does not take")),
        }
    }

    fn copy(&self, mut from: impl Read, into: &mut impl Write) -> io::Result<()> {
        let (mut crc, mut size) = (Crc::new(), 0);
        let mut buffer = vec![0; 64 * 1_024];
        loop {
            let count = from.read(&mut buffer)?;
            size += count as u64;
            if size > self.size || count == 0 {
                break;
            }
            crc.update(&buffer[..count]);
            into.write_all(&buffer[..count])?;
        }
        if size == self.size && crc.sum() == self.crc {
            Ok(())
        } else {
            Err(self.wrong("is damaged"))
        }
    }
}

/// The path of a name, if it stays within the folder.
fn within(name: &str) -> io::Result<PathBuf> {
    let mut path = PathBuf::new();
    let mut stays = true;
    for component in Path::new(name).components() {
        match component {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir => stays &= path.pop(),
            Component::RootDir | Component::Prefix(_) => stays = false,
        }
    }
    if stays { Ok(path) } else { Err(wrong(format!("`{name}` leads out of the archive"))) }
}

fn part(archive: &mut File, at: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    archive.seek(SeekFrom::Start(at))?;
    archive.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(damaged()) }
}

/// Bytes with numbers in them, whose smallest part comes first.
#[derive(Clone, Copy)]
struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    fn slice(self, at: usize, length: usize) -> io::Result<&'b [u8]> {
        self.0.get(at..at + length).ok_or_else(damaged)
    }

    fn number(self, at: usize, length: usize) -> io::Result<u64> {
        let bytes = self.slice(at, length)?;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn u16(self, at: usize) -> io::Result<u16> {
        Ok(self.number(at, 2)? as u16)
    }

    fn u32(self, at: usize) -> io::Result<u32> {
        Ok(self.number(at, 4)? as u32)
    }

    fn u64(self, at: usize) -> io::Result<u64> {
        self.number(at, 8)
    }
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::other(what.into())
}

fn damaged() -> io::Error {
    wrong("the archive is damaged")
}

#[cfg(test)]
mod tests {
    use super::*;
    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    /// What is in an archive: a name, the permissions, a text. A text that begins with `->` is a link.
    type Parts<'p> = &'p [(&'p str, u32, &'p str)];

    fn archive(parts: Parts<'_>, options: SimpleFileOptions) -> Vec<u8> {
        let mut writer = ZipWriter::new(io::Cursor::new(Vec::new()));
        for (name, mode, text) in parts {
            let options = options.unix_permissions(*mode);
            if let Some(target) = text.strip_prefix("->") {
                writer.add_symlink(*name, target, options).expect("a link");
            } else if name.ends_with('/') {
                writer.add_directory(*name, options).expect("a folder");
            } else {
                writer.start_file(*name, options).expect("a name");
                writer.write_all(text.as_bytes()).expect("a file");
            }
        }
        writer.set_comment("An archive with a comment").expect("a comment");
        writer.finish().expect("an archive").into_inner()
    }

    fn unpacked(bytes: &[u8], most: u64) -> io::Result<tempfile::TempDir> {
        let folder = tempfile::tempdir()?;
        let mut file = tempfile::tempfile()?;
        file.write_all(bytes)?;
        fs::create_dir(folder.path().join("in"))?;
        unpack(&mut file, &folder.path().join("in"), most)?;
        Ok(folder)
    }

    const PARTS: Parts<'_> = &[
        ("app.py", 0o644, "print(1)\n"),
        ("bin/", 0o755, ""),
        ("bin/run", 0o755, "#!/bin/sh\n"),
        ("bin/deep/er.txt", 0o600, ""),
        ("./a/../b.txt", 0o644, "b"),
        ("ä.txt", 0o644, "umlaut"),
        ("bin/again", 0o777, "->run"),
    ];

    #[test]
    fn all_kinds_of_archives_are_unpacked() {
        let plain = SimpleFileOptions::default();
        let long = "0123456789".repeat(100_000);
        let parts = [PARTS, &[("long.txt", 0o644, &long)]].concat();
        for options in [
            plain,
            plain.compression_method(CompressionMethod::Stored),
            plain.compression_method(CompressionMethod::Deflated),
            plain.large_file(true),
        ] {
            let bytes = archive(&parts, options);
            // Whatever stands before it, such as a program that unpacks it.
            for before in ["", "something else"] {
                let bytes = [before.as_bytes(), &bytes].concat();
                let folder = unpacked(&bytes, 10_000_000).expect("it is an archive");
                let folder = folder.path().join("in");
                let read = |name: &str| fs::read_to_string(folder.join(name)).expect("a text");
                let mode = |name: &str| {
                    fs::metadata(folder.join(name)).expect("it is there").permissions().mode()
                        & 0o777
                };
                assert_eq!((read("app.py").as_str(), mode("app.py")), ("print(1)\n", 0o644));
                assert_eq!((read("bin/run").as_str(), mode("bin/run")), ("#!/bin/sh\n", 0o755));
                assert_eq!(
                    (read("bin/deep/er.txt").as_str(), mode("bin/deep/er.txt")),
                    ("", 0o600)
                );
                assert_eq!((read("b.txt").as_str(), read("ä.txt").as_str()), ("b", "umlaut"));
                assert!(read("long.txt") == long);
                let link = fs::read_link(folder.join("bin/again")).expect("a link");
                assert_eq!(link, Path::new("run"));
                assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 5);
            }
        }
    }

    #[test]
    fn nothing_is_written_outside() {
        for (parts, expected) in [
            (&[("../out", 0o644, "x")][..], "`../out` leads out of the archive"),
            (&[("a/../../out", 0o644, "x")], "`a/../../out` leads out of the archive"),
            (&[("a", 0o777, "->.."), ("a/out", 0o777, "->x")], "`a/out` is below a link"),
        ] {
            let error = unpacked(&archive(parts, SimpleFileOptions::default()), 100);
            assert_eq!(error.expect_err("it is refused").to_string(), expected);
        }
        // A file below what becomes a link later is a file in a folder, and the link has no place.
        let parts: Parts<'_> = &[("a", 0o777, "->.."), ("a/out", 0o644, "x")];
        let error = unpacked(&archive(parts, SimpleFileOptions::default()), 100);
        assert_eq!(error.expect_err("it is there").kind(), io::ErrorKind::AlreadyExists);
        assert!(within("/etc/out").is_err());
    }

    #[test]
    fn what_is_damaged_is_refused() {
        let options = SimpleFileOptions::default();
        for options in [options, options.compression_method(CompressionMethod::Stored)] {
            let bytes = archive(PARTS, options);
            for end in 0..bytes.len() - 30 {
                assert!(unpacked(&bytes[..end], 1_000).is_err(), "{end} of {}", bytes.len());
            }
            // Any other byte gives the same files, or others, or an error.
            for at in 0..bytes.len() {
                for byte in [0, 0xff, bytes[at] ^ 1] {
                    let mut bytes = bytes.clone();
                    bytes[at] = byte;
                    drop(unpacked(&bytes, 1_000));
                }
            }
        }
        let mut bytes = archive(
            &[("a", 0o644, "some text")],
            options.compression_method(CompressionMethod::Stored),
        );
        let at = bytes.windows(9).position(|nine| nine == b"some text").expect("it is stored");
        bytes[at] = b'S';
        let error = unpacked(&bytes, 1_000).expect_err("it is another text").to_string();
        assert_eq!(error, "`a` is damaged");
    }

    #[test]
    fn there_is_a_largest_size_also_for_what_says_that_it_is_smaller() {
        let bytes = archive(&[("zeros", 0o644, &"0".repeat(1_001))], SimpleFileOptions::default());
        assert!(unpacked(&bytes, 1_001).is_ok());
        let error = unpacked(&bytes, 1_000).expect_err("it is large").to_string();
        assert_eq!(error, "unzipped size must be smaller than 1000 bytes");
        // The size in the list.
        let at = bytes.windows(4).position(|four| four == ENTRY.to_le_bytes()).expect("a list");
        let mut bytes = bytes;
        bytes[at + 24..at + 28].copy_from_slice(&5_u32.to_le_bytes());
        let error = unpacked(&bytes, 1_000).expect_err("it is larger").to_string();
        assert_eq!(error, "`zeros` is damaged");
    }
}
