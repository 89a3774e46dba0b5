//! What a Task may call.

use super::checker::{Checker, SCHEMA, Site};
use super::machine::Around;
use crate::state::Language;
use stepwright_aws::{integrations, table};
use stepwright_json::tree::Node;
use stepwright_source::{Diagnostic, did_you_mean};

impl<'d> Checker<'d> {
    pub(super) fn task(&mut self, site: &Site<'d>, language: Language, around: Around) {
        self.required(site, &["Resource"]);
        self.resource(site, around);
        self.credentials(site, language);
        let seconds = (1, Some(99_999_999));
        self.number_field(site, "TimeoutSeconds", seconds, language);
        self.number_field(site, "HeartbeatSeconds", seconds, language);
    }

    fn resource(&mut self, site: &Site<'d>, around: Around) {
        let Some(text) = self.text(site, "Resource") else { return };
        let Some(node) = site.get("Resource") else { return };
        let location = site.at("Resource");
        if self.is_placeholder(text) {
            return;
        }
        let parts: Vec<&str> = text.split(':').collect();
        if parts.len() < 6 || parts[0] != "arn" {
            let diagnostic = Diagnostic::error(SCHEMA, "Value is not a valid resource ARN")
                .at(location)
                .span(node.span)
                .help("a resource is written like `arn:aws:states:::lambda:invoke`");
            return self.report(diagnostic);
        }
        if around.express {
            self.express(text, node, &location);
        }
        // Integrations have neither region nor account; what has them is an ARN of its own.
        if parts[2] == "states" && parts[3].is_empty() && parts[4].is_empty() {
            self.integration(text, &parts[5..], node, location);
        }
    }

    /// What Express workflows cannot do.
    fn express(&mut self, text: &str, node: &Node, location: &str) {
        let pattern = text.rsplit_once('.').map_or("", |(_, pattern)| pattern);
        let message = if matches!(pattern, "sync" | "sync:2") {
            "Express state machine does not support '.sync' service integration"
        } else if pattern == "waitForTaskToken" {
            // The space at the end is AWS's.
            "Express state machine does not support '.waitForTaskToken' service integration "
        } else if text.split(':').nth(2) == Some("states") && text.contains(":activity:") {
            "Express state machine does not support Activity ARN"
        } else {
            return;
        };
        self.schema(message, location, node.span);
    }

    fn integration(&mut self, text: &str, parts: &[&str], node: &Node, location: String) {
        let known = match parts {
            ["aws-sdk", service, action] => {
                let (action, pattern) = split_pattern(action);
                sdk_problem(service, action).is_none() && matches!(pattern, "" | "waitForTaskToken")
            }
            [service, rest @ ..] => {
                let called = rest.join(":");
                let (action, pattern) = split_pattern(&called);
                integrations::knows(service, action, pattern)
            }
            [] => false,
        };
        if known {
            return;
        }
        let message = format!(
            "The resource provided {text} is not recognized. The value is not a valid resource \
             ARN, or the resource is not available in this region."
        );
        let mut diagnostic = Diagnostic::error(SCHEMA, message).at(location).span(node.span);
        if let Some(help) = advice(parts) {
            diagnostic = diagnostic.help(help);
        }
        self.report(diagnostic);
    }

    fn credentials(&mut self, site: &Site<'d>, language: Language) {
        let Some(credentials) = site.child("Credentials") else { return };
        if language == Language::Jsonata && self.is_jsonata(credentials.node, &credentials.location)
        {
            return;
        }
        if !self.object(&credentials) {
            return;
        }
        if !credentials.has("RoleArn") && !credentials.has("RoleArn.$") {
            let message = "The field 'RoleArn' is required but was missing";
            self.schema(message, &credentials.location, credentials.node.span);
        }
        self.payload(site, "Credentials", language, super::jsonata::Place::Input);
    }
}

/// `invoke.waitForTaskToken` is `invoke` and `waitForTaskToken`.
fn split_pattern(action: &str) -> (&str, &str) {
    action.split_once('.').unwrap_or((action, ""))
}

/// Why there is no such AWS SDK integration.
fn sdk_problem(service: &str, action: &str) -> Option<String> {
    let service = match table::service(service) {
        Ok(service) => service,
        Err(error) => return Some(error.to_string()),
    };
    match service.action(action) {
        Ok(operation) if operation.is_refused => {
            Some(format!("AWS SDK integrations do not have `{}:{action}`", service.name))
        }
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}

fn advice(parts: &[&str]) -> Option<String> {
    if let ["aws-sdk", service, action] = parts {
        return sdk_problem(service, split_pattern(action).0);
    }
    let [service, action, ..] = parts else { return None };
    let (action, _) = split_pattern(action);
    let Some(actions) = integrations::actions(service) else {
        let near = did_you_mean(service, integrations::services())?;
        return Some(format!("did you mean `{near}:{action}`?"));
    };
    if actions.clone().any(|name| name == action) {
        return Some(format!("`{service}:{action}` does not know this pattern"));
    }
    match did_you_mean(action, actions) {
        Some(near) => Some(format!("did you mean `{service}:{near}`?")),
        None => Some(format!(
            "{service} has no optimized integration of that name; the SDK integration is \
             `arn:aws:states:::aws-sdk:{service}:{action}`"
        )),
    }
}
