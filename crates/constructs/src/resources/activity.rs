use crate::resources::{Handle, Key, Resource, logical_id};
use crate::text::{Text, Token, local_arn, text};
use crate::value::Value;

/// An activity: work that workers anywhere can ask for and report on.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    handle: Handle,
    id: Option<String>,
    own_name: Option<String>,
    key: Option<Key>,
}

impl Activity {
    /// Defines an activity.
    pub fn new(id: &str) -> Self {
        let logical = logical_id(&[id, "Resource"]);
        let handle = Handle {
            arn: Token::reference(&logical).into(),
            name: Token::attribute(&logical, "Name").into(),
            resources: Vec::new(),
        };
        Self { handle, id: Some(id.to_owned()), own_name: None, key: None }
    }

    /// Refers to the activity with this ARN.
    pub fn from_arn(arn: impl Into<Text>) -> Self {
        let handle = Handle::of_arn(arn.into(), &[':', ':']);
        Self { handle, id: None, own_name: None, key: None }
    }

    /// Refers to the activity with this name, in the account and region of the stack.
    pub fn from_name(name: impl Into<Text>) -> Self {
        let name = name.into();
        let arn = local_arn("states", text!("activity:", &name));
        Self {
            handle: Handle { arn, name, resources: Vec::new() },
            id: None,
            own_name: None,
            key: None,
        }
    }

    /// Its name in AWS. Defaults to a name made from the id.
    #[must_use]
    pub fn activity_name(mut self, name: impl Into<String>) -> Self {
        self.own_name = Some(name.into());
        self
    }

    /// Encrypts its data with a key.
    #[must_use]
    pub fn encryption(mut self, key: impl Into<Key>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Its ARN.
    pub fn arn(&self) -> Text {
        self.handle.arn.clone()
    }

    /// Its name.
    pub fn name(&self) -> Text {
        self.handle.name.clone()
    }

    pub(crate) fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    /// The resources that it adds to a template.
    pub fn resources(&self) -> Vec<Resource> {
        let Some(id) = &self.id else { return Vec::new() };
        let name = self.own_name.clone().unwrap_or_else(|| {
            logical_id(&[id]).chars().filter(char::is_ascii_alphanumeric).collect()
        });
        let mut properties = vec![("Name".to_owned(), Value::from(name))];
        if let Some(key) = &self.key {
            let encryption = crate::object! {
                "KmsKeyId": key.arn(), "Type": "CUSTOMER_MANAGED_KMS_KEY",
            };
            properties.push(("EncryptionConfiguration".into(), encryption));
        }
        let logical = logical_id(&[id, "Resource"]);
        let mut resources = self.key.as_ref().map_or_else(Vec::new, Key::resources);
        resources.push(Resource::new(
            logical,
            "AWS::StepFunctions::Activity",
            Value::Object(properties),
        ));
        resources
    }
}

impl From<&Activity> for Activity {
    fn from(activity: &Activity) -> Self {
        activity.clone()
    }
}
