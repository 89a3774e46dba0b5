//! Parameters of Systems Manager: names like paths, versions, labels, and values that are encrypted.

mod read;
mod state;
mod write;

use crate::call::{Answer, Call, Refusal};
use crate::kept::Kept;
use crate::vault::Vault;
use crate::{Answered, LocalService, Setup, Supported};
use state::{Parameters, Version};
use std::sync::Arc;
use stepwright_engine::Clock;

/// The parameters of one account in one region.
pub(crate) struct Ssm {
    kept: Kept<Parameters>,
    clock: Arc<dyn Clock>,
    account: String,
    region: String,
    vault: Arc<Vault>,
}

const OPERATIONS: &[Supported] = &[
    Supported::new("AddTagsToResource", &["ResourceType", "ResourceId", "Tags"]),
    Supported::new("DeleteParameter", &["Name"]),
    Supported::new("DeleteParameters", &["Names"]),
    Supported::new("DescribeParameters", &["ParameterFilters", "MaxResults", "NextToken"]),
    Supported::new("GetParameter", &["Name", "WithDecryption"]),
    Supported::new("GetParameterHistory", &["Name", "WithDecryption", "MaxResults", "NextToken"]),
    Supported::new("GetParameters", &["Names", "WithDecryption"]),
    Supported::new(
        "GetParametersByPath",
        &["Path", "Recursive", "WithDecryption", "MaxResults", "NextToken"],
    ),
    Supported::new("LabelParameterVersion", &["Name", "ParameterVersion", "Labels"]),
    Supported::new("ListTagsForResource", &["ResourceType", "ResourceId"]),
    Supported::new(
        "PutParameter",
        &[
            "Name",
            "Description",
            "Value",
            "Type",
            "Overwrite",
            "AllowedPattern",
            "Tags",
            "Tier",
            "DataType",
        ],
    ),
    Supported::new("RemoveTagsFromResource", &["ResourceType", "ResourceId", "TagKeys"]),
    Supported::new("UnlabelParameterVersion", &["Name", "ParameterVersion", "Labels"]),
];

impl LocalService for Ssm {
    fn operations(&self) -> &'static [Supported] {
        OPERATIONS
    }

    fn call<'s>(&'s self, call: Call<'s>) -> Answered<'s> {
        Box::pin(self.answer(call))
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new("ValidationException", message).status(400)
}

fn missing() -> Refusal {
    Refusal::new("ParameterNotFound", "")
}

impl Ssm {
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
        let operation: Answered<'_> = match call.operation.name.as_str() {
            "AddTagsToResource" => Box::pin(self.add_tags_to_resource(&call)),
            "DeleteParameter" => Box::pin(self.delete_parameter(&call)),
            "DeleteParameters" => Box::pin(self.delete_parameters(&call)),
            "DescribeParameters" => Box::pin(self.describe_parameters(&call)),
            "GetParameter" => Box::pin(self.get_parameter(&call)),
            "GetParameterHistory" => Box::pin(self.get_parameter_history(&call)),
            "GetParameters" => Box::pin(self.get_parameters(&call)),
            "GetParametersByPath" => Box::pin(self.get_parameters_by_path(&call)),
            "LabelParameterVersion" => Box::pin(self.label_parameter_version(&call)),
            "ListTagsForResource" => Box::pin(self.list_tags_for_resource(&call)),
            "PutParameter" => Box::pin(self.put_parameter(&call)),
            "RemoveTagsFromResource" => Box::pin(self.remove_tags_from_resource(&call)),
            "UnlabelParameterVersion" => Box::pin(self.unlabel_parameter_version(&call)),
            name => {
                return Err(self.unsupported(format!("the local service `ssm` has no `{name}`")));
            }
        };
        operation.await
    }

    fn arn(&self, name: &str) -> String {
        let separator = if name.starts_with('/') { "" } else { "/" };
        format!("arn:aws:ssm:{}:{}:parameter{separator}{name}", self.region, self.account)
    }

    /// The name that a request means, which may be an ARN.
    #[expect(clippy::unused_self, reason = "names are a matter of the service")]
    fn named<'n>(&self, name: &'n str) -> &'n str {
        match name.split_once(":parameter/") {
            Some((before, rest)) if before.starts_with("arn:") => {
                // The slash belongs to names like paths.
                if rest.contains('/') { &name[name.len() - rest.len() - 1..] } else { rest }
            }
            _ => name,
        }
    }

    /// The value of a version; as it is kept, if it is not to be opened.
    fn value(&self, name: &str, version: &Version, opens: bool) -> Result<String, Refusal> {
        if !version.is_secure() || !opens {
            return Ok(version.value.clone());
        }
        let opened = self.vault.open(&version.value, &purpose(name));
        let text =
            opened.and_then(|bytes| String::from_utf8(bytes).map_err(|error| error.to_string()));
        text.map_err(|why| {
            Refusal::new("InternalServerError", format!("{name}: {why}")).status(500)
        })
    }
}

fn purpose(name: &str) -> String {
    format!("ssm/{name}")
}
