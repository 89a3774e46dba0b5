//! Rules by schedule. What was due while no server was running is not made up for. Of several nodes, the
//! one fires that has the services; what was due while none had them is fired by the next one.

use super::publish::{ATTEMPTS_TO_TELL, PAUSE, moment};
use super::state::Rule;
use super::{DEFAULT, Events};
use crate::call::Refusal;
use std::sync::Weak;
use std::time::Duration;
use stepwright_json::json;

/// The longest sleep: clocks may be set.
const LONGEST: i64 = 60_000;

/// How often a node looks whether the services have come here.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How far back a node makes up for what was due while none had the services.
const MADE_UP: i64 = 15 * 60_000;

/// A rule that is due, by its name.
type Due = (String, Rule);

impl Events {
    /// Fires rules when they are due, for as long as the services are there. In between, nothing is
    /// held: the store must be free once nobody uses it any more.
    pub(crate) async fn follow(events: Weak<Self>) {
        let Some(first) = events.upgrade() else { return };
        // With several nodes, it is read where the one before has stopped.
        let mut known = if first.seat.is_shared() { None } else { Some(first.now()) };
        drop(first);
        loop {
            let Some(here) = events.upgrade() else { return };
            if here.seat.is_over() {
                return;
            }
            let (mut since, next, rules) = match here.due(known).await {
                Ok(found) => found,
                Err(refusal) if refusal.is_elsewhere() => {
                    known = None;
                    drop(here);
                    tokio::time::sleep(LOOK_EVERY).await;
                    continue;
                }
                Err(refusal) => {
                    tracing::error!(why = refusal.message, "the rules cannot be read");
                    drop(here);
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    continue;
                }
            };
            // Whoever may lose the services to another node looks more often.
            let longest =
                if here.seat.is_shared() { LOOK_EVERY.as_millis() as i64 } else { LONGEST };
            let pause = next.map_or(longest, |next| (next - here.now()).clamp(0, longest));
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
                known = Some(since.max(now - 1_000));
                continue;
            }
            if let Some(next) = next.filter(|next| *next <= now) {
                for (name, rule) in rules {
                    if let Err(refusal) = here.fire(&name, &rule, next).await {
                        let why = refusal.message;
                        tracing::error!(rule = name, why, "a schedule reached nobody");
                    }
                }
                since = next;
                if here.seat.is_shared() {
                    let kept = here.kept.with(|rules, changes| rules.has_fired(next, changes));
                    if let Err(error) = kept.await {
                        // The node that has the services now fires it again.
                        tracing::warn!(%error, "that a schedule was fired cannot be kept");
                        known = None;
                        continue;
                    }
                }
            }
            known = Some(since);
        }
    }

    /// Since when it is looked, the next moment at which rules are due, and those rules.
    async fn due(&self, known: Option<i64>) -> Result<(i64, Option<i64>, Vec<Due>), Refusal> {
        let now = self.now();
        Ok(self
            .kept
            .with(|rules, changes| {
                self.set_has_rules(!rules.rules.is_empty());
                let since = known.unwrap_or_else(|| {
                    if rules.fired.is_none() {
                        rules.has_fired(now, changes);
                    }
                    rules.fired.unwrap_or(now).max(now - MADE_UP)
                });
                let since = since.max(rules.fired.unwrap_or(since));
                let mut first = None;
                let mut found: Vec<Due> = Vec::new();
                for (name, rule) in rules.of_bus(DEFAULT).filter(|(_, rule)| rule.is_enabled()) {
                    let Some((_, schedule)) = &rule.schedule else { continue };
                    // A rule that came later is not due for what was before.
                    let since = if self.seat.is_shared() { since.max(rule.since) } else { since };
                    let Some(at) = schedule.after(since, rule.since) else { continue };
                    if first.is_none_or(|first| at < first) {
                        first = Some(at);
                        found.clear();
                    }
                    if first == Some(at) {
                        found.push((name.to_owned(), rule.clone()));
                    }
                }
                (since, first, found)
            })
            .await?)
    }

    /// Fires a rule. While the store does not take what its targets get, that is tried again.
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
        let mut attempts = 0;
        loop {
            let reaching = self.seat.during(self.reach(DEFAULT, name, rule, &event, 1)).await;
            let reached = reaching.unwrap_or_else(|| Err(Refusal::elsewhere()));
            attempts += 1;
            match reached {
                Err(refusal)
                    if refusal.is_fault()
                        && !refusal.is_elsewhere()
                        && attempts < ATTEMPTS_TO_TELL =>
                {
                    tracing::warn!(rule = name, why = refusal.message, "a schedule is fired again");
                    tokio::time::sleep(PAUSE).await;
                }
                reached => return reached,
            }
        }
    }
}
