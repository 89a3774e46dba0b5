//! Profiles of AWS's configuration files: access keys, roles that are assumed with another profile or
//! with a web identity, and processes that print credentials.
//!
//! Not here: logging in with SSO, codes of MFA devices, and `credential_source`. They are refused by
//! name.

use super::{AwsServices, Fetched, fetched, read};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use stepwright_aws::signing::Key;
use stepwright_json::{Json, json};

/// A profile: its keys and values.
type Profile = BTreeMap<String, String>;

/// How long a process has to print credentials.
const PROCESS_LIMIT: Duration = Duration::from_mins(1);

/// What a profile may have that is not supported.
const REFUSED: [&str; 6] = [
    "credential_source",
    "mfa_serial",
    "sso_account_id",
    "sso_role_name",
    "sso_session",
    "sso_start_url",
];

impl AwsServices {
    pub(super) fn has_profile(&self, name: &str) -> bool {
        self.profile(name).is_ok_and(|found| !found.is_empty())
    }

    /// What the configuration files say of a profile. The file with credentials comes first.
    fn profile(&self, name: &str) -> Result<Profile, String> {
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

    pub(super) async fn key_of_profile(&self, name: &str, region: &str) -> Result<Key, String> {
        let profile = self.profile(name)?;
        if profile.is_empty() {
            return Err(format!("AWS's configuration files have no profile `{name}`"));
        }
        let text = |key: &str| profile.get(key).filter(|value| !value.is_empty()).cloned();
        if let Some(key) = REFUSED.into_iter().find(|key| profile.contains_key(*key)) {
            return Err(format!(
                "the profile `{name}` has `{key}`, which is not supported: get credentials with it \
                 (`aws configure export-credentials --profile {name} --format env`) and set them in \
                 the environment"
            ));
        }
        if let Some(role) = text("role_arn") {
            let session = text("role_session_name");
            if let Some(file) = text("web_identity_token_file") {
                return self.key_of_web_identity(&file, &role, session.as_deref(), region).await;
            }
            let source = self.source(name, &profile)?;
            let mut message = json!({
                "RoleArn": role, "RoleSessionName": (session.unwrap_or_else(|| super::SESSION.to_owned()))
            });
            if let (Some(id), Json::Object(members)) = (text("external_id"), &mut message) {
                members.insert("ExternalId", id.into());
            }
            let place = self.own_sts(Some(&source));
            let fetch = self.ask_sts("assumeRole", &place, region, message);
            return self.keys.kept(&format!("profile {name}"), fetch).await;
        }
        if let Some((id, secret)) = text("aws_access_key_id").zip(text("aws_secret_access_key")) {
            return Ok(Key { id, secret, token: text("aws_session_token") });
        }
        match text("credential_process") {
            Some(command) => {
                let fetch = printed(name, &command);
                self.keys.kept(&format!("profile {name}"), fetch).await
            }
            None => Err(format!("the profile `{name}` has no access key")),
        }
    }

    /// The profile with which a profile's role is assumed. Those that refer to each other are an
    /// error.
    fn source(&self, name: &str, profile: &Profile) -> Result<String, String> {
        let source = |name: &str, profile: &Profile| {
            profile.get("source_profile").cloned().ok_or_else(|| {
                format!("the profile `{name}` has `role_arn`, but no `source_profile`")
            })
        };
        let first = source(name, profile)?;
        let mut passed = vec![name.to_owned()];
        let mut next = first.clone();
        loop {
            if passed.contains(&next) {
                return Err(format!("the profile `{name}` needs itself as its `source_profile`"));
            }
            let found = self.profile(&next)?;
            if !found.contains_key("role_arn") || found.contains_key("web_identity_token_file") {
                return Ok(first);
            }
            let after = source(&next, &found)?;
            passed.push(std::mem::replace(&mut next, after));
        }
    }
}

/// The credentials that a profile's `credential_process` prints. Nothing of what it prints is in an
/// error.
async fn printed(profile: &str, command: &str) -> Result<Fetched, String> {
    let what = format!("the `credential_process` of the profile `{profile}`");
    let mut process = tokio::process::Command::new("sh");
    process.args(["-c", command]).stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PROCESS_LIMIT, process.output()).await;
    let output = output
        .map_err(|_| format!("{what} has not ended within {} s", PROCESS_LIMIT.as_secs()))?
        .map_err(|error| format!("{what} cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("{what} has failed: {}", output.status));
    }
    let given = stepwright_json::parse_bytes(&output.stdout)
        .map_err(|_| format!("{what} has printed no JSON"))?;
    if given.get("Version").and_then(Json::as_i64) != Some(1) {
        return Err(format!("{what} has printed something else than version 1 of its format"));
    }
    fetched(&given, ["AccessKeyId", "SecretAccessKey", "SessionToken"])
        .map_err(|_| format!("{what} has printed no credentials"))
}

/// The keys and values of a profile in a configuration file. In `config`, all but the default have
/// `profile` before their name.
pub(super) fn section(text: &str, profile: &str, is_config: bool) -> Profile {
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
