//! Map states that read from S3 and write to it, where `[services]` says.

use crate::stub::{Reply, Stub, at, ended, outcome, start};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use stepwright_aws::codec::ServiceError;
use stepwright_aws::table;
use stepwright_functions::{Functions, Place};
use stepwright_integrations::AwsServices;
use stepwright_json::{Json, json};
use stepwright_server::config::ObjectsConfig;
use stepwright_server::{Assembled, Assembly};

type Objects = Arc<Mutex<BTreeMap<String, String>>>;

/// S3 with a bucket, of which it lists one object at a time.
async fn s3(objects: &[(&str, &str)]) -> (Stub, Objects) {
    let objects: BTreeMap<String, String> =
        objects.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
    let objects = Arc::new(Mutex::new(objects));
    let kept = objects.clone();
    let stub = Stub::start("s3", move |operation, given, _| {
        let text = |name: &str| given.get(name).and_then(Json::as_str).unwrap_or_default();
        let mut objects = kept.lock();
        match operation {
            "GetObject" => match objects.get(text("Key")) {
                Some(object) => Reply::Body(json!({}), object.clone().into_bytes()),
                None => Reply::Error(ServiceError::new(
                    table::service("s3").expect("it is known"),
                    "NoSuchKey",
                    "The specified key does not exist.",
                )),
            },
            "PutObject" => {
                objects.insert(text("Key").to_owned(), text("(body)").to_owned());
                Reply::Value(json!({"ETag": "\"e\""}))
            }
            "ListObjectsV2" => {
                let after = text("ContinuationToken");
                let mut rest = objects
                    .iter()
                    .filter(|(key, _)| key.starts_with(text("Prefix")) && key.as_str() > after);
                let Some((key, object)) = rest.next() else { return Reply::Value(json!({})) };
                let listed = json!([{"Key": (key.as_str()), "Size": (object.len() as i64),
                                     "ETag": "\"e\"", "LastModified": "2024-01-01T00:00:00Z"}]);
                Reply::Value(if rest.next().is_some() {
                    json!({"Contents": listed, "IsTruncated": true,
                           "NextContinuationToken": (key.as_str())})
                } else {
                    json!({"Contents": listed, "IsTruncated": false})
                })
            }
            other => panic!("{other} is not expected"),
        }
    })
    .await;
    (stub, objects)
}

async fn assembled(services: Arc<AwsServices>, folder: Option<PathBuf>) -> Assembled {
    let functions = Functions::new(BTreeMap::new(), PathBuf::new(), Place::default());
    let assembly = Assembly {
        services,
        objects: ObjectsConfig { folder },
        ..Assembly::new(functions.expect("there are none"))
    };
    assembly.assemble().await.expect("it opens")
}

async fn run(assembled: &Assembled, machine: &Json) -> Result<Json, (String, String)> {
    let execution = start(&assembled.api, machine).await;
    outcome(&ended(&assembled.api, &execution).await)
}

/// A distributed Map whose children return their items.
fn map(reader: Json, writer: Option<Json>) -> Json {
    let mut state = json!({
        "Type": "Map", "End": true, "ItemReader": reader,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "P", "States": {"P": {"Type": "Pass", "End": true}}}});
    if let (Some(writer), Json::Object(members)) = (writer, &mut state) {
        members.insert("ResultWriter", writer);
    }
    json!({"StartAt": "M", "States": {"M": state}})
}

fn reader(key: &str) -> Json {
    json!({"Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSON"},
           "Parameters": {"Bucket": "bucket", "Key": key}})
}

#[tokio::test]
async fn items_are_read_from_the_service() {
    let (stub, _) = s3(&[("items.json", "[1, 2, 3]")]).await;
    let assembled = assembled(at(&[("s3", &stub.url)]), None).await;
    let output = run(&assembled, &map(reader("items.json"), None)).await;
    assert_eq!(output, Ok(json!([1, 2, 3])));
    assert!(stub.header("authorization").expect("it is signed").contains("/s3/aws4_request"));
    let (error, cause) = run(&assembled, &map(reader("none.json"), None)).await.unwrap_err();
    assert_eq!(error, "States.ItemReaderFailed");
    assert!(cause.contains("The specified key does not exist."), "{cause}");
}

/// S3 with one object, which is another one from the second piece on if it changes.
async fn pieces(changes: bool) -> Stub {
    let text = format!("1\n{}\n2\n", " ".repeat(9 << 20)).into_bytes();
    Stub::start("s3", move |operation, given, _| {
        assert_eq!(operation, "GetObject");
        let text_of = |name: &str| given.get(name).and_then(Json::as_str).unwrap_or_default();
        let range = text_of("Range").trim_start_matches("bytes=").split_once('-');
        let (from, to) = range.expect("a piece is asked for");
        let from: usize = from.parse().expect("a number");
        let to = (to.parse::<usize>().expect("a number") + 1).min(text.len());
        assert_eq!(text_of("VersionId"), "v1");
        assert_eq!(text_of("IfMatch"), if from > 0 { "\"e\"" } else { "" });
        if changes && from > 0 {
            return Reply::Error(ServiceError::new(
                table::service("s3").expect("it is known"),
                "PreconditionFailed",
                "At least one of the pre-conditions you specified did not hold",
            ));
        }
        let about = json!({"ETag": "\"e\"",
            "ContentRange": (format!("bytes {from}-{}/{}", to - 1, text.len()))});
        Reply::Body(about, text[from..to].to_vec())
    })
    .await
}

#[tokio::test]
async fn an_object_is_read_in_pieces_of_the_same_object() {
    let reader = json!({
        "Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "JSONL"},
        "Parameters": {"Bucket": "bucket", "Key": "k", "VersionId": "v1"}});
    let stub = pieces(false).await;
    let whole = assembled(at(&[("s3", &stub.url)]), None).await;
    assert_eq!(run(&whole, &map(reader.clone(), None)).await, Ok(json!([1, 2])));
    assert_eq!(stub.count("GetObject"), 2);
    let stub = pieces(true).await;
    let changed = assembled(at(&[("s3", &stub.url)]), None).await;
    let (error, cause) = run(&changed, &map(reader, None)).await.unwrap_err();
    assert_eq!(error, "States.ItemReaderFailed");
    assert!(cause.contains("pre-conditions you specified did not hold"), "{cause}");
}

#[tokio::test]
async fn listings_have_pages() {
    let (stub, _) = s3(&[("in/a", "1"), ("in/b", "22"), ("in/c", "333"), ("other", "")]).await;
    let assembled = assembled(at(&[("default", &stub.url)]), None).await;
    let listing = json!({"Resource": "arn:aws:states:::s3:listObjectsV2",
                         "Parameters": {"Bucket": "bucket", "Prefix": "in/"}});
    let output = run(&assembled, &map(listing, None)).await.unwrap();
    let sizes: Vec<(Option<&str>, Option<i64>)> = output
        .as_array()
        .expect("an array")
        .iter()
        .map(|one| {
            let key = one.get("Key").and_then(Json::as_str);
            (key, one.get("Size").and_then(Json::as_i64))
        })
        .collect();
    let expected = [(Some("in/a"), Some(1)), (Some("in/b"), Some(2)), (Some("in/c"), Some(3))];
    assert_eq!(sizes, expected);
    assert_eq!(stub.count("ListObjectsV2"), 3);
}

#[tokio::test]
async fn results_are_written_to_the_service() {
    let (stub, objects) = s3(&[("items.json", "[1, 2]")]).await;
    let assembled = assembled(at(&[("s3", &stub.url)]), None).await;
    let writer = json!({"Resource": "arn:aws:states:::s3:putObject",
                        "Parameters": {"Bucket": "bucket", "Prefix": "out"}});
    let output = run(&assembled, &map(reader("items.json"), Some(writer))).await.unwrap();
    let key = output.get("ResultWriterDetails").and_then(|details| details.get("Key"));
    let key = key.and_then(Json::as_str).expect("a key").to_owned();
    let objects = objects.lock();
    assert!(objects[&key].contains("SUCCEEDED_0.json"), "{objects:?}");
    assert!(objects.keys().any(|key| key.ends_with("/SUCCEEDED_0.json")), "{objects:?}");
}

/// Results that are larger than a part of an upload are written in parts: the whole of them is never sent at
/// once, and none of it stays if they cannot be written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_results_are_written_in_parts() {
    // A record has it twice, as input and as output.
    let items: Vec<Json> = (0..60).map(|n| format!("{n:05}").repeat(20_000).into()).collect();
    let items = Json::from(items).to_string();
    for fails in [false, true] {
        let whole = Arc::new(Mutex::new(BTreeMap::<String, String>::new()));
        let parts = Arc::new(Mutex::new(BTreeMap::<i64, String>::new()));
        let (kept, sent, text) = (whole.clone(), parts.clone(), items.clone());
        let stub = Stub::start("s3", move |operation, given, _| {
            let member = |name: &str| given.get(name).and_then(Json::as_str).unwrap_or_default();
            let body = || member("(body)").to_owned();
            let number = given.get("PartNumber").map(|number| {
                number.as_i64().or_else(|| number.as_str()?.parse().ok()).expect("a number")
            });
            match operation {
                "GetObject" => return Reply::Body(json!({}), text.clone().into_bytes()),
                "PutObject" => _ = kept.lock().insert(member("Key").to_owned(), body()),
                "CreateMultipartUpload" => return Reply::Value(json!({"UploadId": "u-1"})),
                "UploadPart" if fails && number == Some(2) => {
                    let service = table::service("s3").expect("it is known");
                    return Reply::Error(ServiceError::new(
                        service,
                        "AccessDenied",
                        "Access Denied",
                    ));
                }
                "UploadPart" => {
                    assert_eq!(member("UploadId"), "u-1");
                    let number = number.expect("a part has a number");
                    sent.lock().insert(number, body());
                    return Reply::Value(json!({"ETag": (format!("\"part-{number}\""))}));
                }
                "CompleteMultipartUpload" => {
                    assert_eq!(member("UploadId"), "u-1");
                    let listed = given.get("MultipartUpload").and_then(|list| list.get("Parts"));
                    let listed = listed.and_then(Json::as_array).expect("parts");
                    let mut all = String::new();
                    for (part, (number, bytes)) in listed.iter().zip(sent.lock().iter()) {
                        assert_eq!(part.get("PartNumber"), Some(&Json::Int(*number)));
                        let etag = part.get("ETag").and_then(Json::as_str);
                        assert_eq!(etag, Some(format!("\"part-{number}\"").as_str()));
                        all.push_str(bytes);
                    }
                    kept.lock().insert(member("Key").to_owned(), all);
                }
                "AbortMultipartUpload" => assert_eq!(member("UploadId"), "u-1"),
                other => panic!("{other} is not expected"),
            }
            Reply::Value(json!({}))
        })
        .await;
        let assembled = assembled(at(&[("s3", &stub.url)]), None).await;
        let writer = json!({"Resource": "arn:aws:states:::s3:putObject",
                            "Parameters": {"Bucket": "bucket", "Prefix": "out"}});
        let ended = run(&assembled, &map(reader("items.json"), Some(writer))).await;
        if fails {
            let (error, cause) = ended.unwrap_err();
            assert_eq!(
                (error.as_str(), cause.as_str()),
                ("States.ResultWriterFailed", "Access Denied")
            );
            for _ in 0..200 {
                if stub.count("AbortMultipartUpload") == 1 {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            assert_eq!(stub.count("AbortMultipartUpload"), 1);
            assert_eq!(stub.count("CompleteMultipartUpload"), 0);
            assert!(whole.lock().is_empty());
            continue;
        }
        ended.expect("it succeeds");
        let lengths: Vec<usize> = parts.lock().values().map(String::len).collect();
        assert_eq!((lengths.len(), lengths[0]), (2, 8 << 20), "{lengths:?}");
        let whole = whole.lock();
        let (_, written) =
            whole.iter().find(|(key, _)| key.ends_with("/SUCCEEDED_0.json")).expect("it is there");
        let records = stepwright_json::parse(written).expect("it is JSON");
        assert_eq!(records.as_array().map(|records| records.len()), Some(60));
        let (_, manifest) =
            whole.iter().find(|(key, _)| key.ends_with("/manifest.json")).expect("it is there");
        assert!(manifest.contains(&format!("\"Size\":{}", written.len())), "{manifest}");
        assert_eq!(stub.count("AbortMultipartUpload"), 0);
    }
}

#[tokio::test]
async fn what_is_said_of_s3_alone_comes_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let bucket = folder.path().join("bucket");
    std::fs::create_dir(&bucket).expect("it is made");
    std::fs::write(bucket.join("items.json"), "[\"folder\"]").expect("it is written");
    let (stub, _) = s3(&[("items.json", "[\"service\"]")]).await;
    for (section, has_folder, expected) in [
        ("s3", true, "service"),
        ("s3", false, "service"),
        ("default", true, "folder"),
        ("default", false, "service"),
        ("sqs", true, "folder"),
    ] {
        let own = has_folder.then(|| folder.path().to_owned());
        let assembled = assembled(at(&[(section, &stub.url)]), own).await;
        let output = run(&assembled, &map(reader("items.json"), None)).await;
        assert_eq!(output, Ok(json!([expected])), "[services.{section}], folder: {has_folder}");
    }
    let nowhere = assembled(at(&[]), None).await;
    let (_, cause) = run(&nowhere, &map(reader("items.json"), None)).await.unwrap_err();
    assert!(cause.contains("[services.s3]") && cause.contains("[objects]"), "{cause}");
}

#[tokio::test]
async fn a_store_that_does_not_answer_fails_the_map() {
    let busy = || Reply::Raw(b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n".to_vec());
    let answers: [fn() -> Reply; 2] = [busy, || Reply::Endless];
    for (answer, expected) in answers.into_iter().zip(["503", "is larger than 64 MiB"]) {
        let stub = Stub::start("s3", move |_, _, _| answer()).await;
        let assembled = assembled(at(&[("s3", &stub.url)]), None).await;
        let (error, cause) = run(&assembled, &map(reader("k"), None)).await.unwrap_err();
        assert_eq!(error, "States.ItemReaderFailed");
        assert!(cause.contains(expected), "{cause}");
    }
}
