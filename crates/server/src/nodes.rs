//! Nodes that share a store, over HTTP: what they ask of each other, and a list of them.

use crate::api::{Api, Reply, store_failed};
use crate::config::NodesConfig;
use crate::fork;
use crate::http::{Shared, answer, parse};
use crate::printed;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::Response;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::time::Duration;
use stepwright_engine::{NodesView, PeerError, Peers, Place, Principal};
use stepwright_json::{Json, Object, json};
use stepwright_protocol::{ApiError, Request as ApiRequest};
use stepwright_store::{Pending, Shards};

/// The path on which a node is asked by others.
pub(crate) const CALLS: &str = "/nodes/call";

/// How long it may take to reach a node, and how long it may take to answer.
const TO_REACH: Duration = Duration::from_secs(2);
const TO_ANSWER: Duration = Duration::from_secs(25);

/// Why the section `[server.nodes]` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NodesError {
    /// It is there without a store that nodes can share.
    #[error("`[server.nodes]` needs a `store` that several nodes can share: postgres://…")]
    NoStore,
    /// What local services hold would be another thing at each node.
    #[error(
        "`{0}` is for the local services of one server, with its files and processes, and `[server.nodes]` \
         makes this one of several, which may have `sqs`, `sns`, `eventbridge`, `dynamodb`, `ssm` and \
         `secretsmanager`; let a server of its own have the others, and name it at each node: \
         `endpoint = \"http://…\"`"
    )]
    Local(String),
    /// The address is no URL that others could use.
    #[error("`address` in `[server.nodes]` is `{0}`; it must begin with http:// or https://")]
    Address(String),
    /// The key could be guessed.
    #[error("`key` in `[server.nodes]` must have at least 16 characters")]
    Key,
    /// The file of certificates cannot be read.
    #[error("`certificates` in `[server.nodes]` cannot be read: {0}")]
    Certificates(String),
    /// The client cannot be built.
    #[error("other nodes cannot be called")]
    Client(#[source] reqwest::Error),
}

/// Calls other nodes.
pub(crate) struct HttpPeers {
    client: reqwest::Client,
    key: String,
}

impl HttpPeers {
    pub(crate) fn new(config: &NodesConfig) -> Result<Self, NodesError> {
        let address = &config.address;
        if !["http://", "https://"].iter().any(|scheme| address.starts_with(scheme)) {
            return Err(NodesError::Address(address.clone()));
        }
        if config.key.len() < 16 {
            return Err(NodesError::Key);
        }
        let mut client =
            reqwest::Client::builder().connect_timeout(TO_REACH).timeout(TO_ANSWER).no_proxy();
        if let Some(file) = &config.certificates {
            let unreadable = |why: String| NodesError::Certificates(why);
            let pem = std::fs::read(file).map_err(|error| unreadable(error.to_string()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem);
            for certificate in certificates.map_err(|error| unreadable(error.to_string()))? {
                client = client.add_root_certificate(certificate);
            }
        }
        Ok(Self { client: client.build().map_err(NodesError::Client)?, key: config.key.clone() })
    }
}

impl Peers for HttpPeers {
    fn call(&self, address: &str, request: Json) -> Pending<Result<Json, PeerError>> {
        let url = format!("{}{CALLS}", address.trim_end_matches('/'));
        let call = self.client.post(url).bearer_auth(&self.key).body(request.to_string());
        Box::pin(async move {
            let unknown = |error: reqwest::Error| PeerError::Unknown(error.to_string());
            let response = call.send().await.map_err(|error| {
                let is_unsent = error.is_connect();
                if is_unsent { PeerError::NotReached(error.to_string()) } else { unknown(error) }
            })?;
            if !response.status().is_success() {
                let status = response.status();
                let what = format!("it answers {status}; do all nodes have the same `key`?");
                return Err(PeerError::NotReached(what));
            }
            let bytes = response.bytes().await.map_err(unknown)?;
            stepwright_json::parse_bytes(&bytes)
                .map_err(|error| PeerError::Unknown(error.to_string()))
        })
    }
}

/// Does what another node asks. The door has seen its key.
pub(crate) async fn call(State(serving): Shared, request: Request) -> Response {
    let bytes = to_bytes(request.into_body(), usize::MAX).await.unwrap_or_default();
    let reply = match parse(&bytes) {
        Ok(request) if request.get("do").and_then(Json::as_str) == Some("operation") => {
            Ok(operate(&serving.api, &request).await)
        }
        Ok(request) if request.get("do").and_then(Json::as_str) == Some("search") => {
            match serving.console.search() {
                Some(search) => search
                    .answer_node(serving.api.engine(), &request)
                    .await
                    .map_err(ApiError::validation),
                None => Err(ApiError::validation("this node has no search")),
            }
        }
        Ok(request) if request.get("do").and_then(Json::as_str) == Some("printed") => {
            Ok(printed::of_this_node(serving.api.engine(), &serving.functions, &request))
        }
        Ok(request) => {
            let of_services = match &serving.services {
                Some(services) => services.answer_node(&request).await,
                None => None,
            };
            let reply = match of_services {
                Some(reply) => Some(reply),
                None => serving.api.engine().answer_peer(&request).await,
            };
            reply.ok_or_else(|| {
                ApiError::validation("this release does not know what the other node asks")
            })
        }
        Err(error) => Err(error),
    };
    answer(&serving.api.engine().new_uuid(), reply)
}

/// Calls an operation on behalf of another node's caller.
async fn operate(api: &Api, request: &Json) -> Json {
    let text = |key: &str| request.get(key).and_then(Json::as_str);
    let principal = Principal::of_text(text("by")).unwrap_or_default();
    let body = ApiRequest::new(request.get("body").cloned().unwrap_or_default());
    let name = text("name").unwrap_or_default();
    let tenants = api.settings.credentials.tenants();
    let scope = text("account").and_then(|id| tenants.scope(id, text("region")));
    let api = api.within(scope);
    let reply = match api.where_to(name, &body) {
        Some(shard) => api.operate_with(shard, name, &body, principal, None).await,
        None => Some(api.operate_here(name, &body, principal, None).await),
    };
    let reply = reply.unwrap_or_else(|| Err(not_yet()));
    match reply {
        Ok(reply) => json!({"reply": (reply)}),
        Err(error) => {
            let mut object = Object::new();
            object.insert("error", error.code.into());
            object.insert("message", error.message.into());
            object.insert("status", Json::Int(i64::from(error.status)));
            if let Some(reason) = error.reason {
                object.insert("reason", reason.into());
            }
            if let Some(resource) = error.resource {
                object.insert("resource", resource.into());
            }
            object.into()
        }
    }
}

/// The error while no node does what only one does.
fn not_yet() -> ApiError {
    let what = "the node that does this is being replaced; try again";
    ApiError { status: 503, ..ApiError::new("ServiceUnavailable", what) }
}

/// The operations that change what all nodes know: machines, activities and their tags. One node does
/// them, so that no change is lost.
fn is_of_home(operation: &str) -> bool {
    matches!(
        operation,
        "CreateActivity"
            | "CreateStateMachine"
            | "CreateStateMachineAlias"
            | "DeleteActivity"
            | "DeleteStateMachine"
            | "DeleteStateMachineAlias"
            | "DeleteStateMachineVersion"
            | "PublishStateMachineVersion"
            | "TagResource"
            | "UntagResource"
            | "UpdateStateMachine"
            | "UpdateStateMachineAlias"
    )
}

/// How long a node that changes machines is waited for, and between two attempts.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(200);

impl Api {
    /// What the node is told that carries an operation out: on whose behalf, and for which account.
    fn asked_of_node(&self, name: &str, request: &ApiRequest, principal: &Principal) -> Json {
        let mut call = Object::new();
        call.insert("do", "operation".into());
        call.insert("name", name.into());
        call.insert("body", request.body().clone());
        if let Some(by) = principal.text() {
            call.insert("by", by.into());
        }
        if let Some(scope) = &self.scope {
            call.insert("account", scope.account().into());
            if let Some(region) = scope.only_region() {
                call.insert("region", region.into());
            }
        }
        call.into()
    }

    /// The shard whose node carries an operation out; `None` if any node does. What changes machines is
    /// done by one node, and so are the starts of a machine, or of an account in a region, that may run
    /// only so many executions: who counts them also starts them.
    fn where_to(&self, name: &str, request: &ApiRequest) -> Option<u8> {
        if is_of_home(name) {
            return Some(0);
        }
        let arn = match name {
            "StartExecution" => "stateMachineArn",
            fork::OPERATION => "executionArn",
            _ => return None,
        };
        let arn = request.body().get(arn).and_then(Json::as_str)?;
        let scope = self.settings.credentials.scope_of(arn);
        if let Some(scope) = scope.filter(|scope| scope.most_running().is_some()) {
            let region = scope.region().unwrap_or_default();
            return Some(Shards::of_name(&format!("{}/{region}", scope.account())));
        }
        let machine = arn.split(':').nth(6)?.split('#').next()?;
        let is_limited = self.settings.max_concurrent_executions.contains_key(machine);
        is_limited.then(|| Shards::of_name(machine))
    }

    /// Carries an operation out at this node if a shard is here, and keeps it here meanwhile.
    async fn operate_with(
        &self,
        shard: u8,
        name: &str,
        request: &ApiRequest,
        principal: Principal,
        line: Option<&crate::connections::Connection>,
    ) -> Option<Reply> {
        // Changes of machines see to this by themselves, and may take long.
        if is_of_home(name) {
            let is_here = self.engine().home() == Place::Here;
            let operating = self.operate_here(name, request, principal, line);
            return if is_here { Some(operating.await) } else { None };
        }
        let _staying = self.engine().stay(shard).await?;
        Some(self.operate_anywhere(name, request, principal, line).await)
    }

    /// Carries an operation out where it must be.
    pub(crate) async fn operate(
        &self,
        name: &'static str,
        request: ApiRequest,
        principal: Principal,
        line: Option<&crate::connections::Connection>,
    ) -> Reply {
        let engine = self.engine();
        if !engine.has_nodes() {
            return self.operate_here(name, &request, principal, line).await;
        }
        let Some(shard) = self.where_to(name, &request) else {
            return self.operate_anywhere(name, &request, principal, line).await;
        };
        let end = tokio::time::Instant::now() + PATIENCE;
        loop {
            match (engine.place_of(shard), &engine.options().peers) {
                (Place::Here, _) => {
                    let by = principal.clone();
                    if let Some(reply) = self.operate_with(shard, name, &request, by, line).await {
                        return reply;
                    }
                }
                (Place::At(address), Some(peers)) => {
                    let call = self.asked_of_node(name, &request, &principal);
                    match peers.call(&address, call).await {
                        Ok(reply) => {
                            let reply = read_reply(&reply);
                            if !reply.as_ref().is_err_and(|error| error.status == 503) {
                                if is_of_home(name) {
                                    // Whoever asks here next sees what has become of it.
                                    engine.refresh().await.map_err(store_failed)?;
                                }
                                return reply;
                            }
                        }
                        Err(PeerError::NotReached(why)) => {
                            tracing::debug!(address, why, "a node cannot be reached");
                        }
                        Err(error @ PeerError::Unknown(_)) => {
                            return Err(ApiError::internal(error.to_string()));
                        }
                    }
                }
                _ => {}
            }
            if tokio::time::Instant::now() >= end || engine.is_closing() {
                return Err(not_yet());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Carries out what any node can.
    async fn operate_anywhere(
        &self,
        name: &str,
        request: &ApiRequest,
        principal: Principal,
        line: Option<&crate::connections::Connection>,
    ) -> Reply {
        let reply = self.operate_here(name, request, principal.clone(), line).await;
        // What does not exist here may have been made at another node just now.
        let is_missing = reply.as_ref().is_err_and(|error| {
            error.code.ends_with("DoesNotExist") || error.code == "ResourceNotFound"
        });
        if !is_missing {
            return reply;
        }
        self.engine().refresh().await.map_err(store_failed)?;
        self.operate_here(name, request, principal, line).await
    }
}

fn read_reply(reply: &Json) -> Reply {
    if let Some(reply) = reply.get("reply") {
        return Ok(reply.clone());
    }
    let text = |key: &str| reply.get(key).and_then(Json::as_str);
    let Some(code) = text("error") else {
        return Err(ApiError::internal("the other node's answer is not understood"));
    };
    Err(ApiError {
        code: word(code),
        message: text("message").unwrap_or_default().to_owned(),
        status: reply.get("status").and_then(Json::as_i64).map_or(500, |status| status as u16),
        reason: text("reason").map(word),
        resource: text("resource").map(str::to_owned),
    })
}

/// A word that another node uses, of which there are few.
fn word(text: &str) -> &'static str {
    static WORDS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    const MOST: usize = 500;
    let mut words = WORDS.lock();
    match words.get(text) {
        Some(word) => word,
        None if words.len() < MOST => {
            let word: &'static str = Box::leak(text.to_owned().into_boxed_str());
            words.insert(word);
            word
        }
        None => "InternalFailure",
    }
}

/// Lists the nodes that share the store.
pub(crate) async fn list(State(serving): Shared) -> Response {
    let view = serving.api.engine().nodes_view();
    let body = view.map_or_else(|| json!({"nodes": []}), |view| shown(&view));
    let mut response = Response::new(Body::from(body.to_string()));
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn shown(view: &NodesView) -> Json {
    let count = |number: usize| Json::Int(number as i64);
    let nodes: Vec<Json> = view
        .nodes
        .iter()
        .map(|(node, shards)| {
            json!({
                "id": (Json::Int(node.id.0 as i64)),
                "address": (Json::from(node.address.as_str())),
                "release": (Json::from(node.release.as_str())),
                "beat": (Json::Int(node.beat as i64)),
                "shards": (count(shards.len())),
                "isThisOne": (Json::from(node.id == view.me))
            })
        })
        .collect();
    json!({
        "nodes": (Json::from(nodes)),
        "freeShards": (count(view.free.len())),
        "openShards": (count(view.open.len())),
        "secondsSinceBeat": (Json::Float(view.last_beat.as_secs_f64()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Assembly;
    use crate::config::CredentialConfig;
    use std::collections::BTreeMap;
    use stepwright_functions::Functions;

    const ACCOUNT: &str = "111111111111";

    async fn api() -> Api {
        let place = stepwright_functions::Place::default();
        let none = Functions::new(BTreeMap::new(), std::path::PathBuf::new(), place);
        let key = CredentialConfig {
            access_key_id: "KEY".to_owned(),
            secret_access_key: Some("secret".to_owned()),
            actions: vec!["*".to_owned()],
            resources: vec!["*".to_owned()],
            account: Some(ACCOUNT.to_owned()),
        };
        let assembly = Assembly::new(none.expect("there are none"));
        let assembled = Assembly { credentials: vec![key], ..assembly }.assemble().await;
        assembled.expect("it opens").api
    }

    #[tokio::test]
    async fn what_another_node_asks_is_done_for_the_account_of_its_caller() {
        let api = api().await;
        let ask = async |account: Option<&str>| {
            let mut call = Object::new();
            call.insert("name", "CreateActivity".into());
            call.insert("body", json!({"name": "work"}));
            if let Some(account) = account {
                call.insert("account", account.into());
                call.insert("region", "us-east-1".into());
            }
            let reply = operate(&api, &call.into()).await;
            let arn = reply.get("reply").and_then(|reply| reply.get("activityArn"));
            arn.and_then(Json::as_str).map(str::to_owned)
        };
        let of = |account: &str| Some(format!("arn:aws:states:us-east-1:{account}:activity:work"));
        assert_eq!(ask(Some(ACCOUNT)).await, of(ACCOUNT));
        // A node of an earlier release says nothing of it.
        assert_eq!(ask(None).await, of("123456789012"));
    }

    #[tokio::test]
    async fn another_node_is_told_the_account_of_the_caller() {
        let api = api().await;
        let scope = api.settings.credentials.tenants().scope(ACCOUNT, Some("us-east-1"));
        let api = api.within(scope);
        let told = api.asked_of_node(
            "CreateActivity",
            &ApiRequest::new(json!({})),
            &Principal::Key("KEY".into()),
        );
        let text = |key: &str| told.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        assert_eq!(
            [text("account"), text("region"), text("by")],
            [ACCOUNT, "us-east-1", "key:KEY"]
        );
    }
}
