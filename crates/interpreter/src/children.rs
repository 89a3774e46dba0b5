//! The child executions of a map run, as their parent knows them. What it knows takes as much memory
//! as there are children that have not ended: those that have are counts, unless their results
//! become the state's output.

use crate::ranges::Ranges;
use std::collections::{BTreeMap, VecDeque};
use stepwright_history::{Failure, Keeps, MapPage, Moment};
use stepwright_json::{Array, Json};

/// How many bytes of memory the inputs of children that run take, before others wait for one of them
/// to end.
const MOST_HELD: usize = 8 << 20;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Children {
    /// How many there are so far, and of how many items.
    pub(crate) count: u32,
    pub(crate) items: u32,
    /// What the children begin with that have not begun; the first one is [`Self::next`].
    pub(crate) waiting: VecDeque<Json>,
    /// The children that run, with what they began with. One that runs again has its input in the
    /// history only.
    pub(crate) running: BTreeMap<u32, Option<Json>>,
    /// The bytes of memory that these inputs take.
    held: usize,
    /// How many have not ended, of those that there are so far.
    pub(crate) remaining: u32,
    pub(crate) failed: Ranges,
    /// The children that a redrive has to run again.
    pub(crate) again: Ranges,
    pub(crate) pages: Vec<Page>,
    /// How many items the last page had, and what the inputs weigh that came of them.
    last_page: (u32, usize),
    /// Items that do not fill a batch yet.
    pub(crate) batch: Array,
    /// Where the next page begins; `None` once everything is read.
    pub(crate) cursor: Option<Json>,
    /// What becomes of the children that are in the state's output.
    pub(crate) kept: Option<Vec<Kept>>,
}

/// Where a page of inputs is in the history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Page {
    /// The index of its first child.
    pub(crate) first: u32,
    /// How many events were recorded before it.
    pub(crate) recorded: u64,
}

/// What is kept of a child whose result is in the state's output.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    /// What it began with, if that is in the output, too.
    pub(crate) input: Option<Json>,
    pub(crate) result: Option<Result<Json, Failure>>,
    pub(crate) run: ChildRun,
}

/// When a child execution ran.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct ChildRun {
    pub(crate) started: Option<Moment>,
    pub(crate) stopped: Option<Moment>,
    pub(crate) redrives: u32,
}

impl ChildRun {
    /// The child begins, or begins again.
    pub(crate) fn start(&mut self, at: Moment) {
        self.redrives += u32::from(self.started.is_some());
        self.started.get_or_insert(at);
        self.stopped = None;
    }
}

impl Children {
    pub(crate) fn new(keeps: Keeps) -> Self {
        Self {
            count: 0,
            items: 0,
            waiting: VecDeque::new(),
            running: BTreeMap::new(),
            held: 0,
            remaining: 0,
            failed: Ranges::default(),
            again: Ranges::default(),
            pages: Vec::new(),
            batch: Array::new(),
            cursor: None,
            kept: (keeps != Keeps::Nothing).then(Vec::new),
            last_page: (0, 0),
        }
    }

    /// The index of the next child that has never begun.
    pub(crate) fn next(&self) -> u32 {
        self.count - self.waiting.len() as u32
    }

    /// Whether all have ended, and there will be no others.
    pub(crate) fn is_done(&self) -> bool {
        self.remaining == 0 && self.cursor.is_none()
    }

    /// Whether the next page is to be read: early enough that children need not wait for it.
    pub(crate) fn wants_page(&self) -> bool {
        let last = self.pages.last().map_or(0, |page| self.count - page.first);
        self.cursor.is_some() && self.waiting.len() <= last as usize / 2
    }

    /// The child that begins next, if so many may run at once.
    pub(crate) fn startable(&self, most: usize) -> Option<u32> {
        let has_room =
            self.running.is_empty() || (self.running.len() < most && self.held < MOST_HELD);
        if !has_room {
            return None;
        }
        self.again.first().or_else(|| (!self.waiting.is_empty()).then(|| self.next()))
    }

    /// How many items the next page has at most, so that the inputs that come of them weigh `most`, if
    /// they are like those of the last page.
    pub(crate) fn next_items(&self, most: usize) -> Option<u32> {
        let (items, weight) = self.last_page;
        let fitting = (u64::from(items) * most as u64).checked_div(weight as u64)?;
        Some(u32::try_from(fitting).unwrap_or(u32::MAX).max(1))
    }

    pub(crate) fn add(&mut self, page: &MapPage, recorded: u64) {
        self.pages.push(Page { first: self.count, recorded });
        self.count += page.inputs.len() as u32;
        self.remaining += page.inputs.len() as u32;
        self.items += page.items;
        self.last_page = (page.items, weight(page.inputs.iter()));
        self.waiting.extend(page.inputs.iter().cloned());
        self.batch = page.batch.clone();
        self.cursor.clone_from(&page.next);
        if let Some(kept) = &mut self.kept {
            kept.extend(page.inputs.iter().map(|input| Kept {
                input: (page.keeps == Keeps::Everything).then(|| input.clone()),
                result: None,
                run: ChildRun::default(),
            }));
        }
    }

    pub(crate) fn started(&mut self, index: u32, at: Moment) -> Result<(), &'static str> {
        // A redrive starts children again that were started before.
        let input = if self.again.remove(index) {
            None
        } else if index == self.next()
            && let Some(input) = self.waiting.pop_front()
        {
            Some(input)
        } else {
            return Err("it is not the turn of this child execution");
        };
        self.held += memory(input.as_ref());
        self.running.insert(index, input);
        if let Some(kept) = self.kept_mut(index) {
            kept.run.start(at);
        }
        Ok(())
    }

    pub(crate) fn finished(
        &mut self,
        index: u32,
        result: &Result<Json, Failure>,
        at: Moment,
    ) -> Result<(), &'static str> {
        let Some(input) = self.running.remove(&index) else {
            return Err("the child execution does not run");
        };
        self.held -= memory(input.as_ref());
        self.remaining -= 1;
        if result.is_err() {
            self.failed.insert(index);
        }
        if let Some(kept) = self.kept_mut(index) {
            kept.result = Some(result.clone());
            kept.run.stopped = Some(at);
        }
        Ok(())
    }

    /// Has those that failed, or were given up, run again.
    pub(crate) fn mend(&mut self) {
        self.remaining += self.failed.len() as u32;
        for index in std::mem::take(&mut self.failed).iter() {
            self.again.insert(index);
            if let Some(kept) = self.kept_mut(index) {
                kept.result = None;
            }
        }
        self.again.extend(std::mem::take(&mut self.running).into_keys());
        self.held = 0;
    }

    /// The page that holds the input of a child.
    pub(crate) fn page_of(&self, index: u32) -> Option<Page> {
        page_of(&self.pages, index)
    }

    fn kept_mut(&mut self, index: u32) -> Option<&mut Kept> {
        self.kept.as_mut()?.get_mut(index as usize)
    }
}

/// The page, of some, that holds the input of a child.
pub(crate) fn page_of(pages: &[Page], index: u32) -> Option<Page> {
    let at = pages.partition_point(|page| page.first <= index);
    pages.get(at.checked_sub(1)?).copied()
}

/// What values weigh together.
pub(crate) fn weight<'v>(values: impl Iterator<Item = &'v Json>) -> usize {
    values.filter_map(Json::measure).map(|measure| measure.weight()).sum()
}

fn memory(input: Option<&Json>) -> usize {
    input.and_then(Json::measure).map_or(0, |measure| measure.memory)
}
