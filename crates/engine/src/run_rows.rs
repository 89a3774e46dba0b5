//! What the store keeps of map runs: enough for a list of them, so that no history is read for it.

use crate::MapRunStatus;
use std::collections::BTreeMap;
use stepwright_history::{Event, EventKind, FrameId};
use stepwright_json::{Json, Object};
use stepwright_store::{ExecutionId, MapRunRow};

/// A map run, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRun {
    /// Its ARN.
    pub arn: String,
    /// The number of the execution that it belongs to.
    pub execution: ExecutionId,
    /// Its status; `None` if an earlier release has written the row.
    pub status: Option<MapRunStatus>,
    /// When it began, in milliseconds since 1970.
    pub started_at: i64,
    /// When it ended, in milliseconds since 1970.
    pub stopped_at: Option<i64>,
}

impl ListedRun {
    pub(crate) fn of(row: MapRunRow) -> Self {
        let more = stepwright_json::parse_bytes(&row.more).unwrap_or_default();
        let status = more.get("status").and_then(Json::as_str);
        Self {
            status: status.and_then(MapRunStatus::named),
            stopped_at: more.get("stoppedAt").and_then(Json::as_i64),
            arn: row.arn,
            execution: row.execution,
            started_at: row.started_at,
        }
    }
}

/// The map runs that an execution has begun last, one for each frame, with what the store keeps of them.
#[derive(Debug, Default)]
pub(crate) struct RunRows(BTreeMap<FrameId, Known>);

#[derive(Debug)]
struct Known {
    arn: String,
    started_at: i64,
    status: MapRunStatus,
    stopped_at: Option<i64>,
}

impl RunRows {
    /// Takes the next event. `changed` is called with each map run whose row changes.
    pub(crate) fn take(&mut self, event: &Event, mut changed: impl FnMut(FrameId)) {
        use EventKind as E;
        let (frame, at) = (event.frame, event.at.0);
        match &event.kind {
            E::MapRunStarted { arn, .. } => {
                let arn = arn.to_string();
                let (status, stopped_at) = (MapRunStatus::Running, None);
                self.0.insert(frame, Known { arn, started_at: at, status, stopped_at });
                changed(frame);
            }
            E::MapRunSucceeded => self.end(frame, MapRunStatus::Succeeded, at, &mut changed),
            E::MapRunFailed { .. } => self.end(frame, MapRunStatus::Failed, at, &mut changed),
            E::MapRunRedriven { .. } => {
                if let Some(known) = self.0.get_mut(&frame) {
                    (known.status, known.stopped_at) = (MapRunStatus::Running, None);
                    changed(frame);
                }
            }
            E::StateExited { .. } => drop(self.0.remove(&frame)),
            E::ExecutionAborted { .. }
            | E::ExecutionTimedOut { .. }
            | E::ExecutionFailed { .. } => {
                let frames: Vec<FrameId> = self.0.keys().copied().collect();
                for frame in frames {
                    self.end(frame, MapRunStatus::Aborted, at, &mut changed);
                }
            }
            _ => {}
        }
    }

    /// A map run ends, if it has not ended before.
    fn end(
        &mut self,
        frame: FrameId,
        status: MapRunStatus,
        at: i64,
        changed: &mut impl FnMut(FrameId),
    ) {
        if let Some(known) = self.0.get_mut(&frame).filter(|known| known.stopped_at.is_none()) {
            (known.status, known.stopped_at) = (status, Some(at));
            changed(frame);
        }
    }

    /// The rows that these events change. Each is as the last one of them leaves it.
    pub(crate) fn rows(&mut self, execution: ExecutionId, events: &[Event]) -> Vec<MapRunRow> {
        let mut rows: BTreeMap<String, MapRunRow> = BTreeMap::new();
        for event in events {
            let mut frames = Vec::new();
            self.take(event, |frame| frames.push(frame));
            for known in frames.iter().filter_map(|frame| self.0.get(frame)) {
                rows.insert(known.arn.clone(), known.row(execution));
            }
        }
        rows.into_values().collect()
    }
}

impl Known {
    fn row(&self, execution: ExecutionId) -> MapRunRow {
        let mut more = Object::new();
        more.insert("status", self.status.name().into());
        if let Some(at) = self.stopped_at {
            more.insert("stoppedAt", Json::Int(at));
        }
        MapRunRow {
            arn: self.arn.clone(),
            execution,
            started_at: self.started_at,
            more: Json::Object(more).to_string().into_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_history::{Failure, Moment, TaskId};

    const ARN: &str = "arn:aws:states:us-east-1:123456789012:mapRun:many/Each:1";

    fn event(at: i64, frame: u32, kind: EventKind) -> Event {
        Event { at: Moment(at), frame: FrameId(frame), id: 1, previous: 0, kind }
    }

    fn started(at: i64, frame: u32) -> Event {
        let run = TaskId(3);
        event(at, frame, EventKind::MapRunStarted { run, arn: format!("{ARN}{frame}").into() })
    }

    /// What the rows say after these events.
    fn after(rows: &mut RunRows, events: &[Event]) -> Vec<(MapRunStatus, i64, Option<i64>)> {
        let listed = rows.rows(ExecutionId(7), events).into_iter().map(ListedRun::of);
        let told = listed.map(|run| {
            assert!(run.arn.starts_with(ARN) && run.execution == ExecutionId(7));
            (run.status.expect("it is written"), run.started_at, run.stopped_at)
        });
        told.collect()
    }

    #[test]
    fn a_row_says_how_its_map_run_stands() {
        use MapRunStatus as S;
        let failed = |at| event(at, 0, EventKind::MapRunFailed { failure: Failure::default() });
        let redriven = |at| event(at, 0, EventKind::MapRunRedriven { arn: ARN.into(), count: 1 });
        let mut rows = RunRows::default();
        assert_eq!(after(&mut rows, &[started(10, 0)]), [(S::Running, 10, None)]);
        assert_eq!(after(&mut rows, &[failed(20)]), [(S::Failed, 10, Some(20))]);
        // The execution fails with it, and is redriven; the map run ends once.
        let over = event(20, 0, EventKind::ExecutionFailed { failure: Failure::default() });
        assert_eq!(after(&mut rows, &[over]), []);
        assert_eq!(after(&mut rows, &[redriven(30)]), [(S::Running, 10, None)]);
        let succeeded = event(40, 0, EventKind::MapRunSucceeded);
        assert_eq!(after(&mut rows, &[succeeded]), [(S::Succeeded, 10, Some(40))]);
        // Two in one turn, one of which is given up with the execution.
        let stopped = event(60, 0, EventKind::ExecutionAborted { failure: Failure::default() });
        let told = after(&mut rows, &[started(50, 1), started(51, 2), stopped]);
        assert_eq!(told, [(S::Aborted, 50, Some(60)), (S::Aborted, 51, Some(60))]);
    }

    #[test]
    fn a_row_of_an_earlier_release_says_less() {
        let more = b"17".to_vec();
        let row = MapRunRow { arn: ARN.to_owned(), execution: ExecutionId(7), started_at: 5, more };
        let listed = ListedRun::of(row);
        assert_eq!((listed.status, listed.stopped_at, listed.started_at), (None, None, 5));
    }
}
