//! What was added to and taken from a list of lines.

/// A line of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line<'l> {
    /// It is in both.
    Same(&'l str),
    /// It is expected, and missing.
    Missing(&'l str),
    /// It is there, and not expected.
    Extra(&'l str),
    /// So many lines that are in both were left out.
    Skipped(usize),
}

/// Lines around a difference that are shown.
const AROUND: usize = 2;

/// More comparisons than this are not made: then everything counts as different.
const MOST_WORK: usize = 4_000_000;

/// Compares two lists of lines.
pub(super) fn lines<'l>(expected: &'l [String], actual: &'l [String]) -> Vec<Line<'l>> {
    let prefix = expected.iter().zip(actual).take_while(|(a, b)| a == b).count();
    let rest = expected.len().min(actual.len()) - prefix;
    let suffix = (0..rest)
        .take_while(|at| expected[expected.len() - 1 - at] == actual[actual.len() - 1 - at])
        .count();
    let (left, right) =
        (&expected[prefix..expected.len() - suffix], &actual[prefix..actual.len() - suffix]);
    let mut all: Vec<Line<'l>> = expected[..prefix].iter().map(|line| Line::Same(line)).collect();
    all.extend(between(left, right));
    all.extend(expected[expected.len() - suffix..].iter().map(|line| Line::Same(line)));
    shorten(&all)
}

/// The longest common subsequence tells what stays.
fn between<'l>(left: &'l [String], right: &'l [String]) -> Vec<Line<'l>> {
    let missing = left.iter().map(|line| Line::Missing(line.as_str()));
    let extra = right.iter().map(|line| Line::Extra(line.as_str()));
    if left.len().saturating_mul(right.len()) > MOST_WORK {
        return missing.chain(extra).collect();
    }
    let width = right.len() + 1;
    let mut longest = vec![0u32; (left.len() + 1) * width];
    for i in (0..left.len()).rev() {
        for j in (0..right.len()).rev() {
            longest[i * width + j] = if left[i] == right[j] {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut all = Vec::new();
    while i < left.len() || j < right.len() {
        if i < left.len() && j < right.len() && left[i] == right[j] {
            all.push(Line::Same(&left[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == right.len()
            || (i < left.len() && longest[(i + 1) * width + j] >= longest[i * width + j + 1])
        {
            all.push(Line::Missing(&left[i]));
            i += 1;
        } else {
            all.push(Line::Extra(&right[j]));
            j += 1;
        }
    }
    all
}

/// Leaves out what is far from any difference.
fn shorten<'l>(all: &[Line<'l>]) -> Vec<Line<'l>> {
    let is_near = |at: usize| {
        let (from, to) = (at.saturating_sub(AROUND), (at + AROUND + 1).min(all.len()));
        all[from..to].iter().any(|line| !matches!(line, Line::Same(_)))
    };
    let mut shown = Vec::new();
    let mut skipped = 0;
    for (at, line) in all.iter().enumerate() {
        if is_near(at) {
            if skipped > 0 {
                shown.push(Line::Skipped(skipped));
            }
            skipped = 0;
            shown.push(*line);
        } else {
            skipped += 1;
        }
    }
    if skipped > 0 {
        shown.push(Line::Skipped(skipped));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_shown_with_what_is_around_it() {
        let list = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let (expected, actual) = (list("a b c d e f g"), list("a b c d x f g h"));
        let found = lines(&expected, &actual);
        assert_eq!(
            found,
            [
                Line::Skipped(2),
                Line::Same("c"),
                Line::Same("d"),
                Line::Missing("e"),
                Line::Extra("x"),
                Line::Same("f"),
                Line::Same("g"),
                Line::Extra("h"),
            ]
        );
    }
}
