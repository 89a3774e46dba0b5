use crate::Str;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// The keys of an object, in order. Objects that were read together and have the same keys share
/// one.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    keys: Vec<Str>,
    /// Where each key is, once there are too many to look through.
    index: Option<BTreeMap<Str, u32>>,
    /// Each key as it is printed, made when an object of this shape is first printed.
    labels: OnceLock<Box<[Str]>>,
}

impl Clone for Shape {
    fn clone(&self) -> Self {
        // A copy is made to be changed: its labels would not last.
        Self { keys: self.keys.clone(), index: self.index.clone(), labels: OnceLock::new() }
    }
}

/// How many keys are looked through one by one.
const FEW: usize = 16;

impl Shape {
    pub(crate) fn keys(&self) -> &[Str] {
        &self.keys
    }

    /// Each key as `label` makes it.
    pub(crate) fn labels(&self, label: impl Fn(&str) -> Str) -> &[Str] {
        self.labels.get_or_init(|| self.keys.iter().map(|key| label(key)).collect())
    }

    #[inline]
    pub(crate) fn position(&self, key: &str) -> Option<usize> {
        match &self.index {
            None => self.keys.iter().position(|name| name.as_str() == key),
            Some(index) => index.get(key).map(|&at| at as usize),
        }
    }

    /// Adds a key that is not there yet.
    pub(crate) fn push(&mut self, key: Str) {
        self.labels.take();
        let at = self.keys.len();
        if let Some(index) = &mut self.index {
            index.insert(key.clone(), at as u32);
        }
        self.keys.push(key);
        if self.index.is_none() && self.keys.len() > FEW {
            self.index = Some(self.keys.iter().cloned().zip(0..).collect());
        }
    }

    pub(crate) fn remove(&mut self, at: usize) {
        self.labels.take();
        let key = self.keys.remove(at);
        if let Some(index) = &mut self.index {
            index.remove(&key);
            index.values_mut().filter(|place| **place as usize > at).for_each(|place| *place -= 1);
        }
    }
}

/// The shapes met while one text is read, as a tree: a node stands for the keys on the way to it.
/// Bounded in every direction; what does not fit gets a shape of its own.
#[derive(Debug)]
pub(crate) struct Shapes {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    key: Str,
    parent: u32,
    depth: u32,
    children: u32,
    first: u32,
    next: u32,
    /// The child taken last: most likely the one taken next.
    last: u32,
    shape: Option<Arc<Shape>>,
}

const NONE: u32 = u32::MAX;
const CHILDREN: u32 = 16;
const DEPTH: u32 = 64;
const NODES: usize = 4096;

/// Where a key leads from a node.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Next {
    Node(u32),
    /// The object has the key already, at this place.
    Duplicate(usize),
    /// There is no room.
    Full,
}

impl Shapes {
    pub(crate) const ROOT: u32 = 0;

    pub(crate) fn new() -> Self {
        Self { nodes: vec![Node::new(Str::default(), NONE, 0)] }
    }

    #[inline]
    pub(crate) fn next(&mut self, node: u32, key: &str) -> Next {
        let last = self.nodes[node as usize].last;
        if last != NONE && self.nodes[last as usize].key.as_str() == key {
            return Next::Node(last);
        }
        self.search(node, key)
    }

    fn search(&mut self, node: u32, key: &str) -> Next {
        let mut child = self.nodes[node as usize].first;
        while child != NONE {
            let found = &self.nodes[child as usize];
            if found.key.as_str() == key {
                self.nodes[node as usize].last = child;
                return Next::Node(child);
            }
            child = found.next;
        }
        let mut above = node;
        while above != Self::ROOT {
            let found = &self.nodes[above as usize];
            if found.key.as_str() == key {
                return Next::Duplicate(found.depth as usize - 1);
            }
            above = found.parent;
        }
        let here = &self.nodes[node as usize];
        if here.children >= CHILDREN || here.depth >= DEPTH || self.nodes.len() >= NODES {
            return Next::Full;
        }
        let mut child = Node::new(key.into(), node, here.depth + 1);
        child.next = here.first;
        let at = self.nodes.len() as u32;
        self.nodes.push(child);
        let here = &mut self.nodes[node as usize];
        here.first = at;
        here.last = at;
        here.children += 1;
        Next::Node(at)
    }

    /// The keys on the way to `node`, as a shape.
    pub(crate) fn shape(&mut self, node: u32) -> Arc<Shape> {
        if let Some(shape) = &self.nodes[node as usize].shape {
            return Arc::clone(shape);
        }
        let shape = Arc::new(self.build(node));
        self.nodes[node as usize].shape = Some(Arc::clone(&shape));
        shape
    }

    /// As [`Self::shape`], but not shared.
    pub(crate) fn build(&self, node: u32) -> Shape {
        let mut keys = Vec::with_capacity(self.nodes[node as usize].depth as usize);
        let mut above = node;
        while above != Self::ROOT {
            let found = &self.nodes[above as usize];
            keys.push(found.key.clone());
            above = found.parent;
        }
        let index = (keys.len() > FEW).then(|| keys.iter().rev().cloned().zip(0..).collect());
        keys.reverse();
        Shape { keys, index, labels: OnceLock::new() }
    }
}

impl Node {
    fn new(key: Str, parent: u32, depth: u32) -> Self {
        Self { key, parent, depth, children: 0, first: NONE, next: NONE, last: NONE, shape: None }
    }
}
