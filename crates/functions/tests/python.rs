//! Python handlers.

mod common;

use base64::Engine as _;
use common::{Fixture, has_program, invocation, json, member};
use std::io::Write as _;
use std::path::PathBuf;
use stepwright_functions::Invocation;
use stepwright_json::Json;

const CODE: &str = r#"
import decimal, logging, os, sys, time
logger = logging.getLogger()
count = 0

class NoStock(Exception):
    pass

def handler(event, context):
    global count
    count += 1
    what = event.get("do")
    if what == "raise":
        raise NoStock("none left")
    if what == "exit":
        sys.exit(int(event["status"]))
    if what == "kill":
        os.kill(os.getpid(), 9)
    if what == "sleep":
        time.sleep(event["seconds"])
    if what == "set":
        return {1, 2}
    if what == "decimal":
        return {"n": decimal.Decimal("1.5"), "m": decimal.Decimal("3")}
    if what == "large":
        return "x" * event["size"]
    if what == "print":
        print("on stdout", event.get("text", "é"))
        print("on stderr", file=sys.stderr)
        logger.warning("a warning")
    if what == "context":
        return {
            "id": context.aws_request_id, "arn": context.invoked_function_arn,
            "name": context.function_name, "version": context.function_version,
            "memory": context.memory_limit_in_mb, "left": context.get_remaining_time_in_millis(),
            "custom": context.client_context.custom if context.client_context else None,
            "trace": os.environ["_X_AMZN_TRACE_ID"], "handler": os.environ["_HANDLER"],
            "region": os.environ["AWS_REGION"], "mine": os.environ["MINE"],
            "root": os.environ["LAMBDA_TASK_ROOT"] == os.getcwd(),
        }
    return {"event": event, "count": count}
"#;

const CONFIG: &str = "
    [f]
    runtime = 'python3.12'
    handler = 'app.handler'
    code = 'src'
    timeout = 2
    memory = 256
    environment = { MINE = 'yes' }
    [broken]
    runtime = 'python3.12'
    handler = 'broken.handler'
    code = 'src'
    [missing]
    runtime = 'python3.12'
    handler = 'nowhere.handler'
    code = 'src'
    [unnamed]
    runtime = 'python3.12'
    handler = 'app.other'
    code = 'src'
    [nested]
    runtime = 'python3.12'
    handler = 'pkg/inner.handler'
    code = 'src'
";

fn fixture() -> Fixture {
    let inner = "def handler(event, context):\n    return 'inner'\n";
    let files =
        [("src/app.py", CODE), ("src/broken.py", "def handler(:\n"), ("src/pkg/inner.py", inner)];
    Fixture::new(CONFIG, &files)
}

#[tokio::test]
async fn a_handler_is_called_and_stays_warm() {
    if !has_program("python3") {
        return;
    }
    let fixture = fixture();
    let value = fixture.value("f", r#"{"a":"é€"}"#).await;
    assert_eq!(value.to_string(), r#"{"event":{"a":"é€"},"count":1}"#);
    let value = fixture.value("arn:aws:lambda:us-east-1:123456789012:function:f:prod", "").await;
    assert_eq!(value.to_string(), r#"{"event":{},"count":2}"#);
    assert_eq!(fixture.value("nested", "{}").await, Json::from("inner"));
    let value = fixture.value("f", r#"{"do":"decimal"}"#).await;
    assert_eq!(value.to_string(), r#"{"n":1.5,"m":3}"#);
    fixture.functions.shutdown().await;
}

#[tokio::test]
async fn the_context_is_lambdas() {
    if !has_program("python3") {
        return;
    }
    let fixture = fixture();
    let context = base64::engine::general_purpose::STANDARD.encode(r#"{"custom":{"k":"v"}}"#);
    let reply = fixture
        .invoke(Invocation {
            qualifier: Some("7".to_owned()),
            client_context: Some(context),
            trace_header: Some("Root=1-2-3".to_owned()),
            ..invocation("f", r#"{"do":"context"}"#)
        })
        .await;
    assert_eq!(reply.executed_version, "7");
    let value = json(&reply);
    assert_eq!(member(&value, "id"), reply.request_id);
    assert_eq!(member(&value, "arn"), "arn:aws:lambda:us-east-1:123456789012:function:f:7");
    assert_eq!(member(&value, "name"), "f");
    assert_eq!(member(&value, "version"), "$LATEST");
    assert_eq!(member(&value, "memory"), "256");
    assert_eq!(member(&value, "trace"), "Root=1-2-3");
    assert_eq!(member(&value, "handler"), "app.handler");
    assert_eq!(member(&value, "region"), "us-east-1");
    assert_eq!(member(&value, "mine"), "yes");
    assert_eq!(value.get("custom").map(Json::to_string).as_deref(), Some(r#"{"k":"v"}"#));
    assert_eq!(value.get("root").and_then(Json::as_bool), Some(true));
    let left = value.get("left").and_then(Json::as_i64).expect("a number");
    assert!((1_000..=2_000).contains(&left), "{left} ms are left");
}

#[tokio::test]
async fn exceptions_are_shown_as_lambda_shows_them() {
    if !has_program("python3") {
        return;
    }
    let fixture = fixture();
    let failure = fixture.failure("f", r#"{"do":"raise"}"#).await;
    assert_eq!(member(&failure, "errorType"), "NoStock");
    assert_eq!(member(&failure, "errorMessage"), "none left");
    let trace = failure.get("stackTrace").and_then(Json::as_array).expect("a list");
    assert_eq!(trace.len(), 1, "{failure}");
    let frame = trace[0].as_str().expect("a text");
    assert!(frame.contains("app.py\", line ") && frame.contains("in handler"), "{frame}");
    let failure = fixture.failure("f", r#"{"do":"set"}"#).await;
    assert_eq!(member(&failure, "errorType"), "Runtime.MarshalError");
    assert!(member(&failure, "errorMessage").contains("set is not JSON serializable"));
    // It is still the same process.
    assert_eq!(fixture.value("f", "{}").await.to_string(), r#"{"event":{},"count":3}"#);
}

#[tokio::test]
async fn code_that_cannot_be_loaded_is_an_init_error() {
    if !has_program("python3") {
        return;
    }
    let fixture = fixture();
    let failure = fixture.failure("broken", "{}").await;
    assert_eq!(member(&failure, "errorType"), "Runtime.UserCodeSyntaxError");
    let failure = fixture.failure("missing", "{}").await;
    assert_eq!(member(&failure, "errorType"), "Runtime.ImportModuleError");
    assert_eq!(
        member(&failure, "errorMessage"),
        "Unable to import module 'nowhere': No module named 'nowhere'"
    );
    let failure = fixture.failure("unnamed", "{}").await;
    assert_eq!(member(&failure, "errorType"), "Runtime.HandlerNotFound");
}

#[tokio::test]
async fn a_process_that_ends_is_an_exit_error() {
    if !has_program("python3") {
        return;
    }
    let fixture = fixture();
    for (payload, how) in [
        (r#"{"do":"exit","status":3}"#, "Runtime exited with error: exit status 3"),
        (r#"{"do":"exit","status":0}"#, "Runtime exited without providing a reason"),
        (r#"{"do":"kill"}"#, "Runtime exited with error: signal: killed"),
    ] {
        let reply = fixture.call("f", payload).await;
        let failure = json(&reply);
        assert_eq!(member(&failure, "errorType"), "Runtime.ExitError");
        let wanted = format!("RequestId: {} Error: {how}", reply.request_id);
        assert_eq!(member(&failure, "errorMessage"), wanted);
    }
    assert_eq!(fixture.value("f", "{}").await.to_string(), r#"{"event":{},"count":1}"#);
}

#[tokio::test]
async fn what_takes_too_long_is_ended() {
    if !has_program("python3") {
        return;
    }
    let fixture = fixture();
    let reply = fixture.call("f", r#"{"do":"sleep","seconds":60}"#).await;
    let failure = json(&reply);
    let message = member(&failure, "errorMessage");
    let wanted = format!("Z {} Task timed out after 2.00 seconds", reply.request_id);
    assert!(message.ends_with(&wanted), "{message}");
    assert_eq!(failure.get("errorType"), None);
    assert_eq!(fixture.value("f", "{}").await.to_string(), r#"{"event":{},"count":1}"#);
}

#[tokio::test]
async fn logs_come_back_with_the_answer() {
    if !has_program("python3") {
        return;
    }
    let fixture = fixture();
    let payload = r#"{"do":"print"}"#;
    let reply = fixture.invoke(Invocation { log_tail: true, ..invocation("f", payload) }).await;
    let tail = reply.log_tail.expect("it was asked for");
    let tail = base64::engine::general_purpose::STANDARD.decode(tail).expect("Base64");
    let tail = String::from_utf8(tail).expect("UTF-8");
    let id = &reply.request_id;
    for part in [
        &format!("START RequestId: {id} Version: $LATEST\n"),
        "on stdout é\n",
        "on stderr\n",
        &format!("\t{id}\ta warning\n"),
        &format!("END RequestId: {id}\nREPORT RequestId: {id}\tDuration: "),
        "Memory Size: 256 MB",
    ] {
        assert!(tail.contains(part), "{part:?} is in {tail:?}");
    }
    let lines = fixture.lines();
    assert!(lines.contains(&"on stdout é".to_owned()), "{lines:?}");
    let reply = fixture.call("f", "{}").await;
    assert_eq!(reply.log_tail, None);
}

#[tokio::test]
async fn an_answer_may_have_six_megabytes() {
    if !has_program("python3") {
        return;
    }
    let fixture = fixture();
    let most = 6 * 1024 * 1024 + 100;
    let value = fixture.value("f", &format!(r#"{{"do":"large","size":{}}}"#, most - 2)).await;
    assert_eq!(value.as_str().map(str::len), Some(most - 2));
    let failure = fixture.failure("f", &format!(r#"{{"do":"large","size":{most}}}"#)).await;
    assert_eq!(member(&failure, "errorType"), "Function.ResponseSizeTooLarge");
    assert_eq!(
        member(&failure, "errorMessage"),
        "Response payload size (6291558 bytes) exceeded maximum allowed payload size (6291556 \
         bytes)."
    );
    assert_eq!(
        fixture.value("f", "{}").await.get("event").map(Json::to_string).as_deref(),
        Some("{}")
    );
}

#[tokio::test]
async fn code_may_be_an_archive() {
    if !has_program("python3") {
        return;
    }
    let config = "[f]\nruntime = 'python3.x'\nhandler = 'app.handler'\ncode = 'f.zip'";
    let fixture = Fixture::new(config, &[]);
    let file = std::fs::File::create(fixture.folder.path().join("f.zip")).expect("a file");
    let mut archive = zip::ZipWriter::new(file);
    archive.start_file("app.py", zip::write::SimpleFileOptions::default()).expect("a name");
    let code =
        b"import os\ndef handler(event, context):\n    return os.environ['LAMBDA_TASK_ROOT']\n";
    archive.write_all(code).expect("a file");
    archive.finish().expect("a file");
    let root = fixture.value("f", "{}").await.as_str().map(PathBuf::from).expect("a text");
    assert!(root.join("app.py").is_file());
    fixture.functions.shutdown().await;
    assert!(!root.exists(), "nothing is left behind");
}
