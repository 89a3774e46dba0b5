//! A Map whose iterations are child executions (`Mode: DISTRIBUTED`).

use crate::Command;
use crate::children::weight;
use crate::execution::{MapRun, PAGE_WEIGHT, Phase, RunStage};
use crate::failure::{Failed, Origin};
use crate::items::{self, Item, Items, Page};
use crate::turn::Stepper;
use crate::view::{More, mix};
use stepwright_history::{EventKind, Failure, FrameId, Keeps, MapPage, TaskId};
use stepwright_json::{Array, Json, Object, Str};
use stepwright_program::{
    EvaluationError, ItemReader, Kind, Language, Map, NumberField, ResultPath, State,
};

impl Stepper<'_> {
    /// What a reader is asked: see [`items::read`].
    pub(crate) fn read_request(
        &self,
        frame: FrameId,
        reader: &ItemReader,
        document: &Json,
    ) -> Result<Json, EvaluationError> {
        let parameters = match &reader.arguments {
            Some(arguments) => self.fill(frame, arguments, document, More::default())?,
            None => Json::Object(Object::new()),
        };
        let max_items = self.count(frame, reader.max_items.as_ref(), document, "MaxItems")?;
        let mut config = Object::new();
        let texts = [
            ("InputType", &reader.input_type),
            ("Transformation", &reader.transformation),
            ("ManifestType", &reader.manifest_type),
            ("CSVDelimiter", &reader.csv_delimiter),
            ("ItemsPointer", &reader.items_pointer),
        ];
        for (key, text) in texts {
            if let Some(text) = text {
                config.insert(key, text.clone().into());
            }
        }
        if !reader.csv_first_row {
            let headers: Array = reader.csv_headers.iter().map(|h| h.clone().into()).collect();
            config.insert("CSVHeaders", headers.into());
        }
        if let Some(most) = max_items {
            config.insert("MaxItems", Json::Int(most));
        }
        let mut request = Object::new();
        request.insert("Resource", reader.resource.clone().into());
        request.insert("Parameters", parameters);
        request.insert("ReaderConfig", config.into());
        Ok(request.into())
    }

    fn count(
        &self,
        frame: FrameId,
        field: Option<&NumberField>,
        document: &Json,
        name: &str,
    ) -> Result<Option<i64>, EvaluationError> {
        let Some(field) = field else { return Ok(None) };
        let wrong = |path: &stepwright_program::PathExpression, value: &Json| {
            format!(
                "The {name}Path field refers to value \"{}\" which is not a valid integer: {}",
                super::task::plain(value),
                path.text
            )
        };
        self.number(frame, field, document, wrong).map(|number| Some(number as i64))
    }

    /// Goes on with a map run as far as it goes without hearing from outside.
    pub(crate) fn map_run_advance(&mut self, frame: FrameId) {
        let state = self.state_of(frame);
        let Kind::Map(map) = &state.kind else { return };
        let Phase::MapRun(open) = &self.execution.frame(frame).phase else { return };
        match &open.stage {
            RunStage::New => {
                let run = TaskId(self.execution.next_task);
                let arn = self.map_run_arn(map, run);
                let items = self.is_whole(frame).then(|| Items::of_plan(&open.plan));
                self.emit(frame, EventKind::MapRunStarted { run, arn });
                match items {
                    Some(items) => self.ask_map_run(frame, state, map, &items),
                    None => self.next_page(frame),
                }
            }
            RunStage::Reading => self.next_page(frame),
            RunStage::Running(_) if open.is_redriven => {
                let (arn, count) = (open.arn.clone(), open.redrives + 1);
                self.emit(frame, EventKind::MapRunRedriven { arn, count });
            }
            RunStage::Running(children) => {
                if let Some(index) = open.startable() {
                    let wanted_page = children.wants_page();
                    self.emit(frame, EventKind::ChildStarted { index });
                    let Phase::MapRun(open) = &self.execution.frame(frame).phase else { return };
                    let command = open.child(index);
                    self.owe(command);
                    if !wanted_page {
                        self.next_page(frame);
                    }
                } else {
                    self.children_done(frame);
                }
            }
            RunStage::Asked(_) | RunStage::Done | RunStage::Writing { .. } => {}
        }
    }

    /// Has the next page of items read, or takes it from the items that are there, if it is wanted.
    fn next_page(&mut self, frame: FrameId) {
        let Phase::MapRun(open) = &self.execution.frame(frame).phase else { return };
        if let Some(command) = open.reading() {
            self.owe(command);
        } else if open.plan.reader.is_none()
            && let Some((from, most)) = open.wanted_page()
        {
            let page = Page::of_plan(&open.plan, from.as_ref(), most);
            self.prepare(frame, page);
        }
    }

    /// `arn:aws:states:REGION:ACCOUNT:mapRun:MACHINE/LABEL:ID`
    fn map_run_arn(&self, map: &Map, run: TaskId) -> Str {
        let start = self.execution.start.as_ref().expect("a running execution has started");
        let machine = &start.identity.state_machine_arn;
        let prefix = machine.replacen(":stateMachine:", ":mapRun:", 1);
        let high = mix(start.seed[0] ^ run.0);
        let low = mix(start.seed[1] ^ run.0);
        let id = format!(
            "{:08x}-{:04x}-3{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xFFFF,
            high & 0xFFF,
            (low >> 48) & 0x3FFF | 0x8000,
            low & 0xFFFF_FFFF_FFFF
        );
        let label = map.label.clone().unwrap_or_else(|| {
            let (high, low) = (mix(low), mix(high));
            format!(
                "{:08x}-{:04x}-3{:03x}-{:04x}-{:012x}",
                high >> 32,
                (high >> 16) & 0xFFFF,
                high & 0xFFF,
                (low >> 48) & 0x3FFF | 0x8000,
                low & 0xFFFF_FFFF_FFFF
            )
            .into()
        });
        format!("{prefix}/{label}:{id}").into()
    }

    pub(crate) fn items_read(&mut self, frame: FrameId, page: Result<Page, Failure>) {
        match page {
            Ok(page) if page.items.of_object && !self.program.vintage.maps_go_over_objects() => {
                let failure = Failure::new("States.ItemReaderFailed", items::NOT_ITERABLE);
                self.give_up(frame, failure);
            }
            Ok(page) => self.prepare(frame, page),
            Err(failure) => self.give_up(frame, failure),
        }
    }

    /// Makes the inputs of child executions from a page of items.
    fn prepare(&mut self, frame: FrameId, page: Page) {
        let state = self.state_of(frame);
        let Kind::Map(map) = &state.kind else { return };
        // A page is one event.
        self.fuel.refill(self.program.limits.state_steps.saturating_mul(10));
        match self.page_of(frame, state, map, page) {
            Ok(Ok(page)) => {
                self.emit(frame, EventKind::MapRunPage(Box::new(page)));
                self.next_page(frame);
                // What is all of them decides what share of them has failed.
                self.map_run_updated(frame);
            }
            Ok(Err(most)) => self.page_again(frame, most),
            Err(error) => {
                let frame_now = self.execution.frame(frame);
                let has_children =
                    matches!(&frame_now.phase, Phase::MapRun(open) if open.has_children());
                if has_children {
                    let cause = self.cause(&frame_now.entry, &error);
                    self.give_up(frame, Failure::new(error.error, cause));
                } else {
                    self.evaluation_failed(frame, error);
                }
            }
        }
    }

    /// Takes a page again that has become too heavy, with so many items at most.
    fn page_again(&mut self, frame: FrameId, most: u32) {
        let Phase::MapRun(open) = &self.execution.frame(frame).phase else { return };
        let Some((from, _)) = open.wanted_page() else { return };
        let most = Some(most);
        match open.plan.reader.clone() {
            Some(request) => {
                let run = open.run;
                self.owe(Command::ReadItems { run, request, from, most });
            }
            None => {
                let page = Page::of_plan(&open.plan, from.as_ref(), most);
                self.prepare(frame, page);
            }
        }
    }

    /// The page that is recorded, or how many items it may have if these are too many.
    fn page_of(
        &self,
        frame: FrameId,
        state: &State,
        map: &Map,
        page: Page,
    ) -> Result<Result<MapPage, u32>, EvaluationError> {
        let Phase::MapRun(open) = &self.execution.frame(frame).phase else {
            unreachable!("items are read for a map run")
        };
        let (before, batch) = match &open.stage {
            RunStage::Running(children) => (children.items, children.batch.clone()),
            _ => (0, Array::new()),
        };
        let items = page.items.values.len() as u32;
        // One item is a page, whatever comes of it.
        let room = if items > 1 { PAGE_WEIGHT } else { self.program.limits.items_bytes };
        let selected = self.selected_within(frame, state, map, &page.items, before, room)?;
        if (selected.len() as u32) < items {
            return match selected.len() as u32 {
                0 if items == 1 => Err(EvaluationError::too_large()),
                fitting => Ok(Err(fitting.max(1))),
            };
        }
        let mut rest = batch.into_vec();
        rest.extend(selected);
        let (inputs, rest) = self.batched(frame, state, map, rest, page.next.is_none())?;
        let weight = weight(inputs.iter());
        if items > 1 && weight > PAGE_WEIGHT {
            let fitting = u64::from(items) * PAGE_WEIGHT as u64 / weight as u64;
            return Ok(Err((fitting as u32).clamp(1, items - 1)));
        }
        let most = self.program.limits.payload_bytes;
        inputs.iter().try_for_each(|input| EvaluationError::check(input, most))?;
        let is_written = map.result_writer.as_ref().is_some_and(|writer| writer.resource.is_some());
        let has_inputs = map.result_writer.is_some();
        // What the state's output has nothing of need not be kept for it.
        let is_dropped = state.language == Language::JsonPath
            && matches!(state.io.result_path, ResultPath::Discard)
            && state.io.result_selector.is_none()
            && state.io.assign.is_none();
        let keeps = match (is_written || is_dropped, has_inputs) {
            (true, _) => Keeps::Nothing,
            (false, true) => Keeps::Everything,
            (false, false) => Keeps::Results,
        };
        let (inputs, batch) = (inputs.into(), rest.into());
        Ok(Ok(MapPage { inputs, items, batch, next: page.next, keeps }))
    }

    /// The items as the selector makes them. Of the map run, so many were read before.
    pub(crate) fn selected(
        &self,
        frame: FrameId,
        state: &State,
        map: &Map,
        items: &Items,
        before: u32,
    ) -> Result<Vec<Json>, EvaluationError> {
        let room = self.program.limits.items_bytes;
        let selected = self.selected_within(frame, state, map, items, before, room)?;
        if selected.len() < items.values.len() {
            return Err(EvaluationError::too_large());
        }
        Ok(selected)
    }

    /// Like [`Self::selected`], of so many of the first items as weigh so much together.
    fn selected_within(
        &self,
        frame: FrameId,
        state: &State,
        map: &Map,
        items: &Items,
        before: u32,
        mut room: usize,
    ) -> Result<Vec<Json>, EvaluationError> {
        let mut selected = Vec::new();
        for (index, item) in items.values.iter().enumerate() {
            let source = items.source(index);
            let shown = Item::new(before + index as u32, item, items.of_object, source);
            let input = self.item_input(frame, state, map, item, shown)?;
            let measure = input.measure().ok_or_else(EvaluationError::too_deep)?;
            match room.checked_sub(measure.weight()) {
                Some(left) => room = left,
                None => break,
            }
            selected.push(input);
        }
        Ok(selected)
    }

    /// The items as the batcher bundles them, and those that do not fill a batch yet if more of
    /// them follow.
    pub(crate) fn batched(
        &self,
        frame: FrameId,
        state: &State,
        map: &Map,
        selected: Vec<Json>,
        is_last: bool,
    ) -> Result<(Vec<Json>, Vec<Json>), EvaluationError> {
        let Some(batcher) = &map.item_batcher else { return Ok((selected, Vec::new())) };
        let document = self.document(frame, &state.io)?;
        let most = self.count(frame, batcher.max_items.as_ref(), &document, "MaxItemsPerBatch")?;
        let bytes =
            self.count(frame, batcher.max_bytes.as_ref(), &document, "MaxInputBytesPerBatch")?;
        let batch_input = match &batcher.batch_input {
            Some(input) => Some(self.fill(frame, input, &document, More::default())?),
            None => None,
        };
        // A child's input has its limit, whatever a batch may have.
        let bytes = bytes.filter(|bytes| *bytes > 0).map_or(usize::MAX, |bytes| bytes as usize);
        let bytes = bytes.min(self.program.limits.payload_bytes);
        let mut room = self.program.limits.items_bytes;
        selected.iter().try_for_each(|item| take(&mut room, item))?;
        Ok(items::batches(selected, most, bytes, batch_input.as_ref(), is_last))
    }

    pub(crate) fn child_finished(
        &mut self,
        frame: FrameId,
        index: u32,
        result: Result<Json, Failure>,
    ) {
        let result = result.map_err(|failure| self.clipped(failure));
        self.emit(frame, EventKind::ChildFinished { index, result });
        self.map_run_updated(frame);
    }

    /// Gives a map run up that has failed more often than it may.
    pub(crate) fn map_run_updated(&mut self, frame: FrameId) {
        let Phase::MapRun(open) = &self.execution.frame(frame).phase else { return };
        if is_past_tolerance(open) {
            self.give_up(frame, past_tolerance());
        }
    }

    /// Fails a map run. What there is of results is written first.
    fn give_up(&mut self, frame: FrameId, failure: Failure) {
        let Phase::MapRun(open) = &self.execution.frame(frame).phase else { return };
        if !open.has_children() {
            return self.map_run_failed(frame, failure);
        }
        match self.write_request(frame, Some(&failure)) {
            Ok(Some(request)) => self.begin_writing(frame, request),
            Ok(None) | Err(_) => self.map_run_failed(frame, failure),
        }
    }

    fn children_done(&mut self, frame: FrameId) {
        let state = self.state_of(frame);
        let Kind::Map(map) = &state.kind else { return };
        let Phase::MapRun(open) = &self.execution.frame(frame).phase else { return };
        let Some(writer) = &map.result_writer else {
            self.map_run_succeeded(frame, None);
            return;
        };
        let RunStage::Running(children) = &open.stage else { return };
        if writer.resource.is_none() {
            let output = items::transformed(&open.arn, children, writer.transformation.as_deref());
            self.map_run_succeeded(frame, Some(output));
            return;
        }
        match self.write_request(frame, None) {
            Ok(Some(request)) => self.begin_writing(frame, request),
            Ok(None) => self.map_run_succeeded(frame, None),
            Err(error) => self.evaluation_failed(frame, error),
        }
    }

    /// What a result writer is asked that writes to an object store: see [`items::write`]. With a
    /// failure, the map run fails once the results are written.
    fn write_request(
        &self,
        frame: FrameId,
        failure: Option<&Failure>,
    ) -> Result<Option<Json>, EvaluationError> {
        let state = self.state_of(frame);
        let Kind::Map(map) = &state.kind else { return Ok(None) };
        let Phase::MapRun(open) = &self.execution.frame(frame).phase else { return Ok(None) };
        let Some(writer) = map.result_writer.as_ref().filter(|writer| writer.resource.is_some())
        else {
            return Ok(None);
        };
        let document = self.document(frame, &state.io)?;
        let parameters = match &writer.arguments {
            Some(arguments) => self.fill(frame, arguments, &document, More::default())?,
            None => Json::Object(Object::new()),
        };
        Ok(Some(items::write_request(writer, parameters, &open.arn, failure)))
    }

    fn begin_writing(&mut self, frame: FrameId, request: Json) {
        self.emit(frame, EventKind::MapRunWriting { request });
        let Phase::MapRun(open) = &self.execution.frame(frame).phase else { return };
        if let Some(command) = open.writing() {
            self.owe(command);
        }
    }

    pub(crate) fn results_written(&mut self, frame: FrameId, result: Result<Json, Failure>) {
        let Phase::MapRun(open) = &self.execution.frame(frame).phase else { return };
        let RunStage::Writing { request, .. } = &open.stage else { return };
        if let Some(failure) = items::failure_of(request) {
            self.map_run_failed(frame, failure);
            return;
        }
        match result {
            Ok(details) => {
                let mut output = Object::new();
                output.insert("MapRunArn", open.arn.clone().into());
                output.insert("ResultWriterDetails", details);
                self.map_run_succeeded(frame, Some(output.into()));
            }
            Err(failure) => self.map_run_failed(frame, failure),
        }
    }

    pub(crate) fn map_run_succeeded(&mut self, frame: FrameId, output: Option<Json>) {
        let Phase::MapRun(open) = &self.execution.frame(frame).phase else { return };
        let output = output.unwrap_or_else(|| match &open.stage {
            RunStage::Running(children) => children
                .kept
                .iter()
                .flatten()
                .map(|child| match &child.result {
                    Some(Ok(output)) => output.clone(),
                    Some(Err(failure)) => error_of(failure),
                    None => Json::Null,
                })
                .collect::<Vec<_>>()
                .into(),
            _ => Json::Null,
        });
        self.emit(frame, EventKind::MapRunSucceeded);
        let Phase::MapRun(open) = &self.execution.frame(frame).phase else { return };
        let event = open.event;
        self.emit_after(frame, event, EventKind::MapSucceeded);
        if self.program.vintage.exit_follows_map_run_end() {
            self.exit_after = Some(event);
        }
        self.map_finish(frame, output);
    }

    pub(crate) fn map_run_failed(&mut self, frame: FrameId, failure: Failure) {
        let failure = self.clipped(failure);
        self.emit(frame, EventKind::MapRunFailed { failure: failure.clone() });
        let last = self.execution.frame(frame).last;
        self.fail(frame, failure, &Origin { from_within: true, last, what: Failed::State });
    }
}

/// Takes the room that a value needs.
fn take(room: &mut usize, value: &Json) -> Result<(), EvaluationError> {
    let measure = value.measure().ok_or_else(EvaluationError::too_deep)?;
    *room = room.checked_sub(measure.weight()).ok_or_else(EvaluationError::too_large)?;
    Ok(())
}

/// More iterations failed than may.
pub(crate) fn past_tolerance() -> Failure {
    Failure::new(
        "States.ExceedToleratedFailureThreshold",
        "The specified tolerated failure threshold was exceeded",
    )
}

fn error_of(failure: &Failure) -> Json {
    let mut error = Object::new();
    error.insert("Error", failure.error.clone().map_or(Json::Null, Json::String));
    error.insert("Cause", failure.cause.clone().map_or(Json::Null, Json::String));
    error.into()
}

/// Whether more child executions failed than the state tolerates: none, unless it says so. What
/// share of them has failed is known once all items are read.
fn is_past_tolerance(open: &MapRun) -> bool {
    let RunStage::Running(children) = &open.stage else { return false };
    let failed = children.failed.len();
    if failed == 0 {
        return false;
    }
    let past_count = open.plan.tolerated_count.map(|count| failed > count);
    let past_percentage = open.plan.tolerated_percentage.map(|percentage| {
        // Items that need not be read, each of which is a child, are counted from the beginning.
        let is_counted = open.plan.reader.is_none() && children.items == children.count;
        let total = match children.cursor {
            Some(_) if is_counted => open.plan.items.len() as u32,
            _ => children.count,
        };
        let is_known = children.cursor.is_none() || is_counted || percentage <= 0.0;
        is_known && failed as f64 * 100.0 > percentage * f64::from(total)
    });
    match (past_count, past_percentage) {
        (None, None) => true,
        (count, percentage) => count.unwrap_or(false) || percentage.unwrap_or(false),
    }
}
