//! The XML of `JUnit`, which every CI server reads.

use super::{FileResult, text};
use std::fmt::Write as _;
use std::time::Duration;

/// The width of timelines.
const WIDTH: usize = 120;

/// All files as one `testsuites`.
pub fn to_junit(files: &[FileResult]) -> String {
    let sum = |of: fn(&FileResult) -> usize| files.iter().map(of).sum::<usize>();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let all: Duration = files.iter().map(took).sum();
    writeln!(
        out,
        "<testsuites name=\"stepwright\" tests=\"{}\" failures=\"{}\" errors=\"0\" time=\"{}\">",
        sum(|file| file.results.len()),
        sum(FileResult::failed),
        seconds(all)
    )
    .expect("strings grow");
    for file in files {
        let name = escape(&file.file);
        writeln!(
            out,
            "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"0\" \
             time=\"{}\">",
            file.results.len(),
            file.failed(),
            seconds(took(file))
        )
        .expect("strings grow");
        for (result, took) in &file.results {
            let case = format!(
                "    <testcase classname=\"{name}\" name=\"{}\" file=\"{name}\" line=\"{}\" time=\"{}\"",
                escape(&result.name),
                result.line,
                seconds(*took)
            );
            if result.passed() {
                writeln!(out, "{case}/>").expect("strings grow");
                continue;
            }
            let what: Vec<&str> =
                result.mismatches.iter().map(|mismatch| mismatch.what.as_str()).collect();
            let mut message = what.join(", ");
            for unmocked in &result.unmocked {
                let gap = if message.is_empty() { "" } else { ", " };
                let of = unmocked.machine.as_ref().map(|name| format!(" of {name}"));
                let of = of.unwrap_or_default();
                write!(message, "{gap}no mock answers {}{of}", unmocked.state)
                    .expect("strings grow");
            }
            let body = without_colours(&text::case(result, WIDTH));
            writeln!(
                out,
                "{case}>\n      <failure type=\"mismatch\" message=\"{}\">{}</failure>\n    \
                 </testcase>",
                escape(&message),
                escape(&body)
            )
            .expect("strings grow");
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

fn took(file: &FileResult) -> Duration {
    file.results.iter().map(|(_, took)| *took).sum()
}

fn seconds(duration: Duration) -> String {
    format!("{:.6}", duration.as_secs_f64())
}

/// Takes out the escape sequences of a terminal.
fn without_colours(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else {
            out.push(c);
        }
    }
    out
}

/// Text for XML. Characters that XML cannot have are replaced.
pub(super) fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
        out
    })
}
