//! What a filter asks for, as conditions in SQL: the same in each database.

use crate::Filter;
use std::fmt::Write as _;

/// The conditions of a filter that no index expresses. `bind` takes a value, and says what stands for it in the
/// query: `?2`, `$2`.
pub(crate) fn rest<'f>(filter: &'f Filter, mut bind: impl FnMut(&'f str) -> String) -> String {
    let mut rest = String::new();
    let texts =
        [("machine", &filter.machine), ("version", &filter.version), ("map_run", &filter.map_run)];
    if filter.is_narrow() {
        for (column, value) in texts {
            if let Some(value) = value {
                write!(rest, " AND {column} = {}", bind(value)).expect("text grows");
            }
        }
        if filter.machine.is_some() {
            rest.push_str(" AND map_run IS NULL");
        }
    }
    if let Some(status) = filter.status {
        write!(rest, " AND status = {}", status as i16).expect("text grows");
    }
    match filter.is_redriven {
        Some(true) => rest.push_str(" AND redrive_count IS NOT NULL"),
        Some(false) => rest.push_str(" AND redrive_count IS NULL"),
        None => {}
    }
    rest
}
