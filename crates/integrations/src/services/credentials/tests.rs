//! Every source of credentials, against a source that answers as a test wants.

use super::profiles::section;
use super::*;
use crate::services::ServiceConfig;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A source of credentials, or STS, on a port of this machine.
struct Source {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Source {
    /// `answer` is given a request and how many there were before it, and returns status and body.
    async fn start(answer: impl Fn(&str, usize) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = requests.clone();
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let mut read = Vec::new();
                let request = loop {
                    if connection.read_buf(&mut read).await.unwrap() == 0 {
                        break None;
                    }
                    let text = String::from_utf8_lossy(&read).to_lowercase();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    let length = head.split("content-length: ").nth(1).unwrap_or("0");
                    let length = length.lines().next().and_then(|text| text.trim().parse().ok());
                    if body.len() >= length.unwrap_or(0) {
                        break Some(String::from_utf8_lossy(&read).into_owned());
                    }
                };
                let Some(request) = request else { continue };
                let before = kept.lock().len();
                let (status, body) = answer(&request, before);
                kept.lock().push(request);
                let head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: ");
                let answer = format!("{head}{}\r\n\r\n{body}", body.len());
                connection.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, requests }
    }

    fn count(&self) -> usize {
        self.requests.lock().len()
    }

    fn request(&self, at: usize) -> String {
        self.requests.lock()[at].clone()
    }
}

/// Services with these variables in the environment and these sections.
fn services(variables: &[(&str, &str)], sections: &[(&str, &str)]) -> AwsServices {
    let variables: BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let section = |url: &str| match url {
        "aws" => ServiceConfig { aws: true, ..ServiceConfig::default() },
        url => ServiceConfig { endpoint: Some(url.to_owned()), ..ServiceConfig::default() },
    };
    let sections = sections.iter().map(|(name, url)| ((*name).to_owned(), section(url))).collect();
    let variable = move |name: &str| variables.get(name).cloned();
    let keys = Keys { variable: Box::new(variable), ..Keys::default() };
    AwsServices { keys, ..AwsServices::new(&sections).unwrap() }
}

const AWS: Place =
    Place { is_local: false, endpoint: None, region: None, profile: None, limit: LIMIT };

/// The key for a call of AWS.
async fn key(services: &AwsServices) -> Result<Key, String> {
    services.own_key(&AWS, "eu-west-1").await
}

async fn id(services: &AwsServices) -> String {
    key(services).await.unwrap().id
}

fn in_seconds(seconds: i64) -> String {
    stepwright_program::time::format(now() + seconds * 1_000)
}

fn credentials(id: &str, seconds: i64) -> String {
    format!(
        r#"{{"AccessKeyId": "{id}", "SecretAccessKey": "SECRET", "Token": "TOKEN", "Expiration": "{}"}}"#,
        in_seconds(seconds)
    )
}

fn assumed(action: &str, id: &str, seconds: i64) -> String {
    format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>\
         <Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>SECRET</SecretAccessKey>\
         <SessionToken>TOKEN</SessionToken><Expiration>{}</Expiration></Credentials></{action}Result>\
         <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>",
        in_seconds(seconds)
    )
}

/// Configuration files, and the variables that name them.
struct Files(tempfile::TempDir);

impl Files {
    fn new(config: &str, credentials: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config"), config).unwrap();
        std::fs::write(folder.path().join("credentials"), credentials).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn services(&self, variables: &[(&str, &str)], sections: &[(&str, &str)]) -> AwsServices {
        let (config, credentials) = (self.path("config"), self.path("credentials"));
        let mut all = vec![
            ("AWS_CONFIG_FILE", config.as_str()),
            ("AWS_SHARED_CREDENTIALS_FILE", credentials.as_str()),
        ];
        all.extend(variables);
        services(&all, sections)
    }
}

async fn of_profile(services: &AwsServices, profile: &str) -> Result<Key, String> {
    let place = Place { profile: Some(profile.to_owned()), ..AWS };
    services.own_key(&place, "eu-west-1").await
}

#[tokio::test]
async fn the_environment_comes_first() {
    let files = Files::new("", "[default]\naws_access_key_id = P\naws_secret_access_key = S\n");
    let given =
        [("AWS_ACCESS_KEY_ID", "E"), ("AWS_SECRET_ACCESS_KEY", "S"), ("AWS_SESSION_TOKEN", "T")];
    let found = key(&files.services(&given, &[])).await.unwrap();
    assert_eq!((found.id.as_str(), found.token.as_deref()), ("E", Some("T")));
    assert_eq!(format!("{found:?}"), "Key { id: \"E\", .. }", "no secret is printed");
    // What is empty is not there.
    let empty = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "S")];
    assert_eq!(id(&files.services(&empty, &[])).await, "P");
}

#[tokio::test]
async fn profiles_have_keys_processes_and_roles() {
    let files = Files::new(
        "[default]\naws_access_key_id = C\naws_secret_access_key = S\n\
         [profile process]\ncredential_process = cat \"$HERE/printed\"\n\
         [profile fails]\ncredential_process = echo SECRET; exit 3\n\
         [profile garbage]\ncredential_process = echo SECRET\n\
         [profile later]\ncredential_process = echo '{\"Version\": 2, \"AccessKeyId\": \"SECRET\"}'\n\
         [profile none]\ncredential_process = echo '{\"Version\": 1}'\n",
        "[default]\naws_access_key_id = D\naws_secret_access_key = S\n[other]\nregion = x\n",
    );
    assert_eq!(id(&files.services(&[], &[])).await, "D", "the file with credentials comes first");
    let services = files.services(&[("AWS_PROFILE", "other")], &[]);
    assert!(key(&services).await.unwrap_err().contains("`other` has no access key"));
    let config = std::fs::read_to_string(files.path("config")).unwrap();
    let config = config.replace("$HERE", files.0.path().to_str().unwrap());
    std::fs::write(files.path("config"), config).unwrap();
    let print = |id: &str, seconds: i64| {
        let text = format!(
            r#"{{"Version": 1, "AccessKeyId": "{id}", "SecretAccessKey": "S", "Expiration": "{}"}}"#,
            in_seconds(seconds)
        );
        std::fs::write(files.path("printed"), text).unwrap();
    };
    print("P1", 30);
    let services = files.services(&[], &[]);
    assert_eq!(of_profile(&services, "process").await.unwrap().id, "P1");
    print("P2", 3_600);
    assert_eq!(of_profile(&services, "process").await.unwrap().id, "P2", "it was about to expire");
    print("P3", 3_600);
    assert_eq!(of_profile(&services, "process").await.unwrap().id, "P2", "it is kept");
    for (profile, expected) in [
        ("fails", "has failed: exit status: 3"),
        ("garbage", "has printed no JSON"),
        ("later", "something else than version 1"),
        ("none", "has printed no credentials"),
        ("missing", "have no profile `missing`"),
    ] {
        let why = of_profile(&services, profile).await.unwrap_err();
        assert!(why.contains(expected) && !why.contains("SECRET"), "{why}");
    }
}

#[tokio::test]
async fn a_profile_assumes_a_role_with_another_one() {
    let sts = Source::start(|request, _| {
        assert!(request.contains("ExternalId=x"), "{request}");
        (200, assumed("AssumeRole", "ROLE", 3_600))
    })
    .await;
    let files = Files::new(
        "[profile admin]\nrole_arn = arn:aws:iam::1:role/a\nsource_profile = base\nexternal_id = x\n\
         [profile ring]\nrole_arn = r\nsource_profile = ring2\n\
         [profile ring2]\nrole_arn = r\nsource_profile = ring\n\
         [profile lone]\nrole_arn = r\n",
        "[base]\naws_access_key_id = BASE\naws_secret_access_key = S\n",
    );
    let services = files.services(&[], &[("sts", &sts.url)]);
    let found = of_profile(&services, "admin").await.unwrap();
    assert_eq!((found.id.as_str(), found.token.as_deref()), ("ROLE", Some("TOKEN")));
    assert!(sts.request(0).contains("Credential=BASE/"), "{}", sts.request(0));
    of_profile(&services, "admin").await.unwrap();
    assert_eq!(sts.count(), 1, "it is kept");
    let why = of_profile(&services, "ring").await.unwrap_err();
    assert!(why.contains("needs itself"), "{why}");
    let why = of_profile(&services, "lone").await.unwrap_err();
    assert!(why.contains("no `source_profile`"), "{why}");
}

#[tokio::test]
async fn what_profiles_have_that_is_not_supported_is_refused_by_name() {
    for refused in ["sso_session", "sso_start_url", "mfa_serial", "credential_source"] {
        let files = Files::new(&format!("[profile p]\nrole_arn = r\n{refused} = v\n"), "");
        let why = of_profile(&files.services(&[], &[]), "p").await.unwrap_err();
        assert!(why.contains(&format!("`{refused}`, which is not supported")), "{why}");
    }
}

#[tokio::test]
async fn a_container_is_asked_with_its_token_and_again_before_the_end() {
    let source = Source::start(|request, before| {
        assert!(request.starts_with("GET /creds "), "{request}");
        (200, credentials(&format!("C{before}"), if before == 0 { 30 } else { 3_600 }))
    })
    .await;
    let files = Files::new("", "");
    std::fs::write(files.path("token"), "of-the-container\n").unwrap();
    let (url, token) = (format!("{}/creds", source.url), files.path("token"));
    let services = files.services(
        &[
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &token),
        ],
        &[],
    );
    assert_eq!(id(&services).await, "C0");
    assert!(source.request(0).to_lowercase().contains("authorization: of-the-container\r\n"));
    assert_eq!(id(&services).await, "C1", "the first one was about to expire");
    assert_eq!(id(&services).await, "C1");
    assert_eq!(source.count(), 2);
}

#[tokio::test]
async fn an_old_key_does_for_the_moment() {
    let source = Source::start(|_, before| match before {
        0 => (200, credentials("OLD", 30)),
        _ => (500, "SECRET".to_owned()),
    })
    .await;
    let services = services(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &source.url)], &[]);
    assert_eq!(id(&services).await, "OLD");
    assert_eq!(id(&services).await, "OLD", "it is still valid");
    assert_eq!(source.count(), 2);
    services.keys.forget();
    let why = key(&services).await.unwrap_err();
    assert_eq!(why, "the source of credentials answered 500");
}

#[tokio::test]
async fn many_tasks_at_once_ask_once() {
    let source = Source::start(|_, _| (200, credentials("ONE", 3_600))).await;
    let services = services(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &source.url)], &[]);
    let (a, b, c, d) = tokio::join!(id(&services), id(&services), id(&services), id(&services));
    assert_eq!([a, b, c, d], ["ONE"; 4]);
    assert_eq!(source.count(), 1);
}

#[tokio::test]
async fn an_instance_is_asked_by_the_second_version_of_its_metadata() {
    let source = Source::start(|request, _| {
        let request = request.to_lowercase();
        let (line, rest) = request.split_once("\r\n").unwrap();
        let has_token = rest.contains("x-aws-ec2-metadata-token: of-the-session\r\n");
        match line.split(' ').take(2).collect::<Vec<_>>()[..] {
            ["put", "/latest/api/token"] => {
                assert!(rest.contains("x-aws-ec2-metadata-token-ttl-seconds: 21600"), "{rest}");
                (200, "of-the-session".to_owned())
            }
            ["get", "/latest/meta-data/iam/security-credentials/"] if has_token => {
                (200, "my-role".to_owned())
            }
            ["get", "/latest/meta-data/iam/security-credentials/my-role"] if has_token => {
                (200, credentials("INSTANCE", 3_600))
            }
            _ => (401, String::new()),
        }
    })
    .await;
    let endpoint = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", source.url.as_str())];
    let asked = services(&endpoint, &[]);
    assert_eq!(id(&asked).await, "INSTANCE");
    assert_eq!(id(&asked).await, "INSTANCE");
    assert_eq!(source.count(), 3, "it is kept");
    let disabled = [endpoint[0], ("AWS_EC2_METADATA_DISABLED", "TRUE")];
    let why = key(&services(&disabled, &[])).await.unwrap_err();
    assert!(why.starts_with("Unable to load credentials from any of the providers"), "{why}");
    let gone = Source::start(|_, _| (404, String::new())).await;
    let gone = services(&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &gone.url)], &[]);
    let why = key(&gone).await.unwrap_err();
    assert!(why.contains("(EC2: the source of credentials answered 404)"), "{why}");
}

#[tokio::test]
async fn a_web_identity_is_exchanged_by_sts() {
    let sts = Source::start(|request, _| {
        assert!(request.contains("Action=AssumeRoleWithWebIdentity"), "{request}");
        assert!(
            request.contains("WebIdentityToken=of-the-pod&") || request.ends_with("=of-the-pod")
        );
        assert!(!request.to_lowercase().contains("authorization:"), "it is not signed");
        (200, assumed("AssumeRoleWithWebIdentity", "WEB", 3_600))
    })
    .await;
    let files = Files::new("", "");
    std::fs::write(files.path("token"), "of-the-pod\n").unwrap();
    let token = files.path("token");
    let variables = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/web"),
    ];
    let found = files.services(&variables, &[("sts", &sts.url), ("sqs", "aws")]);
    assert_eq!(id(&found).await, "WEB");
    assert_eq!(id(&found).await, "WEB");
    assert_eq!(sts.count(), 1, "it is kept");
    // The token is AWS's: the section for all services does not get it.
    let default = files.services(&variables, &[("default", &sts.url)]);
    assert_eq!(default.own_sts(None).endpoint, None);
    let missing = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/none"), variables[1]];
    let why = key(&files.services(&missing, &[("sts", &sts.url)])).await.unwrap_err();
    assert!(why.contains("/none cannot be read"), "{why}");
}

#[tokio::test]
async fn a_role_of_a_task_is_assumed_and_assumed_again() {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = count.clone();
    let sts = Source::start(move |request, before| {
        seen.store(before + 1, Ordering::SeqCst);
        if request.contains("refused") {
            let body = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
                        <Message>Not you.</Message></Error><RequestId>r</RequestId></ErrorResponse>";
            return (403, body.to_owned());
        }
        (200, assumed("AssumeRole", &format!("R{before}"), if before == 0 { 30 } else { 3_600 }))
    })
    .await;
    let services = services(
        &[("AWS_ACCESS_KEY_ID", "OWN"), ("AWS_SECRET_ACCESS_KEY", "S")],
        &[("sts", &sts.url), ("sqs", "http://127.0.0.1:9")],
    );
    let service = table::service("sqs").unwrap();
    let operation = service.action("sendMessage").unwrap();
    let place = services.place("sqs").unwrap();
    let target = |role: &'static str| Target {
        place,
        service,
        operation,
        region: "us-east-1",
        principal: None,
        role: Some(role),
        once: None,
        most: MOST_ANSWER,
    };
    let role = "arn:aws:iam::1:role/r";
    assert_eq!(services.key(target(role)).await.unwrap().id, "R0");
    assert!(sts.request(0).contains("Credential=OWN/"), "our own key asks for it");
    assert_eq!(services.key(target(role)).await.unwrap().id, "R1", "the first was about to expire");
    assert_eq!(services.key(target(role)).await.unwrap().id, "R1");
    assert_eq!(count.load(Ordering::SeqCst), 2);
    let why = services.key(target("arn:aws:iam::1:role/refused")).await.unwrap_err();
    assert_eq!(why, "STS refuses: Not you. (AccessDenied)");
}

#[test]
fn profiles_are_found_in_both_files() {
    let config = "[default]\nregion = a\n[profile dev]\naws_access_key_id=ID # no comment\n s3 =\n";
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
    let container = |name: &str, value: &str| services(&[(name, value)], &[]).container();
    let full = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    assert!(container(full, "http://a.example/").unwrap_err().contains("a.example"));
    assert_eq!(container(full, "http://127.0.0.1/"), Ok(Some("http://127.0.0.1/".to_owned())));
    let path = container("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x");
    assert_eq!(path, Ok(Some("http://169.254.170.2/x".to_owned())));
}

#[tokio::test]
async fn an_endpoint_gets_a_key_that_is_worth_nothing() {
    let services = services(&[], &[("default", "http://127.0.0.1:1")]);
    let key = services.own_key(services.place("sqs").unwrap(), "us-east-1").await.unwrap();
    assert_eq!(key.id, "stepwright");
}
