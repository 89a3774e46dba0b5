//! The items of JSON texts and of lines of JSON, one after the other.

use super::source::Source;
use super::{NOT_ITERABLE, Room, reader_failed};
use stepwright_history::Failure;
use stepwright_json::{Json, Object, Pointer};

/// Where the target of an `ItemsPointer` begins at the latest, in bytes: AWS's limit.
const POINTER_REACH: u64 = 16 << 20;

/// How many characters an `ItemsPointer` does not have: AWS's limit.
const POINTER_LENGTH: usize = 2_000;

/// The elements of an array, or the members of an object as pairs of `Key` and `Value`.
pub(super) struct Values {
    parts: Parts,
    /// Whether something may follow the array or object.
    is_within: bool,
}

impl Values {
    /// Goes to where a pointer points, if there is one.
    pub(super) fn begin(
        source: &mut Source,
        pointer: Option<&str>,
        room: &mut Room,
    ) -> Result<Self, Failure> {
        let pointer = pointer.filter(|pointer| !pointer.is_empty());
        if let Some(text) = pointer {
            find(source, text, room)?;
        }
        let of_object = match source.solid(room)? {
            Some(b'[') => false,
            Some(b'{') => true,
            Some(_) => {
                value(source, room)?;
                return Err(reader_failed(NOT_ITERABLE));
            }
            None => return Err(ends_too_soon(source)),
        };
        Ok(Self { parts: Parts::new(of_object), is_within: pointer.is_some() })
    }

    /// Goes on behind values that were read before.
    pub(super) fn resume(of_object: bool, pointer: Option<&str>) -> Self {
        let is_within = pointer.is_some_and(|pointer| !pointer.is_empty());
        Self { parts: Parts { of_object, is_first: false }, is_within }
    }

    pub(super) fn of_object(&self) -> bool {
        self.parts.of_object
    }

    /// Whether any of them was read.
    pub(super) fn has_begun(&self) -> bool {
        !self.parts.is_first
    }

    pub(super) fn next(
        &mut self,
        source: &mut Source,
        room: &mut Room,
    ) -> Result<Option<Json>, Failure> {
        if !self.parts.next(source, room)? {
            if !self.is_within && source.solid(room)?.is_some() {
                let name = source.name();
                let why = format!("{name} is not valid JSON: something follows its value");
                return Err(reader_failed(why));
            }
            return Ok(None);
        }
        if !self.parts.of_object {
            return value(source, room).map(Some);
        }
        let mut pair = Object::new();
        pair.insert("Key", key(source, room)?);
        pair.insert("Value", value(source, room)?);
        Ok(Some(pair.into()))
    }
}

/// The next value of lines, whose number is counted up. Blank lines are none.
pub(super) fn line(
    source: &mut Source,
    number: &mut u64,
    room: &mut Room,
) -> Result<Option<Json>, Failure> {
    while let Some((length, end)) = source.line(room, |byte| byte == b'\n')? {
        *number += 1;
        let line = source.rest()[..length].trim_ascii();
        let item = if line.is_empty() {
            None
        } else {
            let name = source.name();
            Some(room.parse(line, &|| format!("Line {number} of {name}"))?)
        };
        source.take(length + end);
        if item.is_some() {
            return Ok(item);
        }
    }
    Ok(None)
}

/// Goes on to the value that a pointer points to. What is passed over must be JSON as well.
fn find(source: &mut Source, text: &str, room: &mut Room) -> Result<(), Failure> {
    let nowhere = |source: &Source| {
        reader_failed(format!("The ItemsPointer '{text}' leads nowhere in {}", source.name()))
    };
    if text.chars().count() >= POINTER_LENGTH {
        let why = format!("The ItemsPointer has {POINTER_LENGTH} characters or more");
        return Err(reader_failed(why));
    }
    let pointer = Pointer::parse(text).ok_or_else(|| nowhere(source))?;
    for part in pointer.parts() {
        let of_object = match source.solid(room)? {
            Some(b'{') => true,
            Some(b'[') => false,
            Some(_) => return Err(nowhere(source)),
            None => return Err(ends_too_soon(source)),
        };
        let index = part.parse::<usize>().ok();
        let (mut parts, mut at) = (Parts::new(of_object), 0);
        loop {
            if !parts.next(source, room)? {
                return Err(nowhere(source));
            }
            let is_it = if of_object {
                key(source, room)?.as_str() == Some(part)
            } else {
                index == Some(at)
            };
            if source.taken() > POINTER_REACH {
                return Err(out_of_reach(source, text));
            }
            if is_it {
                break;
            }
            value(source, room)?;
            at += 1;
        }
    }
    source.solid(room)?;
    if source.taken() > POINTER_REACH {
        return Err(out_of_reach(source, text));
    }
    Ok(())
}

fn out_of_reach(source: &Source, text: &str) -> Failure {
    reader_failed(format!(
        "The ItemsPointer '{text}' must point to a value that begins within the first 16 MB of {}",
        source.name()
    ))
}

fn ends_too_soon(source: &Source) -> Failure {
    reader_failed(format!("{} is not valid JSON: it ends too soon", source.name()))
}

/// The parts of an array or object, whose opening bracket comes next.
struct Parts {
    of_object: bool,
    is_first: bool,
}

impl Parts {
    fn new(of_object: bool) -> Self {
        Self { of_object, is_first: true }
    }

    /// Goes on to the next part, if there is one.
    fn next(&mut self, source: &mut Source, room: &mut Room) -> Result<bool, Failure> {
        let closing = if self.of_object { b'}' } else { b']' };
        if self.is_first {
            source.take(1);
        }
        let next = source.solid(room)?;
        match next {
            None => return Err(ends_too_soon(source)),
            Some(byte) if byte == closing => {
                source.take(1);
                return Ok(false);
            }
            Some(_) if self.is_first => {}
            Some(b',') => source.take(1),
            Some(_) => return Err(unexpected(source, ',')),
        }
        self.is_first = false;
        Ok(true)
    }
}

fn unexpected(source: &Source, wanted: char) -> Failure {
    let at = source.taken();
    reader_failed(format!("{} is not valid JSON: no '{wanted}' at byte {at}", source.name()))
}

/// A key, and the colon behind it.
fn key(source: &mut Source, room: &mut Room) -> Result<Json, Failure> {
    if source.solid(room)? != Some(b'"') {
        return Err(unexpected(source, '"'));
    }
    let key = value(source, room)?;
    if source.solid(room)? != Some(b':') {
        return Err(unexpected(source, ':'));
    }
    source.take(1);
    Ok(key)
}

/// The value that comes next.
fn value(source: &mut Source, room: &mut Room) -> Result<Json, Failure> {
    if source.solid(room)?.is_none() {
        return Err(ends_too_soon(source));
    }
    let mut extent = Extent::default();
    let mut looked = 0;
    let length = loop {
        if let Some(length) = extent.end(source.rest(), looked) {
            break length;
        }
        looked = source.rest().len();
        if !source.fill(room)? {
            if extent.depth > 0 || extent.in_text {
                return Err(ends_too_soon(source));
            }
            break looked;
        }
    };
    let (name, at) = (source.name(), source.taken());
    let value = room.parse(&source.rest()[..length], &|| format!("{name}, from byte {at},"))?;
    source.take(length);
    Ok(value)
}

/// Finds where a value ends without reading it: by its brackets and quotation marks.
#[derive(Default)]
struct Extent {
    depth: usize,
    in_text: bool,
    is_escaped: bool,
}

impl Extent {
    /// The length of the value that `bytes` begin with, of which so many were looked at before.
    fn end(&mut self, bytes: &[u8], looked: usize) -> Option<usize> {
        for (at, byte) in bytes.iter().enumerate().skip(looked) {
            if self.in_text {
                match byte {
                    _ if self.is_escaped => self.is_escaped = false,
                    b'\\' => self.is_escaped = true,
                    b'"' => {
                        self.in_text = false;
                        if self.depth == 0 {
                            return Some(at + 1);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_text = true,
                b'[' | b'{' => self.depth += 1,
                b']' | b'}' if self.depth <= 1 => {
                    // What has no opening bracket ends before the closing one.
                    return Some(at + self.depth);
                }
                b']' | b'}' => self.depth -= 1,
                b',' | b':' if self.depth == 0 => return Some(at),
                byte if self.depth == 0 && byte.is_ascii_whitespace() => return Some(at),
                _ => {}
            }
        }
        None
    }
}
