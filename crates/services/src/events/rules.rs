//! Operations on rules.

use super::buses::{check_name, page, read_tags};
use super::state::Rule;
use super::{DEFAULT, Events, invalid};
use crate::call::{Answer, Call, Refusal, answer, empty, members};
use crate::pattern::Pattern;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use stepwright_aws::schedule::Schedule;
use stepwright_json::{Json, json};

fn read_pattern(text: &str) -> Result<Pattern, Refusal> {
    let wrong = |why: &str| {
        let message = format!("Event pattern is not valid. Reason: {why}");
        Refusal::new("InvalidEventPatternException", message)
    };
    let pattern = stepwright_json::parse(text).map_err(|error| wrong(&error.to_string()))?;
    Pattern::read(&pattern).map_err(|why| wrong(&why))
}

impl Events {
    pub(super) async fn put_rule(&self, call: &Call<'_>) -> Answer {
        let (bus, name) = (Self::bus(call), call.required("Name"));
        check_name(name, 64)?;
        let text = |member: &str| call.text(member).filter(|text| !text.is_empty());
        let pattern = match text("EventPattern") {
            Some(text) => Some((text.to_owned(), read_pattern(text)?)),
            None => None,
        };
        let schedule = match text("ScheduleExpression") {
            Some(text) => {
                let schedule = Schedule::parse(text)
                    .map_err(|_| invalid("Parameter ScheduleExpression is not valid."))?;
                Some((text.to_owned(), schedule))
            }
            None => None,
        };
        if pattern.is_none() && schedule.is_none() {
            return Err(invalid(
                "Parameter(s) EventPattern or ScheduleExpression must be specified.",
            ));
        }
        if schedule.is_some() && bus != DEFAULT {
            return Err(invalid("ScheduleExpression is supported only on the default event bus."));
        }
        let state = call.text("State").unwrap_or("ENABLED");
        if !["ENABLED", "DISABLED"].contains(&state) {
            return Err(self.unsupported_state(state));
        }
        let now = self.now();
        self.kept
            .with(|rules, changes| {
                rules.has_bus(bus)?;
                let before = rules.rule(bus, name).ok().cloned();
                let is_same_schedule = before.as_ref().is_some_and(|before| {
                    before.schedule.as_ref().map(|one| &one.0)
                        == schedule.as_ref().map(|one| &one.0)
                });
                let since = before.as_ref().map(|before| before.since).filter(|_| is_same_schedule);
                let (tags, targets) = match before {
                    // Tags of a rule that is there are not changed.
                    Some(before) => (before.tags, before.targets),
                    None => (read_tags(call), BTreeMap::new()),
                };
                let rule = Rule {
                    pattern,
                    schedule,
                    state: state.to_owned(),
                    description: call.text("Description").map(str::to_owned),
                    role: call.text("RoleArn").map(str::to_owned),
                    tags,
                    since: since.unwrap_or(now),
                    targets,
                };
                rules.put_rule(bus, name, rule, changes);
                Ok::<_, Refusal>(())
            })
            .await??;
        self.has_rules.store(true, Ordering::Relaxed);
        self.changed.notify_one();
        answer(json!({"RuleArn": (self.rule_arn(bus, name))}))
    }

    fn unsupported_state(&self, state: &str) -> Refusal {
        crate::LocalService::unsupported(
            self,
            format!("the local service `eventbridge` does not have the state `{state}` of rules"),
        )
    }

    pub(super) async fn delete_rule(&self, call: &Call<'_>) -> Answer {
        let (bus, name) = (Self::bus(call), call.required("Name"));
        self.kept
            .with(|rules, changes| {
                rules.has_bus(bus)?;
                if rules.rule(bus, name).is_ok_and(|rule| !rule.targets.is_empty()) {
                    return Err(invalid("Rule can't be deleted since it has targets."));
                }
                rules.remove_rule(bus, name, changes);
                Ok(())
            })
            .await??;
        self.changed.notify_one();
        empty()
    }

    fn shown_rule(&self, bus: &str, name: &str, rule: &Rule) -> Json {
        members([
            ("Name", Some(name.into())),
            ("Arn", Some(self.rule_arn(bus, name).into())),
            ("EventPattern", rule.pattern.as_ref().map(|(text, _)| text.as_str().into())),
            ("ScheduleExpression", rule.schedule.as_ref().map(|(text, _)| text.as_str().into())),
            ("State", Some(rule.state.as_str().into())),
            ("Description", rule.description.as_deref().map(Json::from)),
            ("RoleArn", rule.role.as_deref().map(Json::from)),
            ("EventBusName", Some(bus.into())),
        ])
    }

    pub(super) async fn describe_rule(&self, call: &Call<'_>) -> Answer {
        let (bus, name) = (Self::bus(call), call.required("Name"));
        let rule = self.kept.with(|rules, _| rules.rule(bus, name).cloned()).await??;
        let Json::Object(mut shown) = self.shown_rule(bus, name, &rule) else { return empty() };
        shown.insert("CreatedBy", self.account.as_str().into());
        answer(Json::Object(shown))
    }

    pub(super) async fn set_state(&self, call: &Call<'_>, state: &str) -> Answer {
        let (bus, name) = (Self::bus(call), call.required("Name"));
        self.kept
            .with(|rules, changes| {
                let rule = rules.rule(bus, name)?.clone();
                let rule = Rule { state: state.to_owned(), ..rule };
                rules.put_rule(bus, name, rule, changes);
                Ok::<_, Refusal>(())
            })
            .await??;
        self.changed.notify_one();
        empty()
    }

    pub(super) async fn list_rules(&self, call: &Call<'_>) -> Answer {
        let bus = Self::bus(call);
        let prefix = call.text("NamePrefix").unwrap_or_default();
        let (names, all) = self
            .kept
            .with(|rules, _| {
                rules.has_bus(bus)?;
                let names = rules.of_bus(bus).map(|(name, _)| name.to_owned());
                let names = names.filter(|name| name.starts_with(prefix)).collect();
                Ok::<_, Refusal>((names, rules.rules.clone()))
            })
            .await??;
        let page = page(call, names)?;
        let shown = |name: &String| {
            let rule = &all[&(bus.to_owned(), name.clone())];
            self.shown_rule(bus, name, rule)
        };
        let shown: Vec<Json> = page.items.iter().map(shown).collect();
        answer(members([("Rules", Some(shown.into())), ("NextToken", page.next.map(Json::from))]))
    }

    pub(super) async fn list_rule_names_by_target(&self, call: &Call<'_>) -> Answer {
        let (bus, arn) = (Self::bus(call), call.required("TargetArn"));
        let names = self
            .kept
            .with(|rules, _| {
                rules.has_bus(bus)?;
                let is_meant =
                    |rule: &Rule| rule.targets.values().any(|target| target.arn() == arn);
                let of_target = rules.of_bus(bus).filter(|(_, rule)| is_meant(rule));
                Ok::<_, Refusal>(of_target.map(|(name, _)| name.to_owned()).collect())
            })
            .await??;
        let page = page(call, names)?;
        let names: Vec<Json> = page.items.into_iter().map(Json::from).collect();
        answer(members([
            ("RuleNames", Some(names.into())),
            ("NextToken", page.next.map(Json::from)),
        ]))
    }

    #[expect(clippy::unused_self, reason = "it is called as its siblings are")]
    pub(super) fn test_event_pattern(&self, call: &Call<'_>) -> Answer {
        let pattern = read_pattern(call.required("EventPattern"))?;
        let event = stepwright_json::parse(call.required("Event"))
            .map_err(|_| invalid("Parameter Event is not valid."))?;
        for field in ["id", "account", "source", "time", "region", "resources", "detail-type"] {
            if event.get(field).is_none() {
                let why = format!("Parameter Event is not valid. Reason: Missing field: {field}");
                return Err(invalid(why));
            }
        }
        answer(json!({"Result": (pattern.matches(&event))}))
    }
}
