//! One object with items: its format, and where in it the next item begins.

use super::csv::{Rows, Table};
use super::source::Source;
use super::{ObjectRequest, Objects, Room, json, reader_failed};
use stepwright_history::Failure;
use stepwright_json::Json;

/// How the items are in an object.
#[derive(Clone, Debug)]
pub(super) enum Format {
    Csv(Table),
    Lines,
    Values { pointer: Option<String> },
    Parquet,
    Unknown(String),
}

/// Where in an object the next item begins.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Position {
    /// The number of bytes before it, uncompressed.
    pub(super) at: u64,
    /// The number of lines before it.
    pub(super) line: u64,
    /// Whether the items are the members of an object.
    pub(super) of_object: bool,
}

/// An object that is being read.
pub(super) struct OpenFile {
    etag: String,
    items: Items,
}

enum Items {
    Rows(Source, Rows),
    Lines(Source, u64),
    Values(Source, json::Values),
    #[cfg(feature = "parquet")]
    Parquet(Box<super::parquet::Rows>),
}

impl OpenFile {
    /// Opens an object at its beginning, or where reading it was left off.
    pub(super) fn open(
        format: &Format,
        objects: &dyn Objects,
        place: ObjectRequest<'_>,
        from: Option<Position>,
        room: &mut Room,
    ) -> Result<Self, Failure> {
        match format {
            Format::Parquet => return parquet(objects, place, from),
            Format::Unknown(name) => {
                return Err(reader_failed(format!("The input type '{name}' is not supported")));
            }
            Format::Csv(_) | Format::Lines | Format::Values { .. } => {}
        }
        let mut source = Source::open(objects, place, room)?;
        let etag = source.etag().to_owned();
        let rows = match format {
            Format::Csv(table) => Some(Rows::begin(table, &mut source, room)?),
            _ => None,
        };
        let values = match (format, from) {
            (Format::Values { pointer }, Some(from)) => {
                Some(json::Values::resume(from.of_object, pointer.as_deref()))
            }
            (Format::Values { pointer }, None) => {
                Some(json::Values::begin(&mut source, pointer.as_deref(), room)?)
            }
            _ => None,
        };
        if let Some(from) = from {
            source.skip_to(from.at, objects, place)?;
        }
        let items = match (rows, values) {
            (Some(rows), _) => Items::Rows(source, rows),
            (None, Some(values)) => Items::Values(source, values),
            (None, None) => Items::Lines(source, from.map_or(0, |from| from.line)),
        };
        Ok(Self { etag, items })
    }

    pub(super) fn next(&mut self, room: &mut Room) -> Result<Option<Json>, Failure> {
        match &mut self.items {
            Items::Rows(source, rows) => rows.next(source, room),
            Items::Lines(source, number) => json::line(source, number, room),
            Items::Values(source, values) => values.next(source, room),
            #[cfg(feature = "parquet")]
            Items::Parquet(rows) => rows.next(room),
        }
    }

    /// Where the next item begins; `None` while none was read.
    pub(super) fn position(&self) -> Option<Position> {
        match &self.items {
            Items::Rows(source, _) => Some(Position { at: source.taken(), ..Position::default() }),
            Items::Lines(source, line) => {
                Some(Position { at: source.taken(), line: *line, ..Position::default() })
            }
            Items::Values(source, values) => {
                let (at, of_object) = (source.taken(), values.of_object());
                values.has_begun().then_some(Position { at, of_object, ..Position::default() })
            }
            #[cfg(feature = "parquet")]
            Items::Parquet(rows) => Some(Position { line: rows.taken(), ..Position::default() }),
        }
    }

    pub(super) fn of_object(&self) -> bool {
        matches!(&self.items, Items::Values(_, values) if values.of_object())
    }

    pub(super) fn etag(&self) -> &str {
        &self.etag
    }
}

/// Opens a Parquet file. Its rows are counted as lines are.
#[cfg(feature = "parquet")]
fn parquet(
    objects: &dyn Objects,
    place: ObjectRequest<'_>,
    from: Option<Position>,
) -> Result<OpenFile, Failure> {
    if place.version.is_some() {
        let why = "S3 Version ID selection is not currently supported for PARQUET files";
        return Err(reader_failed(why));
    }
    let opened = objects.open(place).map_err(reader_failed)?;
    let name = format!("s3://{}/{}", place.bucket, place.key);
    let from = from.map_or(0, |from| from.line);
    let rows = super::parquet::Rows::open(name, opened.bytes, opened.size, from)?;
    Ok(OpenFile { etag: opened.etag, items: Items::Parquet(Box::new(rows)) })
}

#[cfg(not(feature = "parquet"))]
fn parquet(
    _objects: &dyn Objects,
    _place: ObjectRequest<'_>,
    _from: Option<Position>,
) -> Result<OpenFile, Failure> {
    let why = "The input type 'PARQUET' is not supported: stepwright was built without the feature `parquet`";
    Err(reader_failed(why))
}
