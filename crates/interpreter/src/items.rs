//! Reading the items of a distributed Map and writing its results: the forms, not the transport.
//! Objects are fetched and put through the port [`Objects`].

mod csv;
mod file;
mod json;
#[cfg(feature = "parquet")]
mod parquet;
mod read;
mod records;
mod source;
#[cfg(test)]
mod tests;
mod write;
mod zstd;

pub use read::{Page, Reader, read, read_within};
pub use records::Records;
pub(crate) use records::transformed;
pub use write::{Journal, write};
pub(crate) use write::{failure_of, write_request};

use crate::context::STATE_DATA;
use std::io::{Cursor, Read, Seek};
use stepwright_history::{Failure, MapPlan};
use stepwright_json::{Array, Json, Limits, Object, Str, Syntax, parse_counting};

/// An object that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectRequest<'a> {
    /// The bucket that it is in.
    pub bucket: &'a str,
    /// Its key.
    pub key: &'a str,
    /// Which version of it, if not the latest.
    pub version: Option<&'a str>,
    /// The account that the bucket must belong to.
    pub owner: Option<&'a str>,
    /// The entity tag that it must have.
    pub etag: Option<&'a str>,
    /// The first byte that is wanted.
    pub from: u64,
}

/// Bytes of which parts are read here and there.
pub trait ReadSeek: Read + Seek + Send {}

impl<R: Read + Seek + Send> ReadSeek for R {}

/// An object that is being read.
pub struct Opened {
    /// Its bytes, from the one on that was asked for.
    pub bytes: Box<dyn ReadSeek>,
    /// Its entity tag.
    pub etag: String,
    /// How many bytes it has, all together.
    pub size: u64,
}

impl Opened {
    /// An object that is in memory.
    pub fn of(bytes: &[u8], etag: String, from: u64) -> Self {
        let mut whole = Cursor::new(bytes.to_vec());
        whole.set_position(from);
        Self { bytes: Box::new(whole), etag, size: bytes.len() as u64 }
    }
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("etag", &self.etag).finish_non_exhaustive()
    }
}

/// The objects of a bucket that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// What their keys begin with.
    pub prefix: &'a str,
    /// The account that the bucket must belong to.
    pub owner: Option<&'a str>,
    /// The key that theirs come after.
    pub after: Option<&'a str>,
    /// How many are wanted; there may be more in the answer.
    pub most: usize,
}

/// An object store, as a reader and writer need it.
pub trait Objects {
    /// Begins to read an object, or says why it cannot be had.
    fn open(&self, object: ObjectRequest<'_>) -> Result<Opened, String>;
    /// The first objects that match, in the order of their keys.
    fn list(&self, listing: Listing<'_>) -> Result<Vec<ObjectInfo>, String>;
    /// Writes a piece of an object. It is there once its last piece is written; until then, what
    /// was there before stays.
    fn append(&mut self, bucket: &str, key: &str, piece: Piece<'_>) -> Result<(), String>;
}

/// A piece of an object that is written.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Whether the object begins with it.
    pub is_first: bool,
    /// Whether the object ends with it.
    pub is_last: bool,
}

/// What a listing says of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectInfo {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its entity tag, with its quotes.
    pub etag: String,
    /// When it was last changed, in seconds since 1970.
    pub last_modified: i64,
}

/// What a Map state goes over.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Items {
    /// One value for each iteration.
    pub values: Array,
    /// Whether they are the members of an object: each is `{"Key": …, "Value": …}`.
    pub of_object: bool,
    /// Where they come from (`$$.Map.Item.Source`): from which item on, and what it says there.
    pub sources: Vec<(usize, Str)>,
}

/// One of [`Items`], as the context object shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'a> {
    pub(crate) index: u32,
    pub(crate) key: Option<&'a Json>,
    pub(crate) value: &'a Json,
    pub(crate) source: Option<&'a str>,
}

impl Items {
    /// What the state's input holds: an array or an object. None for any other value.
    pub(crate) fn of(value: Json) -> Option<Self> {
        let (values, of_object) = match value {
            Json::Array(values) => (values, false),
            Json::Object(members) => (pairs(&members), true),
            _ => return None,
        };
        Some(Self { values, of_object, sources: Vec::new() })
    }

    /// What a Map state goes over whose input holds the items; nothing where a reader reads them.
    pub(crate) fn of_plan(plan: &MapPlan) -> Self {
        Self {
            values: plan.items.clone(),
            of_object: plan.of_object,
            sources: vec![(0, STATE_DATA.into())],
        }
    }

    pub(crate) fn source(&self, index: usize) -> Option<&str> {
        let at = self.sources.partition_point(|(from, _)| *from <= index);
        self.sources.get(at.checked_sub(1)?).map(|(_, source)| source.as_str())
    }
}

impl<'a> Item<'a> {
    /// An item, or the pair that stands for a member of an object.
    pub(crate) fn new(
        index: u32,
        item: &'a Json,
        of_object: bool,
        source: Option<&'a str>,
    ) -> Self {
        let key = item.get("Key").filter(|_| of_object);
        let value = item.get("Value").filter(|_| of_object).unwrap_or(item);
        Self { index, key, value, source }
    }
}

fn pairs(members: &Object) -> Array {
    members
        .iter()
        .map(|(key, value)| {
            let mut pair = Object::new();
            pair.insert("Key", key.clone().into());
            pair.insert("Value", value.clone());
            Json::from(pair)
        })
        .collect()
}

/// What AWS says of a JSON text that has no items.
pub(crate) const NOT_ITERABLE: &str = "Attempting to map over non-iterable node.";

fn reader_failed(cause: impl Into<Str>) -> Failure {
    Failure::new("States.ItemReaderFailed", cause)
}

/// How many values the items of a page may have together, each field of a table's row being one.
const MOST_VALUES: usize = 1_500_000;

/// How many bytes of text are read for a page at least, however small the items may be together.
const LEAST_READ: usize = 32 << 20;

/// How much there is still room for.
struct Room {
    /// The weight of items: bytes as JSON, or more if they take much memory.
    bytes: usize,
    /// Values.
    values: usize,
    /// Bytes of text, uncompressed.
    text: usize,
    /// How many bytes the text of one value may have.
    largest: usize,
}

impl Room {
    fn new(bytes: usize) -> Self {
        let text = LEAST_READ.max(bytes.saturating_mul(4));
        Self { bytes, values: MOST_VALUES, text, largest: bytes }
    }

    /// Takes the room of text that is read.
    fn read(&mut self, bytes: usize, name: &str) -> Result<(), Failure> {
        self.text = self.text.checked_sub(bytes).ok_or_else(|| {
            reader_failed(format!("{name} is longer than what is read of a Map's items"))
        })?;
        Ok(())
    }

    /// Takes the room that an item needs.
    fn take(&mut self, item: &Json) -> Result<(), Failure> {
        let measure = item.measure().ok_or_else(|| reader_failed(TOO_DEEP))?;
        self.bytes = self.bytes.checked_sub(measure.weight()).ok_or_else(too_much)?;
        Ok(())
    }

    fn parse(&mut self, bytes: &[u8], what: &dyn Fn() -> String) -> Result<Json, Failure> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| reader_failed(format!("{} is not valid JSON: it is not UTF-8", what())))?;
        let limits = Limits { bytes: text.len(), ..Limits::default() };
        parse_counting(text, Syntax::Strict, limits, &mut self.values)
            .map_err(|error| reader_failed(format!("{} is not valid JSON: {error}", what())))
    }
}

const TOO_DEEP: &str = "An item is nested too deeply.";

fn too_much() -> Failure {
    reader_failed("The items are larger than the items of a Map state may be.")
}

/// Puts items into batches: the inputs of child executions. A batch has `most` items, and its input
/// `bytes`, what is around the items included; an item that is larger is a batch by itself. The items
/// that do not fill a batch are one as well if they are the last ones, and else given back.
pub(crate) fn batches(
    items: Vec<Json>,
    most: Option<i64>,
    bytes: usize,
    batch_input: Option<&Json>,
    is_last: bool,
) -> (Vec<Json>, Vec<Json>) {
    let most = most.filter(|most| *most > 0).map_or(usize::MAX, |most| most as usize);
    let length = |value: &Json| value.measure().map_or(usize::MAX, |measure| measure.bytes);
    let input = |batch: Vec<Json>| {
        let mut input = Object::new();
        if let Some(batch_input) = batch_input {
            input.insert("BatchInput", batch_input.clone());
        }
        input.insert("Items", batch.into());
        Json::from(input)
    };
    let around = length(&input(Vec::new()));
    let (mut inputs, mut batch, mut size) = (Vec::new(), Vec::new(), around);
    for item in items {
        // With the comma before it.
        let more = length(&item).saturating_add(usize::from(!batch.is_empty()));
        if !batch.is_empty() && (batch.len() >= most || size.saturating_add(more) > bytes) {
            inputs.push(input(std::mem::take(&mut batch)));
            size = around;
        }
        size = size.saturating_add(length(&item)).saturating_add(usize::from(!batch.is_empty()));
        batch.push(item);
    }
    if !batch.is_empty() && (is_last || batch.len() >= most) {
        inputs.push(input(std::mem::take(&mut batch)));
    }
    (inputs, batch)
}

#[cfg(test)]
mod batching {
    use super::*;
    use stepwright_json::json;

    fn sizes(inputs: &[Json]) -> Vec<(usize, usize)> {
        let items = |input: &Json| {
            input.get("Items").and_then(Json::as_array).map_or(0, |items| items.len())
        };
        inputs.iter().map(|input| (items(input), input.to_string().len())).collect()
    }

    /// Items whose texts have ten bytes each.
    fn items(count: i64) -> Vec<Json> {
        (0..count).map(|n| format!("{n:08}").into()).collect()
    }

    #[test]
    fn a_batch_has_as_many_bytes_as_it_may_have() {
        // `{"Items":["00000000","00000001","00000002"]}`
        let (inputs, rest) = batches(items(7), None, 44, None, true);
        assert_eq!((sizes(&inputs), rest.len()), (vec![(3, 44), (3, 44), (1, 22)], 0));
        let (inputs, _) = batches(items(7), None, 43, None, true);
        assert_eq!(sizes(&inputs), [(2, 33), (2, 33), (2, 33), (1, 22)]);
    }

    #[test]
    fn what_is_around_the_items_counts() {
        let shared = json!({"a": 1});
        // `{"BatchInput":{"a":1},"Items":["00000000","00000001"]}`
        let (inputs, _) = batches(items(5), None, 54, Some(&shared), true);
        assert_eq!(sizes(&inputs), [(2, 54), (2, 54), (1, 43)]);
        let (inputs, _) = batches(items(2), None, 53, Some(&shared), true);
        assert_eq!(sizes(&inputs), [(1, 43), (1, 43)]);
    }

    #[test]
    fn the_count_and_the_bytes_both_bound_a_batch() {
        let (inputs, rest) = batches(items(7), Some(2), 1_000, None, false);
        assert_eq!((sizes(&inputs), rest.len()), (vec![(2, 33), (2, 33), (2, 33)], 1));
        let (inputs, rest) = batches(items(7), Some(5), 44, None, false);
        assert_eq!((sizes(&inputs), rest.len()), (vec![(3, 44), (3, 44)], 1));
        // A batch of so many bytes may still take an item that is smaller than the last one.
        let (inputs, rest) = batches(items(3), Some(3), 44, None, false);
        assert_eq!((sizes(&inputs), rest.len()), (vec![(3, 44)], 0));
    }

    #[test]
    fn an_item_that_is_too_large_is_a_batch_by_itself() {
        let mut all = items(3);
        all.insert(1, "x".repeat(100).into());
        let (inputs, _) = batches(all, None, 44, None, true);
        assert_eq!(sizes(&inputs), [(1, 22), (1, 114), (2, 33)]);
    }
}
