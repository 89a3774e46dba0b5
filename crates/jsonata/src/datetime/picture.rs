//! Date/time pictures, taken apart.

use super::integer::{self, Case};
use crate::error::{Fault, Result};

#[derive(Clone, Debug)]
pub(crate) enum Part {
    Literal(String),
    Marker(Marker),
}

#[derive(Clone, Debug)]
pub(crate) struct Marker {
    pub(crate) component: char,
    /// The width at most.
    pub(crate) most: Option<f64>,
    /// The letter after the presentation: `t` for `Z`.
    pub(crate) second: Option<char>,
    /// Names rather than numbers.
    pub(crate) names: Option<Case>,
    pub(crate) integer: Option<integer::Format>,
    /// How many digits of a year; `None` is all.
    pub(crate) year_digits: Option<f64>,
}

fn default_presentation(component: char) -> Option<&'static str> {
    Some(match component {
        'Y' | 'M' | 'D' | 'd' | 'W' | 'w' | 'X' | 'x' | 'H' | 'h' | 'f' => "1",
        'F' | 'P' | 'C' | 'E' => "n",
        'm' | 's' => "01",
        'Z' | 'z' => "01:01",
        _ => return None,
    })
}

/// Takes a picture apart. In 2.0.6 the width of months and days, too, is that of their digits.
pub(crate) fn parts(picture: &str, newer: bool) -> Result<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::new();
    let mut rest = picture;
    loop {
        let Some(open) = rest.find('[') else {
            literal(rest, &mut parts);
            return Ok(parts);
        };
        literal(&rest[..open], &mut parts);
        rest = &rest[open + 1..];
        if let Some(after) = rest.strip_prefix('[') {
            parts.push(Part::Literal("[".to_owned()));
            rest = after;
            continue;
        }
        let Some(close) = rest.find(']') else { return Err(Fault::new("D3135")) };
        let text: String = rest[..close].chars().filter(|char| !char.is_whitespace()).collect();
        let marker = marker(&text, newer)?;
        let is_number = marker.integer.is_some() && !matches!(marker.component, 'Z' | 'z');
        if newer
            && is_number
            && let Some(Part::Marker(previous)) = parts.last_mut()
        {
            // Numbers with nothing in between are told apart by their width.
            if let Some(integer) = &mut previous.integer {
                integer.width = Some(integer.mandatory);
            }
        }
        parts.push(Part::Marker(marker));
        rest = &rest[close + 1..];
    }
}

fn literal(text: &str, parts: &mut Vec<Part>) {
    if !text.is_empty() {
        parts.push(Part::Literal(text.replace("]]", "]")));
    }
}

fn marker(text: &str, newer: bool) -> Result<Marker> {
    let mut chars = text.chars();
    let component = chars.next().unwrap_or('\0');
    let body = chars.as_str();
    let (presentation, width) = match body.rsplit_once(',') {
        Some((presentation, width)) => (presentation, Some(width)),
        None => (body, None),
    };
    let mut least = None;
    let mut most = None;
    if let Some(width) = width {
        let number = |text: &str| (text != "*").then(|| integer::parse_int(text));
        match width.split_once('-') {
            Some((from, to)) => {
                least = number(from);
                most = number(to);
            }
            None => least = number(width),
        }
    }
    let mut second = None;
    let first = match presentation.chars().count() {
        0 => default_presentation(component)
            .ok_or_else(|| {
                let shown = if component == '\0' { String::new() } else { component.to_string() };
                Fault::new("D3132").value(Some(shown.into()))
            })?
            .to_owned(),
        1 => presentation.to_owned(),
        _ => {
            let last = presentation.chars().next_back();
            if last.is_some_and(|last| "atco".contains(last)) {
                second = last;
                presentation[..presentation.len() - 1].to_owned()
            } else {
                presentation.to_owned()
            }
        }
    };
    let mut marker = Marker {
        component,
        most: most.filter(|most| !most.is_nan()),
        second,
        names: None,
        integer: None,
        year_digits: None,
    };
    if first.starts_with('n') {
        marker.names = Some(Case::Lower);
    } else if first.starts_with("Nn") {
        marker.names = Some(Case::Title);
    } else if first.starts_with('N') {
        marker.names = Some(Case::Upper);
    } else if "YMDdFWwXxHhmsf".contains(component) {
        let picture = match second {
            Some(second) => format!("{first};{second}"),
            None => first.clone(),
        };
        let mut integer = integer::Format::new(&picture)?;
        if let Some(least) = least
            && (integer.mandatory as f64) < least
        {
            integer.mandatory = least as usize;
        }
        if component == 'Y' || (!newer && matches!(component, 'M' | 'D')) {
            if let Some(most) = marker.most {
                marker.year_digits = Some(most);
                integer.mandatory = most as usize;
            } else {
                let width = integer.mandatory + integer.optional;
                if width >= 2 {
                    marker.year_digits = Some(width as f64);
                }
            }
        }
        if !newer
            && let Some(digits) = marker.year_digits
            && digits > 0.0
            && integer.optional == 0
        {
            integer.width = Some(digits as usize);
        }
        marker.integer = Some(integer);
    }
    if matches!(component, 'Z' | 'z') {
        marker.integer = Some(integer::Format::new(&first)?);
    }
    Ok(marker)
}
