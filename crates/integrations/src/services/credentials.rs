//! Where the credentials of calls come from: the environment, a web identity, a profile, a
//! container, an EC2 instance, and the role of a task's `Credentials`.

mod profiles;

use super::wire::{Fault, Later, MOST_ANSWER, Target, Unanswered};
use super::{AwsServices, Place};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stepwright_aws::codec::{self, Message};
use stepwright_aws::signing::Key;
use stepwright_aws::table;
use stepwright_json::{Json, json};

/// Keys that were fetched, and where to look for others.
pub(crate) struct Keys {
    fetched: Mutex<BTreeMap<String, Fetched>>,
    /// Held by whoever fetches, so that many tasks at once ask once.
    fetching: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// An environment variable.
    variable: Box<Variable>,
}

type Variable = dyn Fn(&str) -> Option<String> + Send + Sync;

#[derive(Clone)]
struct Fetched {
    key: Key,
    /// In milliseconds since 1970; `None` for a key that does not expire.
    until: Option<i64>,
}

impl Default for Keys {
    fn default() -> Self {
        Self {
            fetched: Mutex::default(),
            fetching: Mutex::default(),
            variable: Box::new(|name| std::env::var(name).ok()),
        }
    }
}

impl Keys {
    /// Forgets the keys that were fetched: they are no longer valid. Returns whether there were any.
    pub(crate) fn forget(&self) -> bool {
        !std::mem::take(&mut *self.fetched.lock()).is_empty()
    }

    /// A key that was fetched and is valid for longer than this, in milliseconds.
    fn valid_for(&self, name: &str, millis: i64) -> Option<Key> {
        let fetched = self.fetched.lock();
        let found = fetched.get(name)?;
        let is_valid = found.until.is_none_or(|until| until - now() > millis);
        is_valid.then(|| found.key.clone())
    }

    /// A key that is kept until it expires, and fetched by whoever needs it first.
    async fn kept(
        &self,
        name: &str,
        fetch: impl Future<Output = Result<Fetched, String>>,
    ) -> Result<Key, String> {
        if let Some(key) = self.valid_for(name, BEFORE) {
            return Ok(key);
        }
        let fetching = self.fetching.lock().entry(name.to_owned()).or_default().clone();
        let _fetching = fetching.lock().await;
        if let Some(key) = self.valid_for(name, BEFORE) {
            return Ok(key);
        }
        match fetch.await {
            Ok(fetched) => {
                let key = fetched.key.clone();
                self.fetched.lock().insert(name.to_owned(), fetched);
                Ok(key)
            }
            // The old one may do for the moment.
            Err(why) => self.valid_for(name, 0).ok_or(why),
        }
    }

    fn variable(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }
}

/// How long before its end a key is fetched anew, in milliseconds.
const BEFORE: i64 = 60_000;

/// How long a source of credentials has to answer.
const LIMIT: Duration = Duration::from_secs(2);

/// The key for endpoints when there are no credentials.
fn dummy() -> Key {
    Key { id: "stepwright".to_owned(), secret: "stepwright".to_owned(), token: None }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as i64
}

impl AwsServices {
    /// The key for a call.
    pub(crate) async fn key(&self, target: Target<'_>) -> Result<Key, String> {
        self.key_for(target.place, target.region, target.role).await
    }

    /// The key for a place, of a role or our own.
    pub(crate) async fn key_for(
        &self,
        place: &Place,
        region: &str,
        role: Option<&str>,
    ) -> Result<Key, String> {
        match role {
            Some(role) => self.key_of_role(place, region, role).await,
            None => self.own_key(place, region).await,
        }
    }

    /// The key that this process has on AWS, found as AWS's own tools find it.
    pub async fn key_on_aws(&self, profile: Option<&str>, region: &str) -> Result<Key, String> {
        let place = Place {
            is_local: false,
            endpoint: None,
            region: None,
            profile: profile.map(str::to_owned),
            limit: super::LIMIT,
        };
        self.own_key(&place, region).await
    }

    fn own_key<'k>(&'k self, place: &'k Place, region: &'k str) -> Later<'k, Result<Key, String>> {
        Box::pin(async move {
            if let Some(profile) = &place.profile {
                return self.key_of_profile(profile, region).await;
            }
            let variable = |name: &str| self.keys.variable(name);
            if let Some((id, secret)) =
                variable("AWS_ACCESS_KEY_ID").zip(variable("AWS_SECRET_ACCESS_KEY"))
            {
                return Ok(Key { id, secret, token: variable("AWS_SESSION_TOKEN") });
            }
            if place.endpoint.is_some() {
                // What else there is belongs to AWS, and is not shown to an emulator.
                return Ok(dummy());
            }
            if let Some((file, role)) =
                variable("AWS_WEB_IDENTITY_TOKEN_FILE").zip(variable("AWS_ROLE_ARN"))
            {
                let session = variable("AWS_ROLE_SESSION_NAME");
                return self.key_of_web_identity(&file, &role, session.as_deref(), region).await;
            }
            let profile = variable("AWS_PROFILE");
            if profile.is_some() || self.has_profile("default") {
                return self.key_of_profile(profile.as_deref().unwrap_or("default"), region).await;
            }
            if let Some(url) = self.container()? {
                return self.key_of_container(&url).await;
            }
            if variable("AWS_EC2_METADATA_DISABLED")
                .is_some_and(|it| it.eq_ignore_ascii_case("true"))
            {
                return Err(NONE.to_owned());
            }
            self.key_of_instance().await.map_err(|why| format!("{NONE} (EC2: {why})"))
        })
    }

    /// The URL of the endpoint that gives a container its credentials.
    fn container(&self) -> Result<Option<String>, String> {
        if let Some(path) = self.keys.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            if !path.starts_with('/') {
                return Err(
                    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with a slash".into()
                );
            }
            return Ok(Some(format!("http://169.254.170.2{path}")));
        }
        let Some(url) = self.keys.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI") else {
            return Ok(None);
        };
        let parsed = reqwest::Url::parse(&url)
            .map_err(|error| format!("AWS_CONTAINER_CREDENTIALS_FULL_URI is no URL: {error}"))?;
        let host = parsed.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let is_near = host == "localhost"
            || host.parse::<IpAddr>().is_ok_and(|address| {
                address.is_loopback()
                    || ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"].contains(&host)
            });
        if parsed.scheme() != "https" && !is_near {
            return Err(format!(
                "AWS_CONTAINER_CREDENTIALS_FULL_URI names {host}, to which no token is sent without \
                 encryption"
            ));
        }
        Ok(Some(url))
    }

    async fn key_of_container(&self, url: &str) -> Result<Key, String> {
        let fetch = async {
            let token = match self.keys.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
                Some(file) => Some(read(&file)?.trim().to_owned()),
                None => self.keys.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
            };
            let headers: Vec<(&str, &str)> =
                token.iter().map(|token| ("authorization", token.as_str())).collect();
            key_in(&self.fetch("GET", url, &headers).await?)
        };
        self.keys.kept("container", fetch).await
    }

    /// The role of an EC2 instance, by version 2 of its metadata service.
    async fn key_of_instance(&self) -> Result<Key, String> {
        let fetch = async {
            let base = self.keys.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
            let base = base.unwrap_or_else(|| "http://169.254.169.254".to_owned());
            let base = base.trim_end_matches('/');
            let ttl = [("x-aws-ec2-metadata-token-ttl-seconds", "21600")];
            let token = self.fetch("PUT", &format!("{base}/latest/api/token"), &ttl).await?;
            let header = [("x-aws-ec2-metadata-token", token.trim())];
            let roles = format!("{base}/latest/meta-data/iam/security-credentials/");
            let role = self.fetch("GET", &roles, &header).await?;
            let role = role.lines().next().unwrap_or_default().trim();
            key_in(&self.fetch("GET", &format!("{roles}{role}"), &header).await?)
        };
        self.keys.kept("instance", fetch).await
    }

    async fn fetch(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
    ) -> Result<String, String> {
        let method =
            reqwest::Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?;
        let mut request = self.client.http()?.request(method, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.build().map_err(|error| error.without_url().to_string())?;
        let response = match self.client.send(request, LIMIT, MOST_ANSWER).await {
            Ok(response) => response,
            Err(Unanswered::Broken(why) | Unanswered::Useless(why)) => return Err(why),
        };
        if response.status != 200 {
            return Err(format!("the source of credentials answered {}", response.status));
        }
        String::from_utf8(response.body).map_err(|_| "what it answered is no text".to_owned())
    }

    async fn key_of_web_identity(
        &self,
        file: &str,
        role: &str,
        session: Option<&str>,
        region: &str,
    ) -> Result<Key, String> {
        let fetch = async {
            let token = read(file)?;
            let message = json!({
                "RoleArn": role,
                "WebIdentityToken": (token.trim()),
                "RoleSessionName": (session.unwrap_or(SESSION))
            });
            let place = self.own_sts(None);
            self.ask_sts("assumeRoleWithWebIdentity", &place, region, message).await
        };
        self.keys.kept(&format!("web identity {role} {file}"), fetch).await
    }

    /// Where STS is asked for keys of our own: where its section says, otherwise on AWS. The section
    /// for all services does not count: what is sent to STS belongs to AWS.
    fn own_sts(&self, profile: Option<&str>) -> Place {
        let on_aws = || Place {
            is_local: false,
            endpoint: None,
            region: None,
            profile: None,
            limit: super::LIMIT,
        };
        let place = self.own_place("sts").cloned().unwrap_or_else(on_aws);
        Place { profile: profile.map(str::to_owned), ..place }
    }

    /// The key of the role that a task's `Credentials` name.
    async fn key_of_role(&self, at: &Place, region: &str, role: &str) -> Result<Key, String> {
        let Some(place) = self.place("sts") else {
            return Err(format!(
                "The task acts as {role}, for which STS is asked: say where it is in [services.sts] of \
                 stepwright.toml"
            ));
        };
        let message = json!({"RoleArn": role, "RoleSessionName": SESSION});
        let fetch = self.ask_sts("assumeRole", place, region, message);
        let profile = at.profile.as_deref().unwrap_or_default();
        self.keys.kept(&format!("role {role} {profile}"), fetch).await
    }

    async fn ask_sts(
        &self,
        action: &str,
        place: &Place,
        region: &str,
        message: Json,
    ) -> Result<Fetched, String> {
        let service = table::service("sts").map_err(|error| error.to_string())?;
        let operation = service.action(action).map_err(|error| error.to_string())?;
        let region = place.region.as_deref().unwrap_or(region);
        let (principal, most) = (None, MOST_ANSWER);
        let target =
            Target { place, service, operation, region, role: None, principal, once: None, most };
        let message = Message::from(message);
        // The call of STS needs a key itself, but not that of a role.
        let answer = Box::pin(self.call(target, &message)).await;
        let answer = answer.map_err(|fault| match fault {
            Fault::Service(error) => format!("STS refuses: {} ({})", error.message, error.code),
            Fault::Client(why) | Fault::Unfit(why) => format!("STS cannot be asked: {why}"),
        })?;
        let given = answer.message.value.get("Credentials").cloned().unwrap_or_default();
        fetched(&given, ["AccessKeyId", "SecretAccessKey", "SessionToken"])
    }
}

/// The name of a session that does not have one.
const SESSION: &str = "stepwright";

const NONE: &str = "Unable to load credentials from any of the providers in the chain: the environment \
                    variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a web identity, a profile, a \
                    container, an EC2 instance";

fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{path} cannot be read: {error}"))
}

/// The credentials in the answer of a container's or an instance's endpoint.
fn key_in(text: &str) -> Result<Fetched, String> {
    let given = stepwright_json::parse(text)
        .map_err(|_| "the source of credentials answered no JSON".to_owned())?;
    fetched(&given, ["AccessKeyId", "SecretAccessKey", "Token"])
}

fn fetched(given: &Json, names: [&str; 3]) -> Result<Fetched, String> {
    let text = |name: &str| {
        given.get(name).and_then(Json::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let [id, secret, token] = names.map(text);
    let (id, secret) =
        id.zip(secret).ok_or("the source of credentials answered none".to_owned())?;
    let until = given.get("Expiration").and_then(codec::millis);
    Ok(Fetched { key: Key { id, secret, token }, until })
}

#[cfg(test)]
mod tests;
