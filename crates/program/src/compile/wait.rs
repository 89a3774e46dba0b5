use super::fields::Fields;
use super::template::jsonata_text;
use super::{Compiler, Names};
use crate::state::{Language, Wait, WaitFor};
use crate::time;
use stepwright_json::Json;
use stepwright_json::tree::Node;

impl Compiler {
    pub(super) fn wait(
        &mut self,
        fields: &Fields<'_>,
        language: Language,
        names: &Names,
    ) -> Option<Wait> {
        let until = self.wait_for(fields, language);
        let next = self.next(fields, names)?;
        Some(Wait { until: until?, next })
    }

    fn wait_for(&mut self, fields: &Fields<'_>, language: Language) -> Option<WaitFor> {
        let is_jsonata = |node: &Node| {
            language == Language::Jsonata
                && node.as_str().is_some_and(|text| jsonata_text(text).is_some())
        };
        if let Some(node) = fields.get("Seconds") {
            let location = format!("{}/Seconds", fields.location);
            if is_jsonata(node) {
                return self.jsonata(node, "Seconds", &location).map(WaitFor::SecondsJsonata);
            }
            let seconds = node.as_scalar().and_then(Json::as_i64);
            if seconds.is_none() {
                self.wrong_type("INTEGER", &location, node.span);
            }
            return seconds.map(WaitFor::Seconds);
        }
        if let Some(node) = fields.get("Timestamp") {
            let location = format!("{}/Timestamp", fields.location);
            if is_jsonata(node) {
                return self.jsonata(node, "Timestamp", &location).map(WaitFor::TimestampJsonata);
            }
            let millis = node.as_str().and_then(time::parse);
            if millis.is_none() {
                self.complain("String does not match RFC3339 timestamp", &location, node.span);
            }
            return millis.map(WaitFor::Timestamp);
        }
        if fields.get("SecondsPath").is_some() {
            return self.path(fields, "SecondsPath").map(WaitFor::SecondsPath);
        }
        if fields.get("TimestampPath").is_some() {
            return self.path(fields, "TimestampPath").map(WaitFor::TimestampPath);
        }
        self.missing(fields, "Seconds");
        None
    }
}
