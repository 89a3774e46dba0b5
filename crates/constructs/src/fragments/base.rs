use crate::chain::{Chain, Chainable, Nextable};
use crate::common::{DataPath, WithData};
use crate::fragment::Fragment;
use crate::fragments::enclose_chainable;
use crate::iam::Statement;
use crate::logs::{LogGroup, LogOptions};
use crate::resources::{Function, Machine, Role};
use crate::state_machine::StateMachine;
use crate::states::Parallel;
use crate::text::Text;
use std::time::Duration;

/// An environment, such as `dev-marmotdev`: what everything in it is called after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvBase(String);

impl EnvBase {
    /// The environment with a type (`dev`, `test`, `prod`) and, where there are several, a label.
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

    /// The id of a construct.
    pub fn get_construct_id(&self, names: &[&str]) -> String {
        self.join(names, "-")
    }

    /// The name of anything.
    pub fn get_resource_name(&self, names: &[&str]) -> String {
        self.join(names, "-")
    }

    /// The name of a function.
    pub fn get_function_name(&self, name: &str) -> String {
        self.join(&[name], "-")
    }

    /// The name of a state machine.
    pub fn get_state_machine_name(&self, name: &str) -> String {
        self.join(&[name], "-")
    }

    /// The name of a table.
    pub fn get_table_name(&self, name: &str) -> String {
        self.join(&[name], "-")
    }

    /// The name of the log group of a state machine.
    pub fn get_state_machine_log_group_name(&self, name: &str) -> String {
        format!("/aws/vendedlogs/{}/states/{name}", self.0)
    }

    /// The function of this environment with a name.
    pub fn get_fn(&self, name: &str) -> Function {
        Function::from_name(self.get_function_name(name))
    }

    /// The state machine of this environment with a name.
    pub fn get_state_machine_from_name(&self, name: &str) -> Machine {
        Machine::from_name(self.get_state_machine_name(name))
    }
}

impl From<&EnvBase> for EnvBase {
    fn from(env: &EnvBase) -> Self {
        env.clone()
    }
}

/// A fragment that knows its environment: a chain, and what its role has to be allowed besides.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a fragment that is in no state machine does nothing"]
pub struct EnvFragment {
    id: String,
    env: EnvBase,
    chain: Chain,
    managed_policies: Vec<String>,
    statements: Vec<Statement>,
}

impl EnvFragment {
    /// A fragment.
    pub fn new(id: impl Into<String>, env: impl Into<EnvBase>, definition: impl Chainable) -> Self {
        Self {
            id: id.into(),
            env: env.into(),
            chain: definition.into_chain(),
            managed_policies: Vec::new(),
            statements: Vec::new(),
        }
    }

    /// Adds a policy of AWS that the role needs, by name.
    pub fn require_managed_policy(mut self, name: &str) -> Self {
        self.managed_policies.push(name.to_owned());
        self
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

    /// The statements that the role needs besides what the states need.
    pub fn required_inline_policy_statements(&self) -> &[Statement] {
        &self.statements
    }

    /// Puts another chain in its place: `change(|chain| before.next(chain))`.
    pub(crate) fn change(mut self, change: impl FnOnce(Chain) -> Chain) -> Self {
        self.chain = change(self.chain);
        self
    }
}

/// What can be made of a fragment of an environment. Implemented by all of them.
pub trait EnvBaseFragment: Sized {
    /// The fragment.
    fn into_fragment(self) -> EnvFragment;

    /// One Parallel state, whose result is that of the fragment, not a list with it.
    fn to_single_state(self) -> Parallel {
        let fragment = self.into_fragment();
        Fragment::new(fragment.id, fragment.chain).to_single_state().output_path("$[0]")
    }

    /// The fragment within a Parallel state that takes and leaves the whole data; see [`enclose_chainable`].
    fn enclose(self) -> Chain {
        self.enclose_at(None, None, None)
    }

    /// The fragment within a Parallel state with another id, taking a part of the data, and putting
    /// the result somewhere.
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

    /// The state machine of the fragment, with a role and logs of its own.
    fn to_state_machine(self, name: &str) -> StateMachine {
        let fragment = self.into_fragment();
        let EnvFragment { id, env, chain, managed_policies, statements } = fragment;
        let mut role =
            role_of(&format!("{id}/{}", env.get_construct_id(&[name, "role"])), &managed_policies);
        for statement in statements {
            role = role.allow(statement);
        }
        let machine_id = format!("{id}/{}", env.get_construct_id(&[name]));
        StateMachine::new(machine_id, chain)
            .state_machine_name(env.get_state_machine_name(name))
            .logs(create_log_options(&format!("{id}/"), name, &env))
            .role(role)
            .tag("env_base", env.as_str())
    }

    /// The state machine of the fragment, ending executions that take too long.
    fn to_state_machine_with_timeout(self, name: &str, timeout: Duration) -> StateMachine {
        self.to_state_machine(name).timeout(timeout)
    }
}

impl EnvBaseFragment for EnvFragment {
    fn into_fragment(self) -> EnvFragment {
        self
    }
}

impl Chainable for EnvFragment {
    fn into_chain(self) -> Chain {
        self.chain
    }
}

impl Nextable for EnvFragment {}

/// Implements [`EnvBaseFragment`] and what chains need for a fragment that has a `build`.
macro_rules! env_fragment {
    ($($name:ty),*) => {$(
        impl $crate::fragments::EnvBaseFragment for $name {
            fn into_fragment(self) -> $crate::fragments::EnvFragment {
                self.build()
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

/// Logs of errors, kept for a month, in a log group named after the environment.
///
/// `scope` is put before the id of the log group: empty, or a path that ends with a slash.
pub fn create_log_options(scope: &str, name: &str, env: &EnvBase) -> LogOptions {
    let id = format!("{scope}{}", env.get_construct_id(&[name, "state-loggroup"]));
    let group = LogGroup::new(&id)
        .log_group_name(Text::from(env.get_state_machine_log_group_name(name)))
        .retention_days(30);
    LogOptions::new(group)
}

/// A role for state machines, with the policies of AWS that the library gives to all of them.
pub fn create_role(name: &str, env: &EnvBase) -> Role {
    role_of(&env.get_construct_id(&[name, "role"]), &[])
}

fn role_of(id: &str, managed_policies: &[String]) -> Role {
    let default =
        ["AWSStepFunctionsFullAccess", "CloudWatchLogsFullAccess", "CloudWatchEventsFullAccess"];
    let role = Role::new(id, "states.amazonaws.com");
    managed_policies.iter().map(String::as_str).chain(default).fold(role, Role::managed_policy)
}

/// A state machine named after the environment, with logs; `logs` and `role` are made if not given.
pub fn create_state_machine(
    env: &EnvBase,
    id: &str,
    name: Option<&str>,
    definition: impl Chainable,
    role: Option<Role>,
    logs: Option<LogOptions>,
) -> StateMachine {
    let logs = logs.unwrap_or_else(|| create_log_options("", name.unwrap_or(id), env));
    let mut machine = StateMachine::new(env.get_construct_id(&[id]), definition).logs(logs);
    if let Some(name) = name {
        machine = machine.state_machine_name(env.get_state_machine_name(name));
    }
    match role {
        Some(role) => machine.role(role),
        None => machine,
    }
}
