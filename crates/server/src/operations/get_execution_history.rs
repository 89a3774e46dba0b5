use super::{Paging, execution_arn, list};
use crate::api::{Api, Reply, execution_missing, store_failed};
use stepwright_history::aws;
use stepwright_history::aws::DATA;
use stepwright_json::{Json, Object};
use stepwright_protocol::{Request, timestamp};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let arn = execution_arn(request)?;
    let paging = Paging::read(request)?;
    let with_data = request.get("includeExecutionData").and_then(Json::as_bool) != Some(false);
    let is_reversed = request.flag("reverseOrder");
    let events = api.engine.history(arn).await.map_err(store_failed)?;
    let mut events = aws::project(&events.ok_or_else(|| execution_missing(arn))?);
    if is_reversed {
        events.reverse();
    }
    let id = |event: &Json| event.get("id").and_then(Json::as_i64).unwrap_or_default();
    let is_after = |event: &Json, after: &str| {
        let after: i64 = after.parse().unwrap_or_default();
        if is_reversed { id(event) < after } else { id(event) > after }
    };
    let (page, next) = paging.cut(events, |last| id(last).to_string(), is_after);
    let page = page.into_iter().map(|event| on_the_wire(event, with_data)).collect();
    Ok(list("events", page, next))
}

/// An event as the API shows it, with its moment in seconds.
fn on_the_wire(event: Json, with_data: bool) -> Json {
    let Json::Object(mut event) = event else { return event };
    let at = event.get("timestamp").and_then(Json::as_i64).unwrap_or_default();
    event.insert("timestamp", timestamp(at));
    if with_data {
        return event.into();
    }
    let without = |(key, value): (&stepwright_json::Str, &Json)| {
        let value = match value {
            Json::Object(details) => {
                let kept = details.iter().filter(|(key, _)| !DATA.contains(&key.as_str()));
                kept.map(|(key, value)| (key.clone(), value.clone())).collect::<Object>().into()
            }
            other => other.clone(),
        };
        (key.clone(), value)
    };
    event.iter().map(without).collect::<Object>().into()
}
