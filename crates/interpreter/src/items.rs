//! Reading the items of a distributed Map and writing its results: the forms, not the transport.
//! Objects are fetched and put through the port [`Objects`].

use stepwright_history::Failure;
use stepwright_json::{Array, Json, Keys, Limits, Object, Pointer, Str, Syntax, parse_counting};
use stepwright_program::ResultWriter;

/// An object store, as a reader and writer need it.
pub trait Objects {
    /// The bytes of an object, or why they cannot be had.
    fn get(&self, bucket: &str, key: &str) -> Result<Vec<u8>, String>;
    /// The objects whose keys begin with `prefix`, in order of their keys.
    fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<ObjectInfo>, String>;
    /// Puts an object.
    fn put(&mut self, bucket: &str, key: &str, bytes: Vec<u8>) -> Result<(), String>;
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

/// How many values the items of a Map may have together, each field of a table's row being one.
const MOST_VALUES: usize = 1_500_000;

/// How much there is still room for.
struct Room {
    /// Bytes of text.
    bytes: usize,
    /// Values.
    values: usize,
}

impl Room {
    /// Takes the room that an item needs.
    fn take(&mut self, item: &Json) -> Result<(), Failure> {
        let measure = item.measure().ok_or_else(|| reader_failed(TOO_DEEP))?;
        self.bytes = self.bytes.checked_sub(measure.bytes).ok_or_else(too_much)?;
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
    let room = &mut Room { bytes: most_bytes, values: MOST_VALUES };
    let text =
        |key: &str| request.get("Parameters").and_then(|p| p.get(key)).and_then(Json::as_str);
    let config = |key: &str| request.get("ReaderConfig").and_then(|config| config.get(key));
    let bucket = text("Bucket").unwrap_or_default();
    let resource = request.get("Resource").and_then(Json::as_str).unwrap_or_default();
    let most = config("MaxItems").and_then(Json::as_i64).filter(|most| *most > 0);
    let most = most.map_or(usize::MAX, |most| most as usize);
    if resource.ends_with(":s3:listObjectsV2") {
        let prefix = text("Prefix").unwrap_or_default();
        let listed = objects.list(bucket, prefix).map_err(reader_failed)?;
        if config("Transformation").and_then(Json::as_str) != Some("LOAD_AND_FLATTEN") {
            let values = listed.into_iter().take(most).map(listing).collect();
            let source = format!("s3://{bucket}");
            return Ok(Items { values, of_object: false, sources: vec![(0, source.into())] });
        }
        let keys = listed.iter().map(|info| info.key.as_str());
        return flattened(bucket, keys, objects, &config, most, room);
    }
    if !resource.ends_with(":s3:getObject") {
        return Err(reader_failed(format!("The resource '{resource}' cannot read items")));
    }
    let key = text("Key").unwrap_or_default();
    let bytes = objects.get(bucket, key).map_err(reader_failed)?;
    if config("InputType").and_then(Json::as_str) == Some("MANIFEST") {
        return manifest_items(&bytes, objects, most, room);
    }
    let items = content(&bytes, &config, most, room)?;
    Ok(Items { sources: vec![(0, source_of(bucket, key))], ..items })
}

fn source_of(bucket: &str, key: &str) -> Str {
    format!("s3://{bucket}/{key}").into()
}

/// The items in one object.
fn content<'c>(
    bytes: &[u8],
    config: &dyn Fn(&str) -> Option<&'c Json>,
    most: usize,
    room: &mut Room,
) -> Result<Items, Failure> {
    let values = match config("InputType").and_then(Json::as_str).unwrap_or("JSON") {
        "CSV" => csv_items(bytes, config, most, room)?,
        "JSONL" => json_lines(bytes, most, room)?,
        "JSON" => {
            let pointer = config("ItemsPointer").and_then(Json::as_str);
            return json_items(bytes, pointer, most, room);
        }
        other => {
            return Err(reader_failed(format!("The input type '{other}' is not supported")));
        }
    };
    Ok(Items { values, ..Items::default() })
}

/// The items in all listed objects, one after the other.
fn flattened<'c, 'k>(
    bucket: &str,
    keys: impl Iterator<Item = &'k str>,
    objects: &dyn Objects,
    config: &dyn Fn(&str) -> Option<&'c Json>,
    most: usize,
    room: &mut Room,
) -> Result<Items, Failure> {
    let mut values = Vec::new();
    let mut sources = Vec::new();
    for key in keys {
        if values.len() >= most {
            break;
        }
        let bytes = objects.get(bucket, key).map_err(reader_failed)?;
        sources.push((values.len(), source_of(bucket, key)));
        values.extend(content(&bytes, config, most - values.len(), room)?.values.into_vec());
    }
    Ok(Items { values: values.into(), of_object: false, sources })
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

fn json_items(
    bytes: &[u8],
    pointer: Option<&str>,
    most: usize,
    room: &mut Room,
) -> Result<Items, Failure> {
    let value = room.parse(bytes, &|| "The object".to_owned())?;
    let value = match pointer {
        None => value,
        Some(text) => Pointer::parse(text)
            .and_then(|pointer| pointer.find(&value).cloned())
            .ok_or_else(|| reader_failed(format!("The ItemsPointer '{text}' leads nowhere")))?,
    };
    let items = Items::of(value).ok_or_else(|| reader_failed(NOT_ITERABLE))?;
    let items = if items.values.len() <= most {
        items
    } else {
        Items { values: items.values.iter().take(most).cloned().collect(), ..items }
    };
    items.values.iter().try_for_each(|item| room.take(item))?;
    Ok(items)
}

fn json_lines(bytes: &[u8], most: usize, room: &mut Room) -> Result<Array, Failure> {
    bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .take(most)
        .enumerate()
        .map(|(at, line)| {
            let item = room.parse(line.trim_ascii(), &|| format!("Line {}", at + 1))?;
            room.take(&item)?;
            Ok(item)
        })
        .collect()
}

fn csv_items<'c>(
    bytes: &[u8],
    config: &dyn Fn(&str) -> Option<&'c Json>,
    most: usize,
    room: &mut Room,
) -> Result<Array, Failure> {
    let delimiter = match config("CSVDelimiter").and_then(Json::as_str).unwrap_or("COMMA") {
        "PIPE" => b'|',
        "SEMICOLON" => b';',
        "SPACE" => b' ',
        "TAB" => b'\t',
        _ => b',',
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(bytes);
    let mut records = reader.byte_records();
    let mut headers: Vec<Str> = Vec::new();
    if let Some(given) = config("CSVHeaders").and_then(Json::as_array) {
        headers.extend(given.iter().filter_map(Json::as_str).map(Str::from));
    } else if let Some(first) = records.next() {
        let first = first.map_err(|error| reader_failed(error.to_string()))?;
        headers.extend(first.iter().map(|field| Str::from(String::from_utf8_lossy(field))));
    }
    // Rows share their keys, unless a header comes twice: its last field counts then.
    let keys = Keys::new(headers.iter().cloned());
    records
        .take(most)
        .map(|record| {
            let record = record.map_err(|error| reader_failed(error.to_string()))?;
            room.values = room.values.checked_sub(headers.len()).ok_or_else(too_much)?;
            // A field too few is empty; one too many is dropped.
            let fields = record.iter().map(Some).chain(std::iter::repeat(None));
            let values = fields.take(headers.len()).map(|field| {
                let text = field.map(String::from_utf8_lossy).unwrap_or_default();
                Json::String(text.into())
            });
            let item = match &keys {
                Some(keys) => Object::with_keys(keys, values.collect()).unwrap_or_default(),
                None => headers.iter().cloned().zip(values).collect(),
            };
            let item = Json::from(item);
            room.take(&item)?;
            Ok(item)
        })
        .collect()
}

/// An S3 inventory: a manifest that names CSV files and their columns.
fn manifest_items(
    bytes: &[u8],
    objects: &dyn Objects,
    most: usize,
    room: &mut Room,
) -> Result<Items, Failure> {
    let manifest = stepwright_json::parse_bytes(bytes)
        .map_err(|error| reader_failed(format!("The manifest is not valid JSON: {error}")))?;
    let text = |key: &str| manifest.get(key).and_then(Json::as_str);
    let (Some(bucket), Some(schema)) = (text("destinationBucket"), text("fileSchema")) else {
        return Err(reader_failed("The manifest names no destinationBucket or no fileSchema"));
    };
    if text("fileFormat") != Some("CSV") {
        return Err(reader_failed("Only inventories whose fileFormat is CSV can be read"));
    }
    let bucket = bucket.rsplit(":::").next().unwrap_or(bucket);
    let headers: Json =
        schema.split(',').map(|name| Json::from(name.trim())).collect::<Array>().into();
    let files = manifest.get("files").and_then(Json::as_array).cloned().unwrap_or_default();
    let mut items = Vec::new();
    let mut sources = Vec::new();
    for file in &files {
        let key = file.get("key").and_then(Json::as_str).unwrap_or_default();
        if key.to_ascii_lowercase().ends_with(".gz") {
            return Err(reader_failed(format!("The inventory file '{key}' is compressed")));
        }
        let bytes = objects.get(bucket, key).map_err(reader_failed)?;
        let config = |key: &str| (key == "CSVHeaders").then_some(&headers);
        let rows = csv_items(&bytes, &config, most - items.len(), room)?;
        sources.push((items.len(), source_of(bucket, key)));
        items.extend(rows.iter().cloned());
        if items.len() >= most {
            break;
        }
    }
    Ok(Items { values: items.into(), of_object: false, sources })
}

/// Puts items into batches: the inputs of child executions.
pub(crate) fn batches(
    items: Vec<Json>,
    most: Option<i64>,
    bytes: Option<i64>,
    batch_input: Option<&Json>,
) -> Vec<Json> {
    let most = most.filter(|most| *most > 0).map_or(usize::MAX, |most| most as usize);
    let bytes = bytes.filter(|bytes| *bytes > 0).map_or(usize::MAX, |bytes| bytes as usize);
    let mut batches: Vec<Vec<Json>> = Vec::new();
    let mut size = 0usize;
    for item in items {
        let length = item.measure().map_or(usize::MAX, |measure| measure.bytes + 1);
        match batches.last_mut() {
            Some(batch) if batch.len() < most && size.saturating_add(length) <= bytes => {
                batch.push(item);
                size = size.saturating_add(length);
            }
            _ => {
                batches.push(vec![item]);
                size = length;
            }
        }
    }
    batches
        .into_iter()
        .map(|batch| {
            let mut input = Object::new();
            if let Some(batch_input) = batch_input {
                input.insert("BatchInput", batch_input.clone());
            }
            input.insert("Items", batch.into());
            input.into()
        })
        .collect()
}

/// What a [`crate::Command::WriteResults`] asks.
pub(crate) fn write_request(
    writer: &ResultWriter,
    parameters: Json,
    map_run: &Str,
    children: Vec<Json>,
) -> Json {
    let mut request = Object::new();
    request.insert("MapRunArn", map_run.clone().into());
    request.insert("Parameters", parameters);
    if let Some(transformation) = &writer.transformation {
        request.insert("Transformation", transformation.clone().into());
    }
    if let Some(output_type) = &writer.output_type {
        request.insert("OutputType", output_type.clone().into());
    }
    request.insert("Results", children.into());
    request.into()
}

/// The results of a request as its transformation has them: whole records (`NONE`), outputs
/// (`COMPACT`), or the elements of outputs that are arrays (`FLATTEN`).
pub(crate) fn transformed(request: &Json) -> Json {
    let results = request.get("Results").and_then(Json::as_array).cloned().unwrap_or_default();
    let transformation = request.get("Transformation").and_then(Json::as_str).unwrap_or("NONE");
    let outputs = results.iter().map(|child| child.get("Output").cloned().unwrap_or_default());
    match transformation {
        "COMPACT" => outputs.collect::<Vec<_>>().into(),
        "FLATTEN" => outputs
            .flat_map(|output| match output {
                Json::Array(items) => items.into_vec(),
                other => vec![other],
            })
            .collect::<Vec<_>>()
            .into(),
        _ => Json::Array(results),
    }
}

/// Writes the results that a [`crate::Command::WriteResults`] asks for: the files, one for each
/// status, and the manifest that names them. Gives back the `ResultWriterDetails`.
pub fn write(request: &Json, objects: &mut dyn Objects) -> Result<Json, Failure> {
    let failed = |cause: String| Failure::new("States.ResultWriterFailed", cause);
    let text =
        |key: &str| request.get("Parameters").and_then(|p| p.get(key)).and_then(Json::as_str);
    let bucket = text("Bucket").unwrap_or_default();
    let prefix = text("Prefix").unwrap_or_default().trim_end_matches('/');
    let arn = request.get("MapRunArn").and_then(Json::as_str).unwrap_or_default();
    let id = arn.rsplit(':').next().unwrap_or_default();
    let folder = if prefix.is_empty() { id.to_owned() } else { format!("{prefix}/{id}") };
    let results = request.get("Results").and_then(Json::as_array).cloned().unwrap_or_default();
    let plain = matches!(request.get("Transformation").and_then(Json::as_str), None | Some("NONE"));
    let lines = request.get("OutputType").and_then(Json::as_str) == Some("JSONL");
    let mut files = Object::new();
    for status in ["FAILED", "PENDING", "SUCCEEDED"] {
        let of_status: Array = results
            .iter()
            .filter(|child| child.get("Status").and_then(Json::as_str) == Some(status))
            .cloned()
            .collect();
        let mut listed = Vec::new();
        if !of_status.is_empty() {
            let content = if status == "SUCCEEDED" && !plain {
                let mut part = request.as_object().cloned().unwrap_or_default();
                part.insert("Results", of_status.into());
                transformed(&part.into())
            } else {
                of_status.into()
            };
            let bytes = match (&content, lines) {
                (Json::Array(items), true) => {
                    items.iter().fold(String::new(), |mut lines, item| {
                        item.write(&mut lines);
                        lines.push('\n');
                        lines
                    })
                }
                (content, _) => content.to_string(),
            };
            let extension = if lines { "jsonl" } else { "json" };
            let key = format!("{folder}/{status}_0.{extension}");
            let mut file = Object::new();
            file.insert("Key", key.as_str().into());
            file.insert("Size", bytes.len().into());
            listed.push(file.into());
            objects.put(bucket, &key, bytes.into_bytes()).map_err(failed)?;
        }
        files.insert(status, listed.into());
    }
    let key = format!("{folder}/manifest.json");
    let mut manifest = Object::new();
    manifest.insert("DestinationBucket", bucket.into());
    manifest.insert("MapRunArn", arn.into());
    manifest.insert("ResultFiles", files.into());
    let manifest = Json::Object(manifest).to_string().into_bytes();
    objects.put(bucket, &key, manifest).map_err(failed)?;
    let mut details = Object::new();
    details.insert("Bucket", bucket.into());
    details.insert("Key", key.into());
    Ok(details.into())
}
