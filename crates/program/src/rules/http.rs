//! The parameters of `http:invoke` and `apigateway:invoke`, beyond their names.

use super::checker::{Checker, SCHEMA, Site};
use super::parameters::{UNFIT, has, parameter};
use super::values::expression_text;
use crate::state::Language;
use stepwright_aws::http::{self, ArrayFormat};
use stepwright_json::Json;
use stepwright_json::tree::{Node, Value};
use stepwright_source::{Diagnostic, did_you_mean};

impl<'d> Checker<'d> {
    pub(super) fn http_parameters(&mut self, given: &Site<'d>, service: &str, language: Language) {
        let at = given.location.as_str();
        self.one_of_these(given.node, at, "Method", &http::METHODS, language);
        self.headers(given, service);
        if service == "apigateway" {
            self.one_of_these(given.node, at, "AuthType", &http::AUTH_TYPES, language);
            return;
        }
        self.endpoint(given, language);
        self.connection(given, language);
        if let Some(transform) = given.get("Transform") {
            let known = ["RequestBodyEncoding", "RequestEncodingOptions"];
            self.only_these(transform, at, &known, language);
            self.one_of_these(transform, at, known[0], &http::ENCODINGS, language);
            if let Some(options) = transform.get(known[1]) {
                self.only_these(options, at, &["ArrayFormat"], language);
                self.one_of_these(options, at, "ArrayFormat", &ArrayFormat::NAMES, language);
            }
        }
    }

    /// The URL, as far as it is written down.
    fn endpoint(&mut self, given: &Site<'d>, language: Language) {
        let Some(endpoint) = given.get("ApiEndpoint") else { return };
        let Some(text) = self.literal(endpoint, language) else { return };
        if !http::is_url(text) {
            let help = "write a whole URL that begins with https://";
            return self.not_valid("ApiEndpoint", &given.location, endpoint, help.to_owned());
        }
        if text.starts_with("http://") {
            let message = "`ApiEndpoint` must begin with https://: AWS calls nothing else";
            let diagnostic =
                Diagnostic::warning(UNFIT, message).at(&given.location).span(endpoint.span);
            self.report(diagnostic);
        }
    }

    /// The connection, which is named in one of two fields.
    fn connection(&mut self, given: &Site<'d>, language: Language) {
        if !given.node.is_object() {
            return;
        }
        self.only_one(given, &http::CONNECTIONS);
        let mut is_named = false;
        for name in http::CONNECTIONS {
            is_named |= has(given.node, name, language);
            let Some(config) = given.get(name) else { continue };
            self.only_these(config, &given.location, &["ConnectionArn"], language);
            if config.is_object() && !has(config, "ConnectionArn", language) {
                self.missing_parameter(&given.location, "ConnectionArn", config);
            }
        }
        let is_open = given.node.members().iter().any(|member| self.is_placeholder(&member.key));
        if !is_named && !is_open {
            self.missing_parameter(&given.location, http::CONNECTIONS[0], given.node);
        }
    }

    /// The names of literal headers.
    fn headers(&mut self, given: &Site<'d>, service: &str) {
        let Some(headers) = given.get("Headers") else { return };
        let names = headers.members().iter().map(|member| {
            let key = member.key.as_str();
            (key.strip_suffix(".$").unwrap_or(key), member.key_span)
        });
        let forbidden = names.clone().find(|(name, _)| http::is_forbidden(service, name));
        if let Some((_, span)) = forbidden
            && let Some(message) = http::forbidden_headers(service, names.map(|(name, _)| name))
        {
            let diagnostic = Diagnostic::error(SCHEMA, message)
                .at(&given.location)
                .span(span)
                .label("this header is not passed on");
            self.report(diagnostic);
        }
    }

    /// A literal value that is one of a few. `at` is the place of all parameters, which AWS names
    /// however deep the value is.
    fn one_of_these(
        &mut self,
        within: &'d Node,
        at: &str,
        key: &str,
        values: &[&str],
        language: Language,
    ) {
        let Some(node) = within.get(key) else { return };
        if matches!(node.value, Value::Scalar(Json::String(_))) {
            let Some(text) = self.literal(node, language) else { return };
            if values.contains(&text) {
                return;
            }
        }
        let help = match node.as_str().and_then(|text| did_you_mean(text, values.iter().copied())) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it is one of {}", values.join(", ")),
        };
        self.not_valid(key, at, node, help);
    }

    /// A text that is neither computed nor filled in later.
    fn literal(&self, node: &'d Node, language: Language) -> Option<&'d str> {
        let text = node.as_str()?;
        let is_computed = language == Language::Jsonata && expression_text(text).is_some();
        (!is_computed && !self.is_placeholder(text)).then_some(text)
    }

    fn not_valid(&mut self, name: &str, at: &str, node: &Node, help: String) {
        let message = format!("The value for the '{name}' field is not valid");
        self.report(Diagnostic::error(SCHEMA, message).at(at).span(node.span).help(help));
    }

    /// Names within a parameter.
    fn only_these(&mut self, within: &'d Node, at: &str, known: &[&str], language: Language) {
        for member in within.members() {
            let name = parameter(&member.key, language);
            if !known.contains(&name) {
                let meant = did_you_mean(name, known.iter().copied()).map(str::to_owned);
                self.unknown_parameter(at, name, member, meant);
            }
        }
    }
}
