use crate::object;
use crate::resources::{Resource, logical_id};
use crate::text::{Text, Token};
use crate::value::Value;

/// A security group of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct SecurityGroup {
    id: Text,
    resources: Vec<Resource>,
}

impl SecurityGroup {
    /// Defines a security group in the network with this id, whose members may connect to anywhere.
    pub fn new(id: &str, vpc_id: impl Into<Text>) -> Self {
        let mut path: Vec<&str> = id.split('/').collect();
        path.push("Resource");
        let logical = logical_id(&path);
        let properties = object! {
            "GroupDescription": id,
            "SecurityGroupEgress": [{
                "CidrIp": "0.0.0.0/0",
                "Description": "Allow all outbound traffic by default",
                "IpProtocol": "-1",
            }],
            "VpcId": vpc_id.into(),
        };
        let resource = Resource::new(&logical, "AWS::EC2::SecurityGroup", properties);
        Self { id: Token::attribute(&logical, "GroupId").into(), resources: vec![resource] }
    }

    /// Refers to the security group with this id: `sg-…`.
    #[doc(alias = "fromSecurityGroupId")]
    pub fn from_id(id: impl Into<Text>) -> Self {
        Self { id: id.into(), resources: Vec::new() }
    }

    /// A parameter of the template: the id of a security group.
    pub fn parameter(name: &str) -> Self {
        Self::from_id(Token::parameter(name))
    }

    /// Its id.
    pub fn id(&self) -> Text {
        self.id.clone().carrying(&self.resources)
    }

    /// A rule that lets the members of `from` connect to a port of the members of this one.
    pub(crate) fn ingress(&self, from: &Text, port: &Value, description: &str) -> Resource {
        let members = format!(
            "{} {} {}",
            self.id.readable(),
            from.readable(),
            port.to_json(crate::QueryLanguage::JsonPath)
        );
        let properties = object! {
            "Description": description,
            "FromPort": port,
            "GroupId": self.id(),
            "IpProtocol": "tcp",
            "SourceSecurityGroupId": from,
            "ToPort": port,
        };
        Resource::new(
            logical_id(&["Ingress", &members]),
            "AWS::EC2::SecurityGroupIngress",
            properties,
        )
    }
}

impl From<&SecurityGroup> for SecurityGroup {
    fn from(group: &SecurityGroup) -> Self {
        group.clone()
    }
}

/// The id of a security group.
impl From<&str> for SecurityGroup {
    fn from(id: &str) -> Self {
        Self::from_id(id)
    }
}

impl From<SecurityGroup> for Value {
    fn from(group: SecurityGroup) -> Self {
        group.id().into()
    }
}

impl From<&SecurityGroup> for Value {
    fn from(group: &SecurityGroup) -> Self {
        group.id().into()
    }
}

impl From<SecurityGroup> for Text {
    fn from(group: SecurityGroup) -> Self {
        group.id()
    }
}

impl From<&SecurityGroup> for Text {
    fn from(group: &SecurityGroup) -> Self {
        group.id()
    }
}
