//! botocore's tests of the protocols, which say what a request looks like and what is read of a
//! response. They are not in the repository: where `../shared/model/protocols` beside it is missing,
//! nothing is checked, and a line says so.

use crate::model;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use stepwright_aws::codec::{self, Message, Request, Response};
use stepwright_aws::shapes::{Kind, Location, Reference};
use stepwright_aws::table::{Operation, Protocol, Service};
use stepwright_json::{Json, Object};

/// Responses that are read as botocore reads them, but cannot be written again: a model that calls a
/// map a text, and a header that two members have.
const READ_ONLY: &[&str] = &["legacy json Lists 1", "legacy rest-json Supports header maps 0"];

fn folder() -> Option<PathBuf> {
    let shared = std::env::var_os("STEPWRIGHT_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        PathBuf::from,
    );
    let folder = shared.join("model/protocols");
    if !folder.is_dir() {
        println!("skipped: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

fn json(path: &Path) -> Json {
    stepwright_json::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What botocore leaves out: suites and cases.
fn ignored(folder: &Path, direction: &str) -> Vec<String> {
    let list = json(&folder.join("protocol-tests-ignore-list.json"));
    let mut ignored = Vec::new();
    let mut add = |of: &Json| {
        for kind in ["suites", "cases"] {
            let names = of.get(direction).and_then(|one| one.get(kind)).and_then(Json::as_array);
            ignored.extend(names.into_iter().flatten().map(|one| one.as_str().unwrap().to_owned()));
        }
    };
    add(list.get("general").unwrap());
    list.get("protocols").unwrap().as_object().unwrap().values().for_each(&mut add);
    ignored
}

struct Tally {
    passed: BTreeMap<String, usize>,
    total: BTreeMap<String, usize>,
    ignored: Vec<String>,
    failed: Vec<String>,
}

/// Runs all cases of a direction. A check returns what is wrong.
fn run(direction: &str, check: impl Fn(&str, &Json, &Json) -> Result<(), String>) {
    let Some(folder) = folder() else { return };
    let ignored = ignored(&folder, direction);
    let mut tally = Tally {
        passed: BTreeMap::new(),
        total: BTreeMap::new(),
        ignored: Vec::new(),
        failed: Vec::new(),
    };
    for folder in [folder.join(direction), folder.join("legacy").join(direction)] {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for path in files {
            let legacy = if path.to_str().unwrap().contains("legacy") { "legacy " } else { "" };
            let file = format!("{legacy}{}", path.file_stem().unwrap().to_str().unwrap());
            for suite in json(&path).as_array().unwrap() {
                let description = suite.get("description").unwrap().as_str().unwrap();
                for (number, case) in
                    suite.get("cases").unwrap().as_array().unwrap().iter().enumerate()
                {
                    let id = case.get("id").and_then(Json::as_str);
                    let id = id.map_or_else(|| format!("{description} {number}"), str::to_owned);
                    let is_ignored = [description, id.as_str()].iter().any(|name| {
                        let name = name.strip_prefix("legacy ").unwrap_or(name);
                        ignored.iter().any(|one| one == name)
                    });
                    let result = check(&format!("{file} {id}"), suite, case);
                    if is_ignored {
                        let word = if result.is_ok() { "passes" } else { "fails" };
                        tally.ignored.push(format!("{file} {id} ({word})"));
                        continue;
                    }
                    *tally.total.entry(file.clone()).or_default() += 1;
                    match result {
                        Ok(()) => *tally.passed.entry(file.clone()).or_default() += 1,
                        Err(wrong) => tally.failed.push(format!("{file} {id}: {wrong}")),
                    }
                }
            }
        }
    }
    for (file, total) in &tally.total {
        println!("{direction} {file}: {} of {total}", tally.passed.get(file).unwrap_or(&0));
    }
    println!("left out by botocore as well:\n  {}", tally.ignored.join("\n  "));
    assert!(
        tally.failed.is_empty(),
        "{} are wrong:\n{}",
        tally.failed.len(),
        tally.failed.join("\n")
    );
}

#[test]
fn requests_are_written_and_read() {
    run("input", |_, suite, case| {
        let service = model::service(suite, case.get("given").unwrap());
        let operation = &service.operations[0];
        let params = case.get("params").cloned().unwrap_or_else(|| Json::Object(Object::new()));
        let mut message = message(&service, operation.input.as_ref(), &params);
        let token = "00000000-0000-4000-8000-000000000000";
        codec::fill_token(&service, operation, &mut message.value, token);
        let request = codec::encode_request(&service, operation, &message)
            .map_err(|error| format!("not written: {error}"))?;
        same_request(&service, suite, case.get("serialized").unwrap(), &request)?;
        // The service reads what the client wrote.
        let found = codec::route(&service, &request).map(|one| one.name.as_str());
        if found != Some(operation.name.as_str()) {
            return Err(format!("routed to {found:?}"));
        }
        let read = codec::decode_request(&service, operation, &request)
            .map_err(|error| format!("not read: {error}"))?;
        same_message(&service, operation.input.as_ref(), &message, &read)
    });
}

#[test]
fn responses_are_read_and_written() {
    run("output", |name, suite, case| {
        let service = model::service(suite, case.get("given").unwrap());
        let operation = &service.operations[0];
        let response = response(&service, case.get("response").unwrap());
        if case.get("given").unwrap().get("output").is_some()
            && service.event_stream(operation).is_some()
        {
            // Refused by name.
            let refused = codec::encode_response(&service, operation, &Message::default());
            return refused.map_or(Ok(()), |_| Err("a stream of events is not refused".to_owned()));
        }
        let decoded = codec::decode_response(&service, operation, &response)
            .map_err(|error| format!("not read: {error}"))?;
        match (decoded, case.get("errorCode")) {
            (Ok(read), None) => {
                same_result(&service, operation, case.get("result"), &read)?;
                if READ_ONLY.contains(&name) {
                    return Ok(());
                }
                let written = codec::encode_response(&service, operation, &read)
                    .map_err(|error| format!("not written: {error}"))?;
                let again = codec::decode_response(&service, operation, &written)
                    .map_err(|error| format!("not read again: {error}"))?
                    .map_err(|error| format!("read again as an error: {error:?}"))?;
                same_message(&service, operation.output.as_ref(), &read, &again)
            }
            (Err(error), Some(code)) => {
                let codes = [Some(error.code.as_str()), error.name.as_deref()];
                if !codes.contains(&code.as_str()) {
                    return Err(format!("the code is {codes:?}, not {code}"));
                }
                let message = case.get("errorMessage").and_then(Json::as_str);
                if message.is_some_and(|message| message != error.message) {
                    return Err(format!("the message is {:?}, not {message:?}", error.message));
                }
                let structure = service
                    .errors(operation)
                    .find(|one| one.name.as_deref() == error.name.as_deref());
                let expected = case.get("error").and_then(Json::as_object);
                let (Some(structure), Some(expected)) = (structure, expected) else {
                    return Ok(());
                };
                for (name, one) in expected.iter() {
                    let Some(member) = structure.member(name) else { continue };
                    let found = error.detail.get(name).unwrap_or(&Json::Null);
                    same_value(&service, &member.reference, one, found)
                        .map_err(|wrong| format!("{name}: {wrong}"))?;
                }
                Ok(())
            }
            (Ok(_), Some(code)) => Err(format!("read as an answer, not as {code}")),
            (Err(error), None) => Err(format!("read as an error: {error:?}")),
        }
    });
}

/// A value of the tests: its bytes are texts, not base64.
fn message(service: &Service, reference: Option<&Reference>, params: &Json) -> Message {
    let Some(reference) = reference else { return Message::from(params.clone()) };
    let mut value = with_base64(service, reference, params);
    let mut body = None;
    if let Some(payload) = service.structure(Some(reference)).and_then(|one| one.payload())
        && matches!(service.shape(&payload.reference).kind, Kind::Blob)
        && let Json::Object(members) = &mut value
        && let Some(Json::String(text)) = members.remove(&payload.name)
    {
        body = Some(STANDARD.decode(text.as_str()).unwrap());
    }
    Message { value, body }
}

fn with_base64(service: &Service, reference: &Reference, value: &Json) -> Json {
    match (&service.shape(reference).kind, value) {
        (Kind::Structure(structure), Json::Object(members)) => {
            let members = members.iter().map(|(name, one)| {
                let member = structure.member(name).unwrap();
                (name.clone(), with_base64(service, &member.reference, one))
            });
            Json::Object(members.collect())
        }
        (Kind::List(item), Json::Array(items)) => {
            Json::Array(items.iter().map(|one| with_base64(service, item, one)).collect())
        }
        (Kind::Map(_, of), Json::Object(members)) => {
            let members =
                members.iter().map(|(key, one)| (key.clone(), with_base64(service, of, one)));
            Json::Object(members.collect())
        }
        (Kind::Blob, Json::String(text)) => STANDARD.encode(text.as_str()).into(),
        (_, value) => value.clone(),
    }
}

fn same_request(
    service: &Service,
    suite: &Json,
    expected: &Json,
    request: &Request,
) -> Result<(), String> {
    let text = |name: &str| expected.get(name).and_then(Json::as_str);
    if let Some(method) = text("method")
        && method != request.method
    {
        return Err(format!("the method is {}, not {method}", request.method));
    }
    let uri = text("uri").unwrap_or("/");
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let sorted = |query: &str| {
        let mut parts: Vec<String> = query
            .split('&')
            .filter(|part| !part.is_empty())
            .map(|part| part.strip_suffix('=').unwrap_or(part).to_owned())
            .collect();
        parts.sort();
        parts
    };
    if path != request.path || sorted(query) != sorted(&request.query) {
        return Err(format!("the URI is {}?{}, not {uri}", request.path, request.query));
    }
    if let Some(host) = text("host") {
        let endpoint =
            suite.get("clientEndpoint").and_then(Json::as_str).unwrap_or("https://example.com");
        let found = format!("{}{}", request.host_prefix, endpoint.trim_start_matches("https://"));
        if found.trim_end_matches('/') != host {
            return Err(format!("the host is {found}, not {host}"));
        }
    }
    for (name, one) in
        expected.get("headers").and_then(Json::as_object).iter().flat_map(|all| all.iter())
    {
        let found = request.header(name).unwrap_or_default();
        let expected = one.as_str().unwrap();
        let plain = |text: &str| text.split(',').map(str::trim).collect::<Vec<_>>().join(",");
        let is_type = name.eq_ignore_ascii_case("content-type");
        // The tests have `application/x-www-form-urlencoded` without the encoding.
        if plain(found) != plain(expected) && !(is_type && found.starts_with(expected)) {
            return Err(format!("the header {name} is {found:?}, not {expected:?}"));
        }
    }
    for name in expected.get("forbidHeaders").and_then(Json::as_array).into_iter().flatten() {
        if request.header(name.as_str().unwrap()).is_some() {
            return Err(format!("there is a header {name}"));
        }
    }
    let Some(body) = text("body") else { return Ok(()) };
    same_body(service, body, &request.body)
}

fn same_body(service: &Service, expected: &str, found: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(found);
    let wrong = || Err(format!("the body is {text}, not {expected}"));
    if expected.as_bytes() == found {
        return Ok(());
    }
    match service.protocol {
        Protocol::Cbor => {
            let expected = STANDARD.decode(expected).unwrap();
            if expected.is_empty() && found.is_empty() {
                return Ok(());
            }
            let read = |bytes: &[u8]| ciborium::from_reader::<ciborium::Value, _>(bytes).unwrap();
            let (expected, found) = (read(&expected), read(found));
            if sorted_cbor(&expected) == sorted_cbor(&found) {
                return Ok(());
            }
            Err(format!("the body is {found:?}, not {expected:?}"))
        }
        Protocol::Query | Protocol::Ec2 => {
            let sorted = |form: &str| {
                let mut pairs: Vec<&str> = form.split('&').map(str::trim).collect();
                pairs.sort_unstable();
                pairs.join("&")
            };
            if sorted(expected) == sorted(&text) { Ok(()) } else { wrong() }
        }
        Protocol::RestXml => {
            let (Ok(a), Ok(b)) = (canonical(expected), canonical(&text)) else { return wrong() };
            if a == b { Ok(()) } else { Err(format!("the body is {b}, not {a}")) }
        }
        Protocol::Json | Protocol::RestJson => {
            let read = |text: &str| stepwright_json::parse(text);
            match (read(expected), read(&text)) {
                (Ok(a), Ok(b)) if a.same(&b) => Ok(()),
                _ => wrong(),
            }
        }
    }
}

/// CBOR as a text that does not depend on the order of members.
fn sorted_cbor(value: &ciborium::Value) -> String {
    match value {
        ciborium::Value::Map(members) => {
            let mut members: Vec<String> =
                members.iter().map(|(key, one)| format!("{key:?}:{}", sorted_cbor(one))).collect();
            members.sort();
            format!("{{{}}}", members.join(","))
        }
        ciborium::Value::Array(items) => {
            format!("[{}]", items.iter().map(sorted_cbor).collect::<Vec<_>>().join(","))
        }
        // A float of 32 bits is read as the nearest of 64.
        ciborium::Value::Float(number) => format!("{}", *number as f32),
        ciborium::Value::Tag(tag, value) => {
            let number = value.as_integer().map(|number| i128::from(number) as f32);
            format!("{tag}({})", number.map_or_else(|| sorted_cbor(value), |one| one.to_string()))
        }
        value => format!("{value:?}"),
    }
}

/// XML as a text that does not depend on the order of attributes and elements, nor on spaces.
fn canonical(xml: &str) -> Result<String, String> {
    use quick_xml::events::Event;
    struct Open {
        name: String,
        attributes: Vec<String>,
        children: Vec<String>,
        text: String,
    }
    let mut reader = quick_xml::Reader::from_str(xml);
    reader.config_mut().expand_empty_elements = true;
    let mut open = vec![Open {
        name: String::new(),
        attributes: vec![],
        children: vec![],
        text: String::new(),
    }];
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                let mut attributes: Vec<String> = start
                    .attributes()
                    .map(|one| one.map(|one| format!("{}={}", one.key.0, one.value)))
                    .collect::<Result<_, _>>()
                    .map_err(|error| error.to_string())?;
                attributes.sort();
                let name = start.name().0.to_owned();
                open.push(Open { name, attributes, children: vec![], text: String::new() });
            }
            Event::End(_) => {
                let mut one = open.pop().unwrap();
                one.children.sort();
                let text = if one.children.is_empty() { one.text.as_str() } else { "" };
                let written = format!(
                    "<{} {}>{}{text}</>",
                    one.name,
                    one.attributes.join(" "),
                    one.children.concat()
                );
                open.last_mut().ok_or("an end too many")?.children.push(written);
            }
            Event::Text(text) => open.last_mut().unwrap().text.push_str(&text.into_inner()),
            Event::GeneralRef(one) => {
                let text = format!("&{};", one.into_inner());
                let one = text.replace("&quot;", "\"").replace("&apos;", "'").replace("&gt;", ">");
                let one = one
                    .replace("&#13;", "&#xD;")
                    .replace("&#133;", "\u{85}")
                    .replace("&#8232;", "\u{2028}");
                open.last_mut().unwrap().text.push_str(&one.replace("&#xD;", "\r"));
            }
            Event::Eof => break,
            _ => {}
        }
    }
    Ok(open.pop().unwrap().children.concat())
}

fn response(service: &Service, given: &Json) -> Response {
    let body = given.get("body").and_then(Json::as_str).unwrap_or_default();
    let body = match service.protocol {
        Protocol::Cbor => STANDARD.decode(body).unwrap_or_else(|_| body.as_bytes().to_vec()),
        _ => body.as_bytes().to_vec(),
    };
    let headers = given.get("headers").and_then(Json::as_object);
    let headers = headers.iter().flat_map(|all| all.iter());
    Response {
        status: given.get("status_code").and_then(Json::as_i64).unwrap() as u16,
        headers: headers
            .map(|(name, one)| (name.to_string(), one.as_str().unwrap().to_owned()))
            .collect(),
        body,
    }
}

fn same_result(
    service: &Service,
    operation: &Operation,
    expected: Option<&Json>,
    read: &Message,
) -> Result<(), String> {
    let Some(Json::Object(expected)) = expected else { return Ok(()) };
    let Some(output) = service.structure(operation.output.as_ref()) else { return Ok(()) };
    let mut found = read.value.as_object().cloned().unwrap_or_default();
    if let (Some(payload), Some(body)) = (output.payload(), &read.body) {
        found.insert(payload.name.clone(), STANDARD.encode(body).into());
    }
    for member in &output.members {
        let one = expected.get(&member.name).unwrap_or(&Json::Null);
        same_value(service, &member.reference, one, found.get(&member.name).unwrap_or(&Json::Null))
            .map_err(|wrong| format!("{}: {wrong}", member.name))?;
    }
    Ok(())
}

/// Whether what was read is what a test expects: moments are numbers there, and bytes texts.
fn same_value(
    service: &Service,
    reference: &Reference,
    expected: &Json,
    found: &Json,
) -> Result<(), String> {
    let wrong = || Err(format!("{found} instead of {expected}"));
    let is_nothing = |one: &Json| match one {
        Json::Null => true,
        Json::Object(members) => members.is_empty(),
        Json::String(text) => text.is_empty(),
        _ => false,
    };
    if is_nothing(expected) && is_nothing(found) {
        return Ok(());
    }
    match (&service.shape(reference).kind, expected, found) {
        // What botocore makes of a member that the model does not know.
        (Kind::Structure(structure), Json::Object(members), found)
            if structure.is_union && members.contains_key("SDK_UNKNOWN_MEMBER") =>
        {
            if found.as_object().is_some_and(Object::is_empty) { Ok(()) } else { wrong() }
        }
        (Kind::Structure(structure), Json::Object(members), Json::Object(given)) => {
            for member in &structure.members {
                let one = members.get(&member.name).unwrap_or(&Json::Null);
                let found = given.get(&member.name).unwrap_or(&Json::Null);
                same_value(service, &member.reference, one, found)
                    .map_err(|wrong| format!("{}: {wrong}", member.name))?;
            }
            Ok(())
        }
        (Kind::List(item), Json::Array(items), Json::Array(given))
            if items.len() == given.len() =>
        {
            items
                .iter()
                .zip(given)
                .try_for_each(|(one, found)| same_value(service, item, one, found))
        }
        (Kind::Map(_, of), Json::Object(members), Json::Object(given))
            if members.len() == given.len() =>
        {
            members.iter().try_for_each(|(key, one)| {
                let found = given.get(key).unwrap_or(&Json::Null);
                same_value(service, of, one, found).map_err(|wrong| format!("{key}: {wrong}"))
            })
        }
        (Kind::Timestamp, expected, Json::String(found)) if expected.is_number() => {
            let moment: jiff::Timestamp =
                found.parse().map_err(|_| format!("{found} is no moment"))?;
            let seconds = moment.as_microsecond() as f64 / 1e6;
            if (seconds - expected.as_f64().unwrap()).abs() < 1e-3 { Ok(()) } else { wrong() }
        }
        (Kind::Blob, Json::String(expected), Json::String(found)) => {
            let found = STANDARD.decode(found.as_str()).unwrap_or_default();
            if found == expected.as_bytes() { Ok(()) } else { wrong() }
        }
        (_, expected, Json::String(found)) if service.traits(reference).is_json => {
            match stepwright_json::parse(found) {
                Ok(found) if found.same(expected) => Ok(()),
                _ => wrong(),
            }
        }
        (Kind::Float, expected, found) if expected.is_number() && found.is_number() => {
            let same = expected.as_f64().unwrap() as f32 == found.as_f64().unwrap() as f32;
            if same { Ok(()) } else { wrong() }
        }
        _ if expected.same(found) => Ok(()),
        _ => wrong(),
    }
}

/// Whether a message that was written and read is the same. Moments may be written differently.
fn same_message(
    service: &Service,
    reference: Option<&Reference>,
    one: &Message,
    other: &Message,
) -> Result<(), String> {
    let body = |one: &Message| one.body.clone().filter(|body| !body.is_empty());
    if body(one) != body(other) {
        return Err("the bytes differ after reading what was written".to_owned());
    }
    let Some(reference) = reference else { return Ok(()) };
    let mut read = other.value.clone();
    model::without_content_type(service, reference, &one.value, &mut read);
    let [a, b] = [&one.value, &read].map(|value| {
        let mut value = model::normal(service, reference, value);
        // A map of all parameters in the query may have those that are members as well.
        let members = service.structure(Some(reference)).into_iter().flat_map(|one| &one.members);
        for member in members {
            if service.traits(&member.reference).location == Location::Query
                && matches!(service.shape(&member.reference).kind, Kind::Map(..))
                && let Json::Object(members) = &mut value
            {
                members.remove(&member.name);
            }
        }
        value
    });
    if a.same(&b) { Ok(()) } else { Err(format!("{b} was read of what was written for {a}")) }
}
