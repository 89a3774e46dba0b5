//! Breaks lines that are too long.

/// The largest length of a line.
const LONGEST: f64 = 79.0;

/// Joins the pieces to one text and breaks long lines.
pub(super) fn broken(pieces: Vec<String>) -> String {
    let mut out = String::new();
    let mut line: Vec<String> = Vec::new();
    let mut has_line_feed = false;
    let mut length = 0;
    for piece in pieces {
        match piece.find('\n') {
            // A piece that begins with a line feed ends the line.
            Some(0) => {
                if !line.is_empty() {
                    if length <= LONGEST as usize || has_line_feed {
                        out.push_str(&line.concat());
                    } else {
                        wrap(std::mem::take(&mut line), &mut out);
                    }
                }
                line.clear();
                length = 0;
                has_line_feed = false;
                out.push_str(&piece);
            }
            found => {
                has_line_feed = found.is_some();
                length += width(&piece);
                line.push(piece);
            }
        }
    }
    out.push_str(&line.concat());
    out
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn count(group: &[String]) -> f64 {
    group.iter().map(|piece| width(piece)).sum::<usize>() as f64
}

/// Breaks a line that is too long between its brackets.
fn wrap(mut line: Vec<String>, out: &mut String) {
    let mut longest = LONGEST;
    let indent = width(&line[0]) - width(line[0].trim_start());
    let mut indentation = if indent > 0 { line.remove(0) } else { String::new() };
    let mut indent = indent as f64;
    let mut groups = groups(&line);
    if fixed(&groups).any(|group| count(group) > longest - indent) {
        groups = self::groups(&with_parentheses(line, longest, indent));
    }
    let mut groups = groups.into_iter();
    let first = groups.next().unwrap_or_default();
    out.push_str(&indentation);
    out.push_str(&first.concat());
    let mut at = indent + count(&first);
    indentation.push_str("    ");
    indent += 4.0;
    if indent >= longest / 2.0 {
        longest = longest / 2.0 + indent;
    }
    while let (Some(mut group), Some(after)) = (groups.next(), groups.next()) {
        let line_feed = |out: &mut String| {
            out.push('\n');
            out.push_str(&indentation);
        };
        if !group.is_empty() {
            if at > indent && at + width(&group[0]) as f64 > longest {
                line_feed(out);
                at = indent;
            }
            while at + count(&group) > longest {
                let (mut ready, rest) = split(group, at, longest);
                if let Some(last) = ready.last_mut()
                    && last.ends_with(' ')
                {
                    last.pop();
                }
                out.push_str(&ready.concat());
                line_feed(out);
                at = indent;
                group = rest;
            }
            out.push_str(&group.concat());
            at += count(&group);
        }
        if at > indent && at + count(&after) > longest {
            line_feed(out);
            at = indent;
        }
        out.push_str(&after.concat());
        at += count(&after);
    }
}

/// Splits a group into what fits on this line and the rest.
fn split(mut group: Vec<String>, mut at: f64, longest: f64) -> (Vec<String>, Vec<String>) {
    let mut taken = 0;
    while taken < group.len() {
        at += width(&group[taken]) as f64;
        taken += 1;
        if let Some(next) = group.get(taken) {
            let allowed = if next.ends_with(' ') { longest + 1.0 } else { longest - 4.0 };
            if at + width(next) as f64 > allowed {
                break;
            }
        }
    }
    let rest = group.split_off(taken);
    (group, rest)
}

fn is_opening(piece: &str) -> bool {
    matches!(piece, "(" | "[" | "{")
}

fn is_closing(piece: &str) -> bool {
    matches!(piece, ")" | "]" | "}" | "):")
}

/// Splits a line into groups. The first must not be broken, the second may be, and so on
/// alternately.
fn groups(line: &[String]) -> Vec<Vec<String>> {
    let mut groups = Vec::new();
    let mut text: Vec<String> = Vec::new();
    let mut pieces = line.iter();
    loop {
        for piece in pieces.by_ref() {
            text.push(piece.clone());
            if is_opening(piece) {
                break;
            }
        }
        if text.is_empty() {
            return groups;
        }
        groups.push(std::mem::take(&mut text));
        let mut level = 0;
        for piece in pieces.by_ref() {
            if is_opening(piece) {
                level += 1;
            } else if is_closing(piece) {
                level -= 1;
                if level < 0 {
                    groups.push(std::mem::take(&mut text));
                    text.push(piece.clone());
                    break;
                }
            }
            text.push(piece.clone());
        }
        if text.is_empty() {
            return groups;
        }
    }
}

/// The groups that must not be broken.
fn fixed(groups: &[Vec<String>]) -> impl Iterator<Item = &Vec<String>> {
    groups.iter().step_by(2)
}

/// Adds parentheses where they allow a line break.
fn with_parentheses(mut line: Vec<String>, longest: f64, indent: f64) -> Vec<String> {
    if matches!(line[0].as_str(), "del " | "return" | "yield " | "if " | "while ") {
        let at = if line[0].ends_with(' ') { 1 } else { 2 };
        line.insert(at.min(line.len()), "(".to_owned());
        if line.last().is_some_and(|piece| piece == ":") {
            line.insert(line.len() - 1, ")".to_owned());
        } else {
            line.push(")".to_owned());
        }
    }
    let mut groups: Vec<Vec<String>> = vec![Vec::new()];
    for piece in line {
        let is_assignment = piece.ends_with("= ")
            && piece.starts_with(' ')
            && piece.len() <= 5
            && !matches!(piece.as_str(), " == " | " != " | " <= " | " >= ");
        groups.last_mut().expect("there is one").push(piece);
        if is_assignment {
            groups.push(Vec::new());
        }
    }
    let Some(mut last) = groups.pop() else { return Vec::new() };
    if groups.is_empty() {
        return last;
    }
    let before: f64 = groups.iter().map(|group| count(group)).sum();
    let mut did_wrap = false;
    if before >= longest - indent - 4.0 {
        for group in &mut groups {
            did_wrap = group.len() > 1;
            if did_wrap {
                group.insert(0, "(".to_owned());
                group.insert(group.len() - 1, ")".to_owned());
            }
        }
    }
    if !did_wrap || count(&last) > longest - indent - 10.0 {
        last.insert(0, "(".to_owned());
        last.push(")".to_owned());
    }
    groups.push(last);
    groups.concat()
}
