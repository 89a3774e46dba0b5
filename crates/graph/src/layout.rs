//! Computes the layout of a drawing. Sizes and positions are in pixels.

use crate::model::{Edge, Node, Scope};
use crate::routes::{Routes, Way};

pub(crate) const NODE_HEIGHT: f64 = 46.0;
pub(crate) const TITLE_HEIGHT: f64 = 30.0;
const GAP_X: f64 = 34.0;
const PADDING: f64 = 18.0;
const DUMMY_WIDTH: f64 = 10.0;
/// The space for the dot above the first state and the ring below the last ones.
pub(crate) const CAP: f64 = 34.0;
/// Half the width of the ring below a last state, with the space around it.
pub(crate) const RING: f64 = 12.0;
const SWEEPS: usize = 8;

/// A scope with positions.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) start: usize,
    pub(crate) nodes: Vec<PlacedNode>,
    pub(crate) edges: Vec<PlacedEdge>,
}

#[derive(Clone, Debug)]
pub(crate) struct PlacedNode {
    pub(crate) node: Node,
    /// The upper left corner.
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// The scopes inside, with their upper left corners.
    pub(crate) inner: Vec<(f64, f64, Placed)>,
}

#[derive(Clone, Debug)]
pub(crate) struct PlacedEdge {
    pub(crate) points: Vec<(f64, f64)>,
    pub(crate) label: String,
    /// The middle of the label, on its base line.
    pub(crate) label_at: (f64, f64),
    /// Whether it runs along the side of the drawing, with right angles.
    pub(crate) is_aside: bool,
    pub(crate) is_catch: bool,
    /// The ids of the states at its two ends.
    pub(crate) ends: (u32, u32),
}

/// The approximate width of a text in the drawing's font.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
    text.chars()
        .map(|c| match c {
            'i' | 'l' | 'j' | '.' | ',' | '\'' | '|' | ' ' => 0.32,
            'm' | 'w' | 'M' | 'W' => 0.86,
            c if c.is_ascii_uppercase() => 0.66,
            c if c.is_ascii() => 0.55,
            _ => 1.0,
        })
        .sum::<f64>()
        * size
}

/// Anything that takes space in a row: a state, or an edge that passes through.
#[derive(Clone, Debug)]
struct Slot {
    width: f64,
    height: f64,
    rank: usize,
    x: f64,
    above: Vec<usize>,
    below: Vec<usize>,
}

pub(crate) fn layout(scope: &Scope) -> Placed {
    let count = scope.nodes.len();
    let mut nodes: Vec<PlacedNode> = scope.nodes.iter().map(size).collect();
    let outgoing = edges_at(scope, |edge| edge.from);
    let incoming = edges_at(scope, |edge| edge.to);
    let back = back_edges(scope, &outgoing);
    let ranks = ranks(scope, &back, &outgoing);
    let long = long_edges(scope, &ranks);
    let aside: Vec<bool> = back.iter().zip(&long).map(|(back, long)| *back || *long).collect();
    let mut slots: Vec<Slot> = nodes
        .iter()
        .zip(&ranks)
        .map(|(node, rank)| Slot {
            width: node.width,
            height: node.height,
            rank: *rank,
            x: 0.0,
            above: Vec::new(),
            below: Vec::new(),
        })
        .collect();
    // An edge that spans several rows gets a slot in each row in between.
    let mut chains: Vec<Vec<usize>> = Vec::new();
    for (at, edge) in scope.edges.iter().enumerate() {
        let (from, to) = if back[at] { (edge.to, edge.from) } else { (edge.from, edge.to) };
        let mut chain = vec![from];
        if long[at] {
            chains.push(vec![from, to]);
            continue;
        }
        for rank in ranks[from] + 1..ranks[to] {
            slots.push(Slot {
                width: DUMMY_WIDTH,
                height: 0.0,
                rank,
                x: 0.0,
                above: Vec::new(),
                below: Vec::new(),
            });
            chain.push(slots.len() - 1);
        }
        chain.push(to);
        if from != to {
            for pair in chain.windows(2) {
                slots[pair[0]].below.push(pair[1]);
                slots[pair[1]].above.push(pair[0]);
            }
        }
        chains.push(chain);
    }
    let rows = order(&mut slots);
    place(&mut slots, &rows);
    for (at, node) in nodes.iter_mut().enumerate() {
        node.x = slots[at].x - node.width / 2.0;
    }
    let heights: Vec<f64> = rows
        .iter()
        .map(|row| row.iter().map(|slot| slots[*slot].height).fold(0.0, f64::max).max(8.0))
        .collect();
    let outgoing = sorted(outgoing, true, &slots, &chains);
    let incoming = sorted(incoming, false, &slots, &chains);
    let width = slots.iter().map(|slot| slot.x + slot.width / 2.0).fold(0.0, f64::max);
    let ways: Vec<Way> = scope
        .edges
        .iter()
        .enumerate()
        .map(|(at, edge)| Way {
            rows: (ranks[edge.from], ranks[edge.to]),
            out: spread_out(&nodes[edge.from], slots[edge.from].x, &outgoing[edge.from], at),
            into: spread_in(&nodes[edge.to], slots[edge.to].x, &incoming[edge.to], at),
            bends: if aside[at] {
                None
            } else {
                let inner = &chains[at][1..chains[at].len() - 1];
                Some(inner.iter().map(|slot| slots[*slot].x).collect())
            },
            to: edge.to,
            label: if edge.label.is_empty() { 0.0 } else { text_width(&edge.label, 11.0) },
        })
        .collect();
    let ends: Vec<(usize, f64)> = nodes
        .iter()
        .enumerate()
        .filter(|(_, node)| node.node.ends)
        .map(|(at, node)| (ranks[at], node.height))
        .collect();
    let mut routes = Routes::new(&ways, &ends, &heights, width);
    for (at, node) in nodes.iter_mut().enumerate() {
        node.y = routes.tops[ranks[at]] + (heights[ranks[at]] - node.height) / 2.0;
    }
    let mut edges: Vec<PlacedEdge> = Vec::new();
    for (at, edge) in scope.edges.iter().enumerate() {
        let (from, to) = (&nodes[edge.from], &nodes[edge.to]);
        let (points, label_at) = routes.route(&ways[at], at, from.y + from.height, to.y);
        edges.push(PlacedEdge {
            points,
            label: edge.label.clone(),
            label_at,
            is_aside: aside[at],
            is_catch: edge.is_catch,
            ends: (scope.nodes[edge.from].id, scope.nodes[edge.to].id),
        });
    }
    let mut width = routes.width();
    let mut left = 0.0f64;
    for edge in edges.iter().filter(|edge| !edge.label.is_empty()) {
        let half = text_width(&edge.label, 11.0) / 2.0 + 4.0;
        left = left.min(edge.label_at.0 - half);
        width = width.max(edge.label_at.0 + half);
    }
    if left < 0.0 {
        for node in &mut nodes {
            node.x -= left;
        }
        for edge in &mut edges {
            edge.label_at.0 -= left;
            for point in &mut edge.points {
                point.0 -= left;
            }
        }
        width -= left;
    }
    debug_assert_eq!(nodes.len(), count);
    Placed { width, height: routes.height, start: scope.start, nodes, edges }
}

/// Where an edge leaves a state: its edges are spread over the width of the box, to the right of
/// the ring below a state that may be the last one.
fn spread_out(node: &PlacedNode, middle: f64, peers: &[usize], this: usize) -> f64 {
    let place = peers.iter().position(|peer| *peer == this).unwrap_or(0) as f64;
    if node.node.ends {
        let room = node.width / 2.0 - RING;
        return middle + RING + room * 0.8 * (place + 0.5) / peers.len().max(1) as f64;
    }
    let step = (node.width * 0.7 / peers.len().max(1) as f64).min(40.0);
    middle + (place - (peers.len() as f64 - 1.0) / 2.0) * step
}

/// Where an edge enters a state.
fn spread_in(node: &PlacedNode, middle: f64, peers: &[usize], this: usize) -> f64 {
    let place = peers.iter().position(|peer| *peer == this).unwrap_or(0) as f64;
    let step = (node.width * 0.6 / peers.len().max(1) as f64).min(26.0);
    middle + (place - (peers.len() as f64 - 1.0) / 2.0) * step
}

/// The edges of each state, by the end that `end` gives.
fn edges_at(scope: &Scope, end: impl Fn(&Edge) -> usize) -> Vec<Vec<usize>> {
    let mut found = vec![Vec::new(); scope.nodes.len()];
    for (at, edge) in scope.edges.iter().enumerate() {
        found[end(edge)].push(at);
    }
    found
}

/// The edges that leave (or enter) each state, from left to right.
fn sorted(
    mut edges: Vec<Vec<usize>>,
    leaving: bool,
    slots: &[Slot],
    chains: &[Vec<usize>],
) -> Vec<Vec<usize>> {
    let first = |at: usize| {
        let chain = &chains[at];
        let neighbour = if leaving {
            chain[1.min(chain.len() - 1)]
        } else {
            chain[chain.len().saturating_sub(2)]
        };
        slots[neighbour].x
    };
    for peers in &mut edges {
        peers.sort_by(|a, b| first(*a).total_cmp(&first(*b)));
    }
    edges
}

/// The number of slots that edges may take in the rows that they pass. In a drawing with more, the
/// longest edges run along its right side, as those that lead back do.
const MOST_PASSING: usize = 20_000;

/// Marks the edges that take no slots, because there are too many.
fn long_edges(scope: &Scope, ranks: &[usize]) -> Vec<bool> {
    let length = |at: &usize| {
        let edge = &scope.edges[*at];
        ranks[edge.to].abs_diff(ranks[edge.from])
    };
    let mut edges: Vec<usize> = (0..scope.edges.len()).collect();
    edges.sort_by_key(length);
    let mut long = vec![false; edges.len()];
    let mut passing = 0;
    for at in edges {
        passing += length(&at).saturating_sub(1);
        long[at] = passing > MOST_PASSING;
    }
    long
}

fn size(node: &Node) -> PlacedNode {
    // Names are bold, and fonts differ.
    let text = (text_width(&node.name, 13.0) * 1.1).max(text_width(&node.note, 10.5) + 8.0);
    let mut placed = PlacedNode {
        node: node.clone(),
        x: 0.0,
        y: 0.0,
        width: (text + 36.0).max(96.0),
        height: NODE_HEIGHT,
        inner: Vec::new(),
    };
    if node.inner.is_empty() {
        return placed;
    }
    let mut x = PADDING;
    let mut tallest = 0.0f64;
    for scope in &node.inner {
        let inner = layout(scope);
        let (width, height) = (inner.width, inner.height);
        placed.inner.push((x, TITLE_HEIGHT + 6.0, inner));
        x += width + PADDING + 10.0;
        tallest = tallest.max(height);
    }
    let inner_width = x - 10.0;
    placed.height = TITLE_HEIGHT + tallest + PADDING;
    if inner_width < placed.width {
        let shift = (placed.width - inner_width) / 2.0;
        for (x, ..) in &mut placed.inner {
            *x += shift;
        }
    } else {
        placed.width = inner_width;
    }
    placed
}

/// Marks the edges that lead back to a state from which they can be reached.
fn back_edges(scope: &Scope, outgoing: &[Vec<usize>]) -> Vec<bool> {
    let count = scope.nodes.len();
    let mut back = vec![false; scope.edges.len()];
    let mut color = vec![0u8; count];
    for root in std::iter::once(scope.start).chain(0..count) {
        if color[root] != 0 {
            continue;
        }
        let mut stack = vec![(root, 0usize)];
        color[root] = 1;
        while let Some((node, at)) = stack.pop() {
            let Some(edge) = outgoing[node].get(at) else {
                color[node] = 2;
                continue;
            };
            stack.push((node, at + 1));
            let to = scope.edges[*edge].to;
            match color[to] {
                0 => {
                    color[to] = 1;
                    stack.push((to, 0));
                }
                1 => back[*edge] = true,
                _ => {}
            }
        }
    }
    back
}

/// The row of each state: below all states that lead to it.
fn ranks(scope: &Scope, back: &[bool], outgoing: &[Vec<usize>]) -> Vec<usize> {
    let mut ranks = vec![0usize; scope.nodes.len()];
    let leads_down = |at: usize| !back[at] && scope.edges[at].from != scope.edges[at].to;
    let mut above = vec![0usize; scope.nodes.len()];
    for (at, edge) in scope.edges.iter().enumerate() {
        above[edge.to] += usize::from(leads_down(at));
    }
    // Without the edges that lead back there is no circle, so every state has its turn.
    let mut open: Vec<usize> = (0..above.len()).filter(|node| above[*node] == 0).collect();
    while let Some(node) = open.pop() {
        for at in outgoing[node].iter().copied().filter(|at| leads_down(*at)) {
            let to = scope.edges[at].to;
            ranks[to] = ranks[to].max(ranks[node] + 1);
            above[to] -= 1;
            if above[to] == 0 {
                open.push(to);
            }
        }
    }
    ranks
}

/// Orders the slots of each row so that few edges cross. Each row is sorted by the average position
/// of its neighbours, alternately downwards and upwards.
fn order(slots: &mut [Slot]) -> Vec<Vec<usize>> {
    let most = slots.iter().map(|slot| slot.rank).max().unwrap_or(0);
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); most + 1];
    for (at, slot) in slots.iter().enumerate() {
        rows[slot.rank].push(at);
    }
    let mut position = vec![0.0f64; slots.len()];
    let number = |rows: &[Vec<usize>], position: &mut [f64]| {
        for row in rows {
            for (at, slot) in row.iter().enumerate() {
                position[*slot] = at as f64 - (row.len() as f64 - 1.0) / 2.0;
            }
        }
    };
    number(&rows, &mut position);
    for sweep in 0..SWEEPS {
        let downwards = sweep % 2 == 0;
        let order: Vec<usize> =
            if downwards { (1..=most).collect() } else { (0..most).rev().collect() };
        for rank in order {
            let middle = |slot: usize| {
                let peers = if downwards { &slots[slot].above } else { &slots[slot].below };
                if peers.is_empty() {
                    return position[slot];
                }
                peers.iter().map(|peer| position[*peer]).sum::<f64>() / peers.len() as f64
            };
            let mut row: Vec<(f64, usize)> =
                rows[rank].iter().map(|slot| (middle(*slot), *slot)).collect();
            row.sort_by(|a, b| a.0.total_cmp(&b.0));
            rows[rank] = row.into_iter().map(|(_, slot)| slot).collect();
            for (at, slot) in rows[rank].iter().enumerate() {
                position[*slot] = at as f64 - (rows[rank].len() as f64 - 1.0) / 2.0;
            }
        }
    }
    rows
}

/// Computes the centre of each slot: near the centre of its neighbours, and without overlaps.
fn place(slots: &mut [Slot], rows: &[Vec<usize>]) {
    for row in rows {
        let mut x = 0.0;
        for slot in row {
            slots[*slot].x = x + slots[*slot].width / 2.0;
            x += slots[*slot].width + GAP_X;
        }
        let middle = (x - GAP_X) / 2.0;
        for slot in row {
            slots[*slot].x -= middle;
        }
    }
    for sweep in 0..SWEEPS * 2 {
        let downwards = sweep % 2 == 0;
        let order: Vec<usize> =
            if downwards { (0..rows.len()).collect() } else { (0..rows.len()).rev().collect() };
        for rank in order {
            let row = &rows[rank];
            let wanted: Vec<f64> = row
                .iter()
                .map(|slot| {
                    let slot = &slots[*slot];
                    let peers = if downwards { &slot.above } else { &slot.below };
                    if peers.is_empty() {
                        return slot.x;
                    }
                    peers.iter().map(|peer| slots[*peer].x).sum::<f64>() / peers.len() as f64
                })
                .collect();
            spread(slots, row, &wanted);
        }
    }
    let left = slots.iter().map(|slot| slot.x - slot.width / 2.0).fold(f64::INFINITY, f64::min);
    for slot in slots.iter_mut() {
        slot.x -= left;
    }
}

/// Moves the slots of a row as close to their wanted positions as their order and widths allow.
/// Slots are pushed from both sides, and the mean of both results is used.
fn spread(slots: &mut [Slot], row: &[usize], wanted: &[f64]) {
    let apart = |a: usize, b: usize, slots: &[Slot]| {
        let gap =
            if slots[a].height == 0.0 || slots[b].height == 0.0 { GAP_X / 2.0 } else { GAP_X };
        f64::midpoint(slots[a].width, slots[b].width) + gap
    };
    let mut right = wanted.to_vec();
    for at in 1..row.len() {
        right[at] = right[at].max(right[at - 1] + apart(row[at - 1], row[at], slots));
    }
    let mut left = wanted.to_vec();
    for at in (0..row.len().saturating_sub(1)).rev() {
        left[at] = left[at].min(left[at + 1] - apart(row[at], row[at + 1], slots));
    }
    for (at, slot) in row.iter().enumerate() {
        slots[*slot].x = f64::midpoint(right[at], left[at]);
    }
    for at in 1..row.len() {
        let least = slots[row[at - 1]].x + apart(row[at - 1], row[at], slots);
        if slots[row[at]].x < least {
            slots[row[at]].x = least;
        }
    }
}
