//! Parquet files: rows as objects, one row group after the other.

use super::{ReadSeek, Room, reader_failed, too_much};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parquet::errors::{ParquetError, Result as Parsed};
use parquet::file::reader::{ChunkReader, FileReader as _, Length, SerializedFileReader};
use parquet::record::reader::{ReaderIter, TreeBuilder};
use parquet::record::{Field, Row};
use std::io::{self, BufReader, Read, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use stepwright_history::Failure;
use stepwright_json::{Json, Object, Str};
use stepwright_program::time;

/// How large the footer may be, in bytes: AWS's limit.
const MOST_FOOTER: u64 = 5 << 20;

/// How large a row group may be, in bytes: AWS's limit.
const MOST_GROUP: i64 = 256 << 20;

/// The footer ends with its length and this.
const MAGIC: &[u8] = b"PAR1";

/// The rows of a Parquet file, as objects. No more of it is in memory than a page of each column.
pub(super) struct Rows {
    name: String,
    file: SerializedFileReader<Shared>,
    /// The row group that is read next.
    group: usize,
    open: Option<ReaderIter>,
    /// How many rows were read, of all groups.
    taken: u64,
}

impl Rows {
    /// Reads the footer, and goes on to a row.
    pub(super) fn open(
        name: String,
        bytes: Box<dyn ReadSeek>,
        size: u64,
        from: u64,
    ) -> Result<Self, Failure> {
        let shared = Shared { bytes: Arc::new(Mutex::new(bytes)), size };
        let footer = shared.footer().map_err(|error| broken(&name, &error.to_string()))?;
        if footer > MOST_FOOTER {
            return Err(reader_failed(format!("The footer of {name} is larger than 5 MB")));
        }
        let file = guarded(&name, || SerializedFileReader::new(shared))?;
        let mut rows = Self { name, file, group: 0, open: None, taken: 0 };
        rows.skip(from)?;
        Ok(rows)
    }

    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    fn skip(&mut self, from: u64) -> Result<(), Failure> {
        let groups = self.file.metadata().row_groups();
        let count = |group: usize| groups.get(group).map(|group| group.num_rows().unsigned_abs());
        while let Some(rows) = count(self.group).filter(|rows| self.taken + rows <= from) {
            self.taken += rows;
            self.group += 1;
        }
        while self.taken < from && self.row()?.is_some() {}
        Ok(())
    }

    pub(super) fn next(&mut self, room: &mut Room) -> Result<Option<Json>, Failure> {
        let Some(row) = self.row()? else { return Ok(None) };
        room.values = room.values.checked_sub(row.len()).ok_or_else(too_much)?;
        Ok(Some(object(row).into()))
    }

    fn row(&mut self) -> Result<Option<Row>, Failure> {
        loop {
            if let Some(rows) = &mut self.open {
                match guarded(&self.name, || rows.next().transpose())? {
                    Some(row) => {
                        self.taken += 1;
                        return Ok(Some(row));
                    }
                    None => self.open = None,
                }
            }
            if self.group >= self.file.num_row_groups() {
                return Ok(None);
            }
            if self.file.metadata().row_group(self.group).total_byte_size() > MOST_GROUP {
                let name = &self.name;
                return Err(reader_failed(format!("A row group of {name} is larger than 256 MB")));
            }
            let (file, group) = (&self.file, self.group);
            let rows = guarded(&self.name, || {
                let group = file.get_row_group(group)?;
                let schema = group.metadata().schema_descr_ptr();
                TreeBuilder::new().as_iter(schema, &*group)
            })?;
            self.open = Some(rows);
            self.group += 1;
        }
    }
}

/// What the library makes of a file, which it may give up on with a panic if the file is damaged.
fn guarded<T>(name: &str, read: impl FnOnce() -> Parsed<T>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(read)) => Ok(read),
        Ok(Err(error)) => Err(broken(name, &error.to_string())),
        Err(_) => Err(broken(name, "its data does not fit its schema")),
    }
}

fn broken(name: &str, why: &str) -> Failure {
    reader_failed(format!("{name} cannot be read as Parquet: {why}"))
}

fn object(row: Row) -> Object {
    row.into_columns().into_iter().map(|(name, field)| (Str::from(name), value(field))).collect()
}

/// Numbers and texts are themselves; dates and times are texts as in ISO 8601, decimals are texts,
/// and bytes are Base64.
fn value(field: Field) -> Json {
    let float = |number: f64| if number.is_finite() { Json::Float(number) } else { Json::Null };
    match field {
        Field::Null => Json::Null,
        Field::Bool(is) => is.into(),
        Field::Byte(number) => Json::Int(number.into()),
        Field::Short(number) => Json::Int(number.into()),
        Field::Int(number) => Json::Int(number.into()),
        Field::Long(number) => Json::Int(number),
        Field::UByte(number) => Json::Int(number.into()),
        Field::UShort(number) => Json::Int(number.into()),
        Field::UInt(number) => Json::Int(number.into()),
        Field::ULong(number) => i64::try_from(number).map_or(Json::Float(number as f64), Json::Int),
        Field::Float16(number) => float(number.into()),
        Field::Float(number) => float(number.to_string().parse().unwrap_or(f64::from(number))),
        Field::Double(number) => float(number),
        Field::Str(text) => text.into(),
        Field::Bytes(bytes) => STANDARD.encode(bytes.data()).into(),
        Field::Date(days) => {
            let text = time::format(i64::from(days).saturating_mul(86_400_000));
            text.split('T').next().unwrap_or_default().into()
        }
        Field::TimeMillis(millis) => of_day(millis.into()),
        Field::TimeMicros(micros) => of_day(micros / 1_000),
        Field::TimestampMillis(millis) => time::format(millis).into(),
        Field::TimestampMicros(micros) => time::format(micros.div_euclid(1_000)).into(),
        Field::Group(row) => object(row).into(),
        Field::ListInternal(list) => {
            list.elements().iter().cloned().map(value).collect::<Vec<_>>().into()
        }
        Field::MapInternal(map) => {
            let entry = |(key, field): &(Field, Field)| {
                let key = match key {
                    Field::Str(text) => text.clone(),
                    other => value(other.clone()).to_string(),
                };
                (Str::from(key), value(field.clone()))
            };
            map.entries().iter().map(entry).collect::<Object>().into()
        }
        decimal @ Field::Decimal(_) => decimal.to_string().into(),
    }
}

/// A time of day.
fn of_day(millis: i64) -> Json {
    let text = time::format(millis);
    text.split('T').nth(1).unwrap_or_default().trim_end_matches('Z').into()
}

/// An object of which parts are read here and there.
struct Shared {
    bytes: Arc<Mutex<Box<dyn ReadSeek>>>,
    size: u64,
}

impl Shared {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.seek(SeekFrom::Start(at))?;
        bytes.read(into)
    }

    /// The length of the footer.
    fn footer(&self) -> io::Result<u64> {
        let mut end = [0; 8];
        let at = self.size.checked_sub(8).ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut rest = Part { shared: self.clone(), at };
        rest.read_exact(&mut end)?;
        if &end[4..] != MAGIC {
            return Err(io::Error::other("it does not end with a footer"));
        }
        Ok(u32::from_le_bytes([end[0], end[1], end[2], end[3]]).into())
    }
}

impl Clone for Shared {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), size: self.size }
    }
}

impl Length for Shared {
    fn len(&self) -> u64 {
        self.size
    }
}

impl ChunkReader for Shared {
    type T = BufReader<Part>;

    fn get_read(&self, start: u64) -> Parsed<Self::T> {
        Ok(BufReader::new(Part { shared: self.clone(), at: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Parsed<bytes::Bytes> {
        if start.saturating_add(length as u64) > self.size {
            return Err(ParquetError::EOF("it ends too soon".to_owned()));
        }
        let mut read = vec![0; length];
        Part { shared: self.clone(), at: start }.read_exact(&mut read)?;
        Ok(read.into())
    }
}

/// An object, from some byte on.
struct Part {
    shared: Shared,
    at: u64,
}

impl Read for Part {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.shared.read_at(self.at, into)?;
        self.at += count as u64;
        Ok(count)
    }
}
