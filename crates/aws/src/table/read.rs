//! Reads `services.bin`. The format is described in `table/build.py`.

use super::{Actions, Checksum, Operation, Pagination, Place, Protocol, Service, Signature};
use crate::shapes::{
    ErrorFacts, Kind, Location, Member, Namespace, Reference, Shape, ShapeId, ShownNames,
    Structure, TimestampFormat, Traits,
};
use flate2::{Decompress, FlushDecompress};
use std::sync::Arc;
use stepwright_json::Str;

static FILE: &[u8] = include_bytes!("../../table/services.bin");

const MAGIC: &[u8] = b"SWAWS\0\0\x01";
const PARTITIONS: [&str; 3] = ["aws", "aws-cn", "aws-us-gov"];
const METHODS: [&str; 6] = ["POST", "GET", "PUT", "DELETE", "PATCH", "HEAD"];
const PROTOCOLS: [Protocol; 6] = [
    Protocol::Json,
    Protocol::RestJson,
    Protocol::RestXml,
    Protocol::Query,
    Protocol::Ec2,
    Protocol::Cbor,
];
const SIGNATURES: [Signature; 5] =
    [Signature::V4, Signature::S3, Signature::Bearer, Signature::None, Signature::V4a];
const LOCATIONS: [Location; 6] = [
    Location::Body,
    Location::Uri,
    Location::Query,
    Location::Header,
    Location::Headers,
    Location::Status,
];

/// A service in the catalogue.
pub(super) struct Entry {
    pub(super) name: Str,
    pub(super) prefix: Str,
    /// Where the blob begins.
    start: usize,
    /// The lengths of its sections, deflated and unpacked.
    sections: [(usize, usize); 5],
}

/// The dictionary of texts, and the services in order of their names.
pub(super) fn catalogue() -> (Vec<u8>, Vec<Entry>) {
    let rest = FILE.strip_prefix(MAGIC).expect("the table begins with its magic bytes");
    let (length, rest) = rest.split_at(4);
    let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
    let catalogue = inflate(&rest[..length], 1 << 17, b"");
    let mut bytes = Numbers::new(&catalogue);
    let dictionary = bytes.text().to_vec();
    let mut start = MAGIC.len() + 4 + length;
    let count = bytes.next();
    let entries = (0..count)
        .map(|_| {
            let name = utf8(bytes.text());
            let prefix = utf8(bytes.text());
            let sections = std::array::from_fn(|_| (bytes.next(), bytes.next()));
            let entry = Entry { name, prefix, start, sections };
            start += sections.iter().map(|(packed, _)| packed).sum::<usize>();
            entry
        })
        .collect();
    (dictionary, entries)
}

/// Unpacks a service.
pub(super) fn service(entry: &Entry, dictionary: &[u8]) -> Service {
    let mut at = entry.start;
    let mut sections = entry.sections.iter().enumerate().map(|(number, (packed, length))| {
        let data = &FILE[at..at + packed];
        at += packed;
        inflate(data, *length, if number == 0 { dictionary } else { b"" })
    });
    let mut section = || sections.next().expect("a blob has five sections");
    let (texts, facts, names) = (section(), section(), section());
    let (shapes, traits) = (section(), section());
    let reader = Reader {
        texts: &texts,
        known_texts: Vec::new(),
        facts: Numbers::new(&facts),
        names: Numbers::new(&names),
        shape_references: Numbers::new(&shapes),
        trait_references: Numbers::new(&traits),
        known_shapes: 0,
        known_traits: Vec::new(),
        error_lists: Vec::new(),
    };
    let mut service = reader.service();
    service.name = entry.name.clone();
    service.error_prefix = entry.prefix.clone();
    service
}

fn inflate(data: &[u8], length: usize, dictionary: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(length);
    let mut stream = Decompress::new(false);
    if !dictionary.is_empty() {
        stream.set_dictionary(dictionary).expect("a raw stream takes a dictionary");
    }
    stream
        .decompress_vec(data, &mut out, FlushDecompress::Finish)
        .expect("the table was deflated when it was made");
    out
}

fn utf8(bytes: &[u8]) -> Str {
    std::str::from_utf8(bytes).expect("the texts of the table are UTF-8").into()
}

/// Varints, one after another.
struct Numbers<'b> {
    bytes: &'b [u8],
}

impl<'b> Numbers<'b> {
    fn new(bytes: &'b [u8]) -> Self {
        Self { bytes }
    }

    fn next(&mut self) -> usize {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let (first, rest) = self.bytes.split_first().expect("the table is complete");
            self.bytes = rest;
            value |= usize::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                break;
            }
        }
        value
    }

    /// A text of the catalogue: its length and its bytes.
    fn text(&mut self) -> &'b [u8] {
        let length = self.next();
        let (text, rest) = self.bytes.split_at(length);
        self.bytes = rest;
        text
    }
}

/// Bits, from the lowest.
struct Flags(usize);

impl Flags {
    fn next(&mut self) -> bool {
        let flag = self.0 & 1 == 1;
        self.0 >>= 1;
        flag
    }
}

/// How a name on the wire is given.
#[derive(Clone)]
enum WireName {
    None,
    /// The member's name.
    Same,
    /// The member's name with a small first letter.
    Small,
    Text(Str),
}

struct Reader<'b> {
    texts: &'b [u8],
    known_texts: Vec<Str>,
    facts: Numbers<'b>,
    names: Numbers<'b>,
    shape_references: Numbers<'b>,
    trait_references: Numbers<'b>,
    known_shapes: u32,
    known_traits: Vec<(Traits, WireName)>,
    error_lists: Vec<Arc<[ShapeId]>>,
}

impl Reader<'_> {
    fn service(mut self) -> Service {
        let [id, api_version, endpoint_prefix, signing_name] = std::array::from_fn(|_| self.text());
        let [json_version, target_prefix, namespace, iam_prefix] =
            std::array::from_fn(|_| self.text());
        let protocol = PROTOCOLS[self.facts.next()];
        let mut spoken = Flags(self.facts.next());
        let protocols = PROTOCOLS.into_iter().filter(|_| spoken.next()).collect();
        let signature = SIGNATURES[self.facts.next()];
        let is_query_compatible = self.facts.next() == 1;
        let endpoints = self.list(|reader| {
            reader.list(|reader| Place {
                partition: PARTITIONS[reader.facts.next()],
                template: reader.text(),
                signing_region: reader.some_text(),
            })
        });
        let operations = self.list(Self::operation);
        let mut shapes = Vec::new();
        while shapes.len() < self.known_shapes as usize {
            shapes.push(self.shape());
        }
        let traits = self.known_traits.into_iter().map(|(traits, _)| traits).collect();
        Service {
            name: Str::default(),
            error_prefix: Str::default(),
            id,
            api_version,
            endpoint_prefix,
            signing_name,
            json_version,
            target_prefix,
            namespace,
            iam_prefix,
            protocol,
            protocols,
            signature,
            is_query_compatible,
            operations,
            shapes,
            traits,
            endpoints,
        }
    }

    fn operation(&mut self) -> Operation {
        let name = self.text();
        let method = METHODS[self.facts.next()];
        let uri = self.text();
        let mut flags = Flags(self.facts.next());
        let [has_input, has_output, has_status, has_prefix] = std::array::from_fn(|_| flags.next());
        let [is_checksum_required, has_algorithm, is_unsigned, has_unsigned_body] =
            std::array::from_fn(|_| flags.next());
        let [has_pages, has_endpoints, needs_endpoint_discovery] =
            std::array::from_fn(|_| flags.next());
        let [is_deprecated, has_wrapper, is_refused] = std::array::from_fn(|_| flags.next());
        let input = has_input.then(|| self.reference(None));
        let output = has_output.then(|| self.reference(None));
        let status = if has_status { self.facts.next() as u16 } else { 200 };
        let host_prefix = if has_prefix { self.some_text() } else { None };
        let algorithm_member = if has_algorithm { self.some_text() } else { None };
        let pagination = has_pages.then(|| {
            Box::new(Pagination {
                input_tokens: self.list(Self::text),
                output_tokens: self.list(Self::text),
                results: self.list(Self::text),
                limit: self.some_text(),
                more: self.some_text(),
            })
        });
        let endpoints = if has_endpoints { self.facts.next() } else { 0 };
        let result_wrapper = if has_wrapper { self.some_text() } else { None };
        let errors = self.errors();
        let actions = match self.facts.next() {
            0 => Actions::Same,
            1 => Actions::Unknown,
            count => Actions::These((2..count).map(|_| self.text()).collect()),
        };
        Operation {
            name,
            method,
            uri,
            status,
            input,
            output,
            result_wrapper,
            host_prefix,
            errors,
            checksum: Checksum { is_required: is_checksum_required, algorithm_member },
            pagination,
            is_unsigned,
            has_unsigned_body,
            needs_endpoint_discovery,
            is_deprecated,
            is_refused,
            endpoints,
            actions,
        }
    }

    fn errors(&mut self) -> Arc<[ShapeId]> {
        match self.facts.next() {
            0 => {
                let errors: Arc<[ShapeId]> = self.list(Self::target).into();
                self.error_lists.push(Arc::clone(&errors));
                errors
            }
            known => Arc::clone(&self.error_lists[known - 1]),
        }
    }

    fn shape(&mut self) -> Shape {
        let head = self.facts.next();
        let mut flags = Flags(head >> 4);
        let [has_limits, has_values, is_named, is_error, is_union, has_payload] =
            std::array::from_fn(|_| flags.next());
        let [least, most] =
            std::array::from_fn(|_| if has_limits { self.text().parse().ok() } else { None });
        let values = if has_values { self.list(Self::text) } else { Vec::new() };
        let kind = match head & 15 {
            0 => {
                let name = if is_named { self.some_text() } else { None };
                let error = is_error.then(|| ErrorFacts {
                    code: self.some_text(),
                    status: self.facts.next() as u16,
                    is_fault: self.facts.next() == 1,
                });
                let payload = has_payload.then(|| self.facts.next());
                let members = self.list(|reader| {
                    let number = reader.names.next();
                    let name = reader.numbered_text(number);
                    let reference = reader.reference(Some(&name));
                    Member { name, reference }
                });
                let shown = ShownNames::default();
                Kind::Structure(Structure { name, members, payload, is_union, error, shown })
            }
            1 => Kind::List(self.reference(None)),
            2 => Kind::Map(self.reference(None), self.reference(None)),
            3 => Kind::String { values },
            4 => Kind::Boolean,
            5 => Kind::Integer,
            6 => Kind::Long,
            7 => Kind::Float,
            8 => Kind::Double,
            9 => Kind::Timestamp,
            10 => Kind::Blob,
            _ => Kind::Document,
        };
        Shape { kind, least, most }
    }

    fn target(&mut self) -> ShapeId {
        match self.shape_references.next() {
            0 => {
                self.known_shapes += 1;
                ShapeId(self.known_shapes - 1)
            }
            known => ShapeId(known as u32 - 1),
        }
    }

    fn reference(&mut self, name: Option<&Str>) -> Reference {
        let shape = self.target();
        let traits = match self.trait_references.next() {
            0 => {
                let traits = self.traits();
                self.known_traits.push(traits);
                self.known_traits.len() - 1
            }
            known => known - 1,
        };
        let wire = match (&self.known_traits[traits].1, name) {
            (WireName::Text(text), _) => Some(text.clone()),
            (WireName::Same, Some(name)) => Some(name.clone()),
            (WireName::Small, Some(name)) => {
                let mut chars = name.chars();
                let first = chars.next().map(|first| first.to_ascii_lowercase());
                Some(first.into_iter().chain(chars).collect())
            }
            _ => None,
        };
        Reference { shape, traits: traits as u32, wire }
    }

    fn traits(&mut self) -> (Traits, WireName) {
        let mut flags = Flags(self.facts.next());
        let head = self.facts.next();
        let wire = match head >> 5 & 3 {
            0 => WireName::None,
            1 => WireName::Same,
            2 => WireName::Small,
            _ => WireName::Text(self.text()),
        };
        let [query_name, uri, prefix, context] =
            std::array::from_fn(|_| if head >> 7 == 1 { self.some_text() } else { None });
        let traits = Traits {
            is_required: flags.next(),
            is_idempotency_token: flags.next(),
            is_flattened: flags.next(),
            is_xml_attribute: flags.next(),
            is_json: flags.next(),
            is_host_label: flags.next(),
            is_streaming: flags.next(),
            is_sensitive: flags.next(),
            is_event_stream: flags.next(),
            requires_length: flags.next(),
            location: LOCATIONS[head & 7],
            timestamp: match head >> 3 & 3 {
                1 => Some(TimestampFormat::Iso8601),
                2 => Some(TimestampFormat::Unix),
                3 => Some(TimestampFormat::Rfc822),
                _ => None,
            },
            query_name,
            namespace: uri.map(|uri| Namespace { uri, prefix: prefix.unwrap_or_default() }),
            context,
        };
        (traits, wire)
    }

    fn list<T>(&mut self, one: impl Fn(&mut Self) -> T) -> Vec<T> {
        let count = self.facts.next();
        (0..count).map(|_| one(self)).collect()
    }

    /// A text, or nothing if it is empty.
    fn some_text(&mut self) -> Option<Str> {
        Some(self.text()).filter(|text| !text.is_empty())
    }

    fn text(&mut self) -> Str {
        let number = self.facts.next();
        self.numbered_text(number)
    }

    fn numbered_text(&mut self, number: usize) -> Str {
        if number > 0 {
            return self.known_texts[number - 1].clone();
        }
        let end = self.texts.iter().position(|byte| *byte == b'\n').expect("a text ends");
        let text = utf8(&self.texts[..end]);
        self.texts = &self.texts[end + 1..];
        self.known_texts.push(text.clone());
        text
    }
}
