use super::task::plain;
use crate::Command;
use crate::context::STATE_DATA;
use crate::execution::Phase;
use crate::items::{Item, Items};
use crate::turn::Stepper;
use crate::view::More;
use stepwright_history::{EventKind, FrameId, MapPlan};
use stepwright_json::{Array, Json};
use stepwright_program::{
    EvaluationError, Kind, Language, Map, NumberField, PathExpression, State, Template,
};

/// How long a Map state with a negative concurrency stalls: as long as AWS lets any execution live.
const STALL_MILLIS: i64 = 365 * 86_400_000;

impl Stepper<'_> {
    pub(crate) fn map(
        &mut self,
        frame: FrameId,
        state: &State,
        map: &Map,
    ) -> Result<(), EvaluationError> {
        let Some((mut plan, checked)) = self.map_plan(frame, state, map)? else {
            // AWS takes a negative concurrency, and then never starts an iteration. We give up
            // after a year.
            let due = self.at.after_millis(STALL_MILLIS);
            let timer = self.new_timer();
            self.emit(frame, EventKind::WaitStarted { due, timer });
            self.owe(Command::WakeAt { timer, due });
            return Ok(());
        };
        let length = plan.items.len() as u32;
        if checked.is_err() {
            plan.items = Array::new();
        }
        let is_whole = self.is_whole(frame) && !plan.distributed;
        let items = is_whole.then(|| Items::of_plan(&plan));
        self.emit(frame, EventKind::MapStarted { length, plan: Box::new(plan) });
        checked?;
        if let Some(items) = items {
            // What no iteration could begin with fails here, too.
            self.selected(frame, state, map, &items, 0)?;
            let input = self.document(frame, &state.io)?;
            self.ask_whole(frame, input);
        }
        Ok(())
    }

    /// What a Map state is going to do, and what it will stumble over when it has begun; None for
    /// one that never begins.
    #[expect(clippy::type_complexity, reason = "the two outcomes come at different times")]
    pub(crate) fn map_plan(
        &self,
        frame: FrameId,
        state: &State,
        map: &Map,
    ) -> Result<Option<(MapPlan, Result<(), EvaluationError>)>, EvaluationError> {
        let document = self.document(frame, &state.io)?;
        let items = match &map.item_reader {
            Some(_) => Items::default(),
            None => self.items(frame, state, map, &document)?,
        };
        let count = |wrong: &'static str, kind: &'static str| {
            move |path: &PathExpression, value: &Json| {
                format!(
                    "The {wrong}Path field refers to value \"{}\" which is not a valid {kind}: {}",
                    plain(value),
                    path.text
                )
            }
        };
        let number = |this: &Self, field: &Option<NumberField>, wrong, kind| {
            field
                .as_ref()
                .map(|field| this.number(frame, field, &document, count(wrong, kind)))
                .transpose()
        };
        let concurrency =
            number(self, &map.max_concurrency, "MaxConcurrency", "integer")?.unwrap_or(0.0);
        if concurrency < 0.0 {
            return Ok(None);
        }
        // These AWS looks at only after it has recorded the start.
        let tolerated_count =
            number(self, &map.tolerated_failure_count, "ToleratedFailureCount", "integer");
        let tolerated_percentage =
            number(self, &map.tolerated_failure_percentage, "ToleratedFailurePercentage", "float");
        let checked = || -> Result<_, EvaluationError> {
            let (count, percentage) = (tolerated_count?, tolerated_percentage?);
            if count.is_some_and(|count| count < 0.0) {
                return Err(EvaluationError::runtime("ToleratedFailureCount cannot be negative."));
            }
            if percentage.is_some_and(|percentage| !(0.0..=100.0).contains(&percentage)) {
                return Err(EvaluationError::runtime(
                    "ToleratedFailurePercentage must be between 0 and 100.",
                ));
            }
            Ok((count.map(|count| count as u64), percentage))
        };
        let checked = checked();
        let reader = match &map.item_reader {
            Some(reader) => Some(self.read_request(frame, reader, &document)?),
            None => None,
        };
        let (tolerated_count, tolerated_percentage) = checked.clone().unwrap_or_default();
        let plan = MapPlan {
            items: items.values,
            of_object: items.of_object,
            first: map.processor.start.0,
            max_concurrency: concurrency as u32,
            distributed: map.processor.distributed,
            tolerated_count,
            tolerated_percentage,
            reader,
        };
        Ok(Some((plan, checked.map(|_| ()))))
    }

    fn items(
        &self,
        frame: FrameId,
        state: &State,
        map: &Map,
        document: &Json,
    ) -> Result<Items, EvaluationError> {
        // `ItemsPath` may lead to an object only where iterations are child executions.
        let takes_objects = self.program.vintage.maps_go_over_objects()
            && (state.language == Language::Jsonata || map.processor.distributed);
        let items = |value: &Json| match value {
            Json::Object(_) if !takes_objects => None,
            value => Items::of(value.clone()),
        };
        if state.language == Language::Jsonata {
            let no_array = |value: &Json| {
                let cause = format!("Map state input must be an array but was: {value}");
                EvaluationError::query(cause, None)
            };
            let Some(template) = &map.items else {
                return items(document).ok_or_else(|| no_array(document));
            };
            let most = self.program.limits.evaluation_bytes;
            let value = self.fill_within(frame, template, document, most)?;
            return items(&value).ok_or_else(|| match template {
                Template::Expression(expression) => expression.unexpected("array", &value),
                _ => no_array(&value),
            });
        }
        let (value, text) = match &map.items_path {
            Some(path) => {
                (path.evaluate(&self.view(frame, document, More::default()))?, path.text.as_str())
            }
            None => (document.clone(), "$"),
        };
        items(&value).ok_or_else(|| {
            // AWS leaves out that a path starts from the context object.
            EvaluationError::runtime(format!(
                "Reference path \"{}\" must point to array.",
                text.strip_prefix('$').filter(|rest| rest.starts_with('$')).unwrap_or(text)
            ))
        })
    }

    /// The input of an iteration: the item, or what the selector makes of it.
    pub(crate) fn item_input(
        &self,
        frame: FrameId,
        state: &State,
        map: &Map,
        item: &Json,
        shown: Item<'_>,
    ) -> Result<Json, EvaluationError> {
        let Some(selector) = &map.item_selector else { return Ok(item.clone()) };
        let document = self.document(frame, &state.io)?;
        let more = More { item: Some(shown), ..More::default() };
        self.fill(frame, selector, &document, more)
    }

    /// Starts the next iteration, or leaves the state when all are done.
    pub(crate) fn map_advance(&mut self, frame: FrameId) {
        let state = self.state_of(frame);
        let Kind::Map(map) = &state.kind else { return };
        let Phase::Map(open) = &self.execution.frame(frame).phase else { return };
        if open.can_start() {
            let index = open.next;
            // One that waited for its turn follows the one that made room for it.
            let limit = open.plan.max_concurrency;
            let previous = if limit == 0 || index < limit { open.started } else { open.cursor };
            let item = open.plan.items[index as usize].clone();
            let name = self.execution.frame(frame).entry.name.clone();
            let shown = Item::new(index, &item, open.plan.of_object, Some(STATE_DATA));
            match self.item_input(frame, state, map, &item, shown) {
                Ok(input) => {
                    let kind = EventKind::MapIterationStarted { index, name, input };
                    self.emit_after(frame, previous, kind);
                }
                Err(error) => self.evaluation_failed(frame, error),
            }
            return;
        }
        let results = open
            .results
            .iter()
            .map(|result| result.clone().unwrap_or_default())
            .collect::<Vec<_>>();
        self.emit(frame, EventKind::MapSucceeded);
        self.map_finish(frame, results.into());
    }

    /// Leaves the state after `MapSucceeded`.
    pub(crate) fn map_finish(&mut self, frame: FrameId, result: Json) {
        let succeeded = self.execution.shown;
        let state = self.state_of(frame);
        let Kind::Map(map) = &state.kind else { return };
        let left = self
            .finish(frame, state, result)
            .and_then(|(output, assigned)| self.exit(frame, output, assigned, map.next));
        if let Err(error) = left {
            self.evaluation_failed_after(frame, error, succeeded);
        }
    }
}
