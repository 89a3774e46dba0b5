//! The orders of a list of executions, each read from an index: what would need a look at every execution
//! is not offered.

use crate::Visit;
use crate::list::latest;
use crate::page::Refusal;
use crate::text::{name, visible};
use stepwright_store::{ExecutionId, ExecutionRow, Filter, Page as Part, Sorted, Status};

/// How many executions that ended last are looked at for one page.
const LOOKED_AT: usize = 2_000;
const AT_ONCE: usize = 500;

/// An order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// What began last comes first.
    Newest,
    /// What began first comes first.
    Oldest,
    /// By name, from A to Z.
    Name,
    /// What ended last comes first.
    Ended,
}

impl Order {
    pub(crate) const ALL: [Self; 4] = [Self::Newest, Self::Oldest, Self::Name, Self::Ended];

    /// The order that a URL names.
    pub(crate) fn named(text: &str) -> Result<Self, Refusal> {
        let found = Self::ALL.into_iter().find(|order| order.word() == text);
        found.ok_or_else(|| Refusal::unclear(format!("there is no order `{}`", visible(text))))
    }

    /// Its name in a URL.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Newest => "",
            Self::Oldest => "oldest",
            Self::Name => "name",
            Self::Ended => "ended",
        }
    }
}

/// What a list shows.
pub(crate) struct Wanted<'w> {
    pub(crate) order: Order,
    pub(crate) machine: Option<&'w str>,
    pub(crate) status: Option<Status>,
    /// The conditions that are neither a machine nor a status.
    pub(crate) more: Filter,
    /// What the names begin with.
    pub(crate) prefix: Option<&'w str>,
    /// Where the page begins, as [`Listed::next`] said it.
    pub(crate) after: Option<&'w str>,
    /// The moment before which they began, or from which on if the oldest come first.
    pub(crate) until: Option<i64>,
}

/// A page of a list.
pub(crate) struct Listed {
    pub(crate) rows: Vec<ExecutionRow>,
    /// Where the next page begins.
    pub(crate) next: Option<String>,
    /// Why nothing is shown, if something else must be asked for.
    pub(crate) hint: Option<&'static str>,
}

impl Listed {
    fn hint(hint: &'static str) -> Self {
        Self { rows: Vec::new(), next: None, hint: Some(hint) }
    }

    /// Of one row more than are shown, that one only says that there is another page.
    fn of(
        mut rows: Vec<ExecutionRow>,
        most: usize,
        place: impl Fn(&ExecutionRow) -> String,
    ) -> Self {
        let has_more = rows.len() > most;
        rows.truncate(most);
        let next = rows.last().filter(|_| has_more).map(place);
        Self { rows, next, hint: None }
    }
}

/// Where the next page begins, by the start.
pub(crate) fn place(row: &ExecutionRow) -> String {
    format!("{}-{}", row.about.started_at, row.id.0)
}

pub(crate) fn read_place(text: &str) -> Result<(i64, ExecutionId), Refusal> {
    let parts =
        text.rsplit_once('-').and_then(|(at, id)| Some((at.parse().ok()?, id.parse().ok()?)));
    let (at, id) = parts.ok_or_else(|| Refusal::unclear("`after` is no place in a list"))?;
    Ok((at, ExecutionId(id)))
}

/// Reads a page.
pub(crate) async fn listed(
    visit: &dyn Visit,
    wanted: Wanted<'_>,
    most: usize,
) -> Result<Listed, Refusal> {
    let Wanted { order, machine, status, more, prefix, after, until } = wanted;
    let engine = visit.engine();
    let is_narrow = more != Filter::default();
    let by_name = order == Order::Name || prefix.is_some();
    if order != Order::Newest && is_narrow {
        return Ok(Listed::hint(
            "Executions of a version or an alias, or that were redriven, are listed from the newest to the \
             oldest only.",
        ));
    }
    if until.is_some() && (by_name || order == Order::Ended) {
        return Ok(Listed::hint(
            "A moment of the start narrows the lists from the newest and from the oldest only.",
        ));
    }
    if by_name {
        let Some(machine) = machine.filter(|_| status.is_none() && order != Order::Ended) else {
            return Ok(Listed::hint(
                "Choose a state machine, and all statuses, to see its executions by name.",
            ));
        };
        let sorted = Sorted::Named {
            machine: machine.to_owned(),
            prefix: prefix.unwrap_or_default().to_owned(),
            after: after.map(str::to_owned),
        };
        let rows = engine.sorted(sorted, most + 1).await?;
        return Ok(Listed::of(rows, most, |row| name(&row.about.arn).to_owned()));
    }
    let after = after.map(read_place).transpose()?;
    let after = after.or(until.map(|at| (at, ExecutionId(0))));
    match order {
        Order::Ended => ended(visit, machine, status, after, most).await,
        Order::Oldest => {
            let rows = oldest(visit, machine, status, after, most + 1).await?;
            Ok(Listed::of(rows, most, place))
        }
        _ => {
            let rows = match machine {
                Some(machine) => {
                    let filter = Filter { machine: Some(machine.to_owned()), status, ..more };
                    engine.executions(filter, Part { after, most: most + 1 }).await?
                }
                None => latest(visit, status, after, most + 1).await?,
            };
            Ok(Listed::of(rows, most, place))
        }
    }
}

/// Those that began first: of a machine, or of all machines, whose lists are merged.
async fn oldest(
    visit: &dyn Visit,
    machine: Option<&str>,
    status: Option<Status>,
    after: Option<(i64, ExecutionId)>,
    most: usize,
) -> Result<Vec<ExecutionRow>, Refusal> {
    let engine = visit.engine();
    let machines = match machine {
        Some(machine) => vec![machine.to_owned()],
        None => {
            let all = visit.machines();
            all.iter().filter(|one| !one.is_express).map(|one| one.arn.clone()).collect()
        }
    };
    let mut all = Vec::new();
    for machine in machines {
        let filter = Filter { machine: Some(machine), status, ..Filter::default() };
        all.extend(engine.sorted(Sorted::Oldest { filter, after }, most).await?);
        all.sort_unstable_by_key(|row: &ExecutionRow| (row.about.started_at, row.id));
        all.truncate(most);
    }
    Ok(all)
}

/// Those that ended last. The index knows neither machines nor statuses, so that a page may end before it
/// is full.
async fn ended(
    visit: &dyn Visit,
    machine: Option<&str>,
    status: Option<Status>,
    mut after: Option<(i64, ExecutionId)>,
    most: usize,
) -> Result<Listed, Refusal> {
    let is_wanted = |row: &ExecutionRow| {
        row.about.map_run.is_none()
            && visit.owns(&row.about.arn)
            && machine.is_none_or(|machine| machine == row.about.machine)
            && status.is_none_or(|status| status == row.status)
    };
    let mut found: Vec<ExecutionRow> = Vec::new();
    let mut next = None;
    for _ in 0..LOOKED_AT / AT_ONCE {
        let rows = visit.engine().sorted(Sorted::Ended { after }, AT_ONCE).await?;
        let is_last = rows.len() < AT_ONCE;
        next = None;
        for row in rows {
            let place = (row.stopped_at.unwrap_or_default(), row.id);
            if found.len() == most {
                return Ok(Listed { rows: found, next, hint: None });
            }
            (after, next) = (Some(place), Some(format!("{}-{}", place.0, place.1.0)));
            if is_wanted(&row) {
                found.push(row);
            }
        }
        if is_last {
            next = None;
            break;
        }
    }
    Ok(Listed { rows: found, next, hint: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_back() {
        for order in Order::ALL {
            assert_eq!(Order::named(order.word()).expect("it is one"), order);
        }
        assert!(Order::named("random").is_err());
    }

    #[test]
    fn a_place_in_a_list_is_read_back() {
        for (text, expected) in [("1700-12", (1_700, 12)), ("-5-12", (-5, 12))] {
            let (at, id) = read_place(text).expect("it is one");
            assert_eq!((at, id.0), expected);
        }
        for wrong in ["x", "1", "-", "1-x"] {
            assert!(read_place(wrong).is_err(), "{wrong}");
        }
    }
}
