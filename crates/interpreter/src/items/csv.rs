//! Tables of delimited text, read by AWS's rules: fields are texts; within quotation marks,
//! delimiters and line ends are part of a field; a quotation mark that is doubled stands for one,
//! with or without quotation marks around the field; a backslash escapes a delimiter, a quotation
//! mark or a backslash, and is dropped before anything else.

use super::source::Source;
use super::{Room, reader_failed, too_much};
use stepwright_history::Failure;
use stepwright_json::{Json, Keys, Object, Str};

/// How large the headers may be together, in bytes: AWS's limit.
const MOST_HEADER: usize = 10 << 10;

/// The form of a table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    delimiter: u8,
    /// The headers, unless the first row is.
    headers: Option<Vec<Str>>,
}

impl Table {
    /// The form that a `ReaderConfig` gives.
    pub(super) fn of(config: Option<&Json>) -> Self {
        let member = |name: &str| config.and_then(|config| config.get(name));
        let delimiter = match member("CSVDelimiter").and_then(Json::as_str) {
            Some("PIPE") => b'|',
            Some("SEMICOLON") => b';',
            Some("SPACE") => b' ',
            Some("TAB") => b'\t',
            _ => b',',
        };
        let given = member("CSVHeaders").and_then(Json::as_array);
        let headers =
            given.map(|given| given.iter().filter_map(Json::as_str).map(Str::from).collect());
        Self { delimiter, headers }
    }

    /// A table of commas with these headers.
    pub(super) fn with(headers: Vec<Str>) -> Self {
        Self { delimiter: b',', headers: Some(headers) }
    }
}

/// The rows of a table, as objects.
pub(super) struct Rows {
    delimiter: u8,
    headers: Vec<Str>,
    /// Rows share their keys, unless a header comes twice: its last field counts then.
    keys: Option<Keys>,
    row: Row,
}

impl Rows {
    /// Reads the headers.
    pub(super) fn begin(
        table: &Table,
        source: &mut Source,
        room: &mut Room,
    ) -> Result<Self, Failure> {
        let delimiter = table.delimiter;
        let mut row = Row::default();
        let headers = match &table.headers {
            Some(headers) => headers.clone(),
            None if row.read(source, delimiter, room)? => {
                row.fields().map(|field| Str::from(String::from_utf8_lossy(field))).collect()
            }
            None => Vec::new(),
        };
        if headers.iter().map(|header| header.len() + 1).sum::<usize>() > MOST_HEADER + 1 {
            let name = source.name();
            return Err(reader_failed(format!("The CSV headers of {name} exceed 10 KiB")));
        }
        let keys = Keys::new(headers.iter().cloned());
        Ok(Self { delimiter, headers, keys, row })
    }

    pub(super) fn next(
        &mut self,
        source: &mut Source,
        room: &mut Room,
    ) -> Result<Option<Json>, Failure> {
        if !self.row.read(source, self.delimiter, room)? {
            return Ok(None);
        }
        room.values = room.values.checked_sub(self.headers.len()).ok_or_else(too_much)?;
        // A field too few is empty; one too many is dropped.
        let fields = self.row.fields().chain(std::iter::repeat(&[] as &[u8]));
        let fields = fields
            .take(self.headers.len())
            .map(|field| Json::String(String::from_utf8_lossy(field).into()));
        let item = match &self.keys {
            Some(keys) => Object::with_keys(keys, fields.collect()).unwrap_or_default(),
            None => self.headers.iter().cloned().zip(fields).collect(),
        };
        Ok(Some(item.into()))
    }
}

/// The fields of a row.
#[derive(Default)]
struct Row {
    text: Vec<u8>,
    /// Where each field ends in the text.
    ends: Vec<usize>,
}

impl Row {
    fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.text[start..*end])
    }

    /// Reads the next row. Blank lines are none.
    fn read(
        &mut self,
        source: &mut Source,
        delimiter: u8,
        room: &mut Room,
    ) -> Result<bool, Failure> {
        self.text.clear();
        self.ends.clear();
        let mut state = State::default();
        while let Some((length, end)) = source.line(room, |byte| matches!(byte, b'\n' | b'\r'))? {
            let is_blank = length == 0 && !state.in_quotes;
            if !is_blank {
                self.line(&source.rest()[..length], delimiter, &mut state);
            }
            source.take(length + end);
            if is_blank {
                continue;
            }
            if !state.in_quotes {
                self.ends.push(self.text.len());
                return Ok(true);
            }
            self.text.push(b'\n');
            if self.text.len() > room.largest {
                return Err(self.unterminated());
            }
        }
        if state.in_quotes { Err(self.unterminated()) } else { Ok(false) }
    }

    fn unterminated(&self) -> Failure {
        let from = self.ends.last().copied().unwrap_or_default();
        let lost = String::from_utf8_lossy(&self.text[from..]);
        let lost: String = lost.chars().take(100).collect();
        reader_failed(format!(
            "Unterminated quoted field at end of CSV line. Beginning of lost text: [{lost}]"
        ))
    }

    /// Takes a line, which ends the row unless it ends within quotation marks. Quotation marks in
    /// the middle of a field are part of it, and what is blank before them is not.
    fn line(&mut self, line: &[u8], delimiter: u8, state: &mut State) {
        let mut at = 0;
        while let Some(byte) = line.get(at).copied() {
            at += 1;
            let next = line.get(at).copied();
            match byte {
                b'\\' => {
                    state.in_field = true;
                    let escaped =
                        next.filter(|next| matches!(next, b'"' | b'\\') || *next == delimiter);
                    if let Some(escaped) = escaped {
                        self.text.push(escaped);
                        at += 1;
                    }
                }
                b'"' => {
                    let is_within = state.in_quotes || state.in_field;
                    if is_within && next == Some(b'"') {
                        self.text.push(b'"');
                        at += 1;
                    } else {
                        state.in_quotes = !state.in_quotes;
                        let is_inner = at > 3
                            && line[at - 2] != delimiter
                            && next.is_some_and(|next| next != delimiter);
                        if is_inner {
                            self.inner_quote();
                        }
                    }
                    state.in_field = !state.in_field;
                }
                byte if byte == delimiter && !state.in_quotes => {
                    self.ends.push(self.text.len());
                    state.in_field = false;
                }
                byte => {
                    self.text.push(byte);
                    state.in_field = true;
                }
            }
        }
    }

    fn inner_quote(&mut self) {
        let start = self.ends.last().copied().unwrap_or_default();
        let field = &self.text[start..];
        if !field.is_empty() && field.trim_ascii().is_empty() {
            self.text.truncate(start);
        } else {
            self.text.push(b'"');
        }
    }
}

#[derive(Default)]
struct State {
    in_quotes: bool,
    in_field: bool,
}
