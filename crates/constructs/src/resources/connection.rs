use crate::object;
use crate::resources::{Resource, logical_id};
use crate::text::{Text, Token};
use crate::value::Value;

/// An EventBridge connection: the credentials for an HTTP endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    arn: Text,
    secret_arn: Text,
    resources: Vec<Resource>,
}

/// How a connection authenticates itself to the endpoint.
#[derive(Clone, Debug, PartialEq)]
pub enum Authorization {
    /// With a user name and a password.
    Basic {
        /// The user name.
        user: Text,
        /// The password, preferably as `{{resolve:secretsmanager:…}}`.
        password: Text,
    },
    /// With a key in a header.
    ApiKey {
        /// The name of the header.
        name: Text,
        /// The key, preferably as `{{resolve:secretsmanager:…}}`.
        value: Text,
    },
}

impl Connection {
    /// Defines a connection.
    pub fn new(id: &str, authorization: Authorization) -> Self {
        let logical = logical_id(&[id, "Connection"]);
        let (kind, parameters) = match authorization {
            Authorization::Basic { user, password } => {
                ("BASIC", object! {"BasicAuthParameters": {"Username": user, "Password": password}})
            }
            Authorization::ApiKey { name, value } => (
                "API_KEY",
                object! {"ApiKeyAuthParameters": {"ApiKeyName": name, "ApiKeyValue": value}},
            ),
        };
        let properties = object! {"AuthorizationType": kind, "AuthParameters": parameters};
        Self {
            arn: Token::attribute(&logical, "Arn").into(),
            secret_arn: Token::attribute(&logical, "SecretArn").into(),
            resources: vec![Resource::new(logical, "AWS::Events::Connection", properties)],
        }
    }

    /// Refers to a connection that is defined elsewhere, and to the secret that EventBridge keeps
    /// for it.
    pub fn from_arns(arn: impl Into<Text>, secret_arn: impl Into<Text>) -> Self {
        Self { arn: arn.into(), secret_arn: secret_arn.into(), resources: Vec::new() }
    }

    /// Its ARN.
    pub fn arn(&self) -> Text {
        self.arn.clone().carrying(&self.resources)
    }

    /// The ARN of the secret with its credentials.
    pub fn secret_arn(&self) -> Text {
        self.secret_arn.clone().carrying(&self.resources)
    }

    pub(crate) fn resources(&self) -> Vec<Resource> {
        self.resources.clone()
    }
}

impl From<&Connection> for Connection {
    fn from(connection: &Connection) -> Self {
        connection.clone()
    }
}

impl From<Connection> for Value {
    fn from(connection: Connection) -> Self {
        connection.arn().into()
    }
}
