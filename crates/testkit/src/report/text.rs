//! For people, in colours.

use super::diff::{self, Line};
use crate::check::{Mismatch, Shown};
use crate::coverage::Coverage;
use crate::run::CaseResult;
use anstyle::{AnsiColor, Style};
use std::fmt::Write as _;
use stepwright_json::Json;
use stepwright_simulator::duration;
use stepwright_timeline::{Layout, paint};

const RED: Style = AnsiColor::Red.on_default();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const DIM: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// Values that are longer are cut.
const MOST_CHARACTERS: usize = 600;

/// Differences of one value that are shown.
const MOST_DIFFERENCES: usize = 12;

/// So many lines of the timeline of a case that failed are shown: the last ones.
const MOST_LINES: usize = 40;

/// How far what is said of a case is indented.
const INDENT: usize = 8;

/// A case: one line, and below it what is not as it should be, with the timeline that shows how it
/// came to that.
pub fn case(result: &CaseResult, width: usize) -> String {
    let mut out = String::new();
    let took = duration(result.elapsed_millis);
    if result.passed() {
        write!(out, "  {GREEN}ok{GREEN:#}    {} {DIM}({took}){DIM:#}", result.name)
    } else {
        write!(out, "  {RED}FAIL{RED:#}  {BOLD}{}{BOLD:#}", result.name)
    }
    .expect("strings grow");
    for unmocked in &result.unmocked {
        let crate::run::Unmocked { state, machine, resource, input, why } = unmocked;
        let mock = format!("{{{}: {{return: {{}}}}}}", key(state));
        let (of, mock) = match machine {
            Some(name) => {
                (format!(" of `{name}`"), format!("machine_mocks: {{{}: {mock}}}", key(name)))
            }
            None => (String::new(), format!("mocks: {mock}")),
        };
        write!(
            out,
            "\n        {RED}`{state}`{of} is called and not answered{RED:#}: {why}\n          it calls \
             {resource}\n          with     {}\n          {DIM}mock it:{DIM:#} {mock}",
            cut(&input.to_string())
        )
        .expect("strings grow");
    }
    for mismatch in &result.mismatches {
        out.push('\n');
        explain(mismatch, &mut out);
    }
    for state in &result.unused {
        write!(out, "\n        {YELLOW}note{YELLOW:#}: the mock of `{state}` was not used")
            .expect("strings grow");
    }
    if !result.passed() {
        for (state, condition) in &result.never_matched {
            write!(
                out,
                "\n        {YELLOW}note{YELLOW:#}: no call of `{state}` fits the mock with `when: {}`",
                cut(condition)
            )
            .expect("strings grow");
        }
        timeline(result, width, &mut out);
    }
    out
}

fn timeline(result: &CaseResult, width: usize, out: &mut String) {
    write!(out, "\n        {DIM}what happened:{DIM:#}").expect("strings grow");
    let left_out = result.lines.len().saturating_sub(MOST_LINES);
    if left_out > 0 {
        write!(out, "\n{:>9} {DIM}… {left_out} lines before{DIM:#}", "").expect("strings grow");
    }
    let layout = Layout { width: width.saturating_sub(INDENT).max(60) };
    for line in &result.lines[left_out..] {
        write!(out, "\n{:INDENT$}{}", "", paint(line, layout)).expect("strings grow");
    }
}

fn explain(mismatch: &Mismatch, out: &mut String) {
    let Mismatch { what, expected, actual, differences, note } = mismatch;
    write!(out, "        {RED}{what}{RED:#}").expect("strings grow");
    match (expected, actual) {
        (Shown::Lines(expected), Shown::Lines(actual)) => {
            for line in diff::lines(expected, actual) {
                match line {
                    Line::Same(text) => write!(out, "\n            {DIM}{text}{DIM:#}"),
                    Line::Missing(text) => write!(out, "\n          {RED}- {text}{RED:#}"),
                    Line::Extra(text) => write!(out, "\n          {GREEN}+ {text}{GREEN:#}"),
                    Line::Skipped(count) => write!(out, "\n            {DIM}… {count} more{DIM:#}"),
                }
                .expect("strings grow");
            }
        }
        _ if differences.is_empty() || is_root(differences) => {
            pair(out, &cut(&expected.text()), &cut(&actual.text()));
        }
        _ => {
            for difference in differences.iter().take(MOST_DIFFERENCES) {
                write!(out, "\n          {}", difference.path).expect("strings grow");
                let text = |value: &Option<Json>| {
                    value.as_ref().map_or_else(|| "nothing".to_owned(), Json::to_string)
                };
                pair(out, &cut(&text(&difference.expected)), &cut(&text(&difference.actual)));
            }
            if let Some(more) = differences.len().checked_sub(MOST_DIFFERENCES + 1) {
                write!(out, "\n          {DIM}… {} more{DIM:#}", more + 1).expect("strings grow");
            }
        }
    }
    if let Some(note) = note {
        write!(out, "\n          {DIM}{}{DIM:#}", cut(note)).expect("strings grow");
    }
}

fn is_root(differences: &[stepwright_simulator::Difference]) -> bool {
    differences.len() == 1 && differences[0].path == "$"
}

fn pair(out: &mut String, expected: &str, actual: &str) {
    write!(
        out,
        "\n            {DIM}expected{DIM:#}  {RED}{expected}{RED:#}\n            \
         {DIM}is{DIM:#}        {GREEN}{actual}{GREEN:#}"
    )
    .expect("strings grow");
}

/// A state's name as a key in YAML.
fn key(name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if is_plain { name.to_owned() } else { Json::from(name).to_string() }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= MOST_CHARACTERS {
        return text.to_owned();
    }
    text.chars().take(MOST_CHARACTERS).chain(['…']).collect()
}

/// The coverage of a definition: figures, and what is missed.
pub fn coverage(definition: &str, coverage: &Coverage) -> String {
    let mut out = String::new();
    let total = coverage.total();
    write!(out, "{BOLD}coverage{BOLD:#} of {definition}: {:.1} %", total.percent())
        .expect("strings grow");
    for share in coverage.shares.iter().filter(|share| share.all > 0) {
        let style = if share.used == share.all { GREEN } else { YELLOW };
        write!(
            out,
            "\n  {style}{:<12}{style:#} {:>4} of {:<4} {:>5.1} %",
            share.what,
            share.used,
            share.all,
            share.percent()
        )
        .expect("strings grow");
    }
    for missed in &coverage.missed {
        write!(out, "\n  {DIM}-{DIM:#} {missed}").expect("strings grow");
    }
    out
}
