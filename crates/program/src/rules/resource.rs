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
        self.resource(site, language, around);
        self.credentials(site, language);
        let seconds = (1, Some(99_999_999));
        self.number_field(site, "TimeoutSeconds", seconds, language);
        self.number_field(site, "HeartbeatSeconds", seconds, language);
    }

    fn resource(&mut self, site: &Site<'d>, language: Language, around: Around) {
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
            let called = match parts[5..] {
                ["aws-sdk", service, action] => {
                    self.sdk_call(site, text, (service, action), language)
                }
                [service, ref rest @ ..] => {
                    self.optimized_call(site, (service, &rest.join(":")), language)
                }
                [] => Err(None),
            };
            if let Err(help) = called {
                self.unrecognized(text, node, location, help);
            }
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

    /// A call of an AWS SDK integration. The error is the advice on one that there is not.
    fn sdk_call(
        &mut self,
        site: &Site<'d>,
        text: &str,
        (service, action): (&str, &str),
        language: Language,
    ) -> Result<(), Option<String>> {
        let (action, pattern) = split_pattern(action);
        let service = table::service(service).map_err(|error| match error.suggestion {
            Some(near) => Some(format!("did you mean `aws-sdk:{near}:{action}`?")),
            None => Some(error.to_string()),
        })?;
        let name = &service.name;
        let operation = service.action(action).map_err(|error| match error.suggestion {
            Some(near) => Some(format!("did you mean `aws-sdk:{name}:{near}`?")),
            None => Some(error.to_string()),
        })?;
        if operation.is_refused || service.event_stream(operation).is_some() {
            return Err(Some(format!("Step Functions does not support `{name}:{action}`")));
        }
        if !matches!(pattern, "" | "waitForTaskToken") {
            return Err(Some(format!(
                "AWS SDK integrations know no pattern but `.waitForTaskToken`, not `.{pattern}`"
            )));
        }
        self.sdk_parameters(site, text, (service, operation), language);
        Ok(())
    }

    /// A call of an optimized integration. The error is the advice on one that there is not.
    fn optimized_call(
        &mut self,
        site: &Site<'d>,
        (service, called): (&str, &str),
        language: Language,
    ) -> Result<(), Option<String>> {
        let (action, pattern) = split_pattern(called);
        if !integrations::knows(service, action, pattern) {
            return Err(advice(service, action));
        }
        self.integration_parameters(site, (service, action), language);
        Ok(())
    }

    fn unrecognized(&mut self, text: &str, node: &Node, location: String, help: Option<String>) {
        let message = format!(
            "The resource provided {text} is not recognized. The value is not a valid resource \
             ARN, or the resource is not available in this region."
        );
        let mut diagnostic = Diagnostic::error(SCHEMA, message).at(location).span(node.span);
        if let Some(help) = help {
            // Advice on the call does not repeat the beginning of the ARN, nor the pattern.
            let call = help.strip_prefix("did you mean `").and_then(|rest| rest.strip_suffix("`?"));
            if let Some(call) = call {
                let pattern = text.rsplit_once(':').and_then(|(_, action)| action.split_once('.'));
                let pattern = pattern.map(|(_, pattern)| format!(".{pattern}")).unwrap_or_default();
                let meant = format!("arn:aws:states:::{call}{pattern}");
                diagnostic = diagnostic.rename(node.span, text, &meant);
            }
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

fn advice(service: &str, action: &str) -> Option<String> {
    let sdk = integrations::sdk_service(service);
    let sdk_call = || {
        let service = table::service(sdk).ok()?;
        service.action(action).ok()?;
        Some(format!("the AWS SDK integration is `arn:aws:states:::aws-sdk:{sdk}:{action}`"))
    };
    let Some(actions) = integrations::actions(service) else {
        let near = did_you_mean(service, integrations::services());
        return sdk_call().or_else(|| Some(format!("did you mean `{}:{action}`?", near?)));
    };
    if actions.clone().any(|name| name == action) {
        return Some(format!("`{service}:{action}` does not know this pattern"));
    }
    if let Some(call) = sdk_call() {
        return Some(format!("{service} has no optimized integration of that name; {call}"));
    }
    Some(match did_you_mean(action, actions) {
        Some(near) => format!("did you mean `{service}:{near}`?"),
        None => format!("{service} has no integration of that name"),
    })
}
