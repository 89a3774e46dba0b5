//! The timeline on the screen, and below it a line with the current states.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::Duration;
use stepwright_history::{Event, EventKind, FrameId, Line, Timeline, duration};
use stepwright_json::Str;
use stepwright_projects::Listener;

/// The width of lines if the width of the screen is unknown.
const WIDTH: usize = 120;

/// Shows an execution as it happens.
#[derive(Debug)]
pub(super) struct Screen {
    shown: bool,
    bar: ProgressBar,
    width: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    timeline: Timeline,
    /// The states that the execution is in, by frame.
    current: BTreeMap<FrameId, Str>,
}

impl Screen {
    pub(super) fn for_people() -> Self {
        let bar = if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner:.cyan} {wide_msg:.dim}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            bar.set_style(style);
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        } else {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden())
        };
        Self { shown: true, bar, width: width(), state: Mutex::default() }
    }

    pub(super) fn silent() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Self { shown: false, bar, width: WIDTH, state: Mutex::default() }
    }

    /// Shows the events of a turn.
    pub(super) fn events(&self, events: &[Event]) {
        let mut state = self.state.lock();
        for event in events {
            match &event.kind {
                EventKind::StateEntered { name, .. } => {
                    state.current.insert(event.frame, name.clone());
                }
                EventKind::StateExited { .. } => {
                    state.current.remove(&event.frame);
                }
                _ => {}
            }
            if let Some(line) = state.timeline.line(event).filter(|_| self.shown) {
                self.print(&paint(&line, self.width));
            }
        }
        if !self.bar.is_hidden() {
            let current: Vec<&str> = state.current.values().map(Str::as_str).collect();
            self.bar.set_message(current.join(", "));
        }
    }

    /// Prints a line above the current states.
    pub(super) fn print(&self, line: &str) {
        if self.bar.is_hidden() {
            anstream::eprintln!("{line}");
        } else {
            self.bar.suspend(|| anstream::eprintln!("{line}"));
        }
    }

    /// Removes the line with the current states.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// The number of columns of the terminal.
fn width() -> usize {
    let named = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    named
        .or_else(|| terminal_size::terminal_size().map(|(width, _)| width.0.into()))
        .unwrap_or(WIDTH)
}

impl Listener for Screen {
    fn announce(&self, _line: &str) {}

    fn complain(&self, line: &str) {
        self.print(line);
    }

    fn printed(&self, line: &str) {
        self.print(line);
    }
}

/// A line of the timeline, cut to the width of the screen.
fn paint(line: &Line, width: usize) -> String {
    use anstyle::{AnsiColor, Style};
    let color = |color: AnsiColor| Style::new().fg_color(Some(color.into()));
    let style = match line.verb {
        "succeed" | "returns" => color(AnsiColor::Green),
        "fail" | "fails" | "failed" | "times out" | "time out" | "evaluate" => {
            color(AnsiColor::Red)
        }
        "retry" | "wait" | "wake" | "abort" | "stop" => color(AnsiColor::Yellow),
        "task" | "submitted" | "child" | "map run" => color(AnsiColor::Cyan),
        _ => Style::new(),
    };
    let dim = Style::new().dimmed();
    let at = duration(line.at_millis);
    let indent = "  ".repeat(line.depth);
    let left =
        width.saturating_sub(12 + indent.len() + 12 + line.subject.chars().count() + 2).max(20);
    let detail = if line.detail.chars().count() > left {
        line.detail.chars().take(left - 1).chain(['…']).collect()
    } else {
        line.detail.clone()
    };
    let gap = if line.subject.is_empty() { "" } else { "  " };
    format!(
        "{dim}{at:>10}{dim:#}  {indent}{style}{:<10}{style:#}{}{gap}{dim}{detail}{dim:#}",
        line.verb, line.subject
    )
}
