use crate::resources::{Handle, Key, Resource, logical_id};
use crate::text::{Text, Token, local_arn, text};
use crate::value::Value;

/// An activity: work that somebody asks for and answers, from wherever they run.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    handle: Handle,
    id: Option<String>,
    activity_name: Option<String>,
    key: Option<Key>,
}

impl Activity {
    /// An activity defined here.
    pub fn new(id: &str) -> Self {
        let logical = logical_id(&[id, "Resource"]);
        let handle = Handle {
            arn: Token::reference(&logical).into(),
            name: Token::attribute(&logical, "Name").into(),
            resources: Vec::new(),
        };
        Self { handle, id: Some(id.to_owned()), activity_name: None, key: None }
    }

    /// The activity with this ARN.
    pub fn from_arn(arn: impl Into<Text>) -> Self {
        let handle = Handle::of_arn(arn.into(), &[':', ':']);
        Self { handle, id: None, activity_name: None, key: None }
    }

    /// The activity with this name, in the account and region of the stack.
    pub fn from_name(name: impl Into<Text>) -> Self {
        let name = name.into();
        let arn = local_arn("states", text!("activity:", &name));
        Self {
            handle: Handle { arn, name, resources: Vec::new() },
            id: None,
            activity_name: None,
            key: None,
        }
    }

    /// Its name in AWS; made from the id if nothing is said.
    #[must_use]
    pub fn activity_name(mut self, name: impl Into<String>) -> Self {
        self.activity_name = Some(name.into());
        self
    }

    /// Encrypts what passes through it with a key.
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

    /// The resources of it that belong into a template.
    pub fn resources(&self) -> Vec<Resource> {
        let Some(id) = &self.id else { return Vec::new() };
        let name = self.activity_name.clone().unwrap_or_else(|| {
            logical_id(&[id]).chars().filter(|c| c.is_ascii_alphanumeric()).collect()
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
