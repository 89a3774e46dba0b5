//! Retriers and catchers.

use super::checker::{Checker, SCHEMA, Site};
use super::jsonata::Place;
use super::machine::Around;
use crate::state::Language;
use std::collections::BTreeMap;
use stepwright_json::tree::Node;
use stepwright_source::{Diagnostic, Span};

const MOST: i64 = 99_999_999;

pub(super) const RETRIER: [&str; 7] = [
    "ErrorEquals",
    "IntervalSeconds",
    "MaxAttempts",
    "BackoffRate",
    "MaxDelaySeconds",
    "JitterStrategy",
    "Comment",
];
pub(super) const CATCHER: [&str; 6] =
    ["ErrorEquals", "Next", "ResultPath", "Output", "Assign", "Comment"];

impl<'d> Checker<'d> {
    pub(super) fn retriers(&mut self, site: &Site<'d>) {
        let retriers = self.objects(site, "Retry", true);
        for (at, retrier) in retriers.iter().enumerate() {
            self.unsupported(retrier, &RETRIER);
            self.errors(retrier, at + 1 == retriers.len());
            // The documentation asks for a positive number, but machines with 0 run, on AWS and in
            // Step Functions Local.
            self.whole_number(retrier, "IntervalSeconds", 0, Some(MOST));
            self.whole_number(retrier, "MaxAttempts", 0, Some(MOST));
            self.number(retrier, "BackoffRate", 1.0, None);
            self.whole_number(retrier, "MaxDelaySeconds", 1, Some(31_622_400));
            self.one_of(retrier, "JitterStrategy", &["NONE", "FULL"]);
            self.text(retrier, "Comment");
        }
        self.never_matches(&retriers, "retrier");
    }

    pub(super) fn catchers(&mut self, site: &Site<'d>, language: Language, around: Around) {
        let catchers = self.objects(site, "Catch", true);
        for (at, catcher) in catchers.iter().enumerate() {
            self.unsupported(catcher, &CATCHER);
            self.errors(catcher, at + 1 == catchers.len());
            self.required(catcher, &["Next"]);
            self.text(catcher, "Next");
            self.text(catcher, "Comment");
            match language {
                Language::JsonPath => {
                    self.result_path(catcher);
                    if catcher.has("Output") {
                        self.wrong_language(catcher, "Output", "JSONPath", "JSONata");
                    }
                }
                Language::Jsonata => {
                    if catcher.has("ResultPath") {
                        self.wrong_language(catcher, "ResultPath", "JSONata", "JSONPath");
                    }
                    self.payload(catcher, "Output", language, Place::Error);
                }
            }
            self.assign(catcher, language, Place::Error, around);
        }
        self.never_matches(&catchers, "catcher");
    }

    /// `ErrorEquals`.
    fn errors(&mut self, site: &Site<'d>, last: bool) {
        self.required(site, &["ErrorEquals"]);
        let Some(node) = site.get("ErrorEquals") else { return };
        let location = site.at("ErrorEquals");
        if !node.is_array() {
            return self.expect_type("ARRAY", &location, node);
        }
        let names = node.items();
        if names.is_empty() {
            self.schema("Value cannot be empty", &location, node.span);
        }
        for (at, name) in names.iter().enumerate() {
            if name.as_str().is_none() {
                self.expect_type("STRING", &format!("{location}[{at}]"), name);
            }
        }
        let all = names.iter().find(|name| name.as_str() == Some("States.ALL"));
        if let Some(all) = all.filter(|_| names.len() > 1 || !last) {
            let diagnostic =
                Diagnostic::error(SCHEMA, "States.ALL must appear alone and at end of list")
                    .at(location)
                    .span(all.span);
            self.report(diagnostic);
        }
    }

    /// Names that an entry before has already taken, and errors nothing can handle.
    fn never_matches(&mut self, entries: &[Site<'d>], what: &str) {
        let mut taken: BTreeMap<&str, Span> = BTreeMap::new();
        for entry in entries {
            let names = entry.get("ErrorEquals").map_or(&[] as &[Node], Node::items);
            for name in names {
                let Some(text) = name.as_str() else { continue };
                let code = if what == "catcher" {
                    "catcher-never-matches"
                } else {
                    "retrier-never-matches"
                };
                if let Some(earlier) = taken.get(text).copied() {
                    let message = format!("`{text}` is already handled by an earlier {what}");
                    let diagnostic = Diagnostic::warning(code, message)
                        .at(entry.at("ErrorEquals"))
                        .span(name.span)
                        .also(earlier, "here");
                    self.report(diagnostic);
                } else if text == "States.Runtime" {
                    let message = format!("`{text}` always fails the execution: no {what} sees it");
                    let diagnostic = Diagnostic::warning(code, message)
                        .at(entry.at("ErrorEquals"))
                        .span(name.span);
                    self.report(diagnostic);
                }
            }
            let named = names.iter().filter_map(|name| Some((name.as_str()?, name.span)));
            taken.extend(named);
        }
    }
}
