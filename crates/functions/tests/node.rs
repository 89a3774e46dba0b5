//! JavaScript handlers.

mod common;

use common::{Fixture, has_program, member};
use stepwright_json::Json;

const CODE: &str = r"
let count = 0;
exports.handler = async (event, context) => {
  count += 1;
  switch (event.do) {
    case 'throw': throw new RangeError('too far');
    case 'text': throw 'just text';
    case 'exit': process.exit(4);
    case 'reject': Promise.reject(new TypeError('nobody cares')); await new Promise((r) => setTimeout(r, 500)); return 0;
    case 'uncaught': setTimeout(() => { throw new Error('later'); }, 5); await new Promise((r) => setTimeout(r, 500)); return 0;
    case 'bigint': return 1n;
    case 'undefined': return undefined;
    case 'context': return { id: context.awsRequestId, arn: context.invokedFunctionArn, name: context.functionName,
      left: context.getRemainingTimeInMillis(), root: process.env.LAMBDA_TASK_ROOT === process.cwd() };
    case 'log': console.log('hello %s', 'there'); return null;
    default: return { event, count };
  }
};
exports.callback = (event, context, callback) => {
  setTimeout(() => event.fail ? callback(new Error('called back')) : callback(null, { event }), 5);
};
exports.silent = (event, context, callback) => {};
exports.early = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = false;
  setTimeout(() => {}, 60000);
  callback(null, 'early');
};
exports.inner = { deep: async () => 'deep' };
";

const ES_MODULE: &str = "
const value = await Promise.resolve('awaited');
export const handler = async () => value;
";

fn fixture() -> Fixture {
    let config = [
        ("f", "index.handler"),
        ("callback", "index.callback"),
        ("silent", "index.silent"),
        ("early", "index.early"),
        ("deep", "index.inner.deep"),
        ("module", "lib/module.handler"),
        ("typed", "typed/index.handler"),
        ("none", "index.nothing"),
        ("missing", "nowhere.handler"),
        ("broken", "broken.handler"),
    ]
    .map(|(name, handler)| {
        format!("[{name}]\nruntime = 'nodejs20.x'\nhandler = '{handler}'\ncode = 'src'\n")
    })
    .concat();
    Fixture::new(
        &config,
        &[
            ("src/index.js", CODE),
            ("src/lib/module.mjs", ES_MODULE),
            ("src/typed/package.json", r#"{"type":"module"}"#),
            ("src/typed/index.js", ES_MODULE),
            ("src/broken.js", "exports.handler = ("),
        ],
    )
}

#[tokio::test]
async fn handlers_of_every_form_are_called() {
    if !has_program("node") {
        return;
    }
    let fixture = fixture();
    let value = fixture.value("f", r#"{"a":"é€"}"#).await;
    assert_eq!(value.to_string(), r#"{"event":{"a":"é€"},"count":1}"#);
    assert_eq!(fixture.value("f", "1").await.to_string(), r#"{"event":1,"count":2}"#);
    assert_eq!(fixture.value("f", r#"{"do":"undefined"}"#).await, Json::Null);
    assert_eq!(fixture.value("callback", "[1]").await.to_string(), r#"{"event":[1]}"#);
    assert_eq!(fixture.value("callback", "[2]").await.to_string(), r#"{"event":[2]}"#);
    assert_eq!(fixture.value("silent", "{}").await, Json::Null);
    assert_eq!(fixture.value("early", "{}").await, Json::from("early"));
    assert_eq!(fixture.value("deep", "{}").await, Json::from("deep"));
    assert_eq!(fixture.value("module", "{}").await, Json::from("awaited"));
    assert_eq!(fixture.value("typed", "{}").await, Json::from("awaited"));
    fixture.functions.shutdown().await;
}

#[tokio::test]
async fn the_context_is_lambdas() {
    if !has_program("node") {
        return;
    }
    let fixture = fixture();
    let reply = fixture.call("f", r#"{"do":"context"}"#).await;
    let value = common::json(&reply);
    assert_eq!(member(&value, "id"), reply.request_id);
    assert_eq!(member(&value, "arn"), "arn:aws:lambda:us-east-1:123456789012:function:f");
    assert_eq!(member(&value, "name"), "f");
    assert_eq!(value.get("root").and_then(Json::as_bool), Some(true));
    let left = value.get("left").and_then(Json::as_i64).expect("a number");
    assert!((1_000..=3_000).contains(&left), "{left} ms are left");
    fixture.value("f", r#"{"do":"log"}"#).await;
    let lines = fixture.lines();
    assert!(lines.iter().any(|line| line.ends_with("\tINFO\thello there")), "{lines:?}");
}

#[tokio::test]
async fn errors_are_shown_as_lambda_shows_them() {
    if !has_program("node") {
        return;
    }
    let fixture = fixture();
    let check = async |function: &str, payload: &str, kind: &str, message: &str| {
        let failure = fixture.failure(function, payload).await;
        assert_eq!(member(&failure, "errorType"), kind, "{failure}");
        assert!(member(&failure, "errorMessage").contains(message), "{failure}");
        failure
    };
    let failure = check("f", r#"{"do":"throw"}"#, "RangeError", "too far").await;
    let trace = failure.get("trace").and_then(Json::as_array).expect("a list");
    assert_eq!(trace[0].as_str(), Some("RangeError: too far"));
    check("f", r#"{"do":"text"}"#, "string", "just text").await;
    check("f", r#"{"do":"bigint"}"#, "Error", "Unable to stringify response body").await;
    check("callback", r#"{"fail":1}"#, "Error", "called back").await;
    let unhandled = "Runtime.UnhandledPromiseRejection";
    check("f", r#"{"do":"reject"}"#, unhandled, "TypeError: nobody cares").await;
    check("f", r#"{"do":"uncaught"}"#, "Error", "later").await;
    check("f", r#"{"do":"exit"}"#, "Runtime.ExitError", "exit status 4").await;
    check("none", "{}", "Runtime.HandlerNotFound", "index.nothing is undefined").await;
    check("missing", "{}", "Runtime.ImportModuleError", "Cannot find module 'nowhere'").await;
    check("broken", "{}", "Runtime.UserCodeSyntaxError", "SyntaxError: ").await;
    // After all of that, the function is still usable.
    assert_eq!(
        fixture.value("f", "{}").await.get("event").map(Json::to_string).as_deref(),
        Some("{}")
    );
}
