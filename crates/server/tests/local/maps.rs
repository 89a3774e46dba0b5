//! Distributed Maps over the buckets of this machine: what cannot be read or written, and what is
//! changed while it runs.

use crate::server::start;
use std::path::Path;
use std::time::Duration;
use stepwright_json::{Json, json};
use stepwright_server::Api;

const ROLE: &str = "arn:aws:iam::123456789012:role/r";

/// A Map over an object in the bucket `lists`, whose results go into the bucket `out`.
fn map(key: &str, config: Json, state: Json, more: &[(&str, Json)]) -> Json {
    let mut map = json!({
        "Type": "Map", "Label": "Rows", "End": true,
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": config,
            "Parameters": {"Bucket": "lists", "Key": key}
        },
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "S", "States": {"S": state}
        },
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": "out", "Prefix": "p"}
        }
    });
    if let Json::Object(members) = &mut map {
        for (name, value) in more {
            members.insert(*name, value.clone());
        }
    }
    json!({"StartAt": "M", "States": {"M": map}})
}

fn pass() -> Json {
    json!({"Type": "Pass", "End": true})
}

fn text<'v>(value: &'v Json, key: &str) -> &'v str {
    value.get(key).and_then(Json::as_str).unwrap_or_default()
}

async fn begin(api: &Api, name: &str, definition: &Json) -> String {
    begin_with(api, name, definition, &json!({})).await
}

async fn begin_with(api: &Api, name: &str, definition: &Json, input: &Json) -> String {
    let body = json!({"name": name, "roleArn": ROLE, "definition": (definition.to_string())});
    let created = api.call("CreateStateMachine", body).await.expect("it is created");
    let body = json!({"stateMachineArn": (text(&created, "stateMachineArn")),
                      "input": (input.to_string())});
    let started = api.call("StartExecution", body).await.expect("it starts");
    text(&started, "executionArn").to_owned()
}

async fn end(api: &Api, execution: &str) -> Json {
    for _ in 0..1_000 {
        let body = json!({"executionArn": execution});
        let now = api.call("DescribeExecution", body).await.expect("it is there");
        if text(&now, "status") != "RUNNING" {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the execution does not end");
}

async fn run(api: &Api, name: &str, definition: &Json) -> Json {
    end(api, &begin(api, name, definition).await).await
}

/// The only map run of an execution.
async fn map_run(api: &Api, execution: &str) -> Json {
    let body = json!({"executionArn": execution});
    let runs = api.call("ListMapRuns", body).await.expect("it answers");
    let arn = text(runs.get("mapRuns").and_then(|runs| runs.at(0)).expect("one"), "mapRunArn");
    api.call("DescribeMapRun", json!({"mapRunArn": arn})).await.expect("it is there")
}

fn count_of(map_run: &Json, key: &str) -> Option<i64> {
    map_run.get("itemCounts")?.get(key)?.as_i64()
}

/// The records of a status in the results of an execution's only map run.
fn records(buckets: &Path, map_run: &Json, status: &str) -> Vec<Json> {
    let id = text(map_run, "mapRunArn").rsplit(':').next().expect("it has an id").to_owned();
    let read = |key: &str| {
        let bytes = std::fs::read(buckets.join("out").join(key)).expect("it was written");
        stepwright_json::parse_bytes(&bytes).expect("it is JSON")
    };
    let manifest = read(&format!("p/{id}/manifest.json"));
    let files = manifest.get("ResultFiles").and_then(|files| files.get(status)).expect("a list");
    let files = files.as_array().expect("a list").iter();
    files
        .flat_map(|file| read(text(file, "Key")).as_array().expect("records").clone().into_vec())
        .collect()
}

/// So many MiB of zeros in GZIP, each a kilobyte of it.
fn gzip_of_zeros(count: usize) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &vec![0; 1 << 20]).expect("there is memory");
    packed.finish().expect("there is memory").repeat(count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_fails_with_a_text_that_says_why() {
    let folder = tempfile::tempdir().expect("a directory");
    let server = start(Some(folder.path()), Vec::new()).await;
    let bucket = folder.path().join("buckets/lists");
    std::fs::create_dir_all(&bucket).expect("it can be made");
    let put =
        |key: &str, bytes: &[u8]| std::fs::write(bucket.join(key), bytes).expect("it is written");
    put("broken.csv", b"a,b\n1,2\n3,\"4\n5,6\n");
    put("wide.csv", format!("{}\n1\n", "h".repeat(11 << 10)).as_bytes());
    put("bomb.gz", &gzip_of_zeros(1_024));
    put("cut.gz", &[0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 0x4B]);
    put("large.json", format!("[1, \"{}\"]", "x".repeat(256 << 10)).as_bytes());
    put("far.json", format!("{{\"pad\": \"{}\", \"a\": []}}", "x".repeat(17 << 20)).as_bytes());
    let csv = json!({"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"});
    let json_at = |pointer: &str| json!({"InputType": "JSON", "ItemsPointer": pointer});
    let reader = "States.ItemReaderFailed";
    for (name, key, config, error, cause) in [
        (
            "broken",
            "broken.csv",
            csv.clone(),
            reader,
            "Unterminated quoted field at end of CSV line. Beginning of lost text: [4\n5,6\n]",
        ),
        ("wide", "wide.csv", csv.clone(), reader, "exceed 10 KiB"),
        ("bomb", "bomb.gz", csv.clone(), reader, "A value in s3://lists/bomb.gz is longer than"),
        ("cut", "cut.gz", csv, reader, "s3://lists/cut.gz cannot be read to its end"),
        ("far", "far.json", json_at("/a"), reader, "within the first 16 MB"),
        ("none", "none.json", json_at("/a"), reader, "The specified key does not exist."),
        (
            "large",
            "large.json",
            json!({"InputType": "JSON"}),
            "States.DataLimitExceeded",
            "The state/task 'M' returned a result with a size exceeding the maximum number of bytes service limit.",
        ),
    ] {
        let ended = run(&server.api, name, &map(key, config, pass(), &[])).await;
        assert_eq!(text(&ended, "error"), error, "{ended}");
        assert!(text(&ended, "cause").contains(cause), "{name}: {ended}");
    }
    let elsewhere = json!({
        "Resource": "arn:aws:states:::s3:listObjectsV2", "Parameters": {"Bucket": "nowhere"}});
    let definition = map("", json!({}), pass(), &[("ItemReader", elsewhere)]);
    let ended = run(&server.api, "nowhere", &definition).await;
    assert_eq!(text(&ended, "error"), reader);
    assert_eq!(text(&ended, "cause"), "The specified bucket does not exist");
}

/// The first page is read; when the next one is wanted, the object is another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_changes_while_it_is_read_fails_the_map_run() {
    let folder = tempfile::tempdir().expect("a directory");
    let server = start(Some(folder.path()), Vec::new()).await;
    let bucket = folder.path().join("buckets/lists");
    std::fs::create_dir_all(&bucket).expect("it can be made");
    // More than is read at once.
    let row = |row: i32| format!("\"{row}{}\"\n", " ".repeat(100));
    let rows = (0..5_000).map(row).collect::<Vec<String>>().concat();
    std::fs::write(bucket.join("rows"), &rows).expect("it is written");
    let wait = json!({"Type": "Wait", "Seconds": 5, "End": true});
    let more = [("MaxConcurrency", json!(10))];
    let definition = map("rows", json!({"InputType": "JSONL"}), wait, &more);
    let api = &server.api;
    let execution = begin(api, "changing", &definition).await;
    let run = loop {
        let run = map_run(api, &execution).await;
        if count_of(&run, "running") == Some(10) {
            break run;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!((count_of(&run, "total"), count_of(&run, "pending")), (Some(2_000), Some(1_990)));
    std::fs::write(bucket.join("rows"), rows.replace('9', "8")).expect("it is written");
    // All others begin as well, so that the next page is wanted.
    let body = json!({"mapRunArn": (text(&run, "mapRunArn")), "maxConcurrency": 1_500});
    api.call("UpdateMapRun", body).await.expect("it is updated");
    let ended = end(api, &execution).await;
    assert_eq!(text(&ended, "error"), "States.ItemReaderFailed");
    let cause = text(&ended, "cause");
    assert!(
        cause.contains("At least one of the pre-conditions you specified did not hold"),
        "{cause}"
    );
    let run = map_run(api, &execution).await;
    assert_eq!(text(&run, "status"), "FAILED");
    let stopped = records(&folder.path().join("buckets"), &run, "FAILED");
    assert_eq!(stopped.len(), 1_500);
    assert!(stopped.iter().all(|record| text(record, "Status") == "ABORTED"));
    let pending = records(&folder.path().join("buckets"), &run, "PENDING");
    assert_eq!(pending.len(), 500);
    assert!(text(&pending[499], "Input").starts_with("\"1999 "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_that_could_not_be_written_are_written_after_a_redrive() {
    let folder = tempfile::tempdir().expect("a directory");
    let server = start(Some(folder.path()), Vec::new()).await;
    let buckets = folder.path().join("buckets");
    std::fs::create_dir_all(buckets.join("lists")).expect("it can be made");
    let rows = (0..30).map(|row| format!("{row}\n")).collect::<Vec<String>>().concat();
    std::fs::write(buckets.join("lists/rows"), rows).expect("it is written");
    // What is to be a bucket is a file.
    std::fs::write(buckets.join("out"), "").expect("it is written");
    let api = &server.api;
    let definition = map("rows", json!({"InputType": "JSONL"}), pass(), &[]);
    let execution = begin(api, "unwritten", &definition).await;
    let ended = end(api, &execution).await;
    assert_eq!(text(&ended, "error"), "States.ResultWriterFailed", "{ended}");
    std::fs::remove_file(buckets.join("out")).expect("it can be removed");
    api.call("RedriveExecution", json!({"executionArn": (execution.as_str())}))
        .await
        .expect("it is redriven");
    let ended = end(api, &execution).await;
    assert_eq!(text(&ended, "status"), "SUCCEEDED", "{ended}");
    let run = map_run(api, &execution).await;
    assert_eq!(count_of(&run, "resultsWritten"), Some(30));
    let written = records(&buckets, &run, "SUCCEEDED");
    let inputs: Vec<&str> = written.iter().map(|record| text(record, "Input")).collect();
    let expected: Vec<String> = (0..30).map(|row| row.to_string()).collect();
    assert_eq!(inputs, expected);
    // No child ran again.
    assert!(written.iter().all(|record| record.get("RedriveCount") == Some(&json!(0))));
}

/// What failed runs again, with what it began with the first time; nothing else does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redrive_runs_what_failed_with_what_the_history_has() {
    let folder = tempfile::tempdir().expect("a directory");
    let server = start(Some(folder.path()), Vec::new()).await;
    let buckets = folder.path().join("buckets");
    std::fs::create_dir_all(buckets.join("lists")).expect("it can be made");
    let rows = (0..20)
        .map(|row| format!("{{\"key\": \"part-{row}\"}}\n"))
        .collect::<Vec<String>>()
        .concat();
    std::fs::write(buckets.join("lists/rows"), rows).expect("it is written");
    let part = |row: usize| buckets.join(format!("lists/part-{row}"));
    for row in (0..20).filter(|row| row % 3 > 0) {
        std::fs::write(part(row), "{}").expect("it is written");
    }
    let get = json!({
        "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:headObject", "End": true,
        "Parameters": {"Bucket": "lists", "Key.$": "$.key"}, "ResultPath": null
    });
    let api = &server.api;
    for kind in ["STANDARD", "EXPRESS"] {
        std::fs::remove_file(part(0)).ok();
        for row in (0..20).step_by(3) {
            std::fs::remove_file(part(row)).ok();
        }
        let processor = json!({
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": kind},
            "StartAt": "S", "States": {"S": (get.clone())}
        });
        let more = [("ItemProcessor", processor), ("ToleratedFailureCount", json!(6))];
        let definition = map("rows", json!({"InputType": "JSONL"}), get.clone(), &more);
        let execution = begin(api, kind, &definition).await;
        let ended = end(api, &execution).await;
        assert_eq!(text(&ended, "error"), "States.ExceedToleratedFailureThreshold", "{ended}");
        for row in (0..20).step_by(3) {
            std::fs::write(part(row), "{}").expect("it is written");
        }
        let redrive = json!({"executionArn": (execution.as_str())});
        api.call("RedriveExecution", redrive).await.expect("it is redriven");
        let ended = end(api, &execution).await;
        assert_eq!(text(&ended, "status"), "SUCCEEDED", "{ended}");
        let run = map_run(api, &execution).await;
        let written = records(&buckets, &run, "SUCCEEDED");
        let outputs: Vec<&str> = written.iter().map(|record| text(record, "Output")).collect();
        let expected: Vec<String> =
            (0..20).map(|row| format!("{{\"key\":\"part-{row}\"}}")).collect();
        assert_eq!(outputs, expected, "{kind}");
        for record in &written {
            let is_again = record.get("RedriveCount") == Some(&json!(1));
            let row: usize = text(record, "Name")
                .rsplit('-')
                .next()
                .and_then(|row| row.parse().ok())
                .expect("a number");
            // One of those that were to run may have been stopped with the others.
            assert!(is_again || row % 3 > 0, "{kind}: {record}");
        }
        assert!(records(&buckets, &run, "FAILED").is_empty());
    }
}

/// Three of ten children fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_children_may_fail_as_the_state_says() {
    let folder = tempfile::tempdir().expect("a directory");
    let server = start(Some(folder.path()), Vec::new()).await;
    let buckets = folder.path().join("buckets");
    std::fs::create_dir_all(buckets.join("lists")).expect("it can be made");
    let rows: String = (0..10)
        .map(|row| if row % 4 == 1 { "{}\n".to_owned() } else { format!("{{\"n\": {row}}}\n") })
        .collect();
    std::fs::write(buckets.join("lists/rows"), rows).expect("it is written");
    // Without the member, the child fails.
    let state = json!({"Type": "Pass", "Parameters": {"n.$": "$.n"}, "End": true});
    let api = &server.api;
    let count = |count: i64| ("ToleratedFailureCount", Json::Int(count));
    let share = |share: f64| ("ToleratedFailurePercentage", Json::Float(share));
    let cases = [
        ("count-3", vec![count(3)], true),
        ("count-2", vec![count(2)], false),
        ("count-0", vec![count(0)], false),
        ("share-30", vec![share(30.0)], true),
        ("share-29", vec![share(29.9)], false),
        ("share-0", vec![share(0.0)], false),
        ("share-100", vec![share(100.0)], true),
        ("both", vec![count(3), share(30.0)], true),
        ("less-count", vec![count(2), share(50.0)], false),
        ("less-share", vec![count(5), share(20.0)], false),
        ("neither", Vec::new(), false),
    ];
    for (name, more, is_tolerated) in cases {
        let definition = map("rows", json!({"InputType": "JSONL"}), state.clone(), &more);
        let execution = begin(api, name, &definition).await;
        let ended = end(api, &execution).await;
        let run = map_run(api, &execution).await;
        if !is_tolerated {
            assert_eq!(text(&ended, "error"), "States.ExceedToleratedFailureThreshold", "{name}");
            assert_eq!(text(&run, "status"), "FAILED", "{name}");
            continue;
        }
        assert_eq!(text(&ended, "status"), "SUCCEEDED", "{name}: {ended}");
        assert_eq!(text(&run, "status"), "SUCCEEDED", "{name}");
        assert_eq!((count_of(&run, "succeeded"), count_of(&run, "failed")), (Some(7), Some(3)));
        let failed = records(&buckets, &run, "FAILED");
        assert_eq!(failed.len(), 3, "{name}");
        for record in &failed {
            assert_eq!(text(record, "Input"), "{}", "{record}");
            assert_eq!(text(record, "Status"), "FAILED", "{record}");
            assert!(text(record, "Error").starts_with("States."), "{record}");
        }
        assert_eq!(records(&buckets, &run, "SUCCEEDED").len(), 7, "{name}");
        assert!(records(&buckets, &run, "PENDING").is_empty(), "{name}");
    }
}

/// The number of children that run at once follows what is asked for while they run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_concurrency_of_a_map_run_can_be_changed_while_it_runs() {
    let folder = tempfile::tempdir().expect("a directory");
    let server = start(Some(folder.path()), Vec::new()).await;
    let bucket = folder.path().join("buckets/lists");
    std::fs::create_dir_all(&bucket).expect("it can be made");
    let rows = (0..40).map(|row| format!("{row}\n")).collect::<Vec<String>>().concat();
    std::fs::write(bucket.join("rows"), rows).expect("it is written");
    let wait = json!({"Type": "Wait", "Seconds": 1, "End": true});
    let more = [("MaxConcurrency", json!(5))];
    let definition = map("rows", json!({"InputType": "JSONL"}), wait, &more);
    let api = &server.api;
    let execution = begin(api, "changed", &definition).await;
    let running = async |expected: i64| loop {
        let run = map_run(api, &execution).await;
        if count_of(&run, "running") == Some(expected) {
            return run;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let update = async |run: &Json, most: i64| {
        let body = json!({"mapRunArn": (text(run, "mapRunArn")), "maxConcurrency": most});
        api.call("UpdateMapRun", body).await.expect("it is updated");
        let run = map_run(api, &execution).await;
        assert_eq!(run.get("maxConcurrency").and_then(Json::as_i64), Some(most));
    };
    let run = running(5).await;
    update(&run, 12).await;
    let run = running(12).await;
    assert!(count_of(&run, "total") == Some(40), "{run}");
    // Those that run go on; no other begins before there are fewer than two.
    update(&run, 2).await;
    let mut before = 12;
    while before > 2 {
        let run = map_run(api, &execution).await;
        let now = count_of(&run, "running").expect("a number");
        assert!(now <= before, "{now} run where {before} ran: {run}");
        before = now;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let run = running(2).await;
    update(&run, 0).await;
    let ended = end(api, &execution).await;
    assert_eq!(text(&ended, "status"), "SUCCEEDED", "{ended}");
    assert_eq!(records(&folder.path().join("buckets"), &run, "SUCCEEDED").len(), 40);
}

/// Paths say how large batches are, and what all of them have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_are_as_large_as_the_input_says() {
    let folder = tempfile::tempdir().expect("a directory");
    let server = start(Some(folder.path()), Vec::new()).await;
    let buckets = folder.path().join("buckets");
    std::fs::create_dir_all(buckets.join("lists")).expect("it can be made");
    let rows = (0..10).map(|row| format!("\"{row:08}\"\n")).collect::<Vec<String>>().concat();
    std::fs::write(buckets.join("lists/rows"), rows).expect("it is written");
    let batcher = json!({
        "MaxItemsPerBatchPath": "$.count", "MaxInputBytesPerBatchPath": "$.bytes",
        "BatchInput": {"a.$": "$.shared"}
    });
    let more = [("ItemBatcher", batcher)];
    let definition = map("rows", json!({"InputType": "JSONL"}), pass(), &more);
    let api = &server.api;
    // `{"BatchInput":{"a":1},"Items":["00000000","00000001"]}` has 54 bytes, and 11 more with each item.
    for (name, count, bytes, expected) in [
        ("by-count", 4, 1_000, vec![4, 4, 2]),
        ("by-bytes", 100, 65, vec![3, 3, 3, 1]),
        ("one-byte-less", 100, 64, vec![2, 2, 2, 2, 2]),
        ("by-both", 2, 65, vec![2, 2, 2, 2, 2]),
        ("too-large", 100, 1, vec![1; 10]),
    ] {
        let input = json!({"count": count, "bytes": bytes, "shared": 1});
        let execution = begin_with(api, name, &definition, &input).await;
        let ended = end(api, &execution).await;
        assert_eq!(text(&ended, "status"), "SUCCEEDED", "{name}: {ended}");
        let run = map_run(api, &execution).await;
        assert_eq!(count_of(&run, "total"), Some(10), "{name}");
        let written = records(&buckets, &run, "SUCCEEDED");
        let inputs = written.iter().map(|record| text(record, "Input"));
        let inputs: Vec<Json> =
            inputs.map(|input| stepwright_json::parse(input).expect("it is JSON")).collect();
        let items = |input: &Json| input.get("Items").and_then(Json::as_array).cloned();
        let batches: Vec<_> = inputs.iter().map(|input| items(input).expect("items")).collect();
        assert_eq!(batches.iter().map(|batch| batch.len()).collect::<Vec<_>>(), expected, "{name}");
        assert!(inputs.iter().all(|input| input.get("BatchInput") == Some(&json!({"a": 1}))));
        let all: Vec<String> =
            batches.iter().flat_map(|batch| batch.iter().map(Json::to_string)).collect();
        assert_eq!(all, (0..10).map(|row| format!("\"{row:08}\"")).collect::<Vec<_>>(), "{name}");
    }
}
