//! The callers, and what each may do; and what executions may do.

use super::rights::Right;
use super::tenants::{Scope, Tenant, Tenants};
use parking_lot::RwLock;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use stepwright_engine::{Authorizer, Denied, Facts, Principal};
use stepwright_protocol::{ApiError, Arn, Qualifier};
use subtle::ConstantTimeEq as _;

/// The access keys that may call operations, the roles whose rights executions have, and the token
/// for reading the metrics. All clones are one: they can be replaced while the server runs.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    held: Arc<RwLock<Arc<Held>>>,
}

#[derive(Clone, Debug, Default)]
struct Held {
    keys: BTreeMap<String, Arc<Key>>,
    roles: BTreeMap<String, Arc<Vec<Allowance>>>,
    tenants: Tenants,
    /// Only the hash is kept, so that the token cannot be read from memory.
    metrics_token: Option<TokenHash>,
}

/// An access key: its secret, and what it may do.
#[derive(Clone)]
pub struct Key {
    /// The secret access key.
    pub secret: String,
    /// What its holder may do.
    pub allowance: Allowance,
    /// The account that its holder belongs to, if accounts are told apart.
    pub(crate) tenant: Option<Arc<Tenant>>,
}

/// Actions on resources that are allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// The actions, such as `states:StartExecution`; `*` stands for any characters. Without any,
    /// nothing is allowed.
    pub actions: Vec<String>,
    /// The ARNs that they are allowed on; `*` stands for any characters.
    pub resources: Vec<String>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret must not be printed.
        f.debug_struct("Key").field("allowance", &self.allowance).finish_non_exhaustive()
    }
}

/// The SHA-256 of a token.
#[derive(Clone, Copy, Debug)]
struct TokenHash([u8; 32]);

impl TokenHash {
    /// Reads a token, or a hash after `sha256:`.
    fn read(text: &str) -> Option<Self> {
        let Some(digits) = text.strip_prefix("sha256:") else {
            return (!text.is_empty()).then(|| Self(Sha256::digest(text).into()));
        };
        let mut hash = [0; 32];
        if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (at, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).ok()?;
        }
        Some(Self(hash))
    }

    fn is_of(&self, token: &str) -> bool {
        self.0.ct_eq(Sha256::digest(token).as_slice()).into()
    }
}

impl Credentials {
    /// Creates credentials from keys by access key id.
    pub fn new(keys: BTreeMap<String, Key>) -> Self {
        let keys = keys.into_iter().map(|(id, key)| (id, Arc::new(key))).collect();
        Self::holding(Held { keys, ..Held::default() })
    }

    fn holding(held: Held) -> Self {
        Self { held: Arc::new(RwLock::new(Arc::new(held))) }
    }

    fn held(&self) -> Arc<Held> {
        self.held.read().clone()
    }

    /// Takes what others hold in place of its own: from now on, for all clones.
    pub(crate) fn replace(&self, others: &Self) {
        let held = others.held();
        *self.held.write() = held;
    }

    /// Adds roles by their ARNs. Executions of a state machine with such a role have its rights, in
    /// place of those of whoever started them.
    #[must_use]
    pub fn with_roles(self, roles: BTreeMap<String, Vec<Allowance>>) -> Self {
        let roles = roles.into_iter().map(|(arn, allowed)| (arn, Arc::new(allowed))).collect();
        Self::holding(Held { roles, ..(*self.held()).clone() })
    }

    /// Adds the accounts.
    #[must_use]
    pub(crate) fn with_tenants(self, tenants: Tenants) -> Self {
        Self::holding(Held { tenants, ..(*self.held()).clone() })
    }

    /// The accounts.
    pub(crate) fn tenants(&self) -> Tenants {
        self.held.read().tenants.clone()
    }

    /// Where what has this ARN belongs, if accounts are told apart.
    pub(crate) fn scope_of(&self, arn: &str) -> Option<Scope> {
        self.held.read().tenants.of_arn(arn)
    }

    /// Adds the token for `/metrics`, given as it is or as `sha256:` and its hash in hexadecimal
    /// digits. Returns `None` if the text is neither.
    #[must_use]
    pub fn with_metrics_token(self, token: &str) -> Option<Self> {
        let metrics_token = Some(TokenHash::read(token)?);
        Some(Self::holding(Held { metrics_token, ..(*self.held()).clone() }))
    }

    /// Whether there are no keys. Then everybody who can connect is let in.
    pub fn is_empty(&self) -> bool {
        self.held.read().keys.is_empty()
    }

    pub(crate) fn has_metrics_token(&self) -> bool {
        self.held.read().metrics_token.is_some()
    }

    /// Whether a role has rights of its own.
    pub(crate) fn has_role(&self, arn: &str) -> bool {
        self.held.read().roles.contains_key(arn)
    }

    /// On whose behalf an execution's tasks act: in the name of its machine's role, or of whoever
    /// started it.
    pub(crate) fn acts_as(&self, facts: &Facts) -> Principal {
        let role = &facts.revision.role_arn;
        if self.has_role(role) { Principal::Role(role.clone()) } else { facts.principal.clone() }
    }

    fn allow(&self, principal: &Principal, right: &Right) -> bool {
        match principal {
            Principal::Server => true,
            // Without a key, nobody may do anything, now that there are keys.
            Principal::Anybody => false,
            Principal::Key(id) => self.key(id).is_some_and(|key| key.allowance.allows(right)),
            Principal::Role(arn) => {
                let held = self.held();
                let allowed = held.roles.get(arn);
                allowed.is_some_and(|allowed| allowed.iter().any(|one| one.allows(right)))
            }
        }
    }

    pub(crate) fn key(&self, id: &str) -> Option<Arc<Key>> {
        self.held.read().keys.get(id).cloned()
    }

    /// The caller who presents this token.
    pub(crate) fn with_token(&self, token: &str) -> Option<Caller> {
        let hash = self.held.read().metrics_token?;
        hash.is_of(token).then_some(Caller::Scraper)
    }

    /// The caller who presents this key's secret.
    pub(crate) fn with_secret(&self, id: &str, secret: &str) -> Option<Caller> {
        let key = self.key(id)?;
        // The hashes are compared, so that nothing is revealed about the length of the secret.
        let (right, given) = (Sha256::digest(&key.secret), Sha256::digest(secret));
        let is_right: bool = right.as_slice().ct_eq(given.as_slice()).into();
        is_right.then(|| Caller::Key { id: id.to_owned(), key, region: None })
    }
}

impl Authorizer for Credentials {
    fn authorize(&self, facts: &Facts, action: &str, resource: &str) -> Result<(), Denied> {
        if self.is_empty() {
            return Ok(());
        }
        let principal = self.acts_as(facts);
        let right = Right::new(action.to_owned(), resource);
        let is_own = || {
            let scope = self.scope_of(&facts.about.arn);
            scope.is_none_or(|scope| scope.check("", &right).is_ok())
        };
        if self.allow(&principal, &right) && (principal == Principal::Server || is_own()) {
            return Ok(());
        }
        Err(denied(principal.to_string(), right))
    }

    fn is_at_home(&self, facts: &Facts) -> bool {
        self.scope_of(&facts.about.arn).is_none_or(|scope| scope.is_home())
    }

    fn owns(&self, facts: &Facts, arn: &str) -> bool {
        self.scope_of(&facts.about.arn).is_none_or(|scope| scope.owns(arn))
    }
}

fn denied(who: String, Right { action, resource }: Right) -> Denied {
    Denied { who, action: action.into_owned(), resource }
}

/// The error of the API for a lack of rights.
pub(crate) fn access_denied(denied: &Denied) -> ApiError {
    ApiError::new("AccessDeniedException", denied.to_string())
}

/// The sender of a request.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// Anybody, because no key is configured: everything is allowed.
    Anybody,
    /// The holder of a key, and the region that the signature is for.
    Key { id: String, key: Arc<Key>, region: Option<String> },
    /// The holder of the metrics token.
    Scraper,
}

impl Caller {
    /// Returns an error if the caller may not do this.
    pub(crate) fn check(&self, right: &Right) -> Result<(), ApiError> {
        if let Some(scope) = self.scope() {
            scope.check(self.id(), right)?;
        }
        let who = match self {
            Self::Anybody => return Ok(()),
            Self::Scraper if right.is_to_read_metrics() => return Ok(()),
            Self::Scraper => "the holder of the metrics token",
            Self::Key { key, .. } if key.allowance.allows(right) => return Ok(()),
            Self::Key { id, .. } => id,
        };
        Err(access_denied(&denied(who.to_owned(), right.clone())))
    }

    /// The account and region that the caller sees; `None` for all.
    pub(crate) fn scope(&self) -> Option<Scope> {
        match self {
            Self::Key { key, region, .. } => Some(key.tenant.as_ref()?.scope(region.as_deref())),
            Self::Anybody | Self::Scraper => None,
        }
    }

    /// Whether an execution, a machine or the like is in the account and region that the caller sees.
    pub(crate) fn owns(&self, arn: &str) -> bool {
        self.scope().is_none_or(|scope| scope.owns(arn))
    }

    /// Refuses what is done with a parked execution of another account.
    pub(crate) fn check_parked(&self, arn: &str) -> Result<(), ApiError> {
        let right = Right { resource: arn.to_owned(), ..Right::parked() };
        self.scope().map_or(Ok(()), |scope| scope.check(self.id(), &right))
    }

    /// Refuses callers of another account than the server's, to whom its local services do not belong.
    pub(crate) fn check_at_home(&self, service: &str) -> Result<(), ApiError> {
        if self.scope().is_none_or(|scope| scope.is_home()) {
            return Ok(());
        }
        let right = Right::new(format!("{service}:*"), "*");
        Err(access_denied(&denied(self.id().to_owned(), right)))
    }

    /// The id of the key that is used, or what stands for it.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Anybody | Self::Scraper => "AIDAANONYMOUS",
            Self::Key { id, .. } => id,
        }
    }

    /// On whose behalf the executions act that the caller starts.
    pub(crate) fn principal(&self) -> Principal {
        match self {
            Self::Anybody | Self::Scraper => Principal::Anybody,
            Self::Key { id, .. } => Principal::Key(id.clone()),
        }
    }

    /// Whether the caller's rights are the same for every resource.
    pub(crate) fn may_use_all_resources(&self) -> bool {
        match self {
            Self::Anybody | Self::Scraper => true,
            Self::Key { key, .. } => key.allowance.resources.iter().any(|pattern| pattern == "*"),
        }
    }
}

impl Allowance {
    fn allows(&self, Right { action, resource }: &Right) -> bool {
        let may_use = |resource: &str| {
            self.resources.iter().any(|pattern| matches(pattern, resource, u8::eq))
        };
        // As in AWS, the right to a state machine includes its versions and aliases.
        let machine = || Some(Arn::parse_kind(resource, &["stateMachine"]).ok()?.machine());
        self.actions.iter().any(|pattern| matches(pattern, action, u8::eq_ignore_ascii_case))
            && (may_use(resource)
                || machine().is_some_and(|(machine, qualifier)| {
                    qualifier != Qualifier::None && may_use(&machine)
                }))
    }
}

/// Whether a text matches a pattern, in which `*` stands for any characters.
pub(crate) fn matches(pattern: &str, text: &str, is_same: impl Fn(&u8, &u8) -> bool) -> bool {
    let (mut pattern, mut text) = (pattern.as_bytes(), text.as_bytes());
    // The pattern after the last star, and the text that the star has not taken yet.
    let mut back: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.split_first(), text.split_first()) {
            (Some((b'*', rest)), _) => {
                back = Some((rest, text));
                pattern = rest;
            }
            (Some((p, pattern_rest)), Some((t, text_rest))) if is_same(p, t) => {
                pattern = pattern_rest;
                text = text_rest;
            }
            (None, None) => return true,
            _ => match back {
                Some((rest, from)) if !from.is_empty() => {
                    back = Some((rest, &from[1..]));
                    pattern = rest;
                    text = &from[1..];
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_characters() {
        let cases = [
            ("*", "states:StartExecution", true),
            ("states:*", "states:StartExecution", true),
            ("states:Start*", "states:StartSyncExecution", true),
            ("States:startexecution", "states:StartExecution", true),
            ("states:*Execution", "states:DescribeExecution", true),
            ("states:*Execution", "states:ListExecutions", false),
            ("states:Describe*", "states:StartExecution", false),
            ("", "states:StartExecution", false),
        ];
        for (pattern, action, expected) in cases {
            let is_same = u8::eq_ignore_ascii_case;
            assert_eq!(matches(pattern, action, is_same), expected, "{pattern} {action}");
        }
    }

    #[test]
    fn a_key_may_do_its_actions_to_its_resources() {
        const M: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:order";
        let check = |resources: &[&str], resource: &str| {
            let key = Allowance {
                actions: vec!["states:Start*".to_owned()],
                resources: resources.iter().map(|pattern| (*pattern).to_owned()).collect(),
            };
            let right = |action| Right { action, resource: resource.to_owned() };
            assert!(!key.allows(&right("states:StopExecution".into())));
            key.allows(&right("states:StartExecution".into()))
        };
        assert!(check(&["*"], M));
        assert!(check(&["*"], "*"));
        assert!(check(&[M], M));
        assert!(check(&["arn:aws:other", M], M));
        assert!(check(&["arn:aws:states:*:order"], M));
        assert!(!check(&[], M));
        assert!(!check(&[M], "*"));
        assert!(!check(&[M], "arn:aws:states:us-east-1:123456789012:stateMachine:orders"));
        // Names are case-sensitive, unlike actions.
        assert!(!check(&[M], "arn:aws:states:us-east-1:123456789012:stateMachine:Order"));
        // The right to a machine includes its versions and aliases; the right to an alias does not
        // include the machine.
        let alias = format!("{M}:live");
        assert!(check(&[M], &alias));
        assert!(check(&[&alias], &alias));
        assert!(!check(&[&alias], M));
        assert!(!check(&[&alias], &format!("{M}:7")));
    }

    #[test]
    fn a_token_is_known_by_its_hash() {
        let hash = "sha256:5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";
        for configured in ["password", hash] {
            let credentials = Credentials::default().with_metrics_token(configured);
            let credentials = credentials.expect("it is a token");
            assert!(credentials.with_token("password").is_some());
            for wrong in ["", "passwor", "password ", "nothing", hash] {
                assert!(credentials.with_token(wrong).is_none(), "{wrong}");
            }
        }
        for wrong in
            ["", "sha256:", "sha256:5e88", &hash.replace('e', "g"), &hash.replace("5e", "+e")]
        {
            assert!(Credentials::default().with_metrics_token(wrong).is_none(), "{wrong}");
        }
        assert!(Credentials::default().with_token("").is_none());
    }
}
