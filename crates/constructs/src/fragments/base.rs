use crate::chain::{Chain, Chainable, Nextable};
use crate::common::{DataPath, WithData};
use crate::fragment::Fragment;
use crate::fragments::enclose_chainable;
use crate::iam::{Principal, Statement};
use crate::logs::{LogGroup, LogOptions};
use crate::resources::{Function, Machine, RemovalPolicy, Role};
use crate::state_machine::StateMachine;
use crate::states::Parallel;
use crate::text::Text;
use std::time::Duration;

/// An environment, such as `dev-marmotdev`. The names of everything in it begin with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvBase(String);

impl EnvBase {
    /// The environment with a type (`dev`, `test`, `prod`) and optionally a label, for environments
    /// of the same type.
    pub fn new(env_type: &str, label: Option<&str>) -> Self {
        match label {
            Some(label) => Self(format!("{env_type}-{label}")),
            None => Self(env_type.to_owned()),
        }
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn join(&self, names: &[&str], separator: &str) -> String {
        let mut joined = self.0.clone();
        for name in names {
            joined.push_str(separator);
            joined.push_str(name);
        }
        joined
    }

    /// The id of a construct in this environment.
    pub fn get_construct_id(&self, names: &[&str]) -> String {
        self.join(names, "-")
    }

    /// The name of any resource in this environment.
    pub fn get_resource_name(&self, names: &[&str]) -> String {
        self.join(names, "-")
    }

    /// The name of a function in this environment.
    pub fn get_function_name(&self, name: &str) -> String {
        self.join(&[name], "-")
    }

    /// The name of a state machine in this environment.
    pub fn get_state_machine_name(&self, name: &str) -> String {
        self.join(&[name], "-")
    }

    /// The name of a table in this environment.
    pub fn get_table_name(&self, name: &str) -> String {
        self.join(&[name], "-")
    }

    /// The name of a state machine's log group in this environment.
    pub fn get_state_machine_log_group_name(&self, name: &str) -> String {
        format!("/aws/vendedlogs/{}/states/{name}", self.0)
    }

    /// The function of this environment with this name.
    pub fn get_fn(&self, name: &str) -> Function {
        Function::from_name(self.get_function_name(name))
    }

    /// The state machine of this environment with this name.
    pub fn get_state_machine_from_name(&self, name: &str) -> Machine {
        Machine::from_name(self.get_state_machine_name(name))
    }
}

impl From<&EnvBase> for EnvBase {
    fn from(env: &EnvBase) -> Self {
        env.clone()
    }
}

/// A fragment that belongs to an environment: a chain, and the additional permissions of its role.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a fragment that is in no state machine does nothing"]
pub struct EnvFragment {
    id: String,
    env: EnvBase,
    chain: Chain,
    managed_policies: Vec<Text>,
    statements: Vec<Statement>,
}

impl EnvFragment {
    /// A fragment with an id, an environment and a chain.
    pub fn new(id: impl Into<String>, env: impl Into<EnvBase>, definition: impl Chainable) -> Self {
        Self {
            id: id.into(),
            env: env.into(),
            chain: definition.into_chain(),
            managed_policies: Vec::new(),
            statements: Vec::new(),
        }
    }

    /// Adds a managed policy that the role needs: one of AWS's by its name, or any by its ARN.
    pub fn require_managed_policy(mut self, policy: impl Into<Text>) -> Self {
        self.managed_policies.push(policy.into());
        self
    }

    /// The chain.
    pub fn definition(&self) -> &Chain {
        &self.chain
    }

    /// Replaces the chain.
    pub fn with_definition(mut self, definition: impl Chainable) -> Self {
        self.chain = definition.into_chain();
        self
    }

    /// The id of the state it starts with.
    pub fn start_state(&self) -> &str {
        self.chain.start_id()
    }

    /// The ids of the states at which it continues.
    pub fn end_states(&self) -> Vec<&str> {
        self.chain.end_states()
    }

    /// The managed policies that the role needs, by name or ARN.
    pub fn required_managed_policies(&self) -> &[Text] {
        &self.managed_policies
    }

    /// Adds statements that the role needs.
    pub fn require(mut self, statements: impl IntoIterator<Item = Statement>) -> Self {
        for statement in statements {
            if !self.statements.contains(&statement) {
                self.statements.push(statement);
            }
        }
        self
    }

    /// The permissions that the role needs in addition to those of the states.
    pub fn required_inline_policy_statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Replaces the chain: `change(|chain| before.next(chain))`.
    pub(crate) fn change(mut self, change: impl FnOnce(Chain) -> Chain) -> Self {
        self.chain = change(self.chain);
        self
    }
}

/// Conversions of the fragments of an environment. Implemented by all of them.
pub trait EnvBaseFragment: Sized {
    /// Builds the fragment.
    fn into_fragment(self) -> EnvFragment;

    /// The id of the fragment.
    fn id(&self) -> String;

    /// Wraps the fragment in a Parallel state, whose result is that of the fragment and not a list
    /// with it.
    fn to_single_state(self) -> Parallel {
        let id = self.id();
        self.to_single_state_with(&id, &format!("{id}: "))
    }

    /// Wraps the fragment in a Parallel state with this id. Its states get a prefix, which may be
    /// empty.
    fn to_single_state_with(self, state_id: &str, prefix_states: &str) -> Parallel {
        let fragment = self.into_fragment();
        Fragment::new(fragment.id, fragment.chain)
            .to_single_state_with(state_id, prefix_states)
            .output_path("$[0]")
    }

    /// Wraps the fragment in a Parallel state that takes the whole data and returns the whole data;
    /// see [`enclose_chainable`].
    fn enclose(self) -> Chain {
        self.enclose_at(None, None, None)
    }

    /// Wraps the fragment in a Parallel state with another id. The fragment gets the part of the
    /// data at `input_path`, and its result is put at `result_path`.
    fn enclose_at(
        self,
        id: Option<&str>,
        input_path: Option<&str>,
        result_path: Option<DataPath>,
    ) -> Chain {
        let fragment = self.into_fragment();
        let id = id.unwrap_or(&fragment.id).to_owned();
        enclose_chainable(&id, fragment.chain, input_path, result_path)
    }

    /// A state machine of the fragment, with its own role and logs.
    fn to_state_machine(self, name: &str) -> StateMachine {
        let fragment = self.into_fragment();
        let EnvFragment { id, env, chain, managed_policies, statements } = fragment;
        let role_id = format!("{id}/{}", env.get_construct_id(&[name, "role"]));
        let role =
            role_of(&role_id, &env, &managed_policies).inline_policy("default", statements.clone());
        let machine_id = format!("{id}/{}", env.get_construct_id(&[name]));
        StateMachine::new(machine_id, chain)
            .state_machine_name(env.get_state_machine_name(name))
            .logs(create_log_options(&format!("{id}/"), name, &env))
            .role(role)
            .role_needs(managed_policies, statements)
            .tag("env_base", env.as_str())
    }

    /// A state machine of the fragment with a time limit for executions.
    fn to_state_machine_with_timeout(self, name: &str, timeout: Duration) -> StateMachine {
        self.to_state_machine(name).timeout(timeout)
    }
}

impl EnvBaseFragment for EnvFragment {
    fn into_fragment(self) -> EnvFragment {
        self
    }

    fn id(&self) -> String {
        self.id.clone()
    }
}

impl Chainable for EnvFragment {
    fn into_chain(self) -> Chain {
        Chain { fragment: Some(self.id), ..self.chain }
    }
}

/// A fragment of your own, whose chain is built when it is used.
///
/// ```
/// use stepwright_constructs::fragments::{EnvBase, EnvBaseFragment, LazyLoadStateMachineFragment};
/// use stepwright_constructs::prelude::*;
///
/// struct Notify {
///     env: EnvBase,
/// }
///
/// impl LazyLoadStateMachineFragment for Notify {
///     fn id(&self) -> String {
///         "Notify".into()
///     }
///
///     fn env_base(&self) -> EnvBase {
///         self.env.clone()
///     }
///
///     fn build_definition(&self) -> Chain {
///         LambdaInvoke::new("Send", self.env.get_fn("send")).payload_response_only().into_chain()
///     }
/// }
///
/// let env = EnvBase::new("dev", Some("marmotdev"));
/// assert!(Notify { env }.to_state_machine("notify").template().is_ok());
/// ```
pub trait LazyLoadStateMachineFragment {
    /// The id of the fragment.
    fn id(&self) -> String;

    /// The environment that it belongs to.
    fn env_base(&self) -> EnvBase;

    /// Builds its chain.
    fn build_definition(&self) -> Chain;

    /// The managed policies that the role needs, by name or ARN.
    fn required_managed_policies(&self) -> Vec<Text> {
        Vec::new()
    }

    /// The permissions that the role needs in addition to those of the states.
    fn required_inline_policy_statements(&self) -> Vec<Statement> {
        Vec::new()
    }
}

impl<T: LazyLoadStateMachineFragment> EnvBaseFragment for T {
    fn into_fragment(self) -> EnvFragment {
        let fragment = EnvFragment::new(
            LazyLoadStateMachineFragment::id(&self),
            self.env_base(),
            self.build_definition(),
        );
        let fragment = self
            .required_managed_policies()
            .into_iter()
            .fold(fragment, EnvFragment::require_managed_policy);
        fragment.require(self.required_inline_policy_statements())
    }

    fn id(&self) -> String {
        LazyLoadStateMachineFragment::id(self)
    }
}

impl<T: LazyLoadStateMachineFragment> Chainable for T {
    fn into_chain(self) -> Chain {
        self.into_fragment().into_chain()
    }
}

impl<T: LazyLoadStateMachineFragment> Nextable for T {}

impl Nextable for EnvFragment {}

/// Implements [`EnvBaseFragment`] and the traits for chains, for a fragment that has a `build`
/// method.
macro_rules! env_fragment {
    ($($name:ty),*) => {$(
        impl $crate::fragments::EnvBaseFragment for $name {
            fn into_fragment(self) -> $crate::fragments::EnvFragment {
                self.build()
            }

            fn id(&self) -> String {
                self.id.clone()
            }
        }

        impl $crate::chain::Chainable for $name {
            fn into_chain(self) -> $crate::chain::Chain {
                $crate::chain::Chainable::into_chain(self.build())
            }
        }

        impl $crate::chain::Nextable for $name {}
    )*};
}
pub(crate) use env_fragment;

/// Log options for errors, kept for a month in a log group named after the environment.
///
/// `scope` is a prefix of the log group's id: empty, or a path that ends with a slash.
pub fn create_log_options(scope: &str, name: &str, env: &EnvBase) -> LogOptions {
    LogOptions::new(create_log_group(scope, name, env))
}

/// The log group of [`create_log_options`]: entries are kept for a month, and it is deleted with the
/// stack. For anything else: `LogOptions::new(create_log_group(…).retention_days(7))`.
pub fn create_log_group(scope: &str, name: &str, env: &EnvBase) -> LogGroup {
    log_group(scope, name, name, env)
}

fn log_group(scope: &str, id: &str, name: &str, env: &EnvBase) -> LogGroup {
    LogGroup::new(&format!("{scope}{}", env.get_construct_id(&[id, "state-loggroup"])))
        .log_group_name(Text::from(env.get_state_machine_log_group_name(name)))
        .retention_days(30)
        .removal_policy(RemovalPolicy::Destroy)
        .tag("env_base", env.as_str())
}

/// The managed policies that the library gives to the role of every machine.
const DEFAULT_POLICIES: [&str; 3] =
    ["AWSStepFunctionsFullAccess", "CloudWatchLogsFullAccess", "CloudWatchEventsFullAccess"];

/// A role for state machines, with the managed policies that the library gives to all of them. More
/// is added with the methods of [`Role`]; [`create_plain_role`] leaves the policies out.
///
/// ```
/// use stepwright_constructs::fragments::{EnvBase, create_role};
/// use stepwright_constructs::prelude::*;
///
/// let role = create_role("my-machine", &EnvBase::new("dev", None))
///     .managed_policy("AmazonS3ReadOnlyAccess")
///     .inline_policy("default", [Statement::allow(["s3:PutObject"], ["*"])]);
/// # let _ = role;
/// ```
pub fn create_role(name: &str, env: &EnvBase) -> Role {
    role_of(&env.get_construct_id(&[name, "role"]), env, &[])
}

/// A role of the environment without any managed policy, which somebody else than Step Functions may
/// assume as well or instead.
pub fn create_plain_role(name: &str, env: &EnvBase, assumed_by: impl Into<Principal>) -> Role {
    Role::new(&env.get_construct_id(&[name, "role"]), assumed_by).tag("env_base", env.as_str())
}

fn role_of(id: &str, env: &EnvBase, managed_policies: &[Text]) -> Role {
    let role = Role::new(id, "states.amazonaws.com").tag("env_base", env.as_str());
    let role = managed_policies.iter().fold(role, Role::with_policy);
    DEFAULT_POLICIES.into_iter().fold(role, Role::managed_policy)
}

/// A state machine named after the environment, with logs. `logs` and `role` are created if they
/// are not given.
pub fn create_state_machine(
    env: &EnvBase,
    id: &str,
    name: Option<&str>,
    definition: impl Chainable,
    role: Option<Role>,
    logs: Option<LogOptions>,
) -> StateMachine {
    let logs = logs.unwrap_or_else(|| LogOptions::new(log_group("", id, name.unwrap_or(id), env)));
    let mut machine = StateMachine::new(env.get_construct_id(&[id]), definition)
        .logs(logs)
        .tag("env_base", env.as_str());
    if let Some(name) = name {
        machine = machine.state_machine_name(env.get_state_machine_name(name));
    }
    match role {
        Some(role) => machine.role(role),
        None => machine,
    }
}
