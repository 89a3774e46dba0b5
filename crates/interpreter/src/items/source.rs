//! An object as a stream: no more of it is in memory than the value that is being read.

use super::zstd::Frames;
use super::{ObjectRequest, Objects, Room, reader_failed};
use flate2::read::MultiGzDecoder;
use std::io::{Cursor, ErrorKind, Read};
use stepwright_history::Failure;

/// How much is asked for at once, in bytes.
const PIECE: usize = 64 << 10;

/// The first bytes of files that are compressed, of Parquet files, and of texts that say that they
/// are UTF-8.
const GZIP: &[u8] = &[0x1F, 0x8B];
const ZSTD: &[u8] = &[0x28, 0xB5, 0x2F, 0xFD];
const PARQUET: &[u8] = b"PAR1";
const BYTE_ORDER_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

/// The text of an object, uncompressed.
pub(super) struct Source {
    reader: Box<dyn Read + Send>,
    is_compressed: bool,
    etag: String,
    /// What was read and is not taken yet begins at `start`.
    buffer: Vec<u8>,
    start: usize,
    /// The number of bytes that were taken.
    taken: u64,
    is_over: bool,
    /// Where a piece is read to.
    piece: Box<[u8]>,
    /// What errors call the object.
    name: String,
}

impl Source {
    /// Begins to read an object. What it is compressed with is told by its first bytes.
    pub(super) fn open(
        objects: &dyn Objects,
        place: ObjectRequest<'_>,
        room: &mut Room,
    ) -> Result<Self, Failure> {
        let name = format!("s3://{}/{}", place.bucket, place.key);
        let opened = objects.open(ObjectRequest { from: 0, ..place }).map_err(reader_failed)?;
        let mut reader = opened.bytes;
        let mut first = Vec::new();
        let begun = reader.by_ref().take(4).read_to_end(&mut first);
        begun.map_err(|error| reader_failed(format!("{name} cannot be read: {error}")))?;
        if first == PARQUET {
            let why = format!("{name} is a Parquet file, and its InputType is another one");
            return Err(reader_failed(why));
        }
        let (is_gzip, is_zstd) = (first.starts_with(GZIP), first.starts_with(ZSTD));
        let is_compressed = is_gzip || is_zstd;
        let whole = Cursor::new(first).chain(reader);
        let reader: Box<dyn Read + Send> = if is_gzip {
            Box::new(MultiGzDecoder::new(whole))
        } else if is_zstd {
            Box::new(Frames::new(whole))
        } else {
            Box::new(whole)
        };
        let (buffer, piece) = (Vec::new(), vec![0; PIECE].into_boxed_slice());
        let mut source = Self {
            reader,
            is_compressed,
            etag: opened.etag,
            buffer,
            start: 0,
            taken: 0,
            is_over: false,
            piece,
            name,
        };
        while source.rest().len() < BYTE_ORDER_MARK.len() && source.fill(room)? {}
        if source.rest().starts_with(BYTE_ORDER_MARK) {
            source.take(BYTE_ORDER_MARK.len());
        }
        Ok(source)
    }

    /// Goes on to what follows so many bytes. What is compressed is read up to there.
    pub(super) fn skip_to(
        &mut self,
        at: u64,
        objects: &dyn Objects,
        place: ObjectRequest<'_>,
    ) -> Result<(), Failure> {
        if !self.is_compressed && at > self.taken + self.rest().len() as u64 {
            let rest = ObjectRequest { from: at, etag: Some(&self.etag), ..place };
            self.reader = objects.open(rest).map_err(reader_failed)?.bytes;
            (self.start, self.taken, self.is_over) = (0, at, false);
            self.buffer.clear();
            return Ok(());
        }
        while self.taken < at {
            let count = (at - self.taken).min(self.rest().len() as u64);
            self.take(count as usize);
            // What was read before costs nothing again.
            if self.taken < at && !self.fill(&mut Room::new(usize::MAX))? {
                let why = format!("{} is shorter than it was", self.name);
                return Err(reader_failed(why));
            }
        }
        Ok(())
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn etag(&self) -> &str {
        &self.etag
    }

    /// What was read and is not taken yet.
    pub(super) fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// How many bytes were taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Takes so many of the bytes that were read.
    pub(super) fn take(&mut self, count: usize) {
        self.start += count;
        self.taken += count as u64;
    }

    /// Reads more. Says whether there was more.
    pub(super) fn fill(&mut self, room: &mut Room) -> Result<bool, Failure> {
        if self.is_over {
            return Ok(false);
        }
        if self.rest().len() > room.largest {
            let (name, most) = (&self.name, room.largest);
            let why = format!("A value in {name} is longer than {most} bytes");
            return Err(reader_failed(why));
        }
        // What is taken goes once it is the larger part, so that little is moved.
        if self.start >= self.buffer.len() - self.start {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        let read = loop {
            match self.reader.read(&mut self.piece) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let read = read.map_err(|error| {
            reader_failed(format!("{} cannot be read to its end: {error}", self.name))
        })?;
        self.is_over = read == 0;
        self.buffer.extend_from_slice(&self.piece[..read]);
        room.read(read, &self.name)?;
        Ok(read > 0)
    }

    /// The next byte that is not white space. It is not taken.
    pub(super) fn solid(&mut self, room: &mut Room) -> Result<Option<u8>, Failure> {
        loop {
            let blank = self.rest().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            self.take(blank);
            if let Some(byte) = self.rest().first() {
                return Ok(Some(*byte));
            }
            if !self.fill(room)? {
                return Ok(None);
            }
        }
    }

    /// The length of the next line and of what ends it: `\n`, `\r\n` or `\r`. None at the end.
    pub(super) fn line(
        &mut self,
        room: &mut Room,
        ends_at: fn(u8) -> bool,
    ) -> Result<Option<(usize, usize)>, Failure> {
        let mut looked = 0;
        loop {
            let found = self.rest()[looked..].iter().position(|byte| ends_at(*byte));
            let Some(found) = found else {
                looked = self.rest().len();
                if self.fill(room)? {
                    continue;
                }
                return Ok((looked > 0).then_some((looked, 0)));
            };
            let end = looked + found;
            if self.rest()[end] == b'\r' && end + 1 == self.rest().len() {
                // Whether a line feed follows decides how long the end is.
                looked = end;
                if self.fill(room)? {
                    continue;
                }
            }
            let is_pair = self.rest()[end..].starts_with(b"\r\n");
            return Ok(Some((end, 1 + usize::from(is_pair))));
        }
    }
}
