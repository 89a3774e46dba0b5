//! HTTP tasks: `http:invoke`. A request is made from the parameters of the task and from a connection
//! of `stepwright.toml`, sent to a host that may be called, and its response is the result.
//!
//! What a connection adds is secret: it is in no history, no log and no error.

mod connection;
mod exchange;
mod guard;
mod token;

pub use connection::{ApiKeyConfig, BasicConfig, ConnectionConfig, OAuthConfig, Text};
pub(crate) use exchange::{Exchange, Unanswered, body, cause, grouped, result, send};
pub(crate) use guard::Clients;

use crate::{End, Task};
use connection::{Additions, Connection};
use exchange::{response_to_json, status_text};
use guard::Guard;
use reqwest::Url;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use stepwright_aws::codec::Response;
use stepwright_aws::http::{ArrayFormat, connection as connection_of, form, text_of, transform};
use stepwright_engine::Trace;
use stepwright_history::{Failure, Stage, TaskCall, TaskKind};
use stepwright_json::{Json, Object};
use stepwright_program::EvaluationError;

/// `[http]` of `stepwright.toml`: what HTTP tasks may call, besides public hosts over HTTPS.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Hosts and networks that may be called although they are not public: `HOST`, `HOST:PORT` or
    /// `NETWORK/BITS`, with `http://` before it if it may be called without encryption.
    #[serde(default)]
    pub allow: Vec<String>,
    /// A PEM file with certificates that are trusted besides the public ones.
    pub ca: Option<PathBuf>,
    /// How long a call may take; 60 seconds if left out, which is AWS's limit and the longest.
    pub timeout_seconds: Option<u64>,
}

/// How long a call may take.
const LIMIT: Duration = Duration::from_mins(1);

/// The largest response that is read. What is larger than the execution may hold is refused later.
pub(crate) const MOST: usize = 8 << 20;

/// What HTTP tasks are called with.
pub(crate) struct Http {
    connections: BTreeMap<String, Connection>,
    clients: Clients,
    limit: Duration,
}

impl Default for Http {
    fn default() -> Self {
        let clients = Clients::new(Guard::default(), Vec::new());
        Self { connections: BTreeMap::new(), clients, limit: LIMIT }
    }
}

impl Http {
    /// Checks `[http]` and `[connections]`. Paths are relative to `folder`.
    pub(crate) fn new(
        config: &HttpConfig,
        connections: &BTreeMap<String, ConnectionConfig>,
        folder: &Path,
    ) -> Result<Self, String> {
        let wrong = |problem: String| format!("`[http]`: {problem}");
        let guard = Guard::new(&config.allow).map_err(wrong)?;
        let roots = match &config.ca {
            None => Vec::new(),
            Some(path) => {
                let unusable = |error: &dyn std::fmt::Display| {
                    wrong(format!("`ca` names {}, which cannot be used: {error}", path.display()))
                };
                let pem = std::fs::read(folder.join(path)).map_err(|error| unusable(&error))?;
                let found = reqwest::Certificate::from_pem_bundle(&pem);
                let found = found.map_err(|error| unusable(&error))?;
                if found.is_empty() {
                    return Err(unusable(&"there is no certificate in it"));
                }
                found
            }
        };
        let limit = config.timeout_seconds.map_or(LIMIT, Duration::from_secs);
        if limit.is_zero() || limit > LIMIT {
            return Err(wrong("`timeout_seconds` is from 1 to 60".to_owned()));
        }
        let connections = connections.iter().map(|(name, config)| {
            let connection = Connection::read(name, config, folder);
            let connection =
                connection.map_err(|problem| format!("`[connections.{name}]` {problem}"))?;
            Ok((name.clone(), connection))
        });
        let connections = connections.collect::<Result<_, String>>()?;
        Ok(Self { connections, clients: Clients::new(guard, roots), limit })
    }

    /// Whether there is any connection.
    pub(crate) fn has_connections(&self) -> bool {
        !self.connections.is_empty()
    }

    pub(crate) fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Makes the call of an HTTP task.
    pub(crate) async fn invoke(
        &self,
        call: &TaskCall,
        trace: Option<&Trace>,
    ) -> Result<Json, Failure> {
        match tokio::time::timeout(self.limit, self.exchange(call, trace)).await {
            Ok(ended) => ended,
            Err(_) => {
                let seconds = self.limit.as_secs();
                Err(socket(format!("The HTTP task did not end within {seconds} s")))
            }
        }
    }

    async fn exchange(&self, call: &TaskCall, trace: Option<&Trace>) -> Result<Json, Failure> {
        let connection = self.connection(call)?;
        let endpoint = endpoint_of(call).map_err(|why| unfit(call, &why))?;
        if !connection.may_call(&endpoint) {
            return Err(access_denied(call));
        }
        let unusable = |why: String| unauthorized(&connection.name, &why);
        let mut added = connection.additions().map_err(unusable)?;
        let mut token = None;
        if let Some(oauth) = &connection.config.oauth {
            let fetched =
                connection.token.get(connection, oauth, &self.clients, self.limit).await?;
            added.headers.insert(0, ("Authorization".to_owned(), format!("Bearer {fetched}")));
            token = Some(fetched);
        }
        let request = request_of(call, &added, true).map_err(|why| unfit(call, &why))?;
        let seen = match trace {
            Some(trace) if trace.reveals_secrets() => request.clone(),
            Some(_) => request_of(call, &added, false).map_err(|why| unfit(call, &why))?,
            None => request.clone(),
        };
        let mut outgoing = request;
        if outgoing.body.is_some()
            && !outgoing.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        {
            let json = "application/json; charset=UTF-8".to_owned();
            outgoing.headers.push(("Content-Type".to_owned(), json));
        }
        let record = |response: Option<&Response>| {
            let Some(trace) = trace else { return };
            let mut exchanged = Object::new();
            exchanged.insert("request", seen.to_json());
            if let Some(response) = response {
                exchanged.insert("response", response_to_json(&seen.url, response));
            }
            trace.record(exchanged.into());
        };
        // There may never be a response.
        record(None);
        let answered = send(self.clients.of(&outgoing.url), &outgoing, self.limit, MOST).await;
        record(answered.as_ref().ok());
        let response = answered.map_err(|unanswered| match unanswered {
            Unanswered::Unsendable(why) => unfit(call, &why),
            Unanswered::Unreachable(why) => socket(why),
            Unanswered::TooLarge(_) => too_large(call),
        })?;
        if let (Some(token), 401 | 407) = (&token, response.status) {
            connection.token.forget(token).await;
        }
        if !(200..300).contains(&response.status) {
            // AWS keeps the text of the status and nothing of the body.
            let name = format!("States.Http.StatusCode.{}", response.status);
            return Err(Failure::new(name, status_text(response.status)));
        }
        let body = body(&response).map_err(|why| Failure::new("States.Runtime", why))?;
        let headers = response.headers.iter();
        let headers = grouped(headers.map(|(name, value)| (name.as_str(), value.as_str())));
        Ok(result(&response, body, headers))
    }

    fn connection(&self, call: &TaskCall) -> Result<&Connection, Failure> {
        let arn = connection_of(&call.parameters).unwrap_or_default();
        let name = name_of(arn);
        let named = || self.connections.get(name?);
        self.connections.get(arn).or_else(named).ok_or_else(|| {
            let why = match name {
                Some(name) => format!("define [connections.{name}] in stepwright.toml"),
                None => "that is no ARN of a connection".to_owned(),
            };
            let cause = format!("The connection '{arn}' does not exist: {why}");
            Failure::new("Events.ConnectionResource.ResourceNotFound", cause)
        })
    }
}

/// The name in the ARN of a connection, `arn:aws:events:REGION:ACCOUNT:connection/NAME/ID`. Nothing
/// else is taken for an ARN, because rights are given for the text as a whole.
pub(crate) fn name_of(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.split(':').collect();
    let ["arn", _, "events", region, account, resource] = parts[..] else { return None };
    let (name, id) = resource.strip_prefix("connection/")?.split_once('/')?;
    let is_plain = |part: &str| !part.is_empty() && !part.contains('/');
    [region, account, name, id].into_iter().all(is_plain).then_some(name)
}

/// Runs an HTTP task.
pub(crate) async fn run(task: Task) -> End {
    let call = &task.call.call;
    let machine = task.call.facts.about.machine.clone();
    let arn = connection_of(&call.parameters).unwrap_or_default();
    let allowed = task.authorize("states:InvokeHTTPEndpoint", &machine);
    let allowed = allowed.map_err(|_| access_denied(call)).and_then(|()| {
        task.authorize("events:RetrieveConnectionCredentials", arn).map_err(|denied| {
            Failure::new("Events.ConnectionResource.AccessDenied", denied.to_string())
        })
    });
    if let Err(failure) = allowed {
        return End::Failed(failure, Stage::Run);
    }
    let http = task.services.aws.http();
    tokio::select! {
        ended = http.invoke(call, task.report.trace()) => match ended {
            Ok(output) => End::Succeeded(output),
            Err(failure) => End::Failed(failure, Stage::Run),
        },
        () = task.report.cancelled() => End::Elsewhere,
    }
}

/// The headers that Step Functions sets itself.
const OWN_HEADERS: [&str; 3] = ["user-agent", "range", "content-length"];

/// The request of a task, with what its connection adds; or without what it adds or replaces.
fn request_of(call: &TaskCall, added: &Additions, with_added: bool) -> Result<Exchange, String> {
    let get = |name: &str| call.parameters.get(name).filter(|value| !value.is_null());
    let text = |name: &str| get(name).map(text_of).unwrap_or_default().into_owned();
    let mut headers = Vec::new();
    let given = get("Headers").and_then(Json::as_object);
    for (name, value) in given.into_iter().flat_map(Object::iter) {
        let is = |other: &str| other.eq_ignore_ascii_case(name);
        let is_replaced = OWN_HEADERS.iter().any(|own| is(own))
            || added.headers.iter().any(|(other, _)| is(other));
        if is_replaced {
            continue;
        }
        match value {
            Json::Array(values) => {
                let values = values.iter().map(|one| (name.to_string(), text_of(one).into_owned()));
                headers.extend(values);
            }
            value => headers.push((name.to_string(), text_of(value).into_owned())),
        }
    }
    let mut query = get("QueryParameters").and_then(Json::as_object).cloned().unwrap_or_default();
    for (name, value) in &added.query {
        query.remove(name);
        if with_added {
            query.insert(name.as_str(), value.as_str().into());
        }
    }
    if with_added {
        headers.extend(added.headers.iter().cloned());
    }
    headers.push((
        "User-Agent".to_owned(),
        format!("Amazon|StepFunctions|HttpInvoke|{}", call.region),
    ));
    headers.push(("Range".to_owned(), "bytes=0-262144".to_owned()));
    let mut url = endpoint_of(call)?;
    let query = form(&query.into(), ArrayFormat::Repeat)
        .ok_or("The field 'QueryParameters' is too large")?;
    if !query.is_empty() {
        let query = url.query().map_or_else(|| query.clone(), |own| format!("{own}&{query}"));
        url.set_query(Some(&query));
    }
    let body = request_body(get("RequestBody"), added, with_added)?;
    let body = match (body, transform(&call.parameters)?) {
        (None, _) => None,
        (Some(body), Some(format)) => {
            Some(form(&body, format).ok_or("The field 'RequestBody' is too large")?)
        }
        (Some(Json::String(text)), None) => Some(text.to_string()),
        (Some(body), None) => Some(body.to_string()),
    };
    Ok(Exchange { method: text("Method"), url, headers, body: body.map(String::into_bytes) })
}

fn endpoint_of(call: &TaskCall) -> Result<Url, String> {
    let endpoint = call.parameters.get("ApiEndpoint").map(text_of).unwrap_or_default();
    Url::parse(&endpoint)
        .map_err(|error| format!("The value for the 'ApiEndpoint' field is not valid: {error}"))
}

fn request_body(
    given: Option<&Json>,
    added: &Additions,
    with_added: bool,
) -> Result<Option<Json>, String> {
    if added.body.is_empty() {
        return Ok(given.cloned());
    }
    let mut members = match given {
        None => Object::new(),
        Some(Json::Object(members)) => members.clone(),
        Some(_) => {
            return Err(
                "The field 'RequestBody' must be an object, because the connection adds to it"
                    .into(),
            );
        }
    };
    for (name, value) in &added.body {
        if with_added {
            members.insert(name.as_str(), value.as_str().into());
        } else {
            members.remove(name);
        }
    }
    Ok(Some(members.into()))
}

/// The failure of a task whose parameters cannot be sent.
pub(crate) fn unfit(call: &TaskCall, why: &str) -> Failure {
    let cause = format!(
        "The Parameters '{}' could not be used to start the Task: [{why}]",
        call.parameters
    );
    Failure::new("States.Runtime", cause)
}

/// The failure of a task that may not call its endpoint.
fn access_denied(call: &TaskCall) -> Failure {
    let endpoint = call.parameters.get("ApiEndpoint").map(text_of).unwrap_or_default();
    let cause = format!(
        "AWS Step Functions is not authorized to perform states:InvokeHTTPEndpoint on API Endpoint \
         {endpoint}. Ensure that the StateMachine role contains the states:InvokeHTTPEndpoint \
         permission for the given API Endpoint"
    );
    Failure::new("States.Http.AccessDenied", cause)
}

/// The failure of a call that did not come to a response.
fn socket(why: String) -> Failure {
    Failure::new("States.Http.Socket", why)
}

/// The failure of a task whose result is too large to be read.
pub(crate) fn too_large(call: &TaskCall) -> Failure {
    let name = match &call.kind {
        TaskKind::Service { service, .. } => service,
        TaskKind::Lambda | TaskKind::Activity | TaskKind::Whole => &call.state,
    };
    let error = EvaluationError::too_large().of_state(name);
    Failure::new(error.error, error.cause)
}

/// The failure of a task whose connection cannot be used.
fn unauthorized(connection: &str, why: &str) -> Failure {
    let cause = format!("The connection '{connection}' is not authorized: {why}");
    Failure::new("Events.ConnectionResource.InvalidConnectionState", cause)
}
