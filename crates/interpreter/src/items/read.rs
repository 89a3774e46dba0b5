//! Reading the items that a request asks for: from an object, from those of a listing, or from those
//! that a manifest names.

use super::csv::Table;
use super::source::{NO_PARQUET, Source};
use super::{Items, ObjectInfo, ObjectRequest, Objects, Room, json, reader_failed};
use stepwright_history::Failure;
use stepwright_json::{Json, Object, Str};

/// Reads the items that a [`crate::Command::ReadItems`] asks for, within AWS's limits.
pub fn read(request: &Json, objects: &dyn Objects) -> Result<Items, Failure> {
    read_within(request, objects, stepwright_program::Limits::default().items_bytes)
}

/// As [`read`], as long as the items have no more than so many bytes as JSON. What a table's row
/// becomes counts, not what it is: its headers are written in every item.
pub fn read_within(
    request: &Json,
    objects: &dyn Objects,
    most_bytes: usize,
) -> Result<Items, Failure> {
    let asked = Asked::new(request, objects)?;
    let room = &mut Room::new(most_bytes);
    let bucket = asked.parameter("Bucket").unwrap_or_default();
    let key = asked.parameter("Key").unwrap_or_default();
    let version = asked.parameter("VersionId");
    match (asked.resource, asked.manifest) {
        (Resource::Listing, _) => asked.listed(bucket, room),
        (Resource::Object, Some(Manifest::Inventory)) => {
            let manifest = asked.whole(ObjectRequest { version, ..asked.of(bucket, key) }, room)?;
            asked.inventory(&manifest, room)
        }
        (Resource::Object, Some(Manifest::Athena)) => {
            let manifest = asked.whole(ObjectRequest { version, ..asked.of(bucket, key) }, room)?;
            asked.athena(&manifest, room)
        }
        (Resource::Object, None) => {
            let place = ObjectRequest { version, ..asked.of(bucket, key) };
            let items = asked.content(place, asked.most, room)?;
            Ok(Items { sources: vec![(0, source_of(bucket, key))], ..items })
        }
    }
}

fn source_of(bucket: &str, key: &str) -> Str {
    format!("s3://{bucket}/{key}").into()
}

#[derive(Clone, Copy)]
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
struct Asked<'a> {
    request: &'a Json,
    objects: &'a dyn Objects,
    resource: Resource,
    manifest: Option<Manifest>,
    input_type: &'a str,
    most: usize,
}

impl<'a> Asked<'a> {
    fn new(request: &'a Json, objects: &'a dyn Objects) -> Result<Self, Failure> {
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
        let most = most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
        let input_type = input_type.unwrap_or("JSON");
        Ok(Self { request, objects, resource, manifest, input_type, most })
    }

    fn parameter(&self, key: &str) -> Option<&'a str> {
        self.request.get("Parameters")?.get(key)?.as_str()
    }

    fn config(&self, key: &str) -> Option<&'a str> {
        self.request.get("ReaderConfig")?.get(key)?.as_str()
    }

    fn of<'k>(&self, bucket: &'k str, key: &'k str) -> ObjectRequest<'k>
    where
        'a: 'k,
    {
        let owner = self.parameter("ExpectedBucketOwner");
        ObjectRequest { bucket, key, version: None, owner }
    }

    fn open(&self, place: ObjectRequest<'_>, room: &mut Room) -> Result<Source<'a>, Failure> {
        let reader = self.objects.open(place).map_err(reader_failed)?;
        Source::new(reader, format!("s3://{}/{}", place.bucket, place.key), room)
    }

    /// The text of an object that is read as a whole.
    fn whole(&self, place: ObjectRequest<'_>, room: &mut Room) -> Result<Vec<u8>, Failure> {
        let mut source = self.open(place, room)?;
        while source.fill(room)? {}
        Ok(source.rest().to_vec())
    }

    /// The items in one object.
    fn content(
        &self,
        place: ObjectRequest<'_>,
        most: usize,
        room: &mut Room,
    ) -> Result<Items, Failure> {
        match self.input_type {
            "CSV" => {
                let table = Table::of(self.request.get("ReaderConfig"));
                table.items(&mut self.open(place, room)?, most, room)
            }
            "JSONL" => json::lines(&mut self.open(place, room)?, most, room),
            "JSON" => {
                let pointer = self.config("ItemsPointer");
                json::items(&mut self.open(place, room)?, pointer, most, room)
            }
            "PARQUET" => Err(reader_failed(NO_PARQUET)),
            other => Err(reader_failed(format!("The input type '{other}' is not supported"))),
        }
    }

    /// What a listing says of objects, or what they hold.
    fn listed(&self, bucket: &str, room: &mut Room) -> Result<Items, Failure> {
        let prefix = self.parameter("Prefix").unwrap_or_default();
        let owner = self.parameter("ExpectedBucketOwner");
        let is_flat = self.config("Transformation") == Some("LOAD_AND_FLATTEN");
        let most = if is_flat { usize::MAX } else { self.most };
        let listed = self.objects.list(bucket, prefix, owner, most).map_err(reader_failed)?;
        if !is_flat {
            let mut values = Vec::new();
            for info in listed.into_iter().take(self.most) {
                let item = listing(info);
                room.take(&item)?;
                values.push(item);
            }
            let sources = vec![(0, format!("s3://{bucket}").into())];
            return Ok(Items { values: values.into(), of_object: false, sources });
        }
        let mut whole = Flat::default();
        // What stands for a folder holds nothing.
        for info in listed.iter().filter(|info| info.size > 0 || !info.key.ends_with('/')) {
            if whole.is_full(self.most) {
                break;
            }
            let left = self.most - whole.values.len();
            let items = self.content(self.of(bucket, &info.key), left, room)?;
            whole.add(source_of(bucket, &info.key), items)?;
        }
        Ok(whole.items())
    }

    /// The rows of the files of an S3 inventory.
    fn inventory(&self, manifest: &[u8], room: &mut Room) -> Result<Items, Failure> {
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
        let table = Table::with(schema.split(',').map(|name| name.trim().into()).collect());
        let files = manifest.get("files").and_then(Json::as_array).cloned().unwrap_or_default();
        let mut whole = Flat::default();
        for file in &files {
            if whole.is_full(self.most) {
                break;
            }
            let Some(key) = file.get("key").and_then(Json::as_str) else {
                return Err(reader_failed("A file of the manifest has no key"));
            };
            let mut source = self.open(self.of(bucket, key), room)?;
            let left = self.most - whole.values.len();
            whole.add(source_of(bucket, key), table.items(&mut source, left, room)?)?;
        }
        Ok(whole.items())
    }

    /// The items of the files that a query of Athena has written.
    fn athena(&self, manifest: &[u8], room: &mut Room) -> Result<Items, Failure> {
        let mut whole = Flat::default();
        for line in String::from_utf8_lossy(manifest).lines() {
            let file = line.trim().trim_matches('"');
            if file.is_empty() {
                continue;
            }
            if whole.is_full(self.most) {
                break;
            }
            let place = file.strip_prefix("s3://").and_then(|place| place.split_once('/'));
            let Some((bucket, key)) = place else {
                let why = format!("The manifest's line '{file}' is not the address of an object");
                return Err(reader_failed(why));
            };
            let left = self.most - whole.values.len();
            let items = self.content(self.of(bucket, key), left, room)?;
            whole.add(source_of(bucket, key), items)?;
        }
        Ok(whole.items())
    }
}

/// The items of several objects, one after the other.
#[derive(Default)]
struct Flat {
    values: Vec<Json>,
    of_object: Option<bool>,
    sources: Vec<(usize, Str)>,
}

impl Flat {
    fn is_full(&self, most: usize) -> bool {
        self.values.len() >= most
    }

    fn add(&mut self, source: Str, items: Items) -> Result<(), Failure> {
        let of_object = *self.of_object.get_or_insert(items.of_object);
        if of_object != items.of_object {
            let why = format!("{source} is an array where others are objects, or an object");
            return Err(reader_failed(why));
        }
        self.sources.push((self.values.len(), source));
        self.values.extend(items.values.into_vec());
        Ok(())
    }

    fn items(self) -> Items {
        let of_object = self.of_object.unwrap_or_default();
        Items { values: self.values.into(), of_object, sources: self.sources }
    }
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
