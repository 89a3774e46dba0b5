//! What a form does not show is put back, where the form still says that it is not shown.

use crate::page::Refusal;
use crate::{Console, Visit};
use stepwright_json::Json;

/// The field of a form that names the execution whose input it began with.
pub(crate) const INPUT_OF: &str = "inputOf";

/// A request as it is meant: a form that began with what is shown of an input means the input itself.
pub(crate) async fn put_back(
    console: &Console,
    visit: &dyn Visit,
    body: &Json,
) -> Result<Json, Refusal> {
    let mut meant = body.as_object().cloned().unwrap_or_default();
    let of = meant.remove(INPUT_OF);
    let text = |member: &str| body.get(member).and_then(Json::as_str);
    let sent = text("input").and_then(|input| stepwright_json::parse(input).ok());
    if let (Some(of), Some(sent), false) =
        (of.as_ref().and_then(Json::as_str), sent, console.redaction.is_empty())
    {
        let originals = originals(visit, of, text("stateName")).await?;
        let mut meant_by =
            originals.iter().map(|original| console.redaction.restore(&sent, original));
        if !originals.is_empty() {
            let input = meant_by.find_map(|meant| meant).ok_or_else(unclear)?;
            if input != sent {
                meant.insert("input", input.to_string().into());
            }
        }
    }
    Ok(meant.into())
}

/// What the form may have begun with: the input of the state, or that of the execution.
async fn originals(
    visit: &dyn Visit,
    arn: &str,
    state: Option<&str>,
) -> Result<Vec<Json>, Refusal> {
    if !visit.may("states:DescribeExecution", arn) {
        return Ok(Vec::new());
    }
    let engine = visit.engine();
    let mut found = Vec::new();
    if let (Some(state), Some(row)) = (state, engine.execution_row(arn).await?)
        && visit.may("states:GetExecutionHistory", arn)
    {
        found.extend(engine.entered(row.id, state, None).await?.map(|entered| entered.input));
    }
    found.extend(engine.describe(arn).await?.map(|whole| whole.input.clone()));
    Ok(found)
}

/// The refusal of a value that still says that something is not shown.
pub(crate) fn unclear() -> Refusal {
    Refusal::unclear(
        "`[redacted]` stands where it is not known what is meant, for example in a list whose items have changed: \
         write the value itself, or leave the list as it was",
    )
}
