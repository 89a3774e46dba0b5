//! Which field belongs to which state, in which query language.

use super::checker::{Checker, SCHEMA, Site, opening};
use super::jsonata::Place;
use super::machine::Around;
use crate::state::Language;
use stepwright_json::Json;
use stepwright_json::tree::Node;
use stepwright_source::{Diagnostic, did_you_mean};

pub(super) const TYPES: [&str; 8] =
    ["Task", "Wait", "Pass", "Succeed", "Fail", "Choice", "Parallel", "Map"];

pub(super) const BRANCH: [&str; 3] = ["Comment", "StartAt", "States"];

/// The fields of a state of a type, besides those that all have.
pub(super) fn fields(kind: &str) -> &'static [&'static str] {
    match kind {
        "Pass" => &[
            "InputPath",
            "OutputPath",
            "Result",
            "ResultPath",
            "Parameters",
            "Output",
            "Assign",
            "Next",
            "End",
        ],
        "Task" => &[
            "InputPath",
            "OutputPath",
            "ResultPath",
            "Parameters",
            "Arguments",
            "Output",
            "Assign",
            "Resource",
            "Credentials",
            "ResultSelector",
            "Retry",
            "Catch",
            "TimeoutSeconds",
            "TimeoutSecondsPath",
            "HeartbeatSeconds",
            "HeartbeatSecondsPath",
            "Next",
            "End",
        ],
        "Wait" => &[
            "InputPath",
            "OutputPath",
            "Output",
            "Assign",
            "Seconds",
            "Timestamp",
            "SecondsPath",
            "TimestampPath",
            "Next",
            "End",
        ],
        "Parallel" => &[
            "InputPath",
            "OutputPath",
            "ResultPath",
            "Parameters",
            "Arguments",
            "Output",
            "Assign",
            "ResultSelector",
            "Retry",
            "Catch",
            "Branches",
            "Next",
            "End",
        ],
        "Map" => &[
            "InputPath",
            "OutputPath",
            "ResultPath",
            "Parameters",
            "Output",
            "Assign",
            "ResultSelector",
            "Retry",
            "Catch",
            "ItemProcessor",
            "Iterator",
            "ItemsPath",
            "Items",
            "ItemSelector",
            "ItemReader",
            "ItemBatcher",
            "ResultWriter",
            "MaxConcurrency",
            "MaxConcurrencyPath",
            "ToleratedFailurePercentage",
            "ToleratedFailurePercentagePath",
            "ToleratedFailureCount",
            "ToleratedFailureCountPath",
            "Label",
            "Next",
            "End",
        ],
        "Choice" => &["InputPath", "OutputPath", "Output", "Assign", "Choices", "Default"],
        "Succeed" => &["InputPath", "OutputPath", "Output"],
        "Fail" => &["Error", "Cause", "ErrorPath", "CausePath"],
        _ => &[],
    }
}

pub(super) const COMMON: [&str; 3] = ["Type", "Comment", "QueryLanguage"];

/// Fields that only one of the languages has.
pub(super) const JSON_PATH_ONLY: [&str; 16] = [
    "InputPath",
    "OutputPath",
    "ResultPath",
    "Parameters",
    "ResultSelector",
    "Result",
    "ItemsPath",
    "TimeoutSecondsPath",
    "HeartbeatSecondsPath",
    "SecondsPath",
    "TimestampPath",
    "MaxConcurrencyPath",
    "ToleratedFailurePercentagePath",
    "ToleratedFailureCountPath",
    "ErrorPath",
    "CausePath",
];
pub(super) const JSONATA_ONLY: [&str; 3] = ["Arguments", "Output", "Items"];

impl<'d> Checker<'d> {
    pub(super) fn state(&mut self, site: &Site<'d>, name: &'d str, around: Around) {
        let kind = match site.get("Type") {
            None => {
                let message = "The field 'Type' is required";
                return self.schema(message, site.here(), opening(site.node));
            }
            Some(node) => match node.as_str().filter(|kind| TYPES.contains(kind)) {
                Some(kind) => kind,
                None => return self.unknown_type(site, node),
            },
        };
        let allowed: Vec<&'static str> = COMMON.iter().chain(fields(kind)).copied().collect();
        self.unsupported(site, &allowed);
        self.text(site, "Comment");
        if site.text("QueryLanguage") == Some("JSONPath") && self.language == Language::Jsonata {
            let message = "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole \
                           state machine";
            let span = site.get("QueryLanguage").map_or(site.node.span, |node| node.span);
            self.schema(message, &site.location, span);
            // The fields are not looked at: AWS is content with this one complaint. What stands
            // inside is.
            return self.nested(site, kind, around);
        }
        let language = self.language_of(site);
        for member in site.members().filter(|member| allowed.contains(&member.key.as_str())) {
            self.language_mix(site, member, language);
        }
        self.check_language(site);
        self.variables.enter(around.scope, &site.location);
        self.values(site, kind, language, around);
        self.nested(site, kind, around);
        self.state_lints(site, name, kind, language);
    }

    fn unknown_type(&mut self, site: &Site<'d>, node: &Node) {
        let message =
            format!("The field 'Type' should have one of these values: [{}]", TYPES.join(", "));
        let mut diagnostic = Diagnostic::error(SCHEMA, message).at(site.at("Type")).span(node.span);
        let kind = node.as_str().unwrap_or_default();
        if let Some(near) = did_you_mean(kind, TYPES) {
            diagnostic = diagnostic.meant(kind, near);
        }
        self.report(diagnostic);
    }

    /// A field of the other language.
    pub(super) fn language_mix(
        &mut self,
        site: &Site<'d>,
        member: &stepwright_json::tree::Member,
        language: Language,
    ) {
        let key = member.key.as_str();
        let (now, other) = match language {
            Language::Jsonata if JSON_PATH_ONLY.contains(&key) => ("JSONata", "JSONPath"),
            Language::JsonPath if JSONATA_ONLY.contains(&key) => ("JSONPath", "JSONata"),
            _ => return,
        };
        self.wrong_language(site, key, now, other);
    }

    pub(super) fn wrong_language(&mut self, site: &Site<'d>, key: &str, now: &str, other: &str) {
        let span = site.node.member(key).map_or(site.node.span, |member| member.key_span);
        let message = format!(
            "The QueryLanguage is set to '{now}', but field '{key}' is only supported for the \
             '{other}' QueryLanguage"
        );
        let mut diagnostic = Diagnostic::error(SCHEMA, message).at(&site.location).span(span);
        let instead = match key {
            "Parameters" => Some("Arguments"),
            "Arguments" => Some("Parameters"),
            "ResultSelector" | "ResultPath" | "OutputPath" | "Result" => Some("Output"),
            "ItemsPath" => Some("Items"),
            "Items" => Some("ItemsPath"),
            _ => key.strip_suffix("Path").filter(|rest| *rest != "Input"),
        };
        if let Some(instead) = instead {
            diagnostic = diagnostic
                .help(format!("in {now} the field is `{instead}`"))
                .rename(span, key, instead);
        }
        self.report(diagnostic);
    }

    fn values(&mut self, site: &Site<'d>, kind: &str, language: Language, around: Around) {
        let has_result = matches!(kind, "Task" | "Parallel" | "Map");
        if language == Language::JsonPath {
            if kind != "Fail" {
                self.path_or_null(site, "InputPath");
                self.path_or_null(site, "OutputPath");
            }
            if matches!(kind, "Task" | "Pass" | "Parallel" | "Map") {
                self.payload(site, "Parameters", language, Place::Input);
                self.result_path(site);
            }
            if has_result {
                self.payload(site, "ResultSelector", language, Place::Input);
            }
        } else {
            if matches!(kind, "Task" | "Parallel") {
                self.payload(site, "Arguments", language, Place::Input);
            }
            if kind != "Fail" {
                let place = if has_result { Place::Result } else { Place::Input };
                self.payload(site, "Output", language, place);
            }
        }
        if !matches!(kind, "Succeed" | "Fail") {
            let place = if has_result { Place::Result } else { Place::Input };
            self.assign(site, language, place, around);
        }
        match kind {
            "Task" => self.task(site, language, around),
            "Wait" => self.wait(site, language),
            "Fail" => self.fail(site, language),
            "Choice" => self.choice(site, language, around),
            "Map" => self.map(site, language),
            _ => {}
        }
        if has_result {
            self.retriers(site);
            self.catchers(site, language, around);
        }
        if !matches!(kind, "Choice" | "Succeed" | "Fail") {
            self.next(site);
        }
    }

    fn nested(&mut self, site: &Site<'d>, kind: &str, around: Around) {
        let guards = usize::from(site.has("Catch") || site.has("Retry"));
        self.guards += guards;
        match kind {
            "Parallel" => {
                self.required(site, &["Branches"]);
                for branch in self.objects(site, "Branches", false) {
                    self.unsupported(&branch, &BRANCH);
                    let scope = self.variables.open(around.scope, false);
                    let around = Around { depth: around.depth + 1, scope, ..around };
                    self.scope(&branch, around);
                    self.transitions(&branch, false);
                }
            }
            "Map" => self.processor(site, around),
            _ => {}
        }
        self.guards -= guards;
    }

    /// `Next` or `End`.
    fn next(&mut self, site: &Site<'d>) {
        self.text(site, "Next");
        if let Some(node) = site.get("End")
            && node.as_scalar().and_then(Json::as_bool).is_none()
        {
            self.expect_type("BOOLEAN", &site.at("End"), node);
        }
        let ends = site.get("End").and_then(Node::as_scalar).and_then(Json::as_bool);
        let help = "say what comes after with `Next`, or that nothing does with `\"End\": true`";
        let before = self.found.len();
        if ends == Some(true) || !site.has("End") {
            self.exactly_one(site, &["Next", "End"], help);
        } else if ends == Some(false) && !site.has("Next") {
            self.none_of(site, &["Next", "End"], help);
        }
        if site.has("Next") || site.has("End") {
            return;
        }
        let following = self.following.map(|name| Json::from(name).to_string());
        if let Some(found) = self.found.get_mut(before..).and_then(<[_]>::first_mut) {
            if let Some(following) = following {
                *found = found.clone().insert(site.node.span, "Next", &following);
            }
            *found = found.clone().insert(site.node.span, "End", "true");
        }
    }

    fn wait(&mut self, site: &Site<'d>, language: Language) {
        const FORMS: [&str; 4] = ["SecondsPath", "Seconds", "TimestampPath", "Timestamp"];
        self.exactly_one(site, &FORMS, "say how long to wait");
        if let Some(node) = site.get("Seconds")
            && !(language == Language::Jsonata && self.is_jsonata(node, &site.at("Seconds")))
        {
            self.whole_number(site, "Seconds", 0, Some(99_999_999));
        }
        if let Some(node) = site.get("Timestamp") {
            self.timestamp(node, &site.at("Timestamp"), language);
        }
        if language == Language::JsonPath {
            self.path(site, "SecondsPath");
            self.path(site, "TimestampPath");
        }
    }

    fn fail(&mut self, site: &Site<'d>, language: Language) {
        self.text_field(site, "Error", language);
        self.text_field(site, "Cause", language);
        if language == Language::JsonPath {
            self.only_one(site, &["Error", "ErrorPath"]);
            self.only_one(site, &["Cause", "CausePath"]);
            self.path_or_call(site, "ErrorPath");
            self.path_or_call(site, "CausePath");
        }
    }
}
