//! What was made of the resources of stacks, so that the next deployment of a template knows what has
//! changed.

use crate::Services;
use crate::kept::Contents;
use std::collections::BTreeMap;
use stepwright_json::Json;

/// What was made, by the name of the stack and the logical id: `shop/Orders`.
#[derive(Debug, Default)]
pub(crate) struct Stacks(BTreeMap<String, Json>);

impl Contents for Stacks {
    const PREFIX: &'static str = "services/stacks/";

    fn read(&mut self, key: &str, value: &Json) {
        self.0.insert(key.to_owned(), value.clone());
    }
}

impl Services {
    /// What is kept of the resources of a stack, by logical id. Nothing, if the store fails.
    pub async fn stack(&self, name: &str) -> BTreeMap<String, Json> {
        let prefix = format!("{name}/");
        let read = self.stacks.with(|stacks, _| {
            let of = stacks.0.range(prefix.clone()..);
            let of = of.map_while(|(key, value)| Some((key.strip_prefix(&prefix)?, value)));
            of.map(|(id, value)| (id.to_owned(), value.clone())).collect()
        });
        read.await.unwrap_or_default()
    }

    /// Keeps what was made of a resource of a stack, or forgets it.
    pub async fn keep_in_stack(&self, name: &str, logical_id: &str, value: Option<Json>) {
        let key = format!("{name}/{logical_id}");
        let kept = self.stacks.with(|stacks, changes| match value {
            Some(value) => {
                changes.put(&key, &value);
                stacks.0.insert(key, value);
            }
            None => {
                changes.remove(&key);
                stacks.0.remove(&key);
            }
        });
        if let Err(error) = kept.await {
            tracing::warn!(%error, "what was made of a template cannot be kept");
        }
    }
}
