//! A service that answers as a test wants, and machines that call it.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use stepwright_aws::codec::{self, Message, Request, Response, ServiceError};
use stepwright_aws::table::{self, Service};
use stepwright_functions::{Functions, Place};
use stepwright_integrations::{AwsServices, ServiceConfig};
use stepwright_json::{Json, Object, json};
use stepwright_server::config::{CredentialConfig, RoleConfig, ServerConfig};
use stepwright_server::{Api, Assembled, Assembly};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What a stub answers.
pub(crate) enum Reply {
    /// The answer of the operation.
    Value(Json),
    /// The same, with the body that is a member of bytes.
    Body(Json, Vec<u8>),
    /// An error.
    Error(ServiceError),
    /// Bytes as they are sent, after which the connection is closed.
    Raw(Vec<u8>),
    /// A status and an answer that never ends.
    Endless,
    /// Nothing, forever.
    Silence,
}

type Headers = Vec<(String, String)>;
type Answers = dyn Fn(&str, &Json, usize) -> Reply + Send + Sync;
/// Which service a request is for, and what stands before the names of its operations.
type Pick = dyn Fn(&Request) -> (&'static Service, String) + Send + Sync;

/// A service on a port of this machine.
pub(crate) struct Stub {
    pub(crate) url: String,
    /// The operations that were called, with what they were given.
    calls: Arc<Mutex<Vec<(String, Json)>>>,
    /// The headers of the requests.
    headers: Arc<Mutex<Vec<Headers>>>,
    /// How many connections there were.
    connections: Arc<AtomicUsize>,
}

impl Stub {
    /// Starts the service that AWS SDK integrations know by this name. `answers` is given the
    /// operation, what it is given and how many calls there were before.
    pub(crate) async fn start(
        service: &str,
        answers: impl Fn(&str, &Json, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let service = table::service(service).expect("it is known");
        Self::serve(move |_| (service, String::new()), answers).await
    }

    /// Starts all of these services on one port. `answers` is given the operation as
    /// `SERVICE:OPERATION`.
    pub(crate) async fn start_all(
        services: &[&str],
        answers: impl Fn(&str, &Json, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let services: Vec<&'static Service> =
            services.iter().map(|name| table::service(name).expect("it is known")).collect();
        let pick = move |request: &Request| {
            // Whose signature it is: `Credential=ID/DATE/REGION/SERVICE/aws4_request`.
            let signature = request.header("authorization").unwrap_or_default();
            let name = signature.split('/').nth(3).unwrap_or_default();
            let all = services.iter().filter(|service| service.signing_name == name);
            let meant = all.clone().find(|service| codec::route(service, request).is_some());
            let meant =
                *meant.unwrap_or_else(|| panic!("{name}: {} {}", request.method, request.path));
            (meant, format!("{}:", meant.name))
        };
        Self::serve(pick, answers).await
    }

    async fn serve(
        pick: impl Fn(&Request) -> (&'static Service, String) + Send + Sync + 'static,
        answers: impl Fn(&str, &Json, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it has an address"));
        let (calls, headers, connections) = (Arc::default(), Arc::default(), Arc::default());
        let stub = Self { url, calls, headers, connections };
        let (calls, headers) = (stub.calls.clone(), stub.headers.clone());
        let connections = stub.connections.clone();
        let (pick, answers): (Arc<Pick>, Arc<Answers>) = (Arc::new(pick), Arc::new(answers));
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (calls, headers) = (calls.clone(), headers.clone());
                let (pick, answers) = (pick.clone(), answers.clone());
                tokio::spawn(async move {
                    serve(connection, &*pick, &calls, &headers, &*answers).await;
                });
            }
        });
        stub
    }

    /// What was called.
    pub(crate) fn calls(&self) -> Vec<(String, Json)> {
        self.calls.lock().clone()
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How often an operation was called.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.calls.lock().iter().filter(|(name, _)| name == operation).count()
    }

    /// A header of the last request.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let headers = self.headers.lock();
        let last = headers.last()?;
        let found = last.iter().find(|(one, _)| one.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone())
    }
}

async fn serve(
    mut connection: TcpStream,
    pick: &Pick,
    calls: &Mutex<Vec<(String, Json)>>,
    headers: &Mutex<Vec<Headers>>,
    answers: &Answers,
) {
    while let Some(request) = read(&mut connection).await {
        headers.lock().push(request.headers.clone());
        let (service, prefix) = pick(&request);
        let operation = codec::route(service, &request).expect("it is an operation");
        let given = codec::decode_request(service, operation, &request).expect("it can be read");
        let mut shown = given.value.clone();
        if let (Some(body), Json::Object(members)) = (&given.body, &mut shown) {
            members.insert("(body)", String::from_utf8_lossy(body).into_owned().into());
        }
        let before = calls.lock().len();
        let name = format!("{prefix}{}", operation.name);
        calls.lock().push((name.clone(), shown.clone()));
        let response = match answers(&name, &shown, before) {
            Reply::Value(value) => {
                codec::encode_response(service, operation, &Message::from(value))
                    .expect("it can be written")
            }
            Reply::Body(value, body) => {
                let message = Message { value, body: Some(body) };
                codec::encode_response(service, operation, &message).expect("it can be written")
            }
            Reply::Error(error) => codec::encode_error(service, &error),
            Reply::Raw(bytes) => {
                drop(connection.write_all(&bytes).await);
                return;
            }
            Reply::Endless => {
                let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                drop(connection.write_all(head).await);
                let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
                while connection.write_all(&chunk).await.is_ok() {}
                return;
            }
            Reply::Silence => return std::future::pending().await,
        };
        if connection.write_all(&bytes(&response)).await.is_err() {
            return;
        }
    }
}

fn bytes(response: &Response) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} X\r\n", response.status);
    let length = ("content-length".to_owned(), response.body.len().to_string());
    for (name, value) in response.headers.iter().chain([&length]) {
        write!(head, "{name}: {value}\r\n").expect("a text grows");
    }
    [head.as_bytes(), b"\r\n", &response.body].concat()
}

pub(crate) async fn read(connection: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<Request> {
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
    let mut request = Request {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        ..Request::default()
    };
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

/// Services at these endpoints.
pub(crate) fn at(services: &[(&str, &str)]) -> Arc<AwsServices> {
    at_within(services, 60)
}

/// Services at these endpoints, which have so many seconds to answer.
pub(crate) fn at_within(services: &[(&str, &str)], seconds: u64) -> Arc<AwsServices> {
    let section = |url: &str| ServiceConfig {
        endpoint: Some(url.to_owned()),
        timeout_seconds: Some(seconds),
        ..ServiceConfig::default()
    };
    let sections: BTreeMap<String, ServiceConfig> =
        services.iter().map(|(name, url)| ((*name).to_owned(), section(url))).collect();
    Arc::new(AwsServices::new(&sections).expect("they are right"))
}

/// A server that calls these services, perhaps with a store.
pub(crate) async fn assembled(services: Arc<AwsServices>, data: Option<&Path>) -> Assembled {
    assembled_with(services, data, Vec::new(), Vec::new()).await
}

pub(crate) async fn assembled_with(
    services: Arc<AwsServices>,
    data: Option<&Path>,
    credentials: Vec<CredentialConfig>,
    roles: Vec<RoleConfig>,
) -> Assembled {
    let functions = Functions::new(BTreeMap::new(), PathBuf::new(), Place::default());
    let server = ServerConfig { data: data.map(Path::to_owned), ..ServerConfig::default() };
    let assembly = Assembly {
        server,
        services,
        credentials,
        roles,
        ..Assembly::new(functions.expect("there are none"))
    };
    assembly.assemble().await.expect("it opens")
}

pub(crate) const ROLE: &str = "arn:aws:iam::123456789012:role/r";

/// A machine with one task.
pub(crate) fn task(resource: &str, parameters: Json) -> Json {
    json!({"StartAt": "T", "States": {
        "T": {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": true}}})
}

/// Starts an execution of a machine, and returns its ARN.
pub(crate) async fn start(api: &Api, definition: &Json) -> String {
    start_with(api, definition, "{}").await
}

/// The same with an input.
pub(crate) async fn start_with(api: &Api, definition: &Json, input: &str) -> String {
    let name = format!("m{}", uuid());
    let body = json!({
        "name": (name.as_str()), "roleArn": ROLE, "definition": (definition.to_string())
    });
    let created = api.call("CreateStateMachine", body).await.expect("it is created");
    let machine = created.get("stateMachineArn").cloned().expect("it has an ARN");
    let body = json!({"stateMachineArn": machine, "input": input});
    let started = api.call("StartExecution", body).await.expect("it starts");
    started.get("executionArn").and_then(Json::as_str).expect("it has an ARN").to_owned()
}

fn uuid() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    COUNT.fetch_add(1, Ordering::SeqCst).to_string()
}

/// Waits for the end of an execution.
pub(crate) async fn ended(api: &Api, execution: &str) -> Json {
    for _ in 0..1_500 {
        let body = json!({"executionArn": execution});
        let now = api.call("DescribeExecution", body).await.expect("it is there");
        if now.get("status").and_then(Json::as_str) != Some("RUNNING") {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the execution does not end");
}

/// Waits until something is the case.
pub(crate) async fn until(what: impl Fn() -> bool) {
    for _ in 0..1_500 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it does not happen");
}

/// Runs a task against a service at an endpoint: its output, or its error and cause.
pub(crate) async fn run(
    services: &[(&str, &str)],
    resource: &str,
    parameters: Json,
) -> Result<Json, (String, String)> {
    run_machine(services, &task(resource, parameters)).await
}

pub(crate) async fn run_machine(
    services: &[(&str, &str)],
    definition: &Json,
) -> Result<Json, (String, String)> {
    let assembled = assembled(at(services), None).await;
    let execution = start(&assembled.api, definition).await;
    outcome(&ended(&assembled.api, &execution).await)
}

pub(crate) fn outcome(ended: &Json) -> Result<Json, (String, String)> {
    let text = |key: &str| ended.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
    match text("status").as_str() {
        "SUCCEEDED" => Ok(stepwright_json::parse(&text("output")).expect("it is JSON")),
        _ => Err((text("error"), text("cause"))),
    }
}

/// The events of an execution.
pub(crate) async fn history(api: &Api, execution: &str) -> Vec<Json> {
    let body = json!({"executionArn": execution});
    let page = api.call("GetExecutionHistory", body).await.expect("it is there");
    page.get("events").and_then(Json::as_array).expect("there are events").to_vec()
}

/// A value without the members whose values differ each time.
pub(crate) fn without_metadata(value: &Json) -> Json {
    let members = value.as_object().into_iter().flat_map(Object::iter);
    let kept = members.filter(|(name, _)| !name.starts_with("Sdk"));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect::<Object>().into()
}
