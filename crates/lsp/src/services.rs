//! What the resource of a task calls: its operation, parameters and errors, from the table of AWS's
//! services.

use stepwright_aws::shapes::{Kind, Reference};
use stepwright_aws::table::{self, Operation, Service};
use stepwright_aws::{integrations, names};

/// A resource within `arn:aws:states:::`.
pub(crate) struct Call<'r> {
    service: &'r str,
    action: &'r str,
    is_sdk: bool,
}

/// A parameter of a call.
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) is_required: bool,
    pub(crate) kind: &'static str,
}

impl<'r> Call<'r> {
    /// The call of a resource; `None` for the ARN of a function or activity.
    pub(crate) fn of(resource: &'r str) -> Option<Self> {
        let (_, called) = resource.strip_prefix("arn:")?.split_once(":states:::")?;
        let (is_sdk, called) = match called.strip_prefix("aws-sdk:") {
            Some(rest) => (true, rest),
            None => (false, called),
        };
        let (service, action) = called.split_once(':')?;
        let action = action.split_once('.').map_or(action, |(action, _)| action);
        Some(Self { service, action, is_sdk })
    }

    pub(crate) fn operation(&self) -> Option<(&'static Service, &'static Operation)> {
        if self.is_sdk {
            let service = table::service(self.service).ok()?;
            return Some((service, service.action(self.action).ok()?));
        }
        integrations::operation(self.service, self.action)
    }

    /// The parameters at a path within those of the call, those first that must be given.
    pub(crate) fn parameters(&self, path: &[&str]) -> Vec<Parameter> {
        let own = if self.is_sdk {
            None
        } else {
            integrations::own_parameters(self.service, self.action)
        };
        if let (Some(own), []) = (own, path) {
            let parameter = |is_required| {
                move |name: &&str| Parameter { name: (*name).to_owned(), is_required, kind: "" }
            };
            let required = own.required.iter().map(parameter(true));
            return required.chain(own.optional.iter().map(parameter(false))).collect();
        }
        let Some((service, reference)) = self.reference(path) else { return Vec::new() };
        let Some(structure) = service.structure(Some(reference)) else { return Vec::new() };
        let mut found: Vec<Parameter> = structure
            .members
            .iter()
            .map(|member| Parameter {
                name: names::member(service, structure, member),
                is_required: service.traits(&member.reference).is_required,
                kind: kind(&service.shape(&member.reference).kind),
            })
            .collect();
        found.sort_by_key(|parameter| !parameter.is_required);
        found
    }

    /// The values that a parameter may have, if it is one of a few.
    pub(crate) fn values(&self, path: &[&str]) -> Vec<String> {
        let Some((service, reference)) = self.reference(path) else { return Vec::new() };
        match &service.shape(reference).kind {
            Kind::String { values } => values.iter().map(ToString::to_string).collect(),
            Kind::List(item) => match &service.shape(item).kind {
                Kind::String { values } => values.iter().map(ToString::to_string).collect(),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// The type of what stands at a path.
    fn reference(&self, path: &[&str]) -> Option<(&'static Service, &'static Reference)> {
        let own = path.first().and_then(|first| {
            (!self.is_sdk).then(|| integrations::own_shape(self.service, self.action, first))?
        });
        let (service, mut reference, path) = match own {
            Some(own) => (own.service, own.reference, &path[1..]),
            None => {
                let (service, operation) = self.operation()?;
                (service, operation.input.as_ref()?, path)
            }
        };
        for name in path {
            let name = name.strip_suffix(".$").unwrap_or(name);
            // Lists are passed over: they have no names.
            while let Kind::List(item) = &service.shape(reference).kind {
                reference = item;
            }
            reference = match &service.shape(reference).kind {
                Kind::Structure(structure) => {
                    &names::members(service, structure).get(name)?.reference
                }
                Kind::Map(_, value) => value,
                _ => return None,
            };
        }
        while let Kind::List(item) = &service.shape(reference).kind {
            match &service.shape(item).kind {
                Kind::Structure(_) | Kind::List(_) => reference = item,
                _ => break,
            }
        }
        Some((service, reference))
    }

    /// The names of the errors that the call can have.
    pub(crate) fn errors(&self) -> Vec<String> {
        let Some((service, operation)) = self.operation() else { return Vec::new() };
        let prefix = &service.error_prefix;
        let named = service.errors(operation).filter_map(|error| {
            error.name.as_ref().map(|name| format!("{prefix}.{}", names::error(name)))
        });
        named.collect()
    }
}

fn kind(kind: &Kind) -> &'static str {
    match kind {
        Kind::Structure(_) => "object",
        Kind::List(_) => "list",
        Kind::Map(..) => "map",
        Kind::String { .. } => "text",
        Kind::Boolean => "boolean",
        Kind::Integer | Kind::Long | Kind::Float | Kind::Double => "number",
        Kind::Timestamp => "timestamp",
        Kind::Blob => "bytes",
        Kind::Document => "any JSON",
    }
}

/// The patterns that integrations have.
const PATTERNS: [&str; 3] = ["sync", "sync:2", "waitForTaskToken"];

/// The resources that begin with what is written: all integrations, and those of the SDK once a
/// service is named.
pub(crate) fn resources(written: &str) -> Vec<String> {
    const START: &str = "arn:aws:states:::";
    let mut found = Vec::new();
    if let Some(rest) = written.strip_prefix(START).and_then(|rest| rest.strip_prefix("aws-sdk:")) {
        if let Some((service, _)) = rest.split_once(':') {
            let Ok(service) = table::service(service) else { return found };
            let operations = service.operations.iter().filter(|one| !one.is_refused);
            let name = &service.name;
            let resource =
                |one: &Operation| format!("{START}aws-sdk:{name}:{}", names::action(&one.name));
            found.extend(operations.map(resource));
        } else {
            found.extend(table::services().map(|service| format!("{START}aws-sdk:{service}:")));
        }
        return found;
    }
    for service in integrations::services() {
        for action in integrations::actions(service).into_iter().flatten() {
            found.push(format!("{START}{service}:{action}"));
            let patterns = PATTERNS.iter().filter(|one| integrations::knows(service, action, one));
            found.extend(patterns.map(|one| format!("{START}{service}:{action}.{one}")));
        }
    }
    // What most tasks call comes first.
    let first = ["lambda:invoke", "sns:publish", "sqs:sendMessage", "states:startExecution.sync:2"];
    found.sort_by_key(|resource| {
        let called = &resource[START.len()..];
        first.iter().position(|one| *one == called).unwrap_or(first.len())
    });
    found.push(format!("{START}aws-sdk:"));
    found
}
