//! The operations, one file for each. This file holds what several of them share.

mod create_activity;
mod create_state_machine;
mod create_state_machine_alias;
mod delete_activity;
mod delete_state_machine;
mod delete_state_machine_alias;
mod delete_state_machine_version;
mod describe_activity;
mod describe_execution;
mod describe_map_run;
mod describe_state_machine;
mod describe_state_machine_alias;
mod describe_state_machine_for_execution;
mod get_activity_task;
mod get_execution_history;
mod list_activities;
mod list_executions;
mod list_map_runs;
mod list_state_machine_aliases;
mod list_state_machine_versions;
mod list_state_machines;
mod list_tags_for_resource;
mod publish_state_machine_version;
mod redrive_execution;
mod send_task_failure;
mod send_task_heartbeat;
mod send_task_success;
mod start_execution;
mod start_sync_execution;
mod stop_execution;
mod tag_resource;
mod test_state;
mod untag_resource;
mod update_map_run;
mod update_state_machine;
mod update_state_machine_alias;
mod validate_state_machine_definition;

use crate::api::{Api, Reply};
use crate::connections::Connection;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::BTreeMap;
use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use stepwright_asl::Definition;
use stepwright_engine::{Machine, Principal, Revision, Version};
use stepwright_json::{Json, Object};
use stepwright_program::{
    CheckOptions, Program, aws_message, check_and_compile, check_with, variable_references,
};
use stepwright_protocol::{ApiError, Arn, Request, timestamp};
use stepwright_source::Diagnostic;

/// Calls an operation that exists with a request that is valid, on behalf of somebody who may.
/// `line` is the connection that the request came over, if it came over one.
///
/// Each operation is a future of its own: in one `async fn` they would all be one function, and a copy of it
/// would stand wherever it is called.
pub(crate) fn call<'c>(
    api: &'c Api,
    name: &str,
    request: &'c Request,
    principal: Principal,
    line: Option<&'c Connection>,
) -> Pin<Box<dyn Future<Output = Reply> + Send + 'c>> {
    match name {
        "CreateActivity" => Box::pin(create_activity::call(api, request)),
        "CreateStateMachine" => Box::pin(create_state_machine::call(api, request)),
        "CreateStateMachineAlias" => Box::pin(create_state_machine_alias::call(api, request)),
        "DeleteActivity" => Box::pin(delete_activity::call(api, request)),
        "DeleteStateMachine" => Box::pin(delete_state_machine::call(api, request)),
        "DeleteStateMachineAlias" => Box::pin(delete_state_machine_alias::call(api, request)),
        "DeleteStateMachineVersion" => Box::pin(delete_state_machine_version::call(api, request)),
        "DescribeActivity" => Box::pin(describe_activity::call(api, request)),
        "DescribeExecution" => Box::pin(describe_execution::call(api, request)),
        "DescribeMapRun" => Box::pin(describe_map_run::call(api, request)),
        "DescribeStateMachine" => Box::pin(describe_state_machine::call(api, request)),
        "DescribeStateMachineAlias" => Box::pin(describe_state_machine_alias::call(api, request)),
        "DescribeStateMachineForExecution" => {
            Box::pin(describe_state_machine_for_execution::call(api, request))
        }
        "GetActivityTask" => Box::pin(get_activity_task::call(api, request, line)),
        "GetExecutionHistory" => Box::pin(get_execution_history::call(api, request)),
        "ListActivities" => Box::pin(list_activities::call(api, request)),
        "ListExecutions" => Box::pin(list_executions::call(api, request)),
        "ListMapRuns" => Box::pin(list_map_runs::call(api, request)),
        "ListStateMachineAliases" => Box::pin(list_state_machine_aliases::call(api, request)),
        "ListStateMachineVersions" => Box::pin(list_state_machine_versions::call(api, request)),
        "ListStateMachines" => Box::pin(list_state_machines::call(api, request)),
        "ListTagsForResource" => Box::pin(list_tags_for_resource::call(api, request)),
        "PublishStateMachineVersion" => Box::pin(publish_state_machine_version::call(api, request)),
        "RedriveExecution" => Box::pin(redrive_execution::call(api, request)),
        "SendTaskFailure" => Box::pin(send_task_failure::call(api, request)),
        "SendTaskHeartbeat" => Box::pin(send_task_heartbeat::call(api, request)),
        "SendTaskSuccess" => Box::pin(send_task_success::call(api, request)),
        "StartExecution" => Box::pin(start_execution::call(api, request, principal)),
        "StartSyncExecution" => Box::pin(start_sync_execution::call(api, request, principal)),
        "StopExecution" => Box::pin(stop_execution::call(api, request)),
        "TagResource" => Box::pin(tag_resource::call(api, request)),
        "TestState" => Box::pin(test_state::call(api, request, principal)),
        "UntagResource" => Box::pin(untag_resource::call(api, request)),
        "UpdateMapRun" => Box::pin(update_map_run::call(api, request)),
        "UpdateStateMachine" => Box::pin(update_state_machine::call(api, request)),
        "UpdateStateMachineAlias" => Box::pin(update_state_machine_alias::call(api, request)),
        "ValidateStateMachineDefinition" => {
            Box::pin(validate_state_machine_definition::call(api, request))
        }
        other => Box::pin(ready(Err(ApiError::new(
            "UnknownOperationException",
            format!("the operation `{other}` is not served"),
        )))),
    }
}

/// The characters that a name must not contain, in addition to white space and control characters.
const FORBIDDEN: &str = "<>{}[]?*\"#%\\^|~`$&,;:/";

/// Checks a name.
pub(crate) fn check_name(name: &str) -> Result<(), ApiError> {
    let is_bad = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || FORBIDDEN.contains(c)
            || matches!(c, '\u{FFFE}' | '\u{FFFF}')
    };
    if name.is_empty() || name.chars().any(is_bad) {
        return Err(ApiError::new("InvalidName", format!("Invalid Name: '{name}'")));
    }
    Ok(())
}

pub(crate) use delete_state_machine::{remove_when_idle, remove_where_machines_change};
pub(crate) use start_execution::{check_concurrency, refused as not_started};

/// A definition of so many bytes is compiled and checked beside short work, which it would keep
/// waiting.
const LONG_DEFINITION: usize = 16 << 10;

/// Does something with a definition.
async fn with_definition<R: Send>(api: &Api, text: &str, work: impl FnOnce() -> R + Send) -> R {
    if text.len() < LONG_DEFINITION { work() } else { api.engine().aside(work).await }
}

/// The diagnostics of a definition.
pub(crate) async fn check(api: &Api, text: &str, express: bool) -> Vec<Diagnostic> {
    with_definition(api, text, || checked(text, express)).await
}

fn checked(text: &str, express: bool) -> Vec<Diagnostic> {
    match Definition::from_api(text) {
        Ok(definition) => check_with(&definition, &CheckOptions { express, deployed: true }),
        Err(diagnostic) => vec![*diagnostic],
    }
}

/// Compiles a definition, or refuses it as `CreateStateMachine` and `UpdateStateMachine` do.
pub(crate) async fn check_definition(
    api: &Api,
    text: &str,
    express: bool,
) -> Result<Program, ApiError> {
    with_definition(api, text, || compiled(text, express)).await
}

fn compiled(text: &str, express: bool) -> Result<Program, ApiError> {
    let refused = |diagnostics: &[Diagnostic]| {
        ApiError::new("InvalidDefinition", aws_message(diagnostics).unwrap_or_default())
    };
    let definition = Definition::from_api(text).map_err(|wrong| refused(&[*wrong]))?;
    let checked = check_and_compile(&definition, &CheckOptions { express, deployed: true });
    checked.program.ok_or_else(|| refused(&checked.diagnostics))
}

/// The content of a new revision. Parts that the request does not give are those of the present
/// revision.
pub(crate) struct Draft {
    pub(crate) definition: String,
    pub(crate) role_arn: String,
    pub(crate) is_express: bool,
    pub(crate) logging: Option<Json>,
    pub(crate) is_traced: bool,
    pub(crate) encryption: Option<Json>,
}

impl Draft {
    /// Reads a request, with the present revision for the parts that it does not give.
    pub(crate) fn read(
        request: &Request,
        before: Option<&Revision>,
        is_express: bool,
    ) -> Result<Self, ApiError> {
        let text = |key: &str, before: Option<&String>| {
            request.text(key).map(str::to_owned).or_else(|| before.cloned()).unwrap_or_default()
        };
        let logging = match request.get("loggingConfiguration") {
            Some(logging) => check_logging(logging)?,
            None => before.and_then(|before| before.logging.clone()),
        };
        let is_traced = match request.get("tracingConfiguration") {
            Some(tracing) => tracing.get("enabled").and_then(Json::as_bool).unwrap_or_default(),
            None => before.is_some_and(|before| before.is_traced),
        };
        let encryption = match request.get("encryptionConfiguration") {
            Some(encryption) => Some(check_encryption(encryption)?),
            None => before.and_then(|before| before.encryption.clone()),
        };
        let role_arn = text("roleArn", before.map(|before| &before.role_arn));
        if !role_arn.starts_with("arn:") {
            return Err(ApiError::new(
                "InvalidArn",
                format!("Invalid Role Arn: 'Invalid ARN prefix: {role_arn}'"),
            ));
        }
        Ok(Self {
            definition: text("definition", before.map(|before| &before.definition)),
            role_arn,
            is_express,
            logging,
            is_traced,
            encryption,
        })
    }

    /// Whether it equals an existing revision.
    pub(crate) fn is(&self, revision: &Revision) -> bool {
        self.definition == revision.definition
            && self.role_arn == revision.role_arn
            && self.is_express == revision.is_express
            && self.logging == revision.logging
            && self.is_traced == revision.is_traced
            && self.encryption == revision.encryption
    }

    /// Creates the revision, with the program that its definition compiles to.
    pub(crate) fn revision(self, api: &Api, mut program: Program) -> Revision {
        let options = api.engine.options();
        (program.limits, program.vintage) = (options.limits, options.vintage);
        Revision {
            id: api.engine.new_uuid(),
            definition: self.definition,
            role_arn: self.role_arn,
            is_express: self.is_express,
            logging: self.logging,
            is_traced: self.is_traced,
            encryption: self.encryption,
            created_at: options.clock.now().0,
            program: Arc::new(program),
        }
    }
}

/// AWS's default: no logging.
fn logging_off() -> Json {
    stepwright_json::json!({"level": "OFF", "includeExecutionData": false})
}

fn check_logging(logging: &Json) -> Result<Option<Json>, ApiError> {
    let refused = |why: &str| {
        ApiError::new(
            "InvalidLoggingConfiguration",
            format!("Invalid Logging Configuration: {why}"),
        )
    };
    let level = logging.get("level").and_then(Json::as_str).unwrap_or("OFF");
    let destinations = logging.get("destinations").and_then(Json::as_array);
    let count = destinations.map_or(0, |destinations| destinations.len());
    if count > 1 || (count == 0 && level != "OFF") {
        return Err(refused("Must specify exactly one Log Destination."));
    }
    if let Some(destination) = destinations.and_then(|destinations| destinations.first()) {
        let group = destination.get("cloudWatchLogsLogGroup").and_then(|g| g.get("logGroupArn"));
        let group = group.and_then(Json::as_str).unwrap_or_default();
        if !group.contains(":log-group:") || !group.ends_with(":*") {
            return Err(refused("Log Destination not found."));
        }
    }
    let mut object = Object::new();
    if destinations.is_some() {
        object.insert("destinations", logging.get("destinations").cloned().unwrap_or_default());
    }
    let with_data = logging.get("includeExecutionData").cloned().unwrap_or(Json::Bool(false));
    object.insert("includeExecutionData", with_data);
    object.insert("level", level.into());
    Ok(Some(object.into()))
}

fn check_encryption(encryption: &Json) -> Result<Json, ApiError> {
    let has_key = encryption.get("kmsKeyId").is_some_and(|key| !key.is_null());
    let is_own = encryption.get("type").and_then(Json::as_str) == Some("CUSTOMER_MANAGED_KMS_KEY");
    if has_key != is_own {
        let why = if is_own {
            "Must specify a KMS key when type is CUSTOMER_MANAGED_KMS_KEY"
        } else {
            "Cannot specify a KMS key when type is AWS_OWNED_KEY"
        };
        return Err(ApiError::new(
            "InvalidEncryptionConfiguration",
            format!("Invalid Encryption Configuration: '{why}'"),
        ));
    }
    Ok(encryption.clone())
}

/// Adds the members by which descriptions of machines show a revision.
pub(crate) fn describe_revision(object: &mut Object, revision: &Revision, with_definition: bool) {
    if with_definition {
        object.insert("definition", revision.definition.as_str().into());
    }
    object.insert("roleArn", revision.role_arn.as_str().into());
    object.insert("loggingConfiguration", revision.logging.clone().unwrap_or_else(logging_off));
    let mut tracing = Object::new();
    tracing.insert("enabled", Json::Bool(revision.is_traced));
    object.insert("tracingConfiguration", tracing.into());
    let default = stepwright_json::json!({"type": "AWS_OWNED_KEY"});
    object.insert("encryptionConfiguration", revision.encryption.clone().unwrap_or(default));
    if !with_definition {
        return;
    }
    let references = Definition::from_api(&revision.definition)
        .map(|definition| variable_references(&definition))
        .unwrap_or_default();
    if !references.is_empty() {
        let references: Object = references
            .into_iter()
            .map(|(state, names)| {
                let names: Vec<Json> = names.iter().map(|name| name.as_str().into()).collect();
                (state, Json::from(names))
            })
            .collect();
        object.insert("variableReferences", references.into());
    }
}

/// Publishes the current revision. Returns the version, and whether it is new.
pub(crate) fn publish(
    machine: &mut Machine,
    description: Option<&str>,
    now: i64,
) -> (Version, bool) {
    if let Some(last) = machine.versions.last()
        && last.revision == machine.revision
    {
        return (last.clone(), false);
    }
    machine.last_version += 1;
    let version = Version {
        number: machine.last_version,
        revision: machine.revision.clone(),
        description: description.map(str::to_owned),
        created_at: now,
    };
    machine.versions.push(version.clone());
    (version, true)
}

/// Reads the `tags` of a request.
pub(crate) fn read_tags(request: &Request) -> Result<BTreeMap<String, String>, ApiError> {
    let mut tags = BTreeMap::new();
    for tag in &request.list("tags") {
        let text = |key: &str| tag.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        tags.insert(text("key"), text("value"));
    }
    check_tag_count(&tags, "")?;
    Ok(tags)
}

/// The largest number of tags that a resource may have.
const MOST_TAGS: usize = 50;

pub(crate) fn check_tag_count(
    tags: &BTreeMap<String, String>,
    resource: &str,
) -> Result<(), ApiError> {
    if tags.len() > MOST_TAGS {
        let error =
            ApiError::new("TooManyTags", format!("A resource has at most {MOST_TAGS} tags"));
        return Err(error.about(resource));
    }
    Ok(())
}

/// The page of a list that a request asks for. `maxResults` 0 means as many as AWS returns: 100.
pub(crate) struct Paging {
    pub(crate) most: usize,
    pub(crate) after: Option<String>,
}

impl Paging {
    pub(crate) fn read(request: &Request) -> Result<Self, ApiError> {
        let most = request.integer("maxResults").filter(|most| *most > 0).unwrap_or(100) as usize;
        let after = match request.text("nextToken") {
            Some(token) => Some(read_token(token)?),
            None => None,
        };
        Ok(Self { most, after })
    }

    /// Cuts a list to one page, which begins after the token's key. Returns the page and the token
    /// of the next one.
    pub(crate) fn cut<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        key: impl Fn(&T) -> String,
        is_after: impl Fn(&T, &str) -> bool,
    ) -> (Vec<T>, Option<String>) {
        let mut items = items
            .into_iter()
            .filter(|item| self.after.as_deref().is_none_or(|after| is_after(item, after)));
        let page: Vec<T> = items.by_ref().take(self.most).collect();
        let next = items.next().and_then(|_| page.last()).map(|last| write_token(&key(last)));
        (page, next)
    }
}

/// Writes a page token that marks a position in a list.
pub(crate) fn write_token(position: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("1{position}"))
}

fn read_token(token: &str) -> Result<String, ApiError> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| text.strip_prefix('1').map(str::to_owned)).ok_or_else(invalid_token)
}

pub(crate) fn invalid_token() -> ApiError {
    ApiError::new("InvalidToken", "Invalid Token: 'Invalid token'")
}

/// The answer that holds a list.
pub(crate) fn list(name: &'static str, items: Vec<Json>, next: Option<String>) -> Json {
    let mut object = Object::new();
    object.insert(name, items.into());
    if let Some(next) = next {
        object.insert("nextToken", next.into());
    }
    object.into()
}

pub(crate) fn empty() -> Json {
    Object::new().into()
}

/// Inserts a moment, if there is one.
pub(crate) fn insert_date(object: &mut Object, key: &'static str, millis: Option<i64>) {
    if let Some(millis) = millis {
        object.insert(key, timestamp(millis));
    }
}

/// Inserts a text, if there is one.
pub(crate) fn insert_text(object: &mut Object, key: &'static str, text: Option<&str>) {
    if let Some(text) = text {
        object.insert(key, text.into());
    }
}

/// The ARN of an execution in a request. Express executions are refused as AWS refuses them.
pub(crate) fn execution_arn(request: &Request) -> Result<&str, ApiError> {
    let arn = request.required("executionArn");
    Arn::parse_kind(arn, &["execution"])?;
    Ok(arn)
}
