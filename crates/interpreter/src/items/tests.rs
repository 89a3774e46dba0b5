//! What readers make of objects, good and bad, and what writers write.

use super::{
    Listing, ObjectInfo, ObjectRequest, Objects, Opened, Page, Piece, Reader, Records, read,
    read_within, transformed, write,
};
use crate::children::Children;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write as _};
use stepwright_history::{Event, EventKind, Failure, FrameId, Keeps, MapPage, Moment};
use stepwright_json::{Json, json};
use stepwright_program::Limits;

/// One bucket, whose readers give little at a time.
#[derive(Default)]
struct Bucket(BTreeMap<String, Vec<u8>>);

impl Bucket {
    fn of<B: AsRef<[u8]>>(objects: &[(&str, B)]) -> Self {
        let objects = objects.iter().map(|(key, bytes)| ((*key).into(), bytes.as_ref().to_vec()));
        Self(objects.collect())
    }
}

struct Dribble<'b>(&'b [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.1 = self.1 % 13 + 1;
        let count = if self.0.len() > 100_000 { into.len() } else { self.1.min(into.len()) };
        self.0.read(&mut into[..count])
    }
}

/// The bytes of an object, a little at a time.
struct Slowly(Vec<u8>, u64, usize);

impl Read for Slowly {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let at = (self.1 as usize).min(self.0.len());
        let count = Dribble(&self.0[at..], self.2).read(into)?;
        self.1 += count as u64;
        self.2 += 1;
        Ok(count)
    }
}

impl Seek for Slowly {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        if let SeekFrom::Start(at) = to {
            self.1 = at;
        }
        Ok(self.1)
    }
}

impl Objects for Bucket {
    fn open(&self, object: ObjectRequest<'_>) -> Result<Opened, String> {
        if object.version.is_some_and(|version| version != "v1") {
            return Err("The specified version does not exist.".to_owned());
        }
        if object.owner.is_some_and(|owner| owner != "123456789012") {
            return Err("Access Denied".to_owned());
        }
        let bytes = self.0.get(object.key).ok_or("The specified key does not exist.")?;
        let etag = format!("\"{}-{:x}\"", bytes.len(), crc(bytes));
        if object.etag.is_some_and(|wanted| wanted != etag) {
            return Err("At least one of the pre-conditions you specified did not hold".to_owned());
        }
        let slowly = Slowly(bytes.clone(), object.from, 0);
        Ok(Opened { bytes: Box::new(slowly), etag, size: bytes.len() as u64 })
    }

    fn list(&self, listing: Listing<'_>) -> Result<Vec<ObjectInfo>, String> {
        let is_listed = |key: &str| {
            key.starts_with(listing.prefix) && listing.after.is_none_or(|after| key > after)
        };
        let listed = self.0.iter().filter(|(key, _)| is_listed(key)).take(listing.most);
        Ok(listed
            .map(|(key, bytes)| ObjectInfo {
                key: key.clone(),
                size: bytes.len() as u64,
                etag: "\"e\"".to_owned(),
                last_modified: 0,
            })
            .collect())
    }

    fn append(&mut self, _bucket: &str, key: &str, piece: Piece<'_>) -> Result<(), String> {
        let object = self.0.entry(key.to_owned()).or_default();
        if piece.is_first {
            object.clear();
        }
        object.extend_from_slice(piece.bytes);
        Ok(())
    }
}

fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(7, |sum, byte| sum.rotate_left(5) ^ u32::from(*byte))
}

fn request(key: &str, config: &Json) -> Json {
    json!({"Resource": "arn:aws:states:::s3:getObject",
           "Parameters": {"Bucket": "b", "Key": key}, "ReaderConfig": (config.clone())})
}

/// The items of an object.
fn items(bytes: impl AsRef<[u8]>, config: &Json) -> String {
    let bucket = Bucket::of(&[("k", bytes)]);
    let items = read(&request("k", config), &bucket).expect("it can be read");
    Json::from(items.values).to_string()
}

/// Why an object cannot be read.
fn failure(bytes: impl AsRef<[u8]>, config: &Json) -> String {
    let bucket = Bucket::of(&[("k", bytes)]);
    let failure = read(&request("k", config), &bucket).expect_err("it cannot be read");
    assert_eq!(failure.name(), "States.ItemReaderFailed");
    failure.cause.expect("it says why").to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("there is room");
    encoder.finish().expect("there is room")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

#[test]
fn frames_of_zstd_are_read_one_after_the_other() {
    let skippable = [&[0x50, 0x2A, 0x4D, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let config = json!({"InputType": "JSONL"});
    assert_eq!(items(zstd(b"1\n2\n"), &config), "[1,2]");
    assert_eq!(items([zstd(b"1\n"), skippable, zstd(b"2\n3")].concat(), &config), "[1,2,3]");
    let long = format!("[\"{}\"]", "xyz".repeat(200_000));
    assert_eq!(items(zstd(long.as_bytes()), &json!({"InputType": "JSON"})), long);
    let mut damaged = zstd(b"1\n2\n");
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    let why = failure(damaged, &config);
    assert!(why.contains("cannot be read to its end"), "{why}");
}

#[test]
fn arrays_and_objects_are_read_value_by_value() {
    let config = json!({"InputType": "JSON"});
    assert_eq!(items("[]", &config), "[]");
    assert_eq!(items(" [1 , \"a,]\\\"\" ,[2,{}],null]\n", &config), r#"[1,"a,]\"",[2,{}],null]"#);
    assert_eq!(
        items(r#"{"a": 1, "b" : {"c": [2]}}"#, &config),
        r#"[{"Key":"a","Value":1},{"Key":"b","Value":{"c":[2]}}]"#
    );
    let two = json!({"InputType": "JSON", "MaxItems": 2});
    assert_eq!(items("[1,2,3", &two), "[1,2]", "what is behind the last item is not read");
    assert_eq!(items("\u{FEFF}[1]", &config), "[1]");
    assert_eq!(items(gzip(b"[1,2]"), &config), "[1,2]");
    let long = format!("[\"{}\"]", "x".repeat(200_000));
    assert_eq!(items(&long, &config), long);
}

#[test]
fn what_is_no_json_is_refused() {
    let config = json!({"InputType": "JSON"});
    for (text, expected) in [
        ("", "it ends too soon"),
        ("[1, 2", "it ends too soon"),
        ("[1, [2]", "it ends too soon"),
        ("[1, \"2", "it ends too soon"),
        ("[1 2]", "no ',' at byte 3"),
        ("[1,]", "not valid JSON"),
        ("[1,,2]", "not valid JSON"),
        ("[}]", "not valid JSON"),
        ("{\"a\" 1}", "no ':'"),
        ("{a: 1}", "no '\"'"),
        ("[1] 2", "something follows its value"),
        ("[tru]", "not valid JSON"),
        ("1", "Attempting to map over non-iterable node."),
        ("\"text\"", "Attempting to map over non-iterable node."),
    ] {
        let why = failure(text, &config);
        assert!(why.contains(expected), "{text}: {why}");
    }
}

#[test]
fn a_pointer_leads_to_an_array_or_an_object() {
    let text = r#"{"a": {"x": [1, "]"]}, "b/c": [0, {"~": [7, 8]}], "d": {"k": 1}, "e": 5}"#;
    let at = |pointer: &str| json!({"InputType": "JSON", "ItemsPointer": pointer});
    assert_eq!(items(text, &at("/b~1c/1/~0")), "[7,8]");
    assert_eq!(items(text, &at("/d")), r#"[{"Key":"k","Value":1}]"#);
    assert_eq!(items(r#"{"a": [1], broken"#, &at("/a")), "[1]");
    assert_eq!(items("[1]", &at("")), "[1]");
    for pointer in ["/none", "/a/y", "/b~1c/2", "/b~1c/x", "/e/f"] {
        assert!(failure(text, &at(pointer)).contains("leads nowhere"), "{pointer}");
    }
    assert!(failure(text, &at("/e")).contains("non-iterable"));
    assert!(failure(r#"{"x": tru, "a": [1]}"#, &at("/a")).contains("not valid JSON"));
    let long = format!("/{}", "x".repeat(2_000));
    assert!(failure(text, &at(&long)).contains("2000 characters or more"));
    // It begins within the first 16 MB, whatever comes behind.
    let padded = |count: usize| format!(r#"{{"pad": "{}", "a": [1]}}"#, "x".repeat(count));
    assert_eq!(items(padded((16 << 20) - 100), &at("/a")), "[1]");
    assert!(failure(padded(16 << 20), &at("/a")).contains("within the first 16 MB"));
}

#[test]
fn lines_are_values() {
    let config = json!({"InputType": "JSONL"});
    assert_eq!(items("{\"a\":1}\r\n\n 2 \n\"3\"", &config), r#"[{"a":1},2,"3"]"#);
    assert_eq!(items(gzip(b"1\n2\n3\n"), &json!({"InputType": "JSONL", "MaxItems": 2})), "[1,2]");
    assert!(failure("1\n{\n", &config).contains("Line 2 of s3://b/k is not valid JSON"));
    // Files of GZIP that were put one behind the other are one file.
    assert_eq!(items([gzip(b"1\n"), gzip(b"2\n")].concat(), &config), "[1,2]");
}

#[test]
fn rows_are_read_by_the_rules_of_aws() {
    let config = json!({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"});
    let row = |line: &str| {
        let given = json!({"InputType": "CSV", "CSVHeaders": ["a", "b"]});
        items(line, &given)
    };
    assert_eq!(
        items("a,b\r\n1,2\r3\n\n4,5,6", &config),
        r#"[{"a":"1","b":"2"},{"a":"3","b":""},{"a":"4","b":"5"}]"#
    );
    assert_eq!(items("\u{FEFF}a\n\"\u{FEFF}\"\n", &config), "[{\"a\":\"\u{FEFF}\"}]");
    assert_eq!(row("\"x, \"\"y\"\" \nz\",2"), r#"[{"a":"x, \"y\" \nz","b":"2"}]"#);
    // A doubled quotation mark is one even where the field has none around it.
    assert_eq!(row("{\"\"k\"\":1},2"), r#"[{"a":"{\"k\":1}","b":"2"}]"#);
    // A backslash escapes a delimiter, a quotation mark or another, and is dropped elsewhere.
    assert_eq!(row(r"C:\\x\,y\z,\\"), r#"[{"a":"C:\\x,yz","b":"\\"}]"#);
    assert_eq!(row("\"\",\"\"\n"), r#"[{"a":"","b":""}]"#);
    let piped = json!({"InputType": "CSV", "CSVHeaders": ["a", "b"], "CSVDelimiter": "PIPE"});
    assert_eq!(items("1,5|\"x|y\"", &piped), r#"[{"a":"1,5","b":"x|y"}]"#);
    assert_eq!(items(gzip(b"a\n1\n"), &config), r#"[{"a":"1"}]"#);
    assert_eq!(items("", &config), "[]");
}

#[test]
fn broken_tables_are_refused() {
    let config = json!({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"});
    let why = failure("a,b\n1,\"2\n3,4\n", &config);
    assert_eq!(
        why,
        "Unterminated quoted field at end of CSV line. Beginning of lost text: [2\n3,4\n]"
    );
    let wide = |bytes: usize| format!("{}\n1\n", "h".repeat(bytes));
    assert!(items(wide(10 << 10), &config).ends_with(":\"1\"}]"));
    assert!(failure(wide(11 << 10), &config).contains("exceed 10 KiB"));
}

#[test]
fn what_is_compressed_takes_no_more_memory() {
    // A gigabyte of blanks in a few kilobytes: files of GZIP one behind the other.
    let bomb = gzip(&vec![b' '; 1 << 20]).repeat(1_024);
    let bucket = Bucket::of(&[("k", &bomb)]);
    for (kind, expected) in
        [("JSON", "longer than what is read"), ("JSONL", "1048576 bytes"), ("CSV", "1048576 bytes")]
    {
        let request = request("k", &json!({"InputType": kind, "CSVHeaders": ["a"]}));
        let failure = read_within(&request, &bucket, 1 << 20).expect_err("it is too much");
        let why = failure.cause.expect("it says why");
        assert!(why.contains(expected), "{kind}: {why}");
    }
    let cut = gzip(&b"[1,2,3,4,5,6,7,8]".repeat(100));
    let why = failure(&cut[..cut.len() - 20], &json!({"InputType": "JSONL"}));
    assert!(why.contains("s3://b/k cannot be read to its end"), "{why}");
    let cut = zstd(&b"[1,2,3,4,5,6,7,8]\n".repeat(100));
    let why = failure(&cut[..cut.len() - 5], &json!({"InputType": "JSONL"}));
    assert!(why.contains("s3://b/k cannot be read to its end"), "{why}");
    assert!(failure("PAR1....PAR1", &json!({"InputType": "CSV"})).contains("is a Parquet file"));
}

#[test]
fn versions_and_owners_are_asked_for() {
    let bucket = Bucket::of(&[("k", "[1]")]);
    let asked = |name: &str, value: &str| {
        let mut parameters = json!({"Bucket": "b", "Key": "k"});
        if let Json::Object(members) = &mut parameters {
            members.insert(name, value.into());
        }
        let request =
            json!({"Resource": "arn:aws:states:::s3:getObject", "Parameters": parameters});
        read(&request, &bucket).map(|items| items.values.len()).map_err(|failure| failure.cause)
    };
    let why = |text: &str| Err(Some(text.into()));
    assert_eq!(asked("VersionId", "v1"), Ok(1));
    assert_eq!(asked("VersionId", "v2"), why("The specified version does not exist."));
    assert_eq!(asked("ExpectedBucketOwner", "123456789012"), Ok(1));
    assert_eq!(asked("ExpectedBucketOwner", "210987654321"), why("Access Denied"));
    let unknown = why("The parameter 'PartNumber' of an ItemReader is not supported");
    assert_eq!(asked("PartNumber", "1"), unknown);
}

#[test]
fn listings_and_manifests_name_objects() {
    let inventory = json!({
        "destinationBucket": "arn:aws:s3:::b", "fileFormat": "CSV", "fileSchema": "Bucket, Key",
        "files": [{"key": "i/1.csv.gz"}, {"key": "i/2.csv"}]});
    let athena = "s3://b/u/1\ns3://b/u/2.gz\n";
    let bucket = Bucket::of(&[
        ("i/1.csv.gz", gzip(b"\"b\",\"x\"\n\"b\",\"y\"\n")),
        ("i/2.csv", b"b,z\n".to_vec()),
        ("i.json", inventory.to_string().into_bytes()),
        ("l/", Vec::new()),
        ("l/1.json", b"{\"a\":1}".to_vec()),
        ("l/2.json", b"{\"b\":2,\"c\":3}".to_vec()),
        ("u.csv", athena.into()),
        ("u/1", b"1,2\n".to_vec()),
        ("u/2.gz", gzip(b"3,4\n")),
    ]);
    let of = |request: &Json| {
        let items = read(request, &bucket).expect("it can be read");
        let sources: Vec<String> =
            (0..items.values.len()).filter_map(|at| items.source(at).map(str::to_owned)).collect();
        (Json::from(items.values).to_string(), items.of_object, sources)
    };
    let (rows, _, sources) =
        of(&request("i.json", &json!({"InputType": "MANIFEST", "MaxItems": 3})));
    assert_eq!(
        rows,
        r#"[{"Bucket":"b","Key":"x"},{"Bucket":"b","Key":"y"},{"Bucket":"b","Key":"z"}]"#
    );
    assert_eq!(sources, ["s3://b/i/1.csv.gz", "s3://b/i/1.csv.gz", "s3://b/i/2.csv"]);
    assert_eq!(of(&request("i.json", &json!({"ManifestType": "S3_INVENTORY"}))).0, rows);
    let unload =
        json!({"InputType": "CSV", "ManifestType": "ATHENA_DATA", "CSVHeaders": ["n", "m"]});
    let (rows, _, sources) = of(&request("u.csv", &unload));
    assert_eq!(rows, r#"[{"n":"1","m":"2"},{"n":"3","m":"4"}]"#);
    assert_eq!(sources, ["s3://b/u/1", "s3://b/u/2.gz"]);
    let listing = |config: &Json| {
        json!({"Resource": "arn:aws:states:::s3:listObjectsV2",
               "Parameters": {"Bucket": "b", "Prefix": "l/"}, "ReaderConfig": (config.clone())})
    };
    let (all, of_object, sources) =
        of(&listing(&json!({"InputType": "JSON", "Transformation": "LOAD_AND_FLATTEN"})));
    assert_eq!(all, r#"[{"Key":"a","Value":1},{"Key":"b","Value":2},{"Key":"c","Value":3}]"#);
    assert!(of_object);
    assert_eq!(sources, ["s3://b/l/1.json", "s3://b/l/2.json", "s3://b/l/2.json"]);
    let (one, _, sources) = of(&listing(&json!({"MaxItems": 1})));
    assert!(one.contains("\"Key\":\"l/\"") && !one.contains("1.json"), "{one}");
    assert_eq!(sources, ["s3://b"]);
}

#[test]
fn items_have_a_bound() {
    let bucket = Bucket::of(&[("k", "[\"0123456789\",\"0123456789\"]")]);
    let request = request("k", &json!({"InputType": "JSON"}));
    assert!(read_within(&request, &bucket, 24).is_ok());
    let failure = read_within(&request, &bucket, 23).expect_err("it is too much");
    assert!(failure.cause.expect("it says why").contains("The items are larger"));
}

/// The events of four children: one that succeeded with an array, one that failed, one that was
/// stopped and one that never began; and how they stand.
fn four() -> (Vec<Event>, Children) {
    let page = |inputs: Vec<Json>, next: Option<Json>| {
        let (items, batch) = (inputs.len() as u32, Vec::new().into());
        let page = MapPage { inputs: inputs.into(), items, batch, next, keeps: Keeps::Everything };
        EventKind::MapRunPage(Box::new(page))
    };
    let finished = |index, result| EventKind::ChildFinished { index, result };
    let events = [
        (0, page(vec![json!({"n": 1}), json!(2)], Some(json!({"Taken": 2})))),
        (0, EventKind::ChildStarted { index: 0 }),
        (5, page(vec![json!("three"), json!(4)], None)),
        (10, EventKind::ChildStarted { index: 1 }),
        (20, finished(1, Err(Failure::new("Full", "no room")))),
        (30, EventKind::ChildStarted { index: 2 }),
        (1_500, finished(0, Ok(json!([1, {"a": "b"}])))),
    ];
    let mut children = Children::new(Keeps::Everything);
    let mut told = Vec::new();
    for (number, (at, kind)) in events.into_iter().enumerate() {
        match &kind {
            EventKind::MapRunPage(page) => children.add(page, number as u64),
            EventKind::ChildStarted { index } => {
                children.started(*index, Moment(at)).expect("it is its turn");
            }
            EventKind::ChildFinished { index, result } => {
                children.finished(*index, result, Moment(at)).expect("it runs");
            }
            _ => {}
        }
        told.push(Event { at: Moment(at), frame: FrameId::ROOT, id: 0, previous: 0, kind });
    }
    (told, children)
}

const MAP_RUN: &str = "arn:aws:states:us-east-1:123456789012:mapRun:m/L:id";

/// What a writer writes of these events with these members of its request.
fn written_of(
    events: &[Event],
    children: &Children,
    redrives: u32,
    more: &[(&str, &str)],
) -> BTreeMap<String, String> {
    let mut request = json!({
        "MapRunArn": MAP_RUN, "Parameters": {"Bucket": "b", "Prefix": "out/"}});
    if let Json::Object(members) = &mut request {
        for (key, value) in more {
            members.insert(*key, (*value).into());
        }
    }
    let mut bucket = Bucket::default();
    let records = Records::of(&MAP_RUN.into(), redrives, children);
    let mut journal = events;
    let details = write(&request, &records, &mut journal, &mut bucket).expect("there is room");
    assert_eq!(details, json!({"Bucket": "b", "Key": "out/id/manifest.json"}));
    let text = |bytes| String::from_utf8(bytes).expect("it is text");
    bucket.0.into_iter().map(|(key, bytes)| (key, text(bytes))).collect()
}

fn written(more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let (events, children) = four();
    written_of(&events, &children, 0, more)
}

#[test]
fn records_are_those_of_aws() {
    let files = written(&[]);
    let succeeded = r#"[{"ExecutionArn":"arn:aws:states:us-east-1:123456789012:execution:m/L:id-0","Input":"{\"n\":1}","InputDetails":{"Included":true},"Name":"id-0","Output":"[1,{\"a\":\"b\"}]","OutputDetails":{"Included":true},"RedriveCount":0,"RedriveStatus":"NOT_REDRIVABLE","RedriveStatusReason":"Execution is SUCCEEDED and cannot be redriven","StartDate":"1970-01-01T00:00:00Z","StateMachineArn":"arn:aws:states:us-east-1:123456789012:stateMachine:m/L","Status":"SUCCEEDED","StopDate":"1970-01-01T00:00:01.500Z"}]"#;
    assert_eq!(files["out/id/SUCCEEDED_0.json"], succeeded);
    let of = |name: &str| stepwright_json::parse(&files[name]).expect("it is JSON");
    let failed = of("out/id/FAILED_0.json");
    let text = |at: usize, key: &str| failed.at(at).and_then(|one| one.get(key)?.as_str());
    assert_eq!((text(0, "Error"), text(0, "Cause")), (Some("Full"), Some("no room")));
    assert_eq!((text(0, "Status"), text(1, "Status")), (Some("FAILED"), Some("ABORTED")));
    assert_eq!(text(0, "RedriveStatus"), Some("REDRIVABLE_BY_MAP_RUN"));
    assert_eq!(text(0, "Output"), None);
    let pending = of("out/id/PENDING_0.json");
    assert_eq!(pending.at(0).and_then(|one| one.get("Input")), Some(&"4".into()));
    assert_eq!(pending.at(0).and_then(|one| one.get("Status")), Some(&"PENDING".into()));
    let manifest = of("out/id/manifest.json");
    assert_eq!(manifest.get("DestinationBucket"), Some(&"b".into()));
    let size =
        manifest.get("ResultFiles").and_then(|files| files.get("SUCCEEDED")?.at(0)?.get("Size"));
    assert_eq!(size.and_then(Json::as_i64), Some(succeeded.len() as i64));
}

#[test]
fn outputs_are_written_as_they_are_or_flat() {
    let compact = written(&[("Transformation", "COMPACT")]);
    assert_eq!(compact["out/id/SUCCEEDED_0.json"], r#"[[1,{"a":"b"}]]"#);
    let flat = written(&[("Transformation", "FLATTEN"), ("OutputType", "JSONL")]);
    assert_eq!(flat["out/id/SUCCEEDED_0.jsonl"], "1\n{\"a\":\"b\"}\n");
    // What failed is always a record.
    assert!(flat["out/id/FAILED_0.jsonl"].starts_with("{\"Cause\":\"no room\","));
    assert!(flat["out/id/FAILED_0.jsonl"].ends_with("}\n"));
    let all = transformed(MAP_RUN, &four().1, Some("FLATTEN"));
    assert_eq!(all.at(1), Some(&json!({"a": "b"})));
    assert_eq!(all.at(2).and_then(|one| one.get("Error")), Some(&"Full".into()));
}

#[test]
fn what_failed_before_a_redrive_is_recorded_once() {
    let (mut events, mut children) = four();
    children.mend();
    let again: Vec<u32> = children.again.iter().collect();
    assert_eq!(again, [1, 2]);
    let mut add = |at: i64, kind: EventKind| {
        events.push(Event { at: Moment(at), frame: FrameId::ROOT, id: 0, previous: 0, kind });
    };
    add(2_000, EventKind::MapRunRedriven { arn: MAP_RUN.into(), count: 1 });
    for (index, result) in [(1, Ok(json!("now"))), (2, Err(Failure::new("Still", "")))] {
        children.started(index, Moment(2_000)).expect("it is its turn");
        add(2_000, EventKind::ChildStarted { index });
        children.finished(index, &result, Moment(2_500)).expect("it runs");
        add(2_500, EventKind::ChildFinished { index, result });
    }
    let files = written_of(&events, &children, 1, &[]);
    let of = |name: &str| stepwright_json::parse(&files[name]).expect("it is JSON");
    let succeeded = of("out/id/SUCCEEDED_0.json");
    assert_eq!(succeeded.as_array().map(|all| all.len()), Some(2));
    let second = succeeded.at(1).expect("there are two");
    assert_eq!(second.get("Input"), Some(&"2".into()));
    assert_eq!(second.get("RedriveCount"), Some(&json!(1)));
    assert_eq!(second.get("StartDate"), Some(&"1970-01-01T00:00:00.010Z".into()));
    let failed = of("out/id/FAILED_0.json");
    assert_eq!(failed.as_array().map(|all| all.len()), Some(1));
    assert_eq!(failed.at(0).and_then(|one| one.get("Input")), Some(&"\"three\"".into()));
    assert_eq!(failed.at(0).and_then(|one| one.get("Error")), Some(&"Still".into()));
    // The last one has still not begun.
    assert_eq!(of("out/id/PENDING_0.json").as_array().map(|all| all.len()), Some(1));
}

#[test]
fn files_are_split_and_name_every_record_once() {
    let inputs: Vec<Json> = (0..70).map(|n| json!(n)).collect();
    let output = json!("x".repeat(1 << 20));
    let mut events = Vec::new();
    let mut children = Children::new(Keeps::Nothing);
    let mut add = |kind: EventKind| {
        events.push(Event { at: Moment(0), frame: FrameId::ROOT, id: 0, previous: 0, kind });
    };
    let page = MapPage {
        items: 70,
        inputs: inputs.into(),
        batch: Vec::new().into(),
        next: None,
        keeps: Keeps::Nothing,
    };
    children.add(&page, 0);
    add(EventKind::MapRunPage(Box::new(page)));
    for index in 0..70 {
        children.started(index, Moment(0)).expect("it is its turn");
        add(EventKind::ChildStarted { index });
    }
    // The first one ends last.
    for index in (0..70).rev() {
        let result = Ok(output.clone());
        children.finished(index, &result, Moment(0)).expect("it runs");
        add(EventKind::ChildFinished { index, result });
    }
    let files = written_of(&events, &children, 0, &[]);
    let mut names: Vec<String> = Vec::new();
    for number in 0..2 {
        let file = stepwright_json::parse(&files[&format!("out/id/SUCCEEDED_{number}.json")]);
        let file = file.expect("it is JSON");
        let records = file.as_array().expect("it is an array").iter();
        names.extend(records.map(|one| one.get("Name").expect("a name").to_string()));
    }
    assert_eq!(files.len(), 3, "two files and the manifest");
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 70);
    let manifest = stepwright_json::parse(&files["out/id/manifest.json"]).expect("it is JSON");
    let listed = manifest.get("ResultFiles").and_then(|files| files.get("SUCCEEDED"));
    for (number, file) in listed.and_then(Json::as_array).expect("two files").iter().enumerate() {
        let text = &files[&format!("out/id/SUCCEEDED_{number}.json")];
        assert_eq!(file.get("Size").and_then(Json::as_i64), Some(text.len() as i64));
    }
}

fn limits(page_items: usize, page_bytes: usize) -> Limits {
    Limits { page_items, page_bytes, ..Limits::default() }
}

/// All pages of so many items each; read by one reader, or each page by another.
fn pages(request: &Json, bucket: &Bucket, most: usize, by_one: bool) -> Result<Vec<Page>, Failure> {
    let mut pages: Vec<Page> = Vec::new();
    let mut reader = Reader::open(request, None)?;
    loop {
        let page = reader.page(bucket, &limits(most, usize::MAX), None)?;
        let next = page.next.clone();
        pages.push(page);
        if next.is_none() {
            return Ok(pages);
        }
        if !by_one {
            reader = Reader::open(request, next.as_ref())?;
        }
    }
}

#[test]
fn pages_have_the_same_items_wherever_they_begin() {
    let rows: Vec<String> = (0..50).map(|n| format!("{n},\"a,{n}\n\"\r\n")).collect();
    let rows = rows.concat();
    let table = format!("\u{FEFF}n,t\n{rows}");
    let lines: Vec<String> = (0..50).map(|n| format!("{{\"n\":{n}}}\n\n")).collect();
    let lines = lines.concat();
    let array: String = (0..50).map(|n| format!(" [{n}, \"]\"] ")).collect::<Vec<_>>().join(",");
    let members: Vec<String> = (0..50).map(|n| format!("\"k{n}\" : {n}")).collect();
    let object = format!("{{\"a\": {{{}}}}}", members.join(" , "));
    let inventory = json!({
        "destinationBucket": "arn:aws:s3:::b", "fileFormat": "CSV", "fileSchema": "Bucket, Key",
        "files": [{"key": "table"}, {"key": "empty"}, {"key": "table.gz"}]});
    let bucket = Bucket::of(&[
        ("table", table.clone().into_bytes()),
        ("table.gz", gzip(table.as_bytes())),
        ("empty", Vec::new()),
        ("lines", lines.clone().into_bytes()),
        ("lines.gz", gzip(lines.as_bytes())),
        ("lines.zst", zstd(lines.as_bytes())),
        ("array", format!("[{array}]").into_bytes()),
        ("object", object.into_bytes()),
        ("i.json", inventory.to_string().into_bytes()),
        ("u.csv", b"s3://b/lines\n\ns3://b/lines.gz\n".to_vec()),
        ("l/", Vec::new()),
        ("l/1", lines.clone().into_bytes()),
        ("l/2", lines.into_bytes()),
    ]);
    let listing = |config: Json| {
        json!({"Resource": "arn:aws:states:::s3:listObjectsV2",
               "Parameters": {"Bucket": "b", "Prefix": "l"}, "ReaderConfig": config})
    };
    let csv = json!({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"});
    let jsonl = json!({"InputType": "JSONL"});
    for request in [
        request("table", &csv),
        request("table.gz", &csv),
        request("lines", &jsonl),
        request("lines.gz", &json!({"InputType": "JSONL", "MaxItems": 42})),
        request("lines.zst", &jsonl),
        request("array", &json!({"InputType": "JSON"})),
        request("object", &json!({"InputType": "JSON", "ItemsPointer": "/a"})),
        request("i.json", &json!({"InputType": "MANIFEST"})),
        request("u.csv", &json!({"InputType": "JSONL", "ManifestType": "ATHENA_DATA"})),
        listing(json!({})),
        listing(json!({"InputType": "JSONL", "Transformation": "LOAD_AND_FLATTEN"})),
    ] {
        let whole = read(&request, &bucket).expect("it can be read");
        assert!(whole.values.len() >= 2);
        for (most, by_one) in [(1, false), (7, true), (7, false), (50, false)] {
            let pages = pages(&request, &bucket, most, by_one).expect("it can be read");
            let mut items = Vec::new();
            for page in &pages {
                assert_eq!(page.items.of_object, whole.of_object, "{request}");
                for (at, value) in page.items.values.iter().enumerate() {
                    let source = whole.source(items.len());
                    assert_eq!(page.items.source(at), source, "{request}");
                    items.push(value.clone());
                }
                assert!(page.items.values.len() == most || page.next.is_none(), "{request}");
            }
            assert_eq!(Json::from(items), Json::from(whole.values.clone()), "{request}");
        }
    }
}

#[test]
fn a_page_ends_where_it_has_its_bytes() {
    let bucket = Bucket::of(&[("k", format!("[{}]", vec!["\"12345678\""; 100].join(",")))]);
    let request = request("k", &json!({"InputType": "JSON"}));
    let mut reader = Reader::open(&request, None).expect("it is known");
    let page = reader.page(&bucket, &limits(1_000, 95), None).expect("it can be read");
    assert_eq!(page.items.values.len(), 10);
}

#[test]
fn an_object_that_changes_is_not_read_on() {
    let request = request("k", &json!({"InputType": "JSONL"}));
    let mut bucket = Bucket::of(&[("k", "1\n2\n3\n")]);
    let mut reader = Reader::open(&request, None).expect("it is known");
    let page = reader.page(&bucket, &limits(2, usize::MAX), None).expect("it can be read");
    bucket.0.insert("k".to_owned(), b"1\n2\n4\n".to_vec());
    let mut reader = Reader::open(&request, page.next.as_ref()).expect("it is known");
    let failure = reader.page(&bucket, &limits(2, usize::MAX), None).expect_err("it has changed");
    assert_eq!(failure.name(), "States.ItemReaderFailed");
    assert!(failure.cause.is_some_and(|cause| cause.contains("pre-conditions")));
}

#[cfg(not(feature = "parquet"))]
#[test]
fn a_build_without_parquet_says_so() {
    let why = failure("PAR1....PAR1", &json!({"InputType": "PARQUET"}));
    assert!(why.contains("built without the feature `parquet`"), "{why}");
}

#[cfg(feature = "parquet")]
mod of_parquet {
    use super::*;
    use parquet::basic::{Compression, GzipLevel, ZstdLevel};
    use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use std::sync::Arc;

    const SCHEMA: &str = "message rows {
        required int64 id; optional binary name (UTF8); required double share;
        optional group tags (LIST) { repeated group list { optional binary element (UTF8); } }
    }";

    /// Groups of rows; every third has no name.
    fn file(compression: Compression, groups: i64, rows: i64) -> Vec<u8> {
        let schema = Arc::new(parquet::schema::parser::parse_message_type(SCHEMA).unwrap());
        let properties = Arc::new(
            WriterProperties::builder()
                .set_compression(compression)
                .set_data_page_row_count_limit(16)
                .build(),
        );
        let mut bytes = Vec::new();
        let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).unwrap();
        for group in 0..groups {
            let ids: Vec<i64> = (group * rows..(group + 1) * rows).collect();
            let names: Vec<ByteArray> = ids
                .iter()
                .filter(|id| *id % 3 > 0)
                .map(|id| format!("name-{id}").into_bytes().into())
                .collect();
            let has_name: Vec<i16> = ids.iter().map(|id| i16::from(id % 3 > 0)).collect();
            let shares: Vec<f64> = ids.iter().map(|id| *id as f64 / 2.0).collect();
            let tags: Vec<ByteArray> = ids
                .iter()
                .flat_map(|_| ["a", "b"].map(|tag| tag.as_bytes().to_vec().into()))
                .collect();
            let definitions: Vec<i16> = tags.iter().map(|_| 3).collect();
            let repetitions: Vec<i16> = (0..tags.len()).map(|at| i16::from(at % 2 == 1)).collect();
            let mut group = writer.next_row_group().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<Int64Type>().write_batch(&ids, None, None).unwrap();
            column.close().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<ByteArrayType>().write_batch(&names, Some(&has_name), None).unwrap();
            column.close().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<DoubleType>().write_batch(&shares, None, None).unwrap();
            column.close().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            column
                .typed::<ByteArrayType>()
                .write_batch(&tags, Some(&definitions), Some(&repetitions))
                .unwrap();
            column.close().unwrap();
            group.close().unwrap();
        }
        writer.close().unwrap();
        bytes
    }

    #[test]
    fn rows_are_objects_whatever_they_are_compressed_with() {
        let config = json!({"InputType": "PARQUET"});
        for compression in [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::GZIP(GzipLevel::default()),
            Compression::ZSTD(ZstdLevel::default()),
        ] {
            assert_eq!(
                items(file(compression, 1, 2), &config),
                r#"[{"id":0,"name":null,"share":0.0,"tags":["a","b"]},{"id":1,"name":"name-1","share":0.5,"tags":["a","b"]}]"#
            );
            let bucket = Bucket::of(&[("k", file(compression, 3, 50))]);
            let request = request("k", &config);
            let whole = read(&request, &bucket).expect("it can be read");
            assert_eq!(whole.values.len(), 150);
            for (most, by_one) in [(7, true), (7, false), (50, false)] {
                let pages = pages(&request, &bucket, most, by_one).expect("it can be read");
                let items: Vec<Json> =
                    pages.into_iter().flat_map(|page| page.items.values.into_vec()).collect();
                assert_eq!(Json::from(items), Json::from(whole.values.clone()));
            }
        }
    }

    #[test]
    fn what_is_damaged_is_refused() {
        let config = json!({"InputType": "PARQUET"});
        let whole = file(Compression::SNAPPY, 2, 50);
        for length in [0, 4, 7, 11, whole.len() / 2, whole.len() - 1, whole.len() - 9] {
            let why = failure(&whole[..length], &config);
            assert!(why.contains("s3://b/k cannot be read as Parquet"), "{length}: {why}");
        }
        let mut chance = 1_u64;
        for _ in 0..300 {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let mut damaged = whole.clone();
            let at = (chance >> 33) as usize % damaged.len();
            damaged[at] ^= 0x55;
            // Damage may go unseen; it must not bring anything down.
            let bucket = Bucket::of(&[("k", damaged)]);
            drop(read(&request("k", &config), &bucket));
        }
        let mut versioned = request("k", &config);
        if let Some(Json::Object(parameters)) =
            versioned.as_object().and_then(|one| one.get("Parameters").cloned()).as_ref()
        {
            let mut parameters = parameters.clone();
            parameters.insert("VersionId", "v1".into());
            if let Json::Object(members) = &mut versioned {
                members.insert("Parameters", parameters.into());
            }
        }
        let failure = read(&versioned, &Bucket::of(&[("k", whole)])).expect_err("it is refused");
        assert!(failure.cause.is_some_and(|cause| cause.starts_with("S3 Version ID selection")));
    }
}
