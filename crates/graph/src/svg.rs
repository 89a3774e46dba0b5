use crate::layout::{CAP, Placed, PlacedEdge, PlacedNode, TITLE_HEIGHT, text_width};
use crate::marks::{Mark, Marks};
use std::fmt::Write as _;

const MARGIN: f64 = 16.0;

/// The fill and line colours of a state type.
fn colors(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "Task" => ("#eef4ff", "#3b6fd4"),
        "Choice" => ("#fff6e0", "#c98a00"),
        "Wait" => ("#f3efff", "#7b5bd6"),
        "Succeed" => ("#e8f8ee", "#2c9a57"),
        "Fail" => ("#fdecec", "#cf3b3b"),
        "Parallel" | "Map" => ("#fafbfc", "#8a94a3"),
        _ => ("#f5f6f8", "#6b7685"),
    }
}

/// The size of the legend.
const LEGEND: (f64, f64) = (330.0, 28.0);

/// What a drawing shows besides the machine.
#[derive(Clone, Copy, Default)]
pub(crate) struct Style<'m> {
    /// What is used of it.
    pub(crate) marks: Option<&'m Marks>,
    /// Whether it stands in a page, whose style sheet says its colours and whose script finds its states.
    pub(crate) is_in_page: bool,
}

impl Style<'_> {
    /// An attribute that only a page needs.
    fn for_page(self, attribute: &str) -> &str {
        if self.is_in_page { attribute } else { "" }
    }
}

pub(crate) fn draw(placed: &Placed, style: Style<'_>) -> String {
    let marks = style.marks;
    let mut out = String::new();
    let (mut width, mut height) = (placed.width + 2.0 * MARGIN, placed.height + 2.0 * MARGIN);
    if marks.is_some() {
        (width, height) = (width.max(LEGEND.0 + 2.0 * MARGIN), height + LEGEND.1);
    }
    write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"system-ui, 'Segoe UI', Helvetica, \
         Arial, sans-serif\">\n<defs>\
         <marker id=\"arrow\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" \
         markerHeight=\"7\" orient=\"auto-start-reverse\"><path d=\"M0 0L10 5L0 10z\" \
         fill=\"#5a6472\"/></marker>\
         <marker id=\"catch\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" \
         markerHeight=\"7\" orient=\"auto-start-reverse\"><path d=\"M0 0L10 5L0 10z\" \
         fill=\"#cf3b3b\"/></marker>"
    )
    .expect("strings grow");
    if marks.is_some() {
        for mark in MARKS {
            let line = mark.colors().1;
            write!(
                out,
                "<marker id=\"{}\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"7\" \
                 markerHeight=\"7\" orient=\"auto-start-reverse\"><path d=\"M0 0L10 5L0 10z\" \
                 fill=\"{line}\"/></marker>",
                &line[1..]
            )
            .expect("strings grow");
        }
    }
    out.push_str("</defs>\n");
    if !style.is_in_page {
        out.push_str("<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n");
    }
    scope(placed, MARGIN, MARGIN, style, &mut out);
    if marks.is_some() {
        legend(MARGIN, height - MARGIN, &mut out);
    }
    out.push_str("</svg>\n");
    out
}

const MARKS: [Mark; 3] = [Mark::Used, Mark::Partly, Mark::Missed];

fn legend(x: f64, y: f64, out: &mut String) {
    let words = ["used", "partly used", "not used"];
    for (at, (mark, words)) in MARKS.into_iter().zip(words).enumerate() {
        let (fill, line) = mark.colors();
        let left = x + 110.0 * at as f64;
        writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"{:.1}\" width=\"14\" height=\"14\" rx=\"3\" \
             fill=\"{fill}\" stroke=\"{line}\"/><text x=\"{:.1}\" y=\"{y:.1}\" \
             font-size=\"12\" fill=\"#1f2630\">{words}</text>",
            y - 11.0,
            left + 20.0
        )
        .expect("strings grow");
    }
}

fn scope(placed: &Placed, x: f64, y: f64, style: Style<'_>, out: &mut String) {
    for node in &placed.nodes {
        draw_node(node, x, y, style, out);
    }
    for edge in &placed.edges {
        draw_edge(edge, x, y, style, out);
    }
    let start = &placed.nodes[placed.start];
    let (middle, top) = (x + start.x + start.width / 2.0, y + start.y);
    writeln!(
        out,
        "<circle{} cx=\"{middle:.1}\" cy=\"{:.1}\" r=\"6\" fill=\"#5a6472\"/>\
         <path d=\"M{middle:.1} {:.1}V{top:.1}\" stroke=\"#5a6472\" fill=\"none\" \
         marker-end=\"url(#arrow)\"/>",
        style.for_page(" class=\"full\""),
        top - CAP + 10.0,
        top - CAP + 16.0
    )
    .expect("strings grow");
    for node in placed.nodes.iter().filter(|node| node.node.ends) {
        let (middle, bottom) = (x + node.x + node.width / 2.0, y + node.y + node.height);
        writeln!(
            out,
            "<path d=\"M{middle:.1} {bottom:.1}V{:.1}\" stroke=\"#5a6472\" fill=\"none\"/>\
             <circle cx=\"{middle:.1}\" cy=\"{:.1}\" r=\"6\" fill=\"#ffffff\" stroke=\"#5a6472\" \
             stroke-width=\"1.5\"/><circle{} cx=\"{middle:.1}\" cy=\"{:.1}\" r=\"3\" \
             fill=\"#5a6472\"/>",
            bottom + 10.0,
            bottom + 16.0,
            style.for_page(" class=\"full\""),
            bottom + 16.0
        )
        .expect("strings grow");
    }
    for edge in placed.edges.iter().filter(|edge| !edge.label.is_empty()) {
        label(edge, x, y, style, out);
    }
}

fn draw_node(node: &PlacedNode, x: f64, y: f64, style: Style<'_>, out: &mut String) {
    let mark = style.marks.and_then(|marks| marks.state(node.node.id));
    let (fill, line) = mark.map_or(colors(node.node.kind), |(mark, _)| mark.colors());
    let (left, top) = (x + node.x, y + node.y);
    let is_box = !node.inner.is_empty();
    let radius = if node.node.kind == "Choice" { 22.0 } else { 8.0 };
    write!(
        out,
        "<g{}><title>{}: {}{}</title><rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" \
         height=\"{:.1}\" rx=\"{radius}\" fill=\"{fill}\" stroke=\"{line}\" \
         stroke-width=\"1.4\"{}/>",
        style.for_page(&format!(
            " class=\"state {}\" data-state=\"{}\"",
            if is_box { "around" } else { "plain" },
            node.node.id
        )),
        escape(node.node.kind),
        escape(&node.node.name),
        escape(&mark.map_or_else(String::new, |(_, words)| format!(", {words}"))),
        node.width,
        node.height,
        if is_box { " stroke-dasharray=\"5 3\"" } else { "" }
    )
    .expect("strings grow");
    let middle = left + node.width / 2.0;
    let note = if node.node.note.is_empty() {
        node.node.kind.to_owned()
    } else {
        format!("{} · {}", node.node.kind, node.node.note)
    };
    if is_box {
        write!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"13\" font-weight=\"600\" \
             fill=\"#1f2630\">{}</text><text x=\"{:.1}\" y=\"{:.1}\" font-size=\"10.5\" \
             fill=\"{line}\" text-anchor=\"end\">{}</text>",
            left + 12.0,
            top + TITLE_HEIGHT - 10.0,
            escape(&node.node.name),
            left + node.width - 12.0,
            top + TITLE_HEIGHT - 10.0,
            escape(&if text_width(&note, 10.5) + text_width(&node.node.name, 13.0) + 36.0
                > node.width
            {
                node.node.kind.to_owned()
            } else {
                note.clone()
            })
        )
        .expect("strings grow");
    } else {
        write!(
            out,
            "<text x=\"{middle:.1}\" y=\"{:.1}\" font-size=\"13\" font-weight=\"600\" \
             fill=\"#1f2630\" text-anchor=\"middle\">{}</text><text x=\"{middle:.1}\" \
             y=\"{:.1}\" font-size=\"10.5\" fill=\"{line}\" text-anchor=\"middle\">{}</text>",
            top + 20.0,
            escape(&node.node.name),
            top + 36.0,
            escape(if node.node.note.is_empty() { node.node.kind } else { &node.node.note })
        )
        .expect("strings grow");
    }
    out.push_str("</g>\n");
    for (index, (inner_x, inner_y, inner)) in node.inner.iter().enumerate() {
        if index > 0 {
            let line_x = left + inner_x - 14.0;
            write!(
                out,
                "<path d=\"M{line_x:.1} {:.1}V{:.1}\" stroke=\"#d5dae1\" \
                 stroke-dasharray=\"3 4\"/>",
                top + TITLE_HEIGHT + 6.0,
                top + node.height - 10.0
            )
            .expect("strings grow");
        }
        scope(inner, left + inner_x, top + inner_y, style, out);
    }
}

/// Draws an edge as straight lines with rounded corners.
fn draw_edge(edge: &PlacedEdge, x: f64, y: f64, style: Style<'_>, out: &mut String) {
    let mut points: Vec<(f64, f64)> = edge.points.iter().map(|(a, b)| (a + x, b + y)).collect();
    // A piece without a length has no direction, by which its arrow is turned.
    points.dedup();
    let mut path = format!("M{:.1} {:.1}", points[0].0, points[0].1);
    if edge.is_aside {
        right_angles(&points, &mut path);
    } else {
        for pair in points.windows(2) {
            let ((x1, y1), (x2, y2)) = (pair[0], pair[1]);
            if x1 == x2 {
                write!(path, "V{y2:.1}").expect("strings grow");
                continue;
            }
            let bend = (y2 - y1) / 2.0;
            write!(path, "C{x1:.1} {:.1} {x2:.1} {:.1} {x2:.1} {y2:.1}", y1 + bend, y2 - bend)
                .expect("strings grow");
        }
    }
    let (color, dash, marker) = if edge.is_catch {
        ("#cf3b3b", " stroke-dasharray=\"4 3\"", "catch")
    } else {
        ("#5a6472", "", "arrow")
    };
    let mark = style.marks.and_then(|marks| marks.transition(edge.ends, edge.is_catch));
    let (color, marker) = match mark {
        Some(mark) => (mark.colors().1, &mark.colors().1[1..]),
        None => (color, marker),
    };
    writeln!(
        out,
        "<path{} d=\"{path}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"1.3\"{dash} \
         marker-end=\"url(#{marker})\"/>",
        style.for_page(if edge.is_catch { " class=\"catch\"" } else { "" })
    )
    .expect("strings grow");
}

/// Draws lines with right angles, whose corners are rounded.
fn right_angles(points: &[(f64, f64)], path: &mut String) {
    for corner in points.windows(3) {
        let [before, here, after] = [corner[0], corner[1], corner[2]];
        let length = |a: (f64, f64), b: (f64, f64)| (a.0 - b.0).abs() + (a.1 - b.1).abs();
        let round = (length(before, here) / 2.0).min(length(here, after) / 2.0).min(6.0);
        let towards = |end: (f64, f64)| {
            let all = length(here, end).max(0.1);
            (here.0 + (end.0 - here.0) * round / all, here.1 + (end.1 - here.1) * round / all)
        };
        let (a, b) = (towards(before), towards(after));
        write!(path, "L{:.1} {:.1}Q{:.1} {:.1} {:.1} {:.1}", a.0, a.1, here.0, here.1, b.0, b.1)
            .expect("strings grow");
    }
    if let Some(end) = points.last() {
        write!(path, "L{:.1} {:.1}", end.0, end.1).expect("strings grow");
    }
}

fn label(edge: &PlacedEdge, x: f64, y: f64, style: Style<'_>, out: &mut String) {
    let (middle, line) = (x + edge.label_at.0, y + edge.label_at.1);
    let width = text_width(&edge.label, 11.0) + 6.0;
    let color = if edge.is_catch { "#cf3b3b" } else { "#3d4653" };
    writeln!(
        out,
        "<rect{} x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"14\" rx=\"3\" \
         fill=\"#ffffff\" fill-opacity=\"0.88\"/><text x=\"{middle:.1}\" y=\"{line:.1}\" \
         font-size=\"11\" fill=\"{color}\" text-anchor=\"middle\">{}</text>",
        style.for_page(" class=\"label\""),
        middle - width / 2.0,
        line - 11.0,
        escape(&edge.label)
    )
    .expect("strings grow");
}

fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            // Others turn the text around them, or cannot be seen.
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{61c}'
            | '\u{feff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
        out
    })
}
