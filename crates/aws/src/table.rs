//! The table of AWS's services: what their operations take and answer, and how that is written.
//!
//! `table/services.bin` is made from botocore's models by `table/build.py` (`cargo xtask aws-table`),
//! and unpacked one service at a time, when it is asked for. `table/index.txt` shows what is in it.

mod read;

use crate::names;
use crate::shapes::{Kind, Reference, Shape, ShapeId, Structure, Traits};
use std::fmt;
use std::sync::{Arc, OnceLock};
use stepwright_json::Str;
use stepwright_source::did_you_mean;

/// What is known of a service.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// Its name in resources: `dynamodb`, `sfn`, `eventbridge`.
    pub name: Str,
    /// The prefix of its errors: `DynamoDb`, `Sfn`, `EventBridge`.
    pub error_prefix: Str,
    /// The id in the model: `DynamoDB`, `SFN`, `EventBridge`.
    pub id: Str,
    /// The version of the API: `2012-08-10`.
    pub api_version: Str,
    /// The first part of the host's name: `dynamodb`, `states`, `events`.
    pub endpoint_prefix: Str,
    /// The name of the service in signatures: `states`.
    pub signing_name: Str,
    /// `1.0` or `1.1`, if it speaks JSON.
    pub json_version: Str,
    /// What stands before the operation in the header `X-Amz-Target`.
    pub target_prefix: Str,
    /// The namespace of its XML; empty if it has none.
    pub namespace: Str,
    /// The prefix of its actions in IAM: `states`.
    pub iam_prefix: Str,
    /// The protocol that is spoken.
    pub protocol: Protocol,
    /// All protocols that the service speaks.
    pub protocols: Vec<Protocol>,
    /// How requests are signed.
    pub signature: Signature,
    /// Whether the codes of errors that `x-amzn-query-error` has are the ones that are meant.
    pub is_query_compatible: bool,
    /// The operations, in order of their names.
    pub operations: Vec<Operation>,
    /// The types.
    pub shapes: Vec<Shape>,
    /// The traits of references.
    pub traits: Vec<Traits>,
    /// Where the service is, if it is not at the usual place; an operation has one of these lists.
    pub(crate) endpoints: Vec<Vec<Place>>,
}

/// Where a service is in a partition, if that is unusual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) partition: &'static str,
    /// A URL; `{region}` stands for the region.
    pub(crate) template: Str,
    /// The region in signatures, if it is not the region that is asked for.
    pub(crate) signing_region: Option<Str>,
}

/// What is known of an operation.
#[expect(clippy::struct_excessive_bools, reason = "each is a trait of the model")]
#[derive(Clone, Debug, Default)]
pub struct Operation {
    /// The name in the API: `PutItem`.
    pub name: Str,
    /// The method of the request.
    pub method: &'static str,
    /// The path of the request, with labels and perhaps a query: `/{Bucket}/{Key+}?tagging`.
    pub uri: Str,
    /// The status of a good answer.
    pub status: u16,
    /// What it takes.
    pub input: Option<Reference>,
    /// What it answers.
    pub output: Option<Reference>,
    /// The element around the answer in XML.
    pub result_wrapper: Option<Str>,
    /// What stands before the host's name, with labels.
    pub host_prefix: Option<Str>,
    /// The errors that the model knows.
    pub errors: Arc<[ShapeId]>,
    /// Whether the body must have a checksum, and in which member the algorithm is chosen.
    pub checksum: Checksum,
    /// How one gets all of a long answer.
    pub pagination: Option<Box<Pagination>>,
    /// Whether requests are not signed.
    pub is_unsigned: bool,
    /// Whether the body is left out of the signature.
    pub has_unsigned_body: bool,
    /// Whether the service must be asked for the endpoint first.
    pub needs_endpoint_discovery: bool,
    /// Whether AWS advises against it.
    pub is_deprecated: bool,
    /// Whether AWS SDK integrations do not have it, as the documentation says.
    pub is_refused: bool,
    pub(crate) endpoints: usize,
    /// The actions in IAM.
    pub actions: Actions,
}

/// The checksums of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checksum {
    /// Whether there must be one.
    pub is_required: bool,
    /// The member that chooses the algorithm.
    pub algorithm_member: Option<Str>,
}

/// How one gets all of a long answer. The texts are `JMESPath` expressions over requests and responses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pagination {
    /// Where the next request says how far it is.
    pub input_tokens: Vec<Str>,
    /// Where the response says that.
    pub output_tokens: Vec<Str>,
    /// The lists that are cut into pages.
    pub results: Vec<Str>,
    /// The parameter for the length of a page.
    pub limit: Option<Str>,
    /// Where the response says that there is more.
    pub more: Option<Str>,
}

/// The actions in IAM that an operation needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Actions {
    /// The one with the operation's name.
    Same,
    /// It is not known. Most likely it is the one with the operation's name.
    #[default]
    Unknown,
    /// These, with their prefixes; none if the operation is authorised in another way.
    These(Vec<Str>),
}

/// The protocols of AWS's services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// JSON in the body, the operation in a header.
    #[default]
    Json,
    /// JSON in the body, and members in path, query and headers.
    RestJson,
    /// XML in the body, and members in path, query and headers.
    RestXml,
    /// A form in the request, XML in the response.
    Query,
    /// The same, as EC2 has it.
    Ec2,
    /// CBOR in the body, the operation in the path.
    Cbor,
}

impl Protocol {
    /// The name in botocore's models.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::RestJson => "rest-json",
            Self::RestXml => "rest-xml",
            Self::Query => "query",
            Self::Ec2 => "ec2",
            Self::Cbor => "smithy-rpc-v2-cbor",
        }
    }

    /// The protocol with this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Json, Self::RestJson, Self::RestXml, Self::Query, Self::Ec2, Self::Cbor]
            .into_iter()
            .find(|protocol| protocol.name() == name)
    }
}

/// How requests are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signature {
    /// Signature Version 4.
    #[default]
    V4,
    /// Signature Version 4, where the path is escaped once and the hash of the body is a header.
    S3,
    /// A token.
    Bearer,
    /// Not at all.
    None,
    /// Signature Version 4A. It is not supported.
    V4a,
}

/// A resource names a service that is not in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownService {
    /// The name.
    pub name: String,
    /// The service that may be meant.
    pub suggestion: Option<&'static str>,
}

impl fmt::Display for UnknownService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no AWS service `{}`", self.name)?;
        match self.suggestion {
            Some(suggestion) => write!(f, "; did you mean `{suggestion}`?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for UnknownService {}

/// A resource names an action that the service does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownAction {
    /// The service.
    pub service: String,
    /// The action.
    pub action: String,
    /// The action that may be meant.
    pub suggestion: Option<String>,
}

impl fmt::Display for UnknownAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` has no action `{}`", self.service, self.action)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean `{suggestion}`?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for UnknownAction {}

/// The names of all services, in order.
pub fn services() -> impl ExactSizeIterator<Item = &'static str> + Clone {
    catalogue().entries.iter().map(|entry| entry.name.as_str())
}

/// A service by its name in resources.
pub fn service(name: &str) -> Result<&'static Service, UnknownService> {
    let catalogue = catalogue();
    let found = catalogue.entries.binary_search_by(|entry| entry.name.as_str().cmp(name));
    let Ok(at) = found else {
        let alias = ALIASES.iter().find(|(alias, _)| *alias == name).map(|(_, meant)| *meant);
        let suggestion = alias.or_else(|| did_you_mean(name, services()));
        return Err(UnknownService { name: name.to_owned(), suggestion });
    };
    Ok(catalogue.loaded[at]
        .get_or_init(|| read::service(&catalogue.entries[at], &catalogue.dictionary)))
}

/// What services are called elsewhere: by optimised integrations, in ARNs, in the AWS CLI.
const ALIASES: [(&str, &str); 17] = [
    ("ce", "costexplorer"),
    ("cognitoidp", "cognitoidentityprovider"),
    ("configservice", "config"),
    ("ddb", "dynamodb"),
    ("directoryservice", "directory"),
    ("dms", "databasemigration"),
    ("elasticfilesystem", "efs"),
    ("elasticmapreduce", "emr"),
    ("elb", "elasticloadbalancing"),
    ("elbv2", "elasticloadbalancingv2"),
    ("es", "elasticsearch"),
    ("events", "eventbridge"),
    ("logs", "cloudwatchlogs"),
    ("monitoring", "cloudwatch"),
    ("states", "sfn"),
    ("stepfunctions", "sfn"),
    ("tag", "resourcegroupstaggingapi"),
];

struct Catalogue {
    dictionary: Vec<u8>,
    entries: Vec<read::Entry>,
    loaded: Vec<OnceLock<Service>>,
}

fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| {
        let (dictionary, entries) = read::catalogue();
        let loaded = entries.iter().map(|_| OnceLock::new()).collect();
        Catalogue { dictionary, entries, loaded }
    })
}

impl Service {
    /// The operation of an action in a resource: `putItem`.
    pub fn action(&self, action: &str) -> Result<&Operation, UnknownAction> {
        // Mostly only the first letter differs.
        let is_meant = |one: &&Operation| names::action(&one.name) == action;
        let likely = self.operation(&names::capitalized(action)).filter(is_meant);
        likely.or_else(|| self.operations.iter().find(is_meant)).ok_or_else(|| {
            let known: Vec<String> =
                self.operations.iter().map(|one| names::action(&one.name)).collect();
            UnknownAction {
                service: self.name.to_string(),
                action: action.to_owned(),
                suggestion: did_you_mean(action, known.iter().map(String::as_str))
                    .map(ToOwned::to_owned),
            }
        })
    }

    /// The operation with this name in the API: `PutItem`.
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        let found = self.operations.binary_search_by(|one| one.name.as_str().cmp(name));
        found.ok().map(|at| &self.operations[at])
    }

    /// The service as it speaks another of its protocols. What is made here should be kept: it is a
    /// copy of the whole.
    pub fn speaking(&self, protocol: Protocol) -> Option<Self> {
        // What spoke `query` once is still understood.
        let is_former = protocol == Protocol::Query && self.is_query_compatible;
        let is_spoken = is_former || self.protocols.contains(&protocol);
        is_spoken.then(|| Self { protocol, ..self.clone() })
    }

    /// The type that is referred to.
    pub fn shape(&self, reference: &Reference) -> &Shape {
        self.shape_of(reference.shape)
    }

    pub(crate) fn shape_of(&self, id: ShapeId) -> &Shape {
        static UNKNOWN: Shape = Shape { kind: Kind::Document, least: None, most: None };
        self.shapes.get(id.0 as usize).unwrap_or(&UNKNOWN)
    }

    /// How a reference is written.
    pub fn traits(&self, reference: &Reference) -> &Traits {
        static NONE: OnceLock<Traits> = OnceLock::new();
        self.traits
            .get(reference.traits as usize)
            .unwrap_or_else(|| NONE.get_or_init(Traits::default))
    }

    /// The structure that is referred to, if it is one.
    pub fn structure(&self, reference: Option<&Reference>) -> Option<&Structure> {
        match &self.shape(reference?).kind {
            Kind::Structure(structure) => Some(structure),
            _ => None,
        }
    }

    /// The errors that an operation may end with, as the model knows them.
    pub fn errors<'s>(&'s self, operation: &'s Operation) -> impl Iterator<Item = &'s Structure> {
        operation.errors.iter().filter_map(|id| match &self.shape_of(*id).kind {
            Kind::Structure(structure) => Some(structure),
            _ => None,
        })
    }

    /// The actions in IAM that an operation needs, with their prefixes, and whether that is known.
    pub fn iam_actions(&self, operation: &Operation) -> (Vec<String>, bool) {
        let same = || vec![format!("{}:{}", self.iam_prefix, operation.name)];
        match &operation.actions {
            Actions::Same => (same(), true),
            Actions::Unknown => (same(), false),
            Actions::These(actions) => (actions.iter().map(ToString::to_string).collect(), true),
        }
    }

    /// The member that is a stream of events, if an operation has one. Such operations are not
    /// supported, neither here nor by AWS Step Functions.
    pub fn event_stream(&self, operation: &Operation) -> Option<&str> {
        [&operation.input, &operation.output].into_iter().find_map(|reference| {
            let structure = self.structure(reference.as_ref())?;
            let found = structure
                .members
                .iter()
                .find(|member| self.traits(&member.reference).is_event_stream)?;
            Some(found.name.as_str())
        })
    }
}
