//! A line as text.

use crate::fit::{columns, fit, middle, plain};
use crate::line::Line;
use anstyle::{AnsiColor, Style};
use std::fmt::Write as _;
use stepwright_history::duration;
use stepwright_json::Json;

/// How lines are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The number of columns; `usize::MAX` where nothing is cut.
    pub width: usize,
}

/// The columns of the time, and of the verb.
const TIME: usize = 9;
const VERB: usize = 9;

impl Layout {
    /// The column in which data begins: two fifths of the width, within bounds.
    fn data_column(self) -> usize {
        match self.width {
            usize::MAX => 48,
            width => (width * 2 / 5).clamp(40, 56),
        }
    }
}

/// A line in colour, within the layout's width. `depth` is added to the line's own.
pub fn paint(line: &Line, layout: Layout) -> String {
    let style = style(line);
    let dim = Style::new().dimmed();
    let at = duration(line.at_millis);
    let indent = "  ".repeat(line.depth.min(12));
    let subject = subject(line);
    let before = TIME + 2 + indent.len() + VERB + 1;
    let column = layout.data_column();
    // A long name is cut in its middle, but never to nothing.
    let room = layout.width.saturating_sub(before + 1).max(12);
    let subject = middle(&subject, room.min(60));
    let mut head = format!(
        "{dim}{at:>TIME$}{dim:#}  {indent}{style}{:<VERB$}{style:#} {subject}",
        line.word()
    );
    let used = before + columns(&subject);
    let gap = if used + 2 > column { 2 } else { column - used };
    let left = layout.width.saturating_sub(used + gap);
    let rest = rest(line, left);
    if !rest.is_empty() && left > 0 {
        head.push_str(&" ".repeat(gap));
        head.push_str(&rest);
    }
    head
}

/// What follows the subject: in colour, at most `left` columns.
fn rest(line: &Line, left: usize) -> String {
    let dim = Style::new().dimmed();
    let mut out = String::new();
    let mut used = 0;
    let mut words = |out: &mut String, text: &str, style: Style| {
        if text.is_empty() || used + 1 >= left {
            return;
        }
        let gap = usize::from(used > 0);
        let text = middle(&plain(text), left - used - gap);
        used += gap + columns(&text);
        if gap > 0 {
            out.push(' ');
        }
        write!(out, "{style}{text}{style:#}").expect("strings grow");
    };
    words(&mut out, &line.detail, Style::new());
    words(&mut out, &line.why, Style::new());
    if let Some(failure) = line.failure_text() {
        words(&mut out, &failure, color(AnsiColor::Red));
    }
    let values = [line.data.clone(), line.assigned.clone().map(Json::Object)];
    for (value, is_data) in values.into_iter().zip([true, false]) {
        let Some(value) = value else { continue };
        let before = match (is_data, used > 0) {
            (true, false) => "",
            (true, true) => " ",
            (false, _) => "  assign ",
        };
        // Less than this shows nothing of a value.
        if used + before.len() + 8 > left && left != usize::MAX {
            continue;
        }
        let text = fit(&value, left - used - before.len());
        used += before.len() + columns(&text);
        write!(out, "{before}{dim}{text}{dim:#}").expect("strings grow");
    }
    out
}

fn subject(line: &Line) -> String {
    let item = line.item.to_string();
    let name = plain(&line.subject);
    match (name.is_empty(), item.is_empty()) {
        (_, true) => name,
        (true, false) => item,
        (false, false) => format!("{name} {item}"),
    }
}

fn color(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(color.into()))
}

fn style(line: &Line) -> Style {
    match line.word() {
        "succeed" | "returns" => color(AnsiColor::Green),
        "fail" | "fails" | "failed" | "times out" | "time out" | "evaluate" => {
            color(AnsiColor::Red)
        }
        "retry" | "wait" | "wake" | "abort" | "stop" => color(AnsiColor::Yellow),
        "exit" if line.why.starts_with("caught") => color(AnsiColor::Yellow),
        "task" | "submitted" | "child" | "map run" => color(AnsiColor::Cyan),
        _ => Style::new(),
    }
}

/// What a line says besides its verb and subject, in full and without colour.
pub fn text(line: &Line) -> String {
    said(line, "")
}

/// As [`text`], with why it goes on as it does.
pub fn text_with_why(line: &Line) -> String {
    said(line, &line.why)
}

fn said(line: &Line, why: &str) -> String {
    let failure = line.failure.as_ref().map(|failure| match (&failure.error, &failure.cause) {
        (Some(error), Some(cause)) if !cause.is_empty() => format!("{error}: {cause}"),
        (Some(error), _) => error.to_string(),
        (None, Some(cause)) => cause.to_string(),
        (None, None) => "without an error".to_owned(),
    });
    let data = line.data.as_ref().map(Json::to_string);
    let parts = [Some(line.detail.clone()), Some(why.to_owned()), failure, data];
    let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    let mut text = parts.join(" ");
    if let Some(assigned) = &line.assigned {
        write!(text, "  assign {}", Json::Object(assigned.clone())).expect("strings grow");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_history::Failure;
    use stepwright_json::json;

    fn shown(line: &Line, width: usize) -> String {
        let painted = paint(line, Layout { width });
        let mut out = String::new();
        let mut in_escape = false;
        for c in painted.chars() {
            match c {
                '\u{1b}' => in_escape = true,
                'm' if in_escape => in_escape = false,
                c if !in_escape => out.push(c),
                _ => {}
            }
        }
        assert!(columns(&out) <= width, "{} columns: {out}", columns(&out));
        out
    }

    #[test]
    fn lines_keep_to_the_width_and_data_stands_in_one_column() {
        let data = json!({"orderId": "A-17", "items": [1, 2, 3], "note": ("word ".repeat(40))});
        let line = |subject: &str, depth: usize| Line {
            at_millis: 1_250,
            verb: "task",
            subject: subject.to_owned(),
            depth,
            detail: "charge".to_owned(),
            data: Some(data.clone()),
            ..Line::default()
        };
        for width in [80, 120, 200] {
            let column = Layout { width }.data_column();
            for (subject, depth) in [("Charge", 0), ("ReserveStock", 1), ("X", 3)] {
                let text = shown(&line(subject, depth), width);
                let at = text.find("charge").expect("the detail is shown");
                assert_eq!(at, column, "{text}");
                assert!(text.contains("\"orderId\":\"A-17\""), "{text}");
            }
            shown(&line(&"a very long name of a state ".repeat(5), 4), width);
        }
    }

    #[test]
    fn causes_stay_on_one_line_and_json_is_told_by_its_message() {
        let cause = r#"{"errorType":"Declined","errorMessage":"The card\nhas expired","trace":[]}"#;
        let line = Line {
            verb: "fails",
            subject: "Charge".to_owned(),
            failure: Some(Failure::new("Declined", cause)),
            ..Line::default()
        };
        let text = shown(&line, 100);
        assert!(text.ends_with("Declined: The card has expired"), "{text}");
        let long = Line { failure: Some(Failure::new("E", "x\n".repeat(900))), ..line };
        assert_eq!(shown(&long, 80).lines().count(), 1);
    }
}
