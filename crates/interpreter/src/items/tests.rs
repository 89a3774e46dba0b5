//! What readers make of objects, good and bad, and what writers write.

use super::{ObjectInfo, ObjectRequest, Objects, Records, read, read_within, write};
use crate::execution::{ChildRun, Children};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;
use std::io::{self, Read, Write as _};
use stepwright_history::{Failure, Moment};
use stepwright_json::{Json, json};

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

impl Objects for Bucket {
    fn open(&self, object: ObjectRequest<'_>) -> Result<Box<dyn Read + Send + '_>, String> {
        if object.version.is_some_and(|version| version != "v1") {
            return Err("The specified version does not exist.".to_owned());
        }
        if object.owner.is_some_and(|owner| owner != "123456789012") {
            return Err("Access Denied".to_owned());
        }
        let bytes = self.0.get(object.key).ok_or("The specified key does not exist.")?;
        Ok(Box::new(Dribble(bytes, 0)))
    }

    fn list(
        &self,
        _bucket: &str,
        prefix: &str,
        _owner: Option<&str>,
        most: usize,
    ) -> Result<Vec<ObjectInfo>, String> {
        let listed = self.0.iter().filter(|(key, _)| key.starts_with(prefix)).take(most);
        Ok(listed
            .map(|(key, bytes)| ObjectInfo {
                key: key.clone(),
                size: bytes.len() as u64,
                etag: "\"e\"".to_owned(),
                last_modified: 0,
            })
            .collect())
    }

    fn put(&mut self, _bucket: &str, key: &str, bytes: Vec<u8>) -> Result<(), String> {
        self.0.insert(key.to_owned(), bytes);
        Ok(())
    }
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
    let zstd = [0x28, 0xB5, 0x2F, 0xFD, 0];
    assert!(failure(zstd, &json!({"InputType": "CSV"})).contains("ZSTD, which is not supported"));
    assert!(failure("PAR1....PAR1", &json!({"InputType": "PARQUET"})).contains("'PARQUET'"));
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

/// The records of four children: one that succeeded with an array, one that failed, one that was
/// stopped and one that never began.
fn records() -> Records {
    let children = Children {
        inputs: vec![json!({"n": 1}), json!(2), json!("three"), json!(4)].into(),
        next: 3,
        running: [2].into(),
        results: vec![
            Some(Ok(json!([1, {"a": "b"}]))),
            Some(Err(Failure::new("Full", "no room"))),
            None,
            None,
        ],
        remaining: 2,
        failed: 1,
        again: [].into(),
        runs: [(Some(0), Some(1_500)), (Some(10), Some(20)), (Some(30), None), (None, None)]
            .into_iter()
            .map(|(started, stopped): (Option<i64>, Option<i64>)| ChildRun {
                started: started.map(Moment),
                stopped: stopped.map(Moment),
                redrives: 0,
            })
            .collect(),
    };
    Records::new(&"arn:aws:states:us-east-1:123456789012:mapRun:m/L:id".into(), &children)
}

/// What a writer writes with these members of its request.
fn written(more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut request = json!({
        "MapRunArn": "arn:aws:states:us-east-1:123456789012:mapRun:m/L:id",
        "Parameters": {"Bucket": "b", "Prefix": "out/"}});
    if let Json::Object(members) = &mut request {
        for (key, value) in more {
            members.insert(*key, (*value).into());
        }
    }
    let mut bucket = Bucket::default();
    let details = write(&request, &records(), &mut bucket).expect("there is room");
    assert_eq!(details, json!({"Bucket": "b", "Key": "out/id/manifest.json"}));
    let text = |bytes| String::from_utf8(bytes).expect("it is text");
    bucket.0.into_iter().map(|(key, bytes)| (key, text(bytes))).collect()
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
    let all = records().transformed(Some("FLATTEN"));
    assert_eq!(all.at(1), Some(&json!({"a": "b"})));
    assert_eq!(all.at(2).and_then(|one| one.get("Error")), Some(&"Full".into()));
}
