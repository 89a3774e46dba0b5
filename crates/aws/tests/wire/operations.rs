//! Every operation of every service, with values that are made up: what is written is read, the same
//! in both directions; and whatever comes over the wire, nothing panics.

use crate::model;
use stepwright_aws::codec::{self, Message, Request, Response, ServiceError};
use stepwright_aws::shapes::{Kind, Location, Member, Reference, Structure};
use stepwright_aws::table::{self, Operation, Protocol, Service};
use stepwright_json::{Array, Json, Object, json};

/// Numbers that look random and are the same every time.
struct Chance(u64);

impl Chance {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % below.max(1)
    }
}

/// Makes values up.
struct Maker<'s> {
    service: &'s Service,
    /// Whether the value will stand in a header.
    is_header: bool,
    chance: Chance,
}

impl Maker<'_> {
    fn message(&mut self, reference: Option<&Reference>) -> Message {
        let Some(reference) = reference else { return Json::Object(Object::new()).into() };
        let value = self.value(reference, 0).unwrap_or_else(|| Json::Object(Object::new()));
        let mut message = Message::from(value);
        let payload = self.service.structure(Some(reference)).and_then(Structure::payload);
        if let Some(payload) = payload
            && matches!(self.service.shape(&payload.reference).kind, Kind::Blob)
            && let Json::Object(members) = &mut message.value
            && members.remove(&payload.name).is_some()
        {
            message.body = Some(b"\x00any bytes\xff".to_vec());
        }
        message
    }

    /// A value that is not empty; nothing where there is none.
    fn value(&mut self, reference: &Reference, depth: usize) -> Option<Json> {
        let service = self.service;
        if depth == 1 {
            let location = service.traits(reference).location;
            self.is_header = matches!(location, Location::Header | Location::Headers);
        }
        Some(match &service.shape(reference).kind {
            Kind::Structure(structure) => return self.structure(structure, depth),
            Kind::List(item) => {
                let count = 1 + self.chance.next(2);
                let items: Array = (0..count).filter_map(|_| self.value(item, depth + 1)).collect();
                (!items.is_empty()).then_some(Json::Array(items))?
            }
            Kind::Map(key, of) => {
                let is_header = service.traits(reference).location == Location::Headers;
                let mut members = Object::new();
                for number in 0..=self.chance.next(2) {
                    let key = match &service.shape(key).kind {
                        Kind::String { values } if !values.is_empty() => {
                            values[number % values.len()].to_string()
                        }
                        _ if is_header => format!("key-{number}"),
                        _ => format!("key {number}/ü"),
                    };
                    members.insert(key, self.value(of, depth + 1)?);
                }
                Json::Object(members)
            }
            Kind::String { values } if !values.is_empty() => {
                values[self.chance.next(values.len())].clone().into()
            }
            Kind::String { .. } => {
                let traits = service.traits(reference);
                match traits.location {
                    _ if traits.is_host_label => "label-1".into(),
                    _ if traits.is_json => r#"{"a":[1,"ü"]}"#.into(),
                    _ if self.is_header => ["plain", "a; b=\"c\"", "ü"][self.chance.next(3)].into(),
                    _ => ["text", "a b&c=d/e+f?g%20", "<é> \"'\\\u{1f600}", " x\ny\r\n\t "]
                        [self.chance.next(4)]
                    .into(),
                }
            }
            Kind::Boolean => Json::Bool(self.chance.next(2) == 0),
            Kind::Integer if service.traits(reference).location == Location::Status => {
                Json::Int(200)
            }
            Kind::Integer => Json::Int([0, -1, 7, i64::from(i32::MAX)][self.chance.next(4)]),
            Kind::Long => Json::Int([0, -1, 7, i64::MAX, i64::MIN][self.chance.next(5)]),
            Kind::Float | Kind::Double => {
                [Json::Float(0.5), Json::Float(-1.25e10), "NaN".into(), "-Infinity".into()]
                    [self.chance.next(4)]
                .clone()
            }
            Kind::Timestamp => "2015-01-25T08:00:00Z".into(),
            Kind::Blob => ["AAEC/w==", "dGV4dA=="][self.chance.next(2)].into(),
            Kind::Document => json!({"any": [1, 2.5, null, true, "x"], "of": {}}),
        })
    }

    fn structure(&mut self, structure: &Structure, depth: usize) -> Option<Json> {
        let mut members = Object::new();
        if structure.is_union {
            let start = self.chance.next(structure.members.len());
            let turned = structure.members.iter().cycle().skip(start).take(structure.members.len());
            for member in turned {
                if depth < 6
                    && let Some(value) = self.value(&member.reference, depth + 1)
                {
                    members.insert(member.name.clone(), value);
                    return Some(Json::Object(members));
                }
            }
            return None;
        }
        for member in &structure.members {
            if self.is_given(member, depth)
                && let Some(value) = self.value(&member.reference, depth + 1)
            {
                members.insert(member.name.clone(), value);
            }
        }
        (!members.is_empty()).then_some(Json::Object(members))
    }

    fn is_given(&mut self, member: &Member, depth: usize) -> bool {
        let traits = self.service.traits(&member.reference);
        if traits.location == Location::Uri || traits.is_host_label {
            return true;
        }
        // What has more values within becomes rarer with each level.
        match &self.service.shape(&member.reference).kind {
            Kind::Structure(_) | Kind::List(_) | Kind::Map(..) => {
                depth < 5 && self.chance.next(depth + 1) == 0
            }
            _ => depth == 0 || self.chance.next(3) > 0,
        }
    }
}

fn is_supported(service: &Service, operation: &Operation) -> bool {
    service.event_stream(operation).is_none()
}

#[test]
fn every_operation_is_written_and_read() {
    let mut operations = 0;
    let mut others = 0;
    let mut streams = 0;
    let mut wrong = Vec::new();
    for name in table::services() {
        let service = table::service(name).unwrap();
        assert!(!service.operations.is_empty(), "{name}");
        for protocol in &service.protocols {
            let is_usual = *protocol == service.protocol;
            let other = if is_usual { None } else { service.speaking(*protocol) };
            let service = other.as_ref().unwrap_or(service);
            for (number, operation) in service.operations.iter().enumerate() {
                if !is_supported(service, operation) {
                    streams += usize::from(is_usual);
                    let written = codec::encode_request(service, operation, &Message::default());
                    assert!(written.is_err(), "{name} {}", operation.name);
                    continue;
                }
                operations += usize::from(is_usual);
                others += usize::from(!is_usual);
                let chance = Chance(0x9e37_79b9_7f4a_7c15 ^ (number as u64 + 1));
                let mut maker = Maker { service, is_header: false, chance };
                if let Err(problem) = both_ways(&mut maker, operation) {
                    let protocol = protocol.name();
                    wrong.push(format!("{name} {} in {protocol}: {problem}", operation.name));
                }
            }
        }
    }
    println!(
        "{operations} operations, {others} of them in another protocol as well; {streams} with streams \
         of events are refused"
    );
    assert!(operations > 20_000, "{operations}");
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(40)].join("\n")
    );
}

/// Operations of S3 whose requests are those of another operation, which is meant. What those about
/// notifications answer has two members with the same name on the wire.
const SHADOWED: [&str; 5] = [
    "GetBucketLifecycle",
    "GetBucketNotification",
    "ListDirectoryBuckets",
    "PutBucketLifecycle",
    "PutBucketNotification",
];

fn both_ways(maker: &mut Maker<'_>, operation: &Operation) -> Result<(), String> {
    let service = maker.service;
    let message = maker.message(operation.input.as_ref());
    let request = codec::encode_request(service, operation, &message)
        .map_err(|error| format!("the request is not written: {error} ({})", message.value))?;
    let protocol = codec::protocol(service, &request);
    if protocol != Some(service.protocol) {
        return Err(format!("it is taken for {protocol:?}"));
    }
    let found = codec::route(service, &request).map(|one| one.name.as_str());
    let is_shadowed = service.name == "s3" && SHADOWED.contains(&operation.name.as_str());
    if found != Some(operation.name.as_str()) && !is_shadowed {
        return Err(format!(
            "{} {}?{} is for {found:?}",
            request.method, request.path, request.query
        ));
    }
    let read = codec::decode_request(service, operation, &request)
        .map_err(|error| format!("the request is not read: {error}"))?;
    if !is_shadowed {
        same(service, operation.input.as_ref(), &message, &read)?;
    }

    let message = maker.message(operation.output.as_ref());
    let response = codec::encode_response(service, operation, &message)
        .map_err(|error| format!("the response is not written: {error} ({})", message.value))?;
    let read = codec::decode_response(service, operation, &response)
        .map_err(|error| format!("the response is not read: {error}"))?
        .map_err(|error| format!("the response is an error: {error:?}"))?;
    if !is_shadowed {
        same(service, operation.output.as_ref(), &message, &read)?;
    }

    for structure in service.errors(operation) {
        let Some(name) = &structure.name else { return Err("an error has no name".to_owned()) };
        let mut error = ServiceError::new(service, name, "what is wrong: <ü>");
        error.request_id = Some("id-1".to_owned());
        let response = codec::encode_error(service, &error);
        let read = codec::decode_response(service, operation, &response)
            .map_err(|error| format!("the error {name} is not read: {error}"))?;
        let Err(read) = read else { return Err(format!("the error {name} is read as an answer")) };
        let expected = (error.name, error.message, error.status, error.request_id);
        let found = (read.name, read.message, read.status, read.request_id);
        if expected != found {
            return Err(format!("the error {expected:?} is read as {found:?}"));
        }
    }
    Ok(())
}

fn same(
    service: &Service,
    reference: Option<&Reference>,
    one: &Message,
    other: &Message,
) -> Result<(), String> {
    if one.body != other.body {
        return Err("the bytes differ".to_owned());
    }
    let Some(reference) = reference else { return Ok(()) };
    let mut read = other.value.clone();
    model::without_content_type(service, reference, &one.value, &mut read);
    let one = model::normal(service, reference, &one.value);
    let other = model::normal(service, reference, &read);
    if one.same(&other) { Ok(()) } else { Err(format!("{one}\n  is read as {other}")) }
}

#[test]
fn garbage_is_an_error_and_no_panic() {
    let mut chance = Chance(77);
    let services = [
        "sqs",
        "sfn",
        "lambda",
        "s3",
        "route53",
        "sns",
        "iam",
        "ec2",
        "dynamodb",
        "apigateway",
        "elasticbeanstalk",
        "cloudfront",
        "arcregionswitch",
        "cloudwatch",
    ];
    let mut count = 0;
    for name in services {
        let service = table::service(name).unwrap();
        for operation in service.operations.iter().take(25) {
            if !is_supported(service, operation) {
                continue;
            }
            let mut maker = Maker { service, is_header: false, chance: Chance(count as u64 + 1) };
            let input = maker.message(operation.input.as_ref());
            let output = maker.message(operation.output.as_ref());
            let request = codec::encode_request(service, operation, &input).unwrap();
            let response = codec::encode_response(service, operation, &output).unwrap();
            for _ in 0..15 {
                let mut body =
                    if chance.next(2) == 0 { request.body.clone() } else { response.body.clone() };
                damage(&mut body, &mut chance);
                let mut damaged = request.clone();
                damaged.body.clone_from(&body);
                if chance.next(4) == 0 {
                    damaged.path.push_str(["%", "/../{x}", "%ff", "//"][chance.next(4)]);
                    damaged.query.push_str(["&=&%&", "&a", "&\u{fffd}=%00"][chance.next(3)]);
                }
                let _ = codec::route(service, &damaged);
                let _ = codec::decode_request(service, operation, &damaged);
                let status = [200, 204, 301, 400, 404, 500, 503][chance.next(7)];
                let mut headers = response.headers.clone();
                if let Some((_, text)) = headers.first_mut() {
                    text.push_str(["\"", ",,", "\\", ""][chance.next(4)]);
                }
                let damaged = Response { status, headers, body };
                let read = codec::decode_response(service, operation, &damaged);
                assert!(status < 300 || matches!(read, Ok(Err(_))), "an error is an error");
                count += 1;
            }
        }
    }
    println!("{count} damaged messages");
}

/// Changes, drops and doubles bytes, or makes something else of them.
fn damage(body: &mut Vec<u8>, chance: &mut Chance) {
    match chance.next(12) {
        0 => body.clear(),
        1 => *body = vec![b'['; 100_000],
        2 => *body = b"<a>".repeat(100_000),
        3 => *body = vec![0x81; 100_000],
        4 => *body = b"<html><body>503</body></html>".to_vec(),
        5 => *body = (0..chance.next(300)).map(|_| chance.next(256) as u8).collect(),
        6 => *body = b"<!DOCTYPE a [<!ENTITY b \"&c;&c;\">]><a>&b;</a>".to_vec(),
        7 => *body = [b"Action=X&".as_slice(), &b"a.".repeat(100_000)].concat(),
        _ => {
            for _ in 0..=chance.next(4) {
                let at = chance.next(body.len().max(1));
                match (chance.next(3), at < body.len()) {
                    (0, true) => body[at] = chance.next(256) as u8,
                    (1, true) => drop(body.remove(at)),
                    _ => body.insert(at.min(body.len()), b"{}[]\"<>&=\\\x00\xff"[chance.next(12)]),
                }
            }
        }
    }
}

#[test]
fn wrong_values_are_named() {
    #[track_caller]
    fn check(service: &str, action: &str, value: Json, expected: &str) {
        let service = table::service(service).unwrap();
        let operation = service.action(action).unwrap();
        let error = codec::encode_request(service, operation, &Message::from(value)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    check("sqs", "sendMessage", json!({"QueueUrl": 1}), "`QueueUrl` must be a text, not a number");
    check(
        "sqs",
        "sendMessage",
        json!({"QueueURL": "a"}),
        "`QueueURL` is not known; did you mean `QueueUrl`?",
    );
    check(
        "sqs",
        "sendMessageBatch",
        json!({"Entries": [{"Id": "1"}, {"DelaySeconds": "soon"}]}),
        "`Entries[1].DelaySeconds` must be an integer, not a text",
    );
    check(
        "dynamodb",
        "putItem",
        json!({"Item": {"id": {"S": []}}}),
        "`Item.id.S` must be a text, not an array",
    );
    check(
        "s3",
        "getObject",
        json!({"Bucket": "b"}),
        "`Key` is a part of the path and must be given",
    );
    check(
        "s3",
        "getObject",
        json!({"Bucket": "", "Key": "k"}),
        "`Bucket` is a part of the path and must not be empty",
    );
    check("sfn", "startSyncExecution", json!([]), "the value must be an object, not an array");
    check(
        "sqs",
        "sendMessage",
        json!({"DelaySeconds": 3_000_000_000_i64}),
        "`DelaySeconds` is too large for 32 bits",
    );
    check("iam", "getUser", json!({"UserName": true}), "`UserName` must be a text, not a boolean");
    check(
        "lambda",
        "invokeWithResponseStream",
        json!({"FunctionName": "f"}),
        "`EventStream` is a stream of events, which is not supported",
    );
    check(
        "s3",
        "putObject",
        json!({"Bucket": "b", "Key": "k", "ContentType": "a\r\nx: y"}),
        "`ContentType` cannot be a header: it has a line break or a forbidden sign",
    );
}

#[test]
fn errors_are_read_as_services_write_them() {
    #[track_caller]
    fn check(
        service: &str,
        action: &str,
        response: Response,
        code: &str,
        name: Option<&str>,
        message: &str,
    ) {
        let service = table::service(service).unwrap();
        let operation = service.action(action).unwrap();
        let error = codec::decode_response(service, operation, &response).unwrap().unwrap_err();
        assert_eq!(
            (error.code.as_str(), error.name.as_deref(), error.message.as_str()),
            (code, name, message)
        );
    }
    let response = |status, headers: &[(&str, &str)], body: &str| Response {
        status,
        headers: headers.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
        body: body.as_bytes().to_vec(),
    };
    check(
        "sqs",
        "getQueueUrl",
        response(
            400,
            &[("x-amzn-query-error", "AWS.SimpleQueueService.NonExistentQueue;Sender")],
            r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no queue"}"#,
        ),
        "AWS.SimpleQueueService.NonExistentQueue",
        Some("QueueDoesNotExist"),
        "no queue",
    );
    check(
        "s3",
        "getObject",
        response(
            404,
            &[],
            "<Error><Code>NoSuchKey</Code><Message>no key</Message><RequestId>r</RequestId></Error>",
        ),
        "NoSuchKey",
        Some("NoSuchKey"),
        "no key",
    );
    check(
        "s3",
        "getObject",
        response(404, &[], "<Error><Code>NoSuchBucket</Code><Message>no bucket</Message></Error>"),
        "NoSuchBucket",
        Some("NoSuchBucket"),
        "no bucket",
    );
    check(
        "s3",
        "copyObject",
        response(
            200,
            &[],
            "<?xml version=\"1.0\"?>\n\n<Error><Code>SlowDown</Code><Message>later</Message></Error>",
        ),
        "SlowDown",
        None,
        "later",
    );
    check("s3", "headObject", response(404, &[], ""), "NoSuchKey", Some("NoSuchKey"), "");
    check("s3", "headBucket", response(404, &[], ""), "NoSuchBucket", Some("NoSuchBucket"), "");
    check("s3", "headBucket", response(403, &[], ""), "403", None, "");
    check(
        "s3",
        "putObject",
        response(
            403,
            &[],
            "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><Message>no</Message></Error>",
        ),
        "AccessDenied",
        None,
        "no",
    );
    check(
        "sns",
        "publish",
        response(
            404,
            &[],
            "<ErrorResponse><Error><Type>Sender</Type><Code>NotFound</Code><Message>Topic does not exist</Message></Error><RequestId>r</RequestId></ErrorResponse>",
        ),
        "NotFound",
        Some("NotFoundException"),
        "Topic does not exist",
    );
    check(
        "dynamodb",
        "putItem",
        response(
            400,
            &[],
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","Message":"failed"}"#,
        ),
        "ConditionalCheckFailedException",
        Some("ConditionalCheckFailedException"),
        "failed",
    );
    check(
        "lambda",
        "invoke",
        response(
            404,
            &[("x-amzn-ErrorType", "ResourceNotFoundException:http://internal/")],
            r#"{"Message":"no function"}"#,
        ),
        "ResourceNotFoundException",
        Some("ResourceNotFoundException"),
        "no function",
    );
    check("dynamodb", "putItem", response(503, &[], "<html>busy</html>"), "503", None, "");
    check(
        "ec2",
        "describeInstances",
        response(
            400,
            &[],
            "<Response><Errors><Error><Code>InvalidInstanceID.Malformed</Code><Message>bad</Message></Error></Errors><RequestID>r</RequestID></Response>",
        ),
        "InvalidInstanceID.Malformed",
        None,
        "bad",
    );
}

#[test]
fn s3_answers_where_a_bucket_is() {
    let service = table::service("s3").unwrap();
    let operation = service.action("getBucketLocation").unwrap();
    let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">eu-west-1</LocationConstraint>";
    let response = Response { status: 200, headers: vec![], body: body.as_bytes().to_vec() };
    let read = codec::decode_response(service, operation, &response).unwrap().unwrap();
    assert_eq!(read.value, json!({"LocationConstraint": "eu-west-1"}));
}

#[test]
fn unknown_names_come_with_the_likely_ones() {
    let error = |name: &str| table::service(name).unwrap_err().to_string();
    assert_eq!(error("dynamo"), "there is no AWS service `dynamo`; did you mean `dynamodb`?");
    assert_eq!(
        error("stepfunctions"),
        "there is no AWS service `stepfunctions`; did you mean `sfn`?"
    );
    assert_eq!(error("logs"), "there is no AWS service `logs`; did you mean `cloudwatchlogs`?");
    assert_eq!(error("zzzzzzzzz"), "there is no AWS service `zzzzzzzzz`");
    let service = table::service("dynamodb").unwrap();
    assert_eq!(
        service.action("putitem").unwrap_err().to_string(),
        "`dynamodb` has no action `putitem`; did you mean `putItem`?"
    );
    assert_eq!(service.protocol, Protocol::Json);
}

#[test]
fn a_request_is_what_the_service_expects() {
    let service = table::service("s3").unwrap();
    let operation = service.action("putObject").unwrap();
    let value =
        json!({"Bucket": "b", "Key": "a/b c", "Metadata": {"x": "y"}, "ContentType": "text/plain"});
    let message = Message { value, body: Some(b"hello".to_vec()) };
    let request = codec::encode_request(service, operation, &message).unwrap();
    assert_eq!(
        request,
        Request {
            method: "PUT".to_owned(),
            host_prefix: String::new(),
            path: "/b/a/b%20c".to_owned(),
            query: String::new(),
            headers: vec![
                ("Content-Type".to_owned(), "text/plain".to_owned()),
                ("x-amz-meta-x".to_owned(), "y".to_owned()),
            ],
            body: b"hello".to_vec(),
        }
    );
    let service = table::service("sqs").unwrap();
    let operation = service.action("sendMessage").unwrap();
    let message = Message::from(json!({"QueueUrl": "q", "MessageBody": "b"}));
    let request = codec::encode_request(service, operation, &message).unwrap();
    assert_eq!(String::from_utf8(request.body).unwrap(), r#"{"QueueUrl":"q","MessageBody":"b"}"#);
    assert_eq!(
        request.headers,
        [
            ("Content-Type", "application/x-amz-json-1.0"),
            ("X-Amz-Target", "AmazonSQS.SendMessage"),
            ("x-amzn-query-mode", "true"),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
    );
}
