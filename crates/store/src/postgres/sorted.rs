//! Executions in other orders than that of lists.

use super::read::{Answer, COLUMNS, LAST, Parameter, list_in_order, number, row};
use crate::row::named;
use crate::{ExecutionRow, Page, Sorted};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

pub(crate) async fn sorted(
    client: &Client,
    sorted: &Sorted,
    most: usize,
) -> Answer<Vec<ExecutionRow>> {
    let count = number(most as u64);
    match sorted {
        Sorted::Oldest { filter, after } => {
            list_in_order(client, filter, Page { after: *after, most }, true).await
        }
        Sorted::Named { machine, prefix, after } => {
            let (from, to) = named(machine, prefix);
            let after = after.as_ref().map(|after| named(machine, after).0).unwrap_or_default();
            // No text of the database has such a character.
            if [&from, &after].iter().any(|text| text.contains('\0')) {
                return Ok(Vec::new());
            }
            let query = format!(
                "SELECT {COLUMNS} FROM (SELECT * FROM stepwright.executions \
                 WHERE arn >= $1 AND arn < $2 AND arn > $3 ORDER BY arn LIMIT $4) AS e {LAST} \
                 ORDER BY e.arn"
            );
            let parameters: [Parameter<'_>; 4] = [
                (&from, Type::TEXT),
                (&to, Type::TEXT),
                (&after, Type::TEXT),
                (&count, Type::INT8),
            ];
            Ok(client.query_typed(&query, &parameters).await?.iter().map(row).collect())
        }
        Sorted::Ended { after } => {
            let (at, id) = after.map_or((i64::MAX, i64::MAX), |(at, id)| (at, number(id.0)));
            // The index has the moments; executions of one moment are sorted.
            let query = format!(
                "SELECT {COLUMNS} FROM (SELECT * FROM stepwright.executions \
                 WHERE status NOT IN (0, 5) AND stopped_at <= $1 AND (stopped_at, id) < ($1, $2) \
                 ORDER BY stopped_at DESC, id DESC LIMIT $3) AS e {LAST} \
                 ORDER BY e.stopped_at DESC, e.id DESC"
            );
            let parameters: [Parameter<'_>; 3] =
                [(&at, Type::INT8), (&id, Type::INT8), (&count, Type::INT8)];
            Ok(client.query_typed(&query, &parameters).await?.iter().map(row).collect())
        }
    }
}
