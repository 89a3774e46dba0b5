//! The ways of edges between the rows of a drawing.
//!
//! Boxes stand in rows only. The gap below a row is divided, from top to bottom, into room for the
//! rings of last states, lines of labels, channels for edges that leave for the side, the bends of
//! edges that go on downwards, and channels for edges that come from the side. So no edge runs
//! through a box, and no label covers one.

use crate::layout::{CAP, RING};
use std::collections::BTreeMap;

/// The height of a line of labels.
const LINE: f64 = 17.0;
/// The distance between lines that run side by side.
const LANE: f64 = 9.0;
/// The height in which edges bend, and of a gap in which nothing else is.
const BENDS: f64 = 26.0;
const LEAST: f64 = 46.0;
/// The space between two labels of a line.
const BETWEEN: f64 = 8.0;
/// What an edge needs below a box, and the arrow above one.
const CLEAR: f64 = 6.0;
const ARROW: f64 = 12.0;

/// An edge before it has its points.
pub(crate) struct Way {
    /// The rows of its two ends.
    pub(crate) rows: (usize, usize),
    /// Where it leaves, and where it enters.
    pub(crate) out: f64,
    pub(crate) into: f64,
    /// Where it passes each row in between; `None` if it runs along the side.
    pub(crate) bends: Option<Vec<f64>>,
    /// The state that it leads to.
    pub(crate) to: usize,
    /// The width of its label; 0 if it has none.
    pub(crate) label: f64,
}

/// The space below a row.
#[derive(Clone, Default)]
struct Gap {
    rings: f64,
    /// What is taken in each line of labels.
    lines: Vec<Vec<(f64, f64)>>,
    leaving: usize,
    entering: usize,
    /// Whether an edge goes on downwards.
    has_bends: bool,
}

impl Gap {
    fn height(&self) -> f64 {
        let bends = if self.has_bends { BENDS } else { 0.0 };
        let sides = LANE * (self.leaving + self.entering) as f64;
        let arrow = if self.entering > 0 { ARROW } else { 0.0 };
        (CLEAR + self.rings + LINE * self.lines.len() as f64 + sides + bends + arrow).max(LEAST)
    }

    /// A free place for a label, as near to its edge as possible: its line.
    fn place(&mut self, middle: f64, width: f64) -> usize {
        let (from, to) = (middle - width / 2.0 - BETWEEN, middle + width / 2.0 + BETWEEN);
        let is_free = |line: &Vec<(f64, f64)>| line.iter().all(|(a, b)| to <= *a || from >= *b);
        let found = self.lines.iter().position(is_free).unwrap_or_else(|| {
            self.lines.push(Vec::new());
            self.lines.len() - 1
        });
        self.lines[found].push((from + BETWEEN, to - BETWEEN));
        found
    }
}

/// The rows and gaps of a drawing, and the lanes at its side.
pub(crate) struct Routes {
    /// Where each row begins.
    pub(crate) tops: Vec<f64>,
    pub(crate) height: f64,
    heights: Vec<f64>,
    gaps: Vec<Gap>,
    /// The line of each label.
    lines: Vec<usize>,
    /// The channel in which each edge leaves for the side.
    leaving: Vec<usize>,
    /// The lane, and the channel in which it is left, of each state that edges lead to from the side.
    lanes: BTreeMap<usize, (f64, usize)>,
    /// The channels above the first row.
    above: usize,
    right: f64,
}

impl Routes {
    /// `ends` has the row and the height of each state with a ring below it.
    pub(crate) fn new(ways: &[Way], ends: &[(usize, f64)], heights: &[f64], width: f64) -> Self {
        let mut gaps = vec![Gap::default(); heights.len()];
        for (row, height) in ends {
            let gap = &mut gaps[*row];
            let below = 2.0 * RING - (heights[*row] - height) / 2.0;
            gap.rings = gap.rings.max(below);
        }
        let mut lines = vec![0; ways.len()];
        let mut leaving = vec![0; ways.len()];
        let mut order: Vec<usize> = (0..ways.len()).collect();
        order.sort_by(|a, b| ways[*a].out.total_cmp(&ways[*b].out));
        for at in order {
            let way = &ways[at];
            let gap = &mut gaps[way.rows.0];
            if way.label > 0.0 {
                lines[at] = gap.place(way.out, way.label);
            }
            if way.bends.is_some() {
                gap.has_bends = true;
            } else {
                leaving[at] = gap.leaving;
                gap.leaving += 1;
            }
        }
        let mut lanes = BTreeMap::new();
        let mut right = width;
        let mut above = 0;
        let mut sides: Vec<&Way> = ways.iter().filter(|way| way.bends.is_none()).collect();
        sides.sort_by_key(|way| (way.rows.0.abs_diff(way.rows.1), way.to));
        for way in sides {
            if lanes.contains_key(&way.to) {
                continue;
            }
            let channels = match way.rows.1.checked_sub(1) {
                Some(row) => &mut gaps[row].entering,
                None => &mut above,
            };
            right += if lanes.is_empty() { 18.0 } else { 14.0 };
            lanes.insert(way.to, (right, *channels));
            *channels += 1;
        }
        let mut tops = Vec::new();
        let first = if above > 0 { CAP + ARROW + LANE * above as f64 } else { CAP };
        let mut y = first;
        for (gap, height) in gaps.iter().zip(heights) {
            tops.push(y);
            y += height + gap.height();
        }
        // Below the last row nothing is needed but room for rings, and for what leaves it.
        if let Some(last) = gaps.last() {
            let needed = last.rings + LINE * last.lines.len() as f64 + LANE * last.leaving as f64;
            y += needed.max(CAP) - last.height();
        }
        let heights = heights.to_vec();
        Self { tops, height: y, heights, gaps, lines, leaving, lanes, above, right }
    }

    /// The points of an edge, and the place of its label.
    pub(crate) fn route(
        &mut self,
        way: &Way,
        at: usize,
        from: f64,
        to: f64,
    ) -> (Vec<(f64, f64)>, (f64, f64)) {
        let (row, last) = way.rows;
        let gap = &self.gaps[row];
        let labels = self.tops[row] + self.heights[row] + CLEAR + gap.rings;
        let channels = labels + LINE * gap.lines.len() as f64;
        let bends = channels + LANE * gap.leaving as f64;
        let label_at = (way.out, labels + LINE * self.lines[at] as f64 + 11.0);
        let mut points = vec![(way.out, from)];
        let Some(middle) = &way.bends else {
            let leaves = channels + LANE * self.leaving[at] as f64 + LANE / 2.0;
            let (lane, channel) = self.lanes[&way.to];
            let above = match last.checked_sub(1) {
                Some(before) => self.gaps[before].entering,
                None => self.above,
            };
            let enters = self.tops[last] - ARROW - LANE * (above - channel) as f64 + LANE / 2.0;
            points.extend([(way.out, leaves), (lane, leaves), (lane, enters), (way.into, enters)]);
            points.push((way.into, to));
            return (points, label_at);
        };
        points.push((way.out, bends));
        for (passed, x) in middle.iter().enumerate() {
            let row = row + 1 + passed;
            let gap = &self.gaps[row];
            let below = self.tops[row] + self.heights[row] + CLEAR + gap.rings;
            let below = below + LINE * gap.lines.len() as f64 + LANE * gap.leaving as f64;
            points.push((*x, self.before(row)));
            points.push((*x, below));
        }
        points.push((way.into, self.before(last)));
        points.push((way.into, to));
        (points, label_at)
    }

    /// Where the bends above a row end.
    fn before(&self, row: usize) -> f64 {
        let entering = row.checked_sub(1).map_or(0, |before| self.gaps[before].entering);
        let arrow = if entering > 0 { ARROW } else { 0.0 };
        self.tops[row] - arrow - LANE * entering as f64
    }

    /// The width of the drawing, with its lanes.
    pub(crate) fn width(&self) -> f64 {
        self.right + if self.lanes.is_empty() { 0.0 } else { 8.0 }
    }
}
