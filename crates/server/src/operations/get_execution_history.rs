use super::{Paging, execution_arn, invalid_token, list, write_token};
use crate::api::{Api, Reply, execution_missing, store_failed};
use stepwright_engine::HistoryRequest;
use stepwright_json::Json;
use stepwright_protocol::{Request, timestamp};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let arn = execution_arn(request)?;
    let paging = Paging::read(request)?;
    let after = paging.after.map(|after| after.parse().map_err(|_| invalid_token())).transpose()?;
    let wanted = HistoryRequest {
        after,
        is_reversed: request.flag("reverseOrder"),
        with_data: request.get("includeExecutionData").and_then(Json::as_bool) != Some(false),
        most: paging.most,
    };
    let page = api.engine.history_page(arn, wanted).await.map_err(store_failed)?;
    let page = page.ok_or_else(|| execution_missing(arn))?;
    let next = page.next.map(|last| write_token(&last.to_string()));
    Ok(list("events", page.events.into_iter().map(on_the_wire).collect(), next))
}

/// An event as the API shows it, with its moment in seconds.
fn on_the_wire(event: Json) -> Json {
    let Json::Object(mut event) = event else { return event };
    let at = event.get("timestamp").and_then(Json::as_i64).unwrap_or_default();
    event.insert("timestamp", timestamp(at));
    event.into()
}
