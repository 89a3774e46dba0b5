//! Calls of API Gateway's APIs.

use crate::stub::{
    assembled, assembled_with, at, at_within, ended, history, outcome, run, start, start_with,
    task, until,
};
use crate::web::{Says, Web, answer, json_body};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stepwright_integrations::{AwsServices, ServiceConfig};
use stepwright_json::{Json, Object, json};
use stepwright_server::config::{AllowConfig, CredentialConfig, RoleConfig};

const INVOKE: &str = "arn:aws:states:::apigateway:invoke";
const HOST: &str = "abc123.execute-api.eu-west-1.amazonaws.com";

fn call(method: &str, more: Json) -> Json {
    let mut given = json!({"ApiEndpoint": HOST, "Method": method});
    if let (Json::Object(given), Json::Object(more)) = (&mut given, more) {
        for (name, value) in more.iter() {
            given.insert(name.clone(), value.clone());
        }
    }
    given
}

/// What a recording shows of the API, which gives back what it is given.
#[tokio::test]
async fn an_api_is_called_as_recorded() {
    let web = Web::start(|request, _| {
        let body = String::from_utf8(request.body.clone()).unwrap();
        let body = if body.is_empty() { "{}".to_owned() } else { body };
        let headers = "Connection: keep-alive\r\nX-Cache: Miss from cloudfront\r\n\
                       x-amzn-requestid: R\r\nvia: v\r\nContent-Type: application/json\r\nzeta: 1\r\n";
        answer(200, headers, &body)
    })
    .await;
    let url = web.url();
    let services = [("apigateway", url.as_str())];
    for (body, expected, length) in [
        (json!({"message": "HelloWorld!"}), json!({"message": "HelloWorld!"}), "25"),
        (json!("HelloWorld"), json!("HelloWorld"), "12"),
        (json!(""), json!(""), "2"),
        (json!(null), json!({}), "2"),
    ] {
        let more = json!({"Stage": "sfn-apigw-api", "Path": "id_func", "RequestBody": body});
        let output = run(&services, INVOKE, call("POST", more)).await.unwrap();
        let headers = json!({
            "Connection": ["keep-alive"], "Content-Length": [length], "Content-Type": ["application/json"],
            "Via": ["v"], "x-amzn-RequestId": ["R"], "X-Cache": ["Miss from cloudfront"], "zeta": ["1"]
        });
        let result = json!({"Headers": headers, "ResponseBody": expected, "StatusCode": 200, "StatusText": "OK"});
        assert_eq!(output.to_string(), result.to_string());
        assert_eq!(web.last().path, "/sfn-apigw-api/id_func");
        assert_eq!(web.last().header("host"), Some(HOST));
    }
}

/// The recorded executions that call an API: an API that answers on the wire what AWS's did leads to
/// the same end.
#[tokio::test]
async fn recordings_end_as_they_did() {
    let shared = std::env::var_os("STEPWRIGHT_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let cases = shared.join("conformance/asl/cases");
    let folders = ["services/test_apigetway_task_service", "scenarios/test_sfn_scenarios"];
    let files = folders.iter().flat_map(|folder| {
        let listed = std::fs::read_dir(cases.join(folder)).into_iter().flatten();
        listed.map(|entry| entry.expect("it can be listed").path())
    });
    let mut count = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).expect("it can be read");
        let case = stepwright_json::parse(&text).expect("it is JSON");
        let get = |key: &str| case.get(key).cloned().unwrap_or_default();
        if !get("requires").to_string().contains("apigateway") {
            continue;
        }
        count += 1;
        let at = file.display();
        let answered =
            get("mocks").at(0).and_then(|mock| mock.get("outcome")?.get("output")).cloned();
        let said = answered.clone().unwrap_or_default();
        let web = Web::start(move |_, _| {
            let mut head = String::new();
            let headers = said.get("Headers").and_then(Json::as_object);
            for (name, values) in headers.into_iter().flat_map(Object::iter) {
                let value = values.at(0).and_then(Json::as_str).unwrap_or("any");
                if name != "Content-Length" {
                    // Names have no capitals on the wire of version 2.
                    write!(head, "{}: {value}\r\n", name.to_lowercase()).expect("a text grows");
                }
            }
            answer(200, &head, &said.get("ResponseBody").cloned().unwrap_or_default().to_string())
        })
        .await;
        let assembled = assembled(at_within(&[("apigateway", &web.url())], 5), None).await;
        let mut input = get("input");
        if let Json::Object(members) = &mut input
            && members.contains_key("ApiEndpoint")
        {
            members.insert("ApiEndpoint", HOST.into());
        }
        let execution = start_with(&assembled.api, &get("definition"), &input.to_string()).await;
        let ended = ended(&assembled.api, &execution).await;
        let expected = get("expected");
        assert_eq!(ended.get("status"), expected.get("status"), "{at}: {ended}");
        let Some(answered) = answered else {
            let cause = ended.get("cause").and_then(Json::as_str).unwrap_or_default();
            assert!(
                cause.ends_with("[The value of the field 'Headers' has an invalid format]"),
                "{at}"
            );
            continue;
        };
        let events = history(&assembled.api, &execution).await;
        let succeeded = events.iter().find_map(|event| event.get("taskSucceededEventDetails"));
        let output = succeeded.and_then(|details| details.get("output")).and_then(Json::as_str);
        let output =
            stepwright_json::parse(output.expect("the task succeeded")).expect("it is JSON");
        let names = |value: &Json| {
            let headers =
                value.get("Headers").and_then(Json::as_object).expect("there are headers");
            headers.keys().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names(&output), names(&answered), "{at}");
        for key in ["ResponseBody", "StatusCode", "StatusText"] {
            assert_eq!(output.get(key), answered.get(key), "{at}: {key}");
        }
    }
    assert_eq!(count, if cases.is_dir() { 8 } else { 0 });
}

#[tokio::test]
async fn a_request_has_all_that_is_given() {
    let web = Web::start(|_, _| json_body(200, "1")).await;
    let url = web.url();
    let services = [("apigateway", url.as_str())];
    let more = json!({
        "Path": "/pets/a b",
        "Headers": {"custom_header": ["arrayHeader0", "arrayHeader1"], "Content-Length": ["99"]},
        "QueryParameters": {"billId": ["1 2", "3"]},
        "RequestBody": {"type": "turtle", "category": null, "of": [{"a": null}, null]}
    });
    run(&services, INVOKE, call("PUT", more.clone())).await.unwrap();
    let request = web.last();
    assert_eq!(
        (request.path.as_str(), request.query.as_str()),
        ("/pets/a%20b", "billId=1%202&billId=3")
    );
    assert_eq!(request.body, b"{\"type\":\"turtle\",\"of\":[{},null]}");
    let custom = request.headers.iter().filter(|(name, _)| name == "custom_header");
    assert_eq!(
        custom.map(|(_, value)| value.as_str()).collect::<Vec<_>>(),
        ["arrayHeader0", "arrayHeader1"]
    );
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("authorization"), None);
    let Json::Object(mut with_nulls) = more else { unreachable!("it is an object") };
    with_nulls.insert("AllowNullValues", json!(true));
    run(&services, INVOKE, call("PATCH", with_nulls.clone().into())).await.unwrap();
    assert_eq!(
        web.last().body,
        b"{\"type\":\"turtle\",\"category\":null,\"of\":[{\"a\":null},null]}"
    );
    // Only PATCH, POST and PUT have bodies.
    run(&services, INVOKE, call("GET", with_nulls.into())).await.unwrap();
    assert!(web.last().body.is_empty());
}

#[tokio::test]
async fn calls_are_signed_for_the_region_of_the_api() {
    let web = Web::start(|_, _| json_body(200, "1")).await;
    let url = web.url();
    let services = [("apigateway", url.as_str())];
    for auth in ["IAM_ROLE", "RESOURCE_POLICY"] {
        let more = json!({"AuthType": auth, "Stage": "s", "RequestBody": {}});
        run(&services, INVOKE, call("POST", more)).await.unwrap();
        let signature = web.last().header("authorization").expect("it is signed").to_owned();
        assert!(signature.contains("/eu-west-1/execute-api/aws4_request"), "{signature}");
        assert!(signature.contains("SignedHeaders=content-type;host;x-amz-date"), "{signature}");
    }
}

/// What the API says, the error, and what its cause says.
type Failing = (fn() -> Says, &'static str, &'static str);

#[tokio::test]
async fn failures_have_the_number_of_the_status_and_the_body() {
    let forbidden = "{\"message\":\"Missing Authentication Token\"}";
    let cases: [Failing; 7] = [
        (
            || json_body(403, "{\"message\":\"Missing Authentication Token\"}"),
            "ApiGateway.403",
            forbidden,
        ),
        (|| json_body(429, ""), "ApiGateway.429", ""),
        (|| answer(503, "", "busy"), "ApiGateway.503", "busy"),
        (|| answer(302, "Location: http://169.254.169.254/\r\n", ""), "ApiGateway.302", ""),
        (|| Says::Endless, "States.DataLimitExceeded", "'apigateway' returned a result"),
        (|| Says::Silence, "ApiGateway.SdkClientException", "within 2 s"),
        (
            || Says::Raw(Vec::new()),
            "ApiGateway.SdkClientException",
            "Unable to execute HTTP request",
        ),
    ];
    for (says, error, expected) in cases {
        let web = Web::start(move |_, _| says()).await;
        let assembled = assembled(at_within(&[("apigateway", &web.url())], 2), None).await;
        let execution = start(&assembled.api, &task(INVOKE, call("GET", json!({})))).await;
        let (name, cause) = outcome(&ended(&assembled.api, &execution).await).unwrap_err();
        assert_eq!(name, error, "{cause}");
        assert!(cause.contains(expected), "{name}: {cause}");
        assert_eq!(web.requests().len(), 1, "{name}");
    }
}

#[tokio::test]
async fn on_aws_only_hosts_of_api_gateway_are_called() {
    let config = ServiceConfig { aws: true, ..ServiceConfig::default() };
    let services = BTreeMap::from([("apigateway".to_owned(), config)]);
    let services = Arc::new(AwsServices::new(&services).unwrap());
    for host in [
        "169.254.169.254",
        "example.com",
        "https://abc.execute-api.us-east-1.amazonaws.com",
        "a.execute-api.us-east-1.amazonaws.com.evil.example",
        "u@h",
        "",
    ] {
        let assembled = assembled(services.clone(), None).await;
        let definition = task(INVOKE, json!({"ApiEndpoint": host, "Method": "GET"}));
        let execution = start(&assembled.api, &definition).await;
        let (name, cause) = outcome(&ended(&assembled.api, &execution).await).unwrap_err();
        assert_eq!(name, "States.Runtime");
        assert!(
            cause.contains("The value of the field 'ApiEndpoint' has an invalid format"),
            "{cause}"
        );
    }
    let (name, cause) = run(&[], INVOKE, call("GET", json!({}))).await.unwrap_err();
    assert_eq!(name, "States.Runtime");
    assert!(cause.contains("[services.apigateway]"), "{cause}");
}

#[tokio::test]
async fn a_token_ends_a_task_that_waits() {
    let web = Web::start(|_, _| json_body(200, "{}")).await;
    let assembled = assembled(at(&[("apigateway", &web.url())]), None).await;
    let mut parameters = call("POST", json!({}));
    if let Json::Object(members) = &mut parameters {
        members.insert("Headers", json!({"TaskToken.$": "States.Array($$.Task.Token)"}));
    }
    let definition = task("arn:aws:states:::apigateway:invoke.waitForTaskToken", parameters);
    let execution = start(&assembled.api, &definition).await;
    until(|| !web.requests().is_empty()).await;
    let token = web.last().header("tasktoken").expect("it is sent").to_owned();
    let success = json!({"taskToken": token, "output": "7"});
    assembled.api.call("SendTaskSuccess", success).await.unwrap();
    assert_eq!(outcome(&ended(&assembled.api, &execution).await), Ok(json!(7)));
}

#[tokio::test]
async fn rights_are_asked_for_before_a_signed_call() {
    let web = Web::start(|_, _| json_body(200, "1")).await;
    let credentials = CredentialConfig {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Some("secret".to_owned()),
        actions: vec!["states:*".to_owned()],
        resources: vec!["*".to_owned()],
        account: None,
    };
    let prod = "arn:aws:execute-api:eu-west-1:123456789012:abc123/prod/GET/pets/*";
    let test = "arn:aws:execute-api:*:*:abc123/test/*";
    for (resource, path, is_allowed) in [
        (prod, "/pets/1", true),
        (test, "/pets/1", false),
        // What leads out of a stage is in another one.
        (prod, "/pets/../../test/1", false),
        (prod, "/pets/%2e%2e/%2E%2e/test/1", false),
        (test, "/pets/../../test/1", true),
    ] {
        let before = web.requests().len();
        let allow = AllowConfig {
            actions: vec!["execute-api:Invoke".to_owned()],
            resources: vec![resource.to_owned()],
        };
        let role = RoleConfig { arn: crate::stub::ROLE.to_owned(), allow: vec![allow] };
        let services = at(&[("apigateway", &web.url())]);
        let assembled = assembled_with(services, None, vec![credentials.clone()], vec![role]).await;
        let more = json!({"AuthType": "IAM_ROLE", "Stage": "prod", "Path": path});
        let execution = start(&assembled.api, &task(INVOKE, call("GET", more))).await;
        let outcome = outcome(&ended(&assembled.api, &execution).await);
        assert_eq!(outcome.is_ok(), is_allowed, "{resource} {path}: {outcome:?}");
        assert_eq!(web.requests().len() - before, usize::from(is_allowed));
        if let Err((name, cause)) = outcome {
            assert_eq!(name, "ApiGateway.403");
            assert!(cause.contains("execute-api:Invoke"), "{cause}");
        }
    }
}
