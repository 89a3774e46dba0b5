//! Reading the items that a request asks for: from an object, from those of a listing, or from those
//! that a manifest names. They are read in pages, each of which says where the next one begins.

use super::csv::Table;
use super::file::{Format, OpenFile, Position};
use super::source::Source;
use super::{Items, Listing, ObjectInfo, ObjectRequest, Objects, Room, reader_failed};
use std::collections::VecDeque;
use stepwright_history::{Failure, MapPlan};
use stepwright_json::{Json, Object, Str};
use stepwright_program::Limits;

/// How many objects are listed at once: as many as S3 lists.
const LISTED: usize = 1_000;

/// Reads all items that a [`crate::Command::ReadItems`] asks for, within AWS's limits.
pub fn read(request: &Json, objects: &dyn Objects) -> Result<Items, Failure> {
    read_within(request, objects, Limits::default().items_bytes)
}

/// As [`read`], as long as the items have no more than so many bytes as JSON. What a table's row
/// becomes counts, not what it is: its headers are written in every item.
pub fn read_within(
    request: &Json,
    objects: &dyn Objects,
    most_bytes: usize,
) -> Result<Items, Failure> {
    let mut reader = Reader::open(request, None)?;
    let page =
        reader.fill(objects, &Bounds { items: usize::MAX, bytes: usize::MAX }, most_bytes)?;
    Ok(page.items)
}

/// Some of the items that a request asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The items.
    pub items: Items,
    /// Where the next page begins; `None` if there is none.
    pub next: Option<Json>,
}

impl Page {
    /// Items that the plan of a map run holds itself, `most` of them at most. Where a page begins is the
    /// number of the item.
    pub(crate) fn of_plan(plan: &MapPlan, from: Option<&Json>, most: Option<u32>) -> Self {
        let whole = Items::of_plan(plan);
        let count = whole.values.len();
        let from = from.and_then(Json::as_i64).map_or(0, |from| from as usize).min(count);
        let end = most.map_or(count, |most| count.min(from.saturating_add(most as usize)));
        if (from, end) == (0, count) {
            return Self { items: whole, next: None };
        }
        let values = whole.values.iter().take(end).skip(from).cloned().collect();
        let next = (end < count).then_some(Json::Int(end as i64));
        Self { items: Items { values, ..whole }, next }
    }
}

/// How large a page becomes. It ends with the item that reaches one of the bounds.
struct Bounds {
    items: usize,
    bytes: usize,
}

/// Reads the items that a [`crate::Command::ReadItems`] asks for, page by page.
pub struct Reader {
    asked: Asked,
    /// The objects that are still to be read; `None` before it is known which.
    files: Option<Files>,
    /// The object that is being read.
    open: Option<Open>,
    /// How many items were read, all together.
    taken: u64,
    /// Whether the items are the members of objects, once it is known.
    of_object: Option<bool>,
    /// Where reading was left off, before it goes on.
    resumed: Option<Left>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("taken", &self.taken).finish_non_exhaustive()
    }
}

/// An object that is being read.
struct Open {
    /// Its address, as the context object says it.
    source: Str,
    file: OpenFile,
}

/// The objects that are to be read.
enum Files {
    /// These, by bucket and key.
    Named {
        places: VecDeque<(String, String)>,
        /// How many were begun.
        begun: u64,
        /// The entity tag of the manifest that names them.
        manifest: String,
    },
    /// Those of a listing: the next ones, and after which key the listing goes on.
    Listed { next: VecDeque<ObjectInfo>, after: Option<String>, is_over: bool },
}

/// Where reading was left off.
#[derive(Clone, Debug, Default, PartialEq)]
struct Left {
    taken: u64,
    /// The object that was read: its place in a manifest, its key in a listing.
    number: u64,
    key: String,
    etag: String,
    /// Where in the object; `None` at its beginning.
    position: Option<Position>,
    of_object: Option<bool>,
    manifest: String,
}

impl Left {
    fn write(&self) -> Json {
        let mut cursor = Object::new();
        cursor.insert("Taken", Json::Int(self.taken as i64));
        if self.number > 0 {
            cursor.insert("File", Json::Int(self.number as i64));
        }
        for (name, text) in
            [("Key", &self.key), ("ETag", &self.etag), ("ManifestETag", &self.manifest)]
        {
            if !text.is_empty() {
                cursor.insert(name, text.as_str().into());
            }
        }
        if let Some(position) = self.position {
            cursor.insert("At", Json::Int(position.at as i64));
            if position.line > 0 {
                cursor.insert("Line", Json::Int(position.line as i64));
            }
        }
        if self.of_object == Some(true) {
            cursor.insert("OfObject", true.into());
        }
        cursor.into()
    }

    fn read(cursor: &Json) -> Self {
        let number = |key: &str| cursor.get(key).and_then(Json::as_i64).map(i64::unsigned_abs);
        let text =
            |key: &str| cursor.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        let taken = number("Taken").unwrap_or_default();
        let of_object = cursor.get("OfObject").is_some();
        let line = number("Line").unwrap_or_default();
        Self {
            taken,
            number: number("File").unwrap_or_default(),
            key: text("Key"),
            etag: text("ETag"),
            position: number("At").map(|at| Position { at, line, of_object }),
            of_object: (taken > 0).then_some(of_object),
            manifest: text("ManifestETag"),
        }
    }
}

impl Reader {
    /// Begins to read, or goes on where a page said that the next one begins.
    pub fn open(request: &Json, from: Option<&Json>) -> Result<Self, Failure> {
        let asked = Asked::new(request)?;
        let resumed = from.map(Left::read);
        Ok(Self {
            asked,
            files: None,
            open: None,
            taken: resumed.as_ref().map_or(0, |left| left.taken),
            of_object: resumed.as_ref().and_then(|left| left.of_object),
            resumed,
        })
    }

    /// Reads the next page.
    pub fn page(
        &mut self,
        objects: &dyn Objects,
        limits: &Limits,
        most: Option<u32>,
    ) -> Result<Page, Failure> {
        let items = most.map_or(limits.page_items, |most| limits.page_items.min(most as usize));
        let bounds = Bounds { items, bytes: limits.page_bytes };
        self.fill(objects, &bounds, limits.items_bytes)
    }

    fn fill(
        &mut self,
        objects: &dyn Objects,
        bounds: &Bounds,
        largest: usize,
    ) -> Result<Page, Failure> {
        let room = &mut Room::new(largest);
        let (mut values, mut sources): (Vec<Json>, Vec<(usize, Str)>) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        if self.files.is_none() {
            self.files = Some(self.find(objects, room)?);
        }
        let is_over = loop {
            if self.taken >= self.asked.most {
                break true;
            }
            if values.len() >= bounds.items || bytes >= bounds.bytes {
                break false;
            }
            let before = room.bytes;
            let item = if self.asked.is_listing() {
                let Some(info) = self.next_listed(objects)? else { break true };
                if sources.is_empty() {
                    sources.push((0, format!("s3://{}", self.asked.bucket()).into()));
                }
                listing(info)
            } else {
                if self.open.is_none() && !self.open_next(objects, room)? {
                    break true;
                }
                let Some(open) = &mut self.open else { break true };
                let item = open.file.next(room)?;
                let of_object = open.file.of_object();
                // All objects hold arrays, or all hold objects.
                if *self.of_object.get_or_insert(of_object) != of_object {
                    let source = &open.source;
                    let why =
                        format!("{source} is an array where others are objects, or an object");
                    return Err(reader_failed(why));
                }
                let Some(item) = item else {
                    self.open = None;
                    continue;
                };
                if sources.last().is_none_or(|(_, last)| *last != open.source) {
                    sources.push((values.len(), open.source.clone()));
                }
                item
            };
            room.take(&item)?;
            bytes += before - room.bytes;
            values.push(item);
            self.taken += 1;
        };
        let of_object = self.of_object.unwrap_or_default();
        let next = if is_over { None } else { Some(self.left().write()) };
        Ok(Page { items: Items { values: values.into(), of_object, sources }, next })
    }

    /// Where reading is left off.
    fn left(&self) -> Left {
        let mut left = Left { taken: self.taken, of_object: self.of_object, ..Left::default() };
        match &self.files {
            Some(Files::Named { begun, manifest, .. }) => {
                left.manifest.clone_from(manifest);
                left.number = begun - u64::from(self.open.is_some());
            }
            Some(Files::Listed { after, .. }) => left.key = after.clone().unwrap_or_default(),
            None => {}
        }
        if let Some(open) = &self.open {
            open.file.etag().clone_into(&mut left.etag);
            left.position = open.file.position();
        }
        left
    }

    /// Finds out which objects are to be read.
    fn find(&mut self, objects: &dyn Objects, room: &mut Room) -> Result<Files, Failure> {
        let left = self.resumed.as_ref();
        let from = left.map_or(0, |left| left.number);
        let manifest_tag = left.map(|left| left.manifest.as_str()).filter(|tag| !tag.is_empty());
        let named = |places: Vec<(String, String)>, manifest: String| {
            let places = places.into_iter().skip(from as usize).collect();
            Files::Named { places, begun: from, manifest }
        };
        match (self.asked.resource, self.asked.manifest) {
            (Resource::Listing, _) => {
                let key = left.map(|left| left.key.clone()).filter(|key| !key.is_empty());
                let next = match (&key, left.is_some_and(|left| left.position.is_some())) {
                    // The object that was being read is gone on with; it need not be listed again.
                    (Some(key), true) => VecDeque::from([ObjectInfo {
                        key: key.clone(),
                        size: 1,
                        etag: String::new(),
                        last_modified: 0,
                    }]),
                    _ => VecDeque::new(),
                };
                Ok(Files::Listed { next, after: key, is_over: false })
            }
            (Resource::Object, None) => {
                let (bucket, key) = (self.asked.bucket().to_owned(), self.asked.key().to_owned());
                Ok(named(vec![(bucket, key)], String::new()))
            }
            (Resource::Object, Some(kind)) => {
                let place = ObjectRequest { etag: manifest_tag, ..self.asked.object() };
                let mut source = Source::open(objects, place, room)?;
                while source.fill(room)? {}
                let etag = source.etag().to_owned();
                let places = match kind {
                    Manifest::Inventory => self.asked.inventory(source.rest(), room)?,
                    Manifest::Athena => athena(source.rest())?,
                };
                Ok(named(places, etag))
            }
        }
    }

    /// Opens the next object. Says whether there is one.
    fn open_next(&mut self, objects: &dyn Objects, room: &mut Room) -> Result<bool, Failure> {
        let place = if self.asked.resource == Resource::Listing {
            loop {
                match self.next_listed(objects)? {
                    // What stands for a folder holds nothing.
                    Some(info) if info.size == 0 && info.key.ends_with('/') => {}
                    Some(info) => break Some((self.asked.bucket().to_owned(), info.key)),
                    None => break None,
                }
            }
        } else {
            match &mut self.files {
                Some(Files::Named { places, begun, .. }) => {
                    let place = places.pop_front();
                    *begun += u64::from(place.is_some());
                    place
                }
                _ => None,
            }
        };
        let Some((bucket, key)) = place else { return Ok(false) };
        let left = self.resumed.take().unwrap_or_default();
        let etag = Some(left.etag.as_str()).filter(|etag| !etag.is_empty());
        let version = self.asked.version().filter(|_| self.asked.manifest.is_none());
        let request =
            ObjectRequest { bucket: &bucket, key: &key, version, etag, ..self.asked.object() };
        let file = OpenFile::open(&self.asked.format, objects, request, left.position, room)?;
        self.open = Some(Open { source: format!("s3://{bucket}/{key}").into(), file });
        Ok(true)
    }

    fn next_listed(&mut self, objects: &dyn Objects) -> Result<Option<ObjectInfo>, Failure> {
        let asked = &self.asked;
        let Some(Files::Listed { next, after, is_over }) = &mut self.files else {
            return Ok(None);
        };
        while next.is_empty() && !*is_over {
            let left = usize::try_from(asked.most - self.taken).unwrap_or(usize::MAX);
            let most = if asked.is_listing() { LISTED.min(left) } else { LISTED };
            let listing = Listing {
                bucket: asked.bucket(),
                prefix: asked.parameter("Prefix").unwrap_or_default(),
                owner: asked.parameter("ExpectedBucketOwner"),
                after: after.as_deref(),
                most,
            };
            let found = objects.list(listing).map_err(reader_failed)?;
            *is_over = found.len() < most;
            next.extend(found);
        }
        let info = next.pop_front();
        if let Some(info) = &info {
            *after = Some(info.key.clone());
        }
        Ok(info)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Resource {
    Object,
    Listing,
}

/// What a file is that names the files with the items.
#[derive(Clone, Copy)]
enum Manifest {
    /// Of an S3 inventory: it says where the files are, and what their columns are.
    Inventory,
    /// Of Athena's `UNLOAD`: a line for each file.
    Athena,
}

/// What a reader is asked.
struct Asked {
    request: Json,
    resource: Resource,
    manifest: Option<Manifest>,
    format: Format,
    most: u64,
}

impl Asked {
    fn new(request: &Json) -> Result<Self, Failure> {
        let config = |key: &str| request.get("ReaderConfig").and_then(|config| config.get(key));
        let name = request.get("Resource").and_then(Json::as_str).unwrap_or_default();
        let (resource, taken): (_, &[&str]) = if name.ends_with(":s3:listObjectsV2") {
            (Resource::Listing, &["Bucket", "Prefix", "ExpectedBucketOwner"])
        } else if name.ends_with(":s3:getObject") {
            (Resource::Object, &["Bucket", "Key", "VersionId", "ExpectedBucketOwner"])
        } else {
            return Err(reader_failed(format!("The resource '{name}' cannot read items")));
        };
        let given = request.get("Parameters").and_then(Json::as_object);
        for (key, value) in given.into_iter().flat_map(Object::iter) {
            if !taken.contains(&key.as_str()) {
                let why = format!("The parameter '{key}' of an ItemReader is not supported");
                return Err(reader_failed(why));
            }
            if value.as_str().is_none() {
                let why = format!("The parameter '{key}' of an ItemReader must be a string");
                return Err(reader_failed(why));
            }
        }
        let input_type = config("InputType").and_then(Json::as_str);
        let manifest = match (config("ManifestType").and_then(Json::as_str), input_type) {
            (Some("ATHENA_DATA"), _) => Some(Manifest::Athena),
            (Some("S3_INVENTORY"), _) | (None, Some("MANIFEST")) => Some(Manifest::Inventory),
            (Some(other), _) => {
                return Err(reader_failed(format!("The manifest type '{other}' is not supported")));
            }
            (None, _) => None,
        };
        let most = config("MaxItems").and_then(Json::as_i64).filter(|most| *most > 0);
        let most = most.map_or(u64::from(u32::MAX - 1), i64::unsigned_abs);
        let pointer = config("ItemsPointer").and_then(Json::as_str).map(str::to_owned);
        let format = match input_type.unwrap_or("JSON") {
            "CSV" => Format::Csv(Table::of(request.get("ReaderConfig"))),
            "JSONL" => Format::Lines,
            "JSON" => Format::Values { pointer },
            "PARQUET" => Format::Parquet,
            other => Format::Unknown(other.to_owned()),
        };
        Ok(Self { request: request.clone(), resource, manifest, format, most })
    }

    fn parameter(&self, key: &str) -> Option<&str> {
        self.request.get("Parameters")?.get(key)?.as_str()
    }

    fn bucket(&self) -> &str {
        self.parameter("Bucket").unwrap_or_default()
    }

    fn key(&self) -> &str {
        self.parameter("Key").unwrap_or_default()
    }

    fn version(&self) -> Option<&str> {
        self.parameter("VersionId")
    }

    /// The object that is asked for by its name.
    fn object(&self) -> ObjectRequest<'_> {
        ObjectRequest {
            bucket: self.bucket(),
            key: self.key(),
            version: self.version(),
            owner: self.parameter("ExpectedBucketOwner"),
            etag: None,
            from: 0,
        }
    }

    /// Whether what a listing says of the objects are the items.
    fn is_listing(&self) -> bool {
        let config = self.request.get("ReaderConfig");
        let transformation = config.and_then(|config| config.get("Transformation"));
        self.resource == Resource::Listing
            && transformation.and_then(Json::as_str) != Some("LOAD_AND_FLATTEN")
    }

    /// The files of an S3 inventory, whose columns its manifest names.
    fn inventory(
        &mut self,
        manifest: &[u8],
        room: &mut Room,
    ) -> Result<Vec<(String, String)>, Failure> {
        let manifest = room.parse(manifest, &|| "The manifest".to_owned())?;
        let text = |key: &str| manifest.get(key).and_then(Json::as_str);
        let (Some(bucket), Some(schema)) = (text("destinationBucket"), text("fileSchema")) else {
            let why = "The manifest names no destinationBucket or no fileSchema";
            return Err(reader_failed(why));
        };
        if text("fileFormat") != Some("CSV") {
            let why = "Only inventories whose fileFormat is CSV can be read";
            return Err(reader_failed(why));
        }
        let bucket = bucket.rsplit(":::").next().unwrap_or(bucket);
        let headers = schema.split(',').map(|name| name.trim().into()).collect();
        self.format = Format::Csv(Table::with(headers));
        let files = manifest.get("files").and_then(Json::as_array).cloned().unwrap_or_default();
        let place = |file: &Json| match file.get("key").and_then(Json::as_str) {
            Some(key) => Ok((bucket.to_owned(), key.to_owned())),
            None => Err(reader_failed("A file of the manifest has no key")),
        };
        files.iter().map(place).collect()
    }
}

/// The files that a query of Athena has written.
fn athena(manifest: &[u8]) -> Result<Vec<(String, String)>, Failure> {
    let text = String::from_utf8_lossy(manifest);
    let lines = text.lines().map(|line| line.trim().trim_matches('"'));
    lines
        .filter(|line| !line.is_empty())
        .map(|line| {
            let place = line.strip_prefix("s3://").and_then(|place| place.split_once('/'));
            let place = place.map(|(bucket, key)| (bucket.to_owned(), key.to_owned()));
            place.ok_or_else(|| {
                let why = format!("The manifest's line '{line}' is not the address of an object");
                reader_failed(why)
            })
        })
        .collect()
}

fn listing(info: ObjectInfo) -> Json {
    let mut object = Object::new();
    object.insert("Etag", info.etag.into());
    object.insert("Key", info.key.into());
    object.insert("LastModified", Json::Int(info.last_modified));
    object.insert("Size", Json::Int(info.size as i64));
    object.insert("StorageClass", "STANDARD".into());
    object.into()
}
