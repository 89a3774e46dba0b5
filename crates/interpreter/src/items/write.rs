//! Writing the results of a distributed Map: a record for each child execution, in files by status,
//! and a manifest that names the files. The results are read from the history, and written as they
//! are read.

use super::records::{Child, Names, Outcome, Recorded, Records, Standing};
use super::{Objects, Piece};
use crate::children::ChildRun;
use crate::recorded_input;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, VecDeque};
use stepwright_history::{Event, EventKind, Failure};
use stepwright_json::{Json, Object, Str};
use stepwright_program::ResultWriter;

/// How large a file grows before the next one is begun, in bytes. AWS does not say how large its
/// files are.
const FILE: u64 = 64 << 20;

/// How much text is handed on at once, in bytes.
const PIECE: usize = 256 << 10;

/// How many bytes of records wait for those of the children before them. Records are in the order of
/// the items as far as these suffice.
const MOST_AHEAD: usize = 4 << 20;

/// The history of an execution, as a writer of results reads it.
pub trait Journal {
    /// The events that follow the first `after` ones, as many as are at hand: none only if there
    /// are no more.
    fn events(&mut self, after: u64) -> Result<Vec<Event>, String>;
}

/// How many of the events in memory are at hand.
const AT_HAND: usize = 500;

impl Journal for &[Event] {
    fn events(&mut self, after: u64) -> Result<Vec<Event>, String> {
        let rest = self.get(after as usize..).unwrap_or_default();
        Ok(rest[..rest.len().min(AT_HAND)].to_vec())
    }
}

/// What a [`crate::Command::WriteResults`] asks.
pub(crate) fn write_request(
    writer: &ResultWriter,
    parameters: Json,
    map_run: &Str,
    failure: Option<&Failure>,
) -> Json {
    let mut request = Object::new();
    request.insert("MapRunArn", map_run.clone().into());
    request.insert("Parameters", parameters);
    if let Some(transformation) = &writer.transformation {
        request.insert("Transformation", transformation.clone().into());
    }
    if let Some(output_type) = &writer.output_type {
        request.insert("OutputType", output_type.clone().into());
    }
    if let Some(failure) = failure {
        request.insert("Error", failure.error.clone().unwrap_or_default().into());
        request.insert("Cause", failure.cause.clone().unwrap_or_default().into());
    }
    request.into()
}

/// Why the map run fails once its results are written, if it does.
pub(crate) fn failure_of(request: &Json) -> Option<Failure> {
    let text = |key: &str| request.get(key).and_then(Json::as_str);
    Some(Failure::new(text("Error")?, text("Cause").unwrap_or_default()))
}

/// Writes the results of a map run as a request asks: the files of each status, and the manifest
/// that names them. Gives back the `ResultWriterDetails`. Done again, it writes the same objects.
pub fn write(
    request: &Json,
    records: &Records,
    journal: &mut dyn Journal,
    objects: &mut dyn Objects,
) -> Result<Json, Failure> {
    let failed = |cause: String| Failure::new("States.ResultWriterFailed", cause);
    let parameters = request.get("Parameters").and_then(Json::as_object);
    for (key, value) in parameters.into_iter().flat_map(Object::iter) {
        if !matches!(key.as_str(), "Bucket" | "Prefix") {
            let why = format!("The parameter '{key}' of a ResultWriter is not supported");
            return Err(failed(why));
        }
        if value.as_str().is_none() {
            let why = format!("The parameter '{key}' of a ResultWriter must be a string");
            return Err(failed(why));
        }
    }
    let text = |key: &str| parameters.and_then(|p| p.get(key)).and_then(Json::as_str);
    let bucket = text("Bucket").unwrap_or_default();
    let prefix = text("Prefix").unwrap_or_default().trim_end_matches('/');
    let id = records.map_run.rsplit(':').next().unwrap_or_default();
    let folder = if prefix.is_empty() { id.to_owned() } else { format!("{prefix}/{id}") };
    let mut files = Files {
        names: Names::of(&records.map_run),
        bucket,
        folder: &folder,
        transformation: request.get("Transformation").and_then(Json::as_str).unwrap_or("NONE"),
        is_lines: request.get("OutputType").and_then(Json::as_str) == Some("JSONL"),
        objects: &mut *objects,
        written: BTreeMap::new(),
        ahead: BTreeMap::new(),
        bytes_ahead: 0,
        upto: 0,
    };
    match &records.children {
        Recorded::There(standing) => {
            Told::new(standing, journal).tell(&mut files).map_err(failed)?;
        }
        Recorded::InRequest(children) => {
            for (index, (input, result)) in children.iter().enumerate() {
                let child = Child {
                    index: index as u32,
                    input,
                    result: result.as_ref(),
                    run: ChildRun::default(),
                    is_stopped: false,
                };
                files.add(&child).map_err(failed)?;
            }
        }
    }
    let listed = files.finish().map_err(failed)?;
    let key = format!("{folder}/manifest.json");
    let mut manifest = Object::new();
    manifest.insert("DestinationBucket", bucket.into());
    manifest.insert("MapRunArn", records.map_run.clone().into());
    manifest.insert("ResultFiles", listed);
    let manifest = Json::Object(manifest).to_string();
    let whole = Piece { bytes: manifest.as_bytes(), is_first: true, is_last: true };
    objects.append(bucket, &key, whole).map_err(failed)?;
    let mut details = Object::new();
    details.insert("Bucket", bucket.into());
    details.insert("Key", key.into());
    Ok(details.into())
}

/// What the history tells of the children of a map run.
struct Told<'w> {
    standing: &'w Standing,
    journal: &'w mut dyn Journal,
    /// The inputs of those that have not begun yet, and the index of the first.
    waiting: VecDeque<Json>,
    next: u32,
    /// Those that have begun, with their inputs, where these were read.
    open: FxHashMap<u32, (Option<Json>, ChildRun)>,
    /// Those that have failed, and may begin again.
    failed: FxHashMap<u32, ChildRun>,
    redrives: u32,
    /// The page that was looked up last, by the number of events before it.
    page: Option<(u64, Event)>,
}

impl<'w> Told<'w> {
    fn new(standing: &'w Standing, journal: &'w mut dyn Journal) -> Self {
        Self {
            standing,
            journal,
            waiting: VecDeque::new(),
            next: 0,
            open: FxHashMap::default(),
            failed: FxHashMap::default(),
            redrives: 0,
            page: None,
        }
    }

    /// Adds all children to the files.
    fn tell(mut self, files: &mut Files<'_>) -> Result<(), String> {
        let Some(first) = self.standing.pages.first() else { return Ok(()) };
        let (mut at, mut frame) = (first.recorded, None);
        loop {
            let events = self.journal.events(at)?;
            if events.is_empty() {
                break;
            }
            at += events.len() as u64;
            for event in events {
                // The first event is the map run's first page.
                if *frame.get_or_insert(event.frame) == event.frame {
                    self.take(event, files)?;
                }
            }
        }
        self.rest(files)
    }

    fn take(&mut self, event: Event, files: &mut Files<'_>) -> Result<(), String> {
        match event.kind {
            EventKind::MapRunItems { inputs } => self.waiting.extend(inputs.into_vec()),
            EventKind::MapRunPage(page) => self.waiting.extend(page.inputs.into_vec()),
            EventKind::ChildStarted { index } => {
                let open = if index == self.next {
                    self.next += 1;
                    (self.waiting.pop_front(), ChildRun::default())
                } else {
                    let before = self.open.remove(&index).map(|(_, run)| run);
                    (None, before.or_else(|| self.failed.remove(&index)).unwrap_or_default())
                };
                self.open.entry(index).or_insert(open).1.start(event.at);
            }
            EventKind::ChildFinished { index, result } => {
                let Some((input, mut run)) = self.open.remove(&index) else { return Ok(()) };
                run.stopped = Some(event.at);
                if result.is_err() && self.redrives < self.standing.redrives {
                    // It runs again, or was to.
                    self.failed.insert(index, run);
                    return Ok(());
                }
                let input = self.input(index, input)?;
                files.add(&Child {
                    index,
                    input: &input,
                    result: Some(&result),
                    run,
                    is_stopped: false,
                })?;
            }
            EventKind::MapRunRedriven { .. } => self.redrives += 1,
            _ => {}
        }
        Ok(())
    }

    /// Adds those that have not ended: they are stopped, or did not begin.
    fn rest(mut self, files: &mut Files<'_>) -> Result<(), String> {
        let standing = self.standing;
        let waiting = std::mem::take(&mut self.waiting);
        for index in &standing.running {
            let (input, run) = self.open.remove(index).unwrap_or_default();
            let input = self.input(*index, input)?;
            files.add(&Child {
                index: *index,
                input: &input,
                result: None,
                run,
                is_stopped: true,
            })?;
        }
        for index in standing.again.iter() {
            let before = self.open.remove(&index).map(|(_, run)| run);
            let run = before.or_else(|| self.failed.remove(&index)).unwrap_or_default();
            let input = self.input(index, None)?;
            files.add(&Child { index, input: &input, result: None, run, is_stopped: false })?;
        }
        for (index, input) in (self.next..).zip(&waiting) {
            let run = ChildRun::default();
            files.add(&Child { index, input, result: None, run, is_stopped: false })?;
        }
        Ok(())
    }

    /// What a child has begun with, looked up if it is not at hand.
    fn input(&mut self, index: u32, at_hand: Option<Json>) -> Result<Json, String> {
        if let Some(input) = at_hand {
            return Ok(input);
        }
        let gone = || format!("the history has no input for the child execution {index}");
        let page = self.standing.page_of(index).ok_or_else(gone)?;
        if self.page.as_ref().is_none_or(|(recorded, _)| *recorded != page.recorded) {
            let event = self.journal.events(page.recorded)?.into_iter().next().ok_or_else(gone)?;
            self.page = Some((page.recorded, event));
        }
        let found =
            self.page.as_ref().and_then(|(_, event)| recorded_input(event, index - page.first));
        found.cloned().ok_or_else(gone)
    }
}

/// The files that are written, of all statuses.
struct Files<'w> {
    names: Names,
    bucket: &'w str,
    folder: &'w str,
    transformation: &'w str,
    is_lines: bool,
    objects: &'w mut dyn Objects,
    written: BTreeMap<Outcome, Written>,
    /// The records that wait for those before them: by index, their status and text.
    ahead: BTreeMap<u32, (Outcome, Vec<String>)>,
    bytes_ahead: usize,
    /// The children before this one have been written.
    upto: u32,
}

/// The files of a status.
#[derive(Default)]
struct Written {
    /// Those that are finished, as the manifest lists them.
    files: Vec<Json>,
    /// What is not handed on yet of the file that is being written.
    text: String,
    /// How many bytes of the file were handed on.
    sent: u64,
    has_begun: bool,
}

impl Files<'_> {
    /// Adds a child. Its record is written when those before it have been, or when too many wait.
    fn add(&mut self, child: &Child<'_>) -> Result<(), String> {
        let mut texts = Vec::new();
        child.contribute(&mut self.names, self.transformation, &mut |text| texts.push(text));
        if child.index < self.upto {
            return self.say(child.outcome(), texts);
        }
        self.bytes_ahead += texts.iter().map(String::len).sum::<usize>();
        self.ahead.insert(child.index, (child.outcome(), texts));
        while let Some(first) = self.ahead.first_entry()
            && (*first.key() == self.upto || self.bytes_ahead > MOST_AHEAD)
        {
            let (index, (outcome, texts)) = first.remove_entry();
            self.upto = index + 1;
            self.bytes_ahead -= texts.iter().map(String::len).sum::<usize>();
            self.say(outcome, texts)?;
        }
        Ok(())
    }

    fn say(&mut self, outcome: Outcome, texts: Vec<String>) -> Result<(), String> {
        for text in texts {
            let written = self.written.entry(outcome).or_default();
            let size = written.sent + (written.text.len() + text.len()) as u64;
            if written.has_begun && size >= FILE {
                self.close(outcome)?;
            }
            let written = self.written.entry(outcome).or_default();
            if !self.is_lines {
                written.text.push(if written.has_begun { ',' } else { '[' });
            }
            written.has_begun = true;
            written.text.push_str(&text);
            if self.is_lines {
                written.text.push('\n');
            }
            if written.text.len() >= PIECE {
                self.send(outcome, false)?;
            }
        }
        Ok(())
    }

    /// Hands on what there is of a file.
    fn send(&mut self, outcome: Outcome, is_last: bool) -> Result<(), String> {
        let key = self.key(outcome);
        let written = self.written.entry(outcome).or_default();
        let bytes = written.text.as_bytes();
        let piece = Piece { bytes, is_first: written.sent == 0, is_last };
        self.objects.append(self.bucket, &key, piece)?;
        written.sent += bytes.len() as u64;
        written.text.clear();
        Ok(())
    }

    /// Finishes the file that is being written.
    fn close(&mut self, outcome: Outcome) -> Result<(), String> {
        let key = self.key(outcome);
        if !self.is_lines {
            self.written.entry(outcome).or_default().text.push(']');
        }
        self.send(outcome, true)?;
        let written = self.written.entry(outcome).or_default();
        let mut file = Object::new();
        file.insert("Key", key.into());
        file.insert("Size", Json::Int(written.sent as i64));
        written.files.push(file.into());
        (written.sent, written.has_begun) = (0, false);
        Ok(())
    }

    /// The key of the file that is being written.
    fn key(&self, outcome: Outcome) -> String {
        let extension = if self.is_lines { "jsonl" } else { "json" };
        let number = self.written.get(&outcome).map_or(0, |written| written.files.len());
        format!("{}/{}_{number}.{extension}", self.folder, outcome.name())
    }

    /// Writes what is left. Gives back the lists of files by status.
    fn finish(mut self) -> Result<Json, String> {
        for (_, (outcome, texts)) in std::mem::take(&mut self.ahead) {
            self.say(outcome, texts)?;
        }
        let mut listed = Object::new();
        for outcome in Outcome::ALL {
            if self.written.get(&outcome).is_some_and(|written| written.has_begun) {
                self.close(outcome)?;
            }
            let written = self.written.remove(&outcome).unwrap_or_default();
            listed.insert(outcome.name(), written.files.into());
        }
        Ok(listed.into())
    }
}
