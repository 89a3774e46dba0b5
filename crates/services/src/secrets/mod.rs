//! Secrets Manager: secrets with versions and stages, encrypted in the store.

mod read;
mod state;
mod write;

use crate::call::{Answer, Call, Refusal};
use crate::kept::Kept;
use crate::vault::Vault;
use crate::{Answered, LocalService, Setup, Supported};
use state::{Secret, Secrets};
use std::future::ready;
use std::sync::Arc;
use stepwright_engine::Clock;

/// The stages that every secret has: the version that counts, and the one before it.
const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

/// The secrets of one account in one region.
pub(crate) struct SecretsManager {
    kept: Kept<Secrets>,
    clock: Arc<dyn Clock>,
    account: String,
    region: String,
    vault: Arc<Vault>,
}

const OPERATIONS: &[Supported] = &[
    Supported::new("BatchGetSecretValue", &["SecretIdList"]),
    Supported::new(
        "CreateSecret",
        &["Name", "ClientRequestToken", "Description", "SecretBinary", "SecretString", "Tags"],
    ),
    Supported::new(
        "DeleteSecret",
        &["SecretId", "RecoveryWindowInDays", "ForceDeleteWithoutRecovery"],
    ),
    Supported::new("DescribeSecret", &["SecretId"]),
    Supported::new(
        "GetRandomPassword",
        &[
            "PasswordLength",
            "ExcludeCharacters",
            "ExcludeNumbers",
            "ExcludePunctuation",
            "ExcludeUppercase",
            "ExcludeLowercase",
            "IncludeSpace",
            "RequireEachIncludedType",
        ],
    ),
    Supported::new("GetSecretValue", &["SecretId", "VersionId", "VersionStage"]),
    Supported::new(
        "ListSecretVersionIds",
        &["SecretId", "MaxResults", "NextToken", "IncludeDeprecated"],
    ),
    Supported::new(
        "ListSecrets",
        &["IncludePlannedDeletion", "MaxResults", "NextToken", "Filters"],
    ),
    Supported::new(
        "PutSecretValue",
        &["SecretId", "ClientRequestToken", "SecretBinary", "SecretString", "VersionStages"],
    ),
    Supported::new("RestoreSecret", &["SecretId"]),
    Supported::new("TagResource", &["SecretId", "Tags"]),
    Supported::new("UntagResource", &["SecretId", "TagKeys"]),
    Supported::new(
        "UpdateSecret",
        &["SecretId", "ClientRequestToken", "Description", "SecretBinary", "SecretString"],
    ),
    Supported::new(
        "UpdateSecretVersionStage",
        &["SecretId", "VersionStage", "RemoveFromVersionId", "MoveToVersionId"],
    ),
];

impl LocalService for SecretsManager {
    fn operations(&self) -> &'static [Supported] {
        OPERATIONS
    }

    fn call<'s>(&'s self, call: Call<'s>) -> Answered<'s> {
        Box::pin(self.answer(call))
    }
}

fn missing() -> Refusal {
    let why = "Secrets Manager can't find the specified secret.";
    Refusal::new("ResourceNotFoundException", why)
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new("InvalidParameterException", message)
}

fn invalid_request(message: impl Into<String>) -> Refusal {
    Refusal::new("InvalidRequestException", message)
}

impl SecretsManager {
    pub(crate) fn new(setup: &Setup, vault: Arc<Vault>) -> Self {
        Self {
            kept: Kept::new(setup),
            clock: setup.clock.clone(),
            account: setup.account.clone(),
            region: setup.region.clone(),
            vault,
        }
    }

    async fn answer(&self, call: Call<'_>) -> Answer {
        self.sweep().await?;
        let operation: Answered<'_> = match call.operation.name.as_str() {
            "BatchGetSecretValue" => Box::pin(self.batch_get_secret_value(&call)),
            "CreateSecret" => Box::pin(self.create_secret(&call)),
            "DeleteSecret" => Box::pin(self.delete_secret(&call)),
            "DescribeSecret" => Box::pin(self.describe_secret(&call)),
            "GetRandomPassword" => Box::pin(ready(self.get_random_password(&call))),
            "GetSecretValue" => Box::pin(self.get_secret_value(&call)),
            "ListSecretVersionIds" => Box::pin(self.list_secret_version_ids(&call)),
            "ListSecrets" => Box::pin(self.list_secrets(&call)),
            "PutSecretValue" => Box::pin(self.put_secret_value(&call)),
            "RestoreSecret" => Box::pin(self.restore_secret(&call)),
            "TagResource" => Box::pin(self.tag_resource(&call)),
            "UntagResource" => Box::pin(self.untag_resource(&call)),
            "UpdateSecret" => Box::pin(self.update_secret(&call)),
            "UpdateSecretVersionStage" => Box::pin(self.update_secret_version_stage(&call)),
            name => {
                return Err(
                    self.unsupported(format!("the local service `secretsmanager` has no `{name}`"))
                );
            }
        };
        operation.await
    }

    fn now(&self) -> i64 {
        self.clock.now().0
    }

    /// Removes the secrets whose time to be restored is over.
    async fn sweep(&self) -> Result<(), Refusal> {
        let now = self.now();
        self.kept
            .with(|secrets, changes| {
                let over = |secret: &Secret| secret.deleted.is_some_and(|(_, until)| until <= now);
                let old: Vec<String> = secrets
                    .by_name
                    .iter()
                    .filter(|(_, secret)| over(secret))
                    .map(|(name, _)| name.clone())
                    .collect();
                for name in old {
                    secrets.remove(&name, changes);
                }
            })
            .await?;
        Ok(())
    }

    fn arn(&self, name: &str, suffix: &str) -> String {
        format!("arn:aws:secretsmanager:{}:{}:secret:{name}-{suffix}", self.region, self.account)
    }

    fn open(&self, sealed: &str, name: &str) -> Result<Vec<u8>, Refusal> {
        let opened = self.vault.open(sealed, &purpose(name));
        opened.map_err(|why| {
            Refusal::new(
                "DecryptionFailure",
                format!("the secret `{name}` cannot be decrypted: {why}"),
            )
        })
    }
}

fn purpose(name: &str) -> String {
    format!("secretsmanager/{name}")
}
