use super::fields::Fields;
use super::{Compiler, Names};
use crate::state::{Catcher, Language, ResultPath, Retrier};
use stepwright_json::Str;
use stepwright_json::tree::Node;

impl Compiler {
    pub(super) fn retriers(&mut self, fields: &Fields<'_>) -> Vec<Retrier> {
        fields
            .items("Retry")
            .iter()
            .map(|retrier| Retrier {
                errors: errors(retrier),
                interval_seconds: self.number(retrier, "IntervalSeconds").unwrap_or(1.0),
                max_attempts: self.number(retrier, "MaxAttempts").map_or(3, |count| count as u32),
                backoff_rate: self.number(retrier, "BackoffRate").unwrap_or(2.0),
                max_delay_seconds: self.number(retrier, "MaxDelaySeconds"),
                full_jitter: retrier.text("JitterStrategy") == Some("FULL"),
            })
            .collect()
    }

    pub(super) fn catchers(
        &mut self,
        fields: &Fields<'_>,
        language: Language,
        names: &Names,
    ) -> Vec<Catcher> {
        let mut catchers = Vec::new();
        for catcher in fields.items("Catch") {
            let Some(next) = catcher.text("Next") else {
                self.missing(&catcher, "Next");
                continue;
            };
            let next = self.target(&catcher, "Next", next, names);
            let is_json_path = language == Language::JsonPath;
            let result_path =
                if is_json_path { self.result_path(&catcher) } else { ResultPath::default() };
            let output =
                if is_json_path { None } else { self.template(&catcher, "Output", language) };
            let assign = self.template(&catcher, "Assign", language);
            if let Some(next) = next {
                catchers.push(Catcher {
                    errors: errors(&catcher),
                    result_path,
                    output,
                    assign,
                    next,
                });
            }
        }
        catchers
    }
}

fn errors(fields: &Fields<'_>) -> Vec<Str> {
    let items = fields.get("ErrorEquals").map_or(&[] as &[Node], Node::items);
    items.iter().filter_map(Node::as_str).map(Str::from).collect()
}
