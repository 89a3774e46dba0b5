use crate::resources::{Handle, Key, RemovalPolicy, Resource, logical_id};
use crate::text::{Text, Token, local_arn, text};
use crate::value::Value;
use crate::{Grant, Grantee, Statement};
use std::time::Duration;

/// An activity: work that workers anywhere can ask for and report on.
///
/// ```
/// use stepwright_constructs::prelude::*;
///
/// let activity = Activity::new("SubmitJob");
/// let workers = Role::new("Workers", "ec2.amazonaws.com");
/// let submit = StepFunctionsInvokeActivity::new("Submit Job", &activity);
/// let stack = Stack::new()
///     .machine(StateMachine::new("Jobs", submit))
///     .grant(activity.grant(&workers, ["states:GetActivityTask"]))
///     .output("ActivityArn", activity.arn());
/// assert!(stack.template().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    handle: Handle,
    id: Option<String>,
    own_name: Option<String>,
    key: Option<(Key, Option<Duration>)>,
    removal: Option<RemovalPolicy>,
}

impl Activity {
    /// Defines an activity.
    pub fn new(id: &str) -> Self {
        let logical = activity_id(id);
        let handle = Handle::known(
            Token::reference(&logical).into(),
            Token::attribute(&logical, "Name").into(),
        );
        Self { id: Some(id.to_owned()), ..Self::known(handle) }
    }

    fn known(handle: Handle) -> Self {
        Self { handle, id: None, own_name: None, key: None, removal: None }
    }

    /// Refers to the activity with this ARN.
    #[doc(alias = "fromActivityArn")]
    pub fn from_arn(arn: impl Into<Text>) -> Self {
        Self::known(Handle::of_arn(arn.into(), &[':', ':']))
    }

    /// Refers to the activity with this name, in the account and region of the stack.
    #[doc(alias = "fromActivityName")]
    pub fn from_name(name: impl Into<Text>) -> Self {
        let name = name.into();
        let arn = local_arn("states", text!("activity:", &name));
        Self::known(Handle::known(arn, name))
    }

    /// A parameter of the template: the ARN of an activity.
    pub fn parameter(name: &str) -> Self {
        Self::known(Handle::of_parameter(name, "activity", &[':', ':']))
    }

    /// Its name in AWS. Defaults to a name made from the id.
    #[must_use]
    pub fn activity_name(mut self, name: impl Into<String>) -> Self {
        self.own_name = Some(name.into());
        self
    }

    /// Encrypts its data with a key. Of an activity that exists already, the key with which its
    /// data are encrypted.
    #[doc(alias = "encryptionConfiguration")]
    #[must_use]
    pub fn encryption(mut self, key: impl Into<Key>) -> Self {
        self.key = Some((key.into(), None));
        self
    }

    /// Encrypts its data with a key. Data keys that are made with it are used for a time: one to
    /// fifteen minutes.
    #[must_use]
    pub fn encryption_with(mut self, key: impl Into<Key>, data_key_reuse: Duration) -> Self {
        self.key = Some((key.into(), Some(data_key_reuse)));
        self
    }

    /// What becomes of it when the stack is deleted.
    #[doc(alias = "applyRemovalPolicy")]
    #[must_use]
    pub fn removal_policy(mut self, policy: RemovalPolicy) -> Self {
        self.removal = Some(policy);
        self
    }

    /// Its ARN. Wherever it is used, the template has the activity.
    #[doc(alias = "activityArn")]
    pub fn arn(&self) -> Text {
        self.handle.arn.clone().carrying(&self.resources())
    }

    /// Its name.
    pub fn name(&self) -> Text {
        self.handle.name.clone().carrying(&self.resources())
    }

    /// The permission to do something with it: `states:GetActivityTask`.
    pub fn grant<A: Into<String>>(
        &self,
        grantee: impl Into<Grantee>,
        actions: impl IntoIterator<Item = A>,
    ) -> Grant {
        Grant::of(grantee, Statement::allow(actions, [self.arn()]))
    }

    pub(crate) fn key(&self) -> Option<&Key> {
        self.key.as_ref().map(|(key, _)| key)
    }

    /// The resources that it adds to a template.
    pub fn resources(&self) -> Vec<Resource> {
        let Some(id) = &self.id else {
            let mut resources = self.handle.resources.clone();
            let given = [
                ("activity_name", self.own_name.is_some()),
                ("removal_policy", self.removal.is_some()),
            ];
            let subject = self.handle.name.readable();
            let what = "an activity that exists already";
            resources.extend(Resource::useless(&subject, what, "Activity::new", &given));
            return resources;
        };
        let name = self.own_name.clone().unwrap_or_else(|| {
            logical_id(&[id]).chars().filter(char::is_ascii_alphanumeric).collect()
        });
        let mut resources = Vec::new();
        let mut properties = vec![("Name".to_owned(), Value::from(&name))];
        if let Some((key, reuse)) = &self.key {
            let mut encryption = Vec::new();
            if let Some(reuse) = reuse {
                if !(60..=900).contains(&reuse.as_secs()) || reuse.subsec_nanos() != 0 {
                    let message = "data keys can be used for one to fifteen minutes".to_owned();
                    resources
                        .push(Resource::misused(crate::Misuse { subject: id.clone(), message }));
                }
                let seconds = crate::duration::Seconds::from(*reuse);
                encryption.push(("KmsDataKeyReusePeriodSeconds".to_owned(), seconds.into()));
            }
            encryption.push(("KmsKeyId".to_owned(), key.arn().into()));
            encryption.push(("Type".to_owned(), "CUSTOMER_MANAGED_KMS_KEY".into()));
            properties.push(("EncryptionConfiguration".into(), Value::Object(encryption)));
        }
        let activity = Resource::new(
            activity_id(id),
            "AWS::StepFunctions::Activity",
            Value::Object(properties),
        );
        resources.push(activity.removed_by(self.removal));
        resources
    }
}

fn activity_id(id: &str) -> String {
    let mut path: Vec<&str> = id.split('/').collect();
    path.push("Resource");
    logical_id(&path)
}

impl From<&Activity> for Activity {
    fn from(activity: &Activity) -> Self {
        activity.clone()
    }
}
