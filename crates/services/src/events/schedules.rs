//! Rules by schedule. What was due while no server was running is not made up for.

use super::publish::moment;
use super::state::Rule;
use super::{DEFAULT, Events};
use crate::call::Refusal;
use std::sync::Weak;
use std::sync::atomic::Ordering;
use std::time::Duration;
use stepwright_json::json;

/// The longest sleep: clocks may be set.
const LONGEST: i64 = 60_000;

impl Events {
    /// Fires rules when they are due, for as long as the services are there. In between, nothing is
    /// held: the store must be free once nobody uses it any more.
    pub(crate) async fn follow(events: Weak<Self>) {
        let Some(mut since) = events.upgrade().map(|events| events.now()) else { return };
        loop {
            let Some(here) = events.upgrade() else { return };
            let (next, rules) = match here.due(since).await {
                Ok(found) => found,
                Err(refusal) => {
                    tracing::error!(why = refusal.message, "the rules cannot be read");
                    drop(here);
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    continue;
                }
            };
            let pause = next.map_or(LONGEST, |next| (next - here.now()).clamp(0, LONGEST));
            let changed = here.changed.clone();
            drop(here);
            let is_changed = tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(pause as u64)) => false,
                () = changed.notified() => true,
            };
            let Some(here) = events.upgrade() else { return };
            let now = here.now();
            if is_changed {
                // A rule that is new is not due for what was before.
                since = since.max(now - 1_000);
                continue;
            }
            if let Some(next) = next.filter(|next| *next <= now) {
                for (name, rule) in rules {
                    if let Err(refusal) = here.fire(&name, &rule, next).await {
                        tracing::error!(
                            rule = name,
                            why = refusal.message,
                            "a schedule reached nobody"
                        );
                    }
                }
                since = next;
            }
        }
    }

    /// The next moment at which rules are due, and those rules.
    async fn due(&self, since: i64) -> Result<(Option<i64>, Vec<(String, Rule)>), Refusal> {
        Ok(self
            .kept
            .with(|rules, _| {
                self.has_rules.store(!rules.rules.is_empty(), Ordering::Relaxed);
                let mut first = None;
                let mut found: Vec<(String, Rule)> = Vec::new();
                for (name, rule) in rules.of_bus(DEFAULT).filter(|(_, rule)| rule.is_enabled()) {
                    let Some((_, schedule)) = &rule.schedule else { continue };
                    let Some(at) = schedule.after(since, rule.since) else { continue };
                    if first.is_none_or(|first| at < first) {
                        first = Some(at);
                        found.clear();
                    }
                    if first == Some(at) {
                        found.push((name.to_owned(), rule.clone()));
                    }
                }
                (first, found)
            })
            .await?)
    }

    async fn fire(&self, name: &str, rule: &Rule, at: i64) -> Result<(), Refusal> {
        let event = json!({
            "version": "0",
            "id": (uuid::Uuid::new_v4().to_string()),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": (self.account.as_str()),
            "time": (moment(at)),
            "region": (self.region.as_str()),
            "resources": [(self.rule_arn(DEFAULT, name))],
            "detail": {}
        });
        self.reach(DEFAULT, name, rule, &event, 1).await
    }
}
