//! The test of one state: what stands in for the world, and what is seen on the way.

use crate::items::{self, Items, Listing, ObjectInfo, ObjectRequest, Objects, Opened, Piece};
use crate::turn::Stepper;
use crate::view::More;
use std::cell::{Cell, RefCell};
use stepwright_history::{Failure, FrameId};
use stepwright_json::{Array, Json, Str};
use stepwright_program::{EvaluationError, Language, Map, Parallel, State, Transition};

/// What a test of one state puts in the place of the world, and what it saw: see
/// [`inspect`](crate::inspect).
#[derive(Debug, Default)]
pub struct Inspection {
    /// The state that is tested. Nothing runs after it.
    pub state: Str,
    /// The context object, instead of the execution's own.
    pub context: Option<Json>,
    /// What the branches or iterations of the state come to. A task is answered by stimuli.
    pub mock: Option<Result<Json, Failure>>,
    /// The text that the item reader finds at its source.
    pub reader_data: Option<String>,
    /// How many iterations of a Map failed.
    pub failed_iterations: u64,
    /// How often the retrier that applies has tried before.
    pub tries: u32,
    seen: RefCell<Seen>,
    is_done: Cell<bool>,
}

/// What was seen while a state was tested: the fields of AWS's `InspectionData`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The input after `InputPath`. JSONPath only, as all that a path does.
    pub after_input_path: Option<Json>,
    /// The input after `Parameters` or `Arguments`.
    pub after_arguments: Option<Json>,
    /// The items after `ItemsPath`.
    pub after_items_path: Option<Json>,
    /// The items after the reader's `ItemsPointer`.
    pub after_items_pointer: Option<Json>,
    /// The inputs of the iterations after `ItemSelector`.
    pub after_item_selector: Option<Json>,
    /// The inputs of the iterations after `ItemBatcher`.
    pub after_item_batcher: Option<Json>,
    /// How many iterations there are.
    pub iterations: Option<u64>,
    /// How many iterations of a Map run at once; 0 for any number.
    pub max_concurrency: Option<u32>,
    /// How many iterations may fail.
    pub tolerated_count: Option<u64>,
    /// How many percent of the iterations may fail.
    pub tolerated_percentage: Option<f64>,
    /// The state's raw result.
    pub result: Option<Json>,
    /// The result after `ResultSelector`.
    pub after_result_selector: Option<Json>,
    /// The result in its place in the input.
    pub after_result_path: Option<Json>,
    /// What went wrong, as retriers and catchers see it.
    pub failure: Option<Failure>,
    /// Which retrier is for the failure.
    pub retrier: Option<usize>,
    /// How long that retrier waits, in seconds, if it tries again.
    pub backoff_seconds: Option<f64>,
    /// Which catcher took the failure.
    pub catcher: Option<usize>,
}

impl Inspection {
    /// The test of the state of this name.
    pub fn of(state: impl Into<Str>) -> Self {
        Self { state: state.into(), ..Self::default() }
    }

    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Whether nothing is to run any more.
    pub(crate) fn is_done(&self) -> bool {
        self.is_done.get()
    }

    /// A state is entered: what was seen belongs to others, or the test is over.
    pub(crate) fn enters(&self, state: &str) {
        if state == self.state {
            self.seen.take();
        }
    }

    /// A state was left.
    pub(crate) fn leaves(&self, state: &str) {
        if state == self.state {
            self.is_done.set(true);
        }
    }
}

impl Stepper<'_> {
    /// Notes something for whoever tests a state.
    pub(crate) fn see(&self, note: impl FnOnce(&mut Seen)) {
        if let Some(inspection) = self.inspection {
            note(&mut inspection.seen.borrow_mut());
        }
    }

    /// A Parallel state whose branches come to what a mock says.
    pub(crate) fn tested_parallel(
        &mut self,
        frame: FrameId,
        state: &State,
        parallel: &Parallel,
        outcome: Result<Json, Failure>,
    ) -> Result<(), EvaluationError> {
        let document = self.document(frame, &state.io)?;
        if let Some(arguments) = &state.io.arguments {
            self.fill(frame, arguments, &document, More::default())?;
        }
        self.come_to(frame, state, outcome, parallel.next)
    }

    /// A Map state whose iterations come to what a mock says.
    pub(crate) fn tested_map(
        &mut self,
        frame: FrameId,
        state: &State,
        map: &Map,
        inspection: &Inspection,
        outcome: Result<Json, Failure>,
    ) -> Result<(), EvaluationError> {
        let Some((plan, checked)) = self.map_plan(frame, state, map)? else {
            return Err(EvaluationError::runtime("MaxConcurrency cannot be negative."));
        };
        checked?;
        let items = match (&plan.reader, &inspection.reader_data) {
            (Some(request), Some(text)) => match items::read(request, &Given(text)) {
                Ok(items) => items,
                Err(failure) => {
                    self.state_failed(frame, failure);
                    return Ok(());
                }
            },
            _ => Items::of_plan(&plan),
        };
        if map.item_reader.as_ref().is_some_and(|reader| reader.items_pointer.is_some()) {
            self.see(|seen| seen.after_items_pointer = Some(items.values.clone().into()));
        } else if state.language == Language::JsonPath {
            self.see(|seen| seen.after_items_path = Some(items.values.clone().into()));
        }
        self.see(|seen| {
            seen.max_concurrency = Some(plan.max_concurrency);
            seen.tolerated_count = plan.tolerated_count;
            seen.tolerated_percentage = plan.tolerated_percentage;
        });
        let selected = self.selected(frame, state, map, &items, 0)?;
        if map.item_selector.is_some() {
            self.see(|seen| seen.after_item_selector = Some(selected.clone().into()));
        }
        let (inputs, _) = self.batched(frame, state, map, selected, true)?;
        if map.item_batcher.is_some() {
            self.see(|seen| seen.after_item_batcher = Some(inputs.clone().into()));
        }
        let total = inputs.len() as u64;
        self.see(|seen| seen.iterations = Some(total));
        let failed = inspection.failed_iterations;
        let past_count = plan.tolerated_count.is_some_and(|most| failed > most);
        let past_percentage = plan
            .tolerated_percentage
            .is_some_and(|most| failed as f64 * 100.0 > most * total as f64);
        if outcome.is_ok() && (past_count || past_percentage) {
            self.state_failed(frame, super::states::past_tolerance());
            return Ok(());
        }
        self.come_to(frame, state, outcome, map.next)
    }

    fn come_to(
        &mut self,
        frame: FrameId,
        state: &State,
        outcome: Result<Json, Failure>,
        next: Transition,
    ) -> Result<(), EvaluationError> {
        match outcome {
            Ok(result) => {
                let (output, assigned) = self.finish(frame, state, result)?;
                self.exit(frame, output, assigned, next)
            }
            Err(failure) => {
                self.state_failed(frame, failure);
                Ok(())
            }
        }
    }
}

/// An object store with one text at every place.
struct Given<'t>(&'t str);

impl Objects for Given<'_> {
    fn open(&self, object: ObjectRequest<'_>) -> Result<Opened, String> {
        Ok(Opened::of(self.0.as_bytes(), String::new(), object.from))
    }

    fn list(&self, listing: Listing<'_>) -> Result<Vec<ObjectInfo>, String> {
        let listed = stepwright_json::parse(self.0).map_err(|error| error.to_string())?;
        let objects =
            listed.as_array().cloned().or_else(|| listed.get("Contents")?.as_array().cloned());
        let objects: Array = objects.ok_or("the listing is no array of objects")?;
        let is_after =
            |one: &ObjectInfo| listing.after.is_none_or(|after| one.key.as_str() > after);
        Ok(objects.iter().map(info).filter(is_after).collect())
    }

    fn append(&mut self, _bucket: &str, _key: &str, _piece: Piece<'_>) -> Result<(), String> {
        Err("a tested state writes nothing".to_owned())
    }
}

fn info(object: &Json) -> ObjectInfo {
    let text = |key| object.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
    let number = |key| object.get(key).and_then(Json::as_i64).unwrap_or_default();
    ObjectInfo {
        key: text("Key"),
        size: number("Size").unsigned_abs(),
        etag: text("Etag"),
        last_modified: number("LastModified"),
    }
}
