//! What the requests and responses of a service look like.
//!
//! The words are those of botocore's models: a *shape* is a type, a *reference* names a shape where
//! it is used, and has *traits* that say how it is written there.

use std::sync::OnceLock;
use stepwright_json::Str;

/// A position in [`Service::shapes`](crate::table::Service::shapes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShapeId(pub u32);

/// A type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    /// What it is.
    pub kind: Kind,
    /// The least length, number of items or value.
    pub least: Option<f64>,
    /// The greatest length, number of items or value.
    pub most: Option<f64>,
}

/// The kinds of types.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Kind {
    /// Named members.
    Structure(Structure),
    /// Items of one type.
    List(Reference),
    /// Keys and values.
    Map(Reference, Reference),
    /// Text.
    String {
        /// The texts that are allowed; empty if all are.
        values: Vec<Str>,
    },
    /// True or false.
    Boolean,
    /// An integer of 32 bits.
    Integer,
    /// An integer of 64 bits.
    Long,
    /// A number of 32 bits.
    Float,
    /// A number of 64 bits.
    Double,
    /// A moment.
    Timestamp,
    /// Bytes.
    Blob,
    /// Any JSON.
    #[default]
    Document,
}

/// A type with named members.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Structure {
    /// The name, where it can be seen on the wire: of errors, and in services that speak XML.
    pub name: Option<Str>,
    /// The members, in the order of the model.
    pub members: Vec<Member>,
    /// The member that is the whole body, by its position.
    pub payload: Option<usize>,
    /// Whether exactly one member is present.
    pub is_union: bool,
    /// What else is known of an error.
    pub error: Option<ErrorFacts>,
    /// The names that tasks use for the members, once they have been asked for.
    pub shown: ShownNames,
}

/// The names that tasks use for members, in two spellings. They follow from the rest and count for
/// nothing in comparisons.
#[derive(Clone, Debug, Default)]
pub struct ShownNames(pub(crate) [OnceLock<Box<Shown>>; 2]);

impl PartialEq for ShownNames {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// The names of members in one spelling.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    /// The positions of the members, by all names that are taken for them, in order.
    pub(crate) taken: Vec<(Str, usize)>,
    /// The names that are given to them, in the order of the model.
    pub(crate) given: Vec<Str>,
}

impl Structure {
    /// The member with this name in the model.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// The member that is the whole body.
    pub fn payload(&self) -> Option<&Member> {
        self.members.get(self.payload?)
    }
}

/// What is known of an error besides its members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorFacts {
    /// The code on the wire, if it is not the name.
    pub code: Option<Str>,
    /// The HTTP status; 0 if the model does not say.
    pub status: u16,
    /// Whether it is the service's fault.
    pub is_fault: bool,
}

/// A member of a structure.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The name in the model.
    pub name: Str,
    /// Its type.
    pub reference: Reference,
}

impl Member {
    /// The name on the wire.
    pub fn wire(&self) -> &str {
        self.reference.wire.as_deref().unwrap_or(&self.name)
    }
}

/// The use of a shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// The type.
    pub shape: ShapeId,
    /// A position in [`Service::traits`](crate::table::Service::traits).
    pub traits: u32,
    /// The name on the wire, where the model gives one.
    pub wire: Option<Str>,
}

/// How a reference is written.
#[expect(clippy::struct_excessive_bools, reason = "each is a trait of the model")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traits {
    /// Whether the member must be given.
    pub is_required: bool,
    /// Whether the member makes the request idempotent, and is made up if it is not given.
    pub is_idempotency_token: bool,
    /// Whether a list or map has no element of its own in XML and forms.
    pub is_flattened: bool,
    /// Whether the member is an attribute in XML.
    pub is_xml_attribute: bool,
    /// Whether a text is JSON, and in a header base64 of it.
    pub is_json: bool,
    /// Whether the member is a part of the host's name.
    pub is_host_label: bool,
    /// Whether the bytes may be sent as they come.
    pub is_streaming: bool,
    /// Whether the value is not to be shown.
    pub is_sensitive: bool,
    /// Whether it is a stream of events.
    pub is_event_stream: bool,
    /// Whether the length of a stream must be known.
    pub requires_length: bool,
    /// Where a member stands in HTTP.
    pub location: Location,
    /// How a moment is written.
    pub timestamp: Option<TimestampFormat>,
    /// The name in the forms of EC2.
    pub query_name: Option<Str>,
    /// The namespace in XML.
    pub namespace: Option<Namespace>,
    /// The parameter of the rules for endpoints that the member is.
    pub context: Option<Str>,
}

/// A namespace of XML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// The URI.
    pub uri: Str,
    /// The prefix that stands for it; empty if it is the default.
    pub prefix: Str,
}

/// Where a member stands in HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Location {
    /// In the body.
    #[default]
    Body,
    /// In the path.
    Uri,
    /// In the query.
    Query,
    /// In a header.
    Header,
    /// In all headers with a prefix.
    Headers,
    /// It is the status.
    Status,
}

/// How a moment is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampFormat {
    /// `2015-01-25T08:00:00Z`
    Iso8601,
    /// `1422172800`
    Unix,
    /// `Sun, 25 Jan 2015 08:00:00 GMT`
    Rfc822,
}
