//! Which operation a request is for.

use super::{Request, form};
use crate::shapes::{Location, Member};
use crate::table::{Operation, Protocol, Service};
use percent_encoding::percent_decode_str;

/// The protocol that a request is in, of those that a service speaks.
pub fn protocol(service: &Service, request: &Request) -> Option<Protocol> {
    let is_form = request
        .header("Content-Type")
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    service.protocols.iter().copied().find(|protocol| match protocol {
        Protocol::Json => request.header("X-Amz-Target").is_some(),
        Protocol::Cbor => request.header("smithy-protocol") == Some("rpc-v2-cbor"),
        Protocol::Query | Protocol::Ec2 => is_form,
        Protocol::RestJson | Protocol::RestXml => true,
    })
}

/// The operation that a request is for.
pub fn route<'s>(service: &'s Service, request: &Request) -> Option<&'s Operation> {
    match service.protocol {
        Protocol::Json => {
            let (_, name) = request.header("X-Amz-Target")?.rsplit_once('.')?;
            service.operation(name)
        }
        Protocol::Query | Protocol::Ec2 => service.operation(&form::action(&request.body)?),
        Protocol::Cbor => service.operation(request.path.rsplit('/').next()?),
        Protocol::RestJson | Protocol::RestXml => {
            // Of several that say the same of a request, the one that AWS does not advise against.
            let all = service.operations.iter().rev();
            all.filter(|operation| fits(service, operation, request))
                .max_by_key(|operation| (weight(service, operation), !operation.is_deprecated))
        }
    }
}

fn fits(service: &Service, operation: &Operation, request: &Request) -> bool {
    let (_, literal) = operation.uri.split_once('?').unwrap_or_default();
    let has = |wanted: &str| {
        let (name, value) = wanted.split_once('=').unwrap_or((wanted, ""));
        request.query.split('&').any(|given| {
            let (given, of) = given.split_once('=').unwrap_or((given, ""));
            given == name && (value.is_empty() || of == value)
        })
    };
    operation.method == request.method
        && labels(&operation.uri, &request.path).is_some()
        && literal.split('&').filter(|wanted| !wanted.is_empty()).all(has)
        && required(service, operation, Location::Header).all(|name| request.header(name).is_some())
        && required(service, operation, Location::Query).all(has)
}

/// The wire names of the members that must be at a place in HTTP.
fn required<'s>(
    service: &'s Service,
    operation: &'s Operation,
    location: Location,
) -> impl Iterator<Item = &'s str> {
    let members =
        service.structure(operation.input.as_ref()).into_iter().flat_map(|input| &input.members);
    members
        .filter(move |member| {
            let traits = service.traits(&member.reference);
            traits.is_required && traits.location == location
        })
        .map(Member::wire)
}

/// Of two operations that fit, the one that says more of the request is meant.
fn weight(service: &Service, operation: &Operation) -> (usize, usize, usize, usize) {
    let (path, literal) = operation.uri.split_once('?').unwrap_or((&operation.uri, ""));
    let segments = || path.split('/').filter(|segment| !segment.is_empty());
    let plain = segments().filter(|segment| !segment.starts_with('{')).count();
    let whole = segments().filter(|segment| !segment.contains("+}")).count();
    let parameters = literal.split('&').filter(|wanted| !wanted.is_empty()).count()
        + required(service, operation, Location::Query).count();
    let headers = required(service, operation, Location::Header).count();
    (plain, whole, parameters, headers)
}

/// The labels of a path and what stands there, if the path fits.
pub(super) fn labels<'u>(uri: &'u str, path: &str) -> Option<Vec<(&'u str, String)>> {
    let (template, _) = uri.split_once('?').unwrap_or((uri, ""));
    let mut labels = Vec::new();
    let mut template = template;
    let mut path = path;
    loop {
        let Some(start) = template.find('{') else {
            let is_same = template.trim_end_matches('/') == path.trim_end_matches('/');
            return is_same.then_some(labels);
        };
        path = path.strip_prefix(&template[..start])?;
        let (name, after) = template[start + 1..].split_once('}')?;
        template = after;
        let (name, is_greedy) = match name.strip_suffix('+') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let rest = template.find('{').map_or(template, |next| &template[..next]);
        let length = match (is_greedy, rest.is_empty()) {
            (true, true) => path.len(),
            (true, false) => path.rfind(rest)?,
            (false, true) => path.find('/').unwrap_or(path.len()),
            (false, false) => path.find(rest).filter(|end| !path[..*end].contains('/'))?,
        };
        if length == 0 {
            return None;
        }
        let text = percent_decode_str(&path[..length]).decode_utf8_lossy().into_owned();
        labels.push((name, text));
        path = &path[length..];
    }
}
