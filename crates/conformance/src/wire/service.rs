//! The services of a case: a port on which they answer what was recorded.

use super::SERVICES;
use crate::case::Case;
use crate::executions::fixtures;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use stepwright_aws::codec::{self, Message, Request, Response, ServiceError};
use stepwright_aws::names;
use stepwright_aws::shapes::{Kind, Reference, Structure};
use stepwright_aws::table::{self, Operation, Service};
use stepwright_engine::{Engine, WeakEngine};
use stepwright_interpreter::items::{Listing, Objects as _};
use stepwright_json::{Json, Object, json};
use stepwright_server::{Api, Settings};
use stepwright_simulator::MemoryObjects;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How long a task with a token runs: what was answered to its call is kept by then.
const LATER: Duration = Duration::from_millis(300);

/// The services of a case.
pub(super) struct Stub {
    pub(super) url: String,
    state: Arc<State>,
}

struct State {
    /// What the tasks were answered, in order; taken one after the other.
    recorded: Mutex<Vec<Recorded>>,
    objects: Mutex<MemoryObjects>,
    /// Takes the tokens of tasks.
    /// It must not keep the engine alive, which keeps it alive.
    engine: OnceLock<WeakEngine>,
}

#[derive(Clone)]
struct Recorded {
    service: String,
    /// `sendMessage`, and the pattern.
    action: String,
    pattern: String,
    submitted: Option<Json>,
    outcome: Json,
    /// Whether it was asked for.
    is_taken: bool,
}

impl Recorded {
    fn read(mock: &Json) -> Option<Self> {
        let text = |key: &str| mock.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        let kind = text("resource_type");
        let name = kind.strip_prefix("aws-sdk:").unwrap_or(&kind);
        let (_, service) = SERVICES.iter().find(|(known, _)| *known == name)?;
        let resource = text("resource");
        let (action, pattern) = resource.split_once('.').unwrap_or((&resource, ""));
        Some(Self {
            service: (*service).to_owned(),
            action: action.to_owned(),
            pattern: pattern.to_owned(),
            submitted: mock.get("submitted").cloned(),
            outcome: mock.get("outcome").cloned().unwrap_or_default(),
            is_taken: false,
        })
    }

    /// Whether the service could not be reached. The call is tried again and again.
    fn is_unanswered(&self) -> bool {
        let error = self.outcome.get("error").and_then(Json::as_str);
        error.is_some_and(|error| error.ends_with(".SdkClientException"))
    }
}

impl Stub {
    pub(super) async fn start(case: &Case) -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let mut recorded: Vec<Recorded> =
            case.list("mocks").iter().filter_map(Recorded::read).collect();
        recorded.reverse();
        let state = Arc::new(State {
            recorded: Mutex::new(recorded),
            objects: Mutex::new(fixtures(case)),
            engine: OnceLock::new(),
        });
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, shared.clone()));
            }
        });
        Ok(Self { url: format!("http://{address}"), state })
    }

    /// Says which API takes the tokens of tasks.
    pub(super) fn connect(&self, engine: &Engine) {
        self.state.engine.get_or_init(|| engine.downgrade());
    }
}

async fn serve(mut connection: TcpStream, state: Arc<State>) {
    while let Some(request) = read(&mut connection).await {
        let response = match answer(&state, &request) {
            Ok(Some(response)) => response,
            // There was no answer.
            Ok(None) => return,
            Err(why) => Response {
                status: 400,
                headers: Vec::new(),
                body: json!({"__type": "NotRecorded", "message": why}).to_string().into_bytes(),
            },
        };
        let mut head = format!("HTTP/1.1 {} X\r\n", response.status);
        let is_length = |name: &str| name.eq_ignore_ascii_case("content-length");
        for (name, value) in response.headers.iter().filter(|(name, _)| !is_length(name)) {
            write!(head, "{name}: {value}\r\n").expect("a text grows");
        }
        write!(head, "Content-Length: {}\r\n\r\n", response.body.len()).expect("a text grows");
        let bytes = [head.as_bytes(), &response.body].concat();
        if connection.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn read(connection: &mut TcpStream) -> Option<Request> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if connection.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(read[..end].to_vec()).ok()?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let (path, query) = (path.to_owned(), query.to_owned());
    let mut request = Request { method, path, query, headers, ..Request::default() };
    let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = read[end + 4..].to_vec();
    while body.len() < length {
        if connection.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    request.body = body;
    Some(request)
}

/// `None` where no answer came.
fn answer(state: &Arc<State>, request: &Request) -> Result<Option<Response>, String> {
    // Whose signature it is: `Credential=ID/DATE/REGION/SERVICE/aws4_request`.
    let signature = request.header("authorization").unwrap_or_default();
    let signed = signature.split('/').nth(3).unwrap_or_default();
    let services = SERVICES.iter().filter_map(|(_, name)| table::service(name).ok());
    let service = services.clone().find(|service| service.signing_name == signed);
    let service = service.ok_or_else(|| format!("no service signs as `{signed}`"))?;
    let operation = codec::route(service, request).ok_or("no operation is meant")?;
    let given = codec::decode_request(service, operation, request)
        .map_err(|error| format!("the request cannot be read: {error}"))?;
    let described = operation.name == "DescribeTasks";
    let recorded = {
        let mut recorded = state.recorded.lock();
        let is_meant = |one: &&mut Recorded| {
            let is_action = one.action.eq_ignore_ascii_case(&operation.name) && !one.is_taken;
            one.service == service.name.as_str() && (is_action || described && one.is_taken)
        };
        recorded.iter_mut().rev().find(is_meant).map(|one| {
            one.is_taken = !one.is_unanswered();
            one.clone()
        })
    };
    match recorded {
        Some(recorded) if recorded.is_unanswered() => return Ok(None),
        Some(recorded) if described => end_of_task(service, operation, &recorded),
        Some(recorded) => {
            let response = of_recorded(service, operation, &recorded)?;
            if recorded.pattern == "waitForTaskToken" {
                end_later(state, &recorded, &given.value);
            }
            Ok(response)
        }
        None if service.name == "s3" => of_object(state, service, operation, &given),
        None => Err(format!("nothing was recorded for {}", operation.name)),
    }
    .map(Some)
}

/// What the service answered to the call of a task.
fn of_recorded(
    service: &Service,
    operation: &Operation,
    recorded: &Recorded,
) -> Result<Response, String> {
    let outcome = &recorded.outcome;
    let text = |key: &str| outcome.get(key).and_then(Json::as_str).unwrap_or_default();
    if let Some(submitted) = &recorded.submitted {
        return good(service, operation, submitted);
    }
    match text("type") {
        "success" => good(service, operation, &outcome.get("output").cloned().unwrap_or_default()),
        "failure" if text("error") == "EventBridge.FailedEntry" => {
            good(service, operation, &outcome.get("cause").cloned().unwrap_or_default())
        }
        "failure" => {
            let error = failure(service, text("error"), text("cause"));
            let error =
                error.ok_or_else(|| format!("{} is no error of a service", text("error")))?;
            Ok(codec::encode_error(service, &error))
        }
        other => Err(format!("a call cannot end with `{other}`")),
    }
}

/// A good answer, with the headers that were recorded.
fn good(service: &Service, operation: &Operation, result: &Json) -> Result<Response, String> {
    let mut members = result.as_object().cloned().unwrap_or_default();
    let metadata = members.remove("SdkHttpMetadata").unwrap_or_default();
    members.remove("SdkResponseMetadata");
    let output = service.structure(operation.output.as_ref());
    let mut message = Message::from(Json::from(Object::new()));
    if let Some(output) = output {
        let value = of_structure(service, output, &members.into());
        message = Message::from(value);
        if let (Some(payload), Json::Object(members)) = (output.payload(), &mut message.value)
            && matches!(service.shape(&payload.reference).kind, Kind::Blob)
        {
            let body =
                members.remove(&payload.name).and_then(|text| STANDARD.decode(text.as_str()?).ok());
            message.body = body;
        }
    }
    let mut response = codec::encode_response(service, operation, &message)
        .map_err(|error| format!("the answer cannot be written: {error}"))?;
    if let Some(headers) = metadata.get("AllHttpHeaders").and_then(Json::as_object) {
        response.headers.clear();
        for (name, value) in headers.iter() {
            let value = value.at(0).unwrap_or(value).as_str().unwrap_or_default();
            if name == "Content-Length" {
                // As long as it was: what stands for ids is shorter than they are.
                let length = value.parse().unwrap_or(response.body.len());
                response.body.resize(length.max(response.body.len()), b' ');
            } else {
                response.headers.push((name.to_string(), value.to_owned()));
            }
        }
    }
    Ok(response)
}

/// How a task of ECS has ended.
fn end_of_task(
    service: &Service,
    operation: &Operation,
    recorded: &Recorded,
) -> Result<Response, String> {
    let outcome = &recorded.outcome;
    let task = outcome.get("output").or_else(|| outcome.get("cause")).cloned().unwrap_or_default();
    let output = service.structure(operation.output.as_ref()).ok_or("it has an output")?;
    let value = of_structure(service, output, &json!({"Tasks": [task], "Failures": []}));
    codec::encode_response(service, operation, &Message::from(value))
        .map_err(|error| format!("the answer cannot be written: {error}"))
}

/// An object of the fixtures.
fn of_object(
    state: &State,
    service: &Service,
    operation: &Operation,
    given: &Message,
) -> Result<Response, String> {
    let text = |key: &str| given.value.get(key).and_then(Json::as_str).unwrap_or_default();
    let objects = state.objects.lock();
    let message = match operation.name.as_str() {
        "GetObject" => match objects.bytes(text("Bucket"), text("Key")) {
            Ok(bytes) => Message { value: Json::from(Object::new()), body: Some(bytes.to_vec()) },
            Err(why) => {
                let error = ServiceError::new(service, "NoSuchKey", why);
                return Ok(codec::encode_error(service, &error));
            }
        },
        "ListObjectsV2" => {
            let listed = objects.list(Listing {
                bucket: text("Bucket"),
                prefix: text("Prefix"),
                owner: None,
                after: given.value.get("StartAfter").and_then(Json::as_str),
                most: usize::MAX,
            })?;
            let contents: Vec<Json> = listed
                .iter()
                .map(|info| {
                    json!({"Key": (info.key.as_str()), "ETag": (info.etag.as_str()),
                           "Size": (info.size as i64), "LastModified": (info.last_modified)})
                })
                .collect();
            json!({"Contents": (Json::from(contents)), "IsTruncated": false}).into()
        }
        other => return Err(format!("nothing was recorded for {other}")),
    };
    codec::encode_response(service, operation, &message)
        .map_err(|error| format!("the answer cannot be written: {error}"))
}

/// Ends a task by its token, as was recorded.
fn end_later(state: &Arc<State>, recorded: &Recorded, given: &Json) {
    let Some(token) = token(given) else { return };
    // What ended it may repeat the token.
    let outcome = with_token(&recorded.outcome, &token);
    let (operation, body) = match outcome.get("type").and_then(Json::as_str) {
        Some("success") => {
            let output = outcome.get("output").cloned().unwrap_or_default();
            ("SendTaskSuccess", json!({"taskToken": token, "output": (output.to_string())}))
        }
        Some("failure") => {
            let mut body: Object = [("taskToken", Json::from(token))].into_iter().collect();
            for key in ["error", "cause"] {
                match outcome.get(key) {
                    None | Some(Json::Null) => {}
                    Some(Json::String(text)) => drop(body.insert(key, text.clone().into())),
                    Some(other) => drop(body.insert(key, other.to_string().into())),
                }
            }
            ("SendTaskFailure", body.into())
        }
        _ => return,
    };
    let state = state.clone();
    tokio::spawn(async move {
        tokio::time::sleep(LATER).await;
        if let Some(engine) = state.engine.get().and_then(WeakEngine::upgrade) {
            let api = Api::new(engine, Settings::default());
            // A task that has ended shows it in its history.
            drop(api.call(operation, body).await);
        }
    });
}

fn with_token(recorded: &Json, token: &str) -> Json {
    match recorded {
        Json::String(text) if text.starts_with("<*:task_token") => token.into(),
        Json::Array(items) => Json::Array(items.iter().map(|one| with_token(one, token)).collect()),
        Json::Object(members) => {
            let members = members.iter().map(|(name, one)| (name.clone(), with_token(one, token)));
            Json::Object(members.collect())
        }
        other => other.clone(),
    }
}

/// The token of a task in what a service was sent.
fn token(given: &Json) -> Option<String> {
    match given {
        Json::Object(members) => members.iter().find_map(|(name, value)| match value {
            Json::String(text) if name.to_ascii_lowercase().contains("token") => {
                Some(text.to_string())
            }
            value => token(value),
        }),
        Json::Array(items) => items.iter().find_map(token),
        Json::String(text) => stepwright_json::parse(text)
            .ok()
            .filter(|it| it.as_object().is_some())
            .and_then(|it| token(&it)),
        _ => None,
    }
}

/// The error that a failure of a task tells of: `MESSAGE (Service: S3, Status Code: 404, Request ID:
/// …)`, or the same with semicolons and a code.
fn failure(service: &Service, error: &str, cause: &str) -> Option<ServiceError> {
    let (message, rest) = cause.rsplit_once(" (Service: ")?;
    let rest = rest.split(')').next()?;
    let field = |name: &str| {
        let (_, after) = rest.split_once(name)?;
        after.split([',', ';']).next().map(str::trim)
    };
    let (_, name) = error.split_once('.')?;
    let is_meant = |structure: &&Structure| {
        let model = structure.name.as_deref().unwrap_or_default();
        names::error(model) == name || model == name
    };
    let structures = service.shapes.iter().filter_map(|shape| match &shape.kind {
        Kind::Structure(structure) if structure.error.is_some() => Some(structure),
        _ => None,
    });
    let modelled =
        structures.clone().find(is_meant).and_then(|structure| structure.name.as_deref());
    let mut found = match modelled {
        Some(name) => ServiceError::new(service, name, message),
        None => ServiceError { message: message.to_owned(), ..ServiceError::default() },
    };
    found.status = field("Status Code: ")?.parse().ok()?;
    match field("Error Code: ") {
        Some(code) => code.clone_into(&mut found.code),
        None if found.code.is_empty() => {
            "ValidationException".clone_into(&mut found.code);
        }
        None => {}
    }
    if modelled.is_none() {
        found.name = None;
    }
    found.request_id = field("Request ID: ").map(str::to_owned);
    found.extended_request_id = field("Extended Request ID: ").map(str::to_owned);
    Some(found)
}

/// A result in the names of the model.
fn of_structure(service: &Service, structure: &Structure, shown: &Json) -> Json {
    let Json::Object(given) = shown else { return shown.clone() };
    let members = structure.members.iter().filter_map(|member| {
        let own = names::capitalized(&member.name).into_owned();
        let value =
            given.get(&names::member(service, structure, member)).or_else(|| given.get(&own))?;
        Some((member.name.clone(), of_value(service, &member.reference, value)))
    });
    Json::Object(members.collect())
}

fn of_value(service: &Service, reference: &Reference, shown: &Json) -> Json {
    match (&service.shape(reference).kind, shown) {
        (Kind::Structure(structure), shown) => of_structure(service, structure, shown),
        (Kind::List(item), Json::Array(items)) => {
            Json::Array(items.iter().map(|one| of_value(service, item, one)).collect())
        }
        (Kind::Map(_, of), Json::Object(members)) => {
            let members =
                members.iter().map(|(key, one)| (key.clone(), of_value(service, of, one)));
            Json::Object(members.collect())
        }
        (Kind::Blob, Json::String(text)) => STANDARD.encode(text.as_bytes()).into(),
        // What stands for a moment.
        (Kind::Timestamp, Json::String(text)) if text.starts_with("<*:") => {
            "2024-01-01T00:00:00Z".into()
        }
        (_, shown) => shown.clone(),
    }
}
