//! The parameters of `http:invoke` and `apigateway:invoke`, beyond their names.

use super::checker::{Checker, SCHEMA, Site};
use super::parameters::{UNFIT, has, parameter};
use super::values::expression_text;
use crate::state::Language;
use stepwright_aws::http::{self, ArrayFormat};
use stepwright_source::{Diagnostic, did_you_mean};

impl<'d> Checker<'d> {
    pub(super) fn http_parameters(&mut self, given: &Site<'d>, service: &str, language: Language) {
        self.choice_of(given, "Method", &http::METHODS, language);
        self.headers(given, service);
        if service == "apigateway" {
            self.choice_of(given, "AuthType", &http::AUTH_TYPES, language);
            return;
        }
        self.connection(given, language);
        if let Some(transform) = given.child("Transform") {
            self.only_these(
                &transform,
                &["RequestBodyEncoding", "RequestEncodingOptions"],
                language,
            );
            self.choice_of(&transform, "RequestBodyEncoding", &http::ENCODINGS, language);
            if let Some(options) = transform.child("RequestEncodingOptions") {
                self.only_these(&options, &["ArrayFormat"], language);
                self.choice_of(&options, "ArrayFormat", &ArrayFormat::NAMES, language);
            }
        }
        if let Some(endpoint) = given.get("ApiEndpoint")
            && let Some(text) = endpoint.as_str()
            && text.starts_with("http://")
        {
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
            let Some(config) = given.child(name) else { continue };
            self.only_these(&config, &["ConnectionArn"], language);
            if config.node.is_object() && !has(config.node, "ConnectionArn", language) {
                self.missing_parameter(&config.location, "ConnectionArn", config.node);
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

    /// A literal value that is one of a few.
    fn choice_of(&mut self, site: &Site<'d>, key: &str, values: &[&str], language: Language) {
        let is_computed = site
            .text(key)
            .is_some_and(|text| language == Language::Jsonata && expression_text(text).is_some());
        if !is_computed {
            self.one_of(site, key, values);
        }
    }

    /// Names within a parameter.
    fn only_these(&mut self, site: &Site<'d>, known: &[&str], language: Language) {
        for member in site.node.members() {
            let name = parameter(&member.key, language);
            if !known.contains(&name) {
                let meant = did_you_mean(name, known.iter().copied()).map(str::to_owned);
                self.unknown_parameter(&site.location, name, member, meant);
            }
        }
    }
}
