//! One object with items: its format, and where in it the next item begins.

use super::csv::{Rows, Table};
use super::source::{NO_PARQUET, Source};
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
    source: Source,
    items: Items,
}

enum Items {
    Rows(Rows),
    Lines(u64),
    Values(json::Values),
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
            Format::Parquet => return Err(reader_failed(NO_PARQUET)),
            Format::Unknown(name) => {
                return Err(reader_failed(format!("The input type '{name}' is not supported")));
            }
            _ => {}
        }
        let mut source = Source::open(objects, place, room)?;
        let items = match format {
            Format::Csv(table) => Items::Rows(Rows::begin(table, &mut source, room)?),
            Format::Values { pointer } => Items::Values(match from {
                Some(from) => json::Values::resume(from.of_object, pointer.as_deref()),
                None => json::Values::begin(&mut source, pointer.as_deref(), room)?,
            }),
            _ => Items::Lines(from.map_or(0, |from| from.line)),
        };
        if let Some(from) = from {
            source.skip_to(from.at, objects, place)?;
        }
        Ok(Self { source, items })
    }

    pub(super) fn next(&mut self, room: &mut Room) -> Result<Option<Json>, Failure> {
        let source = &mut self.source;
        match &mut self.items {
            Items::Rows(rows) => rows.next(source, room),
            Items::Lines(number) => json::line(source, number, room),
            Items::Values(values) => values.next(source, room),
        }
    }

    /// Where the next item begins; `None` while none was read.
    pub(super) fn position(&self) -> Option<Position> {
        let at = self.source.taken();
        match &self.items {
            Items::Rows(_) => Some(Position { at, ..Position::default() }),
            Items::Lines(line) => Some(Position { at, line: *line, ..Position::default() }),
            Items::Values(values) => {
                let of_object = values.of_object();
                values.has_begun().then_some(Position { at, of_object, ..Position::default() })
            }
        }
    }

    pub(super) fn of_object(&self) -> bool {
        matches!(&self.items, Items::Values(values) if values.of_object())
    }

    pub(super) fn etag(&self) -> &str {
        self.source.etag()
    }
}
