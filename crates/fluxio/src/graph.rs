//! The original's graph of fragments: states, the branches of choices, the handlers of tasks.

use std::collections::{BTreeMap, BTreeSet};

/// The id of a fragment: its position in the machine's list.
pub(crate) type Id = usize;

/// A graph whose nodes and edges keep the order in which they were added.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    nodes: Vec<Id>,
    /// For each node, the targets of its edges, and whether each edge belongs to an `else`.
    edges: BTreeMap<Id, Vec<(Id, bool)>>,
}

impl Graph {
    /// The nodes, in the order in which they were added.
    pub(crate) fn nodes(&self) -> &[Id] {
        &self.nodes
    }

    pub(crate) fn contains(&self, node: Id) -> bool {
        self.edges.contains_key(&node)
    }

    /// The edges of a node, if it is in the graph.
    pub(crate) fn successors(&self, node: Id) -> Option<&[(Id, bool)]> {
        self.edges.get(&node).map(Vec::as_slice)
    }

    fn add(&mut self, node: Id) {
        if !self.contains(node) {
            self.nodes.push(node);
            self.edges.insert(node, Vec::new());
        }
    }

    /// Adds an edge. If it exists already, only its mark is changed, and not by `None`.
    pub(crate) fn connect(&mut self, from: Id, to: Id, in_else: Option<bool>) {
        self.add(from);
        self.add(to);
        let edges = self.edges.entry(from).or_default();
        match (edges.iter_mut().find(|(known, _)| *known == to), in_else) {
            (Some(edge), Some(in_else)) => edge.1 = in_else,
            (Some(_), None) => {}
            (None, in_else) => edges.push((to, in_else.unwrap_or(false))),
        }
    }

    /// The nodes with an edge to this one, and the marks of these edges.
    pub(crate) fn predecessors(&self, node: Id) -> Vec<(Id, bool)> {
        let edge_to = |from: Id| {
            let edge = self.edges[&from].iter().find(|(to, _)| *to == node)?;
            Some((from, edge.1))
        };
        self.nodes.iter().copied().filter_map(edge_to).collect()
    }

    /// Removes a node and its edges.
    pub(crate) fn remove(&mut self, node: Id) {
        self.nodes.retain(|known| *known != node);
        self.edges.remove(&node);
        for edges in self.edges.values_mut() {
            edges.retain(|(to, _)| *to != node);
        }
    }

    /// The last of all nodes that can be reached from a node, in topological order. `Err` if there
    /// is a loop, or no such node.
    pub(crate) fn last_descendant(&self, node: Id) -> Result<Option<Id>, ()> {
        let mut pending: Vec<Id> =
            self.edges.get(&node).ok_or(())?.iter().map(|(to, _)| *to).collect();
        let mut reached = BTreeSet::new();
        while let Some(next) = pending.pop() {
            if next != node && reached.insert(next) {
                pending.extend(self.edges[&next].iter().map(|(to, _)| *to));
            }
        }
        let within = |from: Id| self.edges[&from].iter().filter(|(to, _)| reached.contains(to));
        let mut waiting: BTreeMap<Id, usize> = reached.iter().map(|id| (*id, 0)).collect();
        for from in &reached {
            for (to, _) in within(*from) {
                *waiting.entry(*to).or_default() += 1;
            }
        }
        let mut generation: Vec<Id> =
            self.nodes.iter().copied().filter(|id| waiting.get(id) == Some(&0)).collect();
        let mut last = None;
        let mut done = 0;
        while !generation.is_empty() {
            let mut next = Vec::new();
            for id in generation {
                last = Some(id);
                done += 1;
                for (to, _) in within(id) {
                    let left = waiting.entry(*to).or_default();
                    *left -= 1;
                    if *left == 0 {
                        next.push(*to);
                    }
                }
            }
            generation = next;
        }
        if done == reached.len() { Ok(last) } else { Err(()) }
    }
}
