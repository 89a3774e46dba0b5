//! Where the credentials of calls come from: the environment, a web identity, a profile, a
//! container, an EC2 instance, and the role of a task's `Credentials`.
//!
//! Not here: profiles that assume a role, log in with SSO or start a process. They are refused by
//! name.

use super::wire::{Fault, Target, Unanswered};
use super::{AwsServices, Place};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stepwright_aws::codec::{self, Message};
use stepwright_aws::signing::Key;
use stepwright_aws::table;
use stepwright_json::{Json, json};

/// Keys that were fetched, and where to look for others.
pub(crate) struct Keys {
    fetched: Mutex<BTreeMap<String, Fetched>>,
    /// An environment variable.
    variable: fn(&str) -> Option<String>,
}

#[derive(Clone)]
struct Fetched {
    key: Key,
    /// In milliseconds since 1970; `None` for a key that does not expire.
    until: Option<i64>,
}

impl Default for Keys {
    fn default() -> Self {
        Self { fetched: Mutex::default(), variable: |name| std::env::var(name).ok() }
    }
}

impl Keys {
    /// Forgets the keys that were fetched: they are no longer valid.
    pub(crate) fn forget(&self) {
        self.fetched.lock().clear();
    }

    fn fresh(&self, name: &str) -> Option<Key> {
        let fetched = self.fetched.lock();
        let found = fetched.get(name)?;
        let is_fresh = found.until.is_none_or(|until| until - now() > BEFORE);
        is_fresh.then(|| found.key.clone())
    }

    fn keep(&self, name: &str, fetched: Fetched) -> Key {
        let key = fetched.key.clone();
        self.fetched.lock().insert(name.to_owned(), fetched);
        key
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
        match target.role {
            Some(role) => self.key_of_role(target, role).await,
            None => self.own_key(target.place, target.region).await,
        }
    }

    async fn own_key(&self, place: &Place, region: &str) -> Result<Key, String> {
        if let Some(profile) = &place.profile {
            return self.key_of_profile(profile);
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
            return self.key_of_web_identity(&file, &role, region).await;
        }
        let profile = variable("AWS_PROFILE");
        if profile.is_some() || self.has_profile("default") {
            return self.key_of_profile(profile.as_deref().unwrap_or("default"));
        }
        if let Some(url) = self.container()? {
            return self.key_of_container(&url).await;
        }
        if variable("AWS_EC2_METADATA_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true")) {
            return Err(NONE.to_owned());
        }
        self.key_of_instance().await.map_err(|why| format!("{NONE} (EC2: {why})"))
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
        if let Some(key) = self.keys.fresh("container") {
            return Ok(key);
        }
        let token = match self.keys.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            Some(file) => Some(read(&file)?.trim().to_owned()),
            None => self.keys.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
        };
        let headers: Vec<(&str, &str)> =
            token.iter().map(|token| ("authorization", token.as_str())).collect();
        let text = self.fetch("GET", url, &headers).await?;
        Ok(self.keys.keep("container", key_in(&text)?))
    }

    /// The role of an EC2 instance, by version 2 of its metadata service.
    async fn key_of_instance(&self) -> Result<Key, String> {
        if let Some(key) = self.keys.fresh("instance") {
            return Ok(key);
        }
        let base = self.keys.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        let base = base.unwrap_or_else(|| "http://169.254.169.254".to_owned());
        let base = base.trim_end_matches('/');
        let ttl = [("x-aws-ec2-metadata-token-ttl-seconds", "21600")];
        let token = self.fetch("PUT", &format!("{base}/latest/api/token"), &ttl).await?;
        let header = [("x-aws-ec2-metadata-token", token.trim())];
        let roles = format!("{base}/latest/meta-data/iam/security-credentials/");
        let role = self.fetch("GET", &roles, &header).await?;
        let role = role.lines().next().unwrap_or_default().trim();
        let text = self.fetch("GET", &format!("{roles}{role}"), &header).await?;
        Ok(self.keys.keep("instance", key_in(&text)?))
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
        let response = match self.client.send(request, LIMIT).await {
            Ok(response) => response,
            Err(Unanswered::Broken(why) | Unanswered::Useless(why)) => return Err(why),
        };
        if response.status != 200 {
            return Err(format!("the source of credentials answered {}", response.status));
        }
        String::from_utf8(response.body).map_err(|_| "what it answered is no text".to_owned())
    }

    fn has_profile(&self, name: &str) -> bool {
        self.profile(name).is_ok_and(|found| !found.is_empty())
    }

    /// What the configuration files say of a profile. The file with credentials comes first.
    fn profile(&self, name: &str) -> Result<BTreeMap<String, String>, String> {
        let mut found = BTreeMap::new();
        let files = [
            ("AWS_CONFIG_FILE", ".aws/config", true),
            ("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", false),
        ];
        for (variable, usual, is_config) in files {
            let path = match self.keys.variable(variable) {
                Some(path) => PathBuf::from(path),
                None => match self.keys.variable("HOME") {
                    Some(home) => PathBuf::from(home).join(usual),
                    None => continue,
                },
            };
            if path.is_file() {
                let text = read(&path.to_string_lossy())?;
                found.extend(section(&text, name, is_config));
            }
        }
        Ok(found)
    }

    fn key_of_profile(&self, name: &str) -> Result<Key, String> {
        let profile = self.profile(name)?;
        let text = |key: &str| profile.get(key).filter(|value| !value.is_empty()).cloned();
        if let Some((id, secret)) = text("aws_access_key_id").zip(text("aws_secret_access_key")) {
            return Ok(Key { id, secret, token: text("aws_session_token") });
        }
        if profile.is_empty() {
            return Err(format!("AWS's configuration files have no profile `{name}`"));
        }
        let others = ["role_arn", "sso_session", "sso_start_url", "credential_process"];
        Err(match others.into_iter().find(|key| profile.contains_key(*key)) {
            Some(key) => format!(
                "the profile `{name}` has `{key}`, which is not supported: get credentials with it \
                 (`aws configure export-credentials --profile {name} --format env`) and set them in \
                 the environment"
            ),
            None => format!("the profile `{name}` has no access key"),
        })
    }

    async fn key_of_web_identity(
        &self,
        file: &str,
        role: &str,
        region: &str,
    ) -> Result<Key, String> {
        if let Some(key) = self.keys.fresh("web identity") {
            return Ok(key);
        }
        let token = read(file)?;
        let session = self.keys.variable("AWS_ROLE_SESSION_NAME");
        let message = json!({
            "RoleArn": role,
            "WebIdentityToken": (token.trim()),
            "RoleSessionName": (session.unwrap_or_else(|| "stepwright".to_owned()))
        });
        let place = Place {
            is_local: false,
            endpoint: None,
            region: None,
            profile: None,
            limit: super::LIMIT,
        };
        let key = self.ask_sts("assumeRoleWithWebIdentity", &place, region, message).await?;
        Ok(self.keys.keep("web identity", key))
    }

    /// The key of the role that a task's `Credentials` name.
    async fn key_of_role(&self, target: Target<'_>, role: &str) -> Result<Key, String> {
        let name = format!("role {role} {}", target.place.profile.as_deref().unwrap_or_default());
        if let Some(key) = self.keys.fresh(&name) {
            return Ok(key);
        }
        let Some(place) = self.place("sts") else {
            return Err(format!(
                "The task acts as {role}, for which STS is asked: say where it is in [services.sts] of \
                 stepwright.toml"
            ));
        };
        let message = json!({"RoleArn": role, "RoleSessionName": "stepwright"});
        let region = place.region.as_deref().unwrap_or(target.region);
        let key = self.ask_sts("assumeRole", place, region, message).await?;
        Ok(self.keys.keep(&name, key))
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
        let target = Target { place, service, operation, region, role: None, principal: None };
        let message = Message::from(message);
        // The call of STS needs a key itself, but not that of a role.
        let answer = Box::pin(self.call(target, &message)).await;
        let answer = answer.map_err(|fault| match fault {
            Fault::Service(error) => format!("STS refuses: {} ({})", error.message, error.code),
            Fault::Client(why) => format!("STS cannot be asked: {why}"),
        })?;
        let given = answer.message.value.get("Credentials").cloned().unwrap_or_default();
        fetched(&given, ["AccessKeyId", "SecretAccessKey", "SessionToken"])
    }
}

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

/// The keys and values of a profile in a configuration file. In `config`, all but the default have
/// `profile` before their name.
fn section(text: &str, profile: &str, is_config: bool) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut is_meant = false;
    for line in text.lines() {
        let is_nested = line.starts_with([' ', '\t']);
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            let name = name.trim();
            let plain = name.strip_prefix("profile ").map(str::trim);
            is_meant = match plain {
                Some(name) => is_config && name == profile,
                None => name == profile && (!is_config || profile == "default"),
            };
        } else if is_meant
            && !is_nested
            && !line.starts_with(['#', ';'])
            && let Some((key, value)) = line.split_once('=')
        {
            found.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_found_in_both_files() {
        let config =
            "[default]\nregion = a\n[profile dev]\naws_access_key_id=ID # no comment\n s3 =\n";
        let dev = section(config, "dev", true);
        assert_eq!(dev.get("aws_access_key_id").unwrap(), "ID # no comment");
        assert_eq!(dev.len(), 1);
        assert_eq!(section(config, "default", true).get("region").unwrap(), "a");
        let credentials = "[dev]\n# text\nAWS_ACCESS_KEY_ID = ID\n";
        assert_eq!(section(credentials, "dev", false).get("aws_access_key_id").unwrap(), "ID");
        assert!(section(credentials, "dev", true).is_empty());
    }

    #[test]
    fn credentials_have_an_id_and_a_secret() {
        let given = key_in(
            r#"{"AccessKeyId": "a", "SecretAccessKey": "b", "Token": "c",
                "Expiration": "1970-01-01T00:00:01Z"}"#,
        )
        .unwrap();
        assert_eq!((given.key.id.as_str(), given.until), ("a", Some(1_000)));
        assert!(key_in("{}").is_err());
        assert!(key_in("<html>").is_err());
    }

    #[test]
    fn a_container_gives_its_token_to_near_hosts_only() {
        let container = |variable: fn(&str) -> Option<String>| {
            let keys = Keys { variable, ..Keys::default() };
            AwsServices { keys, ..AwsServices::default() }.container()
        };
        let far = container(|name| name.ends_with("FULL_URI").then(|| "http://a.example/".into()));
        assert!(far.unwrap_err().contains("a.example"));
        let near = container(|name| name.ends_with("FULL_URI").then(|| "http://127.0.0.1/".into()));
        assert_eq!(near, Ok(Some("http://127.0.0.1/".to_owned())));
        let path = container(|name| name.ends_with("RELATIVE_URI").then(|| "/x".into()));
        assert_eq!(path, Ok(Some("http://169.254.170.2/x".to_owned())));
    }

    #[tokio::test]
    async fn an_endpoint_gets_a_key_that_is_worth_nothing() {
        let keys = Keys { variable: |_| None, ..Keys::default() };
        let services = AwsServices { keys, ..AwsServices::default() };
        let endpoint = Some("http://127.0.0.1:1".to_owned());
        let place = Place { is_local: false, endpoint, region: None, profile: None, limit: LIMIT };
        let key = services.own_key(&place, "us-east-1").await.unwrap();
        assert_eq!(key.id, "stepwright");
    }
}
