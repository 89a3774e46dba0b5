use super::{Paging, execution_arn, insert_date, list};
use crate::api::{Api, Reply, execution_missing, store_failed};
use stepwright_json::{Json, Object};
use stepwright_protocol::{Request, timestamp};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let arn = execution_arn(request)?;
    let paging = Paging::read(request)?;
    let described = api.engine.describe(arn).await.map_err(store_failed)?;
    let described = described.ok_or_else(|| execution_missing(arn))?;
    let runs = api.engine.map_runs(arn).await.map_err(store_failed)?.unwrap_or_default();
    let key = |at: i64, arn: &str| format!("{at:020}{arn}");
    let (page, next) = paging.cut(
        runs,
        |last| key(last.started_at, &last.arn),
        |one, after| key(one.started_at, &one.arn).as_str() < after,
    );
    let mut items = Vec::new();
    for run in page {
        let stopped_at = api.engine.map_run(&run.arn).await.map_err(store_failed)?;
        let mut item = Object::new();
        item.insert("executionArn", arn.into());
        item.insert("mapRunArn", run.arn.as_str().into());
        item.insert("stateMachineArn", described.facts.about.machine.as_str().into());
        item.insert("startDate", timestamp(run.started_at));
        insert_date(&mut item, "stopDate", stopped_at.and_then(|run| run.stopped_at));
        items.push(Json::from(item));
    }
    Ok(list("mapRuns", items, next))
}
