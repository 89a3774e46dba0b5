use super::{Paging, insert_date, insert_text, invalid_token, list, write_token};
use crate::api::{Api, Reply, machine_missing, resource_missing, store_failed};
use stepwright_json::{Json, Object};
use stepwright_protocol::{ApiError, Arn, Qualifier, Request, timestamp};
use stepwright_store::{ExecutionId, ExecutionRow, Filter, Page, Status};

pub(super) async fn call(api: &Api, request: &Request) -> Reply {
    let paging = Paging::read(request)?;
    let mut filter = match (request.text("stateMachineArn"), request.text("mapRunArn")) {
        (Some(arn), None) => of_machine(api, arn)?,
        (None, Some(arn)) => of_map_run(api, arn).await?,
        _ => {
            return Err(ApiError::validation(
                "Must specify exactly one of 'stateMachineArn' and 'mapRunArn'",
            ));
        }
    };
    filter.status = request.text("statusFilter").and_then(Status::named);
    if let Some(redriven) = request.text("redriveFilter") {
        if filter.map_run.is_none() {
            return Err(ApiError::validation("'redriveFilter' needs a 'mapRunArn'"));
        }
        filter.is_redriven = Some(redriven == "REDRIVEN");
    }
    let after = match &paging.after {
        Some(position) => Some(read_position(position).ok_or_else(invalid_token)?),
        None => None,
    };
    let page = Page { after, most: paging.most + 1 };
    let mut rows = api.engine.executions(filter, page).await.map_err(store_failed)?;
    let is_more = rows.len() > paging.most;
    rows.truncate(paging.most);
    let last = rows.last().filter(|_| is_more);
    let next = last.map(|last| write_token(&format!("{}:{}", last.about.started_at, last.id.0)));
    Ok(list("executions", rows.into_iter().map(item).collect(), next))
}

fn of_machine(api: &Api, text: &str) -> Result<Filter, ApiError> {
    let (arn, qualifier) = Arn::parse_kind(text, &["stateMachine"])?.machine();
    let machine = api.engine.catalogue().machine(&arn).ok_or_else(|| machine_missing(text))?;
    if machine.is_express {
        return Err(ApiError::new(
            "StateMachineTypeNotSupported",
            "This operation is not supported by this type of state machine",
        ));
    }
    let mut filter = Filter { machine: Some(arn), ..Filter::default() };
    match qualifier {
        Qualifier::None => {}
        Qualifier::Version(_) => filter.version = Some(text.to_owned()),
        Qualifier::Alias(_) => filter.alias = Some(text.to_owned()),
    }
    Ok(filter)
}

async fn of_map_run(api: &Api, arn: &str) -> Result<Filter, ApiError> {
    Arn::parse_kind(arn, &["mapRun"])?;
    let run = api.engine.map_run_row(arn).await.map_err(store_failed)?;
    run.ok_or_else(|| resource_missing(arn))?;
    Ok(Filter { map_run: Some(arn.to_owned()), ..Filter::default() })
}

fn read_position(text: &str) -> Option<(i64, ExecutionId)> {
    let (started_at, id) = text.split_once(':')?;
    Some((started_at.parse().ok()?, ExecutionId(id.parse().ok()?)))
}

fn item(row: ExecutionRow) -> Json {
    let mut item = Object::new();
    let name = row.about.arn.rsplit(':').next().unwrap_or_default();
    item.insert("executionArn", row.about.arn.as_str().into());
    item.insert("stateMachineArn", row.about.machine.as_str().into());
    item.insert("name", name.into());
    item.insert("status", row.status.name().into());
    item.insert("startDate", timestamp(row.about.started_at));
    insert_date(&mut item, "stopDate", row.stopped_at);
    insert_text(&mut item, "mapRunArn", row.about.map_run.as_deref());
    insert_text(&mut item, "stateMachineVersionArn", row.about.version.as_deref());
    insert_text(&mut item, "stateMachineAliasArn", row.about.alias.as_deref());
    let count = row.redriven.map_or(0, |(count, _)| count);
    item.insert("redriveCount", Json::Int(i64::from(count)));
    insert_date(&mut item, "redriveDate", row.redriven.map(|(_, at)| at));
    item.into()
}
