//! The timelines of executions on the screen, and below them a line that says where they stand.

use crate::bar::Bar;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use stepwright_history::{Event, Moment};
use stepwright_program::Program;
use stepwright_timeline::{Culprit, Layout, Line, Timeline, Weight, columns, paint};

/// The width of lines if nobody says how wide the screen is.
const WIDTH: usize = 120;

/// How much is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shown {
    /// No timeline.
    Nothing,
    /// What is new: each task, each wait, each decision.
    #[default]
    News,
    /// Every event.
    Everything,
}

/// A state machine whose executions are shown.
#[derive(Clone, Debug, Default)]
pub struct KnownMachine {
    /// Its program; with it, lines say why an execution goes on as it does.
    pub program: Option<Arc<Program>>,
    /// Whether its events are read from a history of AWS's.
    pub is_recorded: bool,
}

/// Events of one execution.
#[derive(Clone, Copy, Debug)]
pub struct Happening<'e> {
    /// The execution's ARN.
    pub execution: &'e str,
    /// The ARN of its state machine.
    pub machine: &'e str,
    /// The events, in order.
    pub events: &'e [Event],
}

/// Shows executions as they happen. The first one is the one that was asked for; others are nested
/// in it.
#[derive(Debug)]
pub struct Screen {
    shown: Shown,
    to_stdout: bool,
    /// What each line begins with.
    label: String,
    /// The line that says where the execution stands, on a terminal.
    bar: Option<Bar>,
    /// Held while lines are printed, so that they keep their order.
    printing: Mutex<()>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    machines: BTreeMap<String, KnownMachine>,
    tellers: BTreeMap<String, Teller>,
    main: Option<String>,
}

/// The timeline of an execution, and where it belongs.
#[derive(Debug)]
struct Teller {
    timeline: Timeline,
    depth: usize,
    /// Added to the times of its lines.
    offset: i64,
    is_crowded: bool,
}

impl Screen {
    /// A screen for people: timelines go to standard error.
    pub fn new(shown: Shown) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let is_shown = shown != Shown::Nothing && can_draw();
        let bar = is_shown.then(|| bar(state.clone()));
        Self {
            shown,
            to_stdout: false,
            label: String::new(),
            bar,
            printing: Mutex::default(),
            state,
        }
    }

    /// Prints timelines on standard output instead: they are what the command is asked for.
    #[must_use]
    pub fn on_stdout(self) -> Self {
        Self { to_stdout: true, ..self }
    }

    /// A screen of one execution among others: each line begins with its name, and nothing says where
    /// it stands.
    #[must_use]
    pub fn with_label(self, label: &str) -> Self {
        Self { label: label.to_owned(), bar: None, ..self }
    }

    /// Tells the screen of a state machine before its executions begin.
    pub fn know(&self, arn: &str, machine: KnownMachine) {
        self.state.lock().machines.insert(arn.to_owned(), machine);
    }

    /// Shows events.
    pub fn events(&self, happening: &Happening<'_>) {
        let _printing = self.printing.lock();
        let lines = self.state.lock().lines(happening);
        if self.shown == Shown::Nothing {
            return;
        }
        let layout = self.layout();
        for line in lines {
            if line.weight == Weight::Main || self.shown == Shown::Everything {
                self.put(&match self.label.as_str() {
                    "" => paint(&line, layout),
                    label => {
                        let left = layout.width.saturating_sub(columns(label) + 2).max(40);
                        format!("{label}  {}", paint(&line, Layout { width: left }))
                    }
                });
            }
        }
    }

    /// Prints a line above the one that says where the execution stands.
    pub fn print(&self, line: &str) {
        let _printing = self.printing.lock();
        self.put(line);
    }

    /// Removes the line that says where the execution stands.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }

    /// What each current state of the execution waits for.
    pub fn standing(&self) -> Vec<String> {
        let state = self.state.lock();
        let Some(teller) = state.main() else { return Vec::new() };
        teller.timeline.waits(now().max(teller.timeline.now()))
    }

    /// Where the failure came from that ended the execution.
    pub fn culprit(&self) -> Option<Culprit> {
        self.state.lock().main()?.timeline.culprit().cloned()
    }

    fn layout(&self) -> Layout {
        let is_terminal = if self.to_stdout {
            std::io::stdout().is_terminal()
        } else {
            std::io::stderr().is_terminal()
        };
        match (self.shown, is_terminal) {
            // A pipe has no width, and whoever wants everything wants it whole.
            (Shown::Everything, false) => Layout { width: usize::MAX },
            _ => Layout { width: width() },
        }
    }

    fn put(&self, line: &str) {
        let print = || {
            if self.to_stdout {
                anstream::println!("{line}");
            } else {
                anstream::eprintln!("{line}");
            }
        };
        match &self.bar {
            Some(bar) => bar.above(print),
            None => print(),
        }
    }
}

impl State {
    fn main(&self) -> Option<&Teller> {
        self.tellers.get(self.main.as_ref()?)
    }

    fn lines(&mut self, happening: &Happening<'_>) -> Vec<Line> {
        let Happening { execution, machine, events } = *happening;
        if !self.tellers.contains_key(execution) {
            let teller = self.teller(machine);
            self.main.get_or_insert_with(|| execution.to_owned());
            self.tellers.insert(execution.to_owned(), teller);
        }
        let Some(teller) = self.tellers.get_mut(execution) else { return Vec::new() };
        let mut lines = Vec::new();
        for event in events {
            let Some(mut line) = teller.timeline.line(event) else { continue };
            line.depth += teller.depth;
            line.at_millis += teller.offset;
            if teller.is_crowded {
                line.weight = Weight::Minor;
            }
            if teller.depth > 0 && line.subject.is_empty() {
                // What starts and ends is the nested machine.
                machine.rsplit(':').next().unwrap_or_default().clone_into(&mut line.subject);
            }
            lines.push(line);
        }
        let is_nested = self.main.as_deref() != Some(execution);
        if is_nested && self.tellers.get(execution).is_some_and(|teller| teller.timeline.is_over())
        {
            self.tellers.remove(execution);
        }
        lines
    }

    /// The timeline of an execution that begins, below the one whose task has started it.
    fn teller(&mut self, machine: &str) -> Teller {
        let known = self.machines.get(machine).cloned().unwrap_or_default();
        let timeline = match known.program {
            Some(program) if known.is_recorded => Timeline::of_recorded(program),
            Some(program) => Timeline::of(program),
            None => Timeline::default(),
        };
        let adopted = self.tellers.values_mut().find_map(|teller| {
            let (depth, is_crowded) = teller.timeline.adopt(machine)?;
            let since = teller.timeline.now().0 - teller.timeline.start().0;
            Some((teller.depth + depth, teller.offset + since, is_crowded || teller.is_crowded))
        });
        let depth = usize::from(self.main.is_some());
        let (depth, offset, is_crowded) = adopted.unwrap_or((depth, 0, false));
        Teller { timeline, depth, offset, is_crowded }
    }

    /// One line that says where the execution stands.
    fn standing(&self, now: Moment) -> String {
        let Some(teller) = self.main() else { return String::new() };
        if let Some(progress) = teller.timeline.progress(now.max(teller.timeline.now())) {
            return format!("{}  {progress}", progress.state);
        }
        teller.timeline.current().join(", ")
    }
}

/// Whether the line can be drawn: what is no terminal, or a very simple one, cannot remove it again.
fn can_draw() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|kind| kind != "dumb")
}

/// The line that says where the execution stands.
fn bar(state: Arc<Mutex<State>>) -> Bar {
    let stderr = std::io::stderr();
    let is_coloured = anstream::AutoStream::choice(&stderr) != anstream::ColorChoice::Never;
    Bar::new(stderr, is_coloured, move || {
        let text = state.lock().standing(now());
        text.chars().take(width().saturating_sub(3)).collect()
    })
}

fn now() -> Moment {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Moment(since_1970.as_millis() as i64)
}

/// The number of columns: those of the terminal, else what `COLUMNS` says, else 120.
pub fn width() -> usize {
    let terminal = terminal_size::terminal_size_of(std::io::stderr())
        .or_else(|| terminal_size::terminal_size_of(std::io::stdout()));
    if let Some((width, _)) = terminal {
        return usize::from(width.0).max(20);
    }
    let named = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    named.filter(|columns| *columns >= 20).unwrap_or(WIDTH)
}
