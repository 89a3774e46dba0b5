use crate::connections::Connection;
use crate::door::{Credentials, Scope};
use crate::{fork, operations};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use stepwright_engine::{Engine, Machine, Principal, Revision, StartRequest, Version};
use stepwright_json::{Json, Object};
use stepwright_protocol::{ApiError, Arn, Qualifier, Request, keep_known, operation, validate};
use stepwright_store::StoreError;

/// The operations, without HTTP around them.
#[derive(Clone, Debug)]
pub struct Api {
    pub(crate) engine: Engine,
    pub(crate) settings: Arc<Settings>,
    /// The account and region that the caller sees; `None` for all.
    pub(crate) scope: Option<Scope>,
}

/// The settings of an [`Api`].
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long `GetActivityTask` waits for a task.
    pub longest_poll: Duration,
    /// The largest number of executions of a machine that may run at once, by the machine's name.
    /// Machines that are not in the map have no limit.
    pub max_concurrent_executions: BTreeMap<String, u64>,
    /// The test cases of the mock file, by machine; `None` without a mock file.
    pub test_cases: Option<BTreeMap<String, Vec<String>>>,
    /// The callers, with their accounts.
    pub credentials: Credentials,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            longest_poll: Duration::from_mins(1),
            max_concurrent_executions: BTreeMap::new(),
            test_cases: None,
            credentials: Credentials::default(),
        }
    }
}

/// The answer of an operation.
pub(crate) type Reply = Result<Json, ApiError>;

impl Api {
    /// The API of an engine.
    pub fn new(engine: Engine, settings: impl Into<Arc<Settings>>) -> Self {
        Self { engine, settings: settings.into(), scope: None }
    }

    /// The API as it is for whoever belongs to this account and region.
    pub(crate) fn within(&self, scope: Option<Scope>) -> Self {
        Self { scope, ..self.clone() }
    }

    /// Whether a machine or an activity is one that the caller sees.
    pub(crate) fn sees(&self, arn: &str) -> bool {
        self.scope.as_ref().is_none_or(|scope| scope.owns(arn))
    }

    /// Continues to remove machines that were deleted while their executions ran.
    pub(crate) fn finish_deletions(&self) {
        if self.engine.has_nodes() {
            // Whichever node changes machines does so, which may be another one later.
            tokio::spawn(operations::remove_where_machines_change(self.engine.clone()));
            return;
        }
        for machine in self.engine.catalogue().machines() {
            if machine.status == stepwright_engine::MachineStatus::Deleting {
                let (engine, arn) = (self.engine.clone(), machine.arn.clone());
                tokio::spawn(operations::remove_when_idle(engine, arn));
            }
        }
    }

    /// The engine that the operations work on.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Calls an operation by its name with the body of a request, on behalf of the server. The
    /// executions that it starts may do everything.
    pub async fn call(&self, name: &str, body: Json) -> Result<Json, ApiError> {
        self.call_for(Principal::Server, name, body).await
    }

    /// Calls an operation on behalf of somebody who has the right to. What it starts acts on behalf
    /// of the same principal.
    pub async fn call_for(
        &self,
        principal: Principal,
        name: &str,
        body: Json,
    ) -> Result<Json, ApiError> {
        self.call_over(None, principal, name, body).await
    }

    /// Like [`Self::call_for`], for a request that came over a connection.
    pub(crate) async fn call_over(
        &self,
        line: Option<&Connection>,
        principal: Principal,
        name: &str,
        body: Json,
    ) -> Result<Json, ApiError> {
        let Some(operation) = operation(name) else {
            return Err(ApiError::new(
                "UnknownOperationException",
                format!("there is no operation `{name}`"),
            ));
        };
        validate(operation, &body)?;
        let body = keep_known(operation, body);
        self.operate(operation.name, Request::new(body), principal, line).await
    }

    /// Carries an operation out at this node.
    pub(crate) async fn operate_here(
        &self,
        name: &str,
        request: &Request,
        principal: Principal,
        line: Option<&Connection>,
    ) -> Reply {
        match name {
            fork::OPERATION => fork::fork_here(self, principal, request.body()).await,
            _ => operations::call(self, name, request, principal, line).await,
        }
    }

    /// Finds the machine, version or alias that an ARN names.
    pub(crate) fn target(&self, text: &str) -> Result<Target, ApiError> {
        let arn = Arn::parse_kind(text, &["stateMachine"])?;
        let missing = || machine_missing(text);
        let (machine, qualifier) = arn.machine();
        let machine = self.engine.catalogue().machine(&machine).ok_or_else(missing)?;
        let target = match qualifier {
            Qualifier::None => Target { version: None, alias: None, machine },
            Qualifier::Version(number) => {
                let version = machine.version(number).cloned().ok_or_else(missing)?;
                Target { version: Some(version), alias: None, machine }
            }
            Qualifier::Alias(name) => {
                let alias = machine.aliases.get(name).ok_or_else(missing)?;
                let drawn = self.draw(alias);
                let version = machine.version(drawn).cloned().ok_or_else(missing)?;
                Target { version: Some(version), alias: Some(name.to_owned()), machine }
            }
        };
        Ok(target)
    }

    /// Picks one of an alias's versions by their weights.
    fn draw(&self, alias: &stepwright_engine::Alias) -> u64 {
        let mut drawn = self.engine.draw(100) as u32;
        for route in &alias.routes {
            if drawn < route.weight {
                return route.version;
            }
            drawn -= route.weight;
        }
        alias.routes.first().map_or(0, |route| route.version)
    }

    pub(crate) async fn revision(&self, id: &str) -> Result<Arc<Revision>, ApiError> {
        self.engine.revision(id).await.map_err(store_failed)
    }

    /// An execution that is to be answered by a test case is not started without it.
    pub(crate) fn check_test_case(
        &self,
        machine: &str,
        case: &str,
        arn: &str,
    ) -> Result<(), ApiError> {
        let why = match &self.settings.test_cases {
            None => "no mock file is given: serve with --mock-config FILE".to_owned(),
            Some(cases) => match cases.get(machine) {
                Some(known) if known.iter().any(|known| known == case) => return Ok(()),
                Some(known) => {
                    format!(
                        "the mock file has no such test case of '{machine}', only {}",
                        known.join(", ")
                    )
                }
                None => format!("the mock file has no test cases of '{machine}'"),
            },
        };
        Err(ApiError::new("InvalidArn", format!("Invalid Arn: '{arn}': {why}")))
    }

    /// The part that `StartExecution` and `StartSyncExecution` share.
    pub(crate) async fn start_request(
        &self,
        request: &Request,
        principal: Principal,
    ) -> Result<StartRequest, ApiError> {
        let text = request.required("stateMachineArn");
        let (text, test_case) = match text.split_once('#') {
            Some((arn, case)) => (arn, Some(case.to_owned())),
            None => (text, None),
        };
        let target = self.target(text)?;
        if target.machine.status == stepwright_engine::MachineStatus::Deleting {
            return Err(ApiError::new(
                "StateMachineDeleting",
                format!("State Machine Deleting: '{text}'"),
            ));
        }
        if let Some(case) = &test_case {
            let machine = target.machine.arn.rsplit(':').next().unwrap_or_default();
            self.check_test_case(machine, case, request.required("stateMachineArn"))?;
        }
        let name = match request.text("name") {
            Some(name) => {
                operations::check_name(name)?;
                name.to_owned()
            }
            None => self.engine.new_uuid(),
        };
        let input = read_input(request.text("input"))?;
        let revision = self.revision(target.revision()).await?;
        let arn = &target.machine.arn;
        Ok(StartRequest {
            version: target.version.as_ref().map(|version| format!("{arn}:{}", version.number)),
            alias: target.alias.as_ref().map(|alias| format!("{arn}:{alias}")),
            machine: target.machine,
            revision,
            name,
            input_text: request
                .text("input")
                .filter(|text| *text != input.to_string())
                .map(Into::into),
            input,
            trace_header: request.text("traceHeader").map(str::to_owned),
            test_case,
            parent: None,
            principal,
            fork: None,
            seed: None,
        })
    }
}

/// What the ARN of a state machine refers to.
pub(crate) struct Target {
    pub(crate) machine: Arc<Machine>,
    pub(crate) version: Option<Version>,
    pub(crate) alias: Option<String>,
}

impl Target {
    /// The revision that its executions run.
    pub(crate) fn revision(&self) -> &str {
        self.version.as_ref().map_or(&self.machine.revision, |version| &version.revision)
    }
}

pub(crate) fn read_input(text: Option<&str>) -> Result<Json, ApiError> {
    let Some(text) = text else { return Ok(Object::new().into()) };
    let refused = |why: &str| {
        ApiError::new(
            "InvalidExecutionInput",
            format!("Invalid State Machine Execution Input: '{why}'"),
        )
    };
    if text.trim().is_empty() {
        return Err(refused("Invalid execution input."));
    }
    stepwright_json::parse(text).map_err(|error| {
        let complaint = stepwright_json::jackson::complaint(text);
        refused(&complaint.map_or_else(|| error.to_string(), |complaint| complaint.message))
    })
}

pub(crate) fn machine_missing(arn: &str) -> ApiError {
    ApiError::new("StateMachineDoesNotExist", format!("State Machine Does Not Exist: '{arn}'"))
}

pub(crate) fn activity_missing(arn: &str) -> ApiError {
    ApiError::new("ActivityDoesNotExist", format!("Activity Does Not Exist: '{arn}'"))
}

pub(crate) fn execution_missing(arn: &str) -> ApiError {
    ApiError::new("ExecutionDoesNotExist", format!("Execution Does Not Exist: '{arn}'"))
}

pub(crate) fn resource_missing(arn: &str) -> ApiError {
    ApiError::new("ResourceNotFound", format!("Resource not found: '{arn}'")).about(arn)
}

pub(crate) fn store_failed(error: StoreError) -> ApiError {
    ApiError::internal(format!("the store failed: {error}"))
}
