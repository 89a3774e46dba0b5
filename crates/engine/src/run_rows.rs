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
