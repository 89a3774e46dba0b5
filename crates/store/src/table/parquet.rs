//! Tables by the crate `parquet`.

use super::{TableEvent, TableExecution};
use bytes::Bytes;
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int64Type};
use parquet::errors::{ParquetError, Result as Parsed};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{ChunkReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use std::io::{self, Read, Write};
use std::sync::Arc;

const SCHEMA: &str = "message archive {
    required binary execution_arn (STRING);
    required binary state_machine_arn (STRING);
    required binary status (STRING);
    required int64 event_id;
    required int64 event_time (TIMESTAMP(MILLIS, true));
    required binary event_type (STRING);
    required binary event (STRING);
    optional binary execution (STRING);
    optional binary state_machine (STRING);
}";

/// Where in a row each column is.
const EVENT_ID: usize = 3;
const EVENT: usize = 6;
const EXECUTION: usize = 7;
const MACHINE: usize = 8;

/// How many bytes of text a group of rows has, about.
const GROUP: usize = 16 << 20;

/// Writes a table. No more of it is in memory than a group of rows.
pub struct TableWriter {
    writer: SerializedFileWriter<Box<dyn Write + Send>>,
    execution: TableExecution,
    /// Whether the execution has no row yet.
    is_new: bool,
    rows: Rows,
}

#[derive(Default)]
struct Rows {
    executions: Vec<ByteArray>,
    machines: Vec<ByteArray>,
    statuses: Vec<ByteArray>,
    ids: Vec<i64>,
    times: Vec<i64>,
    kinds: Vec<ByteArray>,
    events: Vec<ByteArray>,
    first: Vec<ByteArray>,
    first_machines: Vec<ByteArray>,
    is_first: Vec<i16>,
    bytes: usize,
}

impl std::fmt::Debug for TableWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableWriter").field("rows", &self.rows.ids.len()).finish_non_exhaustive()
    }
}

fn said(error: ParquetError) -> String {
    match error {
        // What the place says that is written to.
        ParquetError::External(error) => error.to_string(),
        other => other.to_string(),
    }
}

fn bytes(text: &str) -> ByteArray {
    text.as_bytes().to_vec().into()
}

impl TableWriter {
    /// Begins a table.
    pub fn new(into: Box<dyn Write + Send>) -> Result<Self, String> {
        let schema = parquet::schema::parser::parse_message_type(SCHEMA).map_err(said)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(concat!("stepwright ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let writer = SerializedFileWriter::new(into, Arc::new(schema), Arc::new(properties));
        let (writer, execution) = (writer.map_err(said)?, TableExecution::default());
        Ok(Self { writer, execution, is_new: false, rows: Rows::default() })
    }

    /// Whether this build writes tables.
    #[expect(clippy::unnecessary_wraps, reason = "a build without the feature refuses")]
    pub fn check() -> Result<(), String> {
        Ok(())
    }

    /// Begins the rows of an execution.
    pub fn execution(&mut self, execution: TableExecution) -> Result<(), String> {
        self.end()?;
        (self.execution, self.is_new) = (execution, true);
        Ok(())
    }

    /// Adds an event of the execution that was begun last.
    pub fn event(&mut self, event: TableEvent) -> Result<(), String> {
        let (rows, of) = (&mut self.rows, &self.execution);
        rows.bytes += event.text.len() + 64;
        rows.executions.push(bytes(&of.arn));
        rows.machines.push(bytes(&of.machine_arn));
        rows.statuses.push(bytes(&of.status));
        rows.ids.push(event.id);
        rows.times.push(event.time);
        rows.kinds.push(bytes(&event.kind));
        rows.events.push(event.text.into_bytes().into());
        rows.is_first.push(i16::from(self.is_new));
        if std::mem::take(&mut self.is_new) {
            rows.bytes += of.execution.len() + of.machine.len();
            rows.first.push(bytes(&of.execution));
            rows.first_machines.push(bytes(&of.machine));
        }
        if rows.bytes > GROUP { self.group() } else { Ok(()) }
    }

    /// Writes the end.
    pub fn finish(mut self) -> Result<(), String> {
        self.end()?;
        self.group()?;
        self.writer.close().map(drop).map_err(said)
    }

    /// An execution without an event has a row all the same, which has no number.
    fn end(&mut self) -> Result<(), String> {
        if self.is_new { self.event(TableEvent::default()) } else { Ok(()) }
    }

    fn group(&mut self) -> Result<(), String> {
        let rows = std::mem::take(&mut self.rows);
        if rows.ids.is_empty() {
            return Ok(());
        }
        self.write(&rows).map_err(said)
    }

    fn write(&mut self, rows: &Rows) -> Parsed<()> {
        let mut group = self.writer.next_row_group()?;
        for texts in [&rows.executions, &rows.machines, &rows.statuses] {
            column::<ByteArrayType, _>(&mut group, texts, None)?;
        }
        column::<Int64Type, _>(&mut group, &rows.ids, None)?;
        column::<Int64Type, _>(&mut group, &rows.times, None)?;
        column::<ByteArrayType, _>(&mut group, &rows.kinds, None)?;
        column::<ByteArrayType, _>(&mut group, &rows.events, None)?;
        for texts in [&rows.first, &rows.first_machines] {
            column::<ByteArrayType, _>(&mut group, texts, Some(&rows.is_first))?;
        }
        group.close().map(drop)
    }
}

fn column<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    present: Option<&[i16]>,
) -> Parsed<()> {
    let column = group.next_column()?;
    let mut column = column.ok_or_else(|| ParquetError::General("a column is missing".into()))?;
    column.typed::<T>().write_batch(values, present, None)?;
    column.close()
}

/// What a table holds as lines of JSON.
pub(super) fn lines(mut file: impl Read) -> io::Result<Box<dyn Read + Send>> {
    let mut whole = Vec::new();
    file.read_to_end(&mut whole)?;
    let reader = SerializedFileReader::new(Bytes::from(whole)).map_err(io::Error::other)?;
    Ok(Box::new(Lines::of(reader)))
}

/// Reads the rows one after the other.
struct Lines {
    rows: RowIter<'static>,
    text: Vec<u8>,
    at: usize,
    /// Whether an execution has been begun, and whether it has an event already.
    is_open: bool,
    has_event: bool,
    is_over: bool,
}

impl Lines {
    fn of<R: ChunkReader + 'static>(reader: SerializedFileReader<R>) -> Self {
        let rows = RowIter::from_file_into(Box::new(reader));
        let (text, at) = (Vec::new(), 0);
        Self { rows, text, at, is_open: false, has_event: false, is_over: false }
    }

    /// Makes the text of the next row; none at the end.
    fn next(&mut self) -> io::Result<()> {
        self.text.clear();
        self.at = 0;
        let Some(row) = self.rows.next() else {
            self.is_over = true;
            if std::mem::take(&mut self.is_open) {
                self.text.extend(b"]}\n");
            }
            return Ok(());
        };
        let row = row.map_err(io::Error::other)?;
        if let Some(execution) = text(&row, EXECUTION) {
            if std::mem::replace(&mut self.is_open, true) {
                self.text.extend(b"]}\n");
            }
            self.has_event = false;
            let machine = text(&row, MACHINE).unwrap_or("null");
            write!(self.text, "{{\"execution\":{execution},\"machine\":{machine},\"events\":[")?;
        }
        let is_event =
            row.get_column_iter().nth(EVENT_ID).is_some_and(|(_, id)| id != &Field::Long(0));
        if let Some(event) = text(&row, EVENT).filter(|_| is_event) {
            if std::mem::replace(&mut self.has_event, true) {
                self.text.push(b',');
            }
            self.text.extend(event.as_bytes());
        }
        Ok(())
    }
}

impl Read for Lines {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.text.len() && !self.is_over {
            self.next()?;
        }
        let read = (&self.text[self.at..]).read(into)?;
        self.at += read;
        Ok(read)
    }
}

fn text(row: &Row, at: usize) -> Option<&str> {
    match row.get_column_iter().nth(at)?.1 {
        Field::Str(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn execution(number: usize) -> TableExecution {
        TableExecution {
            arn: format!("execution-{number}"),
            machine_arn: "machine".to_owned(),
            status: "SUCCEEDED".to_owned(),
            execution: format!("{{\"number\":{number}}}"),
            machine: "{\"m\":\"ä\"}".to_owned(),
        }
    }

    fn event(id: i64, pad: usize) -> TableEvent {
        let text = format!("{{\"id\":{id},\"pad\":\"{}\"}}", "x".repeat(pad));
        TableEvent { id, time: 1_000 * id, kind: "Pass".to_owned(), text }
    }

    #[test]
    fn a_parquet_table_has_the_lines_that_were_written() {
        let shared = Shared::default();
        let mut writer = TableWriter::new(Box::new(shared.clone())).expect("it begins");
        let mut expected = String::new();
        // The second has no event, and the third has more than a group.
        for (number, events, pad) in [(1, 3, 10), (2, 0, 0), (3, 5, GROUP / 3), (4, 1, 0)] {
            writer.execution(execution(number)).expect("it is written");
            let events: Vec<TableEvent> = (1..=events).map(|id| event(id, pad)).collect();
            let texts: Vec<&str> = events.iter().map(|event| event.text.as_str()).collect();
            let execution = execution(number);
            expected += &format!(
                "{{\"execution\":{},\"machine\":{},\"events\":[{}]}}\n",
                execution.execution,
                execution.machine,
                texts.join(",")
            );
            for event in events {
                writer.event(event).expect("it is written");
            }
        }
        writer.finish().expect("it is written");
        let written = shared.0.lock().clone();
        assert!(written.len() < expected.len() / 100, "{} bytes", written.len());
        let mut read = String::new();
        let opened = lines(io::Cursor::new(written.clone())).expect("it is a table");
        io::BufReader::new(opened).read_to_string(&mut read).expect("it is read");
        assert!(read == expected, "{} bytes instead of {}", read.len(), expected.len());
        // What is broken off, or is none, is said.
        for broken in [&written[..written.len() / 2], b"{\"execution\":1}"] {
            assert!(lines(io::Cursor::new(broken.to_vec())).is_err());
        }
    }
}
