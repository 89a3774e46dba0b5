//! Accounts and regions, as tenants: whose a resource is. A caller's account is that of the key, and the
//! region is that of the signature; neither is read from what a request asks for.

use super::access_denied;
use super::rights::Right;
use crate::api::{activity_missing, execution_missing, machine_missing, resource_missing};
use crate::config::{AccountConfig, CredentialConfig, CredentialsError, ServerConfig};
use crate::rate::Rate;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stepwright_engine::Denied;
use stepwright_history::Moment;
use stepwright_protocol::ApiError;

/// The accounts that a server serves. Without any, it makes no difference between accounts and regions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tenants {
    accounts: BTreeMap<String, Arc<Tenant>>,
    home: Option<Arc<Tenant>>,
}

/// An account: where it is served, and how much of the server it may take.
#[derive(Debug)]
pub(crate) struct Tenant {
    account: String,
    /// The first is the one that it has where no signature says another.
    regions: Vec<String>,
    /// Whether it is the server's own, which has the local services and the server's own numbers.
    is_home: bool,
    /// How many operations it may call.
    rate: Option<Rate>,
    /// How many executions may run at once in each region.
    most_running: Option<u64>,
}

/// An account, and a region of it, or all.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    tenant: Arc<Tenant>,
    /// `None` for who looks at all regions of the account.
    region: Option<String>,
}

impl Tenants {
    /// The accounts of `[[credentials]]` and `[accounts]`.
    pub(crate) fn read(
        server: &ServerConfig,
        keys: &[CredentialConfig],
        sections: &BTreeMap<String, AccountConfig>,
    ) -> Result<Self, CredentialsError> {
        let named = keys.iter().filter_map(|key| Some((key, key.account.as_deref()?)));
        for (key, account) in named.clone() {
            check_account(account, || format!("access_key_id = \"{}\"", key.access_key_id))?;
        }
        let mut ids: BTreeSet<&str> = named.map(|(_, account)| account).collect();
        if ids.is_empty() && sections.is_empty() {
            return Ok(Self::default());
        }
        // A key that names none has the server's.
        ids.insert(&server.account);
        for (id, section) in sections {
            check_account(id, || format!("[accounts.{id}]"))?;
            if !ids.contains(id.as_str()) {
                return Err(CredentialsError::Nobody(id.clone()));
            }
            if let Some(wrong) = section.regions.iter().find(|region| !is_region(region)) {
                return Err(CredentialsError::Region(id.clone(), wrong.clone()));
            }
        }
        let tenant = |id: &str| {
            let section = sections.get(id).cloned().unwrap_or_default();
            let mut regions = section.regions;
            if regions.is_empty() {
                regions.push(server.region.clone());
            }
            let rate = section.max_requests_per_second;
            Arc::new(Tenant {
                account: id.to_owned(),
                regions,
                is_home: id == server.account,
                rate: (rate > 0).then(|| Rate::new(rate)),
                most_running: section.max_concurrent_executions,
            })
        };
        let accounts: BTreeMap<_, _> =
            ids.iter().map(|id| ((*id).to_owned(), tenant(id))).collect();
        let home = accounts.get(&server.account).cloned();
        Ok(Self { accounts, home })
    }

    /// The account of a key that names it, or names none.
    pub(crate) fn of(&self, account: Option<&str>) -> Option<Arc<Tenant>> {
        match account {
            Some(account) => self.accounts.get(account).cloned(),
            None => self.home.clone(),
        }
    }

    /// Where the resource with this ARN belongs; `None` if no difference is made.
    pub(crate) fn of_arn(&self, arn: &str) -> Option<Scope> {
        self.home.as_ref()?;
        let (_, region, account) = place(arn)?;
        self.scope(account, Some(region))
    }

    /// An account and a region of it.
    pub(crate) fn scope(&self, account: &str, region: Option<&str>) -> Option<Scope> {
        self.home.as_ref()?;
        // An account that is not configured any more has what it had, and nothing of others.
        let gone = || {
            Arc::new(Tenant {
                account: account.to_owned(),
                regions: region.map(str::to_owned).into_iter().collect(),
                is_home: false,
                rate: None,
                most_running: None,
            })
        };
        let tenant = self.accounts.get(account).cloned().unwrap_or_else(gone);
        Some(Scope { tenant, region: region.map(str::to_owned) })
    }

    /// Whether some account is served in a region.
    pub(crate) fn are_in(&self, region: &str) -> bool {
        self.accounts.values().any(|tenant| tenant.is_in(region))
    }
}

impl Tenant {
    /// Whether the account is served in a region.
    pub(crate) fn is_in(&self, region: &str) -> bool {
        self.regions.iter().any(|one| one == region)
    }

    /// All of the account, or a region of it.
    pub(crate) fn scope(self: &Arc<Self>, region: Option<&str>) -> Scope {
        Scope { tenant: self.clone(), region: region.map(str::to_owned) }
    }
}

impl Scope {
    pub(crate) fn account(&self) -> &str {
        &self.tenant.account
    }

    /// The region in which something new is made.
    pub(crate) fn region(&self) -> Option<&str> {
        self.region.as_deref().or_else(|| self.tenant.regions.first().map(String::as_str))
    }

    /// The region that all is in, if it is one.
    pub(crate) fn only_region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    /// How many executions may run at once.
    pub(crate) fn most_running(&self) -> Option<u64> {
        self.tenant.most_running
    }

    /// Whether the account may call one more operation now.
    pub(crate) fn lets_through(&self, now: Moment, nodes: usize) -> bool {
        self.tenant.rate.as_ref().is_none_or(|rate| rate.lets_through(now, nodes))
    }

    /// Whether it is the server's own account.
    pub(crate) fn is_home(&self) -> bool {
        self.tenant.is_home
    }

    /// Whether a resource of Step Functions belongs here.
    pub(crate) fn owns(&self, arn: &str) -> bool {
        place(arn).is_some_and(|(_, region, account)| self.has(region, account))
    }

    fn has(&self, region: &str, account: &str) -> bool {
        account == self.tenant.account && self.region.as_deref().is_none_or(|own| own == region)
    }

    /// Refuses what concerns another account or region, as AWS does: another account's resources may not
    /// be touched, and another region's are not there.
    pub(crate) fn check(&self, who: &str, right: &Right) -> Result<(), ApiError> {
        let denied = || {
            let Right { action, resource } = right.clone();
            let denied = Denied { who: who.to_owned(), action: action.into_owned(), resource };
            access_denied(&denied)
        };
        let Some((service, region, account)) = place(&right.resource) else {
            let is_of_server = right.is_to_read_metrics() || right.is_to_read_logs();
            return if is_of_server && !self.is_home() { Err(denied()) } else { Ok(()) };
        };
        match service {
            // Functions are the server's, for all accounts whose keys may call them.
            "lambda" => Ok(()),
            _ if !account.is_empty() && account != self.tenant.account => Err(denied()),
            "states" if !self.has(region, account) => Err(not_here(right)),
            _ => Ok(()),
        }
    }
}

/// The error for what is in another region.
fn not_here(right: &Right) -> ApiError {
    let arn = &right.resource;
    let kind = arn.split(':').nth(5).unwrap_or_default();
    match kind {
        _ if right.action.contains("Tag") => resource_missing(arn),
        "stateMachine" => machine_missing(arn),
        "activity" => activity_missing(arn),
        "execution" | "express" => execution_missing(arn),
        _ => resource_missing(arn),
    }
}

/// The service, the region and the account of an ARN.
fn place(arn: &str) -> Option<(&str, &str, &str)> {
    let mut parts = arn.split(':');
    if parts.next() != Some("arn") {
        return None;
    }
    let (_, service) = (parts.next()?, parts.next()?);
    Some((service, parts.next()?, parts.next()?))
}

fn check_account(account: &str, of: impl Fn() -> String) -> Result<(), CredentialsError> {
    if account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    Err(CredentialsError::Account(account.to_owned(), of()))
}

fn is_region(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= 32 && text.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "111111111111";
    const TWO: &str = "222222222222";

    fn tenants() -> Tenants {
        let key = CredentialConfig {
            access_key_id: "ONE".to_owned(),
            secret_access_key: None,
            actions: Vec::new(),
            resources: Vec::new(),
            account: Some(ONE.to_owned()),
        };
        let section = AccountConfig {
            regions: vec!["us-east-1".to_owned(), "eu-west-1".to_owned()],
            ..AccountConfig::default()
        };
        let sections = BTreeMap::from([(ONE.to_owned(), section)]);
        Tenants::read(&ServerConfig::default(), &[key], &sections).expect("they are accounts")
    }

    #[test]
    fn whose_a_resource_is_decides() {
        let tenant = tenants().of(Some(ONE)).expect("it is one");
        let here = tenant.scope(Some("us-east-1"));
        let anywhere = tenant.scope(None);
        let check = |scope: &Scope, action: &'static str, resource: &str| {
            let checked = scope.check("ONE", &Right::new(action, resource));
            checked.err().map_or("", |error| error.code)
        };
        let machine = |region: &str, account: &str| {
            format!("arn:aws:states:{region}:{account}:stateMachine:order")
        };
        let denied = "AccessDeniedException";
        for (action, resource, expected) in [
            ("states:StartExecution", machine("us-east-1", ONE), ["", ""]),
            ("states:StartExecution", machine("eu-west-1", ONE), ["StateMachineDoesNotExist", ""]),
            ("states:TagResource", machine("eu-west-1", ONE), ["ResourceNotFound", ""]),
            ("states:StartExecution", machine("us-east-1", TWO), [denied, denied]),
            ("states:StartExecution", machine("us-east-1", ""), ["StateMachineDoesNotExist"; 2]),
            ("states:ListStateMachines", "*".to_owned(), ["", ""]),
            ("states:StartExecution", "garbage".to_owned(), ["", ""]),
            ("iam:PassRole", format!("arn:aws:iam::{ONE}:role/r"), ["", ""]),
            ("iam:PassRole", format!("arn:aws:iam::{TWO}:role/r"), [denied, denied]),
            ("s3:GetObject", "arn:aws:s3:::bucket/key".to_owned(), ["", ""]),
            ("sqs:SendMessage", format!("arn:aws:sqs:us-east-1:{TWO}:q"), [denied, denied]),
            ("lambda:InvokeFunction", format!("arn:aws:lambda:x:{TWO}:function:f"), ["", ""]),
            ("stepwright:GetMetrics", "*".to_owned(), [denied, denied]),
            ("stepwright:ReadLogs", "*".to_owned(), [denied, denied]),
            ("stepwright:ManageParkedExecutions", "*".to_owned(), ["", ""]),
        ] {
            let found = [check(&here, action, &resource), check(&anywhere, action, &resource)];
            assert_eq!(found, expected, "{action} {resource}");
        }
        let execution = "arn:aws:states:eu-west-1:111111111111:execution:order:one";
        assert_eq!(check(&here, "states:StopExecution", execution), "ExecutionDoesNotExist");
        let activity = "arn:aws:states:eu-west-1:111111111111:activity:work";
        assert_eq!(check(&here, "states:GetActivityTask", activity), "ActivityDoesNotExist");
    }

    #[test]
    fn an_account_that_is_gone_has_what_it_had() {
        let tenants = tenants();
        let gone = format!("arn:aws:states:us-east-1:{TWO}:execution:order:one");
        let scope = tenants.of_arn(&gone).expect("accounts matter");
        assert!(scope.owns(&gone) && !scope.is_home());
        assert!(!scope.owns(&gone.replace(TWO, ONE)));
        // Where no account is named, nothing is told apart.
        let none = Tenants::read(&ServerConfig::default(), &[], &BTreeMap::new());
        assert!(none.expect("there are none").of_arn(&gone).is_none());
    }

    #[test]
    fn wrong_accounts_are_refused_by_name() {
        let read = |account: Option<&str>, sections: &[(&str, &[&str])]| {
            let key = CredentialConfig {
                access_key_id: "ONE".to_owned(),
                secret_access_key: None,
                actions: Vec::new(),
                resources: Vec::new(),
                account: account.map(str::to_owned),
            };
            let sections = sections.iter().map(|(id, regions)| {
                let regions = regions.iter().map(|one| (*one).to_owned()).collect();
                ((*id).to_owned(), AccountConfig { regions, ..AccountConfig::default() })
            });
            let read = Tenants::read(&ServerConfig::default(), &[key], &sections.collect());
            read.map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(read(Some(ONE), &[(ONE, &["eu-west-1"]), ("123456789012", &[])]), Ok(()));
        let refused = read(Some("acme"), &[]).expect_err("it is none");
        assert!(refused.contains("`acme`") && refused.contains("ONE"), "{refused}");
        let refused = read(Some(ONE), &[(TWO, &[])]).expect_err("nobody has it");
        assert!(refused.contains("[accounts.222222222222]"), "{refused}");
        let refused = read(Some(ONE), &[(ONE, &["Ireland"])]).expect_err("it is no region");
        assert!(refused.contains("`Ireland`") && refused.contains(ONE), "{refused}");
        let refused = read(None, &[("12", &[])]).expect_err("it is none");
        assert!(refused.contains("[accounts.12]"), "{refused}");
    }
}
