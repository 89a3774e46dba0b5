//! The parameters of a call: whether the service knows them, and whether they are what it takes.
//!
//! AWS refuses names that it does not know, wherever they stand, and what is missing at the top. That a
//! value is not of the right type, or that something is missing further down, it leaves to the
//! execution, so that is a rule of ours.

use super::checker::{Checker, SCHEMA, Site, opening};
use super::values::expression_text;
use crate::state::Language;
use std::collections::BTreeMap;
use std::rc::Rc;
use stepwright_aws::codec::makes_idempotent;
use stepwright_aws::integrations::{self, OwnParameters, OwnShape};
use stepwright_aws::names;
use stepwright_aws::shapes::{Kind, Member as ShapeMember, Reference, Structure};
use stepwright_aws::table::{Operation, Service};
use stepwright_json::Json;
use stepwright_json::tree::{Member, Node, Value};
use stepwright_source::{Diagnostic, did_you_mean};

/// Our code for values that a service will not take.
pub(super) const UNFIT: &str = "unfit-parameter";

/// How many complaints about parameters are enough.
const MOST_COMPLAINTS: usize = 1_000;

/// The members of structures by the names that parameters give them: by service and shape.
pub(super) type Names = BTreeMap<(&'static str, u32), Rc<MemberNames>>;

/// The members of a structure by the names that parameters give them.
pub(super) struct MemberNames {
    exact: BTreeMap<String, &'static ShapeMember>,
    /// The same in small letters.
    folded: BTreeMap<String, &'static ShapeMember>,
}

impl MemberNames {
    fn find(&self, name: &str, call: &Call) -> Option<&'static ShapeMember> {
        if let Some(found) = self.exact.get(name) {
            return Some(found);
        }
        if call.is_sdk {
            return None;
        }
        // Optimised integrations keep abbreviations as the API has them, as `BOOL`, or write them as
        // words. Which of them do which is not documented. Names as the API has them, as `attempts`,
        // are in AWS's own examples.
        let found = self.folded.get(&name.to_ascii_lowercase()).copied()?;
        let is_capitalized = !name.starts_with(|c: char| c.is_ascii_lowercase());
        (is_capitalized || found.name == name).then_some(found)
    }
}

/// A call whose parameters are checked.
struct Call {
    service: &'static Service,
    is_sdk: bool,
    language: Language,
    /// Where the parameters are, as AWS writes it.
    location: String,
    /// A member that Step Functions finds by itself; or nothing.
    found: &'static str,
}

/// Where the parameters of a state stand.
fn payload(language: Language) -> &'static str {
    match language {
        Language::JsonPath => "Parameters",
        Language::Jsonata => "Arguments",
    }
}

impl<'d> Checker<'d> {
    /// The parameters of `aws-sdk:SERVICE:ACTION`.
    pub(super) fn sdk_parameters(
        &mut self,
        site: &Site<'d>,
        resource: &str,
        (service, operation): (&'static Service, &'static Operation),
        language: Language,
    ) {
        let key = payload(language);
        let Some(given) = site.child(key) else {
            let other = if key == "Parameters" { "Arguments" } else { "Parameters" };
            // That the field belongs to the other language has been said.
            if !site.has(other) {
                let message = format!("{key} field is required for resource ARN: {resource}");
                let diagnostic = Diagnostic::error(SCHEMA, message)
                    .at(site.here())
                    .span(opening(site.node))
                    .help(format!("write `\"{key}\": {{}}` if there are none"));
                self.report(diagnostic);
            }
            return;
        };
        let call = Call { service, is_sdk: true, language, location: given.location, found: "" };
        self.operation(&call, operation, given.node);
    }

    /// The parameters of an optimised integration.
    pub(super) fn integration_parameters(
        &mut self,
        site: &Site<'d>,
        (service, action): (&str, &str),
        language: Language,
    ) {
        let Some(given) = site.child(payload(language)) else { return };
        if let Some(own) = integrations::own_parameters(service, action) {
            self.own_parameters(&given, (service, action), own, language);
            if matches!(service, "http" | "apigateway") {
                self.http_parameters(&given, service, language);
            }
        } else if let Some((service, operation)) = integrations::operation(service, action) {
            let call =
                Call { service, is_sdk: false, language, location: given.location, found: "" };
            self.operation(&call, operation, given.node);
        }
    }

    fn operation(&mut self, call: &Call, operation: &'static Operation, given: &'d Node) {
        if !given.is_object() {
            return;
        }
        let structure = call.service.structure(operation.input.as_ref());
        if let (Some(structure), Some(input)) = (structure, &operation.input) {
            self.structure(call, (input, structure), given, "");
            return;
        }
        for member in given.members() {
            let name = parameter(&member.key, call.language);
            self.unknown_parameter(&call.location, name, member, None);
        }
    }

    fn own_parameters(
        &mut self,
        given: &Site<'d>,
        (service, action): (&str, &str),
        own: OwnParameters,
        language: Language,
    ) {
        for member in given.node.members() {
            let name = parameter(&member.key, language);
            let known = own.required.iter().chain(own.optional).copied();
            if !known.clone().any(|one| one == name) {
                let meant = did_you_mean(name, known).map(str::to_owned);
                self.unknown_parameter(&given.location, name, member, meant);
            } else if let Some(shape) = integrations::own_shape(service, action, name)
                && name.len() == member.key.len()
            {
                let location = given.location.clone();
                let OwnShape { service, reference, found } = shape;
                let call = Call { service, is_sdk: false, language, location, found };
                self.value(&call, reference, &member.value, name);
            }
        }
        if given.node.is_object() {
            for name in own.required {
                if !has(given.node, name, language) {
                    self.missing_parameter(&given.location, name, given.node);
                }
            }
        }
    }

    /// `within` is the path of the structure: empty, or ending in a dot.
    fn structure(
        &mut self,
        call: &Call,
        (reference, structure): (&'static Reference, &'static Structure),
        given: &'d Node,
        within: &str,
    ) {
        let names = self.names(call.service, reference, structure);
        let mut found = Vec::new();
        for member in given.members() {
            let name = parameter(&member.key, call.language);
            if self.complaints >= MOST_COMPLAINTS || self.is_placeholder(name) {
                return;
            }
            let meant = names.find(name, call).filter(|meant| meant.name != call.found);
            let Some(meant) = meant else {
                let near = names::nearest(call.service, structure, name);
                self.unknown_parameter(&call.location, name, member, near);
                continue;
            };
            found.push(meant.name.as_str());
            if name.len() == member.key.len() {
                self.value(call, &meant.reference, &member.value, &format!("{within}{name}"));
            }
        }
        for member in &structure.members {
            let traits = call.service.traits(&member.reference);
            // An optimised integration makes up what makes a request idempotent.
            let is_made_up =
                makes_idempotent(call.service, member) && (!call.is_sdk || !within.is_empty());
            let is_made_up = is_made_up || member.name == call.found;
            if !traits.is_required || is_made_up || found.contains(&member.name.as_str()) {
                continue;
            }
            let name = names::member(call.service, structure, member);
            if within.is_empty() {
                self.missing_parameter(&call.location, &name, given);
            } else {
                let message = format!("`{within}{name}` is required but was missing");
                self.unfit(call, message, given);
            }
        }
    }

    fn value(&mut self, call: &Call, reference: &'static Reference, given: &'d Node, path: &str) {
        if let Some(text) = given.as_str()
            && (self.is_placeholder(text)
                || call.language == Language::Jsonata && expression_text(text).is_some())
        {
            return;
        }
        let wanted = match (&call.service.shape(reference).kind, &given.value) {
            (_, Value::Scalar(Json::Null)) | (Kind::Document, _) => return,
            (Kind::Structure(structure), Value::Object(_)) => {
                return self.structure(call, (reference, structure), given, &format!("{path}."));
            }
            (Kind::List(item), Value::Array(items)) => {
                for (at, one) in items.iter().enumerate() {
                    self.value(call, item, one, &format!("{path}[{at}]"));
                }
                return;
            }
            (Kind::Map(_, of), Value::Object(members)) => {
                for member in members {
                    if !is_computed(&member.key, call.language) {
                        self.value(call, of, &member.value, &format!("{path}.{}", member.key));
                    }
                }
                return;
            }
            // The optimised integration takes a text for `{"S": TEXT}`.
            (Kind::Structure(_), Value::Scalar(Json::String(_)))
                if !call.is_sdk && call.service.name == "dynamodb" =>
            {
                return;
            }
            (Kind::Structure(_) | Kind::Map(..), _) => "an object",
            (Kind::List(_), _) => "an array",
            // Anything is written as text.
            (Kind::String { .. } | Kind::Blob, _) => return,
            (Kind::Boolean, Value::Scalar(Json::Bool(_))) => return,
            (Kind::Boolean, _) if matches!(given.as_str(), Some("true" | "false")) => return,
            (Kind::Boolean, _) => "a boolean",
            (Kind::Integer | Kind::Long, _)
                if number(given).is_some_and(|it| it.fract() == 0.0) =>
            {
                return;
            }
            (Kind::Integer | Kind::Long, _) => "an integer",
            (Kind::Float | Kind::Double, _) if number(given).is_some() => return,
            (Kind::Float | Kind::Double, _) => "a number",
            (
                Kind::Timestamp,
                Value::Object(_) | Value::Array(_) | Value::Scalar(Json::Bool(_)),
            ) => "a timestamp",
            (Kind::Timestamp, _) => return,
        };
        self.unfit(call, format!("`{path}` must be {wanted}"), given);
    }

    pub(super) fn unknown_parameter(
        &mut self,
        location: &str,
        name: &str,
        member: &'d Member,
        meant: Option<String>,
    ) {
        if self.is_placeholder(name) {
            return;
        }
        self.complaints += 1;
        let message = format!("The field \"{name}\" is not supported by Step Functions");
        let mut diagnostic = Diagnostic::error(SCHEMA, message)
            .at(location)
            .span(member.key_span)
            .label("not a parameter of this action");
        if let Some(meant) = meant {
            diagnostic = diagnostic.meant(name, &meant);
        }
        self.report(diagnostic);
    }

    pub(super) fn missing_parameter(&mut self, location: &str, name: &str, given: &Node) {
        self.complaints += 1;
        let message = format!("The field '{name}' is required but was missing");
        self.schema(message, location, opening(given));
    }

    fn unfit(&mut self, call: &Call, message: String, given: &Node) {
        self.complaints += 1;
        let diagnostic = Diagnostic::warning(UNFIT, message).at(&call.location).span(given.span);
        self.report(diagnostic);
    }

    fn names(
        &mut self,
        service: &'static Service,
        reference: &Reference,
        structure: &'static Structure,
    ) -> Rc<MemberNames> {
        let key = (service.name.as_str(), reference.shape.0);
        let names = self.names_of_members.entry(key).or_insert_with(|| {
            let exact = names::members(service, structure);
            let folded = exact.iter().map(|(name, member)| (name.to_ascii_lowercase(), *member));
            let folded = folded.collect();
            Rc::new(MemberNames { exact, folded })
        });
        Rc::clone(names)
    }
}

fn is_computed(key: &str, language: Language) -> bool {
    language == Language::JsonPath && key.ends_with(".$")
}

/// The parameter that a key is for: `Bucket` for `Bucket.$`.
pub(super) fn parameter(key: &str, language: Language) -> &str {
    if is_computed(key, language) { &key[..key.len() - 2] } else { key }
}

pub(super) fn has(given: &Node, name: &str, language: Language) -> bool {
    given.members().iter().any(|member| parameter(&member.key, language) == name)
}

fn number(given: &Node) -> Option<f64> {
    match &given.value {
        Value::Scalar(Json::String(text)) => text.parse().ok().filter(|it: &f64| it.is_finite()),
        Value::Scalar(value) => value.as_f64(),
        _ => None,
    }
}
